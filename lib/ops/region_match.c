/* lib/ops/region_match.c - how well every pixel matches each code: contract in posenet/ops.h, loops in
 * kernels/{ref,simd}/regions.c */
#include "ops/op.h"

enum { CODES, X };

static pn_region_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_region_dims){ .x = pn_map_in(r, node, X), .k = node->in[CODES]->shape.dim[1] };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const size_t scratch = r->kernels->region.scratch(dims_of(r, node));
    *out = (pn_sizes){ .scratch_fwd = scratch, .scratch_bwd = scratch };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->region.match(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, CODES), pn_in(r, node, X), NULL,
                             dims_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_region_kernels *k = &r->kernels->region;
    const pn_region_dims d = dims_of(r, node);
    const pn_sink dcodes = pn_sink_in(r, node, CODES), dx = pn_sink_in(r, node, X);
    const pn_real *dy = pn_grad_out(r, node);
    if (dcodes.data) k->gather(r->pool, dcodes, pn_in(r, node, X), dy, NULL, 1, d, pn_scratch(r));
    if (dx.data) k->spread(r->pool, dx, pn_in(r, node, CODES), dy, d, pn_scratch(r));
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(CODES) ? PN_INPUT(X) : 0) | (wanted & PN_INPUT(X) ? PN_INPUT(CODES) : 0);
}

static double macs(const pn_node *node)
{
    return (double)pn_shape_count(node->in[X]->shape) * (double)node->in[CODES]->shape.dim[1];
}

const pn_op pn_op_region_match = {
    .name = "region_match", .layout = { PN_LAYOUT_PLANAR, PN_LAYOUT_BLOCKED }, .result = PN_LAYOUT_PLANAR, .needs = needs,
    .sizes = sizes, .macs = macs, .forward = forward, .backward = backward,
};

pn_tensor *pn_region_match(pn_graph *g, pn_tensor *codes, pn_tensor *x)
{
    pn_tensor *const in[] = { codes, x };
    if (!pn_op_begin(g, &pn_op_region_match, in, 2)) return NULL;
    if (!pn_expect_rank(g, codes, "codes", 3) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    const ptrdiff_t *d = x->shape.dim, k = codes->shape.dim[1];
    if (!pn_expect_shape(g, codes, "codes", pn_shape3(d[0], k, d[1]))) return NULL;
    const pn_node *node = pn_op_record(g, &pn_op_region_match, pn_shape4(d[0], k, d[2], d[3]), in, 2);
    return node ? node->out : NULL;
}
