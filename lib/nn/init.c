/* lib/nn/init.c - initial values: each parameter from its own stream, so the order of making does not matter */
#include "graph/params.h"

#include <cblas.h>
#include <math.h>

void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork, int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau, double *work,
             const int *lwork, int *info);

/* Columns of a (tall x thin, column by column) become orthonormal: Q of a = QR with the diagonal of R positive, which makes
 * Q uniform over all such matrices when a is normal (Saxe et al. 2014; Mezzadri 2007). */
static pn_status orthonormalise(pn_ctx *ctx, double *a, int tall, int thin)
{
    const int lwork = 64 * thin;
    double *tau = pn_alloc(ctx, (size_t)thin, sizeof *tau), *work = pn_alloc(ctx, (size_t)lwork, sizeof *work);
    double *sign = pn_alloc(ctx, (size_t)thin, sizeof *sign);
    int info = 0;
    if (tau && work && sign) {
        const int threads = openblas_get_num_threads();
        openblas_set_num_threads(1);                    /* the same bits whatever the machine */
        dgeqrf_(&tall, &thin, a, &tall, tau, work, &lwork, &info);
        for (int i = 0; i < thin; i++) sign[i] = a[(ptrdiff_t)i * tall + i] < 0 ? -1 : 1;
        if (!info) dorgqr_(&tall, &thin, &thin, a, &tall, tau, work, &lwork, &info);
        openblas_set_num_threads(threads);
        for (ptrdiff_t i = 0; i < thin; i++)
            for (ptrdiff_t k = 0; k < tall; k++) a[i * tall + k] *= sign[i];
    }
    const bool ok = tau && work && sign && !info;
    pn_free(ctx, tau);
    pn_free(ctx, work);
    pn_free(ctx, sign);
    return ok ? PN_OK : pn_fail(ctx, PN_ERR_NOMEM, "no memory to orthogonalise %d x %d", tall, thin);
}

static pn_status orthogonal(pn_ctx *ctx, pn_tensor *t, double gain, pn_rng *rng)
{
    const ptrdiff_t rows = t->shape.dim[0], cols = pn_shape_count(t->shape) / rows;
    const ptrdiff_t tall = rows > cols ? rows : cols, thin = rows > cols ? cols : rows;
    if (tall > 1 << 24) return pn_fail(ctx, PN_ERR_LIMIT, "'%s' is too large for an orthogonal start", t->name);
    double *a = pn_alloc(ctx, (size_t)(tall * thin), sizeof *a);
    if (!a) return PN_ERR_NOMEM;
    for (ptrdiff_t i = 0; i < tall * thin; i++) a[i] = pn_rng_normal(rng);
    const pn_status status = orthonormalise(ctx, a, (int)tall, (int)thin);
    for (ptrdiff_t r = 0; !status && r < rows; r++)
        for (ptrdiff_t c = 0; c < cols; c++)
            t->data[r * cols + c] = (pn_real)(gain * (rows > cols ? a[c * tall + r] : a[r * tall + c]));
    pn_free(ctx, a);
    return status;
}

pn_init pn_init_normal_in(pn_init init, double fan_in)
{
    return init.kind == PN_INIT_FAN_IN ? (pn_init){ PN_INIT_NORMAL, init.value / sqrt(fan_in) } : init;
}

static pn_status fill(pn_ctx *ctx, pn_tensor *t, pn_init init, uint64_t seed)
{
    pn_rng rng = pn_rng_named(seed, t->name);
    const ptrdiff_t n = pn_shape_count(t->shape);
    double squares = 0;
    switch (init.kind) {
    case PN_INIT_CONSTANT:
        for (ptrdiff_t i = 0; i < n; i++) t->data[i] = (pn_real)init.value;
        break;
    case PN_INIT_NORMAL:
        for (ptrdiff_t i = 0; i < n; i++) t->data[i] = (pn_real)(init.value * pn_rng_normal(&rng));
        break;
    case PN_INIT_UNIFORM:
        for (ptrdiff_t i = 0; i < n; i++) t->data[i] = (pn_real)(init.value * (2 * pn_rng_uniform(&rng) - 1));
        break;
    case PN_INIT_UNIT:
        for (ptrdiff_t i = 0; i < n; i++) {
            t->data[i] = (pn_real)pn_rng_normal(&rng);
            squares += (double)t->data[i] * (double)t->data[i];
        }
        for (ptrdiff_t i = 0; i < n; i++) t->data[i] = (pn_real)((double)t->data[i] / sqrt(squares));
        break;
    case PN_INIT_FAN_IN: return fill(ctx, t, pn_init_normal_in(init, (double)(n / t->shape.dim[0])), seed);
    case PN_INIT_ORTHOGONAL: {
        const pn_status status = orthogonal(ctx, t, init.value, &rng);
        if (status) return status;
        break;
    }
    }
    t->version++;
    return PN_OK;
}

pn_status pn_params_init_rest(pn_params *p, uint64_t seed)
{
    if (!p) return PN_ERR_ARG;
    if (p->status) return p->status;
    for (int i = 0; i < p->count; i++) {
        pn_param_entry *e = &p->entry[i];
        const pn_status status = e->has_value ? PN_OK : fill(p->ctx, e->tensor, e->init, seed);
        if (status) return status;
        e->has_value = true;
    }
    return PN_OK;
}

pn_status pn_params_init(pn_params *p, uint64_t seed)
{
    for (int i = 0; p && i < p->count; i++) p->entry[i].has_value = false;
    return pn_params_init_rest(p, seed);
}
