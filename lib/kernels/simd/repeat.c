/* lib/kernels/simd/repeat.c - a small array repeated along some axes of a large one: add, mul, spread; and sums over
 * them
 *
 * Neighbouring axes that repeat alike, or not at all, become one first. What is left at the end is either one number
 * for a whole row or a row for a row, in planes as in blocks.
 */
#include "kernels/simd/pointwise.h"

typedef struct { ptrdiff_t extent, stride, step; } axis;        /* stride in the small array, step in the large one */
typedef struct { axis of[PN_MAX_RANK]; int n; } axes;

static axes collapsed(const pn_repeat *r)
{
    axes a = { .n = 0 };
    ptrdiff_t step = 1;
    axis back[PN_MAX_RANK] = { { 0, 0, 0 } };           /* innermost first */
    for (int i = PN_MAX_RANK - 1; i >= 0; i--) {
        const ptrdiff_t extent = r->extent[i], stride = r->stride[i];
        axis *last = a.n ? &back[a.n - 1] : NULL;
        if (extent > 1 && last && stride == (last->stride ? last->stride * last->extent : 0)) last->extent *= extent;
        else if (extent > 1) back[a.n++] = (axis){ extent, stride, step };
        step *= extent;
    }
    if (!a.n) back[a.n++] = (axis){ 1, 1, 1 };          /* a single number */
    for (int i = 0; i < a.n; i++) a.of[i] = back[a.n - 1 - i];
    return a;
}

/* ---- Large from small ------------------------------------------------------------------------------------------ */

typedef enum { ADD, MUL, SPREAD } function;

typedef struct {
    function f;
    axes axes;
    pn_sink y;
    const float *large, *small;
    float scale;
    pn_map map;
    ptrdiff_t rows, rows_per_item, first, last;
} job;

static inline vec value(function f, vec large, vec small, float scale)
{
    return f == ADD ? large + small : f == MUL ? large * small : scale * small;
}

/* Numbers [first, last) of one row; the small array has one for each of them, or (`one`) the same for all. */
__attribute__((always_inline)) static inline void row(function f, const job *j, ptrdiff_t at, const float *small,
                                                      bool one)
{
    const vec all = vec_all(*small);
    const bool add = j->y.add;
    float *y = j->y.data + at;
    const float *large = f == SPREAD ? y : j->large + at;
    if (!one) small += j->first;
    ptrdiff_t i = 0;
    for (; i + VLEN <= j->last - j->first; i += VLEN) {
        const vec v = value(f, f == SPREAD ? all : vec_load(large + i), one ? all : vec_load(small + i), j->scale);
        vec_store(y + i, add ? vec_load(y + i) + v : v);
    }
    const ptrdiff_t n = j->last - j->first - i;
    if (n == 0) return;
    const vec v = value(f, f == SPREAD ? all : vec_load_some(large + i, n), one ? all : vec_load_some(small + i, n),
                        j->scale);
    vec_store_some(y + i, add ? vec_load_some(y + i, n) + v : v, n);
}

/* Rows [from, to): the index over the outer axes counts up like an odometer. */
__attribute__((always_inline)) static inline void rows(function f, const job *j, ptrdiff_t from, ptrdiff_t to)
{
    ptrdiff_t index[PN_MAX_RANK] = { 0 }, offset = 0, left = from;
    const int outer = j->axes.n - 1;
    const axis *a = j->axes.of;
    for (int i = outer - 1; i >= 0; i--) {
        index[i] = left % a[i].extent;
        left /= a[i].extent;
        offset += index[i] * a[i].stride;
    }
    for (ptrdiff_t r = from; r < to; r++) {
        const ptrdiff_t at = r * a[outer].extent + j->first;
        if (a[outer].stride) row(f, j, at, j->small + offset, false);
        else row(f, j, at, j->small + offset, true);
        for (int i = outer - 1; i >= 0; i--) {
            offset += a[i].stride;
            if (++index[i] < a[i].extent) break;
            offset -= a[i].stride * a[i].extent;
            index[i] = 0;
        }
    }
}

/* Several short rows, or a piece of a long one. */
static void rows_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    job j = *(const job *)arg;
    const ptrdiff_t extent = j.axes.of[j.axes.n - 1].extent, pieces = pn_chunks(extent);
    const ptrdiff_t from = item / pieces * j.rows_per_item, to = pn_smaller(from + j.rows_per_item, j.rows);
    j.first = item % pieces * PN_CHUNK;
    j.last = pn_smaller(j.first + PN_CHUNK, extent);
    switch (j.f) {
    case ADD: rows(ADD, &j, from, to); break;
    case MUL: rows(MUL, &j, from, to); break;
    case SPREAD: rows(SPREAD, &j, from, to); break;
    }
    pn_clear_lanes(j.y.data, j.map, from * extent + j.first, (to - 1) * extent + j.last);
}

