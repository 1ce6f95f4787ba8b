/* lib/data/synth_paint.c - the colour of a spot of skin, hair or cloth, before any light
 *
 * Everything is a function of the spot's place on the garment or the resting body, so it moves with the limb.
 */
#include "data/synth.h"

/* ---- Noise ----------------------------------------------------------------------------------------------------- */

static double lattice(int x, int y, uint32_t seed)      /* -1 .. 1 */
{
    uint32_t h = (uint32_t)x * 0x9E3779B1u ^ (uint32_t)y * 0x85EBCA77u ^ seed * 0xC2B2AE3Du;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    return (double)(h ^ (h >> 15)) * (2.0 / 4294967295.0) - 1.0;
}

double pn_synth_noise(double x, double y, uint32_t seed)
{
    const double fx = floor(x), fy = floor(y), kx = x - fx, ky = y - fy;
    const int i = (int)fx, j = (int)fy;
    const double sx = kx * kx * (3.0 - 2.0 * kx), sy = ky * ky * (3.0 - 2.0 * ky);
    const double a = synth_lerp(lattice(i, j, seed), lattice(i + 1, j, seed), sx);
    const double b = synth_lerp(lattice(i, j + 1, seed), lattice(i + 1, j + 1, seed), sx);
    return synth_lerp(a, b, sy);
}

/* ---- Patterns -------------------------------------------------------------------------------------------------- */

static double share_of(double v, double period) { const double k = v / period; return k - floor(k); }
static bool in_line(double v, double at, double half) { return fabs(v - at) < half; }

static v3 flowers(const synth_material *m, v3 ground, double u, double v)
{
    const double x = u / m->scale, y = v / m->scale;
    const int i = (int)floor(x), j = (int)floor(y);
    for (int dj = -1; dj <= 1; dj++) {
        for (int di = -1; di <= 1; di++) {
            const double cx = i + di + 0.5 + 0.28 * lattice(i + di, j + dj, m->seed);
            const double cy = j + dj + 0.5 + 0.28 * lattice(i + di, j + dj, m->seed + 1);
            const double dx = x - cx, dy = y - cy, r = sqrt(dx * dx + dy * dy);
            if (r < 0.12) return v3_make(0.93, 0.80, 0.32);
            if (r < 0.34 + 0.08 * cos(5.0 * atan2(dy, dx)))
                return lattice(i + di, j + dj, m->seed + 2) > 0.0 ? m->second : m->ink;
        }
    }
    return ground;
}

static v3 plaid(const synth_material *m, v3 ground, double u, double v)
{
    const double a = share_of(u, m->scale), b = share_of(v, m->scale);
    v3 c = v3_mix(ground, m->second, 0.35 * ((a < 0.45) + (b < 0.45)));
    if (in_line(a, 0.72, 0.035) || in_line(b, 0.72, 0.035)) c = v3_mix(c, m->ink, 0.7);
    return c;
}

static v3 denim(const synth_material *m, v3 ground, const synth_spot *s)
{
    const double weave = 0.06 * pn_synth_noise(s->u * 900.0, s->v * 300.0, m->seed);
    const double faded = synth_bump(s->u, 0.0, 0.030) * synth_bump(s->v, 0.12, 0.12);
    const double worn = 0.22 * faded + 0.05 * pn_synth_noise(s->u * 40.0, s->v * 25.0, m->seed);
    return v3_mul(v3_mix(ground, v3_make(0.80, 0.86, 0.92), synth_clamp(worn, 0.0, 1.0)), 1.0 + weave);
}

v3 pn_synth_patterned(const synth_material *m, v3 ground, const synth_spot *s)
{
    const double u = s->u, v = s->v;
    switch (m->pattern) {
    case SYNTH_STRIPES: return share_of(v, m->scale) < 0.45 ? m->second : ground;
    case SYNTH_PINSTRIPES: return share_of(u, m->scale) < 0.16 ? m->second : ground;
    case SYNTH_CHECKS:
        return v3_mix(ground, m->second, 0.5 * ((share_of(u, m->scale) < 0.5) + (share_of(v, m->scale) < 0.5)));
    case SYNTH_PLAID: return plaid(m, ground, u, v);
    case SYNTH_DOTS: {
        const double row = floor(v / m->scale), x = share_of(u + 0.5 * m->scale * row, m->scale) - 0.5,
                     y = share_of(v, m->scale) - 0.5;
        return x * x + y * y < 0.075 ? m->second : ground;
    }
    case SYNTH_FLOWERS: return flowers(m, ground, u, v);
    case SYNTH_DENIM: return denim(m, ground, s);
    case SYNTH_KNIT: return v3_mix(ground, m->second, 0.5 + 0.5 * sin(2.0 * SYNTH_PI * u / m->scale));
    default: return v3_mul(ground, 1.0 + 0.02 * pn_synth_noise(u * 500.0, v * 500.0, m->seed));
    }
}

