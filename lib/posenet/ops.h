/* posenet/ops.h - the ops a network is described with
 *
 * Every op appends one node to g and returns its result, owned by g and computed when g's plan runs; NULL once g has
 * failed, in this call or before. Unless an entry says otherwise every floating input gets a gradient.
 * Errors of every op: PN_ERR_ARG (a NULL or meaningless argument), PN_ERR_SHAPE (extents that do not fit), PN_ERR_LIMIT,
 * PN_ERR_NOMEM. NaN in gives NaN out. One thread per graph. Letters: N batch, C channels, H W space, T tokens, D features.
 */
#include "posenet.h"        /* before the guard: it includes this file, whichever a program includes first */

#ifndef POSENET_OPS_H
#define POSENET_OPS_H

/* What lies outside a map: nothing (0), the nearest pixel, or the mirror image without repeating the edge. */
typedef enum { PN_BORDER_ZERO, PN_BORDER_REPLICATE, PN_BORDER_REFLECT } pn_border;

/* ---- Convolution and products ---------------------------------------------------------------------------------- */

/* Rows first, columns second. A zero stride, dilation or groups means 1; so { 0 } is a plain convolution. */
typedef struct {
    int stride[2], pad[2], dilation[2];
    int groups;
    pn_border border;               /* of conv2d; conv_transpose2d knows ZERO only. REFLECT needs pad < extent */
    int output_pad[2];              /* of conv_transpose2d: rows and columns added below and right, < stride */
} pn_conv_opt;

/**
 * Convolution (cross-correlation).
 *
 *   y[n,o,i,j] = bias[o] + sum_{c,a,b} w[o,c,a,b] x[n, c', i*sh + a*dh - ph, j*sw + b*dw - pw],  c' in the group of o
 *
 * x [N,C,H,W]   w [O,C/groups,KH,KW]   bias [O] or NULL   opt NULL: all defaults
 * returns [N,O,OH,OW], OH = (H + 2 ph - dh (KH - 1) - 1) / sh + 1, rounded down
 */
PN_API pn_tensor *pn_conv2d(pn_graph *g, pn_tensor *x, pn_tensor *w, pn_tensor *bias, const pn_conv_opt *opt);
/**
 * Transposed convolution: the adjoint of pn_conv2d. Output row i receives input row q through tap a when
 * i = q*sh - ph + a*dh.
 *
 * x [N,C,H,W]   w [C,O/groups,KH,KW]   bias [O] or NULL
 * returns [N,O,OH,OW], OH = (H - 1) sh - 2 ph + dh (KH - 1) + output_pad + 1
 */
PN_API pn_tensor *pn_conv_transpose2d(pn_graph *g, pn_tensor *x, pn_tensor *w, pn_tensor *bias, const pn_conv_opt *opt);
/* y = x w^T + bias over the last axis. x [...,D]  w [O,D]  bias [O] or NULL  returns [...,O] */
PN_API pn_tensor *pn_linear(pn_graph *g, pn_tensor *x, pn_tensor *w, pn_tensor *bias);
/* PN_TRANSPOSE_B reads b as [B,N,K]. */
typedef enum { PN_AS_IS, PN_TRANSPOSE_B } pn_matmul_mode;
/* Batched product. a [B,M,K]  b [B,K,N]  returns [B,M,N] */
PN_API pn_tensor *pn_matmul(pn_graph *g, pn_tensor *a, pn_tensor *b, pn_matmul_mode mode);

