/* simd/conv_weights.c - gradient of the weights: for every tap, an outer product summed over pixels
 *
 * One side is broadcast, a block of 16 channels at a time; the other is read as vectors, a slot of GROUP channels at a
 * time. Which is which follows from the channels, so that few lanes are wasted. The wide map is copied band by band with
 * its border; the tall one is read where it lies unless it has a prologue or its groups share blocks. An item keeps its
 * sums [channel][tap][slot] in L2 and walks the pixels tile by tile, all taps per tile. Few items are cut along the pixels
 * into chunks, whose sums are added in order afterwards.
 */
#include "kernels/simd/conv.h"
#include "kernels/simd/transpose.h"

enum {
    TILE_PIXELS = 64, FEW_PIXELS = 32,                  /* of a tile, whose pixels stay in L1 while all taps use them */
    MOST_BAND = 160 << 10, LEAST_ITEMS = 16, LINE = 16,
    FILTERS = VLEN == 16 ? 16 : 8,                      /* delivered together */
    SLOT_BLOCKS = VLEN == 16 ? 4 : 1,
};

typedef struct { ptrdiff_t channels, blocks, w; } side;        /* of a group; stride of a channel in the weights */

typedef struct {
    conv_pass wide, tall;           /* the ordinary forward; and what copies a band of its result's map as it is */
    bool wide_is_vectors, copies_tall;
    side cast, vectors;
    ptrdiff_t slots;                /* of the vector side, in a group */
    ptrdiff_t chunks, patches;      /* patches = N * bands are dealt to chunks in runs */
    ptrdiff_t sums;                 /* floats of one item's sums */
    size_t copy_at, sums_at, worker_floats;     /* of a worker: band, copy of the tall map, sums if there is one chunk */
} shape;

typedef struct {
    shape s;
    pn_sink dw;
    const float *wide, *tall;
    const pn_prologue *on_wide, *on_tall;
    float *workers, *partial;       /* sums [chunk][item] */
} job;

typedef struct { ptrdiff_t group, slot, block, chunk, vecs, channels; } part;

static size_t lines(ptrdiff_t floats) { return ((size_t)floats + LINE - 1) / LINE * LINE; }
static ptrdiff_t products(const shape *s) { return s->wide.groups * s->slots * s->cast.blocks; }
static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

static void cut(shape *s, ptrdiff_t band)
{
    PN_SIMD(pn_conv_cut)(&s->wide, band);
    PN_SIMD(pn_conv_cut)(&s->tall, band);
}

static shape shape_of(pn_conv_dims d, bool has_prologue)
{
    shape s = { 0 };
    PN_SIMD(pn_conv_weight_passes)(d, &s.wide, &s.tall);
    const conv_pass *p = &s.wide;
    const side wide = { p->in_c, p->in_blocks, p->w_in }, tall = { p->out_c, p->out_blocks, p->w_out };
    s.wide_is_vectors = wide.blocks * PN_BLOCK * tall.channels < tall.blocks * PN_BLOCK * wide.channels;
    s.wide.keeps = !s.wide_is_vectors;
    s.tall.keeps = s.wide_is_vectors;
    s.cast = s.wide_is_vectors ? tall : wide;
    s.vectors = s.wide_is_vectors ? wide : tall;
    s.slots = conv_ceil(s.vectors.blocks * PN_BLOCK, GROUP);
    s.copies_tall = (d.transposed && has_prologue) || conv_apart(p->groups, p->out_c);
    const ptrdiff_t slot_blocks = at_most(SLOT_BLOCKS, s.vectors.blocks), wanted = conv_ceil(LEAST_ITEMS, products(&s));
    const ptrdiff_t wide_blocks = s.wide_is_vectors ? slot_blocks : 1, tall_blocks = s.wide_is_vectors ? 1 : slot_blocks;
    cut(&s, p->out.h);
    while (p->band > 1 && wide_blocks * p->plane * (ptrdiff_t)sizeof(float) > MOST_BAND) cut(&s, conv_ceil(p->band, 2));
    while (p->band > 4 && p->out.n * p->bands < wanted) cut(&s, conv_ceil(p->band, 2));
    s.patches = p->out.n * p->bands;
    s.chunks = at_most(wanted, s.patches);
    s.sums = p->taps * PN_BLOCK * GROUP;
    s.copy_at = lines(wide_blocks * p->plane);
    s.sums_at = s.copy_at + (s.copies_tall ? lines(tall_blocks * s.tall.plane) : 0);
    s.worker_floats = s.sums_at + (s.chunks == 1 ? (size_t)s.sums : 0);
    return s;
}

size_t PN_SIMD(pn_conv_weights_bytes)(pn_conv_dims d, int threads)
{
    const shape s = shape_of(d, true);
    const size_t partial = s.chunks == 1 ? 0 : (size_t)(s.chunks * products(&s) * s.sums);
    return (partial + (size_t)threads * s.worker_floats) * sizeof(float);
}

