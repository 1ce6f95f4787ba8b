/* lib/metrics/features.c - how far pictures are apart as VGG19 sees them; contract in posenet/metrics.h */
#include "metrics/inside.h"
#include "posenet/train.h"

#include <math.h>
#include <string.h>

enum { TAPS = 4, POOLED = TAPS - 1, SLOTS = 3, LEAST = 8, NARROW = 4 };     /* LEAST: three pools leave a pixel of it */
static const pn_vgg19_tap taps[TAPS] = { PN_RELU1_2, PN_RELU2_2, PN_RELU3_4, PN_RELU4_4 };

/* Pictures go through one by one: what one looks like does not depend on those beside it, to the very bit. */
struct pn_extractor {
    pn_ctx *ctx;
    pn_params *params;
    pn_vgg19 vgg;
    ptrdiff_t numbers;              /* channels of the tap that is pooled */
    char *filters;
    /* for pictures of one size, made anew for those of another */
    ptrdiff_t height, width;        /* 0: there is no plan */
    pn_graph *graph;
    pn_plan *plan;
    pn_tensor *picture, *seen[TAPS];
    pn_real *colours;               /* [3,height,width] */
    pn_real *tap[SLOTS][TAPS];      /* [C,h,w] */
    double *rows;                   /* [height], sums of a map's rows, added in order whichever thread made them */
    double *pooled[SLOTS];          /* [numbers] */
};

/* ---- The network -------------------------------------------------------------------------------------------------- */

static pn_status make_network(pn_extractor *x, const char *vgg19)
{
    x->params = vgg19 ? pn_vgg19_open(x->ctx, vgg19, 0, true, &x->vgg) : pn_vgg19_fixed_seed(x->ctx, NARROW, &x->vgg);
    if (!x->params) return pn_ctx_status(x->ctx);
    x->filters = vgg19 ? pn_format(x->ctx, "filters of %s", vgg19)
                       : pn_format(x->ctx, "fixed-seed orthogonal filters, widths / %d", NARROW);
    x->numbers = pn_tensor_shape(x->vgg.conv[taps[POOLED]].weight).dim[0];
    bool room = x->filters != NULL;
    for (int i = 0; i < SLOTS; i++) room = (x->pooled[i] = pn_alloc(x->ctx, (size_t)x->numbers, sizeof(double))) && room;
    return room ? PN_OK : PN_ERR_NOMEM;
}

pn_extractor *pn_extractor_new(pn_ctx *ctx, const char *vgg19)
{
    pn_extractor *x = pn_alloc(ctx, 1, sizeof *x);
    if (!x) return NULL;
    x->ctx = ctx;
    if (!make_network(x, vgg19)) return x;
    pn_extractor_free(x);
    return NULL;
}

/* All that belongs to one size. */
static void forget_size(pn_extractor *x)
{
    pn_plan_free(x->plan);
    pn_graph_free(x->graph);
    pn_free(x->ctx, x->colours);
    pn_free(x->ctx, x->rows);
    for (int i = 0; i < SLOTS * TAPS; i++) {
        pn_free(x->ctx, x->tap[i / TAPS][i % TAPS]);
        x->tap[i / TAPS][i % TAPS] = NULL;
    }
    x->plan = NULL;
    x->graph = NULL;
    x->colours = NULL;
    x->rows = NULL;
    x->height = x->width = 0;
}

void pn_extractor_free(pn_extractor *x)
{
    if (!x) return;
    forget_size(x);
    pn_params_free(x->params);
    pn_free(x->ctx, x->filters);
    for (int i = 0; i < SLOTS; i++) pn_free(x->ctx, x->pooled[i]);
    pn_free(x->ctx, x);
}

const char *pn_extractor_filters(const pn_extractor *x) { return x->filters; }
ptrdiff_t pn_extractor_numbers(const pn_extractor *x) { return x->numbers; }

/* ---- Looking ------------------------------------------------------------------------------------------------------ */

