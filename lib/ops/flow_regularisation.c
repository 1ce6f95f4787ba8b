/* lib/ops/flow_regularisation.c - flow that a local affine map does not explain: contract in posenet/ops.h */
#include "ops/op.h"

typedef struct { pn_node node; int k; } flow_regularisation;

static ptrdiff_t k_of(const pn_node *node) { return ((const flow_regularisation *)node)->k; }

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_attention_scratch s = r->kernels->attention.regularisation_scratch(pn_map_in(r, node, 0), k_of(node));
    *out = (pn_sizes){ .scratch_fwd = s.fwd, .scratch_bwd = s.bwd };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->attention.regularisation_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), pn_map_in(r, node, 0),
                                             k_of(node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->attention.regularisation_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_in(r, node, 0),
                                             pn_map_in(r, node, 0), k_of(node), pn_scratch(r));
}

const pn_op pn_op_flow_regularisation = {
    .name = "flow_regularisation", .node_bytes = sizeof(flow_regularisation), .layout = { PN_LAYOUT_PLANAR },
    .backward_needs = PN_INPUT(0), .sizes = sizes, .forward = forward, .backward = backward,
};

pn_tensor *pn_flow_regularisation(pn_graph *g, pn_tensor *flow, int k)
{
    pn_tensor *const in[] = { flow };
    char text[PN_SHAPE_TEXT];
    if (!pn_op_begin(g, &pn_op_flow_regularisation, in, 1) || !pn_expect_rank(g, flow, "flow", 4)) return NULL;
    const ptrdiff_t *d = flow->shape.dim;
    if (!pn_expect_shape(g, flow, "flow", pn_shape4(d[0], 2, d[2], d[3]))) return NULL;
    if (!pn_expect(g, k >= 2, "k is %d, expected 2 or more", k)) return NULL;
    if (!pn_expect_fits(g, d[2] >= k && d[3] >= k, "flow is %s, expected %d rows and columns or more; use a smaller k",
                        pn_shape_text(flow->shape, text), k)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_flow_regularisation, pn_shape1(1), in, 1);
    if (!node) return NULL;
    ((flow_regularisation *)node)->k = k;
    return node->out;
}
