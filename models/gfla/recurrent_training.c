/* models/gfla/recurrent_training.c - one chunk of frames, one step: the generator unrolled over it, judged frame by frame
 *
 * Six graphs: the frames made one after the other; the discriminators of a frame and of a window of frames, each in its own turn;
 * VGG19's look at what goes before the frames; the losses of one frame, run once for each, whose features of a frame are what the
 * next one's flow is judged by; what both discriminators say of the frames made. Gradients at a frame's picture come from several
 * of them and are added up here.
 */
#include "recurrent.h"

#include <stdio.h>
#include <string.h>

/* Total, the terms of a frame summed over the frames, then what discriminators say. */
const char *const gfla_animation_losses[] = {
    "total", "l1", "content", "style", "correctness_previous", "correctness_reference", "regularisation_previous",
    "regularisation_reference", "adversarial", "adversarial_video", "discriminator", "discriminator_video", NULL,
};
enum { ADVERSARIAL = 1 + GFLA_FRAME_TERMS, ADVERSARIAL_VIDEO, DISCRIMINATOR, DISCRIMINATOR_VIDEO, LOSSES };

static const gfla_animation_model *model_of(const gfla_animation_training *t)
{
    return (const gfla_animation_model *)t->base.model;
}

static ptrdiff_t numbers(const pn_tensor *t) { return pn_shape_count(pn_tensor_shape(t)); }

static pn_tensor *leaf(pn_graph *g, const char *name, int i, pn_shape shape, pn_want want)
{
    char full[32];
    snprintf(full, sizeof full, "%s%d", name, i);
    return pn_input(g, full, shape, want);
}

/* ---- Describing ------------------------------------------------------------------------------------------------------------- */

static void describe_frames(gfla_animation_training *t, pn_shape picture, pn_shape structure)
{
    static const char *const names[2][GFLA_ORIGINS] = { { "previous", "reference" },
                                                        { "pose_previous", "pose_reference" } };
    const gfla_animation_model *m = model_of(t);
    pn_graph *g = t->gen_graph;
    for (int k = 0; k < GFLA_ORIGINS; k++) {
        t->before.picture[k] = pn_input(g, names[0][k], picture, PN_CONST);
        t->before.structure[k] = pn_input(g, names[1][k], structure, PN_CONST);
    }
    pn_block(g, "source");
    const gfla_features reference = gfla_encode(g, &m->g.source[GFLA_REFERENCE], t->before.picture[GFLA_REFERENCE]);
    gfla_before before = t->before;
    for (int i = 0; i < m->frames; i++) {
        t->structure[i] = leaf(g, "structure", i, structure, PN_CONST);
        const gfla_frame frame = t->frame[i] = gfla_animate(g, &m->g, &before, &reference, t->structure[i]);
        pn_output(g, frame.image, PN_GRAD);
        for (int k = 0; k < GFLA_ORIGINS; k++)
            for (int f = 0; f < frame.from[k].flows; f++) pn_output(g, frame.from[k].flow[f], PN_GRAD);
        before.picture[GFLA_PREVIOUS] = frame.image;
        before.structure[GFLA_PREVIOUS] = t->structure[i];
    }
}

static void describe_discriminators(gfla_animation_training *t, pn_shape picture)
{
    const gfla_animation_model *m = model_of(t);
    pn_graph *g = t->dis_graph, *v = t->vid_graph;
    t->real = pn_input(g, "real", picture, PN_CONST);
    t->fake = pn_input(g, "fake", picture, PN_CONST);
    pn_tensor *on_real = gfla_discriminator(g, &m->d, t->real);
    pn_tensor *on_fake = gfla_discriminator(g, &m->d, t->fake);
    t->d_loss = pn_gan_d_loss(g, m->common.gan, on_real, on_fake);
    pn_loss(g, t->d_loss);
    for (int i = 0; i < m->window; i++) {
        t->true_window[i] = leaf(v, "real", i, picture, PN_CONST);
        t->made_window[i] = leaf(v, "fake", i, picture, PN_CONST);
    }
    on_real = gfla_watch(v, m, t->true_window);
    on_fake = gfla_watch(v, m, t->made_window);
    t->v_loss = pn_gan_d_loss(v, m->common.gan, on_real, on_fake);
    pn_loss(v, t->v_loss);
}

