/* simd/winograd_weights.c - gradient of the weights by minimal filtering: 3x3, 5x5 and 7x7 of stride 1, 4x4 of stride 2
 *
 * Tiles of 6 x 6 source pixels and m x m gradients of results (m = 4 for 3x3, 2 for 5x5) are transformed; at each of
 * the 36 points the gradient is then an outer product of channels, summed over tiles, and goes back to taps only at
 * the end: 36 multiplications for 144 (3x3) or 100 (5x5), of which the transforms eat a part. A 4x4 of stride 2 is four
 * 2x2 of stride 1, each from one phase of the source's rows and columns: 4 x 36 for 400, m = 5. A 7x7 is four pieces of 4x4,
 * each with pixels of its own: 4 x 36 for 441, m = 3; their eighth taps are dropped. A source is a block of 16 channels of
 * one phase, or for one piece.
 *
 * Blocking. An item is a product of at most 4 sources by 64 channels; its 36 x 64 x 64 sums (590 KB) and the
 * transformed tiles would not share L2. Rows 0 and 5, 1 and 2, 3 and 4 of a transform share their halves and nothing
 * else, so the points are done in thirds at no more arithmetic: 64 tiles of one third (400 KB) beside its sums (197
 * KB); the next third finds the same pixels in L2. An item transforms for itself what neighbouring items transform
 * too: no barrier, no shared memory. Few items are cut along the tiles into chunks of 256 and more, whose gradients are
 * added in order; of many, each does two products with one transform of its sources, which is worth 6 %.
 *
 * Measured on one Zen 4 core, 64 x 64 channels of 128 x 128: products run at 90 % of the FMA peak and are two thirds of
 * the time, transforms a fifth (half of that waits for pixels), going back to taps 3 %. On an Intel core with 2 MB of L2
 * products run at 63 %, of 80 % that they reach by themselves from L2; four runs of a third before the next third were 5 %
 * slower there; fetching the next run's pixels, or the next point's tiles and sums, while products run gained nothing.
 *
 * Scratch: 1 MB per thread, or 1.6 MB with 16 products and more; with fewer than 8, 147 KB (3x3), 65 KB (4x4) or 410 KB
 * (5x5) per item too.
 */
#include "kernels/simd/winograd.h"

enum {
    RUN = 64,                       /* tiles transformed and multiplied at a time */
    MOST_PIECES = 2,                /* products that share a transform of sources */
    SIDE = 4,                       /* blocks of 16 channels of either side in a product: its sums stay in L2 */
    WINO = WINO_SIX, THIRDS = 3, POINTS = WINO * WINO / THIRDS,
    LEAST_ITEMS = 8, LEAST_TILES = 256,             /* of a chunk */
    MOST_STEP = 2, LINE = 16, LONG_FILTER = 7,
};

typedef struct {
    conv_pass wide, tall;           /* the ordinary forward; and its result's map */
    ptrdiff_t results, taps;        /* per axis: of a tile, of the filter of a phase */
    ptrdiff_t step, phases;         /* pixels from one to the next of a phase; phases of a map, or pieces of a filter */
    ptrdiff_t beside, reach;        /* phases of an axis; pixels, and taps, from one to the next */
    ptrdiff_t down, across, tiles;  /* tiles of an image; of all images */
    ptrdiff_t casts, vectors;       /* items: of SIDE sources (block, phase) of the wide map, blocks of the tall one */
    ptrdiff_t pieces;               /* of SIDE blocks of the tall map, that share a transform of sources */
    ptrdiff_t chunks;               /* runs of tiles, whose sums are added afterwards */
    ptrdiff_t wide_point, tall_point, sums_point;       /* floats between points */
    size_t tall_at, sums_at, filters_at, worker_floats; /* of a worker */
    ptrdiff_t filters;              /* floats of one item's gradients [block][slot][channel][tap][GROUP] */
} shape;

typedef struct {
    shape s;
    pn_sink dw;
    const float *wide, *tall;
    const pn_prologue *on_wide, *on_tall;
    float *workers, *partial;       /* gradients [chunk][item] */
} job;

