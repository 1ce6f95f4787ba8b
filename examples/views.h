/* views.h - objects shown from other sides, for programs that make pictures of them */
#ifndef VIEWS_H
#define VIEWS_H

#include "pictures.h"
#include "posenet/views.h"

/* "AZIMUTH,ELEVATION" in degrees: 0, 20 … 340 and 0, 10 or 20. PN_ERR_ARG names the option and the nearest view. */
pn_status view_parse(pn_ctx *ctx, const char *option, const char *text, pn_object_view *out);
/* An object's picture from a file and where it is seen from; where it is to be seen from. */
pn_status painter_object(painter *p, const char *image, const pn_object_view *from, const pn_object_view *to);
/* Fill source, codes and truth from two views of a data set, and the picture from the model. */
pn_status painter_turn(painter *p, const pn_views *v, pn_view_pair pair);

#endif
