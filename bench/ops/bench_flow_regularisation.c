/* bench/ops/bench_flow_regularisation.c - GFLA's two flows, with the attention's windows */
#include "support/pnbench.h"

static void five(pn_bench *b) { pn_bench_keep(b, pn_flow_regularisation(b->graph, b->in[0], 5)); }
static void three(pn_bench *b) { pn_bench_keep(b, pn_flow_regularisation(b->graph, b->in[0], 3)); }

const pn_bench_case bench_flow_regularisation[] = {
    { "flow_regularisation/5x5/1x2x64x64", five, .n_in = 1, .in = { { 4, { 1, 2, 64, 64 } } },
      .role = { PN_BENCH_FLOW } },
    { "flow_regularisation/3x3/1x2x32x32", three, .n_in = 1, .in = { { 4, { 1, 2, 32, 32 } } },
      .role = { PN_BENCH_FLOW } },
    { 0 },
};
