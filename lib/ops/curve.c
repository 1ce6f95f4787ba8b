/* lib/ops/curve.c - tanh, sigmoid, gelu: contracts in posenet/ops.h, loops in kernels/{ref,simd}/pointwise.c
 *
 * One op record per curve; they differ in what backward reads, the result or the input.
 */
#include "ops/op.h"

typedef struct { pn_node node; pn_curve curve; } curve;
static pn_curve curve_of(const pn_node *node) { return ((const curve *)node)->curve; }

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.curve_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), curve_of(node), pn_map_out(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_real *read = node->op->backward_needs & PN_OUTPUT ? pn_result(r, node) : pn_in(r, node, 0);
    r->kernels->pointwise.curve_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), read, curve_of(node),
                                    pn_map_out(r, node));
}

const pn_op pn_op_tanh = {
    .name = "tanh", .node_bytes = sizeof(curve), .backward_needs = PN_OUTPUT, .in_place = PN_INPUT(0),
    .forward = forward, .backward = backward,
};
const pn_op pn_op_sigmoid = {
    .name = "sigmoid", .node_bytes = sizeof(curve), .backward_needs = PN_OUTPUT, .in_place = PN_INPUT(0),
    .forward = forward, .backward = backward,
};
const pn_op pn_op_gelu = {
    .name = "gelu", .node_bytes = sizeof(curve), .backward_needs = PN_INPUT(0), .in_place = PN_INPUT(0),
    .forward = forward, .backward = backward,
};

static pn_tensor *record(pn_graph *g, const pn_op *op, pn_tensor *x, pn_curve f)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, op, in, 1)) return NULL;
    pn_node *node = pn_op_record(g, op, x->shape, in, 1);
    if (!node) return NULL;
    ((curve *)node)->curve = f;
    return node->out;
}

pn_tensor *pn_tanh(pn_graph *g, pn_tensor *x) { return record(g, &pn_op_tanh, x, PN_CURVE_TANH); }
pn_tensor *pn_sigmoid(pn_graph *g, pn_tensor *x) { return record(g, &pn_op_sigmoid, x, PN_CURVE_SIGMOID); }
pn_tensor *pn_gelu(pn_graph *g, pn_tensor *x) { return record(g, &pn_op_gelu, x, PN_CURVE_GELU); }
