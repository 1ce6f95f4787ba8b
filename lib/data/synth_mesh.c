/* lib/data/synth_mesh.c - sheets of vertices: the shapes everything is made of, and how a pose bends them */
#include "data/synth.h"

synth_vertex *pn_synth_sheet(synth_mesh *m, synth_sheet sheet)
{
    const int count = sheet.rows * sheet.cols, faces = 2 * (sheet.rows - 1) * (sheet.cols - 1);
    if (m->sheets == SYNTH_SHEETS || m->vertices + count > SYNTH_VERTICES || m->triangles + faces > SYNTH_TRIANGLES)
        return NULL;
    sheet.first = m->vertices;
    for (int r = 0; r + 1 < sheet.rows; r++) {
        for (int c = 0; c + 1 < sheet.cols; c++) {
            const int a = sheet.first + r * sheet.cols + c, below = a + sheet.cols;
            m->triangle[m->triangles++] = (synth_triangle){ { a, below, a + 1 }, m->sheets };
            m->triangle[m->triangles++] = (synth_triangle){ { a + 1, below, below + 1 }, m->sheets };
        }
    }
    m->sheet[m->sheets++] = sheet;
    m->vertices += count;
    synth_vertex *v = &m->vertex[sheet.first];
    for (int r = 0; r < sheet.rows; r++)
        for (int c = 0; c < sheet.cols; c++)
            v[r * sheet.cols + c] = (synth_vertex){ .across = (float)c / (float)(sheet.cols - 1),
                                                    .along = (float)r / (float)(sheet.rows - 1) };
    return v;
}

/* ---- Shapes ---------------------------------------------------------------------------------------------------- */

typedef struct { v3 at, radius; double bulge; } ring;   /* radius x and z; bulge: how far behind the calf swells */

static ring limb_ring(const synth_body *b, const synth_tube *t, double at, double off)
{
    const int root = t->leg ? synth_leg(t->side) : synth_arm(t->side);
    const v3 from = b->rest[at < 1.0 ? root : root + 1], to = b->rest[at < 1.0 ? root + 1 : root + 2];
    const double r = (t->leg ? pn_synth_leg_radius(b, at) : pn_synth_arm_radius(b, at)) + off;
    const double calf = t->leg ? 0.010 * synth_bump(at, 1.32, 0.30) : 0.0;
    const double wrist = t->leg ? 0.0 : 0.12 * synth_step(1.5, 2.0, at);        /* wrists are wider than thick */
    return (ring){ v3_mix(from, to, at < 1.0 ? at : at - 1.0), v3_make(r * (1.0 - wrist), 0.0, r * (1.0 + wrist)),
                   calf };
}

static void bind_limb(synth_vertex *v, int root, double t)
{
    const bool lower = t >= 0.5;
    v->bone = (int16_t)(lower ? root + 1 : root);
    v->w = lower ? (float)synth_step(0.82, 1.18, t) : 1.0f;
}

enum { CAP_ROWS = 5 };

void pn_synth_tube(synth_mesh *m, const synth_body *b, synth_tube t)
{
    const int root = t.leg ? synth_leg(t.side) : synth_arm(t.side), cap = t.from < 0.0 ? CAP_ROWS : 0;
    const double from = fmax(t.from, 0.0), start = b->rest[root].y;
    const synth_region region = t.leg ? (t.side == SYNTH_LEFT ? SYNTH_LEG_L : SYNTH_LEG_R)
                                      : (t.side == SYNTH_LEFT ? SYNTH_ARM_L : SYNTH_ARM_R);
    synth_vertex *v = pn_synth_sheet(m,
                                     (synth_sheet){ .rows = t.rows + cap, .cols = t.cols, .label = t.label,
                                                    .material = t.material, .region = region,
                                                    .flags = t.flags | SYNTH_WRAPS });
    if (!v) return;
    for (int r = 0; r < t.rows + cap; r++) {
        const double share = r < cap ? 0.0 : (double)(r - cap) / (t.rows - 1), at = from + (t.to - from) * share;
        const ring g = limb_ring(b, &t, at, synth_lerp(t.off_from, t.off_to, share));
        const double polar = r < cap ? 0.5 * SYNTH_PI * r / cap : 0.5 * SYNTH_PI;
        for (int c = 0; c < t.cols; c++, v++) {
            const double theta = SYNTH_PI * (2.0 * v->across - 1.0), sn = sin(theta), cs = cos(theta);
            const double rise = 0.74 * g.radius.x * cos(polar);
            v->rest = v3_add(g.at, v3_make(g.radius.x * sin(polar) * sn, rise,
                                           (g.radius.z + (cs < 0.0 ? g.bulge : -0.3 * g.bulge)) * sin(polar) * cs));
            v->u = theta * g.radius.x;
            v->v = start - v->rest.y;
            bind_limb(v, root, at);
        }
    }
}

