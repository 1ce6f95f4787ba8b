/* models/glocal/training.c - the graphs of a GAN step, and the step: generator, discriminator, critic, backward
 *
 * The eye is the style encoder that looks at the whole target. It runs as an inference plan: codes are what the losses hold
 * the graph to, without gradient, by the singular vectors that the generator's forward has just moved.
 */
#include "training.h"

#include <math.h>
#include <string.h>

enum { REGIONS = GLOCAL_REGIONS, PEAK = GLOCAL_TERMS + 1, CRITIC_LOSS = GLOCAL_TERMS };

const char *const glocal_loss_names[] = {
    "total",   "l1",    "parsing",  "hole",   "outside",        "adversarial",   "code", "warp", "structure",
    "content", "style", "matching", "scales", "regularisation", "discriminator", "peak", NULL,
};

/* ---- Setting up ------------------------------------------------------------------------------------------------------ */

/* CHEAP: a 3x3 convolution of 64 channels takes as many multiply-adds a number. Results that take no more are made again. */
enum { VGG_SEED = 19, SETTLING = 15, CHEAP = 9 * 64 };

static const glocal_model *model_of(const glocal_training *t) { return (const glocal_model *)t->base.model; }

/* The frozen features of ls_feat=vgg31 are the file's, too. */
static pn_status load_structure(glocal_training *t)
{
    const glocal_model *m = model_of(t);
    if (m->config.features != GLOCAL_VGG31 || m->config.lst == GLOCAL_NO_LST) return PN_OK;
    for (int i = 0; i < GLOCAL_VGG; i++) {
        const pn_conv_layer *from = &t->vgg.conv[i];
        const pn_conv_layer *to = &m->g.structure.vgg[i];
        if (!pn_shape_equal(pn_tensor_shape(from->weight), pn_tensor_shape(to->weight)))
            return pn_ctx_fail(m->base.ctx, PN_ERR_SHAPE, "%s has other widths than ls_feat=vgg31 was made with",
                               t->base.opt.vgg19);
        pn_param_set(to->weight, pn_param_data(from->weight));
        pn_param_set(to->bias, pn_param_data(from->bias));
    }
    return PN_OK;
}

/* Without a file no loss looks through VGG19: terms of the discriminator's features stand for it. */
static pn_status load_vgg(glocal_training *t)
{
    glocal_model *m = (glocal_model *)t->base.model;
    pn_ctx *ctx = m->base.ctx;
    t->critic.raw = m->raw_vgg;
    if (!t->base.opt.vgg19 && m->weights.by[GLOCAL_REG] != 0)
        return pn_ctx_fail(
            ctx, PN_ERR_ARG,
            "lambda_regularisation=%g holds X1 to VGG19's conv3_1, and no VGG19 file was given; give one "
            "with --vgg19, or leave the weight at 0",
            m->weights.by[GLOCAL_REG]);
    if (!t->base.opt.vgg19) {
        if (!m->base.said_vgg19)
            pn_ctx_warn(
                ctx,
                "no VGG19 file was given: content and style are left out, and the discriminator's features and coarser "
                "scales are matched instead");
        m->base.said_vgg19 = true;
        return PN_OK;
    }
    t->critic.vgg = &t->vgg;
    const pn_status status = pn_training_vgg19(&t->base, m->config.vgg_narrow, &t->vgg_params, &t->vgg);
    return status ? status : load_structure(t);
}

/* Before a model's first training: spectral norm's vectors begin at random, and need some iterations to be near singular. A
 * checkpoint is loaded later, and brings its own. */
static pn_status settle(const glocal_training *t)
{
    glocal_model *m = (glocal_model *)t->base.model;
    if (m->settled) return PN_OK;
    pn_graph *g = pn_graph_new(m->base.ctx);
    if (g) glocal_norms(g, &m->g, &m->d);
    pn_plan *p = g ? pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN }) : NULL;
    pn_status status = p ? PN_OK : pn_ctx_status(m->base.ctx);
    for (int i = 0; i < SETTLING && !status; i++) status = pn_forward(p);
    m->settled = !status;
    pn_plan_free(p);
    pn_graph_free(g);
    return status;
}

static pn_shape image_of(const glocal_training *t)
{
    return pn_shape4(t->base.opt.batch, 3, t->base.opt.height, t->base.opt.width);
}

