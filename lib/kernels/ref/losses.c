/* lib/kernels/ref/losses.c - the meaning of losses and of what they compare; sums in double */
#include "kernels/ref/losses.h"

#include <math.h>

/* ---- Distances ---------------------------------------------------------------------------------------------------------- */

static size_t distance_scratch(pn_distance_dims d) { (void)d; return 0; }

static void distance_fwd(pn_pool *pool, pn_real *y, const pn_real *a, const pn_real *b, pn_distance_dims d, void *scratch)
{
    (void)pool; (void)scratch;
    double sum = 0;
    for (ptrdiff_t i = 0; i < d.stored; i++) {
        const double off = (double)a[i] - (double)b[i];
        sum += d.how == PN_SQUARED ? off * off : fabs(off);
    }
    y[0] = (pn_real)(sum / (double)d.count);
}

static double slope_of(double off, pn_distance how)
{
    if (how == PN_SQUARED) return 2 * off;
    return off > 0 ? 1 : off < 0 ? -1 : off;            /* 0, or NaN */
}

static void distance_bwd(pn_pool *pool, pn_sink da, pn_sink db, const pn_real *dy, const pn_real *a, const pn_real *b,
                         pn_distance_dims d)
{
    (void)pool;
    const double scale = (double)dy[0] / (double)d.count;
    for (ptrdiff_t i = 0; i < d.stored; i++) {
        const double slope = scale * slope_of((double)a[i] - (double)b[i], d.how);
        if (da.data) pn_put(da, i, slope);
        if (db.data) pn_put(db, i, -slope);
    }
}

/* ---- Cross entropy -------------------------------------------------------------------------------------------------------- */

/* The class a pixel is labelled with; -1: none that counts. */
static ptrdiff_t class_of(pn_real label, ptrdiff_t classes)
{
    if (!(label >= 0 && label < (pn_real)classes)) return -1;
    const ptrdiff_t whole = (ptrdiff_t)label;
    return (pn_real)whole == label ? whole : -1;
}

static double log_sum_exp(const pn_real *logits, const pn_class_dims *d, ptrdiff_t n, ptrdiff_t i)
{
    double largest = -INFINITY, sum = 0;
    for (ptrdiff_t c = 0; c < d->c; c++) largest = fmax(largest, (double)logits[(n * d->c + c) * d->area + i]);
    if (isinf(largest)) largest = 0;
    for (ptrdiff_t c = 0; c < d->c; c++) sum += exp((double)logits[(n * d->c + c) * d->area + i] - largest);
    return largest + log(sum);
}

static size_t cross_entropy_scratch(pn_class_dims d, int threads) { (void)d; (void)threads; return 0; }

static void cross_entropy_fwd(pn_pool *pool, pn_real *y, pn_real *lse, pn_real *valid, const pn_real *logits,
                              const pn_real *classes, pn_class_dims d, void *scratch)
{
    (void)pool; (void)scratch;
    double sum = 0;
    ptrdiff_t counted = 0;
    for (ptrdiff_t n = 0; n < d.n; n++)
        for (ptrdiff_t i = 0; i < d.area; i++) {
            const ptrdiff_t class = class_of(classes[n * d.area + i], d.c);
            const double all = log_sum_exp(logits, &d, n, i);
            lse[n * d.area + i] = (pn_real)all;
            if (class < 0) continue;
            sum += all - (double)logits[(n * d.c + class) * d.area + i];
            counted++;
        }
    valid[0] = (pn_real)counted;
    y[0] = (pn_real)(counted ? sum / (double)counted : 0);
}

static void cross_entropy_bwd(pn_pool *pool, pn_sink dlogits, const pn_real *dy, const pn_real *logits, const pn_real *classes,
                              const pn_real *lse, const pn_real *valid, pn_class_dims d)
{
    (void)pool;
    const double scale = valid[0] > 0 ? (double)dy[0] / (double)valid[0] : 0;
    for (ptrdiff_t n = 0; n < d.n; n++)
        for (ptrdiff_t c = 0; c < d.c; c++)
            for (ptrdiff_t i = 0; i < d.area; i++) {
                const ptrdiff_t at = (n * d.c + c) * d.area + i, class = class_of(classes[n * d.area + i], d.c);
                const double chance = exp((double)logits[at] - (double)lse[n * d.area + i]);
                pn_put(dlogits, at, class < 0 ? 0 : scale * (chance - (class == c ? 1 : 0)));
            }
}

