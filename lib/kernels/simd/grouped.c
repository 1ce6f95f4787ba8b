/* simd/grouped.c - a matrix for each of k rows: few samples, so the matrices are read once and nothing is packed
 *
 * Forward: dot products along d. dx: rows of w added up. dw: outer products, all samples at once.
 */
#include "kernels/simd/regions.h"

enum { SAMPLES = 4, OUT = 32 };     /* at once; rows of a matrix in an item */

typedef struct {
    pn_grouped_dims d;
    pn_grouped_sinks s;
    const float *x, *w, *bias, *dy;
    float *y;
} job;

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t shares(ptrdiff_t o) { return (o + OUT - 1) / OUT; }

/* y of `samples` (at most SAMPLES) with one row of w. */
static inline void dots(float *y, ptrdiff_t y_apart, const float *x, ptrdiff_t x_apart, const float *w, ptrdiff_t d, float bias,
                        int samples)
{
    vec sum[SAMPLES][2] = { { { 0 } } };
    ptrdiff_t i = 0;
    for (; i + 2 * VLEN <= d; i += 2 * VLEN)
        for (int v = 0; v < 2; v++) {
            const vec weights = vec_load(w + i + v * VLEN);
            for (int n = 0; n < samples; n++) sum[n][v] += weights * vec_load(x + n * x_apart + i + v * VLEN);
        }
    for (int n = 0; n < samples; n++) {
        float rest = bias;
        for (ptrdiff_t k = i; k < d; k++) rest += w[k] * x[n * x_apart + k];
        y[n * y_apart] = vec_sum(sum[n][0] + sum[n][1]) + rest;
    }
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_grouped_dims d = j->d;
    const ptrdiff_t k = item / shares(d.o), first = item % shares(d.o) * OUT, end = at_most(first + OUT, d.o);
    for (ptrdiff_t o = first; o < end; o++) {
        const float *w = j->w + (k * d.o + o) * d.d, bias = j->bias ? j->bias[k * d.o + o] : 0;
        ptrdiff_t n = 0;
        for (; n + SAMPLES <= d.n; n += SAMPLES)
            dots(j->y + (n * d.k + k) * d.o + o, d.k * d.o, j->x + (n * d.k + k) * d.d, d.k * d.d, w, d.d, bias, SAMPLES);
        for (; n < d.n; n++) dots(j->y + (n * d.k + k) * d.o + o, 0, j->x + (n * d.k + k) * d.d, 0, w, d.d, bias, 1);
    }
}

static void fwd(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *w, const pn_real *bias, pn_grouped_dims d)
{
    job j = { .d = d, .y = y, .x = x, .w = w, .bias = bias };
    pn_parallel(pool, d.k * shares(d.o), fwd_item, &j);
}

/* OUT numbers of one row of dx. */
static void dx_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_grouped_dims d = j->d;
    const ptrdiff_t row = item / shares(d.d), k = row % d.k, first = item % shares(d.d) * OUT, count = at_most(OUT, d.d - first);
    const float *w = j->w + k * d.o * d.d + first, *dy = j->dy + row * d.o;
    float sum[OUT] = { 0 };
    if (count == OUT) {
        vec part[OUT / VLEN] = { { 0 } };
        for (ptrdiff_t o = 0; o < d.o; o++)
            for (int v = 0; v < OUT / VLEN; v++) part[v] += dy[o] * vec_load(w + o * d.d + v * VLEN);
        for (int v = 0; v < OUT / VLEN; v++) vec_store(sum + v * VLEN, part[v]);
    } else {
        for (ptrdiff_t o = 0; o < d.o; o++)
            for (ptrdiff_t i = 0; i < count; i++) sum[i] += dy[o] * w[o * d.d + i];
    }
    float *to = j->s.x.data + row * d.d + first;
    for (ptrdiff_t i = 0; i < count; i++) to[i] = j->s.x.add ? to[i] + sum[i] : sum[i];
}

/* One row of dw: sum over the samples of dy[n] x[n]. */
static inline void dw_row(const job *j, ptrdiff_t k, ptrdiff_t o)
{
    const pn_grouped_dims d = j->d;
    const float *dy = j->dy + k * d.o + o, *x = j->x + k * d.d;
    float *to = j->s.w.data + (k * d.o + o) * d.d;
    ptrdiff_t i = 0;
    for (; i + VLEN <= d.d; i += VLEN) {
        vec sum = { 0 };
        for (ptrdiff_t n = 0; n < d.n; n++) sum += dy[n * d.k * d.o] * vec_load(x + n * d.k * d.d + i);
        vec_store(to + i, j->s.w.add ? vec_load(to + i) + sum : sum);
    }
    for (; i < d.d; i++) {
        float sum = 0;
        for (ptrdiff_t n = 0; n < d.n; n++) sum += dy[n * d.k * d.o] * x[n * d.k * d.d + i];
        to[i] = j->s.w.add ? to[i] + sum : sum;
    }
}

static void dw_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_grouped_dims d = j->d;
    const ptrdiff_t k = item / shares(d.o), first = item % shares(d.o) * OUT, end = at_most(first + OUT, d.o);
    for (ptrdiff_t o = first; o < end; o++) {
        double sum = 0;
        for (ptrdiff_t n = 0; n < d.n; n++) sum += (double)j->dy[(n * d.k + k) * d.o + o];
        if (j->s.bias.data) pn_put(j->s.bias, k * d.o + o, sum);
        if (j->s.w.data) dw_row(j, k, o);
    }
}

static void bwd(pn_pool *pool, pn_grouped_sinks s, const pn_real *dy, const pn_real *x, const pn_real *w, pn_grouped_dims d)
{
    job j = { .d = d, .s = s, .dy = dy, .x = x, .w = w };
    if (s.x.data) pn_parallel(pool, d.n * d.k * shares(d.d), dx_item, &j);
    if (s.w.data || s.bias.data) pn_parallel(pool, d.k * shares(d.o), dw_item, &j);
}

void PN_SIMD(pn_simd_grouped)(pn_region_kernels *k)
{
    k->grouped_fwd = fwd;
    k->grouped_bwd = bwd;
}
