/* tests/graph/test_run.c - lib/graph/{plan,run}.c: values in and out, gradients handed over, misuse, and what a
 * run may not do */
#include "support/memory.h"
#include "support/pntest.h"

enum { C = 3, SIDE = 6, MAP = C * SIDE * SIDE };
static const pn_shape map = { 4, { 1, C, SIDE, SIDE } };
static const pn_init normal = { PN_INIT_NORMAL, 0.3 };

/* x -> convolution by "w" -> leaky relu -> y, an output; middle: what the convolution gives. */
typedef struct { pn_graph *g; pn_params *params; pn_tensor *x, *w, *middle, *y; pn_plan *plan; } net;

static net record(pn_want want)
{
    net n = { .g = pn_test_graph() };
    n.params = pn_params_new(pn_test_ctx());
    n.x = pn_input(n.g, "x", map, want);
    n.w = pn_param(n.params, "w", pn_shape4(C, C, 3, 3), normal);
    n.middle = pn_conv2d(n.g, n.x, n.w, NULL, &(pn_conv_opt){ .pad = { 1, 1 } });
    n.y = pn_leaky_relu(n.g, n.middle, 0.1);
    ck_assert_int_eq(pn_params_init(n.params, 1), PN_OK);
    return n;
}

static pn_plan *plan(pn_graph *g, pn_mode mode, pn_params *learn)
{
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = mode, .learn = learn });
    if (!p) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return p;
}

static net ready(void)              /* trained on, run forward once over x */
{
    net n = record(PN_GRAD);
    pn_output(n.g, n.y, PN_GRAD);
    n.plan = plan(n.g, PN_TRAIN, n.params);
    pn_real x[MAP];
    pn_test_random("x", x, MAP);
    ck_assert_int_eq(pn_set(n.plan, n.x, x), PN_OK);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    return n;
}

static void backward_from(pn_plan *p, pn_tensor *y, const char *seed)
{
    pn_real dy[MAP];
    pn_test_random(seed, dy, MAP);
    ck_assert_int_eq(pn_set_grad(p, y, dy), PN_OK);
    ck_assert_int_eq(pn_backward(p), PN_OK);
}

static void end(net *n)
{
    pn_plan_free(n->plan);
    pn_params_free(n->params);
    pn_graph_free(n->g);
}

#define assert_refused(call, part) do { \
    ck_assert_int_eq((call), PN_ERR_ARG); \
    if (!strstr(pn_ctx_message(pn_test_ctx()), (part))) \
        ck_abort_msg("message is '%s', expected '%s' in it", pn_ctx_message(pn_test_ctx()), (part)); \
} while (0)

/* ---- Misuse ------------------------------------------------------------------------------------------------------ */

START_TEST(a_forward_with_an_input_never_set_runs_nothing)
{
    net n = record(PN_GRAD);
    pn_output(n.g, n.y, PN_GRAD);
    n.plan = plan(n.g, PN_TRAIN, n.params);
    pn_real v[MAP] = { 7 };
    assert_refused(pn_forward(n.plan), "pn_forward: the input 'x' was never set; call pn_set or pn_copy first");
    assert_refused(pn_get(n.plan, n.y, v), "has no value yet; call pn_forward first");
    ck_assert(v[0] == 7);
    assert_refused(pn_backward(n.plan), "pn_backward: there was no forward; call pn_forward first");
    end(&n);
}
END_TEST

START_TEST(a_second_backward_is_refused_and_changes_nothing)
{
    net n = ready();
    backward_from(n.plan, n.y, "dy");
    pn_real before[C * C * 9], dx[MAP], again[MAP];
    memcpy(before, pn_param_grad(n.w), sizeof before);
    ck_assert_int_eq(pn_get_grad(n.plan, n.x, dx), PN_OK);
    assert_refused(pn_backward(n.plan), "it has run since the last forward; call pn_forward first");
    assert_refused(pn_set_grad(n.plan, n.y, dx), "between pn_forward and pn_backward");
    ck_assert_mem_eq(before, pn_param_grad(n.w), sizeof before);
    ck_assert_int_eq(pn_get_grad(n.plan, n.x, again), PN_OK);
    ck_assert_mem_eq(dx, again, sizeof dx);
    end(&n);
}
END_TEST

START_TEST(what_is_not_there_can_be_neither_set_nor_read)
{
    net n = ready();
    pn_graph *other = pn_test_graph();
    pn_tensor *stranger = pn_input(other, "stranger", map, PN_GRAD);
    pn_real v[MAP] = { 0 };
    assert_refused(pn_set(n.plan, n.y, v), "is not an input that this plan reads");
    assert_refused(pn_set(n.plan, n.w, v), "pn_set: w the tensor is not an input");
    assert_refused(pn_set(n.plan, stranger, v), "stranger");
    assert_refused(pn_set(n.plan, n.x, NULL), "pn_set");
    assert_refused(pn_get(n.plan, n.middle, v), "is not an output of this plan; mark it with pn_output");
    assert_refused(pn_get_grad(n.plan, n.x, v), "after pn_backward of a training plan");
    assert_refused(pn_set_grad(n.plan, n.x, v), "it must be a PN_GRAD output");
    assert_refused(pn_set_grad(n.plan, n.middle, v), "it must be a PN_GRAD output");
    end(&n);
    pn_graph_free(other);
}
END_TEST

