/* tests/data/test_image.c - resampling and augmentation against Pillow, pixel scaling, heat maps, label merges
 *
 * The expected bytes were made with Pillow 10.4 by make_image_golden.py, beside this file.
 */
#include "data/scratch.h"
#include "data/augment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { ptrdiff_t height, width; pn_filter filter; } resized[] = {
    { 3, 4, PN_FILTER_TRIANGLE }, { 9, 2, PN_FILTER_TRIANGLE }, { 7, 8, PN_FILTER_TRIANGLE },
    { 3, 4, PN_FILTER_CUBIC }, { 9, 2, PN_FILTER_CUBIC }, { 7, 8, PN_FILTER_CUBIC },
};
static const uint8_t resized_bytes[][7 * 8 * 3] = {
    { 117, 85, 87, 148, 114, 175, 209, 117, 189, 177, 74, 145, 145, 147, 66, 91, 140, 164, 124, 205, 147, 152,
      127, 151, 81, 99, 111, 127, 113, 90, 51, 145, 100, 90, 150, 121 },
    { 81, 91, 155, 221, 54, 153, 137, 101, 154, 188, 108, 171, 172, 110, 122, 175, 122, 179, 158, 140, 98, 167,
      127, 180, 83, 222, 149, 123, 204, 191, 99, 108, 121, 119, 185, 93, 101, 72, 94, 85, 162, 69, 101, 106, 92,
      59, 139, 108, 106, 178, 118, 60, 122, 178 },
    { 0, 38, 138, 19, 71, 140, 56, 114, 146, 175, 127, 178, 229, 105, 193, 217, 50, 190, 231, 20, 126, 243, 1,
      77, 215, 4, 10, 155, 93, 113, 88, 198, 240, 191, 97, 193, 229, 91, 191, 201, 179, 236, 142, 149, 162, 98,
      119, 101, 145, 251, 8, 186, 149, 55, 231, 22, 116, 158, 65, 115, 147, 123, 129, 200, 195, 157, 191, 92,
      211, 180, 6, 251, 201, 213, 31, 118, 212, 111, 13, 213, 212, 20, 240, 195, 74, 249, 193, 173, 242, 205,
      154, 173, 186, 132, 120, 170, 127, 45, 25, 101, 32, 94, 72, 27, 179, 127, 134, 146, 116, 208, 95, 39, 247,
      28, 132, 168, 43, 210, 104, 60, 78, 3, 145, 85, 47, 90, 97, 102, 25, 135, 97, 72, 107, 106, 86, 14, 129,
      65, 34, 178, 70, 57, 214, 76, 0, 242, 135, 107, 207, 137, 231, 159, 132, 93, 137, 67, 18, 129, 96, 5, 136,
      219, 75, 112, 224, 131, 93, 218 },
    { 112, 84, 81, 144, 116, 178, 223, 114, 197, 176, 68, 144, 156, 147, 51, 86, 128, 171, 126, 223, 140, 158,
      122, 152, 74, 97, 116, 136, 115, 86, 39, 146, 99, 88, 154, 122 },
    { 69, 93, 157, 235, 49, 151, 137, 97, 158, 189, 113, 172, 185, 104, 113, 173, 121, 184, 162, 143, 83, 170,
      116, 189, 82, 225, 145, 122, 202, 195, 98, 100, 123, 124, 191, 87, 103, 50, 91, 86, 168, 54, 102, 101, 89,
      55, 140, 107, 104, 188, 115, 60, 115, 185 },
    { 0, 33, 138, 8, 67, 137, 52, 116, 145, 186, 137, 181, 243, 112, 200, 216, 48, 193, 231, 13, 121, 245, 0,
      69, 225, 0, 0, 153, 93, 107, 80, 207, 249, 197, 87, 192, 246, 76, 187, 203, 184, 241, 135, 153, 159, 91,
      114, 91, 138, 255, 0, 188, 156, 51, 236, 14, 119, 150, 52, 116, 136, 130, 124, 202, 203, 156, 194, 89,
      217, 178, 0, 255, 215, 213, 18, 126, 210, 105, 7, 212, 218, 3, 242, 199, 70, 255, 191, 179, 245, 206, 160,
      167, 185, 128, 111, 167, 131, 47, 14, 99, 25, 90, 69, 21, 185, 137, 136, 157, 121, 223, 94, 31, 253, 24,
      133, 165, 39, 223, 93, 63, 77, 0, 154, 81, 43, 92, 96, 105, 19, 149, 97, 74, 116, 101, 92, 9, 127, 64, 29,
      183, 69, 61, 220, 77, 0, 248, 135, 108, 212, 142, 244, 157, 135, 94, 132, 48, 0, 128, 80, 1, 138, 224, 80,
      111, 233, 140, 90, 217 },
};
static const uint8_t moved_bytes[9 * 6 * 3] = {
    128, 128, 128, 128, 128, 128, 121, 87, 115, 205, 202, 160, 198, 188, 240, 98, 119, 101, 128, 128, 128,
    128, 128, 128, 183, 241, 206, 205, 202, 160, 180, 6, 251, 201, 213, 31, 128, 128, 128, 210, 104, 60, 78,
    3, 145, 132, 120, 170, 127, 45, 25, 67, 16, 182, 128, 128, 128, 0, 242, 135, 78, 3, 145, 93, 103, 20,
    154, 94, 96, 154, 94, 96, 128, 128, 128, 11, 89, 229, 245, 161, 139, 24, 126, 34, 4, 137, 231, 5, 131,
    63, 41, 211, 32, 11, 89, 229, 175, 28, 98, 230, 168, 13, 75, 199, 129, 131, 93, 218, 36, 42, 110, 70,
    170, 76, 145, 175, 11, 145, 175, 11, 75, 199, 129, 222, 20, 136, 36, 42, 110, 240, 21, 19, 79, 201, 230,
    220, 16, 130, 76, 222, 19, 76, 222, 19, 128, 128, 128, 128, 128, 128, 128, 128, 128, 220, 16, 130, 151,
    133, 177, 27, 40, 14
};

