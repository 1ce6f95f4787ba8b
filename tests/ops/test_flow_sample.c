/* tests/ops/test_flow_sample.c - lib/ops/flow_sample.c: flow_sample and gauss_sample */
#include "support/pntest.h"

static pn_tensor *repeat(pn_graph *g, pn_tensor *const in[]) { return pn_flow_sample(g, in[0], in[1], PN_BORDER_REPLICATE); }
static pn_tensor *zero(pn_graph *g, pn_tensor *const in[]) { return pn_flow_sample(g, in[0], in[1], PN_BORDER_ZERO); }
static pn_tensor *gauss_repeat(pn_graph *g, pn_tensor *const in[])
{
    return pn_gauss_sample(g, in[0], in[1], 2, 2, PN_BORDER_REPLICATE);
}
static pn_tensor *gauss_zero(pn_graph *g, pn_tensor *const in[]) { return pn_gauss_sample(g, in[0], in[1], 2, 2, PN_BORDER_ZERO); }
static pn_tensor *gauss_wide(pn_graph *g, pn_tensor *const in[])
{
    return pn_gauss_sample(g, in[0], in[1], 3, 0.6, PN_BORDER_REPLICATE);
}

static pn_test_build *const builds[] = { repeat, zero, gauss_repeat, gauss_zero, gauss_wide };
enum { BUILDS = sizeof builds / sizeof *builds };

/* a single pixel; odd sizes; channels around a block; a row one longer than every vector; x smaller than the flow,
 * and larger; more than one run of a row */
