/* lib/graph/differentiate.c - forward steps to backward steps: gradients in reverse order, blocks recomputed before theirs
 *
 * Walking the forward steps from last to first, a step gets a backward when a gradient has reached its result. The first
 * write of a gradient sets, later ones add. Where a block is to be recomputed, its forward steps are repeated right before
 * its first backward step, into twins of the values; backward steps of the block read the twins. So is what costs little
 * to make again, in every plan: converted inputs, weights over their spectral norm, and what pn_plan_opt.remake says.
 * The backward of a loss, or of what else is smaller than what it came from, waits until somebody reads the gradient it writes.
 */
#include "graph/graph.h"

#include <string.h>

static uint32_t gradients_wanted(const pn_plan *p, const pn_step *step)
{
    const pn_op *op = step->node->op;
    uint32_t wanted = 0;
    for (int i = 0; i < step->n_in; i++)
        if (!(op->no_grad & PN_INPUT(i)) && pn_tensor_wants(p, p->values[step->in[i]].tensor)) wanted |= PN_INPUT(i);
    return op->backward ? wanted : 0;
}

static void mark_seeds(pn_plan *p)
{
    const pn_graph *g = p->graph;
    for (size_t i = 0; i < g->n_tensors; i++) {
        const pn_tensor *t = g->tensors[i];
        if (p->value_of[i] < 0 || !p->wants[i] || t->kind == PN_TENSOR_SAVED) continue;
        pn_value *v = &p->values[p->value_of[i]];
        v->seeded = t == g->loss || (t->kind == PN_TENSOR_RESULT && t->is_output && t->wants_grad);
    }
}

/* ---- Recomputing ---------------------------------------------------------------------------------------------------- */

static bool named_in(const char *list, const char *name)
{
    if (!list || !name) return false;
    if (strcmp(list, "*") == 0) return true;
    const size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == ',' || !at[n])) return true;
    return false;
}

/* A region is a run of forward steps of one block. Steps that update state are not repeated: their values are kept. */
static bool same_region(const pn_plan *p, int a, int b)
{
    const char *block = p->forward[a].node->block, *other = p->forward[b].node->block;
    return block && other && strcmp(block, other) == 0;
}

static bool makes(const pn_step *step, int value)
{
    bool made = step->out == value;
    for (int k = 0; k < step->node->n_saved; k++) made = made || step->saved[k] == value;
    return made && !step->node->op->updates_state;
}

static void repeat_makers(const pn_plan *p, int first, int s, int value, bool *repeat)
{
    for (int q = first; q < s; q++)
        if (makes(&p->forward[q], value)) repeat[q] = true;
}

/* Which steps of the region must run again: those whose results or saved values a backward of the region reads, and what
 * these are computed from inside it. */
static void find_repeated(const pn_plan *p, int first, int last, bool *repeat)
{
    for (int s = last; s >= first; s--) {
        const pn_step *step = &p->forward[s];
        const pn_step *joined = step->joined;
        const unsigned reads = step->wanted ? pn_step_reads(step) : 0, also = joined && step->wanted ? pn_step_reads(joined) : 0;
        if (step->wanted && ((reads & PN_OUTPUT) || step->node->n_saved)) repeat[s] = true;
        if (step->node->op->updates_state) repeat[s] = false;
        for (int i = 0; i < step->n_in; i++)
            if (repeat[s] || (reads & PN_INPUT(i))) repeat_makers(p, first, s, step->in[i], repeat);
        for (int i = 0; joined && i < joined->n_in; i++)
            if (repeat[s] || (also & PN_INPUT(i))) repeat_makers(p, first, s, joined->in[i], repeat);
    }
}

static int twin_of(pn_plan *p, int *twin, int value)
{
    const pn_value v = p->values[value];
    const int t = pn_plan_add_value(p, v.tensor, v.shape, v.block);
    if (t < 0) return -1;
    p->values[t].original = value;
    if (v.raw >= 0) {                                   /* never stored: a twin of what it is read from and through */
        p->values[t].raw = twin[v.raw] >= 0 ? twin[v.raw] : v.raw;
        p->values[t].slope = v.slope;
        const int lines = twin_of(p, twin, v.lines);
        if (lines < 0) return -1;
        p->values[t].lines = lines;
    }
    return twin[value] = t;
}

