/* lib/kernels/ref/attention_correctness.c - the meaning of the sampling correctness loss: every similarity, in double
 *
 *   u = x + flow_0, v = y + flow_1 (the flow that the feature pixel reads, nearest)
 *   s = sum w S / sum w over the 4 x 4 pixels around;  c = s.t / max(|s| |t|, 1e-8)
 *   M = max_q S(q).t / ((|S(q)| + 1e-8)(|t| + 1e-8));  e = exp(-c / (M + 1e-8)) - 1 / e, weighed by the mask
 */
#include "kernels/ref/attention.h"

#include <math.h>

static const double eps = 1e-8;
enum { RADIUS = 2, TAPS = 2 * RADIUS };
static const double variance = 4;

typedef struct {
    pn_correctness_dims d;
    pn_correctness_inputs in;
    pn_real *slope;
    double *length;                 /* |S|, then |t|: [2][N,H,W] */
    double *value;                  /* e, times the mask: [N,H,W] */
    double share;                   /* of one pixel in the loss */
} job;

static ptrdiff_t pixels(pn_map m) { return m.n * m.h * m.w; }

static double dot(pn_map m, const pn_real *a, const pn_real *b, ptrdiff_t n, ptrdiff_t p, ptrdiff_t q)
{
    double sum = 0;
    for (ptrdiff_t c = 0; c < m.c; c++)
        sum += (double)a[pn_at(m, n, c, p / m.w, p % m.w)] * (double)b[pn_at(m, n, c, q / m.w, q % m.w)];
    return sum;
}

static void lengths(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.feature;
    const ptrdiff_t n = item / (m.h * m.w), p = item % (m.h * m.w);
    j->length[item] = sqrt(dot(m, j->in.source, j->in.source, n, p, p));
    j->length[pixels(m) + item] = sqrt(dot(m, j->in.target, j->in.target, n, p, p));
}

static double best_match(const job *j, ptrdiff_t n, ptrdiff_t p)
{
    const pn_map m = j->d.feature;
    const double *source = j->length + n * m.h * m.w, *target = source + pixels(m);
    double best = -INFINITY;
    for (ptrdiff_t q = 0; q < m.h * m.w; q++) {
        const double v = dot(m, j->in.source, j->in.target, n, q, p) / ((source[q] + eps) * (target[p] + eps));
        if (!(v <= best)) best = v;                     /* also when v is NaN */
        if (v != v) break;
    }
    return best;
}

/* Along one axis: the taps' weights over their sum, and the slopes of these in the rest. */
typedef struct { double w[TAPS], slope[TAPS]; ptrdiff_t at[TAPS]; } gauss;

static gauss gauss_at(pn_real flow, ptrdiff_t at, ptrdiff_t extent)
{
    const pn_ref_place p = pn_ref_place_of(flow, at, extent, RADIUS + 1);
    gauss g;
    double sum = 0, slopes = 0;
    for (int i = 0; i < TAPS; i++) {
        const double away = p.rest - (i - RADIUS + 1);
        g.at[i] = pn_ref_clamp(p.at + i - RADIUS + 1, 0, extent - 1);
        sum += g.w[i] = exp(-away * away / (2 * variance));
        slopes += g.slope[i] = -g.w[i] * away / variance;
    }
    for (int i = 0; i < TAPS; i++) {
        g.slope[i] = g.slope[i] / sum - g.w[i] * slopes / (sum * sum);
        g.w[i] /= sum;
    }
    return g;
}

/* Products over channels of the sample s, its slopes su and sv, and the target t. Slopes of weights add up to 0, so
 * slopes of samples are made of differences: none at all where taps coincide. */
typedef struct { double st, ss, s_su, s_sv, t_su, t_sv; } products;

static products sample(const job *j, ptrdiff_t n, ptrdiff_t p, const gauss *gx, const gauss *gy)
{
    const pn_map m = j->d.feature;
    products sum = { 0 };
    for (ptrdiff_t c = 0; c < m.c; c++) {
        double s = 0, su = 0, sv = 0;
        for (int i = 0; i < TAPS * TAPS; i++) {
            const int a = i / TAPS, b = i % TAPS;
            const double v = (double)j->in.source[pn_at(m, n, c, gy->at[a], gx->at[b])];
            const double left = (double)j->in.source[pn_at(m, n, c, gy->at[a], gx->at[0])];
            const double top = (double)j->in.source[pn_at(m, n, c, gy->at[0], gx->at[b])];
            s += gy->w[a] * gx->w[b] * v;
            su += gy->w[a] * gx->slope[b] * (v - left);
            sv += gy->slope[a] * gx->w[b] * (v - top);
        }
        const double t = (double)j->in.target[pn_at(m, n, c, p / m.w, p % m.w)];
        sum.st += s * t;
        sum.ss += s * s;
        sum.s_su += s * su;
        sum.s_sv += s * sv;
        sum.t_su += t * su;
        sum.t_sv += t * sv;
    }
    return sum;
}

