/* models/gfla/recurrent.c - person and face animation: their networks, and frames made one after the other */
#include "recurrent.h"

#include "posenet/clips.h"

/* ---- Making ------------------------------------------------------------------------------------------------------------------ */

static gfla_animation_net common_make(const pn_scope *s, const gfla_config *c)
{
    const pn_scope previous = pn_scope_in(s, "source_previous"), reference = pn_scope_in(s, "source_reference");
    const pn_scope target = pn_scope_in(s, "target");
    gfla_animation_net net = { 0 };
    net.source[GFLA_PREVIOUS] = gfla_source_make(&previous, c);
    net.source[GFLA_REFERENCE] = gfla_source_make(&reference, c);
    net.target = gfla_target_make(&target, c, GFLA_ORIGINS);
    return net;
}

gfla_animation_net gfla_dance_make(const pn_scope *s, const gfla_config *c)
{
    gfla_animation_net net = common_make(s, c);
    const pn_scope previous = pn_scope_in(s, "flow_net_previous"), reference = pn_scope_in(s, "flow_net_reference");
    net.flow[GFLA_PREVIOUS] = gfla_flow_net_make(&previous, c, 3 + 2 * c->structure, 1);
    net.flow[GFLA_REFERENCE] = gfla_flow_net_make(&reference, c, 3 + 2 * c->structure, 1);
    return net;
}

gfla_animation_net gfla_face_make(const pn_scope *s, const gfla_config *c)
{
    gfla_animation_net net = common_make(s, c);
    const pn_scope flow = pn_scope_in(s, "flow_net");
    net.flow[0] = gfla_flow_net_make(&flow, c, GFLA_ORIGINS * 3 + (1 + GFLA_ORIGINS) * c->structure, GFLA_ORIGINS);
    return net;
}

/* ---- A frame ------------------------------------------------------------------------------------------------------------------ */

static void estimate(pn_graph *g, const gfla_animation_net *net, const gfla_before *in, pn_tensor *structure,
                     gfla_output out[])
{
    if (net->flow[0].sources == GFLA_ORIGINS) {
        pn_tensor *const given[] = { structure, in->picture[GFLA_PREVIOUS], in->structure[GFLA_PREVIOUS],
                                     in->picture[GFLA_REFERENCE], in->structure[GFLA_REFERENCE] };
        gfla_flow_estimate(g, &net->flow[0], given, 5, out);
        return;
    }
    for (int k = 0; k < GFLA_ORIGINS; k++)
        gfla_flow_estimate(g, &net->flow[k], (pn_tensor *[]){ in->picture[k], in->structure[k], structure }, 3,
                           &out[k]);
}

gfla_frame gfla_animate(pn_graph *g, const gfla_animation_net *net, const gfla_before *before,
                        const gfla_features *reference, pn_tensor *structure)
{
    gfla_frame frame = { 0 };
    estimate(g, net, before, structure, frame.from);
    pn_block(g, "source");
    const gfla_features previous = gfla_encode(g, &net->source[GFLA_PREVIOUS], before->picture[GFLA_PREVIOUS]);
    pn_block(g, "target_encoder");
    const gfla_features target = gfla_encode(g, &net->target.encoder, structure);
    const gfla_features source[GFLA_ORIGINS] = { [GFLA_PREVIOUS] = previous, [GFLA_REFERENCE] = *reference };
    frame.image = gfla_decode(g, &net->target.decoder, target.level[GFLA_ENCODER], source, frame.from);
    return frame;
}

pn_tensor *gfla_watch(pn_graph *g, const gfla_animation_model *m, pn_tensor *const frame[])
{
    if (m->dance) {
        pn_tensor *window = pn_concat(g, frame, GFLA_WINDOW, 0);
        return gfla_temporal(g, &m->temporal, window);
    }
    pn_tensor *difference[GFLA_DIFFERENCES - 1];
    for (int i = 0; i + 1 < GFLA_DIFFERENCES; i++) {
        pn_tensor *next = pn_affine(g, frame[i + 1], -1, 0);
        difference[i] = pn_add(g, frame[i], next);
    }
    pn_tensor *both = pn_concat(g, difference, GFLA_DIFFERENCES - 1, 1);
    return gfla_discriminator(g, &m->differences, both);
}

/* ---- The face of the two tasks -------------------------------------------------------------------------------------------------- */

static bool recognise_dance(pn_model *m, const pn_weights *w)
{
    return gfla_recognise(m, w, "source_previous", "flow_net_previous", "target.attn_p");
}

static bool recognise_face(pn_model *m, const pn_weights *w)
{
    return gfla_recognise(m, w, "source_previous", "flow_net", "target.attn_p");
}

static pn_status make(gfla_animation_model *m, int structure)
{
    pn_model *base = &m->common.base;
    const gfla_config *c = &m->common.config;
    pn_status status = gfla_options(&m->common, structure);
    if (!status) status = pn_model_int(base, "frames", 0, GFLA_MAX_FRAMES, &m->frames);
    if (status) return status;
    if (!m->frames) m->frames = GFLA_WINDOW;
    if (m->frames < m->window)
        return pn_ctx_fail(base->ctx, PN_ERR_ARG,
                           "the option frames=%d is less than the %d frames that the discriminator of this task "
                           "looks at",
                           m->frames, m->window);
    pn_params *g = pn_model_part(base, ""), *d = pn_model_part(base, "D/"), *v = pn_model_part(base, "D_V/");
    if (!g || !d || !v) return PN_ERR_NOMEM;
    const pn_scope top_g = pn_scope_top(g, m->common.start), top_d = pn_scope_top(d, m->common.start);
    const pn_scope top_v = pn_scope_top(v, m->common.start);
    m->g = m->dance ? gfla_dance_make(&top_g, c) : gfla_face_make(&top_g, c);
    m->d = gfla_discriminator_make(&top_d, c);
    if (m->dance) m->temporal = gfla_temporal_make(&top_v, c);
    else m->differences = gfla_discriminator_of(&top_v, c, 3 * (GFLA_DIFFERENCES - 1));
    for (int i = 0; i < base->parts && !status; i++) status = pn_params_status(base->part[i].params);
    return status;
}

