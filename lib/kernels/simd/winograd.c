/* simd/winograd.c - a correlation by minimal filtering: blocks of tiles for the threads, 36 products for each slot
 *
 * A worker transforms the sources of a block of tiles, all input channels of it; then, for each slot of result channels,
 * 36 small matrix products (the direct convolution's own tiles of registers, a tile of the map taking a pixel's place) and
 * the transform back. V and the products of one slot stay near L2, and a panel of weights is read once per block.
 *
 * 3x3 takes 36 products where the direct convolution has 144. Single thread, Zen 4, as if each of the direct products were
 * done: 64 channels at 256 x 256 2.5 times the direct kernel's rate, 128 at 128 3.1, 256 at 64 3.5, 512 at 32 3.3.
 */
#include "kernels/simd/winograd.h"

enum { NEAR_L2 = 900 << 10, LEAST_TILES = 24, MOST_TILES = 96, PIECE = 6, LEAST_ITEMS = 8, LINE = 16 };

typedef struct {
    const conv_pass *p;
    const wino_plan *w;
    conv_correlation c;
    ptrdiff_t shares;               /* items a block is cut into: runs of slots */
    ptrdiff_t *at;                  /* [pairs] offsets into V */
    float *stats;                   /* [N][parts][2][lanes], or NULL */
    ptrdiff_t *held;                /* [worker * LINE]: the block its V holds, -1 none */
    float *room;                    /* a worker's V and M */
} job;

/* ---- Cutting ----------------------------------------------------------------------------------------------------- */

static ptrdiff_t axis_taps(const conv_axis *a) { return conv_ceil(a->kernel, a->adjoint ? a->stride : a->step); }

static void cut_blocks(wino_plan *w, ptrdiff_t images)
{
    const ptrdiff_t grid = w->down * w->across;
    w->parts = conv_ceil(grid, w->tiles);
    w->images = w->parts > 1 ? 1 : w->tiles / grid;
    if (w->images > images) w->images = images;
    w->blocks = w->parts > 1 ? w->parts * images : conv_ceil(images, w->images);
}

wino_plan PN_SIMD(pn_wino_plan)(const conv_pass *p)
{
    const conv_axis *rows = &p->rows, *cols = &p->cols;
    wino_plan w = { .taps = axis_taps(rows), .in_phases = rows->step * cols->step, .out_phases = rows->phases * cols->phases };
    w.results = WINO + 1 - w.taps;
    w.down = conv_ceil(rows->to - rows->from, w.results);
    w.across = conv_ceil(cols->to - cols->from, w.results);
    w.pairs = p->in_blocks * w.in_phases;
    const ptrdiff_t tile = WINO_POINTS * (w.pairs * PN_BLOCK + GROUP) * (ptrdiff_t)sizeof(float);
    w.tiles = NEAR_L2 / tile / PIECE * PIECE;
    if (w.tiles < LEAST_TILES) w.tiles = LEAST_TILES;
    if (w.tiles > MOST_TILES) w.tiles = MOST_TILES;
    cut_blocks(&w, p->out.n);
    const ptrdiff_t grid = w.down * w.across, even = w.parts > 1 ? conv_ceil(grid, w.parts) : grid * w.images;
    w.tiles = even;
    cut_blocks(&w, p->out.n);
    w.v_plane = wino_odd(w.pairs * w.tiles * PN_BLOCK);
    w.m_plane = wino_odd(w.tiles * GROUP);
    return w;
}

/* What a pass costs, in multiplications of a vector of 16 results by a number. A tile's transforms, measured by the share
 * they take, cost as much as TRANSFORM of these for each 16 channels; few tiles do not pay for the larger weights. */
enum { TRANSFORM = 650, FEWEST_TILES = 8 };
static bool worth(const conv_pass *p, const wino_plan *w)
{
    const ptrdiff_t tiles = w->down * w->across * p->out.n, lanes_out = p->out_blocks * w->out_phases;
    const ptrdiff_t products = WINO_POINTS * w->in_phases * p->in_c * lanes_out;
    const ptrdiff_t here = tiles * (products + TRANSFORM * (w->pairs + lanes_out));
    const ptrdiff_t positions = p->rows.adjoint ? p->in.h * p->in.w : p->out.h * p->out.w;
    const ptrdiff_t direct = p->out.n * positions * p->taps * p->in_c * p->out_blocks;
    return tiles >= FEWEST_TILES && here + here / 20 < direct;
}

bool PN_SIMD(pn_wino_pays)(const conv_pass *p)
{
    const conv_axis *rows = &p->rows, *cols = &p->cols;
    const ptrdiff_t r = axis_taps(rows);
    if (p->groups > 1 || p->depth || p->thin || rows->dilation > 1 || cols->dilation > 1) return false;
    if (r != axis_taps(cols) || r < 2 || r > 5 || rows->to <= rows->from || cols->to <= cols->from) return false;
    if (rows->stride > 1 || cols->stride > 1 || r != 3) return false;
    const wino_plan w = PN_SIMD(pn_wino_plan)(p);
    return worth(p, &w);
}

/* ---- Scratch --------------------------------------------------------------------------------------------------- */

static size_t lines(size_t floats) { return (floats + LINE - 1) / LINE * LINE; }
static ptrdiff_t lanes(const conv_pass *p) { return p->out_blocks * PN_BLOCK; }
static size_t table_floats(const wino_plan *w) { return lines((size_t)w->pairs * (sizeof(ptrdiff_t) / sizeof(float))); }
static size_t stats_floats(const conv_pass *p, const wino_plan *w)
{
    return lines((size_t)(p->out.n * w->parts * 2 * lanes(p)));
}
static size_t sums_floats(const wino_plan *w) { return (size_t)(w->images * 2 * GROUP); }
static size_t room_floats(const wino_plan *w)
{
    return sums_floats(w) + (size_t)(WINO_POINTS * (w->v_plane + w->m_plane));
}

