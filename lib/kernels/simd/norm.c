/* lib/kernels/simd/norm.c - norms of maps: instance, group, batch
 *
 * A plane is one block of 16 channels, or one planar channel, of one sample; a span is a piece of it. Statistics are
 * gathered per span and lane, joined per group of channels, and turned into four numbers per lane that one pass
 * applies. Where every channel stands alone and its plane fits the cache, all of that happens while the plane is there.
 */
#include "kernels/simd/moments.h"

/* Forward: y = (x - mean) slope + shift. Backward: dx = dy scale + (x - mean) slope + shift. Lanes past c hold
 * zeros. behind: scale and shift of the activation that dy comes through, where there is one. */
typedef struct { float mean[PN_BLOCK], scale[PN_BLOCK], slope[PN_BLOCK], shift[PN_BLOCK], behind[2][PN_BLOCK]; } coefficients;

/* Of one span, forward: mean and squared deviations; backward: sums of dy and of dy (x - mean). */
typedef struct { double first[PN_BLOCK], second[PN_BLOCK]; } gathered;

typedef struct {
    pn_norm_dims d;
    pn_norm_params p;
    pn_norm_stats stats;
    pn_sink y;                      /* result, or dx */
    pn_norm_sinks out;
    const float *x, *dy;            /* dy NULL: forward */
    ptrdiff_t planes, spans;        /* spans of a plane */
    gathered *gathered;             /* [planes][spans] */
    coefficients *of;               /* [planes] */
    bool apply;
} job;

enum { FITS_CACHE = 1 << 17, PLANES_ENOUGH = 8 };

static ptrdiff_t plane_size(pn_map m) { return m.h * m.w * m.b; }
static ptrdiff_t planes_of(pn_map m) { return m.n * pn_map_blocks(m); }

/* ---- One span -------------------------------------------------------------------------------------------------- */

typedef struct { ptrdiff_t at, count; } span;

static span span_of(const job *j, ptrdiff_t plane, ptrdiff_t s)
{
    const ptrdiff_t size = plane_size(j->d.x);
    return (span){ plane * size + s * PN_CHUNK, pn_smaller(PN_CHUNK, size - s * PN_CHUNK) };
}

static void gather_x(const job *j, gathered *g, span s)
{
    const pn_moments m = j->d.x.b == 1 ? pn_moments_of_run(j->x + s.at, s.count)
                                       : pn_moments_of_lanes(j->x + s.at, s.count / PN_BLOCK);
    memcpy(g->first, m.mean, sizeof g->first);
    memcpy(g->second, m.squares, sizeof g->second);
}

/* dy before the activation behind: as it is where x scale + shift is above 0, and slope times that elsewhere. */
static inline vec before(const coefficients *c, int v, vec x, vec dy, float slope)
{
    const vec y = x * vec_load(c->behind[0] + v * VLEN) + vec_load(c->behind[1] + v * VLEN);
    return vec_if(y > vec_all(0), dy, dy * slope);
}

