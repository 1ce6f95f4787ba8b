/* models/rsa_gan/rsa_gan.c - RSA-GAN behind the face of every model: options, and what is generated (training.c trains) */
#include "training.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Options --------------------------------------------------------------------------------------------------------- */

static const pn_model_option options[] = {
    { "width", "256", "C: channels of style, pose and everything between; a multiple of 32" },
    { "key", "128", "channels of the descriptors that positions are compared by" },
    { "mod_width", "128", "channels between the two convolutions of a modulation" },
    { "d_base", "64", "width of a discriminator's first layer" },
    { "K", "8", "classes of the label maps: 8, 20 (LIP's own), or 1 (no label maps at all)" },
    { "rpsf", "on", "off: regions are the label map's, pose does not repair them" },
    { "rpsf_gate", "on", "off: without the gate of the fusion" },
    { "rpsf_joints", "regional", "joints that a class is shown: regional (its own) or all" },
    { "code_sa", "0", "1: self-attention between the regions' codes" },
    { "style_enc", "plain", "style encoder: plain, or vgg (beside a frozen VGG19)" },
    { "vgg_narrow", "1", "divides the widths of VGG19, of its weight file too; published 1" },
    { "pcgsi", "on", "off: no correspondence of poses, the same style everywhere" },
    { "inject", "mod", "how the aligned style is injected: mod, adain or concat" },
    { "corr_shared", "1", "0: source and target poses are described by projections of their own" },
    { "corr_feat", "pose", "what is compared: pose, or pose+sem (then the classes too)" },
    { "gdcca", "on", "off: the style is added, without cross-attention" },
    { "gdcca_attn", "both", "cross-attention: both, channel, token, or spatial (full, for comparison)" },
    { "gdcca_gate", "learned", "gate of the cross-attention: learned, open or closed" },
    { "gdcca_dw", "on", "off: without the depth-wise convolutions" },
    { "gdcca_blocks", "2", "blocks of cross-attention, 1 to 3" },
    { "up_k", "3", "kernel of the output network's middle convolutions: 3 or 5" },
    { "out_colours", "1", "the last sum reads the carried colours, too; 0: the design, it does not" },
    { "d_head", "1", "0: discriminators judge by all their features" },
    { "d_blocks", "0", "residual blocks of each discriminator, 0 to 8" },
    { "d_limbs", "0", "1: the pose discriminator is shown limb maps too" },
    { "limb_line", "segment", "limb maps fall off from the segment, or from its infinite line" },
    { "parsing", "", "labelling of the label maps: lip20, cihp20, merged8; empty: their folder's, else lip20" },
    { "mistakes", "0", "share of the classes of the sources' label maps that are swapped, moved or missing while it trains" },
    { "tau", "0.01", "temperature of the correspondence at the end of training" },
    { "tau_start", "0.1", "temperature that training starts with" },
    { "tau_steps", "0", "steps over which it falls; 0: a quarter of the run, at most 20000" },
    { "lr", "2e-4", "learning rate of the generator" },
    { "beta1", "0.5", "Adam's first decay; the second is 0.999" },
    { "ema", "0", "what the generator's average over training keeps of itself in a step, as 0.999; 0: none is kept" },
    { "ratio_g2d", "1", "the discriminators' learning rate, as a share of the generator's" },
    { "lambda_l1", "auto", "weight of mean |made - target|; auto: 1 with VGG19, 5 without" },
    { "lambda_perceptual", "1", "weight of the perceptual loss (relu1_2); with VGG19" },
    { "lambda_content", "0.5", "weight of the content loss; with VGG19" },
    { "lambda_style", "200", "weight of the style loss; with VGG19" },
    { "lambda_contextual", "0.1", "weight of the contextual loss; with VGG19" },
    { "lambda_attention", "0.1", "weight of the classes that each block attends to" },
    { "lambda_parsing", "0.1", "weight of the classes that come to the target" },
    { "lambda_semantics", "0.1", "weight of the repaired regions' likeness to the label map" },
    { "lambda_warp", "1", "weight of the loss of the carried colours" },
    { "lambda_adversarial", "5", "weight of the adversarial loss" },
    { "lambda_matching", "10", "weight of matching the discriminators' features; without VGG19" },
    { "lambda_discriminator", "5", "weight of the discriminators' own loss" },
    { 0 },
};

