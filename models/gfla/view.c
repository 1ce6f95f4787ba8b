/* models/gfla/view.c - view synthesis: the networks of networks.c, with a code in place of heat maps
 *
 *   source ──► flow_net's encoder ──► cat ──► its decoder ──► w, m at levels 3 and 2
 *   code_s - code_t, everywhere ───────┘
 *   source ──► source encoder ──► Fs at the same levels ────────────────┐
 *   code_t, everywhere ──► block0, block1 ──► Ft ──► attention(Fs, Ft, w), m ──► decoder ──► … ──► image
 */
#include "system.h"
#include "view.h"

static const double slope = 0.1;
static const pn_conv_opt same3 = { .pad = { 1, 1 } }, point = { 0 };

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

static gfla_view_flow_net flow_net_make(const pn_scope *s, const gfla_config *c)
{
    const int out = gfla_width(c->flow_base, c->flow_cap, GFLA_FLOW_ENCODER - 1), in = out + c->structure;
    const pn_scope cat = pn_scope_in(s, "cat.model.0");
    gfla_view_flow_net f = { .net = gfla_flow_net_make(s, c, 3, 1), .cat.slope = slope };
    f.cat.norm1 = pn_norm_layer_at(&cat, "model.0", in);
    f.cat.conv1 = pn_conv_layer_at(&cat, "model.2", in, in, 3, same3);
    f.cat.norm2 = pn_norm_layer_at(&cat, "model.3", in);
    f.cat.conv2 = pn_conv_layer_at(&cat, "model.5", in, out, 3, same3);
    f.cat_skip = pn_conv_layer_at(&cat, "shortcut.0", in, out, 1, point);
    return f;
}

static gfla_view_target target_make(const pn_scope *s, const gfla_config *c)
{
    const int narrow = gfla_width(c->base, c->cap, 0), wide = gfla_width(c->base, c->cap, GFLA_ENCODER - 1);
    const pn_scope block0 = pn_scope_in(s, "block0"), block1 = pn_scope_in(s, "block1");
    gfla_view_target t;
    t.block[0] = gfla_up_make(&block0, c->structure, c->structure, narrow);
    t.block[1] = gfla_up_make(&block1, narrow, narrow, wide);
    t.decoder = gfla_decoder_make(s, c, 1);
    return t;
}

gfla_view_net gfla_view_make(const pn_scope *s, const gfla_config *c)
{
    const pn_scope source = pn_scope_in(s, "source"), target = pn_scope_in(s, "target"), flow = pn_scope_in(s, "flow_net");
    gfla_view_net net;
    net.source = gfla_source_make(&source, c);
    net.target = target_make(&target, c);
    net.flow_net = flow_net_make(&flow, c);
    return net;
}

/* ---- The figure ------------------------------------------------------------------------------------------------------ */

gfla_input gfla_view_inputs(pn_graph *g, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t width)
{
    const pn_shape code = pn_shape4(batch, PN_VIEW_CODE, 1, 1);
    gfla_input in;
    in.source = pn_input(g, "source", pn_shape4(batch, 3, height, width), PN_CONST);
    in.pose_source = pn_input(g, "code_source", code, PN_CONST);
    in.pose_target = pn_input(g, "code_target", code, PN_CONST);
    return in;
}

/* A code everywhere, at the size of the deepest map. */
static pn_tensor *everywhere(pn_graph *g, pn_tensor *code, const pn_tensor *picture)
{
    const pn_shape s = pn_tensor_shape(picture);
    return pn_resize2d(g, code, s.dim[2] >> GFLA_FLOW_ENCODER, s.dim[3] >> GFLA_FLOW_ENCODER, PN_NEAREST, PN_HALF_PIXEL);
}

/* How far to turn joins the deepest map. */
static pn_tensor *join(pn_graph *g, const gfla_view_flow_net *f, pn_tensor *deepest, const gfla_input *in)
{
    pn_tensor *turn = pn_affine(g, in->pose_target, -1, 0);
    turn = pn_add(g, turn, in->pose_source);
    turn = everywhere(g, turn, in->source);
    pn_tensor *x = pn_concat(g, (pn_tensor *[]){ deepest, turn }, 2, 1);
    pn_tensor *h = pn_down_block_call(g, &f->cat, x);   /* its four layers, at one size */
    pn_tensor *skip = pn_conv_layer_call(g, &f->cat_skip, x);
    return pn_add(g, h, skip);
}

