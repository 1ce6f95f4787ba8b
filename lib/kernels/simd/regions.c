/* simd/regions.c - maps to region codes and back, over blocked maps; planar ones are left to the reference
 *
 * Lanes are channels. Codes are read as [n][k][blocks][16], padded with zeros: they are packed first.
 */
#include "kernels/simd/regions.h"

enum { CHUNK = 1024, NEAR = 256, RUN = 128 };           /* pixels: of a partial sum, kept in L1, of an item that writes them */
enum { REGIONS = VLEN == 16 ? 9 : VLEN == 8 ? 5 : 3 };  /* sums of VECS vectors each that stay in registers */
enum { PIXELS = VLEN == 16 ? 12 : VLEN == 8 ? 6 : 3 };  /* the same for spread */

typedef struct {
    pn_region_dims d;
    pn_sink to;
    const float *x, *w, *codes, *area, *shift;
    double least;
    float *scratch;                 /* gather: [n][block][chunk][k][16]; else packed codes */
} job;

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t area_of(pn_map m) { return m.h * m.w; }
static ptrdiff_t chunks(pn_map m) { return (area_of(m) + CHUNK - 1) / CHUNK; }
static ptrdiff_t runs(pn_map m) { return (area_of(m) + RUN - 1) / RUN; }

static size_t scratch_of(pn_region_dims d)
{
    if (d.x.b != PN_BLOCK) return pn_ref_region.scratch(d);
    return (size_t)(d.x.n * pn_map_blocks(d.x) * chunks(d.x) * d.k * PN_BLOCK) * sizeof(float);
}

/* ---- Areas ------------------------------------------------------------------------------------------------------------------- */

static void area_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t area = area_of(j->d.x);
    const float *w = j->w + item * area;
    double sum = 0;
    for (ptrdiff_t first = 0; first < area; first += CHUNK) {
        const ptrdiff_t end = at_most(first + CHUNK, area);
        vec part[4] = { { 0 } };
        ptrdiff_t p = first;
        for (; p + 4 * VLEN <= end; p += 4 * VLEN)
            for (int v = 0; v < 4; v++) part[v] += vec_load(w + p + v * VLEN);
        sum += (double)vec_sum((part[0] + part[1]) + (part[2] + part[3]));
        for (; p < end; p++) sum += (double)w[p];
    }
    j->to.data[item] = (float)sum;
}

static void area(pn_pool *pool, pn_real *result, const pn_real *w, pn_region_dims d)
{
    job j = { .d = d, .to = { result, false }, .w = w };
    pn_parallel(pool, d.x.n * d.k, area_item, &j);
}

/* ---- Gather: partial sums of CHUNK pixels, added in double ---------------------------------------------------------------------- */

/* part[k][lane] += sum over pixels of w[k][pixel] x[pixel][lane], for `regions` (at most REGIONS) rows of w. */
static inline void add_products(float *part, const float *x, const float *w, ptrdiff_t apart, ptrdiff_t pixels, int regions)
{
    vec sum[REGIONS][VECS];
    for (int k = 0; k < regions; k++)
        for (int v = 0; v < VECS; v++) sum[k][v] = vec_load(part + k * PN_BLOCK + v * VLEN);
    for (ptrdiff_t p = 0; p < pixels; p++) {
        vec value[VECS];
        for (int v = 0; v < VECS; v++) value[v] = vec_load(x + p * PN_BLOCK + v * VLEN);
        for (int k = 0; k < regions; k++)
            for (int v = 0; v < VECS; v++) sum[k][v] += w[k * apart + p] * value[v];
    }
    for (int k = 0; k < regions; k++)
        for (int v = 0; v < VECS; v++) vec_store(part + k * PN_BLOCK + v * VLEN, sum[k][v]);
}

