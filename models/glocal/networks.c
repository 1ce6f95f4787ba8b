/* models/glocal/networks.c - the networks' parameters and blocks, and the figure that the README reconstructs:
 *
 *   source, hole ──► style encoder ──► region pooling ──► codes s ──► GGR ──► s^ ────────────┐
 *   layout, poses ──► parsing generator ──► pi, the target's layout ─────────────────────────┤
 *   layout, pi, pose_t, source ──► content encoder ──► X0 ──► region-adaptive norm(s^, pi) ──► X1 ──┐
 *   source ──► structure encoder ──► f ──► correspondence(X1, pi, pose_t; f, layout, pose_s) ──► LST ──► X2 ──► decoder
 *
 * Pre-activation everywhere: norm, leaky relu, convolution.
 */
#include "glocal.h"

#include <math.h>
#include <stdio.h>

static const pn_conv_opt same3 = { .pad = { 1, 1 } }, halve4 = { .stride = { 2, 2 }, .pad = { 1, 1 } }, point = { 0 };
static const pn_conv_opt mirror3 = { .pad = { 1, 1 }, .border = PN_BORDER_REFLECT };
static const pn_conv_opt double3 = { .stride = { 2, 2 }, .pad = { 1, 1 }, .output_pad = { 1, 1 } };

static const double eps = 1e-5, length_eps = 1e-6, spectral_eps = 1e-12;
static const double gate_slope = 0.2;
static const double assemble_sharpness = 0.1, assemble_start = -4;

/* ---- Making ------------------------------------------------------------------------------------------------------- */

/* What differs between the networks' blocks. gain: of the initial weights, beside He's. */
typedef struct { bool spectral, affine; double slope, gain; } look;
static const look plain = { false, true, 0.1, 1 }, parsing_look = { false, false, 0.2, 1 };
static const look matching = { .gain = 0.7 }, nothing = { .gain = 0 };

static const pn_init zero = { PN_INIT_CONSTANT, 0 };

static look spectral_if(bool wanted) { return (look){ wanted, true, 0.1, 1 }; }

static pn_init normal(double deviation) { return (pn_init){ PN_INIT_NORMAL, deviation }; }

static pn_tensor *param_at(const pn_scope *s, const char *name, pn_shape shape, pn_init init)
{
    char full[2 * PN_NAME_ROOM];
    snprintf(full, sizeof full, "%s%s", s->name, name);
    return pn_param(s->params, full, shape, init);
}

static pn_tensor *state_at(const pn_scope *s, const char *name, pn_shape shape, pn_init init)
{
    char full[2 * PN_NAME_ROOM];
    snprintf(full, sizeof full, "%s%s", s->name, name);
    return pn_state(s->params, full, shape, init);
}

static glocal_conv conv_any(const pn_scope *s, const char *name, const look *k, pn_shape shape, bool twice, pn_conv_opt opt)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    const ptrdiff_t out = shape.dim[twice ? 1 : 0], in = shape.dim[twice ? 0 : 1], taps = shape.dim[2] * shape.dim[3];
    const double fan = (double)(in * taps) / (twice ? 4 : 1);
    glocal_conv c = { .opt = opt, .twice = twice };
    c.weight = param_at(&at, k->spectral ? "weight_orig" : "weight", shape, normal(k->gain * sqrt(2 / (1.01 * fan))));
    c.bias = param_at(&at, "bias", pn_shape1(out), zero);
    if (!k->spectral) return c;
    c.u = state_at(&at, "weight_u", pn_shape1(out), (pn_init){ PN_INIT_UNIT, 0 });
    c.v = state_at(&at, "weight_v", pn_shape1(in * taps), (pn_init){ PN_INIT_UNIT, 0 });
    return c;
}

static glocal_conv conv_at(const pn_scope *s, const char *name, const look *k, int in, int out, int kernel, pn_conv_opt opt)
{
    return conv_any(s, name, k, pn_shape4(out, in, kernel, kernel), false, opt);
}

static glocal_conv twice_at(const pn_scope *s, const char *name, const look *k, int in, int out)
{
    return conv_any(s, name, k, pn_shape4(in, out, 3, 3), true, double3);
}

static pn_norm_layer norm_at(const pn_scope *s, const char *name, const look *k, int c)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return k->affine ? pn_norm_layer_make(&at, c) : (pn_norm_layer){ 0 };
}

static glocal_matrix matrix_at(const pn_scope *s, const char *name, int in, int out, bool bias)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    glocal_matrix m = { .weight = param_at(&at, "weight", pn_shape2(out, in), normal(1 / sqrt(in))) };
    if (bias) m.bias = param_at(&at, "bias", pn_shape1(out), zero);
    return m;
}

/* hidden: between its two convolutions */
static glocal_down down_make(const pn_scope *s, const look *k, int in, int hidden, int out, bool first)
{
    glocal_down b = { .slope = k->slope, .first = first };
    if (!first) b.norm1 = norm_at(s, "norm1", k, in);
    b.conv1 = conv_at(s, "conv1", k, in, hidden, 4, halve4);
    b.norm2 = norm_at(s, "norm2", k, hidden);
    b.conv2 = conv_at(s, "conv2", k, hidden, out, 3, same3);
    return b;
}

static glocal_res res_at(const pn_scope *s, const char *name, const look *k, int c)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    glocal_res b = { .slope = k->slope };
    b.norm1 = norm_at(&at, "norm1", k, c);
    b.conv1 = conv_at(&at, "conv1", k, c, c, 3, same3);
    b.norm2 = norm_at(&at, "norm2", k, c);
    b.conv2 = conv_at(&at, "conv2", k, c, c, 3, same3);
    return b;
}

