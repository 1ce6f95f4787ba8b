/* tests/metrics/test_completion.c - scores of completed pictures, whole and in holes that are drawn again */
#include "data/scratch.h"
#include "posenet/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 64, PEOPLE = 3 };

/* Person 0 fills most of the picture, 1 a strip of it; of 2 the label map shows nobody. */
static void write_person(int i, char *row)
{
    static const char joints[] = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]";
    char path[64];
    pn_image image, labels;
    assert_works(pn_image_new(scratch_ctx(), SIDE, SIDE, 3, &image));
    assert_works(pn_image_new(scratch_ctx(), SIDE, SIDE, 1, &labels));
    pn_rng rng = pn_rng_make((uint64_t)i + 1, 1);
    for (int p = 0; p < 3 * SIDE * SIDE; p++) image.pixels[p] = (uint8_t)(60 + pn_rng_u32(&rng) % 100);
    for (int y = 4; y < 60 && i < 2; y++)
        memset(labels.pixels + y * SIDE + (i ? 24 : 8), y < 30 ? 5 : 9, i ? 16 : 48);
    snprintf(path, sizeof path, "set/test/p%d.png", i);
    assert_works(pn_image_write(scratch_ctx(), scratch_path(path), &image));
    snprintf(path, sizeof path, "set/test_lip20/p%d.png", i);
    assert_works(pn_labels_write(scratch_ctx(), scratch_path(path), &labels));
    sprintf(row, "p%d.png:%s:%s\n", i, joints, joints);
}

/* p1 is a target twice. */
static pn_dataset *people(void)
{
    char text[600] = "name:keypoints_y:keypoints_x\n", folder[512];
    for (int i = 0; i < PEOPLE; i++) write_person(i, text + strlen(text));
    scratch_write("set/fasion-annotation-test.csv", text);
    scratch_write("set/fasion-pairs-test.csv", "from,to\np0.png,p1.png\np1.png,p0.png\np2.png,p1.png\np1.png,p2.png\n");
    snprintf(folder, sizeof folder, "%s", scratch_path("set"));
    pn_dataset *d = pn_dataset_open(scratch_ctx(), folder, "test", NULL);
    if (!d) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return d;
}

static pn_image hole_of(const pn_person *person, pn_hole_kind kind, pn_image *classes)
{
    pn_image mask;
    pn_merge merge;
    assert_works(pn_merge_find(scratch_ctx(), "lip20", &merge));
    assert_works(pn_person_classes(scratch_ctx(), person, &merge, SIDE, SIDE, classes));
    assert_works(pn_image_new(scratch_ctx(), SIDE, SIDE, 1, &mask));
    pn_uniforms u = pn_uniforms_named(person->name);
    assert_works(pn_hole_draw(scratch_ctx(), &mask, classes, kind, PN_HOLE_ON_PERSON, &u));
    return mask;
}

/* What one expects of a person: hole pixels, those of the person, the person's; and the filled hole's L1. */
typedef struct { int hole, both, person; double filled; } expected;

/* Completed: brighter by 51 in the hole. */
static expected complete(const pn_person *person, pn_hole_kind kind)
{
    char path[64];
    pn_image truth, made, classes, mask = hole_of(person, kind, &classes);
    expected e = { 0, 0, 0, 0 };
    double mean[3] = { 0, 0, 0 };
    assert_works(pn_image_read(scratch_ctx(), person->path, &truth));
    assert_works(pn_image_read(scratch_ctx(), person->path, &made));
    for (int i = 0; i < SIDE * SIDE; i++) {
        const bool hole = mask.pixels[i], there = classes.pixels[i];
        e.hole += hole;
        e.person += there;
        e.both += hole && there;
        for (int c = 0; c < 3; c++) {
            if (hole) made.pixels[3 * i + c] = (uint8_t)(made.pixels[3 * i + c] + 51);
            if (there && !hole) mean[c] += made.pixels[3 * i + c];
        }
    }
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        if (mask.pixels[i / 3]) e.filled += fabs(truth.pixels[i] - round(mean[i % 3] / (e.person - e.both)));
    e.filled /= 3.0 * 255 * e.hole;
    snprintf(path, sizeof path, "out/%.2s.png", person->name);
    assert_works(pn_image_write(scratch_ctx(), scratch_path(path), &made));
    return e;
}

