/* tests/models/test_rsa_gan.c - the whole of RSA-GAN against an independent PyTorch program (tests/golden/rsa_gan_ref.py): its
 * inputs, every stage inside, and one training step of every switch, through the face that programs use
 *
 * A step with a rate of almost nothing leaves the weights as they are, and in Adam's first moment the gradients.
 */
#include "support/pntest.h"

#include "../models/rsa_gan/training.h"
#include "models/expected.h"
#include "models/formula.h"
#include "support/memory.h"

/* Values: of the largest. Gradients: relative L2. In floats the slope of a relu or the sign of a difference flips where it is
 * nearly 0: PyTorch's own float32 is then off by 1e-2 (golden/README.md), and each instruction set flips others: on AVX-512 one
 * moves gradients of `spatial` by 4e-2, since its critics' 7x7 filters go in tiles of eight. And noise of
 * the descriptors is divided by the temperature, 0.1, which T and all behind it shows. The double build must be right to the
 * files' rounding. */
#ifdef PN_REAL_DOUBLE
static const double tol_value = 1e-6, tol_grad = 3e-6, tol_flip = 3e-6, tol_walk = 1e-5;
#else
static const double tol_value = 5e-5, tol_grad = 1.5e-2, tol_flip = 5e-2, tol_walk = 3e-4;
#endif

enum { N = 2, H = 64, W = 48, PIXELS = H * W, POSE = PN_JOINTS + PN_LIMBS, CLASSES = 20 };
static const double hardly = 1e-30, beta1 = 0.5;

typedef struct {
    const char *file, *name, *set;
    double tau;
    bool vgg;
} golden_case;

#define VARIANT(name, set) { "rsa_gan_variants", name, set, 0.1, false }
static const golden_case cases[] = {
    { "rsa_gan_tiny", "plain", NULL, 0.1, false },
    { "rsa_gan_tiny", "sharp", NULL, 0.03, false },
    { "rsa_gan_tiny", "vgg", "vgg_narrow=4", 0.1, true },
    VARIANT("rpsf_off", "rpsf=off"),
    VARIANT("rpsf_gate_off", "rpsf_gate=off"),
    VARIANT("joints_all", "rpsf_joints=all"),
    VARIANT("code_sa", "code_sa=1"),
    { "rsa_gan_variants", "style_vgg", "style_enc=vgg vgg_narrow=4", 0.1, true },
    VARIANT("pcgsi_off", "pcgsi=off"),
    VARIANT("adain", "inject=adain"),
    VARIANT("concat", "inject=concat"),
    VARIANT("two_proj", "corr_shared=0"),
    VARIANT("sem", "corr_feat=pose+sem"),
    VARIANT("sem_two_proj", "corr_feat=pose+sem corr_shared=0"),
    VARIANT("gdcca_off", "gdcca=off"),
    VARIANT("channel", "gdcca_attn=channel"),
    VARIANT("token", "gdcca_attn=token"),
    VARIANT("spatial", "gdcca_attn=spatial"),
    VARIANT("open", "gdcca_gate=open"),
    VARIANT("closed", "gdcca_gate=closed"),
    VARIANT("dw_off", "gdcca_dw=off"),
    VARIANT("blocks1", "gdcca_blocks=1"),
    VARIANT("blocks3", "gdcca_blocks=3"),
    VARIANT("up5", "up_k=5"),
    VARIANT("colours", "out_colours=1"),
    VARIANT("head_off", "d_head=0"),
    VARIANT("d_blocks2", "d_blocks=2"),
    VARIANT("d_limbs", "d_limbs=1"),
    VARIANT("infinite", "limb_line=infinite"),
    VARIANT("K1", "K=1"),
    VARIANT("K20", "K=20"),
    VARIANT("K20_sem", "K=20 corr_feat=pose+sem"),
    VARIANT("K1_rpsf_off", "K=1 rpsf=off"),
    VARIANT("base", "rpsf=off pcgsi=off gdcca=off"),
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- Inputs ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    pn_real picture[2][N * 3 * PIXELS], pose[2][N * POSE * PIXELS], parsing[2][N * CLASSES * PIXELS];
} sample;

