/* tests/ops/test_token_attention.c - lib/ops/token_attention.c */
#include "support/pntest.h"

enum { Q, K, V, PRIOR, INPUTS };

static pn_tensor *plain(pn_graph *g, pn_tensor *const in[]) { return pn_token_attention(g, in[Q], in[K], in[V], NULL, NULL); }
static pn_tensor *with_prior(pn_graph *g, pn_tensor *const in[])
{
    return pn_token_attention(g, in[Q], in[K], in[V], in[PRIOR], NULL);
}
/* What is supervised takes a gradient of its own. */
static pn_tensor *logits(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *e = NULL;
    pn_tensor *y = pn_token_attention(g, in[Q], in[K], in[V], in[PRIOR], &e);
    pn_tensor *sum = pn_sum(g, y, PN_AXIS(1), PN_KEEP_AXES);
    return pn_add(g, e, sum);
}

#define SHAPES(N, C, TOKENS, OUT, H, W) \
    { { 4, { N, C, H, W } }, { 3, { N, TOKENS, C } }, { 3, { N, TOKENS, OUT } }, { 4, { N, TOKENS, H, W } } }
static const pn_shape cases[][INPUTS] = {
    SHAPES(1, 1, 1, 1, 1, 1), SHAPES(2, 5, 3, 4, 3, 7), SHAPES(1, 16, 8, 16, 5, 5), SHAPES(2, 33, 8, 33, 9, 13),
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(plain, cases[_i], PRIOR, PN_TOL_SUM);
    pn_test_parity(with_prior, cases[_i], INPUTS, PN_TOL_SUM);
    pn_test_parity(logits, cases[_i], INPUTS, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_gradients(plain, cases[_i], PRIOR, 0);
    pn_test_gradients(logits, cases[_i], INPUTS, 0);
}
END_TEST

static pn_tensor *plain_also(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *e = NULL, *y = pn_token_attention(g, in[Q], in[K], in[V], NULL, &e);
    pn_test_golden_also(g, e, "logits");
    return y;
}
static pn_tensor *prior_also(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *e = NULL, *y = pn_token_attention(g, in[Q], in[K], in[V], in[PRIOR], &e);
    pn_test_golden_also(g, e, "logits");
    return y;
}
START_TEST(matches_torch)
{
    pn_test_golden(plain_also, PRIOR, "token_attention/plain", PN_TOL_SUM);
    pn_test_golden(prior_also, INPUTS, "token_attention/prior", PN_TOL_SUM);
}
END_TEST

/* ---- Tokens in another order; tokens alike ---------------------------------------------------------------------------- */

enum { C = 20, TOKENS = 8, H = 5, W = 7, AREA = H * W };
typedef struct { pn_real q[C * AREA], k[TOKENS * C], v[TOKENS * C], prior[TOKENS * AREA], y[C * AREA]; } trial;

static trial *trial_make(void)
{
    trial *t = calloc(1, sizeof *t);
    ck_assert_ptr_nonnull(t);
    pn_test_random("q", t->q, C * AREA);
    pn_test_random("k", t->k, TOKENS * C);
    pn_test_random("v", t->v, TOKENS * C);
    pn_test_random("prior", t->prior, TOKENS * AREA);
    return t;
}

static void trial_run(trial *t)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[] = { pn_input(g, "q", pn_shape4(1, C, H, W), PN_CONST), pn_input(g, "k", pn_shape3(1, TOKENS, C), PN_CONST),
                        pn_input(g, "v", pn_shape3(1, TOKENS, C), PN_CONST),
                        pn_input(g, "prior", pn_shape4(1, TOKENS, H, W), PN_CONST) };
    const pn_real *set[] = { t->q, t->k, t->v, t->prior };
    pn_tensor *y = with_prior(g, in);
    pn_output(g, y, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_ptr_nonnull(plan);
    for (int i = 0; i < INPUTS; i++) ck_assert_int_eq(pn_set(plan, in[i], set[i]), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, y, t->y), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
}

START_TEST(the_order_of_tokens_does_not_count)
{
    trial *t = trial_make(), *other = trial_make();
    trial_run(t);
    for (int k = 0; k < TOKENS; k++) {
        const int to = (3 * k + 1) % TOKENS;
        for (int c = 0; c < C; c++) {
            other->k[to * C + c] = t->k[k * C + c];
            other->v[to * C + c] = t->v[k * C + c];
        }
        for (int i = 0; i < AREA; i++) other->prior[to * AREA + i] = t->prior[k * AREA + i];
    }
    trial_run(other);
    for (int i = 0; i < C * AREA; i++) ck_assert_double_eq_tol((double)other->y[i], (double)t->y[i], 1e-5);
    free(t);
    free(other);
}
END_TEST

/* So the weights sum to 1. */
START_TEST(tokens_alike_give_that_token_everywhere)
{
    trial *t = trial_make();
    for (int i = C; i < TOKENS * C; i++) t->v[i] = t->v[i % C];
    trial_run(t);
    for (int i = 0; i < C * AREA; i++) ck_assert_double_eq_tol((double)t->y[i], (double)t->v[i / AREA], 1e-5);
    free(t);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *q = pn_test_zeros(g, cases[1][Q]), *k = pn_test_zeros(g, cases[1][K]), *v = pn_test_zeros(g, cases[2][V]), *e = q;
    ck_assert_ptr_null(pn_token_attention(g, q, k, v, NULL, &e));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_token_attention: v is [1,8,16], expected [2,3,16]");
    ck_assert_ptr_null(e);
    pn_graph_free(g);
    g = pn_test_graph();
    q = pn_test_zeros(g, cases[1][Q]), k = pn_test_zeros(g, cases[1][K]), v = pn_test_zeros(g, cases[1][V]);
    ck_assert_ptr_null(pn_token_attention(g, q, k, v, pn_test_zeros(g, cases[2][PRIOR]), NULL));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_token_attention: prior is [1,8,5,5], expected [2,3,3,7]");
    pn_graph_free(g);
}
END_TEST

TCase *token_attention_cases(void)
{
    TCase *tc = tcase_create("token_attention");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, the_order_of_tokens_does_not_count);
    tcase_add_test(tc, tokens_alike_give_that_token_everywhere);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
