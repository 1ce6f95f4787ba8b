/* bench/ops/bench_local_attention.c - the two attention blocks of GFLA for DeepFashion */
#include "support/pnbench.h"

static void run(pn_bench *b)
{
    pn_bench_keep(b, pn_local_attention(b->graph, b->in[0], b->in[1], b->in[2], b->in[3], b->in[4], b->in[5]));
}

/* The second layer on what the first hides, and the weighted mean. The first layer is two convolutions before it. */
static double flops(const pn_bench *b)
{
    const pn_shape source = pn_tensor_shape(b->in[0]), w = pn_tensor_shape(b->in[4]);
    const double places = (double)(source.dim[0] * source.dim[2] * source.dim[3]);
    return 2 * places * (double)w.dim[0] * (double)(w.dim[1] + source.dim[1]);
}

#define ROLES { PN_BENCH_VALUE, PN_BENCH_VALUE, PN_BENCH_VALUE, PN_BENCH_FLOW, PN_BENCH_PARAM, PN_BENCH_PARAM }
#define THREE(n) { { 4, { n, 256, 32, 32 } }, { 4, { n, 128, 34, 34 } }, { 4, { n, 128, 32, 32 } }, \
                   { 4, { n, 2, 32, 32 } }, { 4, { 9, 128, 1, 1 } }, { 1, { 9 } } }
#define FIVE(n) { { 4, { n, 128, 64, 64 } }, { 4, { n, 128, 68, 68 } }, { 4, { n, 128, 64, 64 } }, \
                  { 4, { n, 2, 64, 64 } }, { 4, { 25, 128, 1, 1 } }, { 1, { 25 } } }

const pn_bench_case bench_local_attention[] = {
    { "local_attention/3x3/1x256x32x32", run, .n_in = 6, .in = THREE(1), .role = ROLES, .flops = flops },
    { "local_attention/5x5/1x128x64x64", run, .n_in = 6, .in = FIVE(1), .role = ROLES, .flops = flops },
    { "local_attention/5x5/4x128x64x64", run, .n_in = 6, .in = FIVE(4), .role = ROLES, .flops = flops },
    { 0 },
};
