/* lib/ops/correspondence.c - contract in posenet/ops.h; the loops are those of attention, kernels/.../attention_full.c
 *
 * Samples are worked on one after the other: so each has a scale of its own, 0 where no cell is valid, and scratch does
 * not grow with the batch.
 */
#include "ops/op.h"

#include <math.h>

enum { QUERY, KEY, VALUE, TEMPERATURE, VALID, INPUTS };
enum { TOP, LOG_SUM, PEAK };                            /* saved */

static ptrdiff_t area_of(pn_map m) { return m.h * m.w; }

/* Of one sample. */
static pn_full_dims dims_of(const pn_run *r, const pn_node *node)
{
    const pn_map query = pn_map_in(r, node, QUERY), value = pn_map_in(r, node, VALUE);
    return (pn_full_dims){ .batch = 1, .queries = area_of(query), .keys = area_of(value), .features = query.c,
                           .values = value.c, .q = pn_rows_of_map(query), .k = pn_rows_of_map(pn_map_in(r, node, KEY)),
                           .v = pn_rows_of_map(value), .y = pn_rows_of_map(pn_map_out(r, node)) };
}

/* What hides cells lies before the kernels' scratch, in whole blocks. */
static ptrdiff_t bias_room(const pn_node *node, ptrdiff_t cells)
{
    return node->n_in > VALID ? (cells + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK : 0;
}

static void sizes(const pn_run *r, const pn_node *node, pn_sizes *out)
{
    const pn_full_dims d = dims_of(r, node);
    const pn_attention_scratch s = r->kernels->attention.full_scratch(d, r->threads);
    const size_t bias = (size_t)bias_room(node, d.keys) * sizeof(pn_real);
    *out = (pn_sizes){ .scratch_fwd = bias + s.fwd, .scratch_bwd = bias + s.bwd };
}

/* The scale of sample n, and its bias if it has valid cells and others. */
static const pn_real *see(const pn_run *r, const pn_node *node, ptrdiff_t n, pn_full_dims *d, pn_real *bias)
{
    ptrdiff_t seen = 0;
    d->scale = 1 / pn_in(r, node, TEMPERATURE)[0];
    if (node->n_in <= VALID) return NULL;
    const pn_real *valid = pn_in(r, node, VALID) + n * d->keys;
    for (ptrdiff_t i = 0; i < d->keys; i++) {
        bias[i] = valid[i] == 0 ? -(pn_real)INFINITY : 0;
        if (valid[i] != 0) seen++;
    }
    if (!seen) d->scale = 0;
    return seen ? bias : NULL;
}

static void forward(const pn_run *r, const pn_node *node)
{
    pn_full_dims d = dims_of(r, node);
    pn_real *bias = pn_scratch(r), *top = pn_saved(r, node, TOP), *log_sum = pn_saved(r, node, LOG_SUM);
    pn_real *peak = pn_saved(r, node, PEAK);
    const ptrdiff_t samples = node->in[QUERY]->shape.dim[0];
    for (ptrdiff_t n = 0; n < samples; n++) {
        const pn_full_inputs in = { .q = pn_in(r, node, QUERY) + n * d.q.batch, .k = pn_in(r, node, KEY) + n * d.k.batch,
                                    .v = pn_in(r, node, VALUE) + n * d.v.batch, .bias = see(r, node, n, &d, bias) };
        r->kernels->attention.full_fwd(r->pool, pn_out(r, node) + n * d.y.batch, top + n * d.queries,
                                       log_sum + n * d.queries, &in, d, bias + bias_room(node, d.keys));
    }
    for (ptrdiff_t i = 0; i < samples * d.queries; i++) peak[i] = (pn_real)exp(-(double)log_sum[i]);
}

static pn_sink of_sample(pn_sink s, ptrdiff_t at) { return (pn_sink){ s.data ? s.data + at : NULL, s.add }; }

/* value's own gradient takes the weights and dy alone. */
static unsigned needs(const pn_node *node, unsigned wanted)
{
    return PN_INPUT(QUERY) | PN_INPUT(KEY) | PN_INPUT(TEMPERATURE) | (node->n_in > VALID ? PN_INPUT(VALID) : 0) |
           (wanted & ~PN_INPUT(VALUE) ? PN_INPUT(VALUE) | PN_OUTPUT : 0);
}

static void backward(const pn_run *r, const pn_node *node)
{
    pn_full_dims d = dims_of(r, node);
    pn_real *bias = pn_scratch(r);
    const pn_sink dq = pn_sink_in(r, node, QUERY), dk = pn_sink_in(r, node, KEY), dv = pn_sink_in(r, node, VALUE);
    const bool slopes = dq.data || dk.data;
    for (ptrdiff_t n = 0; n < node->in[QUERY]->shape.dim[0]; n++) {
        const pn_full_sinks out = { .q = of_sample(dq, n * d.q.batch), .k = of_sample(dk, n * d.k.batch),
                                    .v = of_sample(dv, n * d.v.batch) };
        const pn_full_inputs in = { .q = pn_in(r, node, QUERY) + n * d.q.batch, .k = pn_in(r, node, KEY) + n * d.k.batch,
                                    .v = slopes ? pn_in(r, node, VALUE) + n * d.v.batch : NULL,
                                    .bias = see(r, node, n, &d, bias),
                                    .y = slopes ? pn_result(r, node) + n * d.y.batch : NULL,
                                    .top = pn_saved(r, node, TOP) + n * d.queries,
                                    .log_sum = pn_saved(r, node, LOG_SUM) + n * d.queries };
        r->kernels->attention.full_bwd(r->pool, &out, pn_grad_out(r, node) + n * d.y.batch, &in, d,
                                       bias + bias_room(node, d.keys));
    }
}

static double macs(const pn_node *node)
{
    const ptrdiff_t *q = node->in[QUERY]->shape.dim, *v = node->in[VALUE]->shape.dim;
    return (double)(q[0] * q[2] * q[3]) * (double)(v[2] * v[3]) * (double)(q[1] + v[1]);
}

const pn_op pn_op_correspondence = {
    .name = "correspondence",
    .layout = { PN_LAYOUT_BLOCKED, PN_LAYOUT_BLOCKED, PN_LAYOUT_BLOCKED, PN_LAYOUT_PLANAR, PN_LAYOUT_PLANAR },
    .result = PN_LAYOUT_BLOCKED, .saved = PN_LAYOUT_PLANAR, .no_grad = PN_INPUT(TEMPERATURE) | PN_INPUT(VALID),
    .needs = needs, .sizes = sizes, .macs = macs, .forward = forward, .backward = backward,
};

/* ---- Recording ------------------------------------------------------------------------------------------------- */

static bool shapes_fit(pn_graph *g, pn_tensor *const in[])
{
    static const char *const names[] = { "query", "key", "value" };
    for (int i = QUERY; i <= VALUE; i++)
        if (!pn_expect_rank(g, in[i], names[i], 4)) return false;
    const ptrdiff_t *q = in[QUERY]->shape.dim, *k = in[KEY]->shape.dim, *v = in[VALUE]->shape.dim;
    return pn_expect_shape(g, in[KEY], "key", pn_shape4(q[0], q[1], k[2], k[3])) &&
           pn_expect_shape(g, in[VALUE], "value", pn_shape4(q[0], v[1], k[2], k[3])) &&
           pn_expect_shape(g, in[TEMPERATURE], "temperature", pn_shape1(1)) &&
           (!in[VALID] || pn_expect_shape(g, in[VALID], "valid", pn_shape4(q[0], 1, k[2], k[3])));
}

pn_tensor *pn_correspondence(pn_graph *g, pn_tensor *query, pn_tensor *key, pn_tensor *value, pn_tensor *temperature,
                             pn_tensor *valid)
{
    pn_tensor *const in[INPUTS] = { query, key, value, temperature, valid };
    const int n = valid ? INPUTS : VALID;
    if (!pn_op_begin(g, &pn_op_correspondence, in, n) || !shapes_fit(g, in)) return NULL;
    const ptrdiff_t *q = query->shape.dim;
    pn_node *node = pn_op_record(g, &pn_op_correspondence, pn_shape4(q[0], value->shape.dim[1], q[2], q[3]), in, n);
    const pn_shape rows = pn_shape2(q[0], q[2] * q[3]);
    if (!node || !pn_op_save(g, node, rows) || !pn_op_save(g, node, rows) ||
        !pn_op_save(g, node, pn_shape4(q[0], 1, q[2], q[3]))) return NULL;
    return node->out;
}
