/* simd/spectral.c - one power iteration and the division by sigma
 *
 * Products with w are summed in double: a column of W^T u by the item that has its columns, a row of W v by the item that
 * has the row.
 */
#include "kernels/simd/losses.h"

enum { COLUMNS = 256, ROWS = 8, CHUNK = 16384 };

typedef double vecd __attribute__((vector_size(PN_VLEN * 8)));

typedef struct {
    pn_spectral_dims d;
    const float *w, *u, *v, *dy;
    float *y;
    pn_sink dw;
    double *products;               /* of whichever pass runs: [columns], [rows] or one per chunk */
    double sigma, along;
} job;

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t pieces(ptrdiff_t count, ptrdiff_t size) { return (count + size - 1) / size; }
static ptrdiff_t numbers(const pn_spectral_dims *d) { return d->rows * pn_spectral_columns(d); }

static size_t scratch_of(pn_spectral_dims d)
{
    const ptrdiff_t columns = pn_spectral_columns(&d), most = d.rows > columns ? d.rows : columns, chunks = pieces(numbers(&d), CHUNK);
    return (size_t)(most > chunks ? most : chunks) * sizeof(double);
}

static inline vecd widen(const float *p) { return __builtin_convertvector(vec_load(p), vecd); }

static inline double sum_of(vecd v)
{
    double lane[VLEN];
    memcpy(lane, &v, sizeof lane);
    for (int half = VLEN / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

static double dot(const float *a, const float *b, ptrdiff_t count)
{
    double rest = 0;
    ptrdiff_t i = count / VLEN * VLEN;
    for (; i < count; i++) rest += (double)a[i] * (double)b[i];
    if (count < VLEN) return rest;
    vecd sum = { 0 };
    for (i = 0; i + VLEN <= count; i += VLEN) sum += widen(a + i) * widen(b + i);
    return sum_of(sum) + rest;
}

/* ---- Forward -------------------------------------------------------------------------------------------------------------- */

static void columns_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t cuts = pieces(j->d.inner, COLUMNS), o = item / cuts, first = item % cuts * COLUMNS;
    const ptrdiff_t count = at_most(COLUMNS, j->d.inner - first);
    double sums[COLUMNS];
    memset(sums, 0, (size_t)count * sizeof *sums);
    for (ptrdiff_t r = 0; r < j->d.rows; r++) {
        const float *w = j->w + (o * j->d.rows + r) * j->d.inner + first;
        const double u = (double)j->u[r];
        ptrdiff_t c = 0;
        for (; c + VLEN <= count; c += VLEN) {
            vecd s;
            memcpy(&s, sums + c, sizeof s);
            s += u * widen(w + c);
            memcpy(sums + c, &s, sizeof s);
        }
        for (; c < count; c++) sums[c] += u * (double)w[c];
    }
    memcpy(j->products + o * j->d.inner + first, sums, (size_t)count * sizeof *sums);
}

static void rows_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t first = item * ROWS, count = at_most(ROWS, j->d.rows - first), inner = j->d.inner;
    double *sums = j->products + first;
    memset(sums, 0, (size_t)count * sizeof *sums);
    for (ptrdiff_t o = 0; o < j->d.outer; o++)
        for (ptrdiff_t r = 0; r < count; r++) sums[r] += dot(j->w + (o * j->d.rows + first + r) * inner, j->v + o * inner, inner);
}

/* to = from / max(|from|, eps) */
static void normalise(float *to, const double *from, ptrdiff_t count, double eps)
{
    double squares = 0;
    for (ptrdiff_t i = 0; i < count; i++) squares += from[i] * from[i];
    const double length = sqrt(squares) < eps ? eps : sqrt(squares);
    for (ptrdiff_t i = 0; i < count; i++) to[i] = (float)(from[i] / length);
}

