/* tests/ops/test_correspondence.c - lib/ops/correspondence.c */
#include "support/pntest.h"

enum { QUERY, KEY, VALUE, TEMPERATURE, VALID, INPUTS };

static pn_tensor *plain(pn_graph *g, pn_tensor *const in[])
{
    return pn_correspondence(g, in[QUERY], in[KEY], in[VALUE], in[TEMPERATURE], NULL);
}
static pn_tensor *masked(pn_graph *g, pn_tensor *const in[])
{
    return pn_correspondence(g, in[QUERY], in[KEY], in[VALUE], in[TEMPERATURE], in[VALID]);
}

#define SHAPES(N, D, TH, TW, SH, SW, V) \
    { { 4, { N, D, TH, TW } }, { 4, { N, D, SH, SW } }, { 4, { N, V, SH, SW } }, { 1, { 1 } }, { 4, { N, 1, SH, SW } } }
/* One number; ragged; channels around vectors, slivers and blocks; positions past strips of 48 and blocks of 192. */
static const pn_shape cases[][INPUTS] = {
    SHAPES(1, 1, 1, 1, 1, 1, 1),      SHAPES(2, 5, 3, 4, 2, 7, 3),      SHAPES(1, 16, 7, 7, 4, 8, 16),
    SHAPES(3, 17, 5, 10, 6, 6, 27),   SHAPES(1, 33, 4, 13, 13, 15, 33), SHAPES(2, 4, 14, 14, 1, 17, 2),
    SHAPES(1, 40, 13, 15, 14, 29, 20),
};
enum { CASES_HERE = sizeof cases / sizeof *cases };

static void half(pn_rng *rng, pn_real *values, pn_shape shape)
{
    (void)rng; (void)shape;
    values[0] = (pn_real)0.5;
}
/* A third of the cells is hidden; of the second sample every one. */
static void some_hidden(pn_rng *rng, pn_real *values, pn_shape shape)
{
    const ptrdiff_t area = shape.dim[2] * shape.dim[3];
    for (ptrdiff_t i = 0; i < pn_shape_count(shape); i++)
        values[i] = i / area != 1 && (i % area == 0 || pn_rng_below(rng, 3) > 0);
}

START_TEST(every_isa_agrees_with_ref)
{
    pn_test_fill_input(TEMPERATURE, half);
    pn_test_parity(plain, cases[_i], VALID, PN_TOL_LONG);
    pn_test_fill_input(TEMPERATURE, half);
    pn_test_fill_input(VALID, some_hidden);
    pn_test_parity(masked, cases[_i], INPUTS, PN_TOL_LONG);
}
END_TEST
START_TEST(gradients_match_differences)
{
    pn_test_fill_input(TEMPERATURE, half);
    pn_test_gradients(plain, cases[_i], VALID, PN_NO_GRAD(TEMPERATURE));
    pn_test_fill_input(TEMPERATURE, half);
    pn_test_fill_input(VALID, some_hidden);
    pn_test_gradients(masked, cases[_i], INPUTS, PN_NO_GRAD(TEMPERATURE) | PN_NO_GRAD(VALID));
}
END_TEST

static pn_tensor *with_saved(pn_graph *g, pn_tensor *y)
{
    pn_test_golden_also(g, pn_saved_of(g, y, 0), "top");
    pn_test_golden_also(g, pn_saved_of(g, y, 1), "log_sum");
    pn_test_golden_also(g, pn_saved_of(g, y, 2), "peak");
    return y;
}
static pn_tensor *plain_and_saved(pn_graph *g, pn_tensor *const in[]) { return with_saved(g, plain(g, in)); }
static pn_tensor *masked_and_saved(pn_graph *g, pn_tensor *const in[]) { return with_saved(g, masked(g, in)); }
START_TEST(matches_torch)
{
    pn_test_golden(plain_and_saved, VALID, "correspondence/plain", PN_TOL_SUM);
    pn_test_golden(masked_and_saved, INPUTS, "correspondence/valid", PN_TOL_SUM);
}
END_TEST

/* ---- Values in, results out ---------------------------------------------------------------------------------------- */

