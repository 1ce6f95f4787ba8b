/* tests/ops/test_window.c - lib/ops/self_correlation.c, window_sum.c, patch_similarity.c and unfold.c */
#include "support/pntest.h"

/* Around vectors and blocks of channels; windows larger than the map; rows longer than a vector. */
static const pn_shape maps[] = {
    { 4, { 1, 1, 1, 1 } }, { 4, { 2, 5, 4, 6 } }, { 4, { 1, 16, 3, 2 } }, { 4, { 2, 17, 2, 19 } }, { 4, { 1, 33, 9, 37 } },
    { 4, { 1, 128, 8, 16 } },
};
enum { MAPS = sizeof maps / sizeof *maps };
static const pn_shape pictures[] = {
    { 4, { 1, 1, 1, 1 } }, { 4, { 2, 3, 6, 7 } }, { 4, { 1, 2, 2, 3 } }, { 4, { 1, 3, 13, 37 } },
};
enum { PICTURES = sizeof pictures / sizeof *pictures };

/* ---- Self-correlation ---------------------------------------------------------------------------------------------- */

static pn_tensor *self3(pn_graph *g, pn_tensor *const in[]) { return pn_self_correlation(g, in[0], 3); }
static pn_tensor *self5(pn_graph *g, pn_tensor *const in[]) { return pn_self_correlation(g, in[0], 5); }
static pn_tensor *self7(pn_graph *g, pn_tensor *const in[]) { return pn_self_correlation(g, in[0], 7); }

START_TEST(self_correlation_agrees_with_ref)
{
    pn_test_parity(self3, &maps[_i], 1, PN_TOL_SUM);
    pn_test_parity(self5, &maps[_i], 1, PN_TOL_SUM);
    pn_test_parity(self7, &maps[_i], 1, PN_TOL_SUM);
}
END_TEST
START_TEST(self_correlation_has_gradients)
{
    pn_test_gradients(self3, &maps[_i], 1, 0);
    pn_test_gradients(self5, &maps[_i], 1, 0);
}
END_TEST
START_TEST(self_correlation_matches_torch)
{
    pn_test_golden(self3, 1, "self_correlation/k3", PN_TOL_SUM4);
    pn_test_golden(self5, 1, "self_correlation/k5", PN_TOL_SUM);
    pn_test_golden(self7, 1, "self_correlation/k7", PN_TOL_SUM4);
}
END_TEST

/* ---- Weighted sums ------------------------------------------------------------------------------------------------- */

static pn_tensor *weighted(pn_graph *g, pn_tensor *const in[]) { return pn_window_sum(g, in[0], in[1]); }

static void with_weights(pn_shape map, ptrdiff_t k, pn_shape in[2])
{
    in[0] = map;
    in[1] = pn_shape4(map.dim[0], k * k, map.dim[2], map.dim[3]);
}
START_TEST(window_sum_agrees_with_ref)
{
    for (int k = 1; k <= 7; k += 2) {
        pn_shape in[2];
        with_weights(maps[_i], k, in);
        pn_test_parity(weighted, in, 2, PN_TOL_SUM);
    }
}
END_TEST
START_TEST(window_sum_has_gradients)
{
    pn_shape in[2];
    with_weights(maps[_i], 3, in);
    pn_test_gradients(weighted, in, 2, 0);
    with_weights(maps[_i], 5, in);
    pn_test_gradients(weighted, in, 2, 0);
}
END_TEST
START_TEST(window_sum_matches_torch)
{
    pn_test_golden(weighted, 2, "window_sum/k3", PN_TOL_SUM4);
    pn_test_golden(weighted, 2, "window_sum/k5", PN_TOL_SUM);
    pn_test_golden(weighted, 2, "window_sum/k7", PN_TOL_SUM);
}
END_TEST

/* ---- Patches ------------------------------------------------------------------------------------------------------- */

static pn_tensor *patch1(pn_graph *g, pn_tensor *const in[]) { return pn_patch_similarity(g, in[0], 1, 3, 0.7); }
static pn_tensor *patch3(pn_graph *g, pn_tensor *const in[]) { return pn_patch_similarity(g, in[0], 3, 5, 1.5); }
static pn_tensor *patch5(pn_graph *g, pn_tensor *const in[]) { return pn_patch_similarity(g, in[0], 5, 3, 1); }

