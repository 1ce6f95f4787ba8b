/* bench/ops/bench_gauss_sample.c - the warp of GFLA's correctness loss, on VGG19's features */
#include "support/pnbench.h"

static void run(pn_bench *b)
{
    pn_bench_keep(b, pn_gauss_sample(b->graph, b->in[0], b->in[1], 2, 2, PN_BORDER_REPLICATE));
}

const pn_bench_case bench_gauss_sample[] = {
    { "gauss_sample/1x512x32x32", run, .n_in = 2, .in = { { 4, { 1, 512, 32, 32 } }, { 4, { 1, 2, 32, 32 } } },
      .role = { PN_BENCH_FIXED, PN_BENCH_FLOW } },
    { "gauss_sample/1x256x64x64", run, .n_in = 2, .in = { { 4, { 1, 256, 64, 64 } }, { 4, { 1, 2, 64, 64 } } },
      .role = { PN_BENCH_FIXED, PN_BENCH_FLOW } },
    { 0 },
};
