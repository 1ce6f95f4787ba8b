/* models/rsa_gan/training.c - the graphs of a GAN step, and the step: generator, critic, backward; then the discriminators, on
 * the picture that was just made
 */
#include "training.h"

const char *const rsa_gan_loss_names[] = {
    "total",   "l1",        "perceptual", "content",     "style",    "contextual",    "attention",
    "parsing", "semantics", "warp",       "adversarial", "matching", "discriminator", NULL,
};

/* ---- Setting up ------------------------------------------------------------------------------------------------------ */

static const rsa_gan_model *model_of(const rsa_gan_training *t) { return (const rsa_gan_model *)t->base.model; }

static pn_shape image_of(const rsa_gan_training *t)
{
    return pn_shape4(t->base.opt.batch, 3, t->base.opt.height, t->base.opt.width);
}

/* What losses look through the style encoder sees by, too. */
static pn_status load_vgg(rsa_gan_training *t)
{
    rsa_gan_model *m = (rsa_gan_model *)t->base.model;
    const rsa_gan_config *c = &m->config;
    const pn_status status = pn_training_vgg19(&t->base, c->vgg_narrow, &t->vgg_params, &t->vgg);
    if (status || !t->vgg_params) {
        if (!status && !m->base.said_vgg19)
            pn_ctx_warn(m->base.ctx, "no VGG19 file was given: perceptual, content, style and contextual losses are left out, and "
                                     "the discriminators' features are matched instead");
        m->base.said_vgg19 = true;
        return status;
    }
    for (int i = 0; c->style == RSA_GAN_VGG && i < PN_VGG19_CONVS; i++) {
        pn_param_set(m->g.style.vgg.conv[i].weight, pn_param_data(t->vgg.conv[i].weight));
        pn_param_set(m->g.style.vgg.conv[i].bias, pn_param_data(t->vgg.conv[i].bias));
    }
    return PN_OK;
}

static rsa_gan_weights weights_of(const rsa_gan_training *t)
{
    static const double without_vgg = 5, with_vgg = 1;
    static const int by_vgg[] = { RSA_GAN_PER, RSA_GAN_CONTENT, RSA_GAN_STYLE, RSA_GAN_CX };
    rsa_gan_weights w = model_of(t)->weights;
    if (model_of(t)->l1_follows_vgg) w.by[RSA_GAN_L1] = t->vgg_params ? with_vgg : without_vgg;
    if (t->vgg_params) w.by[RSA_GAN_FM] = 0;            /* the one stands for the other */
    for (int i = 0; !t->vgg_params && i < 4; i++) w.by[by_vgg[i]] = 0;
    return w;
}

static pn_status take_numbers(rsa_gan_training *t)
{
    const rsa_gan_config *c = &model_of(t)->config;
    const ptrdiff_t n = t->base.opt.batch, h = t->base.opt.height, w = t->base.opt.width;
    const size_t evidence = rsa_gan_evidence_numbers(c, n, h, w);
    t->numbers = pn_ctx_alloc(t->base.model->ctx, (evidence + (size_t)(n * h * w)) * sizeof *t->numbers);
    if (!t->numbers) return PN_ERR_NOMEM;
    t->classes = t->numbers + evidence;
    return rsa_gan_evidence_place(t->base.model->ctx, c, t->numbers, n, h, w, &t->evidence);
}

/* What is judged: an output that takes the gradient of a leaf of the critic's. */
typedef struct {
    pn_tensor *made, *seen;
} judged_pair;
enum { JUDGED = 4 + RSA_GAN_BLOCKS };

static void pair_up(const rsa_gan_training *t, judged_pair pair[JUDGED])
{
    const rsa_gan_output *out = &t->out;
    const rsa_gan_judged *see = &t->see;
    pair[0] = (judged_pair){ out->image, see->image };
    pair[1] = (judged_pair){ out->warped, see->warped };
    pair[2] = (judged_pair){ out->soft, see->soft };
    pair[3] = (judged_pair){ out->prior, see->prior };
    for (int i = 0; i < RSA_GAN_BLOCKS; i++) pair[4 + i] = (judged_pair){ out->logits[i], see->logits[i] };
}