static int now(const int *twin, int value) { return value >= 0 && twin[value] >= 0 ? twin[value] : value; }

/* What was folded in is the same whenever the node runs. */
static void copy_folds(pn_step *to, const pn_step *from)
{
    to->packed = from->packed;
    to->n_in = from->n_in;
    to->slope = from->slope;
}

/* A joined step over the twins. */
static pn_step *joined_again(pn_plan *p, const pn_step *joined, const int *twin)
{
    pn_step *again = pn_arena_alloc(&p->arena, 1, sizeof *again);
    int *in = pn_arena_alloc(&p->arena, (size_t)joined->n_in, sizeof *in);
    if (!again || !in) return NULL;
    *again = *joined;
    again->in = in;
    for (int i = 0; i < joined->n_in; i++) in[i] = now(twin, joined->in[i]);
    return again;
}

/* ---- Making again ----------------------------------------------------------------------------------------------------- */

/* The forward step whose result it is; -1: a leaf, or never stored because another step took its maker up. */
static int maker_of(const pn_plan *p, int value)
{
    for (int s = 0; s < p->n_forward; s++)
        if (p->forward[s].out == value) return s;
    return -1;
}

/* The backward of a step up to `before` reads it: it waits for that anyway. */
static bool waits(const pn_plan *p, int value, int before)
{
    for (int s = 0; s <= before; s++) {
        const pn_step *step = &p->forward[s];
        const unsigned reads = step->wanted ? pn_step_reads(step) : 0;
        if ((reads & PN_OUTPUT) && step->out == value) return true;
        for (int i = 0; i < step->n_in; i++)
            if ((reads & PN_INPUT(i)) && step->in[i] == value) return true;
    }
    return false;
}

/* Its op is always made again, or takes no more multiply-adds a number than the plan may spend. */
static bool takes_little(const pn_plan *p, const pn_step *step)
{
    const pn_op *op = step->node->op;
    if (op->remade) return step->slope == 1;
    if (p->remake <= 0 || !op->macs || op->updates_state) return false;
    return op->macs(step->node) <= (double)p->remake * (double)pn_shape_count(p->values[step->out].shape);
}

/* The step that makes a value by little work from leaves, from what is made so, or from what waits anyway: it need not wait
 * for the backward of step `before`. */
static const pn_step *remaker_of(const pn_plan *p, int value, int before)
{
    const pn_value *v = &p->values[value];
    const pn_tensor *t = v->tensor;
    if (v->raw >= 0 || (t->graph && t->is_output && p->value_of[t->index] == value)) return NULL;
    const int made_by = maker_of(p, value);
    if (made_by < 0) return NULL;
    const pn_step *maker = &p->forward[made_by];
    if (!takes_little(p, maker) || maker->n_in > maker->node->n_in || maker->joined || maker->sums_given >= 0) return NULL;
    for (int i = 0; i < maker->n_in; i++) {
        const pn_tensor *in = p->values[maker->in[i]].tensor;
        const bool leaf = in->kind != PN_TENSOR_RESULT && in->kind != PN_TENSOR_SAVED && maker_of(p, maker->in[i]) < 0;
        if (!leaf && !remaker_of(p, maker->in[i], before) && !waits(p, maker->in[i], before)) return NULL;
    }
    return maker;
}

static pn_status remake(pn_plan *p, int value, int before, int *twin);

/* What is never stored is read from the twin, through the same lines. */
static pn_status remake_raw(pn_plan *p, int value, int before, int *twin)
{
    const pn_value v = p->values[value];
    if (twin[value] >= 0 || remake(p, v.raw, before, twin)) return twin[value] >= 0 ? PN_OK : PN_ERR_NOMEM;
    if (twin[v.raw] < 0) return PN_OK;
    const int t = pn_plan_add_value(p, v.tensor, v.shape, v.block);
    if (t < 0) return PN_ERR_NOMEM;
    pn_value *again = &p->values[t];
    again->original = value;
    again->raw = twin[v.raw];
    again->lines = v.lines;
    again->slope = v.slope;
    twin[value] = t;
    return PN_OK;
}

