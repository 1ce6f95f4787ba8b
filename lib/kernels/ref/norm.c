/* lib/kernels/ref/norm.c - the meaning of the norms: two passes for the statistics, sums in double
 *
 * Channels [first, last) of samples [from, to) share one mean and deviation.
 */
#include "kernels/ref/lanes.h"

#include <math.h>

typedef struct {
    pn_norm_dims d;
    pn_norm_params p;
    pn_norm_stats stats;
    pn_norm_sinks out;
    const pn_real *x, *dy;
    pn_real *y;
} job;

typedef struct { ptrdiff_t from, to, first, last; } group;

static ptrdiff_t groups(const pn_norm_dims *d) { return d->span == PN_OVER_BATCH ? d->groups : d->x.n * d->groups; }

static group group_of(const pn_norm_dims *d, ptrdiff_t item)
{
    const ptrdiff_t channels = d->x.c / d->groups, n = item / d->groups, first = item % d->groups * channels;
    if (d->span == PN_OVER_BATCH) return (group){ 0, d->x.n, first, first + channels };
    return (group){ n, n + 1, first, first + channels };
}

static double size_of(const pn_norm_dims *d, group g)
{
    return (double)((g.to - g.from) * (g.last - g.first) * d->x.h * d->x.w);
}

/* sum over the group of (x - centre)^power */
static double moment(const job *j, group g, double centre, int power)
{
    const pn_map m = j->d.x;
    double sum = 0;
    for (ptrdiff_t n = g.from; n < g.to; n++)
        for (ptrdiff_t c = g.first; c < g.last; c++)
            for (ptrdiff_t y = 0; y < m.h; y++)
                for (ptrdiff_t x = 0; x < m.w; x++) {
                    const double v = (double)j->x[pn_at(m, n, c, y, x)] - centre;
                    sum += power == 1 ? v : v * v;
                }
    return sum;
}

static void write(const job *j, group g, double mean, double rstd)
{
    const pn_map m = j->d.x;
    for (ptrdiff_t n = g.from; n < g.to; n++)
        for (ptrdiff_t c = g.first; c < g.last; c++) {
            const double weight = j->p.weight ? (double)j->p.weight[c] : 1, bias = j->p.bias ? (double)j->p.bias[c] : 0;
            for (ptrdiff_t y = 0; y < m.h; y++)
                for (ptrdiff_t x = 0; x < m.w; x++) {
                    const ptrdiff_t at = pn_at(m, n, c, y, x);
                    j->y[at] = (pn_real)(((double)j->x[at] - mean) * rstd * weight + bias);
                }
            pn_ref_clear_lanes(j->y, m, n, c);
        }
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const group g = group_of(&j->d, item);
    const double mean = moment(j, g, 0, 1) / size_of(&j->d, g), var = moment(j, g, mean, 2) / size_of(&j->d, g);
    const double rstd = 1 / sqrt(var + j->d.eps);
    j->stats.mean[item] = (pn_real)mean;
    j->stats.rstd[item] = (pn_real)rstd;
    if (j->stats.var) j->stats.var[item] = (pn_real)var;
    if (j->y) write(j, g, mean, rstd);
}

static void fwd(pn_pool *pool, pn_real *y, pn_norm_stats out, const pn_real *x, pn_norm_params p, pn_norm_dims d,
                void *scratch)
{
    (void)scratch;
    job j = { .d = d, .p = p, .stats = out, .x = x, .y = y };
    pn_parallel(pool, groups(&d), fwd_item, &j);
}

static void stats(pn_pool *pool, pn_norm_stats out, const pn_real *x, pn_norm_dims d, void *scratch)
{
    fwd(pool, NULL, out, x, (pn_norm_params){ 0 }, d, scratch);
}

typedef struct { job j; const pn_real *mean, *rstd; } apply_job;

static void apply_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const apply_job *a = arg;
    write(&a->j, group_of(&a->j.d, item), (double)a->mean[item], (double)a->rstd[item]);
}

