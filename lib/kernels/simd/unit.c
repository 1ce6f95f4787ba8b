/* simd/unit.c - channels of unit length: an item is a run of pixels, whose channels stay in the cache from sum to sum */
#include "kernels/simd/attention.h"
#include "kernels/simd/match.h"

enum { RUN = 64 };

typedef struct {
    pn_unit_dims d;
    const float *x, *dy, *y;
    float *result, *length;
    const float *known;             /* backward: what forward left in length */
    pn_sink dx;
} job;

typedef struct { ptrdiff_t n, first, count; } run;      /* pixels of sample n */
static ptrdiff_t area_of(const job *j) { return j->d.x.h * j->d.x.w; }
static ptrdiff_t runs(const job *j) { return (area_of(j) + RUN - 1) / RUN; }
static run run_of(const job *j, ptrdiff_t item)
{
    const ptrdiff_t first = item % runs(j) * RUN;
    return (run){ item / runs(j), first, pn_smaller(RUN, area_of(j) - first) };
}

/* Where block (or plane) c of the run begins; how many channels are left from it on. */
static ptrdiff_t begin_of(const job *j, run r, ptrdiff_t c)
{
    return ((r.n * pn_map_blocks(j->d.x) + c) * area_of(j) + r.first) * j->d.x.b;
}
static ptrdiff_t left_of(const job *j, ptrdiff_t c) { return j->d.x.c - c * PN_BLOCK; }

/* ---- Forward ------------------------------------------------------------------------------------------------------- */

/* The mean of what is left when `base` is taken off. The mean above its first rounding makes equal numbers exactly 0, which
 * then is their length; rounding alone would be blown up to a length of 1. */
static float mean_above(const job *j, const float *from, ptrdiff_t step, float base)
{
    vec sum = { 0 };
    for (ptrdiff_t c = 0; c < pn_map_blocks(j->d.x); c++)
        for (int v = 0; v < PN_BLOCK; v += VLEN)
            sum += vec_first(vec_load(from + c * step + v) - base, left_of(j, c) - v);
    return base + vec_sum(sum) / (float)j->d.x.c;
}

static void fwd_pixel(const job *j, ptrdiff_t at, ptrdiff_t step, float *length)
{
    float mean = 0;
    for (int i = 0; i < 2 && j->d.centred; i++) mean = mean_above(j, j->x + at, step, mean);
    vec squares = { 0 };
    for (ptrdiff_t c = 0; c < pn_map_blocks(j->d.x); c++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec f = vec_first(vec_load(j->x + at + c * step + v) - mean, left_of(j, c) - v);
            squares += f * f;
        }
    *length = sqrtf(vec_sum(squares));
    const float share = 1 / (*length + (float)j->d.eps);
    for (ptrdiff_t c = 0; c < pn_map_blocks(j->d.x); c++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec f = (vec_load(j->x + at + c * step + v) - mean) * share;
            vec_store(j->result + at + c * step + v, vec_first(f, left_of(j, c) - v));
        }
}

static void mean_planar(const job *j, run r, float *mean)
{
    float sum[RUN] = { 0 };
    for (ptrdiff_t c = 0; c < j->d.x.c; c++)
        for (ptrdiff_t i = 0; i < r.count; i++) sum[i] += j->x[begin_of(j, r, c) + i] - mean[i];
    for (ptrdiff_t i = 0; i < r.count; i++) mean[i] += sum[i] / (float)j->d.x.c;
}

