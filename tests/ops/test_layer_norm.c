/* tests/ops/test_layer_norm.c - lib/ops/layer_norm.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[])
{
    return pn_layer_norm(g, in[0], in[1], in[2], in[1]->shape.rank, 1e-5);
}
static pn_tensor *plain(pn_graph *g, pn_tensor *const in[]) { return pn_layer_norm(g, in[0], NULL, NULL, 1, 1e-5); }

static const pn_shape cases[][3] = {
    { { 1, { 5 } },             { 1, { 5 } },           { 1, { 5 } } },
    { { 2, { 3, 16 } },         { 1, { 16 } },          { 1, { 16 } } },
    { { 3, { 2, 5, 33 } },      { 1, { 33 } },          { 1, { 33 } } },
    { { 3, { 2, 40, 7 } },      { 2, { 40, 7 } },       { 2, { 40, 7 } } },
    { { 4, { 2, 3, 4, 5 } },    { 3, { 3, 4, 5 } },     { 3, { 3, 4, 5 } } },
    { { 2, { 70, 9 } },         { 1, { 9 } },           { 1, { 9 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(build, cases[_i], 3, PN_TOL_SUM);
    pn_test_parity(plain, cases[_i], 1, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(build, cases[_i], 3, 0);
    pn_test_gradients(plain, cases[_i], 1, 0);
}
END_TEST
START_TEST(matches_torch_layer_norm)
{
    pn_test_golden(build, 3, "layer_norm/last1", PN_TOL_SUM);
    pn_test_golden(build, 3, "layer_norm/chw", PN_TOL_SUM);
}
END_TEST
START_TEST(more_axes_than_x_has_are_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_layer_norm(g, pn_test_zeros(g, cases[1][0]), NULL, NULL, 3, 1e-5));
    pn_test_refused(g, PN_ERR_ARG, "pn_layer_norm: axes is 3, expected 1 to 2");
    pn_graph_free(g);
}
END_TEST

TCase *layer_norm_cases(void)
{
    TCase *tc = tcase_create("layer_norm");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch_layer_norm);
    tcase_add_test(tc, more_axes_than_x_has_are_refused);
    return tc;
}
