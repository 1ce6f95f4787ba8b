/* models/rsa_gan/make.c - the networks' parameters: names, shapes, initial values
 *
 * ours: every weight of the generator starts normal with deviation 1 / sqrt(fan in), of the discriminators with 0.02; layers
 * that start at zero, and gates that start nearly open or nearly closed, say so here.
 */
#include "rsa_gan.h"

static const pn_conv_opt same3 = { .pad = { 1, 1 } }, halve4 = { .stride = { 2, 2 }, .pad = { 1, 1 } }, point = { 0 };
static const pn_conv_opt halve3 = { .stride = { 2, 2 }, .pad = { 1, 1 } };
static const pn_conv_opt mirror7 = { .pad = { 3, 3 }, .border = PN_BORDER_REFLECT };
static const pn_conv_opt mirror3 = { .pad = { 1, 1 }, .border = PN_BORDER_REFLECT };
static const pn_conv_opt mirror_halve4 = { .stride = { 2, 2 }, .pad = { 1, 1 }, .border = PN_BORDER_REFLECT };

static const pn_init zero = { PN_INIT_CONSTANT, 0 }, by_fan = { PN_INIT_FAN_IN, 1 }, d_start = { PN_INIT_NORMAL, 0.02 };
static const double gate_open = 2, gate_shut = -2, sharpness = 10, tau_start = 0.01;
static const pn_block_look usual = { .affine = true, .slope = 0.1 };

static int rounded_up(int a, int b) { return (a + b - 1) / b; }

static pn_scope started_with(const pn_scope *s, pn_init weights)
{
    pn_scope other = *s;
    other.weights = weights;
    return other;
}

static pn_conv_opt grouped(pn_conv_opt opt, int groups)
{
    opt.groups = groups;
    return opt;
}

/* A convolution whose weight and bias are 0 at the start. */
static pn_conv_layer zero_conv_at(const pn_scope *s, const char *name, int in, int out, int kernel, pn_conv_opt opt)
{
    const pn_scope nothing = started_with(s, zero);
    return pn_conv_layer_at(&nothing, name, in, out, kernel, opt);
}

/* bias: where it starts */
static pn_conv_layer biased_conv_make(const pn_scope *s, int in, int out, int kernel, pn_conv_opt opt, double bias)
{
    const int groups = opt.groups ? opt.groups : 1;
    const pn_shape shape = pn_shape4(out, in / groups, kernel, kernel);
    pn_conv_layer l = { .opt = opt, .weight = pn_scope_param(s, "weight", shape, by_fan) };
    l.bias = pn_scope_param(s, "bias", pn_shape1(out), (pn_init){ PN_INIT_CONSTANT, bias });
    return l;
}

/* bias: of its last layer */
static rsa_gan_depthwise depthwise_at(const pn_scope *s, const char *name, const rsa_gan_config *c, int in, int out, double bias)
{
    const pn_scope at = pn_scope_in(s, "%s", name), pw = pn_scope_in(&at, "pw"), dw = pn_scope_in(&at, "dw");
    rsa_gan_depthwise p = { .pw = biased_conv_make(&pw, in, out, 1, point, c->depthwise ? 0 : bias) };
    if (c->depthwise) p.dw = biased_conv_make(&dw, out, out, 3, grouped(same3, out), bias);
    return p;
}

static rsa_gan_mod mod_at(const pn_scope *s, const char *name, const rsa_gan_config *c, rsa_gan_inject kind)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    rsa_gan_mod m = { 0 };
    if (kind == RSA_GAN_ADAIN) {
        m.affine = pn_conv_layer_at(&at, "affine", c->width, 2 * c->width, 1, point);
        return m;
    }
    m.shared = pn_conv_layer_at(&at, "shared", c->width, c->hidden, 3, same3);
    m.affine = pn_conv_layer_at(&at, "affine", c->hidden, 2 * c->width, 3, same3);
    return m;
}