/* Sums in float over a chunk, then in double. */
__attribute__((always_inline)) static inline void gather_dy(const job *j, gathered *g, span s, const coefficients *c,
                                                            bool behind)
{
    const float *x = j->x + s.at, *dy = j->dy + s.at, slope = behind ? j->p.behind->slope : 1;
    vec mean[VECS];
    for (int v = 0; v < VECS; v++) mean[v] = vec_load(c->mean + v * VLEN);
    *g = (gathered){ { 0 }, { 0 } };
    ptrdiff_t i = 0;
    while (i + PN_BLOCK <= s.count) {
        const ptrdiff_t end = pn_smaller(i + PN_MOMENT_GROUPS * PN_BLOCK, s.count / PN_BLOCK * PN_BLOCK);
        vec first[VECS], second[VECS];
        for (int v = 0; v < VECS; v++) first[v] = second[v] = (vec){ 0 };
        for (; i < end; i += PN_BLOCK)
            for (int v = 0; v < VECS; v++) {
                const vec at = vec_load(x + i + v * VLEN);
                vec gradient = vec_load(dy + i + v * VLEN);
                if (behind) gradient = before(c, v, at, gradient, slope);
                first[v] += gradient;
                second[v] += gradient * (at - mean[v]);
            }
        float of[2][PN_BLOCK];
        for (int v = 0; v < VECS; v++) {
            vec_store(of[0] + v * VLEN, first[v]);
            vec_store(of[1] + v * VLEN, second[v]);
        }
        for (int lane = 0; lane < PN_BLOCK; lane++) {
            g->first[lane] += (double)of[0][lane];
            g->second[lane] += (double)of[1][lane];
        }
    }
    if (j->d.x.b > 1) return;
    for (int lane = 1; lane < PN_BLOCK; lane++) {       /* a planar channel: all lanes are one */
        g->first[0] += g->first[lane];
        g->second[0] += g->second[lane];
    }
    for (; i < s.count; i++) {
        const bool passes = !behind || x[i] * c->behind[0][0] + c->behind[1][0] > 0;
        const double gradient = (double)(passes ? dy[i] : dy[i] * slope);
        g->first[0] += gradient;
        g->second[0] += gradient * ((double)x[i] - (double)c->mean[0]);
    }
}

static inline vec applied(const coefficients *c, int v, vec x, vec dy)
{
    return dy * vec_load(c->scale + v * VLEN) + ((x - vec_load(c->mean + v * VLEN)) * vec_load(c->slope + v * VLEN) +
                                                 vec_load(c->shift + v * VLEN));
}

typedef enum { FORWARD, BACKWARD, BEHIND } direction;     /* behind: backward through the activation behind as well */

__attribute__((always_inline)) static inline void apply(const job *j, span s, const coefficients *of, direction way,
                                                        bool add)
{
    const bool backward = way != FORWARD;
    const float through = way == BEHIND ? j->p.behind->slope : 1;
    const coefficients c = *of;
    const float *x = j->x + s.at, *dy = j->dy + (backward ? s.at : 0);
    float *y = j->y.data + s.at;
    const vec none = { 0 };
    ptrdiff_t i = 0;
    for (; i + PN_BLOCK <= s.count; i += PN_BLOCK)
        for (int v = 0; v < VECS; v++) {
            const ptrdiff_t at = i + v * VLEN;
            const vec from = vec_load(x + at);
            vec gradient = backward ? vec_load(dy + at) : none;
            if (way == BEHIND) gradient = before(&c, v, from, gradient, through);
            const vec r = applied(&c, v, from, gradient);
            vec_store(y + at, add ? vec_load(y + at) + r : r);
        }
    for (; i < s.count; i += VLEN) {                    /* planar: all lanes hold the same coefficients */
        const ptrdiff_t n = pn_smaller(VLEN, s.count - i);
        const vec from = vec_load_some(x + i, n);
        vec gradient = backward ? vec_load_some(dy + i, n) : none;
        if (way == BEHIND) gradient = before(&c, 0, from, gradient, through);
        const vec r = applied(&c, 0, from, gradient);
        vec_store_some(y + i, add ? vec_load_some(y + i, n) + r : r, n);
    }
}

static void apply_span(const job *j, span s, const coefficients *c)
{
    if (!j->dy) apply(j, s, c, FORWARD, false);
    else if (j->p.behind) apply(j, s, c, BEHIND, j->y.add);
    else if (!j->y.add) apply(j, s, c, BACKWARD, false);
    else apply(j, s, c, BACKWARD, true);
}

/* ---- Groups: from what was gathered to coefficients ------------------------------------------------------------ */

typedef struct { ptrdiff_t from, to, first, last; } group;     /* samples, channels */

static ptrdiff_t groups(const pn_norm_dims *d) { return d->span == PN_OVER_BATCH ? d->groups : d->x.n * d->groups; }

