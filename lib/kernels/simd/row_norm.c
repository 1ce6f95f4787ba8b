/* lib/kernels/simd/row_norm.c - layer norm: every row by itself; weights and biases belong to columns
 *
 * In backward blocks of rows leave their column sums in scratch, and these are added in order.
 */
#include "kernels/simd/moments.h"

typedef struct {
    pn_row_norm_dims d;
    pn_norm_params p;
    pn_norm_stats stats;
    pn_norm_sinks out;
    float *y;
    const float *x, *dy;
    float *columns;                 /* [blocks][2][d]: sums of dy xhat and of dy; NULL: nobody needs them */
    ptrdiff_t per_item;             /* rows */
} job;

enum { MOST_BLOCKS = 64 };

static inline vec load(const float *p, ptrdiff_t n) { return n >= VLEN ? vec_load(p) : vec_load_some(p, n); }
static inline void store(float *p, vec v, ptrdiff_t n)
{
    if (n >= VLEN) vec_store(p, v);
    else vec_store_some(p, v, n);
}

static inline vec param(const float *p, ptrdiff_t i, ptrdiff_t n, float otherwise)
{
    return p ? load(p + i, n) : vec_all(otherwise);
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t d = j->d.d, end = pn_smaller((item + 1) * j->per_item, j->d.rows);
    for (ptrdiff_t row = item * j->per_item; row < end; row++) {
        const float *x = j->x + row * d;
        const pn_moments m = pn_moments_of_run(x, d);
        const double rstd = 1 / sqrt(m.squares[0] / m.count + j->d.eps);
        const float mean = (float)m.mean[0], rest = (float)(m.mean[0] - (double)mean), scale = (float)rstd;
        for (ptrdiff_t i = 0; i < d; i += VLEN) {
            const vec xhat = ((load(x + i, d - i) - mean) - rest) * scale;
            store(j->y + row * d + i, xhat * param(j->p.weight, i, d - i, 1) + param(j->p.bias, i, d - i, 0), d - i);
        }
        j->stats.mean[row] = mean;
        j->stats.rstd[row] = scale;
    }
}

static ptrdiff_t rows_per_item(pn_row_norm_dims d) { return pn_larger(1, PN_CHUNK / 4 / d.d); }

static void rows_fwd(pn_pool *pool, float *y, pn_norm_stats out, const float *x, pn_norm_params p, pn_row_norm_dims d)
{
    job j = { .d = d, .p = p, .stats = out, .y = y, .x = x, .per_item = rows_per_item(d) };
    pn_parallel(pool, (d.rows + j.per_item - 1) / j.per_item, fwd_item, &j);
}

/* ---- Backward -------------------------------------------------------------------------------------------------- */

static ptrdiff_t blocks(pn_row_norm_dims d)
{
    const ptrdiff_t items = (d.rows + rows_per_item(d) - 1) / rows_per_item(d);
    return pn_smaller(items, MOST_BLOCKS);
}

static void add_columns(const job *j, float *columns, ptrdiff_t row)
{
    const ptrdiff_t d = j->d.d;
    const float *x = j->x + row * d, *dy = j->dy + row * d, mean = j->stats.mean[row], rstd = j->stats.rstd[row];
    for (ptrdiff_t i = 0; i < d; i += VLEN) {
        const vec g = load(dy + i, d - i), xhat = (load(x + i, d - i) - mean) * rstd;
        store(columns + i, load(columns + i, d - i) + g * xhat, d - i);
        store(columns + d + i, load(columns + d + i, d - i) + g, d - i);
    }
}

/* Sums over a row of w dy and of w dy xhat: in float for some hundred vectors, then in double. */
typedef struct { double dy, dy_xhat; } sums;

