/* simd/contextual.c - contextual loss, a strip of generated positions at a time
 *
 * A strip's cosines with all targets lie in L2: from them come the rows' least distances and sums, and the columns' maxima,
 * so forward is one product. A worker keeps maxima of its own, which are merged in the end. Only rows that hold a column's
 * maximum have a gradient: backward makes the strips of those alone.
 */
#include "kernels/simd/attention.h"
#include "kernels/simd/losses.h"
#include "kernels/simd/tile.h"
#include "kernels/simd/vec_math.h"

enum { STRIP = VLEN == 16 ? 48 : 24, RUN = 64, DEPTH = 512 };  /* rows; pixels of an item; positions of a partial sum */

typedef struct {
    pn_contextual_dims d;
    ptrdiff_t n, positions, channels, stride, columns;  /* of a sample; stride and columns: channels and positions, padded */
    const float *a, *b, *best, *weight;
    float *mean;                    /* [stride], of b */
    float *ua, *ub;                 /* unit vectors, [positions padded to strips][stride] */
    float *length;                  /* of a's */
    float *keys, *values;           /* ub in slivers of positions, [channels][NR] each, and of channels, [positions][NR] */
    int32_t *active;                /* backward: the rows with a gradient */
    ptrdiff_t actives;
    float *own;                     /* of each worker */
    float slope;
    pn_sink da;
} job;

/* Of a worker: cosines [STRIP][columns], rows and their gradients [STRIP][stride padded to NR], maxima [columns] and their rows. */
typedef struct { float *cosine, *rows, *du, *weight, *best; } room;

static ptrdiff_t wide(const job *j) { return padded(j->stride, NR); }
static ptrdiff_t room_size(const job *j) { return (STRIP + 2) * j->columns + 2 * STRIP * wide(j); }
static room room_of(const job *j, int worker)
{
    room r = { .cosine = j->own + worker * room_size(j) };
    r.rows = r.cosine + STRIP * j->columns;
    r.du = r.rows + STRIP * wide(j);
    r.weight = r.du + STRIP * wide(j);
    r.best = r.weight + j->columns;
    return r;
}

static job job_of(pn_contextual_dims d, float *scratch)
{
    job j = { .d = d, .positions = d.x.h * d.x.w, .channels = d.x.c, .stride = padded(d.x.c, PN_BLOCK), .mean = scratch };
    j.columns = padded(j.positions, NR);
    const ptrdiff_t rows = padded(j.positions, STRIP) * j.stride;
    j.ua = j.mean + j.stride;
    j.ub = j.ua + rows;
    j.length = j.ub + rows;
    j.keys = j.length + j.columns;
    j.values = j.keys + j.columns * j.channels;
    j.active = (int32_t *)(void *)(j.values + wide(&j) * j.positions);
    j.own = (float *)(void *)(j.active + j.columns);
    return j;
}

static size_t contextual_scratch(pn_contextual_dims d, int threads)
{
    const job j = job_of(d, NULL);
    const ptrdiff_t rows = padded(j.positions, STRIP) * j.stride;
    const ptrdiff_t shared = j.stride + 2 * rows + 2 * j.columns + j.columns * j.channels + wide(&j) * j.positions;
    return (size_t)(shared + threads * room_size(&j)) * sizeof(float);
}

/* ---- Unit vectors ------------------------------------------------------------------------------------------------------------ */

static ptrdiff_t at_of(const job *j, ptrdiff_t channel, ptrdiff_t p) { return pn_at(j->d.x, j->n, channel, 0, p); }

/* The mean of b over positions, 16 channels. Runs are summed in float, and these in double. */
static void mean_item(void *arg, ptrdiff_t block, int worker)
{
    (void)worker;
    const job *j = arg;
    double sum[PN_BLOCK] = { 0 };
    const ptrdiff_t used = pn_smaller(PN_BLOCK, j->channels - block * PN_BLOCK);
    for (ptrdiff_t first = 0; first < j->positions; first += RUN) {
        const ptrdiff_t end = pn_smaller(first + RUN, j->positions);
        for (ptrdiff_t c = 0; c < used; c++) {
            const ptrdiff_t from = at_of(j, block * PN_BLOCK + c, 0);
            float part = 0;
            for (ptrdiff_t p = first; p < end; p++) part += j->b[from + p * j->d.x.b];
            sum[c] += (double)part;
        }
    }
    for (int c = 0; c < PN_BLOCK; c++) j->mean[block * PN_BLOCK + c] = (float)(sum[c] / (double)j->positions);
}

