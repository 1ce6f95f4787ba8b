/* tests/ops/test_local_attention.c - lib/ops/local_attention.c */
#include "support/pntest.h"

/* The op alone. The flow comes last, where the harness knows it. */
enum { SOURCE, SOURCE_HIDDEN, HIDDEN, W1, B1, FLOW, INPUTS };

static pn_tensor *build(pn_graph *g, pn_tensor *const in[])
{
    return pn_local_attention(g, in[SOURCE], in[SOURCE_HIDDEN], in[HIDDEN], in[FLOW], in[W1], in[B1]);
}

/* The layer: with the convolution that makes source_hidden. */
enum { W0 = SOURCE_HIDDEN };

static pn_tensor *hidden_of(pn_graph *g, pn_tensor *source, pn_tensor *w0)
{
    const int pad = (int)pn_tensor_shape(w0).dim[2] - 1;
    return pn_conv2d(g, source, w0, NULL, &(pn_conv_opt){ .pad = { pad, pad }, .border = PN_BORDER_REPLICATE });
}

static pn_tensor *build_layer(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *source_hidden = hidden_of(g, in[SOURCE], in[W0]);
    return pn_local_attention(g, in[SOURCE], source_hidden, in[HIDDEN], in[FLOW], in[W1], in[B1]);
}

#define REST(N, D, H, W, K) \
    { 4, { N, D, H, W } }, { 4, { K * K, D, 1, 1 } }, { 1, { K * K } }, { 4, { N, 2, H, W } }
#define SHAPES(N, C, D, H, W, K) \
    { { 4, { N, C, H, W } }, { 4, { N, D, H + K - 1, W + K - 1 } }, REST(N, D, H, W, K) }
#define LAYER_SHAPES(N, C, D, H, W, K) { { 4, { N, C, H, W } }, { 4, { D, C, K, K } }, REST(N, D, H, W, K) }
/* single pixels; odd sizes; channels at and around a block; every usual kernel; a row longer than any patch */
#define CASES(OF) \
    OF(1, 1, 1, 1, 1, 1), OF(1, 3, 2, 1, 1, 3), OF(2, 3, 5, 4, 5, 3), OF(1, 16, 16, 5, 3, 3), OF(1, 24, 20, 6, 7, 5), \
    OF(2, 33, 17, 3, 5, 3), OF(1, 15, 32, 2, 33, 3), OF(1, 5, 3, 9, 4, 7)
static const pn_shape cases[][INPUTS] = { CASES(SHAPES) }, layer_cases[][INPUTS] = { CASES(LAYER_SHAPES) };
enum { CASES_HERE = sizeof cases / sizeof *cases };

/* Weights that leave the softmax soft, and a target half that keeps h clear of its kink at 0. */
static void small(pn_rng *rng, pn_real *values, pn_shape shape)
{
    const double scale = 0.5 / sqrt((double)pn_shape_count(shape) / (double)shape.dim[0]);
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(scale * pn_rng_normal(rng));
}
static void moderate(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(0.4 * pn_rng_normal(rng));
}
static void clear_of_zero(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++)
        values[i] = (pn_real)((pn_rng_below(rng, 2) ? 3 : -3) + 0.2 * pn_rng_normal(rng));
}
static void tame(void)
{
    pn_test_fill_input(SOURCE_HIDDEN, moderate);
    pn_test_fill_input(W1, small);
    pn_test_fill_input(HIDDEN, clear_of_zero);
}
/* Near and far, on the grid and off it, beyond every side. */
static void any_flow(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) {
        const double v = pn_rng_normal(rng);
        static const double reach[] = { 1, 4, 60, 1e30 };
        values[i] = (pn_real)(v * reach[pn_rng_below(rng, 16) % 5 % 4]);
        if (i % 7 == 0) values[i] = (pn_real)(double)pn_rng_below(rng, 5) - 2;
    }
}

