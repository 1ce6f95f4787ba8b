/* bench/ops/bench_conv_transpose2d.c - the upsampling of GFLA's and GLocal's decoders */
#include "support/pnbench.h"

static const pn_conv_opt twice = { .stride = { 2, 2 }, .pad = { 1, 1 }, .output_pad = { 1, 1 } };
static void run(pn_bench *b) { pn_bench_keep(b, pn_conv_transpose2d(b->graph, b->in[0], b->in[1], b->in[2], &twice)); }

static double flops(const pn_bench *b)
{
    const pn_shape w = pn_tensor_shape(b->in[1]);
    return 2 * (double)pn_shape_count(pn_tensor_shape(b->in[0])) * (double)(w.dim[1] * w.dim[2] * w.dim[3]);
}

#define ROLES { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM }
#define UP(c, h, w, o) { { 4, { 1, c, h, w } }, { 4, { c, o, 3, 3 } }, { 1, { o } } }

const pn_bench_case bench_conv_transpose2d[] = {
    { "conv_transpose2d/3x3s2/1x256x32x32/128", run, .n_in = 3, .in = UP(256, 32, 32, 128), .role = ROLES, .flops = flops },
    { "conv_transpose2d/3x3s2/1x128x64x64/64", run, .n_in = 3, .in = UP(128, 64, 64, 64), .role = ROLES, .flops = flops },
    { "conv_transpose2d/3x3s2/1x64x128x128/64", run, .n_in = 3, .in = UP(64, 128, 128, 64), .role = ROLES, .flops = flops },
    { "conv_transpose2d/3x3s2/1x256x16x11/256", run, .n_in = 3, .in = UP(256, 16, 11, 256), .role = ROLES, .flops = flops },
    { "conv_transpose2d/3x3s2/1x256x32x22/256", run, .n_in = 3, .in = UP(256, 32, 22, 256), .role = ROLES, .flops = flops },
    { "conv_transpose2d/3x3s2/1x128x128x88/64", run, .n_in = 3, .in = UP(128, 128, 88, 64), .role = ROLES, .flops = flops },
    { 0 },
};
