/* tests/ops/test_matmul.c - lib/ops/matmul.c */
#include "support/pntest.h"

static pn_tensor *as_is(pn_graph *g, pn_tensor *const in[]) { return pn_matmul(g, in[0], in[1], PN_AS_IS); }
static pn_tensor *turned(pn_graph *g, pn_tensor *const in[]) { return pn_matmul(g, in[0], in[1], PN_TRANSPOSE_B); }

/* a, b as it is, b turned: one number; ragged; around the register tiles; deeper than one panel */
static const pn_shape cases[][3] = {
    { { 3, { 1, 1, 1 } },    { 3, { 1, 1, 1 } },    { 3, { 1, 1, 1 } } },
    { { 3, { 3, 5, 7 } },    { 3, { 3, 7, 4 } },    { 3, { 3, 4, 7 } } },
    { { 3, { 2, 12, 16 } },  { 3, { 2, 16, 32 } },  { 3, { 2, 32, 16 } } },
    { { 3, { 1, 37, 9 } },   { 3, { 1, 9, 67 } },   { 3, { 1, 67, 9 } } },
    { { 3, { 1, 13, 700 } }, { 3, { 1, 700, 17 } }, { 3, { 1, 17, 700 } } },
    { { 3, { 1, 150, 3 } },  { 3, { 1, 3, 300 } },  { 3, { 1, 300, 3 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    const pn_shape with_turned[] = { cases[_i][0], cases[_i][2] };
    pn_test_parity(as_is, cases[_i], 2, PN_TOL_SUM);
    pn_test_parity(turned, with_turned, 2, PN_TOL_SUM);
}
END_TEST
START_TEST(large_products_are_cut_into_pieces)
{
    static const pn_shape large[] = { { 3, { 1, 500, 40 } }, { 3, { 1, 40, 270 } } };
    pn_test_parity(as_is, large, 2, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    const pn_shape with_turned[] = { cases[_i][0], cases[_i][2] };
    pn_test_gradients(as_is, cases[_i], 2, 0);
    pn_test_gradients(turned, with_turned, 2, 0);
}
END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(as_is, 2, "matmul/batched", PN_TOL_SUM);
    pn_test_golden(turned, 2, "matmul/trans_b", PN_TOL_SUM);
}
END_TEST
START_TEST(matrices_that_do_not_fit_are_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_matmul(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[1][1]), PN_TRANSPOSE_B));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_matmul: b is [3,7,4], expected [3,7,7]");
    pn_graph_free(g);
}
END_TEST

TCase *matmul_cases(void)
{
    TCase *tc = tcase_create("matmul");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_test(tc, large_products_are_cut_into_pieces);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, matrices_that_do_not_fit_are_refused);
    return tc;
}
