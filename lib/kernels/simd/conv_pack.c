/* simd/conv_pack.c - weights in the order the tiles read them
 *
 * In the parameter the taps of a filter are neighbours, in packed memory its output channels: squares of 4 x 4 numbers are
 * turned over in registers.
 */
#include "kernels/simd/conv.h"

enum { SEATS = 64 };

/* Where a tap sits: how many are in earlier phases, how many before it in its own, and how many that one has. */
typedef struct { ptrdiff_t before, index, taps; } seat;

typedef struct {
    const conv_pass *p;
    float *packed;
    const pn_conv_source *from;
    seat seats[SEATS];              /* of the first taps; a kernel with more of them is rare, and looks them up */
} job;

/* A slot's weights of one input block. */
typedef struct { ptrdiff_t width, real, block, channels, stride; } piece;       /* stride: of a filter in w */

ptrdiff_t PN_SIMD(pn_conv_packed_group)(const conv_pass *p)
{
    return p->taps * p->pair_channels * (p->thin ? p->out_c : p->out_blocks * PN_BLOCK);
}

size_t PN_SIMD(pn_conv_packed_bytes)(const conv_pass *p)
{
    return (size_t)(p->groups * PN_SIMD(pn_conv_packed_group)(p)) * sizeof(float);
}

static ptrdiff_t phase_of(const conv_pass *p, ptrdiff_t tap)
{
    const conv_tap a = conv_tap_of(&p->rows, tap / p->cols.kernel), b = conv_tap_of(&p->cols, tap % p->cols.kernel);
    return a.phase * p->cols.phases + b.phase;
}

static seat find_seat(const conv_pass *p, ptrdiff_t tap)
{
    const ptrdiff_t mine = phase_of(p, tap);
    seat s = { 0 };
    for (ptrdiff_t t = 0; t < p->taps; t++) {
        const ptrdiff_t phase = phase_of(p, t);
        s.before += phase < mine;
        s.index += phase == mine && t < tap;
        s.taps += phase == mine;
    }
    return s;
}

/* Where channel c of `e` through a tap begins, in its slot: `width` numbers follow. */
static ptrdiff_t place(const job *j, const piece *e, ptrdiff_t c, ptrdiff_t tap)
{
    const seat s = tap < SEATS ? j->seats[tap] : find_seat(j->p, tap);
    return (s.before * j->p->pair_channels + e->block * PN_BLOCK * s.taps + s.index * e->channels + c) * e->width;
}

/* Channels c .. and taps that are neighbours in w: `run` numbers of filters o.from .. o.to - 1, the first at w. */
static void turn(const job *j, const piece *e, float *to, const float *w, ptrdiff_t c, ptrdiff_t run, conv_span filters)
{
    const ptrdiff_t taps = j->p->taps, stride = e->stride;
    for (ptrdiff_t r = 0; r < run;) {
        const ptrdiff_t count = run - r < 4 ? 1 : 4;
        float *row[4];
        for (ptrdiff_t i = 0; i < count; i++) row[i] = to + place(j, e, c + (r + i) / taps, (r + i) % taps);
        ptrdiff_t o = filters.from;
        if (count == 4)
            for (; o + 4 <= filters.to && o + 4 <= e->real; o += 4) {
                const float *from = w + o * stride + r;
                conv_turn((const float *[]){ from, from + stride, from + 2 * stride, from + 3 * stride },
                          (float *[]){ row[0] + o, row[1] + o, row[2] + o, row[3] + o }, false);
            }
        for (; o < filters.to; o++)
            for (ptrdiff_t i = 0; i < count; i++) row[i][o] = o < e->real ? w[o * stride + r + i] : 0;
        r += count;
    }
}

/* Of a thin pass: [tap][output channel][16]. */
static void pack_thin(const job *j, float *to, conv_filters f, ptrdiff_t block)
{
    const conv_pass *p = j->p;
    const piece e = { .width = p->out_c, .block = block, .channels = PN_BLOCK };
    for (ptrdiff_t tap = 0; tap < p->taps; tap++) {
        float *row = to + place(j, &e, 0, tap);
        for (ptrdiff_t o = 0; o < p->out_c; o++)
            for (ptrdiff_t c = 0; c < PN_BLOCK; c++)
                row[o * PN_BLOCK + c] = block * PN_BLOCK + c < p->in_c ? f.w[o * f.stride + c * p->w_in + tap] : 0;
    }
}

static void pack_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const conv_pass *p = j->p;
    const ptrdiff_t block = item % p->pair_blocks, slot = item / p->pair_blocks % p->slots;
    const ptrdiff_t group = item / p->pair_blocks / p->slots;
    const ptrdiff_t lanes = p->out_blocks * PN_BLOCK - slot * GROUP, real = p->out_c - slot * GROUP;
    const ptrdiff_t left = p->pair_channels - block * PN_BLOCK;
    const conv_filters f = conv_filters_of(p, j->from, block);
    const float *w = f.w + group * p->w_group + slot * GROUP * f.stride;
    float *to = j->packed + group * PN_SIMD(pn_conv_packed_group)(p) + slot * GROUP * p->taps * p->pair_channels;
    piece e = { .width = lanes < GROUP ? lanes : GROUP, .block = block, .channels = left < PN_BLOCK ? left : PN_BLOCK,
                .stride = f.stride };
    e.real = real < e.width ? real : e.width;
    if (p->thin) {
        pack_thin(j, to, (conv_filters){ w, f.stride }, block);
        return;
    }
    /* Sixteen filters at a time: more of them, a power of two apart, push each other out of L1. */
    for (conv_span o = { 0, PN_BLOCK }; o.from < e.width; o.from += PN_BLOCK, o.to += PN_BLOCK) {
        if (p->w_in == p->taps) turn(j, &e, to, w, 0, e.channels * p->taps, o);
        else for (ptrdiff_t c = 0; c < e.channels; c++) turn(j, &e, to, w + c * p->w_in, c, p->taps, o);
    }
}

void PN_SIMD(pn_conv_pack)(pn_pool *pool, float *packed, const pn_conv_source *from, const conv_pass *p)
{
    job j = { p, packed, from, { { 0 } } };
    for (ptrdiff_t tap = 0; tap < p->taps && tap < SEATS; tap++) j.seats[tap] = find_seat(p, tap);
    pn_parallel(pool, p->groups * p->slots * p->pair_blocks, pack_item, &j);
}
