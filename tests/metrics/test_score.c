/* tests/metrics/test_score.c - scores of pairs against scikit-image's on real photographs, masks, whole lists */
#include "data/scratch.h"
#include "posenet/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The golden numbers carry nine digits; another JPEG decoder may differ in the fourth, ours is the one they were
 * made with. */
static const double DIGITS = 2e-8;

static pn_image picture(ptrdiff_t h, ptrdiff_t w, unsigned seed)
{
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), h, w, 3, &image));
    pn_rng rng = pn_rng_make(seed, 1);
    for (ptrdiff_t i = 0; i < h * w * 3; i++) image.pixels[i] = (uint8_t)(pn_rng_u32(&rng) % 200 + 20);
    return image;
}

/* The definition, window by window: 2 r + 1 on a side, weights along each axis. */
static double plain_ssim(const pn_image *a, const pn_image *b, int r, const double *weight, double factor, double scale,
                         double range)
{
    const double c1 = 0.01 * range * 0.01 * range, c2 = 0.03 * range * 0.03 * range;
    double total = 0;
    long windows = 0;
    for (int c = 0; c < 3; c++)
        for (ptrdiff_t y = r; y < a->height - r; y++)
            for (ptrdiff_t x = r; x < a->width - r; x++, windows++) {
                double ux = 0, uy = 0, xx = 0, yy = 0, xy = 0;
                for (int i = -r; i <= r; i++)
                    for (int j = -r; j <= r; j++) {
                        const ptrdiff_t at = ((y + i) * a->width + x + j) * 3 + c;
                        const double k = weight[i + r] * weight[j + r], p = a->pixels[at] * scale,
                                     q = b->pixels[at] * scale;
                        ux += k * p;
                        uy += k * q;
                        xx += k * p * p;
                        yy += k * q * q;
                        xy += k * p * q;
                    }
                const double vx = factor * (xx - ux * ux), vy = factor * (yy - uy * uy), vxy = factor * (xy - ux * uy);
                total += (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux * ux + uy * uy + c1) * (vx + vy + c2));
            }
    return total / (double)windows;
}

START_TEST(both_ssim_agree_with_their_definition)
{
    pn_image a = picture(57, 54, 1), b = picture(57, 54, 2);
    for (int i = 0; i < 57 * 54 * 3; i++) b.pixels[i] = (uint8_t)((a.pixels[i] + b.pixels[i]) / 2);
    pn_scores s;
    assert_works(pn_score(scratch_ctx(), &a, &b, &s));
    double weight[51], sum = 0;
    for (int i = 0; i < 51; i++) weight[i] = 1.0 / 51;
    ck_assert_double_eq_tol(s.ssim, plain_ssim(&a, &b, 25, weight, 2601.0 / 2600.0, 1 / 255.0, 1), 1e-11);
    for (int i = 0; i < 11; i++) sum += weight[i] = exp(-0.5 * (i - 5) * (i - 5) / 2.25);
    for (int i = 0; i < 11; i++) weight[i] /= sum;
    int low = 255, high = 0;
    for (int i = 0; i < 57 * 54 * 3; i++) {
        low = a.pixels[i] < low ? a.pixels[i] : low;
        high = a.pixels[i] > high ? a.pixels[i] : high;
    }
    ck_assert_double_eq_tol(s.ssim_256, plain_ssim(&a, &b, 5, weight, 1, 1, high - low), 1e-11);
}
END_TEST

