/* lib/ops/graph_conv.c - messages between the nodes of a graph, said with other ops: contracts in posenet/ops.h */
#include "ops/op.h"

#include <math.h>

static const pn_op attention = { .name = "graph_attention" }, conv = { .name = "graph_conv" };     /* names for messages */

pn_tensor *pn_graph_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *prior, pn_tensor *visible)
{
    pn_tensor *const in[] = { q, k, prior, visible };
    if (!pn_op_begin(g, &attention, in, 4)) return NULL;
    if (!pn_expect_rank(g, q, "q", 3) || !pn_expect_shape(g, k, "k", q->shape)) return NULL;
    const ptrdiff_t n = q->shape.dim[0], m = q->shape.dim[1], d = q->shape.dim[2];
    if (!pn_expect_shape(g, prior, "prior", pn_shape2(m, m))) return NULL;
    if (!pn_expect_shape(g, visible, "visible", pn_shape2(n, m))) return NULL;
    pn_tensor *product = pn_matmul(g, q, k, PN_TRANSPOSE_B);
    pn_tensor *scaled = pn_affine(g, product, 1 / sqrt((double)d), 0);
    pn_tensor *every_sample = pn_reshape(g, prior, pn_shape3(1, m, m));
    pn_tensor *sum = pn_add(g, scaled, every_sample);
    return pn_masked_softmax(g, sum, visible);
}

/* a h for one a [M,M]: the samples' features beside each other are the columns of one product. */
static pn_tensor *mix_by_one(pn_graph *g, pn_tensor *h, pn_tensor *a)
{
    const ptrdiff_t n = h->shape.dim[0], m = h->shape.dim[1], d = h->shape.dim[2];
    pn_tensor *nodes = pn_transpose(g, h, (const int[]){ 1, 0, 2 });
    pn_tensor *columns = pn_reshape(g, nodes, pn_shape3(1, m, n * d));
    pn_tensor *one = pn_reshape(g, a, pn_shape3(1, m, m));
    pn_tensor *mixed = pn_matmul(g, one, columns, PN_AS_IS);
    pn_tensor *apart = pn_reshape(g, mixed, pn_shape3(m, n, d));
    return pn_transpose(g, apart, (const int[]){ 1, 0, 2 });
}

pn_tensor *pn_graph_conv(pn_graph *g, pn_tensor *h, pn_tensor *a, pn_tensor *w, pn_tensor *bias)
{
    pn_tensor *const in[] = { h, a, w, bias };
    if (!pn_op_begin(g, &conv, in, bias ? 4 : 3)) return NULL;
    if (!pn_expect_rank(g, h, "h", 3) || !pn_expect_rank(g, w, "w", 2)) return NULL;
    const ptrdiff_t n = h->shape.dim[0], m = h->shape.dim[1], o = w->shape.dim[0];
    const bool shared = a->shape.rank == 2;
    if (!pn_expect_shape(g, a, "a", shared ? pn_shape2(m, m) : pn_shape3(n, m, m))) return NULL;
    if (!pn_expect_shape(g, w, "w", pn_shape2(o, h->shape.dim[2]))) return NULL;
    if (bias && !pn_expect_shape(g, bias, "bias", pn_shape1(o))) return NULL;
    pn_tensor *mixed = shared ? mix_by_one(g, h, a) : pn_matmul(g, a, h, PN_AS_IS);
    return pn_linear(g, mixed, w, bias);
}
