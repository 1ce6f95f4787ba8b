/* tests/metrics/test_part.c - scores of parts of a picture, and which parts a source does not show */
#include "data/scratch.h"
#include "posenet/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { H = 19, W = 23 };

static pn_image random_image(ptrdiff_t h, ptrdiff_t w, int channels, unsigned seed)
{
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), h, w, channels, &image));
    pn_rng rng = pn_rng_make(seed, 1);
    for (ptrdiff_t i = 0; i < h * w * channels; i++) image.pixels[i] = (uint8_t)(pn_rng_u32(&rng) % 256);
    return image;
}

/* The neighbour of a place on a line that is mirrored at its ends, step by step. */
static ptrdiff_t walked(ptrdiff_t at, int steps, ptrdiff_t n)
{
    int way = steps < 0 ? -1 : 1;
    for (int i = 0; i < steps * (steps < 0 ? -1 : 1); i++) {
        if (at + way >= 0 && at + way < n) at += way;
        else way = -way;
    }
    return at;
}

/* S at one pixel by its definition. */
static double plain_ssim(const pn_image *a, const pn_image *b, ptrdiff_t y, ptrdiff_t x)
{
    double weight[11], sum = 0, s = 0;
    for (int i = 0; i < 11; i++) sum += weight[i] = exp(-0.5 * (i - 5) * (i - 5) / 2.25);
    for (int c = 0; c < 3; c++) {
        double ux = 0, uy = 0, xx = 0, yy = 0, xy = 0;
        for (int i = -5; i <= 5; i++)
            for (int j = -5; j <= 5; j++) {
                const ptrdiff_t at = 3 * (walked(y, i, a->height) * a->width + walked(x, j, a->width)) + c;
                const double k = weight[i + 5] * weight[j + 5] / (sum * sum), p = a->pixels[at], q = b->pixels[at];
                ux += k * p;
                uy += k * q;
                xx += k * p * p;
                yy += k * q * q;
                xy += k * p * q;
            }
        const double c1 = 2.55 * 2.55, c2 = 7.65 * 7.65, vx = xx - ux * ux, vy = yy - uy * uy, vxy = xy - ux * uy;
        s += (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux * ux + uy * uy + c1) * (vx + vy + c2)) / 3;
    }
    return s;
}

static pn_part_scores plain_part(const pn_image *a, const pn_image *b, const pn_image *parts, int bit)
{
    pn_part_scores s = { 0, 0, 0, 0 };
    double square = 0;
    for (ptrdiff_t i = 0; i < a->height * a->width; i++) {
        if (!(parts->pixels[i] & 1 << bit)) continue;
        for (int c = 0; c < 3; c++) {
            const double d = (a->pixels[3 * i + c] - b->pixels[3 * i + c]) / 255.0;
            s.l1 += fabs(d);
            square += d * d;
        }
        s.ssim += plain_ssim(a, b, i / a->width, i % a->width);
        s.pixels++;
    }
    const double n = (double)s.pixels;
    return (pn_part_scores){ s.l1 / (3 * n), -10 * log10(square / (3 * n)), s.ssim / n, s.pixels };
}

/* Narrower than the window, where mirrors are seen in mirrors; and wider. */
START_TEST(parts_are_scored_by_their_definition)
{
    const ptrdiff_t h = _i ? H : 3, w = _i ? W : 4;
    pn_image a = random_image(h, w, 3, 1), b = random_image(h, w, 3, 2), parts = random_image(h, w, 1, 3);
    for (ptrdiff_t i = 0; i < h * w * 3; i++) b.pixels[i] = (uint8_t)((3 * a.pixels[i] + b.pixels[i]) / 4);
    pn_part_scores s[3];
    assert_works(pn_score_parts(scratch_ctx(), &a, &b, &parts, 3, s));
    for (int i = 0; i < 3; i++) {
        const pn_part_scores plain = plain_part(&a, &b, &parts, i);
        ck_assert_int_eq((int)s[i].pixels, (int)plain.pixels);
        for (int k = 0; k < PN_PART_SCORES; k++)
            ck_assert_double_eq_tol(pn_part_score_at(&s[i], k), pn_part_score_at(&plain, k), 1e-10);
    }
}
END_TEST

START_TEST(an_empty_part_has_no_score_and_a_perfect_one_no_finite_psnr)
{
    pn_image a = random_image(H, W, 3, 1), parts = random_image(H, W, 1, 3);
    for (int i = 0; i < H * W; i++) parts.pixels[i] = 2;
    pn_part_scores s[2];
    assert_works(pn_score_parts(scratch_ctx(), &a, &a, &parts, 2, s));
    ck_assert(s[0].pixels == 0 && isnan(s[0].l1) && isnan(s[0].psnr) && isnan(s[0].ssim));
    ck_assert(s[1].pixels == H * W && s[1].l1 == 0 && isinf(s[1].psnr));
    ck_assert_double_eq_tol(s[1].ssim, 1, 1e-12);
}
END_TEST

