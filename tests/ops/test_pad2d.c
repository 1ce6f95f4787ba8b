/* tests/ops/test_pad2d.c - lib/ops/pad2d.c */
#include "support/pntest.h"

static const pn_margins uneven = { .top = 3, .bottom = 2, .left = 2, .right = 1 };
static pn_tensor *zero(pn_graph *g, pn_tensor *const in[]) { return pn_pad2d(g, in[0], uneven, PN_BORDER_ZERO, 0); }
static pn_tensor *half(pn_graph *g, pn_tensor *const in[]) { return pn_pad2d(g, in[0], uneven, PN_BORDER_ZERO, 0.5); }
static pn_tensor *repeat(pn_graph *g, pn_tensor *const in[]) { return pn_pad2d(g, in[0], uneven, PN_BORDER_REPLICATE, 0); }
static pn_tensor *mirror(pn_graph *g, pn_tensor *const in[]) { return pn_pad2d(g, in[0], uneven, PN_BORDER_REFLECT, 0); }
static pn_tensor *right(pn_graph *g, pn_tensor *const in[])
{
    return pn_pad2d(g, in[0], (pn_margins){ .right = 3 }, PN_BORDER_REPLICATE, 0);
}

static const struct { pn_test_build *build; pn_shape x; } cases[] = {
    { zero, { 4, { 2, 3, 5, 7 } } }, { half, { 4, { 1, 15, 3, 2 } } }, { half, { 4, { 2, 33, 4, 33 } } },
    { repeat, { 4, { 1, 17, 1, 1 } } }, { repeat, { 4, { 2, 16, 5, 17 } } }, { mirror, { 4, { 2, 3, 4, 3 } } },
    { mirror, { 4, { 1, 17, 6, 19 } } }, { mirror, { 4, { 1, 1, 9, 64 } } }, { right, { 4, { 2, 5, 3, 4 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref) { pn_test_parity(cases[_i].build, &cases[_i].x, 1, PN_TOL_SUM4); } END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(cases[_i].build, &cases[_i].x, 1, 0); } END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(zero, 1, "pad/zero", PN_TOL_SUM4);
    pn_test_golden(half, 1, "pad/constant", PN_TOL_SUM4);
    pn_test_golden(repeat, 1, "pad/replicate", PN_TOL_SUM4);
    pn_test_golden(mirror, 1, "pad/reflect", PN_TOL_SUM4);
}
END_TEST

START_TEST(a_mirror_wider_than_the_map_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_pad2d(g, pn_test_zeros(g, pn_shape4(1, 3, 3, 5)), uneven, PN_BORDER_REFLECT, 0));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_pad2d: a mirrored margin of 3 needs a map larger than 3 x 5");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_pad2d(g, pn_test_zeros(g, pn_shape4(1, 3, 3, 5)), (pn_margins){ .left = -1 }, PN_BORDER_ZERO, 0));
    pn_test_refused(g, PN_ERR_ARG, "expected none below 0; use pn_slice to cut");
    pn_graph_free(g);
}
END_TEST

TCase *pad2d_cases(void)
{
    TCase *tc = tcase_create("pad2d");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, a_mirror_wider_than_the_map_is_refused);
    return tc;
}
