/* tests/programs/test_inpaint.c - a model that reads label maps, from training to new poses and completed pictures */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"
#include "data/scratch.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { H = 64, W = 48, STEPS = 2 };
#define WEIGHTS world("complete/checkpoints/step_%07d.safetensors", STEPS)

/* The first annotated person of the test split, without an ending. */
static const char *stem(void)
{
    char *text = slurp(world("people/fasion-resize-annotation-test.csv"), NULL);
    char *name = strchr(text, '\n') + 1;
    *strstr(name, ".jpg") = 0;
    return name;
}

static const char *pose(void) { return world("people/fasion-resize-annotation-test.csv:%s.jpg", stem()); }
static const char *parsing(void) { return world("people/testSPL8/%s.png", stem()); }

static void make_weights(void)
{
    if (there(WEIGHTS)) return;
    exits(run("posenet-train --model glocal --task both --preset tiny --set width=2 --stage joint --size %dx%d --batch "
              "1 --seed 3 "
              "--steps %d --data %s --out %s",
              H, W, STEPS, PEOPLE, world("complete")),
          0);
}

/* The person with a rectangle of noise in it, as PNG; and the mask of that rectangle. */
static const char *with_noise(const char *name, unsigned seed, pn_image *kept, pn_image *mask)
{
    const char *path = world("%s.png", name);
    assert_works(pn_image_read(scratch_ctx(), world("people/test/%s.jpg", stem()), kept));
    ck_assert(kept->height == H && kept->width == W);
    assert_works(pn_image_new(scratch_ctx(), H, W, 3, mask));
    srand(seed);
    for (int y = 20; y < 41; y++)
        for (int x = 15; x < 33; x++) {
            memset(mask->pixels + 3 * (y * W + x), 255, 3);
            for (int c = 0; c < 3; c++) kept->pixels[3 * (y * W + x) + c] = (uint8_t)rand();
        }
    assert_works(pn_image_write(scratch_ctx(), path, kept));
    assert_works(pn_image_write(scratch_ctx(), world("mask.png"), mask));
    return path;
}

static result complete(const char *picture, const char *out)
{
    return run("posenet-inpaint --weights %s --image %s --mask %s --pose %s --parsing %s --out %s", WEIGHTS, picture,
               world("mask.png"), pose(), parsing(), out);
}

START_TEST(what_is_missing_is_never_seen_and_what_is_not_stays)
{
    pn_image picture, mask, made;
    make_weights();
    const char *one = with_noise("one_noise", 1, &picture, &mask), *out = world("completed.png");
    exits(complete(one, out), 0);
    assert_works(pn_image_read(scratch_ctx(), out, &made));
    int changed = 0;
    for (int i = 0; i < 3 * H * W; i++) {
        changed += made.pixels[i] != picture.pixels[i];
        if (mask.pixels[i] == 0) ck_assert_int_eq(made.pixels[i], picture.pixels[i]);
    }
    ck_assert_int_gt(changed, 500);
    const char *other = with_noise("other_noise", 2, &picture, &mask), *again = world("completed_again.png");
    exits(complete(other, again), 0);
    same_bytes(out, again);
}
END_TEST

START_TEST(a_person_is_posed_from_picture_and_label_map)
{
    make_weights();
    const char *source = world("people/test/%s.jpg", stem());
    exits(run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --source-parsing %s --out "
              "%s --dump %s",
              WEIGHTS, source, pose(), pose(), parsing(), world("posed.png"), world("posed")),
          0);
    static const struct {
        const char *name;
        ptrdiff_t channels, height;
    } views[] = { { "parsing", 8, H }, { "warped", 3, H / 4 }, { "peak", 1, H / 4 } };
    for (int i = 0; i < 3; i++) {
        pn_shape shape;
        float *values;
        ck_assert(there(world("posed/%s.png", views[i].name)));
        assert_works(pn_npy_read(scratch_ctx(), world("posed/%s.npy", views[i].name), &shape, &values));
        ck_assert(pn_shape_equal(shape, pn_shape4(1, views[i].channels, views[i].height, views[i].height * W / H)));
        double sum = 0; /* a hard layout: one region for each pixel */
        for (ptrdiff_t k = 0; k < 8 && i == 0; k++) sum += (double)values[k * H * W + 7];
        if (i == 0) ck_assert_double_eq(sum, 1);
        pn_npy_free(scratch_ctx(), values);
    }
    explains(run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --out %s", WEIGHTS,
                 source, pose(), pose(), world("posed.png")),
             2, "name it with --source-parsing");
}
END_TEST

