/* lib/ops/norm.c - see norm.h */
#include "ops/norm.h"

pn_norm_params pn_norm_params_in(const pn_run *r, const pn_node *node, int weight)
{
    if (node->n_in <= weight) return (pn_norm_params){ 0 };
    return (pn_norm_params){ .weight = pn_in(r, node, weight), .bias = pn_in(r, node, weight + 1) };
}

pn_norm_sinks pn_norm_sinks_in(const pn_run *r, const pn_node *node, int weight)
{
    pn_norm_sinks out = { .x = pn_sink_in(r, node, 0) };
    if (node->n_in > weight) {
        out.weight = pn_sink_in(r, node, weight);
        out.bias = pn_sink_in(r, node, weight + 1);
    }
    return out;
}
