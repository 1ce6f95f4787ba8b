/* lib/data/figures.c - flows, occlusion masks and attention made visible; contract in posenet/draw.h */
#include "data/dataset.h"
#include "posenet/draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const pn_ink black = { { 0, 0, 0 }, 1 }, white = { { 255, 255, 255 }, 1 };
static const double turn = 6.283185307179586;

/* ---- Cells and pixels ---------------------------------------------------------------------------------------------- */

/* The middle of cell v of n, in pixels of N; and back: which cell a place lies in. */
static double middle(double v, ptrdiff_t n, ptrdiff_t full) { return (v + 0.5) * (double)full / (double)n - 0.5; }

static ptrdiff_t cell(double v, ptrdiff_t n, ptrdiff_t full)
{
    const double at = floor((v + 0.5) * (double)n / (double)full);
    return at > 0 ? at < (double)n ? (ptrdiff_t)at : n - 1 : 0;
}

/* The cell that a pixel of an image lies in, as a place in a map [height,width]. */
static ptrdiff_t cell_of(const pn_image *image, ptrdiff_t pixel, ptrdiff_t height, ptrdiff_t width)
{
    return pixel / image->width * height / image->height * width + pixel % image->width * width / image->width;
}

static ptrdiff_t pixels(const pn_image *image) { return image->height * image->width; }

/* ---- Colours of flows -------------------------------------------------------------------------------------------- */

static void hsv(double hue, double saturation, uint8_t rgb[3])
{
    static const double phase[3] = { 0, 4, 2 };         /* red, green, blue are strongest at 0, 1/3, 2/3 of a turn */
    for (int c = 0; c < 3; c++) {
        const double away = fabs(fmod(6 * hue + phase[c], 6) - 3);      /* 3 at its own hue, 0 opposite */
        rgb[c] = (uint8_t)(255 * (1 - saturation * (1 - fmin(1, fmax(0, away - 1)))) + 0.5);
    }
}

void pn_flow_colour(double u, double v, double full, uint8_t rgb[3])
{
    if (isnan(u) || isnan(v)) {
        memset(rgb, 0, 3);
        return;
    }
    const double angle = atan2(v, u) / turn;
    hsv(angle < 0 ? angle + 1 : angle, full > 0 ? fmin(1, hypot(u, v) / full) : 1, rgb);
}

double pn_flow_full(const float *flow, ptrdiff_t height, ptrdiff_t width)
{
    static const double steps[] = { 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000 };
    const ptrdiff_t n = height * width;
    size_t i = 0;
    for (; i + 1 < sizeof steps / sizeof *steps; i++) {
        ptrdiff_t longer = 0;
        for (ptrdiff_t at = 0; at < n; at++) longer += hypot((double)flow[at], (double)flow[n + at]) > steps[i];
        if (50 * longer <= n) break;
    }
    return steps[i];
}

void pn_flow_colours(const float *flow, ptrdiff_t height, ptrdiff_t width, double full, pn_image *out)
{
    for (ptrdiff_t i = 0; i < pixels(out); i++) {
        const ptrdiff_t at = cell_of(out, i, height, width);
        pn_flow_colour((double)flow[at], (double)flow[height * width + at], full, out->pixels + 3 * i);
    }
}

/* Readable over anything: wider in the ink around it first. */
static void label(pn_image *image, pn_point at, double height, const char *text, pn_ink ink, pn_ink around)
{
    const double width = fmax(1, height / 6);
    pn_draw_digits(image, at, height, width + fmax(2, height / 5), text, around);
    pn_draw_digits(image, at, height, width, text, ink);
}

void pn_flow_wheel(pn_image *image, pn_point centre, double radius, double full)
{
    char text[32];
    for (ptrdiff_t i = 0; i < pixels(image); i++) {
        const double y = (double)(i / image->width) - centre.y, x = (double)(i % image->width) - centre.x;
        if (hypot(y, x) <= radius) pn_flow_colour(x, y, radius, image->pixels + 3 * i);
    }
    pn_draw_ring(image, centre, radius, fmax(1, radius / 16), (pn_ink){ { 64, 64, 64 }, 1 });
    snprintf(text, sizeof text, "%g", full);
    label(image, (pn_point){ centre.y + 1.45 * radius, centre.x }, 0.5 * radius, text, black, white);
}

/* ---- Arrows, warping ------------------------------------------------------------------------------------------------ */

