/* models/glocal/glocal.h - GLocal: global graph reasoning, local structure transfer (Ma et al. 2021, arXiv 2112.00263)
 *
 * Only the abstract names the parts: README.md says what is fact and what is ours. The structs' members carry the names
 * that parameter files use. "Cells" are the grid at 1/4 of the picture's sides.
 */
#ifndef GLOCAL_H
#define GLOCAL_H

#include "posenet.h"
#include "posenet/data.h"

enum {
    GLOCAL_REGIONS = 8, /* 0 is the background */
    GLOCAL_NODES,       /* of the graph: the regions, and the whole picture as the last */
    GLOCAL_DOWNS = 4,   /* halvings of the deepest encoders: sides are multiples of 2^4 */
    GLOCAL_GATES = 2,
    GLOCAL_LAYERS = 3, /* of the graph, at most */
    GLOCAL_CELL = 4,   /* pixels along a cell's side */
    GLOCAL_VGG = 5     /* VGG19's convolutions up to conv3_1 */
};

typedef enum { GLOCAL_POSE, GLOCAL_INPAINT, GLOCAL_BOTH } glocal_task;
typedef enum {
    GLOCAL_ZERO,
    GLOCAL_GLOBAL,
    GLOCAL_GGR
} glocal_rule; /* the code of a region that the source does not show */
typedef enum { GLOCAL_ALONE, GLOCAL_STATIC, GLOCAL_GLORE, GLOCAL_ATTENTION } glocal_graph;
typedef enum { GLOCAL_NO_LST, GLOCAL_POINT, GLOCAL_MOD, GLOCAL_ASSEMBLE } glocal_lst_mode;
typedef enum { GLOCAL_LOGITS, GLOCAL_PISE } glocal_head;   /* of the parsing network */
typedef enum { GLOCAL_OWN, GLOCAL_VGG31 } glocal_features; /* what local structure is read from */

/* The width w that every other is a multiple of (32 full, 16 small, 8 tiny), and the switches of the ablations. */
typedef struct {
    int width;
    glocal_task task;
    glocal_rule rule;
    glocal_graph graph;
    int layers; /* of the graph */
    glocal_lst_mode lst;
    int window;       /* k: local structure lies in k x k cells */
    int match_kernel; /* cells that a key describes: 1, or 3 x 3 */
    bool colours;     /* the carried colours are read, too */
    bool spade;       /* mix a layout's own normalisation into the codes' */
    glocal_features features;
    int vgg_narrow; /* divides VGG19's widths; published 1 */
    bool spectral;  /* spectral norm in style and content encoders and the decoder */
    glocal_head head;
    bool strict;       /* a key's whole window must be seen, where the picture has holes */
    double least_area; /* cells from which on a region counts as visible */
} glocal_config;

/* ---- Layers and blocks ------------------------------------------------------------------------------------------- */

typedef struct {
    pn_tensor *weight, *bias;
} glocal_matrix; /* [out,in], [out] or NULL */

typedef struct {
    pn_conv_layer conv, gate;
} glocal_gated;
typedef struct {
    pn_norm_layer norm;
    pn_conv_layer conv;
    double slope;
} glocal_out;
typedef struct {
    pn_conv_layer conv1, conv2, skip;
    bool first;
} glocal_d_block;

/* ---- Networks: sections of the README's table ---------------------------------------------------------------------- */

/* Down four times, gates, up again: to cells, or to the picture's size. */
typedef struct {
    pn_down_block down[GLOCAL_DOWNS];
    glocal_gated gate[GLOCAL_GATES];
    pn_up_block up[GLOCAL_DOWNS];
    int gates, ups;
} glocal_hourglass;

typedef struct {
    glocal_hourglass body;
    glocal_out out;
} glocal_parsing_net;
typedef struct {
    glocal_hourglass body;
    pn_conv_layer code;
} glocal_style_net;
typedef struct {
    pn_tensor *embed, *prior, *mix; /* E [9,C], B [9,9], a [1] */
    glocal_matrix style, out, query, key, layer[GLOCAL_LAYERS];
    pn_norm_layer norm[GLOCAL_LAYERS];
} glocal_ggr_net;
typedef struct {
    glocal_matrix code; /* U [8,C,C], u [8,C] */
    pn_conv_layer gamma, beta, spade_hidden, spade_gamma, spade_beta;
    pn_tensor *mix; /* t [2], with spade */
    pn_res_block res;
} glocal_region_net;
typedef struct {
    pn_down_block down[2];
    pn_conv_layer vgg[GLOCAL_VGG];
} glocal_structure_net;
typedef struct {
    pn_conv_layer key, query;
} glocal_match_net;
typedef struct {
    pn_conv_layer hidden, colour, gamma, beta, gate;
    pn_res_block res;
} glocal_lst_net;
typedef struct {
    pn_up_block up0, up1;
    pn_res_block res0, res1;
    glocal_out out;
    pn_conv_layer colour;
} glocal_decoder_net;

