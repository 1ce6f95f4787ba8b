/* bench/ops/bench_tanh.c - the last op of a generator */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_tanh(b->graph, b->in[0])); }

const pn_bench_case bench_tanh[] = {
    { "tanh/1x3x256x256", run, .n_in = 1, .in = { { 4, { 1, 3, 256, 256 } } } },
    { "tanh/4x3x256x256", run, .n_in = 1, .in = { { 4, { 4, 3, 256, 256 } } } },
    { 0 },
};
