/* lib/ops/graph_normalise.c - a graph's normalised adjacency: contract in posenet/ops.h, loops in kernels/ref/regions.c */
#include "ops/op.h"

enum { PRIOR, VISIBLE };

static pn_adjacency_dims dims_of(const pn_node *node)
{
    const ptrdiff_t *d = node->in[VISIBLE]->shape.dim;
    return (pn_adjacency_dims){ d[0], d[1] };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    out->scratch_bwd = r->kernels->region.adjacency_scratch(dims_of(node));
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->region.adjacency_fwd(r->pool, pn_out(r, node), pn_saved(r, node, 0), pn_in(r, node, PRIOR),
                                     pn_in(r, node, VISIBLE), dims_of(node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->region.adjacency_bwd(r->pool, pn_sink_in(r, node, PRIOR), pn_grad_out(r, node), pn_saved(r, node, 0),
                                     pn_in(r, node, PRIOR), pn_in(r, node, VISIBLE), dims_of(node), pn_scratch(r));
}

const pn_op pn_op_graph_normalise = {
    .name = "graph_normalise", .backward_needs = PN_INPUT(PRIOR) | PN_INPUT(VISIBLE), .no_grad = PN_INPUT(VISIBLE),
    .sizes = sizes, .forward = forward, .backward = backward,
};

pn_tensor *pn_graph_normalise(pn_graph *g, pn_tensor *prior, pn_tensor *visible)
{
    pn_tensor *const in[] = { prior, visible };
    if (!pn_op_begin(g, &pn_op_graph_normalise, in, 2) || !pn_expect_rank(g, visible, "visible", 2)) return NULL;
    const ptrdiff_t n = visible->shape.dim[0], m = visible->shape.dim[1];
    if (!pn_expect_shape(g, prior, "prior", pn_shape2(m, m))) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_graph_normalise, pn_shape3(n, m, m), in, 2);
    if (!node || !pn_op_save(g, node, pn_shape2(n, m))) return NULL;
    return node->out;
}
