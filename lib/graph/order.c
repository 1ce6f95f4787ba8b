/* lib/graph/order.c - forward steps that make room run as soon as they can
 *
 * A Gram matrix of a large map is small; where the map is read by nothing after it, not even backward, it need not wait
 * until the matrix' turn comes. Steps keep the order they were recorded in but for those that leave no more in memory than
 * they found, which move forward. Backward keeps its order, and so its sums.
 */
#include "graph/graph.h"

typedef struct {
    pn_plan *p;
    int *maker, *readers;           /* by value: the step that computes it, or -1; forward steps to come that read it */
    bool *kept;                     /* by value: backward or somebody outside reads it */
    bool *done;                     /* by step */
} ordering;

enum { MOST_READ = 2 * PN_MAX_IN + 8 };

static int add(int *list, int n, int value)
{
    for (int i = 0; i < n; i++)
        if (list[i] == value) return n;
    if (value >= 0) list[n++] = value;
    return n;
}

/* What a step reads, each once; of a value that is never stored, what it is read from and through. */
static int values_read(const pn_plan *p, const pn_step *step, int *list)
{
    int n = 0;
    const pn_step *each[] = { step, step->joined };
    for (int k = 0; k < 2 && each[k]; k++)
        for (int i = 0; i < (k || step->joined ? each[k]->node->n_in : step->n_in); i++) {
            const pn_value *v = &p->values[each[k]->in[i]];
            n = add(list, n, each[k]->in[i]);
            n = add(list, n, v->raw);
            n = add(list, n, v->lines);
        }
    return add(list, n, step->sums_given);
}

static void keep(const ordering *o, int value)
{
    if (value < 0) return;
    const pn_value *v = &o->p->values[value];
    o->kept[value] = true;
    if (v->raw >= 0) o->kept[v->raw] = o->kept[v->lines] = true;
}

static void keep_what_backward_reads(const ordering *o)
{
    const pn_plan *p = o->p;
    for (int s = 0; s < p->n_backward; s++) {
        const pn_step *step = &p->backward[s];
        const unsigned reads = step->backward ? pn_step_reads(step) : ~0u;
        for (int i = 0; i < step->n_in; i++)
            if (reads & PN_INPUT(i)) keep(o, step->in[i]);
        for (int i = 0; step->joined && i < step->joined->n_in; i++) keep(o, step->joined->in[i]);
        if ((reads & PN_OUTPUT) || p->values[step->out].raw >= 0) keep(o, step->out);
    }
    for (int v = 0; v < p->n_values; v++) {
        const pn_tensor *t = p->values[v].tensor;
        const bool computed = t->kind == PN_TENSOR_RESULT || t->kind == PN_TENSOR_SAVED;
        if (t->is_output || p->values[v].settled || (!computed && o->maker[v] < 0)) keep(o, v);
    }
}

static bool is_ready(const ordering *o, int s)
{
    int read[MOST_READ];
    const pn_step *step = &o->p->forward[s];
    const int n = values_read(o->p, step, read);
    for (int i = 0; i < n; i++) {
        const int m = o->maker[read[i]];
        if (m >= 0 && m != s && !o->done[m]) return false;
    }
    return true;
}

static size_t bytes_of(const pn_plan *p, int value)
{
    const pn_value *v = &p->values[value];
    return v->raw >= 0 ? 0 : (size_t)pn_map_stored(pn_map_make(v->shape, v->block)) * sizeof(pn_real);
}

/* What it reads last, and nobody keeps, is at least as large as what it leaves. */
static bool makes_room(const ordering *o, int s)
{
    int read[MOST_READ];
    const pn_plan *p = o->p;
    const pn_step *step = &p->forward[s];
    const int n = values_read(p, step, read);
    size_t freed = 0, left = bytes_of(p, step->out);
    for (int i = 0; i < n; i++)
        if (o->readers[read[i]] == 1 && !o->kept[read[i]]) freed += bytes_of(p, read[i]);
    for (int k = 0; k < step->node->n_saved; k++) left += bytes_of(p, step->saved[k]);
    if (step->sums_left >= 0) left += bytes_of(p, step->sums_left);
    return freed && freed >= left;
}

static void do_step(ordering *o, pn_step *to, int s)
{
    int read[MOST_READ];
    const int n = values_read(o->p, &o->p->forward[s], read);
    for (int i = 0; i < n; i++) o->readers[read[i]]--;
    o->done[s] = true;
    *to = o->p->forward[s];
}

static bool moves(const ordering *o, int s)
{
    return !o->done[s] && !o->p->forward[s].node->op->updates_state && is_ready(o, s) && makes_room(o, s);
}

static pn_status begin(ordering *o)
{
    pn_plan *p = o->p;
    const size_t values = (size_t)p->n_values + 1, steps = (size_t)p->n_forward + 1;
    o->maker = pn_arena_alloc(&p->arena, values, sizeof *o->maker);
    o->readers = pn_arena_alloc(&p->arena, values, sizeof *o->readers);
    o->kept = pn_arena_alloc(&p->arena, values, sizeof *o->kept);
    o->done = pn_arena_alloc(&p->arena, steps, sizeof *o->done);
    if (!o->maker || !o->readers || !o->kept || !o->done) return PN_ERR_NOMEM;
    for (int v = 0; v < p->n_values; v++) o->maker[v] = -1;
    for (int s = 0; s < p->n_forward; s++) {
        int read[MOST_READ];
        const pn_step *step = &p->forward[s];
        const int n = values_read(p, step, read);
        for (int i = 0; i < n; i++) o->readers[read[i]]++;
        o->maker[step->out] = s;
        if (step->sums_left >= 0) o->maker[step->sums_left] = s;
        if (p->values[step->out].raw >= 0) o->maker[p->values[step->out].lines] = s;
        for (int k = 0; k < step->node->n_saved; k++) o->maker[step->saved[k]] = s;
    }
    keep_what_backward_reads(o);
    return PN_OK;
}

pn_status pn_plan_order(pn_plan *p)
{
    ordering o = { .p = p };
    pn_step *steps = pn_arena_alloc(&p->arena, (size_t)p->n_forward + 1, sizeof *steps);
    if (!steps || begin(&o)) return PN_ERR_NOMEM;
    int n = 0;
    for (int s = 0; s < p->n_forward; s++) {
        if (o.done[s]) continue;
        do_step(&o, &steps[n++], s);
        for (int later = s + 1; later < p->n_forward; later++)
            if (moves(&o, later)) {
                do_step(&o, &steps[n++], later);
                later = s;                              /* it may have made others ready */
            }
    }
    p->forward = steps;
    p->forward_room = n;
    return PN_OK;
}
