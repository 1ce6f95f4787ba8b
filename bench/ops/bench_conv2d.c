/* bench/ops/bench_conv2d.c - the convolutions of GFLA, GLocal, RSA-GAN and VGG19, forward and both halves of backward */
#include "support/pnbench.h"

static const pn_conv_opt same3_opt = { .pad = { 1, 1 } }, same7_opt = { .pad = { 3, 3 } };
static const pn_conv_opt halve4_opt = { .stride = { 2, 2 }, .pad = { 1, 1 } };
static const pn_conv_opt halve3_opt = { .stride = { 2, 2 }, .pad = { 1, 1 } };
static const pn_conv_opt mirror3_opt = { .pad = { 1, 1 }, .border = PN_BORDER_REFLECT };
static const pn_conv_opt attend5_opt = { .pad = { 2, 2 }, .border = PN_BORDER_REPLICATE };

static const pn_conv_opt eight3_opt = { .pad = { 1, 1 }, .groups = 8 };
static const pn_conv_opt eight4_opt = { .stride = { 2, 2 }, .pad = { 1, 1 }, .groups = 8 };

static void conv(pn_bench *b, const pn_conv_opt *opt)
{
    pn_bench_keep(b, pn_conv2d(b->graph, b->in[0], b->in[1], b->in[2], opt));
}
static void same3(pn_bench *b) { conv(b, &same3_opt); }
static void same7(pn_bench *b) { conv(b, &same7_opt); }
static void halve4(pn_bench *b) { conv(b, &halve4_opt); }
static void halve3(pn_bench *b) { conv(b, &halve3_opt); }
static void mirror3(pn_bench *b) { conv(b, &mirror3_opt); }
static void attend5(pn_bench *b) { conv(b, &attend5_opt); }
static void point(pn_bench *b) { conv(b, NULL); }
static void eight3(pn_bench *b) { conv(b, &eight3_opt); }
static void eight4(pn_bench *b) { conv(b, &eight4_opt); }
static void each3(pn_bench *b)                                         /* every channel for itself */
{
    conv(b, &(pn_conv_opt){ .pad = { 1, 1 }, .groups = (int)pn_tensor_shape(b->in[0]).dim[1] });
}

static double flops(const pn_bench *b)
{
    const pn_shape w = pn_tensor_shape(b->in[1]);
    return 2 * (double)pn_shape_count(pn_tensor_shape(b->out)) * (double)(w.dim[1] * w.dim[2] * w.dim[3]);
}

#define REST .role = { PN_BENCH_VALUE, PN_BENCH_PARAM, PN_BENCH_PARAM }, .flops = flops, .passes = PN_BENCH_EVERY
#define CONV(n, c, side, o, k) CONV_OF(n, c, side, side, o, k)
#define CONV_OF(n, c, h, w, o, k)                                                                                         \
    .n_in = 3, .in = { { 4, { n, c, h, w } }, { 4, { o, c, k, k } }, { 1, { o } } }, REST
#define GROUPED(n, c, h, w, o, k, g)                                                                                      \
    .n_in = 3, .in = { { 4, { n, c, h, w } }, { 4, { o, (c) / (g), k, k } }, { 1, { o } } }, REST

