/* simd/winograd_result.c - products transformed into results, and what folds into the writing
 *
 * A tile whose results all lie inside the map stays in registers from the products to the store.
 */
#include "kernels/simd/winograd.h"

/* One vector of channels of one tile. */
typedef struct {
    const float *m;
    float *to;                      /* its first result, inside the map or not */
    ptrdiff_t down, across;         /* pixels of the map between results, */
    ptrdiff_t row, pixel;           /* and floats */
    const float *bias;
    const float *residual;          /* like to, or NULL */
    bool add;
    vec slope;
    bool activate, cut;             /* cut: lanes not in keep are beyond the last channel */
    veci keep;
    float *sums;                    /* [2][GROUP] or NULL */
} lanes;

/* Those results of a tile that lie inside. */
typedef struct { ptrdiff_t top, end, left, right; } window;

CONV_INLINE void results_of(vec *y, const lanes *l, ptrdiff_t plane, const int m, const int tile)
{
    vec t[WINO_POINTS];
    CONV_UNROLL
    for (int i = 0; i < tile; i++)
        CONV_UNROLL
        for (int k = 0; k < tile; k++) t[i * tile + k] = vec_load(l->m + (i * tile + k) * plane);
    wino_results_tile(y, t, m, tile);
}

CONV_INLINE vec finished(const lanes *l, vec y, ptrdiff_t at)
{
    y += vec_load(l->bias);
    if (l->residual) y += vec_load(l->residual + at);
    if (l->add) y += vec_load(l->to + at);
    if (l->activate) y = vec_if(y > vec_all(0), y, y * l->slope);
    return l->cut ? (vec)((veci)y & l->keep) : y;
}

static void add_sums(const lanes *l, vec sum, vec squares)
{
    vec_store(l->sums, vec_load(l->sums) + sum);
    vec_store(l->sums + GROUP, vec_load(l->sums + GROUP) + squares);
}

/* The results right of these, which the next tile writes. */
CONV_INLINE void fetch_next(const lanes *l, const int m)
{
    for (int i = 0; i < m; i++)
        for (int k = m; k < 2 * m; k++) __builtin_prefetch(l->to + i * l->row + k * l->pixel, 1);
}

CONV_INLINE void whole(const lanes *l, ptrdiff_t plane, const int m, const int tile)
{
    vec y[MOST_RESULTS], sum = { 0 }, squares = { 0 };
    fetch_next(l, m);
    results_of(y, l, plane, m, tile);
    const bool bare = !l->residual && !l->add && !l->activate && !l->cut && !l->sums;
    if (bare) {
        const vec bias = vec_load(l->bias);
        CONV_UNROLL
        for (int i = 0; i < m; i++)
            CONV_UNROLL
            for (int k = 0; k < m; k++) vec_store(l->to + i * l->row + k * l->pixel, y[i * m + k] + bias);
        return;
    }
    CONV_UNROLL
    for (int i = 0; i < m; i++)
        CONV_UNROLL
        for (int k = 0; k < m; k++) {
            const vec r = finished(l, y[i * m + k], i * l->row + k * l->pixel);
            vec_store(l->to + i * l->row + k * l->pixel, r);
            sum += r;
            squares += r * r;
        }
    if (l->sums) add_sums(l, sum, squares);
}

CONV_INLINE void partly(const lanes *l, ptrdiff_t plane, const window *in, const int m, const int tile)
{
    vec y[MOST_RESULTS], sum = { 0 }, squares = { 0 };
    results_of(y, l, plane, m, tile);
    for (ptrdiff_t i = in->top; i < in->end; i++)
        for (ptrdiff_t k = in->left; k < in->right; k++) {
            const ptrdiff_t at = i * l->row + k * l->pixel;
            const vec r = finished(l, y[i * m + k], at);
            vec_store(l->to + at, r);
            sum += r;
            squares += r * r;
        }
    if (l->sums) add_sums(l, sum, squares);
}

static void write_whole(const lanes *l, ptrdiff_t plane, const wino_plan *w)
{
    if (w->tile == WINO_EIGHT && w->results == 5) whole(l, plane, 5, WINO_EIGHT);
    else if (w->tile == WINO_EIGHT) whole(l, plane, 4, WINO_EIGHT);
    else if (w->tile == WINO_FOUR && w->results == 2) whole(l, plane, 2, WINO_FOUR);
    else if (w->tile == WINO_FOUR) whole(l, plane, 3, WINO_FOUR);
    else switch (w->results) {
    case 2: whole(l, plane, 2, WINO_SIX); break;
    case 3: whole(l, plane, 3, WINO_SIX); break;
    case 4: whole(l, plane, 4, WINO_SIX); break;
    default: whole(l, plane, 5, WINO_SIX); break;
    }
}

