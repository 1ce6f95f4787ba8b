/* lib/nn/adam.c - Adam: moments and averages beside the parameters, one kernel call per parameter and array */
#include "graph/params.h"

#include <math.h>

typedef struct { pn_real *m, *v, *average; int64_t steps; } moments;
struct pn_adam { pn_params *params; pn_adam_opt opt; moments *of; int count; };

pn_adam *pn_adam_new(pn_params *p, pn_adam_opt opt)
{
    if (!p || p->status) return NULL;
    if (!(opt.lr > 0) || opt.beta1 < 0 || opt.beta1 >= 1 || opt.beta2 < 0 || opt.beta2 >= 1 || !(opt.eps > 0) || !(opt.keep >= 0 && opt.keep < 1)) {
        pn_fail(p->ctx, PN_ERR_ARG, "pn_adam_new: lr %g, beta1 %g, beta2 %g, eps %g, keep %g; expected lr and eps above 0, betas and "
                "keep in [0, 1)", opt.lr, opt.beta1, opt.beta2, opt.eps, opt.keep);
        return NULL;
    }
    pn_adam *a = pn_alloc(p->ctx, 1, sizeof *a);
    if (!a) return NULL;
    *a = (pn_adam){ .params = p, .opt = opt, .of = pn_alloc(p->ctx, (size_t)p->count, sizeof *a->of), .count = p->count };
    for (int i = 0; a->of && i < p->count; i++) {
        if (p->entry[i].tensor->kind != PN_TENSOR_PARAM) continue;
        const size_t n = (size_t)pn_shape_count(p->entry[i].tensor->shape);
        a->of[i].m = pn_alloc(p->ctx, n, sizeof(pn_real));
        a->of[i].v = pn_alloc(p->ctx, n, sizeof(pn_real));
        if (opt.keep > 0) a->of[i].average = pn_alloc(p->ctx, n, sizeof(pn_real));
        if (a->of[i].m && a->of[i].v && (a->of[i].average || opt.keep == 0)) continue;
        pn_adam_free(a);
        return NULL;
    }
    if (a->of) return a;
    pn_adam_free(a);
    return NULL;
}

void pn_adam_free(pn_adam *a)
{
    if (!a) return;
    pn_ctx *ctx = a->params->ctx;
    for (int i = 0; a->of && i < a->count; i++) {
        pn_free(ctx, a->of[i].m);
        pn_free(ctx, a->of[i].v);
        pn_free(ctx, a->of[i].average);
    }
    pn_free(ctx, a->of);
    pn_free(ctx, a);
}

void pn_adam_set_lr(pn_adam *a, double lr) { a->opt.lr = lr; }

/* The first step's average is the parameter itself. */
static double kept(const pn_adam *a, double step)
{
    const double early = (step - 1) / (step + 9);
    return early < a->opt.keep ? early : a->opt.keep;
}

pn_status pn_adam_step(pn_adam *a)
{
    if (!a) return PN_ERR_ARG;
    pn_params *p = a->params;
    const pn_kernels *k = pn_ctx_kernels(p->ctx);
    for (int i = 0; i < a->count; i++) {
        const pn_tensor *t = p->entry[i].tensor;
        if (t->has_grad && !k->optim.finite(pn_ctx_pool(p->ctx), t->grad, pn_shape_count(t->shape)))
            return pn_fail(p->ctx, PN_ERR_NONFINITE, "pn_adam_step: the gradient of '%s' holds NaN or Inf; nothing was changed; "
                           "lower the learning rate or look at the last batch", t->name);
    }
    for (int i = 0; i < a->count; i++) {
        pn_tensor *t = p->entry[i].tensor;
        if (!t->has_grad) continue;
        moments *s = &a->of[i];
        const double steps = (double)++s->steps;
        const pn_adam_dims d = { .rate = a->opt.lr / (1 - pow(a->opt.beta1, steps)), .beta1 = a->opt.beta1, .beta2 = a->opt.beta2,
                                 .eps = a->opt.eps, .root = sqrt(1 - pow(a->opt.beta2, steps)) };
        k->optim.adam(pn_ctx_pool(p->ctx), t->data, s->m, s->v, t->grad, d, pn_shape_count(t->shape));
        if (s->average) k->optim.average(pn_ctx_pool(p->ctx), s->average, t->data, kept(a, steps), pn_shape_count(t->shape));
        t->has_grad = false;
        t->version++;
    }
    return PN_OK;
}

pn_real *pn_adam_moment1(pn_adam *a, const pn_tensor *t) { return a->of[t->index].m; }
pn_real *pn_adam_moment2(pn_adam *a, const pn_tensor *t) { return a->of[t->index].v; }
int64_t *pn_adam_steps(pn_adam *a, const pn_tensor *t) { return &a->of[t->index].steps; }
pn_real *pn_adam_average(pn_adam *a, const pn_tensor *t) { return a->of[t->index].average; }

void pn_adam_swap_averages(pn_adam *a)
{
    for (int i = 0; i < a->count; i++) {
        pn_tensor *t = a->params->entry[i].tensor;
        const moments *s = &a->of[i];
        if (!s->average || !s->steps) continue;
        for (ptrdiff_t k = 0, n = pn_shape_count(t->shape); k < n; k++) {
            const pn_real held = t->data[k];
            t->data[k] = s->average[k];
            s->average[k] = held;
        }
        t->version++;
    }
}
