/* lib/ops/unfold.c - neighbourhoods as channels: contract in posenet/ops.h, loops in kernels/{ref,simd}/unfold.c */
#include "ops/op.h"

typedef struct { pn_node node; int k; } unfold;

static pn_unfold_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_unfold_dims){ .x = pn_map_in(r, node, 0), .y = pn_map_out(r, node), .k = ((const unfold *)node)->k };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.unfold_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.unfold_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), dims_of(r, node));
}

const pn_op pn_op_unfold = {
    .name = "unfold", .node_bytes = sizeof(unfold), .layout = { PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_PLANAR,
    .forward = forward, .backward = backward,
};

pn_tensor *pn_unfold(pn_graph *g, pn_tensor *x, int k)
{
    if (!pn_op_begin(g, &pn_op_unfold, &x, 1) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    if (!pn_expect(g, k % 2 == 1 && k >= 1 && k <= PN_WINDOW_MAX_K, "k is %d, expected an odd number from 1 to %d", k,
                   PN_WINDOW_MAX_K)) return NULL;
    const ptrdiff_t *d = x->shape.dim;
    pn_node *node = pn_op_record(g, &pn_op_unfold, pn_shape4(d[0], d[1] * k * k, d[2], d[3]), &x, 1);
    if (!node) return NULL;
    ((unfold *)node)->k = k;
    return node->out;
}
