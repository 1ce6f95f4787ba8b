/* lib/ops/window_sum.c - each pixel's weighted sum of its window: contract in posenet/ops.h, loops in kernels/ */
#include "ops/op.h"

enum { X, W };

static ptrdiff_t kernel_of(ptrdiff_t taps)
{
    for (ptrdiff_t k = 1; k <= PN_WINDOW_MAX_K; k += 2)
        if (k * k == taps) return k;
    return 0;
}

static pn_window_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_window_dims){ .x = pn_map_out(r, node), .k = kernel_of(node->in[W]->shape.dim[1]) };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    *out = (pn_sizes){ .scratch_bwd = r->kernels->match.window_scratch(dims_of(r, node)) };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.window_fwd(r->pool, pn_out(r, node), pn_in(r, node, X), pn_in(r, node, W), dims_of(r, node));
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(X) ? PN_INPUT(W) : 0) | (wanted & PN_INPUT(W) ? PN_INPUT(X) : 0);
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_sink dx = pn_sink_in(r, node, X), dw = pn_sink_in(r, node, W);
    r->kernels->match.window_bwd(r->pool, dx, dw, pn_grad_out(r, node), dw.data ? pn_in(r, node, X) : NULL,
                                 dx.data ? pn_in(r, node, W) : NULL, dims_of(r, node), pn_scratch(r));
}

static double macs(const pn_node *node)
{
    return (double)pn_shape_count(node->out->shape) * (double)node->in[W]->shape.dim[1];
}

const pn_op pn_op_window_sum = {
    .name = "window_sum", .layout = { [X] = PN_LAYOUT_BLOCKED, [W] = PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_BLOCKED,
    .needs = needs, .sizes = sizes, .macs = macs, .forward = forward, .backward = backward,
};

pn_tensor *pn_window_sum(pn_graph *g, pn_tensor *x, pn_tensor *w)
{
    pn_tensor *const in[] = { x, w };
    if (!pn_op_begin(g, &pn_op_window_sum, in, 2)) return NULL;
    if (!pn_expect_rank(g, x, "x", 4) || !pn_expect_rank(g, w, "w", 4)) return NULL;
    const ptrdiff_t *d = x->shape.dim, taps = w->shape.dim[1];
    if (!pn_expect_fits(g, kernel_of(taps) > 0, "w has %td channels, expected k^2 of an odd k up to %d", taps,
                        PN_WINDOW_MAX_K)) return NULL;
    if (!pn_expect_shape(g, w, "w", pn_shape4(d[0], taps, d[2], d[3]))) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_window_sum, x->shape, in, 2);
    return node ? node->out : NULL;
}
