/* simd/winograd_weights.c - gradient of the weights by minimal filtering: 3x3 and 5x5 of stride 1
 *
 * Tiles of 6 x 6 source pixels and m x m gradients of results (m = 4 for 3x3, 2 for 5x5) are transformed; at each of
 * the 36 points the gradient is then an outer product of channels, summed over tiles, and goes back to taps only at the
 * end: 36 multiplications for 144 (3x3) or 100 (5x5), of which the transforms eat a part.
 *
 * Blocking. An item is a product of at most 64 by 64 channels; its 36 x 64 x 64 sums (590 KB) and the transformed tiles
 * would not share L2. Rows 0 and 5, 1 and 2, 3 and 4 of a transform share their halves and nothing else, so the points
 * are done in thirds at no more arithmetic: 64 tiles of one third (400 KB) beside its sums (197 KB), four such runs
 * before the next third reads the same pixels again. An item transforms for itself what neighbouring items transform
 * too: no barrier, no shared memory. Few items are cut along the tiles into chunks, whose gradients are added in order.
 *
 * Scratch: 1 MB per thread, and when there are fewer than 8 products 147 KB (3x3) or 410 KB (5x5) per item.
 */
#include "kernels/simd/winograd.h"

enum {
    RUN = 64,                       /* tiles transformed and multiplied at a time, */
    RUNS = 4,                       /* ... and how often for one third of the points before the next third */
    SIDE = 4,                       /* blocks of 16 channels of either side in a product: its sums stay in L2 */
    THIRDS = 3, POINTS = WINO_POINTS / THIRDS,
    LEAST_ITEMS = 8, LEAST_TILES = 2 * RUN,         /* of a chunk */
    LINE = 16,
};