static void gather_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t area = area_of(m), chunk = item % chunks(m), block = item / chunks(m), n = block / pn_map_blocks(m);
    const ptrdiff_t first = chunk * CHUNK, end = at_most(first + CHUNK, area);
    const float *x = j->x + block * area * PN_BLOCK, *w = j->w + n * j->d.k * area;
    float *part = j->scratch + item * j->d.k * PN_BLOCK;
    memset(part, 0, (size_t)(j->d.k * PN_BLOCK) * sizeof *part);
    for (ptrdiff_t p = first; p < end; p += NEAR) {
        const ptrdiff_t pixels = at_most(NEAR, end - p);
        ptrdiff_t k = 0;
        for (; k + REGIONS <= j->d.k; k += REGIONS)
            add_products(part + k * PN_BLOCK, x + p * PN_BLOCK, w + k * area + p, area, pixels, REGIONS);
        for (; k < j->d.k; k++) add_products(part + k * PN_BLOCK, x + p * PN_BLOCK, w + k * area + p, area, pixels, 1);
    }
}

static void add_chunks(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t n = item / j->d.k, k = item % j->d.k;
    const double known = j->area ? (double)j->area[item] : 1, divisor = j->area && known < j->least ? j->least : known;
    for (ptrdiff_t c = 0; c < m.c; c++) {
        const ptrdiff_t block = n * pn_map_blocks(m) + c / PN_BLOCK;
        double sum = 0;
        for (ptrdiff_t i = 0; i < chunks(m); i++)
            sum += (double)j->scratch[((block * chunks(m) + i) * j->d.k + k) * PN_BLOCK + c % PN_BLOCK];
        pn_put(j->to, item * m.c + c, sum / divisor);
    }
}

static void gather(pn_pool *pool, pn_sink codes, const pn_real *x, const pn_real *w, const pn_real *areas, double least,
                   pn_region_dims d, void *scratch)
{
    job j = { .d = d, .to = codes, .x = x, .w = w, .area = areas, .least = least, .scratch = scratch };
    if (d.x.b != PN_BLOCK) {
        pn_ref_region.gather(pool, codes, x, w, areas, least, d, scratch);
        return;
    }
    pn_parallel(pool, d.x.n * pn_map_blocks(d.x) * chunks(d.x), gather_item, &j);
    pn_parallel(pool, d.x.n * d.k, add_chunks, &j);
}

/* ---- Spread --------------------------------------------------------------------------------------------------------------------- */

static void pack(const job *j)
{
    const pn_map m = j->d.x;
    const ptrdiff_t room = pn_map_blocks(m) * PN_BLOCK;
    for (ptrdiff_t i = 0; i < m.n * j->d.k; i++) {
        memcpy(j->scratch + i * room, j->codes + i * m.c, (size_t)m.c * sizeof(float));
        memset(j->scratch + i * room + m.c, 0, (size_t)(room - m.c) * sizeof(float));
    }
}

/* `pixels` (at most PIXELS, a constant but at the end) of one block. */
static inline void mix(pn_sink to, ptrdiff_t at, const float *codes, ptrdiff_t room, const float *w, ptrdiff_t apart, ptrdiff_t k,
                       ptrdiff_t pixels)
{
    vec sum[PIXELS][VECS] = { { { 0 } } };
    for (; k > 0; k--, codes += room, w += apart) {
        vec code[VECS];
        for (int v = 0; v < VECS; v++) code[v] = vec_load(codes + v * VLEN);
        for (ptrdiff_t p = 0; p < pixels; p++)
            for (int v = 0; v < VECS; v++) sum[p][v] += w[p] * code[v];
    }
    for (ptrdiff_t p = 0; p < pixels; p++)
        for (int v = 0; v < VECS; v++) {
            float *here = to.data + at + p * PN_BLOCK + v * VLEN;
            vec_store(here, to.add ? vec_load(here) + sum[p][v] : sum[p][v]);
        }
}