static glocal_up up_make(const pn_scope *s, const look *k, int in, int hidden, int out)
{
    glocal_up b = { .slope = k->slope };
    b.norm1 = norm_at(s, "norm1", k, in);
    b.conv1 = conv_at(s, "conv1", k, in, hidden, 3, same3);
    b.norm2 = norm_at(s, "norm2", k, hidden);
    b.up = twice_at(s, "up", k, hidden, out);
    b.skip = twice_at(s, "skip", k, in, out);
    return b;
}

static glocal_out out_make(const pn_scope *s, const look *k, int in, int out)
{
    glocal_out b = { .slope = k->slope };
    b.norm = norm_at(s, "norm", k, in);
    b.conv = conv_at(s, "conv", k, in, out, 3, mirror3);
    return b;
}

static glocal_gated gated_make(const pn_scope *s, const look *k, int c)
{
    glocal_gated b;
    b.conv = conv_at(s, "conv", k, c, c, 3, same3);
    b.gate = conv_at(s, "gate", k, c, c, 3, same3);
    return b;
}

/* Widths from the input on; first_hidden inside the first block; up: as many steps as there are widths, ending in 0. */
typedef struct { int in, first_hidden, down[GLOCAL_DOWNS], up[GLOCAL_DOWNS + 1]; bool gated; } hourglass_widths;

static glocal_hourglass hourglass_make(const pn_scope *s, const look *k, const hourglass_widths *w)
{
    glocal_hourglass net = { .gates = w->gated ? GLOCAL_GATES : 0 };
    int in = w->in;
    for (int i = 0; i < GLOCAL_DOWNS; i++) {
        const pn_scope at = pn_scope_in(s, "down%d", i);
        net.down[i] = down_make(&at, k, in, i == 0 ? w->first_hidden : w->down[i], w->down[i], i == 0);
        in = w->down[i];
    }
    for (int i = 0; i < net.gates; i++) {
        const pn_scope at = pn_scope_in(s, "gate%d", i);
        net.gate[i] = gated_make(&at, k, in);
    }
    for (; w->up[net.ups]; net.ups++) {
        const pn_scope at = pn_scope_in(s, "up%d", net.ups);
        net.up[net.ups] = up_make(&at, k, in, w->up[net.ups], w->up[net.ups]);
        in = w->up[net.ups];
    }
    return net;
}

static glocal_parsing_net parsing_make(const pn_scope *s, int w)
{
    const hourglass_widths widths = { .in = GLOCAL_REGIONS + 2 * PN_JOINTS, .first_hidden = w,
                                      .down = { 2 * w, 4 * w, 8 * w, 16 * w }, .up = { 8 * w, 4 * w, 2 * w, w }, .gated = true };
    const pn_scope out = pn_scope_in(s, "out");
    glocal_parsing_net net = { .body = hourglass_make(s, &parsing_look, &widths) };
    net.out = out_make(&out, &parsing_look, w, GLOCAL_REGIONS);
    return net;
}

static glocal_hourglass to_cells_make(const pn_scope *s, const look *k, int in, int w, bool gated)
{
    const hourglass_widths widths = { .in = in, .first_hidden = 4 * w, .down = { 4 * w, 8 * w, 8 * w, 8 * w },
                                      .up = { 8 * w, 8 * w }, .gated = gated };
    return hourglass_make(s, k, &widths);
}

static glocal_ggr_net ggr_make(const pn_scope *s, const glocal_config *c)
{
    const int width = 8 * c->width;
    glocal_ggr_net net = { 0 };
    net.embed = param_at(s, "embed", pn_shape2(GLOCAL_NODES, width), normal(0.02));
    net.prior = param_at(s, "prior", pn_shape2(GLOCAL_NODES, GLOCAL_NODES), zero);
    net.mix = param_at(s, "mix", pn_shape1(1), zero);
    net.style = matrix_at(s, "style", width, width, true);
    net.out = matrix_at(s, "out", width, width, true);
    net.query = matrix_at(s, "query", width, width / 4, false);
    net.key = matrix_at(s, "key", width, width / 4, false);
    for (int i = 0; i < c->layers; i++) {
        static const char *const layer[] = { "layer0", "layer1", "layer2" }, *const norm[] = { "norm0", "norm1", "norm2" };
        net.layer[i] = matrix_at(s, layer[i], width, width, true);
        net.norm[i] = norm_at(s, norm[i], &plain, width);
    }
    return net;
}

static glocal_region_net region_make(const pn_scope *s, const glocal_config *c)
{
    const int width = 8 * c->width, hidden = 4 * c->width;
    const pn_scope code = pn_scope_in(s, "code");
    glocal_region_net net = { 0 };
    net.code.weight = param_at(&code, "weight", pn_shape3(GLOCAL_REGIONS, width, width), normal(sqrt(2.0 / width)));
    net.code.bias = param_at(&code, "bias", pn_shape2(GLOCAL_REGIONS, width), zero);
    net.gamma = conv_at(s, "gamma", &plain, width, width, 3, same3);
    net.beta = conv_at(s, "beta", &plain, width, width, 3, same3);
    net.res = res_at(s, "res", &plain, width);
    if (!c->spade) return net;
    net.spade_hidden = conv_at(s, "spade.hidden", &plain, GLOCAL_REGIONS, hidden, 3, same3);
    net.spade_gamma = conv_at(s, "spade.gamma", &plain, hidden, width, 3, same3);
    net.spade_beta = conv_at(s, "spade.beta", &plain, hidden, width, 3, same3);
    net.mix = param_at(s, "mix", pn_shape1(2), zero);
    return net;
}

