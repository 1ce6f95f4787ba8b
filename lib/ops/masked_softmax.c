/* lib/ops/masked_softmax.c - softmax of the columns that count: contract in posenet/ops.h, loops in kernels/ref/regions.c */
#include "ops/op.h"

enum { X, MASK };

static pn_masked_dims dims_of(const pn_node *node)
{
    const pn_shape x = node->in[X]->shape;
    const ptrdiff_t m = x.dim[x.rank - 1], rows = pn_shape_count(x) / m;
    return (pn_masked_dims){ rows, m, rows / (pn_shape_count(node->in[MASK]->shape) / m) };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->region.masked_softmax_fwd(r->pool, pn_out(r, node), pn_in(r, node, X), pn_in(r, node, MASK), dims_of(node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->region.masked_softmax_bwd(r->pool, pn_sink_in(r, node, X), pn_grad_out(r, node), pn_result(r, node),
                                          pn_in(r, node, MASK), dims_of(node));
}

const pn_op pn_op_masked_softmax = {
    .name = "masked_softmax", .layout = { PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_PLANAR,
    .backward_needs = PN_OUTPUT | PN_INPUT(MASK), .no_grad = PN_INPUT(MASK), .forward = forward, .backward = backward,
};

pn_tensor *pn_masked_softmax(pn_graph *g, pn_tensor *x, pn_tensor *mask)
{
    pn_tensor *const in[] = { x, mask };
    if (!pn_op_begin(g, &pn_op_masked_softmax, in, 2)) return NULL;
    char is[PN_SHAPE_TEXT], row[PN_SHAPE_TEXT], whole[PN_SHAPE_TEXT];
    const pn_shape one = pn_shape2(x->shape.dim[0], x->shape.dim[x->shape.rank - 1]);
    if (!pn_expect_fits(g, pn_shape_equal(mask->shape, x->shape) || (x->shape.rank > 1 && pn_shape_equal(mask->shape, one)),
                        "mask is %s, expected %s or %s", pn_shape_text(mask->shape, is), pn_shape_text(one, row),
                        pn_shape_text(x->shape, whole))) return NULL;
    const pn_node *node = pn_op_record(g, &pn_op_masked_softmax, x->shape, in, 2);
    return node ? node->out : NULL;
}
