/* tests/ops/test_pool2d.c - lib/ops/pool2d.c: avg_pool2d and max_pool2d */
#include "support/pntest.h"

static const pn_pool_opt halve = { .kernel = { 2, 2 } };
static const pn_pool_opt overlap = { .kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 } };
static const pn_pool_opt lopsided = { .kernel = { 3, 2 }, .stride = { 1, 3 }, .pad = { 2, 0 } };

static pn_tensor *avg_halve(pn_graph *g, pn_tensor *const in[]) { return pn_avg_pool2d(g, in[0], halve); }
static pn_tensor *avg_overlap(pn_graph *g, pn_tensor *const in[]) { return pn_avg_pool2d(g, in[0], overlap); }
static pn_tensor *avg_lopsided(pn_graph *g, pn_tensor *const in[]) { return pn_avg_pool2d(g, in[0], lopsided); }
static pn_tensor *max_halve(pn_graph *g, pn_tensor *const in[]) { return pn_max_pool2d(g, in[0], halve); }
static pn_tensor *max_overlap(pn_graph *g, pn_tensor *const in[]) { return pn_max_pool2d(g, in[0], overlap); }
static pn_tensor *max_lopsided(pn_graph *g, pn_tensor *const in[]) { return pn_max_pool2d(g, in[0], lopsided); }

static pn_test_build *const avg[] = { avg_halve, avg_overlap, avg_lopsided };
static pn_test_build *const max[] = { max_halve, max_overlap, max_lopsided };

/* no pixel left over; some left over on both sides; channels around a block; a plane of several rows per thread */
static const pn_shape cases[] = {
    { 4, { 1, 1, 2, 2 } }, { 4, { 2, 3, 5, 7 } }, { 4, { 1, 15, 6, 4 } }, { 4, { 2, 16, 3, 9 } }, { 4, { 1, 33, 7, 17 } },
    { 4, { 1, 3, 32, 35 } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(avg_every_isa_agrees_with_ref)
{
    for (int k = 0; k < 3; k++) pn_test_parity(avg[k], &cases[_i], 1, PN_TOL_SUM4);
}
END_TEST
START_TEST(avg_gradients_match_differences)
{
    for (int k = 0; k < 3; k++) pn_test_gradients(avg[k], &cases[_i], 1, 0);
}
END_TEST
/* Larger windows that tile: planar maps have loops of their own for these. Whole, and with some left over on both sides. */
static const pn_pool_opt quarter = { .kernel = { 4, 4 } }, uneven = { .kernel = { 2, 5 } };
static const pn_shape large[] = { { 4, { 1, 3, 16, 20 } }, { 4, { 2, 5, 11, 23 } }, { 4, { 1, 18, 9, 14 } } };
static pn_tensor *avg_quarter(pn_graph *g, pn_tensor *const in[]) { return pn_avg_pool2d(g, in[0], quarter); }
static pn_tensor *avg_uneven(pn_graph *g, pn_tensor *const in[]) { return pn_avg_pool2d(g, in[0], uneven); }

START_TEST(avg_of_larger_windows_agrees_and_has_gradients)
{
    static pn_test_build *const builds[] = { avg_quarter, avg_uneven };
    for (int k = 0; k < 2; k++) {
        pn_test_parity(builds[k], &large[_i], 1, PN_TOL_SUM4);
        pn_test_gradients(builds[k], &large[_i], 1, 0);
    }
}
END_TEST
START_TEST(avg_matches_torch)
{
    pn_test_golden(avg_halve, 1, "avg_pool/k2s2", PN_TOL_SUM4);
    pn_test_golden(avg_overlap, 1, "avg_pool/k3s2p1_count_include_pad", PN_TOL_SUM4);
}
END_TEST

START_TEST(max_every_isa_agrees_with_ref)
{
    for (int k = 0; k < 3; k++) pn_test_parity(max[k], &cases[_i], 1, PN_TOL_SUM4);
}
END_TEST
START_TEST(max_gradients_match_differences)
{
    for (int k = 0; k < 3; k++) pn_test_gradients(max[k], &cases[_i], 1, 0);
}
END_TEST
START_TEST(max_matches_torch)
{
    pn_test_golden(max_halve, 1, "max_pool/k2s2", PN_TOL_SUM4);
    pn_test_golden(max_overlap, 1, "max_pool/k3s2p1", PN_TOL_SUM4);
}
END_TEST

/* Whole numbers of few kinds: nearly every window has its largest several times. */
static void few_values(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)pn_rng_below(rng, 2);
}

START_TEST(the_first_of_equal_numbers_takes_the_gradient_on_every_isa)
{
    for (int k = 0; k < 3; k++) {
        pn_test_fill_input(0, few_values);
        pn_test_parity(max[k], &cases[_i], 1, PN_TOL_SUM4);
    }
}
END_TEST

/* One window: what it gives for x, and where the gradient goes. */
static int winner(pn_isa isa, const pn_real x[4], pn_real *largest)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, 1);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in = pn_input(g, "x", pn_shape4(1, 1, 2, 2), PN_GRAD);
    pn_tensor *y = pn_max_pool2d(g, pn_test_probe(g, in, PN_TEST_BLOCKED), halve);
    pn_loss(g, y);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    pn_real dx[4] = { 0 };
    ck_assert_int_eq(pn_set(plan, in, x), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, y, largest), PN_OK);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    ck_assert_int_eq(pn_get_grad(plan, in, dx), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
    int at = -1;
    for (int i = 0; i < 4; i++)
        if (dx[i] != 0) {
            ck_assert_int_eq(at, -1);
            ck_assert(dx[i] == 1);
            at = i;
        }
    return at;
}