static int structure_width(const glocal_config *c) { return c->features == GLOCAL_OWN ? 4 * c->width : 256 / c->vgg_narrow; }

/* VGG19 up to conv3_1, frozen: state of the generator, so that its files hold what they were trained with. */
static void vgg_make(const pn_scope *s, int narrow, glocal_conv vgg[GLOCAL_VGG])
{
    static const int width[GLOCAL_VGG] = { 64, 64, 128, 128, 256 }, index[GLOCAL_VGG] = { 0, 2, 5, 7, 10 };
    for (int i = 0, in = 3; i < GLOCAL_VGG; i++) {
        const pn_scope at = pn_scope_in(s, "features.%d", index[i]);
        const int out = width[i] / narrow;
        vgg[i].opt = same3;
        vgg[i].weight = state_at(&at, "weight", pn_shape4(out, in, 3, 3), (pn_init){ PN_INIT_ORTHOGONAL, sqrt(2) });
        vgg[i].bias = state_at(&at, "bias", pn_shape1(out), zero);
        in = out;
    }
}

static glocal_structure_net structure_make(const pn_scope *s, const glocal_config *c)
{
    const int w = c->width;
    const pn_scope down0 = pn_scope_in(s, "down0"), down1 = pn_scope_in(s, "down1"), vgg = pn_scope_in(s, "vgg19");
    glocal_structure_net net = { 0 };
    if (c->features == GLOCAL_VGG31) {
        vgg_make(&vgg, c->vgg_narrow, net.vgg);
        return net;
    }
    net.down[0] = down_make(&down0, &plain, 3, 2 * w, 2 * w, true);
    net.down[1] = down_make(&down1, &plain, 2 * w, 4 * w, 4 * w, false);
    return net;
}

static glocal_match_net match_make(const pn_scope *s, const glocal_config *c)
{
    const int more = GLOCAL_REGIONS + PN_JOINTS + 3, w = c->width;
    glocal_match_net net;
    net.key = conv_at(s, "key", &matching, structure_width(c) + more, 4 * w, 1, point);
    net.query = conv_at(s, "query", &matching, 8 * w + more, 4 * w, 1, point);
    return net;
}

/* One channel, no bias. */
static glocal_conv carried_at(const pn_scope *s, const char *name, int in)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return (glocal_conv){ .weight = param_at(&at, "weight", pn_shape4(1, in, 1, 1), zero) };
}

static glocal_lst_net lst_make(const pn_scope *s, const glocal_config *c)
{
    const int offsets = c->window * c->window - 1, hidden = 2 * c->width, width = 8 * c->width;
    glocal_lst_net net = { 0 };
    if (c->lst == GLOCAL_MOD || c->lst == GLOCAL_ASSEMBLE) net.hidden = conv_at(s, "hidden", &plain, offsets, hidden, 3, same3);
    if (c->lst == GLOCAL_MOD) {
        net.gamma = conv_at(s, "gamma", &nothing, hidden, width, 3, same3);
        net.beta = conv_at(s, "beta", &nothing, hidden, width, 3, same3);
    } else if (c->lst == GLOCAL_ASSEMBLE) {
        const pn_scope at = pn_scope_in(s, "gate");
        net.gate.weight = param_at(&at, "weight", pn_shape4(1, hidden, 1, 1), normal(sqrt(2 / (1.01 * hidden))));
        net.gate.bias = param_at(&at, "bias", pn_shape1(1), (pn_init){ PN_INIT_CONSTANT, assemble_start });
    } else if (c->lst == GLOCAL_POINT) {
        net.gamma = carried_at(s, "gamma", structure_width(c));
        net.beta = carried_at(s, "beta", structure_width(c));
    }
    net.res = res_at(s, "res", &plain, width);
    return net;
}

static glocal_decoder_net decoder_make(const pn_scope *s, const look *k, int w)
{
    const pn_scope up0 = pn_scope_in(s, "up0"), up1 = pn_scope_in(s, "up1"), out = pn_scope_in(s, "out");
    glocal_decoder_net net;
    net.up0 = up_make(&up0, k, 8 * w, 8 * w, 4 * w);
    net.res0 = res_at(s, "res0", k, 4 * w);
    net.up1 = up_make(&up1, k, 4 * w, 4 * w, 2 * w);
    net.res1 = res_at(s, "res1", k, 2 * w);
    net.out = out_make(&out, k, 2 * w, 3);
    return net;
}

glocal_generator_net glocal_generator_make(const pn_scope *s, const glocal_config *c)
{
    const int w = c->width;
    const look sn = spectral_if(c->spectral);
    const pn_scope parsing = pn_scope_in(s, "parsing"), style = pn_scope_in(s, "style"), content = pn_scope_in(s, "content");
    const pn_scope ggr = pn_scope_in(s, "ggr"), region = pn_scope_in(s, "region"), structure = pn_scope_in(s, "structure");
    const pn_scope match = pn_scope_in(s, "match"), lst = pn_scope_in(s, "lst"), decoder = pn_scope_in(s, "decoder");
    glocal_generator_net net = { .config = *c };
    if (c->task != GLOCAL_INPAINT) net.parsing = parsing_make(&parsing, w);
    net.style.body = to_cells_make(&style, &sn, 3 + 1, w, false);
    net.style.code = conv_at(&style, "code", &sn, 8 * w, 8 * w, 1, point);
    net.content = to_cells_make(&content, &sn, 2 * GLOCAL_REGIONS + PN_JOINTS + 3 + 1, w, true);
    net.ggr = ggr_make(&ggr, c);
    net.region = region_make(&region, c);
    if (c->lst != GLOCAL_NO_LST) {
        net.structure = structure_make(&structure, c);
        net.match = match_make(&match, c);
    }
    net.lst = lst_make(&lst, c);
    net.decoder = decoder_make(&decoder, &sn, w);
    return net;
}

