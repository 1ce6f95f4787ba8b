/* bench/ops/bench_self_correlation.c - GLocal's local structure of the source's features */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_self_correlation(b->graph, b->in[0], 5)); }

static double flops(const pn_bench *b) { return 2 * 24 * (double)pn_shape_count(pn_tensor_shape(b->in[0])); }

const pn_bench_case bench_self_correlation[] = {
    { "self_correlation/5x5/1x128x64x44", run, .n_in = 1, .in = { { 4, { 1, 128, 64, 44 } } }, .flops = flops },
    { "self_correlation/5x5/4x128x64x44", run, .n_in = 1, .in = { { 4, { 4, 128, 64, 44 } } }, .flops = flops },
    { 0 },
};
