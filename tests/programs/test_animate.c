/* tests/programs/test_animate.c - posenet-animate: frames in order, their video, what can go wrong
 *
 * No test needs ffmpeg: scripts stand in for it, one that keeps what it is given, and some that fail.
 */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"
#include "data/scratch.h"
#include "support/memory.h"
#include "posenet/clips.h"
#include "posenet/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char *weights(void) { return world("run/checkpoints/step_%07d.safetensors", RUN_STEPS); }

/* A folder of n poses, each a pixel further to the right, and the person: the first of the test pictures, too. */
static const char *walk(const char *name, int n)
{
    const char *folder = world("%s", name);
    if (mkdir(folder, 0777)) ck_abort_msg("cannot make %s", folder);
    for (int i = 0; i < n; i++) write_pose(world("%s/%012d_keypoints.json", name, i), i);
    if (there(world("me.json"))) return folder;
    char *pairs = slurp(world("people/fasion-resize-pairs-test.csv"), NULL);
    strtok(pairs, ",\n");
    strtok(NULL, ",\n");
    copy_file(world("people/test/%s", strtok(NULL, ",\n")), world("me.jpg"), (size_t)-1);
    write_pose(world("me.json"), 0);
    return folder;
}

static result animate(const char *poses, const char *out, const char *more)
{
    return run("posenet-animate --weights %s --source %s --source-pose %s --poses %s --out %s %s", weights(), world("me.jpg"),
               world("me.json"), poses, out, more);
}

static const char *frame(const char *out, int i) { return world("%s/frame_%06d.png", out, i); }

START_TEST(every_frame_is_what_generate_makes_of_its_pose)
{
    const result r = animate(walk("walk", 4), world("walked"), "--threads 2");
    exits(r, 0);
    says(r.out, "4 frames in ");
    ck_assert_int_eq(count_files(world("walked")), 4);
    for (int i = 0; i < 4; i++) {
        exits(run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --out %s --threads 1", weights(),
                  world("me.jpg"), world("me.json"), world("walk/%012d_keypoints.json", i), world("alone.png")), 0);
        same_bytes(world("alone.png"), frame("walked", i + 1));
    }
}
END_TEST

START_TEST(a_dump_shows_what_every_frame_read)
{
    char more[400];
    snprintf(more, sizeof more, "--dump %s --point 4,20", world("inside"));
    exits(animate(walk("looking", 2), world("looked"), more), 0);
    exits(run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --out %s --dump %s --point 4,20", weights(),
              world("me.jpg"), world("me.json"), world("looking/%012d_keypoints.json", 1), world("alone.png"), world("alone")), 0);
    static const char *const files[] = { "flow1.npy", "flow1.png", "attention1_reads.png", "mask0.png" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        same_bytes(world("alone/%s", files[i]), world("inside/frame_000002_%s", files[i]));
    explains(animate(world("looking"), world("no"), "--point 4,20"), 2, "--point is of --dump");
    snprintf(more, sizeof more, "--dump %s --point 4,99", world("no"));
    explains(animate(world("looking"), world("no"), more), 2, "--point 4,99 lies outside the result");
    ck_assert(!there(world("no")));
}
END_TEST

START_TEST(a_list_gives_the_same_frames_as_its_folder)
{
    const char *folder = walk("steps", 3);
    exits(run("posenet-data keypoints %s --out %s", folder, world("steps.csv")), 0);
    exits(animate(folder, world("of_folder"), ""), 0);
    exits(animate(world("steps.csv"), world("of_list"), ""), 0);
    for (int i = 1; i <= 3; i++) same_bytes(frame("of_folder", i), frame("of_list", i));
}
END_TEST

START_TEST(where_nobody_was_found_the_pose_before_stays)
{
    const char *folder = walk("unseen", 3);
    spill(world("unseen/%012d_keypoints.json", 1), "{\"people\":[]}");
    const result r = animate(folder, world("bridged"), "");
    exits(r, 0);
    says(r.err, "warning: ");
    says(r.err, "unseen: 000000000001_keypoints.json has no key point; the pose before it stays");
    same_bytes(frame("bridged", 1), frame("bridged", 2));
    spill(world("unseen/%012d_keypoints.json", 0), "{\"people\":[]}");
    explains(animate(folder, world("nobody"), ""), 3,
             "unseen: 000000000000_keypoints.json has no key point, and no pose comes before it; leave it out");
}
END_TEST

