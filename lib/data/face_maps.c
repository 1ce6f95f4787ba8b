/* lib/data/face_maps.c - what a face network sees of 68 landmarks: curves, distances, parts, the background's edges
 *
 * Contract in posenet/clips.h. The recipe is GFLA's (after vid2vid); what its description leaves open is ours and marked.
 */
#include "data/edges.h"

#include <math.h>
#include <string.h>

enum { UPPER = 15, POINTS = PN_LANDMARKS + UPPER, CURVES = 14, PARTS = 8, CURVE_MOST = 33 };

typedef struct { int64_t x, y; } spot;
typedef struct { int count; unsigned char at[CURVE_MOST]; } polyline;

/* ---- The 14 curves and what they enclose ------------------------------------------------------------------------ */

static const polyline curves[CURVES] = {
    { 33, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80,
            81, 82, 0 } },                                      /* outline, over the forehead */
    { 5, { 17, 18, 19, 20, 21 } }, { 5, { 22, 23, 24, 25, 26 } },       /* brows */
    { 2, { 28, 31 } }, { 5, { 31, 32, 33, 34, 35 } }, { 2, { 35, 28 } },    /* nose */
    { 4, { 36, 37, 38, 39 } }, { 4, { 39, 40, 41, 36 } },       /* the right eye, the left one */
    { 4, { 42, 43, 44, 45 } }, { 4, { 45, 46, 47, 42 } },
    { 7, { 48, 49, 50, 51, 52, 53, 54 } }, { 7, { 54, 55, 56, 57, 58, 59, 48 } },       /* lips */
    { 5, { 60, 61, 62, 63, 64 } }, { 5, { 64, 65, 66, 67, 60 } },       /* inside them */
};
/* A part: the curves from .. to, end to end, and its label. Later ones lie over earlier ones. */
static const struct { unsigned char from, to; uint8_t label; } parts[PARTS] = {
    { 0, 0, 1 }, { 1, 1, 2 }, { 2, 2, 2 }, { 3, 5, 3 }, { 6, 7, 4 }, { 8, 9, 4 }, { 10, 11, 5 }, { 12, 13, 6 },
};

/* Whole pixels; far outside any picture they stop, so that products of them fit. */
static int64_t whole(double v) { return v > -1e6 ? v < 1e6 ? (int64_t)v : 1000000 : -1000000; }

/* The landmarks, and 15 of the jaw mirrored at the line between the outline's ends, at two thirds, for the forehead. */
static void complete(const pn_landmarks *l, spot p[POINTS])
{
    for (int i = 0; i < PN_LANDMARKS; i++) p[i] = (spot){ whole(l->x[i]), whole(l->y[i]) };
    const double base = 0.5 * (double)(p[0].y + p[16].y);
    for (int i = 0; i < UPPER; i++) {
        const spot *jaw = &p[15 - i];
        p[PN_LANDMARKS + i] = (spot){ jaw->x, (int64_t)(base + floor((base - (double)jaw->y) * 2.0 / 3.0)) };
    }
}

/* ---- Drawing ---------------------------------------------------------------------------------------------------- */

typedef struct { ptrdiff_t height, width; uint8_t *pixel; } board;

static void dot(const board *b, int64_t x, double y, bool steep, uint8_t ink)
{
    if (!(y > -1.0 && y < 1e6)) return;
    const int64_t across = (int64_t)(y + 1e-6);         /* ours: a point itself must not fall short by rounding */
    const int64_t px = steep ? across : x, py = steep ? x : across;
    if (px >= 0 && py >= 0 && px < b->width && py < b->height) b->pixel[py * b->width + px] = ink;
}

/* Every whole place from a to c along the axis of larger steps, of the curve k2 x^2 + k1 x + k0 about a. */
static void trace(const board *b, spot a, spot c, bool steep, const double k[3], uint8_t ink)
{
    const int64_t u = steep ? a.y : a.x, v = steep ? c.y : c.x, side = steep ? b->height : b->width;
    const int64_t low = u < v ? u : v, high = u < v ? v : u;
    for (int64_t x = low > 0 ? low : 0; x <= high && x < side; x++) {
        const double d = (double)(x - u);
        dot(b, x, (k[2] * d + k[1]) * d + k[0], steep, ink);
    }
}

static void stroke(const board *b, spot a, spot c, uint8_t ink)
{
    const int64_t dx = c.x - a.x, dy = c.y - a.y;
    const bool steep = (dx < 0 ? -dx : dx) < (dy < 0 ? -dy : dy);
    const double run = (double)(steep ? dy : dx), rise = (double)(steep ? dx : dy);
    const double k[3] = { (double)(steep ? a.x : a.y), run != 0.0 ? rise / run : 0.0, 0.0 };
    trace(b, a, c, steep, k, ink);
}

static int64_t larger(int64_t a, int64_t b)
{
    const int64_t p = a < 0 ? -a : a, q = b < 0 ? -b : b;
    return p > q ? p : q;
}

/* Three points: the parabola through them along the axis of larger steps. ours: where there is none, or one bent by more
 * than 1 (a fold, which the original leaves out), two straight strokes. */
