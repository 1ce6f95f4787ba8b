/* bench/ops/bench_group_norm.c - 32 groups */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_group_norm(b->graph, b->in[0], b->in[1], b->in[2], 32, 1e-5)); }

const pn_bench_case bench_group_norm[] = {
    { "group_norm/1x128x64x64", run, .n_in = 3, .in = { { 4, { 1, 128, 64, 64 } }, { 1, { 128 } }, { 1, { 128 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM } },
    { 0 },
};