/* Two clips of a synthetic dance, written elsewhere; the weights are of the pose task, so OpenPose's points drive. */
START_TEST(a_list_makes_a_folder_of_frames_for_each_clip)
{
    enum { FRAMES = 3 };
    exits(run("posenet-data synth --kind dance --out %s --people 3 --views 6 --size 64x48 --seed 2", world("dances")), 0);
    char text[4000] = "A_paths,B_paths_noise,B_paths_clean\n";
    static const char *const kinds[] = { "train_A", "train_alphapose", "train_video2d" };
    for (int row = 0; row < 3; row++)                   /* a clip of its own, another's reference, the first once more */
        for (int c = 0; c < 3; c++) {
            size_t n = strlen(text);
            const char *ending = c ? "json" : "png", *split = row == 1 ? "train" : "test";
            n += (size_t)snprintf(text + n, sizeof text - n, "\"{'ref': ['/data/fashion/%s_256/%s/dance%05d/00000.%s'], 'gen': [", split,
                                  kinds[c], row == 1 ? 1 : 3, ending);
            for (int f = 0; f < FRAMES; f++)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s'/data/fashion/test_256/%s/dance00003/%05d.%s'", f ? ", " : "", kinds[c],
                                      f + 1, ending);
            snprintf(text + n, sizeof text - n, "]}\"%s", c < 2 ? "," : "\n");
        }
    spill(world("dances/test_list.csv"), text);
    const result r = run("posenet-animate --weights %s --data %s --pairs %s --out %s", weights(), world("dances"),
                         world("dances/test_list.csv"), world("danced"));
    exits(r, 0);
    says(r.out, "9 frames of 3 clips in ");
    static const char *const made[] = { "dance00003", "dance00001_2_dance00003", "dance00003_4" };
    for (int i = 0; i < 3; i++) ck_assert_int_eq(count_files(world("danced/%s", made[i])), FRAMES);
    same_bytes(world("danced/dance00003/frame_000002.png"), world("danced/dance00003_4/frame_000002.png"));
    exits(run("posenet-generate --weights %s --source %s --source-pose %s --target-pose %s --out %s", weights(),
              world("dances/train_256/train_A/dance00001/00000.png"), world("dances/train_256/train_alphapose/dance00001/00000.json"),
              world("dances/test_256/train_alphapose/dance00003/00003.json"), world("alone.png")), 0);
    same_bytes(world("alone.png"), world("danced/dance00001_2_dance00003/frame_000003.png"));
}
END_TEST

/* ---- Frames made from the frame before --------------------------------------------------------------------------- */

static const char *trained(const char *task, const char *kind)
{
    exits(run("posenet-data synth --kind %s --out %s --people 3 --views 6 --size 64x64 --seed 2", kind, world("%ss", task)), 0);
    exits(run("posenet-train --model gfla --task %s " NARROW " --data %s --out %s --size 64x64 --batch 1 --steps 1 --save-every 1 --seed 1",
              task, world("%ss", task), world("%s_run", task)), 0);
    return world("%s_run/checkpoints/step_0000001.safetensors", task);
}

/* The library's own loop, whose structures come from the data set. */
enum { PIXELS = 3 * 64 * 64, STRUCTURE = PN_DANCE_CHANNELS * 64 * 64 };
typedef struct { pn_real source[PIXELS], made[PIXELS], reference[STRUCTURE], driving[STRUCTURE]; } arrays;

static void load(const pn_clips *c, int t, pn_frame_role role, pn_real *picture, pn_real *structure)
{
    static float values[PIXELS], maps[STRUCTURE];
    assert_works(pn_clips_frame(c, 0, t, role, 64, 64, values, maps, NULL));
    for (int i = 0; i < PIXELS; i++) picture[i] = values[i];
    for (int i = 0; i < STRUCTURE; i++) structure[i] = maps[i];
}

static void same_frame(const char *path, const pn_real *made)
{
    static float values[PIXELS];
    pn_image expected, image;
    for (int i = 0; i < PIXELS; i++) values[i] = (float)made[i];
    assert_works(pn_image_new(scratch_ctx(), 64, 64, 3, &expected));
    pn_image_from_floats(values, &expected);
    assert_works(pn_image_read(scratch_ctx(), path, &image));
    ck_assert_msg(memcmp(image.pixels, expected.pixels, PIXELS) == 0, "%s differs", path);
    pn_image_free(scratch_ctx(), &image);
    pn_image_free(scratch_ctx(), &expected);
}

