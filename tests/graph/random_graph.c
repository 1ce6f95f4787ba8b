/* tests/graph/random_graph.c - see random_graph.h */
#include "graph/random_graph.h"

#include "graph/params.h"

/* ---- Drawing ----------------------------------------------------------------------------------------------------- */

enum { VALUES = 64 };
typedef struct {
    random_graph *r;
    pn_rng rng;
    pn_tensor *value[VALUES];       /* maps so far */
    int n;
} drawer;

static int draw(drawer *d, int n) { return (int)pn_rng_below(&d->rng, n); }

/* Mostly something recent, so that graphs are deep as well as wide. */
static pn_tensor *any(drawer *d)
{
    const int back = draw(d, 3) ? draw(d, d->n < 3 ? d->n : 3) : draw(d, d->n);
    return d->value[d->n - 1 - back];
}

/* Like t in all extents but `axis` (-1: in all); t itself when there is nothing else. */
static pn_tensor *partner(drawer *d, pn_tensor *t, int axis)
{
    for (int tries = 0; tries < 12; tries++) {
        pn_tensor *o = d->value[draw(d, d->n)];
        pn_shape s = o->shape;
        if (axis >= 0) s.dim[axis] = t->shape.dim[axis];
        if (pn_shape_equal(s, t->shape)) return o;
    }
    return t;
}

static pn_tensor *weight(drawer *d, pn_shape shape)
{
    pn_params *p = draw(d, 4) ? d->r->learnt : d->r->frozen;
    if (draw(d, 2))
        for (int i = 0; i < pn_params_count(p); i++)
            if (pn_shape_equal(pn_params_at(p, i)->shape, shape)) return pn_params_at(p, i);
    char name[16];
    snprintf(name, sizeof name, "w%d", pn_params_count(p));
    return pn_param(p, name, shape, (pn_init){ PN_INIT_NORMAL, 0.3 });
}

static pn_tensor *convolution(drawer *d, pn_tensor *x)
{
    static const ptrdiff_t channels[] = { 1, 3, 8, 16, 20 };
    const ptrdiff_t *s = x->shape.dim, to = channels[draw(d, 5)], k = draw(d, 2) ? 3 : 1;
    pn_tensor *w = weight(d, pn_shape4(to, s[1], k, k));
    pn_tensor *bias = draw(d, 2) ? weight(d, pn_shape1(to)) : NULL;
    const int pad = (int)k / 2, stride = k == 3 && s[2] > 3 && draw(d, 3) == 0 ? 2 : 1;
    return pn_conv2d(d->r->g, x, w, bias, &(pn_conv_opt){ .pad = { pad, pad }, .stride = { stride, stride } });
}

static pn_tensor *there_and_back(drawer *d, pn_tensor *x)       /* through a value that is no map */
{
    pn_graph *g = d->r->g;
    const ptrdiff_t *s = x->shape.dim;
    pn_tensor *tokens = pn_reshape(g, x, pn_shape3(s[0], s[1], s[2] * s[3]));
    pn_tensor *swapped = pn_transpose(g, tokens, (const int[]){ 0, 2, 1 });
    pn_tensor *active = draw(d, 2) ? pn_softmax(g, swapped, 2) : pn_tanh(g, swapped);
    pn_tensor *again = pn_transpose(g, active, (const int[]){ 0, 2, 1 });
    return pn_reshape(g, again, x->shape);
}

/* What the planner folds: norm, activation, convolution, and a sum behind it. */
static pn_tensor *folding(drawer *d, pn_tensor *x)
{
    pn_graph *g = d->r->g;
    const ptrdiff_t *s = x->shape.dim;
    pn_tensor *h = x;
    if (s[2] * s[3] > 4 && draw(d, 3)) {
        pn_tensor *w = weight(d, pn_shape1(s[1])), *b = weight(d, pn_shape1(s[1]));
        h = pn_instance_norm(g, x, w, b, 1e-2);
    }
    if (draw(d, 3)) h = pn_leaky_relu(g, h, 0.1);
    h = convolution(d, h);
    if (pn_shape_equal(h->shape, x->shape) && draw(d, 2)) h = draw(d, 2) ? pn_add(g, h, x) : pn_add(g, x, h);
    return draw(d, 2) ? h : pn_leaky_relu(g, h, 0.3);
}

