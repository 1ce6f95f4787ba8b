/* lib/data/synth_head.c - head, face relief, neck, ears and hair of a synthetic person */
#include "data/synth.h"

/* From chin (-1) to crown (1): half width, depth before and behind the centre, as shares of half the head's height. */
typedef struct { double y, width, front, rear; } slice;
static const slice skull[] = {
    { -1.00, 0.10, 0.52, -0.34 }, { -0.93, 0.26, 0.66, -0.16 }, { -0.80, 0.40, 0.70, -0.02 },
    { -0.60, 0.515, 0.71, 0.16 }, { -0.40, 0.575, 0.72, 0.36 }, { -0.15, 0.625, 0.725, 0.62 },
    { 0.10, 0.655, 0.725, 0.80 }, { 0.35, 0.675, 0.74, 0.88 },  { 0.60, 0.635, 0.69, 0.85 },
    { 0.80, 0.550, 0.60, 0.74 },  { 0.93, 0.359, 0.39, 0.48 },  { 1.00, 0.00, 0.00, 0.00 },
};
enum { SLICES = sizeof skull / sizeof *skull };

static double face_relief(bool woman, double x, double y, double cs)        /* x, y as shares of half the height */
{
    if (cs < 0.0) return 0.0;
    const double bridge = synth_step(-0.34, -0.22, y) * (1.0 - synth_step(-0.22, 0.22, y));
    const double nose = (woman ? 0.21 : 0.25) * bridge * synth_bump(x, 0.0, 0.095 - 0.04 * synth_step(-0.2, 0.2, y));
    const double eyes = -0.055 * (synth_bump(x, 0.30, 0.14) + synth_bump(x, -0.30, 0.14)) * synth_bump(y, 0.06, 0.11);
    const double lips = 0.050 * synth_bump(x, 0.0, 0.19) * synth_bump(y, -0.51, 0.085);
    const double chin = 0.035 * synth_bump(x, 0.0, 0.16) * synth_bump(y, -0.82, 0.10);
    const double brow = (woman ? 0.012 : 0.030) * synth_bump(y, 0.22, 0.08) * synth_step(0.5, 0.2, fabs(x));
    return nose + eyes + lips + chin + brow;
}

v3 pn_synth_head_at(const synth_body *b, double y, double theta, double off)
{
    int i = 0;
    while (i < SLICES - 2 && y > skull[i + 1].y) i++;
    const double k = synth_clamp((y - skull[i].y) / (skull[i + 1].y - skull[i].y), 0.0, 1.0);
    const slice *p = &skull[i > 0 ? i - 1 : 0], *q = &skull[i], *r = &skull[i + 1],
                 *s = &skull[i + 2 < SLICES ? i + 2 : i + 1];
    const double size = b->head_half.y, sn = sin(theta), cs = cos(theta);
    /* Near the crown a spline would overshoot: the radius there is that of a dome. */
    const bool dome = y >= 0.6;
    const double fall = dome ? sqrt(fmax(1.0 - pow((y - 0.6) / 0.4, 2.0), 0.0)) : 1.0;
    const double width = dome ? 0.635 * fall : synth_spline(p->width, q->width, r->width, s->width, k);
    const double front = dome ? 0.69 * fall : synth_spline(p->front, q->front, r->front, s->front, k);
    const double rear = dome ? 0.85 * fall : synth_spline(p->rear, q->rear, r->rear, s->rear, k);
    const double jaw = b->woman ? 1.0 : 1.0 + 0.09 * synth_bump(y, -0.62, 0.30);
    const double up = dome ? off * (y - 0.6) / 0.4 : 0.0;
    off *= fall;                        /* a shell over the crown closes */
    const double x = (width * jaw * size * (b->head_half.x / 0.046) + off) * synth_sgnpow(sn, 0.92);
    const double relief = face_relief(b->woman, x / size, y, cs);
    const double deep = (cs > 0.0 ? front : rear) * size * b->head_half.z;
    const double z = (deep + off) * synth_sgnpow(cs, cs > 0.0 ? 0.92 : 0.9);
    return v3_make(b->head.x + x, b->head.y + y * size + up, b->head.z + z + relief * size);
}

/* Columns crowd in front, where the face is. */
static double face_theta(double across)
{
    const double s = 2.0 * across - 1.0;
    return SYNTH_PI * (0.62 * s + 0.38 * s * s * s);
}

