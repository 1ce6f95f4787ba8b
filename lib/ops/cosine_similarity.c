/* lib/ops/cosine_similarity.c - over channels: contract in posenet/ops.h, loops in kernels/{ref,simd}/losses.c */
#include "ops/op.h"

enum { A, B };

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.cosine_fwd(r->pool, pn_out(r, node), pn_saved(r, node, 0), pn_in(r, node, A), pn_in(r, node, B),
                                pn_map_in(r, node, A));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.cosine_bwd(r->pool, pn_sink_in(r, node, A), pn_sink_in(r, node, B), pn_grad_out(r, node),
                                pn_result(r, node), pn_saved(r, node, 0), pn_in(r, node, A), pn_in(r, node, B),
                                pn_map_in(r, node, A));
}

const pn_op pn_op_cosine_similarity = {
    .name = "cosine_similarity", .result = PN_LAYOUT_PLANAR, .saved = PN_LAYOUT_PLANAR,
    .backward_needs = PN_INPUT(A) | PN_INPUT(B) | PN_OUTPUT, .forward = forward, .backward = backward,
};

pn_tensor *pn_cosine_similarity(pn_graph *g, pn_tensor *a, pn_tensor *b)
{
    pn_tensor *const in[] = { a, b };
    if (!pn_op_begin(g, &pn_op_cosine_similarity, in, 2) || !pn_expect_rank(g, a, "a", 4)) return NULL;
    if (!pn_expect_shape(g, b, "b", a->shape)) return NULL;
    const ptrdiff_t *d = a->shape.dim;
    pn_node *node = pn_op_record(g, &pn_op_cosine_similarity, pn_shape4(d[0], 1, d[2], d[3]), in, 2);
    if (!node || !pn_op_save(g, node, pn_shape4(d[0], 2, d[2], d[3]))) return NULL;       /* squared lengths of a and b */
    return node->out;
}
