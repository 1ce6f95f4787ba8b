/* lib/graph/place.c - lifetimes over forward and backward together, memory shared and in place, arenas
 *
 * Ticks count steps: forward 0 .. F-1, backward F .. F+B-1. Before the first is -1 (inputs are set), after the last is the
 * end (outputs and gradients are read).
 */
#include "graph/graph.h"

#include <stdlib.h>

enum { LINE = 64 };

static void touch(pn_plan *p, int buffer, int tick)
{
    if (buffer < 0) return;
    pn_buffer *b = &p->buffers[buffer];
    if (tick < b->first) b->first = tick;
    if (tick > b->last) b->last = tick;
}

/* A value that is never stored needs what it is read from and through. */
static void touch_value(pn_plan *p, int value, int tick)
{
    if (value < 0) return;
    const pn_value *v = &p->values[value];
    touch(p, v->buffer, tick);
    if (v->raw < 0) return;
    touch(p, p->values[v->raw].buffer, tick);
    touch(p, p->values[v->lines].buffer, tick);
}

static size_t bytes_of(const pn_value *v) { return (size_t)pn_map_stored(pn_map_make(v->shape, v->block)) * sizeof(pn_real); }

static pn_value *gradient_holder(pn_plan *p, int value)
{
    pn_value *v = &p->values[value];
    return v->original >= 0 ? &p->values[v->original] : v;
}

/* ---- Buffers and what needs them --------------------------------------------------------------------------------------- */

/* Of a parameter, in the memory of plans that take turns: it is used up before the next one runs. */
static pn_status lend_gradient(pn_plan *p, pn_value *v)
{
    v->grad = pn_plan_add_buffer(p, bytes_of(v));
    if (v->grad < 0) return PN_ERR_NOMEM;
    p->buffers[v->grad].lent = true;
    touch(p, v->grad, p->n_forward + p->n_backward);
    return PN_OK;
}

static pn_status add_value_buffers(pn_plan *p)
{
    const int end = p->n_forward + p->n_backward;
    for (int i = 0; i < p->n_values; i++) {
        pn_value *v = &p->values[i];
        const bool leaf_of_params = v->tensor->kind == PN_TENSOR_PARAM || v->tensor->kind == PN_TENSOR_STATE;
        const bool primary = !leaf_of_params && p->value_of[v->tensor->index] == i;
        if (v->buffer == -1 && leaf_of_params && v->block == 1 && pn_value_of(p, v->tensor) == i) {
            if (p->turns && v->touched && lend_gradient(p, v)) return PN_ERR_NOMEM;
            continue;
        }
        v->buffer = pn_plan_add_buffer(p, v->raw < 0 ? bytes_of(v) : 0);
        if (v->buffer < 0) return PN_ERR_NOMEM;
        if (primary && (v->tensor->kind == PN_TENSOR_INPUT || (v->settled && v->tensor->is_output))) touch(p, v->buffer, -1);
        if (primary && (v->tensor->is_output || v->tensor->kind == PN_TENSOR_INPUT)) touch(p, v->buffer, end);
        const bool read_after = primary && v->tensor->kind == PN_TENSOR_INPUT && v->tensor->wants_grad;
        if (!v->seeded && !v->touched && !(read_after && p->mode == PN_TRAIN)) continue;
        v->grad = pn_plan_add_buffer(p, bytes_of(v));
        if (v->grad < 0) return PN_ERR_NOMEM;
        if (v->seeded) touch(p, v->grad, p->n_forward - 1);     /* handed in before the first backward step */
        if (read_after) touch(p, v->grad, end);
        if (read_after && !v->touched) touch(p, v->grad, p->n_forward);        /* stays zero */
    }
    return PN_OK;
}