START_TEST(patch_similarity_agrees_with_ref)
{
    pn_test_parity(patch1, &pictures[_i], 1, PN_TOL_SUM);
    pn_test_parity(patch3, &pictures[_i], 1, PN_TOL_SUM);
    pn_test_parity(patch5, &pictures[_i], 1, PN_TOL_SUM);
}
END_TEST
START_TEST(patch_similarity_has_gradients)
{
    pn_test_gradients(patch1, &pictures[_i], 1, 0);
    pn_test_gradients(patch3, &pictures[_i], 1, 0);
    pn_test_gradients(patch5, &pictures[_i], 1, 0);
}
END_TEST
START_TEST(patch_similarity_matches_torch)
{
    pn_test_golden(patch3, 1, "patch_similarity/p3k5", PN_TOL_SUM4);
    pn_test_golden(patch5, 1, "patch_similarity/p5k3", PN_TOL_SUM4);
}
END_TEST

/* ---- Unfolding ----------------------------------------------------------------------------------------------------- */

static pn_tensor *unfold3(pn_graph *g, pn_tensor *const in[]) { return pn_unfold(g, in[0], 3); }
static pn_tensor *unfold5(pn_graph *g, pn_tensor *const in[]) { return pn_unfold(g, in[0], 5); }

START_TEST(unfold_agrees_with_ref)
{
    pn_test_parity(unfold3, &maps[_i], 1, PN_TOL_SUM4);
    pn_test_parity(unfold5, &maps[_i], 1, PN_TOL_SUM4);
}
END_TEST
START_TEST(unfold_has_gradients)
{
    pn_test_gradients(unfold3, &maps[_i], 1, 0);
    pn_test_gradients(unfold5, &pictures[_i % PICTURES], 1, 0);
}
END_TEST
START_TEST(unfold_matches_torch)
{
    pn_test_golden(unfold3, 1, "unfold/k3", PN_TOL_SUM4);
    pn_test_golden(unfold5, 1, "unfold/k5", PN_TOL_SUM4);
}
END_TEST

/* ---- Properties ---------------------------------------------------------------------------------------------------- */

/* As planned for ISA: op over one input of the given numbers, result into y. */
static void compute(pn_isa isa, pn_test_build *build, pn_shape shape, const pn_real *x, pn_real *y)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, 3);
    pn_graph *g = pn_graph_new(ctx);
    pn_tensor *in = pn_input(g, "x", shape, PN_CONST), *out = build(g, &in);
    pn_output(g, out, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(ctx));
    ck_assert_int_eq(pn_set(plan, in, x), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, y), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
}

/* s(p, d) = s(p + d, -d) away from the border, in [-1, 1] for vectors of unit length. */
enum { C = 20, H = 6, W = 21, TAPS = 24 };
static pn_tensor *unit_self5(pn_graph *g, pn_tensor *const in[])
{
    return pn_self_correlation(g, pn_unit_channels(g, in[0], PN_RAW, 1e-6), 5);
}
START_TEST(self_correlation_is_symmetric_and_at_most_one)
{
    static pn_real x[C * H * W], s[TAPS * H * W];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    pn_test_random("x", x, C * H * W);
    for (int i = 0; i < n; i++) {
        compute(isas[i], unit_self5, pn_shape4(1, C, H, W), x, s);
        for (int p = 0; p < TAPS * H * W; p++) ck_assert(fabs((double)s[p]) <= 1 + 1e-5);
        for (int p = 0; p < TAPS * H * W; p++) {
            const int t = p / (H * W), tap = t + (t > 11), y = p / W % H, column = p % W;
            const int to_y = y + tap / 5 - 2, to_x = column + tap % 5 - 2;
            if (to_y < 0 || to_y >= H || to_x < 0 || to_x >= W) continue;
            ck_assert_double_eq_tol((double)s[p], (double)s[((TAPS - 1 - t) * H + to_y) * W + to_x], 1e-6);
        }
    }
}
END_TEST

