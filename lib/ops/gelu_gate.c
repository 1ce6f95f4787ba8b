/* lib/ops/gelu_gate.c - gelu of one half of the channels times the other: contract in posenet/ops.h, loops in
 * kernels/{ref,simd}/gates.c */
#include "ops/op.h"

static pn_gate_dims dims_of(const pn_run *r, const pn_node *node)
{
    const pn_map y = pn_map_out(r, node);
    return (pn_gate_dims){ .samples = y.n, .count = pn_map_stored(y) / y.n };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.gelu_gate_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.gelu_gate_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_in(r, node, 0),
                                        dims_of(r, node));
}

const pn_op pn_op_gelu_gate = {
    .name = "gelu_gate", .remade = true, .backward_needs = PN_INPUT(0), .forward = forward, .backward = backward,
};

/* Halves that begin inside a block have to be taken apart first. */
static pn_tensor *of_halves(pn_graph *g, pn_tensor *u, ptrdiff_t c)
{
    pn_tensor *gate = pn_slice(g, u, 1, 0, c);
    gate = pn_gelu(g, gate);
    pn_tensor *value = pn_slice(g, u, 1, c, 2 * c);
    return pn_mul(g, gate, value);
}

pn_tensor *pn_gelu_gate(pn_graph *g, pn_tensor *u)
{
    pn_tensor *const in[] = { u };
    if (!pn_op_begin(g, &pn_op_gelu_gate, in, 1) || !pn_expect_rank(g, u, "u", 4)) return NULL;
    const ptrdiff_t *d = u->shape.dim, c = d[1] / 2;
    if (!pn_expect_fits(g, d[1] % 2 == 0, "u has %td channels, expected two halves of as many", d[1])) return NULL;
    if (c % PN_BLOCK) return of_halves(g, u, c);
    const pn_node *node = pn_op_record(g, &pn_op_gelu_gate, pn_shape4(d[0], c, d[2], d[3]), in, 1);
    return node ? node->out : NULL;
}
