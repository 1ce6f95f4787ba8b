/* simd/sample.c - reading at a flow's places, bilinear or Gaussian
 *
 * Weights along a row times weights along a column: for a run of pixels both are worked out first, vectors of pixels at a
 * time (a table in the worker's scratch), then used for every block of channels. Backward goes twice over dy: the flow's
 * gradient sums over channels, so its items are rows; x's is a scatter, so its items are planes (blocks of channels).
 */
#include "kernels/simd/resample.h"
#include "kernels/simd/vec_math.h"

enum { RUN = 128, MOST = 2 * PN_MAX_RADIUS };

/* Along one axis, for each tap and pixel of a run: where (numbers from the plane's first; -1: outside a ZERO border), how
 * much, and how that changes with the position. */
typedef struct { int32_t at[MOST][RUN]; float weight[MOST][RUN], slope[MOST][RUN]; } axis_taps;
typedef struct { axis_taps rows, columns; float sums[RUN][2][PN_BLOCK]; } table;

typedef struct {
    pn_sample_dims d;
    const float *x, *flow, *dy;
    float *y;
    pn_sink dx, dflow;
    table *tables;                  /* one per worker */
} job;

static ptrdiff_t at_most(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t planes(pn_map m) { return m.n * pn_map_blocks(m); }

/* ---- Tables --------------------------------------------------------------------------------------------------------------- */

typedef struct { vec fraction; veci cell; veci number; } position;      /* number: not NaN */

/* pixel + flow along one axis, both parts of the flow being numbers; far outside counts as just outside. */
static inline position position_of(vec pixel, vec flow, vec other, ptrdiff_t extent, int radius)
{
    const vec low = -(pixel + (float)(radius + 1)), high = (float)(extent + radius) - pixel;
    const veci number = (flow == flow) & (other == other);
    flow = vec_if(flow < low, low, vec_if(flow > high, high, flow));
    const vec safe = vec_if(number, flow, (vec){ 0 });
    veci cell = __builtin_convertvector(safe, veci);
    cell += __builtin_convertvector(cell, vec) > safe;                  /* true is -1: rounded down, not towards 0 */
    const vec fraction = safe - __builtin_convertvector(cell, vec);
    return (position){ vec_if(number, fraction, vec_all(NAN)), cell + __builtin_convertvector(pixel, veci), number };
}

static inline void fill_places(axis_taps *t, int i, const position *p, const pn_sample_dims *d, ptrdiff_t extent, ptrdiff_t step)
{
    const veci zero = { 0 }, last = zero + (int32_t)(extent - 1);
    for (int k = 0; k < 2 * d->radius; k++) {
        const veci at = (p->cell + (k - d->radius + 1)) & p->number;
        const veci beyond = at > last, inside = (beyond & last) | (~beyond & at), clamped = (inside > zero) & inside;
        const veci outside = d->border == PN_BORDER_ZERO ? at != clamped : zero;
        const veci place = outside | (clamped * (int32_t)step);
        memcpy(&t->at[k][i], &place, sizeof place);
    }
}

static inline void fill_weights(axis_taps *t, int i, vec fraction, const pn_sample_dims *d)
{
    const float sharp = d->sigma > 0 ? (float)(1 / (d->sigma * d->sigma)) : 0;
    vec sum = { 0 }, mean = { 0 }, weight[MOST];
    if (d->sigma == 0) {
        vec_store(&t->weight[0][i], 1 - fraction);
        vec_store(&t->weight[1][i], fraction);
        vec_store(&t->slope[0][i], vec_all(-1));
        vec_store(&t->slope[1][i], vec_all(1));
        return;
    }
    const vec nearest = vec_if(fraction < 0.5f, fraction, 1 - fraction);
    for (int k = 0; k < 2 * d->radius; k++) {
        const vec off = fraction - (float)(k - d->radius + 1);
        weight[k] = vec_exp((nearest - off) * (nearest + off) * (0.5f * sharp));
        sum += weight[k];
    }
    for (int k = 0; k < 2 * d->radius; k++) {
        weight[k] /= sum;
        mean += weight[k] * (fraction - (float)(k - d->radius + 1));
    }
    for (int k = 0; k < 2 * d->radius; k++) {
        vec_store(&t->weight[k][i], weight[k]);
        vec_store(&t->slope[k][i], weight[k] * sharp * (mean - (fraction - (float)(k - d->radius + 1))));
    }
}

/* Pixels `first` and on of row y; `count` of them at most RUN. What lies past the last is filled from zeros, not read. */
static void fill_table(table *t, const job *j, ptrdiff_t n, ptrdiff_t y, ptrdiff_t first, ptrdiff_t count)
{
    const pn_sample_dims *d = &j->d;
    const float *along = j->flow + (2 * n * d->y.h + y) * d->y.w + first, *down = along + d->y.h * d->y.w;
    float counting[VLEN];
    for (int i = 0; i < VLEN; i++) counting[i] = (float)i;
    for (int i = 0; i < count; i += VLEN) {
        float uv[2][VLEN] = { { 0 }, { 0 } };
        const size_t bytes = (size_t)at_most(VLEN, count - i) * sizeof(float);
        memcpy(uv[0], along + i, bytes);
        memcpy(uv[1], down + i, bytes);
        const vec u = vec_load(uv[0]), v = vec_load(uv[1]), column = vec_load(counting) + (float)(first + i);
        const position r = position_of(vec_all((float)y), v, u, d->x.h, d->radius);
        const position c = position_of(column, u, v, d->x.w, d->radius);
        fill_places(&t->rows, i, &r, d, d->x.h, d->x.w);
        fill_places(&t->columns, i, &c, d, d->x.w, 1);
        fill_weights(&t->rows, i, r.fraction, d);
        fill_weights(&t->columns, i, c.fraction, d);
    }
}

/* Where tap (a, b) of pixel i reads; NULL: nowhere. */
static inline const float *source(const table *t, const float *plane, int a, int b, ptrdiff_t i, ptrdiff_t lanes)
{
    const ptrdiff_t row = t->rows.at[a][i], column = t->columns.at[b][i];
    return (row | column) < 0 ? NULL : plane + (row + column) * lanes;
}

/* NaN times the zeros past the last channel is NaN: put the zeros back. `block` counts planes of a blocked map. */
static void clear_lanes(float *pixels, ptrdiff_t count, pn_map m, ptrdiff_t block)
{
    const ptrdiff_t lanes = m.c - block % pn_map_blocks(m) * m.b;
    if (lanes >= m.b) return;
    for (ptrdiff_t i = 0; i < count; i++) memset(pixels + i * m.b + lanes, 0, (size_t)(m.b - lanes) * sizeof *pixels);
}

/* ---- Forward ---------------------------------------------------------------------------------------------------------------- */

static inline void read_blocked(float *y, const float *x, const table *t, ptrdiff_t count, int taps)
{
    for (ptrdiff_t i = 0; i < count; i++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            vec sum = { 0 };
            for (int a = 0; a < taps; a++) {
                vec line = { 0 };
                for (int b = 0; b < taps; b++) {
                    const float *from = source(t, x, a, b, i, PN_BLOCK);
                    if (from) line += t->columns.weight[b][i] * vec_load(from + v);
                }
                sum += t->rows.weight[a][i] * line;
            }
            vec_store(y + i * PN_BLOCK + v, sum);
        }
}

static void read_planar(float *y, const float *x, const table *t, ptrdiff_t count, int taps)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        float sum = 0;
        for (int a = 0; a < taps; a++) {
            float line = 0;
            for (int b = 0; b < taps; b++) {
                const float *from = source(t, x, a, b, i, 1);
                if (from) line += t->columns.weight[b][i] * *from;
            }
            sum += t->rows.weight[a][i] * line;
        }
        y[i] = sum;
    }
}

