/* bench/ops/bench_attention.c - softmax attention at 64x64 positions and between region tokens and positions */
#include "support/pnbench.h"

static void run(pn_bench *b) { pn_bench_keep(b, pn_attention(b->graph, b->in[0], b->in[1], b->in[2], NULL)); }

/* Logits, and their weights times the values. */
static double flops(const pn_bench *b)
{
    const pn_shape q = pn_tensor_shape(b->in[0]), k = pn_tensor_shape(b->in[1]), v = pn_tensor_shape(b->in[2]);
    return 2 * (double)(q.dim[0] * q.dim[1] * k.dim[1]) * (double)(q.dim[2] + v.dim[2]);
}

#define SQUARE(d) { { 3, { 1, 4096, d } }, { 3, { 1, 4096, d } }, { 3, { 1, 4096, d } } }
#define TOKENS { { 3, { 4, 2816, 64 } }, { 3, { 4, 8, 64 } }, { 3, { 4, 8, 64 } } }

const pn_bench_case bench_attention[] = {
    { "attention/1x4096x64", run, .n_in = 3, .in = SQUARE(64), .flops = flops },
    { "attention/1x4096x256", run, .n_in = 3, .in = SQUARE(256), .flops = flops },
    { "attention/tokens/4x2816x8x64", run, .n_in = 3, .in = TOKENS, .flops = flops },
    { 0 },
};
