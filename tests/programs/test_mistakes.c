/* tests/programs/test_mistakes.c - what can go wrong, and what the programs say then: file, value, remedy */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *weights(void) { return world("run/checkpoints/step_%07d.safetensors", RUN_STEPS); }

/* ---- Command lines ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *more;
    int code;
    const char *message;
} lines[] = {
    { "--size 256x176", 2,
      "the size is 256x176, but gfla needs sides that are multiples of 32; the nearest are 256x160 and 256x192" },
    { "--size 12", 2, "--size is '12', expected HEIGHTxWIDTH in pixels, like 256x192" },
    { "--steps 0", 2, "--steps is '0', expected a whole number from 1" },
    { "--steps 1e3", 2, "--steps is '1e3', expected a whole number from 1" },
    { "--batch -3", 2, "--batch is '-3', expected a whole number from 1" },
    { "--batch 1000", 2, "a batch of 1000 is more than the " },
    { "--lr 0", 2, "--lr is '0', expected a number above 0" },
    { "--lr nan", 2, "--lr is 'nan', expected a number above 0" },
    { "--threads 1000", 2, "--threads is 1000, expected at most 256" },
    { "--stepps 5", 2, "unknown option --stepps; did you mean --steps?" },
    { "--dry-run=yes", 2, "--dry-run takes no value" },
    { "--steps", 2, "--steps needs a value" },
    { "folder", 2, "'folder' is not expected here; options begin with --" },
    { "--set lambda_stile=3", 2, "gfla has no option 'lambda_stile'; did you mean 'lambda_style'?" },
    { "--set base", 2, "--set 'base' has no '=', expected key=value" },
    { "--set base=0", 2, "the option base=0 is not a whole number from 1 to 1024" },
    { "--set lr=-1", 2, "lr -1" },
    { "--set attention=2=4", 2, "the option attention=2=4 is not a list of level=kernel" },
    { "--model gafl", 2, "there is no model 'gafl', expected one of gfla" },
    { "--preset huge", 2, "gfla has no preset 'huge', expected full, small or tiny" },
    { "--task walk", 2, "there is no task 'walk', expected one of pose" },
    { "--stage flaw", 2, "--stage is 'flaw', expected one of auto, flow, full" },
    { "--augment some", 2, "--augment is 'some', expected none or market" },
    { "--init nowhere", 1, "cannot open nowhere: No such file" },
    { "--vgg19 nowhere", 1, "cannot open nowhere: No such file" },
    { "--data nowhere", 3, "nowhere is no folder" },
    { "--config nowhere", 2, "--config nowhere: cannot be read: No such file" },
};

START_TEST(a_wrong_line_is_explained_before_anything_is_written)
{
    const char *out = world("wrong%d", _i);
    const result r = run(TRAIN " --threads 1 --data %s --out %s %s", PEOPLE, out, lines[_i].more);
    explains(r, lines[_i].code, lines[_i].message);
    says(r.err, "posenet-train: ");
    ck_assert(!there(out));
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    explains(run("posenet-train --data %s --out %s", PEOPLE, world("no")), 2, "--model is missing, as in --model gfla");
    explains(run("posenet-train --model gfla --out %s", world("no")), 2,
             "--data is missing: the folder of the data set");
    explains(run("posenet-train --model gfla --data %s", PEOPLE), 2, "--out is missing: the folder this run writes to");
    explains(run("posenet-train --resume"), 2, "--resume needs --out RUN");
    explains(run("posenet-generate --out x.png"), 2, "--weights is missing");
    explains(run("posenet-generate --weights %s --out x.png", weights()), 2, "neither --source nor --data was given");
    explains(run("posenet-generate --weights %s --out x.png --source a.jpg", weights()), 2,
             "--source needs --source-pose and --target-pose");
    explains(run("posenet-evaluate --data %s", PEOPLE), 2, "--generated is missing");
    explains(run("posenet-data synthesise"), 2, "'synthesise' is none of its verbs");
    explains(run("posenet-data synth --out %s --people 0", world("no")), 2,
             "--people is '0', expected a whole number from 1");
    explains(run("posenet-data synth --out %s --size 16x16", world("no")), 2, "16x16");
    explains(run("posenet-data synth --out %s --kind swim", world("no")), 2,
             "--kind is 'swim', expected pose, dance, face or view");
    explains(run("posenet-data synth --out %s --kind view --views 6", world("no")), 2, "views is 6, expected 54 or more");
    explains(run("posenet-data synth --out %s --kind dance --flow", world("no")), 2, "--flow is of --kind pose");
    explains(run("posenet-data synth --out %s --kind face --white", world("no")), 2, "--white is of --kind pose and dance, not of face");
    explains(run("posenet-data synth --out %s --kind view --matched", world("no")), 2,
             "--matched is of --kind pose and dance, not of view");
    explains(run("posenet-data mistakes --out %s .", world("no")), 2, "--share is missing, expected a number above 0 and at most 1");
    explains(run("posenet-data mistakes --share 1.5 --out %s .", world("no")), 2, "--share is too large");
    explains(run("posenet-data mistakes --share 0.5 --out %s", world("no")), 2, "expected one folder of label maps");
    explains(run("posenet-data mistakes --share 0.5 --out %s /nowhere", world("no")), 3, "/nowhere");
    ck_assert(!there(world("no")));
}
END_TEST

START_TEST(help_and_version_are_results)
{
    static const char *const programs[] = { "posenet-train", "posenet-generate", "posenet-evaluate", "posenet-data",
                                            "posenet-data synth", "posenet-inpaint", "posenet-convert",
                                            "posenet-animate" };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        const result r = run("%s --help", programs[i]);
        exits(r, 0);
        says(r.out, "Exit status: 0 ok, 1 failed, 2 usage, 3 bad data");
        ck_assert_str_eq(r.err, "");
        says(run("%s --version", programs[i]).out, " 0.");
    }
}
END_TEST

START_TEST(a_configuration_file_is_blamed_by_line)
{
    spill(world("bad1.ini"), "# a comment\nsteps = 5\nbatsh = 2\n");
    spill(world("bad2.ini"), "steps = five\n");
    spill(world("bad3.ini"), "\nsteps\n");
    explains(run(TRAIN " --config %s", world("bad1.ini")), 2,
             "bad1.ini:3: there is no option 'batsh'; did you mean 'batch'?");
    const result r = run(TRAIN " --config %s", world("bad2.ini"));
    explains(r, 2, "--steps is 'five', expected a whole number from 1");
    says(r.err, "that was said in ");
    says(r.err, "bad2.ini:1\n");
    explains(run(TRAIN " --config %s", world("bad3.ini")), 2, "bad3.ini:2: 'steps', expected name = value");
}
END_TEST

/* ---- Data ------------------------------------------------------------------------------------------------------- */

