/* lib/kernels/simd/pointwise.c - functions of one or two numbers at the same place: one loop, compiled once per
 * function */
#include "kernels/simd/pointwise.h"
#include "kernels/simd/vec_math.h"

typedef enum {
    LEAKY_RELU, TANH, SIGMOID, GELU, LOG, AFFINE, COPY,                         /* of a */
    LEAKY_RELU_SLOPE, TANH_SLOPE, SIGMOID_SLOPE, GELU_SLOPE, LOG_SLOPE          /* a times the slope that b tells */
} function;

typedef struct {
    function f;
    pn_sink y;
    const float *a, *b;             /* b NULL: a function of a alone */
    float scale, shift;
    pn_map map;                     /* whose lanes past c are cleared: those of a function that does not keep zero */
    ptrdiff_t count;
} job;

static inline vec value(function f, vec a, vec b, float scale, float shift)
{
    switch (f) {
    case LEAKY_RELU: return vec_if(a < 0.0f, scale * a, a);
    case TANH: return vec_tanh(a);
    case SIGMOID: return vec_sigmoid(a);
    case GELU: return vec_gelu(a);
    case LOG: return vec_log(a + shift);
    case AFFINE: return scale * a + shift;
    case COPY: return a;
    case LEAKY_RELU_SLOPE: return vec_if(b > 0.0f, a, scale * a);
    case TANH_SLOPE: return a * (1.0f - b * b);
    case SIGMOID_SLOPE: return a * (b * (1.0f - b));
    case GELU_SLOPE: return a * vec_gelu_slope(b);
    case LOG_SLOPE: return a / (b + shift);
    }
    return a;
}

/* y may lie where a lies: each number is read before it is written. */
__attribute__((always_inline)) static inline void span(function f, const job *j, ptrdiff_t from, ptrdiff_t to)
{
    const bool two = f >= LEAKY_RELU_SLOPE;
    const vec none = { 0 };
    float *y = j->y.data;
    ptrdiff_t i = from;
    if (j->y.add) {
        for (; i + VLEN <= to; i += VLEN)
            vec_store(y + i, vec_load(y + i) +
                      value(f, vec_load(j->a + i), two ? vec_load(j->b + i) : none, j->scale, j->shift));
    } else {
        for (; i + VLEN <= to; i += VLEN)
            vec_store(y + i, value(f, vec_load(j->a + i), two ? vec_load(j->b + i) : none, j->scale, j->shift));
    }
    const ptrdiff_t n = to - i;
    if (n == 0) return;
    vec v = value(f, vec_load_some(j->a + i, n), two ? vec_load_some(j->b + i, n) : none, j->scale, j->shift);
    if (j->y.add) v += vec_load_some(y + i, n);
    vec_store_some(y + i, v, n);
}

static void item(void *arg, ptrdiff_t chunk, int worker)
{
    (void)worker;
    const job *j = arg;
    const ptrdiff_t from = chunk * PN_CHUNK, to = pn_smaller(from + PN_CHUNK, j->count);
    switch (j->f) {
    case LEAKY_RELU: span(LEAKY_RELU, j, from, to); break;
    case TANH: span(TANH, j, from, to); break;
    case SIGMOID: span(SIGMOID, j, from, to); break;
    case GELU: span(GELU, j, from, to); break;
    case LOG: span(LOG, j, from, to); break;
    case AFFINE: span(AFFINE, j, from, to); break;
    case COPY: span(COPY, j, from, to); break;
    case LEAKY_RELU_SLOPE: span(LEAKY_RELU_SLOPE, j, from, to); break;
    case TANH_SLOPE: span(TANH_SLOPE, j, from, to); break;
    case SIGMOID_SLOPE: span(SIGMOID_SLOPE, j, from, to); break;
    case GELU_SLOPE: span(GELU_SLOPE, j, from, to); break;
    case LOG_SLOPE: span(LOG_SLOPE, j, from, to); break;
    }
    if (j->f == SIGMOID || j->f == AFFINE || j->f == LOG || j->f == LOG_SLOPE) pn_clear_lanes(j->y.data, j->map, from, to);
}

static void run(pn_pool *pool, job j) { pn_parallel(pool, pn_chunks(j.count), item, &j); }

static void leaky_relu_fwd(pn_pool *pool, float *y, const float *x, float slope, ptrdiff_t count)
{
    run(pool, (job){ .f = LEAKY_RELU, .y = { y, false }, .a = x, .scale = slope, .count = count });
}

static void leaky_relu_bwd(pn_pool *pool, pn_sink dx, const float *dy, const float *y, float slope, ptrdiff_t count)
{
    run(pool, (job){ .f = LEAKY_RELU_SLOPE, .y = dx, .a = dy, .b = y, .scale = slope, .count = count });
}

static void curve_fwd(pn_pool *pool, float *y, const float *x, pn_curve f, pn_map map)
{
    const function of[] = { [PN_CURVE_TANH] = TANH, [PN_CURVE_SIGMOID] = SIGMOID, [PN_CURVE_GELU] = GELU };
    run(pool, (job){ .f = of[f], .y = { y, false }, .a = x, .map = map, .count = pn_map_stored(map) });
}

static void curve_bwd(pn_pool *pool, pn_sink dx, const float *dy, const float *read, pn_curve f, pn_map map)
{
    const function of[] = { [PN_CURVE_TANH] = TANH_SLOPE, [PN_CURVE_SIGMOID] = SIGMOID_SLOPE,
                            [PN_CURVE_GELU] = GELU_SLOPE };
    run(pool, (job){ .f = of[f], .y = dx, .a = dy, .b = read, .map = map, .count = pn_map_stored(map) });
}

static void log_fwd(pn_pool *pool, float *y, const float *x, double shift, pn_map map)
{
    run(pool, (job){ .f = LOG, .y = { y, false }, .a = x, .shift = (float)shift, .map = map, .count = pn_map_stored(map) });
}

static void log_bwd(pn_pool *pool, pn_sink dx, const float *dy, const float *x, double shift, pn_map map)
{
    run(pool, (job){ .f = LOG_SLOPE, .y = dx, .a = dy, .b = x, .shift = (float)shift, .map = map,
                     .count = pn_map_stored(map) });
}

static void affine(pn_pool *pool, pn_sink y, const float *x, double scale, double shift, pn_map map)
{
    run(pool, (job){ .f = AFFINE, .y = y, .a = x, .scale = (float)scale, .shift = (float)shift, .map = map,
                     .count = pn_map_stored(map) });
}

static void copy(pn_pool *pool, pn_sink dst, const float *src, ptrdiff_t count)
{
    run(pool, (job){ .f = COPY, .y = dst, .a = src, .count = count });
}

void PN_SIMD(pn_simd_pointwise)(pn_kernels *k)
{
    k->pointwise.leaky_relu_fwd = leaky_relu_fwd;
    k->pointwise.leaky_relu_bwd = leaky_relu_bwd;
    k->pointwise.curve_fwd = curve_fwd;
    k->pointwise.curve_bwd = curve_bwd;
    k->pointwise.log_fwd = log_fwd;
    k->pointwise.log_bwd = log_bwd;
    k->pointwise.affine = affine;
    k->pointwise.copy = copy;
    PN_SIMD(pn_simd_repeat)(k);
    PN_SIMD(pn_simd_lerp)(k);
    PN_SIMD(pn_simd_softmax)(k);
    PN_SIMD(pn_simd_layout)(k);
    PN_SIMD(pn_simd_gates)(&k->pointwise);
}
