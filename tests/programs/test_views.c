/* tests/programs/test_views.c - view synthesis as a user meets it: train, stop, resume, generate, score */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 8, FLOW = 2 };                           /* FLOW of them in stage flow */
#define TRAIN_VIEWS "posenet-train --model gfla --task view " NARROW " --size 64x32 --batch 2 --seed 3"
#define OBJECTS world("objects")
#define WEIGHTS world("view_run/checkpoints/step_%07d.safetensors", STEPS)
static const char *view(const char *name) { return world("objects/data_box/%s.png", name); }

static void objects_make(void)
{
    static bool furnished;
    world_make();
    if (furnished) return;
    exits(run("posenet-data synth --kind view --out %s --people 3 --size 64x64 --seed 1 --threads 2", OBJECTS), 0);
    exits(run(TRAIN_VIEWS " --data %s --out %s --steps %d --save-every 1 --sample-every 4 --log-every 1 --threads 2", OBJECTS,
              world("view_run"), STEPS),
          0);
    furnished = true;
}

/* ---- Training ----------------------------------------------------------------------------------------------------------- */

START_TEST(a_run_goes_through_both_stages_and_leaves_sheets)
{
    const char *csv = slurp(world("view_run/train.csv"), NULL), *config = slurp(world("view_run/config.ini"), NULL);
    says(csv, "\n2,flow,");
    says(csv, "\n3,full,");
    says(csv, "\n8,full,");
    says(config, "task = view\n");
    ck_assert(there(world("view_run/samples/step_0000004.png")));
    has_size(world("view_run/samples/step_0000008.png"), (6 + 4) * 66 - 2, 3 * 34 - 2);         /* six turns; eleven figures of two flows */
    ck_assert_int_eq(count_files(world("view_run/checkpoints")), STEPS);
}
END_TEST

/* Cut inside stage flow, at its end, inside stage full; by another number of threads. */
START_TEST(a_run_that_was_cut_goes_on_to_the_same_bits)
{
    static const int cuts[] = { 1, FLOW, 5 };
    char name[32];
    snprintf(name, sizeof name, "turned%d", cuts[_i]);
    copy_folder(world("view_run"), world("%s", name));
    for (int step = cuts[_i] + 1; step <= STEPS; step++) unlink(world("%s/checkpoints/step_%07d.safetensors", name, step));
    explains(run("posenet-train --resume --out %s --threads 1", world("%s", name)), 0, "going on from ");
    same_tensors(world("%s/checkpoints/step_%07d.safetensors", name, STEPS), WEIGHTS);
}
END_TEST

START_TEST(a_dry_run_counts_the_published_parameters)
{
    const result r = run("posenet-train --model gfla --task view --dry-run --size 64x64 --batch 1");
    exits(r, 0);
    says(r.out, "generator: 14341323 parameters\n");
}
END_TEST

START_TEST(a_batch_larger_than_the_list_and_people_in_place_of_objects_are_refused)
{
    explains(run(TRAIN_VIEWS " --data %s --out %s --batch 109", OBJECTS, world("no")), 2, "batch is 109, expected 1 to 108");
    explains(run(TRAIN_VIEWS " --data %s --out %s", PEOPLE, world("no")), 3, "has no list of views");
    ck_assert(!there(world("no")));
}
END_TEST

/* ---- Generating ----------------------------------------------------------------------------------------------------------- */

START_TEST(a_list_is_the_published_test_and_one_picture_is_the_same)
{
    const result r = run("posenet-generate --weights %s --data %s --out %s", WEIGHTS, OBJECTS, world("made"));
    exits(r, 0);
    says(r.out, "18 pictures in ");
    ck_assert_int_eq(count_files(world("made")), 18);
    exits(run("posenet-generate --weights %s --source %s --source-pose 0,0 --target-pose 220,0 --out %s --dump %s", WEIGHTS,
              view("box00000003_0_0"), world("one.png"), world("inside")),
          0);
    same_bytes(world("one.png"), world("made/box00000003_0_0_2_box00000003_22_0_vis.png"));
    static const char *const files[] = { "flow0.npy", "flow1.png", "mask0.png", "attention1_reads.png" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) ck_assert_msg(there(world("inside/%s", files[i])), "no %s", files[i]);
}
END_TEST

