/* models/rsa_gan/losses.c - what generator and discriminators are held to: the table of section 5 of the README */
#include "../face.h"
#include "rsa_gan.h"

static const pn_vgg19_tap perceptual_taps[] = { PN_RELU1_2 };
static const pn_vgg19_tap content_taps[] = { PN_RELU1_1, PN_RELU2_1, PN_RELU3_1, PN_RELU4_1, PN_RELU5_1 };
static const pn_vgg19_tap style_taps[] = { PN_RELU2_2, PN_RELU3_4, PN_RELU4_4, PN_RELU5_2 };
static const pn_vgg19_tap contextual_taps[] = { PN_RELU3_2, PN_RELU4_2 };
static const double bandwidth = 0.5, floor_class = 1e-6;

rsa_gan_judged rsa_gan_judged_inputs(pn_graph *g, const rsa_gan_config *c, const rsa_gan_output *made, pn_shape image,
                                     rsa_gan_weights w)
{
    static const char *const logits[RSA_GAN_BLOCKS] = { "logits0", "logits1", "logits2" };
    const ptrdiff_t n = image.dim[0], height = image.dim[2], width = image.dim[3];
    const pn_shape parsing = pn_shape4(n, c->classes, height, width);
    const bool regions = c->classes > 1;
    bool reads_logits = false;
    rsa_gan_judged see = { 0 };
    see.image = pn_input(g, "image", image, PN_GRAD);
    see.target = pn_input(g, "target", image, PN_CONST);
    if (w.by[RSA_GAN_ADV] != 0 || w.by[RSA_GAN_FM] != 0) {
        see.source = pn_input(g, "source", image, PN_CONST);
        see.pose = pn_input(g, "pose", pn_shape4(n, PN_JOINTS + PN_LIMBS, height, width), PN_CONST);
    }
    if (made->warped && w.by[RSA_GAN_WARP] != 0) see.warped = pn_input(g, "warped", pn_tensor_shape(made->warped), PN_GRAD);
    if (regions && c->rpsf && w.by[RSA_GAN_SEM] != 0) {
        see.soft = pn_input(g, "soft", pn_tensor_shape(made->soft), PN_GRAD);
        see.parsing_source = pn_input(g, "parsing_source", parsing, PN_CONST);
    }
    if (regions && c->pcgsi && w.by[RSA_GAN_PAR] != 0) {
        see.prior = pn_input(g, "prior", pn_tensor_shape(made->prior), PN_GRAD);
        see.parsing_target = pn_input(g, "parsing_target", parsing, PN_CONST);
    }
    for (int i = 0; regions && w.by[RSA_GAN_ATT] != 0 && i < RSA_GAN_BLOCKS; i++) {
        if (!made->logits[i]) continue;
        see.logits[i] = pn_input(g, logits[i], pn_tensor_shape(made->logits[i]), PN_GRAD);
        reads_logits = true;
    }
    if (reads_logits) see.classes = pn_input(g, "classes", pn_shape4(n, 1, height, width), PN_CONST);
    return see;
}

static pn_tensor *cells_of(pn_graph *g, pn_tensor *map)
{
    return pn_avg_pool2d(g, map, (pn_pool_opt){ .kernel = { RSA_GAN_CELL, RSA_GAN_CELL } });
}

/* ---- Terms of the regions ---------------------------------------------------------------------------------------------- */

/* -mean over cells of sum_k share_k log(p_k + 1e-6), share: how much of a cell is labelled k */
static pn_tensor *class_loss(pn_graph *g, pn_tensor *p, pn_tensor *parsing)
{
    pn_tensor *share = cells_of(g, parsing);
    const pn_shape s = pn_tensor_shape(p);
    pn_tensor *l = pn_log(g, p, floor_class);
    l = pn_mul(g, l, share);
    l = pn_mean(g, l, PN_ALL_AXES, PN_DROP_AXES);
    return pn_affine(g, l, s.rank ? -(double)s.dim[1] : 0, 0);
}

/* Cross-entropy of each block's e, brought to the picture's size; summed. */
static pn_tensor *attention_loss(pn_graph *g, const rsa_gan_judged *see)
{
    const pn_shape s = pn_tensor_shape(see->classes);
    pn_tensor *sum = NULL;
    for (int i = 0; i < RSA_GAN_BLOCKS; i++) {
        if (!see->logits[i]) continue;
        pn_tensor *e = pn_resize2d(g, see->logits[i], s.dim[2], s.dim[3], PN_BILINEAR, PN_HALF_PIXEL);
        e = pn_cross_entropy(g, e, see->classes);
        sum = sum ? pn_add(g, sum, e) : e;
    }
    return sum;
}

static pn_tensor *warp_loss(pn_graph *g, const rsa_gan_judged *see)
{
    pn_tensor *colours = cells_of(g, see->target);
    return pn_l1_loss(g, see->warped, colours);
}

/* ---- Terms of features ---------------------------------------------------------------------------------------------------- */

static pn_tensor *contextual(pn_graph *g, const pn_vgg19_features *a, const pn_vgg19_features *b)
{
    pn_tensor *at32 = pn_contextual_loss(g, a->tap[contextual_taps[0]], b->tap[contextual_taps[0]], bandwidth);
    pn_tensor *at42 = pn_contextual_loss(g, a->tap[contextual_taps[1]], b->tap[contextual_taps[1]], bandwidth);
    return pn_add(g, at32, at42);
}

