/* lib/kernels/simd/attention.c - local attention (see kernels/attention.h)
 *
 * Rows of targets are worked on PIXELS at a time. All k^2 bilinear samples of a target lie on one grid of (k+1)^2
 * source pixels. So a weighted sum over samples is a sum over the grid, with weights mixed once per target from a and
 * the fraction; and what is asked of every sample against dy is asked of the grid first, and interpolated after.
 */
#include "kernels/simd/attention.h"

enum {
    PIXELS = 8,                     /* targets that share what is read of w1 */
    CHUNK = 4,                      /* vectors of channels that share the grid's offsets and weights */
    GRID_CHUNK = 8,                 /* grid points whose products with dy are held in registers */
    MAX_TAPS = PN_LOCAL_MAX_K * PN_LOCAL_MAX_K,
    MAX_LANES = (MAX_TAPS + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK,
    MAX_GRID = (PN_LOCAL_MAX_K + 1) * (PN_LOCAL_MAX_K + 1),
    MAX_PARTS = 32,                 /* parts of the map with sums of their own for dw1 and db1 */
};

typedef struct {
    pn_local_dims d;
    pn_local_inputs in;
    const pn_local_sinks *out;
    const float *dy;
    float *y, *a, *h;
    ptrdiff_t taps, lanes;          /* k^2, and rounded up to whole blocks */
    ptrdiff_t features;             /* D rounded up to whole blocks */
    ptrdiff_t grid;                 /* (k+1)^2 */
    float *w1;                      /* forward [D][lanes], then b1 [lanes]; backward [k^2][features] */
    float *dhidden, *mix;           /* backward: like h, and [N,H,W][grid] */
    float *sums;                    /* backward: per part dw1 [k^2][features], db1 [lanes] */
    ptrdiff_t parts;
} job;

static job make(pn_local_dims d, const pn_local_inputs *in)
{
    const ptrdiff_t rows = d.source.n * d.source.h;
    return (job){ .d = d, .in = *in, .taps = d.k * d.k, .lanes = round_up(d.k * d.k, PN_BLOCK),
                  .grid = (d.k + 1) * (d.k + 1), .features = round_up(d.hidden.c, PN_BLOCK),
                  .parts = rows < MAX_PARTS ? rows : MAX_PARTS };
}

/* Some targets of one row. */
typedef struct { ptrdiff_t n, y, x; int count; flow_place u[PIXELS], v[PIXELS]; } patch;

static void find_patch(const job *j, ptrdiff_t row, ptrdiff_t x, patch *p)
{
    const pn_map m = j->d.source;
    const ptrdiff_t n = row / m.h, y = row % m.h, left = m.w - x;
    const float *flow = j->in.flow + (n * 2 * m.h + y) * m.w + x;
    p->n = n;
    p->y = y;
    p->x = x;
    p->count = left < PIXELS ? (int)left : PIXELS;
    for (int i = 0; i < p->count; i++) {
        p->u[i] = flow_place_of(flow[i], x + i, m.w, j->d.k + 1);
        p->v[i] = flow_place_of(flow[i + m.h * m.w], y, m.h, j->d.k + 1);
    }
}

/* Of block `block` and pixel i of the patch. */
static ptrdiff_t at(pn_map m, const patch *p, ptrdiff_t block, int i)
{
    return pn_at(m, p->n, block * PN_BLOCK, p->y, p->x + i);
}

/* ---- The grid, the cell of source_hidden --------------------------------------------------------------- */

typedef struct { ptrdiff_t row[PN_LOCAL_MAX_K + 1], column[PN_LOCAL_MAX_K + 1]; } grid_lines;

static inline void find_lines(const job *j, const patch *p, int i, grid_lines *g)
{
    const ptrdiff_t r = j->d.k / 2, h = j->d.source.h, w = j->d.source.w;
    for (ptrdiff_t t = 0; t <= j->d.k; t++) {
        g->row[t] = inside(p->v[i].at + t - r, h) * w * PN_BLOCK;
        g->column[t] = inside(p->u[i].at + t - r, w) * PN_BLOCK;
    }
}

/* Offsets in a plane of the source, row by row; the last is repeated up to whole chunks. */
static void find_offsets(const job *j, const patch *p, int i, ptrdiff_t *offset)
{
    grid_lines g;
    find_lines(j, p, i, &g);
    ptrdiff_t t = 0;
    for (ptrdiff_t a = 0; a <= j->d.k; a++)
        for (ptrdiff_t b = 0; b <= j->d.k; b++) offset[t++] = g.row[a] + g.column[b];
    for (; t % GRID_CHUNK; t++) offset[t] = offset[t - 1];
}

typedef struct { ptrdiff_t offset[4]; float fx, fy; } cell;        /* top left, top right, bottom left, bottom right */

static cell cell_of(const job *j, const patch *p, int i)
{
    const ptrdiff_t h = j->d.source_hidden.h, w = j->d.source_hidden.w;
    const ptrdiff_t y = p->v[i].at + j->d.k / 2, x = p->u[i].at + j->d.k / 2;
    const ptrdiff_t top = inside(y, h) * w, bottom = inside(y + 1, h) * w;
    const ptrdiff_t left = inside(x, w), right = inside(x + 1, w);
    return (cell){ { (top + left) * PN_BLOCK, (top + right) * PN_BLOCK, (bottom + left) * PN_BLOCK,
                     (bottom + right) * PN_BLOCK }, p->u[i].rest, p->v[i].rest };
}

/* Weights of the grid: a, spread over the four neighbours of each sample, and the factor 1/k^2. */
static void mix_of(const job *j, const patch *p, int i, const float *a, float *mix)
{
    const ptrdiff_t k = j->d.k, line = k + 1;
    const float fx = p->u[i].rest, fy = p->v[i].rest, share = 1 / (float)j->taps;
    for (ptrdiff_t c = 0; c < line; c++) mix[c] = 0;
    for (ptrdiff_t r = 0; r < k; r++, a += k, mix += line) {
        float across[PN_LOCAL_MAX_K + 1];
        across[0] = (1 - fx) * a[0] * share;
        for (ptrdiff_t c = 1; c < k; c++) across[c] = ((1 - fx) * a[c] + fx * a[c - 1]) * share;
        across[k] = fx * a[k - 1] * share;
        for (ptrdiff_t c = 0; c < line; c++) {
            mix[c] += (1 - fy) * across[c];
            mix[line + c] = fy * across[c];
        }
    }
}

/* ---- Forward ------------------------------------------------------------------------------------------- */

static void hidden(const job *j, const patch *p)
{
    const pn_map m = j->d.hidden, sm = j->d.source_hidden;
    for (int i = 0; i < p->count; i++) {
        const cell q = cell_of(j, p, i);
        const float tl = (1 - q.fx) * (1 - q.fy), tr = q.fx * (1 - q.fy), bl = (1 - q.fx) * q.fy, br = q.fx * q.fy;
        for (ptrdiff_t b = 0; b < pn_map_blocks(m); b++) {
            const float *r = j->in.source_hidden + (p->n * pn_map_blocks(sm) + b) * sm.h * sm.w * PN_BLOCK;
            const ptrdiff_t here = at(m, p, b, i);
            for (int v = 0; v < PN_BLOCK; v += VLEN) {
                const vec sample = tl * vec_load(r + q.offset[0] + v) + tr * vec_load(r + q.offset[1] + v) +
                                   bl * vec_load(r + q.offset[2] + v) + br * vec_load(r + q.offset[3] + v);
                const vec s = vec_load(j->in.target_hidden + here + v) + sample;
                vec_store(j->h + here + v, vec_first(vec_if(s < 0.0f, 0.1f * s, s), m.c - b * PN_BLOCK - v));
            }
        }
    }
}

/* VLEN logits of `pixels` targets from pixel `first` on. w: [D][lanes]. */
ALWAYS_INLINE void logits(const job *j, const patch *p, ptrdiff_t lane, float *to, const int first, const int pixels)
{
    const pn_map m = j->d.hidden;
    const float *w = j->w1 + lane;
    vec acc[PIXELS];
#pragma GCC unroll 8
    for (int i = 0; i < pixels; i++) acc[i] = vec_load(j->w1 + m.c * j->lanes + lane);
    for (ptrdiff_t b = 0; b < pn_map_blocks(m); b++) {
        const float *h = j->h + at(m, p, b, first);
        const ptrdiff_t left = m.c - b * PN_BLOCK, channels = left < PN_BLOCK ? left : PN_BLOCK;
        for (ptrdiff_t c = 0; c < channels; c++, h++, w += j->lanes) {
            const vec weights = vec_load(w);
#pragma GCC unroll 8
            for (int i = 0; i < pixels; i++) acc[i] += h[i * PN_BLOCK] * weights;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < pixels; i++) vec_store(to + (first + i) * j->lanes + lane, acc[i]);
}

/* In place, over the taps; zero in the lanes beyond. */
static void softmax(const job *j, float *logit)
{
    vec top = vec_load(logit);
    float largest = logit[0];
    for (ptrdiff_t t = VLEN; t + VLEN <= j->taps; t += VLEN) top = vec_max(top, vec_load(logit + t));
    for (ptrdiff_t t = 0; t < VLEN && t < j->taps; t++) largest = top[t] > largest ? top[t] : largest;
    for (ptrdiff_t t = j->taps / VLEN * VLEN; t < j->taps; t++) largest = logit[t] > largest ? logit[t] : largest;
    vec sum = { 0 };
    for (ptrdiff_t t = 0; t < j->lanes; t += VLEN) {
        const vec e = vec_first(vec_exp(vec_load(logit + t) - largest), j->taps - t);
        vec_store(logit + t, e);
        sum += e;
    }
    const float scale = 1 / vec_sum(sum);
    for (ptrdiff_t t = 0; t < j->lanes; t += VLEN)
        vec_store(logit + t, vec_first(vec_load(logit + t) * scale, j->taps - t));
}

/* `vecs` vectors of y from vector `first` of all channels on: sum over the grid. */
ALWAYS_INLINE void weighted_sum(const job *j, float *y, const float *source, const ptrdiff_t *offset, const float *mix,
                                ptrdiff_t first, const int vecs)
{
    const pn_map m = j->d.source;
    const ptrdiff_t plane = m.h * m.w * PN_BLOCK;
    const float *s[CHUNK];
    vec acc[CHUNK];
#pragma GCC unroll 4
    for (int v = 0; v < vecs; v++) {
        s[v] = source + (first + v) / VECS * plane + (first + v) % VECS * VLEN;
        acc[v] = vec_all(0);
    }
    for (ptrdiff_t t = 0; t < j->grid; t++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) acc[v] += mix[t] * vec_load(s[v] + offset[t]);
#pragma GCC unroll 4
    for (int v = 0; v < vecs; v++)
        vec_store(y + (first + v) / VECS * plane + (first + v) % VECS * VLEN,
                  vec_first(acc[v], m.c - (first + v) * VLEN));
}

static void forward_pixel(const job *j, const patch *p, int i, const float *a)
{
    const pn_map m = j->d.source;
    ptrdiff_t offset[MAX_GRID + GRID_CHUNK];
    float mix[MAX_GRID];
    find_offsets(j, p, i, offset);
    mix_of(j, p, i, a, mix);
    const float *source = j->in.source + pn_at(m, p->n, 0, 0, 0);
    float *y = j->y + at(m, p, 0, i);
    ptrdiff_t v = 0;
    const ptrdiff_t vecs = pn_map_blocks(m) * VECS;
    for (; v + CHUNK <= vecs; v += CHUNK) weighted_sum(j, y, source, offset, mix, v, CHUNK);
    for (; v < vecs; v++) weighted_sum(j, y, source, offset, mix, v, 1);
    for (ptrdiff_t b = 0; b < j->lanes / PN_BLOCK; b++)
        memcpy(j->a + at(j->d.weight, p, b, i), a + b * PN_BLOCK, PN_BLOCK * sizeof *a);
}

static void forward_row(void *arg, ptrdiff_t row, int worker)
{
    (void)worker;
    const job *j = arg;
    for (ptrdiff_t x = 0; x < j->d.source.w; x += PIXELS) {
        patch p;
        find_patch(j, row, x, &p);
        float a[PIXELS * MAX_LANES];
        hidden(j, &p);
        for (ptrdiff_t lane = 0; lane < j->lanes; lane += VLEN) {
            if (p.count == PIXELS) logits(j, &p, lane, a, 0, PIXELS);
            else for (int i = 0; i < p.count; i++) logits(j, &p, lane, a, i, 1);
        }
        for (int i = 0; i < p.count; i++) {
            softmax(j, a + i * j->lanes);
            forward_pixel(j, &p, i, a + i * j->lanes);
        }
    }
}

static void local_fwd(pn_pool *pool, pn_real *y, pn_real *a, pn_real *h, const pn_local_inputs *in, pn_local_dims d,
                      void *scratch)
{
    job j = make(d, in);
    j.y = y;
    j.a = a;
    j.h = h;
    j.w1 = scratch;
    float *to = j.w1;
    for (ptrdiff_t f = 0; f <= d.hidden.c; f++)         /* the last row is the bias */
        for (ptrdiff_t t = 0; t < j.lanes; t++)
            *to++ = t >= j.taps ? 0 : f < d.hidden.c ? in->w1[t * d.hidden.c + f] : in->b1[t];
    pn_parallel(pool, d.source.n * d.source.h, forward_row, &j);
}

/* ---- Backward: one patch of targets -------------------------------------------------------------------- */

/* GRID_CHUNK sums over channels of dy times the source at the grid's points. */
static void grid_products(const job *j, const float *dy, const float *source, const ptrdiff_t *offset, float *to)
{
    const pn_map m = j->d.source;
    const ptrdiff_t plane = m.h * m.w * PN_BLOCK;
    vec acc[GRID_CHUNK];
#pragma GCC unroll 8
    for (int t = 0; t < GRID_CHUNK; t++) acc[t] = vec_all(0);
    for (ptrdiff_t b = 0; b < pn_map_blocks(m); b++, dy += plane, source += plane)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec g = vec_load(dy + v);
#pragma GCC unroll 8
            for (int t = 0; t < GRID_CHUNK; t++) acc[t] += g * vec_load(source + offset[t] + v);
        }
    for (int t = 0; t < GRID_CHUNK; t++) to[t] = vec_sum(acc[t]);
}

/* Slopes of the loss along columns and rows. */
typedef struct { float x, y; } slopes;

/* From the grid's products: dlogit, and what the weighted sum gives to the flow. */
static slopes through_softmax(const job *j, const patch *p, int i, const float *a, const float *product, float *dlogit)
{
    const ptrdiff_t k = j->d.k;
    const float fx = p->u[i].rest, fy = p->v[i].rest, share = 1 / (float)j->taps;
    slopes flow = { 0, 0 };
    float mean = 0;
    for (ptrdiff_t t = 0; t < j->taps; t++) {
        const float *g = product + t / k * (k + 1) + t % k;
        const float top = g[1] - g[0], bottom = g[k + 2] - g[k + 1];    /* differences along a row */
        const float da = (g[0] + fx * top + fy * ((g[k + 1] - g[0]) + fx * (bottom - top))) * share;
        flow.x += a[t] * share * ((1 - fy) * top + fy * bottom);
        flow.y += a[t] * share * ((1 - fx) * (g[k + 1] - g[0]) + fx * (g[k + 2] - g[1]));
        dlogit[t] = t ? da - dlogit[0] : da;            /* only differences pass a softmax */
        if (t) mean += a[t] * dlogit[t];
    }
    dlogit[0] = 0;
    for (ptrdiff_t t = 0; t < j->taps; t++) dlogit[t] = a[t] * (dlogit[t] - mean);
    for (ptrdiff_t t = j->taps; t < j->lanes; t++) dlogit[t] = 0;
    return flow;
}

static slopes backward_pixel(const job *j, const patch *p, int i, float *dlogit)
{
    const pn_map m = j->d.source;
    float a[MAX_LANES], product[MAX_GRID + GRID_CHUNK];
    ptrdiff_t offset[MAX_GRID + GRID_CHUNK];
    for (ptrdiff_t b = 0; b < j->lanes / PN_BLOCK; b++)
        memcpy(a + b * PN_BLOCK, j->in.a + at(j->d.weight, p, b, i), PN_BLOCK * sizeof *a);
    find_offsets(j, p, i, offset);
    for (ptrdiff_t t = 0; t < j->grid; t += GRID_CHUNK)
        grid_products(j, j->dy + at(m, p, 0, i), j->in.source + pn_at(m, p->n, 0, 0, 0), offset + t, product + t);
    if (j->out->source.data) mix_of(j, p, i, a, j->mix + ((p->n * m.h + p->y) * m.w + p->x + i) * j->grid);
    return through_softmax(j, p, i, a, product, dlogit);
}

/* VLEN features of dhidden of `pixels` targets. w: [k^2][features]. */
ALWAYS_INLINE void through_hidden(const job *j, const patch *p, ptrdiff_t feature, const float *dlogit, const int first,
                                  const int pixels)
{
    const float *w = j->w1 + feature;
    const ptrdiff_t here = at(j->d.hidden, p, feature / PN_BLOCK, first) + feature % PN_BLOCK;
    vec acc[PIXELS];
#pragma GCC unroll 8
    for (int i = 0; i < pixels; i++) acc[i] = vec_all(0);
    for (ptrdiff_t t = 0; t < j->taps; t++, w += j->features) {
        const vec weights = vec_load(w);
#pragma GCC unroll 8
        for (int i = 0; i < pixels; i++) acc[i] += dlogit[(first + i) * j->lanes + t] * weights;
    }
    for (int i = 0; i < pixels; i++) {
        const vec h = vec_load(j->in.h + here + i * PN_BLOCK);
        const vec d = vec_first(vec_if(h > 0.0f, acc[i], 0.1f * acc[i]), j->d.hidden.c - feature);
        vec_store(j->dhidden + here + i * PN_BLOCK, d);
        if (j->out->target_hidden.data) vec_sink(j->out->target_hidden, here + i * PN_BLOCK, d);
    }
}

/* VLEN features of this part's dw1. */
ALWAYS_INLINE void add_weights(const job *j, const patch *p, ptrdiff_t feature, const float *dlogit, float *sum,
                               const int first, const int pixels)
{
    const float *here = j->in.h + at(j->d.hidden, p, feature / PN_BLOCK, first) + feature % PN_BLOCK;
    vec h[PIXELS];
#pragma GCC unroll 8
    for (int i = 0; i < pixels; i++) h[i] = vec_load(here + i * PN_BLOCK);
    sum += feature;
    for (ptrdiff_t t = 0; t < j->taps; t++, sum += j->features) {
        vec acc = vec_load(sum);
#pragma GCC unroll 8
        for (int i = 0; i < pixels; i++) acc += dlogit[(first + i) * j->lanes + t] * h[i];
        vec_store(sum, acc);
    }
}

/* What source_hidden gives to the flow. */
static slopes through_sample(const job *j, const patch *p, int i)
{
    const pn_map m = j->d.hidden, sm = j->d.source_hidden;
    const cell q = cell_of(j, p, i);
    vec x = vec_all(0), y = vec_all(0);
    for (ptrdiff_t b = 0; b < pn_map_blocks(m); b++) {
        const float *r = j->in.source_hidden + (p->n * pn_map_blocks(sm) + b) * sm.h * sm.w * PN_BLOCK;
        const float *d = j->dhidden + at(m, p, b, i);
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec tl = vec_load(r + q.offset[0] + v), tr = vec_load(r + q.offset[1] + v);
            const vec bl = vec_load(r + q.offset[2] + v), br = vec_load(r + q.offset[3] + v);
            x += vec_load(d + v) * ((1 - q.fy) * (tr - tl) + q.fy * (br - bl));
            y += vec_load(d + v) * ((1 - q.fx) * (bl - tl) + q.fx * (br - tr));
        }
    }
    return (slopes){ vec_sum(x), vec_sum(y) };
}

