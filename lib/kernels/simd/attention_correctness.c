/* simd/attention_correctness.c - the sampling correctness loss: a blocked product that keeps nothing but maxima
 *
 * Per image: source features are divided by their length and laid out in panels, [channel][PANEL positions]. An item is
 * STRIP target positions; their features are laid out in tiles, [channel][TILE], and go against all panels.
 * A position's length scales all its similarities alike, so the target's is applied to the maximum.
 */
#include "kernels/simd/attention.h"

enum {
    TILE = VLEN == 16 ? 8 : 6,      /* target positions ... */
    PANEL_VECS = VLEN == 16 ? 3 : 2,/* ... times vectors of source positions held in registers */
    PANEL = PANEL_VECS * VLEN,
    TILES = 48 / TILE,              /* against one panel while it is in the second level cache */
    STRIP = TILES * TILE,
    RADIUS = 2, TAPS = 2 * RADIUS,  /* of the Gaussian */
};
static const float eps = 1e-8f, variance = 4;

typedef struct {
    pn_correctness_dims d;
    pn_correctness_inputs in;
    float *slope;
    ptrdiff_t n, pixels;            /* the image at work; H W */
    ptrdiff_t channels;             /* rounded up to whole blocks */
    ptrdiff_t panels, strips;
    double *value;                  /* [N][strips]: sums of exp(-c / M) - 1 / e, times the mask */
    double share;                   /* of one pixel in the loss */
    float *panel;                   /* [panels][channels][PANEL] */
    float *poison;                  /* [panels]: 0, or NaN when a length in it is no finite number */
    float *tiles;                   /* per worker [TILES][channels][TILE] */
    float poisoned;
} job;

static job make(pn_correctness_dims d)
{
    job j = { .d = d, .pixels = d.feature.h * d.feature.w, .channels = pn_map_blocks(d.feature) * PN_BLOCK };
    j.panels = (j.pixels + PANEL - 1) / PANEL;
    j.strips = (j.pixels + STRIP - 1) / STRIP;
    return j;
}

static ptrdiff_t tiles_of_worker(const job *j) { return TILES * j->channels * TILE; }

static const float *position(const job *j, const float *map, ptrdiff_t p)
{
    return map + (j->n * j->channels * j->pixels) + p * PN_BLOCK;
}

/* ---- Layout -------------------------------------------------------------------------------------------- */

static float squares(const job *j, const float *x)
{
    vec sum = vec_all(0);
    for (ptrdiff_t c = 0; c < j->channels; c += PN_BLOCK, x += j->pixels * PN_BLOCK)
        for (int v = 0; v < PN_BLOCK; v += VLEN) sum += vec_load(x + v) * vec_load(x + v);
    return vec_sum(sum);
}

/* Positions past the last repeat it: they change no maximum. */
static void lay_panel(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    float *to = j->panel + item * j->channels * PANEL, poison = 0;
    for (ptrdiff_t i = 0; i < PANEL; i++) {
        const float *x = position(j, j->in.source, inside(item * PANEL + i, j->pixels));
        const float length = sqrtf(squares(j, x)), scale = 1 / (length + eps);
        poison += 0 * length;
        for (ptrdiff_t c = 0; c < j->channels; c += PN_BLOCK, x += j->pixels * PN_BLOCK)
            for (int lane = 0; lane < PN_BLOCK; lane++) to[(c + lane) * PANEL + i] = x[lane] * scale;
    }
    j->poison[item] = poison;
}

static void lay_tile(const job *j, ptrdiff_t first, float *to)
{
    for (ptrdiff_t i = 0; i < TILE; i++) {
        const float *x = position(j, j->in.target, inside(first + i, j->pixels));
        for (ptrdiff_t c = 0; c < j->channels; c += PN_BLOCK, x += j->pixels * PN_BLOCK)
            for (int lane = 0; lane < PN_BLOCK; lane++) to[(c + lane) * TILE + i] = x[lane];
    }
}

/* ---- The product --------------------------------------------------------------------------------------- */

