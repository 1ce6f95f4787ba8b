/* lib/metrics/frechet.c - Gaussians fitted to samples, and the Frechet distance between two; contract in posenet/metrics.h */
#include "metrics/inside.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork,
            int *info);
void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *info);

struct pn_gaussian {
    pn_ctx *ctx;
    int numbers;
    ptrdiff_t samples;
    double *mean, *off;             /* [numbers]; off: of the newest sample from the mean before it */
    double *spread;                 /* [numbers,numbers], sum (x - mean)(x - mean)^T; of its halves the lower one */
};

pn_gaussian *pn_gaussian_new(pn_ctx *ctx, ptrdiff_t numbers)
{
    enum { MOST = 4096 };
    if (numbers < 1 || numbers > MOST) {
        pn_fail(ctx, PN_ERR_ARG, "pn_gaussian_new: samples of %td numbers, expected 1 to %d; pool them first", numbers, MOST);
        return NULL;
    }
    pn_gaussian *g = pn_alloc(ctx, 1, sizeof *g);
    if (!g) return NULL;
    *g = (pn_gaussian){ .ctx = ctx, .numbers = (int)numbers };
    g->mean = pn_alloc(ctx, (size_t)numbers, sizeof *g->mean);
    g->off = pn_alloc(ctx, (size_t)numbers, sizeof *g->off);
    g->spread = pn_alloc(ctx, (size_t)(numbers * numbers), sizeof *g->spread);
    if (g->mean && g->off && g->spread) return g;
    pn_gaussian_free(g);
    return NULL;
}

void pn_gaussian_free(pn_gaussian *g)
{
    if (!g) return;
    pn_free(g->ctx, g->mean);
    pn_free(g->ctx, g->off);
    pn_free(g->ctx, g->spread);
    pn_free(g->ctx, g);
}

/* One sample at a time (Welford 1962): no list of them is kept, and no large sums cancel. */
void pn_gaussian_add(pn_gaussian *g, const double *sample)
{
    const double n = (double)++g->samples, share = (n - 1) / n;
    for (int i = 0; i < g->numbers; i++) {
        g->off[i] = sample[i] - g->mean[i];
        g->mean[i] += g->off[i] / n;
    }
    for (ptrdiff_t i = 0; i < g->numbers; i++)
        for (ptrdiff_t k = 0; k <= i; k++) g->spread[i * g->numbers + k] += share * g->off[i] * g->off[k];
}

/* ---- Between two -------------------------------------------------------------------------------------------------- */

typedef struct { double *root[2], *product, *values, *work; int n, lwork; } scratch;

/* LAPACK says nothing of what it does with NaN. */
static bool finite(const pn_gaussian *g)
{
    double sum = 0;                 /* 0 times what is not finite is NaN */
    for (ptrdiff_t i = 0; i < g->numbers; i++) {
        sum += 0 * g->mean[i];
        for (ptrdiff_t k = 0; k <= i; k++) sum += 0 * g->spread[i * g->numbers + k];
    }
    return sum == 0;
}

/* root = V L^(1/2) of C = V L V^T, column by column; *trace is C's. Rows of the spread are LAPACK's columns: its upper half. */
static bool factor(const pn_gaussian *g, scratch *s, double *root, double *trace)
{
    const ptrdiff_t n = s->n;
    int info = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t k = 0; k <= i; k++) root[i * n + k] = g->spread[i * n + k] / (double)(g->samples - 1);
    for (ptrdiff_t i = 0; i < n; i++) *trace += root[i * n + i];
    dsyev_("V", "U", &s->n, root, &s->n, s->values, s->work, &s->lwork, &info);
    for (ptrdiff_t i = 0; i < n; i++) {
        const double by = s->values[i] > 0 ? sqrt(s->values[i]) : 0;    /* rounding makes zeros negative */
        for (ptrdiff_t k = 0; k < n; k++) root[i * n + k] *= by;
    }
    return info == 0;
}

/* tr (C1 C2)^(1/2) is the sum of the singular values of C1^(1/2) C2^(1/2), and turning by V1^T and V2 leaves them as they are. Singular
 * values lose no digits where covariances of few samples are singular; square roots of eigenvalues would lose half. */
static bool distance_in(const pn_gaussian *a, const pn_gaussian *b, scratch *s, double *out)
{
    const int n = s->n, one = 1;
    double apart = 0, trace = 0, common = 0;
    int info = 0;
    if (!factor(a, s, s->root[0], &trace) || !factor(b, s, s->root[1], &trace)) return false;
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, n, n, n, 1, s->root[0], n, s->root[1], n, 0, s->product, n);
    dgesvd_("N", "N", &n, &n, s->product, &n, s->values, NULL, &one, NULL, &one, s->work, &s->lwork, &info);
    for (int i = 0; i < n; i++) {
        apart += (a->mean[i] - b->mean[i]) * (a->mean[i] - b->mean[i]);
        common += s->values[i];
    }
    *out = apart + (trace - 2 * common);
    if (*out < 0) *out = 0;         /* by rounding alone */
    return info == 0;
}

pn_status pn_frechet_distance(const pn_gaussian *a, const pn_gaussian *b, double *out)
{
    pn_ctx *ctx = a->ctx;
    if (a->numbers != b->numbers)
        return pn_fail(ctx, PN_ERR_SHAPE, "pn_frechet_distance: samples of %d and of %d numbers; fit both to the same features",
                       a->numbers, b->numbers);
    *out = NAN;
    if (a->samples < 2 || b->samples < 2 || !finite(a) || !finite(b)) return PN_OK;
    const size_t n = (size_t)a->numbers, square = n * n;
    scratch s = { .n = a->numbers, .lwork = 66 * a->numbers };
    double **const parts[] = { &s.root[0], &s.root[1], &s.product, &s.values, &s.work };
    const size_t sizes[] = { square, square, square, n, 66 * n };
    bool room = true, found = false;
    for (int i = 0; i < 5; i++) room = (*parts[i] = pn_alloc(ctx, sizes[i], sizeof(double))) && room;
    if (room) {
        const int threads = openblas_get_num_threads();
        openblas_set_num_threads(1);                    /* the same bits whatever the machine */
        found = distance_in(a, b, &s, out);
        openblas_set_num_threads(threads);
    }
    for (int i = 0; i < 5; i++) pn_free(ctx, *parts[i]);
    if (!room) return PN_ERR_NOMEM;
    if (!found) *out = NAN;
    return PN_OK;
}