static void divide_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t end = at_most((item + 1) * CHUNK, numbers(&j->d));
    const float scale = (float)(1 / j->sigma);
    ptrdiff_t i = item * CHUNK;
    for (; i + VLEN <= end; i += VLEN) vec_store(j->y + i, vec_load(j->w + i) * scale);
    for (; i < end; i++) j->y[i] = j->w[i] * scale;
}

static void again(pn_pool *pool, pn_real *y, pn_singular used, const pn_real *w, pn_spectral_dims d)
{
    job j = { .d = d, .w = w, .y = y, .sigma = (double)used.sigma[0] };
    pn_parallel(pool, pieces(numbers(&d), CHUNK), divide_item, &j);
}

static void fwd(pn_pool *pool, pn_real *y, pn_singular used, const pn_real *w, const pn_real *u, const pn_real *v,
                pn_spectral_dims d, void *scratch)
{
    job j = { .d = d, .w = w, .u = u, .v = used.v, .products = scratch };
    const ptrdiff_t columns = pn_spectral_columns(&d);
    if (d.iterate) {
        pn_parallel(pool, d.outer * pieces(d.inner, COLUMNS), columns_item, &j);
        normalise(used.v, j.products, columns, d.eps);
    } else {
        memcpy(used.v, v, (size_t)columns * sizeof *v);
    }
    pn_parallel(pool, pieces(d.rows, ROWS), rows_item, &j);
    if (d.iterate) normalise(used.u, j.products, d.rows, d.eps);
    else memcpy(used.u, u, (size_t)d.rows * sizeof *u);
    for (ptrdiff_t r = 0; r < d.rows; r++) j.sigma += (double)used.u[r] * j.products[r];
    used.sigma[0] = (float)j.sigma;
    again(pool, y, used, w, d);
}

/* ---- Backward: dw = (dy - (sum dy w / sigma) u v^T) / sigma ------------------------------------------------------------------ */

static void along_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t first = item * CHUNK;
    j->products[item] = dot(j->dy + first, j->w + first, at_most(CHUNK, numbers(&j->d) - first));
}

/* What one row and one index of the axes before it have: `inner` numbers. */
static void run_back(const job *j, ptrdiff_t at, const float *v, float u)
{
    const float *dy = j->dy + at, scale = (float)(1 / j->sigma);
    float *dw = j->dw.data + at;
    ptrdiff_t c = 0;
    for (; c + VLEN <= j->d.inner; c += VLEN) {
        const vec g = (vec_load(dy + c) - u * vec_load(v + c)) * scale;
        vec_store(dw + c, j->dw.add ? vec_load(dw + c) + g : g);
    }
    for (; c < j->d.inner; c++) {
        const float g = (dy[c] - u * v[c]) * scale;
        dw[c] = j->dw.add ? dw[c] + g : g;
    }
}

static void row_back_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    for (ptrdiff_t o = 0; o < j->d.outer; o++)
        for (ptrdiff_t r = item * ROWS; r < at_most((item + 1) * ROWS, j->d.rows); r++)
            run_back(j, (o * j->d.rows + r) * j->d.inner, j->v + o * j->d.inner, (float)(j->along * (double)j->u[r]));
}

static void bwd(pn_pool *pool, pn_sink dw, const pn_real *dy, const pn_real *w, pn_singular used, pn_spectral_dims d, void *scratch)
{
    job j = { .d = d, .w = w, .u = used.u, .v = used.v, .dy = dy, .dw = dw, .products = scratch, .sigma = (double)used.sigma[0] };
    const ptrdiff_t chunks = pieces(numbers(&d), CHUNK);
    pn_parallel(pool, chunks, along_item, &j);
    for (ptrdiff_t i = 0; i < chunks; i++) j.along += j.products[i];
    j.along /= j.sigma;
    pn_parallel(pool, pieces(d.rows, ROWS), row_back_item, &j);
}

void PN_SIMD(pn_simd_spectral)(pn_loss_kernels *k)
{
    k->spectral_scratch = scratch_of;
    k->spectral_fwd = fwd;
    k->spectral_again = again;
    k->spectral_bwd = bwd;
}
