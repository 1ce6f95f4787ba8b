/* tests/graph/test_memory.c - lib/graph/memory.c: plans that take turns in one memory compute what each computes alone */
#include "graph/random_graph.h"

enum { PLANS = 4, ROUNDS = 4 };         /* two hosts, then their guests */
static const bool is_guest[PLANS] = { false, false, true, true };

typedef struct {
    random_graph r[PLANS];
    pn_plan *plan[PLANS];
    random_numbers alone[PLANS];
    pn_memory *memory;
} turns;

static pn_plan *plan_of(const random_graph *r, pn_mode mode, pn_memory *m, bool guest)
{
    const pn_plan_opt opt = { .mode = mode, .learn = mode == PN_TRAIN ? r->learnt : NULL, .memory = m, .guest = guest };
    pn_plan *p = pn_plan_new(r->g, &opt);
    if (!p) ck_abort_msg("%s", pn_ctx_message(r->ctx));
    return p;
}

static turns take_turns(uint64_t seed)
{
    turns t = { .memory = pn_memory_new(pn_test_ctx()) };
    for (int i = 0; i < PLANS; i++) {
        const pn_mode mode = i == PLANS - 1 ? PN_INFER : PN_TRAIN;
        t.r[i] = random_graph_make(pn_test_ctx(), PLANS * seed + (uint64_t)i);
        pn_plan *alone = plan_of(&t.r[i], mode, NULL, false);
        t.alone[i] = random_graph_run(&t.r[i], alone);
        pn_plan_free(alone);
        pn_params_zero_grad(t.r[i].learnt);
        t.plan[i] = plan_of(&t.r[i], mode, t.memory, is_guest[i]);
    }
    return t;
}

static void end_turns(turns *t)
{
    for (int i = 0; i < PLANS; i++) {
        pn_plan_free(t->plan[i]);
        for (int k = 0; k < pn_params_count(t->r[i].learnt); k++) ck_assert_ptr_null(pn_param_grad(pn_params_at(t->r[i].learnt, k)));
        free(t->alone[i].values);
        random_graph_free(&t->r[i]);
    }
    pn_memory_free(t->memory);
}

static void same(const turns *t, int i, random_numbers is)
{
    ck_assert_int_eq(is.count, t->alone[i].count);
    ck_assert_msg(memcmp(is.values, t->alone[i].values, (size_t)is.count * sizeof *is.values) == 0, "plan %d differs", i);
    free(is.values);
}

static void start(const turns *t, int i) { ck_assert_int_eq(pn_forward(t->plan[i]), PN_OK); }

static void finish(const turns *t, int i)
{
    same(t, i, random_graph_finish(&t->r[i], t->plan[i]));
    pn_params_zero_grad(t->r[i].learnt);                /* as an optimiser step uses them up */
}

START_TEST(plans_that_take_turns_compute_what_they_compute_alone)
{
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        turns t = take_turns(ROUNDS * (uint64_t)_i + seed);
        for (int i = 0; i < PLANS; i++) random_graph_set(&t.r[i], t.plan[i]);  /* inputs stay, whoever runs */
        for (int round = 0; round < 2; round++)
            for (int host = 0; host < 2; host++) {
                start(&t, host);
                for (int guest = 2; guest < PLANS; guest++) {
                    start(&t, guest);
                    finish(&t, guest);
                }
                finish(&t, host);
            }
        start(&t, 2);                   /* a guest needs no host */
        finish(&t, 2);
        end_turns(&t);
    }
}
END_TEST

