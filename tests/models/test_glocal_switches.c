/* tests/models/test_glocal_switches.c - every switch of GLocal's ablations: taken, noted, found again, of effect; or refused */
#include "support/pntest.h"

#include "../models/glocal/training.h"
#include "models/formula.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { H = 32, W = 32, PIXELS = H * W, REGIONS = GLOCAL_REGIONS };

/* What a setting other than the default changes: a picture, a loss of one step, whether there is such a loss, such a parameter. */
typedef enum { PICTURE, LOSS, NO_LOSS, PARAM, NO_PARAM, MASK } effect;
static const struct {
    const char *task, *key, *value;
    effect changes;
    const char *which;
} switches[] = {
    { "pose", "occl_rule", "zero", PICTURE, NULL },
    { "pose", "occl_rule", "global", PICTURE, NULL },
    { "pose", "ggr_graph", "none", PICTURE, NULL },
    { "pose", "ggr_graph", "static", PICTURE, NULL },
    { "pose", "ggr_graph", "glore", PICTURE, NULL },
    { "pose", "ggr_layers", "1", PICTURE, NULL },
    { "pose", "ggr_layers", "3", PARAM, "ggr.layer2.weight" },
    { "pose", "lst_mode", "none", NO_PARAM, "match.key.weight" },
    { "pose", "lst_mode", "point", PICTURE, NULL },
    { "pose", "lst_mode", "assemble", PARAM, "lst.gate.weight" },
    { "pose", "lst_k", "3", PICTURE, NULL },
    { "pose", "lst_k", "7", PICTURE, NULL },
    { "pose", "lst_colours", "0", NO_PARAM, "decoder.colour.weight" },
    { "pose", "match_kernel", "3", PICTURE, NULL },
    { "pose", "loss_ls", "0", NO_LOSS, "structure" },
    { "pose", "loss_code", "0", NO_LOSS, "code" },
    { "pose", "region_drop", "1", LOSS, "code" },
    { "pose", "ran_spade_mix", "1", PARAM, "region.mix" },
    { "pose", "ls_feat", "vgg31", PARAM, "structure.vgg19.features.10.weight" },
    { "pose", "tau_start", "0.01", LOSS, "warp" },
    { "pose", "tau", "0.1", PICTURE, NULL },
    { "pose", "g_sn", "0", PARAM, "style.code.weight" },
    { "pose", "par_head", "pise", LOSS, "parsing" },
    { "pose", "par_hard_test", "0", PICTURE, NULL },
    { "pose", "target_parsing", "true", PICTURE, NULL },
    { "pose", "a_min", "9", PICTURE, NULL },
    { "inpaint", "ls_strict", "0", PICTURE, NULL },
    { "inpaint", "mask_kind", "region", MASK, NULL },
    { "inpaint", "mask_on_person", "0", MASK, NULL },
    { "inpaint", NULL, NULL, NO_PARAM, "parsing.out.conv.weight" },
    { "both", NULL, NULL, LOSS, "hole" },
};
enum { SWITCHES = sizeof switches / sizeof *switches };

/* ---- One model, looked at ------------------------------------------------------------------------------------------------- */

/* set: "key=value" or NULL. Formula's values in all of it, so that models differ by the switch alone. */
static pn_model *model_of(const char *task, const char *set)
{
    static const formula_gain gains[] = { { "region.code", 8 }, { NULL, 0 } };
    const char *const all[] = { "width=2", set };
    pn_model *m = pn_model_new(
        pn_test_ctx(), &(pn_model_opt){ .name = "glocal", .task = task, .set = all, .n_set = set ? 2 : 1, .seed = 5 });
    if (!m) ck_abort_msg("%s: %s", set ? set : task, pn_ctx_message(pn_test_ctx()));
    formula_fill(m->part[GLOCAL_PART_G].params, "", gains);
    formula_fill(m->part[GLOCAL_PART_D].params, "disc.", NULL);
    return m;
}

