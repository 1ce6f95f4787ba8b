/* simd/winograd.h - the transforms of minimal filtering (Winograd) on tiles of four, six or eight
 *
 * m results of a correlation with r taps, m + r - 1 = n (per axis), cost n products instead of m r:
 *
 *   y = E_m^T [ (D E_r g) o (B d) ]          d: n of the source, g: r taps, y: m results, o: product by product
 *
 * Read as polynomials, g(x) h(x) has n coefficients and is known from its values at n points; the correlation is the
 * transpose of that product with respect to h. The points are 0, some pairs +p and -p, and infinity (the leading
 * coefficient):
 *
 *   E_k   n x k   values of a polynomial with k coefficients: p^0 .. p^(k-1); the row of infinity is 0 .. 0 1
 *   B     n x n   row p: the coefficients of N_p(x) = prod (x - other finite points); of infinity: prod of all of them
 *   D     n       1 / N_p(p), which belongs to Lagrange's polynomial, moved from B to the filter; 1 for infinity
 *
 * One B thus serves every split of n: of six (4, 3) for 3x3 filters, (2, 5) for 5x5, (5, 2) for 2x2; of eight (4, 5),
 * (5, 4); of four (2, 3), (3, 2). The +- pairs share an even and an odd half. The gradient of the filter is E_r^T D [ (B d) o (E_m dy) ].
 *
 * Errors, rms relative to the signal's, 64 channels: six with 0.625 and 1.5, which keep the powers of both balanced,
 * 0.8e-6 to 0.9e-6, as an ordinary float sum (the textbook's 1 and 2 lose 2 to 4 times more); eight with 1/2, 1 and 2,
 * than which no better were found, 2.9e-6 for 5x5 filters in 2.25 times fewer products, 3.3e-6 for 3x3 in 1.27 times.
 *
 * Every function works on vectors of independent channels; tile, k, r and m are constants once inlined.
 */
#ifndef PN_SIMD_WINOGRAD_H
#define PN_SIMD_WINOGRAD_H

#include "kernels/simd/conv.h"

enum {
    WINO_FOUR = 4, WINO_SIX = 6, WINO_EIGHT = 8,        /* pixels of a tile's side */
    WINO_SIDE = 8, WINO_POINTS = WINO_SIDE * WINO_SIDE, WINO_PAIRS = 3,     /* the most there are */
    MOST_TAPS = 49, MOST_RESULTS = 25,                  /* of a whole filter, of a tile */
};

/* others[i]: the product of x^2 - q^2 over the pairs but the i-th, without its leading 1, constant first; all: of all. */
typedef struct {
    float at[WINO_PAIRS], others[WINO_PAIRS][WINO_PAIRS - 1], all[WINO_PAIRS];
    float scale_zero, scale[WINO_PAIRS];                /* D */
} wino_points;

static const wino_points wino_four = { .at = { 1 }, .all = { -1 }, .scale_zero = -1, .scale = { 0.5f } };
static const wino_points wino_six = {
    .at = { 0.625f, 1.5f }, .others = { { -2.25f }, { -0.390625f } }, .all = { 0.87890625f, -2.640625f },
    .scale_zero = (float)(1 / 0.87890625),
    .scale = { (float)(1 / (2 * 0.390625 * (0.390625 - 2.25))), (float)(1 / (2 * 2.25 * (2.25 - 0.390625))) },
};
static const wino_points wino_eight = {
    .at = { 0.5f, 1, 2 }, .others = { { 4, -5 }, { 1, -4.25f }, { 0.25f, -1.25f } }, .all = { -1, 5.25f, -5.25f },
    .scale_zero = -1,
    .scale = { (float)(1 / (0.5 * 0.75 * 3.75)), (float)(-1 / (2 * 0.75 * 3)), (float)(1 / (8 * 3.75 * 3.0)) },
};
CONV_INLINE const wino_points *wino_points_of(const int tile)
{
    return tile == WINO_FOUR ? &wino_four : tile == WINO_SIX ? &wino_six : &wino_eight;
}

