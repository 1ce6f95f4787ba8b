/* models/rsa_gan/networks.c - the figure that the README reconstructs (make.c makes the parameters):
 *
 *   source ──► style encoder ──► F ──────────────────────────────────────────────────────────────┐
 *   labels, pose_s ──► RPSF ──► S^ (regions), F_sem (semantics) ──► codes s of the regions of F ──┤
 *   pose_s, pose_t ──► pose encoder, one for both ──► e_s, e_t ──► Cor ──► T, Z, Q0 = Cor F, F_sem, S^
 *   e_t ──► modulated by T (PCGSI) ──► X ──► GDCCA(X; T, Z, s, Q0) ──► GDCCA ──► Y
 *   e_t ──► modulated by Y ──► up ──► up ──► image
 */
#include "rsa_gan.h"

static const double eps = 1e-5, slope = 0.1;
static const double floor_soft = 1e-3, floor_prior = 1e-3; /* of what a logarithm is taken of */
static const double length_eps = 1e-6, least_area = 1e-6;

/* ---- Small pieces -------------------------------------------------------------------------------------------------- */

/* down4: the mean of each cell */
static pn_tensor *cells_of(pn_graph *g, pn_tensor *map)
{
    static const pn_pool_opt cell = { .kernel = { RSA_GAN_CELL, RSA_GAN_CELL } };
    return pn_avg_pool2d(g, map, cell);
}

/* LNc: over the channels of each position */
static pn_tensor *channel_norm(pn_graph *g, const pn_norm_layer *norm, pn_tensor *x)
{
    static const int last[] = { 0, 2, 3, 1 }, back[] = { 0, 3, 1, 2 };
    x = pn_transpose(g, x, last);
    x = pn_layer_norm(g, x, norm->weight, norm->bias, 1, eps);
    return pn_transpose(g, x, back);
}

static pn_tensor *bare_norm(pn_graph *g, pn_tensor *x) { return pn_instance_norm(g, x, NULL, NULL, eps); }

static pn_tensor *depthwise(pn_graph *g, const rsa_gan_depthwise *p, pn_tensor *x)
{
    x = pn_conv_layer_call(g, &p->pw, x);
    return p->dw.weight ? pn_conv_layer_call(g, &p->dw, x) : x;
}

static pn_tensor *half_of(pn_graph *g, pn_tensor *x, int which)
{
    const ptrdiff_t half = pn_tensor_shape(x).rank ? pn_tensor_shape(x).dim[1] / 2 : 0;
    return pn_slice(g, x, 1, which * half, (which + 1) * half);
}

/* The mean over the positions, as a map of one cell. */
static pn_tensor *over_positions(pn_graph *g, pn_tensor *x) { return pn_mean(g, x, PN_AXIS(2) | PN_AXIS(3), PN_KEEP_AXES); }

/* ---- Modulation: gain and shift of a normed map, read off a map T ---------------------------------------------------- */

pn_tensor *rsa_gan_modulated(pn_graph *g, const rsa_gan_mod *mod, pn_tensor *x, pn_tensor *t)
{
    if (mod->shared.weight) {
        pn_tensor *u = pn_conv_layer_call(g, &mod->shared, t);
        u = bare_norm(g, u);
        u = pn_relu(g, u);
        pn_tensor *gain_and_shift = pn_conv_layer_call(g, &mod->affine, u);
        x = bare_norm(g, x);
        return pn_modulate(g, x, gain_and_shift, NULL);
    }
    pn_tensor *style = over_positions(g, t);            /* adain: one gain and shift for the whole map */
    style = pn_conv_layer_call(g, &mod->affine, style);
    pn_tensor *gain = half_of(g, style, 0);
    pn_tensor *shift = half_of(g, style, 1);
    x = bare_norm(g, x);
    return pn_modulate(g, x, gain, shift);
}

static pn_tensor *concat_block(pn_graph *g, const rsa_gan_mrb *b, pn_tensor *x, pn_tensor *t)
{
    pn_tensor *h = bare_norm(g, x);
    h = pn_leaky_relu(g, h, slope);
    h = pn_concat(g, (pn_tensor *[]){ h, t }, 2, 1);
    h = pn_conv_layer_call(g, &b->conv1, h);
    h = bare_norm(g, h);
    h = pn_leaky_relu(g, h, slope);
    h = pn_conv_layer_call(g, &b->conv2, h);
    return pn_add(g, x, h);
}

