/* tests/graph/test_record.c - lib/graph/record.c: shapes checked at each call, the first failure kept, messages
 * that help */
#include "support/pntest.h"

static const pn_shape map = { 4, { 1, 3, 8, 8 } };

START_TEST(the_first_failure_is_kept_and_later_ops_do_nothing)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, map);
    pn_tensor *bad = pn_conv2d(g, x, pn_test_zeros(g, pn_shape4(4, 5, 3, 3)), NULL, NULL);
    ck_assert_ptr_null(bad);
    pn_test_refused(g, PN_ERR_SHAPE, "pn_conv2d: w is [4,5,3,3], expected [4,3,3,3]");
    const int nodes = g->n_nodes;
    ck_assert_ptr_null(pn_relu(g, bad));
    ck_assert_ptr_null(pn_relu(g, x));
    ck_assert_ptr_null(pn_input(g, "late", map, PN_CONST));
    pn_output(g, x, PN_CONST);
    pn_loss(g, x);
    pn_block(g, "late");
    ck_assert_int_eq(g->n_nodes, nodes);
    pn_test_refused(g, PN_ERR_SHAPE, "pn_conv2d: w is [4,5,3,3], expected [4,3,3,3]");
    ck_assert_ptr_null(pn_plan_new(g, NULL));
    ck_assert_int_eq(pn_ctx_status(pn_test_ctx()), PN_ERR_SHAPE);
    ck_assert_str_eq(pn_ctx_message(pn_test_ctx()), pn_graph_message(g));
    pn_graph_free(g);
}
END_TEST

START_TEST(a_message_names_the_block)
{
    pn_graph *g = pn_test_graph();
    pn_block(g, "encoder");
    pn_block(g, "decoder.block2");
    ck_assert_ptr_null(pn_leaky_relu(g, pn_test_zeros(g, map), -1));
    pn_test_refused(g, PN_ERR_ARG, "(in block decoder.block2)");
    pn_graph_free(g);
}
END_TEST

START_TEST(a_null_argument_is_refused_by_its_number)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_conv2d(g, pn_test_zeros(g, map), NULL, NULL, NULL));
    pn_test_refused(g, PN_ERR_ARG, "pn_conv2d: argument 2 is NULL");
    pn_graph_free(g);
}
END_TEST

START_TEST(a_tensor_of_another_graph_is_refused_with_advice)
{
    pn_graph *g = pn_test_graph(), *other = pn_test_graph();
    ck_assert_ptr_null(pn_relu(g, pn_test_zeros(other, map)));
    pn_test_refused(g, PN_ERR_ARG, "pn_leaky_relu: argument 1 belongs to another graph; hand values over with pn_copy");
    pn_graph_free(g);
    pn_graph_free(other);
}
END_TEST

/* What each of these calls does to a fresh graph, and what it must hear. */
static void input_without_name(pn_graph *g) { pn_input(g, "", map, PN_CONST); }
static void input_twice(pn_graph *g) { pn_input(g, "x", map, PN_CONST); pn_input(g, "x", map, PN_CONST); }
static void input_empty(pn_graph *g) { pn_input(g, "x", pn_shape4(1, 3, 0, 8), PN_CONST); }
static void input_negative(pn_graph *g) { pn_input(g, "x", pn_shape2(4, -2), PN_CONST); }
static void input_huge(pn_graph *g) { pn_input(g, "x", pn_shape4(PTRDIFF_MAX / 2, 3, 8, 8), PN_CONST); }
static void input_of_rank_nine(pn_graph *g) { pn_input(g, "x", (pn_shape){ 9, { 1, 1, 1, 1, 1 } }, PN_CONST); }
static void loss_of_many(pn_graph *g) { pn_loss(g, pn_test_zeros(g, map)); }
static void loss_twice(pn_graph *g)
{
    pn_loss(g, pn_test_zeros(g, pn_shape1(1)));
    pn_loss(g, pn_test_zeros(g, pn_shape1(1)));
}
static void output_null(pn_graph *g) { pn_output(g, NULL, PN_CONST); }
static void output_seeded_input(pn_graph *g) { pn_output(g, pn_test_zeros(g, map), PN_GRAD); }
static void output_parameter(pn_graph *g)
{
    pn_output(g, pn_param(pn_test_params(g), "weight", map, (pn_init){ PN_INIT_CONSTANT, 0 }), PN_CONST);
}
static void saved_beyond(pn_graph *g) { pn_saved_of(g, pn_relu(g, pn_test_zeros(g, map)), 0); }
static void saved_of_input(pn_graph *g) { pn_saved_of(g, pn_test_zeros(g, map), 0); }

