/* bench/ops/bench_affine.c - scale and shift by constants */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_affine(b->graph, b->in[0], 0.5, 0.5)); }

const pn_bench_case bench_affine[] = {
    { "affine/1x3x256x256", run, .n_in = 1, .in = { { 4, { 1, 3, 256, 256 } } } },
    { "affine/1x128x64x64", run, .n_in = 1, .in = { { 4, { 1, 128, 64, 64 } } } },
    { 0 },
};
