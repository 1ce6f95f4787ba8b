/* simd/patch.c - similarity of patches on planar pictures (see kernels/match.h)
 *
 * The picture is copied with the margin that patches reach into; there u(p) are the patch x patch numbers from p on.
 * Backward: with h = d loss / d |u - u'|^2 turned (match.h), a pixel s of the copy gets
 * 2 sum_e box_e(s) (x(s) - x(s + d_e)), box_e(s) the sum of turned h over the pixels whose patches hold s. Lanes run along
 * rows.
 */
#include "kernels/simd/match.h"
#include "kernels/simd/vec_math.h"

typedef struct {
    pn_patch_dims d;
    const float *x, *ds, *known;    /* known: s */
    float *s;
    pn_sink dx;
    ptrdiff_t height, width;        /* of the copy */
    float *copy, *dcopy;            /* [n][c][height][width] */
    float *h, *turned;              /* [n][k^2 - 1][h][w], [n][k^2][h][w] */
    float *box;                     /* [n][height][width] */
} job;

static ptrdiff_t inside(ptrdiff_t i, ptrdiff_t extent) { return i < 0 ? 0 : i >= extent ? extent - 1 : i; }

static float *take(float *base, ptrdiff_t *used, ptrdiff_t numbers)
{
    float *taken = base ? base + *used : NULL;
    *used += (numbers + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK;
    return taken;
}

static ptrdiff_t make(job *j, pn_patch_dims d, float *scratch)
{
    *j = (job){ .d = d, .height = d.x.h + d.patch - 1, .width = d.x.w + d.patch - 1 };
    const ptrdiff_t plane = j->height * j->width, area = d.x.h * d.x.w;
    ptrdiff_t used = 0;
    j->copy = take(scratch, &used, d.x.n * d.x.c * plane);
    j->dcopy = take(scratch, &used, d.x.n * d.x.c * plane);
    j->h = take(scratch, &used, d.x.n * (d.k * d.k - 1) * area);
    j->turned = take(scratch, &used, d.x.n * d.k * d.k * area);
    j->box = take(scratch, &used, d.x.n * plane);
    return used;
}

static size_t patch_scratch(pn_patch_dims d)
{
    job j;
    return (size_t)make(&j, d, NULL) * sizeof(float);
}

static void copy_plane(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t r = j->d.patch / 2;
    const float *x = j->x + item * j->d.x.h * j->d.x.w;
    for (ptrdiff_t y = 0; y < j->height; y++)
        for (ptrdiff_t i = 0; i < j->width; i++)
            j->copy[(item * j->height + y) * j->width + i] = x[inside(y - r, j->d.x.h) * j->d.x.w + inside(i - r, j->d.x.w)];
}

/* ---- Forward ------------------------------------------------------------------------------------------------------- */

/* sum[i] += (a[i] - b[i])^2 */
static void add_squares(float *restrict sum, const float *restrict a, const float *restrict b, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) sum[i] += (a[i] - b[i]) * (a[i] - b[i]);
}

/* |u(p) - u(q)|^2 of `count` pixels p from (y, x) on, q as far along from (row, column). */
static void distances(float *sum, const job *j, ptrdiff_t n, ptrdiff_t y, ptrdiff_t x, ptrdiff_t row, ptrdiff_t column,
                      ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) sum[i] = 0;
    for (ptrdiff_t c = n * j->d.x.c; c < (n + 1) * j->d.x.c; c++)
        for (ptrdiff_t a = 0; a < j->d.patch; a++) {
            const float *p = j->copy + (c * j->height + y + a) * j->width + x;
            const float *q = j->copy + (c * j->height + row + a) * j->width + column;
            for (ptrdiff_t b = 0; b < j->d.patch; b++) add_squares(sum, p + b, q + b, count);
        }
}

static void similar(float *s, ptrdiff_t count, float scale)
{
    for (ptrdiff_t i = 0; i < count; i += VLEN) {
        const ptrdiff_t some = pn_smaller(VLEN, count - i);
        vec_store_some(s + i, vec_exp(-scale * vec_load_some(s + i, some)), some);
    }
}

static void similar_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t n = item / m.h, y = item % m.h, k = j->d.k, taps = k * k, area = m.h * m.w;
    for (ptrdiff_t t = 0; t < taps; t++) {
        if (t == taps / 2) continue;
        const ptrdiff_t row = inside(y + t / k - k / 2, m.h), shift = t % k - k / 2;
        const ptrdiff_t first = pn_smaller(m.w, pn_larger(0, -shift));
        const ptrdiff_t end = pn_larger(first, pn_smaller(m.w, m.w - shift));
        float *s = j->s + (n * (taps - 1) + t - (t > taps / 2)) * area + y * m.w;
        distances(s + first, j, n, y, first, row, first + shift, end - first);
        for (ptrdiff_t x = 0; x < m.w; x++) {
            if (x == first) x = end;
            if (x < m.w) distances(s + x, j, n, y, x, row, inside(x + shift, m.w), 1);
        }
        similar(s, m.w, (float)j->d.scale);
    }
}

