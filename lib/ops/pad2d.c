/* lib/ops/pad2d.c - rows and columns around a map: contract in posenet/ops.h, loops in kernels/{ref,simd}/shaping.c */
#include "ops/op.h"

typedef struct { pn_node node; pn_margins margins; pn_border border; pn_real value; } pad2d;

static pn_pad_dims dims_of(const pn_run *r, const pn_node *node)
{
    const pad2d *p = (const pad2d *)node;
    return (pn_pad_dims){ .x = pn_map_in(r, node, 0), .y = pn_map_out(r, node), .top = p->margins.top, .left = p->margins.left,
                          .border = p->border, .value = p->value };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->shaping.pad_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(r, node));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->shaping.pad_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), dims_of(r, node));
}

const pn_op pn_op_pad2d = { .name = "pad2d", .node_bytes = sizeof(pad2d), .forward = forward, .backward = backward };

static bool margins_fit(pn_graph *g, const ptrdiff_t *extent, pn_margins m, pn_border border)
{
    const ptrdiff_t side[4] = { m.top, m.bottom, m.left, m.right };
    for (int i = 0; i < 4; i++) {
        if (!pn_expect(g, side[i] >= 0, "margins are %td, %td, %td, %td (top, bottom, left, right), expected none below 0; use "
                       "pn_slice to cut", m.top, m.bottom, m.left, m.right)) return false;
        if (!pn_expect_fits(g, border != PN_BORDER_REFLECT || side[i] < extent[i / 2], "a mirrored margin of %td needs a map "
                            "larger than %td x %td", side[i], extent[0], extent[1])) return false;
        if (!pn_expect_fits(g, side[i] <= PTRDIFF_MAX / 4 && extent[i / 2] <= PTRDIFF_MAX / 4, "a margin of %td is too large",
                            side[i])) return false;
    }
    return true;
}

pn_tensor *pn_pad2d(pn_graph *g, pn_tensor *x, pn_margins margins, pn_border border, double value)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_pad2d, in, 1)) return NULL;
    if (!pn_expect_rank(g, x, "x", 4)) return NULL;
    const ptrdiff_t *d = x->shape.dim;
    if (!margins_fit(g, d + 2, margins, border)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_pad2d, pn_shape4(d[0], d[1], d[2] + margins.top + margins.bottom,
                                                           d[3] + margins.left + margins.right), in, 1);
    if (!node) return NULL;
    ((pad2d *)node)->margins = margins;
    ((pad2d *)node)->border = border;
    ((pad2d *)node)->value = (pn_real)value;
    return node->out;
}