static void flow_sink(const job *j, const patch *p, int i, slopes a, slopes b)
{
    const pn_map m = j->d.source;
    const pn_sink s = j->out->flow;
    const ptrdiff_t here = (p->n * 2 * m.h + p->y) * m.w + p->x + i, below = here + m.h * m.w;
    s.data[here] = (s.add ? s.data[here] : 0) + (a.x + b.x);
    s.data[below] = (s.add ? s.data[below] : 0) + (a.y + b.y);
}

static void backward_patch(const job *j, const patch *p, float *sum)
{
    float dlogit[PIXELS * MAX_LANES];
    slopes flow[PIXELS];
    for (int i = 0; i < p->count; i++) flow[i] = backward_pixel(j, p, i, dlogit + i * j->lanes);
    for (ptrdiff_t f = 0; f < j->features; f += VLEN) {
        if (p->count == PIXELS) {
            through_hidden(j, p, f, dlogit, 0, PIXELS);
            if (j->out->w1.data) add_weights(j, p, f, dlogit, sum, 0, PIXELS);
        }
        for (int i = 0; p->count < PIXELS && i < p->count; i++) {
            through_hidden(j, p, f, dlogit, i, 1);
            if (j->out->w1.data) add_weights(j, p, f, dlogit, sum, i, 1);
        }
    }
    for (int i = 0; i < p->count; i++) {
        for (ptrdiff_t t = 0; t < j->lanes; t++) sum[j->taps * j->features + t] += dlogit[i * j->lanes + t];
        if (j->out->flow.data) flow_sink(j, p, i, flow[i], through_sample(j, p, i));
    }
}