void pn_flow_arrows(const float *flow, const float *mask, ptrdiff_t height, ptrdiff_t width, double apart, pn_image *over)
{
    const double sy = (double)over->height / (double)height, sx = (double)over->width / (double)width;
    const double full = pn_flow_full(flow, height, width);
    const double fewer = fmin(ceil(apart / fmin(sy, sx)), (double)(height + width));
    const ptrdiff_t step = fewer > 1 ? (ptrdiff_t)fewer : 1;
    for (ptrdiff_t y = step / 2; y < height; y += step)
        for (ptrdiff_t x = step / 2; x < width; x += step) {
            const double u = (double)flow[y * width + x], v = (double)flow[(height + y) * width + x];
            const pn_point from = { middle((double)y, height, over->height), middle((double)x, width, over->width) };
            const pn_point to = { from.y + v * sy, from.x + u * sx };
            pn_ink ink = { .opacity = mask ? fmin(1, fmax(0, (double)mask[y * width + x])) : 1 }, edge = black;
            pn_flow_colour(u, v, full, ink.rgb);
            edge.opacity = 0.45 * ink.opacity;
            pn_draw_arrow(over, from, to, fmax(2.4, apart / 6), edge);
            pn_draw_arrow(over, from, to, fmax(1.2, apart / 12), ink);
        }
}

/* Bilinear, outside the nearest; NaN in, NaN out. plane [height,width] */
static double sample(const float *plane, ptrdiff_t height, ptrdiff_t width, double y, double x)
{
    if (isnan(y) || isnan(x)) return NAN;
    const double cy = fmin((double)(height - 1), fmax(0, y)), cx = fmin((double)(width - 1), fmax(0, x));
    const ptrdiff_t top = (ptrdiff_t)cy, left = (ptrdiff_t)cx;
    const ptrdiff_t bottom = top + 1 < height ? top + 1 : top, right = left + 1 < width ? left + 1 : left;
    const double b = cy - (double)top, a = cx - (double)left;
    return (1 - b) * ((1 - a) * (double)plane[top * width + left] + a * (double)plane[top * width + right]) +
           b * ((1 - a) * (double)plane[bottom * width + left] + a * (double)plane[bottom * width + right]);
}

void pn_flow_warp(const float *flow, ptrdiff_t height, ptrdiff_t width, const float *source, ptrdiff_t height_full,
                  ptrdiff_t width_full, float *out)
{
    const ptrdiff_t plane = height_full * width_full;
    const double sy = (double)height_full / (double)height, sx = (double)width_full / (double)width;
    for (ptrdiff_t i = 0; i < plane; i++) {
        const double y = (double)(i / width_full), x = (double)(i % width_full);
        const double cy = middle(y, height_full, height), cx = middle(x, width_full, width);
        const double u = sx * sample(flow, height, width, cy, cx), v = sy * sample(flow + height * width, height, width, cy, cx);
        for (int c = 0; c < 3; c++) out[c * plane + i] = (float)sample(source + c * plane, height_full, width_full, y + v, x + u);
    }
}

/* ---- Attention ------------------------------------------------------------------------------------------------------ */

static ptrdiff_t reading_cell(const pn_reading *r, pn_point target)
{
    return cell(target.y, r->height, r->height_full) * r->width + cell(target.x, r->width, r->width_full);
}

pn_tap pn_reading_tap(const pn_reading *r, pn_point target, int tap)
{
    const ptrdiff_t plane = r->height * r->width, at = reading_cell(r, target);
    const double v = (double)(at / r->width) + (double)r->flow[plane + at] + tap / r->k - r->k / 2;
    const double u = (double)(at % r->width) + (double)r->flow[at] + tap % r->k - r->k / 2;
    return (pn_tap){ .at = { middle(v, r->height, r->height_full), middle(u, r->width, r->width_full) },
                     .weight = (double)r->attention[tap * plane + at] };
}

static pn_point enlarged(pn_point p, const pn_reading *r, const pn_image *image)
{
    return (pn_point){ middle(p.y, r->height_full, image->height), middle(p.x, r->width_full, image->width) };
}

/* The square that the taps span, half a cell beyond the outer ones. */
static void frame_taps(pn_image *source, const pn_reading *r, pn_point target, double width, pn_ink ink)
{
    const pn_point first = enlarged(pn_reading_tap(r, target, 0).at, r, source);
    const pn_point last = enlarged(pn_reading_tap(r, target, r->k * r->k - 1).at, r, source);
    const double y = 0.5 * (double)source->height / (double)r->height, x = 0.5 * (double)source->width / (double)r->width;
    const pn_point corner[4] = { { first.y - y, first.x - x }, { first.y - y, last.x + x }, { last.y + y, last.x + x },
                                 { last.y + y, first.x - x } };
    for (int i = 0; i < 4; i++) pn_draw_line(source, corner[i], corner[(i + 1) % 4], width, ink);
}

