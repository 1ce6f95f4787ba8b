/* bench/nn/bench_adam.c - one step of Adam over as many numbers as GFLA's generator has
 *
 * The gradients come from a graph whose loss is the mean of squares; only the step is timed. It reads parameter,
 * gradient and second moment, and writes parameter and both moments: without beta1 the first is the gradient.
 */
#include "support/pnbench.h"

static pn_status once(bench_work *base, bench_timer *t)
{
    bench_training *w = (bench_training *)base;
    pn_status status = pn_forward(w->plan);
    if (!status) status = pn_backward(w->plan);
    if (status) return status;
    bench_start(t);
    status = pn_adam_step(w->adam);
    bench_stop(t);
    return status;
}

static pn_status prepare(bench_training *w, ptrdiff_t count)
{
    w->graph = pn_graph_new(w->ctx);
    w->params = pn_params_new(w->ctx);
    if (!w->graph || !w->params) return PN_ERR_NOMEM;
    pn_tensor *p = pn_param(w->params, "p", pn_shape1(count), (pn_init){ PN_INIT_NORMAL, 0.02 });
    pn_tensor *zero = pn_input(w->graph, "zero", pn_shape1(count), PN_CONST);
    pn_loss(w->graph, pn_mse_loss(w->graph, p, zero));
    const pn_status status = pn_params_init(w->params, 1);
    if (status) return status;
    w->plan = pn_plan_new(w->graph, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = w->params });
    w->adam = pn_adam_new(w->params, (pn_adam_opt){ .lr = 1e-4, .beta1 = 0, .beta2 = 0.999, .eps = 1e-8 });
    pn_real *zeros = pn_ctx_alloc(w->ctx, (size_t)count * sizeof *zeros);
    const bool made = w->plan && w->adam && zeros;
    const pn_status set = made ? pn_set(w->plan, zero, zeros) : pn_ctx_status(w->ctx);
    pn_ctx_release(w->ctx, zeros);
    return set;
}

static bench_work *begin(pn_ctx *ctx, const bench_entry *e)
{
    bench_training *w = pn_ctx_alloc(ctx, sizeof *w);
    if (!w) return NULL;
    const double bytes = (double)e->of->count * sizeof(pn_real);
    *w = (bench_training){ .base = { .once = once, .end = bench_training_end }, .ctx = ctx };
    w->base.read = 3 * bytes;
    w->base.written = 3 * bytes;
    if (!prepare(w, e->of->count)) return &w->base;
    bench_training_end(&w->base);
    return NULL;
}

static const char inside[] = "a search of the gradient for NaN, then the update";
const pn_bench_case bench_adam[] = {
    { "adam/14047395", .begin = begin, .count = 14047395, .inside = inside },
    { "adam/664577", .begin = begin, .count = 664577, .inside = inside },
    { 0 },
};
