/* lib/ops/unit_channels.c - channels of unit length: contract in posenet/ops.h, loops in kernels/{ref,simd}/unit.c */
#include "ops/op.h"

#include <float.h>

typedef struct { pn_node node; double eps; bool centred; } unit_channels;

static pn_unit_dims dims_of(const pn_run *r, const pn_node *node)
{
    const unit_channels *u = (const unit_channels *)node;
    return (pn_unit_dims){ .x = pn_map_out(r, node), .eps = u->eps, .centred = u->centred };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.unit_fwd(r->pool, pn_out(r, node), pn_saved(r, node, 0), pn_in(r, node, 0), dims_of(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.unit_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_result(r, node),
                               pn_saved(r, node, 0), dims_of(r, node));
}

const pn_op pn_op_unit_channels = {
    .name = "unit_channels", .node_bytes = sizeof(unit_channels), .saved = PN_LAYOUT_PLANAR,
    .backward_needs = PN_OUTPUT, .forward = forward, .backward = backward,
};

pn_tensor *pn_unit_channels(pn_graph *g, pn_tensor *x, pn_centring centring, double eps)
{
    if (!pn_op_begin(g, &pn_op_unit_channels, &x, 1) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    if (!pn_expect(g, eps > 0 && eps <= DBL_MAX, "eps is %g, expected a positive number, as 1e-6", eps)) return NULL;
    if (!pn_expect(g, centring == PN_RAW || centring == PN_CENTRED, "centring is %d, expected PN_RAW or PN_CENTRED",
                   (int)centring)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_unit_channels, x->shape, &x, 1);
    const ptrdiff_t *d = x->shape.dim;
    if (!node || !pn_op_save(g, node, pn_shape4(d[0], 1, d[2], d[3]))) return NULL;
    ((unit_channels *)node)->eps = eps;
    ((unit_channels *)node)->centred = centring == PN_CENTRED;
    return node->out;
}
