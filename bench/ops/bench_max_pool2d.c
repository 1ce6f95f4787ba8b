/* bench/ops/bench_max_pool2d.c - VGG19's */
#include "support/pnbench.h"

static void run(pn_bench *b)
{
    pn_bench_keep(b, pn_max_pool2d(b->graph, b->in[0], (pn_pool_opt){ .kernel = { 2, 2 } }));
}

const pn_bench_case bench_max_pool2d[] = {
    { "max_pool2d/1x64x256x256", run, .n_in = 1, .in = { { 4, { 1, 64, 256, 256 } } } },
    { "max_pool2d/1x256x64x64", run, .n_in = 1, .in = { { 4, { 1, 256, 64, 64 } } } },
    { 0 },
};
