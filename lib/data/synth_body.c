/* lib/data/synth_body.c - proportions and the bare shape of a synthetic person
 *
 * Lengths follow drawing manuals: a figure of seven and a half heads, drawn towards fashion's eight. All numbers are
 * ours, in body heights.
 */
#include "data/synth.h"

const int pn_synth_parent[SYNTH_BONES] = {
    [SB_PELVIS] = -1, [SB_SPINE] = SB_PELVIS, [SB_CHEST] = SB_SPINE, [SB_NECK] = SB_CHEST, [SB_HEAD] = SB_NECK,
    [SB_UPARM_R] = SB_CHEST, [SB_FOREARM_R] = SB_UPARM_R, [SB_HAND_R] = SB_FOREARM_R,
    [SB_UPARM_L] = SB_CHEST, [SB_FOREARM_L] = SB_UPARM_L, [SB_HAND_L] = SB_FOREARM_L,
    [SB_THIGH_R] = SB_PELVIS, [SB_SHIN_R] = SB_THIGH_R, [SB_FOOT_R] = SB_SHIN_R,
    [SB_THIGH_L] = SB_PELVIS, [SB_SHIN_L] = SB_THIGH_L, [SB_FOOT_L] = SB_SHIN_L,
};

/* One slice of the trunk: height, then man and woman: half width, depth in front, depth behind. */
typedef struct { double y, width[2], front[2], rear[2]; } slice;

static const slice trunk[] = {
    { 0.445, { 0.056, 0.056 }, { 0.040, 0.038 }, { 0.042, 0.043 } },
    { 0.470, { 0.080, 0.084 }, { 0.052, 0.049 }, { 0.059, 0.062 } },
    { 0.505, { 0.091, 0.098 }, { 0.061, 0.058 }, { 0.069, 0.075 } },
    { 0.540, { 0.090, 0.096 }, { 0.061, 0.058 }, { 0.064, 0.068 } },
    { 0.575, { 0.085, 0.085 }, { 0.059, 0.054 }, { 0.055, 0.055 } },
    { 0.615, { 0.080, 0.072 }, { 0.056, 0.049 }, { 0.049, 0.045 } },
    { 0.655, { 0.084, 0.073 }, { 0.057, 0.050 }, { 0.051, 0.045 } },
    { 0.695, { 0.092, 0.080 }, { 0.062, 0.054 }, { 0.056, 0.050 } },
    { 0.735, { 0.099, 0.086 }, { 0.066, 0.057 }, { 0.060, 0.053 } },
    { 0.765, { 0.105, 0.091 }, { 0.063, 0.054 }, { 0.060, 0.053 } },
    { 0.790, { 0.107, 0.092 }, { 0.056, 0.048 }, { 0.057, 0.050 } },
    { 0.808, { 0.102, 0.087 }, { 0.047, 0.040 }, { 0.052, 0.045 } },
    { 0.820, { 0.086, 0.072 }, { 0.041, 0.035 }, { 0.048, 0.041 } },
    { 0.832, { 0.068, 0.056 }, { 0.036, 0.031 }, { 0.044, 0.038 } },
    { 0.845, { 0.051, 0.040 }, { 0.033, 0.028 }, { 0.040, 0.034 } },
    { 0.858, { 0.039, 0.031 }, { 0.030, 0.025 }, { 0.035, 0.030 } },
    { 0.870, { 0.027, 0.021 }, { 0.022, 0.018 }, { 0.027, 0.022 } },      /* inside the neck */
};
enum { SLICES = sizeof trunk / sizeof *trunk };

typedef struct { double width, front, rear; } section;

static section slice_of(int i, int sex)
{
    return (section){ trunk[i].width[sex], trunk[i].front[sex], trunk[i].rear[sex] };
}

static section section_at(const synth_body *b, double y)
{
    const int sex = b->woman;
    int i = 0;
    while (i < SLICES - 2 && y > trunk[i + 1].y) i++;
    const double k = synth_clamp((y - trunk[i].y) / (trunk[i + 1].y - trunk[i].y), 0.0, 1.0);
    const section p = slice_of(i > 0 ? i - 1 : 0, sex), q = slice_of(i, sex), r = slice_of(i + 1, sex),
                  s = slice_of(i + 2 < SLICES ? i + 2 : SLICES - 1, sex);
    return (section){ synth_spline(p.width, q.width, r.width, s.width, k),
                      synth_spline(p.front, q.front, r.front, s.front, k),
                      synth_spline(p.rear, q.rear, r.rear, s.rear, k) };
}