pn_tensor *rsa_gan_mrb_call(pn_graph *g, const rsa_gan_mrb *b, pn_tensor *x, pn_tensor *t)
{
    if (b->kind == RSA_GAN_CONCAT) return concat_block(g, b, x, t);
    pn_tensor *h = rsa_gan_modulated(g, &b->mod1, x, t);
    h = pn_leaky_relu(g, h, slope);
    h = pn_conv_layer_call(g, &b->conv1, h);
    h = rsa_gan_modulated(g, &b->mod2, h, t);
    h = pn_leaky_relu(g, h, slope);
    h = pn_conv_layer_call(g, &b->conv2, h);
    return pn_add(g, x, h);
}

/* ---- Style encoder: F ------------------------------------------------------------------------------------------------ */

/* ADGAN's and CASD's: every stage also reads what a frozen VGG19 sees. */
static pn_tensor *style_by_vgg(pn_graph *g, const rsa_gan_style_net *net, pn_tensor *source)
{
    static const pn_vgg19_tap tap[4] = { PN_RELU1_1, PN_RELU2_1, PN_RELU3_1, PN_RELU4_1 };
    pn_tensor *colours = pn_imagenet_colours(g, source);
    const pn_vgg19_features seen = pn_vgg19_call(g, &net->vgg, colours, PN_RELU4_1);
    pn_tensor *y = source;
    for (int i = 0; i < 4; i++) {
        y = pn_conv_layer_call(g, &net->conv[i], y);
        y = pn_relu(g, y);
        y = pn_concat(g, (pn_tensor *[]){ y, seen.tap[tap[i]] }, 2, 1);
    }
    y = pn_conv_layer_call(g, &net->reduce, y);
    const pn_shape s = pn_tensor_shape(y);
    return pn_resize2d(g, y, 2 * s.dim[2], 2 * s.dim[3], PN_BILINEAR, PN_HALF_PIXEL);
}

static pn_tensor *style_encoder(pn_graph *g, const rsa_gan_generator_net *net, pn_tensor *source)
{
    const rsa_gan_style_net *n = &net->style;
    pn_block(g, "style");
    if (net->config.style == RSA_GAN_VGG) return style_by_vgg(g, n, source);
    pn_tensor *x = source;
    for (int i = 0; i < 2; i++) x = pn_down_block_call(g, &n->down[i], x);
    for (int i = 0; i < 2; i++) x = pn_res_block_call(g, &n->res[i], x);
    return x;
}

/* ---- RPSF: label map and joints, fused class by class into S^ and F_sem ------------------------------------------------ */

static pn_tensor *halved(pn_graph *g, const pn_conv_layer *conv, const pn_norm_layer *norm, pn_tensor *x)
{
    x = pn_conv_layer_call(g, conv, x);
    return pn_norm_act(g, norm, slope, x);
}

static void fuse(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_input *in, rsa_gan_output *out)
{
    const rsa_gan_rpsf_net *n = &net->rpsf;
    pn_block(g, "rpsf");
    pn_tensor *labelled = cells_of(g, in->parsing);
    pn_tensor *u = net->config.rpsf ? in->evidence : in->parsing;
    u = halved(g, &n->conv0, &n->norm0, u);
    u = halved(g, &n->conv1, &n->norm1, u);
    out->soft = labelled;
    out->semantics = u;
    if (!net->config.rpsf) return;
    pn_tensor *r = pn_conv_layer_call(g, &n->value, u);
    if (net->config.rpsf_gate) {
        pn_tensor *open = pn_conv_layer_call(g, &n->gate, u);
        open = pn_sigmoid(g, open);
        r = pn_mul(g, r, open);
    }
    pn_tensor *mixed = pn_conv_layer_call(g, &n->mix, r);
    out->semantics = pn_add(g, u, mixed);
    pn_tensor *correction = pn_conv_layer_call(g, &n->delta, r);
    pn_tensor *logits = pn_log(g, labelled, floor_soft);
    logits = pn_add(g, logits, correction);
    out->soft = pn_softmax(g, logits, 1);
}