START_TEST(an_inference_plan_has_no_backward)
{
    net n = record(PN_GRAD);
    pn_output(n.g, n.y, PN_GRAD);
    n.plan = plan(n.g, PN_INFER, NULL);
    pn_real x[MAP] = { 1 };
    ck_assert_int_eq(pn_set(n.plan, n.x, x), PN_OK);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    assert_refused(pn_backward(n.plan), "the plan was made with PN_INFER; plan it with PN_TRAIN");
    assert_refused(pn_set_grad(n.plan, n.y, x), "cannot take a gradient");
    ck_assert_int_eq(pn_plan_describe(n.plan).backward_steps, 0);
    end(&n);
}
END_TEST

/* ---- Seeds ------------------------------------------------------------------------------------------------------- */

START_TEST(an_output_that_was_handed_nothing_counts_as_zero)
{
    net n = ready();
    backward_from(n.plan, n.y, "dy");                   /* leaves its mark in the seed's memory */
    pn_params_zero_grad(n.params);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    ck_assert_int_eq(pn_backward(n.plan), PN_OK);
    pn_real dx[MAP];
    ck_assert_int_eq(pn_get_grad(n.plan, n.x, dx), PN_OK);
    for (int i = 0; i < MAP; i++) ck_assert(dx[i] == 0);
    for (int i = 0; i < C * C * 9; i++) ck_assert(pn_param_grad(n.w)[i] == 0);
    end(&n);
}
END_TEST

/* middle is an output and is used further: what it is handed and what comes back from y add up. */
START_TEST(an_output_that_is_used_further_sums_up)
{
    pn_real dx[3][MAP];
    for (int which = 0; which < 3; which++) {           /* y alone, middle alone, both */
        net n = record(PN_GRAD);
        pn_output(n.g, n.y, PN_GRAD);
        pn_output(n.g, n.middle, PN_GRAD);
        n.plan = plan(n.g, PN_TRAIN, n.params);
        pn_real x[MAP], d[MAP];
        pn_test_random("x", x, MAP);
        ck_assert_int_eq(pn_set(n.plan, n.x, x), PN_OK);
        ck_assert_int_eq(pn_forward(n.plan), PN_OK);
        pn_test_random("dy", d, MAP);
        if (which != 1) ck_assert_int_eq(pn_set_grad(n.plan, n.y, d), PN_OK);
        pn_test_random("dm", d, MAP);
        if (which != 0) ck_assert_int_eq(pn_set_grad(n.plan, n.middle, d), PN_OK);
        ck_assert_int_eq(pn_backward(n.plan), PN_OK);
        ck_assert_int_eq(pn_get_grad(n.plan, n.x, dx[which]), PN_OK);
        end(&n);
    }
    for (int i = 0; i < MAP; i++) {
        const double sum = (double)dx[0][i] + (double)dx[1][i];
        ck_assert(fabs((double)dx[2][i] - sum) <= 1e-5 * (1 + fabs(sum)));
    }
}
END_TEST

START_TEST(a_loss_starts_backward_with_one)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_input(g, "x", map, PN_GRAD);
    pn_loss(g, pn_sum(g, x, PN_ALL_AXES, PN_DROP_AXES));
    pn_plan *p = plan(g, PN_TRAIN, NULL);
    pn_real v[MAP];
    pn_test_random("x", v, MAP);
    for (int run = 0; run < 2; run++) {
        ck_assert_int_eq(pn_set(p, x, v), PN_OK);
        ck_assert_int_eq(pn_forward(p), PN_OK);
        ck_assert_int_eq(pn_backward(p), PN_OK);
        pn_real dx[MAP];
        ck_assert_int_eq(pn_get_grad(p, x, dx), PN_OK);
        for (int i = 0; i < MAP; i++) ck_assert(dx[i] == 1);
    }
    pn_plan_free(p);
    pn_graph_free(g);
}
END_TEST

START_TEST(an_input_no_output_depends_on_has_zero_gradient_or_is_not_there)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_input(g, "x", map, PN_GRAD), *idle = pn_input(g, "idle", map, PN_GRAD);
    pn_tensor *y = pn_relu(g, x), *dead = pn_tanh(g, idle);
    ck_assert_ptr_nonnull(dead);
    pn_output(g, y, PN_GRAD);
    pn_output(g, idle, PN_CONST);                       /* readable, so planned; no gradient reaches it */
    pn_plan *p = plan(g, PN_TRAIN, NULL);
    ck_assert_int_eq(pn_plan_describe(p).forward_steps, 1);
    pn_real v[MAP];
    pn_test_random("x", v, MAP);
    ck_assert_int_eq(pn_set(p, x, v), PN_OK);
    ck_assert_int_eq(pn_set(p, idle, v), PN_OK);
    ck_assert_int_eq(pn_forward(p), PN_OK);
    backward_from(p, y, "dy");
    ck_assert_int_eq(pn_get_grad(p, idle, v), PN_OK);
    for (int i = 0; i < MAP; i++) ck_assert(v[i] == 0);
    pn_plan_free(p);
    pn_graph_free(g);
}
END_TEST

