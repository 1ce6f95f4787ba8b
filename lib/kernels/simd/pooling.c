/* simd/pooling.c - mean and maximum of windows over blocks of 16 channels; of planar maps only the mean
 * of windows that tile, which shrinks pictures: the rest is left to the reference
 *
 * Windows that tile the map (stride = kernel, no padding) are the networks' own; they are compiled for 2 x 2 too.
 */
#include "kernels/simd/resample.h"

enum { CHUNK = 16384 };

typedef struct {
    pn_pool_dims d;
    float *y;
    const float *x, *dy;
    pn_sink dx;
    ptrdiff_t rows;                 /* of y (forward) or x (backward of the mean) that make an item */
} job;

typedef struct { ptrdiff_t from, to; } span;

static ptrdiff_t at_least(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t pieces(ptrdiff_t count, ptrdiff_t size) { return (count + size - 1) / size; }

static span window(const pn_pool_dims *d, int axis, ptrdiff_t i)
{
    const ptrdiff_t first = i * d->stride[axis] - d->pad[axis];
    return (span){ at_least(first, 0), at_most(first + d->kernel[axis], axis ? d->x.w : d->x.h) };
}

static span windows_over(const pn_pool_dims *d, int axis, ptrdiff_t i)
{
    const ptrdiff_t last = (i + d->pad[axis]) / d->stride[axis], before = i + d->pad[axis] - d->kernel[axis];
    return (span){ before < 0 ? 0 : before / d->stride[axis] + 1, at_most(last + 1, axis ? d->y.w : d->y.h) };
}

static bool tiles(const pn_pool_dims *d)
{
    return d->stride[0] == d->kernel[0] && d->stride[1] == d->kernel[1] && !d->pad[0] && !d->pad[1];
}

static bool halves(const pn_pool_dims *d) { return tiles(d) && d->kernel[0] == 2 && d->kernel[1] == 2; }

static inline void put(float *at, vec v, bool add) { vec_store(at, add ? vec_load(at) + v : v); }

/* The first NaN is the largest, and stays. */
static inline veci larger(vec v, vec best) { return (v > best) | ((v != v) & (best == best)); }

/* ---- Forward ------------------------------------------------------------------------------------------------------------ */

static inline vec reduce(const float *x, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t columns, bool max)
{
    vec r = max ? vec_load(x) : (vec){ 0 };
    for (ptrdiff_t p = 0; p < rows; p++)
        for (ptrdiff_t q = 0; q < columns; q++) {
            const vec v = vec_load(x + p * row + q * PN_BLOCK);
            r = max ? vec_if(larger(v, r), v, r) : r + v;
        }
    return r;
}

/* kernel as an argument: 2 is a constant where it counts. */
static inline void fwd_row(float *y, const float *x, const pn_pool_dims *d, ptrdiff_t i, bool max)
{
    const span rows = window(d, 0, i);
    const ptrdiff_t row = d->x.w * PN_BLOCK;
    const float scale = max ? 1 : 1 / (float)(d->kernel[0] * d->kernel[1]);
    x += rows.from * row;
    for (ptrdiff_t j = 0; j < d->y.w; j++) {
        const span columns = window(d, 1, j);
        for (int v = 0; v < PN_BLOCK; v += VLEN)
            vec_store(y + j * PN_BLOCK + v,
                      reduce(x + columns.from * PN_BLOCK + v, row, rows.to - rows.from, columns.to - columns.from, max) * scale);
    }
}

static inline void fwd_row_2x2(float *y, const float *x, const pn_pool_dims *d, ptrdiff_t i, bool max)
{
    const ptrdiff_t row = d->x.w * PN_BLOCK;
    const float scale = max ? 1 : 0.25f;
    x += 2 * i * row;
    for (ptrdiff_t j = 0; j < d->y.w; j++)
        for (int v = 0; v < PN_BLOCK; v += VLEN)
            vec_store(y + j * PN_BLOCK + v, reduce(x + 2 * j * PN_BLOCK + v, row, 2, 2, max) * scale);
}

static inline void fwd_rows(const job *j, ptrdiff_t item, bool max)
{
    const pn_pool_dims *d = &j->d;
    const ptrdiff_t cuts = pieces(d->y.h, j->rows), plane = item / cuts, first = item % cuts * j->rows;
    const float *x = j->x + plane * d->x.h * d->x.w * PN_BLOCK;
    for (ptrdiff_t i = first; i < at_most(first + j->rows, d->y.h); i++) {
        float *y = j->y + (plane * d->y.h + i) * d->y.w * PN_BLOCK;
        if (halves(d)) fwd_row_2x2(y, x, d, i, max);
        else fwd_row(y, x, d, i, max);
    }
}

static void avg_fwd_item(void *arg, ptrdiff_t item, int worker) { (void)worker; fwd_rows(arg, item, false); }
static void max_fwd_item(void *arg, ptrdiff_t item, int worker) { (void)worker; fwd_rows(arg, item, true); }

static ptrdiff_t planes(pn_map m) { return m.n * pn_map_blocks(m); }

static void fwd(pn_pool *pool, float *y, const float *x, pn_pool_dims d, pn_task *task)
{
    const ptrdiff_t read = d.x.w * PN_BLOCK * d.stride[0];
    job j = { .d = d, .y = y, .x = x, .rows = at_least(CHUNK / read, 1) };
    pn_parallel(pool, planes(d.y) * pieces(d.y.h, j.rows), task, &j);
}

/* Planar maps in windows that tile: rows of y (forward) or x (backward), one after another through all planes. */
static inline void add_columns(float *restrict y, const float *restrict x, ptrdiff_t n, const ptrdiff_t width)
{
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t q = 0; q < width; q++) y[i] += x[i * width + q];
}