/* The products of a tile with a panel, into the maxima so far; meanwhile a share of the next panel is fetched. */
static void match(const float *tile, const float *panel, const float *ahead, ptrdiff_t channels, float *best)
{
    vec acc[TILE * PANEL_VECS];
#pragma GCC unroll 32
    for (int i = 0; i < TILE * PANEL_VECS; i++) acc[i] = vec_all(0);
    for (const float *const end = tile + channels * TILE; tile < end; tile += TILE, panel += PANEL, ahead += PANEL / TILES) {
        __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 8
        for (int i = 0; i < TILE; i++) {
            const vec t = vec_all(tile[i]);
#pragma GCC unroll 4
            for (int v = 0; v < PANEL_VECS; v++) acc[i * PANEL_VECS + v] += t * vec_load(panel + v * VLEN);
        }
    }
#pragma GCC unroll 32
    for (int i = 0; i < TILE * PANEL_VECS; i++) vec_store(best + i * VLEN, vec_max(vec_load(best + i * VLEN), acc[i]));
}

/* For each position of the strip: the largest product with a source of length 1. */
static void best_matches(const job *j, ptrdiff_t first, ptrdiff_t count, float *tiles, float *largest)
{
    float best[STRIP * PANEL];
    const ptrdiff_t used = (count + TILE - 1) / TILE;
    for (ptrdiff_t i = 0; i < used * TILE * PANEL; i++) best[i] = -INFINITY;
    for (ptrdiff_t t = 0; t < used; t++) lay_tile(j, first + t * TILE, tiles + t * j->channels * TILE);
    for (ptrdiff_t i = 0; i < j->panels; i++) {
        const float *panel = j->panel + i * j->channels * PANEL, *next = panel + j->channels * PANEL;
        for (ptrdiff_t t = 0; t < used; t++)
            match(tiles + t * j->channels * TILE, panel, next + t * j->channels * (PANEL / TILES), j->channels,
                  best + t * TILE * PANEL);
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        const float *of = best + i * PANEL;
        float top = of[0];
        for (ptrdiff_t q = 1; q < PANEL; q++) top = of[q] > top ? of[q] : top;
        largest[i] = top + j->poisoned;
    }
}

/* ---- The sample ---------------------------------------------------------------------------------------- */

/* Along both axes (columns, rows): the taps' weights over their sum, and the slopes of these in the rest. */
typedef struct { float w[2][TAPS], slope[2][TAPS]; ptrdiff_t at[2][TAPS]; } gauss;

static void find_gauss(const job *j, ptrdiff_t p, gauss *g)
{
    const pn_map m = j->d.feature, f = j->d.flow;
    const ptrdiff_t place[2] = { p % m.w, p / m.w }, extent[2] = { m.w, m.h }, step[2] = { PN_BLOCK, m.w * PN_BLOCK };
    const float *flow = j->in.flow + (j->n * 2 * f.h + place[1] * f.h / m.h) * f.w + place[0] * f.w / m.w;
    float away[2][TAPS], power[PN_BLOCK] = { 0 };
    for (int axis = 0; axis < 2; axis++) {
        const flow_place u = flow_place_of(flow[axis * f.h * f.w], place[axis], extent[axis], RADIUS + 1);
        for (int i = 0; i < TAPS; i++) {
            g->at[axis][i] = inside(u.at + i - RADIUS + 1, extent[axis]) * step[axis];
            away[axis][i] = u.rest - (float)(i - RADIUS + 1);
            power[axis * TAPS + i] = -away[axis][i] * away[axis][i] / (2 * variance);
        }
    }
    for (int v = 0; v < 2 * TAPS; v += VLEN) vec_store(power + v, vec_exp(vec_load(power + v)));
    for (int axis = 0; axis < 2; axis++) {
        float sum = 0, slopes = 0;
        for (int i = 0; i < TAPS; i++) {
            sum += g->w[axis][i] = power[axis * TAPS + i];
            slopes += g->slope[axis][i] = -g->w[axis][i] * away[axis][i] / variance;
        }
        for (int i = 0; i < TAPS; i++) {
            g->slope[axis][i] = (g->slope[axis][i] - g->w[axis][i] * slopes / sum) / sum;
            g->w[axis][i] /= sum;
        }
    }
}