START_TEST(a_pair_is_painted_from_its_true_layout)
{
    make_weights();
    exits(run("posenet-generate --weights %s --data %s --out %s --set target_parsing=true", WEIGHTS, PEOPLE, world("true")), 0);
    exits(run("posenet-generate --weights %s --data %s --out %s", WEIGHTS, PEOPLE, world("predicted")), 0);
    ck_assert_int_gt(count_files(world("true")), 0);
    ck_assert_int_eq(count_files(world("true")), count_files(world("predicted")));
    explains(run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --source-parsing %s --out %s --set "
                 "target_parsing=true", WEIGHTS, world("people/test/%s.jpg", stem()), pose(), pose(), parsing(), world("posed.png")), 2,
             "needs the target's label map");
}
END_TEST

START_TEST(a_model_that_completes_nothing_says_so)
{
    explains(run("posenet-inpaint --weights %s --image a --mask a --pose a --parsing a --out a.png",
                 world("run/checkpoints/step_%07d.safetensors", RUN_STEPS)),
             2, "there is no task 'inpaint', expected one of pose");
    explains(run("posenet-inpaint --weights x --image a --pose a --parsing a --out a.png"), 2, "--mask is missing");
    explains(run("posenet-inpaint --weights x --image a --mask a --pose a --parsing a --out a.gif"), 2, "ends in .png");
}
END_TEST

/* ---- Whole data sets -------------------------------------------------------------------------------------------- */

static result complete_all(const char *kind, const char *out, const char *more)
{
    return run("posenet-inpaint --weights %s --data %s --kind %s --out %s --threads 2%s", WEIGHTS, PEOPLE, kind, out,
               more);
}

static result score_all(const char *kind, const char *made)
{
    return run("posenet-evaluate --task inpaint --kind %s --generated %s --data %s", kind, made, PEOPLE);
}

START_TEST(a_whole_set_is_completed_as_its_pictures_are_and_keeps_what_was_there)
{
    make_weights();
    const result r = complete_all("rect", world("all"), " --masks");
    exits(r, 0);
    char line[64];
    const int files = count_files(world("all"));
    snprintf(line, sizeof line, "%d pictures in ", files / 2);
    says(r.out, line);
    ck_assert_int_ge(files, 6);
    pn_image truth, made, mask;
    assert_works(pn_image_read(scratch_ctx(), world("people/test/%s.jpg", stem()), &truth));
    assert_works(pn_image_read(scratch_ctx(), world("all/%s.png", stem()), &made));
    assert_works(pn_image_read(scratch_ctx(), world("all/%s_mask.png", stem()), &mask));
    int missing = 0, changed = 0;
    for (int i = 0; i < 3 * H * W; i++) {
        missing += mask.pixels[i] == 255;
        changed += made.pixels[i] != truth.pixels[i];
        if (mask.pixels[i] != 255) ck_assert(mask.pixels[i] == 0 && made.pixels[i] == truth.pixels[i]);
    }
    ck_assert_int_gt(missing, 300);
    ck_assert_int_gt(changed, missing / 2);
    exits(run("posenet-inpaint --weights %s --image %s --mask %s --pose %s --parsing %s --out %s", WEIGHTS,
              world("people/test/%s.jpg", stem()), world("all/%s_mask.png", stem()), pose(), world("people/test_lip20/%s.png", stem()),
              world("alone.png")), 0);
    same_bytes(world("alone.png"), world("all/%s.png", stem()));
    exits(complete_all("rect", world("some"), " --limit 2"), 0);
    ck_assert_int_eq(count_files(world("some")), 2);
}
END_TEST

static double number(const cJSON *o, const char *name)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, name);
    if (!cJSON_IsNumber(n)) ck_abort_msg("there is no number '%s'", name);
    return n->valuedouble;
}

