/* tests/io/test_png.c - lib/io/png.c through pn_image_* and pn_labels_* */
#include "data/scratch.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

static pn_image picture(ptrdiff_t h, ptrdiff_t w, int channels)
{
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), h, w, channels, &image));
    for (ptrdiff_t i = 0; i < h * w * channels; i++) image.pixels[i] = (uint8_t)(i * 37 + i / 7);
    return image;
}

/* A PNG of any kind, written with libpng itself; samples are packed bits as libpng wants them. */
static void write_png(const char *path, int type, int depth, const uint8_t *row, int width, int rows)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, f);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)rows, depth, type, PNG_INTERLACE_NONE, 0, 0);
    png_color palette[16];
    for (int i = 0; i < 16; i++) palette[i] = (png_color){ (png_byte)(i * 3), (png_byte)(i * 5), (png_byte)(i * 7) };
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, depth < 4 ? 1 << depth : 16);
    png_write_info(png, info);
    for (int y = 0; y < rows; y++) png_write_row(png, row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(f);
}

START_TEST(what_was_written_comes_back)
{
    pn_image a = picture(7, 13, 3), b;
    assert_works(pn_image_write(scratch_ctx(), scratch_path("a.png"), &a));
    assert_works(pn_image_read(scratch_ctx(), scratch_path("a.png"), &b));
    ck_assert_int_eq(b.height, 7);
    ck_assert_int_eq(b.width, 13);
    ck_assert_mem_eq(a.pixels, b.pixels, 7 * 13 * 3);
}
END_TEST

START_TEST(labels_keep_their_indices)
{
    pn_image a = picture(5, 9, 1), b;
    assert_works(pn_labels_write(scratch_ctx(), scratch_path("a.png"), &a));
    assert_works(pn_labels_read(scratch_ctx(), scratch_path("a.png"), &b));
    ck_assert_int_eq(b.channels, 1);
    ck_assert_mem_eq(a.pixels, b.pixels, 45);
}
END_TEST

/* Indices 0, 1, 0, 1, … in the first bits of each row, at each depth a palette can have. */
START_TEST(palette_indices_of_every_depth)
{
    static const uint8_t rows[4][8] = {
        { 0x55 }, { 0x1b, 0x1b }, { 0x0f, 0x1e, 0x2d, 0x3c }, { 1, 2, 3, 4, 5, 6, 7, 8 }
    };
    static const uint8_t expected[4][8] = { { 0, 1, 0, 1, 0, 1, 0, 1 },
                                            { 0, 1, 2, 3, 0, 1, 2, 3 },
                                            { 0, 15, 1, 14, 2, 13, 3, 12 },
                                            { 1, 2, 3, 4, 5, 6, 7, 8 } };
    pn_image b;
    write_png(scratch_path("p.png"), PNG_COLOR_TYPE_PALETTE, 1 << _i, rows[_i], 8, 2);
    assert_works(pn_labels_read(scratch_ctx(), scratch_path("p.png"), &b));
    ck_assert_mem_eq(b.pixels + 8, expected[_i], 8);
    assert_works(pn_image_read(scratch_ctx(), scratch_path("p.png"), &b));
    for (int x = 0; x < 8; x++) ck_assert_int_eq(b.pixels[x * 3 + 2], expected[_i][x] * 7);
}
END_TEST

START_TEST(grey_labels_are_raw_and_grey_pictures_are_tripled)
{
    static const uint8_t row[2] = { 0x01, 0x23 };
    pn_image b;
    write_png(scratch_path("g.png"), PNG_COLOR_TYPE_GRAY, 4, row, 4, 1);
    assert_works(pn_labels_read(scratch_ctx(), scratch_path("g.png"), &b));
    ck_assert_mem_eq(b.pixels, "\0\1\2\3", 4);
    assert_works(pn_image_read(scratch_ctx(), scratch_path("g.png"), &b));
    ck_assert_int_eq(b.channels, 3);
    ck_assert_int_eq(b.pixels[3], 17);
    ck_assert_int_eq(b.pixels[5], 17);
}
END_TEST