/* Trunk heights bend between pelvis, spine, chest and neck. */
static void bind_trunk(synth_vertex *v, const synth_body *b, double y)
{
    const double waist = b->rest[SB_SPINE].y, chest = b->rest[SB_CHEST].y, neck = b->rest[SB_NECK].y;
    if (y < 0.5 * (waist + chest)) { v->bone = SB_SPINE; v->w = (float)synth_step(waist - 0.05, waist + 0.04, y); }
    else if (y < 0.80) { v->bone = SB_CHEST; v->w = (float)synth_step(chest - 0.035, chest + 0.05, y); }
    else { v->bone = SB_NECK; v->w = (float)(0.6 * synth_step(neck - 0.012, neck + 0.03, y)); }
}

/* Height of a neckline at theta. */
static double neckline(const synth_wrap *s, double theta)
{
    const double cs = cos(theta), away = fabs(theta) / SYNTH_PI;        /* 0 front, 1 back */
    if (cs <= 0.0) return synth_lerp(s->side, s->back, cs * cs);
    const double round = cs * cs * cs * cs, pointed = synth_clamp(1.0 - 3.4 * away, 0.0, 1.0);
    return synth_lerp(s->side, s->front, synth_lerp(round, pointed, s->vee));
}

void pn_synth_wrap(synth_mesh *m, const synth_body *b, synth_wrap s)
{
    synth_vertex *v = pn_synth_sheet(m,
                                     (synth_sheet){ .rows = s.rows, .cols = s.cols, .label = s.label,
                                                    .material = s.material, .region = SYNTH_TRUNK,
                                                    .flags = s.flags | (s.gap > 0.0 ? 0 : SYNTH_WRAPS) });
    if (!v) return;
    for (int r = 0; r < s.rows; r++) {
        for (int c = 0; c < s.cols; c++, v++) {
            /* The seam is behind; an open front puts it there instead. */
            const double turn = s.gap > 0.0 ? s.gap + (2.0 * SYNTH_PI - 2.0 * s.gap) * v->across
                                            : SYNTH_PI * (2.0 * v->across - 1.0);
            const double theta = turn > SYNTH_PI ? turn - 2.0 * SYNTH_PI : turn;
            const double y = synth_lerp(neckline(&s, theta), s.hem, v->along);
            const double off = synth_lerp(s.off_top, s.off_hem, synth_step(0.1, 1.0, v->along));
            v->rest = pn_synth_trunk(b, y, theta, off);
            v->u = theta * SYNTH_AROUND;
            v->v = 0.85 - y;
            bind_trunk(v, b, y);
        }
    }
}

void pn_synth_skirt(synth_mesh *m, const synth_body *b, synth_skirt s)
{
    synth_vertex *v = pn_synth_sheet(m,
                                     (synth_sheet){ .rows = s.rows, .cols = s.cols, .label = s.label,
                                                    .material = s.material, .region = SYNTH_TRUNK,
                                                    .flags = SYNTH_OPEN | (s.gap > 0.0 ? 0 : SYNTH_WRAPS) });
    if (!v) return;
    const double hip = b->rest[SB_THIGH_L].y;
    const double around = SYNTH_AROUND * (s.flare > 0.8 ? 1.5 : 1.0);   /* more cloth in a wide one */
    for (int r = 0; r < s.rows; r++) {
        for (int c = 0; c < s.cols; c++, v++) {
            const double turn = s.gap > 0.0 ? s.gap + (2.0 * SYNTH_PI - 2.0 * s.gap) * v->across
                                            : SYNTH_PI * (2.0 * v->across - 1.0);
            const double theta = turn > SYNTH_PI ? turn - 2.0 * SYNTH_PI : turn;
            const double y = synth_lerp(s.top, s.hem, v->along), below = fmax(hip - y, 0.0);
            v3 at = pn_synth_trunk(b, fmax(y, hip), theta, synth_lerp(s.off_top, s.off, synth_step(s.top, hip, y)));
            const double fold = 1.0 + s.pleat_depth * cos(s.pleats * theta) * synth_step(s.top, s.hem, y);
            const double wide = fold * (1.0 + s.flare * below);
            v->rest = v3_make(at.x * wide, y, at.z * wide);
            v->u = theta * around;
            v->v = 0.85 - y;
            if (y >= hip) bind_trunk(v, b, y);
            else v->bone = SYNTH_BONES;
        }
    }
}

