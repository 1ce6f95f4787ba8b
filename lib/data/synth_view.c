/* lib/data/synth_view.c - the studio: framing, what is seen where, key points, labels, exact flow */
#include "data/synth.h"

static v3 to_view(v3 p)
{
    return v3_make(p.x, p.y * cos(SYNTH_TILT) - p.z * sin(SYNTH_TILT), p.y * sin(SYNTH_TILT) + p.z * cos(SYNTH_TILT));
}

v3 pn_synth_to_screen(const pn_synth *s, v3 world)
{
    const v3 p = to_view(world);
    return v3_make((s->centre_x + s->scale * p.x) * SYNTH_SAMPLES, (s->centre_y - s->scale * p.y) * SYNTH_SAMPLES,
                   p.z);
}

v3 pn_synth_to_pixel(const pn_synth *s, v3 world)
{
    const v3 at = pn_synth_to_screen(s, world);
    return v3_make(at.x / SYNTH_SAMPLES - 0.5, at.y / SYNTH_SAMPLES - 0.5, at.z);
}

/* ---- Framing --------------------------------------------------------------------------------------------------- */

static void frame(pn_synth *s, pn_rng *rng)
{
    const synth_mesh *m = &s->person->mesh;
    const double height = (double)s->seen.picture.height, width = (double)s->seen.picture.width;
    v3 low = { 1e9, 1e9, 0.0 }, high = { -1e9, -1e9, 0.0 };
    for (int i = 0; i < m->vertices; i++) {
        const v3 p = to_view(m->at[i]);
        low = v3_make(fmin(low.x, p.x), fmin(low.y, p.y), 0.0);
        high = v3_make(fmax(high.x, p.x), fmax(high.y, p.y), 0.0);
    }
    if (s->pose.crop) {     /* from above the knee, or from the hip: limbs that reach far may leave the frame */
        const bool thigh = synth_chance(rng, 0.6);
        const double cut = thigh ? synth_between(rng, 0.20, 0.30) : synth_between(rng, 0.36, 0.44);
        const double crown = to_view(s->pose.at[SB_HEAD]).y + 0.135;
        s->scale = synth_between(rng, 0.92, 0.96) * height / (crown - cut);
        s->centre_x = 0.5 * width - s->scale * to_view(s->pose.at[SB_CHEST]).x;
        s->centre_y = height + s->scale * cut;
        return;
    }
    const double tall = synth_between(rng, 0.88, 0.945) * height / (high.y - low.y),
                 fits = 0.95 * width / (high.x - low.x);
    s->scale = fmin(tall, fits);
    const double spare = height - s->scale * (high.y - low.y), middle = 0.5 * (low.x + high.x);
    s->centre_x = 0.5 * width - s->scale * middle + synth_between(rng, -0.02, 0.02) * width;
    s->centre_y = height - spare * fmin(synth_between(rng, 0.45, 0.65), 0.06 * height / spare) + s->scale * low.y;
}

void pn_synth_show(pn_synth *s)                   /* the bent mesh through the camera */
{
    const synth_mesh *m = &s->person->mesh;
    for (int i = 0; i < m->vertices; i++) s->screen[i] = pn_synth_to_screen(s, m->at[i]);
    pn_synth_raster_clear(&s->samples);
    pn_synth_raster(&s->samples, m, s->screen);
}

void pn_synth_project(pn_synth *s)
{
    pn_synth_mesh_pose(&s->person->mesh, &s->person->body, &s->pose);
    pn_synth_show(s);
}

void pn_synth_invite(pn_synth *s, uint64_t seed, int person)
{
    if (s->drawn == person && s->seed == seed) return;
    pn_synth_person_make(s->person, seed, person);
    if (s->matched) pn_synth_match(s->person);
    s->seed = seed;
    s->drawn = person;
}

void pn_synth_place(pn_synth *s, uint64_t seed, int person, int view)
{
    pn_synth_invite(s, seed, person);
    synth_mesh *m = &s->person->mesh;
    pn_rng rng = pn_rng_make(seed, ((uint64_t)person << 20) + 1u + (uint64_t)view);
    pn_synth_pose_make(&s->pose, &s->person->body, s->person->stance, &rng, view);
    pn_synth_mesh_pose(m, &s->person->body, &s->pose);
    frame(s, &rng);
    pn_synth_show(s);
}

/* ---- Key points ------------------------------------------------------------------------------------------------ */

typedef enum { OF_FACE, OF_ARM, OF_TRUNK, OF_LEG } kind_of_joint;