static void shrink_rows(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_pool_dims *d = &j->d;
    const ptrdiff_t first = item * j->rows, end = at_most(first + j->rows, planes(d->y) * d->y.h), w = d->y.w;
    const float scale = 1 / (float)(d->kernel[0] * d->kernel[1]);
    for (ptrdiff_t r = first; r < end; r++) {
        const float *x = j->x + (r / d->y.h * d->x.h + r % d->y.h * d->kernel[0]) * d->x.w;
        float *y = j->y + r * w;
        memset(y, 0, (size_t)w * sizeof *y);
        for (ptrdiff_t p = 0; p < d->kernel[0]; p++, x += d->x.w) {
            if (d->kernel[1] == 2) add_columns(y, x, w, 2);
            else if (d->kernel[1] == 4) add_columns(y, x, w, 4);
            else add_columns(y, x, w, d->kernel[1]);
        }
        for (ptrdiff_t i = 0; i < w; i++) y[i] *= scale;
    }
}

static inline void spread(float *restrict dx, const float *restrict dy, ptrdiff_t n, const ptrdiff_t width, float scale)
{
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t q = 0; q < width; q++) dx[i * width + q] += dy[i] * scale;
}

static void widen_rows(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_pool_dims *d = &j->d;
    const ptrdiff_t first = item * j->rows, end = at_most(first + j->rows, planes(d->x) * d->x.h);
    const float scale = 1 / (float)(d->kernel[0] * d->kernel[1]);
    for (ptrdiff_t r = first; r < end; r++) {
        const ptrdiff_t i = r % d->x.h / d->kernel[0];
        const float *dy = j->dy + (r / d->x.h * d->y.h + i) * d->y.w;
        float *dx = j->dx.data + r * d->x.w;
        if (!j->dx.add) memset(dx, 0, (size_t)d->x.w * sizeof *dx);
        if (i >= d->y.h) continue;                      /* no window covers this row */
        if (d->kernel[1] == 2) spread(dx, dy, d->y.w, 2, scale);
        else spread(dx, dy, d->y.w, d->kernel[1], scale);
    }
}

static void by_rows(pn_pool *pool, job j, pn_map of, pn_task *task)
{
    j.rows = at_least(CHUNK / of.w, 1);
    pn_parallel(pool, pieces(planes(of) * of.h, j.rows), task, &j);
}

static void avg_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_pool_dims d)
{
    if (d.x.b == 1 && tiles(&d)) by_rows(pool, (job){ .d = d, .y = y, .x = x }, d.y, shrink_rows);
    else if (d.x.b != PN_BLOCK) pn_ref_resample.avg_fwd(pool, y, x, d);
    else fwd(pool, y, x, d, avg_fwd_item);
}

static void max_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_pool_dims d)
{
    if (d.x.b != PN_BLOCK) pn_ref_resample.max_fwd(pool, y, x, d);
    else fwd(pool, y, x, d, max_fwd_item);
}

