/* ceilings.h - what this machine can do, measured in this run: multiply-adds, and bytes by where they lie */
#ifndef BENCH_CEILINGS_H
#define BENCH_CEILINGS_H

#include "support/pnbench.h"

typedef enum { BENCH_L1, BENCH_L2, BENCH_L3, BENCH_DRAM, BENCH_PLACES } bench_place;
extern const char *const bench_place_name[BENCH_PLACES];

typedef struct {
    int threads;
    const char *isa;                /* of the loops: the context's, or base where that is ref */
    double flops[2];                /* per second: on one thread, on all */
    double read[BENCH_PLACES][2];   /* bytes per second */
    double write[2];                /* to memory, by ordinary stores */
    size_t room[BENCH_PLACES];      /* bytes that fit: per core in L1 and L2, in all in L3; DRAM: no end */
} bench_ceilings;

/* About a second. PN_ERR_NOMEM leaves what it could not measure 0. one: a context like ctx with one thread. */
pn_status bench_ceilings_measure(pn_ctx *one, pn_ctx *ctx, bench_ceilings *out);
double bench_peak(pn_ctx *ctx);     /* multiply-adds alone, again */

/* Which of them binds the work, and for how many seconds at least; NULL: nothing of it was counted. */
const char *bench_bound(const bench_ceilings *c, const bench_work *w, double *seconds);

#endif