static void apply(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *mean, const pn_real *rstd,
                  pn_norm_params p, pn_norm_dims d, void *scratch)
{
    (void)scratch;
    apply_job a = { { .d = d, .p = p, .x = x, .y = y }, mean, rstd };
    pn_parallel(pool, groups(&d), apply_item, &a);
}

/* ---- Backward -------------------------------------------------------------------------------------------------- */

/* dy before the activation that was folded in behind. */
static double dy_at(const job *j, ptrdiff_t n, ptrdiff_t c, ptrdiff_t at)
{
    const pn_prologue *b = j->p.behind;
    const double dy = (double)j->dy[at];
    if (!b) return dy;
    const ptrdiff_t lane = n * ((j->d.x.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK) + c;
    return (double)j->x[at] * (double)b->scale[lane] + (double)b->shift[lane] > 0 ? dy : dy * (double)b->slope;
}

/* Of one channel of one sample: sums of dy and of dy times the normalised x. */
typedef struct { double dy, dy_xhat; } sums;

static sums sums_of(const job *j, ptrdiff_t n, ptrdiff_t c, double mean, double rstd)
{
    const pn_map m = j->d.x;
    sums s = { 0, 0 };
    for (ptrdiff_t y = 0; y < m.h; y++)
        for (ptrdiff_t x = 0; x < m.w; x++) {
            const ptrdiff_t at = pn_at(m, n, c, y, x);
            s.dy += dy_at(j, n, c, at);
            s.dy_xhat += dy_at(j, n, c, at) * ((double)j->x[at] - mean) * rstd;
        }
    return s;
}

static double weight_at(const job *j, ptrdiff_t c) { return j->p.weight ? (double)j->p.weight[c] : 1; }

/* dx = rstd (w dy - mean of w dy - xhat * mean of w dy xhat), means over the group */
static void dx_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const group g = group_of(&j->d, item);
    const double mean = (double)j->stats.mean[item], rstd = (double)j->stats.rstd[item];
    double of_dy = 0, of_xhat = 0;
    for (ptrdiff_t n = g.from; n < g.to; n++)
        for (ptrdiff_t c = g.first; c < g.last; c++) {
            const sums s = sums_of(j, n, c, mean, rstd);
            of_dy += weight_at(j, c) * s.dy / size_of(&j->d, g);
            of_xhat += weight_at(j, c) * s.dy_xhat / size_of(&j->d, g);
        }
    for (ptrdiff_t n = g.from; n < g.to; n++)
        for (ptrdiff_t c = g.first; c < g.last; c++) {
            for (ptrdiff_t y = 0; y < m.h; y++)
                for (ptrdiff_t x = 0; x < m.w; x++) {
                    const ptrdiff_t at = pn_at(m, n, c, y, x);
                    const double xhat = ((double)j->x[at] - mean) * rstd;
                    const double dx = rstd * (weight_at(j, c) * dy_at(j, n, c, at) - of_dy - xhat * of_xhat);
                    j->out.x.data[at] = (pn_real)(j->out.x.add ? (double)j->out.x.data[at] + dx : dx);
                }
            pn_ref_clear_lanes(j->out.x.data, m, n, c);
        }
}

static void into(pn_sink s, ptrdiff_t i, double v)
{
    if (s.data) s.data[i] = (pn_real)(s.add ? (double)s.data[i] + v : v);
}

static void params_item(void *arg, ptrdiff_t c, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_norm_dims *d = &j->d;
    const ptrdiff_t g = c / (d->x.c / d->groups);
    double dw = 0, db = 0;
    for (ptrdiff_t n = 0; n < d->x.n; n++) {
        const ptrdiff_t at = d->span == PN_OVER_BATCH ? g : n * d->groups + g;
        const sums s = sums_of(j, n, c, (double)j->stats.mean[at], (double)j->stats.rstd[at]);
        dw += s.dy_xhat;
        db += s.dy;
    }
    into(j->out.weight, c, dw);
    into(j->out.bias, c, db);
}

