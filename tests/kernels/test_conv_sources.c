/* tests/kernels/test_conv_sources.c - a second source: the sum of two convolutions, written once */
#include "support/convolution.h"

/* In bands and, from TILED on, in tiles; the second source's last block is full or not; few outputs; every border. */
static const pn_conv_dims cases[] = {
    { .x = MAP(1, 16, 5, 4), .more = 21, .y = MAP(1, 70, 5, 4), SAME(3, 1), .groups = 1, .border = PN_BORDER_REFLECT },
    { .x = MAP(1, 64, 5, 33), .more = 5, .y = MAP(1, 3, 5, 33), SAME(3, 1), .groups = 1 },
    { .x = MAP(1, 32, 4, 4), .more = 33, .y = MAP(1, 20, 2, 2), HALVE(4), .groups = 1, .border = PN_BORDER_REPLICATE },
    { .x = MAP(2, 48, 4, 5), .more = 16, .y = MAP(2, 33, 8, 10), HALVE(3), .groups = 1, .transposed = true },
    { .x = MAP(2, 16, 3, 5), .more = 7, .y = MAP(2, 24, 3, 5), SAME(1, 0), .groups = 1 },
    { .x = MAP(1, 32, 34, 34), .more = 32, .y = MAP(1, 64, 68, 68), HALVE(3), .groups = 1, .transposed = true },
    { .x = MAP(3, 32, 14, 19), .more = 40, .y = MAP(3, 70, 14, 19), SAME(3, 1), .groups = 1, .border = PN_BORDER_REPLICATE },
    { .x = MAP(2, 32, 14, 19), .more = 20, .y = MAP(2, 50, 28, 38), HALVE(4), .groups = 1, .transposed = true },
    { .x = MAP(1, 32, 40, 38), .more = 20, .y = MAP(1, 70, 20, 19), HALVE(4), .groups = 1, .border = PN_BORDER_REFLECT },
};
enum { TILED = 5, CASES = sizeof cases / sizeof *cases };

typedef struct { pn_real *x, *w, *bias, *scale, *shift; } source;

/* The dims of a source alone. */
static pn_conv_dims alone(const pn_conv_dims *d, int k)
{
    pn_conv_dims one = *d;
    one.x.c = k ? d->more : d->x.c;
    one.more = 0;
    return one;
}

static source source_of(const pn_conv_dims *d, int k)
{
    static const char *const names[][5] = { { "x", "w", "bias", "scale", "shift" }, { "x2", "w2", "bias2", "scale2", "shift2" } };
    const pn_conv_dims one = alone(d, k);
    const pn_map per_image = { one.x.n, one.x.c, 1, 1, PN_BLOCK };
    return (source){ pn_test_map(names[k][0], one.x), pn_test_numbers(names[k][1], pn_test_weights(&one)),
                     pn_test_numbers(names[k][2], d->y.c), pn_test_map(names[k][3], per_image), pn_test_map(names[k][4], per_image) };
}