enum { D = 20, V = 3, H = 13, W = 16, CELLS = H * W };
typedef struct {
    pn_real query[2 * D * CELLS], key[2 * D * CELLS], value[2 * V * CELLS], temperature, valid[2 * CELLS];
    pn_real y[2 * V * CELLS], dy[2 * V * CELLS], peak[2 * CELLS];
    pn_real dquery[2 * D * CELLS], dkey[2 * D * CELLS], dvalue[2 * V * CELLS];
    int threads;
} trial;

static trial *trial_make(void)
{
    trial *t = calloc(1, sizeof *t);
    ck_assert_ptr_nonnull(t);
    pn_test_random("query", t->query, 2 * D * CELLS);
    pn_test_random("key", t->key, 2 * D * CELLS);
    pn_test_random("value", t->value, 2 * V * CELLS);
    pn_test_random("dy", t->dy, 2 * V * CELLS);
    for (int i = 0; i < 2 * CELLS; i++) t->valid[i] = 1;
    t->temperature = 1;
    t->threads = 2;
    return t;
}

static void trial_run(trial *t, pn_isa isa)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, t->threads);
    pn_graph *g = pn_graph_new(ctx);
    const pn_shape map = pn_shape4(2, D, H, W), value = pn_shape4(2, V, H, W), valid = pn_shape4(2, 1, H, W);
    pn_tensor *in[] = { pn_input(g, "query", map, PN_GRAD), pn_input(g, "key", map, PN_GRAD),
                        pn_input(g, "value", value, PN_GRAD), pn_input(g, "temperature", pn_shape1(1), PN_CONST),
                        pn_input(g, "valid", valid, PN_CONST) };
    const pn_real *set[] = { t->query, t->key, t->value, &t->temperature, t->valid };
    pn_real *grad[] = { t->dquery, t->dkey, t->dvalue };
    pn_tensor *y = masked(g, in), *peak = pn_saved_of(g, y, 2);
    pn_output(g, y, PN_GRAD);
    pn_output(g, peak, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(ctx));
    for (int i = 0; i < INPUTS; i++) ck_assert_int_eq(pn_set(plan, in[i], set[i]), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, y, t->y), PN_OK);
    ck_assert_int_eq(pn_get(plan, peak, t->peak), PN_OK);
    ck_assert_int_eq(pn_set_grad(plan, y, t->dy), PN_OK);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    for (int i = QUERY; i <= VALUE; i++) ck_assert_int_eq(pn_get_grad(plan, in[i], grad[i]), PN_OK);
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

/* Sample 0 has no valid cell, sample 1 hides every third. */
static void nothing_valid(pn_isa isa)
{
    trial *t = trial_make();
    for (int i = 0; i < 2 * CELLS; i++) t->valid[i] = i >= CELLS && i % 3;
    trial_run(t, isa);
    for (int c = 0; c < V; c++) {
        double mean = 0, slope = 0;
        for (int i = 0; i < CELLS; i++) {
            mean += (double)t->value[c * CELLS + i] / CELLS;
            slope += (double)t->dy[c * CELLS + i] / CELLS;
        }
        for (int i = 0; i < CELLS; i++) {
            ck_assert_double_eq_tol((double)t->y[c * CELLS + i], mean, 1e-6);
            ck_assert_double_eq_tol((double)t->dvalue[c * CELLS + i], slope, 1e-5);
        }
    }
    for (int i = 0; i < CELLS; i++) ck_assert_double_eq_tol((double)t->peak[i], 1.0 / CELLS, 1e-8);
    ck_assert(all_zero(t->dquery, D * CELLS) && all_zero(t->dkey, D * CELLS));
    for (int i = 0; i < CELLS; i++) {
        bool none = true;
        for (int c = 0; c < V; c++) none = none && t->dvalue[(V + c) * CELLS + i] == 0;
        for (int c = 0; c < D; c++) none = none && t->dkey[(D + c) * CELLS + i] == 0;
        ck_assert_msg(none == (t->valid[CELLS + i] == 0), "cell %d", i);
    }
    free(t);
}
START_TEST(without_a_valid_cell_all_weigh_the_same_and_hidden_ones_weigh_nothing) { pn_test_every_isa(nothing_valid); } END_TEST

