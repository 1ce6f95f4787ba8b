/* tests/ops/test_unit_channels.c - lib/ops/unit_channels.c */
#include "support/pntest.h"

static pn_tensor *raw(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *y = pn_unit_channels(g, in[0], PN_RAW, 1e-6);
    if (pn_saved_of(g, y, 0)) pn_output(g, pn_saved_of(g, y, 0), PN_CONST);
    return y;
}
static pn_tensor *centred(pn_graph *g, pn_tensor *const in[]) { return pn_unit_channels(g, in[0], PN_CENTRED, 0.1); }

static const pn_shape cases[] = {
    { 4, { 1, 2, 1, 1 } }, { 4, { 2, 5, 3, 4 } }, { 4, { 1, 15, 5, 7 } }, { 4, { 2, 33, 3, 33 } }, { 4, { 1, 128, 9, 8 } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(raw, &cases[_i], 1, PN_TOL_SUM);
    pn_test_parity(centred, &cases[_i], 1, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(raw, &cases[_i], 1, 0);
    pn_test_gradients(centred, &cases[_i], 1, 0);
}
END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(raw, 1, "unit_channels/raw", PN_TOL_SUM4);
    pn_test_golden(centred, 1, "unit_channels/centred", PN_TOL_SUM4);
}
END_TEST

/* ---- Vectors of zeros ---------------------------------------------------------------------------------------------- */

/* Every second pixel holds nothing, or the same number in all channels. */
static void some_constant(pn_rng *rng, pn_real *values, pn_shape shape, double constant)
{
    const ptrdiff_t area = shape.dim[2] * shape.dim[3];
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++)
        values[i] = (pn_real)(i % area % 2 ? constant : pn_rng_uniform(rng) - 0.5);
}
static void some_nothing(pn_rng *rng, pn_real *values, pn_shape shape) { some_constant(rng, values, shape, 0); }
static void some_alike(pn_rng *rng, pn_real *values, pn_shape shape) { some_constant(rng, values, shape, 0.1); }

enum { C = 20, AREA = 12 };

static void look(pn_isa isa, pn_test_layout layout, pn_centring centring, pn_real *y, pn_real *dx)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, 1);
    pn_graph *g = pn_graph_new(ctx);
    const pn_shape shape = pn_shape4(1, C, 3, 4);
    pn_real x[C * AREA], dy[C * AREA];
    pn_test_random("x", x, C * AREA);
    pn_test_random("dy", dy, C * AREA);
    for (int i = 0; i < C * AREA; i++)
        if (i % AREA % 2) x[i] = (pn_real)(centring == PN_RAW ? 0 : 0.1);
    pn_tensor *in = pn_input(g, "x", shape, PN_GRAD);
    pn_tensor *out = pn_unit_channels(g, pn_test_probe(g, in, layout), centring, 1e-6);
    pn_output(g, out, PN_GRAD);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(ctx));
    ck_assert_int_eq(pn_set(plan, in, x), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, y), PN_OK);
    ck_assert_int_eq(pn_set_grad(plan, out, dy), PN_OK);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    ck_assert_int_eq(pn_get_grad(plan, in, dx), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
}

START_TEST(zeros_give_zeros_and_pass_no_gradient)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n * 4; i++) {
        pn_real y[C * AREA], dx[C * AREA];
        look(isas[i / 4], i % 2 ? PN_TEST_PLANAR : PN_TEST_BLOCKED, i % 4 < 2 ? PN_RAW : PN_CENTRED, y, dx);
        for (int k = 0; k < C * AREA; k++) {
            const bool zero = k % AREA % 2;
            ck_assert_msg((y[k] == 0) == zero && (dx[k] == 0) == zero, "at %d: %g, gradient %g", k, (double)y[k],
                          (double)dx[k]);
        }
    }
    pn_test_fill_input(0, some_nothing);
    pn_test_parity(raw, &cases[3], 1, PN_TOL_SUM);
    pn_test_fill_input(0, some_alike);
    pn_test_parity(centred, &cases[3], 1, PN_TOL_SUM);
}
END_TEST

START_TEST(what_is_no_map_or_no_epsilon_is_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_unit_channels(g, pn_test_zeros(g, pn_shape3(2, 3, 4)), PN_RAW, 1e-6));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_unit_channels: x is [2,3,4]");
    pn_graph_free(g);
    static const double wrong[] = { 0, -1, (double)NAN, (double)INFINITY };
    for (int i = 0; i < 4; i++) {
        g = pn_test_graph();
        ck_assert_ptr_null(pn_unit_channels(g, pn_test_zeros(g, cases[1]), PN_RAW, wrong[i]));
        pn_test_refused(g, PN_ERR_ARG, "expected a positive number, as 1e-6");
        pn_graph_free(g);
    }
}
END_TEST

TCase *unit_channels_cases(void)
{
    TCase *tc = tcase_create("unit_channels");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, zeros_give_zeros_and_pass_no_gradient);
    tcase_add_test(tc, what_is_no_map_or_no_epsilon_is_refused);
    return tc;
}
