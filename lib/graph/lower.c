/* lib/graph/lower.c - nodes to forward steps: drop what nobody reads, choose layouts, insert conversions */
#include "graph/graph.h"

#include <string.h>

/* ---- Two ops of the planner's own ------------------------------------------------------------------------------- */

static void relayout_forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.relayout(r->pool, (pn_sink){ pn_out(r, node), false }, pn_map_out(r, node), pn_in(r, node, 0),
                                   pn_map_in(r, node, 0));
}

static void relayout_backward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.relayout(r->pool, pn_sink_in(r, node, 0), pn_map_in(r, node, 0), pn_grad_out(r, node),
                                   pn_map_out(r, node));
}

const pn_op pn_op_relayout = { .name = "relayout", .remade = true, .forward = relayout_forward, .backward = relayout_backward };

static void copy_forward(const pn_run *r, const pn_node *node)
{
    const pn_real *x = pn_in(r, node, 0);
    pn_real *y = pn_out(r, node);
    if (y != x) r->kernels->pointwise.copy(r->pool, (pn_sink){ y, false }, x, pn_map_stored(pn_map_out(r, node)));
}

static void copy_backward(const pn_run *r, const pn_node *node)
{
    const pn_sink dx = pn_sink_in(r, node, 0);
    const pn_real *dy = pn_grad_out(r, node);
    if (dx.data != dy) r->kernels->pointwise.copy(r->pool, dx, dy, pn_map_stored(pn_map_out(r, node)));
}

const pn_op pn_op_copy = { .name = "copy", .forward = copy_forward, .backward = copy_backward };

/* ---- What is needed at all --------------------------------------------------------------------------------------- */

static bool learns(const pn_plan *p, const pn_tensor *t)
{
    return t->kind == PN_TENSOR_PARAM && t->owner == p->learn && p->learn;
}

bool pn_tensor_wants(const pn_plan *p, const pn_tensor *t)
{
    return p->mode == PN_TRAIN && (t->graph ? p->wants[t->index] : learns(p, t));
}

static pn_status array_of(pn_plan *p, void **out, size_t size)
{
    *out = pn_arena_alloc(&p->arena, p->graph->n_tensors + 1, size);
    return *out ? PN_OK : PN_ERR_NOMEM;
}

static bool passes_gradient(const pn_node *node, int i)
{
    return node->op->backward && !(node->op->no_grad & PN_INPUT(i));
}

/* Live: an output or loss depends on it, or it updates state. Walks the nodes backwards. */
static void find_live(pn_plan *p, pn_node *const *nodes)
{
    const pn_graph *g = p->graph;
    for (size_t i = 0; i < g->n_tensors; i++)
        if (g->tensors[i]->is_output) p->live[i] = true;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const pn_node *n = nodes[i];
        bool live = p->live[n->out->index] || (n->op->updates_state && p->mode == PN_TRAIN);
        for (int s = 0; s < n->n_saved; s++) live = live || p->live[n->saved[s]->index];
        p->live[n->out->index] = live;
        for (int k = 0; live && k < n->n_in; k++)
            if (n->in[k]->graph) p->live[n->in[k]->index] = true;
    }
}

/* Wanted: something that learns or wants a gradient feeds it (forwards), and a seed reaches it (backwards). */
static void find_wanted(pn_plan *p, pn_node *const *nodes)
{
    const pn_graph *g = p->graph;
    bool *feeds = p->wants;
    for (size_t i = 0; i < g->n_tensors; i++)
        feeds[i] = g->tensors[i]->kind == PN_TENSOR_INPUT && g->tensors[i]->wants_grad;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < nodes[i]->n_in; k++) {
            const pn_tensor *t = nodes[i]->in[k];
            if (passes_gradient(nodes[i], k) && (t->graph ? feeds[t->index] : learns(p, t))) feeds[nodes[i]->out->index] = true;
        }
    bool *reached = p->handed;                          /* borrowed until the plan runs */
    for (size_t i = 0; i < g->n_tensors; i++) {
        const pn_tensor *t = g->tensors[i];
        reached[i] = t == g->loss || (t->kind == PN_TENSOR_RESULT && t->wants_grad && t->is_output);
    }
    for (int i = g->n_nodes - 1; i >= 0; i--)
        for (int k = 0; reached[nodes[i]->out->index] && k < nodes[i]->n_in; k++)
            if (passes_gradient(nodes[i], k) && nodes[i]->in[k]->graph) reached[nodes[i]->in[k]->index] = true;
    for (size_t i = 0; i < g->n_tensors; i++) {
        p->wants[i] = feeds[i] && reached[i] && p->live[i];
        reached[i] = false;
    }
}

