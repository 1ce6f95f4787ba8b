/* models/gfla/gfla.c - GFLA behind the face of every model: options, presets, stages; its tasks are files of their own */
#include "system.h"

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
    { "frames", "0", "frames of a chunk to train with (dance, face), or of a track (keypoint); 0: 6, or 32" },
    { "points_width", "256", "width of the network that cleans key points" },
    { "points_drop", "0.15", "its dropout" },
    { "vgg_narrow", "1", "divides VGG19's widths; only without a weight file" },
    { "gan", "lsgan", "lsgan or hinge" },
    { "init_gain", "0.02", "gain of the orthogonal start" },
    { "boost_source", "0", "1: source features start k^2 times larger, which evens out attention's 1/k^2" },
    { "lr", "1e-4", "learning rate of the generator" },
    { "beta1", "0", "Adam's first decay; the second is 0.999" },
    { "ema", "0", "what the generator's average over training keeps of itself in a step, as 0.999; 0: none is kept" },
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
    { "small", "base=32 cap=256 flow_base=16 flow_cap=128 hidden=64 d_base=16 d_cap=64 vgg_narrow=2 points_width=128 lr=5e-4 "
      "init_gain=0.5 boost_source=1 lambda_adversarial=0.5", 0, 0, 0, 0 },
    { "tiny", "base=16 cap=128 flow_base=8 flow_cap=64 hidden=32 d_base=8 d_cap=32 vgg_narrow=4 points_width=64 lr=1e-3 "
      "init_gain=0.5 boost_source=1 lambda_adversarial=0.5", 0, 0, 0, 0 },
    { 0 },
};
static const pn_model_choice tasks[] = {
    { "pose", "a person in a new pose", 1 },
    { "dance", "a person who moves, frame after frame", 1 },
    { "face", "a face that moves, frame after frame", 1 },
    { "view", "an object from another side", 1 },
    { "keypoint", "key points over time, cleaned for dance", 1 },
    { 0 },
};
static const pn_model_face *const faces[] = { &gfla_pose_face, &gfla_dance_face, &gfla_face_face, &gfla_view_face,
                                              &gfla_keypoint_face };    /* of each task */
static const pn_model_choice stages[] = {
    { "flow", "the flow estimator alone: correctness and regularisation", 0.2 },
    { "full", "everything, from the picture's losses", 0.8 },
    { 0 },
};

/* Total, the terms in the order of gfla.h, the discriminator's. */
static const char *const loss_names[] = {
    "total", "l1", "correctness", "content", "style", "regularisation", "adversarial", "discriminator", NULL,
};

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

pn_status gfla_options(gfla_model *m, int structure)
{
    gfla_config *c = &m->config;
    m->start.kind = PN_INIT_ORTHOGONAL;
    c->structure = structure;
    const pn_int_option ints[] = {
        { "base", 1, 1024, &c->base }, { "cap", 1, 4096, &c->cap }, { "flow_base", 1, 1024, &c->flow_base },
        { "flow_cap", 1, 4096, &c->flow_cap }, { "hidden", 1, 4096, &c->hidden }, { "d_base", 1, 1024, &c->d_base },
        { "d_cap", 1, 4096, &c->d_cap }, { "d_layers", 1, GFLA_D_MAX, &c->d_layers }, { "vgg_narrow", 1, 64, &c->vgg_narrow },
        { "boost_source", 0, 1, &c->boost_source },
    };
    pn_status status = pn_model_ints(&m->base, ints, sizeof ints / sizeof *ints);
    if (!status) status = parse_attention(&m->base, c->kernel);
    if (!status) status = pn_model_real(&m->base, "init_gain", &m->start.value);
    return status ? status : parse_weights(m);
}

static pn_shape shape_in(const pn_weights *w, const char *net, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s", net, name);
    return pn_weights_shape(w, full);
}

/* "2=5,3=3" */
static void recognise_attention(pn_model *m, const pn_weights *w, const char *names)
{
    char attention[PN_OPTION_ROOM] = "";
    for (int i = 0; i < GFLA_ENCODER; i++) {
        char net[64];
        snprintf(net, sizeof net, "%s%d", names, i);
        const pn_shape first = shape_in(w, net, "fully_connect_layer.0.weight");
        if (first.rank != 4) continue;
        const size_t used = strlen(attention);
        snprintf(attention + used, sizeof attention - used, "%s%d=%td", used ? "," : "", GFLA_ENCODER - i, first.dim[2]);
        pn_model_put(m, "hidden", "%td", first.dim[0]);
    }
    pn_model_put(m, "attention", "%s", attention);
}

bool gfla_recognise(pn_model *m, const pn_weights *w, const char *source, const char *flow_net, const char *attention)
{
    const pn_shape base = shape_in(w, source, "block0.model.2.weight"), wide = shape_in(w, source, "encoder1.model.2.weight");
    const pn_shape flow = shape_in(w, flow_net, "block0.model.2.weight"), flow_wide = shape_in(w, flow_net, "encoder3.model.2.weight");
    if (base.rank != 4 || flow.rank != 4 || wide.rank != 4 || flow_wide.rank != 4) return false;
    pn_model_put(m, "base", "%td", base.dim[0]);
    pn_model_put(m, "cap", "%td", wide.dim[0]);
    pn_model_put(m, "flow_base", "%td", flow.dim[0]);
    pn_model_put(m, "flow_cap", "%td", flow_wide.dim[0]);
    recognise_attention(m, w, attention);
    return true;
}

void gfla_show(pn_generation *gen, const gfla_output *out, const gfla_view_names *names)
{
    for (int i = 0; i < out->flows; i++) pn_generation_show(gen, names->flow[i], PN_VIEW_FLOW, out->flow[i]);
    for (int i = 0; i < out->flows; i++) pn_generation_show(gen, names->mask[i], PN_VIEW_MASK, out->mask[i]);
    for (int i = 0; i < out->flows; i++) pn_generation_show(gen, names->attention[i], PN_VIEW_ATTENTION, out->attention[i]);
}

/* ---- VGG19 ------------------------------------------------------------------------------------------------------------------- */

/* Without a file: filters of a fixed seed, whatever the run's seed, so that runs can be compared. */
pn_status gfla_sight_open(pn_training *t, gfla_sight *s)
{
    gfla_model *m = (gfla_model *)t->model;
    const int narrow = m->config.vgg_narrow;
    if (t->opt.vgg19) return pn_training_vgg19(t, 1, &s->params, &s->vgg);
    if (!m->base.said_vgg19)
        pn_ctx_warn(m->base.ctx, "no VGG19 file was given: content, style and correctness look through fixed-seed orthogonal filters%s; "
                    "their values compare only with runs that do the same", narrow > 1 ? ", narrowed" : "");
    m->base.said_vgg19 = true;
    s->params = pn_vgg19_fixed_seed(m->base.ctx, narrow, &s->vgg);
    return s->params ? PN_OK : pn_ctx_status(m->base.ctx);
}

const pn_model_kind gfla_kind = {
    .name = "gfla", .summary = "global-flow local-attention (Ren et al., CVPR 2020)",
    .multiple = 32, .height = 256, .width = 256,
    .options = options, .presets = presets, .tasks = tasks, .stages = stages, .losses = loss_names, .task_face = faces,
};
