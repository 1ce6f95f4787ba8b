/* simd/gram.c - products of all channels with all, over blocked maps; planar ones are left to the reference
 *
 * Forward: a block of 16 channels times each block up to itself, CHUNK pixels at a time; chunks are summed in double, in
 * order, and the other triangle is copied. Backward: dF = (dG + dG^T) F / (C H W), a 1x1 convolution whose weights are
 * packed first.
 */
#include "kernels/simd/blocks.h"
#include "kernels/simd/losses.h"

enum { CHUNK = 1024, NEAR = 256, SHARE = 128 };    /* pixels: of a sum, of a block in L1, of an item of backward */

typedef struct {
    pn_map m;
    const float *x, *dy;
    float *y;
    pn_sink dx;
    float *tiles;                   /* forward: [n][chunk][pair of blocks][16][16] */
    float *weights;                 /* backward: [n][block][channels rounded up][16] */
} job;

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t area_of(pn_map m) { return m.h * m.w; }
static ptrdiff_t chunks(pn_map m) { return (area_of(m) + CHUNK - 1) / CHUNK; }
static ptrdiff_t pairs(pn_map m) { return pn_map_blocks(m) * (pn_map_blocks(m) + 1) / 2; }
static ptrdiff_t pair_at(ptrdiff_t i, ptrdiff_t j) { return i * (i + 1) / 2 + j; }     /* j <= i */
static double scale_of(pn_map m) { return 1 / (double)(m.c * area_of(m)); }

static size_t scratch_of(pn_map m)
{
    const ptrdiff_t blocks = pn_map_blocks(m), fwd = m.n * chunks(m) * pairs(m) * TILE, bwd = m.n * blocks * blocks * TILE;
    return m.b == PN_BLOCK ? (size_t)(fwd > bwd ? fwd : bwd) * sizeof(float) : pn_ref_loss.gram_scratch(m);
}

/* ---- Forward -------------------------------------------------------------------------------------------------------------- */

/* One chunk of pixels, one block with all blocks up to it. */
static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t blocks = pn_map_blocks(j->m), area = area_of(j->m), own = item % blocks, chunk = item / blocks % chunks(j->m);
    const ptrdiff_t n = item / blocks / chunks(j->m), first = chunk * CHUNK, pixels = at_most(CHUNK, area - first);
    const float *x = j->x + (n * blocks * area + first) * PN_BLOCK, *a = x + own * area * PN_BLOCK;
    float *tiles = j->tiles + ((n * chunks(j->m) + chunk) * pairs(j->m) + pair_at(own, 0)) * TILE;
    memset(tiles, 0, (size_t)((own + 1) * TILE) * sizeof *tiles);
    for (ptrdiff_t p = 0; p < pixels; p += NEAR)
        for (ptrdiff_t other = 0; other <= own; other++) {
            const float *b = x + other * area * PN_BLOCK;
            add_to_tile(tiles + other * TILE, a + p * PN_BLOCK, b + p * PN_BLOCK, at_most(NEAR, pixels - p));
        }
}

/* A row of y: channel c of picture n with all others. */
static void add_chunks(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t n = item / j->m.c, c = item % j->m.c;
    for (ptrdiff_t d = 0; d < j->m.c; d++) {
        const ptrdiff_t high = c > d ? c : d, low = c > d ? d : c;
        const float *tile = j->tiles + (n * chunks(j->m) * pairs(j->m) + pair_at(high / PN_BLOCK, low / PN_BLOCK)) * TILE +
                            high % PN_BLOCK * PN_BLOCK + low % PN_BLOCK;
        double sum = 0;
        for (ptrdiff_t k = 0; k < chunks(j->m); k++) sum += (double)tile[k * pairs(j->m) * TILE];
        j->y[item * j->m.c + d] = (float)(sum * scale_of(j->m));
    }
}

static void fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_map m, void *scratch)
{
    job j = { .m = m, .x = x, .y = y, .tiles = scratch };
    if (m.b != PN_BLOCK) {
        pn_ref_loss.gram_fwd(pool, y, x, m, scratch);
        return;
    }
    pn_parallel(pool, m.n * chunks(m) * pn_map_blocks(m), fwd_item, &j);
    pn_parallel(pool, m.n * m.c, add_chunks, &j);
}

/* ---- Backward -------------------------------------------------------------------------------------------------------------- */

static void pack_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t c = j->m.c, blocks = pn_map_blocks(j->m), n = item / blocks, block = item % blocks;
    const float *dy = j->dy + n * c * c;
    float *to = j->weights + item * blocks * TILE;
    const float scale = (float)scale_of(j->m);
    for (ptrdiff_t d = 0; d < blocks * PN_BLOCK; d++)
        for (ptrdiff_t l = 0; l < PN_BLOCK; l++) {
            const ptrdiff_t own = block * PN_BLOCK + l;
            to[d * PN_BLOCK + l] = d < c && own < c ? (dy[own * c + d] + dy[d * c + own]) * scale : 0;
        }
}

static void bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t blocks = pn_map_blocks(j->m), area = area_of(j->m), shares = (area + SHARE - 1) / SHARE;
    const ptrdiff_t block = item % blocks, n = item / blocks / shares, first = item / blocks % shares * SHARE;
    const ptrdiff_t end = at_most(first + SHARE, area), lanes = j->m.c - block * PN_BLOCK;
    const mixture m = { .x = j->x + (n * blocks * area + first) * PN_BLOCK, .step = area * PN_BLOCK, .blocks = blocks,
                        .weights = j->weights + (n * blocks + block) * blocks * TILE };
    const ptrdiff_t begin = (n * blocks + block) * area * PN_BLOCK;
    mix(j->dx, begin + first * PN_BLOCK, &m, end - first);
    for (ptrdiff_t p = first; lanes < PN_BLOCK && p < end; p++)   /* NaN times the zeros past the last channel is NaN */
        memset(j->dx.data + begin + p * PN_BLOCK + lanes, 0, (size_t)(PN_BLOCK - lanes) * sizeof(float));
}

static void bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, pn_map m, void *scratch)
{
    job j = { .m = m, .x = x, .dy = dy, .dx = dx, .weights = scratch };
    if (m.b != PN_BLOCK) {
        pn_ref_loss.gram_bwd(pool, dx, dy, x, m, scratch);
        return;
    }
    pn_parallel(pool, m.n * pn_map_blocks(m), pack_item, &j);
    pn_parallel(pool, m.n * ((area_of(m) + SHARE - 1) / SHARE) * pn_map_blocks(m), bwd_item, &j);
}

void PN_SIMD(pn_simd_gram)(pn_loss_kernels *k)
{
    k->gram_scratch = scratch_of;
    k->gram_fwd = fwd;
    k->gram_bwd = bwd;
}
