/* bench/ops/bench_window_sum.c - GLocal's reassembly of target features by the structure that was carried over */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_window_sum(b->graph, b->in[0], b->in[1])); }

static double flops(const pn_bench *b)
{
    return 2 * (double)pn_shape_count(pn_tensor_shape(b->in[0])) * (double)pn_tensor_shape(b->in[1]).dim[1];
}

const pn_bench_case bench_window_sum[] = {
    { "window_sum/5x5/1x256x64x44", run, .n_in = 2, .in = { { 4, { 1, 256, 64, 44 } }, { 4, { 1, 25, 64, 44 } } },
      .flops = flops },
    { 0 },
};
