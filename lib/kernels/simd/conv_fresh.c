/* simd/conv_fresh.c - minimal filtering with weights that are new in every run: transformed where they are multiplied
 *
 * Transformed filters are four times the parameter. When few tiles use them, writing them all to memory and reading them
 * back takes longer than the products. So a worker transforms those of two input blocks and one slot, which stay in L2,
 * and multiplies them with all tiles at once; the sums over input channels lie in M meanwhile. That needs all tiles in
 * one block, or filters would be transformed again for each.
 *
 * A part of the parameter is copied first: its rows, a power of two apart or nearly, would push each other out of L1
 * while they are turned over; and the next part is fetched from memory during the products.
 */
#include "kernels/simd/transpose.h"
#include "kernels/simd/winograd.h"

enum { BLOCKS = 2, TAPS = 3, FILTER = TAPS * TAPS, POINTS = WINO_SIX * WINO_SIX, LINE = 16 };      /* BLOCKS: input blocks at a time */

typedef struct {
    const conv_pass *p;
    const wino_plan *w;
    conv_correlation c;             /* packed: the parameter as it is */
    ptrdiff_t *at;                  /* [BLOCKS] offsets into V */
    ptrdiff_t *held;                /* [worker * LINE]: whether its V is made */
    float *room;                    /* of a worker: sums, V, M, filters, copy */
} job;

/* Slot `slot` and input blocks first .. first + BLOCKS - 1 alone: their pass, which reads a copy of a part of the parameter;
 * the part's place there and its rows, `run` floats each and `row` apart. The copy has all lanes, and room behind rows. */
typedef struct { conv_pass pass; ptrdiff_t from, rows, run, row, copy_rows, copy_row; } part;

static size_t lines(size_t floats) { return (floats + LINE - 1) / LINE * LINE; }
static ptrdiff_t lanes(const conv_pass *p) { return p->out_blocks * PN_BLOCK; }
static size_t table_floats(void) { return lines(BLOCKS * sizeof(ptrdiff_t) / sizeof(float)); }
static size_t held_floats(int threads) { return (size_t)threads * LINE * sizeof(ptrdiff_t) / sizeof(float); }
static size_t sums_floats(const wino_plan *w) { return (size_t)(w->images * 2 * GROUP); }

static part part_of(const conv_pass *p, ptrdiff_t slot, ptrdiff_t first)
{
    const ptrdiff_t in = p->in_c - first * PN_BLOCK, out = p->out_c - slot * GROUP;
    part t = { .pass = *p, .from = slot * GROUP * p->w_out + first * PN_BLOCK * p->w_in };
    conv_pass *own = &t.pass;
    own->in_c = own->pair_channels = in < BLOCKS * PN_BLOCK ? in : BLOCKS * PN_BLOCK;
    own->in_blocks = own->pair_blocks = conv_ceil(own->in_c, PN_BLOCK);
    own->out_c = out < GROUP ? out : GROUP;
    own->out_blocks = conv_ceil(own->out_c, PN_BLOCK);
    own->slots = 1;
    const bool by_output = p->w_in == p->taps;
    t.rows = by_output ? own->out_c : own->in_c;
    t.run = (by_output ? own->in_c : own->out_c) * FILTER;
    t.row = by_output ? p->w_out : p->w_in;
    t.copy_rows = by_output ? lanes(own) : own->in_c;
    t.copy_row = wino_odd((by_output ? own->in_c : lanes(own)) * FILTER + 2 * PN_BLOCK);
    if (by_output) own->w_out = t.copy_row;
    else own->w_in = t.copy_row;
    return t;
}

static size_t copy_floats(const part *t) { return (size_t)(t->copy_rows * t->copy_row); }
static ptrdiff_t panel(const part *t) { return wino_odd(t->pass.in_c * lanes(&t->pass)); }
static size_t filter_floats(const part *t) { return (size_t)(POINTS * panel(t)); }

static size_t room_floats(const conv_pass *p, const wino_plan *w)
{
    const part t = part_of(p, 0, 0);
    return sums_floats(w) + (size_t)(POINTS * (w->v_plane + w->m_plane)) + filter_floats(&t) + copy_floats(&t);
}