static pn_tensor *one_op(drawer *d)
{
    pn_graph *g = d->r->g;
    pn_tensor *x = any(d);
    const ptrdiff_t c = x->shape.dim[1], h = x->shape.dim[2], w = x->shape.dim[3];
    switch (draw(d, 14)) {
    case 0: case 1: return convolution(d, x);
    case 2: return pn_leaky_relu(g, x, 0.2);
    case 3: return pn_add(g, x, partner(d, x, -1));
    case 4: return pn_mul(g, pn_tanh(g, x), partner(d, x, -1));
    case 5: return pn_mul(g, x, x);
    case 6:
        return c > 40 ? pn_slice(g, x, 1, 3, 20)
                      : pn_concat(g, (pn_tensor *[]){ x, partner(d, x, 1), x }, 2 + draw(d, 2), 1);
    case 7: return c > 2 ? pn_slice(g, x, 1, 1, c) : pn_tanh(g, x);
    case 8: return pn_test_probe(g, x, (pn_test_layout)draw(d, 3));
    case 9: return h * w > 4 ? pn_instance_norm(g, x, NULL, NULL, 1e-2) : pn_tanh(g, x);
    case 10: return there_and_back(d, x);
    case 11: case 12: return folding(d, x);
    default: return h * w < 40 ? pn_resize2d(g, x, 2 * h, w + 1, PN_BILINEAR, PN_HALF_PIXEL) : pn_tanh(g, x);
    }
}

/* Squares of squares grow: an op on what may be large is followed by tanh. */
static pn_tensor *tamed(drawer *d, pn_tensor *t) { return draw(d, 3) ? t : pn_tanh(d->r->g, t); }

random_graph random_graph_make(pn_ctx *ctx, uint64_t seed)
{
    random_graph r = { .ctx = ctx, .learnt = pn_params_new(ctx), .frozen = pn_params_new(ctx), .g = pn_graph_new(ctx) };
    drawer d = { .r = &r, .rng = pn_rng_make(seed, 0) };
    static const char *const blocks[] = { "", "a", "b", "c" };
    static const char *const names[RANDOM_IN] = { "x", "y", "z" };
    const ptrdiff_t n = 1 + draw(&d, 2), h = 2 + draw(&d, 6), w = 2 + draw(&d, 7);
    for (int i = 0; i < RANDOM_IN; i++)
        d.value[d.n++] = r.in[i] = pn_input(r.g, names[i], pn_shape4(n, i ? 3 : 17, h, w), i < 2 ? PN_GRAD : PN_CONST);
    for (int steps = 8 + draw(&d, 20); steps > 0; steps--) {
        if (draw(&d, 4) == 0) pn_block(r.g, blocks[draw(&d, 4)]);
        pn_tensor *t = tamed(&d, one_op(&d));
        if (pn_graph_status(r.g)) ck_abort_msg("seed %llu: %s", (unsigned long long)seed, pn_graph_message(r.g));
        if (d.n < VALUES) d.value[d.n++] = t;
    }
    for (r.n_out = 0; r.n_out < 2 + draw(&d, 2); r.n_out++) {
        pn_tensor *t = r.n_out ? d.value[RANDOM_IN + draw(&d, d.n - RANDOM_IN)] : pn_tanh(r.g, d.value[d.n - 1]);
        pn_output(r.g, t, r.n_out == 0 || draw(&d, 2) ? PN_GRAD : PN_CONST);
        r.out[r.n_out] = t;
    }
    if (draw(&d, 2)) {
        r.out[r.n_out] = pn_mean(r.g, any(&d), PN_ALL_AXES, PN_DROP_AXES);
        pn_loss(r.g, r.out[r.n_out++]);
    }
    if (pn_params_init(r.learnt, seed) || pn_params_init(r.frozen, seed + 1)) ck_abort_msg("%s", pn_ctx_message(ctx));
    return r;
}

void random_graph_free(random_graph *r)
{
    pn_graph_free(r->g);
    pn_params_free(r->learnt);
    pn_params_free(r->frozen);
}

/* ---- Its numbers ------------------------------------------------------------------------------------------------- */

static void must(pn_ctx *ctx, pn_status status) { if (status) ck_abort_msg("%s", pn_ctx_message(ctx)); }

static pn_real *drawn(const char *what, int i, ptrdiff_t count)
{
    char stream[32];
    snprintf(stream, sizeof stream, "%s%d", what, i);
    pn_real *v = malloc((size_t)count * sizeof *v);
    pn_test_random(stream, v, count);
    return v;
}

