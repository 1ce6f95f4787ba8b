/* bench/ops/bench_gelu.c - of the hidden layer of a transformer */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_gelu(b->graph, b->in[0])); }

const pn_bench_case bench_gelu[] = {
    { "gelu/1x704x2048", run, .n_in = 1, .in = { { 3, { 1, 704, 2048 } } } },
    { 0 },
};
