/* bench/ops/bench_log.c - of RSA-GAN's region weights */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_log(b->graph, b->in[0], 1e-3)); }

const pn_bench_case bench_log[] = {
    { "log/8x8x64x44", run, .n_in = 1, .in = { { 4, { 8, 8, 64, 44 } } }, .role = { PN_BENCH_MASK } },
    { 0 },
};
