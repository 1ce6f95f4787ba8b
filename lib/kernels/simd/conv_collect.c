/* simd/conv_collect.c - groups that share blocks: their results, computed apart, come together
 *
 * Each group's result begins a block of its own while it is computed; here its channels go where the map has them, and
 * bias, residual, activation and statistics are applied on the way.
 */
#include "kernels/simd/conv.h"

typedef struct { const conv_pass *p; const float *apart; conv_correlation c; } job;

/* One block of one image: lane by lane, whose source is one lane of another block. */
static void collect_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const conv_pass *p = j->p;
    const pn_epilogue *e = j->c.epi;
    const ptrdiff_t blocks = pn_map_blocks(p->out), pixels = p->out.h * p->out.w, n = item / blocks;
    float *to = j->c.result + item * pixels * PN_BLOCK;
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane++) {
        const ptrdiff_t c = item % blocks * PN_BLOCK + lane, inner = c % p->out_c;
        const ptrdiff_t block = (n * p->groups + c / p->out_c) * p->out_blocks + inner / PN_BLOCK;
        const float *from = j->apart + block * pixels * PN_BLOCK + inner % PN_BLOCK;
        const float bias = c < p->out.c ? conv_bias(e, c) : 0;
        double sum = 0, squares = 0;
        for (ptrdiff_t i = lane; i < pixels * PN_BLOCK; i += PN_BLOCK) {
            float v = c < p->out.c ? from[i - lane] + bias : 0;
            if (e && e->residual) v += e->residual[item * pixels * PN_BLOCK + i];
            if (e && v <= 0) v *= e->slope;
            if (j->c.add) v += to[i];
            to[i] = v;
            sum += (double)v;
            squares += (double)v * (double)v;
        }
        if (!e || !e->stats) continue;
        e->stats[n * blocks * PN_BLOCK + c] = (float)sum;
        e->stats[(p->out.n + n) * blocks * PN_BLOCK + c] = (float)squares;
    }
}

void PN_SIMD(pn_conv_collect)(pn_pool *pool, const conv_pass *p, const float *apart, conv_correlation c)
{
    job j = { p, apart, c };
    pn_parallel(pool, p->out.n * pn_map_blocks(p->out), collect_item, &j);
}
