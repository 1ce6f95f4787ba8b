/* tests/programs/test_runs.c - training as a user meets it: what a run leaves behind, kills, stops, resumes */
#define _POSIX_C_SOURCE 200809L
#include "programs/programs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *checkpoint(const char *folder, int step)
{
    return world("%s/checkpoints/step_%07d.safetensors", folder, step);
}

/* ---- A run folder ----------------------------------------------------------------------------------------------- */

START_TEST(label_maps_with_mistakes_replace_right_ones)
{
    exits(run("posenet-data mistakes --share 0.9 --out %s %s/test_lip20", world("spoilt"), PEOPLE), 0);
    ck_assert_int_eq(count_files(world("spoilt")), count_files(world("people/test_lip20")));
}
END_TEST

START_TEST(the_data_set_passes_its_check)
{
    const result r = run("posenet-data check %s --threads 2", PEOPLE);
    exits(r, 0);
    says(r.out, "no problems");
    says(r.out, "64x48 (18)");
}
END_TEST

START_TEST(a_run_leaves_configuration_log_samples_checkpoints)
{
    const char *config = slurp(world("run/config.ini"), NULL);
    says(config, "model = gfla\n");
    says(config, "size = 32x32\n");
    says(config, "set.base = 8\n");
    says(config, "set.lambda_style = 500\n"); /* resolved: defaults too */
    for (int step = 2; step <= RUN_STEPS; step += 2) ck_assert(there(checkpoint("run", step)));
    ck_assert_int_eq(count_files(world("run/checkpoints")), RUN_STEPS / 2);
    ck_assert(there(world("run/samples/step_0000005.png")));
    ck_assert(there(world("run/samples/step_0000010.png")));
}
END_TEST

START_TEST(the_log_has_a_row_per_step_and_empty_fields_where_a_stage_has_no_such_loss)
{
    char *csv = slurp(world("run/train.csv"), NULL);
    says(csv, "step,stage,seconds,total,l1,correctness,content,style,regularisation,adversarial,discriminator\n");
    int rows = -1;
    for (char *line = strtok(csv, "\n"); line; line = strtok(NULL, "\n"), rows++) {
        int commas = 0;
        for (const char *c = line; *c; c++) commas += *c == ',';
        ck_assert_int_eq(commas, 10);
        if (rows < 0) continue;
        ck_assert_int_eq(atoi(line), rows + 1);
        ck_assert(strstr(line, rows < RUN_FLOW ? ",flow," : ",full,") != NULL);
        ck_assert_msg((strstr(line, ",,") != NULL) == (rows < RUN_FLOW), "%s", line);
    }
    ck_assert_int_eq(rows, RUN_STEPS);
}
END_TEST

START_TEST(the_report_is_one_file_that_needs_no_network)
{
    const char *html = slurp(world("run/report.html"), NULL);
    says(html, "<svg");
    says(html, "data:image/png;base64,");
    says(html, "correctness");
    says(html, "set.base = 8");
    says_not(html, "http://");
    says_not(html, "https://");
    says_not(html, "src='/");
}
END_TEST

/* ---- The same bits ---------------------------------------------------------------------------------------------- */

START_TEST(one_thread_ends_in_the_same_bits_as_two)
{
    exits(run(TRAIN " --data %s --out %s --steps %d --save-every 100 --threads 1", PEOPLE, world("one"), RUN_STEPS), 0);
    same_tensors(checkpoint("one", RUN_STEPS), checkpoint("run", RUN_STEPS));
    same_tensors(checkpoint("one", RUN_FLOW), checkpoint("run", RUN_FLOW)); /* at the end of every stage too */
}
END_TEST

static bool running(pid_t pid)
{
    siginfo_t ended = { .si_pid = 0 };
    return waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
}

