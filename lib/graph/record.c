/* lib/graph/record.c - describing a pass: nodes in order, shapes checked at each call, the first failure kept */
#include "graph/graph.h"
#include "ops/op.h"

#include <stdio.h>
#include <string.h>

pn_graph *pn_graph_new(pn_ctx *ctx)
{
    pn_graph *g = pn_alloc(ctx, 1, sizeof *g);
    if (!g) return NULL;
    g->ctx = ctx;
    g->arena.ctx = ctx;
    return g;
}

void pn_graph_free(pn_graph *g)
{
    if (!g) return;
    pn_ctx *ctx = g->ctx;
    pn_arena_free(&g->arena);
    pn_free(ctx, g->tensors);
    pn_free(ctx, g);
}

pn_status pn_graph_status(const pn_graph *g) { return g ? g->status : PN_ERR_ARG; }
const char *pn_graph_message(const pn_graph *g) { return g ? g->message : "the graph is NULL"; }
pn_shape pn_tensor_shape(const pn_tensor *t) { return t ? t->shape : (pn_shape){ 0 }; }
const char *pn_tensor_name(const pn_tensor *t) { return t && t->name ? t->name : ""; }

/* ---- Failing ---------------------------------------------------------------------------------------------------- */

static pn_status fail_v(pn_graph *g, pn_status status, const char *format, va_list args)
{
    if (g->status) return g->status;
    char said[PN_MESSAGE_MAX - 176];                    /* room for the call and the block */
    vsnprintf(said, sizeof said, format, args);
    snprintf(g->message, sizeof g->message, "pn_%.60s: %s%s%.80s%s", g->begun ? g->begun : "graph", said,
             g->block ? " (in block " : "", g->block ? g->block : "", g->block ? ")" : "");
    g->status = status;
    return status;
}

pn_status pn_graph_fail(pn_graph *g, pn_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_v(g, status, format, args);
    va_end(args);
    return g->status;
}

bool pn_expect(pn_graph *g, bool holds, const char *format, ...)
{
    if (holds) return true;
    va_list args;
    va_start(args, format);
    fail_v(g, PN_ERR_ARG, format, args);
    va_end(args);
    return false;
}

bool pn_expect_fits(pn_graph *g, bool holds, const char *format, ...)
{
    if (holds) return true;
    va_list args;
    va_start(args, format);
    fail_v(g, PN_ERR_SHAPE, format, args);
    va_end(args);
    return false;
}

bool pn_expect_rank(pn_graph *g, const pn_tensor *t, const char *name, int rank)
{
    char text[PN_SHAPE_TEXT];
    return pn_expect_fits(g, t->shape.rank == rank, "%s is %s, expected rank %d", name, pn_shape_text(t->shape, text), rank);
}

bool pn_expect_shape(pn_graph *g, const pn_tensor *t, const char *name, pn_shape expected)
{
    char is[PN_SHAPE_TEXT], should[PN_SHAPE_TEXT];
    return pn_expect_fits(g, pn_shape_equal(t->shape, expected), "%s is %s, expected %s", name, pn_shape_text(t->shape, is),
                          pn_shape_text(expected, should));
}

/* ---- Recording --------------------------------------------------------------------------------------------------- */

static pn_tensor *tensor_new(pn_graph *g, pn_tensor_kind kind, pn_shape shape)
{
    char text[PN_SHAPE_TEXT];
    if (!pn_shape_valid(shape)) {
        pn_graph_fail(g, PN_ERR_LIMIT, "a tensor of %s is empty or too large", pn_shape_text(shape, text));
        return NULL;
    }
    void *grown = g->tensors;
    const pn_status status = pn_grow(g->ctx, &grown, &g->tensors_room, g->n_tensors + 1, sizeof *g->tensors);
    g->tensors = grown;
    pn_tensor *t = status ? NULL : pn_arena_alloc(&g->arena, 1, sizeof *t);
    if (!t) {
        pn_graph_fail(g, PN_ERR_NOMEM, "no memory to record a tensor");
        return NULL;
    }
    t->kind = kind;
    t->shape = shape;
    t->graph = g;
    t->index = (int)g->n_tensors;
    g->tensors[g->n_tensors++] = t;
    return t;
}

pn_tensor *pn_input(pn_graph *g, const char *name, pn_shape shape, pn_want want)
{
    if (!g || g->status) return NULL;
    g->begun = "input";
    if (!pn_expect(g, name && *name, "the name is missing")) return NULL;
    for (size_t i = 0; i < g->n_tensors; i++)
        if (!pn_expect(g, !g->tensors[i]->name || strcmp(g->tensors[i]->name, name) != 0,
                       "the name '%s' is taken; give each input its own", name)) return NULL;
    pn_tensor *t = tensor_new(g, PN_TENSOR_INPUT, shape);
    if (!t) return NULL;
    t->name = pn_arena_strdup(&g->arena, name);
    if (!t->name) {
        pn_graph_fail(g, PN_ERR_NOMEM, "no memory to record '%s'", name);
        return NULL;
    }
    t->wants_grad = want == PN_GRAD;
    return t;
}

