/* tests/kernels/test_conv.c - what pn_conv2d does not ask of the convolution kernels yet: folded norms, activations, sums */
#include "support/convolution.h"

/* Bands of several rows, slots of several widths, few outputs, groups that share blocks, depth-wise, both directions. */
static const pn_conv_dims cases[] = {
    { .x = MAP(2, 17, 9, 8), .y = MAP(2, 70, 9, 8), SAME(3, 1), .groups = 1 },
    { .x = MAP(1, 64, 5, 33), .y = MAP(1, 3, 5, 33), SAME(3, 1), .groups = 1, .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 33, 8, 10), .y = MAP(1, 70, 4, 5), HALVE(4), .groups = 1 },
    { .x = MAP(2, 24, 6, 5), .y = MAP(2, 12, 6, 5), SAME(3, 1), .groups = 4, .border = PN_BORDER_REPLICATE },
    { .x = MAP(1, 18, 7, 6), .y = MAP(1, 18, 7, 6), SAME(3, 1), .groups = 18 },
    { .x = MAP(2, 40, 4, 5), .y = MAP(2, 33, 8, 10), HALVE(3), .groups = 1, .transposed = true },
    { .x = MAP(1, 12, 4, 5), .y = MAP(1, 24, 7, 9), HALVE(3), .groups = 4, .transposed = true },
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct { pn_real *y, *stats, *dw; } results;

/* Forward with everything folded in, and the gradient of the weights through the prologue. */
static results run(const pn_conv_dims *d, pn_isa isa, int threads)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, threads);
    const pn_conv_kernels k = pn_ctx_kernels(ctx)->conv;
    const ptrdiff_t x_lanes = pn_test_lanes(d->x), stats = 2 * d->y.n * pn_test_lanes(d->y);
    pn_real *x = pn_test_map("x", d->x), *w = pn_test_numbers("w", pn_test_weights(d)), *bias = pn_test_numbers("bias", d->y.c);
    pn_real *residual = pn_test_map("residual", d->y), *dy = pn_test_map("dy", d->y);
    pn_real *scale = pn_test_numbers("scale", d->x.n * x_lanes), *shift = pn_test_map("shift", (pn_map){ d->x.n, d->x.c, 1, 1, PN_BLOCK });
    results r = { pn_test_numbers("y", pn_map_stored(d->y)), pn_test_numbers("stats", stats), pn_test_numbers("dw", pn_test_weights(d)) };
    memset(r.stats, 0, (size_t)stats * sizeof *r.stats);
    const pn_conv_sizes sizes = k.sizes(*d, threads);
    void *packed = pn_test_room(sizes.packed_fwd), *forward = pn_test_room(sizes.scratch_fwd), *backward = pn_test_room(sizes.scratch_bwd);
    const pn_prologue pro = { scale, shift, (pn_real)0.1 };
    const pn_epilogue epi = { .bias = bias, .residual = residual, .slope = (pn_real)0.2, .stats = r.stats };
    const pn_conv_source from = { x, w, &pro };
    k.pack_fwd(ctx->pool, packed, &from, *d);
    k.fwd(ctx->pool, r.y, &from, packed, &epi, *d, forward);
    k.bwd_weights(ctx->pool, (pn_sink){ r.dw, true }, x, dy, &pro, *d, backward);
    pn_real *const mine[] = { x, w, bias, residual, dy, scale, shift };
    for (size_t i = 0; i < sizeof mine / sizeof *mine; i++) free(mine[i]);
    free(packed);
    free(forward);
    free(backward);
    pn_ctx_free(ctx);
    return r;
}

static void compare(const pn_real *got, const pn_real *expected, ptrdiff_t count, const char *what, pn_isa isa)
{
    double squares = 0;
    for (ptrdiff_t i = 0; i < count; i++) squares += (double)expected[i] * (double)expected[i];
    const double rms = sqrt(squares / (double)count);
    for (ptrdiff_t i = 0; i < count; i++)
        ck_assert_msg(fabs((double)got[i] - (double)expected[i]) <= PN_TOL_SUM * rms, "%s: %s[%td] is %.9g, expected %.9g, rms %g",
                      pn_isa_name(isa), what, i, (double)got[i], (double)expected[i], rms);
}

static void free_results(results r)
{
    free(r.y);
    free(r.stats);
    free(r.dw);
}

START_TEST(folded_norms_activations_and_sums_agree_with_ref)
{
    const pn_conv_dims *d = &cases[_i];
    const ptrdiff_t stats = 2 * d->y.n * pn_test_lanes(d->y);
    const results expected = run(d, PN_ISA_REF, 2);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const results one = run(d, isas[i], 1), two = run(d, isas[i], 2);
        compare(one.y, expected.y, pn_map_stored(d->y), "y", isas[i]);
        compare(one.stats, expected.stats, stats, "stats", isas[i]);
        compare(one.dw, expected.dw, pn_test_weights(d), "dw", isas[i]);
        ck_assert_mem_eq(one.y, two.y, (size_t)pn_map_stored(d->y) * sizeof *one.y);
        ck_assert_mem_eq(one.stats, two.stats, (size_t)stats * sizeof *one.stats);
        ck_assert_mem_eq(one.dw, two.dw, (size_t)pn_test_weights(d) * sizeof *one.dw);
        free_results(one);
        free_results(two);
    }
    free_results(expected);
}
END_TEST

TCase *conv_kernels_cases(void)
{
    TCase *tc = tcase_create("conv_kernels");
    tcase_add_loop_test(tc, folded_norms_activations_and_sums_agree_with_ref, 0, CASES);
    return tc;
}
