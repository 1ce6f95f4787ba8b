/* simd/winograd.h - the transforms of minimal filtering (Winograd) on tiles of six
 *
 * m results of a correlation with r taps, m + r - 1 = 6 (per axis), cost 6 products instead of m r:
 *
 *   y = E_m^T [ (D E_r g) o (B d) ]          d: 6 of the source, g: r taps, y: m results, o: product by product
 *
 * Read as polynomials, g(x) h(x) has 6 coefficients and is known from its values at 6 points; the correlation is the
 * transpose of that product with respect to h. The points are 0, a, -a, b, -b and infinity (the leading coefficient):
 *
 *   E_n   6 x n   values of a polynomial with n coefficients: p^0 .. p^(n-1); the row of infinity is 0 .. 0 1
 *   B     6 x 6   row p: the coefficients of N_p(x) = prod (x - other finite points); of infinity: prod of all of them
 *   D     6       1 / N_p(p), which belongs to Lagrange's polynomial, moved from B to the filter; 1 for infinity
 *
 * One B thus serves every split of six: (4, 3) for 3x3 filters, (2, 5) for 5x5, (5, 2) for 2x2. a = 0.625 and b = 1.5
 * keep the powers of both balanced: errors are those of an ordinary float sum, the textbook's 1 and 2 lose 2 to 4 times
 * more. The +- pairs share an even and an odd half. The gradient of the filter is E_r^T D [ (B d) o (E_m dy) ].
 *
 * Every function works on vectors of independent channels; n is a constant once inlined.
 */
#ifndef PN_SIMD_WINOGRAD_H
#define PN_SIMD_WINOGRAD_H

#include "kernels/simd/conv.h"

enum { WINO = 6, WINO_POINTS = WINO * WINO, MOST_TAPS = 25 };    /* tiles are WINO x WINO pixels; of a whole filter */

static const float wino_a = 0.625f, wino_b = 1.5f;
static const float wino_a2 = 0.390625f, wino_b2 = 2.25f;        /* their squares; the sum and product of these */
static const float wino_sum = 2.640625f, wino_product = 0.87890625f;
/* D, of 0, +-a, +-b: 1 / (a2 b2), 1 / (2 a2 (a2 - b2)), 1 / (2 b2 (b2 - a2)). */
static const float wino_d0 = (float)(1 / 0.87890625), wino_da = (float)(1 / (2 * 0.390625 * (0.390625 - 2.25)));
static const float wino_db = (float)(1 / (2 * 2.25 * (2.25 - 0.390625)));

/* t = B d. */
CONV_INLINE void wino_source(vec t[WINO], const vec d[WINO])
{
    const vec ea = d[4] - d[2] * wino_b2, oa = (d[3] - d[1] * wino_b2) * wino_a;
    const vec eb = d[4] - d[2] * wino_a2, ob = (d[3] - d[1] * wino_a2) * wino_b;
    t[0] = (d[4] - d[2] * wino_sum) + d[0] * wino_product;
    t[1] = ea + oa;
    t[2] = ea - oa;
    t[3] = eb + ob;
    t[4] = eb - ob;
    t[5] = (d[5] - d[3] * wino_sum) + d[1] * wino_product;
}

/* t = E_n g: a filter before D, or n gradients of results. */
CONV_INLINE void wino_values(vec t[WINO], const vec *g, const int n)
{
    vec ea = g[0], eb = g[0], oa = { 0 }, ob = { 0 };
    float pa = 1, pb = 1;
    CONV_UNROLL
    for (int k = 1; k < n; k++) {
        pa *= wino_a;
        pb *= wino_b;
        if (k == 1) {
            oa = g[k] * pa;
            ob = g[k] * pb;
        } else if (k % 2) {
            oa += g[k] * pa;
            ob += g[k] * pb;
        } else {
            ea += g[k] * pa;
            eb += g[k] * pb;
        }
    }
    t[0] = g[0];
    t[1] = ea + oa;
    t[2] = ea - oa;
    t[3] = eb + ob;
    t[4] = eb - ob;
    t[5] = g[n - 1];
}

/* y = E_n^T D t: n results, or taps of a gradient. D's entries ride on the powers of the points. */
typedef struct { float at_zero, at_a, at_b; } wino_scales;
CONV_INLINE void wino_results_of(vec *y, const vec t[WINO], const int n, const wino_scales d)
{
    const vec ea = t[1] + t[2], oa = t[1] - t[2], eb = t[3] + t[4], ob = t[3] - t[4];
    float pa = d.at_a, pb = d.at_b;
    y[0] = t[0] * d.at_zero + ea * pa + eb * pb;
    CONV_UNROLL
    for (int k = 1; k < n; k++) {
        pa *= wino_a;
        pb *= wino_b;
        y[k] = k % 2 ? oa * pa + ob * pb : ea * pa + eb * pb;
    }
    y[n - 1] += t[5];
}

/* y = E_n^T t: t has been scaled, or its weights were. */
CONV_INLINE void wino_results(vec *y, const vec t[WINO], const int n)
{
    wino_results_of(y, t, n, (wino_scales){ 1, 1, 1 });
}