static pn_image pattern(ptrdiff_t h, ptrdiff_t w)
{
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), h, w, 3, &image));
    for (int i = 0; i < h * w * 3; i++) image.pixels[i] = (uint8_t)(i * i * 31 + i * 7 + (i >> 2) * 101);
    return image;
}

START_TEST(resizing_agrees_with_pillow_bit_for_bit)
{
    pn_image a = pattern(7, 5), b;
    assert_works(pn_image_resize(scratch_ctx(), &a, resized[_i].height, resized[_i].width, resized[_i].filter, &b));
    ck_assert_mem_eq(b.pixels, resized_bytes[_i], (size_t)(b.height * b.width * 3));
}
END_TEST

START_TEST(nearest_takes_the_pixel_under_the_middle)
{
    pn_image a, b;
    assert_works(pn_image_new(scratch_ctx(), 4, 8, 1, &a));
    for (int i = 0; i < 32; i++) a.pixels[i] = (uint8_t)i;
    assert_works(pn_image_resize(scratch_ctx(), &a, 1, 2, PN_FILTER_NEAREST, &b));
    ck_assert_int_eq(b.pixels[0], 2 * 8 + 2);
    ck_assert_int_eq(b.pixels[1], 2 * 8 + 6);
}
END_TEST

START_TEST(augmentation_moves_pixels_as_pillow_does)
{
    pn_image a = pattern(9, 6), b = pattern(9, 6);
    const pn_motion m = { .angle = 17.0 * 0.017453292519943295, .dx = 1.3, .dy = -0.7, .scale = 1.1 };
    pn_motion_image(&m, &a, 128, &b);
    ck_assert_mem_eq(b.pixels, moved_bytes, sizeof moved_bytes);
}
END_TEST

/* A white dot on black, and a joint on it: after the motion the joint is still on the dot. */
START_TEST(augmentation_moves_key_points_with_the_picture)
{
    pn_rng rng = pn_rng_make(7, 7);
    for (int round = 0; round < 50; round++) {
        pn_image a, b;
        assert_works(pn_image_new(scratch_ctx(), 128, 64, 3, &a));
        assert_works(pn_image_new(scratch_ctx(), 128, 64, 3, &b));
        const int x = 15 + (int)pn_rng_below(&rng, 30), y = 30 + (int)pn_rng_below(&rng, 60);
        for (int i = -2; i <= 2; i++)
            for (int k = -2; k <= 2; k++) memset(a.pixels + ((y + i) * 64 + x + k) * 3, 255, 3);
        pn_pose pose;
        pn_pose_clear(&pose);
        pose.x[4] = x;
        pose.y[4] = y;
        const pn_motion m = pn_motion_draw(&rng, round % 2 ? PN_AUGMENT_SOURCE : PN_AUGMENT_TARGET);
        ck_assert(fabs(m.angle) <= (round % 2 ? 5.01 : 1.01) * 0.01745330);
        ck_assert(round % 2 ? fabs(m.scale - 1) <= 0.05 : m.scale == 1);
        pn_motion_image(&m, &a, 0, &b);
        const pn_pose moved = pn_motion_pose(&m, &pose, 128, 64);
        ck_assert(!pn_pose_has(&moved, 3));
        ck_assert_int_eq(b.pixels[((int)moved.y[4] * 64 + (int)moved.x[4]) * 3], 255);
        pn_image_free(scratch_ctx(), &a);
        pn_image_free(scratch_ctx(), &b);
    }
}
END_TEST