static void run(pn_pool *pool, job j, const pn_repeat *r)
{
    j.axes = collapsed(r);
    j.map = r->map;
    const ptrdiff_t extent = j.axes.of[j.axes.n - 1].extent;
    j.rows = pn_map_stored(r->map) / extent;
    j.rows_per_item = pn_larger(1, PN_CHUNK / extent);
    pn_parallel(pool, (j.rows + j.rows_per_item - 1) / j.rows_per_item * pn_chunks(extent), rows_item, &j);
}

static void add(pn_pool *pool, pn_sink y, const float *large, const float *small, pn_repeat r)
{
    run(pool, (job){ .f = ADD, .y = y, .large = large, .small = small }, &r);
}

static void mul(pn_pool *pool, pn_sink y, const float *large, const float *small, pn_repeat r)
{
    run(pool, (job){ .f = MUL, .y = y, .large = large, .small = small }, &r);
}

static void spread(pn_pool *pool, pn_sink large, const float *small, double scale, pn_repeat r)
{
    run(pool, (job){ .f = SPREAD, .y = large, .small = small, .scale = (float)scale }, &r);
}

/* ---- Small from large ---------------------------------------------------------------------------------------------
 *
 * Sums run in float over some hundred numbers, then in double. Every number of the small array is summed by one
 * item, except where there is a single one: that is summed in chunks, whose sums are then added in order.
 */

typedef struct {
    axes kept, gone;                /* axes of the large array that the small one has, and that it repeats */
    pn_sink small;
    const float *large, *times;     /* times NULL: 1 */
    double scale;
    ptrdiff_t outs, outs_per_item;  /* sums, or groups of GROUP sums side by side */
    double *partial;
} sum_job;

enum { GROUP = 4 * VLEN, ROWS = 256 };

static vec term(const sum_job *j, ptrdiff_t at)
{
    const vec v = vec_load(j->large + at);
    return j->times ? v * vec_load(j->times + at) : v;
}

static vec term_some(const sum_job *j, ptrdiff_t at, ptrdiff_t n)
{
    const vec v = vec_load_some(j->large + at, n);
    return j->times ? v * vec_load_some(j->times + at, n) : v;
}

/* Numbers [at, at + count) of the large array together. */
static double sum_row(const sum_job *j, ptrdiff_t at, ptrdiff_t count)
{
    double sum = 0;
    for (ptrdiff_t done = 0; done < count;) {
        const ptrdiff_t some = pn_smaller(count - done, ROWS * VLEN);
        vec s[4] = { { 0 }, { 0 }, { 0 }, { 0 } };
        ptrdiff_t i = at + done;
        const ptrdiff_t end = i + some;
        for (; i + 4 * VLEN <= end; i += 4 * VLEN)
            for (int k = 0; k < 4; k++) s[k] += term(j, i + k * VLEN);
        for (; i + VLEN <= end; i += VLEN) s[0] += term(j, i);
        if (i < end) s[1] += term_some(j, i, end - i);
        sum += (double)vec_sum((s[0] + s[1]) + (s[2] + s[3]));
        done += some;
    }
    return sum;
}

/* Up to GROUP columns, `rows` of them `step` apart, each on its own. */
static void sum_columns(const sum_job *j, double *sum, ptrdiff_t at, ptrdiff_t width, ptrdiff_t rows, ptrdiff_t step)
{
    for (ptrdiff_t done = 0; done < rows; done += ROWS) {
        const ptrdiff_t end = pn_smaller(done + ROWS, rows);
        for (ptrdiff_t c = 0; c < width; c += VLEN) {
            vec s = { 0 };
            if (c + VLEN <= width) for (ptrdiff_t r = done; r < end; r++) s += term(j, at + r * step + c);
            else for (ptrdiff_t r = done; r < end; r++) s += term_some(j, at + r * step + c, width - c);
            for (ptrdiff_t i = 0; i < VLEN && c + i < width; i++) sum[c + i] += (double)s[i];
        }
    }
}

/* Where index `left` over the axes lies: in the small array and in the large one. */
typedef struct { ptrdiff_t small, large; } place;

static place place_of(const axes *a, int n, ptrdiff_t left)
{
    place p = { 0, 0 };
    for (int i = n - 1; i >= 0; i--) {
        const ptrdiff_t index = left % a->of[i].extent;
        left /= a->of[i].extent;
        p.small += index * a->of[i].stride;
        p.large += index * a->of[i].step;
    }
    return p;
}

static ptrdiff_t extents(const axes *a, int n)
{
    ptrdiff_t product = 1;
    for (int i = 0; i < n; i++) product *= a->of[i].extent;
    return product;
}

static void put(const sum_job *j, ptrdiff_t at, double sum)
{
    j->small.data[at] = (float)((j->small.add ? (double)j->small.data[at] : 0) + j->scale * sum);
}

