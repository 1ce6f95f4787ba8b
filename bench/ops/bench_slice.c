/* bench/ops/bench_slice.c - the halves of the local attention's first layer */
#include "support/pnbench.h"

static void run(pn_bench *b)
{
    pn_bench_keep(b, pn_slice(b->graph, b->in[0], 1, 0, pn_tensor_shape(b->in[0]).dim[1] / 2));
}

const pn_bench_case bench_slice[] = {
    { "slice/128x512x3x3", run, .n_in = 1, .in = { { 4, { 128, 512, 3, 3 } } }, .role = { PN_BENCH_PARAM } },
    { "slice/128x256x5x5", run, .n_in = 1, .in = { { 4, { 128, 256, 5, 5 } } }, .role = { PN_BENCH_PARAM } },
    { 0 },
};
