/* models/gfla/networks.c - Figure 2 of the paper, left to right
 *
 *   source, pose_s, pose_t ──► flow_net ──► w (flow), m (mask), at levels 3 and 2
 *   source ──► source encoder ──► Fs at the same levels ─────────────┐
 *   pose_t ──► target encoder ──► Ft ──► attention(Fs, Ft, w), m ──► decoder ──► … ──► image
 *
 * Pre-activation everywhere: norm, lrelu 0.1, convolution. Indices in names are the published modules' child numbers.
 */
#include "gfla.h"

static const double slope = 0.1;
static const pn_conv_opt same3 = { .pad = { 1, 1 } }, halve4 = { .stride = { 2, 2 }, .pad = { 1, 1 } }, point = { 0 };
static const pn_conv_opt mirror3 = { .pad = { 1, 1 }, .border = PN_BORDER_REFLECT };
static const pn_conv_opt double3 = { .stride = { 2, 2 }, .pad = { 1, 1 }, .output_pad = { 1, 1 } };

static const double flow_start = 0.02;                  /* flows start near zero, whatever the rest starts at */

static int width(int base, int cap, int step) { return base << step < cap ? base << step : cap; }

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

static pn_conv_layer transpose_at(const pn_scope *s, const char *name, int in, int out)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return pn_conv_transpose_layer_make(&at, in, out, 3, double3);
}

/* start: how many times larger than usual the last convolution's initial values are */
static pn_down_block down_make(const pn_scope *s, int in, int out, double start)
{
    pn_scope last = *s;
    last.weights.value *= start;
    pn_down_block b = { .slope = slope };
    b.norm1 = pn_norm_layer_at(s, "model.0", in);
    b.conv1 = pn_conv_layer_at(s, "model.2", in, out, 4, halve4);
    b.norm2 = pn_norm_layer_at(s, "model.3", out);
    b.conv2 = pn_conv_layer_at(&last, "model.5", out, out, 3, same3);
    return b;
}

static pn_res_block res_make(const pn_scope *s, int c)
{
    pn_res_block b = { .slope = slope };
    b.norm1 = pn_norm_layer_at(s, "model.0", c);
    b.conv1 = pn_conv_layer_at(s, "model.2", c, c, 3, same3);
    b.norm2 = pn_norm_layer_at(s, "model.3", c);
    b.conv2 = pn_conv_layer_at(s, "model.5", c, c, 3, same3);
    return b;
}

static pn_up_block up_make(const pn_scope *s, int in, int hidden, int out)
{
    pn_up_block b = { .slope = slope };
    b.norm1 = pn_norm_layer_at(s, "model.0", in);
    b.conv1 = pn_conv_layer_at(s, "model.2", in, hidden, 3, same3);
    b.norm2 = pn_norm_layer_at(s, "model.3", hidden);
    b.up = transpose_at(s, "model.5", hidden, out);
    b.skip = transpose_at(s, "shortcut.0", in, out);
    return b;
}

/* Jump and Output: the published files hold their one convolution twice, as conv1 and as model.2. */
static pn_conv_layer mirrored_make(const pn_scope *s, int in, int out)
{
    const pn_conv_layer conv = pn_conv_layer_at(s, "conv1", in, out, 3, mirror3);
    pn_scope_alias(s, conv.weight, "model.2.weight");
    pn_scope_alias(s, conv.bias, "model.2.bias");
    return conv;
}

/* Level L lies after L halvings: block0 makes level 1, encoderI level I + 2. */
static pn_scope encoder_scope(const pn_scope *s, int step)
{
    return step == 0 ? pn_scope_in(s, "block0") : pn_scope_in(s, "encoder%d", step - 1);
}

static gfla_encoder encoder_make(const pn_scope *s, const gfla_config *c, int in)
{
    gfla_encoder e;
    for (int i = 0; i < GFLA_ENCODER; i++) {
        const pn_scope at = encoder_scope(s, i);
        const int out = width(c->base, c->cap, i);
        e.block[i] = down_make(&at, in, out, 1);
        in = out;
    }
    return e;
}

