/* simd/conv_few.c - gradient of 3x3 filters by minimal filtering over few tiles, without sums in memory
 *
 * As winograd_weights.c, but when a map has only a few tiles, sums over tiles at 36 points are sooner done than written
 * and read again on their way back to taps. Here they stay in registers: a row of six points for two input channels and a
 * vector of output channels at a time goes back to three columns of taps at once. An item is a block of output channels;
 * the transformed tiles of all input channels are made by each worker once.
 */
#include "kernels/simd/winograd.h"

enum {
    TAPS = 3, FILTER = TAPS * TAPS, RESULTS = WINO_SIX + 1 - TAPS, POINTS = WINO_SIX * WINO_SIX,
    MOST_TILES = 8,                 /* whose transforms of two blocks stay near L1 */
    SHARE = REGISTERS == 32 ? 2 : 1,        /* input channels at a time */
    LINE = 16,
};

typedef struct {
    conv_pass p;                    /* the forward */
    wino_plan w;
    pn_sink dw;
    const float *x, *dy;
    const pn_prologue *pro;
    ptrdiff_t *held;                /* [worker * LINE]: whether its tiles of x are made */
    float *room;                    /* of a worker: tiles of x, of a block of dy, sums [channel][tap][16] */
} job;

static size_t held_floats(int threads) { return (size_t)threads * LINE * sizeof(ptrdiff_t) / sizeof(float); }
static size_t wide_floats(const wino_plan *w) { return (size_t)(POINTS * w->v_plane); }
static size_t tall_floats(const wino_plan *w) { return (size_t)(POINTS * w->tiles * PN_BLOCK); }
static size_t room_floats(const wino_plan *w) { return wide_floats(w) + tall_floats(w) + FILTER * PN_BLOCK * PN_BLOCK; }

static bool is_plain(const conv_axis *a) { return a->kernel == TAPS && a->stride == 1 && a->dilation == 1; }

/* In multiplications per pair of channels: the products, going back to taps; and the direct way. Measured on one Zen 4
 * core, 512 x 512 filters: 4 tiles of 8 x 8 take 2.2 ms, 2.8 by winograd_weights.c, 3.5 directly; 16 tiles 6.6 to 5.2. */
enum { TAPS_COST = 100 };
bool PN_SIMD(pn_conv_few_pays)(const pn_conv_dims *d)
{
    if (d->transposed || d->groups != 1 || d->x.c < PN_BLOCK || d->y.c < PN_BLOCK) return false;
    const conv_pass p = PN_SIMD(pn_conv_forward_pass)(*d);
    if (!is_plain(&p.rows) || !is_plain(&p.cols)) return false;
    const wino_plan w = PN_SIMD(pn_wino_cut)(&p, WINO_SIX);
    return w.blocks == 1 && w.tiles <= MOST_TILES && POINTS * w.tiles + TAPS_COST < FILTER * d->y.n * d->y.h * d->y.w;
}

size_t PN_SIMD(pn_conv_few_bytes)(pn_conv_dims d, int threads)
{
    const conv_pass p = PN_SIMD(pn_conv_forward_pass)(d);
    const wino_plan w = PN_SIMD(pn_wino_cut)(&p, WINO_SIX);
    return (held_floats(threads) + (size_t)threads * room_floats(&w)) * sizeof(float);
}

/* One tile of a block of dy: to [point][tile][16]; results beyond the map have no gradient. */
static void tall_tile(const job *j, float *to, ptrdiff_t block, ptrdiff_t tile)
{
    const wino_plan *w = &j->w;
    const pn_map m = j->p.out;
    const ptrdiff_t n = tile / (w->down * w->across), row = tile / w->across % w->down * RESULTS;
    const ptrdiff_t col = tile % w->across * RESULTS;
    for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN) {
        vec g[RESULTS * RESULTS], t[POINTS];
        for (ptrdiff_t y = 0; y < RESULTS; y++)
            for (ptrdiff_t x = 0; x < RESULTS; x++) {
                const bool inside = row + y < m.h && col + x < m.w;
                const float *at = j->dy + (inside ? pn_at(m, n, block * PN_BLOCK, row + y, col + x) + lane : 0);
                g[y * RESULTS + x] = inside ? vec_load(at) : (vec){ 0 };
            }
        wino_filter_tile(t, g, RESULTS, WINO_SIX);
        for (ptrdiff_t i = 0; i < POINTS; i++) vec_store(to + (i * w->tiles + tile) * PN_BLOCK + lane, t[i]);
    }
}