START_TEST(nan_and_infinity_come_through)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    const pn_real nan = (pn_real)NAN, inf = (pn_real)INFINITY;
    for (int i = 0; i < n; i++) {
        pn_real v;
        ck_assert_int_eq(winner(isas[i], (pn_real[]){ 1, inf, nan, nan }, &v), 2);
        ck_assert(isnan(v));
        ck_assert_int_eq(winner(isas[i], (pn_real[]){ nan, inf, 3, 4 }, &v), 0);
        ck_assert(isnan(v));
        ck_assert_int_eq(winner(isas[i], (pn_real[]){ -inf, -inf, -inf, -5 }, &v), 3);
        ck_assert(v == -5);
        ck_assert_int_eq(winner(isas[i], (pn_real[]){ -inf, -inf, -inf, -inf }, &v), 0);
        ck_assert(v == -inf);
    }
}
END_TEST

START_TEST(a_window_larger_than_the_map_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_max_pool2d(g, pn_test_zeros(g, pn_shape4(1, 3, 4, 1)), halve));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_max_pool2d: a window of 2 does not fit an extent of 1");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_avg_pool2d(g, pn_test_zeros(g, cases[1]), (pn_pool_opt){ .kernel = { 2, 2 }, .pad = { 0, 2 } }));
    pn_test_refused(g, PN_ERR_ARG, "pn_avg_pool2d: pad is 2, expected 0 to 1, less than the kernel");
    pn_graph_free(g);
}
END_TEST

TCase *pool2d_cases(void)
{
    TCase *tc = tcase_create("pool2d");
    tcase_add_loop_test(tc, avg_every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, avg_gradients_match_differences, 0, CASES_HERE);
    tcase_add_loop_test(tc, avg_of_larger_windows_agrees_and_has_gradients, 0, 3);
    tcase_add_test(tc, avg_matches_torch);
    tcase_add_loop_test(tc, max_every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, max_gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, max_matches_torch);
    tcase_add_loop_test(tc, the_first_of_equal_numbers_takes_the_gradient_on_every_isa, 1, CASES_HERE);
    tcase_add_test(tc, nan_and_infinity_come_through);
    tcase_add_test(tc, a_window_larger_than_the_map_is_refused);
    return tc;
}
