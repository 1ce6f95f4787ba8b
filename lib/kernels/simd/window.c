/* simd/window.c - a map against its windows (see kernels/match.h)
 *
 * Two loops do all of it: products of every pixel with those of its window (correlate), and weighted sums over the
 * window (gather). Backward of a sum is a sum whose weights have changed places (match.h); positions outside weigh nothing.
 */
#include "kernels/simd/attention.h"
#include "kernels/simd/match.h"
#include "kernels/simd/transpose.h"

enum { MAX_TAPS = PN_WINDOW_MAX_K * PN_WINDOW_MAX_K };

typedef struct {
    pn_window_dims d;
    const float *a, *b;             /* correlate; gather reads b */
    const float *weight;            /* gather: [n][k^2][h][w] */
    pn_sink to;
    bool skip;                      /* correlate: the centre has no plane */
} job;

static ptrdiff_t area_of(const job *j) { return j->d.x.h * j->d.x.w; }
static ptrdiff_t step_of(const job *j) { return area_of(j) * PN_BLOCK; }        /* from one block of channels to the next */
static ptrdiff_t sample_of(const job *j) { return pn_map_blocks(j->d.x) * step_of(j); }

/* ---- Products: to[t][p] = a(p) . b(clamp(p + d_t)) ----------------------------------------------------------------- */

/* Sums of the lanes of VLEN vectors. */
ALWAYS_INLINE vec sums_of(vec square[VLEN])
{
    vec_transpose(square);
    for (int half = VLEN / 2; half; half /= 2)
        for (int i = 0; i < half; i++) square[i] += square[i + half];
    return square[0];
}

/* Pixels x .. x + VLEN - 1 of a row of a; beyond the last one it is met again. row_b: what row the tap leads to. */
ALWAYS_INLINE vec products(const job *j, const float *row_a, const float *row_b, ptrdiff_t x, ptrdiff_t shift)
{
    const ptrdiff_t last = j->d.x.w - 1, step = step_of(j);
    const float *a[VLEN], *b[VLEN];
    vec sum[VLEN];
    for (int i = 0; i < VLEN; i++) {
        a[i] = row_a + pn_smaller(x + i, last) * PN_BLOCK;
        b[i] = row_b + inside(pn_smaller(x + i, last) + shift, j->d.x.w) * PN_BLOCK;
        sum[i] = (vec){ 0 };
    }
    for (ptrdiff_t c = 0; c < pn_map_blocks(j->d.x); c++)
        for (int v = 0; v < PN_BLOCK; v += VLEN)
            for (int i = 0; i < VLEN; i++) sum[i] += vec_load(a[i] + c * step + v) * vec_load(b[i] + c * step + v);
    return sums_of(sum);
}

static void correlate_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t n = item / m.h, y = item % m.h, k = j->d.k, taps = k * k, planes = taps - (j->skip ? 1 : 0);
    const float *a = j->a + n * sample_of(j), *b = j->b + n * sample_of(j);
    for (ptrdiff_t x = 0; x < m.w; x += VLEN)
        for (ptrdiff_t t = 0; t < taps; t++) {
            if (j->skip && t == taps / 2) continue;
            const ptrdiff_t row = inside(y + t / k - k / 2, m.h), plane = t - (j->skip && t > taps / 2);
            const vec sum = products(j, a + y * m.w * PN_BLOCK, b + row * m.w * PN_BLOCK, x, t % k - k / 2);
            const ptrdiff_t at = ((n * planes + plane) * m.h + y) * m.w + x, some = pn_smaller(VLEN, m.w - x);
            float *to = j->to.data + at;
            vec_store_some(to, j->to.add ? vec_load_some(to, some) + sum : sum, some);
        }
}

/* ---- Sums: to(p) = sum_t w_t(p) b(clamp(p + d_t)) ------------------------------------------------------------------ */

typedef struct { ptrdiff_t count, at[MAX_TAPS]; float weight[MAX_TAPS]; } tap_list;

static void find_taps(tap_list *p, const job *j, const float *weight, ptrdiff_t y, ptrdiff_t x)
{
    const pn_map m = j->d.x;
    p->count = j->d.k * j->d.k;
    for (ptrdiff_t t = 0; t < p->count; t++) {
        const ptrdiff_t row = y + t / j->d.k - j->d.k / 2, column = x + t % j->d.k - j->d.k / 2;
        p->at[t] = (inside(row, m.h) * m.w + inside(column, m.w)) * PN_BLOCK;
        p->weight[t] = weight[t * area_of(j)];
    }
}

enum { CHUNK = 4 * VECS };          /* vectors of channels that are summed together */

/* `blocks` blocks of channels, CHUNK / VECS at most; `left` channels. */
ALWAYS_INLINE void gather(pn_sink to, const float *from, const tap_list *p, int blocks, ptrdiff_t step, ptrdiff_t left)
{
    vec sum[CHUNK];
    for (int i = 0; i < blocks * VECS; i++) sum[i] = (vec){ 0 };
    for (ptrdiff_t t = 0; t < p->count; t++) {
        const float *at = from + p->at[t];
        const vec weight = vec_all(p->weight[t]);
        for (int i = 0; i < blocks * VECS; i++) sum[i] += weight * vec_load(at + i / VECS * step + i % VECS * VLEN);
    }
    for (int i = 0; i < blocks * VECS; i++)
        vec_sink(to, i / VECS * step + i % VECS * VLEN, vec_first(sum[i], left - i * VLEN));
}

