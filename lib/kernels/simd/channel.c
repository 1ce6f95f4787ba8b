/* simd/channel.c - attention of channels to channels: heads of whole blocks; others are left to the reference
 *
 * Two passes over the maps each way, CHUNK pixels of a head at a time: products of its channels, whose chunks are summed in
 * double, in order; then every pixel's channels times the head's matrix. NEAR pixels of a head stay in L1.
 */
#include "kernels/simd/attention.h"
#include "kernels/simd/blocks.h"

enum { NEAR = VLEN == 8 ? 60 : 64, CHUNK = 16 * NEAR };

typedef struct {
    pn_channel_dims d;
    ptrdiff_t width, blocks, area, chunks;  /* of a head: channels, blocks; of a map: pixels, chunks of them */
    const pn_channel_inputs *in;
    const pn_channel_sinks *out;
    pn_channel_saved left;          /* forward */
    const float *dy;                /* backward */
    float *y;
    float *partial;                 /* [n][head][chunk]: tiles [blocks][blocks], then sums of squares of q and k [width] */
    float *matrix;                  /* [n][head]: room for two matrices [block][width][16], and two lines [width] */
    double *sums;                   /* [n][head]: pn_channel_sums, and alpha's gradient */
} job;

typedef struct { ptrdiff_t n, head, at, first, pixels; } piece;    /* `at`: the first number of its first block's pixels */

static piece piece_of(const job *j, ptrdiff_t item)
{
    const ptrdiff_t heads = j->d.heads, n = item / j->chunks / heads, head = item / j->chunks % heads;
    const ptrdiff_t first = item % j->chunks * CHUNK, left = j->area - first;
    return (piece){ n, head, ((n * pn_map_blocks(j->d.x) + head * j->blocks) * j->area + first) * PN_BLOCK, first,
                    left < CHUNK ? left : CHUNK };
}

static ptrdiff_t partial_size(const job *j) { return j->width * j->width + 2 * j->width; }
static ptrdiff_t matrix_size(const job *j) { return 2 * j->width * j->width + 2 * j->width; }
static ptrdiff_t sums_size(const job *j) { return j->width * j->width + 2 * j->width + 1; }

static job job_of(pn_channel_dims d, void *scratch)
{
    job j = { .d = d, .width = pn_channel_width(d), .area = d.x.h * d.x.w, .sums = scratch };
    j.blocks = j.width / PN_BLOCK;
    j.chunks = (j.area + CHUNK - 1) / CHUNK;
    j.matrix = (float *)(void *)(j.sums + d.x.n * d.heads * sums_size(&j));
    j.partial = j.matrix + d.x.n * d.heads * matrix_size(&j);
    return j;
}

static bool is_fast(pn_channel_dims d) { return d.x.b == PN_BLOCK && pn_channel_width(d) % PN_BLOCK == 0; }

static size_t scratch_of(pn_channel_dims d)
{
    if (!is_fast(d)) return pn_ref_channel.scratch(d);
    const job j = job_of(d, NULL);
    const ptrdiff_t heads = d.x.n * d.heads;
    return (size_t)(heads * sums_size(&j)) * sizeof(double) +
           (size_t)(heads * (matrix_size(&j) + j.chunks * partial_size(&j))) * sizeof(float);
}

/* ---- Sums over positions ------------------------------------------------------------------------------------------------ */

/* squares[l] += sum over pixels of x[pixel][l]^2 */
static void add_squares(float *squares, const float *x, ptrdiff_t pixels)
{
    for (int v = 0; v < PN_BLOCK; v += VLEN) {
        vec sum = vec_load(squares + v);
        for (ptrdiff_t p = 0; p < pixels; p++) {
            const vec one = vec_load(x + p * PN_BLOCK + v);
            sum += one * one;
        }
        vec_store(squares + v, sum);
    }
}

/* All products of the head's channels of a with those of b, for some near pixels. */
static void add_products(const job *j, float *tiles, const float *a, const float *b, ptrdiff_t pixels)
{
    const ptrdiff_t step = j->area * PN_BLOCK;
    for (ptrdiff_t r = 0; r < j->blocks; r++)
        for (ptrdiff_t c = 0; c < j->blocks; c++) add_to_tile(tiles + (r * j->blocks + c) * TILE, a + r * step, b + c * step, pixels);
}