static const char *people_copy(const char *name)
{
    copy_folder(PEOPLE, world("%s", name));
    return world("%s", name);
}

/* The source of a data set's first training pair. */
static const char *first_name(void)
{
    char *text = slurp(world("people/fasion-resize-pairs-train.csv"), NULL);
    strtok(text, "\n");
    return strtok(NULL, ",\n");
}

START_TEST(a_row_of_17_key_points_is_named_by_line)
{
    const char *data = people_copy("points");
    const char *csv = world("points/fasion-resize-annotation-train.csv");
    char *text = slurp(csv, NULL), *list = strchr(strchr(strchr(text, '\n') + 1, '\n') + 1, '[');
    memmove(list + 1, strchr(list, ',') + 2, strlen(strchr(list, ',') + 2) + 1); /* line 3, one y less */
    spill(csv, text);
    const char *message = "points/fasion-resize-annotation-train.csv:3: keypoints_y has 17 points, expected 18";
    explains(run(TRAIN " --data %s --out %s", data, world("points-run")), 3, message);
    ck_assert(!there(world("points-run")));
    explains(run("posenet-generate --weights %s --data %s --out %s", weights(), data, world("points-out")), 3, message);
    const result r = run("posenet-data check %s", data);
    exits(r, 3);
    says(r.out, message);
}
END_TEST

START_TEST(a_truncated_picture_is_named_and_the_run_ends_as_bad_data)
{
    const char *data = people_copy("cut"), *picture = world("cut/train/%s", first_name());
    copy_file(world("people/train/%s", first_name()), picture, 700);
    const result r = run(TRAIN " --data %s --out %s --steps 60 --stage flow", data, world("cut-run"));
    explains(r, 3, first_name());
    says(r.err, ": not a readable JPEG: ");
    says(r.err, "; fetch or make the file again");
    const result c = run("posenet-data check %s", data);
    exits(c, 3);
    says(c.out, first_name());
    says(c.out, "not a readable JPEG");
}
END_TEST

