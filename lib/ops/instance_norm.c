/* lib/ops/instance_norm.c - instance and group norm: contracts in posenet/ops.h, loops in kernels/{ref,simd}/norm.c
 *
 * One op record serves both: an instance norm is a group norm of one channel per group. Saved: mean and 1 / deviation,
 * [N,groups] each.
 */
#include "ops/norm.h"

#include <math.h>

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

/* ---- Statistics from the sums that the convolution before left ------------------------------------------------- */

/* E[x^2] - E[x]^2 of float sums loses digits as the mean leaves the deviation behind: from this many deviations on, squared,
 * a channel's statistics are taken from its numbers instead. At 4 of them some 5e-6 of the variance is lost. */
enum { FAR_FROM_ZERO = 16 };

/* Channel c of sample n; false: too few digits. */
static bool from_sums(pn_norm_stats out, const pn_real *sums, const pn_norm_dims *d, ptrdiff_t n, ptrdiff_t c)
{
    const ptrdiff_t lanes = (d->x.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK;
    const double count = (double)(d->x.h * d->x.w), mean = (double)sums[n * lanes + c] / count;
    const double var = (double)sums[(d->x.n + n) * lanes + c] / count - mean * mean;
    if (!(mean * mean <= FAR_FROM_ZERO * (var + d->eps))) return false;
    out.mean[n * d->x.c + c] = (pn_real)mean;
    out.rstd[n * d->x.c + c] = (pn_real)(1 / sqrt((var > 0 ? var : 0) + d->eps));
    return true;
}

/* Block by block: only one with a channel far from zero is read again. */
static void gather(const pn_run *r, const pn_node *node, pn_norm_dims d)
{
    const pn_norm_stats out = stats_of(r, node);
    const pn_real *sums = pn_sums_given(r), *x = pn_in(r, node, X);
    if (!sums) {
        r->kernels->norm.stats(r->pool, out, x, d, pn_scratch(r));
        return;
    }
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t first = 0; first < d.x.c; first += d.x.b) {
            const ptrdiff_t count = d.x.c - first < d.x.b ? d.x.c - first : d.x.b, at = n * d.x.c + first;
            bool near = true;
            for (ptrdiff_t c = first; c < first + count; c++) near = from_sums(out, sums, &d, n, c) && near;
            if (near) continue;
            const pn_norm_stats here = { .mean = out.mean + at, .rstd = out.rstd + at };
            const pn_norm_dims block = { { 1, count, d.x.h, d.x.w, d.x.b }, count, d.span, d.eps };
            r->kernels->norm.stats(r->pool, here, x + pn_at(d.x, n, first, 0, 0), block, pn_scratch(r));
        }
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_norm_dims d = dims_of(r, node);
    const pn_norm_stats s = stats_of(r, node);
    if (!pn_sums_given(r)) {
        r->kernels->norm.fwd(r->pool, pn_out(r, node), s, pn_in(r, node, X), pn_norm_params_in(r, node, WEIGHT), d, pn_scratch(r));
        return;
    }
    gather(r, node, d);
    r->kernels->norm.apply(r->pool, pn_out(r, node), pn_in(r, node, X), s.mean, s.rstd, pn_norm_params_in(r, node, WEIGHT), d,
                           pn_scratch(r));
}

static void folds(const pn_run *r, const pn_node *node, pn_real *scale, pn_real *shift)
{
    const pn_norm_dims d = dims_of(r, node);
    const pn_norm_stats s = stats_of(r, node);
    const pn_norm_params p = pn_norm_params_in(r, node, WEIGHT);
    const ptrdiff_t lanes = (d.x.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK, of_group = d.x.c / d.groups;
    gather(r, node, d);
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t c = 0; c < lanes; c++) {
            const ptrdiff_t at = n * lanes + c, group = n * d.groups + c / of_group;
            const double by = c < d.x.c ? (double)s.rstd[group] * (p.weight ? (double)p.weight[c] : 1) : 0;
            scale[at] = (pn_real)by;
            shift[at] = (pn_real)(c < d.x.c ? (p.bias ? (double)p.bias[c] : 0) - (double)s.mean[group] * by : 0);
        }
}

static void backward(const pn_run *r, const pn_node *node)
{
    pn_norm_params p = pn_norm_params_in(r, node, WEIGHT);
    pn_prologue behind;
    p.behind = pn_prologue_out(r, &behind);
    if (p.behind && behind.slope == 1) p.behind = NULL;
    r->kernels->norm.bwd(r->pool, pn_norm_sinks_in(r, node, WEIGHT), pn_grad_out(r, node), pn_in(r, node, X),
                         stats_of(r, node), p, dims_of(r, node), pn_scratch(r));
}

const pn_op pn_op_instance_norm = {
    .name = "instance_norm", .node_bytes = sizeof(norm), .backward_needs = PN_INPUT(X) | PN_INPUT(WEIGHT),
    .in_place = PN_INPUT(X), .takes_sums = true, .folds = folds, .sizes = sizes,
    .forward = forward, .backward = backward,
};

const pn_op pn_op_group_norm = {
    .name = "group_norm", .node_bytes = sizeof(norm), .backward_needs = PN_INPUT(X) | PN_INPUT(WEIGHT),
    .in_place = PN_INPUT(X), .folds = folds, .sizes = sizes,
    .forward = forward, .backward = backward,
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
