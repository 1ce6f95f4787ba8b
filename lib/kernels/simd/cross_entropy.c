/* simd/cross_entropy.c - over the channels of planar logits, a run of pixels at a time
 *
 * Channels of one pixel lie a whole plane apart, often a power of two, where caches hold few of them: a run is copied
 * side by side first, so that it is read from memory once.
 */
#include "kernels/simd/losses.h"
#include "kernels/simd/vec_math.h"

enum { RUN = 64 };

typedef struct { double sum, counted; } partial;

typedef struct {
    pn_class_dims d;
    const float *logits, *classes;
    float *lse;
    float *held;                    /* the forward's runs, [worker][c][RUN] */
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

/* log v = n log 2 + log m, m in [0.7, 1.4], and log m = 2 artanh((m - 1) / (m + 1)), whose series ends at 2e-9 here. v is 0
 * or normal, as sums of exponentials are. */
static inline vec log_of(vec v)
{
    const veci shifted = (veci)v - 0x3f333333;          /* 0.7: what is above it has n = 0, up to 1.4 */
    const vec n = __builtin_convertvector(shifted >> 23, vec), m = (vec)((shifted & 0x7fffff) + 0x3f333333);
    const vec s = (m - 1.0f) / (m + 1.0f), t = s * s;
    const vec tail = t * (((1.0f / 9 * t + 1.0f / 7) * t + 1.0f / 5) * t + 1.0f / 3);
    const vec log = n * 0.693147181f + 2.0f * (s + s * tail);
    return vec_if(v == 0.0f, vec_all(-INFINITY), vec_if(v < INFINITY, log, v));
}

static vec log_sum_exp(const float *held, ptrdiff_t channels)
{
    vec largest = vec_all(-INFINITY), sum = { 0 };
    for (ptrdiff_t c = 0; c < channels; c++) largest = vec_max(vec_load(held + c * RUN), largest);
    largest = vec_if(vec_abs(largest) == INFINITY, (vec){ 0 }, largest);
    for (ptrdiff_t c = 0; c < channels; c++) sum += vec_exp(vec_load(held + c * RUN) - largest);
    return largest + log_of(sum);
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const ptrdiff_t area = j->d.area, n = item / runs(&j->d), first = item % runs(&j->d) * RUN, count = at_most(RUN, area - first);
    const float *logits = j->logits + n * j->d.c * area + first, *classes = j->classes + n * area + first;
    float *held = j->held + worker * j->d.c * RUN, lse[RUN];
    for (ptrdiff_t c = 0; c < j->d.c; c++) {
        memcpy(held + c * RUN, logits + c * area, (size_t)count * sizeof *held);
        memset(held + c * RUN + count, 0, (size_t)(RUN - count) * sizeof *held);
    }
    for (ptrdiff_t i = 0; i < count; i += VLEN) vec_store(lse + i, log_sum_exp(held + i, j->d.c));
    memcpy(j->lse + n * area + first, lse, (size_t)count * sizeof *lse);
    partial p = { 0, 0 };
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t class = class_of(classes[i], j->d.c);
        if (class < 0) continue;
        p.sum += (double)lse[i] - (double)held[class * RUN + i];
        p.counted++;
    }
    j->partials[item] = p;
}

static size_t scratch_of(pn_class_dims d, int threads)
{
    return (size_t)(d.n * runs(&d)) * sizeof(partial) + (size_t)threads * (size_t)(d.c * RUN) * sizeof(float);
}

static void fwd(pn_pool *pool, pn_real *y, pn_real *lse, pn_real *valid, const pn_real *logits, const pn_real *classes,
                pn_class_dims d, void *scratch)
{
    job j = { .d = d, .logits = logits, .classes = classes, .lse = lse, .partials = scratch };
    j.held = (float *)(void *)(j.partials + d.n * runs(&d));
    pn_parallel(pool, d.n * runs(&d), fwd_item, &j);
    partial all = { 0, 0 };
    for (ptrdiff_t i = 0; i < d.n * runs(&d); i++) {
        all.sum += j.partials[i].sum;
        all.counted += j.partials[i].counted;
    }
    valid[0] = (float)all.counted;
    y[0] = (float)(all.counted > 0 ? all.sum / all.counted : 0);
}

/* `count` numbers (VLEN or fewer) as a vector; others are 0. */
static inline vec some(const float *p, ptrdiff_t count)
{
    float lanes[VLEN] = { 0 };
    memcpy(lanes, p, (size_t)count * sizeof *p);
    return vec_load(lanes);
}

static inline vec slope_of(vec logit, vec lse, vec class, ptrdiff_t c, float scale)
{
    const vec slope = scale * (vec_exp(logit - lse) - vec_if(class == (float)c, vec_all(1), (vec){ 0 }));
    return vec_if(class < 0.0f, (vec){ 0 }, slope);
}

static void bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t area = j->d.area, n = item / runs(&j->d), first = item % runs(&j->d) * RUN, count = at_most(RUN, area - first);
    float class[RUN] = { 0 }, lse[RUN] = { 0 };
    for (ptrdiff_t i = 0; i < count; i++) class[i] = (float)class_of(j->classes[n * area + first + i], j->d.c);
    memcpy(lse, j->known + n * area + first, (size_t)count * sizeof *lse);
    for (ptrdiff_t c = 0; c < j->d.c; c++) {
        const ptrdiff_t at = (n * j->d.c + c) * area + first;
        const float *logits = j->logits + at;
        float *out = j->dlogits.data + at;
        ptrdiff_t i = 0;
        for (; i + VLEN <= count; i += VLEN) {
            const vec v = slope_of(vec_load(logits + i), vec_load(lse + i), vec_load(class + i), c, j->scale);
            vec_store(out + i, j->dlogits.add ? vec_load(out + i) + v : v);
        }
        if (i == count) continue;
        float last[VLEN];
        vec_store(last, slope_of(some(logits + i, count - i), vec_load(lse + i), vec_load(class + i), c, j->scale));
        for (ptrdiff_t l = 0; i + l < count; l++) out[i + l] = j->dlogits.add ? out[i + l] + last[l] : last[l];
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
