/* tests/ops/test_repeat.c - lib/ops/{add,mul,reduce,repeat}.c: one operand repeated, and sums over what was repeated */
#include "support/pntest.h"

static pn_tensor *build_add(pn_graph *g, pn_tensor *const in[]) { return pn_add(g, in[0], in[1]); }
static pn_tensor *build_mul(pn_graph *g, pn_tensor *const in[]) { return pn_mul(g, in[0], in[1]); }
static pn_tensor *square(pn_graph *g, pn_tensor *const in[]) { return pn_mul(g, in[0], in[0]); }

/* the same shape; one channel for all; one pixel for all; one sample for all; a single number; and what is no map */
static const pn_shape cases[][2] = {
    { { 1, { 1 } },              { 1, { 1 } } },
    { { 4, { 2, 3, 4, 5 } },     { 4, { 2, 3, 4, 5 } } },
    { { 4, { 2, 17, 3, 5 } },    { 4, { 2, 17, 3, 5 } } },
    { { 4, { 2, 17, 3, 5 } },    { 4, { 2, 1, 3, 5 } } },
    { { 4, { 2, 33, 4, 3 } },    { 4, { 2, 33, 1, 1 } } },
    { { 4, { 3, 16, 2, 5 } },    { 4, { 1, 16, 1, 1 } } },
    { { 4, { 2, 5, 3, 4 } },     { 4, { 1, 5, 3, 1 } } },
    { { 4, { 2, 19, 3, 4 } },    { 4, { 1, 1, 1, 1 } } },
    { { 4, { 2, 1, 3, 7 } },     { 4, { 2, 1, 1, 7 } } },
    { { 3, { 2, 3, 40 } },       { 3, { 2, 3, 1 } } },
    { { 3, { 4, 3, 19 } },       { 3, { 1, 1, 19 } } },
    { { 2, { 5, 7 } },           { 2, { 1, 1 } } },
    { { 5, { 2, 3, 2, 3, 4 } },  { 5, { 2, 1, 2, 1, 4 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_adds_as_ref) { pn_test_parity(build_add, cases[_i], 2, PN_TOL_SUM); } END_TEST
START_TEST(every_isa_multiplies_as_ref) { pn_test_parity(build_mul, cases[_i], 2, PN_TOL_SUM); } END_TEST
START_TEST(gradients_of_add_match_differences) { pn_test_gradients(build_add, cases[_i], 2, 0); } END_TEST
START_TEST(gradients_of_mul_match_differences) { pn_test_gradients(build_mul, cases[_i], 2, 0); } END_TEST
START_TEST(gradients_of_a_square_match_differences) { pn_test_gradients(square, cases[2], 1, 0); } END_TEST
START_TEST(add_matches_torch) { pn_test_golden(build_add, 2, "add", PN_TOL_SUM4); } END_TEST
START_TEST(mul_matches_torch)
{
    pn_test_golden(build_mul, 2, "mul", PN_TOL_SUM4);
    pn_test_golden(build_mul, 2, "mul_bcast", PN_TOL_SUM4);
}
END_TEST
START_TEST(a_larger_second_operand_is_refused_with_advice)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, cases[3][0]), *mask = pn_test_zeros(g, cases[3][1]);
    ck_assert_ptr_null(pn_add(g, mask, x));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_add: b is [2,17,3,5], expected [2,1,3,5] or extents of 1 where it is to be "
                    "repeated; the larger tensor comes first");
    pn_graph_free(g);
}
END_TEST
START_TEST(another_rank_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, cases[3][0]), *y = pn_test_zeros(g, cases[10][0]);
    ck_assert_ptr_null(pn_mul(g, x, y));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_mul: b is [4,3,19], expected [2,17,3,5]");
    pn_graph_free(g);
}
END_TEST

/* ---- Sum and mean ---------------------------------------------------------------------------------------------- */

