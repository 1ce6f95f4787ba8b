/* lib/kernels/simd/matmul.c - matrix products: packed slivers, a register tile of MR x NR, items of the result by shape
 *
 * An item owns a piece of c of up to MC x NC numbers. For every KC of depth it packs its rows of a into slivers
 * [k][MR] and its columns of b into slivers [k][NR] (tile.h).
 */
#include "kernels/simd/tile.h"

enum { MC = 480, NC = 384, KC = 256, ITEMS = 8, ITEM_WORK = 1 << 20 };

typedef struct {
    pn_sink c;
    const float *a, *b, *bias;
    pn_matmul_dims d;
    ptrdiff_t mc, nc;
    float *scratch;                 /* per worker */
} job;

static void item(void *arg, ptrdiff_t index, int worker)
{
    const job *j = arg;
    const pn_matmul_dims *d = &j->d;
    const ptrdiff_t across = pieces(d->n, j->nc), down = pieces(d->m, j->mc), batch = index / (across * down);
    const ptrdiff_t row = index / across % down * j->mc, column = index % across * j->nc;
    const ptrdiff_t m = pn_smaller(j->mc, d->m - row), n = pn_smaller(j->nc, d->n - column);
    float *a = j->scratch + worker * (padded(j->mc, MR) + padded(j->nc, NR)) * KC, *b = a + padded(j->mc, MR) * KC;
    float *c = j->c.data + (batch * d->m + row) * d->n + column;
    for (ptrdiff_t depth = 0; depth < d->k; depth += KC) {
        const ptrdiff_t k = pn_smaller(KC, d->k - depth);
        const pn_matrix_strides columns = { d->b.batch, d->b.column, d->b.row };
        pack(a, j->a + batch * d->a.batch + row * d->a.row + depth * d->a.column, d->a, m, k, MR);
        pack(b, j->b + batch * d->b.batch + depth * d->b.row + column * d->b.column, columns, n, k, NR);
        const float *bias = depth == 0 && j->bias ? j->bias + column : NULL;
        for (ptrdiff_t y = 0; y < m; y += MR)           /* rows of c one after another: columns would miss the TLB */
            for (ptrdiff_t x = 0; x < n; x += NR) {
                const tile t = multiply(a + y * k, b + x * k, k);
                float *at = c + y * d->n + x;
                const bool add = depth > 0 || j->c.add;
                if (y + MR <= m && x + NR <= n && !bias) put(at, d->n, &t, MR, NR, NULL, add);
                else put(at, d->n, &t, pn_smaller(MR, m - y), pn_smaller(NR, n - x), bias ? bias + x : NULL, add);
            }
    }
}

/* As few pieces of c as MC and NC allow, and more until there are enough for some threads while each is worth its
 * packing. */
static void choose_pieces(job *j)
{
    const pn_matmul_dims *d = &j->d;
    ptrdiff_t down = pieces(d->m, MC), across = pieces(d->n, NC);
    for (;;) {
        j->mc = padded(pieces(d->m, down), MR);
        j->nc = padded(pieces(d->n, across), NR);
        if (d->batch * down * across >= ITEMS || j->mc * j->nc * d->k < ITEM_WORK) return;
        if (j->mc >= j->nc && j->mc > MR) down++;
        else if (j->nc > NR) across++;
        else return;
    }
}

static void product(pn_pool *pool, pn_sink c, const float *a, const float *b, const float *bias, pn_matmul_dims d,
                    void *scratch)
{
    job j = { .c = c, .a = a, .b = b, .bias = bias, .d = d, .scratch = scratch };
    choose_pieces(&j);
    pn_parallel(pool, d.batch * pieces(d.m, j.mc) * pieces(d.n, j.nc), item, &j);
}

static size_t scratch_bytes(pn_matmul_dims d, int threads)
{
    job j = { .d = d };
    choose_pieces(&j);
    return (size_t)((padded(j.mc, MR) + padded(j.nc, NR)) * KC * threads) * sizeof(float);
}

void PN_SIMD(pn_simd_matmul)(pn_kernels *k)
{
    k->matmul.product = product;
    k->matmul.scratch = scratch_bytes;
}
