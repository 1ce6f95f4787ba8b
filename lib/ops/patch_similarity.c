/* lib/ops/patch_similarity.c - patches against those nearby: contract in posenet/ops.h, loops in kernels/{ref,simd}/ */
#include "ops/op.h"

#include <float.h>

typedef struct { pn_node node; int patch, k; double sigma; } patch_similarity;

static pn_patch_dims dims_of(const pn_run *r, const pn_node *node)
{
    const patch_similarity *p = (const patch_similarity *)node;
    const pn_map x = pn_map_in(r, node, 0);
    const double numbers = (double)(p->patch * p->patch) * (double)x.c;
    return (pn_patch_dims){ .x = x, .patch = p->patch, .k = p->k, .scale = 1 / (2 * numbers * p->sigma * p->sigma) };
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const size_t need = r->kernels->match.patch_scratch(dims_of(r, node));
    *out = (pn_sizes){ .scratch_fwd = need, .scratch_bwd = need };
}

static void forward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.patch_fwd(r->pool, pn_out(r, node), pn_in(r, node, 0), dims_of(r, node), pn_scratch(r));
}

static void backward(const pn_run *r, const pn_node *node)
{
    r->kernels->match.patch_bwd(r->pool, pn_sink_in(r, node, 0), pn_grad_out(r, node), pn_result(r, node),
                                pn_in(r, node, 0), dims_of(r, node), pn_scratch(r));
}

const pn_op pn_op_patch_similarity = {
    .name = "patch_similarity", .node_bytes = sizeof(patch_similarity), .layout = { PN_LAYOUT_PLANAR },
    .result = PN_LAYOUT_PLANAR, .backward_needs = PN_INPUT(0) | PN_OUTPUT, .sizes = sizes, .forward = forward,
    .backward = backward,
};

pn_tensor *pn_patch_similarity(pn_graph *g, pn_tensor *x, int patch, int k, double sigma)
{
    if (!pn_op_begin(g, &pn_op_patch_similarity, &x, 1) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    if (!pn_expect(g, patch % 2 == 1 && patch >= 1 && patch <= PN_WINDOW_MAX_K,
                   "patch is %d, expected an odd number from 1 to %d", patch, PN_WINDOW_MAX_K)) return NULL;
    if (!pn_expect(g, k % 2 == 1 && k >= 3 && k <= PN_WINDOW_MAX_K, "k is %d, expected an odd number from 3 to %d", k,
                   PN_WINDOW_MAX_K)) return NULL;
    if (!pn_expect(g, sigma > 0 && sigma <= DBL_MAX, "sigma is %g, expected a positive number", sigma)) return NULL;
    const ptrdiff_t *d = x->shape.dim;
    pn_node *node = pn_op_record(g, &pn_op_patch_similarity, pn_shape4(d[0], k * k - 1, d[2], d[3]), &x, 1);
    if (!node) return NULL;
    ((patch_similarity *)node)->patch = patch;
    ((patch_similarity *)node)->k = k;
    ((patch_similarity *)node)->sigma = sigma;
    return node->out;
}
