/* tests/programs/test_clips.c - dances and faces as a user meets them: train, make all clips of the test, score them */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 6 clips to train on, and 2 to make, of which all frames but the first. */
enum { CLIPS = 8, TRAINED = 6, FRAMES = 6, MADE = FRAMES - 1 };
static const struct { const char *task, *true_frames; } kinds[] = {
    { "dance", "test_256/train_A" },
    { "face", "test_data" },
};
enum { DANCE, FACE, KINDS };

static const char *data_of(int kind) { return world("all_%ss", kinds[kind].task); }
static const char *true_frame(int kind, int clip, int t)
{
    return world("all_%ss/%s/%s%05d/%05d.png", kinds[kind].task, kinds[kind].true_frames, kinds[kind].task, clip, t);
}

static void clips_make(void)
{
    static bool furnished;
    world_make();
    for (int i = 0; i < KINDS && !furnished; i++) {
        exits(run("posenet-data synth --kind %s --out %s --people %d --views %d --size 64x64 --seed 2", kinds[i].task, data_of(i), CLIPS,
                  FRAMES), 0);
        exits(run("posenet-train --model gfla --task %s " NARROW " --data %s --out %s --size 64x64 --batch 1 --steps 1 --save-every 1 "
                  "--seed 1", kinds[i].task, data_of(i), world("%s_trained", kinds[i].task)), 0);
    }
    furnished = true;
}

static result animate(int kind, const char *out, const char *more)
{
    return run("posenet-animate --weights %s --data %s --out %s %s", world("%s_trained/checkpoints/step_0000001.safetensors", kinds[kind].task),
               data_of(kind), out, more);
}

static result evaluate(int kind, const char *made, const char *more)
{
    return run("posenet-evaluate --task %s --generated %s --data %s %s", kinds[kind].task, made, data_of(kind), more);
}

/* Each clip's first frame in place of every frame that is made. */
static const char *copies(int kind, const char *name)
{
    if (mkdir(world("%s", name), 0777)) ck_abort_msg("cannot make %s", name);
    for (int clip = TRAINED + 1; clip <= CLIPS; clip++) {
        mkdir(world("%s/%s%05d", name, kinds[kind].task, clip), 0777);
        for (int t = 1; t <= MADE; t++)
            copy_file(true_frame(kind, clip, 0), world("%s/%s%05d/frame_%06d.png", name, kinds[kind].task, clip, t), (size_t)-1);
    }
    return world("%s", name);
}

/* What stands after a row's name. */
static const char *row(const char *text, const char *name)
{
    char begin[80];
    snprintf(begin, sizeof begin, "\n%s ", name);
    const char *at = strstr(text, begin);
    if (!at) ck_abort_msg("no row %s in:\n%s", name, text);
    return at + strlen(begin);
}

static void same_row(const char *text, const char *a, const char *b, bool same)
{
    const char *x = row(text, a), *y = row(text, b);
    x += strspn(x, " ");
    y += strspn(y, " ");
    const size_t n = strcspn(x, "\n");
    ck_assert_msg((n == strcspn(y, "\n") && strncmp(x, y, n) == 0) == same, "rows %s and %s of:\n%s", a, b, text);
}

START_TEST(without_a_list_all_clips_of_the_test_are_made_and_scored)
{
    const char *made = world("of_split_%s", kinds[_i].task);
    result r = animate(_i, made, "");
    exits(r, 0);
    says(r.out, "10 frames of 2 clips in ");
    for (int clip = TRAINED + 1; clip <= CLIPS; clip++)
        ck_assert_int_eq(count_files(world("of_split_%s/%s%05d", kinds[_i].task, kinds[_i].task, clip)), MADE);
    r = evaluate(_i, made, "");
    exits(r, 0);
    says(r.out, "10 of 10 frames, 64x64, 10 png");
    same_row(r.out, "generated", "reference", false);
}
END_TEST

