/* lib/metrics/score.c - L1, PSNR, MAE and two kinds of SSIM of one pair; contract in posenet/metrics.h */
#include "metrics/inside.h"

#include <math.h>
#include <string.h>

static const char *const names[PN_SCORES] = { "l1", "psnr", "mae", "ssim", "ssim_256" };

const char *pn_score_name(int i) { return i >= 0 && i < PN_SCORES ? names[i] : ""; }

double pn_score_at(const pn_scores *s, int i)
{
    const double all[PN_SCORES] = { s->l1, s->psnr, s->mae, s->ssim, s->ssim_256 };
    return all[i];
}

/* ---- SSIM of one window ----------------------------------------------------------------------------------------- */

/* Means of x, y, xx, yy, xy over a window, the covariance's factor, and the two constants. */
typedef struct { double x, y, xx, yy, xy; } moments;
typedef struct { double factor, c1, c2; } ssim_constants;

static ssim_constants constants_of(double range, double factor)
{
    return (ssim_constants){ factor, 0.01 * range * 0.01 * range, 0.03 * range * 0.03 * range };
}

static double ssim_of(const moments *m, const ssim_constants *k)
{
    const double vx = k->factor * (m->xx - m->x * m->x), vy = k->factor * (m->yy - m->y * m->y);
    const double vxy = k->factor * (m->xy - m->x * m->y);
    return ((2 * m->x * m->y + k->c1) * (2 * vxy + k->c2)) / ((m->x * m->x + m->y * m->y + k->c1) * (vx + vy + k->c2));
}

/* ---- 51x51 box: running sums of whole numbers, exact ------------------------------------------------------------ */

enum { BOX = 51, RADIUS = PN_SSIM_RADIUS, TAPS = 2 * RADIUS + 1 };

typedef struct { int64_t x, y, xx, yy, xy; } sums;

static void add(sums *s, int64_t x, int64_t y, int64_t sign)
{
    s->x += sign * x;
    s->y += sign * y;
    s->xx += sign * x * x;
    s->yy += sign * y * y;
    s->xy += sign * x * y;
}

static void join(sums *s, const sums *column, int64_t sign)
{
    s->x += sign * column->x;
    s->y += sign * column->y;
    s->xx += sign * column->xx;
    s->yy += sign * column->yy;
    s->xy += sign * column->xy;
}

static double box_row(const sums *column, ptrdiff_t width, const ssim_constants *k)
{
    const double n = (double)BOX * BOX, one = 1.0 / (255.0 * n), two = 1.0 / (255.0 * 255.0 * n);
    sums window = { 0, 0, 0, 0, 0 };
    double total = 0;
    for (ptrdiff_t x = 0; x < width; x++) {
        join(&window, &column[x], 1);
        if (x >= BOX) join(&window, &column[x - BOX], -1);
        if (x < BOX - 1) continue;
        const moments m = { (double)window.x * one, (double)window.y * one, (double)window.xx * two,
                            (double)window.yy * two, (double)window.xy * two };
        total += ssim_of(&m, k);
    }
    return total;
}

static pn_status ssim_box(pn_ctx *ctx, const pn_image *a, const pn_image *b, double *out)
{
    const ptrdiff_t h = a->height, w = a->width;
    *out = NAN;
    if (h < BOX || w < BOX) return PN_OK;
    sums *column = pn_alloc(ctx, (size_t)w, sizeof *column);
    if (!column) return PN_ERR_NOMEM;
    const double n = (double)BOX * BOX;
    const ssim_constants k = constants_of(1.0, n / (n - 1));
    double total = 0;
    for (int c = 0; c < 3; c++) {
        memset(column, 0, (size_t)w * sizeof *column);
        for (ptrdiff_t y = 0; y < h; y++) {
            for (ptrdiff_t x = 0; x < w; x++) {
                const ptrdiff_t at = (y * w + x) * 3 + c, gone = at - BOX * w * 3;
                add(&column[x], a->pixels[at], b->pixels[at], 1);
                if (y >= BOX) add(&column[x], a->pixels[gone], b->pixels[gone], -1);
            }
            if (y >= BOX - 1) total += box_row(column, w, &k);
        }
    }
    pn_free(ctx, column);
    *out = total / (3.0 * (double)((h - BOX + 1) * (w - BOX + 1)));
    return PN_OK;
}

/* ---- Gaussian of 11 taps ---------------------------------------------------------------------------------------- */

static void gaussian(double weight[TAPS])
{
    double sum = 0;
    for (int i = 0; i < TAPS; i++) sum += weight[i] = exp(-0.5 * (i - RADIUS) * (i - RADIUS) / (1.5 * 1.5));
    for (int i = 0; i < TAPS; i++) weight[i] /= sum;
}