static group group_of(const pn_norm_dims *d, ptrdiff_t index)
{
    const ptrdiff_t channels = d->x.c / d->groups, n = index / d->groups, first = index % d->groups * channels;
    if (d->span == PN_OVER_BATCH) return (group){ 0, d->x.n, first, first + channels };
    return (group){ n, n + 1, first, first + channels };
}

static double numbers(const pn_norm_dims *d, group g)
{
    return (double)((g.to - g.from) * (g.last - g.first) * d->x.h * d->x.w);
}

static ptrdiff_t plane_at(pn_map m, ptrdiff_t n, ptrdiff_t c) { return n * pn_map_blocks(m) + c / m.b; }

/* Channel c of a plane gets its four numbers; a planar channel in all lanes, for it is read 16 numbers at a time. */
static void set(const job *j, ptrdiff_t n, ptrdiff_t c, const double four[4])
{
    coefficients *of = &j->of[plane_at(j->d.x, n, c)];
    const ptrdiff_t b = j->d.x.b, from = b == 1 ? 0 : c % b, to = b == 1 ? PN_BLOCK : from + 1;
    for (ptrdiff_t lane = from; lane < to; lane++) {
        of->mean[lane] = (float)four[0];
        of->scale[lane] = (float)four[1];
        of->slope[lane] = (float)four[2];
        of->shift[lane] = (float)four[3];
    }
}

static void set_forward(const job *j, group g, double mean, double rstd)
{
    for (ptrdiff_t n = g.from; n < g.to; n++)
        for (ptrdiff_t c = g.first; c < g.last; c++) {
            const double weight = j->p.weight ? (double)j->p.weight[c] : 1, bias = j->p.bias ? (double)j->p.bias[c] : 0;
            set(j, n, c, (double[]){ (double)(float)mean, 0, rstd * weight,
                                     bias - (mean - (double)(float)mean) * rstd * weight });
        }
}

/* Numbers of a span that belong to one channel. */
static double span_numbers(const job *j, ptrdiff_t s) { return (double)(span_of(j, 0, s).count / j->d.x.b); }

static void join_forward(const job *j, ptrdiff_t index)
{
    const group g = group_of(&j->d, index);
    const double total = numbers(&j->d, g);
    double mean = 0, squares = 0;
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0;
        for (ptrdiff_t n = g.from; n < g.to; n++)
            for (ptrdiff_t c = g.first; c < g.last; c++)
                for (ptrdiff_t s = 0; s < j->spans; s++) {
                    const gathered *part = &j->gathered[plane_at(j->d.x, n, c) * j->spans + s];
                    const ptrdiff_t lane = c % j->d.x.b;
                    const double off = part->first[lane] - mean;
                    sum += pass == 0 ? span_numbers(j, s) * off : part->second[lane] + span_numbers(j, s) * off * off;
                }
        if (pass == 0) mean = sum / total;
        else squares = sum;
    }
    const double var = squares / total, rstd = 1 / sqrt(var + j->d.eps);
    j->stats.mean[index] = (float)mean;
    j->stats.rstd[index] = (float)rstd;
    if (j->stats.var) j->stats.var[index] = (float)var;
    set_forward(j, g, mean, rstd);
}

/* Sums of one channel of one sample, over its spans: of dy, and of dy times the normalised x. */
typedef struct { double dy, dy_xhat; } sums;

static ptrdiff_t group_at(const pn_norm_dims *d, ptrdiff_t n, ptrdiff_t c)
{
    return (d->span == PN_OVER_BATCH ? 0 : n * d->groups) + c / (d->x.c / d->groups);
}

static sums sums_of(const job *j, ptrdiff_t n, ptrdiff_t c)
{
    sums r = { 0, 0 };
    for (ptrdiff_t s = 0; s < j->spans; s++) {
        const gathered *part = &j->gathered[plane_at(j->d.x, n, c) * j->spans + s];
        r.dy += part->first[c % j->d.x.b];
        r.dy_xhat += part->second[c % j->d.x.b];
    }
    r.dy_xhat *= (double)j->stats.rstd[group_at(&j->d, n, c)];
    return r;
}