/* The taps of the flows' levels are outputs. */
static void output_taps(pn_graph *g, const gfla_output *made, const pn_vgg19_features *f)
{
    for (int i = 0; i < made->flows; i++) pn_output(g, f->tap[gfla_correctness_tap(made->level[i])], PN_CONST);
}

static void describe_features(gfla_animation_training *t, pn_shape picture)
{
    static const char *const names[GFLA_ORIGINS] = { "features_previous", "features_reference" };
    const gfla_output *made = &t->frame[0].from[0];
    t->picture = pn_input(t->look_graph, "picture", picture, PN_CONST);
    t->features = pn_vgg19_call(t->look_graph, &t->sight.vgg, t->picture, PN_RELU4_1);
    output_taps(t->look_graph, made, &t->features);
    for (int k = 0; k < GFLA_ORIGINS; k++)
        for (int i = 0; i < made->flows; i++) {
            const pn_vgg19_tap tap = gfla_correctness_tap(made->level[i]);
            t->known[k].tap[tap] = leaf(t->crit_graph, names[k], i, pn_tensor_shape(t->features.tap[tap]), PN_CONST);
        }
}

static void describe_critics(gfla_animation_training *t, pn_shape picture)
{
    static const char *const names[GFLA_ORIGINS] = { "flow_previous", "flow_reference" };
    const gfla_animation_model *m = model_of(t);
    pn_graph *g = t->crit_graph, *a = t->adv_graph;
    gfla_judged *see = t->see;
    see[GFLA_REFERENCE].image = pn_input(g, "image", picture, PN_GRAD);
    see[GFLA_REFERENCE].target = pn_input(g, "target", picture, PN_CONST);
    t->mask = pn_input(g, "mask", pn_shape4(picture.dim[0], 1, picture.dim[2], picture.dim[3]), PN_CONST);
    for (int k = 0; k < GFLA_ORIGINS; k++) {
        const gfla_output *made = &t->frame[0].from[k];
        see[k].flows = made->flows;
        for (int i = 0; i < made->flows; i++) {
            see[k].flow[i] = leaf(g, names[k], i, pn_tensor_shape(made->flow[i]), PN_GRAD);
            see[k].level[i] = made->level[i];
        }
    }
    t->losses = gfla_judge_frame(g, &m->common.config, &t->sight.vgg, see, t->known, t->mask, m->common.full);
    output_taps(g, &t->frame[0].from[0], m->dance ? &t->losses.target : &t->losses.made);
    pn_loss(g, t->losses.total);

    t->looked_at = pn_input(a, "frame", picture, PN_GRAD);
    for (int i = 0; i < m->window; i++) t->watched[i] = leaf(a, "window", i, picture, PN_GRAD);
    pn_tensor *on_frame = gfla_discriminator(a, &m->d, t->looked_at);
    pn_tensor *on_window = gfla_watch(a, m, t->watched);
    t->term_frame = pn_gan_g_loss(a, m->common.gan, on_frame);
    t->term_video = pn_gan_g_loss(a, m->common.gan, on_window);
    pn_loss(a, pn_terms_total(a, (pn_tensor *[]){ t->term_frame, t->term_video },
                              (const double[]){ m->common.full.adversarial, m->common.full.adversarial }, 2));
}

/* ---- Planning --------------------------------------------------------------------------------------------------------------- */

static pn_status make_plans(gfla_animation_training *t)
{
    pn_training *base = &t->base;
    pn_part *part = base->model->part;
    const pn_plan_opt learn = { .mode = PN_TRAIN, .learn = part[GFLA_PART_G].params };
    const pn_plan_opt learn_d = { .mode = PN_TRAIN, .learn = part[GFLA_PART_D].params, .guest = true };
    const pn_plan_opt learn_v = { .mode = PN_TRAIN, .learn = part[GFLA_PART_V].params, .guest = true };
    const pn_plan_opt frozen = { .mode = PN_TRAIN, .guest = true, .remake = PN_FIRST_LAYER };
    const pn_plan_opt look = { .mode = PN_INFER, .seldom = true, .guest = true };
    const pn_plan_opt once = { .mode = PN_TRAIN, .seldom = true, .guest = true };
    pn_status status = pn_training_plan(base, &t->gen, t->gen_graph, learn);
    if (!status) status = pn_training_plan(base, &t->dis, t->dis_graph, learn_d);
    if (!status) status = pn_training_plan(base, &t->vid, t->vid_graph, learn_v);
    if (!status) status = pn_training_plan(base, &t->look, t->look_graph, look);
    if (!status) status = pn_training_plan(base, &t->adv, t->adv_graph, once);
    return status ? status : pn_training_plan(base, &t->crit, t->crit_graph, frozen);
}