bool PN_SIMD(pn_conv_fresh_pays)(const conv_pass *p)
{
    if (p->rows.kernel != TAPS || p->cols.kernel != TAPS || conv_sources(p) != 1) return false;
    const wino_plan w = PN_SIMD(pn_wino_cut)(p, WINO_SIX);
    return w.in_phases * w.out_phases == 1 && w.blocks == 1;
}

size_t PN_SIMD(pn_conv_fresh_bytes)(const conv_pass *p, int threads)
{
    const wino_plan w = PN_SIMD(pn_wino_cut)(p, WINO_SIX);
    return (table_floats() + held_floats(threads) + (size_t)threads * room_floats(p, &w)) * sizeof(float);
}

static void copy(float *to, const float *parameter, const part *t)
{
    if (t->pass.out_c < lanes(&t->pass)) memset(to, 0, copy_floats(t) * sizeof *to);
    for (ptrdiff_t i = 0; i < t->rows; i++)
        memcpy(to + i * t->copy_row, parameter + t->from + i * t->row, (size_t)t->run * sizeof *to);
}

/* Share i of n of a part, towards L2. */
static void fetch(const float *parameter, const part *t, ptrdiff_t i, ptrdiff_t n)
{
    for (ptrdiff_t r = t->rows * i / n; r < t->rows * (i + 1) / n; r++)
        for (ptrdiff_t k = 0; k < t->run; k += LINE)
            __builtin_prefetch(parameter + t->from + r * t->row + k, 0, 2);
}

/* Taps of VLEN filters, `stride` apart and followed by VLEN numbers of no meaning; of an adjoint in reverse. */
CONV_INLINE void turn(vec taps[FILTER], const float *w, ptrdiff_t stride, const bool adjoint)
{
    vec v[VLEN], got[FILTER];
    CONV_UNROLL
    for (int k = 0; k < FILTER; k += VLEN) {
        if (FILTER - k == 1) {          /* the last of 8 + 1 or 4 + 4 + 1 */
            float last[VLEN];
            for (int i = 0; i < VLEN; i++) last[i] = w[i * stride + k];
            got[k] = vec_load(last);
            continue;
        }
        for (int i = 0; i < VLEN; i++) v[i] = vec_load(w + i * stride + k);
        vec_transpose(v);
        for (int i = 0; i < VLEN && k + i < FILTER; i++) got[k + i] = v[i];
    }
    CONV_UNROLL
    for (int k = 0; k < FILTER; k++) taps[k] = got[adjoint ? FILTER - 1 - k : k];
}

/* Filters [point][channel][width of the slot] of a part from its copy. */
CONV_INLINE void transform_as(float *to, const float *from, const part *t, const bool adjoint)
{
    const conv_pass *own = &t->pass;
    const ptrdiff_t width = lanes(own), plane = panel(t);
    for (ptrdiff_t o = 0; o < width; o += VLEN)
        for (ptrdiff_t c = 0; c < own->in_c; c++) {
            vec taps[FILTER], values[POINTS];
            turn(taps, from + o * own->w_out + c * own->w_in, own->w_out, adjoint);
            wino_filter_tile(values, taps, TAPS, WINO_SIX);
            CONV_UNROLL
            for (int i = 0; i < WINO_SIX; i++)
                CONV_UNROLL
                for (int k = 0; k < WINO_SIX; k++)
                    vec_store(to + (i * WINO_SIX + k) * plane + c * width + o, values[i * WINO_SIX + k]);
        }
}

/* Functions of their own: inlined together, they would compete for registers. */
static __attribute__((noinline)) void transform_gather(float *to, const float *from, const part *t)
{
    transform_as(to, from, t, false);
}
static __attribute__((noinline)) void transform_adjoint(float *to, const float *from, const part *t)
{
    transform_as(to, from, t, true);
}

