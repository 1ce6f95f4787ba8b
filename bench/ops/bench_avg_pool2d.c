/* bench/ops/bench_avg_pool2d.c - the shortcut of GFLA's discriminator */
#include "support/pnbench.h"

static void run(pn_bench *b)
{
    pn_bench_keep(b, pn_avg_pool2d(b->graph, b->in[0], (pn_pool_opt){ .kernel = { 2, 2 } }));
}

const pn_bench_case bench_avg_pool2d[] = {
    { "avg_pool2d/1x3x256x256", run, .n_in = 1, .in = { { 4, { 1, 3, 256, 256 } } } },
    { "avg_pool2d/1x32x128x128", run, .n_in = 1, .in = { { 4, { 1, 32, 128, 128 } } } },
    { "avg_pool2d/4x32x128x128", run, .n_in = 1, .in = { { 4, { 4, 32, 128, 128 } } } },
    { 0 },
};
