/* models/glocal/losses.c - what the generator is held to: the table of section 5 of the README
 *
 * Means over some cells or regions alone are means over all of numbers that were multiplied by weights: leaves, for they
 * follow from label maps and holes.
 */
#include "../face.h"
#include "glocal.h"

static const pn_vgg19_tap content_taps[] = { PN_RELU1_1, PN_RELU2_1, PN_RELU3_1, PN_RELU4_1, PN_RELU5_1 };
static const pn_vgg19_tap style_taps[] = { PN_RELU2_2, PN_RELU3_4, PN_RELU4_4, PN_RELU5_2 };
static const pn_vgg19_tap structure_taps[] = { PN_RELU2_1, PN_RELU3_1 };

/* Of the structure loss, whatever the generator's own window is. */
enum { WINDOW = 5, PATCH = 3 };
static const double patch_sigma = 0.1, length_eps = 1e-6;
static const double layout_l1 = 10, layout_l1_pise = 100;

glocal_judged glocal_judged_inputs(pn_graph *g, const glocal_output *made, pn_tensor *z, glocal_lesson lesson,
                                   pn_shape image, glocal_weights weights)
{
    const ptrdiff_t n = image.dim[0], h = image.dim[2], w = image.dim[3];
    const pn_shape plane = pn_shape4(n, 1, h, w);
    glocal_judged see = { 0 };
    if (z) {
        see.z = pn_input(g, "z", pn_tensor_shape(z), PN_GRAD);
        see.layout = pn_input(g, "layout", pn_tensor_shape(z), PN_CONST);
        see.classes = pn_input(g, "classes", plane, PN_CONST);
    }
    if (!made) return see;
    see.image = pn_input(g, "image", image, PN_GRAD);
    see.target = pn_input(g, "target", image, PN_CONST);
    if (made->warped && weights.by[GLOCAL_WARP] != 0) {
        see.warped = pn_input(g, "warped", pn_tensor_shape(made->warped), PN_GRAD);
        see.warp_weight = pn_input(g, "warp_weight", pn_shape4(n, 1, h / GLOCAL_CELL, w / GLOCAL_CELL), PN_CONST);
    }
    if (made->proposed && weights.by[GLOCAL_CODE] != 0) {
        see.proposed = pn_input(g, "proposed", pn_tensor_shape(made->proposed), PN_GRAD);
        see.codes = pn_input(g, "codes", pn_tensor_shape(made->codes), PN_CONST);
        see.code_weight = pn_input(g, "code_weight", pn_shape3(n, GLOCAL_REGIONS, 1), PN_CONST);
    }
    if (weights.by[GLOCAL_REG] != 0) see.x1 = pn_input(g, "x1", pn_tensor_shape(made->x1), PN_GRAD);
    if (lesson == GLOCAL_WHOLE) return see;
    see.hole_weight = pn_input(g, "hole_weight", plane, PN_CONST);
    see.outside_weight = pn_input(g, "outside_weight", plane, PN_CONST);
    return see;
}

static pn_tensor *weighted_l1(pn_graph *g, pn_tensor *a, pn_tensor *b, pn_tensor *weight)
{
    pn_tensor *wa = pn_mul(g, a, weight);
    pn_tensor *wb = pn_mul(g, b, weight);
    return pn_l1_loss(g, wa, wb);
}

static pn_tensor *area(pn_graph *g, pn_tensor *x, int side)
{
    return pn_avg_pool2d(g, x, (pn_pool_opt){ .kernel = { side, side } });
}

static pn_tensor *parsing_loss(pn_graph *g, glocal_head head, const glocal_judged *see)
{
    pn_tensor *pi = glocal_soft(g, head, see->z);
    pn_tensor *entropy = pn_cross_entropy(g, head == GLOCAL_LOGITS ? see->z : pi, see->classes);
    pn_tensor *l1 = pn_l1_loss(g, pi, see->layout);
    return pn_weighted_sum(g, (pn_tensor *[]){ entropy, l1 },
                           (double[]){ 1, head == GLOCAL_LOGITS ? layout_l1 : layout_l1_pise }, 2);
}

