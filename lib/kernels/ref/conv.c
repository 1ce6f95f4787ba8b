/* lib/kernels/ref/conv.c - convolution as its formula says, sums in double; the meaning all others are tested against
 *
 * Everything is written for an ordinary convolution between a `wide` map (its input) and a `tall` one (its output). A
 * transposed convolution is the same arithmetic with the two exchanged: its forward is the backward-data of the other.
 */
#include "kernels/ref/lanes.h"

#include <string.h>

typedef struct job job;
struct job {
    pn_conv_dims d;
    pn_map in, out;                 /* of the ordinary convolution */
    pn_real *result;
    const pn_real *a, *w;
    const pn_prologue *pro;
    const pn_epilogue *epi;
    pn_sink sink;
    const job *more;                /* of a second source, or NULL */
};

static job make(pn_conv_dims d)
{
    return (job){ .d = d, .in = d.transposed ? d.y : d.x, .out = d.transposed ? d.x : d.y };
}

/* Where tap `tap` of output position `at` reads along one axis; -1: outside a zero border. */
static ptrdiff_t reads(const pn_conv_dims *d, int axis, ptrdiff_t at, ptrdiff_t tap, ptrdiff_t extent)
{
    ptrdiff_t i = at * d->stride[axis] + tap * d->dilation[axis] - d->pad[axis];
    if (i >= 0 && i < extent) return i;
    if (d->border == PN_BORDER_REPLICATE) return i < 0 ? 0 : extent - 1;
    if (d->border == PN_BORDER_REFLECT) return i < 0 ? -i : 2 * (extent - 1) - i;
    return -1;
}

static ptrdiff_t weight_at(const job *j, ptrdiff_t o, ptrdiff_t c, ptrdiff_t a, ptrdiff_t b)
{
    return ((o * (j->in.c / j->d.groups) + c) * j->d.kernel[0] + a) * j->d.kernel[1] + b;
}

