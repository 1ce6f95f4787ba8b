/* lib/data/synth_light.c - light, shadow and studio: from surfaces to a photograph
 *
 * One soft key light with a shadow map, light from all around that depth differences dim (Luft et al. 2006), small
 * folds in cloth, a light wall that runs into the floor, and shadows where the feet stand.
 */
#include "data/synth.h"

typedef struct { v3 key, side, up; double scale, x, y, depth; } lamp;  /* the light's own picture plane */

synth_spot pn_synth_spot(const synth_vertex *a, const synth_vertex *b, const synth_vertex *c, v3 w)
{
    return (synth_spot){
        .rest = v3_add(v3_add(v3_mul(a->rest, w.x), v3_mul(b->rest, w.y)), v3_mul(c->rest, w.z)),
        .u = a->u * w.x + b->u * w.y + c->u * w.z, .v = a->v * w.x + b->v * w.y + c->v * w.z,
        .across = (double)a->across * w.x + (double)b->across * w.y + (double)c->across * w.z,
        .along = (double)a->along * w.x + (double)b->along * w.y + (double)c->along * w.z,
    };
}

/* ---- Shadow map ------------------------------------------------------------------------------------------------ */

static v3 to_lamp(const lamp *l, v3 p)
{
    return v3_make(l->x + l->scale * v3_dot(p, l->side), l->y - l->scale * v3_dot(p, l->up), v3_dot(p, l->key));
}

static lamp hang_lamp(pn_synth *s)
{
    lamp l = { .key = v3_unit(v3_make(-0.46, 0.66, 0.72)) };
    l.side = v3_unit(v3_cross(v3_make(0.0, 1.0, 0.0), l.key));
    l.up = v3_cross(l.key, l.side);
    const synth_mesh *m = &s->person->mesh;
    v3 low = { 1e9, 1e9, 0.0 }, high = { -1e9, -1e9, 0.0 };
    for (int i = 0; i < m->vertices; i++) {
        const double x = v3_dot(m->at[i], l.side), y = v3_dot(m->at[i], l.up);
        low = v3_make(fmin(low.x, x), fmin(low.y, y), 0.0);
        high = v3_make(fmax(high.x, x), fmax(high.y, y), 0.0);
    }
    const double height = (double)s->shadow.height, width = (double)s->shadow.width;
    l.scale = 0.96 * fmin(height / (high.y - low.y), width / (high.x - low.x));
    l.x = 0.5 * width - 0.5 * l.scale * (low.x + high.x);
    l.y = 0.5 * height + 0.5 * l.scale * (low.y + high.y);
    for (int i = 0; i < m->vertices; i++) s->lit_from[i] = to_lamp(&l, m->at[i]);
    pn_synth_raster_clear(&s->shadow);
    pn_synth_raster(&s->shadow, m, s->lit_from);
    return l;
}

static double lit(const pn_synth *s, const lamp *l, v3 world)   /* 0 in shadow .. 1, over four texels */
{
    const v3 p = to_lamp(l, world);
    const double x = floor(p.x - 0.5), y = floor(p.y - 0.5), kx = p.x - 0.5 - x, ky = p.y - 0.5 - y;
    if (!(x >= 0.0 && y >= 0.0 && x + 1.0 < (double)s->shadow.width && y + 1.0 < (double)s->shadow.height))
        return 1.0;
    const float *d = &s->shadow.depth[(ptrdiff_t)y * s->shadow.width + (ptrdiff_t)x];
    const double bias = 0.010 + 2.0 / l->scale, z = p.z + bias;
    const double a = (double)d[0] < z, b = (double)d[1] < z, c = (double)d[s->shadow.width] < z,
                 e = (double)d[s->shadow.width + 1] < z;
    return synth_lerp(synth_lerp(a, b, kx), synth_lerp(c, e, kx), ky);
}

/* ---- Ambient: what is behind its surroundings is dimmer -------------------------------------------------------- */

static void blur_lines(const float *in, float *out, ptrdiff_t lines, ptrdiff_t length, const ptrdiff_t stride[2],
                       ptrdiff_t radius)
{
    for (ptrdiff_t k = 0; k < lines; k++) {
        const float *from = in + k * stride[0];
        float *to = out + k * stride[0];
        double sum = 0.0;
        for (ptrdiff_t i = -radius; i <= radius; i++) {
            const ptrdiff_t at = i < 0 ? 0 : i >= length ? length - 1 : i;
            sum += (double)from[at * stride[1]];
        }
        for (ptrdiff_t i = 0; i < length; i++) {
            to[i * stride[1]] = (float)(sum / (double)(2 * radius + 1));
            const ptrdiff_t next = i + radius + 1 < length ? i + radius + 1 : length - 1,
                            last = i - radius > 0 ? i - radius : 0;
            sum += (double)from[next * stride[1]] - (double)from[last * stride[1]];
        }
    }
}

