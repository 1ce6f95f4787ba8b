/* lib/kernels/ref/shaping.c - the meaning of the shaping kernels: numbers put in other places */
#include "kernels/kernels.h"

static void strips(pn_pool *pool, pn_sink dst, const pn_real *src, pn_strips s)
{
    (void)pool;
    for (ptrdiff_t o = 0; o < s.outer; o++)
        for (ptrdiff_t i = 0; i < s.count; i++) pn_put(dst, o * s.to_stride + i, (double)src[o * s.from_stride + i]);
}

static void clear(pn_pool *pool, pn_real *dst, pn_strips s)
{
    (void)pool;
    for (ptrdiff_t o = 0; o < s.outer; o++)
        for (ptrdiff_t i = 0; i < s.count; i++) dst[o * s.to_stride + i] = 0;
}

/* ---- Padding ------------------------------------------------------------------------------------------------------- */

/* Which row (column) of x lies at i, counted from the first of x; -1: the value outside. */
static ptrdiff_t source_of(ptrdiff_t i, ptrdiff_t extent, pn_border border)
{
    if (i >= 0 && i < extent) return i;
    if (border == PN_BORDER_REPLICATE) return i < 0 ? 0 : extent - 1;
    if (border == PN_BORDER_REFLECT) return i < 0 ? -i : 2 * (extent - 1) - i;
    return -1;
}

static ptrdiff_t lanes_of(pn_map m) { return pn_map_blocks(m) * m.b; }

static void pad_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_pad_dims d)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < d.y.n; n++)
        for (ptrdiff_t c = 0; c < lanes_of(d.y); c++)
            for (ptrdiff_t i = 0; i < d.y.h; i++)
                for (ptrdiff_t j = 0; j < d.y.w; j++) {
                    const ptrdiff_t p = source_of(i - d.top, d.x.h, d.border), q = source_of(j - d.left, d.x.w, d.border);
                    const pn_real inside = p < 0 || q < 0 ? d.value : x[pn_at(d.x, n, c, p, q)];
                    y[pn_at(d.y, n, c, i, j)] = c < d.y.c ? inside : 0;
                }
}

/* Rows (columns) of y that show row i of x: its own place and, near an edge, the margins that repeat or mirror it. */
typedef struct { ptrdiff_t from[3], to[3]; } places;

static ptrdiff_t at_least(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

static places places_of(ptrdiff_t i, ptrdiff_t extent, ptrdiff_t before, ptrdiff_t outputs, pn_border border)
{
    places p = { { i + before }, { i + before + 1 } };
    const ptrdiff_t end = before + extent;
    if (border == PN_BORDER_REPLICATE) {
        if (i == 0) p.to[1] = before;
        if (i == extent - 1) { p.from[2] = end; p.to[2] = outputs; }
    } else if (border == PN_BORDER_REFLECT) {
        p.from[1] = at_least(before - i, 0);
        p.to[1] = at_most(before - i + 1, before);      /* i = 0 is no mirror image of itself */
        p.from[2] = at_least(before + 2 * (extent - 1) - i, end);
        p.to[2] = at_most(before + 2 * (extent - 1) - i + 1, outputs);
    }
    return p;
}

static double sum_of_places(const pn_real *dy, pn_map m, ptrdiff_t n, ptrdiff_t c, const places *rows, const places *columns)
{
    double sum = 0;
    for (int a = 0; a < 3; a++)
        for (ptrdiff_t i = rows->from[a]; i < rows->to[a]; i++)
            for (int b = 0; b < 3; b++)
                for (ptrdiff_t j = columns->from[b]; j < columns->to[b]; j++) sum += (double)dy[pn_at(m, n, c, i, j)];
    return sum;
}

static void pad_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_pad_dims d)
{
    (void)pool;
    for (ptrdiff_t n = 0; n < d.x.n; n++)
        for (ptrdiff_t c = 0; c < lanes_of(d.x); c++)
            for (ptrdiff_t p = 0; p < d.x.h; p++)
                for (ptrdiff_t q = 0; q < d.x.w; q++) {
                    const places rows = places_of(p, d.x.h, d.top, d.y.h, d.border);
                    const places columns = places_of(q, d.x.w, d.left, d.y.w, d.border);
                    pn_put(dx, pn_at(d.x, n, c, p, q), sum_of_places(dy, d.y, n, c, &rows, &columns));
                }
}

/* ---- Other order of axes --------------------------------------------------------------------------------------------- */

static void permute(pn_pool *pool, pn_sink dst, const pn_real *src, pn_permutation p)
{
    (void)pool;
    ptrdiff_t count = 1;
    for (int i = 0; i < p.rank; i++) count *= p.dim[i];
    for (ptrdiff_t at = 0; at < count; at++) {
        ptrdiff_t rest = at, from = 0;
        for (int i = p.rank - 1; i >= 0; i--) {
            from += rest % p.dim[i] * p.stride[i];
            rest /= p.dim[i];
        }
        pn_put(dst, at, (double)src[from]);
    }
}

void pn_ref_add_shaping(pn_kernels *k)
{
    k->shaping = (pn_shaping_kernels){ .strips = strips, .clear = clear, .pad_fwd = pad_fwd, .pad_bwd = pad_bwd, .permute = permute };
}
