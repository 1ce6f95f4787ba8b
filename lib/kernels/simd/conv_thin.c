/* simd/conv_thin.c - few output channels: vectors hold input channels, and are summed across at the end */
#include "kernels/simd/conv.h"

typedef float quad __attribute__((vector_size(16)));

/* Quarters (or halves, or the whole) of a vector added up: four sums are left. */
CONV_INLINE quad to_quad(vec v)
{
    quad part[VLEN / 4];
    memcpy(part, &v, sizeof v);
    for (int half = VLEN / 8; half; half /= 2)
        for (int i = 0; i < half; i++) part[i] += part[i + half];
    return part[0];
}

/* { sum of a, sum of b, sum of c, sum of d } */
CONV_INLINE quad across(quad a, quad b, quad c, quad d)
{
    const quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const quad cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

CONV_INLINE void thin(const conv_tile *t, float *y, const float *x, const int pixels, const int channels)
{
    vec acc[ACCUMULATORS];
    CONV_UNROLL
    for (int i = 0; i < pixels * channels; i++) acc[i] = (vec){ 0 };
    const float *w = t->w;
    for (ptrdiff_t k = 0; k < t->pairs; k++) {
        const float *from = x + t->at[k];
        for (int v = 0; v < PN_BLOCK; v += VLEN)
            CONV_UNROLL
            for (int p = 0; p < pixels; p++) {
                const vec a = vec_load(from + p * PN_BLOCK + v);
                CONV_UNROLL
                for (int o = 0; o < channels; o++) acc[p * channels + o] += a * vec_load(w + o * PN_BLOCK + v);
            }
        w += channels * PN_BLOCK;
    }
    CONV_UNROLL
    for (int p = 0; p < pixels; p++) {
        float *to = y + p * t->step;
        const vec *mine = acc + p * channels;
        const quad none = { 0 };
        quad begin;
        memcpy(&begin, t->begin ? t->begin : to, sizeof begin);
        begin += across(to_quad(mine[0]), channels > 1 ? to_quad(mine[1]) : none, channels > 2 ? to_quad(mine[2]) : none,
                        channels > 3 ? to_quad(mine[3]) : none);
        memcpy(to, &begin, sizeof begin);
        memset(to + THIN, 0, (PN_BLOCK - THIN) * sizeof *to);
    }
}

CONV_INLINE ptrdiff_t some(const conv_tile *t, float *y, const float *x, ptrdiff_t pixels, const int channels)
{
    const int most = ACCUMULATORS / channels > 8 ? 8 : ACCUMULATORS / channels;
    if (pixels >= most) {
        thin(t, y, x, most, channels);
        return most;
    }
    if (most > 4 && pixels >= 4) {
        thin(t, y, x, 4, channels);
        return 4;
    }
    thin(t, y, x, 1, channels);
    return 1;
}

void PN_SIMD(pn_conv_thin_tile)(const conv_tile *t, float *y, const float *x, ptrdiff_t pixels, ptrdiff_t channels)
{
    for (ptrdiff_t done; pixels > 0; pixels -= done) {
        switch (channels) {
        case 1: done = some(t, y, x, pixels, 1); break;
        case 2: done = some(t, y, x, pixels, 2); break;
        case 3: done = some(t, y, x, pixels, 3); break;
        default: done = some(t, y, x, pixels, THIN); break;
        }
        y += done * t->step;
        x += done * PN_BLOCK;
    }
}
