/* simd/blocks.h - inside simd/: products with the channels of blocked maps, a block of 16 at a time
 *
 * Of two blocks over their pixels, 16 x 16 sums; and of every pixel's channels with a matrix, as a 1x1 convolution.
 */
#ifndef PN_SIMD_BLOCKS_H
#define PN_SIMD_BLOCKS_H

#include "kernels/simd/vec.h"

enum { TILE = PN_BLOCK * PN_BLOCK };
enum { OWN = VLEN == 16 ? 16 : 4, VECTORS = VLEN == 16 ? 1 : 2 };       /* of a tile in registers: channels x vectors */
enum { PIXELS = VLEN == 16 ? 16 : VLEN == 8 ? 5 : 2 };                  /* in registers: pixels x VECS */

/* tile[r][l] += sum over pixels of a[pixel][r] b[pixel][l], for OWN rows and VECTORS vectors of it. */
static inline void part_of_tile(float *tile, const float *a, const float *b, ptrdiff_t pixels)
{
    vec sum[OWN][VECTORS];
    for (int r = 0; r < OWN; r++)
        for (int v = 0; v < VECTORS; v++) sum[r][v] = vec_load(tile + r * PN_BLOCK + v * VLEN);
    for (ptrdiff_t p = 0; p < pixels; p++) {
        vec other[VECTORS];
        for (int v = 0; v < VECTORS; v++) other[v] = vec_load(b + p * PN_BLOCK + v * VLEN);
        for (int r = 0; r < OWN; r++)
            for (int v = 0; v < VECTORS; v++) sum[r][v] += a[p * PN_BLOCK + r] * other[v];
    }
    for (int r = 0; r < OWN; r++)
        for (int v = 0; v < VECTORS; v++) vec_store(tile + r * PN_BLOCK + v * VLEN, sum[r][v]);
}

/* All of it. a and b stay in L1 while the parts go over them. */
static inline void add_to_tile(float *tile, const float *a, const float *b, ptrdiff_t pixels)
{
    for (int r = 0; r < PN_BLOCK; r += OWN)
        for (int v = 0; v < PN_BLOCK; v += VECTORS * VLEN) part_of_tile(tile + r * PN_BLOCK + v, a + r, b + v, pixels);
}

/* A block of channels of y: y_l = sum_c x_c weights[c][l] (+ own_l z_l). */
typedef struct {
    const float *x;                 /* a pixel's first block; the others are `step` numbers apart */
    ptrdiff_t step, blocks;
    const float *weights;           /* [blocks * 16][16] */
    const float *own, *z;           /* [16]; a pixel's block. own NULL: none */
} mixture;

__attribute__((always_inline)) static inline void mix_some(pn_sink y, ptrdiff_t at, const mixture *m, ptrdiff_t pixel,
                                                           const ptrdiff_t pixels)
{
    vec sum[PIXELS][VECS];
    for (ptrdiff_t p = 0; p < pixels; p++)
        for (int v = 0; v < VECS; v++)
            sum[p][v] = m->own ? vec_load(m->own + v * VLEN) * vec_load(m->z + (pixel + p) * PN_BLOCK + v * VLEN) : (vec){ 0 };
    const float *x = m->x + pixel * PN_BLOCK, *weights = m->weights;
    for (ptrdiff_t b = 0; b < m->blocks; b++, x += m->step)
        for (const float *from = x; from < x + PN_BLOCK; from++, weights += PN_BLOCK) {
            vec w[VECS];
            for (int v = 0; v < VECS; v++) w[v] = vec_load(weights + v * VLEN);
            for (ptrdiff_t p = 0; p < pixels; p++)
                for (int v = 0; v < VECS; v++) sum[p][v] += from[p * PN_BLOCK] * w[v];
        }
    for (ptrdiff_t p = 0; p < pixels; p++)
        for (int v = 0; v < VECS; v++) {
            float *to = y.data + at + (pixel + p) * PN_BLOCK + v * VLEN;
            vec_store(to, y.add ? vec_load(to) + sum[p][v] : sum[p][v]);
        }
}

/* Into `pixels` pixels of y from number `at` on. */
static inline void mix(pn_sink y, ptrdiff_t at, const mixture *m, ptrdiff_t pixels)
{
    ptrdiff_t p = 0;
    for (; p + PIXELS <= pixels; p += PIXELS) mix_some(y, at, m, p, PIXELS);
    for (; p < pixels; p++) mix_some(y, at, m, p, 1);
}

#endif
