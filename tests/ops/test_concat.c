/* tests/ops/test_concat.c - lib/ops/concat.c: concat and slice */
#include "support/pntest.h"

/* ---- Concat -------------------------------------------------------------------------------------------------------------- */

static pn_tensor *join(pn_graph *g, pn_tensor *const in[]) { return pn_concat(g, in, 3, 1); }
static pn_tensor *join_rows(pn_graph *g, pn_tensor *const in[]) { return pn_concat(g, in, 2, 2); }
static pn_tensor *join_columns(pn_graph *g, pn_tensor *const in[]) { return pn_concat(g, in, 2, 3); }
static pn_tensor *join_pictures(pn_graph *g, pn_tensor *const in[]) { return pn_concat(g, in, 2, 0); }

/* cuts inside a block; between blocks, the last one not full; a single pixel; rank 3 */
static const pn_shape channels[][3] = {
    { { 4, { 2, 3, 3, 5 } }, { 4, { 2, 18, 3, 5 } }, { 4, { 2, 1, 3, 5 } } },
    { { 4, { 2, 16, 5, 3 } }, { 4, { 2, 32, 5, 3 } }, { 4, { 2, 17, 5, 3 } } },
    { { 4, { 1, 15, 1, 1 } }, { 4, { 1, 16, 1, 1 } }, { 4, { 1, 17, 1, 1 } } },
    { { 3, { 3, 4, 5 } }, { 3, { 3, 1, 5 } }, { 3, { 3, 33, 5 } } },
};
static const pn_shape rows[] = { { 4, { 2, 17, 3, 5 } }, { 4, { 2, 17, 4, 5 } } };
static const pn_shape columns[] = { { 4, { 2, 33, 3, 5 } }, { 4, { 2, 33, 3, 1 } } };
static const pn_shape pictures[] = { { 4, { 1, 15, 3, 5 } }, { 4, { 2, 15, 3, 5 } } };
/* long enough that a run is split over threads */
static const pn_shape large[] = { { 4, { 1, 16, 96, 96 } }, { 4, { 1, 16, 96, 97 } } };
enum { CHANNELS = sizeof channels / sizeof *channels };

START_TEST(concat_is_the_same_on_every_isa) { pn_test_parity(join, channels[_i], 3, PN_TOL_EXACT); } END_TEST
START_TEST(concat_gradients_match_differences) { pn_test_gradients(join, channels[_i], 3, 0); } END_TEST
START_TEST(concat_matches_torch) { pn_test_golden(join, 3, "concat/channels", PN_TOL_EXACT); } END_TEST
START_TEST(concat_joins_other_axes)
{
    pn_test_parity(join_rows, rows, 2, PN_TOL_EXACT);
    pn_test_parity(join_columns, columns, 2, PN_TOL_EXACT);
    pn_test_parity(join_columns, large, 2, PN_TOL_EXACT);
    pn_test_parity(join_pictures, pictures, 2, PN_TOL_EXACT);
    pn_test_gradients(join_rows, rows, 2, 0);
    pn_test_gradients(join_columns, columns, 2, 0);
    pn_test_gradients(join_pictures, pictures, 2, 0);
}
END_TEST

START_TEST(concat_keeps_blocks_when_no_cut_is_inside_one)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x[2];
    for (int i = 0; i < 2; i++) x[i] = pn_test_probe(g, pn_test_zeros(g, pn_shape4(1, i ? 5 : 32, 4, 4)), PN_TEST_BLOCKED);
    pn_output(g, pn_test_probe(g, pn_concat(g, x, 2, 1), PN_TEST_BLOCKED), PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    ck_assert_int_eq(pn_plan_describe(plan).conversions, 2);            /* the planar inputs of the test, nothing else */
    pn_plan_free(plan);
    pn_graph_free(g);
}
END_TEST

