/* lib/data/synth_clip.c - frames of synthetic people who walk and dance: one camera, exact and noisy key points */
#include "data/synth.h"

/* Counters of the generator's streams beside those of the views: motions and detectors' mistakes. */
enum { STREAM_MOTION = 1 << 19, STREAM_NOISE = (1 << 19) + 1 };

static void place(pn_synth *s, uint64_t seed, int person, int frame)
{
    pn_synth_invite(s, seed, person);
    pn_rng rng = pn_rng_make(seed, ((uint64_t)person << 20) + STREAM_MOTION);
    synth_motion motion;
    pn_synth_motion_make(&motion, s->person, &rng);
    pn_synth_motion_pose(&s->pose, s->person, &motion, frame);
    const double height = (double)s->seen.picture.height, width = (double)s->seen.picture.width;
    s->scale = fmin(0.74 * height, 0.80 * width);       /* room for raised arms, and for a step aside */
    s->centre_x = 0.5 * width;
    s->centre_y = 0.5 * height + 0.57 * s->scale;
    pn_synth_project(s);
}

/* What a detector would say of the joints that it finds: near them, at times far off, at times of the other leg. */
static void mistake(pn_synth *s, uint64_t seed, int person, int frame)
{
    pn_rng rng = pn_rng_make(seed, ((uint64_t)person << 20) + STREAM_NOISE + (uint64_t)frame);
    pn_pose *noisy = &s->noisy;
    pn_pose_clear(noisy);
    const bool swapped = synth_chance(&rng, 0.04);
    for (int j = 0; j < PN_JOINTS; j++) {
        const bool lost = synth_chance(&rng, 0.02), off = synth_chance(&rng, 0.015);
        const double sigma = (off ? 0.060 : 0.007) * s->scale;
        const double dx = sigma * pn_rng_normal(&rng), dy = sigma * pn_rng_normal(&rng);
        s->trust[j] = synth_between(&rng, off ? 0.25 : 0.70, off ? 0.60 : 0.98);
        const bool right = j >= PN_R_HIP && j <= PN_R_ANKLE, left = j >= PN_L_HIP && j <= PN_L_ANKLE;
        const int from = !swapped ? j : right ? j + 3 : left ? j - 3 : j;
        if (lost || !pn_pose_has(&s->seen.pose, from)) continue;
        noisy->x[j] = s->joint[from].x + dx;
        noisy->y[j] = s->joint[from].y + dy;
    }
}

static void set17(pn_synth *s, int joint, v3 world)
{
    const v3 at = pn_synth_to_pixel(s, world);
    s->clean.x[joint] = at.x;
    s->clean.y[joint] = at.y;
}

/* The 17 of Human3.6M, seen or not. */
static void set_clean(pn_synth *s)
{
    const synth_pose *p = &s->pose;
    set17(s, PN_H36M_HIP, v3_mix(p->at[SB_THIGH_R], p->at[SB_THIGH_L], 0.5));
    set17(s, PN_H36M_SPINE, v3_mix(p->at[SB_SPINE], p->at[SB_CHEST], 0.5));
    set17(s, PN_H36M_THORAX, v3_mix(p->at[SB_UPARM_R], p->at[SB_UPARM_L], 0.5));
    const double nose[3] = { 0.0, -0.23, 0.80 }, crown[3] = { 0.0, 1.0, 0.0 };
    set17(s, PN_H36M_NOSE, pn_synth_on_head(s, nose[0], nose[1], nose[2]));
    set17(s, PN_H36M_HEAD, pn_synth_on_head(s, crown[0], crown[1], crown[2]));
    for (int k = 0; k < 3; k++) {
        set17(s, PN_H36M_R_HIP + k, p->at[SB_THIGH_R + k]);
        set17(s, PN_H36M_L_HIP + k, p->at[SB_THIGH_L + k]);
        set17(s, PN_H36M_L_SHOULDER + k, p->at[SB_UPARM_L + k]);
        set17(s, PN_H36M_R_SHOULDER + k, p->at[SB_UPARM_R + k]);
    }
}

void pn_synth_dance_draw(pn_synth *s, uint64_t seed, int person, int frame)
{
    const unsigned mode = pn_denormals_flush();         /* the same arithmetic on every thread */
    place(s, seed, person, frame);
    pn_synth_light(s);
    pn_synth_annotate(s);
    set_clean(s);
    mistake(s, seed, person, frame);
    pn_denormals_restore(mode);
}
