/* bench/ops/bench_region.c - region codes and back at a quarter of 256x176 and 256x256, eight regions and the whole */
#include "support/pnbench.h"

static double flops(const pn_bench *b)
{
    const pn_shape x = pn_tensor_shape(pn_tensor_shape(b->out).rank == 4 ? b->out : b->in[0]);
    return 2 * (double)pn_shape_count(x) * (double)pn_tensor_shape(b->in[1]).dim[1];
}

static void pool(pn_bench *b) { pn_bench_keep(b, pn_region_pool(b->graph, b->in[0], b->in[1], 1)); }
static void spread(pn_bench *b) { pn_bench_keep(b, pn_region_spread(b->graph, b->in[0], b->in[1])); }

#define ROLES { PN_BENCH_VALUE, PN_BENCH_MASK }

const pn_bench_case bench_region[] = {
    { "region_pool/1x256x64x44/9", pool, .n_in = 2, .in = { { 4, { 1, 256, 64, 44 } }, { 4, { 1, 9, 64, 44 } } }, .role = ROLES,
      .flops = flops },
    { "region_pool/4x256x64x64/9", pool, .n_in = 2, .in = { { 4, { 4, 256, 64, 64 } }, { 4, { 4, 9, 64, 64 } } }, .role = ROLES,
      .flops = flops },
    { "region_spread/1x256x64x44/8", spread, .n_in = 2, .in = { { 3, { 1, 8, 256 } }, { 4, { 1, 8, 64, 44 } } }, .role = ROLES,
      .flops = flops },
    { "region_spread/4x256x64x64/8", spread, .n_in = 2, .in = { { 3, { 4, 8, 256 } }, { 4, { 4, 8, 64, 64 } } }, .role = ROLES,
      .flops = flops },
    { 0 },
};