static void fwd_planar(const job *j, run r, float *length)
{
    float mean[RUN] = { 0 }, squares[RUN] = { 0 };
    for (int i = 0; i < 2 && j->d.centred; i++) mean_planar(j, r, mean);
    for (ptrdiff_t c = 0; c < j->d.x.c; c++)
        for (ptrdiff_t i = 0; i < r.count; i++) {
            const float f = j->x[begin_of(j, r, c) + i] - mean[i];
            squares[i] += f * f;
        }
    for (ptrdiff_t i = 0; i < r.count; i++) length[i] = sqrtf(squares[i]);
    for (ptrdiff_t c = 0; c < j->d.x.c; c++)
        for (ptrdiff_t i = 0; i < r.count; i++) {
            const ptrdiff_t at = begin_of(j, r, c) + i;
            j->result[at] = (j->x[at] - mean[i]) / (length[i] + (float)j->d.eps);
        }
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const run r = run_of(j, item);
    float *length = j->length + r.n * area_of(j) + r.first;
    if (j->d.x.b == 1) fwd_planar(j, r, length);
    else
        for (ptrdiff_t i = 0; i < r.count; i++)
            fwd_pixel(j, begin_of(j, r, 0) + i * PN_BLOCK, area_of(j) * PN_BLOCK, length + i);
}

static void unit_fwd(pn_pool *pool, pn_real *y, pn_real *length, const pn_real *x, pn_unit_dims d)
{
    job j = { .d = d, .x = x, .result = y, .length = length };
    pn_parallel(pool, d.x.n * runs(&j), fwd_item, &j);
}

/* ---- Backward: (dy - its mean) / (|f| + eps) - y (y . dy) / |f|; y has no mean of its own where f has none ------------ */

typedef struct { float mean, share, along; } factors;

static factors factors_of(const job *j, float length, float sum, float across)
{
    if (length == 0) return (factors){ 0 };
    return (factors){ j->d.centred ? sum / (float)j->d.x.c : 0, 1 / (length + (float)j->d.eps), across / length };
}

static void bwd_pixel(const job *j, ptrdiff_t at, ptrdiff_t step, float length)
{
    vec sum = { 0 }, across = { 0 };
    for (ptrdiff_t c = 0; c < pn_map_blocks(j->d.x); c++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec dy = vec_load(j->dy + at + c * step + v);
            sum += dy;
            across += dy * vec_load(j->y + at + c * step + v);
        }
    const factors f = factors_of(j, length, vec_sum(sum), vec_sum(across));
    for (ptrdiff_t c = 0; c < pn_map_blocks(j->d.x); c++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const ptrdiff_t to = at + c * step + v;
            const vec dx = (vec_load(j->dy + to) - f.mean) * f.share - vec_load(j->y + to) * f.along;
            vec_sink(j->dx, to, vec_first(dx, left_of(j, c) - v));
        }
}

static void bwd_planar(const job *j, run r, const float *length)
{
    float sum[RUN] = { 0 }, across[RUN] = { 0 };
    factors f[RUN];
    for (ptrdiff_t c = 0; c < j->d.x.c; c++)
        for (ptrdiff_t i = 0; i < r.count; i++) {
            const ptrdiff_t at = begin_of(j, r, c) + i;
            sum[i] += j->dy[at];
            across[i] += j->dy[at] * j->y[at];
        }
    for (ptrdiff_t i = 0; i < r.count; i++) f[i] = factors_of(j, length[i], sum[i], across[i]);
    for (ptrdiff_t c = 0; c < j->d.x.c; c++)
        for (ptrdiff_t i = 0; i < r.count; i++) {
            const ptrdiff_t at = begin_of(j, r, c) + i;
            const float dx = (j->dy[at] - f[i].mean) * f[i].share - j->y[at] * f[i].along;
            j->dx.data[at] = j->dx.add ? j->dx.data[at] + dx : dx;
        }
}

static void bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const run r = run_of(j, item);
    const float *length = j->known + r.n * area_of(j) + r.first;
    if (j->d.x.b == 1) bwd_planar(j, r, length);
    else
        for (ptrdiff_t i = 0; i < r.count; i++)
            bwd_pixel(j, begin_of(j, r, 0) + i * PN_BLOCK, area_of(j) * PN_BLOCK, length[i]);
}

static void unit_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *y, const pn_real *length, pn_unit_dims d)
{
    job j = { .d = d, .dy = dy, .y = y, .known = length, .dx = dx };
    pn_parallel(pool, d.x.n * runs(&j), bwd_item, &j);
}

void PN_SIMD(pn_simd_unit)(pn_match_kernels *k)
{
    k->unit_fwd = unit_fwd;
    k->unit_bwd = unit_bwd;
}
