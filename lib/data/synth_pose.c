/* lib/data/synth_pose.c - how a synthetic person stands: joint angles from where feet and hands are
 *
 * The trunk's angles are drawn directly. Legs and arms are two-bone chains solved from the place of the ankle or wrist
 * and the side the knee or elbow points to: feet stand on the floor, hands reach hips and hair, and a hinge can only
 * bend the way it does in people, up to ELBOW_LIMIT.
 */
#include "data/synth.h"

static const double ELBOW_LIMIT = 145.0;        /* degrees of flexion: the upper arm meets the forearm */

static double either_sign(pn_rng *rng) { return synth_chance(rng, 0.5) ? 1.0 : -1.0; }

static v3 bone_vector(const synth_body *b, int bone) { return v3_sub(b->rest[bone], b->rest[pn_synth_parent[bone]]); }

/* Place a bone at the end of its parent. */
void pn_synth_hang(synth_pose *p, const synth_body *b, int bone)
{
    const int parent = pn_synth_parent[bone];
    p->at[bone] = v3_add(p->at[parent], q4_turn(p->turn[parent], bone_vector(b, bone)));
}

static q4 facing(v3 down, v3 front)             /* a bone's turn: its -y along down, its z as near front as can be */
{
    const v3 y = v3_mul(down, -1.0);
    const v3 z = v3_unit(v3_sub(front, v3_mul(y, v3_dot(front, y))));
    return q4_axes(v3_cross(y, z), y, z);
}

void pn_synth_solve(synth_pose *p, const synth_body *b, synth_chain c)
{
    const v3 root = p->at[c.bone], to = v3_sub(c.target, root);
    const double upper = v3_length(bone_vector(b, c.bone + 1)), lower = v3_length(bone_vector(b, c.bone + 2));
    const double nearest = sqrt(upper * upper + lower * lower + 2.0 * upper * lower * cos(synth_rad(ELBOW_LIMIT)));
    const double reach = synth_clamp(v3_length(to), nearest, 0.998 * (upper + lower));
    const v3 line = v3_unit(to);
    const double along = (upper * upper - lower * lower + reach * reach) / (2.0 * reach);
    const double aside = sqrt(fmax(upper * upper - along * along, 0.0));
    const v3 out = v3_unit(v3_sub(c.pole, v3_mul(line, v3_dot(c.pole, line))));
    const v3 joint = v3_add(v3_mul(line, along), v3_mul(out, aside));
    const v3 down = v3_unit(joint), down2 = v3_unit(v3_sub(v3_mul(line, reach), joint)), front = v3_mul(out, c.front);
    p->turn[c.bone] = facing(down, front);
    p->turn[c.bone + 1] = facing(down2, q4_turn(p->turn[c.bone], v3_make(0.0, 0.0, 1.0)));
    pn_synth_hang(p, b, c.bone + 1);
    pn_synth_hang(p, b, c.bone + 2);
}

/* ---- Legs ------------------------------------------------------------------------------------------------------ */

typedef enum { STAND, CONTRAPPOSTO, WALK, APART, CROSSED, CROUCH, STANCES } footing;

static footing choose_footing(pn_rng *rng, bool narrow)
{
    static const double share[STANCES] = { 0.24, 0.32, 0.20, 0.10, 0.07, 0.07 };
    double r = pn_rng_uniform(rng);
    int i = 0;
    while (i < STANCES - 1 && r >= share[i]) r -= share[i++];
    const footing f = (footing)i;
    return narrow && (f == APART || f == CROUCH) ? CONTRAPPOSTO : f;
}

