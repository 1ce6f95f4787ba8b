/* tests/ops/test_leaky_relu.c - lib/ops/leaky_relu.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_leaky_relu(g, in[0], 0.1); }
static pn_tensor *build_relu(pn_graph *g, pn_tensor *const in[]) { return pn_relu(g, in[0]); }

/* one number; not a map; odd sizes; channels one short of, at and past a block */
static const pn_shape cases[][1] = {
    { { 1, { 1 } } }, { { 3, { 2, 5, 7 } } }, { { 4, { 2, 3, 5, 7 } } }, { { 4, { 1, 15, 3, 2 } } }, { { 4, { 2, 16, 1, 3 } } },
    { { 4, { 1, 33, 4, 3 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref) { pn_test_parity(build, cases[_i], 1, PN_TOL_SUM4); } END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(build, cases[_i], 1, PN_AWAY_FROM_ZERO); } END_TEST
START_TEST(matches_torch_leaky_relu) { pn_test_golden(build, 1, "leaky_relu/0.1", PN_TOL_SUM4); } END_TEST
START_TEST(matches_torch_relu) { pn_test_golden(build_relu, 1, "relu", PN_TOL_SUM4); } END_TEST

START_TEST(a_slope_above_one_is_refused_with_the_range)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_leaky_relu(g, pn_test_zeros(g, cases[1][0]), 1.5));
    pn_test_refused(g, PN_ERR_ARG, "pn_leaky_relu: slope is 1.5, expected 0 to 1");
    pn_graph_free(g);
}
END_TEST

TCase *leaky_relu_cases(void)
{
    TCase *tc = tcase_create("leaky_relu");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch_leaky_relu);
    tcase_add_test(tc, matches_torch_relu);
    tcase_add_test(tc, a_slope_above_one_is_refused_with_the_range);
    return tc;
}
