/* bench/ops/bench_cross_entropy.c - of parsings in eight classes */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_cross_entropy(b->graph, b->in[0], b->in[1])); }

const pn_bench_case bench_cross_entropy[] = {
    { "cross_entropy/1x8x256x176", run, .n_in = 2, .in = { { 4, { 1, 8, 256, 176 } }, { 4, { 1, 1, 256, 176 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_CLASSES } },
    { 0 },
};
