/* tests/data/test_check.c - folders of views and of clips: what is found in them, and every defect with its file */
#include "data/scratch.h"
#include "posenet/clips.h"
#include "posenet/synth.h"
#include "posenet/views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pn_check check(const char *folder)
{
    pn_check found;
    assert_works(pn_dataset_check(scratch_ctx(), folder, NULL, &found));
    return found;
}

static const pn_split_check *split_of(const pn_check *c, const char *name)
{
    for (ptrdiff_t i = 0; i < c->splits; i++)
        if (strcmp(c->split[i].name, name) == 0) return &c->split[i];
    ck_abort_msg("there is no split %s", name);
    return NULL;
}

static void expect_problem(const pn_check *c, const char *part)
{
    for (ptrdiff_t i = 0; i < c->problems_kept; i++)
        if (strstr(c->problem[i], part)) return;
    for (ptrdiff_t i = 0; i < c->problems_kept; i++) printf("told: %s\n", c->problem[i]);
    ck_abort_msg("'%s' is not told", part);
}

static void remove_scratch(const char *name) { ck_assert_int_eq(remove(scratch_path(name)), 0); }

/* ---- Views ---------------------------------------------------------------------------------------------------------- */

static const char *views_set(void)
{
    const pn_synth_opt o = { .out = scratch_path("views"), .people = 3, .views = 54, .height = 32, .width = 48, .seed = 7 };
    assert_works(pn_synth_write_view(scratch_ctx(), &o));
    return scratch_path("views");
}

START_TEST(a_folder_of_views_is_counted)
{
    pn_check c = check(views_set());
    ck_assert_int_eq(c.kind, PN_FOLDER_VIEWS);
    ck_assert_int_eq((int)c.problems, 0);
    ck_assert_int_eq((int)c.splits, 2);
    const pn_split_check *train = split_of(&c, "train"), *test = split_of(&c, "test");
    ck_assert(train->groups == 2 && train->pictures == 108 && train->missing == 0 && train->pairs == 36);
    ck_assert(test->groups == 1 && test->pictures == 54 && test->pairs == 18);
    ck_assert(c.sizes == 1 && c.size[0].height == 32 && c.size[0].width == 48 && c.size[0].count == 162);
    pn_check_free(scratch_ctx(), &c);
}
END_TEST

START_TEST(every_defect_of_views_is_told_with_its_file)
{
    const char *folder = views_set();
    remove_scratch("views/data_box/box00000001_4_10.png");
    scratch_write("views/data_box/box00000002_0_0.png", "no picture");
    char list[8192] = "box00000001_0_0\nbox00000001_3_0\nbox00000001_0_0\nbox00000001_4_10\nbox00000002_0_0\nbox00000002_2_0\n";
    scratch_write("views/id_box_train.txt", list);
    scratch_write("views/id_box_val.txt", "\n");
    scratch_write("views/id_car_test.txt", "m_0_0\n");
    pn_check c = check(folder);
    ck_assert_int_eq((int)c.problems, 6);
    expect_problem(&c, "id_box_train.txt:2: 'box00000001_3_0' is no view");
    expect_problem(&c, "id_box_train.txt:3: box00000001_0_0 is there twice");
    expect_problem(&c, "id_box_train.txt:4: box00000001_4_10 has no picture");
    expect_problem(&c, "data_box/box00000002_0_0.png: neither a PNG nor a JPEG");
    expect_problem(&c, "id_box_val.txt names no view");
    expect_problem(&c, "are both lists of views");
    const pn_split_check *train = split_of(&c, "train");
    ck_assert(train->groups == 2 && train->pictures == 4 && train->missing == 1);
    ck_assert_int_eq((int)c.size[0].count, 2);          /* that could be read */
    pn_check_free(scratch_ctx(), &c);
}
END_TEST

/* ---- Clips ---------------------------------------------------------------------------------------------------------- */

static const char *clips_set(pn_clips_kind kind)
{
    const pn_synth_opt o = { .out = scratch_path("clips"), .people = 3, .views = 12, .height = 64, .width = 64, .seed = 7 };
    assert_works(kind == PN_CLIPS_FACE ? pn_synth_write_face(scratch_ctx(), &o) : pn_synth_write_dance(scratch_ctx(), &o));
    return scratch_path("clips");
}

/* The i-th name in a folder; lives as long as the test. */
static const char *name_in(const char *folder, size_t i)
{
    static char name[16][256];
    static int next;
    pn_names names;
    assert_works(pn_folder_list(scratch_ctx(), scratch_path(folder), &names));
    ck_assert_uint_gt(names.count, i);
    char *out = name[next++ % 16];
    snprintf(out, sizeof *name, "%s/%s", folder, names.name[i]);
    pn_names_free(scratch_ctx(), &names);
    return out;
}

START_TEST(folders_of_clips_are_counted)
{
    static const struct { pn_clips_kind kind; pn_folder_kind folder; int clean; } sets[] = {
        { PN_CLIPS_DANCE, PN_FOLDER_DANCE, 2 }, { PN_CLIPS_FACE, PN_FOLDER_FACE, 0 },
    };
    pn_check c = check(clips_set(sets[_i].kind));
    for (ptrdiff_t i = 0; i < c.problems_kept; i++) printf("told: %s\n", c.problem[i]);
    ck_assert_int_eq(c.kind, sets[_i].folder);
    ck_assert_int_eq((int)c.problems, 0);
    const pn_split_check *train = split_of(&c, "train"), *test = split_of(&c, "test");
    ck_assert(train->groups == 2 && train->pictures == 24 && train->clean == sets[_i].clean);
    ck_assert(test->groups == 1 && test->pictures == 12);
    ck_assert(c.sizes == 1 && c.size[0].height == 64 && c.size[0].count == 36);
    pn_check_free(scratch_ctx(), &c);
}
END_TEST