size_t PN_SIMD(pn_wino_bytes)(const conv_pass *p, int threads)
{
    const wino_plan w = PN_SIMD(pn_wino_plan)(p);
    const size_t held = LINE * sizeof(ptrdiff_t) / sizeof(float), t = (size_t)threads;
    return (table_floats(&w) + stats_floats(p, &w) + t * (held + room_floats(&w)) + LINE) * sizeof(float);
}

/* ---- Running --------------------------------------------------------------------------------------------------- */

static wino_block block_of(const job *j, ptrdiff_t i)
{
    const wino_plan *w = j->w;
    const ptrdiff_t grid = w->down * w->across, n = w->parts > 1 ? i / w->parts : i * w->images;
    const ptrdiff_t first = i % w->parts * w->tiles, left = w->parts > 1 ? grid - first : (j->p->out.n - n) * grid;
    return (wino_block){ .n = n, .first = first, .count = left < w->tiles ? left : w->tiles };
}

/* The 36 products of a slot and phase: M = V times the transformed filters. */
static void multiply(const job *j, float *m, const float *v, const float *weights, ptrdiff_t vecs, ptrdiff_t count)
{
    static const float zeros[GROUP];
    const conv_pass *p = j->p;
    const wino_plan *w = j->w;
    const ptrdiff_t most = conv_most(vecs), panel = wino_panel(p, w, vecs * VLEN);
    conv_tile t = { .begin = zeros, .at = j->at, .pairs = w->pairs, .full = p->in_c / PN_BLOCK * w->in_phases,
                    .rest = p->in_c % PN_BLOCK, .plane = PN_BLOCK, .step = GROUP };
    for (ptrdiff_t point = 0; point < WINO_POINTS; point++) {
        t.w = weights + point * panel;
        for (ptrdiff_t i = 0, piece; i < count; i += piece) {
            piece = conv_piece(count - i, most);
            PN_SIMD(pn_conv_tile)(&t, m + point * w->m_plane + i * GROUP, v + point * w->v_plane + i * PN_BLOCK, piece, vecs);
        }
    }
}

static void keep_sums(const job *j, const wino_products *s, wino_block block, ptrdiff_t part)
{
    const ptrdiff_t grid = j->w->down * j->w->across, images = j->w->parts > 1 ? 1 : block.count / grid;
    for (ptrdiff_t n = 0; n < images; n++)
        for (ptrdiff_t half = 0; half < 2; half++)
            memcpy(j->stats + (((block.n + n) * j->w->parts + part) * 2 + half) * lanes(j->p) + s->slot * GROUP,
                   s->sums + (n * 2 + half) * GROUP, (size_t)(s->vecs * VLEN) * sizeof(float));
}

static void run_slot(const job *j, float *room, ptrdiff_t slot, ptrdiff_t index)
{
    const conv_pass *p = j->p;
    const wino_plan *w = j->w;
    const wino_block block = block_of(j, index);
    float *v = room + sums_floats(w), *m = v + WINO_POINTS * w->v_plane;
    wino_products s = { .p = p, .w = w, .c = &j->c, .m = m, .slot = slot, .vecs = wino_width(p, slot) / VLEN };
    const float *bias = j->c.epi ? j->c.epi->bias : NULL;
    for (ptrdiff_t i = 0; i < GROUP; i++) s.bias[i] = bias && slot * GROUP + i < p->out_c ? bias[slot * GROUP + i] : 0;
    if (j->stats) s.sums = memset(room, 0, sums_floats(w) * sizeof *room);
    for (ptrdiff_t phase = 0; phase < w->out_phases; phase++) {
        s.row_phase = phase / p->cols.phases;
        s.col_phase = phase % p->cols.phases;
        multiply(j, m, v, j->c.packed + wino_weights(p, w, slot, phase), s.vecs, block.count);
        PN_SIMD(pn_wino_results)(&s, block);
    }
    if (j->stats) keep_sums(j, &s, block, index % w->parts);
}

static void correlate_item(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const ptrdiff_t index = item / j->shares, share = item % j->shares, slots = j->p->slots;
    float *room = j->room + (size_t)worker * room_floats(j->w);
    if (j->held[worker * LINE] != index) {
        PN_SIMD(pn_wino_sources)(room + sums_floats(j->w), j->p, j->w, j->c.source, j->c.pro, block_of(j, index));
        j->held[worker * LINE] = index;
    }
    for (ptrdiff_t slot = slots * share / j->shares; slot < slots * (share + 1) / j->shares; slot++)
        run_slot(j, room, slot, index);
}

static void sum_stats(const job *j)
{
    const ptrdiff_t width = lanes(j->p), parts = j->w->parts, images = j->p->out.n;
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
    job j = { .p = p, .w = &w, .c = c, .at = c.scratch, .shares = w.blocks >= LEAST_ITEMS ? 1 : p->slots };
    scratch += table_floats(&w);
    if (c.epi && c.epi->stats) j.stats = scratch;
    scratch += stats_floats(p, &w);
    j.held = (ptrdiff_t *)(void *)scratch;
    j.room = scratch + (size_t)threads * LINE * (sizeof(ptrdiff_t) / sizeof(float));
    for (ptrdiff_t i = 0; i < w.pairs; i++) j.at[i] = i * w.tiles * PN_BLOCK;
    for (int t = 0; t < threads; t++) j.held[t * LINE] = -1;
    pn_parallel(pool, w.blocks * j.shares, correlate_item, &j);
    if (j.stats) sum_stats(&j);
}
