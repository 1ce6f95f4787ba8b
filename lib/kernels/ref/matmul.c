/* lib/kernels/ref/matmul.c - the meaning of the matrix products */
#include "kernels/kernels.h"

typedef struct {
    pn_sink c;
    const pn_real *a, *b, *bias;
    pn_matmul_dims d;
} job;

static void row_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_matmul_dims *d = &j->d;
    const ptrdiff_t batch = item / d->m, row = item % d->m;
    const pn_real *a = j->a + batch * d->a.batch + row * d->a.row;
    for (ptrdiff_t col = 0; col < d->n; col++) {
        const pn_real *b = j->b + batch * d->b.batch + col * d->b.column;
        double sum = j->bias ? (double)j->bias[col] : 0;
        for (ptrdiff_t k = 0; k < d->k; k++) sum += (double)a[k * d->a.column] * (double)b[k * d->b.row];
        pn_real *c = &j->c.data[item * d->n + col];
        *c = (pn_real)(j->c.add ? (double)*c + sum : sum);
    }
}

static void product(pn_pool *pool, pn_sink c, const pn_real *a, const pn_real *b, const pn_real *bias,
                    pn_matmul_dims d, void *scratch)
{
    (void)scratch;
    job j = { c, a, b, bias, d };
    pn_parallel(pool, d.batch * d.m, row_item, &j);
}

static size_t scratch(pn_matmul_dims d, int threads) { (void)d; (void)threads; return 0; }

void pn_ref_add_matmul(pn_kernels *k) { k->matmul = (pn_matmul_kernels){ .product = product, .scratch = scratch }; }
