/* lib/data/synth_face.c - frames of a synthetic face that talks, blinks, looks and turns, and its 68 landmarks
 *
 * The head is that of a synthetic person, seen close. Landmarks are places on it: those of brows, eyes and mouth come
 * from the functions that paint them, and go through the same jaw, neck and camera as the picture.
 */
#include "data/synth.h"

enum { STREAM_TALK = (1 << 19) - 1 };           /* beside the streams of motions, see synth_clip.c */

static const double EYE = 0.295, EYE_Y = 0.055, EYE_HALF = 0.14;

/* ---- What the face does ----------------------------------------------------------------------------------------- */

typedef struct { double size, period, phase; } swing;
typedef struct {
    swing yaw, pitch, roll, talk, stress, smile, brow, gaze_x, gaze_y;
    double blink, blink_phase, turn;            /* frames from blink to blink; yaw about which the head turns */
} talk;

static swing draw_swing(pn_rng *rng, double size, double fast, double slow)
{
    const double s = size * synth_between(rng, 0.5, 1.0), period = synth_between(rng, fast, slow);
    return (swing){ s, period, synth_between(rng, 0.0, 2.0 * SYNTH_PI) };
}

static talk draw_talk(pn_rng *rng)
{
    talk t;
    t.yaw = draw_swing(rng, 30.0, 40.0, 80.0);
    t.pitch = draw_swing(rng, 11.0, 30.0, 60.0);
    t.roll = draw_swing(rng, 8.0, 40.0, 90.0);
    t.talk = draw_swing(rng, 1.0, 9.0, 16.0);
    t.stress = draw_swing(rng, 1.0, 30.0, 60.0);
    t.smile = draw_swing(rng, 1.0, 40.0, 80.0);
    t.brow = draw_swing(rng, 1.0, 30.0, 60.0);
    t.gaze_x = draw_swing(rng, 0.050, 25.0, 50.0);
    t.gaze_y = draw_swing(rng, 0.016, 25.0, 50.0);
    t.blink = synth_between(rng, 18.0, 32.0);
    t.blink_phase = synth_between(rng, 0.0, 1.0);
    t.turn = synth_between(rng, -10.0, 10.0);
    return t;
}

static double at(const swing *s, double frame) { return s->size * sin(2.0 * SYNTH_PI * frame / s->period + s->phase); }

static synth_look look_at(const talk *t, double f)
{
    const double since = f / t->blink + t->blink_phase, shut = (since - floor(since) - 0.5) * t->blink;
    const double stress = synth_clamp(0.55 + at(&t->stress, f), 0.0, 1.0);      /* now and then nothing is said */
    return (synth_look){ .mouth = stress * synth_clamp(0.45 * t->talk.size + 0.55 * at(&t->talk, f), 0.0, 1.0),
                         .smile = synth_clamp(0.25 + 0.75 * at(&t->smile, f), -0.3, 1.0),
                         .lids = synth_bump(shut, 0.0, 1.6), .brow = synth_clamp(at(&t->brow, f), -0.4, 1.0),
                         .gaze_x = at(&t->gaze_x, f), .gaze_y = at(&t->gaze_y, f),
                         .yaw = synth_rad(t->turn + at(&t->yaw, f)), .pitch = synth_rad(at(&t->pitch, f)),
                         .roll = synth_rad(at(&t->roll, f)), .close = true };
}

/* ---- Pose and jaw ----------------------------------------------------------------------------------------------- */

static void stand(synth_pose *p, const synth_body *b, const synth_look *l)
{
    *p = (synth_pose){ .yaw = 0.0 };
    for (int i = 0; i < SYNTH_BONES; i++) p->turn[i] = q4_none();
    p->at[SB_PELVIS] = b->rest[SB_PELVIS];
    p->turn[SB_CHEST] = q4_y(0.25 * l->yaw);            /* shoulders go along */
    const q4 half = q4_mul(q4_y(0.375 * l->yaw), q4_mul(q4_x(0.5 * l->pitch), q4_z(0.5 * l->roll)));
    p->turn[SB_NECK] = q4_mul(p->turn[SB_CHEST], half);
    p->turn[SB_HEAD] = q4_mul(p->turn[SB_NECK], half);
    for (int i = SB_SPINE; i <= SB_HEAD; i++) pn_synth_hang(p, b, i);
    for (int s = 0; s < 2; s++) {
        const int arm = synth_arm((synth_side)s), leg = synth_leg((synth_side)s);
        for (int k = 0; k < 3; k++) p->turn[arm + k] = p->turn[SB_CHEST];
        for (int k = 0; k < 3; k++) pn_synth_hang(p, b, arm + k);
        for (int k = 0; k < 3; k++) pn_synth_hang(p, b, leg + k);
    }
}

/* How far a place on the head at rest sinks with the jaw. */
static double drop(const synth_body *b, const synth_look *l, v3 rest)
{
    const double y = (rest.y - b->head.y) / b->head_half.y, z = (rest.z - b->head.z) / b->head_half.y;
    return 0.10 * l->mouth * b->head_half.y * synth_step(-0.46, -0.80, y) * synth_step(-0.30, 0.40, z);
}

static v3 moved(const pn_synth *s, const synth_look *l, v3 rest)
{
    const synth_body *b = &s->person->body;
    rest.y -= drop(b, l, rest);
    return v3_add(s->pose.at[SB_HEAD], q4_turn(s->pose.turn[SB_HEAD], v3_sub(rest, b->rest[SB_HEAD])));
}

