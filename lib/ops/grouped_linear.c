/* lib/ops/grouped_linear.c - a matrix for each row: contract in posenet/ops.h, loops in kernels/ref/regions.c and
 * kernels/simd/grouped.c */
#include "ops/op.h"

enum { X, W, BIAS };

static pn_grouped_dims dims_of(const pn_node *node)
{
    const ptrdiff_t *x = node->in[X]->shape.dim;
    return (pn_grouped_dims){ .n = x[0], .k = x[1], .d = x[2], .o = node->in[W]->shape.dim[1] };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->region.grouped_fwd(r->pool, pn_out(r, node), pn_in(r, node, X), pn_in(r, node, W),
                                   node->n_in > BIAS ? pn_in(r, node, BIAS) : NULL, dims_of(node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_grouped_sinks s = {
        pn_sink_in(r, node, X), pn_sink_in(r, node, W), node->n_in > BIAS ? pn_sink_in(r, node, BIAS) : (pn_sink){ 0 },
    };
    r->kernels->region.grouped_bwd(r->pool, s, pn_grad_out(r, node), s.w.data ? pn_in(r, node, X) : NULL,
                                   s.x.data ? pn_in(r, node, W) : NULL, dims_of(node));
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(X) ? PN_INPUT(W) : 0) | (wanted & PN_INPUT(W) ? PN_INPUT(X) : 0);
}

static double macs(const pn_node *node)
{
    return (double)node->in[X]->shape.dim[0] * (double)pn_shape_count(node->in[W]->shape);
}

const pn_op pn_op_grouped_linear = {
    .name = "grouped_linear", .needs = needs, .macs = macs, .forward = forward, .backward = backward,
};

pn_tensor *pn_grouped_linear(pn_graph *g, pn_tensor *x, pn_tensor *w, pn_tensor *bias)
{
    pn_tensor *const in[] = { x, w, bias };
    const int n = bias ? 3 : 2;
    if (!pn_op_begin(g, &pn_op_grouped_linear, in, n)) return NULL;
    if (!pn_expect_rank(g, x, "x", 3) || !pn_expect_rank(g, w, "w", 3)) return NULL;
    const ptrdiff_t *d = x->shape.dim, o = w->shape.dim[1];
    if (!pn_expect_shape(g, w, "w", pn_shape3(d[1], o, d[2]))) return NULL;
    if (bias && !pn_expect_shape(g, bias, "bias", pn_shape2(d[1], o))) return NULL;
    const pn_node *node = pn_op_record(g, &pn_op_grouped_linear, pn_shape3(d[0], d[1], o), in, n);
    return node ? node->out : NULL;
}
