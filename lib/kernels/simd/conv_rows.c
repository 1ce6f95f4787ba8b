/* simd/conv_rows.c - depth-wise, stride 1, zeros beyond the border: rows are read where they lie
 *
 * A band would be copied for a few operations per number. Here a row of results has a list of the taps whose source row is
 * inside; columns are checked near the sides alone.
 */
#include "kernels/simd/conv.h"

enum { PIXELS = VLEN == 16 ? 8 : 4, MOST_TAPS = 49 };

typedef struct { const conv_pass *p; conv_correlation c; } job;

/* A tap of the row at hand: its weights, its source row's first number and its distance along the row, in pixels. */
typedef struct { const float *w; ptrdiff_t at, column; } tap;

typedef struct {
    const job *j;
    const float *x;                 /* one vector of the block's pixels */
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

static void list_taps(row *r, const float *w, ptrdiff_t width, ptrdiff_t y)
{
    const conv_pass *p = r->j->p;
    r->n_taps = 0;
    for (ptrdiff_t k = 0; k < p->taps; k++) {
        const ptrdiff_t source = y + offset_of(&p->rows, k / p->cols.kernel);
        if (source < 0 || source >= p->in.h) continue;
        const ptrdiff_t column = offset_of(&p->cols, k % p->cols.kernel);
        r->taps[r->n_taps++] = (tap){ w + k * width, (source * p->in.w + column) * PN_BLOCK, column };
    }
}

CONV_INLINE void some(row *r, ptrdiff_t x, const int pixels, const bool checked)
{
    const conv_pass *p = r->j->p;
    vec acc[PIXELS];
    for (int i = 0; i < pixels; i++) acc[i] = r->j->c.add ? vec_load(r->y + (x + i) * PN_BLOCK) : r->begin;
    for (ptrdiff_t k = 0; k < r->n_taps; k++) {
        const tap *t = &r->taps[k];
        if (checked && (x + t->column < 0 || x + t->column >= p->in.w)) continue;
        const vec w = vec_load(t->w);
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
    ptrdiff_t first = 0, end = p->out.w;                /* columns that have all their taps */
    for (ptrdiff_t k = 0; k < p->cols.kernel; k++) {
        const ptrdiff_t column = offset_of(&p->cols, k);
        if (-column > first) first = -column;
        if (p->in.w - column < end) end = p->in.w - column;
    }
    if (first > p->out.w) first = p->out.w;
    if (end < first) end = first;
    for (ptrdiff_t x = 0; x < first; x++) some(r, x, 1, true);
    ptrdiff_t x = first;
    for (; x + PIXELS <= end; x += PIXELS) some(r, x, PIXELS, false);
    for (; x < end; x++) some(r, x, 1, false);
    for (x = end; x < p->out.w; x++) some(r, x, 1, true);
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
            list_taps(&r, w + lane, width, y);
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
