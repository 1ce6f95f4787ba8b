/* tests/programs/test_inpaint.c - a model that reads label maps, from training to new poses and completed pictures */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"
#include "data/scratch.h"

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

TCase *program_inpaint_cases(void)
{
    TCase *tc = tcase_create("inpaint");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_test(tc, what_is_missing_is_never_seen_and_what_is_not_stays);
    tcase_add_test(tc, a_person_is_posed_from_picture_and_label_map);
    tcase_add_test(tc, a_pair_is_painted_from_its_true_layout);
    tcase_add_test(tc, a_model_that_completes_nothing_says_so);
    return tc;
}
