/* lib/data/pose.c - key points: scaling, heat maps, drawing; contract in posenet/data.h */
#include "data/dataset.h"

#include <math.h>
#include <string.h>

bool pn_pose_has(const pn_pose *pose, int joint) { return pose->x[joint] != -1.0 && pose->y[joint] != -1.0; }

void pn_pose_clear(pn_pose *pose)
{
    for (int j = 0; j < PN_JOINTS; j++) pose->x[j] = pose->y[j] = -1.0;
}

double pn_pose_present(double v) { return v == -1.0 ? nextafter(-1.0, -2.0) : v; }

pn_pose pn_pose_scale(const pn_pose *pose, double from_h, double from_w, double to_h, double to_w)
{
    pn_pose out;
    pn_pose_clear(&out);
    for (int j = 0; j < PN_JOINTS; j++) {
        if (!pn_pose_has(pose, j)) continue;
        out.x[j] = pn_pose_present(pose->x[j] * to_w / from_w);
        out.y[j] = pn_pose_present(pose->y[j] * to_h / from_h);
    }
    return out;
}

/* The Gaussian is a product of one over rows and one over columns: as many exponentials as sides, not as pixels.
 * Columns go in pieces that fit the stack. */
static void gaussian(double cy, double cx, ptrdiff_t height, ptrdiff_t width, double sigma, float *map)
{
    enum { PIECE = 256 };
    const double narrow = 1.0 / (2.0 * sigma * sigma);
    double ex[PIECE];
    for (ptrdiff_t first = 0; first < width; first += PIECE) {
        const ptrdiff_t n = width - first < PIECE ? width - first : PIECE;
        for (ptrdiff_t i = 0; i < n; i++)
            ex[i] = exp(-((double)(first + i) - cx) * ((double)(first + i) - cx) * narrow);
        for (ptrdiff_t y = 0; y < height; y++) {
            const double ey = exp(-((double)y - cy) * ((double)y - cy) * narrow);
            float *row = map + y * width + first;
            for (ptrdiff_t i = 0; i < n; i++) row[i] = (float)(ey * ex[i]);
        }
    }
}

void pn_heatmap(const pn_centre *at, ptrdiff_t height, ptrdiff_t width, double sigma, float *map)
{
    if (at) gaussian(at->y, at->x, height, width, sigma, map);
    else memset(map, 0, (size_t)(height * width) * sizeof *map);
}

void pn_pose_heatmaps(const pn_pose *pose, ptrdiff_t height, ptrdiff_t width, double sigma, float *out)
{
    for (int j = 0; j < PN_JOINTS; j++) {
        const pn_centre at = { trunc(pose->y[j]), trunc(pose->x[j]) };
        pn_heatmap(pn_pose_has(pose, j) ? &at : NULL, height, width, sigma, out + j * height * width);
    }
}

int pn_pose_channels(pn_limb_maps limbs) { return PN_JOINTS + (limbs == PN_LIMBS_NONE ? 0 : PN_LIMBS); }

/* a and b: (y, x) */
static void limb(const double a[2], const double b[2], ptrdiff_t height, ptrdiff_t width, pn_limb_maps kind, float *map)
{
    const double dy = b[0] - a[0], dx = b[1] - a[1], length2 = fmax(dy * dy + dx * dx, 1);
    for (ptrdiff_t y = 0; y < height; y++)
        for (ptrdiff_t x = 0; x < width; x++) {
            const double py = (double)y - a[0], px = (double)x - a[1];
            double t = length2 < HUGE_VAL ? (px * dx + py * dy) / length2 : 0; /* so far away that nothing of it shows */
            if (kind == PN_LIMBS_SEGMENT) t = fmin(1, fmax(0, t));
            const double ey = py - t * dy, ex = px - t * dx;
            map[y * width + x] = (float)exp(-0.1 * sqrt(ey * ey + ex * ex));
        }
}

