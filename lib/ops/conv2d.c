/* lib/ops/conv2d.c - convolution and transposed convolution: contract in posenet/ops.h, loops in kernels/{ref,simd}/conv.c
 *
 * One op record serves both: a transposed convolution is the adjoint of a convolution with the same weights, and the
 * kernels know it by pn_conv_dims.transposed.
 */
#include "ops/op.h"

#include <string.h>

typedef struct { pn_node node; pn_conv_opt opt; bool transposed; } conv;
enum { X, W, BIAS };

static ptrdiff_t more_channels(const pn_run *r)
{
    pn_run other;
    return pn_joined(r, &other) ? pn_map_in(&other, other.step->node, X).c : 0;
}

static pn_conv_dims dims_of(const pn_run *r, const pn_node *node)
{
    const pn_conv_opt *o = &((const conv *)node)->opt;
    const pn_shape w = node->in[W]->shape;
    return (pn_conv_dims){
        .x = pn_map_in(r, node, X), .y = pn_map_out(r, node), .kernel = { w.dim[2], w.dim[3] },
        .stride = { o->stride[0], o->stride[1] }, .pad = { o->pad[0], o->pad[1] },
        .dilation = { o->dilation[0], o->dilation[1] }, .groups = o->groups, .border = o->border,
        .transposed = ((const conv *)node)->transposed, .more = more_channels(r),
        .learnt = pn_is_learnt(r, node, W),
    };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_conv_sizes s = r->kernels->conv.sizes(dims_of(r, node), r->threads);
    *out = (pn_sizes){ .scratch_fwd = s.scratch_fwd, .scratch_bwd = s.scratch_bwd, .packed[0] = s.packed_fwd };
    if (pn_wants_grad(r, node, X)) out->packed[1] = s.packed_bwd;
}

static pn_conv_source source_of(const pn_run *r, pn_prologue *room)
{
    const pn_node *node = r->step->node;
    return (pn_conv_source){ .x = pn_in(r, node, X), .w = pn_in(r, node, W), .pro = pn_prologue_in(r, X, room) };
}

static const pn_real *bias_of(const pn_run *r)
{
    const pn_node *node = r->step->node;
    return node->n_in > BIAS ? pn_in(r, node, BIAS) : NULL;
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_conv_dims d = dims_of(r, node);
    pn_prologue prologue[2];
    pn_conv_source from[2] = { source_of(r, &prologue[0]) };
    pn_epilogue epilogue = pn_epilogue_out(r, node);
    epilogue.bias = bias_of(r);
    pn_run other;
    if (pn_joined(r, &other)) {
        from[1] = source_of(&other, &prologue[1]);
        epilogue.more_bias = bias_of(&other);
    }
    bool stale;
    pn_real *packed = pn_packed(r, node, 0, W, &stale);
    if (stale) r->kernels->conv.pack_fwd(r->pool, packed, from, d);
    r->kernels->conv.fwd(r->pool, pn_out(r, node), from, packed, &epilogue, d, pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_conv_dims d = dims_of(r, node);
    const pn_real *dy = pn_grad_unfolded(r, node);
    pn_prologue prologue;
    if (pn_wants_grad(r, node, X)) {
        const pn_real *w = pn_in(r, node, W);
        bool stale;
        pn_real *packed = pn_packed(r, node, 1, W, &stale);
        if (stale) r->kernels->conv.pack_bwd(r->pool, packed, w, d);
        r->kernels->conv.bwd_data(r->pool, pn_sink_in(r, node, X), dy, w, packed, d, pn_scratch(r));
    }
    if (pn_wants_grad(r, node, W))
        r->kernels->conv.bwd_weights(r->pool, pn_sink_in(r, node, W), pn_in(r, node, X), dy, pn_prologue_in(r, X, &prologue), d,
                                     pn_scratch(r));
    if (node->n_in > BIAS && pn_wants_grad(r, node, BIAS))
        r->kernels->conv.bwd_bias(r->pool, pn_sink_in(r, node, BIAS), dy, d.y);
}

/* A frozen convolution passes gradient on without its input, so that input need not be kept. */
static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(X) ? PN_INPUT(W) : 0) | (wanted & PN_INPUT(W) ? PN_INPUT(X) : 0);
}