static void choose_feet(synth_foot feet[2], footing kind, bool narrow, pn_rng *rng)
{
    const double wide = narrow ? 0.045 : synth_between(rng, 0.048, 0.068);
    for (int s = 0; s < 2; s++) {
        const double sign = synth_sign((synth_side)s);
        feet[s] = (synth_foot){ sign * wide, synth_between(rng, -0.012, 0.012), 0.0,
                          sign * synth_rad(synth_between(rng, 3.0, 20.0)), 0.0 };
    }
    const int lead = synth_chance(rng, 0.5);
    const double sign = synth_sign((synth_side)lead);
    if (kind == CONTRAPPOSTO) {
        feet[lead].x += sign * synth_between(rng, 0.0, 0.035);
        feet[lead].z += synth_between(rng, 0.02, 0.07);
        feet[lead].out += sign * synth_rad(synth_between(rng, 0.0, 18.0));
    } else if (kind == WALK) {
        const double stride = narrow ? synth_between(rng, 0.04, 0.07) : synth_between(rng, 0.07, 0.125);
        feet[lead] = (synth_foot){ sign * 0.030, stride, 0.0, sign * synth_rad(6.0), 0.0 };
        feet[!lead] = (synth_foot){ -sign * 0.030, -stride, synth_rad(synth_between(rng, 18.0, 34.0)),
                                    -sign * synth_rad(6.0), 0.0 };
    } else if (kind == APART) {
        for (int s = 0; s < 2; s++) feet[s].x *= synth_between(rng, 1.5, 2.1);
    } else if (kind == CROSSED) {
        feet[lead] = (synth_foot){ -sign * 0.012, 0.060, 0.0, 0.0, 0.0 };
        feet[!lead].x = -sign * 0.030;
    }
}

static double ankle_height(const synth_body *b, double pitch)
{
    return b->rest[SB_FOOT_L].y * cos(pitch) + 0.075 * sin(pitch);      /* 0.075: from the ankle to the ball */
}

void pn_synth_stand(synth_pose *p, const synth_body *b, synth_stance stance, const synth_foot feet[2], double drop)
{
    const double shoe = asin(synth_clamp(stance.heel / 0.105, 0.0, 0.7));
    v3 ankle[2];
    double height = b->rest[SB_PELVIS].y + stance.heel;
    for (int s = 0; s < 2; s++) {
        const int hip = synth_leg((synth_side)s);
        const double length = 0.994 * (b->rest[hip].y - b->rest[hip + 2].y);
        const v3 from_pelvis = q4_turn(p->turn[SB_PELVIS], bone_vector(b, hip));
        ankle[s] = v3_make(feet[s].x, ankle_height(b, shoe + feet[s].lift) + feet[s].up, feet[s].z);
        const double dx = p->at[SB_PELVIS].x + from_pelvis.x - ankle[s].x, dz = from_pelvis.z - ankle[s].z;
        height = fmin(height, ankle[s].y + sqrt(length * length - dx * dx - dz * dz) - from_pelvis.y);
    }
    p->at[SB_PELVIS].y = height - drop;
    for (int s = 0; s < 2; s++) {
        const int hip = synth_leg((synth_side)s);
        pn_synth_hang(p, b, hip);
        const v3 knee_to = v3_make(sin(feet[s].out) * 0.8, 0.0, 1.0);
        pn_synth_solve(p, b, (synth_chain){ .bone = hip, .target = ankle[s], .pole = knee_to, .front = 1.0 });
        p->turn[hip + 2] = q4_mul(q4_y(feet[s].out), q4_x(shoe + feet[s].lift));
    }
}

static void set_legs(synth_pose *p, const synth_body *b, synth_stance stance, pn_rng *rng)
{
    const footing kind = choose_footing(rng, stance.narrow);
    synth_foot feet[2];
    choose_feet(feet, kind, stance.narrow, rng);
    pn_synth_stand(p, b, stance, feet, kind == CROUCH ? synth_between(rng, 0.04, 0.11) : 0.0);
}

/* ---- Arms ------------------------------------------------------------------------------------------------------ */

/* Where the wrist goes (x outwards, on the resting body; for HANG and SWING relative to the shoulder), how far it
 * strays, and where the elbow points. */