/* The graph's proposal for every region that the whole target shows, held to the target's code. */
static pn_tensor *code_loss(pn_graph *g, const glocal_judged *see)
{
    pn_tensor *codes = pn_slice(g, see->codes, 1, 0, GLOCAL_REGIONS);
    return weighted_l1(g, see->proposed, codes, see->code_weight);
}

static pn_tensor *warp_loss(pn_graph *g, const glocal_judged *see)
{
    pn_tensor *target = area(g, see->target, GLOCAL_CELL);
    return weighted_l1(g, see->warped, target, see->warp_weight);
}

/* ---- Local structure of the two pictures ------------------------------------------------------------------------------ */

static pn_tensor *structure_of_patches(pn_graph *g, pn_tensor *picture, int side)
{
    pn_tensor *x = area(g, picture, side);
    return pn_patch_similarity(g, x, PATCH, WINDOW, patch_sigma);
}

static pn_tensor *structure_of_features(pn_graph *g, pn_tensor *f)
{
    f = pn_unit_channels(g, f, PN_RAW, length_eps);
    return pn_self_correlation(g, f, WINDOW);
}

static pn_tensor *structure_loss(pn_graph *g, const glocal_judged *see)
{
    pn_tensor *term[2];
    for (int i = 0; i < 2; i++) {
        pn_tensor *made = structure_of_patches(g, see->image, 2 << i);
        pn_tensor *target = structure_of_patches(g, see->target, 2 << i);
        term[i] = pn_l1_loss(g, made, target);
    }
    return pn_add(g, term[0], term[1]);
}

static pn_tensor *structure_loss_vgg(pn_graph *g, const pn_vgg19_features *a, const pn_vgg19_features *b)
{
    pn_tensor *term[2];
    for (int i = 0; i < 2; i++) {
        pn_tensor *made = structure_of_features(g, a->tap[structure_taps[i]]);
        pn_tensor *target = structure_of_features(g, b->tap[structure_taps[i]]);
        term[i] = pn_l1_loss(g, made, target);
    }
    return pn_add(g, term[0], term[1]);
}

/* ---- Terms that look at whole pictures -------------------------------------------------------------------------------- */

static pn_tensor *scales_loss(pn_graph *g, const glocal_judged *see)
{
    pn_tensor *term[2];
    for (int i = 0; i < 2; i++) {
        pn_tensor *made = area(g, see->image, 2 << i);
        pn_tensor *target = area(g, see->target, 2 << i);
        term[i] = pn_l1_loss(g, made, target);
    }
    return pn_weighted_sum(g, term, (double[]){ 0.5, 0.5 }, 2);
}

static pn_tensor *matching_loss(pn_graph *g, const glocal_judgement *a, const glocal_judgement *b)
{
    static const double quarter[GLOCAL_DOWNS] = { 0.25, 0.25, 0.25, 0.25 };
    pn_tensor *term[GLOCAL_DOWNS];
    for (int i = 0; i < GLOCAL_DOWNS; i++) term[i] = pn_l1_loss(g, a->block[i], b->block[i]);
    return pn_weighted_sum(g, term, quarter, GLOCAL_DOWNS);
}

static pn_vgg19_features look_through(pn_graph *g, const glocal_critic *critic, pn_tensor *picture)
{
    pn_tensor *x = critic->raw ? picture : pn_imagenet_colours(g, picture);
    return pn_vgg19_call(g, critic->vgg, x, PN_RELU5_2);
}

/* mean (X1 - conv3_1 of the target)^2, before its relu */
static pn_tensor *regularisation(pn_graph *g, const glocal_critic *critic, const glocal_judged *see,
                                 const pn_vgg19_features *target)
{
    static const pn_pool_opt halve = { .kernel = { 2, 2 } };
    pn_tensor *y = pn_max_pool2d(g, target->tap[PN_RELU2_2], halve);
    y = pn_conv_layer_call(g, &critic->vgg->conv[PN_RELU3_1], y);
    return pn_mse_loss(g, see->x1, y);
}

