/* lib/ops/reshape.c - the same numbers under other extents: contract in posenet/ops.h
 *
 * Planar values keep their order, so where lifetimes allow it nothing moves at all.
 */
#include "ops/op.h"

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_real *x = pn_in(r, node, 0);
    pn_real *y = pn_out(r, node);
    if (y != x) r->kernels->pointwise.copy(r->pool, (pn_sink){ y, false }, x, pn_shape_count(node->out->shape));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_sink dx = pn_sink_in(r, node, 0);
    const pn_real *dy = pn_grad_out(r, node);
    if (dx.data != dy) r->kernels->pointwise.copy(r->pool, dx, dy, pn_shape_count(node->out->shape));
}

const pn_op pn_op_reshape = {
    .name = "reshape", .layout = { PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_PLANAR, .in_place = PN_INPUT(0),
    .forward = forward, .backward = backward,
};

pn_tensor *pn_reshape(pn_graph *g, pn_tensor *x, pn_shape shape)
{
    pn_tensor *const in[] = { x };
    char is[PN_SHAPE_TEXT], wanted[PN_SHAPE_TEXT];
    if (!pn_op_begin(g, &pn_op_reshape, in, 1)) return NULL;
    if (!pn_expect(g, shape.rank >= 1 && shape.rank <= PN_MAX_RANK, "the rank is %d, expected 1 to %d", shape.rank, PN_MAX_RANK))
        return NULL;
    if (!pn_expect_fits(g, pn_shape_valid(shape) && pn_shape_count(shape) == pn_shape_count(x->shape), "x is %s, which has %td "
                        "numbers; %s does not", pn_shape_text(x->shape, is), pn_shape_count(x->shape),
                        pn_shape_text(shape, wanted))) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_reshape, shape, in, 1);
    return node ? node->out : NULL;
}