static void touch_forward(pn_plan *p, const pn_step *step, int tick)
{
    const pn_step *joined = step->joined;
    for (int i = 0; i < (joined ? step->node->n_in : step->n_in); i++) touch_value(p, step->in[i], tick);
    for (int i = 0; joined && i < joined->n_in; i++) touch_value(p, joined->in[i], tick);
    touch_value(p, step->out, tick);
    touch_value(p, step->sums_left, tick);
    touch_value(p, step->sums_given, tick);
    for (int k = 0; k < step->node->n_saved; k++) touch_value(p, step->saved[k], tick);
}

static void touch_backward(pn_plan *p, const pn_step *step, int tick)
{
    const unsigned reads = pn_step_reads(step);
    for (int i = 0; i < step->n_in; i++) {
        if (reads & PN_INPUT(i)) touch_value(p, step->in[i], tick);
        if (step->wanted & PN_INPUT(i)) touch(p, gradient_holder(p, step->in[i])->grad, tick);
    }
    const bool through = p->values[step->out].raw >= 0;     /* the activation behind is undone on the way */
    if ((reads & PN_OUTPUT) || through) touch_value(p, step->out, tick);
    for (int k = 0; k < step->node->n_saved; k++) touch_value(p, step->saved[k], tick);
    touch(p, gradient_holder(p, step->out)->grad, tick);
}

/* What the plan learns changes from run to run, and what a run computes is new in each: packing these is part of every
 * run, and lives no longer than the step that reads it. Input 0 is what meets the weights. */
static bool packs_anew(const pn_plan *p, const pn_step *step)
{
    if (p->seldom) return true;
    for (int i = 1; i < step->node->n_in; i++) {
        const pn_tensor *t = step->node->in[i];
        if ((t->graph && !p->values[step->in[i]].settled) || (p->mode == PN_TRAIN && p->learn && t->owner == p->learn)) return true;
    }
    return step->joined && packs_anew(p, step->joined);
}

static pn_status add_packed(pn_plan *p, pn_step *step, const pn_sizes *sizes, int tick)
{
    const int k = step->backward ? 1 : 0, end = p->n_forward + p->n_backward;
    if (!sizes->packed[k]) return PN_OK;
    const bool brief = packs_anew(p, step);
    if (brief) {
        step->packed = pn_arena_alloc(&p->arena, 2, sizeof *step->packed);
        if (!step->packed) return PN_ERR_NOMEM;
        step->packed[k] = (pn_packed_slot){ .buffer = -1, .brief = true };
    }
    pn_packed_slot *slot = &step->packed[k];
    if (slot->buffer >= 0) return PN_OK;
    slot->buffer = pn_plan_add_buffer(p, sizes->packed[k]);
    if (slot->buffer < 0) return PN_ERR_NOMEM;
    touch(p, slot->buffer, brief ? tick : -1);
    touch(p, slot->buffer, brief ? tick : end);
    return PN_OK;
}

static pn_status add_scratch(pn_plan *p, pn_step *step, int tick)
{
    step->scratch = -1;
    if (!step->node->op->sizes) return PN_OK;
    pn_sizes sizes = { 0 };
    pn_run r = p->run;
    r.step = step;
    step->node->op->sizes(&r, step->node, &sizes);
    const size_t scratch = step->backward ? sizes.scratch_bwd : sizes.scratch_fwd;
    if (scratch) {
        step->scratch = pn_plan_add_buffer(p, scratch);
        if (step->scratch < 0) return PN_ERR_NOMEM;
        touch(p, step->scratch, tick);
    }
    return add_packed(p, step, &sizes, tick);
}

/* ---- In place ----------------------------------------------------------------------------------------------------------- */

/* Let `into` take over the memory of `from`, when that ends where the other begins. */
static bool merge(pn_plan *p, int *into, int from, int tick)
{
    if (*into < 0 || from < 0 || *into == from) return false;
    pn_buffer *a = &p->buffers[*into], *b = &p->buffers[from];
    if (b->last != tick || a->first != tick || a->bytes != b->bytes) return false;
    b->last = a->last;
    a->bytes = 0;                                       /* nothing lives there any more */
    *into = from;
    return true;
}