START_TEST(every_defect_of_a_dance_is_told_with_its_file)
{
    const char *folder = clips_set(PN_CLIPS_DANCE);
    const char *a = strrchr(name_in("clips/train_256/train_A", 0), '/') + 1;
    const char *b = strrchr(name_in("clips/train_256/train_A", 1), '/') + 1;
    char inner[5][256];
    snprintf(inner[0], sizeof *inner, "clips/train_256/train_A/%s", a);
    snprintf(inner[1], sizeof *inner, "clips/train_256/train_alphapose/%s", a);
    snprintf(inner[2], sizeof *inner, "clips/train_256/train_video2d/%s", a);
    snprintf(inner[3], sizeof *inner, "clips/train_256/train_video2d/%s", b);
    snprintf(inner[4], sizeof *inner, "clips/train_256/train_C/%s", b);
    scratch_write(name_in(inner[0], 3), "no picture");
    scratch_write(name_in(inner[1], 5), "{}");
    scratch_write(name_in(inner[2], 7), "{");
    remove_scratch(name_in(inner[3], 0));
    pn_image mask;
    assert_works(pn_image_new(scratch_ctx(), 8, 9, 1, &mask));
    const char *written = name_in(inner[4], 2);
    assert_works(pn_image_write(scratch_ctx(), scratch_path(written), &mask));
    pn_image_free(scratch_ctx(), &mask);
    assert_works(pn_folder_make(scratch_ctx(), scratch_path("clips/train_256/train_A/empty")));
    pn_check c = check(folder);
    expect_problem(&c, "train_A/empty has no frame");
    expect_problem(&c, name_in(inner[0], 3) + 6);
    expect_problem(&c, name_in(inner[1], 5) + 6);
    expect_problem(&c, name_in(inner[2], 7) + 6);
    expect_problem(&c, "has 11 files for the 12 frames of its clip");
    expect_problem(&c, "the mask is 8x9, its frame 64x64");
    ck_assert_int_eq((int)c.problems, 6);
    const pn_split_check *train = split_of(&c, "train");
    ck_assert(train->groups == 3 && train->pictures == 24 && train->clean == 1);
    pn_check_free(scratch_ctx(), &c);
}
END_TEST

START_TEST(every_defect_of_a_face_is_told_with_its_file)
{
    const char *folder = clips_set(PN_CLIPS_FACE);
    const char *clip = strrchr(name_in("clips/test_data", 0), '/') + 1;
    char inner[256];
    snprintf(inner, sizeof inner, "clips/test_keypoints/%s", clip);
    const char *file = name_in(inner, 4);
    scratch_write(file, "1,2\n3,x\n");
    assert_works(pn_folder_make(scratch_ctx(), scratch_path("clips/train_data/lone")));
    scratch_write("clips/train_data/lone/0.png", "no picture");
    pn_check c = check(folder);
    expect_problem(&c, file + 6);
    expect_problem(&c, "train_keypoints/lone is no folder");
    expect_problem(&c, "train_data/lone/0.png: neither a PNG nor a JPEG");
    ck_assert_int_eq((int)c.problems, 3);
    pn_check_free(scratch_ctx(), &c);
}
END_TEST

START_TEST(refused_memory_is_told_and_nothing_is_lost)
{
    const char *const folder = _i == 0 ? views_set() : clips_set(_i == 1 ? PN_CLIPS_DANCE : PN_CLIPS_FACE);
    if (_i == 0) scratch_write("views/id_box_train.txt", "box00000001_0_0\nbox00000001_3_0\nbox00000001_4_10\n");
    if (_i == 0) remove_scratch("views/data_box/box00000001_4_10.png");
    const size_t before = scratch_live();
    long k = 1;
    for (;; k += 1 + k / 16) {
        pn_check c;
        scratch_fail_at(k);
        const pn_status status = pn_dataset_check(scratch_ctx(), folder, NULL, &c);
        const bool refused = scratch_fail_at(0) <= 0;
        if (!status) pn_check_free(scratch_ctx(), &c);
        ck_assert_uint_eq(scratch_live(), before);
        ck_assert(refused || status == PN_OK);
        if (!refused) break;
    }
    ck_assert_int_gt(k, 100);
}
END_TEST

TCase *check_cases(void)
{
    TCase *tc = tcase_create("check");
    tcase_add_test(tc, a_folder_of_views_is_counted);
    tcase_add_test(tc, every_defect_of_views_is_told_with_its_file);
    tcase_add_loop_test(tc, folders_of_clips_are_counted, 0, 2);
    tcase_add_test(tc, every_defect_of_a_dance_is_told_with_its_file);
    tcase_add_test(tc, every_defect_of_a_face_is_told_with_its_file);
    tcase_add_loop_test(tc, refused_memory_is_told_and_nothing_is_lost, 0, 3);
    return tc;
}
