/* models/gfla/keypoint.h - the network that cleans key points over time, for person animation: detections of 17 joints come in, 40
 * instants longer at both ends, smooth ones of Human3.6M's 17 joints come out
 */
#ifndef GFLA_KEYPOINT_H
#define GFLA_KEYPOINT_H

#include "system.h"

enum {
    GFLA_POINTS = 34,               /* channels: 17 joints, y then x */
    GFLA_POINT_STAGES = 3,          /* of dilation 3, 9, 27 */
    GFLA_POINT_LAYERS = 2 * GFLA_POINT_STAGES,
    GFLA_DROPS = 1 + GFLA_POINT_LAYERS,
    GFLA_FEATURES = 3,              /* strided convolutions that see what kind of track it is */
    GFLA_POINT_MARGIN = 40          /* instants that each end loses */
};

/* Norm over channels and time; gain and shift from the feature: (1 + gamma) and beta by linear layers from a hidden one. */
typedef struct { pn_tensor *shared_weight, *shared_bias, *gamma_weight, *gamma_bias, *beta_weight, *beta_bias; } gfla_adaptive_norm;
/* ours: the names; the published ones are not known */
typedef struct {
    pn_tensor *feature[GFLA_FEATURES];                  /* feature.I.weight [O,I,3] */
    pn_tensor *expand_conv;
    pn_norm_layer expand_norm;
    pn_tensor *layers_conv[GFLA_POINT_LAYERS];          /* layers_conv.I.weight [O,I,3], then [O,I,1], in turn */
    gfla_adaptive_norm layers_norm[GFLA_POINT_LAYERS];
    pn_tensor *shrink_weight, *shrink_bias;
    int width;
} gfla_keypoint_net;

gfla_keypoint_net gfla_keypoint_make(const pn_scope *s, int width);
/* Of what dropout i is multiplied with, when x is [n,34,length]. */
pn_shape gfla_keypoint_kept(const gfla_keypoint_net *net, int i, ptrdiff_t n, ptrdiff_t length);
/* x [N,34,T+80]; kept: for each dropout 0 or 1 / (1 - share), NULL: none; feature: NULL, or where to put it [N,width].
 * returns [N,34,T] */
pn_tensor *gfla_keypoint(pn_graph *g, const gfla_keypoint_net *net, pn_tensor *x, pn_tensor *const kept[GFLA_DROPS],
                         pn_tensor **feature);

#endif
