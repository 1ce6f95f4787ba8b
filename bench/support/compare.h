/* compare.h - now against an earlier run: faster, slower or the same, given how much both of them scatter */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include "support/measure.h"

typedef struct { char *name; double seconds, noise; int samples; } bench_old;   /* noise: a share of seconds */
typedef struct { bench_old *entry; int count, threads; char *isa; } bench_earlier;  /* threads 0, isa NULL: not said */

/* A file that posenet-bench or Google Benchmark wrote. PN_ERR_FORMAT with the file's name and the remedy. */
pn_status bench_earlier_read(pn_ctx *ctx, const char *path, bench_earlier *out);
void bench_earlier_free(bench_earlier *e);

typedef enum { BENCH_SAME, BENCH_FASTER, BENCH_SLOWER } bench_verdict;
typedef struct { double ratio, noise; bench_verdict verdict; } bench_change;   /* ratio: old time / new time */
bench_change bench_change_of(const bench_old *old, const bench_stats *now);

void bench_print_changes(const char *path, const bench_earlier *old, const bench_result *now, int n, int name_width);

#endif