/* Nobody does, if styles come by the correspondence alone. */
static bool reads_codes(const rsa_gan_config *c)
{
    return !c->pcgsi || (c->gdcca && (c->attention == RSA_GAN_BOTH || c->attention == RSA_GAN_TOKEN));
}

/* Codes of the regions; a class that the source does not show gets the whole picture's. */
static pn_tensor *region_codes(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_input *in,
                               const rsa_gan_output *from)
{
    const ptrdiff_t width = net->config.width, n = pn_tensor_shape(in->shown).dim[0];
    pn_block(g, "codes");
    pn_tensor *s = pn_region_pool(g, from->style, from->soft, least_area);
    s = pn_mul(g, s, in->shown);
    pn_tensor *whole = over_positions(g, from->style);
    whole = pn_reshape(g, whole, pn_shape3(n, 1, width));
    pn_tensor *absent = pn_affine(g, in->shown, -1, 1);
    whole = pn_matmul(g, absent, whole, PN_AS_IS);
    s = pn_add(g, s, whole);
    if (!net->config.code_attention) return s;
    pn_tensor *v = pn_linear(g, s, net->code_sa.value, NULL);
    pn_tensor *others = pn_attention(g, s, s, v, NULL);
    pn_tensor *gain = pn_reshape(g, net->code_sa.gain, pn_shape3(1, 1, 1));
    others = pn_mul(g, others, gain);
    return pn_add(g, s, others);
}

/* ---- Pose encoder ------------------------------------------------------------------------------------------------------ */

pn_tensor *rsa_gan_pose_encoder(pn_graph *g, const rsa_gan_pose_net *net, pn_tensor *pose)
{
    pn_block(g, "pose");
    pn_tensor *x = pose;
    for (int i = 0; i < RSA_GAN_POSE_DOWNS; i++) x = pn_down_block_call(g, &net->down[i], x);
    for (int i = 0; i < 2; i++) x = pn_up_block_call(g, &net->up[i], x);
    return x;
}

/* ---- PCGSI: where each cell of the target pose lies in the source pose, and what style it brings ------------------------- */

pn_tensor *rsa_gan_descriptor(pn_graph *g, const pn_conv_layer *proj, pn_tensor *e, pn_tensor *where, pn_tensor *also)
{
    pn_tensor *x = pn_concat(g, (pn_tensor *[]){ e, where, also }, also ? 3 : 2, 1);
    x = pn_conv_layer_call(g, proj, x);
    return pn_unit_channels(g, x, PN_CENTRED, length_eps);
}

/* Cor values, by the poses; corr_feat=pose+sem: then by the classes too, which the poses have brought to the target. */
static pn_tensor *carried(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_input *in, const rsa_gan_output *from,
                          pn_tensor *values)
{
    const rsa_gan_corr_net *n = &net->corr;
    const pn_conv_layer *proj_t = net->config.corr_shared ? &n->proj : &n->proj_t;
    pn_tensor *key = rsa_gan_descriptor(g, &n->proj, from->e_source, in->where, NULL);
    pn_tensor *query = rsa_gan_descriptor(g, proj_t, from->e_target, in->where, NULL);
    if (net->config.corr_semantics) {
        pn_tensor *classes = pn_correspondence(g, query, key, from->soft, n->tau, NULL);
        key = rsa_gan_descriptor(g, &n->proj_sem, from->e_source, in->where, from->soft);
        query = rsa_gan_descriptor(g, &n->proj_sem, from->e_target, in->where, classes);
    }
    return pn_correspondence(g, query, key, values, n->tau, NULL);
}

