/* simd/conv_depth.c - each channel for itself: a pixel's 16 channels times 16 weights, tap by tap */
#include "kernels/simd/conv.h"

enum { PIXELS = 4 };

CONV_INLINE void some(const conv_tile *t, float *y, const float *x, ptrdiff_t width, const vec *begin, const int pixels)
{
    vec acc[PIXELS];
    for (int p = 0; p < pixels; p++) acc[p] = begin ? *begin : vec_load(y + p * t->step);
    const float *w = t->w;
    for (ptrdiff_t k = 0; k < t->pairs; k++, w += width) {
        const vec tap = vec_load(w);
        for (int p = 0; p < pixels; p++) acc[p] += tap * vec_load(x + t->at[k] + p * PN_BLOCK);
    }
    for (int p = 0; p < pixels; p++) vec_store(y + p * t->step, acc[p]);
}

void PN_SIMD(pn_conv_depth_tile)(const conv_tile *t, float *y, const float *x, ptrdiff_t x_plane, ptrdiff_t pixels,
                                 ptrdiff_t vecs)
{
    const ptrdiff_t width = vecs * VLEN;
    for (ptrdiff_t v = 0; v < vecs; v++) {
        const ptrdiff_t lane = v % VECS * VLEN;
        float *to = y + v / VECS * t->plane + lane;
        const float *from = x + v / VECS * x_plane + lane;
        conv_tile mine = *t;
        mine.w += v * VLEN;
        const vec begin = t->begin ? vec_load(t->begin + v * VLEN) : (vec){ 0 };
        ptrdiff_t i = 0;
        for (; i + PIXELS <= pixels; i += PIXELS)
            some(&mine, to + i * t->step, from + i * PN_BLOCK, width, t->begin ? &begin : NULL, PIXELS);
        for (; i < pixels; i++) some(&mine, to + i * t->step, from + i * PN_BLOCK, width, t->begin ? &begin : NULL, 1);
    }
}

/* ---- Gradient of the weights ----------------------------------------------------------------------------------- */

typedef struct {
    conv_pass wide, tall;           /* the ordinary forward; and what copies a band of its result's map as it is */
    pn_sink dw;
    const float *x, *y;             /* the wide and the tall map */
    const pn_prologue *on_wide, *on_tall;
    float *workers;
    ptrdiff_t worker_floats;
} job;

static job job_of(pn_conv_dims d)
{
    job j = { 0 };
    PN_SIMD(pn_conv_weight_passes)(d, &j.wide, &j.tall);
    const ptrdiff_t band = conv_ceil(j.wide.out.h, conv_ceil(j.wide.out.h * j.wide.out.w, 2048));
    PN_SIMD(pn_conv_cut)(&j.wide, band);
    PN_SIMD(pn_conv_cut)(&j.tall, band);
    j.worker_floats = j.wide.plane + j.tall.plane + j.wide.taps * PN_BLOCK;
    return j;
}

size_t PN_SIMD(pn_conv_depth_weights_bytes)(pn_conv_dims d, int threads)
{
    return (size_t)threads * (size_t)job_of(d).worker_floats * sizeof(float);
}

/* Sum of x times y over `rows` rows of one tap. */
static vec correlation(const job *j, const float *x, const float *y, ptrdiff_t rows)
{
    vec even = { 0 }, odd = { 0 };
    const ptrdiff_t row = j->wide.out.w * PN_BLOCK;
    for (ptrdiff_t r = 0; r < rows; r++) {
        const float *px = x + r * j->wide.rows.step * j->wide.row, *py = y + r * row;
        ptrdiff_t i = 0;
        for (; i + 2 * PN_BLOCK <= row; i += 2 * PN_BLOCK) {
            even += vec_load(px + i) * vec_load(py + i);
            odd += vec_load(px + i + PN_BLOCK) * vec_load(py + i + PN_BLOCK);
        }
        if (i < row) even += vec_load(px + i) * vec_load(py + i);
    }
    return even + odd;
}

static void weights_item(void *arg, ptrdiff_t block, int worker)
{
    const job *j = arg;
    const conv_pass *p = &j->wide;
    float *wide = j->workers + worker * j->worker_floats, *tall = wide + p->plane, *sums = tall + j->tall.plane;
    memset(sums, 0, (size_t)(p->taps * PN_BLOCK) * sizeof *sums);
    for (ptrdiff_t patch = 0; patch < p->out.n * p->bands; patch++) {
        const ptrdiff_t n = patch / p->bands, band = patch % p->bands, left = p->out.h - band * p->band;
        const conv_span blocks = { block, block + 1 };
        PN_SIMD(pn_conv_fill)(wide, p, j->x, j->on_wide, n, band, blocks);
        PN_SIMD(pn_conv_fill)(tall, &j->tall, j->y, j->on_tall, n, band, blocks);
        for (ptrdiff_t k = 0; k < p->taps; k++) {
            const ptrdiff_t column = k % p->cols.kernel * p->cols.dilation;
            const float *x = wide + k / p->cols.kernel * p->rows.dilation * p->row +
                             (column % p->cols.step * p->columns + column / p->cols.step) * PN_BLOCK;
            for (ptrdiff_t v = 0; v < PN_BLOCK; v += VLEN) {
                float *sum = sums + k * PN_BLOCK + v;
                vec_store(sum, vec_load(sum) + correlation(j, x + v, tall + v, left < p->band ? left : p->band));
            }
        }
    }
    for (ptrdiff_t c = block * PN_BLOCK; c < p->in_c && c < (block + 1) * PN_BLOCK; c++)
        for (ptrdiff_t k = 0; k < p->taps; k++) {
            float *to = j->dw.data + c * p->taps + k;
            *to = sums[k * PN_BLOCK + c % PN_BLOCK] + (j->dw.add ? *to : 0);
        }
}

void PN_SIMD(pn_conv_depth_weights)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                                    pn_conv_dims d, void *scratch)
{
    job j = job_of(d);
    if (!d.transposed && PN_SIMD(pn_conv_rows_fit)(&j.wide, pro)) {
        PN_SIMD(pn_conv_rows_weights)(pool, dw, x, dy, &j.wide);
        return;
    }
    j.dw = dw;
    j.x = d.transposed ? dy : x;
    j.y = d.transposed ? x : dy;
    j.on_wide = d.transposed ? NULL : pro;
    j.on_tall = d.transposed ? pro : NULL;
    j.workers = scratch;
    pn_parallel(pool, j.wide.in_blocks, weights_item, &j);
}
