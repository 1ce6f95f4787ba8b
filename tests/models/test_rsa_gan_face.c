/* tests/models/test_rsa_gan_face.c - RSA-GAN behind the face of every model: options, files of our own and of other programs,
 * what programs must bring, temperatures
 */
#include "support/pntest.h"

#include "../models/rsa_gan/training.h"

#include <unistd.h>

enum { H = 48, W = 32, PIXELS = H * W, POSE = PN_JOINTS + PN_LIMBS };
#define SMALL "width=32", "key=16", "mod_width=16", "d_base=4"
enum { SMALLS = 4 };

static pn_model *opened(const char *set, const pn_weights *weights)
{
    const char *options[] = { SMALL, set };
    const pn_model_opt small = { .name = "rsa_gan", .preset = "tiny", .set = options, .n_set = SMALLS + (set != NULL), .seed = 1 };
    return pn_model_new(pn_test_ctx(), weights ? &(pn_model_opt){ .weights = weights, .seed = 7 } : &small);
}

static pn_model *model_of(const char *set)
{
    pn_model *m = opened(set, NULL);
    if (!m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return m;
}

static const char *scratch(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/rsa_gan_face_%d.safetensors", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    return path;
}

static pn_weights *saved(const pn_part parts[], int n, const pn_note *notes, int n_notes)
{
    ck_assert_int_eq(pn_checkpoint_save(pn_test_ctx(), scratch(), parts, n, notes, n_notes), PN_OK);
    pn_weights *w = pn_weights_open(pn_test_ctx(), scratch());
    ck_assert_msg(w != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    remove(scratch());
    return w;
}

typedef struct {
    pn_real source[3 * PIXELS], target[3 * PIXELS], pose[2][POSE * PIXELS], parsing[20 * PIXELS];
} sample;

static pn_model_input input_of(sample *s, int classes)
{
    for (int i = 0; i < 3 * PIXELS; i++) s->source[i] = s->target[i] = (pn_real)sin(i * 0.01);
    for (int i = 0; i < 2 * POSE * PIXELS; i++) s->pose[i / (POSE * PIXELS)][i % (POSE * PIXELS)] = (pn_real)(i % 13) / 13;
    memset(s->parsing, 0, sizeof s->parsing);
    for (int p = 0; p < PIXELS; p++) s->parsing[p % W % classes * PIXELS + p] = 1;
    return (pn_model_input){ .source = s->source, .target = s->target, .pose_source = s->pose[0], .pose_target = s->pose[1],
                             .parsing_source = s->parsing, .parsing_target = s->parsing };
}

static void picture_of(pn_model *m, pn_real *image)
{
    sample *s = malloc(sizeof *s);
    const pn_model_input in = input_of(s, ((const rsa_gan_model *)m)->config.classes);
    pn_generation *gen = pn_generation_new(m, 1, H, W);
    if (!gen || pn_generation_run(gen, &in, image)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    pn_generation_free(gen);
    free(s);
}

/* The model that the file says, which it frees, paints what m does: to the bit where files hold all of a number; those of
 * doubles hold its float32. */
static pn_model *same_from_file(pn_model *m, pn_weights *w)
{
    const double most = sizeof(pn_real) == sizeof(float) ? 0 : 1e-4;
    pn_real should[3 * PIXELS], is[3 * PIXELS];
    pn_model *again = opened(NULL, w);
    if (!again || pn_model_load(again, w)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    picture_of(m, should);
    picture_of(again, is);
    for (int i = 0; i < 3 * PIXELS; i++) ck_assert_double_le(fabs((double)is[i] - (double)should[i]), most);
    pn_weights_free(w);
    return again;
}

/* ---- Options -------------------------------------------------------------------------------------------------------------- */

static const char *const switches[] = {
    "rpsf=off",         "rpsf_gate=off",     "rpsf_joints=all", "code_sa=1",         "style_enc=vgg",  "pcgsi=off",
    "inject=adain",     "inject=concat",     "corr_shared=0",   "corr_feat=pose+sem", "gdcca=off",     "gdcca_attn=channel",
    "gdcca_attn=token", "gdcca_attn=spatial", "gdcca_gate=open", "gdcca_gate=closed", "gdcca_dw=off",  "gdcca_blocks=3",
    "out_colours=0",    "up_k=5",            "limb_line=infinite", "K=1",             "K=20",
};
enum { SWITCHES = sizeof switches / sizeof *switches };

/* Another program's file has names, shapes and notes under the options' own names, and nothing of ours. */
START_TEST(another_programs_file_says_its_switches)
{
    pn_model *m = model_of(switches[_i]);
    pn_note notes[PN_MODEL_NOTES], theirs[PN_MODEL_NOTES];
    int n = pn_model_notes(m, notes), kept = 0;
    for (int i = 0; i < n; i++)
        if (strncmp(notes[i].key, "pn.", 3) != 0) theirs[kept++] = notes[i];
    ck_assert_int_eq(pn_params_init_rest(m->part[0].params, 1), PN_OK);
    pn_weights *w = saved(m->part, 1, theirs, kept);
    pn_model *again = same_from_file(m, w);
    const pn_model_option *o = pn_model_kind_of(m)->options;
    for (int i = 0; o[i].key; i++) ck_assert_str_eq(pn_model_get(again, o[i].key), pn_model_get(m, o[i].key));
    pn_model_free(again);
    pn_model_free(m);
}
END_TEST

START_TEST(bad_options_are_refused_with_advice)
{
    static const struct {
        const char *set, *says;
    } bad[] = {
        { "width=48", "width=48 is no multiple of 32" },
        { "K=7", "K=7 is not one of 1, 8, 20" },
        { "up_k=4", "up_k=4 is not one of 3, 5" },
        { "rpsf=maybe", "rpsf=maybe is not one of off, on" },
        { "gdcca_blocks=4", "gdcca_blocks=4 is not a whole number from 1 to 3" },
        { "tau=0", "must be above 0" },
        { "mistakes=2", "mistakes=2 is no share from 0 to 1" },
        { "lambda_l1=much", "lambda_l1=much is not a finite number" },
        { "gdcca_atn=both", "did you mean 'gdcca_attn'" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_ptr_null(opened(bad[i].set, NULL));
        ck_assert_msg(strstr(pn_ctx_message(pn_test_ctx()), bad[i].says), "'%s' does not say '%s'", pn_ctx_message(pn_test_ctx()),
                      bad[i].says);
    }
    const char *none[] = { "K=1", "mistakes=0.2" };
    ck_assert_ptr_null(pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "rsa_gan", .set = none, .n_set = 2 }));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "K=1 reads none"));
    const char *both[] = { "K=20", "parsing=merged8" };
    ck_assert_ptr_null(pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "rsa_gan", .set = both, .n_set = 2 }));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "take K=8"));
    pn_model *m = model_of(NULL);
    ck_assert_ptr_null(pn_generation_new(m, 1, 16, 64));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "needs sides of 32 or more"));
    pn_model_free(m);
}
END_TEST

