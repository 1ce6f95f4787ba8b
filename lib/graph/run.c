/* lib/graph/run.c - values in and out, forward, backward; nothing here allocates or fails except by misuse */
#define _POSIX_C_SOURCE 200809L
#include "graph/graph.h"

#include <string.h>
#include <time.h>

/* ---- What ops ask -------------------------------------------------------------------------------------------------------- */

static const pn_value *value_in(const pn_run *r, int i) { return &r->plan->values[r->step->in[i]]; }

static const pn_value *gradient_holder(const pn_run *r, int value)
{
    const pn_value *v = &r->plan->values[value];
    return v->original >= 0 ? &r->plan->values[v->original] : v;
}

const pn_real *pn_in(const pn_run *r, const pn_node *node, int i) { (void)node; return value_in(r, i)->data; }
pn_real *pn_out(const pn_run *r, const pn_node *node) { (void)node; return r->plan->values[r->step->out].data; }
const pn_real *pn_result(const pn_run *r, const pn_node *node) { return pn_out(r, node); }
pn_real *pn_saved(const pn_run *r, const pn_node *node, int i) { (void)node; return r->plan->values[r->step->saved[i]].data; }
static const pn_prologue *prologue_of(const pn_run *r, int value, pn_prologue *room)
{
    const pn_value *v = &r->plan->values[value];
    if (v->raw < 0) return NULL;
    const pn_value *lines = &r->plan->values[v->lines];
    *room = (pn_prologue){ lines->data, lines->data + pn_shape_count(lines->shape) / 2, v->slope };
    return room;
}

const pn_prologue *pn_prologue_in(const pn_run *r, int i, pn_prologue *room) { return prologue_of(r, r->step->in[i], room); }
const pn_prologue *pn_prologue_out(const pn_run *r, pn_prologue *room) { return prologue_of(r, r->step->out, room); }

const pn_real *pn_sums_given(const pn_run *r)
{
    return r->step->sums_given < 0 ? NULL : r->plan->values[r->step->sums_given].data;
}

bool pn_joined(const pn_run *r, pn_run *other)
{
    *other = *r;
    other->step = r->step->joined;
    return other->step != NULL;
}

pn_epilogue pn_epilogue_out(const pn_run *r, const pn_node *node)
{
    const pn_step *s = r->step;
    pn_epilogue e = { .slope = s->slope };
    if (s->n_in > node->n_in && !s->joined) e.residual = value_in(r, node->n_in)->data;
    if (s->sums_left >= 0) e.stats = r->plan->values[s->sums_left].data;
    return e;
}

/* In place: nobody else reads that gradient once the op that made the value has run backward. */
const pn_real *pn_grad_unfolded(const pn_run *r, const pn_node *node)
{
    pn_real *dy = gradient_holder(r, r->step->out)->grad_data;
    const ptrdiff_t count = pn_map_stored(pn_map_out(r, node));
    if (r->step->slope != 1)
        r->kernels->pointwise.leaky_relu_bwd(r->pool, (pn_sink){ dy, false }, dy, pn_result(r, node), r->step->slope, count);
    const pn_sink residual = r->step->n_in > node->n_in ? pn_sink_in(r, node, node->n_in) : (pn_sink){ 0 };
    if (residual.data && residual.data != dy) r->kernels->pointwise.copy(r->pool, residual, dy, count);
    return dy;
}

const pn_real *pn_grad_out(const pn_run *r, const pn_node *node) { (void)node; return gradient_holder(r, r->step->out)->grad_data; }
bool pn_wants_grad(const pn_run *r, const pn_node *node, int i) { (void)node; return (r->step->wanted & PN_INPUT(i)) != 0; }

bool pn_is_learnt(const pn_run *r, const pn_node *node, int i)
{
    const pn_plan *p = r->plan;
    const pn_tensor *t = node->in[i];
    return p->mode == PN_TRAIN && (p->seldom || t->kind == PN_TENSOR_RESULT || (p->learn && t->owner == p->learn));
}

pn_sink pn_sink_in(const pn_run *r, const pn_node *node, int i)
{
    (void)node;
    if (!(r->step->wanted & PN_INPUT(i))) return (pn_sink){ 0 };
    const pn_value *v = gradient_holder(r, r->step->in[i]);
    if (v->buffer >= 0) return (pn_sink){ v->grad_data, (r->step->adds & PN_INPUT(i)) != 0 };
    return (pn_sink){ v->tensor->grad, v->tensor->has_grad };
}

void *pn_scratch(const pn_run *r)
{
    const int b = r->step->scratch;
    return b < 0 ? NULL : pn_buffer_at(r->plan, b);
}

