/* tests/models/test_gfla_view.c - GFLA's view synthesis against an independent PyTorch program (tests/golden/gfla_ref.py): outputs,
 * every loss, the gradient of every parameter, in both stages
 */
#include "support/pntest.h"

#include "../models/gfla/view.h"
#include "models/expected.h"
#include "models/formula.h"
#include "models/judged.h"

#include <unistd.h>

/* Values: of their largest. Gradients: relative L2; floats as PyTorch's own differ from its doubles (README of tests/golden). */
#ifdef PN_REAL_DOUBLE
static const double tol_value = 1e-6, tol_grad = 2e-6, tol_head = 2e-6;
#else
static const double tol_value = 2e-5, tol_grad = 1e-4, tol_head = 2e-4;
#endif

static const gfla_config widths = { 8, 32, 8, 32, 16, { 0, 0, 5, 3 }, 8, 32, 4, 4, 0, PN_VIEW_CODE };
static const gfla_config published = { 64, 512, 32, 256, 128, { 0, 0, 5, 3 }, 32, 128, 4, 1, 0, PN_VIEW_CODE };
static const formula_gain gains[] = {
    { "flow_net.output1", 1.5 }, { "flow_net.output2", 1.5 }, { "source.encoder0.model.5", 12 }, { "source.encoder1.model.5", 6 },
    { "target.attn0.fully_connect_layer.0", 0.25 }, { "target.attn1.fully_connect_layer.0", 0.25 }, { "target.outconv.conv1", 0.25 },
    { NULL, 0 },
};
enum { N = 2, H = 64, W = 96 };
static const char *const step_case = "step";

typedef struct {
    pn_safetensors file;
    pn_params *g, *d, *vgg_params;
    gfla_view_net net;
    gfla_discriminator_net dis;
    pn_vgg19 vgg;
    pn_real *source, *target, from[N * PN_VIEW_CODE], to[N * PN_VIEW_CODE];
} fixture;

static void codes(const pn_object_view views[N], pn_real out[N * PN_VIEW_CODE])
{
    float code[PN_VIEW_CODE];
    for (int n = 0; n < N; n++) {
        pn_view_code(&views[n], code);
        for (int i = 0; i < PN_VIEW_CODE; i++) out[n * PN_VIEW_CODE + i] = (pn_real)code[i];
    }
}

static fixture fixture_make(void)
{
    const pn_shape picture = pn_shape4(N, 3, H, W);
    const pn_init none = { PN_INIT_CONSTANT, 0 };
    fixture x = { .file = expected_open("gfla_view"), .g = pn_params_new(pn_test_ctx()), .d = pn_params_new(pn_test_ctx()),
                  .vgg_params = pn_params_new(pn_test_ctx()) };
    const pn_scope g = pn_scope_top(x.g, none), d = pn_scope_top(x.d, none), vgg = pn_scope_top(x.vgg_params, none);
    x.net = gfla_view_make(&g, &widths);
    x.dis = gfla_discriminator_make(&d, &widths);
    x.vgg = pn_vgg19_make(&vgg, widths.vgg_narrow);
    formula_fill(x.g, "", gains);
    formula_fill(x.d, "", NULL);
    formula_fill(x.vgg_params, "", NULL);
    x.source = malloc((size_t)pn_shape_count(picture) * sizeof *x.source);
    x.target = malloc((size_t)pn_shape_count(picture) * sizeof *x.target);
    formula_picture("view1.source", N, 3, H, W, x.source);
    formula_target("view1.target", N, H, W, x.target);
    codes((pn_object_view[]){ { .azimuth = 3, .elevation = 0 }, { .azimuth = 12, .elevation = 2 } }, x.from);
    codes((pn_object_view[]){ { .azimuth = 7, .elevation = 0 }, { .azimuth = 5, .elevation = 2 } }, x.to);
    return x;
}

static void fixture_free(fixture *x)
{
    free(x->source);
    free(x->target);
    pn_params_free(x->g);
    pn_params_free(x->d);
    pn_params_free(x->vgg_params);
    pn_safetensors_free(pn_test_ctx(), &x->file);
}

static pn_plan *plan_of(pn_graph *g, pn_params *learn)
{
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = learn });
    if (!p) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return p;
}

static void forward(const fixture *x, pn_plan *gen, const gfla_input *in)
{
    pn_set(gen, in->source, x->source);
    pn_set(gen, in->pose_source, x->from);
    pn_set(gen, in->pose_target, x->to);
    ck_assert_int_eq(pn_forward(gen), PN_OK);
}

static int compare_gradients(const fixture *x, pn_params *p, const char *part, const char *without)
{
    pn_adam *adam = pn_adam_new(p, (pn_adam_opt){ .lr = 1e-6, .beta1 = 0, .beta2 = 0.999, .eps = 1e-8 });
    ck_assert_int_eq(pn_adam_step(adam), PN_OK);
    const expected_gradients e = { .where = step_case, .part = part, .prefix = "", .beta1 = 0, .tol = tol_grad, .without = without,
                                   .but = without ? "output2.bias" : "flow_net.output2.bias", .its_tol = tol_head };
    const int compared = expect_gradients(&x->file, &e, adam, p);
    pn_adam_free(adam);
    return compared;
}