/* The chunks' sums of one head, rows and columns in order. */
static pn_channel_sums gather(const job *j, ptrdiff_t item)
{
    const ptrdiff_t width = j->width, size = partial_size(j);
    double *to = j->sums + item * sums_size(j);
    const float *from = j->partial + item * j->chunks * size;
    for (ptrdiff_t i = 0; i < size; i++) {
        double sum = 0;
        for (ptrdiff_t c = 0; c < j->chunks; c++) sum += (double)from[c * size + i];
        const ptrdiff_t tile = i / TILE, row = tile / j->blocks * PN_BLOCK + i % TILE / PN_BLOCK;
        const ptrdiff_t column = tile % j->blocks * PN_BLOCK + i % PN_BLOCK;
        to[i < width * width ? row * width + column : i] = sum;
    }
    return (pn_channel_sums){ to, to + width * width, to + width * width + width };
}

/* ---- Forward --------------------------------------------------------------------------------------------------------------- */

static void look_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const piece p = piece_of(j, item);
    const ptrdiff_t step = j->area * PN_BLOCK;
    float *tiles = j->partial + item * partial_size(j), *of_q = tiles + j->width * j->width, *of_k = of_q + j->width;
    memset(tiles, 0, (size_t)partial_size(j) * sizeof *tiles);
    for (ptrdiff_t i = 0; i < p.pixels; i += NEAR) {
        const ptrdiff_t pixels = p.pixels - i < NEAR ? p.pixels - i : NEAR;
        const float *q = j->in->q + p.at + i * PN_BLOCK, *k = j->in->k + p.at + i * PN_BLOCK;
        add_products(j, tiles, q, k, pixels);
        for (ptrdiff_t b = 0; b < j->blocks; b++) {
            add_squares(of_q + b * PN_BLOCK, q + b * step, pixels);
            add_squares(of_k + b * PN_BLOCK, k + b * step, pixels);
        }
    }
}

/* to[block][c][16]: number l of a block is w(block 16 + l, c), at row r and column c, times whatever strides say. */
static void pack(const job *j, float *to, const double *w, ptrdiff_t row, ptrdiff_t column)
{
    for (ptrdiff_t r = 0; r < j->width; r++)
        for (ptrdiff_t c = 0; c < j->width; c++)
            to[(r / PN_BLOCK * j->width + c) * PN_BLOCK + r % PN_BLOCK] = (float)w[r * row + c * column];
}

static void weigh_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t n = item / j->d.heads, head = item % j->d.heads, size = j->width * j->width;
    const pn_channel_sums s = gather(j, item);
    pn_channel_weights(j->left, s, (double)j->in->alpha[head], j->d, n, head);
    for (ptrdiff_t i = 0; i < size; i++) s.products[i] = (double)j->left.a[pn_channel_at(j->d, n, head) + i];
    pack(j, j->matrix + item * matrix_size(j), s.products, j->width, 1);
}

/* One block of y, and all of x's that belong to the head, for some near pixels. */
static void mix_head(const job *j, pn_sink y, const piece *p, ptrdiff_t i, const mixture *m)
{
    const ptrdiff_t pixels = p->pixels - i < NEAR ? p->pixels - i : NEAR, step = j->area * PN_BLOCK;
    mixture part = *m;
    for (ptrdiff_t b = 0; b < j->blocks; b++) {
        mix(y, p->at + i * PN_BLOCK + b * step, &part, pixels);
        part.weights += j->width * PN_BLOCK;
        if (!m->own) continue;
        part.own += PN_BLOCK;
        part.z += step;
    }
}

static void mix_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const piece p = piece_of(j, item);
    mixture m = { .step = j->area * PN_BLOCK, .blocks = j->blocks, .weights = j->matrix + item / j->chunks * matrix_size(j) };
    for (ptrdiff_t i = 0; i < p.pixels; i += NEAR) {
        m.x = j->in->v + p.at + i * PN_BLOCK;
        mix_head(j, (pn_sink){ j->y, false }, &p, i, &m);
    }
}

static void fwd(pn_pool *pool, pn_real *y, pn_channel_saved left, const pn_channel_inputs *in, pn_channel_dims d, void *scratch)
{
    if (!is_fast(d)) {
        pn_ref_channel.fwd(pool, y, left, in, d, scratch);
        return;
    }
    job j = job_of(d, scratch);
    j.in = in;
    j.left = left;
    j.y = y;
    const ptrdiff_t heads = d.x.n * d.heads;
    pn_parallel(pool, heads * j.chunks, look_item, &j);
    pn_parallel(pool, heads, weigh_item, &j);
    pn_parallel(pool, heads * j.chunks, mix_item, &j);
}

