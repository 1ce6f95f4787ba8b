/* lib/kernels/simd/layout.c - planes to blocks and back, in square tiles that are transposed in registers
 *
 * A tile is VLEN channels of VLEN pixels: in planes its vectors are channels, in blocks they are pixels.
 */
#include "kernels/simd/pointwise.h"
#include "kernels/simd/transpose.h"

enum { PIXELS = PN_CHUNK / PN_BLOCK };                  /* of one block, per item */

typedef struct {
    pn_sink dst;
    const float *src;
    pn_map planes, blocks;
    bool to_blocks;
    ptrdiff_t spans;
} job;

/* Channels c .. c + VLEN of pixels x .. x + n in the planes of one sample; channels past the last are zero, or not written. */
static inline void load_planes(vec tile[VLEN], const float *planes, pn_map m, ptrdiff_t c, ptrdiff_t x, ptrdiff_t n)
{
    const ptrdiff_t plane = m.h * m.w;
    for (int i = 0; i < VLEN; i++) {
        const float *p = planes + (c + i) * plane + x;
        tile[i] = c + i >= m.c ? (vec){ 0 } : n == VLEN ? vec_load(p) : vec_load_some(p, n);
    }
}

static inline void store_planes(pn_sink planes, ptrdiff_t at, const vec tile[VLEN], pn_map m, ptrdiff_t c, ptrdiff_t x, ptrdiff_t n)
{
    const ptrdiff_t plane = m.h * m.w;
    for (int i = 0; i < VLEN && c + i < m.c; i++) {
        float *p = planes.data + at + (c + i) * plane + x;
        if (n == VLEN) vec_store(p, planes.add ? vec_load(p) + tile[i] : tile[i]);
        else vec_store_some(p, planes.add ? vec_load_some(p, n) + tile[i] : tile[i], n);
    }
}

static inline void load_block(vec tile[VLEN], const float *block, ptrdiff_t n)
{
    for (int i = 0; i < VLEN; i++) tile[i] = i < n ? vec_load(block + i * PN_BLOCK) : (vec){ 0 };
}

static inline void store_block(float *block, bool add, const vec tile[VLEN], ptrdiff_t n)
{
    for (int i = 0; i < n; i++)
        vec_store(block + i * PN_BLOCK, add ? vec_load(block + i * PN_BLOCK) + tile[i] : tile[i]);
}

static void item(void *arg, ptrdiff_t index, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->planes;
    const ptrdiff_t plane = m.h * m.w, blocks = pn_map_blocks(j->blocks);
    const ptrdiff_t block = index / j->spans, n = block / blocks, c = block % blocks * PN_BLOCK;
    const ptrdiff_t from = index % j->spans * PIXELS, to = pn_smaller(from + PIXELS, plane);
    const ptrdiff_t in_planes = n * m.c * plane;
    vec tile[VLEN];
    for (ptrdiff_t x = from; x < to; x += VLEN)
        for (int v = 0; v < VECS; v++) {
            const ptrdiff_t some = pn_smaller(VLEN, to - x), in_block = (block * plane + x) * PN_BLOCK + v * VLEN;
            if (j->to_blocks) {
                load_planes(tile, j->src + in_planes, m, c + v * VLEN, x, some);
                vec_transpose(tile);
                store_block(j->dst.data + in_block, j->dst.add, tile, some);
            } else {
                load_block(tile, j->src + in_block, some);
                vec_transpose(tile);
                store_planes(j->dst, in_planes, tile, m, c + v * VLEN, x, some);
            }
        }
}

typedef struct { pn_sink dst; const float *src; ptrdiff_t count; } same_job;

static void same_item(void *arg, ptrdiff_t chunk, int worker)
{
    (void)worker;
    const same_job *j = arg;
    const ptrdiff_t from = chunk * PN_CHUNK, to = pn_smaller(from + PN_CHUNK, j->count);
    if (!j->dst.add) memcpy(j->dst.data + from, j->src + from, (size_t)(to - from) * sizeof *j->src);
    else for (ptrdiff_t i = from; i < to; i++) j->dst.data[i] += j->src[i];
}

static void relayout(pn_pool *pool, pn_sink dst, pn_map to, const float *src, pn_map from)
{
    if (to.b == from.b) {
        same_job same = { dst, src, pn_map_stored(to) };
        pn_parallel(pool, pn_chunks(same.count), same_item, &same);
        return;
    }
    const bool to_blocks = to.b > 1;
    job j = { .dst = dst, .src = src, .planes = to_blocks ? from : to, .blocks = to_blocks ? to : from, .to_blocks = to_blocks,
              .spans = (to.h * to.w + PIXELS - 1) / PIXELS };
    pn_parallel(pool, to.n * pn_map_blocks(j.blocks) * j.spans, item, &j);
}

void PN_SIMD(pn_simd_layout)(pn_kernels *k) { k->pointwise.relayout = relayout; }
