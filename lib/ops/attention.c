/* lib/ops/attention.c - softmax attention: contract in posenet/ops.h, loops in kernels/{ref,simd}/attention_full.c */
#include "ops/op.h"

#include <float.h>
#include <math.h>

typedef struct { pn_node node; double scale; } attention;
enum { Q, K, V, BIAS, INPUTS };
enum { TOP, LOG_SUM };                                  /* saved: of each query what its softmax is taken with */

static bool has_bias(const pn_node *node) { return node->n_in > BIAS; }

static pn_full_dims dims_of(const pn_node *node)
{
    const ptrdiff_t *q = node->in[Q]->shape.dim, *v = node->in[V]->shape.dim;
    pn_full_dims d = { .batch = q[0], .queries = q[1], .keys = v[1], .features = q[2], .values = v[2],
                       .scale = (pn_real)((const attention *)node)->scale, .q = pn_rows_of_matrix(q[1], q[2]),
                       .k = pn_rows_of_matrix(v[1], q[2]), .v = pn_rows_of_matrix(v[1], v[2]),
                       .y = pn_rows_of_matrix(q[1], v[2]) };
    if (!has_bias(node)) return d;
    const ptrdiff_t *bias = node->in[BIAS]->shape.dim;
    d.bias_batch = bias[0] > 1 ? bias[1] * bias[2] : 0;
    d.bias_row = bias[1] > 1 ? bias[2] : 0;
    return d;
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_attention_scratch s = r->kernels->attention.full_scratch(dims_of(node), r->threads);
    *out = (pn_sizes){ .scratch_fwd = s.fwd, .scratch_bwd = s.bwd };
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_full_inputs in = { .q = pn_in(r, node, Q), .k = pn_in(r, node, K), .v = pn_in(r, node, V),
                                .bias = has_bias(node) ? pn_in(r, node, BIAS) : NULL };
    r->kernels->attention.full_fwd(r->pool, pn_out(r, node), pn_saved(r, node, TOP), pn_saved(r, node, LOG_SUM), &in,
                                   dims_of(node), pn_scratch(r));
}

/* v's own gradient takes the weights and dy alone. */
static unsigned needs(const pn_node *node, unsigned wanted)
{
    const unsigned weights = PN_INPUT(Q) | PN_INPUT(K) | (has_bias(node) ? PN_INPUT(BIAS) : 0);
    return weights | (wanted & ~PN_INPUT(V) ? PN_INPUT(V) | PN_OUTPUT : 0);
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_full_sinks out = { .q = pn_sink_in(r, node, Q), .k = pn_sink_in(r, node, K), .v = pn_sink_in(r, node, V),
                                .bias = has_bias(node) ? pn_sink_in(r, node, BIAS) : (pn_sink){ NULL, false } };
    const bool slopes = out.q.data || out.k.data || out.bias.data;
    const pn_full_inputs in = { .q = pn_in(r, node, Q), .k = pn_in(r, node, K),
                                .v = slopes ? pn_in(r, node, V) : NULL,
                                .bias = has_bias(node) ? pn_in(r, node, BIAS) : NULL,
                                .y = slopes ? pn_result(r, node) : NULL, .top = pn_saved(r, node, TOP),
                                .log_sum = pn_saved(r, node, LOG_SUM) };
    r->kernels->attention.full_bwd(r->pool, &out, pn_grad_out(r, node), &in, dims_of(node), pn_scratch(r));
}

static double macs(const pn_node *node)
{
    const ptrdiff_t *q = node->in[Q]->shape.dim, *v = node->in[V]->shape.dim;
    return (double)(q[0] * q[1] * v[1]) * (double)(q[2] + v[2]);
}

const pn_op pn_op_attention = {
    .name = "attention", .node_bytes = sizeof(attention), .needs = needs, .sizes = sizes, .macs = macs, .forward = forward,
    .backward = backward,
};

/* ---- Recording ------------------------------------------------------------------------------------------------- */

static bool bias_fits(pn_graph *g, const pn_tensor *bias, const ptrdiff_t *q, ptrdiff_t keys)
{
    if (!pn_expect_rank(g, bias, "bias", 3)) return false;
    const ptrdiff_t *d = bias->shape.dim;
    char text[PN_SHAPE_TEXT];
    return pn_expect_fits(g, (d[0] == q[0] || d[0] == 1) && (d[1] == q[1] || d[1] == 1) && d[2] == keys,
                          "bias is %s, expected [%td or 1,%td or 1,%td]; a mask of keys is [%td or 1,1,%td]",
                          pn_shape_text(bias->shape, text), q[0], q[1], keys, q[0], keys);
}

pn_tensor *pn_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *v, const pn_attention_opt *opt)
{
    pn_tensor *const in[INPUTS] = { q, k, v, opt ? opt->bias : NULL };
    const int n = in[BIAS] ? INPUTS : BIAS;
    if (!pn_op_begin(g, &pn_op_attention, in, n)) return NULL;
    if (!pn_expect_rank(g, q, "q", 3) || !pn_expect_rank(g, k, "k", 3) || !pn_expect_rank(g, v, "v", 3)) return NULL;
    const ptrdiff_t *qd = q->shape.dim, *kd = k->shape.dim, *vd = v->shape.dim;
    if (!pn_expect_shape(g, k, "k", pn_shape3(qd[0], kd[1], qd[2]))) return NULL;
    if (!pn_expect_shape(g, v, "v", pn_shape3(qd[0], kd[1], vd[2]))) return NULL;
    if (in[BIAS] && !bias_fits(g, in[BIAS], qd, kd[1])) return NULL;
    const double scale = opt ? opt->scale : 0;
    if (!pn_expect(g, scale >= 0 && scale <= DBL_MAX, "scale is %g, expected a positive number, or 0 for 1/sqrt(%td)",
                   scale, qd[2])) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_attention, pn_shape3(qd[0], qd[1], vd[2]), in, n);
    const pn_shape rows = pn_shape2(qd[0], qd[1]);
    if (!node || !pn_op_save(g, node, rows) || !pn_op_save(g, node, rows)) return NULL;
    ((attention *)node)->scale = scale > 0 ? scale : 1 / sqrt((double)qd[2]);
    return node->out;
}
