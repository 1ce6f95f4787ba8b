/* lib/data/augment.c - GFLA's augmentation for Market-1501: a small rotation, shift and scale
 *
 * One draw moves picture and key points together. The picture goes through Pillow's nearest affine transform, 16.16
 * fixed point and all, with grey where nothing was. Source: GFLA's Market-1501 loader.
 */
#include "data/augment.h"

#include <math.h>
#include <string.h>

static const double ANGLE = 5.0, SHIFT = 5.0, SCALE = 0.05;             /* degrees, pixels, share */
static const double TARGET_ANGLE = 0.2, TARGET_SHIFT = 0.5;             /* the target moves less and keeps its size */

static double spread(pn_rng *r, double by) { return (2.0 * pn_rng_uniform(r) - 1.0) * by; }

pn_motion pn_motion_draw(pn_rng *rng, pn_augment_side side)
{
    const double angle = spread(rng, ANGLE);            /* the order of draws is the order of lines */
    const double dx = spread(rng, SHIFT);
    const double dy = spread(rng, SHIFT);
    const double scale = 1.0 + spread(rng, SCALE);
    const bool source = side == PN_AUGMENT_SOURCE;
    return (pn_motion){ .angle = angle * (source ? 1.0 : TARGET_ANGLE) * 0.017453292519943295,
                        .dx = dx * (source ? 1.0 : TARGET_SHIFT), .dy = dy * (source ? 1.0 : TARGET_SHIFT),
                        .scale = source ? scale : 1.0 };
}

void pn_motion_point(const pn_motion *m, double *x, double *y, ptrdiff_t height, ptrdiff_t width)
{
    const double cx = 0.5 * (double)width + 0.5, cy = 0.5 * (double)height + 0.5;
    const double c = m->scale * cos(m->angle), s = m->scale * sin(m->angle), px = *x - cx, py = *y - cy;
    *x = pn_pose_present(c * px - s * py + cx + m->dx);
    *y = pn_pose_present(s * px + c * py + cy + m->dy);
}

pn_pose pn_motion_pose(const pn_motion *m, const pn_pose *pose, ptrdiff_t height, ptrdiff_t width)
{
    pn_pose out = *pose;
    for (int j = 0; j < PN_JOINTS; j++) {
        if (pn_pose_has(pose, j)) pn_motion_point(m, &out.x[j], &out.y[j], height, width);
        else out.x[j] = out.y[j] = -1.0;
    }
    return out;
}

static int64_t fixed(double v) { return (int64_t)floor(v * 65536.0 + 0.5); }

void pn_motion_image(const pn_motion *m, const pn_image *in, uint8_t fill, pn_image *out)
{
    const double cx = 0.5 * (double)in->width + 0.5, cy = 0.5 * (double)in->height + 0.5;
    const double c = cos(m->angle) / m->scale, s = sin(m->angle) / m->scale;
    const double x0 = c * (-cx - m->dx) + s * (-cy - m->dy) + cx, y0 = -s * (-cx - m->dx) + c * (-cy - m->dy) + cy;
    const int64_t xx = fixed(c), xy = fixed(s), yx = fixed(-s), yy = fixed(c);
    int64_t row_x = fixed(x0 + c * 0.5 + s * 0.5), row_y = fixed(y0 - s * 0.5 + c * 0.5);
    memset(out->pixels, fill, (size_t)(out->height * out->width) * (size_t)out->channels);
    for (ptrdiff_t y = 0; y < out->height; y++, row_x += xy, row_y += yy) {
        int64_t at_x = row_x, at_y = row_y;
        for (ptrdiff_t x = 0; x < out->width; x++, at_x += xx, at_y += yx) {
            if (at_x < 0 || at_y < 0) continue;
            const ptrdiff_t from_x = (ptrdiff_t)(at_x >> 16), from_y = (ptrdiff_t)(at_y >> 16);
            if (from_x >= in->width || from_y >= in->height) continue;
            memcpy(out->pixels + (y * out->width + x) * out->channels,
                   in->pixels + (from_y * in->width + from_x) * in->channels, (size_t)in->channels);
        }
    }
}
