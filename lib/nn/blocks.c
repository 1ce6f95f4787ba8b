/* lib/nn/blocks.c - pre-activation blocks that models share; contract in posenet/nn.h */
#include "posenet.h"

static const pn_conv_opt same3 = { .pad = { 1, 1 } }, halve4 = { .stride = { 2, 2 }, .pad = { 1, 1 } };
static const pn_conv_opt double3 = { .stride = { 2, 2 }, .pad = { 1, 1 }, .output_pad = { 1, 1 } };

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

pn_conv_layer pn_block_conv_at(const pn_scope *s, pn_block_look look, const char *name, ptrdiff_t in, ptrdiff_t out,
                               ptrdiff_t kernel, pn_conv_opt opt)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return (look.spectral ? pn_spectral_conv_layer_make : pn_conv_layer_make)(&at, in, out, kernel, opt);
}

static pn_conv_layer twice_at(const pn_scope *s, pn_block_look look, const char *name, ptrdiff_t in, ptrdiff_t out)
{
    const pn_scope at = pn_scope_in(s, "%s", name);
    return (look.spectral ? pn_spectral_conv_transpose_layer_make : pn_conv_transpose_layer_make)(&at, in, out, 3, double3);
}

static pn_norm_layer norm_at(const pn_scope *s, pn_block_look look, const char *name, ptrdiff_t c)
{
    return look.affine ? pn_norm_layer_at(s, name, c) : (pn_norm_layer){ 0 };
}

pn_down_block pn_down_block_make(const pn_scope *s, pn_block_look look, ptrdiff_t in, ptrdiff_t hidden, ptrdiff_t out, bool first)
{
    pn_down_block b = { .slope = look.slope, .first = first };
    if (!first) b.norm1 = norm_at(s, look, "norm1", in);
    b.conv1 = pn_block_conv_at(s, look, "conv1", in, hidden, 4, halve4);
    b.norm2 = norm_at(s, look, "norm2", hidden);
    b.conv2 = pn_block_conv_at(s, look, "conv2", hidden, out, 3, same3);
    return b;
}

pn_res_block pn_res_block_make(const pn_scope *s, pn_block_look look, ptrdiff_t c)
{
    pn_res_block b = { .slope = look.slope };
    b.norm1 = norm_at(s, look, "norm1", c);
    b.conv1 = pn_block_conv_at(s, look, "conv1", c, c, 3, same3);
    b.norm2 = norm_at(s, look, "norm2", c);
    b.conv2 = pn_block_conv_at(s, look, "conv2", c, c, 3, same3);
    return b;
}

pn_up_block pn_up_block_make(const pn_scope *s, pn_block_look look, ptrdiff_t in, ptrdiff_t hidden, ptrdiff_t out)
{
    pn_up_block b = { .slope = look.slope };
    b.norm1 = norm_at(s, look, "norm1", in);
    b.conv1 = pn_block_conv_at(s, look, "conv1", in, hidden, 3, same3);
    b.norm2 = norm_at(s, look, "norm2", hidden);
    b.up = twice_at(s, look, "up", hidden, out);
    b.skip = twice_at(s, look, "skip", in, out);
    return b;
}

/* ---- Calling --------------------------------------------------------------------------------------------------------- */

pn_tensor *pn_norm_act(pn_graph *g, const pn_norm_layer *norm, double slope, pn_tensor *x)
{
    x = pn_instance_norm_layer_call(g, norm, x);
    return pn_leaky_relu(g, x, slope);
}

pn_tensor *pn_down_block_call(pn_graph *g, const pn_down_block *b, pn_tensor *x)
{
    if (!b->first) x = pn_norm_act(g, &b->norm1, b->slope, x);
    x = pn_conv_layer_call(g, &b->conv1, x);
    x = pn_norm_act(g, &b->norm2, b->slope, x);
    return pn_conv_layer_call(g, &b->conv2, x);
}

pn_tensor *pn_res_block_call(pn_graph *g, const pn_res_block *b, pn_tensor *x)
{
    pn_tensor *h = pn_down_block_call(g, b, x); /* the same four layers, at one size */
    return pn_add(g, h, x);
}

pn_tensor *pn_up_block_call(pn_graph *g, const pn_up_block *b, pn_tensor *x)
{
    pn_tensor *h = pn_norm_act(g, &b->norm1, b->slope, x);
    h = pn_conv_layer_call(g, &b->conv1, h);
    h = pn_norm_act(g, &b->norm2, b->slope, h);
    h = pn_conv_layer_call(g, &b->up, h);
    pn_tensor *skip = pn_conv_layer_call(g, &b->skip, x);
    return pn_add(g, h, skip);
}
