/* bench/ops/bench_gram.c - of VGG19's features, for the style loss */
#include "support/pnbench.h"

static double flops(const pn_bench *b)
{
    return 2 * (double)pn_shape_count(pn_tensor_shape(b->in[0])) * (double)pn_tensor_shape(b->in[0]).dim[1];
}

static void run(pn_bench *b) { pn_bench_keep(b, pn_gram(b->graph, b->in[0])); }

const pn_bench_case bench_gram[] = {
    { "gram/1x128x128x128", run, .n_in = 1, .in = { { 4, { 1, 128, 128, 128 } } }, .flops = flops },
    { "gram/1x256x64x64", run, .n_in = 1, .in = { { 4, { 1, 256, 64, 64 } } }, .flops = flops },
    { "gram/1x512x16x16", run, .n_in = 1, .in = { { 4, { 1, 512, 16, 16 } } }, .flops = flops },
    { 0 },
};
