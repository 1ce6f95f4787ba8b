/* models/glocal/glocal.c - GLocal behind the face of every model: options, and what is generated (training.c trains) */
#include "training.h"

#include <stdio.h>
#include <string.h>

/* ---- Options --------------------------------------------------------------------------------------------------------- */

static const pn_model_option options[] = {
    { "width", "32", "unit width w: every other is a multiple of it" },
    { "occl_rule", "ggr", "the code of a region that the source does not show: zero, global or ggr" },
    { "ggr_graph", "attn", "the graph between regions: none, static, glore or attn" },
    { "ggr_layers", "2", "layers of the graph, 1 to 3" },
    { "lst_mode", "mod", "how local structure is regained: none, point, mod or assemble" },
    { "lst_k", "5", "local structure lies in k x k cells: 3, 5 or 7" },
    { "lst_colours", "1", "1: the carried colours are read, too: beside the structure, and by the last convolution" },
    { "match_kernel", "1", "cells that a key describes: 1, or 3 for 3 x 3" },
    { "ran_spade_mix", "0", "1: mix a layout's own normalisation into that of the codes" },
    { "ls_feat", "own", "what structure is read from: own features, or vgg31 (VGG19's relu3_1, frozen)" },
    { "vgg_narrow", "1", "divides the widths of VGG19, of its weight file too; published 1" },
    { "vgg_input", "imagenet", "what losses show VGG19: imagenet (mean and deviation taken off) or raw" },
    { "g_sn", "1", "spectral norm in style and content encoders and the decoder" },
    { "par_head", "logits", "the parsing generator's head and loss: logits or pise" },
    { "par_hard_test", "1", "1: generate with one region for each pixel; 0: with soft weights" },
    { "target_parsing", "predicted", "the target's layout in the joint stage and in generation: predicted or true" },
    { "ls_strict", "1", "where there are holes, a key's whole window must be seen" },
    { "a_min", "1", "cells from which on a region counts as visible" },
    { "region_drop", "0.3", "how often one visible region's code is hidden from the graph in training" },
    { "tau", "0.01", "temperature of the correspondence" },
    { "tau_start", "0.1", "temperature that training starts with" },
    { "tau_warm", "20000", "steps over which it falls" },
    { "mask_kind", "mixed", "holes to train inpainting with: mixed, rect, stroke or region" },
    { "mask_on_person", "1", "1: holes lie on the person" },
    { "parsing", "", "labelling of the label maps; empty: their folder's, else lip20" },
    { "lr", "1e-4", "learning rate of the generator" },
    { "lr_parsing", "2e-4", "learning rate of stage parsing" },
    { "beta1", "0.5", "Adam's first decay; the second is 0.999" },
    { "ema", "0", "what the generator's average over training keeps of itself in a step, as 0.999; 0: none is kept" },
    { "ratio_g2d", "0.1", "the discriminator's learning rate, as a share of the generator's" },
    { "loss_ls", "1", "0: without the loss of local structure" },
    { "loss_code", "1", "0: without the loss of the graph's proposals" },
    { "lambda_l1", "5", "weight of mean |made - target|" },
    { "lambda_hole", "6", "weight of the same in holes" },
    { "lambda_outside", "1", "weight of the same outside holes" },
    { "lambda_parsing", "1", "weight of the layout's loss" },
    { "lambda_adversarial", "2", "weight of the adversarial loss" },
    { "lambda_code", "1", "weight of the loss of the graph's proposals" },
    { "lambda_warp", "1", "weight of the loss of the carried colours" },
    { "lambda_structure", "1", "weight of the loss of local structure" },
    { "lambda_content", "0.5", "weight of the content (perceptual) loss; with VGG19" },
    { "lambda_style", "200", "weight of the style loss; with VGG19" },
    { "lambda_matching", "10", "weight of matching the discriminator's features; without VGG19" },
    { "lambda_scales", "5", "weight of the loss at coarser scales; without VGG19" },
    { "lambda_regularisation", "0", "weight of mean (X1 - VGG19's conv3_1 of the target)^2; PISE names 30" },
    { 0 },
};

