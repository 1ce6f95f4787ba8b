/* ref/attention_full.c - the meaning of softmax attention: one weight at a time, from its formula */
#include "kernels/ref/attention.h"

#include <math.h>

/* Of a row: its weights are exp(s - top - log_sum); mean is that of dy v under them. */
typedef struct { double top, log_sum, mean; } row;

typedef struct {
    pn_full_dims d;
    const pn_full_inputs *in;
    const pn_full_sinks *out;
    pn_real *y, *top, *log_sum;
    const pn_real *dy;
    row *rows;                      /* [B,Tq] */
    double *sums;                   /* per worker: D or Dv */
} job;

static ptrdiff_t longest(pn_full_dims d) { return d.features > d.values ? d.features : d.values; }

/* A row of an array, and how it goes on. */
typedef struct { const pn_real *of; const pn_rows *as; ptrdiff_t n, r; } line;
static double number(line l, ptrdiff_t c) { return (double)l.of[pn_row_at(l.as, l.n, l.r, c)]; }

static line query_of(const job *j, ptrdiff_t n, ptrdiff_t q) { return (line){ j->in->q, &j->d.q, n, q }; }
static line key_of(const job *j, ptrdiff_t n, ptrdiff_t k) { return (line){ j->in->k, &j->d.k, n, k }; }
static line value_of(const job *j, ptrdiff_t n, ptrdiff_t k) { return (line){ j->in->v, &j->d.v, n, k }; }
static line dy_of(const job *j, ptrdiff_t n, ptrdiff_t q) { return (line){ j->dy, &j->d.y, n, q }; }

static double dot(line a, line b, ptrdiff_t count)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++) sum += number(a, i) * number(b, i);
    return sum;
}

/* Zeros past the last number where rows are in blocks. */
static void put_line(pn_sink to, const pn_rows *as, ptrdiff_t n, ptrdiff_t r, double scale, const double *from,
                     ptrdiff_t count)
{
    for (ptrdiff_t c = 0; c < count; c++) pn_put(to, pn_row_at(as, n, r, c), scale * from[c]);
    for (ptrdiff_t c = count; c % as->chunk; c++) to.data[pn_row_at(as, n, r, c)] = 0;
}

/* s of a query and a key of batch n. */
static double logit(const job *j, ptrdiff_t n, ptrdiff_t q, ptrdiff_t k)
{
    const pn_full_dims *d = &j->d;
    const double s = (double)d->scale * dot(query_of(j, n, q), key_of(j, n, k), d->features);
    return j->in->bias ? s + (double)j->in->bias[n * d->bias_batch + q * d->bias_row + k] : s;
}

/* The largest number passes a NaN by, which then spoils the sum. */
static row row_of(const job *j, ptrdiff_t n, ptrdiff_t q)
{
    double top = -(double)INFINITY, sum = 0;
    for (ptrdiff_t k = 0; k < j->d.keys; k++) {
        const double s = logit(j, n, q, k);
        if (s > top) top = s;
    }
    const double base = top == -(double)INFINITY ? 0 : top;
    for (ptrdiff_t k = 0; k < j->d.keys; k++) sum += exp(logit(j, n, q, k) - base);
    return (row){ .top = top, .log_sum = sum == 0 ? 0 : log(sum) };
}

/* A row of NaN alone has no top, and its sum says what it is. */
static double weight(const job *j, ptrdiff_t n, ptrdiff_t q, ptrdiff_t k, const row *r)
{
    if (r->top == -(double)INFINITY) return 0 * r->log_sum;
    return exp(logit(j, n, q, k) - r->top - r->log_sum);
}

static void add_to(double *sum, double weight, line x, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) sum[i] += weight * number(x, i);
}

static double *zeros_of(const job *j, int worker)
{
    const ptrdiff_t n = longest(j->d);
    double *sum = j->sums + worker * n;
    for (ptrdiff_t i = 0; i < n; i++) sum[i] = 0;
    return sum;
}

static void forward_row(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t n = item / d->queries, q = item % d->queries;
    const row r = row_of(j, n, q);
    double *sum = zeros_of(j, worker);
    for (ptrdiff_t k = 0; k < d->keys; k++)
        add_to(sum, weight(j, n, q, k, &r), value_of(j, n, k), d->values);
    put_line((pn_sink){ j->y, false }, &d->y, n, q, 1, sum, d->values);
    j->top[item] = (pn_real)r.top;
    j->log_sum[item] = (pn_real)r.log_sum;
}