static pn_status plan_for(pn_extractor *x, ptrdiff_t height, ptrdiff_t width)
{
    forget_size(x);
    x->graph = pn_graph_new(x->ctx);
    if (!x->graph) return PN_ERR_NOMEM;
    x->picture = pn_input(x->graph, "picture", pn_shape4(1, 3, height, width), PN_CONST);
    pn_tensor *colours = pn_imagenet_colours(x->graph, x->picture);
    const pn_vgg19_features f = pn_vgg19_call(x->graph, &x->vgg, colours, taps[TAPS - 1]);
    for (int i = 0; i < TAPS; i++) pn_output(x->graph, x->seen[i] = f.tap[taps[i]], PN_CONST);
    x->plan = pn_plan_new(x->graph, &(pn_plan_opt){ .mode = PN_INFER });
    if (!x->plan) return pn_ctx_status(x->ctx);
    x->colours = pn_alloc(x->ctx, (size_t)(3 * height * width), sizeof *x->colours);
    x->rows = pn_alloc(x->ctx, (size_t)height, sizeof *x->rows);
    bool room = x->colours && x->rows;
    for (int i = 0; i < SLOTS * TAPS; i++) {
        const size_t count = (size_t)pn_shape_count(pn_tensor_shape(x->seen[i % TAPS]));
        room = (x->tap[i / TAPS][i % TAPS] = pn_alloc(x->ctx, count, sizeof(pn_real))) && room;
    }
    if (!room) return PN_ERR_NOMEM;
    x->height = height;
    x->width = width;
    return PN_OK;
}

static void pool(pn_extractor *x, int slot)
{
    const pn_shape s = pn_tensor_shape(x->seen[POOLED]);
    const ptrdiff_t places = s.dim[2] * s.dim[3];
    const pn_real *v = x->tap[slot][POOLED];
    for (ptrdiff_t c = 0; c < x->numbers; c++) {
        double sum = 0;
        for (ptrdiff_t i = 0; i < places; i++) sum += (double)v[c * places + i];
        x->pooled[slot][c] = sum / (double)places;
    }
}

static pn_status see(pn_extractor *x, int slot, const pn_image *picture)
{
    const ptrdiff_t h = picture->height, w = picture->width, area = h * w;
    if (picture->channels != 3 || h < LEAST || w < LEAST)
        return pn_fail(x->ctx, PN_ERR_SHAPE, "features of a picture of %tdx%tdx%d, expected sides of %d or more and 3 channels; enlarge it "
                       "with pn_image_resize first", h, w, picture->channels, LEAST);
    pn_status status = h == x->height && w == x->width ? PN_OK : plan_for(x, h, w);
    if (status) {
        forget_size(x);
        return status;
    }
    for (ptrdiff_t i = 0; i < 3 * area; i++)
        x->colours[i % 3 * area + i / 3] = (pn_real)(picture->pixels[i] / 127.5 - 1);
    status = pn_set(x->plan, x->picture, x->colours);
    if (!status) status = pn_forward(x->plan);
    for (int i = 0; i < TAPS && !status; i++) status = pn_get(x->plan, x->seen[i], x->tap[slot][i]);
    if (!status) pool(x, slot);
    return status;
}

/* ---- Distance ----------------------------------------------------------------------------------------------------- */

typedef struct { const pn_real *a, *b; ptrdiff_t channels, height, width; double *rows; } comparison;

static double inverse_norm(const pn_real *v, ptrdiff_t channels, ptrdiff_t stride)
{
    const double eps = 1e-10;       /* LPIPS's: a pixel that no filter answers to stays 0 */
    double squares = 0;
    for (ptrdiff_t c = 0; c < channels; c++) squares += (double)v[c * stride] * (double)v[c * stride];
    return 1 / (sqrt(squares) + eps);
}

static void compare_row(void *job, ptrdiff_t row, int worker)
{
    (void)worker;
    const comparison *m = job;
    const ptrdiff_t stride = m->height * m->width;
    double sum = 0;
    for (ptrdiff_t i = row * m->width; i < (row + 1) * m->width; i++) {
        const double na = inverse_norm(m->a + i, m->channels, stride), nb = inverse_norm(m->b + i, m->channels, stride);
        for (ptrdiff_t c = 0; c < m->channels; c++) {
            const double d = (double)m->a[c * stride + i] * na - (double)m->b[c * stride + i] * nb;
            sum += d * d;
        }
    }
    m->rows[row] = sum;
}

