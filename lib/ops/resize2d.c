/* lib/ops/resize2d.c - another size, nearest or bilinear: contract in posenet/ops.h, loops in kernels/{ref,simd}/resample.c */
#include "ops/op.h"

typedef struct { pn_node node; pn_interpolation how; pn_grid grid; } resize2d;

static pn_resize_dims dims_of(const pn_run *r, const pn_node *node)
{
    const resize2d *o = (const resize2d *)node;
    return (pn_resize_dims){ .x = pn_map_in(r, node, 0), .y = pn_map_out(r, node), .how = o->how, .grid = o->grid };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_scratch_sizes s = r->kernels->resample.resize_scratch(dims_of(r, node), r->threads);
    *out = (pn_sizes){ .scratch_fwd = s.fwd, .scratch_bwd = s.bwd };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->resample.resize_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->resample.resize_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), dims_of(r, node), pn_scratch(r));
}

const pn_op pn_op_resize2d = {
    .name = "resize2d", .remade = true, .node_bytes = sizeof(resize2d), .sizes = sizes, .forward = forward, .backward = backward,
};

pn_tensor *pn_resize2d(pn_graph *g, pn_tensor *x, ptrdiff_t height, ptrdiff_t width, pn_interpolation how, pn_grid grid)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_resize2d, in, 1)) return NULL;
    if (!pn_expect_rank(g, x, "x", 4)) return NULL;
    if (!pn_expect_fits(g, height > 0 && width > 0, "the new size is %td x %td, expected 1 x 1 or more", height, width)) return NULL;
    if (!pn_expect(g, how == PN_BILINEAR || (how == PN_NEAREST && grid == PN_HALF_PIXEL), "the grid is CORNERS, which only BILINEAR "
                   "knows; use HALF_PIXEL")) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_resize2d, pn_shape4(x->shape.dim[0], x->shape.dim[1], height, width), in, 1);
    if (!node) return NULL;
    ((resize2d *)node)->how = how;
    ((resize2d *)node)->grid = grid;
    return node->out;
}