/* ---- Cosine ------------------------------------------------------------------------------------------------------------------ */

static double dot(const pn_real *a, const pn_real *b, pn_map m, ptrdiff_t n, ptrdiff_t i, ptrdiff_t j)
{
    double sum = 0;
    for (ptrdiff_t c = 0; c < m.c; c++) sum += (double)a[pn_at(m, n, c, i, j)] * (double)b[pn_at(m, n, c, i, j)];
    return sum;
}

static const double least_length = 1e-8;                /* of |a| |b| */

static void cosine_fwd(pn_pool *pool, pn_real *y, pn_real *norms, const pn_real *a, const pn_real *b, pn_map m)
{
    (void)pool;
    const pn_map plane = { m.n, 1, m.h, m.w, 1 }, planes = { m.n, 2, m.h, m.w, 1 };
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t i = 0; i < m.h; i++)
            for (ptrdiff_t j = 0; j < m.w; j++) {
                const double aa = dot(a, a, m, n, i, j), bb = dot(b, b, m, n, i, j), length = sqrt(aa) * sqrt(bb);
                norms[pn_at(planes, n, 0, i, j)] = (pn_real)aa;
                norms[pn_at(planes, n, 1, i, j)] = (pn_real)bb;
                y[pn_at(plane, n, 0, i, j)] = (pn_real)(dot(a, b, m, n, i, j) / (length < least_length ? least_length : length));
            }
}

/* da = dy (b / (|a| |b|) - y a / |a|^2); where the lengths count as least_length they are constants. */
static void cosine_bwd_one(pn_sink da, const pn_real *dy, const pn_real *y, const pn_real *norms, const pn_real *a,
                           const pn_real *b, pn_map m, int own)
{
    const pn_map plane = { m.n, 1, m.h, m.w, 1 }, planes = { m.n, 2, m.h, m.w, 1 };
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t c = 0; c < pn_map_blocks(m) * m.b; c++)
            for (ptrdiff_t i = 0; i < m.h; i++)
                for (ptrdiff_t j = 0; j < m.w; j++) {
                    const double mine = (double)norms[pn_at(planes, n, own, i, j)];
                    const double length = sqrt(mine) * sqrt((double)norms[pn_at(planes, n, !own, i, j)]);
                    const double g = (double)dy[pn_at(plane, n, 0, i, j)], cosine = (double)y[pn_at(plane, n, 0, i, j)];
                    const ptrdiff_t at = pn_at(m, n, c, i, j);
                    const double v = length < least_length ? g * (double)b[at] / least_length :
                                     g * ((double)b[at] / length - cosine * (double)a[at] / mine);
                    pn_put(da, at, c < m.c ? v : 0);
                }
}

static void cosine_bwd(pn_pool *pool, pn_sink da, pn_sink db, const pn_real *dy, const pn_real *y, const pn_real *norms,
                       const pn_real *a, const pn_real *b, pn_map m)
{
    (void)pool;
    if (da.data) cosine_bwd_one(da, dy, y, norms, a, b, m, 0);
    if (db.data) cosine_bwd_one(db, dy, y, norms, b, a, m, 1);
}

/* ---- Gram matrix ------------------------------------------------------------------------------------------------------------- */

static size_t gram_scratch(pn_map m) { (void)m; return 0; }

static void gram_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_map m, void *scratch)
{
    (void)pool; (void)scratch;
    const double scale = 1 / (double)(m.c * m.h * m.w);
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t c = 0; c < m.c; c++)
            for (ptrdiff_t d = 0; d < m.c; d++) {
                double sum = 0;
                for (ptrdiff_t i = 0; i < m.h; i++)
                    for (ptrdiff_t j = 0; j < m.w; j++) sum += (double)x[pn_at(m, n, c, i, j)] * (double)x[pn_at(m, n, d, i, j)];
                y[(n * m.c + c) * m.c + d] = (pn_real)(sum * scale);
            }
}

static void gram_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, pn_map m, void *scratch)
{
    (void)pool; (void)scratch;
    const double scale = 1 / (double)(m.c * m.h * m.w);
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t c = 0; c < pn_map_blocks(m) * m.b; c++)
            for (ptrdiff_t i = 0; i < m.h; i++)
                for (ptrdiff_t j = 0; j < m.w; j++) {
                    double sum = 0;
                    for (ptrdiff_t d = 0; d < m.c && c < m.c; d++)
                        sum += ((double)dy[(n * m.c + c) * m.c + d] + (double)dy[(n * m.c + d) * m.c + c]) *
                               (double)x[pn_at(m, n, d, i, j)];
                    pn_put(dx, pn_at(m, n, c, i, j), sum * scale);
                }
}

