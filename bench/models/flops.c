/* bench/models/flops.c - what the models' training steps cost: operations for one picture, two per multiply-add, of
 * convolutions and correlations alone, counted the direct way
 *
 * A backward of a layer that learns costs two forwards, of a frozen one a single one; whatever reads a picture saves
 * one half of its first layer, which is left out of account.
 */
#include "support/pnbench.h"

#include <string.h>

/* GFLA at 256x256: the networks once forward, VGG19 to relu5_2 and to relu4_1, the correlations of both levels. */
static const double generator = 2 * 20.455e9, flow_net = 2 * 2.393e9, discriminator = 2 * 1.136e9;
static const double vgg = 2 * 24.272e9, vgg_levels = 2 * 15.817e9;
static const double correlation = 2 * 4.832e9; /* 4096^2 x 256 + 1024^2 x 512: grows with the area squared */

typedef struct {
    const char *work;
    double generator, flow_net, discriminator, vgg, vgg_levels, correlation;
} passes;
static const passes gfla[] = {
    { "flow", .flow_net = 3, .vgg_levels = 2, .correlation = 1 }, /* source and target; neither gets a gradient */
    /* D: real and fake, three each; then the fake again and back to the picture. VGG19: picture and target, back to the
     * picture; the source only to where flows are judged. */
    { "full", .generator = 3, .discriminator = 6 + 2, .vgg = 2 + 1, .vgg_levels = 1, .correlation = 1 },
    { "discriminator", .discriminator = 6 },
};

/* GLocal at 256x176: the networks once forward; what grows with the area squared, the correspondence and what it carries. */
static const double of_256x176 = 256.0 * 176, glocal_once = 2 * 49.44e9, glocal_pairs = 2 * 1.229e9, glocal_parsing = 2 * 6.66e9;
static const double glocal_style = 2 * 8.08e9, glocal_disc = 2 * 0.78e9;

/* D: real and fake, three each; in the critic the fake and back to the picture. Style: the target once more. VGG19: picture
 * and target, back to the picture. */
static double glocal_flops(const char *work, double area)
{
    const double once = area * glocal_once + area * area * glocal_pairs;
    if (strcmp(work, "parsing") == 0) return 3 * area * glocal_parsing;
    return 3 * once + area * (glocal_style + (6 + 2) * glocal_disc + (2 + 1) * vgg * of_256x176 / (256 * 256));
}

/* RSA-GAN at 256x176: the same; and of both discriminators once, and of the contextual loss's two correlations. */
static const double rsa_gan_once = 2 * 67.32e9, rsa_gan_pairs = 2 * 5.162e9, rsa_gan_disc = 2 * 7.138e9, contextual = 2 * 2.284e9;

/* Discriminators: real and fake, three each; in the critic the fake and back to the picture. Contextual loss: and back. */
static double rsa_gan_flops(double area)
{
    const double once = area * rsa_gan_once + area * area * rsa_gan_pairs;
    return 3 * once + area * ((6 + 2) * rsa_gan_disc + (2 + 1) * vgg * of_256x176 / (256 * 256)) + 2 * area * area * contextual;
}

double bench_model_flops(const bench_model *m)
{
    const char *work = m->stage;
    const double area = (double)(m->height * m->width) / (256 * 256);
    if (strcmp(m->name, "glocal") == 0) return glocal_flops(work, (double)(m->height * m->width) / of_256x176);
    if (strcmp(m->name, "rsa_gan") == 0) return rsa_gan_flops((double)(m->height * m->width) / of_256x176);
    if (strcmp(m->name, "gfla") != 0) return 0;
    for (size_t i = 0; i < sizeof gfla / sizeof *gfla; i++) {
        const passes *p = &gfla[i];
        if (strcmp(p->work, work) != 0) continue;
        return area * (p->generator * generator + p->flow_net * flow_net + p->discriminator * discriminator +
                       p->vgg * vgg + p->vgg_levels * vgg_levels + p->correlation * area * correlation);
    }
    return 0;
}
