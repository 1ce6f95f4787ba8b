/* norm.h - weight and bias of a norm, both or neither: what batch, instance, group and layer norm share */
#ifndef PN_OPS_NORM_H
#define PN_OPS_NORM_H

#include "ops/op.h"

/* Input number `weight` of the node and the next, if it has them; else NULL. */
pn_norm_params pn_norm_params_in(const pn_run *r, const pn_node *node, int weight);
/* Where the gradients of input 0 and of those two go. */
pn_norm_sinks pn_norm_sinks_in(const pn_run *r, const pn_node *node, int weight);

#endif
