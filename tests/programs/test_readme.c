/* tests/programs/test_readme.c - the commands of README.md and of docs: each is run, or names what runs it
 *
 * A command is an indented line whose first word can be run, or a `span of words` that speaks of make or build/bin; of
 * other programs prose may say what it likes. Those of build/bin run in order, in a folder where the files they speak
 * of exist, after the stand-ins below have made them small. A command without a rule fails, and so does a rule without
 * a command.
 */
#define _GNU_SOURCE
#include "programs/programs.h"
#include "data/scratch.h"
#include "posenet/train.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP PN_TEST_DATA "/../"
#define TRAINED "run/checkpoints/step_0000002.safetensors"

/* What is written, and what stands in for it. */
static const struct { const char *written, *run; } stand_ins[] = {
    { "--steps 200000", "--steps 2 " NARROW },
    { "--size 256x256 --batch 4", "--size 32x32 --batch 1" },
    { "run/checkpoints/step_0200000.safetensors", TRAINED },
    { "--size 256x176 --batch 4 --steps 250000", "--size 64x48 --batch 1 --steps 2 --preset tiny --set width=2" },
    { "completer/checkpoints/step_0250000.safetensors", "completer/checkpoints/step_0000002.safetensors" },
    { "--size 128x96 --batch 4 --steps 950 --decay 475", "--size 64x48 --batch 1 --steps 2 --decay 1 --set width=2" },
    { "--size 128x96 --batch 4 --steps 300", "--size 64x48 --batch 1 --steps 2 --set width=2" },
    { "squats/checkpoints/step_0000950.safetensors", "squats/checkpoints/step_0000002.safetensors" },
    { "squats_whole/checkpoints/step_0000300.safetensors", "squats_whole/checkpoints/step_0000002.safetensors" },
    { "--weights FILE", "--weights " TRAINED },
    { "--out dancing --video dancing.mp4", "--out dancing" },          /* ffmpeg need not be there */
    { "--out crowd --people 160 --views 6 --size 128x96", "--out crowd --people 6 --views 3 --size 64x48" },
    { "--size 128x96 --stage auto --set lambda_style=100 --steps 2600 --batch 2", "--size 32x32 --stage auto --steps 2 --batch 1 " NARROW },
    { "look/checkpoints/step_0002600.safetensors", "look/checkpoints/step_0000002.safetensors" },
    { "fashionMENSyntheticid0000015001_3back.jpg", "fashionWOMENSyntheticid0000000601_2full.jpg" },
    { "fashionMENSyntheticid0000015001_1front.jpg", "fashionWOMENSyntheticid0000000601_1front.jpg" },
    { "--people 40 --views 6 --size 256x192", "--people 4 --views 2 --size 64x48" },
    { "--out objects --people 100 --size 64x64", "--out objects --people 3 --size 32x32" },
    { "--size 64x64 --batch 8 --steps 5000", "--size 32x32 --batch 1 --steps 2 " NARROW },
    { "turner/checkpoints/step_0005000.safetensors", "turner/checkpoints/step_0000002.safetensors" },
    { "box00000100_0_0", "box00000003_0_0" },
    { "--people 480 --views 18 --size 64x64", "--people 3 --views 8 --size 64x64" },
    { "--people 200 --views 6 --size 128x64", "--people 4 --views 2 --size 64x32" },
    { "--size 128x64 --set attention=2=3 --set d_layers=3 --augment market --batch 4 --steps 4000 --decay 2000",
      "--size 64x32 --set attention=2=3 --set d_layers=3 --augment market --batch 1 --steps 2 " NARROW },
    { "marketer/checkpoints/step_0004000.safetensors", "marketer/checkpoints/step_0000002.safetensors" },
    { "--size 64x64 --batch 2 --steps 3000 --decay 1500", "--size 64x64 --batch 1 --steps 2 " NARROW },
    { "--batch 32 --steps 1000", "--batch 1 --steps 2 --set points_width=8 --set frames=8" },
    { "dancer/checkpoints/step_0003000.safetensors", "dancer/checkpoints/step_0000002.safetensors" },
    { "talker/checkpoints/step_0003000.safetensors", "talker/checkpoints/step_0000002.safetensors" },
    { "--filter '^gfla/'", "--filter '^sigmoid/1x1x64x64/forward'" },       /* seconds, not minutes */
};
enum { STAND_INS = sizeof stand_ins / sizeof *stand_ins };

