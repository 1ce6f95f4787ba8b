/* lib/metrics/mask.c - the Market-1501 person mask; contract in posenet/metrics.h */
#include "posenet/metrics.h"

#include <math.h>
#include <string.h>

static const signed char limbs[][2] = {
    /* the script's own list, torso edges included */
    { 1, 2 },   { 1, 5 },  { 2, 3 },   { 3, 4 },   { 5, 6 },  { 6, 7 },  { 1, 8 },   { 8, 9 },
    { 9, 10 },  { 1, 11 }, { 11, 12 }, { 12, 13 }, { 1, 0 },  { 0, 14 }, { 14, 16 }, { 0, 15 },
    { 15, 17 }, { 1, 16 }, { 1, 17 },  { 8, 11 },  { 11, 5 }, { 8, 2 },  { 16, 17 },
};
enum { LIMBS = sizeof limbs / sizeof *limbs, RADIUS = 4, CLOSING = 2 };

typedef struct { double y, x; } place;

/* Inside, on an edge or on a corner: counts edges crossed by a ray to the right and one to the left; inside both are
 * odd, on an edge they differ. */
static bool covers(const place corner[4], double y, double x)
{
    int right = 0, left = 0;
    for (int i = 0; i < 4; i++) {
        const double y0 = corner[i].y - y, x0 = corner[i].x - x;
        const double y1 = corner[(i + 3) % 4].y - y, x1 = corner[(i + 3) % 4].x - x;
        if (fabs(y0) < 1e-12 && fabs(x0) < 1e-12) return true;
        if ((y0 > 0) != (y1 > 0)) right += (x1 * y0 - x0 * y1) / (y0 - y1) > 0;
        if ((y0 < 0) != (y1 < 0)) left += (x1 * y0 - x0 * y1) / (y0 - y1) < 0;
    }
    return right % 2 == 1 || right % 2 != left % 2;
}

static ptrdiff_t inside(double v, ptrdiff_t n) { return v > 0 ? v < (double)n ? (ptrdiff_t)v : n : 0; }

static void fill_limb(pn_image *mask, place a, place b)
{
    const double dy = a.y - b.y, dx = a.x - b.x, length = sqrt(dy * dy + dx * dx);
    if (!(length > 0)) return; /* joints on one place: the published scripts divide by zero here */
    const double ny = -RADIUS * dx / length, nx = RADIUS * dy / length;
    const place corner[4] = {
        { a.y + ny, a.x + nx }, { a.y - ny, a.x - nx }, { b.y - ny, b.x - nx }, { b.y + ny, b.x + nx }
    };
    const ptrdiff_t top = inside(fmin(a.y, b.y) - RADIUS - 1, mask->height),
                    left = inside(fmin(a.x, b.x) - RADIUS - 1, mask->width);
    const ptrdiff_t bottom = inside(fmax(a.y, b.y) + RADIUS + 2, mask->height);
    const ptrdiff_t end = inside(fmax(a.x, b.x) + RADIUS + 2, mask->width);
    for (ptrdiff_t y = top; y < bottom; y++)
        for (ptrdiff_t x = left; x < end; x++)
            if (covers(corner, (double)y, (double)x)) mask->pixels[y * mask->width + x] = 1;
}

static void fill_disc(pn_image *mask, place at)
{
    const ptrdiff_t top = inside(at.y - RADIUS, mask->height), bottom = inside(at.y + RADIUS + 1, mask->height);
    const ptrdiff_t left = inside(at.x - RADIUS, mask->width), end = inside(at.x + RADIUS + 1, mask->width);
    for (ptrdiff_t y = top; y < bottom; y++)
        for (ptrdiff_t x = left; x < end; x++) {
            const double dy = ((double)y - at.y) / RADIUS, dx = ((double)x - at.x) / RADIUS;
            if (dy * dy + dx * dx < 1) mask->pixels[y * mask->width + x] = 1;
        }
}

/* bit `to` of a pixel: is bit `from` set anywhere (any) or everywhere (all) in its 5x5 square inside the picture? */
static void morph(pn_image *mask, uint8_t from, uint8_t to, bool any)
{
    for (ptrdiff_t y = 0; y < mask->height; y++)
        for (ptrdiff_t x = 0; x < mask->width; x++) {
            bool found = false;
            for (ptrdiff_t sy = y - CLOSING; sy <= y + CLOSING && !found; sy++)
                for (ptrdiff_t sx = x - CLOSING; sx <= x + CLOSING && !found; sx++) {
                    if (sy < 0 || sx < 0 || sy >= mask->height || sx >= mask->width) continue;
                    found = ((mask->pixels[sy * mask->width + sx] & from) != 0) == any;
                }
            if (found == any) mask->pixels[y * mask->width + x] |= to;
        }
}

void pn_pose_mask(const pn_pose *pose, pn_image *mask)
{
    enum { DRAWN = 1, GROWN = 2, CLOSED = 4 };
    const ptrdiff_t n = mask->height * mask->width;
    memset(mask->pixels, 0, (size_t)n);
    for (int l = 0; l < LIMBS; l++) {
        const int a = limbs[l][0], b = limbs[l][1];
        if (!pn_pose_has(pose, a) || !pn_pose_has(pose, b)) continue;
        fill_limb(mask, (place){ pose->y[a], pose->x[a] }, (place){ pose->y[b], pose->x[b] });
    }
    for (int j = 0; j < PN_JOINTS; j++)
        if (pn_pose_has(pose, j)) fill_disc(mask, (place){ pose->y[j], pose->x[j] });
    morph(mask, DRAWN, GROWN, true);
    morph(mask, GROWN, CLOSED, false);
    for (ptrdiff_t i = 0; i < n; i++) mask->pixels[i] = (mask->pixels[i] & CLOSED) != 0;
}
