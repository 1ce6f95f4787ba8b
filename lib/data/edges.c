/* lib/data/edges.c - Canny's edges: smooth, slope, thin, follow (Canny 1986)
 *
 * ours: the numbers; they are the defaults of scikit-image, sigma 1 and thresholds 0.1 and 0.2 on Sobel sums of grey in
 * 0 .. 1, with the smoothing cut at 3 pixels, borders repeated and the slope's direction rounded to four.
 */
#include "data/edges.h"

#include <math.h>

enum { RADIUS = 3 };
static const double LOW = 0.1, HIGH = 0.2;

typedef struct { ptrdiff_t height, width, plane; double *grey, *row, *dx, *dy; ptrdiff_t *stack; } canny;

static ptrdiff_t inside(ptrdiff_t i, ptrdiff_t n) { return i < 0 ? 0 : i < n ? i : n - 1; }

static void smooth(canny *c)
{
    double weight[RADIUS + 1], sum = 0.0;
    for (int i = 0; i <= RADIUS; i++) sum += (i ? 2.0 : 1.0) * (weight[i] = exp(-0.5 * i * i));
    for (ptrdiff_t i = 0; i < c->plane; i++) {
        const ptrdiff_t first = i / c->width * c->width, x = i % c->width;
        double v = weight[0] * c->grey[i];
        for (int k = 1; k <= RADIUS; k++)
            v += weight[k] * (c->grey[first + inside(x - k, c->width)] + c->grey[first + inside(x + k, c->width)]);
        c->row[i] = v / sum;
    }
    for (ptrdiff_t i = 0; i < c->plane; i++) {
        const ptrdiff_t x = i % c->width, y = i / c->width;
        double v = weight[0] * c->row[i];
        for (int k = 1; k <= RADIUS; k++)
            v += weight[k] * (c->row[inside(y - k, c->height) * c->width + x] + c->row[inside(y + k, c->height) * c->width + x]);
        c->grey[i] = v / sum;
    }
}

/* Sobel's sums; the outermost pixels have none. row becomes the slope's size. */
static void slopes(canny *c)
{
    const ptrdiff_t w = c->width;
    for (ptrdiff_t i = 0; i < c->plane; i++) {
        const ptrdiff_t x = i % w, y = i / w;
        c->dx[i] = c->dy[i] = c->row[i] = 0.0;
        if (x == 0 || y == 0 || x == w - 1 || y == c->height - 1) continue;
        const double *up = &c->grey[i - w], *at = &c->grey[i], *down = &c->grey[i + w];
        c->dx[i] = (up[1] - up[-1]) + 2.0 * (at[1] - at[-1]) + (down[1] - down[-1]);
        c->dy[i] = (down[-1] - up[-1]) + 2.0 * (down[0] - up[0]) + (down[1] - up[1]);
        c->row[i] = sqrt(c->dx[i] * c->dx[i] + c->dy[i] * c->dy[i]);
    }
}

/* Is the slope at i steepest along its own direction? */
static bool crest(const canny *c, ptrdiff_t i)
{
    static const double TAN = 0.41421356237309503;      /* of 22.5 degrees */
    const double ax = fabs(c->dx[i]), ay = fabs(c->dy[i]);
    const bool falls = (c->dx[i] < 0.0) == (c->dy[i] < 0.0);
    const ptrdiff_t step = ay <= TAN * ax ? 1 : ax <= TAN * ay ? c->width : falls ? c->width + 1 : c->width - 1;
    return c->row[i] > c->row[i - step] && c->row[i] >= c->row[i + step];
}

/* Strong crests, and the weak ones that hang on them. */
static void follow(canny *c, uint8_t *out)
{
    const ptrdiff_t w = c->width;
    ptrdiff_t n = 0;
    for (ptrdiff_t i = 0; i < c->plane; i++) {
        out[i] = 0;
        if (c->row[i] < HIGH || !crest(c, i)) continue;
        out[i] = 1;
        c->stack[n++] = i;
    }
    while (n > 0) {
        const ptrdiff_t at = c->stack[--n];
        for (int k = 0; k < 9; k++) {                   /* the outermost pixels are no edges: neighbours are inside */
            const ptrdiff_t i = at + (k / 3 - 1) * w + k % 3 - 1;
            if (out[i] || c->row[i] < LOW || !crest(c, i)) continue;
            out[i] = 1;
            c->stack[n++] = i;
        }
    }
}

pn_status pn_edges(pn_ctx *ctx, const pn_image *picture, pn_image *out)
{
    const ptrdiff_t plane = picture->height * picture->width;
    canny c = { .height = picture->height, .width = picture->width, .plane = plane };
    double *room = pn_alloc(ctx, (size_t)plane, 4 * sizeof *room);
    c.stack = pn_alloc(ctx, (size_t)plane, sizeof *c.stack);
    const bool all = room && c.stack;
    if (all) {
        c.grey = room;
        c.row = room + plane;
        c.dx = room + 2 * plane;
        c.dy = room + 3 * plane;
        for (ptrdiff_t i = 0; i < plane; i++) {
            const uint8_t *p = &picture->pixels[3 * i];
            c.grey[i] = (0.2125 * p[0] + 0.7154 * p[1] + 0.0721 * p[2]) / 255.0;
        }
        smooth(&c);
        slopes(&c);
        follow(&c, out->pixels);
    }
    pn_free(ctx, room);
    pn_free(ctx, c.stack);
    return all ? PN_OK : PN_ERR_NOMEM;
}
