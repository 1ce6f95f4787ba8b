/* simd/winograd.c - a correlation by minimal filtering: blocks of tiles for the threads, 16, 36 or 64 products for each slot
 *
 * A worker transforms the sources of a block of tiles, all input channels of it; then, for each slot of result
 * channels, 16, 36 or 64 small matrix products (by the direct kernel's innermost loop, tiles taking the place of pixels) and the
 * transform back. V and the products of one slot stay near L2, and a panel of weights is read once per block. From 256
 * channels on weights are what memory must bring, and blocks are four times as large. While a point is multiplied, the next
 * one's weights and V are fetched: without that 512 channels at 32 take 5.6 ms instead of 4.4 on an Intel Xeon, and at 16
 * 1.6 for 1.25. Phases of a strided source are further input channels; phases of an adjoint's results are further slots. A
 * filter of 7 taps is two of 4 (the last of which is 0), so four of 4x4, each of which reads its own pixels: further input
 * channels too.
 *
 * 3x3 takes 36 products where the direct convolution has 144, 5x5 64 for 400, 7x7 256 for 1225, 4x4 of stride 2 144 for 400,
 * 3x3 of stride 2 121 for 225. Of 64 channels at 256 x 256 the products are two thirds of the time, of 256 channels seven eighths.
 */
#include "kernels/simd/winograd.h"

enum { NEAR_L2 = 900 << 10, LEAST_TILES = 24, WIDE = 16, WIDE_TILES = 96, MOST_TILES = 96, PIECE = 6, LEAST_ITEMS = 8,
       FEW_ITEMS = 4, LINE = 16, LONG_FILTER = 7, SHARE_BYTES = 12 << 20, TAPS_OF_3X3 = 9, TAPS_OF_4X4 = 16, FRESH_BLOCKS = 4,
       FRESH_CHANNELS = 128,
       READINGS = 4 };                  /* WIDE: pairs of 16 channels; a V beyond L2 pays when so many units read it */

typedef struct {
    const conv_pass *p;
    const wino_plan *w;
    conv_correlation c;
    conv_span slots;                /* whose weights are packed */
    ptrdiff_t shares;               /* items a block is cut into: runs of units, each a phase of a slot */
    ptrdiff_t *at;                  /* [pairs] offsets into V */
    float *stats;                   /* [N][parts][phases][2][lanes], or NULL */
    ptrdiff_t *held;                /* [worker * LINE]: the block its V holds, -1 none */
    float *room;                    /* a worker's V and M */
} job;

/* ---- Cutting ----------------------------------------------------------------------------------------------------- */

/* Pieces of a filter that no tile takes whole. */
static ptrdiff_t pieces_of(const conv_axis *a) { return a->stride == 1 && a->kernel == LONG_FILTER ? 2 : 1; }

static void cut_blocks(wino_plan *w, ptrdiff_t images)
{
    const ptrdiff_t grid = w->down * w->across;
    w->parts = conv_ceil(grid, w->tiles);
    w->images = w->parts > 1 ? 1 : w->tiles / grid;
    if (w->images > images) w->images = images;
    w->blocks = w->parts > 1 ? w->parts * images : conv_ceil(images, w->images);
}

/* Products of a tile in all phases, for each pair of channels. */
static ptrdiff_t products_of(const conv_pass *p, const wino_plan *w)
{
    const conv_axis *const axis[] = { &p->rows, &p->cols };
    ptrdiff_t products = 1;
    for (int i = 0; i < 2; i++) {
        const ptrdiff_t phases = axis[i]->phases * axis[i]->step;
        ptrdiff_t points = phases * pieces_of(axis[i]) * w->tile;
        for (ptrdiff_t f = 0; f < phases && (axis[i]->adjoint || w->by_phase); f++) points -= wino_lacks_tap(axis[i], f);
        products *= points;
    }
    return products;
}

