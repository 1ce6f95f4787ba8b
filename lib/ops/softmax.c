/* lib/ops/softmax.c - softmax over one axis: contract in posenet/ops.h, loops in kernels/{ref,simd}/pointwise.c */
#include "ops/op.h"

typedef struct { pn_node node; int axis; } softmax;

static pn_softmax_dims dims_of(const pn_node *node)
{
    const pn_shape s = node->out->shape;
    const int axis = ((const softmax *)node)->axis;
    pn_softmax_dims d = { 1, s.dim[axis], 1 };
    for (int i = 0; i < axis; i++) d.outer *= s.dim[i];
    for (int i = axis + 1; i < s.rank; i++) d.inner *= s.dim[i];
    return d;
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.softmax_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.softmax_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_result(r, node),
                                      dims_of(node));
}

const pn_op pn_op_softmax = {
    .name = "softmax", .node_bytes = sizeof(softmax), .layout = { PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_PLANAR,
    .backward_needs = PN_OUTPUT, .in_place = PN_INPUT(0), .forward = forward, .backward = backward,
};

pn_tensor *pn_softmax(pn_graph *g, pn_tensor *x, int axis)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_softmax, in, 1)) return NULL;
    const int rank = x->shape.rank;
    if (!pn_expect(g, axis >= -rank && axis < rank, "axis is %d, expected %d to %d", axis, -rank, rank - 1))
        return NULL;
    pn_node *node = pn_op_record(g, &pn_op_softmax, x->shape, in, 1);
    if (!node) return NULL;
    ((softmax *)node)->axis = axis < 0 ? axis + rank : axis;
    return node->out;
}