pn_real *pn_state_in(const pn_run *r, const pn_node *node, int i)
{
    pn_tensor *t = node->in[i];
    if (!r->training || r->recompute || t->kind != PN_TENSOR_STATE) return NULL;
    t->version++;
    return t->data;
}

/* A computed weight is new in every run, or settled. */
static uint64_t key_of(const pn_run *r, const pn_tensor *t)
{
    if (!t->graph) return t->version;
    return r->plan->values[r->plan->value_of[t->index]].settled ? r->plan->settled_key : r->number;
}

pn_real *pn_packed(const pn_run *r, const pn_node *node, int slot, int i, bool *stale)
{
    const pn_step *joined = r->step->joined;
    pn_packed_slot *packed = &r->step->packed[slot];
    *stale = false;
    if (packed->buffer < 0) return NULL;
    uint64_t key = key_of(r, node->in[i]);
    if (joined) key += key_of(r, joined->node->in[i]);  /* both only grow */
    *stale = packed->brief || packed->key != key;
    packed->key = key;
    return (pn_real *)(void *)pn_buffer_at(r->plan, packed->buffer);
}

pn_map pn_map_make(pn_shape s, int block)
{
    if (s.rank == 4) return (pn_map){ s.dim[0], s.dim[1], s.dim[2], s.dim[3], block };
    return (pn_map){ 1, 1, 1, pn_shape_count(s), 1 };
}

static pn_map map_of(const pn_value *v) { return pn_map_make(v->shape, v->block); }
pn_map pn_map_in(const pn_run *r, const pn_node *node, int i) { (void)node; return map_of(value_in(r, i)); }
pn_map pn_map_out(const pn_run *r, const pn_node *node) { (void)node; return map_of(&r->plan->values[r->step->out]); }
pn_map pn_map_saved(const pn_run *r, const pn_node *node, int i) { (void)node; return map_of(&r->plan->values[r->step->saved[i]]); }

/* ---- Values in and out ------------------------------------------------------------------------------------------------------ */

static pn_value *find(const pn_plan *p, const pn_tensor *t)
{
    if (!p || !t || t->graph != p->graph || p->value_of[t->index] < 0) return NULL;
    return &p->values[p->value_of[t->index]];
}

static pn_status refuse(const pn_plan *p, const char *call, const pn_tensor *t, const char *why)
{
    if (!p) return PN_ERR_ARG;
    return pn_fail(p->ctx, PN_ERR_ARG, "%s: %s%s%s%s", call, pn_tensor_name(t), *pn_tensor_name(t) ? " " : "", "the tensor ", why);
}

static void move(const pn_plan *p, pn_real *to, pn_map to_map, const pn_real *from, pn_map from_map)
{
    p->run.kernels->pointwise.relayout(p->run.pool, (pn_sink){ to, false }, to_map, from, from_map);
}

static pn_map plain(const pn_value *v) { return pn_map_make(v->shape, 1); }

static pn_value *input_of(pn_plan *p, const pn_tensor *t)
{
    pn_value *v = find(p, t);
    return v && t->kind == PN_TENSOR_INPUT ? v : NULL;
}

static const pn_value *readable(const pn_plan *p, const pn_tensor *t)
{
    const pn_value *v = find(p, t);
    return v && (t->is_output || t->kind == PN_TENSOR_INPUT) ? v : NULL;
}

static const pn_value *gradient_of(const pn_plan *p, const pn_tensor *t)
{
    const pn_value *v = find(p, t);
    return v && t->kind == PN_TENSOR_INPUT && v->grad_data && p->state == PN_PLAN_DONE ? v : NULL;
}

static pn_value *seedable(pn_plan *p, const pn_tensor *t)
{
    pn_value *v = find(p, t);
    return v && v->seeded && t != p->graph->loss && v->grad_data && p->state == PN_PLAN_RAN ? v : NULL;
}

static const char not_input[] = "is not an input that this plan reads";
static const char not_output[] = "is not an output of this plan; mark it with pn_output";
static const char no_grad[] = "has no gradient here: it must be a PN_GRAD input, after pn_backward of a training plan";
static const char no_seed[] = "cannot take a gradient: it must be a PN_GRAD output, between pn_forward and pn_backward";

pn_status pn_set(pn_plan *p, const pn_tensor *t, const pn_real *values)
{
    const pn_value *v = input_of(p, t);
    if (!v || !values) return refuse(p, "pn_set", t, not_input);
    move(p, v->data, map_of(v), values, plain(v));
    p->is_set[t->index] = true;
    return PN_OK;
}

