/* lib/data/draw.c - smooth lines, discs and digits over pictures; contract in posenet/draw.h */
#include "posenet/draw.h"

#include <math.h>
#include <string.h>

/* ---- One shape: all pixels within `reach` of a segment, or of the circle around its only point -------------------- */

typedef struct { pn_point from, to; double circle, reach; } shape;

static double distance(const shape *s, double y, double x)
{
    const double dy = s->to.y - s->from.y, dx = s->to.x - s->from.x, py = y - s->from.y, px = x - s->from.x;
    const double length2 = dy * dy + dx * dx;
    const double t = length2 > 0 ? fmin(1, fmax(0, (py * dy + px * dx) / length2)) : 0;
    return fabs(hypot(py - t * dy, px - t * dx) - s->circle);
}

static bool finite(const shape *s)
{
    return isfinite(s->from.y + s->from.x) && isfinite(s->to.y + s->to.x) && isfinite(s->circle) && isfinite(s->reach);
}

/* The first pixel at v or past it, kept inside 0 .. n. */
static ptrdiff_t pixel(double v, ptrdiff_t n) { return v > 0 ? v < (double)n ? (ptrdiff_t)ceil(v) : n : 0; }

static void blend(uint8_t *pixel_at, int channels, const pn_ink *ink, double share)
{
    for (int c = 0; c < channels; c++)
        pixel_at[c] = (uint8_t)(pixel_at[c] + share * ((double)ink->rgb[c] - pixel_at[c]) + 0.5);
}

static void paint(pn_image *image, const shape *s, pn_ink ink)
{
    if (!finite(s) || !(s->reach > 0)) return;
    /* Below a pixel's width the slopes of both sides meet: paler, so that the sum across stays the width. */
    const double wide = s->reach + 0.5, thin = s->reach < 0.5 ? 2 * s->reach / (wide * wide) : 1;
    const double opacity = fmin(1, ink.opacity) * thin, around = s->circle + wide;
    const ptrdiff_t top = pixel(fmin(s->from.y, s->to.y) - around, image->height);
    const ptrdiff_t left = pixel(fmin(s->from.x, s->to.x) - around, image->width);
    const ptrdiff_t bottom = pixel(fmax(s->from.y, s->to.y) + around, image->height);
    const ptrdiff_t right = pixel(fmax(s->from.x, s->to.x) + around, image->width);
    for (ptrdiff_t y = top; y < bottom; y++)
        for (ptrdiff_t x = left; x < right; x++) {
            const double share = opacity * fmin(1, wide - distance(s, (double)y, (double)x));
            if (share > 0) blend(image->pixels + (y * image->width + x) * image->channels, image->channels, &ink, share);
        }
}

void pn_draw_line(pn_image *image, pn_point from, pn_point to, double width, pn_ink ink)
{
    paint(image, &(shape){ from, to, 0, width / 2 }, ink);
}

void pn_draw_disc(pn_image *image, pn_point centre, double radius, pn_ink ink)
{
    paint(image, &(shape){ centre, centre, 0, radius }, ink);
}

void pn_draw_ring(pn_image *image, pn_point centre, double radius, double width, pn_ink ink)
{
    paint(image, &(shape){ centre, centre, radius, width / 2 }, ink);
}

void pn_draw_arrow(pn_image *image, pn_point from, pn_point to, double width, pn_ink ink)
{
    const double dy = to.y - from.y, dx = to.x - from.x, length = hypot(dy, dx);
    if (length < 1) {
        pn_draw_disc(image, from, 0.7 * width, ink);
        return;
    }
    const double head = fmin(0.45 * length, 2 + 2 * width), ay = dy / length * head, ax = dx / length * head;
    pn_draw_line(image, from, to, width, ink);
    pn_draw_line(image, to, (pn_point){ to.y - 0.87 * ay - 0.5 * ax, to.x - 0.87 * ax + 0.5 * ay }, width, ink);
    pn_draw_line(image, to, (pn_point){ to.y - 0.87 * ay + 0.5 * ax, to.x - 0.87 * ax - 0.5 * ay }, width, ink);
}

/* ---- Digits: lines through points of a grid of 5 x 7, each x and y ------------------------------------------------- */

enum { GLYPH_WIDTH = 4, GLYPH_HEIGHT = 6, ADVANCE = 6, NARROW = 3 };
static const char digits[] = "0123456789-.";
static const char *const glyphs[] = {
    "103041453616050110", "112026", "01103041420646", "01103041423323334445361605", "36300444", "400002324345361605",
    "413010010516364544331304", "004026", "1302011030414233130405163645443313", "423313020110304145361605", "0343", "0606",
};

static double advance(char letter) { return letter == '.' ? NARROW : ADVANCE; }

static void glyph(pn_image *image, pn_point at, double unit, double width, char letter, pn_ink ink)
{
    const char *known = letter ? strchr(digits, letter) : NULL, *path = known ? glyphs[known - digits] : "";
    pn_point before = { 0, 0 };
    for (int i = 0; path[i] && path[i + 1]; i += 2) {
        const pn_point here = { at.y + unit * (path[i + 1] - '0'), at.x + unit * (path[i] - '0') };
        if (i) pn_draw_line(image, before, here, width, ink);
        before = here;
    }
}

void pn_draw_digits(pn_image *image, pn_point centre, double height, double width, const char *text, pn_ink ink)
{
    const double unit = height / GLYPH_HEIGHT;
    double across = GLYPH_WIDTH - ADVANCE;
    for (const char *c = text; *c; c++) across += advance(*c);
    pn_point at = { centre.y - height / 2, centre.x - unit * across / 2 };
    for (const char *c = text; *c; c++) {
        glyph(image, at, unit, width, *c, ink);
        at.x += unit * advance(*c);
    }
}

pn_ink pn_draw_colour(int i)
{
    static const uint8_t colours[10][3] = {
        { 230, 25, 40 }, { 30, 110, 255 }, { 255, 205, 0 }, { 30, 170, 60 }, { 240, 50, 230 },
        { 0, 210, 235 }, { 255, 125, 20 }, { 130, 40, 190 }, { 170, 255, 60 }, { 150, 90, 30 },
    };
    pn_ink ink = { .opacity = 1 };
    memcpy(ink.rgb, colours[(i % 10 + 10) % 10], 3);
    return ink;
}