static double pro_value(const pn_prologue *p, pn_map m, ptrdiff_t n, ptrdiff_t c, double v)
{
    if (!p || !p->scale) return v;
    const ptrdiff_t at = n * ((m.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK) + c;
    const double r = v * (double)p->scale[at] + (double)p->shift[at];
    return r > 0 ? r : r * (double)p->slope;
}

/* One number of the ordinary forward, without bias. */
static double correlate(const job *j, ptrdiff_t n, ptrdiff_t o, ptrdiff_t y, ptrdiff_t x)
{
    const pn_conv_dims *d = &j->d;
    const ptrdiff_t cg = j->in.c / d->groups, first = o / (j->out.c / d->groups) * cg;
    double sum = 0;
    for (ptrdiff_t c = 0; c < cg; c++)
        for (ptrdiff_t a = 0; a < d->kernel[0]; a++)
            for (ptrdiff_t b = 0; b < d->kernel[1]; b++) {
                const ptrdiff_t iy = reads(d, 0, y, a, j->in.h), ix = reads(d, 1, x, b, j->in.w);
                if (iy < 0 || ix < 0) continue;
                const double v = (double)j->a[pn_at(j->in, n, first + c, iy, ix)];
                sum += pro_value(j->pro, j->in, n, first + c, v) * (double)j->w[weight_at(j, o, c, a, b)];
            }
    return sum;
}

static double finish(const job *j, pn_map m, ptrdiff_t n, ptrdiff_t c, ptrdiff_t y, ptrdiff_t x, double v)
{
    const pn_epilogue *e = j->epi;
    if (!e) return v;
    if (e->bias) v += (double)e->bias[c];
    if (e->more_bias) v += (double)e->more_bias[c];
    if (e->residual) v += (double)e->residual[pn_at(m, n, c, y, x)];
    return v > 0 ? v : v * (double)e->slope;
}

static void leave_stats(const job *j, pn_map m, ptrdiff_t n, ptrdiff_t c)
{
    if (!j->epi || !j->epi->stats) return;
    const ptrdiff_t lanes = (m.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK;
    double sum = 0, squares = 0;
    for (ptrdiff_t y = 0; y < m.h; y++)
        for (ptrdiff_t x = 0; x < m.w; x++) {
            const double v = (double)j->result[pn_at(m, n, c, y, x)];
            sum += v;
            squares += v * v;
        }
    j->epi->stats[n * lanes + c] = (pn_real)sum;
    j->epi->stats[(m.n + n) * lanes + c] = (pn_real)squares;
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t n = item / j->out.c, o = item % j->out.c;
    for (ptrdiff_t y = 0; y < j->out.h; y++)
        for (ptrdiff_t x = 0; x < j->out.w; x++) {
            const double sum = correlate(j, n, o, y, x) + (j->more ? correlate(j->more, n, o, y, x) : 0);
            j->result[pn_at(j->out, n, o, y, x)] = (pn_real)finish(j, j->out, n, o, y, x, sum);
        }
    pn_ref_clear_lanes(j->result, j->out, n, o);
    leave_stats(j, j->out, n, o);
}

/* Which output positions can read `i` through `tap`: one at most inside, all of them are looked at near a folded border. */
typedef struct { ptrdiff_t from, to; } span;

static span readers(const pn_conv_dims *d, int axis, ptrdiff_t i, ptrdiff_t tap, ptrdiff_t extent, ptrdiff_t outputs)
{
    const bool folded = d->border != PN_BORDER_ZERO && (i <= d->pad[axis] || i >= extent - 1 - d->pad[axis]);
    if (folded) return (span){ 0, outputs };
    const ptrdiff_t at = i + d->pad[axis] - tap * d->dilation[axis];
    if (at < 0 || at % d->stride[axis] || at / d->stride[axis] >= outputs) return (span){ 0, 0 };
    return (span){ at / d->stride[axis], at / d->stride[axis] + 1 };
}

/* What reaches input pixel (iy, ix) of channel c through tap (a, b), from all outputs of its group. */
static double through_tap(const job *j, ptrdiff_t n, ptrdiff_t c, ptrdiff_t iy, ptrdiff_t ix, ptrdiff_t a, ptrdiff_t b)
{
    const pn_conv_dims *d = &j->d;
    const ptrdiff_t cg = j->in.c / d->groups, og = j->out.c / d->groups, first = c / cg * og;
    const span ys = readers(d, 0, iy, a, j->in.h, j->out.h), xs = readers(d, 1, ix, b, j->in.w, j->out.w);
    double sum = 0;
    for (ptrdiff_t y = ys.from; y < ys.to; y++)
        for (ptrdiff_t x = xs.from; x < xs.to; x++) {
            if (reads(d, 0, y, a, j->in.h) != iy || reads(d, 1, x, b, j->in.w) != ix) continue;
            for (ptrdiff_t o = first; o < first + og; o++) {
                const double v = (double)j->a[pn_at(j->out, n, o, y, x)];
                sum += pro_value(j->pro, j->out, n, o, v) * (double)j->w[weight_at(j, o, c % cg, a, b)];
            }
        }
    return sum;
}

static double through_taps(const job *j, ptrdiff_t n, ptrdiff_t c, ptrdiff_t iy, ptrdiff_t ix)
{
    double sum = 0;
    for (ptrdiff_t a = 0; a < j->d.kernel[0]; a++)
        for (ptrdiff_t b = 0; b < j->d.kernel[1]; b++) sum += through_tap(j, n, c, iy, ix, a, b);
    return sum;
}

/* Adjoint of correlate with respect to its input, for one (n, input channel): a gather over what read each pixel.
 * `sink` or, for a transposed forward, `result` takes it. */
static void adjoint_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t n = item / j->in.c, c = item % j->in.c;
    for (ptrdiff_t iy = 0; iy < j->in.h; iy++)
        for (ptrdiff_t ix = 0; ix < j->in.w; ix++) {
            const double sum = through_taps(j, n, c, iy, ix) + (j->more ? through_taps(j->more, n, c, iy, ix) : 0);
            const ptrdiff_t at = pn_at(j->in, n, c, iy, ix);
            if (j->result) j->result[at] = (pn_real)finish(j, j->in, n, c, iy, ix, sum);
            else j->sink.data[at] = (pn_real)(j->sink.add ? (double)j->sink.data[at] + sum : sum);
        }
    pn_ref_clear_lanes(j->result ? j->result : j->sink.data, j->in, n, c);
    if (j->result) leave_stats(j, j->in, n, c);
}

static pn_conv_sizes ref_sizes(pn_conv_dims d, int threads) { (void)d; (void)threads; return (pn_conv_sizes){ 0 }; }
/* Nothing is packed: sizes asks for none. */
static void ref_pack_fwd(pn_pool *pool, pn_real *packed, const pn_conv_source *from, pn_conv_dims d)
{
    (void)pool; (void)packed; (void)from; (void)d;
}

static void ref_pack_bwd(pn_pool *pool, pn_real *packed, const pn_real *w, pn_conv_dims d)
{
    (void)pool; (void)packed; (void)w; (void)d;
}

static job job_of(const pn_conv_source *from, pn_conv_dims d)
{
    job j = make(d);
    j.a = from->x;
    j.w = from->w;
    j.pro = from->pro;
    return j;
}

static void ref_fwd(pn_pool *pool, pn_real *y, const pn_conv_source *from, const pn_real *packed, const pn_epilogue *epi,
                    pn_conv_dims d, void *scratch)
{
    (void)packed; (void)scratch;
    job j = job_of(from, d), more;
    j.result = y;
    j.epi = epi;
    if (d.more) {
        d.x.c = d.more;
        more = job_of(from + 1, d);
        j.more = &more;
    }
    if (d.transposed) pn_parallel(pool, j.in.n * j.in.c, adjoint_item, &j);
    else pn_parallel(pool, j.out.n * j.out.c, fwd_item, &j);
}

static void gather_item(void *arg, ptrdiff_t item, int worker)                 /* backward-data of a transposed one */
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t n = item / j->out.c, o = item % j->out.c;
    for (ptrdiff_t y = 0; y < j->out.h; y++)
        for (ptrdiff_t x = 0; x < j->out.w; x++) {
            const ptrdiff_t at = pn_at(j->out, n, o, y, x);
            const double v = correlate(j, n, o, y, x);
            j->sink.data[at] = (pn_real)(j->sink.add ? (double)j->sink.data[at] + v : v);
        }
    pn_ref_clear_lanes(j->sink.data, j->out, n, o);
}

