/* tests/ops/test_gram.c - lib/ops/gram.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_gram(g, in[0]); }

/* a single number; channels around one and several blocks; more pixels than one chunk of the sum */
static const pn_shape cases[] = {
    { 4, { 1, 1, 1, 1 } }, { 4, { 2, 5, 3, 4 } }, { 4, { 1, 15, 5, 7 } }, { 4, { 2, 16, 3, 9 } }, { 4, { 1, 33, 17, 5 } },
    { 4, { 1, 100, 3, 3 } }, { 4, { 1, 20, 40, 41 } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref) { pn_test_parity(build, &cases[_i], 1, PN_TOL_SUM); } END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(build, &cases[_i], 1, 0); } END_TEST
START_TEST(matches_torch) { pn_test_golden(build, 1, "gram", PN_TOL_SUM4); } END_TEST

START_TEST(what_is_no_map_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_gram(g, pn_test_zeros(g, pn_shape3(2, 3, 4))));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_gram: x is [2,3,4], expected rank 4");
    pn_graph_free(g);
}
END_TEST

TCase *gram_cases(void)
{
    TCase *tc = tcase_create("gram");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, what_is_no_map_is_refused);
    return tc;
}