static void align(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_input *in, rsa_gan_output *out)
{
    pn_block(g, "correspondence");
    pn_tensor *colours = cells_of(g, in->source);
    pn_tensor *values[] = { out->style, out->semantics, out->soft, colours }, **results[] = { &out->aligned, &out->matched,
                                                                                             &out->prior, &out->warped };
    pn_tensor *all = pn_concat(g, values, 4, 1);
    all = carried(g, net, in, out, all);
    out->peak = pn_saved_of(g, all, 2);
    ptrdiff_t first = 0;
    for (int i = 0; i < 4; i++) {
        const pn_shape s = pn_tensor_shape(values[i]);
        const ptrdiff_t after = first + (s.rank ? s.dim[1] : 0);
        *results[i] = pn_slice(g, all, 1, first, after);
        first = after;
    }
}

/* One vector of each sample, [N,C,1,1], at every cell. ones [N,1,h,w] */
static pn_tensor *everywhere(pn_graph *g, pn_tensor *vector, pn_tensor *ones)
{
    const pn_shape s = pn_tensor_shape(vector);
    pn_tensor *code = pn_reshape(g, vector, pn_shape3(s.dim[0], 1, s.dim[1]));
    return pn_region_spread(g, code, ones);
}

/* Without PCGSI: no cell knows another; all get the same. */
static void spread(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_input *in, rsa_gan_output *out)
{
    pn_block(g, "correspondence");
    pn_tensor *labelled = cells_of(g, in->parsing);
    out->prior = pn_affine(g, labelled, 0, 1.0 / net->config.classes);
    pn_tensor *ones = pn_slice(g, labelled, 1, 0, 1);
    ones = pn_affine(g, ones, 0, 1);
    pn_tensor *code = pn_mean(g, out->codes, PN_AXIS(1), PN_KEEP_AXES);
    out->aligned = pn_region_spread(g, code, ones);
    pn_tensor *semantics = over_positions(g, out->semantics);
    out->matched = everywhere(g, semantics, ones);
}

/* ---- GDCCA: gated depth-wise convolutional cross-attention ---------------------------------------------------------------- */

/* Full attention of positions to positions, per head: for comparison. */
static pn_tensor *spatial_attention(pn_graph *g, pn_tensor *q, pn_tensor *k, pn_tensor *v)
{
    static const int channels_last[] = { 0, 2, 1 };
    const pn_shape s = pn_tensor_shape(q);
    if (!s.rank) return NULL;
    const ptrdiff_t cells = s.dim[2] * s.dim[3], heads = s.dim[0] * s.dim[1] / RSA_GAN_HEAD;
    pn_tensor *of[] = { q, k, v };
    for (int i = 0; i < 3; i++) {
        of[i] = pn_reshape(g, of[i], pn_shape3(heads, RSA_GAN_HEAD, cells));
        of[i] = pn_transpose(g, of[i], channels_last);
    }
    pn_tensor *o = pn_attention(g, of[0], of[1], of[2], NULL);
    o = pn_transpose(g, o, channels_last);
    return pn_reshape(g, o, s);
}

/* (a) Between channels: linear in the positions, for T and Z already lie where X does. */
static pn_tensor *attend_to_maps(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_gdcca_net *b,
                                 const rsa_gan_output *from, pn_tensor *x)
{
    pn_tensor *q = depthwise(g, &b->q, x);
    pn_tensor *kv = pn_concat(g, (pn_tensor *[]){ from->aligned, from->matched }, 2, 1);
    kv = depthwise(g, &b->kv, kv);
    pn_tensor *k = half_of(g, kv, 0);
    pn_tensor *v = half_of(g, kv, 1);
    pn_tensor *o = net->config.attention == RSA_GAN_SPATIAL ? spatial_attention(g, q, k, v)
                                                            : pn_channel_attention(g, q, k, v, b->alpha, length_eps);
    return pn_conv_layer_call(g, &b->out, o);
}

/* (b) To the codes of the regions, before all to those that Q0 expects here. */
static pn_tensor *attend_to_codes(pn_graph *g, const rsa_gan_gdcca_net *b, const rsa_gan_output *from, pn_tensor *x,
                                  pn_tensor **logits)
{
    pn_tensor *q = pn_conv_layer_call(g, &b->token_q, x);
    pn_tensor *k = pn_linear(g, from->codes, b->token_k, NULL);
    pn_tensor *v = pn_linear(g, from->codes, b->token_v, NULL);
    pn_tensor *prior = pn_log(g, from->prior, floor_prior);
    return pn_token_attention(g, q, k, v, prior, logits);
}

