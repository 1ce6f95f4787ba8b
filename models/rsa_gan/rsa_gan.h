/* models/rsa_gan/rsa_gan.h - RSA-GAN: precise region semantics-assisted GAN (Liu, Weng, Zhu 2023, CAAI TRIT)
 *
 * Only the abstract names the parts: README.md says what is fact and what is ours. The structs' members carry the names
 * that parameter files use. "Cells" are the grid at 1/4 of the picture's sides. C, K: width and classes of the config.
 */
#ifndef RSA_GAN_H
#define RSA_GAN_H

#include "posenet.h"
#include "posenet/data.h"

enum {
    RSA_GAN_CELL = 4,       /* pixels along a cell's side */
    RSA_GAN_POSE_DOWNS = 4, /* halvings of the pose encoder: sides are multiples of 2^4 */
    RSA_GAN_HEAD = 32,      /* channels of each head of attention */
    RSA_GAN_BLOCKS = 3,     /* of GDCCA, at most */
    RSA_GAN_D_CONVS = 3,
    RSA_GAN_D_BLOCKS = 8, /* residual blocks of a discriminator, at most */
    RSA_GAN_EVIDENCE = 3  /* maps of a class: where it is labelled, its joints, its limbs */
};

typedef enum { RSA_GAN_REGIONAL, RSA_GAN_ALL } rsa_gan_joints;        /* what RPSF shows a class of the pose */
typedef enum { RSA_GAN_PLAIN, RSA_GAN_VGG } rsa_gan_style;            /* encoder */
typedef enum { RSA_GAN_MOD, RSA_GAN_ADAIN, RSA_GAN_CONCAT } rsa_gan_inject;
typedef enum { RSA_GAN_BOTH, RSA_GAN_CHANNEL, RSA_GAN_TOKEN, RSA_GAN_SPATIAL } rsa_gan_attention;
typedef enum { RSA_GAN_LEARNED, RSA_GAN_OPEN, RSA_GAN_CLOSED } rsa_gan_gate;

/* Widths, and the switches of the ablations. */
typedef struct {
    int width, key, hidden; /* C (256 full, 128 small, 64 tiny); of a descriptor; between the convolutions of MOD */
    int d_base;             /* width of a discriminator's first layer */
    int classes;            /* K: 1, 8 or 20 */
    bool rpsf, rpsf_gate;
    rsa_gan_joints joints;
    bool code_attention; /* CASD's self-attention between region codes */
    rsa_gan_style style;
    int vgg_narrow; /* divides VGG19's widths; published 1 */
    bool pcgsi;
    rsa_gan_inject inject;
    bool corr_shared;    /* one projection for both descriptors */
    bool corr_semantics; /* a second correspondence that also compares the classes */
    bool gdcca;
    rsa_gan_attention attention;
    rsa_gan_gate gate;
    bool depthwise;
    int blocks; /* of GDCCA */
    int up_kernel;
    bool colours; /* the last sum reads the carried colours, too */
    bool d_head, d_limbs;
    int d_blocks;
    pn_limb_maps limbs;
} rsa_gan_config;

/* ---- Layers and blocks ------------------------------------------------------------------------------------------- */

/* A point-wise convolution, then a depth-wise 3 x 3 one (dw.weight NULL: without). */
typedef struct {
    pn_conv_layer pw, dw;
} rsa_gan_depthwise;
/* Modulation by a map T: how each channel of an instance-normed map is scaled and shifted. adain: affine alone. */
typedef struct {
    pn_conv_layer shared, affine;
} rsa_gan_mod;
/* A residual block whose two norms are modulated; concat: not modulated, conv1 reads T as it is. */
typedef struct {
    rsa_gan_mod mod1, mod2;
    pn_conv_layer conv1, conv2;
    rsa_gan_inject kind;
} rsa_gan_mrb;

/* ---- Networks: sections of the README's table ---------------------------------------------------------------------- */

typedef struct {
    pn_down_block down[2];
    pn_res_block res[2];
    pn_conv_layer conv[4], reduce; /* with style_enc=vgg, instead */
    pn_vgg19 vgg;                  /* frozen, no part of the generator's files */
} rsa_gan_style_net;
typedef struct {
    pn_conv_layer conv0, conv1, value, gate, mix, delta;
    pn_norm_layer norm0, norm1;
} rsa_gan_rpsf_net;
typedef struct {
    pn_tensor *value, *gain; /* [C,C], [1] */
} rsa_gan_code_net;
typedef struct {
    pn_down_block down[RSA_GAN_POSE_DOWNS];
    pn_up_block up[2];
} rsa_gan_pose_net;
typedef struct {
    pn_tensor *tau;                       /* state [1]: the temperature that the weights are used with */
    pn_conv_layer proj, proj_t, proj_sem; /* proj_t: of the target, where it has its own */
} rsa_gan_corr_net;
typedef struct {
    pn_norm_layer norm, ff_norm;
    rsa_gan_depthwise q, kv, gate, ff_in;
    pn_tensor *alpha; /* [heads] sharpness of channel attention */
    pn_conv_layer out, token_q, ff_out;
    pn_tensor *token_k, *token_v; /* [C,C] */
} rsa_gan_gdcca_net;
typedef struct {
    rsa_gan_mrb mrb[2];
    pn_conv_layer up[2], rgb, colour;
    pn_norm_layer norm[2];
} rsa_gan_output_net;

