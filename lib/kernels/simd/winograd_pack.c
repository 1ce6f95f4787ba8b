/* simd/winograd_pack.c - filters transformed: 36 numbers of each, in the order the products read them
 *
 * In the parameter the taps of a filter are neighbours; 16 filters at a time are turned over in registers so that vectors
 * hold one tap of many. This is part of every training step, and bound by memory: 4 (3x3) times the parameter is written.
 */
#include "kernels/simd/winograd.h"

enum { MOST_TAPS = 25 };

typedef struct { const conv_pass *p; const wino_plan *plan; float *packed; const float *w; } job;

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
                conv_turn((const float *[]){ from, from + stride, from + 2 * stride, from + 3 * stride },
                          (float *[]){ row + o, row + PN_BLOCK + o, row + 2 * PN_BLOCK + o, row + 3 * PN_BLOCK + o }, false);
            }
        for (; o < PN_BLOCK; o++)
            for (ptrdiff_t k = 0; k < step; k++) row[k * PN_BLOCK + o] = o < real ? w[o * stride + i + k] : 0;
        i += step;
    }
}

/* The tap of an axis that is number u of the correlation between an input phase and a result phase; -1: none. */
static ptrdiff_t tap_of(const conv_axis *a, ptrdiff_t taps, ptrdiff_t in_phase, ptrdiff_t out_phase, ptrdiff_t u)
{
    const ptrdiff_t tap = a->adjoint ? (taps - 1 - u) * a->stride + out_phase : u * a->step + in_phase;
    return tap < a->kernel ? tap : -1;
}

CONV_INLINE void transform(float *to, ptrdiff_t panel, const float *const *taps, const int r)
{
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        vec g[MOST_TAPS], t[WINO_POINTS];
        CONV_UNROLL
        for (int i = 0; i < r; i++)
            CONV_UNROLL
            for (int k = 0; k < r; k++) g[i * r + k] = vec_load(taps[i * r + k] + lane);
        wino_values_tile(t, g, r, WINO_SCALED);
        CONV_UNROLL
        for (int i = 0; i < WINO; i++)
            CONV_UNROLL
            for (int k = 0; k < WINO; k++) vec_store(to + (i * WINO + k) * panel + lane, t[i * WINO + k]);
    }
}

static void transform_of(float *to, ptrdiff_t panel, const float *const *taps, ptrdiff_t r)
{
    switch (r) {
    case 2: transform(to, panel, taps, 2); break;
    case 3: transform(to, panel, taps, 3); break;
    case 4: transform(to, panel, taps, 4); break;
    default: transform(to, panel, taps, 5); break;
    }
}

/* Where the taps of a pair of phases lie in a turned filter. */
static void find_taps(const float **taps, const job *j, const float *filter, ptrdiff_t in_phase, ptrdiff_t out_phase)
{
    static const float none[PN_BLOCK];
    const conv_axis *rows = &j->p->rows, *cols = &j->p->cols;
    const ptrdiff_t r = j->plan->taps;
    for (ptrdiff_t i = 0; i < r * r; i++) {
        const ptrdiff_t a = tap_of(rows, r, in_phase / cols->step, out_phase / cols->phases, i / r);
        const ptrdiff_t b = tap_of(cols, r, in_phase % cols->step, out_phase % cols->phases, i % r);
        taps[i] = a < 0 || b < 0 ? none : filter + (a * cols->kernel + b) * PN_BLOCK;
    }
}

/* One input block of one slot. */
static void pack_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const conv_pass *p = j->p;
    const wino_plan *plan = j->plan;
    const ptrdiff_t block = item % p->in_blocks, slot = item / p->in_blocks, left = p->in_c - block * PN_BLOCK;
    const ptrdiff_t width = wino_width(p, slot), panel = wino_panel(p, plan, width);
    const ptrdiff_t channels = left < PN_BLOCK ? left : PN_BLOCK, phases = plan->in_phases * plan->out_phases;
    float filter[MOST_TAPS * PN_BLOCK];
    const float *taps[MOST_TAPS];
    for (ptrdiff_t o = 0; o < width; o += PN_BLOCK)
        for (ptrdiff_t c = 0; c < channels; c++) {
            const ptrdiff_t first = slot * GROUP + o, real = p->out_c - first;
            turn(filter, j->w + first * p->w_out + (block * PN_BLOCK + c) * p->w_in, p->w_out, p->taps, real < PN_BLOCK ? real : PN_BLOCK);
            for (ptrdiff_t f = 0; f < phases; f++) {
                const ptrdiff_t in_phase = f % plan->in_phases, out_phase = f / plan->in_phases;
                const ptrdiff_t row = block * PN_BLOCK * plan->in_phases + in_phase * channels + c;
                float *to = j->packed + wino_weights(p, plan, slot, out_phase) + row * width + o;
                find_taps(taps, j, filter, in_phase, out_phase);
                transform_of(to, panel, taps, plan->taps);
            }
        }
}

size_t PN_SIMD(pn_wino_packed_bytes)(const conv_pass *p)
{
    const wino_plan plan = PN_SIMD(pn_wino_plan)(p);
    return (size_t)wino_weights(p, &plan, p->slots - 1, plan.out_phases) * sizeof(float);
}

void PN_SIMD(pn_wino_pack)(pn_pool *pool, float *packed, const float *w, const conv_pass *p)
{
    const wino_plan plan = PN_SIMD(pn_wino_plan)(p);
    job j = { p, &plan, packed, w };
    pn_parallel(pool, p->slots * p->in_blocks, pack_item, &j);
}
