/* tests/data/test_draw.c - lib/data/draw.c, lib/data/figures.c */
#include "support/pntest.h"

#include "posenet/draw.h"

static const pn_ink white = { { 255, 255, 255 }, 1 };

static pn_image image(ptrdiff_t height, ptrdiff_t width, int channels)
{
    pn_image made;
    ck_assert_int_eq(pn_image_new(pn_test_ctx(), height, width, channels, &made), PN_OK);
    return made;
}

static void release(pn_image *picture) { pn_image_free(pn_test_ctx(), picture); }

/* Ink on a black picture of one channel, in pixels, and where its middle lies. */
typedef struct { double area, y, x; } blot;
static blot blot_of(const pn_image *picture)
{
    blot b = { 0 };
    for (ptrdiff_t i = 0; i < picture->height * picture->width; i++) {
        const double v = picture->pixels[i] / 255.0;
        b.area += v;
        b.y += v * (double)(i / picture->width);
        b.x += v * (double)(i % picture->width);
    }
    b.y /= b.area;
    b.x /= b.area;
    return b;
}

static const uint8_t *pixel(const pn_image *picture, ptrdiff_t y, ptrdiff_t x)
{
    return picture->pixels + (y * picture->width + x) * picture->channels;
}

static void has_colour(const uint8_t *rgb, int red, int green, int blue)
{
    if (abs(rgb[0] - red) > 1 || abs(rgb[1] - green) > 1 || abs(rgb[2] - blue) > 1)
        ck_abort_msg("the colour is %d %d %d, expected %d %d %d", rgb[0], rgb[1], rgb[2], red, green, blue);
}

/* ---- Shapes -------------------------------------------------------------------------------------------------------- */

/* Within a hundredth: coverage by distance is not the exact area of a pixel's share. */
#define AREA 0.01

START_TEST(a_disc_a_ring_and_a_line_cover_their_area_about_their_middle)
{
    static const double pi = 3.141592653589793;
    pn_image picture = image(60, 90, 1);
    pn_draw_disc(&picture, (pn_point){ 30.3, 40.6 }, 12.25, white);
    blot b = blot_of(&picture);
    ck_assert_double_eq_tol(b.area / (pi * 12.25 * 12.25), 1, AREA);
    ck_assert_double_eq_tol(b.y, 30.3, 0.02);
    ck_assert_double_eq_tol(b.x, 40.6, 0.02);
    memset(picture.pixels, 0, 60 * 90);
    pn_draw_ring(&picture, (pn_point){ 30.3, 40.6 }, 20, 3, white);
    ck_assert_double_eq_tol(blot_of(&picture).area / (2 * pi * 20 * 3), 1, AREA);
    memset(picture.pixels, 0, 60 * 90);
    pn_draw_line(&picture, (pn_point){ 10.2, 10.7 }, (pn_point){ 40.2, 50.7 }, 4, white);   /* 50 long */
    b = blot_of(&picture);
    ck_assert_double_eq_tol(b.area / (50 * 4 + pi * 4), 1, AREA);
    ck_assert_double_eq_tol(b.y, 25.2, 0.02);
    ck_assert_double_eq_tol(b.x, 30.7, 0.02);
    memset(picture.pixels, 0, 60 * 90);
    pn_draw_line(&picture, (pn_point){ 10, 10 }, (pn_point){ 40, 50 }, 0.25, white);        /* paler than a pixel, not wider */
    ck_assert_double_eq_tol(blot_of(&picture).area, 50 * 0.25, 1);
    release(&picture);
}
END_TEST

START_TEST(ink_mixes_with_what_is_there)
{
    pn_image picture = image(9, 9, 3);
    memset(picture.pixels, 100, 9 * 9 * 3);
    pn_draw_disc(&picture, (pn_point){ 4, 4 }, 2, (pn_ink){ { 200, 0, 100 }, 0.5 });
    has_colour(pixel(&picture, 4, 4), 150, 50, 100);
    has_colour(pixel(&picture, 0, 0), 100, 100, 100);
    pn_draw_disc(&picture, (pn_point){ 4, 4 }, 2, (pn_ink){ { 200, 0, 100 }, 0 });
    has_colour(pixel(&picture, 4, 4), 150, 50, 100);
    release(&picture);
}
END_TEST