/**
 * Softmax attention: every query's mean of the values, weighted by how well the keys match it.
 *
 *   s_ij = scale sum_d q[b,i,d] k[b,j,d] + bias[b,i,j];  a_ij = exp(s_ij) / sum_j' exp(s_ij');  y[b,i] = sum_j a_ij v[b,j]
 *
 * q [B,Tq,D]   k [B,Tk,D]   v [B,Tk,Dv]; B counts pictures, or pictures times heads
 * opt     NULL: all defaults. bias: a log prior, or a mask whose unwanted columns hold -INFINITY
 * returns [B,Tq,Dv]; pn_saved_of(.., 0) is top_i = max_j s_ij, [B,Tq], pn_saved_of(.., 1) log sum_j exp(s_ij - top_i). The
 *         Tq x Tk numbers are never stored: memory grows with Tq + Tk, and backward computes them again from these two.
 *
 * Edges:  a row whose every s_ij is -inf gives zeros and passes no gradient; where all columns hold the same finite
 *         number instead, as -1e30, the weights are 1/Tk each. A column at -inf has weight 0 exactly, yet 0 times an
 *         infinite v is NaN. An s_ij of +inf gives NaN.
 * Grads:  q, k, v and the bias in each of its shapes, summed over what is repeated.
 * Errors: PN_ERR_ARG also for a scale that is negative or no finite number.
 * Source: Vaswani et al. 2017, eq. 1; row maximum and sum on the way: Milakov & Gimelshein 2018, alg. 3; backward in
 *         blocks: Rabe & Staats 2021, sec. 3.
 */
typedef struct {
    double scale;                   /* 0: 1 / sqrt(D). One that changes from step to step belongs into q, by pn_mul */
    pn_tensor *bias;                /* [B or 1, Tq or 1, Tk], or NULL */
} pn_attention_opt;
PN_API pn_tensor *pn_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *v, const pn_attention_opt *opt);

/**
 * Attention of channels to channels, per head: linear in the positions.
 *
 *   cos_ij = sum_p q_i(p) k_j(p) / ((|q_i| + eps) (|k_j| + eps));  a_ij = softmax over j of alpha cos_ij
 *   y_i(p) = sum_j a_ij v_j(p),  i and j channels of one head, lengths over the positions p
 *
 * q, k, v [N,C,H,W]   alpha [heads], a divisor of C: heads are C / heads channels, one after another   eps in (0, 1]
 * returns [N,C,H,W]; pn_saved_of(.., 0) is a [N,C,C/heads], pn_saved_of(.., 1) cos, pn_saved_of(.., 2) |q|, |k| [N,2,C].
 *         Normalised maps are never stored.
 *
 * Edges:  a channel of length 0 has the cosine 0 with all and passes no gradient.
 * Source: Zamir et al. 2022 (Restormer), eq. 1, with both lengths.
 */
PN_API pn_tensor *pn_channel_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *v, pn_tensor *alpha, double eps);

/* ---- Norms: y = (x - mean) / sqrt(variance + eps) * weight + bias, biased variance ------------------------------- */

/* Over H, W of each (n, c); no running statistics. x [N,C,H,W], weight and bias [C] or both NULL. (Ulyanov et al. 2016) */
PN_API pn_tensor *pn_instance_norm(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, double eps);
/**
 * Over N, H, W of each c in training plans, which also move the running state by momentum (new = (1 - m) old + m batch,
 * unbiased variance); inference plans normalise by the running state. x [N,C,H,W], weight, bias [C] or both NULL,
 * running_mean, running_var: state [C].                                               (Ioffe & Szegedy 2015)
 */
PN_API pn_tensor *pn_batch_norm(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, pn_tensor *running_mean,
                                pn_tensor *running_var, double momentum, double eps);
/* Over the last `axes` axes together; weight and bias have their shape, or both NULL.             (Ba et al. 2016) */
PN_API pn_tensor *pn_layer_norm(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, int axes, double eps);
/* Over H, W and the C/groups channels of each group. x [N,C,H,W], weight, bias [C] or both NULL. (Wu & He 2018) */
PN_API pn_tensor *pn_group_norm(pn_graph *g, pn_tensor *x, pn_tensor *weight, pn_tensor *bias, int groups, double eps);

/* ---- Activations: any shape ------------------------------------------------------------------------------------ */