static void describe_generator(glocal_training *t, glocal_lesson_plans *l)
{
    const glocal_model *m = model_of(t);
    pn_graph *g = l->gen_graph;
    const pn_shape image = image_of(t);
    const bool parses = l->kind == GLOCAL_WHOLE;
    l->in = glocal_inputs(g, &m->config, image,
                          t->parsing_only ? GLOCAL_TO_PARSE
                          : parses        ? GLOCAL_TO_DO_BOTH
                                          : GLOCAL_TO_GENERATE);
    if (parses) {
        l->z = glocal_parse(g, &m->g, &l->in);
        pn_output(g, l->z, PN_GRAD);
    }
    if (t->parsing_only) return;
    pn_tensor *layout = l->in.layout; /* of a picture to be completed, its own */
    if (parses && strcmp(t->base.stage, "joint") == 0 && !m->true_layout)
        layout = glocal_soft(g, m->config.head, l->z);
    else if (parses)
        layout = l->layout = pn_input(g, "layout_target", pn_tensor_shape(l->in.layout), PN_CONST);
    l->out = glocal_generator(g, &m->g, &l->in, layout);
    pn_output(g, l->out.image, PN_GRAD);
    if (l->out.warped) pn_output(g, l->out.warped, PN_GRAD);
    if (l->out.peak) pn_output(g, l->out.peak, PN_CONST);
    if (l->out.proposed) pn_output(g, l->out.proposed, PN_GRAD);
    if (m->weights.by[GLOCAL_REG] != 0) pn_output(g, l->out.x1, PN_GRAD);
}

static void describe_eye(glocal_training *t, glocal_lesson_plans *l)
{
    const glocal_model *m = model_of(t);
    const ptrdiff_t n = t->base.opt.batch, h = t->base.opt.height, w = t->base.opt.width;
    l->look.seen = pn_input(l->eye_graph, "target", image_of(t), PN_CONST);
    l->look.hole = pn_input(l->eye_graph, "hole", pn_shape4(n, 1, h, w), PN_CONST);
    l->look.regions = pn_input(l->eye_graph, "regions", pn_shape4(n, GLOCAL_NODES, h / GLOCAL_CELL, w / GLOCAL_CELL),
                               PN_CONST);
    l->codes = glocal_codes(l->eye_graph, &m->g, l->look.seen, l->look.hole, l->look.regions);
    pn_output(l->eye_graph, l->codes, PN_CONST);
}

static pn_status begin_lesson(glocal_training *t, glocal_lesson kind)
{
    glocal_lesson_plans *l = &t->lesson[t->lessons++];
    const glocal_model *m = model_of(t);
    pn_ctx *ctx = m->base.ctx;
    l->kind = kind;
    l->gen_graph = pn_graph_new(ctx);
    l->crit_graph = pn_graph_new(ctx);
    if (!l->gen_graph || !l->crit_graph) return PN_ERR_NOMEM;
    describe_generator(t, l);
    l->see = glocal_judged_inputs(l->crit_graph, t->parsing_only ? NULL : &l->out, l->z, kind, image_of(t), m->weights);
    l->losses = glocal_losses_of(l->crit_graph, &m->config, &t->critic, &m->d, &l->see, m->weights);
    pn_loss(l->crit_graph, l->losses.total);
    /* VGG19's packed weights would take more memory than all that the networks compute; the eye's are new in every step. */
    const pn_plan_opt learn = { .mode = PN_TRAIN, .learn = m->base.part[GLOCAL_PART_G].params, .remake = CHEAP };
    const pn_plan_opt frozen = { .mode = PN_TRAIN, .seldom = true, .guest = true, .remake = CHEAP };
    const pn_plan_opt eye = { .mode = PN_INFER, .seldom = true, .guest = true };
    pn_status status = pn_training_plan(&t->base, &l->gen, l->gen_graph, learn);
    if (!status) status = pn_training_plan(&t->base, &l->crit, l->crit_graph, frozen);
    if (status || !l->see.proposed) return status;
    if (!(l->eye_graph = pn_graph_new(ctx))) return PN_ERR_NOMEM;
    describe_eye(t, l);
    return pn_training_plan(&t->base, &l->eye, l->eye_graph, eye);
}

static pn_status begin_discriminator(glocal_training *t)
{
    const glocal_model *m = model_of(t);
    if (!(t->dis_graph = pn_graph_new(m->base.ctx))) return PN_ERR_NOMEM;
    t->real = pn_input(t->dis_graph, "real", image_of(t), PN_CONST);
    t->fake = pn_input(t->dis_graph, "fake", image_of(t), PN_CONST);
    t->d_loss = glocal_d_loss(t->dis_graph, &m->d, t->real, t->fake);
    pn_loss(t->dis_graph, t->d_loss);
    return pn_training_plan(&t->base, &t->dis, t->dis_graph,
                            (pn_plan_opt){ .mode = PN_TRAIN, .learn = m->base.part[GLOCAL_PART_D].params, .guest = true });
}

