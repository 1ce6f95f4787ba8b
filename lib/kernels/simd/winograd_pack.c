/* simd/winograd_pack.c - filters transformed: 16, 36 or 64 numbers of each, in the order the products read them
 *
 * In the parameter the taps of a filter are neighbours; 16 filters at a time are turned over in registers so that
 * vectors hold one tap of many. This is part of every training step, and bound by memory: 4 (3x3) to 9 (4x4 of stride
 * 2) times the parameter is written. Past the caches that takes a third of the time, 2.3 ms instead of 5.9 for
 * 512 x 512 filters of 3x3: as long as the direct kernel's packing.
 */
#include "kernels/simd/winograd.h"
#include "kernels/simd/stream.h"

enum { LARGE = 1 << 20 };          /* bytes that L2 would not keep */

typedef enum { THROUGH_CACHES, PAST_CACHES } way;
typedef struct {
    const conv_pass *p;
    const wino_plan *plan;
    float *packed;                  /* of slots.from */
    const pn_conv_source *from;
    way way;
    conv_span slots;
} job;

/* `count` numbers of each of 16 filters, neighbours in w, become rows of 16; filters from `real` on are zeros. */
static void turn(float *to, const float *w, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t real)
{
    for (ptrdiff_t i = 0; i < count;) {
        const ptrdiff_t step = count - i < 4 ? 1 : 4;
        ptrdiff_t o = 0;
        float *row = to + i * PN_BLOCK;
        if (step == 4)
            for (; o + 4 <= real; o += 4) {
                const float *from = w + o * stride + i;
                float *at = row + o;
                conv_turn((const float *[]){ from, from + stride, from + 2 * stride, from + 3 * stride },
                          (float *[]){ at, at + PN_BLOCK, at + 2 * PN_BLOCK, at + 3 * PN_BLOCK }, false);
            }
        for (; o < PN_BLOCK; o++)
            for (ptrdiff_t k = 0; k < step; k++) row[k * PN_BLOCK + o] = o < real ? w[o * stride + i + k] : 0;
        i += step;
    }
}

CONV_INLINE void transform(float *to, ptrdiff_t panel, const float *const *taps, const int r, const int tile,
                           const way out)
{
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        vec g[MOST_TAPS], t[WINO_POINTS];
        CONV_UNROLL
        for (int i = 0; i < r; i++)
            CONV_UNROLL
            for (int k = 0; k < r; k++) g[i * r + k] = vec_load(taps[i * r + k] + lane);
        wino_filter_tile(t, g, r, tile);
        CONV_UNROLL
        for (int i = 0; i < tile * tile; i++) {
            float *at = to + i * panel + lane;
            if (out == PAST_CACHES) vec_stream(at, t[i]);
            else vec_store(at, t[i]);
        }
    }
}

CONV_INLINE void transform_of(float *to, ptrdiff_t panel, const float *const *taps, const wino_plan *w, const way out)
{
    if (w->tile == WINO_EIGHT && w->taps == 4) transform(to, panel, taps, 4, WINO_EIGHT, out);
    else if (w->tile == WINO_EIGHT) transform(to, panel, taps, 5, WINO_EIGHT, out);
    else if (w->tile == WINO_FOUR && w->taps == 2) transform(to, panel, taps, 2, WINO_FOUR, out);
    else if (w->tile == WINO_FOUR) transform(to, panel, taps, 3, WINO_FOUR, out);
    else switch (w->taps) {
    case 2: transform(to, panel, taps, 2, WINO_SIX, out); break;
    case 3: transform(to, panel, taps, 3, WINO_SIX, out); break;
    case 4: transform(to, panel, taps, 4, WINO_SIX, out); break;
    default: transform(to, panel, taps, 5, WINO_SIX, out); break;
    }
}

static void transform_here(float *to, ptrdiff_t panel, const float *const *taps, const wino_plan *w)
{
    transform_of(to, panel, taps, w, THROUGH_CACHES);
}

static void transform_past(float *to, ptrdiff_t panel, const float *const *taps, const wino_plan *w)
{
    transform_of(to, panel, taps, w, PAST_CACHES);
}

