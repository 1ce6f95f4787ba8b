/* models/gfla/gfla.h - GFLA: global flow, local attention (Ren et al., CVPR 2020, arXiv 2003.00696)
 *
 * The structs mirror the figure; their members carry the names of the published checkpoints, which parameter files use.
 */
#ifndef GFLA_H
#define GFLA_H

#include "posenet.h"
#include "posenet/data.h"

enum {
    GFLA_ENCODER = 3,               /* halvings of the source and target encoders */
    GFLA_FLOW_ENCODER = 5,          /* halvings of the flow estimator: sides are multiples of 2^5 */
    GFLA_LEVELS = 4,                /* attention is possible at levels 1 .. 3; level L has sides H / 2^L */
    GFLA_MAX_FLOWS = 2,
    GFLA_D_MAX = 5,
    GFLA_STRUCTURE = PN_JOINTS      /* heat maps of a pose */
};

/* Widths, and where attention sits. */
typedef struct {
    int base, cap;                  /* generator: width at step i is min(base 2^i, cap); published 64, 512 */
    int flow_base, flow_cap;        /* flow estimator; published 32, 256 */
    int hidden;                     /* of the attention's two layers; published 128 */
    int kernel[GFLA_LEVELS];        /* attention's k at each level, 0: none; fashion { 0, 0, 5, 3 }, market { 0, 0, 3, 0 } */
    int d_base, d_cap, d_layers;    /* discriminator; fashion 32, 128, 4; market 3 layers */
    int vgg_narrow;                 /* divides VGG19's widths; published 1 */
    int boost_source;               /* source features start k^2 times larger, evening out attention's 1/k^2; published 0 */
} gfla_config;

/* ---- Blocks: norm, lrelu, convolution ---------------------------------------------------------------------------- */

/* Down, residual and up blocks are those of posenet/nn.h, under the published names: norm1 is model.0, conv1 model.2,
 * norm2 model.3, conv2 or up model.5, skip shortcut.0. */
typedef struct { pn_conv_layer conv1, conv3, shortcut; } gfla_d_block;
typedef struct { pn_conv_layer first, second; } gfla_attention;        /* fully_connect_layer.0, .2 */

/* ---- Networks ------------------------------------------------------------------------------------------------------ */

typedef struct { pn_down_block block[GFLA_ENCODER]; } gfla_encoder;        /* block0, encoder0, encoder1 */

typedef struct {
    pn_down_block block[GFLA_FLOW_ENCODER];                                 /* block0, encoder0 .. encoder3 */
    pn_up_block decoder[GFLA_FLOW_ENCODER];
    pn_conv_layer jump[GFLA_FLOW_ENCODER];
    pn_conv_layer output[GFLA_FLOW_ENCODER], mask[GFLA_FLOW_ENCODER];   /* heads, where attention wants them */
    int decoders;
} gfla_flow_net;

typedef struct {
    gfla_encoder encoder;
    gfla_attention attention[GFLA_ENCODER];                             /* attn0 .. */
    pn_res_block res[GFLA_ENCODER];                                         /* decoderI.0.model.0 */
    pn_up_block up[GFLA_ENCODER];                                           /* decoderI.1 */
    pn_conv_layer outconv;
} gfla_target;

typedef struct { gfla_encoder source; gfla_target target; gfla_flow_net flow_net; gfla_config config; } gfla_generator_net;
typedef struct { gfla_d_block block[GFLA_D_MAX]; pn_conv_layer conv; int layers; } gfla_discriminator_net;

/* Make the parameters under the published names. s: pn_scope_top(params, orthogonal 0.02). */
gfla_generator_net gfla_generator_make(const pn_scope *s, const gfla_config *c);
gfla_discriminator_net gfla_discriminator_make(const pn_scope *s, const gfla_config *c);

/* ---- The figure ------------------------------------------------------------------------------------------------------ */

typedef struct { pn_tensor *source, *pose_source, *pose_target; } gfla_input;  /* [N,3,H,W], [N,18,H,W] twice */
/* Coarse to fine: flow[i] [N,2,h,w] in pixels of its level, mask[i] [N,1,h,w], attention[i] [N,k^2,h,w]. */
typedef struct {
    pn_tensor *image;               /* [N,3,H,W] in [-1,1] */
    pn_tensor *flow[GFLA_MAX_FLOWS], *mask[GFLA_MAX_FLOWS], *attention[GFLA_MAX_FLOWS];
    int level[GFLA_MAX_FLOWS], flows;
} gfla_output;

gfla_input gfla_inputs(pn_graph *g, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t width);
/* Flows and masks alone (stage 1): image and attention stay NULL. */
gfla_output gfla_flow(pn_graph *g, const gfla_generator_net *net, const gfla_input *in);
gfla_output gfla_generator(pn_graph *g, const gfla_generator_net *net, const gfla_input *in);
pn_tensor *gfla_discriminator(pn_graph *g, const gfla_discriminator_net *net, pn_tensor *image);       /* logits */

/* ---- Losses (section 6 of the model's README) --------------------------------------------------------------------------- */

/* What the generator made, judged: leaves of the critic's graph that want gradients, and the constants they are held to. */
typedef struct { pn_tensor *image, *flow[GFLA_MAX_FLOWS], *source, *target; int level[GFLA_MAX_FLOWS], flows; } gfla_judged;
typedef struct { double l1, correctness, content, style, regularisation, adversarial; } gfla_weights;
enum { GFLA_L1, GFLA_CORRECTNESS, GFLA_CONTENT, GFLA_STYLE, GFLA_REGULARISATION, GFLA_ADVERSARIAL, GFLA_TERMS };
typedef struct { pn_tensor *term[GFLA_TERMS], *total; } gfla_losses;   /* terms unweighted; absent ones NULL */

gfla_judged gfla_judged_inputs(pn_graph *g, const gfla_output *made, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t width);
/* Stage 1: correctness and regularisation of the flows; stage 2: all terms. */
gfla_losses gfla_flow_losses(pn_graph *g, const gfla_config *c, const pn_vgg19 *vgg, const gfla_judged *see, gfla_weights w);
gfla_losses gfla_full_losses(pn_graph *g, const gfla_config *c, const pn_vgg19 *vgg, const gfla_discriminator_net *d, pn_gan gan,
                             const gfla_judged *see, gfla_weights w);

#endif