/* to[stride]: position p of x less the mean, over its length, which is returned. */
static float unit(const job *j, float *to, const float *x, ptrdiff_t p)
{
    const ptrdiff_t b = j->d.x.b;
    for (ptrdiff_t c = 0; c < j->channels; c += b) {
        const float *from = x + at_of(j, c, p);
        for (ptrdiff_t l = 0; l < b; l++) to[c + l] = from[l] - j->mean[c + l];
    }
    for (ptrdiff_t c = j->channels; c < j->stride; c++) to[c] = 0;
    vec sum = { 0 };
    for (ptrdiff_t c = 0; c < j->stride; c += VLEN) sum += vec_load(to + c) * vec_load(to + c);
    const float length = sqrtf(vec_sum(sum)), share = 1 / (length + (float)PN_CONTEXTUAL_LENGTH);
    for (ptrdiff_t c = 0; c < j->stride; c += VLEN) vec_store(to + c, vec_load(to + c) * share);
    return length;
}

static void unit_item(void *arg, ptrdiff_t run, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t end = pn_smaller((run + 1) * RUN, j->positions);
    for (ptrdiff_t p = run * RUN; p < end; p++) {
        j->length[p] = unit(j, j->ua + p * j->stride, j->a, p);
        unit(j, j->ub + p * j->stride, j->b, p);
    }
}

static void key_item(void *arg, ptrdiff_t sliver, int worker)
{
    (void)worker;
    const job *j = arg;
    pack(j->keys + sliver * NR * j->channels, j->ub + sliver * NR * j->stride, (pn_matrix_strides){ 0, j->stride, 1 },
         pn_smaller(NR, j->positions - sliver * NR), j->channels, NR);
}

static void value_item(void *arg, ptrdiff_t sliver, int worker)
{
    (void)worker;
    const job *j = arg;
    pack(j->values + sliver * NR * j->positions, j->ub + sliver * NR, (pn_matrix_strides){ 0, 1, j->stride },
         pn_smaller(NR, j->stride - sliver * NR), j->positions, NR);
}

static void prepare(pn_pool *pool, job *j, ptrdiff_t n)
{
    j->n = n;
    pn_parallel(pool, j->stride / PN_BLOCK, mean_item, j);
    pn_parallel(pool, pieces(j->positions, RUN), unit_item, j);
    pn_parallel(pool, j->columns / NR, key_item, j);
}

/* ---- A strip's cosines ------------------------------------------------------------------------------------------------------- */

/* Of `count` rows, which lie `stride` apart and have garbage behind them up to the strip's end. */
static void cosines(const job *j, float *cosine, const float *rows, ptrdiff_t count)
{
    for (ptrdiff_t sliver = 0; sliver < j->columns / NR; sliver++)
        for (ptrdiff_t r = 0; r < count; r += MR) {
            const tile none = { 0 };
            const tile t = multiply_more(none, rows + r * j->stride, j->stride, 1, j->keys + sliver * NR * j->channels,
                                         j->channels);
            put(cosine + r * j->columns + sliver * NR, j->columns, &t, pn_smaller(MR, count - r), NR, NULL, false);
        }
}

/* Of a row: its largest cosine, what multiplies the others' distance from it, and one over the weights' sum. */
typedef struct { float top, scale, share, least; } row;

static inline vec lanes_below(ptrdiff_t n, vec x, float other)      /* lanes from n on become `other` */
{
    for (ptrdiff_t i = n < 0 ? 0 : n; i < VLEN; i++) x[i] = other;
    return x;
}

static float largest(const float *cosine, ptrdiff_t count)
{
    vec top = vec_all(-2);
    ptrdiff_t i = 0;
    for (; i + VLEN <= count; i += VLEN) top = vec_max(vec_load(cosine + i), top);
    if (i < count) top = vec_max(lanes_below(count - i, vec_load(cosine + i), -2), top);
    float all = top[0];
    for (int l = 1; l < VLEN; l++) all = top[l] > all ? top[l] : all;
    return all;
}

static inline vec weight_of(const row *r, vec cosine) { return vec_exp_down((cosine - r->top) * r->scale); }

static row row_of(const job *j, const float *cosine)
{
    row r = { .top = largest(cosine, j->positions) };
    r.least = (1 - r.top) / 2 + (float)PN_CONTEXTUAL_LEAST;
    r.scale = 1 / (2 * r.least * (float)j->d.bandwidth);
    vec sum = { 0 };
    ptrdiff_t i = 0;
    for (; i + VLEN <= j->positions; i += VLEN) sum += weight_of(&r, vec_load(cosine + i));
    if (i < j->positions) sum += lanes_below(j->positions - i, weight_of(&r, vec_load(cosine + i)), 0);
    r.share = 1 / vec_sum(sum);
    return r;
}