/* As reconstructed; small and tiny are the reconstruction's too. */
static const pn_model_preset presets[] = {
    { "full", "", 0, 0, 0, 0 },
    { "small", "width=128 key=64", 0, 0, 0, 0 },
    { "tiny", "width=64 key=32 d_base=16 lr=5e-4", 128, 96, 0.5, 0.02 },
    { 0 },
};
static const pn_model_choice tasks[] = { { "pose", "a person in a new pose", 1 }, { 0 } };
static const pn_model_choice stages[] = { { "full", "everything at once", 1 }, { 0 } };

static pn_status parse_words(rsa_gan_model *m)
{
    int joints, style, inject, features, attention, gate, line, rpsf, rpsf_gate, pcgsi, gdcca, depthwise;
    const pn_word_option words[] = {
        { "rpsf", &rpsf, { "off", "on" } },
        { "rpsf_gate", &rpsf_gate, { "off", "on" } },
        { "pcgsi", &pcgsi, { "off", "on" } },
        { "gdcca", &gdcca, { "off", "on" } },
        { "gdcca_dw", &depthwise, { "off", "on" } },
        { "rpsf_joints", &joints, { "regional", "all" } },
        { "style_enc", &style, { "plain", "vgg" } },
        { "inject", &inject, { "mod", "adain", "concat" } },
        { "corr_feat", &features, { "pose", "pose+sem" } },
        { "gdcca_attn", &attention, { "both", "channel", "token", "spatial" } },
        { "gdcca_gate", &gate, { "learned", "open", "closed" } },
        { "limb_line", &line, { "segment", "infinite" } },
    };
    const pn_status status = pn_model_words(&m->base, words, sizeof words / sizeof *words);
    if (status) return status;
    rsa_gan_config *c = &m->config;
    c->rpsf = rpsf;
    c->rpsf_gate = rpsf_gate;
    c->pcgsi = pcgsi;
    c->gdcca = gdcca;
    c->depthwise = depthwise;
    c->joints = (rsa_gan_joints)joints;
    c->style = (rsa_gan_style)style;
    c->inject = (rsa_gan_inject)inject;
    c->corr_semantics = features == 1;
    c->attention = (rsa_gan_attention)attention;
    c->gate = (rsa_gan_gate)gate;
    c->limbs = line == 0 ? PN_LIMBS_SEGMENT : PN_LIMBS_LINE;
    return PN_OK;
}

static pn_status parse_reals(rsa_gan_model *m)
{
    double *by = m->weights.by;
    const pn_real_option reals[] = {
        { "mistakes", &m->mistakes },
        { "tau", &m->tau },
        { "tau_start", &m->tau_start },
        { "lambda_perceptual", &by[RSA_GAN_PER] },
        { "lambda_content", &by[RSA_GAN_CONTENT] },
        { "lambda_style", &by[RSA_GAN_STYLE] },
        { "lambda_contextual", &by[RSA_GAN_CX] },
        { "lambda_attention", &by[RSA_GAN_ATT] },
        { "lambda_parsing", &by[RSA_GAN_PAR] },
        { "lambda_semantics", &by[RSA_GAN_SEM] },
        { "lambda_warp", &by[RSA_GAN_WARP] },
        { "lambda_adversarial", &by[RSA_GAN_ADV] },
        { "lambda_matching", &by[RSA_GAN_FM] },
        { "lambda_discriminator", &m->lambda_d },
    };
    m->l1_follows_vgg = strcmp(pn_model_get(&m->base, "lambda_l1"), "auto") == 0;
    pn_status status = pn_model_reals(&m->base, reals, sizeof reals / sizeof *reals);
    if (!status && !m->l1_follows_vgg) status = pn_model_real(&m->base, "lambda_l1", &by[RSA_GAN_L1]);
    if (!status && !(m->tau > 0 && m->tau_start > 0))
        status = pn_ctx_fail(m->base.ctx, PN_ERR_ARG, "the options tau=%g and tau_start=%g must be above 0", m->tau,
                             m->tau_start);
    return status;
}

