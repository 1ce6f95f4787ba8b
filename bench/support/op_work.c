/* bench/support/op_work.c - an op of a case as work: its plan, its inputs, and its own steps timed alone
 *
 * The only file here that looks inside a plan. In a network activations come out of convolutions, in blocks of
 * channels; leaves are plain arrays. So what an op reads goes through a convolution by ones first, and only steps of
 * nodes that the case has recorded are timed: neither those convolutions nor conversions.
 */
#include "support/pnbench.h"

#include "graph/graph.h"

typedef struct {
    bench_work base;
    pn_ctx *ctx;
    pn_bench bench;
    pn_params *params, *ones;
    pn_tensor *leaf[PN_BENCH_IN]; /* what bench.in[i] is made from */
    const pn_node *first;         /* of the nodes that the case recorded */
    pn_plan *plan;
    pn_bench_pass pass;
    pn_real *values[PN_BENCH_IN]; /* of the parameters: set anew for each training pass, which makes them stale */
    pn_real *gradient;            /* handed to the result */
} op_work;

void pn_bench_keep(pn_bench *b, pn_tensor *out)
{
    b->out = out;
    pn_output(b->graph, out, PN_GRAD);
}

/* ---- Inputs ------------------------------------------------------------------------------------------------------ */

enum { FLOW_PIXELS = 4, CLASSES = 8 };

static pn_real value_of(pn_rng *rng, pn_bench_role role)
{
    switch (role) {
    case PN_BENCH_MASK: return (pn_real)pn_rng_uniform(rng);
    case PN_BENCH_CLASSES: return (pn_real)pn_rng_below(rng, CLASSES);
    case PN_BENCH_FLOW: return (pn_real)(FLOW_PIXELS * pn_rng_normal(rng));
    default: return (pn_real)pn_rng_normal(rng);
    }
}

static pn_real *values_for(pn_ctx *ctx, pn_shape shape, pn_bench_role role, const char *name)
{
    const ptrdiff_t n = pn_shape_count(shape);
    pn_real *v = pn_ctx_alloc(ctx, (size_t)n * sizeof *v);
    pn_rng rng = pn_rng_named(1, name);
    for (ptrdiff_t i = 0; v && i < n; i++) v[i] = value_of(&rng, role);
    return v;
}

static const char *const names[PN_BENCH_IN] = { "a", "b", "c", "d", "e", "f" };

/* In the passes for one half of backward the other half wants nothing. */
static pn_want wanted(pn_bench_role role, pn_bench_pass pass)
{
    const bool takes = role == PN_BENCH_VALUE || role == PN_BENCH_FLOW || role == PN_BENCH_MASK;
    return takes && pass != PN_BENCH_FORWARD && pass != PN_BENCH_WEIGHTS ? PN_GRAD : PN_CONST;
}

/* x as a network would hand it over; an output, so that nothing is folded into what makes it. */
static pn_tensor *in_blocks(op_work *w, pn_tensor *x, const char *name)
{
    const ptrdiff_t c = pn_tensor_shape(x).dim[1];
    pn_tensor *one = pn_param(w->ones, name, pn_shape4(c, 1, 1, 1), (pn_init){ PN_INIT_CONSTANT, 1 });
    pn_tensor *y = pn_conv2d(w->bench.graph, x, one, NULL, &(pn_conv_opt){ .groups = (int)c });
    pn_output(w->bench.graph, y, PN_CONST);
    return y;
}

static bool comes_in_blocks(pn_shape shape, pn_bench_role role)
{
    return shape.rank == 4 && shape.dim[1] >= PN_BLOCK && (role == PN_BENCH_VALUE || role == PN_BENCH_FIXED);
}

