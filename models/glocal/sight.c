/* models/glocal/sight.c - what the source shows: leaves that follow from its picture, label map and hole alone
 *
 * Two ways to bring a map to cells: near4 takes the pixel (4i+2, 4j+2), beside the cell's centre; area4 the cell's mean.
 */
#include "glocal.h"

#include <math.h>
#include <string.h>

enum { CELL = GLOCAL_CELL, REGIONS = GLOCAL_REGIONS, NODES = GLOCAL_NODES };

/* Numbers of one sample in each array, in the order of their place. */
typedef struct {
    ptrdiff_t seen, hole, regions, visible, valid, gain, colours, where, shown;
} counts;

static counts counts_of(ptrdiff_t height, ptrdiff_t width)
{
    const ptrdiff_t pixels = height * width, cells = pixels / (CELL * CELL);
    return (counts){ 3 * pixels, pixels, NODES * cells, NODES, cells, 1, 3 * cells, 3 * cells, REGIONS };
}

size_t glocal_sight_numbers(ptrdiff_t n, ptrdiff_t height, ptrdiff_t width)
{
    const counts c = counts_of(height, width);
    return (size_t)(n * (c.seen + c.hole + c.regions + c.visible + c.valid + c.gain + c.colours + c.where + c.shown));
}

glocal_sight glocal_sight_place(pn_real *numbers, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width)
{
    const counts c = counts_of(height, width);
    glocal_sight s = { .n = n, .height = height, .width = width, .seen = numbers };
    s.hole = s.seen + n * c.seen;
    s.regions = s.hole + n * c.hole;
    s.visible = s.regions + n * c.regions;
    s.valid = s.visible + n * c.visible;
    s.gain = s.valid + n * c.valid;
    s.colours = s.gain + n * c.gain;
    s.where = s.colours + n * c.colours;
    s.shown = s.where + n * c.where;
    return s;
}

/* ---- One sample ------------------------------------------------------------------------------------------------------ */

typedef struct {
    ptrdiff_t height, width, h, w;
} grid;

static pn_real near4(const pn_real *plane, grid at, ptrdiff_t i, ptrdiff_t j)
{
    return plane[(CELL * i + 2) * at.width + CELL * j + 2];
}

static double area4(const pn_real *plane, grid at, ptrdiff_t i, ptrdiff_t j)
{
    double sum = 0;
    for (ptrdiff_t y = 0; y < CELL; y++)
        for (ptrdiff_t x = 0; x < CELL; x++) sum += (double)plane[(CELL * i + y) * at.width + CELL * j + x];
    return sum / (CELL * CELL);
}

/* A cell is valid where at least half of it is seen, and its middle pixel is: by the first alone, thin regions that are
 * missing altogether count as visible through the cells at their border. */
static void look_at_cells(const pn_real *hole, grid at, pn_real *valid)
{
    for (ptrdiff_t i = 0; i < at.h; i++)
        for (ptrdiff_t j = 0; j < at.w; j++)
            valid[i * at.w + j] = area4(hole, at, i, j) <= 0.5 && near4(hole, at, i, j) == 0 ? 1 : 0;
}

static void look_at_regions(const pn_real *layout, const pn_real *valid, grid at, double least, pn_real *regions,
                            pn_real *shown, pn_real *visible)
{
    const ptrdiff_t cells = at.h * at.w;
    for (int k = 0; k < REGIONS; k++) {
        double area = 0;
        for (ptrdiff_t p = 0; p < cells; p++) {
            const pn_real in = near4(layout + k * at.height * at.width, at, p / at.w, p % at.w) * valid[p];
            regions[k * cells + p] = in;
            area += (double)in;
        }
        shown[k] = visible[k] = area >= least ? 1 : 0;
    }
    memcpy(regions + REGIONS * cells, valid, (size_t)cells * sizeof *valid);
    visible[REGIONS] = 1;
}

static void mean_colours(const pn_real *seen, const pn_real *hole, grid at, pn_real *colours)
{
    const ptrdiff_t cells = at.h * at.w;
    for (int c = 0; c < 3; c++)
        for (ptrdiff_t p = 0; p < cells; p++) {
            const double known = 1 - area4(hole, at, p / at.w, p % at.w);
            colours[c * cells + p] = (pn_real)(area4(seen + c * at.height * at.width, at, p / at.w, p % at.w) /
                                               fmax(known, 1.0 / 16));
        }
}

