/* bench/ops/bench_linear.c - over the features of tokens */
#include "support/pnbench.h"

static double flops(const pn_bench *b)
{
    return 2 * (double)pn_shape_count(pn_tensor_shape(b->in[0])) * (double)pn_tensor_shape(b->in[1]).dim[0];
}

static void run(pn_bench *b) { pn_bench_keep(b, pn_linear(b->graph, b->in[0], b->in[1], b->in[2])); }

const pn_bench_case bench_linear[] = {
    { "linear/1x704x512/2048", run, .n_in = 3, .in = { { 3, { 1, 704, 512 } }, { 2, { 2048, 512 } }, { 1, { 2048 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM }, .flops = flops },
    { "linear/1x4096x256/256", run, .n_in = 3, .in = { { 3, { 1, 4096, 256 } }, { 2, { 256, 256 } }, { 1, { 256 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM }, .flops = flops },
    { 0 },
};
