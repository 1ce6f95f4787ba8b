/* lib/ops/concat.c - concat and slice: contract in posenet/ops.h, loops in kernels/{ref,simd}/shaping.c
 *
 * Both move runs of numbers that lie together, and each is the other's gradient. Where every cut falls between blocks of
 * channels (or runs along another axis) they take any layout; a cut inside a block asks for planar maps.
 */
#include "ops/op.h"

typedef struct { pn_node node; int axis; } concat;
typedef struct { pn_node node; int axis; ptrdiff_t begin; } slice;

/* ---- A value as [outer][extent][inner] around an axis ---------------------------------------------------------------- */

typedef struct { ptrdiff_t outer, extent, inner; } around;

static int block_of(const pn_tensor *t, pn_map m) { return t->shape.rank == 4 ? (int)m.b : 1; }

/* Where channel (row, …) i begins, counted in blocks if the axis is made of them. */
static ptrdiff_t place(ptrdiff_t i, int axis, int block) { return axis == 1 ? (i + block - 1) / block : i; }

static around split(pn_shape s, int axis, int block)
{
    around a = { 1, place(s.dim[axis], axis, block), block };
    for (int i = 0; i < s.rank; i++) {
        if (i < axis) a.outer *= place(s.dim[i], i, block);
        if (i > axis) a.inner *= place(s.dim[i], i, block);
    }
    return a;
}

/* ---- Concat ------------------------------------------------------------------------------------------------------------ */

/* Input i, whose numbers begin `begin` after those of the result; moves on to the next one. */
static pn_strips strips_of(const pn_run *r, const pn_node *node, int i, ptrdiff_t *begin)
{
    const int axis = ((const concat *)node)->axis, block = block_of(node->out, pn_map_out(r, node));
    const around in = split(node->in[i]->shape, axis, block), out = split(node->out->shape, axis, block);
    *begin += in.extent * in.inner;
    return (pn_strips){ .outer = in.outer, .count = in.extent * in.inner, .to_stride = out.extent * out.inner,
                        .from_stride = in.extent * in.inner };
}

static void concat_forward(const pn_run *r, const pn_node *node)
{
    ptrdiff_t next = 0;
    for (int i = 0; i < node->n_in; i++) {
        const ptrdiff_t begin = next;
        const pn_strips s = strips_of(r, node, i, &next);
        r->kernels->shaping.strips(r->pool, (pn_sink){ pn_out(r, node) + begin, false }, pn_in(r, node, i), s);
    }
}

static void concat_backward(const pn_run *r, const pn_node *node)
{
    ptrdiff_t next = 0;
    for (int i = 0; i < node->n_in; i++) {
        const ptrdiff_t begin = next;
        const pn_strips s = strips_of(r, node, i, &next);
        const pn_strips back = { s.outer, s.count, s.from_stride, s.to_stride };
        if (pn_wants_grad(r, node, i)) r->kernels->shaping.strips(r->pool, pn_sink_in(r, node, i), pn_grad_out(r, node) + begin, back);
    }
}

const pn_op pn_op_concat = {
    .name = "concat", .remade = true, .node_bytes = sizeof(concat), .forward = concat_forward, .backward = concat_backward,
};

