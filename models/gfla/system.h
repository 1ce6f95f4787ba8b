/* models/gfla/system.h - between gfla.c, which has the options, and the tasks, each of which is a face of its own
 *
 * A task has its networks, what it reads and how it trains; options, presets and VGG19 are the same for all.
 */
#ifndef GFLA_SYSTEM_H
#define GFLA_SYSTEM_H

#include "../face.h"
#include "gfla.h"

/* Parts: the generator, the discriminator of pictures, that of several frames. */
enum { GFLA_PART_G, GFLA_PART_D, GFLA_PART_V };

/* Every task's model begins with it. */
typedef struct {
    pn_model base;
    gfla_config config;
    gfla_weights full, flow;        /* of the losses, by stage */
    pn_gan gan;
    pn_init start;                  /* of all weights */
} gfla_model;

/* Read the options of a task whose structures have this many channels. */
pn_status gfla_options(gfla_model *m, int structure);
/* The generator's widths from a foreign file's shapes, by the names of its source encoder, its flow net and its attention
 * without the number ("target.attn"). Caps show themselves only where they cut, so the widest layer stands for them. false: not there */
bool gfla_recognise(pn_model *m, const pn_weights *w, const char *source, const char *flow_net, const char *attention);

/* What losses look through. */
typedef struct { pn_params *params; pn_vgg19 vgg; } gfla_sight;
pn_status gfla_sight_open(pn_training *t, gfla_sight *s);

/* Names of the flows, masks and attentions of one source, coarse to fine; and what of `out` is worth looking at, under them. */
typedef struct { const char *flow[GFLA_MAX_FLOWS], *mask[GFLA_MAX_FLOWS], *attention[GFLA_MAX_FLOWS]; } gfla_view_names;
void gfla_show(pn_generation *gen, const gfla_output *out, const gfla_view_names *names);

/* ---- Tasks whose sample is a pair (pairs.c): from a picture and two structures another picture --------------------------- */

/* The networks' figure, which is all that differs. m: the task's model. */
typedef struct gfla_pair_model {
    gfla_model common;
    gfla_discriminator_net d;
    gfla_input (*inputs)(pn_graph *g, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t width);
    gfla_output (*flow)(pn_graph *g, const struct gfla_pair_model *m, const gfla_input *in);     /* stage flow */
    gfla_output (*generator)(pn_graph *g, const struct gfla_pair_model *m, const gfla_input *in);
} gfla_pair_model;
typedef struct {
    pn_training base;
    gfla_sight sight;
    pn_graph *gen_graph, *dis_graph, *crit_graph;
    pn_plan *gen, *dis, *crit;
    gfla_input in;
    gfla_output out;
    pn_tensor *real, *fake, *d_loss;
    gfla_judged see;
    gfla_losses losses;
} gfla_pair_training;
typedef struct { pn_generation base; gfla_input in; } gfla_pair_generation;
/* Read the options and make what pair tasks have in common, D included. g: where the generator goes. */
pn_status gfla_pair_make(gfla_pair_model *m, int structure, pn_scope *g);
pn_status gfla_pair_train(pn_training *t);
pn_status gfla_pair_step(pn_training *t, const pn_model_input *in, double losses[PN_MAX_LOSSES]);
void gfla_pair_train_free(pn_training *t);
pn_status gfla_pair_describe(pn_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width);
pn_status gfla_pair_feed(pn_generation *gen, const pn_model_input *in);

extern const pn_model_face gfla_pose_face, gfla_dance_face, gfla_face_face, gfla_view_face, gfla_keypoint_face;

#endif