/* Another length at every position, 0.1 to 10. */
START_TEST(self_correlation_does_not_see_how_long_a_feature_is)
{
    static pn_real x[C * H * W], scaled[C * H * W], one[TAPS * H * W], other[TAPS * H * W], length[H * W];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    pn_test_random("x", x, C * H * W);
    pn_test_random("length", length, H * W);
    for (int i = 0; i < C * H * W; i++)
        scaled[i] = (pn_real)((double)x[i] * pow(10, tanh((double)length[i % (H * W)])));
    for (int i = 0; i < n; i++) {
        compute(isas[i], unit_self5, pn_shape4(1, C, H, W), x, one);
        compute(isas[i], unit_self5, pn_shape4(1, C, H, W), scaled, other);
        for (int p = 0; p < TAPS * H * W; p++) ck_assert_double_eq_tol((double)one[p], (double)other[p], 1e-5);
    }
}
END_TEST

/* A NaN is seen by the pixels whose windows hold it, and by no other. */
START_TEST(nan_stays_in_its_windows)
{
    static pn_real x[C * H * W], s[TAPS * H * W];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    pn_test_random("x", x, C * H * W);
    x[(7 * H + 3) * W + 10] = (pn_real)NAN;
    for (int i = 0; i < n; i++) {
        compute(isas[i], self5, pn_shape4(1, C, H, W), x, s);
        for (int p = 0; p < H * W; p++) {
            bool any = false;
            for (int t = 0; t < TAPS; t++) any = any || isnan(s[t * H * W + p]);
            const bool near = abs(p / W - 3) <= 2 && abs(p % W - 10) <= 2;
            ck_assert_msg(any == near, "pixel %d", p);
        }
    }
}
END_TEST

/* ---- Threads ------------------------------------------------------------------------------------------------------- */

enum { ROOM = 2 * 25 * 33 * 40 };
/* Result, and gradients of the inputs one behind the other, of a graph that reads two inputs. */
static ptrdiff_t train(pn_isa isa, int threads, pn_test_build *build, const pn_shape in[2], pn_real *numbers)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, threads);
    pn_graph *g = pn_graph_new(ctx);
    static pn_real fill[ROOM];
    pn_test_random("fill", fill, ROOM);
    pn_tensor *x[] = { pn_input(g, "x", in[0], PN_GRAD), pn_input(g, "w", in[1], PN_GRAD) };
    pn_tensor *out = build(g, x);
    pn_output(g, out, PN_GRAD);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(ctx));
    for (int i = 0; i < 2; i++) ck_assert_int_eq(pn_set(plan, x[i], fill + i), PN_OK);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    ck_assert_int_eq(pn_set_grad(plan, out, fill + 2), PN_OK);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    ck_assert_int_eq(pn_get(plan, out, numbers), PN_OK);
    ptrdiff_t count = pn_shape_count(pn_tensor_shape(out));
    for (int i = 0; i < 2; count += pn_shape_count(in[i++]))
        ck_assert_int_eq(pn_get_grad(plan, x[i], numbers + count), PN_OK);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_ctx_free(ctx);
    return count;
}

/* Every op of this file over channels of unit length, weighed by the other input. */
static pn_tensor *all_of_them(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *unit = pn_unit_channels(g, in[0], PN_CENTRED, 1e-6);
    pn_tensor *structure = pn_self_correlation(g, unit, 5), *similar = pn_patch_similarity(g, unit, 3, 5, 1);
    pn_tensor *window = pn_concat(g, (pn_tensor *[]){ pn_add(g, structure, similar), pn_slice(g, in[1], 1, 0, 1) }, 2, 1);
    return pn_unfold(g, pn_window_sum(g, unit, pn_mul(g, window, in[1])), 3);
}
START_TEST(any_number_of_threads_gives_the_same_bits)
{
    static const pn_shape in[2] = { { 4, { 2, 4, 9, 37 } }, { 4, { 2, 25, 9, 37 } } };
    static pn_real one[ROOM], more[ROOM];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const ptrdiff_t count = train(isas[i], 1, all_of_them, in, one);
        for (int threads = 2; threads <= 8; threads += threads == 3 ? 5 : 1) {
            train(isas[i], threads, all_of_them, in, more);
            ck_assert_mem_eq(one, more, (size_t)count * sizeof *one);
        }
    }
}
END_TEST

