/* simd/regions.c - maps to region codes and back, over blocked maps; planar ones are left to the reference
 *
 * Lanes are channels. Codes are read as [n][k][blocks][16], padded with zeros: they are packed first.
 */
#include "kernels/simd/regions.h"
#include "kernels/simd/transpose.h"

enum { CHUNK = 1024, NEAR = 256, RUN = 128 };           /* pixels: of a partial sum, kept in L1, of an item that writes them */
/* Regions taken at once, in gather VECS vectors each: as many as registers hold, or one more that would be left alone. */
enum { GATHERED = VLEN == 16 ? 8 : VLEN == 8 ? 4 : 2, MATCHED = 8 };
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

static int next_regions(ptrdiff_t left, int most) { return left == most + 1 ? most + 1 : left >= most ? most : 1; }

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

/* part[k][lane] += sum over pixels of w[k][pixel] x[pixel][lane], for `regions` rows of w. */
static inline void add_products(float *part, const float *x, const float *w, ptrdiff_t apart, ptrdiff_t pixels, int regions)
{
    vec sum[GATHERED + 1][VECS];
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
        for (ptrdiff_t k = 0, regions; k < j->d.k; k += regions) {
            float *to = part + k * PN_BLOCK;
            const float *values = x + p * PN_BLOCK, *weights = w + k * area + p;
            regions = next_regions(j->d.k - k, GATHERED);
            if (regions == GATHERED) add_products(to, values, weights, area, pixels, GATHERED);
            else if (regions == 1) add_products(to, values, weights, area, pixels, 1);
            else add_products(to, values, weights, area, pixels, GATHERED + 1);
        }
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

/* ---- Match: products of a few blocks at a time, over lanes; these are summed at the end ---------------------------------------------- */

/* Pixels in an item; blocks whose products are added before a sum goes back to memory. All blocks at once would be as many
 * streams, and where the map's area is a multiple of 64 pixels all of them in one set of the cache. */
enum { SPAN = 32, BLOCKS = 4 };

/* sum[k][pixel][lane] += codes[k][block][lane] x[block][pixel][lane] over `blocks` blocks. */
static inline void match_blocks(float (*sum)[SPAN][PN_BLOCK], const float *codes, ptrdiff_t room, const float *x, ptrdiff_t step,
                                ptrdiff_t blocks, ptrdiff_t pixels, int regions)
{
    for (ptrdiff_t p = 0; p < pixels; p++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            vec part[MATCHED + 1];
            for (int k = 0; k < regions; k++) part[k] = vec_load(sum[k][p] + v);
            for (ptrdiff_t b = 0; b < blocks; b++) {
                const vec value = vec_load(x + b * step + p * PN_BLOCK + v);
                for (int k = 0; k < regions; k++) part[k] += vec_load(codes + k * room + b * PN_BLOCK + v) * value;
            }
            for (int k = 0; k < regions; k++) vec_store(sum[k][p] + v, part[k]);
        }
}

/* Sums over the lanes of VLEN pixels, in order. */
static inline vec lane_sums(const float (*sum)[PN_BLOCK])
{
    vec v[VLEN];
    for (int i = 0; i < VLEN; i++) {
        v[i] = vec_load(sum[i]);
        for (int more = VLEN; more < PN_BLOCK; more += VLEN) v[i] += vec_load(sum[i] + more);
    }
    vec_transpose(v);
    for (int half = VLEN / 2; half; half /= 2)
        for (int i = 0; i < half; i++) v[i] += v[i + half];
    return v[0];
}

static void put_sums(pn_sink to, ptrdiff_t at, const float (*sum)[PN_BLOCK], ptrdiff_t pixels, float shift)
{
    float result[SPAN];
    for (ptrdiff_t p = 0; p < pixels; p += VLEN) vec_store(result + p, lane_sums(sum + p) + shift);
    for (ptrdiff_t p = 0; p < pixels; p++) to.data[at + p] = to.add ? to.data[at + p] + result[p] : result[p];
}

static inline void match_regions(const job *j, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first, ptrdiff_t pixels, int regions)
{
    const ptrdiff_t area = area_of(j->d.x), step = area * PN_BLOCK, blocks = pn_map_blocks(j->d.x), room = blocks * PN_BLOCK;
    const ptrdiff_t row = n * j->d.k + k;
    float sum[MATCHED + 1][SPAN][PN_BLOCK];
    memset(sum, 0, (size_t)regions * sizeof *sum);
    for (ptrdiff_t b = 0; b < blocks; b += BLOCKS) {
        const float *x = j->x + (n * blocks + b) * step + first * PN_BLOCK, *codes = j->scratch + row * room + b * PN_BLOCK;
        if (b + BLOCKS <= blocks) match_blocks(sum, codes, room, x, step, BLOCKS, pixels, regions);
        else match_blocks(sum, codes, room, x, step, blocks - b, pixels, regions);
    }
    for (int i = 0; i < regions; i++)
        put_sums(j->to, (row + i) * area + first, (const float (*)[PN_BLOCK])sum[i], pixels, j->shift ? j->shift[row + i] : 0);
}

static ptrdiff_t spans(pn_map m) { return (area_of(m) + SPAN - 1) / SPAN; }

static void match_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t n = item / spans(j->d.x), first = item % spans(j->d.x) * SPAN, pixels = at_most(SPAN, area_of(j->d.x) - first);
    for (ptrdiff_t k = 0, regions; k < j->d.k; k += regions) {
        regions = next_regions(j->d.k - k, MATCHED);
        if (regions == MATCHED) match_regions(j, n, k, first, pixels, MATCHED);
        else if (regions == 1) match_regions(j, n, k, first, pixels, 1);
        else match_regions(j, n, k, first, pixels, MATCHED + 1);
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
    pn_parallel(pool, d.x.n * spans(d.x), match_item, &j);
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
