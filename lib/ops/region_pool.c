/* lib/ops/region_pool.c - a code for each region: contract in posenet/ops.h, loops in kernels/{ref,simd}/regions.c
 *
 * Backward, with m = max(area, least): dx is dy / m spread over the regions, dw(p) is dy / m times x(p) over channels, less
 * dy / m times y where the divisor moves with w.
 */
#include "ops/op.h"

#include <math.h>

typedef struct { pn_node node; double least; } region_pool;
enum { X, W };

static pn_region_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_region_dims){ .x = pn_map_in(r, node, X), .k = node->in[W]->shape.dim[1] };
}

/* Of backward: codes, shifts, and what the loops ask for behind them. */
static ptrdiff_t slopes_of(pn_region_dims d) { return (d.x.n * d.k * (d.x.c + 1) + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK; }

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_region_dims d = dims_of(r, node);
    out->scratch_fwd = r->kernels->region.scratch(d);
    out->scratch_bwd = out->scratch_fwd + (size_t)slopes_of(d) * sizeof(pn_real);
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_region_kernels *k = &r->kernels->region;
    const pn_region_dims d = dims_of(r, node);
    pn_real *area = pn_saved(r, node, 0);
    k->area(r->pool, area, pn_in(r, node, W), d);
    k->gather(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, X), pn_in(r, node, W), area,
              ((const region_pool *)node)->least, d, pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_region_kernels *k = &r->kernels->region;
    const pn_region_dims d = dims_of(r, node);
    const pn_sink dx = pn_sink_in(r, node, X), dw = pn_sink_in(r, node, W);
    pn_real *codes = pn_scratch(r), *shift = codes + d.x.n * d.k * d.x.c;
    void *rest = codes + slopes_of(d);
    k->pool_slopes(r->pool, codes, shift, pn_grad_out(r, node), dw.data ? pn_result(r, node) : NULL, pn_saved(r, node, 0),
                   ((const region_pool *)node)->least, d);
    if (dx.data) k->spread(r->pool, dx, codes, pn_in(r, node, W), d, rest);
    if (dw.data) k->match(r->pool, dw, codes, pn_in(r, node, X), shift, d, rest);
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(X) ? PN_INPUT(W) : 0) | (wanted & PN_INPUT(W) ? PN_INPUT(X) | PN_OUTPUT : 0);
}

static double macs(const pn_node *node)
{
    return (double)pn_shape_count(node->in[X]->shape) * (double)node->in[W]->shape.dim[1];
}

const pn_op pn_op_region_pool = {
    .name = "region_pool", .node_bytes = sizeof(region_pool), .layout = { PN_LAYOUT_BLOCKED, PN_LAYOUT_PLANAR },
    .needs = needs, .sizes = sizes, .macs = macs, .forward = forward, .backward = backward,
};

pn_tensor *pn_region_pool(pn_graph *g, pn_tensor *x, pn_tensor *w, double least)
{
    pn_tensor *const in[] = { x, w };
    if (!pn_op_begin(g, &pn_op_region_pool, in, 2)) return NULL;
    if (!pn_expect_rank(g, x, "x", 4) || !pn_expect_rank(g, w, "w", 4)) return NULL;
    const ptrdiff_t *d = x->shape.dim, k = w->shape.dim[1];
    if (!pn_expect_shape(g, w, "w", pn_shape4(d[0], k, d[2], d[3]))) return NULL;
    if (!pn_expect(g, least > 0 && least < (double)INFINITY, "least is %g, expected a number above 0", least)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_region_pool, pn_shape3(d[0], k, d[1]), in, 2);
    if (!node || !pn_op_save(g, node, pn_shape2(d[0], k))) return NULL;
    ((region_pool *)node)->least = least;
    return node->out;
}