static const pn_shape cases[][2] = {
    { { 4, { 1, 1, 1, 1 } }, { 4, { 1, 2, 1, 1 } } }, { { 4, { 2, 3, 5, 7 } }, { 4, { 2, 2, 5, 7 } } },
    { { 4, { 1, 15, 4, 3 } }, { 4, { 1, 2, 4, 3 } } }, { { 4, { 2, 17, 8, 33 } }, { 4, { 2, 2, 8, 33 } } },
    { { 4, { 1, 33, 3, 2 } }, { 4, { 1, 2, 9, 18 } } }, { { 4, { 2, 16, 9, 7 } }, { 4, { 2, 2, 2, 4 } } },
    { { 4, { 1, 3, 3, 140 } }, { 4, { 1, 2, 2, 131 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

/* Fractions in [0.2, 0.8], as PN_OFF_GRID has them, but many pixels long: most places lie outside, on all sides. */
static void far(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++)
        values[i] = (pn_real)((double)(pn_rng_below(rng, 41) - 20) + 0.2 + 0.6 * pn_rng_uniform(rng));
}

/* Gradients add up what many places read of one pixel, and the flow's what many channels say. On a map of one pixel the
 * Gaussian's flow has a gradient of rounding errors alone: nothing to compare. */
static void parity(int build, int shape, pn_test_fill *flow)
{
    const bool gaussian = build >= 2;
    if (gaussian && shape == 0) return;
    pn_test_fill_input(1, flow);
    pn_test_parity(builds[build], cases[shape], 2, PN_TOL_SUM);
}

START_TEST(every_isa_agrees_with_ref)
{
    for (int b = 0; b < BUILDS; b++) parity(b, _i, NULL);
}
END_TEST
START_TEST(every_isa_agrees_with_ref_far_outside)
{
    for (int b = 0; b < BUILDS; b++) parity(b, _i, far);
}
END_TEST
START_TEST(gradients_match_differences)
{
    for (int b = 0; b < BUILDS; b++) pn_test_gradients(builds[b], cases[_i], 2, PN_OFF_GRID);
}
END_TEST
START_TEST(gradients_match_differences_far_outside)
{
    for (int b = 0; b < BUILDS; b++) {
        pn_test_fill_input(1, far);
        pn_test_gradients(builds[b], cases[_i], 2, 0);
    }
}
END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(repeat, 2, "flow_sample/replicate", PN_TOL_SUM4);
    pn_test_golden(zero, 2, "flow_sample/zero", PN_TOL_SUM4);
    pn_test_golden(gauss_repeat, 2, "gauss_sample/replicate", PN_TOL_EXP);
    pn_test_golden(gauss_zero, 2, "gauss_sample/zero", PN_TOL_EXP);
}
END_TEST

/* ---- Places that are no numbers -------------------------------------------------------------------------------------------- */

typedef struct { pn_real y, dx[6], dflow[2]; } seen;

/* x is 2 rows of 3, 1 to 6; one place, read with this flow. */
static seen look(pn_isa isa, pn_test_build *build, pn_real along, pn_real down)
{
    static const pn_real x[6] = { 1, 2, 3, 4, 5, 6 };
    pn_ctx *ctx = pn_test_ctx_new(isa, 1);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in[] = { pn_input(g, "x", pn_shape4(1, 1, 2, 3), PN_GRAD), pn_input(g, "flow", pn_shape4(1, 2, 1, 1), PN_GRAD) };
    pn_tensor *y = build(g, (pn_tensor *[]){ pn_test_probe(g, in[0], PN_TEST_BLOCKED), in[1] });
    pn_loss(g, y);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    seen s;
    ck_assert_int_eq(pn_set(plan, in[0], x), PN_OK);
    ck_assert_int_eq(pn_set(plan, in[1], (pn_real[]){ along, down }), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, y, &s.y), PN_OK);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    ck_assert_int_eq(pn_get_grad(plan, in[0], s.dx), PN_OK);
    ck_assert_int_eq(pn_get_grad(plan, in[1], s.dflow), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
    return s;
}

static bool near(pn_real a, double b) { return fabs((double)a - b) < 1e-5; }

START_TEST(infinite_flow_is_far_outside_and_nan_flow_gives_nan)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    const pn_real nan = (pn_real)NAN, inf = (pn_real)INFINITY;
    for (int i = 0; i < n; i++)
        for (int b = 0; b < BUILDS; b++) {
            const bool outside_is_zero = builds[b] == zero || builds[b] == gauss_zero;
            seen s = look(isas[i], builds[b], inf, -inf);
            ck_assert(near(s.y, outside_is_zero ? 0 : 3));
            ck_assert(near(s.dx[2], outside_is_zero ? 0 : 1));
            ck_assert(near(s.dflow[0], 0) && near(s.dflow[1], 0));
            s = look(isas[i], builds[b], (pn_real)-3e38, (pn_real)3e38);
            ck_assert(near(s.y, outside_is_zero ? 0 : 4));
            ck_assert(near(s.dx[3], outside_is_zero ? 0 : 1));
            ck_assert(isnan(look(isas[i], builds[b], nan, 0).y));
            s = look(isas[i], builds[b], inf, nan);
            ck_assert(isnan(s.y) && isnan(s.dflow[0]) && isnan(s.dflow[1]));
        }
}
END_TEST

START_TEST(a_whole_pixel_takes_the_slope_to_the_right_and_below)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const seen s = look(isas[i], repeat, 1, 0);
        ck_assert(near(s.y, 2) && near(s.dx[1], 1) && near(s.dflow[0], 1) && near(s.dflow[1], 3));
        const seen corner = look(isas[i], repeat, 2, 1);
        ck_assert(near(corner.y, 6) && near(corner.dflow[0], 0) && near(corner.dflow[1], 0));
    }
}
END_TEST

/* ---- Refusals --------------------------------------------------------------------------------------------------------------- */

START_TEST(a_flow_of_other_planes_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_flow_sample(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[3][0]), PN_BORDER_ZERO));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_flow_sample: flow is [2,17,8,33], expected [2,2,8,33]");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_flow_sample(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[1][1]), PN_BORDER_REFLECT));
    pn_test_refused(g, PN_ERR_ARG, "border is REFLECT, expected ZERO or REPLICATE");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_gauss_sample(g, pn_test_zeros(g, cases[1][0]), pn_test_zeros(g, cases[1][1]), 9, 2, PN_BORDER_ZERO));
    pn_test_refused(g, PN_ERR_ARG, "pn_gauss_sample: radius is 9, expected 1 to 8");
    pn_graph_free(g);
}
END_TEST

TCase *flow_sample_cases(void)
{
    TCase *tc = tcase_create("flow_sample");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, every_isa_agrees_with_ref_far_outside, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences_far_outside, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, infinite_flow_is_far_outside_and_nan_flow_gives_nan);
    tcase_add_test(tc, a_whole_pixel_takes_the_slope_to_the_right_and_below);
    tcase_add_test(tc, a_flow_of_other_planes_is_refused);
    return tc;
}
