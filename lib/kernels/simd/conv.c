/* simd/conv.c - the fast convolution's entries: direct, blocked, both backwards
 *
 * Planar maps go to the reference.
 */
#include "kernels/simd/winograd.h"

static bool covered(const pn_conv_dims *d) { return d->x.b == PN_BLOCK && d->y.b == PN_BLOCK; }

static pn_conv_kernels reference(void)
{
    pn_kernels k = { 0 };
    pn_ref_add_conv(&k);
    return k.conv;
}

/* ---- Borders that fold back: the gradient is computed on the padded map, then added where its pixels came from - */

static bool folds(const pn_conv_dims *d) { return d->border != PN_BORDER_ZERO && (d->pad[0] || d->pad[1]); }

static pn_conv_dims padded(pn_conv_dims d)
{
    d.x.h += 2 * d.pad[0];
    d.x.w += 2 * d.pad[1];
    d.pad[0] = d.pad[1] = 0;
    d.border = PN_BORDER_ZERO;
    return d;
}

typedef struct { pn_conv_dims d; pn_sink dx; const float *padded; } fold_job;

static ptrdiff_t folded(ptrdiff_t i, ptrdiff_t extent, pn_border border)
{
    if (i >= 0 && i < extent) return i;
    if (border == PN_BORDER_REPLICATE) return i < 0 ? 0 : extent - 1;
    return i < 0 ? -i : 2 * (extent - 1) - i;
}

static void fold_row(float *to, const float *from, const pn_conv_dims *d, bool add)
{
    const ptrdiff_t w = d->x.w, pad = d->pad[1];
    const float *inside = from + pad * PN_BLOCK;
    if (add) for (ptrdiff_t i = 0; i < w * PN_BLOCK; i += VLEN) vec_store(to + i, vec_load(to + i) + vec_load(inside + i));
    else memcpy(to, inside, (size_t)(w * PN_BLOCK) * sizeof *to);
    for (ptrdiff_t e = 0; e < 2 * pad; e++) {
        const ptrdiff_t col = e < pad ? e - pad : w + e - pad;
        float *pixel = to + folded(col, w, d->border) * PN_BLOCK;
        for (ptrdiff_t i = 0; i < PN_BLOCK; i += VLEN)
            vec_store(pixel + i, vec_load(pixel + i) + vec_load(inside + col * PN_BLOCK + i));
    }
}

static void fold_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const fold_job *j = arg;
    const ptrdiff_t h = j->d.x.h, w = j->d.x.w * PN_BLOCK, pad = j->d.pad[0], wide = w + 2 * j->d.pad[1] * PN_BLOCK;
    float *dx = j->dx.data + item * h * w;
    const float *from = j->padded + (item * (h + 2 * pad) + pad) * wide;
    for (ptrdiff_t y = 0; y < h; y++) fold_row(dx + y * w, from + y * wide, &j->d, j->dx.add);
    for (ptrdiff_t e = 0; e < 2 * pad; e++) {
        const ptrdiff_t y = e < pad ? e - pad : h + e - pad;
        fold_row(dx + folded(y, h, j->d.border) * w, from + y * wide, &j->d, true);
    }
}

/* ---- Entries --------------------------------------------------------------------------------------------------- */

/* Weights that are new in every run need not be packed all at once. */
static void share_out(conv_pass *p)
{
    p->fresh = PN_SIMD(pn_wino_fresh_pays)(p);
    if (!p->fresh) p->share = PN_SIMD(pn_wino_share)(p);
}

static conv_pass forward_pass(pn_conv_dims d)
{
    conv_pass p = PN_SIMD(pn_conv_forward_pass)(d);
    p.wino = PN_SIMD(pn_wino_pays)(&p);
    if (p.wino && d.learnt) share_out(&p);
    PN_SIMD(pn_conv_choose_band)(&p);
    return p;
}

static conv_pass backward_pass(pn_conv_dims d)
{
    conv_pass p = PN_SIMD(pn_conv_backward_pass)(folds(&d) ? padded(d) : d);
    p.wino = PN_SIMD(pn_wino_pays)(&p);
    if (p.wino && d.learnt) share_out(&p);
    PN_SIMD(pn_conv_choose_band)(&p);
    return p;
}

