/* tests/models/test_glocal.c - the whole of GLocal against an independent PyTorch program (tests/golden/glocal_ref.py): one
 * training step of every task and switch, through the face that programs use; and pictures
 *
 * A step with a rate of almost nothing leaves the weights as they are, and in Adam's first moment the gradients.
 */
#include "support/pntest.h"

#include "../models/glocal/training.h"
#include "models/expected.h"
#include "models/formula.h"
#include "posenet/data.h"


/* Values: of the largest. Gradients: relative L2. In floats the slope of a relu or the sign of a difference flips where it is
 * nearly 0, on some instruction sets and not on others, and moves every gradient behind it by some 5e-4; that of ggr.mix, a
 * single number that cancels, and those of the cases marked `flips`, by up to 6e-3. The double build must be right to
 * the files' rounding. */
#ifdef PN_REAL_DOUBLE
static const double tol_value = 1e-6, tol_walk = 1e-5, tol_grad = 3e-6, tol_flips = 3e-6;
#else
static const double tol_value = 2e-5, tol_walk = 2e-4, tol_grad = 1.5e-3, tol_flips = 1e-2;
#endif

static const formula_gain gains[] = { { "region.code", 8 }, { NULL, 0 } };
enum { N = 2, H = 64, W = 48, REGIONS = GLOCAL_REGIONS, CELLS = H * W / 16 };
static const double hardly = 1e-30, beta1 = 0.5;

typedef struct {
    const char *file, *name, *stage, *task, *set, *mask;
    double tau;
    int drop[N];
    bool vgg, flips;
} golden_case;

#define POSE(file, name, stage, set, tau, drop0, drop1)                                                                \
    {                                                                                                                  \
        file, name, stage, "pose", set, NULL, tau, { drop0, drop1 }, false, false                                      \
    }
#define HOLES(file, name, set, mask, drop0, drop1)                                                                     \
    {                                                                                                                  \
        file, name, "joint", "inpaint", set, mask, 0.1, { drop0, drop1 }, false, false                                 \
    }
static const golden_case pose_cases[] = {
    POSE("tiny", "true", "generator", NULL, 0.1, -1, 5),
    POSE("tiny", "joint", "joint", NULL, 0.03, 4, -1),
    { "tiny", "joint_vgg", "joint", "pose", "vgg_narrow=4", NULL, 0.1, { -1, -1 }, true, false },
};
static const golden_case variants[] = {
    POSE("variants", "graph_none", "joint", "ggr_graph=none", 0.1, -1, -1),
    POSE("variants", "graph_static", "joint", "ggr_graph=static", 0.1, -1, -1),
    POSE("variants", "graph_glore", "joint", "ggr_graph=glore", 0.1, -1, -1),
    POSE("variants", "layers1", "joint", "ggr_layers=1", 0.1, -1, -1),
    POSE("variants", "layers3", "joint", "ggr_layers=3", 0.1, -1, -1),
    POSE("variants", "occl_zero", "joint", "occl_rule=zero", 0.1, -1, -1),
    POSE("variants", "occl_global", "joint", "occl_rule=global", 0.1, -1, -1),
    POSE("variants", "lst_none", "joint", "lst_mode=none", 0.1, -1, -1),
    POSE("variants", "lst_point", "joint", "lst_mode=point", 0.1, -1, -1),
    POSE("variants", "lst_assemble", "joint", "lst_mode=assemble", 0.1, -1, -1),
    POSE("variants", "lst_k5", "joint", "lst_k=5", 0.1, -1, -1),
    { "variants", "colours", "joint", "pose", "lst_colours=1", NULL, 0.1, { -1, -1 }, false, true },
    POSE("variants", "point_colours", "joint", "lst_colours=1 lst_mode=point", 0.1, -1, -1),
    POSE("variants", "assemble_colours", "joint", "lst_colours=1 lst_mode=assemble", 0.1, -1, -1),
    POSE("variants", "match3", "joint", "match_kernel=3", 0.1, -1, -1),
    POSE("variants", "spade", "joint", "ran_spade_mix=1", 0.1, -1, -1),
    POSE("variants", "pise", "joint", "par_head=pise", 0.1, -1, -1),
    POSE("variants", "plain", "joint", "g_sn=0", 0.1, -1, -1),
    { "variants", "vgg31", "joint", "pose", "ls_feat=vgg31 vgg_narrow=4", NULL, 0.1, { -1, -1 }, true, true },
    { "variants", "reg", "joint", "pose", "vgg_narrow=4 lambda_regularisation=30", NULL, 0.1, { -1, -1 }, true, false },
};
static const golden_case hole_cases[] = {
    HOLES("inpaint", "inpaint", NULL, "mask_region", 1, -1),
    { "inpaint", "unseen", "joint", "inpaint", NULL, "mask_all", 0.1, { -1, -1 }, false, true },
    HOLES("variants", "assemble_holes", "lst_mode=assemble", "mask_region", -1, -1),
    { "variants", "colours_holes", "joint", "inpaint", "lst_colours=1", "mask_region", 0.1, { -1, -1 }, false, true },
    HOLES("variants", "point_holes", "lst_mode=point", "mask_region", -1, -1),
    HOLES("variants", "loose", "ls_strict=0", "mask_region", -1, -1),
};

