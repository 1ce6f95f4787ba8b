/* lib/kernels/ref/gates.c - the meaning of maps that scale other maps */
#include "kernels/ref/pointwise.h"

/* ---- x (1 + gamma) + beta ------------------------------------------------------------------------------------------- */

/* Number i of sample n of x, as it is read. */
static double value_of(const pn_modulate_inputs *in, pn_map m, ptrdiff_t n, ptrdiff_t i, ptrdiff_t in_sample)
{
    const double x = (double)in->x[n * in_sample + i];
    if (!in->pro) return x;
    const ptrdiff_t channel = i / (m.h * m.w * m.b) * m.b + i % m.b, line = n * pn_map_blocks(m) * m.b + channel;
    const double v = x * (double)in->pro->scale[line] + (double)in->pro->shift[line];
    return v > 0 ? v : (double)in->pro->slope * v;
}

static void modulate_fwd(pn_pool *pool, pn_real *y, const pn_modulate_inputs *in, pn_modulate_dims d)
{
    (void)pool;
    const ptrdiff_t count = pn_map_stored(d.x) / d.x.n;
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t i = 0; i < count; i++)
            y[n * count + i] = (pn_real)(value_of(in, d.x, n, i, count) * (1 + (double)in->gamma[n * d.step + i]) +
                                         (double)in->beta[n * d.step + i]);
}

static void modulate_bwd(pn_pool *pool, const pn_modulate_sinks *out, const pn_real *dy, const pn_modulate_inputs *in,
                         pn_modulate_dims d)
{
    (void)pool;
    const ptrdiff_t count = pn_map_stored(d.x) / d.x.n;
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t i = 0; i < count; i++) {
            const double g = (double)dy[n * count + i];
            if (out->gamma.data) pn_put(out->gamma, n * d.step + i, g * value_of(in, d.x, n, i, count));
            if (out->beta.data) pn_put(out->beta, n * d.step + i, g);
            if (out->x.data) pn_put(out->x, n * count + i, g * (1 + (double)in->gamma[n * d.step + i]));
        }
}

/* ---- gelu(u) v ------------------------------------------------------------------------------------------------------ */

static void gelu_gate_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_gate_dims d)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < d.samples; n++)
        for (ptrdiff_t i = 0; i < d.count; i++) {
            const pn_real *u = x + 2 * n * d.count + i;
            y[n * d.count + i] = (pn_real)(pn_ref_gelu((double)u[0]) * (double)u[d.count]);
        }
}

static void gelu_gate_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, pn_gate_dims d)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < d.samples; n++)
        for (ptrdiff_t i = 0; i < d.count; i++) {
            const ptrdiff_t at = 2 * n * d.count + i;
            const double u = (double)x[at], v = (double)x[at + d.count], g = (double)dy[n * d.count + i];
            pn_put(dx, at, g * v * pn_ref_gelu_slope(u));
            pn_put(dx, at + d.count, g * pn_ref_gelu(u));
        }
}

void pn_ref_add_gates(pn_pointwise_kernels *k)
{
    k->modulate_fwd = modulate_fwd;
    k->modulate_bwd = modulate_bwd;
    k->gelu_gate_fwd = gelu_gate_fwd;
    k->gelu_gate_bwd = gelu_gate_bwd;
}
