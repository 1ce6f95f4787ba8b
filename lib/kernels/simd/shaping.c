/* simd/shaping.c - runs of numbers moved or added, margins, axes in another order
 *
 * All of it is bound by memory: items are some 64 KB of numbers, so that small calls stay on one thread.
 */
#include "kernels/simd/vec.h"

enum { CHUNK = 16384 };

static ptrdiff_t at_least(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t pieces(ptrdiff_t count, ptrdiff_t size) { return (count + size - 1) / size; }

static void add(float *dst, const float *src, ptrdiff_t count)
{
    ptrdiff_t i = 0;
    for (; i + VLEN <= count; i += VLEN) vec_store(dst + i, vec_load(dst + i) + vec_load(src + i));
    for (; i < count; i++) dst[i] += src[i];
}

static void put(pn_sink dst, ptrdiff_t at, const float *src, ptrdiff_t count)
{
    if (dst.add) add(dst.data + at, src, count);
    else memcpy(dst.data + at, src, (size_t)count * sizeof *src);
}

/* ---- Strips -------------------------------------------------------------------------------------------------------------- */

typedef struct { pn_sink dst; const float *src; pn_strips s; ptrdiff_t runs, piece; } strips_job;

static void strips_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const strips_job *j = arg;
    const ptrdiff_t cuts = pieces(j->s.count, j->piece), begin = item % cuts * j->piece;
    const ptrdiff_t count = at_most(j->piece, j->s.count - begin), first = item / cuts * j->runs;
    for (ptrdiff_t o = first; o < at_most(first + j->runs, j->s.outer); o++) {
        const ptrdiff_t to = o * j->s.to_stride + begin;
        if (j->src) put(j->dst, to, j->src + o * j->s.from_stride + begin, count);
        else memset(j->dst.data + to, 0, (size_t)count * sizeof(float));
    }
}

/* Long runs are cut into pieces, short ones go together; src NULL clears. */
static void move(pn_pool *pool, pn_sink dst, const float *src, pn_strips s)
{
    if (!s.count || !s.outer) return;
    if (s.to_stride == s.count && (s.from_stride == s.count || !src)) s = (pn_strips){ 1, s.outer * s.count, 0, 0 };
    strips_job j = { dst, src, s, at_least(CHUNK / s.count, 1), at_most(s.count, CHUNK) };
    pn_parallel(pool, pieces(s.outer, j.runs) * pieces(s.count, j.piece), strips_item, &j);
}

static void strips(pn_pool *pool, pn_sink dst, const pn_real *src, pn_strips s) { move(pool, dst, src, s); }
static void clear(pn_pool *pool, pn_real *dst, pn_strips s) { move(pool, (pn_sink){ dst, false }, NULL, s); }

/* ---- Padding: an item is some rows of y (forward) or x (backward) in one plane or block of channels ------------------------- */

typedef struct { pn_pad_dims d; float *y; const float *x; pn_sink dx; const float *dy; ptrdiff_t rows; } pad_job;

static ptrdiff_t source_of(ptrdiff_t i, ptrdiff_t extent, pn_border border)
{
    if (i >= 0 && i < extent) return i;
    if (border == PN_BORDER_REPLICATE) return i < 0 ? 0 : extent - 1;
    if (border == PN_BORDER_REFLECT) return i < 0 ? -i : 2 * (extent - 1) - i;
    return -1;
}

static ptrdiff_t right_of(const pn_pad_dims *d) { return d->y.w - d->left - d->x.w; }

/* One pixel (a number, or 16 of a block) of the value outside, its lanes past the last channel 0. */
static void fill_outside(float *y, ptrdiff_t pixels, const pn_pad_dims *d, ptrdiff_t plane)
{
    const ptrdiff_t b = d->y.b, first = plane % pn_map_blocks(d->y) * b;
    for (ptrdiff_t l = 0; l < b; l++) y[l] = first + l < d->y.c ? d->value : 0;
    for (ptrdiff_t i = 1; i < pixels; i++) memcpy(y + i * b, y, (size_t)b * sizeof *y);
}

static void pad_row(float *y, const float *x, const pn_pad_dims *d, ptrdiff_t plane)
{
    const ptrdiff_t b = d->y.b, right = right_of(d);
    const size_t pixel = (size_t)b * sizeof *y;
    memcpy(y + d->left * b, x, (size_t)(d->x.w * b) * sizeof *y);
    if (d->border == PN_BORDER_ZERO) {
        if (d->left) fill_outside(y, d->left, d, plane);
        if (right) fill_outside(y + (d->left + d->x.w) * b, right, d, plane);
        return;
    }
    for (ptrdiff_t j = 0; j < d->left; j++) memcpy(y + j * b, x + source_of(j - d->left, d->x.w, d->border) * b, pixel);
    for (ptrdiff_t j = 0; j < right; j++)
        memcpy(y + (d->left + d->x.w + j) * b, x + source_of(d->x.w + j, d->x.w, d->border) * b, pixel);
}