static pn_tensor *sum_pixels(pn_graph *g, pn_tensor *const in[])
{
    return pn_sum(g, in[0], PN_AXIS(2) | PN_AXIS(3), PN_KEEP_AXES);
}
static pn_tensor *mean_pixels(pn_graph *g, pn_tensor *const in[])
{
    return pn_mean(g, in[0], PN_AXIS(2) | PN_AXIS(3), PN_KEEP_AXES);
}
static pn_tensor *pooled(pn_graph *g, pn_tensor *const in[])
{
    return pn_mean(g, in[0], PN_AXIS(2) | PN_AXIS(3), PN_DROP_AXES);
}
static pn_tensor *mean_channels(pn_graph *g, pn_tensor *const in[])
{
    return pn_mean(g, in[0], PN_AXIS(1), PN_KEEP_AXES);
}
static pn_tensor *sum_channels(pn_graph *g, pn_tensor *const in[])
{
    return pn_sum(g, in[0], PN_AXIS(1), PN_DROP_AXES);
}
static pn_tensor *sum_samples(pn_graph *g, pn_tensor *const in[]) { return pn_sum(g, in[0], PN_AXIS(0), PN_KEEP_AXES); }
static pn_tensor *mean_all(pn_graph *g, pn_tensor *const in[]) { return pn_mean(g, in[0], PN_ALL_AXES, PN_DROP_AXES); }
static pn_tensor *sum_all(pn_graph *g, pn_tensor *const in[]) { return pn_sum(g, in[0], PN_ALL_AXES, PN_KEEP_AXES); }
static pn_tensor *mean_last(pn_graph *g, pn_tensor *const in[]) { return pn_mean(g, in[0], PN_AXIS(2), PN_DROP_AXES); }
static pn_test_build *const sums[] = {
    sum_pixels, mean_pixels, pooled, mean_channels, sum_channels, sum_samples, mean_all, sum_all, mean_last,
};
static const pn_shape maps[] = { { 4, { 2, 3, 5, 7 } }, { 4, { 1, 15, 4, 3 } }, { 4, { 3, 33, 2, 5 } },
                                 { 4, { 1, 1, 1, 1 } } };
enum { SUMS = sizeof sums / sizeof *sums, MAPS = sizeof maps / sizeof *maps };

START_TEST(every_isa_sums_as_ref)
{
    for (int m = 0; m < MAPS; m++) pn_test_parity(sums[_i], &maps[m], 1, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_of_sums_match_differences)
{
    for (int m = 0; m < MAPS; m++) pn_test_gradients(sums[_i], &maps[m], 1, 0);
}
END_TEST
START_TEST(a_long_mean_is_the_same_on_every_isa_and_thread)
{
    static const pn_shape large = { 4, { 1, 20, 70, 66 } };
    pn_test_parity(mean_all, &large, 1, PN_TOL_SUM);
}
END_TEST
START_TEST(matches_torch_sum_and_mean)
{
    pn_test_golden(sum_pixels, 1, "sum/axis23", PN_TOL_SUM4);
    pn_test_golden(mean_pixels, 1, "mean/axis23", PN_TOL_SUM4);
    pn_test_golden(mean_all, 1, "mean/all", PN_TOL_SUM4);
}
END_TEST
START_TEST(an_axis_that_is_not_there_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_sum(g, pn_test_zeros(g, cases[9][0]), PN_AXIS(3), PN_DROP_AXES));
    pn_test_refused(g, PN_ERR_ARG, "pn_sum: axes is 0x8, expected some of the 3 axes of x or PN_ALL_AXES");
    pn_graph_free(g);
}
END_TEST

TCase *repeat_cases(void)
{
    TCase *tc = tcase_create("repeat");
    tcase_add_loop_test(tc, every_isa_adds_as_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, every_isa_multiplies_as_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_of_add_match_differences, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_of_mul_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, gradients_of_a_square_match_differences);
    tcase_add_test(tc, add_matches_torch);
    tcase_add_test(tc, mul_matches_torch);
    tcase_add_test(tc, a_larger_second_operand_is_refused_with_advice);
    tcase_add_test(tc, another_rank_is_refused);
    return tc;
}

TCase *reduce_cases(void)
{
    TCase *tc = tcase_create("reduce");
    tcase_add_loop_test(tc, every_isa_sums_as_ref, 0, SUMS);
    tcase_add_loop_test(tc, gradients_of_sums_match_differences, 0, SUMS);
    tcase_add_test(tc, a_long_mean_is_the_same_on_every_isa_and_thread);
    tcase_add_test(tc, matches_torch_sum_and_mean);
    tcase_add_test(tc, an_axis_that_is_not_there_is_refused);
    return tc;
}
