/* tests/ops/test_channel_attention.c - lib/ops/channel_attention.c */
#include "support/pntest.h"

enum { Q, K, V, ALPHA, INPUTS };

static pn_tensor *build(pn_graph *g, pn_tensor *const in[])
{
    return pn_channel_attention(g, in[Q], in[K], in[V], in[ALPHA], 1e-6);
}
static pn_tensor *with_large_eps(pn_graph *g, pn_tensor *const in[])
{
    return pn_channel_attention(g, in[Q], in[K], in[V], in[ALPHA], 0.5);
}

#define SHAPES(N, HEADS, D, H, W) \
    { { 4, { N, HEADS * D, H, W } }, { 4, { N, HEADS * D, H, W } }, { 4, { N, HEADS * D, H, W } }, { 1, { HEADS } } }
/* One number; heads inside a block and across several; heads of one and more whole blocks, with pixels around register tiles,
 * and past a chunk of the sums. */
static const pn_shape cases[][INPUTS] = {
    SHAPES(1, 1, 1, 1, 1),  SHAPES(2, 2, 3, 3, 5),  SHAPES(1, 1, 20, 4, 4), SHAPES(2, 1, 16, 3, 3), SHAPES(2, 3, 32, 5, 3),
    SHAPES(1, 2, 48, 7, 9), SHAPES(1, 1, 32, 40, 41),
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

static void some(pn_rng *rng, pn_real *values, pn_shape shape)
{
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) values[i] = (pn_real)(3 + pn_rng_normal(rng));
}

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_fill_input(ALPHA, some);
    pn_test_parity(build, cases[_i], INPUTS, _i == 0 ? PN_TOL_LONG : PN_TOL_SUM);
    pn_test_fill_input(ALPHA, some);
    pn_test_parity(with_large_eps, cases[_i], INPUTS, PN_TOL_SUM);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_fill_input(ALPHA, some);
    pn_test_gradients(build, cases[_i], INPUTS, 0);
    pn_test_fill_input(ALPHA, some);
    pn_test_gradients(with_large_eps, cases[_i], INPUTS, 0);
}
END_TEST

static pn_tensor *and_saved(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *y = build(g, in);
    pn_test_golden_also(g, pn_saved_of(g, y, 0), "weights");
    pn_test_golden_also(g, pn_saved_of(g, y, 1), "cosines");
    pn_test_golden_also(g, pn_saved_of(g, y, 2), "lengths");
    return y;
}
START_TEST(matches_torch)
{
    pn_test_golden(and_saved, INPUTS, "channel_attention/2x3", PN_TOL_SUM);
    pn_test_golden(and_saved, INPUTS, "channel_attention/2x16", PN_TOL_SUM);
    pn_test_golden(and_saved, INPUTS, "channel_attention/1x5", PN_TOL_SUM);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits) { pn_test_threads(build, (const pn_shape[])SHAPES(2, 2, 32, 33, 35), INPUTS); }
END_TEST

/* ---- Values in, results out ------------------------------------------------------------------------------------------- */

enum { HEADS = 2, D = 32, C = HEADS * D, H = 9, W = 8, AREA = H * W, COUNT = C * AREA };
typedef struct {
    pn_real q[COUNT], k[COUNT], v[COUNT], alpha[HEADS], y[COUNT], a[C * D], dq[COUNT], dk[COUNT], dv[COUNT];
} trial;

static trial *trial_make(void)
{
    trial *t = calloc(1, sizeof *t);
    ck_assert_ptr_nonnull(t);
    pn_test_random("q", t->q, COUNT);
    pn_test_random("k", t->k, COUNT);
    pn_test_random("v", t->v, COUNT);
    t->alpha[0] = 10;
    t->alpha[1] = -3;
    return t;
}

/* y's gradient is y. */
static void trial_run(trial *t, pn_isa isa)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, 2);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *leaf[INPUTS], *in[INPUTS];
    const pn_real *set[] = { t->q, t->k, t->v, t->alpha };
    pn_real *grad[] = { t->dq, t->dk, t->dv };
    static const char *const names[] = { "q", "k", "v", "alpha" };
    for (int i = 0; i < INPUTS; i++) {
        leaf[i] = pn_input(g, names[i], i == ALPHA ? pn_shape1(HEADS) : pn_shape4(1, C, H, W), PN_GRAD);
        in[i] = i == ALPHA ? leaf[i] : pn_test_probe(g, leaf[i], PN_TEST_BLOCKED);
    }
    pn_tensor *y = build(g, in), *a = pn_saved_of(g, y, 0);
    pn_output(g, y, PN_GRAD);
    pn_output(g, a, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(ctx));
    for (int i = 0; i < INPUTS; i++) ck_assert_int_eq(pn_set(plan, leaf[i], set[i]), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, y, t->y), PN_OK);
    ck_assert_int_eq(pn_get(plan, a, t->a), PN_OK);
    ck_assert_int_eq(pn_set_grad(plan, y, t->y), PN_OK);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    for (int i = Q; i <= V; i++) ck_assert_int_eq(pn_get_grad(plan, leaf[i], grad[i]), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
}