/* Clip 0 of the split test, its frames from `from` on, as the library makes them: those in `folder` are the same. */
static void by_hand(const char *file, const char *data, pn_clips_kind kind, int from, int frames, const char *folder)
{
    static arrays a;
    pn_ctx *ctx = scratch_ctx();
    pn_clips *c = pn_clips_open(ctx, data, "test", &(pn_clips_opt){ .kind = kind });
    pn_weights *w = pn_weights_open(ctx, file);
    pn_model *m = pn_model_new(ctx, &(pn_model_opt){ .weights = w });
    assert_works(pn_model_load(m, w));
    pn_generation *gen = pn_generation_new(m, 1, 64, 64);
    for (int t = 0; t < frames; t++) {
        load(c, from + t, PN_DRIVING, a.source, a.driving);
        load(c, 0, PN_REFERENCE, a.source, a.reference);
        assert_works(pn_generation_run(gen, &(pn_model_input){ .source = a.source, .pose_source = a.reference, .pose_target = a.driving,
                                                               .begins = t == 0 }, a.made));
        same_frame(frame(folder, t + 1), a.made);
    }
    pn_generation_free(gen);
    pn_model_free(m);
    pn_weights_free(w);
    pn_clips_free(c);
}

START_TEST(a_dance_is_what_the_library_makes_frame_after_frame)
{
    enum { FRAMES = 6 };
    const char *file = trained("dance", "dance"), *test = world("dances/test_256");
    exits(run("posenet-animate --weights %s --source %s/train_A/dance00003/00000.png --source-pose %s/train_alphapose/dance00003/00000.json "
              "--poses %s/train_video2d/dance00003 --out %s", file, test, test, test, world("dancing")), 0);
    ck_assert_int_eq(count_files(world("dancing")), FRAMES);
    by_hand(file, world("dances"), PN_CLIPS_DANCE, 0, FRAMES, "dancing");
    exits(run("posenet-animate --weights %s --source %s/train_A/dance00003/00000.png --source-pose %s/train_alphapose/dance00003/00000.json "
              "--poses %s/train_alphapose/dance00003 --out %s", file, test, test, test, world("openpose")), 0);
    ck_assert_int_eq(count_files(world("openpose")), FRAMES);
    explains(run("posenet-generate --weights %s --data %s --out %s", file, PEOPLE, world("none")), 2,
             "holds weights of the task dance, which does not read pairs of pictures; posenet-animate makes its frames");
}
END_TEST

START_TEST(a_face_follows_landmarks_from_the_frame_before)
{
    const char *file = trained("face", "face"), *picture = world("faces/test_data/face00003/00000.png");
    const char *marks = world("faces/test_keypoints/face00003");
    exits(run("posenet-animate --weights %s --source %s --source-pose %s/00000.txt --poses %s --out %s", file, picture, marks, marks,
              world("talking")), 0);
    ck_assert_int_eq(count_files(world("talking")), 6);
    mkdir(world("second"), 0777);
    copy_file(world("faces/test_keypoints/face00003/00001.txt"), world("second/00001.txt"), (size_t)-1);
    exits(run("posenet-animate --weights %s --source %s --source-pose %s/00000.txt --poses %s --out %s", file, picture, marks,
              world("second"), world("at_once")), 0);
    size_t a, b;
    const char *after = slurp(frame("talking", 2), &a), *alone = slurp(frame("at_once", 1), &b);
    ck_assert_msg(a != b || memcmp(after, alone, a) != 0, "the frame before makes no difference");
    exits(run("posenet-animate --weights %s --source %s --source-pose %s/00000.txt --poses %s --frames %s --out %s", file, picture, marks,
              marks, world("faces/test_data/face00003"), world("shown")), 0);
    by_hand(file, world("faces"), PN_CLIPS_FACE, 0, 6, "shown");
    exits(run("posenet-animate --weights %s --data %s --out %s", file, world("faces"), world("all_faces")), 0);
    by_hand(file, world("faces"), PN_CLIPS_FACE, 1, 5, "all_faces/face00003");
    explains(run("posenet-animate --weights %s --source %s --source-pose %s/00000.txt --poses %s --frames %s --out %s", file, picture, marks,
                 marks, world("nowhere"), world("faceless")),
             1, "nowhere/00000.jpg: No such file");
    explains(run("posenet-animate --weights %s --source %s --source-pose %s/00000.txt --poses %s --out %s", file, picture, marks,
                 walk("no_face", 1), world("faceless")),
             3, "no_face holds key points of a body, and landmarks of a face are asked for");
    explains(run("posenet-animate --weights %s --source %s --source-pose %s --poses %s --out %s", file, picture, world("me.json"), marks,
                 world("faceless")),
             3, "me.json:1: '{");
}
END_TEST

