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

int gfla_width(int base, int cap, int step) { return base << step < cap ? base << step : cap; }

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

pn_up_block gfla_up_make(const pn_scope *s, int in, int hidden, int out)
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

gfla_encoder gfla_encoder_make(const pn_scope *s, const gfla_config *c, int in)
{
    gfla_encoder e;
    for (int i = 0; i < GFLA_ENCODER; i++) {
        const pn_scope at = encoder_scope(s, i);
        const int out = gfla_width(c->base, c->cap, i);
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
gfla_encoder gfla_source_make(const pn_scope *s, const gfla_config *c)
{
    gfla_encoder e;
    for (int i = 0, in = 3; i < GFLA_ENCODER; i++) {
        const pn_scope at = encoder_scope(s, i);
        const int out = gfla_width(c->base, c->cap, i), k = kernel_at(c, i + 1);
        e.block[i] = down_make(&at, in, out, c->boost_source && k ? k * k : 1);
        in = out;
    }
    return e;
}

gfla_flow_net gfla_flow_net_make(const pn_scope *s, const gfla_config *c, int in, int sources)
{
    gfla_flow_net net = { .decoders = GFLA_FLOW_ENCODER - finest_level(c), .sources = sources };
    for (int i = 0; i < GFLA_FLOW_ENCODER; i++) {
        const pn_scope at = encoder_scope(s, i);
        const int out = gfla_width(c->flow_base, c->flow_cap, i);
        net.block[i] = down_make(&at, in, out, 1);
        in = out;
    }
    for (int i = 0; i < net.decoders; i++) {
        const int level = GFLA_FLOW_ENCODER - 1 - i, out = gfla_width(c->flow_base, c->flow_cap, level - 1);
        const pn_scope decoder = pn_scope_in(s, "decoder%d", i), jump = pn_scope_in(s, "jump%d", i);
        net.decoder[i] = gfla_up_make(&decoder, in, out, out);
        net.jump[i] = mirrored_make(&jump, out, out);
        in = out;
        if (!kernel_at(c, level)) continue;
        pn_scope output = pn_scope_in(s, "output%d", i);
        output.weights.value = flow_start;
        const pn_scope mask = pn_scope_in(s, "mask%d.0", i);
        net.output[i] = pn_conv_layer_make(&output, out, 2 * sources, 3, same3);
        net.mask[i] = pn_conv_layer_make(&mask, out, sources, 3, same3);
        net.head[net.heads] = i;
        net.level[net.heads++] = level;
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

gfla_decoder gfla_decoder_make(const pn_scope *s, const gfla_config *c, int sources)
{
    static const char *const one[] = { "attn%d" }, *const two[] = { "attn_p%d", "attn_r%d" };
    const char *const *names = sources == 1 ? one : two;
    gfla_decoder d = { .sources = sources };
    for (int i = 0; i < GFLA_ENCODER; i++) {
        const int level = GFLA_ENCODER - i, in = gfla_width(c->base, c->cap, level - 1);
        const int out = gfla_width(c->base, c->cap, level > 1 ? level - 2 : 0);
        for (int k = 0; k < sources && c->kernel[level]; k++) {
            const pn_scope attn = pn_scope_in(s, names[k], i);
            d.attention[k][i] = attention_make(&attn, in, c->hidden, c->kernel[level]);
        }
        const pn_scope res = pn_scope_in(s, "decoder%d.0.model.0", i), up = pn_scope_in(s, "decoder%d.1", i);
        d.attends[i] = c->kernel[level] != 0;
        d.res[i] = res_make(&res, in);
        d.up[i] = gfla_up_make(&up, in, in, out);
    }
    const pn_scope outconv = pn_scope_in(s, "outconv");
    d.outconv = mirrored_make(&outconv, gfla_width(c->base, c->cap, 0), 3);
    return d;
}

gfla_target gfla_target_make(const pn_scope *s, const gfla_config *c, int sources)
{
    gfla_target t = { .encoder = gfla_encoder_make(s, c, c->structure) };
    t.decoder = gfla_decoder_make(s, c, sources);
    return t;
}

gfla_generator_net gfla_generator_make(const pn_scope *s, const gfla_config *c)
{
    const pn_scope source = pn_scope_in(s, "source"), target = pn_scope_in(s, "target"), flow = pn_scope_in(s, "flow_net");
    gfla_generator_net net = { 0 };
    net.source = gfla_source_make(&source, c);
    net.target = gfla_target_make(&target, c, 1);
    net.flow_net = gfla_flow_net_make(&flow, c, 3 + 2 * c->structure, 1);
    return net;
}

static pn_tensor *mirrored(pn_graph *g, const pn_conv_layer *conv, pn_tensor *x)
{
    x = pn_leaky_relu(g, x, slope);
    return pn_conv_layer_call(g, conv, x);
}

/* ---- Sec. 3.1, the global flow field estimator: where each target pixel comes from (w), and how far to trust that (m) -- */

void gfla_flow_encode(pn_graph *g, const gfla_flow_net *f, pn_tensor *x, pn_tensor *level[GFLA_FLOW_ENCODER + 1])
{
    level[0] = x;
    for (int i = 0; i < GFLA_FLOW_ENCODER; i++) level[i + 1] = pn_down_block_call(g, &f->block[i], level[i]);
}

/* The heads' channels belong to one source after the other. */
static void head(pn_graph *g, const gfla_flow_net *f, int i, pn_tensor *x, gfla_output out[])
{
    pn_tensor *flow = pn_conv_layer_call(g, &f->output[f->head[i]], x);
    pn_tensor *mask = pn_conv_layer_call(g, &f->mask[f->head[i]], x);
    mask = pn_sigmoid(g, mask);
    for (int k = 0; k < f->sources; k++) {
        out[k].level[i] = f->level[i];
        out[k].flow[i] = f->sources == 1 ? flow : pn_slice(g, flow, 1, 2 * k, 2 * k + 2);
        out[k].mask[i] = f->sources == 1 ? mask : pn_slice(g, mask, 1, k, k + 1);
        out[k].flows = i + 1;
    }
}

void gfla_flow_decode(pn_graph *g, const gfla_flow_net *f, pn_tensor *const level[GFLA_FLOW_ENCODER], pn_tensor *bottom,
                      gfla_output out[])
{
    pn_tensor *x = bottom;
    for (int i = 0, next = 0; i < f->decoders; i++) {
        pn_tensor *raised = pn_up_block_call(g, &f->decoder[i], x);
        pn_tensor *jump = mirrored(g, &f->jump[i], level[GFLA_FLOW_ENCODER - 1 - i]);
        x = pn_add(g, raised, jump);
        if (next < f->heads && f->head[next] == i) head(g, f, next++, x, out);
    }
}

void gfla_flow_estimate(pn_graph *g, const gfla_flow_net *f, pn_tensor *const given[], int n, gfla_output out[])
{
    pn_tensor *level[GFLA_FLOW_ENCODER + 1];
    pn_block(g, "flow_net");
    pn_tensor *x = pn_concat(g, given, n, 1);
    gfla_flow_encode(g, f, x, level);
    gfla_flow_decode(g, f, level, level[GFLA_FLOW_ENCODER], out);
}

gfla_output gfla_flow(pn_graph *g, const gfla_generator_net *net, const gfla_input *in)
{
    gfla_output out = { 0 };
    gfla_flow_estimate(g, &net->flow_net, (pn_tensor *[]){ in->source, in->pose_source, in->pose_target }, 3, &out);
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

gfla_features gfla_encode(pn_graph *g, const gfla_encoder *e, pn_tensor *x)
{
    gfla_features f = { { x } };
    for (int i = 0; i < GFLA_ENCODER; i++) f.level[i + 1] = pn_down_block_call(g, &e->block[i], f.level[i]);
    return f;
}

/* What each source contributes, added up: m = 1 takes the source. */
static pn_tensor *mix(pn_graph *g, const gfla_decoder *d, int i, pn_tensor *x, const gfla_features source[], gfla_output out[], int next)
{
    pn_tensor *sum = NULL;
    for (int k = 0; k < d->sources; k++) {
        pn_tensor *warped = attend(g, &d->attention[k][i], source[k].level[GFLA_ENCODER - i], x, out[k].flow[next]);
        out[k].attention[next] = pn_saved_of(g, warped, 0);
        pn_tensor *mixed = pn_lerp(g, x, warped, out[k].mask[next]);
        sum = sum ? pn_add(g, sum, mixed) : mixed;
    }
    return sum;
}

pn_tensor *gfla_decode(pn_graph *g, const gfla_decoder *d, pn_tensor *x, const gfla_features source[], gfla_output out[])
{
    for (int i = 0, next = 0; i < GFLA_ENCODER; i++) {
        static const char *const block[GFLA_ENCODER] = { "decoder0", "decoder1", "decoder2" };
        pn_block(g, block[i]);
        if (d->attends[i]) x = mix(g, d, i, x, source, out, next++);
        x = pn_res_block_call(g, &d->res[i], x);
        x = pn_up_block_call(g, &d->up[i], x);
    }
    x = mirrored(g, &d->outconv, x);
    x = pn_tanh(g, x);
    pn_block(g, NULL);
    return x;
}

gfla_output gfla_generator(pn_graph *g, const gfla_generator_net *net, const gfla_input *in)
{
    gfla_output out = gfla_flow(g, net, in);
    pn_block(g, "source");
    const gfla_features source = gfla_encode(g, &net->source, in->source);
    pn_block(g, "target_encoder");
    const gfla_features target = gfla_encode(g, &net->target.encoder, in->pose_target);
    out.image = gfla_decode(g, &net->target.decoder, target.level[GFLA_ENCODER], &source, &out);
    return out;
}

gfla_input gfla_inputs(pn_graph *g, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t wide)
{
    const pn_shape image = pn_shape4(batch, 3, height, wide), pose = pn_shape4(batch, PN_JOINTS, height, wide);
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

gfla_d_block gfla_d_block_make(const pn_scope *s, int in, int hidden, int out)
{
    gfla_d_block b;
    b.conv1 = spectral_at(s, "model.1", in, hidden, 3, same3);
    b.conv3 = spectral_at(s, "model.3", hidden, out, 4, halve4);
    b.shortcut = spectral_at(s, "shortcut.1", in, out, 1, point);
    return b;
}

pn_conv_layer gfla_logits_make(const pn_scope *s, int in) { return spectral_at(s, "conv", in, 1, 1, point); }

gfla_discriminator_net gfla_discriminator_of(const pn_scope *s, const gfla_config *c, int in)
{
    gfla_discriminator_net d = { .layers = c->d_layers };
    for (int i = 0; i < d.layers; i++) {
        const pn_scope at = encoder_scope(s, i);
        const int out = gfla_width(c->d_base, c->d_cap, i), hidden = i == 0 ? out : in;
        d.block[i] = gfla_d_block_make(&at, in, hidden, out);
        in = out;
    }
    d.conv = gfla_logits_make(s, in);
    return d;
}

gfla_discriminator_net gfla_discriminator_make(const pn_scope *s, const gfla_config *c) { return gfla_discriminator_of(s, c, 3); }

pn_tensor *gfla_d_block_call(pn_graph *g, const gfla_d_block *b, pn_tensor *x)
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

pn_tensor *gfla_logits(pn_graph *g, const pn_conv_layer *conv, pn_tensor *x)
{
    x = pn_leaky_relu(g, x, slope);
    return pn_conv_layer_call(g, conv, x);
}

pn_tensor *gfla_discriminator(pn_graph *g, const gfla_discriminator_net *d, pn_tensor *image)
{
    pn_tensor *x = image;
    for (int i = 0; i < d->layers; i++) x = gfla_d_block_call(g, &d->block[i], x);
    return gfla_logits(g, &d->conv, x);
}
