/* models/glocal/make.c - the networks' parameters: names, shapes, initial values */
#include "glocal.h"

#include <math.h>
#include <stdio.h>

static const pn_conv_opt same3 = { .pad = { 1, 1 } }, halve4 = { .stride = { 2, 2 }, .pad = { 1, 1 } }, point = { 0 };
static const pn_conv_opt mirror3 = { .pad = { 1, 1 }, .border = PN_BORDER_REFLECT };

static const double assemble_start = -4; /* a gate nearly shut */

/* ---- Making ------------------------------------------------------------------------------------------------------- */

/* Weights start as He's (leaky relu 0.1), times this where it says so. */
static const double he = 1.4071950894605838, match_start = 0.7; /* sqrt(2 / 1.01) */
static const pn_block_look plain = { .affine = true, .slope = 0.1 }, parsing_look = { .slope = 0.2 };
static const pn_init zero = { PN_INIT_CONSTANT, 0 };

static pn_block_look spectral_if(bool wanted) { return (pn_block_look){ true, wanted, 0.1 }; }

static pn_init normal(double deviation) { return (pn_init){ PN_INIT_NORMAL, deviation }; }

static pn_scope started_with(const pn_scope *s, pn_init weights)
{
    pn_scope other = *s;
    other.weights = weights;
    return other;
}

static glocal_matrix matrix_at(const pn_scope *s, const char *name, int in, int out, bool bias)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    glocal_matrix m = { .weight = pn_scope_param(&at, "weight", pn_shape2(out, in), normal(1 / sqrt(in))) };
    if (bias) m.bias = pn_scope_param(&at, "bias", pn_shape1(out), zero);
    return m;
}

static pn_res_block res_at(const pn_scope *s, pn_block_look look, const char *name, int c)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return pn_res_block_make(&at, look, c);
}

static glocal_out out_make(const pn_scope *s, pn_block_look k, int in, int out)
{
    glocal_out b = { .slope = k.slope };
    b.norm = k.affine ? pn_norm_layer_at(s, "norm", in) : (pn_norm_layer){ 0 };
    b.conv = pn_block_conv_at(s, k, "conv", in, out, 3, mirror3);
    return b;
}

static glocal_gated gated_make(const pn_scope *s, pn_block_look k, int c)
{
    glocal_gated b;
    b.conv = pn_block_conv_at(s, k, "conv", c, c, 3, same3);
    b.gate = pn_block_conv_at(s, k, "gate", c, c, 3, same3);
    return b;
}

/* Widths from the input on; first_hidden inside the first block; up: as many steps as there are widths, ending in 0. */
typedef struct {
    int in, first_hidden, down[GLOCAL_DOWNS], up[GLOCAL_DOWNS + 1];
    bool gated;
} hourglass_widths;

static glocal_hourglass hourglass_make(const pn_scope *s, pn_block_look k, const hourglass_widths *w)
{
    glocal_hourglass net = { .gates = w->gated ? GLOCAL_GATES : 0 };
    int in = w->in;
    for (int i = 0; i < GLOCAL_DOWNS; i++) {
        const pn_scope at = pn_scope_in(s, "down%d", i);
        net.down[i] = pn_down_block_make(&at, k, in, i == 0 ? w->first_hidden : w->down[i], w->down[i], i == 0);
        in = w->down[i];
    }
    for (int i = 0; i < net.gates; i++) {
        const pn_scope at = pn_scope_in(s, "gate%d", i);
        net.gate[i] = gated_make(&at, k, in);
    }
    for (; w->up[net.ups]; net.ups++) {
        const pn_scope at = pn_scope_in(s, "up%d", net.ups);
        net.up[net.ups] = pn_up_block_make(&at, k, in, w->up[net.ups], w->up[net.ups]);
        in = w->up[net.ups];
    }
    return net;
}

static glocal_parsing_net parsing_make(const pn_scope *s, int w)
{
    const hourglass_widths widths = { .in = GLOCAL_REGIONS + 2 * PN_JOINTS,
                                      .first_hidden = w,
                                      .down = { 2 * w, 4 * w, 8 * w, 16 * w },
                                      .up = { 8 * w, 4 * w, 2 * w, w },
                                      .gated = true };
    const pn_scope out = pn_scope_in(s, "out");
    glocal_parsing_net net = { .body = hourglass_make(s, parsing_look, &widths) };
    net.out = out_make(&out, parsing_look, w, GLOCAL_REGIONS);
    return net;
}

static glocal_hourglass to_cells_make(const pn_scope *s, pn_block_look k, int in, int w, bool gated)
{
    const hourglass_widths widths = {
        .in = in, .first_hidden = 4 * w, .down = { 4 * w, 8 * w, 8 * w, 8 * w }, .up = { 8 * w, 8 * w }, .gated = gated
    };
    return hourglass_make(s, k, &widths);
}