static ptrdiff_t sums_of_part(const job *j) { return j->taps * j->features + j->lanes; }

static void backward_part(void *arg, ptrdiff_t part, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t rows = j->d.source.n * j->d.source.h;
    float *sum = j->sums + part * sums_of_part(j);
    memset(sum, 0, (size_t)sums_of_part(j) * sizeof *sum);
    for (ptrdiff_t row = rows * part / j->parts; row < rows * (part + 1) / j->parts; row++)
        for (ptrdiff_t x = 0; x < j->d.source.w; x += PIXELS) {
            patch p;
            find_patch(j, row, x, &p);
            backward_patch(j, &p, sum);
        }
}

/* ---- Backward: sums of the parts, and scatters --------------------------------------------------------- */

static void add_parts(void *arg, ptrdiff_t t, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t features = j->d.hidden.c, stride = sums_of_part(j);
    const pn_sink w1 = j->out->w1, b1 = j->out->b1;
    for (ptrdiff_t f = 0; w1.data && f < features; f++) {
        float sum = 0;
        for (ptrdiff_t part = 0; part < j->parts; part++) sum += j->sums[part * stride + t * j->features + f];
        w1.data[t * features + f] = (w1.add ? w1.data[t * features + f] : 0) + sum;
    }
    if (!b1.data) return;
    float sum = 0;
    for (ptrdiff_t part = 0; part < j->parts; part++) sum += j->sums[part * stride + j->taps * j->features + t];
    b1.data[t] = (b1.add ? b1.data[t] : 0) + sum;
}