void pn_synth_blob(synth_mesh *m, synth_blob b)
{
    synth_vertex *v = pn_synth_sheet(m,
                                     (synth_sheet){ .rows = b.rows, .cols = b.cols, .label = b.label,
                                                    .material = b.material, .region = b.region,
                                                    .flags = SYNTH_WRAPS });
    if (!v) return;
    for (int i = 0; i < b.rows * b.cols; i++, v++) {
        const double polar = SYNTH_PI * v->along, theta = SYNTH_PI * (2.0 * v->across - 1.0);
        const v3 unit = { sin(polar) * sin(theta), cos(polar), sin(polar) * cos(theta) };
        v->rest = v3_add(b.centre, v3_each(b.half, unit));
        v->u = theta * b.half.x;
        v->v = polar * b.half.y;
        v->bone = (int16_t)b.bone;
        v->w = 1.0f;
    }
}

void pn_synth_strand(synth_mesh *m, synth_strand s)
{
    synth_vertex *v = pn_synth_sheet(m,
                                     (synth_sheet){ .rows = s.rows, .cols = s.cols, .label = s.label,
                                                    .material = s.material, .region = s.region,
                                                    .flags = SYNTH_WRAPS });
    if (!v) return;
    for (int i = 0; i < s.rows * s.cols; i++, v++) {
        const double k = v->along, theta = SYNTH_PI * (2.0 * v->across - 1.0);
        const v3 on = v3_mix(v3_mix(s.from, s.mid, k), v3_mix(s.mid, s.to, k), k);      /* a quadratic curve */
        const v3 down = v3_unit(v3_mix(v3_sub(s.mid, s.from), v3_sub(s.to, s.mid), k));
        const v3 side = v3_unit(v3_cross(down, fabs(down.x) < 0.8 ? v3_make(1.0, 0.0, 0.0) : v3_make(0.0, 0.0, 1.0)));
        const v3 deep = v3_cross(side, down);
        const double ends = sqrt(fmax(1.0 - pow(2.0 * k - 1.0, 8.0), 0.0));             /* closed, blunt ends */
        const double r = ends * synth_lerp(synth_lerp(s.r_from, s.r_mid, k), synth_lerp(s.r_mid, s.r_to, k), k);
        v->rest = v3_add(on, v3_add(v3_mul(side, r * cos(theta)), v3_mul(deep, r * s.flat * sin(theta))));
        v->u = theta * s.r_mid;
        v->v = k * v3_length(v3_sub(s.to, s.from));
        v->bone = (int16_t)s.bone;
        v->w = 1.0f;
    }
}

/* ---- Posing ---------------------------------------------------------------------------------------------------- */

static v3 bend(const synth_vertex *v, const synth_body *b, const synth_pose *p)
{
    const int bone = v->bone;
    const q4 turn = v->w >= 1.0f ? p->turn[bone] : q4_mix(p->turn[pn_synth_parent[bone]], p->turn[bone], v->w);
    return v3_add(p->at[bone], q4_turn(turn, v3_sub(v->rest, b->rest[bone])));
}

/* The cross-section of a skirt at one height: its frame, and the two legs as discs in it. */
typedef struct { v3 centre; q4 turn; double x[2], z[2], r[2]; } leg_section;