PN_API pn_tensor *pn_relu(pn_graph *g, pn_tensor *x);           /* slope at 0 is 0 */
PN_API pn_tensor *pn_leaky_relu(pn_graph *g, pn_tensor *x, double slope);      /* slope in [0, 1] below 0 */
PN_API pn_tensor *pn_tanh(pn_graph *g, pn_tensor *x);
PN_API pn_tensor *pn_sigmoid(pn_graph *g, pn_tensor *x);
PN_API pn_tensor *pn_gelu(pn_graph *g, pn_tensor *x);           /* x Phi(x), by erf (Hendrycks & Gimpel 2016) */
/* gelu(u1) u2 of the channels' first and second half. u [N,2C,H,W]  returns [N,C,H,W]  (Shazeer 2020; Zamir et al. 2022) */
PN_API pn_tensor *pn_gelu_gate(pn_graph *g, pn_tensor *u);
/* log(x + shift), shift a constant of the formula. Where x + shift is 0: -Inf, and a gradient of Inf or NaN; below it: NaN. */
PN_API pn_tensor *pn_log(pn_graph *g, pn_tensor *x, double shift);
/* exp(x) / sum exp(x) over one axis, stable for any finite x. axis from 0; negative counts from the end. */
PN_API pn_tensor *pn_softmax(pn_graph *g, pn_tensor *x, int axis);

/* ---- Arithmetic ------------------------------------------------------------------------------------------------- */

/* b has the shape of a, or the same rank with 1 where it is to be repeated. returns the shape of a. */
PN_API pn_tensor *pn_add(pn_graph *g, pn_tensor *a, pn_tensor *b);
PN_API pn_tensor *pn_mul(pn_graph *g, pn_tensor *a, pn_tensor *b);
/* scale x + shift, by constants of the formula; what changes from step to step is an input, not a constant. */
PN_API pn_tensor *pn_affine(pn_graph *g, pn_tensor *x, double scale, double shift);
/* (1 - mask) a + mask b. a, b [N,C,H,W]  mask [N,1,H,W] */
PN_API pn_tensor *pn_lerp(pn_graph *g, pn_tensor *a, pn_tensor *b, pn_tensor *mask);
/* x (1 + gamma) + beta, all [N,C,H,W]; beta NULL: gamma is [N,2C,H,W] and holds beta in its second half. Of an instance norm
 * it is a spatially modulated norm, whose normalised map is then not stored.        (Park et al. 2019, SPADE, eq. 1)
 * gamma and beta may both have 1 where they are to be repeated: [N,C,1,1], [N,1,H,W]; that is recorded as several ops. */
PN_API pn_tensor *pn_modulate(pn_graph *g, pn_tensor *x, pn_tensor *gamma, pn_tensor *beta);
/* Over the axes whose bits are set (PN_AXIS(2) | PN_AXIS(3); PN_ALL_AXES gives [1]); they stay as extent 1 (KEEP) or go. */
#define PN_AXIS(i)  (1u << (i))
#define PN_ALL_AXES 0xffu
typedef enum { PN_DROP_AXES, PN_KEEP_AXES } pn_keep;
PN_API pn_tensor *pn_sum(pn_graph *g, pn_tensor *x, unsigned axes, pn_keep keep);
PN_API pn_tensor *pn_mean(pn_graph *g, pn_tensor *x, unsigned axes, pn_keep keep);

/* ---- Shape ------------------------------------------------------------------------------------------------------- */

/* n tensors (1 to 30) one after another along axis; the other extents agree. */
PN_API pn_tensor *pn_concat(pn_graph *g, pn_tensor *const x[], int n, int axis);
/* begin <= index < end along axis. */
PN_API pn_tensor *pn_slice(pn_graph *g, pn_tensor *x, int axis, ptrdiff_t begin, ptrdiff_t end);
/* x [N,C,H,W] with rows and columns put around it: of `value` (ZERO), the nearest pixel, or the mirror image. */
typedef struct { ptrdiff_t top, bottom, left, right; } pn_margins;
PN_API pn_tensor *pn_pad2d(pn_graph *g, pn_tensor *x, pn_margins margins, pn_border border, double value);
/* The same numbers in row-major order under other extents; their product agrees. */
PN_API pn_tensor *pn_reshape(pn_graph *g, pn_tensor *x, pn_shape shape);
/* Axis i of the result is axis order[i] of x. */
PN_API pn_tensor *pn_transpose(pn_graph *g, pn_tensor *x, const int order[]);

