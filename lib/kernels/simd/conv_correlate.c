/* simd/conv_correlate.c - one correlation, cut into patches and slots for the threads and into tiles for the registers
 *
 * A slot's weights are read in chunks that stay in L1: all tiles of a patch go through one chunk before the next, with
 * the result's own memory (a patch of it stays in L2) holding the sums between chunks.
 */
#include "kernels/simd/conv.h"

enum { MOST_RESULT = 256 << 10, MOST_BAND = 1 << 20, LEAST_ITEMS = 16, LINE = 16 };

typedef struct {
    const conv_pass *p;
    conv_correlation c;
    ptrdiff_t parts;                /* items a patch is cut into: 1, or its slots */
    bool in_place;                  /* bands are read where they lie */
    ptrdiff_t *at;                  /* [phase][input block][tap] offsets into a band */
    float *bands, *stats;           /* a worker's band; sums of each band [N][bands][2][output lanes] */
    ptrdiff_t *held;                /* [worker * LINE]: the patch its band holds, -1 none */
} job;

/* One slot of one patch. */
typedef struct {
    const job *j;
    ptrdiff_t n, band, group, slot;
    ptrdiff_t vecs, block;          /* vectors of the slot; its first block in out */
    const float *source;            /* the worker's band, or that of the map itself */
    float begin[GROUP];             /* bias or zeros */
} strip;

/* ---- Scratch --------------------------------------------------------------------------------------------------- */

static size_t lines(size_t floats) { return (floats + LINE - 1) / LINE * LINE; }

static size_t band_floats(const conv_pass *p) { return lines((size_t)(p->in_blocks * p->plane)); }
static size_t table_floats(const conv_pass *p)
{
    return lines((size_t)(p->taps * p->pair_blocks) * (sizeof(ptrdiff_t) / sizeof(float)));
}
static ptrdiff_t lanes(const conv_pass *p) { return pn_map_blocks(p->out) * PN_BLOCK; }
static size_t stats_floats(const conv_pass *p) { return lines((size_t)(p->out.n * p->bands * 2 * lanes(p))); }

size_t PN_SIMD(pn_conv_correlate_bytes)(const conv_pass *p, int threads)
{
    const size_t held = LINE * sizeof(ptrdiff_t) / sizeof(float), t = (size_t)threads;
    return (table_floats(p) + stats_floats(p) + t * held + t * band_floats(p)) * sizeof(float) + LINE * sizeof(float);
}

/* A band's results of one slot and its source stay near L2; there are enough items for every thread to have several. */
void PN_SIMD(pn_conv_choose_band)(conv_pass *p)
{
    const ptrdiff_t rows = p->rows.to - p->rows.from;
    const ptrdiff_t width = p->slots > 1 ? GROUP : p->out_blocks * PN_BLOCK;
    const ptrdiff_t result = p->out.w * p->rows.phases * width * (ptrdiff_t)sizeof(float);
    ptrdiff_t band = MOST_RESULT / result;
    if (band < 4) band = 4;             /* fewer would copy more rows of border than of their own */
    if (band > rows) band = rows;
    PN_SIMD(pn_conv_cut)(p, band);
    while (p->band > 1 && p->in_blocks * p->plane * (ptrdiff_t)sizeof(float) > MOST_BAND)
        PN_SIMD(pn_conv_cut)(p, conv_ceil(p->band, 2));
    while (p->band > 4 && p->out.n * p->groups * p->slots * p->bands < LEAST_ITEMS)
        PN_SIMD(pn_conv_cut)(p, conv_ceil(p->band, 2));
}

/* ---- Offsets of the taps --------------------------------------------------------------------------------------- */

