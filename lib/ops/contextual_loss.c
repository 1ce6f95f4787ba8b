/* lib/ops/contextual_loss.c - contract in posenet/ops.h, loops in kernels/{ref,simd}/contextual.c */
#include "ops/op.h"

#include <float.h>

typedef struct { pn_node node; double bandwidth; } contextual;
enum { A, B };
enum { WEIGHT, BEST };                                  /* saved */

static pn_contextual_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_contextual_dims){ .x = pn_map_in(r, node, A), .bandwidth = ((const contextual *)node)->bandwidth };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const size_t scratch = r->kernels->loss.contextual_scratch(dims_of(r, node), r->threads);
    *out = (pn_sizes){ .scratch_fwd = scratch, .scratch_bwd = scratch };
}

static pn_contextual_saved saved_of(const pn_run *r, const pn_node *node)
{
    return (pn_contextual_saved){ .weight = pn_saved(r, node, WEIGHT), .best = pn_saved(r, node, BEST) };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.contextual_fwd(r->pool, pn_out(r, node), saved_of(r, node), pn_in(r, node, A), pn_in(r, node, B),
                                    dims_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.contextual_bwd(r->pool, pn_sink_in(r, node, A), pn_grad_out(r, node), saved_of(r, node), pn_in(r, node, A),
                                    pn_in(r, node, B), dims_of(r, node), pn_scratch(r));
}

static double macs(const pn_node *node)
{
    const ptrdiff_t *d = node->in[A]->shape.dim;
    return (double)pn_shape_count(node->in[A]->shape) * (double)(d[2] * d[3]);
}

const pn_op pn_op_contextual_loss = {
    .name = "contextual_loss", .node_bytes = sizeof(contextual), .saved = PN_LAYOUT_PLANAR, .no_grad = PN_INPUT(B),
    .backward_needs = PN_INPUT(A) | PN_INPUT(B), .sizes = sizes, .macs = macs, .forward = forward, .backward = backward,
};

enum { POSITIONS = 1 << 24 };       /* a float holds their numbers exactly */

pn_tensor *pn_contextual_loss(pn_graph *g, pn_tensor *a, pn_tensor *b, double bandwidth)
{
    pn_tensor *const in[] = { a, b };
    if (!pn_op_begin(g, &pn_op_contextual_loss, in, 2)) return NULL;
    if (!pn_expect_rank(g, a, "a", 4) || !pn_expect_shape(g, b, "b", a->shape)) return NULL;
    if (!pn_expect(g, bandwidth > 0 && bandwidth <= DBL_MAX, "bandwidth is %g, expected a positive number", bandwidth)) return NULL;
    const ptrdiff_t *d = a->shape.dim;
    if (!pn_expect_fits(g, d[2] * d[3] <= POSITIONS, "a has %td positions, expected at most %d", d[2] * d[3], POSITIONS))
        return NULL;
    pn_node *node = pn_op_record(g, &pn_op_contextual_loss, pn_shape1(1), in, 2);
    const pn_shape rows = pn_shape2(d[0], d[2] * d[3]);
    if (!node || !pn_op_save(g, node, rows) || !pn_op_save(g, node, rows)) return NULL;
    ((contextual *)node)->bandwidth = bandwidth;
    return node->out;
}