/* Input 0 alone lives there: an op may read its other inputs out of step with what it writes. */
static bool read_once(const pn_plan *p, const pn_step *step)
{
    for (int i = 1; i < step->node->n_in; i++)
        if (p->values[step->in[i]].buffer == p->values[step->in[0]].buffer) return false;
    return true;
}

/* The gradient of a residual is that of the sum: when nothing else has arrived there, it stays where it is. */
static void share_residual(pn_plan *p, const pn_step *step, int tick)
{
    const int residual = step->node->n_in;
    pn_value *holder = gradient_holder(p, step->in[residual]);
    if (!(step->wanted & PN_INPUT(residual)) || (step->adds & PN_INPUT(residual)) || holder->tensor->kind == PN_TENSOR_PARAM) return;
    for (int i = 0; i < residual; i++)                  /* which would write there while the sum's is still read */
        if (gradient_holder(p, step->in[i]) == holder) return;
    merge(p, &holder->grad, gradient_holder(p, step->out)->grad, tick);
}

/* The gradient of input 0 takes the memory of input 1, which nobody reads any more. */
static void share_other(pn_plan *p, const pn_step *step, int tick)
{
    pn_value *other = &p->values[step->in[1]], *dx = gradient_holder(p, step->in[0]);
    if (step->wanted != PN_INPUT(0) || (step->adds & PN_INPUT(0)) || other->raw >= 0 || dx->tensor->kind == PN_TENSOR_PARAM) return;
    if (p->values[step->in[0]].raw < 0) merge(p, &dx->grad, other->buffer, tick);
}

static void share_in_place(pn_plan *p)
{
    for (int s = 0; s < p->n_forward + p->n_backward; s++) {
        const pn_step *step = s < p->n_forward ? &p->forward[s] : &p->backward[s - p->n_forward];
        const pn_op *op = step->node->op;
        if (step->backward && step->n_in > step->node->n_in) share_residual(p, step, s);
        if (step->backward && (op->in_place & PN_INPUT(1))) share_other(p, step, s);
        if (!(op->in_place & PN_INPUT(0))) continue;
        if (!step->backward) {
            if (read_once(p, step)) merge(p, &p->values[step->out].buffer, p->values[step->in[0]].buffer, s);
        } else if (step->wanted == PN_INPUT(0) && !(step->adds & PN_INPUT(0))) {
            pn_value *dx = gradient_holder(p, step->in[0]);
            if (dx->tensor->kind != PN_TENSOR_PARAM) merge(p, &dx->grad, gradient_holder(p, step->out)->grad, s);
        }
    }
}

/* ---- Placing ------------------------------------------------------------------------------------------------------------ */

typedef struct { size_t bytes; int life, index; bool held; } order_key;

/* What is held from forward to backward lies below the rest, where guests leave it alone. */
static int larger_first(const void *a, const void *b)
{
    const order_key *x = a, *y = b;
    if (x->held != y->held) return x->held ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->index - y->index;
}

static int longer_first(const void *a, const void *b)
{
    const order_key *x = a, *y = b;
    const double of_x = (double)x->bytes * x->life, of_y = (double)y->bytes * y->life;
    if (x->held != y->held) return x->held ? -1 : 1;
    if (of_x != of_y) return of_x < of_y ? 1 : -1;
    return x->index - y->index;
}

/* Each at the lowest place free during its whole life: `placed` is kept sorted by offset. */
static ptrdiff_t lowest_free(const pn_buffer *buffers, const int *placed, int n, const pn_buffer *b)
{
    ptrdiff_t at = 0;
    for (int i = 0; i < n; i++) {
        const pn_buffer *o = &buffers[placed[i]];
        if (o->last < b->first || b->last < o->first) continue;
        if (o->offset - at >= (ptrdiff_t)b->bytes) return at;
        const ptrdiff_t end = o->offset + (ptrdiff_t)o->bytes;
        if (end > at) at = end;
    }
    return at;
}