static void name_loss(glocal_training *t, int which)
{
    t->slot[which] = t->base.losses;
    t->base.loss_name[t->base.losses++] = glocal_loss_names[1 + which];
}

static void name_losses(glocal_training *t)
{
    t->base.loss_name[t->base.losses++] = glocal_loss_names[0];
    for (int i = 0; i < GLOCAL_TERMS; i++)
        if (t->lesson[0].losses.term[i] || t->lesson[1].losses.term[i]) name_loss(t, i);
    if (t->dis) name_loss(t, CRITIC_LOSS);
    if (t->lesson[0].out.peak) name_loss(t, PEAK);
}

static pn_status take_numbers(glocal_training *t)
{
    const ptrdiff_t n = t->base.opt.batch, h = t->base.opt.height, w = t->base.opt.width;
    const size_t sight = glocal_sight_numbers(n, h, w), plane = (size_t)(n * h * w),
                 cells = plane / (GLOCAL_CELL * GLOCAL_CELL);
    t->numbers = pn_ctx_alloc(t->base.model->ctx,
                              (2 * sight + 3 * plane + 2 * cells + (size_t)(n * REGIONS)) * sizeof *t->numbers);
    if (!t->numbers) return PN_ERR_NOMEM;
    t->source = glocal_sight_place(t->numbers, n, h, w);
    t->target = glocal_sight_place(t->numbers + sight, n, h, w);
    t->classes = t->numbers + 2 * sight;
    t->hole_weight = t->classes + plane;
    t->outside_weight = t->hole_weight + plane;
    t->warp_weight = t->outside_weight + plane;
    t->peak = t->warp_weight + cells;
    t->code_weight = t->peak + cells;
    return PN_OK;
}

pn_status glocal_train(pn_training *base)
{
    glocal_training *t = (glocal_training *)base;
    const glocal_model *m = model_of(t);
    const glocal_task task = m->config.task;
    t->parsing_only = strcmp(base->stage, "parsing") == 0;
    if (t->parsing_only && task == GLOCAL_INPAINT)
        return pn_ctx_fail(m->base.ctx, PN_ERR_ARG,
                           "the task inpaint has no parsing generator; train its stage generator");
    pn_status status = load_vgg(t);
    if (!status) status = take_numbers(t);
    if (!status) status = settle(t);
    if (!status && task != GLOCAL_INPAINT) status = begin_lesson(t, GLOCAL_WHOLE);
    if (!status && task != GLOCAL_POSE && !t->parsing_only) status = begin_lesson(t, GLOCAL_HOLES);
    if (!status && !t->parsing_only) status = begin_discriminator(t);
    if (status) return status;
    name_losses(t);
    return pn_training_optimisers(base, t->parsing_only ? "lr_parsing" : "lr", GLOCAL_PART_G, t->dis ? GLOCAL_PART_D : -1);
}

void glocal_train_free(pn_training *base)
{
    glocal_training *t = (glocal_training *)base;
    for (int i = 0; i < 2; i++) {
        const glocal_lesson_plans *l = &t->lesson[i];
        pn_plan_free(l->gen);
        pn_plan_free(l->eye);
        pn_plan_free(l->crit);
        pn_graph_free(l->gen_graph);
        pn_graph_free(l->eye_graph);
        pn_graph_free(l->crit_graph);
    }
    pn_plan_free(t->dis);
    pn_graph_free(t->dis_graph);
    pn_params_free(t->vgg_params);
    pn_ctx_release(base->model->ctx, t->numbers);
}

/* ---- Leaves of the losses ----------------------------------------------------------------------------------------------- */

/* Both from the layout [8,H,W]: the class of each pixel, and where the source shows the target's region. */
static void look_at_layout(const glocal_training *t, const pn_real *layout, ptrdiff_t sample)
{
    const ptrdiff_t height = t->base.opt.height, width = t->base.opt.width, plane = height * width;
    const ptrdiff_t w = width / GLOCAL_CELL, cells = plane / (GLOCAL_CELL * GLOCAL_CELL);
    const pn_real *shown = t->source.shown + sample * REGIONS;
    pn_real *classes = t->classes + sample * plane, *weight = t->warp_weight + sample * cells;
    double sum = 0;
    memset(weight, 0, (size_t)cells * sizeof *weight);
    for (ptrdiff_t p = 0; p < plane; p++) {
        int k = 0;
        for (int i = 1; i < REGIONS; i++)
            if (layout[i * plane + p] > layout[k * plane + p]) k = i;
        classes[p] = (pn_real)k;
        weight[p / width / GLOCAL_CELL * w + p % width / GLOCAL_CELL] += shown[k] / (GLOCAL_CELL * GLOCAL_CELL);
    }
    for (ptrdiff_t p = 0; p < cells; p++) sum += (double)weight[p];
    for (ptrdiff_t p = 0; p < cells; p++) weight[p] = (pn_real)((double)weight[p] * (double)cells / fmax(sum, 1));
}

