/* models/glocal/training.h - between glocal.c, which makes and generates, and training.c, which trains */
#ifndef GLOCAL_TRAINING_H
#define GLOCAL_TRAINING_H

#include "../face.h"
#include "glocal.h"

enum { GLOCAL_PART_G, GLOCAL_PART_D, GLOCAL_PART_T }; /* T: how far training is, which files of weights alone lack */

typedef struct {
    pn_model base;
    glocal_config config;
    glocal_generator_net g;
    glocal_discriminator_net d;
    pn_tensor *steps; /* state [1]: training steps taken */
    glocal_weights weights;
    bool hard, true_layout, raw_vgg;
    double drop, tau, tau_start;
    int tau_warm;
    pn_hole_kind hole;
    pn_hole_place place;
    bool settled;      /* the singular vectors */
} glocal_model;

/* The graphs of one lesson: generator, codes of the whole target, critic. */
typedef struct {
    glocal_lesson kind;
    pn_graph *gen_graph, *eye_graph, *crit_graph;
    pn_plan *gen, *eye, *crit;
    glocal_input in, look; /* look: what the eye is shown */
    glocal_output out;
    pn_tensor *z, *layout; /* layout: a leaf, the target's true one; NULL: predicted, or the source's */
    pn_tensor *codes;
    glocal_judged see;
    glocal_losses losses;
} glocal_lesson_plans;

typedef struct {
    pn_training base;
    bool parsing_only;
    pn_params *vgg_params;
    pn_vgg19 vgg;
    glocal_critic critic;
    glocal_lesson_plans lesson[2];
    int lessons;
    pn_graph *dis_graph;
    pn_plan *dis;
    pn_tensor *real, *fake, *d_loss;
    int slot[GLOCAL_TERMS + 2]; /* where losses[] holds a term, D's loss, the mean peak; 0: nowhere */
    double last[PN_MAX_LOSSES]; /* of what this step's lesson does not have */
    glocal_sight source, target;
    pn_real *numbers, *classes, *code_weight, *warp_weight, *hole_weight, *outside_weight, *peak;
} glocal_training;

extern const char *const glocal_loss_names[];
pn_status glocal_train(pn_training *t);
pn_status glocal_step(pn_training *t, const pn_model_input *in, double losses[PN_MAX_LOSSES]);
void glocal_train_free(pn_training *t);
/* layout [N,8,H,W], poses [N,18,H,W], where the graph reads them */
pn_status glocal_set_maps(pn_plan *p, const glocal_input *in, const pn_real *layout, const pn_real *pose_source,
                          const pn_real *pose_target);

#endif
