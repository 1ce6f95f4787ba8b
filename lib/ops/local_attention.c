/* lib/ops/local_attention.c - flow-guided local attention: contract in posenet/ops.h, loops in kernels/{ref,simd}/
 *
 * The source's half of the first layer, sum_t w0_t s_t, is the bilinear sample of an ordinary convolution of the
 * source (kernels/attention.h says why); so the products are the convolution kernels' work in both directions, and what
 * is left to the attention kernels is light: sampling, the small second layer, softmax, the weighted sum.
 */
#include "ops/op.h"

enum { SOURCE, TARGET_HIDDEN, FLOW, W0, W1, B1, INPUTS };
enum { WEIGHT, HIDDEN, RESPONSE };                      /* saved: a, h, the convolution's result */

static pn_local_dims dims_of(const pn_run *r, const pn_node *node)
{
    return (pn_local_dims){ .source = pn_map_in(r, node, SOURCE), .hidden = pn_map_in(r, node, TARGET_HIDDEN),
                            .weight = pn_map_saved(r, node, WEIGHT), .response = pn_map_saved(r, node, RESPONSE),
                            .k = node->in[W0]->shape.dim[2] };
}

/* Over the source and k/2 pixels beyond it on every side, its border replicated. */
static pn_conv_dims conv_dims_of(pn_local_dims d)
{
    const ptrdiff_t pad = d.k / 2 * 2;
    return (pn_conv_dims){ .x = d.source, .y = d.response, .kernel = { d.k, d.k }, .stride = { 1, 1 },
                           .pad = { pad, pad }, .dilation = { 1, 1 }, .groups = 1, .border = PN_BORDER_REPLICATE };
}

/* ---- Scratch: backward's begins with the gradient of the response; kernels and convolution share the rest ---- */

enum { LINE = 64 };

