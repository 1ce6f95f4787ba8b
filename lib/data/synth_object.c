/* lib/data/synth_object.c - synthetic objects of boxes: vans, chairs and parcels, each side with its own look
 *
 * Axes at rest: z to the front, y up, x to the object's left; lengths are of the object's own size, and the camera takes
 * in the whole of it from every side. Azimuth turns the object about y, elevation lifts the camera.
 */
#include "data/synth.h"

enum { GRID = 5, WHEEL_COLS = 25, STREAM_OBJECT = (1 << 19) - 2 };

typedef enum { FRONT, BACK, LEFT, RIGHT, TOP, BOTTOM, SIDES } side;
typedef struct { v3 centre, half; int material[SIDES]; } box;

static const v3 X = { 1.0, 0.0, 0.0 }, Y = { 0.0, 1.0, 0.0 }, Z = { 0.0, 0.0, 1.0 };

/* ---- Shapes ----------------------------------------------------------------------------------------------------- */

static void put(synth_vertex *v, v3 at)
{
    v->rest = at;
    v->bone = SB_PELVIS;
    v->w = 1.0f;
}

/* As seen from outside: columns to the right, rows down. */
static void add_side(synth_person *p, const box *b, side of)
{
    const v3 out[SIDES] = { Z, v3_mul(Z, -1.0), X, v3_mul(X, -1.0), Y, v3_mul(Y, -1.0) };
    const v3 right[SIDES] = { X, v3_mul(X, -1.0), v3_mul(Z, -1.0), Z, X, X };
    const v3 down = v3_cross(right[of], out[of]), wide = v3_each(right[of], b->half), tall = v3_each(down, b->half);
    synth_vertex *v = pn_synth_sheet(&p->mesh, (synth_sheet){ .rows = GRID, .cols = GRID, .label = 1,
                                                              .material = b->material[of], .region = SYNTH_TRUNK });
    if (!v) return;
    synth_material *m = &p->material[b->material[of]];
    m->panel.wide = 2.0 * v3_length(wide);
    m->panel.tall = 2.0 * v3_length(tall);
    for (int i = 0; i < GRID * GRID; i++, v++) {
        const double a = 2.0 * (double)v->across - 1.0, c = 2.0 * (double)v->along - 1.0;
        put(v, v3_add(v3_add(b->centre, v3_each(out[of], b->half)), v3_add(v3_mul(wide, a), v3_mul(tall, c))));
        v->u = 0.5 * a * m->panel.wide;
        v->v = 0.5 * c * m->panel.tall;
    }
}

static void add_box(synth_person *p, const box *b)
{
    for (int s = 0; s < SIDES; s++) add_side(p, b, (side)s);
}

/* Along x: hub, tread, hub. */
static void add_wheel(synth_person *p, v3 centre, double radius, double half, int material)
{
    static const double rim[6] = { 0.0, 0.94, 1.0, 1.0, 0.94, 0.0 }, at[6] = { -1.0, -1.0, -0.8, 0.8, 1.0, 1.0 };
    synth_vertex *v = pn_synth_sheet(&p->mesh, (synth_sheet){ .rows = 6, .cols = WHEEL_COLS, .label = 1, .material = material,
                                                              .region = SYNTH_TRUNK, .flags = SYNTH_WRAPS | SYNTH_OPEN });
    if (!v) return;
    for (int i = 0; i < 6 * WHEEL_COLS; i++, v++) {
        const int row = i / WHEEL_COLS;
        const double turn = 2.0 * SYNTH_PI * (double)v->across;
        put(v, v3_add(centre, v3_make(half * at[row], radius * rim[row] * cos(turn), radius * rim[row] * sin(turn))));
        v->u = rim[row] * cos(turn);
        v->v = rim[row] * sin(turn);
    }
}

/* ---- Looks ------------------------------------------------------------------------------------------------------ */

static int add_material(synth_person *p, synth_material m)
{
    if (p->materials == SYNTH_MATERIALS) return p->materials - 1;
    p->material[p->materials] = m;
    return p->materials++;
}

static double brightness(v3 c) { return 0.3 * c.x + 0.6 * c.y + 0.1 * c.z; }

static v3 contrast(v3 c, pn_rng *rng)
{
    const v3 other = pn_synth_cloth_colour(rng);
    if (fabs(brightness(other) - brightness(c)) > 0.25) return other;
    return brightness(c) > 0.45 ? v3_mul(c, 0.25) : v3_mix(c, v3_make(1.0, 1.0, 1.0), 0.8);
}