pn_status pn_get(const pn_plan *p, const pn_tensor *t, pn_real *values)
{
    const pn_value *v = readable(p, t);
    if (!v || !values) return refuse(p, "pn_get", t, not_output);
    if (t->kind != PN_TENSOR_INPUT && p->state == PN_PLAN_FRESH)
        return refuse(p, "pn_get", t, "has no value yet; call pn_forward first");
    move(p, values, plain(v), v->data, map_of(v));
    return PN_OK;
}

pn_status pn_get_grad(const pn_plan *p, const pn_tensor *t, pn_real *values)
{
    const pn_value *v = gradient_of(p, t);
    if (!v || !values) return refuse(p, "pn_get_grad", t, no_grad);
    move(p, values, plain(v), v->grad_data, map_of(v));
    return PN_OK;
}

pn_status pn_set_grad(pn_plan *p, const pn_tensor *t, const pn_real *values)
{
    const pn_value *v = seedable(p, t);
    if (!v || !values) return refuse(p, "pn_set_grad", t, no_seed);
    move(p, v->grad_data, map_of(v), values, plain(v));
    p->handed[t->index] = true;
    return PN_OK;
}

static pn_status same_shape(const pn_plan *p, const char *call, const pn_value *a, const pn_value *b)
{
    char is[PN_SHAPE_TEXT], should[PN_SHAPE_TEXT];
    if (pn_shape_equal(a->shape, b->shape)) return PN_OK;
    return pn_fail(p->ctx, PN_ERR_SHAPE, "%s: the source is %s, expected %s", call, pn_shape_text(b->shape, is),
                   pn_shape_text(a->shape, should));
}

pn_status pn_copy(pn_plan *to, const pn_tensor *input, const pn_plan *from, const pn_tensor *output)
{
    const pn_value *v = input_of(to, input), *o = readable(from, output);
    if (!v) return refuse(to, "pn_copy", input, not_input);
    if (!o) return refuse(to, "pn_copy", output, not_output);
    if (output->kind != PN_TENSOR_INPUT && from->state == PN_PLAN_FRESH)
        return refuse(to, "pn_copy", output, "has no value yet; call pn_forward first");
    if (same_shape(to, "pn_copy", v, o)) return PN_ERR_SHAPE;
    move(to, v->data, map_of(v), o->data, map_of(o));
    to->is_set[input->index] = true;
    return PN_OK;
}

pn_status pn_copy_grad(pn_plan *to, const pn_tensor *output, const pn_plan *from, const pn_tensor *input)
{
    const pn_value *v = seedable(to, output), *i = gradient_of(from, input);
    if (!v) return refuse(to, "pn_copy_grad", output, no_seed);
    if (!i) return refuse(to, "pn_copy_grad", input, no_grad);
    if (same_shape(to, "pn_copy_grad", v, i)) return PN_ERR_SHAPE;
    move(to, v->grad_data, map_of(v), i->grad_data, map_of(i));
    to->handed[output->index] = true;
    return PN_OK;
}

/* ---- Forward and backward ------------------------------------------------------------------------------------------------------ */

/* A result that is never stored: only how it is read is computed. */
static void run_forward(const pn_run *r)
{
    const pn_node *node = r->step->node;
    const pn_value *out = &r->plan->values[r->step->out];
    if (out->raw < 0) {
        node->op->forward(r, node);
        return;
    }
    const pn_value *lines = &r->plan->values[out->lines];
    node->op->folds(r, node, lines->data, lines->data + pn_shape_count(lines->shape) / 2);
}

/* Parameter gradients add up from the second write on: within this backward, and over several until the optimiser step. */
static void mark_written(const pn_plan *p, const pn_step *step)
{
    for (int i = 0; i < step->node->n_in; i++) {
        pn_tensor *t = step->node->in[i];
        if ((step->wanted & PN_INPUT(i)) && t->kind == PN_TENSOR_PARAM && p->values[step->in[i]].buffer < 0) t->has_grad = true;
    }
}

