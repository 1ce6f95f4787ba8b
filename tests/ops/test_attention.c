/* tests/ops/test_attention.c - lib/ops/attention.c */
#include "support/pntest.h"

enum { Q, K, V, BIAS, INPUTS };

static pn_tensor *plain(pn_graph *g, pn_tensor *const in[]) { return pn_attention(g, in[Q], in[K], in[V], NULL); }
static pn_tensor *biased(pn_graph *g, pn_tensor *const in[])
{
    return pn_attention(g, in[Q], in[K], in[V], &(pn_attention_opt){ .bias = in[BIAS] });
}
static pn_tensor *scaled(pn_graph *g, pn_tensor *const in[])
{
    return pn_attention(g, in[Q], in[K], in[V], &(pn_attention_opt){ .scale = 1.5, .bias = in[BIAS] });
}

#define SHAPES(B, TQ, TK, D, DV, BIAS_B, BIAS_TQ) \
    { { 3, { B, TQ, D } }, { 3, { B, TK, D } }, { 3, { B, TK, DV } }, { 3, { BIAS_B, BIAS_TQ, TK } } }
/* One number; ragged; around register tiles, strips of 48 queries and blocks of 192 keys or queries, past them by one;
 * a bias of its own for every row, or shared among batches, queries, both; few keys and many batches. */
static const pn_shape cases[][INPUTS] = {
    SHAPES(1, 1, 1, 1, 1, 1, 1),        SHAPES(2, 7, 9, 5, 3, 2, 7),        SHAPES(2, 12, 32, 16, 32, 1, 12),
    SHAPES(1, 13, 33, 17, 33, 1, 1),    SHAPES(3, 1, 40, 8, 7, 3, 1),       SHAPES(1, 49, 193, 24, 27, 1, 49),
    SHAPES(2, 193, 50, 6, 40, 1, 193),  SHAPES(1, 48, 192, 64, 64, 1, 1),   SHAPES(37, 5, 8, 4, 4, 1, 5),
    SHAPES(2, 200, 400, 9, 2, 2, 1),
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

/* A log prior, a tenth of it -Inf, but never the first number of a row; a row that has nothing but the first. */
static void prior(pn_rng *rng, pn_real *values, pn_shape shape)
{
    const ptrdiff_t keys = shape.dim[2];
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++) {
        const bool hidden = pn_rng_below(rng, 10) == 0 || i / keys == 3;
        values[i] = (pn_real)(hidden && i % keys ? -(double)INFINITY : log(1e-3 + pn_rng_uniform(rng)));
    }
}

/* Rows without any key among ordinary ones. */
static void whole_rows_hidden(pn_rng *rng, pn_real *values, pn_shape shape)
{
    prior(rng, values, shape);
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++)
        if (i / shape.dim[2] % 3 == 1) values[i] = -(pn_real)INFINITY;
}

/* What a logit lacks in digits its exponential lacks in relation to itself, and slopes are differences of these. */
START_TEST(every_isa_agrees_with_ref)
{
    pn_test_parity(plain, cases[_i], BIAS, PN_TOL_LONG);
    pn_test_fill_input(BIAS, prior);
    pn_test_parity(biased, cases[_i], INPUTS, PN_TOL_LONG);
    pn_test_fill_input(BIAS, whole_rows_hidden);
    pn_test_parity(scaled, cases[_i], INPUTS, PN_TOL_LONG);
}
END_TEST

START_TEST(gradients_match_differences)
{
    pn_test_gradients(plain, cases[_i], BIAS, 0);
    pn_test_fill_input(BIAS, prior);
    pn_test_gradients(scaled, cases[_i], INPUTS, 0);
}
END_TEST
START_TEST(hidden_rows_pass_no_gradient)
{
    pn_test_fill_input(BIAS, whole_rows_hidden);
    pn_test_gradients(biased, cases[1], INPUTS, 0);
}
END_TEST

/* ---- PyTorch --------------------------------------------------------------------------------------------------- */

static pn_tensor *with_sums(pn_graph *g, pn_tensor *y)
{
    pn_test_golden_also(g, pn_saved_of(g, y, 0), "top");
    pn_test_golden_also(g, pn_saved_of(g, y, 1), "log_sum");
    return y;
}
static pn_tensor *plain_and_sums(pn_graph *g, pn_tensor *const in[]) { return with_sums(g, plain(g, in)); }
static pn_tensor *biased_and_sums(pn_graph *g, pn_tensor *const in[]) { return with_sums(g, biased(g, in)); }
static pn_tensor *scaled_and_sums(pn_graph *g, pn_tensor *const in[]) { return with_sums(g, scaled(g, in)); }