/* ---- Who learns -------------------------------------------------------------------------------------------------- */

START_TEST(parameter_gradients_add_up_until_they_are_used)
{
    net n = ready();
    pn_real once[C * C * 9];
    backward_from(n.plan, n.y, "dy");
    memcpy(once, pn_param_grad(n.w), sizeof once);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    backward_from(n.plan, n.y, "dy");
    for (int i = 0; i < C * C * 9; i++) {
        const double twice = 2 * (double)once[i];
        ck_assert(fabs((double)pn_param_grad(n.w)[i] - twice) <= 1e-6 * (1 + fabs(twice)));
    }
    pn_adam *adam = pn_adam_new(n.params, (pn_adam_opt){ .lr = 1e-3, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-8 });
    ck_assert_int_eq(pn_adam_step(adam), PN_OK);
    ck_assert_ptr_null(pn_param_grad(n.w));
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    pn_params_zero_grad(n.params);
    backward_from(n.plan, n.y, "dy");
    ck_assert_ptr_nonnull(pn_param_grad(n.w));
    pn_adam_free(adam);
    end(&n);
}
END_TEST

START_TEST(what_is_not_learnt_gets_no_gradient_and_costs_no_backward)
{
    net n = record(PN_CONST);
    pn_output(n.g, n.y, PN_GRAD);
    pn_plan *learning = plan(n.g, PN_TRAIN, n.params);
    n.plan = plan(n.g, PN_TRAIN, NULL);
    ck_assert_int_eq(pn_plan_describe(n.plan).backward_steps, 0);
    ck_assert_int_gt(pn_plan_describe(learning).backward_steps, 0);
    ck_assert_uint_lt(pn_plan_describe(n.plan).arena_bytes, pn_plan_describe(learning).arena_bytes);
    pn_real x[MAP];
    pn_test_random("x", x, MAP);
    ck_assert_int_eq(pn_set(n.plan, n.x, x), PN_OK);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    assert_refused(pn_set_grad(n.plan, n.y, x), "cannot take a gradient");
    ck_assert_int_eq(pn_backward(n.plan), PN_OK);
    ck_assert_ptr_null(pn_param_grad(n.w));
    pn_plan_free(learning);
    end(&n);
}
END_TEST

START_TEST(a_parameter_no_backward_reached_is_not_stepped)
{
    net n = ready();
    pn_tensor *idle = pn_param(n.params, "idle", pn_shape1(5), normal);
    const pn_real before = pn_param_data(n.w)[0];
    pn_adam *adam = pn_adam_new(n.params, (pn_adam_opt){ .lr = 1e-2, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-8 });
    ck_assert_ptr_nonnull(adam);
    ck_assert_int_eq(pn_adam_step(adam), PN_OK);
    ck_assert(pn_param_data(n.w)[0] == before);
    backward_from(n.plan, n.y, "dy");
    ck_assert_int_eq(pn_adam_step(adam), PN_OK);
    ck_assert(pn_param_data(n.w)[0] != before);
    ck_assert_int_eq(*pn_adam_steps(adam, n.w), 1);
    ck_assert_int_eq(*pn_adam_steps(adam, idle), 0);
    pn_adam_free(adam);
    end(&n);
}
END_TEST

/* After steps 1, 2, 3 an average keeps 0, 1/11 and 1/6 of itself: less than 0.999, and less than 0.1 only at first. */
START_TEST(averages_follow_the_steps_and_change_places_with_the_parameters)
{
    const double keep = _i ? 0.1 : 0.999, kept[] = { 0, 1 / 11., _i ? 0.1 : 1 / 6. };
    net n = ready();
    pn_adam *adam = pn_adam_new(n.params, (pn_adam_opt){ .lr = 0.1, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-8, .keep = keep });
    double average[C * C * 9];
    for (int s = 0; s < 3; s++) {
        if (s) ck_assert_int_eq(pn_forward(n.plan), PN_OK);
        backward_from(n.plan, n.y, s % 2 ? "other" : "dy");
        ck_assert_int_eq(pn_adam_step(adam), PN_OK);
        const pn_real *is = pn_adam_average(adam, n.w), *w = pn_param_data(n.w);
        for (int i = 0; i < C * C * 9; i++) {
            average[i] = s ? kept[s] * average[i] + (1 - kept[s]) * (double)w[i] : (double)w[i];
            ck_assert(fabs((double)is[i] - average[i]) < 1e-6);
        }
    }
    pn_real trained[C * C * 9], before[MAP], after[MAP];
    memcpy(trained, pn_param_data(n.w), sizeof trained);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    ck_assert_int_eq(pn_get(n.plan, n.y, before), PN_OK);
    pn_adam_swap_averages(adam);
    for (int i = 0; i < C * C * 9; i++) ck_assert(fabs((double)pn_param_data(n.w)[i] - average[i]) < 1e-6);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);        /* packed weights are remade */
    ck_assert_int_eq(pn_get(n.plan, n.y, after), PN_OK);
    ck_assert_mem_ne(before, after, sizeof after);
    pn_adam_swap_averages(adam);
    ck_assert_mem_eq(trained, pn_param_data(n.w), sizeof trained);
    pn_adam_free(adam);
    end(&n);
}
END_TEST

