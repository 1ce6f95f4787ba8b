/* lib/ops/instance_norm.c - instance and group norm: contracts in posenet/ops.h, loops in kernels/{ref,simd}/norm.c
 *
 * One op record serves both: an instance norm is a group norm of one channel per group. Saved: mean and 1 / deviation,
 * [N,groups] each.
 */
#include "ops/norm.h"

typedef struct { pn_node node; ptrdiff_t groups; double eps; } norm;
enum { X, WEIGHT, BIAS };
enum { MEAN, RSTD };

static pn_norm_dims dims_of(const pn_run *r, const pn_node *node)
{
    const norm *o = (const norm *)node;
    return (pn_norm_dims){ .x = pn_map_in(r, node, X), .groups = o->groups, .span = PN_PER_SAMPLE, .eps = o->eps };
}

static pn_norm_stats stats_of(const pn_run *r, const pn_node *node)
{
    return (pn_norm_stats){ .mean = pn_saved(r, node, MEAN), .rstd = pn_saved(r, node, RSTD) };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    out->scratch_fwd = out->scratch_bwd = r->kernels->norm.scratch(dims_of(r, node));
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->norm.fwd(r->pool, pn_out(r, node), stats_of(r, node), pn_in(r, node, X),
                         pn_norm_params_in(r, node, WEIGHT), dims_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->norm.bwd(r->pool, pn_norm_sinks_in(r, node, WEIGHT), pn_grad_out(r, node), pn_in(r, node, X),
                         stats_of(r, node), pn_norm_params_in(r, node, WEIGHT).weight, dims_of(r, node), pn_scratch(r));
}

const pn_op pn_op_instance_norm = {
    .name = "instance_norm", .node_bytes = sizeof(norm), .backward_needs = PN_INPUT(X) | PN_INPUT(WEIGHT),
    .in_place = PN_INPUT(X), .sizes = sizes, .forward = forward, .backward = backward,
};

const pn_op pn_op_group_norm = {
    .name = "group_norm", .node_bytes = sizeof(norm), .backward_needs = PN_INPUT(X) | PN_INPUT(WEIGHT),
    .in_place = PN_INPUT(X), .sizes = sizes, .forward = forward, .backward = backward,
};

/* ---- Recording ------------------------------------------------------------------------------------------------- */

static pn_tensor *record(pn_graph *g, const pn_op *op, pn_tensor *const in[], ptrdiff_t groups, double eps)
{
    const ptrdiff_t *d = in[X]->shape.dim;
    pn_tensor *const weight = in[WEIGHT], *const bias = in[BIAS];
    if (!pn_expect(g, !weight == !bias, "%s is NULL and %s is not; give both or neither", weight ? "bias" : "weight",
                   weight ? "weight" : "bias")) return NULL;
    if (weight && (!pn_expect_shape(g, weight, "weight", pn_shape1(d[1])) ||
                   !pn_expect_shape(g, bias, "bias", pn_shape1(d[1])))) return NULL;
    if (!pn_expect(g, eps > 0, "eps is %g, expected more than 0", eps)) return NULL;
    pn_node *node = pn_op_record(g, op, in[X]->shape, in, weight ? 3 : 1);
    if (!node || !pn_op_save(g, node, pn_shape2(d[0], groups)) ||
        !pn_op_save(g, node, pn_shape2(d[0], groups))) return NULL;
    ((norm *)node)->groups = groups;
    ((norm *)node)->eps = eps;
    return node->out;
}

pn_tensor *pn_instance_norm(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, double eps)
{
    pn_tensor *const in[] = { x, weight, bias };
    if (!pn_op_begin(g, &pn_op_instance_norm, in, 1) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    return record(g, &pn_op_instance_norm, in, x->shape.dim[1], eps);
}

pn_tensor *pn_group_norm(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, int groups, double eps)
{
    pn_tensor *const in[] = { x, weight, bias };
    if (!pn_op_begin(g, &pn_op_group_norm, in, 1) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    if (!pn_expect(g, groups > 0, "groups is %d, expected 1 or more", groups)) return NULL;
    if (!pn_expect_fits(g, x->shape.dim[1] % groups == 0, "%td channels do not split into %d groups", x->shape.dim[1],
                        groups))
        return NULL;
    return record(g, &pn_op_group_norm, in, groups, eps);
}
