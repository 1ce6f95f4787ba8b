/* vec.h - the vector type fast kernels are written over
 *
 * A GCC/Clang vector of PN_VLEN floats: 4 (base), 8 (AVX2), 16 (AVX-512), 4 (NEON). Arithmetic is written with the
 * ordinary operators; the compiler contracts a * b + c into one instruction where the level has it.
 */
#ifndef PN_VEC_H
#define PN_VEC_H

#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

/* PN_LEVEL and PN_VLEN come from the build: -DPN_LEVEL=avx2 -DPN_VLEN=8. */
#define PN_JOIN2(a, b) a##_##b
#define PN_JOIN(a, b) PN_JOIN2(a, b)
#define PN_SIMD(name) PN_JOIN(name, PN_LEVEL)

typedef float vec __attribute__((vector_size(PN_VLEN * 4)));
typedef int32_t veci __attribute__((vector_size(PN_VLEN * 4)));
enum { VLEN = PN_VLEN, VECS = PN_BLOCK / PN_VLEN };     /* VECS vectors make one 16-channel pixel */

static inline vec vec_load(const float *p) { vec v; memcpy(&v, p, sizeof v); return v; }
static inline void vec_store(float *p, vec v) { memcpy(p, &v, sizeof v); }
static inline vec vec_all(float x) { return x - (vec){ 0 }; }
static inline vec vec_if(veci mask, vec yes, vec no) { return (vec)((mask & (veci)yes) | (~mask & (veci)no)); }
static inline vec vec_max(vec a, vec b) { return vec_if(a > b, a, b); }
static inline vec vec_min(vec a, vec b) { return vec_if(a < b, a, b); }
static inline float vec_sum(vec v)
{
    float lane[VLEN];
    vec_store(lane, v);
    for (int half = VLEN / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

void PN_SIMD(pn_simd_add)(pn_kernels *k);
void PN_SIMD(pn_simd_conv)(pn_kernels *k);
void PN_SIMD(pn_simd_matmul)(pn_kernels *k);
void PN_SIMD(pn_simd_norm)(pn_kernels *k);
void PN_SIMD(pn_simd_pointwise)(pn_kernels *k);
void PN_SIMD(pn_simd_shaping)(pn_kernels *k);
void PN_SIMD(pn_simd_resample)(pn_kernels *k);
void PN_SIMD(pn_simd_attention)(pn_kernels *k);
void PN_SIMD(pn_simd_match)(pn_kernels *k);
void PN_SIMD(pn_simd_losses)(pn_kernels *k);
void PN_SIMD(pn_simd_regions)(pn_kernels *k);
void PN_SIMD(pn_simd_optim)(pn_kernels *k);

#endif