static void terms_of_vgg(pn_graph *g, const glocal_critic *critic, const glocal_judged *see, const double by[],
                         glocal_losses *l)
{
    enum { CONTENT = sizeof content_taps / sizeof *content_taps, STYLE = sizeof style_taps / sizeof *style_taps };
    if (by[GLOCAL_CONTENT] == 0 && by[GLOCAL_STYLE] == 0 && by[GLOCAL_LS] == 0 && !see->x1) return;
    pn_block(g, "vgg");
    const pn_vgg19_features target = look_through(g, critic, see->target);      /* leaves little in memory */
    const pn_vgg19_features made = look_through(g, critic, see->image);
    pn_block(g, "losses");
    if (by[GLOCAL_LS] != 0) l->term[GLOCAL_LS] = structure_loss_vgg(g, &made, &target);
    if (by[GLOCAL_CONTENT] != 0) l->term[GLOCAL_CONTENT] = pn_content_loss(g, &made, &target, content_taps, CONTENT);
    if (by[GLOCAL_STYLE] != 0) l->term[GLOCAL_STYLE] = pn_style_loss(g, &made, &target, style_taps, STYLE);
    if (see->x1) l->term[GLOCAL_REG] = regularisation(g, critic, see, &target);
}

/* Without VGG19 the discriminator's own features and two coarser scales stand for it. */
static void terms_of_discriminator(pn_graph *g, const glocal_critic *critic, const glocal_discriminator_net *d,
                                   const glocal_judged *see, const double by[], glocal_losses *l)
{
    pn_block(g, "discriminator");
    const glocal_discriminator_net ready = glocal_discriminator_normalised(g, d);
    const glocal_judgement made = glocal_discriminator(g, &ready, see->image);
    if (by[GLOCAL_ADV] != 0) l->term[GLOCAL_ADV] = pn_gan_g_loss(g, PN_GAN_LSGAN, made.score);
    if (critic->vgg) return;
    if (by[GLOCAL_FM] != 0) {
        const glocal_judgement target = glocal_discriminator(g, &ready, see->target);
        l->term[GLOCAL_FM] = matching_loss(g, &made, &target);
    }
    pn_block(g, "losses");
    if (by[GLOCAL_MS] != 0) l->term[GLOCAL_MS] = scales_loss(g, see);
    if (by[GLOCAL_LS] != 0) l->term[GLOCAL_LS] = structure_loss(g, see);
}

static void terms_of_image(pn_graph *g, const glocal_critic *critic, const glocal_discriminator_net *d,
                           const glocal_judged *see, const double by[], glocal_losses *l)
{
    terms_of_discriminator(g, critic, d, see, by, l);
    if (critic->vgg) terms_of_vgg(g, critic, see, by, l);
    pn_block(g, "losses");
    if (see->hole_weight) {
        l->term[GLOCAL_HOLE] = weighted_l1(g, see->image, see->target, see->hole_weight);
        l->term[GLOCAL_OUTSIDE] = weighted_l1(g, see->image, see->target, see->outside_weight);
    } else {
        l->term[GLOCAL_REC] = pn_l1_loss(g, see->image, see->target);
    }
    if (see->proposed) l->term[GLOCAL_CODE] = code_loss(g, see);
    if (see->warped) l->term[GLOCAL_WARP] = warp_loss(g, see);
}

glocal_losses glocal_losses_of(pn_graph *g, const glocal_config *c, const glocal_critic *critic,
                               const glocal_discriminator_net *d, const glocal_judged *see, glocal_weights w)
{
    glocal_losses l = { 0 };
    if (see->image) terms_of_image(g, critic, d, see, w.by, &l);
    pn_block(g, "losses");
    if (see->z) l.term[GLOCAL_PAR] = parsing_loss(g, c->head, see);
    l.total = pn_terms_total(g, l.term, w.by, GLOCAL_TERMS);
    return l;
}

pn_tensor *glocal_d_loss(pn_graph *g, const glocal_discriminator_net *d, pn_tensor *real, pn_tensor *fake)
{
    const glocal_discriminator_net ready = glocal_discriminator_normalised(g, d);
    const glocal_judgement on_real = glocal_discriminator(g, &ready, real);
    const glocal_judgement on_fake = glocal_discriminator(g, &ready, fake);
    return pn_gan_d_loss(g, PN_GAN_LSGAN, on_real.score, on_fake.score);
}