static int finest_level(const gfla_config *c)
{
    for (int level = 1; level < GFLA_LEVELS; level++)
        if (c->kernel[level]) return level;
    return GFLA_LEVELS - 1;
}

static int kernel_at(const gfla_config *c, int level) { return level < GFLA_LEVELS ? c->kernel[level] : 0; }

/* ours: attention averages k^2 weighted samples, so the source enters the decoder 1/k^2 as large as the target's features; from
 * published weights that is made up for, a short training needs it from the start. */
static gfla_encoder source_make(const pn_scope *s, const gfla_config *c)
{
    gfla_encoder e;
    for (int i = 0, in = 3; i < GFLA_ENCODER; i++) {
        const pn_scope at = encoder_scope(s, i);
        const int out = width(c->base, c->cap, i), k = kernel_at(c, i + 1);
        e.block[i] = down_make(&at, in, out, c->boost_source && k ? k * k : 1);
        in = out;
    }
    return e;
}

static gfla_flow_net flow_net_make(const pn_scope *s, const gfla_config *c)
{
    gfla_flow_net net = { .decoders = GFLA_FLOW_ENCODER - finest_level(c) };
    int in = 3 + 2 * GFLA_STRUCTURE;
    for (int i = 0; i < GFLA_FLOW_ENCODER; i++) {
        const pn_scope at = encoder_scope(s, i);
        const int out = width(c->flow_base, c->flow_cap, i);
        net.block[i] = down_make(&at, in, out, 1);
        in = out;
    }
    for (int i = 0; i < net.decoders; i++) {
        const int level = GFLA_FLOW_ENCODER - 1 - i, out = width(c->flow_base, c->flow_cap, level - 1);
        const pn_scope decoder = pn_scope_in(s, "decoder%d", i), jump = pn_scope_in(s, "jump%d", i);
        net.decoder[i] = up_make(&decoder, in, out, out);
        net.jump[i] = mirrored_make(&jump, out, out);
        in = out;
        if (!kernel_at(c, level)) continue;
        pn_scope output = pn_scope_in(s, "output%d", i);
        output.weights.value = flow_start;
        const pn_scope mask = pn_scope_in(s, "mask%d.0", i);
        net.output[i] = pn_conv_layer_make(&output, out, 2, 3, same3);
        net.mask[i] = pn_conv_layer_make(&mask, out, 1, 3, same3);
    }
    return net;
}

static gfla_attention attention_make(const pn_scope *s, int c, int hidden, int k)
{
    gfla_attention a;
    a.first = pn_conv_layer_at(s, "fully_connect_layer.0", 2 * c, hidden, k,
                      (pn_conv_opt){ .pad = { k / 2, k / 2 }, .border = PN_BORDER_REPLICATE });
    a.second = pn_conv_layer_at(s, "fully_connect_layer.2", hidden, k * k, 1, point);
    return a;
}

static gfla_target target_make(const pn_scope *s, const gfla_config *c)
{
    gfla_target t = { .encoder = encoder_make(s, c, GFLA_STRUCTURE) };
    for (int i = 0; i < GFLA_ENCODER; i++) {
        const int level = GFLA_ENCODER - i, in = width(c->base, c->cap, level - 1);
        const int out = width(c->base, c->cap, level > 1 ? level - 2 : 0);
        const pn_scope attn = pn_scope_in(s, "attn%d", i), res = pn_scope_in(s, "decoder%d.0.model.0", i);
        const pn_scope up = pn_scope_in(s, "decoder%d.1", i);
        if (c->kernel[level]) t.attention[i] = attention_make(&attn, in, c->hidden, c->kernel[level]);
        t.res[i] = res_make(&res, in);
        t.up[i] = up_make(&up, in, in, out);
    }
    const pn_scope outconv = pn_scope_in(s, "outconv");
    t.outconv = mirrored_make(&outconv, width(c->base, c->cap, 0), 3);
    return t;
}

