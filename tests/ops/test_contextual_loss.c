/* tests/ops/test_contextual_loss.c - lib/ops/contextual_loss.c */
#include "support/pntest.h"

enum { A, B, INPUTS };

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_contextual_loss(g, in[A], in[B], 0.5); }

#define PAIR(N, C, H, W) { { 4, { N, C, H, W } }, { 4, { N, C, H, W } } }
/* A single position, which its own mean takes away; channels around vectors and blocks; positions around slivers and strips. */
static const pn_shape cases[][INPUTS] = {
    PAIR(1, 3, 1, 1), PAIR(2, 5, 3, 4), PAIR(1, 16, 5, 7), PAIR(2, 17, 7, 10), PAIR(1, 33, 9, 11), PAIR(1, 48, 13, 15),
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref) { pn_test_parity(build, cases[_i], INPUTS, PN_TOL_LONG); } END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(build, cases[_i], INPUTS, PN_NO_GRAD(B)); } END_TEST

static pn_tensor *and_saved(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *y = build(g, in);
    pn_test_golden_also(g, pn_saved_of(g, y, 0), "weight");
    pn_test_golden_also(g, pn_saved_of(g, y, 1), "best");
    return y;
}
START_TEST(matches_torch)
{
    pn_test_golden(and_saved, INPUTS, "contextual_loss/small", PN_TOL_SUM);
    pn_test_golden(and_saved, INPUTS, "contextual_loss/wide", PN_TOL_SUM);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits) { pn_test_threads(build, (const pn_shape[])PAIR(2, 40, 15, 17), INPUTS); }
END_TEST

/* ---- Maps with themselves and with others; positions in another order ------------------------------------------------- */

enum { C = 20, H = 11, W = 13, AREA = H * W, COUNT = C * AREA };

static double loss_of(pn_isa isa, const pn_real *a, const pn_real *b)
{
    pn_real loss = 0;
    pn_ctx *ctx = pn_test_ctx_new(isa, 2);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in[] = { pn_input(g, "a", pn_shape4(1, C, H, W), PN_CONST), pn_input(g, "b", pn_shape4(1, C, H, W), PN_CONST) };
    pn_tensor *y = build(g, in);
    pn_output(g, y, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    ck_assert_int_eq(pn_set(plan, in[A], a), PN_OK);
    ck_assert_int_eq(pn_set(plan, in[B], b), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, y, &loss), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
    return (double)loss;
}

static void shuffled(pn_real *to, const pn_real *from)
{
    for (int i = 0; i < COUNT; i++) to[i / AREA * AREA + (i % AREA * 5 + 17) % AREA] = from[i];     /* 5 and 143 share no factor */
}

START_TEST(a_map_is_nearest_to_itself_in_whatever_order)
{
    static pn_real a[COUNT], b[COUNT], other[COUNT];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    pn_test_random("a", a, COUNT);
    pn_test_random("b", b, COUNT);
    for (int i = 0; i < n; i++) {
        const double self = loss_of(isas[i], a, a), across = loss_of(isas[i], a, b);
        ck_assert_double_lt(self, 1e-3);
        ck_assert_double_gt(across, 0.5);
        shuffled(other, a);
        ck_assert_double_eq_tol(loss_of(isas[i], a, other), self, 1e-5);
        ck_assert_double_eq_tol(loss_of(isas[i], other, b), across, 1e-5 * across);
        shuffled(other, b);
        ck_assert_double_eq_tol(loss_of(isas[i], a, other), across, 1e-5 * across);
    }
}
END_TEST

START_TEST(a_nan_shows)
{
    static pn_real a[COUNT], b[COUNT];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    pn_test_random("a", a, COUNT);
    pn_test_random("b", b, COUNT);
    a[5] = (pn_real)NAN;
    for (int i = 0; i < n; i++) ck_assert(isnan(loss_of(isas[i], a, b)));
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_contextual_loss(g, pn_test_zeros(g, cases[1][A]), pn_test_zeros(g, cases[2][B]), 0.5));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_contextual_loss: b is [1,16,5,7], expected [2,5,3,4]");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_contextual_loss(g, pn_test_zeros(g, cases[1][A]), pn_test_zeros(g, cases[1][B]), 0));
    pn_test_refused(g, PN_ERR_ARG, "pn_contextual_loss: bandwidth is 0, expected a positive number");
    pn_graph_free(g);
}
END_TEST

TCase *contextual_loss_cases(void)
{
    TCase *tc = tcase_create("contextual_loss");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(tc, a_map_is_nearest_to_itself_in_whatever_order);
    tcase_add_test(tc, a_nan_shows);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