static void make_table(ptrdiff_t *at, const conv_pass *p)
{
    const conv_axis *r = &p->rows, *c = &p->cols;
    for (ptrdiff_t y = 0; y < r->phases; y++)
        for (ptrdiff_t x = 0; x < c->phases; x++)
            for (ptrdiff_t block = 0; block < p->pair_blocks; block++)
                for (ptrdiff_t a = 0; a < r->kernel; a++)
                    for (ptrdiff_t b = 0; b < c->kernel; b++) {
                        const conv_tap ta = conv_tap_of(r, a), tb = conv_tap_of(c, b);
                        if (ta.phase != y || tb.phase != x) continue;
                        const ptrdiff_t column = tb.offset - c->low;
                        *at++ = block * p->plane + (ta.offset - r->low) * p->row +
                                (column % c->step * p->columns + column / c->step) * PN_BLOCK;
                    }
}

/* ---- What folds into the writing ------------------------------------------------------------------------------- */

/* `count` results of a slot, after their last chunk: residual, activation, statistics, zeros past the last channel. */
static void finish(const strip *s, float *y, ptrdiff_t step, ptrdiff_t count)
{
    const job *j = s->j;
    const conv_pass *p = j->p;
    const pn_epilogue *e = j->c.epi;
    const ptrdiff_t plane = p->out.h * p->out.w * PN_BLOCK, real = p->out_c - s->slot * GROUP;
    const bool activate = e && e->slope != 1;
    const vec slope = vec_all(e ? e->slope : 1);
    for (ptrdiff_t v = 0; v < s->vecs; v++) {
        veci keep;
        for (int i = 0; i < VLEN; i++) keep[i] = v * VLEN + i < real ? -1 : 0;
        float *at = y + v / VECS * plane + v % VECS * VLEN;
        vec sum = { 0 }, squares = { 0 };
        for (ptrdiff_t i = 0; i < count; i++, at += step) {
            vec r = vec_load(at);
            if (e && e->residual) r += vec_load(e->residual + (at - j->c.result));
            if (activate) r = vec_if(r > vec_all(0), r, r * slope);
            r = (vec)((veci)r & keep);
            sum += r;
            squares += r * r;
            vec_store(at, r);
        }
        if (!j->stats) continue;
        float *stats = j->stats + (s->n * p->bands + s->band) * 2 * lanes(p) + s->block * PN_BLOCK + v * VLEN;
        vec_store(stats, vec_load(stats) + sum);
        vec_store(stats + lanes(p), vec_load(stats + lanes(p)) + squares);
    }
}

static bool has_finish(const strip *s)
{
    const pn_epilogue *e = s->j->c.epi;
    const conv_pass *p = s->j->p;
    const ptrdiff_t end = s->slot * GROUP + s->vecs * VLEN;
    return (e && (e->residual || e->stats || e->slope != 1)) || (end > p->out_c && !p->thin);
}

/* ---- Tiles ----------------------------------------------------------------------------------------------------- */

static void row_of_tiles(const strip *s, const conv_tile *t, float *y, const float *x, ptrdiff_t count, bool last)
{
    const conv_pass *p = s->j->p;
    const ptrdiff_t most = conv_most(s->vecs);
    float *to = y;
    if (p->thin) PN_SIMD(pn_conv_thin_tile)(t, y, x, count, p->out_c);
    else if (p->depth) PN_SIMD(pn_conv_depth_tile)(t, y, x + s->block * p->plane, p->plane, count, s->vecs);
    else for (ptrdiff_t left = count, piece; left > 0; left -= piece) {
        piece = conv_piece(left, most);
        PN_SIMD(pn_conv_tile)(t, to, x, piece, s->vecs);
        to += piece * t->step;
        x += piece * PN_BLOCK;
    }
    if (last) finish(s, y, t->step, count);
}

