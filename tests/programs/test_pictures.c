/* tests/programs/test_pictures.c - from a trained run to lists, single pictures, scores, what the model looked at */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"
#include "data/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *weights(void) { return world("run/checkpoints/step_%07d.safetensors", RUN_STEPS); }

/* The n-th name in the list of test pairs: 0 the first pair's source, 1 its target. */
static const char *name_of(int n)
{
    char *text = slurp(world("people/fasion-resize-pairs-test.csv"), NULL);
    char *at = strtok(text, ",\n");
    for (int i = 0; at && i < n + 2; i++) at = strtok(NULL, ",\n"); /* past from,to */
    ck_assert_ptr_nonnull(at);
    return at;
}

static const char *pose_of(int n) { return world("people/fasion-resize-annotation-test.csv:%s", name_of(n)); }
static const char *picture_of(int n) { return world("people/test/%s", name_of(n)); }

static result one(const char *out, const char *more)
{
    return run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --out %s %s --threads 2",
               weights(), picture_of(0), pose_of(0), pose_of(1), out, more);
}

START_TEST(a_list_is_generated_and_scored_beside_copying_the_source)
{
    result r = run("posenet-generate --weights %s --data %s --pairs %s --out %s --threads 2", weights(), PEOPLE,
                   world("people/fasion-resize-pairs-test.csv"), world("deep/er/generated"));
    exits(r, 0);
    const int pairs = count_files(world("deep/er/generated"));
    char line[128];
    snprintf(line, sizeof line, "%d pictures in ", pairs);
    says(r.out, line);
    ck_assert_int_ge(pairs, 6);
    r = run("posenet-evaluate --generated %s --data %s --protocol native --json %s --threads 2",
            world("deep/er/generated"), PEOPLE, world("scores.json"));
    exits(r, 0);
    snprintf(line, sizeof line, "protocol native: %d of %d pairs, 32x32, %d png", pairs, pairs, pairs);
    says(r.out, line);
    says(r.out, "\ngenerated ");
    says(r.out, "\nsource copy ");
    says(slurp(world("scores.json"), NULL), "native");
    says_not(r.out, "features");
    r = run("posenet-evaluate --generated %s --data %s", world("run/samples"), PEOPLE);
    explains(r, 3, "generated pictures");
}
END_TEST

/* The same numbers by one thread and by two, and which filters they are of. */
START_TEST(features_of_pairs_are_compared_when_asked_for)
{
    exits(run("posenet-generate --weights %s --data %s --out %s", weights(), PEOPLE, world("looked_at")), 0);
    const result one = run("posenet-evaluate --generated %s --data %s --features --threads 1", world("looked_at"), PEOPLE);
    const result two = run("posenet-evaluate --generated %s --data %s --features --json %s --threads 2", world("looked_at"), PEOPLE,
                           world("features.json"));
    exits(one, 0);
    exits(two, 0);
    ck_assert_str_eq(one.out, two.out);
    says(one.out, "features of VGG19 by fixed-seed orthogonal filters, widths / 4; Frechet distance in 128 numbers (no LPIPS, no FID)\n");
    const char *rows = strstr(one.out, "features of VGG19");
    says(rows, "\ngenerated ");
    says(rows, "\nsource copy ");
    says(rows, "are few for a Gaussian in 128 numbers");
    says(slurp(world("features.json"), NULL), "\"frechet_distance\":");
    explains(run("posenet-evaluate --generated a --data b --features --task view"), 2, "--features compares pairs of people, task pose");
    explains(run("posenet-evaluate --generated a --data b --vgg19 c"), 2, "--vgg19 is what --features looks through; add --features");
    explains(run("posenet-evaluate --generated %s --data %s --features --vgg19 %s", world("looked_at"), PEOPLE, world("no.pth")), 1,
             "no.pth: No such file");
}
END_TEST

START_TEST(one_picture_is_written_as_png_jpeg_and_numbers)
{
    exits(one(world("one.png"), ""), 0);
    exits(one(world("one.jpg"), ""), 0);
    exits(one(world("one.npy"), ""), 0);
    has_size(world("one.png"), 32, 32);
    has_size(world("one.jpg"), 32, 32);
    pn_shape shape;
    float *values;
    assert_works(pn_npy_read(scratch_ctx(), world("one.npy"), &shape, &values));
    ck_assert(pn_shape_equal(shape, pn_shape3(3, 32, 32)));
    for (int i = 0; i < 3 * 32 * 32; i++) ck_assert(values[i] >= -1 && values[i] <= 1);
    pn_npy_free(scratch_ctx(), values);
    explains(one(world("one.gif"), ""), 2, "one.gif', expected a name that ends in .png, .jpg or .npy");
    ck_assert(!there(world("one.gif")));
}
END_TEST

START_TEST(a_list_and_one_picture_agree)
{
    exits(one(world("alone.png"), ""), 0);
    exits(run("posenet-generate --weights %s --data %s --out %s --threads 1", weights(), PEOPLE, world("list")), 0);
    const char *a = name_of(0), *b = name_of(1);
    same_bytes(world("list/%.*s_2_%.*s_vis.png", (int)strlen(a) - 4, a, (int)strlen(b) - 4, b), world("alone.png"));
}
END_TEST

