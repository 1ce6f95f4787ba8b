/* lib/data/synth_limbs.c - hands and footwear of a synthetic person */
#include "data/synth.h"

/* ---- Hands: a flattened palm, four fingers a little curled, a thumb -------------------------------------------- */

static void fill_palm(synth_mesh *m, const synth_body *b, synth_side side, double size)
{
    enum { ROWS = 8, COLS = 13 };
    static const double wide[ROWS] = { 0.0142, 0.0155, 0.0185, 0.0212, 0.0225, 0.0220, 0.0205, 0.0120 };
    static const double thick[ROWS] = { 0.0118, 0.0118, 0.0112, 0.0106, 0.0098, 0.0088, 0.0074, 0.0040 };
    const bool left = side == SYNTH_LEFT;
    const int hand = synth_arm(side) + 2;
    synth_vertex *v = pn_synth_sheet(m,
                                     (synth_sheet){ .rows = ROWS, .cols = COLS, .label = left ? 14 : 15,
                                                    .material = SYNTH_M_SKIN,
                                                    .region = left ? SYNTH_ARM_L : SYNTH_ARM_R,
                                                    .flags = SYNTH_WRAPS });
    if (!v) return;
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < COLS; c++, v++) {
            const double theta = SYNTH_PI * (2.0 * v->across - 1.0), y = 0.006 - 0.056 * v->along;
            v->rest = v3_add(b->rest[hand],
                             v3_make(size * thick[r] * sin(theta), size * y, size * wide[r] * cos(theta)));
            v->u = theta * 0.02;
            v->v = 0.3 + 0.056 * v->along;
            v->bone = (int16_t)hand;
            v->w = (float)synth_step(-0.2, 0.35, v->along);
        }
    }
}

void pn_synth_hand(synth_mesh *m, const synth_body *b, synth_side side)
{
    static const struct { double z, length; } finger[4] = {
        { .0158, .037 }, { .0058, .042 }, { -.0045, .039 }, { -.0143, .030 },
    };
    const bool left = side == SYNTH_LEFT;
    const double size = b->woman ? 0.90 : 1.0, palm = -synth_sign(side);        /* the palm faces the thigh */
    const int hand = synth_arm(side) + 2;
    const v3 wrist = b->rest[hand];
    synth_strand s = { .flat = 1.0, .bone = hand, .rows = 8, .cols = 8, .label = left ? 14 : 15,
                       .material = SYNTH_M_SKIN, .region = left ? SYNTH_ARM_L : SYNTH_ARM_R };
    fill_palm(m, b, side, size);
    for (int i = 0; i < 4; i++) {
        const double z = size * finger[i].z, length = size * finger[i].length, low = size * -0.044;
        s.from = v3_add(wrist, v3_make(0.0, low, z));
        s.mid = v3_add(wrist, v3_make(palm * 0.001, low - 0.55 * length, z * 1.02));
        s.to = v3_add(wrist, v3_make(palm * 0.013, low - length, z * 0.94));
        s.r_from = s.r_mid = 0.0060 * size;
        s.r_to = 0.0046 * size;
        pn_synth_strand(m, s);
    }
    s.from = v3_add(wrist, v3_make(palm * 0.003, size * -0.010, size * 0.012));
    s.mid = v3_add(wrist, v3_make(palm * 0.009, size * -0.028, size * 0.030));
    s.to = v3_add(wrist, v3_make(palm * 0.011, size * -0.052, size * 0.029));
    s.r_from = 0.0085 * size;
    s.r_mid = 0.0066 * size;
    s.r_to = 0.0052 * size;
    pn_synth_strand(m, s);
}

/* ---- Footwear -------------------------------------------------------------------------------------------------- */

/* From heel to toe: place, half width, height of the upper edge, height of the sole. */
typedef struct { double z, width, top, sole; } last_slice;
enum { LAST = 9 };
static const last_slice lasts[SYNTH_FOOTWEAR][LAST] = {
    [SYNTH_SNEAKER] = {
        { -.046, .008, .030, .003 }, { -.043, .020, .047, 0. }, { -.028, .0255, .052, 0. },
        { -.005, .0255, .052, 0. }, { .025, .0265, .046, 0. }, { .055, .0300, .036, 0. },
        { .085, .0300, .029, 0. }, { .106, .021, .024, .001 }, { .115, .006, .015, .006 },
    },
    [SYNTH_LOAFER] = {
        { -.044, .007, .026, .003 }, { -.041, .0175, .034, 0. }, { -.028, .0225, .036, 0. },
        { -.005, .0235, .040, 0. }, { .025, .0245, .043, 0. }, { .055, .0275, .033, 0. },
        { .085, .0260, .024, 0. }, { .108, .017, .018, .001 }, { .118, .004, .010, .004 },
    },
    [SYNTH_PUMP] = {
        { -.043, .006, .024, .003 }, { -.040, .0160, .030, 0. }, { -.028, .0195, .028, 0. },
        { -.005, .0185, .022, 0. }, { .025, .0205, .019, 0. }, { .055, .0245, .018, 0. },
        { .085, .0215, .019, 0. }, { .108, .011, .014, .002 }, { .120, .002, .007, .005 },
    },
    [SYNTH_BOOT] = {
        { -.046, .008, .040, .003 }, { -.043, .0200, .062, 0. }, { -.028, .0260, .070, 0. },
        { -.005, .0260, .068, 0. }, { .025, .0260, .052, 0. }, { .055, .0295, .039, 0. },
        { .085, .0290, .031, 0. }, { .107, .020, .025, .001 }, { .116, .005, .015, .006 },
    },
};