/* last: where its second convolution starts, which is all that it adds to its input */
static rsa_gan_mrb mrb_make(const pn_scope *s, const rsa_gan_config *c, rsa_gan_inject kind, pn_init last)
{
    const pn_scope end = started_with(s, last);
    rsa_gan_mrb b = { .kind = kind };
    if (kind != RSA_GAN_CONCAT) {
        b.mod1 = mod_at(s, "mod1", c, kind);
        b.mod2 = mod_at(s, "mod2", c, kind);
    }
    b.conv1 = pn_conv_layer_at(s, "conv1", kind == RSA_GAN_CONCAT ? 2 * c->width : c->width, c->width, 3, same3);
    b.conv2 = pn_conv_layer_at(&end, "conv2", c->width, c->width, 3, same3);
    return b;
}

/* ---- Networks -------------------------------------------------------------------------------------------------------- */

static rsa_gan_style_net style_by_vgg_make(const pn_scope *s, const pn_scope *look, const rsa_gan_config *c)
{
    static const int seen[4] = { 64, 128, 256, 512 };
    const int out[4] = { c->width / 4, c->width / 2, c->width, 2 * c->width };
    static const char *const name[4] = { "conv0", "conv1", "conv2", "conv3" };
    rsa_gan_style_net net = { .vgg = pn_vgg19_make(look, c->vgg_narrow) };
    for (int i = 0, in = 3; i < 4; i++) {
        net.conv[i] = pn_conv_layer_at(s, name[i], in, out[i], i == 0 ? 7 : 4, i == 0 ? mirror7 : mirror_halve4);
        in = out[i] + seen[i] / c->vgg_narrow;
    }
    net.reduce = pn_conv_layer_at(s, "reduce", out[3] + seen[3] / c->vgg_narrow, c->width, 1, point);
    return net;
}

static rsa_gan_style_net style_make(const pn_scope *s, const pn_scope *look, const rsa_gan_config *c)
{
    const pn_scope down0 = pn_scope_in(s, "down0"), down1 = pn_scope_in(s, "down1"), res0 = pn_scope_in(s, "res0"),
                   res1 = pn_scope_in(s, "res1");
    const int w = c->width;
    if (c->style == RSA_GAN_VGG) return style_by_vgg_make(s, look, c);
    rsa_gan_style_net net = { 0 };
    net.down[0] = pn_down_block_make(&down0, usual, 3, w / 2, w / 2, true);
    net.down[1] = pn_down_block_make(&down1, usual, w / 2, w, w, false);
    net.res[0] = pn_res_block_make(&res0, usual, w);
    net.res[1] = pn_res_block_make(&res1, usual, w);
    return net;
}

/* Channels of F_sem: as many for each class. */
static int semantic_width(const rsa_gan_config *c) { return c->classes * rounded_up(c->width, c->classes); }

static rsa_gan_rpsf_net rpsf_make(const pn_scope *s, const rsa_gan_config *c)
{
    const int k = c->classes, first = k * rounded_up(c->width / 2, k), all = semantic_width(c);
    const pn_scope gate = pn_scope_in(s, "gate");
    const pn_conv_opt halve = c->rpsf ? grouped(halve4, k) : halve4;
    rsa_gan_rpsf_net net = { 0 };
    net.conv0 = pn_conv_layer_at(s, "conv0", c->rpsf ? RSA_GAN_EVIDENCE * k : k, first, 4, halve);
    net.norm0 = pn_norm_layer_at(s, "norm0", first);
    net.conv1 = pn_conv_layer_at(s, "conv1", first, all, 4, halve);
    net.norm1 = pn_norm_layer_at(s, "norm1", all);
    if (!c->rpsf) return net;
    net.value = pn_conv_layer_at(s, "value", all, all, 3, grouped(same3, k));
    if (c->rpsf_gate) net.gate = biased_conv_make(&gate, all, all, 3, grouped(same3, k), gate_open);
    net.mix = zero_conv_at(s, "mix", all, all, 1, point);
    net.delta = zero_conv_at(s, "delta", all, k, 1, grouped(point, k));
    return net;
}

