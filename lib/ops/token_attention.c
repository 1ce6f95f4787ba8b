/* lib/ops/token_attention.c - attention of every pixel to a few tokens, said with other ops: contract in posenet/ops.h */
#include "ops/op.h"

#include <math.h>

static const pn_op attention = { .name = "token_attention" };       /* a name for messages */

pn_tensor *pn_token_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *v, pn_tensor *prior, pn_tensor **logits)
{
    if (logits) *logits = NULL;
    pn_tensor *const in[] = { q, k, v };
    if (!pn_op_begin(g, &attention, in, 3)) return NULL;
    if (!pn_expect_rank(g, q, "q", 4) || !pn_expect_rank(g, k, "k", 3) || !pn_expect_rank(g, v, "v", 3)) return NULL;
    const ptrdiff_t *d = q->shape.dim, tokens = k->shape.dim[1];
    if (!pn_expect_shape(g, k, "k", pn_shape3(d[0], tokens, d[1]))) return NULL;
    if (!pn_expect_shape(g, v, "v", pn_shape3(d[0], tokens, v->shape.dim[2]))) return NULL;
    if (prior && !pn_expect_shape(g, prior, "prior", pn_shape4(d[0], tokens, d[2], d[3]))) return NULL;
    pn_tensor *scaled = pn_affine(g, k, 1 / sqrt((double)d[1]), 0);
    pn_tensor *e = pn_region_match(g, scaled, q);
    if (prior) e = pn_add(g, e, prior);
    if (logits) *logits = e;
    pn_tensor *a = pn_softmax(g, e, 1);
    return pn_region_spread(g, v, a);
}