static void pad_fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const pad_job *j = arg;
    const pn_pad_dims *d = &j->d;
    const ptrdiff_t cuts = pieces(d->y.h, j->rows), plane = item / cuts, first = item % cuts * j->rows;
    const ptrdiff_t x_row = d->x.w * d->x.b, y_row = d->y.w * d->y.b;
    for (ptrdiff_t i = first; i < at_most(first + j->rows, d->y.h); i++) {
        float *y = j->y + (plane * d->y.h + i) * y_row;
        const ptrdiff_t p = source_of(i - d->top, d->x.h, d->border);
        if (p < 0) fill_outside(y, d->y.w, d, plane);
        else pad_row(y, j->x + (plane * d->x.h + p) * x_row, d, plane);
    }
}

static void pad_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_pad_dims d)
{
    pad_job j = { .d = d, .y = y, .x = x, .rows = at_least(CHUNK / (d.y.w * d.y.b), 1) };
    pn_parallel(pool, d.y.n * pn_map_blocks(d.y) * pieces(d.y.h, j.rows), pad_fwd_item, &j);
}

/* dy of one row onto dx of one: its middle, then what the margins repeat or mirror. */
static void unpad_row(pn_sink dx, ptrdiff_t at, const float *dy, const pn_pad_dims *d)
{
    const ptrdiff_t b = d->x.b, right = right_of(d);
    put(dx, at, dy + d->left * b, d->x.w * b);
    if (d->border == PN_BORDER_ZERO) return;
    for (ptrdiff_t j = 0; j < d->left; j++)
        add(dx.data + at + source_of(j - d->left, d->x.w, d->border) * b, dy + j * b, b);
    for (ptrdiff_t j = 0; j < right; j++)
        add(dx.data + at + source_of(d->x.w + j, d->x.w, d->border) * b, dy + (d->left + d->x.w + j) * b, b);
}

static void pad_bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const pad_job *j = arg;
    const pn_pad_dims *d = &j->d;
    const ptrdiff_t cuts = pieces(d->x.h, j->rows), plane = item / cuts, first = item % cuts * j->rows;
    const float *dy = j->dy + plane * d->y.h * d->y.w * d->y.b;
    const ptrdiff_t end = at_most(first + j->rows, d->x.h), y_row = d->y.w * d->y.b;
    for (ptrdiff_t p = first; p < end; p++) {
        const ptrdiff_t at = (plane * d->x.h + p) * d->x.w * d->x.b;
        unpad_row(j->dx, at, dy + (p + d->top) * y_row, d);
        if (d->border == PN_BORDER_ZERO) continue;
        const pn_sink more = { j->dx.data, true };
        for (ptrdiff_t i = 0; i < d->top; i++)
            if (source_of(i - d->top, d->x.h, d->border) == p) unpad_row(more, at, dy + i * y_row, d);
        for (ptrdiff_t i = d->top + d->x.h; i < d->y.h; i++)
            if (source_of(i - d->top, d->x.h, d->border) == p) unpad_row(more, at, dy + i * y_row, d);
    }
}

static void pad_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_pad_dims d)
{
    pad_job j = { .d = d, .dx = dx, .dy = dy, .rows = at_least(CHUNK / (d.x.w * d.x.b), 1) };
    pn_parallel(pool, d.x.n * pn_map_blocks(d.x) * pieces(d.x.h, j.rows), pad_bwd_item, &j);
}

/* ---- Other order of axes ----------------------------------------------------------------------------------------------------- */

/* The permutation with as few axes as will do: `dense` is the one that src has numbers side by side along (the last: runs are
 * copied), and dst moves by `dense_step` along it. The others are counted by items. */
typedef struct { pn_sink dst; const float *src; pn_permutation p; int dense; ptrdiff_t dense_step, tiles, run; } permute_job;

enum { TILE = 64, WIDTH = 16 };          /* rows and columns of dst that are turned together */

