/* ref/regions.c - the meaning of region codes, masked rows and grouped products; sums in double */
#include "kernels/ref/lanes.h"

#include <math.h>

/* ---- Maps and codes -------------------------------------------------------------------------------------------------------- */

typedef struct {
    pn_region_dims d;
    pn_sink to;
    const pn_real *x, *w, *codes, *area, *shift;
    double least;
} job;

static ptrdiff_t area_of(const pn_region_dims *d) { return d->x.h * d->x.w; }

static size_t scratch(pn_region_dims d) { (void)d; return 0; }

static void area_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_real *w = j->w + item * area_of(&j->d);
    double sum = 0;
    for (ptrdiff_t p = 0; p < area_of(&j->d); p++) sum += (double)w[p];
    j->to.data[item] = (pn_real)sum;
}

static void area(pn_pool *pool, pn_real *result, const pn_real *w, pn_region_dims d)
{
    job j = { .d = d, .to = { result, false }, .w = w };
    pn_parallel(pool, d.x.n * d.k, area_item, &j);
}

/* NaN stays: a comparison with it is false. */
static double divisor_of(const pn_real *a, ptrdiff_t i, double least)
{
    return !a ? 1 : (double)a[i] < least ? least : (double)a[i];
}

static void gather_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t n = item / j->d.k;
    const pn_real *w = j->w + item * area_of(&j->d);
    for (ptrdiff_t c = 0; c < m.c; c++) {
        double sum = 0;
        for (ptrdiff_t y = 0; y < m.h; y++)
            for (ptrdiff_t x = 0; x < m.w; x++) sum += (double)w[y * m.w + x] * (double)j->x[pn_at(m, n, c, y, x)];
        pn_put(j->to, item * m.c + c, sum / divisor_of(j->area, item, j->least));
    }
}

static void gather(pn_pool *pool, pn_sink codes, const pn_real *x, const pn_real *w, const pn_real *areas, double least,
                   pn_region_dims d, void *unused)
{
    (void)unused;
    job j = { .d = d, .to = codes, .x = x, .w = w, .area = areas, .least = least };
    pn_parallel(pool, d.x.n * d.k, gather_item, &j);
}

static void spread_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t n = item / m.c, c = item % m.c;
    for (ptrdiff_t y = 0; y < m.h; y++)
        for (ptrdiff_t x = 0; x < m.w; x++) {
            double sum = 0;
            for (ptrdiff_t k = 0; k < j->d.k; k++)
                sum += (double)j->w[((n * j->d.k + k) * m.h + y) * m.w + x] * (double)j->codes[(n * j->d.k + k) * m.c + c];
            pn_put(j->to, pn_at(m, n, c, y, x), sum);
        }
    if (!j->to.add) pn_ref_clear_lanes(j->to.data, m, n, c);
}

static void spread(pn_pool *pool, pn_sink x, const pn_real *codes, const pn_real *w, pn_region_dims d, void *unused)
{
    (void)unused;
    job j = { .d = d, .to = x, .codes = codes, .w = w };
    pn_parallel(pool, d.x.n * d.x.c, spread_item, &j);
}

static void match_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t n = item / j->d.k;
    for (ptrdiff_t y = 0; y < m.h; y++)
        for (ptrdiff_t x = 0; x < m.w; x++) {
            double sum = j->shift ? (double)j->shift[item] : 0;
            for (ptrdiff_t c = 0; c < m.c; c++)
                sum += (double)j->codes[item * m.c + c] * (double)j->x[pn_at(m, n, c, y, x)];
            pn_put(j->to, (item * m.h + y) * m.w + x, sum);
        }
}

static void match(pn_pool *pool, pn_sink w, const pn_real *codes, const pn_real *x, const pn_real *shift, pn_region_dims d,
                  void *unused)
{
    (void)unused;
    job j = { .d = d, .to = w, .codes = codes, .x = x, .shift = shift };
    pn_parallel(pool, d.x.n * d.k, match_item, &j);
}

static void pool_slopes(pn_pool *pool, pn_real *codes, pn_real *shift, const pn_real *dy, const pn_real *y,
                        const pn_real *areas, double least, pn_region_dims d)
{
    (void)pool;                     /* some thousand numbers */
    for (ptrdiff_t i = 0; i < d.x.n * d.k; i++) {
        const double divisor = divisor_of(areas, i, least);
        double sum = 0;
        for (ptrdiff_t c = i * d.x.c; c < (i + 1) * d.x.c; c++) {
            codes[c] = (pn_real)((double)dy[c] / divisor);
            if (y) sum += (double)dy[c] * (double)y[c] / divisor;
        }
        if (y) shift[i] = (double)areas[i] < least ? 0 : (pn_real)-sum;
    }
}

/* ---- Softmax of the columns that count ---------------------------------------------------------------------------------------- */

