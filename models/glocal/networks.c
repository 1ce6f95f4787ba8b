/* models/glocal/networks.c - the figure that the README reconstructs (make.c makes the parameters):
 *
 *   source, hole ──► style encoder ──► region pooling ──► codes s ──► GGR ──► s^ ────────────┐
 *   layout, poses ──► parsing generator ──► pi, the target's layout ─────────────────────────┤
 *   layout, pi, pose_t, source ──► content encoder ──► X0 ──► region-adaptive norm(s^, pi) ──► X1 ──┐
 *   source ──► structure encoder ──► f ──► correspondence(X1, pi, pose_t; f, layout, pose_s) ──► LST ──► X2 ──► decoder
 *
 * Pre-activation everywhere: norm, leaky relu, convolution.
 */
#include "glocal.h"

static const double eps = 1e-5, length_eps = 1e-6;
static const double gate_slope = 0.2, d_slope = 0.1;
static const double assemble_sharpness = 0.1;

/* ---- Blocks ------------------------------------------------------------------------------------------------------- */

/* Gated convolution (Yu et al. 2019): where the gate is shut, nothing passes. */
static pn_tensor *gated(pn_graph *g, const glocal_gated *b, pn_tensor *x)
{
    pn_tensor *h = pn_conv_layer_call(g, &b->conv, x);
    h = pn_leaky_relu(g, h, gate_slope);
    pn_tensor *open = pn_conv_layer_call(g, &b->gate, x);
    open = pn_sigmoid(g, open);
    h = pn_mul(g, h, open);
    return pn_instance_norm(g, h, NULL, NULL, eps);
}

static pn_tensor *out_of(pn_graph *g, const glocal_out *b, pn_tensor *x)
{
    x = pn_norm_act(g, &b->norm, b->slope, x);
    return pn_conv_layer_call(g, &b->conv, x);
}