static pn_pose pose_of(const pn_real *points)
{
    pn_pose p;
    for (int j = 0; j < PN_JOINTS; j++) {
        p.x[j] = (double)points[2 * j];
        p.y[j] = (double)points[2 * j + 1];
    }
    return p;
}

static void take(const pn_safetensors *f, const char *key, pn_real *to, ptrdiff_t n)
{
    pn_real *v = expected_reals(f, key);
    memcpy(to, v, (size_t)n * sizeof *to);
    free(v);
}

static void pose_maps(const pn_safetensors *f, const char *key, pn_limb_maps limbs, pn_real *out)
{
    static float maps[POSE * PIXELS];
    pn_real *points = expected_reals(f, key);
    for (int s = 0; s < N; s++) {
        const pn_pose p = pose_of(points + s * 2 * PN_JOINTS);
        pn_pose_maps(&p, H, W, 6, limbs, maps);
        for (int i = 0; i < POSE * PIXELS; i++) out[s * POSE * PIXELS + i] = (pn_real)maps[i];
    }
    free(points);
}

static void one_hot(const pn_safetensors *f, const char *key, int classes, pn_real *out)
{
    pn_merge merge;
    pn_real *labels = expected_reals(f, key);
    ck_assert_int_eq(pn_merge_find(pn_test_ctx(), classes == 20 ? "none20" : "lip20", &merge), PN_OK);
    memset(out, 0, (size_t)(N * classes * PIXELS) * sizeof *out);
    for (int i = 0; i < N * PIXELS; i++)
        out[(i / PIXELS * classes + merge.to[(int)labels[i]]) * PIXELS + i % PIXELS] = 1;
    free(labels);
}

static sample *sample_make(const pn_model *m)
{
    static const char *const side[2] = { "source", "target" };
    const rsa_gan_config *c = &((const rsa_gan_model *)m)->config;
    pn_safetensors f = expected_open("rsa_gan_tiny");
    sample *s = malloc(sizeof *s);
    for (int i = 0; i < 2; i++) {
        char key[32];
        take(&f, side[i], s->picture[i], N * 3 * PIXELS);
        snprintf(key, sizeof key, "%s_points", side[i]);
        pose_maps(&f, key, c->limbs, s->pose[i]);
        snprintf(key, sizeof key, "%s_labels", side[i]);
        if (c->classes > 1) one_hot(&f, key, c->classes, s->parsing[i]);
    }
    pn_safetensors_free(pn_test_ctx(), &f);
    return s;
}

static pn_model_input input_of(const sample *s, const pn_model *m)
{
    const bool labels = ((const rsa_gan_model *)m)->config.classes > 1;
    return (pn_model_input){ .source = s->picture[0],
                             .target = s->picture[1],
                             .pose_source = s->pose[0],
                             .pose_target = s->pose[1],
                             .parsing_source = labels ? s->parsing[0] : NULL,
                             .parsing_target = labels ? s->parsing[1] : NULL };
}

/* ---- A model and its training -------------------------------------------------------------------------------------------- */

/* Attention's sharpness is ten times what the formula gives, in float. */
static void fill(pn_model *m, double tau)
{
    rsa_gan_model *own = (rsa_gan_model *)m;
    formula_fill(m->part[RSA_GAN_PART_G].params, "", NULL);
    formula_fill(m->part[RSA_GAN_PART_D].params, "d_", NULL);
    for (int i = 0; i < RSA_GAN_BLOCKS; i++) {
        pn_tensor *alpha = own->g.gdcca[i].alpha;
        pn_real v[2];
        for (int h = 0; alpha && h < 2; h++) v[h] = (pn_real)((float)pn_param_data(alpha)[h] * 10);
        if (alpha) pn_param_set(alpha, v);
    }
    if (own->g.corr.tau) pn_param_set(own->g.corr.tau, (pn_real[]){ (pn_real)tau });
}

