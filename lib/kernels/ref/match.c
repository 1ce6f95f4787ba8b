/* lib/kernels/ref/match.c - the meaning of unit length and of unfolding */
#include "kernels/ref/match.h"

#include <math.h>

/* ---- Channels of unit length --------------------------------------------------------------------------------------- */

/* The second time round takes off what rounding left: the mean of equal numbers is that number. */
static double mean_at(const pn_real *x, pn_map m, ptrdiff_t n, ptrdiff_t i, ptrdiff_t j)
{
    double mean = 0;
    for (int times = 0; times < 2; times++) {
        double sum = 0;
        for (ptrdiff_t c = 0; c < m.c; c++) sum += (double)x[pn_at(m, n, c, i, j)] - mean;
        mean += sum / (double)m.c;
    }
    return mean;
}

static void unit_at(pn_real *y, pn_real *length, const pn_real *x, pn_unit_dims d, ptrdiff_t n, ptrdiff_t i, ptrdiff_t j)
{
    const double mean = d.centred ? mean_at(x, d.x, n, i, j) : 0;
    double squares = 0;
    for (ptrdiff_t c = 0; c < d.x.c; c++) {
        const double f = (double)x[pn_at(d.x, n, c, i, j)] - mean;
        squares += f * f;
    }
    for (ptrdiff_t c = 0; c < d.x.c; c++) {
        const ptrdiff_t at = pn_at(d.x, n, c, i, j);
        y[at] = (pn_real)(((double)x[at] - mean) / (sqrt(squares) + d.eps));
    }
    *length = (pn_real)sqrt(squares);
}

static void unit_fwd(pn_pool *pool, pn_real *y, pn_real *length, const pn_real *x, pn_unit_dims d)
{
    (void)pool;
    for (ptrdiff_t p = 0; p < d.x.n * d.x.h * d.x.w; p++)
        unit_at(y, length + p, x, d, p / (d.x.h * d.x.w), p / d.x.w % d.x.h, p % d.x.w);
    for (ptrdiff_t n = 0; n < d.x.n; n++) pn_ref_clear_lanes(y, d.x, n, d.x.c - 1);
}

/* y = f / (|f| + eps): df = dy / (|f| + eps) - y (y . dy) / |f|; the mean of f takes that of df away. */
static void unit_back_at(pn_sink dx, const pn_real *dy, const pn_real *y, double length, pn_unit_dims d, ptrdiff_t n,
                         ptrdiff_t i, ptrdiff_t j)
{
    const double mean = d.centred ? mean_at(dy, d.x, n, i, j) : 0, mean_y = d.centred ? mean_at(y, d.x, n, i, j) : 0;
    double across = 0;
    for (ptrdiff_t c = 0; c < d.x.c; c++) {
        const ptrdiff_t at = pn_at(d.x, n, c, i, j);
        across += (double)y[at] * (double)dy[at];
    }
    for (ptrdiff_t c = 0; c < d.x.c; c++) {
        const ptrdiff_t at = pn_at(d.x, n, c, i, j);
        const double df = ((double)dy[at] - mean) / (length + d.eps) - ((double)y[at] - mean_y) * across / length;
        pn_put(dx, at, length == 0 ? 0 : df);
    }
}

static void unit_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, const pn_real *length, pn_unit_dims d)
{
    (void)pool;
    for (ptrdiff_t p = 0; p < d.x.n * d.x.h * d.x.w; p++)
        unit_back_at(dx, dy, y, (double)length[p], d, p / (d.x.h * d.x.w), p / d.x.w % d.x.h, p % d.x.w);
    for (ptrdiff_t n = 0; n < d.x.n; n++) pn_ref_clear_lanes(dx.data, d.x, n, d.x.c - 1);
}

/* ---- Unfolding ----------------------------------------------------------------------------------------------------- */

static void unfold_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_unfold_dims d)
{
    (void)pool;
    const ptrdiff_t k = d.k;
    for (ptrdiff_t n = 0; n < d.y.n; n++)
        for (ptrdiff_t c = 0; c < d.y.c; c++) {
            for (ptrdiff_t i = 0; i < d.y.h; i++)
                for (ptrdiff_t j = 0; j < d.y.w; j++) {
                    const ptrdiff_t row = i + c % (k * k) / k - k / 2, column = j + c % k - k / 2;
                    const bool inside = row >= 0 && row < d.x.h && column >= 0 && column < d.x.w;
                    y[pn_at(d.y, n, c, i, j)] = inside ? x[pn_at(d.x, n, c / (k * k), row, column)] : 0;
                }
            pn_ref_clear_lanes(y, d.y, n, c);
        }
}

static double folded(const pn_real *dy, pn_unfold_dims d, ptrdiff_t n, ptrdiff_t c, ptrdiff_t row, ptrdiff_t column)
{
    double sum = 0;
    for (ptrdiff_t t = 0; t < d.k * d.k; t++) {
        const ptrdiff_t i = row - t / d.k + d.k / 2, j = column - t % d.k + d.k / 2;
        if (i >= 0 && i < d.y.h && j >= 0 && j < d.y.w) sum += (double)dy[pn_at(d.y, n, c * d.k * d.k + t, i, j)];
    }
    return sum;
}

static void unfold_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_unfold_dims d)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t c = 0; c < d.x.c; c++) {
            for (ptrdiff_t p = 0; p < d.x.h * d.x.w; p++)
                pn_put(dx, pn_at(d.x, n, c, p / d.x.w, p % d.x.w), folded(dy, d, n, c, p / d.x.w, p % d.x.w));
            pn_ref_clear_lanes(dx.data, d.x, n, c);
        }
}

void pn_ref_add_match(pn_kernels *k)
{
    k->match = (pn_match_kernels){
        .unit_fwd = unit_fwd, .unit_bwd = unit_bwd, .unfold_fwd = unfold_fwd, .unfold_bwd = unfold_bwd,
    };
    pn_ref_add_window(&k->match);
    pn_ref_add_patch(&k->match);
}