START_TEST(holes_are_drawn_again_and_scored_beside_the_mean_colour)
{
    pn_dataset *d = people();
    expected e[2];
    char folder[512];
    for (int i = 0; i < 2; i++) e[i] = complete(pn_dataset_target(d, i), PN_HOLE_RECT);
    complete(pn_dataset_target(d, 2), PN_HOLE_RECT);
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    pn_completion *c = pn_completion_new(d, folder, "rect", 0);
    ck_assert_int_eq((int)pn_completion_pictures(c), 3);
    assert_works(pn_completion_run(c, 0, 3));
    for (int i = 0; i < 2; i++) {
        const pn_completed *p = pn_completion_picture(c, i);
        ck_assert(p->found && !p->intact && e[i].both > 0 && e[i].both < e[i].person);
        ck_assert_int_eq((int)p->scores.hole.pixels, e[i].hole);
        ck_assert_double_eq_tol(p->ratio, e[i].both / (double)e[i].person, 1e-12);
        ck_assert_double_eq_tol(p->scores.hole.l1, 0.2, 1e-12);
        ck_assert_double_eq_tol(p->scores.hole.psnr, 20 * log10(5), 1e-9);
        ck_assert_double_eq_tol(p->scores.whole.l1, 0.2 * e[i].hole / (SIDE * SIDE), 1e-12);
        ck_assert_double_eq_tol(p->scores.hole_filled.l1, e[i].filled, 1e-12);
        ck_assert_double_eq_tol(p->scores.whole_filled.l1, e[i].filled * e[i].hole / (SIDE * SIDE), 1e-12);
    }
    const pn_completed *nobody = pn_completion_picture(c, 2);
    ck_assert(nobody->found && nobody->intact);
    pn_completion_free(c);
    pn_dataset_free(d);
}
END_TEST

START_TEST(summaries_group_pictures_by_how_much_of_the_person_is_missing)
{
    pn_dataset *d = people();
    expected e[2];
    char folder[512];
    for (int i = 0; i < 2; i++) e[i] = complete(pn_dataset_target(d, i), PN_HOLE_REGION);
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    pn_completion *c = pn_completion_new(d, folder, "region", 0);
    assert_works(pn_completion_run(c, 0, 2));
    assert_works(pn_completion_run(c, 2, 1));
    const pn_completion_summary s = pn_completion_summarise(c);
    ck_assert_int_eq((int)s.pictures, 3);
    ck_assert_int_eq((int)s.scored, 2);
    ck_assert_int_eq((int)s.missing, 1);
    ck_assert_ptr_nonnull(strstr(s.first_missing, "out/p2"));
    ck_assert_int_eq((int)s.height, SIDE);
    ck_assert_double_eq_tol(s.all.mean.hole.l1, 0.2, 1e-12);
    int in_groups = 0;
    for (int g = 0; g < PN_HOLE_GROUPS; g++) {
        int here = 0;
        for (int i = 0; i < 2; i++) {
            const double ratio = e[i].both / (double)e[i].person;
            here += ratio >= g / 10.0 && (g == 6 || ratio < (g + 1) / 10.0);
        }
        ck_assert_int_eq((int)s.group[g].pictures, here);
        ck_assert(here ? fabs(s.group[g].mean.hole.l1 - 0.2) < 1e-12 : isnan(s.group[g].mean.hole.l1));
        in_groups += here;
    }
    ck_assert_int_eq(in_groups, 2);
    assert_works(pn_completion_write(c, scratch_path("score.json")));
    const char *json = (const char *)scratch_read(scratch_path("score.json")).bytes;
    static const char *const parts[] = { "\"kind\":\t\"region\"", "\"by_hole_ratio\"", "\"completed_hole\"",
                                         "\"mean_colour_hole\"", "\"per_picture\"", "\"name\":\t\"p1.png\"" };
    for (int i = 0; i < 6; i++)
        if (!strstr(json, parts[i])) ck_abort_msg("%s is not in:\n%s", parts[i], json);
    pn_completion_free(c);
    c = pn_completion_new(d, folder, "region", 2);
    assert_works(pn_completion_run(c, 0, 2));
    ck_assert_int_eq((int)pn_completion_summarise(c).missing, 0);
    assert_fails(pn_completion_run(c, 0, 3), PN_ERR_ARG, "pictures 0 to 2 of 2");
    pn_completion_free(c);
    pn_dataset_free(d);
}
END_TEST