static int painted(synth_person *p, v3 colour, synth_sign_on on, bool pattern, pn_rng *rng)
{
    static const synth_pattern patterns[] = { SYNTH_STRIPES, SYNTH_PINSTRIPES, SYNTH_CHECKS, SYNTH_DOTS, SYNTH_PLAID };
    synth_material m = { .stuff = SYNTH_PANEL, .pattern = SYNTH_PLAIN, .colour = colour, .gloss = 0.08,
                         .seed = pn_rng_u32(rng), .panel = { .on = on } };
    m.back = colour;
    m.second = v3_mix(colour, contrast(colour, rng), 0.55);
    m.ink = contrast(colour, rng);
    m.scale = synth_between(rng, 0.10, 0.22);
    if (pattern) m.pattern = patterns[pn_rng_below(rng, 5)];
    m.print = 1 + (int)pn_rng_below(rng, 6);
    m.number = 1 + (int)pn_rng_below(rng, 99);
    return add_material(p, m);
}

static int plain(synth_person *p, v3 colour, pn_rng *rng) { return painted(p, colour, SYNTH_BARE, false, rng); }

static void make_van(synth_person *p, pn_rng *rng)
{
    const v3 colour = pn_synth_cloth_colour(rng), roof_colour = synth_chance(rng, 0.5) ? colour : pn_synth_cloth_colour(rng);
    const double length = synth_between(rng, 0.42, 0.52), width = synth_between(rng, 0.19, 0.24);
    const double low = synth_between(rng, 0.10, 0.14), wheel = synth_between(rng, 0.075, 0.095);
    const double cabin = synth_between(rng, 0.45, 0.95) * length, tall = synth_between(rng, 0.08, 0.13);
    const bool pattern = synth_chance(rng, 0.4);
    box body = { { 0.0, low + 0.06, 0.0 }, { width, low, length }, { 0 } };
    body.material[FRONT] = painted(p, colour, SYNTH_LAMPS, false, rng);
    body.material[BACK] = painted(p, colour, SYNTH_TAIL, false, rng);
    body.material[LEFT] = painted(p, colour, SYNTH_NUMBER, pattern, rng);
    body.material[RIGHT] = painted(p, colour, SYNTH_ICON, pattern, rng);
    body.material[TOP] = plain(p, colour, rng);
    body.material[BOTTOM] = plain(p, v3_make(0.12, 0.12, 0.13), rng);
    add_box(p, &body);
    const double back = synth_between(rng, -1.0, -0.2) * (length - cabin);
    box top = { { 0.0, 2.0 * low + 0.06 + tall, back }, { 0.92 * width, tall, cabin }, { 0 } };
    const int glass = painted(p, roof_colour, SYNTH_GLASS, false, rng);
    const int side_glass = painted(p, roof_colour, SYNTH_DOORS, false, rng);
    for (int s = 0; s < SIDES; s++) top.material[s] = s == LEFT || s == RIGHT ? side_glass : glass;
    top.material[TOP] = painted(p, roof_colour, SYNTH_ICON, pattern, rng);
    top.material[BOTTOM] = body.material[BOTTOM];
    add_box(p, &top);
    const int tyre = painted(p, v3_make(0.10, 0.10, 0.11), SYNTH_WHEEL, false, rng);
    for (int i = 0; i < 4; i++)
        add_wheel(p, v3_make((i % 2 ? 1.0 : -1.0) * (width - 0.015), wheel, (i / 2 ? 0.62 : -0.62) * length), wheel, 0.035, tyre);
}

static void all_sides(box *b, int material)
{
    for (int s = 0; s < SIDES; s++) b->material[s] = material;
}

static void make_chair(synth_person *p, pn_rng *rng)
{
    const double wide = synth_between(rng, 0.20, 0.27), deep = synth_between(rng, 0.20, 0.26);
    const double seat = synth_between(rng, 0.34, 0.44), thick = synth_between(rng, 0.025, 0.06);
    const double back = synth_between(rng, 0.20, 0.32), leg = synth_between(rng, 0.018, 0.032);
    const v3 wood = pn_synth_cloth_colour(rng), cloth = pn_synth_cloth_colour(rng);
    const int frame = plain(p, wood, rng), legs = plain(p, v3_mul(wood, 0.75), rng);
    box s = { { 0.0, seat, 0.0 }, { wide, thick, deep }, { 0 } };
    all_sides(&s, frame);
    s.material[TOP] = painted(p, cloth, SYNTH_BARE, true, rng);
    add_box(p, &s);
    box b = { { 0.0, seat + thick + back, -deep + 0.6 * thick }, { wide, back, 0.6 * thick }, { 0 } };
    all_sides(&b, frame);
    b.material[FRONT] = painted(p, cloth, SYNTH_ICON, true, rng);
    b.material[BACK] = painted(p, pn_synth_cloth_colour(rng), SYNTH_NUMBER, false, rng);
    add_box(p, &b);
    const bool arms = synth_chance(rng, 0.4);
    for (int i = 0; i < 4; i++) {
        const double x = (i % 2 ? 1.0 : -1.0) * (wide - leg), z = (i / 2 ? 1.0 : -1.0) * (deep - leg);
        box l = { { x, 0.5 * (seat - thick), z }, { leg, 0.5 * (seat - thick), leg }, { 0 } };
        all_sides(&l, legs);
        add_box(p, &l);
    }
    for (int i = 0; arms && i < 2; i++) {
        const double sign = i ? 1.0 : -1.0, height = 0.45 * back;
        box post = { { sign * (wide - leg), seat + thick + 0.5 * height, deep - leg }, { leg, 0.5 * height, leg }, { 0 } };
        box rest = { { sign * (wide - leg), seat + thick + height, 0.0 }, { 1.3 * leg, 0.8 * leg, deep }, { 0 } };
        all_sides(&post, legs);
        all_sides(&rest, frame);
        add_box(p, &post);
        add_box(p, &rest);
    }
}

