/* simd/attention_full.c - softmax attention in blocks, after Milakov & Gimelshein 2018 and Rabe & Staats 2021
 *
 * Forward: an item is ROWS queries, which meet the keys KEYS at a time. Their logits become exponentials below the
 * row's maximum so far, and these weigh the values; when a later block raises the maximum, what the row has summed up
 * shrinks by the difference. Backward: ROWS_BACK queries at a time. Per block of keys their weights come back from the
 * saved maximum and sum, and go at once into that block's gradients of keys and values, whose owner is one item; the
 * slopes of the logits wait in memory until all blocks have theirs, and then give the gradients of these queries.
 *
 * Lanes run along keys in logits and along features in the rest (tile.h). Rows of logits are STEP apart, known to the
 * compiler, so that MR rows of one column are displacements from one address. Rows of queries, keys and values are those
 * of matrices or the pixels of maps in blocks (pn_rows), whose lanes past the last number are written as zeros.
 */
#include "kernels/simd/attention.h"
#include "kernels/simd/tile.h"

enum { ROWS = 48, ROWS_BACK = 144, KEYS = 192, STEP = KEYS + 16 };     /* STEP: an odd number of lines */

static ptrdiff_t blocks_of(const pn_full_dims *d) { return pieces(d->keys, KEYS); }
static ptrdiff_t keys_in(const pn_full_dims *d, ptrdiff_t block) { return pn_smaller(KEYS, d->keys - block * KEYS); }
static ptrdiff_t longest_block(const pn_full_dims *d) { return padded(pn_smaller(d->keys, KEYS), NR); }
static ptrdiff_t whole_lines(ptrdiff_t n) { return padded(n, PN_BLOCK); }

/* Rows of `of` numbers into slivers: rows side by side, depth along them; or numbers side by side, depth across. */
static void pack_along(float *to, const float *rows, const pn_rows *as, ptrdiff_t of, ptrdiff_t count, int width)
{
    for (ptrdiff_t r = 0; r < count; r += width, to += width * of)
        for (ptrdiff_t c = 0; c < of; c += as->chunk)
            pack(to + c * width, rows + pn_row_at(as, 0, r, c), (pn_matrix_strides){ 0, as->row, 1 },
                 pn_smaller(count - r, width), pn_smaller(of - c, as->chunk), width);
}

enum { PIECE = VLEN == 4 ? NR : PN_BLOCK };             /* of a sliver, in one block */

/* One sliver from number c on. */
static void pack_pieces(float *to, const float *rows, const pn_rows *as, ptrdiff_t c, ptrdiff_t of, ptrdiff_t count)
{
    for (int w = 0; w < NR; w += PIECE)
        for (ptrdiff_t r = 0; r < count; r++)
            if (c + w < of) memcpy(to + r * NR + w, rows + pn_row_at(as, 0, r, c + w), PIECE * sizeof *to);
            else memset(to + r * NR + w, 0, PIECE * sizeof *to);
}

static void pack_across(float *to, const float *rows, const pn_rows *as, ptrdiff_t of, ptrdiff_t count)
{
    if (as->chunk == of) pack(to, rows, (pn_matrix_strides){ 0, 1, as->row }, of, count, NR);
    else
        for (ptrdiff_t c = 0; c < of; c += NR) pack_pieces(to + c * count, rows, as, c, of, count);
}

/* The numbers of a row from c on, zeros past the last; and back, with zeros up to the end of their block. */
ALWAYS_INLINE vec load_numbers(const float *row, const pn_rows *as, ptrdiff_t c, ptrdiff_t of)
{
    const float *at = row + pn_row_at(as, 0, 0, c);
    return c + VLEN <= of ? vec_load(at) : vec_load_some(at, of - c);
}
ALWAYS_INLINE void store_numbers(pn_sink row, const pn_rows *as, ptrdiff_t c, ptrdiff_t of, vec x)
{
    float *at = row.data + pn_row_at(as, 0, 0, c);
    const ptrdiff_t left = of - c;
    if (left >= VLEN) vec_store(at, row.add ? vec_load(at) + x : x);
    else if (as->chunk != of) vec_store(at, vec_first(row.add ? vec_load(at) + x : x, left));
    else if (left > 0) vec_store_some(at, row.add ? vec_load_some(at, left) + x : x, left);
}
/* Up to where rows are written. */
static ptrdiff_t written(const pn_rows *as, ptrdiff_t of) { return as->chunk == of ? of : padded(of, PN_BLOCK); }
static void scale(float *x, ptrdiff_t n, float by)
{
    for (ptrdiff_t i = 0; i < n; i++) x[i] *= by;
}

