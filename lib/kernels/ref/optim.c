/* lib/kernels/ref/optim.c - the meaning of the optimiser kernels */
#include "kernels/kernels.h"

#include <math.h>

static void adam(pn_pool *pool, pn_real *w, pn_real *m, pn_real *v, const pn_real *g, pn_adam_dims d, ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double gi = (double)g[i];
        m[i] = (pn_real)(d.beta1 * (double)m[i] + (1 - d.beta1) * gi);
        v[i] = (pn_real)(d.beta2 * (double)v[i] + (1 - d.beta2) * gi * gi);
        w[i] = (pn_real)((double)w[i] - d.rate * (double)m[i] / (sqrt((double)v[i]) / d.root + d.eps));
    }
}

static void average(pn_pool *pool, pn_real *a, const pn_real *w, double keep, ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++) a[i] = (pn_real)((double)a[i] + (1 - keep) * ((double)w[i] - (double)a[i]));
}

static bool finite(pn_pool *pool, const pn_real *g, ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++)
        if (!isfinite(g[i])) return false;
    return true;
}

void pn_ref_add_optim(pn_kernels *k) { k->optim = (pn_optim_kernels){ .adam = adam, .average = average, .finite = finite }; }