static rsa_gan_code_net code_make(const pn_scope *s, const rsa_gan_config *c)
{
    rsa_gan_code_net net = { .value = pn_scope_param(s, "value", pn_shape2(c->width, c->width), by_fan) };
    net.gain = pn_scope_param(s, "gain", pn_shape1(1), zero);
    return net;
}

static rsa_gan_pose_net pose_make(const pn_scope *s, const rsa_gan_config *c)
{
    const int w = c->width, out[RSA_GAN_POSE_DOWNS] = { w / 4, w / 2, w, w };
    rsa_gan_pose_net net;
    for (int i = 0, in = PN_JOINTS + PN_LIMBS; i < RSA_GAN_POSE_DOWNS; i++) {
        const pn_scope at = pn_scope_in(s, "down%d", i);
        net.down[i] = pn_down_block_make(&at, usual, in, out[i], out[i], i == 0);
        in = out[i];
    }
    for (int i = 0; i < 2; i++) {
        const pn_scope at = pn_scope_in(s, "up%d", i);
        net.up[i] = pn_up_block_make(&at, usual, w, w, w);
    }
    return net;
}

static rsa_gan_corr_net corr_make(const pn_scope *s, const rsa_gan_config *c)
{
    const int in = c->width + 3;
    rsa_gan_corr_net net = { .tau = pn_scope_state(s, "tau", pn_shape1(1), (pn_init){ PN_INIT_CONSTANT, tau_start }) };
    net.proj = pn_conv_layer_at(s, "proj", in, c->key, 1, point);
    if (!c->corr_shared) net.proj_t = pn_conv_layer_at(s, "proj_t", in, c->key, 1, point);
    if (c->corr_semantics) net.proj_sem = pn_conv_layer_at(s, "proj_sem", in + c->classes, c->key, 1, point);
    return net;
}

static void to_maps_make(const pn_scope *s, const rsa_gan_config *c, rsa_gan_gdcca_net *b)
{
    const int w = c->width;
    b->q = depthwise_at(s, "q", c, w, w, 0);
    b->kv = depthwise_at(s, "kv", c, w + semantic_width(c), 2 * w, 0);
    if (c->attention != RSA_GAN_SPATIAL)
        b->alpha = pn_scope_param(s, "alpha", pn_shape1(w / RSA_GAN_HEAD), (pn_init){ PN_INIT_CONSTANT, sharpness });
    b->out = pn_conv_layer_at(s, "out", w, w, 1, point);
}

static rsa_gan_gdcca_net gdcca_make(const pn_scope *s, const rsa_gan_config *c)
{
    const int w = c->width;
    const pn_scope token = pn_scope_in(s, "token"), ff = pn_scope_in(s, "ff");
    rsa_gan_gdcca_net b = { .norm = pn_norm_layer_at(s, "norm", w) };
    if (c->attention != RSA_GAN_TOKEN) to_maps_make(s, c, &b);
    if (c->attention == RSA_GAN_BOTH || c->attention == RSA_GAN_TOKEN) {
        b.token_q = pn_conv_layer_at(&token, "q", w, w, 1, point);
        b.token_k = pn_scope_param(&token, "k", pn_shape2(w, w), by_fan);
        b.token_v = pn_scope_param(&token, "v", pn_shape2(w, w), by_fan);
    }
    if (c->gate == RSA_GAN_LEARNED) b.gate = depthwise_at(s, "gate", c, 3 * w, w, gate_shut);
    b.ff_norm = pn_norm_layer_at(&ff, "norm", w);
    b.ff_in = depthwise_at(&ff, "in", c, w, 4 * w, 0);
    b.ff_out = zero_conv_at(&ff, "out", 2 * w, w, 1, point);
    return b;
}