/* Rows of one block, `step` apart: what a mask gets from the channels of its pixel. */
static double sum_blocks(const sum_job *j, ptrdiff_t at, ptrdiff_t rows, ptrdiff_t step)
{
    double sum = 0;
    for (ptrdiff_t done = 0; done < rows; done += ROWS) {
        const ptrdiff_t end = pn_smaller(done + ROWS, rows);
        vec s = { 0 };
        for (ptrdiff_t r = done; r < end; r++)
            for (int v = 0; v < VECS; v++) s += term(j, at + r * step + v * VLEN);
        sum += (double)vec_sum(s);
    }
    return sum;
}

/* The innermost axis is summed over: whole rows, one after another. */
static void sum_rows_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const sum_job *j = arg;
    const int outer = j->gone.n - 1;
    const bool blocks = outer == 1 && j->gone.of[1].extent == PN_BLOCK;
    const ptrdiff_t end = pn_smaller((item + 1) * j->outs_per_item, j->outs), rows = extents(&j->gone, outer);
    for (ptrdiff_t out = item * j->outs_per_item; out < end; out++) {
        const place p = place_of(&j->kept, j->kept.n, out);
        double sum = blocks ? sum_blocks(j, p.large, rows, j->gone.of[0].step) : 0;
        for (ptrdiff_t r = 0; !blocks && r < rows; r++)
            sum += sum_row(j, p.large + place_of(&j->gone, outer, r).large, j->gone.of[outer].extent);
        put(j, p.small, sum);
    }
}

/* The innermost axis is kept: GROUP columns of it at a time. */
static void sum_columns_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const sum_job *j = arg;
    const axis *last = &j->kept.of[j->kept.n - 1], *first = j->gone.n ? &j->gone.of[j->gone.n - 1] : NULL;
    const ptrdiff_t groups = (last->extent + GROUP - 1) / GROUP, repeats = first ? extents(&j->gone, j->gone.n - 1) : 1;
    const ptrdiff_t end = pn_smaller((item + 1) * j->outs_per_item, j->outs);
    for (ptrdiff_t out = item * j->outs_per_item; out < end; out++) {
        const place p = place_of(&j->kept, j->kept.n - 1, out / groups);
        const ptrdiff_t column = out % groups * GROUP, width = pn_smaller(GROUP, last->extent - column);
        double sum[GROUP] = { 0 };
        for (ptrdiff_t r = 0; r < repeats; r++) {
            const ptrdiff_t at = p.large + column + (first ? place_of(&j->gone, j->gone.n - 1, r).large : 0);
            sum_columns(j, sum, at, width, first ? first->extent : 1, first ? first->step : 0);
        }
        for (ptrdiff_t i = 0; i < width; i++) put(j, p.small + (column + i) * last->stride, sum[i]);
    }
}

static void sum_chunk_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const sum_job *j = arg;
    const ptrdiff_t from = item * PN_CHUNK;
    j->partial[item] = sum_row(j, from, pn_smaller(PN_CHUNK, j->gone.of[0].extent - from));
}

static void sum_everything(pn_pool *pool, sum_job *j)
{
    const ptrdiff_t chunks = pn_chunks(j->gone.of[0].extent);
    double sum = 0;
    pn_parallel(pool, chunks, sum_chunk_item, j);
    for (ptrdiff_t i = 0; i < chunks; i++) sum += j->partial[i];
    put(j, 0, sum);
}

static bool is_everything(const axes *a) { return a->n == 1 && a->of[0].stride == 0; }

static void reduce(pn_pool *pool, pn_sink small, const float *large, const float *times, double scale, pn_repeat r,
                   void *scratch)
{
    const axes a = collapsed(&r);
    sum_job j = { .small = small, .large = large, .times = times, .scale = scale, .partial = scratch };
    for (int i = 0; i < a.n; i++) {
        axes *into = a.of[i].stride ? &j.kept : &j.gone;
        into->of[into->n++] = a.of[i];
    }
    if (is_everything(&a)) {
        sum_everything(pool, &j);
        return;
    }
    const bool columns = a.of[a.n - 1].stride != 0;
    const ptrdiff_t count = pn_map_stored(r.map);
    j.outs = extents(&j.kept, j.kept.n - columns);
    if (columns) j.outs *= (a.of[a.n - 1].extent + GROUP - 1) / GROUP;
    j.outs_per_item = pn_larger(1, PN_CHUNK / pn_larger(1, count / j.outs));
    pn_parallel(pool, (j.outs + j.outs_per_item - 1) / j.outs_per_item, columns ? sum_columns_item : sum_rows_item, &j);
}

static size_t reduce_scratch(pn_repeat r)
{
    const axes a = collapsed(&r);
    return is_everything(&a) ? (size_t)pn_chunks(a.of[0].extent) * sizeof(double) : 0;
}

void PN_SIMD(pn_simd_repeat)(pn_kernels *k)
{
    k->pointwise.add = add;
    k->pointwise.mul = mul;
    k->pointwise.spread = spread;
    k->pointwise.reduce = reduce;
    k->pointwise.reduce_scratch = reduce_scratch;
}
