/* models/gfla/losses.c - what the generator is held to: equations 4 to 9 of the paper, terms and taps as released */
#include "recurrent.h"

static const pn_vgg19_tap content_taps[] = { PN_RELU1_1, PN_RELU2_1, PN_RELU3_1, PN_RELU4_1, PN_RELU5_1 };
static const pn_vgg19_tap style_taps[] = { PN_RELU2_2, PN_RELU3_4, PN_RELU4_4, PN_RELU5_2 };
/* Level L is judged at relu(L+1)_1, whose map has the level's size. */
static const pn_vgg19_tap correctness_tap[GFLA_LEVELS] = { PN_RELU1_1, PN_RELU2_1, PN_RELU3_1, PN_RELU4_1 };

gfla_judged gfla_judged_inputs(pn_graph *g, const gfla_output *made, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t width)
{
    static const char *const flow_name[GFLA_MAX_FLOWS] = { "flow0", "flow1" };
    const pn_shape image = pn_shape4(batch, 3, height, width);
    gfla_judged see = { .flows = made->flows };
    if (made->image) see.image = pn_input(g, "image", image, PN_GRAD);
    for (int i = 0; i < made->flows; i++) {
        see.flow[i] = pn_input(g, flow_name[i], pn_tensor_shape(made->flow[i]), PN_GRAD);
        see.level[i] = made->level[i];
    }
    see.source = pn_input(g, "source", image, PN_CONST);
    see.target = pn_input(g, "target", image, PN_CONST);
    return see;
}

static pn_tensor *add_up(pn_graph *g, pn_tensor *sum, pn_tensor *term) { return sum ? pn_add(g, sum, term) : term; }

static pn_tensor *correctness(pn_graph *g, const gfla_judged *see, const pn_vgg19_features *source,
                              const pn_vgg19_features *target, pn_tensor *mask)
{
    pn_tensor *sum = NULL;
    for (int i = 0; i < see->flows; i++) {
        pn_tensor *s = source->tap[correctness_tap[see->level[i]]], *t = target->tap[correctness_tap[see->level[i]]];
        const pn_shape at = pn_tensor_shape(t);
        pn_tensor *counts = mask ? pn_resize2d(g, mask, at.dim[2], at.dim[3], PN_NEAREST, PN_HALF_PIXEL) : NULL;
        pn_tensor *term = pn_correctness_loss(g, s, t, see->flow[i], counts);
        sum = add_up(g, sum, term);
    }
    return sum;
}

static pn_tensor *regularisation(pn_graph *g, const gfla_config *c, const gfla_judged *see)
{
    pn_tensor *sum = NULL;
    for (int i = 0; i < see->flows; i++) {
        pn_tensor *term = pn_flow_regularisation(g, see->flow[i], c->kernel[see->level[i]]);
        sum = add_up(g, sum, term);
    }
    return sum;
}

static void total(pn_graph *g, gfla_losses *l, gfla_weights w)
{
    const double weight[GFLA_TERMS] = {
        [GFLA_L1] = w.l1, [GFLA_CORRECTNESS] = w.correctness, [GFLA_CONTENT] = w.content, [GFLA_STYLE] = w.style,
        [GFLA_REGULARISATION] = w.regularisation, [GFLA_ADVERSARIAL] = w.adversarial,
    };
    l->total = pn_terms_total(g, l->term, weight, GFLA_TERMS);
}

gfla_losses gfla_flow_losses(pn_graph *g, const gfla_config *c, const pn_vgg19 *vgg, const gfla_judged *see, gfla_weights w)
{
    gfla_losses l = { 0 };
    pn_block(g, "vgg");
    const pn_vgg19_features source = pn_vgg19_call(g, vgg, see->source, PN_RELU4_1);
    const pn_vgg19_features target = pn_vgg19_call(g, vgg, see->target, PN_RELU4_1);
    pn_block(g, "losses");
    l.term[GFLA_CORRECTNESS] = correctness(g, see, &source, &target, NULL);
    l.term[GFLA_REGULARISATION] = regularisation(g, c, see);
    total(g, &l, w);
    return l;
}

