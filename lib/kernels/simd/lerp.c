/* lib/kernels/simd/lerp.c - (1 - mask) a + mask b: lanes are channels in blocks, pixels in planes
 *
 * Spans of pixels, all channels of each: so a span of the mask's gradient is summed by one item, in registers and L1.
 */
#include "kernels/simd/pointwise.h"

enum { SPAN = 64 };                 /* pixels */

typedef struct {
    pn_map map;
    float *y;
    pn_lerp_sinks d;
    const float *dy, *a, *b, *mask;
    ptrdiff_t spans, spans_per_item;
} job;

/* Numbers of one plane or block in a span: at, and how many. In planes a number has its own mask, in blocks a pixel. */
typedef struct { ptrdiff_t at, pixel, pixels; } piece;

/* v[0..n) of numbers i.. of the piece, past the end zero; only planes end within a vector. */
static inline vec load(const float *p, ptrdiff_t i, ptrdiff_t n)
{
    return i + VLEN <= n ? vec_load(p + i) : vec_load_some(p + i, n - i);
}

static inline void store(float *p, ptrdiff_t i, ptrdiff_t n, vec v)
{
    if (i + VLEN <= n) vec_store(p + i, v);
    else vec_store_some(p + i, v, n - i);
}

static inline vec mask_at(const job *j, const piece *p, ptrdiff_t i, ptrdiff_t n)
{
    return j->map.b == 1 ? load(j->mask + p->pixel, i, n) : vec_all(j->mask[p->pixel + i / PN_BLOCK]);
}

static void fwd_piece(const job *j, const piece *p)
{
    const ptrdiff_t n = p->pixels * j->map.b;
    for (ptrdiff_t i = 0; i < n; i += VLEN) {
        const vec a = load(j->a + p->at, i, n), b = load(j->b + p->at, i, n), m = mask_at(j, p, i, n);
        store(j->y + p->at, i, n, (1.0f - m) * a + m * b);
    }
    pn_clear_lanes(j->y, j->map, p->at, p->at + n);
}

static inline void sink(pn_sink s, const piece *p, ptrdiff_t i, ptrdiff_t n, vec v)
{
    if (!s.data) return;
    store(s.data + p->at, i, n, s.add ? v + load(s.data + p->at, i, n) : v);
}

/* a and b get theirs; `sum` gathers dy (b - a), number by number. */
static void bwd_piece(const job *j, const piece *p, float *sum)
{
    const ptrdiff_t n = p->pixels * j->map.b;
    const bool both = j->d.a.data || j->d.b.data;
    for (ptrdiff_t i = 0; i < n; i += VLEN) {
        const vec dy = load(j->dy + p->at, i, n);
        if (j->d.mask.data) {
            const vec a = load(j->a + p->at, i, n), b = load(j->b + p->at, i, n);
            vec_store(sum + i, vec_load(sum + i) + dy * (b - a));
        }
        if (!both) continue;
        const vec m = mask_at(j, p, i, n);
        sink(j->d.a, p, i, n, dy * (1.0f - m));
        sink(j->d.b, p, i, n, dy * m);
    }
    if (j->d.a.data) pn_clear_lanes(j->d.a.data, j->map, p->at, p->at + n);
    if (j->d.b.data) pn_clear_lanes(j->d.b.data, j->map, p->at, p->at + n);
}

static void put_mask(const job *j, const piece *p, const float *sum)
{
    const pn_sink d = j->d.mask;
    for (ptrdiff_t i = 0; i < p->pixels; i++) {
        float s = sum[i];
        if (j->map.b > 1) {
            vec lanes = vec_load(sum + i * PN_BLOCK);
            for (int v = 1; v < VECS; v++) lanes += vec_load(sum + i * PN_BLOCK + v * VLEN);
            s = vec_sum(lanes);
        }
        d.data[p->pixel + i] = d.add ? d.data[p->pixel + i] + s : s;
    }
}

static void item(void *arg, ptrdiff_t index, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t plane = j->map.h * j->map.w, blocks = pn_map_blocks(j->map), b = j->map.b;
    const ptrdiff_t pixels = b == 1 ? SPAN * PN_BLOCK : SPAN, per_sample = (plane + pixels - 1) / pixels;
    const ptrdiff_t end = pn_smaller((index + 1) * j->spans_per_item, j->spans);
    for (ptrdiff_t s = index * j->spans_per_item; s < end; s++) {
        const ptrdiff_t n = s / per_sample, from = s % per_sample * pixels;
        piece p = { .pixel = n * plane + from, .pixels = pn_smaller(pixels, plane - from) };
        float sum[SPAN * PN_BLOCK] = { 0 };
        for (ptrdiff_t c = 0; c < blocks; c++) {
            p.at = ((n * blocks + c) * plane + from) * b;
            if (j->y) fwd_piece(j, &p);
            else bwd_piece(j, &p, sum);
        }
        if (!j->y && j->d.mask.data) put_mask(j, &p, sum);
    }
}

static void run(pn_pool *pool, job j)
{
    const ptrdiff_t plane = j.map.h * j.map.w, pixels = j.map.b == 1 ? SPAN * PN_BLOCK : SPAN;
    j.spans = j.map.n * ((plane + pixels - 1) / pixels);
    j.spans_per_item = pn_larger(1, PN_CHUNK / (SPAN * PN_BLOCK * pn_map_blocks(j.map)));
    pn_parallel(pool, (j.spans + j.spans_per_item - 1) / j.spans_per_item, item, &j);
}

static void lerp_fwd(pn_pool *pool, float *y, const float *a, const float *b, const float *mask, pn_map map)
{
    run(pool, (job){ .map = map, .y = y, .a = a, .b = b, .mask = mask });
}

static void lerp_bwd(pn_pool *pool, pn_lerp_sinks d, const float *dy, const float *a, const float *b,
                     const float *mask, pn_map map)
{
    run(pool, (job){ .map = map, .d = d, .dy = dy, .a = a, .b = b, .mask = mask });
}

void PN_SIMD(pn_simd_lerp)(pn_kernels *k)
{
    k->pointwise.lerp_fwd = lerp_fwd;
    k->pointwise.lerp_bwd = lerp_bwd;
}
