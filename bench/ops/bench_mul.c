/* bench/ops/bench_mul.c - gates, whole and by channel */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_mul(b->graph, b->in[0], b->in[1])); }

const pn_bench_case bench_mul[] = {
    { "mul/1x128x64x64", run, .n_in = 2, .in = { { 4, { 1, 128, 64, 64 } }, { 4, { 1, 128, 64, 64 } } } },
    { "mul/1x128x64x64/repeated", run, .n_in = 2, .in = { { 4, { 1, 128, 64, 64 } }, { 4, { 1, 128, 1, 1 } } } },
    { 0 },
};