static pn_safetensors golden_open(const char *file)
{
    char name[64];
    snprintf(name, sizeof name, "glocal_%s", file);
    return expected_open(name);
}

/* The network of the design, without the colours that ours reads besides; unless the case asks for them. */
static pn_model *designed(const char *task, const char *set, double tau)
{
    char all[128];
    if (!set) set = "";
    snprintf(all, sizeof all, "%s%s", strstr(set, "lst_colours") ? "" : "lst_colours=0 ", set);
    return tiny_model("glocal", task, all, tau);
}

/* ---- Inputs ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    pn_real *source, *target, *pose_source, *pose_target, *layout_source, *layout_target, *hole;
} sample;

static pn_real *heat_maps(const pn_safetensors *f, const char *key)
{
    pn_real *points = expected_reals(f, key), *out = malloc(sizeof *out * N * PN_JOINTS * H * W);
    float *maps = malloc(sizeof *maps * PN_JOINTS * H * W);
    for (int s = 0; s < N; s++) {
        pn_pose pose;
        for (int j = 0; j < PN_JOINTS; j++) {
            pose.x[j] = (double)points[2 * (s * PN_JOINTS + j)];
            pose.y[j] = (double)points[2 * (s * PN_JOINTS + j) + 1];
        }
        pn_pose_heatmaps(&pose, H, W, 6.0 * H / 256, maps);
        for (int i = 0; i < PN_JOINTS * H * W; i++) out[s * PN_JOINTS * H * W + i] = (pn_real)maps[i];
    }
    free(maps);
    free(points);
    return out;
}

static pn_real *one_hot(const pn_safetensors *f, const char *key)
{
    pn_real *labels = expected_reals(f, key), *out = calloc((size_t)N * REGIONS * H * W, sizeof *out);
    for (int i = 0; i < N * H * W; i++) out[(i / (H * W) * REGIONS + (int)labels[i]) * H * W + i % (H * W)] = 1;
    free(labels);
    return out;
}

static sample sample_make(const char *mask)
{
    pn_safetensors f = golden_open("tiny");
    sample s = {
        .source = expected_reals(&f, mask ? "target" : "source"),
        .target = expected_reals(&f, "target"),
        .pose_source = heat_maps(&f, "source_points"),
        .pose_target = heat_maps(&f, "target_points"),
        .layout_source = one_hot(&f, "source_labels"),
        .layout_target = one_hot(&f, "target_labels"),
        .hole = mask ? expected_reals(&f, mask) : NULL,
    };
    pn_safetensors_free(pn_test_ctx(), &f);
    return s;
}

static pn_model_input input_of(const sample *s)
{
    return (pn_model_input){ .source = s->source,
                             .target = s->target,
                             .pose_source = s->pose_source,
                             .pose_target = s->pose_target,
                             .parsing_source = s->layout_source,
                             .parsing_target = s->layout_target,
                             .hole = s->hole };
}

static void sample_free(sample *s)
{
    pn_real *const arrays[] = { s->source,        s->target,        s->pose_source, s->pose_target,
                                s->layout_source, s->layout_target, s->hole };
    for (int i = 0; i < 7; i++) free(arrays[i]);
}

/* ---- A model and its training -------------------------------------------------------------------------------------------- */

