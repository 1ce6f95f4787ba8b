/* simd/attention_regularisation.c - the flow regularisation, patch rows at a time
 *
 * Every loop over p is over neighbouring patches with one tap fixed, which the compiler turns into vectors as it
 * stands. Rows and columns are counted from a patch's centre, so the best affine map has the mean and two slopes.
 */
#include "kernels/simd/attention.h"

typedef struct {
    pn_map m;
    ptrdiff_t k, rows, columns;     /* patches: rows x columns per plane */
    const float *flow;
    double *energy;                 /* forward: per row of patches */
    float *line;                    /* [N,2,rows][LINES][columns]: every patch's affine map; forward: its energy */
    float *sum;                     /* backward: [N,2,H,W] */
    pn_sink dflow;
    float scale;
} job;

enum { MEAN, DOWN, RIGHT, LEFT, LINES };

static ptrdiff_t floats_in_lines(pn_map m, ptrdiff_t k)
{
    return round_up(m.n * 2 * (m.h - k + 1) * LINES * (m.w - k + 1), PN_BLOCK);
}

static job make(pn_map m, ptrdiff_t k, const float *flow, void *scratch)
{
    job j = { .m = m, .k = k, .rows = m.h - k + 1, .columns = m.w - k + 1, .flow = flow, .line = scratch };
    j.sum = j.line + floats_in_lines(m, k);
    j.energy = (double *)(void *)j.sum;                 /* one in forward, the other in backward */
    return j;
}

static float from_centre(const job *j, ptrdiff_t i) { return (float)i - 0.5f * (float)(j->k - 1); }

/* The affine maps of one row of patches. */
static void fit_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    float *restrict mean = j->line + item * LINES * j->columns, *restrict down = mean + j->columns;
    float *restrict right = down + j->columns;
    const float *first = j->flow + (item / j->rows * j->m.h + item % j->rows) * j->m.w;
    memset(mean, 0, (size_t)(3 * j->columns) * sizeof *mean);
    float squares = 0;
    for (ptrdiff_t i = 0; i < j->k; i++) squares += from_centre(j, i) * from_centre(j, i) * (float)j->k;
    const float share = 1 / (float)(j->k * j->k);
    for (ptrdiff_t t = 0; t < j->k * j->k; t++) {
        const float *row = first + t / j->k * j->m.w + t % j->k;
        const float y = from_centre(j, t / j->k) / squares, x = from_centre(j, t % j->k) / squares;
        for (ptrdiff_t p = 0; p < j->columns; p++) {
            mean[p] += row[p] * share;
            down[p] += row[p] * y;
            right[p] += row[p] * x;
        }
    }
}

static void energy_row(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    fit_row(arg, item, worker);
    const float *mean = j->line + item * LINES * j->columns, *down = mean + j->columns, *right = down + j->columns;
    const float *first = j->flow + (item / j->rows * j->m.h + item % j->rows) * j->m.w;
    float *restrict energy = j->line + (item * LINES + LEFT) * j->columns;
    memset(energy, 0, (size_t)j->columns * sizeof *energy);
    for (ptrdiff_t t = 0; t < j->k * j->k; t++) {
        const float *row = first + t / j->k * j->m.w + t % j->k;
        const float y = from_centre(j, t / j->k), x = from_centre(j, t % j->k);
        for (ptrdiff_t p = 0; p < j->columns; p++) {
            const float left = row[p] - mean[p] - y * down[p] - x * right[p];
            energy[p] += left * left;
        }
    }
    double sum = 0;
    for (ptrdiff_t p = 0; p < j->columns; p++) sum += (double)energy[p];
    j->energy[item] = sum;
}

static pn_attention_scratch regularisation_scratch(pn_map m, ptrdiff_t k)
{
    const size_t lines = (size_t)floats_in_lines(m, k) * sizeof(float);
    return (pn_attention_scratch){ lines + (size_t)(m.n * 2 * (m.h - k + 1)) * sizeof(double),
                                   lines + (size_t)(m.n * 2 * m.h * m.w) * sizeof(float) };
}

static void regularisation_fwd(pn_pool *pool, pn_real *loss, const pn_real *flow, pn_map m, ptrdiff_t k, void *scratch)
{
    job j = make(m, k, flow, scratch);
    pn_parallel(pool, m.n * 2 * j.rows, energy_row, &j);
    double sum = 0;
    for (ptrdiff_t i = 0; i < m.n * 2 * j.rows; i++) sum += j.energy[i];
    loss[0] = (float)(sum / (double)(m.n * j.rows * j.columns));
}

/* One row of a plane: what the affine maps leave of each pixel, summed over the patches around it. */
static void gradient_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t plane = item / j->m.h, y = item % j->m.h, w = j->m.w;
    const float *row = j->flow + item * w;
    float *restrict sum = j->sum + item * w;
    memset(sum, 0, (size_t)w * sizeof *sum);
    for (ptrdiff_t t = 0; t < j->k * j->k; t++) {
        const ptrdiff_t patch = y - t / j->k, l = t % j->k;
        if (patch < 0 || patch >= j->rows) continue;
        const float *mean = j->line + (plane * j->rows + patch) * LINES * j->columns;
        const float *down = mean + j->columns, *right = down + j->columns;
        const float fy = from_centre(j, t / j->k), fx = from_centre(j, l);
        for (ptrdiff_t p = 0; p < j->columns; p++) sum[p + l] += row[p + l] - mean[p] - fy * down[p] - fx * right[p];
    }
    float *to = j->dflow.data + item * w;
    for (ptrdiff_t x = 0; x < w; x++) to[x] = (j->dflow.add ? to[x] : 0) + j->scale * sum[x];
}

static void regularisation_bwd(pn_pool *pool, pn_sink dflow, const pn_real *dloss, const pn_real *flow, pn_map m,
                               ptrdiff_t k, void *scratch)
{
    job j = make(m, k, flow, scratch);
    j.dflow = dflow;
    j.scale = 2 * dloss[0] / (float)(m.n * j.rows * j.columns);
    pn_parallel(pool, m.n * 2 * j.rows, fit_row, &j);
    pn_parallel(pool, m.n * 2 * m.h, gradient_row, &j);
}

void PN_SIMD(pn_simd_regularisation)(pn_attention_kernels *k)
{
    k->regularisation_scratch = regularisation_scratch;
    k->regularisation_fwd = regularisation_fwd;
    k->regularisation_bwd = regularisation_bwd;
}
