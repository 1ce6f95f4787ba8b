/* lib/kernels/ref/channel.c - the meaning of attention of channels to channels; sums in double */
#include "kernels/ref/attention.h"
#include "kernels/ref/lanes.h"

#include <math.h>

/* ---- The d x d numbers of one head ----------------------------------------------------------------------------------- */

static void softmax_of(pn_real *a, const pn_real *cosine, double alpha, ptrdiff_t width)
{
    double top = -INFINITY, sum = 0;
    for (ptrdiff_t j = 0; j < width; j++) top = fmax(top, alpha * (double)cosine[j]);
    for (ptrdiff_t j = 0; j < width; j++) sum += exp(alpha * (double)cosine[j] - top);
    for (ptrdiff_t j = 0; j < width; j++) a[j] = (pn_real)(exp(alpha * (double)cosine[j] - top) / sum);
}

void pn_channel_weights(pn_channel_saved left, pn_channel_sums s, double alpha, pn_channel_dims d, ptrdiff_t n, ptrdiff_t head)
{
    const ptrdiff_t width = pn_channel_width(d), at = pn_channel_at(d, n, head), length = pn_channel_length_at(d, n, head);
    for (ptrdiff_t i = 0; i < width; i++) {
        left.length[length + i] = (pn_real)sqrt(s.of_q[i]);
        left.length[length + d.x.c + i] = (pn_real)sqrt(s.of_k[i]);
    }
    for (ptrdiff_t i = 0; i < width; i++) {
        for (ptrdiff_t j = 0; j < width; j++)
            left.cosine[at + i * width + j] = (pn_real)(s.products[i * width + j] / ((sqrt(s.of_q[i]) + d.eps) *
                                                                                     (sqrt(s.of_k[j]) + d.eps)));
        softmax_of(left.a + at + i * width, left.cosine + at + i * width, alpha, width);
    }
}

/* A channel of length 0 passes no gradient. */
static double own_of(double along, double length, double eps) { return length == 0 ? 0 : -along / (length * (length + eps)); }

/* With dcosine = alpha a (da - sum a da): q_i dq^_i, which the norm takes away again, is sum_j dcosine_ij cosine_ij times
 * |q_i| + eps, and so needs no further pass. */
double pn_channel_slopes(pn_channel_sums s, const pn_channel_inputs *in, pn_channel_dims d, ptrdiff_t n, ptrdiff_t head)
{
    const ptrdiff_t width = pn_channel_width(d), at = pn_channel_at(d, n, head);
    const pn_real *ql = in->length + pn_channel_length_at(d, n, head), *kl = ql + d.x.c;
    const double alpha = (double)in->alpha[head];
    double dalpha = 0;
    for (ptrdiff_t i = 0; i < width; i++) s.of_q[i] = s.of_k[i] = 0;
    for (ptrdiff_t i = 0; i < width; i++) {
        const pn_real *a = in->a + at + i * width, *cosine = in->cosine + at + i * width;
        double *mix = s.products + i * width, mean = 0;
        for (ptrdiff_t j = 0; j < width; j++) mean += (double)a[j] * mix[j];
        for (ptrdiff_t j = 0; j < width; j++) {
            const double slope = (double)a[j] * (mix[j] - mean), along = slope * (double)cosine[j];
            dalpha += along;
            s.of_q[i] += alpha * along;
            s.of_k[j] += alpha * along;
            mix[j] = ql[i] == 0 || kl[j] == 0 ? 0 : alpha * slope / (((double)ql[i] + d.eps) * ((double)kl[j] + d.eps));
        }
    }
    for (ptrdiff_t i = 0; i < width; i++) {
        s.of_q[i] = own_of(s.of_q[i], (double)ql[i], d.eps);
        s.of_k[i] = own_of(s.of_k[i], (double)kl[i], d.eps);
    }
    return dalpha;
}

/* ---- Passes over the maps -------------------------------------------------------------------------------------------- */

typedef struct { pn_channel_dims d; ptrdiff_t n, first; } head_of;     /* first channel of a head */

static double product_of(const pn_real *a, const pn_real *b, const head_of *h, ptrdiff_t i, ptrdiff_t j)
{
    double sum = 0;
    for (ptrdiff_t p = 0; p < h->d.x.h * h->d.x.w; p++)
        sum += (double)a[pn_at(h->d.x, h->n, h->first + i, 0, p)] * (double)b[pn_at(h->d.x, h->n, h->first + j, 0, p)];
    return sum;
}