static part part_of(const shape *s, ptrdiff_t item)
{
    part t = { .chunk = item / products(s), .group = item % products(s) / (s->slots * s->cast.blocks) };
    t.slot = item / s->cast.blocks % s->slots;
    t.block = item % s->cast.blocks;
    t.vecs = at_most(s->vectors.blocks * PN_BLOCK - t.slot * GROUP, GROUP) / VLEN;
    t.channels = at_most(s->cast.channels - t.block * PN_BLOCK, PN_BLOCK);
    return t;
}

/* ---- Sums of one patch ----------------------------------------------------------------------------------------- */

/* One tile of pixels: its first one in the wide band and in the tall map. */
static void tile_sums(const shape *s, const part *t, float *sums, const float *wide, const float *tall, const conv_outer *o)
{
    const conv_pass *p = &s->wide;
    const ptrdiff_t width = t->vecs * VLEN, most = conv_most(t->vecs);
    const bool picture = !s->wide_is_vectors && t->channels == CONV_PICTURE && p->cols.step == 1 && p->cols.dilation == 1;
    for (ptrdiff_t a = 0; a < p->rows.kernel; a++)
        for (ptrdiff_t b = 0, taps; b < p->cols.kernel; b += taps) {
            taps = picture && b + CONV_PICTURE <= p->cols.kernel ? CONV_PICTURE : 1;
            const ptrdiff_t column = b * p->cols.dilation;
            const float *moved = wide + a * p->rows.dilation * p->row +
                                 (column % p->cols.step * p->columns + column / p->cols.step) * PN_BLOCK;
            const float *cast = s->wide_is_vectors ? tall : moved, *vectors = s->wide_is_vectors ? moved : tall;
            float *to = sums + (a * p->cols.kernel + b) * width;
            if (taps > 1) {
                PN_SIMD(pn_conv_outer_picture)(o, to, cast, vectors, t->vecs);
                continue;
            }
            for (ptrdiff_t left = t->channels, piece; left > 0; left -= piece) {
                piece = conv_piece(left, most);
                PN_SIMD(pn_conv_outer)(o, to, cast, vectors, piece, t->vecs);
                cast += piece;
                to += piece * o->to_step;
            }
        }
}

static conv_span blocks_of(const part *t, const side *of, bool vectors)
{
    if (!vectors) return (conv_span){ t->group * of->blocks + t->block, t->group * of->blocks + t->block + 1 };
    const ptrdiff_t first = t->group * of->blocks + t->slot * GROUP / PN_BLOCK;
    return (conv_span){ first, first + conv_ceil(t->vecs, VECS) };
}

static void patch_sums(const job *j, const part *t, float *sums, float *memory, ptrdiff_t patch)
{
    const shape *s = &j->s;
    const conv_pass *p = &s->wide;
    const ptrdiff_t n = patch / p->bands, band = patch % p->bands, top = band * p->band;
    const ptrdiff_t rows = at_most(p->band, p->out.h - top);
    const conv_span wide = blocks_of(t, s->wide_is_vectors ? &s->vectors : &s->cast, s->wide_is_vectors);
    const conv_span tall = blocks_of(t, s->wide_is_vectors ? &s->cast : &s->vectors, !s->wide_is_vectors);
    PN_SIMD(pn_conv_fill)(memory, p, j->wide, j->on_wide, n, band, wide);
    const float *x_band = memory + conv_lane(p, t->group);
    const float *y = j->tall + ((n * pn_map_blocks(p->out) + tall.from) * p->out.h + top) * p->out.w * PN_BLOCK;
    ptrdiff_t y_plane = p->out.h * p->out.w * PN_BLOCK;
    const ptrdiff_t y_row = p->out.w * PN_BLOCK, x_row = p->rows.step * p->row;
    if (s->copies_tall) {
        PN_SIMD(pn_conv_fill)(memory + s->copy_at, &s->tall, j->tall, j->on_tall, n, band, tall);
        y = memory + s->copy_at + conv_lane(&s->tall, t->group);
        y_plane = s->tall.plane;
    }
    conv_outer o = { .a_row = s->wide_is_vectors ? y_row : x_row, .b_row = s->wide_is_vectors ? x_row : y_row,
                     .b_plane = s->wide_is_vectors ? p->plane : y_plane, .to_step = p->taps * t->vecs * VLEN, .to_tap = t->vecs * VLEN };
    const ptrdiff_t pixels = s->wide_is_vectors ? FEW_PIXELS : TILE_PIXELS;
    const ptrdiff_t tile_rows = p->out.w >= pixels ? 1 : pixels / p->out.w;
    for (ptrdiff_t r = 0; r < rows; r += o.rows) {
        o.rows = conv_piece(rows - r, tile_rows);
        for (ptrdiff_t x = 0; x < p->out.w; x += o.cols) {
            o.cols = conv_piece(p->out.w - x, pixels);
            tile_sums(s, t, sums, x_band + r * x_row + x * PN_BLOCK, y + r * y_row + x * PN_BLOCK, &o);
        }
    }
}

/* ---- From sums to dw ------------------------------------------------------------------------------------------- */

