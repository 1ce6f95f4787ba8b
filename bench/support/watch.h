/* watch.h - what may spoil a measurement: inherited variables, other processes, a processor that changes its pace */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include "support/ceilings.h"

/* Ticks of all processors since the machine started, and this process's own. */
typedef struct { double busy, stolen, own, at; int cpus; } bench_watch;
bench_watch bench_watch_now(void);

/* Warnings go to the context's log. */
void bench_warn_environment(pn_ctx *ctx);               /* variables that cripple a library or an allocator, and load */
void bench_warn_interference(pn_ctx *ctx, const bench_watch *from, const bench_watch *to);
void bench_warn_ceilings(pn_ctx *ctx, const bench_ceilings *c);         /* all threads slower than one */
void bench_warn_drift(pn_ctx *ctx, const bench_ceilings *before, double peak_after);

#endif
