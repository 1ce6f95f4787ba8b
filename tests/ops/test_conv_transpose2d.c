/* tests/ops/test_conv_transpose2d.c - pn_conv_transpose2d of lib/ops/conv2d.c */
#include "support/pntest.h"

typedef struct { pn_shape in[3]; int n; pn_conv_opt opt; } conv_case;

#define X(...) { 4, { __VA_ARGS__ } }
#define BIAS(o) { 1, { o } }

static const conv_case cases[] = {
    { { X(1, 1, 1, 1), X(1, 1, 1, 1), BIAS(1) }, 3, { .stride = { 1, 1 } } },
    { { X(2, 3, 4, 5), X(3, 5, 3, 3), BIAS(5) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 }, .output_pad = { 1, 1 } } },
    { { X(1, 17, 3, 4), X(17, 16, 4, 4), BIAS(16) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 } } },
    { { X(1, 5, 3, 2), X(5, 3, 2, 3) }, 2, { .stride = { 3, 2 }, .dilation = { 1, 2 }, .output_pad = { 2, 0 } } },
    { { X(2, 4, 5, 3), X(4, 3, 3, 3), BIAS(6) }, 3, { .pad = { 1, 1 }, .groups = 2 } },
    { { X(1, 3, 3, 3), X(3, 4, 1, 1), BIAS(4) }, 3, { .stride = { 2, 2 } } },      /* rows that no tap reaches: the bias alone */
    { { X(1, 6, 3, 4), X(6, 1, 3, 3), BIAS(6) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 }, .groups = 6 } },
};
/* Too large for differences, which cost a pass per number. */
static const conv_case large[] = {
    { { X(1, 70, 4, 5), X(70, 64, 3, 3), BIAS(64) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 }, .output_pad = { 1, 1 } } },
    { { X(2, 33, 3, 20), X(33, 70, 3, 3), BIAS(70) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 }, .output_pad = { 1, 1 } } },
    { { X(1, 64, 6, 9), X(64, 3, 4, 4), BIAS(3) }, 3, { .pad = { 1, 1 }, .stride = { 2, 2 } } },
    { { X(1, 96, 6, 5), X(96, 32, 3, 3), BIAS(64) }, 3, { .pad = { 1, 1 }, .groups = 2 } },
};
/* The double build has the reference alone, to which the large ones say nothing new. */
enum { CASES = sizeof cases / sizeof *cases, LARGE = sizeof(pn_real) == sizeof(float) ? sizeof large / sizeof *large : 0 };

static const conv_case *the;        /* case under test; each test is a process of its own */

static pn_tensor *build(pn_graph *g, pn_tensor *const in[])
{
    return pn_conv_transpose2d(g, in[0], in[1], the->n > 2 ? in[2] : NULL, &the->opt);
}

START_TEST(every_isa_agrees_with_ref)
{
    the = _i < CASES ? &cases[_i] : &large[_i - CASES];
    pn_test_parity(build, the->in, the->n, PN_TOL_SUM);
}
END_TEST

START_TEST(gradients_match_differences)
{
    the = &cases[_i];
    pn_test_gradients(build, the->in, the->n, 0);
}
END_TEST

static const struct { const char *name; pn_conv_opt opt; } golden[] = {
    { "conv_transpose2d/k3s2p1op1", { .pad = { 1, 1 }, .stride = { 2, 2 }, .output_pad = { 1, 1 } } },
    { "conv_transpose2d/k4s2p1", { .pad = { 1, 1 }, .stride = { 2, 2 } } },
    { "conv_transpose2d/k3s1p1_g2", { .pad = { 1, 1 }, .groups = 2 } },
};
enum { GOLDEN = sizeof golden / sizeof *golden };

START_TEST(matches_torch)
{
    const conv_case c = { .n = 3, .opt = golden[_i].opt };
    the = &c;
    pn_test_golden(build, 3, golden[_i].name, PN_TOL_SUM);
}
END_TEST

static const struct { pn_shape x, w; pn_conv_opt opt; pn_status status; const char *text; } refused[] = {
    { X(1, 3, 8, 8), X(4, 3, 3, 3), { .groups = 1 }, PN_ERR_SHAPE, "pn_conv_transpose2d: w is [4,3,3,3], expected [3,3,3,3]" },
    { X(1, 3, 8, 8), X(3, 3, 3, 3), { .stride = { 2, 2 }, .output_pad = { 2, 0 } }, PN_ERR_ARG,
      "pn_conv_transpose2d: output_pad 2, expected 0 to stride - 1 = 1" },
    { X(1, 3, 8, 8), X(3, 3, 3, 3), { .border = PN_BORDER_REPLICATE }, PN_ERR_ARG,
      "pn_conv_transpose2d: the border is not ZERO; a transposed convolution has no other" },
    { X(1, 3, 1, 1), X(3, 3, 1, 1), { .pad = { 1, 1 } }, PN_ERR_SHAPE,
      "pn_conv_transpose2d: x is [1,3,1,1] and w is [3,3,1,1]" },
};
enum { REFUSED = sizeof refused / sizeof *refused };

START_TEST(what_does_not_fit_is_refused_with_advice)
{
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_test_zeros(g, refused[_i].x), *w = pn_test_zeros(g, refused[_i].w);
    ck_assert_ptr_null(pn_conv_transpose2d(g, x, w, NULL, &refused[_i].opt));
    pn_test_refused(g, refused[_i].status, refused[_i].text);
    pn_graph_free(g);
}
END_TEST

TCase *conv_transpose2d_cases(void)
{
    TCase *tc = tcase_create("conv_transpose2d");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, CASES + LARGE);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES);
    tcase_add_loop_test(tc, matches_torch, 0, GOLDEN);
    tcase_add_loop_test(tc, what_does_not_fit_is_refused_with_advice, 0, REFUSED);
    return tc;
}
