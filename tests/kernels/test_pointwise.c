/* tests/kernels/test_pointwise.c - lib/kernels/{ref,simd}/{pointwise,layout}.c: far values, the ends of arrays,
 * lanes */
#include "support/guard.h"
#include "support/pntest.h"

static pn_isa isas[PN_ISA_NEON + 1];
static int n_isas;
static void find_isas(void) { n_isas = pn_test_isas(isas); }

static pn_map flat(ptrdiff_t count) { return (pn_map){ 1, 1, 1, count, 1 }; }

/* ---- Curves ---------------------------------------------------------------------------------------------------- */

enum { POINTS = 40001 };
static const char *const curve_names[] = { "tanh", "sigmoid", "gelu" };

/* Units in the last place of the larger results; below 2^-100 nobody looks. */
static double off(double is, double should)
{
    return fabs(is - should) / (fabs(should) * 0x1p-23 + 0x1p-100);
}

START_TEST(curves_are_right_to_a_few_ulp)
{
    static pn_real x[POINTS], should[POINTS], is[POINTS];
    for (ptrdiff_t i = 0; i < POINTS; i++) x[i] = (pn_real)(float)(-20 + 40.0 * (double)i / (POINTS - 1));
    const pn_kernels ref = pn_kernels_for(PN_ISA_REF);
    ref.pointwise.curve_fwd(NULL, should, x, (pn_curve)_i, flat(POINTS));
    for (int k = 0; k < n_isas; k++) {
        pn_kernels_for(isas[k]).pointwise.curve_fwd(NULL, is, x, (pn_curve)_i, flat(POINTS));
        for (ptrdiff_t i = 0; i < POINTS; i++)
            if (!(off((double)is[i], (double)should[i]) <= 10))
                ck_abort_msg("%s, %s of %.9g is %.9g, expected %.9g", pn_isa_name(isas[k]), curve_names[_i],
                             (double)x[i], (double)is[i], (double)should[i]);
    }
}
END_TEST

START_TEST(curves_know_infinity_and_nan)
{
    const pn_real x[] = { INFINITY, -INFINITY, NAN, (pn_real)3e38, (pn_real)-3e38 };
    const double limits[][2] = { { 1, -1 }, { 1, 0 }, { INFINITY, 0 } }, slopes[2] = { 1, 0 };
    const pn_real one[5] = { 1, 1, 1, 1, 1 };
    for (int k = 0; k < n_isas; k++) {
        const pn_pointwise_kernels p = pn_kernels_for(isas[k]).pointwise;
        pn_real y[5], dx[5];
        p.curve_fwd(NULL, y, x, (pn_curve)_i, flat(5));
        ck_assert_double_eq((double)y[0], limits[_i][0]);
        ck_assert_double_eq((double)y[1], limits[_i][1]);
        ck_assert_double_nan((double)y[2]);
        ck_assert(isfinite(y[4]));
        p.curve_bwd(NULL, (pn_sink){ dx, false }, one, _i == PN_CURVE_GELU ? x : y, (pn_curve)_i, flat(5));
        ck_assert_double_eq((double)dx[0], _i == PN_CURVE_GELU ? slopes[0] : 0);
        ck_assert_double_eq((double)dx[1], slopes[1]);
        ck_assert_double_nan((double)dx[2]);
    }
}
END_TEST

START_TEST(an_infinite_mask_leaves_lanes_at_zero)
{
    const pn_map m = { 1, 3, 1, 2, PN_BLOCK };
    const pn_real mask[2] = { INFINITY, NAN };
    pn_repeat r = { .map = m, .extent = { 1, 1, 1, 2, PN_BLOCK }, .stride = { 0, 0, 0, 1, 0 } };
    for (int k = 0; k < n_isas; k++) {
        const pn_pointwise_kernels p = pn_kernels_for(isas[k]).pointwise;
        pn_real x[2 * PN_BLOCK] = { 0 }, y[3][2 * PN_BLOCK];
        for (int i = 0; i < 3; i++) x[i] = x[PN_BLOCK + i] = 1;
        p.mul(NULL, (pn_sink){ y[0], false }, x, mask, r);
        p.add(NULL, (pn_sink){ y[1], false }, x, mask, r);
        p.lerp_fwd(NULL, y[2], x, x, mask, m);
        for (int f = 0; f < 3; f++)
            for (int i = 0; i < 2 * PN_BLOCK; i++)
                if (i % PN_BLOCK >= 3) ck_assert_double_eq((double)y[f][i], 0);
        ck_assert(isinf(y[0][0]) && isnan(y[0][PN_BLOCK + 2]) && isinf(y[1][1]) && isnan(y[2][PN_BLOCK]));
    }
}
END_TEST

/* ---- Ends of arrays -------------------------------------------------------------------------------------------- */

enum { MOST = 70 };

