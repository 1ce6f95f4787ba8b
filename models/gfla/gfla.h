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
    GFLA_MAX_FLOWS = 2,             /* levels that attend */
    GFLA_MAX_SOURCES = 2,           /* pictures that features are taken from */
    GFLA_D_MAX = 5
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
    int structure;                  /* channels of a structure: a pose 18, a dance 20, a face 16, of a view's code 21 */
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
    int decoders, sources;                                              /* a flow and a mask for each source */
    int head[GFLA_MAX_FLOWS], level[GFLA_MAX_FLOWS], heads;             /* after which decoder, at which level */
} gfla_flow_net;

/* From features of level 3 to the picture, with those of one source or of two. */
typedef struct {
    gfla_attention attention[GFLA_MAX_SOURCES][GFLA_ENCODER];           /* attn0 ..; of two attn_p0 .., attn_r0 .. */
    bool attends[GFLA_ENCODER];
    pn_res_block res[GFLA_ENCODER];                                         /* decoderI.0.model.0 */
    pn_up_block up[GFLA_ENCODER];                                           /* decoderI.1 */
    pn_conv_layer outconv;
    int sources;
} gfla_decoder;

typedef struct { gfla_encoder encoder; gfla_decoder decoder; } gfla_target;

typedef struct { gfla_encoder source; gfla_target target; gfla_flow_net flow_net; } gfla_generator_net;
typedef struct { gfla_d_block block[GFLA_D_MAX]; pn_conv_layer conv; int layers; } gfla_discriminator_net;

/* Make the parameters under the published names. s: pn_scope_top(params, orthogonal 0.02). */
gfla_generator_net gfla_generator_make(const pn_scope *s, const gfla_config *c);
gfla_discriminator_net gfla_discriminator_make(const pn_scope *s, const gfla_config *c);
/* Parts of them, for the networks of other tasks. in: channels they read */
int gfla_width(int base, int cap, int step);            /* min(base 2^step, cap) */
pn_up_block gfla_up_make(const pn_scope *s, int in, int hidden, int out);
gfla_encoder gfla_encoder_make(const pn_scope *s, const gfla_config *c, int in);
gfla_encoder gfla_source_make(const pn_scope *s, const gfla_config *c);         /* of pictures, as boost_source has it */
gfla_flow_net gfla_flow_net_make(const pn_scope *s, const gfla_config *c, int in, int sources);
gfla_decoder gfla_decoder_make(const pn_scope *s, const gfla_config *c, int sources);
gfla_target gfla_target_make(const pn_scope *s, const gfla_config *c, int sources);
gfla_discriminator_net gfla_discriminator_of(const pn_scope *s, const gfla_config *c, int in);
gfla_d_block gfla_d_block_make(const pn_scope *s, int in, int hidden, int out);
pn_conv_layer gfla_logits_make(const pn_scope *s, int in);                      /* conv */

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

/* Parts of them. out: of each source its flows and masks, and from the decoder its attention. */
typedef struct { pn_tensor *level[GFLA_ENCODER + 1]; } gfla_features;            /* 0: what was encoded */
gfla_features gfla_encode(pn_graph *g, const gfla_encoder *e, pn_tensor *x);
void gfla_flow_encode(pn_graph *g, const gfla_flow_net *f, pn_tensor *x, pn_tensor *level[GFLA_FLOW_ENCODER + 1]);
void gfla_flow_decode(pn_graph *g, const gfla_flow_net *f, pn_tensor *const level[GFLA_FLOW_ENCODER], pn_tensor *bottom,
                      gfla_output out[]);
void gfla_flow_estimate(pn_graph *g, const gfla_flow_net *f, pn_tensor *const given[], int n, gfla_output out[]);     /* all of it */
pn_tensor *gfla_decode(pn_graph *g, const gfla_decoder *d, pn_tensor *x, const gfla_features source[], gfla_output out[]);
pn_tensor *gfla_d_block_call(pn_graph *g, const gfla_d_block *b, pn_tensor *x);
pn_tensor *gfla_logits(pn_graph *g, const pn_conv_layer *conv, pn_tensor *x);

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