START_TEST(simple_cases_have_the_values_one_expects)
{
    pn_image a = picture(60, 60, 1), b = picture(60, 60, 1);
    pn_scores s;
    assert_works(pn_score(scratch_ctx(), &a, &b, &s));
    ck_assert_double_eq(s.l1, 0);
    ck_assert(isinf(s.psnr));
    ck_assert_double_eq_tol(s.ssim, 1, 1e-12);
    ck_assert_double_eq_tol(s.ssim_256, 1, 1e-12);
    memset(a.pixels, 51, 60 * 60 * 3);
    memset(b.pixels, 102, 60 * 60 * 3);
    assert_works(pn_score(scratch_ctx(), &a, &b, &s));
    ck_assert_double_eq_tol(s.l1, 0.2, 1e-12);
    ck_assert_double_eq_tol(s.mae, 1.0 / 3, 1e-12);
    ck_assert_double_eq_tol(s.psnr, 10 * log10(25), 1e-12);
    ck_assert(isnan(s.ssim_256));                       /* a constant picture has no range */
    memset(a.pixels, 0, 60 * 60 * 3);
    memset(b.pixels, 0, 60 * 60 * 3);
    assert_works(pn_score(scratch_ctx(), &a, &b, &s));
    ck_assert(isnan(s.mae));
}
END_TEST

START_TEST(small_pictures_have_no_ssim_and_sizes_must_agree)
{
    pn_image a = picture(50, 64, 1), b = picture(50, 64, 2), c = picture(64, 50, 2), d = picture(9, 9, 2);
    pn_scores s;
    assert_works(pn_score(scratch_ctx(), &a, &b, &s));
    ck_assert(isnan(s.ssim));
    ck_assert(isfinite(s.ssim_256));
    assert_works(pn_score(scratch_ctx(), &d, &d, &s));
    ck_assert(isnan(s.ssim_256));
    assert_fails(pn_score(scratch_ctx(), &a, &c, &s), PN_ERR_SHAPE, "50x64x3 and 64x50x3");
}
END_TEST

/* ---- Against scikit-image, on photographs ----------------------------------------------------------------------- */

static pn_image read_photograph(const char *root, const char *set, const char *name)
{
    char path[700];
    pn_image image;
    snprintf(path, sizeof path, "%s/%s/test/%s", root, set, name);
    assert_works(pn_image_read(scratch_ctx(), path, &image));
    return image;
}

/* 40 white columns on each side */
static pn_image padded(const pn_image *a)
{
    pn_image out;
    assert_works(pn_image_new(scratch_ctx(), a->height, a->width + 80, 3, &out));
    memset(out.pixels, 255, (size_t)(out.height * out.width * 3));
    for (ptrdiff_t y = 0; y < a->height; y++)
        memcpy(out.pixels + (y * out.width + 40) * 3, a->pixels + y * a->width * 3, (size_t)a->width * 3);
    return out;
}

static void keep_masked(pn_image *a, const pn_image *mask)
{
    for (ptrdiff_t i = 0; i < a->height * a->width * 3; i++)
        if (!mask->pixels[i / 3]) a->pixels[i] = 0;
}

static pn_image mask_of(const char *root, const char *target)
{
    char kp[900];
    pn_pose pose;
    ptrdiff_t grid[2];
    pn_image mask;
    snprintf(kp, sizeof kp, "%s/market_128x64/market-annotation-test.csv:%s", root, target);
    assert_works(pn_pose_read(scratch_ctx(), kp, &pose, grid));
    assert_works(pn_image_new(scratch_ctx(), 128, 64, 1, &mask));
    pn_pose_mask(&pose, &mask);
    return mask;
}

static void compare(const char *line, int column, double expected, double found)
{
    if (isnan(expected) && isnan(found)) return;
    if (!(fabs(expected - found) <= DIGITS * (1 + fabs(expected))))
        ck_abort_msg("%s: %s is %.10g, expected %.10g", line, pn_score_name(column), found, expected);
}

static void check_line(const char *root, char *line)
{
    char whole[512], *field[8], *rest = line;
    snprintf(whole, sizeof whole, "%s", line);
    for (int i = 0; i < 8; i++) ck_assert_ptr_nonnull(field[i] = pn_field_next(&rest, ','));
    const char *set = strncmp(field[0], "128", 3) == 0 ? "market_128x64" : "fashion_256x176";
    pn_image a = read_photograph(root, set, field[1]), b = read_photograph(root, set, field[2]);
    if (strstr(field[0], "repadded")) {
        a = padded(&a);
        b = padded(&b);
    }
    if (strstr(field[0], "masked")) {
        const pn_image mask = mask_of(root, field[2]);
        keep_masked(&a, &mask);
        keep_masked(&b, &mask);
    }
    pn_scores s;
    assert_works(pn_score(scratch_ctx(), &a, &b, &s));
    static const int order[] = { 1, 0, 2, 3, 4 };       /* the file's columns: psnr, l1, mae, ssim, ssim_256 */
    for (int i = 0; i < 5; i++) compare(whole, order[i], strtod(field[3 + i], NULL), pn_score_at(&s, order[i]));
}