static pn_status make_state(gfla_animation_training *t, pn_shape picture, pn_shape structure)
{
    pn_ctx *ctx = t->base.model->ctx;
    const pn_init zero = { PN_INIT_CONSTANT, 0 };
    const size_t bytes = (size_t)pn_shape_count(picture) * sizeof(pn_real);
    if (!(t->base.state = pn_params_new(ctx))) return PN_ERR_NOMEM;
    t->steps = pn_state(t->base.state, "steps", pn_shape1(1), zero);
    t->previous = pn_state(t->base.state, "previous", picture, zero);
    t->pose_previous = pn_state(t->base.state, "pose_previous", structure, zero);
    t->true_previous = pn_state(t->base.state, "true_previous", picture, zero);
    t->gradient = pn_ctx_alloc(ctx, bytes);
    t->last = pn_ctx_alloc(ctx, bytes);
    t->seed = pn_ctx_alloc(ctx, bytes * (size_t)model_of(t)->frames);
    t->ones = pn_ctx_alloc(ctx, bytes / 3);
    if (!t->gradient || !t->last || !t->seed || !t->ones) return PN_ERR_NOMEM;
    for (ptrdiff_t i = 0; i < numbers(t->mask); i++) t->ones[i] = 1;
    return pn_params_init(t->base.state, 0);
}

pn_status gfla_animation_train(pn_training *base)
{
    gfla_animation_training *t = (gfla_animation_training *)base;
    const gfla_animation_model *m = model_of(t);
    const pn_shape picture = pn_shape4(base->opt.batch, 3, base->opt.height, base->opt.width);
    const pn_shape structure = pn_shape4(base->opt.batch, m->common.config.structure, base->opt.height,
                                         base->opt.width);
    pn_graph **const graphs[] = { &t->gen_graph,  &t->dis_graph,  &t->vid_graph,
                                  &t->look_graph, &t->crit_graph, &t->adv_graph };
    pn_status status = gfla_sight_open(base, &t->sight);
    for (size_t i = 0; !status && i < sizeof graphs / sizeof *graphs; i++)
        if (!(*graphs[i] = pn_graph_new(base->model->ctx))) status = PN_ERR_NOMEM;
    if (status) return status;
    describe_frames(t, picture, structure);
    describe_discriminators(t, picture);
    describe_features(t, picture);
    describe_critics(t, picture);
    if (!(status = make_plans(t))) status = make_state(t, picture, structure);
    if (!status) status = pn_training_optimisers(base, "lr", GFLA_PART_G, GFLA_PART_D);
    if (!status) status = pn_training_optimiser(base, GFLA_PART_V, base->lr[GFLA_PART_D]);
    for (int i = 0; i < LOSSES && !status; i++) base->loss_name[base->losses++] = gfla_animation_losses[i];
    return status;
}

void gfla_animation_train_free(pn_training *base)
{
    gfla_animation_training *t = (gfla_animation_training *)base;
    pn_plan *const plans[] = { t->gen, t->dis, t->vid, t->look, t->crit, t->adv };
    pn_graph *const graphs[] = { t->gen_graph, t->dis_graph, t->vid_graph, t->look_graph, t->crit_graph, t->adv_graph };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) pn_plan_free(plans[i]);
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) pn_graph_free(graphs[i]);
    pn_ctx_release(base->model->ctx, t->gradient);
    pn_ctx_release(base->model->ctx, t->seed);
    pn_ctx_release(base->model->ctx, t->last);
    pn_ctx_release(base->model->ctx, t->ones);
    pn_params_free(t->sight.params);
}

/* ---- A step ------------------------------------------------------------------------------------------------------------------ */

/* The chunk's frame i of target, as an ordinary batch. */
static const pn_real *true_frame(const gfla_animation_training *t, const pn_model_input *in, ptrdiff_t i)
{
    return in->target + i * numbers(t->real);
}

static bool begins(const gfla_animation_training *t, const pn_model_input *in)
{
    return in->begins || pn_param_data(t->steps)[0] == 0;
}

