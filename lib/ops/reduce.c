/* lib/ops/reduce.c - sum and mean over some axes: contracts in posenet/ops.h, loops in kernels/{ref,simd}/pointwise.c
 *
 * Blocks stay where the result is a map with the same channels, and where channels go with everything else; in
 * between the planner brings x to planes.
 */
#include "ops/repeat.h"

typedef struct { pn_node node; pn_shape kept; double scale; } reduction;       /* kept: the result with its axes as 1 */

static pn_repeat repeat_of(const pn_run *r, const pn_node *node)
{
    return pn_repeat_of(node->in[0]->shape, pn_map_in(r, node, 0).b, ((const reduction *)node)->kept,
                        pn_map_out(r, node).b);
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    out->scratch_fwd = r->kernels->pointwise.reduce_scratch(repeat_of(r, node));
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.reduce(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, 0), NULL,
                                 ((const reduction *)node)->scale, repeat_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.spread(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node),
                                 ((const reduction *)node)->scale, repeat_of(r, node));
}

const pn_op pn_op_sum = {
    .name = "sum", .node_bytes = sizeof(reduction), .sizes = sizes, .forward = forward, .backward = backward,
};
const pn_op pn_op_mean = {
    .name = "mean", .node_bytes = sizeof(reduction), .sizes = sizes, .forward = forward, .backward = backward,
};
/* Channels go too: the result has none to block. */
static const pn_op over_channels = {
    .name = "reduce", .node_bytes = sizeof(reduction), .result = PN_LAYOUT_PLANAR, .sizes = sizes, .forward = forward,
    .backward = backward,
};
/* Channels stay, but the result is no map. */
static const pn_op from_planes = {
    .name = "reduce", .node_bytes = sizeof(reduction), .layout = { PN_LAYOUT_PLANAR }, .sizes = sizes,
    .forward = forward, .backward = backward,
};

static const pn_op *layout_of(const pn_op *op, pn_shape x, unsigned axes, pn_keep keep)
{
    if (x.rank != 4) return op;
    return axes & PN_AXIS(1) ? &over_channels : keep == PN_KEEP_AXES ? op : &from_planes;
}

static pn_tensor *record(pn_graph *g, const pn_op *op, pn_tensor *x, unsigned axes, pn_keep keep)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, op, in, 1)) return NULL;
    const pn_shape s = x->shape;
    const unsigned all = PN_AXIS(s.rank) - 1;
    if (!pn_expect(g, axes == PN_ALL_AXES || (axes && !(axes & ~all)),
                   "axes is 0x%x, expected some of the %d axes of x or PN_ALL_AXES", axes, s.rank)) return NULL;
    pn_shape kept = s, result = { 0 };
    double numbers = 1;
    for (int i = 0; i < s.rank; i++) {
        if (axes & PN_AXIS(i)) {
            kept.dim[i] = 1;
            numbers *= (double)s.dim[i];
        } else {
            result.dim[result.rank++] = s.dim[i];
        }
    }
    if (keep == PN_KEEP_AXES) result = kept;
    else if (!result.rank) result = pn_shape1(1);
    pn_node *node = pn_op_record(g, layout_of(op, s, axes, keep), result, in, 1);
    if (!node) return NULL;
    ((reduction *)node)->kept = kept;
    ((reduction *)node)->scale = op == &pn_op_mean ? 1 / numbers : 1;
    return node->out;
}

pn_tensor *pn_sum(pn_graph *g, pn_tensor *x, unsigned axes, pn_keep keep)
{
    return record(g, &pn_op_sum, x, axes, keep);
}
pn_tensor *pn_mean(pn_graph *g, pn_tensor *x, unsigned axes, pn_keep keep)
{
    return record(g, &pn_op_mean, x, axes, keep);
}