START_TEST(a_flow_step_matches_torch)
{
    fixture x = fixture_make();
    pn_graph *g = pn_test_graph(), *c = pn_graph_new(pn_test_ctx());
    const gfla_input in = gfla_view_inputs(g, N, H, W);
    const gfla_output out = gfla_view_flow(g, &x.net, &in);
    for (int i = 0; i < out.flows; i++) pn_output(g, out.flow[i], PN_GRAD);
    const gfla_judged see = gfla_judged_inputs(c, &out, N, H, W);
    const gfla_losses l = gfla_flow_losses(c, &widths, &x.vgg, &see, (gfla_weights){ .correctness = 20, .regularisation = 0.01 });
    pn_loss(c, l.total);
    pn_plan *gen = plan_of(g, x.g), *crit = plan_of(c, NULL);
    forward(&x, gen, &in);
    judge_and_go_back(gen, &out, crit, &see, x.source, x.target);
    expect_output(&x.file, step_case, "total/stage1", crit, l.total, tol_value);
    const int compared = compare_gradients(&x, x.g, "flow", "flow_net.");
    ck_assert_int_eq(compared, stored_gradients(&x.file, step_case, "flow"));
    ck_assert_int_ge(compared, 80);
    pn_plan_free(gen);
    pn_plan_free(crit);
    pn_graph_free(g);
    pn_graph_free(c);
    fixture_free(&x);
}
END_TEST

/* ---- A step of both networks ------------------------------------------------------------------------------------------------- */

static void check_outputs(const fixture *x, const pn_plan *gen, const gfla_output *out)
{
    static const char *const flow[] = { "flow0", "flow1" }, *const mask[] = { "mask0", "mask1" };
    expect_output(&x->file, step_case, "image", gen, out->image, tol_value);
    ck_assert_int_eq(out->flows, 2);
    for (int i = 0; i < 2; i++) expect_output(&x->file, step_case, flow[i], gen, out->flow[i], tol_value);
    for (int i = 0; i < 2; i++) expect_output(&x->file, step_case, mask[i], gen, out->mask[i], tol_value);
}

/* True first, then made; its parameters stay what they are. */
static void check_discriminator(fixture *x, const pn_plan *gen, const pn_tensor *image)
{
    pn_graph *g = pn_graph_new(pn_test_ctx());
    pn_tensor *real = pn_input(g, "real", pn_shape4(N, 3, H, W), PN_CONST), *fake = pn_input(g, "fake", pn_shape4(N, 3, H, W), PN_CONST);
    pn_tensor *on_real = gfla_discriminator(g, &x->dis, real);
    pn_tensor *on_fake = gfla_discriminator(g, &x->dis, fake);
    pn_tensor *loss = pn_gan_d_loss(g, PN_GAN_LSGAN, on_real, on_fake);
    pn_output(g, on_real, PN_CONST);
    pn_output(g, on_fake, PN_CONST);
    pn_loss(g, loss);
    pn_plan *dis = plan_of(g, NULL);
    pn_set(dis, real, x->target);
    pn_copy(dis, fake, gen, image);
    ck_assert_int_eq(pn_forward(dis), PN_OK);
    expect_output(&x->file, step_case, "d.real", dis, on_real, tol_value);
    expect_output(&x->file, step_case, "d.fake", dis, on_fake, tol_value);
    expect_output(&x->file, step_case, "total/d", dis, loss, tol_value);
    pn_plan_free(dis);
    pn_graph_free(g);
}

static void check_terms(const fixture *x, const pn_plan *crit, const gfla_losses *l)
{
    static const char *const keys[GFLA_TERMS] = {
        [GFLA_L1] = "loss/app_gen", [GFLA_CORRECTNESS] = "loss/correctness_gen", [GFLA_CONTENT] = "loss/content_gen",
        [GFLA_STYLE] = "loss/style_gen", [GFLA_REGULARISATION] = "loss/regularization", [GFLA_ADVERSARIAL] = "loss/ad_gen",
    };
    for (int i = 0; i < GFLA_TERMS; i++) expect_output(&x->file, step_case, keys[i], crit, l->term[i], tol_value);
    expect_output(&x->file, step_case, "total/stage2", crit, l->total, tol_value);
}