/* ---- Backward of the mean: each pixel of x gathers from the windows over it ------------------------------------------------ */

static void avg_bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_pool_dims *d = &j->d;
    const ptrdiff_t cuts = pieces(d->x.h, j->rows), plane = item / cuts, first = item % cuts * j->rows, row = d->y.w * PN_BLOCK;
    const float scale = 1 / (float)(d->kernel[0] * d->kernel[1]);
    const float *dy = j->dy + plane * d->y.h * row;
    for (ptrdiff_t p = first; p < at_most(first + j->rows, d->x.h); p++) {
        const span rows = windows_over(d, 0, p);
        float *dx = j->dx.data + (plane * d->x.h + p) * d->x.w * PN_BLOCK;
        for (ptrdiff_t q = 0; q < d->x.w; q++) {
            const span columns = windows_over(d, 1, q);
            const float *from = dy + rows.from * row + columns.from * PN_BLOCK;
            for (int v = 0; v < PN_BLOCK; v += VLEN) {
                vec sum = { 0 };
                for (ptrdiff_t a = 0; a < rows.to - rows.from; a++)
                    for (ptrdiff_t b = 0; b < columns.to - columns.from; b++) sum += vec_load(from + a * row + b * PN_BLOCK + v);
                put(dx + q * PN_BLOCK + v, sum * scale, j->dx.add);
            }
        }
    }
}

/* Windows that tile: a row of dx repeats one of dy. */
static inline void repeat_row(float *dx, const float *dy, const pn_pool_dims *d, ptrdiff_t kw, bool add)
{
    const float scale = 1 / (float)(d->kernel[0] * d->kernel[1]);
    for (ptrdiff_t i = 0; i < d->y.w; i++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec g = vec_load(dy + i * PN_BLOCK + v) * scale;
            for (ptrdiff_t q = 0; q < kw; q++) put(dx + (i * kw + q) * PN_BLOCK + v, g, add);
        }
}

static void avg_bwd_tiles_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_pool_dims *d = &j->d;
    const ptrdiff_t cuts = pieces(d->x.h, j->rows), plane = item / cuts, first = item % cuts * j->rows;
    const ptrdiff_t row = d->x.w * PN_BLOCK, covered = d->y.w * d->kernel[1] * PN_BLOCK;
    for (ptrdiff_t p = first; p < at_most(first + j->rows, d->x.h); p++) {
        const ptrdiff_t i = p / d->kernel[0], done = i < d->y.h ? covered : 0;
        float *dx = j->dx.data + (plane * d->x.h + p) * row;
        const float *dy = j->dy + (plane * d->y.h + i) * d->y.w * PN_BLOCK;
        if (done && d->kernel[1] == 2) repeat_row(dx, dy, d, 2, j->dx.add);
        else if (done) repeat_row(dx, dy, d, d->kernel[1], j->dx.add);
        if (!j->dx.add) memset(dx + done, 0, (size_t)(row - done) * sizeof *dx);
    }
}

static void avg_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_pool_dims d)
{
    job j = { .d = d, .dx = dx, .dy = dy, .rows = at_least(CHUNK / (d.x.w * PN_BLOCK), 1) };
    if (d.x.b == 1 && tiles(&d)) by_rows(pool, (job){ .d = d, .dx = dx, .dy = dy }, d.x, widen_rows);
    else if (d.x.b != PN_BLOCK) pn_ref_resample.avg_bwd(pool, dx, dy, d);
    else pn_parallel(pool, planes(d.x) * pieces(d.x.h, j.rows), tiles(&d) ? avg_bwd_tiles_item : avg_bwd_item, &j);
}

/* ---- Backward of the maximum ------------------------------------------------------------------------------------------------ */

/* Which tap of a window holds the first largest, for every lane. */
static inline veci winner(const float *x, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t columns)
{
    vec best = vec_load(x);
    veci at = { 0 };
    for (ptrdiff_t p = 0; p < rows; p++)
        for (ptrdiff_t q = 0; q < columns; q++) {
            const vec v = vec_load(x + p * row + q * PN_BLOCK);
            const veci now = larger(v, best);
            best = vec_if(now, v, best);
            at = (now & (int32_t)(p * columns + q)) | (~now & at);
        }
    return at;
}

