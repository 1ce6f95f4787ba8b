/* simd/conv_rows.c - depth-wise, stride 1, zeros beyond the border: rows are read where they lie
 *
 * A band would be copied for a few operations per number. Here a row of results has a list of the taps whose source row is
 * inside; columns are checked near the sides alone. The weights' gradient keeps the taps' sums of a row in registers.
 */
#include "kernels/simd/conv.h"

enum { PIXELS = VLEN == 16 ? 8 : 4, MOST_TAPS = 49 };

typedef struct { const conv_pass *p; conv_correlation c; } job;

/* Tap number `index`, of the row at hand: its source row's first number and its distance along the row, in pixels. */
typedef struct { ptrdiff_t index, at, column; } tap;

typedef struct {
    const job *j;
    const float *x, *w;             /* one vector of the block's pixels, and of each tap's weights */
    ptrdiff_t width;                /* from tap to tap in w */
    float *y;                       /* of the row of results; NULL residual: none */
    const float *residual;
    vec begin, slope, sum, squares;
    veci keep;
    tap taps[MOST_TAPS];
    ptrdiff_t n_taps;
} row;

bool PN_SIMD(pn_conv_rows_fit)(const conv_pass *p, const pn_prologue *pro)
{
    return p->depth && p->rows.stride == 1 && p->cols.stride == 1 && p->border == PN_BORDER_ZERO && !(pro && pro->scale) &&
           p->taps <= MOST_TAPS;
}

/* How far from a result its source lies along an axis. */
static ptrdiff_t offset_of(const conv_axis *a, ptrdiff_t k) { return conv_tap_of(a, k).offset + (a->adjoint ? a->pad : 0); }

/* Those of result row y; returns how many. */
static ptrdiff_t list_taps(tap *taps, const conv_pass *p, ptrdiff_t y)
{
    ptrdiff_t n = 0;
    for (ptrdiff_t k = 0; k < p->taps; k++) {
        const ptrdiff_t source = y + offset_of(&p->rows, k / p->cols.kernel);
        if (source < 0 || source >= p->in.h) continue;
        const ptrdiff_t column = offset_of(&p->cols, k % p->cols.kernel);
        taps[n++] = (tap){ k, (source * p->in.w + column) * PN_BLOCK, column };
    }
    return n;
}

/* The columns of results that have all their taps. */
static conv_span inner_columns(const conv_pass *p)
{
    conv_span s = { 0, p->out.w };
    for (ptrdiff_t k = 0; k < p->cols.kernel; k++) {
        const ptrdiff_t column = offset_of(&p->cols, k);
        if (-column > s.from) s.from = -column;
        if (p->in.w - column < s.to) s.to = p->in.w - column;
    }
    if (s.from > p->out.w) s.from = p->out.w;
    if (s.to < s.from) s.to = s.from;
    return s;
}

CONV_INLINE void some(row *r, ptrdiff_t x, const int pixels, const bool checked)
{
    const conv_pass *p = r->j->p;
    vec acc[PIXELS];
    for (int i = 0; i < pixels; i++) acc[i] = r->j->c.add ? vec_load(r->y + (x + i) * PN_BLOCK) : r->begin;
    for (ptrdiff_t k = 0; k < r->n_taps; k++) {
        const tap *t = &r->taps[k];
        if (checked && (x + t->column < 0 || x + t->column >= p->in.w)) continue;
        const vec w = vec_load(r->w + t->index * r->width);
        for (int i = 0; i < pixels; i++) acc[i] += w * vec_load(r->x + t->at + (x + i) * PN_BLOCK);
    }
    for (int i = 0; i < pixels; i++) {
        vec v = acc[i];
        if (r->residual) v += vec_load(r->residual + (x + i) * PN_BLOCK);
        v = vec_if(v > 0.0f, v, v * r->slope);
        v = (vec)((veci)v & r->keep);
        r->sum += v;
        r->squares += v * v;
        vec_store(r->y + (x + i) * PN_BLOCK, v);
    }
}

static void whole_row(row *r)
{
    const conv_pass *p = r->j->p;
    const conv_span inner = inner_columns(p);
    for (ptrdiff_t x = 0; x < inner.from; x++) some(r, x, 1, true);
    ptrdiff_t x = inner.from;
    for (; x + PIXELS <= inner.to; x += PIXELS) some(r, x, PIXELS, false);
    for (; x < inner.to; x++) some(r, x, 1, false);
    for (x = inner.to; x < p->out.w; x++) some(r, x, 1, true);
}

/* Sums over a row in float, over rows in double. */
typedef struct { double sum[PN_BLOCK], squares[PN_BLOCK]; } totals;

static void add_row(totals *t, const row *r, ptrdiff_t lane)
{
    for (ptrdiff_t i = 0; i < VLEN; i++) {
        t->sum[lane + i] += (double)r->sum[i];
        t->squares[lane + i] += (double)r->squares[i];
    }
}

static row row_begin(const job *j, ptrdiff_t n, ptrdiff_t block, ptrdiff_t lane)
{
    const conv_pass *p = j->p;
    const pn_epilogue *e = j->c.epi;
    row r = { .j = j, .x = j->c.source->x + pn_at(p->in, n, block * PN_BLOCK, 0, 0) + lane,
              .slope = vec_all(e ? e->slope : 1) };
    for (ptrdiff_t i = 0; i < VLEN; i++) {
        const ptrdiff_t channel = block * PN_BLOCK + lane + i;
        r.begin[i] = channel < p->out_c ? conv_bias(e, channel) : 0;
        r.keep[i] = channel < p->out_c ? -1 : 0;
    }
    return r;
}