const pn_bench_case bench_conv2d[] = {
    { "conv2d/3x3/1x64x256x256/64", same3, CONV(1, 64, 256, 64, 3) }, /* VGG19 conv1_2 */
    { "conv2d/3x3/1x64x128x128/64", same3, CONV(1, 64, 128, 64, 3) },
    { "conv2d/3x3/1x128x128x128/128", same3, CONV(1, 128, 128, 128, 3) }, /* VGG19 conv2_2 */
    { "conv2d/3x3/1x128x64x64/128", same3, CONV(1, 128, 64, 128, 3) },
    { "conv2d/3x3/4x128x64x64/128", same3, CONV(4, 128, 64, 128, 3) },
    { "conv2d/3x3/1x256x64x64/256", same3, CONV(1, 256, 64, 256, 3) }, /* VGG19 conv3_2 */
    { "conv2d/3x3/1x256x32x32/256", same3, CONV(1, 256, 32, 256, 3) },
    { "conv2d/3x3/1x512x32x32/512", same3, CONV(1, 512, 32, 512, 3) }, /* VGG19 conv4_2 */
    { "conv2d/3x3/1x512x16x16/512", same3, CONV(1, 512, 16, 512, 3) }, /* VGG19 conv5_1 */
    { "conv2d/3x3/1x512x8x8/512", same3, CONV(1, 512, 8, 512, 3) },
    { "conv2d/3x3/1x3x256x256/64", same3, CONV(1, 3, 256, 64, 3) },   /* VGG19 conv1_1 */
    { "conv2d/3x3/1x64x256x256/3", mirror3, CONV(1, 64, 256, 3, 3) }, /* GFLA's outconv */
    { "conv2d/7x7/1x64x256x256/3", same7, CONV(1, 64, 256, 3, 7) },
    { "conv2d/7x7/1x3x256x256/64", same7, CONV(1, 3, 256, 64, 7) },
    { "conv2d/7x7/1x21x256x176/64", same7, CONV_OF(1, 21, 256, 176, 64, 7) }, /* first of RSA-GAN's critics, */
    { "conv2d/7x7/1x6x256x176/64", same7, CONV_OF(1, 6, 256, 176, 64, 7) },
    { "conv2d/3x3s2/1x64x256x176/128", halve3, CONV_OF(1, 64, 256, 176, 128, 3) }, /* ... and their next */
    { "conv2d/3x3s2/1x128x128x88/256", halve3, CONV_OF(1, 128, 128, 88, 256, 3) },
    { "conv2d/4x4s2/1x39x256x256/32", halve4, CONV(1, 39, 256, 32, 4) }, /* first of GFLA's flow estimator */
    { "conv2d/4x4s2/1x64x128x128/128", halve4, CONV(1, 64, 128, 128, 4) },
    { "conv2d/4x4s2/1x128x64x64/256", halve4, CONV(1, 128, 64, 256, 4) },
    { "conv2d/5x5/1x128x64x64/128", attend5, CONV(1, 128, 64, 128, 5) }, /* the target's half of attn1 */
    { "conv2d/1x1/1x64x64x64/128", point, CONV(1, 64, 64, 128, 1) },
    { "conv2d/3x3/1x256x64x44/256", same3, CONV_OF(1, 256, 64, 44, 256, 3) }, /* GLocal's, at a quarter, */
    { "conv2d/3x3/1x256x16x11/256", same3, CONV_OF(1, 256, 16, 11, 256, 3) }, /* ... at a sixteenth, */
    { "conv2d/4x4s2/1x256x64x44/256", halve4, CONV_OF(1, 256, 64, 44, 256, 4) },
    { "conv2d/4x4s2/1x256x32x22/256", halve4, CONV_OF(1, 256, 32, 22, 256, 4) },
    { "conv2d/1x1/1x285x64x44/128", point, CONV_OF(1, 285, 64, 44, 128, 1) }, /* ... and its queries */
    { "conv2d/4x4s2g8/1x24x256x176/128", eight4, GROUPED(1, 24, 256, 176, 128, 4, 8) }, /* RSA-GAN's, a class a group, */
    { "conv2d/4x4s2g8/1x128x128x88/256", eight4, GROUPED(1, 128, 128, 88, 256, 4, 8) },
    { "conv2d/3x3g8/1x256x64x44/256", eight3, GROUPED(1, 256, 64, 44, 256, 3, 8) },
    { "conv2d/3x3dw/1x256x64x44/256", each3, GROUPED(1, 256, 64, 44, 256, 3, 256) }, /* ... and a channel a group */
    { "conv2d/3x3dw/8x256x64x44/256", each3, GROUPED(8, 256, 64, 44, 256, 3, 256) },
    { 0 },
};
