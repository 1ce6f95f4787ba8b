/* bench/ops/bench_flow_sample.c - source features warped by flow, at the levels that attend */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_flow_sample(b->graph, b->in[0], b->in[1], PN_BORDER_REPLICATE)); }

const pn_bench_case bench_flow_sample[] = {
    { "flow_sample/1x256x32x32", run, .n_in = 2, .in = { { 4, { 1, 256, 32, 32 } }, { 4, { 1, 2, 32, 32 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FLOW } },
    { "flow_sample/1x128x64x64", run, .n_in = 2, .in = { { 4, { 1, 128, 64, 64 } }, { 4, { 1, 2, 64, 64 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FLOW } },
    { "flow_sample/4x128x64x64", run, .n_in = 2, .in = { { 4, { 4, 128, 64, 64 } }, { 4, { 4, 2, 64, 64 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FLOW } },
    { "flow_sample/8x128x128x88", run, .n_in = 2, .in = { { 4, { 8, 128, 128, 88 } }, { 4, { 8, 2, 128, 88 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FLOW } },
    { 0 },
};
