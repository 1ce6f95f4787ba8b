/* tests/ops/test_grouped_linear.c - lib/ops/grouped_linear.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_grouped_linear(g, in[0], in[1], in[2]); }
static pn_tensor *unbiased(pn_graph *g, pn_tensor *const in[]) { return pn_grouped_linear(g, in[0], in[1], NULL); }

/* one number; depths around every vector; samples around the tile of 4; more rows than an item has */
static const pn_shape cases[][3] = {
    { { 3, { 1, 1, 1 } },   { 3, { 1, 1, 1 } },   { 2, { 1, 1 } } },
    { { 3, { 3, 8, 13 } },  { 3, { 8, 11, 13 } }, { 2, { 8, 11 } } },
    { { 3, { 4, 2, 32 } },  { 3, { 2, 32, 32 } }, { 2, { 2, 32 } } },
    { { 3, { 9, 3, 67 } },  { 3, { 3, 45, 67 } }, { 2, { 3, 45 } } },
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
START_TEST(matches_torch) { pn_test_golden(build, 3, "graph/grouped_linear", PN_TOL_SUM4); } END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_grouped_linear(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, pn_shape3(7, 11, 13)), NULL));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_grouped_linear: w is [7,11,13], expected [8,11,13]");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_grouped_linear(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[1][1]),
                                         pn_test_zeros(g, pn_shape1(11))));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_grouped_linear: bias is [11], expected [8,11]");
    pn_graph_free(g);
}
END_TEST

TCase *grouped_linear_cases(void)
{
    TCase *tc = tcase_create("grouped_linear");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