START_TEST(matches_torch)
{
    pn_test_golden(plain_and_sums, BIAS, "attention/plain", PN_TOL_SUM);
    pn_test_golden(scaled_and_sums, INPUTS, "attention/prior", PN_TOL_SUM);
    pn_test_golden(biased_and_sums, INPUTS, "attention/mask", PN_TOL_SUM);
}
END_TEST

/* ---- Extremes: values in, results out -------------------------------------------------------------------------- */

typedef struct {
    pn_shape shape[INPUTS];
    pn_real *value[INPUTS], *grad[INPUTS], *y, *dy;
    double scale;
    unsigned wanted;                /* bits of the inputs that get gradients */
} trial;

static pn_real *numbers(const char *stream, ptrdiff_t count)
{
    pn_real *v = malloc((size_t)count * sizeof *v);
    ck_assert_ptr_nonnull(v);
    pn_test_random(stream, v, count);
    return v;
}

static trial trial_make(const pn_shape *shape)
{
    trial t = { .wanted = ~0u };
    for (int i = 0; i < INPUTS; i++) {
        const ptrdiff_t count = pn_shape_count(shape[i]);
        char stream[] = "trial0";
        stream[5] = (char)(stream[5] + i);
        t.shape[i] = shape[i];
        t.value[i] = numbers(stream, count);
        t.grad[i] = numbers(stream, count);
        for (ptrdiff_t k = 0; i == BIAS && k < count; k++) t.value[BIAS][k] = 0;
    }
    const ptrdiff_t count = shape[Q].dim[0] * shape[Q].dim[1] * shape[V].dim[2];
    t.y = numbers("y", count);
    t.dy = numbers("dy", count);
    return t;
}

static void trial_free(trial *t)
{
    for (int i = 0; i < INPUTS; i++) {
        free(t->value[i]);
        free(t->grad[i]);
    }
    free(t->y);
    free(t->dy);
}

static void trial_run(trial *t, pn_isa isa)
{
    static const char *const names[INPUTS] = { "q", "k", "v", "bias" };
    pn_ctx *ctx = pn_test_ctx_new(isa, 1);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) in[i] = pn_input(g, names[i], t->shape[i], t->wanted >> i & 1 ? PN_GRAD : PN_CONST);
    pn_tensor *y = pn_attention(g, in[Q], in[K], in[V], &(pn_attention_opt){ .scale = t->scale, .bias = in[BIAS] });
    pn_output(g, y, PN_GRAD);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(ctx));
    for (int i = 0; i < INPUTS; i++) ck_assert_int_eq(pn_set(plan, in[i], t->value[i]), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, y, t->y), PN_OK);
    ck_assert_int_eq(pn_set_grad(plan, y, t->dy), PN_OK);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    for (int i = 0; i < INPUTS; i++)
        if (t->wanted >> i & 1) ck_assert_int_eq(pn_get_grad(plan, in[i], t->grad[i]), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
}

static bool all_zero(const pn_real *v, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        if (v[i] != 0) return false;
    return true;
}
static bool all_finite(const pn_real *v, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        if (!isfinite(v[i])) return false;
    return true;
}
static void grads_are_finite(const trial *t)
{
    for (int i = 0; i < INPUTS; i++) ck_assert(all_finite(t->grad[i], pn_shape_count(t->shape[i])));
}

enum { QUERIES = 50, KEYS = 200, FEATURES = 5, VALUES = 3 };
static const pn_shape row_bias[INPUTS] = SHAPES(1, QUERIES, KEYS, FEATURES, VALUES, 1, QUERIES);
static const pn_shape column_bias[INPUTS] = SHAPES(1, QUERIES, KEYS, FEATURES, VALUES, 1, 1);

static void hide_row_and_columns(pn_isa isa)
{
    trial t = trial_make(row_bias);
    for (int k = 0; k < KEYS; k++) t.value[BIAS][48 * KEYS + k] = -(pn_real)INFINITY;
    for (int q = 0; q < QUERIES; q++) t.value[BIAS][q * KEYS + 195] = -(pn_real)INFINITY;
    trial_run(&t, isa);
    ck_assert(all_zero(t.y + 48 * VALUES, VALUES));
    ck_assert(all_zero(t.grad[Q] + 48 * FEATURES, FEATURES));
    ck_assert(all_zero(t.grad[BIAS] + 48 * KEYS, KEYS));
    ck_assert(all_zero(t.grad[K] + 195 * FEATURES, FEATURES));
    ck_assert(all_zero(t.grad[V] + 195 * VALUES, VALUES));
    ck_assert(!all_zero(t.y + 47 * VALUES, VALUES) && !all_zero(t.y + 49 * VALUES, VALUES));
    ck_assert(all_finite(t.y, QUERIES * VALUES));
    grads_are_finite(&t);
    trial_free(&t);
}
START_TEST(hidden_rows_are_zero_and_hidden_columns_weigh_nothing) { pn_test_every_isa(hide_row_and_columns); } END_TEST