static pn_status make_frames(gfla_animation_training *t, const pn_model_input *in)
{
    const bool first = begins(t, in);
    const ptrdiff_t structure = numbers(t->structure[0]);
    pn_set(t->gen, t->before.picture[GFLA_PREVIOUS], first ? in->source : pn_param_data(t->previous));
    pn_set(t->gen, t->before.structure[GFLA_PREVIOUS], first ? in->pose_source : pn_param_data(t->pose_previous));
    pn_set(t->gen, t->before.picture[GFLA_REFERENCE], in->source);
    pn_set(t->gen, t->before.structure[GFLA_REFERENCE], in->pose_source);
    for (int i = 0; i < model_of(t)->frames; i++) pn_set(t->gen, t->structure[i], in->pose_target + i * structure);
    return pn_forward(t->gen);
}

/* One discriminator's turn; its inputs are set. */
static pn_status learn(gfla_animation_training *t, pn_plan *plan, const pn_tensor *loss, int part, int name,
                       double losses[])
{
    pn_status status = pn_forward(plan);
    if (status) return status;
    losses[name] = pn_plan_scalar(plan, loss);
    if ((status = pn_training_finite(&t->base, gfla_animation_losses[name], losses[name]))) return status;
    pn_backward(plan);
    return pn_adam_step(t->base.adam[part]);
}

static pn_status learn_to_judge(gfla_animation_training *t, const pn_model_input *in, gfla_look look, double losses[])
{
    pn_set(t->dis, t->real, true_frame(t, in, look.frame));
    pn_copy(t->dis, t->fake, t->gen, t->frame[look.frame].image);
    const pn_status status = learn(t, t->dis, t->d_loss, GFLA_PART_D, DISCRIMINATOR, losses);
    if (status) return status;
    for (int i = 0; i < model_of(t)->window; i++) {
        pn_set(t->vid, t->true_window[i], true_frame(t, in, look.window + i));
        pn_copy(t->vid, t->made_window[i], t->gen, t->frame[look.window + i].image);
    }
    return learn(t, t->vid, t->v_loss, GFLA_PART_V, DISCRIMINATOR_VIDEO, losses);
}

/* Add what a critic says of frame i to what the others said. */
static void add_gradient(gfla_animation_training *t, const pn_plan *plan, const pn_tensor *picture, ptrdiff_t i)
{
    const ptrdiff_t n = numbers(picture);
    pn_real *sum = t->seed + i * n;
    pn_get_grad(plan, picture, t->gradient);
    for (ptrdiff_t k = 0; k < n; k++) sum[k] += t->gradient[k];
}

static pn_status ask_discriminators(gfla_animation_training *t, gfla_look look, double losses[])
{
    const gfla_animation_model *m = model_of(t);
    pn_copy(t->adv, t->looked_at, t->gen, t->frame[look.frame].image);
    for (int i = 0; i < m->window; i++) pn_copy(t->adv, t->watched[i], t->gen, t->frame[look.window + i].image);
    pn_status status = pn_forward(t->adv);
    if (status) return status;
    losses[ADVERSARIAL] = pn_plan_scalar(t->adv, t->term_frame);
    losses[ADVERSARIAL_VIDEO] = pn_plan_scalar(t->adv, t->term_video);
    losses[0] += m->common.full.adversarial * (losses[ADVERSARIAL] + losses[ADVERSARIAL_VIDEO]);
    if ((status = pn_backward(t->adv))) return status;
    add_gradient(t, t->adv, t->looked_at, look.frame);
    for (int i = 0; i < m->window; i++) add_gradient(t, t->adv, t->watched[i], look.window + i);
    return PN_OK;
}

/* Features of a picture, or of the last frame judged, to where flow from `origin` is judged by. */
static void know(gfla_animation_training *t, int origin, const pn_plan *from, const pn_vgg19_features *features)
{
    for (int i = 0; i < t->see[origin].flows; i++) {
        const pn_vgg19_tap tap = gfla_correctness_tap(t->see[origin].level[i]);
        pn_copy(t->crit, t->known[origin].tap[tap], from, features->tap[tap]);
    }
}

/* Dance: flows from the frame before are judged by the true one, where nothing goes before by the reference; face: by the picture
 * that was given as such. */
static pn_status look_before(gfla_animation_training *t, const pn_model_input *in)
{
    pn_status status = pn_set(t->look, t->picture, in->source);
    if (!status) status = pn_forward(t->look);
    if (status) return status;
    know(t, GFLA_REFERENCE, t->look, &t->features);
    if (!begins(t, in)) {
        status = pn_set(t->look, t->picture, pn_param_data(model_of(t)->dance ? t->true_previous : t->previous));
        if (!status) status = pn_forward(t->look);
    }
    if (!status) know(t, GFLA_PREVIOUS, t->look, &t->features);
    return status;
}