/* Off the grid, inside, across each border and beyond it. */
static void off_grid_flow(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) {
        static const int reach[] = { 2, 8, 60, 2000 };
        const int far = reach[pn_rng_below(rng, 4)];
        values[i] = (pn_real)((double)(pn_rng_below(rng, 2 * far) - far) + 0.2 + 0.6 * pn_rng_uniform(rng));
    }
}

START_TEST(every_isa_agrees_with_ref)
{
    tame();
    pn_test_parity(build, cases[_i], INPUTS, PN_TOL_SUM);
    tame();
    pn_test_fill_input(FLOW, any_flow);
    pn_test_parity(build, cases[_i], INPUTS, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    tame();
    pn_test_gradients(build, cases[_i], INPUTS, PN_OFF_GRID);
    tame();
    pn_test_fill_input(FLOW, off_grid_flow);
    pn_test_gradients(build, cases[_i], INPUTS, 0);
}
END_TEST

/* PyTorch's is the published layer: a convolution over patches of the target, then of the source. */
static pn_tensor *as_published(pn_graph *g, pn_tensor *const in[])
{
    enum { TORCH_SOURCE, TORCH_TARGET, TORCH_FLOW, TORCH_W0, TORCH_B0, TORCH_W1, TORCH_B1 };
    const ptrdiff_t c = pn_tensor_shape(in[TORCH_SOURCE]).dim[1];
    const int pad = (int)(pn_tensor_shape(in[TORCH_W0]).dim[2] / 2);
    const pn_conv_opt same = { .pad = { pad, pad }, .border = PN_BORDER_REPLICATE };
    pn_tensor *on_target = pn_slice(g, in[TORCH_W0], 1, 0, c);
    pn_tensor *on_source = pn_slice(g, in[TORCH_W0], 1, c, 2 * c);
    pn_tensor *hidden = pn_conv2d(g, in[TORCH_TARGET], on_target, in[TORCH_B0], &same);
    pn_tensor *source_hidden = hidden_of(g, in[TORCH_SOURCE], on_source);
    pn_tensor *y = pn_local_attention(g, in[TORCH_SOURCE], source_hidden, hidden, in[TORCH_FLOW], in[TORCH_W1],
                                      in[TORCH_B1]);
    pn_test_golden_also(g, pn_saved_of(g, y, 0), "attention");
    return y;
}

START_TEST(matches_torch)
{
    pn_test_golden(as_published, 7, "local_attention/k3", PN_TOL_SUM);
    pn_test_golden(as_published, 7, "local_attention/k5", PN_TOL_SUM);
}
END_TEST

/* ---- The layer's formula, tap by tap: k^2 samples and a product with w0 ------------------------------------------- */

typedef struct { const pn_shape *shape; pn_real *value[INPUTS]; double *y, *a; } formula;

static ptrdiff_t clamp(ptrdiff_t i, ptrdiff_t extent) { return i < 0 ? 0 : i >= extent ? extent - 1 : i; }

static double source_at(const formula *f, ptrdiff_t n, ptrdiff_t c, double v, double u)
{
    const ptrdiff_t *d = f->shape[SOURCE].dim, h = d[2], w = d[3];
    const ptrdiff_t y = (ptrdiff_t)floor(v), x = (ptrdiff_t)floor(u);
    const double b = v - floor(v), a = u - floor(u);
    const pn_real *s = f->value[SOURCE] + (n * d[1] + c) * h * w;
    const ptrdiff_t top = clamp(y, h) * w, bottom = clamp(y + 1, h) * w, left = clamp(x, w), right = clamp(x + 1, w);
    return (1 - a) * (1 - b) * (double)s[top + left] + a * (1 - b) * (double)s[top + right] +
           (1 - a) * b * (double)s[bottom + left] + a * b * (double)s[bottom + right];
}

static double tap_of(const formula *f, ptrdiff_t n, ptrdiff_t c, ptrdiff_t y, ptrdiff_t x, ptrdiff_t t)
{
    const ptrdiff_t h = f->shape[SOURCE].dim[2], w = f->shape[SOURCE].dim[3], k = f->shape[W0].dim[2];
    const pn_real *flow = f->value[FLOW] + n * 2 * h * w;
    return source_at(f, n, c, (double)flow[(h + y) * w + x] + (double)(t / k - k / 2) + (double)y,
                     (double)flow[y * w + x] + (double)(t % k - k / 2) + (double)x);
}

static void logits_at(const formula *f, ptrdiff_t n, ptrdiff_t y, ptrdiff_t x, double *logit)
{
    const ptrdiff_t *d = f->shape[SOURCE].dim, features = f->shape[HIDDEN].dim[1], taps = f->shape[B1].dim[0];
    for (ptrdiff_t t = 0; t < taps; t++) logit[t] = (double)f->value[B1][t];
    for (ptrdiff_t o = 0; o < features; o++) {
        double sum = (double)f->value[HIDDEN][((n * features + o) * d[2] + y) * d[3] + x];
        for (ptrdiff_t c = 0; c < d[1]; c++)
            for (ptrdiff_t t = 0; t < taps; t++)
                sum += (double)f->value[W0][(o * d[1] + c) * taps + t] * tap_of(f, n, c, y, x, t);
        for (ptrdiff_t t = 0; t < taps; t++)
            logit[t] += (double)f->value[W1][t * features + o] * (sum < 0 ? 0.1 * sum : sum);
    }
}

static void formula_at(const formula *f, ptrdiff_t n, ptrdiff_t y, ptrdiff_t x)
{
    const ptrdiff_t *d = f->shape[SOURCE].dim, taps = f->shape[B1].dim[0];
    double weight[PN_LOCAL_MAX_K * PN_LOCAL_MAX_K], total = 0;
    logits_at(f, n, y, x, weight);
    for (ptrdiff_t t = 0; t < taps; t++) total += weight[t] = exp(weight[t]);
    for (ptrdiff_t t = 0; t < taps; t++) f->a[((n * taps + t) * d[2] + y) * d[3] + x] = weight[t] / total;
    for (ptrdiff_t c = 0; c < d[1]; c++) {
        double sum = 0;
        for (ptrdiff_t t = 0; t < taps; t++) sum += weight[t] / total * tap_of(f, n, c, y, x, t);
        f->y[((n * d[1] + c) * d[2] + y) * d[3] + x] = sum / (double)taps;
    }
}

static double largest_difference(const pn_real *is, const double *should, ptrdiff_t count)
{
    double worst = 0, squares = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double off = fabs((double)is[i] - should[i]);
        if (!(off <= worst)) worst = off;
        squares += should[i] * should[i];
    }
    return worst / sqrt(squares / (double)count);
}