static void add_to(float *to, float weight, const float *g)
{
    for (int v = 0; v < PN_BLOCK; v += VLEN) vec_store(to + v, vec_load(to + v) + weight * vec_load(g + v));
}

/* One block of channels of one image of source_hidden. */
static void source_hidden_plane(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.hidden, sm = j->d.source_hidden;
    const ptrdiff_t n = item / pn_map_blocks(m), b = item % pn_map_blocks(m), size = sm.h * sm.w * PN_BLOCK;
    float *plane = j->out->source_hidden.data + item * size;
    if (!j->out->source_hidden.add) memset(plane, 0, (size_t)size * sizeof *plane);
    patch p;
    for (ptrdiff_t i = 0; i < m.h * m.w; i += p.count) {
        find_patch(j, n * m.h + i / m.w, i % m.w, &p);
        for (int k = 0; k < p.count; k++) {
            const cell q = cell_of(j, &p, k);
            const float *g = j->dhidden + at(m, &p, b, k);
            add_to(plane + q.offset[0], (1 - q.fx) * (1 - q.fy), g);
            add_to(plane + q.offset[1], q.fx * (1 - q.fy), g);
            add_to(plane + q.offset[2], (1 - q.fx) * q.fy, g);
            add_to(plane + q.offset[3], q.fx * q.fy, g);
        }
    }
    clear_past(plane, sm.h * sm.w, m.c - b * PN_BLOCK);
}

