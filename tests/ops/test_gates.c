/* tests/ops/test_gates.c - lib/ops/modulate.c, lib/ops/gelu_gate.c */
#include "support/pntest.h"

static pn_tensor *modulate(pn_graph *g, pn_tensor *const in[]) { return pn_modulate(g, in[0], in[1], in[2]); }
static pn_tensor *halves(pn_graph *g, pn_tensor *const in[]) { return pn_modulate(g, in[0], in[1], NULL); }
static pn_tensor *gate(pn_graph *g, pn_tensor *const in[]) { return pn_gelu_gate(g, in[0]); }
/* Of a norm, which then is read through its lines; the second with an activation between. */
static pn_tensor *of_norm(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = pn_instance_norm(g, in[0], NULL, NULL, 1e-5);
    return pn_modulate(g, x, in[1], NULL);
}
static pn_tensor *of_active_norm(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *x = pn_instance_norm(g, in[0], NULL, NULL, 1e-5);
    x = pn_leaky_relu(g, x, 0.1);
    return pn_modulate(g, x, in[1], in[2]);
}

/* A single number; channels around one and several blocks; sizes past a span. */
static const pn_shape cases[][3] = {
#define MAPS(N, C, H, W) { { 4, { N, C, H, W } }, { 4, { N, C, H, W } }, { 4, { N, C, H, W } } }
    MAPS(1, 1, 1, 1), MAPS(2, 5, 3, 7), MAPS(2, 16, 5, 3), MAPS(1, 32, 4, 9), MAPS(2, 33, 3, 5), MAPS(3, 48, 41, 37),
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

/* The same with two maps in one. */
static void doubled(const pn_shape *of, pn_shape both[2])
{
    both[0] = both[1] = of[0];
    both[1].dim[1] *= 2;
}

/* Gain and shift of a sample's channels, or one map for all channels. */
static void repeated(const pn_shape *of, bool channels, pn_shape out[3])
{
    const ptrdiff_t *d = of[0].dim;
    out[0] = of[0];
    out[1] = out[2] = channels ? pn_shape4(d[0], 1, d[2], d[3]) : pn_shape4(d[0], d[1], 1, 1);
}

START_TEST(every_isa_agrees_with_ref)
{
    pn_shape both[2];
    doubled(cases[_i], both);
    pn_test_parity(modulate, cases[_i], 3, PN_TOL_SUM4);
    pn_test_parity(halves, both, 2, PN_TOL_SUM4);
    pn_test_parity(gate, both + 1, 1, PN_TOL_EXP);
    for (int channels = 0; channels < 2; channels++) {
        pn_shape few[3];
        repeated(cases[_i], channels, few);
        pn_test_parity(modulate, few, 3, PN_TOL_SUM);
    }
    if (_i == 0) return;                                /* a norm of one number has a slope of 300, and noise as large */
    pn_test_parity(of_norm, both, 2, PN_TOL_SUM);
    pn_test_parity(of_active_norm, cases[_i], 3, PN_TOL_SUM);
}
END_TEST

START_TEST(gradients_match_differences)
{
    pn_shape both[2];
    doubled(cases[_i], both);
    pn_test_gradients(modulate, cases[_i], 3, 0);
    pn_test_gradients(halves, both, 2, 0);
    pn_test_gradients(gate, both + 1, 1, 0);
    for (int channels = 0; channels < 2; channels++) {
        pn_shape few[3];
        repeated(cases[_i], channels, few);
        pn_test_gradients(modulate, few, 3, 0);
    }
    pn_test_gradients(of_norm, both, 2, 0);
}
END_TEST

START_TEST(matches_torch)
{
    pn_test_golden(modulate, 3, "modulate", PN_TOL_SUM4);
    pn_test_golden(halves, 2, "modulate/halves3", PN_TOL_SUM4);
    pn_test_golden(halves, 2, "modulate/halves16", PN_TOL_SUM4);
    pn_test_golden(gate, 1, "gelu_gate/3", PN_TOL_EXP);
    pn_test_golden(gate, 1, "gelu_gate/16", PN_TOL_EXP);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    const pn_shape x = pn_shape4(3, 48, 41, 37), both = pn_shape4(3, 96, 41, 37);
    pn_test_threads(of_norm, (const pn_shape[]){ x, both }, 2);
    pn_test_threads(modulate, (const pn_shape[]){ x, x, x }, 3);
    pn_test_threads(gate, &both, 1);
}
END_TEST

/* ---- Of a norm: with gamma = beta = 0 the norm itself; and its map is not stored -------------------------------------------- */

enum { C = 32, H = 9, W = 11, COUNT = C * H * W };

/* What an inference plan of the norm of x, modulated or not, gives; returns its arena's bytes. */
static size_t norm_of(pn_isa isa, const pn_real *x, const pn_real *both, pn_real *y)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, 2);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in = pn_input(g, "x", pn_shape4(1, C, H, W), PN_CONST);
    pn_tensor *more = pn_input(g, "both", pn_shape4(1, 2 * C, H, W), PN_CONST);
    pn_tensor *first = pn_test_probe(g, in, PN_TEST_BLOCKED);
    pn_tensor *out = pn_instance_norm(g, first, NULL, NULL, 1e-5);
    if (both) out = pn_modulate(g, out, more, NULL);
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    const int fused = pn_plan_describe(plan).fused;
    ck_assert_int_eq(fused, both ? 1 : 0);
    ck_assert_int_eq(pn_set(plan, in, x), PN_OK);
    if (both) ck_assert_int_eq(pn_set(plan, more, both), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, y), PN_OK);
    const size_t bytes = pn_plan_describe(plan).arena_bytes;
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
    return bytes;
}

START_TEST(a_norm_that_nothing_modulates_stays_itself)
{
    static pn_real x[COUNT], none[2 * COUNT], y[COUNT], should[COUNT];
    pn_test_random("x", x, COUNT);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        norm_of(isas[i], x, NULL, should);
        norm_of(isas[i], x, none, y);
        for (int k = 0; k < COUNT; k++) ck_assert_double_eq_tol((double)y[k], (double)should[k], 1e-6);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, cases[1][0]);
    ck_assert_ptr_null(pn_modulate(g, x, x, pn_test_zeros(g, cases[2][0])));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_modulate: beta is [2,16,5,3], expected [2,5,3,7]");
    pn_graph_free(g);
    g = pn_test_graph();
    x = pn_test_zeros(g, cases[1][0]);
    ck_assert_ptr_null(pn_modulate(g, x, x, NULL));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_modulate: gamma is [2,5,3,7], expected [2,10,3,7]");
    pn_graph_free(g);
    g = pn_test_graph();
    x = pn_test_zeros(g, cases[1][0]);
    ck_assert_ptr_null(pn_modulate(g, x, pn_test_zeros(g, pn_shape4(2, 5, 1, 1)), pn_test_zeros(g, pn_shape4(2, 1, 3, 7))));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_modulate: gamma is [2,5,1,1], expected [2,5,3,7]");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_gelu_gate(g, pn_test_zeros(g, cases[1][0])));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_gelu_gate: u has 5 channels, expected two halves of as many");
    pn_graph_free(g);
}
END_TEST

TCase *gates_cases(void)
{
    TCase *tc = tcase_create("gates");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(tc, a_norm_that_nothing_modulates_stays_itself);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
