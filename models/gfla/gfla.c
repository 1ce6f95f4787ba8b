/* models/gfla/gfla.c - GFLA behind the face of every model: options, stages, the GAN step */
#include "../face.h"
#include "gfla.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Options ------------------------------------------------------------------------------------------------------------ */

static const pn_model_option options[] = {
    { "base", "64", "width of the generator's first step" },
    { "cap", "512", "largest width of the generator" },
    { "flow_base", "32", "width of the flow estimator's first step" },
    { "flow_cap", "256", "largest width of the flow estimator" },
    { "hidden", "128", "width inside local attention" },
    { "attention", "2=5,3=3", "level=kernel pairs; level L has sides H/2^L (Market-1501: 2=3)" },
    { "d_base", "32", "width of the discriminator's first block" },
    { "d_cap", "128", "largest width of the discriminator" },
    { "d_layers", "4", "blocks of the discriminator (Market-1501: 3)" },
    { "vgg_narrow", "1", "divides VGG19's widths; only without a weight file" },
    { "gan", "lsgan", "lsgan or hinge" },
    { "init_gain", "0.02", "gain of the orthogonal start" },
    { "boost_source", "0", "1: source features start k^2 times larger, which evens out attention's 1/k^2" },
    { "lr", "1e-4", "learning rate of the generator" },
    { "beta1", "0", "Adam's first decay; the second is 0.999" },
    { "ratio_g2d", "0.1", "the discriminator's learning rate, as a share of the generator's" },
    { "lambda_l1", "5", "weight of mean |made - target|" },
    { "lambda_correctness", "5", "weight of sampling correctness in stage full" },
    { "lambda_content", "0.5", "weight of the content (perceptual) loss" },
    { "lambda_style", "500", "weight of the style loss" },
    { "lambda_regularisation", "0.0025", "weight of flow regularisation in stage full" },
    { "lambda_adversarial", "2", "weight of the adversarial loss" },
    { "lambda_flow_correctness", "20", "weight of sampling correctness in stage flow" },
    { "lambda_flow_regularisation", "0.01", "weight of flow regularisation in stage flow" },
    { 0 },
};

/* full: the paper. ours: small and tiny scale every width down, to train in hours and minutes on two cores. They start with larger
 * weights and learn faster: from a gain of 0.02 the pictures of a short training stay silhouettes. */
static const pn_model_preset presets[] = {
    { "full", "", 0, 0, 0, 0 },
    { "small", "base=32 cap=256 flow_base=16 flow_cap=128 hidden=64 d_base=16 d_cap=64 vgg_narrow=2 lr=5e-4 "
      "init_gain=0.5 boost_source=1 lambda_adversarial=0.5", 0, 0, 0, 0 },
    { "tiny", "base=16 cap=128 flow_base=8 flow_cap=64 hidden=32 d_base=8 d_cap=32 vgg_narrow=4 lr=1e-3 "
      "init_gain=0.5 boost_source=1 lambda_adversarial=0.5", 0, 0, 0, 0 },
    { 0 },
};
static const pn_model_choice tasks[] = { { "pose", "a person in a new pose", 1 }, { 0 } };
static const pn_model_choice stages[] = {
    { "flow", "the flow estimator alone: correctness and regularisation", 0.2 },
    { "full", "everything, from the picture's losses", 0.8 },
    { 0 },
};

/* Total, the terms in the order of gfla.h, the discriminator's. */
static const char *const loss_names[] = {
    "total", "l1", "correctness", "content", "style", "regularisation", "adversarial", "discriminator", NULL,
};

typedef struct {
    pn_model base;
    gfla_config config;
    gfla_generator_net g;
    gfla_discriminator_net d;
    gfla_weights full, flow;
    pn_gan gan;
} gfla_model;
enum { G, D };                                          /* parts */

