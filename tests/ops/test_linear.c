/* tests/ops/test_linear.c - lib/ops/linear.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_linear(g, in[0], in[1], in[2]); }
static pn_tensor *unbiased(pn_graph *g, pn_tensor *const in[]) { return pn_linear(g, in[0], in[1], NULL); }

/* one number; ragged against every tile; a rank 4 x; more rows than a panel */
static const pn_shape cases[][3] = {
    { { 1, { 1 } },          { 2, { 1, 1 } },   { 1, { 1 } } },
    { { 2, { 7, 5 } },       { 2, { 6, 5 } },   { 1, { 6 } } },
    { { 3, { 2, 13, 33 } },  { 2, { 17, 33 } }, { 1, { 17 } } },
    { { 4, { 2, 3, 4, 5 } }, { 2, { 9, 5 } },   { 1, { 9 } } },
    { { 2, { 150, 19 } },    { 2, { 35, 19 } }, { 1, { 35 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(build, cases[_i], 3, PN_TOL_SUM);
    pn_test_parity(unbiased, cases[_i], 2, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(build, cases[_i], 3, 0);
    pn_test_gradients(unbiased, cases[_i], 2, 0);
}
END_TEST
START_TEST(matches_torch) { pn_test_golden(build, 3, "linear/basic", PN_TOL_SUM); } END_TEST
START_TEST(weights_of_another_depth_are_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_linear(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[2][1]), NULL));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_linear: x is [7,5] and w is [17,33]: the last extents differ");
    pn_graph_free(g);
}
END_TEST

TCase *linear_cases(void)
{
    TCase *tc = tcase_create("linear");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, weights_of_another_depth_are_refused);
    return tc;
}