START_TEST(a_dump_shows_flow_mask_and_attention)
{
    static const struct {
        const char *name;
        ptrdiff_t channels, side;
    } views[] = {
        { "flow1", 2, 8 }, { "mask1", 1, 8 }, { "attention1", 25, 8 },
        { "flow0", 2, 4 }, { "mask0", 1, 4 }, { "attention0", 9, 4 },
    };
    exits(run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --out %s --dump %s",
              weights(), picture_of(0), pose_of(0), pose_of(1), world("seen.png"), world("dump")),
          0);
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        pn_shape shape;
        float *values;
        assert_works(pn_npy_read(scratch_ctx(), world("dump/%s.npy", views[i].name), &shape, &values));
        ck_assert(pn_shape_equal(shape, pn_shape4(1, views[i].channels, views[i].side, views[i].side)));
        if (views[i].channels > 2) { /* attention sums to one over its taps */
            double sum = 0;
            for (ptrdiff_t k = 0; k < views[i].channels; k++) sum += (double)values[k * views[i].side * views[i].side];
            ck_assert_double_eq_tol(sum, 1, 1e-5);
        }
        pn_npy_free(scratch_ctx(), values);
    }
    has_size(world("dump/flow1.png"), 512, 512 + 128);  /* beside it the wheel */
    has_size(world("dump/attention0.png"), 3 * 4, 3 * 4);
    has_size(world("dump/attention1.png"), 5 * 8, 5 * 8);
    static const char *const large[] = { "mask0", "mask1", "flow0_arrows", "flow1_arrows", "flow0_warped", "flow1_warped" };
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) has_size(world("dump/%s.png", large[i]), 512, 512);
    for (int i = 0; i < 2; i++) has_size(world("dump/attention%d_reads.png", i), 512, 512 + 4 + 512);
}
END_TEST

static const char *dump_to(const char *folder, const char *points)
{
    static char line[400];
    snprintf(line, sizeof line, "--dump %s %s", folder, points);
    return line;
}

START_TEST(points_are_shown_where_they_were_asked_for)
{
    exits(one(world("asked.png"), dump_to(world("asked"), "--point 4,20 --point 28.5,3")), 0);
    pn_image image;
    assert_works(pn_image_read(scratch_ctx(), world("asked/attention1_reads.png"), &image));
    /* sixteen times as large, and 4 pixels right of the middle, where a ring and a disc both have ink */
    const uint8_t *first = image.pixels + 3 * (327 * image.width + 75), *second = image.pixels + 3 * (55 * image.width + 467);
    if (abs(first[0] - 230) + abs(first[1] - 25) + abs(first[2] - 40) > 30 ||
        abs(second[0] - 30) + abs(second[1] - 110) + abs(second[2] - 255) > 30)
        ck_abort_msg("the points are %d %d %d and %d %d %d", first[0], first[1], first[2], second[0], second[1], second[2]);
    pn_image_free(scratch_ctx(), &image);
    explains(one(world("no.png"), "--point 4,20"), 2, "--point is of --dump");
    explains(one(world("no.png"), dump_to(world("no"), "--point 4;20")), 2,
             "--point is '4;20', expected X,Y in pixels of the result, like 40,25");
    explains(one(world("no.png"), dump_to(world("no"), "--point 4,nan")), 2, "--point is '4,nan', expected X,Y");
    explains(one(world("no.png"), dump_to(world("no"), "--point 4,32")), 2,
             "--point 4,32 lies outside the result, which is 32 high and 32 wide");
    ck_assert(!there(world("no.png")));
}
END_TEST

START_TEST(a_sample_sheet_shows_what_lies_inside_below_its_rows)
{
    /* six rows of pairs; a row of each flow with arrows, mask, warped source; a row of points and both reads */
    has_size(world("run/samples/step_0000010.png"), 9 * 34 - 2, 4 * 34 - 2);
}
END_TEST

START_TEST(the_shortest_program_makes_the_same_picture)
{
    exits(run("minimal %s %s %s %s %s", weights(), picture_of(0), pose_of(0), pose_of(1), world("minimal.png")), 0);
    exits(one(world("large.png"), "--size 128x96"), 0);
    same_bytes(world("minimal.png"), world("large.png"));
    explains(run("minimal %s", weights()), 1, "usage: minimal WEIGHTS");
    explains(run("minimal a b c d e"), 1, "cannot open a: No such file");
}
END_TEST

TCase *program_pictures_cases(void)
{
    TCase *tc = tcase_create("pictures");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_test(tc, a_list_is_generated_and_scored_beside_copying_the_source);
    tcase_add_test(tc, features_of_pairs_are_compared_when_asked_for);
    tcase_add_test(tc, one_picture_is_written_as_png_jpeg_and_numbers);
    tcase_add_test(tc, a_list_and_one_picture_agree);
    tcase_add_test(tc, a_dump_shows_flow_mask_and_attention);
    tcase_add_test(tc, points_are_shown_where_they_were_asked_for);
    tcase_add_test(tc, a_sample_sheet_shows_what_lies_inside_below_its_rows);
    tcase_add_test(tc, the_shortest_program_makes_the_same_picture);
    return tc;
}