wino_plan PN_SIMD(pn_wino_cut)(const conv_pass *p, ptrdiff_t tile)
{
    const conv_axis *rows = &p->rows, *cols = &p->cols;
    const ptrdiff_t pieces = pieces_of(rows), taps = conv_ceil(wino_axis_taps(rows), pieces);
    wino_plan w = { .tile = tile, .points = tile * tile, .taps = taps, .reach = pieces > 1 ? taps : 1,
                    .in_across = cols->step * pieces, .out_phases = rows->phases * cols->phases };
    w.in_phases = rows->step * pieces * w.in_across;
    w.results = tile + 1 - w.taps;
    w.by_phase = rows->step == 2 && cols->step == 2 && (wino_lacks_tap(rows, 1) || wino_lacks_tap(cols, 1))
              && p->in_c % PN_BLOCK == 0 && conv_sources(p) == 1;
    w.down = conv_ceil(rows->to - rows->from, w.results);
    w.across = conv_ceil(cols->to - cols->from, w.results);
    w.pairs = p->in_blocks * w.in_phases;
    const ptrdiff_t bytes = w.points * (w.pairs * PN_BLOCK + GROUP) * (ptrdiff_t)sizeof(float);
    w.tiles = NEAR_L2 / bytes / PIECE * PIECE;
    const ptrdiff_t least = w.pairs >= WIDE && p->slots * w.out_phases >= READINGS ? WIDE_TILES : LEAST_TILES;
    if (w.tiles < least || p->fresh) w.tiles = p->fresh ? MOST_TILES : least;
    if (w.tiles > MOST_TILES) w.tiles = MOST_TILES;
    cut_blocks(&w, p->out.n);
    for (; w.blocks * p->slots * w.out_phases < FEW_ITEMS && w.tiles > 2 * PIECE; cut_blocks(&w, p->out.n))
        w.tiles = w.tiles > 4 * PIECE ? w.tiles / 2 : 2 * PIECE;
    const ptrdiff_t grid = w.down * w.across, even = w.parts > 1 ? conv_ceil(grid, w.parts) : grid * w.images;
    w.tiles = even;
    cut_blocks(&w, p->out.n);
    w.v_plane = wino_odd(w.pairs * w.tiles * PN_BLOCK);
    w.m_plane = wino_odd(w.tiles * GROUP);
    return w;
}

/* ---- Whether it pays --------------------------------------------------------------------------------------------- */

/* In multiplications of a vector of 16 results by a number: the products of a tile; for every 16 channels of it a
 * transform, TRANSFORM; and for every vector of weights a block reads, the WAIT for memory. Fitted to what was measured
 * on one thread of Zen 4, as multiples of the direct kernel's rate (predicted forward, measured forward and
 * backward-data):
 *
 *   3x3   64 ch @256     2.9  2.8 2.8        4x4    256->512 @31    3.2  3.2 3.0
 *   3x3   128 ch @128    3.1  3.3 3.3        4x4/2  64->128 @256    2.1  2.2 2.2
 *   3x3   256 ch @64     3.2  3.1 3.4        4x4/2  128->256 @64    1.8  1.9 1.9
 *   3x3   512 ch @32     3.3  3.5 3.4        4x4/2  256->512 @32    1.4  1.6 1.6
 *   3x3   512 ch @8      2.0  2.6 2.5        4x4/2  256->512 @16    0.9  1.0 1.1 (not)
 *   3x3   18->64 @256    2.1  1.9 2.5        3x3/2  transposed, 64->64 @128    1.4  1.3 1.1
 *   3x3   3->64 @256     0.8  0.5 1.0 (not) 3x3/2  transposed, 128->64 @64    1.4  1.4 1.2
 *   5x5   16 ch @64      1.2  1.5 1.5       3x3/2  transposed, 256->128 @32, tiles of four   1.4 forward
 *   5x5   128 ch @64     4.1  5.0 4.0       4x4/2  256->256 @16x11, tiles of four   1.4 forward
 *
 * Phases multiply the weights: 9 times the parameter of 4x4, 16 times that of 3x3 of stride 2. They must win more. */
enum { TRANSFORM_FOUR = 155, TRANSFORM_SIX = 350, TRANSFORM_EIGHT = 700, WAIT = 4, WAIT_COLD = 6, FEWEST_TILES = 4, LARGE_FILTER = 5 };

static ptrdiff_t cost(const conv_pass *p, const wino_plan *w, ptrdiff_t wait)
{
    const ptrdiff_t tiles = w->down * w->across * p->out.n, lanes_out = p->out_blocks * w->out_phases;
    const ptrdiff_t products = products_of(p, w) * p->in_c * p->out_blocks;
    const ptrdiff_t transform = w->tile == WINO_EIGHT ? TRANSFORM_EIGHT : w->tile == WINO_SIX ? TRANSFORM_SIX : TRANSFORM_FOUR;
    return (tiles + w->blocks * wait) * products + tiles * transform * (w->pairs + lanes_out);
}

static bool worth(const conv_pass *p, const wino_plan *w)
{
    const ptrdiff_t here = cost(p, w, WAIT);
    const ptrdiff_t direct = p->out.n * p->out.h * p->out.w * p->taps / w->out_phases * p->in_c * p->out_blocks;
    const ptrdiff_t margin = w->in_phases * w->out_phases > 1 ? here / 5 : here / 10;
    return w->down * w->across * p->out.n >= FEWEST_TILES && here + margin < direct;
}

