/* lib/ops/cross_entropy.c - contract in posenet/ops.h, loops in kernels/{ref,simd}/losses.c
 *
 * ours: where no pixel at all has a class the loss is 0 and so is its gradient, so that one unlabelled picture cannot stop
 * a training.
 */
#include "ops/op.h"

enum { LOGITS, CLASSES };
enum { LSE, VALID };

static pn_class_dims dims_of(const pn_node *node)
{
    const ptrdiff_t *d = node->in[LOGITS]->shape.dim;
    return (pn_class_dims){ .n = d[0], .c = d[1], .area = d[2] * d[3] };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    *out = (pn_sizes){ .scratch_fwd = r->kernels->loss.cross_entropy_scratch(dims_of(node), r->threads) };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.cross_entropy_fwd(r->pool, pn_out(r, node), pn_saved(r, node, LSE), pn_saved(r, node, VALID),
                                       pn_in(r, node, LOGITS), pn_in(r, node, CLASSES), dims_of(node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.cross_entropy_bwd(r->pool, pn_sink_in(r, node, LOGITS), pn_grad_out(r, node), pn_in(r, node, LOGITS),
                                       pn_in(r, node, CLASSES), pn_saved(r, node, LSE), pn_saved(r, node, VALID), dims_of(node));
}

const pn_op pn_op_cross_entropy = {
    .name = "cross_entropy", .layout = { PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR }, .saved = PN_LAYOUT_PLANAR,
    .backward_needs = PN_INPUT(LOGITS) | PN_INPUT(CLASSES), .no_grad = PN_INPUT(CLASSES), .sizes = sizes,
    .forward = forward, .backward = backward,
};

pn_tensor *pn_cross_entropy(pn_graph *g, pn_tensor *logits, pn_tensor *classes)
{
    pn_tensor *const in[] = { logits, classes };
    if (!pn_op_begin(g, &pn_op_cross_entropy, in, 2) || !pn_expect_rank(g, logits, "logits", 4)) return NULL;
    const ptrdiff_t *d = logits->shape.dim;
    const pn_shape plane = pn_shape4(d[0], 1, d[2], d[3]);
    if (!pn_expect_shape(g, classes, "classes", plane)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_cross_entropy, pn_shape1(1), in, 2);
    if (!node || !pn_op_save(g, node, plane) || !pn_op_save(g, node, pn_shape1(1))) return NULL;
    return node->out;
}