/* One block of channels of one image of the source. */
static void source_plane(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.source;
    const ptrdiff_t n = item / pn_map_blocks(m), b = item % pn_map_blocks(m);
    const ptrdiff_t size = m.h * m.w * PN_BLOCK, line = j->d.k + 1;
    float *plane = j->out->source.data + item * size;
    if (!j->out->source.add) memset(plane, 0, (size_t)size * sizeof *plane);
    patch p;
    for (ptrdiff_t i = 0; i < m.h * m.w; i += p.count) {
        find_patch(j, n * m.h + i / m.w, i % m.w, &p);
        for (int k = 0; k < p.count; k++) {
            grid_lines lines;
            find_lines(j, &p, k, &lines);
            const float *mix = j->mix + (n * m.h * m.w + i + k) * j->grid, *g = j->dy + at(m, &p, b, k);
            for (ptrdiff_t r = 0; r < line; r++)
                for (ptrdiff_t c = 0; c < line; c++)
                    add_to(plane + lines.row[r] + lines.column[c], mix[r * line + c], g);
        }
    }
    clear_past(plane, m.h * m.w, m.c - b * PN_BLOCK);
}

static pn_attention_scratch local_scratch(pn_local_dims d, int threads)
{
    (void)threads;
    const job j = make(d, &(pn_local_inputs){ 0 });
    const ptrdiff_t mixed = d.source.n * d.source.h * d.source.w * j.grid;
    const ptrdiff_t forward = (d.hidden.c + 1) * j.lanes;
    const ptrdiff_t backward = j.taps * j.features + j.parts * sums_of_part(&j) + pn_map_stored(d.hidden) + mixed;
    return (pn_attention_scratch){ (size_t)forward * sizeof(float), (size_t)backward * sizeof(float) };
}