START_TEST(the_list_beside_the_dances_makes_the_same)
{
    const char *list = world("all_dances/test_list.csv");
    exits(animate(DANCE, world("without_list"), ""), 0);
    char pairs[300];
    snprintf(pairs, sizeof pairs, "--pairs %s", list);
    exits(animate(DANCE, world("by_list"), pairs), 0);
    for (int clip = TRAINED + 1; clip <= CLIPS; clip++)
        for (int t = 1; t <= MADE; t++)
            same_bytes(world("without_list/dance%05d/frame_%06d.png", clip, t), world("by_list/dance%05d/frame_%06d.png", clip, t));
    ck_assert_str_eq(evaluate(DANCE, world("by_list"), "").out, evaluate(DANCE, world("by_list"), pairs).out);
}
END_TEST

START_TEST(key_points_refer_to_what_the_data_set_says)
{
    char list[300];
    copy_folder(data_of(DANCE), world("dance_large"));
    spill(world("dance_large/dataset.ini"), "kp_size = 128x128\n");
    const char *weights = world("dance_trained/checkpoints/step_0000001.safetensors");
    exits(animate(DANCE, world("dance_asked"), "--kp-size 128x128"), 0);
    exits(animate(DANCE, world("dance_unasked"), ""), 0);
    snprintf(list, sizeof list, "--pairs %s", world("dance_large/test_list.csv"));
    for (int i = 0; i < 2; i++) {
        const char *out = world("dance_large%d", i);
        exits(run("posenet-animate --weights %s --data %s --out %s %s", weights, world("dance_large"), out, i ? list : ""), 0);
        same_bytes(world("dance_asked/dance00008/frame_000002.png"), world("dance_large%d/dance00008/frame_000002.png", i));
    }
    size_t a, b;
    const char *asked = slurp(world("dance_asked/dance00008/frame_000002.png"), &a), *unasked = slurp(world("dance_unasked/dance00008/frame_000002.png"), &b);
    ck_assert_msg(a != b || memcmp(asked, unasked, a) != 0, "the grid makes no difference");
}
END_TEST

START_TEST(weights_of_the_pose_task_dance_too)
{
    exits(run("posenet-animate --weights %s --data %s --out %s", world("run/checkpoints/step_%07d.safetensors", RUN_STEPS), data_of(DANCE),
              world("dance_posed")), 0);
    const result r = evaluate(DANCE, world("dance_posed"), "");
    exits(r, 0);
    says(r.out, "10 of 10 frames, 32x32");
}
END_TEST

START_TEST(copies_of_the_reference_score_as_the_baseline_and_truth_is_perfect)
{
    char folder[32];
    snprintf(folder, sizeof folder, "copied%d", _i);
    const char *made = copies(_i, folder), *json = world("%s.json", folder);
    result r = evaluate(_i, made, "");
    exits(r, 0);
    same_row(r.out, "generated", "reference", true);
    for (int t = 1; t <= MADE; t++)
        copy_file(true_frame(_i, CLIPS, t), world("%s/%s%05d/frame_%06d.png", folder, kinds[_i].task, CLIPS, t), (size_t)-1);
    r = run("posenet-evaluate --task %s --generated %s --data %s --json %s", kinds[_i].task, made, data_of(_i), json);
    exits(r, 0);
    says(r.out, "note: psnr of 5 generated pictures is not finite");
    char name[32];
    snprintf(name, sizeof name, "%s%05d", kinds[_i].task, CLIPS);
    says(row(r.out, name), "5     0.000000            -     1.000000     0.0");
    const char *text = slurp(json, NULL);
    says(text, "\"name\":\t\"");
    says(strstr(text, name), "\"frames\":\t5,");
    says(text, "/00001.png\"");
}
END_TEST