static rsa_gan_output_net output_make(const pn_scope *s, const rsa_gan_config *c)
{
    const int w = c->width, k = c->up_kernel;
    const pn_conv_opt same = { .pad = { k / 2, k / 2 } };
    rsa_gan_output_net net;
    for (int i = 0; i < 2; i++) {
        const pn_scope mrb = pn_scope_in(s, "mrb%d", i);
        net.mrb[i] = mrb_make(&mrb, c, RSA_GAN_MOD, by_fan);
    }
    net.up[0] = pn_conv_layer_at(s, "up0", w, w / 2, k, same);
    net.norm[0] = pn_norm_layer_at(s, "norm0", w / 2);
    net.up[1] = pn_conv_layer_at(s, "up1", w / 2, w / 4, k, same);
    net.norm[1] = pn_norm_layer_at(s, "norm1", w / 4);
    net.rgb = pn_conv_layer_at(s, "rgb", w / 4, 3, 7, mirror7);
    if (c->colours) {                   /* no bias; it starts unread */
        const pn_scope at = pn_scope_in(s, "colour");
        net.colour = (pn_conv_layer){ .weight = pn_scope_param(&at, "weight", pn_shape4(3, 3, 3, 3), zero), .opt = mirror3 };
    }
    return net;
}

rsa_gan_generator_net rsa_gan_generator_make(const pn_scope *top, const pn_scope *look, const rsa_gan_config *c)
{
    const pn_scope started = started_with(top, by_fan), *s = &started;
    const pn_scope style = pn_scope_in(s, "style"), rpsf = pn_scope_in(s, "rpsf"), code = pn_scope_in(s, "code_sa"),
                   pose = pn_scope_in(s, "pose"), corr = pn_scope_in(s, "corr"), output = pn_scope_in(s, "output");
    rsa_gan_generator_net net = { .config = *c };
    net.style = style_make(&style, look, c);
    net.rpsf = rpsf_make(&rpsf, c);
    if (c->code_attention) net.code_sa = code_make(&code, c);
    net.pose = pose_make(&pose, c);
    if (c->pcgsi) net.corr = corr_make(&corr, c);
    for (int i = 0; i < 2; i++) {
        const pn_scope at = pn_scope_in(s, "inject.mrb%d", i);
        net.inject[i] = mrb_make(&at, c, c->pcgsi ? c->inject : RSA_GAN_ADAIN, i == 0 ? zero : by_fan);
    }
    for (int i = 0; c->gdcca && i < c->blocks; i++) {
        const pn_scope at = pn_scope_in(s, "gdcca.block%d", i);
        net.gdcca[i] = gdcca_make(&at, c);
    }
    net.output = output_make(&output, c);
    return net;
}

static rsa_gan_discriminator_net discriminator_make(const pn_scope *s, const rsa_gan_config *c, int in)
{
    static const char *const conv[] = { "conv0", "conv1", "conv2" }, *const norm[] = { "norm0", "norm1", "norm2" };
    rsa_gan_discriminator_net d = { .blocks = c->d_blocks, .has_head = c->d_head };
    for (int i = 0; i < RSA_GAN_D_CONVS; i++) {
        const int out = c->d_base << i;
        d.conv[i] = pn_conv_layer_at(s, conv[i], in, out, i == 0 ? 7 : 3, i == 0 ? mirror7 : halve3);
        d.norm[i] = pn_norm_layer_at(s, norm[i], out);
        in = out;
    }
    for (int i = 0; i < d.blocks; i++) {
        const pn_scope at = pn_scope_in(s, "res.block%d", i);
        d.block[i] = pn_res_block_make(&at, usual, in);
    }
    if (d.has_head) d.head = pn_conv_layer_at(s, "head", in, 1, 1, point);
    return d;
}

rsa_gan_critics_net rsa_gan_critics_make(const pn_scope *top, const rsa_gan_config *c)
{
    const pn_scope started = started_with(top, d_start), pose = pn_scope_in(&started, "pose"),
                   pair = pn_scope_in(&started, "pair");
    rsa_gan_critics_net d = { .pose_maps = c->d_limbs ? PN_JOINTS + PN_LIMBS : PN_JOINTS };
    d.pose = discriminator_make(&pose, c, 3 + d.pose_maps);
    d.pair = discriminator_make(&pair, c, 3 + 3);
    return d;
}
