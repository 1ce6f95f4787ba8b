/* posenet/nn.h - layers, features and losses: parameters with names, and the ops they are used with
 *
 * A layer is a plain struct of parameters. X_make names and makes them inside a pn_scope; X_call records the layer on a
 * graph. Both are sticky: after a failure of the scope's parameters or of the graph they do nothing, and whoever plans
 * gets the message.
 */
#ifndef POSENET_NN_H
#define POSENET_NN_H

#include "posenet.h"

/* ---- Scopes: where names and initial values come from -------------------------------------------------------------- */

enum { PN_NAME_ROOM = 128 };
typedef struct {
    pn_params *params;
    pn_init weights;                /* of convolutions and linear layers; biases start at 0, norms at 1 and 0 */
    char name[PN_NAME_ROOM];        /* "" at the top; else what every name inside begins with, and a dot */
} pn_scope;

PN_API pn_scope pn_scope_top(pn_params *params, pn_init weights);
/* One level down: pn_scope_in(&s, "decoder%d", 1) makes names "….decoder1.…". A name too long fails the parameters. */
PN_API pn_scope pn_scope_in(const pn_scope *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A second name, inside s, for a layer's parameter (files of some projects hold one tensor twice). */
PN_API void pn_scope_alias(const pn_scope *s, pn_tensor *t, const char *name);

/* ---- Layers --------------------------------------------------------------------------------------------------------- */

/* A convolution. transposed: it goes from the smaller map to the larger. u and v, or NULL: its weight is divided by its largest
 * singular value (spectral norm) in each call. */
typedef struct { pn_tensor *weight, *bias, *u, *v; pn_conv_opt opt; bool transposed; } pn_conv_layer;
/* weight [out, in/groups, kernel, kernel], bias [out] */
PN_API pn_conv_layer pn_conv_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt);
/* weight [in, out/groups, kernel, kernel], bias [out] */
PN_API pn_conv_layer pn_conv_transpose_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt);
/* The same with spectral norm: weight_orig, weight_u, weight_v, bias. */
PN_API pn_conv_layer pn_spectral_conv_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel, pn_conv_opt opt);
PN_API pn_conv_layer pn_spectral_conv_transpose_layer_make(const pn_scope *s, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel,
                                                           pn_conv_opt opt);
PN_API pn_tensor *pn_conv_layer_call(pn_graph *g, const pn_conv_layer *l, pn_tensor *x);
/* The weight a call convolves with. For several calls of one forward: with it for `weight`, and u and v NULL, it is normalised
 * once. */
PN_API pn_tensor *pn_conv_layer_weight(pn_graph *g, const pn_conv_layer *l);

typedef struct { pn_tensor *weight, *bias; } pn_norm_layer;                    /* [c] each; NULL: without */
PN_API pn_norm_layer pn_norm_layer_make(const pn_scope *s, ptrdiff_t c);
PN_API pn_tensor *pn_instance_norm_layer_call(pn_graph *g, const pn_norm_layer *l, pn_tensor *x);     /* eps 1e-5 */

/* A layer inside s under its name. */
PN_API pn_conv_layer pn_conv_layer_at(const pn_scope *s, const char *name, ptrdiff_t in, ptrdiff_t out, ptrdiff_t kernel,
                                      pn_conv_opt opt);
PN_API pn_norm_layer pn_norm_layer_at(const pn_scope *s, const char *name, ptrdiff_t c);
/* A parameter, or state, of s itself. */
PN_API pn_tensor *pn_scope_param(const pn_scope *s, const char *name, pn_shape shape, pn_init init);
PN_API pn_tensor *pn_scope_state(const pn_scope *s, const char *name, pn_shape shape, pn_init init);

/* ---- Pre-activation blocks: norm, leaky relu, convolution, twice ---------------------------------------------------- */

/* What the blocks of one network have in common. affine: norms have parameters; spectral: convolutions have spectral norm. */
typedef struct { bool affine, spectral; double slope; } pn_block_look;
/* conv1 has kernel 4 and halves the map, conv2 3. A first block begins with conv1. */
typedef struct {
    pn_norm_layer norm1;
    pn_conv_layer conv1;
    pn_norm_layer norm2;
    pn_conv_layer conv2;
    double slope;
    bool first;
} pn_down_block;
/* The same layers at one size, beside the identity. */
typedef pn_down_block pn_res_block;
/* conv1, then a transposed convolution that doubles the map, beside one that does so with the input as it is. */
typedef struct {
    pn_norm_layer norm1;
    pn_conv_layer conv1;
    pn_norm_layer norm2;
    pn_conv_layer up, skip;
    double slope;
} pn_up_block;