START_TEST(a_nan_gradient_stops_the_step_and_changes_nothing)
{
    net n = ready();
    pn_real dy[MAP] = { (pn_real)NAN }, before[C * C * 9];
    memcpy(before, pn_param_data(n.w), sizeof before);
    pn_adam *adam = pn_adam_new(n.params, (pn_adam_opt){ .lr = 1e-2, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-8 });
    ck_assert_int_eq(pn_set_grad(n.plan, n.y, dy), PN_OK);
    ck_assert_int_eq(pn_backward(n.plan), PN_OK);
    ck_assert_int_eq(pn_adam_step(adam), PN_ERR_NONFINITE);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "the gradient of 'w' holds NaN or Inf"));
    ck_assert_mem_eq(before, pn_param_data(n.w), sizeof before);
    ck_assert_int_eq(*pn_adam_steps(adam, n.w), 0);
    pn_adam_free(adam);
    end(&n);
}
END_TEST

/* ---- Several plans ----------------------------------------------------------------------------------------------- */

START_TEST(plans_of_the_same_parameters_see_each_step)
{
    net n = ready();
    pn_plan *other = plan(n.g, PN_INFER, NULL);
    pn_real x[MAP], here[MAP], there[MAP], before[MAP];
    pn_test_random("x", x, MAP);
    ck_assert_int_eq(pn_set(other, n.x, x), PN_OK);
    ck_assert_int_eq(pn_forward(other), PN_OK);
    ck_assert_int_eq(pn_get(other, n.y, before), PN_OK);
    backward_from(n.plan, n.y, "dy");
    pn_adam *adam = pn_adam_new(n.params, (pn_adam_opt){ .lr = 0.1, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-8 });
    ck_assert_int_eq(pn_adam_step(adam), PN_OK);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    ck_assert_int_eq(pn_forward(other), PN_OK);         /* its packed weights are remade */
    ck_assert_int_eq(pn_get(n.plan, n.y, here), PN_OK);
    ck_assert_int_eq(pn_get(other, n.y, there), PN_OK);
    ck_assert_mem_ne(before, there, sizeof there);
    for (int i = 0; i < MAP; i++) ck_assert(fabs((double)(here[i] - there[i])) < 1e-5);
    pn_adam_free(adam);
    pn_plan_free(other);
    end(&n);
}
END_TEST

/* first: x -> middle; second: middle -> y. Chained by copies they give the gradient of the one graph. */
START_TEST(copies_chain_two_plans_into_one)
{
    net n = ready();
    pn_real whole[MAP], chained[MAP], x[MAP], dy[MAP];
    backward_from(n.plan, n.y, "dy");
    ck_assert_int_eq(pn_get_grad(n.plan, n.x, whole), PN_OK);

    pn_graph *first = pn_test_graph(), *second = pn_test_graph();
    pn_tensor *from = pn_input(first, "x", map, PN_GRAD);
    pn_tensor *middle = pn_conv2d(first, from, n.w, NULL, &(pn_conv_opt){ .pad = { 1, 1 } });
    pn_output(first, middle, PN_GRAD);
    pn_tensor *to = pn_input(second, "middle", map, PN_GRAD), *y = pn_leaky_relu(second, to, 0.1);
    pn_output(second, y, PN_GRAD);
    pn_plan *a = plan(first, PN_TRAIN, NULL), *b = plan(second, PN_TRAIN, NULL);
    pn_test_random("x", x, MAP);
    pn_test_random("dy", dy, MAP);
    assert_refused(pn_copy(b, to, a, middle), "has no value yet; call pn_forward first");
    ck_assert_int_eq(pn_set(a, from, x), PN_OK);
    ck_assert_int_eq(pn_forward(a), PN_OK);
    ck_assert_int_eq(pn_copy(b, to, a, middle), PN_OK);
    ck_assert_int_eq(pn_forward(b), PN_OK);
    assert_refused(pn_copy_grad(a, middle, b, to), "after pn_backward of a training plan");
    ck_assert_int_eq(pn_set_grad(b, y, dy), PN_OK);
    ck_assert_int_eq(pn_backward(b), PN_OK);
    ck_assert_int_eq(pn_copy_grad(a, middle, b, to), PN_OK);
    ck_assert_int_eq(pn_backward(a), PN_OK);
    ck_assert_int_eq(pn_get_grad(a, from, chained), PN_OK);
    for (int i = 0; i < MAP; i++)
        ck_assert(fabs((double)(whole[i] - chained[i])) <= 1e-5 * (1 + fabs((double)whole[i])));
    pn_plan_free(a);
    pn_plan_free(b);
    pn_graph_free(first);
    pn_graph_free(second);
    end(&n);
}
END_TEST

