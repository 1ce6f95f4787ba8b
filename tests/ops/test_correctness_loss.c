/* tests/ops/test_correctness_loss.c - lib/ops/correctness_loss.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_correctness_loss(g, in[0], in[1], in[2], NULL); }
static pn_tensor *masked(pn_graph *g, pn_tensor *const in[]) { return pn_correctness_loss(g, in[0], in[1], in[2], in[3]); }

/* three pixels (one has nothing but a match with itself); odd sizes; more pixels than any strip; channels around a
 * block; a coarser flow, a finer one, one of odd ratio */
static const pn_shape cases[][3] = {
    { { 4, { 1, 2, 1, 3 } },   { 4, { 1, 2, 1, 3 } },   { 4, { 1, 2, 1, 3 } } },
    { { 4, { 2, 3, 5, 7 } },   { 4, { 2, 3, 5, 7 } },   { 4, { 2, 2, 5, 7 } } },
    { { 4, { 1, 33, 9, 15 } }, { 4, { 1, 33, 9, 15 } }, { 4, { 1, 2, 9, 15 } } },
    { { 4, { 2, 16, 6, 8 } },  { 4, { 2, 16, 6, 8 } },  { 4, { 2, 2, 3, 4 } } },
    { { 4, { 1, 17, 4, 5 } },  { 4, { 1, 17, 4, 5 } },  { 4, { 1, 2, 8, 9 } } },
    { { 4, { 1, 15, 7, 5 } },  { 4, { 1, 15, 7, 5 } },  { 4, { 1, 2, 3, 4 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

/* As behind a relu: similarities well above 0, which the loss divides by. */
static void positive(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(0.1 + fabs(pn_rng_normal(rng)));
}
static void like_features(void)
{
    pn_test_fill_input(0, positive);
    pn_test_fill_input(1, positive);
}
static void far_flow(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) {
        values[i] = (pn_real)(pn_rng_normal(rng) * (i % 5 == 0 ? 1e30 : 4));
        if (i % 7 == 0) values[i] = (pn_real)(double)pn_rng_below(rng, 5) - 2;
    }
}

START_TEST(every_isa_agrees_with_ref)
{
    like_features();
    pn_test_parity(build, cases[_i], 3, PN_TOL_SUM);
    like_features();
    pn_test_fill_input(2, far_flow);
    pn_test_parity(build, cases[_i], 3, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    like_features();
    pn_test_gradients(build, cases[_i], 3, PN_OFF_GRID | PN_NO_GRAD(0) | PN_NO_GRAD(1));
}
END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(build, 3, "correctness", PN_TOL_SUM);
    pn_test_golden(build, 3, "correctness/other_size", PN_TOL_SUM);
}
END_TEST

/* ---- Masks -------------------------------------------------------------------------------------------------- */

static const pn_shape masked_case[] = {
    { 4, { 2, 17, 9, 7 } }, { 4, { 2, 17, 9, 7 } }, { 4, { 2, 2, 9, 7 } }, { 4, { 2, 1, 9, 7 } },
};

static void zero_or_one(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(pn_rng_u32(rng) % 3 != 0);
}

static void masked_features(void)
{
    like_features();
    pn_test_fill_input(3, zero_or_one);
}

START_TEST(a_mask_agrees_on_every_isa)
{
    masked_features();
    pn_test_parity(masked, masked_case, 4, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_under_a_mask_match_differences)
{
    masked_features();
    pn_test_gradients(masked, masked_case, 4, PN_OFF_GRID | PN_NO_GRAD(0) | PN_NO_GRAD(1) | PN_NO_GRAD(3));
}
END_TEST

static void ones(pn_rng *rng, pn_real *values, pn_shape shape)
{
    (void)rng;
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = 1;
}

/* Half of the mask away: the mean over what is left, which two masks that make up all of it average to. */
START_TEST(a_mask_weighs_positions)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[4], *loss[4];
    pn_real values[3][2 * 17 * 9 * 7], mask[3][2 * 9 * 7], got[4];
    for (int i = 0; i < 3; i++) in[i] = pn_test_zeros(g, masked_case[i]);
    pn_tensor *masks[3] = { pn_test_zeros(g, masked_case[3]), pn_test_zeros(g, masked_case[3]), pn_test_zeros(g, masked_case[3]) };
    for (int i = 0; i < 3; i++) loss[i] = pn_correctness_loss(g, in[0], in[1], in[2], masks[i]);
    loss[3] = build(g, in);
    for (int i = 0; i < 4; i++) pn_output(g, loss[i], PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    pn_rng rng = pn_rng_make(5, 6);
    for (int i = 0; i < 3; i++) {
        positive(&rng, values[i], masked_case[i]);
        pn_set(plan, in[i], values[i]);
    }
    ones(&rng, mask[0], masked_case[3]);
    for (int i = 0; i < 2 * 9 * 7; i++) mask[2][i] = 1 - (mask[1][i] = i % 2 == 0);
    for (int i = 0; i < 3; i++) pn_set(plan, masks[i], mask[i]);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(pn_get(plan, loss[i], &got[i]), PN_OK);
    ck_assert_double_eq_tol((double)got[0], (double)got[3], 1e-6);
    ck_assert_double_eq_tol((double)(got[1] + got[2]) / 2, (double)got[3], 1e-6);
    ck_assert(fabs((double)(got[1] - got[2])) > 1e-4);
    pn_plan_free(plan);
    pn_graph_free(g);
}
END_TEST

START_TEST(a_mask_of_another_size_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[4];
    for (int i = 0; i < 4; i++) in[i] = pn_test_zeros(g, i < 3 ? masked_case[i] : cases[0][2]);
    ck_assert_ptr_null(masked(g, in));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_correctness_loss: mask is [1,2,1,3], expected [2,1,9,7]");
    pn_graph_free(g);
}
END_TEST

/* ---- What is not a number ------------------------------------------------------------------------------ */

static double loss_of(pn_real source, pn_real target, pn_real flow)
{
    const pn_shape *shape = cases[1];
    pn_graph *g = pn_test_graph();
    pn_tensor *in[3];
    for (int i = 0; i < 3; i++) in[i] = pn_test_zeros(g, shape[i]);
    pn_tensor *out = build(g, in);
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    for (int i = 0; i < 3; i++) {
        pn_real value[2 * 3 * 5 * 7];
        pn_rng rng = pn_rng_make(3, (uint64_t)i);
        positive(&rng, value, shape[i]);
        value[40] = i == 0 ? source : i == 1 ? target : flow;
        ck_assert_int_eq(pn_set(plan, in[i], value), PN_OK);
    }
    pn_real loss;
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, &loss), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    return (double)loss;
}

START_TEST(nan_anywhere_gives_nan)
{
    ck_assert(isfinite(loss_of(1, 1, 1)));
    ck_assert(isfinite(loss_of(1, 1, (pn_real)INFINITY)));
    ck_assert(isnan(loss_of((pn_real)NAN, 1, 1)));
    ck_assert(isnan(loss_of(1, (pn_real)NAN, 1)));
    ck_assert(isnan(loss_of(1, 1, (pn_real)NAN)));
}
END_TEST

START_TEST(features_of_another_size_are_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *source = pn_test_zeros(g, cases[1][0]), *target = pn_test_zeros(g, cases[3][1]);
    ck_assert_ptr_null(pn_correctness_loss(g, source, target, pn_test_zeros(g, cases[1][2]), NULL));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_correctness_loss: target is [2,16,6,8], expected [2,3,5,7]");
    pn_graph_free(g);
}
END_TEST

TCase *correctness_loss_cases(void)
{
    TCase *tc = tcase_create("correctness_loss");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, a_mask_agrees_on_every_isa);
    tcase_add_test(tc, gradients_under_a_mask_match_differences);
    tcase_add_test(tc, a_mask_weighs_positions);
    tcase_add_test(tc, a_mask_of_another_size_is_refused);
    tcase_add_test(tc, nan_anywhere_gives_nan);
    tcase_add_test(tc, features_of_another_size_are_refused);
    return tc;
}
