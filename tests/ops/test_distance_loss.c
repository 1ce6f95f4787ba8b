/* tests/ops/test_distance_loss.c - lib/ops/distance_loss.c: l1_loss and mse_loss */
#include "support/pntest.h"

static pn_tensor *l1(pn_graph *g, pn_tensor *const in[]) { return pn_l1_loss(g, in[0], in[1]); }
static pn_tensor *mse(pn_graph *g, pn_tensor *const in[]) { return pn_mse_loss(g, in[0], in[1]); }

/* one number; not a map; channels around a block, where zero lanes must not count; more than one chunk of the sum */
static const pn_shape cases[][2] = {
    { { 1, { 1 } }, { 1, { 1 } } }, { { 3, { 2, 5, 7 } }, { 3, { 2, 5, 7 } } }, { { 4, { 2, 3, 5, 7 } }, { 4, { 2, 3, 5, 7 } } },
    { { 4, { 1, 17, 3, 2 } }, { 4, { 1, 17, 3, 2 } } }, { { 4, { 2, 33, 40, 41 } }, { 4, { 2, 33, 40, 41 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(l1_every_isa_agrees_with_ref) { pn_test_parity(l1, cases[_i], 2, PN_TOL_SUM4); } END_TEST
START_TEST(mse_every_isa_agrees_with_ref) { pn_test_parity(mse, cases[_i], 2, PN_TOL_SUM4); } END_TEST
START_TEST(l1_gradients_match_differences) { pn_test_gradients(l1, cases[_i], 2, 0); } END_TEST
START_TEST(mse_gradients_match_differences) { pn_test_gradients(mse, cases[_i], 2, 0); } END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(l1, 2, "l1", PN_TOL_SUM4);
    pn_test_golden(mse, 2, "mse", PN_TOL_SUM4);
}
END_TEST

START_TEST(equal_numbers_have_no_slope_and_nan_has_nan)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        pn_ctx *ctx = pn_test_ctx_new(isas[i], 1);
        pn_graph *g = pn_graph_new(ctx);
        pn_tensor *a = pn_input(g, "a", pn_shape1(4), PN_GRAD), *b = pn_input(g, "b", pn_shape1(4), PN_CONST);
        pn_loss(g, pn_l1_loss(g, a, b));
        pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
        pn_real da[4];
        ck_assert_int_eq(pn_set(plan, a, (pn_real[]){ 1, 2, 3, (pn_real)NAN }), PN_OK);
        ck_assert_int_eq(pn_set(plan, b, (pn_real[]){ 1, 1, 5, 4 }), PN_OK);
        ck_assert_int_eq(pn_forward(plan), PN_OK);
        ck_assert_int_eq(pn_backward(plan), PN_OK);
        ck_assert_int_eq(pn_get_grad(plan, a, da), PN_OK);
        ck_assert(da[0] == 0 && da[1] == (pn_real)0.25 && da[2] == (pn_real)-0.25 && isnan(da[3]));
        pn_plan_free(plan);
        pn_graph_free(g);
        pn_ctx_free(ctx);
    }
}
END_TEST

START_TEST(another_shape_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_l1_loss(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[2][0])));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_l1_loss: b is [2,3,5,7], expected [2,5,7]");
    pn_graph_free(g);
}
END_TEST

TCase *distance_loss_cases(void)
{
    TCase *tc = tcase_create("distance_loss");
    tcase_add_loop_test(tc, l1_every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, mse_every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, l1_gradients_match_differences, 0, CASES_HERE);
    tcase_add_loop_test(tc, mse_gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, equal_numbers_have_no_slope_and_nan_has_nan);
    tcase_add_test(tc, another_shape_is_refused);
    return tc;
}
