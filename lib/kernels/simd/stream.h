/* simd/stream.h - whole cache lines written past the caches
 *
 * What is larger than L2 and read much later need not be fetched before it is overwritten. Only where a vector is a
 * whole line: halves of 36 lines in turn would be more than a core can combine.
 */
#ifndef PN_SIMD_STREAM_H
#define PN_SIMD_STREAM_H

#include "kernels/simd/vec.h"

#if defined(__AVX512F__)
#include <immintrin.h>
enum { STREAMS = 1 };
static inline void vec_stream(float *p, vec v) { _mm512_stream_ps(p, (__m512)v); }      /* p aligned to 64 bytes */
static inline void stream_end(void) { _mm_sfence(); }                                   /* before others read */
#else
enum { STREAMS = 0 };
static inline void vec_stream(float *p, vec v) { vec_store(p, v); }
static inline void stream_end(void) { }
#endif

#endif