static pn_real *room_for(random_numbers *n, ptrdiff_t count)
{
    n->values = realloc(n->values, (size_t)(n->count + count) * sizeof *n->values);
    n->count += count;
    return n->values + n->count - count;
}

void random_graph_set(const random_graph *r, pn_plan *plan)
{
    for (int i = 0; i < RANDOM_IN; i++) {
        if (plan->value_of[r->in[i]->index] < 0) continue;
        pn_real *v = drawn("value", i, pn_shape_count(r->in[i]->shape));
        must(r->ctx, pn_set(plan, r->in[i], v));
        free(v);
    }
}

static bool first_mention(const random_graph *r, int o)
{
    for (int k = 0; k < o; k++)
        if (r->out[k] == r->out[o]) return false;
    return true;
}

static bool is_handed(const random_graph *r, int o)
{
    return r->out[o]->wants_grad && r->out[o] != r->g->loss && first_mention(r, o);
}

random_numbers random_graph_run(const random_graph *r, pn_plan *plan)
{
    random_graph_set(r, plan);
    must(r->ctx, pn_forward(plan));
    return random_graph_finish(r, plan);
}

random_numbers random_graph_finish(const random_graph *r, pn_plan *plan)
{
    random_numbers n = { NULL, 0 };
    const bool train = plan->mode == PN_TRAIN;
    pn_params_zero_grad(r->learnt);
    for (int o = 0; train && o < r->n_out; o++) {
        if (!is_handed(r, o) || !plan->wants[r->out[o]->index]) continue;
        pn_real *v = drawn("seed", o, pn_shape_count(r->out[o]->shape));
        must(r->ctx, pn_set_grad(plan, r->out[o], v));
        free(v);
    }
    if (train) must(r->ctx, pn_backward(plan));
    for (int o = 0; o < r->n_out; o++)
        must(r->ctx, pn_get(plan, r->out[o], room_for(&n, pn_shape_count(r->out[o]->shape))));
    for (int i = 0; train && i < RANDOM_IN - 1; i++) {
        pn_real *to = room_for(&n, pn_shape_count(r->in[i]->shape));
        if (plan->value_of[r->in[i]->index] >= 0) must(r->ctx, pn_get_grad(plan, r->in[i], to));
        else memset(to, 0, (size_t)pn_shape_count(r->in[i]->shape) * sizeof *to);
    }
    for (int i = 0; train && i < pn_params_count(r->learnt); i++) {
        const pn_tensor *t = pn_params_at(r->learnt, i);
        const size_t bytes = (size_t)pn_shape_count(t->shape) * sizeof(pn_real);
        pn_real *to = room_for(&n, pn_shape_count(t->shape));
        if (pn_param_grad(t)) memcpy(to, pn_param_grad(t), bytes);
        else memset(to, 0, bytes);
    }
    return n;
}

/* ---- Without the planner: every op in a plan of its own ---------------------------------------------------------- */

typedef struct {
    const random_graph *r;
    pn_real **value;                /* by tensor of the graph */
    double **gradient;              /* the same, then those of learnt parameters; NULL: none has arrived */
} evaluation;

static double **gradient_at(const evaluation *e, const pn_tensor *t)
{
    return &e->gradient[t->graph ? (size_t)t->index : e->r->g->n_tensors + (size_t)t->index];
}

static void add_gradient(const evaluation *e, const pn_tensor *t, const pn_real *g)
{
    if (t->kind == PN_TENSOR_PARAM && t->owner != e->r->learnt) return;
    const ptrdiff_t count = pn_shape_count(t->shape);
    double **sum = gradient_at(e, t);
    if (!*sum) *sum = calloc((size_t)count, sizeof **sum);
    for (ptrdiff_t i = 0; i < count; i++) (*sum)[i] += (double)g[i];
}

static const pn_real *value_of(const evaluation *e, const pn_tensor *t)
{
    return t->graph ? e->value[t->index] : t->data;
}