static void local_bwd(pn_pool *pool, const pn_local_sinks *out, const pn_real *dy, const pn_local_inputs *in,
                      pn_local_dims d, void *scratch)
{
    job j = make(d, in);
    j.out = out;
    j.dy = dy;
    j.w1 = scratch;
    j.sums = j.w1 + j.taps * j.features;
    j.dhidden = j.sums + j.parts * sums_of_part(&j);
    j.mix = j.dhidden + pn_map_stored(d.hidden);
    for (ptrdiff_t i = 0; i < j.taps * j.features; i++)
        j.w1[i] = i % j.features < d.hidden.c ? in->w1[i / j.features * d.hidden.c + i % j.features] : 0;
    pn_parallel(pool, j.parts, backward_part, &j);
    if (out->w1.data || out->b1.data) pn_parallel(pool, j.taps, add_parts, &j);
    if (out->source_hidden.data)
        pn_parallel(pool, d.source_hidden.n * pn_map_blocks(d.source_hidden), source_hidden_plane, &j);
    if (out->source.data) pn_parallel(pool, d.source.n * pn_map_blocks(d.source), source_plane, &j);
}

void PN_SIMD(pn_simd_local_attention)(pn_attention_kernels *k)
{
    k->local_scratch = local_scratch;
    k->local_fwd = local_fwd;
    k->local_bwd = local_bwd;
}

void PN_SIMD(pn_simd_attention)(pn_kernels *k)
{
    PN_SIMD(pn_simd_local_attention)(&k->attention);
    PN_SIMD(pn_simd_correctness)(&k->attention);
    PN_SIMD(pn_simd_regularisation)(&k->attention);
    PN_SIMD(pn_simd_full_attention)(&k->attention);
    PN_SIMD(pn_simd_channel_attention)(&k->attention);
}
