/* tests/kernels/test_winograd.c - convolutions by minimal filtering: errors, tile boundaries, what folds in, threads */
#include "support/convolution.h"

/* Maps around multiples of a tile; channels around a block and around a slot; blocks of several images and images of
 * several blocks; every border; two to five taps and seven, phases of the sources and of the results. */
static const pn_conv_dims cases[] = {
    { .x = MAP(1, 64, 16, 16), .y = MAP(1, 64, 16, 16), SAME(3, 1), .groups = 1 },
    { .x = MAP(3, 33, 9, 13), .y = MAP(3, 70, 9, 13), SAME(3, 1), .groups = 1, .border = PN_BORDER_REFLECT },
    { .x = MAP(2, 47, 7, 10), .y = MAP(2, 129, 7, 10), SAME(3, 1), .groups = 1, .border = PN_BORDER_REPLICATE },
    { .x = MAP(1, 33, 33, 26), .y = MAP(1, 20, 33, 26), SAME(3, 1), .groups = 1 },
    { .x = MAP(2, 32, 14, 19), .y = MAP(2, 50, 12, 17), SAME(3, 0), .groups = 1 },
    { .x = MAP(1, 256, 8, 16), .y = MAP(1, 80, 8, 16), SAME(3, 1), .groups = 1 },
    { .x = MAP(1, 32, 12, 17), .y = MAP(1, 32, 12, 17), SAME(5, 2), .groups = 1, .border = PN_BORDER_REPLICATE },
    { .x = MAP(2, 20, 21, 26), .y = MAP(2, 130, 17, 22), SAME(5, 0), .groups = 1 },
    { .x = MAP(2, 35, 10, 9), .y = MAP(2, 48, 9, 8), SAME(4, 1), .groups = 1 },
    { .x = MAP(1, 40, 22, 16), .y = MAP(1, 48, 21, 15), SAME(4, 1), .groups = 1, .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 64, 20, 15), .y = MAP(1, 60, 19, 14), SAME(2, 0), .groups = 1 },
    { .x = MAP(1, 40, 40, 38), .y = MAP(1, 70, 20, 19), HALVE(4), .groups = 1, .border = PN_BORDER_REFLECT },
    { .x = MAP(2, 41, 18, 28), .y = MAP(2, 64, 9, 14), HALVE(4), .groups = 1 },
    { .x = MAP(2, 48, 14, 19), .y = MAP(2, 50, 28, 38), HALVE(4), .groups = 1, .transposed = true },
    { .x = MAP(2, 128, 29, 34), .y = MAP(2, 64, 58, 68), HALVE(3), .groups = 1, .transposed = true },
    { .x = MAP(1, 130, 45, 40), .y = MAP(1, 64, 89, 79), HALVE(3), .groups = 1, .transposed = true },
    { .x = MAP(1, 80, 59, 57), .y = MAP(1, 80, 30, 29), HALVE(3), .groups = 1, .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 64, 78, 77), .y = MAP(1, 150, 39, 39), HALVE(3), .groups = 1 },
    { .x = MAP(1, 40, 32, 30), .y = MAP(1, 50, 16, 15), .kernel = { 5, 5 }, .stride = { 2, 2 }, .pad = { 2, 2 },
      .dilation = { 1, 1 }, .groups = 1 },
    { .x = MAP(2, 21, 17, 20), .y = MAP(2, 64, 17, 20), SAME(7, 3), .groups = 1 },      /* filters in four pieces */
    { .x = MAP(1, 64, 19, 23), .y = MAP(1, 33, 19, 23), SAME(7, 3), .groups = 1, .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 35, 22, 30), .y = MAP(1, 70, 16, 24), SAME(7, 0), .groups = 1 },
    { .x = MAP(1, 66, 32, 22), .y = MAP(1, 66, 16, 11), HALVE(4), .groups = 1 },        /* tiles of four, from here on */
    { .x = MAP(1, 128, 32, 32), .y = MAP(1, 128, 64, 64), HALVE(3), .groups = 1, .transposed = true },
    { .x = MAP(1, 256, 32, 32), .y = MAP(1, 128, 64, 64), HALVE(3), .groups = 1, .transposed = true },
};
enum { CASES = sizeof cases / sizeof *cases, FOURS = CASES - 3 };

/* Tiles of eight, which 5x5 and 7x7 filters take, have larger powers in their transforms: 4.2e-6 rms and 4.6e-5 at most,
 * without fused multiply-adds. */
