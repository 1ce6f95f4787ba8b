/* tests/io/test_jpeg.c - lib/io/jpeg.c through pn_image_* */
#include "data/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

static pn_image ramp(ptrdiff_t h, ptrdiff_t w)
{
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), h, w, 3, &image));
    for (ptrdiff_t i = 0; i < h * w; i++) {
        image.pixels[3 * i] = (uint8_t)(i / w * 255 / h);
        image.pixels[3 * i + 1] = (uint8_t)(i % w * 255 / w);
        image.pixels[3 * i + 2] = 128;
    }
    return image;
}

/* A JPEG of a given colour space, written with libjpeg itself: every sample is `level`. */
static void write_jpeg(const char *path, J_COLOR_SPACE space, int components, int level, bool progressive)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct j = { .err = jpeg_std_error(&errors) };
    jpeg_create_compress(&j);
    jpeg_stdio_dest(&j, f);
    j.image_height = j.image_width = 16;
    j.input_components = components;
    j.in_color_space = space;
    jpeg_set_defaults(&j);
    if (progressive) jpeg_simple_progression(&j);
    jpeg_start_compress(&j, TRUE);
    uint8_t row[64];
    memset(row, level, sizeof row);
    JSAMPROW line = row;
    while (j.next_scanline < 16) jpeg_write_scanlines(&j, &line, 1);
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    fclose(f);
}

START_TEST(a_smooth_picture_survives_within_a_few_levels)
{
    pn_image a = ramp(33, 47), b;
    assert_works(pn_image_write(scratch_ctx(), scratch_path("a.jpg"), &a));
    assert_works(pn_image_read(scratch_ctx(), scratch_path("a.jpg"), &b));
    ck_assert_int_eq(b.height, 33);
    ck_assert_int_eq(b.width, 47);
    for (int i = 0; i < 33 * 47 * 3; i++) ck_assert_int_le(abs(a.pixels[i] - b.pixels[i]), 6);
}
END_TEST

START_TEST(grey_and_progressive_files_become_rgb)
{
    pn_image b;
    write_jpeg(scratch_path("g.jpg"), JCS_GRAYSCALE, 1, 77, _i == 1);
    assert_works(pn_image_read(scratch_ctx(), scratch_path("g.jpg"), &b));
    ck_assert_int_eq(b.channels, 3);
    for (int i = 0; i < 16 * 16 * 3; i++) ck_assert_int_le(abs(b.pixels[i] - 77), 1);
}
END_TEST

START_TEST(cmyk_is_refused_with_advice)
{
    pn_image b;
    write_jpeg(scratch_path("c.jpg"), JCS_CMYK, 4, 9, false);
    assert_fails(pn_image_read(scratch_ctx(), scratch_path("c.jpg"), &b), PN_ERR_FORMAT,
                 "c.jpg: a JPEG of 4 colour components");
}
END_TEST

START_TEST(a_cut_file_is_an_error_that_names_it)
{
    pn_image a = ramp(64, 64), b;
    assert_works(pn_image_write(scratch_ctx(), scratch_path("a.jpg"), &a));
    pn_bytes file = scratch_read(scratch_path("a.jpg"));
    for (size_t n = 3; n + 2 < file.size; n += 61) {
        scratch_write_bytes("cut.jpg", file.bytes, n);
        assert_fails(pn_image_read(scratch_ctx(), scratch_path("cut.jpg"), &b), PN_ERR_FORMAT,
                     "cut.jpg: not a readable JPEG");
    }
}
END_TEST

START_TEST(other_bytes_are_refused_with_advice)
{
    pn_image b;
    scratch_write("x.jpg", "GIF89a");
    assert_fails(pn_image_read(scratch_ctx(), scratch_path("x.jpg"), &b), PN_ERR_FORMAT, "neither a PNG nor a JPEG");
    assert_fails(pn_image_read(scratch_ctx(), scratch_path("none.jpg"), &b), PN_ERR_IO, "none.jpg");
    pn_image a = ramp(2, 2);
    assert_fails(pn_image_write(scratch_ctx(), scratch_path("a.gif"), &a), PN_ERR_ARG, ".png, .jpg or .jpeg");
}
END_TEST

TCase *jpeg_cases(void)
{
    TCase *tc = tcase_create("jpeg");
    tcase_add_test(tc, a_smooth_picture_survives_within_a_few_levels);
    tcase_add_loop_test(tc, grey_and_progressive_files_become_rgb, 0, 2);
    tcase_add_test(tc, cmyk_is_refused_with_advice);
    tcase_add_test(tc, a_cut_file_is_an_error_that_names_it);
    tcase_add_test(tc, other_bytes_are_refused_with_advice);
    return tc;
}
