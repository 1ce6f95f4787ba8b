/* bench/ops/bench_correctness_loss.c - on VGG19's features of the two levels that attend */
#include "support/pnbench.h"

/* The similarities of all pairs of positions, once. */
static double flops(const pn_bench *b)
{
    const pn_shape s = pn_tensor_shape(b->in[0]);
    const double places = (double)(s.dim[2] * s.dim[3]);
    return 2 * (double)(s.dim[0] * s.dim[1]) * places * places;
}

static void run(pn_bench *b) { pn_bench_keep(b, pn_correctness_loss(b->graph, b->in[0], b->in[1], b->in[2], NULL)); }

const pn_bench_case bench_correctness_loss[] = {
    { "correctness_loss/1x512x32x32", run, .n_in = 3,
      .in = { { 4, { 1, 512, 32, 32 } }, { 4, { 1, 512, 32, 32 } }, { 4, { 1, 2, 32, 32 } } },
      .role = { PN_BENCH_FIXED, PN_BENCH_FIXED, PN_BENCH_FLOW }, .flops = flops },
    { "correctness_loss/1x256x64x64", run, .n_in = 3,
      .in = { { 4, { 1, 256, 64, 64 } }, { 4, { 1, 256, 64, 64 } }, { 4, { 1, 2, 64, 64 } } },
      .role = { PN_BENCH_FIXED, PN_BENCH_FIXED, PN_BENCH_FLOW }, .flops = flops },
    { 0 },
};
