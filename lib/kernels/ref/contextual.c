/* lib/kernels/ref/contextual.c - the meaning of the contextual loss; sums in double */
#include "kernels/ref/losses.h"

#include <math.h>

/* Of one sample, positions P: unit vectors [P][C] of a and b, a's lengths, and a row of cosines. */
typedef struct {
    pn_contextual_dims d;
    const pn_real *a, *b;
    ptrdiff_t n, positions, channels;
    double *ua, *ub, *length, *cosine, *mean;
} sample;

static sample sample_in(double *scratch, const pn_real *a, const pn_real *b, pn_contextual_dims d)
{
    const ptrdiff_t positions = d.x.h * d.x.w, all = positions * d.x.c;
    sample s = { .d = d, .a = a, .b = b, .positions = positions, .channels = d.x.c, .ua = scratch, .ub = scratch + all };
    s.length = s.ub + all;
    s.cosine = s.length + positions;
    s.mean = s.cosine + positions;
    return s;
}

static size_t contextual_scratch(pn_contextual_dims d, int threads)
{
    (void)threads;
    const ptrdiff_t positions = d.x.h * d.x.w;
    return (size_t)(2 * positions * d.x.c + 2 * positions + d.x.c) * sizeof(double);
}

/* Less the mean of b, divided by length + PN_CONTEXTUAL_LENGTH. */
static void units(double *out, double *length, const pn_real *x, const sample *s)
{
    for (ptrdiff_t p = 0; p < s->positions; p++) {
        double *u = out + p * s->channels, squares = 0;
        for (ptrdiff_t c = 0; c < s->channels; c++) {
            u[c] = (double)x[pn_at(s->d.x, s->n, c, 0, p)] - s->mean[c];
            squares += u[c] * u[c];
        }
        for (ptrdiff_t c = 0; c < s->channels; c++) u[c] /= sqrt(squares) + PN_CONTEXTUAL_LENGTH;
        if (length) length[p] = sqrt(squares);
    }
}

static void prepare(sample *s, ptrdiff_t n)
{
    s->n = n;
    for (ptrdiff_t c = 0; c < s->channels; c++) {
        double sum = 0;
        for (ptrdiff_t p = 0; p < s->positions; p++) sum += (double)s->b[pn_at(s->d.x, n, c, 0, p)];
        s->mean[c] = sum / (double)s->positions;
    }
    units(s->ua, s->length, s->a, s);
    units(s->ub, NULL, s->b, s);
}

/* Of generated position i: its cosines, the nearest target, d~'s divisor, and the weights' sum relative to the nearest's. */
typedef struct { ptrdiff_t nearest; double least, sum; } row;

static double weight_at(const sample *s, const row *r, ptrdiff_t j)
{
    return exp((s->cosine[j] - s->cosine[r->nearest]) / (2 * r->least * s->d.bandwidth));
}

static row row_of(const sample *s, ptrdiff_t i)
{
    row r = { 0 };
    for (ptrdiff_t j = 0; j < s->positions; j++) {
        double sum = 0;
        for (ptrdiff_t c = 0; c < s->channels; c++) sum += s->ua[i * s->channels + c] * s->ub[j * s->channels + c];
        s->cosine[j] = sum;
        if (sum > s->cosine[r.nearest]) r.nearest = j;
    }
    r.least = (1 - s->cosine[r.nearest]) / 2 + PN_CONTEXTUAL_LEAST;
    for (ptrdiff_t j = 0; j < s->positions; j++) r.sum += weight_at(s, &r, j);
    return r;
}

static double mean_of(const pn_real *weight, ptrdiff_t positions)
{
    double sum = 0;
    for (ptrdiff_t j = 0; j < positions; j++) sum += (double)weight[j];
    return sum / (double)positions;
}