static double weight_at(const job *j, ptrdiff_t c) { return j->p.weight ? (double)j->p.weight[c] : 1; }

/* dx = rstd (w dy - mean of w dy - xhat * mean of w dy xhat), means over the group */
static void join_backward(const job *j, ptrdiff_t index)
{
    const group g = group_of(&j->d, index);
    const double mean = (double)j->stats.mean[index], rstd = (double)j->stats.rstd[index];
    double of_dy = 0, of_xhat = 0;
    for (ptrdiff_t n = g.from; n < g.to; n++)
        for (ptrdiff_t c = g.first; c < g.last; c++) {
            const sums s = sums_of(j, n, c);
            of_dy += weight_at(j, c) * s.dy;
            of_xhat += weight_at(j, c) * s.dy_xhat;
        }
    of_dy /= numbers(&j->d, g);
    of_xhat /= numbers(&j->d, g);
    for (ptrdiff_t n = g.from; n < g.to; n++)
        for (ptrdiff_t c = g.first; c < g.last; c++)
            set(j, n, c, (double[]){ mean, rstd * weight_at(j, c), -rstd * rstd * of_xhat, -rstd * of_dy });
}

static void set_means(const job *j, ptrdiff_t index)   /* all that gathering in backward needs */
{
    const group g = group_of(&j->d, index);
    for (ptrdiff_t n = g.from; n < g.to; n++)
        for (ptrdiff_t c = g.first; c < g.last; c++) set(j, n, c, (double[]){ (double)j->stats.mean[index], 0, 0, 0 });
}

static void set_behind(const job *j)
{
    const pn_map m = j->d.x;
    const ptrdiff_t all = (m.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK;
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t c = 0; c < m.c; c++) {
            coefficients *of = &j->of[plane_at(m, n, c)];
            const ptrdiff_t from = m.b == 1 ? 0 : c % m.b, to = m.b == 1 ? PN_BLOCK : from + 1;
            for (ptrdiff_t lane = from; lane < to; lane++) {
                of->behind[0][lane] = j->p.behind->scale[n * all + c];
                of->behind[1][lane] = j->p.behind->shift[n * all + c];
            }
        }
}

static void join(const job *j, ptrdiff_t index)
{
    if (j->dy) join_backward(j, index);
    else join_forward(j, index);
}

/* ---- Passes ---------------------------------------------------------------------------------------------------- */

static void gather_span(const job *j, ptrdiff_t plane, ptrdiff_t s)
{
    gathered *g = &j->gathered[plane * j->spans + s];
    if (j->dy && j->p.behind) gather_dy(j, g, span_of(j, plane, s), &j->of[plane], true);
    else if (j->dy) gather_dy(j, g, span_of(j, plane, s), &j->of[plane], false);
    else gather_x(j, g, span_of(j, plane, s));
}

static void gather_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    gather_span(j, item / j->spans, item % j->spans);
}

static void apply_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    apply_span(j, span_of(j, item / j->spans, item % j->spans), &j->of[item / j->spans]);
}

/* Everything of one plane whose channels stand alone. */
static void plane_item(void *arg, ptrdiff_t plane, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t blocks = pn_map_blocks(j->d.x), n = plane / blocks, first = plane % blocks * j->d.x.b;
    const ptrdiff_t last = pn_smaller(first + j->d.x.b, j->d.x.c);
    for (ptrdiff_t s = 0; s < j->spans; s++) gather_span(j, plane, s);
    for (ptrdiff_t c = first; c < last; c++) join(j, n * j->d.x.c + c);
    for (ptrdiff_t s = 0; j->apply && s < j->spans; s++) apply_span(j, span_of(j, plane, s), &j->of[plane]);
}