typedef struct {
    pn_masked_dims d;
    pn_sink dx;
    pn_real *y;
    const pn_real *x, *mask, *dy, *result;
} masked_job;

static void masked_fwd_item(void *arg, ptrdiff_t row, int worker)
{
    (void)worker;
    const masked_job *j = arg;
    const ptrdiff_t m = j->d.m;
    const pn_real *x = j->x + row * m, *mask = j->mask + row / j->d.rows_per_mask * m;
    pn_real *y = j->y + row * m;
    double top = -INFINITY, sum = 0;
    for (ptrdiff_t i = 0; i < m; i++)
        if (mask[i] != 0 && !((double)x[i] <= top)) top = (double)x[i];        /* NaN becomes top, and stays */
    const bool none = top == -INFINITY;
    for (ptrdiff_t i = 0; i < m; i++)
        if (mask[i] != 0 && !none) sum += exp((double)x[i] - top);
    for (ptrdiff_t i = 0; i < m; i++)
        y[i] = mask[i] != 0 && !none ? (pn_real)(exp((double)x[i] - top) / sum) : 0;
}

static void masked_softmax_fwd(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *mask, pn_masked_dims d)
{
    masked_job j = { .d = d, .y = y, .x = x, .mask = mask };
    pn_parallel(pool, d.rows, masked_fwd_item, &j);
}

static void masked_bwd_item(void *arg, ptrdiff_t row, int worker)
{
    (void)worker;
    const masked_job *j = arg;
    const ptrdiff_t m = j->d.m;
    const pn_real *y = j->result + row * m, *dy = j->dy + row * m, *mask = j->mask + row / j->d.rows_per_mask * m;
    double mean = 0;
    for (ptrdiff_t i = 0; i < m; i++)
        if (mask[i] != 0) mean += (double)y[i] * (double)dy[i];
    for (ptrdiff_t i = 0; i < m; i++)
        pn_put(j->dx, row * m + i, mask[i] != 0 ? (double)y[i] * ((double)dy[i] - mean) : 0);
}

static void masked_softmax_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, const pn_real *mask,
                               pn_masked_dims d)
{
    masked_job j = { .d = d, .dx = dx, .dy = dy, .result = y, .mask = mask };
    pn_parallel(pool, d.rows, masked_bwd_item, &j);
}

/* ---- A graph's normalised adjacency: y = P_ij / sqrt(D_i D_j), P_ij = visible_j (softplus(z_ij) + [i = j]) ------------------------ */

static double mean_prior(const pn_real *prior, pn_adjacency_dims d, ptrdiff_t i, ptrdiff_t j)
{
    return ((double)prior[i * d.m + j] + (double)prior[j * d.m + i]) / 2;
}

static double link(const pn_real *prior, const pn_real *visible, pn_adjacency_dims d, ptrdiff_t i, ptrdiff_t j)
{
    const double z = mean_prior(prior, d, i, j);
    return visible[j] == 0 ? 0 : (z > 0 ? z : 0) + log1p(exp(-fabs(z))) + (i == j);
}

/* 1 / sqrt(D); a node whose D is 0 has nothing in its row and its column. */
static double root(double degree) { return degree == 0 ? 0 : 1 / sqrt(degree); }

static void adjacency_fwd(pn_pool *pool, pn_real *y, pn_real *degree, const pn_real *prior, const pn_real *visible,
                          pn_adjacency_dims d)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < d.n; n++, y += d.m * d.m, degree += d.m, visible += d.m) {
        for (ptrdiff_t i = 0; i < d.m; i++) {
            double sum = 0;
            for (ptrdiff_t j = 0; j < d.m; j++) sum += link(prior, visible, d, i, j);
            degree[i] = (pn_real)sum;
        }
        for (ptrdiff_t i = 0; i < d.m; i++)
            for (ptrdiff_t j = 0; j < d.m; j++)
                y[i * d.m + j] = (pn_real)(link(prior, visible, d, i, j) * root((double)degree[i]) * root((double)degree[j]));
    }
}

static size_t adjacency_scratch(pn_adjacency_dims d) { return (size_t)(d.n * d.m) * sizeof(double); }

/* dD_i = -1/2 sum_j (dy_ij y_ij + dy_ji y_ji) / D_i */
static void degree_slopes(double *slope, const pn_real *dy, const pn_real *degree, const pn_real *prior,
                          const pn_real *visible, pn_adjacency_dims d)
{
    for (ptrdiff_t i = 0; i < d.m; i++) {
        double sum = 0;
        for (ptrdiff_t j = 0; j < d.m; j++) {
            const double roots = root((double)degree[i]) * root((double)degree[j]);
            sum += ((double)dy[i * d.m + j] * link(prior, visible, d, i, j) +
                    (double)dy[j * d.m + i] * link(prior, visible, d, j, i)) * roots;
        }
        slope[i] = degree[i] == 0 ? 0 : -sum / (2 * (double)degree[i]);
    }
}