static pn_status make_dance(pn_model *base)
{
    gfla_animation_model *m = (gfla_animation_model *)base;
    m->dance = true;
    m->window = GFLA_WINDOW;
    return make(m, PN_DANCE_CHANNELS);
}

static pn_status make_face(pn_model *base)
{
    gfla_animation_model *m = (gfla_animation_model *)base;
    m->window = GFLA_DIFFERENCES;
    return make(m, PN_FACE_CHANNELS);
}

static pn_model_needs needs(const pn_model *base, ptrdiff_t height)
{
    const gfla_animation_model *m = (const gfla_animation_model *)base;
    (void)height;
    return (pn_model_needs){ .sigma = 6,
                             .filter = PN_FILTER_CUBIC,
                             .labelling = "",
                             .channels = m->common.config.structure,
                             .reads = m->dance ? PN_READS_DANCES : PN_READS_FACES,
                             .frames = m->frames };
}

/* ---- Generation: one plan, whose output becomes its own input -------------------------------------------------------------------- */

typedef struct { pn_generation base; gfla_before before; pn_tensor *structure; bool ran; } generation;

static pn_status describe(pn_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    static const gfla_view_names names[GFLA_ORIGINS] = {
        { { "flow_previous0", "flow_previous1" },
          { "mask_previous0", "mask_previous1" },
          { "attention_previous0", "attention_previous1" } },
        { { "flow_reference0", "flow_reference1" },
          { "mask_reference0", "mask_reference1" },
          { "attention_reference0", "attention_reference1" } },
    };
    const gfla_animation_model *m = (const gfla_animation_model *)gen->model;
    generation *own = (generation *)gen;
    const pn_shape picture = pn_shape4(count, 3, height, width),
                   structure = pn_shape4(count, m->common.config.structure, height, width);
    own->before.picture[GFLA_PREVIOUS] = pn_input(gen->graph, "previous", picture, PN_CONST);
    own->before.structure[GFLA_PREVIOUS] = pn_input(gen->graph, "pose_previous", structure, PN_CONST);
    own->before.picture[GFLA_REFERENCE] = pn_input(gen->graph, "reference", picture, PN_CONST);
    own->before.structure[GFLA_REFERENCE] = pn_input(gen->graph, "pose_reference", structure, PN_CONST);
    own->structure = pn_input(gen->graph, "structure", structure, PN_CONST);
    const gfla_features reference = gfla_encode(gen->graph, &m->g.source[GFLA_REFERENCE],
                                                own->before.picture[GFLA_REFERENCE]);
    const gfla_frame frame = gfla_animate(gen->graph, &m->g, &own->before, &reference, own->structure);
    gen->image = frame.image;
    pn_output(gen->graph, frame.image, PN_CONST);
    for (int k = 0; k < GFLA_ORIGINS; k++) gfla_show(gen, &frame.from[k], &names[k]);
    return PN_OK;
}

/* Before the structure of the frame to come is set: the last one's is still there. */
static pn_status feed_previous(generation *own, const pn_model_input *in)
{
    pn_plan *p = own->base.plan;
    pn_tensor *picture = own->before.picture[GFLA_PREVIOUS], *structure = own->before.structure[GFLA_PREVIOUS];
    pn_status status;
    if (in->begins || in->previous) {
        status = pn_set(p, picture, in->begins ? in->source : in->previous);
        return status ? status : pn_set(p, structure, in->begins ? in->pose_source : in->pose_previous);
    }
    if (!own->ran)
        return pn_ctx_fail(own->base.model->ctx, PN_ERR_ARG,
                           "nothing goes before the first frame; set pn_model_input.begins, or previous");
    status = pn_copy(p, picture, p, own->base.image);
    return status ? status : pn_copy(p, structure, p, own->structure);
}

static pn_status feed(pn_generation *gen, const pn_model_input *in)
{
    generation *own = (generation *)gen;
    pn_status status = feed_previous(own, in);
    if (!status) status = pn_set(gen->plan, own->before.picture[GFLA_REFERENCE], in->source);
    if (!status) status = pn_set(gen->plan, own->before.structure[GFLA_REFERENCE], in->pose_source);
    if (!status) status = pn_set(gen->plan, own->structure, in->pose_target);
    own->ran = own->ran || !status;
    return status;
}

static const pn_model_choice stages[] = { { "full", "everything, from the losses of a chunk of frames", 1 }, { 0 } };

/* The two tasks differ in their networks, which `make` and `recognise` know. */
#define ANIMATION_FACE(recognises, makes)                                                                              \
    {                                                                                                                  \
        .model_bytes = sizeof(gfla_animation_model), .training_bytes = sizeof(gfla_animation_training),                \
        .generation_bytes = sizeof(generation), .stages = stages, .losses = gfla_animation_losses,                     \
        .recognise = (recognises), .make = (makes), .train = gfla_animation_train, .step = gfla_animation_step,        \
        .train_free = gfla_animation_train_free, .describe = describe, .feed = feed, .needs = needs,                   \
    }
const pn_model_face gfla_dance_face = ANIMATION_FACE(recognise_dance, make_dance);
const pn_model_face gfla_face_face = ANIMATION_FACE(recognise_face, make_face);
