/* simd/winograd_source.c - tiles of the source, with border and prologue, transformed
 *
 * A tile that lies inside is read where it is; one that touches the border is first copied to a patch of its own.
 * Overlaps are read twice: 36 pixels for 16 results or 64 for 36 (3x3), out of L1. About a tenth of a 64-channel convolution.
 */
#include "kernels/simd/winograd.h"

typedef struct { const float *scale, *shift; float slope; } reading;    /* of one block; scale NULL: as it is */

/* Where a tile comes from and goes to: strides in floats. */
typedef struct { const float *from; ptrdiff_t row, pixel; float *to; ptrdiff_t plane; } passage;


CONV_INLINE vec read_as(const float *from, const reading *r, ptrdiff_t lane, const bool scaled)
{
    vec x = vec_load(from);
    if (!scaled) return x;
    x = x * vec_load(r->scale + lane) + vec_load(r->shift + lane);
    return vec_if(x > vec_all(0), x, x * vec_all(r->slope));
}

/* The pixels that the tile after the next adds; they may lie anywhere. */
static inline void fetch_ahead(const passage *t, ptrdiff_t tile)
{
    for (ptrdiff_t y = 0; y < tile; y++)
        for (ptrdiff_t x = tile + 4; x < tile + 8; x++) __builtin_prefetch(t->from + y * t->row + x * t->pixel);
}

CONV_INLINE void transform(const passage *t, const int tile, const ptrdiff_t pixel, const reading *r, const bool scaled)
{
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        vec d[WINO_POINTS], v[WINO_POINTS];
        CONV_UNROLL
        for (int y = 0; y < tile; y++)
            CONV_UNROLL
            for (int x = 0; x < tile; x++)
                d[y * tile + x] = read_as(t->from + y * t->row + x * pixel + lane, r, lane, scaled);
        wino_source_tile(v, d, tile);
        CONV_UNROLL
        for (int y = 0; y < tile; y++)
            CONV_UNROLL
            for (int x = 0; x < tile; x++) vec_store(t->to + (y * tile + x) * t->plane + lane, v[y * tile + x]);
    }
}

static void plain_four(const passage *t) { transform(t, WINO_FOUR, PN_BLOCK, NULL, false); }
static void plain_six(const passage *t) { transform(t, WINO_SIX, PN_BLOCK, NULL, false); }
static void plain_eight(const passage *t) { transform(t, WINO_EIGHT, PN_BLOCK, NULL, false); }
static void apart_four(const passage *t) { transform(t, WINO_FOUR, t->pixel, NULL, false); }
static void apart_six(const passage *t) { transform(t, WINO_SIX, t->pixel, NULL, false); }
static void apart_eight(const passage *t) { transform(t, WINO_EIGHT, t->pixel, NULL, false); }
static void scaled_four(const passage *t, const reading *r) { transform(t, WINO_FOUR, t->pixel, r, true); }
static void scaled_six(const passage *t, const reading *r) { transform(t, WINO_SIX, t->pixel, r, true); }
static void scaled_eight(const passage *t, const reading *r) { transform(t, WINO_EIGHT, t->pixel, r, true); }

static void transform_tile(const passage *t, ptrdiff_t tile, const reading *r)
{
    const bool six = tile == WINO_SIX, four = tile == WINO_FOUR;
    if (r->scale) (six ? scaled_six : four ? scaled_four : scaled_eight)(t, r);
    else if (t->pixel == PN_BLOCK) (six ? plain_six : four ? plain_four : plain_eight)(t);
    else (six ? apart_six : four ? apart_four : apart_eight)(t);
}

/* The pixels of a tile, the first being (row, col) of `map`, one block of an image. */
typedef struct { ptrdiff_t row, col, tile; } frame;
static void patch(float *to, const conv_pass *p, const float *map, frame f, const reading *r)
{
    const ptrdiff_t down = p->rows.step, across = p->cols.step;
    for (ptrdiff_t y = 0; y < f.tile; y++) {
        const ptrdiff_t i = conv_stands_for(f.row + y * down, p->in.h, p->border);
        for (ptrdiff_t x = 0; x < f.tile; x++, to += PN_BLOCK) {
            const ptrdiff_t j = conv_stands_for(f.col + x * across, p->in.w, p->border);
            const float *from = map + (i * p->in.w + j) * PN_BLOCK;
            if (i < 0 || j < 0) memset(to, 0, PN_BLOCK * sizeof *to);
            else for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN)
                vec_store(to + lane, r->scale ? read_as(from + lane, r, lane, true) : vec_load(from + lane));
        }
    }
}

/* A tile of one phase of one block of an image. */
static void one_tile(const conv_pass *p, const float *map, frame f, const reading *r, passage t)
{
    const ptrdiff_t down = p->rows.step, across = p->cols.step, far = f.tile - 1;
    if (f.row >= 0 && f.col >= 0 && f.row + far * down < p->in.h && f.col + far * across < p->in.w) {
        t.from = map + (f.row * p->in.w + f.col) * PN_BLOCK;
        t.row = p->in.w * down * PN_BLOCK;
        t.pixel = across * PN_BLOCK;
        fetch_ahead(&t, f.tile);
        transform_tile(&t, f.tile, r);
        return;
    }
    float pixels[WINO_POINTS * PN_BLOCK];
    patch(pixels, p, map, f, r);
    t.from = pixels;
    t.row = f.tile * PN_BLOCK;
    t.pixel = PN_BLOCK;
    transform_tile(&t, f.tile, &(reading){ 0 });
}

void PN_SIMD(pn_wino_sources)(float *v, const conv_pass *p, const wino_plan *w, const float *from,
                              const pn_prologue *pro, wino_block block)
{
    const ptrdiff_t image = p->in.h * p->in.w * PN_BLOCK, across = p->cols.step;
    for (ptrdiff_t i = 0; i < w->pairs; i++) {
        const ptrdiff_t b = i / w->in_phases, phase = i % w->in_phases, pair = wino_pair(p, w, b, phase);
        const ptrdiff_t top = p->rows.low + phase / w->in_across * w->reach;
        const ptrdiff_t left = p->cols.low + phase % w->in_across * w->reach;
        ptrdiff_t n = block.n, ty = block.first / w->across, tx = block.first % w->across;
        passage t = { .to = v + pair * w->tiles * PN_BLOCK, .plane = w->v_plane };
        for (ptrdiff_t k = 0; k < block.count; k++, t.to += PN_BLOCK) {
            const ptrdiff_t at = n * p->in_blocks + b;
            const ptrdiff_t row = (p->rows.from + ty * w->results) * p->rows.step + top;
            const ptrdiff_t col = (p->cols.from + tx * w->results) * across + left;
            reading r = { 0 };
            if (pro && pro->scale) r = (reading){ pro->scale + at * PN_BLOCK, pro->shift + at * PN_BLOCK, pro->slope };
            one_tile(p, from + at * image, (frame){ row, col, w->tile }, &r, t);
            if (++tx < w->across) continue;
            tx = 0;
            if (++ty < w->down) continue;
            ty = 0;
            n++;
        }
    }
}