START_TEST(a_pair_without_a_picture_is_skipped_counted_and_reported)
{
    const char *data = people_copy("gap");
    unlink(world("gap/train/%s", first_name()));
    const result r = run(TRAIN " --data %s --out %s --steps 1 --stage flow", data, world("gap-run"));
    explains(r, 0, "warning: ");
    says(r.err, "fasion-resize-pairs-train.csv:2: ");
    says(r.err, " has no picture in any folder of the data set; such pairs are skipped");
    says(r.err, " pairs, 4 skipped"); /* to and from each of its two other views */
    const result c = run("posenet-data check %s", data);
    exits(c, 3);
    says(c.out, "has no picture");
}
END_TEST

START_TEST(a_label_map_of_another_size_is_found)
{
    const char *data = people_copy("labels");
    char name[256];
    snprintf(name, sizeof name, "%s", first_name());
    strcpy(strrchr(name, '.'), ".png");
    exits(run("posenet-data synth --out %s --people 2 --views 2 --size 96x64", world("other")), 0);
    char *pairs = slurp(world("other/fasion-resize-pairs-train.csv"), NULL);
    strtok(pairs, "\n");
    char *other = strtok(NULL, ",");
    strcpy(strrchr(other, '.'), ".png");
    copy_file(world("other/train_lip20/%s", other), world("labels/train_lip20/%s", name), (size_t)-1);
    const result c = run("posenet-data check %s", data);
    exits(c, 3);
    says(c.out, name);
    says(c.out, ": the label map is 96x64, its picture 64x48; bring it to the picture's size by nearest neighbour");
}
END_TEST

START_TEST(a_folder_with_nothing_in_it_is_no_data_set)
{
    mkdir(world("empty"), 0777);
    const char *message = "empty has no annotation file; looked for ";
    explains(run(TRAIN " --data %s --out %s", world("empty"), world("empty-run")), 3, message);
    explains(run("posenet-generate --weights %s --data %s --out %s", weights(), world("empty"), world("empty-out")), 3,
             message);
    explains(run("posenet-evaluate --generated %s --data %s", PEOPLE, world("empty")), 3, message);
    explains(run("posenet-data check %s", world("empty")), 3, message);
    ck_assert(!there(world("empty-run")) && !there(world("empty-out")));
}
END_TEST

/* ---- Weights ---------------------------------------------------------------------------------------------------- */

START_TEST(weights_of_another_width_are_compared)
{
    const result r = run("posenet-generate --weights %s --set cap=32 --data %s --out %s", weights(), PEOPLE,
                         world("unfit"));
    explains(r, 3,
             "step_0000010.safetensors does not fit this network, 29 differences; "
             "source.encoder1.model.2.weight is [16,16,4,4], expected [32,16,4,4]; "
             "source.encoder1.model.2.bias is [16], expected [32]; "
             "source.encoder1.model.3.weight is [16], expected [32]; "
             "name the model, preset and options it was made with");
    ck_assert(!there(world("unfit")));
}
END_TEST

START_TEST(a_file_that_holds_no_weights_is_refused)
{
    spill(world("text.safetensors"), "these are no weights, but a text that is long enough to be looked at");
    copy_file(weights(), world("half.safetensors"), 100000);
    const char *const files[] = { "text", "half" };
    for (int i = 0; i < 2; i++) {
        explains(run("posenet-generate --weights %s --data %s --out %s", world("%s.safetensors", files[i]), PEOPLE,
                     world("w")),
                 3, files[i]);
        explains(run(TRAIN " --init %s --data %s --out %s", world("%s.safetensors", files[i]), PEOPLE, world("w")), 3,
                 files[i]);
    }
    explains(run("posenet-generate --weights %s --data %s --out %s", world("text.safetensors"), PEOPLE, world("w")), 3,
             "not a safetensors file, or cut off");
    ck_assert(!there(world("w")));
}
END_TEST

static result show(const char *source, const char *target)
{
    char *pairs = slurp(world("people/fasion-resize-pairs-test.csv"), NULL);
    strtok(pairs, "\n");
    const char *name = strtok(NULL, ",");
    return run("posenet-generate --weights %s --source %s --source-pose %s:%s --target-pose %s --out %s", weights(),
               source ? source : world("people/test/%s", name), world("people/fasion-resize-annotation-test.csv"), name,
               target, world("target.png"));
}