/* ---- Video --------------------------------------------------------------------------------------------------------- */

/* A script in a folder of its own that is all there is to find; the shell names its commands in full. */
static void stand_in(const char *name, const char *script)
{
    if (mkdir(world("%s", name), 0777)) ck_abort_msg("cannot make %s", name);
    if (script) {
        spill(world("%s/ffmpeg", name), script);
        chmod(world("%s/ffmpeg", name), 0755);
    }
    setenv("PATH", world("%s", name), 1);
}

static const char keeps[] = "#!/bin/sh\nfor last; do :; done\necho \"$@\" > \"${last#file:}.said\"\n/bin/cat > \"${last#file:}\"\n";

START_TEST(ffmpeg_is_given_every_frame)
{
    const char *folder = walk("filmed", 5);
    size_t size;
    stand_in("kept", keeps);
    exits(run("posenet-animate --weights %s --source %s --source-pose %s --poses %s --out %s --video %s --fps 24", weights(),
              world("me.jpg"), world("me.json"), folder, world("film"), world("film.mp4")), 0);
    const char *bytes = slurp(world("film.mp4"), &size);
    ck_assert_uint_eq(size, 5 * 3 * 32 * 32);
    pn_image last;
    assert_works(pn_image_read(scratch_ctx(), frame("film", 5), &last));
    ck_assert_int_eq(memcmp(bytes + 4 * 3 * 32 * 32, last.pixels, 3 * 32 * 32), 0);
    pn_image_free(scratch_ctx(), &last);
    const char *said = slurp(world("film.mp4.part.said"), NULL);
    says(said, "-f rawvideo -pix_fmt rgb24 -s 32x32 -r 24 -i pipe:0 ");
    says(said, "-f mp4 file:");
    ck_assert(!there(world("film.mp4.part")));
}
END_TEST

static const struct { const char *name, *script, *message; } failures[] = {
    { "absent", NULL, "the program ffmpeg was not found; install it (Debian: apt-get install ffmpeg)" },
    { "refuses", "#!/bin/sh\nexit 3\n", "ffmpeg failed with exit status 3; its own message stands above" },
    { "dies", "#!/bin/sh\nkill -9 $$\n", "ffmpeg was ended by signal 9" },
    { "writes_nothing", "#!/bin/sh\n/bin/cat > /dev/null\n", ".part cannot be renamed to " },
    { "leaves", "#!/bin/sh\nexit 0\n", NULL },          /* a broken pipe, or nothing to rename: which came first */
};

START_TEST(without_a_video_the_frames_are_there)
{
    char name[32];
    snprintf(name, sizeof name, "unfilmed%d", _i);
    const char *folder = walk(name, 40), *film = world("old.mp4");
    spill(film, "an older one");
    stand_in(failures[_i].name, failures[_i].script);
    const result r = run("posenet-animate --weights %s --source %s --source-pose %s --poses %s --out %s --video %s --quiet", weights(),
                         world("me.jpg"), world("me.json"), folder, world("frames"), film);
    exits(r, 1);
    says(r.out, "40 frames in ");
    says(r.err, "old.mp4 was not made: ");
    if (failures[_i].message) says(r.err, failures[_i].message);
    says(r.err, "from the frames: ffmpeg -framerate 15 -i ");
    ck_assert_int_eq(count_files(world("frames")), 40);
    ck_assert_str_eq(slurp(film, NULL), "an older one");
    ck_assert(!there(world("old.mp4.part")));
}
END_TEST

START_TEST(a_run_that_stops_leaves_no_half_video)
{
    const char *folder = walk("broken", 6);
    spill(world("broken/%012d_keypoints.json", 4), "{\"people\":");
    stand_in("half", keeps);
    explains(run("posenet-animate --weights %s --source %s --source-pose %s --poses %s --out %s --video %s", weights(), world("me.jpg"),
                 world("me.json"), folder, world("half_frames"), world("half.mp4")),
             3, "broken/000000000004_keypoints.json: not JSON");
    ck_assert_int_eq(count_files(world("half_frames")), 4);
    ck_assert(!there(world("half.mp4")) && !there(world("half.mp4.part")));
}
END_TEST

/* ---- Memory, mistakes ------------------------------------------------------------------------------------------------ */

