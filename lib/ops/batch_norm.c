/* lib/ops/batch_norm.c - batch norm: contract in posenet/ops.h, loops in kernels/{ref,simd}/norm.c
 *
 * Saved: mean, 1 / deviation and variance, [C] each: of the batch in training plans, of the running state otherwise.
 */
#include "ops/norm.h"

#include <math.h>

typedef struct { pn_node node; double momentum, eps; } norm;
enum { X, RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS };
enum { MEAN, RSTD, VAR };

static pn_norm_dims dims_of(const pn_run *r, const pn_node *node)
{
    const pn_map x = pn_map_in(r, node, X);
    return (pn_norm_dims){ .x = x, .groups = x.c, .span = PN_OVER_BATCH, .eps = ((const norm *)node)->eps };
}

static pn_norm_stats stats_of(const pn_run *r, const pn_node *node)
{
    return (pn_norm_stats){ pn_saved(r, node, MEAN), pn_saved(r, node, RSTD), pn_saved(r, node, VAR) };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    out->scratch_fwd = out->scratch_bwd = r->kernels->norm.scratch(dims_of(r, node));
}

static void move(pn_real *running, ptrdiff_t c, double momentum, double batch)
{
    running[c] = (pn_real)((1 - momentum) * (double)running[c] + momentum * batch);
}

static void train(const pn_run *r, const pn_node *node)
{
    const pn_norm_dims d = dims_of(r, node);
    const pn_norm_stats s = stats_of(r, node);
    r->kernels->norm.fwd(r->pool, pn_out(r, node), s, pn_in(r, node, X), pn_norm_params_in(r, node, WEIGHT), d,
                         pn_scratch(r));
    pn_real *mean = pn_state_in(r, node, RUNNING_MEAN), *var = pn_state_in(r, node, RUNNING_VAR);
    if (!mean || !var) return;
    const double momentum = ((const norm *)node)->momentum, m = (double)(d.x.n * d.x.h * d.x.w);
    const double unbiased = m > 1 ? m / (m - 1) : 1;    /* of a single number the variance is 0 either way */
    for (ptrdiff_t c = 0; c < d.x.c; c++) {
        move(mean, c, momentum, (double)s.mean[c]);
        move(var, c, momentum, (double)s.var[c] * unbiased);
    }
}

static void forward(const pn_run *r, const pn_node *node)
{
    if (r->training) {
        train(r, node);
        return;
    }
    const pn_norm_dims d = dims_of(r, node);
    const pn_real *mean = pn_in(r, node, RUNNING_MEAN), *var = pn_in(r, node, RUNNING_VAR);
    const pn_norm_stats s = stats_of(r, node);
    for (ptrdiff_t c = 0; c < d.x.c; c++) {
        s.mean[c] = mean[c];
        s.var[c] = var[c];
        s.rstd[c] = (pn_real)(1 / sqrt((double)var[c] + d.eps));
    }
    r->kernels->norm.apply(r->pool, pn_out(r, node), pn_in(r, node, X), s.mean, s.rstd,
                           pn_norm_params_in(r, node, WEIGHT), d, pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->norm.bwd(r->pool, pn_norm_sinks_in(r, node, WEIGHT), pn_grad_out(r, node), pn_in(r, node, X),
                         stats_of(r, node), pn_norm_params_in(r, node, WEIGHT), dims_of(r, node), pn_scratch(r));
}

const pn_op pn_op_batch_norm = {
    .name = "batch_norm", .node_bytes = sizeof(norm), .backward_needs = PN_INPUT(X) | PN_INPUT(WEIGHT),
    .no_grad = PN_INPUT(RUNNING_MEAN) | PN_INPUT(RUNNING_VAR), .in_place = PN_INPUT(X), .updates_state = true,
    .sizes = sizes, .forward = forward, .backward = backward,
};

pn_tensor *pn_batch_norm(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, pn_tensor *running_mean,
                         pn_tensor *running_var, double momentum, double eps)
{
    pn_tensor *const in[] = { x, running_mean, running_var, weight, bias };
    if (!pn_op_begin(g, &pn_op_batch_norm, in, 3) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    const pn_shape c = pn_shape1(x->shape.dim[1]);
    if (!pn_expect(g, !weight == !bias, "%s is NULL and %s is not; give both or neither", weight ? "bias" : "weight",
                   weight ? "weight" : "bias")) return NULL;
    if (weight && (!pn_expect_shape(g, weight, "weight", c) || !pn_expect_shape(g, bias, "bias", c))) return NULL;
    if (!pn_expect_shape(g, running_mean, "running_mean", c) ||
        !pn_expect_shape(g, running_var, "running_var", c)) return NULL;
    if (!pn_expect(g, running_mean->kind == PN_TENSOR_STATE && running_var->kind == PN_TENSOR_STATE,
                   "running_mean or running_var is no state; make them with pn_state")) return NULL;
    if (!pn_expect(g, momentum >= 0 && momentum <= 1 && eps > 0,
                   "momentum is %g and eps %g, expected 0 to 1 and more than 0", momentum, eps)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_batch_norm, x->shape, in, weight ? 5 : 3);
    for (int i = 0; i < 3; i++)
        if (!pn_op_save(g, node, c)) return NULL;
    ((norm *)node)->momentum = momentum;
    ((norm *)node)->eps = eps;
    return node->out;
}
