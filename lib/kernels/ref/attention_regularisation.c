/* lib/kernels/ref/attention_regularisation.c - the flow regularisation's meaning: what an affine map leaves of a patch
 *
 * With rows and columns counted from the patch's centre, [row, column, 1] are orthogonal; so the best affine map has
 * the mean and two slopes, each a sum of its own, and p^T Q p is the sum of the squares of what is left.
 */
#include "kernels/ref/attention.h"

typedef struct {
    pn_map m;
    ptrdiff_t k, rows, columns;     /* patches: rows x columns per plane */
    const pn_real *flow;
    double *energy;                 /* [N,2,rows] */
    pn_sink dflow;
    double dloss;
} job;

static job make(pn_map m, ptrdiff_t k, const pn_real *flow)
{
    return (job){ .m = m, .k = k, .rows = m.h - k + 1, .columns = m.w - k + 1, .flow = flow };
}

typedef struct { double mean, down, right; } affine;

static double from_centre(const job *j, ptrdiff_t i) { return (double)i - 0.5 * (double)(j->k - 1); }

static double at(const job *j, ptrdiff_t plane, ptrdiff_t y, ptrdiff_t x)
{
    return (double)j->flow[(plane * j->m.h + y) * j->m.w + x];
}

static affine fit(const job *j, ptrdiff_t plane, ptrdiff_t y, ptrdiff_t x)
{
    affine f = { 0 };
    double squares = 0;
    for (ptrdiff_t i = 0; i < j->k; i++) {
        squares += from_centre(j, i) * from_centre(j, i) * (double)j->k;
        for (ptrdiff_t l = 0; l < j->k; l++) {
            const double v = at(j, plane, y + i, x + l);
            f.mean += v / (double)(j->k * j->k);
            f.down += v * from_centre(j, i);
            f.right += v * from_centre(j, l);
        }
    }
    f.down /= squares;
    f.right /= squares;
    return f;
}

static double left_over(const job *j, ptrdiff_t plane, ptrdiff_t y, ptrdiff_t x, affine f, ptrdiff_t i, ptrdiff_t l)
{
    return at(j, plane, y + i, x + l) - f.mean - f.down * from_centre(j, i) - f.right * from_centre(j, l);
}

static void energy_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t plane = item / j->rows, y = item % j->rows;
    double sum = 0;
    for (ptrdiff_t x = 0; x < j->columns; x++) {
        const affine f = fit(j, plane, y, x);
        for (ptrdiff_t t = 0; t < j->k * j->k; t++) {
            const double left = left_over(j, plane, y, x, f, t / j->k, t % j->k);
            sum += left * left;
        }
    }
    j->energy[item] = sum;
}

static pn_attention_scratch regularisation_scratch(pn_map m, ptrdiff_t k)
{
    return (pn_attention_scratch){ (size_t)(m.n * 2 * (m.h - k + 1)) * sizeof(double), 0 };
}

static void regularisation_fwd(pn_pool *pool, pn_real *loss, const pn_real *flow, pn_map m, ptrdiff_t k, void *scratch)
{
    job j = make(m, k, flow);
    j.energy = scratch;
    pn_parallel(pool, m.n * 2 * j.rows, energy_row, &j);
    double sum = 0;
    for (ptrdiff_t i = 0; i < m.n * 2 * j.rows; i++) sum += j.energy[i];
    loss[0] = (pn_real)(sum / (double)(m.n * j.rows * j.columns));
}

/* One row of one plane: d p^T Q p / d p = 2 Q p, from all patches around each pixel. */
static void gradient_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t plane = item / j->m.h, y = item % j->m.h;
    const double scale = 2 * j->dloss / (double)(j->m.n * j->rows * j->columns);
    for (ptrdiff_t x = 0; x < j->m.w; x++) {
        double sum = 0;
        for (ptrdiff_t t = 0; t < j->k * j->k; t++) {
            const ptrdiff_t py = y - t / j->k, px = x - t % j->k;
            if (py < 0 || py >= j->rows || px < 0 || px >= j->columns) continue;
            sum += left_over(j, plane, py, px, fit(j, plane, py, px), t / j->k, t % j->k);
        }
        const ptrdiff_t i = item * j->m.w + x;
        j->dflow.data[i] = pn_ref_into(j->dflow, i, scale * sum);
    }
}

static void regularisation_bwd(pn_pool *pool, pn_sink dflow, const pn_real *dloss, const pn_real *flow, pn_map m,
                               ptrdiff_t k, void *scratch)
{
    (void)scratch;
    job j = make(m, k, flow);
    j.dflow = dflow;
    j.dloss = (double)dloss[0];
    pn_parallel(pool, m.n * 2 * m.h, gradient_row, &j);
}

void pn_ref_add_regularisation(pn_attention_kernels *k)
{
    k->regularisation_scratch = regularisation_scratch;
    k->regularisation_fwd = regularisation_fwd;
    k->regularisation_bwd = regularisation_bwd;
}
