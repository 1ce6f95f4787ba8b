/* posenet/synth.h - synthetic people: the data set that is always at hand
 *
 * A person is a body, hair, a face and a wardrobe drawn from (seed, person); a view is a pose, a yaw and a framing
 * drawn from (seed, person, view). Nothing else goes in: the same numbers give the same bytes on any number of threads.
 */
#ifndef POSENET_SYNTH_H
#define POSENET_SYNTH_H

#include "posenet/data.h"

/* ---- A whole data set ------------------------------------------------------------------------------------------ */

typedef struct {
    const char *out;                /* folder; made when missing, files in it are replaced */
    int people, views;              /* people in both splits together, at least 1; pictures of each, at least 2 */
    ptrdiff_t height, width;        /* of the pictures, at least 32x24 */
    uint64_t seed;
    double test_share;              /* of the people, in [0, 1); 0 means 0.2. With two or more people nobody is left out:
                                       each split gets at least one */
    bool white;                     /* white behind people instead of a wall of their own shade, a floor and shadows, as
                                       FashionVideo has it */
    bool matched;                   /* all a person wears in shades of one colour, so that a garment tells of those not seen;
                                       otherwise each has a colour of its own */
    bool flow;                      /* also exact flow and visibility of every pair */
} pn_synth_opt;

/**
 * Write synthetic people in the DeepFashion layout, people disjoint between train and test:
 *
 *   {train,test}/NAME.jpg, {train,test}_lip20/NAME.png (LIP-20, palette), {train,test}SPL8/NAME.png (PISE's merge),
 *   {train,test}.lst, fasion-resize-pairs-{train,test}.csv (all ordered pairs of views of a person),
 *   fasion-resize-annotation-{train,test}.csv, dataset.ini (kp_size, parsing);
 *   with flow: {train,test}_flow/FROM_2_TO.npy [2,H,W] and {train,test}_visible/FROM_2_TO.npy [H,W], float32.
 *
 * NAME is fashion{MEN|WOMEN}Syntheticid########01_N{front|full|side|back}: person + 1, view + 1, and the word for the
 * yaw (full: three-quarter). Labels: neck and bare chest count as face (13), as there is no torso skin in LIP-20; arms
 * (14 left, 15 right) reach to the finger tips. Key points are whole pixels, -1 where out of the picture or hidden.
 *
 * Errors:  PN_ERR_ARG and PN_ERR_LIMIT before anything is written; PN_ERR_IO; PN_ERR_NOMEM.
 * Threads: the context's pool, one picture at a time; the bytes do not depend on how many.
 */
PN_API pn_status pn_synth_write(pn_ctx *ctx, const pn_synth_opt *opt);
/**
 * Clips of walking and dancing people in the layout that posenet/clips.h reads, people disjoint between the splits: opt's
 * people are clips, its views are their frames (at least 6), flow is not looked at.
 *
 *   {train,test}_256/train_A/dance#####/#####.png, train_alphapose/…json: 18 points as a detector finds them (near the
 *   joints it sees, now and then far off, lost, or of the other leg), train_video2d/…json: the 17 of Human3.6M, exact and
 *   all there, train_C/…png: 255 on the person; dataset.ini (kp_size); test_list.csv, as pn_clip_list_open reads it: each
 *   test clip's frames but the first, from that one
 *
 * The camera stands still, the person is the same through a clip. Errors and threads: as pn_synth_write.
 */
PN_API pn_status pn_synth_write_dance(pn_ctx *ctx, const pn_synth_opt *opt);
/**
 * Clips of faces that talk, blink, look about and turn, in the layout that posenet/clips.h reads; otherwise as dances.
 *
 *   {train,test}_data/face#####/#####.png, {train,test}_keypoints/…txt: 68 lines x,y in dlib's order, exact places on the
 *   face as whole pixels, seen or not; dataset.ini (kp_size)
 */
PN_API pn_status pn_synth_write_face(pn_ctx *ctx, const pn_synth_opt *opt);
/**
 * Objects of boxes (vans, chairs, parcels; opt's people) from 18 azimuths and 3 elevations (opt's views: 54), in the layout
 * that posenet/views.h reads, objects disjoint between the splits.
 *
 *   data_box/MODEL_A_E.png, A in tens of degrees 0, 2 … 34, E in degrees 0, 10, 20; id_box_{train,test}.txt, name_box_test.txt
 *
 * The object turns before a white wall, and its size is the same from all sides. Errors and threads: as pn_synth_write.
 */
PN_API pn_status pn_synth_write_view(pn_ctx *ctx, const pn_synth_opt *opt);

/* ---- One picture ----------------------------------------------------------------------------------------------- */

typedef struct pn_synth pn_synth;   /* a studio for one picture size: buffers, and the picture drawn last */

typedef struct {
    pn_image picture;               /* RGB, shaded, anti-aliased, with background */
    pn_image albedo;                /* RGB, colour of the surface at the pixel's centre, no light; background black */
    pn_image labels;                /* LIP-20 at the pixel's centre */
    pn_pose pose;
    double yaw;                     /* degrees, in (-180, 180]; 0 faces the camera, 90 turns to the person's left */
    const char *word;               /* front, full, side or back; a constant */
    bool woman;
    /* The surface under a pixel's centre: which sheet of the person's mesh (-1: background) and where on it, across
     * and along, each 0 .. 1. The same numbers are the same spot of skin or cloth in every view of the person. */
    int16_t *sheet;                 /* [H,W] */
    float *across, *along;          /* [H,W] */
} pn_synth_view;

/* NULL and pn_ctx_message: a size below 32x24 or above the context's limit, or no memory. */
PN_API pn_synth *pn_synth_new(pn_ctx *ctx, ptrdiff_t height, ptrdiff_t width);
PN_API void pn_synth_free(pn_synth *s);
/* Draw view (0, 1 …) of person (0, 1 …). Allocates nothing; studios share nothing, so each thread may have one. */
PN_API void pn_synth_draw(pn_synth *s, uint64_t seed, int person, int view);
/* What was drawn last; lives as long as s, changes with the next draw. */
PN_API const pn_synth_view *pn_synth_seen(const pn_synth *s);
/**
 * Where each pixel of target is found in source, exactly: both studios hold a view of the same person.
 *
 * flow     [2,H,W]: pixels to add to (x, y) to land on the same surface point in source (as pn_flow_sample wants it);
 *          0 on the background
 * visible  [H,W]: 1 where that point is in source's frame and nothing covers it, else 0
 * Errors:  PN_ERR_ARG when the two show different people or have different sizes.
 */
PN_API pn_status pn_synth_flow(const pn_synth *target, const pn_synth *source, float *flow, float *visible);

#endif