static void pixel(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.feature, f = j->d.flow;
    const ptrdiff_t n = item / (m.h * m.w), p = item % (m.h * m.w), y = p / m.w, x = p % m.w;
    const ptrdiff_t reads = (n * 2 * f.h + y * f.h / m.h) * f.w + x * f.w / m.w;
    const gauss gx = gauss_at(j->in.flow[reads], x, m.w), gy = gauss_at(j->in.flow[reads + f.h * f.w], y, m.h);
    const products v = sample(j, n, p, &gx, &gy);
    const double both = sqrt(v.ss) * j->length[pixels(m) + item], floored = both < eps ? eps : both, c = v.st / floored;
    const double best = best_match(j, n, p) + eps, e = exp(-c / best), weight = j->in.mask ? (double)j->in.mask[item] : 1;
    /* d c / d s = t / (|s| |t|) - c s / |s|^2, the second term only where the divisor moves. */
    const double drag = both < eps ? 0 : c / v.ss, scale = -e / best * weight * j->share;
    const ptrdiff_t at = (n * 2 * m.h + y) * m.w + x;
    j->value[item] = weight * (e - exp(-1));
    j->slope[at] = (pn_real)(scale * (v.t_su / floored - drag * v.s_su));
    j->slope[at + m.h * m.w] = (pn_real)(scale * (v.t_sv / floored - drag * v.s_sv));
}

/* ---- Forward ------------------------------------------------------------------------------------------- */

static pn_attention_scratch correctness_scratch(pn_correctness_dims d, int threads)
{
    (void)threads;
    return (pn_attention_scratch){ (size_t)(3 * pixels(d.feature)) * sizeof(double), 0 };
}

static void correctness_fwd(pn_pool *pool, pn_real *loss, pn_real *slope, const pn_correctness_inputs *in,
                            pn_correctness_dims d, void *scratch)
{
    job j = { .d = d, .in = *in, .slope = slope, .length = scratch };
    const ptrdiff_t count = pixels(d.feature);
    j.value = j.length + 2 * count;
    double all = j.in.mask ? eps : (double)count;
    for (ptrdiff_t i = 0; j.in.mask && i < count; i++) all += (double)j.in.mask[i];
    j.share = 1 / all;
    pn_parallel(pool, count, lengths, &j);
    pn_parallel(pool, count, pixel, &j);
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++) sum += j.value[i];
    loss[0] = (pn_real)(sum * j.share);
}

/* ---- Backward ------------------------------------------------------------------------------------------ */

typedef struct { pn_correctness_dims d; const pn_real *slope; pn_sink dflow; double dloss; } flow_job;

/* One flow position: the sum over the feature pixels that read it. */
static void flow_position(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const flow_job *j = arg;
    const pn_map m = j->d.feature, f = j->d.flow;
    const ptrdiff_t plane = item / (f.h * f.w), fy = item / f.w % f.h, fx = item % f.w;
    double sum = 0;
    for (ptrdiff_t y = 0; y < m.h; y++)
        for (ptrdiff_t x = 0; x < m.w; x++)
            if (y * f.h / m.h == fy && x * f.w / m.w == fx) sum += (double)j->slope[(plane * m.h + y) * m.w + x];
    j->dflow.data[item] = pn_ref_into(j->dflow, item, j->dloss * sum);
}

static void correctness_bwd(pn_pool *pool, pn_sink dflow, const pn_real *dloss, const pn_real *slope,
                            pn_correctness_dims d)
{
    flow_job j = { d, slope, dflow, (double)dloss[0] };
    pn_parallel(pool, d.flow.n * 2 * d.flow.h * d.flow.w, flow_position, &j);
}

void pn_ref_add_correctness(pn_attention_kernels *k)
{
    k->correctness_scratch = correctness_scratch;
    k->correctness_fwd = correctness_fwd;
    k->correctness_bwd = correctness_bwd;
}
