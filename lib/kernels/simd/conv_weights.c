/* simd/conv_weights.c - gradient of the weights: for every tap, an outer product summed over pixels
 *
 * One side is broadcast (16 channels, a block of the wide map, copied with its border), the other read as vectors (a
 * slot of the tall map). An item keeps its sums [tap][channel][slot] in L2 and walks the pixels tile by tile, all taps per
 * tile. Few items are cut along the pixels into chunks, whose sums are added in order afterwards.
 */
#include "kernels/simd/conv.h"

enum { TILE_PIXELS = 64, MOST_BAND = 128 << 10, LEAST_ITEMS = 16, LINE = 16 };

typedef struct {
    pn_conv_dims d;
    conv_pass p;                    /* of the ordinary forward: in is the wide map, out the tall one */
    pn_sink dw;
    const float *wide, *tall;
    const pn_prologue *on_wide, *on_tall;
    ptrdiff_t chunks, patches;      /* patches = N * bands are dealt to chunks in runs */
    ptrdiff_t sums;                 /* floats of one item's sums */
    float *workers, *partial;       /* each worker's band; sums [chunk][item], or with one chunk [worker] */
    size_t worker_floats, copy_at;
} job;

typedef struct { ptrdiff_t group, slot, block, chunk, vecs, channels; } part;

static size_t lines(size_t floats) { return (floats + LINE - 1) / LINE * LINE; }
static ptrdiff_t products(const conv_pass *p) { return p->groups * p->slots * p->in_blocks; }

static void layout(job *j, pn_conv_dims d)
{
    pn_conv_dims ordinary = d;
    ordinary.transposed = false;
    if (d.transposed) {
        ordinary.x = d.y;
        ordinary.y = d.x;
    }
    j->d = d;
    j->p = PN_SIMD(pn_conv_forward_pass)(ordinary);
    conv_pass *p = &j->p;
    const ptrdiff_t rows = p->out.h, wanted = conv_ceil(LEAST_ITEMS, products(p));
    PN_SIMD(pn_conv_cut)(p, rows);
    while (p->band > 1 && p->plane * (ptrdiff_t)sizeof(float) > MOST_BAND) PN_SIMD(pn_conv_cut)(p, conv_ceil(p->band, 2));
    while (p->band > 4 && p->out.n * p->bands < wanted) PN_SIMD(pn_conv_cut)(p, conv_ceil(p->band, 2));
    j->patches = p->out.n * p->bands;
    j->chunks = wanted < j->patches ? wanted : j->patches;
    j->sums = p->taps * PN_BLOCK * GROUP;
    j->copy_at = lines((size_t)p->plane);
    j->worker_floats = j->copy_at + (d.transposed ? (size_t)(p->band * p->out.w * GROUP) : 0);
    if (j->chunks == 1) j->worker_floats += (size_t)j->sums;
}

size_t PN_SIMD(pn_conv_weights_bytes)(pn_conv_dims d, int threads)
{
    job j = { 0 };
    layout(&j, d);
    const size_t partial = j.chunks == 1 ? 0 : (size_t)(j.chunks * products(&j.p) * j.sums);
    return (partial + (size_t)threads * j.worker_floats) * sizeof(float) + LINE * sizeof(float);
}

static part part_of(const job *j, ptrdiff_t item)
{
    const conv_pass *p = &j->p;
    part t = { .chunk = item / products(p), .group = item % products(p) / (p->slots * p->in_blocks) };
    t.slot = item / p->in_blocks % p->slots;
    t.block = item % p->in_blocks;
    const ptrdiff_t lanes = p->out_blocks * PN_BLOCK - t.slot * GROUP, channels = p->in_c - t.block * PN_BLOCK;
    t.vecs = (lanes < GROUP ? lanes : GROUP) / VLEN;
    t.channels = channels < PN_BLOCK ? channels : PN_BLOCK;
    return t;
}

/* ---- Sums of one patch ----------------------------------------------------------------------------------------------------- */

/* One tile of pixels: x and dy are its first pixel in the band and in the tall map. */
static void tile_sums(const job *j, const part *t, float *sums, const float *x, const float *dy, conv_outer o)
{
    const conv_pass *p = &j->p;
    const ptrdiff_t width = t->vecs * VLEN, most = conv_most(t->vecs);
    for (ptrdiff_t a = 0; a < p->rows.kernel; a++)
        for (ptrdiff_t b = 0; b < p->cols.kernel; b++) {
            const ptrdiff_t column = b * p->cols.dilation;
            const float *from = x + a * p->rows.dilation * p->row +
                                (column % p->cols.step * p->columns + column / p->cols.step) * PN_BLOCK;
            for (ptrdiff_t left = t->channels, piece; left > 0; left -= piece) {
                piece = conv_piece(left, most);
                PN_SIMD(pn_conv_outer)(&o, sums, from, dy, piece, t->vecs);
                from += piece;
                sums += piece * width;
            }
        }
}

