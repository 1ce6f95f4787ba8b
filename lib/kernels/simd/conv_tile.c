/* simd/conv_tile.c - the innermost loops: accumulators that stay in registers
 *
 * Both are written once for any number of pixels and vectors; the switches below call them with constants, so that the
 * compiler unrolls every small loop and keeps acc in registers.
 */
#include "kernels/simd/conv.h"

/* Where vector v of pixel p of a result or of b lies. */
CONV_INLINE ptrdiff_t place(ptrdiff_t v, ptrdiff_t plane) { return v / VECS * plane + v % VECS * VLEN; }

/* ---- Forward: pixels x vectors --------------------------------------------------------------------------------- */

CONV_INLINE void tile(const conv_tile *t, float *y, const float *x, const int pixels, const int vecs, const int lines)
{
    vec acc[ACCUMULATORS];
    const ptrdiff_t plane = t->plane, step = t->step;
    CONV_UNROLL
    for (int p = 0; p < pixels; p++)
        CONV_UNROLL
        for (int v = 0; v < vecs; v++)
            acc[p * vecs + v] = vec_load(t->begin ? t->begin + v * VLEN : y + p * step + place(v, plane));
    const float *w = t->w, *ahead = t->ahead ? t->ahead : w;
    for (ptrdiff_t k = 0; k < t->pairs; k++) {
        const float *from = x + t->at[k], *const end = from + (k < t->full ? PN_BLOCK : t->rest);
        CONV_UNROLL
        for (int p = 0; p < pixels; p++) __builtin_prefetch(from + t->ahead_x + p * PN_BLOCK, 0, 3);
        for (; from < end; from++, w += vecs * VLEN, ahead += t->ahead_step) {
            CONV_UNROLL
            for (int i = 0; i < lines; i++) __builtin_prefetch(ahead + i * PN_BLOCK, 0, 2);
            vec weight[GROUP_VECS];
            CONV_UNROLL
            for (int v = 0; v < vecs; v++) weight[v] = vec_load(w + v * VLEN);
            CONV_UNROLL
            for (int p = 0; p < pixels; p++) {
                const vec b = vec_all(from[p * PN_BLOCK]);
                CONV_UNROLL
                for (int v = 0; v < vecs; v++) acc[p * vecs + v] += b * weight[v];
            }
        }
    }
    CONV_UNROLL
    for (int p = 0; p < pixels; p++)
        CONV_UNROLL
        for (int v = 0; v < vecs; v++) vec_store(y + p * step + place(v, plane), acc[p * vecs + v]);
}

CONV_INLINE void tile_of(const conv_tile *t, float *y, const float *x, ptrdiff_t pixels, const int vecs, const int lines)
{
    const int most = ACCUMULATORS / vecs;
    switch (pixels) {
    case 1: tile(t, y, x, 1, vecs, lines); break;
    case 2: tile(t, y, x, 2, vecs, lines); break;
    case 3: tile(t, y, x, 3, vecs, lines); break;
    case 4: if (most >= 4) tile(t, y, x, 4, vecs, lines); break;
    case 5: if (most >= 5) tile(t, y, x, 5, vecs, lines); break;
    case 6: if (most >= 6) tile(t, y, x, 6, vecs, lines); break;
    case 7: if (most >= 7) tile(t, y, x, 7, vecs, lines); break;
    case 8: if (most >= 8) tile(t, y, x, 8, vecs, lines); break;
    case 9: if (most >= 9) tile(t, y, x, 9, vecs, lines); break;
    case 10: if (most >= 10) tile(t, y, x, 10, vecs, lines); break;
    case 11: if (most >= 11) tile(t, y, x, 11, vecs, lines); break;
    case 12: if (most >= 12) tile(t, y, x, 12, vecs, lines); break;
    case 13: if (most >= 13) tile(t, y, x, 13, vecs, lines); break;
    case 14: if (most >= 14) tile(t, y, x, 14, vecs, lines); break;
    case 15: if (most >= 15) tile(t, y, x, 15, vecs, lines); break;
    default: if (most >= 16) tile(t, y, x, 16, vecs, lines); break;
    }
}

/* Four vectors, two lines of what is read soon with each channel. A function of its own: inlined below, it would cost the
 * others registers. */
static __attribute__((noinline)) void fetching_two(const conv_tile *t, float *y, const float *x, ptrdiff_t pixels)
{
    if (GROUP_VECS == 4) tile_of(t, y, x, pixels, 4, 2);
}

void PN_SIMD(pn_conv_tile)(const conv_tile *t, float *y, const float *x, ptrdiff_t pixels, ptrdiff_t vecs)
{
    switch (vecs) {
    case 4:
        if (t->ahead_step > PN_BLOCK) fetching_two(t, y, x, pixels);
        else if (GROUP_VECS == 4) tile_of(t, y, x, pixels, 4, 1);
        break;
    case 3: if (VLEN == 16) tile_of(t, y, x, pixels, 3, 1); break;
    case 2: if (VLEN >= 8) tile_of(t, y, x, pixels, 2, 1); break;
    default: if (VLEN == 16) tile_of(t, y, x, pixels, 1, 1); break;
    }
}

/* ---- Backward-weights: channels x vectors ---------------------------------------------------------------------- */

