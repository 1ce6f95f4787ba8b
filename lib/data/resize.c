/* lib/data/resize.c - resampling that agrees with Pillow bit for bit
 *
 * Two passes, rows first, each rounding to bytes; weights in fixed point of 22 bits. The filter widens by the scale
 * when shrinking, which is what makes it antialiased. Every published loader resizes with Pillow, so its rounding is
 * the meaning.
 */
#include "io/io.h"

#include <math.h>
#include <string.h>

enum { FIXED = 22 };                                    /* 32 bits less 8 of a pixel and 2 of head room */

static double triangle(double x) { x = fabs(x); return x < 1.0 ? 1.0 - x : 0.0; }

static double cubic(double x)                           /* Keys 1981, a = -0.5 */
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

/* For each output place: the first input, how many, and their weights. */
typedef struct { ptrdiff_t taps; ptrdiff_t *first, *count; int32_t *weight; double *scratch; } weights;

static void weights_free(pn_ctx *ctx, weights *w)
{
    pn_free(ctx, w->first);
    pn_free(ctx, w->count);
    pn_free(ctx, w->weight);
    pn_free(ctx, w->scratch);
}

static pn_status weights_new(pn_ctx *ctx, ptrdiff_t in, ptrdiff_t out, pn_filter filter, weights *w)
{
    const double scale = (double)in / (double)out, wide = scale < 1.0 ? 1.0 : scale, narrow = 1.0 / wide;
    const double support = (filter == PN_FILTER_CUBIC ? 2.0 : 1.0) * wide;
    const ptrdiff_t taps = (ptrdiff_t)ceil(support) * 2 + 1;
    *w = (weights){ .taps = taps };
    w->first = pn_alloc(ctx, (size_t)out, sizeof *w->first);
    w->count = pn_alloc(ctx, (size_t)out, sizeof *w->count);
    w->weight = pn_alloc(ctx, (size_t)out * (size_t)taps, sizeof *w->weight);
    w->scratch = pn_alloc(ctx, (size_t)taps, sizeof *w->scratch);
    if (!w->first || !w->count || !w->weight || !w->scratch) return PN_ERR_NOMEM;
    for (ptrdiff_t o = 0; o < out; o++) {
        const double centre = ((double)o + 0.5) * scale;
        ptrdiff_t first = (ptrdiff_t)(centre - support + 0.5), last = (ptrdiff_t)(centre + support + 0.5);
        if (first < 0) first = 0;
        if (last > in) last = in;
        double sum = 0;
        for (ptrdiff_t i = 0; i < last - first; i++) {
            const double at = ((double)(i + first) - centre + 0.5) * narrow;
            w->scratch[i] = filter == PN_FILTER_CUBIC ? cubic(at) : triangle(at);
            sum += w->scratch[i];
        }
        for (ptrdiff_t i = 0; i < last - first; i++) {
            const double v = (sum != 0.0 ? w->scratch[i] / sum : w->scratch[i]) * (1 << FIXED);
            w->weight[o * taps + i] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
        }
        w->first[o] = first;
        w->count[o] = last - first;
    }
    return PN_OK;
}

static uint8_t clip(int32_t sum)
{
    sum >>= FIXED;                                      /* arithmetic in every compiler we know; negative becomes 0 */
    return sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
}

static void along_rows(const pn_image *in, const weights *w, pn_image *out)
{
    const int c = in->channels;
    for (ptrdiff_t y = 0; y < out->height; y++)
        for (ptrdiff_t x = 0; x < out->width; x++) {
            const int32_t *weight = w->weight + x * w->taps;
            const uint8_t *from = in->pixels + (y * in->width + w->first[x]) * c;
            for (int k = 0; k < c; k++) {
                int32_t sum = 1 << (FIXED - 1);
                for (ptrdiff_t i = 0; i < w->count[x]; i++) sum += from[i * c + k] * weight[i];
                out->pixels[(y * out->width + x) * c + k] = clip(sum);
            }
        }
}

static void along_columns(const pn_image *in, const weights *w, pn_image *out)
{
    const ptrdiff_t row = in->width * in->channels;
    for (ptrdiff_t y = 0; y < out->height; y++) {
        const int32_t *weight = w->weight + y * w->taps;
        const uint8_t *from = in->pixels + w->first[y] * row;
        for (ptrdiff_t x = 0; x < row; x++) {
            int32_t sum = 1 << (FIXED - 1);
            for (ptrdiff_t i = 0; i < w->count[y]; i++) sum += from[i * row + x] * weight[i];
            out->pixels[y * row + x] = clip(sum);
        }
    }
}

/* Source row floor((i + 1/2) H / H'), exact in whole numbers; columns likewise. */
static void nearest(const pn_image *in, pn_image *out)
{
    for (ptrdiff_t y = 0; y < out->height; y++) {
        const ptrdiff_t sy = (2 * y + 1) * in->height / (2 * out->height);
        for (ptrdiff_t x = 0; x < out->width; x++) {
            const ptrdiff_t sx = (2 * x + 1) * in->width / (2 * out->width);
            memcpy(out->pixels + (y * out->width + x) * out->channels,
                   in->pixels + (sy * in->width + sx) * in->channels, (size_t)in->channels);
        }
    }
}

typedef void pass(const pn_image *in, const weights *w, pn_image *out);

static pn_status run_pass(pn_ctx *ctx, const pn_image *in, ptrdiff_t from, ptrdiff_t to, pn_filter filter, pass *run,
                          pn_image *out)
{
    weights w;
    const pn_status status = weights_new(ctx, from, to, filter, &w);
    if (!status) run(in, &w, out);
    weights_free(ctx, &w);
    return status;
}

pn_status pn_image_resize(pn_ctx *ctx, const pn_image *image, ptrdiff_t height, ptrdiff_t width, pn_filter filter,
                          pn_image *out)
{
    pn_image result;
    pn_status status = pn_image_new(ctx, height, width, image->channels, &result);
    if (status) return status;
    if (image->height == height && image->width == width) {
        memcpy(result.pixels, image->pixels, (size_t)(height * width) * (size_t)image->channels);
    } else if (filter == PN_FILTER_NEAREST) {
        nearest(image, &result);
    } else if (image->width == width) {
        status = run_pass(ctx, image, image->height, height, filter, along_columns, &result);
    } else if (image->height == height) {
        status = run_pass(ctx, image, image->width, width, filter, along_rows, &result);
    } else {
        pn_image middle = { 0 };
        status = pn_image_new(ctx, image->height, width, image->channels, &middle);
        if (!status) status = run_pass(ctx, image, image->width, width, filter, along_rows, &middle);
        if (!status) status = run_pass(ctx, &middle, image->height, height, filter, along_columns, &result);
        pn_image_free(ctx, &middle);
    }
    if (status) pn_image_free(ctx, &result);
    else *out = result;
    return status;
}