glocal_discriminator_net glocal_discriminator_make(const pn_scope *s, const glocal_config *c)
{
    const int w = c->width, out[GLOCAL_DOWNS] = { w, 2 * w, 4 * w, 4 * w }, hidden[GLOCAL_DOWNS] = { w, w, 2 * w, 4 * w };
    const look sn = spectral_if(true);
    glocal_discriminator_net d;
    int in = 3;
    for (int i = 0; i < GLOCAL_DOWNS; i++) {
        const pn_scope at = pn_scope_in(s, "down%d", i);
        d.down[i].first = i == 0;
        d.down[i].conv1 = conv_at(&at, "conv1", &sn, in, hidden[i], 3, same3);
        d.down[i].conv2 = conv_at(&at, "conv2", &sn, hidden[i], out[i], 4, halve4);
        d.down[i].skip = conv_at(&at, "skip", &sn, in, out[i], 1, point);
        in = out[i];
    }
    d.out = conv_at(s, "out", &sn, in, 1, 1, point);
    return d;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------- */

static const int swapped[] = { 1, 0, 2, 3 };

/* W over its largest singular value; a transposed convolution's rows are its output channels too. */
static pn_tensor *normalised(pn_graph *g, const glocal_conv *c)
{
    if (!c->u) return c->weight;
    if (!c->twice) return pn_spectral_norm(g, c->weight, c->u, c->v, spectral_eps);
    pn_tensor *rows = pn_transpose(g, c->weight, swapped);
    rows = pn_spectral_norm(g, rows, c->u, c->v, spectral_eps);
    return pn_transpose(g, rows, swapped);
}

static pn_tensor *conv(pn_graph *g, const glocal_conv *c, pn_tensor *x)
{
    pn_tensor *w = normalised(g, c);
    return c->twice ? pn_conv_transpose2d(g, x, w, c->bias, &c->opt) : pn_conv2d(g, x, w, c->bias, &c->opt);
}

static pn_tensor *norm_act(pn_graph *g, const pn_norm_layer *norm, double slope, pn_tensor *x)
{
    x = pn_instance_norm(g, x, norm->weight, norm->bias, eps);
    return pn_leaky_relu(g, x, slope);
}

static pn_tensor *down(pn_graph *g, const glocal_down *b, pn_tensor *x)
{
    if (!b->first) x = norm_act(g, &b->norm1, b->slope, x);
    x = conv(g, &b->conv1, x);
    x = norm_act(g, &b->norm2, b->slope, x);
    return conv(g, &b->conv2, x);
}

static pn_tensor *res(pn_graph *g, const glocal_res *b, pn_tensor *x)
{
    pn_tensor *h = down(g, b, x);                       /* the same four layers, at one size */
    return pn_add(g, h, x);
}

static pn_tensor *up(pn_graph *g, const glocal_up *b, pn_tensor *x)
{
    pn_tensor *h = norm_act(g, &b->norm1, b->slope, x);
    h = conv(g, &b->conv1, h);
    h = norm_act(g, &b->norm2, b->slope, h);
    h = conv(g, &b->up, h);
    pn_tensor *skip = conv(g, &b->skip, x);
    return pn_add(g, h, skip);
}

/* Gated convolution (Yu et al. 2019): where the gate is shut, nothing passes. */
static pn_tensor *gated(pn_graph *g, const glocal_gated *b, pn_tensor *x)
{
    pn_tensor *h = conv(g, &b->conv, x);
    h = pn_leaky_relu(g, h, gate_slope);
    pn_tensor *open = conv(g, &b->gate, x);
    open = pn_sigmoid(g, open);
    h = pn_mul(g, h, open);
    return pn_instance_norm(g, h, NULL, NULL, eps);
}

static pn_tensor *out_of(pn_graph *g, const glocal_out *b, pn_tensor *x)
{
    x = norm_act(g, &b->norm, b->slope, x);
    return conv(g, &b->conv, x);
}

static pn_tensor *hourglass(pn_graph *g, const glocal_hourglass *net, pn_tensor *x)
{
    for (int i = 0; i < GLOCAL_DOWNS; i++) x = down(g, &net->down[i], x);
    for (int i = 0; i < net->gates; i++) x = gated(g, &net->gate[i], x);
    for (int i = 0; i < net->ups; i++) x = up(g, &net->up[i], x);
    return x;
}

static pn_tensor *cells_of(pn_graph *g, pn_tensor *map)
{
    static const pn_pool_opt cell = { .kernel = { GLOCAL_CELL, GLOCAL_CELL } };
    return pn_avg_pool2d(g, map, cell);
}

/* ---- Parsing generator: the target's layout -------------------------------------------------------------------------- */

pn_tensor *glocal_parse(pn_graph *g, const glocal_generator_net *net, const glocal_input *in)
{
    pn_block(g, "parsing");
    pn_tensor *x = pn_concat(g, (pn_tensor *[]){ in->layout, in->pose_source, in->pose_target }, 3, 1);
    x = hourglass(g, &net->parsing.body, x);
    return out_of(g, &net->parsing.out, x);
}

pn_tensor *glocal_soft(pn_graph *g, glocal_head head, pn_tensor *z)
{
    if (head == GLOCAL_LOGITS) return pn_softmax(g, z, 1);
    pn_tensor *t = pn_tanh(g, z);
    return pn_affine(g, t, 0.5, 0.5);
}

/* Two softmaxes so sharp that one weight is 1 and the others 0: the first leaves only exact ties, which share; the second
 * gives those to the lowest region. */
pn_tensor *glocal_hard(pn_graph *g, pn_tensor *z, pn_tensor *order)
{
    enum { SHARP = 1000000 };
    pn_tensor *h = pn_affine(g, z, 1e20, 0);
    h = pn_softmax(g, h, 1);
    h = pn_affine(g, h, SHARP, 0);
    h = pn_add(g, h, order);
    return pn_softmax(g, h, 1);
}

/* ---- Style codes of regions ------------------------------------------------------------------------------------------ */

pn_tensor *glocal_codes(pn_graph *g, const glocal_generator_net *net, pn_tensor *seen, pn_tensor *hole, pn_tensor *regions)
{
    pn_block(g, "style");
    pn_tensor *known = pn_affine(g, hole, -1, 1);
    pn_tensor *x = pn_concat(g, (pn_tensor *[]){ seen, known }, 2, 1);
    x = hourglass(g, &net->style.body, x);
    x = conv(g, &net->style.code, x);
    x = pn_tanh(g, x);
    return pn_region_pool(g, x, regions, 1);
}

/* ---- GGR: reasoning over the regions' codes ---------------------------------------------------------------------------- */

/* prior (visible h): GloRe's learned mixing of nodes, from which invisible ones are left out */
static pn_tensor *mixed_by_prior(pn_graph *g, const glocal_ggr_net *net, pn_tensor *h, pn_tensor *visible)
{
    static const int nodes_last[] = { 0, 2, 1 };
    h = pn_mul(g, h, visible);
    h = pn_transpose(g, h, nodes_last);
    h = pn_linear(g, h, net->prior, NULL);
    return pn_transpose(g, h, nodes_last);
}

static pn_tensor *message(pn_graph *g, const glocal_generator_net *net, int layer, pn_tensor *h, pn_tensor *visible)
{
    const glocal_ggr_net *n = &net->ggr;
    const glocal_matrix *w = &n->layer[layer];
    const pn_shape s = pn_tensor_shape(h);
    pn_tensor *seen = pn_reshape(g, visible, pn_shape2(s.dim[0], s.dim[1])), *m = NULL;
    switch (net->config.graph) {
    case GLOCAL_ALONE:
        m = pn_linear(g, h, w->weight, w->bias);
        break;
    case GLOCAL_STATIC: {
        pn_tensor *a = pn_graph_normalise(g, n->prior, seen);
        m = pn_graph_conv(g, h, a, w->weight, w->bias);
        break;
    }
    case GLOCAL_GLORE:
        m = mixed_by_prior(g, n, h, visible);
        m = pn_add(g, m, h);
        m = pn_relu(g, m);
        return pn_linear(g, m, w->weight, w->bias);
    case GLOCAL_ATTENTION: {
        pn_tensor *q = pn_linear(g, h, n->query.weight, NULL);
        pn_tensor *k = pn_linear(g, h, n->key.weight, NULL);
        pn_tensor *a = pn_graph_attention(g, q, k, n->prior, seen);
        m = pn_graph_conv(g, h, a, w->weight, w->bias);
        break;
    }
    }
    return pn_relu(g, m);
}

/* codes [N,9,C], of invisible nodes 0  visible [N,9,1]  returns what the graph proposes for every region, [N,8,C] */
static pn_tensor *reason(pn_graph *g, const glocal_generator_net *net, pn_tensor *codes, pn_tensor *visible)
{
    const glocal_ggr_net *n = &net->ggr;
    const ptrdiff_t width = pn_tensor_shape(codes).dim[2];
    pn_tensor *h = pn_linear(g, codes, n->style.weight, n->style.bias);
    h = pn_mul(g, h, visible);
    pn_tensor *embed = pn_reshape(g, n->embed, pn_shape3(1, GLOCAL_NODES, width));
    h = pn_add(g, h, embed);
    for (int i = 0; i < net->config.layers; i++) {
        pn_tensor *m = message(g, net, i, h, visible);
        m = pn_add(g, m, h);
        h = pn_layer_norm(g, m, n->norm[i].weight, n->norm[i].bias, 1, eps);
    }
    h = pn_slice(g, h, 1, 0, GLOCAL_REGIONS);
    h = pn_linear(g, h, n->out.weight, n->out.bias);
    return pn_tanh(g, h);
}

/* s^ = v (s + a r) + (1 - v) r; without the graph 0 or the whole picture's code stand for r. */
static void fill_in(pn_graph *g, const glocal_generator_net *net, const glocal_input *in, glocal_output *out)
{
    pn_block(g, "ggr");
    pn_tensor *codes = pn_mul(g, out->codes, in->visible);
    pn_tensor *s = pn_slice(g, codes, 1, 0, GLOCAL_REGIONS);
    out->filled = s;
    if (net->config.rule == GLOCAL_ZERO) return;
    pn_tensor *v = pn_slice(g, in->visible, 1, 0, GLOCAL_REGIONS);
    pn_tensor *missing = pn_affine(g, v, -1, 1);
    if (net->config.rule == GLOCAL_GLOBAL) {
        pn_tensor *whole = pn_slice(g, codes, 1, GLOCAL_REGIONS, GLOCAL_NODES);
        whole = pn_matmul(g, missing, whole, PN_AS_IS);
        out->filled = pn_add(g, s, whole);
        return;
    }
    pn_tensor *r = out->proposed = reason(g, net, codes, in->visible);
    pn_tensor *a = pn_reshape(g, net->ggr.mix, pn_shape3(1, 1, 1));
    pn_tensor *shown = pn_mul(g, r, a);
    shown = pn_add(g, shown, s);
    shown = pn_mul(g, shown, v);
    pn_tensor *hidden = pn_mul(g, r, missing);
    out->filled = pn_add(g, shown, hidden);
}

/* ---- Region-adaptive normalisation ------------------------------------------------------------------------------------- */

/* x (1 + gamma) + beta */
static pn_tensor *modulate(pn_graph *g, pn_tensor *x, pn_tensor *gamma, pn_tensor *beta)
{
    pn_tensor *scale = pn_affine(g, gamma, 1, 1);
    x = pn_mul(g, x, scale);
    return pn_add(g, x, beta);
}

/* sigma(t_i) own + (1 - sigma(t_i)) of the layout's */
static pn_tensor *blend(pn_graph *g, const glocal_region_net *net, int i, pn_tensor *own, pn_tensor *layouts)
{
    pn_tensor *t = pn_slice(g, net->mix, 0, i, i + 1);
    t = pn_sigmoid(g, t);
    t = pn_reshape(g, t, pn_shape4(1, 1, 1, 1));
    pn_tensor *rest = pn_affine(g, t, -1, 1);
    own = pn_mul(g, own, t);
    layouts = pn_mul(g, layouts, rest);
    return pn_add(g, own, layouts);
}

static pn_tensor *region_norm(pn_graph *g, const glocal_generator_net *net, pn_tensor *x0, pn_tensor *codes, pn_tensor *pi)
{
    const glocal_region_net *n = &net->region;
    pn_block(g, "region");
    pn_tensor *m = pn_grouped_linear(g, codes, n->code.weight, n->code.bias);
    m = pn_relu(g, m);
    m = pn_region_spread(g, m, pi);
    pn_tensor *gamma = conv(g, &n->gamma, m);
    pn_tensor *beta = conv(g, &n->beta, m);
    if (net->config.spade) {
        pn_tensor *z = conv(g, &n->spade_hidden, pi);
        z = pn_relu(g, z);
        pn_tensor *gamma2 = conv(g, &n->spade_gamma, z);
        pn_tensor *beta2 = conv(g, &n->spade_beta, z);
        gamma = blend(g, n, 0, gamma, gamma2);
        beta = blend(g, n, 1, beta, beta2);
    }
    pn_tensor *x = pn_instance_norm(g, x0, NULL, NULL, eps);
    x = modulate(g, x, gamma, beta);
    return res(g, &n->res, x);
}

/* ---- Correspondence ---------------------------------------------------------------------------------------------------- */

pn_tensor *glocal_imagenet(pn_graph *g, pn_tensor *picture)
{
    static const double mean[3] = { 0.485, 0.456, 0.406 }, deviation[3] = { 0.229, 0.224, 0.225 };
    pn_tensor *c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = pn_slice(g, picture, 1, i, i + 1);
        c[i] = pn_affine(g, c[i], 0.5 / deviation[i], (0.5 - mean[i]) / deviation[i]);
    }
    return pn_concat(g, c, 3, 1);
}