static void fill_skull(synth_person *p)
{
    enum { ROWS = 36, COLS = 49 };
    synth_vertex *v = pn_synth_sheet(&p->mesh,
                                     (synth_sheet){ .rows = ROWS, .cols = COLS, .label = 13,
                                                    .material = SYNTH_M_FACE, .region = SYNTH_HEAD,
                                                    .flags = SYNTH_WRAPS });
    if (!v) return;
    for (int i = 0; i < ROWS * COLS; i++, v++) {
        const double y = -cos(SYNTH_PI * (0.06 + 0.94 * (1.0 - v->along))), theta = face_theta(v->across);
        v->rest = pn_synth_head_at(&p->body, y, theta, 0.0);
        v->u = theta * 0.045;
        v->v = v->along * 0.13;
        v->bone = SB_HEAD;
        v->w = 1.0f;
    }
}

static void fill_neck(synth_person *p)
{
    enum { ROWS = 10, COLS = 25 };
    const synth_body *b = &p->body;
    synth_vertex *v = pn_synth_sheet(&p->mesh,
                                     (synth_sheet){ .rows = ROWS, .cols = COLS, .label = 13,
                                                    .material = SYNTH_M_SKIN, .region = SYNTH_HEAD,
                                                    .flags = SYNTH_WRAPS });
    if (!v) return;
    const double radius = b->woman ? 0.0255 : 0.0320;
    for (int i = 0; i < ROWS * COLS; i++, v++) {
        const double y = synth_lerp(0.915, 0.825, v->along), theta = SYNTH_PI * (2.0 * v->across - 1.0);
        const double r = radius * (1.0 + 0.20 * synth_step(0.860, 0.825, y)) * (1.0 + 0.06 * b->build);
        v->rest = v3_make(r * sin(theta), y, r * 1.05 * cos(theta) + synth_lerp(-0.013, -0.003, (y - 0.825) / 0.09));
        v->u = theta * r;
        v->v = 0.93 - y;
        v->bone = y < 0.862 ? SB_NECK : SB_HEAD;
        v->w = y < 0.862 ? (float)synth_step(0.820, 0.860, y) : (float)synth_step(0.864, 0.905, y);
    }
}

static void fill_ears(synth_person *p)
{
    for (int s = 0; s < 2; s++) {
        const v3 at = pn_synth_head_at(&p->body, -0.02, synth_sign((synth_side)s) * 0.54 * SYNTH_PI, 0.0005);
        pn_synth_blob(&p->mesh,
                      (synth_blob){ .centre = at, .half = { 0.0050, 0.0145, 0.0085 }, .bone = SB_HEAD, .rows = 8,
                                    .cols = 9, .label = 13, .material = SYNTH_M_SKIN, .region = SYNTH_HEAD });
    }
}

/* ---- Hair ------------------------------------------------------------------------------------------------------ */

typedef enum { CROPPED, SHORT, BOB, LONG, PONYTAIL, BUN, BALD, HAIRCUTS } haircut;
typedef struct { haircut cut; double part, fringe, length, thick, wave, ahead; bool beanie; } hair_style;

static hair_style choose_hair(bool woman, pn_rng *rng)
{
    static const double share[2][HAIRCUTS] = { { .42, .42, .04, .02, .01, .03, .06 },
                                               { .02, .11, .24, .35, .14, .14, 0. } };
    double r = pn_rng_uniform(rng);
    int i = 0;
    while (i < HAIRCUTS - 1 && r >= share[woman][i]) r -= share[woman][i++];
    hair_style h = { .cut = (haircut)i, .part = (pn_rng_uniform(rng) - 0.5) * 1.2 };
    const double fringe = pn_rng_uniform(rng);
    h.fringe = i != BALD && fringe < (woman ? 0.22 : 0.15) ? 1.0 : 0.0;
    h.length = i == LONG ? 0.66 + 0.11 * pn_rng_uniform(rng) : i == BOB ? 0.835 + 0.030 * pn_rng_uniform(rng) : 0.0;
    h.thick = i == CROPPED ? 0.006 : 0.009 + 0.005 * pn_rng_uniform(rng);
    h.wave = pn_rng_uniform(rng);
    h.ahead = i == LONG && pn_rng_uniform(rng) < 0.55 ? 0.17 : 0.42;    /* falls before the shoulders, or behind */
    h.beanie = i != BUN && pn_rng_uniform(rng) < 0.06;
    if (h.beanie) h.thick = 0.006;      /* pressed flat under it */
    return h;
}

