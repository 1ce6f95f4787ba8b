/* lib/kernels/ref/pointwise.c - the meaning of the pointwise kernels */
#include "kernels/ref/pointwise.h"

static pn_real into(pn_sink s, ptrdiff_t i, double v) { return (pn_real)(s.add ? (double)s.data[i] + v : v); }

/* Lanes past the last channel, whatever the function made of their zeros. */
static void clear_lanes(pn_real *map, pn_map m)
{
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t c = m.c; c < pn_map_blocks(m) * m.b; c++)
            for (ptrdiff_t y = 0; y < m.h; y++)
                for (ptrdiff_t x = 0; x < m.w; x++) map[pn_at(m, n, c, y, x)] = 0;
}

/* ---- Functions of one number ----------------------------------------------------------------------------------- */

static void leaky_relu_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_real slope, ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++) y[i] = x[i] < 0 ? slope * x[i] : x[i];
}

static void leaky_relu_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, pn_real slope,
                           ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++) dx.data[i] = into(dx, i, (double)dy[i] * (y[i] > 0 ? 1.0 : (double)slope));
}

static double curve(pn_curve f, double x)
{
    if (f == PN_CURVE_TANH) return tanh(x);
    if (f == PN_CURVE_SIGMOID) return 1 / (1 + exp(-x));
    return pn_ref_gelu(x);
}

static double slope(pn_curve f, double read)
{
    if (f == PN_CURVE_TANH) return 1 - read * read;
    if (f == PN_CURVE_SIGMOID) return read * (1 - read);
    return pn_ref_gelu_slope(read);
}

static void curve_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_curve f, pn_map map)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < pn_map_stored(map); i++) y[i] = (pn_real)curve(f, (double)x[i]);
    clear_lanes(y, map);
}

static void curve_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *read, pn_curve f, pn_map map)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < pn_map_stored(map); i++)
        dx.data[i] = into(dx, i, (double)dy[i] * slope(f, (double)read[i]));
}

static void log_fwd(pn_pool *pool, pn_real *y, const pn_real *x, double shift, pn_map map)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < pn_map_stored(map); i++) y[i] = (pn_real)log((double)x[i] + shift);
    clear_lanes(y, map);
}

static void log_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, double shift, pn_map map)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < pn_map_stored(map); i++) dx.data[i] = into(dx, i, (double)dy[i] / ((double)x[i] + shift));
    clear_lanes(dx.data, map);
}

static void affine(pn_pool *pool, pn_sink y, const pn_real *x, double scale, double shift, pn_map map)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < pn_map_stored(map); i++) y.data[i] = into(y, i, scale * (double)x[i] + shift);
    clear_lanes(y.data, map);
}

/* ---- Softmax --------------------------------------------------------------------------------------------------- */

static void softmax_line(pn_real *y, const pn_real *x, ptrdiff_t extent, ptrdiff_t step)
{
    double top = -INFINITY, sum = 0;
    for (ptrdiff_t i = 0; i < extent; i++) top = (double)x[i * step] > top ? (double)x[i * step] : top;
    for (ptrdiff_t i = 0; i < extent; i++) sum += exp((double)x[i * step] - top);
    for (ptrdiff_t i = 0; i < extent; i++) y[i * step] = (pn_real)(exp((double)x[i * step] - top) / sum);
}

static void softmax_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_softmax_dims d)
{
    (void)pool;
    for (ptrdiff_t o = 0; o < d.outer; o++)
        for (ptrdiff_t i = 0; i < d.inner; i++) {
            const ptrdiff_t at = o * d.extent * d.inner + i;
            softmax_line(y + at, x + at, d.extent, d.inner);
        }
}

static void softmax_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, pn_softmax_dims d)
{
    (void)pool;
    for (ptrdiff_t o = 0; o < d.outer; o++)
        for (ptrdiff_t i = 0; i < d.inner; i++) {
            const ptrdiff_t first = o * d.extent * d.inner + i;
            double dot = 0;
            for (ptrdiff_t k = 0; k < d.extent; k++)
                dot += (double)dy[first + k * d.inner] * (double)y[first + k * d.inner];
            for (ptrdiff_t k = 0; k < d.extent; k++) {
                const ptrdiff_t at = first + k * d.inner;
                dx.data[at] = into(dx, at, (double)y[at] * ((double)dy[at] - dot));
            }
        }
}

/* ---- Repeats and sums ------------------------------------------------------------------------------------------ */

/* Where number i of the large array finds its partner in the small one. */
static ptrdiff_t partner(const pn_repeat *r, ptrdiff_t i)
{
    ptrdiff_t at = 0;
    for (int axis = PN_MAX_RANK - 1; axis >= 0; axis--) {
        at += i % r->extent[axis] * r->stride[axis];
        i /= r->extent[axis];
    }
    return at;
}

static void add(pn_pool *pool, pn_sink y, const pn_real *large, const pn_real *small, pn_repeat r)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < pn_map_stored(r.map); i++)
        y.data[i] = into(y, i, (double)large[i] + (double)small[partner(&r, i)]);
    clear_lanes(y.data, r.map);
}

static void mul(pn_pool *pool, pn_sink y, const pn_real *large, const pn_real *small, pn_repeat r)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < pn_map_stored(r.map); i++)
        y.data[i] = into(y, i, (double)large[i] * (double)small[partner(&r, i)]);
    clear_lanes(y.data, r.map);
}