static pn_tensor *vgg31(pn_graph *g, const glocal_conv vgg[GLOCAL_VGG], pn_tensor *picture)
{
    static const pn_pool_opt halve = { .kernel = { 2, 2 } };
    pn_tensor *x = glocal_imagenet(g, picture);
    for (int i = 0; i < GLOCAL_VGG; i++) {
        if (i == 2 || i == 4) x = pn_max_pool2d(g, x, halve);
        x = conv(g, &vgg[i], x);
        x = pn_relu(g, x);
    }
    return x;
}

static pn_tensor *structure_features(pn_graph *g, const glocal_generator_net *net, pn_tensor *seen)
{
    pn_block(g, "structure");
    if (net->config.features == GLOCAL_VGG31) return vgg31(g, net->structure.vgg, seen);
    pn_tensor *f = down(g, &net->structure.down[0], seen);
    return down(g, &net->structure.down[1], f);
}

/* What keys and queries are compared by: unit length, no mean, so that their product is a correlation. */
static pn_tensor *embed(pn_graph *g, const glocal_generator_net *net, const glocal_conv *c, pn_tensor *const maps[4])
{
    pn_tensor *x = pn_concat(g, maps, 4, 1);
    x = conv(g, c, x);
    if (net->config.match_kernel > 1) x = pn_unfold(g, x, net->config.match_kernel);
    return pn_unit_channels(g, x, PN_CENTRED, length_eps);
}