static size_t most_bytes(const pn_plan *p)
{
    const size_t limit = pn_ctx_limits(p->ctx)->plan_bytes;
    return limit < PTRDIFF_MAX / 2 ? limit : PTRDIFF_MAX / 2;
}

static pn_status too_large(const pn_plan *p, size_t bytes)
{
    return pn_fail(p->ctx, PN_ERR_LIMIT, "pn_plan_new: the plan needs %zu bytes, more than the limit of %zu; use a smaller "
                   "batch or size, recompute blocks, or raise pn_limits.plan_bytes", bytes, most_bytes(p));
}

static size_t place_in_order(pn_plan *p, const order_key *order, int n, int *placed)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        pn_buffer *b = &p->buffers[order[i].index];
        b->offset = lowest_free(p->buffers, placed, i, b);
        const size_t end = (size_t)b->offset + b->bytes;
        if (end > total) total = end;
        if (end > PTRDIFF_MAX / 2) break;               /* too large, and offsets never wrap around */
        int at = i;
        for (; at > 0 && p->buffers[placed[at - 1]].offset > b->offset; at--) placed[at] = placed[at - 1];
        placed[at] = order[i].index;
    }
    return total;
}

/* Of the buffers in one arena. The largest first, or what takes most room for the longest time: whichever needs less. */
static pn_status place_arena(pn_plan *p, bool shared, order_key *order, int *placed, size_t *total)
{
    int n = 0;
    for (int i = 0; i < p->n_buffers; i++) {
        const pn_buffer *b = &p->buffers[i];
        if (!b->bytes || b->last < b->first || b->shared != shared) continue;
        if (b->bytes > most_bytes(p)) return too_large(p, b->bytes);
        const bool held = shared && !p->guest && b->first < p->n_forward && b->last >= p->n_forward;
        order[n++] = (order_key){ b->bytes, b->last - b->first + 1, i, held };
    }
    *total = 0;
    if (!n) return PN_OK;
    qsort(order, (size_t)n, sizeof *order, longer_first);
    const size_t by_life = place_in_order(p, order, n, placed);
    qsort(order, (size_t)n, sizeof *order, larger_first);
    *total = place_in_order(p, order, n, placed);
    if (by_life < *total) {
        qsort(order, (size_t)n, sizeof *order, longer_first);
        *total = place_in_order(p, order, n, placed);
    }
    for (int i = 0; i < n && order[i].held; i++) {
        const pn_buffer *b = &p->buffers[order[i].index];
        if ((size_t)b->offset + b->bytes > p->held_bytes) p->held_bytes = (size_t)b->offset + b->bytes;
    }
    return *total > most_bytes(p) ? too_large(p, *total) : PN_OK;
}

/* The sum at each tick of what is alive there; at most. */
static pn_status count_live(pn_plan *p)
{
    const int ticks = p->n_forward + p->n_backward + 2;         /* before the first, and the end */
    size_t *change = pn_arena_alloc(&p->arena, (size_t)ticks + 1, sizeof *change), live = 0;
    if (!change) return PN_ERR_NOMEM;
    for (int i = 0; i < p->n_buffers; i++) {
        const pn_buffer *b = &p->buffers[i];
        if (!b->bytes || b->last < b->first) continue;
        p->stats.value_bytes += b->bytes;
        change[b->first + 1] += b->bytes;
        change[b->last + 2] -= b->bytes;                /* wraps, and back */
    }
    for (int t = 0; t < ticks; t++) {
        live += change[t];
        if (live > p->stats.live_bytes) p->stats.live_bytes = live;
    }
    return PN_OK;
}

