/* bench/simd/ceiling.c - the fastest multiply-add, read and write loops of one instruction set
 *
 * A fused multiply-add takes about four cycles and two start in each, so eight sums keep the units busy; more hide
 * jitter, and an instruction set without fused ones needs fourteen. They must all stay in registers, beside two
 * constants: fourteen where there are sixteen, twenty-four where there are thirty-two.
 */
#include "simd/ceiling.h"
#include "kernels/simd/vec.h"

#if PN_VLEN == 16 || defined(__aarch64__)
enum { SUMS = 24 };
#else
enum { SUMS = 14 };
#endif
enum { STREAMS = 8 }; /* loads that add up apart from each other */

/* What is computed must be wanted by someone. */
static float kept(vec v)
{
    volatile float sum = vec_sum(v);
    return sum;
}

static double fma_turns(ptrdiff_t turns)
{
    vec sum[SUMS];
    const vec factor = vec_all(0.5f), addend = vec_all(1);
#pragma GCC unroll 24
    for (int k = 0; k < SUMS; k++) sum[k] = vec_all((float)k);
    for (ptrdiff_t i = 0; i < turns; i++) {
#pragma GCC unroll 24
        for (int k = 0; k < SUMS; k++) sum[k] = sum[k] * factor + addend;
    }
    vec all = sum[0];
#pragma GCC unroll 24
    for (int k = 1; k < SUMS; k++) all += sum[k];
    kept(all);
    return 2.0 * SUMS * VLEN * (double)turns;
}

static float read_all(const float *p, ptrdiff_t n)
{
    vec sum[STREAMS] = { vec_all(0) };
    for (ptrdiff_t i = 0; i < n; i += STREAMS * VLEN) {
#pragma GCC unroll 8
        for (int k = 0; k < STREAMS; k++) sum[k] += vec_load(p + i + k * VLEN);
    }
    vec all = sum[0];
#pragma GCC unroll 8
    for (int k = 1; k < STREAMS; k++) all += sum[k];
    return kept(all);
}

static void write_all(float *p, ptrdiff_t n, float value)
{
    const vec v = vec_all(value);
    for (ptrdiff_t i = 0; i < n; i += VLEN) vec_store(p + i, v);
}

extern const bench_loops PN_SIMD(bench_loops);
const bench_loops PN_SIMD(bench_loops) = { fma_turns, read_all, write_all };