static void run_all(const pn_pointwise_kernels *p, pn_real *y, const pn_real *x, ptrdiff_t count)
{
    const pn_sink set = { y, false }, add = { y, true };
    pn_repeat same = { .map = flat(count), .extent = { 1, 1, 1, 1, count }, .stride = { 0, 0, 0, 0, 1 } };
    p->copy(NULL, set, x, count);
    p->copy(NULL, add, x, count);
    p->leaky_relu_fwd(NULL, y, x, (pn_real)0.1, count);
    p->leaky_relu_bwd(NULL, add, x, x, (pn_real)0.1, count);
    for (int f = 0; f < 3; f++) {
        p->curve_fwd(NULL, y, x, (pn_curve)f, flat(count));
        p->curve_bwd(NULL, add, x, x, (pn_curve)f, flat(count));
    }
    p->affine(NULL, add, x, 2, 1, flat(count));
    p->add(NULL, add, x, x, same);
    p->mul(NULL, add, x, x, same);
    p->softmax_fwd(NULL, y, x, (pn_softmax_dims){ 1, count, 1 });
    p->softmax_bwd(NULL, add, x, x, (pn_softmax_dims){ 1, count, 1 });
    p->softmax_fwd(NULL, y, x, (pn_softmax_dims){ 1, 1, count });
    p->lerp_fwd(NULL, y, x, x, x, flat(count));
    p->lerp_bwd(NULL, (pn_lerp_sinks){ .mask = add }, x, x, x, x, flat(count));
    p->relayout(NULL, set, flat(count), x, flat(count));
    double scratch[4];
    pn_real sum;
    pn_repeat all = { .map = flat(count), .extent = { 1, 1, 1, 1, count }, .stride = { 0, 0, 0, 0, 0 } };
    ck_assert(p->reduce_scratch(all) <= sizeof scratch);
    p->reduce(NULL, (pn_sink){ &sum, false }, x, x, 1, all, scratch);
}

START_TEST(nothing_is_read_or_written_past_an_end)
{
    pn_real values[MOST];
    pn_test_random("x", values, MOST);
    for (int k = 0; k < n_isas; k++) {
        const pn_pointwise_kernels p = pn_kernels_for(isas[k]).pointwise;
        for (ptrdiff_t count = 1; count <= MOST; count++) {
            pn_guard x = pn_guard_copy(values, count), y = pn_guard_copy(values, count);
            run_all(&p, y.memory, x.memory, count);
            pn_guard_free(&x);
            pn_guard_free(&y);
        }
    }
}
END_TEST

/* ---- Layouts --------------------------------------------------------------------------------------------------- */

START_TEST(planes_become_blocks_and_planes_again)
{
    enum { N = 2, H = 5, W = 7 };
    const pn_map planes = { N, _i, H, W, 1 }, blocks = { N, _i, H, W, PN_BLOCK };
    const ptrdiff_t count = pn_map_stored(planes), stored = pn_map_stored(blocks);
    pn_real *x = malloc((size_t)count * sizeof *x);
    pn_test_random("x", x, count);
    for (int k = 0; k < n_isas; k++) {
        const pn_pointwise_kernels p = pn_kernels_for(isas[k]).pointwise;
        pn_guard from = pn_guard_copy(x, count), back = pn_guard_copy(x, count);
        pn_guard to = pn_guard_after((size_t)stored * sizeof(pn_real));
        pn_real *b = to.memory;
        p.relayout(NULL, (pn_sink){ b, false }, blocks, from.memory, planes);
        for (ptrdiff_t n = 0; n < N; n++)
            for (ptrdiff_t c = 0; c < pn_map_blocks(blocks) * PN_BLOCK; c++)
                for (ptrdiff_t i = 0; i < H * W; i++)
                    ck_assert_double_eq((double)b[pn_at(blocks, n, c, 0, i)],
                                        c < _i ? (double)x[pn_at(planes, n, c, 0, i)] : 0);
        p.relayout(NULL, (pn_sink){ back.memory, true }, planes, b, blocks);
        for (ptrdiff_t i = 0; i < count; i++)
            ck_assert_double_eq((double)((pn_real *)back.memory)[i], 2 * (double)x[i]);
        pn_guard_free(&from);
        pn_guard_free(&back);
        pn_guard_free(&to);
    }
    free(x);
}
END_TEST

TCase *pointwise_cases(void)
{
    TCase *tc = tcase_create("pointwise");
    tcase_add_checked_fixture(tc, find_isas, NULL);
    tcase_add_loop_test(tc, curves_are_right_to_a_few_ulp, 0, 3);
    tcase_add_loop_test(tc, curves_know_infinity_and_nan, 0, 3);
    tcase_add_test(tc, an_infinite_mask_leaves_lanes_at_zero);
    tcase_add_test(tc, nothing_is_read_or_written_past_an_end);
    tcase_add_loop_test(tc, planes_become_blocks_and_planes_again, 1, 36);
    return tc;
}