typedef struct {
    pn_real picture[2][3 * PIXELS], pose[2][PN_JOINTS * PIXELS], layout[2][REGIONS * PIXELS], hole[PIXELS];
} sample;

/* Bands of eight cells for each region; the source lacks the third. */
static sample *sample_make(void)
{
    sample *s = calloc(1, sizeof *s);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 3 * PIXELS; i++) s->picture[k][i] = (pn_real)formula_u("picture", 3 * PIXELS * k + i);
        for (int i = 0; i < PN_JOINTS * PIXELS; i++) s->pose[k][i] = (pn_real)fabs(formula_u("pose", 5 * k + i));
        for (int p = 0; p < PIXELS; p++) {
            const int region = (p / W / 4 + k) % REGIONS;
            s->layout[k][(k == 0 && region == 3 ? 4 : region) * PIXELS + p] = 1;
        }
    }
    for (int p = 0; p < PIXELS; p++) s->hole[p] = p / W > 9 && p / W < 19 && p % W > 12 && p % W < 21;
    return s;
}

static pn_model_input input_of(const sample *s)
{
    return (pn_model_input){ .source = s->picture[0],
                             .target = s->picture[1],
                             .pose_source = s->pose[0],
                             .pose_target = s->pose[1],
                             .parsing_source = s->layout[0],
                             .parsing_target = s->layout[1],
                             .hole = s->hole };
}

static void paint(pn_model *m, const sample *s, pn_real *picture)
{
    const pn_model_input in = input_of(s);
    pn_generation *gen = pn_generation_new(m, 1, H, W);
    if (!gen || pn_generation_run(gen, &in, picture)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    pn_generation_free(gen);
}

/* Of the first step of stage joint. NAN: there is no such loss. */
static double loss_of(pn_model *m, const sample *s, const char *which)
{
    const pn_model_input in = input_of(s);
    double losses[PN_MAX_LOSSES], found = (double)NAN;
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .stage = "joint", .batch = 1, .height = H, .width = W });
    if (!t || pn_training_step(t, &in, losses)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    for (int i = 0; i < t->losses; i++)
        if (strcmp(t->loss_name[i], which) == 0) found = losses[i];
    pn_training_free(t);
    return found;
}

static bool has_param(const pn_model *m, const char *name)
{
    return pn_params_find(m->part[GLOCAL_PART_G].params, name) != NULL;
}

static void expect_effect(int i, pn_model *usual, pn_model *other)
{
    const char *which = switches[i].which;
    sample *s = sample_make();
    pn_real *pictures = malloc(2 * 3 * PIXELS * sizeof *pictures);
    double a = 0, b = 0, furthest = 0;
    switch (switches[i].changes) {
    case PICTURE:
        paint(usual, s, pictures);
        paint(other, s, pictures + 3 * PIXELS);
        for (int k = 0; k < 3 * PIXELS; k++)
            furthest = fmax(furthest, fabs((double)(pictures[k] - pictures[3 * PIXELS + k])));
        ck_assert_double_gt(furthest, 1e-4);
        break;
    case LOSS:
        a = loss_of(usual, s, which);
        b = loss_of(other, s, which);
        ck_assert_msg(isnan(a) != isnan(b) || fabs(a - b) > 1e-5, "%s is %.9g, then %.9g", which, a, b);
        break;
    case NO_LOSS:
        a = loss_of(usual, s, which);
        b = loss_of(other, s, which);
        ck_assert_msg(!isnan(a) && isnan(b), "%s is %g, then %g", which, a, b);
        break;
    case PARAM: ck_assert(!has_param(usual, which) && has_param(other, which)); break;
    case NO_PARAM: ck_assert(has_param(usual, which) && !has_param(other, which)); break;
    case MASK: {
        const pn_model_needs is = pn_model_needs_at(usual, H), now = pn_model_needs_at(other, H);
        ck_assert(is.hole != now.hole || is.place != now.place);
        break;
    }
    }
    free(pictures);
    free(s);
}

