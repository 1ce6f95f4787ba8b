/* bench/ops/bench_leaky_relu.c - GFLA's activation, slope 0.1 */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_leaky_relu(b->graph, b->in[0], 0.1)); }

const pn_bench_case bench_leaky_relu[] = {
    { "leaky_relu/1x64x256x256", run, .n_in = 1, .in = { { 4, { 1, 64, 256, 256 } } } },
    { "leaky_relu/1x128x64x64", run, .n_in = 1, .in = { { 4, { 1, 128, 64, 64 } } } },
    { 0 },
};