START_TEST(a_class_is_occluded_where_no_fourth_pixel_of_the_source_has_it)
{
    pn_image source, target, parts;
    pn_image *const all[] = { &source, &target, &parts };
    for (int i = 0; i < 3; i++) assert_works(pn_image_new(scratch_ctx(), 8, 11, 1, all[i]));
    source.pixels[2 * 11 + 2] = 1;                      /* seen */
    source.pixels[6 * 11 + 10] = 2;                     /* the last one looked at */
    source.pixels[3 * 11 + 2] = source.pixels[2 * 11 + 3] = source.pixels[0] = 3;       /* there, and looked past */
    for (int i = 0; i < 5; i++) target.pixels[20 + i] = (uint8_t)i;
    parts.pixels[0] = 0xff;
    assert_works(pn_parts_of(scratch_ctx(), &source, &target, &parts));
    enum { PERSON = 1 << PN_PART_PERSON, HIDDEN = 1 << PN_PART_OCCLUDED };
    static const uint8_t expected[] = { 0, PERSON, PERSON, PERSON | HIDDEN, PERSON | HIDDEN };
    ck_assert_mem_eq(parts.pixels + 20, expected, 5);
    ck_assert_int_eq(parts.pixels[0], 0);
}
END_TEST

START_TEST(pictures_and_parts_must_have_one_size)
{
    pn_image a = random_image(H, W, 3, 1), b = random_image(H, W + 1, 3, 1), parts = random_image(H, W, 1, 3);
    pn_part_scores s[9];
    assert_fails(pn_score_parts(scratch_ctx(), &a, &b, &parts, 1, s), PN_ERR_SHAPE, "19x23x3 and 19x24x3 and parts of 19x23x1");
    assert_fails(pn_score_parts(scratch_ctx(), &b, &b, &parts, 1, s), PN_ERR_SHAPE, "expected one size");
    assert_fails(pn_score_parts(scratch_ctx(), &a, &a, &parts, 9, s), PN_ERR_ARG, "9 parts, expected 1 to 8");
    assert_fails(pn_parts_of(scratch_ctx(), &parts, &a, &parts), PN_ERR_SHAPE, "classes of 19x23x1 and 19x23x3");
}
END_TEST

/* ---- Whole lists ------------------------------------------------------------------------------------------------ */

enum { SIDE = 64 };

/* Person i shows class 5 in the upper half; only person 1 shows class 1, below. Person 2 has no label map. */
static void write_person(int i, char *row)
{
    static const char joints[] = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]";
    char path[64];
    const pn_image image = random_image(SIDE, SIDE, 3, (unsigned)i + 1);
    pn_image labels;
    snprintf(path, sizeof path, "set/test/p%d.png", i);
    assert_works(pn_image_write(scratch_ctx(), scratch_path(path), &image));
    sprintf(row, "p%d.png:%s:%s\n", i, joints, joints);
    if (i == 2) return;
    assert_works(pn_image_new(scratch_ctx(), SIDE, SIDE, 1, &labels));
    for (int y = 8; y < (i ? 56 : 32); y++) memset(labels.pixels + y * SIDE + 16, y < 32 ? 5 : 9, 32);
    snprintf(path, sizeof path, "set/test_lip20/p%d.png", i);
    assert_works(pn_labels_write(scratch_ctx(), scratch_path(path), &labels));
}

static pn_dataset *three_people(const char *pairs)
{
    char text[600] = "name:keypoints_y:keypoints_x\n", folder[512];
    for (int i = 0; i < 3; i++) write_person(i, text + strlen(text));
    scratch_write("set/fasion-annotation-test.csv", text);
    scratch_write("set/fasion-pairs-test.csv", pairs);
    snprintf(folder, sizeof folder, "%s", scratch_path("set"));
    pn_dataset *d = pn_dataset_open(scratch_ctx(), folder, "test", NULL);
    if (!d) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return d;
}

/* The target, brighter or darker by `step` in the lower half. */
static void generate(const char *name, int target, int step)
{
    char path[64];
    pn_image made;
    snprintf(path, sizeof path, "set/test/p%d.png", target);
    assert_works(pn_image_read(scratch_ctx(), scratch_path(path), &made));
    for (int i = 3 * SIDE * SIDE / 2; i < 3 * SIDE * SIDE; i++)
        made.pixels[i] = (uint8_t)(made.pixels[i] + (made.pixels[i] > 127 ? -step : step));
    assert_works(pn_image_write(scratch_ctx(), scratch_path(name), &made));
}

