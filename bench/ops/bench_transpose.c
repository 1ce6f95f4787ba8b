/* bench/ops/bench_transpose.c - channels last */
#include "support/pnbench.h"

static const int order[] = { 0, 2, 1 };
static void run(pn_bench *b) { pn_bench_keep(b, pn_transpose(b->graph, b->in[0], order)); }

const pn_bench_case bench_transpose[] = {
    { "transpose/1x256x4096", run, .n_in = 1, .in = { { 3, { 1, 256, 4096 } } } },
    { 0 },
};
