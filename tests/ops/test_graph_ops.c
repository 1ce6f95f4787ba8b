/* tests/ops/test_graph_ops.c - lib/ops/masked_softmax.c, graph_normalise.c, graph_conv.c */
#include "support/pntest.h"

static pn_tensor *masked(pn_graph *g, pn_tensor *const in[]) { return pn_masked_softmax(g, in[0], in[1]); }
static pn_tensor *normalised(pn_graph *g, pn_tensor *const in[]) { return pn_graph_normalise(g, in[0], in[1]); }
static pn_tensor *attention(pn_graph *g, pn_tensor *const in[]) { return pn_graph_attention(g, in[0], in[1], in[2], in[3]); }
static pn_tensor *conv(pn_graph *g, pn_tensor *const in[]) { return pn_graph_conv(g, in[0], in[1], in[2], in[3]); }
static pn_tensor *bare_conv(pn_graph *g, pn_tensor *const in[]) { return pn_graph_conv(g, in[0], in[1], in[2], NULL); }

/* Two of three are 1; those of the first row are all 0. */
static void visible(pn_rng *rng, pn_real *values, pn_shape shape)
{
    const ptrdiff_t m = shape.dim[shape.rank - 1];
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = i >= m && pn_rng_uniform(rng) < 0.67;
}

static const pn_shape rows[][2] = {
    { { 2, { 1, 1 } },       { 2, { 1, 1 } } },
    { { 2, { 4, 17 } },      { 2, { 4, 17 } } },
    { { 3, { 3, 9, 9 } },    { 2, { 3, 9 } } },
    { { 3, { 2, 5, 9 } },    { 3, { 2, 5, 9 } } },
    { { 4, { 2, 3, 4, 5 } }, { 2, { 2, 5 } } },
    { { 4, { 2, 3, 4, 5 } }, { 4, { 2, 3, 4, 5 } } },
};
enum { ROWS = sizeof rows / sizeof *rows };

START_TEST(masked_softmax_is_the_same_on_every_isa)
{
    pn_test_fill_input(1, visible);
    pn_test_parity(masked, rows[_i], 2, PN_TOL_EXP);
}
END_TEST
START_TEST(masked_softmax_has_the_right_gradients)
{
    pn_test_fill_input(1, visible);
    pn_test_gradients(masked, rows[_i], 2, PN_NO_GRAD(1));
}
END_TEST

static const pn_shape adjacencies[][2] = {
    { { 2, { 1, 1 } }, { 2, { 2, 1 } } }, { { 2, { 9, 9 } }, { 2, { 3, 9 } } }, { { 2, { 4, 4 } }, { 2, { 5, 4 } } },
};
START_TEST(graph_normalise_is_the_same_on_every_isa)
{
    pn_test_fill_input(1, visible);
    pn_test_parity(normalised, adjacencies[_i], 2, PN_TOL_EXP);
}
END_TEST
START_TEST(graph_normalise_has_the_right_gradients)
{
    pn_test_fill_input(1, visible);
    pn_test_gradients(normalised, adjacencies[_i], 2, PN_NO_GRAD(1));
}
END_TEST

static const pn_shape attends[] = { { 3, { 2, 9, 6 } }, { 3, { 2, 9, 6 } }, { 2, { 9, 9 } }, { 2, { 2, 9 } } };
START_TEST(graph_attention_is_the_same_everywhere_and_has_the_right_gradients)
{
    pn_test_fill_input(3, visible);
    pn_test_parity(attention, attends, 4, PN_TOL_SUM);
    pn_test_fill_input(3, visible);
    pn_test_gradients(attention, attends, 4, PN_NO_GRAD(3));
}
END_TEST

static const pn_shape convs[][4] = {
    { { 3, { 2, 9, 6 } }, { 3, { 2, 9, 9 } }, { 2, { 4, 6 } }, { 1, { 4 } } },
    { { 3, { 3, 5, 6 } }, { 2, { 5, 5 } },    { 2, { 4, 6 } }, { 1, { 4 } } },
};
START_TEST(graph_conv_is_the_same_everywhere_and_has_the_right_gradients)
{
    pn_test_parity(conv, convs[_i], 4, PN_TOL_SUM);
    pn_test_gradients(conv, convs[_i], 4, 0);
    pn_test_parity(bare_conv, convs[_i], 3, PN_TOL_SUM);
    pn_test_gradients(bare_conv, convs[_i], 3, 0);
}
END_TEST

