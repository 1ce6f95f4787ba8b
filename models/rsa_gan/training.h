/* models/rsa_gan/training.h - between rsa_gan.c, which makes and generates, and training.c, which trains */
#ifndef RSA_GAN_TRAINING_H
#define RSA_GAN_TRAINING_H

#include "../face.h"
#include "rsa_gan.h"

/* T: how far training is, which files of weights alone lack. LOOK: VGG19 of style_enc=vgg, if there is one. */
enum { RSA_GAN_PART_G, RSA_GAN_PART_D, RSA_GAN_PART_T, RSA_GAN_PART_LOOK };

typedef struct {
    pn_model base;
    rsa_gan_config config;
    rsa_gan_generator_net g;
    rsa_gan_critics_net d;
    pn_tensor *steps; /* state [1]: training steps taken */
    rsa_gan_weights weights;
    bool l1_follows_vgg; /* lambda_l1=auto */
    double lambda_d, tau, tau_start, mistakes;
    int tau_steps;    /* 0: of the run */
} rsa_gan_model;

typedef struct {
    pn_training base;
    pn_params *vgg_params;
    pn_vgg19 vgg;
    pn_graph *gen_graph, *crit_graph, *dis_graph;
    pn_plan *gen, *crit, *dis;
    rsa_gan_input in;
    rsa_gan_output out;
    rsa_gan_judged see;
    rsa_gan_losses losses;
    pn_tensor *real, *fake, *pose, *source, *d_loss; /* of dis_graph */
    rsa_gan_evidence evidence;
    pn_real *numbers, *classes;
    double tau_steps;
} rsa_gan_training;

extern const char *const rsa_gan_loss_names[];
pn_status rsa_gan_train(pn_training *t);
pn_status rsa_gan_step(pn_training *t, const pn_model_input *in, double losses[PN_MAX_LOSSES]);
void rsa_gan_train_free(pn_training *t);
/* Everything that the generator's graph reads. evidence: where to gather it */
pn_status rsa_gan_feed(pn_plan *p, const rsa_gan_input *leaves, rsa_gan_evidence *evidence, const pn_model_input *in);

#endif