/* M = V times filters, or M + that: one point, of some input blocks. */
static void multiply(const job *j, float *m, const float *v, const float *filters, const part *t, bool first)
{
    static const float zeros[GROUP];
    const conv_pass *own = &t->pass;
    const ptrdiff_t vecs = own->out_blocks * PN_BLOCK / VLEN, most = conv_most(vecs);
    const conv_tile tile = { .begin = first ? zeros : NULL, .w = filters, .at = j->at, .pairs = own->in_blocks,
                          .full = own->in_c / PN_BLOCK, .rest = own->in_c % PN_BLOCK, .plane = PN_BLOCK, .step = GROUP,
                          .ahead_x = j->w->v_plane };
    for (ptrdiff_t i = 0, piece; i < j->w->tiles; i += piece) {
        piece = conv_piece(j->w->tiles - i, most);
        PN_SIMD(pn_conv_tile)(&tile, m + i * GROUP, v + i * PN_BLOCK, piece, vecs);
    }
}

/* The products of a slot. */
static void sum_up(const job *j, float *m, const float *v, float *room, ptrdiff_t slot)
{
    const conv_pass *p = j->p;
    const wino_plan *w = j->w;
    const float *parameter = j->c.packed;
    for (ptrdiff_t first = 0; first < p->in_blocks; first += BLOCKS) {
        const part t = part_of(p, slot, first), next = part_of(p, slot, first + BLOCKS);
        float *filters = room, *own = room + filter_floats(&t);
        copy(own, parameter, &t);
        (p->rows.adjoint ? transform_adjoint : transform_gather)(filters, own, &t);
        for (ptrdiff_t i = 0; i < POINTS; i++) {
            if (first + BLOCKS < p->in_blocks) fetch(parameter, &next, i, POINTS);
            multiply(j, m + i * w->m_plane, v + i * w->v_plane + first * w->tiles * PN_BLOCK, filters + i * panel(&t), &t,
                     first == 0);
        }
    }
}

static void keep_sums(const job *j, const float *sums, ptrdiff_t slot, ptrdiff_t vecs)
{
    for (ptrdiff_t n = 0; n < j->p->out.n; n++)
        for (ptrdiff_t half = 0; half < 2; half++)
            memcpy(j->c.epi->stats + (half * j->p->out.n + n) * lanes(j->p) + slot * GROUP, sums + (n * 2 + half) * GROUP,
                   (size_t)(vecs * VLEN) * sizeof *sums);
}

static void slot_item(void *arg, ptrdiff_t slot, int worker)
{
    const job *j = arg;
    const conv_pass *p = j->p;
    const wino_plan *w = j->w;
    const wino_block block = { .count = w->tiles };
    float *sums = j->room + (size_t)worker * room_floats(p, w), *v = sums + sums_floats(w);
    float *m = v + POINTS * w->v_plane;
    if (!j->held[worker * LINE]) PN_SIMD(pn_wino_sources)(v, p, w, j->c.source->x, j->c.source->pro, block);
    j->held[worker * LINE] = 1;
    sum_up(j, m, v, m + POINTS * w->m_plane, slot);
    wino_products s = { .p = p, .w = w, .c = &j->c, .m = m, .slot = slot, .vecs = wino_width(p, slot) / VLEN };
    const float *bias = j->c.epi ? j->c.epi->bias : NULL;
    for (ptrdiff_t i = 0; i < GROUP; i++) s.bias[i] = bias && slot * GROUP + i < p->out_c ? bias[slot * GROUP + i] : 0;
    const bool counts = j->c.epi && j->c.epi->stats;
    if (counts) s.sums = memset(sums, 0, sums_floats(w) * sizeof *sums);
    PN_SIMD(pn_wino_results)(&s, block);
    if (counts) keep_sums(j, sums, slot, s.vecs);
}

void PN_SIMD(pn_conv_fresh)(pn_pool *pool, const conv_pass *p, conv_correlation c)
{
    const wino_plan w = PN_SIMD(pn_wino_cut)(p, WINO_SIX);
    const int threads = pn_pool_size(pool);
    float *scratch = c.scratch;
    job j = { .p = p, .w = &w, .c = c, .at = c.scratch };
    j.held = (ptrdiff_t *)(void *)(scratch + table_floats());
    j.room = scratch + table_floats() + held_floats(threads);
    for (ptrdiff_t i = 0; i < BLOCKS; i++) j.at[i] = i * w.tiles * PN_BLOCK;
    for (int t = 0; t < threads; t++) j.held[t * LINE] = 0;
    pn_parallel(pool, p->slots, slot_item, &j);
}
