/* lib/kernels/ref/resample.c - the meaning of pooling, resizing and reading at a flow's places; sums in double */
#include "kernels/kernels.h"

#include <math.h>

static ptrdiff_t lanes_of(pn_map m) { return pn_map_blocks(m) * m.b; }
static ptrdiff_t at_least(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

typedef struct { ptrdiff_t from, to; } span;

/* ---- Pooling ----------------------------------------------------------------------------------------------------------- */

/* The pixels under window i along one axis, padding left out. */
static span window(const pn_pool_dims *d, int axis, ptrdiff_t i)
{
    const ptrdiff_t first = i * d->stride[axis] - d->pad[axis];
    return (span){ at_least(first, 0), at_most(first + d->kernel[axis], axis ? d->x.w : d->x.h) };
}

/* The windows that pixel i lies under. */
static span windows_over(const pn_pool_dims *d, int axis, ptrdiff_t i)
{
    const ptrdiff_t last = (i + d->pad[axis]) / d->stride[axis], before = i + d->pad[axis] - d->kernel[axis];
    return (span){ before < 0 ? 0 : before / d->stride[axis] + 1, at_most(last + 1, axis ? d->y.w : d->y.h) };
}

static double window_sum(const pn_real *x, const pn_pool_dims *d, ptrdiff_t n, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    const span rows = window(d, 0, i), columns = window(d, 1, j);
    double sum = 0;
    for (ptrdiff_t p = rows.from; p < rows.to; p++)
        for (ptrdiff_t q = columns.from; q < columns.to; q++) sum += (double)x[pn_at(d->x, n, c, p, q)];
    return sum;
}

/* Where the first largest of a window lies; the first NaN counts as largest. */
static ptrdiff_t largest_at(const pn_real *x, const pn_pool_dims *d, ptrdiff_t n, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    const span rows = window(d, 0, i), columns = window(d, 1, j);
    ptrdiff_t best = pn_at(d->x, n, c, rows.from, columns.from);
    for (ptrdiff_t p = rows.from; p < rows.to; p++)
        for (ptrdiff_t q = columns.from; q < columns.to; q++) {
            const ptrdiff_t at = pn_at(d->x, n, c, p, q);
            if (x[at] > x[best] || (isnan(x[at]) && !isnan(x[best]))) best = at;
        }
    return best;
}

static void avg_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_pool_dims d)
{
    (void)pool;
    const double area = (double)(d.kernel[0] * d.kernel[1]);
    for (ptrdiff_t n = 0; n < d.y.n; n++)
        for (ptrdiff_t c = 0; c < lanes_of(d.y); c++)
            for (ptrdiff_t i = 0; i < d.y.h; i++)
                for (ptrdiff_t j = 0; j < d.y.w; j++) y[pn_at(d.y, n, c, i, j)] = (pn_real)(window_sum(x, &d, n, c, i, j) / area);
}

static void max_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_pool_dims d)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < d.y.n; n++)
        for (ptrdiff_t c = 0; c < lanes_of(d.y); c++)
            for (ptrdiff_t i = 0; i < d.y.h; i++)
                for (ptrdiff_t j = 0; j < d.y.w; j++) y[pn_at(d.y, n, c, i, j)] = x[largest_at(x, &d, n, c, i, j)];
}

/* Sum of dy over the windows that pixel (p, q) is in; with x given, over those it is the largest of. */
static double gathered(const pn_real *dy, const pn_real *x, const pn_pool_dims *d, ptrdiff_t n, ptrdiff_t c, ptrdiff_t p, ptrdiff_t q)
{
    const span rows = windows_over(d, 0, p), columns = windows_over(d, 1, q);
    double sum = 0;
    for (ptrdiff_t i = rows.from; i < rows.to; i++)
        for (ptrdiff_t j = columns.from; j < columns.to; j++)
            if (!x || largest_at(x, d, n, c, i, j) == pn_at(d->x, n, c, p, q)) sum += (double)dy[pn_at(d->y, n, c, i, j)];
    return sum;
}

static void spread(pn_sink dx, const pn_real *dy, const pn_real *x, double scale, const pn_pool_dims *d)
{
    for (ptrdiff_t n = 0; n < d->x.n; n++)
        for (ptrdiff_t c = 0; c < lanes_of(d->x); c++)
            for (ptrdiff_t p = 0; p < d->x.h; p++)
                for (ptrdiff_t q = 0; q < d->x.w; q++)
                    pn_put(dx, pn_at(d->x, n, c, p, q), gathered(dy, x, d, n, c, p, q) * scale);
}

