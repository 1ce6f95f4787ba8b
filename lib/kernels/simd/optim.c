/* simd/optim.c - optimiser steps: bound by memory, one pass over four arrays */
#include "kernels/simd/pointwise.h"
#include "kernels/simd/stream.h"
#include "kernels/simd/vec_math.h"

#include <stdatomic.h>

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

/* Without beta1 the first moment is the gradient itself: it is written, past the caches where they can be passed, and not
 * read; a seventh less traffic. */
typedef enum { MOMENT, NO_MOMENT } kind;

/* Numbers from .. to - 1 as far as whole vectors go; where the rest begins. */
static inline __attribute__((always_inline))
ptrdiff_t step_vectors(const job *j, ptrdiff_t from, ptrdiff_t to, const factors *f, const kind k)
{
    ptrdiff_t i = from;
    for (; i + VLEN <= to; i += VLEN) {
        const numbers n = { vec_load(j->w + i), k == MOMENT ? vec_load(j->m + i) : (vec){ 0 }, vec_load(j->v + i) };
        const numbers next = stepped(n, vec_load(j->g + i), f);
        vec_store(j->w + i, next.w);
        if (k == MOMENT) vec_store(j->m + i, next.m);
        else vec_stream(j->m + i, next.m);
        vec_store(j->v + i, next.v);
    }
    return i;
}

static void adam_item(void *arg, ptrdiff_t chunk, int worker)
{
    (void)worker;
    const job *j = arg;
    const factors f = { (float)j->d.beta1, (float)j->d.beta2, (float)(1 - j->d.beta1), (float)(1 - j->d.beta2),
                        (float)j->d.rate, (float)j->d.eps, (float)(1 / j->d.root) };
    const ptrdiff_t from = chunk * PN_CHUNK, to = pn_smaller(from + PN_CHUNK, j->count);
    const bool aligned = (uintptr_t)j->m % sizeof(vec) == 0;
    ptrdiff_t i;
    if (f.beta1 == 0 && aligned) {
        i = step_vectors(j, from, to, &f, NO_MOMENT);
        stream_end();
    } else {
        i = step_vectors(j, from, to, &f, MOMENT);
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

typedef struct { float *a; const float *w; float rest; ptrdiff_t count; } averaging;

static void average_item(void *arg, ptrdiff_t chunk, int worker)
{
    (void)worker;
    const averaging *j = arg;
    const ptrdiff_t to = pn_smaller((chunk + 1) * PN_CHUNK, j->count);
    ptrdiff_t i = chunk * PN_CHUNK;
    for (; i + VLEN <= to; i += VLEN) {
        const vec a = vec_load(j->a + i);
        vec_store(j->a + i, a + j->rest * (vec_load(j->w + i) - a));
    }
    const ptrdiff_t some = to - i;
    if (!some) return;
    const vec a = vec_load_some(j->a + i, some);
    vec_store_some(j->a + i, a + j->rest * (vec_load_some(j->w + i, some) - a), some);
}

static void average(pn_pool *pool, float *a, const float *w, double keep, ptrdiff_t count)
{
    averaging j = { a, w, (float)(1 - keep), count };
    pn_parallel(pool, pn_chunks(count), average_item, &j);
}

typedef struct { const float *g; ptrdiff_t count; atomic_bool bad; } search;

/* x - x is 0 for numbers and NaN for NaN and infinities; sums of it stay 0 only for numbers. */
static void finite_item(void *arg, ptrdiff_t chunk, int worker)
{
    (void)worker;
    search *s = arg;
    const float *g = s->g;
    const ptrdiff_t to = pn_smaller((chunk + 1) * PN_CHUNK, s->count);
    vec sum[4] = { { 0 }, { 0 }, { 0 }, { 0 } };
    ptrdiff_t i = chunk * PN_CHUNK;
    for (; i + 4 * VLEN <= to; i += 4 * VLEN)
        for (int k = 0; k < 4; k++) {
            const vec x = vec_load(g + i + k * VLEN);
            sum[k] += x - x;
        }
    float rest = vec_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (; i < to; i++) rest += g[i] - g[i];
    if (!(rest == 0)) atomic_store(&s->bad, true);
}

static bool finite(pn_pool *pool, const float *g, ptrdiff_t count)
{
    search s = { .g = g, .count = count };
    pn_parallel(pool, pn_chunks(count), finite_item, &s);
    return !atomic_load(&s.bad);
}

void PN_SIMD(pn_simd_optim)(pn_kernels *k)
{
    k->optim.adam = adam;
    k->optim.average = average;
    k->optim.finite = finite;
}
