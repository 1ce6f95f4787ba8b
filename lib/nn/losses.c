/* lib/nn/losses.c - losses that are a few ops each */
#include "posenet.h"

/* mean (x - 1)^2 */
static pn_tensor *mean_square_from_one(pn_graph *g, pn_tensor *x)
{
    pn_tensor *d = pn_affine(g, x, 1, -1);
    pn_tensor *square = pn_mul(g, d, d);
    return pn_mean(g, square, PN_ALL_AXES, PN_DROP_AXES);
}

static pn_tensor *mean_square(pn_graph *g, pn_tensor *x)
{
    pn_tensor *square = pn_mul(g, x, x);
    return pn_mean(g, square, PN_ALL_AXES, PN_DROP_AXES);
}

/* mean relu(1 + sign x) */
static pn_tensor *mean_hinge(pn_graph *g, pn_tensor *x, double sign)
{
    pn_tensor *margin = pn_affine(g, x, sign, 1);
    pn_tensor *hinge = pn_relu(g, margin);
    return pn_mean(g, hinge, PN_ALL_AXES, PN_DROP_AXES);
}

pn_tensor *pn_gan_d_loss(pn_graph *g, pn_gan kind, pn_tensor *on_real, pn_tensor *on_fake)
{
    pn_tensor *real = kind == PN_GAN_LSGAN ? mean_square_from_one(g, on_real) : mean_hinge(g, on_real, -1);
    pn_tensor *fake = kind == PN_GAN_LSGAN ? mean_square(g, on_fake) : mean_hinge(g, on_fake, 1);
    pn_tensor *sum = pn_add(g, real, fake);
    return pn_affine(g, sum, 0.5, 0);
}

pn_tensor *pn_gan_g_loss(pn_graph *g, pn_gan kind, pn_tensor *on_fake)
{
    if (kind == PN_GAN_LSGAN) return mean_square_from_one(g, on_fake);
    pn_tensor *mean = pn_mean(g, on_fake, PN_ALL_AXES, PN_DROP_AXES);
    return pn_affine(g, mean, -1, 0);
}

pn_tensor *pn_weighted_sum(pn_graph *g, pn_tensor *const term[], const double weight[], int n)
{
    pn_tensor *sum = NULL;
    for (int i = 0; i < n; i++) {
        pn_tensor *weighted = pn_affine(g, term[i], weight[i], 0);
        sum = i == 0 ? weighted : pn_add(g, sum, weighted);
    }
    return sum;
}

typedef pn_tensor *pair_loss(pn_graph *g, pn_tensor *a, pn_tensor *b);

static pn_tensor *over_taps(pn_graph *g, pair_loss *loss, const pn_vgg19_features *a, const pn_vgg19_features *b,
                            const pn_vgg19_tap taps[], int n)
{
    pn_tensor *sum = NULL;
    for (int i = 0; i < n; i++) {
        pn_tensor *term = loss(g, a->tap[taps[i]], b->tap[taps[i]]);
        sum = i == 0 ? term : pn_add(g, sum, term);
    }
    return sum;
}

static pn_tensor *gram_loss(pn_graph *g, pn_tensor *a, pn_tensor *b)
{
    pn_tensor *gram_a = pn_gram(g, a);
    pn_tensor *gram_b = pn_gram(g, b);
    return pn_l1_loss(g, gram_a, gram_b);
}

pn_tensor *pn_content_loss(pn_graph *g, const pn_vgg19_features *a, const pn_vgg19_features *b, const pn_vgg19_tap taps[], int n)
{
    return over_taps(g, pn_l1_loss, a, b, taps, n);
}

pn_tensor *pn_style_loss(pn_graph *g, const pn_vgg19_features *a, const pn_vgg19_features *b, const pn_vgg19_tap taps[], int n)
{
    return over_taps(g, gram_loss, a, b, taps, n);
}