START_TEST(a_list_is_scored_on_the_person_and_where_the_source_shows_nothing)
{
    pn_dataset *d = three_people("from,to\np0.png,p1.png\np1.png,p0.png\np2.png,p1.png\n");
    generate("out/p0_2_p1_vis.png", 1, 51);
    generate("out/p1_2_p0_vis.png", 0, 51);
    generate("out/p2_2_p1_vis.png", 1, 51);
    char folder[512];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    pn_evaluation *e = pn_evaluation_new(d, folder, "native");
    assert_works(pn_evaluation_run(e, 0, 3));
    const pn_summary s = pn_evaluation_summary(e);
    ck_assert_int_eq((int)s.scored, 3);
    ck_assert_int_eq((int)s.parsed, 2);
    const pn_part_summary *person = &s.part[PN_PART_PERSON], *hidden = &s.part[PN_PART_OCCLUDED];
    ck_assert_int_eq((int)person->pairs, 2);
    ck_assert_int_eq((int)hidden->pairs, 1);            /* the legs of p1, which p0 does not show */
    ck_assert_int_eq((int)hidden->generated.pixels, 24 * 32);
    ck_assert_int_eq((int)person->generated.pixels, (24 + 48) * 32);
    ck_assert_double_eq_tol(hidden->of_pictures, 24 * 32 / (2.0 * SIDE * SIDE), 1e-12);
    ck_assert_double_eq_tol(hidden->of_persons, 1 / 3.0, 1e-12);
    ck_assert_double_eq_tol(hidden->generated.l1, 0.2, 1e-12);
    ck_assert_double_eq_tol(hidden->generated.psnr, 20 * log10(5), 1e-9);
    ck_assert_double_eq_tol(person->generated.l1, (0.1 + 0) / 2, 1e-12);        /* half of p1's, nothing of p0's */
    ck_assert(hidden->copy.l1 > 0.25 && hidden->copy.ssim < hidden->generated.ssim);
    const pn_scored *one = pn_evaluation_pair(e, 0), *none = pn_evaluation_pair(e, 2);
    ck_assert(one->parsed && !none->parsed);
    assert_works(pn_evaluation_write(e, scratch_path("score.json")));
    const char *json = (const char *)scratch_read(scratch_path("score.json")).bytes;
    ck_assert_ptr_nonnull(strstr(json, "\"labelling\":\t\"lip20\""));
    ck_assert_ptr_nonnull(strstr(json, "\"occluded\":\t{\n\t\t\t\"pairs\":\t1,\n\t\t\t\"pixels\":\t768"));
    pn_evaluation_free(e);
    pn_dataset_free(d);
}
END_TEST

/* The k-th request for memory fails, for every k: an error or success, and nothing stays behind. */
START_TEST(no_memory_at_any_moment_is_an_error)
{
    pn_dataset *d = three_people("from,to\np0.png,p1.png\n");
    generate("out/p0_2_p1_vis.png", 1, 51);
    char folder[512];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    const size_t before = scratch_live();
    long k = 0;
    for (bool reached = true; reached;) {
        scratch_fail_at(++k);
        pn_evaluation *e = pn_evaluation_new(d, folder, "native");
        const pn_status status = e ? pn_evaluation_run(e, 0, 1) : PN_ERR_NOMEM;
        pn_evaluation_free(e);
        reached = scratch_fail_at(0) <= 0;
        ck_assert_uint_eq(scratch_live(), before);
        if (status != PN_OK && !(reached && status == PN_ERR_NOMEM)) ck_abort_msg("%ld: %s", k, pn_ctx_message(scratch_ctx()));
    }
    ck_assert_int_gt(k, 15);
    pn_dataset_free(d);
}
END_TEST

TCase *part_cases(void)
{
    TCase *tc = tcase_create("part");
    tcase_add_loop_test(tc, parts_are_scored_by_their_definition, 0, 2);
    tcase_add_test(tc, an_empty_part_has_no_score_and_a_perfect_one_no_finite_psnr);
    tcase_add_test(tc, a_class_is_occluded_where_no_fourth_pixel_of_the_source_has_it);
    tcase_add_test(tc, pictures_and_parts_must_have_one_size);
    tcase_add_test(tc, a_list_is_scored_on_the_person_and_where_the_source_shows_nothing);
    tcase_add_test(tc, no_memory_at_any_moment_is_an_error);
    return tc;
}