static void terms_of_vgg(pn_graph *g, const pn_vgg19 *vgg, const rsa_gan_judged *see, const double by[], rsa_gan_losses *l)
{
    enum { CONTENT = sizeof content_taps / sizeof *content_taps, STYLE = sizeof style_taps / sizeof *style_taps };
    if (by[RSA_GAN_PER] == 0 && by[RSA_GAN_CONTENT] == 0 && by[RSA_GAN_STYLE] == 0 && by[RSA_GAN_CX] == 0) return;
    pn_block(g, "vgg");
    pn_tensor *image = pn_imagenet_colours(g, see->image);
    const pn_vgg19_features made = pn_vgg19_call(g, vgg, image, PN_RELU5_2);
    pn_tensor *truth = pn_imagenet_colours(g, see->target);
    const pn_vgg19_features target = pn_vgg19_call(g, vgg, truth, PN_RELU5_2);
    pn_block(g, "losses");
    if (by[RSA_GAN_PER] != 0) l->term[RSA_GAN_PER] = pn_content_loss(g, &made, &target, perceptual_taps, 1);
    if (by[RSA_GAN_CONTENT] != 0) l->term[RSA_GAN_CONTENT] = pn_content_loss(g, &made, &target, content_taps, CONTENT);
    if (by[RSA_GAN_STYLE] != 0) l->term[RSA_GAN_STYLE] = pn_style_loss(g, &made, &target, style_taps, STYLE);
    if (by[RSA_GAN_CX] != 0) l->term[RSA_GAN_CX] = contextual(g, &made, &target);
}

/* The mean over the six maps. */
static pn_tensor *matching(pn_graph *g, const rsa_gan_verdict *a, const rsa_gan_verdict *b)
{
    enum { MAPS = 2 * RSA_GAN_D_CONVS };
    pn_tensor *term[MAPS];
    double share[MAPS];
    for (int i = 0; i < MAPS; i++) {
        const int at = i % RSA_GAN_D_CONVS;
        const rsa_gan_judgement *made = i < RSA_GAN_D_CONVS ? &a->pose : &a->pair,
                                *truth = i < RSA_GAN_D_CONVS ? &b->pose : &b->pair;
        term[i] = pn_l1_loss(g, made->feature[at], truth->feature[at]);
        share[i] = 1.0 / MAPS;
    }
    return pn_weighted_sum(g, term, share, MAPS);
}

static void terms_of_critics(pn_graph *g, const rsa_gan_critics_net *d, const rsa_gan_judged *see, const double by[],
                             rsa_gan_losses *l)
{
    if (!see->pose) return;
    pn_block(g, "discriminator");
    const rsa_gan_verdict made = rsa_gan_critics(g, d, see->image, see->pose, see->source);
    if (by[RSA_GAN_ADV] != 0) {
        pn_tensor *body = pn_gan_g_loss(g, PN_GAN_LSGAN, made.pose.score);
        pn_tensor *person = pn_gan_g_loss(g, PN_GAN_LSGAN, made.pair.score);
        l->term[RSA_GAN_ADV] = pn_weighted_sum(g, (pn_tensor *[]){ body, person }, (double[]){ 0.5, 0.5 }, 2);
    }
    if (by[RSA_GAN_FM] == 0) return;
    const rsa_gan_verdict truth = rsa_gan_critics(g, d, see->target, see->pose, see->source);
    l->term[RSA_GAN_FM] = matching(g, &made, &truth);
}

/* ---- All of them ------------------------------------------------------------------------------------------------------------ */

rsa_gan_losses rsa_gan_losses_of(pn_graph *g, const pn_vgg19 *vgg, const rsa_gan_critics_net *d,
                                 const rsa_gan_judged *see, rsa_gan_weights w)
{
    rsa_gan_losses l = { 0 };
    terms_of_critics(g, d, see, w.by, &l);
    if (vgg) terms_of_vgg(g, vgg, see, w.by, &l);
    pn_block(g, "losses");
    if (w.by[RSA_GAN_L1] != 0) l.term[RSA_GAN_L1] = pn_l1_loss(g, see->image, see->target);
    if (see->classes) l.term[RSA_GAN_ATT] = attention_loss(g, see);
    if (see->prior) l.term[RSA_GAN_PAR] = class_loss(g, see->prior, see->parsing_target);
    if (see->soft) l.term[RSA_GAN_SEM] = class_loss(g, see->soft, see->parsing_source);
    if (see->warped) l.term[RSA_GAN_WARP] = warp_loss(g, see);
    l.total = pn_terms_total(g, l.term, w.by, RSA_GAN_TERMS);
    return l;
}

pn_tensor *rsa_gan_d_loss(pn_graph *g, const rsa_gan_critics_net *d, pn_tensor *real, pn_tensor *fake, pn_tensor *pose,
                          pn_tensor *source)
{
    const rsa_gan_verdict on_real = rsa_gan_critics(g, d, real, pose, source);
    const rsa_gan_verdict on_fake = rsa_gan_critics(g, d, fake, pose, source);
    pn_tensor *body = pn_gan_d_loss(g, PN_GAN_LSGAN, on_real.pose.score, on_fake.pose.score);
    pn_tensor *person = pn_gan_d_loss(g, PN_GAN_LSGAN, on_real.pair.score, on_fake.pair.score);
    return pn_add(g, body, person);
}