static double loss(const pn_conv_dims *d) { return d->kernel[0] >= 5 && d->stride[0] == 1 ? 2.5 : 1; }

/* Relative to the signal's rms. Measured: 1.4e-6 rms and 1.7e-5 at most up to 128 channels; a sum of C products one after
 * another loses digits as sqrt(C), and phases of a source and pieces of a filter are channels like others: 2.3e-6 and 3.9e-5 with 512. */
static double growth(const pn_conv_dims *d, ptrdiff_t channels)
{
    const ptrdiff_t pieces = d->kernel[0] == 7 ? 4 : 1, products = channels * d->stride[0] * d->stride[1] * pieces;
    return (products > 128 ? sqrt((double)products / 128) : 1) * loss(d);
}
static double most_error(const pn_conv_dims *d, ptrdiff_t channels) { return 1.5 * PN_TOL_SUM * growth(d, channels); }
static double most_rms(const pn_conv_dims *d, ptrdiff_t channels) { return 2e-6 * growth(d, channels); }

typedef struct { pn_real *y, *plain, *stats, *dx, *added; } results;

static void free_results(results r)
{
    pn_real *const all[] = { r.y, r.plain, r.stats, r.dx, r.added };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Made once for all runs. */
typedef struct { const pn_conv_dims *d; pn_real *x, *dy, *w, *bias, *residual, *scale, *shift; } inputs;

static inputs inputs_of(const pn_conv_dims *d)
{
    const pn_map per_image = { d->x.n, d->x.c, 1, 1, PN_BLOCK };
    return (inputs){ .d = d, .x = pn_test_map("x", d->x), .dy = pn_test_map("dy", d->y),
                     .w = pn_test_numbers("w", pn_test_weights(d)), .bias = pn_test_numbers("bias", d->y.c),
                     .residual = pn_test_map("residual", d->y), .scale = pn_test_map("scale", per_image),
                     .shift = pn_test_map("shift", per_image) };
}

static void free_inputs(inputs in)
{
    pn_real *const all[] = { in.x, in.dy, in.w, in.bias, in.residual, in.scale, in.shift };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

typedef struct { const inputs *in; pn_ctx *ctx; pn_conv_sizes sizes; } setting;

static setting begin(const inputs *in, pn_isa isa, int threads)
{
    setting s = { .in = in, .ctx = pn_test_ctx_new(isa, threads) };
    s.sizes = pn_ctx_kernels(s.ctx)->conv.sizes(*in->d, threads);
    return s;
}

static void forward(const setting *s, pn_real *y, const pn_prologue *pro, const pn_epilogue *epi)
{
    const pn_conv_kernels *k = &pn_ctx_kernels(s->ctx)->conv;
    void *packed = pn_test_room(s->sizes.packed_fwd), *scratch = pn_test_room(s->sizes.scratch_fwd);
    const pn_conv_source from = { s->in->x, s->in->w, pro };
    k->pack_fwd(s->ctx->pool, packed, &from, *s->in->d);
    k->fwd(s->ctx->pool, y, &from, packed, epi, *s->in->d, scratch);
    free(packed);
    free(scratch);
}

static void backward(const setting *s, pn_sink dx)
{
    const pn_conv_kernels *k = &pn_ctx_kernels(s->ctx)->conv;
    void *packed = pn_test_room(s->sizes.packed_bwd), *scratch = pn_test_room(s->sizes.scratch_bwd);
    k->pack_bwd(s->ctx->pool, packed, s->in->w, *s->in->d);
    k->bwd_data(s->ctx->pool, dx, s->in->dy, s->in->w, packed, *s->in->d, scratch);
    free(packed);
    free(scratch);
}

/* Forward with everything folded in and with nothing; backward that sets and that adds. */
static results run(const inputs *in, pn_isa isa, int threads)
{
    const pn_conv_dims *d = in->d;
    const setting s = begin(in, isa, threads);
    const pn_map stats = { 2 * d->y.n, d->y.c, 1, 1, PN_BLOCK };
    results r = { pn_test_map("y", d->y), pn_test_map("y", d->y), pn_test_map("stats", stats), pn_test_map("dx", d->x),
                  pn_test_map("dx", d->x) };
    memset(r.stats, 0, (size_t)pn_map_stored(stats) * sizeof *r.stats);
    const pn_prologue pro = { in->scale, in->shift, (pn_real)0.1 };
    const pn_epilogue folded = { .bias = in->bias, .residual = in->residual, .slope = (pn_real)0.2, .stats = r.stats };
    forward(&s, r.y, &pro, &folded);
    forward(&s, r.plain, NULL, &(pn_epilogue){ .slope = 1 });
    backward(&s, (pn_sink){ r.dx, false });
    backward(&s, (pn_sink){ r.added, true });
    pn_ctx_free(s.ctx);
    return r;
}

typedef struct { const pn_conv_dims *d; pn_isa isa; ptrdiff_t channels; } summed;

static void compare(const pn_real *got, const pn_real *expected, ptrdiff_t count, const char *what, summed by)
{
    double squares = 0, errors = 0, most = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double e = fabs((double)got[i] - (double)expected[i]);
        if (!isfinite(e)) ck_abort_msg("%s: %s[%td] is %g", pn_isa_name(by.isa), what, i, (double)got[i]);
        squares += (double)expected[i] * (double)expected[i];
        errors += e * e;
        if (e > most) most = e;
    }
    const double rms = sqrt(squares / (double)count), error = sqrt(errors / (double)count);
    const bool good = most <= most_error(by.d, by.channels) * rms && error <= most_rms(by.d, by.channels) * rms;
    ck_assert_msg(good, "%s: %s is off by %.3g, rms %.3g, of its rms", pn_isa_name(by.isa), what, most / rms, error / rms);
}

static void every_level_agrees(const pn_conv_dims *d)
{
    const ptrdiff_t y = pn_map_stored(d->y), x = pn_map_stored(d->x), stats = 2 * d->y.n * pn_test_lanes(d->y);
    const inputs in = inputs_of(d);
    const results expected = run(&in, PN_ISA_REF, 2);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        if (isas[i] == PN_ISA_REF) continue;
        const summed forward_sum = { d, isas[i], d->x.c }, backward_sum = { d, isas[i], d->y.c };
        const results one = run(&in, isas[i], 1);
        compare(one.y, expected.y, y, "y", forward_sum);
        compare(one.plain, expected.plain, y, "plain y", forward_sum);
        compare(one.stats, expected.stats, stats, "stats", forward_sum);
        compare(one.dx, expected.dx, x, "dx", backward_sum);
        compare(one.added, expected.added, x, "added dx", backward_sum);
        for (int threads = 2; threads <= 3; threads++) {
            const results more = run(&in, isas[i], threads);
            ck_assert_mem_eq(one.y, more.y, (size_t)y * sizeof *one.y);
            ck_assert_mem_eq(one.stats, more.stats, (size_t)stats * sizeof *one.stats);
            ck_assert_mem_eq(one.added, more.added, (size_t)x * sizeof *one.added);
            free_results(more);
        }
        free_results(one);
    }
    free_results(expected);
    free_inputs(in);
}