/* One phase: its results are a grid of their own. `w` and `at` are this phase's. */
static void phase_of_strip(const strip *s, ptrdiff_t fy, ptrdiff_t fx, const float *w, const ptrdiff_t *at, ptrdiff_t taps)
{
    const conv_pass *p = s->j->p;
    const conv_span cols = conv_range(&p->cols, fx), all = conv_range(&p->rows, fy);
    const ptrdiff_t top = p->rows.from + s->band * p->band;
    const ptrdiff_t from = all.from > top ? all.from : top, to = all.to < top + p->band ? all.to : top + p->band;
    const ptrdiff_t pairs = taps * p->pair_blocks, full = p->pair_channels / PN_BLOCK * taps;
    const ptrdiff_t width = p->thin ? p->out_c : s->vecs * VLEN;
    conv_tile t = { .full = full, .rest = p->pair_channels % PN_BLOCK, .plane = p->out.h * p->out.w * PN_BLOCK,
                    .step = (p->cols.adjoint ? p->cols.stride : 1) * PN_BLOCK };
    if (s->j->in_place) t.ahead_x = conv_most(s->vecs) * PN_BLOCK;
    const bool finishes = has_finish(s);
    const ptrdiff_t channels = p->pair_channels < PN_BLOCK ? p->pair_channels : PN_BLOCK;
    ptrdiff_t most = (ptrdiff_t)L1_WEIGHTS / (channels * width * (ptrdiff_t)sizeof(float));
    if (most < 1) most = 1;
    if (cols.from >= cols.to) return;
    for (ptrdiff_t k = 0, chunk; k < pairs || k == 0; k += chunk) {
        chunk = pairs ? conv_piece(pairs - k, most) : 1;
        t.pairs = pairs ? chunk : 0;
        t.full = full - k;
        t.at = at + k;
        t.w = w + (k < full ? k * PN_BLOCK : full * PN_BLOCK + (k - full) * t.rest) * width;
        t.begin = k == 0 && !s->j->c.add ? s->begin : NULL;
        for (ptrdiff_t q = from; q < to; q++) {
            const ptrdiff_t y = conv_position(&p->rows, fy, q), x = conv_position(&p->cols, fx, cols.from);
            float *result = s->j->c.result + pn_at(p->out, s->n, s->block * PN_BLOCK, y, x);
            const float *source = s->source + (q - top) * p->rows.step * p->row + (cols.from - p->cols.from) * PN_BLOCK;
            row_of_tiles(s, &t, result, source, cols.to - cols.from, finishes && k + chunk >= pairs);
        }
    }
}

static void run_strip(const strip *s)
{
    const job *j = s->j;
    const conv_pass *p = j->p;
    const ptrdiff_t of_group = PN_SIMD(pn_conv_packed_group)(p), of_channel = p->taps * p->pair_channels;
    const float *w = j->c.packed + s->group * of_group + s->slot * GROUP * of_channel;
    const ptrdiff_t *at = j->at;
    for (ptrdiff_t fy = 0; fy < p->rows.phases; fy++)
        for (ptrdiff_t fx = 0; fx < p->cols.phases; fx++) {
            const ptrdiff_t taps = conv_taps_in(&p->rows, fy) * conv_taps_in(&p->cols, fx);
            phase_of_strip(s, fy, fx, w, at, taps);
            w += taps * p->pair_channels * (p->thin ? p->out_c : s->vecs * VLEN);
            at += taps * p->pair_blocks;
        }
}

static void begin_strip(strip *s, ptrdiff_t slot)
{
    const job *j = s->j;
    const conv_pass *p = j->p;
    const ptrdiff_t first = s->group * p->out_c + slot * GROUP, left = p->out_blocks * PN_BLOCK - slot * GROUP;
    s->slot = slot;
    s->vecs = (left < GROUP ? left : GROUP) / VLEN;
    s->block = s->group * p->out_blocks + slot * GROUP / PN_BLOCK;
    for (ptrdiff_t i = 0; i < GROUP; i++)
        s->begin[i] = slot * GROUP + i < p->out_c ? conv_bias(j->c.epi, first + i) : 0;
    if (!j->stats) return;
    float *stats = j->stats + (s->n * p->bands + s->band) * 2 * lanes(p) + s->block * PN_BLOCK;
    memset(stats, 0, (size_t)(s->vecs * VLEN) * sizeof *stats);
    memset(stats + lanes(p), 0, (size_t)(s->vecs * VLEN) * sizeof *stats);
}

