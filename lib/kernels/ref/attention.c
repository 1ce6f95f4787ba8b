/* lib/kernels/ref/attention.c - the meaning of local attention (see kernels/attention.h)
 *
 * Forward: a, h, then y from the k^2 samples one by one. Backward: first what belongs to a target position (da, the
 * softmax, dh, the flow), left in scratch; then sums over positions (w1, b1) and scatters (source, source_hidden), one
 * item per row or channel that is written.
 */
#include "kernels/ref/attention.h"

#include <math.h>

typedef struct {
    pn_local_dims d;
    pn_local_inputs in;
    const pn_local_sinks *out;
    const pn_real *dy;
    pn_real *y, *a, *h;
    pn_real *dlogit, *dhidden;      /* scratch of backward, like a and h */
    double *planes;                 /* one plane of source_hidden per worker */
} job;

static const double slope = 0.1;

/* Four neighbours and how much of each. */
typedef struct { ptrdiff_t y0, y1, x0, x1; double fy, fx; } cell;

static double tap(const pn_real *map, pn_map m, ptrdiff_t n, ptrdiff_t c, const cell *t)
{
    const double tl = (double)map[pn_at(m, n, c, t->y0, t->x0)], tr = (double)map[pn_at(m, n, c, t->y0, t->x1)];
    const double bl = (double)map[pn_at(m, n, c, t->y1, t->x0)], br = (double)map[pn_at(m, n, c, t->y1, t->x1)];
    return (1 - t->fx) * (1 - t->fy) * tl + t->fx * (1 - t->fy) * tr + (1 - t->fx) * t->fy * bl + t->fx * t->fy * br;
}

/* Slope of tap along columns (axis 0) or rows (axis 1). */
static double tap_slope(const pn_real *map, pn_map m, ptrdiff_t n, ptrdiff_t c, const cell *t, int axis)
{
    const double tl = (double)map[pn_at(m, n, c, t->y0, t->x0)], tr = (double)map[pn_at(m, n, c, t->y0, t->x1)];
    const double bl = (double)map[pn_at(m, n, c, t->y1, t->x0)], br = (double)map[pn_at(m, n, c, t->y1, t->x1)];
    return axis == 0 ? (1 - t->fy) * (tr - tl) + t->fy * (br - bl) : (1 - t->fx) * (bl - tl) + t->fx * (br - tr);
}

static void scatter(double *plane, ptrdiff_t width, const cell *t, double g)
{
    plane[t->y0 * width + t->x0] += (1 - t->fx) * (1 - t->fy) * g;
    plane[t->y0 * width + t->x1] += t->fx * (1 - t->fy) * g;
    plane[t->y1 * width + t->x0] += (1 - t->fx) * t->fy * g;
    plane[t->y1 * width + t->x1] += t->fx * t->fy * g;
}

typedef struct { ptrdiff_t n, y, x; pn_ref_place u, v; } target;

static target target_at(const job *j, ptrdiff_t n, ptrdiff_t y, ptrdiff_t x)
{
    const pn_map m = j->d.source;
    const ptrdiff_t at = ((n * 2 * m.h) + y) * m.w + x;
    return (target){ n, y, x, pn_ref_place_of(j->in.flow[at], x, m.w, j->d.k + 1),
                     pn_ref_place_of(j->in.flow[at + m.h * m.w], y, m.h, j->d.k + 1) };
}

/* In the source, for tap t of this target; in source_hidden, which begins k/2 pixels before the source. */
static cell cell_of_tap(const job *j, const target *p, ptrdiff_t t)
{
    const ptrdiff_t k = j->d.k, y = p->v.at + t / k - k / 2, x = p->u.at + t % k - k / 2;
    const ptrdiff_t h = j->d.source.h - 1, w = j->d.source.w - 1;
    return (cell){ pn_ref_clamp(y, 0, h), pn_ref_clamp(y + 1, 0, h), pn_ref_clamp(x, 0, w), pn_ref_clamp(x + 1, 0, w),
                   p->v.rest, p->u.rest };
}