typedef struct { conv_span cast, vectors; ptrdiff_t chunk; } part;      /* spans of sources, and of blocks */

/* Where a tile lies: its image, its first result; how many tiles from it on lie side by side and inside either map (0:
 * not even this one does). */
typedef struct { ptrdiff_t n, row, col, wide_inside, tall_inside; } place;

#define OUT_OF_LINE static __attribute__((noinline))

typedef struct { const float *scale, *shift; float slope; } reading;    /* of one block; scale NULL: as it is */

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t odd(ptrdiff_t floats) { return (floats / LINE | 1) * LINE; }
static ptrdiff_t products(const shape *s) { return s->casts * s->vectors; }

static shape shape_of(pn_conv_dims d)
{
    const bool in_pieces = d.kernel[0] == LONG_FILTER;
    shape s = { .step = d.stride[0], .beside = in_pieces ? 2 : d.stride[0] };
    s.phases = s.beside * s.beside;
    s.taps = conv_ceil(d.kernel[0], s.beside);
    s.reach = in_pieces ? s.taps : 1;
    s.results = WINO + 1 - s.taps;
    PN_SIMD(pn_conv_weight_passes)(d, &s.wide, &s.tall);
    const conv_pass *p = &s.wide;
    s.down = conv_ceil(p->out.h, s.results);
    s.across = conv_ceil(p->out.w, s.results);
    s.tiles = p->out.n * s.down * s.across;
    s.casts = conv_ceil(p->in_blocks * s.phases, SIDE);
    s.vectors = conv_ceil(p->out_blocks, SIDE);
    s.pieces = at_most(MOST_PIECES, products(&s) / LEAST_ITEMS);
    if (s.pieces < 1) s.pieces = 1;
    s.vectors = conv_ceil(p->out_blocks, SIDE * s.pieces);
    s.chunks = at_most(conv_ceil(LEAST_ITEMS, products(&s)), conv_ceil(s.tiles, LEAST_TILES));
    const ptrdiff_t run = at_most(RUN, s.tiles);
    const ptrdiff_t casts = at_most(SIDE, p->in_blocks * s.phases), vectors = at_most(SIDE, p->out_blocks);
    s.wide_point = odd(casts * run * PN_BLOCK);
    s.tall_point = odd(vectors * run * PN_BLOCK);
    s.sums_point = odd(casts * vectors * PN_BLOCK * PN_BLOCK);
    s.filters = casts / s.phases * vectors * PN_BLOCK * PN_BLOCK * p->taps;
    s.tall_at = (size_t)(POINTS * s.wide_point);
    s.sums_at = s.tall_at + (size_t)(POINTS * s.tall_point);
    s.filters_at = s.sums_at + (size_t)(s.pieces * WINO * WINO * s.sums_point);
    s.worker_floats = s.filters_at + (size_t)(s.chunks == 1 ? s.filters : 0);
    return s;
}

size_t PN_SIMD(pn_wino_weights_bytes)(pn_conv_dims d, int threads)
{
    const shape s = shape_of(d);
    const size_t partial = s.chunks == 1 ? 0 : (size_t)(s.chunks * products(&s) * s.filters);
    return (partial + (size_t)threads * s.worker_floats) * sizeof(float);
}

/* Costs in multiplications per pair of channels, measured on one Zen 4 core: transforms and waiting add 40 % to the
 * products, going back to taps costs an item as much as 6 tiles. Direct over tiled time, by this and as measured:
 *
 *   3x3   64 channels at 128: 2.8, 2.8   512 at 16: 2.1, 2.2   512 at 8: 1.1, 1.2
 *   4x4, stride 2, 64 channels to 32: 1.5, 1.65   256 to 16: 0.9, 1.0   512 to 8: 0.5, 0.6
 *
 * With fewer than 16 channels on either side transforms work for lanes that are not there (16 -> 16 at 128: 2.2). A 7x7
 * from 21 to 64 channels of 256x176 gains 2.0, from 6 1.5, from 3 1.05. A 3x3 of stride 2, as four phases of 2x2, gains 6
 * to 9 %: left to the direct gradient. */
