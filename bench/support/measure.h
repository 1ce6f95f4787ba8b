/* measure.h - an entry timed: warm-up, samples long enough to trust a clock, and what they say */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "support/ceilings.h"
#include "support/stats.h"

enum { BENCH_SAMPLES = 25 };

typedef struct {
    char name[PN_BENCH_NAME];
    const char *inside;
    int64_t iterations;             /* in each sample */
    double wall[BENCH_SAMPLES], cpu[BENCH_SAMPLES];     /* seconds of one iteration */
    bench_stats time;               /* of wall */
    double flops, bytes, items;     /* per iteration; 0: not counted */
    const char *item;
    const char *bound;              /* the ceiling it is held to, NULL: none */
    double share;                   /* of that ceiling; above 1 when an algorithm multiplies less than the direct one */
    size_t plan_bytes;
} bench_result;

/* One sample: again and again for at least so many seconds; per iteration, wall and processor. */
pn_status bench_sample(bench_work *w, double seconds, int64_t *iterations, double *wall, double *cpu);
pn_status bench_measure(pn_ctx *ctx, const bench_entry *e, const bench_ceilings *c, bench_result *out);

#endif