static void hide_all_alike(pn_isa isa)
{
    trial t = trial_make(column_bias);
    for (int k = 0; k < KEYS; k++) t.value[BIAS][k] = (pn_real)-1e30;
    double mean[VALUES] = { 0 };
    for (int k = 0; k < KEYS * VALUES; k++) mean[k % VALUES] += (double)t.value[V][k] / KEYS;
    trial_run(&t, isa);
    for (int i = 0; i < QUERIES * VALUES; i++) ck_assert_double_eq_tol((double)t.y[i], mean[i % VALUES], PN_TOL_SUM);
    double dv = 0;
    for (int q = 0; q < QUERIES; q++) dv += (double)t.dy[q * VALUES] / KEYS;
    for (int k = 0; k < KEYS; k++) ck_assert_double_eq_tol((double)t.grad[V][k * VALUES], dv, PN_TOL_SUM);
    grads_are_finite(&t);
    trial_free(&t);
}
START_TEST(columns_all_at_one_large_negative_number_share_the_weight) { pn_test_every_isa(hide_all_alike); } END_TEST

/* Logits of some thousands: each query takes the value of its best key. Large ones come late, and in any block. */
static void huge_logits(pn_isa isa)
{
    trial t = trial_make(row_bias);
    t.scale = 3000;
    trial_run(&t, isa);
    for (int q = 0; q < QUERIES; q++) {
        double best = -(double)INFINITY, second = best;
        int at = 0;
        for (int k = 0; k < KEYS; k++) {
            double s = 0;
            for (int i = 0; i < FEATURES; i++)
                s += (double)t.value[Q][q * FEATURES + i] * (double)t.value[K][k * FEATURES + i];
            if (s > best) {
                second = best;
                best = s;
                at = k;
            } else if (s > second) second = s;
        }
        for (int i = 0; t.scale * (best - second) > 30 && i < VALUES; i++)
            ck_assert_double_eq_tol((double)t.y[q * VALUES + i], (double)t.value[V][at * VALUES + i], 1e-6);
    }
    ck_assert(all_finite(t.y, QUERIES * VALUES));
    grads_are_finite(&t);
    trial_free(&t);
}
START_TEST(huge_logits_pick_the_best_key) { pn_test_every_isa(huge_logits); } END_TEST

static void nan_in(pn_isa isa)
{
    trial t = trial_make(row_bias);
    t.value[Q][20 * FEATURES] = (pn_real)NAN;
    t.value[BIAS][30 * KEYS + 199] = (pn_real)NAN;
    t.value[BIAS][40 * KEYS + 3] = (pn_real)INFINITY;
    trial_run(&t, isa);
    for (int i = 0; i < QUERIES * VALUES; i++) {
        const int q = i / VALUES;
        if ((isnan(t.y[i]) != 0) != (q == 20 || q == 30 || q == 40)) ck_abort_msg("y[%d] is %g", i, (double)t.y[i]);
    }
    ck_assert(isnan(t.grad[Q][20 * FEATURES]) && isnan(t.grad[Q][30 * FEATURES]) && isnan(t.grad[K][7]));
    ck_assert(isnan(t.grad[V][7]) && isfinite(t.grad[Q][21 * FEATURES]));
    trial_free(&t);
    t = trial_make(row_bias);
    t.value[V][198 * VALUES + 1] = (pn_real)NAN;
    trial_run(&t, isa);
    for (int i = 0; i < QUERIES * VALUES; i++)
        if ((isnan(t.y[i]) != 0) != (i % VALUES == 1)) ck_abort_msg("y[%d] is %g", i, (double)t.y[i]);
    ck_assert(isnan(t.grad[Q][0]) && isnan(t.grad[BIAS][0]) && isfinite(t.grad[V][0]));
    trial_free(&t);
}
START_TEST(nan_in_a_row_is_nan_in_its_result_alone) { pn_test_every_isa(nan_in); } END_TEST

static void one_alone(pn_isa isa)
{
    trial all = trial_make(row_bias);
    trial_run(&all, isa);
    for (int i = 0; i < INPUTS; i++) {
        trial t = trial_make(row_bias);
        t.wanted = 1u << i;
        trial_run(&t, isa);
        ck_assert_mem_eq(t.grad[i], all.grad[i], (size_t)pn_shape_count(t.shape[i]) * sizeof(pn_real));
        trial_free(&t);
    }
    trial_free(&all);
}
START_TEST(a_gradient_is_the_same_alone_as_with_others) { pn_test_every_isa(one_alone); } END_TEST