gfla_losses gfla_full_losses(pn_graph *g, const gfla_config *c, const pn_vgg19 *vgg, const gfla_discriminator_net *d, pn_gan gan,
                             const gfla_judged *see, gfla_weights w)
{
    enum { CONTENT = sizeof content_taps / sizeof *content_taps, STYLE = sizeof style_taps / sizeof *style_taps };
    gfla_losses l = { 0 };
    pn_block(g, "vgg");                                 /* first what backward does not pass: it leaves little in memory */
    const pn_vgg19_features target = pn_vgg19_call(g, vgg, see->target, PN_RELU5_2);
    const pn_vgg19_features source = pn_vgg19_call(g, vgg, see->source, PN_RELU4_1);
    pn_block(g, "discriminator");
    pn_tensor *on_image = gfla_discriminator(g, d, see->image);
    pn_block(g, "vgg");
    const pn_vgg19_features made = pn_vgg19_call(g, vgg, see->image, PN_RELU5_2);
    pn_block(g, "losses");
    l.term[GFLA_ADVERSARIAL] = pn_gan_g_loss(g, gan, on_image);
    l.term[GFLA_L1] = pn_l1_loss(g, see->image, see->target);
    l.term[GFLA_CONTENT] = pn_content_loss(g, &made, &target, content_taps, CONTENT);
    l.term[GFLA_STYLE] = pn_style_loss(g, &made, &target, style_taps, STYLE);
    l.term[GFLA_CORRECTNESS] = correctness(g, see, &source, &target, NULL);
    l.term[GFLA_REGULARISATION] = regularisation(g, c, see);
    total(g, &l, w);
    return l;
}

pn_vgg19_tap gfla_correctness_tap(int level) { return correctness_tap[level]; }

gfla_frame_losses gfla_judge_frame(pn_graph *g, const gfla_config *c, const pn_vgg19 *vgg,
                                   const gfla_judged see[GFLA_ORIGINS], const pn_vgg19_features known[GFLA_ORIGINS],
                                   pn_tensor *mask, gfla_weights w)
{
    enum { CONTENT = sizeof content_taps / sizeof *content_taps, STYLE = sizeof style_taps / sizeof *style_taps };
    const gfla_judged *previous = &see[GFLA_PREVIOUS], *reference = &see[GFLA_REFERENCE];
    gfla_frame_losses l = { 0 };
    pn_block(g, "vgg");
    l.target = pn_vgg19_call(g, vgg, reference->target, PN_RELU5_2);
    l.made = pn_vgg19_call(g, vgg, reference->image, PN_RELU5_2);
    pn_block(g, "losses");
    l.term[GFLA_FRAME_L1] = pn_l1_loss(g, reference->image, reference->target);
    l.term[GFLA_FRAME_CONTENT] = pn_content_loss(g, &l.made, &l.target, content_taps, CONTENT);
    l.term[GFLA_FRAME_STYLE] = pn_style_loss(g, &l.made, &l.target, style_taps, STYLE);
    l.term[GFLA_FRAME_CORRECTNESS_P] = correctness(g, previous, &known[GFLA_PREVIOUS], &l.target, mask);
    l.term[GFLA_FRAME_CORRECTNESS_R] = correctness(g, reference, &known[GFLA_REFERENCE], &l.target, mask);
    l.term[GFLA_FRAME_REGULARISATION_P] = regularisation(g, c, previous);
    l.term[GFLA_FRAME_REGULARISATION_R] = regularisation(g, c, reference);
    const double weight[GFLA_FRAME_TERMS] = { w.l1,          w.content,        w.style,         w.correctness,
                                              w.correctness, w.regularisation, w.regularisation };
    l.total = pn_terms_total(g, l.term, weight, GFLA_FRAME_TERMS);
    return l;
}