/* full: as reconstructed. ours: small and tiny scale every width down, to train in hours and minutes on two cores. */
static const pn_model_preset presets[] = {
    { "full", "", 0, 0, 0, 0 },
    { "small", "width=16 lr=5e-4 lr_parsing=5e-4 tau_warm=2000", 0, 0, 0, 0 },
    { "tiny", "width=8 lst_k=3 lr=1e-3 lr_parsing=1e-3 tau_warm=500", 128, 96, 0, 0 },
    { 0 },
};
static const pn_model_choice tasks[] = {
    { "pose", "a person in a new pose", 1 },
    { "inpaint", "a person whose texture is missing in places", 1 },
    { "both", "either in turn, with the same weights", 1 },
    { 0 },
};
/* Stage generator teaches the parsing generator, too: the first may be left out. */
static const pn_model_choice stages[] = {
    { "parsing", "the parsing generator alone: the target's layout", 0 },
    { "generator", "everything, from the true layout of the target", 0.5 },
    { "joint", "everything, from the predicted layout", 0.5 },
    { 0 },
};

static pn_status parse_words(glocal_model *m)
{
    int rule, graph, lst, features, head, vgg_input, layout;
    const pn_word_option words[] = {
        { "occl_rule", &rule, { "zero", "global", "ggr" } },
        { "ggr_graph", &graph, { "none", "static", "glore", "attn" } },
        { "lst_mode", &lst, { "none", "point", "mod", "assemble" } },
        { "ls_feat", &features, { "own", "vgg31" } },
        { "par_head", &head, { "logits", "pise" } },
        { "vgg_input", &vgg_input, { "imagenet", "raw" } },
        { "target_parsing", &layout, { "predicted", "true" } },
    };
    const pn_status status = pn_model_words(&m->base, words, sizeof words / sizeof *words);
    if (status) return status;
    glocal_config *c = &m->config;
    c->rule = (glocal_rule)rule;
    c->graph = (glocal_graph)graph;
    c->lst = (glocal_lst_mode)lst;
    c->features = (glocal_features)features;
    c->head = (glocal_head)head;
    m->raw_vgg = vgg_input == 1;
    m->true_layout = layout == 1;
    c->task = strcmp(m->base.task, "pose") == 0      ? GLOCAL_POSE
              : strcmp(m->base.task, "inpaint") == 0 ? GLOCAL_INPAINT
                                                     : GLOCAL_BOTH;
    return PN_OK;
}

static pn_status parse_numbers(glocal_model *m)
{
    glocal_config *c = &m->config;
    const pn_real_option reals[] = {
        { "a_min", &c->least_area },
        { "region_drop", &m->drop },
        { "tau", &m->tau },
        { "tau_start", &m->tau_start },
        { "lambda_l1", &m->weights.by[GLOCAL_REC] },
        { "lambda_hole", &m->weights.by[GLOCAL_HOLE] },
        { "lambda_outside", &m->weights.by[GLOCAL_OUTSIDE] },
        { "lambda_parsing", &m->weights.by[GLOCAL_PAR] },
        { "lambda_adversarial", &m->weights.by[GLOCAL_ADV] },
        { "lambda_code", &m->weights.by[GLOCAL_CODE] },
        { "lambda_warp", &m->weights.by[GLOCAL_WARP] },
        { "lambda_structure", &m->weights.by[GLOCAL_LS] },
        { "lambda_content", &m->weights.by[GLOCAL_CONTENT] },
        { "lambda_style", &m->weights.by[GLOCAL_STYLE] },
        { "lambda_matching", &m->weights.by[GLOCAL_FM] },
        { "lambda_scales", &m->weights.by[GLOCAL_MS] },
        { "lambda_regularisation", &m->weights.by[GLOCAL_REG] },
    };
    return pn_model_reals(&m->base, reals, sizeof reals / sizeof *reals);
}