/* ---- Spectral norm ----------------------------------------------------------------------------------------------------------- */

static size_t spectral_scratch(pn_spectral_dims d) { (void)d; return 0; }

static double row_times(const pn_real *w, const pn_real *v, const pn_spectral_dims *d, ptrdiff_t row)
{
    double sum = 0;
    for (ptrdiff_t c = 0; c < pn_spectral_columns(d); c++) sum += (double)w[pn_spectral_at(d, row, c)] * (double)v[c];
    return sum;
}

static double column_times(const pn_real *w, const pn_real *u, const pn_spectral_dims *d, ptrdiff_t column)
{
    double sum = 0;
    for (ptrdiff_t r = 0; r < d->rows; r++) sum += (double)w[pn_spectral_at(d, r, column)] * (double)u[r];
    return sum;
}

static void normalise(pn_real *v, ptrdiff_t count, double eps)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++) sum += (double)v[i] * (double)v[i];
    const double length = sqrt(sum) < eps ? eps : sqrt(sum);
    for (ptrdiff_t i = 0; i < count; i++) v[i] = (pn_real)((double)v[i] / length);
}

static void spectral_again(pn_pool *pool, pn_real *y, pn_singular used, const pn_real *w, pn_spectral_dims d)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < d.rows * pn_spectral_columns(&d); i++) y[i] = w[i] / used.sigma[0];
}

static void spectral_fwd(pn_pool *pool, pn_real *y, pn_singular used, const pn_real *w, const pn_real *u, const pn_real *v,
                         pn_spectral_dims d, void *scratch)
{
    (void)scratch;
    const ptrdiff_t columns = pn_spectral_columns(&d);
    for (ptrdiff_t c = 0; c < columns; c++) used.v[c] = d.iterate ? (pn_real)column_times(w, u, &d, c) : v[c];
    if (d.iterate) normalise(used.v, columns, d.eps);
    for (ptrdiff_t r = 0; r < d.rows; r++) used.u[r] = d.iterate ? (pn_real)row_times(w, used.v, &d, r) : u[r];
    if (d.iterate) normalise(used.u, d.rows, d.eps);
    double sigma = 0;
    for (ptrdiff_t r = 0; r < d.rows; r++) sigma += (double)used.u[r] * row_times(w, used.v, &d, r);
    used.sigma[0] = (pn_real)sigma;
    spectral_again(pool, y, used, w, d);
}

/* dw = (dy - (sum dy y) u v^T) / sigma with y = w / sigma. */
static void spectral_bwd(pn_pool *pool, pn_sink dw, const pn_real *dy, const pn_real *w, pn_singular used, pn_spectral_dims d,
                         void *scratch)
{
    (void)pool; (void)scratch;
    const ptrdiff_t columns = pn_spectral_columns(&d);
    const double sigma = (double)used.sigma[0];
    double along = 0;
    for (ptrdiff_t i = 0; i < d.rows * columns; i++) along += (double)dy[i] * (double)w[i] / sigma;
    for (ptrdiff_t r = 0; r < d.rows; r++)
        for (ptrdiff_t c = 0; c < columns; c++) {
            const ptrdiff_t i = pn_spectral_at(&d, r, c);
            pn_put(dw, i, ((double)dy[i] - along * (double)used.u[r] * (double)used.v[c]) / sigma);
        }
}

const pn_loss_kernels pn_ref_loss = {
    .distance_scratch = distance_scratch, .distance_fwd = distance_fwd, .distance_bwd = distance_bwd,
    .cross_entropy_scratch = cross_entropy_scratch, .cross_entropy_fwd = cross_entropy_fwd,
    .cross_entropy_bwd = cross_entropy_bwd, .cosine_fwd = cosine_fwd, .cosine_bwd = cosine_bwd,
    .gram_scratch = gram_scratch, .gram_fwd = gram_fwd, .gram_bwd = gram_bwd,
    .spectral_scratch = spectral_scratch, .spectral_fwd = spectral_fwd, .spectral_again = spectral_again,
    .spectral_bwd = spectral_bwd,
};

void pn_ref_add_losses(pn_kernels *k)
{
    k->loss = pn_ref_loss;
    pn_ref_add_contextual(&k->loss);
}
