/* simd/winograd_fresh.c - weights that are new in every run: filters transformed where they are multiplied
 *
 * Transformed filters are 4 (3x3) to 16 times the parameter (3x3 of stride 2, four phases of 2x2). Writing them to memory
 * and reading them back can take longer than the products. So for a unit of results a worker transforms 32 rows of filters
 * at a time (channels times phases of the source), which stay in L2, and multiplies all tiles of the block with them; the
 * sums over channels lie in M meanwhile. Each block of tiles transforms them again, for a tenth of the time of its products.
 *
 * A part of the parameter is copied first: its rows, a power of two apart or nearly, would push each other out of L1
 * while they are turned over; and the next part is fetched from memory during the products.
 */
#include "kernels/simd/transpose.h"
#include "kernels/simd/winograd.h"

enum { ROWS = 32, LINE = 16, POINTS = WINO_SIX * WINO_SIX, TAPS_THREE = 9, TAPS_FOUR = 16, MOST_PHASES = 4, HALVES = 4 };

/* Channels first .. first + channels - 1 for one slot: the part's place in the parameter and its rows there, `run` floats each
 * and `row` apart; strides of a channel and of a result channel in the copy, which has all lanes, and room behind rows. */
typedef struct {
    ptrdiff_t first, channels, lanes, real;     /* real: of the lanes, the channels that there are */
    const float *from;
    ptrdiff_t rows, run, row;
    ptrdiff_t copy_row, c_in, c_out, copy_rows;
} part;

/* Where the taps of a phase lie in a filter; -1: it has none there. */
typedef struct { int at[MOST_PHASES][TAPS_THREE]; } tap_table;

static ptrdiff_t most_channels(const wino_plan *w) { return ROWS / w->in_phases; }
static ptrdiff_t panel(const wino_plan *w, const part *t) { return wino_odd(t->channels * w->in_phases * t->lanes); }

static part part_of(const wino_fresh *f, ptrdiff_t slot, ptrdiff_t first)
{
    const conv_pass *p = f->p;
    const ptrdiff_t of_in = p->more.c ? p->in.c : p->in_c, end = first < of_in ? of_in : p->in_c, most = most_channels(f->w);
    const conv_filters w = conv_filters_of(p, f->source, first / PN_BLOCK);
    part t = { .first = first, .channels = end - first < most ? end - first : most, .lanes = wino_width(p, slot) };
    t.real = p->out_c - slot * GROUP < t.lanes ? p->out_c - slot * GROUP : t.lanes;
    t.from = w.w + slot * GROUP * w.stride + first % PN_BLOCK * p->w_in;
    const bool by_output = p->w_in == p->taps;
    t.rows = by_output ? t.real : t.channels;
    t.run = (by_output ? t.channels : t.real) * p->taps;
    t.row = by_output ? w.stride : p->w_in;
    t.copy_rows = by_output ? t.lanes : t.channels;
    t.copy_row = wino_odd((by_output ? t.channels : t.lanes) * p->taps + 2 * PN_BLOCK);
    t.c_in = by_output ? p->taps : t.copy_row;
    t.c_out = by_output ? t.copy_row : p->taps;
    return t;
}

static size_t copy_floats(const conv_pass *p, const wino_plan *w)
{
    const ptrdiff_t channels = most_channels(w), room = 2 * PN_BLOCK;
    const ptrdiff_t by_output = GROUP * wino_odd(channels * p->taps + room), by_input = channels * wino_odd(GROUP * p->taps + room);
    return (size_t)(by_output > by_input ? by_output : by_input);
}

size_t PN_SIMD(pn_wino_fresh_floats)(const conv_pass *p, const wino_plan *w)
{
    return (size_t)(POINTS * wino_odd(ROWS * GROUP)) + copy_floats(p, w);
}

static void copy(float *to, const part *t)
{
    if (t->real < t->lanes) memset(to, 0, (size_t)(t->copy_rows * t->copy_row) * sizeof *to);
    for (ptrdiff_t i = 0; i < t->rows; i++) memcpy(to + i * t->copy_row, t->from + i * t->row, (size_t)t->run * sizeof *to);
}

/* Share i of n of a part, towards L2. */
static void fetch(const part *t, ptrdiff_t i, ptrdiff_t n)
{
    for (ptrdiff_t r = t->rows * i / n; r < t->rows * (i + 1) / n; r++)
        for (ptrdiff_t k = 0; k < t->run; k += LINE) __builtin_prefetch(t->from + r * t->row + k, 0, 2);
}

/* Taps of VLEN filters, `stride` apart and followed by VLEN numbers of no meaning. */
CONV_INLINE void turn(vec *taps, const float *w, ptrdiff_t stride, const int count)
{
    CONV_UNROLL
    for (int k = 0; k < count; k += VLEN) {
        if (count - k == 1) {           /* the last of 8 + 1 or 4 + 4 + 1 */
            float last[VLEN];
            for (int i = 0; i < VLEN; i++) last[i] = w[i * stride + k];
            taps[k] = vec_load(last);
            continue;
        }
        vec v[VLEN];
        for (int i = 0; i < VLEN; i++) v[i] = vec_load(w + i * stride + k);
        vec_transpose(v);
        for (int i = 0; i < VLEN && k + i < count; i++) taps[k + i] = v[i];
    }
}