/* ---- Backward: d loss / d s = weight (dy v - its mean) --------------------------------------------------------- */

static double matched(const job *j, ptrdiff_t n, ptrdiff_t q, ptrdiff_t k)
{
    return dot(dy_of(j, n, q), value_of(j, n, k), j->d.values);
}

static double slope(const job *j, ptrdiff_t n, ptrdiff_t q, ptrdiff_t k)
{
    const row *r = &j->rows[n * j->d.queries + q];
    return weight(j, n, q, k, r) * (matched(j, n, q, k) - r->mean);
}

static void find_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t n = item / j->d.queries, q = item % j->d.queries;
    row *r = &j->rows[item];
    *r = row_of(j, n, q);
    if (!j->in->v) return;
    for (ptrdiff_t k = 0; k < j->d.keys; k++) r->mean += weight(j, n, q, k, r) * matched(j, n, q, k);
}

static void query_row(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t n = item / d->queries, q = item % d->queries;
    double *sum = zeros_of(j, worker);
    for (ptrdiff_t k = 0; k < d->keys; k++)
        add_to(sum, slope(j, n, q, k), key_of(j, n, k), d->features);
    put_line(j->out->q, &d->q, n, q, (double)d->scale, sum, d->features);
}

static void key_row(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t n = item / d->keys, k = item % d->keys;
    double *sum = zeros_of(j, worker);
    for (ptrdiff_t q = 0; q < d->queries; q++)
        add_to(sum, slope(j, n, q, k), query_of(j, n, q), d->features);
    put_line(j->out->k, &d->k, n, k, (double)d->scale, sum, d->features);
}

static void value_row(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t n = item / d->keys, k = item % d->keys;
    double *sum = zeros_of(j, worker);
    for (ptrdiff_t q = 0; q < d->queries; q++)
        add_to(sum, weight(j, n, q, k, &j->rows[n * d->queries + q]), dy_of(j, n, q), d->values);
    put_line(j->out->v, &d->v, n, k, 1, sum, d->values);
}

/* One column of the bias: over all queries and batches that share a number of it. */
static void bias_column(void *arg, ptrdiff_t k, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t batches = d->bias_batch ? d->batch : 1, rows = d->bias_row ? d->queries : 1;
    for (ptrdiff_t b = 0; b < batches; b++)
        for (ptrdiff_t r = 0; r < rows; r++) {
            double sum = 0;
            for (ptrdiff_t n = b; n < (d->bias_batch ? b + 1 : d->batch); n++)
                for (ptrdiff_t q = r; q < (d->bias_row ? r + 1 : d->queries); q++) sum += slope(j, n, q, k);
            pn_put(j->out->bias, b * d->bias_batch + r * d->bias_row + k, sum);
        }
}

static pn_attention_scratch full_scratch(pn_full_dims d, int threads)
{
    const size_t sums = (size_t)(threads * longest(d)) * sizeof(double);
    return (pn_attention_scratch){ sums, sums + (size_t)(d.batch * d.queries) * sizeof(row) };
}

static void full_fwd(pn_pool *pool, pn_real *y, pn_real *top, pn_real *log_sum, const pn_full_inputs *in,
                     pn_full_dims d, void *scratch)
{
    job j = { .d = d, .in = in, .y = y, .top = top, .log_sum = log_sum, .sums = scratch };
    pn_parallel(pool, d.batch * d.queries, forward_row, &j);
}

static void full_bwd(pn_pool *pool, const pn_full_sinks *out, const pn_real *dy, const pn_full_inputs *in,
                     pn_full_dims d, void *scratch)
{
    job j = { .d = d, .in = in, .out = out, .dy = dy, .rows = scratch };
    j.sums = (double *)(void *)(j.rows + d.batch * d.queries);
    pn_parallel(pool, d.batch * d.queries, find_row, &j);
    if (out->q.data) pn_parallel(pool, d.batch * d.queries, query_row, &j);
    if (out->k.data) pn_parallel(pool, d.batch * d.keys, key_row, &j);
    if (out->v.data) pn_parallel(pool, d.batch * d.keys, value_row, &j);
    if (out->bias.data) pn_parallel(pool, d.keys, bias_column, &j);
}

void pn_ref_add_full_attention(pn_attention_kernels *k)
{
    k->full_scratch = full_scratch;
    k->full_fwd = full_fwd;
    k->full_bwd = full_bwd;
}
