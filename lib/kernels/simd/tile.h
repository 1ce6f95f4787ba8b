/* simd/tile.h - what products of matrices are made of: slivers packed for the innermost loop, register tiles of MR x NR
 *
 * A sliver holds `width` rows of an operand side by side, [k][width], zeros beyond the last row; so the innermost loop
 * knows one shape only.
 */
#ifndef PN_SIMD_TILE_H
#define PN_SIMD_TILE_H

#include "kernels/simd/pointwise.h"
#include "kernels/simd/transpose.h"

/* 24 sums of 32 registers on AVX-512, 12 of 16 elsewhere. */
enum { MR = VLEN == 16 ? 12 : 6, NV = 2, NR = NV * VLEN };

static inline ptrdiff_t pieces(ptrdiff_t n, ptrdiff_t of) { return (n + of - 1) / of; }
static inline ptrdiff_t padded(ptrdiff_t n, ptrdiff_t to) { return pieces(n, to) * to; }

/* ---- Packing --------------------------------------------------------------------------------------------------- */

/* A sliver is [k][width]; number w of step i comes from p[w * s.row + i * s.column], rows from `rows` on are zero. */
__attribute__((always_inline)) static inline void pack_numbers(float *to, const float *p, pn_matrix_strides s,
                                                               int rows, ptrdiff_t k, int width)
{
    for (ptrdiff_t i = 0; i < k; i++)
        for (int w = 0; w < width; w++) to[i * width + w] = w < rows ? p[w * s.row + i * s.column] : 0;
}

/* All rows, next to each other in memory. */
__attribute__((always_inline)) static inline void pack_straight(float *to, const float *p, ptrdiff_t along,
                                                                ptrdiff_t k, int width)
{
    for (ptrdiff_t i = 0; i < k; i++) memcpy(to + i * width, p + i * along, (size_t)width * sizeof *to);
}

/* All rows, each lying along k: squares of VLEN are turned in registers. */
__attribute__((always_inline)) static inline void pack_turned(float *to, const float *p, ptrdiff_t across, ptrdiff_t k,
                                                              int width)
{
    ptrdiff_t i = 0;
    for (; i + VLEN <= k; i += VLEN)
        for (int w = 0; w < width; w += VLEN) {
            vec square[VLEN];
            for (int r = 0; r < VLEN; r++) square[r] = w + r < width ? vec_load(p + (w + r) * across + i) : (vec){ 0 };
            vec_transpose(square);
            for (int r = 0; r < VLEN; r++) {
                float *at = to + (i + r) * width + w;
                if (w + VLEN <= width) vec_store(at, square[r]);
                else vec_store_some(at, square[r], width % VLEN);
            }
        }
    pack_numbers(to + i * width, p + i, (pn_matrix_strides){ 0, across, 1 }, width, k - i, width);
}

/* s.row: from one number of a sliver's row to the next; s.column: from one k to the next. */
__attribute__((always_inline)) static inline void pack(float *to, const float *p, pn_matrix_strides s, ptrdiff_t count,
                                                       ptrdiff_t k, int width)
{
    for (ptrdiff_t first = 0; first < count; first += width, to += width * k) {
        const float *from = p + first * s.row;
        if (count - first < width) pack_numbers(to, from, s, (int)(count - first), k, width);
        else if (s.row == 1) pack_straight(to, from, s.column, k, width);
        else if (s.column == 1) pack_turned(to, from, s.row, k, width);
        else pack_numbers(to, from, s, width, k, width);
    }
}

/* ---- Tiles ----------------------------------------------------------------------------------------------------- */

typedef struct { vec at[MR][NV]; } tile;

/* Lines that come nearer meanwhile, one a step, `step` numbers apart; from NULL: none. */
typedef struct { const float *from; ptrdiff_t step; } lines_ahead;

/* t + a b over k steps: a number of a lies at a[row * across + step * along], b is a sliver of NR. */
__attribute__((always_inline)) static inline tile multiply_ahead(tile t, const float *a, ptrdiff_t across,
                                                                 ptrdiff_t along, const float *b, ptrdiff_t k,
                                                                 lines_ahead ahead)
{
    for (ptrdiff_t i = 0; i < k; i++, a += along, b += NR) {
        vec column[NV];
        if (ahead.from) __builtin_prefetch(ahead.from + i * ahead.step, 0, 2);
        for (int v = 0; v < NV; v++) column[v] = vec_load(b + v * VLEN);
        for (int r = 0; r < MR; r++) {
            const vec row = vec_all(a[r * across]);
            for (int v = 0; v < NV; v++) t.at[r][v] += row * column[v];
        }
    }
    return t;
}
__attribute__((always_inline)) static inline tile multiply_more(tile t, const float *a, ptrdiff_t across,
                                                                ptrdiff_t along, const float *b, ptrdiff_t k)
{
    return multiply_ahead(t, a, across, along, b, k, (lines_ahead){ 0 });
}

static inline tile multiply(const float *a, const float *b, ptrdiff_t k)
{
    tile t;
    for (int r = 0; r < MR; r++)
        for (int v = 0; v < NV; v++) t.at[r][v] = (vec){ 0 };
    return multiply_more(t, a, 1, MR, b, k);
}

/* m x n numbers of the tile go to c, rows `step` apart; bias NULL: none. */
__attribute__((always_inline)) static inline void put(float *c, ptrdiff_t step, const tile *t, ptrdiff_t m, ptrdiff_t n,
                                                      const float *bias, bool add)
{
    for (ptrdiff_t r = 0; r < m; r++)
        for (int v = 0; v < NV && v * VLEN < n; v++) {
            const ptrdiff_t some = pn_smaller(VLEN, n - v * VLEN);
            float *at = c + r * step + v * VLEN;
            vec x = t->at[r][v];
            if (some == VLEN) {
                if (bias) x += vec_load(bias + v * VLEN);
                vec_store(at, add ? vec_load(at) + x : x);
            } else {
                if (bias) x += vec_load_some(bias + v * VLEN, some);
                vec_store_some(at, add ? vec_load_some(at, some) + x : x, some);
            }
        }
}

#endif
