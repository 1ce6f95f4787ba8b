/* kernels/attention.h - part of kernels.h: flow-guided local attention, two losses that act on flow, full attention */
#ifndef PN_KERNELS_ATTENTION_H
#define PN_KERNELS_ATTENTION_H

enum { PN_LOCAL_MAX_K = 15 };

/**
 * Local attention, given both halves of the first layer. All k^2 taps of a target position lie at whole pixels from each
 * other, so they share one fraction, and the source's half of that layer is the bilinear sample of an ordinary
 * convolution of the source (posenet/ops.h): one sample of D features stands for a product with C k^2 numbers.
 *
 *   h = leaky_relu(target_hidden + sample(source_hidden), 0.1);  a = softmax(w1 h + b1);  y = 1/k^2 sum_t a_t s_t
 *
 * source_hidden begins k/2 pixels before the source on both axes, and its border is replicated too.
 */
typedef struct {
    pn_map source;                  /* [N,C,H,W], and y */
    pn_map source_hidden;           /* [N,D,H+k-1,W+k-1] */
    pn_map hidden;                  /* [N,D,H,W]: target_hidden and h */
    pn_map weight;                  /* [N,k^2,H,W]: a */
    ptrdiff_t k;
} pn_local_dims;

typedef struct {
    const pn_real *source, *source_hidden, *flow;       /* flow planar [N,2,H,W] */
    const pn_real *target_hidden, *b1;                  /* forward only */
    const pn_real *w1;                                  /* [k^2,D] */
    const pn_real *a, *h;                               /* backward only: what forward left */
} pn_local_inputs;

/* source_hidden of the inputs is read for the flow's gradient alone. */
typedef struct { pn_sink source, source_hidden, target_hidden, flow, w1, b1; } pn_local_sinks;

typedef struct { size_t fwd, bwd; } pn_attention_scratch;

/* Sampling correctness: source, target like `feature`, flow planar [N,2,FH,FW], mask [N,H,W] or NULL. */
typedef struct { pn_map feature, flow; } pn_correctness_dims;
typedef struct { const pn_real *source, *target, *flow, *mask; } pn_correctness_inputs;

/* Rows of numbers, one per query or key: a matrix, or the pixels of a map. Number c of row r of batch n lies at
 * n batch + r row + c / chunk next + c % chunk. */
typedef struct { ptrdiff_t batch, row, chunk, next; } pn_rows;

static inline ptrdiff_t pn_row_at(const pn_rows *m, ptrdiff_t n, ptrdiff_t r, ptrdiff_t c)
{
    return n * m->batch + r * m->row + c / m->chunk * m->next + c % m->chunk;
}
static inline pn_rows pn_rows_of_matrix(ptrdiff_t rows, ptrdiff_t columns)
{
    return (pn_rows){ .batch = rows * columns, .row = columns, .chunk = columns };
}
static inline pn_rows pn_rows_of_map(pn_map m)
{
    const ptrdiff_t area = m.h * m.w;
    return (pn_rows){ .batch = pn_map_blocks(m) * area * m.b, .row = m.b, .chunk = m.b, .next = area * m.b };
}

/* Full attention, y = softmax(scale q k^T + bias) v: the queries x keys numbers never exist all at once. */
typedef struct {
    ptrdiff_t batch, queries, keys; /* B, Tq, Tk */
    ptrdiff_t features, values;     /* D of q and k; Dv of v and y */
    ptrdiff_t bias_batch, bias_row; /* from one of the batch, one query to the next in the bias; 0: it repeats */
    pn_real scale;
    pn_rows q, k, v, y;             /* and of their gradients; simd/ takes matrices and maps of b = 16 */
} pn_full_dims;

typedef struct {
    const pn_real *q, *k, *v;       /* Tq and Tk rows of D, Tk rows of Dv */
    const pn_real *bias;            /* [B or 1,Tq or 1,Tk], or NULL */
    const pn_real *y, *top, *log_sum;   /* backward only: what forward left; y is not read for v's gradient alone */
} pn_full_inputs;

typedef struct { pn_sink q, k, v, bias; } pn_full_sinks;

typedef struct {
    pn_attention_scratch (*local_scratch)(pn_local_dims d, int threads);
    void (*local_fwd)(pn_pool *pool, pn_real *y, pn_real *a, pn_real *h, const pn_local_inputs *in, pn_local_dims d,
                      void *scratch);
    void (*local_bwd)(pn_pool *pool, const pn_local_sinks *out, const pn_real *dy, const pn_local_inputs *in,
                      pn_local_dims d, void *scratch);

    pn_attention_scratch (*correctness_scratch)(pn_correctness_dims d, int threads);
    /* loss [1]; slope, planar [N,2,H,W]: d loss / d flow at the position that each feature pixel reads. */
    void (*correctness_fwd)(pn_pool *pool, pn_real *loss, pn_real *slope, const pn_correctness_inputs *in,
                            pn_correctness_dims d, void *scratch);
    void (*correctness_bwd)(pn_pool *pool, pn_sink dflow, const pn_real *dloss, const pn_real *slope,
                            pn_correctness_dims d);

    /* flow planar [N,2,H,W]; k x k patches inside it. */
    pn_attention_scratch (*regularisation_scratch)(pn_map flow, ptrdiff_t k);
    void (*regularisation_fwd)(pn_pool *pool, pn_real *loss, const pn_real *flow, pn_map m, ptrdiff_t k, void *scratch);
    void (*regularisation_bwd)(pn_pool *pool, pn_sink dflow, const pn_real *dloss, const pn_real *flow, pn_map m,
                               ptrdiff_t k, void *scratch);

    pn_attention_scratch (*full_scratch)(pn_full_dims d, int threads);
    /* top, log_sum [B,Tq]: each row's largest logit, and log sum exp(logit - top); -inf and 0 where all logits are
     * -inf. Apart, for in their sum a large top leaves no digits to the second. */
    void (*full_fwd)(pn_pool *pool, pn_real *y, pn_real *top, pn_real *log_sum, const pn_full_inputs *in,
                     pn_full_dims d, void *scratch);
    void (*full_bwd)(pn_pool *pool, const pn_full_sinks *out, const pn_real *dy, const pn_full_inputs *in,
                     pn_full_dims d, void *scratch);

    pn_channel_kernels channel;     /* kernels/channel.h */
} pn_attention_kernels;

#endif