static glocal_ggr_net ggr_make(const pn_scope *s, const glocal_config *c)
{
    const int width = 8 * c->width;
    glocal_ggr_net net = { 0 };
    net.embed = pn_scope_param(s, "embed", pn_shape2(GLOCAL_NODES, width), normal(0.02));
    net.prior = pn_scope_param(s, "prior", pn_shape2(GLOCAL_NODES, GLOCAL_NODES), zero);
    net.mix = pn_scope_param(s, "mix", pn_shape1(1), zero);
    net.style = matrix_at(s, "style", width, width, true);
    net.out = matrix_at(s, "out", width, width, true);
    net.query = matrix_at(s, "query", width, width / 4, false);
    net.key = matrix_at(s, "key", width, width / 4, false);
    for (int i = 0; i < c->layers; i++) {
        static const char *const layer[] = { "layer0", "layer1", "layer2" }, *const norm[] = { "norm0", "norm1",
                                                                                               "norm2" };
        net.layer[i] = matrix_at(s, layer[i], width, width, true);
        net.norm[i] = pn_norm_layer_at(s, norm[i], width);
    }
    return net;
}

static glocal_region_net region_make(const pn_scope *s, const glocal_config *c)
{
    const int width = 8 * c->width, hidden = 4 * c->width;
    const pn_scope code = pn_scope_in(s, "code");
    glocal_region_net net = { 0 };
    net.code.weight = pn_scope_param(&code, "weight", pn_shape3(GLOCAL_REGIONS, width, width), normal(sqrt(2.0 / width)));
    net.code.bias = pn_scope_param(&code, "bias", pn_shape2(GLOCAL_REGIONS, width), zero);
    net.gamma = pn_block_conv_at(s, plain, "gamma", width, width, 3, same3);
    net.beta = pn_block_conv_at(s, plain, "beta", width, width, 3, same3);
    net.res = res_at(s, plain, "res", width);
    if (!c->spade) return net;
    net.spade_hidden = pn_block_conv_at(s, plain, "spade.hidden", GLOCAL_REGIONS, hidden, 3, same3);
    net.spade_gamma = pn_block_conv_at(s, plain, "spade.gamma", hidden, width, 3, same3);
    net.spade_beta = pn_block_conv_at(s, plain, "spade.beta", hidden, width, 3, same3);
    net.mix = pn_scope_param(s, "mix", pn_shape1(2), zero);
    return net;
}

static int structure_width(const glocal_config *c)
{
    return c->features == GLOCAL_OWN ? 4 * c->width : 256 / c->vgg_narrow;
}

/* VGG19 up to conv3_1, frozen: state of the generator, so that its files hold what they were trained with. */
static void vgg_make(const pn_scope *s, int narrow, pn_conv_layer vgg[GLOCAL_VGG])
{
    static const int width[GLOCAL_VGG] = { 64, 64, 128, 128, 256 }, index[GLOCAL_VGG] = { 0, 2, 5, 7, 10 };
    for (int i = 0, in = 3; i < GLOCAL_VGG; i++) {
        const pn_scope at = pn_scope_in(s, "features.%d", index[i]);
        const int out = width[i] / narrow;
        vgg[i].opt = same3;
        vgg[i].weight = pn_scope_state(&at, "weight", pn_shape4(out, in, 3, 3), (pn_init){ PN_INIT_ORTHOGONAL, sqrt(2) });
        vgg[i].bias = pn_scope_state(&at, "bias", pn_shape1(out), zero);
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
    net.down[0] = pn_down_block_make(&down0, plain, 3, 2 * w, 2 * w, true);
    net.down[1] = pn_down_block_make(&down1, plain, 2 * w, 4 * w, 4 * w, false);
    return net;
}

static glocal_match_net match_make(const pn_scope *s, const glocal_config *c)
{
    const int more = GLOCAL_REGIONS + PN_JOINTS + 3, w = c->width;
    glocal_match_net net;
    const pn_scope smaller = started_with(s, (pn_init){ PN_INIT_FAN_IN, match_start * he });
    net.key = pn_conv_layer_at(&smaller, "key", structure_width(c) + more, 4 * w, 1, point);
    net.query = pn_conv_layer_at(&smaller, "query", 8 * w + more, 4 * w, 1, point);
    return net;
}

/* What carried maps become: no bias. */
static pn_conv_layer carried_at(const pn_scope *s, const char *name, pn_shape shape, pn_conv_opt opt, pn_init start)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return (pn_conv_layer){ .weight = pn_scope_param(&at, "weight", shape, start), .opt = opt };
}