static const struct { void (*call)(pn_graph *g); pn_status status; const char *part; } refusals[] = {
    { input_without_name, PN_ERR_ARG, "pn_input: the name is missing" },
    { input_twice, PN_ERR_ARG, "the name 'x' is taken; give each input its own" },
    { input_empty, PN_ERR_LIMIT, "a tensor of [1,3,0,8] is empty or too large" },
    { input_negative, PN_ERR_LIMIT, "a tensor of [4,-2] is empty or too large" },
    { input_huge, PN_ERR_LIMIT, "is empty or too large" },
    { input_of_rank_nine, PN_ERR_LIMIT, "a tensor of rank 9 is empty or too large" },
    { loss_of_many, PN_ERR_SHAPE, "pn_loss: the loss is [1,3,8,8], expected one number; use pn_mean" },
    { loss_twice, PN_ERR_ARG, "this graph has a loss already; add the terms with pn_add" },
    { output_null, PN_ERR_ARG, "pn_output: the tensor is NULL" },
    { output_seeded_input, PN_ERR_ARG, "only a computed value can be handed a gradient" },
    { output_parameter, PN_ERR_ARG, "'weight' is not a value of this graph" },
    { saved_beyond, PN_ERR_ARG, "leaky_relu saves 0 values, there is no number 0" },
    { saved_of_input, PN_ERR_ARG, "the tensor is not computed in this graph" },
};

START_TEST(what_cannot_be_recorded_is_refused_with_advice)
{
    pn_graph *g = pn_test_graph();
    refusals[_i].call(g);
    pn_test_refused(g, refusals[_i].status, refusals[_i].part);
    pn_graph_free(g);
}
END_TEST

START_TEST(a_graph_without_an_output_is_not_planned)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_nonnull(pn_relu(g, pn_test_zeros(g, map)));
    ck_assert_ptr_null(pn_plan_new(g, NULL));
    ck_assert_ptr_nonnull(
        strstr(pn_ctx_message(pn_test_ctx()), "the graph has no output; mark one with pn_output or pn_loss"));
    pn_graph_free(g);
}
END_TEST

START_TEST(null_is_no_graph_and_no_crash)
{
    ck_assert_int_eq(pn_graph_status(NULL), PN_ERR_ARG);
    ck_assert_str_eq(pn_graph_message(NULL), "the graph is NULL");
    ck_assert_ptr_null(pn_input(NULL, "x", map, PN_CONST));
    ck_assert_ptr_null(pn_relu(NULL, NULL));
    ck_assert_ptr_null(pn_plan_new(NULL, NULL));
    ck_assert_int_eq(pn_tensor_shape(NULL).rank, 0);
    ck_assert_str_eq(pn_tensor_name(NULL), "");
    ck_assert_int_eq(pn_forward(NULL), PN_ERR_ARG);
    ck_assert_int_eq(pn_backward(NULL), PN_ERR_ARG);
    ck_assert_int_eq(pn_set(NULL, NULL, NULL), PN_ERR_ARG);
    ck_assert_int_eq(pn_get(NULL, NULL, NULL), PN_ERR_ARG);
    ck_assert_int_eq(pn_copy(NULL, NULL, NULL, NULL), PN_ERR_ARG);
    ck_assert_int_eq(pn_copy_grad(NULL, NULL, NULL, NULL), PN_ERR_ARG);
    ck_assert_uint_eq(pn_plan_describe(NULL).arena_bytes, 0);
    pn_output(NULL, NULL, PN_GRAD);
    pn_loss(NULL, NULL);
    pn_block(NULL, NULL);
    pn_graph_free(NULL);
    pn_plan_free(NULL);
}
END_TEST