static void fill(pn_model *m)
{
    formula_fill(m->part[GLOCAL_PART_G].params, "", gains);
    formula_fill(m->part[GLOCAL_PART_D].params, "disc.", NULL);
}

/* A seed whose region drop hides what the case wants: the face draws its own. */
static void seed_the_drop(glocal_model *m, const sample *s, const int drop[N])
{
    pn_real *numbers = malloc(2 * glocal_sight_numbers(N, H, W) * sizeof *numbers);
    glocal_sight source = glocal_sight_place(numbers, N, H, W);
    glocal_sight target = glocal_sight_place(numbers + glocal_sight_numbers(N, H, W), N, H, W);
    const bool holes = s->hole != NULL;
    bool found = false;
    glocal_look(&target, &m->config, s->target, holes ? s->layout_source : s->layout_target, NULL);
    for (m->base.seed = 0; !found && m->base.seed < 10000; m->base.seed++) {
        pn_rng rng = pn_rng_named(m->base.seed, "region_drop");
        glocal_look(&source, &m->config, s->source, s->layout_source, s->hole);
        glocal_hide(&source, target.shown, m->drop, &rng);
        found = true;
        for (int i = 0; i < N * REGIONS; i++) {
            const bool hidden = source.shown[i] != source.visible[i / REGIONS * GLOCAL_NODES + i % REGIONS];
            found = found && hidden == (drop[i / REGIONS] == i % REGIONS);
        }
    }
    m->base.seed--;
    ck_assert_msg(found, "no seed hides these regions");
    free(numbers);
}

static glocal_training *training_of(pn_model *m, const char *stage, double lr, const char *vgg)
{
    pn_training *t = pn_training_new(
        m, &(pn_training_opt){ .stage = stage, .batch = N, .height = H, .width = W, .lr = lr, .vgg19 = vgg });
    if (!t) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return (glocal_training *)t;
}

/* ---- Comparing a step ------------------------------------------------------------------------------------------------------ */

static void expect_losses(const pn_safetensors *f, const char *where, const glocal_training *t, const double losses[])
{
    static const struct {
        const char *ours, *theirs;
    } names[] = {
        { "total", "total/g" },        { "l1", "loss/rec" },           { "parsing", "loss/par" },
        { "hole", "loss/hole" },       { "outside", "loss/outside" },  { "adversarial", "loss/adv" },
        { "code", "loss/code" },       { "warp", "loss/warp" },        { "structure", "loss/ls" },
        { "content", "loss/content" }, { "style", "loss/style" },      { "matching", "loss/fm" },
        { "scales", "loss/ms" },       { "discriminator", "total/d" }, { "regularisation", "loss/reg" },
    };
    int compared = 0;
    for (int i = 0; i < t->base.losses; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            if (strcmp(t->base.loss_name[i], names[k].ours) != 0) continue;
            expect_values(f, where, names[k].theirs, &losses[i], 1, tol_value);
            compared++;
        }
    ck_assert_int_eq(compared, t->base.losses - (t->lesson[0].out.peak ? 1 : 0));
}

static void expect_state(const pn_safetensors *f, const char *where, const char *when, const pn_params *p)
{
    int compared = 0;
    for (int k = 0; k < pn_params_count(p); k++) {
        const pn_tensor *t = pn_params_at(p, k);
        const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
        char name[256];
        if (!pn_param_is_state(t)) continue;
        double *got = malloc((size_t)n * sizeof *got);
        for (ptrdiff_t i = 0; i < n; i++) got[i] = (double)pn_param_data(t)[i];
        snprintf(name, sizeof name, "%s/%s", when, pn_tensor_name(t));
        expect_values(f, where, name, got, n, tol_value);
        free(got);
        compared++;
    }
    ck_assert_int_gt(compared, 20);
}

