/* lib/ops/local_attention.c - flow-guided local attention: contract in posenet/ops.h, loops in kernels/{ref,simd}/ */
#include "ops/op.h"

enum { SOURCE, SOURCE_HIDDEN, TARGET_HIDDEN, FLOW, W1, B1, INPUTS };
enum { WEIGHT, HIDDEN };                                /* saved: a, h */

static pn_local_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_local_dims){ .source = pn_map_in(r, node, SOURCE), .source_hidden = pn_map_in(r, node, SOURCE_HIDDEN),
                            .hidden = pn_map_in(r, node, TARGET_HIDDEN), .weight = pn_map_saved(r, node, WEIGHT),
                            .k = 1 + pn_map_in(r, node, SOURCE_HIDDEN).h - pn_map_in(r, node, SOURCE).h };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_attention_scratch need = r->kernels->attention.local_scratch(dims_of(r, node), r->threads);
    *out = (pn_sizes){ .scratch_fwd = need.fwd, .scratch_bwd = need.bwd };
}

static pn_local_inputs inputs_of(const pn_run *r, const pn_node *node)
{
    return (pn_local_inputs){ .source = pn_in(r, node, SOURCE), .source_hidden = pn_in(r, node, SOURCE_HIDDEN),
                              .flow = pn_in(r, node, FLOW), .w1 = pn_in(r, node, W1) };
}

static void forward(const pn_run *r, const pn_node *node)
{
    pn_local_inputs in = inputs_of(r, node);
    in.target_hidden = pn_in(r, node, TARGET_HIDDEN);
    in.b1 = pn_in(r, node, B1);
    r->kernels->attention.local_fwd(r->pool, pn_out(r, node), pn_saved(r, node, WEIGHT), pn_saved(r, node, HIDDEN), &in,
                                    dims_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_local_sinks out = {
        .source = pn_sink_in(r, node, SOURCE), .source_hidden = pn_sink_in(r, node, SOURCE_HIDDEN),
        .target_hidden = pn_sink_in(r, node, TARGET_HIDDEN), .flow = pn_sink_in(r, node, FLOW),
        .w1 = pn_sink_in(r, node, W1), .b1 = pn_sink_in(r, node, B1),
    };
    pn_local_inputs in = inputs_of(r, node);
    in.a = pn_saved(r, node, WEIGHT);
    in.h = pn_saved(r, node, HIDDEN);
    r->kernels->attention.local_bwd(r->pool, &out, pn_grad_out(r, node), &in, dims_of(r, node), pn_scratch(r));
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return PN_INPUT(SOURCE) | PN_INPUT(FLOW) | PN_INPUT(W1) | (wanted & PN_INPUT(FLOW) ? PN_INPUT(SOURCE_HIDDEN) : 0);
}

/* The second layer, and the weighted sum. */
static double macs(const pn_node *node)
{
    const ptrdiff_t *y = node->out->shape.dim, *w = node->in[W1]->shape.dim;
    return (double)(y[0] * y[2] * y[3]) * (double)(w[0] * (w[1] + y[1]));
}

const pn_op pn_op_local_attention = {
    .name = "local_attention",
    .layout = { [SOURCE] = PN_LAYOUT_BLOCKED, [SOURCE_HIDDEN] = PN_LAYOUT_BLOCKED, [TARGET_HIDDEN] = PN_LAYOUT_BLOCKED,
                [FLOW] = PN_LAYOUT_PLANAR, [W1] = PN_LAYOUT_PLANAR },
    .result = PN_LAYOUT_BLOCKED, .saved = PN_LAYOUT_BLOCKED, .needs = needs, .sizes = sizes,
    .macs = macs, .forward = forward, .backward = backward,
};

/* ---- Recording ----------------------------------------------------------------------------------------- */

/* k when w1 has k^2 rows for an odd k up to PN_LOCAL_MAX_K, else 0. */
static ptrdiff_t kernel_of(ptrdiff_t rows)
{
    for (ptrdiff_t k = 1; k <= PN_LOCAL_MAX_K; k += 2)
        if (k * k == rows) return k;
    return 0;
}

static bool shapes_fit(pn_graph *g, pn_tensor *const in[])
{
    static const char *const names[] = { "source", "source_hidden", "target_hidden", "flow", "w1" };
    for (int i = SOURCE; i <= W1; i++)
        if (!pn_expect_rank(g, in[i], names[i], 4)) return false;
    const ptrdiff_t *s = in[SOURCE]->shape.dim, features = in[TARGET_HIDDEN]->shape.dim[1];
    const ptrdiff_t rows = in[W1]->shape.dim[0], k = kernel_of(rows), *has = in[SOURCE_HIDDEN]->shape.dim;
    char is[PN_SHAPE_TEXT], wants[PN_SHAPE_TEXT];
    const pn_shape hidden = pn_shape4(s[0], features, s[2] + k - 1, s[3] + k - 1);
    return pn_expect(g, k > 0, "w1 has %td rows, expected k^2 of an odd k up to %d", rows, PN_LOCAL_MAX_K) &&
           pn_expect_shape(g, in[TARGET_HIDDEN], "target_hidden", pn_shape4(s[0], features, s[2], s[3])) &&
           pn_expect_fits(g, has[2] == hidden.dim[2] && has[3] == hidden.dim[3], "source_hidden is %s, expected %s; "
                          "convolve the source with pad k - 1 = %td and a replicated border",
                          pn_shape_text(in[SOURCE_HIDDEN]->shape, is), pn_shape_text(hidden, wants), k - 1) &&
           pn_expect_shape(g, in[SOURCE_HIDDEN], "source_hidden", hidden) &&
           pn_expect_shape(g, in[FLOW], "flow", pn_shape4(s[0], 2, s[2], s[3])) &&
           pn_expect_shape(g, in[W1], "w1", pn_shape4(k * k, features, 1, 1)) &&
           pn_expect_shape(g, in[B1], "b1", pn_shape1(k * k));
}

pn_tensor *pn_local_attention(pn_graph *g, pn_tensor *source, pn_tensor *source_hidden, pn_tensor *target_hidden,
                              pn_tensor *flow, pn_tensor *w1, pn_tensor *b1)
{
    pn_tensor *const in[INPUTS] = { source, source_hidden, target_hidden, flow, w1, b1 };
    if (!pn_op_begin(g, &pn_op_local_attention, in, INPUTS) || !shapes_fit(g, in)) return NULL;
    const ptrdiff_t *s = source->shape.dim;
    pn_node *node = pn_op_record(g, &pn_op_local_attention, source->shape, in, INPUTS);
    if (!node || !pn_op_save(g, node, pn_shape4(s[0], w1->shape.dim[0], s[2], s[3])) ||
        !pn_op_save(g, node, target_hidden->shape)) return NULL;
    return node->out;
}