/* ---- Forward ------------------------------------------------------------------------------------------------------------------ */

static void fwd_item(void *arg, ptrdiff_t strip, int worker)
{
    const job *j = arg;
    const room own = room_of(j, worker);
    const ptrdiff_t first = strip * STRIP, count = pn_smaller(STRIP, j->positions - first);
    row of[STRIP];
    cosines(j, own.cosine, j->ua + first * j->stride, count);
    for (ptrdiff_t i = 0; i < count; i++) of[i] = row_of(j, own.cosine + i * j->columns);
    for (ptrdiff_t c = 0; c < j->columns; c += VLEN) {
        vec weight = vec_load(own.weight + c), best = vec_load(own.best + c);
        for (ptrdiff_t i = 0; i < count; i++) {
            const vec w = weight_of(&of[i], vec_load(own.cosine + i * j->columns + c)) * of[i].share;
            const veci take = (w > weight) | ((w != w) & (weight == weight));
            weight = vec_if(take, w, weight);
            best = vec_if(take, vec_all((float)(first + i)), best);
        }
        vec_store(own.weight + c, weight);
        vec_store(own.best + c, best);
    }
}

/* Of the workers' maxima the largest; the first row of those that tie. A NaN is larger than anything. */
static void merge(const job *j, int workers, float *weight, float *best)
{
    for (ptrdiff_t c = 0; c < j->positions; c++) {
        weight[c] = -1;
        for (int k = 0; k < workers; k++) {
            const room own = room_of(j, k);
            const float w = own.weight[c];
            const bool same = w == weight[c] || (isnan(w) && isnan(weight[c]));
            if (!(w > weight[c] || (isnan(w) && !isnan(weight[c])) || (same && own.best[c] < best[c]))) continue;
            weight[c] = w;
            best[c] = own.best[c];
        }
    }
}

static double mean_of(const float *weight, ptrdiff_t positions)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < positions; i++) sum += (double)weight[i];
    return sum / (double)positions;
}

static void contextual_fwd(pn_pool *pool, pn_real *loss, pn_contextual_saved left, const pn_real *a, const pn_real *b,
                           pn_contextual_dims d, void *scratch)
{
    job j = job_of(d, scratch);
    j.a = a;
    j.b = b;
    const int workers = pn_pool_size(pool);
    double sum = 0;
    for (ptrdiff_t n = 0; n < d.x.n; n++) {
        float *weight = left.weight + n * j.positions;
        prepare(pool, &j, n);
        for (int k = 0; k < workers; k++) {
            const room own = room_of(&j, k);
            for (ptrdiff_t c = 0; c < j.columns; c++) own.weight[c] = -1;
            memset(own.best, 0, (size_t)j.columns * sizeof *own.best);
        }
        pn_parallel(pool, pieces(j.positions, STRIP), fwd_item, &j);
        merge(&j, workers, weight, left.best + n * j.positions);
        sum -= log(mean_of(weight, j.positions));
    }
    *loss = (float)(sum / (double)d.x.n);
}

/* ---- Backward ------------------------------------------------------------------------------------------------------------------ */

/* The gradient of a row's cosines, in their place: see ref/contextual.c. Padded columns get 0. */
static void slopes(const job *j, float *cosine, float index)
{
    const row r = row_of(j, cosine);
    vec sum = { 0 }, stretch = { 0 };
    for (ptrdiff_t c = 0; c < j->columns; c += VLEN)
        sum += vec_if(vec_load(j->best + c) == index, vec_load(j->weight + c), (vec){ 0 });
    const float mean = vec_sum(sum) * j->slope;
    ptrdiff_t nearest = 0;
    while (nearest < j->positions - 1 && cosine[nearest] != r.top) nearest++;
    for (ptrdiff_t c = 0; c < j->columns; c += VLEN) {
        const vec x = vec_load(cosine + c), w = weight_of(&r, x) * r.share;
        vec dz = w * (vec_if(vec_load(j->best + c) == index, vec_all(j->slope), (vec){ 0 }) - mean);
        if (c + VLEN > j->positions) dz = lanes_below(j->positions - c, dz, 0);
        stretch += dz * (r.top - x);
        vec_store(cosine + c, dz * r.scale);
    }
    cosine[nearest] -= vec_sum(stretch) * r.scale / (2 * r.least);
}

