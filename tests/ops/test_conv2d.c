/* tests/ops/test_conv2d.c - pn_conv2d of lib/ops/conv2d.c */
#include "support/pntest.h"

typedef struct { pn_shape in[3]; int n; pn_conv_opt opt; } conv_case;

#define X(...) { 4, { __VA_ARGS__ } }
#define BIAS(o) { 1, { o } }

/* Channels around the block of 16 and the 64 of a register tile; every option; maps smaller than a tile and wider. */
static const conv_case cases[] = {
    { { X(1, 1, 1, 1), X(1, 1, 1, 1), BIAS(1) }, 3, { .stride = { 1, 1 } } },
    { { X(2, 3, 5, 7), X(4, 3, 3, 3), BIAS(4) }, 3, { .pad = { 1, 1 } } },
    { { X(2, 3, 5, 7), X(4, 3, 3, 3) }, 2, { .pad = { 2, 0 }, .stride = { 2, 3 } } },
    { { X(1, 17, 6, 9), X(33, 17, 4, 4), BIAS(33) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 } } },
    { { X(1, 15, 4, 5), X(16, 15, 1, 1), BIAS(16) }, 3, { .stride = { 1, 1 } } },
    { { X(1, 16, 5, 4), X(3, 16, 3, 3), BIAS(3) }, 3, { .pad = { 1, 1 }, .border = PN_BORDER_REFLECT } },
    { { X(1, 5, 3, 6), X(6, 5, 5, 5), BIAS(6) }, 3, { .pad = { 2, 2 }, .border = PN_BORDER_REPLICATE } },
    { { X(2, 3, 7, 6), X(4, 3, 3, 2), BIAS(4) }, 3, { .pad = { 2, 1 }, .dilation = { 2, 3 } } },
    { { X(2, 6, 5, 4), X(4, 3, 3, 3), BIAS(4) }, 3, { .pad = { 1, 1 }, .groups = 2 } },
    { { X(1, 18, 5, 4), X(18, 1, 3, 3), BIAS(18) }, 3, { .pad = { 1, 1 }, .groups = 18 } },
};
/* Too large for differences, which cost a pass per number. */
static const conv_case large[] = {
    { { X(1, 64, 5, 19), X(70, 64, 3, 3), BIAS(70) }, 3, { .pad = { 1, 1 } } },
    { { X(2, 70, 4, 5), X(64, 70, 3, 3), BIAS(64) }, 3, { .pad = { 1, 1 } } },
    { { X(1, 39, 10, 37), X(32, 39, 4, 4), BIAS(32) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 } } },
    { { X(1, 130, 4, 4), X(20, 130, 4, 4), BIAS(20) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 } } },
    { { X(1, 64, 7, 19), X(2, 64, 3, 3), BIAS(2) }, 3, { .pad = { 1, 1 } } },
    { { X(1, 3, 18, 35), X(64, 3, 3, 3), BIAS(64) }, 3, { .pad = { 1, 1 } } },
    { { X(2, 64, 5, 4), X(64, 32, 3, 3), BIAS(64) }, 3, { .pad = { 1, 1 }, .groups = 2 } },
    { { X(1, 24, 12, 10), X(128, 3, 4, 4), BIAS(128) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 }, .groups = 8 } },
    { { X(1, 70, 11, 12), X(70, 1, 3, 3), BIAS(70) }, 3, { .pad = { 1, 1 }, .groups = 70 } },
    { { X(2, 20, 7, 21), X(20, 1, 5, 5), BIAS(20) }, 3, { .pad = { 2, 2 }, .groups = 20 } },
    { { X(1, 17, 3, 2), X(17, 1, 7, 7), BIAS(17) }, 3, { .pad = { 3, 3 }, .groups = 17 } },
    { { X(1, 33, 20, 6), X(33, 1, 3, 2), BIAS(33) }, 3, { .pad = { 2, 0 }, .dilation = { 2, 3 }, .groups = 33 } },
    { { X(1, 32, 4, 7), X(48, 32, 5, 5), BIAS(48) }, 3, { .pad = { 2, 2 }, .border = PN_BORDER_REPLICATE } },
    { { X(2, 70, 9, 13), X(130, 70, 1, 1), BIAS(130) }, 3, { .stride = { 1, 1 } } },
    { { X(2, 64, 6, 5), X(96, 32, 1, 1), BIAS(96) }, 3, { .groups = 2 } },
    { { X(1, 40, 5, 6), X(3, 40, 1, 1), BIAS(3) }, 3, { .stride = { 1, 1 } } },
    { { X(1, 3, 9, 30), X(70, 3, 7, 7), BIAS(70) }, 3, { .pad = { 3, 3 } } },
    { { X(1, 33, 9, 8), X(17, 33, 3, 3) }, 2, { .pad = { 1, 2 }, .stride = { 3, 2 }, .border = PN_BORDER_REFLECT } },
};
/* The double build has the reference alone, to which the large ones say nothing new. */
enum { CASES = sizeof cases / sizeof *cases, LARGE = sizeof(pn_real) == sizeof(float) ? sizeof large / sizeof *large : 0 };

static const conv_case *the;        /* case under test; each test is a process of its own */

static pn_tensor *build(pn_graph *g, pn_tensor *const in[])
{
    return pn_conv2d(g, in[0], in[1], the->n > 2 ? in[2] : NULL, &the->opt);
}

START_TEST(every_isa_agrees_with_ref)
{
    the = _i < CASES ? &cases[_i] : &large[_i - CASES];
    const bool eights = the->in[1].dim[3] == 7 && !the->opt.groups;     /* tiles of eight: half a digit less */
    pn_test_parity(build, the->in, the->n, eights ? 2.5 * PN_TOL_SUM : PN_TOL_SUM);
}
END_TEST