static pn_status judge_frame(gfla_animation_training *t, const pn_model_input *in, int i, double losses[])
{
    const gfla_frame *frame = &t->frame[i];
    if (i > 0) know(t, GFLA_PREVIOUS, t->crit, model_of(t)->dance ? &t->losses.target : &t->losses.made);
    pn_copy(t->crit, t->see[GFLA_REFERENCE].image, t->gen, frame->image);
    pn_set(t->crit, t->see[GFLA_REFERENCE].target, true_frame(t, in, i));
    for (int k = 0; k < GFLA_ORIGINS; k++)
        for (int f = 0; f < t->see[k].flows; f++) pn_copy(t->crit, t->see[k].flow[f], t->gen, frame->from[k].flow[f]);
    pn_set(t->crit, t->mask, in->mask_target ? in->mask_target + i * numbers(t->mask) : t->ones);
    pn_status status = pn_forward(t->crit);
    if (status) return status;
    losses[0] += pn_plan_scalar(t->crit, t->losses.total);
    for (int k = 0; k < GFLA_FRAME_TERMS; k++) losses[1 + k] += pn_plan_scalar(t->crit, t->losses.term[k]);
    if ((status = pn_backward(t->crit))) return status;
    add_gradient(t, t->crit, t->see[GFLA_REFERENCE].image, i);
    for (int k = 0; k < GFLA_ORIGINS; k++)
        for (int f = 0; f < t->see[k].flows; f++)
            pn_copy_grad(t->gen, frame->from[k].flow[f], t->crit, t->see[k].flow[f]);
    return PN_OK;
}

/* What the next chunk, or a run that goes on, begins from. */
static void remember(gfla_animation_training *t, const pn_model_input *in)
{
    const int last = model_of(t)->frames - 1;
    pn_get(t->gen, t->frame[last].image, t->last);
    pn_param_set(t->previous, t->last);
    pn_param_set(t->pose_previous, in->pose_target + last * numbers(t->structure[0]));
    pn_param_set(t->true_previous, true_frame(t, in, last));
    pn_param_set(t->steps, (pn_real[]){ pn_param_data(t->steps)[0] + 1 });
}

pn_status gfla_animation_learn(pn_training *base, const pn_model_input *in, const gfla_look look[2],
                               double losses[PN_MAX_LOSSES])
{
    gfla_animation_training *t = (gfla_animation_training *)base;
    const int frames = model_of(t)->frames;
    memset(losses, 0, LOSSES * sizeof *losses);
    memset(t->seed, 0, (size_t)(frames * numbers(t->real)) * sizeof *t->seed);
    pn_status status = make_frames(t, in);
    if (!status) status = learn_to_judge(t, in, look[0], losses);
    if (!status) status = ask_discriminators(t, look[1], losses);       /* as they are now */
    if (!status) status = look_before(t, in);
    for (int i = 0; i < frames && !status; i++) status = judge_frame(t, in, i, losses);
    for (int i = LOSSES - 1; i >= 0 && !status; i--)
        status = pn_training_finite(base, gfla_animation_losses[i], losses[i]);
    for (int i = 0; i < frames && !status; i++)
        status = pn_set_grad(t->gen, t->frame[i].image, t->seed + i * numbers(t->real));
    if (!status) status = pn_backward(t->gen);
    if (!status) status = pn_adam_step(base->adam[GFLA_PART_G]);
    if (!status) remember(t, in);
    return status;
}

pn_status gfla_animation_step(pn_training *base, const pn_model_input *in, double losses[PN_MAX_LOSSES])
{
    enum { DRAWS = 64 };            /* numbers of the stream that belong to a step */
    const gfla_animation_training *t = (const gfla_animation_training *)base;
    const gfla_animation_model *m = model_of(t);
    pn_rng rng = pn_rng_named(base->model->seed, "looks");
    rng.counter = DRAWS * (uint64_t)pn_param_data(t->steps)[0];
    gfla_look look[2];
    for (int i = 0; i < 2; i++) {
        look[i].frame = pn_rng_below(&rng, m->frames);
        look[i].window = pn_rng_below(&rng, m->frames - m->window + 1);
    }
    return gfla_animation_learn(base, in, look, losses);
}