START_TEST(what_lies_outside_or_nowhere_draws_nothing)
{
    static const double odd[] = { NAN, INFINITY, -INFINITY, 1e300, -1e300, 1e9, -50 };
    pn_image picture = image(20, 20, 3);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        const pn_point nowhere = { odd[i], 5 }, here = { -30, -30 };
        pn_draw_disc(&picture, nowhere, 3, white);
        pn_draw_ring(&picture, nowhere, 3, 1, white);
        pn_draw_line(&picture, nowhere, here, 2, white);
        pn_draw_arrow(&picture, here, nowhere, 2, white);
        pn_draw_digits(&picture, nowhere, 8, 1, "0123456789", white);
        pn_flow_wheel(&picture, nowhere, 5, 1);
    }
    pn_draw_disc(&picture, (pn_point){ 10, 10 }, NAN, white);
    pn_draw_disc(&picture, (pn_point){ 10, 10 }, -1, white);
    pn_draw_digits(&picture, (pn_point){ 10, 10 }, 12, 1, " x", white);        /* blanks */
    for (int i = 0; i < 20 * 20 * 3; i++) ck_assert_uint_eq(picture.pixels[i], 0);
    pn_draw_disc(&picture, (pn_point){ 0, 0 }, 1e9, white);                    /* and what covers it covers it */
    for (int i = 0; i < 20 * 20 * 3; i++) ck_assert_uint_eq(picture.pixels[i], 255);
    release(&picture);
}
END_TEST

START_TEST(digits_differ_and_stay_in_their_box)
{
    static const char all[] = "0123456789-.";
    enum { N = sizeof all - 1, H = 30, W = 24 };
    static uint8_t drawn[N][H * W];
    pn_image picture = image(H, W, 1);
    for (int i = 0; i < N; i++) {
        memset(picture.pixels, 0, H * W);
        pn_draw_digits(&picture, (pn_point){ 15, 12 }, 18, 2, (const char[]){ all[i], 0 }, white);
        memcpy(drawn[i], picture.pixels, H * W);
        ck_assert_double_gt(blot_of(&picture).area, 2);
        for (int p = 0; p < H * W; p++)
            if (drawn[i][p] && (abs(p / W - 15) > 11 || abs(p % W - 12) > 9)) ck_abort_msg("'%c' has a pixel at %d, %d", all[i], p / W, p % W);
        for (int j = 0; j < i; j++) {
            double differ = 0;
            for (int p = 0; p < H * W; p++) differ += abs(drawn[i][p] - drawn[j][p]) / 255.0;
            if (differ < 8) ck_abort_msg("'%c' is like '%c'", all[i], all[j]);
        }
    }
    memset(picture.pixels, 0, H * W);
    pn_draw_digits(&picture, (pn_point){ 15, 12 }, 9, 1, "11", white);
    ck_assert_double_eq_tol(blot_of(&picture).y, 15, 1);
    release(&picture);
}
END_TEST

/* ---- Flows --------------------------------------------------------------------------------------------------------- */

START_TEST(hue_is_direction_and_saturation_length)
{
    static const struct { double u, v; int rgb[3]; } known[] = {
        { 5, 0, { 255, 0, 0 } },     { 0, 5, { 128, 255, 0 } },   { -5, 0, { 0, 255, 255 } }, { 0, -5, { 128, 0, 255 } },
        { 0, 0, { 255, 255, 255 } }, { 2.5, 0, { 255, 128, 128 } }, { 500, 0, { 255, 0, 0 } }, { NAN, 1, { 0, 0, 0 } },
        { -INFINITY, 0, { 0, 255, 255 } },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint8_t rgb[3];
        pn_flow_colour(known[i].u, known[i].v, 5, rgb);
        has_colour(rgb, known[i].rgb[0], known[i].rgb[1], known[i].rgb[2]);
    }
}
END_TEST

START_TEST(the_wheel_shows_the_colours_it_explains)
{
    pn_image picture = image(64, 64, 3);
    pn_flow_wheel(&picture, (pn_point){ 22, 32 }, 20, 7);
    for (int k = 0; k < 8; k++) {
        const int dy = (int[]){ 0, 9, 12, 9, 0, -9, -12, -9 }[k], dx = (int[]){ 12, 9, 0, -9, -12, -9, 0, 9 }[k];
        uint8_t rgb[3];
        pn_flow_colour(dx * 7 / 20.0, dy * 7 / 20.0, 7, rgb);
        has_colour(pixel(&picture, 22 + dy, 32 + dx), rgb[0], rgb[1], rgb[2]);
    }
    release(&picture);
}
END_TEST