/* Channels of both follow each other; those of the first must end with a block. */
static bool joins(const pn_node *node, const pn_node *other)
{
    const pn_conv_opt *o = &((const conv *)node)->opt;
    const ptrdiff_t *x = node->in[X]->shape.dim, *w = node->in[W]->shape.dim;
    const ptrdiff_t *other_x = other->in[X]->shape.dim, *other_w = other->in[W]->shape.dim;
    return o->groups == 1 && memcmp(o, &((const conv *)other)->opt, sizeof *o) == 0 && x[1] % PN_BLOCK == 0 &&
           x[2] == other_x[2] && x[3] == other_x[3] && w[2] == other_w[2] && w[3] == other_w[3];
}

/* Every pixel of the result, transposed of the input, takes the whole filter. */
static double macs(const pn_node *node)
{
    const pn_shape map = ((const conv *)node)->transposed ? node->in[X]->shape : node->out->shape;
    return (double)(map.dim[0] * map.dim[2] * map.dim[3]) * (double)pn_shape_count(node->in[W]->shape);
}

const pn_op pn_op_conv2d = {
    .name = "conv2d", .node_bytes = sizeof(conv), .layout = { PN_LAYOUT_BLOCKED, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR },
    .result = PN_LAYOUT_BLOCKED, .packs = PN_INPUT(W), .reads_folded = PN_INPUT(X), .writes_folded = true, .joins = joins,
    .needs = needs, .macs = macs, .sizes = sizes, .forward = forward, .backward = backward,
};

const pn_op pn_op_conv_transpose2d = {
    .name = "conv_transpose2d", .node_bytes = sizeof(conv),
    .layout = { PN_LAYOUT_BLOCKED, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR },
    .result = PN_LAYOUT_BLOCKED, .packs = PN_INPUT(W), .reads_folded = PN_INPUT(X), .writes_folded = true, .joins = joins,
    .needs = needs, .macs = macs, .sizes = sizes, .forward = forward, .backward = backward,
};

/* ---- Recording ------------------------------------------------------------------------------------------------------ */

static pn_conv_opt with_defaults(const pn_conv_opt *opt)
{
    pn_conv_opt o = opt ? *opt : (pn_conv_opt){ 0 };
    for (int i = 0; i < 2; i++) {
        if (!o.stride[i]) o.stride[i] = 1;
        if (!o.dilation[i]) o.dilation[i] = 1;
    }
    if (!o.groups) o.groups = 1;
    return o;
}

static bool options_make_sense(pn_graph *g, const pn_conv_opt *o)
{
    for (int i = 0; i < 2; i++) {
        if (!pn_expect(g, o->stride[i] > 0 && o->dilation[i] > 0 && o->pad[i] >= 0,
                       "stride %d, dilation %d, pad %d; expected positive stride and dilation and no negative pad",
                       o->stride[i], o->dilation[i], o->pad[i])) return false;
    }
    return pn_expect(g, o->groups > 0, "groups is %d, expected 1 or more", o->groups);
}

/* Extent along one axis after the convolution; 0 when the kernel does not fit. */
static ptrdiff_t extent(ptrdiff_t in, ptrdiff_t kernel, const pn_conv_opt *o, int axis)
{
    const ptrdiff_t room = in + 2 * (ptrdiff_t)o->pad[axis] - o->dilation[axis] * (kernel - 1) - 1;
    return room < 0 ? 0 : room / o->stride[axis] + 1;
}

static ptrdiff_t transposed_extent(ptrdiff_t in, ptrdiff_t kernel, const pn_conv_opt *o, int axis)
{
    return (in - 1) * o->stride[axis] - 2 * (ptrdiff_t)o->pad[axis] + o->dilation[axis] * (kernel - 1) + o->output_pad[axis] + 1;
}

