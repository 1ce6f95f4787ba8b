/* bench/ops/bench_mse_loss.c - of a discriminator's verdicts, and of features */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_mse_loss(b->graph, b->in[0], b->in[1])); }

const pn_bench_case bench_mse_loss[] = {
    { "mse_loss/1x1x16x16", run, .n_in = 2, .in = { { 4, { 1, 1, 16, 16 } }, { 4, { 1, 1, 16, 16 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FIXED } },
    { "mse_loss/1x256x64x64", run, .n_in = 2, .in = { { 4, { 1, 256, 64, 64 } }, { 4, { 1, 256, 64, 64 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FIXED } },
    { 0 },
};