/* ---- Pooling and resizing: x [N,C,H,W] --------------------------------------------------------------------------- */

typedef struct { int kernel[2], stride[2], pad[2]; } pn_pool_opt;      /* a zero stride means the kernel's extent */
/* Mean of the window; padding counts as zeros and in the divisor. OH = (H + 2 ph - KH) / sh + 1, rounded down. */
PN_API pn_tensor *pn_avg_pool2d(pn_graph *g, pn_tensor *x, pn_pool_opt opt);
/* Largest of the window, padding being smaller than anything; the gradient goes to the first largest in reading order. */
PN_API pn_tensor *pn_max_pool2d(pn_graph *g, pn_tensor *x, pn_pool_opt opt);
typedef enum { PN_NEAREST, PN_BILINEAR } pn_interpolation;
/* HALF_PIXEL: pixel centres at i + 1/2 (PyTorch's align_corners = false). CORNERS: first and last pixels coincide
 * (align_corners = true; bilinear only). Nearest reads floor(i * in / out). No antialiasing. */
typedef enum { PN_HALF_PIXEL, PN_CORNERS } pn_grid;
PN_API pn_tensor *pn_resize2d(pn_graph *g, pn_tensor *x, ptrdiff_t height, ptrdiff_t width, pn_interpolation how, pn_grid grid);

/* ---- Flow: flow [N,2,H,W] in pixels of x; plane 0 runs along W, plane 1 along H ------------------------------------ */

/**
 * Bilinear warp: every output pixel reads x at its own place plus flow.
 *
 *   y[n,c,i,j] = x[n, c, i + flow[n,1,i,j], j + flow[n,0,i,j]]
 *
 * x       [N,C,XH,XW], flow [N,2,H,W]
 * border  REPLICATE (GFLA): taps outside read the nearest pixel of x; ZERO: they count as 0; REFLECT is refused
 * returns [N,C,H,W]
 *
 * Edges:  an infinite flow is a flow far outside; a NaN flow gives NaN, not a wild read.
 * Grads:  x and flow; at whole-pixel positions flow takes the slope of the cell to the right and below.
 * Source: Jaderberg et al. 2015, eq. 5.
 */
PN_API pn_tensor *pn_flow_sample(pn_graph *g, pn_tensor *x, pn_tensor *flow, pn_border border);
/**
 * Warp with a Gaussian of `sigma` over the 2r x 2r pixels around each position, weights divided by their sum.
 *
 *   u = j + flow0, v = i + flow1, a = u - floor(u), b = v - floor(v);  over d in -r+1 .. r both ways
 *   w = exp(-((a - dx)^2 + (b - dy)^2) / (2 sigma^2));  y = sum w x[floor(v)+dy, floor(u)+dx] / sum w
 *
 * REPLICATE: taps outside read the nearest pixel and keep their weight; ZERO: they count as 0 and keep it.
 * Shapes, edges and gradients as pn_flow_sample. GFLA's correctness loss uses r = 2, sigma = 2.
 */
