/* bench/ops/bench_mean.c - over the pixels of each map */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_mean(b->graph, b->in[0], PN_AXIS(2) | PN_AXIS(3), PN_KEEP_AXES)); }

const pn_bench_case bench_mean[] = {
    { "mean/1x128x64x64", run, .n_in = 1, .in = { { 4, { 1, 128, 64, 64 } } } },
    { "mean/1x64x256x256", run, .n_in = 1, .in = { { 4, { 1, 64, 256, 256 } } } },
    { 0 },
};
