/* tests/ops/test_flow_regularisation.c - lib/ops/flow_regularisation.c */
#include "support/pntest.h"

static pn_tensor *by_2(pn_graph *g, pn_tensor *const in[]) { return pn_flow_regularisation(g, in[0], 2); }
static pn_tensor *by_3(pn_graph *g, pn_tensor *const in[]) { return pn_flow_regularisation(g, in[0], 3); }
static pn_tensor *by_5(pn_graph *g, pn_tensor *const in[]) { return pn_flow_regularisation(g, in[0], 5); }

/* as small as the kernel; odd sizes; rows around a vector and longer than two */
static const pn_shape cases[] = {
    { 4, { 1, 2, 5, 5 } },  { 4, { 2, 2, 6, 7 } },  { 4, { 3, 2, 7, 20 } },
    { 4, { 1, 2, 9, 21 } }, { 4, { 1, 2, 6, 70 } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(by_2, &cases[_i], 1, PN_TOL_SUM);
    pn_test_parity(by_3, &cases[_i], 1, PN_TOL_SUM);
    pn_test_parity(by_5, &cases[_i], 1, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(by_2, &cases[_i], 1, 0);
    pn_test_gradients(by_3, &cases[_i], 1, 0);
    pn_test_gradients(by_5, &cases[_i], 1, 0);
}
END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(by_3, 1, "regularisation/k3", PN_TOL_SUM);
    pn_test_golden(by_5, 1, "regularisation/k5", PN_TOL_SUM);
}
END_TEST

static double loss_of(const pn_real *flow, pn_shape shape)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in = pn_test_zeros(g, shape), *out = by_3(g, &in);
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    pn_real loss;
    ck_assert_int_eq(pn_set(plan, in, flow), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, &loss), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    return (double)loss;
}

START_TEST(an_affine_flow_costs_nothing_and_nan_gives_nan)
{
    pn_real flow[2 * 7 * 20];
    for (int i = 0; i < 2 * 7 * 20; i++) flow[i] = (pn_real)(30 + 0.5 * (i / 20 % 7) - 0.25 * (i % 20));
    const pn_shape shape = { 4, { 1, 2, 7, 20 } };
    ck_assert_double_le(fabs(loss_of(flow, shape)), 1e-9);
    flow[7 * 20 - 1] = (pn_real)NAN;
    ck_assert(isnan(loss_of(flow, shape)));
}
END_TEST

START_TEST(a_map_smaller_than_the_patch_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_flow_regularisation(g, pn_test_zeros(g, cases[0]), 7));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_flow_regularisation: flow is [1,2,5,5], expected 7 rows and columns or more");
    pn_graph_free(g);
}
END_TEST

TCase *flow_regularisation_cases(void)
{
    TCase *tc = tcase_create("flow_regularisation");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, an_affine_flow_costs_nothing_and_nan_gives_nan);
    tcase_add_test(tc, a_map_smaller_than_the_patch_is_refused);
    return tc;
}