/* du = the strip's slopes times ub. */
static void spread(const job *j, const room *own, ptrdiff_t count)
{
    memset(own->du, 0, (size_t)(STRIP * wide(j)) * sizeof *own->du);
    for (ptrdiff_t k = 0; k < j->positions; k += DEPTH)
        for (ptrdiff_t c = 0; c < wide(j); c += NR)
            for (ptrdiff_t r = 0; r < count; r += MR) {
                const tile none = { 0 };
                const tile t = multiply_more(none, own->cosine + r * j->columns + k, j->columns, 1,
                                             j->values + c * j->positions + k * NR, pn_smaller(DEPTH, j->positions - k));
                put(own->du + r * wide(j) + c, wide(j), &t, pn_smaller(MR, count - r), NR, NULL, true);
            }
}

/* From the gradient of unit vector p to that of a. */
static void put_row(const job *j, const float *du, ptrdiff_t p)
{
    const float *u = j->ua + p * j->stride, length = j->length[p];
    vec along = { 0 };
    for (ptrdiff_t c = 0; c < j->stride; c += VLEN) along += vec_load(u + c) * vec_load(du + c);
    const float share = length == 0 ? 0 : 1 / (length + (float)PN_CONTEXTUAL_LENGTH);
    const float back = length == 0 ? 0 : vec_sum(along) / length;
    const ptrdiff_t b = j->d.x.b;
    for (ptrdiff_t c = 0; c < j->channels; c += b) {
        float *to = j->da.data + at_of(j, c, p);
        for (ptrdiff_t l = 0; l < b && c + l < j->channels; l++) to[l] += du[c + l] * share - u[c + l] * back;
    }
}

static void bwd_item(void *arg, ptrdiff_t strip, int worker)
{
    const job *j = arg;
    const room own = room_of(j, worker);
    const int32_t *active = j->active + strip * STRIP;
    const ptrdiff_t count = pn_smaller(STRIP, j->actives - strip * STRIP);
    for (ptrdiff_t i = 0; i < count; i++)
        memcpy(own.rows + i * j->stride, j->ua + active[i] * j->stride, (size_t)j->stride * sizeof *own.rows);
    cosines(j, own.cosine, own.rows, count);
    for (ptrdiff_t i = 0; i < count; i++) slopes(j, own.cosine + i * j->columns, (float)active[i]);
    spread(j, &own, count);
    for (ptrdiff_t i = 0; i < count; i++) put_row(j, own.du + i * wide(j), active[i]);
}

/* Rows that hold a maximum, in order. Copies the maxima beside padding that belongs to no row. */
static void find_active(job *j, const float *weight, const float *best)
{
    float *to_weight = room_of(j, 0).weight, *to_best = room_of(j, 0).best;
    for (ptrdiff_t c = 0; c < j->columns; c++) {
        to_weight[c] = c < j->positions ? weight[c] : 0;
        to_best[c] = c < j->positions ? best[c] : -1;
        j->active[c] = 0;
    }
    for (ptrdiff_t c = 0; c < j->positions; c++) j->active[(ptrdiff_t)best[c]] = 1;
    j->actives = 0;
    for (ptrdiff_t i = 0; i < j->positions; i++)
        if (j->active[i]) j->active[j->actives++] = (int32_t)i;
    j->weight = to_weight;
    j->best = to_best;
}

static void clear_item(void *arg, ptrdiff_t plane, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t count = j->positions * j->d.x.b;
    memset(j->da.data + plane * count, 0, (size_t)count * sizeof *j->da.data);
}

static void contextual_bwd(pn_pool *pool, pn_sink da, const pn_real *dloss, pn_contextual_saved left, const pn_real *a,
                           const pn_real *b, pn_contextual_dims d, void *scratch)
{
    job j = job_of(d, scratch);
    j.a = a;
    j.b = b;
    j.da = da;
    if (!da.add) pn_parallel(pool, d.x.n * pn_map_blocks(d.x), clear_item, &j);
    for (ptrdiff_t n = 0; n < d.x.n; n++) {
        const float *weight = left.weight + n * j.positions;
        prepare(pool, &j, n);
        pn_parallel(pool, wide(&j) / NR, value_item, &j);
        find_active(&j, weight, left.best + n * j.positions);
        j.slope = (float)(-(double)*dloss / ((double)(d.x.n * j.positions) * mean_of(weight, j.positions)));
        pn_parallel(pool, pieces(j.actives, STRIP), bwd_item, &j);
    }
}

void PN_SIMD(pn_simd_contextual)(pn_loss_kernels *k)
{
    k->contextual_scratch = contextual_scratch;
    k->contextual_fwd = contextual_fwd;
    k->contextual_bwd = contextual_bwd;
}
