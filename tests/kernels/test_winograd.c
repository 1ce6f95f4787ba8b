/* tests/kernels/test_winograd.c - convolutions by minimal filtering: errors, tile boundaries, what folds in, threads */
#include "support/convolution.h"

/* Maps around multiples of a tile; channels around a block and around a slot; blocks of several images and images of
 * several blocks; every border. */
static const pn_conv_dims cases[] = {
    { .x = MAP(1, 64, 16, 16), .y = MAP(1, 64, 16, 16), SAME(3, 1), .groups = 1 },
    { .x = MAP(3, 33, 9, 13), .y = MAP(3, 70, 9, 13), SAME(3, 1), .groups = 1, .border = PN_BORDER_REFLECT },
    { .x = MAP(2, 47, 7, 10), .y = MAP(2, 129, 7, 10), SAME(3, 1), .groups = 1, .border = PN_BORDER_REPLICATE },
    { .x = MAP(1, 33, 33, 26), .y = MAP(1, 20, 33, 26), SAME(3, 1), .groups = 1 },
    { .x = MAP(2, 32, 14, 19), .y = MAP(2, 50, 12, 17), SAME(3, 0), .groups = 1 },
    { .x = MAP(1, 256, 8, 16), .y = MAP(1, 80, 8, 16), SAME(3, 1), .groups = 1 },
};
enum { CASES = sizeof cases / sizeof *cases };

/* Relative to the signal's rms. Measured: 1.0e-6 rms, 9.7e-6 at most up to 70 channels; 1.5e-6 and 2.3e-5 with 256, for
 * a sum of C products one after another loses digits as sqrt(C). */
static double most_error(ptrdiff_t channels) { return PN_TOL_SUM * (channels > 128 ? sqrt((double)channels / 128) : 1); }
static const double most_rms = 2e-6;

typedef struct { pn_real *y, *plain, *stats, *dx, *added; } results;

static void free_results(results r)
{
    pn_real *const all[] = { r.y, r.plain, r.stats, r.dx, r.added };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

typedef struct { const pn_conv_dims *d; pn_ctx *ctx; pn_conv_sizes sizes; pn_real *x, *dy, *w; } setting;

static setting begin(const pn_conv_dims *d, pn_isa isa, int threads)
{
    setting s = { .d = d, .ctx = pn_test_ctx_new(isa, threads), .x = pn_test_map("x", d->x), .dy = pn_test_map("dy", d->y),
                  .w = pn_test_numbers("w", pn_test_weights(d)) };
    s.sizes = pn_ctx_kernels(s.ctx)->conv.sizes(*d, threads);
    return s;
}

static void end(setting s)
{
    free(s.x);
    free(s.dy);
    free(s.w);
    pn_ctx_free(s.ctx);
}

static void forward(const setting *s, pn_real *y, const pn_prologue *pro, const pn_epilogue *epi)
{
    const pn_conv_kernels *k = &pn_ctx_kernels(s->ctx)->conv;
    void *packed = pn_test_room(s->sizes.packed_fwd), *scratch = pn_test_room(s->sizes.scratch_fwd);
    k->pack_fwd(s->ctx->pool, packed, s->w, *s->d);
    k->fwd(s->ctx->pool, y, s->x, s->w, packed, pro, epi, *s->d, scratch);
    free(packed);
    free(scratch);
}

static void backward(const setting *s, pn_sink dx)
{
    const pn_conv_kernels *k = &pn_ctx_kernels(s->ctx)->conv;
    void *packed = pn_test_room(s->sizes.packed_bwd), *scratch = pn_test_room(s->sizes.scratch_bwd);
    k->pack_bwd(s->ctx->pool, packed, s->w, *s->d);
    k->bwd_data(s->ctx->pool, dx, s->dy, s->w, packed, *s->d, scratch);
    free(packed);
    free(scratch);
}

/* Forward with everything folded in and with nothing; backward that sets and that adds. */
static results run(const pn_conv_dims *d, pn_isa isa, int threads)
{
    setting s = begin(d, isa, threads);
    const ptrdiff_t stats = 2 * d->y.n * pn_test_lanes(d->y);
    pn_real *bias = pn_test_numbers("bias", d->y.c), *residual = pn_test_map("residual", d->y);
    pn_real *scale = pn_test_numbers("scale", d->x.n * pn_test_lanes(d->x));
    pn_real *shift = pn_test_map("shift", (pn_map){ d->x.n, d->x.c, 1, 1, PN_BLOCK });
    results r = { pn_test_map("y", d->y), pn_test_map("y", d->y), pn_test_numbers("stats", stats),
                  pn_test_map("dx", d->x), pn_test_map("dx", d->x) };
    memset(r.stats, 0, (size_t)stats * sizeof *r.stats);
    const pn_epilogue folded = { .bias = bias, .residual = residual, .slope = (pn_real)0.2, .stats = r.stats };
    forward(&s, r.y, &(pn_prologue){ scale, shift, (pn_real)0.1 }, &folded);
    forward(&s, r.plain, NULL, &(pn_epilogue){ .slope = 1 });
    backward(&s, (pn_sink){ r.dx, false });
    backward(&s, (pn_sink){ r.added, true });
    pn_real *const mine[] = { bias, residual, scale, shift };
    for (size_t i = 0; i < sizeof mine / sizeof *mine; i++) free(mine[i]);
    end(s);
    return r;
}

typedef struct { pn_isa isa; ptrdiff_t channels; } summed;

static void compare(const pn_real *got, const pn_real *expected, ptrdiff_t count, const char *what, summed by)
{
    double squares = 0, errors = 0, most = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double e = fabs((double)got[i] - (double)expected[i]);
        ck_assert_msg(isfinite(e), "%s: %s[%td] is %g", pn_isa_name(by.isa), what, i, (double)got[i]);
        squares += (double)expected[i] * (double)expected[i];
        errors += e * e;
        if (e > most) most = e;
    }
    const double rms = sqrt(squares / (double)count), error = sqrt(errors / (double)count);
    ck_assert_msg(most <= most_error(by.channels) * rms && error <= most_rms * rms, "%s: %s is off by %.3g, rms %.3g, of its rms",
                  pn_isa_name(by.isa), what, most / rms, error / rms);
}