/* Where the taps of a pair of phases lie in a turned filter. */
static void find_taps(const float **taps, const job *j, const float *filter, ptrdiff_t in_phase, ptrdiff_t out_phase)
{
    static const float none[PN_BLOCK];
    const conv_axis *rows = &j->p->rows, *cols = &j->p->cols;
    const wino_plan *w = j->plan;
    const ptrdiff_t r = w->taps;
    for (ptrdiff_t i = 0; i < r * r; i++) {
        const ptrdiff_t a = wino_tap(rows, w, in_phase / w->in_across, out_phase / cols->phases, i / r);
        const ptrdiff_t b = wino_tap(cols, w, in_phase % w->in_across, out_phase % cols->phases, i % r);
        taps[i] = a < 0 || b < 0 ? none : filter + (a * cols->kernel + b) * PN_BLOCK;
    }
}

/* Sixteen filters, turned, of one input channel: all pairs of phases. */
typedef struct { ptrdiff_t slot, lane, block, channel, channels; } place;       /* lane: of the slot; channels: of the block */
static void all_phases(const job *j, const float *filter, place c)
{
    const wino_plan *plan = j->plan;
    const ptrdiff_t width = wino_width(j->p, c.slot), panel = wino_panel(j->p, plan, width);
    const float *taps[MOST_TAPS];
    for (ptrdiff_t out = 0; out < plan->out_phases; out++)
        for (ptrdiff_t in = 0; in < plan->in_phases; in++) {
            const ptrdiff_t row = plan->by_phase ? wino_pair(j->p, plan, c.block, in) * PN_BLOCK
                                                 : c.block * PN_BLOCK * plan->in_phases + in * c.channels;
            const ptrdiff_t here = wino_weights(j->p, plan, c.slot, out) - wino_weights(j->p, plan, j->slots.from, 0);
            float *at = j->packed + here + (row + c.channel) * width + c.lane;
            find_taps(taps, j, filter, in, out);
            if (j->way == PAST_CACHES) transform_past(at, panel, taps, plan);
            else transform_here(at, panel, taps, plan);
        }
}

/* One input block of one slot. */
static void pack_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const conv_pass *p = j->p;
    const ptrdiff_t block = item % p->in_blocks, slot = j->slots.from + item / p->in_blocks;
    const ptrdiff_t left = p->in_c - block * PN_BLOCK;
    const ptrdiff_t width = wino_width(p, slot), channels = left < PN_BLOCK ? left : PN_BLOCK;
    const conv_filters f = conv_filters_of(p, j->from, block);
    float filter[MOST_TAPS * PN_BLOCK];
    for (ptrdiff_t o = 0; o < width; o += PN_BLOCK)
        for (ptrdiff_t c = 0; c < channels; c++) {
            const ptrdiff_t first = slot * GROUP + o, real = p->out_c - first;
            turn(filter, f.w + first * f.stride + c * p->w_in, f.stride, p->taps, real < PN_BLOCK ? real : PN_BLOCK);
            all_phases(j, filter, (place){ slot, o, block, c, channels });
        }
    if (j->way == PAST_CACHES) stream_end();
}

size_t PN_SIMD(pn_wino_packed_bytes)(const conv_pass *p)
{
    const wino_plan plan = PN_SIMD(pn_wino_plan)(p);
    return (size_t)wino_weights(p, &plan, p->slots - 1, plan.out_phases) * sizeof(float);
}

void PN_SIMD(pn_wino_pack_some)(pn_pool *pool, float *packed, const pn_conv_source *from, const conv_pass *p, conv_span slots)
{
    const wino_plan plan = PN_SIMD(pn_wino_plan)(p);
    const bool aligned = (uintptr_t)packed % (PN_BLOCK * sizeof *packed) == 0;
    const bool past = STREAMS && aligned && PN_SIMD(pn_wino_packed_bytes)(p) >= LARGE;
    job j = { p, &plan, packed, from, past ? PAST_CACHES : THROUGH_CACHES, slots };
    pn_parallel(pool, (slots.to - slots.from) * p->in_blocks, pack_item, &j);
}

void PN_SIMD(pn_wino_pack)(pn_pool *pool, float *packed, const pn_conv_source *from, const conv_pass *p)
{
    PN_SIMD(pn_wino_pack_some)(pool, packed, from, p, (conv_span){ 0, p->slots });
}
