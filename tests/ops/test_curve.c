/* tests/ops/test_curve.c - lib/ops/curve.c: tanh, sigmoid, gelu; lib/ops/log.c */
#include "support/pntest.h"

static pn_tensor *build_tanh(pn_graph *g, pn_tensor *const in[]) { return pn_tanh(g, in[0]); }
static pn_tensor *build_sigmoid(pn_graph *g, pn_tensor *const in[]) { return pn_sigmoid(g, in[0]); }
static pn_tensor *build_gelu(pn_graph *g, pn_tensor *const in[]) { return pn_gelu(g, in[0]); }
static pn_tensor *build_log(pn_graph *g, pn_tensor *const in[]) { return pn_log(g, in[0], 1e-3); }
static pn_test_build *const curves[] = { build_tanh, build_sigmoid, build_gelu };

static const pn_shape cases[] = {
    { 1, { 1 } }, { 3, { 2, 5, 7 } }, { 4, { 2, 3, 5, 7 } }, { 4, { 1, 15, 3, 2 } }, { 4, { 2, 17, 3, 2 } },
    { 4, { 1, 33, 4, 3 } },
};
enum { CURVES = sizeof curves / sizeof *curves, CASES_HERE = sizeof cases / sizeof *cases };

/* What logs are taken of: from very small to large. */
static void above_zero(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)exp(6 * pn_rng_normal(rng));
}
/* Not so small that a difference of 1e-6 were large beside it. */
static void far_from_zero(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(0.1 + pn_rng_uniform(rng));
}

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_fill_input(0, above_zero);
    pn_test_parity(build_log, &cases[_i], 1, PN_TOL_EXP);
    for (int c = 0; c < CURVES; c++) pn_test_parity(curves[c], &cases[_i], 1, PN_TOL_EXP);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_fill_input(0, far_from_zero);
    pn_test_gradients(build_log, &cases[_i], 1, 0);
    for (int c = 0; c < CURVES; c++) pn_test_gradients(curves[c], &cases[_i], 1, 0);
}
END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(build_tanh, 1, "tanh", PN_TOL_EXP);
    pn_test_golden(build_sigmoid, 1, "sigmoid", PN_TOL_EXP);
    pn_test_golden(build_gelu, 1, "gelu", PN_TOL_EXP);
    pn_test_golden(build_log, 1, "log", PN_TOL_EXP);
}
END_TEST

/* The result for each number, on one instruction set. */
static void logs_of(pn_isa isa, const pn_real *x, pn_real *y, ptrdiff_t count, double shift)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, 1);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in = pn_input(g, "x", pn_shape1(count), PN_CONST), *out = pn_log(g, in, shift);
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    ck_assert_int_eq(pn_set(plan, in, x), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, y), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
}

START_TEST(logs_have_their_limits)
{
    const pn_real x[] = { 0, -1, (pn_real)INFINITY, (pn_real)NAN, 1, (pn_real)1.1754944e-38, (pn_real)3e38, -(pn_real)INFINITY };
    enum { NUMBERS = sizeof x / sizeof *x };
    pn_real y[NUMBERS];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        logs_of(isas[i], x, y, NUMBERS, 0);
        ck_assert_msg(isinf(y[0]) && y[0] < 0 && isnan(y[1]) && isinf(y[2]) && y[2] > 0 && isnan(y[3]) && isnan(y[7]),
                      "%s: %g %g %g %g %g", pn_isa_name(isas[i]), (double)y[0], (double)y[1], (double)y[2], (double)y[3],
                      (double)y[7]);
        ck_assert(y[4] == 0);
        ck_assert_double_eq_tol((double)y[5], -87.33654475, 1e-5);
        ck_assert_double_eq_tol((double)y[6], 88.59684582, 1e-5);
    }
}
END_TEST

START_TEST(a_missing_input_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_sigmoid(g, NULL));
    pn_test_refused(g, PN_ERR_ARG, "pn_sigmoid: argument 1 is NULL");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_log(g, pn_test_zeros(g, cases[0]), (double)NAN));
    pn_test_refused(g, PN_ERR_ARG, "pn_log: shift is nan, expected a finite number");
    pn_graph_free(g);
}
END_TEST

TCase *curve_cases(void)
{
    TCase *tc = tcase_create("curve");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, logs_have_their_limits);
    tcase_add_test(tc, a_missing_input_is_refused);
    return tc;
}