/* Where hair ends, as y on the head, going round from the forehead (0) to the nape. */
static double hairline(const hair_style *h, double theta)
{
    const double away = fabs(theta) / SYNTH_PI,
                 forehead = h->fringe > 0.0 ? 0.36 : 0.66 + 0.10 * synth_bump(theta, h->part, 0.25);
    const double temple = h->fringe > 0.0 ? 0.20 : 0.42, ear = h->cut == CROPPED ? 0.10 : -0.02,
                 nape = h->cut == CROPPED ? -0.42 : -0.58;
    if (away < 0.25) return synth_lerp(forehead, temple, synth_step(0.10, 0.25, away));
    if (away < 0.42) return synth_lerp(temple, ear - 0.10, synth_step(0.25, 0.42, away));      /* sideburns */
    if (away < 0.56) return synth_lerp(ear - 0.10, ear + 0.12, synth_step(0.42, 0.50, away));  /* over the ear */
    return synth_lerp(ear + 0.12, nape, synth_step(0.56, 0.72, away));
}

static void fill_cap(synth_person *p, const hair_style *h)
{
    enum { ROWS = 26, COLS = 49 };
    synth_vertex *v = pn_synth_sheet(&p->mesh,
                                     (synth_sheet){ .rows = ROWS, .cols = COLS, .label = 2,
                                                    .material = SYNTH_M_HAIR, .region = SYNTH_HEAD,
                                                    .flags = SYNTH_WRAPS });
    if (!v) return;
    const uint32_t seed = p->material[SYNTH_M_HAIR].seed;
    const bool falls = h->cut == BOB || h->cut == LONG;
    for (int i = 0; i < ROWS * COLS; i++, v++) {
        const double theta = face_theta(v->across), edge = hairline(h, theta);
        const double angle = acos(synth_clamp(edge, -1.0, 1.0)), y = cos(angle * v->along);
        const double body = synth_step(1.0, 0.72, v->along);            /* thin at the edge, full above it */
        const double parting = 1.0 - 0.5 * synth_bump(theta, h->part, 0.22) * synth_step(0.5, 0.9, y);
        /* under the curtain */
        const double thin = falls ? synth_lerp(0.40, 1.0, synth_step(0.35, 0.60, y)) : 1.0;
        const double lump = 1.0 + 0.20 * pn_synth_noise(2.0 * (sin(theta) + y), 2.0 * cos(theta) + 3.0 * y, seed);
        v->rest = pn_synth_head_at(&p->body, y, theta,
                          0.0012 + h->thick * thin * body * parting * lump * (1.0 + 0.3 * synth_step(0.2, 0.9, y)));
        v->u = theta * 0.05;
        v->v = v->along * angle * 0.066;
        v->bone = SB_HEAD;
        v->w = 1.0f;
    }
}

/* Hair that falls: a curtain round the back and sides, over the shoulders when it is long. */
static void fill_curtain(synth_person *p, const hair_style *h)
{
    enum { ROWS = 22, COLS = 37 };
    const synth_body *b = &p->body;
    synth_vertex *v = pn_synth_sheet(&p->mesh,
                                     (synth_sheet){ .rows = ROWS, .cols = COLS, .label = 2,
                                                    .material = SYNTH_M_HAIR, .region = SYNTH_HEAD,
                                                    .flags = SYNTH_OPEN });
    if (!v) return;
    const uint32_t seed = p->material[SYNTH_M_HAIR].seed;
    const double top = b->head.y + 0.72 * b->head_half.y;
    for (int i = 0; i < ROWS * COLS; i++, v++) {
        /* share left for the face */
        const double s = 2.0 * v->across - 1.0, open = synth_lerp(0.31, h->ahead, v->along);
        const double theta = SYNTH_PI + s * SYNTH_PI * (1.0 - open), away = fabs(fabs(theta - SYNTH_PI) / SYNTH_PI);
        const double tip = h->length + 0.016 * away + 0.010 * pn_synth_noise(6.0 * s, 0.5, seed);
        const double y = synth_lerp(top, tip, v->along), on_head = (y - b->head.y) / b->head_half.y;
        const v3 head = pn_synth_head_at(b, synth_clamp(on_head, -0.20, 0.72), theta,
                                h->thick * (0.90 + 0.35 * synth_step(0.72, 0.58, on_head)));
        const double below = synth_step(0.02, 0.07, b->head.y - y);
        const v3 trunk = pn_synth_trunk(b, synth_clamp(y, 0.5, 0.812), theta, 0.016);
        const double narrow = synth_clamp(0.052 / fmax(fabs(trunk.x), 1e-6), 0.0, 1.0);
        const double wave = 1.0 + 0.05 * h->wave * below * sin(90.0 * y + 3.0 * s);
        const double on_back = synth_clamp(trunk.x, -0.058, 0.058) * synth_lerp(0.95, 0.8, v->along);
        const double behind = fmin(trunk.z, head.z + 0.02) * synth_lerp(1.0, narrow, 0.1);
        const double x = synth_lerp(head.x, on_back, below) * wave;
        const double z = synth_lerp(head.z, behind, below * synth_step(0.90, 0.82, y));
        v->rest = v3_make(x, y, z);
        v->u = s * 0.12;
        v->v = top - y;
        v->bone = y > 0.862 ? SB_HEAD : SB_NECK;
        v->w = y > 0.862 ? 1.0f : (float)(0.15 + 0.85 * synth_step(0.79, 0.862, y));
    }
}