typedef struct {
    conv_pass wide, tall;           /* the ordinary forward; and its result's map */
    ptrdiff_t results, taps;        /* per axis: of a tile, of the filter */
    ptrdiff_t down, across, tiles;  /* tiles of an image; of all images */
    ptrdiff_t casts, vectors;       /* groups of SIDE blocks of the wide and of the tall map */
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

typedef struct { conv_span cast, vectors; ptrdiff_t chunk; } part;      /* spans of blocks */

/* Where a tile lies: its image, its first pixel in either map, and whether all of it does. */
typedef struct { ptrdiff_t n, row, col; bool wide_inside, tall_inside; } place;

typedef struct { const float *scale, *shift; float slope; } reading;    /* of one block; scale NULL: as it is */

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t odd(ptrdiff_t floats) { return (floats / LINE | 1) * LINE; }
static ptrdiff_t products(const shape *s) { return s->casts * s->vectors; }

static shape shape_of(pn_conv_dims d)
{
    shape s = { .taps = d.kernel[0], .results = WINO + 1 - d.kernel[0] };
    PN_SIMD(pn_conv_weight_passes)(d, &s.wide, &s.tall);
    const conv_pass *p = &s.wide;
    s.down = conv_ceil(p->out.h, s.results);
    s.across = conv_ceil(p->out.w, s.results);
    s.tiles = p->out.n * s.down * s.across;
    s.casts = conv_ceil(p->in_blocks, SIDE);
    s.vectors = conv_ceil(p->out_blocks, SIDE);
    s.chunks = at_most(conv_ceil(LEAST_ITEMS, products(&s)), conv_ceil(s.tiles, LEAST_TILES));
    const ptrdiff_t run = at_most(RUN, s.tiles);
    const ptrdiff_t casts = at_most(SIDE, p->in_blocks), vectors = at_most(SIDE, p->out_blocks);
    s.wide_point = odd(casts * run * PN_BLOCK);
    s.tall_point = odd(vectors * run * PN_BLOCK);
    s.sums_point = odd(casts * vectors * PN_BLOCK * PN_BLOCK);
    s.filters = casts * vectors * PN_BLOCK * PN_BLOCK * p->taps;
    s.tall_at = (size_t)(POINTS * s.wide_point);
    s.sums_at = s.tall_at + (size_t)(POINTS * s.tall_point);
    s.filters_at = s.sums_at + (size_t)(WINO_POINTS * s.sums_point);
    s.worker_floats = s.filters_at + (size_t)(s.chunks == 1 ? s.filters : 0);
    return s;
}

size_t PN_SIMD(pn_wino_weights_bytes)(pn_conv_dims d, int threads)
{
    const shape s = shape_of(d);
    const size_t partial = s.chunks == 1 ? 0 : (size_t)(s.chunks * products(&s) * s.filters);
    return (partial + (size_t)threads * s.worker_floats) * sizeof(float);
}

/* Below these the direct gradient is as fast: transforms fill lanes that are not there, or are done for a handful of
 * tiles. Measured against it at 16 -> 16 channels of 128 x 128: 2.2 times as fast; at 4 tiles of 512 -> 512: 1.2. */
enum { LEAST_CHANNELS = 16, PAYS_FROM = 4 };

bool PN_SIMD(pn_wino_weights_pays)(const pn_conv_dims *d)
{
    for (int i = 0; i < 2; i++)
        if (d->kernel[i] != d->kernel[0] || d->stride[i] != 1 || d->dilation[i] != 1) return false;
    if ((d->kernel[0] != 3 && d->kernel[0] != 5) || d->groups != 1) return false;
    return d->x.c >= LEAST_CHANNELS && d->y.c >= LEAST_CHANNELS && shape_of(*d).tiles >= PAYS_FROM;
}

/* ---- Transforms ------------------------------------------------------------------------------------------------ */

/* Rows 0 and 5, 1 and 2, or 3 and 4 of B d: what a third of the points takes. */
CONV_INLINE void source_rows(vec t[2], const vec d[WINO], const int third)
{
    if (third == 0) {
        t[0] = (d[4] - d[2] * wino_sum) + d[0] * wino_product;
        t[1] = (d[5] - d[3] * wino_sum) + d[1] * wino_product;
        return;
    }
    const float own = third == 1 ? wino_a : wino_b, other = third == 1 ? wino_b2 : wino_a2;
    const vec even = d[4] - d[2] * other, odd = (d[3] - d[1] * other) * own;
    t[0] = even + odd;
    t[1] = even - odd;
}

/* The same of E_n g. */
CONV_INLINE void value_rows(vec t[2], const vec *g, const int n, const int third)
{
    if (third == 0) {
        t[0] = g[0];
        t[1] = g[n - 1];
        return;
    }
    const float own = third == 1 ? wino_a : wino_b;
    vec even = g[0], odd = { 0 };
    float power = 1;
    for (int k = 1; k < n; k++) {
        power *= own;
        if (k == 1) odd = g[k] * power;
        else if (k % 2) odd += g[k] * power;
        else even += g[k] * power;
    }
    t[0] = even + odd;
    t[1] = even - odd;
}

CONV_INLINE vec read_as(const float *from, const reading *r, ptrdiff_t lane, const bool scaled)
{
    vec x = vec_load(from);
    if (!scaled) return x;
    x = x * vec_load(r->scale + lane) + vec_load(r->shift + lane);
    return vec_if(x > vec_all(0), x, x * vec_all(r->slope));
}

/* Strides of a tile's source in floats, of its points in `to`. */
typedef struct { const float *from; ptrdiff_t row; float *to; ptrdiff_t point; } passage;

CONV_INLINE void wide_third(const passage *t, const reading *r, const int third, const bool scaled)
{
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        vec rows[2][WINO];
        CONV_UNROLL
        for (int x = 0; x < WINO; x++) {
            vec d[WINO], pair[2];
            CONV_UNROLL
            for (int y = 0; y < WINO; y++)              /* the inner points use the inner four: the others vanish */
                d[y] = read_as(t->from + y * t->row + x * PN_BLOCK + lane, r, lane, scaled);
            source_rows(pair, d, third);
            rows[0][x] = pair[0];
            rows[1][x] = pair[1];
        }
        CONV_UNROLL
        for (int i = 0; i < 2; i++) {
            vec v[WINO];
            wino_source(v, rows[i]);
            CONV_UNROLL
            for (int x = 0; x < WINO; x++) vec_store(t->to + (i * WINO + x) * t->point + lane, v[x]);
        }
    }
}

