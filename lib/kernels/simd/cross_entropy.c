/* simd/cross_entropy.c - over the channels of planar logits, a run of pixels at a time
 *
 * A run's logits stay in L1 for the largest, the sum of exponentials and the class's own.
 */
#include "kernels/simd/losses.h"
#include "kernels/simd/vec_math.h"

enum { RUN = 256 };

typedef struct { double sum, counted; } partial;

typedef struct {
    pn_class_dims d;
    const float *logits, *classes;
    float *lse;
    const float *known;             /* the backward's lse */
    partial *partials;
    pn_sink dlogits;
    float scale;
} job;

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t runs(const pn_class_dims *d) { return (d->area + RUN - 1) / RUN; }

/* The class a pixel is labelled with; -1: none that counts. */
static ptrdiff_t class_of(float label, ptrdiff_t classes)
{
    if (!(label >= 0 && label < (float)classes)) return -1;
    const ptrdiff_t whole = (ptrdiff_t)label;
    return (float)whole == label ? whole : -1;
}

/* `count` numbers of a row of the run (VLEN or fewer) as a vector; others are 0. */
static inline vec some(const float *p, ptrdiff_t count)
{
    float lanes[VLEN] = { 0 };
    if (count >= VLEN) return vec_load(p);
    memcpy(lanes, p, (size_t)count * sizeof *p);
    return vec_load(lanes);
}

static inline void store_some(float *p, vec v, ptrdiff_t count)
{
    float lanes[VLEN];
    vec_store(lanes, v);
    memcpy(p, lanes, (size_t)at_most(count, VLEN) * sizeof *p);
}

/* log lane by lane: one for each pixel, beside one exponential for each number. */
static inline vec log_of(vec v)
{
    float lanes[VLEN];
    vec_store(lanes, v);
    for (int i = 0; i < VLEN; i++) lanes[i] = logf(lanes[i]);
    return vec_load(lanes);
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t area = j->d.area, n = item / runs(&j->d), first = item % runs(&j->d) * RUN;
    const float *logits = j->logits + n * j->d.c * area, *classes = j->classes + n * area;
    float *lse = j->lse + n * area;
    const ptrdiff_t end = at_most(first + RUN, area);
    for (ptrdiff_t i = first; i < end; i += VLEN) {
        const ptrdiff_t count = end - i;
        vec largest = vec_all(-INFINITY), sum = { 0 };
        for (ptrdiff_t c = 0; c < j->d.c; c++) largest = vec_max(some(logits + c * area + i, count), largest);
        largest = vec_if(vec_abs(largest) == INFINITY, (vec){ 0 }, largest);
        for (ptrdiff_t c = 0; c < j->d.c; c++) sum += vec_exp(some(logits + c * area + i, count) - largest);
        store_some(lse + i, largest + log_of(sum), count);
    }
    partial p = { 0, 0 };
    for (ptrdiff_t i = first; i < end; i++) {
        const ptrdiff_t class = class_of(classes[i], j->d.c);
        if (class < 0) continue;
        p.sum += (double)lse[i] - (double)logits[class * area + i];
        p.counted++;
    }
    j->partials[item] = p;
}

static size_t scratch_of(pn_class_dims d) { return (size_t)(d.n * runs(&d)) * sizeof(partial); }

static void fwd(pn_pool *pool, pn_real *y, pn_real *lse, pn_real *valid, const pn_real *logits, const pn_real *classes,
                pn_class_dims d, void *scratch)
{
    job j = { .d = d, .logits = logits, .classes = classes, .lse = lse, .partials = scratch };
    pn_parallel(pool, d.n * runs(&d), fwd_item, &j);
    partial all = { 0, 0 };
    for (ptrdiff_t i = 0; i < d.n * runs(&d); i++) {
        all.sum += j.partials[i].sum;
        all.counted += j.partials[i].counted;
    }
    valid[0] = (float)all.counted;
    y[0] = (float)(all.counted > 0 ? all.sum / all.counted : 0);
}

static void bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t area = j->d.area, n = item / runs(&j->d), first = item % runs(&j->d) * RUN;
    const ptrdiff_t end = at_most(first + RUN, area);
    float class[RUN];
    for (ptrdiff_t i = first; i < end; i++) class[i - first] = (float)class_of(j->classes[n * area + i], j->d.c);
    for (ptrdiff_t c = 0; c < j->d.c; c++)
        for (ptrdiff_t i = first; i < end; i += VLEN) {
            const ptrdiff_t at = (n * j->d.c + c) * area + i, count = end - i;
            const vec own = some(class + i - first, count), all = some(j->known + n * area + i, count);
            const vec chance = vec_exp(some(j->logits + at, count) - all);
            const vec slope = j->scale * (chance - vec_if(own == (float)c, vec_all(1), (vec){ 0 }));
            const vec v = vec_if(own < 0.0f, (vec){ 0 }, slope);
            store_some(j->dlogits.data + at, j->dlogits.add ? some(j->dlogits.data + at, count) + v : v, count);
        }
}

static void bwd(pn_pool *pool, pn_sink dlogits, const pn_real *dy, const pn_real *logits, const pn_real *classes,
                const pn_real *lse, const pn_real *valid, pn_class_dims d)
{
    job j = { .d = d, .logits = logits, .classes = classes, .known = lse, .dlogits = dlogits,
              .scale = valid[0] > 0 ? (float)((double)dy[0] / (double)valid[0]) : 0 };
    pn_parallel(pool, d.n * runs(&d), bwd_item, &j);
}

void PN_SIMD(pn_simd_cross_entropy)(pn_loss_kernels *k)
{
    k->cross_entropy_scratch = scratch_of;
    k->cross_entropy_fwd = fwd;
    k->cross_entropy_bwd = bwd;
}