START_TEST(photographs_score_as_scikit_image_scores_them)
{
    const char *root = scratch_photographs("photographs_score_as_scikit_image_scores_them");
    if (!root) return;
    char path[600];
    snprintf(path, sizeof path, "%s/golden_metrics.csv", root);
    pn_bytes file = scratch_read(path);
    pn_lines lines;
    assert_works(pn_lines_begin(scratch_ctx(), path, &file, &lines));
    int n = 0;
    pn_lines_next(&lines);
    for (char *line; (line = pn_lines_next(&lines)); n++) check_line(root, line);
    ck_assert_int_ge(n, 40);
}
END_TEST

START_TEST(market_masks_have_the_counted_pixels)
{
    const char *root = scratch_photographs("market_masks_have_the_counted_pixels");
    if (!root) return;
    char path[600];
    snprintf(path, sizeof path, "%s/golden_mask_pixels.csv", root);
    pn_bytes file = scratch_read(path);
    pn_lines lines;
    assert_works(pn_lines_begin(scratch_ctx(), path, &file, &lines));
    pn_lines_next(&lines);
    for (char *line; (line = pn_lines_next(&lines));) {
        char *rest = line;
        const char *name = pn_field_next(&rest, ',');
        const pn_image mask = mask_of(root, name);
        int pixels = 0;
        for (int i = 0; i < 128 * 64; i++) pixels += mask.pixels[i];
        ck_assert_int_eq(pixels, atoi(rest));
    }
}
END_TEST

/* ---- Whole lists ------------------------------------------------------------------------------------------------ */

static pn_dataset *two_people(void)
{
    static const char row[] =
        ":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]:[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]\n";
    char text[600], folder[512];
    for (unsigned i = 0; i < 2; i++) {
        const pn_image image = picture(60, 56, i + 1);
        snprintf(text, sizeof text, "set/test/p%u.png", i);
        assert_works(pn_image_write(scratch_ctx(), scratch_path(text), &image));
    }
    snprintf(text, sizeof text, "name:keypoints_y:keypoints_x\np0.png%sp1.png%s", row, row);
    scratch_write("set/fasion-annotation-test.csv", text);
    scratch_write("set/fasion-pairs-test.csv", "from,to\np0.png,p1.png\np1.png,p0.png\n");
    snprintf(folder, sizeof folder, "%s", scratch_path("set"));
    pn_dataset *d = pn_dataset_open(scratch_ctx(), folder, "test", NULL);
    if (!d) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return d;
}

