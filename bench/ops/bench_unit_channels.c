/* bench/ops/bench_unit_channels.c - GLocal's queries and keys before they are matched */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_unit_channels(b->graph, b->in[0], PN_CENTRED, 1e-6)); }

const pn_bench_case bench_unit_channels[] = {
    { "unit_channels/1x128x64x64", run, .n_in = 1, .in = { { 4, { 1, 128, 64, 64 } } } },
    { 0 },
};
