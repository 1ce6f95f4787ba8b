/* models/gfla/temporal.c - the discriminator of six frames of a dance: 3-D convolutions
 *
 * Frames lie along the batch, [D N,C,H,W]. A convolution over three frames is one over their channels side by side, so that 2-D
 * ops say all of it; files keep the weights as published, [O,C,D,KH,KW].
 */
#include "recurrent.h"

enum { TAPS = 3 };                  /* frames that a convolution reads */

static int least(int a, int b) { return a < b ? a : b; }

static pn_conv_layer conv3d_make(const pn_scope *s, const char *name, int in, int out, int depth, int kernel,
                                 pn_conv_opt opt)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    const pn_init zero = { PN_INIT_CONSTANT, 0 }, unit = { PN_INIT_UNIT, 0 };
    pn_conv_layer l = { .opt = opt };
    l.weight = pn_scope_param(&at, "weight_orig", pn_shape5(out, in, depth, kernel, kernel), s->weights);
    l.bias = pn_scope_param(&at, "bias", pn_shape1(out), zero);
    l.u = pn_scope_state(&at, "weight_u", pn_shape1(out), unit);
    l.v = pn_scope_state(&at, "weight_v", pn_shape1((ptrdiff_t)in * depth * kernel * kernel), unit);
    return l;
}

static gfla_d_block block_make(const pn_scope *s, int in, int hidden, int out)
{
    const pn_conv_opt same3 = { .pad = { 1, 1 } }, halve4 = { .stride = { 2, 2 }, .pad = { 1, 1 } }, point = { 0 };
    gfla_d_block b;
    b.conv1 = conv3d_make(s, "model.1", in, hidden, TAPS, 3, same3);
    b.conv3 = conv3d_make(s, "model.3", hidden, out, TAPS, 4, halve4);
    b.shortcut = conv3d_make(s, "shortcut.1", in, out, 1, 1, point);
    return b;
}

gfla_temporal_net gfla_temporal_make(const pn_scope *s, const gfla_config *c)
{
    const int first = c->d_base, second = least(2 * c->d_base, c->d_cap),
              flat = second * (GFLA_WINDOW - 2 * (TAPS - 1));
    const pn_scope block0 = pn_scope_in(s, "block0"), block1 = pn_scope_in(s, "block1");
    const pn_scope encoder0 = pn_scope_in(s, "encoder0"), encoder1 = pn_scope_in(s, "encoder1");
    gfla_temporal_net net;
    net.block[0] = block_make(&block0, 3, first, first);
    net.block[1] = block_make(&block1, first, first, second);
    net.encoder[0] = gfla_d_block_make(&encoder0, flat, flat, c->d_cap);
    net.encoder[1] = gfla_d_block_make(&encoder1, c->d_cap, c->d_cap, c->d_cap);
    net.conv = gfla_logits_make(s, c->d_cap);
    return net;
}

/* Frames i to i + frames - 1 of each of the n samples. */
static pn_tensor *frames_from(pn_graph *g, pn_tensor *x, ptrdiff_t n, ptrdiff_t i, ptrdiff_t frames)
{
    return pn_slice(g, x, 0, i * n, (i + frames) * n);
}

static pn_tensor *conv3d(pn_graph *g, const pn_conv_layer *l, pn_tensor *x, ptrdiff_t n)
{
    const pn_shape w = pn_tensor_shape(l->weight);
    const ptrdiff_t depth = w.dim[2], frames = pn_tensor_shape(x).dim[0] / n - depth + 1;
    pn_tensor *weight = pn_conv_layer_weight(g, l);
    weight = pn_transpose(g, weight, (const int[]){ 0, 2, 1, 3, 4 });
    weight = pn_reshape(g, weight, pn_shape4(w.dim[0], depth * w.dim[1], w.dim[3], w.dim[4]));
    pn_tensor *at[TAPS] = { x };
    for (int k = 0; k < depth && depth > 1; k++) at[k] = frames_from(g, x, n, k, frames);
    pn_tensor *beside = depth > 1 ? pn_concat(g, at, (int)depth, 1) : x;
    return pn_conv2d(g, beside, weight, l->bias, &l->opt);
}

/* A frame of zeros before the first and after the last. */
static pn_tensor *pad_frames(pn_graph *g, pn_tensor *x, ptrdiff_t n)
{
    const pn_shape s = pn_tensor_shape(x);
    if (s.rank != 4) return NULL;   /* the graph has failed */
    const ptrdiff_t frames = s.dim[0] / n, rest = n * s.dim[1] * s.dim[2] * s.dim[3];
    x = pn_reshape(g, x, pn_shape4(1, 1, frames, rest));
    x = pn_pad2d(g, x, (pn_margins){ .top = 1, .bottom = 1 }, PN_BORDER_ZERO, 0);
    return pn_reshape(g, x, pn_shape4((frames + 2) * n, s.dim[1], s.dim[2], s.dim[3]));
}

/* Mean of three frames and 2 x 2 pixels. */
static pn_tensor *pool3d(pn_graph *g, pn_tensor *x, ptrdiff_t n)
{
    const ptrdiff_t frames = pn_tensor_shape(x).dim[0] / n - TAPS + 1;
    x = pn_avg_pool2d(g, x, (pn_pool_opt){ .kernel = { 2, 2 } });
    pn_tensor *sum = frames_from(g, x, n, 0, frames);
    for (int k = 1; k < TAPS; k++) {
        pn_tensor *next = frames_from(g, x, n, k, frames);
        sum = pn_add(g, sum, next);
    }
    return pn_affine(g, sum, 1.0 / TAPS, 0);
}

/* Two frames fewer, sides halved. */
static pn_tensor *block_call(pn_graph *g, const gfla_d_block *b, pn_tensor *x, ptrdiff_t n)
{
    const double slope = 0.1;
    pn_tensor *h = pn_leaky_relu(g, x, slope);
    h = pad_frames(g, h, n);
    h = conv3d(g, &b->conv1, h, n);
    h = pn_leaky_relu(g, h, slope);
    h = conv3d(g, &b->conv3, h, n);
    pn_tensor *skip = pool3d(g, x, n);
    skip = conv3d(g, &b->shortcut, skip, n);
    return pn_add(g, h, skip);
}

pn_tensor *gfla_temporal(pn_graph *g, const gfla_temporal_net *net, pn_tensor *frames)
{
    const ptrdiff_t n = pn_tensor_shape(frames).dim[0] / GFLA_WINDOW;
    if (n < 1) return NULL;         /* the graph has failed */
    pn_tensor *x = block_call(g, &net->block[0], frames, n);
    x = block_call(g, &net->block[1], x, n);
    const pn_shape s = pn_tensor_shape(x);              /* [2 N,C,H,W] */
    x = pn_reshape(g, x, pn_shape5(s.dim[0] / n, n, s.dim[1], s.dim[2], s.dim[3]));
    x = pn_transpose(g, x, (const int[]){ 1, 2, 0, 3, 4 });
    x = pn_reshape(g, x,
                   pn_shape4(n, s.dim[0] / n * s.dim[1], s.dim[2], s.dim[3])); /* channels, each frame after frame */
    x = gfla_d_block_call(g, &net->encoder[0], x);
    x = gfla_d_block_call(g, &net->encoder[1], x);
    return gfla_logits(g, &net->conv, x);
}