static void compare_with_formula(const formula *f)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) in[i] = pn_test_zeros(g, f->shape[i]);
    pn_tensor *y = build_layer(g, in), *a = pn_saved_of(g, y, 0);
    pn_output(g, y, PN_CONST);
    pn_output(g, a, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    for (int i = 0; i < INPUTS; i++) ck_assert_int_eq(pn_set(plan, in[i], f->value[i]), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    const ptrdiff_t numbers = pn_shape_count(pn_tensor_shape(y)), weights = pn_shape_count(pn_tensor_shape(a));
    pn_real *is = malloc((size_t)(numbers > weights ? numbers : weights) * sizeof *is);
    ck_assert_int_eq(pn_get(plan, y, is), PN_OK);
    ck_assert_double_le(largest_difference(is, f->y, numbers), PN_TOL_SUM);
    ck_assert_int_eq(pn_get(plan, a, is), PN_OK);
    ck_assert_double_le(largest_difference(is, f->a, weights), PN_TOL_SUM);
    free(is);
    pn_plan_free(plan);
    pn_graph_free(g);
}

START_TEST(it_is_the_formula_tap_by_tap)
{
    const pn_shape *shape = layer_cases[_i];
    const ptrdiff_t *d = shape[SOURCE].dim;
    formula f = { .shape = shape };
    for (int i = 0; i < INPUTS; i++) {
        pn_rng rng = pn_rng_make(5, (uint64_t)i);
        f.value[i] = malloc((size_t)pn_shape_count(shape[i]) * sizeof *f.value[i]);
        (i == HIDDEN ? clear_of_zero : small)(&rng, f.value[i], shape[i]);
        for (ptrdiff_t k = 0; i == FLOW && k < pn_shape_count(shape[i]); k++)
            f.value[i][k] = (pn_real)(5 * pn_rng_normal(&rng));
    }
    f.y = malloc((size_t)pn_shape_count(shape[SOURCE]) * sizeof *f.y);
    f.a = malloc((size_t)(d[0] * shape[B1].dim[0] * d[2] * d[3]) * sizeof *f.a);
    for (ptrdiff_t i = 0; i < d[0] * d[2] * d[3]; i++) formula_at(&f, i / (d[2] * d[3]), i / d[3] % d[2], i % d[3]);
    compare_with_formula(&f);
    for (int i = 0; i < INPUTS; i++) free(f.value[i]);
    free(f.y);
    free(f.a);
}
END_TEST

/* ---- Where the flow's gradient ends; what is not a number ---------------------------------------------- */

/* The layer with k = 3 over a row of 5 pixels, seen at its first: its result and attention there, and the slopes along
 * the flow of the sum of the results. Every pixel flows `along` the row from the first pixel's place. */
typedef struct { pn_real y[2], a[9], along, down; } seen;

static seen look(pn_isa isa, double along, double down)
{
    static const pn_shape shape[INPUTS] = LAYER_SHAPES(1, 2, 3, 1, 5, 3);
    pn_ctx *ctx = pn_test_ctx_new(isa, 1);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in[INPUTS];
    pn_real value[INPUTS][64], y[10], a[45], dflow[10];
    for (int i = 0; i < INPUTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "in%d", i);
        in[i] = pn_input(g, name, shape[i], PN_GRAD);
        pn_rng rng = pn_rng_make(9, (uint64_t)i);
        (i == HIDDEN ? clear_of_zero : moderate)(&rng, value[i], shape[i]);
    }
    for (ptrdiff_t x = 0; x < 5; x++) {
        value[FLOW][x] = (pn_real)(along - (double)x);
        value[FLOW][5 + x] = (pn_real)down;
    }
    pn_tensor *out = build_layer(g, in), *attention = pn_saved_of(g, out, 0);
    pn_output(g, attention, PN_CONST);
    pn_loss(g, pn_sum(g, pn_mul(g, out, in[SOURCE]), PN_ALL_AXES, PN_DROP_AXES));
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_ptr_nonnull(plan);
    for (int i = 0; i < INPUTS; i++) ck_assert_int_eq(pn_set(plan, in[i], value[i]), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, y), PN_OK);
    ck_assert_int_eq(pn_get(plan, attention, a), PN_OK);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    ck_assert_int_eq(pn_get_grad(plan, in[FLOW], dflow), PN_OK);
    seen s = { .y = { y[0], y[5] }, .along = dflow[0], .down = dflow[5] };
    for (int t = 0; t < 9; t++) s.a[t] = a[t * 5];
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
    return s;
}

