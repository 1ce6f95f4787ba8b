/* lib/kernels/ref/pointwise.c - the meaning of the pointwise kernels */
#include "kernels/kernels.h"

static pn_real into(pn_sink s, ptrdiff_t i, double v) { return (pn_real)(s.add ? (double)s.data[i] + v : v); }

static void leaky_relu_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_real slope, ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++) y[i] = x[i] < 0 ? slope * x[i] : x[i];
}

static void leaky_relu_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, pn_real slope, ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++) dx.data[i] = into(dx, i, (double)dy[i] * (y[i] > 0 ? 1.0 : (double)slope));
}

static void copy(pn_pool *pool, pn_sink dst, const pn_real *src, ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++) dst.data[i] = into(dst, i, (double)src[i]);
}

static void relayout(pn_pool *pool, pn_sink dst, pn_map to, const pn_real *src, pn_map from)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < to.n; n++)
        for (ptrdiff_t c = 0; c < pn_map_blocks(to) * to.b; c++)
            for (ptrdiff_t y = 0; y < to.h; y++)
                for (ptrdiff_t x = 0; x < to.w; x++) {
                    const ptrdiff_t at = pn_at(to, n, c, y, x);
                    dst.data[at] = c < from.c ? into(dst, at, (double)src[pn_at(from, n, c, y, x)]) : 0;
                }
}

void pn_ref_add_pointwise(pn_kernels *k)
{
    k->pointwise = (pn_pointwise_kernels){ .leaky_relu_fwd = leaky_relu_fwd, .leaky_relu_bwd = leaky_relu_bwd, .copy = copy,
                                           .relayout = relayout };
}