static void products(double *out, const pn_real *a, const pn_real *b, const head_of *h)
{
    const ptrdiff_t width = pn_channel_width(h->d);
    for (ptrdiff_t i = 0; i < width; i++)
        for (ptrdiff_t j = 0; j < width; j++) out[i * width + j] = product_of(a, b, h, i, j);
}

/* y_i = sum_j w(i, j) x_j + own_i z_i; w(i, j) is number i row + j column. own NULL: nothing */
typedef struct { const double *w, *own; ptrdiff_t row, column; const pn_real *x, *z; } mixture;

static void mix_into(pn_sink y, mixture m, const head_of *h)
{
    const ptrdiff_t width = pn_channel_width(h->d);
    for (ptrdiff_t i = 0; y.data && i < width; i++) {
        for (ptrdiff_t p = 0; p < h->d.x.h * h->d.x.w; p++) {
            const ptrdiff_t at = pn_at(h->d.x, h->n, h->first + i, 0, p);
            double sum = m.own ? m.own[i] * (double)m.z[at] : 0;
            for (ptrdiff_t j = 0; j < width; j++)
                sum += m.w[i * m.row + j * m.column] * (double)m.x[pn_at(h->d.x, h->n, h->first + j, 0, p)];
            pn_put(y, at, sum);
        }
        pn_ref_clear_lanes(y.data, h->d.x, h->n, h->first + i);
    }
}

static size_t scratch_of(pn_channel_dims d)
{
    const ptrdiff_t width = pn_channel_width(d);
    return (size_t)(2 * width * width + 2 * width + d.heads) * sizeof(double);
}

static pn_channel_sums sums_in(double *scratch, ptrdiff_t width)
{
    return (pn_channel_sums){ scratch, scratch + width * width, scratch + width * width + width };
}

static void fwd(pn_pool *pool, pn_real *y, pn_channel_saved left, const pn_channel_inputs *in, pn_channel_dims d, void *scratch)
{
    (void)pool;
    const ptrdiff_t width = pn_channel_width(d);
    const pn_channel_sums s = sums_in(scratch, width);
    double *a = s.of_k + width;
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t head = 0; head < d.heads; head++) {
            const head_of h = { d, n, head * width };
            products(s.products, in->q, in->k, &h);
            for (ptrdiff_t i = 0; i < width; i++) {
                s.of_q[i] = product_of(in->q, in->q, &h, i, i);
                s.of_k[i] = product_of(in->k, in->k, &h, i, i);
            }
            pn_channel_weights(left, s, (double)in->alpha[head], d, n, head);
            for (ptrdiff_t i = 0; i < width * width; i++) a[i] = (double)left.a[pn_channel_at(d, n, head) + i];
            mix_into((pn_sink){ y, false }, (mixture){ .w = a, .row = width, .column = 1, .x = in->v }, &h);
        }
}

static void bwd(pn_pool *pool, const pn_channel_sinks *out, const pn_real *dy, const pn_channel_inputs *in, pn_channel_dims d,
                void *scratch)
{
    (void)pool;
    const ptrdiff_t width = pn_channel_width(d);
    const pn_channel_sums s = sums_in(scratch, width);
    const bool slopes = out->q.data || out->k.data || out->alpha.data;
    double *a = s.of_k + width, *dalpha = a + width * width;
    for (ptrdiff_t head = 0; head < d.heads; head++) dalpha[head] = 0;
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t head = 0; head < d.heads; head++) {
            const head_of h = { d, n, head * width };
            for (ptrdiff_t i = 0; i < width * width; i++) a[i] = (double)in->a[pn_channel_at(d, n, head) + i];
            mix_into(out->v, (mixture){ .w = a, .row = 1, .column = width, .x = dy }, &h);
            if (!slopes) continue;
            products(s.products, dy, in->v, &h);
            dalpha[head] += pn_channel_slopes(s, in, d, n, head);
            mix_into(out->q, (mixture){ s.products, s.of_q, width, 1, in->k, in->q }, &h);
            mix_into(out->k, (mixture){ s.products, s.of_k, 1, width, in->q, in->k }, &h);
        }
    for (ptrdiff_t head = 0; out->alpha.data && head < d.heads; head++) pn_put(out->alpha, head, dalpha[head]);
}

const pn_channel_kernels pn_ref_channel = { .scratch = scratch_of, .fwd = fwd, .bwd = bwd };