START_TEST(what_is_missing_is_counted_and_named)
{
    const char *made = copies(FACE, "face_holes");
    unlink(world("face_holes/face00008/frame_000003.png"));
    unlink(world("face_holes/face00008/frame_000005.png"));
    const result r = evaluate(FACE, made, "");
    explains(r, 3, "2 of 10 generated pictures are missing, the first ");
    says(r.err, "face_holes/face00008/frame_000003.{png,jpg}; these scores cover the rest alone");
    says(row(r.out, "face00008"), "  missing: 2 of 5, the first frame_000003\n");
    same_row(r.out, "generated", "reference", true);
}
END_TEST

static void list_of(const char *name, const char *second)
{
    static char text[2000];
    snprintf(text, sizeof text, "A_paths,B_paths_noise,B_paths_clean\n"
             "\"{'ref': ['./test_256/train_A/dance00007/00000.png'], 'gen': ['./test_256/train_A/dance00007/00001.png']}\","
             "\"{'ref': ['./test_256/train_alphapose/dance00007/00000.json'], 'gen': []}\","
             "\"{'ref': [], 'gen': ['./test_256/train_video2d/dance00007/00001.json']}\"\n"
             "\"{'ref': ['./test_256/train_A/dance00008/00000.png'], 'gen': [%s]}\","
             "\"{'ref': ['./test_256/train_alphapose/dance00008/00000.json'], 'gen': []}\","
             "\"{'ref': [], 'gen': ['./test_256/train_video2d/dance00009/00001.json']}\"\n", second);
    spill(world("%s", name), text);
}

START_TEST(a_list_that_names_what_is_not_there_is_refused)
{
    list_of("gone.csv", "'./test_256/train_A/dance00009/00001.png'");
    const char *made = copies(DANCE, "listed");
    const result r = run("posenet-evaluate --task dance --generated %s --data %s --pairs %s", made, data_of(DANCE), world("gone.csv"));
    explains(r, 3, "line 3 of the list: ");
    says(r.err, "test_256/train_A/dance00009/00001.png is not there; take the row out, or add its clip");
    explains(run("posenet-animate --weights %s --data %s --pairs %s --out %s", world("dance_trained/checkpoints/step_0000001.safetensors"),
                 data_of(DANCE), world("gone.csv"), world("ungone")), 1, "dance00009/00001.json: No such file");
    list_of("blind.csv", "");
    explains(run("posenet-evaluate --task dance --generated %s --data %s --pairs %s", made, data_of(DANCE), world("blind.csv")), 3,
             "line 3 of the list has no true frames to score beside; expected paths under 'gen' in A_paths");
    explains(run("posenet-evaluate --task face --generated %s --data %s", made, data_of(DANCE)), 3, "test_data is no folder");
    explains(run("posenet-evaluate --task dance --generated %s --data %s", world("nowhere"), data_of(DANCE)), 1, "nowhere is no folder");
    explains(animate(FACE, world("unmade"), "--video v.mp4"), 2, "--video is of one person");
    explains(run("posenet-animate --weights %s --data %s --out %s", world("face_trained/checkpoints/step_0000001.safetensors"), data_of(DANCE),
                 world("unmade")), 3, "test_data is no folder");
    ck_assert(!there(world("unmade")));
}
END_TEST

TCase *program_clips_cases(void)
{
    TCase *tc = tcase_create("program_clips");
    tcase_add_unchecked_fixture(tc, clips_make, NULL);
    tcase_add_loop_test(tc, without_a_list_all_clips_of_the_test_are_made_and_scored, 0, KINDS);
    tcase_add_test(tc, the_list_beside_the_dances_makes_the_same);
    tcase_add_test(tc, key_points_refer_to_what_the_data_set_says);
    tcase_add_test(tc, weights_of_the_pose_task_dance_too);
    tcase_add_loop_test(tc, copies_of_the_reference_score_as_the_baseline_and_truth_is_perfect, 0, KINDS);
    tcase_add_test(tc, what_is_missing_is_counted_and_named);
    tcase_add_test(tc, a_list_that_names_what_is_not_there_is_refused);
    return tc;
}
