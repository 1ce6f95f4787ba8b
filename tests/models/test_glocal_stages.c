/* tests/models/test_glocal_stages.c - GLocal from stage to stage: Adam's moments and steps go on, also through a checkpoint */
#include "support/pntest.h"

#include "../models/glocal/training.h"
#include "models/formula.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { H = 32, W = 32, PIXELS = H * W, REGIONS = GLOCAL_REGIONS };
static const char *const stages[] = { "parsing", "generator", "joint" };
enum { PARSING, GENERATOR, JOINT, STAGES, STEPS = 2 };

static pn_model *model_of(void)
{
    static const char *const set[] = { "width=2", "lst_k=3", "tau_warm=4" };
    pn_model *m = pn_model_new(
        pn_test_ctx(), &(pn_model_opt){ .name = "glocal", .preset = "tiny", .set = set, .n_set = 3, .seed = 5 });
    if (!m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return m;
}

static pn_training *training_of(pn_model *m, const char *stage)
{
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .stage = stage, .batch = 1, .height = H, .width = W });
    if (!t) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return t;
}

/* Another picture at every step. */
static void train(pn_training *t, int from, int steps)
{
    typedef struct {
        pn_real picture[2][3 * PIXELS], pose[2][PN_JOINTS * PIXELS], layout[2][REGIONS * PIXELS];
    } sample;
    sample *s = calloc(1, sizeof *s);
    for (int step = from; step < from + steps; step++) {
        char name[32];
        snprintf(name, sizeof name, "step%d", step);
        memset(s->layout, 0, sizeof s->layout);
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < 3 * PIXELS; i++) s->picture[k][i] = (pn_real)formula_u(name, 3 * PIXELS * k + i);
            for (int i = 0; i < PN_JOINTS * PIXELS; i++) s->pose[k][i] = (pn_real)fabs(formula_u(name, i + k));
            for (int p = 0; p < PIXELS; p++) s->layout[k][(p / W / 4 + k + step) % REGIONS * PIXELS + p] = 1;
        }
        const pn_model_input in = { .source = s->picture[0],
                                    .target = s->picture[1],
                                    .pose_source = s->pose[0],
                                    .pose_target = s->pose[1],
                                    .parsing_source = s->layout[0],
                                    .parsing_target = s->layout[1] };
        if (pn_training_step(t, &in, NULL)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    }
    free(s);
}

/* ---- All numbers of a training, one behind the other -------------------------------------------------------------------- */

typedef struct {
    char *bytes;
    size_t size;
    double largest; /* of the first moments */
    int64_t steps;  /* of all parameters together */
} numbers;

static void add(numbers *n, const void *bytes, size_t size)
{
    n->bytes = realloc(n->bytes, n->size + size);
    memcpy(n->bytes + n->size, bytes, size);
    n->size += size;
}

static void add_moments(numbers *n, pn_adam *adam, const pn_tensor *t)
{
    const ptrdiff_t count = pn_shape_count(pn_tensor_shape(t));
    const pn_real *m = pn_adam_moment1(adam, t);
    for (ptrdiff_t i = 0; i < count; i++) n->largest = fmax(n->largest, fabs((double)m[i]));
    n->steps += *pn_adam_steps(adam, t);
    add(n, m, (size_t)count * sizeof *m);
    add(n, pn_adam_moment2(adam, t), (size_t)count * sizeof *m);
    add(n, pn_adam_steps(adam, t), sizeof(int64_t));
}

/* Moments of one part (-1: of all), and with values also the parameters and the state. */
static numbers numbers_of(const pn_training *t, int part, bool values)
{
    pn_part parts[4];
    numbers all = { 0 };
    const int n = pn_training_parts(t, parts);
    for (int p = 0; p < n; p++) {
        if (part >= 0 && part != p) continue;
        for (int i = 0; i < pn_params_count(parts[p].params); i++) {
            const pn_tensor *w = pn_params_at(parts[p].params, i);
            const size_t size = (size_t)pn_shape_count(pn_tensor_shape(w)) * sizeof(pn_real);
            if (values) add(&all, pn_param_data(w), size);
            if (parts[p].adam && !pn_param_is_state(w)) add_moments(&all, parts[p].adam, w);
        }
    }
    return all;
}