static const struct { int frame; v3 at, stray, elbow; } reaches[SYNTH_REACHES] = {
    [SYNTH_HANG]    = { SB_CHEST,  { 0.060, -0.288, 0.022 }, { 0.025, 0.008, 0.020 }, { 0.25, 0.0, -1.0 } },
    [SYNTH_SWING]   = { SB_CHEST,  { 0.055, -0.270, 0.000 }, { 0.015, 0.008, 0.110 }, { 0.25, 0.0, -1.0 } },
    [SYNTH_ON_HIP]  = { SB_PELVIS, { 0.118, 0.585, 0.012 },  { 0.006, 0.012, 0.010 }, { 1.0, 0.0, -0.65 } },
    [SYNTH_POCKET]  = { SB_PELVIS, { 0.122, 0.535, 0.022 },  { 0.006, 0.008, 0.010 }, { 0.7, 0.0, -1.0 } },
    [SYNTH_TO_HAIR] = { SB_HEAD,   { 0.070, 0.925, 0.030 },  { 0.010, 0.020, 0.020 }, { 1.0, -0.3, 0.35 } },
    [SYNTH_TO_CHIN] = { SB_HEAD,   { 0.030, 0.825, 0.095 },  { 0.010, 0.012, 0.008 }, { 0.5, -1.0, 0.0 } },
    [SYNTH_CLASP]   = { SB_PELVIS, { 0.040, 0.545, 0.110 },  { 0.008, 0.012, 0.010 }, { 1.0, 0.0, -0.6 } },
    [SYNTH_BEHIND]  = { SB_PELVIS, { 0.045, 0.560, -0.105 }, { 0.010, 0.015, 0.008 }, { 1.0, 0.0, -0.5 } },
    [SYNTH_FOLD]    = { SB_CHEST,  { -0.045, 0.665, 0.125 }, { 0.006, 0.010, 0.006 }, { 1.0, -0.6, 0.1 } },
    [SYNTH_RAISE]   = { SB_CHEST,  { 0.170, 1.010, 0.030 },  { 0.050, 0.050, 0.040 }, { 1.0, -0.2, -0.2 } },
    [SYNTH_GESTURE] = { SB_CHEST,  { 0.215, 0.650, 0.120 },  { 0.040, 0.050, 0.040 }, { 0.5, -1.0, -0.4 } },
    [SYNTH_FORWARD] = { SB_CHEST,  { 0.080, 0.740, 0.250 },  { 0.040, 0.060, 0.020 }, { 0.8, -1.0, 0.0 } },
};

static void choose_reaches(synth_reach r[2], pn_rng *rng)
{
    static const double share[SYNTH_REACHES] = { .34, .17, .14, .07, .05, .03, .05, .03, .05, .02, .03, .02 };
    for (int s = 0; s < 2; s++) {
        double d = pn_rng_uniform(rng);
        int i = 0;
        while (i < SYNTH_REACHES - 1 && d >= share[i]) d -= share[i++];
        r[s] = (synth_reach)i;
    }
    /* what both arms do */
    if (r[0] == SYNTH_CLASP || r[0] == SYNTH_FOLD || r[0] == SYNTH_BEHIND || r[0] == SYNTH_SWING) r[1] = r[0];
    else if (r[1] == SYNTH_CLASP || r[1] == SYNTH_FOLD || r[1] == SYNTH_BEHIND || r[1] == SYNTH_SWING) r[1] = SYNTH_HANG;
}

synth_goal pn_synth_reach_for(const synth_pose *p, const synth_body *b, synth_side side, synth_reach r, v3 stray)
{
    static const double wrist[SYNTH_REACHES] = { [SYNTH_ON_HIP] = -38.0, [SYNTH_POCKET] = -8.0, [SYNTH_TO_HAIR] = 20.0,
                                                 [SYNTH_TO_CHIN] = 10.0 };
    const double sign = synth_sign(side);
    const int arm = synth_arm(side), frame = reaches[r].frame;
    v3 at = v3_add(reaches[r].at, v3_each(reaches[r].stray, stray));
    /* one forearm over the other */
    if (r == SYNTH_FOLD) at = v3_add(at, v3_make(0.0, sign * 0.014, -sign * 0.010));
    at.x *= sign;
    const bool from_shoulder = r == SYNTH_HANG || r == SYNTH_SWING;
    const v3 local = from_shoulder ? v3_add(b->rest[arm], at) : at;
    const double girth = from_shoulder ? 0.016 * b->build : 0.020 * fmax(b->build, 0.0);
    const v3 wide = v3_make(sign * girth, 0.0, 0.0);
    const v3 elbow = v3_make(sign * reaches[r].elbow.x, reaches[r].elbow.y, reaches[r].elbow.z);
    return (synth_goal){ v3_add(p->at[frame], q4_turn(p->turn[frame], v3_sub(v3_add(local, wide), b->rest[frame]))),
                         q4_turn(p->turn[SB_CHEST], elbow), wrist[r] };
}

void pn_synth_arm_to(synth_pose *p, const synth_body *b, synth_side side, synth_goal g)
{
    const double sign = synth_sign(side);
    const int arm = synth_arm(side);
    pn_synth_hang(p, b, arm);
    /* the shoulder blade follows */
    const double lift = synth_step(0.0, 0.30, g.wrist.y - p->at[arm].y);
    p->at[arm] = v3_add(p->at[arm], q4_turn(p->turn[SB_CHEST], v3_make(-sign * 0.010 * lift, 0.022 * lift, 0.0)));
    pn_synth_solve(p, b, (synth_chain){ .bone = arm, .target = g.wrist, .pole = g.elbow, .front = -1.0 });
    p->turn[arm + 2] = q4_mul(p->turn[arm + 1], q4_z(-sign * synth_rad(g.bent + 8.0)));
}

