/* kernels/regions.h - part of kernels.h: maps to the codes of a few regions and back, and graphs whose nodes these are
 *
 * Weights are planar [n][k][h][w], codes [n][k][c]. Scratch is for any of the loops over maps.
 */
#ifndef PN_KERNELS_REGIONS_H
#define PN_KERNELS_REGIONS_H

typedef struct { pn_map x; ptrdiff_t k; } pn_region_dims;
typedef struct { ptrdiff_t rows, m, rows_per_mask; } pn_masked_dims;   /* x [rows][m]; mask row = row / rows_per_mask */
typedef struct { ptrdiff_t n, m; } pn_adjacency_dims;
typedef struct { ptrdiff_t n, k, d, o; } pn_grouped_dims;      /* x [n][k][d], w [k][o][d], y [n][k][o] */
typedef struct { pn_sink x, w, bias; } pn_grouped_sinks;

typedef struct {
    size_t (*scratch)(pn_region_dims d);
    /* area[n,k] = sum_p w[n,k,p] */
    void (*area)(pn_pool *pool, pn_real *area, const pn_real *w, pn_region_dims d);
    /* codes[n,k,c] = sum_p w[n,k,p] x[n,c,p] / (area ? max(area[n,k], least) : 1) */
    void (*gather)(pn_pool *pool, pn_sink codes, const pn_real *x, const pn_real *w, const pn_real *area, double least,
                   pn_region_dims d, void *scratch);
    /* x[n,c,p] = sum_k w[n,k,p] codes[n,k,c] */
    void (*spread)(pn_pool *pool, pn_sink x, const pn_real *codes, const pn_real *w, pn_region_dims d, void *scratch);
    /* w[n,k,p] = sum_c codes[n,k,c] x[n,c,p] + (shift ? shift[n,k] : 0) */
    void (*match)(pn_pool *pool, pn_sink w, const pn_real *codes, const pn_real *x, const pn_real *shift, pn_region_dims d,
                  void *scratch);
    /* codes[n,k,c] = dy / max(area, least); shift[n,k] = -sum_c y codes where area > least, else 0. y NULL: no shift */
    void (*pool_slopes)(pn_pool *pool, pn_real *codes, pn_real *shift, const pn_real *dy, const pn_real *y,
                        const pn_real *area, double least, pn_region_dims d);

    void (*masked_softmax_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *mask, pn_masked_dims d);
    void (*masked_softmax_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, const pn_real *mask,
                               pn_masked_dims d);

    /* degree [n][m] */
    void (*adjacency_fwd)(pn_pool *pool, pn_real *y, pn_real *degree, const pn_real *prior, const pn_real *visible,
                          pn_adjacency_dims d);
    size_t (*adjacency_scratch)(pn_adjacency_dims d);          /* of backward */
    void (*adjacency_bwd)(pn_pool *pool, pn_sink dprior, const pn_real *dy, const pn_real *degree, const pn_real *prior,
                          const pn_real *visible, pn_adjacency_dims d, void *scratch);

    void (*grouped_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *w, const pn_real *bias, pn_grouped_dims d);
    void (*grouped_bwd)(pn_pool *pool, pn_grouped_sinks s, const pn_real *dy, const pn_real *x, const pn_real *w,
                        pn_grouped_dims d);
} pn_region_kernels;

extern const pn_region_kernels pn_ref_region;   /* for fast kernels that leave a case to the reference */

#endif