/* ---- Memory ---------------------------------------------------------------------------------------------------- */

static size_t plan_bytes(ptrdiff_t tokens)
{
    pn_graph *g = pn_test_graph();
    const pn_shape s = pn_shape3(1, tokens, 16);
    pn_tensor *y = pn_attention(g, pn_test_zeros(g, s), pn_test_zeros(g, s), pn_test_zeros(g, s), NULL);
    pn_output(g, y, PN_GRAD);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_ptr_nonnull(plan);
    const size_t bytes = pn_plan_describe(plan).arena_bytes;
    pn_plan_free(plan);
    pn_graph_free(g);
    return bytes;
}

START_TEST(memory_grows_with_the_tokens_not_with_their_square)
{
    const size_t few = plan_bytes(2048), many = plan_bytes(8192);
    ck_assert_uint_lt(many, 4 * few + 4 * few / 10);
    ck_assert_uint_lt(many, (size_t)8192 * 8192 * sizeof(pn_real) / 10);
}
END_TEST

/* ---- Refusals -------------------------------------------------------------------------------------------------- */

static void refused(const pn_shape *shape, const pn_attention_opt *opt, pn_status status, const char *text)
{
    pn_graph *g = pn_test_graph();
    pn_attention_opt o = *opt;
    if (shape[BIAS].rank) o.bias = pn_test_zeros(g, shape[BIAS]);
    ck_assert_ptr_null(pn_attention(g, pn_test_zeros(g, shape[Q]), pn_test_zeros(g, shape[K]),
                                    pn_test_zeros(g, shape[V]), &o));
    pn_test_refused(g, status, text);
    pn_graph_free(g);
}

START_TEST(what_does_not_fit_is_refused)
{
    const pn_attention_opt none = { 0 };
    const pn_shape k[INPUTS] = { { 3, { 2, 7, 5 } }, { 3, { 2, 9, 4 } }, { 3, { 2, 9, 3 } }, { 0, { 0 } } };
    refused(k, &none, PN_ERR_SHAPE, "pn_attention: k is [2,9,4], expected [2,9,5]");
    const pn_shape v[INPUTS] = { { 3, { 2, 7, 5 } }, { 3, { 2, 9, 5 } }, { 3, { 2, 8, 3 } }, { 0, { 0 } } };
    refused(v, &none, PN_ERR_SHAPE, "pn_attention: v is [2,8,3], expected [2,9,3]");
    const pn_shape bias[INPUTS] = SHAPES(2, 7, 9, 5, 3, 2, 6);
    refused(bias, &none, PN_ERR_SHAPE, "pn_attention: bias is [2,6,9], expected [2 or 1,7 or 1,9]; a mask of keys is "
                                       "[2 or 1,1,9]");
    const pn_shape rank[INPUTS] = { { 4, { 2, 1, 7, 5 } }, { 3, { 2, 9, 5 } }, { 3, { 2, 9, 3 } }, { 0, { 0 } } };
    refused(rank, &none, PN_ERR_SHAPE, "pn_attention: q is [2,1,7,5]");
}
END_TEST
START_TEST(a_scale_below_zero_or_beyond_numbers_is_refused)
{
    refused(cases[1], &(pn_attention_opt){ .scale = -1 }, PN_ERR_ARG,
            "pn_attention: scale is -1, expected a positive number, or 0 for 1/sqrt(5)");
    refused(cases[1], &(pn_attention_opt){ .scale = (double)INFINITY }, PN_ERR_ARG, "scale is inf");
    refused(cases[1], &(pn_attention_opt){ .scale = (double)NAN }, PN_ERR_ARG, "scale is");
}
END_TEST

TCase *attention_cases(void)
{
    TCase *tc = tcase_create("attention");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE);
    tcase_add_test(tc, hidden_rows_pass_no_gradient);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, hidden_rows_are_zero_and_hidden_columns_weigh_nothing);
    tcase_add_test(tc, columns_all_at_one_large_negative_number_share_the_weight);
    tcase_add_test(tc, huge_logits_pick_the_best_key);
    tcase_add_test(tc, nan_in_a_row_is_nan_in_its_result_alone);
    tcase_add_test(tc, a_gradient_is_the_same_alone_as_with_others);
    tcase_add_test(tc, memory_grows_with_the_tokens_not_with_their_square);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    tcase_add_test(tc, a_scale_below_zero_or_beyond_numbers_is_refused);
    return tc;
}