static void bwd(pn_pool *pool, pn_norm_sinks out, const pn_real *dy, const pn_real *x, pn_norm_stats saved,
                pn_norm_params p, pn_norm_dims d, void *scratch)
{
    (void)scratch;
    job j = { .d = d, .p = p, .stats = saved, .out = out, .x = x, .dy = dy };
    if (out.weight.data || out.bias.data) pn_parallel(pool, d.x.c, params_item, &j);
    if (out.x.data) pn_parallel(pool, groups(&d), dx_item, &j);         /* last: it may write over dy */
}

static size_t scratch(pn_norm_dims d) { (void)d; return 0; }

/* ---- Rows ------------------------------------------------------------------------------------------------------ */

static void rows_fwd(pn_pool *pool, pn_real *y, pn_norm_stats out, const pn_real *x, pn_norm_params p,
                     pn_row_norm_dims d)
{
    (void)pool;
    for (ptrdiff_t r = 0; r < d.rows; r++) {
        const pn_real *v = x + r * d.d;
        double mean = 0, var = 0;
        for (ptrdiff_t i = 0; i < d.d; i++) mean += (double)v[i];
        mean /= (double)d.d;
        for (ptrdiff_t i = 0; i < d.d; i++) var += ((double)v[i] - mean) * ((double)v[i] - mean);
        const double rstd = 1 / sqrt(var / (double)d.d + d.eps);
        for (ptrdiff_t i = 0; i < d.d; i++) {
            const double xhat = ((double)v[i] - mean) * rstd;
            y[r * d.d + i] = (pn_real)(xhat * (p.weight ? (double)p.weight[i] : 1) + (p.bias ? (double)p.bias[i] : 0));
        }
        out.mean[r] = (pn_real)mean;
        out.rstd[r] = (pn_real)rstd;
    }
}

static void rows_dx(pn_sink dx, const pn_real *dy, const pn_real *x, pn_norm_stats s, const pn_real *weight,
                    pn_row_norm_dims d)
{
    for (ptrdiff_t r = 0; r < d.rows; r++) {
        const double mean = (double)s.mean[r], rstd = (double)s.rstd[r];
        double of_dy = 0, of_xhat = 0;
        for (ptrdiff_t i = 0; i < d.d; i++) {
            const ptrdiff_t at = r * d.d + i;
            const double g = (double)dy[at] * (weight ? (double)weight[i] : 1);
            of_dy += g / (double)d.d;
            of_xhat += g * ((double)x[at] - mean) * rstd / (double)d.d;
        }
        for (ptrdiff_t i = 0; i < d.d; i++) {
            const ptrdiff_t at = r * d.d + i;
            const double g = (double)dy[at] * (weight ? (double)weight[i] : 1);
            into(dx, at, rstd * (g - of_dy - ((double)x[at] - mean) * rstd * of_xhat));
        }
    }
}

static void rows_bwd(pn_pool *pool, pn_norm_sinks out, const pn_real *dy, const pn_real *x, pn_norm_stats saved,
                     const pn_real *weight, pn_row_norm_dims d, void *scratch_memory)
{
    (void)pool; (void)scratch_memory;
    for (ptrdiff_t i = 0; (out.weight.data || out.bias.data) && i < d.d; i++) {
        double dw = 0, db = 0;
        for (ptrdiff_t r = 0; r < d.rows; r++) {
            const ptrdiff_t at = r * d.d + i;
            dw += (double)dy[at] * ((double)x[at] - (double)saved.mean[r]) * (double)saved.rstd[r];
            db += (double)dy[at];
        }
        into(out.weight, i, dw);
        into(out.bias, i, db);
    }
    if (out.x.data) rows_dx(out.x, dy, x, saved, weight, d);
}

static size_t rows_scratch(pn_row_norm_dims d) { (void)d; return 0; }

void pn_ref_add_norm(pn_kernels *k)
{
    k->norm = (pn_norm_kernels){ .fwd = fwd, .stats = stats, .apply = apply, .bwd = bwd, .scratch = scratch,
                                 .rows_fwd = rows_fwd, .rows_bwd = rows_bwd, .rows_scratch = rows_scratch };
}
