/* lib/data/synth_motion.c - how a synthetic person walks and dances: joint angles as smooth functions of the frame
 *
 * A motion is drawn once per clip; every frame is a function of it and of the frame's number alone, so frames can be
 * drawn in any order. Feet stand still or swing by half cosines, arms turn from reach to reach.
 */
#include "data/synth.h"

static double wave(double frame, double period, double phase) { return sin(2.0 * SYNTH_PI * frame / period + phase); }

static void choose_reaches(synth_motion *m, pn_rng *rng)
{
    static const synth_reach walk[] = { SYNTH_SWING, SYNTH_SWING, SYNTH_SWING, SYNTH_ON_HIP, SYNTH_POCKET };
    static const synth_reach dance[] = { SYNTH_RAISE,   SYNTH_GESTURE, SYNTH_ON_HIP, SYNTH_TO_HAIR, SYNTH_FORWARD,
                                         SYNTH_GESTURE, SYNTH_RAISE,   SYNTH_HANG };
    const bool both = synth_chance(rng, 0.5);           /* arms that move as one */
    const synth_reach right = walk[pn_rng_below(rng, 5)], left = walk[pn_rng_below(rng, 5)];
    for (int k = 0; k < SYNTH_KEYS; k++) {
        for (int s = 0; s < 2; s++) {
            m->reach[s][k] = m->walks ? (s == SYNTH_LEFT ? left : right) : dance[pn_rng_below(rng, 8)];
            const double x = synth_between(rng, -1.0, 1.0), y = synth_between(rng, -1.0, 1.0);
            m->stray[s][k] = m->walks ? v3_make(0.0, 0.0, 0.0) : v3_make(x, y, synth_between(rng, -1.0, 1.0));
        }
        if (both && !m->walks) m->reach[1][k] = m->reach[0][k];
    }
}

void pn_synth_motion_make(synth_motion *m, const synth_person *person, pn_rng *rng)
{
    const double narrow = person->stance.narrow ? 0.55 : 1.0;
    *m = (synth_motion){ .walks = synth_chance(rng, 0.5) };
    m->period = m->walks ? synth_between(rng, 18.0, 26.0) : synth_between(rng, 20.0, 32.0);
    m->phase = synth_between(rng, 0.0, 2.0 * SYNTH_PI);
    m->stride = narrow * (m->walks ? synth_between(rng, 0.085, 0.130) : synth_between(rng, 0.010, 0.035));
    const double low = person->stance.narrow ? 0.3 : 1.0;       /* a raised knee would come through the skirt */
    m->lift = low * (m->walks ? synth_between(rng, 0.025, 0.040) : synth_between(rng, 0.025, 0.060));
    m->apart = m->walks ? 0.032 : narrow * synth_between(rng, 0.060, 0.085);
    m->sway = m->walks ? 0.008 : narrow * synth_between(rng, 0.018, 0.040);
    m->bounce = m->walks ? 0.003 : synth_between(rng, 0.012, 0.034);
    m->twist = synth_rad(m->walks ? synth_between(rng, 4.0, 9.0) : synth_between(rng, 6.0, 16.0));
    m->swing = synth_between(rng, 0.55, 1.0);
    m->yaw = synth_rad(synth_between(rng, -35.0, 35.0));
    m->turns = synth_chance(rng, 0.45);
    m->yaw_period = m->turns ? synth_between(rng, 60.0, 100.0) : synth_between(rng, 40.0, 70.0);
    if (synth_chance(rng, 0.5)) m->yaw_period = -m->yaw_period;
    m->yaw_swing = synth_rad(synth_between(rng, 20.0, 55.0));
    m->wander = synth_between(rng, 0.03, 0.10);
    m->wander_period = synth_between(rng, 50.0, 90.0);
    choose_reaches(m, rng);
}

/* ---- One frame -------------------------------------------------------------------------------------------------- */

static double wrapped(double angle)             /* to -pi .. pi */
{
    return angle - 2.0 * SYNTH_PI * floor(angle / (2.0 * SYNTH_PI) + 0.5);
}

/* Walking on the spot: half the cycle the foot is carried back by the ground, half it swings ahead. */
static synth_foot walking(const synth_motion *m, double phase, double sign)
{
    const double up = fmax(-sin(phase), 0.0);
    const double off = wrapped(phase - 1.08 * SYNTH_PI), strike = wrapped(phase - 1.95 * SYNTH_PI);
    return (synth_foot){ .x = sign * m->apart, .z = m->stride * cos(phase), .out = sign * synth_rad(6.0),
                         .lift = 0.62 * synth_bump(off, 0.0, 0.80) - 0.20 * synth_bump(strike, 0.0, 0.50),
                         .up = m->lift * up };
}

static synth_foot dancing(const synth_motion *m, double phase, double sign)
{
    const double s = fmax(sin(phase), 0.0), up = s * s;
    return (synth_foot){ .x = sign * (m->apart + 0.030 * up), .z = m->stride * cos(phase),
                         .out = sign * synth_rad(14.0), .lift = 0.45 * up, .up = m->lift * up };
}

