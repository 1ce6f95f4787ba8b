/* tests/ops/test_batch_norm.c - lib/ops/batch_norm.c */
#include "support/pntest.h"

static pn_tensor *running(pn_graph *g, const char *name, pn_tensor *x, double value)
{
    return pn_state(pn_test_params(g), name, pn_shape1(x->shape.dim[1]), (pn_init){ PN_INIT_CONSTANT, value });
}
static pn_tensor *build(pn_graph *g, pn_tensor *const in[])
{
    return pn_batch_norm(g, in[0], in[1], in[2], running(g, "mean", in[0], 0.3), running(g, "var", in[0], 1.5), 0.1,
                         1e-5);
}
static pn_tensor *plain(pn_graph *g, pn_tensor *const in[])
{
    return pn_batch_norm(g, in[0], NULL, NULL, running(g, "mean", in[0], 0.3), running(g, "var", in[0], 1.5), 0.1,
                         1e-5);
}
static pn_tensor *as_torch_trains(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *mean = pn_test_golden_state(g, "running_mean", "new_running_mean");
    pn_tensor *var = pn_test_golden_state(g, "running_var", "new_running_var");
    return pn_batch_norm(g, in[0], in[1], in[2], mean, var, 0.1, 1e-5);
}
static pn_tensor *as_torch_infers(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *mean = pn_test_golden_state(g, "running_mean", "running_mean");      /* unchanged */
    pn_tensor *var = pn_test_golden_state(g, "running_var", "running_var");
    return pn_batch_norm(g, in[0], in[1], in[2], mean, var, 0.1, 1e-5);
}

static const pn_shape cases[][3] = {
    { { 4, { 3, 1, 2, 1 } },  { 1, { 1 } },  { 1, { 1 } } },
    { { 4, { 2, 3, 5, 7 } },  { 1, { 3 } },  { 1, { 3 } } },
    { { 4, { 3, 15, 2, 3 } }, { 1, { 15 } }, { 1, { 15 } } },
    { { 4, { 2, 16, 9, 8 } }, { 1, { 16 } }, { 1, { 16 } } },
    { { 4, { 2, 33, 3, 2 } }, { 1, { 33 } }, { 1, { 33 } } },
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(build, cases[_i], 3, PN_TOL_SUM);
    pn_test_parity(plain, cases[_i], 1, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(build, cases[_i], 3, 0);
    pn_test_gradients(plain, cases[_i], 1, 0);
}
END_TEST
START_TEST(training_matches_torch_and_moves_the_state)
{
    pn_test_golden(as_torch_trains, 3, "batch_norm/train", PN_TOL_SUM);
}
END_TEST
START_TEST(inference_matches_torch_and_keeps_the_state)
{
    pn_test_golden_infer(as_torch_infers, 3, "batch_norm/eval", PN_TOL_SUM);
}
END_TEST

START_TEST(running_statistics_that_are_no_state_are_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, cases[1][0]), *mean = pn_test_zeros(g, cases[1][1]);
    pn_tensor *var = pn_test_zeros(g, cases[1][1]);
    ck_assert_ptr_null(pn_batch_norm(g, x, NULL, NULL, mean, var, 0.1, 1e-5));
    pn_test_refused(g, PN_ERR_ARG, "pn_batch_norm: running_mean or running_var is no state; make them with pn_state");
    pn_graph_free(g);
}
END_TEST

TCase *batch_norm_cases(void)
{
    TCase *tc = tcase_create("batch_norm");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, training_matches_torch_and_moves_the_state);
    tcase_add_test(tc, inference_matches_torch_and_keeps_the_state);
    tcase_add_test(tc, running_statistics_that_are_no_state_are_refused);
    return tc;
}