static void ref_bwd_data(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *w, const pn_real *packed, pn_conv_dims d,
                         void *scratch)
{
    (void)packed; (void)scratch;
    job j = make(d);
    j.sink = dx;
    j.a = dy;
    j.w = w;
    if (d.transposed) pn_parallel(pool, j.out.n * j.out.c, gather_item, &j);
    else pn_parallel(pool, j.in.n * j.in.c, adjoint_item, &j);
}

typedef struct { job j; const pn_real *in, *out; } weight_job;

static void weights_item(void *arg, ptrdiff_t item, int worker)                /* one filter: [c][a][b] of output o */
{
    (void)worker;
    const weight_job *wj = arg;
    const job *j = &wj->j;
    const pn_conv_dims *d = &j->d;
    const ptrdiff_t o = item, cg = j->in.c / d->groups, first = o / (j->out.c / d->groups) * cg;
    /* The prologue belongs to the map that forward reads: a transposed one reads `out`. */
    const pn_prologue *on_in = d->transposed ? NULL : j->pro, *on_out = d->transposed ? j->pro : NULL;
    for (ptrdiff_t c = 0; c < cg; c++)
        for (ptrdiff_t a = 0; a < d->kernel[0]; a++)
            for (ptrdiff_t b = 0; b < d->kernel[1]; b++) {
                double sum = 0;
                for (ptrdiff_t n = 0; n < j->out.n; n++)
                    for (ptrdiff_t y = 0; y < j->out.h; y++)
                        for (ptrdiff_t x = 0; x < j->out.w; x++) {
                            const ptrdiff_t iy = reads(d, 0, y, a, j->in.h), ix = reads(d, 1, x, b, j->in.w);
                            if (iy < 0 || ix < 0) continue;
                            sum += pro_value(on_in, j->in, n, first + c, (double)wj->in[pn_at(j->in, n, first + c, iy, ix)]) *
                                   pro_value(on_out, j->out, n, o, (double)wj->out[pn_at(j->out, n, o, y, x)]);
                        }
                const ptrdiff_t at = weight_at(j, o, c, a, b);
                j->sink.data[at] = (pn_real)(j->sink.add ? (double)j->sink.data[at] + sum : sum);
            }
}

static void ref_bwd_weights(pn_pool *pool, pn_sink dw, const pn_real *x, const pn_real *dy, const pn_prologue *pro,
                            pn_conv_dims d, void *scratch)
{
    (void)scratch;
    weight_job wj = { .j = make(d), .in = d.transposed ? dy : x, .out = d.transposed ? x : dy };
    wj.j.sink = dw;
    wj.j.pro = pro;
    pn_parallel(pool, wj.j.out.c, weights_item, &wj);
}

typedef struct { pn_sink db; const pn_real *dy; pn_map y; } bias_job;

static void bias_item(void *arg, ptrdiff_t c, int worker)
{
    (void)worker;
    const bias_job *j = arg;
    double sum = 0;
    for (ptrdiff_t n = 0; n < j->y.n; n++)
        for (ptrdiff_t y = 0; y < j->y.h; y++)
            for (ptrdiff_t x = 0; x < j->y.w; x++) sum += (double)j->dy[pn_at(j->y, n, c, y, x)];
    j->db.data[c] = (pn_real)(j->db.add ? (double)j->db.data[c] + sum : sum);
}

static void ref_bwd_bias(pn_pool *pool, pn_sink db, const pn_real *dy, pn_map y)
{
    bias_job j = { db, dy, y };
    pn_parallel(pool, y.c, bias_item, &j);
}

void pn_ref_add_conv(pn_kernels *k)
{
    k->conv = (pn_conv_kernels){ .sizes = ref_sizes, .pack_fwd = ref_pack_fwd, .pack_bwd = ref_pack_bwd, .fwd = ref_fwd,
                                 .bwd_data = ref_bwd_data, .bwd_weights = ref_bwd_weights, .bwd_bias = ref_bwd_bias };
}