START_TEST(a_list_is_scored_beside_its_baseline_and_missing_pictures_are_counted)
{
    pn_dataset *d = two_people();
    pn_image truth;
    assert_works(pn_image_read(scratch_ctx(), scratch_path("set/test/p1.png"), &truth));
    assert_works(pn_image_write(scratch_ctx(), scratch_path("out/p0_2_p1_vis.png"), &truth));
    char folder[512];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    pn_evaluation *e = pn_evaluation_new(d, folder, "native");
    assert_works(pn_evaluation_run(e, 0, 2));
    const pn_summary s = pn_evaluation_summary(e);
    ck_assert_int_eq((int)s.scored, 1);
    ck_assert_int_eq((int)s.missing, 1);
    ck_assert_ptr_nonnull(strstr(s.first_missing, "p1_2_p0_vis"));
    ck_assert_int_eq((int)s.height, 60);
    ck_assert_double_eq_tol(s.generated.ssim, 1, 1e-12);
    ck_assert_int_eq((int)s.generated_finite[1], 0);    /* a perfect picture has no finite PSNR */
    ck_assert(isnan(s.generated.psnr));
    ck_assert(s.copy.ssim < 0.9);
    ck_assert_int_eq((int)s.parsed, 0);                 /* without label maps there are no parts */
    assert_works(pn_evaluation_write(e, scratch_path("score.json")));
    const pn_bytes json = scratch_read(scratch_path("score.json"));
    ck_assert_ptr_nonnull(strstr((const char *)json.bytes, "\"protocol\":\t\"native\""));
    ck_assert_ptr_nonnull(strstr((const char *)json.bytes, "\"psnr\":\tnull"));
    ck_assert_ptr_null(strstr((const char *)json.bytes, "parts"));
    pn_evaluation_free(e);
    ck_assert_ptr_null(pn_evaluation_new(d, folder, "nativ"));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "no protocol 'nativ'"));
    scratch_write("out/p1_2_p0_vis.jpg", "no picture");
    e = pn_evaluation_new(d, folder, "native");
    assert_fails(pn_evaluation_run(e, 0, 2), PN_ERR_FORMAT, "p1_2_p0_vis.jpg: neither");
    pn_evaluation_free(e);
    pn_dataset_free(d);
}
END_TEST

/* What was made is the truth by one filter; by the other it is not. */
START_TEST(a_protocol_says_which_filter_stretches_the_truth)
{
    static const struct { const char *name, *filter; double least, most; } protocols[] = {
        { "native", "triangle (antialiased bilinear)", 1e-3, 0.1 }, { "native-cubic", "cubic (antialiased)", 0, 0 },
    };
    pn_dataset *d = two_people();
    pn_image truth, half;
    assert_works(pn_image_read(scratch_ctx(), scratch_path("set/test/p1.png"), &truth));
    assert_works(pn_image_resize(scratch_ctx(), &truth, 30, 26, PN_FILTER_CUBIC, &half));
    assert_works(pn_image_write(scratch_ctx(), scratch_path("out/p0_2_p1_vis.png"), &half));
    for (int i = 0; i < 2; i++) {
        pn_evaluation *e = pn_evaluation_new(d, scratch_path("out"), protocols[i].name);
        assert_works(pn_evaluation_run(e, 0, 2));
        const pn_summary s = pn_evaluation_summary(e);
        ck_assert_str_eq(s.protocol, protocols[i].name);
        ck_assert_str_eq(s.filter, protocols[i].filter);
        ck_assert(s.generated.l1 >= protocols[i].least && s.generated.l1 <= protocols[i].most);
        pn_evaluation_free(e);
    }
    pn_image_free(scratch_ctx(), &truth);
    pn_image_free(scratch_ctx(), &half);
    pn_dataset_free(d);
}
END_TEST

/* Four views of one object, each of one grey: copying the source is off by their difference. */
START_TEST(views_are_scored_beside_their_sources)
{
    char text[64], folder[512], set[512];
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), 60, 52, 3, &image));
    for (int a = 0; a < 4; a++) {
        snprintf(text, sizeof text, "set/data_car/m_%d_0.png", 2 * a);
        memset(image.pixels, 50 + 10 * a, 60 * 52 * 3);
        assert_works(pn_image_write(scratch_ctx(), scratch_path(text), &image));
    }
    scratch_write("set/id_car_test.txt", "m_0_0\nm_2_0\nm_4_0\nm_6_0\n");
    scratch_write("turns.csv", "from,to\nm_2_0,m_6_0\nm_0_0,m_4_0\n");
    assert_works(pn_image_write(scratch_ctx(), scratch_path("out/m_2_0_2_m_6_0_vis.png"), &image));    /* the truth */
    memset(image.pixels, 75, 60 * 52 * 3);
    assert_works(pn_image_write(scratch_ctx(), scratch_path("out/m_0_0_2_m_4_0_vis.png"), &image));
    pn_image_free(scratch_ctx(), &image);
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    snprintf(set, sizeof set, "%s", scratch_path("set"));
    pn_views *v = pn_views_open(scratch_ctx(), set, "test");
    ck_assert_ptr_nonnull(v);
    pn_evaluation *e = pn_evaluation_of_views(v, scratch_path("turns.csv"), folder, "native");
    if (!e) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    ck_assert_int_eq((int)pn_evaluation_pairs(e), 2);
    assert_works(pn_evaluation_run(e, 0, 2));
    const pn_summary s = pn_evaluation_summary(e);
    ck_assert(s.scored == 2 && s.missing == 0 && s.parsed == 0);
    ck_assert_double_eq_tol(s.generated.l1, 2.5 / 255, 1e-9);           /* 0 and 5 */
    ck_assert_double_eq_tol(s.copy.l1, 20.0 / 255, 1e-9);
    ck_assert_str_eq(pn_evaluation_pair(e, 0)->to, "m_6_0");
    ck_assert_ptr_null(pn_evaluation_pair(e, 0)->pair);
    pn_evaluation_free(e);
    ck_assert_ptr_null(pn_evaluation_of_views(v, NULL, scratch_path("nowhere"), "native"));
    pn_views_free(v);
}
END_TEST