/* Commands that are not for this test: the file that runs such a one, and how it says so. */
static const struct { const char *begins, *file, *says; } elsewhere[] = {
    { "make demo", ".ci/run", "make demo" },
    { "make test", ".ci/run", "make CC=gcc test" },
    { "make help", "tests/meta/test_help.c", "make_help_lists" },
    { "make check-deps", ".ci/run", "make check-deps" },
    { "make bench", ".ci/run", "make bench" },
    { "build/bin/posenet-bench --peers", "tests/programs/test_bench.c", "--peers --filter Adam" },
    { "taskset -c 0,1 build/bin/posenet-bench", "tests/programs/test_bench.c", "posenet-bench --threads 1" },
    { "sh examples/ablate.sh", ".ci/run", "sh examples/ablate.sh" },
    { "make install PREFIX=", ".ci/run", "make install PREFIX=" },
    { "cc minimal.c $(pkg-config --", ".ci/run", "minimal.c $(pkg-config --cflags --libs posenet)" },
};
enum { ELSEWHERE = sizeof elsewhere / sizeof *elsewhere };

typedef struct { int commands, stood_in[STAND_INS], elsewhere[ELSEWHERE]; } found;

/* ---- What commands there are ------------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* A program of the build, or one that the shell would find. */
static bool can_be_run(const char *command)
{
    char word[200], path[512];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(command, " \n"), command);
    if (begins(word, "build/bin/")) return true;
    if (!*word || strchr(word, '/')) return false;
    for (const char *at = getenv("PATH"); at && *at; at += strcspn(at, ":"), at += *at == ':') {
        snprintf(path, sizeof path, "%.*s/%s", (int)strcspn(at, ":"), at, word);
        if (access(path, X_OK) == 0) return true;
    }
    return false;
}

static char *replaced(char *text, const char *old, const char *by, int *times)
{
    for (const char *at; (at = strstr(text, old)); ++*times) {
        char *longer;
        if (asprintf(&longer, "%.*s%s%s", (int)(at - text), text, by, at + strlen(old)) < 0) ck_abort_msg("no memory");
        free(text);
        text = longer;
    }
    return text;
}

static void run_here(const char *file, const char *written, found *f)
{
    char *command = strdup(written), *line;
    for (int i = 0; i < STAND_INS; i++)
        command = replaced(command, stand_ins[i].written, stand_ins[i].run, &f->stood_in[i]);
    if (asprintf(&line, "cd %s && { %s; } > output 2>&1 < /dev/null", world("readme"), command) < 0)
        ck_abort_msg("no memory");
    const int status = system(line);
    if (status)
        ck_abort_msg("%s says '%s'; run as '%s' that ended with %d and said:\n%s", file, written, command, status,
                     slurp(world("readme/output"), NULL));
    free(line);
    free(command);
}

static void check_command(const char *file, const char *command, found *f)
{
    if (!can_be_run(command)) return;
    f->commands++;
    for (int i = 0; i < ELSEWHERE; i++) {
        if (!begins(command, elsewhere[i].begins)) continue;
        f->elsewhere[i]++;
        says(slurp(world("top/%s", elsewhere[i].file), NULL), elsewhere[i].says);
        return;
    }
    if (!begins(command, "build/bin/"))
        ck_abort_msg("%s says '%s': nothing runs it; give it a rule here", file, command);
    run_here(file, command, f);
}

/* Lines indented by four are code; in the others, what stands between backticks, perhaps over the end of a line. */
static void check_page(const char *file, found *f)
{
    for (char *at = slurp(world("top/%s", file), NULL); *at;) {
        const size_t indent = strspn(at, " "), length = strcspn(at, "\n");
        char *tick = indent < 4 ? memchr(at, '`', length) : NULL, *close = tick ? strchr(tick + 1, '`') : NULL;
        const char *code = close ? tick + 1 : indent >= 4 ? at + indent : "";
        char *end = close ? close : at + length;
        const char after = *end;
        *end = 0;
        for (char *fold = close ? tick : NULL; fold && (fold = strchr(fold, '\n'));) *fold = ' ';
        if (!close || begins(code, "make ") || strstr(code, "build/bin/")) check_command(file, code, f);
        *end = after;
        at = end + (after != 0);
    }
}