enum { LEAST_CHANNELS = 16, LEAST_IN_PIECES = 6, TILE_COST = WINO * WINO * 14 / 10, TAPS_COST = 6 * TILE_COST };

bool PN_SIMD(pn_wino_weights_pays)(const pn_conv_dims *d)
{
    for (int i = 0; i < 2; i++)
        if (d->kernel[i] != d->kernel[0] || d->stride[i] != d->stride[0] || d->dilation[i] != 1) return false;
    const ptrdiff_t k = d->kernel[0], stride = d->stride[0];
    if (d->groups != 1 || !(stride == 1 ? k == 3 || k == 5 || k == LONG_FILTER : stride == 2 && k == 4)) return false;
    const bool in_pieces = k == LONG_FILTER && !d->transposed;
    if (d->x.c < (in_pieces ? LEAST_IN_PIECES : LEAST_CHANNELS) || d->y.c < LEAST_CHANNELS) return false;
    const shape s = shape_of(*d);
    return s.phases * (s.tiles * TILE_COST + TAPS_COST) < s.wide.out.n * s.wide.out.h * s.wide.out.w * k * k;
}

/* ---- Transforms ------------------------------------------------------------------------------------------------ */

/* Rows 0 and 5, 1 and 2, or 3 and 4 of B d: what a third of the points takes. */
CONV_INLINE void source_rows(vec t[2], const vec d[WINO], const int third)
{
    const wino_points *p = &wino_six;
    if (third == 0) {
        t[0] = d[4] + d[2] * p->all[1] + d[0] * p->all[0];
        t[1] = d[5] + d[3] * p->all[1] + d[1] * p->all[0];
        return;
    }
    const float other = p->others[third - 1][0];
    const vec even = d[4] + d[2] * other, odd = (d[3] + d[1] * other) * p->at[third - 1];
    t[0] = even + odd;
    t[1] = even - odd;
}

/* The same of E_n g. */
CONV_INLINE void value_rows(vec t[2], const vec *g, const int n, const int third)
{
    if (third == 0) {
        t[0] = g[0];
        t[1] = g[n - 1];
    } else {
        wino_pair_values(t, g, n, wino_six.at[third - 1]);
    }
}

CONV_INLINE vec read_as(const float *from, vec scale, vec shift, vec slope)
{
    const vec x = vec_load(from) * scale + shift;
    return vec_if(x > vec_all(0), x, x * slope);
}

/* `count` tiles side by side, from their first pixel on; strides in floats. */
typedef struct { const float *from; ptrdiff_t row; float *to; ptrdiff_t point, count; reading r; } passage;

/* Columns that two tiles share are transformed downwards once. */
CONV_INLINE void wide_third(const passage *t, const int third, const int m, const bool scaled, const ptrdiff_t pixel)
{
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        const vec scale = scaled ? vec_load(t->r.scale + lane) : vec_all(1);
        const vec shift = scaled ? vec_load(t->r.shift + lane) : vec_all(0), slope = vec_all(t->r.slope);
        const float *from = t->from + lane;
        float *to = t->to + lane;
        vec rows[2][WINO];
        for (ptrdiff_t i = -1; i < t->count; i++) {
            CONV_UNROLL
            for (int x = 0; x < WINO; x++) {
                if (i < 0 ? x >= WINO - m : x < WINO - m) continue;
                vec d[WINO], pair[2];
                CONV_UNROLL
                for (int y = 0; y < WINO; y++) {        /* the inner points use the inner four: the others vanish */
                    const float *at = from + y * t->row + x * pixel;
                    d[y] = scaled ? read_as(at, scale, shift, slope) : vec_load(at);
                }
                source_rows(pair, d, third);
                rows[0][x] = pair[0];
                rows[1][x] = pair[1];
            }
            if (i < 0) continue;
            CONV_UNROLL
            for (int k = 0; k < 2; k++) {
                vec v[WINO];
                wino_source(v, rows[k], WINO);
                CONV_UNROLL
                for (int x = 0; x < WINO; x++) vec_store(to + (k * WINO + x) * t->point, v[x]);
                CONV_UNROLL
                for (int x = 0; x < WINO - m; x++) rows[k][x] = rows[k][x + m];
            }
            from += m * pixel;
            to += PN_BLOCK;
        }
    }
}

