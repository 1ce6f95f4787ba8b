/* simd/distance.c - mean |a - b| and mean (a - b)^2
 *
 * RUN numbers are summed in float, runs in double, one double for each CHUNK; these are added in order.
 */
#include "kernels/simd/losses.h"

enum { CHUNK = 16384, RUN = 256 };

typedef struct { pn_distance_dims d; const float *a, *b; double *sums; pn_sink da, db; float scale; } job;

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t chunks(const pn_distance_dims *d) { return (d->stored + CHUNK - 1) / CHUNK; }

static inline vec distance(vec off, pn_distance how)
{
    return how == PN_SQUARED ? off * off : (vec)((veci)off & 0x7fffffff);
}

/* Up to RUN numbers; what does not fill a vector is brought there among zeros. */
static inline float run_sum(const float *a, const float *b, ptrdiff_t count, pn_distance how)
{
    vec even = { 0 }, odd = { 0 };
    ptrdiff_t i = 0;
    for (; i + 2 * VLEN <= count; i += 2 * VLEN) {
        even += distance(vec_load(a + i) - vec_load(b + i), how);
        odd += distance(vec_load(a + i + VLEN) - vec_load(b + i + VLEN), how);
    }
    for (; i < count; i += VLEN) {
        float last[2][VLEN] = { { 0 }, { 0 } };
        const size_t bytes = (size_t)at_most(VLEN, count - i) * sizeof(float);
        memcpy(last[0], a + i, bytes);
        memcpy(last[1], b + i, bytes);
        even += distance(vec_load(last[0]) - vec_load(last[1]), how);
    }
    return vec_sum(even + odd);
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t end = at_most((item + 1) * CHUNK, j->d.stored);
    double sum = 0;
    for (ptrdiff_t i = item * CHUNK; i < end; i += RUN) {
        const ptrdiff_t count = at_most(RUN, end - i);
        sum += (double)(j->d.how == PN_SQUARED ? run_sum(j->a + i, j->b + i, count, PN_SQUARED) :
                                                 run_sum(j->a + i, j->b + i, count, PN_ABSOLUTE));
    }
    j->sums[item] = sum;
}

static size_t scratch_of(pn_distance_dims d) { return (size_t)chunks(&d) * sizeof(double); }

static void fwd(pn_pool *pool, pn_real *y, const pn_real *a, const pn_real *b, pn_distance_dims d, void *scratch)
{
    job j = { .d = d, .a = a, .b = b, .sums = scratch };
    pn_parallel(pool, chunks(&d), fwd_item, &j);
    double sum = 0;
    for (ptrdiff_t i = 0; i < chunks(&d); i++) sum += j.sums[i];
    y[0] = (float)(sum / (double)d.count);
}

/* 1, -1, or what is neither above nor below 0: 0 or NaN. */
static inline vec sign(vec v) { return vec_if(v > 0.0f, vec_all(1), vec_if(v < 0.0f, vec_all(-1), v)); }

static inline void put(pn_sink s, ptrdiff_t i, vec v)
{
    if (s.data) vec_store(s.data + i, s.add ? vec_load(s.data + i) + v : v);
}

static inline void slopes(const job *j, ptrdiff_t first, ptrdiff_t end, pn_distance how)
{
    ptrdiff_t i = first;
    for (; i + VLEN <= end; i += VLEN) {
        const vec off = vec_load(j->a + i) - vec_load(j->b + i), slope = j->scale * (how == PN_SQUARED ? off + off : sign(off));
        put(j->da, i, slope);
        put(j->db, i, -slope);
    }
    for (; i < end; i++) {
        const float off = j->a[i] - j->b[i], unit = off > 0 ? 1 : off < 0 ? -1 : off;
        const float slope = j->scale * (how == PN_SQUARED ? off + off : unit);
        if (j->da.data) pn_put(j->da, i, (double)slope);
        if (j->db.data) pn_put(j->db, i, (double)-slope);
    }
}

static void bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t first = item * CHUNK, end = at_most(first + CHUNK, j->d.stored);
    if (j->d.how == PN_SQUARED) slopes(j, first, end, PN_SQUARED);
    else slopes(j, first, end, PN_ABSOLUTE);
}

static void bwd(pn_pool *pool, pn_sink da, pn_sink db, const pn_real *dy, const pn_real *a, const pn_real *b, pn_distance_dims d)
{
    job j = { .d = d, .a = a, .b = b, .da = da, .db = db, .scale = (float)((double)dy[0] / (double)d.count) };
    pn_parallel(pool, chunks(&d), bwd_item, &j);
}

void PN_SIMD(pn_simd_distance)(pn_loss_kernels *k)
{
    k->distance_scratch = scratch_of;
    k->distance_fwd = fwd;
    k->distance_bwd = bwd;
}
