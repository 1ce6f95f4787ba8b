/* models/gfla/recurrent.h - person ("dance") and face animation: each frame from the one before and from a reference
 *
 *   previous  ──► source_previous  ──► Fp ──► attention along flow p, mask p ─┐
 *   reference ──► source_reference ──► Fr ──► attention along flow r, mask r ─┴─(+)─► decoder ──► frame, the next one's previous
 *   structure ──► target encoder   ──► Ft ──────────────────────────────────────┘
 *
 * Flows and masks come from two nets (dance: flow_net_previous, flow_net_reference) or from one (face: flow_net).
 */
#ifndef GFLA_RECURRENT_H
#define GFLA_RECURRENT_H

#include "system.h"

enum { GFLA_PREVIOUS, GFLA_REFERENCE, GFLA_ORIGINS };   /* where features come from */
enum {
    GFLA_MAX_FRAMES = 32,           /* of a chunk */
    GFLA_WINDOW = 6,                /* frames that the temporal discriminator of a dance sees at once */
    GFLA_DIFFERENCES = 3            /* frames whose two differences that of a face sees */
};

/* ---- Networks ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    gfla_encoder source[GFLA_ORIGINS];                  /* source_previous, source_reference */
    gfla_target target;                                 /* attn_pI, attn_rI */
    gfla_flow_net flow[GFLA_ORIGINS];                   /* face: the first alone, of both */
} gfla_animation_net;
gfla_animation_net gfla_dance_make(const pn_scope *s, const gfla_config *c);
gfla_animation_net gfla_face_make(const pn_scope *s, const gfla_config *c);

/* picture [N,3,H,W], structure [N,C,H,W], by origin */
typedef struct { pn_tensor *picture[GFLA_ORIGINS], *structure[GFLA_ORIGINS]; } gfla_before;
typedef struct { pn_tensor *image; gfla_output from[GFLA_ORIGINS]; } gfla_frame;
/* reference: gfla_encode of the reference by source[GFLA_REFERENCE], the same for all frames */
gfla_frame gfla_animate(pn_graph *g, const gfla_animation_net *net, const gfla_before *before, const gfla_features *reference,
                        pn_tensor *structure);

/* 3-D convolutions over 6 frames, then 2-D ones over the two that are left. The released code has them, no paper. */
typedef struct {
    gfla_d_block block[2];                              /* weights [O,C,D,KH,KW] */
    gfla_d_block encoder[2];
    pn_conv_layer conv;
} gfla_temporal_net;
gfla_temporal_net gfla_temporal_make(const pn_scope *s, const gfla_config *c);
/* frames [6 N,3,H,W], the first of all N, then the second …; returns logits [N,1,H/16,W/16] */
pn_tensor *gfla_temporal(pn_graph *g, const gfla_temporal_net *net, pn_tensor *frames);

/* ---- The model ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    gfla_model common;
    bool dance;                     /* else face */
    int frames, window;             /* T of a chunk, frames that the video's discriminator sees */
    gfla_animation_net g;
    gfla_discriminator_net d;
    gfla_temporal_net temporal;     /* dance */
    gfla_discriminator_net differences;                 /* face */
} gfla_animation_model;

/* Logits of the video's discriminator on a window of frames [N,3,H,W]. */
pn_tensor *gfla_watch(pn_graph *g, const gfla_animation_model *m, pn_tensor *const frame[]);

/* ---- Losses of one frame (losses.c) ------------------------------------------------------------------------------------------ */

enum {
    GFLA_FRAME_L1, GFLA_FRAME_CONTENT, GFLA_FRAME_STYLE, GFLA_FRAME_CORRECTNESS_P, GFLA_FRAME_CORRECTNESS_R,
    GFLA_FRAME_REGULARISATION_P, GFLA_FRAME_REGULARISATION_R, GFLA_FRAME_TERMS
};
typedef struct { pn_tensor *term[GFLA_FRAME_TERMS], *total; pn_vgg19_features target, made; } gfla_frame_losses;
/* Where flow of a level is judged. */
pn_vgg19_tap gfla_correctness_tap(int level);
/* see: flows by origin; of the reference also image and target. known: features by origin, at the taps of the flows' levels.
 * mask [N,1,H,W] or NULL: flows are judged everywhere */
gfla_frame_losses gfla_judge_frame(pn_graph *g, const gfla_config *c, const pn_vgg19 *vgg, const gfla_judged see[GFLA_ORIGINS],
                                   const pn_vgg19_features known[GFLA_ORIGINS], pn_tensor *mask, gfla_weights w);

/* ---- Training (recurrent_training.c) ------------------------------------------------------------------------------------------- */

/* Which frame the first discriminator looks at, and where the video's window begins. */
typedef struct { ptrdiff_t frame, window; } gfla_look;

typedef struct {
    pn_training base;
    gfla_sight sight;
    pn_graph *gen_graph, *dis_graph, *vid_graph, *look_graph, *crit_graph, *adv_graph;
    pn_plan *gen, *dis, *vid, *look, *crit, *adv;

    gfla_before before;             /* leaves of gen */
    pn_tensor *structure[GFLA_MAX_FRAMES];
    gfla_frame frame[GFLA_MAX_FRAMES];

    pn_tensor *real, *fake, *d_loss;                    /* of dis */
    pn_tensor *true_window[GFLA_WINDOW], *made_window[GFLA_WINDOW], *v_loss;    /* of vid */
    pn_tensor *picture;             /* of look: what the first frame comes from, and the reference */
    pn_vgg19_features features, known[GFLA_ORIGINS];    /* of look and, as leaves, of crit */
    gfla_judged see[GFLA_ORIGINS];                      /* of crit: one frame at a time */
    pn_tensor *mask;
    gfla_frame_losses losses;
    pn_tensor *looked_at, *watched[GFLA_WINDOW], *term_frame, *term_video;      /* of adv */

    pn_tensor *steps, *previous, *pose_previous, *true_previous;    /* state: how many were taken, and how the last chunk ended */
    pn_real *gradient, *seed, *last;                    /* room: of a frame's picture, of all of them, of a picture */
    pn_real *ones;                                      /* a mask */
} gfla_animation_training;

/* A step whose discriminators look where they are told: look[0] in their own turn, look[1] in the generator's. */
pn_status gfla_animation_learn(pn_training *t, const pn_model_input *in, const gfla_look look[2], double losses[PN_MAX_LOSSES]);
pn_status gfla_animation_train(pn_training *t);
pn_status gfla_animation_step(pn_training *t, const pn_model_input *in, double losses[PN_MAX_LOSSES]);
void gfla_animation_train_free(pn_training *t);
extern const char *const gfla_animation_losses[];

#endif