/* Eight loses half a digit more. That buys 5x5 filters half their time (128 channels at 64: 12.2 ms to 6.0), 3x3 ones
 * only 5 to 10 % of it (64 channels at 256: 16.1 to 15.2; 256 at 64: 12.8 to 11.6). Four multiplies more, and has fewer
 * weights and fills small maps better: in a network weights come from memory, and 512 channels at 8 take 0.76 ms there
 * instead of 1.3. */
wino_plan PN_SIMD(pn_wino_plan)(const conv_pass *p)
{
    const wino_plan six = PN_SIMD(pn_wino_cut)(p, WINO_SIX);
    if (p->fresh) return six;
    if (six.reach > 1) return PN_SIMD(pn_wino_cut)(p, WINO_EIGHT);
    if (six.taps == 4) return six;
    const wino_plan other = PN_SIMD(pn_wino_cut)(p, six.taps == LARGE_FILTER ? WINO_EIGHT : WINO_FOUR);
    return cost(p, &other, WAIT_COLD) < cost(p, &six, WAIT_COLD) ? other : six;
}

bool PN_SIMD(pn_wino_pays)(const conv_pass *p)
{
    const conv_axis *rows = &p->rows, *cols = &p->cols;
    const ptrdiff_t r = conv_ceil(wino_axis_taps(rows), pieces_of(rows));
    if (p->groups > 1 || p->depth || p->thin || rows->dilation > 1 || cols->dilation > 1) return false;
    if (wino_axis_taps(rows) != wino_axis_taps(cols) || pieces_of(rows) != pieces_of(cols)) return false;
    if (r < 2 || r > WINO_SIX - 1 || rows->to <= rows->from || cols->to <= cols->from) return false;
    if (p->taps > MOST_TAPS) return false;
    const wino_plan w = PN_SIMD(pn_wino_plan)(p);
    return worth(p, &w);
}

/* Packed filters are written to memory and read back for every block; transforming them again for each, and M going in and out
 * for each part of the channels, cost less where blocks are few. A training step, 256 channels: 4x4 of stride 2 at 64x44 7.3 ms
 * packed, 4.8 fresh; 3x3 of stride 2 from 128 at 128x88 6.9 and 5.8; 3x3 at 64x44, in three blocks, 4.1 and 4.4; 4x4 of
 * stride 2 from 64 to 128 at 128x128, in two, 2.5 and 2.7. */
bool PN_SIMD(pn_wino_fresh_pays)(const conv_pass *p)
{
    conv_pass fresh = *p;
    fresh.fresh = true;
    const wino_plan w = PN_SIMD(pn_wino_plan)(&fresh);
    const bool three = p->taps == TAPS_OF_3X3, whole = three && w.taps == 3;
    const bool phases = (three || p->taps == TAPS_OF_4X4) && w.taps == 2;
    const ptrdiff_t most = phases && p->in_c >= FRESH_CHANNELS ? FRESH_BLOCKS : 1;
    return w.reach == 1 && (whole || phases) && w.blocks <= most;
}

/* ---- Scratch --------------------------------------------------------------------------------------------------- */

static size_t lines(size_t floats) { return (floats + LINE - 1) / LINE * LINE; }
static ptrdiff_t lanes(const conv_pass *p) { return p->out_blocks * PN_BLOCK; }
static size_t table_floats(const wino_plan *w) { return lines((size_t)w->pairs * (sizeof(ptrdiff_t) / sizeof(float))); }
static size_t stats_floats(const conv_pass *p, const wino_plan *w)
{
    return lines((size_t)(p->out.n * w->parts * w->out_phases * 2 * lanes(p)));
}
static size_t share_floats(const conv_pass *p, const wino_plan *w)
{
    return p->share ? lines((size_t)wino_weights(p, w, p->share, 0)) : 0;
}
static size_t sums_floats(const wino_plan *w) { return (size_t)(w->images * 2 * GROUP); }
static size_t room_floats(const conv_pass *p, const wino_plan *w)
{
    const size_t fresh = p->fresh ? PN_SIMD(pn_wino_fresh_floats)(p, w) : 0;
    return sums_floats(w) + (size_t)(w->points * (w->v_plane + w->m_plane)) + fresh;
}