START_TEST(a_switch_changes_what_it_should)
{
    char set[64];
    snprintf(set, sizeof set, "%s=%s", switches[_i].key ? switches[_i].key : "",
             switches[_i].value ? switches[_i].value : "");
    pn_model *usual = model_of(switches[_i].key ? switches[_i].task : "pose", NULL);
    pn_model *other = model_of(switches[_i].task, switches[_i].key ? set : NULL);
    expect_effect(_i, usual, other);
    pn_model_free(usual);
    pn_model_free(other);
}
END_TEST

/* ---- Notes ------------------------------------------------------------------------------------------------------------------ */

static const char *note_of(const pn_note *notes, int n, const char *key)
{
    for (int i = 0; i < n; i++)
        if (strcmp(notes[i].key, key) == 0) return notes[i].value;
    return NULL;
}

/* The generator's weights with these notes, and what opens from them when nothing else is said. */
static pn_model *reopened(const pn_model *m, const pn_note *notes, int n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/glocal_switch_%d.safetensors", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
    ck_assert_int_eq(pn_checkpoint_save(pn_test_ctx(), path, m->part, 1, notes, n), PN_OK);
    pn_weights *w = pn_weights_open(pn_test_ctx(), path);
    pn_model *again = w ? pn_model_new(pn_test_ctx(), &(pn_model_opt){ .weights = w }) : NULL;
    if (!again || pn_model_load(again, w)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    pn_weights_free(w);
    remove(path);
    return again;
}

/* Another program's file: without notes of our own. */
static int without_ours(const pn_note *notes, int n, pn_note *rest)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (strncmp(notes[i].key, "pn.", 3) != 0) rest[kept++] = notes[i];
    return kept;
}

START_TEST(a_file_notes_what_is_not_at_its_default_and_opens_as_it_was)
{
    char set[64];
    const char *key = switches[_i].key, *value = switches[_i].value;
    if (key) snprintf(set, sizeof set, "%s=%s", key, value);
    pn_model *usual = model_of("pose", NULL), *m = model_of(switches[_i].task, key ? set : NULL);
    pn_note notes[PN_MODEL_NOTES], rest[PN_MODEL_NOTES];
    int n = pn_model_notes(usual, notes);
    ck_assert_str_eq(note_of(notes, n, "model"), "glocal");
    ck_assert_str_eq(note_of(notes, n, "preset"), "full");
    ck_assert_str_eq(note_of(notes, n, "width"), "2");
    if (key) ck_assert_ptr_null(note_of(notes, n, key));
    n = pn_model_notes(m, notes);
    ck_assert_str_eq(note_of(notes, n, "task"), switches[_i].task);
    if (key) ck_assert_str_eq(note_of(notes, n, key), value);
    const int kept = without_ours(notes, n, rest);
    for (int foreign = 0; foreign < 2; foreign++) {
        pn_model *again = foreign ? reopened(m, rest, kept) : reopened(m, notes, n);
        for (int i = 0; m->kind->options[i].key; i++) ck_assert_str_eq(again->value[i], m->value[i]);
        ck_assert_str_eq(again->task, m->task);
        pn_model_free(again);
    }
    pn_model_free(usual);
    pn_model_free(m);
}
END_TEST

/* Of ours, but from before the option was there: the names say what was built. */
START_TEST(a_file_older_than_an_option_opens_as_it_was)
{
    static const char left_out[] = "lst_colours=0 ";
    pn_model *m = model_of("pose", "lst_colours=0");
    pn_note notes[PN_MODEL_NOTES];
    char options[4096] = "";
    const int n = pn_model_notes(m, notes);
    for (int i = 0; i < n; i++) {
        if (strcmp(notes[i].key, "pn.options") != 0) continue;
        snprintf(options, sizeof options, "%s", notes[i].value);
        char *at = strstr(options, left_out);
        ck_assert_ptr_nonnull(at);
        memmove(at, at + strlen(left_out), strlen(at + strlen(left_out)) + 1);
        notes[i].value = options;
    }
    ck_assert_str_ne(options, "");
    pn_model *again = reopened(m, notes, n);
    for (int i = 0; m->kind->options[i].key; i++) ck_assert_str_eq(again->value[i], m->value[i]);
    pn_model_free(again);
    pn_model_free(m);
}
END_TEST

