/* bench/ops/bench_spectral_norm.c - of the widest convolutions of GFLA's discriminator */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_spectral_norm(b->graph, b->in[0], 0, b->in[1], b->in[2], 1e-12)); }

const pn_bench_case bench_spectral_norm[] = {
    { "spectral_norm/128x128x4x4", run, .n_in = 3, .in = { { 4, { 128, 128, 4, 4 } }, { 1, { 128 } }, { 1, { 2048 } } },
      .role = { PN_BENCH_PARAM, PN_BENCH_STATE, PN_BENCH_STATE } },
    { "spectral_norm/64x32x4x4", run, .n_in = 3, .in = { { 4, { 64, 32, 4, 4 } }, { 1, { 64 } }, { 1, { 512 } } },
      .role = { PN_BENCH_PARAM, PN_BENCH_STATE, PN_BENCH_STATE } },
    { 0 },
};
