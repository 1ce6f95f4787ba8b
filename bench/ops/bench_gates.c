/* bench/ops/bench_gates.c - RSA-GAN's modulated norms and gated feed-forward at a quarter of 256x176 */
#include "support/pnbench.h"

static void modulate(pn_bench *b) { pn_bench_keep(b, pn_modulate(b->graph, b->in[0], b->in[1], b->in[2])); }
static void halves(pn_bench *b) { pn_bench_keep(b, pn_modulate(b->graph, b->in[0], b->in[1], NULL)); }
static void composed(pn_bench *b)
{
    pn_tensor *scale = pn_affine(b->graph, b->in[1], 1, 1);
    pn_tensor *scaled = pn_mul(b->graph, b->in[0], scale);
    pn_bench_keep(b, pn_add(b->graph, scaled, b->in[2]));
}
static void gate(pn_bench *b) { pn_bench_keep(b, pn_gelu_gate(b->graph, b->in[0])); }
static void composed_gate(pn_bench *b)
{
    const ptrdiff_t c = pn_tensor_shape(b->in[0]).dim[1] / 2;
    pn_tensor *u = pn_slice(b->graph, b->in[0], 1, 0, c);
    u = pn_gelu(b->graph, u);
    pn_tensor *v = pn_slice(b->graph, b->in[0], 1, c, 2 * c);
    pn_bench_keep(b, pn_mul(b->graph, u, v));
}

#define MAP { 4, { 8, 256, 64, 44 } }
#define TWO { 4, { 8, 512, 64, 44 } }

const pn_bench_case bench_gates[] = {
    { "modulate/8x256x64x44", modulate, .n_in = 3, .in = { MAP, MAP, MAP } },
    { "modulate/8x256x64x44+halves", halves, .n_in = 2, .in = { MAP, TWO } },
    { "modulate/8x256x64x44+composed", composed, .n_in = 3, .in = { MAP, MAP, MAP } },
    { "gelu_gate/4x1024x64x44", gate, .n_in = 1, .in = { { 4, { 4, 1024, 64, 44 } } } },
    { "gelu_gate/4x1024x64x44+composed", composed_gate, .n_in = 1, .in = { { 4, { 4, 1024, 64, 44 } } } },
    { 0 },
};