static void free_source(source s)
{
    pn_real *const all[] = { s.x, s.w, s.bias, s.scale, s.shift };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Through prologues of slopes of their own; or the first as it lies there. */
typedef enum { BOTH_SCALED, SECOND_SCALED } reading;
typedef struct { const pn_conv_dims *d; source s[2]; pn_real *residual; pn_prologue pro[2]; pn_conv_source from[2]; } inputs;

static void inputs_of(inputs *in, const pn_conv_dims *d, reading how)
{
    *in = (inputs){ .d = d, .residual = pn_test_map("residual", d->y) };
    for (int k = 0; k < 2; k++) {
        const source s = in->s[k] = source_of(d, k);
        in->pro[k] = (pn_prologue){ s.scale, s.shift, k ? (pn_real)0.5 : (pn_real)0.1 };
        in->from[k] = (pn_conv_source){ s.x, s.w, k || how == BOTH_SCALED ? &in->pro[k] : NULL };
    }
}

typedef struct { pn_real *y, *stats; } results;

static ptrdiff_t stats_of(const pn_conv_dims *d) { return 2 * d->y.n * pn_test_lanes(d->y); }

static results results_of(const pn_conv_dims *d)
{
    results r = { pn_test_map("y", d->y), pn_test_numbers("stats", stats_of(d)) };
    memset(r.stats, 0, (size_t)stats_of(d) * sizeof *r.stats);
    return r;
}

static void free_results(results r)
{
    free(r.y);
    free(r.stats);
}

static void forward(pn_ctx *ctx, pn_real *y, const pn_conv_source *from, const pn_epilogue *epi, const pn_conv_dims *d)
{
    const pn_conv_kernels *k = &pn_ctx_kernels(ctx)->conv;
    const pn_conv_sizes sizes = k->sizes(*d, pn_ctx_threads(ctx));
    void *packed = pn_test_room(sizes.packed_fwd), *scratch = pn_test_room(sizes.scratch_fwd);
    k->pack_fwd(ctx->pool, packed, from, *d);
    k->fwd(ctx->pool, y, from, packed, epi, *d, scratch);
    free(packed);
    free(scratch);
}

static results together(const inputs *in, pn_isa isa, int threads)
{
    pn_ctx *ctx = pn_test_ctx_new(isa, threads);
    const results r = results_of(in->d);
    forward(ctx, r.y, in->from, &(pn_epilogue){ .bias = in->s[0].bias, .more_bias = in->s[1].bias, .residual = in->residual,
                                                .slope = (pn_real)0.2, .stats = r.stats }, in->d);
    pn_ctx_free(ctx);
    return r;
}

/* Two convolutions, the second onto the first, by the reference. */
static results one_after_the_other(const inputs *in)
{
    pn_ctx *ctx = pn_test_ctx_new(PN_ISA_REF, 2);
    const results r = results_of(in->d);
    const pn_conv_dims first = alone(in->d, 0), second = alone(in->d, 1);
    pn_real *between = pn_test_map("y", in->d->y);
    forward(ctx, between, &in->from[0], &(pn_epilogue){ .bias = in->s[0].bias, .residual = in->residual, .slope = 1 }, &first);
    forward(ctx, r.y, &in->from[1], &(pn_epilogue){ .bias = in->s[1].bias, .residual = between, .slope = (pn_real)0.2,
                                                    .stats = r.stats }, &second);
    free(between);
    pn_ctx_free(ctx);
    return r;
}

/* Rounding of each product's sum grows with the root of their number, and a float lies between the two references. */
static void compare(const pn_real *got, const pn_real *expected, ptrdiff_t count, const char *what, pn_isa isa)
{
    double squares = 0;
    for (ptrdiff_t i = 0; i < count; i++) squares += (double)expected[i] * (double)expected[i];
    const double rms = sqrt(squares / (double)count);
    for (ptrdiff_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= 2 * PN_TOL_SUM * rms))
            ck_abort_msg("%s: %s[%td] is %.9g, expected %.9g, rms %g", pn_isa_name(isa), what, i, (double)got[i],
                         (double)expected[i], rms);
}

START_TEST(two_sources_are_two_convolutions_added_on_every_level_and_for_any_number_of_threads)
{
    pn_conv_dims dims = cases[_i / 2 % CASES];
    const pn_conv_dims *d = &dims;
    dims.learnt = _i / 2 >= CASES;                      /* packed beforehand, then on the way */
    inputs in;
    inputs_of(&in, d, _i % 2 ? SECOND_SCALED : BOTH_SCALED);
    const results expected = one_after_the_other(&in);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const results one = together(&in, isas[i], 1), three = together(&in, isas[i], 3);
        compare(one.y, expected.y, pn_map_stored(d->y), "y", isas[i]);
        compare(one.stats, expected.stats, stats_of(d), "stats", isas[i]);
        ck_assert_mem_eq(one.y, three.y, (size_t)pn_map_stored(d->y) * sizeof *one.y);
        ck_assert_mem_eq(one.stats, three.stats, (size_t)stats_of(d) * sizeof *one.stats);
        free_results(one);
        free_results(three);
    }
    free_results(expected);
    free_source(in.s[0]);
    free_source(in.s[1]);
    free(in.residual);
}
END_TEST

/* Which way is taken shows in the size of the packed weights: 36 numbers and more for every filter. */
START_TEST(these_sources_are_filtered_in_tiles_from_one_case_on)
{
    const pn_conv_dims *d = &cases[_i];
    const size_t tiled = (size_t)(36 * (d->x.c + d->more) * d->y.c) * sizeof(pn_real);
    pn_isa isas[PN_ISA_NEON + 1];
    const int n = pn_test_isas(isas);
    for (int i = 0; i < n; i++) {
        const pn_kernels k = pn_kernels_for(isas[i]);
        if (isas[i] != PN_ISA_REF) ck_assert_int_eq(k.conv.sizes(*d, 1).packed_fwd >= tiled, _i >= TILED);
    }
}
END_TEST

TCase *conv_sources_cases(void)
{
    TCase *tc = tcase_create("conv_sources");
    tcase_add_loop_test(tc, two_sources_are_two_convolutions_added_on_every_level_and_for_any_number_of_threads, 0, 4 * CASES);
    tcase_add_loop_test(tc, these_sources_are_filtered_in_tiles_from_one_case_on, 0, CASES);
    return tc;
}