PN_API pn_tensor *pn_gauss_sample(pn_graph *g, pn_tensor *x, pn_tensor *flow, int radius, double sigma, pn_border border);
/**
 * Flow-guided local attention: each target position weighs the k x k neighbourhood of the source around its flow.
 *
 *   s_t(y,x) = source at (y + flow1 + row_t - k/2, x + flow0 + col_t - k/2), bilinear, replicated border, t = row k + col
 *   h        = leaky_relu(target_hidden + source_hidden at (y + flow1, x + flow0), 0.1)
 *   a        = softmax over t of (w1 h + b1)
 *   y        = 1/k^2 sum_t a_t s_t                          (the factor is GFLA's: its checkpoints depend on it)
 *
 * source        [N,C,H,W]
 * source_hidden [N,D,H+k-1,W+k-1]: the source's half of the first layer, w0 [D,C,k,k] on the k^2 samples. The samples
 *               lie at whole pixels from each other and sampling is linear, so sum_t w0_t s_t is w0's convolution,
 *               sampled once: pn_conv2d(source, w0, NULL) with pad k - 1 and PN_BORDER_REPLICATE. It begins k/2 pixels
 *               above and left of the source; from there outwards all that w0 reads along an axis is the same pixel, so
 *               the map's own border, replicated in turn, is exact for any flow.
 * target_hidden [N,D,H,W]: the target's half, bias included, an ordinary pn_conv2d
 * flow          [N,2,H,W]
 * w1 [k^2,D,1,1], b1 [k^2]; k odd, at most 15
 * returns       [N,C,H,W]; pn_saved_of(.., 0) is a [N,k^2,H,W]. No k^2 patches are ever stored.
 *
 * Edges:  as pn_flow_sample; samples that coincide beyond a border give the flow no gradient.
 * Source: Ren et al. 2020 (GFLA), eqs. 7-8, and the released code's averaging.
 */
PN_API pn_tensor *pn_local_attention(pn_graph *g, pn_tensor *source, pn_tensor *source_hidden, pn_tensor *target_hidden,
                                     pn_tensor *flow, pn_tensor *w1, pn_tensor *b1);

/* ---- Regions and graphs: K region weights w [N,K,H,W], codes [N,K,C]; M nodes of a graph ------------------------------ */

/**
 * The code of each region: the mean of x, weighted by w.
 *
 *   y[n,k,c] = sum_p w[n,k,p] x[n,c,p] / max(sum_p w[n,k,p], least)
 *
 * x [N,C,H,W]   w [N,K,H,W]   least > 0
 * returns [N,K,C]; pn_saved_of(.., 0) is sum_p w[n,k,p], [N,K]
 *
 * Edges:  a region without weight has the code 0; below `least` the divisor is constant.
 * Grads:  x and w.                                                                     Source: Zhu et al. 2020 (SEAN).
 */
PN_API pn_tensor *pn_region_pool(pn_graph *g, pn_tensor *x, pn_tensor *w, double least);
/* y[n,c,p] = sum_k w[n,k,p] codes[n,k,c]: every region's code where the region is. codes [N,K,C]  w [N,K,H,W]
 * returns [N,C,H,W]                                                                           (Zhu et al. 2020, SEAN) */
PN_API pn_tensor *pn_region_spread(pn_graph *g, pn_tensor *codes, pn_tensor *w);
/* y[n,k,p] = sum_c codes[n,k,c] x[n,c,p]: how well every pixel matches each code. codes [N,K,C]  x [N,C,H,W]
 * returns [N,K,H,W] */
PN_API pn_tensor *pn_region_match(pn_graph *g, pn_tensor *codes, pn_tensor *x);
/**
 * Recorded as several ops. Attention of every pixel to K tokens, as the codes of regions are.
 *
 *   e[n,k,p] = sum_c q[n,c,p] k[n,k,c] / sqrt(C) + prior[n,k,p];  a = softmax of e over k;  y[n,d,p] = sum_k a[n,k,p] v[n,k,d]
 *
 * q [N,C,H,W]   k [N,K,C]   v [N,K,D]   prior [N,K,H,W], in logits (pn_log of a probability), or NULL: 0
 * logits  NULL, or where to put e [N,K,H,W]
 * returns [N,D,H,W]                                                           Source: Zhou et al. 2022 (CASD), sec. 3.3.
 */
PN_API pn_tensor *pn_token_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *v, pn_tensor *prior,
                                     pn_tensor **logits);