/* Gradients of `share` input channels, of which v holds the first, and of VLEN output channels. */
CONV_INLINE void filters(float *sums, const float *v, const float *u, const wino_plan *w, const int share)
{
    const ptrdiff_t tiles = w->tiles, plane = w->v_plane;
    vec rows[SHARE][TAPS][WINO_SIX];
    CONV_UNROLL
    for (int i = 0; i < WINO_SIX; i++) {
        vec acc[SHARE][WINO_SIX], taps[TAPS];
        CONV_UNROLL
        for (int e = 0; e < share; e++)
            CONV_UNROLL
            for (int x = 0; x < WINO_SIX; x++) acc[e][x] = (vec){ 0 };
        for (ptrdiff_t t = 0; t < tiles * PN_BLOCK; t += PN_BLOCK)
            CONV_UNROLL
            for (int x = 0; x < WINO_SIX; x++) {
                const vec y = vec_load(u + (i * WINO_SIX + x) * tiles * PN_BLOCK + t);
                CONV_UNROLL
                for (int e = 0; e < share; e++) acc[e][x] += vec_all(v[(i * WINO_SIX + x) * plane + t + e]) * y;
            }
        CONV_UNROLL
        for (int e = 0; e < share; e++) {
            wino_results(taps, acc[e], TAPS, WINO_SIX, WINO_PLAIN);
            CONV_UNROLL
            for (int k = 0; k < TAPS; k++) rows[e][k][i] = taps[k];
        }
    }
    CONV_UNROLL
    for (int e = 0; e < share; e++)
        CONV_UNROLL
        for (int k = 0; k < TAPS; k++) {
            vec taps[TAPS];
            wino_results(taps, rows[e][k], TAPS, WINO_SIX, WINO_PLAIN);
            CONV_UNROLL
            for (int r = 0; r < TAPS; r++) vec_store(sums + (e * FILTER + r * TAPS + k) * PN_BLOCK, taps[r]);
        }
}

static void block_item(void *arg, ptrdiff_t block, int worker)
{
    const job *j = arg;
    const conv_pass *p = &j->p;
    const wino_plan *w = &j->w;
    float *v = j->room + (size_t)worker * room_floats(w), *u = v + wide_floats(w), *sums = u + tall_floats(w);
    if (!j->held[worker * LINE])
        PN_SIMD(pn_wino_sources)(v, p, w, j->x, j->pro, (wino_block){ .count = w->tiles });
    j->held[worker * LINE] = 1;
    for (ptrdiff_t tile = 0; tile < w->tiles; tile++) tall_tile(j, u, block, tile);
    const ptrdiff_t out = p->out_c - block * PN_BLOCK;
    for (ptrdiff_t b = 0; b < p->in_blocks; b++) {
        const ptrdiff_t in = p->in_c - b * PN_BLOCK;
        conv_sums s = { .sums = sums, .taps = FILTER, .width = PN_BLOCK, .channels = in < PN_BLOCK ? in : PN_BLOCK,
                        .lanes = out < PN_BLOCK ? out : PN_BLOCK, .w_cast = p->w_in, .w_vectors = p->w_out };
        for (ptrdiff_t c = 0; c < s.channels; c += SHARE)       /* lanes past the last channel hold zeros */
            for (ptrdiff_t lane = 0; lane < PN_BLOCK; lane += VLEN)
                filters(sums + c * FILTER * PN_BLOCK + lane, v + b * w->tiles * PN_BLOCK + c, u + lane, w, SHARE);
        float *dw = j->dw.data + block * PN_BLOCK * p->w_out + b * PN_BLOCK * p->w_in;
        PN_SIMD(pn_conv_deliver)((pn_sink){ dw, j->dw.add }, &s);
    }
}

void PN_SIMD(pn_conv_few)(pn_pool *pool, pn_sink dw, const float *x, const float *dy, const pn_prologue *pro,
                          pn_conv_dims d, void *scratch)
{
    const int threads = pn_pool_size(pool);
    job j = { .p = PN_SIMD(pn_conv_forward_pass)(d), .dw = dw, .x = x, .dy = dy, .pro = pro, .held = scratch };
    j.w = PN_SIMD(pn_wino_cut)(&j.p, WINO_SIX);
    j.room = (float *)scratch + held_floats(threads);
    for (int t = 0; t < threads; t++) j.held[t * LINE] = 0;
    pn_parallel(pool, j.p.out_blocks, block_item, &j);
}
