/* bench/ops/bench_sigmoid.c - GFLA's masks */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_sigmoid(b->graph, b->in[0])); }

const pn_bench_case bench_sigmoid[] = {
    { "sigmoid/1x1x64x64", run, .n_in = 1, .in = { { 4, { 1, 1, 64, 64 } } } },
    { "sigmoid/4x1x64x64", run, .n_in = 1, .in = { { 4, { 4, 1, 64, 64 } } } },
    { 0 },
};