static void expect_same(numbers *a, numbers *b)
{
    ck_assert_uint_eq(a->size, b->size);
    ck_assert_mem_eq(a->bytes, b->bytes, a->size);
    free(a->bytes);
    free(b->bytes);
}

/* ---- Moments ------------------------------------------------------------------------------------------------------------- */

/* Of the generator after every stage; of the discriminator, which stage parsing does not train, after generator. */
START_TEST(moments_and_steps_go_on_where_a_stage_ends)
{
    pn_model *m = model_of();
    for (int stage = PARSING; stage < JOINT; stage++) {
        pn_training *t = training_of(m, stages[stage]);
        train(t, STEPS * stage, STEPS);
        numbers of_g = numbers_of(t, GLOCAL_PART_G, false), of_d = numbers_of(t, GLOCAL_PART_D, false);
        ck_assert(of_g.largest > 0 && of_g.steps > 0);
        if (stage == PARSING)
            ck_assert_uint_eq(of_d.size, 0);
        else
            ck_assert(of_d.largest > 0 && of_d.steps > 0);
        pn_training_free(t);
        t = training_of(m, stages[stage + 1]);
        numbers g_after = numbers_of(t, GLOCAL_PART_G, false), d_after = numbers_of(t, GLOCAL_PART_D, false);
        expect_same(&of_g, &g_after);
        if (stage == GENERATOR)
            expect_same(&of_d, &d_after);
        else
            free(d_after.bytes); /* begins */
        pn_training_free(t);
    }
    pn_model_free(m);
}
END_TEST

/* A parameter's own count: what stage parsing trains is two steps ahead of what it does not. */
START_TEST(each_parameter_counts_its_own_steps)
{
    pn_model *m = model_of();
    for (int stage = PARSING; stage <= GENERATOR; stage++) {
        pn_training *t = training_of(m, stages[stage]);
        train(t, STEPS * stage, STEPS);
        pn_part parts[4];
        pn_training_parts(t, parts);
        const pn_tensor *parsing = pn_params_find(parts[0].params, "parsing.out.conv.weight"),
                        *decoder = pn_params_find(parts[0].params, "decoder.out.conv.weight_orig");
        ck_assert_int_eq(*pn_adam_steps(parts[0].adam, parsing), STEPS * (stage + 1));
        ck_assert_int_eq(*pn_adam_steps(parts[0].adam, decoder), STEPS * stage);
        pn_training_free(t);
    }
    pn_model_free(m);
}
END_TEST

/* ---- Resuming ------------------------------------------------------------------------------------------------------------ */

static const char *file(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/glocal_stage_%d.safetensors", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
    return path;
}

/* Save what there is, and go on in another process: a new model that knows the file alone. */
static pn_training *through_a_file(pn_model **m, pn_training *t, const char *saved_in, const char *stage)
{
    pn_part parts[4];
    const int n = pn_training_parts(t, parts);
    ck_assert_int_eq(pn_checkpoint_save(pn_test_ctx(), file(), parts, n, NULL, 0), PN_OK);
    pn_training_free(t);
    pn_model_free(*m);
    *m = model_of();
    t = training_of(*m, stage);
    pn_weights *w = pn_weights_open(pn_test_ctx(), file());
    if (!w || pn_training_load(t, w, saved_in)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    pn_weights_free(w);
    remove(file());
    return t;
}

/* cut: the stage at whose end the run is interrupted; one before its last step if inside. STAGES: never. */
static numbers run(int cut, bool inside)
{
    pn_model *m = model_of();
    pn_training *t = NULL;
    for (int stage = PARSING; stage < STAGES; stage++) {
        if (!t) t = training_of(m, stages[stage]);
        train(t, STEPS * stage, STEPS - 1);
        if (cut == stage && inside) t = through_a_file(&m, t, stages[stage], stages[stage]);
        train(t, STEPS * stage + STEPS - 1, 1);
        if (stage == JOINT) break;
        if (cut == stage && !inside) {
            t = through_a_file(&m, t, stages[stage], stages[stage + 1]);
            continue;
        }
        pn_training_free(t);
        t = NULL;
    }
    numbers all = numbers_of(t, -1, true);
    pn_training_free(t);
    pn_model_free(m);
    return all;
}

START_TEST(a_run_resumed_where_a_stage_ends_or_inside_it_ends_in_the_same_bits)
{
    numbers whole = run(STAGES, false), resumed = run(_i / 2, _i % 2);
    ck_assert(whole.largest > 0);
    expect_same(&whole, &resumed);
}
END_TEST

START_TEST(a_file_of_weights_alone_is_no_checkpoint_of_the_same_stage)
{
    pn_model *m = model_of();
    pn_part parts[4];
    const int n = pn_model_parts(m, parts);
    for (int i = 0; i < n; i++) ck_assert_int_eq(pn_params_init(parts[i].params, 1), PN_OK);
    ck_assert_int_eq(pn_checkpoint_save(pn_test_ctx(), file(), parts, n, NULL, 0), PN_OK);
    pn_training *t = training_of(m, "joint");
    pn_weights *w = pn_weights_open(pn_test_ctx(), file());
    ck_assert_int_eq(pn_training_load(t, w, NULL), PN_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "has no optimiser moments"));
    ck_assert_int_eq(pn_training_load(t, w, "generator"), PN_OK); /* of another one: they begin anew */
    pn_weights_free(w);
    remove(file());
    pn_training_free(t);
    pn_model_free(m);
}
END_TEST

