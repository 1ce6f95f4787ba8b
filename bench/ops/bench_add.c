/* bench/ops/bench_add.c - residuals, and a bias that is repeated */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_add(b->graph, b->in[0], b->in[1])); }

const pn_bench_case bench_add[] = {
    { "add/1x256x32x32", run, .n_in = 2, .in = { { 4, { 1, 256, 32, 32 } }, { 4, { 1, 256, 32, 32 } } } },
    { "add/1x64x256x256", run, .n_in = 2, .in = { { 4, { 1, 64, 256, 256 } }, { 4, { 1, 64, 256, 256 } } } },
    { "add/1x64x256x256/repeated", run, .n_in = 2, .in = { { 4, { 1, 64, 256, 256 } }, { 4, { 1, 64, 1, 1 } } } },
    { 0 },
};