static pn_tensor *hourglass(pn_graph *g, const glocal_hourglass *net, pn_tensor *x)
{
    for (int i = 0; i < GLOCAL_DOWNS; i++) x = pn_down_block_call(g, &net->down[i], x);
    for (int i = 0; i < net->gates; i++) x = gated(g, &net->gate[i], x);
    for (int i = 0; i < net->ups; i++) x = pn_up_block_call(g, &net->up[i], x);
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

pn_tensor *glocal_codes(pn_graph *g, const glocal_generator_net *net, pn_tensor *seen, pn_tensor *hole,
                        pn_tensor *regions)
{
    pn_block(g, "style");
    pn_tensor *known = pn_affine(g, hole, -1, 1);
    pn_tensor *x = pn_concat(g, (pn_tensor *[]){ seen, known }, 2, 1);
    x = hourglass(g, &net->style.body, x);
    x = pn_conv_layer_call(g, &net->style.code, x);
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
    case GLOCAL_ALONE: m = pn_linear(g, h, w->weight, w->bias); break;
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

/* X1 of X0, the codes and the target's layout in cells */
static void region_norm(pn_graph *g, const glocal_generator_net *net, pn_tensor *pi, glocal_output *out)
{
    const glocal_region_net *n = &net->region;
    pn_block(g, "region");
    pn_tensor *m = pn_grouped_linear(g, out->filled, n->code.weight, n->code.bias);
    out->styles = pn_relu(g, m);
    m = pn_region_spread(g, out->styles, pi);
    pn_tensor *gamma = pn_conv_layer_call(g, &n->gamma, m);
    pn_tensor *beta = pn_conv_layer_call(g, &n->beta, m);
    if (net->config.spade) {
        pn_tensor *z = pn_conv_layer_call(g, &n->spade_hidden, pi);
        z = pn_relu(g, z);
        pn_tensor *gamma2 = pn_conv_layer_call(g, &n->spade_gamma, z);
        pn_tensor *beta2 = pn_conv_layer_call(g, &n->spade_beta, z);
        gamma = blend(g, n, 0, gamma, gamma2);
        beta = blend(g, n, 1, beta, beta2);
    }
    out->gamma = gamma;
    out->beta = beta;
    pn_tensor *x = pn_instance_norm(g, out->x0, NULL, NULL, eps);
    x = pn_modulate(g, x, gamma, beta);
    out->x1 = pn_res_block_call(g, &n->res, x);
}

/* ---- Correspondence ---------------------------------------------------------------------------------------------------- */

static pn_tensor *vgg31(pn_graph *g, const pn_conv_layer vgg[GLOCAL_VGG], pn_tensor *picture)
{
    static const pn_pool_opt halve = { .kernel = { 2, 2 } };
    pn_tensor *x = pn_imagenet_colours(g, picture);
    for (int i = 0; i < GLOCAL_VGG; i++) {
        if (i == 2 || i == 4) x = pn_max_pool2d(g, x, halve);
        x = pn_conv_layer_call(g, &vgg[i], x);
        x = pn_relu(g, x);
    }
    return x;
}

static pn_tensor *structure_features(pn_graph *g, const glocal_generator_net *net, pn_tensor *seen)
{
    pn_block(g, "structure");
    if (net->config.features == GLOCAL_VGG31) return vgg31(g, net->structure.vgg, seen);
    pn_tensor *f = pn_down_block_call(g, &net->structure.down[0], seen);
    return pn_down_block_call(g, &net->structure.down[1], f);
}

/* What keys and queries are compared by: unit length, no mean, so that their product is a correlation. */
static pn_tensor *embed(pn_graph *g, const glocal_generator_net *net, const pn_conv_layer *c, pn_tensor *const maps[4])
{
    pn_tensor *x = pn_concat(g, maps, 4, 1);
    x = pn_conv_layer_call(g, c, x);
    if (net->config.match_kernel > 1) x = pn_unfold(g, x, net->config.match_kernel);
    return pn_unit_channels(g, x, PN_CENTRED, length_eps);
}

/* ---- LST: local structure of the source, carried to the target ------------------------------------------------------------ */

/* Everything that the correspondence carries goes through it at once. values: n maps of the source */
static pn_tensor *carry(pn_graph *g, const glocal_generator_net *net, const glocal_input *in, pn_tensor *x1,
                        pn_tensor *pi, pn_tensor *f, pn_tensor *values)
{
    pn_block(g, "match");
    pn_tensor *layout = cells_of(g, in->layout);
    pn_tensor *pose_source = cells_of(g, in->pose_source);
    pn_tensor *pose_target = cells_of(g, in->pose_target);
    pn_tensor *key = embed(g, net, &net->match.key, (pn_tensor *[]){ f, layout, pose_source, in->where });
    pn_tensor *query = embed(g, net, &net->match.query, (pn_tensor *[]){ x1, pi, pose_target, in->where });
    return pn_correspondence(g, query, key, values, in->temperature, in->valid);
}

static pn_tensor *carried_hidden(pn_graph *g, const glocal_generator_net *net, pn_tensor *structure, pn_tensor *colours)
{
    pn_tensor *z = pn_conv_layer_call(g, &net->lst.hidden, structure);
    if (net->config.colours) {
        pn_tensor *c = pn_conv_layer_call(g, &net->lst.colour, colours);
        z = pn_add(g, z, c);
    }
    return pn_relu(g, z);
}

/* The window's mean, weighted by how alike its cells are in the source. */
static pn_tensor *assemble(pn_graph *g, const glocal_generator_net *net, pn_tensor *x1, pn_tensor *structure,
                           pn_tensor *z, pn_tensor *gain)
{
    const int offsets = net->config.window * net->config.window - 1;
    z = pn_conv_layer_call(g, &net->lst.gate, z);
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

static pn_tensor *gained(pn_graph *g, const pn_conv_layer *c, pn_tensor *z, pn_tensor *gain)
{
    z = pn_conv_layer_call(g, c, z);
    return pn_mul(g, z, gain);
}

static pn_tensor *regain(pn_graph *g, const glocal_generator_net *net, pn_tensor *x1, pn_tensor *structure,
                         pn_tensor *colours, pn_tensor *gain)
{
    pn_tensor *z = carried_hidden(g, net, structure, colours);
    if (net->config.lst == GLOCAL_ASSEMBLE) return assemble(g, net, x1, structure, z, gain);
    pn_tensor *gamma = gained(g, &net->lst.gamma, z, gain);
    pn_tensor *beta = gained(g, &net->lst.beta, z, gain);
    return pn_modulate(g, x1, gamma, beta);
}

/* What is carried to make X2 from X1: local structure, or the point by point gain and shift of earlier work. */
static pn_tensor *carried_values(pn_graph *g, const glocal_generator_net *net, pn_tensor *f)
{
    pn_block(g, "lst");
    if (net->config.lst == GLOCAL_POINT) {
        pn_tensor *gamma = pn_conv_layer_call(g, &net->lst.gamma, f);
        pn_tensor *beta = pn_conv_layer_call(g, &net->lst.beta, f);
        return pn_concat(g, (pn_tensor *[]){ gamma, beta }, 2, 1);
    }
    pn_tensor *unit = pn_unit_channels(g, f, PN_RAW, length_eps);
    return pn_self_correlation(g, unit, net->config.window);
}

static void transfer(pn_graph *g, const glocal_generator_net *net, const glocal_input *in, pn_tensor *pi,
                     glocal_output *out)
{
    pn_tensor *f = structure_features(g, net, in->seen);
    pn_tensor *own = carried_values(g, net, f);
    const ptrdiff_t n = pn_tensor_shape(own).rank ? pn_tensor_shape(own).dim[1] : 0;
    pn_tensor *values = pn_concat(g, (pn_tensor *[]){ own, in->colours }, 2, 1);
    pn_tensor *carried = carry(g, net, in, out->x1, pi, f, values);
    pn_block(g, "lst");
    out->peak = pn_saved_of(g, carried, 2);
    out->warped = pn_slice(g, carried, 1, n, n + 3);
    if (net->config.lst == GLOCAL_POINT) {
        pn_tensor *gamma = pn_slice(g, carried, 1, 0, 1);
        pn_tensor *beta = pn_slice(g, carried, 1, 1, 2);
        gamma = pn_mul(g, gamma, in->gain);
        beta = pn_mul(g, beta, in->gain);
        out->regained = pn_modulate(g, out->x1, gamma, beta);
    } else {
        out->structure = pn_slice(g, carried, 1, 0, n);
        out->regained = regain(g, net, out->x1, out->structure, out->warped, in->gain);
    }
    out->x2 = pn_res_block_call(g, &net->lst.res, out->regained);
}

/* ---- The generator --------------------------------------------------------------------------------------------------------- */

/* Norms on the way take off how bright and how colourful a picture is: where colours were carried, its last sum reads them. */
static pn_tensor *decode(pn_graph *g, const glocal_generator_net *net, const glocal_input *in, const glocal_output *out)
{
    const glocal_decoder_net *d = &net->decoder;
    pn_block(g, "decoder");
    pn_tensor *x = out->x2;
    x = pn_up_block_call(g, &d->up0, x);
    x = pn_res_block_call(g, &d->res0, x);
    x = pn_up_block_call(g, &d->up1, x);
    x = pn_res_block_call(g, &d->res1, x);
    x = out_of(g, &d->out, x);
    if (net->config.colours) {
        const pn_shape s = pn_tensor_shape(x);
        pn_tensor *colours = pn_mul(g, out->warped, in->gain);
        colours = pn_resize2d(g, colours, s.dim[2], s.dim[3], PN_BILINEAR, PN_HALF_PIXEL);
        colours = pn_conv_layer_call(g, &d->colour, colours);
        x = pn_add(g, x, colours);
    }
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
    region_norm(g, net, pi, &out);
    if (net->config.lst != GLOCAL_NO_LST) {
        transfer(g, net, in, pi, &out);
    } else {
        pn_block(g, "lst");
        out.regained = out.x1;
        out.x2 = pn_res_block_call(g, &net->lst.res, out.x1);
    }
    out.image = decode(g, net, in, &out);
    pn_block(g, NULL);
    return out;
}

glocal_input glocal_inputs(pn_graph *g, const glocal_config *c, pn_shape image, glocal_reads reads)
{
    const ptrdiff_t n = image.dim[0], height = image.dim[2], width = image.dim[3], h = height / GLOCAL_CELL,
                    w = width / GLOCAL_CELL;
    const pn_shape pose = pn_shape4(n, PN_JOINTS, height, width), cells = pn_shape4(n, 3, h, w);
    glocal_input in = { 0 };
    in.layout = pn_input(g, "layout", pn_shape4(n, GLOCAL_REGIONS, height, width), PN_CONST);
    in.pose_target = pn_input(g, "pose_target", pose, PN_CONST);
    if (reads != GLOCAL_TO_GENERATE || c->lst != GLOCAL_NO_LST)
        in.pose_source = pn_input(g, "pose_source", pose, PN_CONST);
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

static void normalise_once(pn_graph *g, pn_conv_layer *c)
{
    c->weight = pn_conv_layer_weight(g, c);
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
    pn_tensor *h = b->first ? x : pn_leaky_relu(g, x, d_slope);
    h = pn_conv_layer_call(g, &b->conv1, h);
    h = pn_leaky_relu(g, h, d_slope);
    h = pn_conv_layer_call(g, &b->conv2, h);
    pn_tensor *skip = pn_avg_pool2d(g, x, halve);
    skip = pn_conv_layer_call(g, &b->skip, skip);
    return pn_add(g, h, skip);
}

glocal_judgement glocal_discriminator(pn_graph *g, const glocal_discriminator_net *ready, pn_tensor *image)
{
    glocal_judgement j;
    pn_tensor *x = image;
    for (int i = 0; i < GLOCAL_DOWNS; i++) x = j.block[i] = d_block(g, &ready->down[i], x);
    x = pn_leaky_relu(g, x, d_slope);
    j.score = pn_conv_layer_call(g, &ready->out, x);
    return j;
}

/* ---- Spectral norms by themselves ----------------------------------------------------------------------------------------------- */

static void settle(pn_graph *g, const pn_conv_layer *c)
{
    if (!c->u) return;
    pn_tensor *w = pn_conv_layer_weight(g, c);
    pn_output(g, pn_mean(g, w, PN_ALL_AXES, PN_DROP_AXES), PN_CONST);
}

static void settle_all(pn_graph *g, const pn_conv_layer *const c[], int n)
{
    for (int i = 0; i < n; i++) settle(g, c[i]);
}

static void settle_up(pn_graph *g, const pn_up_block *b)
{
    settle_all(g, (const pn_conv_layer *[]){ &b->conv1, &b->up, &b->skip }, 3);
}

static void settle_hourglass(pn_graph *g, const glocal_hourglass *net)
{
    for (int i = 0; i < GLOCAL_DOWNS; i++)
        settle_all(g, (const pn_conv_layer *[]){ &net->down[i].conv1, &net->down[i].conv2 }, 2);
    for (int i = 0; i < net->gates; i++)
        settle_all(g, (const pn_conv_layer *[]){ &net->gate[i].conv, &net->gate[i].gate }, 2);
    for (int i = 0; i < net->ups; i++) settle_up(g, &net->up[i]);
}

void glocal_norms(pn_graph *g, const glocal_generator_net *net, const glocal_discriminator_net *d)
{
    const glocal_decoder_net *dec = &net->decoder;
    settle_hourglass(g, &net->style.body);
    settle_hourglass(g, &net->content);
    settle_up(g, &dec->up0);
    settle_up(g, &dec->up1);
    settle_all(g,
               (const pn_conv_layer *[]){ &net->style.code, &dec->res0.conv1, &dec->res0.conv2, &dec->res1.conv1,
                                        &dec->res1.conv2, &dec->out.conv },
               6);
    for (int i = 0; i < GLOCAL_DOWNS; i++)
        settle_all(g, (const pn_conv_layer *[]){ &d->down[i].conv1, &d->down[i].conv2, &d->down[i].skip }, 3);
    settle(g, &d->out);
}
