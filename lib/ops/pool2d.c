/* lib/ops/pool2d.c - mean and maximum of windows: contract in posenet/ops.h, loops in kernels/{ref,simd}/resample.c */
#include "ops/op.h"

typedef struct { pn_node node; pn_pool_opt opt; } pool2d;

static pn_pool_dims dims_of(const pn_run *r, const pn_node *node)
{
    const pn_pool_opt *o = &((const pool2d *)node)->opt;
    return (pn_pool_dims){ .x = pn_map_in(r, node, 0), .y = pn_map_out(r, node), .kernel = { o->kernel[0], o->kernel[1] },
                           .stride = { o->stride[0], o->stride[1] }, .pad = { o->pad[0], o->pad[1] } };
}

static void avg_forward(const pn_run *r, const pn_node *node)
{
    r->kernels->resample.avg_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(r, node));
}

static void avg_backward(const pn_run *r, const pn_node *node)
{
    r->kernels->resample.avg_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), dims_of(r, node));
}

static void max_forward(const pn_run *r, const pn_node *node)
{
    r->kernels->resample.max_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(r, node));
}

/* The place of the largest is looked for again: the input is kept by what made it anyway, a table of places is not. */
static void max_backward(const pn_run *r, const pn_node *node)
{
    r->kernels->resample.max_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_in(r, node, 0), dims_of(r, node));
}

const pn_op pn_op_avg_pool2d = {
    .name = "avg_pool2d", .node_bytes = sizeof(pool2d), .forward = avg_forward, .backward = avg_backward,
};
const pn_op pn_op_max_pool2d = {
    .name = "max_pool2d", .node_bytes = sizeof(pool2d), .backward_needs = PN_INPUT(0), .forward = max_forward,
    .backward = max_backward,
};

/* Checks one axis, fills in the default stride and gives the extent after pooling. */
static bool pool_axis(pn_graph *g, pn_pool_opt *o, int axis, ptrdiff_t in, ptrdiff_t *out)
{
    if (!o->stride[axis]) o->stride[axis] = o->kernel[axis];
    const int k = o->kernel[axis], s = o->stride[axis], pad = o->pad[axis];
    if (!pn_expect(g, k > 0 && s > 0, "kernel %d, stride %d; expected both above 0", k, s)) return false;
    if (!pn_expect(g, pad >= 0 && pad < k, "pad is %d, expected 0 to %d, less than the kernel", pad, k - 1)) return false;
    if (!pn_expect_fits(g, in <= PTRDIFF_MAX / 4 && in + 2 * (ptrdiff_t)pad >= k, "a window of %d does not fit an extent of %td; "
                        "pad x or use a smaller kernel", k, in)) return false;
    *out = (in + 2 * (ptrdiff_t)pad - k) / s + 1;
    return true;
}

static pn_tensor *record(pn_graph *g, const pn_op *op, pn_tensor *x, pn_pool_opt opt)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, op, in, 1)) return NULL;
    if (!pn_expect_rank(g, x, "x", 4)) return NULL;
    pn_shape out = x->shape;
    for (int axis = 0; axis < 2; axis++)
        if (!pool_axis(g, &opt, axis, x->shape.dim[2 + axis], &out.dim[2 + axis])) return NULL;
    pn_node *node = pn_op_record(g, op, out, in, 1);
    if (!node) return NULL;
    ((pool2d *)node)->opt = opt;
    return node->out;
}

pn_tensor *pn_avg_pool2d(pn_graph *g, pn_tensor *x, pn_pool_opt opt) { return record(g, &pn_op_avg_pool2d, x, opt); }
pn_tensor *pn_max_pool2d(pn_graph *g, pn_tensor *x, pn_pool_opt opt) { return record(g, &pn_op_max_pool2d, x, opt); }