/* Each of K rows by a matrix of its own: y[n,k,o] = sum_d w[k,o,d] x[n,k,d] + bias[k,o].
 * x [N,K,D]  w [K,O,D]  bias [K,O] or NULL  returns [N,K,O] */
PN_API pn_tensor *pn_grouped_linear(pn_graph *g, pn_tensor *x, pn_tensor *w, pn_tensor *bias);
/**
 * Softmax over the columns that count, those whose mask is not 0, of every row of the last axis.
 *
 * x [...,M]   mask [N,M], one row for all that belongs to x's first index, or of x's own shape
 * returns the shape of x; where the mask is 0 exactly 0, whatever x holds there, NaN too
 *
 * Edges:  a row without a column that counts, or with -inf in all of them, is all 0 and passes no gradient.
 * Grads:  x; the mask gets none.
 */
PN_API pn_tensor *pn_masked_softmax(pn_graph *g, pn_tensor *x, pn_tensor *mask);
/**
 * The normalised adjacency of a graph with a learned prior, from which invisible nodes send nothing.
 *
 *   S_ij = visible_j (softplus((B_ij + B_ji) / 2) + [i = j]),  D_i = sum_j S_ij,  A_ij = S_ij / sqrt(D_i D_j)
 *
 * prior B [M,M]   visible [N,M], 0 or not
 * returns A [N,M,M], symmetric with eigenvalues of at most 1 where all nodes are visible; pn_saved_of(.., 0) is D [N,M]
 *
 * Edges:  a node with D = 0, as all are where none is visible, has zeros in its row and its column.
 * Grads:  prior.                                                              Source: Kipf & Welling 2017, eq. 2.
 */
PN_API pn_tensor *pn_graph_normalise(pn_graph *g, pn_tensor *prior, pn_tensor *visible);
/* Recorded as several ops. Attention adjacency: masked softmax over j of q_i . k_j / sqrt(D) + prior_ij; nodes whose visible
 * is 0 send nothing. q, k [N,M,D]  prior [M,M]  visible [N,M], no gradient  returns [N,M,M]  (Velickovic et al. 2018) */
PN_API pn_tensor *pn_graph_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *prior, pn_tensor *visible);
/* Recorded as several ops. Graph convolution without its activation, (A h) W^T + bias.
 * h [N,M,D]  a [N,M,M], or [M,M] for all samples  w [O,D]  bias [O] or NULL  returns [N,M,O]  (Kipf & Welling 2017, eq. 2) */
PN_API pn_tensor *pn_graph_conv(pn_graph *g, pn_tensor *h, pn_tensor *a, pn_tensor *w, pn_tensor *bias);

/* ---- Correspondence and local structure ------------------------------------------------------------------------- */

/* The channels as they are, or less their mean at each pixel. */
typedef enum { PN_RAW, PN_CENTRED } pn_centring;
/**
 * f / (|f| + eps) over the channels at each pixel, f = x or x less its mean over the channels.
 *
 * x [N,C,H,W]   returns [N,C,H,W]; pn_saved_of(.., 0) is |f| [N,1,H,W]
 *
 * Edges:  where |f| is 0 the result is 0 and passes no gradient.
 * Errors: PN_ERR_ARG also for an eps that is not a positive number.
 */
PN_API pn_tensor *pn_unit_channels(pn_graph *g, pn_tensor *x, pn_centring centring, double eps);
/**
 * Local self-correlation: how well each pixel matches those around it.
 *
 *   s[n,t,p] = sum_c f[n,c,p] f[n,c,clamp(p + d_t)],  d_t the k x k window's offsets, row by row without the centre
 *
 * f [N,C,H,W], as a rule of unit length (pn_unit_channels)   k odd, 3 to 15   returns [N,k^2-1,H,W]
 *
 * Edges:  clamp brings a position outside to the nearest pixel, which may be p itself; k may be larger than the map.
 * Source: Shechtman & Irani 2007; on features: Zheng et al. 2021 (F-LSeSim).
 */