CONV_INLINE void tall_third(const passage *t, const int third, const int m)
{
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        const float *from = t->from + lane;
        float *to = t->to + lane;
        for (ptrdiff_t i = 0; i < t->count; i++, from += m * PN_BLOCK, to += PN_BLOCK) {
            vec rows[2][WINO];
            CONV_UNROLL
            for (int x = 0; x < m; x++) {
                vec g[WINO], pair[2];
                CONV_UNROLL
                for (int y = 0; y < m; y++) g[y] = vec_load(from + y * t->row + x * PN_BLOCK);
                value_rows(pair, g, m, third);
                rows[0][x] = pair[0];
                rows[1][x] = pair[1];
            }
            CONV_UNROLL
            for (int k = 0; k < 2; k++) {
                vec v[WINO];
                wino_values(v, rows[k], m, WINO);
                CONV_UNROLL
                for (int x = 0; x < WINO; x++) vec_store(to + (k * WINO + x) * t->point, v[x]);
            }
        }
    }
}

/* Functions of their own: inlined together, they would compete for registers. */
CONV_INLINE void wide_switch(const passage *t, int third, const int m, const bool scaled, const ptrdiff_t step)
{
    switch (third) {
    case 0: wide_third(t, 0, m, scaled, step * PN_BLOCK); break;
    case 1: wide_third(t, 1, m, scaled, step * PN_BLOCK); break;
    default: wide_third(t, 2, m, scaled, step * PN_BLOCK); break;
    }
}
OUT_OF_LINE void wide_four(const passage *t, int third) { wide_switch(t, third, 4, false, 1); }
OUT_OF_LINE void wide_two(const passage *t, int third) { wide_switch(t, third, 2, false, 1); }
OUT_OF_LINE void wide_three(const passage *t, int third) { wide_switch(t, third, 3, false, 1); }
OUT_OF_LINE void wide_five(const passage *t, int third) { wide_switch(t, third, 5, false, 2); }
OUT_OF_LINE void wide_four_scaled(const passage *t, int third) { wide_switch(t, third, 4, true, 1); }
OUT_OF_LINE void wide_two_scaled(const passage *t, int third) { wide_switch(t, third, 2, true, 1); }
OUT_OF_LINE void wide_three_scaled(const passage *t, int third) { wide_switch(t, third, 3, true, 1); }
OUT_OF_LINE void wide_five_scaled(const passage *t, int third) { wide_switch(t, third, 5, true, 2); }

static void wide_stretch(const passage *t, int third, ptrdiff_t results)
{
    switch (results) {
    case 4: (t->r.scale ? wide_four_scaled : wide_four)(t, third); break;
    case 2: (t->r.scale ? wide_two_scaled : wide_two)(t, third); break;
    case 3: (t->r.scale ? wide_three_scaled : wide_three)(t, third); break;
    default: (t->r.scale ? wide_five_scaled : wide_five)(t, third); break;
    }
}

CONV_INLINE void tall_switch(const passage *t, int third, const int m)
{
    switch (third) {
    case 0: tall_third(t, 0, m); break;
    case 1: tall_third(t, 1, m); break;
    default: tall_third(t, 2, m); break;
    }
}
OUT_OF_LINE void tall_four(const passage *t, int third) { tall_switch(t, third, 4); }
OUT_OF_LINE void tall_two(const passage *t, int third) { tall_switch(t, third, 2); }
OUT_OF_LINE void tall_three(const passage *t, int third) { tall_switch(t, third, 3); }
OUT_OF_LINE void tall_five(const passage *t, int third) { tall_switch(t, third, 5); }

CONV_INLINE void copy_pixel(float *to, const float *from, const reading *r)
{
    for (ptrdiff_t l = 0; l < PN_BLOCK; l += VLEN) {
        if (!r->scale) vec_store(to + l, vec_load(from + l));
        else vec_store(to + l, read_as(from + l, vec_load(r->scale + l), vec_load(r->shift + l), vec_all(r->slope)));
    }
}