/* ---- What is drawn on a garment -------------------------------------------------------------------------------- */

static bool in_glyph(int digit, double x, double y)     /* seven-segment digits in the unit square, y up */
{
    static const uint8_t lit[10] = { 0x77, 0x24, 0x5D, 0x6D, 0x2E, 0x6B, 0x7B, 0x25, 0x7F, 0x6F };
    const int on = lit[digit];
    if (x < 0.0 || x > 1.0 || y < 0.0 || y > 1.0) return false;
    const bool left = x < 0.28, right = x > 0.72, upper = y > 0.5;
    return ((on & 1) && y > 0.83) || ((on & 8) && fabs(y - 0.5) < 0.085) || ((on & 64) && y < 0.17)
        || ((on & 2) && left && upper)
        || ((on & 4) && right && upper) || ((on & 16) && left && !upper) || ((on & 32) && right && !upper);
}

bool pn_synth_in_number(int number, double x, double y)
{
    if (number < 10) return in_glyph(number, x + 0.5, y);
    return in_glyph(number / 10, x + 1.1, y) || in_glyph(number % 10, x - 0.1, y);
}

bool pn_synth_in_print(int print, double x, double y, uint32_t seed)
{
    const double r = sqrt(x * x + y * y), a = atan2(x, y);
    switch (print) {
    case 1: return r < 0.72;
    case 2: return r < 0.55 + 0.28 * cos(5.0 * a);
    case 3: { const double h = x * x + y * y - 0.35; return h * h * h - x * x * y * y * y < 0.0; }
    case 4: return r < 0.85 && r > 0.55;
    case 5: return fabs(y) < 0.55 && share_of(y + 0.55, 0.38) < 0.6 && fabs(x) < 1.1;
    case 6: return y > -0.6 && (y < 0.5 - 1.1 * fabs(x + 0.25) || y < 0.2 - 1.2 * fabs(x - 0.45));
    default:    /* a word in blocks */
        return fabs(y) < 0.28 && fabs(x) < 1.15 && share_of(x + 1.15, 0.33) < 0.78
            && (fabs(y) > 0.12 || lattice((int)floor((x + 1.15) / 0.11), (int)floor(y / 0.12), seed) > -0.1);
    }
}

static v3 cut_top(const synth_material *m, v3 c, const synth_spot *s, bool front)
{
    const bool trunk = fabs(s->rest.x) < 0.085;
    if (front && m->print && trunk && pn_synth_in_print(m->print, s->rest.x / 0.044, (s->rest.y - 0.728) / 0.044, m->seed))
        return m->ink;
    if (!front && m->number && trunk && pn_synth_in_number(m->number, -s->rest.x / 0.030, (s->rest.y - 0.690) / 0.075))
        return m->ink;
    if (!front && trunk && in_line(s->rest.y, 0.790, 0.0016)) return v3_mul(c, 0.72);
    if (s->along < 0.035 && s->rest.y > 0.74) return v3_mul(m->colour, 0.78);
    return s->along > 0.965 ? v3_mul(c, 0.86) : c;
}

static v3 cut_shirt(const synth_material *m, v3 c, const synth_spot *s, bool front)
{
    const double x = s->rest.x, y = s->rest.y;
    const bool trunk = fabs(x) < 0.088;
    if (front && trunk) {
        const double drop = share_of(y, 0.040) - 0.5;
        if (x * x + drop * drop * 0.0016 < 0.0000145)
            return v3_mix(m->colour, m->colour.y > 0.5 ? v3_make(0.15, 0.13, 0.12) : v3_make(0.9, 0.9, 0.88), 0.7);
        if (in_line(fabs(x), 0.0105, 0.0012)) return v3_mul(c, 0.74);
        if (in_line(y, 0.735, 0.0014) && in_line(x, 0.045, 0.020)) return v3_mul(c, 0.72);
    }
    if (!front && trunk && (in_line(y, 0.775, 0.0018) || (y < 0.775 && y > m->hem + 0.01 && in_line(x, 0.0, 0.0014))))
        return v3_mul(c, 0.72);
    return s->along > 0.972 ? v3_mul(c, 0.85) : c;
}

