/* bench/ops/bench_pad2d.c - mirrored by one pixel */
#include "support/pnbench.h"

static void run(pn_bench *b)
{
    pn_bench_keep(b, pn_pad2d(b->graph, b->in[0], (pn_margins){ 1, 1, 1, 1 }, PN_BORDER_REFLECT, 0));
}

const pn_bench_case bench_pad2d[] = {
    { "pad2d/1x64x256x256", run, .n_in = 1, .in = { { 4, { 1, 64, 256, 256 } } } },
    { 0 },
};