static pn_status begin_generator(rsa_gan_training *t)
{
    const rsa_gan_model *m = model_of(t);
    const rsa_gan_weights w = weights_of(t);
    judged_pair pair[JUDGED];
    t->gen_graph = pn_graph_new(m->base.ctx);
    t->crit_graph = pn_graph_new(m->base.ctx);
    if (!t->gen_graph || !t->crit_graph) return PN_ERR_NOMEM;
    t->in = rsa_gan_inputs(t->gen_graph, &m->config, image_of(t));
    t->out = rsa_gan_generator(t->gen_graph, &m->g, &t->in);
    t->see = rsa_gan_judged_inputs(t->crit_graph, &m->config, &t->out, image_of(t), w);
    t->losses = rsa_gan_losses_of(t->crit_graph, t->vgg_params ? &t->vgg : NULL, &m->d, &t->see, w);
    pn_loss(t->crit_graph, t->losses.total);
    pair_up(t, pair);
    for (int i = 0; i < JUDGED; i++)
        if (pair[i].seen) pn_output(t->gen_graph, pair[i].made, PN_GRAD);
    const pn_plan_opt learn = { .mode = PN_TRAIN, .learn = m->base.part[RSA_GAN_PART_G].params, .remake = PN_FIRST_LAYER };
    const pn_plan_opt frozen = { .mode = PN_TRAIN, .seldom = true, .guest = true, .remake = PN_FIRST_LAYER };
    const pn_status status = pn_training_plan(&t->base, &t->gen, t->gen_graph, learn);
    return status ? status : pn_training_plan(&t->base, &t->crit, t->crit_graph, frozen);
}

static pn_status begin_discriminators(rsa_gan_training *t)
{
    const rsa_gan_model *m = model_of(t);
    pn_graph *g = t->dis_graph = pn_graph_new(m->base.ctx);
    if (!g) return PN_ERR_NOMEM;
    t->real = pn_input(g, "real", image_of(t), PN_CONST);
    t->fake = pn_input(g, "fake", image_of(t), PN_CONST);
    t->source = pn_input(g, "source", image_of(t), PN_CONST);
    t->pose = pn_input(g, "pose", pn_tensor_shape(t->in.pose_target), PN_CONST);
    t->d_loss = rsa_gan_d_loss(g, &m->d, t->real, t->fake, t->pose, t->source);
    pn_output(g, t->d_loss, PN_CONST);
    pn_loss(g, pn_affine(g, t->d_loss, m->lambda_d, 0));
    return pn_training_plan(&t->base, &t->dis, g,
                            (pn_plan_opt){ .mode = PN_TRAIN, .learn = m->base.part[RSA_GAN_PART_D].params, .guest = true });
}

static void name_losses(rsa_gan_training *t)
{
    t->base.loss_name[t->base.losses++] = rsa_gan_loss_names[0];
    for (int i = 0; i < RSA_GAN_TERMS; i++)
        if (t->losses.term[i]) t->base.loss_name[t->base.losses++] = rsa_gan_loss_names[1 + i];
    t->base.loss_name[t->base.losses++] = rsa_gan_loss_names[1 + RSA_GAN_TERMS];
}

/* Steps over which the temperature falls: as many as asked for, else a quarter of the run. */
static double warm_steps(const rsa_gan_training *t)
{
    enum { MOST = 20000 };
    const double quarter = (double)t->base.opt.run_steps / 4;
    if (model_of(t)->tau_steps) return model_of(t)->tau_steps;
    return quarter < 1 ? t->base.opt.run_steps > 0 ? 1 : MOST : quarter < MOST ? quarter : MOST;
}

pn_status rsa_gan_train(pn_training *base)
{
    rsa_gan_training *t = (rsa_gan_training *)base;
    t->tau_steps = warm_steps(t);
    pn_status status = load_vgg(t);
    if (!status) status = take_numbers(t);
    if (!status) status = begin_generator(t);
    if (!status) status = begin_discriminators(t);
    if (status) return status;
    name_losses(t);
    return pn_training_optimisers(base, "lr", RSA_GAN_PART_G, RSA_GAN_PART_D);
}

void rsa_gan_train_free(pn_training *base)
{
    rsa_gan_training *t = (rsa_gan_training *)base;
    pn_plan_free(t->gen);
    pn_plan_free(t->crit);
    pn_plan_free(t->dis);
    pn_graph_free(t->gen_graph);
    pn_graph_free(t->crit_graph);
    pn_graph_free(t->dis_graph);
    pn_params_free(t->vgg_params);
    pn_ctx_release(base->model->ctx, t->numbers);
}

/* ---- The step ----------------------------------------------------------------------------------------------------------------- */

pn_status rsa_gan_feed(pn_plan *p, const rsa_gan_input *leaves, rsa_gan_evidence *evidence, const pn_model_input *in)
{
    rsa_gan_gather(evidence, in->parsing_source, in->pose_source);
    pn_status status = rsa_gan_set_evidence(p, leaves, evidence);
    if (!status) status = pn_set(p, leaves->source, in->source);
    if (!status && leaves->pose_source) status = pn_set(p, leaves->pose_source, in->pose_source);
    return status ? status : pn_set(p, leaves->pose_target, in->pose_target);
}

static int64_t steps_taken(const rsa_gan_model *m) { return (int64_t)pn_param_data(m->steps)[0]; }

