/* models/face.c - what every model does alike: parts, plans, optimisers, losses that must be finite, views */
#include "face.h"

#include <math.h>

pn_params *pn_model_part(pn_model *m, const char *prefix)
{
    pn_params *p = pn_params_new(m->ctx);
    if (p) m->part[m->parts++] = (pn_part){ .prefix = prefix, .params = p };
    return p;
}

/* ---- Training -------------------------------------------------------------------------------------------------------- */

pn_status pn_training_plan(pn_training *t, pn_plan **plan, pn_graph *g, pn_plan_opt opt)
{
    opt.recompute = t->opt.recompute;
    if (!t->memory && !(t->memory = pn_memory_new(t->model->ctx))) return PN_ERR_NOMEM;
    opt.memory = t->memory;
    *plan = pn_plan_new(g, &opt);
    if (!*plan) return pn_ctx_status(t->model->ctx);
    const pn_plan_stats stats = pn_plan_describe(*plan);
    t->bytes += stats.arena_bytes - stats.shared_bytes;
    return PN_OK;
}

pn_status pn_training_optimisers(pn_training *t, const char *rate, int g, int d)
{
    pn_model *m = t->model;
    double lr = t->opt.lr, ratio, beta1;
    pn_status status = lr > 0 ? PN_OK : pn_model_real(m, rate, &lr);
    if (!status) status = pn_model_real(m, "ratio_g2d", &ratio);
    if (!status) status = pn_model_real(m, "beta1", &beta1);
    if (status) return status;
    const int parts[] = { g, d };
    for (int i = 0; i < 2 && parts[i] >= 0; i++) {
        const int part = parts[i];
        t->lr[part] = i ? lr * ratio : lr;
        const pn_adam_opt opt = { .lr = t->lr[part], .beta1 = beta1, .beta2 = 0.999, .eps = 1e-8 };
        t->adam[part] = m->part[part].adam;
        if (t->adam[part])
            pn_adam_set_lr(t->adam[part], opt.lr);
        else if (!(t->adam[part] = pn_adam_new(m->part[part].params, opt)))
            return pn_ctx_status(m->ctx);
        if (m->kind->face->keeps_moments) m->part[part].adam = t->adam[part];
    }
    return PN_OK;
}

pn_status pn_training_finite(const pn_training *t, const char *loss, double v)
{
    if (isfinite(v)) return PN_OK;
    return pn_ctx_fail(t->model->ctx, PN_ERR_NONFINITE,
                       "the loss '%s' is %s; lower the learning rate, or look at the last batch", loss,
                       isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

double pn_plan_scalar(const pn_plan *p, const pn_tensor *t)
{
    pn_real v = 0;
    pn_get(p, t, &v);
    return (double)v;
}

/* ---- Generation ------------------------------------------------------------------------------------------------------ */

void pn_generation_show(pn_generation *gen, const char *name, pn_view_kind kind, pn_tensor *t)
{
    if (!t) return;
    pn_output(gen->graph, t, PN_CONST);
    gen->view_tensor[gen->views] = t;
    gen->view[gen->views++] = (pn_view){ name, kind, pn_tensor_shape(t) };
}