/* hidden: channels between its two convolutions. */
PN_API pn_down_block pn_down_block_make(const pn_scope *s, pn_block_look look, ptrdiff_t in, ptrdiff_t hidden, ptrdiff_t out, bool first);
PN_API pn_res_block pn_res_block_make(const pn_scope *s, pn_block_look look, ptrdiff_t c);
PN_API pn_up_block pn_up_block_make(const pn_scope *s, pn_block_look look, ptrdiff_t in, ptrdiff_t hidden, ptrdiff_t out);
/* A block's convolution of this name: plain, or with spectral norm. */
PN_API pn_conv_layer pn_block_conv_at(const pn_scope *s, pn_block_look look, const char *name, ptrdiff_t in, ptrdiff_t out,
                                      ptrdiff_t kernel, pn_conv_opt opt);
PN_API pn_tensor *pn_norm_act(pn_graph *g, const pn_norm_layer *norm, double slope, pn_tensor *x);    /* norm, leaky relu */
PN_API pn_tensor *pn_down_block_call(pn_graph *g, const pn_down_block *b, pn_tensor *x);
PN_API pn_tensor *pn_res_block_call(pn_graph *g, const pn_res_block *b, pn_tensor *x);
PN_API pn_tensor *pn_up_block_call(pn_graph *g, const pn_up_block *b, pn_tensor *x);

/* ---- VGG19 features ------------------------------------------------------------------------------------------------- */

/* torchvision's VGG19 `features` up to relu5_2: parameters features.N.weight, features.N.bias. `narrow` divides every
 * width (1: the published network). Frozen by being no plan's .learn. */
enum { PN_VGG19_CONVS = 14 };       /* conv1_1 … conv5_2 */
typedef enum {
    PN_RELU1_1, PN_RELU1_2, PN_RELU2_1, PN_RELU2_2, PN_RELU3_1, PN_RELU3_2, PN_RELU3_3, PN_RELU3_4, PN_RELU4_1, PN_RELU4_2,
    PN_RELU4_3, PN_RELU4_4, PN_RELU5_1, PN_RELU5_2
} pn_vgg19_tap;
typedef struct { pn_conv_layer conv[PN_VGG19_CONVS]; } pn_vgg19;
typedef struct { pn_tensor *tap[PN_VGG19_CONVS]; } pn_vgg19_features;
PN_API pn_vgg19 pn_vgg19_make(const pn_scope *s, int narrow);
/* One with orthogonal filters (gain sqrt 2) of a seed that never changes, for where the published weights are not at hand: runs can
 * be compared with each other, not with papers. Its parameters, for pn_params_free; NULL: it could not be made. */
PN_API pn_params *pn_vgg19_fixed_seed(pn_ctx *ctx, int narrow, pn_vgg19 *vgg);
/* One with the filters of a weight file; narrow 0: as narrow as they are. tell: say what matched, as pn_weights_report. Returns as above,
 * NULL also as pn_weights_open and pn_weights_load fail. */
PN_API pn_params *pn_vgg19_open(pn_ctx *ctx, const char *path, int narrow, bool tell, pn_vgg19 *vgg);
/* Features of x [N,3,H,W] as it comes (no mean or deviation is taken off), up to and including `last`; later taps NULL. */
PN_API pn_vgg19_features pn_vgg19_call(pn_graph *g, const pn_vgg19 *vgg, pn_tensor *x, pn_vgg19_tap last);
/* Colours in [-1,1] as the published network expects them: in [0,1], less their mean, over their deviation. x [N,3,H,W] */
PN_API pn_tensor *pn_imagenet_colours(pn_graph *g, pn_tensor *x);

/* ---- Losses of several ops ------------------------------------------------------------------------------------------ */

typedef enum { PN_GAN_LSGAN, PN_GAN_HINGE } pn_gan;
/* Least squares (Mao et al. 2017): D 1/2 [mean (real - 1)^2 + mean fake^2], G mean (fake - 1)^2.
 * Hinge (Lim & Ye 2017): D 1/2 [mean relu(1 - real) + mean relu(1 + fake)], G -mean fake. All [1]. */
PN_API pn_tensor *pn_gan_d_loss(pn_graph *g, pn_gan kind, pn_tensor *on_real, pn_tensor *on_fake);
PN_API pn_tensor *pn_gan_g_loss(pn_graph *g, pn_gan kind, pn_tensor *on_fake);
/* sum over taps of mean |a - b| (Johnson et al. 2016), and of mean |gram a - gram b| (Gatys et al. 2016). [1] */
PN_API pn_tensor *pn_content_loss(pn_graph *g, const pn_vgg19_features *a, const pn_vgg19_features *b, const pn_vgg19_tap taps[],
                                  int n);
PN_API pn_tensor *pn_style_loss(pn_graph *g, const pn_vgg19_features *a, const pn_vgg19_features *b, const pn_vgg19_tap taps[],
                                int n);
/* sum of weight[i] * term[i], constant weights. [1] */
PN_API pn_tensor *pn_weighted_sum(pn_graph *g, pn_tensor *const term[], const double weight[], int n);

#endif
