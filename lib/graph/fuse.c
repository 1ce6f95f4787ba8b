/* lib/graph/fuse.c - steps folded into their neighbours: no new ops, no more passes over memory than needed
 *
 * A convolution can do three small things while it writes: add a residual, apply an activation, leave the sums a norm
 * needs (pn_epilogue); and one while it reads: act(x scale + shift) per channel (pn_prologue). So
 *
 *   conv ─► act              the convolution writes what act made of its result; the sign of that undoes it in backward
 *   conv ─► + other          the convolution adds other, which is computed before it
 *   norm ─► act ─► conv      the normalised map is never stored: its value is read from the raw one, through the lines
 *   norm ─► conv, act ─► conv       (scale and shift) that the norm leaves; backward goes through act and norm in one pass
 *   conv ─► norm             the norm finds its sums made
 *   conv + conv              of one geometry: one convolution over the channels of both
 *
 * A value that somebody else reads, or that is an output, is stored as ever. What is folded away is a node without a
 * step; its tensor keeps no value of its own, and the gradient passes through the step that took it over.
 */
#include "graph/graph.h"

#include <string.h>

typedef struct {
    pn_plan *p;
    int *maker, *readers;           /* by value: the step that computes it, or -1; how often a step reads it */
    bool *gone;                     /* by step */
} folding;

static pn_step *step_of(const folding *f, int s) { return &f->p->forward[s]; }
static const pn_op *op_of(const folding *f, int s) { return step_of(f, s)->node->op; }

/* Someone outside reads it. */
static bool is_kept(const pn_plan *p, int value)
{
    const pn_tensor *t = p->values[value].tensor;
    return t->is_output && t->graph && p->value_of[t->index] == value;
}

/* Read by one step alone. */
static bool passes_on(const folding *f, int value) { return f->readers[value] == 1 && !is_kept(f->p, value); }

static bool same_map(const pn_plan *p, int a, int b)
{
    return pn_shape_equal(p->values[a].shape, p->values[b].shape) && p->values[a].block == p->values[b].block;
}

static void fold_away(folding *f, int s)
{
    f->gone[s] = true;
    f->p->stats.fused++;
}

/* The step that writes `value`, if that can fold more into its writing and nobody wants the value as it is. */
static int writer_of(const folding *f, int value)
{
    const int m = f->maker[value];
    if (m < 0 || !op_of(f, m)->writes_folded || !passes_on(f, value)) return -1;
    return step_of(f, m)->slope == 1 ? m : -1;         /* an activation comes last */
}

/* The step that wrote input 0 of step s writes the result of s instead. */
static void take_over(folding *f, int m, int s)
{
    step_of(f, m)->out = step_of(f, s)->out;
    f->maker[step_of(f, s)->out] = m;
    fold_away(f, s);
}

static void fold_activation(folding *f, int s)
{
    const pn_step *step = step_of(f, s);
    const int m = writer_of(f, step->in[0]);
    if (m < 0 || !same_map(f->p, step->in[0], step->out)) return;
    step_of(f, m)->slope = *step->node->op->folds_slope(step->node);
    take_over(f, m, s);
}

/* Either summand may be the one whose step takes the other, if the other is there by then. */
static void fold_sum(folding *f, int s)
{
    const pn_step *step = step_of(f, s);
    if (!same_map(f->p, step->in[0], step->in[1])) return;
    for (int i = 0; i < 2; i++) {
        const int m = writer_of(f, step->in[i]), other = step->in[1 - i];
        if (m < 0 || f->maker[other] >= m) continue;
        pn_step *writer = step_of(f, m);
        if (writer->n_in > writer->node->n_in) continue;        /* it has one */
        writer->in[writer->n_in++] = other;
        take_over(f, m, s);
        return;
    }
}

/* All who read it can read it through a prologue. */
static bool read_folded(const folding *f, int value)
{
    const pn_value *v = &f->p->values[value];
    if (is_kept(f->p, value) || v->shape.rank != 4 || v->block != PN_BLOCK || !f->readers[value]) return false;
    for (int s = 0; s < f->p->n_forward; s++)
        for (int i = 0; !f->gone[s] && i < step_of(f, s)->n_in; i++)
            if (step_of(f, s)->in[i] == value && !(op_of(f, s)->reads_folded & PN_INPUT(i))) return false;
    return true;
}

/* The activation that alone reads the value, or -1. */
static int activation_of(const folding *f, int value)
{
    if (!passes_on(f, value)) return -1;
    for (int s = 0; s < f->p->n_forward; s++)
        if (!f->gone[s] && step_of(f, s)->in[0] == value) return op_of(f, s)->folds_slope ? s : -1;
    return -1;
}