/* ---- Refusals --------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *set, *says;
} refusals[] = {
    { "occl_rule=mean", "the option occl_rule=mean is not one of zero, global, ggr" },
    { "ggr_graph=ring", "the option ggr_graph=ring is not one of none, static, glore, attn" },
    { "ggr_layers=0", "the option ggr_layers=0 is not a whole number from 1 to 3" },
    { "ggr_layers=4", "the option ggr_layers=4 is not a whole number from 1 to 3" },
    { "lst_mode=off", "the option lst_mode=off is not one of none, point, mod, assemble" },
    { "lst_k=4", "lst_k=4" },
    { "lst_k=9", "the option lst_k=9 is not a whole number from 3 to 7" },
    { "match_kernel=2", "match_kernel=2" },
    { "match_kernel=5", "the option match_kernel=5 is not a whole number from 1 to 3" },
    { "loss_ls=on", "the option loss_ls=on is not a whole number from 0 to 1" },
    { "loss_code=2", "the option loss_code=2 is not a whole number from 0 to 1" },
    { "region_drop=1.5", "the option region_drop=1.5 is no probability" },
    { "region_drop=often", "the option region_drop=often is not a finite number" },
    { "ran_spade_mix=yes", "the option ran_spade_mix=yes is not a whole number from 0 to 1" },
    { "ls_feat=vgg", "the option ls_feat=vgg is not one of own, vgg31" },
    { "tau_start=0", "tau_start=0 must be above 0" },
    { "tau_start=nan", "the option tau_start=nan is not a finite number" },
    { "g_sn=off", "the option g_sn=off is not a whole number from 0 to 1" },
    { "par_head=softmax", "the option par_head=softmax is not one of logits, pise" },
    { "target_parsing=given", "the option target_parsing=given is not one of predicted, true" },
    { "mask_kind=disc", "'disc' is no kind of hole" },
    { "task=pose", "glocal has no option 'task'" },
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

START_TEST(a_value_that_makes_no_sense_is_refused_with_those_that_do)
{
    ck_assert_ptr_null(pn_model_new(
        pn_test_ctx(), &(pn_model_opt){ .name = "glocal", .task = "inpaint", .set = &refusals[_i].set, .n_set = 1 }));
    const char *said = pn_ctx_message(pn_test_ctx());
    ck_assert_msg(strstr(said, refusals[_i].says) != NULL, "'%s' does not say '%s'", said, refusals[_i].says);
}
END_TEST

START_TEST(a_task_that_there_is_not_is_refused_with_those_that_there_are)
{
    ck_assert_ptr_null(pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "glocal", .task = "paint" }));
    ck_assert_ptr_nonnull(
        strstr(pn_ctx_message(pn_test_ctx()), "no task 'paint', expected one of pose, inpaint, both"));
}
END_TEST

TCase *glocal_switches_cases(void)
{
    TCase *tc = tcase_create("glocal_switches");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, a_switch_changes_what_it_should, 0, SWITCHES);
    tcase_add_test(tc, a_file_older_than_an_option_opens_as_it_was);
    tcase_add_loop_test(tc, a_file_notes_what_is_not_at_its_default_and_opens_as_it_was, 0, SWITCHES);
    tcase_add_loop_test(tc, a_value_that_makes_no_sense_is_refused_with_those_that_do, 0, REFUSALS);
    tcase_add_test(tc, a_task_that_there_is_not_is_refused_with_those_that_there_are);
    return tc;
}
