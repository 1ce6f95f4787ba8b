/* tests/ops/test_spectral_norm.c - lib/ops/spectral_norm.c */
#include "support/pntest.h"

static pn_tensor *state(pn_graph *g, const char *name, ptrdiff_t count)
{
    return pn_state(pn_test_params(g), name, pn_shape1(count), (pn_init){ PN_INIT_UNIT, 0 });
}

static pn_tensor *along(pn_graph *g, pn_tensor *w, int axis)
{
    const ptrdiff_t rows = w->shape.dim[axis];
    pn_tensor *u = state(g, "u", rows), *v = state(g, "v", pn_shape_count(w->shape) / rows);
    return pn_spectral_norm(g, w, axis, u, v, 1e-12);
}

static pn_tensor *build(pn_graph *g, pn_tensor *const in[]) { return along(g, in[0], 0); }
static pn_tensor *build_second(pn_graph *g, pn_tensor *const in[]) { return along(g, in[0], 1); }

/* What the second axis means. */
static pn_tensor *build_turned(pn_graph *g, pn_tensor *const in[])
{
    static const int swapped[] = { 1, 0, 2, 3 };
    return pn_transpose(g, along(g, pn_transpose(g, in[0], swapped), 0), swapped);
}

static pn_tensor *build_golden(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *u = pn_test_golden_state(g, "u_before", "u_after"), *v = pn_test_golden_state(g, "v_before", "v_after");
    pn_tensor *y = pn_spectral_norm(g, in[0], 0, u, v, 1e-12);
    pn_test_golden_also(g, pn_saved_of(g, y, 0), "u_after");
    pn_test_golden_also(g, pn_saved_of(g, y, 1), "v_after");
    pn_test_golden_also(g, pn_saved_of(g, y, 2), "sigma");
    return y;
}