static void adjacency_bwd(pn_pool *pool, pn_sink dprior, const pn_real *dy, const pn_real *degree, const pn_real *prior,
                          const pn_real *visible, pn_adjacency_dims d, void *memory)
{
    (void)pool;
    double *slope = memory;         /* [n][m] */
    for (ptrdiff_t n = 0; n < d.n; n++)
        degree_slopes(slope + n * d.m, dy + n * d.m * d.m, degree + n * d.m, prior, visible + n * d.m, d);
    for (ptrdiff_t i = 0; i < d.m; i++)
        for (ptrdiff_t j = 0; j <= i; j++) {
            double sum = 0;         /* of dP over the samples and both links between i and j */
            for (ptrdiff_t n = 0; n < d.n; n++) {
                const ptrdiff_t at = n * d.m;
                const double roots = root((double)degree[at + i]) * root((double)degree[at + j]);
                if (visible[at + j] != 0) sum += (double)dy[(at + i) * d.m + j] * roots + slope[at + i];
                if (visible[at + i] != 0) sum += (double)dy[(at + j) * d.m + i] * roots + slope[at + j];
            }
            const double dz = sum / 2 / (1 + exp(-mean_prior(prior, d, i, j)));
            pn_put(dprior, i * d.m + j, dz);
            if (i != j) pn_put(dprior, j * d.m + i, dz);
        }
}

/* ---- A matrix for each row ------------------------------------------------------------------------------------------------------ */

typedef struct {
    pn_grouped_dims d;
    pn_sink x, w, bias;
    pn_real *y;
    const pn_real *in, *weights, *shift, *dy;
} grouped_job;

static void grouped_fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const grouped_job *j = arg;
    const pn_grouped_dims *d = &j->d;
    const ptrdiff_t k = item % d->k;
    for (ptrdiff_t o = 0; o < d->o; o++) {
        double sum = j->shift ? (double)j->shift[k * d->o + o] : 0;
        for (ptrdiff_t i = 0; i < d->d; i++) sum += (double)j->weights[(k * d->o + o) * d->d + i] * (double)j->in[item * d->d + i];
        j->y[item * d->o + o] = (pn_real)sum;
    }
}

static void grouped_fwd(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *w, const pn_real *bias, pn_grouped_dims d)
{
    grouped_job j = { .d = d, .y = y, .in = x, .weights = w, .shift = bias };
    pn_parallel(pool, d.n * d.k, grouped_fwd_item, &j);
}

static void grouped_dx_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const grouped_job *j = arg;
    const pn_grouped_dims *d = &j->d;
    const ptrdiff_t k = item % d->k;
    for (ptrdiff_t i = 0; i < d->d; i++) {
        double sum = 0;
        for (ptrdiff_t o = 0; o < d->o; o++) sum += (double)j->dy[item * d->o + o] * (double)j->weights[(k * d->o + o) * d->d + i];
        pn_put(j->x, item * d->d + i, sum);
    }
}

static void grouped_dw_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const grouped_job *j = arg;
    const pn_grouped_dims *d = &j->d;
    const ptrdiff_t k = item / d->o, o = item % d->o;
    double total = 0;
    for (ptrdiff_t n = 0; n < d->n; n++) total += (double)j->dy[(n * d->k + k) * d->o + o];
    if (j->bias.data) pn_put(j->bias, item, total);
    for (ptrdiff_t i = 0; j->w.data && i < d->d; i++) {
        double sum = 0;
        for (ptrdiff_t n = 0; n < d->n; n++)
            sum += (double)j->dy[(n * d->k + k) * d->o + o] * (double)j->in[(n * d->k + k) * d->d + i];
        pn_put(j->w, item * d->d + i, sum);
    }
}

static void grouped_bwd(pn_pool *pool, pn_grouped_sinks s, const pn_real *dy, const pn_real *x, const pn_real *w,
                        pn_grouped_dims d)
{
    grouped_job j = { .d = d, .x = s.x, .w = s.w, .bias = s.bias, .in = x, .weights = w, .dy = dy };
    if (s.x.data) pn_parallel(pool, d.n * d.k, grouped_dx_item, &j);
    if (s.w.data || s.bias.data) pn_parallel(pool, d.k * d.o, grouped_dw_item, &j);
}

const pn_region_kernels pn_ref_region = {
    .scratch = scratch, .area = area, .gather = gather, .spread = spread, .match = match, .pool_slopes = pool_slopes,
    .masked_softmax_fwd = masked_softmax_fwd, .masked_softmax_bwd = masked_softmax_bwd, .adjacency_fwd = adjacency_fwd,
    .adjacency_scratch = adjacency_scratch, .adjacency_bwd = adjacency_bwd, .grouped_fwd = grouped_fwd,
    .grouped_bwd = grouped_bwd,
};

void pn_ref_add_regions(pn_kernels *k) { k->region = pn_ref_region; }