START_TEST(a_copy_of_another_shape_is_refused_with_both)
{
    net n = ready();
    pn_graph *other = pn_test_graph();
    pn_tensor *small = pn_input(other, "small", pn_shape4(1, C, 2, 2), PN_GRAD);
    pn_output(other, pn_relu(other, small), PN_GRAD);
    pn_plan *p = plan(other, PN_TRAIN, NULL);
    ck_assert_int_eq(pn_copy(p, small, n.plan, n.y), PN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "the source is [1,3,6,6], expected [1,3,2,2]"));
    pn_plan_free(p);
    pn_graph_free(other);
    end(&n);
}
END_TEST

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

START_TEST(a_plan_tells_its_bytes_and_running_asks_for_none)
{
    pn_test_memory memory = { 0 };
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 2, .allocator = pn_test_allocator(&memory) }, NULL);
    pn_graph *g = pn_graph_new(ctx);
    pn_params *params = pn_params_new(ctx);
    pn_tensor *x = pn_input(g, "x", pn_shape4(2, 16, 64, 64), PN_GRAD), *t = x;
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        t = pn_conv2d(g, t, pn_param(params, name, pn_shape4(16, 16, 3, 3), normal), NULL,
                      &(pn_conv_opt){ .pad = { 1, 1 } });
        t = pn_instance_norm(g, pn_tanh(g, t), NULL, NULL, 1e-5);
    }
    pn_loss(g, pn_mean(g, t, PN_ALL_AXES, PN_DROP_AXES));
    ck_assert_int_eq(pn_params_init(params, 1), PN_OK);
    pn_adam *adam = pn_adam_new(params, (pn_adam_opt){ .lr = 1e-3, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-8 });
    const size_t before = memory.live_bytes;
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = params });
    ck_assert_ptr_nonnull(p);
    const size_t taken = memory.live_bytes - before, told = pn_plan_describe(p).arena_bytes;
    ck_assert_uint_ge(taken, told);
    ck_assert_uint_le(taken, told + (256 << 10));       /* its own books */

    const ptrdiff_t count = pn_shape_count(pn_tensor_shape(x));
    pn_real *values = malloc((size_t)count * sizeof *values);
    pn_test_random("x", values, count);
    const uint64_t requests = pn_alloc_requests(ctx);
    const unsigned long mallocs = pn_test_mallocs();
    int failures = 0;                                   /* Check's own assertions ask for memory */
    for (int i = 0; i < 2; i++)
        failures += pn_set(p, x, values) || pn_forward(p) || pn_backward(p) || pn_get_grad(p, x, values) ||
                    pn_adam_step(adam);
    const unsigned long asked = pn_test_mallocs() - mallocs;
    ck_assert_int_eq(failures, 0);
    ck_assert_uint_eq(asked, 0);
    ck_assert_uint_eq(pn_alloc_requests(ctx), requests);
    free(values);
    pn_adam_free(adam);
    pn_plan_free(p);
    pn_params_free(params);
    pn_graph_free(g);
    pn_ctx_free(ctx);
    ck_assert_int_eq(memory.live, 0);
    ck_assert_uint_eq(memory.live_bytes, 0);
}
END_TEST

START_TEST(counting_mallocs_counts)
{
    if (!pn_test_mallocs_counted()) return;
    const unsigned long before = pn_test_mallocs();
    void *volatile memory = malloc(100);
    ck_assert_uint_eq(pn_test_mallocs(), before + 1);
    free(memory);
}
END_TEST

START_TEST(a_plan_above_the_limit_is_refused_with_its_size)
{
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 1, .limits = { .plan_bytes = 100000 } }, NULL);
    pn_graph *g = pn_graph_new(ctx);
    pn_output(g, pn_relu(g, pn_input(g, "x", pn_shape4(1, 16, 64, 64), PN_CONST)), PN_CONST);
    ck_assert_ptr_null(pn_plan_new(g, NULL));
    ck_assert_int_eq(pn_ctx_status(ctx), PN_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(ctx), "more than the limit of 100000; use a smaller batch or size"));
    pn_graph_free(g);
    pn_ctx_free(ctx);
}
END_TEST