CONV_INLINE void tall_third(const passage *t, const reading *r, const int n, const int third, const bool scaled)
{
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        vec rows[2][WINO];
        CONV_UNROLL
        for (int x = 0; x < n; x++) {
            vec g[WINO], pair[2];
            CONV_UNROLL
            for (int y = 0; y < n; y++) g[y] = read_as(t->from + y * t->row + x * PN_BLOCK + lane, r, lane, scaled);
            value_rows(pair, g, n, third);
            rows[0][x] = pair[0];
            rows[1][x] = pair[1];
        }
        CONV_UNROLL
        for (int i = 0; i < 2; i++) {
            vec v[WINO];
            wino_values(v, rows[i], n);
            CONV_UNROLL
            for (int x = 0; x < WINO; x++) vec_store(t->to + (i * WINO + x) * t->point + lane, v[x]);
        }
    }
}

static void wide_plain(const passage *t, int third)
{
    if (third == 0) wide_third(t, NULL, 0, false);
    else if (third == 1) wide_third(t, NULL, 1, false);
    else wide_third(t, NULL, 2, false);
}

static void wide_scaled(const passage *t, const reading *r, int third)
{
    if (third == 0) wide_third(t, r, 0, true);
    else if (third == 1) wide_third(t, r, 1, true);
    else wide_third(t, r, 2, true);
}

static void tall_plain(const passage *t, ptrdiff_t results, int third)
{
    const bool four = results == 4;
    if (third == 0) { if (four) tall_third(t, NULL, 4, 0, false); else tall_third(t, NULL, 2, 0, false); }
    else if (third == 1) { if (four) tall_third(t, NULL, 4, 1, false); else tall_third(t, NULL, 2, 1, false); }
    else if (four) tall_third(t, NULL, 4, 2, false);
    else tall_third(t, NULL, 2, 2, false);
}

/* size x size pixels from (row, col) on of one block of an image, with border and prologue. */
static void patch(float *to, const conv_pass *p, const float *map, const place *at, ptrdiff_t size, const reading *r)
{
    for (ptrdiff_t y = 0; y < size; y++) {
        const ptrdiff_t i = conv_stands_for(at->row + y, p->in.h, p->border);
        for (ptrdiff_t x = 0; x < size; x++, to += PN_BLOCK) {
            const ptrdiff_t j = conv_stands_for(at->col + x, p->in.w, p->border);
            const float *from = map + (i * p->in.w + j) * PN_BLOCK;
            if (i < 0 || j < 0) memset(to, 0, PN_BLOCK * sizeof *to);
            else for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN)
                vec_store(to + lane, r->scale ? read_as(from + lane, r, lane, true) : vec_load(from + lane));
        }
    }
}

static reading reading_of(const pn_prologue *pro, ptrdiff_t at)
{
    if (!pro || !pro->scale) return (reading){ 0 };
    return (reading){ pro->scale + at * PN_BLOCK, pro->shift + at * PN_BLOCK, pro->slope };
}

/* A third of the points of `count` tiles: to [point][block][tile][16]. */
static void wide_points(const job *j, float *to, conv_span blocks, const place *tile, ptrdiff_t count, int third)
{
    const conv_pass *p = &j->s.wide;
    const ptrdiff_t all = pn_map_blocks(p->in);
    for (ptrdiff_t b = blocks.from; b < blocks.to; b++)
        for (ptrdiff_t i = 0; i < count; i++, to += PN_BLOCK) {
            const ptrdiff_t at = tile[i].n * all + b, row = tile[i].row + p->rows.low, col = tile[i].col + p->cols.low;
            const float *map = j->wide + at * p->in.h * p->in.w * PN_BLOCK;
            const reading r = reading_of(j->on_wide, at);
            passage t = { map + (row * p->in.w + col) * PN_BLOCK, p->in.w * PN_BLOCK, to, j->s.wide_point };
            if (tile[i].wide_inside) {
                if (r.scale) wide_scaled(&t, &r, third);
                else wide_plain(&t, third);
                continue;
            }
            float pixels[WINO_POINTS * PN_BLOCK];
            patch(pixels, p, map, &(place){ .row = row, .col = col }, WINO, &r);
            t.from = pixels;
            t.row = WINO * PN_BLOCK;
            wide_plain(&t, third);
        }
}