typedef struct {
    glocal_config config;
    glocal_parsing_net parsing; /* not for inpainting alone */
    glocal_style_net style;
    glocal_hourglass content;
    glocal_ggr_net ggr;
    glocal_region_net region;
    glocal_structure_net structure;
    glocal_match_net match;
    glocal_lst_net lst;
    glocal_decoder_net decoder;
} glocal_generator_net;
typedef struct {
    glocal_d_block down[GLOCAL_DOWNS];
    pn_conv_layer out;
} glocal_discriminator_net;

/* Make the parameters under their names, with their initial values. */
glocal_generator_net glocal_generator_make(const pn_scope *s, const glocal_config *c);
glocal_discriminator_net glocal_discriminator_make(const pn_scope *s, const glocal_config *c);

/* Record the spectral norms of everything and nothing else: a training forward is one power iteration. */
void glocal_norms(pn_graph *g, const glocal_generator_net *net, const glocal_discriminator_net *d);

/* ---- The figure ---------------------------------------------------------------------------------------------------- */

/* Leaves. What follows from label maps and holes alone is computed beside the network: glocal_sight. */
typedef struct {
    pn_tensor *seen;                      /* [N,3,H,W] the source, 0 in its holes */
    pn_tensor *hole;                      /* [N,1,H,W] 1 where the source is missing */
    pn_tensor *layout;                    /* [N,8,H,W] the source's regions, one-hot */
    pn_tensor *pose_source, *pose_target; /* [N,18,H,W] heat maps */
    pn_tensor *regions;     /* [N,9,h,w] cells that a region's code is the mean of; the last: all valid ones */
    pn_tensor *visible;     /* [N,9,1] 1 for the codes that the graph is shown */
    pn_tensor *valid;       /* [N,1,h,w] cells that are keys */
    pn_tensor *gain;        /* [N,1,1,1] of local structure transfer: 0 where nothing is seen */
    pn_tensor *colours;     /* [N,3,h,w] the mean of a cell's seen pixels */
    pn_tensor *where;       /* [N,3,h,w] x, y and radius of a cell's centre */
    pn_tensor *temperature; /* [1] of the correspondence */
} glocal_input;

/* Stages by the names of the README; what a switch leaves out is NULL. */
typedef struct {
    pn_tensor *codes;             /* s and the whole picture's, [N,9,C] */
    pn_tensor *proposed, *filled; /* r, the graph's idea of every region; s^, what is used: [N,8,C] */
    pn_tensor *styles;            /* m, what s^ says to the region norm: [N,8,C] */
    pn_tensor *gamma, *beta;      /* of the region norm, [N,C,h,w] */
    pn_tensor *x0, *x1, *x2;      /* [N,C,h,w] */
    pn_tensor *regained;          /* [N,C,h,w] X1 with its local structure, before the block that makes X2 of it */
    pn_tensor *structure;         /* [N,k^2-1,h,w], transferred */
    pn_tensor *warped;            /* [N,3,h,w] the source's colours, transferred */
    pn_tensor *peak;              /* [N,1,h,w] the largest weight of each target cell */
    pn_tensor *image;             /* [N,3,H,W] in [-1,1] */
} glocal_output;

/* What the parsing generator reads (the three maps of layout and poses), what the generator reads, or what both do. */
typedef enum { GLOCAL_TO_PARSE = 1, GLOCAL_TO_GENERATE, GLOCAL_TO_DO_BOTH } glocal_reads;
glocal_input glocal_inputs(pn_graph *g, const glocal_config *c, pn_shape image, glocal_reads reads);
/* The target's layout: logits z [N,8,H,W], and as soft weights or as the one region of each pixel. */
pn_tensor *glocal_parse(pn_graph *g, const glocal_generator_net *net, const glocal_input *in);
pn_tensor *glocal_soft(pn_graph *g, glocal_head head, pn_tensor *z);
/* order: a leaf [1,8,1,1], see glocal_set_order. */
pn_tensor *glocal_hard(pn_graph *g, pn_tensor *z, pn_tensor *order);
/* Codes of the regions and of the whole, [N,9,C]. */
pn_tensor *glocal_codes(pn_graph *g, const glocal_generator_net *net, pn_tensor *seen, pn_tensor *hole,
                        pn_tensor *regions);