/* Products over channels of the sample s, its slopes su and sv, and the target t. Slopes of weights add up to 0, so
 * slopes of samples are made of differences: none at all where taps coincide. */
typedef struct { float st, ss, tt, s_su, s_sv, t_su, t_sv; } products;

static products sample(const job *j, ptrdiff_t p, const gauss *g)
{
    const float *source = position(j, j->in.source, 0), *target = position(j, j->in.target, p);
    vec st = vec_all(0), ss = st, tt = st, s_su = st, s_sv = st, t_su = st, t_sv = st;
    const ptrdiff_t plane = j->pixels * PN_BLOCK;
    for (ptrdiff_t c = 0; c < j->channels; c += PN_BLOCK, source += plane, target += plane)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            vec s = vec_all(0), su = s, sv = s, top = s;
#pragma GCC unroll 4
            for (int a = 0; a < TAPS; a++) {
                const float *row = source + g->at[1][a] + v;
                const vec left = vec_load(row + g->at[0][0]);
                vec across = g->w[0][0] * left, slope = vec_all(0);
#pragma GCC unroll 3
                for (int b = 1; b < TAPS; b++) {
                    const vec tap = vec_load(row + g->at[0][b]);
                    across += g->w[0][b] * tap;
                    slope += g->slope[0][b] * (tap - left);
                }
                if (a == 0) top = across;
                s += g->w[1][a] * across;
                su += g->w[1][a] * slope;
                sv += g->slope[1][a] * (across - top);
            }
            const vec t = vec_load(target + v);
            st += s * t;
            ss += s * s;
            tt += t * t;
            s_su += s * su;
            s_sv += s * sv;
            t_su += t * su;
            t_sv += t * sv;
        }
    return (products){ .st = vec_sum(st), .ss = vec_sum(ss), .tt = vec_sum(tt), .s_su = vec_sum(s_su),
                       .s_sv = vec_sum(s_sv), .t_su = vec_sum(t_su), .t_sv = vec_sum(t_sv) };
}

/* ---- A strip of target positions ----------------------------------------------------------------------- */

/* The cosine; slope takes its slopes along columns and rows; *length is that of the target. */
static float cosine(const job *j, ptrdiff_t p, float slope[2], float *length)
{
    gauss g;
    find_gauss(j, p, &g);
    const products v = sample(j, p, &g);
    const float s = sqrtf(v.ss), t = sqrtf(v.tt), both = s * t, floored = both < eps ? eps : both, c = v.st / floored;
    /* d c / d s = t / (|s| |t|) - c s / |s|^2, the second term only where the divisor moves. */
    const float drag = both < eps ? 0 : c / v.ss;
    slope[0] = v.t_su / floored - drag * v.s_su;
    slope[1] = v.t_sv / floored - drag * v.s_sv;
    *length = t;
    return c;
}

static void strip(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const ptrdiff_t first = item * STRIP, left = j->pixels - first, count = left < STRIP ? left : STRIP;
    float best[STRIP], power[STRIP] = { 0 }, slope[STRIP][2];
    best_matches(j, first, count, j->tiles + worker * tiles_of_worker(j), best);
    for (ptrdiff_t i = 0; i < count; i++) {
        float length;
        const float c = cosine(j, first + i, slope[i], &length);
        best[i] = best[i] / (length + eps) + eps;
        power[i] = -c / best[i];
    }
    for (ptrdiff_t i = 0; i < STRIP; i += VLEN) vec_store(power + i, vec_exp(vec_load(power + i)));
    const float share = (float)j->share, *mask = j->in.mask ? j->in.mask + j->n * j->pixels + first : NULL;
    float *to = j->slope + j->n * 2 * j->pixels + first;
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const float weight = mask ? mask[i] : 1, scale = -power[i] / best[i] * (share * weight);
        to[i] = scale * slope[i][0];
        to[i + j->pixels] = scale * slope[i][1];
        sum += (double)weight * ((double)power[i] - exp(-1));
    }
    j->value[j->n * j->strips + item] = sum;
}

