/* simd/conv_band.c - passes, bands, and how a band of the source gets into scratch */
#include "kernels/simd/conv.h"

static conv_axis axis_of(const pn_conv_dims *d, int i, ptrdiff_t source, ptrdiff_t result, conv_direction direction)
{
    conv_axis a = { .source = source, .result = result, .kernel = d->kernel[i], .stride = d->stride[i], .pad = d->pad[i],
                    .dilation = d->dilation[i], .adjoint = direction == CONV_ADJOINT };
    const ptrdiff_t reach = (a.kernel - 1) * a.dilation;
    if (!a.adjoint) {
        a.phases = 1;
        a.step = a.stride;
        a.to = result;
        a.low = -a.pad;
        a.high = reach - a.pad;
        return a;
    }
    a.phases = a.stride;
    a.step = 1;
    a.low = -(reach / a.stride);
    a.from = PTRDIFF_MAX;
    for (ptrdiff_t f = 0; f < a.phases; f++) {
        const conv_span q = conv_range(&a, f);
        if (q.from < q.to && q.from < a.from) a.from = q.from;
        if (q.to > a.to) a.to = q.to;
    }
    return a;
}

/* A transposed convolution is the same arithmetic with its maps exchanged: `wide` is the ordinary convolution's input. */
static conv_pass pass_of(const pn_conv_dims *d, conv_direction direction)
{
    const pn_map wide = d->transposed ? d->y : d->x, tall = d->transposed ? d->x : d->y;
    const pn_map in = direction == CONV_GATHER ? wide : tall, out = direction == CONV_GATHER ? tall : wide;
    conv_pass p = { .in = in, .out = out, .border = direction == CONV_GATHER ? d->border : PN_BORDER_ZERO,
                    .groups = d->groups, .in_c = in.c / d->groups, .out_c = out.c / d->groups };
    p.rows = axis_of(d, 0, in.h, out.h, direction);
    p.cols = axis_of(d, 1, in.w, out.w, direction);
    p.taps = d->kernel[0] * d->kernel[1];
    const ptrdiff_t w_wide = p.taps, w_tall = wide.c / d->groups * p.taps;
    p.w_in = direction == CONV_GATHER ? w_wide : w_tall;
    p.w_out = direction == CONV_GATHER ? w_tall : w_wide;
    p.w_group = tall.c / d->groups * w_tall;
    if (d->more) {
        p.more = in;
        p.more.c = d->more;
        p.w_more = direction == CONV_GATHER ? d->more * p.taps : p.w_out;
        p.in_c += d->more;
    }
    p.depth = d->groups > 1 && p.in_c == 1 && p.out_c == 1;
    if (p.depth) {
        p.groups = 1;
        p.in_c = p.out_c = d->groups;
        p.w_in = p.w_group = 0;
    }
    p.in_blocks = conv_ceil(p.in_c, PN_BLOCK);
    p.out_blocks = conv_ceil(p.out_c, PN_BLOCK);
    p.slots = conv_ceil(p.out_blocks * PN_BLOCK, GROUP);
    p.thin = !p.depth && p.out_c <= THIN && p.out_c * p.in_blocks < p.in_c;
    p.keeps = !p.thin;
    p.pair_blocks = p.depth ? 1 : p.in_blocks;
    p.pair_channels = p.depth ? 1 : p.thin ? p.in_blocks * PN_BLOCK : p.in_c;
    return p;
}

conv_pass PN_SIMD(pn_conv_forward_pass)(pn_conv_dims d) { return pass_of(&d, d.transposed ? CONV_ADJOINT : CONV_GATHER); }
conv_pass PN_SIMD(pn_conv_backward_pass)(pn_conv_dims d) { return pass_of(&d, d.transposed ? CONV_GATHER : CONV_ADJOINT); }