/* t = B d. */
CONV_INLINE void wino_source(vec *t, const vec *d, const int tile)
{
    const wino_points *p = wino_points_of(tile);
    const int pairs = tile / 2 - 1;
    CONV_UNROLL
    for (int i = 0; i < pairs; i++) {
        vec even = d[tile - 2], odd = d[tile - 3];
        CONV_UNROLL
        for (int k = pairs - 2; k >= 0; k--) {
            even += d[2 * k + 2] * p->others[i][k];
            odd += d[2 * k + 1] * p->others[i][k];
        }
        odd *= p->at[i];
        t[1 + 2 * i] = even + odd;
        t[2 + 2 * i] = even - odd;
    }
    vec zero = d[tile - 2], infinity = d[tile - 1];
    CONV_UNROLL
    for (int k = pairs - 1; k >= 0; k--) {
        zero += d[2 * k] * p->all[k];
        infinity += d[2 * k + 1] * p->all[k];
    }
    t[0] = zero;
    t[tile - 1] = infinity;
}

/* The values at +p and -p of a polynomial with n coefficients. */
CONV_INLINE void wino_pair_values(vec t[2], const vec *g, const int n, const float p)
{
    vec even = g[0], odd = { 0 };
    float power = 1;
    CONV_UNROLL
    for (int k = 1; k < n; k++) {
        power *= p;
        if (k == 1) odd = g[k] * power;
        else if (k % 2) odd += g[k] * power;
        else even += g[k] * power;
    }
    t[0] = even + odd;
    t[1] = even - odd;
}

/* t = E_n g: a filter before D, or n gradients of results. */
CONV_INLINE void wino_values(vec *t, const vec *g, const int n, const int tile)
{
    t[0] = g[0];
    CONV_UNROLL
    for (int i = 0; i < tile / 2 - 1; i++) wino_pair_values(t + 1 + 2 * i, g, n, wino_points_of(tile)->at[i]);
    t[tile - 1] = g[n - 1];
}

typedef enum { WINO_PLAIN, WINO_SCALED } wino_scaling;

/* y = E_n^T t, or E_n^T D t (D's entries ride on the powers of the points): n results, or taps of a gradient. */
CONV_INLINE void wino_results(vec *y, const vec *t, const int n, const int tile, const wino_scaling scaling)
{
    const wino_points *p = wino_points_of(tile);
    const int pairs = tile / 2 - 1;
    vec even[WINO_PAIRS], odd[WINO_PAIRS];
    float power[WINO_PAIRS];
    CONV_UNROLL
    for (int i = 0; i < pairs; i++) {
        even[i] = t[1 + 2 * i] + t[2 + 2 * i];
        odd[i] = t[1 + 2 * i] - t[2 + 2 * i];
        power[i] = scaling == WINO_SCALED ? p->scale[i] : 1;
    }
    y[0] = scaling == WINO_SCALED ? t[0] * p->scale_zero : t[0];
    CONV_UNROLL
    for (int i = 0; i < pairs; i++) y[0] += even[i] * power[i];
    CONV_UNROLL
    for (int k = 1; k < n; k++)
        CONV_UNROLL
        for (int i = 0; i < pairs; i++) {
            power[i] *= p->at[i];
            const vec term = (k % 2 ? odd[i] : even[i]) * power[i];
            y[k] = i ? y[k] + term : term;
        }
    y[n - 1] += t[tile - 1];
}

/* t = D t. */
CONV_INLINE void wino_scale(vec *t, const int tile)
{
    const wino_points *p = wino_points_of(tile);
    t[0] *= p->scale_zero;
    CONV_UNROLL
    for (int i = 1; i < tile - 1; i++) t[i] *= p->scale[(i - 1) / 2];
}

/* The same in both directions of a tile; t [row][column]. */
CONV_INLINE void wino_source_tile(vec *t, const vec *d, const int tile)
{
    vec column[WINO_SIDE], half[WINO_SIDE], rows[WINO_POINTS];
    CONV_UNROLL
    for (int x = 0; x < tile; x++) {
        CONV_UNROLL
        for (int y = 0; y < tile; y++) column[y] = d[y * tile + x];
        wino_source(half, column, tile);
        CONV_UNROLL
        for (int y = 0; y < tile; y++) rows[y * tile + x] = half[y];
    }
    CONV_UNROLL
    for (int y = 0; y < tile; y++) wino_source(t + y * tile, rows + y * tile, tile);
}

/* n x n taps, with D. */
CONV_INLINE void wino_filter_tile(vec *t, const vec *g, const int n, const int tile)
{
    vec column[WINO_SIDE], half[WINO_SIDE], rows[WINO_POINTS];
    CONV_UNROLL
    for (int x = 0; x < n; x++) {
        CONV_UNROLL
        for (int y = 0; y < n; y++) column[y] = g[y * n + x];
        wino_values(half, column, n, tile);
        wino_scale(half, tile);
        CONV_UNROLL
        for (int y = 0; y < tile; y++) rows[y * n + x] = half[y];
    }
    CONV_UNROLL
    for (int y = 0; y < tile; y++) {
        wino_values(t + y * tile, rows + y * n, n, tile);
        wino_scale(t + y * tile, tile);
    }
}