typedef struct { int material, label; double grow; const last_slice *last; } foot_shape;

static void fill_foot(synth_mesh *m, const synth_body *b, synth_side side, foot_shape f)
{
    enum { COLS = 21 };
    const bool left = side == SYNTH_LEFT;
    const int bone = synth_leg(side) + 2;
    const double size = b->woman ? 0.92 : 1.0;
    synth_vertex *v = pn_synth_sheet(m,
                                     (synth_sheet){ .rows = LAST, .cols = COLS, .label = f.label,
                                                    .material = f.material,
                                                    .region = left ? SYNTH_LEG_L : SYNTH_LEG_R,
                                                    .flags = SYNTH_WRAPS });
    if (!v) return;
    for (int r = 0; r < LAST; r++) {
        const last_slice *s = &f.last[r];
        for (int c = 0; c < COLS; c++, v++) {
            const double theta = SYNTH_PI * (2.0 * v->across - 1.0), cs = cos(theta);
            const double inward = -synth_sign(side) * 0.006 * synth_step(0.03, 0.11, s->z);
            const double x = synth_sgnpow(sin(theta), cs < 0.0 ? 0.5 : 0.85) * (s->width + f.grow);
            const double y = s->sole
                         + (s->top - s->sole + f.grow)
                         * (0.32 + (cs > 0.0 ? 0.68 * pow(cs, 0.9) : 0.32 * synth_sgnpow(cs, 0.35)));
            v->rest = v3_make(b->rest[bone].x + size * x + inward, y - 0.001, b->rest[bone].z + size * s->z);
            v->u = theta;
            v->v = y;
            v->bone = (int16_t)bone;
            v->w = 1.0f;
        }
    }
}

void pn_synth_shoe(synth_mesh *m, const synth_body *b, synth_side side, synth_footwear kind, int material)
{
    const bool left = side == SYNTH_LEFT;
    const int label = left ? 18 : 19, bone = synth_leg(side) + 2;
    fill_foot(m, b, side, (foot_shape){ .material = material, .label = label, .last = lasts[kind] });
    if (kind == SYNTH_BOOT)
        pn_synth_tube(m, b,
                      (synth_tube){ .side = side, .leg = true, .from = 1.62, .to = 1.98, .off_from = 0.009,
                                    .off_to = 0.006, .rows = 8, .cols = 17, .label = label, .material = material,
                                    .flags = SYNTH_OPEN });
    if (kind != SYNTH_PUMP) return;
    /* The foot in it shows, and a heel carries it. */
    static const last_slice bare[LAST] = {
        { -.040, .006, .030, .006 }, { -.038, .0145, .046, .004 }, { -.028, .0180, .052, .004 },
        { -.005, .0180, .054, .004 }, { .025, .0195, .042, .003 }, { .055, .0225, .026, .003 },
        { .080, .0200, .016, .003 }, { .100, .010, .010, .003 }, { .110, .002, .006, .004 },
    };
    fill_foot(m, b, side, (foot_shape){ .material = SYNTH_M_SKIN, .label = left ? 16 : 17, .last = bare });
    const v3 heel = { b->rest[bone].x, 0.010, b->rest[bone].z - 0.034 };
    pn_synth_strand(m,
                    (synth_strand){ .from = heel, .mid = v3_add(heel, v3_make(0.0, -0.026, 0.012)),
                                    .to = v3_add(heel, v3_make(0.0, -0.049, 0.023)), .r_from = 0.011,
                                    .r_mid = 0.006, .r_to = 0.005, .flat = 1.0, .bone = bone, .rows = 6,
                                    .cols = 8, .label = label, .material = material,
                                    .region = left ? SYNTH_LEG_L : SYNTH_LEG_R });
}