START_TEST(match_torch)
{
    pn_test_golden(masked, 2, "graph/masked_softmax/rows", PN_TOL_EXP);
    pn_test_golden(masked, 2, "graph/masked_softmax/own", PN_TOL_EXP);
    pn_test_golden(normalised, 2, "graph/normalise", PN_TOL_EXP);
    pn_test_golden(attention, 4, "graph/attention", PN_TOL_EXP);
    pn_test_golden(conv, 4, "graph/conv/each", PN_TOL_SUM4);
    pn_test_golden(conv, 4, "graph/conv/shared", PN_TOL_SUM4);
}
END_TEST

/* ---- What an adjacency is --------------------------------------------------------------------------------------------------- */

enum { NODES = 9, SAMPLES = 4, WIDTH = 6 };
/* Some nodes; all; the last one alone; none. */
static const pn_real seen[SAMPLES * NODES] = {
    0, 1, 1, 0, 1, 0, 1, 0, 1,   1, 1, 1, 1, 1, 1, 1, 1, 1,   0, 0, 0, 0, 0, 0, 0, 0, 1,   0, 0, 0, 0, 0, 0, 0, 0, 0,
};

/* The op's result with random inputs, but for the last, which is `seen`. */
static void evaluate(pn_test_build *build, const pn_shape *shapes, int n, pn_real *y)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[4];
    for (int i = 0; i < n; i++) in[i] = pn_test_zeros(g, shapes[i]);
    pn_tensor *out = build(g, in);
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    for (int i = 0; i < n; i++) {
        pn_real values[SAMPLES * NODES * NODES];
        pn_test_random(pn_tensor_name(in[i]), values, pn_shape_count(shapes[i]));
        ck_assert_int_eq(pn_set(plan, in[i], i == n - 1 ? seen : values), PN_OK);
    }
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, y), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
}

START_TEST(rows_of_attention_sum_to_one_and_invisible_nodes_send_exactly_nothing)
{
    const pn_shape shapes[] = { pn_shape3(SAMPLES, NODES, WIDTH), pn_shape3(SAMPLES, NODES, WIDTH), pn_shape2(NODES, NODES),
                                pn_shape2(SAMPLES, NODES) };
    pn_real a[SAMPLES * NODES * NODES];
    evaluate(attention, shapes, 4, a);
    for (int row = 0; row < SAMPLES * NODES; row++) {
        const pn_real *of = seen + row / NODES * NODES;
        double sum = 0;
        for (int i = 0; i < NODES; i++) {
            sum += (double)a[row * NODES + i];
            if (of[i] == 0) ck_assert_double_eq((double)a[row * NODES + i], 0);
        }
        ck_assert_double_eq_tol(sum, row < 3 * NODES, 1e-6);            /* nobody sends in the last sample */
        if (row / NODES == 2) ck_assert_double_eq((double)a[row * NODES + NODES - 1], 1);
    }
}
END_TEST

/* Power iteration from a positive vector; a symmetric matrix without negative entries has a positive first eigenvector. */
static double largest_eigenvalue(const pn_real *a)
{
    double v[NODES], w[NODES], length = 0;
    for (int i = 0; i < NODES; i++) v[i] = 1 + i;
    for (int round = 0; round < 500; round++) {
        length = 0;
        for (int i = 0; i < NODES; i++) {
            w[i] = 0;
            for (int j = 0; j < NODES; j++) w[i] += (double)a[i * NODES + j] * v[j];
            length += w[i] * w[i];
        }
        length = sqrt(length);
        for (int i = 0; i < NODES; i++) v[i] = w[i] / length;
    }
    return length;
}

START_TEST(a_normalised_graph_is_symmetric_with_eigenvalues_up_to_one)
{
    const pn_shape shapes[] = { pn_shape2(NODES, NODES), pn_shape2(SAMPLES, NODES) };
    pn_real a[SAMPLES * NODES * NODES];
    evaluate(normalised, shapes, 2, a);
    const pn_real *whole = a + NODES * NODES, *alone = whole + NODES * NODES, *none = alone + NODES * NODES;
    for (int i = 0; i < NODES; i++)
        for (int j = 0; j < NODES; j++) {
            ck_assert_double_eq_tol((double)whole[i * NODES + j], (double)whole[j * NODES + i], 1e-6);
            ck_assert_double_eq((double)none[i * NODES + j], 0);
            if (j < NODES - 1) ck_assert_double_eq((double)alone[i * NODES + j], 0);
            if (seen[j] == 0) ck_assert_double_eq((double)a[i * NODES + j], 0);
        }
    ck_assert_double_eq_tol((double)alone[NODES * NODES - 1], 1, 1e-6);
    const double top = largest_eigenvalue(whole);
    ck_assert_double_le(top, 1 + 1e-5);
    ck_assert_double_ge(top, 1 - 1e-5);                 /* that of D^1/2 1 is 1 */
}
END_TEST