static pn_status parse_attention(const pn_model *m, int kernel[GFLA_LEVELS])
{
    const char *text = pn_model_get(m, "attention");
    for (const char *at = text; *at;) {
        int level, k, used = 0;
        if (sscanf(at, "%d=%d%n", &level, &k, &used) != 2 || level < 1 || level >= GFLA_LEVELS || k < 1 || k > 15 || k % 2 == 0 ||
            (at[used] && at[used] != ','))
            return pn_ctx_fail(m->ctx, PN_ERR_ARG, "the option attention=%s is not a list of level=kernel with levels 1 to %d and odd "
                               "kernels, like 2=5,3=3", text, GFLA_LEVELS - 1);
        kernel[level] = k;
        at += used + (at[used] == ',');
    }
    for (int level = 1, found = 0; level < GFLA_LEVELS; level++)
        if (kernel[level] && ++found > GFLA_MAX_FLOWS)
            return pn_ctx_fail(m->ctx, PN_ERR_ARG, "the option attention=%s names more than %d levels", text, GFLA_MAX_FLOWS);
    return PN_OK;
}

static pn_status parse_weights(gfla_model *m)
{
    int gan;
    const pn_real_option reals[] = {
        { "lambda_l1", &m->full.l1 }, { "lambda_correctness", &m->full.correctness }, { "lambda_content", &m->full.content },
        { "lambda_style", &m->full.style }, { "lambda_regularisation", &m->full.regularisation },
        { "lambda_adversarial", &m->full.adversarial }, { "lambda_flow_correctness", &m->flow.correctness },
        { "lambda_flow_regularisation", &m->flow.regularisation },
    };
    const pn_word_option word = { "gan", &gan, { "lsgan", "hinge" } };
    pn_status status = pn_model_reals(&m->base, reals, sizeof reals / sizeof *reals);
    if (!status) status = pn_model_words(&m->base, &word, 1);
    if (!status) m->gan = gan == 1 ? PN_GAN_HINGE : PN_GAN_LSGAN;
    return status;
}

static pn_status parse_config(gfla_model *m)
{
    gfla_config *c = &m->config;
    const pn_int_option ints[] = {
        { "base", 1, 1024, &c->base }, { "cap", 1, 4096, &c->cap }, { "flow_base", 1, 1024, &c->flow_base },
        { "flow_cap", 1, 4096, &c->flow_cap }, { "hidden", 1, 4096, &c->hidden }, { "d_base", 1, 1024, &c->d_base },
        { "d_cap", 1, 4096, &c->d_cap }, { "d_layers", 1, GFLA_D_MAX, &c->d_layers }, { "vgg_narrow", 1, 64, &c->vgg_narrow },
        { "boost_source", 0, 1, &c->boost_source },
    };
    pn_status status = pn_model_ints(&m->base, ints, sizeof ints / sizeof *ints);
    if (!status) status = parse_attention(&m->base, c->kernel);
    return status ? status : parse_weights(m);
}

/* Widths of a foreign file. Caps show themselves only where they cut, so the widest layer stands for them. */
static bool recognise(pn_model *m, const pn_weights *w)
{
    const pn_shape base = pn_weights_shape(w, "source.block0.model.2.weight");
    const pn_shape flow = pn_weights_shape(w, "flow_net.block0.model.2.weight");
    const pn_shape wide = pn_weights_shape(w, "source.encoder1.model.2.weight");
    const pn_shape flow_wide = pn_weights_shape(w, "flow_net.encoder3.model.2.weight");
    if (base.rank != 4 || flow.rank != 4 || wide.rank != 4 || flow_wide.rank != 4) return false;
    pn_model_put(m, "base", "%td", base.dim[0]);
    pn_model_put(m, "cap", "%td", wide.dim[0]);
    pn_model_put(m, "flow_base", "%td", flow.dim[0]);
    pn_model_put(m, "flow_cap", "%td", flow_wide.dim[0]);
    char attention[PN_OPTION_ROOM] = "";
    for (int i = 0; i < GFLA_ENCODER; i++) {
        char name[64];
        snprintf(name, sizeof name, "target.attn%d.fully_connect_layer.0.weight", i);
        const pn_shape first = pn_weights_shape(w, name);
        if (first.rank != 4) continue;
        const size_t used = strlen(attention);
        snprintf(attention + used, sizeof attention - used, "%s%d=%td", used ? "," : "", GFLA_ENCODER - i, first.dim[2]);
        pn_model_put(m, "hidden", "%td", first.dim[0]);
    }
    pn_model_put(m, "attention", "%s", attention);
    return true;
}

