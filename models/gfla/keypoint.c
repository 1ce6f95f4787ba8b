/* models/gfla/keypoint.c - cleaning key points: convolutions over time, told by a feature of the whole track
 *
 *   x ──► feature: conv stride 2, three times ──► mean over time ──► gain and shift of every norm below
 *   x ──► expand ──► norm ──► [ dilated conv ──► norm ──► 1x1 conv ──► norm, beside the middle of its input ] x 3 ──► shrink
 *
 * Time lies along the width of maps of height 1.
 */
#include "keypoint.h"

#include "posenet/clips.h"

static const double slope = 0.1, eps = 1e-5;
static const int dilation[GFLA_POINT_STAGES] = { 3, 9, 27 };

/* ---- The network -------------------------------------------------------------------------------------------------------------- */

static pn_tensor *weight_at(const pn_scope *s, const char *name, pn_shape shape)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return pn_scope_param(&at, "weight", shape, s->weights);
}

static pn_tensor *bias_at(const pn_scope *s, const char *name, ptrdiff_t n)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return pn_scope_param(&at, "bias", pn_shape1(n), (pn_init){ PN_INIT_CONSTANT, 0 });
}

static gfla_adaptive_norm norm_make(const pn_scope *s, int width)
{
    const int hidden = width / 2;
    gfla_adaptive_norm n;
    n.shared_weight = weight_at(s, "shared", pn_shape2(hidden, width));
    n.shared_bias = bias_at(s, "shared", hidden);
    n.gamma_weight = weight_at(s, "gamma", pn_shape2(width, hidden));
    n.gamma_bias = bias_at(s, "gamma", width);
    n.beta_weight = weight_at(s, "beta", pn_shape2(width, hidden));
    n.beta_bias = bias_at(s, "beta", width);
    return n;
}

gfla_keypoint_net gfla_keypoint_make(const pn_scope *s, int width)
{
    gfla_keypoint_net net = { .width = width };
    for (int i = 0; i < GFLA_FEATURES; i++) {
        const pn_scope at = pn_scope_in(s, "feature.%d", i);
        net.feature[i] = pn_scope_param(&at, "weight", pn_shape3(width, i ? width : GFLA_POINTS, 3), s->weights);
    }
    net.expand_conv = weight_at(s, "expand_conv", pn_shape3(width, GFLA_POINTS, 3));
    net.expand_norm = pn_norm_layer_at(s, "expand_norm", width);
    for (int i = 0; i < GFLA_POINT_LAYERS; i++) {
        const pn_scope conv = pn_scope_in(s, "layers_conv.%d", i), norm = pn_scope_in(s, "layers_norm.%d", i);
        net.layers_conv[i] = pn_scope_param(&conv, "weight", pn_shape3(width, width, i % 2 ? 1 : 3), s->weights);
        net.layers_norm[i] = norm_make(&norm, width);
    }
    net.shrink_weight = weight_at(s, "shrink", pn_shape3(GFLA_POINTS, width, 1));
    net.shrink_bias = bias_at(s, "shrink", GFLA_POINTS);
    return net;
}

pn_shape gfla_keypoint_kept(const gfla_keypoint_net *net, int i, ptrdiff_t n, ptrdiff_t length)
{
    ptrdiff_t less = 2;
    for (int stage = 0; stage < (i + 1) / 2; stage++) less += 2 * dilation[stage];
    return pn_shape4(n, net->width, 1, length - less);
}

static pn_tensor *conv1d(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, int stride, int apart)
{
    const pn_shape w = pn_tensor_shape(weight);
    const pn_conv_opt opt = { .stride = { 1, stride }, .dilation = { 1, apart } };
    pn_tensor *flat = pn_reshape(g, weight, pn_shape4(w.dim[0], w.dim[1], 1, w.dim[2]));
    return pn_conv2d(g, x, flat, bias, &opt);
}

static pn_tensor *feature_of(pn_graph *g, const gfla_keypoint_net *net, pn_tensor *x)
{
    for (int i = 0; i < GFLA_FEATURES; i++) {
        x = conv1d(g, x, net->feature[i], NULL, 2, 1);
        x = pn_leaky_relu(g, x, slope);
    }
    return pn_mean(g, x, PN_AXIS(2) | PN_AXIS(3), PN_DROP_AXES);
}

/* Activation, and what dropout leaves of it. */
static pn_tensor *act(pn_graph *g, pn_tensor *x, pn_tensor *kept)
{
    x = pn_leaky_relu(g, x, slope);
    return kept ? pn_mul(g, x, kept) : x;
}