static void expect_stages(const pn_safetensors *f, const char *where, const glocal_training *t)
{
    const glocal_lesson_plans *l = &t->lesson[0];
    ptrdiff_t n;
    char key[128];
    snprintf(key, sizeof key, "%s/image0", where);
    if (pn_safetensors_find(f, key)) {
        double *image = plan_values(l->gen, l->out.image, &n);
        expect_values(f, where, "image0", image, n / N, tol_value);
        free(image);
    } else {
        expect_output(f, where, "image", l->gen, l->out.image, tol_value);
    }
    expect_output(f, where, "warped", l->gen, l->out.warped, tol_value);
    expect_output(f, where, "peak", l->gen, l->out.peak, tol_value);
    expect_output(f, where, "r", l->gen, l->out.proposed, tol_value);
    expect_output(f, where, "z", l->gen, l->z, tol_value);
}

/* The formula is for parameters; frozen filters stay the file's. */
static void keep_vgg(const glocal_training *t)
{
    const pn_conv_layer *vgg = ((const glocal_model *)t->base.model)->g.structure.vgg;
    for (int i = 0; vgg[0].weight && i < GLOCAL_VGG; i++) {
        pn_param_set(vgg[i].weight, pn_param_data(t->vgg.conv[i].weight));
        pn_param_set(vgg[i].bias, pn_param_data(t->vgg.conv[i].bias));
    }
}

static void check_step(const golden_case *c)
{
    pn_safetensors f = golden_open(c->file);
    sample s = sample_make(c->mask);
    pn_model *m = designed(c->task, c->set, c->tau);
    const char *vgg = c->vgg ? narrow_vgg() : NULL;
    glocal_training *t = training_of(m, c->stage, hardly, vgg);
    if (vgg) remove(vgg);
    pn_params *g = m->part[GLOCAL_PART_G].params, *d = m->part[GLOCAL_PART_D].params;
    const pn_model_input in = input_of(&s);
    double losses[PN_MAX_LOSSES];
    seed_the_drop((glocal_model *)m, &s, c->drop);
    fill(m);
    keep_vgg(t);
    if (pn_training_step(&t->base, &in, losses)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    expect_stages(&f, c->name, t);
    expect_losses(&f, c->name, t, losses);
    expected_gradients e = { c->name, "g", "", beta1, c->flips ? tol_flips : tol_grad, "ggr.mix", tol_flips, NULL };
    const int compared = expect_gradients(&f, &e, t->base.adam[GLOCAL_PART_G], g);
    ck_assert_int_eq(compared, stored_gradients(&f, c->name, "g"));
    e.part = "d";
    const int of_d = expect_gradients(&f, &e, t->base.adam[GLOCAL_PART_D], d);
    ck_assert_int_eq(of_d, stored_gradients(&f, c->name, "d"));
    if (strcmp(c->name, "true") == 0) {
        expect_state(&f, c->name, "state.g", g);
        expect_state(&f, c->name, "state.d2", d);
    }
    pn_training_free(&t->base);
    pn_model_free(m);
    sample_free(&s);
    pn_safetensors_free(pn_test_ctx(), &f);
}

START_TEST(a_step_to_another_pose_matches_torch) { check_step(&pose_cases[_i]); }
END_TEST
START_TEST(a_step_with_another_switch_matches_torch) { check_step(&variants[_i]); }
END_TEST
START_TEST(a_step_over_holes_matches_torch) { check_step(&hole_cases[_i]); }
END_TEST

/* ---- Steps with Adam, pictures ---------------------------------------------------------------------------------------------- */

START_TEST(three_steps_with_adam_match_torch)
{
    static const struct {
        const char *ours, *theirs;
    } names[] = {
        { "total", "walk/g" },         { "l1", "walk/rec" },      { "parsing", "walk/par" },
        { "adversarial", "walk/adv" }, { "code", "walk/code" },   { "warp", "walk/warp" },
        { "structure", "walk/ls" },    { "matching", "walk/fm" }, { "scales", "walk/ms" },
        { "discriminator", "walk/d" },
    };
    pn_safetensors f = golden_open("tiny");
    sample s = sample_make(NULL);
    pn_model *m = designed("pose", "region_drop=0", 0.1);
    glocal_training *t = training_of(m, "joint", 1e-3, NULL);
    const pn_model_input in = input_of(&s);
    fill(m);
    for (int step = 0; step < 3; step++) {
        double losses[PN_MAX_LOSSES];
        if (pn_training_step(&t->base, &in, losses)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
        for (int i = 0; i < t->base.losses; i++)
            for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
                ptrdiff_t count;
                if (strcmp(t->base.loss_name[i], names[k].ours) != 0) continue;
                double *want = expected_find(&f, names[k].theirs, &count);
                ck_assert(want != NULL && count == 3);
                const double off = fabs(losses[i] - want[step]) / fabs(want[step]);
                ck_assert_msg(off <= tol_walk, "%s of step %d is off by %.3g", names[k].ours, step, off);
                free(want);
            }
    }
    ck_assert_double_eq((double)pn_param_data(((glocal_model *)m)->steps)[0], 3);
    pn_training_free(&t->base);
    pn_model_free(m);
    sample_free(&s);
    pn_safetensors_free(pn_test_ctx(), &f);
}
END_TEST

static void iterate_once(const glocal_model *m)
{
    pn_graph *g = pn_graph_new(pn_test_ctx());
    glocal_norms(g, &m->g, &m->d);
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN });
    ck_assert_int_eq(pn_forward(p), PN_OK);
    pn_plan_free(p);
    pn_graph_free(g);
}

