/* tests/ops/test_softmax.c - lib/ops/softmax.c */
#include "support/pntest.h"

static pn_tensor *over_last(pn_graph *g, pn_tensor *const in[]) { return pn_softmax(g, in[0], -1); }
static pn_tensor *over_second(pn_graph *g, pn_tensor *const in[]) { return pn_softmax(g, in[0], 1); }

static const pn_shape cases[] = {
    { 2, { 1, 1 } }, { 2, { 3, 17 } }, { 3, { 2, 5, 33 } }, { 4, { 2, 9, 3, 5 } }, { 4, { 1, 20, 4, 5 } },
    { 3, { 1, 2, 300 } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(over_last, &cases[_i], 1, PN_TOL_EXP);
    pn_test_parity(over_second, &cases[_i], 1, PN_TOL_EXP);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(over_last, &cases[_i], 1, 0);
    pn_test_gradients(over_second, &cases[_i], 1, 0);
}
END_TEST
START_TEST(matches_torch_softmax)
{
    pn_test_golden(over_second, 1, "softmax/axis1", PN_TOL_EXP);
    pn_test_golden(over_last, 1, "softmax/last", PN_TOL_EXP);
}
END_TEST

static void huge(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(1e30 * pn_rng_normal(rng));
}
START_TEST(huge_numbers_give_one_and_zeros)
{
    pn_test_fill_input(0, huge);
    pn_test_parity(over_last, &cases[2], 1, PN_TOL_EXP);
}
END_TEST

START_TEST(an_axis_that_is_not_there_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_softmax(g, pn_test_zeros(g, cases[2]), 3));
    pn_test_refused(g, PN_ERR_ARG, "pn_softmax: axis is 3, expected -3 to 2");
    pn_graph_free(g);
}
END_TEST

TCase *softmax_cases(void)
{
    TCase *tc = tcase_create("softmax");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch_softmax);
    tcase_add_test(tc, huge_numbers_give_one_and_zeros);
    tcase_add_test(tc, an_axis_that_is_not_there_is_refused);
    return tc;
}