static void write_partly(const lanes *l, ptrdiff_t plane, const wino_plan *w, const window *in)
{
    if (w->tile == WINO_EIGHT && w->results == 5) partly(l, plane, in, 5, WINO_EIGHT);
    else if (w->tile == WINO_EIGHT) partly(l, plane, in, 4, WINO_EIGHT);
    else if (w->tile == WINO_FOUR && w->results == 2) partly(l, plane, in, 2, WINO_FOUR);
    else if (w->tile == WINO_FOUR) partly(l, plane, in, 3, WINO_FOUR);
    else switch (w->results) {
    case 2: partly(l, plane, in, 2, WINO_SIX); break;
    case 3: partly(l, plane, in, 3, WINO_SIX); break;
    case 4: partly(l, plane, in, 4, WINO_SIX); break;
    default: partly(l, plane, in, 5, WINO_SIX); break;
    }
}

/* Which of m results, the first at `first` and `step` apart, lie in 0 .. extent - 1. */
static inline conv_span inside(ptrdiff_t first, ptrdiff_t step, ptrdiff_t extent, ptrdiff_t m)
{
    conv_span s = { 0, m };
    if (first < 0) s.from = conv_ceil(-first, step);
    if (first + (m - 1) * step >= extent) s.to = first < extent ? conv_ceil(extent - first, step) : 0;
    return s;
}

/* All vectors of a tile, whose first result is (row, col) of image n. */
static void one_tile(const wino_products *s, lanes *l, ptrdiff_t n, ptrdiff_t row, ptrdiff_t col)
{
    const conv_pass *p = s->p;
    const ptrdiff_t m = s->w->results, first = s->slot * GROUP, plane = p->out.h * p->out.w * PN_BLOCK;
    const conv_span y = inside(row, l->down, p->out.h, m), x = inside(col, l->across, p->out.w, m);
    const window in = { y.from, y.to, x.from, x.to };
    const bool all = !y.from && y.to == m && !x.from && x.to == m;
    const float *base = l->m, *residual = s->c->epi ? s->c->epi->residual : NULL;
    float *sums = l->sums;
    if (y.from >= y.to || x.from >= x.to) return;
    const ptrdiff_t corner = (n * p->out_blocks + first / PN_BLOCK) * plane + (row * p->out.w + col) * PN_BLOCK;
    for (ptrdiff_t v = 0; v < s->vecs; v++) {
        const ptrdiff_t at = corner + v / VECS * plane + v % VECS * VLEN, real = p->out_c - first - v * VLEN;
        l->m = base + v * VLEN;
        l->to = s->c->result + at;
        l->residual = residual ? residual + at : NULL;
        l->bias = s->bias + v * VLEN;
        l->sums = sums ? sums + v * VLEN : NULL;
        l->cut = real < VLEN;
        if (l->cut) for (int i = 0; i < VLEN; i++) l->keep[i] = i < real ? -1 : 0;
        if (all) write_whole(l, s->w->m_plane, s->w);
        else write_partly(l, s->w->m_plane, s->w, &in);
    }
    l->m = base;
    l->sums = sums;
}

void PN_SIMD(pn_wino_results)(const wino_products *s, wino_block block)
{
    const conv_pass *p = s->p;
    const wino_plan *w = s->w;
    const pn_epilogue *e = s->c->epi;
    const ptrdiff_t down = p->rows.adjoint ? p->rows.stride : 1, across = p->cols.adjoint ? p->cols.stride : 1;
    lanes l = { .m = s->m, .down = down, .across = across, .row = p->out.w * down * PN_BLOCK,
                .pixel = across * PN_BLOCK, .add = s->c->add, .sums = s->sums, .activate = e && e->slope != 1,
                .slope = vec_all(e ? e->slope : 1) };
    ptrdiff_t n = block.n, ty = block.first / w->across, tx = block.first % w->across;
    for (ptrdiff_t i = 0; i < block.count; i++, l.m += GROUP) {
        const ptrdiff_t row = conv_position(&p->rows, s->row_phase, p->rows.from + ty * w->results);
        const ptrdiff_t col = conv_position(&p->cols, s->col_phase, p->cols.from + tx * w->results);
        one_tile(s, &l, n, row, col);
        if (++tx < w->across) continue;
        tx = 0;
        if (++ty < w->down) continue;
        ty = 0;
        n++;
        if (l.sums) l.sums += 2 * GROUP;
    }
}