/* The row's moments, filtered along it, for places RADIUS .. w-RADIUS-1. */
static void filter_row(const uint8_t *a, const uint8_t *b, ptrdiff_t w, const double weight[TAPS], moments *out)
{
    for (ptrdiff_t x = 0; x + TAPS <= w; x++) {
        moments m = { 0, 0, 0, 0, 0 };
        for (int i = 0; i < TAPS; i++) {
            const double va = a[(x + i) * 3], vb = b[(x + i) * 3], k = weight[i];
            m.x += k * va;
            m.y += k * vb;
            m.xx += k * va * va;
            m.yy += k * vb * vb;
            m.xy += k * va * vb;
        }
        out[x] = m;
    }
}

/* Adds a third of S, one channel's share, to each of the n places of out. */
static void filtered_row(moments *const rows[TAPS], ptrdiff_t n, const double weight[TAPS], const ssim_constants *k,
                         double *out)
{
    for (ptrdiff_t x = 0; x < n; x++) {
        moments m = { 0, 0, 0, 0, 0 };
        for (int i = 0; i < TAPS; i++) {
            const moments *r = &rows[i][x];
            m.x += weight[i] * r->x;
            m.y += weight[i] * r->y;
            m.xx += weight[i] * r->xx;
            m.yy += weight[i] * r->yy;
            m.xy += weight[i] * r->xy;
        }
        out[x] += ssim_of(&m, k) / 3;
    }
}

pn_status pn_ssim_gaussian(pn_ctx *ctx, const pn_image *a, const pn_image *b, double range, double *map)
{
    const ptrdiff_t h = a->height, w = a->width, n = w - TAPS + 1;
    moments *ring = pn_alloc(ctx, (size_t)n * TAPS, sizeof *ring);
    if (!ring) return PN_ERR_NOMEM;
    const ssim_constants k = constants_of(range, 1.0);
    double weight[TAPS];
    gaussian(weight);
    memset(map, 0, (size_t)((h - TAPS + 1) * n) * sizeof *map);
    for (int c = 0; c < 3; c++)
        for (ptrdiff_t y = 0; y < h; y++) {
            filter_row(a->pixels + y * w * 3 + c, b->pixels + y * w * 3 + c, w, weight, ring + y % TAPS * n);
            if (y < TAPS - 1) continue;
            moments *rows[TAPS];
            for (ptrdiff_t i = 0; i < TAPS; i++) rows[i] = ring + (y - TAPS + 1 + i) % TAPS * n;
            filtered_row(rows, n, weight, &k, map + (y - TAPS + 1) * n);
        }
    pn_free(ctx, ring);
    return PN_OK;
}

static double range_of(const pn_image *image)
{
    int low = 255, high = 0;
    for (ptrdiff_t i = 0; i < image->height * image->width * 3; i++) {
        const int v = image->pixels[i];
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    return high - low;
}

static pn_status ssim_gaussian(pn_ctx *ctx, const pn_image *a, const pn_image *b, double *out)
{
    const ptrdiff_t h = a->height, w = a->width, places = (h - TAPS + 1) * (w - TAPS + 1);
    const double range = range_of(a);
    *out = NAN;
    if (h < TAPS || w < TAPS || range <= 0) return PN_OK;
    double *map = pn_alloc(ctx, (size_t)places, sizeof *map), total = 0;
    if (!map) return PN_ERR_NOMEM;
    const pn_status status = pn_ssim_gaussian(ctx, a, b, range, map);
    for (ptrdiff_t i = 0; !status && i < places; i++) total += map[i];
    pn_free(ctx, map);
    if (!status) *out = total / (double)places;
    return status;
}

/* ---- All of them ------------------------------------------------------------------------------------------------ */

pn_status pn_score(pn_ctx *ctx, const pn_image *generated, const pn_image *target, pn_scores *out)
{
    const pn_image *a = generated, *b = target;
    if (a->channels != 3 || b->channels != 3 || a->height != b->height || a->width != b->width)
        return pn_fail(ctx, PN_ERR_SHAPE,
                       "pn_score: pictures of %tdx%tdx%d and %tdx%tdx%d, expected one size and 3 channels; resize "
                       "with pn_image_resize first",
                       a->height, a->width, a->channels, b->height, b->width, b->channels);
    const ptrdiff_t n = a->height * a->width * 3;
    int64_t off = 0, square = 0, both = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const int d = a->pixels[i] - b->pixels[i];
        off += d < 0 ? -d : d;
        square += d * d;
        both += a->pixels[i] + b->pixels[i];
    }
    pn_scores s = {
        .l1 = (double)off / (255.0 * (double)n),
        .mae = both ? (double)off / (double)both : NAN,
        .psnr = square ? 10.0 * log10(255.0 * 255.0 * (double)n / (double)square) : INFINITY,
    };
    pn_status status = ssim_box(ctx, a, b, &s.ssim);
    if (!status) status = ssim_gaussian(ctx, a, b, &s.ssim_256);
    if (!status) *out = s;
    return status;
}
