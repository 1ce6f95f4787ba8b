/* tests/ops/test_reshape.c - lib/ops/reshape.c */
#include "support/pntest.h"

static pn_tensor *flat(pn_graph *g, pn_tensor *const in[])
{
    const ptrdiff_t *d = in[0]->shape.dim;
    return pn_reshape(g, in[0], pn_shape3(d[0], d[1] * d[2], d[3]));
}
static pn_tensor *map(pn_graph *g, pn_tensor *const in[])
{
    const ptrdiff_t *d = in[0]->shape.dim;
    return pn_reshape(g, in[0], pn_shape4(d[0], d[2], d[3], d[1]));
}

static const pn_shape cases[] = { { 4, { 2, 3, 5, 7 } }, { 4, { 1, 17, 2, 3 } }, { 4, { 2, 33, 4, 16 } } };
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(flat, &cases[_i], 1, PN_TOL_EXACT);
    pn_test_parity(map, &cases[_i], 1, PN_TOL_EXACT);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(flat, &cases[_i], 1, 0);
    pn_test_gradients(map, &cases[_i], 1, 0);
}
END_TEST
START_TEST(matches_torch) { pn_test_golden(flat, 1, "reshape", PN_TOL_EXACT); } END_TEST

START_TEST(another_number_of_numbers_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_reshape(g, pn_test_zeros(g, cases[0]), pn_shape2(2, 104)));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_reshape: x is [2,3,5,7], which has 210 numbers; [2,104] does not");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_reshape(g, pn_test_zeros(g, cases[0]), (pn_shape){ .rank = 6 }));
    pn_test_refused(g, PN_ERR_ARG, "the rank is 6, expected 1 to 5");
    pn_graph_free(g);
}
END_TEST

TCase *reshape_cases(void)
{
    TCase *tc = tcase_create("reshape");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, another_number_of_numbers_is_refused);
    return tc;
}
