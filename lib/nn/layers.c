/* lib/nn/layers.c - layers: named parameters and the ops they are used with */
#include "graph/params.h"

#include <stdio.h>
#include <string.h>

/* ---- Scopes ----------------------------------------------------------------------------------------------------------- */

pn_scope pn_scope_top(pn_params *params, pn_init weights) { return (pn_scope){ .params = params, .weights = weights }; }

static void too_long(pn_params *p, const char *name)
{
    if (p->status) return;
    p->status = pn_fail(p->ctx, PN_ERR_LIMIT, "the name '%.60s…' is longer than %d bytes; use shorter scope names", name,
                        PN_NAME_ROOM - 1);
}

pn_scope pn_scope_in(const pn_scope *s, const char *format, ...)
{
    pn_scope inner = *s;
    const size_t used = strlen(s->name);
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(inner.name + used, sizeof inner.name - used, format, args);
    va_end(args);
    if (n < 0 || used + (size_t)n + 2 > sizeof inner.name) too_long(s->params, inner.name);
    else strcat(inner.name, ".");
    return inner;
}

typedef struct { char text[2 * PN_NAME_ROOM]; } full_name;

static full_name name_in(const pn_scope *s, const char *last)
{
    full_name full;
    snprintf(full.text, sizeof full.text, "%s%s", s->name, last);
    return full;
}

void pn_scope_alias(const pn_scope *s, pn_tensor *t, const char *name)
{
    pn_param_alias(s->params, t, name_in(s, name).text);
}

static pn_tensor *param(const pn_scope *s, const char *name, pn_shape shape, pn_init init)
{
    return pn_param(s->params, name_in(s, name).text, shape, init);
}

static const pn_init zero = { PN_INIT_CONSTANT, 0 }, one = { PN_INIT_CONSTANT, 1 }, unit = { PN_INIT_UNIT, 0 };

static ptrdiff_t groups_of(const pn_conv_opt *opt) { return opt->groups ? opt->groups : 1; }

/* ---- Layers ----------------------------------------------------------------------------------------------------------- */

pn_conv_layer pn_conv_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt)
{
    pn_tensor *weight = param(s, "weight", pn_shape4(out, in / groups_of(&opt), kernel, kernel), s->weights);
    return (pn_conv_layer){ weight, param(s, "bias", pn_shape1(out), zero), opt };
}

pn_tensor *pn_conv_layer_call(pn_graph *g, const pn_conv_layer *l, pn_tensor *x)
{
    return pn_conv2d(g, x, l->weight, l->bias, &l->opt);
}

pn_conv_layer pn_conv_transpose_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt)
{
    pn_tensor *weight = param(s, "weight", pn_shape4(in, out / groups_of(&opt), kernel, kernel), s->weights);
    return (pn_conv_layer){ weight, param(s, "bias", pn_shape1(out), zero), opt };
}

pn_tensor *pn_conv_transpose_layer_call(pn_graph *g, const pn_conv_layer *l, pn_tensor *x)
{
    return pn_conv_transpose2d(g, x, l->weight, l->bias, &l->opt);
}

pn_spectral_conv_layer pn_spectral_conv_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt)
{
    const ptrdiff_t rest = in / groups_of(&opt) * kernel * kernel;
    pn_spectral_conv_layer l = { .opt = opt };
    l.bias = param(s, "bias", pn_shape1(out), zero);
    l.weight_orig = param(s, "weight_orig", pn_shape4(out, in / groups_of(&opt), kernel, kernel), s->weights);
    l.u = pn_state(s->params, name_in(s, "weight_u").text, pn_shape1(out), unit);
    l.v = pn_state(s->params, name_in(s, "weight_v").text, pn_shape1(rest), unit);
    return l;
}

pn_tensor *pn_spectral_conv_layer_call(pn_graph *g, const pn_spectral_conv_layer *l, pn_tensor *x)
{
    pn_tensor *w = pn_spectral_norm(g, l->weight_orig, 0, l->u, l->v, 1e-12);
    return pn_conv2d(g, x, w, l->bias, &l->opt);
}

pn_norm_layer pn_norm_layer_make(const pn_scope *s, ptrdiff_t c)
{
    pn_tensor *weight = param(s, "weight", pn_shape1(c), one);
    return (pn_norm_layer){ weight, param(s, "bias", pn_shape1(c), zero) };
}

pn_tensor *pn_instance_norm_layer_call(pn_graph *g, const pn_norm_layer *l, pn_tensor *x)
{
    return pn_instance_norm(g, x, l->weight, l->bias, 1e-5);
}