START_TEST(what_a_host_holds_lies_below_its_guests_and_all_fit)
{
    turns t = take_turns(77);
    size_t held = 0, guests = 0, hosts = 0, sum = 0;
    for (int i = 0; i < PLANS; i++) {
        const pn_plan *p = t.plan[i];
        size_t *most = is_guest[i] ? &guests : &hosts;
        if (!is_guest[i] && p->held_bytes > held) held = p->held_bytes;
        if (p->shared_bytes > *most) *most = p->shared_bytes;
        sum += p->shared_bytes;
        for (int b = 0; b < p->n_buffers; b++) {
            const pn_buffer *at = &p->buffers[b];
            if (!at->shared || at->offset < 0) continue;
            const bool across = at->first < p->n_forward && at->last >= p->n_forward;
            if (across && !is_guest[i]) ck_assert_uint_le((size_t)at->offset + at->bytes, p->held_bytes);
        }
    }
    ck_assert_uint_gt(held, 0);
    ck_assert_uint_eq(pn_memory_bytes(t.memory), held + guests > hosts ? held + guests : hosts);
    ck_assert_uint_lt(pn_memory_bytes(t.memory), sum);
    for (int i = 2; i < PLANS; i++) ck_assert_ptr_eq(t.plan[i]->shared, t.plan[0]->shared + held);
    end_turns(&t);
}
END_TEST

static void assert_lost(const turns *t, int i)
{
    ck_assert_int_eq(pn_backward(t->plan[i]), PN_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "another plan of its memory has run since the last forward"));
}

START_TEST(a_backward_whose_turn_is_over_is_refused_and_outputs_stay)
{
    static const int taken_by[][2] = { { 0, 1 }, { 2, 3 }, { 2, 1 } };          /* by a host, a guest, a host */
    turns t = take_turns(5);
    for (int i = 0; i < PLANS; i++) random_graph_set(&t.r[i], t.plan[i]);
    for (size_t k = 0; k < sizeof taken_by / sizeof *taken_by; k++) {
        const int lost = taken_by[k][0];
        const pn_tensor *out = t.r[lost].out[0];
        pn_real *y = malloc((size_t)pn_shape_count(out->shape) * sizeof *y);
        start(&t, lost);
        start(&t, taken_by[k][1]);
        assert_lost(&t, lost);
        ck_assert_int_eq(pn_set_grad(t.plan[lost], out, t.alone[lost].values), PN_ERR_ARG);
        ck_assert_int_eq(pn_get(t.plan[lost], out, y), PN_OK);
        ck_assert_mem_eq(y, t.alone[lost].values, (size_t)pn_shape_count(out->shape) * sizeof *y);
        free(y);
        start(&t, lost);
        finish(&t, lost);
    }
    start(&t, 0);
    start(&t, 2);
    finish(&t, 0);                      /* a host's backward takes what its guest has kept */
    assert_lost(&t, 2);
    end_turns(&t);
}
END_TEST

/* Plans of a larger picture come and go. */
START_TEST(a_memory_that_grows_loses_what_was_kept_and_nothing_else)
{
    pn_memory *m = pn_memory_new(pn_test_ctx());
    pn_graph *g[2] = { pn_test_graph(), pn_test_graph() };
    pn_tensor *x[2], *y[2];
    for (int i = 0; i < 2; i++) {
        x[i] = pn_input(g[i], "x", pn_shape4(1, 3, 8 << i, 8), PN_GRAD);
        y[i] = pn_tanh(g[i], pn_sigmoid(g[i], pn_affine(g[i], x[i], 2, 0)));
        pn_output(g[i], y[i], PN_GRAD);
    }
    const pn_plan_opt opt = { .mode = PN_TRAIN, .memory = m };
    pn_plan *small = pn_plan_new(g[0], &opt);
    pn_real in[192], dx[2][192];
    pn_test_random("x", in, 192);
    ck_assert_int_eq(pn_set(small, x[0], in) | pn_forward(small) | pn_set_grad(small, y[0], in) | pn_backward(small), PN_OK);
    ck_assert_int_eq(pn_get_grad(small, x[0], dx[0]) | pn_forward(small), PN_OK);
    const size_t before = pn_memory_bytes(m);
    pn_plan *large = pn_plan_new(g[1], &opt);
    ck_assert_uint_gt(pn_memory_bytes(m), before);
    ck_assert_int_eq(pn_backward(small), PN_ERR_ARG);
    ck_assert_int_eq(pn_forward(small) | pn_set_grad(small, y[0], in) | pn_backward(small), PN_OK);
    ck_assert_int_eq(pn_get_grad(small, x[0], dx[1]), PN_OK);
    ck_assert_mem_eq(dx[0], dx[1], sizeof dx[0]);
    pn_plan_free(large);
    ck_assert_int_eq(pn_forward(small), PN_OK);
    pn_plan_free(small);
    pn_memory_free(m);
    pn_memory_free(NULL);
    ck_assert_uint_eq(pn_memory_bytes(NULL), 0);
    for (int i = 0; i < 2; i++) pn_graph_free(g[i]);
}
END_TEST