/* Probabilities, temperatures, areas; and X1 that is held to conv3_1 has its channels. */
static pn_status check_numbers(const glocal_model *m)
{
    pn_ctx *ctx = m->base.ctx;
    const int channels = 256 / m->config.vgg_narrow;
    if (!(m->tau > 0 && m->tau_start > 0))
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the options tau=%g and tau_start=%g must be above 0", m->tau,
                           m->tau_start);
    if (m->drop < 0 || m->drop > 1)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the option region_drop=%g is no probability, expected 0 to 1", m->drop);
    if (!(m->config.least_area > 0))
        return pn_ctx_fail(ctx, PN_ERR_ARG,
                           "the option a_min=%g counts regions without a cell as visible; expected a "
                           "number above 0, as 1",
                           m->config.least_area);
    if (m->weights.by[GLOCAL_REG] != 0 && 8 * m->config.width != channels)
        return pn_ctx_fail(
            ctx, PN_ERR_ARG,
            "lambda_regularisation=%g holds X1 to VGG19's conv3_1, but X1 has %d channels and conv3_1 %d; "
            "take preset full, or leave the weight at 0",
            m->weights.by[GLOCAL_REG], 8 * m->config.width, channels);
    return PN_OK;
}

static pn_status parse_config(glocal_model *m)
{
    glocal_config *c = &m->config;
    int colours, spade, spectral, strict, hard, structure, code, on_person;
    const pn_int_option ints[] = {
        { "width", 1, 512, &c->width },
        { "ggr_layers", 1, GLOCAL_LAYERS, &c->layers },
        { "lst_k", 3, 7, &c->window },
        { "lst_colours", 0, 1, &colours },
        { "match_kernel", 1, 3, &c->match_kernel },
        { "vgg_narrow", 1, 64, &c->vgg_narrow },
        { "ran_spade_mix", 0, 1, &spade },
        { "g_sn", 0, 1, &spectral },
        { "ls_strict", 0, 1, &strict },
        { "par_hard_test", 0, 1, &hard },
        { "loss_ls", 0, 1, &structure },
        { "loss_code", 0, 1, &code },
        { "mask_on_person", 0, 1, &on_person },
        { "tau_warm", 1, 1000000000, &m->tau_warm },
    };
    pn_status status = pn_model_ints(&m->base, ints, sizeof ints / sizeof *ints);
    if (!status) status = parse_words(m);
    if (!status) status = parse_numbers(m);
    if (!status) status = check_numbers(m);
    if (status) return status;
    if (c->window % 2 == 0 || c->match_kernel == 2)
        return pn_ctx_fail(m->base.ctx, PN_ERR_ARG, "the options lst_k=%d and match_kernel=%d must be odd", c->window,
                           c->match_kernel);
    c->colours = colours && c->lst != GLOCAL_NO_LST;
    c->spade = spade;
    c->spectral = spectral;
    c->strict = strict;
    m->hard = hard;
    m->place = on_person ? PN_HOLE_ON_PERSON : PN_HOLE_ANYWHERE;
    if (!structure) m->weights.by[GLOCAL_LS] = 0;
    if (!code) m->weights.by[GLOCAL_CODE] = 0;
    return pn_hole_kind_find(m->base.ctx, pn_model_get(&m->base, "mask_kind"), &m->hole);
}

/* ---- Weights of other programs ----------------------------------------------------------------------------------------- */

static const char *mode_of(const pn_weights *w)
{
    if (!pn_weights_have(w, "match.key.weight")) return "none";
    if (!pn_weights_have(w, "lst.hidden.weight")) return "point";
    return pn_weights_have(w, "lst.gate.weight") ? "assemble" : "mod";
}