static leg_section section_of_legs(const synth_body *b, const synth_pose *p, double y)
{
    const double thigh = b->rest[SB_THIGH_L].y - b->rest[SB_SHIN_L].y,
                 shin = b->rest[SB_SHIN_L].y - b->rest[SB_FOOT_L].y;
    const double d = b->rest[SB_THIGH_L].y - y;
    v3 at[2];
    leg_section s;
    for (int i = 0; i < 2; i++) {
        const int bone = synth_leg((synth_side)i) + (d > thigh);
        const double down = d > thigh ? d - thigh : d;
        at[i] = v3_add(p->at[bone], q4_turn(p->turn[bone], v3_make(0.0, -down, 0.0)));
        s.r[i] = pn_synth_leg_radius(b, d > thigh ? 1.0 + down / shin : down / thigh);
    }
    s.centre = v3_mix(at[0], at[1], 0.5);
    const q4 legs = q4_mix(p->turn[SB_THIGH_R], p->turn[SB_THIGH_L], 0.5);
    s.turn = q4_mix(p->turn[SB_PELVIS], legs, 0.45 * synth_step(0.0, 0.06, d));
    for (int i = 0; i < 2; i++) {
        const v3 local = q4_turn(q4_back(s.turn), v3_sub(at[i], s.centre));
        s.x[i] = local.x;
        s.z[i] = local.z;
    }
    return s;
}

/* Cloth hangs at its own radius unless a leg pushes it out: the larger of the two, rounded. */
static v3 drape(const synth_vertex *v, const leg_section *s, double clear)
{
    const double own = sqrt(v->rest.x * v->rest.x + v->rest.z * v->rest.z), dx = v->rest.x / own,
                 dz = v->rest.z / own;
    double r = own;
    for (int i = 0; i < 2; i++) {
        const double push = s->x[i] * dx + s->z[i] * dz + s->r[i] + clear;
        const double soft = 0.012, gap = push - r;
        r = gap > soft ? push : gap < -soft ? r : r + (gap + soft) * (gap + soft) / (4.0 * soft);
    }
    return v3_add(s->centre, q4_turn(s->turn, v3_make(dx * r, 0.0, dz * r)));
}

static void place_row(synth_mesh *m, const synth_body *b, const synth_pose *p, const synth_sheet *sheet, int row)
{
    const int first = sheet->first + row * sheet->cols;
    if (m->vertex[first].bone != SYNTH_BONES) {
        for (int i = first; i < first + sheet->cols; i++) m->at[i] = bend(&m->vertex[i], b, p);
        return;
    }
    const double y = m->vertex[first].rest.y;
    /* hips are round */
    const double clear = synth_lerp(-0.012, 0.010, synth_step(0.0, 0.12, b->rest[SB_THIGH_L].y - y));
    const leg_section s = section_of_legs(b, p, y);
    for (int i = first; i < first + sheet->cols; i++) m->at[i] = drape(&m->vertex[i], &s, clear);
}

static void find_normals(synth_mesh *m, const synth_sheet *s)
{
    const v3 *at = &m->at[s->first];
    v3 *normal = &m->normal[s->first];
    const bool wraps = s->flags & SYNTH_WRAPS;
    for (int r = 0; r < s->rows; r++) {
        const int up = r > 0 ? r - 1 : r, down = r + 1 < s->rows ? r + 1 : r;
        for (int c = 0; c < s->cols; c++) {
            const int left = c > 0 ? c - 1 : wraps ? s->cols - 2 : c, right = c + 1 < s->cols ? c + 1 : wraps ? 1 : c;
            const v3 across = v3_sub(at[r * s->cols + right], at[r * s->cols + left]);
            const v3 along = v3_sub(at[down * s->cols + c], at[up * s->cols + c]);
            normal[r * s->cols + c] = v3_unit(v3_cross(along, across));
        }
    }
    if (s->rows < 3) return;
    for (int c = 0; c < s->cols; c++) {         /* poles, where a row is one point: as the next row */
        const int last = (s->rows - 1) * s->cols;
        if (v3_length(v3_sub(at[s->cols / 3], at[0])) < 1e-9) normal[c] = normal[s->cols + c];
        if (v3_length(v3_sub(at[last + s->cols / 3], at[last])) < 1e-9) normal[last + c] = normal[last - s->cols + c];
    }
}

void pn_synth_mesh_pose(synth_mesh *m, const synth_body *b, const synth_pose *p)
{
    for (int i = 0; i < m->sheets; i++) {
        for (int r = 0; r < m->sheet[i].rows; r++) place_row(m, b, p, &m->sheet[i], r);
        find_normals(m, &m->sheet[i]);
    }
}