/* n x n results; D is in the filters. */
CONV_INLINE void wino_results_tile(vec *y, const vec *t, const int n, const int tile)
{
    vec column[WINO_SIDE], half[WINO_SIDE], rows[WINO_POINTS];
    CONV_UNROLL
    for (int x = 0; x < tile; x++) {
        CONV_UNROLL
        for (int r = 0; r < tile; r++) column[r] = t[r * tile + x];
        wino_results(half, column, n, tile, WINO_PLAIN);
        CONV_UNROLL
        for (int r = 0; r < n; r++) rows[r * tile + x] = half[r];
    }
    CONV_UNROLL
    for (int r = 0; r < n; r++) wino_results(y + r * n, rows + r * tile, n, tile, WINO_PLAIN);
}

/* ---- The engine -------------------------------------------------------------------------------------------------- */

/* How a pass is cut: results into tiles (per image a grid, and one for each phase of the results, all reading the same
 * sources), tiles into blocks that one thread takes at a time: an image's parts, or several small images. */
typedef struct {
    ptrdiff_t tile, points;         /* pixels of its side; its points, tile squared */
    ptrdiff_t taps, results;        /* r and m of each axis */
    ptrdiff_t in_phases, out_phases;
    ptrdiff_t in_across;            /* of in_phases, in a row: the columns' step, or the pieces of a long filter */
    ptrdiff_t reach;                /* source pixels from one of them to the next: 1, or a piece's taps */
    bool by_phase;                  /* the sources of a product lie phase by phase */
    ptrdiff_t down, across;         /* tiles of an image */
    ptrdiff_t tiles;                /* the most of a block */
    ptrdiff_t parts, images;        /* blocks of an image, images of a block; one of them is 1 */
    ptrdiff_t blocks;
    ptrdiff_t pairs;                /* sources of 16 channels: input blocks times phases */
    ptrdiff_t v_plane, m_plane;     /* floats between points of transformed sources and of products */
} wino_plan;
wino_plan PN_SIMD(pn_wino_plan)(const conv_pass *p);     /* with the tile that is fastest */
wino_plan PN_SIMD(pn_wino_cut)(const conv_pass *p, ptrdiff_t tile);

/* Tiles first .. first + count - 1, counted from the first of image n on. */
typedef struct { ptrdiff_t n, first, count; } wino_block;

/* Where a source stands among the pairs: a block's phases side by side; or, by phase, phase 0 beside 1 and beside 2. */
static inline ptrdiff_t wino_place(ptrdiff_t phase) { return phase < 2 ? 1 - phase : phase; }
static inline ptrdiff_t wino_pair(const conv_pass *p, const wino_plan *w, ptrdiff_t block, ptrdiff_t phase)
{
    return w->by_phase ? wino_place(phase) * p->in_blocks + block : block * w->in_phases + phase;
}

/* Of 3 taps by stride 2 the second phase has one, and the other is missing. A filter without its last tap, as of a phase
 * of the source, is 0 at infinity, the last point; one without its first, as of a phase of an adjoint's results, at 0,
 * the first point. What is 0 is left out. */
static inline ptrdiff_t wino_axis_taps(const conv_axis *a) { return conv_ceil(a->kernel, a->adjoint ? a->stride : a->step); }
static inline bool wino_lacks_tap(const conv_axis *a, ptrdiff_t phase)
{
    return (wino_axis_taps(a) - 1) * (a->adjoint ? a->stride : a->step) + phase >= a->kernel;
}

/* The pairs that are not 0 at a point, `blocks` to a phase: wino_pair's order makes them neighbours. */
static inline conv_span wino_used(const conv_pass *p, const wino_plan *w, ptrdiff_t point, ptrdiff_t blocks)
{
    const bool no_row = w->by_phase && point / w->tile == w->tile - 1 && wino_lacks_tap(&p->rows, 1);
    const bool no_col = w->by_phase && point % w->tile == w->tile - 1 && wino_lacks_tap(&p->cols, 1);
    if (no_row) return (conv_span){ no_col * blocks, 2 * blocks };
    return (conv_span){ no_col * blocks, (no_col ? 3 : w->in_phases) * blocks };
}