/* layout [N,8,H,W]: the target's */
glocal_output glocal_generator(pn_graph *g, const glocal_generator_net *net, const glocal_input *in, pn_tensor *layout);

/* Scores [N,1,H/16,W/16] and what the four blocks give. Weights are normalised once for several calls: */
typedef struct {
    pn_tensor *score, *block[GLOCAL_DOWNS];
} glocal_judgement;
glocal_discriminator_net glocal_discriminator_normalised(pn_graph *g, const glocal_discriminator_net *d);
glocal_judgement glocal_discriminator(pn_graph *g, const glocal_discriminator_net *normalised, pn_tensor *image);

/* ---- Losses: section 5 of the README ---------------------------------------------------------------------------------- */

enum {
    GLOCAL_REC,
    GLOCAL_PAR,
    GLOCAL_HOLE,
    GLOCAL_OUTSIDE,
    GLOCAL_ADV,
    GLOCAL_CODE,
    GLOCAL_WARP,
    GLOCAL_LS,
    GLOCAL_CONTENT,
    GLOCAL_STYLE,
    GLOCAL_FM,
    GLOCAL_MS,
    GLOCAL_REG,
    GLOCAL_TERMS
};
/* What the generator made, judged: leaves that want gradients (absent ones NULL), and the constants they are held to. */
typedef struct {
    pn_tensor *image, *warped, *proposed, *x1, *z;
    pn_tensor *target;              /* [N,3,H,W] */
    pn_tensor *layout, *classes;    /* [N,8,H,W] and [N,1,H,W]: the target's true layout */
    pn_tensor *codes, *code_weight; /* [N,9,C] of the whole target; [N,8,1], mean 1 over the regions that it shows */
    pn_tensor *warp_weight;         /* [N,1,h,w], where the target's region is one that the source shows */
    pn_tensor *hole_weight, *outside_weight; /* [N,1,H,W] */
} glocal_judged;
typedef enum { GLOCAL_WHOLE, GLOCAL_HOLES } glocal_lesson; /* another pose, or a picture to be completed */
typedef struct {
    double by[GLOCAL_TERMS];
} glocal_weights; /* 0: the term is left out */
typedef struct {
    pn_tensor *term[GLOCAL_TERMS], *total;
} glocal_losses; /* terms unweighted; absent ones NULL */
/* What features are looked at: vgg NULL: without VGG19; raw: as the pictures come, else pn_imagenet_colours. */
typedef struct {
    const pn_vgg19 *vgg;
    bool raw;
} glocal_critic;

/* made: what the generator's graph gives; z: NULL if it parses nothing. made NULL: the layout alone is judged. What only a
 * term of weight 0 would read is left out. */
glocal_judged glocal_judged_inputs(pn_graph *g, const glocal_output *made, pn_tensor *z, glocal_lesson lesson,
                                   pn_shape image, glocal_weights w);
/* d: the discriminator, not normalised; NULL when the layout alone is judged */
glocal_losses glocal_losses_of(pn_graph *g, const glocal_config *c, const glocal_critic *critic,
                               const glocal_discriminator_net *d, const glocal_judged *see, glocal_weights w);
pn_tensor *glocal_d_loss(pn_graph *g, const glocal_discriminator_net *d, pn_tensor *real, pn_tensor *fake);

/* ---- What the source shows: leaves computed from picture, label map and hole ------------------------------------- */

typedef struct {
    ptrdiff_t n, height, width;
    pn_real *seen, *hole, *regions, *visible, *valid, *gain, *colours, *where;
    pn_real *shown; /* [N,8] v: regions that the source shows, whatever the graph is shown */
} glocal_sight;

/* How many numbers glocal_sight_place shares out. */
size_t glocal_sight_numbers(ptrdiff_t n, ptrdiff_t height, ptrdiff_t width);
glocal_sight glocal_sight_place(pn_real *numbers, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width);
/* picture [N,3,H,W]; layout [N,8,H,W]; hole [N,1,H,W] or NULL: nothing is missing. What is under a hole is not read. */
void glocal_look(glocal_sight *s, const glocal_config *c, const pn_real *picture, const pn_real *layout,
                 const pn_real *hole);
/* Region drop: with probability p hide one foreground region that both show from each sample's graph.
 * also [N,8]: the target's regions */
void glocal_hide(glocal_sight *s, const pn_real *also, double p, pn_rng *rng);
pn_status glocal_set_sight(pn_plan *p, const glocal_input *in, const glocal_sight *s);
pn_status glocal_set_order(pn_plan *p, const pn_tensor *order);

#endif