/* ---- Values in their layouts -------------------------------------------------------------------------------------- */

int pn_value_of(const pn_plan *p, const pn_tensor *t)
{
    if (t->graph) return t->graph == p->graph ? p->value_of[t->index] : -1;
    for (int v = 0; v < p->n_values; v++)               /* parameters: few hundred, and only while planning */
        if (p->values[v].tensor == t && p->values[v].buffer == -1 && p->values[v].block == 1) return v;
    return -1;
}

static int leaf_value(pn_plan *p, pn_tensor *t)
{
    const int known = pn_value_of(p, t);
    if (known >= 0) return known;
    const int v = pn_plan_add_value(p, t, t->shape, 1);
    if (v >= 0 && t->graph) p->value_of[t->index] = v;
    return v;
}

static int layout_block(pn_layout layout, pn_shape shape, int any)
{
    if (shape.rank != 4) return 1;
    return layout == PN_LAYOUT_ANY ? any : layout == PN_LAYOUT_BLOCKED ? PN_BLOCK : 1;
}

static pn_layout layout_of_input(const pn_op *op, int i)
{
    enum { LISTED = sizeof op->layout / sizeof *op->layout };
    return op->layout[i < LISTED ? i : LISTED - 1];
}

/* A step of the planner's own: value -> value, for the node that follows. */
static int insert_unary(pn_plan *p, const pn_op *op, int value, int block, const pn_node *for_node)
{
    pn_node *node = pn_arena_alloc(&p->arena, 1, sizeof *node);
    pn_tensor **in = pn_arena_alloc(&p->arena, 1, sizeof *in);
    if (!node || !in) return -1;
    pn_tensor *t = p->values[value].tensor;
    in[0] = t;
    *node = (pn_node){ .op = op, .in = in, .n_in = 1, .out = t, .block = for_node->block };
    pn_step *step = pn_plan_add_step(p, false, node);
    if (!step) return -1;
    step->in[0] = value;
    const int out = pn_plan_add_value(p, t, t->shape, block);
    step->out = out;
    p->stats.conversions += op == &pn_op_relayout;
    return out;
}

/* The value in the wanted layout: itself, a conversion made before, or a new one. */
static int in_layout(pn_plan *p, int value, int block, const pn_node *for_node)
{
    if (value < 0 || p->values[value].block == block) return value;
    for (int s = 0; s < p->n_forward; s++) {
        const pn_step *step = &p->forward[s];
        if (step->node->op == &pn_op_relayout && step->in[0] == value && p->values[step->out].block == block) return step->out;
    }
    return insert_unary(p, &pn_op_relayout, value, block, for_node);
}

/* All that read t, through activations or at once, can have it folded into their reading: of blocked maps alone. So what
 * folds here is done after the conversion, not before: the planar result would be one more map, and stored. */
static bool folds_blocked(const pn_node *node)
{
    if (!node->op->folds || node->out->shape.rank != 4 || node->out->is_output) return false;
    bool read = false;
    for (const pn_node *n = node->next; n; n = n->next)
        for (int i = 0; i < n->n_in; i++) {
            if (n->in[i] != node->out) continue;
            if (!(n->op->reads_folded & PN_INPUT(i)) && !(n->op->folds_slope && folds_blocked(n))) return false;
            read = true;
        }
    return read;
}

static pn_status lower_inputs(pn_plan *p, const pn_node *node, int *in, int *any)
{
    *any = 1;
    for (int i = 0; i < node->n_in; i++) {
        pn_tensor *t = node->in[i];
        int v = leaf_value(p, t);
        if (v < 0) return PN_ERR_NOMEM;
        if (i == 0) *any = layout_block(layout_of_input(node->op, 0), t->shape, p->values[v].block);
        if (i == 0 && *any == 1 && p->ctx->fuse && folds_blocked(node)) *any = PN_BLOCK;
        v = in_layout(p, v, layout_block(layout_of_input(node->op, i), t->shape, *any), node);
        for (int k = 0; v >= 0 && k < i; k++)           /* x * x: two gradients must not meet in one write */
            if (in[k] == v && pn_tensor_wants(p, t)) v = insert_unary(p, &pn_op_copy, v, p->values[v].block, node);
        if (v < 0) return PN_ERR_NOMEM;
        in[i] = v;
    }
    return PN_OK;
}

