/* tests/ops/test_region.c - lib/ops/region_pool.c, lib/ops/region_spread.c, lib/ops/region_match.c */
#include "support/pntest.h"

static pn_tensor *pool(pn_graph *g, pn_tensor *const in[]) { return pn_region_pool(g, in[0], in[1], 1); }
static pn_tensor *pool_of_more(pn_graph *g, pn_tensor *const in[]) { return pn_region_pool(g, in[0], in[1], 4.5); }
static pn_tensor *spread(pn_graph *g, pn_tensor *const in[]) { return pn_region_spread(g, in[0], in[1]); }
static pn_tensor *match(pn_graph *g, pn_tensor *const in[]) { return pn_region_match(g, in[0], in[1]); }

/* x, w, codes: a single number; channels around one and several blocks; regions around every register tile; more pixels than
 * a chunk of the sums */
static const pn_shape cases[][3] = {
    { { 4, { 1, 1, 1, 1 } },   { 4, { 1, 1, 1, 1 } },  { 3, { 1, 1, 1 } } },
    { { 4, { 2, 5, 3, 7 } },   { 4, { 2, 9, 3, 7 } },  { 3, { 2, 9, 5 } } },
    { { 4, { 1, 16, 5, 5 } },  { 4, { 1, 8, 5, 5 } },  { 3, { 1, 8, 16 } } },
    { { 4, { 2, 33, 4, 33 } }, { 4, { 2, 10, 4, 33 } }, { 3, { 2, 10, 33 } } },
    { { 4, { 1, 20, 40, 41 } }, { 4, { 1, 3, 40, 41 } }, { 3, { 1, 3, 20 } } },
    { { 4, { 2, 15, 9, 31 } }, { 4, { 2, 19, 9, 31 } }, { 3, { 2, 19, 15 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

static void weights(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(0.1 + 0.9 * pn_rng_uniform(rng));
}

/* Sums below 1, for which the divisor is constant. */
static void small_weights(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++)
        values[i] = (pn_real)(0.5 * pn_rng_uniform(rng) / (double)(shape.dim[2] * shape.dim[3]));
}

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_fill_input(1, weights);
    pn_test_parity(pool, cases[_i], 2, PN_TOL_SUM);
    pn_test_fill_input(1, small_weights);
    pn_test_parity(pool, cases[_i], 2, PN_TOL_SUM);
    const pn_shape spread_of[] = { cases[_i][2], cases[_i][1] };
    pn_test_fill_input(1, weights);
    pn_test_parity(spread, spread_of, 2, PN_TOL_SUM);
    pn_test_parity(match, (const pn_shape[]){ cases[_i][2], cases[_i][0] }, 2, PN_TOL_SUM);
}
END_TEST

START_TEST(gradients_match_differences)
{
    pn_test_fill_input(1, weights);
    pn_test_gradients(pool, cases[_i], 2, 0);
    pn_test_fill_input(1, small_weights);
    pn_test_gradients(pool, cases[_i], 2, 0);
    const pn_shape spread_of[] = { cases[_i][2], cases[_i][1] };
    pn_test_gradients(spread, spread_of, 2, 0);
    pn_test_gradients(match, (const pn_shape[]){ cases[_i][2], cases[_i][0] }, 2, 0);
}
END_TEST

START_TEST(matches_torch)
{
    pn_test_golden(pool, 2, "graph/region_pool/soft", PN_TOL_SUM4);
    pn_test_golden(pool_of_more, 2, "graph/region_pool/hard", PN_TOL_SUM4);
    pn_test_golden(spread, 2, "graph/region_spread", PN_TOL_SUM4);
    pn_test_golden(match, 2, "region_match", PN_TOL_SUM4);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    const pn_shape x = pn_shape4(2, 40, 33, 35), w = pn_shape4(2, 9, 33, 35), codes = pn_shape3(2, 9, 40);
    pn_test_fill_input(1, weights);
    pn_test_threads(pool, (const pn_shape[]){ x, w }, 2);
    pn_test_fill_input(1, weights);
    pn_test_threads(spread, (const pn_shape[]){ codes, w }, 2);
    pn_test_threads(match, (const pn_shape[]){ codes, x }, 2);
}
END_TEST

/* ---- Codes of what is constant, and of nothing ------------------------------------------------------------------------------ */

enum { REGIONS = 3, CHANNELS = 20, SIDE = 6, AREA = SIDE * SIDE };

/* The codes [2][REGIONS][CHANNELS] and areas [2][REGIONS]. Sample 0: feature c is 0.3 c - 2 + k in region k, its left and its
 * right half; region 2 is empty. Sample 1 has no region at all. */
static void pooled(pn_isa isa, pn_real *codes, pn_real *areas)
{
    static pn_real x[2 * CHANNELS * AREA], w[2 * REGIONS * AREA];
    for (int p = 0; p < AREA; p++) {
        const int k = p % SIDE >= SIDE / 2;
        w[k * AREA + p] = 1;
        for (int c = 0; c < CHANNELS; c++)
            x[c * AREA + p] = x[(CHANNELS + c) * AREA + p] = (pn_real)(0.3 * c - 2 + k);
    }
    pn_ctx *ctx = pn_test_ctx_new(isa, 2);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in = pn_input(g, "x", pn_shape4(2, CHANNELS, SIDE, SIDE), PN_CONST);
    pn_tensor *by = pn_input(g, "w", pn_shape4(2, REGIONS, SIDE, SIDE), PN_CONST);
    pn_tensor *y = pn_region_pool(g, in, by, 1), *area = pn_saved_of(g, y, 0);
    pn_output(g, y, PN_CONST);
    pn_output(g, area, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(ctx));
    ck_assert_int_eq(pn_set(plan, in, x), PN_OK);
    ck_assert_int_eq(pn_set(plan, by, w), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, y, codes), PN_OK);
    ck_assert_int_eq(pn_get(plan, area, areas), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
}

START_TEST(a_constant_region_has_that_code_and_an_empty_one_has_zero)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        pn_real codes[2 * REGIONS * CHANNELS], areas[2 * REGIONS];
        pooled(isas[i], codes, areas);
        for (int c = 0; c < CHANNELS; c++)
            for (int k = 0; k < 2; k++) ck_assert_double_eq_tol((double)codes[k * CHANNELS + c], 0.3 * c - 2 + k, 1e-6);
        for (int j = 2 * CHANNELS; j < 2 * REGIONS * CHANNELS; j++)
            if (codes[j] != 0) ck_abort_msg("%s: number %d of an empty region is %g", pn_isa_name(isas[i]), j, (double)codes[j]);
        const pn_real should[2 * REGIONS] = { AREA / 2, AREA / 2, 0, 0, 0, 0 };
        for (int j = 0; j < 2 * REGIONS; j++) ck_assert_double_eq((double)areas[j], (double)should[j]);
    }
}
END_TEST