START_TEST(pairs_of_a_list_may_be_of_any_views_and_are_scored_beside_the_source)
{
    spill(world("turns.csv"), "from,to\nbox00000003_4_10,box00000003_6_10\nbox00000003_4_10,box00000003_4_20\n");
    const result r = run("posenet-generate --weights %s --data %s --pairs %s --out %s", WEIGHTS, OBJECTS, world("turns.csv"),
                         world("listed"));
    exits(r, 0);
    ck_assert_int_eq(count_files(world("listed")), 2);
    result e = run("posenet-evaluate --task view --generated %s --data %s --pairs %s --json %s", world("listed"), OBJECTS,
                   world("turns.csv"), world("listed.json"));
    exits(e, 0);
    says(e.out, "2 of 2 pairs, 64x32");
    says(e.out, "source copy");
    says(slurp(world("listed.json"), NULL), "\"to\":\t\"box00000003_4_20\"");
    e = run("posenet-evaluate --task view --generated %s --data %s", world("listed"), OBJECTS);
    explains(e, 3, "18 of 18 generated pictures are missing, the first ");
    copy_file(view("box00000003_6_10"), world("listed/box00000003_4_10_2_box00000003_6_10_vis.png"), 1 << 20);
    e = run("posenet-evaluate --task view --generated %s --data %s --pairs %s", world("listed"), OBJECTS, world("turns.csv"));
    explains(e, 0, ""); /* the truth itself is perfect, and psnr leaves it out */
    says(e.out, "note: psnr of 1 generated pictures is not finite");
}
END_TEST

START_TEST(mistakes_are_explained)
{
    static const struct { const char *from, *to, *says; } cases[] = {
        { "10,0", "0,0", "--source-pose is '10,0', expected an azimuth of 0, 20" },
        { "0,0", "359,0", "the nearest is 0,0" },
        { "0,0", "-40,35", "the nearest is 320,20" },
        { "0,0", "0", "expected AZIMUTH,ELEVATION in degrees" },
        { "0,0", "0,0,0", "expected AZIMUTH,ELEVATION in degrees" },
        { "0,0", "nan,0", "expected AZIMUTH,ELEVATION in degrees" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        explains(run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --out %s", WEIGHTS,
                     view("box00000003_0_0"), cases[i].from, cases[i].to, world("bad.png")),
                 2, cases[i].says);
    ck_assert(!there(world("bad.png")));
    spill(world("bad.csv"), "from,to\nbox00000003_4_10,box00000001_6_10\n");
    explains(run("posenet-generate --weights %s --data %s --pairs %s --out %s", WEIGHTS, OBJECTS, world("bad.csv"), world("bad")), 3,
             "bad.csv:2: 'box00000001_6_10' is no view of the list");
    spill(world("none.csv"), "from,to\n");
    explains(run("posenet-generate --weights %s --data %s --pairs %s --out %s", WEIGHTS, OBJECTS, world("none.csv"), world("bad")), 3,
             "none.csv");
    ck_assert(!there(world("bad")));
    explains(run("posenet-evaluate --task view --generated %s --data %s", world("nowhere"), OBJECTS), 1, "nowhere is no folder");
    explains(run("posenet-evaluate --task view --generated %s --data %s", OBJECTS, PEOPLE), 3, "has no list of views");
}
END_TEST

TCase *program_views_cases(void)
{
    TCase *tc = tcase_create("program_views");
    tcase_add_unchecked_fixture(tc, objects_make, NULL);
    tcase_add_test(tc, a_run_goes_through_both_stages_and_leaves_sheets);
    tcase_add_loop_test(tc, a_run_that_was_cut_goes_on_to_the_same_bits, 0, 3);
    tcase_add_test(tc, a_dry_run_counts_the_published_parameters);
    tcase_add_test(tc, a_batch_larger_than_the_list_and_people_in_place_of_objects_are_refused);
    tcase_add_test(tc, a_list_is_the_published_test_and_one_picture_is_the_same);
    tcase_add_test(tc, pairs_of_a_list_may_be_of_any_views_and_are_scored_beside_the_source);
    tcase_add_test(tc, mistakes_are_explained);
    return tc;
}
