/* tests/kernels/test_winograd_weights.c - the gradient of the weights by minimal filtering, against sums in double */
#include "support/pntest.h"

#define MAP(n, c, h, w) { n, c, h, w, PN_BLOCK }
#define TAPS(k, p) .kernel = { k, k }, .stride = { 1, 1 }, .pad = { p, p }, .dilation = { 1, 1 }, .groups = 1

#define HALVE(k, p) .kernel = { k, k }, .stride = { 2, 2 }, .pad = { p, p }, .dilation = { 1, 1 }, .groups = 1

/* Minimal filtering rounds like an ordinary float sum: in units of the gradient's rms, 2e-6 rms and 2e-5 at most. */
#define TOL_RMS 2e-6
#define TOL_MAX 2e-5

/* Sizes around whole tiles (4 results of 3x3, 2 of 5x5, 5 of 4x4, 3 of 7x7), channels around blocks and slots, one run of tiles,
 * several runs, several chunks (257 tiles and more), few, several images, borders of every kind, none, and wide ones. */
static const pn_conv_dims cases[] = {
    { .x = MAP(1, 64, 16, 16), .y = MAP(1, 64, 16, 16), TAPS(3, 1) },
    { .x = MAP(1, 33, 15, 17), .y = MAP(1, 70, 15, 17), TAPS(3, 1) },
    { .x = MAP(2, 48, 13, 14), .y = MAP(2, 40, 13, 14), TAPS(3, 1), .border = PN_BORDER_REFLECT },
    { .x = MAP(3, 70, 9, 12), .y = MAP(3, 33, 9, 12), TAPS(3, 1), .border = PN_BORDER_REPLICATE },
    { .x = MAP(1, 40, 18, 21), .y = MAP(1, 129, 16, 19), TAPS(3, 0) },
    { .x = MAP(1, 65, 11, 10), .y = MAP(1, 48, 13, 12), TAPS(3, 2) },
    { .x = MAP(1, 18, 69, 70), .y = MAP(1, 17, 69, 70), TAPS(3, 1) },
    { .x = MAP(2, 17, 46, 47), .y = MAP(2, 20, 46, 47), TAPS(3, 1), .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 48, 12, 18), .y = MAP(1, 36, 12, 18), TAPS(3, 1), .transposed = true },
    { .x = MAP(1, 200, 12, 11), .y = MAP(1, 260, 12, 11), TAPS(3, 1) },        /* two products an item, or one */
    { .x = MAP(1, 48, 8, 8), .y = MAP(1, 70, 8, 8), TAPS(3, 1) },               /* few tiles */
    { .x = MAP(2, 33, 5, 7), .y = MAP(2, 40, 5, 7), TAPS(3, 1), .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 50, 10, 6), .y = MAP(1, 20, 8, 4), TAPS(3, 0) },
    { .x = MAP(1, 34, 17, 14), .y = MAP(1, 50, 17, 14), TAPS(5, 2) },
    { .x = MAP(2, 20, 9, 13), .y = MAP(2, 65, 9, 13), TAPS(5, 2), .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 18, 25, 24), .y = MAP(1, 17, 21, 20), TAPS(5, 0) },
    { .x = MAP(1, 21, 20, 19), .y = MAP(1, 64, 20, 19), TAPS(7, 3) },
    { .x = MAP(2, 33, 15, 51), .y = MAP(2, 18, 15, 51), TAPS(7, 3), .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 48, 28, 23), .y = MAP(1, 70, 22, 17), TAPS(7, 0), .border = PN_BORDER_REPLICATE },
    { .x = MAP(1, 20, 43, 60), .y = MAP(1, 70, 21, 30), HALVE(4, 1) },
    { .x = MAP(2, 33, 40, 50), .y = MAP(2, 18, 20, 25), HALVE(4, 1), .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 17, 42, 41), .y = MAP(1, 16, 20, 19), HALVE(4, 0) },
    { .x = MAP(1, 36, 20, 25), .y = MAP(1, 20, 40, 50), HALVE(4, 1), .transposed = true },
};
enum { CASES = sizeof cases / sizeof *cases, FEW = 10, MOST_THREADS = 3 };     /* FEW: the first of few tiles */

typedef enum { PLAIN, PROLOGUE } reading;

static pn_real *numbers(const char *stream, ptrdiff_t count)
{
    pn_real *p = aligned_alloc(64, ((size_t)count * sizeof *p + 63) / 64 * 64);
    ck_assert_ptr_nonnull(p);
    pn_test_random(stream, p, count);
    return p;
}

