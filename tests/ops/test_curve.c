/* tests/ops/test_curve.c - lib/ops/curve.c: tanh, sigmoid, gelu */
#include "support/pntest.h"

static pn_tensor *build_tanh(pn_graph *g, pn_tensor *const in[]) { return pn_tanh(g, in[0]); }
static pn_tensor *build_sigmoid(pn_graph *g, pn_tensor *const in[]) { return pn_sigmoid(g, in[0]); }
static pn_tensor *build_gelu(pn_graph *g, pn_tensor *const in[]) { return pn_gelu(g, in[0]); }
static pn_test_build *const curves[] = { build_tanh, build_sigmoid, build_gelu };

static const pn_shape cases[] = {
    { 1, { 1 } }, { 3, { 2, 5, 7 } }, { 4, { 2, 3, 5, 7 } }, { 4, { 1, 15, 3, 2 } }, { 4, { 2, 17, 3, 2 } },
    { 4, { 1, 33, 4, 3 } },
};
enum { CURVES = sizeof curves / sizeof *curves, CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    for (int c = 0; c < CURVES; c++) pn_test_parity(curves[c], &cases[_i], 1, PN_TOL_EXP);
}
END_TEST
START_TEST(gradients_match_differences)
{
    for (int c = 0; c < CURVES; c++) pn_test_gradients(curves[c], &cases[_i], 1, 0);
}
END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(build_tanh, 1, "tanh", PN_TOL_EXP);
    pn_test_golden(build_sigmoid, 1, "sigmoid", PN_TOL_EXP);
    pn_test_golden(build_gelu, 1, "gelu", PN_TOL_EXP);
}
END_TEST

START_TEST(a_missing_input_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_sigmoid(g, NULL));
    pn_test_refused(g, PN_ERR_ARG, "pn_sigmoid: argument 1 is NULL");
    pn_graph_free(g);
}
END_TEST

TCase *curve_cases(void)
{
    TCase *tc = tcase_create("curve");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, a_missing_input_is_refused);
    return tc;
}