/* A whole person missing: the mean is that of what else is visible. */
START_TEST(a_person_of_whom_nothing_is_visible_is_filled_with_the_pictures_colour)
{
    pn_dataset *d = people();
    const pn_person *person = pn_dataset_target(d, 0);
    pn_image labels, picture;
    assert_works(pn_image_new(scratch_ctx(), SIDE, SIDE, 1, &labels));
    for (int y = 20; y < 40; y++) memset(labels.pixels + y * SIDE + 20, 5, 20);
    assert_works(pn_labels_write(scratch_ctx(), person->parsing, &labels));
    assert_works(pn_image_new(scratch_ctx(), SIDE, SIDE, 3, &picture));
    for (int i = 0; i < SIDE * SIDE; i++) memset(picture.pixels + 3 * i, labels.pixels[i] ? 200 : 98, 3);
    assert_works(pn_image_write(scratch_ctx(), person->path, &picture));
    complete(person, PN_HOLE_REGION);
    char folder[512];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    pn_completion *c = pn_completion_new(d, folder, "region", 1);
    assert_works(pn_completion_run(c, 0, 1));
    const pn_completed *p = pn_completion_picture(c, 0);
    ck_assert_double_eq(p->ratio, 1);
    ck_assert_double_eq_tol(p->scores.hole_filled.l1, 102 / 255.0, 1e-12);
    ck_assert_int_eq((int)pn_completion_summarise(c).group[PN_HOLE_GROUPS - 1].pictures, 1);
    pn_completion_free(c);
    pn_dataset_free(d);
}
END_TEST

START_TEST(what_cannot_be_scored_is_refused_with_advice)
{
    pn_dataset *d = people();
    char folder[512];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    scratch_write("out/p1.jpg", "no picture");
    const pn_ctx *ctx = scratch_ctx();
    static const struct { const char *folder, *kind, *says; } cases[] = {
        { NULL, "circle", "'circle' is no kind of hole" },
        { NULL, "none", "leave nothing to score; take mixed, rect, stroke or region" },
        { "/nowhere", "rect", "/nowhere is no folder; name the one with the completed pictures" },
    };
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(pn_completion_new(d, cases[i].folder ? cases[i].folder : folder, cases[i].kind, 0));
        if (!strstr(pn_ctx_message(ctx), cases[i].says)) ck_abort_msg("%s", pn_ctx_message(ctx));
    }
    pn_completion *c = pn_completion_new(d, folder, "rect", 0);
    assert_fails(pn_completion_run(c, 0, 3), PN_ERR_FORMAT, "p1.jpg: neither");
    pn_completion_free(c);
    pn_dataset_free(d);
}
END_TEST

/* The k-th request for memory fails, for every k: an error or success, and nothing stays behind. */
START_TEST(no_memory_at_any_moment_is_an_error)
{
    pn_dataset *d = people();
    char folder[512];
    complete(pn_dataset_target(d, 0), PN_HOLE_RECT);
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    const size_t before = scratch_live();
    long k = 0;
    for (bool reached = true; reached;) {
        scratch_fail_at(++k);
        pn_completion *c = pn_completion_new(d, folder, "rect", 0);
        const pn_status status = c ? pn_completion_run(c, 0, 3) : PN_ERR_NOMEM;
        pn_completion_free(c);
        reached = scratch_fail_at(0) <= 0;
        ck_assert_uint_eq(scratch_live(), before);
        if (status != PN_OK && !(reached && status == PN_ERR_NOMEM)) ck_abort_msg("%ld: %s", k, pn_ctx_message(scratch_ctx()));
    }
    ck_assert_int_gt(k, 15);
    pn_dataset_free(d);
}
END_TEST

TCase *completion_cases(void)
{
    TCase *tc = tcase_create("completion");
    tcase_add_test(tc, holes_are_drawn_again_and_scored_beside_the_mean_colour);
    tcase_add_test(tc, summaries_group_pictures_by_how_much_of_the_person_is_missing);
    tcase_add_test(tc, a_person_of_whom_nothing_is_visible_is_filled_with_the_pictures_colour);
    tcase_add_test(tc, what_cannot_be_scored_is_refused_with_advice);
    tcase_add_test(tc, no_memory_at_any_moment_is_an_error);
    return tc;
}
