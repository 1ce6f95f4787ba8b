/* tests/ops/test_lerp.c - lib/ops/lerp.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_lerp(g, in[0], in[1], in[2]); }
static pn_tensor *itself(pn_graph *g, pn_tensor *const in[]) { return pn_lerp(g, in[0], in[0], in[1]); }

static const pn_shape cases[][3] = {
    { { 4, { 1, 1, 1, 1 } },   { 4, { 1, 1, 1, 1 } },   { 4, { 1, 1, 1, 1 } } },
    { { 4, { 2, 3, 5, 7 } },   { 4, { 2, 3, 5, 7 } },   { 4, { 2, 1, 5, 7 } } },
    { { 4, { 1, 16, 3, 19 } }, { 4, { 1, 16, 3, 19 } }, { 4, { 1, 1, 3, 19 } } },
    { { 4, { 2, 33, 4, 3 } },  { 4, { 2, 33, 4, 3 } },  { 4, { 2, 1, 4, 3 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)  /* a mask's gradient cancels */
{
    pn_test_parity(build, cases[_i], 3, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(build, cases[_i], 3, 0); } END_TEST
START_TEST(one_map_twice_gets_both_gradients)
{
    const pn_shape shapes[] = { cases[3][0], cases[3][2] };
    pn_test_gradients(itself, shapes, 2, 0);
}
END_TEST
START_TEST(matches_torch) { pn_test_golden(build, 3, "lerp", PN_TOL_SUM4); } END_TEST
START_TEST(a_mask_of_many_channels_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *a = pn_test_zeros(g, cases[1][0]), *b = pn_test_zeros(g, cases[1][0]);
    ck_assert_ptr_null(pn_lerp(g, a, b, a));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_lerp: mask is [2,3,5,7], expected [2,1,5,7]");
    pn_graph_free(g);
}
END_TEST

TCase *lerp_cases(void)
{
    TCase *tc = tcase_create("lerp");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, one_map_twice_gets_both_gradients);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, a_mask_of_many_channels_is_refused);
    return tc;
}
