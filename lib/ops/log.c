/* lib/ops/log.c - log(x + shift): contract in posenet/ops.h, loops in kernels/{ref,simd}/pointwise.c */
#include "ops/op.h"

#include <math.h>

typedef struct { pn_node node; double shift; } logarithm;
static double shift_of(const pn_node *node) { return ((const logarithm *)node)->shift; }

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.log_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), shift_of(node), pn_map_out(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.log_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_in(r, node, 0), shift_of(node),
                                  pn_map_out(r, node));
}

const pn_op pn_op_log = {
    .name = "log", .node_bytes = sizeof(logarithm), .backward_needs = PN_INPUT(0), .in_place = PN_INPUT(0),
    .forward = forward, .backward = backward,
};

pn_tensor *pn_log(pn_graph *g, pn_tensor *x, double shift)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_log, in, 1)) return NULL;
    if (!pn_expect(g, isfinite(shift), "shift is %g, expected a finite number", shift)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_log, x->shape, in, 1);
    if (!node) return NULL;
    ((logarithm *)node)->shift = shift;
    return node->out;
}
