/* bench/ops/bench_correspondence.c - GLocal's match of target and source at a quarter of 256x256 and 256x176 */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_correspondence(b->graph, b->in[0], b->in[1], b->in[2], b->in[3], NULL)); }

/* Logits, and their weights times the values. */
static double flops(const pn_bench *b)
{
    const pn_shape q = pn_tensor_shape(b->in[0]), v = pn_tensor_shape(b->in[2]);
    const double pairs = (double)(q.dim[0] * q.dim[2] * q.dim[3]) * (double)(v.dim[2] * v.dim[3]);
    return 2 * pairs * (double)(q.dim[1] + v.dim[1]);
}

#define MAPS(n, h, w) { { 4, { n, 128, h, w } }, { 4, { n, 128, h, w } }, { 4, { n, 27, h, w } }, { 1, { 1 } } }
#define ROLES { PN_BENCH_VALUE, PN_BENCH_VALUE, PN_BENCH_VALUE, PN_BENCH_MASK }
#define PASSES (PN_BENCH_PASS(PN_BENCH_FORWARD) | PN_BENCH_PASS(PN_BENCH_TRAIN))

const pn_bench_case bench_correspondence[] = {
    { "correspondence/1x128x64x64", run, .n_in = 4, .in = MAPS(1, 64, 64), .role = ROLES, .flops = flops, .passes = PASSES },
    { "correspondence/1x128x64x44", run, .n_in = 4, .in = MAPS(1, 64, 44), .role = ROLES, .flops = flops, .passes = PASSES },
    { 0 },
};