static void rows_and_scales(pn_isa isa)
{
    trial *t = trial_make(), *seven = trial_make();
    trial_run(t, isa);
    for (int i = 0; i < C; i++) {
        double sum = 0;
        for (int j = 0; j < D; j++) sum += (double)t->a[i * D + j];
        ck_assert_double_eq_tol(sum, 1, 1e-6);
    }
    for (int i = 0; i < COUNT; i++) seven->q[i] *= 7;
    trial_run(seven, isa);
    for (int i = 0; i < C * D; i++) ck_assert_double_eq_tol((double)seven->a[i], (double)t->a[i], 1e-6);
    free(t);
    free(seven);
}
START_TEST(rows_sum_to_one_and_lengths_do_not_count) { pn_test_every_isa(rows_and_scales); }
END_TEST

static void moved(pn_real *to, const pn_real *from)
{
    for (int i = 0; i < COUNT; i++) to[i / AREA * AREA + (i % AREA * 5 + 11) % AREA] = from[i];     /* 5 and 72 share no factor */
}
static void permuted(pn_isa isa)
{
    trial *t = trial_make(), *other = trial_make();
    trial_run(t, isa);
    moved(other->q, t->q);
    moved(other->k, t->k);
    moved(other->v, t->v);
    trial_run(other, isa);
    pn_real *should = malloc(sizeof t->y);
    ck_assert_ptr_nonnull(should);
    moved(should, t->y);
    for (int i = 0; i < COUNT; i++) ck_assert_double_eq_tol((double)other->y[i], (double)should[i], 1e-5);
    free(should);
    free(t);
    free(other);
}
START_TEST(positions_moved_together_move_the_result) { pn_test_every_isa(permuted); }
END_TEST

/* Channel 3 of q and 40 of k are zero. */
static void dead(pn_isa isa)
{
    trial *t = trial_make();
    for (int i = 0; i < AREA; i++) t->q[3 * AREA + i] = t->k[40 * AREA + i] = 0;
    trial_run(t, isa);
    for (int j = 0; j < D; j++) ck_assert_double_eq_tol((double)t->a[3 * D + j], 1.0 / D, 1e-7);
    for (int i = 0; i < COUNT; i++) ck_assert(isfinite(t->y[i]) && isfinite(t->dq[i]) && isfinite(t->dk[i]) && isfinite(t->dv[i]));
    for (int i = 0; i < AREA; i++) ck_assert(t->dq[3 * AREA + i] == 0 && t->dk[40 * AREA + i] == 0);
    free(t);
}
START_TEST(a_channel_of_zeros_looks_at_all_alike) { pn_test_every_isa(dead); }
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, pn_shape4(1, 6, 2, 2)), *four = pn_test_zeros(g, pn_shape1(4));
    ck_assert_ptr_null(pn_channel_attention(g, x, x, x, four, 1e-6));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_channel_attention: alpha has 4 heads, expected a divisor of the 6 channels");
    pn_graph_free(g);
    g = pn_test_graph();
    x = pn_test_zeros(g, pn_shape4(1, 6, 2, 2));
    ck_assert_ptr_null(pn_channel_attention(g, x, x, pn_test_zeros(g, pn_shape4(1, 6, 2, 3)), pn_test_zeros(g, pn_shape1(2)), 1e-6));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_channel_attention: v is [1,6,2,3], expected [1,6,2,2]");
    pn_graph_free(g);
    g = pn_test_graph();
    x = pn_test_zeros(g, pn_shape4(1, 6, 2, 2));
    ck_assert_ptr_null(pn_channel_attention(g, x, x, x, pn_test_zeros(g, pn_shape1(2)), 0));
    pn_test_refused(g, PN_ERR_ARG, "pn_channel_attention: eps is 0, expected a positive number of at most 1");
    pn_graph_free(g);
}
END_TEST

TCase *channel_attention_cases(void)
{
    TCase *tc = tcase_create("channel_attention");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(tc, rows_sum_to_one_and_lengths_do_not_count);
    tcase_add_test(tc, positions_moved_together_move_the_result);
    tcase_add_test(tc, a_channel_of_zeros_looks_at_all_alike);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