/* Widths and switches from names and shapes; the rest from notes under the options' names. */
static bool recognise(pn_model *m, const pn_weights *w)
{
    const pn_shape embed = pn_weights_shape(w, "ggr.embed"), hidden = pn_weights_shape(w, "lst.hidden.weight");
    if (embed.rank != 2 || embed.dim[0] != GLOCAL_NODES || embed.dim[1] % 8 != 0) return false;
    pn_model_take_notes(m, w);
    pn_model_put(m, "width", "%td", embed.dim[1] / 8);
    pn_model_put(m, "lst_mode", "%s", mode_of(w));
    int layers = 0, k = 3;
    for (char name[32]; layers < GLOCAL_LAYERS; layers++) {
        snprintf(name, sizeof name, "ggr.layer%d.weight", layers);
        if (!pn_weights_have(w, name)) break;
    }
    pn_model_put(m, "ggr_layers", "%d", layers);
    while (hidden.rank == 4 && k * k - 1 < hidden.dim[1]) k += 2;
    if (hidden.rank == 4) pn_model_put(m, "lst_k", "%d", k);
    if (pn_weights_have(w, "match.key.weight"))
        pn_model_put(m, "lst_colours", "%d", pn_weights_have(w, "decoder.colour.weight"));
    pn_model_put(m, "g_sn", "%d", pn_weights_have(w, "style.code.weight_orig"));
    pn_model_put(m, "ran_spade_mix", "%d", pn_weights_have(w, "region.mix"));
    const pn_shape vgg = pn_weights_shape(w, "structure.vgg19.features.0.weight");
    pn_model_put(m, "ls_feat", "%s", vgg.rank ? "vgg31" : "own");
    if (vgg.rank == 4 && vgg.dim[0] > 0) pn_model_put(m, "vgg_narrow", "%td", 64 / vgg.dim[0]);
    return true;
}

/* ---- Making ------------------------------------------------------------------------------------------------------------ */

static pn_status make(pn_model *base)
{
    glocal_model *m = (glocal_model *)base;
    const pn_status status = parse_config(m);
    if (status) return status;
    pn_params *g = pn_model_part(base, ""), *d = pn_model_part(base, "disc."), *t = pn_model_part(base, "T/");
    if (!g || !d || !t) return PN_ERR_NOMEM;
    const pn_init unused = { PN_INIT_CONSTANT, 0 }; /* every layer has its own */
    const pn_scope top_g = pn_scope_top(g, unused), top_d = pn_scope_top(d, unused);
    m->g = glocal_generator_make(&top_g, &m->config);
    m->d = glocal_discriminator_make(&top_d, &m->config);
    m->steps = pn_state(t, "steps", pn_shape1(1), unused);
    for (int i = 0; i < base->parts; i++)
        if (pn_params_status(base->part[i].params)) return pn_params_status(base->part[i].params);
    return PN_OK;
}

/* A correspondence that was trained keeps the temperature that training ends with: a higher one would blur what it has learnt. */
static void started(pn_model *base, const pn_weights *w)
{
    const glocal_model *m = (const glocal_model *)base;
    const pn_tensor *key = m->g.match.key.weight;
    if (pn_weights_have(w, "T/steps") || !key) return;
    if (!pn_shape_equal(pn_weights_shape(w, "match.key.weight"), pn_tensor_shape(key))) return;
    pn_param_set(m->steps, (pn_real[]){ (pn_real)m->tau_warm });
}

static pn_model_needs needs(const pn_model *base, ptrdiff_t height)
{
    const glocal_model *m = (const glocal_model *)base;
    return (pn_model_needs){
        .sigma = 6.0 * (double)height / 256,
        .classes = GLOCAL_REGIONS,
        .labelling = pn_model_get(base, "parsing"),
        .hole = m->config.task == GLOCAL_POSE ? PN_HOLE_NONE : m->hole,
        .place = m->place,
    };
}

/* ---- Generation --------------------------------------------------------------------------------------------------------- */

typedef struct {
    pn_generation base;
    glocal_input in;
    pn_tensor *layout, *order; /* leaves: the target's true layout; of glocal_hard. Or NULL */
    glocal_sight sight;
    pn_real *numbers;
} glocal_generation;

