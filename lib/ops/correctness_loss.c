/* lib/ops/correctness_loss.c - GFLA's sampling correctness: contract in posenet/ops.h, loops in kernels/{ref,simd}/
 *
 * Forward knows all that the flow's slope needs, so it leaves that slope (two numbers per feature pixel); backward only
 * adds up the feature pixels that read the same flow.
 */
#include "ops/op.h"

enum { SOURCE, TARGET, FLOW, MASK, INPUTS };

static pn_correctness_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_correctness_dims){ .feature = pn_map_in(r, node, SOURCE), .flow = pn_map_in(r, node, FLOW) };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_attention_scratch s = r->kernels->attention.correctness_scratch(dims_of(r, node), r->threads);
    *out = (pn_sizes){ .scratch_fwd = s.fwd, .scratch_bwd = s.bwd };
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_correctness_inputs in = { pn_in(r, node, SOURCE), pn_in(r, node, TARGET), pn_in(r, node, FLOW),
                                       node->n_in > MASK ? pn_in(r, node, MASK) : NULL };
    r->kernels->attention.correctness_fwd(r->pool, pn_out(r, node), pn_saved(r, node, 0), &in, dims_of(r, node),
                                          pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->attention.correctness_bwd(r->pool, pn_sink_in(r, node, FLOW), pn_grad_out(r, node),
                                          pn_saved(r, node, 0), dims_of(r, node));
}

const pn_op pn_op_correctness_loss = {
    .name = "correctness_loss", .layout = { PN_LAYOUT_BLOCKED, PN_LAYOUT_BLOCKED, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR },
    .saved = PN_LAYOUT_PLANAR, .no_grad = PN_INPUT(SOURCE) | PN_INPUT(TARGET) | PN_INPUT(MASK), .sizes = sizes,
    .forward = forward, .backward = backward,
};

pn_tensor *pn_correctness_loss(pn_graph *g, pn_tensor *source, pn_tensor *target, pn_tensor *flow, pn_tensor *mask)
{
    pn_tensor *const in[INPUTS] = { source, target, flow, mask };
    const int n = mask ? INPUTS : MASK;
    if (!pn_op_begin(g, &pn_op_correctness_loss, in, n)) return NULL;
    if (!pn_expect_rank(g, source, "source", 4) || !pn_expect_shape(g, target, "target", source->shape) ||
        !pn_expect_rank(g, flow, "flow", 4)) return NULL;
    const ptrdiff_t *s = source->shape.dim, *f = flow->shape.dim;
    if (!pn_expect_shape(g, flow, "flow", pn_shape4(s[0], 2, f[2], f[3]))) return NULL;
    if (mask && !pn_expect_shape(g, mask, "mask", pn_shape4(s[0], 1, s[2], s[3]))) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_correctness_loss, pn_shape1(1), in, n);
    return node && pn_op_save(g, node, pn_shape4(s[0], 2, s[2], s[3])) ? node->out : NULL;
}