/* ---- What masked columns hold ---------------------------------------------------------------------------------------------------- */

START_TEST(masked_columns_are_not_read)
{
    const pn_real x[8] = { (pn_real)NAN, 1, (pn_real)INFINITY, 2, -(pn_real)INFINITY, 3, -(pn_real)INFINITY, 4 };
    const pn_real mask[8] = { 0, 1, 0, 1, 1, 0, 1, 0 };
    pn_graph *g = pn_test_graph();
    pn_tensor *in = pn_test_zeros(g, pn_shape2(2, 4)), *by = pn_test_zeros(g, pn_shape2(2, 4));
    pn_tensor *out = pn_masked_softmax(g, in, by);
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    pn_real y[8];
    ck_assert_int_eq(pn_set(plan, in, x), PN_OK);
    ck_assert_int_eq(pn_set(plan, by, mask), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, y), PN_OK);
    const double should[8] = { 0, 1 / (1 + exp(1)), 0, 1 / (1 + exp(-1)) };     /* the second row: -inf where it counts */
    for (int i = 0; i < 8; i++) ck_assert_double_eq_tol((double)y[i], should[i], 1e-6);
    ck_assert(y[0] == 0 && y[2] == 0);
    pn_plan_free(plan);
    pn_graph_free(g);
}
END_TEST

/* ---- Refusals --------------------------------------------------------------------------------------------------------------------- */

static void refuse(pn_test_build *build, const pn_shape *shapes, int n, const char *message)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[4];
    for (int i = 0; i < n; i++) in[i] = pn_test_zeros(g, shapes[i]);
    ck_assert_ptr_null(build(g, in));
    pn_test_refused(g, PN_ERR_SHAPE, message);
    pn_graph_free(g);
}

START_TEST(what_does_not_fit_is_refused)
{
    const pn_shape h = pn_shape3(2, 9, 6), one = pn_shape2(9, 9), w = pn_shape2(4, 6), bias = pn_shape1(4), other = pn_shape2(2, 8);
    refuse(masked, (const pn_shape[]){ h, pn_shape2(2, 9) }, 2, "pn_masked_softmax: mask is [2,9], expected [2,6] or [2,9,6]");
    refuse(normalised, (const pn_shape[]){ one, other }, 2, "pn_graph_normalise: prior is [9,9], expected [8,8]");
    refuse(attention, (const pn_shape[]){ h, h, one, other }, 4, "pn_graph_attention: visible is [2,8], expected [2,9]");
    refuse(attention, (const pn_shape[]){ h, pn_shape3(2, 9, 5), one, other }, 4,
           "pn_graph_attention: k is [2,9,5], expected [2,9,6]");
    refuse(conv, (const pn_shape[]){ h, other, w, bias }, 4, "pn_graph_conv: a is [2,8], expected [9,9]");
    refuse(conv, (const pn_shape[]){ h, pn_shape3(3, 9, 9), w, bias }, 4, "pn_graph_conv: a is [3,9,9], expected [2,9,9]");
    refuse(conv, (const pn_shape[]){ h, one, w, pn_shape1(6) }, 4, "pn_graph_conv: bias is [6], expected [4]");
}
END_TEST

TCase *graph_ops_cases(void)
{
    TCase *tc = tcase_create("graph_ops");
    tcase_add_loop_test(tc, masked_softmax_is_the_same_on_every_isa, 0, ROWS);
    tcase_add_loop_test(tc, masked_softmax_has_the_right_gradients, 0, ROWS);
    tcase_add_loop_test(tc, graph_normalise_is_the_same_on_every_isa, 0, 3);
    tcase_add_loop_test(tc, graph_normalise_has_the_right_gradients, 0, 3);
    tcase_add_test(tc, graph_attention_is_the_same_everywhere_and_has_the_right_gradients);
    tcase_add_loop_test(tc, graph_conv_is_the_same_everywhere_and_has_the_right_gradients, 0, 2);
    tcase_add_test(tc, match_torch);
    tcase_add_test(tc, rows_of_attention_sum_to_one_and_invisible_nodes_send_exactly_nothing);
    tcase_add_test(tc, a_normalised_graph_is_symmetric_with_eigenvalues_up_to_one);
    tcase_add_test(tc, masked_columns_are_not_read);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
