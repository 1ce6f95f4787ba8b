/* lib/features/vgg19.c - VGG19 (Simonyan & Zisserman 2015) as torchvision numbers it, up to relu5_2 */
#include "posenet/train.h"

#include <math.h>

enum { POOL = 0, FIXED_SEED = 19 };
/* Convolutions and pools in order; the index in `features` counts a ReLU after each convolution. */
static const struct { int out; } layers[] = {
    { 64 }, { 64 }, { POOL }, { 128 }, { 128 }, { POOL }, { 256 }, { 256 }, { 256 }, { 256 }, { POOL },
    { 512 }, { 512 }, { 512 }, { 512 }, { POOL }, { 512 }, { 512 },
};
enum { LAYERS = sizeof layers / sizeof *layers };
static const pn_conv_opt same = { .pad = { 1, 1 } };
static const pn_pool_opt halve = { .kernel = { 2, 2 } };

pn_vgg19 pn_vgg19_make(const pn_scope *s, int narrow)
{
    pn_vgg19 vgg = { 0 };
    int index = 0, made = 0;
    ptrdiff_t in = 3;
    for (int i = 0; i < LAYERS; i++) {
        if (layers[i].out == POOL) {
            index += 1;
            continue;
        }
        const pn_scope at = pn_scope_in(s, "features.%d", index);
        const ptrdiff_t out = layers[i].out / narrow;
        vgg.conv[made++] = pn_conv_layer_make(&at, in, out, 3, same);
        in = out;
        index += 2;                                     /* itself and its ReLU */
    }
    return vgg;
}

pn_params *pn_vgg19_fixed_seed(pn_ctx *ctx, int narrow, pn_vgg19 *vgg)
{
    pn_params *params = pn_params_new(ctx);
    if (!params) return NULL;
    const pn_scope top = pn_scope_top(params, (pn_init){ PN_INIT_ORTHOGONAL, sqrt(2) });
    *vgg = pn_vgg19_make(&top, narrow);
    if (!pn_params_init(params, FIXED_SEED)) return params;
    pn_params_free(params);
    return NULL;
}

static int narrow_of(const pn_weights *w)
{
    const pn_shape first = pn_weights_shape(w, "features.0.weight");
    const ptrdiff_t width = layers[0].out;
    return first.rank == 4 && first.dim[0] > 0 && first.dim[0] < width && width % first.dim[0] == 0 ? (int)(width / first.dim[0]) : 1;
}

pn_params *pn_vgg19_open(pn_ctx *ctx, const char *path, int narrow, bool tell, pn_vgg19 *vgg)
{
    pn_weights *w = pn_weights_open(ctx, path);
    pn_params *params = w ? pn_params_new(ctx) : NULL;
    if (params) {
        const pn_scope top = pn_scope_top(params, (pn_init){ PN_INIT_CONSTANT, 0 });
        *vgg = pn_vgg19_make(&top, narrow ? narrow : narrow_of(w));
        if (pn_weights_load(w, "", params, PN_LOAD_EXACT, NULL)) {
            pn_params_free(params);
            params = NULL;
        } else if (tell) {
            pn_weights_report(w, "VGG19", &(pn_part){ .prefix = "", .params = params }, 1, 1);
        }
    }
    pn_weights_free(w);
    return params;
}

pn_tensor *pn_imagenet_colours(pn_graph *g, pn_tensor *x)
{
    static const double mean[3] = { 0.485, 0.456, 0.406 }, deviation[3] = { 0.229, 0.224, 0.225 };
    pn_tensor *c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = pn_slice(g, x, 1, i, i + 1);
        c[i] = pn_affine(g, c[i], 0.5 / deviation[i], (0.5 - mean[i]) / deviation[i]);
    }
    return pn_concat(g, c, 3, 1);
}

pn_vgg19_features pn_vgg19_call(pn_graph *g, const pn_vgg19 *vgg, pn_tensor *x, pn_vgg19_tap last)
{
    pn_vgg19_features f = { 0 };
    int made = 0;
    for (int i = 0; i < LAYERS && made <= (int)last; i++) {
        if (layers[i].out == POOL) {
            x = pn_max_pool2d(g, x, halve);
        } else {
            x = pn_conv_layer_call(g, &vgg->conv[made], x);
            x = f.tap[made++] = pn_relu(g, x);
        }
    }
    return f;
}