/* ---- Backward: dv and da in one pass, dq and dk in the other --------------------------------------------------------------- */

static void turn_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t n = item / j->d.heads, head = item % j->d.heads, size = j->width * j->width;
    double *a = j->sums + item * sums_size(j);
    for (ptrdiff_t i = 0; i < size; i++) a[i] = (double)j->in->a[pn_channel_at(j->d, n, head) + i];
    pack(j, j->matrix + item * matrix_size(j), a, 1, j->width);
}

static bool wants_slopes(const pn_channel_sinks *out) { return out->q.data || out->k.data || out->alpha.data; }

static void values_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const piece p = piece_of(j, item);
    float *tiles = j->partial + item * partial_size(j);
    mixture m = { .step = j->area * PN_BLOCK, .blocks = j->blocks, .weights = j->matrix + item / j->chunks * matrix_size(j) };
    memset(tiles, 0, (size_t)partial_size(j) * sizeof *tiles);
    for (ptrdiff_t i = 0; i < p.pixels; i += NEAR) {
        const ptrdiff_t pixels = p.pixels - i < NEAR ? p.pixels - i : NEAR;
        m.x = j->dy + p.at + i * PN_BLOCK;
        if (wants_slopes(j->out)) add_products(j, tiles, m.x, j->in->v + p.at + i * PN_BLOCK, pixels);
        if (j->out->v.data) mix_head(j, j->out->v, &p, i, &m);
    }
}

static void slopes_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t size = j->width * j->width;
    const pn_channel_sums s = gather(j, item);
    float *for_q = j->matrix + item * matrix_size(j), *for_k = for_q + size, *lines = for_k + size;
    j->sums[(item + 1) * sums_size(j) - 1] = pn_channel_slopes(s, j->in, j->d, item / j->d.heads, item % j->d.heads);
    pack(j, for_q, s.products, j->width, 1);
    pack(j, for_k, s.products, 1, j->width);
    for (ptrdiff_t i = 0; i < 2 * j->width; i++) lines[i] = (float)s.of_q[i];       /* of_k lies behind of_q */
}

static void keys_item(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const job *j = arg;
    const piece p = piece_of(j, item);
    const ptrdiff_t size = j->width * j->width;
    const float *matrix = j->matrix + item / j->chunks * matrix_size(j), *lines = matrix + 2 * size;
    for (ptrdiff_t i = 0; i < p.pixels; i += NEAR) {
        const float *q = j->in->q + p.at + i * PN_BLOCK, *k = j->in->k + p.at + i * PN_BLOCK;
        const mixture for_q = { k, j->area * PN_BLOCK, j->blocks, matrix, lines, q };
        const mixture for_k = { q, j->area * PN_BLOCK, j->blocks, matrix + size, lines + j->width, k };
        if (j->out->q.data) mix_head(j, j->out->q, &p, i, &for_q);
        if (j->out->k.data) mix_head(j, j->out->k, &p, i, &for_k);
    }
}

static void put_alpha(const job *j)
{
    const ptrdiff_t heads = j->d.heads;
    for (ptrdiff_t head = 0; head < heads; head++) {
        double sum = 0;
        for (ptrdiff_t n = 0; n < j->d.x.n; n++) sum += j->sums[(n * heads + head + 1) * sums_size(j) - 1];
        pn_put(j->out->alpha, head, sum);
    }
}

static void bwd(pn_pool *pool, const pn_channel_sinks *out, const pn_real *dy, const pn_channel_inputs *in, pn_channel_dims d,
                void *scratch)
{
    if (!is_fast(d)) {
        pn_ref_channel.bwd(pool, out, dy, in, d, scratch);
        return;
    }
    job j = job_of(d, scratch);
    j.in = in;
    j.out = out;
    j.dy = dy;
    const ptrdiff_t heads = d.x.n * d.heads;
    if (out->v.data) pn_parallel(pool, heads, turn_item, &j);
    pn_parallel(pool, heads * j.chunks, values_item, &j);
    if (!wants_slopes(out)) return;
    pn_parallel(pool, heads, slopes_item, &j);
    if (out->q.data || out->k.data) pn_parallel(pool, heads * j.chunks, keys_item, &j);
    if (out->alpha.data) put_alpha(&j);
}

void PN_SIMD(pn_simd_channel_attention)(pn_attention_kernels *k)
{
    k->channel = (pn_channel_kernels){ .scratch = scratch_of, .fwd = fwd, .bwd = bwd };
}