static void check_picture(const char *set, const char *key, bool labels_given)
{
    pn_safetensors f = golden_open("tiny");
    sample s = sample_make(NULL);
    pn_model *m = designed("pose", set, 0.01);
    pn_generation *gen = pn_generation_new(m, N, H, W);
    if (!gen) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    fill(m);
    iterate_once((glocal_model *)m);
    pn_model_input in = input_of(&s);
    pn_real *labels = labels_given ? one_hot(&f, "generate/labels") : NULL,
            *image = malloc(sizeof *image * N * 3 * H * W);
    in.parsing_target = labels;
    if (pn_generation_run(gen, &in, image)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    ptrdiff_t n;
    double *want = expected_find(&f, key, &n), worst = 0;
    ck_assert_int_eq(n, N * 3 * H * W);
    for (ptrdiff_t i = 0; i < n; i++) worst = fmax(worst, fabs((double)image[i] - want[i]));
    ck_assert_msg(worst <= 10 * tol_value, "%s is off by %.3g", key, worst); /* tau = 0.01 magnifies rounding */
    free(want);
    free(image);
    free(labels);
    pn_generation_free(gen);
    pn_model_free(m);
    sample_free(&s);
    pn_safetensors_free(pn_test_ctx(), &f);
}

START_TEST(a_picture_of_a_soft_layout_matches_torch) { check_picture("par_hard_test=0", "generate/soft", false); }
END_TEST
START_TEST(a_picture_of_a_given_layout_matches_torch) { check_picture("target_parsing=true", "generate/hard", true); }
END_TEST

/* ---- Counts, refusals -------------------------------------------------------------------------------------------------------- */

START_TEST(presets_have_the_designed_counts)
{
    static const struct {
        const char *preset;
        int64_t generator, discriminator, colours;
    } counts[] = {
        { "full", 44837597, 664577, 64 * 27 + 81 },
        { "small", 11253405, 166657, 32 * 27 + 81 },
        { "tiny", 2833085, 41921, 16 * 27 + 81 },
    };
    static const char *const set[] = { "lst_colours=0", "lst_colours=1" };
    for (int i = 0; i < 2; i++) {
        const pn_model_opt opt = { .name = "glocal", .preset = counts[_i].preset, .set = &set[i], .n_set = 1 };
        pn_model *m = pn_model_new(pn_test_ctx(), &opt);
        ck_assert_ptr_nonnull(m);
        ck_assert_int_eq(pn_params_numbers(m->part[GLOCAL_PART_G].params), counts[_i].generator + i * counts[_i].colours);
        ck_assert_int_eq(pn_params_numbers(m->part[GLOCAL_PART_D].params), counts[_i].discriminator);
        pn_model_free(m);
    }
}
END_TEST

START_TEST(presets_cost_what_was_designed)
{
    static const struct {
        const char *preset;
        ptrdiff_t height, width;
        double gmac;
    } costs[] = {
        { "full", 256, 176, 50.67 },
        { "full", 256, 256, 74.51 },
        { "small", 256, 176, 13.46 },
        { "tiny", 128, 96, 0.94 },
    };
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "glocal", .preset = costs[_i].preset });
    const glocal_model *own = (const glocal_model *)m;
    pn_graph *g = pn_graph_new(pn_test_ctx());
    const glocal_input in = glocal_inputs(g, &own->config, pn_shape4(1, 3, costs[_i].height, costs[_i].width),
                                          GLOCAL_TO_DO_BOTH);
    glocal_generator(g, &own->g, &in, glocal_soft(g, GLOCAL_LOGITS, glocal_parse(g, &own->g, &in)));
    ck_assert_double_eq_tol(pn_graph_macs(g) / 1e9, costs[_i].gmac, 0.015);
    pn_graph_free(g);
    pn_model_free(m);
}
END_TEST

