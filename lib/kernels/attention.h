/* kernels/attention.h - part of kernels.h: flow-guided local attention and the two losses that act on flow */
#ifndef PN_KERNELS_ATTENTION_H
#define PN_KERNELS_ATTENTION_H

enum { PN_LOCAL_MAX_K = 15 };

/**
 * Local attention. All k^2 taps of a target position lie at whole pixels from each other, so they share one fraction,
 * and
 *
 *   sum_t w0_t s_t = the bilinear sample of (w0 * source) at the flow's place:
 *
 * one convolution of the source, whose replicated border reaches r = k/2 pixels out on every side, replaces a product
 * per target position, and its gradients are that convolution's. Beyond the r pixels it is constant, so clamping its
 * index is exact. The convolution belongs to the op; these kernels begin with its result, the response.
 *
 *   h = leaky_relu(target_hidden + sample(response), 0.1);  a = softmax(w1 h + b1);  y = 1/k^2 sum_t a_t s_t
 */
typedef struct {
    pn_map source;                  /* [N,C,H,W], and y */
    pn_map hidden;                  /* [N,D,H,W]: target_hidden and h */
    pn_map weight;                  /* [N,k^2,H,W]: a */
    pn_map response;                /* [N,D,H+2r,W+2r] */
    ptrdiff_t k;
} pn_local_dims;

typedef struct {
    const pn_real *source, *response, *flow;            /* flow planar [N,2,H,W] */
    const pn_real *target_hidden, *b1;                  /* forward only */
    const pn_real *w1;                                  /* [k^2,D] */
    const pn_real *a, *h;                               /* backward only: what forward left */
} pn_local_inputs;

/* response: the convolution's gradient, written whole (lanes past D zero); NULL when nobody needs it. source: without
 * the part that comes through the response, which the op adds. */
typedef struct { pn_sink source, hidden, flow, w1, b1; pn_real *response; } pn_local_sinks;

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