/* A worker's copy of a band, filled unless it is the one it holds. */
static const float *own_band(const strip *s, ptrdiff_t patch, int worker)
{
    const job *j = s->j;
    float *to = j->bands + (size_t)worker * band_floats(j->p);
    const float *band = to + conv_lane(j->p, s->group);
    if (j->held[worker * LINE] == patch) return band;
    for (ptrdiff_t k = 0; k < conv_sources(j->p); k++) {
        const conv_pass one = conv_reading(j->p, k);
        const conv_span blocks = { s->group * one.in_blocks, (s->group + 1) * one.in_blocks };
        PN_SIMD(pn_conv_fill)(to, &one, j->c.source[k].x, j->c.source[k].pro, s->n, s->band, blocks);
        to += one.in_blocks * one.plane;
    }
    j->held[worker * LINE] = patch;
    return band;
}

static void correlate_item(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const conv_pass *p = j->p;
    const ptrdiff_t patch = item / j->parts, part = item % j->parts, image = patch / p->groups;
    strip s = { .j = j, .n = image / p->bands, .band = image % p->bands, .group = patch % p->groups };
    s.source = j->in_place ? j->c.source->x + pn_at(p->in, s.n, s.group * p->in_blocks * PN_BLOCK, s.band * p->band, 0)
                           : own_band(&s, patch, worker);
    for (ptrdiff_t slot = p->slots * part / j->parts; slot < p->slots * (part + 1) / j->parts; slot++) {
        begin_strip(&s, slot);
        run_strip(&s);
    }
}

static void sum_stats(const job *j)
{
    const conv_pass *p = j->p;
    const ptrdiff_t width = lanes(p);
    for (ptrdiff_t n = 0; n < p->out.n; n++)
        for (ptrdiff_t i = 0; i < 2 * width; i++) {
            double sum = 0;
            for (ptrdiff_t b = 0; b < p->bands; b++) sum += (double)j->stats[(n * p->bands + b) * 2 * width + i];
            j->c.epi->stats[(i / width * p->out.n + n) * width + i % width] = (float)sum;
        }
}

static bool reads_every_pixel_once(const conv_axis *a)
{
    return a->kernel == 1 && a->stride == 1 && a->pad == 0;
}

/* Without border, prologue or gaps the map is what a copy of its bands would be, but for the distance of its blocks. */
static bool reads_in_place(const conv_pass *p, const pn_prologue *pro)
{
    return reads_every_pixel_once(&p->rows) && reads_every_pixel_once(&p->cols) && !(pro && pro->scale) &&
           !conv_apart(p->groups, p->in_c);
}

void PN_SIMD(pn_conv_correlate)(pn_pool *pool, const conv_pass *p, conv_correlation c)
{
    const int threads = pn_pool_size(pool);
    const bool in_place = conv_sources(p) == 1 && reads_in_place(p, c.source->pro);
    float *scratch = c.scratch;
    conv_pass own = *p;
    if (in_place) own.plane = p->in.h * p->in.w * PN_BLOCK;
    job j = { .p = &own, .c = c, .at = (ptrdiff_t *)c.scratch, .in_place = in_place };
    scratch += table_floats(p);
    if (c.epi && c.epi->stats) j.stats = scratch;
    scratch += stats_floats(p);
    j.held = (ptrdiff_t *)(void *)scratch;
    j.bands = scratch + (size_t)threads * LINE * (sizeof(ptrdiff_t) / sizeof(float));
    make_table(j.at, &own);
    for (int t = 0; t < threads; t++) j.held[t * LINE] = -1;
    const ptrdiff_t patches = p->out.n * p->bands * p->groups;
    j.parts = patches >= LEAST_ITEMS ? 1 : p->slots;
    pn_parallel(pool, patches * j.parts, correlate_item, &j);
    if (j.stats) sum_stats(&j);
}
