/* bench/ops/bench_softmax.c - over the keys of an attention, and over the taps of a local one */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_softmax(b->graph, b->in[0], 1)); }

const pn_bench_case bench_softmax[] = {
    { "softmax/704x704", run, .n_in = 1, .in = { { 2, { 704, 704 } } } },
    { "softmax/1x25x64x64", run, .n_in = 1, .in = { { 4, { 1, 25, 64, 64 } } } },
    { 0 },
};
