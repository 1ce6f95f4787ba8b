/* bench/ops/bench_contextual_loss.c - of VGG19's relu3_2 and relu4_2 of a 256x176 picture */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_contextual_loss(b->graph, b->in[0], b->in[1], 0.5)); }

static double flops(const pn_bench *b)
{
    const pn_shape a = pn_tensor_shape(b->in[0]);
    return 2 * (double)pn_shape_count(a) * (double)(a.dim[2] * a.dim[3]);
}

#define ROLES { PN_BENCH_VALUE, PN_BENCH_FIXED }
#define PASSES (PN_BENCH_PASS(PN_BENCH_FORWARD) | PN_BENCH_PASS(PN_BENCH_TRAIN))

const pn_bench_case bench_contextual_loss[] = {
    { "contextual_loss/1x256x64x44", run, .n_in = 2, .in = { { 4, { 1, 256, 64, 44 } }, { 4, { 1, 256, 64, 44 } } }, .role = ROLES,
      .flops = flops, .passes = PASSES },
    { "contextual_loss/1x512x32x22", run, .n_in = 2, .in = { { 4, { 1, 512, 32, 22 } }, { 4, { 1, 512, 32, 22 } } }, .role = ROLES,
      .flops = flops, .passes = PASSES },
    { 0 },
};