/* The sum of these pixels begins at 0 and is added when it is whole: one long sum would lose more digits. */
CONV_INLINE void outer(const conv_outer *t, float *to, const float *a, const float *b, const int channels, const int vecs)
{
    vec acc[ACCUMULATORS];
    const ptrdiff_t plane = t->b_plane, to_step = t->to_step;
    CONV_UNROLL
    for (int i = 0; i < channels; i++)
        CONV_UNROLL
        for (int v = 0; v < vecs; v++) acc[i * vecs + v] = (vec){ 0 };
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        const float *pa = a + r * t->a_row, *pb = b + r * t->b_row, *const end = pa + t->cols * PN_BLOCK;
        for (; pa < end; pa += PN_BLOCK, pb += PN_BLOCK) {
            vec y[GROUP_VECS];
            CONV_UNROLL
            for (int v = 0; v < vecs; v++) y[v] = vec_load(pb + place(v, plane));
            CONV_UNROLL
            for (int i = 0; i < channels; i++) {
                const vec x = vec_all(pa[i]);
                CONV_UNROLL
                for (int v = 0; v < vecs; v++) acc[i * vecs + v] += x * y[v];
            }
        }
    }
    CONV_UNROLL
    for (int i = 0; i < channels; i++)
        CONV_UNROLL
        for (int v = 0; v < vecs; v++) {
            float *sum = to + i * to_step + v * VLEN;
            vec_store(sum, t->fresh ? acc[i * vecs + v] : vec_load(sum) + acc[i * vecs + v]);
        }
}

CONV_INLINE void outer_of(const conv_outer *t, float *to, const float *a, const float *b, ptrdiff_t channels,
                            const int vecs)
{
    const int most = ACCUMULATORS / vecs;
    switch (channels) {
    case 1: outer(t, to, a, b, 1, vecs); break;
    case 2: outer(t, to, a, b, 2, vecs); break;
    case 3: outer(t, to, a, b, 3, vecs); break;
    case 4: if (most >= 4) outer(t, to, a, b, 4, vecs); break;
    case 5: if (most >= 5) outer(t, to, a, b, 5, vecs); break;
    case 6: if (most >= 6) outer(t, to, a, b, 6, vecs); break;
    case 7: if (most >= 7) outer(t, to, a, b, 7, vecs); break;
    case 8: if (most >= 8) outer(t, to, a, b, 8, vecs); break;
    case 9: if (most >= 9) outer(t, to, a, b, 9, vecs); break;
    case 10: if (most >= 10) outer(t, to, a, b, 10, vecs); break;
    case 11: if (most >= 11) outer(t, to, a, b, 11, vecs); break;
    case 12: if (most >= 12) outer(t, to, a, b, 12, vecs); break;
    case 13: if (most >= 13) outer(t, to, a, b, 13, vecs); break;
    case 14: if (most >= 14) outer(t, to, a, b, 14, vecs); break;
    case 15: if (most >= 15) outer(t, to, a, b, 15, vecs); break;
    default: if (most >= 16) outer(t, to, a, b, 16, vecs); break;
    }
}

void PN_SIMD(pn_conv_outer)(const conv_outer *t, float *to, const float *a, const float *b, ptrdiff_t channels,
                            ptrdiff_t vecs)
{
    switch (vecs) {
    case 4: if (GROUP_VECS == 4) outer_of(t, to, a, b, channels, 4); break;
    case 3: if (VLEN == 16) outer_of(t, to, a, b, channels, 3); break;
    case 2: if (VLEN >= 8) outer_of(t, to, a, b, channels, 2); break;
    default: if (VLEN == 16) outer_of(t, to, a, b, channels, 1); break;
    }
}

/* ---- Backward-weights of a picture: channels x taps x vectors -------------------------------------------------- */

enum { PICTURE_VECS = ACCUMULATORS / (CONV_PICTURE * CONV_PICTURE) };

CONV_INLINE void picture(const conv_outer *t, float *to, const float *a, const float *b, const int vecs)
{
    vec acc[CONV_PICTURE][CONV_PICTURE][PICTURE_VECS];
    const ptrdiff_t plane = t->b_plane;
    CONV_UNROLL
    for (int k = 0; k < CONV_PICTURE; k++)
        CONV_UNROLL
        for (int c = 0; c < CONV_PICTURE; c++)
            CONV_UNROLL
            for (int v = 0; v < vecs; v++) acc[k][c][v] = (vec){ 0 };
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        const float *pa = a + r * t->a_row, *pb = b + r * t->b_row, *const end = pa + t->cols * PN_BLOCK;
        for (; pa < end; pa += PN_BLOCK, pb += PN_BLOCK) {
            vec y[PICTURE_VECS];
            CONV_UNROLL
            for (int v = 0; v < vecs; v++) y[v] = vec_load(pb + place(v, plane));
            CONV_UNROLL
            for (int k = 0; k < CONV_PICTURE; k++)
                CONV_UNROLL
                for (int c = 0; c < CONV_PICTURE; c++) {
                    const vec x = vec_all(pa[k * PN_BLOCK + c]);
                    CONV_UNROLL
                    for (int v = 0; v < vecs; v++) acc[k][c][v] += x * y[v];
                }
        }
    }
    for (int k = 0; k < CONV_PICTURE; k++)
        for (int c = 0; c < CONV_PICTURE; c++)
            for (int v = 0; v < vecs; v++) {
                float *sum = to + k * t->to_tap + c * t->to_step + v * VLEN;
                vec_store(sum, t->fresh ? acc[k][c][v] : vec_load(sum) + acc[k][c][v]);
            }
}

void PN_SIMD(pn_conv_outer_picture)(const conv_outer *t, float *to, const float *a, const float *b, ptrdiff_t vecs)
{
    ptrdiff_t v = 0;
    for (; v + PICTURE_VECS <= vecs; v += PICTURE_VECS)
        picture(t, to + v * VLEN, a, b + place(v, t->b_plane), PICTURE_VECS);
    for (; v < vecs; v++) picture(t, to + v * VLEN, a, b + place(v, t->b_plane), 1);
}