/* The keys are the queries: every position's best match is itself, and at a low temperature nothing else counts. */
static void itself(pn_isa isa)
{
    trial *t = trial_make();
    for (int i = 0; i < 2 * D * CELLS; i++) t->key[i] = t->query[i];
    for (int i = 0; i < 2 * CELLS; i++) {                   /* unit length */
        double squares = 0;
        const int at = i / CELLS * D * CELLS + i % CELLS;
        for (int c = 0; c < D; c++) squares += (double)t->query[at + c * CELLS] * (double)t->query[at + c * CELLS];
        for (int c = 0; c < D; c++)
            t->query[at + c * CELLS] = t->key[at + c * CELLS] = (pn_real)((double)t->key[at + c * CELLS] / sqrt(squares));
    }
    t->temperature = (pn_real)0.005;
    trial_run(t, isa);
    for (int i = 0; i < 2 * V * CELLS; i++) ck_assert_double_eq_tol((double)t->y[i], (double)t->value[i], 1e-3);
    for (int i = 0; i < 2 * CELLS; i++) ck_assert(t->peak[i] > (pn_real)0.999 && t->peak[i] <= 1);
    t->temperature = 1000;                                  /* read at each run */
    trial_run(t, isa);
    for (int i = 0; i < 2 * CELLS; i++) ck_assert_double_eq_tol((double)t->peak[i], 1.0 / CELLS, 1e-4);
    free(t);
}
START_TEST(equal_maps_match_themselves) { pn_test_every_isa(itself); } END_TEST

/* Of ones comes one, whatever the logits, with hidden cells too. */
static void sums(pn_isa isa)
{
    static const double temperatures[] = { 0.01, 0.1, 1 };
    trial *t = trial_make();
    for (int i = 0; i < 2 * V * CELLS; i++) t->value[i] = 1;
    for (int i = 0; i < 2 * CELLS; i += 3) t->valid[i] = 0;
    for (int k = 0; k < 3; k++) {
        t->temperature = (pn_real)temperatures[k];
        trial_run(t, isa);
        for (int i = 0; i < 2 * V * CELLS; i++) ck_assert_double_eq_tol((double)t->y[i], 1, 1e-5);
    }
    free(t);
}
START_TEST(rows_sum_to_one) { pn_test_every_isa(sums); }
END_TEST

/* The keys are the queries of three rows and five columns on, around the edges; every other weight is 0. */
static void permutation(pn_isa isa)
{
    trial *t = trial_make();
    int from[CELLS];
    for (int i = 0; i < CELLS; i++) from[i] = (i / W + 3) % H * W + (i % W + 5) % W;
    for (int sample = 0; sample < 2; sample++)
        for (int i = 0; i < CELLS; i++) {
            double squares = 0;
            pn_real *query = t->query + sample * D * CELLS + i, *key = t->key + sample * D * CELLS + from[i];
            for (int c = 0; c < D; c++) squares += (double)query[c * CELLS] * (double)query[c * CELLS];
            for (int c = 0; c < D; c++)
                key[c * CELLS] = query[c * CELLS] = (pn_real)((double)query[c * CELLS] / sqrt(squares));
        }
    t->temperature = (pn_real)1e-4;
    trial_run(t, isa);
    for (int i = 0; i < 2 * V * CELLS; i++)
        if (t->y[i] != t->value[i / CELLS * CELLS + from[i % CELLS]])
            ck_abort_msg("%s: number %d is %.9g, not %.9g", pn_isa_name(isa), i, (double)t->y[i],
                         (double)t->value[i / CELLS * CELLS + from[i % CELLS]]);
    free(t);
}
START_TEST(a_permutation_is_carried_to_the_bit) { pn_test_every_isa(permutation); }
END_TEST

static void threads_alike(pn_isa isa)
{
    trial *one = trial_make();
    for (int i = 0; i < 2 * CELLS; i += 5) one->valid[i] = 0;
    one->threads = 1;
    trial_run(one, isa);
    for (int threads = 2; threads <= 8; threads += threads == 3 ? 5 : 1) {
        trial *t = trial_make();
        for (int i = 0; i < 2 * CELLS; i += 5) t->valid[i] = 0;
        t->threads = threads;
        trial_run(t, isa);
        ck_assert_mem_eq(t->y, one->y, sizeof t->y);
        ck_assert_mem_eq(t->dquery, one->dquery, sizeof t->dquery);
        ck_assert_mem_eq(t->dkey, one->dkey, sizeof t->dkey);
        ck_assert_mem_eq(t->dvalue, one->dvalue, sizeof t->dvalue);
        free(t);
    }
    free(one);
}
START_TEST(any_number_of_threads_gives_the_same_bits) { pn_test_every_isa(threads_alike); } END_TEST