/* Weights whose mean over the numbers they belong to is that number's share: count / sum. */
static void weigh(const pn_real *chosen, pn_real one, pn_real minus, ptrdiff_t count, pn_real *weight)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++) sum += (double)(one + minus * chosen[i]);
    for (ptrdiff_t i = 0; i < count; i++)
        weight[i] = (pn_real)((double)(one + minus * chosen[i]) * (double)count / fmax(sum, 1));
}

static void look_at_batch(glocal_training *t, const glocal_lesson_plans *l, const pn_model_input *in)
{
    const glocal_model *m = model_of(t);
    const ptrdiff_t n = t->base.opt.batch, plane = t->base.opt.height * t->base.opt.width;
    const bool holes = l->kind == GLOCAL_HOLES;
    const pn_real *picture = holes ? in->source : in->target, *layout = holes ? in->parsing_source : in->parsing_target;
    glocal_look(&t->source, &m->config, in->source, in->parsing_source, holes ? in->hole : NULL);
    glocal_look(&t->target, &m->config, picture, layout, NULL);
    for (ptrdiff_t i = 0; i < n; i++) {
        look_at_layout(t, layout + i * REGIONS * plane, i);
        weigh(t->target.shown + i * REGIONS, 0, 1, REGIONS, t->code_weight + i * REGIONS);
        weigh(t->source.hole + i * plane, 0, 1, plane, t->hole_weight + i * plane);
        weigh(t->source.hole + i * plane, 1, -1, plane, t->outside_weight + i * plane);
    }
}

/* ---- The step ----------------------------------------------------------------------------------------------------------------- */

static int64_t steps_taken(const glocal_model *m) { return (int64_t)pn_param_data(m->steps)[0]; }

static double temperature(const glocal_model *m)
{
    return pn_warm_up(m->tau_start, m->tau, (double)steps_taken(m) / m->tau_warm);
}

pn_status glocal_set_maps(pn_plan *p, const glocal_input *in, const pn_real *layout, const pn_real *pose_source,
                          const pn_real *pose_target)
{
    pn_status status = pn_set(p, in->layout, layout);
    if (!status && in->pose_source) status = pn_set(p, in->pose_source, pose_source);
    return status ? status : pn_set(p, in->pose_target, pose_target);
}

/* What the graph is shown in this step: a stream of random numbers for each. */
static void hide_regions(glocal_training *t)
{
    const glocal_model *m = model_of(t);
    if (m->config.rule != GLOCAL_GGR || m->drop <= 0) return;
    pn_rng rng = pn_rng_named(m->base.seed, "region_drop");
    rng.counter = (uint64_t)steps_taken(m) << 20;
    glocal_hide(&t->source, t->target.shown, m->drop, &rng);
}

static pn_status generate(glocal_training *t, const glocal_lesson_plans *l, const pn_model_input *in)
{
    const glocal_model *m = model_of(t);
    const pn_real *pose_target = l->kind == GLOCAL_HOLES ? in->pose_source : in->pose_target;
    pn_status status = glocal_set_maps(l->gen, &l->in, in->parsing_source, in->pose_source, pose_target);
    if (!status) status = glocal_set_sight(l->gen, &l->in, &t->source);
    if (!status && l->in.temperature)
        status = pn_set(l->gen, l->in.temperature, (pn_real[]){ (pn_real)temperature(m) });
    if (!status && l->layout) status = pn_set(l->gen, l->layout, in->parsing_target);
    if (!status) status = pn_forward(l->gen);
    if (status || !l->eye) return status;
    status = glocal_set_sight(l->eye, &l->look, &t->target);
    return status ? status : pn_forward(l->eye);
}

static const pn_real *truth(const glocal_lesson_plans *l, const pn_model_input *in)
{
    return l->kind == GLOCAL_HOLES ? in->source : in->target;
}