/* A tile of size x size pixels, `step` apart, in the map as in the patch. */
typedef struct { ptrdiff_t row, col, size, step; } frame;

/* Its pixels of one block of an image, with border and prologue. */
static void patch(float *to, const conv_pass *p, const float *map, frame f, const reading *r)
{
    const ptrdiff_t left = f.col < 0 ? at_most(conv_ceil(-f.col, f.step), f.size) : 0;
    const ptrdiff_t inside = p->in.w > f.col ? at_most(conv_ceil(p->in.w - f.col, f.step), f.size) : 0;
    const ptrdiff_t right = inside > left ? inside : left;
    for (ptrdiff_t y = 0; y < f.size; y++, to += f.size * f.step * PN_BLOCK) {
        const ptrdiff_t row = conv_stands_for(f.row + y * f.step, p->in.h, p->border);
        if (row < 0) {
            memset(to, 0, (size_t)(f.size * f.step * PN_BLOCK) * sizeof *to);
            continue;
        }
        const float *from = map + row * p->in.w * PN_BLOCK;
        for (ptrdiff_t x = left; x < right; x++)
            copy_pixel(to + x * f.step * PN_BLOCK, from + (f.col + x * f.step) * PN_BLOCK, r);
        for (ptrdiff_t x = left ? 0 : right; x < f.size; x = x + 1 == left ? right : x + 1) {
            const ptrdiff_t i = conv_stands_for(f.col + x * f.step, p->in.w, p->border);
            if (i < 0) memset(to + x * f.step * PN_BLOCK, 0, PN_BLOCK * sizeof *to);
            else copy_pixel(to + x * f.step * PN_BLOCK, from + i * PN_BLOCK, r);
        }
    }
}

static reading reading_of(const pn_prologue *pro, ptrdiff_t at)
{
    if (!pro || !pro->scale) return (reading){ 0 };
    return (reading){ pro->scale + at * PN_BLOCK, pro->shift + at * PN_BLOCK, pro->slope };
}

/* A third of the points of `count` tiles: to [point][source][tile][16]. */
static void wide_points(const job *j, float *to, conv_span sources, const place *tile, ptrdiff_t count, int third)
{
    const conv_pass *p = &j->s.wide;
    const ptrdiff_t all = pn_map_blocks(p->in), step = j->s.step, phases = j->s.phases;
    for (ptrdiff_t k = sources.from; k < sources.to; k++)
        for (ptrdiff_t i = 0, next; i < count; i = next) {
            const ptrdiff_t at = tile[i].n * all + k / phases, phase = k % phases;
            const ptrdiff_t row = tile[i].row * step + p->rows.low + phase / j->s.beside * j->s.reach;
            const ptrdiff_t col = tile[i].col * step + p->cols.low + phase % j->s.beside * j->s.reach;
            const float *map = j->wide + at * p->in.h * p->in.w * PN_BLOCK;
            passage t = { .row = step * p->in.w * PN_BLOCK, .to = to, .point = j->s.wide_point };
            t.r = reading_of(j->on_wide, at);
            t.count = tile[i].wide_inside ? tile[i].wide_inside : 1;
            float pixels[WINO * WINO * MOST_STEP * PN_BLOCK];
            if (tile[i].wide_inside) t.from = map + (row * p->in.w + col) * PN_BLOCK;
            else {
                patch(pixels, p, map, (frame){ row, col, WINO, step }, &t.r);
                t.from = pixels;
                t.row = WINO * step * PN_BLOCK;
                t.r.scale = NULL;
            }
            wide_stretch(&t, third, j->s.results);
            to += t.count * PN_BLOCK;
            next = i + t.count;
        }
}