START_TEST(completed_sets_are_scored_in_the_holes_they_were_made_for)
{
    make_weights();
    exits(complete_all("mixed", world("mixed"), " --limit 2"), 0);
    const result r = run("posenet-evaluate --task inpaint --kind mixed --generated %s --data %s --limit 2 --json %s", world("mixed"),
                         PEOPLE, world("holes.json"));
    exits(r, 0);
    says(r.out, "inpaint, holes of kind mixed: 2 of 2 pictures, 64x48, label maps of lip20");
    says(r.out, "\ncompleted ");
    says(r.out, "\nmean colour ");
    says(r.out, "holes by the share of the person in them");
    cJSON *json = cJSON_Parse(slurp(world("holes.json"), NULL));
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(json, "by_hole_ratio")), 7);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(json, "per_picture")), 2);
    const cJSON *o;
    cJSON_ArrayForEach(o, cJSON_GetObjectItem(json, "per_picture"))
    {
        const double whole = number(cJSON_GetObjectItem(o, "completed"), "l1"), pixels = number(o, "hole_pixels");
        const double hole = number(cJSON_GetObjectItem(o, "completed_hole"), "l1");
        ck_assert(hole > 0);                            /* all that is wrong lies in holes: both drew the same */
        ck_assert_double_eq_tol(whole * H * W, hole * pixels, 1e-9 * pixels);
    }
    cJSON_Delete(json);
    explains(score_all("mixed", world("mixed")), 3, "completed pictures are missing, the first ");
}
END_TEST

START_TEST(what_a_list_needs_is_named)
{
    make_weights();
    explains(complete_all("circle", world("no"), ""), 2, "'circle' is no kind of hole");
    explains(complete_all("none", world("no"), ""), 2, "leave nothing to complete");
    explains(run("posenet-inpaint --weights x --data %s --out no", PEOPLE), 2, "--kind is missing");
    explains(run("posenet-inpaint --weights x --data %s --out no --mask a", PEOPLE), 2, "--mask and --data exclude each other");
    explains(run("posenet-inpaint --weights x --kind rect --out a.png"), 2, "--kind is for a list; name its data set with --data");
    explains(run("posenet-inpaint --weights %s --data %s --kind rect --out no", WEIGHTS, world("nowhere")), 3, "is no folder");
    explains(score_all("circle", PEOPLE), 2, "'circle' is no kind of hole");
    explains(run("posenet-evaluate --generated a --data b --task inpaint"), 2, "--kind is missing");
    explains(run("posenet-evaluate --generated a --data b --task dancing"), 2, "no task 'dancing', expected pose, inpaint, view, dance or face");
    explains(run("posenet-evaluate --generated a --data b --limit 3"), 2, "--limit is for completed pictures");
    ck_assert(!there(world("no")));
}
END_TEST

/* Without its label maps a set is scored as any other, and nothing of it can be completed. */
START_TEST(label_maps_decide_what_can_be_scored)
{
    make_weights();
    exits(run("posenet-generate --weights %s --data %s --out %s", WEIGHTS, PEOPLE, world("moved")), 0);
    result r = run("posenet-evaluate --generated %s --data %s", world("moved"), PEOPLE);
    exits(r, 0);
    says(r.out, "parts by label maps of lip20, in ");
    says(r.out, "\nperson: in ");
    says(r.out, "\noccluded parts: in ");
    copy_folder(PEOPLE, world("bare"));
    static const char *const maps[] = { "test_lip20", "testSPL8", "train_lip20", "trainSPL8" };
    for (int i = 0; i < 4; i++)
        if (rename(world("bare/%s", maps[i]), world("bare/%d", i))) ck_abort_msg("there is no %s", maps[i]);
    r = run("posenet-evaluate --generated %s --data %s", world("moved"), world("bare"));
    exits(r, 0);
    says(r.out, "\nsource copy ");
    says_not(r.out, "parts");
    explains(run("posenet-inpaint --weights %s --data %s --kind rect --out %s", WEIGHTS, world("bare"), world("no")), 3,
             "has no parsing map, and one is needed");
}
END_TEST

TCase *program_inpaint_cases(void)
{
    TCase *tc = tcase_create("inpaint");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_test(tc, what_is_missing_is_never_seen_and_what_is_not_stays);
    tcase_add_test(tc, a_person_is_posed_from_picture_and_label_map);
    tcase_add_test(tc, a_pair_is_painted_from_its_true_layout);
    tcase_add_test(tc, a_model_that_completes_nothing_says_so);
    tcase_add_test(tc, a_whole_set_is_completed_as_its_pictures_are_and_keeps_what_was_there);
    tcase_add_test(tc, completed_sets_are_scored_in_the_holes_they_were_made_for);
    tcase_add_test(tc, what_a_list_needs_is_named);
    tcase_add_test(tc, label_maps_decide_what_can_be_scored);
    return tc;
}
