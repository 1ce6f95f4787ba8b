/* simd/unfold.c - neighbourhoods as channels, of planar maps: an item is one channel of x and the k^2 planes made of it */
#include "kernels/simd/match.h"

typedef struct { pn_unfold_dims d; const float *from; pn_sink to; } job;

/* Row y of plane t, without its ends outside, is a run of row y + down of x, from column `first` + along on. */
typedef struct { ptrdiff_t down, along, first, count; } reach;

static reach reach_of(const job *j, ptrdiff_t t)
{
    const ptrdiff_t w = j->d.x.w, along = t % j->d.k - j->d.k / 2;
    const ptrdiff_t first = pn_smaller(w, pn_larger(0, -along));
    return (reach){ t / j->d.k - j->d.k / 2, along, first, pn_larger(0, pn_smaller(w, w - along) - first) };
}

static void spread_plane(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t h = j->d.x.h, w = j->d.x.w, taps = j->d.k * j->d.k;
    for (ptrdiff_t t = 0; t < taps; t++) {
        const reach r = reach_of(j, t);
        for (ptrdiff_t y = 0; y < h; y++) {
            float *to = j->to.data + ((item * taps + t) * h + y) * w;
            if (!r.count || y + r.down < 0 || y + r.down >= h) {
                memset(to, 0, (size_t)w * sizeof *to);
                continue;
            }
            const ptrdiff_t end = r.first + r.count;
            memset(to, 0, (size_t)r.first * sizeof *to);
            memcpy(to + r.first, j->from + (item * h + y + r.down) * w + r.first + r.along, (size_t)r.count * sizeof *to);
            memset(to + end, 0, (size_t)(w - end) * sizeof *to);
        }
    }
}

static void collect_plane(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t h = j->d.x.h, w = j->d.x.w, taps = j->d.k * j->d.k;
    if (!j->to.add) memset(j->to.data + item * h * w, 0, (size_t)(h * w) * sizeof(float));
    for (ptrdiff_t t = 0; t < taps; t++) {
        const reach r = reach_of(j, t);
        for (ptrdiff_t y = pn_larger(0, -r.down); r.count && y < pn_smaller(h, h - r.down); y++) {
            const float *from = j->from + ((item * taps + t) * h + y) * w + r.first;
            float *to = j->to.data + (item * h + y + r.down) * w + r.first + r.along;
            for (ptrdiff_t x = 0; x < r.count; x++) to[x] += from[x];
        }
    }
}

static void unfold_fwd(pn_pool *pool, pn_real *y, const pn_real *x, pn_unfold_dims d)
{
    job j = { d, x, { y, false } };
    pn_parallel(pool, d.x.n * d.x.c, spread_plane, &j);
}

static void unfold_bwd(pn_pool *pool, pn_sink dx, const pn_real *dy, pn_unfold_dims d)
{
    job j = { d, dy, dx };
    pn_parallel(pool, d.x.n * d.x.c, collect_plane, &j);
}

void PN_SIMD(pn_simd_unfold)(pn_match_kernels *k)
{
    k->unfold_fwd = unfold_fwd;
    k->unfold_bwd = unfold_bwd;
}
