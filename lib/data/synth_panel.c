/* lib/data/synth_panel.c - what is on the sides of synthetic objects: icons, numbers, windows, doors, lamps, wheels */
#include "data/synth.h"

static const v3 GLASS = { 0.22, 0.30, 0.36 }, FRAME = { 0.10, 0.10, 0.11 };

/* Between two shares of the side's width and height. */
static bool within(double a, double b, double left, double right, double top, double bottom)
{
    return a > left && a < right && b > top && b < bottom;
}

static v3 windows(v3 c, double a, double b, int count, double top, double bottom)
{
    for (int i = 0; i < count; i++) {
        const double left = 0.06 + 0.88 * i / count + 0.015, right = 0.06 + 0.88 * (i + 1) / count - 0.015;
        if (!within(a, b, left, right, top, bottom)) continue;
        const bool shine = fabs(a - left - 0.45 * (bottom - b)) < 0.05;         /* the sky in it */
        return shine ? v3_mix(GLASS, v3_make(1.0, 1.0, 1.0), 0.45) : GLASS;
    }
    return c;
}

static v3 lamps(const synth_material *m, v3 c, double a, double b, bool rear)
{
    const double away = fabs(a - 0.5);
    if (within(away, b, 0.30, 0.44, 0.30, 0.55)) return rear ? v3_make(0.78, 0.08, 0.08) : v3_make(0.98, 0.95, 0.75);
    if (within(away, b, -1.0, 0.16, 0.62, 0.82)) return v3_make(0.95, 0.93, 0.82);       /* the plate */
    if (!rear && within(away, b, -1.0, 0.24, 0.28, 0.55)) return (int)(b * 40.0) % 2 ? FRAME : v3_mul(m->ink, 0.6);
    if (rear && fabs(a - 0.5) < 0.008 && b < 0.6) return v3_mul(c, 0.6);
    return b > 0.88 ? FRAME : c;
}

static v3 wheel(const synth_material *m, const synth_spot *s)
{
    const double r = sqrt(s->u * s->u + s->v * s->v), turn = atan2(s->v, s->u);
    if (r > 0.66) return m->colour;
    if (r < 0.16) return v3_make(0.35, 0.35, 0.37);
    return cos(5.0 * turn) > 0.1 ? v3_make(0.78, 0.78, 0.80) : v3_make(0.25, 0.25, 0.27);
}

v3 pn_synth_paint_panel(const synth_material *m, const synth_spot *s)
{
    const double a = s->across, b = s->along, size = 0.36 * fmin(m->panel.wide, m->panel.tall);
    if (m->panel.on == SYNTH_WHEEL) return wheel(m, s);
    const double edge = fmin(fmin(a, 1.0 - a) * m->panel.wide, fmin(b, 1.0 - b) * m->panel.tall);
    v3 c = pn_synth_patterned(m, m->colour, s);
    if (edge < 0.010) c = v3_mul(m->colour, 0.72);
    const double x = s->u / size, y = -s->v / size;
    switch (m->panel.on) {
    case SYNTH_ICON: return pn_synth_in_print(m->print, x, y, m->seed) ? m->ink : c;
    case SYNTH_NUMBER: return pn_synth_in_number(m->number, 0.9 * x, 0.55 * y + 0.5) ? m->ink : c;
    case SYNTH_GLASS: return windows(c, a, b, 1, 0.14, 0.80);
    case SYNTH_DOORS: return windows(c, a, b, m->panel.wide > 0.6 ? 3 : 2, 0.16, 0.80);
    case SYNTH_LAMPS: return lamps(m, c, a, b, false);
    case SYNTH_TAIL: return lamps(m, c, a, b, true);
    default: return c;
    }
}