/* Start, send the signal once that checkpoint is there, go on. A process that was too quick is started again. */
static void interrupt_and_resume(const char *name, int signal_number, int after, int code)
{
    const struct timespec moment = { .tv_nsec = 1000000 };
    result r = { .code = -1 };
    char folder[64] = "";
    for (int attempt = 0; attempt < 8 && r.code != code; attempt++) {
        snprintf(folder, sizeof folder, "%s%d", name, attempt);
        const started s = start(TRAIN " --data %s --out %s --steps %d --save-every 2 --log-every 1 --threads 2", PEOPLE,
                                world("%s", folder), RUN_STEPS);
        const char *awaited = checkpoint(folder, after);
        for (int wait = 0; wait < 60000 && !there(awaited) && running(s.pid); wait++) nanosleep(&moment, NULL);
        kill(s.pid, signal_number);
        r = finish(s);
        if (signal_number == SIGINT && !strstr(r.err, "asked to stop; saved step")) r.code = -1;
    }
    exits(r, code);
    ck_assert(!there(checkpoint(folder, RUN_STEPS)));
    spill(world("%s/checkpoints/step_0000004.safetensors.tmp12345", folder), "half");
    r = run("posenet-train --resume --out %s --threads 1", world("%s", folder));
    explains(r, 0, "going on from ");
    same_tensors(checkpoint(folder, RUN_STEPS), checkpoint("run", RUN_STEPS));
    ck_assert(!there(world("%s/checkpoints/step_0000004.safetensors.tmp12345", folder)));
    const char *csv = slurp(world("%s/train.csv", folder), NULL);
    for (int step = 1; step <= RUN_STEPS; step++) { /* each row once */
        char row[16];
        snprintf(row, sizeof row, "\n%d,f", step);
        const char *first = strstr(csv, row);
        ck_assert_ptr_nonnull(first);
        ck_assert_ptr_null(strstr(first + 1, row));
    }
}

START_TEST(a_run_killed_at_the_end_of_stage_flow_resumes_to_the_same_bits)
{
    interrupt_and_resume("killed", SIGKILL, RUN_FLOW, 128 + SIGKILL);
}
END_TEST

START_TEST(a_run_stopped_in_stage_full_saves_and_resumes_to_the_same_bits)
{
    interrupt_and_resume("stopped", SIGINT, 4, 0);
}
END_TEST

/* Cut before the end of the first stage: the rest of it, and the stage after it, from its moments. */
START_TEST(a_run_whose_later_checkpoints_are_gone_resumes_in_stage_flow)
{
    exits(run(TRAIN " --data %s --out %s --steps %d --save-every 1 --threads 2", PEOPLE, world("cut"), RUN_STEPS), 0);
    for (int step = 2; step <= RUN_STEPS; step++) unlink(checkpoint("cut", step));
    explains(run("posenet-train --resume --out %s --threads 2", world("cut")), 0, "step_0000001.safetensors");
    same_tensors(checkpoint("cut", RUN_STEPS), checkpoint("run", RUN_STEPS));
}
END_TEST

/* GLocal keeps Adam's moments from stage to stage, and its rate falls. Cut inside stage generator, at its end, inside joint. */
START_TEST(a_run_of_glocal_goes_on_across_stages_to_the_same_bits)
{
    enum { ALL = 8 };
    char name[32];
    exits(run("posenet-train --model glocal --preset tiny --set width=2 --size 64x48 --batch 1 --seed 3 --save-every 1 "
              "--steps %d --data %s --out %s",
              ALL, PEOPLE, world("glocal")),
          0);
    says(slurp(world("glocal/config.ini"), NULL), "decay = 2\n"); /* a quarter; gfla's rate stays */
    says_not(slurp(world("run/config.ini"), NULL), "decay");
    for (int kept = 3; kept < ALL; kept++) {
        snprintf(name, sizeof name, "glocal%d", kept);
        copy_folder(world("glocal"), world("%s", name));
        for (int step = kept + 1; step <= ALL; step++) unlink(checkpoint(name, step));
        explains(run("posenet-train --resume --out %s --threads 1", world("%s", name)), 0, "going on from ");
        same_tensors(checkpoint(name, ALL), checkpoint("glocal", ALL));
    }
}
END_TEST