/* A copy of the node over inputs of its own, run forward and, given a gradient, backward. */
static void run_alone(const evaluation *e, const pn_node *node, const double *dy)
{
    pn_graph *g = pn_graph_new(e->r->ctx);
    pn_tensor *in[PN_MAX_IN];
    char name[16];
    for (int i = 0; i < node->n_in; i++) {
        snprintf(name, sizeof name, "in%d", i);
        in[i] = pn_input(g, name, node->in[i]->shape, PN_GRAD);
    }
    pn_node *copy = pn_op_record(g, node->op, node->out->shape, in, node->n_in);
    if (node->op->node_bytes > sizeof *node)
        memcpy((char *)copy + sizeof *node, (const char *)node + sizeof *node, node->op->node_bytes - sizeof *node);
    for (int k = 0; k < node->n_saved; k++) pn_op_save(g, copy, node->saved[k]->shape);
    pn_output(g, copy->out, PN_GRAD);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    if (!plan) ck_abort_msg("%s", pn_ctx_message(e->r->ctx));
    for (int i = 0; i < node->n_in; i++) must(e->r->ctx, pn_set(plan, in[i], value_of(e, node->in[i])));
    must(e->r->ctx, pn_forward(plan));
    const ptrdiff_t count = pn_shape_count(node->out->shape);
    pn_real *y = malloc((size_t)count * sizeof *y);
    if (!dy) {
        must(e->r->ctx, pn_get(plan, copy->out, y));
        e->value[node->out->index] = y;
    } else {
        for (ptrdiff_t i = 0; i < count; i++) y[i] = (pn_real)dy[i];
        must(e->r->ctx, pn_set_grad(plan, copy->out, y));
        must(e->r->ctx, pn_backward(plan));
        free(y);
        for (int i = 0; i < node->n_in; i++) {
            pn_real *dx = malloc((size_t)pn_shape_count(in[i]->shape) * sizeof *dx);
            must(e->r->ctx, pn_get_grad(plan, in[i], dx));
            add_gradient(e, node->in[i], dx);
            free(dx);
        }
    }
    pn_plan_free(plan);
    pn_graph_free(g);
}

static void seed_outputs(const evaluation *e)
{
    const random_graph *r = e->r;
    for (int o = 0; o < r->n_out; o++) {
        if (r->out[o] == r->g->loss) add_gradient(e, r->out[o], &(const pn_real){ 1 });
        if (!is_handed(r, o)) continue;
        pn_real *v = drawn("seed", o, pn_shape_count(r->out[o]->shape));
        add_gradient(e, r->out[o], v);
        free(v);
    }
}

static void collect(const evaluation *e, random_numbers *n)
{
    const random_graph *r = e->r;
    for (int o = 0; o < r->n_out; o++)
        memcpy(room_for(n, pn_shape_count(r->out[o]->shape)), e->value[r->out[o]->index],
               (size_t)pn_shape_count(r->out[o]->shape) * sizeof(pn_real));
    const int arrays = RANDOM_IN - 1 + pn_params_count(r->learnt);
    for (int i = 0; i < arrays; i++) {
        const pn_tensor *t = i < RANDOM_IN - 1 ? r->in[i] : pn_params_at(r->learnt, i - (RANDOM_IN - 1));
        const double *from = *gradient_at(e, t);
        const ptrdiff_t count = pn_shape_count(t->shape);
        pn_real *to = room_for(n, count);
        for (ptrdiff_t k = 0; k < count; k++) to[k] = from ? (pn_real)from[k] : 0;
    }
}

random_numbers random_graph_evaluate(const random_graph *r)
{
    const size_t tensors = r->g->n_tensors, all = tensors + (size_t)pn_params_count(r->learnt);
    evaluation e = { r, calloc(tensors, sizeof *e.value), calloc(all, sizeof *e.gradient) };
    const pn_node **node = malloc((size_t)r->g->n_nodes * sizeof *node);
    int n = 0;
    for (int i = 0; i < RANDOM_IN; i++) e.value[r->in[i]->index] = drawn("value", i, pn_shape_count(r->in[i]->shape));
    for (const pn_node *at = r->g->first; at; at = at->next) {
        run_alone(&e, at, NULL);
        node[n++] = at;
    }
    seed_outputs(&e);
    while (n-- > 0) {
        const double *dy = *gradient_at(&e, node[n]->out);
        if (dy) run_alone(&e, node[n], dy);
    }
    random_numbers numbers = { NULL, 0 };
    collect(&e, &numbers);
    for (size_t i = 0; i < tensors; i++) free(e.value[i]);
    for (size_t i = 0; i < all; i++) free(e.gradient[i]);
    free(e.value);
    free(e.gradient);
    free(node);
    return numbers;
}