/* Each tensor fits an address space, several do not: sizes must not wrap around. */
START_TEST(a_plan_larger_than_any_memory_is_refused)
{
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 1, .limits = { .plan_bytes = SIZE_MAX } }, NULL);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *x = pn_input(g, "x", pn_shape4(1, 1, (ptrdiff_t)1 << 28, (ptrdiff_t)1 << 27), PN_CONST);
    for (int i = 0; i < 5; i++) {
        x = pn_test_probe(g, x, PN_TEST_BLOCKED);
        pn_output(g, x, PN_CONST);
    }
    ck_assert_int_eq(pn_graph_status(g), PN_OK);
    ck_assert_ptr_null(pn_plan_new(g, NULL));
    ck_assert(pn_ctx_status(ctx) == PN_ERR_NOMEM || pn_ctx_status(ctx) == PN_ERR_LIMIT);
    pn_graph_free(g);
    pn_ctx_free(ctx);
}
END_TEST

/* ---- The same again ---------------------------------------------------------------------------------------------- */

START_TEST(a_run_leaves_nothing_behind_for_the_next)
{
    net n = ready();
    pn_real first[MAP], again[MAP], x[MAP];
    ck_assert_int_eq(pn_get(n.plan, n.y, first), PN_OK);
    backward_from(n.plan, n.y, "dy");
    ck_assert_int_eq(pn_get(n.plan, n.y, again), PN_OK);        /* through its backward */
    ck_assert_mem_eq(first, again, sizeof first);
    pn_test_random("another x", x, MAP);
    ck_assert_int_eq(pn_set(n.plan, n.x, x), PN_OK);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);        /* a forward without a backward is fine */
    pn_test_random("x", x, MAP);
    ck_assert_int_eq(pn_set(n.plan, n.x, x), PN_OK);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    ck_assert_int_eq(pn_get(n.plan, n.y, again), PN_OK);
    ck_assert_mem_eq(first, again, sizeof first);
    end(&n);
}
END_TEST

START_TEST(nan_comes_out_where_nan_went_in)
{
    net n = ready();
    pn_real x[MAP], y[MAP];
    pn_test_random("x", x, MAP);
    x[0] = (pn_real)NAN;
    ck_assert_int_eq(pn_set(n.plan, n.x, x), PN_OK);
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    ck_assert_int_eq(pn_get(n.plan, n.y, y), PN_OK);
    for (int c = 0; c < C; c++) {
        ck_assert(isnan(y[c * SIDE * SIDE]));
        ck_assert(!isnan(y[(c + 1) * SIDE * SIDE - 1]));
    }
    end(&n);
}
END_TEST

/* ---- What is settled, and who watches ------------------------------------------------------------------------------------ */

enum { MOST_STEPS = 16 };
typedef struct { int n; char op[MOST_STEPS][24]; double seconds, macs; } seen;

static void note_step(void *user, const pn_step_report *r)
{
    seen *s = user;
    ck_assert_int_lt(s->n, MOST_STEPS);
    snprintf(s->op[s->n++], sizeof *s->op, "%s%s", r->backward ? "back " : "", r->op);
    s->seconds += r->seconds;
    s->macs += r->macs;
}

static int count_of(const seen *s, const char *op)
{
    int n = 0;
    for (int i = 0; i < s->n; i++) n += strcmp(s->op[i], op) == 0;
    return n;
}

/* x by a slice of "w", and a bias that is twice the parameter "b": the first is packed, the second read in every run. */
typedef struct { pn_graph *g; pn_params *params; pn_tensor *x, *w, *b, *y; pn_plan *plan; } made_net;
enum { WIDE = 64 };
static const pn_shape wide = { 4, { 1, WIDE, SIDE, SIDE } };

static made_net make_net(bool seldom)
{
    made_net n = { .g = pn_test_graph(), .params = pn_params_new(pn_test_ctx()) };
    n.x = pn_input(n.g, "x", wide, PN_CONST);
    n.w = pn_param(n.params, "w", pn_shape4(WIDE, 2 * WIDE, 3, 3), normal);
    n.b = pn_param(n.params, "b", pn_shape1(WIDE), normal);
    pn_tensor *half = pn_slice(n.g, n.w, 1, WIDE, 2 * WIDE), *bias = pn_affine(n.g, n.b, 2, 0);
    n.y = pn_conv2d(n.g, n.x, half, bias, &(pn_conv_opt){ .pad = { 1, 1 } });
    for (int i = 0; i < 3; i++) n.y = pn_tanh(n.g, pn_affine(n.g, n.y, 1.5, 0.1));    /* maps that want memory */
    pn_output(n.g, n.y, PN_CONST);
    ck_assert_int_eq(pn_params_init(n.params, 1), PN_OK);
    n.plan = pn_plan_new(n.g, &(pn_plan_opt){ .mode = PN_INFER, .seldom = seldom });
    ck_assert_ptr_nonnull(n.plan);
    return n;
}

static void end_made(made_net *n)
{
    pn_plan_free(n->plan);
    pn_params_free(n->params);
    pn_graph_free(n->g);
}

