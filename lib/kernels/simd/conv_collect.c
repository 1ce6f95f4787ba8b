/* simd/conv_collect.c - groups that share blocks: their results, computed apart, come together
 *
 * Each group's result begins a block of its own while it is computed; here its channels go where the map has them, and
 * bias, residual, activation and statistics are applied on the way.
 */
#include "kernels/simd/conv.h"

typedef struct { const conv_pass *p; const float *apart; conv_correlation c; ptrdiff_t pieces; /* of a block's pixels */ } job;

enum { PIECE_PIXELS = 2048 };

/* Lane by lane, whose source is one lane of another block. Signs are as good as random, so nothing branches on them. */
static void collect_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const conv_pass *p = j->p;
    const pn_epilogue *e = j->c.epi;
    const ptrdiff_t pixels = p->out.h * p->out.w, blocks = pn_map_blocks(p->out);
    const ptrdiff_t begin = item % j->pieces * pixels / j->pieces, end = (item % j->pieces + 1) * pixels / j->pieces;
    const ptrdiff_t at = item / j->pieces, n = at / blocks, map = at * pixels * PN_BLOCK;
    const float by[2] = { e ? e->slope : 1, 1 };
    float *to = j->c.result + map;
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane++) {
        const ptrdiff_t c = at % blocks * PN_BLOCK + lane, inner = c % p->out_c;
        const ptrdiff_t block = (n * p->groups + c / p->out_c) * p->out_blocks + inner / PN_BLOCK;
        const float *from = c < p->out.c ? j->apart + block * pixels * PN_BLOCK + inner % PN_BLOCK : NULL;
        const float bias = from ? conv_bias(e, c) : 0;
        double sum = 0, squares = 0;
        for (ptrdiff_t i = begin * PN_BLOCK; i < end * PN_BLOCK; i += PN_BLOCK) {
            float v = from ? from[i] + bias : 0;
            if (e && e->residual) v += e->residual[map + i + lane];
            v *= by[v > 0];
            if (j->c.add) v += to[i + lane];
            to[i + lane] = v;
            if (!e || !e->stats) continue;
            sum += (double)v;
            squares += (double)v * (double)v;
        }
        if (!e || !e->stats) continue;
        e->stats[n * blocks * PN_BLOCK + c] = (float)sum;
        e->stats[(p->out.n + n) * blocks * PN_BLOCK + c] = (float)squares;
    }
}

/* In pieces, unless a block's statistics are summed. */
void PN_SIMD(pn_conv_collect)(pn_pool *pool, const conv_pass *p, const float *apart, conv_correlation c)
{
    const bool sums = c.epi && c.epi->stats;
    job j = { p, apart, c, sums ? 1 : conv_ceil(p->out.h * p->out.w, PIECE_PIXELS) };
    pn_parallel(pool, p->out.n * pn_map_blocks(p->out) * j.pieces, collect_item, &j);
}