/* All samples are the first pixel up to -1, and the last from 5 on: k/2 beyond either end. */
START_TEST(the_flow_has_a_gradient_until_all_samples_coincide)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    static const struct { double along; bool slopes; } places[] = {
        { -1000.5, false }, { -2, false }, { -1.01, false }, { -1, true }, { -0.5, true }, { 0, true }, { 2.25, true },
        { 4, true }, { 4.5, true }, { 4.99, true }, { 5, false }, { 5.5, false }, { 1000, false },
    };
    for (int i = 0; i < n; i++)
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            const seen s = look(isas[i], places[p].along, 0.3);
            if (places[p].slopes) ck_assert_double_gt(fabs((double)s.along), 1e-3);
            else ck_assert_double_eq((double)s.along, 0);
            ck_assert_double_eq((double)s.down, 0);     /* a single row */
        }
}
END_TEST

START_TEST(a_whole_pixel_takes_the_slope_to_the_right)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++)
        for (int at = -2; at <= 6; at++) {
            const seen on = look(isas[i], at, 0), right = look(isas[i], at + 0x1p-12, 0);
            ck_assert_double_eq_tol((double)on.along, (double)right.along, 2e-3);
            ck_assert_double_eq_tol((double)on.y[0], (double)right.y[0], 2e-3);
        }
}
END_TEST