/* Its temperature falls with the run, its rate over the second half; averages of its parameters go on, too. */
START_TEST(a_run_of_rsa_gan_goes_on_to_the_same_bits)
{
    enum { ALL = 6, CUT = 2 };
    exits(run("posenet-train --model rsa_gan --preset tiny --set width=32 --set key=8 --set mod_width=8 --set d_base=2 --set ema=0.5 "
              "--size 64x48 --batch 1 --seed 3 --save-every 1 --steps %d --data %s --out %s",
              ALL, PEOPLE, world("rsa_gan")),
          0);
    says(slurp(world("rsa_gan/config.ini"), NULL), "decay = 3\n");
    copy_folder(world("rsa_gan"), world("rsa_gan_cut"));
    for (int step = CUT + 1; step <= ALL; step++) unlink(checkpoint("rsa_gan_cut", step));
    explains(run("posenet-train --resume --out %s --threads 1", world("rsa_gan_cut")), 0, "going on from ");
    same_tensors(checkpoint("rsa_gan_cut", ALL), checkpoint("rsa_gan", ALL));
    explains(run("posenet-generate --weights %s --data %s --out %s --dump %s --verbose", checkpoint("rsa_gan", ALL), PEOPLE,
                 world("rsa_gan_made"), world("rsa_gan_inside")),
             0, " of them as averages over the training");
}
END_TEST

/* ---- Resuming --------------------------------------------------------------------------------------------------- */

START_TEST(a_finished_run_says_so_and_more_steps_stay_in_its_stage)
{
    copy_folder(RUN, world("more"));
    explains(run("posenet-train --resume --out %s", world("more")), 0,
             "has done 10 steps already; ask for more with --steps");
    same_bytes(world("more/samples/step_0000010.png"), world("run/samples/step_0000010.png"));
    exits(run("posenet-train --resume --out %s --steps 100 --quiet --dry-run", world("more")), 0);
    exits(run("posenet-train --resume --out %s --steps 12 --threads 2", world("more")), 0);
    ck_assert(there(checkpoint("more", 12)));
    says(slurp(world("more/config.ini"), NULL), "steps = 12\n");
    says(slurp(world("more/train.csv"), NULL), "\n12,full,");
    exits(run("posenet-train --resume --out %s --steps 100 --log-every 1 --lr 1e8", world("more")),
          4); /* flow would have 20 */
    says_not(slurp(world("more/train.csv"), NULL), "\n13,flow,");
}
END_TEST

START_TEST(options_survive_with_long_paths_and_all_their_digits)
{
    char deep[300];
    memset(deep, 'd', 240);
    memcpy(deep + 240, "/data;#1", 9);
    mkdir(world("%.240s", deep), 0777);
    copy_folder(PEOPLE, world("%s", deep));
    exits(run(TRAIN " --data %s --out %s --steps 2 --save-every 1 --lr 0.00012345678901234567", world("%s", deep),
              world("deep")),
          0);
    says(slurp(world("deep/config.ini"), NULL), "data;#1\n");
    exits(run("posenet-train --resume --out %s --steps 3", world("deep")), 0);
    says(slurp(world("deep/config.ini"), NULL), "lr = 0.00012345678901234567\n");
}
END_TEST

START_TEST(a_folder_that_holds_a_run_is_refused_and_not_touched)
{
    copy_folder(RUN, world("held"));
    explains(run(TRAIN " --data %s --out %s --steps 3", PEOPLE, world("held")), 2, "holds a run already");
    same_bytes(world("held/config.ini"), world("run/config.ini"));
    same_bytes(world("held/train.csv"), world("run/train.csv"));
    same_bytes(world("held/report.html"), world("run/report.html"));
    ck_assert_int_eq(count_files(world("held/checkpoints")), RUN_STEPS / 2);
}
END_TEST