static double distance_of(pn_extractor *x, int a, int b)
{
    double total = 0;
    for (int i = 0; i < TAPS; i++) {
        const pn_shape s = pn_tensor_shape(x->seen[i]);
        comparison m = { x->tap[a][i], x->tap[b][i], s.dim[1], s.dim[2], s.dim[3], x->rows };
        double sum = 0;
        pn_parallel(pn_ctx_pool(x->ctx), m.height, compare_row, &m);
        for (ptrdiff_t y = 0; y < m.height; y++) sum += x->rows[y];
        total += sum / (double)(m.height * m.width);
    }
    return total;
}

pn_status pn_feature_distance(pn_extractor *x, const pn_image *a, const pn_image *b, double *out)
{
    if (a->height != b->height || a->width != b->width)
        return pn_fail(x->ctx, PN_ERR_SHAPE, "pn_feature_distance: pictures of %tdx%td and %tdx%td, expected one size; resize with "
                       "pn_image_resize first", a->height, a->width, b->height, b->width);
    pn_status status = see(x, 0, a);
    if (!status) status = see(x, 1, b);
    if (!status) *out = distance_of(x, 0, 1);
    return status;
}

pn_status pn_feature_pool(pn_extractor *x, const pn_image *picture, double *out)
{
    const pn_status status = see(x, 0, picture);
    if (!status) memcpy(out, x->pooled[0], (size_t)x->numbers * sizeof *out);
    return status;
}

/* ---- Lists -------------------------------------------------------------------------------------------------------- */

enum { MADE, TRUTH, SOURCE };
struct pn_feature_list {
    pn_extractor *extractor;
    pn_gaussian *of[SLOTS];
    ptrdiff_t pairs;
    double made, copy;              /* sums of the pairs' distances */
};

pn_feature_list *pn_feature_list_new(pn_ctx *ctx, const char *vgg19)
{
    pn_feature_list *l = pn_alloc(ctx, 1, sizeof *l);
    if (!l) return NULL;
    bool fine = (l->extractor = pn_extractor_new(ctx, vgg19)) != NULL;
    for (int i = 0; i < SLOTS && fine; i++) fine = (l->of[i] = pn_gaussian_new(ctx, l->extractor->numbers)) != NULL;
    if (fine) return l;
    pn_feature_list_free(ctx, l);
    return NULL;
}

void pn_feature_list_free(pn_ctx *ctx, pn_feature_list *l)
{
    if (!l) return;
    for (int i = 0; i < SLOTS; i++) pn_gaussian_free(l->of[i]);
    pn_extractor_free(l->extractor);
    pn_free(ctx, l);
}

pn_status pn_feature_list_add(pn_feature_list *l, const pn_image picture[3], double *made, double *copy)
{
    pn_status status = PN_OK;
    for (int i = 0; i < SLOTS && !status; i++) status = see(l->extractor, i, &picture[i]);
    if (status) return status;
    for (int i = 0; i < SLOTS; i++) pn_gaussian_add(l->of[i], l->extractor->pooled[i]);
    l->made += *made = distance_of(l->extractor, MADE, TRUTH);
    l->copy += *copy = distance_of(l->extractor, SOURCE, TRUTH);
    l->pairs++;
    return PN_OK;
}

pn_status pn_feature_list_scores(const pn_feature_list *l, pn_feature_scores *out)
{
    const double pairs = (double)l->pairs;
    pn_feature_scores s = { l->extractor->filters, l->extractor->numbers, l->pairs, l->pairs ? l->made / pairs : NAN,
                            l->pairs ? l->copy / pairs : NAN, NAN, NAN };
    pn_status status = pn_frechet_distance(l->of[MADE], l->of[TRUTH], &s.frechet);
    if (!status) status = pn_frechet_distance(l->of[SOURCE], l->of[TRUTH], &s.frechet_copy);
    if (!status) *out = s;
    return status;
}