/* The largest child so far: a few frames first, then very many. */
static long peak_kib(void)
{
    struct rusage use;
    getrusage(RUSAGE_CHILDREN, &use);
    return use.ru_maxrss;
}

START_TEST(memory_stays_flat_over_hundreds_of_frames)
{
    const char *few = walk("few", 10), *many = walk("many", 200);
    exits(animate(few, world("few_frames"), "--threads 1"), 0);
    const long before = peak_kib();
    exits(animate(many, world("many_frames"), "--threads 1"), 0);
    ck_assert_int_eq(count_files(world("many_frames")), 200);
    if (peak_kib() > before + 1024 && !pn_test_sanitized()) /* a sanitizer keeps what was freed */
        ck_abort_msg("10 frames took %ld KiB, 200 frames %ld KiB", before, peak_kib());
}
END_TEST

START_TEST(every_mistake_is_named)
{
    const char *poses = walk("right", 1), *none = world("none");
    explains(run("posenet-animate --out x"), 2, "--weights is missing: the model's file");
    explains(run("posenet-animate --weights w --source s --source-pose p --out x"), 2, "--poses is missing: a folder of JSON files, or a CSV");
    explains(run("posenet-animate --pose x"), 2, "unknown option --pose; did you mean --poses?");
    explains(animate(poses, none, "--data d --pairs p"), 2, "--data and --source exclude each other: a list, or one person");
    explains(run("posenet-animate --weights w --out x --pairs p"), 2, "--data is missing: the folder that the list belongs to");
    explains(run("posenet-animate --weights w --out x --data d --pairs p --video v.mp4"), 2, "--video is of one person");
    explains(run("posenet-animate --weights w --out x --data d --frames f"), 2, "--frames is of one person; a list knows its own");
    explains(run("posenet-animate --weights w --out x --data d --pairs nowhere.csv"), 3, "nowhere.csv: No such file");
    explains(animate(poses, none, "--video a.avi"), 2, "--video is 'a.avi', expected a name that ends in .mp4");
    explains(animate(poses, none, "--fps 1000"), 2, "--fps is 1000, expected at most 240");
    explains(animate(poses, none, "--size 33x32"), 2, "the size is 33x32, but gfla needs sides that are multiples of 32");
    explains(animate(poses, none, "--source nobody.jpg"), 1, "cannot open nobody.jpg: No such file");
    explains(animate(poses, none, "--source-pose me.txt"), 2, "key points 'me.txt': expected file.json or file.csv:image-name");
    explains(animate(world("nowhere"), none, ""), 2, "nowhere': expected a folder of .json files, or an annotation file.csv");
    explains(animate(world("me.json"), none, ""), 2, "me.json': expected a folder of .json files, or an annotation file.csv; posenet-data "
                                                     "keypoints makes one");
    explains(animate(world("nowhere.csv"), none, ""), 1, "nowhere.csv: No such file");
    explains(animate(world("run/samples"), none, ""), 3, "run/samples holds no .json file of key points, and no .txt file of landmarks; expected one for each frame");
    spill(world("bad.csv"), "name:keypoints_y:keypoints_x\na.jpg: [1, 2]: [3, 4]\n");
    explains(animate(world("bad.csv"), none, ""), 3, "bad.csv:2: keypoints_y has 2 points, expected 18");
    ck_assert(!there(none));
}
END_TEST

TCase *animate_cases(void)
{
    TCase *tc = tcase_create("animate");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_test(tc, every_frame_is_what_generate_makes_of_its_pose);
    tcase_add_test(tc, a_dump_shows_what_every_frame_read);
    tcase_add_test(tc, a_list_gives_the_same_frames_as_its_folder);
    tcase_add_test(tc, where_nobody_was_found_the_pose_before_stays);
    tcase_add_test(tc, a_list_makes_a_folder_of_frames_for_each_clip);
    tcase_add_test(tc, a_dance_is_what_the_library_makes_frame_after_frame);
    tcase_add_test(tc, a_face_follows_landmarks_from_the_frame_before);
    tcase_add_test(tc, ffmpeg_is_given_every_frame);
    tcase_add_loop_test(tc, without_a_video_the_frames_are_there, 0, sizeof failures / sizeof *failures);
    tcase_add_test(tc, a_run_that_stops_leaves_no_half_video);
    tcase_add_test(tc, memory_stays_flat_over_hundreds_of_frames);
    tcase_add_test(tc, every_mistake_is_named);
    return tc;
}