static pn_status make(pn_model *base)
{
    gfla_model *m = (gfla_model *)base;
    const pn_status status = parse_config(m);
    if (status) return status;
    pn_init orthogonal = { PN_INIT_ORTHOGONAL, 0 };
    const pn_status gain = pn_model_real(base, "init_gain", &orthogonal.value);
    if (gain) return gain;
    pn_params *g = pn_model_part(base, ""), *d = pn_model_part(base, "D/");
    if (!g || !d) return PN_ERR_NOMEM;
    const pn_scope top_g = pn_scope_top(g, orthogonal), top_d = pn_scope_top(d, orthogonal);
    m->g = gfla_generator_make(&top_g, &m->config);
    m->d = gfla_discriminator_make(&top_d, &m->config);
    const pn_status made = pn_params_status(g);
    return made ? made : pn_params_status(d);
}

/* ---- Training: the three graphs of a GAN step --------------------------------------------------------------------------------- */

typedef struct {
    pn_training base;
    pn_params *vgg_params;
    pn_vgg19 vgg;
    pn_graph *gen_graph, *dis_graph, *crit_graph;
    pn_plan *gen, *dis, *crit;
    gfla_input in;
    gfla_output out;
    pn_tensor *real, *fake, *d_loss;
    gfla_judged see;
    gfla_losses losses;
} gfla_training;

enum { VGG_SEED = 19 };

/* Without a file: orthogonal filters of a fixed seed, whatever the run's seed, so that runs can be compared. */
static pn_status load_vgg(gfla_training *t, int narrow)
{
    gfla_model *m = (gfla_model *)t->base.model;
    if (t->base.opt.vgg19) return pn_training_vgg19(&t->base, 1, &t->vgg_params, &t->vgg);
    t->vgg_params = pn_params_new(m->base.ctx);
    if (!t->vgg_params) return PN_ERR_NOMEM;
    const pn_scope top = pn_scope_top(t->vgg_params, (pn_init){ PN_INIT_ORTHOGONAL, sqrt(2) });
    t->vgg = pn_vgg19_make(&top, narrow);
    if (!m->base.said_vgg19)
        pn_ctx_warn(m->base.ctx, "no VGG19 file was given: content, style and correctness look through fixed-seed orthogonal filters%s; "
                    "their values compare only with runs that do the same", narrow > 1 ? ", narrowed" : "");
    m->base.said_vgg19 = true;
    return pn_params_init(t->vgg_params, VGG_SEED);
}

static void describe_discriminator(gfla_training *t, pn_shape image)
{
    const gfla_model *m = (const gfla_model *)t->base.model;
    t->real = pn_input(t->dis_graph, "real", image, PN_CONST);
    t->fake = pn_input(t->dis_graph, "fake", image, PN_CONST);
    pn_tensor *on_real = gfla_discriminator(t->dis_graph, &m->d, t->real);     /* two statements: this order is the order */
    pn_tensor *on_fake = gfla_discriminator(t->dis_graph, &m->d, t->fake);     /* of spectral norm's power iterations */
    t->d_loss = pn_gan_d_loss(t->dis_graph, m->gan, on_real, on_fake);
    pn_loss(t->dis_graph, t->d_loss);
}