gfla_generator_net gfla_generator_make(const pn_scope *s, const gfla_config *c)
{
    const pn_scope source = pn_scope_in(s, "source"), target = pn_scope_in(s, "target"), flow = pn_scope_in(s, "flow_net");
    gfla_generator_net net = { .config = *c };
    net.source = source_make(&source, c);
    net.target = target_make(&target, c);
    net.flow_net = flow_net_make(&flow, c);
    return net;
}

static pn_tensor *mirrored(pn_graph *g, const pn_conv_layer *conv, pn_tensor *x)
{
    x = pn_leaky_relu(g, x, slope);
    return pn_conv_layer_call(g, conv, x);
}

/* ---- Sec. 3.1, the global flow field estimator: where each target pixel comes from (w), and how far to trust that (m) -- */

gfla_output gfla_flow(pn_graph *g, const gfla_generator_net *net, const gfla_input *in)
{
    const gfla_flow_net *f = &net->flow_net;
    gfla_output out = { 0 };
    pn_tensor *level[GFLA_FLOW_ENCODER + 1];
    pn_block(g, "flow_net");
    level[0] = pn_concat(g, (pn_tensor *[]){ in->source, in->pose_source, in->pose_target }, 3, 1);
    for (int i = 0; i < GFLA_FLOW_ENCODER; i++) level[i + 1] = pn_down_block_call(g, &f->block[i], level[i]);
    pn_tensor *x = level[GFLA_FLOW_ENCODER];
    for (int i = 0; i < f->decoders; i++) {
        const int at = GFLA_FLOW_ENCODER - 1 - i;
        pn_tensor *raised = pn_up_block_call(g, &f->decoder[i], x);
        pn_tensor *jump = mirrored(g, &f->jump[i], level[at]);
        x = pn_add(g, raised, jump);
        if (!kernel_at(&net->config, at)) continue;
        out.level[out.flows] = at;
        out.flow[out.flows] = pn_conv_layer_call(g, &f->output[i], x);
        pn_tensor *m = pn_conv_layer_call(g, &f->mask[i], x);
        out.mask[out.flows++] = pn_sigmoid(g, m);
    }
    return out;
}

/* ---- Sec. 3.2, the local neural texture renderer ------------------------------------------------------------------------ */

/* Each target position weighs the k x k source neighbourhood its flow points at. The published first layer is a product
 * with k x k patches of the target, then of the source. The target's lie on the grid: an ordinary convolution. The source's
 * are bilinear samples at one fraction, and sampling commutes with convolving: convolve the source first, and k/2 pixels
 * beyond it, where it stops changing; then one sample of the result stands for the product. */
static pn_tensor *attend(pn_graph *g, const gfla_attention *a, pn_tensor *source, pn_tensor *target, pn_tensor *flow)
{
    const ptrdiff_t c = pn_tensor_shape(target).dim[1];
    const pn_conv_opt on_grid = a->first.opt;                   /* pad k/2, replicated */
    pn_conv_opt beyond = on_grid;
    beyond.pad[0] = beyond.pad[1] = 2 * on_grid.pad[0];
    pn_tensor *w_target = pn_slice(g, a->first.weight, 1, 0, c);
    pn_tensor *w_source = pn_slice(g, a->first.weight, 1, c, 2 * c);
    pn_tensor *target_hidden = pn_conv2d(g, target, w_target, a->first.bias, &on_grid);
    pn_tensor *source_hidden = pn_conv2d(g, source, w_source, NULL, &beyond);
    return pn_local_attention(g, source, source_hidden, target_hidden, flow, a->second.weight, a->second.bias);
}