START_TEST(pixels_become_floats_and_back_by_truncation)
{
    pn_image a;
    assert_works(pn_image_new(scratch_ctx(), 1, 3, 3, &a));
    memcpy(a.pixels, "\0\177\377\1\2\3\4\5\6", 9);
    float v[9];
    pn_image_to_floats(&a, v);
    ck_assert_float_eq(v[0], -1);
    ck_assert_float_eq(v[6], 1);
    ck_assert_float_eq_tol(v[3], (float)(127 / 127.5 - 1), 1e-7f);
    const float back[9] = { -1.5f, NAN, 1.0f, 0.9999f, 0, INFINITY, -INFINITY, -0.999f, 0.5f };
    pn_image_from_floats(back, &a);
    static const uint8_t expected[9] = { 0, 254, 0, 0, 127, 0, 255, 255, 191 };
    ck_assert_mem_eq(a.pixels, expected, 9);
}
END_TEST

START_TEST(a_joint_survives_scaling_onto_minus_one_and_a_missing_one_stays_missing)
{
    pn_pose pose;
    pn_pose_clear(&pose);
    pose.x[3] = -2;
    pose.y[3] = 10;
    const pn_pose half = pn_pose_scale(&pose, 256, 256, 128, 128);
    ck_assert(pn_pose_has(&half, 3));
    ck_assert_double_eq_tol(half.x[3], -1, 1e-9);
    ck_assert(!pn_pose_has(&half, 4));
}
END_TEST

START_TEST(heat_maps_are_gaussians_about_whole_pixels_even_far_outside)
{
    static float maps[18 * 40 * 300];
    pn_pose pose;
    pn_pose_clear(&pose);
    pose.x[0] = 270.9, pose.y[0] = 20.7;
    pose.x[1] = -5, pose.y[1] = 3;
    pose.x[2] = 1e30, pose.y[2] = -1e30;
    pn_pose_heatmaps(&pose, 40, 300, 6, maps);
    for (int y = 0; y < 40; y++)
        for (int x = 0; x < 300; x++) {
            ck_assert_float_eq(maps[y * 300 + x], (float)exp(-((y - 20) * (y - 20) + (x - 270) * (x - 270)) / 72.0));
            ck_assert_float_eq_tol(maps[(40 + y) * 300 + x],
                                   (float)exp(-((y - 3) * (y - 3) + (x + 5) * (x + 5)) / 72.0), 1e-7f);
            ck_assert_float_eq(maps[(80 + y) * 300 + x], 0);
            ck_assert_float_eq(maps[(120 + y) * 300 + x], 0);
        }
}
END_TEST

START_TEST(drawing_far_outside_stays_inside_the_picture)
{
    pn_image a = pattern(20, 20);
    pn_pose pose;
    for (int j = 0; j < PN_JOINTS; j++) pose.x[j] = j % 2 ? 1e300 : -1e300, pose.y[j] = j % 3 ? 1e18 : 5;
    pn_pose_draw(&pose, &a);
    pose.x[0] = pose.y[0] = 10;
    pn_pose_draw(&pose, &a);
    ck_assert_mem_eq(a.pixels + (10 * 20 + 10) * 3, "\377\0\0", 3);
}
END_TEST

static void sum_line(const char *root, char *line)
{
    char *rest = line, kp[900];
    const char *name = pn_field_next(&rest, ','), *size = pn_field_next(&rest, ',');
    pn_pose pose;
    ptrdiff_t grid[2];
    static float maps[18 * 256 * 256];
    const int width = atoi(size + 4);
    snprintf(kp, sizeof kp, "%s/fashion_256x176/fasion-resize-annotation-test.csv:%s", root, name);
    assert_works(pn_pose_read(scratch_ctx(), kp, &pose, grid));
    pose = pn_pose_scale(&pose, 256, 176, 256, width);
    pn_pose_heatmaps(&pose, 256, width, 6, maps);
    for (int j = 0; j < PN_JOINTS; j++) {
        double sum = 0;
        for (int i = 0; i < 256 * width; i++) sum += maps[j * 256 * width + i];
        ck_assert_double_eq_tol(sum, strtod(pn_field_next(&rest, ','), NULL),
                                1e-5); /* the file has six decimals, ours float32 */
    }
}