START_TEST(a_resume_that_does_not_fit_leaves_the_run_as_it_was)
{
    copy_folder(RUN, world("unfit"));
    const result r = run("posenet-train --resume --out %s --steps 20 --set cap=32", world("unfit"));
    explains(r, 3, "step_0000010.safetensors does not fit this network");
    same_bytes(world("unfit/config.ini"), world("run/config.ini"));
    same_bytes(world("unfit/train.csv"), world("run/train.csv"));
    explains(run("posenet-train --resume --out %s", world("nothing")), 1, "nothing/config.ini cannot be read");
    ck_assert(!there(world("nothing")));
}
END_TEST

START_TEST(init_takes_what_fits)
{
    const result r = run(TRAIN " --set cap=32 --data %s --out %s --steps 1 --init %s", PEOPLE, world("init"),
                         checkpoint("run", 10));
    explains(r, 0, "167 tensors loaded, 0 not there, 29 of another shape, for the generator");
    explains(run(TRAIN " --data %s --out %s --steps 1 --init %s/golden/ops.safetensors", PEOPLE, world("init2"),
                 PN_TEST_DATA),
             3, "not one of its");
    ck_assert(!there(world("init2")));
}
END_TEST

START_TEST(a_dry_run_says_what_it_takes_and_writes_nothing)
{
    const result r = run(TRAIN " --dry-run --out %s --steps 100", world("dry"));
    exits(r, 0);
    says(r.out, "stage flow, steps 1 to 20\n");
    says(r.out, "stage full, steps 21 to 100\n");
    says(r.out, "generator: 75515 parameters\n");
    says(r.out, " MiB for all values");
    ck_assert(!there(world("dry")));
}
END_TEST

START_TEST(the_smallest_gan_runs)
{
    const result r = run("gan_step 30");
    exits(r, 0);
    says(r.out, "mean |picture - disc| went from ");
    exits(run("gan_step 0"), 2);
}
END_TEST

TCase *program_runs_cases(void)
{
    TCase *tc = tcase_create("runs");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_test(tc, label_maps_with_mistakes_replace_right_ones);
    tcase_add_test(tc, the_data_set_passes_its_check);
    tcase_add_test(tc, a_run_leaves_configuration_log_samples_checkpoints);
    tcase_add_test(tc, the_log_has_a_row_per_step_and_empty_fields_where_a_stage_has_no_such_loss);
    tcase_add_test(tc, the_report_is_one_file_that_needs_no_network);
    tcase_add_test(tc, one_thread_ends_in_the_same_bits_as_two);
    tcase_add_test(tc, a_run_killed_at_the_end_of_stage_flow_resumes_to_the_same_bits);
    tcase_add_test(tc, a_run_stopped_in_stage_full_saves_and_resumes_to_the_same_bits);
    tcase_add_test(tc, a_run_whose_later_checkpoints_are_gone_resumes_in_stage_flow);
    tcase_add_test(tc, a_run_of_glocal_goes_on_across_stages_to_the_same_bits);
    tcase_add_test(tc, a_run_of_rsa_gan_goes_on_to_the_same_bits);
    tcase_add_test(tc, a_finished_run_says_so_and_more_steps_stay_in_its_stage);
    tcase_add_test(tc, options_survive_with_long_paths_and_all_their_digits);
    tcase_add_test(tc, a_folder_that_holds_a_run_is_refused_and_not_touched);
    tcase_add_test(tc, a_resume_that_does_not_fit_leaves_the_run_as_it_was);
    tcase_add_test(tc, init_takes_what_fits);
    tcase_add_test(tc, a_dry_run_says_what_it_takes_and_writes_nothing);
    tcase_add_test(tc, the_smallest_gan_runs);
    return tc;
}