static void patch_fwd(pn_pool *pool, pn_real *s, const pn_real *x, pn_patch_dims d, void *scratch)
{
    job j;
    make(&j, d, scratch);
    j.x = x;
    j.s = s;
    pn_parallel(pool, d.x.n * d.x.c, copy_plane, &j);
    pn_parallel(pool, d.x.n * d.x.h, similar_row, &j);
}

/* ---- Backward ------------------------------------------------------------------------------------------------------ */

static void slope_plane(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t area = j->d.x.h * j->d.x.w, from = item * area;
    const float scale = -(float)j->d.scale;
    for (ptrdiff_t i = from; i < from + area; i++) j->h[i] = scale * j->ds[i] * j->known[i];
}

/* box_e of one row of the copy. */
static void find_box(const job *j, const float *turned, ptrdiff_t y, float *box)
{
    const pn_map m = j->d.x;
    memset(box, 0, (size_t)j->width * sizeof *box);
    for (ptrdiff_t row = pn_larger(0, y - j->d.patch + 1); row <= pn_smaller(m.h - 1, y); row++)
        for (ptrdiff_t b = 0; b < j->d.patch; b++)
            for (ptrdiff_t x = 0; x < m.w; x++) box[x + b] += turned[row * m.w + x];
}

/* to[i] += 2 box[i] (a[i] - b[i]) */
static void add_slopes(float *restrict to, const float *restrict box, const float *restrict a, const float *restrict b,
                       ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) to[i] += 2 * box[i] * (a[i] - b[i]);
}

static void slope_row(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t n = item / j->height, y = item % j->height, k = j->d.k, w = j->width, plane = j->height * w;
    float *box = j->box + item * w;
    for (ptrdiff_t c = n * m.c; c < (n + 1) * m.c; c++) memset(j->dcopy + c * plane + y * w, 0, (size_t)w * sizeof *box);
    for (ptrdiff_t e = 0; e < k * k; e++) {
        const ptrdiff_t row = y + e / k - k / 2, shift = e % k - k / 2;
        const ptrdiff_t first = pn_larger(0, -shift), end = pn_smaller(w, w - shift);
        if (row < 0 || row >= j->height || e == k * k / 2 || end <= first) continue;
        find_box(j, j->turned + (n * k * k + e) * m.h * m.w, y, box);
        for (ptrdiff_t c = n * m.c; c < (n + 1) * m.c; c++)
            add_slopes(j->dcopy + c * plane + y * w + first, box + first, j->copy + c * plane + y * w + first,
                       j->copy + c * plane + row * w + first + shift, end - first);
    }
}

/* The copy's pixels along one axis that are pixel i of the picture. */
typedef struct { ptrdiff_t first, last; } span;
static span span_of(ptrdiff_t i, ptrdiff_t extent, ptrdiff_t patch)
{
    return (span){ i == 0 ? 0 : i + patch / 2, i == extent - 1 ? extent + patch - 2 : i + patch / 2 };
}

static void fold_plane(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const float *from = j->dcopy + item * j->height * j->width;
    for (ptrdiff_t y = 0; y < m.h; y++)
        for (ptrdiff_t x = 0; x < m.w; x++) {
            const span rows = span_of(y, m.h, j->d.patch), columns = span_of(x, m.w, j->d.patch);
            float sum = 0, *to = j->dx.data + (item * m.h + y) * m.w + x;
            for (ptrdiff_t row = rows.first; row <= rows.last; row++)
                for (ptrdiff_t column = columns.first; column <= columns.last; column++) sum += from[row * j->width + column];
            *to = j->dx.add ? *to + sum : sum;
        }
}

static void patch_bwd(pn_pool *pool, pn_sink dx, const pn_real *ds, const pn_real *s, const pn_real *x, pn_patch_dims d,
                      void *scratch)
{
    job j;
    make(&j, d, scratch);
    j.x = x;
    j.ds = ds;
    j.known = s;
    j.dx = dx;
    pn_parallel(pool, d.x.n * d.x.c, copy_plane, &j);
    pn_parallel(pool, d.x.n * (d.k * d.k - 1), slope_plane, &j);
    PN_SIMD(pn_simd_turn)(pool, (pn_turn){ j.h, j.turned, d.k, d.x.n, d.x.h, d.x.w, .skip = true, .both = true });
    pn_parallel(pool, d.x.n * j.height, slope_row, &j);
    pn_parallel(pool, d.x.n * d.x.c, fold_plane, &j);
}

void PN_SIMD(pn_simd_patch)(pn_match_kernels *k)
{
    k->patch_scratch = patch_scratch;
    k->patch_fwd = patch_fwd;
    k->patch_bwd = patch_bwd;
}
