/* where.h - an entry's time, op by op */
#ifndef BENCH_WHERE_H
#define BENCH_WHERE_H

#include "support/pnbench.h"

/* Run e some times and print which ops took the time, those of one kind and size together, the longest first. What no plan
 * ran (Adam, copies in and out) is the last line. */
pn_status bench_where(pn_ctx *ctx, const bench_entry *e);

#endif
