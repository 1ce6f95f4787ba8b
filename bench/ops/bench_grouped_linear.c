/* bench/ops/bench_grouped_linear.c - a layer for each of eight regions */
#include "support/pnbench.h"

static double flops(const pn_bench *b)
{
    return 2 * (double)pn_shape_count(pn_tensor_shape(b->in[0])) * (double)pn_tensor_shape(b->in[1]).dim[1];
}

static void run(pn_bench *b) { pn_bench_keep(b, pn_grouped_linear(b->graph, b->in[0], b->in[1], b->in[2])); }

#define ROLES { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM }

const pn_bench_case bench_grouped_linear[] = {
    { "grouped_linear/1x8x256/256", run, .n_in = 3, .in = { { 3, { 1, 8, 256 } }, { 3, { 8, 256, 256 } }, { 2, { 8, 256 } } },
      .role = ROLES, .flops = flops },
    { "grouped_linear/8x8x256/256", run, .n_in = 3, .in = { { 3, { 8, 8, 256 } }, { 3, { 8, 256, 256 } }, { 2, { 8, 256 } } },
      .role = ROLES, .flops = flops },
    { 0 },
};