/* The target's layout: in inpainting the source's own. */
static pn_tensor *layout_of(glocal_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    const glocal_model *m = (const glocal_model *)gen->base.model;
    pn_graph *g = gen->base.graph;
    if (m->config.task == GLOCAL_INPAINT) return gen->in.layout;
    if (m->true_layout)
        return gen->layout = pn_input(g, "layout_target", pn_shape4(count, GLOCAL_REGIONS, height, width), PN_CONST);
    pn_tensor *z = glocal_parse(g, &m->g, &gen->in);
    if (!m->hard) return glocal_soft(g, m->config.head, z);
    gen->order = pn_input(g, "order", pn_shape4(1, GLOCAL_REGIONS, 1, 1), PN_CONST);
    return glocal_hard(g, z, gen->order);
}

static pn_status describe(pn_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    const glocal_model *m = (const glocal_model *)gen->model;
    glocal_generation *own = (glocal_generation *)gen;
    const bool parses = m->config.task != GLOCAL_INPAINT && !m->true_layout;
    own->numbers = pn_ctx_alloc(gen->model->ctx, glocal_sight_numbers(count, height, width) * sizeof *own->numbers);
    if (!own->numbers) return PN_ERR_NOMEM;
    own->sight = glocal_sight_place(own->numbers, count, height, width);
    own->in = glocal_inputs(gen->graph, &m->config, pn_shape4(count, 3, height, width),
                            parses ? GLOCAL_TO_DO_BOTH : GLOCAL_TO_GENERATE);
    pn_tensor *layout = layout_of(own, count, height, width);
    const glocal_output out = glocal_generator(gen->graph, &m->g, &own->in, layout);
    gen->image = out.image;
    pn_output(gen->graph, out.image, PN_CONST);
    if (parses) pn_generation_show(gen, "parsing", PN_VIEW_PARSING, layout);
    pn_generation_show(gen, "warped", PN_VIEW_PICTURE, out.warped);
    pn_generation_show(gen, "peak", PN_VIEW_MASK, out.peak);
    return PN_OK;
}

static pn_status feed(pn_generation *gen, const pn_model_input *in)
{
    glocal_generation *own = (glocal_generation *)gen;
    const glocal_model *m = (const glocal_model *)gen->model;
    if (!in->source || !in->parsing_source || !in->pose_source || !in->pose_target)
        return pn_ctx_fail(gen->model->ctx, PN_ERR_ARG,
                           "glocal generates from a picture, its label map and two poses; one of them is missing");
    if (own->layout && !in->parsing_target)
        return pn_ctx_fail(gen->model->ctx, PN_ERR_ARG,
                           "target_parsing=true needs the target's label map; use predicted without one");
    glocal_look(&own->sight, &m->config, in->source, in->parsing_source, in->hole);
    pn_status status = glocal_set_sight(gen->plan, &own->in, &own->sight);
    if (!status) status = glocal_set_maps(gen->plan, &own->in, in->parsing_source, in->pose_source, in->pose_target);
    if (!status && own->in.temperature) status = pn_set(gen->plan, own->in.temperature, (pn_real[]){ (pn_real)m->tau });
    if (!status && own->layout) status = pn_set(gen->plan, own->layout, in->parsing_target);
    return status || !own->order ? status : glocal_set_order(gen->plan, own->order);
}

static void generation_free(pn_generation *gen)
{
    pn_ctx_release(gen->model->ctx, ((glocal_generation *)gen)->numbers);
}

static const pn_model_face face = {
    .model_bytes = sizeof(glocal_model),
    .training_bytes = sizeof(glocal_training),
    .generation_bytes = sizeof(glocal_generation),
    .keeps_moments = true,
    .recognise = recognise,
    .make = make,
    .started = started,
    .train = glocal_train,
    .step = glocal_step,
    .train_free = glocal_train_free,
    .describe = describe,
    .feed = feed,
    .generation_free = generation_free,
    .needs = needs,
};

const pn_model_kind glocal_kind = {
    .name = "glocal",
    .summary = "global graph reasoning and local structure transfer (Ma et al. 2021)",
    .multiple = 16,
    .height = 256,
    .width = 176,
    .options = options,
    .presets = presets,
    .tasks = tasks,
    .stages = stages,
    .losses = glocal_loss_names,
    .decay = 0.25,
    .face = &face,
};