START_TEST(bad_options_are_refused_with_advice)
{
    static const struct {
        const char *set, *says;
    } cases[] = {
        { "lst_k=4", "must be odd" },
        { "match_kernel=2", "must be odd" },
        { "ggr_graph=ring", "none, static, glore, attn" },
        { "tau=0", "above 0" },
        { "region_drop=1.5", "no probability, expected 0 to 1" },
        { "region_drop=-0.1", "no probability, expected 0 to 1" },
        { "a_min=0", "expected a number above 0" },
        { "mask_on_person=yes", "is not a whole number from 0 to 1" },
        { "mask_kind=disc", "mixed" },
        { "widht=8", "did you mean 'width'" },
        { "lambda_regularisation=30", "X1 has 64 channels and conv3_1 256; take preset full" },
    };
    const char *set = cases[_i].set;
    ck_assert_ptr_null(
        pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "glocal", .preset = "tiny", .set = &set, .n_set = 1 }));
    const char *said = pn_ctx_message(pn_test_ctx());
    ck_assert_msg(strstr(said, cases[_i].says) != NULL, "'%s' does not say '%s'", said, cases[_i].says);
}
END_TEST

START_TEST(inpainting_has_no_stage_parsing)
{
    pn_model *m = designed("inpaint", NULL, 0.1);
    ck_assert_ptr_null(
        pn_training_new(m, &(pn_training_opt){ .stage = "parsing", .batch = 1, .height = H, .width = W }));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "train its stage generator"));
    pn_model_free(m);
}
END_TEST

START_TEST(x1_is_held_to_vgg19_only_where_there_is_one)
{
    pn_model *m = pn_model_new(
        pn_test_ctx(),
        &(pn_model_opt){ .name = "glocal", .set = (const char *[]){ "lambda_regularisation=30" }, .n_set = 1 });
    ck_assert_msg(m != NULL, "full has its 256 channels: %s", pn_ctx_message(pn_test_ctx()));
    pn_model_free(m);
    m = designed("pose", "vgg_narrow=4 lambda_regularisation=30", 0.1);
    ck_assert_ptr_null(pn_training_new(m, &(pn_training_opt){ .batch = 1, .height = H, .width = W }));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "give one with --vgg19"));
    pn_model_free(m);
}
END_TEST

TCase *glocal_cases(void)
{
    TCase *tc = tcase_create("glocal");
    tcase_set_timeout(tc, 300);
    const bool all = sizeof(pn_real) == sizeof(float) || getenv("CK_RUN_CASE"); /* minutes, with reference kernels */
    tcase_add_loop_test(tc, a_step_to_another_pose_matches_torch, all ? 0 : 1,
                        all ? sizeof pose_cases / sizeof *pose_cases : 2);
    tcase_add_loop_test(tc, a_step_over_holes_matches_torch, 0, all ? sizeof hole_cases / sizeof *hole_cases : 1);
    if (all) tcase_add_loop_test(tc, a_step_with_another_switch_matches_torch, 0, sizeof variants / sizeof *variants);
    if (all) tcase_add_test(tc, three_steps_with_adam_match_torch);
    tcase_add_test(tc, a_picture_of_a_soft_layout_matches_torch);
    tcase_add_test(tc, a_picture_of_a_given_layout_matches_torch);
    tcase_add_loop_test(tc, presets_have_the_designed_counts, 0, 3);
    tcase_add_loop_test(tc, presets_cost_what_was_designed, 0, 4);
    tcase_add_loop_test(tc, bad_options_are_refused_with_advice, 0, 11);
    tcase_add_test(tc, inpainting_has_no_stage_parsing);
    tcase_add_test(tc, x1_is_held_to_vgg19_only_where_there_is_one);
    return tc;
}
