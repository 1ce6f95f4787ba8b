/* lib/ops/channel_attention.c - contract in posenet/ops.h, loops in kernels/{ref,simd}/channel.c */
#include "ops/op.h"

typedef struct { pn_node node; double eps; } attention;
enum { Q, K, V, ALPHA, INPUTS };
enum { WEIGHTS, COSINES, LENGTHS };                     /* saved */

static pn_channel_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_channel_dims){ .x = pn_map_in(r, node, Q), .heads = node->in[ALPHA]->shape.dim[0],
                              .eps = ((const attention *)node)->eps };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const size_t scratch = r->kernels->attention.channel.scratch(dims_of(r, node));
    *out = (pn_sizes){ .scratch_fwd = scratch, .scratch_bwd = scratch };
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_channel_inputs in = { .q = pn_in(r, node, Q), .k = pn_in(r, node, K), .v = pn_in(r, node, V),
                                   .alpha = pn_in(r, node, ALPHA) };
    const pn_channel_saved left = { pn_saved(r, node, WEIGHTS), pn_saved(r, node, COSINES), pn_saved(r, node, LENGTHS) };
    r->kernels->attention.channel.fwd(r->pool, pn_out(r, node), left, &in, dims_of(r, node), pn_scratch(r));
}

/* v's own gradient takes the weights and dy alone. */
static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    const unsigned both = PN_INPUT(Q) | PN_INPUT(K);
    return (wanted & ~PN_INPUT(V) ? PN_INPUT(V) | PN_INPUT(ALPHA) : 0) | (wanted & both ? both : 0);
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_channel_sinks out = { pn_sink_in(r, node, Q), pn_sink_in(r, node, K), pn_sink_in(r, node, V),
                                   pn_sink_in(r, node, ALPHA) };
    pn_channel_inputs in = { .a = pn_saved(r, node, WEIGHTS), .cosine = pn_saved(r, node, COSINES),
                             .length = pn_saved(r, node, LENGTHS) };
    if (out.q.data || out.k.data || out.alpha.data) {
        in.v = pn_in(r, node, V);
        in.alpha = pn_in(r, node, ALPHA);
    }
    if (out.q.data || out.k.data) {
        in.q = pn_in(r, node, Q);
        in.k = pn_in(r, node, K);
    }
    r->kernels->attention.channel.bwd(r->pool, &out, pn_grad_out(r, node), &in, dims_of(r, node), pn_scratch(r));
}

static double macs(const pn_node *node)
{
    const ptrdiff_t c = node->out->shape.dim[1], heads = node->in[ALPHA]->shape.dim[0];
    return 2 * (double)pn_shape_count(node->out->shape) * (double)(c / heads);
}

const pn_op pn_op_channel_attention = {
    .name = "channel_attention", .node_bytes = sizeof(attention), .saved = PN_LAYOUT_PLANAR, .needs = needs, .sizes = sizes,
    .macs = macs, .forward = forward, .backward = backward,
};

pn_tensor *pn_channel_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *v, pn_tensor *alpha, double eps)
{
    pn_tensor *const in[INPUTS] = { q, k, v, alpha };
    if (!pn_op_begin(g, &pn_op_channel_attention, in, INPUTS)) return NULL;
    if (!pn_expect_rank(g, q, "q", 4) || !pn_expect_shape(g, k, "k", q->shape) || !pn_expect_shape(g, v, "v", q->shape) ||
        !pn_expect_rank(g, alpha, "alpha", 1)) return NULL;
    const ptrdiff_t n = q->shape.dim[0], c = q->shape.dim[1], heads = alpha->shape.dim[0];
    if (!pn_expect_fits(g, c % heads == 0, "alpha has %td heads, expected a divisor of the %td channels", heads, c)) return NULL;
    if (!pn_expect(g, eps > 0 && eps <= 1, "eps is %g, expected a positive number of at most 1", eps)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_channel_attention, q->shape, in, INPUTS);
    const pn_shape rows = pn_shape3(n, c, c / heads);
    if (!node || !pn_op_save(g, node, rows) || !pn_op_save(g, node, rows) || !pn_op_save(g, node, pn_shape3(n, 2, c))) return NULL;
    ((attention *)node)->eps = eps;
    return node->out;
}