static void make_input(op_work *w, int i, pn_shape shape, pn_bench_role role)
{
    switch (role) {
    case PN_BENCH_PARAM: w->leaf[i] = pn_param(w->params, names[i], shape, (pn_init){ PN_INIT_NORMAL, 0.05 }); break;
    case PN_BENCH_STATE: w->leaf[i] = pn_state(w->params, names[i], shape, (pn_init){ PN_INIT_CONSTANT, 0.5 }); break;
    default: w->leaf[i] = pn_input(w->bench.graph, names[i], shape, wanted(role, w->pass));
    }
    w->bench.in[i] = comes_in_blocks(shape, role) ? in_blocks(w, w->leaf[i], names[i]) : w->leaf[i];
}

static pn_status set_inputs(op_work *w, const pn_bench_case *c)
{
    for (int i = 0; i < c->n_in; i++) {
        if (c->role[i] == PN_BENCH_STATE) continue;
        pn_real *v = values_for(w->ctx, c->in[i], c->role[i], names[i]);
        if (!v) return PN_ERR_NOMEM;
        if (c->role[i] == PN_BENCH_PARAM) {
            for (ptrdiff_t k = 0; k < pn_shape_count(c->in[i]); k++) v[k] *= (pn_real)0.05;
            pn_param_set(w->leaf[i], w->values[i] = v);
            continue;
        }
        const pn_status status = pn_set(w->plan, w->leaf[i], v);
        pn_ctx_release(w->ctx, v);
        if (status) return status;
    }
    const pn_shape out = pn_tensor_shape(w->bench.out);
    w->gradient = values_for(w->ctx, out, PN_BENCH_VALUE, "gradient");
    return w->gradient ? PN_OK : PN_ERR_NOMEM;
}

/* ---- The op's own steps ------------------------------------------------------------------------------------------ */

static bool owns(const op_work *w, const pn_step *s)
{
    const pn_node *n = w->first;
    while (n && n != s->node) n = n->next;
    return n;
}

/* One direction of a plan up to the last own step. Others run with the clock stopped; timer NULL: all of them do. */
static void run_steps(op_work *w, const pn_step *steps, int n, bench_timer *timer)
{
    const unsigned mode = pn_denormals_flush();
    pn_run r = w->plan->run;
    while (n && !owns(w, &steps[n - 1])) n--;
    for (int i = 0; i < n; i++) {
        r.step = &steps[i];
        const pn_op *op = r.step->node->op;
        const bool timed = timer && owns(w, r.step);
        if (timed) bench_start(timer);
        if (r.step->backward)
            op->backward(&r, r.step->node);
        else
            op->forward(&r, r.step->node);
        if (timed) bench_stop(timer);
    }
    pn_denormals_restore(mode);
}

static void forward(op_work *w, bench_timer *timer)
{
    w->plan->run.number++; /* computed weights are new in every run */
    run_steps(w, w->plan->forward, w->plan->n_forward, timer);
}

static void refresh_parameters(op_work *w)
{
    for (int i = 0; i < PN_BENCH_IN; i++)
        if (w->values[i]) pn_param_set(w->leaf[i], w->values[i]);
    pn_params_zero_grad(w->params);
}

static pn_status once(bench_work *base, bench_timer *timer)
{
    op_work *w = (op_work *)base;
    if (w->pass == PN_BENCH_FORWARD) return forward(w, timer), PN_OK;
    refresh_parameters(w);
    forward(w, w->pass == PN_BENCH_TRAIN ? timer : NULL);
    const pn_status status = pn_set_grad(w->plan, w->bench.out, w->gradient);
    pn_plan_place_gradients(w->plan);
    if (!status) run_steps(w, w->plan->backward, w->plan->n_backward, timer);
    return status;
}

/* ---- Begin and end ----------------------------------------------------------------------------------------------- */

static double bytes_of(const pn_tensor *t) { return (double)pn_shape_count(pn_tensor_shape(t)) * sizeof(pn_real); }

/* Forward reads its inputs and writes its result; backward reads them again beside the result's gradient, and writes
 * theirs. */