PN_API pn_tensor *pn_self_correlation(pn_graph *g, pn_tensor *f, int k);
/**
 * Dense correspondence: to every target position come the source's values, weighted by how well keys match the query.
 *
 *   s(q,p) = sum_c query[n,c,q] key[n,c,p] / temperature, -inf where valid[n,0,p] is 0
 *   a(q,p) = exp(s(q,p)) / sum_p' exp(s(q,p'));  y[n,c,q] = sum_p a(q,p) value[n,c,p]
 *
 * query [N,D,TH,TW]   key [N,D,SH,SW]   value [N,V,SH,SW]
 * temperature [1], above 0: a leaf, for it changes from step to step (no gradient)
 * valid       [N,1,SH,SW], 0 where a source cell does not count, or NULL: all do (no gradient)
 * returns     [N,V,TH,TW]; pn_saved_of(.., 0) is top = max_p s [N,TH TW], pn_saved_of(.., 1) log sum_p exp(s - top), and
 *             pn_saved_of(.., 2) the largest weight max_p a [N,1,TH,TW]. The weights are never stored: memory grows with
 *             the positions, and backward computes them again from the first two.
 *
 * Edges:  a cell that is not valid weighs 0 exactly. A sample without a valid cell: all cells weigh the same, top is 0, and
 *         nothing but value gets a gradient.
 * Grads:  query, key, value.
 * Source: Zhang et al. 2020 (CoCosNet); in blocks as pn_attention.
 */
PN_API pn_tensor *pn_correspondence(pn_graph *g, pn_tensor *query, pn_tensor *key, pn_tensor *value,
                                    pn_tensor *temperature, pn_tensor *valid);
/**
 * Every pixel's own weighted sum of those around it.
 *
 *   y[n,c,p] = sum_t w[n,t,p] x[n,c,clamp(p + d_t)],  d_t the k x k window's offsets, row by row with the centre
 *
 * x [N,C,H,W]   w [N,k^2,H,W], k odd, at most 15   returns [N,C,H,W]
 * Edges: clamp as pn_self_correlation.
 */
PN_API pn_tensor *pn_window_sum(pn_graph *g, pn_tensor *x, pn_tensor *w);
/**
 * Local self-similarity of patches.
 *
 *   s[n,t,p] = exp(-|u(p) - u(clamp(p + d_t))|^2 / (2 patch^2 C sigma^2)),  offsets as pn_self_correlation
 *
 * with u(p) the patch x patch numbers around p in all channels, beyond the map those of the nearest pixel.
 *
 * x [N,C,H,W], pictures: C of a few   patch odd, 1 to 15   k odd, 3 to 15   returns [N,k^2-1,H,W]
 * Errors: PN_ERR_ARG also for a sigma that is not a positive number.     Source: Shechtman & Irani 2007.
 */
PN_API pn_tensor *pn_patch_similarity(pn_graph *g, pn_tensor *x, int patch, int k, double sigma);
/**
 * The k x k neighbourhood of each pixel as channels, 0 beyond the map.
 *
 *   y[n, c k^2 + t, i, j] = x[n, c, i + t / k - k/2, j + t % k - k/2], quotients rounded down
 *
 * x [N,C,H,W]   k odd   returns [N,C k^2,H,W]
 */
PN_API pn_tensor *pn_unfold(pn_graph *g, pn_tensor *x, int k);

/* ---- Spectral norm ----------------------------------------------------------------------------------------------- */

/**
 * w / sigma, sigma = u^T W v, where W has a row for each index of `axis` (0; 1 of a transposed convolution's weights) and
 * the other axes, in order, as columns: one power iteration per training forward (v <- W^T u, u <- W v, each
 * divided by max(length, eps)), which updates u and v; inference uses them as they are.
 *
 * w [O,...] or [I,O,...]  u state [O]  v state [rest]  returns the shape of w
 * Grads: w, with u and v constants.                                                   Source: Miyato et al. 2018.
 */