/* ---- Refusals ----------------------------------------------------------------------------------------------------------------- */

START_TEST(what_does_not_fit_is_refused)
{
    static const double leasts[] = { 0, -1, (double)INFINITY, (double)NAN };
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_region_pool(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, pn_shape4(2, 9, 3, 6)), 1));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_region_pool: w is [2,9,3,6], expected [2,9,3,7]");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_region_spread(g, pn_test_zeros(g, cases[1][2]), pn_test_zeros(g, pn_shape4(2, 8, 3, 7))));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_region_spread: w is [2,8,3,7], expected [2,9,3,7]");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_region_spread(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[1][1])));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_region_spread: codes is [2,5,3,7], expected rank 3");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_region_match(g, pn_test_zeros(g, pn_shape3(2, 9, 4)), pn_test_zeros(g, cases[1][0])));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_region_match: codes is [2,9,4], expected [2,9,5]");
    pn_graph_free(g);
    for (int i = 0; i < 4; i++) {
        g = pn_test_graph();
        ck_assert_ptr_null(pn_region_pool(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[1][1]), leasts[i]));
        pn_test_refused(g, PN_ERR_ARG, "expected a number above 0");
        pn_graph_free(g);
    }
}
END_TEST

TCase *region_cases(void)
{
    TCase *tc = tcase_create("region");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(tc, a_constant_region_has_that_code_and_an_empty_one_has_zero);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
