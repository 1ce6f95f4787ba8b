/* lib/kernels/simd/matmul.c - matrix products: packed slivers, a register tile of MR x NR, items of the result by shape
 *
 * An item owns a piece of c of up to MC x NC numbers. For every KC of depth it packs its rows of a into slivers
 * [k][MR] and its columns of b into slivers [k][NR], zeros beyond the edges, so that the innermost loop knows one
 * shape only.
 */
#include "kernels/simd/pointwise.h"
#include "kernels/simd/transpose.h"

/* 24 sums of 32 registers on AVX-512, 12 of 16 elsewhere. */
enum { MR = VLEN == 16 ? 12 : 6, NV = 2, NR = NV * VLEN };
enum { MC = 480, NC = 384, KC = 256, ITEMS = 8, ITEM_WORK = 1 << 20 };

typedef struct {
    pn_sink c;
    const float *a, *b, *bias;
    pn_matmul_dims d;
    ptrdiff_t mc, nc;
    float *scratch;                 /* per worker */
} job;

static ptrdiff_t pieces(ptrdiff_t n, ptrdiff_t of) { return (n + of - 1) / of; }
static ptrdiff_t padded(ptrdiff_t n, ptrdiff_t to) { return pieces(n, to) * to; }

/* ---- Packing --------------------------------------------------------------------------------------------------- */

/* A sliver is [k][width]; number w of step i comes from p[w * s.row + i * s.column], rows from `rows` on are zero. */
__attribute__((always_inline)) static inline void pack_numbers(float *to, const float *p, pn_matrix_strides s,
                                                               int rows, ptrdiff_t k, int width)
{
    for (ptrdiff_t i = 0; i < k; i++)
        for (int w = 0; w < width; w++) to[i * width + w] = w < rows ? p[w * s.row + i * s.column] : 0;
}

/* All rows, next to each other in memory. */
__attribute__((always_inline)) static inline void pack_straight(float *to, const float *p, ptrdiff_t along,
                                                                ptrdiff_t k, int width)
{
    for (ptrdiff_t i = 0; i < k; i++) memcpy(to + i * width, p + i * along, (size_t)width * sizeof *to);
}

/* All rows, each lying along k: squares of VLEN are turned in registers. */
__attribute__((always_inline)) static inline void pack_turned(float *to, const float *p, ptrdiff_t across, ptrdiff_t k,
                                                              int width)
{
    ptrdiff_t i = 0;
    for (; i + VLEN <= k; i += VLEN)
        for (int w = 0; w < width; w += VLEN) {
            vec square[VLEN];
            for (int r = 0; r < VLEN; r++) square[r] = w + r < width ? vec_load(p + (w + r) * across + i) : (vec){ 0 };
            vec_transpose(square);
            for (int r = 0; r < VLEN; r++) {
                float *at = to + (i + r) * width + w;
                if (w + VLEN <= width) vec_store(at, square[r]);
                else vec_store_some(at, square[r], width % VLEN);
            }
        }
    pack_numbers(to + i * width, p + i, (pn_matrix_strides){ 0, across, 1 }, width, k - i, width);
}

/* s.row: from one number of a sliver's row to the next; s.column: from one k to the next. */
__attribute__((always_inline)) static inline void pack(float *to, const float *p, pn_matrix_strides s, ptrdiff_t count,
                                                       ptrdiff_t k, int width)
{
    for (ptrdiff_t first = 0; first < count; first += width, to += width * k) {
        const float *from = p + first * s.row;
        if (count - first < width) pack_numbers(to, from, s, (int)(count - first), k, width);
        else if (s.row == 1) pack_straight(to, from, s.column, k, width);
        else if (s.column == 1) pack_turned(to, from, s.row, k, width);
        else pack_numbers(to, from, s, width, k, width);
    }
}

/* ---- Tiles ----------------------------------------------------------------------------------------------------- */

typedef struct { vec at[MR][NV]; } tile;

static inline tile multiply(const float *a, const float *b, ptrdiff_t k)
{
    tile t;
    for (int r = 0; r < MR; r++)
        for (int v = 0; v < NV; v++) t.at[r][v] = (vec){ 0 };
    for (ptrdiff_t i = 0; i < k; i++, a += MR, b += NR) {
        vec column[NV];
        for (int v = 0; v < NV; v++) column[v] = vec_load(b + v * VLEN);
        for (int r = 0; r < MR; r++) {
            const vec row = vec_all(a[r]);
            for (int v = 0; v < NV; v++) t.at[r][v] += row * column[v];
        }
    }
    return t;
}