/* A gradient that waits for the optimiser step stays where it is, and is added to. */
void pn_plan_place_gradients(pn_plan *p)
{
    for (int i = 0; i < p->n_values; i++) {
        const pn_value *v = &p->values[i];
        if (v->tensor->kind != PN_TENSOR_PARAM || v->buffer >= 0 || !v->touched || v->tensor->has_grad) continue;
        v->tensor->grad = v->grad >= 0 ? v->grad_data : v->tensor->own_grad;
    }
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_step(const pn_run *r)
{
    if (r->step->backward)
        r->step->node->op->backward(r, r->step->node);
    else
        run_forward(r);
}

static double macs_of(const pn_step *s)
{
    if (!s->node->op->macs) return 0;
    const int times = s->backward ? !!(s->wanted & PN_INPUT(0)) + !!(s->wanted & PN_INPUT(1)) : 1;
    const double joined = s->joined && !s->backward ? s->joined->node->op->macs(s->joined->node) : 0;
    return times * s->node->op->macs(s->node) + joined;
}

static void run_watched(const pn_run *r, const pn_watch *watch)
{
    const pn_node *node = r->step->node;
    const double from = seconds_now();
    run_step(r);
    const double seconds = seconds_now() - from;
    const pn_step_report report = {
        .op = node->op->name, .backward = r->step->backward, .n_in = node->n_in, .out = node->out,
        .in = (const pn_tensor *const *)node->in, .macs = macs_of(r->step), .seconds = seconds,
    };
    watch->step(watch->user, &report);
}

/* Grows with every change of what settled values come from. */
static uint64_t settled_key(const pn_plan *p)
{
    uint64_t key = 1;
    for (int i = 0; i < p->n_settled_by; i++) key += p->settled_by[i]->version;
    return key;
}

static void run_steps(pn_run *r, pn_step *steps, int n)
{
    const pn_watch *watch = pn_ctx_watched(r->plan->ctx);
    for (int s = 0; s < n; s++) {
        if (!r->settling && pn_step_settled(r->plan, &steps[s])) continue;
        r->step = &steps[s];
        r->recompute = r->step->recompute;
        if (watch)
            run_watched(r, watch);
        else
            run_step(r);
        if (r->step->backward) mark_written(r->plan, r->step);
    }
}

pn_status pn_forward(pn_plan *p)
{
    if (!p) return PN_ERR_ARG;
    const pn_graph *g = p->graph;
    for (size_t i = 0; i < g->n_tensors; i++) {
        const pn_tensor *t = g->tensors[i];
        if (t->kind == PN_TENSOR_INPUT && p->live[i] && !p->is_set[i])
            return pn_fail(p->ctx, PN_ERR_ARG, "pn_forward: the input '%s' was never set; call pn_set or pn_copy first", t->name);
    }
    const pn_tensor *waiting = pn_memory_waiting(p);
    if (waiting)
        return pn_fail(p->ctx, PN_ERR_ARG, "pn_forward: the gradient of '%s' waits in the plan's memory; call pn_adam_step or "
                       "pn_params_zero_grad first", waiting->name);
    const unsigned mode = pn_denormals_flush();
    pn_run r = p->run;
    r.number = ++p->run.number;
    pn_memory_take(p);
    const uint64_t key = settled_key(p);
    r.settling = key != p->settled_key;
    p->settled_key = key;
    run_steps(&r, p->forward, p->n_forward);
    memset(p->handed, 0, g->n_tensors * sizeof *p->handed);
    p->state = PN_PLAN_RAN;
    pn_denormals_restore(mode);
    return PN_OK;
}

/* The loss gets 1, an output that was handed nothing 0, and so does an input's gradient that no step writes. */
static void seed(pn_plan *p)
{
    const pn_graph *g = p->graph;
    for (size_t i = 0; i < g->n_tensors; i++) {
        const pn_value *v = p->value_of[i] < 0 ? NULL : &p->values[p->value_of[i]];
        if (!v || !v->grad_data || g->tensors[i]->kind == PN_TENSOR_SAVED) continue;
        const bool never_written = !v->touched && !v->seeded;
        if ((v->seeded && !p->handed[i]) || never_written)
            memset(v->grad_data, 0, (size_t)pn_map_stored(map_of(v)) * sizeof(pn_real));
        if (g->tensors[i] == g->loss) v->grad_data[0] = 1;
    }
}

pn_status pn_backward(pn_plan *p)
{
    if (!p) return PN_ERR_ARG;
    if (p->mode != PN_TRAIN) return pn_fail(p->ctx, PN_ERR_ARG, "pn_backward: the plan was made with PN_INFER; plan it with PN_TRAIN");
    if (p->state != PN_PLAN_RAN)
        return pn_fail(p->ctx, PN_ERR_ARG, "pn_backward: %s; call pn_forward first",
                       p->state == PN_PLAN_DONE   ? "it has run since the last forward"
                       : p->state == PN_PLAN_LOST ? "another plan of its memory has run since the last forward"
                                                  : "there was no forward");
    const unsigned mode = pn_denormals_flush();
    pn_memory_take(p);
    pn_plan_place_gradients(p);
    seed(p);
    pn_run r = p->run;
    run_steps(&r, p->backward, p->n_backward);
    p->state = PN_PLAN_DONE;
    pn_denormals_restore(mode);
    return PN_OK;
}