/* ---- Starting from weights ------------------------------------------------------------------------------------------------ */

/* A discriminator that no file had begins as in every training: its singular vectors have had their iterations. */
static void expect_settled(const pn_model *m)
{
    static const char *const name = "down3.conv2.weight_u";
    pn_model *fresh = model_of();
    pn_training *t = training_of(fresh, "joint");
    const pn_tensor *is = pn_params_find(m->part[GLOCAL_PART_D].params, name),
                    *should = pn_params_find(fresh->part[GLOCAL_PART_D].params, name);
    ck_assert(is && should);
    ck_assert_mem_eq(pn_param_data(is), pn_param_data(should),
                     (size_t)pn_shape_count(pn_tensor_shape(is)) * sizeof(pn_real));
    pn_training_free(t);
    pn_model_free(fresh);
}

/* From all parts the count goes on; from the generator's alone the warm-up is over; without a correspondence in them it is not. */
START_TEST(trained_weights_keep_the_temperature_that_training_ends_with)
{
    static const double steps[] = { STEPS, 4, 0 }; /* tau_warm is 4 */
    static const char *const modes[] = { "lst_mode=mod", "lst_mode=mod", "lst_mode=none" };
    const char *const set[] = { "width=2", "lst_k=3", "tau_warm=4", modes[_i] };
    pn_model *m = pn_model_new(
        pn_test_ctx(), &(pn_model_opt){ .name = "glocal", .preset = "tiny", .set = set, .n_set = 4, .seed = 5 });
    ck_assert_msg(m != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    pn_training *t = training_of(m, "generator");
    pn_part parts[4];
    train(t, 0, STEPS);
    const int n = pn_model_parts(m, parts);
    ck_assert_int_eq(pn_checkpoint_save(pn_test_ctx(), file(), parts, _i == 0 ? n : 1, NULL, 0), PN_OK);
    pn_training_free(t);
    pn_model_free(m);
    m = model_of();
    pn_weights *w = pn_weights_open(pn_test_ctx(), file());
    pn_load_report found[4];
    if (!w || pn_model_start(m, w, found)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    ck_assert_int_gt(found[GLOCAL_PART_G].loaded, 100);
    ck_assert_int_eq(found[GLOCAL_PART_T].loaded, _i == 0);
    pn_weights_free(w);
    remove(file());
    t = training_of(m, "joint");
    ck_assert_double_eq((double)pn_param_data(((glocal_model *)m)->steps)[0], steps[_i]);
    if (_i == 1) expect_settled(m);
    pn_training_free(t);
    pn_model_free(m);
}
END_TEST

TCase *glocal_stages_cases(void)
{
    TCase *tc = tcase_create("glocal_stages");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, moments_and_steps_go_on_where_a_stage_ends);
    tcase_add_test(tc, each_parameter_counts_its_own_steps);
    if (sizeof(pn_real) == sizeof(float)) /* what files hold */
        tcase_add_loop_test(tc, a_run_resumed_where_a_stage_ends_or_inside_it_ends_in_the_same_bits, 1, 5);
    tcase_add_loop_test(tc, trained_weights_keep_the_temperature_that_training_ends_with, 0, 3);
    tcase_add_test(tc, a_file_of_weights_alone_is_no_checkpoint_of_the_same_stage);
    return tc;
}