static void name_losses(gfla_training *t)
{
    t->base.loss_name[t->base.losses++] = loss_names[0];
    for (int i = 0; i < GFLA_TERMS; i++)
        if (t->losses.term[i]) t->base.loss_name[t->base.losses++] = loss_names[1 + i];
    if (t->dis) t->base.loss_name[t->base.losses++] = loss_names[1 + GFLA_TERMS];
}

static pn_status train(pn_training *base)
{
    gfla_training *t = (gfla_training *)base;
    gfla_model *m = (gfla_model *)base->model;
    const bool full = strcmp(base->stage, "full") == 0;
    const ptrdiff_t n = base->opt.batch, h = base->opt.height, w = base->opt.width;
    const pn_status status = load_vgg(t, m->config.vgg_narrow);
    if (status) return status;
    t->gen_graph = pn_graph_new(base->model->ctx);
    t->dis_graph = full ? pn_graph_new(base->model->ctx) : NULL;
    t->crit_graph = pn_graph_new(base->model->ctx);
    if (!t->gen_graph || !t->crit_graph || (full && !t->dis_graph)) return PN_ERR_NOMEM;

    t->in = gfla_inputs(t->gen_graph, n, h, w);
    t->out = full ? gfla_generator(t->gen_graph, &m->g, &t->in) : gfla_flow(t->gen_graph, &m->g, &t->in);
    if (full) pn_output(t->gen_graph, t->out.image, PN_GRAD);
    for (int i = 0; i < t->out.flows; i++) pn_output(t->gen_graph, t->out.flow[i], PN_GRAD);
    if (full) describe_discriminator(t, pn_shape4(n, 3, h, w));
    t->see = gfla_judged_inputs(t->crit_graph, &t->out, n, h, w);
    t->losses = full ? gfla_full_losses(t->crit_graph, &m->config, &t->vgg, &m->d, m->gan, &t->see, m->full)
                     : gfla_flow_losses(t->crit_graph, &m->config, &t->vgg, &t->see, m->flow);
    pn_loss(t->crit_graph, t->losses.total);

    const pn_plan_opt learn_g = { .mode = PN_TRAIN, .learn = base->model->part[G].params };
    const pn_plan_opt learn_d = { .mode = PN_TRAIN, .learn = base->model->part[D].params, .guest = true };
    /* D and VGG19, whose packed weights would take more memory than all that the networks compute. */
    const pn_plan_opt frozen = { .mode = PN_TRAIN, .seldom = true, .guest = true };
    pn_status planned = pn_training_plan(base, &t->gen, t->gen_graph, learn_g);
    if (!planned && full) planned = pn_training_plan(base, &t->dis, t->dis_graph, learn_d);
    if (!planned) planned = pn_training_plan(base, &t->crit, t->crit_graph, frozen);
    if (planned) return planned;
    name_losses(t);
    return pn_training_optimisers(base, "lr", G, full ? D : -1);
}

static void train_free(pn_training *base)
{
    gfla_training *t = (gfla_training *)base;
    pn_plan_free(t->gen);
    pn_plan_free(t->dis);
    pn_plan_free(t->crit);
    pn_graph_free(t->gen_graph);
    pn_graph_free(t->dis_graph);
    pn_graph_free(t->crit_graph);
    pn_params_free(t->vgg_params);
}

static pn_status step_discriminator(gfla_training *t, const pn_model_input *in, double *loss)
{
    pn_set(t->dis, t->real, in->target);
    pn_copy(t->dis, t->fake, t->gen, t->out.image);
    pn_status status = pn_forward(t->dis);
    if (status) return status;
    *loss = pn_plan_scalar(t->dis, t->d_loss);
    if ((status = pn_training_finite(&t->base, "discriminator", *loss))) return status;
    pn_backward(t->dis);
    return pn_adam_step(t->base.adam[D]);
}