gfla_output gfla_generator(pn_graph *g, const gfla_generator_net *net, const gfla_input *in)
{
    gfla_output out = gfla_flow(g, net, in);
    const gfla_target *t = &net->target;

    pn_block(g, "source");
    pn_tensor *source[GFLA_ENCODER + 1] = { in->source };
    for (int i = 0; i < GFLA_ENCODER; i++) source[i + 1] = pn_down_block_call(g, &net->source.block[i], source[i]);

    pn_block(g, "target_encoder");
    pn_tensor *x = in->pose_target;
    for (int i = 0; i < GFLA_ENCODER; i++) x = pn_down_block_call(g, &t->encoder.block[i], x);

    for (int i = 0, next = 0; i < GFLA_ENCODER; i++) {
        static const char *const block[GFLA_ENCODER] = { "decoder0", "decoder1", "decoder2" };
        const int level = GFLA_ENCODER - i;
        pn_block(g, block[i]);
        if (net->config.kernel[level]) {
            pn_tensor *warped = attend(g, &t->attention[i], source[level], x, out.flow[next]);
            out.attention[next] = pn_saved_of(g, warped, 0);
            x = pn_lerp(g, x, warped, out.mask[next++]);        /* m = 1: take the source */
        }
        x = pn_res_block_call(g, &t->res[i], x);
        x = pn_up_block_call(g, &t->up[i], x);
    }
    x = mirrored(g, &t->outconv, x);
    out.image = pn_tanh(g, x);
    pn_block(g, NULL);
    return out;
}

gfla_input gfla_inputs(pn_graph *g, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t wide)
{
    const pn_shape image = pn_shape4(batch, 3, height, wide), pose = pn_shape4(batch, GFLA_STRUCTURE, height, wide);
    gfla_input in;
    in.source = pn_input(g, "source", image, PN_CONST);
    in.pose_source = pn_input(g, "pose_source", pose, PN_CONST);
    in.pose_target = pn_input(g, "pose_target", pose, PN_CONST);
    return in;
}

/* ---- The discriminator: residual blocks without norm, spectral norm on every convolution ------------------------------- */

static pn_conv_layer spectral_at(const pn_scope *s, const char *name, int in, int out, int kernel, pn_conv_opt opt)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return pn_spectral_conv_layer_make(&at, in, out, kernel, opt);
}

gfla_discriminator_net gfla_discriminator_make(const pn_scope *s, const gfla_config *c)
{
    gfla_discriminator_net d = { .layers = c->d_layers };
    int in = 3;
    for (int i = 0; i < d.layers; i++) {
        const pn_scope at = encoder_scope(s, i);
        const int out = width(c->d_base, c->d_cap, i), hidden = i == 0 ? out : in;
        d.block[i].conv1 = spectral_at(&at, "model.1", in, hidden, 3, same3);
        d.block[i].conv3 = spectral_at(&at, "model.3", hidden, out, 4, halve4);
        d.block[i].shortcut = spectral_at(&at, "shortcut.1", in, out, 1, point);
        in = out;
    }
    d.conv = spectral_at(s, "conv", in, 1, 1, point);
    return d;
}

static pn_tensor *d_block(pn_graph *g, const gfla_d_block *b, pn_tensor *x)
{
    static const pn_pool_opt halve = { .kernel = { 2, 2 } };
    pn_tensor *h = pn_leaky_relu(g, x, slope);
    h = pn_conv_layer_call(g, &b->conv1, h);
    h = pn_leaky_relu(g, h, slope);
    h = pn_conv_layer_call(g, &b->conv3, h);
    pn_tensor *skip = pn_avg_pool2d(g, x, halve);
    skip = pn_conv_layer_call(g, &b->shortcut, skip);
    return pn_add(g, h, skip);
}

pn_tensor *gfla_discriminator(pn_graph *g, const gfla_discriminator_net *d, pn_tensor *image)
{
    pn_tensor *x = image;
    for (int i = 0; i < d->layers; i++) x = d_block(g, &d->block[i], x);
    x = pn_leaky_relu(g, x, slope);
    return pn_conv_layer_call(g, &d->conv, x);
}