static void tall_points(const job *j, float *to, conv_span blocks, const place *tile, ptrdiff_t count, int third)
{
    const conv_pass *p = &j->s.tall;
    const ptrdiff_t all = pn_map_blocks(p->in), size = j->s.results;
    for (ptrdiff_t b = blocks.from; b < blocks.to; b++)
        for (ptrdiff_t i = 0, next; i < count; i = next) {
            const ptrdiff_t at = tile[i].n * all + b, row = tile[i].row, col = tile[i].col;
            const float *map = j->tall + at * p->in.h * p->in.w * PN_BLOCK;
            const reading r = reading_of(j->on_tall, at);
            passage t = { .row = p->in.w * PN_BLOCK, .to = to, .point = j->s.tall_point };
            float pixels[WINO * WINO * PN_BLOCK];
            const bool inside = tile[i].tall_inside && !r.scale;
            t.count = inside ? tile[i].tall_inside : 1;
            if (inside) t.from = map + (row * p->in.w + col) * PN_BLOCK;
            else {
                patch(pixels, p, map, (frame){ row, col, size, 1 }, &r);
                t.from = pixels;
                t.row = size * PN_BLOCK;
            }
            (size == 4 ? tall_four : size == 3 ? tall_three : size == 2 ? tall_two : tall_five)(&t, third);
            to += t.count * PN_BLOCK;
            next = i + t.count;
        }
}

/* ---- Products -------------------------------------------------------------------------------------------------- */

/* Where tiles first .. first + count - 1 lie. */
static void places(place *tile, const shape *s, ptrdiff_t first, ptrdiff_t count)
{
    const conv_pass *p = &s->wide;
    const ptrdiff_t reach = WINO * s->step + (s->reach > 1 ? s->reach : 0);     /* of all phases */
    place next = { .n = first / (s->down * s->across), .row = first / s->across % s->down * s->results,
                   .col = first % s->across * s->results };
    for (ptrdiff_t i = 0; i < count; i++) {
        tile[i] = next;
        next.col += s->results;
        if (next.col < p->out.w) continue;
        next.col = 0;
        next.row += s->results;
        if (next.row < p->out.h) continue;
        next.row = 0;
        next.n++;
    }
    for (ptrdiff_t i = count; i--;) {
        place *at = tile + i;
        const ptrdiff_t row = at->row * s->step + p->rows.low, col = at->col * s->step + p->cols.low;
        const bool beside = i + 1 < count && at[1].n == at->n && at[1].row == at->row;
        at->wide_inside = row >= 0 && col >= 0 && row + reach <= p->in.h && col + reach <= p->in.w;
        at->tall_inside = at->row + s->results <= p->out.h && at->col + s->results <= p->out.w;
        if (at->wide_inside && beside) at->wide_inside += at[1].wide_inside;
        if (at->tall_inside && beside) at->tall_inside += at[1].tall_inside;
    }
}

static ptrdiff_t channels_of(ptrdiff_t all, ptrdiff_t block) { return at_most(all - block * PN_BLOCK, PN_BLOCK); }

static part piece_of(const part *t, ptrdiff_t piece)
{
    const ptrdiff_t first = at_most(t->vectors.from + piece * SIDE, t->vectors.to);
    return (part){ t->cast, { first, at_most(first + SIDE, t->vectors.to) }, t->chunk };
}

static float *sums_of(const shape *s, float *memory, ptrdiff_t piece, ptrdiff_t third)
{
    return memory + s->sums_at + (piece * THIRDS + third) * POINTS * s->sums_point;
}

typedef struct { ptrdiff_t count; bool fresh; } product;        /* of how many tiles; whether they are the first ones */

/* Sums [point][source][slot][channel][width] of a third of the points, over `count` tiles. */
static void multiply(const job *j, const part *t, const float *memory, float *sums, product over)
{
    const shape *s = &j->s;
    const float *wide = memory, *tall = memory + s->tall_at;
    const ptrdiff_t lanes = (t->vectors.to - t->vectors.from) * PN_BLOCK, block = over.count * PN_BLOCK;
    for (ptrdiff_t i = 0; i < POINTS; i++, wide += s->wide_point, tall += s->tall_point, sums += s->sums_point) {
        float *to = sums;
        for (ptrdiff_t k = t->cast.from; k < t->cast.to; k++)
            for (ptrdiff_t v = 0; v < lanes; v += GROUP) {
                const ptrdiff_t width = at_most(lanes - v, GROUP), vecs = width / VLEN;
                const conv_outer o = { .fresh = over.fresh, .rows = 1, .cols = over.count, .b_plane = block,
                                       .to_step = width };
                const float *cast = wide + (k - t->cast.from) * block, *vectors = tall + v / PN_BLOCK * block;
                const ptrdiff_t channels = channels_of(s->wide.in_c, k / s->phases);
                for (ptrdiff_t c = 0, piece; c < channels; c += piece) {
                    piece = conv_piece(channels - c, conv_most(vecs));
                    PN_SIMD(pn_conv_outer)(&o, to + c * width, cast + c, vectors, piece, vecs);
                }
                to += PN_BLOCK * width;
            }
    }
}

