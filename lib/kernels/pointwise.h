/* kernels/pointwise.h - part of kernels.h: each output number depends on the numbers at its own place */
#ifndef PN_KERNELS_POINTWISE_H
#define PN_KERNELS_POINTWISE_H

typedef struct {
    /* y = x > 0 ? x : slope * x; backward from y, since the sign of y is that of x (slope >= 0). NaN passes through. */
    void (*leaky_relu_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_real slope, ptrdiff_t count);
    void (*leaky_relu_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, pn_real slope, ptrdiff_t count);
    /* dst = src or dst += src: what copies, seeds and reshapes need. */
    void (*copy)(pn_pool *pool, pn_sink dst, const pn_real *src, ptrdiff_t count);
    /* dst (layout of to) = or += src (layout of from): same n, c, h, w, other block. */
    void (*relayout)(pn_pool *pool, pn_sink dst, pn_map to, const pn_real *src, pn_map from);
} pn_pointwise_kernels;

#endif
