/* json.h - results as Google Benchmark writes them, so that its tools read them */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "support/measure.h"

/* Atomic. one file: a context, one row for each sample, and the rows mean, median, stddev and cv of each entry. */
pn_status bench_json_write(pn_ctx *ctx, const char *path, const bench_ceilings *c, const bench_result *results, int n);

#endif