/* A norm takes its sums from the convolution that writes for it: groups of channels, and channels each for itself. */
static pn_tensor *before_norm(pn_graph *g, pn_tensor *const in[])
{
    pn_tensor *y = build(g, in);
    return pn_instance_norm(g, y, NULL, NULL, 1e-5);
}
static const conv_case normed[] = {
    { { X(2, 18, 17, 19), X(18, 1, 3, 3) }, 2, { .pad = { 1, 1 }, .groups = 18 } },
    { { X(1, 24, 34, 36), X(32, 3, 4, 4) }, 2, { .pad = { 1, 1 }, .stride = { 2, 2 }, .groups = 8 } },
};
enum { NORMED = sizeof normed / sizeof *normed };
START_TEST(a_norm_finds_its_sums)
{
    the = &normed[_i];
    pn_test_parity(before_norm, the->in, 2, PN_TOL_LONG);       /* without bias, whose gradient is but rounding */
}
END_TEST

START_TEST(gradients_match_differences)
{
    the = &cases[_i];
    pn_test_gradients(build, the->in, the->n, 0);
}
END_TEST

static const struct { const char *name; pn_conv_opt opt; } golden[] = {
    { "conv2d/k3s1p1", { .pad = { 1, 1 } } },
    { "conv2d/k4s2p1", { .pad = { 1, 1 }, .stride = { 2, 2 } } },
    { "conv2d/k1s1p0", { .groups = 1 } },
    { "conv2d/k5s1_replicate2", { .pad = { 2, 2 }, .border = PN_BORDER_REPLICATE } },
    { "conv2d/k3s1_reflect1", { .pad = { 1, 1 }, .border = PN_BORDER_REFLECT } },
    { "conv2d/k3s1p2d2", { .pad = { 2, 2 }, .dilation = { 2, 2 } } },
    { "conv2d/k3s2p1g2", { .pad = { 1, 1 }, .stride = { 2, 2 }, .groups = 2 } },
    { "conv2d/depthwise_k3s1p1", { .pad = { 1, 1 }, .groups = 5 } },
    { "conv2d/k3x5_s2x1_p1x2", { .pad = { 1, 2 }, .stride = { 2, 1 } } },
    { "conv2d/c39o32_k4s2p1", { .pad = { 1, 1 }, .stride = { 2, 2 } } },
    { "conv2d/c64o64_k3s1p1", { .pad = { 1, 1 } } },
};
enum { GOLDEN = sizeof golden / sizeof *golden };

START_TEST(matches_torch)
{
    const conv_case c = { .n = 3, .opt = golden[_i].opt };
    the = &c;
    pn_test_golden(build, 3, golden[_i].name, PN_TOL_SUM);
}
END_TEST

START_TEST(no_options_is_a_plain_convolution)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, pn_shape4(1, 3, 6, 5)), *w = pn_test_zeros(g, pn_shape4(2, 3, 3, 3));
    const pn_tensor *y = pn_conv2d(g, x, w, NULL, NULL);
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(y->shape.dim[2], 4);
    ck_assert_int_eq(y->shape.dim[3], 3);
    pn_graph_free(g);
}
END_TEST

static const struct { pn_shape x, w; pn_conv_opt opt; pn_status status; const char *text; } refused[] = {
    { X(1, 3, 8, 8), X(4, 2, 3, 3), { .groups = 1 }, PN_ERR_SHAPE, "pn_conv2d: w is [4,2,3,3], expected [4,3,3,3]" },
    { X(1, 3, 8, 8), X(4, 3, 3, 3), { .groups = 2 }, PN_ERR_SHAPE,
      "pn_conv2d: 3 input and 4 output channels do not split into 2 groups" },
    { X(1, 3, 2, 2), X(4, 3, 3, 3), { .groups = 1 }, PN_ERR_SHAPE,
      "pn_conv2d: x is [1,3,2,2] and w is [4,3,3,3]: the kernel does not fit; pad x or use a smaller kernel" },
    { X(1, 3, 2, 2), X(4, 3, 5, 5), { .pad = { 2, 2 }, .border = PN_BORDER_REFLECT }, PN_ERR_SHAPE,
      "pn_conv2d: a reflecting border of 2 x 2 needs a larger map than 2 x 2" },
    { X(1, 3, 8, 8), X(4, 3, 3, 3), { .stride = { -1, 1 } }, PN_ERR_ARG, "pn_conv2d: stride -1, dilation 1, pad 0; expected" },
    { X(1, 3, 8, 8), X(4, 3, 3, 3), { .groups = -2 }, PN_ERR_ARG, "pn_conv2d: groups is -2, expected 1 or more" },
};
enum { REFUSED = sizeof refused / sizeof *refused };

START_TEST(what_does_not_fit_is_refused_with_advice)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, refused[_i].x), *w = pn_test_zeros(g, refused[_i].w);
    ck_assert_ptr_null(pn_conv2d(g, x, w, NULL, &refused[_i].opt));
    pn_test_refused(g, refused[_i].status, refused[_i].text);
    pn_graph_free(g);
}
END_TEST

TCase *conv2d_cases(void)
{
    TCase *tc = tcase_create("conv2d");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES + LARGE);
    tcase_add_loop_test(tc, a_norm_finds_its_sums, 0, NORMED);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES);
    tcase_add_loop_test(tc, matches_torch, 0, GOLDEN);
    tcase_add_test(tc, no_options_is_a_plain_convolution);
    tcase_add_loop_test(tc, what_does_not_fit_is_refused_with_advice, 0, REFUSED);
    return tc;
}