START_TEST(a_full_step_matches_torch)
{
    fixture x = fixture_make();
    pn_graph *g = pn_test_graph(), *c = pn_graph_new(pn_test_ctx());
    const gfla_input in = gfla_view_inputs(g, N, H, W);
    const gfla_output out = gfla_view_generator(g, &x.net, &in);
    pn_output(g, out.image, PN_GRAD);
    for (int i = 0; i < out.flows; i++) pn_output(g, out.flow[i], PN_GRAD);
    for (int i = 0; i < out.flows; i++) pn_output(g, out.mask[i], PN_CONST);
    const gfla_judged see = gfla_judged_inputs(c, &out, N, H, W);
    const gfla_losses l = gfla_full_losses(c, &widths, &x.vgg, &x.dis, PN_GAN_LSGAN, &see, (gfla_weights){ 5, 5, 0.5, 500, 0.0025, 2 });
    pn_loss(c, l.total);
    pn_plan *gen = plan_of(g, x.g), *crit = plan_of(c, NULL);
    forward(&x, gen, &in);
    check_outputs(&x, gen, &out);
    check_discriminator(&x, gen, out.image);
    judge_and_go_back(gen, &out, crit, &see, x.source, x.target);
    check_terms(&x, crit, &l);
    const int compared = compare_gradients(&x, x.g, "g", NULL);
    ck_assert_int_eq(compared, stored_gradients(&x.file, step_case, "g"));
    ck_assert_int_ge(compared, 200);
    pn_plan_free(gen);
    pn_plan_free(crit);
    pn_graph_free(g);
    pn_graph_free(c);
    fixture_free(&x);
}
END_TEST

START_TEST(full_widths_have_the_published_counts_and_names)
{
    pn_params *p = pn_params_new(pn_test_ctx());
    const pn_scope top = pn_scope_top(p, (pn_init){ 0 });
    gfla_view_make(&top, &published);
    ck_assert_int_eq(pn_params_numbers(p), 14341323);
    ptrdiff_t flow_net = 0;
    for (int i = 0; i < pn_params_count(p); i++) {
        const pn_tensor *t = pn_params_at(p, i);
        if (strncmp(pn_tensor_name(t), "flow_net.", 9) == 0) flow_net += pn_shape_count(pn_tensor_shape(t));
    }
    ck_assert_int_eq(flow_net, 7991286);
    static const char *const names[] = { "flow_net.cat.model.0.shortcut.0.weight", "flow_net.cat.model.0.model.2.bias",
                                         "target.block0.model.5.weight", "target.block1.shortcut.0.bias",
                                         "target.outconv.model.2.weight", "source.encoder1.model.3.weight" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) ck_assert_msg(pn_params_find(p, names[i]) != NULL, "no %s", names[i]);
    pn_params_free(p);
}
END_TEST

/* A file of other programs, names and values alone: of the parameters whose names begin so. */
static pn_weights *foreign(const gfla_config *c, const char *begin, const char *path, int *count)
{
    pn_params *p = pn_params_new(pn_test_ctx());
    const pn_scope top = pn_scope_top(p, (pn_init){ PN_INIT_CONSTANT, 0.5 });
    gfla_view_make(&top, c);
    ck_assert_int_eq(pn_params_init(p, 1), PN_OK);
    pn_st_item items[256];
    size_t n = 0;
    for (int i = 0; i < pn_params_count(p); i++) {
        const pn_tensor *t = pn_params_at(p, i);
        if (strncmp(pn_tensor_name(t), begin, strlen(begin)) != 0) continue;
        items[n++] = (pn_st_item){ .name = pn_tensor_name(t), .shape = pn_tensor_shape(t), .reals = pn_param_data(t) };
    }
    if (pn_safetensors_write(pn_test_ctx(), path, items, n, NULL, 0)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    *count = (int)n;
    pn_params_free(p);
    pn_weights *w = pn_weights_open(pn_test_ctx(), path);
    if (!w) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return w;
}

START_TEST(foreign_files_of_both_stages_are_recognised)
{
    char path[512];
    snprintf(path, sizeof path, "%s/pn_view_%d.safetensors", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    int count;
    pn_weights *w = foreign(&widths, "", path, &count);
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .weights = w });
    if (!m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    ck_assert_str_eq(pn_model_task_of(m), "view");
    ck_assert_str_eq(pn_model_get(m, "base"), "8");
    ck_assert_str_eq(pn_model_get(m, "hidden"), "16");
    ck_assert_str_eq(pn_model_get(m, "attention"), "3=3,2=5");
    ck_assert_int_eq(pn_model_load(m, w), PN_OK);
    ck_assert_int_eq(pn_model_needs_at(m, 64).reads, PN_READS_VIEWS);
    pn_model_free(m);
    pn_weights_free(w);

    w = foreign(&widths, "flow_net.", path, &count);    /* all that stage flow leaves */
    m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .preset = "tiny", .weights = w });
    if (!m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    ck_assert_str_eq(pn_model_task_of(m), "view");
    ck_assert_str_eq(pn_model_get(m, "flow_base"), "8");
    ck_assert_str_eq(pn_model_get(m, "flow_cap"), "32");
    pn_load_report found[4];
    ck_assert_int_eq(pn_model_start(m, w, found), PN_OK);
    ck_assert_int_eq(found[0].loaded, count);
    pn_model_free(m);
    pn_weights_free(w);
    remove(path);
}
END_TEST

TCase *gfla_view_cases(void)
{
    TCase *tc = tcase_create("gfla_view");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, a_flow_step_matches_torch);
    tcase_add_test(tc, a_full_step_matches_torch);
    tcase_add_test(tc, full_widths_have_the_published_counts_and_names);
    tcase_add_test(tc, foreign_files_of_both_stages_are_recognised);
    return tc;
}
