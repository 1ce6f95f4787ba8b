/* lib/ops/distance_loss.c - mean |a - b| and mean (a - b)^2: contract in posenet/ops.h, loops in kernels/{ref,simd}/losses.c */
#include "ops/op.h"

typedef struct { pn_node node; pn_distance how; } distance_loss;
enum { A, B };

/* Zero lanes of a blocked map are read and add nothing; the mean is over the numbers that exist. */
static pn_distance_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_distance_dims){ .stored = pn_map_stored(pn_map_in(r, node, A)), .count = pn_shape_count(node->in[A]->shape),
                               .how = ((const distance_loss *)node)->how };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    *out = (pn_sizes){ .scratch_fwd = r->kernels->loss.distance_scratch(dims_of(r, node)) };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.distance_fwd(r->pool, pn_out(r, node), pn_in(r, node, A), pn_in(r, node, B), dims_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.distance_bwd(r->pool, pn_sink_in(r, node, A), pn_sink_in(r, node, B), pn_grad_out(r, node),
                                  pn_in(r, node, A), pn_in(r, node, B), dims_of(r, node));
}

const pn_op pn_op_l1_loss = {
    .name = "l1_loss", .node_bytes = sizeof(distance_loss), .backward_needs = PN_INPUT(A) | PN_INPUT(B), .in_place = PN_INPUT(B), .sizes = sizes,
    .forward = forward, .backward = backward,
};
const pn_op pn_op_mse_loss = {
    .name = "mse_loss", .node_bytes = sizeof(distance_loss), .backward_needs = PN_INPUT(A) | PN_INPUT(B), .in_place = PN_INPUT(B), .sizes = sizes,
    .forward = forward, .backward = backward,
};

static pn_tensor *record(pn_graph *g, const pn_op *op, pn_tensor *a, pn_tensor *b, pn_distance how)
{
    pn_tensor *const in[] = { a, b };
    if (!pn_op_begin(g, op, in, 2) || !pn_expect_shape(g, b, "b", a->shape)) return NULL;
    pn_node *node = pn_op_record(g, op, pn_shape1(1), in, 2);
    if (!node) return NULL;
    ((distance_loss *)node)->how = how;
    return node->out;
}

pn_tensor *pn_l1_loss(pn_graph *g, pn_tensor *a, pn_tensor *b) { return record(g, &pn_op_l1_loss, a, b, PN_ABSOLUTE); }
pn_tensor *pn_mse_loss(pn_graph *g, pn_tensor *a, pn_tensor *b) { return record(g, &pn_op_mse_loss, a, b, PN_SQUARED); }