static void avg_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_pool_dims d)
{
    (void)pool;
    spread(dx, dy, NULL, 1 / (double)(d.kernel[0] * d.kernel[1]), &d);
}

static void max_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, pn_pool_dims d)
{
    (void)pool;
    spread(dx, dy, x, 1, &d);
}

/* ---- Resizing ----------------------------------------------------------------------------------------------------------- */

typedef struct { ptrdiff_t first, second; double weight; } pair;        /* (1 - weight) first + weight second */

/* What output i reads along one axis. */
static pair read_by(const pn_resize_dims *d, int axis, ptrdiff_t i)
{
    const ptrdiff_t in = axis ? d->x.w : d->x.h, out = axis ? d->y.w : d->y.h;
    if (d->how == PN_NEAREST) return (pair){ i * in / out, i * in / out, 0 };
    double at = 0;
    if (d->grid == PN_HALF_PIXEL) at = ((double)i + 0.5) * (double)in / (double)out - 0.5;
    else if (out > 1) at = (double)i * (double)(in - 1) / (double)(out - 1);
    if (at < 0) at = 0;
    const ptrdiff_t first = at_most((ptrdiff_t)at, in - 1);
    return (pair){ first, at_most(first + 1, in - 1), at - (double)first };
}

/* How much of input p output i reads. */
static double share(const pn_resize_dims *d, int axis, ptrdiff_t i, ptrdiff_t p)
{
    const pair r = read_by(d, axis, i);
    return (r.first == p ? 1 - r.weight : 0) + (r.second == p ? r.weight : 0);
}

/* The outputs that read input p: places rise with i, so they lie together. */
static span readers(const pn_resize_dims *d, int axis, ptrdiff_t p)
{
    const ptrdiff_t outputs = axis ? d->y.w : d->y.h;
    ptrdiff_t low = 0, high = outputs;
    while (low < high) {                                /* the first that reads p or a later one */
        const ptrdiff_t middle = low + (high - low) / 2;
        if (read_by(d, axis, middle).second >= p) high = middle;
        else low = middle + 1;
    }
    span s = { low, low };
    while (s.to < outputs && read_by(d, axis, s.to).first <= p) s.to++;
    return s;
}

static pn_scratch_sizes resize_scratch(pn_resize_dims d, int threads) { (void)d; (void)threads; return (pn_scratch_sizes){ 0 }; }

static double interpolated(const pn_real *x, const pn_resize_dims *d, ptrdiff_t n, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    const pair r = read_by(d, 0, i), s = read_by(d, 1, j);
    const double upper = (1 - s.weight) * (double)x[pn_at(d->x, n, c, r.first, s.first)] +
                         s.weight * (double)x[pn_at(d->x, n, c, r.first, s.second)];
    const double lower = (1 - s.weight) * (double)x[pn_at(d->x, n, c, r.second, s.first)] +
                         s.weight * (double)x[pn_at(d->x, n, c, r.second, s.second)];
    return (1 - r.weight) * upper + r.weight * lower;
}

static void resize_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_resize_dims d, void *scratch)
{
    (void)pool; (void)scratch;
    for (ptrdiff_t n = 0; n < d.y.n; n++)
        for (ptrdiff_t c = 0; c < lanes_of(d.y); c++)
            for (ptrdiff_t i = 0; i < d.y.h; i++)
                for (ptrdiff_t j = 0; j < d.y.w; j++)
                    y[pn_at(d.y, n, c, i, j)] = d.how == PN_NEAREST ?
                        x[pn_at(d.x, n, c, read_by(&d, 0, i).first, read_by(&d, 1, j).first)] :
                        (pn_real)interpolated(x, &d, n, c, i, j);
}

static void resize_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_resize_dims d, void *scratch)
{
    (void)pool; (void)scratch;
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t p = 0; p < d.x.h; p++)
            for (ptrdiff_t q = 0; q < d.x.w; q++) {
                const span rows = readers(&d, 0, p), columns = readers(&d, 1, q);
                for (ptrdiff_t c = 0; c < lanes_of(d.x); c++) {
                    double sum = 0;
                    for (ptrdiff_t i = rows.from; i < rows.to; i++)
                        for (ptrdiff_t j = columns.from; j < columns.to; j++)
                            sum += share(&d, 0, i, p) * share(&d, 1, j, q) * (double)dy[pn_at(d.y, n, c, i, j)];
                    pn_put(dx, pn_at(d.x, n, c, p, q), sum);
                }
            }
}