static pn_status judge(gfla_training *t, const pn_model_input *in, double losses[])
{
    if (t->see.image) pn_copy(t->crit, t->see.image, t->gen, t->out.image);
    for (int i = 0; i < t->see.flows; i++) pn_copy(t->crit, t->see.flow[i], t->gen, t->out.flow[i]);
    pn_set(t->crit, t->see.source, in->source);
    pn_set(t->crit, t->see.target, in->target);
    pn_status status = pn_forward(t->crit);
    if (status) return status;
    int n = 0;
    losses[n++] = pn_plan_scalar(t->crit, t->losses.total);
    for (int i = 0; i < GFLA_TERMS; i++)
        if (t->losses.term[i]) losses[n++] = pn_plan_scalar(t->crit, t->losses.term[i]);
    for (int i = n - 1; i >= 0 && !status; i--) status = pn_training_finite(&t->base, t->base.loss_name[i], losses[i]);
    return status ? status : pn_backward(t->crit);
}

static pn_status step(pn_training *base, const pn_model_input *in, double losses[PN_MAX_LOSSES])
{
    gfla_training *t = (gfla_training *)base;
    pn_set(t->gen, t->in.pose_source, in->pose_source);
    pn_set(t->gen, t->in.pose_target, in->pose_target);
    pn_status status = pn_set(t->gen, t->in.source, in->source);
    if (!status) status = pn_forward(t->gen);
    if (!status && t->dis) status = step_discriminator(t, in, &losses[base->losses - 1]);
    if (!status) status = judge(t, in, losses);         /* by the D just updated */
    if (status) return status;

    if (t->see.image) pn_copy_grad(t->gen, t->out.image, t->crit, t->see.image);
    for (int i = 0; i < t->see.flows; i++) pn_copy_grad(t->gen, t->out.flow[i], t->crit, t->see.flow[i]);
    status = pn_backward(t->gen);
    return status ? status : pn_adam_step(base->adam[G]);
}

/* ---- Generation ------------------------------------------------------------------------------------------------------------------ */

typedef struct { pn_generation base; gfla_input in; } gfla_generation;

static pn_status describe(pn_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    static const char *const names[3][GFLA_MAX_FLOWS] = { { "flow0", "flow1" }, { "mask0", "mask1" }, { "attention0", "attention1" } };
    const gfla_model *m = (const gfla_model *)gen->model;
    gfla_generation *own = (gfla_generation *)gen;
    own->in = gfla_inputs(gen->graph, count, height, width);
    const gfla_output out = gfla_generator(gen->graph, &m->g, &own->in);
    gen->image = out.image;
    pn_output(gen->graph, out.image, PN_CONST);
    for (int i = 0; i < out.flows; i++) pn_generation_show(gen, names[0][i], PN_VIEW_FLOW, out.flow[i]);
    for (int i = 0; i < out.flows; i++) pn_generation_show(gen, names[1][i], PN_VIEW_MASK, out.mask[i]);
    for (int i = 0; i < out.flows; i++) pn_generation_show(gen, names[2][i], PN_VIEW_ATTENTION, out.attention[i]);
    return PN_OK;
}

static pn_status feed(pn_generation *gen, const pn_model_input *in)
{
    const gfla_generation *own = (const gfla_generation *)gen;
    pn_status status = pn_set(gen->plan, own->in.source, in->source);
    if (!status) status = pn_set(gen->plan, own->in.pose_source, in->pose_source);
    return status ? status : pn_set(gen->plan, own->in.pose_target, in->pose_target);
}

static const pn_model_face face = {
    .model_bytes = sizeof(gfla_model), .training_bytes = sizeof(gfla_training), .generation_bytes = sizeof(gfla_generation),
    .recognise = recognise, .make = make, .train = train, .step = step, .train_free = train_free, .describe = describe, .feed = feed,
};

const pn_model_kind gfla_kind = {
    .name = "gfla", .summary = "global-flow local-attention (Ren et al., CVPR 2020)",
    .multiple = 32, .height = 256, .width = 256,
    .options = options, .presets = presets, .tasks = tasks, .stages = stages, .losses = loss_names, .face = &face,
};