static void fwd_item(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const pn_map x = j->d.x, y = j->d.y;
    const ptrdiff_t n = item / y.h, row = item % y.h, blocks = pn_map_blocks(y);
    const int taps = 2 * j->d.radius;
    table *t = j->tables + worker;
    for (ptrdiff_t first = 0; first < y.w; first += RUN) {
        const ptrdiff_t count = at_most(RUN, y.w - first);
        fill_table(t, j, n, row, first, count);
        for (ptrdiff_t c = 0; c < blocks; c++) {
            const float *from = j->x + (n * blocks + c) * x.h * x.w * x.b;
            float *to = j->y + (((n * blocks + c) * y.h + row) * y.w + first) * y.b;
            if (y.b == 1) read_planar(to, from, t, count, taps);
            else if (taps == 2) read_blocked(to, from, t, count, 2);
            else if (taps == 4) read_blocked(to, from, t, count, 4);
            else read_blocked(to, from, t, count, taps);
            clear_lanes(to, count, y, c);
        }
    }
}

/* ---- Backward: flow --------------------------------------------------------------------------------------------------------- */

/* Adds what the channels of one block have to say, lane by lane. */
static inline void slopes_blocked(table *t, const float *dy, const float *x, ptrdiff_t count, int taps)
{
    for (ptrdiff_t i = 0; i < count; i++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            vec along = { 0 }, down = { 0 };
            for (int a = 0; a < taps; a++) {
                vec line = { 0 }, change = { 0 };
                for (int b = 0; b < taps; b++) {
                    const float *from = source(t, x, a, b, i, PN_BLOCK);
                    if (!from) continue;
                    line += t->columns.weight[b][i] * vec_load(from + v);
                    change += t->columns.slope[b][i] * vec_load(from + v);
                }
                along += t->rows.weight[a][i] * change;
                down += t->rows.slope[a][i] * line;
            }
            const vec g = vec_load(dy + i * PN_BLOCK + v);
            float *sums = t->sums[i][0] + v;
            vec_store(sums, vec_load(sums) + g * along);
            vec_store(sums + PN_BLOCK, vec_load(sums + PN_BLOCK) + g * down);
        }
}

