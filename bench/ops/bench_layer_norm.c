/* bench/ops/bench_layer_norm.c - over the features of tokens */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_layer_norm(b->graph, b->in[0], b->in[1], b->in[2], 1, 1e-5)); }

const pn_bench_case bench_layer_norm[] = {
    { "layer_norm/1x704x512", run, .n_in = 3, .in = { { 3, { 1, 704, 512 } }, { 1, { 512 } }, { 1, { 512 } } },
      .role = { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM } },
    { 0 },
};