/* ---- LST: local structure of the source, carried to the target ------------------------------------------------------------ */

/* Everything that the correspondence carries goes through it at once. values: n maps of the source */
static pn_tensor *carry(pn_graph *g, const glocal_generator_net *net, const glocal_input *in, pn_tensor *x1, pn_tensor *pi,
                        pn_tensor *f, pn_tensor *values)
{
    pn_block(g, "match");
    pn_tensor *layout = cells_of(g, in->layout);
    pn_tensor *pose_source = cells_of(g, in->pose_source);
    pn_tensor *pose_target = cells_of(g, in->pose_target);
    pn_tensor *key = embed(g, net, &net->match.key, (pn_tensor *[]){ f, layout, pose_source, in->where });
    pn_tensor *query = embed(g, net, &net->match.query, (pn_tensor *[]){ x1, pi, pose_target, in->where });
    return pn_correspondence(g, query, key, values, in->temperature, in->valid);
}

static pn_tensor *structure_hidden(pn_graph *g, const glocal_lst_net *n, pn_tensor *structure)
{
    pn_tensor *z = conv(g, &n->hidden, structure);
    return pn_relu(g, z);
}

/* The window's mean, weighted by how alike its cells are in the source. */
static pn_tensor *assemble(pn_graph *g, const glocal_generator_net *net, pn_tensor *x1, pn_tensor *structure, pn_tensor *gain)
{
    const int offsets = net->config.window * net->config.window - 1;
    pn_tensor *z = structure_hidden(g, &net->lst, structure);
    z = conv(g, &net->lst.gate, z);
    z = pn_sigmoid(g, z);
    pn_tensor *m = pn_mul(g, z, gain);
    pn_tensor *before = pn_slice(g, structure, 1, 0, offsets / 2);
    pn_tensor *after = pn_slice(g, structure, 1, offsets / 2, offsets);
    pn_tensor *centre = pn_slice(g, structure, 1, 0, 1);
    centre = pn_affine(g, centre, 0, 1);
    pn_tensor *w = pn_concat(g, (pn_tensor *[]){ before, centre, after }, 3, 1);
    w = pn_affine(g, w, 1 / assemble_sharpness, 0);
    w = pn_softmax(g, w, 1);
    pn_tensor *mean = pn_window_sum(g, x1, w);
    return pn_lerp(g, x1, mean, m);
}

