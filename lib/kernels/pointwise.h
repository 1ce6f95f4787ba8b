/* kernels/pointwise.h - part of kernels.h: each output number depends on the numbers at its own place, repeats and sums
 *
 * Results and gradients may lie where input 0 lies, exactly: no pointer here is restrict. Whatever a function makes of
 * zero, lanes past c go out as zero.
 */
#ifndef PN_KERNELS_POINTWISE_H
#define PN_KERNELS_POINTWISE_H

/* Curves through one number, and what their backward reads. */
typedef enum {
    PN_CURVE_TANH,                  /* from the result */
    PN_CURVE_SIGMOID,               /* from the result */
    PN_CURVE_GELU                   /* from the input; -Inf gives 0 */
} pn_curve;

/* A large array beside a small one that is repeated along some axes; extents and strides as stored, outermost first, a
 * stride of 0 where the small one is repeated. The innermost axis of a blocked map is its block. */
typedef struct {
    pn_map map;                     /* of the large one */
    ptrdiff_t extent[PN_MAX_RANK];  /* of the large one, which lies densely; product = pn_map_stored(map) */
    ptrdiff_t stride[PN_MAX_RANK];  /* of the small one */
} pn_repeat;

/* Seen as [outer][extent][inner], softmax runs over the middle. */
typedef struct { ptrdiff_t outer, extent, inner; } pn_softmax_dims;

typedef struct { pn_sink a, b, mask; } pn_lerp_sinks;

/* x (1 + gamma) + beta. A sample of gamma and one of beta lie like one of x, each `step` numbers after the one before. */
typedef struct { pn_map x; ptrdiff_t step; } pn_modulate_dims;
typedef struct {
    const pn_real *x, *gamma, *beta;        /* backward does not read beta */
    const pn_prologue *pro;                 /* how x is read; NULL: as it is. With one, x lies in blocks */
} pn_modulate_inputs;
typedef struct { pn_sink x, gamma, beta; } pn_modulate_sinks;

/* gelu(u) v of [samples][2][count] numbers, u first */
typedef struct { ptrdiff_t samples, count; } pn_gate_dims;

typedef struct {
    /* y = x > 0 ? x : slope * x; backward from y, since the sign of y is that of x (slope >= 0). NaN passes through. */
    void (*leaky_relu_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_real slope, ptrdiff_t count);
    void (*leaky_relu_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, pn_real slope,
                           ptrdiff_t count);
    void (*curve_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_curve f, pn_map map);
    void (*curve_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *read, pn_curve f, pn_map map);
    /* y = log(x + shift) */
    void (*log_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, double shift, pn_map map);
    void (*log_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, double shift, pn_map map);
    /* y = scale x + shift */
    void (*affine)(pn_pool *pool, pn_sink y, const pn_real *x, double scale, double shift, pn_map map);
    void (*softmax_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_softmax_dims d);
    void (*softmax_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, pn_softmax_dims d);

    /* y = large + small, y = large * small */
    void (*add)(pn_pool *pool, pn_sink y, const pn_real *large, const pn_real *small, pn_repeat r);
    void (*mul)(pn_pool *pool, pn_sink y, const pn_real *large, const pn_real *small, pn_repeat r);
    /* large = scale * small, repeated */
    void (*spread)(pn_pool *pool, pn_sink large, const pn_real *small, double scale, pn_repeat r);
    /* small = scale * sum of large [* times], over the axes where it is repeated. times NULL: 1. */
    void (*reduce)(pn_pool *pool, pn_sink small, const pn_real *large, const pn_real *times, double scale, pn_repeat r,
                   void *scratch);
    size_t (*reduce_scratch)(pn_repeat r);
    /* y = (1 - mask) a + mask b, mask planar [n,1,h,w]. */
    void (*lerp_fwd)(pn_pool *pool, pn_real *y, const pn_real *a, const pn_real *b, const pn_real *mask, pn_map map);
    void (*lerp_bwd)(pn_pool *pool, pn_lerp_sinks d, const pn_real *dy, const pn_real *a, const pn_real *b,
                     const pn_real *mask, pn_map map);
    void (*modulate_fwd)(pn_pool *pool, pn_real *y, const pn_modulate_inputs *in, pn_modulate_dims d);
    void (*modulate_bwd)(pn_pool *pool, const pn_modulate_sinks *out, const pn_real *dy, const pn_modulate_inputs *in,
                         pn_modulate_dims d);
    void (*gelu_gate_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_gate_dims d);
    void (*gelu_gate_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, pn_gate_dims d);

    /* dst = src or dst += src: what copies, seeds and reshapes need. */
    void (*copy)(pn_pool *pool, pn_sink dst, const pn_real *src, ptrdiff_t count);
    /* dst (layout of to) = or += src (layout of from): same n, c, h, w, any block. */
    void (*relayout)(pn_pool *pool, pn_sink dst, pn_map to, const pn_real *src, pn_map from);
} pn_pointwise_kernels;

#endif