static rsa_gan_training *training_of(pn_model *m, double lr, const char *vgg)
{
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .batch = N, .height = H, .width = W, .lr = lr, .vgg19 = vgg });
    if (!t) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return (rsa_gan_training *)t;
}

/* ---- What lies inside ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    pn_tensor *t;
} stage;
enum { STAGES = 17 };

static int stages_of(const rsa_gan_output *out, stage s[STAGES])
{
    const stage all[STAGES] = {
        { "image", out->image },     { "F", out->style },        { "soft", out->soft },       { "sem", out->semantics },
        { "codes", out->codes },     { "e_s", out->e_source },   { "e_t", out->e_target },    { "T", out->aligned },
        { "Z", out->matched },       { "Q0", out->prior },       { "warp", out->warped },     { "X", out->injected },
        { "att0", out->logits[0] },  { "att1", out->logits[1] }, { "att2", out->logits[2] },  { "Y", out->integrated },
        { "peak", out->peak },
    };
    memcpy(s, all, sizeof all);
    return STAGES;
}

static void check_stages(const golden_case *c, const pn_safetensors *f, const pn_model *m, const pn_model_input *in)
{
    const rsa_gan_model *own = (const rsa_gan_model *)m;
    stage s[STAGES];
    pn_graph *g = pn_graph_new(pn_test_ctx());
    const rsa_gan_input leaves = rsa_gan_inputs(g, &own->config, pn_shape4(N, 3, H, W));
    const rsa_gan_output out = rsa_gan_generator(g, &own->g, &leaves);
    const int n = stages_of(&out, s);
    for (int i = 0; i < n; i++)
        if (s[i].t) pn_output(g, s[i].t, PN_CONST);
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    if (!p) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    rsa_gan_evidence e;
    pn_real *numbers = malloc(rsa_gan_evidence_numbers(&own->config, N, H, W) * sizeof *numbers);
    ck_assert_int_eq(rsa_gan_evidence_place(pn_test_ctx(), &own->config, numbers, N, H, W, &e), PN_OK);
    ck_assert_int_eq(rsa_gan_feed(p, &leaves, &e, in), PN_OK);
    ck_assert_int_eq(pn_forward(p), PN_OK);
    for (int i = 0; i < n; i++) expect_output(f, c->name, s[i].name, p, s[i].t, tol_value);
    free(numbers);
    pn_plan_free(p);
    pn_graph_free(g);
}

/* ---- A step ------------------------------------------------------------------------------------------------------------------ */

static double one(const pn_safetensors *f, const char *where, const char *name)
{
    char key[128];
    ptrdiff_t n;
    snprintf(key, sizeof key, "%s/%s", where, name);
    double *v = expected_find(f, key, &n);
    ck_assert_msg(v != NULL && n == 1, "there is no %s", key);
    const double value = v[0];
    free(v);
    return value;
}

static const struct {
    const char *ours, *theirs;
} loss_names[] = {
    { "total", "total/g" },       { "l1", "loss/l1" },         { "perceptual", "loss/per" },   { "content", "loss/content" },
    { "style", "loss/style" },    { "contextual", "loss/cx" }, { "attention", "loss/att" },    { "parsing", "loss/par" },
    { "semantics", "loss/sem" },  { "warp", "loss/warp" },     { "adversarial", "loss/adv" },  { "matching", "loss/fm" },
};
enum { LOSSES = sizeof loss_names / sizeof *loss_names };

/* Every term that we have; and those of the file are as many. */
static void expect_losses(const pn_safetensors *f, const char *where, const rsa_gan_training *t, const double losses[])
{
    int compared = 0, stored = 0;
    for (int i = 0; i < t->base.losses - 1; i++)
        for (int k = 0; k < LOSSES; k++) {
            if (strcmp(t->base.loss_name[i], loss_names[k].ours) != 0) continue;
            expect_values(f, where, loss_names[k].theirs, &losses[i], 1, tol_value);
            compared++;
        }
    ck_assert_int_eq(compared, t->base.losses - 1);
    const double d = one(f, where, "loss/d_pose") + one(f, where, "loss/d_pair");
    ck_assert_double_eq_tol(losses[t->base.losses - 1] / d, 1, tol_value);
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s/loss/", where);
    for (size_t i = 0; i < f->count; i++) stored += strncmp(f->tensors[i].name, prefix, strlen(prefix)) == 0;
    ck_assert_int_eq(stored, t->base.losses);           /* theirs: no total, and both discriminators */
}

