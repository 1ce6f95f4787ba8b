/* bench/ops/bench_cosine_similarity.c - of VGG19's features */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_cosine_similarity(b->graph, b->in[0], b->in[1])); }

const pn_bench_case bench_cosine_similarity[] = {
    { "cosine_similarity/1x256x64x64", run, .n_in = 2, .in = { { 4, { 1, 256, 64, 64 } }, { 4, { 1, 256, 64, 64 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_FIXED } },
    { 0 },
};