/* ---- From sums to dw ------------------------------------------------------------------------------------------- */

/* How far apart the taps of a phase lie in a filter, in floats, and how many there are. */
typedef struct { ptrdiff_t down, across, rows, cols; } comb;

CONV_INLINE void filters_of(float *to, const float *sums, ptrdiff_t point, const comb *c, const int taps)
{
    static const int third_of[WINO] = { 0, 1, 1, 2, 2, 0 }, row_of[WINO] = { 0, 0, 1, 0, 1, 1 };
    vec rows[WINO][WINO];
    CONV_UNROLL
    for (int x = 0; x < WINO; x++) {
        vec column[WINO], half[WINO];
        CONV_UNROLL
        for (int i = 0; i < WINO; i++)
            column[i] = vec_load(sums + (third_of[i] * POINTS + row_of[i] * WINO + x) * point);
        wino_results(half, column, taps, WINO, WINO_SCALED);
        CONV_UNROLL
        for (int i = 0; i < taps; i++) rows[i][x] = half[i];
    }
    CONV_UNROLL
    for (int i = 0; i < taps; i++) {
        vec y[WINO];
        wino_results(y, rows[i], taps, WINO, WINO_SCALED);
        CONV_UNROLL
        for (int x = 0; x < taps; x++)
            if (i < c->rows && x < c->cols) vec_store(to + i * c->down + x * c->across, y[x]);
    }
}

/* Gradients [channel][tap][width] of one source and slot, from sums [channel][width]. */
OUT_OF_LINE void filters(float *to, const float *sums, const shape *s, ptrdiff_t channels, ptrdiff_t width,
                         ptrdiff_t phase)
{
    const ptrdiff_t point = s->sums_point, kernel = s->wide.rows.kernel, across = s->step * width;
    const ptrdiff_t row = phase / s->beside * s->reach, col = phase % s->beside * s->reach;
    const comb teeth = { kernel * across, across, conv_ceil(kernel - row, s->step), conv_ceil(kernel - col, s->step) };
    to += (row * kernel + col) * width;
    for (ptrdiff_t c = 0; c < channels; c++, to += s->wide.taps * width, sums += width)
        for (ptrdiff_t v = 0; v < width; v += VLEN) {
            if (s->taps == 3) filters_of(to + v, sums + v, point, &teeth, 3);
            else if (s->taps == 4) filters_of(to + v, sums + v, point, &teeth, 4);
            else if (s->taps == 5) filters_of(to + v, sums + v, point, &teeth, 5);
            else filters_of(to + v, sums + v, point, &teeth, 2);
        }
}

static part part_of(const shape *s, ptrdiff_t item)
{
    const ptrdiff_t cast = item % s->casts * SIDE, vectors = item / s->casts % s->vectors * SIDE * s->pieces;
    return (part){ { cast, at_most(cast + SIDE, s->wide.in_blocks * s->phases) },
                   { vectors, at_most(vectors + SIDE * s->pieces, s->wide.out_blocks) }, item / products(s) };
}

/* Gradients [block][slot][channel][tap][width] of a part, from its sums. */
static void part_filters(const shape *s, const part *t, float *filter, const float *sums)
{
    const ptrdiff_t lanes = (t->vectors.to - t->vectors.from) * PN_BLOCK;
    for (ptrdiff_t k = t->cast.from; k < t->cast.to; k++)
        for (ptrdiff_t v = 0; v < lanes; v += GROUP) {
            const ptrdiff_t width = at_most(lanes - v, GROUP), source = k - t->cast.from, block = source / s->phases;
            filters(filter + (block * lanes + v) * PN_BLOCK * s->wide.taps, sums + (source * lanes + v) * PN_BLOCK, s,
                    channels_of(s->wide.in_c, k / s->phases), width, k % s->phases);
        }
}