/* ---- Where they are run ------------------------------------------------------------------------------------------ */

/* Of the published widths, but random: nobody may hand out the published numbers. */
static void write_vgg19(const char *path)
{
    pn_params *params = pn_params_new(scratch_ctx());
    const pn_scope top = pn_scope_top(params, (pn_init){ PN_INIT_NORMAL, 0.05 });
    pn_vgg19_make(&top, 1);
    assert_works(pn_params_init(params, 1));
    assert_works(pn_checkpoint_save(scratch_ctx(), path, &(pn_part){ .prefix = "", .params = params }, 1, NULL, 0));
    pn_params_free(params);
}

static void furnish(void)
{
    char *pairs = slurp(world("people/fasion-resize-pairs-test.csv"), NULL);
    strtok(pairs, ",\n");
    strtok(NULL, ",\n");
    const char *me = strtok(NULL, ",\n");               /* the first name under from,to */
    if (mkdir(world("readme"), 0777) || mkdir(world("readme/build"), 0777) || symlink(TOP, world("top")) ||
        symlink(PN_TEST_BIN, world("readme/build/bin")) || symlink(PEOPLE, world("readme/fashion")))
        ck_abort_msg("cannot furnish %s", world("readme"));
    copy_file(world("people/test/%s", me), world("readme/me.jpg"), (size_t)-1);
    copy_file(world("people/test/%s", me), world("readme/torn.jpg"), (size_t)-1);
    const char *labels = world("people/testSPL8/%.*s.png", (int)strlen(me) - 4, me);
    copy_file(labels, world("readme/torn_labels.png"), (size_t)-1);
    copy_file(labels, world("readme/torn_mask.png"), (size_t)-1);      /* a mask like any other */
    write_pose(world("readme/torn_keypoints.json"), 0);
    write_pose(world("readme/me_keypoints.json"), 0);
    write_pose(world("readme/dancer_keypoints.json"), 5);
    if (mkdir(world("readme/dance_keypoints"), 0777)) ck_abort_msg("cannot furnish %s", world("readme"));
    for (int i = 0; i < 3; i++) write_pose(world("readme/dance_keypoints/%d_keypoints.json", i), 2 * i);
    write_vgg19(world("readme/vgg19.safetensors"));
    copy_file(PN_TEST_DATA "/io/torch/gfla_net_G.pth", world("readme/latest_net_G.pth"), (size_t)-1);
}

START_TEST(every_command_of_the_documents_works_or_is_run_elsewhere)
{
    found f = { 0 };
    furnish();
    check_page("README.md", &f);
    DIR *docs = opendir(TOP "docs");
    for (struct dirent *e; docs && (e = readdir(docs));) {
        char path[300];
        snprintf(path, sizeof path, "docs/%s", e->d_name);
        if (strstr(path, ".md")) check_page(path, &f);
    }
    if (docs) closedir(docs);
    for (int i = 0; i < STAND_INS; i++)
        if (!f.stood_in[i]) ck_abort_msg("no command says '%s' any more", stand_ins[i].written);
    for (int i = 0; i < ELSEWHERE; i++)
        if (!f.elsewhere[i]) ck_abort_msg("no command begins '%s' any more", elsewhere[i].begins);
    ck_assert_int_ge(f.commands, 16);
    static const char *const made[] = { "run/report.html", "me_dancing.png", "people", "whole.png", "me_again.png",
                                         "latest_net_G.safetensors", "inside/flow1_arrows.png", "dancing/frame_000003.png",
                                         "looked/attention1_reads.png", "turned", "other_side.png",
                                         "danced/dance00003/frame_000007.png", "danced.json", "talked/face00003/frame_000007.png",
                                         "talked.json", "cleaner/report.html" };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) ck_assert(there(world("readme/%s", made[i])));
    ck_assert_int_gt(count_files(world("readme/made")), 0);
}
END_TEST

TCase *readme_cases(void)
{
    TCase *tc = tcase_create("readme");
    tcase_add_unchecked_fixture(tc, world_make, NULL);
    tcase_add_test(tc, every_command_of_the_documents_works_or_is_run_elsewhere);
    return tc;
}