static v3 cut_trousers(const synth_material *m, v3 c, const synth_spot *s, bool front)
{
    const double x = fabs(s->rest.x), y = s->rest.y;
    if (in_line(y, m->top - 0.019, 0.0016)) return v3_mul(c, 0.7);
    if (y > m->top - 0.019) return m->scale > 0.03 ? v3_mul(m->ink, 0.6) : v3_mul(c, 0.86);     /* a belt */
    if (front && x < 0.002 && y > 0.49) return v3_mul(c, 0.70);
    if (front && y > 0.525 && in_line(x + 0.55 * (y - 0.525), 0.080, 0.0022)) return v3_mul(c, 0.68);
    if (!front) {
        const double px = fabs(x - 0.044), py = y - 0.512;
        const bool inside = px < 0.022 && py < 0.026 && py > -0.022 - 0.008 * (1.0 - px / 0.022);
        const bool within = px < 0.0195 && py < 0.0235 && py > -0.019 - 0.008 * (1.0 - px / 0.0195);
        if (inside && !within) return v3_mul(c, 0.66);
        if (x < 0.0018 && y > 0.47) return v3_mul(c, 0.70);
    }
    return s->along > 0.975 && y < 0.4 ? v3_mul(c, 0.82) : c;
}

static v3 cut_dress(const synth_material *m, v3 c, const synth_spot *s, bool front)
{
    const double y = s->rest.y;
    if (in_line(y, 0.603, 0.008) && m->scale > 0.028) return v3_mul(m->ink, 0.8);
    if (!front && fabs(s->rest.x) < 0.0018 && y > 0.48) return v3_mul(c, 0.66);
    if (s->along < 0.03 && y > 0.74) return v3_mul(c, 0.84);
    return y < m->hem + 0.006 ? v3_mul(c, 0.84) : c;
}

static v3 paint_cloth(const synth_material *m, const synth_spot *s)
{
    const bool front = s->rest.z > -0.008;
    const v3 c = pn_synth_patterned(m, front ? m->colour : m->back, s);
    switch (m->cut) {
    case SYNTH_TOP_CUT: return cut_top(m, c, s, front);
    case SYNTH_SHIRT_CUT: return cut_shirt(m, c, s, front);
    case SYNTH_TROUSER_CUT: return cut_trousers(m, c, s, front);
    case SYNTH_DRESS_CUT: return cut_dress(m, c, s, front);
    case SYNTH_SLEEVE_CUT: return s->along > 0.955 ? v3_mul(c, 0.82) : c;
    default: return c;
    }
}

/* ---- Face, skin, hair, shoes ----------------------------------------------------------------------------------- */

double pn_synth_brow(const synth_look *l, double away)
{
    return 0.205 + 0.05 * synth_step(0.12, 0.34, away) - 0.06 * synth_step(0.34, 0.50, away) + 0.060 * l->brow;
}

synth_lids pn_synth_lids(const synth_look *l, double ex)
{
    const double open = 0.060 * sqrt(fmax(1.0 - ex * ex / 0.0196, 0.0));
    return (synth_lids){ open, open * (1.0 - 1.8 * l->lids), -open * 0.8 };
}

synth_mouth pn_synth_mouth(const synth_look *l, double x)
{
    const double half = 0.205 * (1.0 + 0.16 * l->smile - 0.14 * l->mouth), k = 1.0 - x * x / (half * half);
    const double line = -0.505 + (0.018 + 0.045 * l->smile) * (1.0 - k), gap = 0.15 * l->mouth * sqrt(fmax(k, 0.0));
    return (synth_mouth){ half, k, line + (0.052 - 0.016 * synth_bump(x, 0.0, 0.03)) * k, line, line - gap,
                          line - gap - 0.072 * k };
}

static v3 paint_eye(const synth_material *m, v3 c, double x, double y)   /* x from the middle of the face */
{
    const double ex = fabs(x) - 0.295, ey = y - 0.055;
    const synth_lids lid = pn_synth_lids(&m->look, ex);
    if (in_line(y, pn_synth_brow(&m->look, fabs(x)),
                (m->makeup > 0.0 ? 0.022 : 0.030) - 0.010 * synth_step(0.2, 0.48, fabs(x)))
        && fabs(x) > 0.13 && fabs(x) < 0.48)
        return v3_mix(c, v3_mul(m->second, 0.75), m->makeup > 0.0 ? 0.55 : 0.72);
    if (fabs(ex) > 0.155 || ey > lid.open + 0.035 || ey < lid.lower - 0.012)
        return v3_mul(c, 1.0 - (0.05 + 0.10 * m->makeup) * synth_bump(ex, 0.0, 0.15) * synth_bump(ey, 0.07, 0.08));
    if (m->look.lids > 0.0 && ey > lid.upper + 0.026) return v3_mul(c, 0.92);                   /* the lid comes down */
    if (ey > lid.upper - 0.006) return v3_mix(c, v3_make(0.10, 0.07, 0.06), 0.72);              /* lashes */
    if (ey < lid.lower) return v3_mul(c, 0.80);
    /* a lamp in it */
    if ((ex - 0.022) * (ex - 0.022) + (ey - 0.034) * (ey - 0.034) < 0.0003) return v3_make(1.0, 1.0, 1.0);
    const double ix = ex - (x < 0.0 ? -m->look.gaze_x : m->look.gaze_x), iy = ey - 0.010 - m->look.gaze_y;
    const double r = sqrt(ix * ix + iy * iy);
    if (r < 0.030) return v3_make(0.04, 0.03, 0.03);
    return r < 0.066 ? m->iris : v3_make(0.86, 0.83, 0.81);
}