static sums sums_of(const job *j, ptrdiff_t row)
{
    const ptrdiff_t d = j->d.d;
    const float *x = j->x + row * d, *dy = j->dy + row * d, mean = j->stats.mean[row], rstd = j->stats.rstd[row];
    sums s = { 0, 0 };
    for (ptrdiff_t i = 0; i < d;) {
        const ptrdiff_t end = pn_smaller(i + 256 * VLEN, d);
        vec sum = { 0 }, dot = { 0 };
        for (; i + VLEN <= end; i += VLEN) {
            const vec g = vec_load(dy + i) * param(j->p.weight, i, VLEN, 1);
            sum += g;
            dot += g * (vec_load(x + i) - mean);
        }
        if (i < end) {
            const vec g = vec_load_some(dy + i, end - i) * param(j->p.weight, i, end - i, 1);
            sum += g;
            dot += g * (vec_load_some(x + i, end - i) - mean);
        }
        i = end;
        s.dy += (double)vec_sum(sum);
        s.dy_xhat += (double)(vec_sum(dot) * rstd);
    }
    return s;
}

static void row_dx(const job *j, ptrdiff_t row)
{
    const ptrdiff_t d = j->d.d;
    const float *x = j->x + row * d, *dy = j->dy + row * d, mean = j->stats.mean[row], rstd = j->stats.rstd[row];
    const sums s = sums_of(j, row);
    const float of_dy = (float)(s.dy / (double)d), of_xhat = (float)(s.dy_xhat / (double)d);
    float *dx = j->out.x.data + row * d;
    for (ptrdiff_t i = 0; i < d; i += VLEN) {
        const vec g = load(dy + i, d - i) * param(j->p.weight, i, d - i, 1), xhat = (load(x + i, d - i) - mean) * rstd;
        const vec v = rstd * (g - of_dy - xhat * of_xhat);
        store(dx + i, j->out.x.add ? v + load(dx + i, d - i) : v, d - i);
    }
}

static void bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t end = pn_smaller((item + 1) * j->per_item, j->d.rows);
    float *columns = j->columns ? j->columns + item * 2 * j->d.d : NULL;
    if (columns) memset(columns, 0, (size_t)(2 * j->d.d) * sizeof *columns);
    for (ptrdiff_t row = item * j->per_item; row < end; row++) {
        if (columns) add_columns(j, columns, row);
        if (j->out.x.data) row_dx(j, row);              /* last: it may write over dy */
    }
}

static void put_columns(pn_sink s, const float *columns, ptrdiff_t n_blocks, ptrdiff_t d)
{
    for (ptrdiff_t i = 0; s.data && i < d; i++) {
        double sum = s.add ? (double)s.data[i] : 0;
        for (ptrdiff_t b = 0; b < n_blocks; b++) sum += (double)columns[b * 2 * d + i];
        s.data[i] = (float)sum;
    }
}

static void rows_bwd(pn_pool *pool, pn_norm_sinks out, const float *dy, const float *x, pn_norm_stats saved,
                     const float *weight, pn_row_norm_dims d, void *scratch)
{
    job j = { .d = d, .p = { .weight = weight }, .stats = saved, .out = out, .x = x, .dy = dy };
    if (out.weight.data || out.bias.data) j.columns = scratch;
    j.per_item = (d.rows + blocks(d) - 1) / blocks(d);
    const ptrdiff_t items = (d.rows + j.per_item - 1) / j.per_item;
    pn_parallel(pool, items, bwd_item, &j);
    if (!j.columns) return;
    put_columns(out.weight, j.columns, items, d.d);
    put_columns(out.bias, j.columns + d.d, items, d.d);
}

static size_t rows_scratch(pn_row_norm_dims d) { return (size_t)(blocks(d) * 2 * d.d) * sizeof(float); }

void PN_SIMD(pn_simd_row_norm)(pn_kernels *k)
{
    k->norm.rows_fwd = rows_fwd;
    k->norm.rows_bwd = rows_bwd;
    k->norm.rows_scratch = rows_scratch;
}