START_TEST(alpha_is_dropped_and_16_bits_cut_to_the_high_byte)
{
    static const uint8_t rgba[4] = { 10, 20, 30, 40 }, deep[6] = { 1, 255, 2, 255, 3, 0 };
    pn_image b;
    write_png(scratch_path("a.png"), PNG_COLOR_TYPE_RGB_ALPHA, 8, rgba, 1, 1);
    assert_works(pn_image_read(scratch_ctx(), scratch_path("a.png"), &b));
    ck_assert_mem_eq(b.pixels, rgba, 3);
    write_png(scratch_path("d.png"), PNG_COLOR_TYPE_RGB, 16, deep, 1, 1);
    assert_works(pn_image_read(scratch_ctx(), scratch_path("d.png"), &b));
    ck_assert_mem_eq(b.pixels, "\1\2\3", 3);
}
END_TEST

START_TEST(colours_are_no_labels)
{
    pn_image a = picture(2, 2, 3), b;
    assert_works(pn_image_write(scratch_ctx(), scratch_path("a.png"), &a));
    assert_fails(pn_labels_read(scratch_ctx(), scratch_path("a.png"), &b), PN_ERR_FORMAT, "expected label indices");
}
END_TEST

START_TEST(a_cut_file_is_an_error_that_names_it)
{
    pn_image a = picture(40, 40, 3), b;
    assert_works(pn_image_write(scratch_ctx(), scratch_path("a.png"), &a));
    pn_bytes file = scratch_read(scratch_path("a.png"));
    for (size_t n = 8; n < file.size; n += 97) {
        scratch_write_bytes("cut.png", file.bytes, n);
        assert_fails(pn_image_read(scratch_ctx(), scratch_path("cut.png"), &b), PN_ERR_FORMAT,
                     "cut.png: not a readable PNG");
    }
}
END_TEST

START_TEST(a_picture_beyond_the_limit_is_refused_before_memory_is_taken)
{
    char why[256];
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 1, .limits.image_side = 30 }, why);
    pn_image a = picture(4, 40, 3), b;
    assert_works(pn_image_write(scratch_ctx(), scratch_path("a.png"), &a));
    ck_assert_int_eq(pn_image_read(ctx, scratch_path("a.png"), &b), PN_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(ctx), "4x40"));
    pn_ctx_free(ctx);
}
END_TEST

START_TEST(published_parsing_pngs_have_their_labels)
{
    static const struct { const char *name; int largest; } files[] = {
        { "demo_lip", 19 }, { "demo_atr", 17 }, { "demo_pascal", 6 },
    };
    const char *photographs = scratch_photographs("published_parsing_pngs_have_their_labels");
    if (!photographs) return;
    pn_names names;
    char path[600];
    snprintf(path, sizeof path, "%s/parsing_examples", photographs);
    assert_works(pn_folder_list(scratch_ctx(), path, &names));
    int seen = 0;
    for (size_t i = 0; i < names.count; i++)
        for (size_t k = 0; k < 3; k++) {
            if (!strstr(names.name[i], files[k].name + 5) || !strstr(names.name[i], ".png")) continue;
            pn_image b;
            snprintf(path, sizeof path, "%s/parsing_examples/%s", photographs, names.name[i]);
            assert_works(pn_labels_read(scratch_ctx(), path, &b));
            int largest = 0;
            for (ptrdiff_t p = 0; p < b.height * b.width; p++) largest = b.pixels[p] > largest ? b.pixels[p] : largest;
            ck_assert_int_le(largest, files[k].largest);
            ck_assert_int_ge(largest, 4);
            seen++;
        }
    ck_assert_int_eq(seen, 3);
}
END_TEST

TCase *png_cases(void)
{
    TCase *tc = tcase_create("png");
    tcase_add_test(tc, what_was_written_comes_back);
    tcase_add_test(tc, labels_keep_their_indices);
    tcase_add_loop_test(tc, palette_indices_of_every_depth, 0, 4);
    tcase_add_test(tc, grey_labels_are_raw_and_grey_pictures_are_tripled);
    tcase_add_test(tc, alpha_is_dropped_and_16_bits_cut_to_the_high_byte);
    tcase_add_test(tc, colours_are_no_labels);
    tcase_add_test(tc, a_cut_file_is_an_error_that_names_it);
    tcase_add_test(tc, a_picture_beyond_the_limit_is_refused_before_memory_is_taken);
    tcase_add_test(tc, published_parsing_pngs_have_their_labels);
    return tc;
}
