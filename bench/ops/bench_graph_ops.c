/* bench/ops/bench_graph_ops.c - adjacencies of GLocal's nine nodes */
#include "support/pnbench.h"

static void masked(pn_bench *b) { pn_bench_keep(b, pn_masked_softmax(b->graph, b->in[0], b->in[1])); }
static void normalised(pn_bench *b) { pn_bench_keep(b, pn_graph_normalise(b->graph, b->in[0], b->in[1])); }

const pn_bench_case bench_graph_ops[] = {
    { "masked_softmax/8x9x9", masked, .n_in = 2, .in = { { 3, { 8, 9, 9 } }, { 2, { 8, 9 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_CLASSES } },
    { "graph_normalise/8x9x9", normalised, .n_in = 2, .in = { { 2, { 9, 9 } }, { 2, { 8, 9 } } },
      .role = { PN_BENCH_PARAM, PN_BENCH_CLASSES } },
    { 0 },
};