static pn_tensor *gained(pn_graph *g, const glocal_conv *c, pn_tensor *z, pn_tensor *gain)
{
    z = conv(g, c, z);
    return pn_mul(g, z, gain);
}

static pn_tensor *regain(pn_graph *g, const glocal_generator_net *net, pn_tensor *x1, pn_tensor *structure, pn_tensor *gain)
{
    if (net->config.lst == GLOCAL_ASSEMBLE) return assemble(g, net, x1, structure, gain);
    pn_tensor *z = structure_hidden(g, &net->lst, structure);
    pn_tensor *gamma = gained(g, &net->lst.gamma, z, gain);
    pn_tensor *beta = gained(g, &net->lst.beta, z, gain);
    return modulate(g, x1, gamma, beta);
}

/* What is carried to make X2 from X1: local structure, or the point by point gain and shift of earlier work. */
static pn_tensor *carried_values(pn_graph *g, const glocal_generator_net *net, pn_tensor *f)
{
    pn_block(g, "lst");
    if (net->config.lst == GLOCAL_POINT) {
        pn_tensor *gamma = conv(g, &net->lst.gamma, f);
        pn_tensor *beta = conv(g, &net->lst.beta, f);
        return pn_concat(g, (pn_tensor *[]){ gamma, beta }, 2, 1);
    }
    pn_tensor *unit = pn_unit_channels(g, f, PN_RAW, length_eps);
    return pn_self_correlation(g, unit, net->config.window);
}

static void transfer(pn_graph *g, const glocal_generator_net *net, const glocal_input *in, pn_tensor *pi, glocal_output *out)
{
    pn_tensor *f = structure_features(g, net, in->seen);
    pn_tensor *own = carried_values(g, net, f);
    const ptrdiff_t n = pn_tensor_shape(own).rank ? pn_tensor_shape(own).dim[1] : 0;
    pn_tensor *values = pn_concat(g, (pn_tensor *[]){ own, in->colours }, 2, 1);
    pn_tensor *carried = carry(g, net, in, out->x1, pi, f, values);
    pn_block(g, "lst");
    out->peak = pn_saved_of(g, carried, 2);
    out->warped = pn_slice(g, carried, 1, n, n + 3);
    pn_tensor *x;
    if (net->config.lst == GLOCAL_POINT) {
        pn_tensor *gamma = pn_slice(g, carried, 1, 0, 1);
        pn_tensor *beta = pn_slice(g, carried, 1, 1, 2);
        gamma = pn_mul(g, gamma, in->gain);
        beta = pn_mul(g, beta, in->gain);
        x = modulate(g, out->x1, gamma, beta);
    } else {
        out->structure = pn_slice(g, carried, 1, 0, n);
        x = regain(g, net, out->x1, out->structure, in->gain);
    }
    out->x2 = res(g, &net->lst.res, x);
}

/* ---- The generator --------------------------------------------------------------------------------------------------------- */

static pn_tensor *decode(pn_graph *g, const glocal_decoder_net *d, pn_tensor *x)
{
    pn_block(g, "decoder");
    x = up(g, &d->up0, x);
    x = res(g, &d->res0, x);
    x = up(g, &d->up1, x);
    x = res(g, &d->res1, x);
    x = out_of(g, &d->out, x);
    return pn_tanh(g, x);
}

glocal_output glocal_generator(pn_graph *g, const glocal_generator_net *net, const glocal_input *in, pn_tensor *layout)
{
    glocal_output out = { .codes = glocal_codes(g, net, in->seen, in->hole, in->regions) };
    fill_in(g, net, in, &out);
    pn_block(g, "content");
    pn_tensor *x = pn_concat(g, (pn_tensor *[]){ in->layout, layout, in->pose_target, in->seen, in->hole }, 5, 1);
    out.x0 = hourglass(g, &net->content, x);
    pn_tensor *pi = cells_of(g, layout);
    out.x1 = region_norm(g, net, out.x0, out.filled, pi);
    if (net->config.lst != GLOCAL_NO_LST) {
        transfer(g, net, in, pi, &out);
    } else {
        pn_block(g, "lst");
        out.x2 = res(g, &net->lst.res, out.x1);
    }
    out.image = decode(g, &net->decoder, out.x2);
    pn_block(g, NULL);
    return out;
}

