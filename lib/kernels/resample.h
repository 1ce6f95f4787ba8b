/* kernels/resample.h - part of kernels.h: pooling, resizing, reading at a flow's places */
#ifndef PN_KERNELS_RESAMPLE_H
#define PN_KERNELS_RESAMPLE_H

typedef struct { pn_map x, y; ptrdiff_t kernel[2], stride[2], pad[2]; } pn_pool_dims;  /* rows, columns; pad < kernel */
typedef struct { pn_map x, y; pn_interpolation how; pn_grid grid; } pn_resize_dims;
/* flow is planar, [n][2][y.h][y.w]; x and y have the same n, c and b. Read are the 2 radius x 2 radius pixels around each
 * place, weighed by a Gaussian of sigma; sigma 0 with radius 1 is bilinear. */
enum { PN_MAX_RADIUS = 8 };
typedef struct { pn_map x, y; pn_border border; int radius; double sigma; } pn_sample_dims;

/* Bytes of scratch for one call each. */
typedef struct { size_t fwd, bwd; } pn_scratch_sizes;

typedef struct {
    void (*avg_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_pool_dims d);
    void (*avg_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_pool_dims d);
    void (*max_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_pool_dims d);
    void (*max_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, pn_pool_dims d);
    pn_scratch_sizes (*resize_scratch)(pn_resize_dims d, int threads);
    void (*resize_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_resize_dims d, void *scratch);
    void (*resize_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_resize_dims d, void *scratch);
    pn_scratch_sizes (*sample_scratch)(pn_sample_dims d, int threads);
    void (*sample_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *flow, pn_sample_dims d, void *scratch);
    void (*sample_bwd)(pn_pool *pool, pn_sink dx, pn_sink dflow, const pn_real *dy, const pn_real *x, const pn_real *flow,
                       pn_sample_dims d, void *scratch);
} pn_resample_kernels;

extern const pn_resample_kernels pn_ref_resample;      /* for fast kernels that leave a case to the reference */

#endif
