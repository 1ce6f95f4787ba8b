/* tests/graph/test_refused_memory.c - every request for memory refused in turn, while a network is made, recorded
 * and planned */
#include "support/memory.h"
#include "support/pntest.h"

/* Two layers, a norm, a branch, a loss; 0 when all of it was to be had and ran. Everything is freed either way. */
static pn_status make_and_step(pn_ctx *ctx)
{
    pn_params *params = pn_params_new(ctx);
    pn_graph *g = params ? pn_graph_new(ctx) : NULL;
    pn_plan *plan = NULL;
    pn_memory *memory = NULL;
    pn_adam *adam = NULL;
    pn_status status = PN_ERR_NOMEM;
    if (g) {
        pn_tensor *x = pn_input(g, "x", pn_shape4(1, 3, 8, 8), PN_GRAD), *t = x;
        for (int i = 0; i < 2; i++) {
            char name[16];
            snprintf(name, sizeof name, "w%d", i);
            pn_block(g, name);
            pn_tensor *w = pn_param(params, name, pn_shape4(3, 3, 3, 3), (pn_init){ PN_INIT_ORTHOGONAL, 1 });
            pn_tensor *y = pn_conv2d(g, t, w, NULL, &(pn_conv_opt){ .pad = { 1, 1 } });
            t = pn_add(g, pn_tanh(g, pn_instance_norm(g, y, NULL, NULL, 1e-5)), t);
        }
        pn_output(g, t, PN_GRAD);
        pn_loss(g, pn_mean(g, pn_concat(g, (pn_tensor *[]){ t, x }, 2, 1), PN_ALL_AXES, PN_DROP_AXES));
        if (!pn_params_init(params, 1))
            adam = pn_adam_new(params, (pn_adam_opt){ .lr = 1e-3, .beta1 = 0, .beta2 = 0.9, .eps = 1e-8 });
        if (!pn_params_status(params) && (memory = pn_memory_new(ctx)))
            plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = params, .recompute = "w0",
                                                    .memory = memory });
        static const pn_real values[192] = { 1 };
        if (plan && adam)
            status = pn_set(plan, x, values) || pn_forward(plan) || pn_backward(plan) ? PN_ERR_ARG : pn_adam_step(adam);
        else ck_assert_str_ne(pn_ctx_message(ctx), "");
    }
    pn_adam_free(adam);
    pn_plan_free(plan);
    pn_memory_free(memory);
    pn_graph_free(g);
    pn_params_free(params);
    return status;
}

/* fail_after: as a machine that is full; without it: as one request too large. */
START_TEST(a_refused_request_is_reported_and_leaks_nothing)
{
    for (long k = 1;; k++) {
        pn_test_memory memory = { .fail_at = k, .fail_after = _i == 1 };
        char why[256] = "";
        pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 2, .allocator = pn_test_allocator(&memory) }, why);
        if (!ctx) {
            ck_assert_str_ne(why, "");
            ck_assert_int_eq(memory.live, 0);
            continue;
        }
        const long own = memory.live;
        const pn_status status = make_and_step(ctx);
        if (status) ck_assert_int_eq(pn_ctx_status(ctx), PN_ERR_NOMEM);
        ck_assert_int_eq(memory.live, own);
        pn_ctx_free(ctx);
        ck_assert_int_eq(memory.live, 0);
        if (status) {
            ck_assert_int_eq(status, PN_ERR_NOMEM);
            continue;
        }
        ck_assert_int_gt(k, memory.requests);           /* nothing was refused: all requests have had their turn */
        ck_assert_int_gt(k, 20);
        break;
    }
}
END_TEST

TCase *refused_memory_cases(void)
{
    TCase *tc = tcase_create("refused_memory");
    tcase_add_loop_test(tc, a_refused_request_is_reported_and_leaks_nothing, 0, 2);
    return tc;
}
