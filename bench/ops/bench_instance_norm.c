/* bench/ops/bench_instance_norm.c - GFLA's norm, alone and with the activation behind it */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_instance_norm(b->graph, b->in[0], b->in[1], b->in[2], 1e-5)); }
static void activated(pn_bench *b)
{
    pn_tensor *y = pn_instance_norm(b->graph, b->in[0], b->in[1], b->in[2], 1e-5);
    pn_bench_keep(b, pn_leaky_relu(b->graph, y, 0.1));
}

#define ROLES { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM }
#define MAP(c, side) { { 4, { 1, c, side, side } }, { 1, { c } }, { 1, { c } } }

const pn_bench_case bench_instance_norm[] = {
    { "instance_norm/1x64x256x256", run, .n_in = 3, .in = MAP(64, 256), .role = ROLES },
    { "instance_norm/1x64x128x128", run, .n_in = 3, .in = MAP(64, 128), .role = ROLES },
    { "instance_norm/1x128x64x64", run, .n_in = 3, .in = MAP(128, 64), .role = ROLES },
    { "instance_norm/1x256x32x32", run, .n_in = 3, .in = MAP(256, 32), .role = ROLES },
    { "instance_norm+leaky_relu/1x64x256x256", activated, .n_in = 3, .in = MAP(64, 256), .role = ROLES,
      .passes = PN_BENCH_PASS(PN_BENCH_FORWARD) | PN_BENCH_PASS(PN_BENCH_TRAIN) },
    { "instance_norm+leaky_relu/1x128x64x64", activated, .n_in = 3, .in = MAP(128, 64), .role = ROLES,
      .passes = PN_BENCH_PASS(PN_BENCH_FORWARD) | PN_BENCH_PASS(PN_BENCH_TRAIN) },
    { 0 },
};