/* Of a plan that takes turns: what outlives its turn is its own. */
static pn_status place_buffers(pn_plan *p, size_t *own)
{
    const int end = p->n_forward + p->n_backward;
    order_key *order = pn_arena_alloc(&p->arena, (size_t)p->n_buffers + 1, sizeof *order);
    int *placed = pn_arena_alloc(&p->arena, (size_t)p->n_buffers + 1, sizeof *placed);
    if (!order || !placed) return PN_ERR_NOMEM;
    for (int i = 0; i < p->n_buffers; i++) {
        pn_buffer *b = &p->buffers[i];
        if (b->bytes > most_bytes(p)) return too_large(p, b->bytes);
        b->bytes = (b->bytes + LINE - 1) / LINE * LINE;
        b->shared = p->turns && b->first >= 0 && (b->lent || b->last < end);
    }
    pn_status status = count_live(p);
    if (!status) status = place_arena(p, false, order, placed, own);
    return status ? status : place_arena(p, true, order, placed, &p->shared_bytes);
}

uint8_t *pn_buffer_at(const pn_plan *p, int buffer)
{
    const pn_buffer *b = &p->buffers[buffer];
    return (b->shared ? p->shared : p->memory) + b->offset;
}

static pn_real *memory_of(const pn_plan *p, int buffer)
{
    if (buffer < 0 || p->buffers[buffer].offset < 0) return NULL;
    return (pn_real *)(void *)pn_buffer_at(p, buffer);
}

void pn_plan_resolve(pn_plan *p)
{
    for (int i = 0; i < p->n_values; i++) {
        pn_value *v = &p->values[i];
        v->data = v->buffer < 0 ? v->tensor->data : memory_of(p, v->buffer);
        v->grad_data = memory_of(p, v->grad);
    }
    for (int i = 0; i < p->n_values; i++)
        if (p->values[i].raw >= 0) p->values[i].data = p->values[p->values[i].raw].data;
}

/* A settled value is read in later runs, too, unless whoever reads it has packed it, or is settled as well. Then its memory
 * is for others as soon as the run goes on. */
static void keep_inputs(pn_plan *p, const pn_step *step, unsigned packed)
{
    for (int i = 0; i < step->n_in; i++) {
        const pn_value *v = &p->values[step->in[i]];
        if (!v->settled || (packed & PN_INPUT(i))) continue;
        touch(p, v->buffer, -1);
        touch(p, v->buffer, p->n_forward + p->n_backward);
    }
}

static void keep_settled(pn_plan *p, const pn_step *step)
{
    if (pn_step_settled(p, step)) return;
    const unsigned packed = step->packed && step->packed[0].buffer >= 0 && !step->packed[0].brief ? step->node->op->packs : 0;
    keep_inputs(p, step, packed);
    if (step->joined) keep_inputs(p, step->joined, packed);
}

pn_status pn_plan_place(pn_plan *p)
{
    if (add_value_buffers(p)) return PN_ERR_NOMEM;
    for (int s = 0; s < p->n_forward; s++) {
        touch_forward(p, &p->forward[s], s);
        if (add_scratch(p, &p->forward[s], s)) return PN_ERR_NOMEM;
        keep_settled(p, &p->forward[s]);
    }
    for (int s = 0; s < p->n_backward; s++) {
        pn_step *step = &p->backward[s];
        const int tick = p->n_forward + s;
        if (step->backward) touch_backward(p, step, tick);
        else touch_forward(p, step, tick);
        if (add_scratch(p, step, tick)) return PN_ERR_NOMEM;
    }
    share_in_place(p);
    size_t own;
    const pn_status placed = place_buffers(p, &own);
    if (placed) return placed;
    p->memory_bytes = own ? own : LINE;
    p->memory = pn_alloc_pages(p->ctx, p->memory_bytes);
    if (!p->memory)
        return pn_fail(p->ctx, PN_ERR_NOMEM, "pn_plan_new: no memory for the plan's %zu bytes; use a smaller batch or size, or "
                       "recompute blocks", p->memory_bytes);
    p->stats.arena_bytes = p->memory_bytes + p->shared_bytes;
    p->stats.shared_bytes = p->shared_bytes;
    pn_plan_resolve(p);
    return p->turns ? pn_memory_join(p->turns, p) : PN_OK;
}