/* Widths that parts of others must be whole, and numbers that leave out some between. */
static pn_status check_numbers(const rsa_gan_model *m)
{
    const rsa_gan_config *c = &m->config;
    pn_ctx *ctx = m->base.ctx;
    if (c->width % RSA_GAN_HEAD != 0)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the option width=%d is no multiple of %d, the channels of a head", c->width,
                           RSA_GAN_HEAD);
    if (c->classes != 1 && c->classes != 8 && c->classes != 20)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the option K=%d is not one of 1, 8, 20", c->classes);
    if (!(m->mistakes >= 0 && m->mistakes <= 1))
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the option mistakes=%g is no share from 0 to 1", m->mistakes);
    if (m->mistakes > 0 && c->classes == 1)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the option mistakes=%g is of label maps, and K=1 reads none; take K=8", m->mistakes);
    if (c->up_kernel == 4)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the option up_k=%d is not one of 3, 5", c->up_kernel);
    if (c->classes == 20 && strcmp(pn_model_get(&m->base, "parsing"), "merged8") == 0)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "K=20 reads the 20 labels of a parser, and parsing=merged8 has them merged; take K=8");
    return PN_OK;
}

static pn_status parse_config(rsa_gan_model *m)
{
    rsa_gan_config *c = &m->config;
    int code_attention, shared, head, limbs, colours;
    const pn_int_option ints[] = {
        { "code_sa", 0, 1, &code_attention },
        { "corr_shared", 0, 1, &shared },
        { "d_head", 0, 1, &head },
        { "d_limbs", 0, 1, &limbs },
        { "out_colours", 0, 1, &colours },
        { "width", RSA_GAN_HEAD, 4096, &c->width },
        { "key", 1, 4096, &c->key },
        { "mod_width", 1, 4096, &c->hidden },
        { "d_base", 1, 1024, &c->d_base },
        { "K", 1, 20, &c->classes },
        { "vgg_narrow", 1, 64, &c->vgg_narrow },
        { "gdcca_blocks", 1, RSA_GAN_BLOCKS, &c->blocks },
        { "up_k", 3, 5, &c->up_kernel },
        { "d_blocks", 0, RSA_GAN_D_BLOCKS, &c->d_blocks },
        { "tau_steps", 0, 1000000000, &m->tau_steps },
    };
    pn_status status = pn_model_ints(&m->base, ints, sizeof ints / sizeof *ints);
    if (status) return status;
    c->code_attention = code_attention;
    c->corr_shared = shared;
    c->d_head = head;
    c->d_limbs = limbs;
    status = parse_words(m);
    c->colours = colours && c->pcgsi;
    if (!status) status = parse_reals(m);
    return status ? status : check_numbers(m);
}

/* ---- Weights of other programs ----------------------------------------------------------------------------------------- */

/* Widths and what else shows in names and shapes; the rest from notes under the options' names. */
static bool recognise(pn_model *m, const pn_weights *w)
{
    const pn_shape rgb = pn_weights_shape(w, "output.rgb.weight"), delta = pn_weights_shape(w, "rpsf.delta.weight");
    const pn_shape shared = pn_weights_shape(w, "output.mrb0.mod1.shared.weight"), up = pn_weights_shape(w, "output.up0.weight");
    const pn_shape proj = pn_weights_shape(w, "corr.proj.weight"), judge = pn_weights_shape(w, "d_pose.conv0.weight");
    if (rgb.rank != 4 || shared.rank != 4 || up.rank != 4) return false;
    pn_model_take_notes(m, w);
    pn_model_put(m, "width", "%td", 4 * rgb.dim[1]);
    pn_model_put(m, "mod_width", "%td", shared.dim[0]);
    pn_model_put(m, "up_k", "%td", up.dim[2]);
    if (delta.rank == 4) pn_model_put(m, "K", "%td", delta.dim[0]);
    if (proj.rank == 4) pn_model_put(m, "key", "%td", proj.dim[0]);
    if (proj.rank == 4) pn_model_put(m, "out_colours", "%d", pn_weights_have(w, "output.colour.weight"));
    if (judge.rank == 4) pn_model_put(m, "d_base", "%td", judge.dim[0]);
    return true;
}