START_TEST(one_wild_cell_does_not_set_the_scale)
{
    float flow[2 * 10 * 10] = { 0 };
    ck_assert(pn_flow_full(flow, 10, 10) == 0.1);
    for (int i = 0; i < 100; i++) flow[100 + i] = 3.5f;
    flow[7] = 1e30f;
    flow[8] = NAN;
    ck_assert(pn_flow_full(flow, 10, 10) == 5);
    for (int i = 0; i < 4; i++) flow[i] = -30;
    ck_assert(pn_flow_full(flow, 10, 10) == 50);
}
END_TEST

START_TEST(every_pixel_has_the_colour_of_its_cell)
{
    const float flow[2 * 2 * 3] = { 1, 0, -1, 0, 0, 0, 0, 1, 0, 0, -1, 0 };     /* x plane, y plane */
    const float mask[2 * 3] = { 0, 0.5f, 1, 2, -1, NAN };
    pn_image picture = image(8, 9, 3);
    pn_flow_colours(flow, 2, 3, 1, &picture);
    has_colour(pixel(&picture, 0, 0), 255, 0, 0);
    has_colour(pixel(&picture, 3, 2), 255, 0, 0);
    has_colour(pixel(&picture, 3, 5), 128, 255, 0);
    has_colour(pixel(&picture, 0, 8), 0, 255, 255);
    has_colour(pixel(&picture, 4, 0), 255, 255, 255);
    has_colour(pixel(&picture, 7, 4), 128, 0, 255);
    pn_mask_greys(mask, 2, 3, &picture);
    has_colour(pixel(&picture, 0, 4), 127, 127, 127);
    has_colour(pixel(&picture, 0, 8), 255, 255, 255);
    has_colour(pixel(&picture, 7, 0), 255, 255, 255);
    has_colour(pixel(&picture, 7, 3), 0, 0, 0);
    has_colour(pixel(&picture, 7, 8), 0, 0, 0);
    const float classes[3 * 2] = { 0.9f, 0.1f, 0.05f, 0.2f, 0.05f, 0.7f };      /* [3,1,2] */
    pn_class_colours(classes, 3, 1, 2, &picture);
    has_colour(pixel(&picture, 2, 2), 64, 64, 64);
    has_colour(pixel(&picture, 2, 7), 0, 255, 255);
    release(&picture);
}
END_TEST

START_TEST(arrows_lead_to_where_a_cell_reads)
{
    float flow[2 * 4 * 4] = { 0 };
    const float nothing[4 * 4] = { 0 };
    flow[0] = 2;                                        /* the first reads two cells to the right */
    pn_image picture = image(36, 36, 3);
    pn_flow_arrows(flow, nothing, 4, 4, 40, &picture);
    for (int i = 0; i < 36 * 36 * 3; i++) ck_assert_uint_eq(picture.pixels[i], 0);
    pn_flow_arrows(flow, NULL, 4, 4, 1, &picture);
    for (int x = 4; x <= 18; x++)                       /* but for the dot of the next cell, at 13 */
        if (abs(x - 13) > 3) has_colour(pixel(&picture, 4, x), 255, 0, 0);
    ck_assert_uint_eq(pixel(&picture, 4, 27)[1], 0);
    has_colour(pixel(&picture, 31, 31), 255, 255, 255); /* a dot: it reads its own place */
    has_colour(pixel(&picture, 26, 26), 0, 0, 0);
    release(&picture);
}
END_TEST

/* g's plan, which has run on the inputs' values; saved may be NULL. */
static pn_plan *run(pn_graph *g, pn_tensor *const in[], pn_real *const values[], int n, pn_tensor *y, pn_tensor *saved)
{
    pn_output(g, y, PN_CONST);
    if (saved) pn_output(g, saved, PN_CONST);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    if (!plan) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    for (int i = 0; i < n; i++) pn_set(plan, in[i], values[i]);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    return plan;
}

static void same_numbers(const char *stream, double scale, pn_real *values, float *floats, int n)
{
    pn_test_random(stream, values, n);
    for (int i = 0; i < n; i++) values[i] = (pn_real)(floats[i] = (float)(scale * (double)values[i]));
}

