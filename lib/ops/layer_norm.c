/* lib/ops/layer_norm.c - layer norm: contract in posenet/ops.h, loops in kernels/{ref,simd}/norm.c
 *
 * The last axes together are a row of d numbers. Saved: mean and 1 / deviation of each row.
 */
#include "ops/norm.h"

typedef struct { pn_node node; ptrdiff_t rows, d; double eps; } norm;
enum { X, WEIGHT, BIAS };
enum { MEAN, RSTD };

static pn_row_norm_dims dims_of(const pn_node *node)
{
    const norm *o = (const norm *)node;
    return (pn_row_norm_dims){ o->rows, o->d, o->eps };
}

static pn_norm_stats stats_of(const pn_run *r, const pn_node *node)
{
    return (pn_norm_stats){ .mean = pn_saved(r, node, MEAN), .rstd = pn_saved(r, node, RSTD) };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    out->scratch_bwd = r->kernels->norm.rows_scratch(dims_of(node));
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->norm.rows_fwd(r->pool, pn_out(r, node), stats_of(r, node), pn_in(r, node, X),
                              pn_norm_params_in(r, node, WEIGHT), dims_of(node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->norm.rows_bwd(r->pool, pn_norm_sinks_in(r, node, WEIGHT), pn_grad_out(r, node), pn_in(r, node, X),
                              stats_of(r, node), pn_norm_params_in(r, node, WEIGHT).weight, dims_of(node), pn_scratch(r));
}

const pn_op pn_op_layer_norm = {
    .name = "layer_norm", .node_bytes = sizeof(norm),
    .layout = { PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR },
    .result = PN_LAYOUT_PLANAR, .backward_needs = PN_INPUT(X) | PN_INPUT(WEIGHT), .in_place = PN_INPUT(X),
    .sizes = sizes, .forward = forward, .backward = backward,
};

pn_tensor *pn_layer_norm(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, int axes, double eps)
{
    pn_tensor *const in[] = { x, weight, bias };
    if (!pn_op_begin(g, &pn_op_layer_norm, in, 1)) return NULL;
    const pn_shape s = x->shape;
    if (!pn_expect(g, axes > 0 && axes <= s.rank, "axes is %d, expected 1 to %d", axes, s.rank)) return NULL;
    if (!pn_expect(g, !weight == !bias, "%s is NULL and %s is not; give both or neither", weight ? "bias" : "weight",
                   weight ? "weight" : "bias")) return NULL;
    pn_shape row = { .rank = axes };
    for (int i = 0; i < axes; i++) row.dim[i] = s.dim[s.rank - axes + i];
    if (weight && (!pn_expect_shape(g, weight, "weight", row) || !pn_expect_shape(g, bias, "bias", row))) return NULL;
    if (!pn_expect(g, eps > 0, "eps is %g, expected more than 0", eps)) return NULL;
    const ptrdiff_t d = pn_shape_count(row), rows = pn_shape_count(s) / d;
    pn_node *node = pn_op_record(g, &pn_op_layer_norm, s, in, weight ? 3 : 1);
    if (!node || !pn_op_save(g, node, pn_shape1(rows)) || !pn_op_save(g, node, pn_shape1(rows))) return NULL;
    ((norm *)node)->rows = rows;
    ((norm *)node)->d = d;
    ((norm *)node)->eps = eps;
    return node->out;
}