typedef struct {
    rsa_gan_config config;
    rsa_gan_style_net style;
    rsa_gan_rpsf_net rpsf;
    rsa_gan_code_net code_sa;
    rsa_gan_pose_net pose;
    rsa_gan_corr_net corr;
    rsa_gan_mrb inject[2];
    rsa_gan_gdcca_net gdcca[RSA_GAN_BLOCKS];
    rsa_gan_output_net output;
} rsa_gan_generator_net;

typedef struct {
    pn_conv_layer conv[RSA_GAN_D_CONVS], head;
    pn_norm_layer norm[RSA_GAN_D_CONVS];
    pn_res_block block[RSA_GAN_D_BLOCKS];
    int blocks;
    bool has_head;
} rsa_gan_discriminator_net;
/* D_PB and D_PP: is this the pose's body; are both pictures of one person. */
typedef struct {
    rsa_gan_discriminator_net pose, pair;
    int pose_maps; /* channels of the pose that D_PB is shown */
} rsa_gan_critics_net;

/* Make the parameters under their names, with their initial values. look: of VGG19, where style_enc=vgg looks through it. */
rsa_gan_generator_net rsa_gan_generator_make(const pn_scope *s, const pn_scope *look, const rsa_gan_config *c);
rsa_gan_critics_net rsa_gan_critics_make(const pn_scope *s, const rsa_gan_config *c);

/* ---- The figure ---------------------------------------------------------------------------------------------------- */

/* Leaves. */
typedef struct {
    pn_tensor *source;                    /* [N,3,H,W] */
    pn_tensor *parsing;                   /* [N,K,H,W] one-hot; of K = 1: ones */
    pn_tensor *evidence;                  /* [N,3K,H,W] class by class: where it is labelled, its joints, its limbs */
    pn_tensor *shown;                     /* [N,K,1] 1 for the classes that the source shows */
    pn_tensor *pose_source, *pose_target; /* [N,30,H,W] heat maps of joints and limbs */
    pn_tensor *where;                     /* [N,3,h,w] x, y and radius of a cell */
} rsa_gan_input;

/* By the names of the figure; what a switch leaves out is NULL. */
typedef struct {
    pn_tensor *style;                 /* F [N,C,h,w] */
    pn_tensor *soft;                  /* S^ [N,K,h,w], weights of the classes */
    pn_tensor *semantics;             /* F_sem [N,Kb,h,w] */
    pn_tensor *codes;                 /* s [N,K,C] */
    pn_tensor *e_source, *e_target;   /* [N,C,h,w] */
    pn_tensor *aligned;               /* T = Cor F, coarse style */
    pn_tensor *matched;               /* Z = Cor F_sem */
    pn_tensor *prior;                 /* Q0 = Cor S^ */
    pn_tensor *warped;                /* I_w [N,3,h,w] = Cor of the source's colours */
    pn_tensor *peak;                  /* [N,1,h,w] the largest weight of each target cell */
    pn_tensor *injected;              /* X2 */
    pn_tensor *logits[RSA_GAN_BLOCKS]; /* e_k of each block, [N,K,h,w] */
    pn_tensor *integrated;            /* Y */
    pn_tensor *image;                 /* [N,3,H,W] in [-1,1] */
} rsa_gan_output;

rsa_gan_input rsa_gan_inputs(pn_graph *g, const rsa_gan_config *c, pn_shape image);
rsa_gan_output rsa_gan_generator(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_input *in);

/* Scores [N,1,H/4,W/4] (without a head: [N,4D,h,w]) and the maps after each relu. seen: picture and condition */
typedef struct {
    pn_tensor *score, *feature[RSA_GAN_D_CONVS];
} rsa_gan_judgement;
rsa_gan_judgement rsa_gan_discriminator(pn_graph *g, const rsa_gan_discriminator_net *d, pn_tensor *seen);
/* What D_PB and D_PP say of a picture. pose [N,30,H,W], source [N,3,H,W] */
typedef struct {
    rsa_gan_judgement pose, pair;
} rsa_gan_verdict;
rsa_gan_verdict rsa_gan_critics(pn_graph *g, const rsa_gan_critics_net *d, pn_tensor *image, pn_tensor *pose,
                                pn_tensor *source);