START_TEST(an_infinite_flow_reads_the_edge_and_nan_gives_nan)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        static const double end[2] = { -2, 6 }, beyond[2] = { -(double)INFINITY, (double)INFINITY };
        for (int side = 0; side < 2; side++) {
            const seen edge = look(isas[i], end[side], 0), far = look(isas[i], beyond[side], 1e30);
            for (int c = 0; c < 2; c++) ck_assert_double_eq((double)far.y[c], (double)edge.y[c]);
            for (int t = 0; t < 9; t++) ck_assert_double_eq((double)far.a[t], (double)edge.a[t]);
            ck_assert(far.along == 0 && far.down == 0);
        }
        for (int axis = 0; axis < 2; axis++) {
            const seen nan = look(isas[i], axis ? 1 : (double)NAN, axis ? (double)NAN : 0);
            ck_assert(isnan(nan.y[0]) && isnan(nan.y[1]) && isnan(nan.a[0]) && isnan(nan.along) && isnan(nan.down));
        }
    }
}
END_TEST

/* ---- Refusals ------------------------------------------------------------------------------------------ */

static void refused(const pn_shape shape[INPUTS], pn_status status, const char *message)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) in[i] = pn_test_zeros(g, shape[i]);
    ck_assert_ptr_null(build(g, in));
    pn_test_refused(g, status, message);
    pn_graph_free(g);
}

START_TEST(an_even_kernel_is_refused)
{
    refused((const pn_shape[INPUTS])SHAPES(1, 3, 5, 4, 5, 4), PN_ERR_ARG,
            "pn_local_attention: w1 has 16 rows, expected k^2 of an odd k up to 15");
}
END_TEST
START_TEST(a_source_convolved_without_its_margin_is_refused_with_advice)
{
    pn_shape shape[INPUTS] = SHAPES(1, 3, 5, 4, 5, 3);
    shape[SOURCE_HIDDEN] = pn_shape4(1, 5, 4, 5);
    refused(shape, PN_ERR_SHAPE, "pn_local_attention: source_hidden is [1,5,4,5], expected [1,5,6,7]; convolve the "
            "source with pad k - 1 = 2 and a replicated border");
    shape[SOURCE_HIDDEN] = pn_shape4(1, 6, 6, 7);
    refused(shape, PN_ERR_SHAPE, "pn_local_attention: source_hidden is [1,6,6,7], expected [1,5,6,7]");
}
END_TEST
START_TEST(a_flow_of_another_size_is_refused)
{
    pn_shape shape[INPUTS] = SHAPES(2, 3, 5, 4, 5, 3);
    shape[FLOW] = pn_shape4(1, 2, 5, 3);
    refused(shape, PN_ERR_SHAPE, "pn_local_attention: flow is [1,2,5,3], expected [2,2,4,5]");
}
END_TEST

TCase *local_attention_cases(void)
{
    TCase *tc = tcase_create("local_attention");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_loop_test(tc, it_is_the_formula_tap_by_tap, 0, CASES_HERE);
    tcase_add_test(tc, the_flow_has_a_gradient_until_all_samples_coincide);
    tcase_add_test(tc, a_whole_pixel_takes_the_slope_to_the_right);
    tcase_add_test(tc, an_infinite_flow_reads_the_edge_and_nan_gives_nan);
    tcase_add_test(tc, an_even_kernel_is_refused);
    tcase_add_test(tc, a_source_convolved_without_its_margin_is_refused_with_advice);
    tcase_add_test(tc, a_flow_of_another_size_is_refused);
    return tc;
}