START_TEST(errors_are_those_of_an_ordinary_sum_and_the_same_for_any_number_of_threads)
{
    every_level_agrees(&cases[_i]);
}
END_TEST

/* Which way is taken shows in the size of the packed weights: 36 numbers and more for every filter, or of the last cases,
 * in tiles of four, 16 for each of their phases. The gradient of the last need not be tiled. */
START_TEST(these_shapes_are_filtered_in_tiles_on_every_level_but_ref)
{
    const pn_conv_dims *d = &cases[_i];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    const size_t tiled = (size_t)(36 * d->x.c * d->y.c) * sizeof(pn_real);
    const size_t in_fours = (size_t)(4 * 16 * (d->x.c + 15) * (d->y.c + 15)) * sizeof(pn_real);
    for (int i = 0; i < n; i++) {
        if (isas[i] == PN_ISA_REF) continue;
        const pn_kernels k = pn_kernels_for(isas[i]);
        const pn_conv_sizes sizes = k.conv.sizes(*d, 1);
        ck_assert_uint_ge(sizes.packed_fwd, tiled);
        if (_i >= FOURS) ck_assert_uint_le(sizes.packed_fwd, in_fours);
        else ck_assert_uint_ge(sizes.packed_bwd, tiled);
    }
}
END_TEST

