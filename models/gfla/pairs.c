/* models/gfla/pairs.c - tasks whose sample is a pair: the GAN step, stage flow before it, generation */
#include "system.h"

#include <string.h>

pn_status gfla_pair_make(gfla_pair_model *m, int structure, pn_scope *top_g)
{
    gfla_model *common = &m->common;
    const pn_status status = gfla_options(common, structure);
    if (status) return status;
    pn_params *g = pn_model_part(&common->base, ""), *d = pn_model_part(&common->base, "D/");
    if (!g || !d) return PN_ERR_NOMEM;
    const pn_scope top_d = pn_scope_top(d, common->start);
    m->d = gfla_discriminator_make(&top_d, &common->config);
    *top_g = pn_scope_top(g, common->start);
    return pn_params_status(d);
}

/* ---- Training: the three graphs of a GAN step --------------------------------------------------------------------------------- */

static void describe_discriminator(gfla_pair_training *t, pn_shape image)
{
    const gfla_pair_model *m = (const gfla_pair_model *)t->base.model;
    t->real = pn_input(t->dis_graph, "real", image, PN_CONST);
    t->fake = pn_input(t->dis_graph, "fake", image, PN_CONST);
    pn_tensor *on_real = gfla_discriminator(t->dis_graph, &m->d, t->real);     /* two statements: this order is the order */
    pn_tensor *on_fake = gfla_discriminator(t->dis_graph, &m->d, t->fake);     /* of spectral norm's power iterations */
    t->d_loss = pn_gan_d_loss(t->dis_graph, m->common.gan, on_real, on_fake);
    pn_loss(t->dis_graph, t->d_loss);
}

static void name_losses(gfla_pair_training *t)
{
    const char *const *const names = pn_model_losses(t->base.model);
    t->base.loss_name[t->base.losses++] = names[0];
    for (int i = 0; i < GFLA_TERMS; i++)
        if (t->losses.term[i]) t->base.loss_name[t->base.losses++] = names[1 + i];
    if (t->dis) t->base.loss_name[t->base.losses++] = names[1 + GFLA_TERMS];
}

pn_status gfla_pair_train(pn_training *base)
{
    gfla_pair_training *t = (gfla_pair_training *)base;
    const gfla_pair_model *m = (const gfla_pair_model *)base->model;
    const gfla_model *common = &m->common;
    const bool full = strcmp(base->stage, "full") == 0;
    const ptrdiff_t n = base->opt.batch, h = base->opt.height, w = base->opt.width;
    const pn_status status = gfla_sight_open(base, &t->sight);
    if (status) return status;
    t->gen_graph = pn_graph_new(base->model->ctx);
    t->dis_graph = full ? pn_graph_new(base->model->ctx) : NULL;
    t->crit_graph = pn_graph_new(base->model->ctx);
    if (!t->gen_graph || !t->crit_graph || (full && !t->dis_graph)) return PN_ERR_NOMEM;

    t->in = m->inputs(t->gen_graph, n, h, w);
    t->out = (full ? m->generator : m->flow)(t->gen_graph, m, &t->in);
    if (full) pn_output(t->gen_graph, t->out.image, PN_GRAD);
    for (int i = 0; i < t->out.flows; i++) pn_output(t->gen_graph, t->out.flow[i], PN_GRAD);
    if (full) describe_discriminator(t, pn_shape4(n, 3, h, w));
    t->see = gfla_judged_inputs(t->crit_graph, &t->out, n, h, w);
    t->losses = full ? gfla_full_losses(t->crit_graph, &common->config, &t->sight.vgg, &m->d, common->gan, &t->see, common->full)
                     : gfla_flow_losses(t->crit_graph, &common->config, &t->sight.vgg, &t->see, common->flow);
    pn_loss(t->crit_graph, t->losses.total);

    const pn_plan_opt learn_g = { .mode = PN_TRAIN, .learn = base->model->part[GFLA_PART_G].params };
    const pn_plan_opt learn_d = { .mode = PN_TRAIN, .learn = base->model->part[GFLA_PART_D].params, .guest = true };
    /* D and VGG19, whose packed weights would take more memory than all that the networks compute. */
    const pn_plan_opt frozen = { .mode = PN_TRAIN, .seldom = true, .guest = true, .remake = PN_FIRST_LAYER };
    pn_status planned = pn_training_plan(base, &t->gen, t->gen_graph, learn_g);
    if (!planned && full) planned = pn_training_plan(base, &t->dis, t->dis_graph, learn_d);
    if (!planned) planned = pn_training_plan(base, &t->crit, t->crit_graph, frozen);
    if (planned) return planned;
    name_losses(t);
    return pn_training_optimisers(base, "lr", GFLA_PART_G, full ? GFLA_PART_D : -1);
}

void gfla_pair_train_free(pn_training *base)
{
    gfla_pair_training *t = (gfla_pair_training *)base;
    pn_plan_free(t->gen);
    pn_plan_free(t->dis);
    pn_plan_free(t->crit);
    pn_graph_free(t->gen_graph);
    pn_graph_free(t->dis_graph);
    pn_graph_free(t->crit_graph);
    pn_params_free(t->sight.params);
}

static pn_status step_discriminator(gfla_pair_training *t, const pn_model_input *in, double *loss)
{
    pn_set(t->dis, t->real, in->target);
    pn_copy(t->dis, t->fake, t->gen, t->out.image);
    pn_status status = pn_forward(t->dis);
    if (status) return status;
    *loss = pn_plan_scalar(t->dis, t->d_loss);
    if ((status = pn_training_finite(&t->base, "discriminator", *loss))) return status;
    pn_backward(t->dis);
    return pn_adam_step(t->base.adam[GFLA_PART_D]);
}

static pn_status judge(gfla_pair_training *t, const pn_model_input *in, double losses[])
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

pn_status gfla_pair_step(pn_training *base, const pn_model_input *in, double losses[PN_MAX_LOSSES])
{
    gfla_pair_training *t = (gfla_pair_training *)base;
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
    return status ? status : pn_adam_step(base->adam[GFLA_PART_G]);
}

/* ---- Generation ------------------------------------------------------------------------------------------------------------------ */

pn_status gfla_pair_describe(pn_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    static const gfla_view_names names = { { "flow0", "flow1" }, { "mask0", "mask1" }, { "attention0", "attention1" } };
    const gfla_pair_model *m = (const gfla_pair_model *)gen->model;
    gfla_pair_generation *own = (gfla_pair_generation *)gen;
    own->in = m->inputs(gen->graph, count, height, width);
    const gfla_output out = m->generator(gen->graph, m, &own->in);
    gen->image = out.image;
    pn_output(gen->graph, out.image, PN_CONST);
    gfla_show(gen, &out, &names);
    return PN_OK;
}

pn_status gfla_pair_feed(pn_generation *gen, const pn_model_input *in)
{
    const gfla_pair_generation *own = (const gfla_pair_generation *)gen;
    pn_status status = pn_set(gen->plan, own->in.source, in->source);
    if (!status) status = pn_set(gen->plan, own->in.pose_source, in->pose_source);
    return status ? status : pn_set(gen->plan, own->in.pose_target, in->pose_target);
}