void pn_output(pn_graph *g, pn_tensor *t, pn_want want)
{
    if (!g || g->status) return;
    g->begun = "output";
    if (!pn_expect(g, t != NULL, "the tensor is NULL")) return;
    if (!pn_expect(g, t->graph == g, "'%s' is not a value of this graph", pn_tensor_name(t))) return;
    if (!pn_expect(g, want == PN_CONST || t->kind == PN_TENSOR_RESULT, "only a computed value can be handed a gradient")) return;
    t->is_output = true;
    if (t->kind == PN_TENSOR_RESULT && want == PN_GRAD) t->wants_grad = true;
}

void pn_loss(pn_graph *g, pn_tensor *scalar)
{
    if (!g || g->status) return;
    g->begun = "loss";
    char text[PN_SHAPE_TEXT];
    if (!pn_expect(g, scalar && scalar->graph == g, "the loss is not a value of this graph")) return;
    if (!pn_expect_fits(g, pn_shape_count(scalar->shape) == 1, "the loss is %s, expected one number; use pn_mean",
                        pn_shape_text(scalar->shape, text))) return;
    if (!pn_expect(g, !g->loss, "this graph has a loss already; add the terms with pn_add")) return;
    g->loss = scalar;
    scalar->is_output = true;
}

void pn_block(pn_graph *g, const char *name)
{
    if (!g || g->status) return;
    g->block = NULL;
    if (!name || !*name) return;
    if (g->last && g->last->block && strcmp(g->last->block, name) == 0) g->block = g->last->block;
    else if (!(g->block = pn_arena_strdup(&g->arena, name))) pn_graph_fail(g, PN_ERR_NOMEM, "no memory to record '%s'", name);
}

pn_tensor *pn_saved_of(pn_graph *g, pn_tensor *t, int i)
{
    if (!g || g->status) return NULL;
    g->begun = "saved_of";
    if (!pn_expect(g, t && t->graph == g && t->node, "the tensor is not computed in this graph")) return NULL;
    if (!pn_expect(g, i >= 0 && i < t->node->n_saved, "%s saves %d values, there is no number %d", t->node->op->name,
                   t->node->n_saved, i)) return NULL;
    return t->node->saved[i];
}

bool pn_op_begin(pn_graph *g, const pn_op *op, pn_tensor *const *in, int n)
{
    if (!g || g->status) return false;
    g->begun = op->name;
    for (int i = 0; i < n; i++) {
        if (!pn_expect(g, in[i] != NULL, "argument %d is NULL; if it should be a parameter, pn_params_status says why there is none",
                       i + 1)) return false;
        if (!pn_expect(g, !in[i]->graph || in[i]->graph == g, "argument %d belongs to another graph; hand values over with "
                       "pn_copy", i + 1)) return false;
    }
    return true;
}

pn_node *pn_op_record(pn_graph *g, const pn_op *op, pn_shape result, pn_tensor *const *in, int n)
{
    pn_node *node = pn_arena_alloc(&g->arena, 1, op->node_bytes ? op->node_bytes : sizeof *node);
    pn_tensor **inputs = pn_arena_alloc(&g->arena, (size_t)n + 1, sizeof *inputs);
    if (!node || !inputs) {
        pn_graph_fail(g, PN_ERR_NOMEM, "no memory to record it");
        return NULL;
    }
    pn_tensor *out = tensor_new(g, PN_TENSOR_RESULT, result);
    if (!out) return NULL;
    memcpy(inputs, in, (size_t)n * sizeof *inputs);
    *node = (pn_node){ .op = op, .in = inputs, .n_in = n, .out = out, .block = g->block };
    out->node = node;
    *(g->last ? &g->last->next : &g->first) = node;
    g->last = node;
    g->n_nodes++;
    return node;
}

pn_tensor *pn_op_save(pn_graph *g, pn_node *node, pn_shape shape)
{
    if (!node || g->status) return NULL;
    pn_tensor *t = tensor_new(g, PN_TENSOR_SAVED, shape);
    if (!t) return NULL;
    t->node = node;
    node->saved[node->n_saved++] = t;
    return t;
}

double pn_graph_macs(const pn_graph *g)
{
    double sum = 0;
    for (const pn_node *node = g ? g->first : NULL; node; node = node->next)
        if (node->op->macs) sum += node->op->macs(node);
    return sum;
}
