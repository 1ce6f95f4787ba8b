/* bench/ops/bench_token_attention.c - of RSA-GAN's pixels to the codes of eight regions */
#include "support/pnbench.h"

static void run(pn_bench *b)
{
    pn_bench_keep(b, pn_token_attention(b->graph, b->in[0], b->in[1], b->in[2], b->in[3], NULL));
}
static void match(pn_bench *b) { pn_bench_keep(b, pn_region_match(b->graph, b->in[0], b->in[1])); }

#define MAP { 4, { 8, 256, 64, 44 } }
#define CODES { 3, { 8, 8, 256 } }

const pn_bench_case bench_token_attention[] = {
    { "token_attention/8x256x64x44k8", run, .n_in = 4, .in = { MAP, CODES, CODES, { 4, { 8, 8, 64, 44 } } } },
    { "region_match/8x256x64x44k8", match, .n_in = 2, .in = { CODES, MAP } },
    { 0 },
};