/* A frame whose left quarter is its person: there it is off by 20, the reference by 50; elsewhere by 4, and not at all. */
START_TEST(a_dance_with_masks_is_scored_on_its_person)
{
    enum { LARGE = 60, WIDE = 52, PERSON = 13 };
    static const struct { const char *path; int person, around; } pictures[] = {
        { "set/train_A/a/0.png", 50, 200 }, { "set/train_A/a/1.png", 100, 200 }, { "set/train_C/a/1.png", 255, 0 },
        { "out/a/frame_000001.png", 120, 204 },
    };
    char folder[512], set[512];
    pn_image image;
    for (int i = 0; i < 4; i++) {
        const int channels = i == 2 ? 1 : 3;
        assert_works(pn_image_new(scratch_ctx(), LARGE, WIDE, channels, &image));
        for (int k = 0; k < LARGE * WIDE * channels; k++)
            image.pixels[k] = (uint8_t)(k / channels % WIDE < PERSON ? pictures[i].person : pictures[i].around);
        scratch_write(pictures[i].path, "");
        assert_works(pn_image_write(scratch_ctx(), scratch_path(pictures[i].path), &image));
        pn_image_free(scratch_ctx(), &image);
    }
    scratch_write("set/list.csv", "A_paths,B_paths_noise,B_paths_clean\n\"{'ref': ['data/train_A/a/0.png'], 'gen': ['data/train_A/a/1.png']}\","
                                  "\"{'ref': ['data/n/a/0.json'], 'gen': ['data/n/a/1.json']}\",\"{'ref': ['data/c/a/0.json'], 'gen': ['data/c/a/1.json']}\"\n");
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    snprintf(set, sizeof set, "%s", scratch_path("set"));
    pn_clip_list *l = pn_clip_list_open(scratch_ctx(), scratch_path("set/list.csv"), set);
    if (!l) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    pn_evaluation *e = pn_evaluation_of_clips(scratch_ctx(), l, folder, "native");
    assert_works(pn_evaluation_run(e, 0, 1));
    const pn_summary s = pn_evaluation_summary(e);
    const pn_part_summary *person = &s.part[PN_PART_PERSON];
    ck_assert_msg(s.scored == 1, "%s", s.first_missing);
    ck_assert(s.parsed == 1 && person->pairs == 1 && s.part[PN_PART_OCCLUDED].pairs == 0);
    ck_assert_str_eq(s.labelling, "masks");
    ck_assert_double_eq_tol(person->of_pictures, 0.25, 1e-12);
    ck_assert_double_eq_tol(person->generated.l1, 20.0 / 255, 1e-9);
    ck_assert_double_eq_tol(person->copy.l1, 50.0 / 255, 1e-9);
    ck_assert_double_eq_tol(s.generated.l1, 8.0 / 255, 1e-9);
    pn_evaluation_free(e);
    pn_clip_list_free(l);
}
END_TEST

