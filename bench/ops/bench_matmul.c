/* bench/ops/bench_matmul.c - the two products of an attention */
#include "support/pnbench.h"

static void scores(pn_bench *b) { pn_bench_keep(b, pn_matmul(b->graph, b->in[0], b->in[1], PN_TRANSPOSE_B)); }
static void values(pn_bench *b) { pn_bench_keep(b, pn_matmul(b->graph, b->in[0], b->in[1], PN_AS_IS)); }

static double flops(const pn_bench *b)
{
    return 2 * (double)pn_shape_count(pn_tensor_shape(b->out)) * (double)pn_tensor_shape(b->in[0]).dim[2];
}

const pn_bench_case bench_matmul[] = {
    { "matmul/scores/8x704x64", scores, .n_in = 2, .in = { { 3, { 8, 704, 64 } }, { 3, { 8, 704, 64 } } },
      .flops = flops },
    { "matmul/values/8x704x704/64", values, .n_in = 2, .in = { { 3, { 8, 704, 704 } }, { 3, { 8, 704, 64 } } },
      .flops = flops },
    { 0 },
};