static cell cell_of_hidden(const job *j, const target *p)
{
    const ptrdiff_t y = p->v.at + j->d.k / 2, x = p->u.at + j->d.k / 2;
    const ptrdiff_t h = j->d.source_hidden.h - 1, w = j->d.source_hidden.w - 1;
    return (cell){ pn_ref_clamp(y, 0, h), pn_ref_clamp(y + 1, 0, h), pn_ref_clamp(x, 0, w), pn_ref_clamp(x + 1, 0, w),
                   p->v.rest, p->u.rest };
}

static void clear_lanes(pn_real *map, pn_map m, const target *p)
{
    for (ptrdiff_t c = m.c; c < pn_map_blocks(m) * m.b; c++) map[pn_at(m, p->n, c, p->y, p->x)] = 0;
}

/* ---- Forward ------------------------------------------------------------------------------------------- */

static void hidden(const job *j, const target *p)
{
    const pn_map m = j->d.hidden;
    const cell t = cell_of_hidden(j, p);
    for (ptrdiff_t f = 0; f < m.c; f++) {
        const ptrdiff_t at = pn_at(m, p->n, f, p->y, p->x);
        const double v = (double)j->in.target_hidden[at] + tap(j->in.source_hidden, j->d.source_hidden, p->n, f, &t);
        j->h[at] = (pn_real)(v < 0 ? slope * v : v);
    }
    clear_lanes(j->h, m, p);
}

static void attention(const job *j, const target *p)
{
    const pn_map m = j->d.weight, hm = j->d.hidden;
    double logit[PN_LOCAL_MAX_K * PN_LOCAL_MAX_K], largest = 0, sum = 0;
    for (ptrdiff_t t = 0; t < m.c; t++) {
        logit[t] = (double)j->in.b1[t];
        for (ptrdiff_t f = 0; f < hm.c; f++)
            logit[t] += (double)j->in.w1[t * hm.c + f] * (double)j->h[pn_at(hm, p->n, f, p->y, p->x)];
        if (t == 0 || logit[t] > largest) largest = logit[t];
    }
    for (ptrdiff_t t = 0; t < m.c; t++) sum += logit[t] = exp(logit[t] - largest);
    for (ptrdiff_t t = 0; t < m.c; t++) j->a[pn_at(m, p->n, t, p->y, p->x)] = (pn_real)(logit[t] / sum);
    clear_lanes(j->a, m, p);
}

static void weighted_sum(const job *j, const target *p)
{
    const pn_map m = j->d.source, am = j->d.weight;
    for (ptrdiff_t c = 0; c < m.c; c++) {
        double sum = 0;
        for (ptrdiff_t t = 0; t < am.c; t++) {
            const cell s = cell_of_tap(j, p, t);
            sum += (double)j->a[pn_at(am, p->n, t, p->y, p->x)] * tap(j->in.source, m, p->n, c, &s);
        }
        j->y[pn_at(m, p->n, c, p->y, p->x)] = (pn_real)(sum / (double)am.c);
    }
    clear_lanes(j->y, m, p);
}

static void forward_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    for (ptrdiff_t x = 0; x < j->d.source.w; x++) {
        const target p = target_at(j, item / j->d.source.h, item % j->d.source.h, x);
        hidden(j, &p);
        attention(j, &p);
        weighted_sum(j, &p);
    }
}

static void local_fwd(pn_pool *pool, pn_real *y, pn_real *a, pn_real *h, const pn_local_inputs *in, pn_local_dims d,
                      void *scratch)
{
    (void)scratch;
    job j = { .d = d, .in = *in, .y = y, .a = a, .h = h };
    pn_parallel(pool, d.source.n * d.source.h, forward_row, &j);
}

/* ---- Backward: one target position --------------------------------------------------------------------- */

