/* simd/conv_pack.c - weights in the order the tiles read them */
#include "kernels/simd/conv.h"

ptrdiff_t PN_SIMD(pn_conv_packed_group)(const conv_pass *p)
{
    return p->taps * p->pair_channels * (p->thin ? p->out_c : p->out_blocks * PN_BLOCK);
}

size_t PN_SIMD(pn_conv_packed_bytes)(const conv_pass *p)
{
    return (size_t)(p->groups * PN_SIMD(pn_conv_packed_group)(p)) * sizeof(float);
}

typedef struct { const conv_pass *p; float *packed; const float *w; } job;

/* One tap of one input block: [channel][width], zeros past the last output channel. */
static float *pack_tap(float *to, const float *w, const conv_pass *p, ptrdiff_t channels, ptrdiff_t real, ptrdiff_t width)
{
    for (ptrdiff_t c = 0; c < channels; c++, to += width) {
        const float *from = w + c * p->w_in;
        for (ptrdiff_t o = 0; o < real; o++) to[o] = from[o * p->w_out];
        for (ptrdiff_t o = real; o < width; o++) to[o] = 0;
    }
    return to;
}

/* One tap of one input block of a thin pass: [output channel][16]. */
static float *pack_thin_tap(float *to, const float *w, const conv_pass *p, ptrdiff_t channels)
{
    for (ptrdiff_t o = 0; o < p->out_c; o++, to += PN_BLOCK)
        for (ptrdiff_t c = 0; c < PN_BLOCK; c++) to[c] = c < channels ? w[o * p->w_out + c * p->w_in] : 0;
    return to;
}

static float *pack_block(float *to, const float *w, const conv_pass *p, ptrdiff_t slot, ptrdiff_t block, const ptrdiff_t phase[2])
{
    const ptrdiff_t left = p->out_blocks * PN_BLOCK - slot * GROUP, width = left < GROUP ? left : GROUP;
    const ptrdiff_t after = p->out_c - slot * GROUP, real = after < width ? (after < 0 ? 0 : after) : width;
    const ptrdiff_t past = (p->depth ? 1 : p->in_c) - block * PN_BLOCK, channels = past < PN_BLOCK ? past : PN_BLOCK;
    const ptrdiff_t base = slot * GROUP * p->w_out + block * PN_BLOCK * p->w_in;
    for (ptrdiff_t a = 0; a < p->rows.kernel; a++)
        for (ptrdiff_t b = 0; b < p->cols.kernel; b++)
            if (conv_tap_of(&p->rows, a).phase == phase[0] && conv_tap_of(&p->cols, b).phase == phase[1]) {
                const float *from = w + base + a * p->cols.kernel + b;
                to = p->thin ? pack_thin_tap(to, from, p, channels) : pack_tap(to, from, p, channels, real, width);
            }
    return to;
}

static void pack_slot(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const conv_pass *p = j->p;
    const ptrdiff_t group = item / p->slots, slot = item % p->slots;
    float *to = j->packed + group * PN_SIMD(pn_conv_packed_group)(p) + slot * GROUP * p->taps * p->pair_channels;
    for (ptrdiff_t y = 0; y < p->rows.phases; y++)
        for (ptrdiff_t x = 0; x < p->cols.phases; x++)
            for (ptrdiff_t b = 0; b < p->pair_blocks; b++)
                to = pack_block(to, j->w + group * p->w_group, p, slot, b, (const ptrdiff_t[]){ y, x });
}

void PN_SIMD(pn_conv_pack)(pn_pool *pool, float *packed, const float *w, const conv_pass *p)
{
    job j = { p, packed, w };
    pn_parallel(pool, p->groups * p->slots, pack_slot, &j);
}
