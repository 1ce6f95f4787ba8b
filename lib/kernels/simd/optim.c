/* lib/kernels/simd/optim.c - optimiser steps: bound by memory, one pass over four arrays */
#include "kernels/simd/pointwise.h"
#include "kernels/simd/vec_math.h"

typedef struct {
    float *w, *m, *v;
    const float *g;
    pn_adam_dims d;
    ptrdiff_t count;
} job;

/* The factors of one step in float; 1 - beta comes from double, where it keeps its digits. */
typedef struct { float beta1, beta2, rest1, rest2, rate, eps, scale; } factors;

typedef struct { vec w, m, v; } numbers;

static inline numbers stepped(numbers n, vec g, const factors *f)
{
    n.m = f->beta1 * n.m + f->rest1 * g;
    n.v = f->beta2 * n.v + f->rest2 * (g * g);
    n.w = n.w - f->rate * n.m / (vec_sqrt(n.v) * f->scale + f->eps);
    return n;
}

static void adam_item(void *arg, ptrdiff_t chunk, int worker)
{
    (void)worker;
    const job *j = arg;
    const factors f = { (float)j->d.beta1, (float)j->d.beta2, (float)(1 - j->d.beta1), (float)(1 - j->d.beta2),
                        (float)j->d.rate, (float)j->d.eps, (float)(1 / j->d.root) };
    const ptrdiff_t to = pn_smaller((chunk + 1) * PN_CHUNK, j->count);
    ptrdiff_t i = chunk * PN_CHUNK;
    for (; i + VLEN <= to; i += VLEN) {
        const numbers n = { vec_load(j->w + i), vec_load(j->m + i), vec_load(j->v + i) };
        const numbers next = stepped(n, vec_load(j->g + i), &f);
        vec_store(j->w + i, next.w);
        vec_store(j->m + i, next.m);
        vec_store(j->v + i, next.v);
    }
    const ptrdiff_t some = to - i;
    if (!some) return;
    const numbers n = { vec_load_some(j->w + i, some), vec_load_some(j->m + i, some), vec_load_some(j->v + i, some) };
    const numbers next = stepped(n, vec_load_some(j->g + i, some), &f);
    vec_store_some(j->w + i, next.w, some);
    vec_store_some(j->m + i, next.m, some);
    vec_store_some(j->v + i, next.v, some);
}

static void adam(pn_pool *pool, float *w, float *m, float *v, const float *g, pn_adam_dims d, ptrdiff_t count)
{
    job j = { w, m, v, g, d, count };
    pn_parallel(pool, pn_chunks(count), adam_item, &j);
}

/* x - x is 0 for numbers and NaN for NaN and infinities; sums of it stay 0 only for numbers. */
static bool finite(const float *g, ptrdiff_t count)
{
    for (ptrdiff_t from = 0; from < count; from += PN_CHUNK) {
        const ptrdiff_t to = pn_smaller(from + PN_CHUNK, count);
        vec sum[4] = { { 0 }, { 0 }, { 0 }, { 0 } };
        ptrdiff_t i = from;
        for (; i + 4 * VLEN <= to; i += 4 * VLEN)
            for (int k = 0; k < 4; k++) {
                const vec x = vec_load(g + i + k * VLEN);
                sum[k] += x - x;
            }
        float rest = vec_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
        for (; i < to; i++) rest += g[i] - g[i];
        if (!(rest == 0)) return false;
    }
    return true;
}

void PN_SIMD(pn_simd_optim)(pn_kernels *k)
{
    k->optim.adam = adam;
    k->optim.finite = finite;
}
