/* tests/ops/test_resize2d.c - lib/ops/resize2d.c */
#include "support/pntest.h"

static pn_tensor *sized(pn_graph *g, pn_tensor *x, ptrdiff_t h, ptrdiff_t w, pn_interpolation how)
{
    return pn_resize2d(g, x, h, w, how, PN_HALF_PIXEL);
}

static pn_tensor *nearest_6x8(pn_graph *g, pn_tensor *const in[]) { return sized(g, in[0], 6, 8, PN_NEAREST); }
static pn_tensor *nearest_3x4(pn_graph *g, pn_tensor *const in[]) { return sized(g, in[0], 3, 4, PN_NEAREST); }
static pn_tensor *nearest_8x11(pn_graph *g, pn_tensor *const in[]) { return sized(g, in[0], 8, 11, PN_NEAREST); }
static pn_tensor *half_8x11(pn_graph *g, pn_tensor *const in[]) { return sized(g, in[0], 8, 11, PN_BILINEAR); }
static pn_tensor *half_4x5(pn_graph *g, pn_tensor *const in[]) { return sized(g, in[0], 4, 5, PN_BILINEAR); }
static pn_tensor *half_1x33(pn_graph *g, pn_tensor *const in[]) { return sized(g, in[0], 1, 33, PN_BILINEAR); }
static pn_tensor *corners_8x11(pn_graph *g, pn_tensor *const in[])
{
    return pn_resize2d(g, in[0], 8, 11, PN_BILINEAR, PN_CORNERS);
}
static pn_tensor *corners_1x4(pn_graph *g, pn_tensor *const in[]) { return pn_resize2d(g, in[0], 1, 4, PN_BILINEAR, PN_CORNERS); }

static pn_test_build *const builds[] = {
    nearest_6x8, nearest_3x4, nearest_8x11, half_8x11, half_4x5, half_1x33, corners_8x11, corners_1x4,
};
static const pn_shape shapes[] = { { 4, { 1, 1, 1, 1 } }, { 4, { 2, 3, 5, 6 } }, { 4, { 1, 15, 9, 2 } }, { 4, { 1, 33, 3, 17 } } };
enum { BUILDS = sizeof builds / sizeof *builds, SHAPES = sizeof shapes / sizeof *shapes };

/* The gradient of a single pixel is one sum that may nearly cancel. */
START_TEST(every_isa_agrees_with_ref)
{
    for (int s = 0; s < SHAPES; s++) pn_test_parity(builds[_i], &shapes[s], 1, s ? PN_TOL_SUM : PN_TOL_LONG);
}
END_TEST
START_TEST(gradients_match_differences)
{
    for (int s = 0; s < SHAPES; s++) pn_test_gradients(builds[_i], &shapes[s], 1, 0);
}
END_TEST
START_TEST(matches_torch_interpolate)
{
    pn_test_golden(nearest_6x8, 1, "resize/nearest_up2", PN_TOL_SUM4);
    pn_test_golden(nearest_3x4, 1, "resize/nearest_down", PN_TOL_SUM4);
    pn_test_golden(half_8x11, 1, "resize/bilinear_up_half", PN_TOL_SUM4);
    pn_test_golden(corners_8x11, 1, "resize/bilinear_corners", PN_TOL_SUM4);
    pn_test_golden(half_4x5, 1, "resize/bilinear_down", PN_TOL_SUM4);
}
END_TEST

START_TEST(a_map_of_no_rows_and_nearest_corners_are_refused)
{
    pn_graph *g = pn_test_graph();
    ck_assert_ptr_null(pn_resize2d(g, pn_test_zeros(g, shapes[1]), 0, 4, PN_NEAREST, PN_HALF_PIXEL));
    pn_test_refused(g, PN_ERR_SHAPE, "pn_resize2d: the new size is 0 x 4, expected 1 x 1 or more");
    pn_graph_free(g);
    g = pn_test_graph();
    ck_assert_ptr_null(pn_resize2d(g, pn_test_zeros(g, shapes[1]), 2, 4, PN_NEAREST, PN_CORNERS));
    pn_test_refused(g, PN_ERR_ARG, "the grid is CORNERS, which only BILINEAR knows; use HALF_PIXEL");
    pn_graph_free(g);
}
END_TEST

TCase *resize2d_cases(void)
{
    TCase *tc = tcase_create("resize2d");
    tcase_add_loop_test(tc, every_isa_agrees_with_ref, 0, BUILDS);
    tcase_add_loop_test(tc, gradients_match_differences, 0, BUILDS);
    tcase_add_test(tc, matches_torch_interpolate);
    tcase_add_test(tc, a_map_of_no_rows_and_nearest_corners_are_refused);
    return tc;
}
