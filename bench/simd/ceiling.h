/* ceiling.h - the loops that find out what this machine can do, one set per instruction set */
#ifndef BENCH_CEILING_LOOPS_H
#define BENCH_CEILING_LOOPS_H

#include <stddef.h>

typedef struct {
    double (*fma)(ptrdiff_t turns);                     /* returns the floating point operations it did */
    float (*read)(const float *p, ptrdiff_t n);         /* n: a multiple of 256 */
    void (*write)(float *p, ptrdiff_t n, float value);
} bench_loops;

extern const bench_loops bench_loops_base, bench_loops_avx2, bench_loops_avx512, bench_loops_neon;

#endif
