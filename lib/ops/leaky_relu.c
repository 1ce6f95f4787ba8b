/* lib/ops/leaky_relu.c - relu and leaky relu: contract in posenet/ops.h, loops in kernels/{ref,simd}/pointwise.c */
#include "ops/op.h"

typedef struct { pn_node node; pn_real slope; } leaky_relu;

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.leaky_relu_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), ((const leaky_relu *)node)->slope,
                                         pn_map_stored(pn_map_out(r, node)));
}

/* From the result, whose sign is the input's: the input's memory is free, and forward can run in place. */
static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.leaky_relu_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_result(r, node),
                                         ((const leaky_relu *)node)->slope, pn_map_stored(pn_map_out(r, node)));
}

static const pn_real *slope_of(const pn_node *node) { return &((const leaky_relu *)node)->slope; }

/* Folded into the reading of x: x itself, and whoever reads applies the slope. Its sign serves backward as well. */
static void folds(const pn_run *r, const pn_node *node, pn_real *scale, pn_real *shift)
{
    const pn_map m = pn_map_out(r, node);
    const ptrdiff_t lanes = m.n * ((m.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK);
    for (ptrdiff_t i = 0; i < lanes; i++) {
        scale[i] = 1;
        shift[i] = 0;
    }
}

const pn_op pn_op_leaky_relu = {
    .name = "leaky_relu", .node_bytes = sizeof(leaky_relu), .backward_needs = PN_OUTPUT, .in_place = PN_INPUT(0),
    .folds_slope = slope_of, .folds = folds,
    .forward = forward, .backward = backward,
};

pn_tensor *pn_leaky_relu(pn_graph *g, pn_tensor *x, double slope)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_leaky_relu, in, 1)) return NULL;
    if (!pn_expect(g, slope >= 0 && slope <= 1, "slope is %g, expected 0 to 1", slope)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_leaky_relu, x->shape, in, 1);
    if (!node) return NULL;
    ((leaky_relu *)node)->slope = (pn_real)slope;
    return node->out;
}

pn_tensor *pn_relu(pn_graph *g, pn_tensor *x) { return pn_leaky_relu(g, x, 0); }
