/* models/gfla/view.h - GFLA's view synthesis: an object seen from one side, shown from another
 *
 * A view is a code [N,21,1,1]: which of 18 azimuths, then which of 3 elevations, a 1 for each of the two (posenet/views.h).
 */
#ifndef GFLA_VIEW_H
#define GFLA_VIEW_H

#include "gfla.h"
#include "posenet/views.h"

/* The pose's flow estimator on the picture alone; how far to turn joins at its deepest map, through one residual block whose
 * skip is a convolution: cat.model.0 and its shortcut.0. */
typedef struct { gfla_flow_net net; pn_res_block cat; pn_conv_layer cat_skip; } gfla_view_flow_net;
/* The code everywhere, raised to the size of the source's deepest map: block0, block1. */
typedef struct { pn_up_block block[2]; gfla_decoder decoder; } gfla_view_target;
typedef struct { gfla_encoder source; gfla_view_target target; gfla_view_flow_net flow_net; } gfla_view_net;

/* Make the parameters under the published names; c->structure is PN_VIEW_CODE. */
gfla_view_net gfla_view_make(const pn_scope *s, const gfla_config *c);
/* The codes take the place of poses. */
gfla_input gfla_view_inputs(pn_graph *g, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t width);
gfla_output gfla_view_flow(pn_graph *g, const gfla_view_net *net, const gfla_input *in);
gfla_output gfla_view_generator(pn_graph *g, const gfla_view_net *net, const gfla_input *in);

#endif
