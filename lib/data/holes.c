/* lib/data/holes.c - masks of missing texture; contract in posenet/data.h
 *
 * Random numbers are consumed in the order the calls below have, one uniform each, normal() two: programs that follow it get
 * the same masks. Bits of a pixel hold what is on the way; nothing is allocated.
 */
#include "core/core.h"

#include "posenet/data.h"

#include <math.h>
#include <string.h>

enum { HOLE = 1, STROKE = 2, PERSON = 4, BESIDE = 8, NEAR = 16 };
enum { TRIES = 8, CLASSES = 256 };
static const double PI = 3.14159265358979323846;

/* ---- Random numbers --------------------------------------------------------------------------------------------------- */

pn_uniforms pn_uniforms_named(const char *file_name)
{
    return (pn_uniforms){ .rng = NULL, .state = pn_hash(file_name, strlen(file_name)) };
}

double pn_uniforms_next(pn_uniforms *u)
{
    if (u->rng) return pn_rng_uniform(u->rng);
    uint64_t z = u->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

ptrdiff_t pn_uniforms_whole(pn_uniforms *u, ptrdiff_t least, ptrdiff_t most)
{
    return least + (ptrdiff_t)(pn_uniforms_next(u) * (double)(most - least + 1));
}

static double between(pn_uniforms *u, double low, double high) { return low + (high - low) * pn_uniforms_next(u); }

static double normal(pn_uniforms *u)
{
    const double radius = sqrt(-2 * log(pn_uniforms_next(u)));
    return radius * cos(2 * PI * pn_uniforms_next(u));
}

/* ---- Rectangles --------------------------------------------------------------------------------------------------------- */

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

static void draw_rect(pn_image *mask, pn_uniforms *u)
{
    const ptrdiff_t h = mask->height, w = mask->width, side = h / 2;
    const ptrdiff_t y = pn_uniforms_whole(u, 0, h - side), x = pn_uniforms_whole(u, 0, larger(w - side, 0));
    const ptrdiff_t top = pn_uniforms_whole(u, 0, h / 16), bottom = pn_uniforms_whole(u, 0, h / 16);
    const ptrdiff_t left = pn_uniforms_whole(u, 0, h / 16), right = pn_uniforms_whole(u, 0, h / 16);
    for (ptrdiff_t i = y + top; i < y + side - bottom; i++)
        for (ptrdiff_t j = x + left; j < smaller(x + side, w) - right; j++) mask->pixels[i * w + j] |= HOLE;
}

/* ---- Strokes ------------------------------------------------------------------------------------------------------------ */

typedef struct { double x, y; } point;

static double clip(double v, double low, double high) { return v > low ? v < high ? v : high : low; }

/* The first whole number from v on, in 0 .. n. */
static ptrdiff_t from(double v, ptrdiff_t n) { return (ptrdiff_t)ceil(clip(v, 0, (double)n)); }

/* Every pixel at most `radius` from the line between a and b. */
static void draw_line(pn_image *mask, point a, point b, double radius)
{
    const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    const ptrdiff_t top = from(fmin(a.y, b.y) - radius - 1, mask->height), end = from(fmax(a.y, b.y) + radius + 1, mask->height);
    const ptrdiff_t left = from(fmin(a.x, b.x) - radius - 1, mask->width), stop = from(fmax(a.x, b.x) + radius + 1, mask->width);
    for (ptrdiff_t y = top; y < end; y++)
        for (ptrdiff_t x = left; x < stop; x++) {
            const double px = (double)x - a.x, py = (double)y - a.y;
            const double along = length2 > 0 ? clip((px * dx + py * dy) / length2, 0, 1) : 0;
            const double ox = px - along * dx, oy = py - along * dy;
            if (ox * ox + oy * oy <= radius * radius) mask->pixels[y * mask->width + x] |= STROKE;
        }
}

static void draw_stroke(pn_image *mask, pn_uniforms *u)
{
    const double h = (double)mask->height, w = (double)mask->width, mean = sqrt(h * h + w * w) / 8;
    const ptrdiff_t turns = pn_uniforms_whole(u, 4, 11);
    const double low = 2 * PI / 5 - between(u, 0, 2 * PI / 15), high = 2 * PI / 5 + between(u, 0, 2 * PI / 15);
    point at = { .x = between(u, 0, w) };
    at.y = between(u, 0, h);
    const double width = between(u, 12, 40) * h / 256;
    for (ptrdiff_t t = 0; t < turns; t++) {
        const double drawn = between(u, low, high), angle = t % 2 == 0 ? 2 * PI - drawn : drawn;
        const double step = clip(mean + mean / 2 * normal(u), 0, 2 * mean);
        const point next = { clip(at.x + step * cos(angle), 0, w), clip(at.y + step * sin(angle), 0, h) };
        draw_line(mask, at, next, width / 2);
        at = next;
    }
}

static void exchange(uint8_t *a, uint8_t *b)
{
    const uint8_t other = (uint8_t)((*a ^ *b) & STROKE);
    *a ^= other;
    *b ^= other;
}

static void draw_strokes(pn_image *mask, pn_uniforms *u)
{
    const ptrdiff_t h = mask->height, w = mask->width, count = pn_uniforms_whole(u, 1, 3);
    for (ptrdiff_t i = 0; i < count; i++) draw_stroke(mask, u);
    uint8_t *p = mask->pixels;
    if (pn_uniforms_next(u) < 0.5)
        for (ptrdiff_t y = 0; y < h; y++)
            for (ptrdiff_t x = 0; x < w / 2; x++) exchange(&p[y * w + x], &p[y * w + w - 1 - x]);
    if (pn_uniforms_next(u) < 0.5)
        for (ptrdiff_t y = 0; y < h / 2; y++)
            for (ptrdiff_t x = 0; x < w; x++) exchange(&p[y * w + x], &p[(h - 1 - y) * w + x]);
    for (ptrdiff_t i = 0; i < h * w; i++)
        if (p[i] & STROKE) p[i] |= HOLE;
}

/* ---- Regions ------------------------------------------------------------------------------------------------------------- */

static void draw_regions(pn_image *mask, const pn_image *classes, pn_uniforms *u)
{
    const ptrdiff_t area = mask->height * mask->width;
    bool present[CLASSES] = { false };
    uint8_t left[CLASSES];
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < area; i++) present[classes->pixels[i]] = true;
    for (int c = 1; c < CLASSES; c++)
        if (present[c]) left[count++] = (uint8_t)c;
    for (ptrdiff_t wanted = smaller(pn_uniforms_whole(u, 1, 2), count); wanted > 0; wanted--) {
        const ptrdiff_t taken = pn_uniforms_whole(u, 0, count - 1);
        for (ptrdiff_t i = 0; i < area; i++)
            if (classes->pixels[i] == left[taken]) mask->pixels[i] |= HOLE;
        memmove(left + taken, left + taken + 1, (size_t)(count - taken - 1));
        count--;
    }
}