/* da_t = 1/k^2 sum_c dy_c s_t,c, then through the softmax. */
static void through_softmax(const job *j, const target *p)
{
    const pn_map m = j->d.source, am = j->d.weight;
    double da[PN_LOCAL_MAX_K * PN_LOCAL_MAX_K], mean = 0;
    for (ptrdiff_t t = 0; t < am.c; t++) {
        const cell s = cell_of_tap(j, p, t);
        da[t] = 0;
        for (ptrdiff_t c = 0; c < m.c; c++)
            da[t] += (double)j->dy[pn_at(m, p->n, c, p->y, p->x)] * tap(j->in.source, m, p->n, c, &s);
        da[t] = da[t] / (double)am.c - (t ? da[0] : 0); /* only differences pass a softmax */
        if (t) mean += da[t] * (double)j->in.a[pn_at(am, p->n, t, p->y, p->x)];
    }
    da[0] = 0;
    for (ptrdiff_t t = 0; t < am.c; t++) {
        const ptrdiff_t at = pn_at(am, p->n, t, p->y, p->x);
        j->dlogit[at] = (pn_real)((double)j->in.a[at] * (da[t] - mean));
    }
    clear_lanes(j->dlogit, am, p);
}

static void through_hidden(const job *j, const target *p)
{
    const pn_sink to = j->out->target_hidden;
    const pn_map m = j->d.hidden, am = j->d.weight;
    for (ptrdiff_t f = 0; f < m.c; f++) {
        const ptrdiff_t at = pn_at(m, p->n, f, p->y, p->x);
        double sum = 0;
        for (ptrdiff_t t = 0; t < am.c; t++)
            sum += (double)j->in.w1[t * m.c + f] * (double)j->dlogit[pn_at(am, p->n, t, p->y, p->x)];
        j->dhidden[at] = (pn_real)(j->in.h[at] > 0 ? sum : slope * sum);
        if (to.data) to.data[at] = pn_ref_into(to, at, (double)j->dhidden[at]);
    }
    clear_lanes(j->dhidden, m, p);
    if (to.data) clear_lanes(to.data, m, p);
}

static void through_flow(const job *j, const target *p, int axis)
{
    const pn_map m = j->d.source, am = j->d.weight, hm = j->d.hidden;
    const cell q = cell_of_hidden(j, p);
    double sum = 0;
    for (ptrdiff_t f = 0; f < hm.c; f++)
        sum += (double)j->dhidden[pn_at(hm, p->n, f, p->y, p->x)] *
               tap_slope(j->in.source_hidden, j->d.source_hidden, p->n, f, &q, axis);
    for (ptrdiff_t t = 0; t < am.c; t++) {
        const cell s = cell_of_tap(j, p, t);
        double inner = 0;
        for (ptrdiff_t c = 0; c < m.c; c++)
            inner += (double)j->dy[pn_at(m, p->n, c, p->y, p->x)] * tap_slope(j->in.source, m, p->n, c, &s, axis);
        sum += inner * (double)j->in.a[pn_at(am, p->n, t, p->y, p->x)] / (double)am.c;
    }
    const ptrdiff_t at = ((p->n * 2 + axis) * m.h + p->y) * m.w + p->x;
    j->out->flow.data[at] = pn_ref_into(j->out->flow, at, sum);
}

static void backward_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    for (ptrdiff_t x = 0; x < j->d.source.w; x++) {
        const target p = target_at(j, item / j->d.source.h, item % j->d.source.h, x);
        through_softmax(j, &p);
        through_hidden(j, &p);
        for (int axis = 0; j->out->flow.data && axis < 2; axis++) through_flow(j, &p, axis);
    }
}

/* ---- Backward: sums over positions, and scatters ------------------------------------------------------- */

static void weight_row(void *arg, ptrdiff_t t, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.hidden, am = j->d.weight;
    for (ptrdiff_t f = -1; f < m.c; f++) {              /* -1: the bias */
        const pn_sink to = f < 0 ? j->out->b1 : j->out->w1;
        if (!to.data) continue;
        double sum = 0;
        for (ptrdiff_t i = 0; i < am.n * am.h * am.w; i++) {
            const ptrdiff_t n = i / (am.h * am.w), y = i / am.w % am.h, x = i % am.w;
            sum += (double)j->dlogit[pn_at(am, n, t, y, x)] * (f < 0 ? 1 : (double)j->in.h[pn_at(m, n, f, y, x)]);
        }
        const ptrdiff_t at = f < 0 ? t : t * m.c + f;
        to.data[at] = pn_ref_into(to, at, sum);
    }
}

