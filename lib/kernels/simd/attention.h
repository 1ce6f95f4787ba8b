/* simd/attention.h - what the files of local attention and the flow losses share, and who adds which part */
#ifndef PN_SIMD_ATTENTION_H
#define PN_SIMD_ATTENTION_H

#include "kernels/simd/vec_math.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

void PN_SIMD(pn_simd_local_attention)(pn_attention_kernels *k);
void PN_SIMD(pn_simd_correctness)(pn_attention_kernels *k);
void PN_SIMD(pn_simd_regularisation)(pn_attention_kernels *k);
void PN_SIMD(pn_simd_full_attention)(pn_attention_kernels *k);
void PN_SIMD(pn_simd_channel_attention)(pn_attention_kernels *k);

/* A real position along one axis: whole pixels and the rest, which is that of the flow, exactly. Farther out than
 * `beyond` all that is read coincides, so it is brought there before it becomes an index; NaN keeps its NaN in the
 * rest. */
typedef struct { ptrdiff_t at; float rest; } flow_place;

static inline flow_place flow_place_of(float flow, ptrdiff_t at, ptrdiff_t extent, ptrdiff_t beyond)
{
    if (flow != flow) return (flow_place){ 0, flow };
    if (flow < (float)(-beyond - at)) return (flow_place){ -beyond, 0 };
    if (flow >= (float)(extent + beyond - at)) return (flow_place){ extent + beyond, 0 };
    const ptrdiff_t toward_zero = (ptrdiff_t)flow, whole = toward_zero - ((float)toward_zero > flow);
    return (flow_place){ at + whole, flow - (float)whole };
}

static inline ptrdiff_t inside(ptrdiff_t i, ptrdiff_t extent) { return i < 0 ? 0 : i >= extent ? extent - 1 : i; }
static inline ptrdiff_t round_up(ptrdiff_t i, ptrdiff_t to) { return (i + to - 1) / to * to; }

/* The first `left` lanes, zero beyond: what is past the last channel stays zero even beside NaN. */
static inline vec vec_first(vec v, ptrdiff_t left)
{
    veci lane = { 0 };
    for (int i = 0; i < VLEN; i++) lane[i] = i;
    return (vec)((veci)v & (lane < (int32_t)(left < 0 ? 0 : left > VLEN ? VLEN : left)));
}

static inline void vec_sink(pn_sink s, ptrdiff_t at, vec v)
{
    vec_store(s.data + at, s.add ? vec_load(s.data + at) + v : v);
}

/* The last of the blocks: its lanes past channel c, over all pixels of a plane. */
static inline void clear_past(float *plane, ptrdiff_t pixels, ptrdiff_t channels)
{
    for (ptrdiff_t i = 0; channels < PN_BLOCK && i < pixels; i++)
        for (ptrdiff_t lane = channels; lane < PN_BLOCK; lane++) plane[i * PN_BLOCK + lane] = 0;
}

#endif