static v3 draw_v3(pn_rng *rng, v3 low, v3 high)
{
    const double x = synth_between(rng, low.x, high.x), y = synth_between(rng, low.y, high.y);
    return v3_make(x, y, synth_between(rng, low.z, high.z));
}

static void make_parcel(synth_person *p, pn_rng *rng)
{
    box b = { .half = draw_v3(rng, v3_make(0.22, 0.20, 0.22), v3_make(0.40, 0.38, 0.40)) };
    const v3 colour = pn_synth_cloth_colour(rng);
    for (int s = 0; s < SIDES; s++) {
        const bool same = s > FRONT && synth_chance(rng, 0.25), pattern = synth_chance(rng, 0.5);
        const v3 own = pn_synth_cloth_colour(rng);
        b.material[s] = painted(p, same ? colour : own, s % 2 ? SYNTH_NUMBER : SYNTH_ICON, pattern, rng);
    }
    add_box(p, &b);
    if (!synth_chance(rng, 0.6)) return;
    box lid = { .half = v3_each(b.half, draw_v3(rng, v3_make(0.4, 0.3, 0.4), v3_make(0.7, 0.5, 0.7))) };
    const v3 aside = v3_each(lid.half, draw_v3(rng, v3_make(-0.4, 0.0, -0.4), v3_make(0.4, 0.0, 0.4)));
    lid.centre = v3_add(aside, v3_make(0.0, b.half.y + lid.half.y, 0.0));
    for (int s = 0; s < SIDES; s++) lid.material[s] = painted(p, pn_synth_cloth_colour(rng), SYNTH_ICON, s % 2, rng);
    add_box(p, &lid);
}

/* ---- The whole -------------------------------------------------------------------------------------------------- */

/* Its middle to the origin; returns the radius of the ball that holds it. */
static double centre(synth_mesh *m)
{
    v3 low = { 1e9, 1e9, 1e9 }, high = { -1e9, -1e9, -1e9 };
    for (int i = 0; i < m->vertices; i++) {
        const v3 r = m->vertex[i].rest;
        low = v3_make(fmin(low.x, r.x), fmin(low.y, r.y), fmin(low.z, r.z));
        high = v3_make(fmax(high.x, r.x), fmax(high.y, r.y), fmax(high.z, r.z));
    }
    double radius = 0.0;
    for (int i = 0; i < m->vertices; i++) {
        m->vertex[i].rest = v3_sub(m->vertex[i].rest, v3_mix(low, high, 0.5));
        radius = fmax(radius, v3_length(m->vertex[i].rest));
    }
    return radius;
}

static double make_object(synth_person *p, uint64_t seed, int object)
{
    pn_rng rng = pn_rng_make(seed, ((uint64_t)object << 20) + STREAM_OBJECT);
    p->mesh.sheets = p->mesh.vertices = p->mesh.triangles = p->materials = 0;
    p->body = (synth_body){ .woman = false };
    p->wall = v3_make(1.0, 1.0, 1.0);
    p->plain = true;
    const double kind = pn_rng_uniform(&rng);
    if (kind < 0.5) make_van(p, &rng);
    else if (kind < 0.8) make_chair(p, &rng);
    else make_parcel(p, &rng);
    return centre(&p->mesh);
}

void pn_synth_object_draw(pn_synth *s, uint64_t seed, int object, int azimuth, int elevation)
{
    const unsigned mode = pn_denormals_flush();
    const double radius = make_object(s->person, seed, object);
    const double height = (double)s->seen.picture.height, width = (double)s->seen.picture.width;
    const q4 turn = q4_mul(q4_x(synth_rad(10.0 * elevation) - SYNTH_TILT), q4_y(synth_rad(20.0 * azimuth)));
    s->pose = (synth_pose){ .yaw = 0.0 };
    for (int i = 0; i < SYNTH_BONES; i++) s->pose.turn[i] = turn;
    s->scale = 0.47 * fmin(height, width) / radius;
    s->centre_x = 0.5 * width;
    s->centre_y = 0.5 * height;
    s->drawn = -1;                                      /* nobody is in the studio */
    pn_synth_project(s);
    pn_synth_light(s);
    pn_synth_annotate(s);
    pn_denormals_restore(mode);
}