START_TEST(key_points_and_pictures_that_cannot_be_read_are_named)
{
    spill(world("odd.json"), "{ \"people\": [");
    explains(show(NULL, world("gone.json")), 1, "gone.json: No such file");
    explains(show(NULL, world("odd.json")), 3, "odd.json");
    explains(show(NULL, world("people/fasion-resize-annotation-test.csv:nobody.jpg")), 3,
             "has no row for 'nobody.jpg' among its ");
    explains(show(NULL, "pose"), 2, "key points 'pose': expected file.json or file.csv:image-name");
    explains(show(world("odd.json"), world("odd.json")), 3, "odd.json: neither a PNG nor a JPEG");
    explains(show("gone.jpg", world("odd.json")), 1, "cannot open gone.jpg: No such file");
    ck_assert(!there(world("target.png")));
}
END_TEST

/* ---- What fails on the way -------------------------------------------------------------------------------------- */

START_TEST(a_full_disk_loses_nothing)
{
    result r = run_in_room(200000, TRAIN " --data %s --out %s --steps 3 --stage flow", PEOPLE, world("full"));
    explains(r, 1, "cannot write ");
    says(r.err, "full/checkpoints/step_0000003.safetensors: File too large");
    says(r.err, "there is no checkpoint yet");
    ck_assert_int_eq(count_files(world("full/checkpoints")), 0); /* nor half of one */
    copy_folder(RUN, world("fuller"));
    r = run_in_room(200000, "posenet-train --resume --out %s --steps 12", world("fuller"));
    explains(r, 1, "the latest checkpoint is ");
    says(r.err, "step_0000010.safetensors");
    ck_assert_int_eq(count_files(world("fuller/checkpoints")), RUN_STEPS / 2);
    same_bytes(world("fuller/checkpoints/step_0000010.safetensors"), weights());
    exits(run("posenet-train --resume --out %s", world("fuller")), 0); /* --steps 12 is in its configuration now */
    ck_assert(there(world("fuller/checkpoints/step_0000012.safetensors")));
    r = run_in_room(200, "posenet-generate --weights %s --data %s --out %s", weights(), PEOPLE, world("full-out"));
    explains(r, 1, "_vis.png: File too large");
    ck_assert_int_eq(count_files(world("full-out")), 0);
}
END_TEST

START_TEST(a_run_that_diverges_says_where_and_keeps_its_checkpoint)
{
    const result r = run(TRAIN " --data %s --out %s --steps 40 --lr 1e6 --save-every 1", PEOPLE, world("far"));
    exits(r, 4);
    ck_assert_msg(strstr(r.err, "the loss '") || strstr(r.err, "the gradient of '"), "%s", r.err);
    says(r.err, "lower the learning rate");
    says(r.err, "the latest checkpoint is ");
    ck_assert_int_ge(count_files(world("far/checkpoints")), 1);
    ck_assert(there(world("far/report.html")));
}
END_TEST

TCase *program_mistakes_cases(void)
{
    TCase *tc = tcase_create("mistakes");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_loop_test(tc, a_wrong_line_is_explained_before_anything_is_written, 0, sizeof lines / sizeof *lines);
    tcase_add_test(tc, what_is_missing_is_named);
    tcase_add_test(tc, help_and_version_are_results);
    tcase_add_test(tc, a_configuration_file_is_blamed_by_line);
    tcase_add_test(tc, a_row_of_17_key_points_is_named_by_line);
    tcase_add_test(tc, a_truncated_picture_is_named_and_the_run_ends_as_bad_data);
    tcase_add_test(tc, a_pair_without_a_picture_is_skipped_counted_and_reported);
    tcase_add_test(tc, a_label_map_of_another_size_is_found);
    tcase_add_test(tc, a_folder_with_nothing_in_it_is_no_data_set);
    tcase_add_test(tc, weights_of_another_width_are_compared);
    tcase_add_test(tc, a_file_that_holds_no_weights_is_refused);
    tcase_add_test(tc, key_points_and_pictures_that_cannot_be_read_are_named);
    tcase_add_test(tc, a_full_disk_loses_nothing);
    tcase_add_test(tc, a_run_that_diverges_says_where_and_keeps_its_checkpoint);
    return tc;
}
