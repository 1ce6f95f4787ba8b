/* kernels/shaping.h - part of kernels.h: numbers put in other places, unchanged */
#ifndef PN_KERNELS_SHAPING_H
#define PN_KERNELS_SHAPING_H

/* `outer` runs of `count` numbers each; runs lie from_stride apart where they are read, to_stride where they go. */
typedef struct { ptrdiff_t outer, count, to_stride, from_stride; } pn_strips;

typedef struct {
    pn_map x, y;                    /* y is x with rows and columns put around it */
    ptrdiff_t top, left;
    pn_border border;               /* REFLECT: margins are smaller than x; ZERO: `value` lies outside */
    pn_real value;
} pn_pad_dims;

/* dst is row major over dim; a step along axis i of dst is stride[i] in src. */
typedef struct { int rank; ptrdiff_t dim[PN_MAX_RANK], stride[PN_MAX_RANK]; } pn_permutation;

typedef struct {
    void (*strips)(pn_pool *pool, pn_sink dst, const pn_real *src, pn_strips s);       /* dst = or += src */
    void (*clear)(pn_pool *pool, pn_real *dst, pn_strips s);                            /* dst = 0; from_stride is not used */
    void (*pad_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_pad_dims d);
    void (*pad_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_pad_dims d);
    void (*permute)(pn_pool *pool, pn_sink dst, const pn_real *src, pn_permutation p);
} pn_shaping_kernels;

#endif