/* Numbers in the channels, zeros past them. */
static pn_real *map_of(const char *stream, pn_map m)
{
    pn_real *p = numbers(stream, pn_map_stored(m));
    for (ptrdiff_t i = 0; i < pn_map_stored(m); i++)
        if (i / (m.h * m.w * PN_BLOCK) % pn_map_blocks(m) * PN_BLOCK + i % PN_BLOCK >= m.c) p[i] = 0;
    return p;
}

static ptrdiff_t weights_of(const pn_conv_dims *d) { return d->x.c * d->y.c * d->kernel[0] * d->kernel[1]; }

/* What bwd_weights makes of numbers in dw: its scratch ends where sizes says, and begins as NaN. */
static pn_real *gradient(const pn_conv_dims *d, pn_isa isa, int threads, reading how, bool add)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, threads);
    const pn_conv_kernels k = pn_ctx_kernels(ctx)->conv;
    const pn_map lanes = { d->x.n, d->x.c, 1, 1, PN_BLOCK };
    pn_real *x = map_of("x", d->x), *dy = map_of("dy", d->y), *dw = numbers("dw", weights_of(d));
    pn_real *scale = map_of("scale", lanes), *shift = map_of("shift", lanes);
    const size_t bytes = k.sizes(*d, threads).scratch_bwd;
    unsigned char *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    ck_assert_ptr_nonnull(scratch);
    memset(scratch, 0xff, bytes);
    memset(scratch + bytes, 0x5a, 64);
    const pn_prologue pro = { scale, shift, (pn_real)0.1 };
    k.bwd_weights(ctx->pool, (pn_sink){ dw, add }, x, dy, how == PROLOGUE ? &pro : NULL, *d, scratch);
    for (int i = 0; i < 64; i++) ck_assert_int_eq(scratch[bytes + (size_t)i], 0x5a);
    free(x);
    free(dy);
    free(scale);
    free(shift);
    free(scratch);
    pn_ctx_free(ctx);
    return dw;
}

static void compare(const pn_real *got, const pn_real *expected, ptrdiff_t count, pn_isa isa)
{
    double squares = 0, errors = 0, most = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double error = fabs((double)got[i] - (double)expected[i]);
        if (isnan(error)) ck_abort_msg("%s: dw[%td] is %g", pn_isa_name(isa), i, (double)got[i]);
        squares += (double)expected[i] * (double)expected[i];
        errors += error * error;
        if (error > most) most = error;
    }
    const double rms = sqrt(squares / (double)count), error = sqrt(errors / (double)count) / rms;
    ck_assert_msg(error <= TOL_RMS && most / rms <= TOL_MAX, "%s: error rms %.2g, at most %.2g",
                  pn_isa_name(isa), error, most / rms);
}

START_TEST(gradients_err_like_a_float_sum_and_never_depend_on_threads)
{
    const pn_conv_dims *d = &cases[_i / 2];
    const reading how = _i % 2 ? PROLOGUE : PLAIN;
    const ptrdiff_t count = weights_of(d);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    pn_real *expected = gradient(d, PN_ISA_REF, 2, how, true);
    for (int i = 0; i < n; i++) {
        if (isas[i] == PN_ISA_REF) continue;
        pn_real *one = gradient(d, isas[i], 1, how, true);
        compare(one, expected, count, isas[i]);
        for (int threads = 2; threads <= MOST_THREADS; threads++) {
            pn_real *more = gradient(d, isas[i], threads, how, true);
            ck_assert_mem_eq(one, more, (size_t)count * sizeof *one);
            free(more);
        }
        free(one);
    }
    free(expected);
}
END_TEST

START_TEST(a_sink_that_sets_forgets_what_was_there)
{
    const pn_conv_dims *d = &cases[_i];
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    pn_real *expected = gradient(d, PN_ISA_REF, 2, PLAIN, false);
    for (int i = 0; i < n; i++) {
        pn_real *got = gradient(d, isas[i], 2, PLAIN, false);
        compare(got, expected, weights_of(d), isas[i]);
        free(got);
    }
    free(expected);
}
END_TEST

TCase *winograd_weights_cases(void)
{
    TCase *tc = tcase_create("winograd_weights");
    tcase_add_loop_test(tc, gradients_err_like_a_float_sum_and_never_depend_on_threads, 0, 2 * CASES);
    tcase_add_loop_test(tc, a_sink_that_sets_forgets_what_was_there, 0, 2);
    tcase_add_loop_test(tc, a_sink_that_sets_forgets_what_was_there, FEW, FEW + 1);
    return tc;
}