static pn_real *run_made(const made_net *n, const char *stream, seen *s)
{
    static pn_real x[WIDE * SIDE * SIDE];
    pn_real *y = malloc(sizeof x);
    pn_test_random(stream, x, WIDE * SIDE * SIDE);
    *s = (seen){ 0 };
    pn_ctx_watch(pn_test_ctx(), (pn_watch){ note_step, s });
    ck_assert_int_eq(pn_set(n->plan, n->x, x), PN_OK);
    ck_assert_int_eq(pn_forward(n->plan), PN_OK);
    pn_ctx_watch(pn_test_ctx(), (pn_watch){ 0 });
    ck_assert_int_eq(pn_get(n->plan, n->y, y), PN_OK);
    return y;
}

static void assert_same_result(const made_net *a, const made_net *b, const char *stream)
{
    seen s;
    pn_real *y = run_made(a, stream, &s), *z = run_made(b, stream, &s);
    ck_assert_mem_eq(y, z, sizeof(pn_real) * WIDE * SIDE * SIDE);
    free(y);
    free(z);
}

START_TEST(what_depends_on_parameters_alone_is_computed_once_until_they_change)
{
    made_net kept = make_net(false), anew = make_net(true);
    seen s;
    free(run_made(&kept, "first", &s));
    ck_assert_int_eq(count_of(&s, "slice"), 1);
    free(run_made(&kept, "second", &s));
    ck_assert_int_eq(count_of(&s, "slice"), 0);
    ck_assert_int_eq(count_of(&s, "conv2d"), 1);
    assert_same_result(&kept, &anew, "third");

    pn_real b[WIDE];
    pn_test_random("b", b, WIDE);
    pn_param_set(kept.b, b);
    pn_param_set(anew.b, b);
    free(run_made(&kept, "fourth", &s));
    ck_assert_int_eq(count_of(&s, "slice"), 1);                 /* all of them, so that their memory can be shared */
    assert_same_result(&kept, &anew, "fifth");
    free(run_made(&anew, "sixth", &s));
    ck_assert_int_eq(count_of(&s, "slice"), 1);                 /* a plan that runs seldom keeps nothing */
    end_made(&kept);
    end_made(&anew);
}
END_TEST

/* Two transposed convolutions that are added become one step: its weights are packed together, one of them a slice. */
START_TEST(a_parameter_packed_beside_a_settled_weight_settles_it_again)
{
    enum { FROM = 32, TO = 16, AT = 24, OUT = 3 * TO * 4 * AT * AT };
    static const pn_conv_opt twice = { .stride = { 2, 2 }, .pad = { 1, 1 }, .output_pad = { 1, 1 } };
    pn_graph *g = pn_test_graph();
    pn_params *params = pn_params_new(pn_test_ctx());
    pn_tensor *x = pn_input(g, "x", pn_shape4(1, FROM, AT, AT), PN_CONST);
    pn_tensor *w = pn_param(params, "w", pn_shape4(FROM, TO, 3, 3), normal);
    pn_tensor *both = pn_param(params, "both", pn_shape4(FROM, 2 * TO, 3, 3), normal);
    pn_tensor *y = pn_add(g, pn_conv_transpose2d(g, x, w, NULL, &twice),
                          pn_conv_transpose2d(g, x, pn_slice(g, both, 1, TO, 2 * TO), NULL, &twice));
    pn_tensor *const maps[] = { pn_tanh(g, y), pn_sigmoid(g, y), pn_relu(g, y) };       /* which want the slice's memory */
    y = pn_concat(g, maps, 3, 1);
    pn_output(g, y, PN_CONST);
    ck_assert_int_eq(pn_params_init(params, 1), PN_OK);
    pn_plan *kept = plan(g, PN_INFER, NULL);
    ck_assert_int_gt(pn_plan_describe(kept).fused, 0);
    static pn_real in[FROM * AT * AT], first[OUT], second[OUT], weights[FROM * TO * 9];
    pn_test_random("x", in, FROM * AT * AT);
    for (int i = 0; i < 2; i++) ck_assert_int_eq(pn_set(kept, x, in) | pn_forward(kept), PN_OK);
    pn_test_random("weights", weights, FROM * TO * 9);
    pn_param_set(w, weights);
    ck_assert_int_eq(pn_set(kept, x, in) | pn_forward(kept) | pn_get(kept, y, first), PN_OK);
    pn_plan *fresh = plan(g, PN_INFER, NULL);
    ck_assert_int_eq(pn_set(fresh, x, in) | pn_forward(fresh) | pn_get(fresh, y, second), PN_OK);
    ck_assert_mem_eq(first, second, sizeof first);
    pn_plan_free(kept);
    pn_plan_free(fresh);
    pn_params_free(params);
    pn_graph_free(g);
}
END_TEST

