/* lib/metrics/part.c - scores of some of a picture's pixels, and which those are; contract in posenet/metrics.h */
#include "metrics/inside.h"

#include <math.h>
#include <string.h>

static const char *const names[PN_PART_SCORES] = { "l1", "psnr", "ssim" };

const char *pn_part_score_name(int i) { return i >= 0 && i < PN_PART_SCORES ? names[i] : ""; }

double pn_part_score_at(const pn_part_scores *s, int i)
{
    const double all[PN_PART_SCORES] = { s->l1, s->psnr, s->ssim };
    return all[i];
}

/* ---- A map of SSIM that has every pixel ---------------------------------------------------------------------------- */

/* Where pixel i of a row of n lies, mirrored at both ends as often as it takes: … 1 0 0 1 … n-1 n-1 … */
static ptrdiff_t mirrored(ptrdiff_t i, ptrdiff_t n)
{
    const ptrdiff_t period = 2 * n, at = (i % period + period) % period;
    return at < n ? at : period - 1 - at;
}

static pn_status pad(pn_ctx *ctx, const pn_image *image, pn_image *out)
{
    const ptrdiff_t r = PN_SSIM_RADIUS, h = image->height, w = image->width;
    const pn_status status = pn_image_new(ctx, h + 2 * r, w + 2 * r, 3, out);
    if (status) return status;
    for (ptrdiff_t y = 0; y < out->height; y++)
        for (ptrdiff_t x = 0; x < out->width; x++)
            memcpy(out->pixels + 3 * (y * out->width + x),
                   image->pixels + 3 * (mirrored(y - r, h) * w + mirrored(x - r, w)), 3);
    return PN_OK;
}

static pn_status ssim_everywhere(pn_ctx *ctx, const pn_image *a, const pn_image *b, double *map)
{
    pn_image wide[2] = { { 0 }, { 0 } };
    pn_status status = pad(ctx, a, &wide[0]);
    if (!status) status = pad(ctx, b, &wide[1]);
    if (!status) status = pn_ssim_gaussian(ctx, &wide[0], &wide[1], 255, map);
    for (int i = 0; i < 2; i++) pn_image_free(ctx, &wide[i]);
    return status;
}

/* ---- Scores --------------------------------------------------------------------------------------------------------- */

static pn_part_scores score_part(const pn_image *a, const pn_image *b, const uint8_t *parts, int bit, const double *ssim)
{
    int64_t off = 0, square = 0;
    pn_part_scores s = { NAN, NAN, NAN, 0 };
    double total = 0;
    for (ptrdiff_t i = 0; i < a->height * a->width; i++) {
        if (!(parts[i] >> bit & 1)) continue;
        for (int c = 0; c < 3; c++) {
            const int d = a->pixels[3 * i + c] - b->pixels[3 * i + c];
            off += d < 0 ? -d : d;
            square += d * d;
        }
        total += ssim[i];
        s.pixels++;
    }
    if (!s.pixels) return s;
    const double values = 3.0 * (double)s.pixels;
    s.l1 = (double)off / (255.0 * values);
    s.psnr = square ? 10.0 * log10(255.0 * 255.0 * values / (double)square) : INFINITY;
    s.ssim = total / (double)s.pixels;
    return s;
}

pn_status pn_score_parts(pn_ctx *ctx, const pn_image *generated, const pn_image *target, const pn_image *parts, int n,
                         pn_part_scores *out)
{
    const pn_image *a = generated, *b = target;
    if (n < 1 || n > 8) return pn_fail(ctx, PN_ERR_ARG, "pn_score_parts: %d parts, expected 1 to 8, one for each bit", n);
    if (a->channels != 3 || b->channels != 3 || parts->channels != 1 || a->height != b->height ||
        a->width != b->width || a->height != parts->height || a->width != parts->width)
        return pn_fail(ctx, PN_ERR_SHAPE,
                       "pn_score_parts: pictures of %tdx%tdx%d and %tdx%tdx%d and parts of %tdx%tdx%d, expected one size, 3 "
                       "channels and 1; resize with pn_image_resize first",
                       a->height, a->width, a->channels, b->height, b->width, b->channels, parts->height, parts->width,
                       parts->channels);
    double *ssim = pn_alloc(ctx, (size_t)(a->height * a->width), sizeof *ssim);
    if (!ssim) return PN_ERR_NOMEM;
    const pn_status status = ssim_everywhere(ctx, a, b, ssim);
    for (int i = 0; !status && i < n; i++) out[i] = score_part(a, b, parts->pixels, i, ssim);
    pn_free(ctx, ssim);
    return status;
}

/* ---- What of a person the source does not show ----------------------------------------------------------------------- */

enum { CELL = 4, SEEN_AT = 2 };         /* a network looks at every fourth pixel of a label map, from (2,2) on */

pn_status pn_parts_of(pn_ctx *ctx, const pn_image *source, const pn_image *target, pn_image *parts)
{
    const pn_image *const all[] = { source, target, parts };
    for (int i = 0; i < 3; i++)
        if (all[i]->channels != 1 || all[i]->height != source->height || all[i]->width != source->width)
            return pn_fail(ctx, PN_ERR_SHAPE,
                           "pn_parts_of: classes of %tdx%tdx%d and %tdx%tdx%d and parts of %tdx%tdx%d, expected one size "
                           "and 1 channel",
                           source->height, source->width, source->channels, target->height, target->width,
                           target->channels, parts->height, parts->width, parts->channels);
    bool seen[256] = { false };
    for (ptrdiff_t y = SEEN_AT; y < source->height; y += CELL)
        for (ptrdiff_t x = SEEN_AT; x < source->width; x += CELL) seen[source->pixels[y * source->width + x]] = true;
    for (ptrdiff_t i = 0; i < target->height * target->width; i++) {
        const uint8_t class = target->pixels[i];
        parts->pixels[i] = (uint8_t)(!class ? 0 : 1 << PN_PART_PERSON | !seen[class] << PN_PART_OCCLUDED);
    }
    return PN_OK;
}