static pn_permutation merge_axes(pn_permutation p)
{
    pn_permutation m = { .rank = 0 };
    for (int i = 0; i < p.rank; i++) {
        const int last = m.rank - 1;
        if (p.dim[i] == 1) continue;
        if (last >= 0 && m.stride[last] == p.stride[i] * p.dim[i]) {
            m.dim[last] *= p.dim[i];
            m.stride[last] = p.stride[i];
        } else {
            m.dim[m.rank] = p.dim[i];
            m.stride[m.rank++] = p.stride[i];
        }
    }
    if (!m.rank) m = (pn_permutation){ 1, { 1 }, { 1 } };
    return m;
}

typedef struct { ptrdiff_t to, from; } offsets;

/* Where combination `rest` of the axes but the last and the dense one begins. */
static offsets begin_of(const permute_job *j, ptrdiff_t rest)
{
    offsets o = { 0, 0 };
    ptrdiff_t step = j->p.dim[j->p.rank - 1];
    for (int i = j->p.rank - 2; i >= 0; i--) {
        if (i != j->dense) {
            o.to += rest % j->p.dim[i] * step;
            o.from += rest % j->p.dim[i] * j->p.stride[i];
            rest /= j->p.dim[i];
        }
        step *= j->p.dim[i];
    }
    return o;
}

static void copy_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const permute_job *j = arg;
    const ptrdiff_t count = j->p.dim[j->p.rank - 1], end = at_most((item + 1) * j->run, j->tiles);
    for (ptrdiff_t rest = item * j->run; rest < end; rest++) {
        const offsets o = begin_of(j, rest);
        put(j->dst, o.to, j->src + o.from, count);
    }
}

/* Some rows of dst from column c on: lines of src go through a square of numbers that stays in L1. */
static inline void turn(const permute_job *j, ptrdiff_t to, const float *src, ptrdiff_t rows, ptrdiff_t columns)
{
    const ptrdiff_t stride = j->p.stride[j->p.rank - 1];
    float square[TILE][WIDTH];
    for (ptrdiff_t k = 0; k < columns; k++)
        for (ptrdiff_t i = 0; i < rows; i++) square[i][k] = src[k * stride + i];
    for (ptrdiff_t i = 0; i < rows; i++) put(j->dst, to + i * j->dense_step, square[i], columns);
}

/* TILE rows of dst, each along its last axis. */
static void turn_rows(const permute_job *j, offsets o, ptrdiff_t first)
{
    const ptrdiff_t last = j->p.dim[j->p.rank - 1], rows = at_most(TILE, j->p.dim[j->dense] - first);
    for (ptrdiff_t c = 0; c < last; c += WIDTH) {
        const float *src = j->src + o.from + c * j->p.stride[j->p.rank - 1] + first;
        const ptrdiff_t to = o.to + first * j->dense_step + c;
        if (rows == TILE && c + WIDTH <= last) turn(j, to, src, TILE, WIDTH);
        else turn(j, to, src, rows, at_most(WIDTH, last - c));
    }
}

static void turn_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const permute_job *j = arg;
    const ptrdiff_t cuts = pieces(j->tiles, j->run), first = item % cuts * j->run;
    const offsets o = begin_of(j, item / cuts);
    for (ptrdiff_t t = first; t < at_most(first + j->run, j->tiles); t++) turn_rows(j, o, t * TILE);
}

static void permute(pn_pool *pool, pn_sink dst, const pn_real *src, pn_permutation p)
{
    permute_job j = { .dst = dst, .src = src, .p = merge_axes(p), .dense_step = 1 };
    ptrdiff_t rest = 1;
    for (int i = 0; i < j.p.rank; i++)
        if (j.p.stride[i] == 1) j.dense = i;
    for (int i = 0; i < j.p.rank - 1; i++)
        if (i != j.dense) rest *= j.p.dim[i];
    for (int i = j.dense + 1; i < j.p.rank; i++) j.dense_step *= j.p.dim[i];
    if (j.dense == j.p.rank - 1) {
        j.tiles = rest;
        j.run = at_least(CHUNK / j.p.dim[j.dense], 1);
        pn_parallel(pool, pieces(rest, j.run), copy_item, &j);
    } else {
        j.tiles = pieces(j.p.dim[j.dense], TILE);
        j.run = at_least(CHUNK / (TILE * j.p.dim[j.p.rank - 1]), 1);
        pn_parallel(pool, rest * pieces(j.tiles, j.run), turn_item, &j);
    }
}

void PN_SIMD(pn_simd_shaping)(pn_kernels *k)
{
    k->shaping = (pn_shaping_kernels){ .strips = strips, .clear = clear, .pad_fwd = pad_fwd, .pad_bwd = pad_bwd, .permute = permute };
}