static void arc(const board *b, const spot p[3], uint8_t ink)
{
    const bool steep = larger(p[1].x - p[0].x, p[2].x - p[1].x) < larger(p[1].y - p[0].y, p[2].y - p[1].y);
    double x[3], y[3];
    for (int i = 0; i < 3; i++) {
        x[i] = (double)(steep ? p[i].y - p[0].y : p[i].x - p[0].x);
        y[i] = (double)(steep ? p[i].x : p[i].y);
    }
    if (x[1] != 0.0 && x[2] != 0.0 && x[1] != x[2]) {
        const double first = (y[1] - y[0]) / x[1], second = (y[2] - y[1]) / (x[2] - x[1]), bent = (second - first) / x[2];
        const double k[3] = { y[0], first - bent * x[1], bent };
        if (fabs(bent) <= 1.0) {
            trace(b, p[0], p[2], steep, k, ink);
            return;
        }
    }
    stroke(b, p[0], p[1], ink);
    stroke(b, p[1], p[2], ink);
}

static void draw_curve(const board *b, const polyline *l, const spot *p, uint8_t ink)
{
    for (int i = 0; i + 1 < l->count; i += 2) {
        const spot piece[3] = { p[l->at[i]], p[l->at[i + 1]], p[l->at[i + 2 < l->count ? i + 2 : i + 1]] };
        if (i + 2 < l->count) arc(b, piece, ink);
        else stroke(b, piece[0], piece[1], ink);
    }
}

/* ---- Parts ------------------------------------------------------------------------------------------------------ */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a % b < 0) != (b < 0)); }

/* Between pairs of crossings of a row, ends included. */
static void fill_row(const board *b, const spot *p, int count, int64_t y, uint8_t ink)
{
    int64_t low[2 * CURVE_MOST], high[2 * CURVE_MOST];
    int n = 0;
    for (int i = 0; i < count; i++) {
        const spot a = p[i], c = p[(i + 1) % count];
        if ((a.y <= y) == (c.y <= y)) continue;
        const int64_t up = (y - a.y) * (c.x - a.x), run = c.y - a.y;
        int k = n++;
        const int64_t from = a.x - floor_div(-up, run), to = a.x + floor_div(up, run);  /* rounded up, and down */
        for (; k > 0 && (low[k - 1] > from || (low[k - 1] == from && high[k - 1] > to)); k--) {
            low[k] = low[k - 1];
            high[k] = high[k - 1];
        }
        low[k] = from;
        high[k] = to;
    }
    for (int k = 0; k + 1 < n; k += 2)
        for (int64_t x = low[k] > 0 ? low[k] : 0; x <= high[k + 1] && x < b->width; x++) b->pixel[y * b->width + x] = ink;
}

static void fill_parts(const board *b, const spot *points)
{
    for (int part = 0; part < PARTS; part++) {
        spot p[2 * CURVE_MOST];
        int n = 0;
        for (int c = parts[part].from; c <= parts[part].to; c++)
            for (int i = 0; i < curves[c].count; i++) p[n++] = points[curves[c].at[i]];
        for (ptrdiff_t y = 0; y < b->height; y++) fill_row(b, p, n, y, parts[part].label);
        for (int i = 0; i < n; i++) stroke(b, p[i], p[(i + 1) % n], parts[part].label);
    }
}

/* ---- Distances -------------------------------------------------------------------------------------------------- */

/* City-block distance to the nearest pixel of the curve, by a pass down and one up; a third of it, at most 255. */
static void distances(const board *b, float *out)
{
    const ptrdiff_t h = b->height, w = b->width;
    const float far = (float)(h + w + 765);
    for (ptrdiff_t i = 0; i < h * w; i++) {
        float d = b->pixel[i] ? 0.0f : far;
        if (i % w > 0) d = fminf(d, out[i - 1] + 1.0f);
        if (i >= w) d = fminf(d, out[i - w] + 1.0f);
        out[i] = d;
    }
    for (ptrdiff_t i = h * w - 1; i >= 0; i--) {
        if (i % w + 1 < w) out[i] = fminf(out[i], out[i + 1] + 1.0f);
        if (i + w < h * w) out[i] = fminf(out[i], out[i + w] + 1.0f);
    }
    for (ptrdiff_t i = 0; i < h * w; i++) out[i] = fminf(floorf(out[i] / 3.0f), 255.0f) / 255.0f;
}

/* ---- All channels ----------------------------------------------------------------------------------------------- */

pn_status pn_face_maps(pn_ctx *ctx, const pn_landmarks *landmarks, const pn_image *frame, float *out)
{
    if (frame->channels != 3)
        return pn_fail(ctx, PN_ERR_ARG, "pn_face_maps: the frame has %d channels, expected 3", frame->channels);
    const ptrdiff_t plane = frame->height * frame->width;
    pn_image all, one;
    pn_status status = pn_image_new(ctx, frame->height, frame->width, 1, &all);
    if (status) return status;
    status = pn_image_new(ctx, frame->height, frame->width, 1, &one);
    const board drawn = { frame->height, frame->width, all.pixels }, each = { frame->height, frame->width, one.pixels };
    if (!status) status = pn_edges(ctx, frame, &all);
    if (!status) {
        spot points[POINTS];
        complete(landmarks, points);
        fill_parts(&each, points);
        for (ptrdiff_t i = 0; i < plane; i++) {
            out[(PN_FACE_CHANNELS - 1) * plane + i] = (float)one.pixels[i];
            if (one.pixels[i]) all.pixels[i] = 0;       /* of the picture's edges only the background's */
        }
        for (int c = 0; c < CURVES; c++) {
            memset(one.pixels, 0, (size_t)plane);
            draw_curve(&each, &curves[c], points, 1);
            draw_curve(&drawn, &curves[c], points, 1);
            distances(&each, out + (c + 1) * plane);
        }
        for (ptrdiff_t i = 0; i < plane; i++) out[i] = (float)all.pixels[i];
    }
    pn_image_free(ctx, &all);
    pn_image_free(ctx, &one);
    return status;
}