static pn_tensor *layer(pn_graph *g, const gfla_keypoint_net *net, int i, pn_tensor *x, pn_tensor *feature,
                        pn_tensor *kept)
{
    const gfla_adaptive_norm *n = &net->layers_norm[i];
    const pn_shape per_channel = pn_shape4(pn_tensor_shape(x).dim[0], net->width, 1, 1);
    pn_tensor *hidden = pn_linear(g, feature, n->shared_weight, n->shared_bias);
    hidden = pn_relu(g, hidden);
    pn_tensor *gamma = pn_linear(g, hidden, n->gamma_weight, n->gamma_bias);
    pn_tensor *beta = pn_linear(g, hidden, n->beta_weight, n->beta_bias);
    gamma = pn_reshape(g, gamma, per_channel);
    beta = pn_reshape(g, beta, per_channel);
    x = conv1d(g, x, net->layers_conv[i], NULL, 1, i % 2 ? 1 : dilation[i / 2]);
    x = pn_group_norm(g, x, NULL, NULL, 1, eps);
    x = pn_modulate(g, x, gamma, beta);
    return act(g, x, kept);
}

pn_tensor *gfla_keypoint(pn_graph *g, const gfla_keypoint_net *net, pn_tensor *x, pn_tensor *const kept[GFLA_DROPS],
                         pn_tensor **feature)
{
    const pn_shape s = pn_tensor_shape(x);
    x = pn_reshape(g, x, pn_shape4(s.dim[0], s.dim[1], 1, s.dim[2]));
    pn_tensor *told = feature_of(g, net, x);
    if (feature) *feature = told;
    x = conv1d(g, x, net->expand_conv, NULL, 1, 1);
    x = pn_group_norm(g, x, net->expand_norm.weight, net->expand_norm.bias, 1, eps);
    x = act(g, x, kept ? kept[0] : NULL);
    for (int i = 0; i < GFLA_POINT_STAGES; i++) {
        pn_tensor *middle = pn_slice(g, x, 3, dilation[i], pn_tensor_shape(x).dim[3] - dilation[i]);
        x = layer(g, net, 2 * i, x, told, kept ? kept[1 + 2 * i] : NULL);
        x = layer(g, net, 2 * i + 1, x, told, kept ? kept[2 + 2 * i] : NULL);
        x = pn_add(g, x, middle);
    }
    x = conv1d(g, x, net->shrink_weight, net->shrink_bias, 1, 1);
    const pn_shape out = pn_tensor_shape(x);
    return pn_reshape(g, x, pn_shape3(out.dim[0], out.dim[1], out.dim[3]));
}

/* ---- The model ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    gfla_model common;
    int width, frames;
    double drop;
    gfla_keypoint_net net;
} keypoint_model;

static const keypoint_model *model_of(const pn_model *m) { return (const keypoint_model *)m; }

static bool recognise(pn_model *m, const pn_weights *w)
{
    const pn_shape first = pn_weights_shape(w, "expand_conv.weight");
    if (first.rank != 3) return false;
    pn_model_put(m, "points_width", "%td", first.dim[0]);
    return true;
}

static pn_status make(pn_model *base)
{
    enum { USUAL = 32 };
    keypoint_model *m = (keypoint_model *)base;
    const pn_int_option ints[] = { { "points_width", 2, 4096, &m->width }, { "frames", 0, 4096, &m->frames } };
    pn_status status = gfla_options(&m->common, GFLA_POINTS);
    if (!status) status = pn_model_ints(base, ints, 2);
    if (!status) status = pn_model_real(base, "points_drop", &m->drop);
    if (status) return status;
    if (m->drop < 0 || m->drop >= 1)
        return pn_ctx_fail(base->ctx, PN_ERR_ARG, "the option points_drop=%g is not in [0, 1)", m->drop);
    if (!m->frames) m->frames = USUAL;
    pn_params *g = pn_model_part(base, "");
    if (!g) return PN_ERR_NOMEM;
    const pn_scope top = pn_scope_top(g, m->common.start);
    m->net = gfla_keypoint_make(&top, m->width);
    return pn_params_status(g);
}

static pn_model_needs needs(const pn_model *base, ptrdiff_t height)
{
    (void)height;
    return (pn_model_needs){
        .labelling = "", .reads = PN_READS_TRACKS, .channels = GFLA_POINTS, .frames = model_of(base)->frames
    };
}

/* ---- Training: the mean square ------------------------------------------------------------------------------------------------- */

typedef struct {
    pn_training base;
    pn_graph *graph;
    pn_plan *plan;
    pn_tensor *noisy, *clean, *kept[GFLA_DROPS], *loss, *steps;
    pn_real *room;                  /* for what a dropout keeps */
} keypoint_training;

static const char *const loss_names[] = { "total", NULL };

