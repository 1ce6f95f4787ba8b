/* lib/ops/affine.c - scale x + shift: contract in posenet/ops.h, loops in kernels/{ref,simd}/pointwise.c */
#include "ops/op.h"

#include <math.h>

typedef struct { pn_node node; double scale, shift; } affine;

static void forward(const pn_run *r, const pn_node *node)
{
    const affine *a = (const affine *)node;
    r->kernels->pointwise.affine(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, 0), a->scale, a->shift,
                                 pn_map_out(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.affine(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), ((const affine *)node)->scale,
                                 0, pn_map_out(r, node));
}

const pn_op pn_op_affine = {
    .name = "affine", .remade = true, .node_bytes = sizeof(affine), .in_place = PN_INPUT(0), .forward = forward, .backward = backward,
};

pn_tensor *pn_affine(pn_graph *g, pn_tensor *x, double scale, double shift)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_affine, in, 1)) return NULL;
    if (!pn_expect(g, isfinite(scale) && isfinite(shift), "scale is %g and shift %g, expected finite numbers", scale,
                   shift)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_affine, x->shape, in, 1);
    if (!node) return NULL;
    ((affine *)node)->scale = scale;
    ((affine *)node)->shift = shift;
    return node->out;
}