/* At a flow's own size warping is what pn_flow_sample says. */
START_TEST(warping_agrees_with_the_op)
{
    enum { H = 11, W = 9, N = H * W };
    static float source[3 * N], flow[2 * N], out[3 * N];
    static pn_real source_real[3 * N], flow_real[2 * N], expected[3 * N];
    same_numbers("source", 1, source_real, source, 3 * N);
    same_numbers("flow", 4, flow_real, flow, 2 * N);
    pn_graph *g = pn_test_graph();
    pn_tensor *in[] = { pn_test_zeros(g, pn_shape4(1, 3, H, W)), pn_test_zeros(g, pn_shape4(1, 2, H, W)) };
    pn_tensor *y = pn_flow_sample(g, in[0], in[1], PN_BORDER_REPLICATE);
    pn_plan *plan = run(g, in, (pn_real *[]){ source_real, flow_real }, 2, y, NULL);
    pn_get(plan, y, expected);
    pn_plan_free(plan);
    pn_flow_warp(flow, H, W, source, H, W, out);
    for (int i = 0; i < 3 * N; i++) ck_assert_double_eq_tol((double)out[i], (double)expected[i], 1e-5);
    pn_graph_free(g);
}
END_TEST

START_TEST(a_coarse_flow_is_brought_to_full_size_in_place_and_length)
{
    enum { H = 8, W = 12, N = H * W };
    static float source[3 * N], flow[2 * 2 * 3], out[3 * N];
    for (int i = 0; i < 3 * N; i++) source[i] = (float)i;
    for (int i = 0; i < 6; i++) flow[i] = 0.5f, flow[6 + i] = -0.25f;          /* two pixels right, one up */
    pn_flow_warp(flow, 2, 3, source, H, W, out);
    for (int i = 0; i < 3 * N; i++) {
        const int c = i / N, y = i % N / W, x = i % W, from_y = y > 0 ? y - 1 : 0, from_x = x + 2 < W ? x + 2 : W - 1;
        ck_assert(out[i] == source[c * N + from_y * W + from_x]);
    }
    flow[0] = NAN;
    pn_flow_warp(flow, 2, 3, source, H, W, out);
    ck_assert(isnan(out[0]));
    ck_assert(out[N - 1] == source[N - W - 1]);
}
END_TEST

/* ---- Attention ------------------------------------------------------------------------------------------------------ */

enum { C = 3, D = 4, H = 7, W = 6, K = 3, TAPS = K * K, AT = H * W, SCALE = 4 };

static double bilinear(const float *plane, double y, double x)
{
    const double y0 = floor(y), x0 = floor(x);
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        const int row = (int)fmin(H - 1, fmax(0, y0 + i / 2)), column = (int)fmin(W - 1, fmax(0, x0 + i % 2));
        sum += (i / 2 ? y - y0 : 1 - (y - y0)) * (i % 2 ? x - x0 : 1 - (x - x0)) * (double)plane[row * W + column];
    }
    return sum;
}

/* The taps' places and weights, on a picture four times as large, give the very sum that the network computes. */
START_TEST(taps_explain_what_attention_gives)
{
    static pn_real values[6][C * (H + K - 1) * (W + K - 1) * D], out[C * AT], saved[TAPS * AT];
    static float floats[6][C * (H + K - 1) * (W + K - 1) * D], attention[TAPS * AT];
    const pn_shape shapes[] = { pn_shape4(1, C, H, W), pn_shape4(1, D, H + K - 1, W + K - 1), pn_shape4(1, D, H, W),
                                pn_shape4(1, 2, H, W), pn_shape4(TAPS, D, 1, 1), pn_shape1(TAPS) };
    pn_graph *g = pn_test_graph();
    pn_tensor *in[6];
    for (int i = 0; i < 6; i++) {
        in[i] = pn_test_zeros(g, shapes[i]);
        same_numbers((const char *[]){ "s", "sh", "th", "f", "w", "b" }[i], i == 3 ? 2 : 1, values[i], floats[i], (int)pn_shape_count(shapes[i]));
    }
    pn_tensor *y = pn_local_attention(g, in[0], in[1], in[2], in[3], in[4], in[5]), *a = pn_saved_of(g, y, 0);
    pn_plan *plan = run(g, in, (pn_real *[]){ values[0], values[1], values[2], values[3], values[4], values[5] }, 6, y, a);
    pn_get(plan, y, out);
    pn_get(plan, a, saved);
    pn_plan_free(plan);
    for (int i = 0; i < TAPS * AT; i++) attention[i] = (float)saved[i];
    const pn_reading r = { .height = H, .width = W, .height_full = SCALE * H, .width_full = SCALE * W, .k = K, .flow = floats[3],
                           .attention = attention };
    for (int i = 0; i < AT; i++)
        for (int c = 0; c < C; c++) {
            const pn_point target = { i / W * SCALE + 2.2, i % W * SCALE + 0.7 };      /* anywhere in the cell */
            double sum = 0;
            for (int t = 0; t < TAPS; t++) {
                const pn_tap tap = pn_reading_tap(&r, target, t);
                sum += tap.weight * bilinear(floats[0] + c * AT, (tap.at.y + 0.5) / SCALE - 0.5, (tap.at.x + 0.5) / SCALE - 0.5);
            }
            ck_assert_double_eq_tol(sum / TAPS, (double)out[c * AT + i], 1e-5);
        }
    pn_graph_free(g);
}
END_TEST