/* Whether a phase of the results takes nothing from a point. */
static inline bool wino_vanishes(const conv_pass *p, const wino_plan *w, ptrdiff_t row_phase, ptrdiff_t col_phase, ptrdiff_t point)
{
    return (point < w->tile && p->rows.adjoint && wino_lacks_tap(&p->rows, row_phase))
        || (point % w->tile == 0 && p->cols.adjoint && wino_lacks_tap(&p->cols, col_phase));
}

/* The tap of an axis that is number u of the correlation between an input phase and a result phase; -1: none. */
static inline ptrdiff_t wino_tap(const conv_axis *a, const wino_plan *w, ptrdiff_t in, ptrdiff_t out, ptrdiff_t u)
{
    const ptrdiff_t at = u * a->step + in * w->reach, last = w->reach > 1 ? a->kernel - 1 : w->taps - 1;
    const ptrdiff_t tap = a->adjoint ? (last - at) * a->stride + out : at;
    return tap < a->kernel ? tap : -1;
}

/* v [point][pair][tile][16] of a block. */
void PN_SIMD(pn_wino_sources)(float *v, const conv_pass *p, const wino_plan *w, const float *from,
                              const pn_prologue *pro, wino_block block);

/* Products m [point][tile][GROUP] of one slot and phase become results, with what c asks for. */
typedef struct {
    const conv_pass *p;
    const wino_plan *w;
    const conv_correlation *c;
    const float *m;
    ptrdiff_t slot, vecs, row_phase, col_phase;
    float bias[GROUP];
    float *sums;                    /* [image of the block][2][GROUP], added to; NULL: nobody asks */
} wino_products;
void PN_SIMD(pn_wino_results)(const wino_products *s, wino_block block);

/* Weights [slot][result phase][point][pair][channel][width of the slot]; points are wino_panel floats apart. */
static inline ptrdiff_t wino_width(const conv_pass *p, ptrdiff_t slot)
{
    const ptrdiff_t left = p->out_blocks * PN_BLOCK - slot * GROUP;
    return left < GROUP ? left : GROUP;
}
/* Odd in cache lines, as all strides between points are: 36 or 64 streams a power of two apart would share few sets of L1. */
static inline ptrdiff_t wino_odd(ptrdiff_t floats) { return (floats / PN_BLOCK | 1) * PN_BLOCK; }
static inline ptrdiff_t wino_panel(const conv_pass *p, const wino_plan *w, ptrdiff_t width)
{
    return wino_odd(w->in_phases * p->in_c * width);
}
static inline ptrdiff_t wino_weights(const conv_pass *p, const wino_plan *w, ptrdiff_t slot, ptrdiff_t phase)
{
    const ptrdiff_t before = slot * w->out_phases * wino_panel(p, w, GROUP);
    return (before + phase * wino_panel(p, w, wino_width(p, slot))) * w->points;
}

/* Products of a slot and phase, of `count` tiles, with weights that nobody has packed; `room` is pn_wino_fresh_floats. */
typedef struct {
    const conv_pass *p;
    const wino_plan *w;
    const pn_conv_source *source;   /* whose weights */
    ptrdiff_t slot, row_phase, col_phase, count;
} wino_fresh;
size_t PN_SIMD(pn_wino_fresh_floats)(const conv_pass *p, const wino_plan *w);
void PN_SIMD(pn_wino_fresh_products)(const wino_fresh *f, float *m, const float *v, float *room);

/* Whether the pass is faster this way; and then without packing, where weights are new in every run. */
bool PN_SIMD(pn_wino_pays)(const conv_pass *p);
bool PN_SIMD(pn_wino_fresh_pays)(const conv_pass *p);
size_t PN_SIMD(pn_wino_packed_bytes)(const conv_pass *p);
void PN_SIMD(pn_wino_pack)(pn_pool *pool, float *packed, const pn_conv_source *from, const conv_pass *p);
/* The same of some slots alone; and how many at a time where weights are learnt and all would take much memory, or 0. */
void PN_SIMD(pn_wino_pack_some)(pn_pool *pool, float *packed, const pn_conv_source *from, const conv_pass *p, conv_span slots);
ptrdiff_t PN_SIMD(pn_wino_share)(const conv_pass *p);
size_t PN_SIMD(pn_wino_bytes)(const conv_pass *p, int threads);
void PN_SIMD(pn_wino_correlate)(pn_pool *pool, const conv_pass *p, conv_correlation c);

#endif