/* Step s, a norm or an activation, and an activation behind it become the way in which their readers read. */
static pn_status fold_reading(folding *f, int s)
{
    pn_plan *p = f->p;
    pn_step *step = step_of(f, s);
    const pn_op *op = step->node->op;
    const int act = op->folds_slope ? s : activation_of(f, step->out), result = act < 0 ? step->out : step_of(f, act)->out;
    if (!read_folded(f, result) || p->values[step->in[0]].block != PN_BLOCK) return PN_OK;
    const pn_shape *shape = &p->values[result].shape;
    const ptrdiff_t lanes = (shape->dim[1] + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK;
    const int lines = pn_plan_add_value(p, p->values[result].tensor, pn_shape1(2 * shape->dim[0] * lanes), 1);
    if (lines < 0) return PN_ERR_NOMEM;
    pn_value *v = &p->values[result];
    v->raw = step->in[0];
    v->lines = lines;
    v->slope = act < 0 ? 1 : *op_of(f, act)->folds_slope(step_of(f, act)->node);
    step->out = result;
    f->maker[result] = s;
    if (act >= 0 && act != s) fold_away(f, act);
    p->stats.fused++;                                   /* the step stays, for the lines; its pass does not */
    return PN_OK;
}

/* Small maps are read again for their statistics: it costs nothing, and few numbers may lie close together. */
enum { SUMS_FROM = 256 };           /* pixels */

static pn_status give_sums(folding *f, int s)
{
    pn_plan *p = f->p;
    pn_step *step = step_of(f, s);
    const int x = step->in[0], m = f->maker[x];
    if (p->values[x].shape.rank != 4 || p->values[x].shape.dim[2] * p->values[x].shape.dim[3] < SUMS_FROM) return PN_OK;
    if (m < 0 || !op_of(f, m)->writes_folded || p->values[x].block != PN_BLOCK) return PN_OK;
    pn_step *writer = step_of(f, m);
    if (writer->sums_left < 0) {
        const pn_shape *shape = &p->values[x].shape;
        const ptrdiff_t lanes = (shape->dim[1] + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK;
        writer->sums_left = pn_plan_add_value(p, p->values[x].tensor, pn_shape1(2 * shape->dim[0] * lanes), 1);
        if (writer->sums_left < 0) return PN_ERR_NOMEM;
    }
    step->sums_given = writer->sums_left;
    return PN_OK;
}

/* The summand that step s takes, if it is made by the same op, for this sum alone, and nothing is folded into it. */
static int joinable(const folding *f, int s)
{
    const pn_step *step = step_of(f, s);
    const pn_node *node = step->node;
    if (!node->op->joins || step->n_in == node->n_in) return -1;
    const int value = step->in[node->n_in], m = f->maker[value];
    if (m < 0 || op_of(f, m) != node->op || !passes_on(f, value)) return -1;
    const pn_step *other = step_of(f, m);
    const bool bare = other->slope == 1 && other->sums_left < 0 && other->n_in == other->node->n_in;
    return bare && other->node->block == node->block && node->op->joins(node, other->node) ? m : -1;
}

/* Both are computed where the later one is. Its packed memory holds the weights of both, and is shared by like pairs. */
static pn_status join(folding *f, int s)
{
    pn_plan *p = f->p;
    const int m = joinable(f, s);
    if (m < 0) return PN_OK;
    pn_step *step = step_of(f, s), *joined = pn_arena_alloc(&p->arena, 1, sizeof *joined);
    pn_packed_slot *packed = pn_arena_alloc(&p->arena, 2, sizeof *packed);
    if (!joined || !packed) return PN_ERR_NOMEM;
    *joined = *step_of(f, m);
    packed[0].buffer = packed[1].buffer = -1;
    for (int q = 0; q < s; q++) {
        const pn_step *earlier = step_of(f, q);
        if (f->gone[q] || !earlier->joined || !pn_step_packs_alike(p, earlier, step)) continue;
        if (pn_step_packs_alike(p, earlier->joined, joined)) packed = earlier->packed;
    }
    step->joined = joined;
    step->packed = packed;
    fold_away(f, m);
    return PN_OK;
}

static void close_ranks(folding *f)
{
    int n = 0;
    for (int s = 0; s < f->p->n_forward; s++)
        if (!f->gone[s]) f->p->forward[n++] = f->p->forward[s];
    f->p->n_forward = n;
}

pn_status pn_plan_fuse(pn_plan *p)
{
    if (!p->ctx->fuse) return PN_OK;
    folding f = { .p = p };
    const size_t values = (size_t)p->n_values + 1, steps = (size_t)p->n_forward + 1;
    f.maker = pn_arena_alloc(&p->arena, values, sizeof *f.maker);
    f.readers = pn_arena_alloc(&p->arena, values, sizeof *f.readers);
    f.gone = pn_arena_alloc(&p->arena, steps, sizeof *f.gone);
    if (!f.maker || !f.readers || !f.gone) return PN_ERR_NOMEM;
    for (int v = 0; v < p->n_values; v++) f.maker[v] = -1;
    for (int s = 0; s < p->n_forward; s++) {
        f.maker[p->forward[s].out] = s;
        for (int i = 0; i < p->forward[s].n_in; i++) f.readers[p->forward[s].in[i]]++;
    }
    for (int s = 0; s < p->n_forward; s++) {            /* writing first: an activation there costs its readers nothing */
        if (op_of(&f, s)->folds_slope) fold_activation(&f, s);
        else if (op_of(&f, s)->folds_sum) fold_sum(&f, s);
    }
    for (int s = 0; s < p->n_forward; s++) {
        if (f.gone[s]) continue;
        if (op_of(&f, s)->takes_sums && give_sums(&f, s)) return PN_ERR_NOMEM;
        if (op_of(&f, s)->folds && fold_reading(&f, s)) return PN_ERR_NOMEM;
    }
    for (int s = 0; s < p->n_forward; s++)
        if (!f.gone[s] && join(&f, s)) return PN_ERR_NOMEM;
    close_ranks(&f);
    return PN_OK;
}
