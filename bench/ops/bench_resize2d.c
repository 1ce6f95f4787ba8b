/* bench/ops/bench_resize2d.c - maps doubled */
#include "support/pnbench.h"

static void nearest(pn_bench *b)
{
    pn_bench_keep(b, pn_resize2d(b->graph, b->in[0], 64, 64, PN_NEAREST, PN_HALF_PIXEL));
}
static void bilinear(pn_bench *b)
{
    pn_bench_keep(b, pn_resize2d(b->graph, b->in[0], 64, 64, PN_BILINEAR, PN_HALF_PIXEL));
}

const pn_bench_case bench_resize2d[] = {
    { "resize2d/nearest/1x256x32x32", nearest, .n_in = 1, .in = { { 4, { 1, 256, 32, 32 } } } },
    { "resize2d/bilinear/1x256x32x32", bilinear, .n_in = 1, .in = { { 4, { 1, 256, 32, 32 } } } },
    { 0 },
};
