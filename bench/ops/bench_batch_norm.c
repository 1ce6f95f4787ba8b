/* bench/ops/bench_batch_norm.c - with running statistics */
#include "support/pnbench.h"

static void run(pn_bench *b)
{
    pn_bench_keep(b, pn_batch_norm(b->graph, b->in[0], b->in[1], b->in[2], b->in[3], b->in[4], 0.1, 1e-5));
}

const pn_bench_case bench_batch_norm[] = {
    { "batch_norm/4x64x128x88", run, .n_in = 5,
      .in = { { 4, { 4, 64, 128, 88 } }, { 1, { 64 } }, { 1, { 64 } }, { 1, { 64 } }, { 1, { 64 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM, PN_BENCH_STATE, PN_BENCH_STATE } },
    { 0 },
};
