/* ref/match_patch.c - the meaning of patches' similarity, from its formula; scatters in double */
#include "kernels/ref/match.h"

#include <math.h>
#include <string.h>

/* Number `a` of the patch around p, in one channel: where it is read. */
static ptrdiff_t read_at(pn_patch_dims d, ptrdiff_t n, ptrdiff_t c, pn_ref_pixel p, ptrdiff_t a)
{
    const pn_ref_pixel at = pn_ref_window(d.x, d.patch, a, p);
    return pn_at(d.x, n, c, at.y, at.x);
}

static double distance(const pn_real *x, pn_patch_dims d, ptrdiff_t n, pn_ref_pixel p, pn_ref_pixel q)
{
    double sum = 0;
    for (ptrdiff_t c = 0; c < d.x.c; c++)
        for (ptrdiff_t a = 0; a < d.patch * d.patch; a++) {
            const double off = (double)x[read_at(d, n, c, p, a)] - (double)x[read_at(d, n, c, q, a)];
            sum += off * off;
        }
    return sum;
}

static size_t patch_scratch(pn_patch_dims d) { return (size_t)pn_map_stored(d.x) * sizeof(double); }

static void patch_fwd(pn_pool *pool, pn_real *s, const pn_real *x, pn_patch_dims d, void *scratch)
{
    (void)pool; (void)scratch;
    const ptrdiff_t taps = d.k * d.k, centre = taps / 2, area = d.x.h * d.x.w;
    const pn_map planes = pn_ref_planes(d.x, taps - 1);
    for (ptrdiff_t i = 0; i < d.x.n * area; i++)
        for (ptrdiff_t t = 0; t < taps; t++) {
            const pn_ref_pixel p = { i / d.x.w % d.x.h, i % d.x.w };
            if (t != centre)
                s[pn_at(planes, i / area, t - (t > centre), p.y, p.x)] =
                    (pn_real)exp(-d.scale * distance(x, d, i / area, p, pn_ref_window(d.x, d.k, t, p)));
        }
}

/* g (|u(p) - u(q)|^2)' */
static void spread(double *sums, double g, const pn_real *x, pn_patch_dims d, ptrdiff_t n, pn_ref_pixel p, pn_ref_pixel q)
{
    for (ptrdiff_t c = 0; c < d.x.c; c++)
        for (ptrdiff_t a = 0; a < d.patch * d.patch; a++) {
            const ptrdiff_t from = read_at(d, n, c, p, a), to = read_at(d, n, c, q, a);
            const double slope = 2 * g * ((double)x[from] - (double)x[to]);
            sums[from] += slope;
            sums[to] -= slope;
        }
}

static void patch_bwd(pn_pool *pool, pn_sink dx, const pn_real *ds, const pn_real *s, const pn_real *x, pn_patch_dims d,
                      void *scratch)
{
    (void)pool;
    const ptrdiff_t taps = d.k * d.k, centre = taps / 2, area = d.x.h * d.x.w;
    const pn_map planes = pn_ref_planes(d.x, taps - 1);
    double *sums = scratch;
    memset(sums, 0, patch_scratch(d));
    for (ptrdiff_t i = 0; i < d.x.n * area; i++)
        for (ptrdiff_t t = 0; t < taps; t++) {
            if (t == centre) continue;
            const pn_ref_pixel p = { i / d.x.w % d.x.h, i % d.x.w };
            const ptrdiff_t at = pn_at(planes, i / area, t - (t > centre), p.y, p.x);
            spread(sums, -d.scale * (double)ds[at] * (double)s[at], x, d, i / area, p, pn_ref_window(d.x, d.k, t, p));
        }
    for (ptrdiff_t i = 0; i < pn_map_stored(d.x); i++) pn_put(dx, i, sums[i]);
}

void pn_ref_add_patch(pn_match_kernels *k)
{
    k->patch_scratch = patch_scratch;
    k->patch_fwd = patch_fwd;
    k->patch_bwd = patch_bwd;
}