static void bend_trunk(synth_pose *p, const synth_body *b, const synth_motion *m, double phase)
{
    const double twist = m->twist * sin(phase), tip = synth_rad(m->walks ? 2.5 : 5.0) * cos(phase),
                 nod = synth_rad(m->walks ? 1.0 : 4.0) * sin(2.0 * phase);
    const q4 bend = q4_mul(q4_y(-0.85 * twist), q4_mul(q4_z(-0.8 * tip), q4_x(synth_rad(1.5) + 0.3 * nod)));
    p->turn[SB_SPINE] = q4_mul(p->turn[SB_PELVIS], bend);
    p->turn[SB_CHEST] = q4_mul(p->turn[SB_SPINE], bend);
    const q4 look = q4_mul(q4_y(0.30 * twist), q4_mul(q4_x(0.5 * nod - synth_rad(1.0)), q4_z(0.25 * tip)));
    p->turn[SB_NECK] = q4_mul(p->turn[SB_CHEST], look);
    p->turn[SB_HEAD] = q4_mul(p->turn[SB_NECK], look);
    for (int bone = SB_SPINE; bone <= SB_HEAD; bone++) pn_synth_hang(p, b, bone);
}

static synth_goal goal_at(const synth_pose *p, const synth_body *b, const synth_motion *m, synth_side s, int key,
                          double phase)
{
    v3 stray = m->stray[s][key];
    if (m->reach[s][key] == SYNTH_SWING) stray = v3_make(0.3, 0.0, -m->swing * cos(phase));
    synth_goal g = pn_synth_reach_for(p, b, s, m->reach[s][key], stray);
    if (m->reach[s][key] == SYNTH_SWING) g.wrist.y += 0.030 * fmax(-cos(phase), 0.0);  /* the elbow gives ahead */
    return g;
}

/* From one reach to the next by turning the joints: between two wrists an elbow could flip over. */
static void mix_arm(synth_pose *p, const synth_body *b, synth_side side, synth_goal to, double k)
{
    const int arm = synth_arm(side);
    const v3 shoulder = p->at[arm];
    const q4 from[3] = { p->turn[arm], p->turn[arm + 1], p->turn[arm + 2] };
    pn_synth_arm_to(p, b, side, to);
    for (int i = 0; i < 3; i++) p->turn[arm + i] = q4_mix(from[i], p->turn[arm + i], k);
    p->at[arm] = v3_mix(shoulder, p->at[arm], k);
    pn_synth_hang(p, b, arm + 1);
    pn_synth_hang(p, b, arm + 2);
}

static void move_arms(synth_pose *p, const synth_body *b, const synth_motion *m, double frame, double phase)
{
    const double beat = 0.5 * m->period, at = frame / beat + 0.5;
    const double whole = floor(at), k = synth_step(0.10, 0.90, at - whole);
    const int from = (int)whole % SYNTH_KEYS, to = (from + 1) % SYNTH_KEYS;
    for (int s = 0; s < 2; s++) {
        const synth_side side = (synth_side)s;
        const double own = phase + (s ? SYNTH_PI : 0.0);        /* with the other side's leg */
        pn_synth_arm_to(p, b, side, goal_at(p, b, m, side, from, own));
        if (k > 0.0) mix_arm(p, b, side, goal_at(p, b, m, side, to, own), k);
    }
}

void pn_synth_motion_pose(synth_pose *p, const synth_person *person, const synth_motion *m, int frame)
{
    const synth_body *b = &person->body;
    const double f = (double)frame, phase = 2.0 * SYNTH_PI * f / m->period + m->phase;
    synth_foot feet[2];
    for (int s = 0; s < 2; s++) {
        const double sign = synth_sign((synth_side)s), own = phase + (s ? SYNTH_PI : 0.0);
        feet[s] = m->walks ? walking(m, own, sign) : dancing(m, own, sign);
    }
    const double tip = synth_rad(m->walks ? 2.5 : 5.0) * cos(phase), side = m->sway * (m->walks ? -sin(phase) : sin(phase));
    p->crop = false;
    p->at[SB_PELVIS] = v3_make(side, b->rest[SB_PELVIS].y, 0.0);
    p->turn[SB_PELVIS] = q4_mul(q4_y(m->twist * sin(phase)), q4_mul(q4_z(tip), q4_x(synth_rad(1.0))));
    pn_synth_stand(p, b, person->stance, feet, m->bounce * (1.0 - cos(2.0 * phase)));
    bend_trunk(p, b, m, phase);
    move_arms(p, b, m, f, phase);
    const double turned = m->turns ? 2.0 * SYNTH_PI * f / m->yaw_period : m->yaw_swing * wave(f, m->yaw_period, 0.0);
    pn_synth_turn_all(p, wrapped(m->yaw + turned));
    const double aside = m->wander * wave(f, m->wander_period, m->phase);
    for (int i = 0; i < SYNTH_BONES; i++) p->at[i].x += aside;
}