/* y = x w: its gradient is refused to be run over, and is added to where it is when another plan learns w, too. */
START_TEST(a_gradient_waits_for_the_optimiser_step)
{
    pn_memory *m = pn_memory_new(pn_test_ctx());
    pn_graph *g = pn_test_graph();
    pn_params *params = pn_params_new(pn_test_ctx());
    pn_tensor *x = pn_input(g, "x", pn_shape2(4, 8), PN_GRAD), *w = pn_param(params, "w", pn_shape2(8, 8), (pn_init){ PN_INIT_NORMAL, 1 });
    pn_loss(g, pn_mean(g, pn_tanh(g, pn_linear(g, x, w, NULL)), PN_ALL_AXES, PN_DROP_AXES));
    ck_assert_int_eq(pn_params_init(params, 1), PN_OK);
    const pn_plan_opt opt = { .mode = PN_TRAIN, .learn = params, .memory = m };
    pn_plan *turn = pn_plan_new(g, &opt), *next = pn_plan_new(g, &opt);
    pn_plan *alone = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = params });
    pn_real in[32], once[64], twice[64];
    pn_test_random("x", in, 32);
    pn_plan *const all[] = { turn, next, alone };
    for (int i = 0; i < 3; i++) ck_assert_int_eq(pn_set(all[i], x, in), PN_OK);
    ck_assert_int_eq(pn_forward(alone) | pn_backward(alone), PN_OK);
    memcpy(once, pn_param_grad(w), sizeof once);
    ck_assert_int_eq(pn_forward(alone) | pn_backward(alone), PN_OK);
    memcpy(twice, pn_param_grad(w), sizeof twice);
    pn_params_zero_grad(params);

    ck_assert_int_eq(pn_forward(turn) | pn_backward(turn), PN_OK);
    ck_assert_mem_eq(pn_param_grad(w), once, sizeof once);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pn_forward(all[i]), PN_ERR_ARG);
        ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "the gradient of 'w' waits in the plan's memory"));
    }
    ck_assert_int_eq(pn_forward(alone) | pn_backward(alone), PN_OK);
    ck_assert_mem_eq(pn_param_grad(w), twice, sizeof twice);
    pn_params_zero_grad(params);
    ck_assert_int_eq(pn_forward(next) | pn_forward(alone) | pn_backward(alone) | pn_backward(next), PN_OK);
    ck_assert_mem_eq(pn_param_grad(w), twice, sizeof twice);    /* where the first one was */
    ck_assert_int_eq(pn_forward(turn), PN_OK);
    pn_params_zero_grad(params);
    ck_assert_int_eq(pn_forward(turn) | pn_backward(turn), PN_OK);
    pn_plan_free(turn);
    ck_assert_ptr_null(pn_param_grad(w));                       /* gone with the plan */
    pn_plan_free(next);
    pn_plan_free(alone);
    pn_memory_free(m);
    pn_params_free(params);
    pn_graph_free(g);
}
END_TEST

TCase *memory_cases(void)
{
    TCase *tc = tcase_create("memory");
    tcase_add_loop_test(tc, plans_that_take_turns_compute_what_they_compute_alone, 0, 8);
    tcase_add_test(tc, what_a_host_holds_lies_below_its_guests_and_all_fit);
    tcase_add_test(tc, a_backward_whose_turn_is_over_is_refused_and_outputs_stay);
    tcase_add_test(tc, a_gradient_waits_for_the_optimiser_step);
    tcase_add_test(tc, a_memory_that_grows_loses_what_was_kept_and_nothing_else);
    return tc;
}