START_TEST(state_that_a_training_plan_moves_is_noticed)
{
    pn_graph *g = pn_test_graph();
    pn_params *params = pn_params_new(pn_test_ctx());
    pn_tensor *x = pn_input(g, "x", pn_shape4(1, 8, 4, 4), PN_CONST), *w = pn_param(params, "w", pn_shape4(8, 8, 1, 1), normal);
    pn_tensor *u = pn_state(params, "u", pn_shape1(8), (pn_init){ PN_INIT_UNIT, 1 });
    pn_tensor *v = pn_state(params, "v", pn_shape1(8), (pn_init){ PN_INIT_UNIT, 1 });
    pn_tensor *y = pn_conv2d(g, x, pn_spectral_norm(g, w, 0, u, v, 1e-12), NULL, NULL);
    pn_output(g, y, PN_GRAD);
    ck_assert_int_eq(pn_params_init(params, 1), PN_OK);
    pn_plan *infer = plan(g, PN_INFER, NULL), *train = plan(g, PN_TRAIN, params);
    pn_real values[8 * 16], before[8 * 16], after[8 * 16];
    pn_test_random("x", values, 8 * 16);
    ck_assert_int_eq(pn_set(infer, x, values) | pn_set(train, x, values) | pn_forward(infer) | pn_get(infer, y, before), PN_OK);
    ck_assert_int_eq(pn_forward(train) | pn_forward(infer) | pn_get(infer, y, after), PN_OK);
    ck_assert_mem_ne(before, after, sizeof before);
    pn_plan_free(infer);
    pn_plan_free(train);
    pn_params_free(params);
    pn_graph_free(g);
}
END_TEST

START_TEST(a_watch_is_told_of_every_step_forward_and_backward)
{
    net n = ready();
    seen s = { 0 };
    pn_ctx_watch(pn_test_ctx(), (pn_watch){ note_step, &s });
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    backward_from(n.plan, n.y, "dy");
    pn_ctx_watch(pn_test_ctx(), (pn_watch){ 0 });
    ck_assert_int_eq(count_of(&s, "conv2d"), 1);
    ck_assert_int_eq(count_of(&s, "back conv2d"), 1);
    const int steps = s.n;
    const pn_plan_stats stats = pn_plan_describe(n.plan);
    ck_assert_int_eq(steps, stats.forward_steps + stats.backward_steps);
    ck_assert_double_gt(s.seconds, 0);
    ck_assert_double_eq(s.macs, 3.0 * SIDE * SIDE * C * C * 9);         /* forward, and backward for x and w */
    ck_assert_int_eq(pn_forward(n.plan), PN_OK);
    ck_assert_int_eq(s.n, steps);
    end(&n);
}
END_TEST

TCase *run_cases(void)
{
    TCase *tc = tcase_create("run");
    tcase_add_test(tc, a_forward_with_an_input_never_set_runs_nothing);
    tcase_add_test(tc, a_second_backward_is_refused_and_changes_nothing);
    tcase_add_test(tc, what_is_not_there_can_be_neither_set_nor_read);
    tcase_add_test(tc, an_inference_plan_has_no_backward);
    tcase_add_test(tc, an_output_that_was_handed_nothing_counts_as_zero);
    tcase_add_test(tc, an_output_that_is_used_further_sums_up);
    tcase_add_test(tc, a_loss_starts_backward_with_one);
    tcase_add_test(tc, an_input_no_output_depends_on_has_zero_gradient_or_is_not_there);
    tcase_add_test(tc, parameter_gradients_add_up_until_they_are_used);
    tcase_add_test(tc, what_is_not_learnt_gets_no_gradient_and_costs_no_backward);
    tcase_add_test(tc, a_parameter_no_backward_reached_is_not_stepped);
    tcase_add_loop_test(tc, averages_follow_the_steps_and_change_places_with_the_parameters, 0, 2);
    tcase_add_test(tc, a_nan_gradient_stops_the_step_and_changes_nothing);
    tcase_add_test(tc, plans_of_the_same_parameters_see_each_step);
    tcase_add_test(tc, copies_chain_two_plans_into_one);
    tcase_add_test(tc, a_copy_of_another_shape_is_refused_with_both);
    tcase_add_test(tc, a_plan_tells_its_bytes_and_running_asks_for_none);
    tcase_add_test(tc, counting_mallocs_counts);
    tcase_add_test(tc, a_plan_above_the_limit_is_refused_with_its_size);
    tcase_add_test(tc, a_plan_larger_than_any_memory_is_refused);
    tcase_add_test(tc, a_run_leaves_nothing_behind_for_the_next);
    tcase_add_test(tc, nan_comes_out_where_nan_went_in);
    tcase_add_test(tc, what_depends_on_parameters_alone_is_computed_once_until_they_change);
    tcase_add_test(tc, a_parameter_packed_beside_a_settled_weight_settles_it_again);
    tcase_add_test(tc, state_that_a_training_plan_moves_is_noticed);
    tcase_add_test(tc, a_watch_is_told_of_every_step_forward_and_backward);
    return tc;
}
