/* bench/ops/bench_reshape.c - maps to tokens */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_reshape(b->graph, b->in[0], pn_shape3(1, 256, 64 * 64))); }

const pn_bench_case bench_reshape[] = {
    { "reshape/1x256x64x64", run, .n_in = 1, .in = { { 4, { 1, 256, 64, 64 } } } },
    { 0 },
};