static void block_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const conv_pass *p = j->p;
    const ptrdiff_t blocks = pn_map_blocks(p->out), n = item / blocks, block = item % blocks;
    const ptrdiff_t slot = block * PN_BLOCK / GROUP, left = blocks * PN_BLOCK - slot * GROUP, width = left < GROUP ? left : GROUP;
    const float *w = j->c.packed + slot * GROUP * p->taps + block * PN_BLOCK % GROUP;
    totals t = { { 0 }, { 0 } };
    for (ptrdiff_t y = 0; y < p->out.h; y++) {
        const ptrdiff_t at = pn_at(p->out, n, block * PN_BLOCK, y, 0);
        for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
            row r = row_begin(j, n, block, lane);
            r.y = j->c.result + at + lane;
            if (j->c.epi && j->c.epi->residual) r.residual = j->c.epi->residual + at + lane;
            r.w = w + lane;
            r.width = width;
            r.n_taps = list_taps(r.taps, p, y);
            whole_row(&r);
            add_row(&t, &r, lane);
        }
    }
    if (!j->c.epi || !j->c.epi->stats) return;
    float *stats = j->c.epi->stats + item * PN_BLOCK, *squares = stats + p->out.n * blocks * PN_BLOCK;
    for (int i = 0; i < PN_BLOCK; i++) {
        stats[i] = (float)t.sum[i];
        squares[i] = (float)t.squares[i];
    }
}

void PN_SIMD(pn_conv_rows)(pn_pool *pool, const conv_pass *p, conv_correlation c)
{
    job j = { p, c };
    pn_parallel(pool, p->out.n * pn_map_blocks(p->out), block_item, &j);
}

/* ---- Gradient of the weights ----------------------------------------------------------------------------------- */

enum { ROWS = 16 };                 /* are summed in float, and these sums in double */

typedef struct {
    const conv_pass *p;             /* the ordinary forward */
    const float *x, *dy;
    pn_sink dw;
} weights;

/* sums[index] += sum over the row's results of dy times x at the tap. */
CONV_INLINE void add_products(vec *sums, const tap *taps, const float *x, const float *dy, const conv_pass *p, const int count)
{
    const conv_span inner = inner_columns(p);
    vec acc[9];
    for (int k = 0; k < count; k++) acc[k] = sums[taps[k].index];
    for (ptrdiff_t i = inner.from; i < inner.to; i++) {
        const vec g = vec_load(dy + i * PN_BLOCK);
        for (int k = 0; k < count; k++) acc[k] += g * vec_load(x + taps[k].at + i * PN_BLOCK);
    }
    for (int k = 0; k < count; k++) {
        for (ptrdiff_t i = 0; i < p->out.w; i++) {
            if (i == inner.from) i = inner.to;
            if (i >= p->out.w || i + taps[k].column < 0 || i + taps[k].column >= p->in.w) continue;
            acc[k] += vec_load(dy + i * PN_BLOCK) * vec_load(x + taps[k].at + i * PN_BLOCK);
        }
        sums[taps[k].index] = acc[k];
    }
}

static void add_rows(vec *sums, const conv_pass *p, const float *x, const float *dy, conv_span rows)
{
    tap taps[MOST_TAPS];
    for (ptrdiff_t y = rows.from; y < rows.to; y++) {
        const ptrdiff_t n = list_taps(taps, p, y);
        const float *g = dy + y * p->out.w * PN_BLOCK;
        ptrdiff_t k = 0;
        for (; k + 9 <= n; k += 9) add_products(sums, taps + k, x, g, p, 9);
        for (; k + 3 <= n; k += 3) add_products(sums, taps + k, x, g, p, 3);
        for (; k < n; k++) add_products(sums, taps + k, x, g, p, 1);
    }
}

static void weights_item(void *arg, ptrdiff_t block, int worker)
{
    (void)worker;
    const weights *j = arg;
    const conv_pass *p = j->p;
    double total[MOST_TAPS][PN_BLOCK] = { { 0 } };
    for (ptrdiff_t n = 0; n < p->out.n; n++)
        for (ptrdiff_t y = 0; y < p->out.h; y += ROWS)
            for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
                vec sums[MOST_TAPS] = { { 0 } };
                const conv_span rows = { y, y + ROWS < p->out.h ? y + ROWS : p->out.h };
                add_rows(sums, p, j->x + pn_at(p->in, n, block * PN_BLOCK, 0, 0) + lane,
                         j->dy + pn_at(p->out, n, block * PN_BLOCK, 0, 0) + lane, rows);
                for (ptrdiff_t k = 0; k < p->taps; k++)
                    for (ptrdiff_t i = 0; i < VLEN; i++) total[k][lane + i] += (double)sums[k][i];
            }
    for (ptrdiff_t c = block * PN_BLOCK; c < p->in_c && c < (block + 1) * PN_BLOCK; c++)
        for (ptrdiff_t k = 0; k < p->taps; k++) pn_put(j->dw, c * p->taps + k, total[k][c % PN_BLOCK]);
}

void PN_SIMD(pn_conv_rows_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const conv_pass *p)
{
    weights j = { p, x, dy, dw };
    pn_parallel(pool, pn_map_blocks(p->in), weights_item, &j);
}