PN_API pn_tensor *pn_spectral_norm(pn_graph *g, pn_tensor *w, int axis, pn_tensor *u, pn_tensor *v, double eps);

/* ---- Losses: [1] unless an entry says otherwise; means are over all elements, batch included ------------------------ */

PN_API pn_tensor *pn_l1_loss(pn_graph *g, pn_tensor *a, pn_tensor *b);         /* mean |a - b|, slope 0 where equal */
PN_API pn_tensor *pn_mse_loss(pn_graph *g, pn_tensor *a, pn_tensor *b);        /* mean (a - b)^2 */
/* Mean of -log softmax(logits)[class] over axis 1. logits [N,C,H,W], classes [N,1,H,W] holding whole numbers 0..C-1 (no
 * gradient; anything else, as 255, is left out of the mean). */
PN_API pn_tensor *pn_cross_entropy(pn_graph *g, pn_tensor *logits, pn_tensor *classes);
/* sum_c a b / max(|a| |b|, 1e-8) over channels. a, b [N,C,H,W]  returns [N,1,H,W] */
PN_API pn_tensor *pn_cosine_similarity(pn_graph *g, pn_tensor *a, pn_tensor *b);
/* F F^T / (C H W), F = [C, HW]. x [N,C,H,W]  returns [N,C,C]                              (Gatys et al. 2016) */
PN_API pn_tensor *pn_gram(pn_graph *g, pn_tensor *x);
/**
 * GFLA's sampling correctness: how well the flow finds source features that match the target's.
 *
 *   M(p) = max_q cos(source(q), target(p));  c(p) = cos(gauss_sample(source, flow)(p), target(p)), r = 2, sigma = 2
 *   loss = mean_p exp(-c(p) / (M(p) + 1e-8)) - exp(-1);  with a mask sum_p mask (exp(..) - exp(-1)) / (sum_p mask + 1e-8)
 *
 * source, target [N,C,H,W]: constants, no gradient. flow [N,2,FH,FW], read by nearest neighbour at H x W without rescaling.
 * mask [N,1,H,W], 1 at the positions that count (no gradient), or NULL: all do
 * The HW x HW similarities are never stored.                    Source: Ren et al. 2020, eq. 4-5; the mask: the released code.
 */
PN_API pn_tensor *pn_correctness_loss(pn_graph *g, pn_tensor *source, pn_tensor *target, pn_tensor *flow, pn_tensor *mask);
/**
 * Contextual loss: does every target position look like some generated one?
 *
 *   d_ij = (1 - cos(a_i - m, b_j - m)) / 2,  m the mean of b's positions, lengths + 1e-6
 *   w_i  = softmax over j of -d_ij / ((min_j' d_ij' + 1e-5) bandwidth)
 *   loss = mean over n of -log mean_j max_i w_ij
 *
 * a generated [N,C,H,W]   b the target, of the same shape: constant, no gradient   bandwidth > 0
 * returns [1]; pn_saved_of(.., 0) is max_i w_ij and pn_saved_of(.., 1) its i, both [N,HW]. Never stores all of d.
 *
 * Edges:  where positions tie for a minimum or maximum the first counts.
 * Source: Mechrez et al. 2018, eqs. 1-5; the order of maximum and mean as in ADGAN and CASD.
 */
PN_API pn_tensor *pn_contextual_loss(pn_graph *g, pn_tensor *a, pn_tensor *b, double bandwidth);
/**
 * GFLA's flow regularisation: the energy of flow that a local affine map does not explain, over all k x k patches inside.
 *
 *   mean over n and patches of p^T (I - A (A^T A)^-1 A^T) p, A = [row, column, 1], for both planes, added
 *
 * flow [N,2,H,W], H and W at least k, k at least 2                                    Source: Ren et al. 2020, eq. 6.
 */
PN_API pn_tensor *pn_flow_regularisation(pn_graph *g, pn_tensor *flow, int k);

#endif
