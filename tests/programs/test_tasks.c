/* tests/programs/test_tasks.c - GFLA's tasks besides pose as a user meets them: train on a synthetic data set, the same bits with
 * other threads and after a resume, what runs leave behind, what is refused */
#include "programs/programs.h"

#include <stdio.h>
#include <unistd.h>

enum { STEPS = 5 };
static const char *const tasks[] = { "dance", "face", "keypoint" };

static const char *data_of(int task) { return world(task == 1 ? "faces" : "dances"); }

static result train(int task, const char *name, const char *more)
{
    return run("posenet-train --model gfla --task %s " NARROW
               " --set points_width=8 --set frames=6 --size 32x32 --batch 2 --seed 3 "
               "--steps %d --save-every 1 --sample-every 4 --log-every 1 --data %s --out %s %s",
               tasks[task], STEPS, data_of(task), world("%s", name), more);
}

static void tasks_make(void)
{
    world_make();
    exits(run("posenet-data synth --kind dance --people 6 --views 12 --size 64x48 --seed 4 --quiet --out %s",
              world("dances")),
          0);
    exits(run("posenet-data synth --kind face --people 6 --views 12 --size 64x64 --seed 4 --quiet --out %s",
              world("faces")),
          0);
    for (int i = 0; i < 3; i++) exits(train(i, tasks[i], "--threads 2"), 0);
}

static const char *checkpoint(const char *folder, int step)
{
    return world("%s/checkpoints/step_%07d.safetensors", folder, step);
}

/* A sample of a clip is two chunks: after every odd step the frame before comes from the checkpoint. */
START_TEST(a_run_is_the_same_with_other_threads_and_after_each_cut)
{
    const char *whole = tasks[_i];
    char other[32];
    snprintf(other, sizeof other, "%s_one", whole);
    exits(train(_i, other, "--threads 1"), 0);
    same_tensors(checkpoint(other, STEPS), checkpoint(whole, STEPS));
    for (int kept = 1; kept <= 2; kept++) {
        snprintf(other, sizeof other, "%s_cut%d", whole, kept);
        copy_folder(world("%s", whole), world("%s", other));
        for (int step = kept + 1; step <= STEPS; step++) unlink(checkpoint(other, step));
        explains(run("posenet-train --resume --out %s --threads 2", world("%s", other)), 0, "going on from ");
        same_tensors(checkpoint(other, STEPS), checkpoint(whole, STEPS));
    }
}
END_TEST

START_TEST(a_run_leaves_its_own_losses_and_sheets)
{
    static const char *const columns[] = {
        "step,stage,seconds,total,l1,content,style,correctness_previous,correctness_reference,regularisation_previous,"
        "regularisation_reference,adversarial,adversarial_video,discriminator,discriminator_video\n",
        NULL, "step,stage,seconds,total\n",
    };
    const char *name = tasks[_i];
    says(slurp(world("%s/train.csv", name), NULL), columns[_i] ? columns[_i] : columns[0]);
    says(slurp(world("%s/train.csv", name), NULL), "\n5,full,");
    says(slurp(world("%s/config.ini", name), NULL), _i == 0   ? "task = dance\n"
                                                    : _i == 1 ? "task = face\n"
                                                              : "task = keypoint\n");
    says(slurp(world("%s/report.html", name), NULL), "data:image/png;base64,");
    ck_assert(there(world("%s/samples/step_0000004.png", name)));
    /* three rows of frames and six of figures: colours, arrows, mask, warped source of two flows from each of two pictures, points
     * and what they read; of tracks rows alone */
    has_size(world("%s/samples/step_0000005.png", name), (_i == 2 ? 6 : 3 + 6) * 34 - 2, (_i == 2 ? 3 : 4) * 34 - 2);
    explains(
        run("posenet-generate --weights %s --data %s --out %s", checkpoint(name, STEPS), PEOPLE, world("not_made")), 2,
        "which does not read pairs of pictures");
    ck_assert(!there(world("not_made")));
}
END_TEST

START_TEST(a_dry_run_counts_the_published_parameters)
{
    static const char *const counts[][3] = {
        { "generator: 23510195 parameters\n", "D/: 664577 parameters\n", "D_V/: 1032961 parameters\n" },
        { "generator: 16906667 parameters\n", "D/: 664577 parameters\n", "D_V/: 665537 parameters\n" },
        { "generator: 1834786 parameters\n", "stage full, steps 1 to 1000\n", "MiB for all values" },
    };
    const result r = run("posenet-train --model gfla --task %s --set vgg_narrow=16 --size 32x32 --batch 1 --dry-run",
                         tasks[_i]);
    exits(r, 0);
    for (int i = 0; i < 3; i++) says(r.out, counts[_i][i]);
    says_not(r.out, "stage flow");
}
END_TEST

/* Turned and moved, dances go on to the same bits as well; what is another task's is refused. */
START_TEST(a_way_to_augment_belongs_to_its_task)
{
    exits(train(0, "moved", "--augment fashion"), 0);
    exits(train(0, "iper", "--augment iper --set lambda_correctness=2"), 0);
    explains(train(0, "wrong", "--augment market"), 2, "--augment is 'market', expected none or fashion or iper");
    explains(train(1, "wrong", "--augment iper"), 2, "--augment is 'iper', expected none");
    ck_assert(!there(world("wrong")));
    explains(train(0, "wrong", "--stage flow"), 2, "--stage is 'flow', expected one of auto, full");
}
END_TEST

/* The model says what it reads, so a folder of something else is explained. */
START_TEST(a_data_set_of_another_task_is_refused)
{
    const result r = run("posenet-train --model gfla --task dance " NARROW " --size 32x32 --batch 1 --data %s --out %s",
                         PEOPLE, world("lost"));
    explains(r, 3, "train_256");
    ck_assert(!there(world("lost")));
}
END_TEST

TCase *program_tasks_cases(void)
{
    TCase *tc = tcase_create("tasks");
    tcase_set_timeout(tc, 240);
    tcase_add_unchecked_fixture(tc, tasks_make, NULL);
    tcase_add_loop_test(tc, a_run_is_the_same_with_other_threads_and_after_each_cut, 0, 3);
    tcase_add_loop_test(tc, a_run_leaves_its_own_losses_and_sheets, 0, 3);
    tcase_add_loop_test(tc, a_dry_run_counts_the_published_parameters, 0, 3);
    tcase_add_test(tc, a_way_to_augment_belongs_to_its_task);
    tcase_add_test(tc, a_data_set_of_another_task_is_refused);
    return tc;
}