/* t = D t. */
CONV_INLINE void wino_scale(vec t[WINO])
{
    t[0] *= wino_d0;
    t[1] *= wino_da;
    t[2] *= wino_da;
    t[3] *= wino_db;
    t[4] *= wino_db;
}

/* The same in both directions of a tile; t [row][column]. */
CONV_INLINE void wino_source_tile(vec t[WINO_POINTS], const vec d[WINO_POINTS])
{
    vec column[WINO], half[WINO], rows[WINO_POINTS];
    CONV_UNROLL
    for (int x = 0; x < WINO; x++) {
        CONV_UNROLL
        for (int y = 0; y < WINO; y++) column[y] = d[y * WINO + x];
        wino_source(half, column);
        CONV_UNROLL
        for (int y = 0; y < WINO; y++) rows[y * WINO + x] = half[y];
    }
    CONV_UNROLL
    for (int y = 0; y < WINO; y++) wino_source(t + y * WINO, rows + y * WINO);
}

/* n x n taps (or gradients of results), with D or without. */
typedef enum { WINO_PLAIN, WINO_SCALED } wino_scaling;
CONV_INLINE void wino_values_tile(vec t[WINO_POINTS], const vec *g, const int n, const wino_scaling scaling)
{
    vec column[WINO], half[WINO], rows[WINO_POINTS];
    CONV_UNROLL
    for (int x = 0; x < n; x++) {
        CONV_UNROLL
        for (int y = 0; y < n; y++) column[y] = g[y * n + x];
        wino_values(half, column, n);
        if (scaling == WINO_SCALED) wino_scale(half);
        CONV_UNROLL
        for (int y = 0; y < WINO; y++) rows[y * n + x] = half[y];
    }
    CONV_UNROLL
    for (int y = 0; y < WINO; y++) {
        wino_values(t + y * WINO, rows + y * n, n);
        if (scaling == WINO_SCALED) wino_scale(t + y * WINO);
    }
}

CONV_INLINE void wino_results_tile(vec *y, const vec t[WINO_POINTS], const int n, const wino_scaling scaling)
{
    vec column[WINO], half[WINO], rows[WINO_POINTS];
    CONV_UNROLL
    for (int x = 0; x < WINO; x++) {
        CONV_UNROLL
        for (int r = 0; r < WINO; r++) column[r] = t[r * WINO + x];
        if (scaling == WINO_SCALED) wino_scale(column);
        wino_results(half, column, n);
        CONV_UNROLL
        for (int r = 0; r < n; r++) rows[r * WINO + x] = half[r];
    }
    CONV_UNROLL
    for (int r = 0; r < n; r++) {
        vec row[WINO];
        CONV_UNROLL
        for (int x = 0; x < WINO; x++) row[x] = rows[r * WINO + x];
        if (scaling == WINO_SCALED) wino_scale(row);
        wino_results(y + r * n, row, n);
    }
}

/* ---- The engine -------------------------------------------------------------------------------------------------- */

/* How a pass is cut: results into tiles (per image a grid, and one for each phase of the results, all reading the same
 * sources), tiles into blocks that one thread takes at a time: an image's parts, or several small images. */
typedef struct {
    ptrdiff_t taps, results;        /* r and m of each axis */
    ptrdiff_t in_phases, out_phases;
    ptrdiff_t down, across;         /* tiles of an image */
    ptrdiff_t tiles;                /* the most of a block */
    ptrdiff_t parts, images;        /* blocks of an image, images of a block; one of them is 1 */
    ptrdiff_t blocks;
    ptrdiff_t pairs;                /* sources of 16 channels: input blocks times phases */
    ptrdiff_t v_plane, m_plane;     /* floats between points of transformed sources and of products */
} wino_plan;
wino_plan PN_SIMD(pn_wino_plan)(const conv_pass *p);

/* Tiles first .. first + count - 1, counted from the first of image n on. */
typedef struct { ptrdiff_t n, first, count; } wino_block;

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
/* Odd in cache lines, as all strides between points are: 36 streams a power of two apart would share few sets of L1. */
static inline ptrdiff_t wino_odd(ptrdiff_t floats) { return (floats / PN_BLOCK | 1) * PN_BLOCK; }
static inline ptrdiff_t wino_panel(const conv_pass *p, const wino_plan *w, ptrdiff_t width)
{
    return wino_odd(w->in_phases * p->in_c * width);
}
static inline ptrdiff_t wino_weights(const conv_pass *p, const wino_plan *w, ptrdiff_t slot, ptrdiff_t phase)
{
    const ptrdiff_t before = slot * w->out_phases * wino_panel(p, w, GROUP);
    return (before + phase * wino_panel(p, w, wino_width(p, slot))) * WINO_POINTS;
}

/* Whether the pass is faster this way. */
bool PN_SIMD(pn_wino_pays)(const conv_pass *p);
size_t PN_SIMD(pn_wino_packed_bytes)(const conv_pass *p);
void PN_SIMD(pn_wino_pack)(pn_pool *pool, float *packed, const float *w, const conv_pass *p);
size_t PN_SIMD(pn_wino_bytes)(const conv_pass *p, int threads);
void PN_SIMD(pn_wino_correlate)(pn_pool *pool, const conv_pass *p, conv_correlation c);

#endif
