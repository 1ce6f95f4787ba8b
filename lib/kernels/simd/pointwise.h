/* simd/pointwise.h - inside simd/: what the pointwise kernels share, and who adds which part of the table */
#ifndef PN_SIMD_POINTWISE_H
#define PN_SIMD_POINTWISE_H

#include "kernels/simd/vec.h"

enum { PN_CHUNK = 1 << 15 };        /* numbers per item of work: some microseconds; smaller arrays stay on one thread */

static inline ptrdiff_t pn_chunks(ptrdiff_t count) { return (count + PN_CHUNK - 1) / PN_CHUNK; }
static inline ptrdiff_t pn_smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static inline ptrdiff_t pn_larger(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

/* The first n < VLEN lanes; the others are zero, or left alone. */
static inline vec vec_load_some(const float *p, ptrdiff_t n)
{
    vec v = { 0 };
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}
static inline void vec_store_some(float *p, vec v, ptrdiff_t n) { memcpy(p, &v, (size_t)n * sizeof *p); }

/* Lanes past the last channel, for the numbers [from, to) of the map: whole pixels. */
static inline void pn_clear_lanes(float *map, pn_map m, ptrdiff_t from, ptrdiff_t to)
{
    if (m.c % m.b == 0) return;
    const ptrdiff_t plane = m.h * m.w * m.b, blocks = pn_map_blocks(m), used = m.c % m.b;
    for (ptrdiff_t p = from / plane; p * plane < to; p++) {
        if (p % blocks != blocks - 1) continue;
        const ptrdiff_t end = pn_smaller((p + 1) * plane, to);
        for (ptrdiff_t i = pn_larger(p * plane, from); i < end; i += m.b)
            memset(map + i + used, 0, (size_t)(m.b - used) * sizeof *map);
    }
}

void PN_SIMD(pn_simd_repeat)(pn_kernels *k);
void PN_SIMD(pn_simd_lerp)(pn_kernels *k);
void PN_SIMD(pn_simd_softmax)(pn_kernels *k);
void PN_SIMD(pn_simd_layout)(pn_kernels *k);
void PN_SIMD(pn_simd_gates)(pn_pointwise_kernels *k);

#endif