/* m x n numbers of the tile go to c, rows `step` apart; bias NULL: none. */
__attribute__((always_inline)) static inline void put(float *c, ptrdiff_t step, const tile *t, ptrdiff_t m, ptrdiff_t n,
                                                      const float *bias, bool add)
{
    for (ptrdiff_t r = 0; r < m; r++)
        for (int v = 0; v < NV && v * VLEN < n; v++) {
            const ptrdiff_t some = pn_smaller(VLEN, n - v * VLEN);
            float *at = c + r * step + v * VLEN;
            vec x = t->at[r][v];
            if (some == VLEN) {
                if (bias) x += vec_load(bias + v * VLEN);
                vec_store(at, add ? vec_load(at) + x : x);
            } else {
                if (bias) x += vec_load_some(bias + v * VLEN, some);
                vec_store_some(at, add ? vec_load_some(at, some) + x : x, some);
            }
        }
}

static void item(void *arg, ptrdiff_t index, int worker)
{
    const job *j = arg;
    const pn_matmul_dims *d = &j->d;
    const ptrdiff_t across = pieces(d->n, j->nc), down = pieces(d->m, j->mc), batch = index / (across * down);
    const ptrdiff_t row = index / across % down * j->mc, column = index % across * j->nc;
    const ptrdiff_t m = pn_smaller(j->mc, d->m - row), n = pn_smaller(j->nc, d->n - column);
    float *a = j->scratch + worker * (padded(j->mc, MR) + padded(j->nc, NR)) * KC, *b = a + padded(j->mc, MR) * KC;
    float *c = j->c.data + (batch * d->m + row) * d->n + column;
    for (ptrdiff_t depth = 0; depth < d->k; depth += KC) {
        const ptrdiff_t k = pn_smaller(KC, d->k - depth);
        const pn_matrix_strides columns = { d->b.batch, d->b.column, d->b.row };
        pack(a, j->a + batch * d->a.batch + row * d->a.row + depth * d->a.column, d->a, m, k, MR);
        pack(b, j->b + batch * d->b.batch + depth * d->b.row + column * d->b.column, columns, n, k, NR);
        const float *bias = depth == 0 && j->bias ? j->bias + column : NULL;
        for (ptrdiff_t y = 0; y < m; y += MR)           /* rows of c one after another: columns would miss the TLB */
            for (ptrdiff_t x = 0; x < n; x += NR) {
                const tile t = multiply(a + y * k, b + x * k, k);
                float *at = c + y * d->n + x;
                const bool add = depth > 0 || j->c.add;
                if (y + MR <= m && x + NR <= n && !bias) put(at, d->n, &t, MR, NR, NULL, add);
                else put(at, d->n, &t, pn_smaller(MR, m - y), pn_smaller(NR, n - x), bias ? bias + x : NULL, add);
            }
    }
}

/* As few pieces of c as MC and NC allow, and more until there are enough for some threads while each is worth its
 * packing. */
static void choose_pieces(job *j)
{
    const pn_matmul_dims *d = &j->d;
    ptrdiff_t down = pieces(d->m, MC), across = pieces(d->n, NC);
    for (;;) {
        j->mc = padded(pieces(d->m, down), MR);
        j->nc = padded(pieces(d->n, across), NR);
        if (d->batch * down * across >= ITEMS || j->mc * j->nc * d->k < ITEM_WORK) return;
        if (j->mc >= j->nc && j->mc > MR) down++;
        else if (j->nc > NR) across++;
        else return;
    }
}

static void product(pn_pool *pool, pn_sink c, const float *a, const float *b, const float *bias, pn_matmul_dims d,
                    void *scratch)
{
    job j = { .c = c, .a = a, .b = b, .bias = bias, .d = d, .scratch = scratch };
    choose_pieces(&j);
    pn_parallel(pool, d.batch * pieces(d.m, j.mc) * pieces(d.n, j.nc), item, &j);
}

static size_t scratch_bytes(pn_matmul_dims d, int threads)
{
    job j = { .d = d };
    choose_pieces(&j);
    return (size_t)((padded(j.mc, MR) + padded(j.nc, NR)) * KC * threads) * sizeof(float);
}

void PN_SIMD(pn_simd_matmul)(pn_kernels *k)
{
    k->matmul.product = product;
    k->matmul.scratch = scratch_bytes;
}