/* ---- Making ------------------------------------------------------------------------------------------------------------ */

enum { LOOK_SEED = 19 };

/* Without a file, the style encoder's frozen network has filters of a fixed seed, whatever the run's. */
static pn_status make_look(rsa_gan_model *m, pn_scope *look)
{
    if (m->config.style != RSA_GAN_VGG) return PN_OK;
    pn_params *p = pn_model_part(&m->base, "V/");
    if (!p) return PN_ERR_NOMEM;
    *look = pn_scope_top(p, (pn_init){ PN_INIT_FAN_IN, sqrt(2) });
    return PN_OK;
}

static pn_status make(pn_model *base)
{
    rsa_gan_model *m = (rsa_gan_model *)base;
    pn_scope look = { 0 };
    pn_status status = parse_config(m);
    if (status) return status;
    pn_params *g = pn_model_part(base, ""), *d = pn_model_part(base, "d_"), *t = pn_model_part(base, "T/");
    if (!g || !d || !t || make_look(m, &look)) return PN_ERR_NOMEM;
    const pn_init none = { PN_INIT_CONSTANT, 0 }; /* every layer has its own */
    const pn_scope top_g = pn_scope_top(g, none), top_d = pn_scope_top(d, none);
    m->g = rsa_gan_generator_make(&top_g, &look, &m->config);
    m->d = rsa_gan_critics_make(&top_d, &m->config);
    m->steps = pn_state(t, "steps", pn_shape1(1), none);
    for (int i = 0; i < base->parts; i++)
        if ((status = pn_params_status(base->part[i].params))) return status;
    return look.params ? pn_params_init(look.params, LOOK_SEED) : PN_OK;
}

/* Weights that were trained keep the temperature that training ends with: a higher one would blur what they have learnt. */
static void started(pn_model *base, const pn_weights *w)
{
    enum { LONG_AGO = 1000000000 };
    const rsa_gan_model *m = (const rsa_gan_model *)base;
    if (!pn_weights_have(w, "T/steps") && pn_weights_have(w, "corr.tau"))
        pn_param_set(m->steps, (pn_real[]){ (pn_real)LONG_AGO });
}

/* The style encoder's frozen network, as far as the file brings it. */
static pn_status loaded(pn_model *base, const pn_weights *w)
{
    const rsa_gan_model *m = (const rsa_gan_model *)base;
    pn_load_report found;
    if (m->config.style != RSA_GAN_VGG) return PN_OK;
    const pn_part *look = &base->part[RSA_GAN_PART_LOOK];
    const pn_status status = pn_weights_load(w, look->prefix, look->params, PN_LOAD_PARTIAL, &found);
    if (!status && !found.loaded)
        pn_ctx_warn(base->ctx, "%s has no VGG19 for style_enc=vgg: its filters are those of a fixed seed", pn_weights_path(w));
    return status;
}

static const char *labelling(const rsa_gan_model *m)
{
    const char *said = pn_model_get(&m->base, "parsing");
    const bool parsers = !*said || strcmp(said, "lip20") == 0 || strcmp(said, "cihp20") == 0;
    return m->config.classes == 20 && parsers ? "none20" : said;
}