START_TEST(concat_refuses_other_extents_and_says_which)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x[] = { pn_test_zeros(g, channels[0][0]), pn_test_zeros(g, channels[1][0]) };
    ck_assert_ptr_null(pn_concat(g, x, 2, 1));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_concat: x[1] is [2,16,5,3], expected [2,16,3,5] but for axis 1");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_concat(g, (pn_tensor *[]){ pn_test_zeros(g, channels[0][0]) }, 1, 4));
    pn_test_refused(g, PN_ERR_ARG, "axis is 4, expected 0 to 3");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_concat(g, x, 31, 1));
    pn_test_refused(g, PN_ERR_ARG, "there are 31 inputs, expected 1 to 30");
    pn_graph_free(g);
}
END_TEST

/* ---- Slice --------------------------------------------------------------------------------------------------------------- */

static pn_tensor *cut(pn_graph *g, pn_tensor *const in[]) { return pn_slice(g, in[0], 1, 2, 7); }
static pn_tensor *cut_block(pn_graph *g, pn_tensor *const in[]) { return pn_slice(g, in[0], 1, 16, 32); }
static pn_tensor *cut_rest(pn_graph *g, pn_tensor *const in[]) { return pn_slice(g, in[0], 1, 16, 35); }
static pn_tensor *cut_rows(pn_graph *g, pn_tensor *const in[]) { return pn_slice(g, in[0], 2, 2, 5); }
static pn_tensor *cut_columns(pn_graph *g, pn_tensor *const in[]) { return pn_slice(g, in[0], 3, 1, 4); }
static pn_tensor *cut_pictures(pn_graph *g, pn_tensor *const in[]) { return pn_slice(g, in[0], 0, 1, 2); }

static const struct { pn_test_build *build; pn_shape x; } cuts[] = {
    { cut, { 4, { 2, 9, 3, 5 } } }, { cut, { 4, { 1, 33, 1, 1 } } }, { cut, { 3, { 2, 8, 3 } } }, { cut, { 2, { 3, 7 } } },
    { cut_block, { 4, { 2, 35, 3, 5 } } }, { cut_rest, { 4, { 2, 35, 3, 5 } } }, { cut_rows, { 4, { 2, 17, 7, 5 } } },
    { cut_columns, { 4, { 2, 17, 2, 5 } } }, { cut_pictures, { 4, { 3, 15, 2, 5 } } },
};
enum { CUTS = sizeof cuts / sizeof *cuts };

START_TEST(slice_is_the_same_on_every_isa) { pn_test_parity(cuts[_i].build, &cuts[_i].x, 1, PN_TOL_EXACT); } END_TEST
START_TEST(slice_gradients_match_differences) { pn_test_gradients(cuts[_i].build, &cuts[_i].x, 1, 0); } END_TEST
START_TEST(slice_matches_torch)
{
    pn_test_golden(cut, 1, "slice/channels", PN_TOL_EXACT);
    pn_test_golden(cut_rows, 1, "slice/rows", PN_TOL_EXACT);
}
END_TEST

START_TEST(slice_refuses_what_is_not_there)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_slice(g, pn_test_zeros(g, pn_shape4(2, 9, 3, 5)), 1, 2, 10));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_slice: 2 to 10 of axis 1, expected some of 0 to 9");
    pn_graph_free(g);
}
END_TEST

TCase *concat_cases(void)
{
    TCase *tc = tcase_create("concat");
    tcase_add_loop_test(tc, concat_is_the_same_on_every_isa, 0, CHANNELS);
    tcase_add_loop_test(tc, concat_gradients_match_differences, 0, CHANNELS);
    tcase_add_test(tc, concat_matches_torch);
    tcase_add_test(tc, concat_joins_other_axes);
    tcase_add_test(tc, concat_keeps_blocks_when_no_cut_is_inside_one);
    tcase_add_test(tc, concat_refuses_other_extents_and_says_which);
    tcase_add_loop_test(tc, slice_is_the_same_on_every_isa, 0, CUTS);
    tcase_add_loop_test(tc, slice_gradients_match_differences, 0, CUTS);
    tcase_add_test(tc, slice_matches_torch);
    tcase_add_test(tc, slice_refuses_what_is_not_there);
    return tc;
}