static void count(op_work *w, const pn_bench_case *c)
{
    const double out = bytes_of(w->bench.out);
    const bool trains = w->pass != PN_BENCH_FORWARD;
    double in = 0, gradients = 0, halves = 0;
    for (int i = 0; i < c->n_in; i++) {
        const bool learns = c->role[i] == PN_BENCH_PARAM && trains && w->pass != PN_BENCH_DATA;
        in += bytes_of(w->bench.in[i]);
        if (learns || wanted(c->role[i], w->pass)) gradients += bytes_of(w->bench.in[i]);
    }
    for (int i = 0; i < c->n_in && i < 2; i++) /* a product costs as much again for each factor's gradient */
        halves += (c->role[i] == PN_BENCH_PARAM ? trains && w->pass != PN_BENCH_DATA
                                                : wanted(c->role[i], w->pass) == PN_GRAD);
    const double flops = c->flops ? c->flops(&w->bench) : 0;
    const bool timed_forward = !trains || w->pass == PN_BENCH_TRAIN;
    w->base.flops = (timed_forward ? flops : 0) + (trains ? halves * flops : 0);
    w->base.read = (timed_forward ? in : 0) + (trains ? in + out : 0);
    w->base.written = (timed_forward ? out : 0) + gradients;
}

static void end(bench_work *base)
{
    op_work *w = (op_work *)base;
    pn_ctx *ctx = w->ctx;
    pn_plan_free(w->plan);
    pn_graph_free(w->bench.graph);
    pn_params_free(w->params);
    pn_params_free(w->ones);
    for (int i = 0; i < PN_BENCH_IN; i++) pn_ctx_release(ctx, w->values[i]);
    pn_ctx_release(ctx, w->gradient);
    pn_ctx_release(ctx, w);
}

static bool is_there(const op_work *w)
{
    const bool forward = w->pass == PN_BENCH_FORWARD;
    const pn_step *steps = forward ? w->plan->forward : w->plan->backward;
    const int n = forward ? w->plan->n_forward : w->plan->n_backward;
    int own = 0;
    for (int i = 0; i < n; i++) own += owns(w, &steps[i]);
    return own > 0;
}

static pn_status prepare(op_work *w, const pn_bench_case *c)
{
    w->bench.graph = pn_graph_new(w->ctx);
    w->params = pn_params_new(w->ctx);
    w->ones = pn_params_new(w->ctx);
    if (!w->bench.graph || !w->params || !w->ones) return PN_ERR_NOMEM;
    for (int i = 0; i < c->n_in; i++) make_input(w, i, c->in[i], c->role[i]);
    const pn_node *before = w->bench.graph->last;
    c->run(&w->bench);
    w->first = before ? before->next : w->bench.graph->first;
    const bool learns = w->pass != PN_BENCH_FORWARD && w->pass != PN_BENCH_DATA;
    const pn_plan_opt opt = { .mode = w->pass == PN_BENCH_FORWARD ? PN_INFER : PN_TRAIN,
                              .learn = learns ? w->params : NULL };
    pn_status status = pn_params_init(w->params, 1);
    if (!status) status = pn_params_init(w->ones, 1);
    if (!status) w->plan = pn_plan_new(w->bench.graph, &opt);
    if (!w->plan) return pn_ctx_status(w->ctx);
    if (!status) status = set_inputs(w, c);
    if (!status && !is_there(w))
        status = pn_ctx_fail(w->ctx, PN_ERR_ARG, "%s: the plan has no step of this op left", c->name);
    if (!status) status = pn_forward(w->plan); /* checks that every input is set; what follows does not */
    if (!status) count(w, c);
    w->base.bytes = pn_plan_describe(w->plan).arena_bytes;
    return status;
}

bench_work *bench_op_begin(pn_ctx *ctx, const bench_entry *e)
{
    op_work *w = pn_ctx_alloc(ctx, sizeof *w);
    if (!w) return NULL;
    *w = (op_work){ .base = { .once = once, .end = end }, .ctx = ctx, .pass = e->pass };
    if (!prepare(w, e->of)) return &w->base;
    end(&w->base);
    return NULL;
}
