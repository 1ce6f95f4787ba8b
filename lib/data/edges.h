/* edges.h - edges of a picture */
#ifndef PN_EDGES_H
#define PN_EDGES_H

#include "data/clips.h"

/* Canny's edges of the grey picture: 1 on an edge, else 0; out has its size and one channel. */
pn_status pn_edges(pn_ctx *ctx, const pn_image *picture, pn_image *out);

#endif
