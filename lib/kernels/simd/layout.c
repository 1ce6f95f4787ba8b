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

/* Some channels of some pixels: in the planes at (c, x), in the block at its pixel; fewer than VLEN at the edges
 * only. */
typedef struct { ptrdiff_t channels, pixels; } extent;

/* A whole tile keeps its loops constant, so that it stays in registers. */
__attribute__((always_inline)) static inline void turn_to_block(pn_sink block, const float *planes, ptrdiff_t plane,
                                                                extent e)
{
    vec tile[VLEN];
    for (int i = 0; i < VLEN; i++)
        tile[i] = i >= e.channels ? (vec){ 0 } : e.pixels == VLEN ? vec_load(planes + i * plane)
                                                                 : vec_load_some(planes + i * plane, e.pixels);
    vec_transpose(tile);
    for (int i = 0; i < VLEN && i < e.pixels; i++) {
        float *p = block.data + i * PN_BLOCK;
        vec_store(p, block.add ? vec_load(p) + tile[i] : tile[i]);
    }
}

__attribute__((always_inline)) static inline void turn_to_planes(pn_sink planes, const float *block, ptrdiff_t plane,
                                                                 extent e)
{
    vec tile[VLEN];
    for (int i = 0; i < VLEN; i++) tile[i] = i < e.pixels ? vec_load(block + i * PN_BLOCK) : (vec){ 0 };
    vec_transpose(tile);
    for (int i = 0; i < VLEN && i < e.channels; i++) {
        float *p = planes.data + i * plane;
        if (e.pixels == VLEN) vec_store(p, planes.add ? vec_load(p) + tile[i] : tile[i]);
        else vec_store_some(p, planes.add ? vec_load_some(p, e.pixels) + tile[i] : tile[i], e.pixels);
    }
}

/* A block of channels of one sample: where its numbers begin, and how many channels it has. */
typedef struct { ptrdiff_t in_block, in_planes, plane, channels; } place;

/* The tile of channels v.., pixels x.. */
static inline void turn(const job *j, const place *p, ptrdiff_t v, ptrdiff_t x, ptrdiff_t to)
{
    const extent e = { pn_larger(0, pn_smaller(VLEN, p->channels - v)), pn_smaller(VLEN, to - x) };
    const extent whole = { VLEN, VLEN };
    const bool is_whole = e.channels == VLEN && e.pixels == VLEN;
    const ptrdiff_t in_block = p->in_block + x * PN_BLOCK + v;
    const ptrdiff_t in_planes = p->in_planes + (e.channels ? v : 0) * p->plane + x;
    const pn_sink dst = { j->dst.data + (j->to_blocks ? in_block : in_planes), j->dst.add };
    const float *src = j->src + (j->to_blocks ? in_planes : in_block);
    if (j->to_blocks && is_whole) turn_to_block(dst, src, p->plane, whole);
    else if (j->to_blocks) turn_to_block(dst, src, p->plane, e);
    else if (is_whole) turn_to_planes(dst, src, p->plane, whole);
    else turn_to_planes(dst, src, p->plane, e);
}

/* A line is written whole before the next: planes, often a power of two apart, share few lines of L1. */
static void item(void *arg, ptrdiff_t index, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->planes;
    const ptrdiff_t plane = m.h * m.w, blocks = pn_map_blocks(j->blocks), block = index / j->spans;
    const ptrdiff_t c = block % blocks * PN_BLOCK;
    const place p = { block * plane * PN_BLOCK, (block / blocks * m.c + c) * plane, plane, m.c - c };
    const ptrdiff_t from = index % j->spans * PIXELS, to = pn_smaller(from + PIXELS, plane);
    const ptrdiff_t line = j->to_blocks ? VLEN : PN_BLOCK;              /* pixels */
    for (ptrdiff_t at = from; at < to; at += line)
        for (ptrdiff_t v = 0; v < PN_BLOCK; v += VLEN)
            for (ptrdiff_t x = at; x < pn_smaller(at + line, to); x += VLEN) turn(j, &p, v, x, to);
}

/* ---- The same layout ------------------------------------------------------------------------------------------- */

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
    job j = { .dst = dst, .src = src, .planes = to_blocks ? from : to, .blocks = to_blocks ? to : from,
              .to_blocks = to_blocks, .spans = (to.h * to.w + PIXELS - 1) / PIXELS };
    pn_parallel(pool, to.n * pn_map_blocks(j.blocks) * j.spans, item, &j);
}

void PN_SIMD(pn_simd_layout)(pn_kernels *k) { k->pointwise.relayout = relayout; }