static size_t whole_lines(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t response_bytes(pn_local_dims d)
{
    return whole_lines((size_t)pn_map_stored(d.response) * sizeof(pn_real));
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_local_dims d = dims_of(r, node);
    const pn_conv_sizes conv = r->kernels->conv.sizes(conv_dims_of(d), r->threads);
    const pn_attention_scratch own = r->kernels->attention.local_scratch(d, r->threads);
    *out = (pn_sizes){ .scratch_fwd = larger(conv.scratch_fwd, own.fwd), .packed[0] = conv.packed_fwd,
                       .scratch_bwd = response_bytes(d) + larger(conv.scratch_bwd, own.bwd) };
    if (pn_wants_grad(r, node, SOURCE)) out->packed[1] = conv.packed_bwd;
}

/* ---- Forward, backward --------------------------------------------------------------------------------- */

static pn_local_inputs inputs_of(const pn_run *r, const pn_node *node)
{
    return (pn_local_inputs){ .source = pn_in(r, node, SOURCE), .response = pn_saved(r, node, RESPONSE),
                              .flow = pn_in(r, node, FLOW), .w1 = pn_in(r, node, W1) };
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_local_dims d = dims_of(r, node);
    const pn_conv_dims conv = conv_dims_of(d);
    const pn_real *w0 = pn_in(r, node, W0);
    bool stale;
    pn_real *packed = pn_packed(r, node, 0, W0, &stale);
    if (stale) r->kernels->conv.pack_fwd(r->pool, packed, w0, conv);
    const pn_epilogue plain = { .slope = 1 };
    r->kernels->conv.fwd(r->pool, pn_saved(r, node, RESPONSE), pn_in(r, node, SOURCE), w0, packed, NULL, &plain, conv,
                         pn_scratch(r));
    pn_local_inputs in = inputs_of(r, node);
    in.target_hidden = pn_in(r, node, TARGET_HIDDEN);
    in.b1 = pn_in(r, node, B1);
    r->kernels->attention.local_fwd(r->pool, pn_out(r, node), pn_saved(r, node, WEIGHT), pn_saved(r, node, HIDDEN), &in,
                                    d, pn_scratch(r));
}

/* The gradient of the response, on to w0 and the source. */
static void backward_response(const pn_run *r, const pn_node *node, const pn_real *dresponse, void *scratch)
{
    const pn_conv_dims conv = conv_dims_of(dims_of(r, node));
    if (pn_wants_grad(r, node, W0))
        r->kernels->conv.bwd_weights(r->pool, pn_sink_in(r, node, W0), pn_in(r, node, SOURCE), dresponse, NULL, conv,
                                     scratch);
    if (!pn_wants_grad(r, node, SOURCE)) return;
    const pn_real *w0 = pn_in(r, node, W0);
    bool stale;
    pn_real *packed = pn_packed(r, node, 1, W0, &stale);
    if (stale) r->kernels->conv.pack_bwd(r->pool, packed, w0, conv);
    const pn_sink rest = { pn_sink_in(r, node, SOURCE).data, true };    /* the weighted sum's part is there already */
    r->kernels->conv.bwd_data(r->pool, rest, dresponse, w0, packed, conv, scratch);
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_local_dims d = dims_of(r, node);
    const bool through_response = pn_wants_grad(r, node, SOURCE) || pn_wants_grad(r, node, W0);
    uint8_t *scratch = pn_scratch(r);
    pn_real *dresponse = (pn_real *)(void *)scratch;
    scratch += response_bytes(d);
    const pn_local_sinks out = {
        .source = pn_sink_in(r, node, SOURCE), .hidden = pn_sink_in(r, node, TARGET_HIDDEN),
        .flow = pn_sink_in(r, node, FLOW), .w1 = pn_sink_in(r, node, W1), .b1 = pn_sink_in(r, node, B1),
        .response = through_response ? dresponse : NULL,
    };
    pn_local_inputs in = inputs_of(r, node);
    in.a = pn_saved(r, node, WEIGHT);
    in.h = pn_saved(r, node, HIDDEN);
    r->kernels->attention.local_bwd(r->pool, &out, pn_grad_out(r, node), &in, d, scratch);
    if (through_response) backward_response(r, node, dresponse, scratch);
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return PN_INPUT(SOURCE) | PN_INPUT(FLOW) | PN_INPUT(W1) | (wanted & PN_INPUT(SOURCE) ? PN_INPUT(W0) : 0);
}

const pn_op pn_op_local_attention = {
    .name = "local_attention",
    .layout = { [SOURCE] = PN_LAYOUT_BLOCKED, [TARGET_HIDDEN] = PN_LAYOUT_BLOCKED, [FLOW] = PN_LAYOUT_PLANAR,
                [W0] = PN_LAYOUT_PLANAR, [W1] = PN_LAYOUT_PLANAR },
    .result = PN_LAYOUT_BLOCKED, .saved = PN_LAYOUT_BLOCKED, .needs = needs, .sizes = sizes,
    .forward = forward, .backward = backward,
};

/* ---- Recording ----------------------------------------------------------------------------------------- */

static bool shapes_fit(pn_graph *g, pn_tensor *const in[])
{
    static const char *const names[] = { "source", "target_hidden", "flow", "w0", "w1" };
    for (int i = SOURCE; i <= W1; i++)
        if (!pn_expect_rank(g, in[i], names[i], 4)) return false;
    const ptrdiff_t *s = in[SOURCE]->shape.dim, *w = in[W0]->shape.dim, k = w[2];
    if (!pn_expect(g, k % 2 == 1 && k <= PN_LOCAL_MAX_K, "w0 has a kernel of %td, expected an odd number up to %d", k,
                   PN_LOCAL_MAX_K)) return false;
    return pn_expect_shape(g, in[W0], "w0", pn_shape4(w[0], s[1], k, k)) &&
           pn_expect_shape(g, in[TARGET_HIDDEN], "target_hidden", pn_shape4(s[0], w[0], s[2], s[3])) &&
           pn_expect_shape(g, in[FLOW], "flow", pn_shape4(s[0], 2, s[2], s[3])) &&
           pn_expect_shape(g, in[W1], "w1", pn_shape4(k * k, w[0], 1, 1)) &&
           pn_expect_shape(g, in[B1], "b1", pn_shape1(k * k));
}

pn_tensor *pn_local_attention(pn_graph *g, pn_tensor *source, pn_tensor *target_hidden, pn_tensor *flow, pn_tensor *w0,
                              pn_tensor *w1, pn_tensor *b1)
{
    pn_tensor *const in[INPUTS] = { source, target_hidden, flow, w0, w1, b1 };
    if (!pn_op_begin(g, &pn_op_local_attention, in, INPUTS) || !shapes_fit(g, in)) return NULL;
    const ptrdiff_t *s = source->shape.dim, *w = w0->shape.dim, k = w[2], beyond = k / 2 * 2;
    pn_node *node = pn_op_record(g, &pn_op_local_attention, source->shape, in, INPUTS);
    if (!node || !pn_op_save(g, node, pn_shape4(s[0], k * k, s[2], s[3])) ||
        !pn_op_save(g, node, target_hidden->shape) ||
        !pn_op_save(g, node, pn_shape4(s[0], w[0], s[2] + beyond, s[3] + beyond))) return NULL;
    return node->out;
}
