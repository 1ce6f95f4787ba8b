/* tests/ops/test_cosine_similarity.c - lib/ops/cosine_similarity.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_cosine_similarity(g, in[0], in[1]); }

static const pn_shape cases[][2] = {
    { { 4, { 1, 2, 1, 1 } }, { 4, { 1, 2, 1, 1 } } }, { { 4, { 2, 5, 3, 4 } }, { 4, { 2, 5, 3, 4 } } },
    { { 4, { 1, 15, 5, 7 } }, { 4, { 1, 15, 5, 7 } } }, { { 4, { 2, 33, 3, 33 } }, { 4, { 2, 33, 3, 33 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref) { pn_test_parity(build, cases[_i], 2, PN_TOL_SUM); } END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(build, cases[_i], 2, 0); } END_TEST
START_TEST(matches_torch) { pn_test_golden(build, 2, "cosine/axis1", PN_TOL_SUM4); } END_TEST

static void nothing(pn_rng *rng, pn_real *values, pn_shape shape)
{
    (void)rng;
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = 0;
}

START_TEST(a_vector_of_zeros_gives_zero)
{
    pn_test_fill_input(0, nothing);
    pn_test_parity(build, cases[2], 2, PN_TOL_SUM);
}
END_TEST

START_TEST(another_shape_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_cosine_similarity(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[2][0])));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_cosine_similarity: b is [1,15,5,7], expected [2,5,3,4]");
    pn_graph_free(g);
}
END_TEST

TCase *cosine_similarity_cases(void)
{
    TCase *tc = tcase_create("cosine_similarity");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, a_vector_of_zeros_gives_zero);
    tcase_add_test(tc, another_shape_is_refused);
    return tc;
}