/* ---- Refusals ------------------------------------------------------------------------------------------------------ */

static void refused(pn_test_build *build, pn_shape a, pn_shape b, pn_status status, const char *text)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *in[] = { pn_test_zeros(g, a), pn_test_zeros(g, b) };
    ck_assert_ptr_null(build(g, in));
    pn_test_refused(g, status, text);
    pn_graph_free(g);
}
static pn_tensor *self4(pn_graph *g, pn_tensor *const in[]) { return pn_self_correlation(g, in[0], 4); }
static pn_tensor *self1(pn_graph *g, pn_tensor *const in[]) { return pn_self_correlation(g, in[0], 1); }
static pn_tensor *even_patch(pn_graph *g, pn_tensor *const in[]) { return pn_patch_similarity(g, in[0], 2, 5, 1); }
static pn_tensor *even_window(pn_graph *g, pn_tensor *const in[]) { return pn_patch_similarity(g, in[0], 3, 4, 1); }
static pn_tensor *no_sigma(pn_graph *g, pn_tensor *const in[]) { return pn_patch_similarity(g, in[0], 3, 5, 0); }
static pn_tensor *unfold2(pn_graph *g, pn_tensor *const in[]) { return pn_unfold(g, in[0], 2); }

START_TEST(what_does_not_fit_is_refused)
{
    const pn_shape map = maps[1], tokens = pn_shape3(2, 3, 4);
    refused(self4, map, map, PN_ERR_ARG, "pn_self_correlation: k is 4, expected an odd number from 3 to 15");
    refused(self1, map, map, PN_ERR_ARG, "pn_self_correlation: k is 1, expected an odd number from 3 to 15");
    refused(self3, tokens, map, PN_ERR_SHAPE, "pn_self_correlation: f is [2,3,4]");
    refused(weighted, map, pn_shape4(2, 16, 4, 6), PN_ERR_SHAPE,
            "pn_window_sum: w has 16 channels, expected k^2 of an odd k up to 15");
    refused(weighted, map, pn_shape4(2, 9, 4, 5), PN_ERR_SHAPE, "pn_window_sum: w is [2,9,4,5], expected [2,9,4,6]");
    refused(even_patch, map, map, PN_ERR_ARG, "pn_patch_similarity: patch is 2, expected an odd number from 1 to 15");
    refused(even_window, map, map, PN_ERR_ARG, "pn_patch_similarity: k is 4, expected an odd number from 3 to 15");
    refused(no_sigma, map, map, PN_ERR_ARG, "pn_patch_similarity: sigma is 0, expected a positive number");
    refused(unfold2, map, map, PN_ERR_ARG, "pn_unfold: k is 2, expected an odd number from 1 to 15");
}
END_TEST

TCase *window_cases(void)
{
    TCase *tc = tcase_create("window");
    tcase_add_loop_test(tc, self_correlation_agrees_with_ref, 0, MAPS);
    tcase_add_loop_test(tc, self_correlation_has_gradients, 0, MAPS - 1);
    tcase_add_test(tc, self_correlation_matches_torch);
    tcase_add_loop_test(tc, window_sum_agrees_with_ref, 0, MAPS);
    tcase_add_loop_test(tc, window_sum_has_gradients, 0, MAPS - 1);
    tcase_add_test(tc, window_sum_matches_torch);
    tcase_add_loop_test(tc, patch_similarity_agrees_with_ref, 0, PICTURES);
    tcase_add_loop_test(tc, patch_similarity_has_gradients, 0, PICTURES);
    tcase_add_test(tc, patch_similarity_matches_torch);
    tcase_add_loop_test(tc, unfold_agrees_with_ref, 0, MAPS);
    tcase_add_loop_test(tc, unfold_has_gradients, 0, MAPS - 1);
    tcase_add_test(tc, unfold_matches_torch);
    tcase_add_test(tc, self_correlation_is_symmetric_and_at_most_one);
    tcase_add_test(tc, self_correlation_does_not_see_how_long_a_feature_is);
    tcase_add_test(tc, nan_stays_in_its_windows);
    tcase_add_test(tc, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    return tc;
}
