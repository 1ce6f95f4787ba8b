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

pn_tensor *pn_scope_param(const pn_scope *s, const char *name, pn_shape shape, pn_init init)
{
    return pn_param(s->params, name_in(s, name).text, shape, init);
}

pn_tensor *pn_scope_state(const pn_scope *s, const char *name, pn_shape shape, pn_init init)
{
    return pn_state(s->params, name_in(s, name).text, shape, init);
}

static const pn_init zero = { PN_INIT_CONSTANT, 0 }, one = { PN_INIT_CONSTANT, 1 }, unit = { PN_INIT_UNIT, 0 };

static ptrdiff_t groups_of(const pn_conv_opt *opt) { return opt->groups ? opt->groups : 1; }

/* ---- Convolutions ----------------------------------------------------------------------------------------------------- */

static double strides_of(const pn_conv_opt *opt)
{
    return (double)(opt->stride[0] ? opt->stride[0] : 1) * (double)(opt->stride[1] ? opt->stride[1] : 1);
}

static pn_conv_layer make(const pn_scope *s, const char *weight, pn_shape shape, ptrdiff_t out, const pn_conv_layer *kind)
{
    pn_conv_layer l = *kind;
    const double taps = (double)(shape.dim[2] * shape.dim[3]);
    const double fan = kind->transposed ? (double)(shape.dim[0] / groups_of(&kind->opt)) * taps / strides_of(&kind->opt)
                                        : (double)shape.dim[1] * taps;
    l.weight = pn_scope_param(s, weight, shape, pn_init_normal_in(s->weights, fan));
    l.bias = pn_scope_param(s, "bias", pn_shape1(out), zero);
    return l;
}

static pn_shape plain_shape(ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, const pn_conv_opt *opt)
{
    return pn_shape4(out, in / groups_of(opt), kernel, kernel);
}

static pn_shape transposed_shape(ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, const pn_conv_opt *opt)
{
    return pn_shape4(in, out / groups_of(opt), kernel, kernel);
}

pn_conv_layer pn_conv_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt)
{
    return make(s, "weight", plain_shape(in, out, kernel, &opt), out, &(pn_conv_layer){ .opt = opt });
}

pn_conv_layer pn_conv_transpose_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt)
{
    return make(s, "weight", transposed_shape(in, out, kernel, &opt), out, &(pn_conv_layer){ .opt = opt, .transposed = true });
}

/* rest: of the weight's matrix, whose rows are the output channels */
static pn_conv_layer make_spectral(const pn_scope *s, pn_shape shape, ptrdiff_t out, ptrdiff_t rest, const pn_conv_layer *kind)
{
    pn_conv_layer l = make(s, "weight_orig", shape, out, kind);
    l.u = pn_scope_state(s, "weight_u", pn_shape1(out), unit);
    l.v = pn_scope_state(s, "weight_v", pn_shape1(rest), unit);
    return l;
}

pn_conv_layer pn_spectral_conv_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt)
{
    const ptrdiff_t rest = in / groups_of(&opt) * kernel * kernel;
    return make_spectral(s, plain_shape(in, out, kernel, &opt), out, rest, &(pn_conv_layer){ .opt = opt });
}

pn_conv_layer pn_spectral_conv_transpose_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt)
{
    return make_spectral(s, transposed_shape(in, out, kernel, &opt), out, in * kernel * kernel,
                         &(pn_conv_layer){ .opt = opt, .transposed = true });
}

pn_conv_layer pn_conv_layer_at(const pn_scope *s, const char *name, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return pn_conv_layer_make(&at, in, out, kernel, opt);
}

pn_tensor *pn_conv_layer_weight(pn_graph *g, const pn_conv_layer *l)
{
    return l->u ? pn_spectral_norm(g, l->weight, l->transposed, l->u, l->v, 1e-12) : l->weight;
}

pn_tensor *pn_conv_layer_call(pn_graph *g, const pn_conv_layer *l, pn_tensor *x)
{
    pn_tensor *w = pn_conv_layer_weight(g, l);
    return l->transposed ? pn_conv_transpose2d(g, x, w, l->bias, &l->opt) : pn_conv2d(g, x, w, l->bias, &l->opt);
}

/* ---- Norms ------------------------------------------------------------------------------------------------------------ */

pn_norm_layer pn_norm_layer_make(const pn_scope *s, ptrdiff_t c)
{
    pn_tensor *weight = pn_scope_param(s, "weight", pn_shape1(c), one);
    return (pn_norm_layer){ weight, pn_scope_param(s, "bias", pn_shape1(c), zero) };
}

pn_norm_layer pn_norm_layer_at(const pn_scope *s, const char *name, ptrdiff_t c)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return pn_norm_layer_make(&at, c);
}

pn_tensor *pn_instance_norm_layer_call(pn_graph *g, const pn_norm_layer *l, pn_tensor *x)
{
    return pn_instance_norm(g, x, l->weight, l->bias, 1e-5);
}