/* One (n, channel) as it goes into a sink; zeros for the lanes past the last. */
static void put_plane(pn_sink to, pn_map m, ptrdiff_t n, ptrdiff_t c, const double *plane)
{
    for (ptrdiff_t i = 0; i < m.h * m.w; i++) {
        const ptrdiff_t at = pn_at(m, n, c, i / m.w, i % m.w);
        to.data[at] = c < m.c ? pn_ref_into(to, at, plane[i]) : 0;
    }
}

static void source_plane(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const pn_map m = j->d.source, am = j->d.weight;
    const ptrdiff_t lanes = pn_map_blocks(m) * m.b, n = item / lanes, c = item % lanes;
    double *plane = j->planes + worker * j->d.source_hidden.h * j->d.source_hidden.w;
    for (ptrdiff_t i = 0; i < m.h * m.w; i++) plane[i] = 0;
    for (ptrdiff_t i = 0; c < m.c && i < m.h * m.w * am.c; i++) {
        const target p = target_at(j, n, i / am.c / m.w, i / am.c % m.w);
        const cell s = cell_of_tap(j, &p, i % am.c);
        scatter(plane, m.w, &s, (double)j->dy[pn_at(m, n, c, p.y, p.x)] *
                                (double)j->in.a[pn_at(am, n, i % am.c, p.y, p.x)] / (double)am.c);
    }
    put_plane(j->out->source, m, n, c, plane);
}

static void source_hidden_plane(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const pn_map m = j->d.source_hidden;
    const ptrdiff_t lanes = pn_map_blocks(m) * m.b, n = item / lanes, f = item % lanes;
    double *plane = j->planes + worker * m.h * m.w;
    for (ptrdiff_t i = 0; i < m.h * m.w; i++) plane[i] = 0;
    for (ptrdiff_t i = 0; f < m.c && i < j->d.hidden.h * j->d.hidden.w; i++) {
        const target p = target_at(j, n, i / j->d.hidden.w, i % j->d.hidden.w);
        const cell q = cell_of_hidden(j, &p);
        scatter(plane, m.w, &q, (double)j->dhidden[pn_at(j->d.hidden, n, f, p.y, p.x)]);
    }
    put_plane(j->out->source_hidden, m, n, f, plane);
}

static pn_attention_scratch local_scratch(pn_local_dims d, int threads)
{
    const size_t values = (size_t)(pn_map_stored(d.weight) + pn_map_stored(d.hidden)) * sizeof(pn_real);
    const size_t planes = (size_t)(threads * d.source_hidden.h * d.source_hidden.w) * sizeof(double);
    return (pn_attention_scratch){ 0, planes + values };
}

static void local_bwd(pn_pool *pool, const pn_local_sinks *out, const pn_real *dy, const pn_local_inputs *in,
                      pn_local_dims d, void *scratch)
{
    job j = { .d = d, .in = *in, .out = out, .dy = dy, .planes = scratch };
    j.dlogit = (pn_real *)(void *)(j.planes + pn_pool_size(pool) * d.source_hidden.h * d.source_hidden.w);
    j.dhidden = j.dlogit + pn_map_stored(d.weight);
    pn_parallel(pool, d.source.n * d.source.h, backward_row, &j);
    pn_parallel(pool, d.weight.c, weight_row, &j);
    if (out->source.data) pn_parallel(pool, d.source.n * pn_map_blocks(d.source) * d.source.b, source_plane, &j);
    const ptrdiff_t features = pn_map_blocks(d.source_hidden) * d.source_hidden.b;
    if (out->source_hidden.data) pn_parallel(pool, d.source_hidden.n * features, source_hidden_plane, &j);
}

void pn_ref_add_attention(pn_kernels *k)
{
    k->attention = (pn_attention_kernels){
        .local_scratch = local_scratch, .local_fwd = local_fwd, .local_bwd = local_bwd,
    };
    pn_ref_add_correctness(&k->attention);
    pn_ref_add_regularisation(&k->attention);
    pn_ref_add_full_attention(&k->attention);
    k->attention.channel = pn_ref_channel;
}
