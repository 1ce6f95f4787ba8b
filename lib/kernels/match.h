/* kernels/match.h - part of kernels.h: what a map says of its own neighbourhoods, and vectors of unit length
 *
 * A window's k^2 offsets run in row-major order, k odd; a position outside the map is brought to the nearest inside.
 * Arrays with one plane per offset are planar.
 */
#ifndef PN_KERNELS_MATCH_H
#define PN_KERNELS_MATCH_H

enum { PN_WINDOW_MAX_K = 15 };

typedef struct { pn_map x; double eps; bool centred; } pn_unit_dims;

typedef struct { pn_map x; ptrdiff_t k; } pn_window_dims;       /* x: every map that is no array of planes */
static inline ptrdiff_t pn_window_taps(pn_window_dims d) { return d.k * d.k; }

typedef struct { pn_map x; ptrdiff_t patch, k; double scale; } pn_patch_dims;   /* s = exp(-scale |u - u'|^2); x planar */

typedef struct { pn_map x, y; ptrdiff_t k; } pn_unfold_dims;    /* simd/ takes planar maps */

typedef struct {
    /* length [n][h][w]: |f|, of x or of x less its mean. */
    void (*unit_fwd)(pn_pool *pool, pn_real *y, pn_real *length, const pn_real *x, pn_unit_dims d);
    void (*unit_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, const pn_real *length, pn_unit_dims d);

    size_t (*window_scratch)(pn_window_dims d);                 /* of either backward */
    void (*self_fwd)(pn_pool *pool, pn_real *s, const pn_real *f, pn_window_dims d);    /* s [n][k^2 - 1][h][w] */
    void (*self_bwd)(pn_pool *pool, pn_sink df, const pn_real *ds, const pn_real *f, pn_window_dims d, void *scratch);
    void (*window_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *w, pn_window_dims d);
    void (*window_bwd)(pn_pool *pool, pn_sink dx, pn_sink dw, const pn_real *dy, const pn_real *x, const pn_real *w,
                       pn_window_dims d, void *scratch);        /* w [n][k^2][h][w], not read for dw alone; x for dw */

    size_t (*patch_scratch)(pn_patch_dims d);                   /* of either direction */
    void (*patch_fwd)(pn_pool *pool, pn_real *s, const pn_real *x, pn_patch_dims d, void *scratch);
    void (*patch_bwd)(pn_pool *pool, pn_sink dx, const pn_real *ds, const pn_real *s, const pn_real *x, pn_patch_dims d,
                      void *scratch);

    void (*unfold_fwd)(pn_pool *pool, pn_real *y, const pn_real *x, pn_unfold_dims d);
    void (*unfold_bwd)(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_unfold_dims d);
} pn_match_kernels;

#endif