/* ---- Reading at a flow's places --------------------------------------------------------------------------------------------- */

/* Along one axis: the pixels read (-1: outside a ZERO border), their weights, which add up to 1, and the weights' slopes
 * in the position. */
typedef struct { ptrdiff_t at[2 * PN_MAX_RADIUS]; double weight[2 * PN_MAX_RADIUS], slope[2 * PN_MAX_RADIUS]; } taps;

static void linear_weights(taps *t, double fraction)
{
    t->weight[0] = 1 - fraction;
    t->weight[1] = fraction;
    t->slope[0] = -1;
    t->slope[1] = 1;
}

/* exp(-(a - d)^2 / (2 sigma^2)) over its sum; the smallest exponent is taken out of all, so the sum is never 0. */
static void gauss_weights(taps *t, const pn_sample_dims *d, double fraction)
{
    const double sharp = 1 / (d->sigma * d->sigma), nearest = fraction < 0.5 ? fraction : 1 - fraction;
    double sum = 0, mean = 0;
    for (int k = 0; k < 2 * d->radius; k++) {
        const double off = fraction - (double)(k - d->radius + 1);
        t->weight[k] = exp((nearest * nearest - off * off) * sharp / 2);
        sum += t->weight[k];
    }
    for (int k = 0; k < 2 * d->radius; k++) {
        t->weight[k] /= sum;
        mean += t->weight[k] * (fraction - (double)(k - d->radius + 1));
    }
    for (int k = 0; k < 2 * d->radius; k++)
        t->slope[k] = t->weight[k] * sharp * (mean - (fraction - (double)(k - d->radius + 1)));
}

/* What is read at pixel i + flow. Positions far outside count as just outside, where all taps see the same pixel; NaN gives
 * NaN weights on a pixel that exists. */
static taps taps_at(const pn_sample_dims *d, ptrdiff_t i, double flow, ptrdiff_t extent)
{
    const double low = -(double)(i + d->radius + 1), high = (double)(extent + d->radius - i);
    taps t;
    flow = flow < low ? low : flow > high ? high : flow;
    const double cell = isnan(flow) ? 0 : floor(flow);
    const ptrdiff_t first = isnan(flow) ? 0 : i + (ptrdiff_t)cell - d->radius + 1;
    if (d->sigma > 0) gauss_weights(&t, d, flow - cell);
    else linear_weights(&t, flow - cell);
    for (int k = 0; k < 2 * d->radius; k++) {
        const ptrdiff_t at = isnan(flow) ? 0 : first + k, inside = at < 0 ? 0 : at >= extent ? extent - 1 : at;
        t.at[k] = at == inside || d->border == PN_BORDER_REPLICATE ? inside : -1;
    }
    return t;
}

typedef struct { taps rows, columns; } place;

/* A NaN in one part of the flow is one in both: no tap outside a ZERO border hides it. */
static place place_at(const pn_sample_dims *d, const pn_real *flow, ptrdiff_t n, ptrdiff_t i, ptrdiff_t j)
{
    const pn_map m = { d->y.n, 2, d->y.h, d->y.w, 1 };
    double u = (double)flow[pn_at(m, n, 0, i, j)], v = (double)flow[pn_at(m, n, 1, i, j)];
    if (isnan(u) || isnan(v)) u = v = (double)NAN;
    return (place){ taps_at(d, i, v, d->x.h), taps_at(d, j, u, d->x.w) };
}

/* sum over taps of row factor * column factor * x. */
static double weighed(const pn_real *x, const pn_sample_dims *d, ptrdiff_t n, ptrdiff_t c, const place *p, const double *rows,
                      const double *columns)
{
    double sum = 0;
    for (int a = 0; a < 2 * d->radius; a++)
        for (int b = 0; b < 2 * d->radius; b++)
            if (p->rows.at[a] >= 0 && p->columns.at[b] >= 0)
                sum += rows[a] * columns[b] * (double)x[pn_at(d->x, n, c, p->rows.at[a], p->columns.at[b])];
    return sum;
}