START_TEST(reads_are_drawn_where_they_are)
{
    float flow[2 * 4 * 4] = { 0 }, attention[9 * 4 * 4] = { 0 }, mask[4 * 4] = { 0 };
    flow[5] = 1;                                        /* cell (1, 1) reads about (1, 2), */
    attention[5 * 16 + 5] = 1;                          /* and of the nine only the one to the right: (1, 3) */
    const pn_reading r = { .height = 4, .width = 4, .height_full = 32, .width_full = 32, .k = 3, .flow = flow, .attention = attention,
                           .mask = mask };
    const pn_point at = { 12, 13 };
    pn_image target = image(64, 64, 3), source = image(64, 64, 3);
    pn_draw_reads(&target, &source, &r, &at, 1);
    const pn_ink red = pn_draw_colour(0);
    const uint8_t *read = pixel(&source, 24, 52), *beside = pixel(&source, 24, 32), *point = pixel(&target, 25, 27);
    ck_assert_int_gt(read[0], 150);                     /* between its dot and its edge */
    ck_assert_int_lt(read[1], 100);
    ck_assert_int_lt(beside[0], 60);                    /* nothing between the taps that count nothing */
    ck_assert_int_lt(point[0], 60);                     /* mask 0: a ring */
    mask[5] = 1;
    pn_draw_reads(&target, &source, &r, &at, 1);
    has_colour(point, red.rgb[0], red.rgb[1], red.rgb[2]);
    release(&target);
    release(&source);
}
END_TEST

START_TEST(points_are_joints_in_the_picture_well_apart)
{
    pn_pose pose;
    pn_point p[9];
    pn_pose_clear(&pose);
    ck_assert_int_eq(pn_points_of_pose(&pose, 30, 60, p, 9), 9);       /* nobody: a grid */
    ck_assert_int_eq(pn_points_of_pose(&pose, 30, 60, p, 4), 4);
    for (int j = 0; j < 6; j++) pose.x[j] = pose.y[j] = 10 + j;        /* a heap */
    pose.x[PN_L_ANKLE] = 58, pose.y[PN_L_ANKLE] = 2;
    pose.x[PN_R_ANKLE] = 3, pose.y[PN_R_ANKLE] = 28;
    pose.x[PN_L_KNEE] = 70, pose.y[PN_L_KNEE] = 5;                      /* outside */
    ck_assert_int_eq(pn_points_of_pose(&pose, 30, 60, p, 3), 3);
    ck_assert(p[0].x == 15 && p[0].y == 15);                            /* the nearest to the middle, (15, 30) */
    ck_assert(p[1].x == 58 && p[2].x == 3);
    ck_assert_int_eq(pn_points_of_pose(&pose, 30, 60, p, 9), 8);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < i; j++) ck_assert(p[i].x != p[j].x);
}
END_TEST

TCase *draw_cases(void)
{
    TCase *tc = tcase_create("draw");
    tcase_add_test(tc, a_disc_a_ring_and_a_line_cover_their_area_about_their_middle);
    tcase_add_test(tc, ink_mixes_with_what_is_there);
    tcase_add_test(tc, what_lies_outside_or_nowhere_draws_nothing);
    tcase_add_test(tc, digits_differ_and_stay_in_their_box);
    tcase_add_test(tc, hue_is_direction_and_saturation_length);
    tcase_add_test(tc, the_wheel_shows_the_colours_it_explains);
    tcase_add_test(tc, one_wild_cell_does_not_set_the_scale);
    tcase_add_test(tc, every_pixel_has_the_colour_of_its_cell);
    tcase_add_test(tc, arrows_lead_to_where_a_cell_reads);
    tcase_add_test(tc, warping_agrees_with_the_op);
    tcase_add_test(tc, a_coarse_flow_is_brought_to_full_size_in_place_and_length);
    tcase_add_test(tc, taps_explain_what_attention_gives);
    tcase_add_test(tc, reads_are_drawn_where_they_are);
    tcase_add_test(tc, points_are_joints_in_the_picture_well_apart);
    return tc;
}
