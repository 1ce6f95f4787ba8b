/* bench/models/bench_gfla.c - the part of GFLA's step that no stage has alone: its discriminator's */
#include "support/pnbench.h"
#include "gfla/gfla.h"

/* Widths of the preset `full`; the others belong to the generator. */
static const gfla_config published = { .d_base = 32, .d_cap = 128, .d_layers = 4 };

static pn_status once(bench_work *base, bench_timer *t)
{
    bench_training *w = (bench_training *)base;
    bench_start(t);
    pn_status status = pn_forward(w->plan);
    if (!status) status = pn_backward(w->plan);
    if (!status) status = pn_adam_step(w->adam);
    bench_stop(t);
    return status;
}

static pn_status set_noise(bench_training *w, const pn_tensor *t, pn_rng *rng)
{
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
    pn_real *v = pn_ctx_alloc(w->ctx, (size_t)n * sizeof *v);
    if (!v) return PN_ERR_NOMEM;
    for (ptrdiff_t i = 0; i < n; i++) v[i] = (pn_real)(2 * pn_rng_uniform(rng) - 1);
    const pn_status status = pn_set(w->plan, t, v);
    pn_ctx_release(w->ctx, v);
    return status;
}

static pn_status prepare(bench_training *w, const bench_model *m)
{
    w->graph = pn_graph_new(w->ctx);
    w->params = pn_params_new(w->ctx);
    if (!w->graph || !w->params) return PN_ERR_NOMEM;
    const pn_scope top = pn_scope_top(w->params, (pn_init){ PN_INIT_ORTHOGONAL, 0.02 });
    const gfla_discriminator_net d = gfla_discriminator_make(&top, &published);
    const pn_shape image = pn_shape4(m->batch, 3, m->height, m->width);
    pn_tensor *real = pn_input(w->graph, "real", image, PN_CONST);
    pn_tensor *fake = pn_input(w->graph, "fake", image, PN_CONST);
    pn_tensor *on_real = gfla_discriminator(w->graph, &d, real);
    pn_tensor *on_fake = gfla_discriminator(w->graph, &d, fake);
    pn_loss(w->graph, pn_gan_d_loss(w->graph, PN_GAN_LSGAN, on_real, on_fake));
    pn_status status = pn_params_init(w->params, 1);
    if (status) return status;
    w->plan = pn_plan_new(w->graph, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = w->params });
    w->adam = pn_adam_new(w->params, (pn_adam_opt){ .lr = 1e-5, .beta1 = 0, .beta2 = 0.999, .eps = 1e-8 });
    if (!w->plan || !w->adam) return pn_ctx_status(w->ctx);
    pn_rng rng = pn_rng_named(1, "discriminator");
    status = set_noise(w, real, &rng);
    if (!status) status = set_noise(w, fake, &rng);
    w->base.bytes = pn_plan_describe(w->plan).arena_bytes;
    return status;
}

static bench_work *begin(pn_ctx *ctx, const bench_entry *e)
{
    const bench_model *m = &e->of->model;
    bench_training *w = pn_ctx_alloc(ctx, sizeof *w);
    if (!w) return NULL;
    *w = (bench_training){ .base = { .once = once, .end = bench_training_end }, .ctx = ctx };
    w->base.items = (double)m->batch;
    w->base.item = "pictures";
    w->base.flops = (double)m->batch * bench_model_flops(m);
    if (!prepare(w, m)) return &w->base;
    bench_training_end(&w->base);
    return NULL;
}

#define WORK(n)                                                                                                        \
    {                                                                                                                  \
        .name = "gfla", .stage = "discriminator", .batch = n, .height = 256, .width = 256                              \
    }
static const char inside[] = "real and fake forward with spectral norm, loss, backward, Adam";
const pn_bench_case bench_gfla[] = {
    { "gfla/discriminator/256x256/b1", .begin = begin, .model = WORK(1), .inside = inside },
    { "gfla/discriminator/256x256/b4", .begin = begin, .model = WORK(4), .inside = inside },
    { 0 },
};