/* (c) X' = X + gate (O_c + O_t) */
static pn_tensor *let_in(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_gdcca_net *b, pn_tensor *x,
                         pn_tensor *normed, pn_tensor *of_maps, pn_tensor *of_codes)
{
    if (net->config.gate == RSA_GAN_CLOSED) return x;
    pn_tensor *both = of_maps && of_codes ? pn_add(g, of_maps, of_codes) : of_maps ? of_maps : of_codes;
    if (net->config.gate == RSA_GAN_OPEN) return pn_add(g, x, both);
    pn_tensor *nothing = of_maps && of_codes ? NULL : pn_affine(g, both, 0, 0);
    pn_tensor *seen[] = { normed, of_maps ? of_maps : nothing, of_codes ? of_codes : nothing };
    pn_tensor *gate = pn_concat(g, seen, 3, 1);
    gate = depthwise(g, &b->gate, gate);
    gate = pn_sigmoid(g, gate);
    both = pn_mul(g, both, gate);
    return pn_add(g, x, both);
}

/* (d) X'' = X' + out (gelu(u1) u2) */
static pn_tensor *feed_forward(pn_graph *g, const rsa_gan_gdcca_net *b, pn_tensor *x)
{
    pn_tensor *u = channel_norm(g, &b->ff_norm, x);
    u = depthwise(g, &b->ff_in, u);
    u = pn_gelu_gate(g, u);
    u = pn_conv_layer_call(g, &b->ff_out, u);
    return pn_add(g, x, u);
}

pn_tensor *rsa_gan_gdcca(pn_graph *g, const rsa_gan_generator_net *net, int block, const rsa_gan_output *from, pn_tensor *x,
                         pn_tensor **logits)
{
    const rsa_gan_gdcca_net *b = &net->gdcca[block];
    const rsa_gan_attention a = net->config.attention;
    pn_tensor *normed = channel_norm(g, &b->norm, x), *of_maps = NULL, *of_codes = NULL;
    if (a != RSA_GAN_TOKEN) of_maps = attend_to_maps(g, net, b, from, normed);
    if (a == RSA_GAN_BOTH || a == RSA_GAN_TOKEN) of_codes = attend_to_codes(g, b, from, normed, logits);
    x = let_in(g, net, b, x, normed, of_maps, of_codes);
    return feed_forward(g, b, x);
}

static void integrate(pn_graph *g, const rsa_gan_generator_net *net, rsa_gan_output *out)
{
    static const char *const name[RSA_GAN_BLOCKS] = { "gdcca0", "gdcca1", "gdcca2" };
    pn_tensor *x = out->injected;
    if (!net->config.gdcca) {
        out->integrated = pn_add(g, x, out->aligned);
        return;
    }
    for (int i = 0; i < net->config.blocks; i++) {
        pn_block(g, name[i]);
        x = rsa_gan_gdcca(g, net, i, out, x, &out->logits[i]);
    }
    out->integrated = x;
}

/* ---- The generator --------------------------------------------------------------------------------------------------------- */

/* Norms on the way take off how bright and how colourful a picture is: the last sum reads the colours that were carried. */
static pn_tensor *draw(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_output *from)
{
    const rsa_gan_output_net *n = &net->output;
    pn_block(g, "output");
    pn_tensor *x = from->e_target;
    for (int i = 0; i < 2; i++) x = rsa_gan_mrb_call(g, &n->mrb[i], x, from->integrated);
    for (int i = 0; i < 2; i++) {
        const pn_shape s = pn_tensor_shape(x);
        x = pn_resize2d(g, x, 2 * s.dim[2], 2 * s.dim[3], PN_NEAREST, PN_HALF_PIXEL);
        x = pn_conv_layer_call(g, &n->up[i], x);
        x = pn_group_norm(g, x, n->norm[i].weight, n->norm[i].bias, 1, eps);
        x = pn_relu(g, x);
    }
    x = pn_conv_layer_call(g, &n->rgb, x);
    if (net->config.colours) {
        const pn_shape s = pn_tensor_shape(x);
        pn_tensor *colours = pn_resize2d(g, from->warped, s.dim[2], s.dim[3], PN_BILINEAR, PN_HALF_PIXEL);
        colours = pn_conv_layer_call(g, &n->colour, colours);
        x = pn_add(g, x, colours);
    }
    return pn_tanh(g, x);
}

