/* tests/ops/test_cross_entropy.c - lib/ops/cross_entropy.c */
#include "support/pntest.h"

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return pn_cross_entropy(g, in[0], in[1]); }
static pn_tensor *build_golden(pn_graph *g, pn_tensor *const in[])
{
    return pn_cross_entropy(g, in[0], pn_test_golden_input(g, "target", pn_shape4(2, 1, 4, 5)));
}

static const pn_shape cases[][2] = {
    { { 4, { 1, 1, 1, 1 } }, { 4, { 1, 1, 1, 1 } } }, { { 4, { 2, 7, 4, 5 } }, { 4, { 2, 1, 4, 5 } } },
    { { 4, { 1, 20, 9, 33 } }, { 4, { 1, 1, 9, 33 } } }, { { 4, { 2, 3, 64, 40 } }, { 4, { 2, 1, 64, 40 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

/* Classes 0 and 1, and much that is none: 255, -1, 0.5, NaN, too large for an index. */
static void labels(pn_rng *rng, pn_real *values, pn_shape shape)
{
    static const pn_real some[] = { 0, 1, 0, 255, -1, (pn_real)0.5, (pn_real)NAN, (pn_real)1e30 };
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = some[i ? pn_rng_below(rng, 8) : 0];
}

static void large(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(1000 * pn_rng_normal(rng));
}

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_fill_input(1, labels);
    pn_test_parity(build, cases[_i], 2, PN_TOL_EXP);
}
END_TEST
START_TEST(large_logits_do_not_overflow)
{
    pn_test_fill_input(0, large);
    pn_test_fill_input(1, labels);
    pn_test_parity(build, cases[_i], 2, 1e-3);          /* exp of a difference of numbers near 1000: 6e-5 in each */
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_fill_input(1, labels);
    pn_test_gradients(build, cases[_i], 2, PN_NO_GRAD(1));
}
END_TEST
START_TEST(matches_torch) { pn_test_golden(build_golden, 1, "cross_entropy/logits_axis1", PN_TOL_EXP); } END_TEST

START_TEST(without_any_class_it_is_zero)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *logits = pn_input(g, "logits", cases[1][0], PN_GRAD), *classes = pn_input(g, "classes", cases[1][1], PN_CONST);
    pn_tensor *loss = pn_cross_entropy(g, logits, classes);
    pn_loss(g, loss);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    pn_real values[280], v;
    pn_test_random("logits", values, 280);
    ck_assert_int_eq(pn_set(plan, logits, values), PN_OK);
    for (int i = 0; i < 40; i++) values[i] = 255;
    ck_assert_int_eq(pn_set(plan, classes, values), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, loss, &v), PN_OK);
    ck_assert(v == 0);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    ck_assert_int_eq(pn_get_grad(plan, logits, values), PN_OK);
    for (int i = 0; i < 280; i++) ck_assert(values[i] == 0);
    pn_plan_free(plan);
    pn_graph_free(g);
}
END_TEST

START_TEST(classes_of_another_size_are_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_cross_entropy(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[2][1])));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_cross_entropy: classes is [1,1,9,33], expected [2,1,4,5]");
    pn_graph_free(g);
}
END_TEST

TCase *cross_entropy_cases(void)
{
    TCase *tc = tcase_create("cross_entropy");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, large_logits_do_not_overflow, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, without_any_class_it_is_zero);
    tcase_add_test(tc, classes_of_another_size_are_refused);
    return tc;
}