static void measure_depth(pn_synth *s)
{
    const ptrdiff_t height = s->seen.picture.height, width = s->seen.picture.width;
    const double wall = -0.35;
    for (ptrdiff_t y = 0; y < height; y++) {
        for (ptrdiff_t x = 0; x < width; x++) {
            const ptrdiff_t i = (y * SYNTH_SAMPLES + SYNTH_SAMPLES / 2) * s->samples.width + x * SYNTH_SAMPLES
                            + SYNTH_SAMPLES / 2;
            s->near_[y * width + x] = (float)(s->samples.triangle[i] < 0 ? wall : (double)s->samples.depth[i]);
        }
    }
    const ptrdiff_t radius = 1 + (ptrdiff_t)(0.020 * s->scale), rows[2] = { width, 1 }, columns[2] = { 1, width };
    blur_lines(s->near_, s->row, height, width, rows, radius);
    blur_lines(s->row, s->soft, width, height, columns, radius);
    blur_lines(s->soft, s->row, height, width, rows, radius);
    blur_lines(s->row, s->soft, width, height, columns, radius);
}

/* ---- A surface ------------------------------------------------------------------------------------------------- */

/* Where down a sleeve or trouser leg the joint is that creases it, and how much: more, the more it is bent. */
typedef struct { double joint, depth; } crease;

static crease crease_of(const pn_synth *s, synth_region region)
{
    static const int bones[] = { [SYNTH_ARM_R] = SB_UPARM_R, [SYNTH_ARM_L] = SB_UPARM_L, [SYNTH_LEG_R] = SB_THIGH_R,
                                 [SYNTH_LEG_L] = SB_THIGH_L };
    if (region == SYNTH_TRUNK || region == SYNTH_HEAD) return (crease){ .joint = 9.0 };
    const int bone = bones[region];
    const v3 down = { 0.0, -1.0, 0.0 };
    const double bent = 1.0 - v3_dot(q4_turn(s->pose.turn[bone], down), q4_turn(s->pose.turn[bone + 1], down));
    return (crease){ .joint = s->person->body.rest[bone].y - s->person->body.rest[bone + 1].y,
                     .depth = synth_clamp(0.12 + 2.5 * bent, 0.0, 1.0) };
}

static v3 fold(const synth_material *m, v3 normal, const synth_spot *p, crease at)
{
    const double broad = pn_synth_noise(p->u * 26.0 + 7.0, p->v * 15.0, m->seed + 11);
    const double fine = pn_synth_noise(p->u * 60.0, p->v * 46.0 + 0.6 * p->u * 60.0, m->seed + 12);
    const double strength = fabs(p->v - at.joint) < 0.10 ? at.depth * synth_bump(p->v, at.joint, 0.035) : 0.0;
    const double wrinkle = strength > 0.0 ? strength * sin(330.0 * p->v + 6.0 * broad + 25.0 * p->u) : 0.0;
    const double k = 0.30 * m->folds;
    return v3_unit(v3_add(normal, v3_make(k * (broad + 0.5 * fine), k * (0.6 * (fine - broad) + 1.1 * wrinkle), 0.0)));
}

static v3 shade(const pn_synth *s, const lamp *l, int32_t index, double x, double y, double open)
{
    const synth_mesh *m = &s->person->mesh;
    const synth_triangle *t = &m->triangle[index];
    const int ia = t->vertex[0], ib = t->vertex[1], ic = t->vertex[2];
    const synth_material *stuff = &s->person->material[m->sheet[t->sheet].material];
    const v3 w = pn_synth_weights(t, s->screen, x, y);
    const synth_spot spot = pn_synth_spot(&m->vertex[ia], &m->vertex[ib], &m->vertex[ic], w);
    v3 n = v3_unit(v3_add(v3_add(v3_mul(m->normal[ia], w.x), v3_mul(m->normal[ib], w.y)),
                          v3_mul(m->normal[ic], w.z)));
    const v3 at = v3_add(v3_add(v3_mul(m->at[ia], w.x), v3_mul(m->at[ib], w.y)), v3_mul(m->at[ic], w.z));
    const bool inside = n.z * 0.996 + n.y * 0.087 < -0.02;                              /* the lining */
    if (inside) n = v3_mul(n, -1.0);
    if (stuff->folds > 0.0) n = fold(stuff, n, &spot, crease_of(s, m->sheet[t->sheet].region));
    const v3 paint = pn_synth_paint(stuff, &s->person->body, &spot);
    const double facing = v3_dot(n, l->key), sun = facing > 0.0 ? lit(s, l, at) : 0.0;
    const double key = synth_clamp((facing + 0.30) / 1.30, 0.0, 1.0) * synth_lerp(0.42, 1.0, sun);
    const double ambient = (0.62 + 0.22 * n.y + 0.16 * fabs(n.z)) * open;
    const double rim = 0.86 + 0.14 * synth_clamp(n.z, 0.0, 1.0);
    const double light = (0.68 * ambient + 0.60 * key * synth_lerp(0.75, 1.0, open)) * rim * (inside ? 0.55 : 1.0);
    const v3 half = v3_unit(v3_add(l->key, v3_make(0.0, 0.087, 0.996)));
    const double sharp = stuff->stuff == SYNTH_HAIR ? 14.0 : 24.0;
    const double shine = stuff->gloss * sun * pow(synth_clamp(v3_dot(n, half), 0.0, 1.0), sharp);
    /* light that went under the skin */
    const v3 tint = stuff->stuff == SYNTH_SKIN || stuff->stuff == SYNTH_FACE
        ? v3_make(1.0 + 0.10 * (1.0 - key), 1.0, 1.0 - 0.04 * (1.0 - key)) : v3_make(1.0, 1.0, 1.0);
    return v3_add(v3_mul(v3_each(paint, tint), light), v3_make(shine, shine, 0.95 * shine));
}