/* The sheet in front at a place on the screen, and how far it lies before the point; -1: nothing, or off the frame. */
static int covering(const pn_synth *s, v3 screen, double *gap)
{
    if (!(screen.x >= 0.0 && screen.y >= 0.0)) return -1;
    const double x = floor(screen.x / SYNTH_SAMPLES), y = floor(screen.y / SYNTH_SAMPLES);
    if (x >= (double)s->seen.picture.width || y >= (double)s->seen.picture.height) return -1;
    const ptrdiff_t i = ((ptrdiff_t)y * SYNTH_SAMPLES + SYNTH_SAMPLES / 2) * s->samples.width
                    + (ptrdiff_t)x * SYNTH_SAMPLES + SYNTH_SAMPLES / 2;
    if (s->samples.triangle[i] < 0) return -1;
    *gap = (double)s->samples.depth[i] - screen.z;
    return s->person->mesh.triangle[s->samples.triangle[i]].sheet;
}

/* Would a detector that looks at the picture find it? Limbs behind others are lost; the far shoulder of a side view
 * too; a knee under a skirt is guessed right. */
static bool found(const pn_synth *s, v3 screen, kind_of_joint kind, synth_side side)
{
    double gap = 0.0;
    const int index = covering(s, screen, &gap);
    if (index < 0) return false;
    const synth_sheet *over = &s->person->mesh.sheet[index];
    const synth_region arm = side == SYNTH_LEFT ? SYNTH_ARM_L : SYNTH_ARM_R,
                       leg = side == SYNTH_LEFT ? SYNTH_LEG_L : SYNTH_LEG_R;
    switch (kind) {
    case OF_FACE: return over->label == 13 && over->region == SYNTH_HEAD && gap < 0.030;
    case OF_ARM: return over->region == arm || gap < 0.030;
    case OF_LEG: return over->region == leg || (over->region == SYNTH_TRUNK ? gap < 0.125 : gap < 0.030);
    default: return gap < 0.155;
    }
}

static void set_joint(pn_synth *s, int joint, v3 world, kind_of_joint kind, synth_side side)
{
    const v3 at = pn_synth_to_screen(s, world);
    const bool seen = found(s, at, kind, side);
    s->joint[joint] = pn_synth_to_pixel(s, world);
    s->seen.pose.x[joint] = seen ? floor(at.x / SYNTH_SAMPLES) : -1.0;
    s->seen.pose.y[joint] = seen ? floor(at.y / SYNTH_SAMPLES) : -1.0;
}

v3 pn_synth_on_head(const pn_synth *s, double x, double y, double z)
{
    const synth_body *b = &s->person->body;
    const v3 local = v3_sub(v3_add(b->head, v3_mul(v3_make(x, y, z), b->head_half.y)), b->rest[SB_HEAD]);
    return v3_add(s->pose.at[SB_HEAD], q4_turn(s->pose.turn[SB_HEAD], local));
}

static void set_face(pn_synth *s)
{
    set_joint(s, PN_NOSE, pn_synth_on_head(s, 0.0, -0.23, 0.80), OF_FACE, SYNTH_LEFT);
    for (int i = 0; i < 2; i++) {
        const double sign = synth_sign((synth_side)i);
        const v3 eye = q4_turn(s->pose.turn[SB_HEAD], v3_make(0.30 * sign, 0.0, 0.95));
        const v3 ear = q4_turn(s->pose.turn[SB_HEAD], v3_make(sign, 0.0, 0.1));
        const int eye_joint = i ? PN_L_EYE : PN_R_EYE, ear_joint = i ? PN_L_EAR : PN_R_EAR;
        set_joint(s, eye_joint, pn_synth_on_head(s, 0.295 * sign, 0.055, 0.60), OF_FACE, (synth_side)i);
        set_joint(s, ear_joint, pn_synth_on_head(s, 0.68 * sign, -0.02, -0.06), OF_FACE, (synth_side)i);
        if (to_view(eye).z < 0.05) s->seen.pose.x[eye_joint] = s->seen.pose.y[eye_joint] = -1.0;
        if (to_view(ear).z < -0.15) s->seen.pose.x[ear_joint] = s->seen.pose.y[ear_joint] = -1.0;
    }
}

static void set_joints(pn_synth *s)
{
    static const int arm[2] = { PN_R_SHOULDER, PN_L_SHOULDER }, leg[2] = { PN_R_HIP, PN_L_HIP };
    set_face(s);
    set_joint(s, PN_NECK, v3_mix(s->pose.at[SB_UPARM_R], s->pose.at[SB_UPARM_L], 0.5), OF_TRUNK, SYNTH_LEFT);
    for (int i = 0; i < 2; i++) {
        const synth_side side = (synth_side)i;
        for (int k = 0; k < 3; k++) {
            set_joint(s, arm[i] + k, s->pose.at[synth_arm(side) + k], k ? OF_ARM : OF_TRUNK, side);
            set_joint(s, leg[i] + k, s->pose.at[synth_leg(side) + k], k ? OF_LEG : OF_TRUNK, side);
        }
    }
}