/* ---- Memory -------------------------------------------------------------------------------------------------------- */

/* What forward and backward work in together, at the size the network uses; the values around the op come on top. */
START_TEST(scratch_is_below_eight_megabytes)
{
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    const pn_map map = { 1, 128, 64, 64, PN_BLOCK }, value = { 1, 27, 64, 64, PN_BLOCK };
    const pn_full_dims d = { .batch = 1, .queries = 4096, .keys = 4096, .features = 128, .values = 27,
                             .q = pn_rows_of_map(map), .k = pn_rows_of_map(map), .v = pn_rows_of_map(value),
                             .y = pn_rows_of_map(value), .scale = 100 };
    for (int i = 0; i < n && sizeof(pn_real) == sizeof(float); i++) {
        const pn_kernels k = pn_kernels_for(isas[i]);
        const pn_attention_scratch s = k.attention.full_scratch(d, 2);
        ck_assert_uint_lt(s.fwd > s.bwd ? s.fwd : s.bwd, 8000000 - 3 * 4096 * sizeof(float));
    }
}
END_TEST

static size_t plan_bytes(ptrdiff_t h, ptrdiff_t w)
{
    pn_graph *g = pn_test_graph();
    const pn_shape s = pn_shape4(1, 16, h, w);
    pn_tensor *y = pn_correspondence(g, pn_test_zeros(g, s), pn_test_zeros(g, s), pn_test_zeros(g, s),
                                     pn_test_zeros(g, pn_shape1(1)), pn_test_zeros(g, pn_shape4(1, 1, h, w)));
    pn_output(g, y, PN_GRAD);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_ptr_nonnull(plan);
    const size_t bytes = pn_plan_describe(plan).arena_bytes;
    pn_plan_free(plan);
    pn_graph_free(g);
    return bytes;
}
START_TEST(memory_grows_with_the_positions_not_with_their_square)
{
    const size_t few = plan_bytes(32, 64), many = plan_bytes(64, 128);
    ck_assert_uint_lt(many, 4 * few + 4 * few / 10);
    ck_assert_uint_lt(many, (size_t)8192 * 8192 * sizeof(pn_real) / 10);
}
END_TEST

/* ---- Refusals ------------------------------------------------------------------------------------------------------ */

static void refused(int which, pn_shape shape, const char *text)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) in[i] = pn_test_zeros(g, i == which ? shape : cases[1][i]);
    ck_assert_ptr_null(masked(g, in));
    pn_test_refused(g, PN_ERR_SHAPE, text);
    pn_graph_free(g);
}
START_TEST(what_does_not_fit_is_refused)
{
    refused(QUERY, pn_shape3(2, 5, 12), "pn_correspondence: query is [2,5,12]");
    refused(KEY, pn_shape4(2, 4, 2, 7), "pn_correspondence: key is [2,4,2,7], expected [2,5,2,7]");
    refused(VALUE, pn_shape4(2, 3, 7, 2), "pn_correspondence: value is [2,3,7,2], expected [2,3,2,7]");
    refused(TEMPERATURE, pn_shape1(2), "pn_correspondence: temperature is [2], expected [1]");
    refused(VALID, pn_shape4(2, 2, 2, 7), "pn_correspondence: valid is [2,2,2,7], expected [2,1,2,7]");
}
END_TEST

TCase *correspondence_cases(void)
{
    TCase *tc = tcase_create("correspondence");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES_HERE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES_HERE - 1);
    tcase_add_test(tc, matches_torch);
    tcase_add_test(tc, without_a_valid_cell_all_weigh_the_same_and_hidden_ones_weigh_nothing);
    tcase_add_test(tc, equal_maps_match_themselves);
    tcase_add_test(tc, rows_sum_to_one);
    tcase_add_test(tc, a_permutation_is_carried_to_the_bit);
    tcase_add_test(tc, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(tc, scratch_is_below_eight_megabytes);
    tcase_add_test(tc, memory_grows_with_the_positions_not_with_their_square);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
