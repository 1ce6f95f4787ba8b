/* tests/ops/test_transpose.c - lib/ops/transpose.c */
#include "support/pntest.h"

static pn_tensor *by(pn_graph *g, pn_tensor *x, int a, int b, int c, int d)
{
    return pn_transpose(g, x, (const int[]){ a, b, c, d });
}

static pn_tensor *rows_first(pn_graph *g, pn_tensor *const in[]) { return by(g, in[0], 0, 2, 1, 3); }
static pn_tensor *channels_last(pn_graph *g, pn_tensor *const in[]) { return by(g, in[0], 0, 2, 3, 1); }
static pn_tensor *mirrored(pn_graph *g, pn_tensor *const in[]) { return by(g, in[0], 3, 2, 1, 0); }
static pn_tensor *same(pn_graph *g, pn_tensor *const in[]) { return by(g, in[0], 0, 1, 2, 3); }
static pn_tensor *turned(pn_graph *g, pn_tensor *const in[]) { return pn_transpose(g, in[0], (const int[]){ 1, 0 }); }
static pn_tensor *heads(pn_graph *g, pn_tensor *const in[])
{
    return pn_transpose(g, in[0], (const int[]){ 0, 3, 1, 4, 2 });
}

static const struct { pn_test_build *build; pn_shape x; } cases[] = {
    { rows_first, { 4, { 2, 3, 5, 7 } } }, { rows_first, { 4, { 1, 17, 33, 16 } } }, { channels_last, { 4, { 2, 33, 5, 7 } } },
    { mirrored, { 4, { 2, 3, 5, 7 } } }, { mirrored, { 4, { 17, 1, 2, 33 } } }, { same, { 4, { 2, 3, 5, 7 } } },
    { turned, { 2, { 37, 65 } } }, { turned, { 2, { 70, 131 } } }, { turned, { 2, { 1, 5 } } },
    { heads, { 5, { 2, 3, 4, 5, 6 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref) { pn_test_parity(cases[_i].build, &cases[_i].x, 1, PN_TOL_EXACT); } END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(cases[_i].build, &cases[_i].x, 1, 0); } END_TEST
START_TEST(matches_torch) { pn_test_golden(rows_first, 1, "transpose/0213", PN_TOL_EXACT); } END_TEST

START_TEST(an_axis_named_twice_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_transpose(g, pn_test_zeros(g, cases[0].x), (const int[]){ 0, 2, 2, 3 }));
    pn_test_refused(g, PN_ERR_ARG, "pn_transpose: order[2] is 2, expected each of 0 to 3 once");
    pn_graph_free(g);
}
END_TEST

TCase *transpose_cases(void)
{
    TCase *tc = tcase_create("transpose");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, an_axis_named_twice_is_refused);
    return tc;
}