/* ---- Labels and surface ---------------------------------------------------------------------------------------- */

static void note_pixel(pn_synth *s, ptrdiff_t pixel, ptrdiff_t x, ptrdiff_t y)
{
    const synth_mesh *m = &s->person->mesh;
    pn_synth_view *v = &s->seen;
    const ptrdiff_t sx = x * SYNTH_SAMPLES + SYNTH_SAMPLES / 2, sy = y * SYNTH_SAMPLES + SYNTH_SAMPLES / 2;
    const int32_t index = s->samples.triangle[sy * s->samples.width + sx];
    uint8_t *colour = &v->albedo.pixels[3 * pixel];
    if (index < 0) {
        v->sheet[pixel] = -1;
        v->across[pixel] = v->along[pixel] = 0.0f;
        v->labels.pixels[pixel] = colour[0] = colour[1] = colour[2] = 0;
        return;
    }
    const synth_triangle *t = &m->triangle[index];
    const synth_vertex *a = &m->vertex[t->vertex[0]], *b = &m->vertex[t->vertex[1]], *c = &m->vertex[t->vertex[2]];
    const synth_sheet *sheet = &m->sheet[t->sheet];
    const v3 w = pn_synth_weights(t, s->screen, (double)sx + 0.5, (double)sy + 0.5);
    const synth_spot spot = pn_synth_spot(a, b, c, w);
    const v3 paint = pn_synth_paint(&s->person->material[sheet->material], &s->person->body, &spot);
    v->labels.pixels[pixel] = (uint8_t)sheet->label;
    v->sheet[pixel] = (int16_t)t->sheet;
    v->across[pixel] = (float)spot.across;
    v->along[pixel] = (float)spot.along;
    colour[0] = synth_byte(paint.x);
    colour[1] = synth_byte(paint.y);
    colour[2] = synth_byte(paint.z);
}

void pn_synth_annotate(pn_synth *s)
{
    const ptrdiff_t height = s->seen.picture.height, width = s->seen.picture.width;
    for (ptrdiff_t y = 0; y < height; y++)
        for (ptrdiff_t x = 0; x < width; x++) note_pixel(s, y * width + x, x, y);
    set_joints(s);
    const double degrees = s->pose.yaw * (180.0 / SYNTH_PI), away = fabs(degrees);
    s->seen.yaw = degrees;
    s->seen.word = away < 30.0 ? "front" : away < 60.0 ? "full" : away < 120.0 ? "side" : "back";
    s->seen.woman = s->person->body.woman;
}

/* ---- Flow ------------------------------------------------------------------------------------------------------ */

/* Is this spot what source shows at that place, and not something before it or its far side? */
static bool uncovered(const pn_synth *source, v3 at, int sheet)
{
    double gap = 0.0;
    if (!(at.x >= 0.0 && at.y >= 0.0 && at.x < (double)source->samples.width
          && at.y < (double)source->samples.height))
        return false;
    const ptrdiff_t i = (ptrdiff_t)at.y * source->samples.width + (ptrdiff_t)at.x;
    if (source->samples.triangle[i] < 0) return false;
    gap = (double)source->samples.depth[i] - at.z;
    const double slack = 2.0 / (source->scale * SYNTH_SAMPLES);        /* two samples: a surface may slope */
    return gap < slack && source->person->mesh.triangle[source->samples.triangle[i]].sheet == sheet;
}

pn_status pn_synth_flow(const pn_synth *target, const pn_synth *source, float *flow, float *visible)
{
    const ptrdiff_t height = target->seen.picture.height, width = target->seen.picture.width, count = height * width;
    if (target->drawn < 0 || target->drawn != source->drawn || target->seed != source->seed)
        return pn_fail(target->ctx, PN_ERR_ARG,
                       "pn_synth_flow: target shows person %d, source person %d; draw two views of one",
                       target->drawn, source->drawn);
    if (height != source->seen.picture.height || width != source->seen.picture.width)
        return pn_fail(target->ctx, PN_ERR_ARG,
                       "pn_synth_flow: target is %tdx%td, source %tdx%td; use studios of one size",
                       height, width, source->seen.picture.height, source->seen.picture.width);
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t sx = i % width * SYNTH_SAMPLES + SYNTH_SAMPLES / 2,
                        sy = i / width * SYNTH_SAMPLES + SYNTH_SAMPLES / 2;
        const int32_t index = target->samples.triangle[sy * target->samples.width + sx];
        flow[i] = flow[count + i] = visible[i] = 0.0f;
        if (index < 0) continue;
        const synth_triangle *t = &target->person->mesh.triangle[index];
        const v3 w = pn_synth_weights(t, target->screen, (double)sx + 0.5, (double)sy + 0.5), *at = source->screen;
        const v3 there = v3_add(v3_add(v3_mul(at[t->vertex[0]], w.x), v3_mul(at[t->vertex[1]], w.y)),
                                v3_mul(at[t->vertex[2]], w.z));
        flow[i] = (float)((there.x - ((double)sx + 0.5)) / SYNTH_SAMPLES);
        flow[count + i] = (float)((there.y - ((double)sy + 0.5)) / SYNTH_SAMPLES);
        visible[i] = uncovered(source, there, t->sheet) ? 1.0f : 0.0f;
    }
    return PN_OK;
}

