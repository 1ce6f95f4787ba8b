/* augment.h - moving a picture and its key points together */
#ifndef PN_AUGMENT_H
#define PN_AUGMENT_H

#include "data/dataset.h"

/* p' = scale rot(angle) (p - c) + c + (dx, dy), c the middle of the picture plus half a pixel; angle in radians */
typedef struct { double angle, dx, dy, scale; } pn_motion;
typedef enum { PN_AUGMENT_SOURCE, PN_AUGMENT_TARGET } pn_augment_side;

pn_motion pn_motion_draw(pn_rng *rng, pn_augment_side side);
void pn_motion_point(const pn_motion *m, double *x, double *y, ptrdiff_t height, ptrdiff_t width);      /* in place */
pn_pose pn_motion_pose(const pn_motion *m, const pn_pose *pose, ptrdiff_t height, ptrdiff_t width);
/* out has the size and channels of in and other memory */
void pn_motion_image(const pn_motion *m, const pn_image *in, uint8_t fill, pn_image *out);

#endif
