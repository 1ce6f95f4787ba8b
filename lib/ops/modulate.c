/* lib/ops/modulate.c - x (1 + gamma) + beta: contract in posenet/ops.h, loops in kernels/{ref,simd}/gates.c */
#include "ops/repeat.h"

enum { X, GAMMA, BETA, INPUTS };

/* Two maps in one: beta's channels lie behind gamma's, in whole blocks. */
static bool is_one_map(const pn_node *node) { return node->n_in <= BETA; }

static pn_modulate_dims dims_of(const pn_run *r, const pn_node *node)
{
    const pn_map x = pn_map_in(r, node, X);
    const ptrdiff_t count = pn_map_stored(x) / x.n;
    return (pn_modulate_dims){ .x = x, .step = is_one_map(node) ? 2 * count : count };
}

static void forward(const pn_run *r, const pn_node *node)
{
    const pn_modulate_dims d = dims_of(r, node);
    const pn_real *gamma = pn_in(r, node, GAMMA);
    pn_prologue room;
    const pn_modulate_inputs in = { .x = pn_in(r, node, X), .gamma = gamma,
                                    .beta = is_one_map(node) ? gamma + d.step / 2 : pn_in(r, node, BETA),
                                    .pro = pn_prologue_in(r, X, &room) };
    r->kernels->pointwise.modulate_fwd(r->pool, pn_out(r, node), &in, d);
}

static void backward(const pn_run *r, const pn_node *node)
{
    const pn_modulate_dims d = dims_of(r, node);
    pn_modulate_sinks out = { .x = pn_sink_in(r, node, X), .gamma = pn_sink_in(r, node, GAMMA) };
    if (!is_one_map(node)) out.beta = pn_sink_in(r, node, BETA);
    else if (out.gamma.data) out.beta = (pn_sink){ out.gamma.data + d.step / 2, out.gamma.add };
    pn_prologue room;
    pn_modulate_inputs in = { 0 };
    if (out.x.data) in.gamma = pn_in(r, node, GAMMA);
    if (out.gamma.data) {
        in.x = pn_in(r, node, X);
        in.pro = pn_prologue_in(r, X, &room);
    }
    r->kernels->pointwise.modulate_bwd(r->pool, &out, pn_grad_out(r, node), &in, d);
}

static unsigned needs(const pn_node *node, unsigned wanted)
{
    (void)node;
    return (wanted & PN_INPUT(X) ? PN_INPUT(GAMMA) : 0) | (wanted & PN_INPUT(GAMMA) ? PN_INPUT(X) : 0);
}

const pn_op pn_op_modulate = {
    .name = "modulate", .remade = true, .reads_folded = PN_INPUT(X), .needs = needs, .forward = forward, .backward = backward,
};

static bool is_repeated(const pn_tensor *x, const pn_tensor *gamma, const pn_tensor *beta)
{
    return !pn_shape_equal(gamma->shape, x->shape) && pn_repeats_to(gamma->shape, x->shape) &&
           pn_shape_equal(gamma->shape, beta->shape);
}

static pn_tensor *of_repeated(pn_graph *g, pn_tensor *x, pn_tensor *gamma, pn_tensor *beta)
{
    pn_tensor *scale = pn_affine(g, gamma, 1, 1);
    x = pn_mul(g, x, scale);
    return pn_add(g, x, beta);
}

/* Halves that begin inside a block have to be taken apart first. */
static pn_tensor *of_halves(pn_graph *g, pn_tensor *x, pn_tensor *both, ptrdiff_t c)
{
    pn_tensor *gamma = pn_slice(g, both, 1, 0, c);
    pn_tensor *beta = pn_slice(g, both, 1, c, 2 * c);
    return pn_modulate(g, x, gamma, beta);
}

pn_tensor *pn_modulate(pn_graph *g, pn_tensor *x, pn_tensor *gamma, pn_tensor *beta)
{
    pn_tensor *const in[INPUTS] = { x, gamma, beta };
    const int n = beta ? INPUTS : BETA;
    if (!pn_op_begin(g, &pn_op_modulate, in, n) || !pn_expect_rank(g, x, "x", 4)) return NULL;
    const ptrdiff_t *d = x->shape.dim;
    if (beta && is_repeated(x, gamma, beta)) return of_repeated(g, x, gamma, beta);
    if (!pn_expect_shape(g, gamma, "gamma", beta ? x->shape : pn_shape4(d[0], 2 * d[1], d[2], d[3]))) return NULL;
    if (beta && !pn_expect_shape(g, beta, "beta", x->shape)) return NULL;
    if (!beta && d[1] % PN_BLOCK) return of_halves(g, x, gamma, d[1]);
    const pn_node *node = pn_op_record(g, &pn_op_modulate, x->shape, in, n);
    return node ? node->out : NULL;
}
