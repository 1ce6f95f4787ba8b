/* lib/kernels/simd/softmax.c - softmax over rows (inner = 1: lanes along the row) and over columns (lanes side by
 * side) */
#include "kernels/simd/pointwise.h"
#include "kernels/simd/vec_math.h"

typedef struct {
    pn_softmax_dims d;
    float *y;
    pn_sink dx;
    const float *x, *dy, *read;
    ptrdiff_t per_item;             /* rows, or columns of VLEN */
} job;

static inline vec load(const float *p, ptrdiff_t n) { return n >= VLEN ? vec_load(p) : vec_load_some(p, n); }
static inline void store(float *p, vec v, ptrdiff_t n)
{
    if (n >= VLEN) vec_store(p, v);
    else vec_store_some(p, v, n);
}

static inline float top_of(vec v)
{
    float top = v[0];
    for (int i = 1; i < VLEN; i++) top = v[i] > top ? v[i] : top;
    return top;
}

/* The largest number passes a NaN by; its own e^NaN then spoils the sum, and with it the row. */
static void row_fwd(float *y, const float *x, ptrdiff_t extent)
{
    vec tops = vec_all(-INFINITY);
    ptrdiff_t i = 0;
    for (; i + VLEN <= extent; i += VLEN) tops = vec_max(vec_load(x + i), tops);
    float top = top_of(tops);
    for (; i < extent; i++) top = x[i] > top ? x[i] : top;
    vec sums = { 0 };
    for (i = 0; i + VLEN <= extent; i += VLEN) {
        const vec e = vec_exp(vec_load(x + i) - top);
        vec_store(y + i, e);
        sums += e;
    }
    float sum = vec_sum(sums);
    if (i < extent) {
        const vec e = vec_exp(vec_load_some(x + i, extent - i) - top);
        vec_store_some(y + i, e, extent - i);
        for (ptrdiff_t k = 0; k < extent - i; k++) sum += e[k];
    }
    const vec scale = vec_all(1.0f / sum);
    for (i = 0; i < extent; i += VLEN) store(y + i, load(y + i, extent - i) * scale, extent - i);
}

static void row_bwd(pn_sink dx, ptrdiff_t at, const float *dy, const float *y, ptrdiff_t extent)
{
    vec dots = { 0 };
    for (ptrdiff_t i = 0; i < extent; i += VLEN) dots += load(dy + at + i, extent - i) * load(y + at + i, extent - i);
    const vec dot = vec_all(vec_sum(dots));
    for (ptrdiff_t i = 0; i < extent; i += VLEN) {
        const vec v = load(y + at + i, extent - i) * (load(dy + at + i, extent - i) - dot);
        store(dx.data + at + i, dx.add ? v + load(dx.data + at + i, extent - i) : v, extent - i);
    }
}

/* Up to VLEN columns (n of them), `step` between the rows. */
static void columns_fwd(float *y, const float *x, ptrdiff_t extent, ptrdiff_t step, ptrdiff_t n)
{
    vec top = vec_all(-INFINITY), sum = { 0 };
    for (ptrdiff_t i = 0; i < extent; i++) top = vec_max(load(x + i * step, n), top);
    for (ptrdiff_t i = 0; i < extent; i++) {
        const vec e = vec_exp(load(x + i * step, n) - top);
        store(y + i * step, e, n);
        sum += e;
    }
    const vec scale = 1.0f / sum;
    for (ptrdiff_t i = 0; i < extent; i++) store(y + i * step, load(y + i * step, n) * scale, n);
}

static void columns_bwd(pn_sink dx, ptrdiff_t at, const float *dy, const float *y, pn_softmax_dims d, ptrdiff_t n)
{
    vec dot = { 0 };
    for (ptrdiff_t i = 0; i < d.extent; i++) dot += load(dy + at + i * d.inner, n) * load(y + at + i * d.inner, n);
    for (ptrdiff_t i = 0; i < d.extent; i++, at += d.inner) {
        const vec v = load(y + at, n) * (load(dy + at, n) - dot);
        store(dx.data + at, dx.add ? v + load(dx.data + at, n) : v, n);
    }
}

static ptrdiff_t lines(const job *j)                    /* rows, or groups of VLEN columns */
{
    return j->d.outer * (j->d.inner == 1 ? 1 : (j->d.inner + VLEN - 1) / VLEN);
}

static void item(void *arg, ptrdiff_t index, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_softmax_dims d = j->d;
    const ptrdiff_t groups = (d.inner + VLEN - 1) / VLEN, end = pn_smaller((index + 1) * j->per_item, lines(j));
    for (ptrdiff_t l = index * j->per_item; l < end; l++) {
        if (d.inner == 1) {
            if (j->y) row_fwd(j->y + l * d.extent, j->x + l * d.extent, d.extent);
            else row_bwd(j->dx, l * d.extent, j->dy, j->read, d.extent);
            continue;
        }
        const ptrdiff_t column = l % groups * VLEN, at = l / groups * d.extent * d.inner + column;
        const ptrdiff_t n = pn_smaller(VLEN, d.inner - column);
        if (j->y) columns_fwd(j->y + at, j->x + at, d.extent, d.inner, n);
        else columns_bwd(j->dx, at, j->dy, j->read, d, n);
    }
}

static void run(pn_pool *pool, job j)
{
    const ptrdiff_t work = 4 * j.d.extent * (j.d.inner == 1 ? 1 : VLEN);        /* e^x is worth some passes */
    j.per_item = pn_larger(1, PN_CHUNK / work);
    pn_parallel(pool, (lines(&j) + j.per_item - 1) / j.per_item, item, &j);
}

static void softmax_fwd(pn_pool *pool, float *y, const float *x, pn_softmax_dims d)
{
    run(pool, (job){ .d = d, .y = y, .x = x });
}

static void softmax_bwd(pn_pool *pool, pn_sink dx, const float *dy, const float *y, pn_softmax_dims d)
{
    run(pool, (job){ .d = d, .dx = dx, .dy = dy, .read = y });
}

void PN_SIMD(pn_simd_softmax)(pn_kernels *k)
{
    k->pointwise.softmax_fwd = softmax_fwd;
    k->pointwise.softmax_bwd = softmax_bwd;
}