static pn_status step_discriminator(glocal_training *t, const glocal_lesson_plans *l, const pn_model_input *in)
{
    pn_set(t->dis, t->real, truth(l, in));
    pn_copy(t->dis, t->fake, l->gen, l->out.image);
    pn_status status = pn_forward(t->dis);
    if (status) return status;
    double *loss = &t->last[t->slot[CRITIC_LOSS]];
    *loss = pn_plan_scalar(t->dis, t->d_loss);
    if ((status = pn_training_finite(&t->base, "discriminator", *loss))) return status;
    pn_backward(t->dis);
    return pn_adam_step(t->base.adam[GLOCAL_PART_D]);
}

static void show_critic(glocal_training *t, const glocal_lesson_plans *l, const pn_model_input *in)
{
    const glocal_judged *see = &l->see;
    if (see->image) {
        pn_copy(l->crit, see->image, l->gen, l->out.image);
        pn_set(l->crit, see->target, truth(l, in));
    }
    if (see->warped) {
        pn_copy(l->crit, see->warped, l->gen, l->out.warped);
        pn_set(l->crit, see->warp_weight, t->warp_weight);
    }
    if (see->proposed) {
        pn_copy(l->crit, see->proposed, l->gen, l->out.proposed);
        pn_copy(l->crit, see->codes, l->eye, l->codes);
        pn_set(l->crit, see->code_weight, t->code_weight);
    }
    if (see->x1) pn_copy(l->crit, see->x1, l->gen, l->out.x1);
    if (see->z) {
        pn_copy(l->crit, see->z, l->gen, l->z);
        pn_set(l->crit, see->layout, in->parsing_target);
        pn_set(l->crit, see->classes, t->classes);
    }
    if (see->hole_weight) {
        pn_set(l->crit, see->hole_weight, t->hole_weight);
        pn_set(l->crit, see->outside_weight, t->outside_weight);
    }
}

static void read_peak(glocal_training *t, const glocal_lesson_plans *l)
{
    if (!l->out.peak) return;
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(l->out.peak));
    double sum = 0;
    pn_get(l->gen, l->out.peak, t->peak);
    for (ptrdiff_t i = 0; i < n; i++) sum += (double)t->peak[i];
    t->last[t->slot[PEAK]] = sum / (double)n;
}

static pn_status judge(glocal_training *t, const glocal_lesson_plans *l, const pn_model_input *in)
{
    show_critic(t, l, in);
    pn_status status = pn_forward(l->crit);
    if (status) return status;
    t->last[0] = pn_plan_scalar(l->crit, l->losses.total);
    for (int i = 0; i < GLOCAL_TERMS; i++)
        if (l->losses.term[i]) t->last[t->slot[i]] = pn_plan_scalar(l->crit, l->losses.term[i]);
    read_peak(t, l);
    for (int i = t->base.losses - 1; i >= 0 && !status; i--) status = pn_training_finite(&t->base, t->base.loss_name[i], t->last[i]);
    return status ? status : pn_backward(l->crit);
}

static pn_status learn(glocal_training *t, const glocal_lesson_plans *l)
{
    const struct {
        pn_tensor *output, *seen;
    } seeds[] = {
        { l->out.image, l->see.image },
        { l->out.warped, l->see.warped },
        { l->out.proposed, l->see.proposed },
        { l->out.x1, l->see.x1 },
        { l->z, l->see.z },
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        if (seeds[i].seen) pn_copy_grad(l->gen, seeds[i].output, l->crit, seeds[i].seen);
    const pn_status status = pn_backward(l->gen);
    return status ? status : pn_adam_step(t->base.adam[GLOCAL_PART_G]);
}

pn_status glocal_step(pn_training *base, const pn_model_input *in, double losses[PN_MAX_LOSSES])
{
    glocal_training *t = (glocal_training *)base;
    const glocal_model *m = model_of(t);
    const glocal_lesson_plans *l = &t->lesson[steps_taken(m) % t->lessons];
    if (!in->parsing_source || !in->parsing_target)
        return pn_ctx_fail(m->base.ctx, PN_ERR_ARG, "glocal learns from pictures with label maps, and there are none");
    look_at_batch(t, l, in);
    hide_regions(t);
    pn_status status = generate(t, l, in);
    if (!status && t->dis) status = step_discriminator(t, l, in);
    if (!status) status = judge(t, l, in); /* by the D just updated */
    for (int i = 0; i < base->losses; i++) losses[i] = t->last[i];
    if (status) return status;
    status = learn(t, l);
    if (!status) pn_param_set(m->steps, (pn_real[]){ (pn_real)(steps_taken(m) + 1) });
    return status;
}