static void tall_points(const job *j, float *to, conv_span blocks, const place *tile, ptrdiff_t count, int third)
{
    const conv_pass *p = &j->s.tall;
    const ptrdiff_t all = pn_map_blocks(p->in), size = j->s.results;
    for (ptrdiff_t b = blocks.from; b < blocks.to; b++)
        for (ptrdiff_t i = 0; i < count; i++, to += PN_BLOCK) {
            const ptrdiff_t at = tile[i].n * all + b;
            const float *map = j->tall + at * p->in.h * p->in.w * PN_BLOCK;
            const reading r = reading_of(j->on_tall, at);
            passage t = { .row = p->in.w * PN_BLOCK, .to = to, .point = j->s.tall_point };
            t.from = map + (tile[i].row * p->in.w + tile[i].col) * PN_BLOCK;
            float pixels[WINO_POINTS * PN_BLOCK];
            if (!tile[i].tall_inside || r.scale) {
                patch(pixels, p, map, &tile[i], size, &r);
                t.from = pixels;
                t.row = size * PN_BLOCK;
            }
            tall_plain(&t, size, third);
        }
}

/* ---- Products -------------------------------------------------------------------------------------------------- */

/* Where tiles first .. first + count - 1 lie. */
static void places(place *tile, const shape *s, ptrdiff_t first, ptrdiff_t count)
{
    const conv_pass *p = &s->wide;
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t t = first + i, in_image = t % (s->down * s->across);
        place *at = tile + i;
        at->n = t / (s->down * s->across);
        at->row = in_image / s->across * s->results;
        at->col = in_image % s->across * s->results;
        const ptrdiff_t row = at->row + p->rows.low, col = at->col + p->cols.low;
        at->wide_inside = row >= 0 && col >= 0 && row + WINO <= p->in.h && col + WINO <= p->in.w;
        at->tall_inside = at->row + s->results <= p->out.h && at->col + s->results <= p->out.w;
    }
}

static ptrdiff_t channels_of(ptrdiff_t all, ptrdiff_t block) { return at_most(all - block * PN_BLOCK, PN_BLOCK); }

/* Sums [point][block of cast][slot][channel][width] of a third of the points, over `count` tiles. */
static void multiply(const job *j, const part *t, float *memory, ptrdiff_t count, int third, bool fresh)
{
    const shape *s = &j->s;
    const float *wide = memory, *tall = memory + s->tall_at;
    float *sums = memory + s->sums_at + third * POINTS * s->sums_point;
    const ptrdiff_t lanes = (t->vectors.to - t->vectors.from) * PN_BLOCK, block = count * PN_BLOCK;
    for (ptrdiff_t i = 0; i < POINTS; i++, wide += s->wide_point, tall += s->tall_point, sums += s->sums_point) {
        float *to = sums;
        for (ptrdiff_t b = t->cast.from; b < t->cast.to; b++)
            for (ptrdiff_t v = 0; v < lanes; v += GROUP) {
                const ptrdiff_t width = at_most(lanes - v, GROUP), vecs = width / VLEN;
                const conv_outer o = { .fresh = fresh, .rows = 1, .cols = count, .b_plane = block, .to_step = width };
                const float *cast = wide + (b - t->cast.from) * block, *vectors = tall + v / PN_BLOCK * block;
                const ptrdiff_t channels = channels_of(s->wide.in_c, b);
                for (ptrdiff_t c = 0, piece; c < channels; c += piece) {
                    piece = conv_piece(channels - c, conv_most(vecs));
                    PN_SIMD(pn_conv_outer)(&o, to + c * width, cast + c, vectors, piece, vecs);
                }
                to += PN_BLOCK * width;
            }
    }
}

/* ---- From sums to dw ------------------------------------------------------------------------------------------- */

CONV_INLINE void filters_of(float *to, const float *sums, ptrdiff_t point, ptrdiff_t width, const int taps)
{
    static const int third_of[WINO] = { 0, 1, 1, 2, 2, 0 }, row_of[WINO] = { 0, 0, 1, 0, 1, 1 };
    vec t[WINO_POINTS], y[WINO_POINTS];
    for (int i = 0; i < WINO; i++)
        for (int x = 0; x < WINO; x++)
            t[i * WINO + x] = vec_load(sums + (third_of[i] * POINTS + row_of[i] * WINO + x) * point);
    wino_results_tile(y, t, taps, WINO_SCALED);
    for (int i = 0; i < taps * taps; i++) vec_store(to + i * width, y[i]);
}