gfla_output gfla_view_flow(pn_graph *g, const gfla_view_net *net, const gfla_input *in)
{
    const gfla_view_flow_net *f = &net->flow_net;
    gfla_output out = { 0 };
    pn_tensor *level[GFLA_FLOW_ENCODER + 1];
    pn_block(g, "flow_net");
    gfla_flow_encode(g, &f->net, in->source, level);
    pn_tensor *bottom = join(g, f, level[GFLA_FLOW_ENCODER], in);
    gfla_flow_decode(g, &f->net, level, bottom, &out);
    return out;
}

gfla_output gfla_view_generator(pn_graph *g, const gfla_view_net *net, const gfla_input *in)
{
    gfla_output out = gfla_view_flow(g, net, in);
    pn_block(g, "source");
    const gfla_features source = gfla_encode(g, &net->source, in->source);
    pn_block(g, "target_encoder");
    pn_tensor *x = everywhere(g, in->pose_target, in->source);
    for (int i = 0; i < 2; i++) x = pn_up_block_call(g, &net->target.block[i], x);
    out.image = gfla_decode(g, &net->target.decoder, x, &source, &out);
    return out;
}

/* ---- The task -------------------------------------------------------------------------------------------------------- */

typedef struct { gfla_pair_model pair; gfla_view_net g; } view_model;

static const gfla_view_net *net_of(const gfla_pair_model *m) { return &((const view_model *)m)->g; }

static gfla_output flow(pn_graph *g, const gfla_pair_model *m, const gfla_input *in) { return gfla_view_flow(g, net_of(m), in); }

static gfla_output generator(pn_graph *g, const gfla_pair_model *m, const gfla_input *in)
{
    return gfla_view_generator(g, net_of(m), in);
}

/* Of a file that has the flow estimator alone, as stage flow leaves it: the generator's own widths stay what they are. */
static bool recognise_flow(pn_model *m, const pn_weights *w)
{
    const pn_shape flow = pn_weights_shape(w, "flow_net.block0.model.2.weight");
    const pn_shape wide = pn_weights_shape(w, "flow_net.encoder3.model.2.weight");
    if (flow.rank != 4 || wide.rank != 4) return false;
    pn_model_put(m, "flow_base", "%td", flow.dim[0]);
    pn_model_put(m, "flow_cap", "%td", wide.dim[0]);
    return true;
}

static bool recognise(pn_model *m, const pn_weights *w)
{
    if (!pn_weights_have(w, "flow_net.cat.model.0.shortcut.0.weight")) return false;
    return gfla_recognise(m, w, "source", "flow_net", "target.attn") || recognise_flow(m, w);
}

static pn_status make(pn_model *base)
{
    view_model *m = (view_model *)base;
    pn_scope top;
    const pn_status status = gfla_pair_make(&m->pair, PN_VIEW_CODE, &top);
    if (status) return status;
    m->g = gfla_view_make(&top, &m->pair.common.config);
    m->pair.inputs = gfla_view_inputs;
    m->pair.flow = flow;
    m->pair.generator = generator;
    return pn_params_status(top.params);
}

static pn_model_needs needs(const pn_model *m, ptrdiff_t height)
{
    (void)m;
    (void)height;
    return (pn_model_needs){ .labelling = "", .reads = PN_READS_VIEWS, .channels = PN_VIEW_CODE };
}

const pn_model_face gfla_view_face = {
    .model_bytes = sizeof(view_model), .training_bytes = sizeof(gfla_pair_training), .generation_bytes = sizeof(gfla_pair_generation),
    .recognise = recognise, .make = make, .train = gfla_pair_train, .step = gfla_pair_step, .train_free = gfla_pair_train_free,
    .describe = gfla_pair_describe, .feed = gfla_pair_feed, .needs = needs,
};