static void contextual_fwd(pn_pool *pool, pn_real *loss, pn_contextual_saved left, const pn_real *a, const pn_real *b,
                           pn_contextual_dims d, void *scratch)
{
    (void)pool;
    sample s = sample_in(scratch, a, b, d);
    double sum = 0;
    for (ptrdiff_t n = 0; n < d.x.n; n++) {
        pn_real *weight = left.weight + n * s.positions, *best = left.best + n * s.positions;
        prepare(&s, n);
        for (ptrdiff_t j = 0; j < s.positions; j++) weight[j] = -1;
        for (ptrdiff_t i = 0; i < s.positions; i++) {
            const row r = row_of(&s, i);
            for (ptrdiff_t j = 0; j < s.positions; j++) {
                const pn_real w = (pn_real)(weight_at(&s, &r, j) / r.sum);
                if (!(w > weight[j] || w != w)) continue;
                weight[j] = w;
                best[j] = (pn_real)i;
            }
        }
        sum -= log(mean_of(weight, s.positions));
    }
    *loss = (pn_real)(sum / (double)d.x.n);
}

/* Gradient of the cosines of row i, in their place. With z = -d / (least bandwidth), w = softmax of z over targets, and only
 * the largest weights counted: dz = w (dw - sum w dw); z changes with the cosine, and with `least`, that of the nearest. */
static void row_slopes(const sample *s, const row *r, ptrdiff_t i, pn_contextual_saved left, double slope)
{
    const pn_real *weight = left.weight + s->n * s->positions, *best = left.best + s->n * s->positions;
    const double scale = 1 / (2 * r->least * s->d.bandwidth), top = s->cosine[r->nearest];
    double mean = 0, stretch = 0;
    for (ptrdiff_t j = 0; j < s->positions; j++) mean += best[j] == (pn_real)i ? slope * (double)weight[j] : 0;
    for (ptrdiff_t j = 0; j < s->positions; j++) {
        const double w = exp((s->cosine[j] - top) * scale) / r->sum;
        const double dz = w * ((best[j] == (pn_real)i ? slope : 0) - mean);
        stretch += dz * (top - s->cosine[j]) * scale / r->least;
        s->cosine[j] = dz * scale;
    }
    s->cosine[r->nearest] -= stretch / 2;
}

/* Of unit vector i to a. */
static void put_row(pn_sink da, const sample *s, ptrdiff_t i, double *du)
{
    const double *u = s->ua + i * s->channels, length = s->length[i];
    double along = 0;
    for (ptrdiff_t c = 0; c < s->channels; c++) along += u[c] * du[c];
    for (ptrdiff_t c = 0; c < s->channels; c++) {
        const double g = length == 0 ? 0 : du[c] / (length + PN_CONTEXTUAL_LENGTH) - u[c] * along / length;
        pn_put(da, pn_at(s->d.x, s->n, c, 0, i), g);
    }
}

static void contextual_bwd(pn_pool *pool, pn_sink da, const pn_real *dloss, pn_contextual_saved left, const pn_real *a,
                           const pn_real *b, pn_contextual_dims d, void *scratch)
{
    (void)pool;
    sample s = sample_in(scratch, a, b, d);
    for (ptrdiff_t n = 0; n < d.x.n; n++) {
        prepare(&s, n);
        const double all = (double)(d.x.n * s.positions) * mean_of(left.weight + n * s.positions, s.positions);
        double *du = s.mean;                                /* the mean is not read again */
        for (ptrdiff_t i = 0; i < s.positions; i++) {
            const row r = row_of(&s, i);
            row_slopes(&s, &r, i, left, -(double)dloss[0] / all);
            for (ptrdiff_t c = 0; c < s.channels; c++) {
                du[c] = 0;
                for (ptrdiff_t j = 0; j < s.positions; j++) du[c] += s.cosine[j] * s.ub[j * s.channels + c];
            }
            put_row(da, &s, i, du);
        }
        pn_ref_clear_lanes(da.data, d.x, n, d.x.c - 1);
    }
}

void pn_ref_add_contextual(pn_loss_kernels *k)
{
    k->contextual_scratch = contextual_scratch;
    k->contextual_fwd = contextual_fwd;
    k->contextual_bwd = contextual_bwd;
}