static pn_tensor *record(pn_graph *g, const pn_op *op, pn_shape out, pn_tensor *const in[], int n, const pn_conv_opt *o)
{
    char x[PN_SHAPE_TEXT], w[PN_SHAPE_TEXT];
    if (!pn_expect_fits(g, out.dim[2] > 0 && out.dim[3] > 0, "x is %s and w is %s: the kernel does not fit; pad x or use a "
                        "smaller kernel", pn_shape_text(in[X]->shape, x), pn_shape_text(in[W]->shape, w))) return NULL;
    if (n > BIAS && !pn_expect_shape(g, in[BIAS], "bias", pn_shape1(out.dim[1]))) return NULL;
    pn_node *node = pn_op_record(g, op, out, in, n);
    if (!node) return NULL;
    ((conv *)node)->opt = *o;
    ((conv *)node)->transposed = op == &pn_op_conv_transpose2d;
    return node->out;
}

pn_tensor *pn_conv2d(pn_graph *g, pn_tensor *x, pn_tensor *w, pn_tensor *bias, const pn_conv_opt *opt)
{
    pn_tensor *const in[] = { x, w, bias };
    const int n = bias ? 3 : 2;
    if (!pn_op_begin(g, &pn_op_conv2d, in, n)) return NULL;
    if (!pn_expect_rank(g, x, "x", 4) || !pn_expect_rank(g, w, "w", 4)) return NULL;
    const pn_conv_opt o = with_defaults(opt);
    if (!options_make_sense(g, &o)) return NULL;
    const ptrdiff_t *xd = x->shape.dim, *wd = w->shape.dim;
    if (!pn_expect_fits(g, xd[1] % o.groups == 0 && wd[0] % o.groups == 0, "%td input and %td output channels do not split into "
                        "%d groups", xd[1], wd[0], o.groups)) return NULL;
    if (!pn_expect_shape(g, w, "w", pn_shape4(wd[0], xd[1] / o.groups, wd[2], wd[3]))) return NULL;
    if (!pn_expect_fits(g, o.border != PN_BORDER_REFLECT || (o.pad[0] < xd[2] && o.pad[1] < xd[3]),
                        "a reflecting border of %d x %d needs a larger map than %td x %td", o.pad[0], o.pad[1], xd[2], xd[3]))
        return NULL;
    return record(g, &pn_op_conv2d, pn_shape4(xd[0], wd[0], extent(xd[2], wd[2], &o, 0), extent(xd[3], wd[3], &o, 1)), in, n, &o);
}

pn_tensor *pn_conv_transpose2d(pn_graph *g, pn_tensor *x, pn_tensor *w, pn_tensor *bias, const pn_conv_opt *opt)
{
    pn_tensor *const in[] = { x, w, bias };
    const int n = bias ? 3 : 2;
    if (!pn_op_begin(g, &pn_op_conv_transpose2d, in, n)) return NULL;
    if (!pn_expect_rank(g, x, "x", 4) || !pn_expect_rank(g, w, "w", 4)) return NULL;
    const pn_conv_opt o = with_defaults(opt);
    if (!options_make_sense(g, &o)) return NULL;
    if (!pn_expect(g, o.border == PN_BORDER_ZERO, "the border is not ZERO; a transposed convolution has no other")) return NULL;
    for (int i = 0; i < 2; i++)
        if (!pn_expect(g, o.output_pad[i] >= 0 && o.output_pad[i] < o.stride[i], "output_pad %d, expected 0 to stride - 1 = %d",
                       o.output_pad[i], o.stride[i] - 1)) return NULL;
    const ptrdiff_t *xd = x->shape.dim, *wd = w->shape.dim;
    if (!pn_expect_fits(g, xd[1] % o.groups == 0, "%td input channels do not split into %d groups", xd[1], o.groups)) return NULL;
    if (!pn_expect_shape(g, w, "w", pn_shape4(xd[1], wd[1], wd[2], wd[3]))) return NULL;
    const pn_shape out = pn_shape4(xd[0], wd[1] * o.groups, transposed_extent(xd[2], wd[2], &o, 0),
                                   transposed_extent(xd[3], wd[3], &o, 1));
    return record(g, &pn_op_conv_transpose2d, out, in, n, &o);
}