static void spread_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t area = area_of(m), blocks = pn_map_blocks(m), block = item / runs(m), n = block / blocks, room = blocks * PN_BLOCK;
    const ptrdiff_t first = item % runs(m) * RUN, end = at_most(first + RUN, area), lanes = m.c - block % blocks * PN_BLOCK;
    const float *codes = j->scratch + n * j->d.k * room + block % blocks * PN_BLOCK, *w = j->w + n * j->d.k * area;
    const ptrdiff_t begin = block * area * PN_BLOCK;
    ptrdiff_t p = first;
    for (; p + PIXELS <= end; p += PIXELS) mix(j->to, begin + p * PN_BLOCK, codes, room, w + p, area, j->d.k, PIXELS);
    for (; p < end; p++) mix(j->to, begin + p * PN_BLOCK, codes, room, w + p, area, j->d.k, 1);
    for (p = first; lanes < PN_BLOCK && p < end; p++)   /* NaN times the zeros past the last channel is NaN */
        memset(j->to.data + begin + p * PN_BLOCK + lanes, 0, (size_t)(PN_BLOCK - lanes) * sizeof(float));
}

static void spread(pn_pool *pool, pn_sink x, const pn_real *codes, const pn_real *w, pn_region_dims d, void *scratch)
{
    job j = { .d = d, .to = x, .codes = codes, .w = w, .scratch = scratch };
    if (d.x.b != PN_BLOCK) {
        pn_ref_region.spread(pool, x, codes, w, d, scratch);
        return;
    }
    pack(&j);
    pn_parallel(pool, d.x.n * pn_map_blocks(d.x) * runs(d.x), spread_item, &j);
}

/* ---- Match: a pixel's products over its lanes, summed at the end ------------------------------------------------------------------ */

/* to[k * apart] for `regions` rows of codes, one pixel. */
static inline void match_pixel(pn_sink to, ptrdiff_t at, ptrdiff_t apart, const float *codes, ptrdiff_t room, const float *x,
                               ptrdiff_t step, const float *shift, int regions)
{
    vec sum[REGIONS][VECS] = { { { 0 } } };
    for (ptrdiff_t c = 0; c < room; c += PN_BLOCK, x += step)
        for (int v = 0; v < VECS; v++) {
            const vec value = vec_load(x + v * VLEN);
            for (int k = 0; k < regions; k++) sum[k][v] += vec_load(codes + k * room + c + v * VLEN) * value;
        }
    for (int k = 0; k < regions; k++) {
        vec all = sum[k][0];
        for (int v = 1; v < VECS; v++) all += sum[k][v];
        const float result = vec_sum(all) + (shift ? shift[k] : 0);
        float *here = to.data + at + k * apart;
        *here = to.add ? *here + result : result;
    }
}

static void match_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const pn_map m = j->d.x;
    const ptrdiff_t area = area_of(m), step = area * PN_BLOCK, room = pn_map_blocks(m) * PN_BLOCK, n = item / runs(m);
    const ptrdiff_t first = item % runs(m) * RUN, end = at_most(first + RUN, area), of = n * j->d.k;
    const float *x = j->x + n * pn_map_blocks(m) * step, *codes = j->scratch + of * room;
    for (ptrdiff_t p = first; p < end; p++) {
        const float *shift = j->shift ? j->shift + of : NULL;
        ptrdiff_t k = 0;
        for (; k + REGIONS <= j->d.k; k += REGIONS, shift = shift ? shift + REGIONS : NULL)
            match_pixel(j->to, (of + k) * area + p, area, codes + k * room, room, x + p * PN_BLOCK, step, shift, REGIONS);
        for (; k < j->d.k; k++, shift = shift ? shift + 1 : NULL)
            match_pixel(j->to, (of + k) * area + p, area, codes + k * room, room, x + p * PN_BLOCK, step, shift, 1);
    }
}

static void match(pn_pool *pool, pn_sink w, const pn_real *codes, const pn_real *x, const pn_real *shift, pn_region_dims d,
                  void *scratch)
{
    job j = { .d = d, .to = w, .codes = codes, .x = x, .shift = shift, .scratch = scratch };
    if (d.x.b != PN_BLOCK) {
        pn_ref_region.match(pool, w, codes, x, shift, d, scratch);
        return;
    }
    pack(&j);
    pn_parallel(pool, d.x.n * runs(d.x), match_item, &j);
}

void PN_SIMD(pn_simd_regions)(pn_kernels *k)
{
    k->region.scratch = scratch_of;
    k->region.area = area;
    k->region.gather = gather;
    k->region.spread = spread;
    k->region.match = match;
    PN_SIMD(pn_simd_grouped)(&k->region);
}