/* Of VLEN rows of VLEN numbers the largest, or the sum, of each row. */
typedef enum { LARGEST, SUM } over;
ALWAYS_INLINE vec of_rows(float (*row)[VLEN], over what)
{
    vec square[VLEN];
    for (int i = 0; i < VLEN; i++) square[i] = vec_load(row[i]);
    vec_transpose(square);
    for (int half = VLEN / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            square[i] = what == SUM ? square[i] + square[i + half] : vec_max(square[i], square[i + half]);
    return square[0];
}

/* ---- Logits ---------------------------------------------------------------------------------------------------- */

/* The bias of query q of batch n and the first key of a block; NULL: there is none. */
static const float *bias_at(const pn_full_inputs *in, const pn_full_dims *d, ptrdiff_t n, ptrdiff_t q, ptrdiff_t block)
{
    return in->bias ? in->bias + n * d->bias_batch + q * d->bias_row + block * KEYS : NULL;
}

/* Add the bias to m x n logits; what lies past the last key weighs nothing. */
ALWAYS_INLINE tile with_bias(tile t, const float *bias, ptrdiff_t step, ptrdiff_t m, ptrdiff_t n)
{
    veci lane = { 0 };
    for (int i = 0; i < VLEN; i++) lane[i] = i;
    for (int v = 0; v < NV; v++) {
        const ptrdiff_t some = n < v * VLEN ? 0 : pn_smaller(n - v * VLEN, VLEN);
        for (int r = 0; r < MR; r++) {
            if (bias && r < m) {
                const float *at = bias + r * step + v * VLEN;
                t.at[r][v] += some == VLEN ? vec_load(at) : vec_load_some(at, some);
            }
            t.at[r][v] = vec_if(lane < (int32_t)some, t.at[r][v], vec_all(-INFINITY));
        }
    }
    return t;
}

/* Packed keys and values come from a far cache, a sliver for a few tiles: while tile y / MR of a sliver of k steps is
 * multiplied, some lines of the sliver that follows it in memory come nearer. Behind the last one any address will do. */
enum { LINES = (NR + (int)PN_BLOCK - 1) / (int)PN_BLOCK };
static lines_ahead behind(const float *sliver, ptrdiff_t k, ptrdiff_t y)
{
    return (lines_ahead){ sliver + k * (NR + y / MR % LINES * PN_BLOCK), PN_BLOCK };
}
static tile multiply_far(const float *a, const float *b, ptrdiff_t k, ptrdiff_t y)
{
    return multiply_ahead((tile){ 0 }, a, 1, MR, b, k, behind(b, k, y));
}

/* ---- Forward --------------------------------------------------------------------------------------------------- */

typedef struct {
    pn_full_dims d;
    const pn_full_inputs *in;
    float *y, *top, *log_sum;
    ptrdiff_t blocks;               /* of keys, of each of the batch */
    ptrdiff_t width;                /* Dv in whole slivers */
    ptrdiff_t key_room, value_room; /* numbers of a packed block */
    float *keys, *values;           /* packed: [B,blocks][keys / NR][D][NR]; [B,blocks][Dv / NR][key][NR] */
    float *own;                     /* per worker */
} fwd_job;

static fwd_job fwd_make(pn_full_dims d)
{
    const ptrdiff_t longest = longest_block(&d), width = padded(d.values, NR);
    return (fwd_job){ .d = d, .blocks = blocks_of(&d), .width = width, .key_room = longest * d.features,
                      .value_room = longest * width };
}

static void pack_block(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const fwd_job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t block = item % j->blocks, n = item / j->blocks, count = keys_in(d, block);
    const float *k = j->in->k + pn_row_at(&d->k, n, block * KEYS, 0);
    const float *v = j->in->v + pn_row_at(&d->v, n, block * KEYS, 0);
    pack_along(j->keys + item * j->key_room, k, &d->k, d->features, count, NR);
    pack_across(j->values + item * j->value_room, v, &d->v, d->values, count);
}

/* What one item works on: ROWS queries, and all about their rows so far. */
typedef struct {
    float best[ROWS][VLEN];         /* the largest logits of a block, by lane */
    float top[ROWS], sum[ROWS];     /* the largest logit; the sum of exponentials below it */
    float keep[ROWS];               /* what a new maximum leaves of earlier sums */
    float s[ROWS][STEP];            /* logits of a block, then their exponentials */
    float sums[];                   /* [Dv slivers][ROWS][NR]; then the packed queries */
} strip;

static ptrdiff_t strip_room(const fwd_job *j)
{
    return whole_lines((ptrdiff_t)(sizeof(strip) / sizeof(float)) + ROWS * (j->width + j->d.features));
}

static void find_logits(strip *w, const float *queries, const float *keys, const fwd_job *j, const float *bias,
                        ptrdiff_t m, ptrdiff_t count)
{
    const ptrdiff_t depth = j->d.features, step = j->d.bias_row;
    for (ptrdiff_t x = 0; x < count; x += NR)
        for (ptrdiff_t y = 0; y < m; y += MR) {
            tile t = multiply_far(queries + y * depth, keys + x * depth, depth, y);
            if (bias || x + NR > count) t = with_bias(t, bias ? bias + y * step + x : NULL, step, m - y, count - x);
            for (int r = 0; r < MR; r++) {
                vec best = x ? vec_load(w->best[y + r]) : t.at[r][0];
                for (int v = 0; v < NV; v++) {
                    best = vec_max(t.at[r][v], best);
                    vec_store(&w->s[y + r][x + v * VLEN], t.at[r][v]);
                }
                vec_store(w->best[y + r], best);
            }
        }
}

/* A NaN passes the maximum by; its own e^NaN then spoils the sum. Rows of -inf alone stay at a sum of 0. */
static void find_exponentials(strip *w, ptrdiff_t m, ptrdiff_t count)
{
    float base[ROWS];
    for (ptrdiff_t r = 0; r < ROWS; r += VLEN) {
        const vec before = vec_load(w->top + r), top = vec_max(of_rows(w->best + r, LARGEST), before);
        const vec from = vec_if(top == -INFINITY, (vec){ 0 }, top);
        vec_store(w->top + r, top);
        vec_store(base + r, from);
        vec_store(w->keep + r, vec_exp_down(before - from));
    }
    for (ptrdiff_t r = 0; r < m; r++) {
        vec sum = { 0 };
        for (ptrdiff_t i = 0; i < count; i += VLEN) {
            const vec e = vec_exp_down(vec_load(&w->s[r][i]) - base[r]);
            vec_store(&w->s[r][i], e);
            sum += e;
        }
        vec_store(w->best[r], sum);
    }
    for (ptrdiff_t r = 0; r < ROWS; r += VLEN)
        vec_store(w->sum + r, vec_load(w->sum + r) * vec_load(w->keep + r) + of_rows(w->best + r, SUM));
}

static void weigh_values(strip *w, const float *values, ptrdiff_t m, ptrdiff_t count, ptrdiff_t width)
{
    for (ptrdiff_t x = 0; x < width; x += NR)
        for (ptrdiff_t y = 0; y < m; y += MR) {
            float *sums = w->sums + (x / NR * ROWS + y) * NR;
            tile t;
            for (int r = 0; r < MR; r++)
                for (int v = 0; v < NV; v++) t.at[r][v] = vec_load(sums + r * NR + v * VLEN) * w->keep[y + r];
            const float *sliver = values + x * count;
            t = multiply_ahead(t, w->s[y], STEP, 1, sliver, count, behind(sliver, count, y));
            for (int r = 0; r < MR; r++)
                for (int v = 0; v < NV; v++) vec_store(sums + r * NR + v * VLEN, t.at[r][v]);
        }
}

static void put_rows(const fwd_job *j, const strip *w, ptrdiff_t n, ptrdiff_t q, ptrdiff_t m)
{
    const pn_full_dims *d = &j->d;
    const ptrdiff_t first = n * d->queries + q, end = written(&d->y, d->values);
    for (ptrdiff_t r = 0; r < m; r++) {
        const float share = w->sum[r] == 0 ? 0 : 1 / w->sum[r];
        const pn_sink y = { j->y + pn_row_at(&d->y, n, q + r, 0), false };
        for (ptrdiff_t x = 0; x < end; x += VLEN) {
            const vec v = x < j->width ? vec_load(w->sums + (x / NR * ROWS + r) * NR + x % NR) * share : (vec){ 0 };
            store_numbers(y, &d->y, x, d->values, v);
        }
        j->top[first + r] = w->top[r];
        j->log_sum[first + r] = w->sum[r] == 0 ? 0 : logf(w->sum[r]);
    }
}

static void forward_strip(void *arg, ptrdiff_t item, int worker)
{
    const fwd_job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t strips = pieces(d->queries, ROWS), n = item / strips, q = item % strips * ROWS;
    const ptrdiff_t m = pn_smaller(ROWS, d->queries - q);
    strip *w = (strip *)(void *)(j->own + worker * strip_room(j));
    float *queries = w->sums + ROWS * j->width;
    pack_along(queries, j->in->q + pn_row_at(&d->q, n, q, 0), &d->q, d->features, m, MR);
    scale(queries, padded(m, MR) * d->features, d->scale);
    memset(w->sums, 0, (size_t)(ROWS * j->width) * sizeof *w->sums);
    memset(w->best, 0, sizeof w->best);
    for (int r = 0; r < ROWS; r++) {
        w->top[r] = -INFINITY;
        w->sum[r] = 0;
    }
    for (ptrdiff_t block = 0; block < j->blocks; block++) {
        const ptrdiff_t count = keys_in(d, block), at = n * j->blocks + block;
        find_logits(w, queries, j->keys + at * j->key_room, j, bias_at(j->in, d, n, q, block), m, count);
        find_exponentials(w, m, count);
        weigh_values(w, j->values + at * j->value_room, m, count, j->width);
    }
    put_rows(j, w, n, q, m);
}

static ptrdiff_t fwd_packed(const fwd_job *j)
{
    return whole_lines(j->d.batch * j->blocks * (j->key_room + j->value_room));
}

static void full_fwd(pn_pool *pool, pn_real *y, pn_real *top, pn_real *log_sum, const pn_full_inputs *in,
                     pn_full_dims d, void *scratch)
{
    fwd_job j = fwd_make(d);
    j.in = in;
    j.y = y;
    j.top = top;
    j.log_sum = log_sum;
    j.keys = scratch;
    j.values = j.keys + d.batch * j.blocks * j.key_room;
    j.own = j.keys + fwd_packed(&j);
    pn_parallel(pool, d.batch * j.blocks, pack_block, &j);
    pn_parallel(pool, d.batch * pieces(d.queries, ROWS), forward_strip, &j);
}

/* ---- Backward -------------------------------------------------------------------------------------------------- */

enum { BATCH_ITEMS = 16 };          /* batches are taken together until this many blocks of keys can be worked on */

typedef struct {
    pn_full_dims d;
    const pn_full_inputs *in;
    const pn_full_sinks *out;
    const float *dy;
    bool slopes;                    /* somebody wants more than the gradient of v */
    ptrdiff_t blocks;
    ptrdiff_t batches, rows;        /* together at most; rows in whole tiles */
    ptrdiff_t n, count, q, m;       /* now: first batch and how many, first query and how many */
    /* per block of keys of the batches at work: packed keys and values as forward's keys; keys to sum up; slopes */
    float *keys, *values, *key_rows, *slope;
    /* per batch at work: tiles and slivers of its queries and dy; of each row what forward left, and dy y */
    float *queries, *query_rows, *dy_tiles, *dy_rows, *top, *log_sum, *mean;
    float *own;                     /* per worker: weights [rows][STEP] */
} bwd_job;

/* Numbers per block, or per batch, of each array. */
static ptrdiff_t keys_room(const bwd_job *j) { return longest_block(&j->d) * j->d.features; }
static ptrdiff_t values_room(const bwd_job *j) { return longest_block(&j->d) * j->d.values; }
static ptrdiff_t key_rows_room(const bwd_job *j) { return longest_block(&j->d) * padded(j->d.features, NR); }
static ptrdiff_t weights_room(const bwd_job *j) { return j->rows * STEP; }
static ptrdiff_t query_room(const bwd_job *j) { return whole_lines(j->rows * j->d.features); }
static ptrdiff_t query_rows_room(const bwd_job *j) { return j->rows * padded(j->d.features, NR); }
static ptrdiff_t dy_room(const bwd_job *j) { return whole_lines(j->rows * j->d.values); }
static ptrdiff_t dy_rows_room(const bwd_job *j) { return j->rows * padded(j->d.values, NR); }
static ptrdiff_t numbers_room(const bwd_job *j) { return whole_lines(j->rows); }

/* The next numbers of scratch; base NULL: only their number counts. */
static float *take(float *base, ptrdiff_t *used, ptrdiff_t numbers)
{
    float *taken = base ? base + *used : NULL;
    *used += whole_lines(numbers);
    return taken;
}

/* Lays out scratch; returns how many numbers that takes. */
static ptrdiff_t bwd_make(bwd_job *j, pn_full_dims d, float *scratch, int threads)
{
    *j = (bwd_job){ .d = d, .blocks = blocks_of(&d), .rows = padded(pn_smaller(d.queries, ROWS_BACK), MR) };
    j->batches = pn_smaller(d.batch, pieces(BATCH_ITEMS, j->blocks));
    const ptrdiff_t batches = j->batches, blocks = batches * j->blocks;
    ptrdiff_t used = 0;
    j->keys = take(scratch, &used, blocks * keys_room(j));
    j->values = take(scratch, &used, blocks * values_room(j));
    j->key_rows = take(scratch, &used, blocks * key_rows_room(j));
    j->slope = take(scratch, &used, blocks * weights_room(j));
    j->queries = take(scratch, &used, batches * query_room(j));
    j->query_rows = take(scratch, &used, batches * query_rows_room(j));
    j->dy_tiles = take(scratch, &used, batches * dy_room(j));
    j->dy_rows = take(scratch, &used, batches * dy_rows_room(j));
    j->top = take(scratch, &used, batches * numbers_room(j));
    j->log_sum = take(scratch, &used, batches * numbers_room(j));
    j->mean = take(scratch, &used, batches * numbers_room(j));
    j->own = take(scratch, &used, threads * weights_room(j));
    return used;
}

static void pack_keys(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const bwd_job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t block = item % j->blocks, n = j->n + item / j->blocks, count = keys_in(d, block);
    const float *k = j->in->k + pn_row_at(&d->k, n, block * KEYS, 0);
    pack_along(j->keys + item * keys_room(j), k, &d->k, d->features, count, NR);
    if (!j->slopes) return;
    const float *v = j->in->v + pn_row_at(&d->v, n, block * KEYS, 0);
    pack_along(j->values + item * values_room(j), v, &d->v, d->values, count, NR);
    float *rows = j->key_rows + item * key_rows_room(j);
    pack_across(rows, k, &d->k, d->features, count);
    scale(rows, count * padded(d->features, NR), d->scale);
}

/* Rows that weigh nothing, those of -inf alone and those past the last query, become e^(s - Inf). */
static void find_row_sums(const bwd_job *j, ptrdiff_t batch, ptrdiff_t first)
{
    float *top = j->top + batch * numbers_room(j), *log_sum = j->log_sum + batch * numbers_room(j);
    for (ptrdiff_t r = 0; r < j->rows; r++) {
        const float is = r < j->m ? j->in->top[first + r] : -INFINITY;
        top[r] = is == -INFINITY ? INFINITY : is;
        log_sum[r] = r < j->m ? j->in->log_sum[first + r] : 0;
    }
}

/* sum_j a_ij (dy_i v_j) is dy_i y_i. */
static void find_mean(const bwd_job *j, ptrdiff_t batch)
{
    const pn_rows *as = &j->d.y;
    float *mean = j->mean + batch * numbers_room(j);
    for (ptrdiff_t r = 0; r < j->rows; r++) {
        const ptrdiff_t of = r < j->m ? j->d.values : 0, at = pn_row_at(as, j->n + batch, j->q + r, 0);
        vec sum = { 0 };
        for (ptrdiff_t i = 0; i < of; i += VLEN)
            sum += load_numbers(j->dy + at, as, i, of) * load_numbers(j->in->y + at, as, i, of);
        mean[r] = vec_sum(sum);
    }
}

enum { PARTS = 4 };                 /* of packing a batch's queries */

static void pack_queries(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const bwd_job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t batch = item / PARTS, n = j->n + batch;
    const float *q = j->in->q + pn_row_at(&d->q, n, j->q, 0), *dy = j->dy + pn_row_at(&d->y, n, j->q, 0);
    float *queries = j->queries + batch * query_room(j), *rows = j->query_rows + batch * query_rows_room(j);
    switch (item % PARTS) {
    case 0:
        pack_along(queries, q, &d->q, d->features, j->m, MR);
        scale(queries, padded(j->m, MR) * d->features, d->scale);
        break;
    case 1:
        if (!j->slopes) break;
        pack_across(rows, q, &d->q, d->features, j->m);
        scale(rows, j->m * padded(d->features, NR), d->scale);
        break;
    case 2:
        if (j->slopes) pack_along(j->dy_tiles + batch * dy_room(j), dy, &d->y, d->values, j->m, MR);
        find_row_sums(j, batch, n * d->queries + j->q);
        break;
    default:
        pack_across(j->dy_rows + batch * dy_rows_room(j), dy, &d->y, d->values, j->m);
        if (j->slopes) find_mean(j, batch);
    }
}

/* weight: the softmax's results; slope: d loss / d logit = weight (dy v - mean). */
static void find_weights(const bwd_job *j, ptrdiff_t item, float *weight, float *slope)
{
    const pn_full_dims *d = &j->d;
    const ptrdiff_t batch = item / j->blocks, count = keys_in(d, item % j->blocks), depth = d->features;
    const float *keys = j->keys + item * keys_room(j), *queries = j->queries + batch * query_room(j);
    const float *values = j->values + item * values_room(j), *dy = j->dy_tiles + batch * dy_room(j);
    const float *top = j->top + batch * numbers_room(j), *log_sum = j->log_sum + batch * numbers_room(j);
    const float *mean = j->mean + batch * numbers_room(j);
    const float *bias = bias_at(j->in, d, j->n + batch, j->q, item % j->blocks);
    for (ptrdiff_t x = 0; x < count; x += NR)
        for (ptrdiff_t y = 0; y < j->m; y += MR) {
            float *w = weight + y * STEP + x, *s = slope + y * STEP + x;
            tile t = multiply_far(queries + y * depth, keys + x * depth, depth, y);
            if (bias || x + NR > count)
                t = with_bias(t, bias ? bias + y * d->bias_row + x : NULL, d->bias_row, j->m - y, count - x);
            for (int r = 0; r < MR; r++)
                for (int v = 0; v < NV; v++)
                    vec_store(w + r * STEP + v * VLEN, vec_exp_down(t.at[r][v] - top[y + r] - log_sum[y + r]));
            if (!j->slopes) continue;
            t = multiply_far(dy + y * d->values, values + x * d->values, d->values, y);
            for (int r = 0; r < MR; r++)
                for (int v = 0; v < NV; v++)
                    vec_store(s + r * STEP + v * VLEN,
                              vec_load(w + r * STEP + v * VLEN) * (t.at[r][v] - mean[y + r]));
        }
}

/* m rows of the tile, from number c of these on; behind the last tile come the zeros of its block. */
ALWAYS_INLINE void put_numbers(pn_sink to, const pn_rows *as, const tile *t, ptrdiff_t m, ptrdiff_t c, ptrdiff_t of)
{
    const ptrdiff_t end = c + NR < of ? c + NR : written(as, of);
    for (ptrdiff_t r = 0; r < m; r++)
        for (ptrdiff_t x = c; x < end; x += VLEN)
            store_numbers((pn_sink){ to.data + r * as->row, to.add }, as, x, of,
                          x < c + NR ? t->at[r][(x - c) / VLEN] : (vec){ 0 });
}
ALWAYS_INLINE void put_tile(pn_sink to, const pn_rows *as, const tile *t, ptrdiff_t m, ptrdiff_t c, ptrdiff_t of)
{
    if (m < MR || c + NR > of || (c + NR == of && of % as->chunk)) {
        put_numbers(to, as, t, pn_smaller(MR, m), c, of);
        return;
    }
    for (int v = 0; v < NV; v++) {
        float *at = to.data + pn_row_at(as, 0, 0, c + v * VLEN);
        for (int r = 0; r < MR; r++, at += as->row) vec_store(at, to.add ? vec_load(at) + t->at[r][v] : t->at[r][v]);
    }
}

/* Brings near what put_tile adds to. */
ALWAYS_INLINE void fetch_tile(pn_sink to, const pn_rows *as, ptrdiff_t c, ptrdiff_t of)
{
    for (int v = 0; v < NR && c + v < of; v += PN_BLOCK) {
        const float *at = to.data + pn_row_at(as, 0, 0, c + v);
        for (int r = 0; r < MR; r++, at += as->row) __builtin_prefetch(at, 1, 3);
    }
}

/* to[key] += sum over queries of factor[query][key] row[query]; `of` numbers a row, packed in slivers. */
static void add_rows(pn_sink to, const pn_rows *as, ptrdiff_t of, const float *factor, const float *rows,
                     ptrdiff_t queries, ptrdiff_t count)
{
    for (ptrdiff_t x = 0; x < of; x += NR)
        for (ptrdiff_t y = 0; y < count; y += MR) {
            const pn_sink at = { to.data + y * as->row, to.add };
            fetch_tile(at, as, x, of);
            const lines_ahead next = { factor + y + MR, STEP };
            const tile t = multiply_ahead((tile){ 0 }, factor + y, 1, STEP, rows + x * queries, queries, next);
            put_tile(at, as, &t, count - y, x, of);
        }
}

/* Of one block of keys all that the queries at work contribute. */
static void key_block(void *arg, ptrdiff_t item, int worker)
{
    const bwd_job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t batch = item / j->blocks, block = item % j->blocks, count = keys_in(d, block);
    const ptrdiff_t n = j->n + batch;
    const pn_sink k = j->out->k, v = j->out->v;
    float *weight = j->own + worker * weights_room(j), *slope = j->slope + item * weights_room(j);
    find_weights(j, item, weight, slope);
    if (v.data)
        add_rows((pn_sink){ v.data + pn_row_at(&d->v, n, block * KEYS, 0), v.add || j->q > 0 }, &d->v, d->values,
                 weight, j->dy_rows + batch * dy_rows_room(j), j->m, count);
    if (k.data)
        add_rows((pn_sink){ k.data + pn_row_at(&d->k, n, block * KEYS, 0), k.add || j->q > 0 }, &d->k, d->features,
                 slope, j->query_rows + batch * query_rows_room(j), j->m, count);
}

static ptrdiff_t query_items(const bwd_job *j) { return pieces(j->m, ROWS) * pieces(j->d.features, NR); }

/* One sliver of the gradients of ROWS queries: block by block, for a sliver of keys serves all of them from near by. */
static void query_strip(void *arg, ptrdiff_t item, int worker)
{
    (void)worker;
    const bwd_job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t batch = item / query_items(j), part = item % query_items(j), strips = pieces(j->m, ROWS);
    const ptrdiff_t x = part / strips * NR, from = part % strips * ROWS, to = pn_smaller(from + ROWS, j->m);
    float *dq = j->out->q.data + pn_row_at(&d->q, j->n + batch, j->q, 0);
    tile sums[ROWS / MR] = { 0 };
    for (ptrdiff_t block = 0; block < j->blocks; block++) {
        const ptrdiff_t at = batch * j->blocks + block, count = keys_in(d, block);
        const float *keys = j->key_rows + at * key_rows_room(j) + x * count;
        const float *slope = j->slope + at * weights_room(j);
        for (ptrdiff_t y = from; y < to; y += MR) {
            tile *t = &sums[(y - from) / MR];
            const float *next = y + MR < to ? slope + (y + MR) * STEP : slope + weights_room(j) + from * STEP;
            *t = multiply_ahead(*t, slope + y * STEP, STEP, 1, keys, count, (lines_ahead){ next, PN_BLOCK });
        }
    }
    for (ptrdiff_t y = from; y < to; y += MR)
        put_tile((pn_sink){ dq + y * d->q.row, j->out->q.add }, &d->q, &sums[(y - from) / MR], to - y, x, d->features);
}

/* The bias of one block of keys; what it shares among queries or batches adds up in their order. */
static void bias_block(void *arg, ptrdiff_t block, int worker)
{
    (void)worker;
    const bwd_job *j = arg;
    const pn_full_dims *d = &j->d;
    const ptrdiff_t count = keys_in(d, block);
    for (ptrdiff_t batch = 0; batch < j->count; batch++)
        for (ptrdiff_t r = 0; r < j->m; r++) {
            const float *slope = j->slope + (batch * j->blocks + block) * weights_room(j) + r * STEP;
            float *to = j->out->bias.data + (j->n + batch) * d->bias_batch + (j->q + r) * d->bias_row + block * KEYS;
            const bool add = j->out->bias.add || (!d->bias_batch && j->n + batch > 0) ||
                             (!d->bias_row && j->q + r > 0);
            for (ptrdiff_t i = 0; i < count; i++) to[i] = add ? to[i] + slope[i] : slope[i];
        }
}

static void full_bwd(pn_pool *pool, const pn_full_sinks *out, const pn_real *dy, const pn_full_inputs *in,
                     pn_full_dims d, void *scratch)
{
    bwd_job j;
    bwd_make(&j, d, scratch, pn_pool_size(pool));
    j.in = in;
    j.out = out;
    j.dy = dy;
    j.slopes = out->q.data || out->k.data || out->bias.data;
    for (j.n = 0; j.n < d.batch; j.n += j.batches) {
        j.count = pn_smaller(j.batches, d.batch - j.n);
        pn_parallel(pool, j.count * j.blocks, pack_keys, &j);
        for (j.q = 0; j.q < d.queries; j.q += ROWS_BACK) {
            j.m = pn_smaller(ROWS_BACK, d.queries - j.q);
            pn_parallel(pool, j.count * PARTS, pack_queries, &j);
            pn_parallel(pool, j.count * j.blocks, key_block, &j);
            if (out->q.data) pn_parallel(pool, j.count * query_items(&j), query_strip, &j);
            if (out->bias.data) pn_parallel(pool, j.blocks, bias_block, &j);
        }
    }
}

static pn_attention_scratch full_scratch(pn_full_dims d, int threads)
{
    const fwd_job f = fwd_make(d);
    bwd_job b;
    const ptrdiff_t fwd = fwd_packed(&f) + threads * strip_room(&f), bwd = bwd_make(&b, d, NULL, threads);
    return (pn_attention_scratch){ (size_t)fwd * sizeof(float), (size_t)bwd * sizeof(float) };
}

void PN_SIMD(pn_simd_full_attention)(pn_attention_kernels *k)
{
    k->full_scratch = full_scratch;
    k->full_fwd = full_fwd;
    k->full_bwd = full_bwd;
}
