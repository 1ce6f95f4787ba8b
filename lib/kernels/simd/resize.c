/* simd/resize.c - nearest and bilinear resizing, blocked and planar
 *
 * What each row and column reads is worked out once, into scratch. An item of the forward is some rows of one plane (or
 * block of channels), of the backward a whole one: it is cleared if need be, then each pixel of y adds to what it read.
 */
#include "kernels/simd/resample.h"

enum { CHUNK = 16384 };

typedef struct { ptrdiff_t first, second; float weight; } pair;         /* (1 - weight) first + weight second */

typedef struct {
    pn_resize_dims d;
    float *y, *dx;
    const float *x, *dy;
    bool add;
    pair *rows, *columns;
    ptrdiff_t run;                  /* rows of y in an item */
} job;

static ptrdiff_t at_least(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t pieces(ptrdiff_t count, ptrdiff_t size) { return (count + size - 1) / size; }

/* Every output's pair along one axis; positions count `step` numbers. */
static void fill(pair *pairs, const pn_resize_dims *d, ptrdiff_t in, ptrdiff_t out, ptrdiff_t step)
{
    for (ptrdiff_t i = 0; i < out; i++) {
        double at = 0;
        ptrdiff_t first;
        if (d->how == PN_NEAREST) {
            first = i * in / out;
            pairs[i] = (pair){ first * step, first * step, 0 };
            continue;
        }
        if (d->grid == PN_HALF_PIXEL) at = ((double)i + 0.5) * (double)in / (double)out - 0.5;
        else if (out > 1) at = (double)i * (double)(in - 1) / (double)(out - 1);
        if (at < 0) at = 0;
        first = at_most((ptrdiff_t)at, in - 1);
        pairs[i] = (pair){ first * step, at_most(first + 1, in - 1) * step, (float)(at - (double)first) };
    }
}

static pn_scratch_sizes scratch_of(pn_resize_dims d, int threads)
{
    (void)threads;
    const size_t bytes = (size_t)(d.y.h + d.y.w) * sizeof(pair);
    return (pn_scratch_sizes){ bytes, bytes };
}

static void prepare(job *j, void *scratch)
{
    j->rows = scratch;
    j->columns = j->rows + j->d.y.h;
    fill(j->rows, &j->d, j->d.x.h, j->d.y.h, j->d.x.w * j->d.x.b);
    fill(j->columns, &j->d, j->d.x.w, j->d.y.w, j->d.x.b);
}

/* ---- Forward -------------------------------------------------------------------------------------------------------------- */

static void nearest_row(const job *j, float *y, const float *x, ptrdiff_t i)
{
    const float *from = x + j->rows[i].first;
    const ptrdiff_t b = j->d.y.b;
    if (b == 1)
        for (ptrdiff_t q = 0; q < j->d.y.w; q++) y[q] = from[j->columns[q].first];
    else
        for (ptrdiff_t q = 0; q < j->d.y.w; q++) memcpy(y + q * PN_BLOCK, from + j->columns[q].first, PN_BLOCK * sizeof *y);
}

static void planar_row(const job *j, float *y, const float *x, ptrdiff_t i)
{
    const pair r = j->rows[i];
    const float *upper = x + r.first, *lower = x + r.second;
    for (ptrdiff_t q = 0; q < j->d.y.w; q++) {
        const pair c = j->columns[q];
        const float above = (1 - c.weight) * upper[c.first] + c.weight * upper[c.second];
        const float below = (1 - c.weight) * lower[c.first] + c.weight * lower[c.second];
        y[q] = (1 - r.weight) * above + r.weight * below;
    }
}

static void blocked_row(const job *j, float *y, const float *x, ptrdiff_t i)
{
    const pair r = j->rows[i];
    const float *upper = x + r.first, *lower = x + r.second;
    for (ptrdiff_t q = 0; q < j->d.y.w; q++) {
        const pair c = j->columns[q];
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec above = (1 - c.weight) * vec_load(upper + c.first + v) + c.weight * vec_load(upper + c.second + v);
            const vec below = (1 - c.weight) * vec_load(lower + c.first + v) + c.weight * vec_load(lower + c.second + v);
            vec_store(y + q * PN_BLOCK + v, (1 - r.weight) * above + r.weight * below);
        }
    }
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map to = j->d.y, from = j->d.x;
    const ptrdiff_t cuts = pieces(to.h, j->run), plane = item / cuts, first = item % cuts * j->run;
    const float *x = j->x + plane * from.h * from.w * from.b;
    for (ptrdiff_t i = first; i < at_most(first + j->run, to.h); i++) {
        float *y = j->y + (plane * to.h + i) * to.w * to.b;
        if (j->d.how == PN_NEAREST) nearest_row(j, y, x, i);
        else if (to.b == 1) planar_row(j, y, x, i);
        else blocked_row(j, y, x, i);
    }
}

