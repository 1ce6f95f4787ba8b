/* bench/ops/bench_channel_attention.c - RSA-GAN's, eight heads at a quarter of 256x176 */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_channel_attention(b->graph, b->in[0], b->in[1], b->in[2], b->in[3], 1e-6)); }

/* q k^T and A v */
static double flops(const pn_bench *b)
{
    const pn_shape q = pn_tensor_shape(b->in[0]);
    return 4 * (double)pn_shape_count(q) * (double)(q.dim[1] / pn_tensor_shape(b->in[3]).dim[0]);
}

#define PASSES (PN_BENCH_BOTH | PN_BENCH_PASS(PN_BENCH_TRAIN))
#define MAP(n) { 4, { n, 256, 64, 44 } }
#define ROLES { PN_BENCH_VALUE, PN_BENCH_VALUE, PN_BENCH_VALUE, PN_BENCH_PARAM }

const pn_bench_case bench_channel_attention[] = {
    { "channel_attention/8x256x64x44", run, .n_in = 4, .in = { MAP(8), MAP(8), MAP(8), { 1, { 8 } } }, .role = ROLES,
      .flops = flops, .passes = PASSES },
    { "channel_attention/1x256x64x44", run, .n_in = 4, .in = { MAP(1), MAP(1), MAP(1), { 1, { 8 } } }, .role = ROLES,
      .flops = flops, .passes = PASSES },
    { 0 },
};