static const pn_op concat_inside_blocks = {
    .name = "concat", .remade = true, .node_bytes = sizeof(concat), .layout = { PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR,
    PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_PLANAR,
    .forward = concat_forward, .backward = concat_backward,
};

/* All inputs fit the first but along the axis; *extent is what they make together. */
static bool inputs_fit(pn_graph *g, pn_tensor *const x[], int n, int axis, ptrdiff_t *extent)
{
    char is[PN_SHAPE_TEXT], should[PN_SHAPE_TEXT];
    *extent = 0;
    for (int i = 0; i < n; i++) {
        pn_shape expected = x[0]->shape;
        if (x[i]->shape.rank == expected.rank) expected.dim[axis] = x[i]->shape.dim[axis];
        if (!pn_expect_fits(g, pn_shape_equal(x[i]->shape, expected), "x[%d] is %s, expected %s but for axis %d", i,
                            pn_shape_text(x[i]->shape, is), pn_shape_text(expected, should), axis)) return false;
        if (!pn_expect_fits(g, x[i]->shape.dim[axis] <= PTRDIFF_MAX - *extent, "the extents along axis %d add up to too much",
                            axis)) return false;
        *extent += x[i]->shape.dim[axis];
    }
    return true;
}

pn_tensor *pn_concat(pn_graph *g, pn_tensor *const x[], int n, int axis)
{
    if (!pn_op_begin(g, &pn_op_concat, NULL, 0)) return NULL;
    if (!pn_expect(g, x && n >= 1 && n <= PN_MAX_IN, "there are %d inputs, expected 1 to %d; join some of them first", x ? n : 0,
                   PN_MAX_IN)) return NULL;
    if (!pn_op_begin(g, &pn_op_concat, x, n)) return NULL;
    const pn_shape first = x[0]->shape;
    if (!pn_expect(g, axis >= 0 && axis < first.rank, "axis is %d, expected 0 to %d", axis, first.rank - 1)) return NULL;
    pn_shape out = first;
    if (!inputs_fit(g, x, n, axis, &out.dim[axis])) return NULL;
    bool between_blocks = true;
    for (int i = 0; i < n - 1; i++) between_blocks = between_blocks && (axis != 1 || x[i]->shape.dim[1] % PN_BLOCK == 0);
    pn_node *node = pn_op_record(g, between_blocks ? &pn_op_concat : &concat_inside_blocks, out, x, n);
    if (!node) return NULL;
    ((concat *)node)->axis = axis;
    return node->out;
}

/* ---- Slice --------------------------------------------------------------------------------------------------------------- */

/* How the result's numbers lie in x, and where they begin. */
static pn_strips taken(const pn_run *r, const pn_node *node, ptrdiff_t *begin)
{
    const int axis = ((const slice *)node)->axis, block = block_of(node->out, pn_map_out(r, node));
    const around in = split(node->in[0]->shape, axis, block), out = split(node->out->shape, axis, block);
    *begin = place(((const slice *)node)->begin, axis, block) * in.inner;
    return (pn_strips){ .outer = in.outer, .count = out.extent * out.inner, .to_stride = out.extent * out.inner,
                        .from_stride = in.extent * in.inner };
}

static void slice_forward(const pn_run *r, const pn_node *node)
{
    ptrdiff_t begin;
    const pn_strips s = taken(r, node, &begin);
    r->kernels->shaping.strips(r->pool, (pn_sink){ pn_out(r, node), false }, pn_in(r, node, 0) + begin, s);
}

/* What was not taken gets no gradient: zero when this is the first write, nothing to add otherwise. */
static void slice_backward(const pn_run *r, const pn_node *node)
{
    ptrdiff_t begin;
    const pn_strips s = taken(r, node, &begin);
    const pn_sink dx = pn_sink_in(r, node, 0);
    const pn_strips back = { s.outer, s.count, s.from_stride, s.to_stride };
    r->kernels->shaping.strips(r->pool, (pn_sink){ dx.data + begin, dx.add }, pn_grad_out(r, node), back);
    if (dx.add) return;
    const ptrdiff_t end = begin + s.count;
    r->kernels->shaping.clear(r->pool, dx.data, (pn_strips){ s.outer, begin, s.from_stride, 0 });
    r->kernels->shaping.clear(r->pool, dx.data + end, (pn_strips){ s.outer, s.from_stride - end, s.from_stride, 0 });
}

const pn_op pn_op_slice = {
    .name = "slice", .remade = true, .node_bytes = sizeof(slice), .forward = slice_forward, .backward = slice_backward,
};

static const pn_op slice_inside_blocks = {
    .name = "slice", .remade = true, .node_bytes = sizeof(slice), .layout = { PN_LAYOUT_PLANAR }, .result = PN_LAYOUT_PLANAR,
    .forward = slice_forward, .backward = slice_backward,
};

pn_tensor *pn_slice(pn_graph *g, pn_tensor *x, int axis, ptrdiff_t begin, ptrdiff_t end)
{
    pn_tensor *const in[] = { x };
    if (!pn_op_begin(g, &pn_op_slice, in, 1)) return NULL;
    const int rank = x->shape.rank;
    if (!pn_expect(g, axis >= 0 && axis < rank, "axis is %d, expected 0 to %d", axis, rank - 1)) return NULL;
    const ptrdiff_t extent = x->shape.dim[axis];
    if (!pn_expect_fits(g, begin >= 0 && begin < end && end <= extent, "%td to %td of axis %d, expected some of 0 to %td", begin,
                        end, axis, extent)) return NULL;
    pn_shape out = x->shape;
    out.dim[axis] = end - begin;
    const bool between_blocks = axis != 1 || (begin % PN_BLOCK == 0 && (end % PN_BLOCK == 0 || end == extent));
    pn_node *node = pn_op_record(g, between_blocks ? &pn_op_slice : &slice_inside_blocks, out, in, 1);
    if (!node) return NULL;
    ((slice *)node)->axis = axis;
    ((slice *)node)->begin = begin;
    return node->out;
}
