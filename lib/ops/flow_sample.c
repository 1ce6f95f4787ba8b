/* lib/ops/flow_sample.c - reading a map where a flow points, bilinear or through a Gaussian: contract in posenet/ops.h,
 * loops in kernels/{ref,simd}/resample.c
 */
#include "ops/op.h"

typedef struct { pn_node node; pn_border border; int radius; double sigma; } flow_sample;
enum { X, FLOW };

static pn_sample_dims dims_of(const pn_run *r, const pn_node *node)
{
    const flow_sample *o = (const flow_sample *)node;
    return (pn_sample_dims){ .x = pn_map_in(r, node, X), .y = pn_map_out(r, node), .border = o->border, .radius = o->radius,
                             .sigma = o->sigma };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_scratch_sizes s = r->kernels->resample.sample_scratch(dims_of(r, node), r->threads);
    *out = (pn_sizes){ .scratch_fwd = s.fwd, .scratch_bwd = s.bwd };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->resample.sample_fwd(r->pool, pn_out(r, node), pn_in(r, node, X), pn_in(r, node, FLOW), dims_of(r, node),
                                    pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->resample.sample_bwd(r->pool, pn_sink_in(r, node, X), pn_sink_in(r, node, FLOW), pn_grad_out(r, node),
                                    pn_in(r, node, X), pn_in(r, node, FLOW), dims_of(r, node), pn_scratch(r));
}

/* x counts for the gradient of flow alone: where only x is wanted, the places are enough. */
static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return PN_INPUT(FLOW) | (wanted & PN_INPUT(FLOW) ? PN_INPUT(X) : 0);
}

const pn_op pn_op_flow_sample = {
    .name = "flow_sample", .node_bytes = sizeof(flow_sample), .layout = { PN_LAYOUT_ANY, PN_LAYOUT_PLANAR },
    .needs = needs, .sizes = sizes, .forward = forward, .backward = backward,
};
const pn_op pn_op_gauss_sample = {
    .name = "gauss_sample", .node_bytes = sizeof(flow_sample), .layout = { PN_LAYOUT_ANY, PN_LAYOUT_PLANAR },
    .needs = needs, .sizes = sizes, .forward = forward, .backward = backward,
};

static pn_tensor *record(pn_graph *g, const pn_op *op, pn_tensor *const in[], flow_sample opt)
{
    if (!pn_expect_rank(g, in[X], "x", 4) || !pn_expect_rank(g, in[FLOW], "flow", 4)) return NULL;
    const ptrdiff_t *x = in[X]->shape.dim, *flow = in[FLOW]->shape.dim;
    char is[PN_SHAPE_TEXT], should[PN_SHAPE_TEXT];
    const pn_shape expected = pn_shape4(x[0], 2, flow[2], flow[3]);
    if (!pn_expect_fits(g, pn_shape_equal(in[FLOW]->shape, expected), "flow is %s, expected %s: two planes for each picture of x",
                        pn_shape_text(in[FLOW]->shape, is), pn_shape_text(expected, should))) return NULL;
    if (!pn_expect(g, opt.border == PN_BORDER_ZERO || opt.border == PN_BORDER_REPLICATE,
                   "border is REFLECT, expected ZERO or REPLICATE")) return NULL;
    if (!pn_expect_fits(g, x[2] <= INT32_MAX / 4 && x[3] <= INT32_MAX / 4 && flow[2] <= INT32_MAX / 4 && flow[3] <= INT32_MAX / 4,
                        "a map has a side of more than %d", INT32_MAX / 4)) return NULL;
    pn_node *node = pn_op_record(g, op, pn_shape4(x[0], x[1], flow[2], flow[3]), in, 2);
    if (!node) return NULL;
    opt.node = *node;
    *(flow_sample *)node = opt;
    return node->out;
}

pn_tensor *pn_flow_sample(pn_graph *g, pn_tensor *x, pn_tensor *flow, pn_border border)
{
    pn_tensor *const in[] = { x, flow };
    if (!pn_op_begin(g, &pn_op_flow_sample, in, 2)) return NULL;
    return record(g, &pn_op_flow_sample, in, (flow_sample){ .border = border, .radius = 1 });
}

pn_tensor *pn_gauss_sample(pn_graph *g, pn_tensor *x, pn_tensor *flow, int radius, double sigma, pn_border border)
{
    pn_tensor *const in[] = { x, flow };
    if (!pn_op_begin(g, &pn_op_gauss_sample, in, 2)) return NULL;
    if (!pn_expect(g, radius >= 1 && radius <= PN_MAX_RADIUS, "radius is %d, expected 1 to %d", radius, PN_MAX_RADIUS)) return NULL;
    if (!pn_expect(g, sigma >= 0.01 && sigma <= 1e6, "sigma is %g, expected 0.01 to 1e6 pixels", sigma)) return NULL;
    return record(g, &pn_op_gauss_sample, in, (flow_sample){ .border = border, .radius = radius, .sigma = sigma });
}