static bool same_values(const pn_plan *p, int a, int b)
{
    return p->values[a].block == p->values[b].block && pn_shape_equal(p->values[a].shape, p->values[b].shape);
}

/* The same op with the same options, over the same parameters and equal maps. */
bool pn_step_packs_alike(const pn_plan *p, const pn_step *a, const pn_step *b)
{
    const pn_node *node = a->node, *other = b->node;
    const size_t options = node->op->node_bytes > sizeof *node ? node->op->node_bytes - sizeof *node : 0;
    if (other->op != node->op || other->n_in != node->n_in || memcmp(other + 1, node + 1, options) != 0) return false;
    if (!same_values(p, a->in[0], b->in[0]) || !same_values(p, a->out, b->out)) return false;
    bool same = true;
    for (int i = 1; i < node->n_in; i++) same = same && a->in[i] == b->in[i];
    return same;
}

/* A network that is called three times keeps its packed weights once. */
static void share_packed(pn_plan *p, pn_step *step)
{
    for (int s = 0; step->node->op->sizes && step->node->n_in > 1 && &p->forward[s] != step; s++) {
        if (!pn_step_packs_alike(p, &p->forward[s], step)) continue;
        step->packed = p->forward[s].packed;
        return;
    }
}

static pn_status lower_node(pn_plan *p, const pn_node *node)
{
    int in[PN_MAX_IN], any;
    if (lower_inputs(p, node, in, &any)) return PN_ERR_NOMEM;
    pn_step *step = pn_plan_add_step(p, false, node);
    if (!step) return PN_ERR_NOMEM;
    memcpy(step->in, in, (size_t)node->n_in * sizeof *in);
    step->out = pn_plan_add_value(p, node->out, node->out->shape, layout_block(node->op->result, node->out->shape, any));
    p->value_of[node->out->index] = step->out;
    bool ok = step->out >= 0;
    for (int s = 0; s < node->n_saved; s++) {
        step->saved[s] = pn_plan_add_value(p, node->saved[s], node->saved[s]->shape,
                                           layout_block(node->op->saved, node->saved[s]->shape, any));
        p->value_of[node->saved[s]->index] = step->saved[s];
        ok = ok && step->saved[s] >= 0;
    }
    if (ok) share_packed(p, step);
    return ok ? PN_OK : PN_ERR_NOMEM;
}

pn_status pn_plan_lower(pn_plan *p)
{
    const pn_graph *g = p->graph;
    pn_node **nodes = pn_arena_alloc(&p->arena, (size_t)g->n_nodes + 1, sizeof *nodes);
    void *value_of, *live, *wants, *is_set, *handed;
    if (!nodes || array_of(p, &value_of, sizeof *p->value_of) || array_of(p, &live, sizeof *p->live) ||
        array_of(p, &wants, sizeof *p->wants) || array_of(p, &is_set, sizeof *p->is_set) ||
        array_of(p, &handed, sizeof *p->handed)) return PN_ERR_NOMEM;
    p->value_of = value_of;
    p->live = live;
    p->wants = wants;
    p->is_set = is_set;
    p->handed = handed;
    for (size_t i = 0; i < g->n_tensors; i++) p->value_of[i] = -1;
    int n = 0;
    for (pn_node *node = g->first; node; node = node->next) nodes[n++] = node;

    find_live(p, nodes);
    if (p->mode == PN_TRAIN) find_wanted(p, nodes);
    for (size_t i = 0; i < g->n_tensors; i++)           /* inputs first: set before anything runs */
        if (g->tensors[i]->kind == PN_TENSOR_INPUT && (p->live[i] || g->tensors[i]->is_output))
            if (leaf_value(p, g->tensors[i]) < 0) return PN_ERR_NOMEM;
    for (int i = 0; i < n; i++)
        if (p->live[nodes[i]->out->index] && lower_node(p, nodes[i])) return PN_ERR_NOMEM;
    return PN_OK;
}