static pn_status train(pn_training *base)
{
    keypoint_training *t = (keypoint_training *)base;
    const keypoint_model *m = model_of(base->model);
    pn_ctx *ctx = base->model->ctx;
    const ptrdiff_t n = base->opt.batch, length = m->frames + 2 * GFLA_POINT_MARGIN;
    t->graph = pn_graph_new(ctx);
    base->state = pn_params_new(ctx);
    t->room = pn_ctx_alloc(ctx, (size_t)(n * m->width * length) * sizeof *t->room);
    if (!t->graph || !base->state || !t->room) return PN_ERR_NOMEM;
    t->steps = pn_state(base->state, "steps", pn_shape1(1), (pn_init){ PN_INIT_CONSTANT, 0 });
    t->noisy = pn_input(t->graph, "noisy", pn_shape3(n, GFLA_POINTS, length), PN_CONST);
    t->clean = pn_input(t->graph, "clean", pn_shape3(n, GFLA_POINTS, m->frames), PN_CONST);
    static const char *const names[GFLA_DROPS] = { "kept0", "kept1", "kept2", "kept3", "kept4", "kept5", "kept6" };
    for (int i = 0; i < GFLA_DROPS; i++)
        t->kept[i] = pn_input(t->graph, names[i], gfla_keypoint_kept(&m->net, i, n, length), PN_CONST);
    pn_tensor *made = gfla_keypoint(t->graph, &m->net, t->noisy, t->kept, NULL);
    t->loss = pn_mse_loss(t->graph, made, t->clean);
    pn_loss(t->graph, t->loss);
    base->loss_name[base->losses++] = loss_names[0];
    pn_status status = pn_training_plan(base, &t->plan, t->graph,
                                        (pn_plan_opt){ .mode = PN_TRAIN, .learn = base->model->part[0].params });
    if (!status) status = pn_params_init(base->state, 0);
    return status ? status : pn_training_optimisers(base, "lr", GFLA_PART_G, -1);
}

static void train_free(pn_training *base)
{
    keypoint_training *t = (keypoint_training *)base;
    pn_plan_free(t->plan);
    pn_graph_free(t->graph);
    pn_ctx_release(base->model->ctx, t->room);
}

/* Dropout's share is 0, the rest larger by as much; the numbers are those of this step, whatever ran before. */
static pn_status draw_kept(const keypoint_training *t, int i)
{
    const double drop = model_of(t->base.model)->drop;
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t->kept[i]));
    const double threshold = drop * 4294967296.0;
    const pn_real stays = (pn_real)(1 / (1 - drop));
    static const char *const names[GFLA_DROPS] = { "kept0", "kept1", "kept2", "kept3", "kept4", "kept5", "kept6" };
    pn_rng rng = pn_rng_named(t->base.model->seed, names[i]);
    rng.counter = (uint64_t)(n + 4) / 4 * 4 * (uint64_t)pn_param_data(t->steps)[0];
    for (ptrdiff_t k = 0; k < n; k++) t->room[k] = pn_rng_u32(&rng) < threshold ? 0 : stays;
    return pn_set(t->plan, t->kept[i], t->room);
}

static pn_status step(pn_training *base, const pn_model_input *in, double losses[PN_MAX_LOSSES])
{
    keypoint_training *t = (keypoint_training *)base;
    pn_status status = pn_set(t->plan, t->noisy, in->source);
    if (!status) status = pn_set(t->plan, t->clean, in->target);
    for (int i = 0; i < GFLA_DROPS && !status; i++) status = draw_kept(t, i);
    if (!status) status = pn_forward(t->plan);
    if (status) return status;
    losses[0] = pn_plan_scalar(t->plan, t->loss);
    if ((status = pn_training_finite(base, loss_names[0], losses[0]))) return status;
    status = pn_backward(t->plan);
    if (!status) status = pn_adam_step(base->adam[GFLA_PART_G]);
    if (!status) pn_param_set(t->steps, (pn_real[]){ pn_param_data(t->steps)[0] + 1 });
    return status;
}

/* ---- Generation ------------------------------------------------------------------------------------------------------------------ */

typedef struct { pn_generation base; pn_tensor *noisy; } keypoint_generation;

static pn_status describe(pn_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width)
{
    keypoint_generation *own = (keypoint_generation *)gen;
    const keypoint_model *m = model_of(gen->model);
    (void)height; /* tracks have none */
    (void)width;
    own->noisy = pn_input(gen->graph, "noisy", pn_shape3(count, GFLA_POINTS, m->frames + 2 * GFLA_POINT_MARGIN),
                          PN_CONST);
    gen->image = gfla_keypoint(gen->graph, &m->net, own->noisy, NULL, NULL);
    pn_output(gen->graph, gen->image, PN_CONST);
    return PN_OK;
}

static pn_status feed(pn_generation *gen, const pn_model_input *in)
{
    return pn_set(gen->plan, ((const keypoint_generation *)gen)->noisy, in->source);
}

static const pn_model_choice stages[] = { { "full", "the mean square between cleaned and clean", 1 }, { 0 } };
_Static_assert((int)GFLA_POINTS == PN_TRACK_CHANNELS && (int)GFLA_POINT_MARGIN == PN_TRACK_MARGIN,
               "tracks are loaded as they are read here");

const pn_model_face gfla_keypoint_face = {
    .model_bytes = sizeof(keypoint_model),
    .training_bytes = sizeof(keypoint_training),
    .generation_bytes = sizeof(keypoint_generation),
    .stages = stages,
    .losses = loss_names,
    .recognise = recognise,
    .make = make,
    .train = train,
    .step = step,
    .train_free = train_free,
    .describe = describe,
    .feed = feed,
    .needs = needs,
};