size_t PN_SIMD(pn_wino_bytes)(const conv_pass *p, int threads)
{
    const wino_plan w = PN_SIMD(pn_wino_plan)(p);
    const size_t held = LINE * sizeof(ptrdiff_t) / sizeof(float), t = (size_t)threads;
    return (share_floats(p, &w) + table_floats(&w) + stats_floats(p, &w) + t * (held + room_floats(p, &w)) + LINE) * sizeof(float);
}

/* 512 x 512 filters of 3x3 are 36 MiB when transformed. Blocks of tiles that are few stay with their workers meanwhile. */
ptrdiff_t PN_SIMD(pn_wino_share)(const conv_pass *p)
{
    const wino_plan w = PN_SIMD(pn_wino_plan)(p);
    const size_t bytes = PN_SIMD(pn_wino_packed_bytes)(p);
    if (w.blocks >= LEAST_ITEMS || bytes <= SHARE_BYTES) return 0;
    const ptrdiff_t rounds = conv_ceil((ptrdiff_t)bytes, SHARE_BYTES), share = conv_ceil(p->slots, rounds);
    return share < p->slots ? share : 0;
}

/* ---- Running --------------------------------------------------------------------------------------------------- */

static wino_block block_of(const job *j, ptrdiff_t i)
{
    const wino_plan *w = j->w;
    const ptrdiff_t grid = w->down * w->across, n = w->parts > 1 ? i / w->parts : i * w->images;
    const ptrdiff_t first = i % w->parts * w->tiles, left = w->parts > 1 ? grid - first : (j->p->out.n - n) * grid;
    return (wino_block){ .n = n, .first = first, .count = left < w->tiles ? left : w->tiles };
}

/* The products of a slot and phase: M = V times the transformed filters. */
static void multiply(const job *j, const wino_products *s, float *m, const float *v, ptrdiff_t count)
{
    static const float zeros[GROUP];
    const conv_pass *p = j->p;
    const wino_plan *w = j->w;
    const ptrdiff_t vecs = s->vecs, most = conv_most(vecs), panel = wino_panel(p, w, vecs * VLEN);
    const ptrdiff_t phase = s->row_phase * p->cols.phases + s->col_phase;
    const float *weights = j->c.packed + (wino_weights(p, w, s->slot, phase) - wino_weights(p, w, j->slots.from, 0));
    conv_tile t = { .begin = zeros, .at = j->at, .rest = p->in_c % PN_BLOCK, .plane = PN_BLOCK, .step = GROUP };
    t.ahead_step = conv_ceil(vecs * VLEN, conv_ceil(count, most));
    if (w->pairs >= WIDE) t.ahead_x = w->v_plane;
    for (ptrdiff_t point = 0; point < w->points; point++, m += w->m_plane, v += w->v_plane, weights += panel) {
        if (wino_vanishes(p, w, s->row_phase, s->col_phase, point)) {
            memset(m, 0, (size_t)(count * GROUP) * sizeof *m);
            continue;
        }
        const conv_span used = wino_used(p, w, point, p->in_blocks);
        t.pairs = used.to - used.from;
        t.full = w->by_phase ? t.pairs : p->in_c / PN_BLOCK * w->in_phases;
        t.w = weights + used.from * PN_BLOCK * vecs * VLEN;
        for (ptrdiff_t i = 0, piece, k = 0; i < count; i += piece, k++) {
            piece = conv_piece(count - i, most);
            t.ahead = weights + panel + k * t.pairs * PN_BLOCK * t.ahead_step;
            PN_SIMD(pn_conv_tile)(&t, m + i * GROUP, v + (used.from * w->tiles + i) * PN_BLOCK, piece, vecs);
        }
    }
}

static void keep_sums(const job *j, const wino_products *s, wino_block block, ptrdiff_t part)
{
    const wino_plan *w = j->w;
    const ptrdiff_t images = w->parts > 1 ? 1 : block.count / (w->down * w->across);
    const ptrdiff_t phase = s->row_phase * j->p->cols.phases + s->col_phase;
    for (ptrdiff_t n = 0; n < images; n++) {
        const ptrdiff_t piece = ((block.n + n) * w->parts + part) * w->out_phases + phase;
        for (ptrdiff_t half = 0; half < 2; half++)
            memcpy(j->stats + (piece * 2 + half) * lanes(j->p) + s->slot * GROUP, s->sums + (n * 2 + half) * GROUP,
                   (size_t)(s->vecs * VLEN) * sizeof(float));
    }
}