/* ---- Forward, backward --------------------------------------------------------------------------------- */

/* panel, tiles, poison, and last, at a whole number of lines, value. */
static ptrdiff_t floats_before_value(const job *j, int threads)
{
    return round_up(j->panels * j->channels * PANEL + threads * tiles_of_worker(j) + j->panels, PN_BLOCK);
}

static pn_attention_scratch correctness_scratch(pn_correctness_dims d, int threads)
{
    const job j = make(d);
    const size_t values = (size_t)(d.feature.n * j.strips) * sizeof *j.value;
    return (pn_attention_scratch){ (size_t)floats_before_value(&j, threads) * sizeof(float) + values, 0 };
}

static void correctness_fwd(pn_pool *pool, pn_real *loss, pn_real *slope, const pn_correctness_inputs *in,
                            pn_correctness_dims d, void *scratch)
{
    job j = make(d);
    const int threads = pn_pool_size(pool);
    j.in = *in;
    j.slope = slope;
    j.panel = scratch;
    j.tiles = j.panel + j.panels * j.channels * PANEL;
    j.poison = j.tiles + threads * tiles_of_worker(&j);
    j.value = (double *)(void *)(j.panel + floats_before_value(&j, threads));
    const ptrdiff_t count = d.feature.n * j.pixels;
    double sum = 0, all = in->mask ? (double)eps : (double)count;
    for (ptrdiff_t i = 0; in->mask && i < count; i++) all += (double)in->mask[i];
    j.share = 1 / all;
    for (j.n = 0; j.n < d.feature.n; j.n++) {
        pn_parallel(pool, j.panels, lay_panel, &j);
        j.poisoned = 0;
        for (ptrdiff_t i = 0; i < j.panels; i++) j.poisoned += j.poison[i];
        pn_parallel(pool, j.strips, strip, &j);
        for (ptrdiff_t i = 0; i < j.strips; i++) sum += j.value[j.n * j.strips + i];
    }
    loss[0] = (float)(sum * j.share);
}

typedef struct { pn_correctness_dims d; const float *slope; pn_sink dflow; float dloss; } flow_job;

/* The first feature pixel along an axis that reads flow position i. */
static ptrdiff_t first_reader(ptrdiff_t i, ptrdiff_t features, ptrdiff_t flows)
{
    return (i * features + flows - 1) / flows;
}

/* One row of a plane of the flow: for each position the sum over the feature pixels that read it. */
static void flow_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const flow_job *j = arg;
    const pn_map m = j->d.feature, f = j->d.flow;
    const ptrdiff_t plane = item / f.h, fy = item % f.h;
    const ptrdiff_t top = first_reader(fy, m.h, f.h), bottom = first_reader(fy + 1, m.h, f.h);
    for (ptrdiff_t fx = 0, left = 0; fx < f.w; fx++) {
        const ptrdiff_t right = first_reader(fx + 1, m.w, f.w), at = item * f.w + fx;
        float sum = 0;
        for (ptrdiff_t y = top; y < bottom; y++)
            for (ptrdiff_t x = left; x < right; x++) sum += j->slope[(plane * m.h + y) * m.w + x];
        j->dflow.data[at] = (j->dflow.add ? j->dflow.data[at] : 0) + j->dloss * sum;
        left = right;
    }
}

static void correctness_bwd(pn_pool *pool, pn_sink dflow, const pn_real *dloss, const pn_real *slope,
                            pn_correctness_dims d)
{
    flow_job j = { d, slope, dflow, dloss[0] };
    pn_parallel(pool, d.flow.n * 2 * d.flow.h, flow_row, &j);
}

void PN_SIMD(pn_simd_correctness)(pn_attention_kernels *k)
{
    k->correctness_scratch = correctness_scratch;
    k->correctness_fwd = correctness_fwd;
    k->correctness_bwd = correctness_bwd;
}