static void slopes_planar(table *t, const float *dy, const float *x, ptrdiff_t count, int taps)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        float along = 0, down = 0;
        for (int a = 0; a < taps; a++) {
            float line = 0, change = 0;
            for (int b = 0; b < taps; b++) {
                const float *from = source(t, x, a, b, i, 1);
                if (!from) continue;
                line += t->columns.weight[b][i] * *from;
                change += t->columns.slope[b][i] * *from;
            }
            along += t->rows.weight[a][i] * change;
            down += t->rows.slope[a][i] * line;
        }
        t->sums[i][0][0] += dy[i] * along;
        t->sums[i][1][0] += dy[i] * down;
    }
}

static float sum_of(const float *lanes)
{
    vec sum = vec_load(lanes);
    for (int v = VLEN; v < PN_BLOCK; v += VLEN) sum += vec_load(lanes + v);
    return vec_sum(sum);
}

static void flow_item(void *arg, ptrdiff_t item, int worker)
{
    const job *j = arg;
    const pn_map x = j->d.x, y = j->d.y;
    const ptrdiff_t n = item / y.h, row = item % y.h, blocks = pn_map_blocks(y);
    const int taps = 2 * j->d.radius;
    table *t = j->tables + worker;
    for (ptrdiff_t first = 0; first < y.w; first += RUN) {
        const ptrdiff_t count = at_most(RUN, y.w - first), along = (2 * n * y.h + row) * y.w + first;
        fill_table(t, j, n, row, first, count);
        memset(t->sums, 0, sizeof t->sums);
        for (ptrdiff_t c = 0; c < blocks; c++) {
            const float *from = j->x + (n * blocks + c) * x.h * x.w * x.b;
            const float *dy = j->dy + (((n * blocks + c) * y.h + row) * y.w + first) * y.b;
            if (y.b == 1) slopes_planar(t, dy, from, count, taps);
            else if (taps == 2) slopes_blocked(t, dy, from, count, 2);
            else if (taps == 4) slopes_blocked(t, dy, from, count, 4);
            else slopes_blocked(t, dy, from, count, taps);
        }
        for (ptrdiff_t i = 0; i < count; i++) {
            pn_put(j->dflow, along + i, (double)sum_of(t->sums[i][0]));
            pn_put(j->dflow, along + y.h * y.w + i, (double)sum_of(t->sums[i][1]));
        }
    }
}

/* ---- Backward: x ------------------------------------------------------------------------------------------------------------ */