/* The pass whose results begin a block per group, and the bytes of them; 0 where groups share none. */
static conv_pass apart_pass(const conv_pass *p)
{
    conv_pass apart = *p;
    apart.out.c = p->groups * p->out_blocks * PN_BLOCK;
    return apart;
}

static size_t apart_bytes(const conv_pass *p)
{
    return conv_apart(p->groups, p->out_c) ? (size_t)pn_map_stored(apart_pass(p).out) * sizeof(float) : 0;
}

static size_t packed_bytes(const conv_pass *p)
{
    if (p->fresh || p->share) return 0;
    return p->wino ? PN_SIMD(pn_wino_packed_bytes)(p) : PN_SIMD(pn_conv_packed_bytes)(p);
}

static void pack(pn_pool *pool, float *packed, const pn_conv_source *from, const conv_pass *p)
{
    if (p->fresh || p->share) return;
    if (p->wino) PN_SIMD(pn_wino_pack)(pool, packed, from, p);
    else PN_SIMD(pn_conv_pack)(pool, packed, from, p);
}

static size_t pass_bytes(const conv_pass *p, int threads)
{
    if (p->wino) return PN_SIMD(pn_wino_bytes)(p, threads);
    const conv_pass apart = apart_pass(p);
    return apart_bytes(p) + PN_SIMD(pn_conv_correlate_bytes)(apart_bytes(p) ? &apart : p, threads);
}

static void run_pass(pn_pool *pool, const conv_pass *p, conv_correlation c)
{
    if (p->wino) {
        PN_SIMD(pn_wino_correlate)(pool, p, c);
        return;
    }
    if (PN_SIMD(pn_conv_rows_fit)(p, c.source->pro)) {
        PN_SIMD(pn_conv_rows)(pool, p, c);
        return;
    }
    if (!apart_bytes(p)) {
        PN_SIMD(pn_conv_correlate)(pool, p, c);
        return;
    }
    const conv_pass apart = apart_pass(p);
    conv_correlation plain = { .source = c.source, .packed = c.packed, .result = c.scratch };
    plain.scratch = (char *)c.scratch + apart_bytes(p);
    PN_SIMD(pn_conv_correlate)(pool, &apart, plain);
    PN_SIMD(pn_conv_collect)(pool, p, plain.result, c);
}

static size_t padded_bytes(pn_conv_dims d) { return (size_t)pn_map_stored(padded(d).x) * sizeof(float); }

static pn_conv_sizes sizes(pn_conv_dims d, int threads)
{
    if (!covered(&d)) return reference().sizes(d, threads);
    const conv_pass f = forward_pass(d);
    d.more = 0;                                         /* each source has a backward of its own */
    const conv_pass b = backward_pass(d);
    const size_t data = pass_bytes(&b, threads) + (folds(&d) ? padded_bytes(d) : 0);
    const size_t weights = f.depth ? PN_SIMD(pn_conv_depth_weights_bytes)(d, threads)
                         : PN_SIMD(pn_conv_few_pays)(&d) ? PN_SIMD(pn_conv_few_bytes)(d, threads)
                         : PN_SIMD(pn_wino_weights_pays)(&d) ? PN_SIMD(pn_wino_weights_bytes)(d, threads)
                                   : PN_SIMD(pn_conv_weights_bytes)(d, threads);
    return (pn_conv_sizes){
        .packed_fwd = packed_bytes(&f), .packed_bwd = packed_bytes(&b),
        .scratch_fwd = pass_bytes(&f, threads), .scratch_bwd = data > weights ? data : weights,
    };
}

static void pack_fwd(pn_pool *pool, pn_real *packed, const pn_conv_source *from, pn_conv_dims d)
{
    if (!covered(&d)) return;
    const conv_pass p = forward_pass(d);
    pack(pool, packed, from, &p);
}

static void pack_bwd(pn_pool *pool, pn_real *packed, const pn_real *w, pn_conv_dims d)
{
    if (!covered(&d)) return;
    const conv_pass p = backward_pass(d);
    pack(pool, packed, &(pn_conv_source){ .w = w }, &p);
}

static void fwd(pn_pool *pool, pn_real *y, const pn_conv_source *from, const pn_real *packed, const pn_epilogue *epi,
                pn_conv_dims d, void *scratch)
{
    if (!covered(&d)) {
        reference().fwd(pool, y, from, packed, epi, d, scratch);
        return;
    }
    const conv_pass p = forward_pass(d);
    run_pass(pool, &p, (conv_correlation){ .source = from, .packed = packed, .result = y, .epi = epi,
                                           .scratch = scratch });
}

