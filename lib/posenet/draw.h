/* posenet/draw.h - figures: smooth lines and discs over pictures; flows, occlusion masks and attention made visible
 *
 * A point is a place in pixels, (0, 0) the centre of the first one. All of it draws over a picture that is there, cuts off
 * what lies outside, and leaves away what has a NaN or infinite place. Nothing allocates but what takes a context. Maps of a
 * network [C,h,w] lie over a picture as its cells: cell x covers the pixels from x W / w to (x + 1) W / w.
 */
#ifndef POSENET_DRAW_H
#define POSENET_DRAW_H

#include "posenet/data.h"

/* ---- Shapes ---------------------------------------------------------------------------------------------------- */

typedef struct { double y, x; } pn_point;
typedef struct { uint8_t rgb[3]; double opacity; } pn_ink;      /* 0 leaves a picture as it is, 1 covers it */

/* With round ends; edges are smooth over one pixel, a line narrower than a pixel is as much paler. Pictures of 1 channel
 * take rgb[0]. */
PN_API void pn_draw_line(pn_image *image, pn_point from, pn_point to, double width, pn_ink ink);
PN_API void pn_draw_disc(pn_image *image, pn_point centre, double radius, pn_ink ink);
PN_API void pn_draw_ring(pn_image *image, pn_point centre, double radius, double width, pn_ink ink);
/* A line with a head of two strokes at `to`; shorter than a pixel it is a dot. */
PN_API void pn_draw_arrow(pn_image *image, pn_point from, pn_point to, double width, pn_ink ink);
/* A number as "12", "-0.5": the digits, '.' and '-' are known, anything else is a blank. Centred; height of a digit and
 * width of its strokes in pixels. */
PN_API void pn_draw_digits(pn_image *image, pn_point centre, double height, double width, const char *text, pn_ink ink);
/* Ink number i of a set whose first ten are easy to tell apart; then they repeat. */
PN_API pn_ink pn_draw_colour(int i);

/* ---- Flows: [2,h,w], x then y, in cells of their own map; a target cell reads the source there ------------------ */

/**
 * The colour of a flow (u, v): hue is its direction (right red, down yellow-green, left cyan, up violet: 0, 90, 180 and 270
 * degrees of the wheel), saturation its length over `full`, 1 from there on; no flow is white. NaN is black.
 */
PN_API void pn_flow_colour(double u, double v, double full, uint8_t rgb[3]);
/* The smallest of 1, 2, 5, 10, 20, 50 … (and 0.5, 0.2, 0.1) that 98 in 100 cells do not exceed: a scale that one wild cell
 * does not spoil. */
PN_API double pn_flow_full(const float *flow, ptrdiff_t height, ptrdiff_t width);
/* Every pixel of out has the colour of its cell. */
PN_API void pn_flow_colours(const float *flow, ptrdiff_t height, ptrdiff_t width, double full, pn_image *out);
/* The legend: a disc of every flow up to `full`, which is written below it; in all 2 radius wide, 2.8 radius high. */
PN_API void pn_flow_wheel(pn_image *image, pn_point centre, double radius, double full);
/* From the middle of cells to where they read, over a picture of the target, in the wheel's colours; every few cells, so that
 * arrows stand `apart` pixels or more. mask: [h,w], an arrow is as visible as it says; NULL: all are. */
PN_API void pn_flow_arrows(const float *flow, const float *mask, ptrdiff_t height, ptrdiff_t width, double apart, pn_image *over);
/**
 * What a flow alone makes of the source: each pixel of out reads source at its own place plus the flow, both brought to
 * full size by bilinear interpolation; outside, the nearest pixel (as pn_flow_sample, REPLICATE). NaN where the flow is.
 *
 * source, out  [3,height_full,width_full], two arrays
 */
PN_API void pn_flow_warp(const float *flow, ptrdiff_t height, ptrdiff_t width, const float *source, ptrdiff_t height_full,
                         ptrdiff_t width_full, float *out);

/* ---- Local attention: which places of the source a target point reads ------------------------------------------- */

/* Of one level: k x k taps about the flow's end (PN_VIEW_ATTENTION's order, row by row). */
typedef struct {
    ptrdiff_t height, width;            /* h, w of the maps */
    ptrdiff_t height_full, width_full;  /* of the pictures that points refer to */
    int k;
    const float *flow, *attention;      /* [2,h,w], [k^2,h,w] */
    const float *mask;                  /* [h,w], 1: takes what it reads, 0: makes it up; NULL: not known */
} pn_reading;

/* The tap's place in the source picture, and its weight, for the cell that a point of the target lies in. */
typedef struct { pn_point at; double weight; } pn_tap;
PN_API pn_tap pn_reading_tap(const pn_reading *r, pn_point target, int tap);
/**
 * Numbered points over the target, and in the same colours what they read over the source: a square about the taps, a dot at
 * each, in a disc whose area is its weight, and the point's number beside it. A point whose mask is below 0.5 is a ring, not a disc: what it
 * reads hardly counts.
 *
 * target, source  pictures of one size, any multiple of the full one; points refer to the full one
 */
PN_API void pn_draw_reads(pn_image *target, pn_image *source, const pn_reading *r, const pn_point *points, int count);
/* Joints of a pose (in a picture's pixels) that lie in the picture, spread over it: first that nearest to the middle, then
 * always the one farthest from those there are. Without any joint, points of a 3 x 3 grid. returns how many: at most `most`. */
PN_API int pn_points_of_pose(const pn_pose *pose, ptrdiff_t height, ptrdiff_t width, pn_point *points, int most);

/* ---- Masks and label maps --------------------------------------------------------------------------------------- */

/* [h,w] of 0 .. 1 in grey; [classes,h,w] by the class of the largest weight, the first (background) in grey. Pixels have the
 * value of their cell. */
PN_API void pn_mask_greys(const float *mask, ptrdiff_t height, ptrdiff_t width, pn_image *out);
PN_API void pn_class_colours(const float *weights, ptrdiff_t classes, ptrdiff_t height, ptrdiff_t width, pn_image *out);

#endif