/* The temperature belongs to the weights: pictures are made with the one that they learnt last. */
static void warm(const rsa_gan_training *t)
{
    const rsa_gan_model *m = model_of(t);
    const double tau = pn_warm_up(m->tau_start, m->tau, (double)steps_taken(m) / t->tau_steps);
    if (m->g.corr.tau) pn_param_set(m->g.corr.tau, (pn_real[]){ (pn_real)tau });
}

/* The class of each pixel. */
static void look_at_target(rsa_gan_training *t, const pn_real *parsing)
{
    const ptrdiff_t n = t->base.opt.batch, plane = t->base.opt.height * t->base.opt.width;
    const int classes = model_of(t)->config.classes;
    for (ptrdiff_t p = 0; p < n * plane; p++) {
        const pn_real *of = parsing + p / plane * classes * plane + p % plane;
        int k = 0;
        for (int i = 1; i < classes; i++)
            if (of[i * plane] > of[k * plane]) k = i;
        t->classes[p] = (pn_real)k;
    }
}

static void show_critic(rsa_gan_training *t, const judged_pair pair[JUDGED], const pn_model_input *in)
{
    const rsa_gan_judged *see = &t->see;
    for (int i = 0; i < JUDGED; i++)
        if (pair[i].seen) pn_copy(t->crit, pair[i].seen, t->gen, pair[i].made);
    pn_set(t->crit, see->target, in->target);
    if (see->pose) {
        pn_set(t->crit, see->source, in->source);
        pn_set(t->crit, see->pose, in->pose_target);
    }
    if (see->parsing_source) pn_set(t->crit, see->parsing_source, in->parsing_right ? in->parsing_right : in->parsing_source);
    if (see->parsing_target) pn_set(t->crit, see->parsing_target, in->parsing_target);
    if (!see->classes) return;
    look_at_target(t, in->parsing_target);
    pn_set(t->crit, see->classes, t->classes);
}

static pn_status judge(rsa_gan_training *t, const judged_pair pair[JUDGED], const pn_model_input *in, double losses[])
{
    show_critic(t, pair, in);
    pn_status status = pn_forward(t->crit);
    if (status) return status;
    int n = 0;
    losses[n++] = pn_plan_scalar(t->crit, t->losses.total);
    for (int i = 0; i < RSA_GAN_TERMS; i++)
        if (t->losses.term[i]) losses[n++] = pn_plan_scalar(t->crit, t->losses.term[i]);
    for (int i = n - 1; i >= 0 && !status; i--) status = pn_training_finite(&t->base, t->base.loss_name[i], losses[i]);
    return status ? status : pn_backward(t->crit);
}

static pn_status learn(rsa_gan_training *t, const judged_pair pair[JUDGED])
{
    for (int i = 0; i < JUDGED; i++)
        if (pair[i].seen) pn_copy_grad(t->gen, pair[i].made, t->crit, pair[i].seen);
    const pn_status status = pn_backward(t->gen);
    return status ? status : pn_adam_step(t->base.adam[RSA_GAN_PART_G]);
}

static pn_status step_discriminators(rsa_gan_training *t, const pn_model_input *in, double *loss)
{
    pn_set(t->dis, t->real, in->target);
    pn_copy(t->dis, t->fake, t->gen, t->out.image);
    pn_set(t->dis, t->pose, in->pose_target);
    pn_set(t->dis, t->source, in->source);
    pn_status status = pn_forward(t->dis);
    if (status) return status;
    *loss = pn_plan_scalar(t->dis, t->d_loss);
    if ((status = pn_training_finite(&t->base, "discriminator", *loss))) return status;
    pn_backward(t->dis);
    return pn_adam_step(t->base.adam[RSA_GAN_PART_D]);
}

pn_status rsa_gan_step(pn_training *base, const pn_model_input *in, double losses[PN_MAX_LOSSES])
{
    rsa_gan_training *t = (rsa_gan_training *)base;
    const rsa_gan_model *m = model_of(t);
    judged_pair pair[JUDGED];
    if (m->config.classes > 1 && (!in->parsing_source || !in->parsing_target))
        return pn_ctx_fail(base->model->ctx, PN_ERR_ARG,
                           "rsa_gan learns from pictures with label maps, and there are none; without them take --set K=1");
    pair_up(t, pair);
    warm(t);
    pn_status status = rsa_gan_feed(t->gen, &t->in, &t->evidence, in);
    if (!status) status = pn_forward(t->gen);
    if (!status) status = judge(t, pair, in, losses); /* by the discriminators as they are */
    if (!status) status = learn(t, pair);
    if (!status) status = step_discriminators(t, in, &losses[base->losses - 1]);
    if (!status) pn_param_set(m->steps, (pn_real[]){ (pn_real)(steps_taken(m) + 1) });
    return status;
}