/* Two clips whose frames are of one grey: 50, 60, 70 and 100, 120. */
START_TEST(frames_are_scored_beside_their_clips_reference)
{
    static const struct { const char *path; int grey; } frames[] = {
        { "set/test_data/a/0.png", 50 }, { "set/test_data/a/1.png", 60 }, { "set/test_data/a/2.png", 70 },
        { "set/test_data/b/0.png", 100 }, { "set/test_data/b/1.png", 120 },
        { "out/a/frame_000001.png", 65 }, { "out/b/frame_000001.jpg", 119 },            /* another is missing */
    };
    char folder[512], set[512];
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), 60, 52, 3, &image));
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        memset(image.pixels, frames[i].grey, 60 * 52 * 3);
        scratch_write(frames[i].path, "");              /* makes its folder */
        assert_works(pn_image_write(scratch_ctx(), scratch_path(frames[i].path), &image));
        if (i > 4) continue;
        char marks[64];
        snprintf(marks, sizeof marks, "set/test_keypoints/%c/%c.txt", frames[i].path[14], frames[i].path[16]);
        scratch_write(marks, "");
    }
    pn_image_free(scratch_ctx(), &image);
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    snprintf(set, sizeof set, "%s", scratch_path("set"));
    pn_clip_list *l = pn_clip_list_of_split(scratch_ctx(), set, "test", PN_CLIPS_FACE);
    if (!l) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    pn_evaluation *e = pn_evaluation_of_clips(scratch_ctx(), l, folder, "native");
    if (!e) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    assert_works(pn_evaluation_run(e, 0, pn_evaluation_pairs(e)));
    const pn_summary s = pn_evaluation_summary(e);
    ck_assert(s.pairs == 3 && s.scored == 2 && s.missing == 1 && s.png == 1 && s.jpg == 1);
    ck_assert_ptr_nonnull(strstr(s.first_missing, "out/a/frame_000002"));
    ck_assert_int_eq(pn_evaluation_clips(e), 2);
    const pn_clip_scored a = pn_evaluation_clip(e, 0), b = pn_evaluation_clip(e, 1);
    ck_assert_str_eq(a.name, "a");
    ck_assert(a.frames == 2 && a.scored == 1 && a.first_missing == 2 && b.frames == 1 && b.scored == 1 && b.first_missing == 0);
    ck_assert_double_eq_tol(a.generated.l1, 5.0 / 255, 1e-9);
    ck_assert_double_eq_tol(a.copy.l1, 10.0 / 255, 1e-9);
    ck_assert_double_eq_tol(b.generated.l1, 1.0 / 255, 1e-9);
    ck_assert_double_eq_tol(b.copy.l1, 20.0 / 255, 1e-9);
    ck_assert_double_eq_tol(s.copy.l1, 15.0 / 255, 1e-9);               /* of frames, not of clips */
    pn_evaluation_free(e);
    remove(scratch_path("set/test_data/b/1.png"));
    ck_assert_ptr_null(pn_evaluation_of_clips(scratch_ctx(), l, folder, "native"));
    assert_fails(pn_ctx_status(scratch_ctx()), PN_ERR_FORMAT, "set/test_data/b/1.png is not there; take the row out, or add its clip");
    pn_clip_list_free(l);
}
END_TEST

TCase *score_cases(void)
{
    TCase *tc = tcase_create("score");
    tcase_add_test(tc, both_ssim_agree_with_their_definition);
    tcase_add_test(tc, simple_cases_have_the_values_one_expects);
    tcase_add_test(tc, small_pictures_have_no_ssim_and_sizes_must_agree);
    tcase_add_test(tc, photographs_score_as_scikit_image_scores_them);
    tcase_add_test(tc, market_masks_have_the_counted_pixels);
    tcase_add_test(tc, a_protocol_says_which_filter_stretches_the_truth);
    tcase_add_test(tc, views_are_scored_beside_their_sources);
    tcase_add_test(tc, a_dance_with_masks_is_scored_on_its_person);
    tcase_add_test(tc, frames_are_scored_beside_their_clips_reference);
    tcase_add_test(tc, a_list_is_scored_beside_its_baseline_and_missing_pictures_are_counted);
    return tc;
}