START_TEST(a_parameter_name_is_unique_short_and_not_empty)
{
    static const pn_init zero = { PN_INIT_CONSTANT, 0 };
    char longest[130];
    memset(longest, 'n', sizeof longest);
    longest[127] = 0;
    pn_params *p = pn_params_new(pn_test_ctx());
    ck_assert_ptr_nonnull(pn_param(p, longest, map, zero));
    longest[127] = 'n';
    longest[128] = 0;
    ck_assert_ptr_nonnull(pn_param(p, "w", map, zero));
    pn_param_alias(p, pn_params_find(p, "w"), "other.w");
    ck_assert_ptr_eq(pn_params_find(p, "other.w"), pn_params_find(p, "w"));
    ck_assert_int_eq(pn_params_status(p), PN_OK);
    ck_assert_ptr_null(pn_param(p, longest, map, zero));
    ck_assert_int_eq(pn_params_status(p), PN_ERR_ARG);
    ck_assert_ptr_null(pn_param(p, "fine", map, zero));                /* sticky */
    pn_params_free(p);
    p = pn_params_new(pn_test_ctx());
    ck_assert_ptr_nonnull(pn_param(p, "w", map, zero));
    ck_assert_ptr_null(pn_state(p, "w", map, zero));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "the name 'w' is taken"));
    pn_params_free(p);
}
END_TEST

/* 2 pictures of 6 x 5, 4 channels to 6 in two groups, 3x3; doubled by 2x2; 7 rows of 5 by a matrix; 3 x 2 windows of 3x3. */
START_TEST(multiply_adds_are_those_of_products)
{
    pn_graph *g = pn_test_graph();
    const pn_conv_opt grouped = { .pad = { 1, 1 }, .groups = 2 }, doubled = { .stride = { 2, 2 } };
    pn_tensor *x = pn_test_zeros(g, pn_shape4(2, 4, 6, 5));
    pn_tensor *y = pn_conv2d(g, x, pn_test_zeros(g, pn_shape4(6, 2, 3, 3)), NULL, &grouped);
    double sum = 2 * 6 * 5 * 6 * 2 * 9;
    ck_assert_double_eq(pn_graph_macs(g), sum);
    y = pn_relu(g, y);
    ck_assert_double_eq(pn_graph_macs(g), sum);
    pn_conv_transpose2d(g, y, pn_test_zeros(g, pn_shape4(6, 3, 2, 2)), NULL, &doubled);
    ck_assert_double_eq(pn_graph_macs(g), sum += 2 * 6 * 5 * 6 * 3 * 4);
    pn_linear(g, pn_test_zeros(g, pn_shape2(7, 5)), pn_test_zeros(g, pn_shape2(8, 5)), NULL);
    ck_assert_double_eq(pn_graph_macs(g), sum += 7 * 5 * 8);
    pn_window_sum(g, pn_test_zeros(g, pn_shape4(1, 4, 3, 2)), pn_test_zeros(g, pn_shape4(1, 9, 3, 2)));
    ck_assert_double_eq(pn_graph_macs(g), sum += 4 * 3 * 2 * 9);
    pn_attention(g, pn_test_zeros(g, pn_shape3(2, 5, 3)), pn_test_zeros(g, pn_shape3(2, 7, 3)), pn_test_zeros(g, pn_shape3(2, 7, 4)), NULL);
    ck_assert_double_eq(pn_graph_macs(g), sum += 2 * 5 * 7 * (3 + 4));
    pn_graph_free(g);
}
END_TEST

TCase *record_cases(void)
{
    TCase *tc = tcase_create("record");
    tcase_add_test(tc, multiply_adds_are_those_of_products);
    tcase_add_test(tc, the_first_failure_is_kept_and_later_ops_do_nothing);
    tcase_add_test(tc, a_message_names_the_block);
    tcase_add_test(tc, a_null_argument_is_refused_by_its_number);
    tcase_add_test(tc, a_tensor_of_another_graph_is_refused_with_advice);
    tcase_add_loop_test(tc, what_cannot_be_recorded_is_refused_with_advice, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(tc, a_graph_without_an_output_is_not_planned);
    tcase_add_test(tc, null_is_no_graph_and_no_crash);
    tcase_add_test(tc, a_parameter_name_is_unique_short_and_not_empty);
    return tc;
}