/* Repeated before a step of backward that reads it, from the same saved values. */
static pn_status remake(pn_plan *p, int value, int before, int *twin)
{
    if (p->values[value].raw >= 0) return remake_raw(p, value, before, twin);
    const pn_step *maker = twin[value] < 0 ? remaker_of(p, value, before) : NULL;
    if (!maker) return PN_OK;
    for (int i = 0; i < maker->n_in; i++)
        if (remake(p, maker->in[i], before, twin)) return PN_ERR_NOMEM;
    pn_step *again = pn_plan_add_step(p, true, maker->node);
    if (!again) return PN_ERR_NOMEM;
    again->recompute = true;
    copy_folds(again, maker);
    for (int i = 0; i < maker->n_in; i++) again->in[i] = now(twin, maker->in[i]);
    for (int k = 0; k < maker->node->n_saved; k++) again->saved[k] = maker->saved[k];
    const int out = twin_of(p, twin, value);
    if (out < 0) return PN_ERR_NOMEM;
    again->out = out;
    return PN_OK;
}

/* What the step reads, for a step that runs right before the backward of `before`. */
static pn_status remake_read(pn_plan *p, const pn_step *step, unsigned reads, int before, int *twin)
{
    if ((reads & PN_OUTPUT) && remake(p, step->out, before, twin)) return PN_ERR_NOMEM;
    for (int i = 0; i < step->n_in; i++)
        if ((reads & PN_INPUT(i)) && remake(p, step->in[i], before, twin)) return PN_ERR_NOMEM;
    return PN_OK;
}

static pn_status repeat_region(pn_plan *p, int first, int last, int *twin)
{
    bool *repeat = pn_arena_alloc(&p->arena, (size_t)p->n_forward, sizeof *repeat);
    if (!repeat) return PN_ERR_NOMEM;
    find_repeated(p, first, last, repeat);
    for (int s = first; s <= last; s++) {
        if (!repeat[s]) continue;
        const pn_step *step = &p->forward[s];
        if (remake_read(p, step, ~PN_OUTPUT, s, twin)) return PN_ERR_NOMEM;
        if (step->joined && remake_read(p, step->joined, ~PN_OUTPUT, 0, twin)) return PN_ERR_NOMEM;
        pn_step *again = pn_plan_add_step(p, true, step->node);
        if (!again) return PN_ERR_NOMEM;
        again->recompute = true;
        copy_folds(again, step);
        for (int i = 0; i < step->n_in; i++) again->in[i] = now(twin, step->in[i]);
        again->sums_given = now(twin, step->sums_given);
        again->out = twin_of(p, twin, step->out);
        bool ok = again->out >= 0;
        if (step->sums_left >= 0) ok = (again->sums_left = twin_of(p, twin, step->sums_left)) >= 0 && ok;
        for (int k = 0; k < step->node->n_saved; k++) ok = (again->saved[k] = twin_of(p, twin, step->saved[k])) >= 0 && ok;
        if (step->joined) ok = (again->joined = joined_again(p, step->joined, twin)) != NULL && ok;
        if (!ok) return PN_ERR_NOMEM;
        p->stats.recomputed++;
    }
    return PN_OK;
}

/* ---- Backward ------------------------------------------------------------------------------------------------------- */

/* `before`: the forward step whose backward is next; of a joined step 0, before which nothing waits. */
static pn_status add_backward(pn_plan *p, const pn_step *step, int before, int *twin)
{
    if (remake_read(p, step, pn_step_reads(step), before, twin)) return PN_ERR_NOMEM;
    pn_step *back = pn_plan_add_step(p, true, step->node);
    if (!back) return PN_ERR_NOMEM;
    back->backward = true;
    copy_folds(back, step);
    back->wanted = step->wanted;
    for (int i = step->n_in - 1; i >= 0; i--) {         /* a residual's gradient is passed on first */
        const int v = step->in[i];
        back->in[i] = now(twin, v);
        if (!(step->wanted & PN_INPUT(i))) continue;
        if (p->values[v].touched || p->values[v].seeded) back->adds |= PN_INPUT(i);
        p->values[v].touched = true;
    }
    back->out = now(twin, step->out);
    for (int k = 0; k < step->node->n_saved; k++) back->saved[k] = now(twin, step->saved[k]);
    return PN_OK;
}

