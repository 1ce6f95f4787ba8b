/* lib/graph/settle.c - what inference computes from parameters and state alone: once, until one of these changes
 *
 * Spectral norm's weights, slices of a filter, and what is packed from them are the same in every run. Their steps are left
 * out of later runs (run.c), and packed memory made from them is kept (place.c). A plan that runs seldom keeps nothing.
 */
#include "graph/graph.h"

/* It reads nothing else, and nothing is folded into it that does. */
static bool settles(const pn_plan *p, const pn_step *step)
{
    const bool folded = step->joined || step->n_in > step->node->n_in || step->sums_given >= 0 || step->sums_left >= 0;
    if (folded || p->values[step->out].raw >= 0) return false;
    for (int i = 0; i < step->n_in; i++) {
        const pn_value *v = &p->values[step->in[i]];
        const bool leaf = v->tensor->kind == PN_TENSOR_PARAM || v->tensor->kind == PN_TENSOR_STATE;
        if (v->raw >= 0 || !(v->settled || leaf)) return false;
    }
    return step->n_in > 0;
}

/* The parameters among what a step packs. One that is packed together with a settled weight makes both be packed anew. */
static pn_status packed_parameters(pn_plan *p, const pn_step *step)
{
    for (int i = 0; i < step->node->n_in; i++)
        if ((step->node->op->packs & PN_INPUT(i)) && !step->node->in[i]->graph && pn_plan_add_settled_by(p, step->node->in[i]))
            return PN_ERR_NOMEM;
    return step->joined ? packed_parameters(p, step->joined) : PN_OK;
}

pn_status pn_plan_settle(pn_plan *p)
{
    if (p->mode != PN_INFER || p->seldom) return PN_OK;
    for (int s = 0; s < p->n_forward; s++) {
        const pn_step *step = &p->forward[s];
        if (step->joined && packed_parameters(p, step)) return PN_ERR_NOMEM;
        if (!settles(p, step)) continue;
        p->values[step->out].settled = true;
        for (int k = 0; k < step->node->n_saved; k++) p->values[step->saved[k]].settled = true;
        for (int i = 0; i < step->n_in; i++)
            if (!step->node->in[i]->graph && pn_plan_add_settled_by(p, step->node->in[i])) return PN_ERR_NOMEM;
    }
    return PN_OK;
}

bool pn_step_settled(const pn_plan *p, const pn_step *step) { return p->values[step->out].settled; }