/* ---- Studio ---------------------------------------------------------------------------------------------------- */

typedef struct { double x, y, wide, flat, dark; } stain;
typedef struct { stain on_floor[5]; int count; double floor; } ground;

static ground find_ground(const pn_synth *s)
{
    ground g = { 0 };
    v3 middle = { 0.0, 0.0, 0.0 };
    for (int i = 0; i < 2; i++) {
        const int bone = synth_leg((synth_side)i) + 2;
        v3 foot = v3_add(s->pose.at[bone], q4_turn(s->pose.turn[bone], v3_make(0.0, 0.0, 0.030)));
        foot.y = 0.0;
        middle = v3_add(middle, v3_mul(foot, 0.5));
        const v3 at = pn_synth_to_screen(s, foot);
        const double along = fabs(sin(s->pose.yaw));
        g.on_floor[g.count++] = (stain){ at.x / SYNTH_SAMPLES + 0.006 * s->scale, at.y / SYNTH_SAMPLES,
                                         (0.040 + 0.040 * along) * s->scale, 0.016 * s->scale, 0.42 };
    }
    const v3 at = pn_synth_to_screen(s, middle);
    g.on_floor[g.count++] = (stain){ at.x / SYNTH_SAMPLES + 0.02 * s->scale, at.y / SYNTH_SAMPLES - 0.004 * s->scale,
                                     0.15 * s->scale, 0.030 * s->scale, 0.20 };
    g.on_floor[g.count++] = (stain){ at.x / SYNTH_SAMPLES + 0.16 * s->scale, at.y / SYNTH_SAMPLES - 0.016 * s->scale,
                                     0.20 * s->scale, 0.022 * s->scale, 0.07 };
    g.floor = at.y / SYNTH_SAMPLES;
    return g;
}

static v3 backdrop(const pn_synth *s, const ground *g, double x, double y)
{
    if (s->white) return v3_make(1.0, 1.0, 1.0);
    if (s->person->plain) return s->person->wall;
    const double height = (double)s->seen.picture.height, width = (double)s->seen.picture.width;
    const double dx = (x - 0.42 * width) / width, dy = (y - 0.36 * height) / height;
    /* wall into floor */
    const double bend = synth_step(g->floor - 0.16 * s->scale, g->floor + 0.02 * s->scale, y);
    double light = 1.045 - 0.16 * (dx * dx + 0.6 * dy * dy) - 0.035 * bend;
    for (int i = 0; i < g->count; i++) {
        const stain *k = &g->on_floor[i];
        const double ex = (x - k->x) / k->wide, ey = (y - k->y) / k->flat, d = ex * ex + ey * ey;
        if (d < 9.0) light *= 1.0 - k->dark * exp(-d);
    }
    return v3_mul(s->person->wall, light);
}

static v3 develop(const pn_synth *s, const lamp *l, const ground *g, ptrdiff_t x, ptrdiff_t y)
{
    const ptrdiff_t i = y * s->seen.picture.width + x;
    const double behind = (double)s->soft[i] - (double)s->near_[i], open = 1.0 - synth_clamp(3.2 * behind, 0.0, 0.45);
    v3 sum = { 0.0, 0.0, 0.0 };
    int empty = 0;
    for (int k = 0; k < SYNTH_SAMPLES * SYNTH_SAMPLES; k++) {
        const ptrdiff_t sx = x * SYNTH_SAMPLES + k % SYNTH_SAMPLES, sy = y * SYNTH_SAMPLES + k / SYNTH_SAMPLES;
        const int32_t index = s->samples.triangle[sy * s->samples.width + sx];
        if (index < 0) empty++;
        else sum = v3_add(sum, shade(s, l, index, (double)sx + 0.5, (double)sy + 0.5, open));
    }
    if (empty) sum = v3_add(sum, v3_mul(backdrop(s, g, (double)x + 0.5, (double)y + 0.5), empty));
    return v3_mul(sum, 1.0 / (SYNTH_SAMPLES * SYNTH_SAMPLES));
}

void pn_synth_light(pn_synth *s)
{
    const ptrdiff_t height = s->seen.picture.height, width = s->seen.picture.width;
    const lamp l = hang_lamp(s);
    const ground g = find_ground(s);
    measure_depth(s);
    for (ptrdiff_t y = 0; y < height; y++) {
        for (ptrdiff_t x = 0; x < width; x++) {
            const v3 c = develop(s, &l, &g, x, y);
            uint8_t *out = &s->seen.picture.pixels[3 * (y * width + x)];
            out[0] = synth_byte(c.x);
            out[1] = synth_byte(c.y);
            out[2] = synth_byte(c.z);
        }
    }
}