static inline void give(float *dx, const float *dy, veci at, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t columns, bool add)
{
    const vec g = vec_load(dy);
    for (ptrdiff_t p = 0; p < rows; p++)
        for (ptrdiff_t q = 0; q < columns; q++)
            put(dx + p * row + q * PN_BLOCK, vec_if(at == (int32_t)(p * columns + q), g, (vec){ 0 }), add);
}

/* Windows that tile: rows i .. of y own the rows of x under them; what no window covers gets 0. */
static inline void max_bwd_tiles(const job *j, ptrdiff_t plane, ptrdiff_t i, ptrdiff_t kh, ptrdiff_t kw)
{
    const pn_pool_dims *d = &j->d;
    const ptrdiff_t row = d->x.w * PN_BLOCK, begin = (plane * d->x.h + i * kh) * row, covered = d->y.w * kw * PN_BLOCK;
    const float *x = j->x + begin, *dy = j->dy + (plane * d->y.h + i) * d->y.w * PN_BLOCK;
    float *dx = j->dx.data + begin;
    for (ptrdiff_t q = 0; q < d->y.w; q++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const ptrdiff_t at = q * kw * PN_BLOCK + v;
            give(dx + at, dy + q * PN_BLOCK + v, winner(x + at, row, kh, kw), row, kh, kw, j->dx.add);
        }
    if (j->dx.add) return;
    for (ptrdiff_t p = 0; p < kh && covered < row; p++) memset(dx + p * row + covered, 0, (size_t)(row - covered) * sizeof *dx);
    if (i < d->y.h - 1) return;
    const ptrdiff_t left = d->x.h - d->y.h * kh;
    memset(dx + kh * row, 0, (size_t)(left * row) * sizeof *dx);
}

static void max_bwd_tiles_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_pool_dims *d = &j->d;
    const ptrdiff_t cuts = pieces(d->y.h, j->rows), plane = item / cuts, first = item % cuts * j->rows;
    for (ptrdiff_t i = first; i < at_most(first + j->rows, d->y.h); i++) {
        if (d->kernel[0] == 2 && d->kernel[1] == 2) max_bwd_tiles(j, plane, i, 2, 2);
        else max_bwd_tiles(j, plane, i, d->kernel[0], d->kernel[1]);
    }
}

/* Windows that overlap or leave gaps: a plane is cleared, then each window adds to its winner. */
static void max_bwd_item(void *arg, ptrdiff_t plane, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_pool_dims *d = &j->d;
    const ptrdiff_t row = d->x.w * PN_BLOCK, begin = plane * d->x.h * row;
    if (!j->dx.add) memset(j->dx.data + begin, 0, (size_t)(d->x.h * row) * sizeof(float));
    for (ptrdiff_t i = 0; i < d->y.h; i++)
        for (ptrdiff_t q = 0; q < d->y.w; q++) {
            const span rows = window(d, 0, i), columns = window(d, 1, q);
            const ptrdiff_t at = begin + rows.from * row + columns.from * PN_BLOCK, kh = rows.to - rows.from;
            const ptrdiff_t kw = columns.to - columns.from;
            for (int v = 0; v < PN_BLOCK; v += VLEN)
                give(j->dx.data + at + v, j->dy + ((plane * d->y.h + i) * d->y.w + q) * PN_BLOCK + v,
                     winner(j->x + at + v, row, kh, kw), row, kh, kw, true);
        }
}

static void max_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, const pn_real *x, pn_pool_dims d)
{
    job j = { .d = d, .dx = dx, .dy = dy, .x = x, .rows = at_least(CHUNK / (d.x.w * PN_BLOCK * d.kernel[0]), 1) };
    if (d.x.b != PN_BLOCK) pn_ref_resample.max_bwd(pool, dx, dy, x, d);
    else if (tiles(&d)) pn_parallel(pool, planes(d.y) * pieces(d.y.h, j.rows), max_bwd_tiles_item, &j);
    else pn_parallel(pool, planes(d.x), max_bwd_item, &j);
}

void PN_SIMD(pn_simd_pooling)(pn_resample_kernels *k)
{
    k->avg_fwd = avg_fwd;
    k->avg_bwd = avg_bwd;
    k->max_fwd = max_fwd;
    k->max_bwd = max_bwd;
}