static pn_model_needs needs(const pn_model *base, ptrdiff_t height)
{
    const rsa_gan_model *m = (const rsa_gan_model *)base;
    const int classes = m->config.classes;
    (void)height; /* sigma is in pixels of the model's own size */
    return (pn_model_needs){ .sigma = 6, .limbs = m->config.limbs, .filter = PN_FILTER_CUBIC, .classes = classes > 1 ? classes : 0,
                             .labelling = classes > 1 ? labelling(m) : "", .mistakes = m->mistakes };
}

/* ---- Generation --------------------------------------------------------------------------------------------------------- */

typedef struct {
    pn_generation base;
    rsa_gan_input in;
    rsa_gan_evidence evidence;
    pn_real *numbers;
} rsa_gan_generation;

static pn_status describe(pn_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    static const char *const attention[RSA_GAN_BLOCKS] = { "attention0", "attention1", "attention2" };
    const rsa_gan_model *m = (const rsa_gan_model *)gen->model;
    rsa_gan_generation *own = (rsa_gan_generation *)gen;
    pn_ctx *ctx = gen->model->ctx;
    own->numbers = pn_ctx_alloc(ctx, rsa_gan_evidence_numbers(&m->config, count, height, width) * sizeof *own->numbers);
    if (!own->numbers) return PN_ERR_NOMEM;
    const pn_status status = rsa_gan_evidence_place(ctx, &m->config, own->numbers, count, height, width, &own->evidence);
    if (status) return status;
    own->in = rsa_gan_inputs(gen->graph, &m->config, pn_shape4(count, 3, height, width));
    const rsa_gan_output out = rsa_gan_generator(gen->graph, &m->g, &own->in);
    gen->image = out.image;
    pn_output(gen->graph, out.image, PN_CONST);
    if (m->config.classes > 1) {
        pn_generation_show(gen, "regions", PN_VIEW_PARSING, out.soft);
        pn_generation_show(gen, "aligned", PN_VIEW_PARSING, out.prior);
    }
    for (int i = 0; m->config.classes > 1 && i < RSA_GAN_BLOCKS; i++)
        if (out.logits[i]) pn_generation_show(gen, attention[i], PN_VIEW_PARSING, pn_softmax(gen->graph, out.logits[i], 1));
    pn_generation_show(gen, "warped", PN_VIEW_PICTURE, out.warped);
    return PN_OK;
}

static pn_status feed(pn_generation *gen, const pn_model_input *in)
{
    rsa_gan_generation *own = (rsa_gan_generation *)gen;
    const rsa_gan_model *m = (const rsa_gan_model *)gen->model;
    if (!in->source || !in->pose_source || !in->pose_target || (m->config.classes > 1 && !in->parsing_source))
        return pn_ctx_fail(gen->model->ctx, PN_ERR_ARG,
                           "rsa_gan generates from a picture, its label map and two poses; one of them is missing");
    return rsa_gan_feed(gen->plan, &own->in, &own->evidence, in);
}

static void generation_free(pn_generation *gen)
{
    pn_ctx_release(gen->model->ctx, ((rsa_gan_generation *)gen)->numbers);
}

static const pn_model_face face = {
    .model_bytes = sizeof(rsa_gan_model),
    .training_bytes = sizeof(rsa_gan_training),
    .generation_bytes = sizeof(rsa_gan_generation),
    .recognise = recognise,
    .make = make,
    .started = started,
    .loaded = loaded,
    .train = rsa_gan_train,
    .step = rsa_gan_step,
    .train_free = rsa_gan_train_free,
    .describe = describe,
    .feed = feed,
    .generation_free = generation_free,
    .needs = needs,
};

const pn_model_kind rsa_gan_kind = {
    .name = "rsa_gan",
    .summary = "precise region semantics-assisted GAN (Liu et al. 2023)",
    .multiple = 16,
    .height = 256,
    .width = 176,
    .options = options,
    .presets = presets,
    .tasks = tasks,
    .stages = stages,
    .losses = rsa_gan_loss_names,
    .decay = 0.2,
    .face = &face,
};