/* One plane of dx in double, so that what falls on one pixel is summed as everything else is. */
static pn_scratch_sizes sample_scratch(pn_sample_dims d, int threads)
{
    (void)threads;
    return (pn_scratch_sizes){ .bwd = (size_t)(d.x.h * d.x.w) * sizeof(double) };
}

static void sample_fwd(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *flow, pn_sample_dims d, void *scratch)
{
    (void)pool; (void)scratch;
    for (ptrdiff_t n = 0; n < d.y.n; n++)
        for (ptrdiff_t i = 0; i < d.y.h; i++)
            for (ptrdiff_t j = 0; j < d.y.w; j++) {
                const place p = place_at(&d, flow, n, i, j);
                for (ptrdiff_t c = 0; c < lanes_of(d.y); c++)
                    y[pn_at(d.y, n, c, i, j)] = c >= d.y.c ? 0 :
                        (pn_real)weighed(x, &d, n, c, &p, p.rows.weight, p.columns.weight);
            }
}

static void sample_bwd_flow(pn_sink dflow, const pn_real *dy, const pn_real *x, const pn_real *flow, const pn_sample_dims *d)
{
    const pn_map m = { d->y.n, 2, d->y.h, d->y.w, 1 };
    for (ptrdiff_t n = 0; n < d->y.n; n++)
        for (ptrdiff_t i = 0; i < d->y.h; i++)
            for (ptrdiff_t j = 0; j < d->y.w; j++) {
                const place p = place_at(d, flow, n, i, j);
                double along = 0, down = 0;
                for (ptrdiff_t c = 0; c < d->y.c; c++) {
                    const double g = (double)dy[pn_at(d->y, n, c, i, j)];
                    along += g * weighed(x, d, n, c, &p, p.rows.weight, p.columns.slope);
                    down += g * weighed(x, d, n, c, &p, p.rows.slope, p.columns.weight);
                }
                pn_put(dflow, pn_at(m, n, 0, i, j), along);
                pn_put(dflow, pn_at(m, n, 1, i, j), down);
            }
}

static void scatter(double *plane, double g, const pn_sample_dims *d, const place *p)
{
    for (int a = 0; a < 2 * d->radius; a++)
        for (int b = 0; b < 2 * d->radius; b++)
            if (p->rows.at[a] >= 0 && p->columns.at[b] >= 0)
                plane[p->rows.at[a] * d->x.w + p->columns.at[b]] += g * p->rows.weight[a] * p->columns.weight[b];
}

static void sample_bwd_x(pn_sink dx, const pn_real *dy, const pn_real *flow, const pn_sample_dims *d, double *plane)
{
    for (ptrdiff_t n = 0; n < d->x.n; n++)
        for (ptrdiff_t c = 0; c < lanes_of(d->x); c++) {
            for (ptrdiff_t i = 0; i < d->x.h * d->x.w; i++) plane[i] = 0;
            for (ptrdiff_t i = 0; i < d->y.h && c < d->x.c; i++)
                for (ptrdiff_t j = 0; j < d->y.w; j++) {
                    const place p = place_at(d, flow, n, i, j);
                    scatter(plane, (double)dy[pn_at(d->y, n, c, i, j)], d, &p);
                }
            for (ptrdiff_t i = 0; i < d->x.h; i++)
                for (ptrdiff_t j = 0; j < d->x.w; j++) pn_put(dx, pn_at(d->x, n, c, i, j), plane[i * d->x.w + j]);
        }
}

static void sample_bwd(pn_pool *pool, pn_sink dx, pn_sink dflow, const pn_real *dy, const pn_real *x, const pn_real *flow,
                       pn_sample_dims d, void *scratch)
{
    (void)pool;
    if (dflow.data) sample_bwd_flow(dflow, dy, x, flow, &d);
    if (dx.data) sample_bwd_x(dx, dy, flow, &d, scratch);
}

const pn_resample_kernels pn_ref_resample = {
    .avg_fwd = avg_fwd, .avg_bwd = avg_bwd, .max_fwd = max_fwd, .max_bwd = max_bwd,
    .resize_scratch = resize_scratch, .resize_fwd = resize_fwd, .resize_bwd = resize_bwd,
    .sample_scratch = sample_scratch, .sample_fwd = sample_fwd, .sample_bwd = sample_bwd,
};

void pn_ref_add_resample(pn_kernels *k) { k->resample = pn_ref_resample; }