static void expect_gradient_of_leaf(const pn_safetensors *f, const char *where, const char *name, const pn_plan *p,
                                    const pn_tensor *leaf)
{
    char key[64];
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(leaf));
    snprintf(key, sizeof key, "%s/%s", where, name);
    if (!pn_safetensors_find(f, key)) return;
    pn_real *v = malloc((size_t)n * sizeof *v);
    double *got = malloc((size_t)n * sizeof *got);
    ck_assert_int_eq(pn_get_grad(p, leaf, v), PN_OK);
    for (ptrdiff_t i = 0; i < n; i++) got[i] = (double)v[i];
    expect_values(f, where, name, got, n, tol_grad);
    free(got);
    free(v);
}

/* Idle by the design: what only feeds maps that switches leave unread. With PCGSI they are carried along, and get zeros. */
static bool is_idle(const rsa_gan_config *c, const char *name)
{
    const bool reads_maps = c->gdcca && c->attention != RSA_GAN_TOKEN && c->gate != RSA_GAN_CLOSED;
    const bool only_logits = c->gate == RSA_GAN_CLOSED && strncmp(name, "gdcca.", 6) == 0;
    if (strncmp(name, "rpsf.", 5) == 0 && (!c->rpsf || strncmp(name, "rpsf.mix", 8) == 0))
        return !reads_maps && !c->pcgsi;
    return only_logits && !strstr(name, ".norm.") && !strstr(name, ".token.q") && !strstr(name, ".token.k") && !strstr(name, ".ff.");
}

/* Every parameter that exists takes part, in every switch. */
static void expect_everything_learns(const golden_case *c, const pn_model *m, const rsa_gan_training *t)
{
    for (int part = RSA_GAN_PART_G; part <= RSA_GAN_PART_D; part++) {
        const pn_params *p = m->part[part].params;
        for (int i = 0; i < pn_params_count(p); i++) {
            const pn_tensor *w = pn_params_at(p, i);
            if (pn_param_is_state(w)) continue;
            const bool learns = *pn_adam_steps(t->base.adam[part], w) == 1;
            const bool idle = part == RSA_GAN_PART_G && is_idle(&((const rsa_gan_model *)m)->config, pn_tensor_name(w));
            ck_assert_msg(learns != idle, "%s: %s %s", c->name, pn_tensor_name(w), learns ? "learns" : "does not learn");
        }
    }
}

/* The network of the design, without the colours that ours reads besides; unless the case asks for them. */
static pn_model *designed(const char *set, double tau)
{
    char all[128];
    if (!set) set = "";
    snprintf(all, sizeof all, "%s%s", strstr(set, "out_colours") ? "" : "out_colours=0 ", set);
    return tiny_model("rsa_gan", NULL, all, tau);
}

