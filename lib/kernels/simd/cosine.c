/* simd/cosine.c - cosines over channels, a run of pixels at a time
 *
 * Blocked: lanes are channels, and a pixel's three products are summed over its lanes at the end. Planar: lanes are
 * pixels.
 */
#include "kernels/simd/losses.h"

enum { RUN = 64 };
enum { AA, BB, AB };

typedef struct {
    pn_map m;
    const float *a, *b, *dy, *cosine;
    float *y, *norms;
    const float *known;             /* the backward's norms */
    pn_sink da, db;
} job;

/* Some pixels of one picture. */
typedef struct { ptrdiff_t n, first, count; } run;

static const float least_length = 1e-8f;

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t area_of(const job *j) { return j->m.h * j->m.w; }
static ptrdiff_t runs(const job *j) { return (area_of(j) + RUN - 1) / RUN; }

static run run_of(const job *j, ptrdiff_t item)
{
    const ptrdiff_t first = item % runs(j) * RUN;
    return (run){ item / runs(j), first, at_most(RUN, area_of(j) - first) };
}

/* ---- Forward -------------------------------------------------------------------------------------------------------------- */

static float lanes_sum(const float *lanes)
{
    vec sum = vec_load(lanes);
    for (int v = VLEN; v < PN_BLOCK; v += VLEN) sum += vec_load(lanes + v);
    return vec_sum(sum);
}

static void products_blocked(const job *j, run r, float products[3][RUN])
{
    float sums[RUN][3][PN_BLOCK];
    memset(sums, 0, sizeof sums);
    const ptrdiff_t blocks = pn_map_blocks(j->m);
    for (ptrdiff_t c = 0; c < blocks; c++) {
        const ptrdiff_t begin = ((r.n * blocks + c) * area_of(j) + r.first) * PN_BLOCK;
        for (ptrdiff_t i = 0; i < r.count; i++)
            for (int v = 0; v < PN_BLOCK; v += VLEN) {
                const vec a = vec_load(j->a + begin + i * PN_BLOCK + v), b = vec_load(j->b + begin + i * PN_BLOCK + v);
                vec_store(sums[i][AA] + v, vec_load(sums[i][AA] + v) + a * a);
                vec_store(sums[i][BB] + v, vec_load(sums[i][BB] + v) + b * b);
                vec_store(sums[i][AB] + v, vec_load(sums[i][AB] + v) + a * b);
            }
    }
    for (ptrdiff_t i = 0; i < r.count; i++)
        for (int k = 0; k < 3; k++) products[k][i] = lanes_sum(sums[i][k]);
}

static void products_planar(const job *j, run r, float products[3][RUN])
{
    memset(products, 0, 3 * sizeof *products);
    for (ptrdiff_t c = 0; c < j->m.c; c++) {
        const float *a = j->a + (r.n * j->m.c + c) * area_of(j) + r.first, *b = j->b + (r.n * j->m.c + c) * area_of(j) + r.first;
        for (ptrdiff_t i = 0; i < r.count; i++) {
            products[AA][i] += a[i] * a[i];
            products[BB][i] += b[i] * b[i];
            products[AB][i] += a[i] * b[i];
        }
    }
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const run r = run_of(j, item);
    float products[3][RUN];
    if (j->m.b == PN_BLOCK) products_blocked(j, r, products);
    else products_planar(j, r, products);
    float *aa = j->norms + 2 * r.n * area_of(j) + r.first, *y = j->y + r.n * area_of(j) + r.first;
    memcpy(aa, products[AA], (size_t)r.count * sizeof *aa);
    memcpy(aa + area_of(j), products[BB], (size_t)r.count * sizeof *aa);
    for (ptrdiff_t i = 0; i < r.count; i++) {
        const float length = sqrtf(products[AA][i]) * sqrtf(products[BB][i]);
        y[i] = products[AB][i] / (length < least_length ? least_length : length);
    }
}

static void fwd(pn_pool *pool, pn_real *y, pn_real *norms, const pn_real *a, const pn_real *b, pn_map m)
{
    job j = { .m = m, .a = a, .b = b, .y = y, .norms = norms };
    pn_parallel(pool, m.n * runs(&j), fwd_item, &j);
}