static void fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_resize_dims d, void *scratch)
{
    job j = { .d = d, .y = y, .x = x, .run = at_least(CHUNK / (d.y.w * d.y.b), 1) };
    prepare(&j, scratch);
    pn_parallel(pool, d.y.n * pn_map_blocks(d.y) * pieces(d.y.h, j.run), fwd_item, &j);
}

/* ---- Backward ------------------------------------------------------------------------------------------------------------- */

static void planar_back(const job *j, float *dx, const float *dy, ptrdiff_t i)
{
    const pair r = j->rows[i];
    float *upper = dx + r.first, *lower = dx + r.second;
    for (ptrdiff_t q = 0; q < j->d.y.w; q++) {
        const pair c = j->columns[q];
        const float above = (1 - r.weight) * dy[q], below = r.weight * dy[q];
        upper[c.first] += (1 - c.weight) * above;
        if (j->d.how == PN_NEAREST) continue;
        upper[c.second] += c.weight * above;
        lower[c.first] += (1 - c.weight) * below;
        lower[c.second] += c.weight * below;
    }
}

static inline void give(float *at, vec v) { vec_store(at, vec_load(at) + v); }

static void blocked_back(const job *j, float *dx, const float *dy, ptrdiff_t i)
{
    const pair r = j->rows[i];
    float *upper = dx + r.first, *lower = dx + r.second;
    for (ptrdiff_t q = 0; q < j->d.y.w; q++) {
        const pair c = j->columns[q];
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec g = vec_load(dy + q * PN_BLOCK + v), above = (1 - r.weight) * g, below = r.weight * g;
            give(upper + c.first + v, (1 - c.weight) * above);
            if (j->d.how == PN_NEAREST) continue;
            give(upper + c.second + v, c.weight * above);
            give(lower + c.first + v, (1 - c.weight) * below);
            give(lower + c.second + v, c.weight * below);
        }
    }
}

static void bwd_item(void *arg, ptrdiff_t plane, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t size = j->d.x.h * j->d.x.w * j->d.x.b, row = j->d.y.w * j->d.y.b;
    float *dx = j->dx + plane * size;
    if (!j->add) memset(dx, 0, (size_t)size * sizeof *dx);
    for (ptrdiff_t i = 0; i < j->d.y.h; i++) {
        const float *dy = j->dy + (plane * j->d.y.h + i) * row;
        if (j->d.x.b == 1) planar_back(j, dx, dy, i);
        else blocked_back(j, dx, dy, i);
    }
}

static void bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_resize_dims d, void *scratch)
{
    job j = { .d = d, .dx = dx.data, .add = dx.add, .dy = dy };
    prepare(&j, scratch);
    pn_parallel(pool, d.x.n * pn_map_blocks(d.x), bwd_item, &j);
}

void PN_SIMD(pn_simd_resize)(pn_resample_kernels *k)
{
    k->resize_scratch = scratch_of;
    k->resize_fwd = fwd;
    k->resize_bwd = bwd;
}