START_TEST(stages_losses_and_gradients_of_a_step_match_torch)
{
    const golden_case *c = &cases[_i];
    pn_safetensors f = expected_open(c->file);
    pn_model *m = designed(c->set, c->tau);
    sample *s = sample_make(m);
    const char *vgg = c->vgg ? narrow_vgg() : NULL;
    rsa_gan_training *t = training_of(m, hardly, vgg);
    const pn_model_input in = input_of(s, m);
    double losses[PN_MAX_LOSSES];
    if (vgg) remove(vgg);
    fill(m, c->tau);
    check_stages(c, &f, m, &in);
    if (pn_training_step(&t->base, &in, losses)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    expect_losses(&f, c->name, t, losses);
    expect_gradient_of_leaf(&f, c->name, "seen/image", t->crit, t->see.image);
    if (t->see.warped) expect_gradient_of_leaf(&f, c->name, "seen/warp", t->crit, t->see.warped);
    const double tol = strcmp(c->name, "spatial") == 0 ? tol_flip : tol_grad;
    expected_gradients e = { .where = c->name, .part = "g", .prefix = "", .beta1 = beta1, .tol = tol };
    const int compared = expect_gradients(&f, &e, t->base.adam[RSA_GAN_PART_G], m->part[RSA_GAN_PART_G].params);
    ck_assert_int_eq(compared, stored_gradients(&f, c->name, "g"));
    ck_assert_int_gt(compared, 0);
    if (!c->vgg) expect_everything_learns(c, m, t);
    e.part = "d";
    e.prefix = "d_";
    const int of_d = expect_gradients(&f, &e, t->base.adam[RSA_GAN_PART_D], m->part[RSA_GAN_PART_D].params);
    ck_assert_int_eq(of_d, stored_gradients(&f, c->name, "d"));
    pn_training_free(&t->base);
    pn_model_free(m);
    free(s);
    pn_safetensors_free(pn_test_ctx(), &f);
}
END_TEST

START_TEST(three_steps_with_adam_match_torch)
{
    pn_safetensors f = expected_open("rsa_gan_tiny");
    pn_model *m = designed(NULL, 0.1);
    sample *s = sample_make(m);
    rsa_gan_training *t = training_of(m, 5e-4, NULL);
    const pn_model_input in = input_of(s, m);
    fill(m, 0.1);
    for (int step = 0; step < 3; step++) {
        double losses[PN_MAX_LOSSES];
        if (pn_training_step(&t->base, &in, losses)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
        for (int i = 0; i < t->base.losses - 1; i++)
            for (int k = 0; k < LOSSES; k++) {
                char key[64];
                ptrdiff_t count;
                if (strcmp(t->base.loss_name[i], loss_names[k].ours) != 0) continue;
                snprintf(key, sizeof key, "walk/%s", strchr(loss_names[k].theirs, '/') + 1);
                double *want = expected_find(&f, key, &count);
                ck_assert_msg(want != NULL && count == 3, "there is no %s", key);
                const double off = fabs(losses[i] - want[step]) / fabs(want[step]);
                ck_assert_msg(off <= tol_walk, "%s of step %d is off by %.3g", loss_names[k].ours, step, off);
                free(want);
            }
    }
    ck_assert_double_eq((double)pn_param_data(((rsa_gan_model *)m)->steps)[0], 3);
    pn_training_free(&t->base);
    pn_model_free(m);
    free(s);
    pn_safetensors_free(pn_test_ctx(), &f);
}
END_TEST

/* ---- Inputs alone -------------------------------------------------------------------------------------------------------------- */

enum { SMALL_H = 20, SMALL_W = 14, SMALL = SMALL_H * SMALL_W };

START_TEST(pose_maps_match_numpy)
{
    static const char *const key[] = { "segment", "infinite" };
    const pn_limb_maps limbs = _i == 0 ? PN_LIMBS_SEGMENT : PN_LIMBS_LINE;
    pn_safetensors f = expected_open("rsa_gan_inputs");
    pn_real *points = expected_reals(&f, "points");
    pn_pose pose = pose_of(points);
    for (int j = 0; j < PN_JOINTS; j++)
        if (!pn_pose_has(&pose, j)) pose.x[j] = pose.y[j] = -1;
    pose = pn_pose_scale(&pose, 100, 75, SMALL_H, SMALL_W);
    float maps[POSE * SMALL];
    double got[POSE * SMALL];
    pn_pose_maps(&pose, SMALL_H, SMALL_W, 6, limbs, maps);
    for (int i = 0; i < POSE * SMALL; i++) got[i] = (double)maps[i];
    expect_values(&f, "pose", key[_i], got, POSE * SMALL, 1e-7);
    free(points);
    pn_safetensors_free(pn_test_ctx(), &f);
}
END_TEST

START_TEST(classes_match_numpy)
{
    static const char *const merge[] = { "lip20", "cihp20", "merged8", "none20" }, *const key[] = { "lip", "cihp", "merged", "none" };
    pn_safetensors f = expected_open("rsa_gan_inputs");
    pn_merge m;
    ptrdiff_t n, count;
    char name[32];
    snprintf(name, sizeof name, "classes/%s", key[_i]);
    double *labels = expected_find(&f, "labels", &n), *want = expected_find(&f, name, &count);
    ck_assert(labels && want && n == count);
    ck_assert_int_eq(pn_merge_find(pn_test_ctx(), merge[_i], &m), PN_OK);
    for (ptrdiff_t i = 0; i < n; i++) ck_assert_int_eq(m.to[(int)labels[i]], (int)want[i]);
    free(labels);
    free(want);
    pn_safetensors_free(pn_test_ctx(), &f);
}
END_TEST

/* Joints and limbs of a class, from the pose maps of the file. */
START_TEST(evidence_of_the_classes_matches_numpy)
{
    static const struct {
        int classes;
        rsa_gan_joints joints;
        const char *key;
    } all[] = { { 8, RSA_GAN_REGIONAL, "8_regional" }, { 8, RSA_GAN_ALL, "8_all" }, { 20, RSA_GAN_REGIONAL, "20_regional" },
                { 1, RSA_GAN_REGIONAL, "1_regional" } };
    enum { GRID_H = 32, GRID_W = 32, GRID = GRID_H * GRID_W };          /* larger than the file's, which fills its corner */
    const rsa_gan_config c = { .classes = all[_i].classes, .joints = all[_i].joints };
    pn_safetensors f = expected_open("rsa_gan_inputs");
    pn_real *maps = expected_reals(&f, "pose/segment"), *pose = calloc(POSE * GRID, sizeof *pose);
    pn_real *numbers = malloc(rsa_gan_evidence_numbers(&c, 1, GRID_H, GRID_W) * sizeof *numbers);
    pn_real *parsing = calloc((size_t)c.classes * GRID, sizeof *parsing);
    double *got = malloc((size_t)c.classes * SMALL * sizeof *got);
    rsa_gan_evidence e;
    for (int i = 0; i < POSE * SMALL; i++) pose[i / SMALL * GRID + i % SMALL / SMALL_W * GRID_W + i % SMALL_W] = maps[i];
    ck_assert_int_eq(rsa_gan_evidence_place(pn_test_ctx(), &c, numbers, 1, GRID_H, GRID_W, &e), PN_OK);
    rsa_gan_gather(&e, parsing, pose);
    for (int which = 1; which < RSA_GAN_EVIDENCE; which++) {
        for (int i = 0; i < c.classes * SMALL; i++)
            got[i] = (double)e.evidence[(i / SMALL * RSA_GAN_EVIDENCE + which) * GRID + i % SMALL / SMALL_W * GRID_W + i % SMALL_W];
        expect_values(&f, which == 1 ? "joints" : "limbs", all[_i].key, got, c.classes * SMALL, 1e-7);
    }
    free(got);
    free(parsing);
    free(numbers);
    free(pose);
    free(maps);
    pn_safetensors_free(pn_test_ctx(), &f);
}
END_TEST

/* By reference kernels, as in doubles, and under a sanitizer each takes up to a minute: there the plain one runs alone, and the fast kernels show that
 * all are right. PN_EVERY_CASE=1 runs them all. */
static int cases_to_run(void)
{
    const char *isa = getenv("PN_ISA");
    const bool fast = sizeof(pn_real) == sizeof(float) && !(isa && strcmp(isa, "ref") == 0) && !pn_test_sanitized();
    return fast || getenv("PN_EVERY_CASE") ? CASES : 1;
}

TCase *rsa_gan_cases(void)
{
    TCase *t = tcase_create("rsa_gan");
    tcase_add_loop_test(t, pose_maps_match_numpy, 0, 2);
    tcase_add_loop_test(t, classes_match_numpy, 0, 4);
    tcase_add_loop_test(t, evidence_of_the_classes_matches_numpy, 0, 4);
    tcase_add_loop_test(t, stages_losses_and_gradients_of_a_step_match_torch, 0, cases_to_run());
    tcase_add_test(t, three_steps_with_adam_match_torch);
    return t;
}