static void bwd_data(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *w, const pn_real *packed, pn_conv_dims d,
                     void *scratch)
{
    if (!covered(&d)) {
        reference().bwd_data(pool, dx, dy, w, packed, d, scratch);
        return;
    }
    const conv_pass p = backward_pass(d);
    const pn_conv_source from = { .x = dy, .w = w };
    conv_correlation c = { .source = &from, .packed = packed, .result = dx.data, .add = dx.add,
                           .scratch = scratch };
    if (folds(&d)) {
        c.result = scratch;
        c.scratch = (char *)scratch + padded_bytes(d);
        c.add = false;
    }
    run_pass(pool, &p, c);
    if (!folds(&d)) return;
    fold_job j = { d, dx, c.result };
    pn_parallel(pool, d.x.n * pn_map_blocks(d.x), fold_item, &j);
}

static void bwd_weights(pn_pool *pool, pn_sink dw, const pn_real *x, const pn_real *dy, const pn_prologue *pro,
                        pn_conv_dims d, void *scratch)
{
    if (covered(&d) && forward_pass(d).depth) PN_SIMD(pn_conv_depth_weights)(pool, dw, x, dy, pro, d, scratch);
    else if (covered(&d) && PN_SIMD(pn_conv_few_pays)(&d)) PN_SIMD(pn_conv_few)(pool, dw, x, dy, pro, d, scratch);
    else if (covered(&d) && PN_SIMD(pn_wino_weights_pays)(&d)) PN_SIMD(pn_wino_weights)(pool, dw, x, dy, pro, d, scratch);
    else if (covered(&d)) PN_SIMD(pn_conv_weights)(pool, dw, x, dy, pro, d, scratch);
    else reference().bwd_weights(pool, dw, x, dy, pro, d, scratch);
}

/* ---- Bias ------------------------------------------------------------------------------------------------------ */

typedef struct { pn_sink db; const float *dy; pn_map y; } bias_job;

/* Rows are summed first, then the rows' sums: a map of 256 x 256 loses no digits. */
static void bias_item(void *arg, ptrdiff_t block, int worker)
{
    (void)worker;
    const bias_job *j = arg;
    const ptrdiff_t blocks = pn_map_blocks(j->y), row = j->y.w * PN_BLOCK, left = j->y.c - block * PN_BLOCK;
    float sums[PN_BLOCK];
    for (ptrdiff_t v = 0; v < PN_BLOCK; v += VLEN) {
        vec all = { 0 };
        for (ptrdiff_t n = 0; n < j->y.n; n++)
            for (ptrdiff_t y = 0; y < j->y.h; y++) {
                const float *from = j->dy + ((n * blocks + block) * j->y.h + y) * row + v;
                vec even = { 0 }, odd = { 0 };
                ptrdiff_t i = 0;
                for (; i + 2 * PN_BLOCK <= row; i += 2 * PN_BLOCK) {
                    even += vec_load(from + i);
                    odd += vec_load(from + i + PN_BLOCK);
                }
                if (i < row) even += vec_load(from + i);
                all += even + odd;
            }
        vec_store(sums + v, all);
    }
    float *db = j->db.data + block * PN_BLOCK;
    for (ptrdiff_t i = 0; i < PN_BLOCK && i < left; i++) db[i] = j->db.add ? db[i] + sums[i] : sums[i];
}

static void bwd_bias(pn_pool *pool, pn_sink db, const pn_real *dy, pn_map y)
{
    if (y.b != PN_BLOCK) {
        reference().bwd_bias(pool, db, dy, y);
        return;
    }
    bias_job j = { db, dy, y };
    pn_parallel(pool, pn_map_blocks(y), bias_item, &j);
}

void PN_SIMD(pn_simd_conv)(pn_kernels *k)
{
    k->conv = (pn_conv_kernels){ .sizes = sizes, .pack_fwd = pack_fwd, .pack_bwd = pack_bwd, .fwd = fwd,
                                 .bwd_data = bwd_data, .bwd_weights = bwd_weights, .bwd_bias = bwd_bias };
}