/* ---- Backward: da = across b - own a, and the other way round ---------------------------------------------------------------- */

typedef struct { float across[RUN], a[RUN], b[RUN]; } factors;

static void fill_factors(factors *f, const job *j, run r)
{
    const float *aa = j->known + 2 * r.n * area_of(j) + r.first, *bb = aa + area_of(j);
    const float *dy = j->dy + r.n * area_of(j) + r.first, *cosine = j->cosine + r.n * area_of(j) + r.first;
    for (ptrdiff_t i = 0; i < r.count; i++) {
        const float length = sqrtf(aa[i]) * sqrtf(bb[i]);
        const bool constant = length < least_length;
        f->across[i] = dy[i] / (constant ? least_length : length);
        f->a[i] = constant ? 0 : dy[i] * cosine[i] / aa[i];
        f->b[i] = constant ? 0 : dy[i] * cosine[i] / bb[i];
    }
}

static inline void put(pn_sink s, ptrdiff_t at, vec v)
{
    if (s.data) vec_store(s.data + at, s.add ? vec_load(s.data + at) + v : v);
}

/* NaN times the zeros past the last channel is NaN: put the zeros back. */
static void clear_lanes(pn_sink s, ptrdiff_t begin, ptrdiff_t count, ptrdiff_t lanes)
{
    for (ptrdiff_t i = 0; s.data && lanes < PN_BLOCK && i < count; i++)
        memset(s.data + begin + i * PN_BLOCK + lanes, 0, (size_t)(PN_BLOCK - lanes) * sizeof *s.data);
}

static void spread_blocked(const job *j, run r, const factors *f)
{
    const ptrdiff_t blocks = pn_map_blocks(j->m);
    for (ptrdiff_t c = 0; c < blocks; c++) {
        const ptrdiff_t begin = ((r.n * blocks + c) * area_of(j) + r.first) * PN_BLOCK;
        for (ptrdiff_t i = 0; i < r.count; i++)
            for (int v = 0; v < PN_BLOCK; v += VLEN) {
                const ptrdiff_t at = begin + i * PN_BLOCK + v;
                const vec a = vec_load(j->a + at), b = vec_load(j->b + at);
                put(j->da, at, f->across[i] * b - f->a[i] * a);
                put(j->db, at, f->across[i] * a - f->b[i] * b);
            }
        clear_lanes(j->da, begin, r.count, j->m.c - c * PN_BLOCK);
        clear_lanes(j->db, begin, r.count, j->m.c - c * PN_BLOCK);
    }
}

static void spread_planar(const job *j, run r, const factors *f)
{
    for (ptrdiff_t c = 0; c < j->m.c; c++) {
        const ptrdiff_t begin = (r.n * j->m.c + c) * area_of(j) + r.first;
        for (ptrdiff_t i = 0; i < r.count; i++) {
            const float a = j->a[begin + i], b = j->b[begin + i];
            if (j->da.data) pn_put(j->da, begin + i, (double)(f->across[i] * b - f->a[i] * a));
            if (j->db.data) pn_put(j->db, begin + i, (double)(f->across[i] * a - f->b[i] * b));
        }
    }
}

static void bwd_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const run r = run_of(j, item);
    factors f;
    fill_factors(&f, j, r);
    if (j->m.b == PN_BLOCK) spread_blocked(j, r, &f);
    else spread_planar(j, r, &f);
}

static void bwd(pn_pool *pool, pn_sink da, pn_sink db, const pn_real *dy, const pn_real *y, const pn_real *norms,
                const pn_real *a, const pn_real *b, pn_map m)
{
    job j = { .m = m, .a = a, .b = b, .dy = dy, .cosine = y, .known = norms, .da = da, .db = db };
    pn_parallel(pool, m.n * runs(&j), bwd_item, &j);
}

void PN_SIMD(pn_simd_cosine)(pn_loss_kernels *k)
{
    k->cosine_fwd = fwd;
    k->cosine_bwd = bwd;
}
