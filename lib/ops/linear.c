/* lib/ops/linear.c - x w^T + bias over the last axis: contract in posenet/ops.h, loops in
 * kernels/{ref,simd}/matmul.c */
#include "ops/repeat.h"

enum { X, W, BIAS };

/* rows t of x, d numbers each, o results: y = x w^T, dx = dy w, dw = dy^T x, dbias = sum of dy over t */
typedef struct { pn_matmul_dims y, dx, dw; pn_repeat bias; } products;

static products products_of(const pn_node *node)
{
    const pn_shape w = node->in[W]->shape;
    const ptrdiff_t o = w.dim[0], d = w.dim[1], t = pn_shape_count(node->in[X]->shape) / d;
    return (products){
        .y = { 1, t, o, d, { 0, d, 1 }, { 0, 1, d } },
        .dx = { 1, t, d, o, { 0, o, 1 }, { 0, d, 1 } },
        .dw = { 1, o, d, t, { 0, 1, o }, { 0, d, 1 } },
        .bias = pn_repeat_of(pn_shape2(t, o), 1, pn_shape2(1, o), 1),
    };
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const products p = products_of(node);
    const pn_matmul_kernels *k = &r->kernels->matmul;
    out->scratch_fwd = k->scratch(p.y, r->threads);
    out->scratch_bwd = larger(r->kernels->pointwise.reduce_scratch(p.bias),
                              larger(k->scratch(p.dx, r->threads), k->scratch(p.dw, r->threads)));
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->matmul.product(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, X), pn_in(r, node, W),
                               node->n_in > BIAS ? pn_in(r, node, BIAS) : NULL, products_of(node).y, pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const products p = products_of(node);
    const pn_sink dx = pn_sink_in(r, node, X), dw = pn_sink_in(r, node, W);
    const pn_sink dbias = node->n_in > BIAS ? pn_sink_in(r, node, BIAS) : (pn_sink){ 0 };
    const pn_real *dy = pn_grad_out(r, node);
    if (dx.data) r->kernels->matmul.product(r->pool, dx, dy, pn_in(r, node, W), NULL, p.dx, pn_scratch(r));
    if (dw.data) r->kernels->matmul.product(r->pool, dw, dy, pn_in(r, node, X), NULL, p.dw, pn_scratch(r));
    if (dbias.data) r->kernels->pointwise.reduce(r->pool, dbias, dy, NULL, 1, p.bias, pn_scratch(r));
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(X) ? PN_INPUT(W) : 0) | (wanted & PN_INPUT(W) ? PN_INPUT(X) : 0);
}

static double macs(const pn_node *node)
{
    const pn_shape x = node->in[X]->shape;
    const double rows = (double)(pn_shape_count(x) / x.dim[x.rank - 1]);
    return rows * (double)pn_shape_count(node->in[W]->shape);
}

const pn_op pn_op_linear = {
    .name = "linear", .layout = { PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_PLANAR, .needs = needs, .sizes = sizes,
    .macs = macs, .forward = forward, .backward = backward,
};

pn_tensor *pn_linear(pn_graph *g, pn_tensor *x, pn_tensor *w, pn_tensor *bias)
{
    pn_tensor *const in[] = { x, w, bias };
    const int n = bias ? 3 : 2;
    if (!pn_op_begin(g, &pn_op_linear, in, n) || !pn_expect_rank(g, w, "w", 2)) return NULL;
    char is[PN_SHAPE_TEXT], of[PN_SHAPE_TEXT];
    const ptrdiff_t o = w->shape.dim[0], d = w->shape.dim[1];
    pn_shape result = x->shape;
    if (!pn_expect_fits(g, result.dim[result.rank - 1] == d, "x is %s and w is %s: the last extents differ",
                        pn_shape_text(x->shape, is), pn_shape_text(w->shape, of))) return NULL;
    if (bias && !pn_expect_shape(g, bias, "bias", pn_shape1(o))) return NULL;
    result.dim[result.rank - 1] = o;
    const pn_node *node = pn_op_record(g, &pn_op_linear, result, in, n);
    return node ? node->out : NULL;
}