/* Filters [point][phase][channel][lane] of a part from its copy. */
CONV_INLINE void transform_as(float *to, const float *from, const part *t, const wino_plan *w, const tap_table *taps, const int count,
                              const int r)
{
    const ptrdiff_t plane = panel(w, t);
    for (ptrdiff_t o = 0; o < t->lanes; o += VLEN)
        for (ptrdiff_t c = 0; c < t->channels; c++) {
            vec filter[TAPS_FOUR + 1];
            turn(filter, from + o * t->c_out + c * t->c_in, t->c_out, count);
            filter[count] = (vec){ 0 };
            for (ptrdiff_t f = 0; f < w->in_phases; f++) {
                vec g[TAPS_THREE], values[POINTS];
                CONV_UNROLL
                for (int i = 0; i < r * r; i++) g[i] = filter[taps->at[f][i]];
                wino_filter_tile(values, g, r, WINO_SIX);
                float *at = to + (f * t->channels + c) * t->lanes + o;
                CONV_UNROLL
                for (int i = 0; i < POINTS; i++) vec_store(at + i * plane, values[i]);
            }
        }
}

/* Functions of their own: inlined together, they would compete for registers. */
#define OUT_OF_LINE static __attribute__((noinline))
OUT_OF_LINE void three_whole(float *to, const float *from, const part *t, const wino_plan *w, const tap_table *taps)
{
    transform_as(to, from, t, w, taps, TAPS_THREE, 3);
}
OUT_OF_LINE void three_in_phases(float *to, const float *from, const part *t, const wino_plan *w, const tap_table *taps)
{
    transform_as(to, from, t, w, taps, TAPS_THREE, 2);
}
OUT_OF_LINE void four_in_phases(float *to, const float *from, const part *t, const wino_plan *w, const tap_table *taps)
{
    transform_as(to, from, t, w, taps, TAPS_FOUR, 2);
}

static void transform(const wino_fresh *f, float *to, const float *from, const part *t, const tap_table *taps)
{
    if (f->p->taps == TAPS_FOUR) four_in_phases(to, from, t, f->w, taps);
    else if (f->w->taps == 2) three_in_phases(to, from, t, f->w, taps);
    else three_whole(to, from, t, f->w, taps);
}

static tap_table taps_of(const conv_pass *p, const wino_plan *w, ptrdiff_t row_phase, ptrdiff_t col_phase)
{
    tap_table t;
    for (ptrdiff_t f = 0; f < w->in_phases; f++)
        for (ptrdiff_t i = 0; i < w->taps * w->taps; i++) {
            const ptrdiff_t a = wino_tap(&p->rows, w, f / w->in_across, row_phase, i / w->taps);
            const ptrdiff_t b = wino_tap(&p->cols, w, f % w->in_across, col_phase, i % w->taps);
            t.at[w->by_phase ? wino_place(f) : f][i] = (int)(a < 0 || b < 0 ? p->taps : a * p->cols.kernel + b);
        }
    return t;
}

/* M = V times filters, or M + that: all points, of some channels. */
static void multiply(const wino_fresh *f, float *m, const float *v, const float *filters, const part *t, const part *next)
{
    static const float zeros[GROUP];
    const conv_pass *p = f->p;
    const wino_plan *w = f->w;
    const bool phases = w->in_phases > 1;
    const ptrdiff_t vecs = t->lanes / VLEN, most = conv_most(vecs), block = w->tiles * PN_BLOCK;
    ptrdiff_t at[MOST_PHASES];
    for (ptrdiff_t i = 0; i < MOST_PHASES; i++) at[i] = i * block * (w->by_phase ? p->in_blocks : 1);
    conv_tile tile = { .begin = t->first ? NULL : zeros, .at = at, .rest = phases ? t->channels : t->channels % PN_BLOCK,
                       .full = phases ? 0 : t->channels / PN_BLOCK, .plane = PN_BLOCK, .step = GROUP, .ahead_x = w->v_plane };
    v += t->first / PN_BLOCK * (phases && !w->by_phase ? w->in_phases : 1) * block + t->first % PN_BLOCK;
    for (ptrdiff_t point = 0; point < POINTS; point++, m += w->m_plane, v += w->v_plane, filters += panel(w, t)) {
        if (next) fetch(next, point, POINTS);
        if (wino_vanishes(p, w, f->row_phase, f->col_phase, point)) {
            if (!t->first) memset(m, 0, (size_t)(f->count * GROUP) * sizeof *m);
            continue;
        }
        const conv_span used = phases ? wino_used(p, w, point, 1) : (conv_span){ 0, conv_ceil(t->channels, PN_BLOCK) };
        tile.pairs = used.to - used.from;
        tile.w = filters + used.from * t->channels * t->lanes;
        for (ptrdiff_t i = 0, piece; i < f->count; i += piece) {
            piece = conv_piece(f->count - i, most);
            PN_SIMD(pn_conv_tile)(&tile, m + i * GROUP, v + at[used.from] + i * PN_BLOCK, piece, vecs);
        }
    }
}

void PN_SIMD(pn_wino_fresh_products)(const wino_fresh *f, float *m, const float *v, float *room)
{
    const tap_table taps = taps_of(f->p, f->w, f->row_phase, f->col_phase);
    float *filters = room + copy_floats(f->p, f->w);
    for (ptrdiff_t first = 0, end; first < f->p->in_c; first = end) {
        const part t = part_of(f, f->slot, first);
        end = first + t.channels;
        const part next = end < f->p->in_c ? part_of(f, f->slot, end) : t;
        copy(room, &t);
        transform(f, filters, room, &t, &taps);
        multiply(f, m, v, filters, &t, end < f->p->in_c ? &next : NULL);
    }
}