static void fill_tail(synth_person *p, const hair_style *h)
{
    const synth_body *b = &p->body;
    const v3 back = pn_synth_head_at(b, 0.40, SYNTH_PI, h->thick);
    if (h->cut == BUN) {
        const bool high = b->woman && h->part > 0.1;
        const v3 at = high ? pn_synth_head_at(b, 0.80, SYNTH_PI, 0.016) : v3_add(back, v3_make(0.0, 0.0, -0.008));
        pn_synth_blob(&p->mesh,
                      (synth_blob){ .centre = at, .half = { 0.024, 0.022, 0.022 }, .bone = SB_HEAD, .rows = 12,
                                    .cols = 17, .label = 2, .material = SYNTH_M_HAIR, .region = SYNTH_HEAD });
        return;
    }
    const double end = 0.76 + 0.05 * h->wave;
    const v3 shoulder = pn_synth_trunk(b, end, SYNTH_PI, 0.016);
    pn_synth_strand(&p->mesh,
                    (synth_strand){ .from = v3_add(back, v3_make(0.0, 0.0, 0.004)),
                                    .mid = v3_add(back, v3_make(0.0, -0.02, -0.050)),
                                    .to = { h->part * 0.02, end, shoulder.z }, .r_from = 0.010, .r_mid = 0.024,
                                    .r_to = 0.006, .flat = 0.8, .bone = SB_HEAD, .rows = 16, .cols = 13,
                                    .label = 2, .material = SYNTH_M_HAIR, .region = SYNTH_HEAD });
}

static void fill_beanie(synth_person *p, pn_rng *rng)
{
    enum { ROWS = 16, COLS = 41 };
    if (p->materials == SYNTH_MATERIALS) return;
    synth_vertex *v = pn_synth_sheet(&p->mesh,
                                     (synth_sheet){ .rows = ROWS, .cols = COLS, .label = 1,
                                                    .material = p->materials, .region = SYNTH_HEAD,
                                                    .flags = SYNTH_WRAPS });
    const v3 colour = pn_synth_cloth_colour(rng);
    p->material[p->materials++] = (synth_material){ .stuff = SYNTH_CLOTH, .pattern = SYNTH_KNIT, .colour = colour,
        .second = v3_mul(colour, 0.8), .back = colour, .scale = 0.012, .folds = 0.4, .seed = pn_rng_u32(rng) };
    if (!v) return;
    for (int i = 0; i < ROWS * COLS; i++, v++) {
        const double theta = face_theta(v->across),
                     edge = synth_lerp(0.42, 0.02, synth_step(0.1, 0.5, fabs(theta) / SYNTH_PI));
        const double y = cos(acos(edge) * v->along), cuff = 0.004 * synth_step(0.70, 0.74, v->along);
        v->rest = pn_synth_head_at(&p->body, y, theta, 0.017 + cuff);
        v->u = theta * 0.05;
        v->v = v->along * 0.08;
        v->bone = SB_HEAD;
        v->w = 1.0f;
    }
}

void pn_synth_head(synth_person *p, pn_rng *rng)
{
    const hair_style h = choose_hair(p->body.woman, rng);
    fill_skull(p);
    fill_neck(p);
    fill_ears(p);
    if (h.cut != BALD) fill_cap(p, &h);
    if (h.cut == BOB || h.cut == LONG) fill_curtain(p, &h);
    if (h.cut == PONYTAIL || h.cut == BUN) fill_tail(p, &h);
    if (h.beanie) fill_beanie(p, rng);
}