v3 pn_synth_trunk(const synth_body *b, double y, double theta, double off)
{
    const section s = section_at(b, y);
    const double below_neck = 1.0 - synth_step(0.78, 0.84, y);         /* necks are much the same */
    const double waist = b->build > 0.0 ? 1.0 + 0.5 * synth_bump(y, 0.62, 0.08) : 1.0;
    const double wide = 1.0 + below_neck * 0.11 * b->build * waist, deep = 1.0 + below_neck * 0.17 * b->build * waist;
    const double sn = sin(theta), cs = cos(theta);
    const double x = (s.width * wide + off) * synth_sgnpow(sn, 0.86);
    double z = ((cs > 0.0 ? s.front : s.rear) * deep + off) * synth_sgnpow(cs, 0.86);
    const double cup = exp(-pow((fabs(x) - 0.043) / 0.030, 2.0) - pow((y - 0.735) / 0.030, 2.0));
    const double seat = exp(-pow((fabs(x) - 0.042) / 0.034, 2.0) - pow((y - 0.507) / 0.036, 2.0));
    if (cs > 0.0) z += b->bust * cup;
    else z -= (b->woman ? 0.012 : 0.008) * seat;
    const double lean = -0.012 * synth_step(0.74, 0.85, y) + 0.004 * synth_bump(y, 0.60, 0.05);
    return v3_make(x, y, z + lean);
}

/* Radii at even steps of t = 0, 0.2 .. 2. */
static double profile(const double r[11], double t)
{
    const double at = synth_clamp(t, 0.0, 2.0) * 5.0;
    const int i = at < 9.0 ? (int)at : 9;
    return synth_spline(r[i > 0 ? i - 1 : 0], r[i], r[i + 1], r[i + 2 < 11 ? i + 2 : 10], at - i);
}

double pn_synth_arm_radius(const synth_body *b, double t)
{
    static const double man[11] = { .0345, .0330, .0310, .0298, .0270, .0248, .0258, .0250, .0218, .0180, .0158 };
    static const double woman[11] = { .0285, .0270, .0252, .0240, .0222, .0206, .0212, .0205, .0180, .0150, .0134 };
    return profile(b->woman ? woman : man, t) * (1.0 + 0.13 * b->build);
}

double pn_synth_leg_radius(const synth_body *b, double t)
{
    static const double man[11] = { .0520, .0530, .0495, .0455, .0400, .0345, .0335, .0340, .0290, .0225, .0200 };
    static const double woman[11] = { .0540, .0545, .0505, .0450, .0385, .0325, .0312, .0318, .0270, .0205, .0180 };
    return profile(b->woman ? woman : man, t) * (1.0 + 0.13 * b->build);
}

static void place_limbs(synth_body *b, synth_side side)
{
    const double s = synth_sign(side), shoulder = (b->woman ? 0.0890 : 0.1030) * (1.0 + 0.07 * b->build);
    const int arm = synth_arm(side), leg = synth_leg(side);
    b->rest[arm] = v3_make(s * shoulder, 0.779, -0.008);
    b->rest[arm + 1] = v3_make(s * shoulder, 0.779 - (b->woman ? 0.156 : 0.162), -0.008);
    b->rest[arm + 2] = v3_make(s * shoulder, b->rest[arm + 1].y - (b->woman ? 0.136 : 0.142), -0.008);
    b->rest[leg] = v3_make(s * (b->woman ? 0.050 : 0.047), 0.505, -0.002);
    b->rest[leg + 1] = v3_make(b->rest[leg].x, 0.276, -0.002);
    b->rest[leg + 2] = v3_make(b->rest[leg].x, 0.044, -0.002);
}

void pn_synth_body_make(synth_body *b, pn_rng *rng)
{
    b->woman = pn_rng_uniform(rng) < 0.6;
    b->build = synth_clamp(0.42 * pn_rng_normal(rng) - 0.1, -0.9, 1.0);
    b->bust = b->woman ? 0.012 + 0.010 * pn_rng_uniform(rng) : 0.003;
    const double head = 1.0 + 0.04 * (2.0 * pn_rng_uniform(rng) - 1.0),
                 face = 1.0 + 0.05 * (2.0 * pn_rng_uniform(rng) - 1.0);
    b->rest[SB_PELVIS] = v3_make(0.0, 0.520, 0.0);
    b->rest[SB_SPINE] = v3_make(0.0, 0.595, 0.0);
    b->rest[SB_CHEST] = v3_make(0.0, 0.675, -0.004);
    b->rest[SB_NECK] = v3_make(0.0, 0.832, -0.014);
    b->rest[SB_HEAD] = v3_make(0.0, 0.880, -0.004);
    b->head_half = v3_make((b->woman ? 0.0463 : 0.0473) * head * face, 0.0670 * head, head);
    b->head = v3_make(0.0, 1.0 - b->head_half.y, 0.004);
    place_limbs(b, SYNTH_RIGHT);
    place_limbs(b, SYNTH_LEFT);
}