/* ---- Pieces that have properties of their own ------------------------------------------------------------------------ */

/* e, [N,C,h,w], of a pose */
pn_tensor *rsa_gan_pose_encoder(pn_graph *g, const rsa_gan_pose_net *net, pn_tensor *pose);
/* What positions are compared by: unit length over the channels, no mean. also: more maps, or NULL */
pn_tensor *rsa_gan_descriptor(pn_graph *g, const pn_conv_layer *proj, pn_tensor *e, pn_tensor *where, pn_tensor *also);
/* mod(x, T) and the residual block of two of them */
pn_tensor *rsa_gan_modulated(pn_graph *g, const rsa_gan_mod *mod, pn_tensor *x, pn_tensor *t);
pn_tensor *rsa_gan_mrb_call(pn_graph *g, const rsa_gan_mrb *b, pn_tensor *x, pn_tensor *t);
/* One block of GDCCA; reads aligned, matched, codes and prior of `from`. *logits: e_k, where there is token attention */
pn_tensor *rsa_gan_gdcca(pn_graph *g, const rsa_gan_generator_net *net, int block, const rsa_gan_output *from, pn_tensor *x,
                         pn_tensor **logits);

/* ---- Losses: section 5 of the README ---------------------------------------------------------------------------------- */

enum {
    RSA_GAN_L1,
    RSA_GAN_PER,
    RSA_GAN_CONTENT,
    RSA_GAN_STYLE,
    RSA_GAN_CX,
    RSA_GAN_ATT,
    RSA_GAN_PAR,
    RSA_GAN_SEM,
    RSA_GAN_WARP,
    RSA_GAN_ADV,
    RSA_GAN_FM,
    RSA_GAN_TERMS
};
typedef struct {
    double by[RSA_GAN_TERMS];
} rsa_gan_weights; /* 0: the term is left out */
/* What the generator made, judged: leaves that want gradients (absent ones NULL), and the constants they are held to. */
typedef struct {
    pn_tensor *image, *warped, *soft, *prior, *logits[RSA_GAN_BLOCKS];
    pn_tensor *target, *source, *pose;          /* [N,3,H,W] twice, [N,30,H,W]: the target's */
    pn_tensor *parsing_source, *parsing_target; /* [N,K,H,W] */
    pn_tensor *classes;                         /* [N,1,H,W] of the target */
} rsa_gan_judged;
typedef struct {
    pn_tensor *term[RSA_GAN_TERMS], *total;
} rsa_gan_losses; /* terms unweighted; absent ones NULL */

/* made: what the generator's graph gives. What only a term of weight 0 would read is left out. */
rsa_gan_judged rsa_gan_judged_inputs(pn_graph *g, const rsa_gan_config *c, const rsa_gan_output *made, pn_shape image,
                                     rsa_gan_weights w);
/* vgg may be NULL where no term of positive weight looks through it. */
rsa_gan_losses rsa_gan_losses_of(pn_graph *g, const pn_vgg19 *vgg, const rsa_gan_critics_net *d,
                                 const rsa_gan_judged *see, rsa_gan_weights w);
/* Of both discriminators together, [1]. */
pn_tensor *rsa_gan_d_loss(pn_graph *g, const rsa_gan_critics_net *d, pn_tensor *real, pn_tensor *fake, pn_tensor *pose,
                          pn_tensor *source);

/* ---- What follows from label map and pose alone: leaves computed beside the network ------------------------------------ */

typedef struct {
    ptrdiff_t n, height, width;
    int classes;
    rsa_gan_joints joints;
    pn_class_parts parts;
    pn_real *parsing, *evidence, *shown, *where;
} rsa_gan_evidence;

/* How many numbers rsa_gan_evidence_place shares out, and the arrays at n of their places. */
size_t rsa_gan_evidence_numbers(const rsa_gan_config *c, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width);
pn_status rsa_gan_evidence_place(pn_ctx *ctx, const rsa_gan_config *c, pn_real *numbers, ptrdiff_t n, ptrdiff_t height,
                                 ptrdiff_t width, rsa_gan_evidence *out);
/* parsing [N,K,H,W] (of K = 1 not read); pose [N,30,H,W]: both the source's */
void rsa_gan_gather(rsa_gan_evidence *e, const pn_real *parsing, const pn_real *pose);
pn_status rsa_gan_set_evidence(pn_plan *p, const rsa_gan_input *in, const rsa_gan_evidence *e);

#endif