/* Gradients [channel][tap][width] of one block and slot. */
static void filters(float *to, const float *sums, const shape *s, ptrdiff_t channels, ptrdiff_t width)
{
    for (ptrdiff_t c = 0; c < channels; c++)
        for (ptrdiff_t v = 0; v < width; v += VLEN) {
            float *filter = to + c * s->wide.taps * width + v;
            if (s->taps == 3) filters_of(filter, sums + c * width + v, s->sums_point, width, 3);
            else filters_of(filter, sums + c * width + v, s->sums_point, width, 5);
        }
}

static part part_of(const shape *s, ptrdiff_t item)
{
    const ptrdiff_t cast = item % s->casts * SIDE, vectors = item / s->casts % s->vectors * SIDE;
    return (part){ { cast, at_most(cast + SIDE, s->wide.in_blocks) },
                   { vectors, at_most(vectors + SIDE, s->wide.out_blocks) }, item / products(s) };
}

typedef enum { TO_FILTERS, TO_DW } stage;

/* Every block and slot of a part: from sums to filters, or from filters to dw. */
static void each_slot(const job *j, const part *t, float *filter, const float *sums, stage what)
{
    const shape *s = &j->s;
    const ptrdiff_t lanes = (t->vectors.to - t->vectors.from) * PN_BLOCK;
    for (ptrdiff_t b = t->cast.from; b < t->cast.to; b++)
        for (ptrdiff_t v = 0; v < lanes; v += GROUP) {
            const ptrdiff_t width = at_most(lanes - v, GROUP), channels = channels_of(s->wide.in_c, b);
            const ptrdiff_t lane = t->vectors.from * PN_BLOCK + v;
            if (what == TO_FILTERS) {
                filters(filter, sums, s, channels, width);
                sums += PN_BLOCK * width;
            } else {
                const conv_sums from = { .sums = filter, .taps = s->wide.taps, .width = width, .channels = channels,
                                         .lanes = at_most(s->wide.out_c - lane, width),
                                         .w_cast = s->wide.w_in, .w_vectors = s->wide.w_out };
                float *dw = j->dw.data + lane * s->wide.w_out + b * PN_BLOCK * s->wide.w_in;
                PN_SIMD(pn_conv_deliver)((pn_sink){ dw, j->dw.add }, &from);
            }
            filter += PN_BLOCK * s->wide.taps * width;
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
    for (ptrdiff_t first = from; first < to; first += RUNS * RUN) {
        const ptrdiff_t last = at_most(first + RUNS * RUN, to);
        for (int third = 0; third < THIRDS; third++)
            for (ptrdiff_t at = first; at < last; at += RUN) {
                const ptrdiff_t count = at_most(last - at, RUN);
                place tile[RUN];
                places(tile, s, at, count);
                wide_points(j, memory, t.cast, tile, count, third);
                tall_points(j, memory + s->tall_at, t.vectors, tile, count, third);
                multiply(j, &t, memory, count, third, at == from);
            }
    }
    each_slot(j, &t, filter, memory + s->sums_at, TO_FILTERS);
    if (s->chunks == 1) each_slot(j, &t, filter, NULL, TO_DW);
}

static void add_chunks(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const shape *s = &j->s;
    const part t = part_of(s, item);
    float *filter = j->partial + item * s->filters;
    const ptrdiff_t stride = products(s) * s->filters;
    const ptrdiff_t blocks = (t.cast.to - t.cast.from) * (t.vectors.to - t.vectors.from);
    const ptrdiff_t used = blocks * PN_BLOCK * PN_BLOCK * s->wide.taps;
    for (ptrdiff_t i = 0; i < used; i += VLEN) {
        vec v = vec_load(filter + i);
        for (ptrdiff_t c = 1; c < s->chunks; c++) v += vec_load(filter + c * stride + i);
        vec_store(filter + i, v);
    }
    each_slot(j, &t, filter, NULL, TO_DW);
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
