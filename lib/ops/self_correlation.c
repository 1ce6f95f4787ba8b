/* lib/ops/self_correlation.c - a map against itself, nearby: contract in posenet/ops.h, loops in kernels/{ref,simd}/ */
#include "ops/op.h"

typedef struct { pn_node node; int k; } self_correlation;

static pn_window_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_window_dims){ .x = pn_map_in(r, node, 0), .k = ((const self_correlation *)node)->k };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    *out = (pn_sizes){ .scratch_bwd = r->kernels->match.window_scratch(dims_of(r, node)) };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.self_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.self_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_in(r, node, 0),
                               dims_of(r, node), pn_scratch(r));
}

static double macs(const pn_node *node)
{
    return (double)pn_shape_count(node->out->shape) * (double)node->in[0]->shape.dim[1];
}

const pn_op pn_op_self_correlation = {
    .name = "self_correlation", .node_bytes = sizeof(self_correlation), .layout = { PN_LAYOUT_BLOCKED },
    .result = PN_LAYOUT_PLANAR, .backward_needs = PN_INPUT(0), .sizes = sizes, .macs = macs, .forward = forward, .backward = backward,
};

pn_tensor *pn_self_correlation(pn_graph *g, pn_tensor *f, int k)
{
    if (!pn_op_begin(g, &pn_op_self_correlation, &f, 1) || !pn_expect_rank(g, f, "f", 4)) return NULL;
    if (!pn_expect(g, k % 2 == 1 && k >= 3 && k <= PN_WINDOW_MAX_K, "k is %d, expected an odd number from 3 to %d", k,
                   PN_WINDOW_MAX_K)) return NULL;
    const ptrdiff_t *d = f->shape.dim;
    pn_node *node = pn_op_record(g, &pn_op_self_correlation, pn_shape4(d[0], k * k - 1, d[2], d[3]), &f, 1);
    if (!node) return NULL;
    ((self_correlation *)node)->k = k;
    return node->out;
}
