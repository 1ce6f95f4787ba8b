/* tests/ops/test_affine.c - lib/ops/affine.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_affine(g, in[0], -0.7, 0.25); }

static const pn_shape cases[] = {
    { 1, { 1 } }, { 3, { 2, 5, 7 } }, { 4, { 2, 3, 5, 7 } }, { 4, { 1, 16, 3, 2 } }, { 4, { 2, 33, 3, 2 } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref) { pn_test_parity(build, &cases[_i], 1, PN_TOL_SUM4); } END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(build, &cases[_i], 1, 0); } END_TEST
START_TEST(an_infinite_scale_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_affine(g, pn_test_zeros(g, cases[1]), INFINITY, 0));
    pn_test_refused(g, PN_ERR_ARG, "pn_affine: scale is inf and shift 0, expected finite numbers");
    pn_graph_free(g);
}
END_TEST

TCase *affine_cases(void)
{
    TCase *tc = tcase_create("affine");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, an_infinite_scale_is_refused);
    return tc;
}