START_TEST(a_nan_reaches_every_result_that_reads_it_and_no_lane_past_the_channels)
{
    const pn_conv_dims *d = &cases[1];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    const inputs in = inputs_of(d);
    in.x[pn_at(d->x, 1, 32, 4, 7)] = NAN;
    for (int i = 0; i < n; i++) {
        const setting s = begin(&in, isas[i], 1);
        pn_real *y = pn_test_map("y", d->y);
        forward(&s, y, NULL, &(pn_epilogue){ .slope = (pn_real)0.2 });
        for (ptrdiff_t c = 0; c < d->y.c; c++)
            for (ptrdiff_t at = 0; at < 9; at++) ck_assert(isnan(y[pn_at(d->y, 1, c, 3 + at / 3, 6 + at % 3)]));
        for (ptrdiff_t c = d->y.c; c < pn_test_lanes(d->y); c++)
            for (ptrdiff_t at = 0; at < 9; at++)
                ck_assert(y[pn_at(d->y, 1, d->y.c - 1, 3 + at / 3, 6 + at % 3) + c - d->y.c + 1] == 0);
        for (ptrdiff_t j = 0; j < pn_map_stored(d->y) / d->y.n; j++)
            if (isnan(y[j])) ck_abort_msg("%s: y[%td] is NaN, and reads none", pn_isa_name(isas[i]), j);
        free(y);
        pn_ctx_free(s.ctx);
    }
    free_inputs(in);
}
END_TEST

/* All tiles in one block; channels around a slot and around the parts transformed at a time; so many filters that they are
 * packed some slots at a time; phases of sources (whose blocks lie phase by phase or not) and of results, in several blocks. */
static const pn_conv_dims learnt[] = {
    { .x = MAP(2, 47, 7, 10), .y = MAP(2, 129, 7, 10), SAME(3, 1), .groups = 1, .learnt = true },
    { .x = MAP(1, 128, 8, 8), .y = MAP(1, 80, 8, 8), SAME(3, 1), .groups = 1, .border = PN_BORDER_REFLECT,
      .learnt = true },
    { .x = MAP(1, 130, 10, 9), .y = MAP(1, 50, 8, 7), SAME(3, 0), .groups = 1, .learnt = true },
    { .x = MAP(3, 50, 8, 8), .y = MAP(3, 66, 8, 8), SAME(3, 1), .groups = 1, .transposed = true,
      .learnt = true },
    { .x = MAP(2, 260, 13, 14), .y = MAP(2, 350, 13, 14), SAME(3, 1), .groups = 1, .learnt = true },
    { .x = MAP(1, 66, 32, 22), .y = MAP(1, 66, 16, 11), HALVE(4), .groups = 1, .learnt = true },
    { .x = MAP(2, 41, 18, 28), .y = MAP(2, 64, 9, 14), HALVE(4), .groups = 1, .learnt = true },
    { .x = MAP(2, 200, 14, 19), .y = MAP(2, 50, 28, 38), HALVE(4), .groups = 1, .transposed = true, .learnt = true },
    { .x = MAP(1, 144, 59, 57), .y = MAP(1, 80, 30, 29), HALVE(3), .groups = 1, .border = PN_BORDER_REFLECT,
      .learnt = true },
    { .x = MAP(1, 130, 61, 47), .y = MAP(1, 20, 121, 93), HALVE(3), .groups = 1, .transposed = true, .learnt = true },
};
enum { LEARNT = sizeof learnt / sizeof *learnt, BOTH_WAYS = LEARNT - 1 };      /* few channels backward, in several blocks: packed */

START_TEST(weights_that_are_learnt_need_no_packing)
{
    const pn_conv_dims *d = &learnt[_i];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        if (isas[i] == PN_ISA_REF) continue;
        const pn_conv_sizes sizes = pn_kernels_for(isas[i]).conv.sizes(*d, 1);
        ck_assert_uint_eq(sizes.packed_fwd, 0);
        ck_assert(!sizes.packed_bwd == (_i < BOTH_WAYS));
    }
    every_level_agrees(d);
}
END_TEST

TCase *winograd_kernels_cases(void)
{
    TCase *tc = tcase_create("winograd_kernels");
    tcase_add_loop_test(tc, errors_are_those_of_an_ordinary_sum_and_the_same_for_any_number_of_threads, 0, CASES);
    tcase_add_loop_test(tc, these_shapes_are_filtered_in_tiles_on_every_level_but_ref, 0, CASES);
    tcase_add_loop_test(tc, weights_that_are_learnt_need_no_packing, 0, LEARNT);
    tcase_add_test(tc, a_nan_reaches_every_result_that_reads_it_and_no_lane_past_the_channels);
    return tc;
}
