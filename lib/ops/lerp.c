/* lib/ops/lerp.c - (1 - mask) a + mask b: contract in posenet/ops.h, loops in kernels/{ref,simd}/pointwise.c */
#include "ops/op.h"

enum { A, B, MASK };

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.lerp_fwd(r->pool, pn_out(r, node), pn_in(r, node, A), pn_in(r, node, B), pn_in(r, node, MASK),
                                   pn_map_out(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_lerp_sinks d = { pn_sink_in(r, node, A), pn_sink_in(r, node, B), pn_sink_in(r, node, MASK) };
    r->kernels->pointwise.lerp_bwd(r->pool, d, pn_grad_out(r, node), pn_in(r, node, A), pn_in(r, node, B),
                                   pn_in(r, node, MASK), pn_map_out(r, node));
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    const unsigned both = PN_INPUT(A) | PN_INPUT(B);
    return (wanted & both ? PN_INPUT(MASK) : 0) | (wanted & PN_INPUT(MASK) ? both : 0);
}

const pn_op pn_op_lerp = {
    .name = "lerp", .layout = { PN_LAYOUT_ANY, PN_LAYOUT_ANY, PN_LAYOUT_PLANAR }, .in_place = PN_INPUT(A),
    .needs = needs, .forward = forward, .backward = backward,
};

pn_tensor *pn_lerp(pn_graph *g, pn_tensor *a, pn_tensor *b, pn_tensor *mask)
{
    pn_tensor *const in[] = { a, b, mask };
    if (!pn_op_begin(g, &pn_op_lerp, in, 3)) return NULL;
    if (!pn_expect_rank(g, a, "a", 4) || !pn_expect_shape(g, b, "b", a->shape)) return NULL;
    const ptrdiff_t *d = a->shape.dim;
    if (!pn_expect_shape(g, mask, "mask", pn_shape4(d[0], 1, d[2], d[3]))) return NULL;
    const pn_node *node = pn_op_record(g, &pn_op_lerp, a->shape, in, 3);
    return node ? node->out : NULL;
}
