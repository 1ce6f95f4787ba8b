/* tests/ops/test_local_attention.c - lib/ops/local_attention.c */
#include "support/pntest.h"

/* The flow comes last, where the harness knows it. */
enum { SOURCE, HIDDEN, W0, W1, B1, FLOW, INPUTS };

static pn_tensor *build(pn_graph *g, pn_tensor *const in[])
{
    return pn_local_attention(g, in[SOURCE], in[HIDDEN], in[FLOW], in[W0], in[W1], in[B1]);
}

#define SHAPES(N, C, D, H, W, K) \
    { { 4, { N, C, H, W } }, { 4, { N, D, H, W } }, { 4, { D, C, K, K } }, { 4, { K * K, D, 1, 1 } }, \
      { 1, { K * K } }, { 4, { N, 2, H, W } } }
/* single pixels; odd sizes; channels at and around a block; every usual kernel; a row longer than any patch */
static const pn_shape cases[][INPUTS] = {
    SHAPES(1, 1, 1, 1, 1, 1), SHAPES(1, 3, 2, 1, 1, 3),  SHAPES(2, 3, 5, 4, 5, 3),   SHAPES(1, 16, 16, 5, 3, 3),
    SHAPES(1, 24, 20, 6, 7, 5), SHAPES(2, 33, 17, 3, 5, 3), SHAPES(1, 15, 32, 2, 33, 3), SHAPES(1, 5, 3, 9, 4, 7),
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

/* Weights that leave the softmax soft, and a target half that keeps h clear of its kink at 0. */
static void small(pn_rng *rng, pn_real *values, pn_shape shape)
{
    const double scale = 0.5 / sqrt((double)pn_shape_count(shape) / (double)shape.dim[0]);
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(scale * pn_rng_normal(rng));
}
static void clear_of_zero(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++)
        values[i] = (pn_real)((pn_rng_below(rng, 2) ? 3 : -3) + 0.2 * pn_rng_normal(rng));
}
static void tame(void)
{
    pn_test_fill_input(W0, small);
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
    pn_tensor *y = pn_local_attention(g, in[TORCH_SOURCE], hidden, in[TORCH_FLOW], on_source, in[TORCH_W1],
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

/* ---- The formula, tap by tap --------------------------------------------------------------------------- */

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
    pn_tensor *y = build(g, in), *a = pn_saved_of(g, y, 0);
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
    const pn_shape *shape = cases[_i];
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

/* ---- What is not a number ------------------------------------------------------------------------------ */

/* The result for a 2 x 3 source of 1 .. 6 when the first pixel has this flow, along columns. */
static void with_flow(double flow, pn_real y[6])
{
    pn_graph *g = pn_test_graph();
    const pn_shape shape[INPUTS] = SHAPES(1, 1, 2, 2, 3, 3);
    pn_real value[INPUTS][36] = { { 1, 2, 3, 4, 5, 6 } };
    pn_tensor *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) in[i] = pn_test_zeros(g, shape[i]);
    pn_tensor *out = build(g, in);
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    value[FLOW][0] = (pn_real)flow;
    for (int i = 0; i < INPUTS; i++) ck_assert_int_eq(pn_set(plan, in[i], value[i]), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, y), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
}

START_TEST(an_infinite_flow_reads_the_edge_and_nan_gives_nan)
{
    pn_real far_away[6], infinite[6], nan[6];
    with_flow(1e6, far_away);
    with_flow((double)INFINITY, infinite);
    with_flow((double)NAN, nan);
    ck_assert_double_eq_tol((double)far_away[0], (3 + 3 + 6) / 27.0, 1e-6);     /* weights 1/9, and the factor 1/9 */
    ck_assert_double_eq((double)infinite[0], (double)far_away[0]);
    ck_assert(isnan(nan[0]));
    for (int i = 1; i < 6; i++) ck_assert_double_eq((double)nan[i], (double)far_away[i]);
}
END_TEST

START_TEST(an_even_kernel_is_refused)
{
    pn_graph *g = pn_test_graph();
    const pn_shape even[INPUTS] = SHAPES(1, 3, 5, 4, 5, 4);
    pn_tensor *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) in[i] = pn_test_zeros(g, even[i]);
    ck_assert_ptr_null(build(g, in));
    pn_test_refused(g, PN_ERR_ARG, "pn_local_attention: w0 has a kernel of 4, expected an odd number up to 15");
    pn_graph_free(g);
}
END_TEST
START_TEST(a_flow_of_another_size_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) in[i] = pn_test_zeros(g, cases[i == FLOW ? 3 : 2][i]);
    ck_assert_ptr_null(build(g, in));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_local_attention: flow is [1,2,5,3], expected [2,2,4,5]");
    pn_graph_free(g);
}
END_TEST

TCase *local_attention_cases(void)
{
    TCase *tc = tcase_create("local_attention");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_loop_test(tc, it_is_the_formula_tap_by_tap, 0, CASES_HERE);
    tcase_add_test(tc, an_infinite_flow_reads_the_edge_and_nan_gives_nan);
    tcase_add_test(tc, an_even_kernel_is_refused);
    tcase_add_test(tc, a_flow_of_another_size_is_refused);
    return tc;
}