static const pn_shape cases[] = {
    { 4, { 1, 1, 1, 1 } }, { 4, { 5, 3, 3, 3 } }, { 2, { 33, 17 } }, { 4, { 1, 128, 1, 1 } }, { 4, { 64, 37, 4, 4 } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref) { pn_test_parity(build, &cases[_i], 1, PN_TOL_SUM); } END_TEST
START_TEST(gradients_match_differences) { pn_test_gradients(build, &cases[_i], 1, PN_FROZEN_STATE); } END_TEST
START_TEST(every_isa_agrees_with_ref_on_the_second_axis) { pn_test_parity(build_second, &cases[_i], 1, PN_TOL_SUM); } END_TEST
START_TEST(gradients_match_on_the_second_axis) { pn_test_gradients(build_second, &cases[_i], 1, PN_FROZEN_STATE); } END_TEST
START_TEST(matches_torch)
{
    pn_test_golden(build_golden, 1, "spectral_norm/conv", PN_TOL_SUM4);
    pn_test_golden_infer(build_golden, 1, "spectral_norm/eval", PN_TOL_SUM4);
}
END_TEST

enum { DRAWS = 20 };

/* Backward's weights are those that forward multiplied, however sigma is rounded. */
START_TEST(made_again_it_is_the_same_to_the_bit)
{
    enum { ROWS = 5, COLUMNS = 37, COUNT = ROWS * COLUMNS };
    static const char *const names[] = { "a", "b", "c", "d" };
    const pn_spectral_dims d = { .outer = 1, .rows = ROWS, .inner = COLUMNS, .eps = 1e-12, .iterate = true };
    pn_real drawn[COUNT + DRAWS], *const w = drawn + _i % DRAWS, u[ROWS], y[2][COUNT], used[ROWS + COLUMNS + 1];
    double scratch[COUNT];
    const pn_singular left = { used, used + ROWS, used + ROWS + COLUMNS };
    pn_test_random(names[_i / DRAWS], drawn, COUNT + DRAWS);
    pn_test_random("u", u, ROWS);
    pn_isa isas[PN_ISA_NEON + 1];
    for (int i = 0, n = pn_test_isas(isas); i < n; i++) {
        pn_ctx *ctx = pn_test_ctx_new(isas[i], 2);
        const pn_loss_kernels *k = &pn_ctx_kernels(ctx)->loss;
        ck_assert_uint_le(k->spectral_scratch(d), sizeof scratch);
        k->spectral_fwd(pn_ctx_pool(ctx), y[0], left, w, u, NULL, d, scratch);
        k->spectral_again(pn_ctx_pool(ctx), y[1], left, w, d);
        ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
        pn_ctx_free(ctx);
    }
}
END_TEST

START_TEST(the_second_axis_is_the_first_of_the_weights_turned)
{
    pn_real w[5 * 6 * 9], y[2][5 * 6 * 9];
    pn_test_random("w", w, 5 * 6 * 9);
    for (int turned = 0; turned < 2; turned++) {
        pn_graph *g = pn_test_graph();
        pn_tensor *x = pn_input(g, "w", pn_shape4(5, 6, 3, 3), PN_GRAD), *in[] = { x };
        pn_tensor *out = (turned ? build_turned : build_second)(g, in);
        pn_output(g, out, PN_GRAD);
        ck_assert_int_eq(pn_params_init(pn_test_params(g), 5), PN_OK);
        pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
        ck_assert_int_eq(pn_set(plan, x, w) | pn_forward(plan) | pn_get(plan, out, y[turned]), PN_OK);
        pn_plan_free(plan);
        pn_graph_free(g);
    }
    double most = 0;
    for (int i = 0; i < 5 * 6 * 9; i++) most = fmax(most, fabs((double)(y[0][i] - y[1][i])));
    ck_assert_double_le(most, PN_TOL_SUM);
    ck_assert_double_gt(fabs((double)y[0][0]), 0);
}
END_TEST

/* Recorded twice, each call moves the vectors once, in order, and backward uses what each of them used. */
START_TEST(each_recorded_call_is_one_power_iteration)
{
    pn_ctx *ctx = pn_test_ctx();
    pn_real w[12], once[2][12], twice[2][12], grad[2][12];
    pn_test_random("w", w, 12);
    for (int both = 0; both < 2; both++) {
        pn_params *params = pn_params_new(ctx);
        pn_tensor *u = pn_state(params, "u", pn_shape1(3), (pn_init){ PN_INIT_UNIT, 0 });
        pn_tensor *v = pn_state(params, "v", pn_shape1(4), (pn_init){ PN_INIT_UNIT, 0 });
        ck_assert_int_eq(pn_params_init(params, 5), PN_OK);
        pn_graph *g = pn_graph_new(ctx);
        pn_tensor *in[2], *y[2];
        for (int i = 0; i <= both; i++) {
            in[i] = pn_input(g, i ? "second" : "first", pn_shape2(3, 4), PN_GRAD);
            y[i] = pn_spectral_norm(g, in[i], 0, u, v, 1e-12);
            pn_output(g, y[i], PN_GRAD);
        }
        pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
        for (int run = 0; run < 2 - both; run++) {
            for (int i = 0; i <= both; i++) ck_assert_int_eq(pn_set(plan, in[i], w), PN_OK);
            ck_assert_int_eq(pn_forward(plan), PN_OK);
            for (int i = 0; i <= both; i++) ck_assert_int_eq(pn_set_grad(plan, y[i], w), PN_OK);
            for (int i = 0; i <= both; i++) ck_assert_int_eq(pn_get(plan, y[i], both ? twice[i] : once[run]), PN_OK);
            ck_assert_int_eq(pn_backward(plan), PN_OK);
            pn_real got[12];
            for (int i = 0; i <= both; i++) {
                ck_assert_int_eq(pn_get_grad(plan, in[i], both ? got : grad[run]), PN_OK);
                if (both) ck_assert_int_eq(memcmp(got, grad[i], sizeof got), 0);
            }
        }
        pn_plan_free(plan);
        pn_graph_free(g);
        pn_params_free(params);
    }
    ck_assert_int_eq(memcmp(once, twice, sizeof once), 0);
    ck_assert_int_ne(memcmp(once[0], once[1], sizeof once[0]), 0);
}
END_TEST

START_TEST(a_vector_of_another_length_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *w = pn_test_zeros(g, cases[1]);
    ck_assert_ptr_null(pn_spectral_norm(g, w, 0, pn_test_zeros(g, pn_shape1(5)), pn_test_zeros(g, pn_shape1(9)), 1e-12));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_spectral_norm: v is [9], expected [27]");
    pn_graph_free(g);
}
END_TEST

TCase *spectral_norm_cases(void)
{
    TCase *tc = tcase_create("spectral_norm");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_loop_test(tc, every_isa_agrees_with_ref_on_the_second_axis, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_on_the_second_axis, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_loop_test(tc, made_again_it_is_the_same_to_the_bit, 0, 4 * DRAWS);
    tcase_add_test(tc, the_second_axis_is_the_first_of_the_weights_turned);
    tcase_add_test(tc, each_recorded_call_is_one_power_iteration);
    tcase_add_test(tc, a_vector_of_another_length_is_refused);
    return tc;
}
