/* bench/ops/bench_patch_similarity.c - GLocal's loss of local structure, on pictures at half and a quarter of 256x176 */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_patch_similarity(b->graph, b->in[0], 3, 5, 0.1)); }

const pn_bench_case bench_patch_similarity[] = {
    { "patch_similarity/1x3x128x88", run, .n_in = 1, .in = { { 4, { 1, 3, 128, 88 } } } },
    { "patch_similarity/1x3x64x44", run, .n_in = 1, .in = { { 4, { 1, 3, 64, 44 } } } },
    { 0 },
};