static ptrdiff_t clamp(ptrdiff_t i, ptrdiff_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static bool whole_window(const pn_real *valid, grid at, ptrdiff_t i, ptrdiff_t j, int r)
{
    for (ptrdiff_t y = i - r; y <= i + r; y++)
        for (ptrdiff_t x = j - r; x <= j + r; x++)
            if (valid[clamp(y, at.h) * at.w + clamp(x, at.w)] == 0) return false;
    return true;
}

/* Keep the cells whose whole window is valid, if there are any. valid is read from `all`, the same values. */
static void keep_whole_windows(const pn_real *all, grid at, int r, pn_real *valid)
{
    ptrdiff_t kept = 0;
    for (ptrdiff_t p = 0; p < at.h * at.w; p++) {
        valid[p] = whole_window(all, at, p / at.w, p % at.w, r) ? 1 : 0;
        kept += valid[p] != 0;
    }
    if (!kept) memcpy(valid, all, (size_t)(at.h * at.w) * sizeof *all);
}

static void centres(grid at, pn_real *where)
{
    const ptrdiff_t cells = at.h * at.w;
    for (ptrdiff_t p = 0; p < cells; p++) {
        const double y = (2 * (double)(p / at.w) + 1) / (double)at.h - 1,
                     x = (2 * (double)(p % at.w) + 1) / (double)at.w - 1;
        where[p] = (pn_real)x;
        where[cells + p] = (pn_real)y;
        where[2 * cells + p] = (pn_real)sqrt(x * x + y * y);
    }
}

void glocal_look(glocal_sight *s, const glocal_config *c, const pn_real *picture, const pn_real *layout,
                 const pn_real *hole)
{
    const counts n = counts_of(s->height, s->width);
    const grid at = { s->height, s->width, s->height / CELL, s->width / CELL };
    for (ptrdiff_t i = 0; i < s->n; i++) {
        pn_real *seen = s->seen + i * n.seen, *missing = s->hole + i * n.hole, *valid = s->valid + i * n.valid;
        pn_real *regions = s->regions + i * n.regions;
        for (ptrdiff_t p = 0; p < n.hole; p++) missing[p] = hole && hole[i * n.hole + p] != 0 ? 1 : 0;
        for (ptrdiff_t p = 0; p < n.seen; p++) seen[p] = missing[p % n.hole] != 0 ? 0 : picture[i * n.seen + p];
        look_at_cells(missing, at, valid);
        look_at_regions(layout + i * REGIONS * n.hole, valid, at, c->least_area, regions, s->shown + i * n.shown,
                        s->visible + i * n.visible);
        mean_colours(seen, missing, at, s->colours + i * n.colours);
        pn_real any = 0;
        for (ptrdiff_t p = 0; p < n.valid; p++) any = valid[p] != 0 ? 1 : any;
        s->gain[i] = any;
        if (c->strict) keep_whole_windows(regions + REGIONS * n.valid, at, c->window / 2, valid);
        centres(at, s->where + i * n.where);
    }
}

void glocal_hide(glocal_sight *s, const pn_real *also, double p, pn_rng *rng)
{
    for (ptrdiff_t i = 0; i < s->n; i++) {
        int both[REGIONS], count = 0;
        if (pn_rng_uniform(rng) >= p) continue;
        for (int k = 1; k < REGIONS; k++)
            if (s->shown[i * REGIONS + k] != 0 && also[i * REGIONS + k] != 0) both[count++] = k;
        if (count) s->visible[i * NODES + both[pn_rng_below(rng, count)]] = 0;
    }
}

/* ---- Into a plan ------------------------------------------------------------------------------------------------------ */

pn_status glocal_set_sight(pn_plan *p, const glocal_input *in, const glocal_sight *s)
{
    const struct {
        const pn_tensor *leaf;
        const pn_real *values;
    } all[] = {
        { in->seen, s->seen },   { in->hole, s->hole }, { in->regions, s->regions }, { in->visible, s->visible },
        { in->valid, s->valid }, { in->gain, s->gain }, { in->colours, s->colours }, { in->where, s->where },
    };
    pn_status status = PN_OK;
    for (size_t i = 0; !status && i < sizeof all / sizeof *all; i++)
        if (all[i].leaf) status = pn_set(p, all[i].leaf, all[i].values);
    return status;
}

pn_status glocal_set_order(pn_plan *p, const pn_tensor *order)
{
    pn_real down[REGIONS];
    for (int k = 0; k < REGIONS; k++) down[k] = (pn_real)(-1000 * k);
    return pn_set(p, order, down);
}
