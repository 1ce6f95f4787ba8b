/* simd/winograd_source.c - tiles of the source, with border and prologue, transformed
 *
 * A tile that lies inside is read where it is; one that touches the border is first copied to a patch of its own.
 * Overlaps are read twice: 36 pixels for 16 results (3x3), out of L1. About a tenth of a 64-channel convolution.
 */
#include "kernels/simd/winograd.h"

typedef struct { const float *scale, *shift; float slope; } reading;    /* of one block; scale NULL: as it is */

/* Where a tile comes from and goes to: strides in floats. */
typedef struct { const float *from; ptrdiff_t row, pixel; float *to; ptrdiff_t plane; } passage;

enum { AHEAD = 10 };                /* pixels from a tile to those fetched meanwhile; they may lie anywhere */

CONV_INLINE vec read_as(const float *from, const reading *r, ptrdiff_t lane, const bool scaled)
{
    vec x = vec_load(from);
    if (!scaled) return x;
    x = x * vec_load(r->scale + lane) + vec_load(r->shift + lane);
    return vec_if(x > vec_all(0), x, x * vec_all(r->slope));
}

static inline void fetch_ahead(const passage *t)
{
    for (int y = 0; y < WINO; y++)
        for (int x = AHEAD; x < AHEAD + 4; x++) __builtin_prefetch(t->from + y * t->row + x * t->pixel);
}

CONV_INLINE void transform(const passage *t, const ptrdiff_t pixel, const reading *r, const bool scaled)
{
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        vec d[WINO_POINTS], v[WINO_POINTS];
        CONV_UNROLL
        for (int y = 0; y < WINO; y++)
            CONV_UNROLL
            for (int x = 0; x < WINO; x++)
                d[y * WINO + x] = read_as(t->from + y * t->row + x * pixel + lane, r, lane, scaled);
        wino_source_tile(v, d);
        CONV_UNROLL
        for (int y = 0; y < WINO; y++)
            CONV_UNROLL
            for (int x = 0; x < WINO; x++) vec_store(t->to + (y * WINO + x) * t->plane + lane, v[y * WINO + x]);
    }
}

static void plain(const passage *t) { transform(t, PN_BLOCK, NULL, false); }
static void plain_apart(const passage *t) { transform(t, t->pixel, NULL, false); }
static void scaled(const passage *t, const reading *r) { transform(t, t->pixel, r, true); }

/* The pixels of a tile whose first is (row, col) of `map`, one block of an image. */
static void patch(float *to, const conv_pass *p, const float *map, ptrdiff_t row, ptrdiff_t col, const reading *r)
{
    const ptrdiff_t down = p->rows.step, across = p->cols.step;
    for (ptrdiff_t y = 0; y < WINO; y++) {
        const ptrdiff_t i = conv_stands_for(row + y * down, p->in.h, p->border);
        for (ptrdiff_t x = 0; x < WINO; x++, to += PN_BLOCK) {
            const ptrdiff_t j = conv_stands_for(col + x * across, p->in.w, p->border);
            const float *from = map + (i * p->in.w + j) * PN_BLOCK;
            if (i < 0 || j < 0) memset(to, 0, PN_BLOCK * sizeof *to);
            else for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN)
                vec_store(to + lane, r->scale ? read_as(from + lane, r, lane, true) : vec_load(from + lane));
        }
    }
}

/* Tile (ty, tx) of one phase of one block of an image. */
static void one_tile(const conv_pass *p, const float *map, ptrdiff_t row, ptrdiff_t col, const reading *r, passage t)
{
    const ptrdiff_t down = p->rows.step, across = p->cols.step;
    if (row >= 0 && col >= 0 && row + (WINO - 1) * down < p->in.h && col + (WINO - 1) * across < p->in.w) {
        t.from = map + (row * p->in.w + col) * PN_BLOCK;
        t.row = p->in.w * down * PN_BLOCK;
        t.pixel = across * PN_BLOCK;
        fetch_ahead(&t);
        if (r->scale) scaled(&t, r);
        else if (across == 1) plain(&t);
        else plain_apart(&t);
        return;
    }
    float pixels[WINO_POINTS * PN_BLOCK];
    patch(pixels, p, map, row, col, r);
    t.from = pixels;
    t.row = WINO * PN_BLOCK;
    plain(&t);
}

void PN_SIMD(pn_wino_sources)(float *v, const conv_pass *p, const wino_plan *w, const float *from,
                              const pn_prologue *pro, wino_block block)
{
    const ptrdiff_t image = p->in.h * p->in.w * PN_BLOCK, across = p->cols.step;
    for (ptrdiff_t pair = 0; pair < w->pairs; pair++) {
        const ptrdiff_t b = pair / w->in_phases, phase = pair % w->in_phases;
        const ptrdiff_t top = p->rows.low + phase / across, left = p->cols.low + phase % across;
        ptrdiff_t n = block.n, ty = block.first / w->across, tx = block.first % w->across;
        passage t = { .to = v + pair * w->tiles * PN_BLOCK, .plane = w->v_plane };
        for (ptrdiff_t i = 0; i < block.count; i++, t.to += PN_BLOCK) {
            const ptrdiff_t at = n * p->in_blocks + b;
            const ptrdiff_t row = (p->rows.from + ty * w->results) * p->rows.step + top;
            const ptrdiff_t col = (p->cols.from + tx * w->results) * across + left;
            reading r = { 0 };
            if (pro && pro->scale) r = (reading){ pro->scale + at * PN_BLOCK, pro->shift + at * PN_BLOCK, pro->slope };
            one_tile(p, from + at * image, row, col, &r, t);
            if (++tx < w->across) continue;
            tx = 0;
            if (++ty < w->down) continue;
            ty = 0;
            n++;
        }
    }
}