void PN_SIMD(pn_conv_weight_passes)(pn_conv_dims d, conv_pass *wide, conv_pass *tall)
{
    pn_conv_dims ordinary = d, same = { .stride = { 1, 1 }, .dilation = { 1, 1 }, .kernel = { 1, 1 }, .groups = 1 };
    ordinary.transposed = false;
    ordinary.x = d.transposed ? d.y : d.x;
    ordinary.y = same.x = same.y = d.transposed ? d.x : d.y;
    *wide = pass_of(&ordinary, CONV_GATHER);
    *tall = pass_of(&same, CONV_GATHER);
    tall->groups = wide->groups;
    tall->in_c = tall->out_c = wide->out_c;
    tall->in_blocks = tall->out_blocks = wide->out_blocks;
}

void PN_SIMD(pn_conv_cut)(conv_pass *p, ptrdiff_t band)
{
    const ptrdiff_t rows = p->rows.to - p->rows.from, cols = p->cols.to - p->cols.from;
    p->bands = conv_ceil(rows, band);
    p->band = conv_ceil(rows, p->bands);
    p->bands = conv_ceil(rows, p->band);
    p->columns = conv_ceil((cols - 1) * p->cols.step + p->cols.high - p->cols.low + 1, p->cols.step);
    p->row = p->cols.step * p->columns * PN_BLOCK;
    p->plane = ((p->band - 1) * p->rows.step + p->rows.high - p->rows.low + 1) * p->row;
}

/* ---- Filling --------------------------------------------------------------------------------------------------- */

typedef struct { const float *scale, *shift; float slope; } reading;    /* of one block; scale NULL: as it is */

static inline void copy_pixel(float *to, const float *from, const reading *r)
{
    for (int v = 0; v < VECS; v++) {
        vec x = vec_load(from + v * VLEN);
        if (r->scale) {
            x = x * vec_load(r->scale + v * VLEN) + vec_load(r->shift + v * VLEN);
            x = vec_if(x > vec_all(0), x, x * vec_all(r->slope));
        }
        vec_store(to + v * VLEN, x);
    }
}

static void edge_pixel(float *to, const float *row, const conv_pass *p, ptrdiff_t col, const reading *r)
{
    const ptrdiff_t from = conv_stands_for(col, p->in.w, p->border);
    if (from < 0) memset(to, 0, PN_BLOCK * sizeof *to);
    else copy_pixel(to, row + from * PN_BLOCK, r);
}

/* Columns first, first + step, ... of one source row. */
static void fill_columns(float *to, const float *row, const conv_pass *p, ptrdiff_t first, reading r)
{
    const ptrdiff_t step = p->cols.step, w = p->in.w, count = p->columns;
    ptrdiff_t inside = first < 0 ? conv_ceil(-first, step) : 0, end = first < w ? conv_ceil(w - first, step) : 0;
    if (inside > count) inside = count;
    if (end > count) end = count;
    if (end < inside) end = inside;
    for (ptrdiff_t i = 0; i < inside; i++) edge_pixel(to + i * PN_BLOCK, row, p, first + i * step, &r);
    if (r.scale)
        for (ptrdiff_t i = inside; i < end; i++) copy_pixel(to + i * PN_BLOCK, row + (first + i * step) * PN_BLOCK, &r);
    else if (step == 1)
        memcpy(to + inside * PN_BLOCK, row + (first + inside) * PN_BLOCK, (size_t)((end - inside) * PN_BLOCK) * sizeof *to);
    else
        for (ptrdiff_t i = inside; i < end; i++)        /* not r: so the loop need not ask */
            copy_pixel(to + i * PN_BLOCK, row + (first + i * step) * PN_BLOCK, &(reading){ 0 });
    for (ptrdiff_t i = end; i < count; i++) edge_pixel(to + i * PN_BLOCK, row, p, first + i * step, &r);
}

/* Where a channel of a group's block lies in its map, and how it is read. */
typedef struct { const float *row; float scale, shift, by[2]; /* what is not above 0, and what is */ } lane;

