/* ref/match_window.c - the meaning of what pixels have to do with their windows, from the formulas; scatters in double */
#include "kernels/ref/match.h"

#include <string.h>

typedef struct { ptrdiff_t n; pn_ref_pixel p; } place;
static ptrdiff_t index_of(pn_map m, place at, ptrdiff_t c) { return pn_at(m, at.n, c, at.p.y, at.p.x); }
static place place_of(pn_map m, ptrdiff_t i)
{
    return (place){ i / (m.h * m.w), { i / m.w % m.h, i % m.w } };
}
static place window(pn_window_dims d, ptrdiff_t t, place at) { return (place){ at.n, pn_ref_window(d.x, d.k, t, at.p) }; }
static ptrdiff_t pixels(pn_map m) { return m.n * m.h * m.w; }

static double product(const pn_real *a, place p, const pn_real *b, place q, pn_map m)
{
    double sum = 0;
    for (ptrdiff_t c = 0; c < m.c; c++) sum += (double)a[index_of(m, p, c)] * (double)b[index_of(m, q, c)];
    return sum;
}

/* One map of doubles, [n][c][h][w]. */
static size_t window_scratch(pn_window_dims d) { return (size_t)(pixels(d.x) * d.x.c) * sizeof(double); }
static double *sum_at(double *sums, pn_map m, place at, ptrdiff_t c)
{
    return &sums[((at.n * m.c + c) * m.h + at.p.y) * m.w + at.p.x];
}

static void put_sums(pn_sink to, double *sums, pn_map m)
{
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t c = 0; c < m.c; c++) {
            for (ptrdiff_t i = 0; i < m.h * m.w; i++)
                pn_put(to, pn_at(m, n, c, i / m.w, i % m.w), sums[(n * m.c + c) * m.h * m.w + i]);
            pn_ref_clear_lanes(to.data, m, n, c);
        }
}

/* ---- Self-correlation: tap t of the window is plane t, or t - 1 past the centre ------------------------------------ */

static void self_fwd(pn_pool *pool, pn_real *s, const pn_real *f, pn_window_dims d)
{
    (void)pool;
    const ptrdiff_t taps = pn_window_taps(d), centre = taps / 2;
    const pn_map planes = pn_ref_planes(d.x, taps - 1);
    for (ptrdiff_t i = 0; i < pixels(d.x); i++)
        for (ptrdiff_t t = 0; t < taps; t++) {
            const place p = place_of(d.x, i);
            if (t != centre) s[index_of(planes, p, t - (t > centre))] = (pn_real)product(f, p, f, window(d, t, p), d.x);
        }
}

static void self_bwd(pn_pool *pool, pn_sink df, const pn_real *ds, const pn_real *f, pn_window_dims d, void *scratch)
{
    (void)pool;
    const ptrdiff_t taps = pn_window_taps(d), centre = taps / 2;
    const pn_map planes = pn_ref_planes(d.x, taps - 1);
    memset(scratch, 0, window_scratch(d));
    for (ptrdiff_t i = 0; i < pixels(d.x); i++)
        for (ptrdiff_t t = 0; t < taps; t++) {
            if (t == centre) continue;
            const place p = place_of(d.x, i), q = window(d, t, p);
            const double g = (double)ds[index_of(planes, p, t - (t > centre))];
            for (ptrdiff_t c = 0; c < d.x.c; c++) {
                *sum_at(scratch, d.x, p, c) += g * (double)f[index_of(d.x, q, c)];
                *sum_at(scratch, d.x, q, c) += g * (double)f[index_of(d.x, p, c)];
            }
        }
    put_sums(df, scratch, d.x);
}

/* ---- Weighted sums ------------------------------------------------------------------------------------------------- */

static void window_fwd(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *w, pn_window_dims d)
{
    (void)pool;
    const pn_map planes = pn_ref_planes(d.x, pn_window_taps(d));
    for (ptrdiff_t i = 0; i < pixels(d.x); i++)
        for (ptrdiff_t c = 0; c < d.x.c; c++) {
            const place p = place_of(d.x, i);
            double sum = 0;
            for (ptrdiff_t t = 0; t < planes.c; t++)
                sum += (double)w[index_of(planes, p, t)] * (double)x[index_of(d.x, window(d, t, p), c)];
            y[index_of(d.x, p, c)] = (pn_real)sum;
        }
    for (ptrdiff_t n = 0; n < d.x.n; n++) pn_ref_clear_lanes(y, d.x, n, d.x.c - 1);
}

static void window_bwd(pn_pool *pool, pn_sink dx, pn_sink dw, const pn_real *dy, const pn_real *x, const pn_real *w,
                       pn_window_dims d, void *scratch)
{
    (void)pool;
    const pn_map planes = pn_ref_planes(d.x, pn_window_taps(d));
    memset(scratch, 0, window_scratch(d));
    for (ptrdiff_t i = 0; i < pixels(d.x); i++)
        for (ptrdiff_t t = 0; t < planes.c; t++) {
            const place p = place_of(d.x, i), q = window(d, t, p);
            const ptrdiff_t at = index_of(planes, p, t);
            if (dw.data) pn_put(dw, at, product(dy, p, x, q, d.x));
            for (ptrdiff_t c = 0; dx.data && c < d.x.c; c++)
                *sum_at(scratch, d.x, q, c) += (double)w[at] * (double)dy[index_of(d.x, p, c)];
        }
    if (dx.data) put_sums(dx, scratch, d.x);
}

void pn_ref_add_window(pn_match_kernels *k)
{
    k->window_scratch = window_scratch;
    k->self_fwd = self_fwd;
    k->self_bwd = self_bwd;
    k->window_fwd = window_fwd;
    k->window_bwd = window_bwd;
}