START_TEST(programs_learn_what_it_needs)
{
    static const struct {
        const char *set;
        int classes;
        const char *labelling;
        pn_limb_maps limbs;
    } all[] = {
        { NULL, 8, "", PN_LIMBS_SEGMENT },
        { "parsing=cihp20", 8, "cihp20", PN_LIMBS_SEGMENT },
        { "K=20", 20, "none20", PN_LIMBS_SEGMENT },
        { "K=1", 0, "", PN_LIMBS_SEGMENT },
        { "limb_line=infinite", 8, "", PN_LIMBS_LINE },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pn_model *m = model_of(all[i].set);
        const pn_model_needs needs = pn_model_needs_at(m, 256);
        ck_assert(needs.sigma == 6 && needs.filter == PN_FILTER_CUBIC && needs.hole == PN_HOLE_NONE);
        ck_assert_int_eq(needs.classes, all[i].classes);
        ck_assert_int_eq(needs.limbs, all[i].limbs);
        ck_assert_str_eq(needs.labelling, all[i].labelling);
        pn_model_free(m);
    }
}
END_TEST

/* ---- What a file keeps ------------------------------------------------------------------------------------------------------ */

/* The frozen network of the style encoder is no part of the generator, yet a checkpoint brings it. */
START_TEST(a_checkpoint_brings_the_network_that_style_looks_through)
{
    pn_model *m = model_of("style_enc=vgg");
    pn_note notes[PN_MODEL_NOTES];
    pn_part parts[4];
    const int n = pn_model_parts(m, parts);
    ck_assert_int_eq(n, 4);
    ck_assert_ptr_null(pn_params_find(parts[RSA_GAN_PART_G].params, "features.0.weight"));
    for (int i = 0; i < n; i++) ck_assert_int_eq(pn_params_init_rest(parts[i].params, 3), PN_OK);
    ck_assert_int_eq(pn_params_init(parts[RSA_GAN_PART_LOOK].params, 4), PN_OK);       /* others than a fresh model's */
    pn_weights *w = saved(parts, n, notes, pn_model_notes(m, notes));
    pn_model_free(same_from_file(m, w));
    pn_model_free(m);
}
END_TEST

