/* kernels/conv.h - part of kernels.h: convolution */
#ifndef PN_KERNELS_CONV_H
#define PN_KERNELS_CONV_H

/* What folds into the reading of a map: x <- act(x * scale + shift) per (n, c), before padding is put around it.
 * act(v) = v for v > 0, slope * v otherwise; slope 1 is none. scale NULL: nothing at all. */
typedef struct { const pn_real *scale, *shift; pn_real slope; } pn_prologue;    /* scale, shift: [N][C rounded up to 16] */

/* What folds into the writing: y <- act(y + bias + residual); and, when stats is set, sum and sum of squares of y per
 * (n, c) are left there for a norm that follows. slope 1: no activation; zero-initialised it would be ReLU: set it. */
typedef struct {
    const pn_real *bias;            /* [O] or NULL */
    const pn_real *more_bias;       /* the same, of a second source */
    const pn_real *residual;        /* a map like y, or NULL */
    pn_real slope;
    pn_real *stats;                 /* [2][N][O rounded up to 16] or NULL */
} pn_epilogue;

typedef struct {
    pn_map x, y;                    /* of a transposed convolution: x is its input, the smaller map */
    ptrdiff_t kernel[2], stride[2], pad[2], dilation[2];        /* rows, columns */
    ptrdiff_t groups;
    pn_border border;               /* beyond x; transposed: ZERO only */
    bool transposed;                /* weights [C,O/groups,kh,kw] instead of [O,C/groups,kh,kw] */
    ptrdiff_t more;                 /* forward: channels of a second source, 0: none. With it, x.c fills blocks; groups is 1 */
    bool learnt;                    /* weights are new in every run: what packing costs, each run pays */
} pn_conv_dims;

/* What is convolved. A second source, of x's n, h and w and d.more channels with weights of their own, is convolved
 * likewise, and the results are added: one convolution over the channels of both. */
typedef struct { const pn_real *x, *w; const pn_prologue *pro; } pn_conv_source;

/* Bytes a plan sets aside: packed weights live from plan to plan end, scratch for one call. */
typedef struct { size_t packed_fwd, packed_bwd, scratch_fwd, scratch_bwd; } pn_conv_sizes;

typedef struct {
    pn_conv_sizes (*sizes)(pn_conv_dims d, int threads);
    /* Packed weights for the forward and for backward-data; either may need none (0 bytes). */
    void (*pack_fwd)(pn_pool *pool, pn_real *packed, const pn_conv_source *from, pn_conv_dims d);
    void (*pack_bwd)(pn_pool *pool, pn_real *packed, const pn_real *w, pn_conv_dims d);
    void (*fwd)(pn_pool *pool, pn_real *y, const pn_conv_source *from, const pn_real *packed, const pn_epilogue *epi,
                pn_conv_dims d, void *scratch);     /* from: one, or two with d.more */
    void (*bwd_data)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *w, const pn_real *packed,
                     pn_conv_dims d, void *scratch);
    void (*bwd_weights)(pn_pool *pool, pn_sink dw, const pn_real *x, const pn_real *dy, const pn_prologue *pro,
                        pn_conv_dims d, void *scratch);
    void (*bwd_bias)(pn_pool *pool, pn_sink db, const pn_real *dy, pn_map y);
} pn_conv_kernels;

#endif