void pn_pose_maps(const pn_pose *pose, ptrdiff_t height, ptrdiff_t width, double sigma, pn_limb_maps limbs, float *out)
{
    pn_pose_heatmaps(pose, height, width, sigma, out);
    for (int l = 0; limbs != PN_LIMBS_NONE && l < PN_LIMBS; l++) {
        const int from = pn_bones[l][0], to = pn_bones[l][1];
        float *map = out + (PN_JOINTS + l) * height * width;
        const double a[2] = { trunc(pose->y[from]), trunc(pose->x[from]) }, b[2] = { trunc(pose->y[to]), trunc(pose->x[to]) };
        if (pn_pose_has(pose, from) && pn_pose_has(pose, to)) limb(a, b, height, width, limbs, map);
        else memset(map, 0, (size_t)(height * width) * sizeof *map);
    }
}

/* ---- Drawing ---------------------------------------------------------------------------------------------------- */

const signed char pn_bones[PN_BONES][2] = {
    { 1, 2 },  { 1, 5 },   { 2, 3 },   { 3, 4 }, { 5, 6 },  { 6, 7 },   { 1, 8 },  { 8, 9 },   { 9, 10 },
    { 1, 11 }, { 11, 12 }, { 12, 13 }, { 1, 0 }, { 0, 14 }, { 14, 16 }, { 0, 15 }, { 15, 17 },
};

const uint8_t pn_joint_colours[PN_JOINTS][3] = {
    { 255, 0, 0 }, { 255, 85, 0 }, { 255, 170, 0 }, { 255, 255, 0 }, { 170, 255, 0 }, { 85, 255, 0 }, { 0, 255, 0 },
    { 0, 255, 85 }, { 0, 255, 170 }, { 0, 255, 255 }, { 0, 170, 255 }, { 0, 85, 255 }, { 0, 0, 255 }, { 85, 0, 255 },
    { 170, 0, 255 }, { 255, 0, 255 }, { 255, 0, 170 }, { 255, 0, 85 },
};

/* A place as a pixel index, kept inside 0 .. n: comparing before casting, far away and NaN are fine. */
static ptrdiff_t inside(double v, ptrdiff_t n) { return v > 0 ? v < (double)n ? (ptrdiff_t)v : n : 0; }

void pn_image_stroke(pn_image *image, const double a[2], const double b[2], double radius, const uint8_t colour[3])
{
    const double dy = b[0] - a[0], dx = b[1] - a[1], length2 = dy * dy + dx * dx;
    const ptrdiff_t top = inside(fmin(a[0], b[0]) - radius, image->height),
                    left = inside(fmin(a[1], b[1]) - radius, image->width);
    const ptrdiff_t bottom = inside(fmax(a[0], b[0]) + radius + 1, image->height);
    const ptrdiff_t right = inside(fmax(a[1], b[1]) + radius + 1, image->width);
    for (ptrdiff_t y = top; y < bottom; y++)
        for (ptrdiff_t x = left; x < right; x++) {
            const double py = (double)y - a[0], px = (double)x - a[1];
            const double t = length2 > 0 ? fmin(1.0, fmax(0.0, (py * dy + px * dx) / length2)) : 0.0;
            const double ey = py - t * dy, ex = px - t * dx;
            if (ey * ey + ex * ex > radius * radius) continue;
            for (int c = 0; c < image->channels; c++)
                image->pixels[(y * image->width + x) * image->channels + c] = colour[c];
        }
}

void pn_pose_draw(const pn_pose *pose, pn_image *image)
{
    const ptrdiff_t side = image->height > image->width ? image->height : image->width;
    const double radius = fmax(1.0, (double)side / 200.0);
    for (int l = 0; l < PN_BONES; l++) {
        const int from = pn_bones[l][0], to = pn_bones[l][1];
        if (!pn_pose_has(pose, from) || !pn_pose_has(pose, to)) continue;
        pn_image_stroke(image, (const double[2]) { pose->y[from], pose->x[from] },
               (const double[2]) { pose->y[to], pose->x[to] }, radius, pn_joint_colours[l]);
    }
    for (int j = 0; j < PN_JOINTS; j++) {
        if (!pn_pose_has(pose, j)) continue;
        const double at[2] = { pose->y[j], pose->x[j] };
        pn_image_stroke(image, at, at, 1.6 * radius, pn_joint_colours[j]);
    }
}
