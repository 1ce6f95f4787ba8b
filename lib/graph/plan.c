/* lib/graph/plan.c - a graph made runnable: the passes in order, and what they build with */
#include "graph/graph.h"

#include <limits.h>
#include <string.h>

/* ---- Growing arrays of the plan; old copies stay in its arena, which is small and freed whole --------------------------- */

static void *grown(pn_plan *p, void *array, int count, int *room, size_t size)
{
    if (count < *room) return array;
    const int more = *room ? 2 * *room : 64;
    void *larger = pn_arena_alloc(&p->arena, (size_t)more, size);
    if (!larger) return NULL;
    if (array) memcpy(larger, array, (size_t)count * size);
    *room = more;
    return larger;
}

int pn_plan_add_value(pn_plan *p, pn_tensor *t, pn_shape shape, int block)
{
    pn_value *values = grown(p, p->values, p->n_values, &p->values_room, sizeof *values);
    if (!values) return -1;
    p->values = values;
    values[p->n_values] = (pn_value){ .tensor = t, .shape = shape, .block = block, .buffer = -1, .grad = -1, .original = -1,
                                       .raw = -1, .lines = -1, .slope = 1 };
    return p->n_values++;
}

int pn_plan_add_buffer(pn_plan *p, size_t bytes)
{
    pn_buffer *buffers = grown(p, p->buffers, p->n_buffers, &p->buffers_room, sizeof *buffers);
    if (!buffers) return -1;
    p->buffers = buffers;
    buffers[p->n_buffers] = (pn_buffer){ .bytes = bytes, .first = INT_MAX, .last = INT_MIN, .offset = -1 };
    return p->n_buffers++;
}

pn_status pn_plan_add_settled_by(pn_plan *p, const pn_tensor *t)
{
    const pn_tensor **by = grown(p, p->settled_by, p->n_settled_by, &p->settled_by_room, sizeof *by);
    if (!by) return PN_ERR_NOMEM;
    p->settled_by = by;
    by[p->n_settled_by++] = t;
    return PN_OK;
}

pn_step *pn_plan_add_step(pn_plan *p, bool backward, const pn_node *node)
{
    pn_step **list = backward ? &p->backward : &p->forward;
    int *count = backward ? &p->n_backward : &p->n_forward, *room = backward ? &p->backward_room : &p->forward_room;
    pn_step *steps = grown(p, *list, *count, room, sizeof *steps);
    int *in = pn_arena_alloc(&p->arena, (size_t)node->n_in + 1, sizeof *in);
    pn_packed_slot *packed = backward ? NULL : pn_arena_alloc(&p->arena, 2, sizeof *packed);
    if (!steps || !in || !(backward || packed)) return NULL;
    *list = steps;
    for (int i = 0; packed && i < 2; i++) packed[i].buffer = -1;
    pn_step *step = &steps[(*count)++];
    *step = (pn_step){ .node = node, .in = in, .n_in = node->n_in, .out = -1, .saved = { -1, -1, -1, -1 }, .slope = 1,
                       .sums_left = -1, .sums_given = -1, .scratch = -1, .packed = packed };
    return step;
}

/* An activation that was folded in is undone by the sign of the result. */
unsigned pn_step_reads(const pn_step *step)
{
    const pn_op *op = step->node->op;
    const unsigned reads = op->needs ? op->needs(step->node, step->wanted) : op->backward_needs;
    return step->slope == 1 ? reads : reads | PN_OUTPUT;
}

/* ---- Plans -------------------------------------------------------------------------------------------------------------- */

static bool learnable_gradients(pn_plan *p)
{
    if (!p->learn || p->turns) return true;
    for (int i = 0; i < pn_params_count(p->learn); i++) {
        pn_tensor *t = pn_params_at(p->learn, i);
        if (t->kind != PN_TENSOR_PARAM || t->own_grad) continue;
        t->own_grad = pn_alloc(p->ctx, (size_t)pn_shape_count(t->shape), sizeof *t->own_grad);
        if (!t->own_grad) return false;
    }
    return true;
}

static bool has_output(const pn_graph *g)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (g->tensors[i]->is_output) return true;
    return false;
}

pn_plan *pn_plan_new(pn_graph *g, const pn_plan_opt *opt)
{
    if (!g) return NULL;
    pn_ctx *ctx = g->ctx;
    if (g->status) {
        pn_fail(ctx, g->status, "%s", g->message);
        return NULL;
    }
    if (!has_output(g)) {
        pn_fail(ctx, PN_ERR_ARG, "pn_plan_new: the graph has no output; mark one with pn_output or pn_loss");
        return NULL;
    }
    pn_plan *p = pn_alloc(ctx, 1, sizeof *p);
    if (!p) return NULL;
    p->ctx = ctx;
    p->graph = g;
    p->arena.ctx = ctx;
    if (opt) {
        p->mode = opt->mode;
        p->learn = opt->learn;
        p->seldom = opt->seldom;
        p->turns = opt->memory;
        p->guest = opt->guest;
        p->remake = opt->remake;
        p->recompute = opt->recompute ? pn_arena_strdup(&p->arena, opt->recompute) : NULL;
    }
    p->run = (pn_run){ .plan = p, .kernels = pn_ctx_kernels(ctx), .pool = pn_ctx_pool(ctx), .threads = pn_ctx_threads(ctx),
                       .training = p->mode == PN_TRAIN };
    const bool unheard = opt && opt->recompute && !p->recompute;       /* no memory for the names */
    if (unheard || pn_plan_lower(p) || pn_plan_fuse(p) || pn_plan_differentiate(p) || pn_plan_settle(p) ||
        pn_plan_order(p) || pn_plan_place(p) || !learnable_gradients(p)) {
        pn_plan_free(p);
        return NULL;
    }
    p->stats.forward_steps = p->n_forward;
    p->stats.backward_steps = p->n_backward;
    return p;
}

void pn_plan_free(pn_plan *p)
{
    if (!p) return;
    pn_ctx *ctx = p->ctx;
    pn_memory_leave(p);
    pn_free_pages(ctx, p->memory, p->memory_bytes);
    pn_arena_free(&p->arena);
    pn_free(ctx, p);
}

pn_plan_stats pn_plan_describe(const pn_plan *p) { return p ? p->stats : (pn_plan_stats){ 0 }; }
