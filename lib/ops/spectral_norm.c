/* lib/ops/spectral_norm.c - weights over their largest singular value: contract in posenet/ops.h, loops in
 * kernels/{ref,simd}/losses.c
 *
 * A training forward moves u and v by one power iteration and keeps the pair it used, because the same weights may be
 * recorded, and their vectors moved, once more before backward runs.
 */
#include "ops/op.h"

typedef struct { pn_node node; double eps; int axis; } spectral_norm;
enum { W, U, V };
enum { USED_U, USED_V, SIGMA };

static pn_spectral_dims dims_of(const pn_node *node, bool iterate)
{
    const spectral_norm *n = (const spectral_norm *)node;
    pn_spectral_dims d = { .outer = 1, .rows = node->in[U]->shape.dim[0], .eps = n->eps, .iterate = iterate };
    for (int i = 0; i < n->axis; i++) d.outer *= node->in[W]->shape.dim[i];
    d.inner = node->in[V]->shape.dim[0] / d.outer;
    return d;
}

static pn_singular used_by(const pn_run *r, const pn_node *node)
{
    return (pn_singular){ pn_saved(r, node, USED_U), pn_saved(r, node, USED_V), pn_saved(r, node, SIGMA) };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const size_t scratch = r->kernels->loss.spectral_scratch(dims_of(node, r->training));
    *out = (pn_sizes){ .scratch_fwd = scratch, .scratch_bwd = scratch };
}

static void forward(const pn_run *r, const pn_node *node)
{
    pn_real *u = pn_state_in(r, node, U), *v = pn_state_in(r, node, V);
    const pn_spectral_dims d = dims_of(node, u && v);
    const pn_singular used = used_by(r, node);
    if (r->recompute) {
        r->kernels->loss.spectral_again(r->pool, pn_out(r, node), used, pn_in(r, node, W), d);
        return;
    }
    r->kernels->loss.spectral_fwd(r->pool, pn_out(r, node), used, pn_in(r, node, W), pn_in(r, node, U), pn_in(r, node, V), d,
                                  pn_scratch(r));
    if (!d.iterate) return;
    r->kernels->pointwise.copy(r->pool, (pn_sink){ u, false }, used.u, d.rows);
    r->kernels->pointwise.copy(r->pool, (pn_sink){ v, false }, used.v, pn_spectral_columns(&d));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->loss.spectral_bwd(r->pool, pn_sink_in(r, node, W), pn_grad_out(r, node), pn_in(r, node, W), used_by(r, node),
                                  dims_of(node, false), pn_scratch(r));
}

const pn_op pn_op_spectral_norm = {
    .name = "spectral_norm", .node_bytes = sizeof(spectral_norm), .layout = { PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR },
    .result = PN_LAYOUT_PLANAR, .saved = PN_LAYOUT_PLANAR, .backward_needs = PN_INPUT(W), .no_grad = PN_INPUT(U) | PN_INPUT(V),
    .remade = true, .updates_state = true, .sizes = sizes, .forward = forward, .backward = backward,
};

pn_tensor *pn_spectral_norm(pn_graph *g, pn_tensor *w, int axis, pn_tensor *u, pn_tensor *v, double eps)
{
    pn_tensor *const in[] = { w, u, v };
    if (!pn_op_begin(g, &pn_op_spectral_norm, in, 3)) return NULL;
    if (!pn_expect(g, axis >= 0 && axis < w->shape.rank, "axis is %d, and w has %d", axis, w->shape.rank)) return NULL;
    const ptrdiff_t rows = w->shape.dim[axis], columns = pn_shape_count(w->shape) / rows;
    if (!pn_expect_shape(g, u, "u", pn_shape1(rows)) || !pn_expect_shape(g, v, "v", pn_shape1(columns))) return NULL;
    if (!pn_expect(g, eps > 0, "eps is %g, expected above 0", eps)) return NULL;
    pn_node *node = pn_op_record(g, &pn_op_spectral_norm, w->shape, in, 3);
    if (!node) return NULL;
    ((spectral_norm *)node)->eps = eps;
    ((spectral_norm *)node)->axis = axis;
    if (!pn_op_save(g, node, pn_shape1(rows)) || !pn_op_save(g, node, pn_shape1(columns)) || !pn_op_save(g, node, pn_shape1(1)))
        return NULL;
    return node->out;
}