static void part_deliver(const job *j, const part *t, const float *filter)
{
    const conv_pass *p = &j->s.wide;
    const ptrdiff_t lanes = (t->vectors.to - t->vectors.from) * PN_BLOCK;
    for (ptrdiff_t b = t->cast.from / j->s.phases; b < t->cast.to / j->s.phases; b++)
        for (ptrdiff_t v = 0; v < lanes; v += GROUP) {
            const ptrdiff_t width = at_most(lanes - v, GROUP), lane = t->vectors.from * PN_BLOCK + v;
            const conv_sums from = { .sums = filter, .taps = p->taps, .width = width,
                                     .channels = channels_of(p->in_c, b), .lanes = at_most(p->out_c - lane, width),
                                     .w_cast = p->w_in, .w_vectors = p->w_out };
            float *dw = j->dw.data + lane * p->w_out + b * PN_BLOCK * p->w_in;
            PN_SIMD(pn_conv_deliver)((pn_sink){ dw, j->dw.add }, &from);
            filter += PN_BLOCK * p->taps * width;
        }
}

static void item_sums(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const shape *s = &j->s;
    const part t = part_of(s, item);
    float *memory = j->workers + (size_t)worker * s->worker_floats;
    float *filter = s->chunks == 1 ? memory + s->filters_at : j->partial + item * s->filters;
    const ptrdiff_t from = s->tiles * t.chunk / s->chunks, to = s->tiles * (t.chunk + 1) / s->chunks;
    for (ptrdiff_t at = from; at < to; at += RUN) {
        const ptrdiff_t count = at_most(to - at, RUN);
        place tile[RUN];
        places(tile, s, at, count);
        for (int third = 0; third < THIRDS; third++) {
            wide_points(j, memory, t.cast, tile, count, third);
            for (ptrdiff_t i = 0; i < s->pieces; i++) {
                const part piece = piece_of(&t, i);
                tall_points(j, memory + s->tall_at, piece.vectors, tile, count, third);
                multiply(j, &piece, memory, sums_of(s, memory, i, third), (product){ count, at == from });
            }
        }
    }
    for (ptrdiff_t i = 0; i < s->pieces; i++) {         /* several pieces are items enough: chunks is 1 then */
        const part piece = piece_of(&t, i);
        part_filters(s, &piece, filter, sums_of(s, memory, i, 0));
        if (s->chunks == 1) part_deliver(j, &piece, filter);
    }
}

static void add_chunks(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const shape *s = &j->s;
    const part t = part_of(s, item);
    float *filter = j->partial + item * s->filters;
    const ptrdiff_t stride = products(s) * s->filters;
    const ptrdiff_t blocks = (t.cast.to - t.cast.from) / s->phases * (t.vectors.to - t.vectors.from);
    const ptrdiff_t used = blocks * PN_BLOCK * PN_BLOCK * s->wide.taps;
    conv_add_chunks(filter, used, s->chunks, stride);
    part_deliver(j, &t, filter);
}

void PN_SIMD(pn_wino_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                              pn_conv_dims d, void *scratch)
{
    job j = { .s = shape_of(d), .dw = dw };
    const ptrdiff_t items = products(&j.s);
    j.wide = d.transposed ? dy : x;
    j.tall = d.transposed ? x : dy;
    j.on_wide = d.transposed ? NULL : pro;
    j.on_tall = d.transposed ? pro : NULL;
    j.partial = scratch;
    j.workers = j.partial + (j.s.chunks == 1 ? 0 : j.s.chunks * items * j.s.filters);
    pn_parallel(pool, j.s.chunks * items, item_sums, &j);
    if (j.s.chunks > 1) pn_parallel(pool, items, add_chunks, &j);
}
