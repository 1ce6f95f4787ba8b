/* tests/kernels/test_conv.c - what pn_conv2d does not ask of the convolution kernels yet: folded norms, activations, sums */
#include "support/pntest.h"

#define MAP(n, c, h, w) { n, c, h, w, PN_BLOCK }
#define SAME(k, p) .kernel = { k, k }, .stride = { 1, 1 }, .pad = { p, p }, .dilation = { 1, 1 }
#define HALVE(k) .kernel = { k, k }, .stride = { 2, 2 }, .pad = { 1, 1 }, .dilation = { 1, 1 }

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

static pn_real *numbers(const char *stream, ptrdiff_t count)
{
    pn_real *p = aligned_alloc(64, ((size_t)count * sizeof *p + 63) / 64 * 64);
    ck_assert_ptr_nonnull(p);
    pn_test_random(stream, p, count);
    return p;
}

static ptrdiff_t lanes_of(pn_map m) { return (m.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK; }

/* Numbers in the channels, zeros past them. */
static pn_real *map_of(const char *stream, pn_map m)
{
    pn_real *p = numbers(stream, pn_map_stored(m));
    for (ptrdiff_t i = 0; i < pn_map_stored(m); i++)
        if (i / (m.h * m.w * PN_BLOCK) % pn_map_blocks(m) * PN_BLOCK + i % PN_BLOCK >= m.c) p[i] = 0;
    return p;
}

static ptrdiff_t weights_of(const pn_conv_dims *d)
{
    const ptrdiff_t tall = d->transposed ? d->x.c : d->y.c, wide = d->transposed ? d->y.c : d->x.c;
    return tall * (wide / d->groups) * d->kernel[0] * d->kernel[1];
}

static void *room(size_t bytes) { return aligned_alloc(64, (bytes + 64) / 64 * 64); }

/* Forward with everything folded in, and the gradient of the weights through the prologue. */
static results run(const pn_conv_dims *d, pn_isa isa, int threads)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, threads);
    const pn_conv_kernels k = pn_ctx_kernels(ctx)->conv;
    const ptrdiff_t x_lanes = lanes_of(d->x), stats = 2 * d->y.n * lanes_of(d->y);
    pn_real *x = map_of("x", d->x), *w = numbers("w", weights_of(d)), *bias = numbers("bias", d->y.c);
    pn_real *residual = map_of("residual", d->y), *dy = map_of("dy", d->y);
    pn_real *scale = numbers("scale", d->x.n * x_lanes), *shift = map_of("shift", (pn_map){ d->x.n, d->x.c, 1, 1, PN_BLOCK });
    results r = { numbers("y", pn_map_stored(d->y)), numbers("stats", stats), numbers("dw", weights_of(d)) };
    memset(r.stats, 0, (size_t)stats * sizeof *r.stats);
    const pn_conv_sizes sizes = k.sizes(*d, threads);
    void *packed = room(sizes.packed_fwd), *forward = room(sizes.scratch_fwd), *backward = room(sizes.scratch_bwd);
    const pn_prologue pro = { scale, shift, (pn_real)0.1 };
    const pn_epilogue epi = { .bias = bias, .residual = residual, .slope = (pn_real)0.2, .stats = r.stats };
    k.pack_fwd(ctx->pool, packed, w, *d);
    k.fwd(ctx->pool, r.y, x, w, packed, &pro, &epi, *d, forward);
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
    const ptrdiff_t stats = 2 * d->y.n * lanes_of(d->y);
    const results expected = run(d, PN_ISA_REF, 2);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const results one = run(d, isas[i], 1), two = run(d, isas[i], 2);
        compare(one.y, expected.y, pn_map_stored(d->y), "y", isas[i]);
        compare(one.stats, expected.stats, stats, "stats", isas[i]);
        compare(one.dw, expected.dw, weights_of(d), "dw", isas[i]);
        ck_assert_mem_eq(one.y, two.y, (size_t)pn_map_stored(d->y) * sizeof *one.y);
        ck_assert_mem_eq(one.stats, two.stats, (size_t)stats * sizeof *one.stats);
        ck_assert_mem_eq(one.dw, two.dw, (size_t)weights_of(d) * sizeof *one.dw);
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