static void set_arms(synth_pose *p, const synth_body *b, pn_rng *rng)
{
    synth_reach r[2];
    choose_reaches(r, rng);
    const double swing = either_sign(rng) * synth_between(rng, 0.3, 1.0);
    for (int s = 0; s < 2; s++) {
        v3 stray = v3_make(synth_between(rng, -1.0, 1.0), synth_between(rng, -1.0, 1.0),
                           synth_between(rng, -1.0, 1.0));
        if (r[s] == SYNTH_SWING) stray.z = s ? swing : -swing;
        pn_synth_arm_to(p, b, (synth_side)s, pn_synth_reach_for(p, b, (synth_side)s, r[s], stray));
    }
}

/* ---- The whole ------------------------------------------------------------------------------------------------- */

static double choose_yaw(pn_rng *rng, int view)
{
    const int kind = view < 3 ? view : (int)pn_rng_below(rng, 4);
    const double side = either_sign(rng);
    double degrees = synth_between(rng, -22.0, 22.0);
    if (kind == 1)
        degrees = side * (synth_chance(rng, 0.5) ? synth_between(rng, 32.0, 58.0) : synth_between(rng, 65.0, 110.0));
    if (kind == 2) degrees = 180.0 + synth_between(rng, -32.0, 32.0);
    if (kind == 3) degrees = side * synth_between(rng, 30.0, 150.0);
    return synth_rad(degrees > 180.0 ? degrees - 360.0 : degrees);
}

void pn_synth_turn_all(synth_pose *p, double yaw)
{
    const q4 turn = q4_y(yaw);
    for (int i = 0; i < SYNTH_BONES; i++) {
        p->turn[i] = q4_mul(turn, p->turn[i]);
        p->at[i] = q4_turn(turn, p->at[i]);
    }
    p->yaw = yaw;
}

void pn_synth_pose_make(synth_pose *p, const synth_body *b, synth_stance stance, pn_rng *rng, int view)
{
    const double yaw = choose_yaw(rng, view);
    p->crop = synth_chance(rng, view ? 0.28 : 0.18);
    const double tip = synth_rad(synth_between(rng, -4.0, 4.0)), twist = synth_rad(synth_between(rng, -7.0, 7.0));
    p->at[SB_PELVIS] = v3_make(-tip * 0.25, b->rest[SB_PELVIS].y, 0.0);
    p->turn[SB_PELVIS] = q4_mul(q4_y(twist), q4_mul(q4_z(tip), q4_x(synth_rad(synth_between(rng, -2.0, 3.0)))));
    set_legs(p, b, stance, rng);
    const double drop = b->rest[SB_PELVIS].y + stance.heel - p->at[SB_PELVIS].y;        /* who crouches leans ahead */
    const double lean = synth_rad(synth_between(rng, -2.0, 4.0)) + fmax(drop - 0.02, 0.0) * 3.2;
    const q4 bend = q4_mul(q4_y(-0.8 * twist + synth_rad(synth_between(rng, -4.0, 4.0))),
                           q4_mul(q4_z(-0.8 * tip + synth_rad(synth_between(rng, -2.0, 2.0))), q4_x(0.5 * lean)));
    p->turn[SB_SPINE] = q4_mul(p->turn[SB_PELVIS], bend);
    p->turn[SB_CHEST] = q4_mul(p->turn[SB_SPINE], bend);
    const q4 look = q4_mul(q4_y(synth_rad(synth_between(rng, -16.0, 16.0))),
                           q4_mul(q4_x(synth_rad(synth_between(rng, -3.0, 5.0)) - 0.5 * lean),
                                  q4_z(synth_rad(synth_between(rng, -3.5, 3.5)))));
    p->turn[SB_NECK] = q4_mul(p->turn[SB_CHEST], look);
    p->turn[SB_HEAD] = q4_mul(p->turn[SB_NECK], look);
    for (int bone = SB_SPINE; bone <= SB_HEAD; bone++) pn_synth_hang(p, b, bone);
    set_arms(p, b, rng);
    pn_synth_turn_all(p, yaw);
}