START_TEST(heat_maps_of_real_key_points_have_the_published_sums)
{
    const char *root = scratch_photographs("heat_maps_of_real_key_points_have_the_published_sums");
    if (!root) return;
    char path[600];
    snprintf(path, sizeof path, "%s/golden_heatmap_sums.csv", root);
    pn_bytes file = scratch_read(path);
    pn_lines lines;
    assert_works(pn_lines_begin(scratch_ctx(), path, &file, &lines));
    int n = 0;
    pn_lines_next(&lines);
    for (char *line; (line = pn_lines_next(&lines)); n++) sum_line(root, line);
    ck_assert_int_eq(n, 8);
}
END_TEST

START_TEST(label_tables_are_found_by_name_or_read_from_a_file)
{
    pn_merge m;
    assert_works(pn_merge_find(scratch_ctx(), "lip20", &m));
    ck_assert_int_eq(m.classes, 8);
    ck_assert_int_eq(m.to[10], 5);
    ck_assert_int_eq(m.to[200], 0);
    assert_works(pn_merge_find(scratch_ctx(), "cihp20", &m));
    ck_assert_int_eq(m.to[10], 6);
    assert_works(pn_merge_find(scratch_ctx(), "pise", &m));
    ck_assert_int_eq(m.to[9], 3);
    assert_works(pn_merge_find(scratch_ctx(), "none20", &m));
    ck_assert_int_eq(m.classes, 20);
    scratch_write("my.txt", "0 1, 2\n1");
    assert_works(pn_merge_find(scratch_ctx(), scratch_path("my.txt"), &m));
    ck_assert_int_eq(m.classes, 3);
    ck_assert_int_eq(m.to[3], 1);
    scratch_write("bad.txt", "0 1 x");
    assert_fails(pn_merge_find(scratch_ctx(), scratch_path("bad.txt"), &m), PN_ERR_FORMAT, "entry 2 is 'x'");
    assert_fails(pn_merge_find(scratch_ctx(), "lip", &m), PN_ERR_ARG, "'lip' is no labelling");
}
END_TEST

/* LIP's and CIHP's differ in label 10 alone: jumpsuits, bare skin. */
START_TEST(twenty_labels_become_all_eight_classes)
{
    pn_merge lip, cihp;
    assert_works(pn_merge_find(scratch_ctx(), "lip20", &lip));
    assert_works(pn_merge_find(scratch_ctx(), "cihp20", &cihp));
    const pn_merge *const both[] = { &lip, &cihp };
    for (int i = 0; i < 2; i++) {
        int count[8] = { 0 };
        for (int label = 0; label < 20; label++) {
            ck_assert_int_lt(both[i]->to[label], 8);
            count[both[i]->to[label]]++;
        }
        for (int k = 0; k < 8; k++) ck_assert_int_gt(count[k], 0);
        ck_assert_int_eq(both[i]->to[0], 0);
    }
    for (int label = 0; label < 20; label++) ck_assert_int_eq(lip.to[label] != cihp.to[label], label == 10);
}
END_TEST

START_TEST(labels_become_one_hot_planes)
{
    pn_merge m;
    assert_works(pn_merge_find(scratch_ctx(), "lip20", &m));
    uint8_t bytes[2] = { 13, 255 };
    float planes[16];
    pn_labels_to_onehot(&(pn_image){ 1, 2, 1, bytes }, &m, planes);
    for (int i = 0; i < 16; i++) ck_assert_float_eq(planes[i], i == 2 * 4 || i == 1 ? 1 : 0);
}
END_TEST

TCase *image_cases(void)
{
    TCase *tc = tcase_create("image");
    tcase_add_loop_test(tc, resizing_agrees_with_pillow_bit_for_bit, 0, 6);
    tcase_add_test(tc, nearest_takes_the_pixel_under_the_middle);
    tcase_add_test(tc, augmentation_moves_pixels_as_pillow_does);
    tcase_add_test(tc, augmentation_moves_key_points_with_the_picture);
    tcase_add_test(tc, pixels_become_floats_and_back_by_truncation);
    tcase_add_test(tc, a_joint_survives_scaling_onto_minus_one_and_a_missing_one_stays_missing);
    tcase_add_test(tc, heat_maps_are_gaussians_about_whole_pixels_even_far_outside);
    tcase_add_test(tc, drawing_far_outside_stays_inside_the_picture);
    tcase_add_test(tc, heat_maps_of_real_key_points_have_the_published_sums);
    tcase_add_test(tc, label_tables_are_found_by_name_or_read_from_a_file);
    tcase_add_test(tc, twenty_labels_become_all_eight_classes);
    tcase_add_test(tc, labels_become_one_hot_planes);
    return tc;
}