static void spread(pn_pool *pool, pn_sink large, const pn_real *small, double scale, pn_repeat r)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < pn_map_stored(r.map); i++)
        large.data[i] = into(large, i, scale * (double)small[partner(&r, i)]);
    clear_lanes(large.data, r.map);
}

/* Sum over what repeats the number of the small array that belongs to number `first` of the large one. */
static double sum_repeats(const pn_repeat *r, const pn_real *large, const pn_real *times, int axis, ptrdiff_t first,
                          ptrdiff_t step)
{
    if (axis < 0) return (double)large[first] * (times ? (double)times[first] : 1);
    double sum = 0;
    const ptrdiff_t extent = r->stride[axis] ? 1 : r->extent[axis];
    for (ptrdiff_t i = 0; i < extent; i++)
        sum += sum_repeats(r, large, times, axis - 1, first + i * step, step * r->extent[axis]);
    return sum;
}

static void reduce(pn_pool *pool, pn_sink small, const pn_real *large, const pn_real *times, double scale, pn_repeat r,
                   void *scratch)
{
    (void)pool; (void)scratch;
    ptrdiff_t kept = 1;
    for (int axis = 0; axis < PN_MAX_RANK; axis++) kept *= r.stride[axis] ? r.extent[axis] : 1;
    for (ptrdiff_t k = 0; k < kept; k++) {
        ptrdiff_t at = 0, first = 0, step = 1, left = k;
        for (int axis = PN_MAX_RANK - 1; axis >= 0; axis--) {
            if (r.stride[axis]) {
                at += left % r.extent[axis] * r.stride[axis];
                first += left % r.extent[axis] * step;
                left /= r.extent[axis];
            }
            step *= r.extent[axis];
        }
        small.data[at] = into(small, at, scale * sum_repeats(&r, large, times, PN_MAX_RANK - 1, first, 1));
    }
}

static size_t reduce_scratch(pn_repeat r) { (void)r; return 0; }

/* ---- Lerp ------------------------------------------------------------------------------------------------------ */

static void lerp_fwd(pn_pool *pool, pn_real *y, const pn_real *a, const pn_real *b, const pn_real *mask, pn_map m)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t c = 0; c < m.c; c++)
            for (ptrdiff_t i = 0; i < m.h * m.w; i++) {
                const ptrdiff_t at = pn_at(m, n, c, 0, i);
                const double t = (double)mask[n * m.h * m.w + i];
                y[at] = (pn_real)((1 - t) * (double)a[at] + t * (double)b[at]);
            }
    clear_lanes(y, m);
}

static void lerp_bwd(pn_pool *pool, pn_lerp_sinks d, const pn_real *dy, const pn_real *a, const pn_real *b,
                     const pn_real *mask, pn_map m)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < m.n; n++)
        for (ptrdiff_t i = 0; i < m.h * m.w; i++) {
            const ptrdiff_t pixel = n * m.h * m.w + i;
            double dmask = 0;
            for (ptrdiff_t c = 0; c < m.c; c++) {
                const ptrdiff_t at = pn_at(m, n, c, 0, i);
                const double g = (double)dy[at];
                if (d.mask.data) dmask += g * ((double)b[at] - (double)a[at]);
                if (d.a.data) d.a.data[at] = into(d.a, at, g * (1 - (double)mask[pixel]));
                if (d.b.data) d.b.data[at] = into(d.b, at, g * (double)mask[pixel]);
            }
            if (d.mask.data) d.mask.data[pixel] = into(d.mask, pixel, dmask);
        }
    if (d.a.data) clear_lanes(d.a.data, m);
    if (d.b.data) clear_lanes(d.b.data, m);
}

/* ---- Copies ---------------------------------------------------------------------------------------------------- */

static void copy(pn_pool *pool, pn_sink dst, const pn_real *src, ptrdiff_t count)
{
    (void)pool;
    for (ptrdiff_t i = 0; i < count; i++) dst.data[i] = into(dst, i, (double)src[i]);
}

static void relayout(pn_pool *pool, pn_sink dst, pn_map to, const pn_real *src, pn_map from)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < to.n; n++)
        for (ptrdiff_t c = 0; c < pn_map_blocks(to) * to.b; c++)
            for (ptrdiff_t y = 0; y < to.h; y++)
                for (ptrdiff_t x = 0; x < to.w; x++) {
                    const ptrdiff_t at = pn_at(to, n, c, y, x);
                    dst.data[at] = c < from.c ? into(dst, at, (double)src[pn_at(from, n, c, y, x)]) : 0;
                }
}

void pn_ref_add_pointwise(pn_kernels *k)
{
    k->pointwise = (pn_pointwise_kernels){
        .leaky_relu_fwd = leaky_relu_fwd, .leaky_relu_bwd = leaky_relu_bwd, .curve_fwd = curve_fwd,
        .curve_bwd = curve_bwd, .log_fwd = log_fwd, .log_bwd = log_bwd, .affine = affine, .softmax_fwd = softmax_fwd, .softmax_bwd = softmax_bwd, .add = add,
        .mul = mul, .spread = spread,
        .reduce = reduce, .reduce_scratch = reduce_scratch, .lerp_fwd = lerp_fwd, .lerp_bwd = lerp_bwd, .copy = copy,
        .relayout = relayout,
    };
    pn_ref_add_gates(&k->pointwise);
}
