/* models/face.c - what every model does alike: parts, plans, optimisers, losses that must be finite, views */
#include "face.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

pn_params *pn_model_part(pn_model *m, const char *prefix)
{
    pn_params *p = pn_params_new(m->ctx);
    if (p) m->part[m->parts++] = (pn_part){ .prefix = prefix, .params = p };
    return p;
}

/* ---- Options --------------------------------------------------------------------------------------------------------- */

pn_status pn_model_ints(const pn_model *m, const pn_int_option o[], size_t n)
{
    pn_status status = PN_OK;
    for (size_t i = 0; !status && i < n; i++) status = pn_model_int(m, o[i].key, o[i].least, o[i].most, o[i].to);
    return status;
}

pn_status pn_model_reals(const pn_model *m, const pn_real_option o[], size_t n)
{
    pn_status status = PN_OK;
    for (size_t i = 0; !status && i < n; i++) status = pn_model_real(m, o[i].key, o[i].to);
    return status;
}

static pn_status word(const pn_model *m, const pn_word_option *o)
{
    enum { WORDS = sizeof o->word / sizeof *o->word };
    const char *value = pn_model_get(m, o->key);
    char among[128] = "";
    for (int i = 0; i < WORDS && o->word[i]; i++) {
        *o->to = i;
        if (strcmp(value, o->word[i]) == 0) return PN_OK;
        snprintf(among + strlen(among), sizeof among - strlen(among), "%s%s", i ? ", " : "", o->word[i]);
    }
    return pn_ctx_fail(m->ctx, PN_ERR_ARG, "the option %s=%s is not one of %s", o->key, value, among);
}

pn_status pn_model_words(const pn_model *m, const pn_word_option o[], size_t n)
{
    pn_status status = PN_OK;
    for (size_t i = 0; !status && i < n; i++) status = word(m, &o[i]);
    return status;
}

bool pn_weights_have(const pn_weights *w, const char *name) { return pn_weights_shape(w, name).rank > 0; }

void pn_model_take_notes(pn_model *m, const pn_weights *w)
{
    const pn_model_option *o = m->kind->options;
    for (int i = 0; o[i].key; i++) {
        const char *said = pn_weights_note(w, o[i].key);
        if (said && *said && strlen(said) < PN_OPTION_ROOM && !strpbrk(said, " \t\r\n")) pn_model_put(m, o[i].key, "%s", said);
    }
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

pn_status pn_training_vgg19(pn_training *t, int narrow, pn_params **params, pn_vgg19 *vgg)
{
    pn_ctx *ctx = t->model->ctx;
    if (!t->opt.vgg19) return PN_OK;
    *params = pn_vgg19_open(ctx, t->opt.vgg19, narrow, !t->model->said_vgg19, vgg);
    t->model->said_vgg19 = true;
    return *params ? PN_OK : pn_ctx_status(ctx);
}

pn_tensor *pn_terms_total(pn_graph *g, pn_tensor *const term[], const double weight[], int n)
{
    pn_tensor *there[PN_MAX_LOSSES];
    double by[PN_MAX_LOSSES];
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (!term[i]) continue;
        pn_output(g, term[i], PN_CONST);
        there[count] = term[i];
        by[count++] = weight[i];
    }
    pn_tensor *total = pn_weighted_sum(g, there, by, count);
    pn_output(g, total, PN_CONST);
    return total;
}

double pn_warm_up(double from, double to, double share) { return from * pow(to / from, share < 1 ? share : 1); }

pn_status pn_training_optimiser(pn_training *t, int part, double lr)
{
    pn_model *m = t->model;
    double beta1, keep;
    pn_status status = pn_model_real(m, "beta1", &beta1);
    if (!status) status = pn_model_real(m, "ema", &keep);
    if (status) return status;
    const pn_adam_opt opt = { .lr = lr, .beta1 = beta1, .beta2 = 0.999, .eps = 1e-8, .keep = part == 0 ? keep : 0 };
    t->lr[part] = lr;
    t->adam[part] = m->part[part].adam;
    if (t->adam[part])
        pn_adam_set_lr(t->adam[part], lr);
    else if (!(t->adam[part] = pn_adam_new(m->part[part].params, opt)))
        return pn_ctx_status(m->ctx);
    if (m->face->keeps_moments) m->part[part].adam = t->adam[part];
    return PN_OK;
}

pn_status pn_training_optimisers(pn_training *t, const char *rate, int g, int d)
{
    double lr = t->opt.lr, ratio;
    pn_status status = lr > 0 ? PN_OK : pn_model_real(t->model, rate, &lr);
    if (!status) status = pn_model_real(t->model, "ratio_g2d", &ratio);
    if (!status) status = pn_training_optimiser(t, g, lr);
    return status || d < 0 ? status : pn_training_optimiser(t, d, lr * ratio);
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
