/* lib/ops/transpose.c - axes in another order: contract in posenet/ops.h, loops in kernels/{ref,simd}/shaping.c */
#include "ops/op.h"

typedef struct { pn_node node; int order[PN_MAX_RANK]; } transpose;

/* `to` is row major; its axis i runs along axis order[i] of a row-major `from`. */
static pn_permutation permutation(pn_shape to, pn_shape from, const int *order)
{
    ptrdiff_t stride[PN_MAX_RANK], step = 1;
    for (int i = from.rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= from.dim[i];
    }
    pn_permutation p = { .rank = to.rank };
    for (int i = 0; i < to.rank; i++) {
        p.dim[i] = to.dim[i];
        p.stride[i] = stride[order[i]];
    }
    return p;
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_permutation p = permutation(node->out->shape, node->in[0]->shape, ((const transpose *)node)->order);
    r->kernels->shaping.permute(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, 0), p);
}

static void backward(const pn_run *r, const pn_node *node)
{
    const int *order = ((const transpose *)node)->order;
    int inverse[PN_MAX_RANK] = { 0 };
    for (int i = 0; i < node->out->shape.rank; i++) inverse[order[i]] = i;
    const pn_permutation p = permutation(node->in[0]->shape, node->out->shape, inverse);
    r->kernels->shaping.permute(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), p);
}

const pn_op pn_op_transpose = {
    .name = "transpose", .node_bytes = sizeof(transpose), .layout = { PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_PLANAR,
    .forward = forward, .backward = backward,
};

pn_tensor *pn_transpose(pn_graph *g, pn_tensor *x, const int order[])
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_transpose, in, 1)) return NULL;
    if (!pn_expect(g, order != NULL, "the order is NULL")) return NULL;
    pn_shape out = x->shape;
    unsigned seen = 0;
    for (int i = 0; i < out.rank; i++) {
        if (!pn_expect(g, order[i] >= 0 && order[i] < out.rank && !(seen >> order[i] & 1u),
                       "order[%d] is %d, expected each of 0 to %d once", i, order[i], out.rank - 1)) return NULL;
        seen |= 1u << order[i];
        out.dim[i] = x->shape.dim[order[i]];
    }
    pn_node *node = pn_op_record(g, &pn_op_transpose, out, in, 1);
    if (!node) return NULL;
    for (int i = 0; i < out.rank; i++) ((transpose *)node)->order[i] = order[i];
    return node->out;
}