/* Backward steps that wait: by the forward step before whose own backward they run, in the order of the row. */
typedef struct { int *first, *next; } queue;            /* first[m + 1], next[s]; -1: none */

static void put(const queue *q, int until, int s)
{
    int *at = &q->first[until + 1];
    while (*at >= 0) at = &q->next[*at];
    *at = s;
}

static pn_status add_waiting(pn_plan *p, const queue *q, int m, int *twin)
{
    for (int s = q->first[m + 1]; s >= 0; s = q->next[s])
        if (add_backward(p, &p->forward[s], m, twin)) return PN_ERR_NOMEM;
    return PN_OK;
}

static size_t numbers_of(const pn_plan *p, int value) { return (size_t)pn_shape_count(p->values[value].shape); }

/* The forward step whose backward is the first to read a gradient that this step's would write. A step whose result is
 * smaller than what it was computed from (a loss, a Gram matrix) waits for that: one gradient is smaller than the others. */
static int read_first(const pn_plan *p, int s)
{
    const pn_step *step = &p->forward[s];
    size_t written = 0;
    int first = -1;
    for (int i = 0; i < step->n_in; i++) {
        if (!(step->wanted & PN_INPUT(i))) continue;
        const int maker = maker_of(p, step->in[i]);
        const pn_tensor *t = p->values[step->in[i]].tensor;
        if (maker < 0 && t->kind == PN_TENSOR_RESULT) return s - 1;
        if (maker < 0 && t->kind != PN_TENSOR_INPUT) continue;              /* a parameter's stays until the optimiser step */
        written += numbers_of(p, step->in[i]);
        if (maker > first) first = maker;
    }
    return step->joined || written <= numbers_of(p, step->out) ? s - 1 : first;
}

pn_status pn_plan_differentiate(pn_plan *p)
{
    if (p->mode != PN_TRAIN) return PN_OK;
    mark_seeds(p);
    for (int s = 0; s < p->n_forward; s++) {
        pn_step *step = &p->forward[s];
        step->wanted = gradients_wanted(p, step);
        if (step->joined) step->joined->wanted = gradients_wanted(p, step->joined);
    }
    int *twin = pn_arena_alloc(&p->arena, (size_t)p->n_values + 1, sizeof *twin);
    if (!twin) return PN_ERR_NOMEM;
    for (int v = 0; v < p->n_values; v++) twin[v] = -1;
    const queue q = { pn_arena_alloc(&p->arena, (size_t)p->n_forward + 1, sizeof *q.first),
                      pn_arena_alloc(&p->arena, (size_t)p->n_forward + 1, sizeof *q.next) };
    if (!q.first || !q.next) return PN_ERR_NOMEM;
    for (int s = 0; s <= p->n_forward; s++) q.first[s] = q.next[s] = -1;
    int repeated_down_to = p->n_forward;                /* regions from here on have been repeated */
    for (int s = p->n_forward - 1; s >= 0; s--) {
        pn_step *step = &p->forward[s];
        if (add_waiting(p, &q, s, twin)) return PN_ERR_NOMEM;
        const pn_value *out = &p->values[step->out];
        if (!step->wanted || !(out->touched || out->seeded)) {
            step->wanted = 0;
            continue;
        }
        if (s < repeated_down_to && named_in(p->recompute, step->node->block)) {
            int first = s;
            while (first > 0 && same_region(p, first - 1, s)) first--;
            if (repeat_region(p, first, s, twin)) return PN_ERR_NOMEM;
            repeated_down_to = first;
        }
        const int until = read_first(p, s);
        if (until < s - 1) put(&q, until, s);
        else if (add_backward(p, step, s, twin)) return PN_ERR_NOMEM;
        const pn_step *joined = step->joined;           /* what arrived at the sum has been passed on to its result */
        if (joined && joined->wanted && add_backward(p, joined, 0, twin)) return PN_ERR_NOMEM;
    }
    return add_waiting(p, &q, -1, twin);
}