static glocal_lst_net lst_make(const pn_scope *s, const glocal_config *c)
{
    const int offsets = c->window * c->window - 1, hidden = 2 * c->width, width = 8 * c->width;
    glocal_lst_net net = { 0 };
    if (c->lst == GLOCAL_MOD || c->lst == GLOCAL_ASSEMBLE) {
        net.hidden = pn_block_conv_at(s, plain, "hidden", offsets, hidden, 3, same3);
        if (c->colours)
            net.colour = carried_at(s, "colour", pn_shape4(hidden, 3, 3, 3), same3, (pn_init){ PN_INIT_FAN_IN, he });
    }
    if (c->lst == GLOCAL_MOD) {
        const pn_scope nothing = started_with(s, zero);
        net.gamma = pn_conv_layer_at(&nothing, "gamma", hidden, width, 3, same3);
        net.beta = pn_conv_layer_at(&nothing, "beta", hidden, width, 3, same3);
    } else if (c->lst == GLOCAL_ASSEMBLE) {
        const pn_scope at = pn_scope_in(s, "gate");
        net.gate.weight = pn_scope_param(&at, "weight", pn_shape4(1, hidden, 1, 1), normal(sqrt(2 / (1.01 * hidden))));
        net.gate.bias = pn_scope_param(&at, "bias", pn_shape1(1), (pn_init){ PN_INIT_CONSTANT, assemble_start });
    } else if (c->lst == GLOCAL_POINT) {
        const pn_shape one = pn_shape4(1, structure_width(c), 1, 1);
        net.gamma = carried_at(s, "gamma", one, point, zero);
        net.beta = carried_at(s, "beta", one, point, zero);
    }
    net.res = res_at(s, plain, "res", width);
    return net;
}

/* colours start unread: as the decoder without them */
static glocal_decoder_net decoder_make(const pn_scope *s, pn_block_look k, int w, bool colours)
{
    const pn_scope up0 = pn_scope_in(s, "up0"), up1 = pn_scope_in(s, "up1"), out = pn_scope_in(s, "out");
    glocal_decoder_net net = { 0 };
    net.up0 = pn_up_block_make(&up0, k, 8 * w, 8 * w, 4 * w);
    net.res0 = res_at(s, k, "res0", 4 * w);
    net.up1 = pn_up_block_make(&up1, k, 4 * w, 4 * w, 2 * w);
    net.res1 = res_at(s, k, "res1", 2 * w);
    net.out = out_make(&out, k, 2 * w, 3);
    if (colours) net.colour = carried_at(s, "colour", pn_shape4(3, 3, 3, 3), mirror3, zero);
    return net;
}

glocal_generator_net glocal_generator_make(const pn_scope *top, const glocal_config *c)
{
    const int w = c->width;
    const pn_scope started = started_with(top, (pn_init){ PN_INIT_FAN_IN, he }), *s = &started;
    const pn_block_look sn = spectral_if(c->spectral);
    const pn_scope parsing = pn_scope_in(s, "parsing"), style = pn_scope_in(s, "style"),
                   content = pn_scope_in(s, "content");
    const pn_scope ggr = pn_scope_in(s, "ggr"), region = pn_scope_in(s, "region"),
                   structure = pn_scope_in(s, "structure");
    const pn_scope match = pn_scope_in(s, "match"), lst = pn_scope_in(s, "lst"), decoder = pn_scope_in(s, "decoder");
    glocal_generator_net net = { .config = *c };
    if (c->task != GLOCAL_INPAINT) net.parsing = parsing_make(&parsing, w);
    net.style.body = to_cells_make(&style, sn, 3 + 1, w, false);
    net.style.code = pn_block_conv_at(&style, sn, "code", 8 * w, 8 * w, 1, point);
    net.content = to_cells_make(&content, sn, 2 * GLOCAL_REGIONS + PN_JOINTS + 3 + 1, w, true);
    net.ggr = ggr_make(&ggr, c);
    net.region = region_make(&region, c);
    if (c->lst != GLOCAL_NO_LST) {
        net.structure = structure_make(&structure, c);
        net.match = match_make(&match, c);
    }
    net.lst = lst_make(&lst, c);
    net.decoder = decoder_make(&decoder, sn, w, c->colours);
    return net;
}

glocal_discriminator_net glocal_discriminator_make(const pn_scope *top, const glocal_config *c)
{
    const pn_scope started = started_with(top, (pn_init){ PN_INIT_FAN_IN, he }), *s = &started;
    const int w = c->width, out[GLOCAL_DOWNS] = { w, 2 * w, 4 * w, 4 * w },
              hidden[GLOCAL_DOWNS] = { w, w, 2 * w, 4 * w };
    const pn_block_look sn = spectral_if(true);
    glocal_discriminator_net d;
    int in = 3;
    for (int i = 0; i < GLOCAL_DOWNS; i++) {
        const pn_scope at = pn_scope_in(s, "down%d", i);
        d.down[i].first = i == 0;
        d.down[i].conv1 = pn_block_conv_at(&at, sn, "conv1", in, hidden[i], 3, same3);
        d.down[i].conv2 = pn_block_conv_at(&at, sn, "conv2", hidden[i], out[i], 4, halve4);
        d.down[i].skip = pn_block_conv_at(&at, sn, "skip", in, out[i], 1, point);
        in = out[i];
    }
    d.out = pn_block_conv_at(s, sn, "out", in, 1, 1, point);
    return d;
}