/* ---- The studio ------------------------------------------------------------------------------------------------ */

static pn_status furnish(pn_synth *s, ptrdiff_t height, ptrdiff_t width)
{
    pn_ctx *ctx = s->ctx;
    const size_t pixels = (size_t)(height * width), samples = pixels * SYNTH_SAMPLES * SYNTH_SAMPLES;
    s->samples = (synth_buffer){ .height = height * SYNTH_SAMPLES, .width = width * SYNTH_SAMPLES };
    s->shadow = (synth_buffer){ .height = height, .width = width };
    s->person = pn_alloc(ctx, 1, sizeof *s->person);
    s->screen = pn_alloc(ctx, SYNTH_VERTICES, sizeof *s->screen);
    s->lit_from = pn_alloc(ctx, SYNTH_VERTICES, sizeof *s->lit_from);
    s->samples.depth = pn_alloc(ctx, samples, sizeof(float));
    s->samples.triangle = pn_alloc(ctx, samples, sizeof(int32_t));
    s->shadow.depth = pn_alloc(ctx, pixels, sizeof(float));
    s->near_ = pn_alloc(ctx, pixels, sizeof(float));
    s->soft = pn_alloc(ctx, pixels, sizeof(float));
    s->row = pn_alloc(ctx, pixels, sizeof(float));
    s->seen.sheet = pn_alloc(ctx, pixels, sizeof(int16_t));
    s->seen.across = pn_alloc(ctx, pixels, sizeof(float));
    s->seen.along = pn_alloc(ctx, pixels, sizeof(float));
    s->seen.picture = (pn_image){ height, width, 3, pn_alloc(ctx, pixels, 3) };
    s->seen.albedo = (pn_image){ height, width, 3, pn_alloc(ctx, pixels, 3) };
    s->seen.labels = (pn_image){ height, width, 1, pn_alloc(ctx, pixels, 1) };
    const bool all = s->person && s->screen && s->lit_from && s->samples.depth && s->samples.triangle
        && s->shadow.depth && s->near_ && s->soft && s->row && s->seen.sheet && s->seen.across && s->seen.along
        && s->seen.picture.pixels && s->seen.albedo.pixels && s->seen.labels.pixels;
    return all ? PN_OK : PN_ERR_NOMEM;
}

pn_status pn_synth_size_check(pn_ctx *ctx, const char *call, ptrdiff_t height, ptrdiff_t width)
{
    const ptrdiff_t side = pn_ctx_limits(ctx)->image_side;
    if (height >= SYNTH_MIN_HEIGHT && width >= SYNTH_MIN_WIDTH && height <= side && width <= side) return PN_OK;
    return pn_fail(ctx, PN_ERR_LIMIT, "%s: size is %tdx%td, expected %dx%d to %tdx%td; 256x176 is the field's", call,
                   height, width,
                   SYNTH_MIN_HEIGHT, SYNTH_MIN_WIDTH, side, side);
}

pn_synth *pn_synth_new(pn_ctx *ctx, ptrdiff_t height, ptrdiff_t width)
{
    if (pn_synth_size_check(ctx, "pn_synth_new", height, width)) return NULL;
    pn_synth *s = pn_alloc(ctx, 1, sizeof *s);
    if (!s) return NULL;
    s->ctx = ctx;
    s->drawn = -1;
    if (furnish(s, height, width) == PN_OK) return s;
    pn_synth_free(s);
    return NULL;
}

void pn_synth_free(pn_synth *s)
{
    if (!s) return;
    void *const owned[] = {
        s->person, s->screen, s->lit_from, s->samples.depth, s->samples.triangle, s->shadow.depth, s->near_, s->soft,
        s->row, s->seen.sheet, s->seen.across, s->seen.along, s->seen.picture.pixels, s->seen.albedo.pixels,
        s->seen.labels.pixels,
    };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) pn_free(s->ctx, owned[i]);
    pn_free(s->ctx, s);
}

void pn_synth_draw(pn_synth *s, uint64_t seed, int person, int view)
{
    const unsigned mode = pn_denormals_flush();         /* the same arithmetic on every thread */
    pn_synth_place(s, seed, person, view);
    pn_synth_light(s);
    pn_synth_annotate(s);
    pn_denormals_restore(mode);
}

const pn_synth_view *pn_synth_seen(const pn_synth *s) { return &s->seen; }