static void draw_taps(pn_image *source, const pn_reading *r, pn_point target, pn_ink ink)
{
    const double gap = fmin((double)source->height / (double)r->height, (double)source->width / (double)r->width);
    const double edge = fmax(0.6, 0.06 * gap);
    frame_taps(source, r, target, 3.5 * edge, (pn_ink){ { 255, 255, 255 }, 0.7 });
    frame_taps(source, r, target, 1.5 * edge, ink);
    for (int tap = 0; tap < r->k * r->k; tap++) {
        const pn_tap t = pn_reading_tap(r, target, tap);
        const pn_point at = enlarged(t.at, r, source);
        const double radius = 0.85 * gap * sqrt(fmin(1, fmax(0, t.weight)));
        pn_draw_disc(source, at, radius + edge, (pn_ink){ { 255, 255, 255 }, 0.7 });
        pn_draw_disc(source, at, radius, (pn_ink){ { ink.rgb[0], ink.rgb[1], ink.rgb[2] }, 0.8 });
    }
    for (int tap = 0; tap < r->k * r->k; tap++)
        pn_draw_disc(source, enlarged(pn_reading_tap(r, target, tap).at, r, source), edge, white);
}

/* Beside a place, on the side where the picture has more room. */
static void number(pn_image *image, pn_point at, double away, double height, int i, pn_ink ink)
{
    char text[16];
    snprintf(text, sizeof text, "%d", i + 1);
    const double right = at.x < 0.8 * (double)image->width ? 1 : -1;
    label(image, (pn_point){ at.y, at.x + right * (away + 0.6 * height) }, height, text, ink, black);
}

void pn_draw_reads(pn_image *target, pn_image *source, const pn_reading *r, const pn_point *points, int count)
{
    const double side = (double)(target->height > target->width ? target->height : target->width);
    const double radius = fmax(2, side / 90), height = fmax(6, side / 34);
    const double gap = (double)source->width / (double)r->width;
    for (int i = 0; i < count; i++) draw_taps(source, r, points[i], pn_draw_colour(i));
    for (int i = 0; i < count; i++) {
        const pn_ink ink = pn_draw_colour(i);
        const pn_point at = enlarged(points[i], r, target);
        const bool takes = !r->mask || r->mask[reading_cell(r, points[i])] >= 0.5f;
        pn_draw_disc(target, at, radius * 1.35, black);
        if (takes) pn_draw_disc(target, at, radius, ink);
        else pn_draw_ring(target, at, radius * 0.75, radius * 0.5, ink);
        number(target, at, 1.5 * radius, height, i, ink);
        const pn_tap centre = pn_reading_tap(r, points[i], r->k * r->k / 2);
        number(source, enlarged(centre.at, r, source), gap * (r->k / 2 + 0.6), height, i, ink);
    }
}

/* How far a point is from the nearest of those that are there; with none, how near to the middle, as a negative number. */
static double apart(const pn_point *points, int count, pn_point p, double middle_y, double middle_x)
{
    if (!count) return -hypot(p.y - middle_y, p.x - middle_x);
    double nearest = HUGE_VAL;
    for (int i = 0; i < count; i++) nearest = fmin(nearest, hypot(points[i].y - p.y, points[i].x - p.x));
    return nearest;
}

int pn_points_of_pose(const pn_pose *pose, ptrdiff_t height, ptrdiff_t width, pn_point *points, int most)
{
    const double h = (double)height, w = (double)width;
    pn_point all[PN_JOINTS];
    int there = 0, count = 0;
    for (int j = 0; j < PN_JOINTS; j++) {
        const double y = pose->y[j], x = pose->x[j];
        if (pn_pose_has(pose, j) && y >= -0.5 && x >= -0.5 && y < h - 0.5 && x < w - 0.5) all[there++] = (pn_point){ y, x };
    }
    for (int i = 0; !there && i < 9; i++) all[i] = (pn_point){ (i / 3 + 0.5) * h / 3 - 0.5, (i % 3 + 0.5) * w / 3 - 0.5 };
    if (!there) there = 9;
    for (; count < most && count < there; count++) {
        int best = count;
        for (int i = count; i < there; i++)
            if (apart(points, count, all[i], h / 2, w / 2) > apart(points, count, all[best], h / 2, w / 2)) best = i;
        points[count] = all[best];
        all[best] = all[count];
    }
    return count;
}

/* ---- Masks and label maps -------------------------------------------------------------------------------------------- */

void pn_mask_greys(const float *mask, ptrdiff_t height, ptrdiff_t width, pn_image *out)
{
    for (ptrdiff_t i = 0; i < pixels(out); i++) {
        const double v = (double)mask[cell_of(out, i, height, width)];
        memset(out->pixels + i * out->channels, v > 0 ? v < 1 ? (uint8_t)(255 * v) : 255 : 0, (size_t)out->channels);
    }
}

void pn_class_colours(const float *weights, ptrdiff_t classes, ptrdiff_t height, ptrdiff_t width, pn_image *out)
{
    for (ptrdiff_t i = 0; i < pixels(out); i++) {
        const ptrdiff_t at = cell_of(out, i, height, width), plane = height * width;
        ptrdiff_t k = 0;
        for (ptrdiff_t c = 1; c < classes; c++)
            if (weights[c * plane + at] > weights[k * plane + at]) k = c;
        if (k) hsv((double)(k - 1) / (double)(classes - 1), 1, out->pixels + 3 * i);
        else memset(out->pixels + 3 * i, 64, 3);
    }
}