static void run(pn_pool *pool, job *j)
{
    const pn_norm_dims *d = &j->d;
    const bool alone = d->groups == d->x.c && (d->span == PN_PER_SAMPLE || d->x.n == 1);
    if (alone && j->planes >= PLANES_ENOUGH && plane_size(d->x) <= FITS_CACHE) {
        pn_parallel(pool, j->planes, plane_item, j);
        return;
    }
    pn_parallel(pool, j->planes * j->spans, gather_item, j);
    for (ptrdiff_t g = 0; g < groups(d); g++) join(j, g);
    if (j->apply) pn_parallel(pool, j->planes * j->spans, apply_item, j);
}

static job make(pn_norm_dims d, const float *x, void *scratch)
{
    job j = { .d = d, .x = x, .planes = planes_of(d.x), .spans = pn_chunks(plane_size(d.x)), .apply = true };
    j.gathered = scratch;
    j.of = (coefficients *)(void *)(j.gathered + j.planes * j.spans);
    memset(j.of, 0, (size_t)j.planes * sizeof *j.of);   /* lanes past c */
    return j;
}

static size_t scratch_bytes(pn_norm_dims d)
{
    const size_t planes = (size_t)planes_of(d.x), spans = (size_t)pn_chunks(plane_size(d.x));
    return planes * spans * sizeof(gathered) + planes * sizeof(coefficients);
}

static void fwd(pn_pool *pool, float *y, pn_norm_stats out, const float *x, pn_norm_params p, pn_norm_dims d,
                void *scratch)
{
    job j = make(d, x, scratch);
    j.p = p;
    j.stats = out;
    j.y = (pn_sink){ y, false };
    run(pool, &j);
}

static void stats(pn_pool *pool, pn_norm_stats out, const float *x, pn_norm_dims d, void *scratch)
{
    job j = make(d, x, scratch);
    j.stats = out;
    j.apply = false;
    run(pool, &j);
}

static void apply_given(pn_pool *pool, float *y, const float *x, const float *mean, const float *rstd, pn_norm_params p,
                        pn_norm_dims d, void *scratch)
{
    job j = make(d, x, scratch);
    j.p = p;
    j.y = (pn_sink){ y, false };
    for (ptrdiff_t g = 0; g < groups(&d); g++) set_forward(&j, group_of(&d, g), (double)mean[g], (double)rstd[g]);
    pn_parallel(pool, j.planes * j.spans, apply_item, &j);
}

static void put(pn_sink s, ptrdiff_t i, double v)
{
    if (s.data) s.data[i] = (float)(s.add ? (double)s.data[i] + v : v);
}

static void bwd(pn_pool *pool, pn_norm_sinks out, const float *dy, const float *x, pn_norm_stats saved,
                pn_norm_params p, pn_norm_dims d, void *scratch)
{
    job j = make(d, x, scratch);
    j.p = p;
    j.stats = saved;
    j.y = out.x;
    j.dy = dy;
    j.apply = out.x.data != NULL;
    for (ptrdiff_t g = 0; g < groups(&d); g++) set_means(&j, g);
    if (p.behind) set_behind(&j);
    run(pool, &j);
    for (ptrdiff_t c = 0; (out.weight.data || out.bias.data) && c < d.x.c; c++) {
        sums all = { 0, 0 };
        for (ptrdiff_t n = 0; n < d.x.n; n++) {
            const sums s = sums_of(&j, n, c);
            all.dy += s.dy;
            all.dy_xhat += s.dy_xhat;
        }
        put(out.weight, c, all.dy_xhat);
        put(out.bias, c, all.dy);
    }
}

void PN_SIMD(pn_simd_norm)(pn_kernels *k)
{
    k->norm.fwd = fwd;
    k->norm.stats = stats;
    k->norm.apply = apply_given;
    k->norm.bwd = bwd;
    k->norm.scratch = scratch_bytes;
    PN_SIMD(pn_simd_row_norm)(k);
}