/* VLEN rows of sums, `width` apart, become VLEN neighbouring numbers of as many lanes, `stride` apart. */
static void turn_block(float *to, const float *rows, ptrdiff_t width, ptrdiff_t stride, bool add)
{
    vec v[VLEN];
    for (int i = 0; i < VLEN; i++) v[i] = vec_load(rows + i * width);
    vec_transpose(v);
    for (int i = 0; i < VLEN; i++) vec_store(to + i * stride, add ? vec_load(to + i * stride) + v[i] : v[i]);
}

/* Rows from .. from + run - 1 of the sums, neighbours in dw: `run` numbers of each of lanes v .. end - 1. */
static void turn(pn_sink dw, const conv_sums *s, ptrdiff_t from, ptrdiff_t run, conv_span lanes)
{
    const ptrdiff_t stride = s->w_vectors, width = s->width;
    for (ptrdiff_t r = 0, count; r < run; r += count) {
        count = run - r < 4 ? 1 : run - r < VLEN ? 4 : VLEN;
        const float *rows = s->sums + (from + r) * width;
        ptrdiff_t v = lanes.from;
        if (count == VLEN)
            for (; v + VLEN <= lanes.to; v += VLEN)
                turn_block(dw.data + v * stride + r, rows + v, width, stride, dw.add);
        if (count >= 4)
            for (; v + 4 <= lanes.to; v += 4)
                for (ptrdiff_t i = 0; i < count; i += 4) {
                    float *to = dw.data + v * stride + r + i;
                    const float *row = rows + i * width + v;
                    conv_turn((const float *[]){ row, row + width, row + 2 * width, row + 3 * width },
                              (float *[]){ to, to + stride, to + 2 * stride, to + 3 * stride }, dw.add);
                }
        for (; v < lanes.to; v++)
            for (ptrdiff_t i = 0; i < count; i++) {
                float *to = dw.data + v * stride + r + i;
                *to = dw.add ? *to + rows[i * width + v] : rows[i * width + v];
            }
    }
}

/* FILTERS at a time: more of them, a power of two apart, push each other out of L1. */
void PN_SIMD(pn_conv_deliver)(pn_sink dw, const conv_sums *s)
{
    for (conv_span v = { 0, 0 }; v.from < s->lanes; v.from = v.to) {
        v.to = at_most(v.from + FILTERS, s->lanes);
        if (s->w_cast == s->taps) turn(dw, s, 0, s->channels * s->taps, v);
        else for (ptrdiff_t c = 0; c < s->channels; c++)
            turn((pn_sink){ dw.data + c * s->w_cast, dw.add }, s, c * s->taps, s->taps, v);
    }
}

static void deliver(const job *j, const part *t, const float *sums)
{
    const shape *s = &j->s;
    const ptrdiff_t width = t->vecs * VLEN, slot = t->slot * GROUP;
    const conv_sums from = { .sums = sums, .taps = s->wide.taps, .width = width, .channels = t->channels,
                             .lanes = at_most(s->vectors.channels - slot, width),
                             .w_cast = s->cast.w, .w_vectors = s->vectors.w };
    float *dw = j->dw.data + t->group * s->wide.w_group + slot * s->vectors.w + t->block * PN_BLOCK * s->cast.w;
    PN_SIMD(pn_conv_deliver)((pn_sink){ dw, j->dw.add }, &from);
}

static void sums_item(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const shape *s = &j->s;
    const part t = part_of(s, item);
    float *memory = j->workers + (size_t)worker * s->worker_floats;
    float *sums = s->chunks == 1 ? memory + s->sums_at : j->partial + item * s->sums;
    memset(sums, 0, (size_t)s->sums * sizeof *sums);
    for (ptrdiff_t patch = s->patches * t.chunk / s->chunks; patch < s->patches * (t.chunk + 1) / s->chunks; patch++)
        patch_sums(j, &t, sums, memory, patch);
    if (s->chunks == 1) deliver(j, &t, sums);
}

static void add_chunks(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const shape *s = &j->s;
    const part t = part_of(s, item);
    float *sums = j->partial + item * s->sums;
    const ptrdiff_t stride = products(s) * s->sums;
    conv_add_chunks(sums, s->sums, s->chunks, stride);
    deliver(j, &t, sums);
}

void PN_SIMD(pn_conv_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                              pn_conv_dims d, void *scratch)
{
    job j = { .s = shape_of(d, pro && pro->scale), .dw = dw };
    const ptrdiff_t items = products(&j.s);
    j.wide = d.transposed ? dy : x;
    j.tall = d.transposed ? x : dy;
    j.on_wide = d.transposed ? NULL : pro;
    j.on_tall = d.transposed ? pro : NULL;
    j.partial = scratch;
    j.workers = j.partial + (j.s.chunks == 1 ? 0 : j.s.chunks * items * j.s.sums);
    pn_parallel(pool, j.s.chunks * items, sums_item, &j);
    if (j.s.chunks > 1) pn_parallel(pool, items, add_chunks, &j);
}