/* The rows of a patch of a slot of the tall map, with its prologue, one block after another. */
static void copy_tall(const job *j, float *to, const float *from, const part *t, ptrdiff_t n, ptrdiff_t pixels)
{
    const conv_pass *p = &j->p;
    const pn_prologue *pro = j->on_tall;
    const ptrdiff_t first = t->group * p->out_blocks * PN_BLOCK + t->slot * GROUP, plane = p->out.h * p->out.w * PN_BLOCK;
    for (ptrdiff_t v = 0; v < t->vecs; v++) {
        const ptrdiff_t at = n * pn_map_blocks(p->out) * PN_BLOCK + first + v * VLEN;
        const vec scale = vec_load(pro->scale + at), shift = vec_load(pro->shift + at), slope = vec_all(pro->slope);
        for (ptrdiff_t i = 0; i < pixels; i++) {
            const ptrdiff_t lane = v % VECS * VLEN + i * PN_BLOCK;
            const vec x = vec_load(from + v / VECS * plane + lane) * scale + shift;
            vec_store(to + v / VECS * pixels * PN_BLOCK + lane, vec_if(x > vec_all(0), x, x * slope));
        }
    }
}

static void patch_sums(const job *j, const part *t, float *sums, float *band, ptrdiff_t patch)
{
    const conv_pass *p = &j->p;
    const ptrdiff_t n = patch / p->bands, top = patch % p->bands * p->band;
    const ptrdiff_t rows = top + p->band < p->out.h ? p->band : p->out.h - top, block = t->group * p->in_blocks + t->block;
    PN_SIMD(pn_conv_fill)(band, p, j->wide, j->on_wide, n, patch % p->bands, (conv_span){ block, block + 1 });
    const ptrdiff_t slot = t->group * p->out_blocks + t->slot * GROUP / PN_BLOCK;
    const float *tall = j->tall + ((n * pn_map_blocks(p->out) + slot) * p->out.h + top) * p->out.w * PN_BLOCK;
    conv_outer o = { .a_row = p->rows.step * p->row, .b_row = p->out.w * PN_BLOCK, .b_plane = p->out.h * p->out.w * PN_BLOCK };
    if (j->on_tall && j->on_tall->scale) {
        copy_tall(j, band + j->copy_at, tall, t, n, rows * p->out.w);
        tall = band + j->copy_at;
        o.b_plane = rows * p->out.w * PN_BLOCK;
    }
    const ptrdiff_t most_cols = TILE_PIXELS, tile_rows = p->out.w >= TILE_PIXELS ? 1 : TILE_PIXELS / p->out.w;
    for (ptrdiff_t y = 0; y < rows; y += o.rows) {
        o.rows = conv_piece(rows - y, tile_rows);
        for (ptrdiff_t x = 0; x < p->out.w; x += o.cols) {
            o.cols = conv_piece(p->out.w - x, most_cols);
            tile_sums(j, t, sums, band + y * o.a_row + x * PN_BLOCK, tall + y * o.b_row + x * PN_BLOCK, o);
        }
    }
}

/* ---- From sums to dw --------------------------------------------------------------------------------------------------------- */

static void deliver(const job *j, const part *t, const float *sums)
{
    const conv_pass *p = &j->p;
    const ptrdiff_t width = t->vecs * VLEN, left = p->out_c - t->slot * GROUP, real = left < width ? left : width;
    float *dw = j->dw.data + t->group * p->w_group + t->slot * GROUP * p->w_out + t->block * PN_BLOCK * p->w_in;
    for (ptrdiff_t o = 0; o < real; o++)
        for (ptrdiff_t c = 0; c < t->channels; c++) {
            float *to = dw + o * p->w_out + c * p->w_in;
            const float *from = sums + c * width + o;
            if (j->dw.add) for (ptrdiff_t k = 0; k < p->taps; k++) to[k] += from[k * t->channels * width];
            else for (ptrdiff_t k = 0; k < p->taps; k++) to[k] = from[k * t->channels * width];
        }
}

static void sums_item(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const part t = part_of(j, item);
    float *band = j->workers + (size_t)worker * j->worker_floats;
    float *sums = j->chunks == 1 ? band + j->worker_floats - j->sums : j->partial + item * j->sums;
    memset(sums, 0, (size_t)j->sums * sizeof *sums);
    for (ptrdiff_t patch = j->patches * t.chunk / j->chunks; patch < j->patches * (t.chunk + 1) / j->chunks; patch++)
        patch_sums(j, &t, sums, band, patch);
    if (j->chunks == 1) deliver(j, &t, sums);
}

static void add_chunks(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const part t = part_of(j, item);
    float *sums = j->partial + item * j->sums;
    const ptrdiff_t stride = products(&j->p) * j->sums;
    for (ptrdiff_t i = 0; i < j->sums; i += VLEN) {
        vec v = vec_load(sums + i);
        for (ptrdiff_t c = 1; c < j->chunks; c++) v += vec_load(sums + c * stride + i);
        vec_store(sums + i, v);
    }
    deliver(j, &t, sums);
}

void PN_SIMD(pn_conv_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                              pn_conv_dims d, void *scratch)
{
    job j = { 0 };
    layout(&j, d);
    j.dw = dw;
    j.wide = d.transposed ? dy : x;
    j.tall = d.transposed ? x : dy;
    j.on_wide = d.transposed ? NULL : pro;
    j.on_tall = d.transposed ? pro : NULL;
    j.partial = scratch;
    j.workers = j.partial + (j.chunks == 1 ? 0 : j.chunks * products(&j.p) * j.sums);
    pn_parallel(pool, j.chunks * products(&j.p), sums_item, &j);
    if (j.chunks > 1) pn_parallel(pool, products(&j.p), add_chunks, &j);
}