CONV_INLINE float lane_at(const lane *l, ptrdiff_t x)
{
    const float v = l->row[x * PN_BLOCK] * l->scale + l->shift;
    return v * l->by[v > 0];            /* signs are as good as random: a branch would be guessed wrong half of the time */
}

/* A row of a group's block whose channels do not begin at a block of the map: number by number. */
static void gather_row(float *to, const conv_pass *p, const float *from, const pn_prologue *pro, ptrdiff_t n, ptrdiff_t y,
                       ptrdiff_t b)
{
    const ptrdiff_t inner = b % p->in_blocks * PN_BLOCK, first = b / p->in_blocks * p->in_c + inner;
    const ptrdiff_t left = p->in_c - inner, real = left < PN_BLOCK ? left : PN_BLOCK, step = p->cols.step;
    const ptrdiff_t begin = p->cols.from * step + p->cols.low, lanes = n * pn_map_blocks(p->in) * PN_BLOCK;
    const bool scaled = pro && pro->scale;
    lane of[PN_BLOCK];
    for (ptrdiff_t c = 0; c < real; c++) {
        of[c] = (lane){ from + pn_at(p->in, n, first + c, y, 0), 1, 0, { 1, 1 } };
        if (!scaled) continue;
        of[c].scale = pro->scale[lanes + first + c];
        of[c].shift = pro->shift[lanes + first + c];
        of[c].by[0] = pro->slope;
    }
    memset(to, 0, (size_t)p->row * sizeof *to);
    for (ptrdiff_t m = 0; m < step; m++)
        for (ptrdiff_t i = 0; i < p->columns; i++, to += PN_BLOCK) {
            ptrdiff_t x = begin + m + i * step;
            if (x < 0 || x >= p->in.w) x = conv_stands_for(x, p->in.w, p->border);
            for (ptrdiff_t c = 0; x >= 0 && c < real; c++) to[c] = lane_at(&of[c], x);
        }
}

static void fill_row(float *to, const conv_pass *p, const float *from, const pn_prologue *pro, ptrdiff_t n, ptrdiff_t y,
                     ptrdiff_t b)
{
    const ptrdiff_t all = pn_map_blocks(p->in), column = p->cols.from * p->cols.step + p->cols.low;
    const ptrdiff_t lanes = (n * all + b) * PN_BLOCK;
    const float *row = from + ((n * all + b) * p->in.h + y) * p->in.w * PN_BLOCK;
    reading r = { 0 };
    if (pro && pro->scale) r = (reading){ pro->scale + lanes, pro->shift + lanes, pro->slope };
    for (ptrdiff_t m = 0; m < p->cols.step; m++) fill_columns(to + m * p->columns * PN_BLOCK, row, p, column + m, r);
}

void PN_SIMD(pn_conv_fill)(float *to, const conv_pass *p, const float *from, const pn_prologue *pro, ptrdiff_t n,
                           ptrdiff_t band, conv_span blocks)
{
    const ptrdiff_t q = p->rows.from + band * p->band, first = q * p->rows.step + p->rows.low;
    const ptrdiff_t q_count = q + p->band > p->rows.to ? p->rows.to - q : p->band;
    const ptrdiff_t rows = (q_count - 1) * p->rows.step + p->rows.high - p->rows.low + 1;
    const bool apart = conv_apart(p->groups, p->in_c);
    for (ptrdiff_t b = blocks.from; b < blocks.to; b++)
        for (ptrdiff_t i = 0; i < rows; i++) {
            float *row = to + (b - blocks.from) * p->plane + i * p->row;
            const ptrdiff_t y = conv_stands_for(first + i, p->in.h, p->border);
            if (y < 0) memset(row, 0, (size_t)p->row * sizeof *row);
            else if (conv_kept(p, b)) fill_row(row, p, from, pro, n, y, b * p->in_c / PN_BLOCK);
            else if (apart) gather_row(row, p, from, pro, n, y, b);
            else fill_row(row, p, from, pro, n, y, b);
        }
}