static v3 paint_mouth(const synth_material *m, v3 c, double x, double y)
{
    const synth_mouth l = pn_synth_mouth(&m->look, x);
    if (l.k <= 0.0) return c;
    if (y > l.top || y < l.bottom) return c;
    if (m->look.mouth > 0.0 && y < l.line && y > l.gap)         /* open: teeth, and the dark behind them */
        return y > l.line - 0.030 && fabs(x) < 0.125 ? v3_make(0.90, 0.88, 0.84) : v3_make(0.22, 0.06, 0.07);
    if (in_line(y, l.line, 0.010)) return v3_mul(m->lips, 0.55);
    return y > l.line ? v3_mul(m->lips, 0.90) : m->lips;
}

static v3 paint_face(const synth_material *m, const synth_body *b, const synth_spot *s)
{
    const double size = b->head_half.y, x = (s->rest.x - b->head.x) / size, y = (s->rest.y - b->head.y) / size;
    const double z = (s->rest.z - b->head.z) / size;
    v3 c = m->colour;
    const double crown = synth_step(0.55, 0.70, y) + synth_step(0.0, -0.3, z) * synth_step(-0.5, -0.3, y);
    /* the scalp under the hair */
    if (crown > 0.0) c = v3_mix(c, m->second, 0.35 * synth_clamp(crown, 0.0, 1.0));
    if (z < 0.0) return c;
    const double cheek = synth_bump(fabs(x), 0.36, 0.17) * synth_bump(y, -0.22, 0.18);
    c = v3_mix(c, v3_each(c, v3_make(1.0, 0.78, 0.76)), (0.35 + 0.45 * m->makeup) * cheek);
    const double under_nose = synth_bump(y, -0.375, 0.035) * synth_bump(x, 0.0, 0.12);
    c = v3_mul(c, 1.0 - 0.22 * under_nose - 0.06 * synth_bump(fabs(x), 0.13, 0.04) * synth_bump(y, -0.10, 0.22));
    if (m->beard > 0.0) {
        const double edge = -0.34 + 0.42 * synth_step(0.42, 0.60, fabs(x)),
                     grown = synth_step(edge + 0.06, edge - 0.06, y);
        const double lip = synth_bump(x, 0.0, 0.24) * synth_bump(y, -0.52, 0.08);
        c = v3_mix(c, m->second, m->beard * grown * (1.0 - synth_clamp(1.6 * lip, 0.0, 1.0)));
    }
    const double nostril_x = (fabs(x) - 0.058) / 0.026, nostril_y = (y + 0.315) / 0.016;
    if (m->look.close && nostril_x * nostril_x + nostril_y * nostril_y < 1.0) return v3_mul(c, 0.42);
    if (y > -0.08) return paint_eye(m, c, x, y);
    return paint_mouth(m, c, x, y);
}

static v3 paint_hair(const synth_material *m, const synth_spot *s)
{
    const double strand = pn_synth_noise(s->u * 420.0, s->v * 16.0, m->seed),
                 lock = pn_synth_noise(s->u * 90.0, s->v * 9.0, m->seed + 5);
    return v3_mul(m->colour, 1.0 + 0.20 * strand + 0.16 * lock + 0.5 * (s->v - 0.06));
}

static v3 paint_shoe(const synth_material *m, const synth_spot *s)
{
    if (s->rest.y < (m->print ? 0.0125 : 0.007)) return m->second;
    if (m->print) {
        if (s->rest.z > 0.088) return v3_mix(m->colour, m->second, 0.6);
        if (s->rest.z > 0.022 && s->rest.z < 0.066 && fabs(s->u) < 0.45)
            return share_of(s->rest.z, 0.011) < 0.5 ? m->second : v3_mul(m->colour, 0.8);
        if (fabs(fabs(s->u) - 1.3) < 0.45 && in_line(s->rest.z + 0.5 * s->rest.y, 0.030, 0.006)) return m->back;
    }
    return m->colour;
}

v3 pn_synth_paint(const synth_material *m, const synth_body *b, const synth_spot *s)
{
    switch (m->stuff) {
    case SYNTH_FACE: return paint_face(m, b, s);
    case SYNTH_HAIR: return paint_hair(m, s);
    case SYNTH_SHOE: return paint_shoe(m, s);
    case SYNTH_CLOTH: return paint_cloth(m, s);
    case SYNTH_PANEL: return pn_synth_paint_panel(m, s);
    default: return v3_mul(m->colour, 1.0 + 0.015 * pn_synth_noise(s->u * 60.0, s->v * 60.0, m->seed));
    }
}
