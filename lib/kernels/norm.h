/* kernels/norm.h - part of kernels.h: y = (x - mean) / sqrt(variance + eps) * weight + bias */
#ifndef PN_KERNELS_NORM_H
#define PN_KERNELS_NORM_H

typedef enum { PN_PER_SAMPLE, PN_OVER_BATCH } pn_norm_span;

/* Instance norm: groups = c. Group norm: fewer, c / groups channels share statistics. Batch norm: groups = c over
 * the batch. */
typedef struct {
    pn_map x;
    ptrdiff_t groups;
    pn_norm_span span;
    double eps;
} pn_norm_dims;

/* [n][groups], or [groups] over the batch. var (biased) may be NULL. */
typedef struct { pn_real *mean, *rstd, *var; } pn_norm_stats;
/* weight and bias: [c] or NULL. behind, for backward alone: dy is the gradient of act(x * scale + shift) with the scale and
 * shift of this norm, as its reader's prologue has it; NULL: of y. */
typedef struct { const pn_real *weight, *bias; const pn_prologue *behind; } pn_norm_params;
typedef struct { pn_sink x, weight, bias; } pn_norm_sinks;

/* rows of d numbers; weight and bias [d] or NULL; mean, rstd [rows] */
typedef struct { ptrdiff_t rows, d; double eps; } pn_row_norm_dims;

typedef struct {
    void (*fwd)(pn_pool *pool, pn_real *y, pn_norm_stats out, const pn_real *x, pn_norm_params p, pn_norm_dims d,
                void *scratch);
    /* The statistics alone. */
    void (*stats)(pn_pool *pool, pn_norm_stats out, const pn_real *x, pn_norm_dims d, void *scratch);
    /* y from statistics that are given. */
    void (*apply)(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *mean, const pn_real *rstd,
                  pn_norm_params p, pn_norm_dims d, void *scratch);
    /* dx may lie where dy lies. */
    void (*bwd)(pn_pool *pool, pn_norm_sinks out, const pn_real *dy, const pn_real *x, pn_norm_stats saved,
                pn_norm_params p, pn_norm_dims d, void *scratch);
    size_t (*scratch)(pn_norm_dims d);

    void (*rows_fwd)(pn_pool *pool, pn_real *y, pn_norm_stats out, const pn_real *x, pn_norm_params p,
                     pn_row_norm_dims d);
    void (*rows_bwd)(pn_pool *pool, pn_norm_sinks out, const pn_real *dy, const pn_real *x, pn_norm_stats saved,
                     const pn_real *weight, pn_row_norm_dims d, void *scratch);
    size_t (*rows_scratch)(pn_row_norm_dims d);
} pn_norm_kernels;

#endif