/* ---- On the person --------------------------------------------------------------------------------------------------------- */

/* Bit `to` on every pixel of a line that has one with bit `bit` at most `radius` away. */
static void grow_line(uint8_t *line, ptrdiff_t n, ptrdiff_t step, ptrdiff_t radius, uint8_t bit, uint8_t to)
{
    ptrdiff_t done = 0;             /* pixels before it have what they get */
    for (ptrdiff_t i = 0; i < n; i++) {
        if (!(line[i * step] & bit)) continue;
        for (done = larger(done, i - radius); done < smaller(i + radius + 1, n); done++) line[done * step] |= to;
    }
}

/* Take the hole off what is no person, nor near one. */
static void keep_near_person(pn_image *mask, const pn_image *classes)
{
    const ptrdiff_t h = mask->height, w = mask->width, radius = (ptrdiff_t)floor(8 * (double)h / 256 + 0.5);
    for (ptrdiff_t i = 0; i < h * w; i++)
        if (classes->pixels[i]) mask->pixels[i] |= PERSON;
    for (ptrdiff_t y = 0; y < h; y++) grow_line(mask->pixels + y * w, w, 1, radius, PERSON, BESIDE);
    for (ptrdiff_t x = 0; x < w; x++) grow_line(mask->pixels + x, h, w, radius, BESIDE, NEAR);
    for (ptrdiff_t i = 0; i < h * w; i++)
        if (!(mask->pixels[i] & NEAR)) mask->pixels[i] = 0;
}

/* ---- All of it -------------------------------------------------------------------------------------------------------------- */

static void draw_kind(pn_image *mask, const pn_image *classes, pn_hole_kind kind, pn_uniforms *u)
{
    bool rect = kind == PN_HOLE_RECT, stroke = kind == PN_HOLE_STROKE;
    if (kind == PN_HOLE_MIXED) {
        const double choice = pn_uniforms_next(u);
        rect = choice < 0.5;
        stroke = choice < 0.75;
    }
    if (rect) draw_rect(mask, u);
    if (stroke) draw_strokes(mask, u);
    if (!rect && !stroke && kind != PN_HOLE_NONE) draw_regions(mask, classes, u);
}

pn_status pn_hole_draw(pn_ctx *ctx, pn_image *mask, const pn_image *classes, pn_hole_kind kind, pn_hole_place place,
                       pn_uniforms *u)
{
    if (mask->channels != 1 || classes->channels != 1 || mask->height != classes->height || mask->width != classes->width)
        return pn_fail(ctx, PN_ERR_ARG, "pn_hole_draw: the mask is %tdx%td, %d channels, and the classes %tdx%td, %d; expected one "
                       "size and one channel each", mask->height, mask->width, mask->channels, classes->height,
                       classes->width, classes->channels);
    const ptrdiff_t area = mask->height * mask->width;
    ptrdiff_t missing = 0;
    for (int i = 0; i < TRIES && !missing; i++) {
        memset(mask->pixels, 0, (size_t)area);
        draw_kind(mask, classes, kind, u);
        if (place == PN_HOLE_ON_PERSON) keep_near_person(mask, classes);
        for (ptrdiff_t p = 0; p < area; p++) missing += mask->pixels[p] &= HOLE;
    }
    return PN_OK;
}

pn_status pn_hole_named(pn_ctx *ctx, pn_image *mask, const pn_image *classes, pn_hole_kind kind, const char *name)
{
    const char *slash = strrchr(name, '/');
    pn_uniforms u = pn_uniforms_named(slash ? slash + 1 : name);
    return pn_hole_draw(ctx, mask, classes, kind, PN_HOLE_ON_PERSON, &u);
}

pn_status pn_hole_kind_find(pn_ctx *ctx, const char *name, pn_hole_kind *out)
{
    static const char *const names[] = { "none", "mixed", "rect", "stroke", "region" };
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (pn_hole_kind)i;
            return PN_OK;
        }
    return pn_fail(ctx, PN_ERR_ARG, "'%s' is no kind of hole; take none, mixed, rect, stroke or region", name);
}