glocal_input glocal_inputs(pn_graph *g, const glocal_config *c, pn_shape image, glocal_reads reads)
{
    const ptrdiff_t n = image.dim[0], height = image.dim[2], width = image.dim[3], h = height / GLOCAL_CELL, w = width / GLOCAL_CELL;
    const pn_shape pose = pn_shape4(n, PN_JOINTS, height, width), cells = pn_shape4(n, 3, h, w);
    glocal_input in = { 0 };
    in.layout = pn_input(g, "layout", pn_shape4(n, GLOCAL_REGIONS, height, width), PN_CONST);
    in.pose_target = pn_input(g, "pose_target", pose, PN_CONST);
    if (reads != GLOCAL_TO_GENERATE || c->lst != GLOCAL_NO_LST) in.pose_source = pn_input(g, "pose_source", pose, PN_CONST);
    if (reads == GLOCAL_TO_PARSE) return in;
    in.seen = pn_input(g, "source", image, PN_CONST);
    in.hole = pn_input(g, "hole", pn_shape4(n, 1, height, width), PN_CONST);
    in.regions = pn_input(g, "regions", pn_shape4(n, GLOCAL_NODES, h, w), PN_CONST);
    in.visible = pn_input(g, "visible", pn_shape3(n, GLOCAL_NODES, 1), PN_CONST);
    if (c->lst == GLOCAL_NO_LST) return in;
    in.valid = pn_input(g, "valid", pn_shape4(n, 1, h, w), PN_CONST);
    in.gain = pn_input(g, "gain", pn_shape4(n, 1, 1, 1), PN_CONST);
    in.colours = pn_input(g, "colours", cells, PN_CONST);
    in.where = pn_input(g, "where", cells, PN_CONST);
    in.temperature = pn_input(g, "temperature", pn_shape1(1), PN_CONST);
    return in;
}

/* ---- The discriminator: residual blocks without norm ------------------------------------------------------------------------ */

static void normalise_once(pn_graph *g, glocal_conv *c)
{
    c->weight = normalised(g, c);
    c->u = c->v = NULL;
}

glocal_discriminator_net glocal_discriminator_normalised(pn_graph *g, const glocal_discriminator_net *d)
{
    glocal_discriminator_net ready = *d;
    for (int i = 0; i < GLOCAL_DOWNS; i++) {
        normalise_once(g, &ready.down[i].conv1);
        normalise_once(g, &ready.down[i].conv2);
        normalise_once(g, &ready.down[i].skip);
    }
    normalise_once(g, &ready.out);
    return ready;
}

static pn_tensor *d_block(pn_graph *g, const glocal_d_block *b, pn_tensor *x)
{
    static const pn_pool_opt halve = { .kernel = { 2, 2 } };
    pn_tensor *h = b->first ? x : pn_leaky_relu(g, x, plain.slope);
    h = conv(g, &b->conv1, h);
    h = pn_leaky_relu(g, h, plain.slope);
    h = conv(g, &b->conv2, h);
    pn_tensor *skip = pn_avg_pool2d(g, x, halve);
    skip = conv(g, &b->skip, skip);
    return pn_add(g, h, skip);
}

glocal_judgement glocal_discriminator(pn_graph *g, const glocal_discriminator_net *ready, pn_tensor *image)
{
    glocal_judgement j;
    pn_tensor *x = image;
    for (int i = 0; i < GLOCAL_DOWNS; i++) x = j.block[i] = d_block(g, &ready->down[i], x);
    x = pn_leaky_relu(g, x, plain.slope);
    j.score = conv(g, &ready->out, x);
    return j;
}

/* ---- Spectral norms by themselves ----------------------------------------------------------------------------------------------- */

static void settle(pn_graph *g, const glocal_conv *c)
{
    if (!c->u) return;
    pn_tensor *w = normalised(g, c);
    pn_output(g, pn_mean(g, w, PN_ALL_AXES, PN_DROP_AXES), PN_CONST);
}

static void settle_all(pn_graph *g, const glocal_conv *const c[], int n)
{
    for (int i = 0; i < n; i++) settle(g, c[i]);
}

static void settle_up(pn_graph *g, const glocal_up *b)
{
    settle_all(g, (const glocal_conv *[]){ &b->conv1, &b->up, &b->skip }, 3);
}

static void settle_hourglass(pn_graph *g, const glocal_hourglass *net)
{
    for (int i = 0; i < GLOCAL_DOWNS; i++) settle_all(g, (const glocal_conv *[]){ &net->down[i].conv1, &net->down[i].conv2 }, 2);
    for (int i = 0; i < net->gates; i++) settle_all(g, (const glocal_conv *[]){ &net->gate[i].conv, &net->gate[i].gate }, 2);
    for (int i = 0; i < net->ups; i++) settle_up(g, &net->up[i]);
}

void glocal_norms(pn_graph *g, const glocal_generator_net *net, const glocal_discriminator_net *d)
{
    const glocal_decoder_net *dec = &net->decoder;
    settle_hourglass(g, &net->style.body);
    settle_hourglass(g, &net->content);
    settle_up(g, &dec->up0);
    settle_up(g, &dec->up1);
    settle_all(g, (const glocal_conv *[]){ &net->style.code, &dec->res0.conv1, &dec->res0.conv2, &dec->res1.conv1, &dec->res1.conv2,
                                           &dec->out.conv }, 6);
    for (int i = 0; i < GLOCAL_DOWNS; i++)
        settle_all(g, (const glocal_conv *[]){ &d->down[i].conv1, &d->down[i].conv2, &d->down[i].skip }, 3);
    settle(g, &d->out);
}