static double tau_after(pn_model *m, int64_t run_steps)
{
    sample *s = malloc(sizeof *s);
    const pn_model_input in = input_of(s, 8);
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .batch = 1, .height = H, .width = W, .lr = 1e-9, .run_steps = run_steps });
    if (!t || pn_training_step(t, &in, NULL)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    pn_training_free(t);
    free(s);
    return (double)pn_param_data(((rsa_gan_model *)m)->g.corr.tau)[0];
}

/* Geometric over a quarter of the run; from weights alone it stays where it ended. */
START_TEST(the_temperature_falls_with_the_steps_and_stays_with_the_weights)
{
    pn_model *m = model_of(NULL);
    ck_assert_double_eq_tol(tau_after(m, 16), 0.1, 1e-6);
    ck_assert_double_eq_tol(tau_after(m, 16), 0.1 * pow(0.1, 0.25), 1e-6);
    ck_assert_double_eq_tol(tau_after(m, 16), 0.1 * pow(0.1, 0.5), 1e-6);
    pn_load_report found[4];
    pn_weights *w = saved(m->part, 1, NULL, 0);
    pn_model *again = model_of(NULL);
    ck_assert_int_eq(pn_model_start(again, w, found), PN_OK);
    ck_assert_double_eq_tol(tau_after(again, 16), 0.01, 1e-6);
    pn_weights_free(w);
    pn_model_free(again);
    pn_model_free(m);
}
END_TEST

static double semantic_loss(const pn_real *right)
{
    static const char seen[] = "semantics";
    pn_model *m = model_of(NULL);
    sample *s = malloc(sizeof *s);
    pn_model_input in = input_of(s, 8);
    in.parsing_right = right;
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .batch = 1, .height = H, .width = W, .lr = 1e-9 });
    const char *names[PN_MAX_LOSSES];
    double losses[PN_MAX_LOSSES], found = NAN;
    if (!t || pn_training_step(t, &in, losses)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    const int n = pn_training_losses(t, names);
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], seen) == 0) found = losses[i];
    pn_training_free(t);
    pn_model_free(m);
    free(s);
    return found;
}

/* A fresh network keeps the label map it is given: 1.39 against itself; a cell that shows nothing of a class is held to have a thousandth of it, 6.9. */
START_TEST(what_it_repairs_is_held_to_the_right_map)
{
    static pn_real elsewhere[8 * PIXELS];
    for (int p = 0; p < PIXELS; p++) elsewhere[(p % W / 4 % 2 ? 1 : 0) * PIXELS + p] = 1;
    const double given = semantic_loss(NULL), other = semantic_loss(elsewhere);
    ck_assert_msg(other > given + 2, "%g against the map given, %g against another", given, other);
}
END_TEST

START_TEST(pictures_without_label_maps_are_refused)
{
    sample *s = malloc(sizeof *s);
    pn_model *m = model_of(NULL);
    pn_model_input in = input_of(s, 8);
    pn_real image[3 * PIXELS];
    pn_generation *gen = pn_generation_new(m, 1, H, W);
    ck_assert(gen != NULL);
    in.parsing_target = NULL;                           /* of the target nobody has one */
    ck_assert_int_eq(pn_generation_run(gen, &in, image), PN_OK);
    in.parsing_source = NULL;
    ck_assert_int_eq(pn_generation_run(gen, &in, image), PN_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "its label map"));
    pn_generation_free(gen);
    pn_model_free(m);
    free(s);
}
END_TEST

TCase *rsa_gan_face_cases(void)
{
    TCase *t = tcase_create("rsa_gan_face");
    tcase_add_loop_test(t, another_programs_file_says_its_switches, 0, SWITCHES);
    tcase_add_test(t, bad_options_are_refused_with_advice);
    tcase_add_test(t, programs_learn_what_it_needs);
    tcase_add_test(t, a_checkpoint_brings_the_network_that_style_looks_through);
    tcase_add_test(t, what_it_repairs_is_held_to_the_right_map);
    tcase_add_test(t, the_temperature_falls_with_the_steps_and_stays_with_the_weights);
    tcase_add_test(t, pictures_without_label_maps_are_refused);
    return t;
}
