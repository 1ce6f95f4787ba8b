/* lib/ops/gram.c - products of channels: contract in posenet/ops.h, loops in kernels/{ref,simd}/losses.c */
#include "ops/op.h"

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const size_t scratch = r->kernels->loss.gram_scratch(pn_map_in(r, node, 0));
    *out = (pn_sizes){ .scratch_fwd = scratch, .scratch_bwd = scratch };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.gram_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), pn_map_in(r, node, 0), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.gram_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_in(r, node, 0), pn_map_in(r, node, 0),
                              pn_scratch(r));
}

const pn_op pn_op_gram = {
    .name = "gram", .backward_needs = PN_INPUT(0), .sizes = sizes, .forward = forward, .backward = backward,
};

pn_tensor *pn_gram(pn_graph *g, pn_tensor *x)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_gram, in, 1) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    const ptrdiff_t *d = x->shape.dim;
    pn_node *node = pn_op_record(g, &pn_op_gram, pn_shape3(d[0], d[1], d[1]), in, 1);
    return node ? node->out : NULL;
}
