/* bench/ops/bench_lerp.c - GFLA's mixing of warped and generated features by the mask */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_lerp(b->graph, b->in[0], b->in[1], b->in[2])); }

const pn_bench_case bench_lerp[] = {
    { "lerp/1x256x32x32", run, .n_in = 3,
      .in = { { 4, { 1, 256, 32, 32 } }, { 4, { 1, 256, 32, 32 } }, { 4, { 1, 1, 32, 32 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_VALUE, PN_BENCH_MASK } },
    { "lerp/1x128x64x64", run, .n_in = 3,
      .in = { { 4, { 1, 128, 64, 64 } }, { 4, { 1, 128, 64, 64 } }, { 4, { 1, 1, 64, 64 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_VALUE, PN_BENCH_MASK } },
    { 0 },
};
