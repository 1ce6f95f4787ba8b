/* tests/ops/test_instance_norm.c - lib/ops/instance_norm.c: instance and group norm */
#include "support/pntest.h"

enum { PARTS = 4 };
static pn_tensor *plain(pn_graph *g, pn_tensor *const in[]) { return pn_instance_norm(g, in[0], NULL, NULL, 1e-5); }
static pn_tensor *affine(pn_graph *g, pn_tensor *const in[]) { return pn_instance_norm(g, in[0], in[1], in[2], 1e-5); }
static pn_tensor *grouped(pn_graph *g, pn_tensor *const in[])
{
    return pn_group_norm(g, in[0], in[1], in[2], PARTS, 1e-5);
}
static pn_tensor *one_group(pn_graph *g, pn_tensor *const in[]) { return pn_group_norm(g, in[0], NULL, NULL, 1, 1e-5); }

/* channels around a block; a map smaller than a vector, one of odd sizes, one longer than a chunk of the sums */
static const pn_shape cases[][3] = {
    { { 4, { 1, 1, 2, 2 } },   { 1, { 1 } },  { 1, { 1 } } },
    { { 4, { 2, 3, 5, 7 } },   { 1, { 3 } },  { 1, { 3 } } },
    { { 4, { 1, 15, 4, 3 } },  { 1, { 15 } }, { 1, { 15 } } },
    { { 4, { 2, 16, 9, 8 } },  { 1, { 16 } }, { 1, { 16 } } },
    { { 4, { 2, 17, 3, 2 } },  { 1, { 17 } }, { 1, { 17 } } },
    { { 4, { 1, 33, 13, 11 } }, { 1, { 33 } }, { 1, { 33 } } },
    { { 4, { 3, 48, 5, 4 } },  { 1, { 48 } }, { 1, { 48 } } },     /* enough blocks for one plane per item */
};
/* groups of 1, 2, 5 and 12 channels: inside blocks and across them */
static const pn_shape in_groups[][3] = {
    { { 4, { 2, 4, 5, 3 } },  { 1, { 4 } },  { 1, { 4 } } },
    { { 4, { 2, 8, 3, 5 } },  { 1, { 8 } },  { 1, { 8 } } },
    { { 4, { 1, 20, 3, 4 } }, { 1, { 20 } }, { 1, { 20 } } },
    { { 4, { 2, 48, 5, 3 } }, { 1, { 48 } }, { 1, { 48 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases, GROUPED_HERE = sizeof in_groups / sizeof *in_groups };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(plain, cases[_i], 1, PN_TOL_SUM);
    pn_test_parity(affine, cases[_i], 3, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(plain, cases[_i], 1, 0);
    pn_test_gradients(affine, cases[_i], 3, 0);
}
END_TEST
START_TEST(every_isa_agrees_with_ref_on_groups)
{
    pn_test_parity(grouped, in_groups[_i], 3, PN_TOL_SUM);
    pn_test_parity(one_group, in_groups[_i], 1, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_of_groups_match_differences)
{
    pn_test_gradients(grouped, in_groups[_i], 3, 0);
    pn_test_gradients(one_group, in_groups[_i], 1, 0);
}
END_TEST
START_TEST(matches_torch_instance_norm)
{
    pn_test_golden(affine, 3, "instance_norm/affine", PN_TOL_SUM);
    pn_test_golden(plain, 1, "instance_norm/plain", PN_TOL_SUM);
}
END_TEST
START_TEST(matches_torch_group_norm) { pn_test_golden(grouped, 3, "group_norm/g4", PN_TOL_SUM); } END_TEST

/* Numbers around 1000 with deviation 0.01 carry seven bits of it in float; what they carry must come out. */
static void far_from_zero(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++)
        values[i] = (pn_real)(float)(1000 + 0.01 * pn_rng_normal(rng));
}
START_TEST(a_mean_far_above_the_deviation_keeps_its_digits)
{
    static const pn_shape large = { 4, { 1, 3, 200, 180 } };        /* several items per plane */
    pn_test_fill_input(0, far_from_zero);
    pn_test_parity(plain, &large, 1, PN_TOL_SUM);
}
END_TEST

START_TEST(a_weight_without_a_bias_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, cases[1][0]), *weight = pn_test_zeros(g, cases[1][1]);
    ck_assert_ptr_null(pn_instance_norm(g, x, weight, NULL, 1e-5));
    pn_test_refused(g, PN_ERR_ARG, "pn_instance_norm: bias is NULL and weight is not; give both or neither");
    pn_graph_free(g);
}
END_TEST
START_TEST(a_weight_of_other_channels_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, cases[1][0]), *weight = pn_test_zeros(g, cases[2][1]);
    ck_assert_ptr_null(pn_instance_norm(g, x, weight, weight, 1e-5));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_instance_norm: weight is [15], expected [3]");
    pn_graph_free(g);
}
END_TEST
START_TEST(channels_that_do_not_split_are_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_group_norm(g, pn_test_zeros(g, cases[1][0]), NULL, NULL, 2, 1e-5));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_group_norm: 3 channels do not split into 2 groups");
    pn_graph_free(g);
}
END_TEST

TCase *instance_norm_cases(void)
{
    TCase *tc = tcase_create("instance_norm");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch_instance_norm);
    tcase_add_test(tc, a_mean_far_above_the_deviation_keeps_its_digits);
    tcase_add_test(tc, a_weight_without_a_bias_is_refused);
    tcase_add_test(tc, a_weight_of_other_channels_is_refused);
    return tc;
}

TCase *group_norm_cases(void)
{
    TCase *tc = tcase_create("group_norm");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref_on_groups, 0, GROUPED_HERE);
    tcase_add_loop_test(tc, gradients_of_groups_match_differences, 0, GROUPED_HERE);
    tcase_add_test(tc, matches_torch_group_norm);
    tcase_add_test(tc, channels_that_do_not_split_are_refused);
    return tc;
}