rsa_gan_output rsa_gan_generator(pn_graph *g, const rsa_gan_generator_net *net, const rsa_gan_input *in)
{
    rsa_gan_output out = { .style = style_encoder(g, net, in->source) };
    fuse(g, net, in, &out);
    if (reads_codes(&net->config)) out.codes = region_codes(g, net, in, &out);
    if (net->config.pcgsi) out.e_source = rsa_gan_pose_encoder(g, &net->pose, in->pose_source);
    out.e_target = rsa_gan_pose_encoder(g, &net->pose, in->pose_target);
    if (net->config.pcgsi) align(g, net, in, &out);
    else spread(g, net, in, &out);
    pn_block(g, "inject");
    out.injected = out.e_target;
    for (int i = 0; i < 2; i++) out.injected = rsa_gan_mrb_call(g, &net->inject[i], out.injected, out.aligned);
    integrate(g, net, &out);
    out.image = draw(g, net, &out);
    pn_block(g, NULL);
    return out;
}

rsa_gan_input rsa_gan_inputs(pn_graph *g, const rsa_gan_config *c, pn_shape image)
{
    const ptrdiff_t n = image.dim[0], height = image.dim[2], width = image.dim[3], h = height / RSA_GAN_CELL,
                    w = width / RSA_GAN_CELL;
    const pn_shape pose = pn_shape4(n, PN_JOINTS + PN_LIMBS, height, width);
    rsa_gan_input in = { 0 };
    in.source = pn_input(g, "source", image, PN_CONST);
    in.parsing = pn_input(g, "parsing", pn_shape4(n, c->classes, height, width), PN_CONST);
    if (reads_codes(c)) in.shown = pn_input(g, "shown", pn_shape3(n, c->classes, 1), PN_CONST);
    in.pose_target = pn_input(g, "pose_target", pose, PN_CONST);
    if (c->rpsf) in.evidence = pn_input(g, "evidence", pn_shape4(n, RSA_GAN_EVIDENCE * c->classes, height, width), PN_CONST);
    if (!c->pcgsi) return in;
    in.pose_source = pn_input(g, "pose_source", pose, PN_CONST);
    in.where = pn_input(g, "where", pn_shape4(n, 3, h, w), PN_CONST);
    return in;
}

/* ---- The discriminators ------------------------------------------------------------------------------------------------------ */

rsa_gan_judgement rsa_gan_discriminator(pn_graph *g, const rsa_gan_discriminator_net *d, pn_tensor *seen)
{
    rsa_gan_judgement j;
    pn_tensor *x = seen;
    for (int i = 0; i < RSA_GAN_D_CONVS; i++) {
        x = pn_conv_layer_call(g, &d->conv[i], x);
        x = pn_instance_norm_layer_call(g, &d->norm[i], x);
        x = j.feature[i] = pn_relu(g, x);
    }
    for (int i = 0; i < d->blocks; i++) x = pn_res_block_call(g, &d->block[i], x);
    j.score = d->has_head ? pn_conv_layer_call(g, &d->head, x) : x;
    return j;
}

rsa_gan_verdict rsa_gan_critics(pn_graph *g, const rsa_gan_critics_net *d, pn_tensor *image, pn_tensor *pose,
                                pn_tensor *source)
{
    rsa_gan_verdict v;
    pose = pn_slice(g, pose, 1, 0, d->pose_maps);
    pn_tensor *with_pose = pn_concat(g, (pn_tensor *[]){ image, pose }, 2, 1);
    v.pose = rsa_gan_discriminator(g, &d->pose, with_pose);
    pn_tensor *with_source = pn_concat(g, (pn_tensor *[]){ image, source }, 2, 1);
    v.pair = rsa_gan_discriminator(g, &d->pair, with_source);
    return v;
}