static void gather_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t n = item / m.h, y = item % m.h, blocks = pn_map_blocks(m), step = step_of(j);
    tap_list p;
    for (ptrdiff_t x = 0; x < m.w; x++) {
        find_taps(&p, j, j->weight + n * j->d.k * j->d.k * area_of(j) + y * m.w + x, y, x);
        ptrdiff_t c = 0;
        for (; c < blocks; c += blocks - c < CHUNK / VECS ? 1 : CHUNK / VECS) {
            const ptrdiff_t sample = n * sample_of(j) + c * step, left = m.c - c * PN_BLOCK;
            const pn_sink to = { j->to.data + sample + (y * m.w + x) * PN_BLOCK, j->to.add };
            if (blocks - c < CHUNK / VECS) gather(to, j->b + sample, &p, 1, step, left);
            else gather(to, j->b + sample, &p, CHUNK / VECS, step, left);
        }
    }
}

/* ---- Weights that change places ------------------------------------------------------------------------------------ */

static void add_run(float *to, const float *from, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) to[i] += from[i];
}

/* What row `row` of one plane of g, whose offset is `shift` along the row, gives to `planes`, the turned ones of an offset
 * between rows, at their middle: to the reading pixel, or to the one that is read. */
static void turn_row(float *planes, const float *row, ptrdiff_t shift, ptrdiff_t width, ptrdiff_t area, bool to_reader)
{
    const ptrdiff_t first = pn_smaller(width, pn_larger(0, -shift)), end = pn_larger(first, pn_smaller(width, width - shift));
    for (ptrdiff_t x = 0; x < width; x++) {
        if (x == first && end > first) {
            add_run(planes + (to_reader ? shift * area + x : -shift * area + x + shift), row + x, end - first);
            x = end - 1;
            continue;
        }
        const ptrdiff_t read = inside(x + shift, width);
        planes[to_reader ? (read - x) * area + x : (x - read) * area + read] += row[x];
    }
}

static void turn_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const pn_turn *j = arg;
    const ptrdiff_t n = item / j->h, y = item % j->h, k = j->k, r = k / 2, taps = k * k, area = j->h * j->w;
    const float *g = j->g + n * (taps - (j->skip ? 1 : 0)) * area;
    float *to = j->turned + n * taps * area + y * j->w;
    for (ptrdiff_t t = 0; t < taps; t++) memset(to + t * area, 0, (size_t)j->w * sizeof *to);
    for (ptrdiff_t from = pn_larger(0, y - r); from <= pn_smaller(j->h - 1, y + r); from++)
        for (ptrdiff_t t = 0; t < taps; t++) {
            if (j->skip && t == taps / 2) continue;
            const float *row = g + (t - (j->skip && t > taps / 2)) * area + from * j->w;
            const ptrdiff_t read = inside(from + t / k - r, j->h), shift = t % k - r;
            if (read == y) turn_row(to + ((from - y + r) * k + r) * area, row, shift, j->w, area, false);
            if (j->both && from == y) turn_row(to + ((read - y + r) * k + r) * area, row, shift, j->w, area, true);
        }
}

void PN_SIMD(pn_simd_turn)(pn_pool *pool, pn_turn t) { pn_parallel(pool, t.n * t.h, turn_item, &t); }

/* ---- The kernels --------------------------------------------------------------------------------------------------- */

static size_t window_scratch(pn_window_dims d)
{
    return (size_t)(d.x.n * pn_window_taps(d) * d.x.h * d.x.w) * sizeof(float);
}

static void correlate(pn_pool *pool, job j) { pn_parallel(pool, j.d.x.n * j.d.x.h, correlate_row, &j); }
static void sum(pn_pool *pool, job j) { pn_parallel(pool, j.d.x.n * j.d.x.h, gather_row, &j); }

static void self_fwd(pn_pool *pool, pn_real *s, const pn_real *f, pn_window_dims d)
{
    correlate(pool, (job){ .d = d, .a = f, .b = f, .to = { s, false }, .skip = true });
}

static void self_bwd(pn_pool *pool, pn_sink df, const pn_real *ds, const pn_real *f, pn_window_dims d, void *scratch)
{
    PN_SIMD(pn_simd_turn)(pool, (pn_turn){ ds, scratch, d.k, d.x.n, d.x.h, d.x.w, .skip = true, .both = true });
    sum(pool, (job){ .d = d, .b = f, .weight = scratch, .to = df });
}

static void window_fwd(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *w, pn_window_dims d)
{
    sum(pool, (job){ .d = d, .b = x, .weight = w, .to = { y, false } });
}

static void window_bwd(pn_pool *pool, pn_sink dx, pn_sink dw, const pn_real *dy, const pn_real *x, const pn_real *w,
                       pn_window_dims d, void *scratch)
{
    if (dw.data) correlate(pool, (job){ .d = d, .a = dy, .b = x, .to = dw });
    if (!dx.data) return;
    PN_SIMD(pn_simd_turn)(pool, (pn_turn){ w, scratch, d.k, d.x.n, d.x.h, d.x.w, .skip = false, .both = false });
    sum(pool, (job){ .d = d, .b = dy, .weight = scratch, .to = dx });
}

void PN_SIMD(pn_simd_window)(pn_match_kernels *k)
{
    k->window_scratch = window_scratch;
    k->self_fwd = self_fwd;
    k->self_bwd = self_bwd;
    k->window_fwd = window_fwd;
    k->window_bwd = window_bwd;
}
