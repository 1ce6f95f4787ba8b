/* bench/ops/bench_l1_loss.c - of pictures, and of features */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_l1_loss(b->graph, b->in[0], b->in[1])); }

const pn_bench_case bench_l1_loss[] = {
    { "l1_loss/1x3x256x256", run, .n_in = 2, .in = { { 4, { 1, 3, 256, 256 } }, { 4, { 1, 3, 256, 256 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FIXED } },
    { "l1_loss/1x64x256x256", run, .n_in = 2, .in = { { 4, { 1, 64, 256, 256 } }, { 4, { 1, 64, 256, 256 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FIXED } },
    { 0 },
};
