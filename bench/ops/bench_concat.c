/* bench/ops/bench_concat.c - the flow estimator's input: picture, pose, pose */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_concat(b->graph, b->in, 3, 1)); }

const pn_bench_case bench_concat[] = {
    { "concat/1x39x256x256", run, .n_in = 3,
      .in = { { 4, { 1, 3, 256, 256 } }, { 4, { 1, 18, 256, 256 } }, { 4, { 1, 18, 256, 256 } } } },
    { "concat/4x39x256x256", run, .n_in = 3,
      .in = { { 4, { 4, 3, 256, 256 } }, { 4, { 4, 18, 256, 256 } }, { 4, { 4, 18, 256, 256 } } } },
    { 0 },
};