static inline void spread_blocked(float *dx, const float *dy, const table *t, ptrdiff_t count, int taps)
{
    for (ptrdiff_t i = 0; i < count; i++)
        for (int v = 0; v < PN_BLOCK; v += VLEN) {
            const vec g = vec_load(dy + i * PN_BLOCK + v);
            for (int a = 0; a < taps; a++) {
                const vec line = t->rows.weight[a][i] * g;
                for (int b = 0; b < taps; b++) {
                    const ptrdiff_t row = t->rows.at[a][i], column = t->columns.at[b][i];
                    if ((row | column) < 0) continue;
                    float *to = dx + (row + column) * PN_BLOCK + v;
                    vec_store(to, vec_load(to) + t->columns.weight[b][i] * line);
                }
            }
        }
}

static void spread_planar(float *dx, const float *dy, const table *t, ptrdiff_t count, int taps)
{
    for (ptrdiff_t i = 0; i < count; i++)
        for (int a = 0; a < taps; a++)
            for (int b = 0; b < taps; b++) {
                const ptrdiff_t row = t->rows.at[a][i], column = t->columns.at[b][i];
                if ((row | column) >= 0) dx[row + column] += t->rows.weight[a][i] * t->columns.weight[b][i] * dy[i];
            }
}

static void x_item(void *arg, ptrdiff_t plane, int worker)
{
    const job *j = arg;
    const pn_map x = j->d.x, y = j->d.y;
    const ptrdiff_t n = plane / pn_map_blocks(x), size = x.h * x.w * x.b;
    const int taps = 2 * j->d.radius;
    table *t = j->tables + worker;
    float *dx = j->dx.data + plane * size;
    if (!j->dx.add) memset(dx, 0, (size_t)size * sizeof *dx);
    for (ptrdiff_t row = 0; row < y.h; row++)
        for (ptrdiff_t first = 0; first < y.w; first += RUN) {
            const ptrdiff_t count = at_most(RUN, y.w - first);
            const float *dy = j->dy + ((plane * y.h + row) * y.w + first) * y.b;
            fill_table(t, j, n, row, first, count);
            if (y.b == 1) spread_planar(dx, dy, t, count, taps);
            else if (taps == 2) spread_blocked(dx, dy, t, count, 2);
            else if (taps == 4) spread_blocked(dx, dy, t, count, 4);
            else spread_blocked(dx, dy, t, count, taps);
        }
    clear_lanes(dx, x.h * x.w, x, plane);
}

/* ---- The table of kernels ----------------------------------------------------------------------------------------------------- */

/* Places are 32 bits wide, and pixels are counted in floats. */
static bool too_large(const pn_sample_dims *d)
{
    const ptrdiff_t most = 1 << 23;
    return d->x.h > INT32_MAX / d->x.w || d->x.h > most || d->x.w > most || d->y.h > most || d->y.w > most;
}

static pn_scratch_sizes scratch_of(pn_sample_dims d, int threads)
{
    if (too_large(&d)) return pn_ref_resample.sample_scratch(d, threads);
    const size_t bytes = (size_t)threads * sizeof(table);
    return (pn_scratch_sizes){ bytes, bytes };
}

static void fwd(pn_pool *pool, pn_real *y, const pn_real *x, const pn_real *flow, pn_sample_dims d, void *scratch)
{
    job j = { .d = d, .x = x, .flow = flow, .y = y, .tables = scratch };
    if (too_large(&d)) pn_ref_resample.sample_fwd(pool, y, x, flow, d, scratch);
    else pn_parallel(pool, d.y.n * d.y.h, fwd_item, &j);
}

static void bwd(pn_pool *pool, pn_sink dx, pn_sink dflow, const pn_real *dy, const pn_real *x, const pn_real *flow,
                pn_sample_dims d, void *scratch)
{
    job j = { .d = d, .x = x, .flow = flow, .dy = dy, .dx = dx, .dflow = dflow, .tables = scratch };
    if (too_large(&d)) {
        pn_ref_resample.sample_bwd(pool, dx, dflow, dy, x, flow, d, scratch);
        return;
    }
    if (dflow.data) pn_parallel(pool, d.y.n * d.y.h, flow_item, &j);
    if (dx.data) pn_parallel(pool, planes(d.x), x_item, &j);
}

void PN_SIMD(pn_simd_sample)(pn_resample_kernels *k)
{
    k->sample_scratch = scratch_of;
    k->sample_fwd = fwd;
    k->sample_bwd = bwd;
}