static void open_jaw(pn_synth *s, const synth_look *l)
{
    synth_mesh *m = &s->person->mesh;
    for (int i = 0; i < m->sheets; i++) {
        const synth_sheet *sheet = &m->sheet[i];
        if (sheet->material != SYNTH_M_FACE) continue;
        for (int v = sheet->first; v < sheet->first + sheet->rows * sheet->cols; v++)
            m->at[v] = moved(s, l, m->vertex[v].rest);
    }
}

/* ---- Landmarks -------------------------------------------------------------------------------------------------- */

/* The place on the face at rest at x, y, in shares of half the head's height. */
static v3 on_face(const synth_body *b, double x, double y)
{
    double low = 0.0, high = 0.5 * SYNTH_PI;
    for (int i = 0; i < 48; i++) {
        const double theta = 0.5 * (low + high);
        if ((pn_synth_head_at(b, y, theta, 0.0).x - b->head.x) / b->head_half.y < fabs(x)) low = theta;
        else high = theta;
    }
    return pn_synth_head_at(b, y, x < 0.0 ? -low : low, 0.0);
}

typedef struct { pn_synth *s; const synth_look *look; int next; } marker;

static void mark_rest(marker *k, v3 rest)
{
    const v3 pixel = pn_synth_to_pixel(k->s, moved(k->s, k->look, rest));
    k->s->landmarks.x[k->next] = pixel.x;
    k->s->landmarks.y[k->next++] = pixel.y;
}

static void mark(marker *k, double x, double y) { mark_rest(k, on_face(&k->s->person->body, x, y)); }

static void mark_outline(marker *k)
{
    for (int i = 0; i < 17; i++) {
        const double a = (i - 8) / 8.0, s = sin(0.5 * SYNTH_PI * fabs(a)), y = 0.03 - 1.00 * cos(0.5 * SYNTH_PI * a);
        const double theta = 0.5 * SYNTH_PI * pow(s, 0.6);
        mark_rest(k, pn_synth_head_at(&k->s->person->body, y, a < 0.0 ? -theta : theta, 0.0));
    }
}

static void mark_brows(marker *k)
{
    static const double away[5] = { 0.465, 0.385, 0.300, 0.215, 0.140 };
    for (int i = 0; i < 10; i++) {
        const double x = i < 5 ? -away[i] : away[9 - i];
        mark(k, x, pn_synth_brow(k->look, fabs(x)));
    }
}

static void mark_nose(marker *k)
{
    for (int i = 0; i < 4; i++) mark(k, 0.0, 0.06 - 0.10 * i);
    for (int i = 0; i < 5; i++) mark(k, 0.052 * (i - 2), i == 2 ? -0.345 : i == 1 || i == 3 ? -0.338 : -0.325);
}

static void mark_eyes(marker *k)
{
    /* round an eye from the corner on the picture's left, over the upper lid */
    static const double along[6] = { -1.0, -0.36, 0.36, 1.0, 0.36, -0.36 };
    for (int eye = 0; eye < 2; eye++) {
        for (int i = 0; i < 6; i++) {
            const double x = (eye ? EYE : -EYE) + along[i] * EYE_HALF;
            const synth_lids lid = pn_synth_lids(k->look, fabs(x) - EYE);
            mark(k, x, EYE_Y + (i == 1 || i == 2 ? lid.upper : i > 3 ? lid.lower : 0.0));
        }
    }
}

static void mark_mouth(marker *k)
{
    static const double outer[12] = { -1.0, -0.62, -0.26, 0.0, 0.26, 0.62, 1.0, 0.62, 0.26, 0.0, -0.26, -0.62 };
    static const double inner[8] = { -0.86, -0.34, 0.0, 0.34, 0.86, 0.34, 0.0, -0.34 };
    const double half = pn_synth_mouth(k->look, 0.0).half;
    for (int i = 0; i < 12; i++) {
        const synth_mouth m = pn_synth_mouth(k->look, outer[i] * half);
        mark(k, outer[i] * half, i == 0 || i == 6 ? m.line : i < 6 ? m.top : m.bottom);
    }
    for (int i = 0; i < 8; i++) {
        const synth_mouth m = pn_synth_mouth(k->look, inner[i] * half);
        mark(k, inner[i] * half, i == 0 || i == 4 ? 0.5 * (m.line + m.gap) : i < 4 ? m.line : m.gap);
    }
}

/* ---- A frame ---------------------------------------------------------------------------------------------------- */

void pn_synth_face_draw(pn_synth *s, uint64_t seed, int person, int frame)
{
    const unsigned mode = pn_denormals_flush();
    pn_synth_invite(s, seed, person);
    pn_rng rng = pn_rng_make(seed, ((uint64_t)person << 20) + STREAM_TALK);
    const talk t = draw_talk(&rng);
    const synth_look look = look_at(&t, (double)frame);
    const double height = (double)s->seen.picture.height, width = (double)s->seen.picture.width;
    const double zoom = synth_between(&rng, 0.54, 0.60), side = fmin(height, width);
    stand(&s->pose, &s->person->body, &look);
    pn_synth_mesh_pose(&s->person->mesh, &s->person->body, &s->pose);
    open_jaw(s, &look);
    s->scale = zoom * side / 0.134;
    s->centre_x = 0.5 * width + synth_between(&rng, -0.03, 0.03) * width;
    s->centre_y = 0.5 * height + s->scale * 0.925;
    s->person->material[SYNTH_M_FACE].look = look;
    pn_synth_show(s);
    pn_synth_light(s);
    pn_synth_annotate(s);
    s->person->material[SYNTH_M_FACE].look = (synth_look){ .close = false };    /* at rest for who comes next */
    marker k = { s, &look, 0 };
    mark_outline(&k);
    mark_brows(&k);
    mark_nose(&k);
    mark_eyes(&k);
    mark_mouth(&k);
    pn_denormals_restore(mode);
}
