/* lib/data/synth_raster.c - which triangle is in front, sample by sample */
#include "data/synth.h"

void pn_synth_raster_clear(synth_buffer *b)
{
    const ptrdiff_t count = b->height * b->width;
    for (ptrdiff_t i = 0; i < count; i++) b->depth[i] = -1e30f;
    if (!b->triangle) return;
    for (ptrdiff_t i = 0; i < count; i++) b->triangle[i] = -1;
}

static double twice_area(v3 a, v3 b, v3 c) { return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x); }

v3 pn_synth_weights(const synth_triangle *t, const v3 *screen, double x, double y)
{
    const v3 p = { x, y, 0.0 }, a = screen[t->vertex[0]], b = screen[t->vertex[1]], c = screen[t->vertex[2]];
    const double area = twice_area(a, b, c);
    if (fabs(area) < 1e-12) return v3_make(1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0);
    return v3_make(twice_area(p, b, c) / area, twice_area(a, p, c) / area, twice_area(a, b, p) / area);
}

typedef struct { ptrdiff_t from, to; } span;

/* Samples whose centre lies between low and high; the caller's screen is bounded, so the cast is safe. */
static span covered(double low, double high, ptrdiff_t size)
{
    const double from = synth_clamp(ceil(low - 0.5), 0.0, (double)size),
                 to = synth_clamp(floor(high - 0.5) + 1.0, 0.0, (double)size);
    return (span){ (ptrdiff_t)from, (ptrdiff_t)to };
}

static void fill(synth_buffer *out, const v3 corner[3], double area, int index)
{
    const v3 a = corner[0], b = corner[1], c = corner[2];
    const span xs = covered(fmin(a.x, fmin(b.x, c.x)), fmax(a.x, fmax(b.x, c.x)), out->width);
    const span ys = covered(fmin(a.y, fmin(b.y, c.y)), fmax(a.y, fmax(b.y, c.y)), out->height);
    const double k = 1.0 / area;
    for (ptrdiff_t y = ys.from; y < ys.to; y++) {
        for (ptrdiff_t x = xs.from; x < xs.to; x++) {
            const v3 p = { (double)x + 0.5, (double)y + 0.5, 0.0 };
            const double wa = twice_area(p, b, c) * k, wb = twice_area(a, p, c) * k, wc = 1.0 - wa - wb;
            if (wa < 0.0 || wb < 0.0 || wc < 0.0) continue;
            const float z = (float)(wa * a.z + wb * b.z + wc * c.z);
            const ptrdiff_t i = y * out->width + x;
            if (z <= out->depth[i]) continue;
            out->depth[i] = z;
            if (out->triangle) out->triangle[i] = index;
        }
    }
}

void pn_synth_raster(synth_buffer *b, const synth_mesh *m, const v3 *screen)
{
    for (int i = 0; i < m->triangles; i++) {
        const synth_triangle *t = &m->triangle[i];
        const v3 corner[3] = { screen[t->vertex[0]], screen[t->vertex[1]], screen[t->vertex[2]] };
        const double area = twice_area(corner[0], corner[1], corner[2]);
        /* y runs down on the screen: a triangle that shows its outside has a negative area here. */
        if (fabs(area) < 1e-9 || (area > 0.0 && !(m->sheet[t->sheet].flags & SYNTH_OPEN))) continue;
        fill(b, corner, area, i);
    }
}
