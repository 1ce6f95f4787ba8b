/* lib/ops/add.c - a + b, b repeated where it has extent 1: contract in posenet/ops.h, loops in
 * kernels/{ref,simd}/pointwise.c */
#include "ops/repeat.h"

enum { A, B };

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    out->scratch_bwd = r->kernels->pointwise.reduce_scratch(pn_repeat_in(r, node));
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->pointwise.add(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, A), pn_in(r, node, B),
                              pn_repeat_in(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_repeat repeat = pn_repeat_in(r, node);
    const pn_sink da = pn_sink_in(r, node, A), db = pn_sink_in(r, node, B);
    const pn_real *dy = pn_grad_out(r, node);
    if (da.data && da.data != dy) r->kernels->pointwise.copy(r->pool, da, dy, pn_map_stored(repeat.map));
    if (!db.data) return;
    if (pn_shape_equal(node->in[A]->shape, node->in[B]->shape))
        r->kernels->pointwise.copy(r->pool, db, dy, pn_map_stored(repeat.map));
    else
        r->kernels->pointwise.reduce(r->pool, db, dy, NULL, 1, repeat, pn_scratch(r));
}

const pn_op pn_op_add = {
    .name = "add", .in_place = PN_INPUT(A), .folds_sum = true, .sizes = sizes, .forward = forward, .backward = backward,
};

/* One channel for all: b has no blocks to share with a. */
static const pn_op one_channel = {
    .name = "add", .layout = { PN_LAYOUT_ANY, PN_LAYOUT_PLANAR }, .in_place = PN_INPUT(A), .sizes = sizes,
    .forward = forward, .backward = backward,
};

pn_tensor *pn_add(pn_graph *g, pn_tensor *a, pn_tensor *b)
{
    pn_tensor *const in[] = { a, b };
    if (!pn_op_begin(g, &pn_op_add, in, 2) || !pn_expect_repeats(g, a, b)) return NULL;
    const pn_node *node = pn_op_record(g, pn_repeats_channels(a, b) ? &one_channel : &pn_op_add, a->shape, in, 2);
    return node ? node->out : NULL;
}