START_TEST(errors_are_those_of_an_ordinary_sum_and_the_same_for_any_number_of_threads)
{
    const pn_conv_dims *d = &cases[_i];
    const ptrdiff_t y = pn_map_stored(d->y), x = pn_map_stored(d->x), stats = 2 * d->y.n * pn_test_lanes(d->y);
    const results expected = run(d, PN_ISA_REF, 2);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const summed forward_sum = { isas[i], d->x.c }, backward_sum = { isas[i], d->y.c };
        const results one = run(d, isas[i], 1);
        compare(one.y, expected.y, y, "y", forward_sum);
        compare(one.plain, expected.plain, y, "plain y", forward_sum);
        compare(one.stats, expected.stats, stats, "stats", forward_sum);
        compare(one.dx, expected.dx, x, "dx", backward_sum);
        compare(one.added, expected.added, x, "added dx", backward_sum);
        for (int threads = 2; threads <= 3; threads++) {
            const results more = run(d, isas[i], threads);
            ck_assert_mem_eq(one.y, more.y, (size_t)y * sizeof *one.y);
            ck_assert_mem_eq(one.stats, more.stats, (size_t)stats * sizeof *one.stats);
            ck_assert_mem_eq(one.added, more.added, (size_t)x * sizeof *one.added);
            free_results(more);
        }
        free_results(one);
    }
    free_results(expected);
}
END_TEST

/* Which way is taken shows in the size of the packed weights: 36 numbers for every filter. */
START_TEST(these_shapes_are_filtered_in_tiles_on_every_level_but_ref)
{
    const pn_conv_dims *d = &cases[_i];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const setting s = begin(d, isas[i], 1);
        const size_t tiled = (size_t)(36 * d->x.c * d->y.c) * sizeof(pn_real);
        if (isas[i] != PN_ISA_REF) ck_assert_uint_ge(s.sizes.packed_fwd, tiled);
        if (isas[i] != PN_ISA_REF) ck_assert_uint_ge(s.sizes.packed_bwd, tiled);
        end(s);
    }
}
END_TEST

START_TEST(a_nan_reaches_every_result_that_reads_it_and_no_lane_past_the_channels)
{
    const pn_conv_dims *d = &cases[1];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const setting s = begin(d, isas[i], 1);
        pn_real *y = pn_test_map("y", d->y);
        s.x[pn_at(d->x, 1, 32, 4, 7)] = NAN;
        forward(&s, y, NULL, &(pn_epilogue){ .slope = (pn_real)0.2 });
        for (ptrdiff_t c = 0; c < d->y.c; c++)
            for (ptrdiff_t at = 0; at < 9; at++) ck_assert(isnan(y[pn_at(d->y, 1, c, 3 + at / 3, 6 + at % 3)]));
        for (ptrdiff_t c = d->y.c; c < pn_test_lanes(d->y); c++)
            for (ptrdiff_t at = 0; at < 9; at++)
                ck_assert(y[pn_at(d->y, 1, d->y.c - 1, 3 + at / 3, 6 + at % 3) + c - d->y.c + 1] == 0);
        for (ptrdiff_t j = 0; j < pn_map_stored(d->y) / d->y.n; j++) ck_assert(!isnan(y[j]));
        free(y);
        end(s);
    }
}
END_TEST

TCase *winograd_kernels_cases(void)
{
    TCase *tc = tcase_create("winograd_kernels");
    tcase_add_loop_test(tc, errors_are_those_of_an_ordinary_sum_and_the_same_for_any_number_of_threads, 0, CASES);
    tcase_add_loop_test(tc, these_shapes_are_filtered_in_tiles_on_every_level_but_ref, 0, CASES);
    tcase_add_test(tc, a_nan_reaches_every_result_that_reads_it_and_no_lane_past_the_channels);
    return tc;
}
