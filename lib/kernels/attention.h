/* kernels/attention.h - part of kernels.h: flow-guided local attention and the two losses that act on flow */
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

/* Sampling correctness: source, target like `feature`, flow planar [N,2,FH,FW]. */
typedef struct { pn_map feature, flow; } pn_correctness_dims;
typedef struct { const pn_real *source, *target, *flow; } pn_correctness_inputs;

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
} pn_attention_kernels;

#endif
