/* lib/ops/region_spread.c - each region's code where the region is: contract in posenet/ops.h, loops in
 * kernels/{ref,simd}/regions.c */
#include "ops/op.h"

enum { CODES, W };

static pn_region_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_region_dims){ .x = pn_map_out(r, node), .k = node->in[W]->shape.dim[1] };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const size_t scratch = r->kernels->region.scratch(dims_of(r, node));
    *out = (pn_sizes){ .scratch_fwd = scratch, .scratch_bwd = scratch };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->region.spread(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, CODES), pn_in(r, node, W),
                              dims_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_region_kernels *k = &r->kernels->region;
    const pn_region_dims d = dims_of(r, node);
    const pn_sink dcodes = pn_sink_in(r, node, CODES), dw = pn_sink_in(r, node, W);
    const pn_real *dy = pn_grad_out(r, node);
    if (dcodes.data) k->gather(r->pool, dcodes, dy, pn_in(r, node, W), NULL, 1, d, pn_scratch(r));
    if (dw.data) k->match(r->pool, dw, pn_in(r, node, CODES), dy, NULL, d, pn_scratch(r));
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(CODES) ? PN_INPUT(W) : 0) | (wanted & PN_INPUT(W) ? PN_INPUT(CODES) : 0);
}

static double macs(const pn_node *node)
{
    return (double)pn_shape_count(node->out->shape) * (double)node->in[W]->shape.dim[1];
}

const pn_op pn_op_region_spread = {
    .name = "region_spread", .remade = true, .layout = { PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_BLOCKED, .needs = needs,
    .sizes = sizes, .macs = macs, .forward = forward, .backward = backward,
};

pn_tensor *pn_region_spread(pn_graph *g, pn_tensor *codes, pn_tensor *w)
{
    pn_tensor *const in[] = { codes, w };
    if (!pn_op_begin(g, &pn_op_region_spread, in, 2)) return NULL;
    if (!pn_expect_rank(g, codes, "codes", 3) || !pn_expect_rank(g, w, "w", 4)) return NULL;
    const ptrdiff_t *d = codes->shape.dim, h = w->shape.dim[2], width = w->shape.dim[3];
    if (!pn_expect_shape(g, w, "w", pn_shape4(d[0], d[1], h, width))) return NULL;
    const pn_node *node = pn_op_record(g, &pn_op_region_spread, pn_shape4(d[0], d[2], h, width), in, 2);
    return node ? node->out : NULL;
}
