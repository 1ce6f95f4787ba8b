/* bench/ops/bench_unfold.c - the 3x3 neighbourhoods that GLocal may match instead of single cells */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_unfold(b->graph, b->in[0], 3)); }

const pn_bench_case bench_unfold[] = {
    { "unfold/3x3/1x128x64x44", run, .n_in = 1, .in = { { 4, { 1, 128, 64, 44 } } } },
    { 0 },
};