/* One phase of one slot of one block. */
static void run_unit(const job *j, float *room, ptrdiff_t unit, ptrdiff_t index)
{
    const conv_pass *p = j->p;
    const wino_plan *w = j->w;
    const wino_block block = block_of(j, index);
    const ptrdiff_t slot = unit / w->out_phases, phase = unit % w->out_phases;
    float *v = room + sums_floats(w), *m = v + w->points * w->v_plane;
    wino_products s = { .p = p, .w = w, .c = &j->c, .m = m, .slot = slot, .vecs = wino_width(p, slot) / VLEN,
                        .row_phase = phase / p->cols.phases, .col_phase = phase % p->cols.phases };
    for (ptrdiff_t i = 0; i < GROUP; i++) s.bias[i] = slot * GROUP + i < p->out_c ? conv_bias(j->c.epi, slot * GROUP + i) : 0;
    if (j->stats) s.sums = memset(room, 0, sums_floats(w) * sizeof *room);
    if (p->fresh) {
        const wino_fresh f = { p, w, j->c.source, slot, s.row_phase, s.col_phase, block.count };
        PN_SIMD(pn_wino_fresh_products)(&f, m, v, m + w->points * w->m_plane);
    } else {
        multiply(j, &s, m, v, block.count);
    }
    PN_SIMD(pn_wino_results)(&s, block);
    if (j->stats) keep_sums(j, &s, block, index % w->parts);
}

static void fill_sources(const job *j, float *v, wino_block block)
{
    for (ptrdiff_t k = 0; k < conv_sources(j->p); k++) {
        const conv_pass one = conv_reading(j->p, k);
        wino_plan part = *j->w;
        part.pairs = one.in_blocks * part.in_phases;
        PN_SIMD(pn_wino_sources)(v, &one, &part, j->c.source[k].x, j->c.source[k].pro, block);
        v += part.pairs * part.tiles * PN_BLOCK;
    }
}

static void correlate_item(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const ptrdiff_t phases = j->w->out_phases, all = (j->slots.to - j->slots.from) * phases;
    const ptrdiff_t index = item / j->shares, share = item % j->shares;
    float *room = j->room + (size_t)worker * room_floats(j->p, j->w);
    if (j->held[worker * LINE] != index) {
        fill_sources(j, room + sums_floats(j->w), block_of(j, index));
        j->held[worker * LINE] = index;
    }
    for (ptrdiff_t unit = all * share / j->shares; unit < all * (share + 1) / j->shares; unit++)
        run_unit(j, room, j->slots.from * phases + unit, index);
}

static void sum_stats(const job *j)
{
    const ptrdiff_t width = lanes(j->p), parts = j->w->parts * j->w->out_phases, images = j->p->out.n;
    for (ptrdiff_t n = 0; n < images; n++)
        for (ptrdiff_t i = 0; i < 2 * width; i++) {
            double sum = 0;
            for (ptrdiff_t b = 0; b < parts; b++) sum += (double)j->stats[(n * parts + b) * 2 * width + i];
            j->c.epi->stats[(i / width * images + n) * width + i % width] = (float)sum;
        }
}

void PN_SIMD(pn_wino_correlate)(pn_pool *pool, const conv_pass *p, conv_correlation c)
{
    const wino_plan w = PN_SIMD(pn_wino_plan)(p);
    const int threads = pn_pool_size(pool);
    float *scratch = c.scratch;
    float *packed = scratch;
    scratch += share_floats(p, &w);
    job j = { .p = p, .w = &w, .c = c, .at = (ptrdiff_t *)(void *)scratch };
    if (p->share) j.c.packed = packed;
    scratch += table_floats(&w);
    if (c.epi && c.epi->stats) j.stats = scratch;
    scratch += stats_floats(p, &w);
    j.held = (ptrdiff_t *)(void *)scratch;
    j.room = scratch + (size_t)threads * LINE * (sizeof(ptrdiff_t) / sizeof(float));
    for (ptrdiff_t i = 0; i < w.pairs; i++) j.at[i] = i * w.tiles * PN_BLOCK;
    for (int t = 0; t < threads; t++) j.held[t * LINE] = -1;
    for (ptrdiff_t slot = 0, many = p->share ? p->share : p->slots; slot < p->slots; slot = j.slots.to) {
        j.slots = (conv_span){ slot, slot + many < p->slots ? slot + many : p->slots };
        j.shares = w.blocks >= LEAST_ITEMS ? 1 : (j.slots.to - slot) * w.out_phases;
        if (p->share) PN_SIMD(pn_wino_pack_some)(pool, packed, c.source, p, j.slots);
        pn_parallel(pool, w.blocks * j.shares, correlate_item, &j);
    }
    if (j.stats) sum_stats(&j);
}
