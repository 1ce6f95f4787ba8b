/* tests/models/test_rsa_gan_properties.c - what must hold for RSA-GAN whatever its weights are
 *
 *  1 start of RPSF          regions_start_as_the_label_map, semantics_do_not_start_mixed
 *  2 locality               a_joint_is_seen_by_its_classes_alone
 *  3 shut gate, renaming    a_shut_fusion_leaves_regions_and_semantics_alone, renamed_classes_are_the_same_in_another_order
 *  4 codes                  codes_of_a_plain_picture_are_its_style, an_absent_class_has_the_mean, no_label_at_all_is_no_nan
 *  5 siamese                equal_poses_are_described_alike
 *  6 correspondence         what_is_carried_lies_between_what_there_was
 *  7 identity               a_pose_that_corresponds_to_itself_carries_everything_along; blocks: tests/ops/test_correspondence.c
 *  8 missing joints         nobody_in_sight_is_no_nan; tests/data/test_pose_maps.c
 *  9 modulation             a_block_without_its_last_convolution_is_the_identity, modulation_by_nothing_is_the_norm
 * 10 channel attention      tests/ops/test_channel_attention.c
 * 11 token attention        equal_codes_say_the_same_everywhere, the_order_of_the_codes_does_not_matter
 * 12 gate                   a_shut_gate_is_the_identity, an_open_gate_adds_both
 * 13 sizes                  presets_have_the_designs_sizes
 * 14 gradients              tests/ops in the double build; test_rsa_gan.c
 * 15 losses of classes      sure_attention_costs_nothing, uniform_classes_cost_their_logarithm
 * 16 contextual loss        tests/ops/test_contextual_loss.c
 * 17 discriminators         undecided_discriminators_give_a_half
 * 18 it learns              test_rsa_gan_learning.c
 * 19 one class, twenty      cases K1 and K20 of test_rsa_gan.c
 * 20 label 10               tests/data/test_pose_maps.c
 * 21 every switch           test_rsa_gan.c, which also sees that every parameter learns
 */
#include "models/expected.h"
#include "support/pntest.h"

#include "../models/rsa_gan/training.h"

enum { H = 48, W = 32, PIXELS = H * W, CELLS = PIXELS / 16, POSE = PN_JOINTS + PN_LIMBS, K = 8, WIDTH = 32 };

/* ---- A small model off its start, and its inputs ------------------------------------------------------------------------ */

typedef struct {
    pn_model *m;
    const rsa_gan_model *own;
    pn_real source[3 * PIXELS], parsing[20 * PIXELS], pose[2][POSE * PIXELS];
    rsa_gan_input leaves;
    rsa_gan_evidence evidence;
    pn_real *numbers;
    pn_graph *graph;
    rsa_gan_output out;
    pn_plan *plan;
} world;

static void must(pn_status status)
{
    if (status) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
}

/* Zero layers hide errors: everything moves by noise. */
static void disturb(pn_params *p)
{
    for (int k = 0; k < pn_params_count(p); k++) {
        pn_tensor *t = pn_params_at(p, k);
        const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
        if (pn_param_is_state(t)) continue;
        pn_rng rng = pn_rng_named(5, pn_tensor_name(t));
        pn_real *v = malloc((size_t)n * sizeof *v);
        for (ptrdiff_t i = 0; i < n; i++) v[i] = pn_param_data(t)[i] + (pn_real)(0.1 * pn_rng_normal(&rng));
        pn_param_set(t, v);
        free(v);
    }
}

static void noise(const char *name, pn_real *v, ptrdiff_t n, double low, double high)
{
    pn_rng rng = pn_rng_named(3, name);
    for (ptrdiff_t i = 0; i < n; i++) v[i] = (pn_real)(low + (high - low) * pn_rng_uniform(&rng));
}

/* Bands of the classes from left to right; class 5 is nowhere. */
static void label(pn_real *parsing, int classes)
{
    memset(parsing, 0, (size_t)(classes * PIXELS) * sizeof *parsing);
    for (int p = 0; p < PIXELS; p++) {
        const int k = p % W * classes / W;
        parsing[(k == 5 ? 0 : k) * PIXELS + p] = 1;
    }
}

/* set: one more option, or NULL. disturbed: off its start */
static world *world_new(const char *set, bool disturbed)
{
    const char *options[] = { "width=32", "key=16", "mod_width=16", "d_base=4", set };
    world *w = calloc(1, sizeof *w);
    w->m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "rsa_gan", .preset = "tiny", .set = options,
                                                        .n_set = set ? 5 : 4, .seed = 2 });
    if (!w->m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    w->own = (const rsa_gan_model *)w->m;
    for (int i = 0; i < w->m->parts; i++) must(pn_params_init_rest(w->m->part[i].params, 2));
    if (disturbed) disturb(w->m->part[RSA_GAN_PART_G].params);
    noise("source", w->source, 3 * PIXELS, -1, 1);
    noise("pose0", w->pose[0], POSE * PIXELS, 0, 1);
    noise("pose1", w->pose[1], POSE * PIXELS, 0, 1);
    label(w->parsing, w->own->config.classes);
    return w;
}

static void world_free(world *w)
{
    pn_plan_free(w->plan);
    pn_graph_free(w->graph);
    pn_model_free(w->m);
    free(w->numbers);
    free(w);
}

/* Run the generator, every stage readable. */
static void run(world *w)
{
    if (!w->plan) {
        const rsa_gan_config *c = &w->own->config;
        w->graph = pn_graph_new(pn_test_ctx());
        w->leaves = rsa_gan_inputs(w->graph, c, pn_shape4(1, 3, H, W));
        w->out = rsa_gan_generator(w->graph, &w->own->g, &w->leaves);
        pn_tensor *const stages[] = { w->out.style,    w->out.soft,    w->out.semantics, w->out.codes,  w->out.e_source,
                                      w->out.e_target, w->out.aligned, w->out.matched,   w->out.prior,  w->out.warped,
                                      w->out.injected, w->out.image,   w->out.integrated };
        for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
            if (stages[i]) pn_output(w->graph, stages[i], PN_CONST);
        w->plan = pn_plan_new(w->graph, &(pn_plan_opt){ .mode = PN_INFER });
        if (!w->plan) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
        w->numbers = malloc(rsa_gan_evidence_numbers(c, 1, H, W) * sizeof *w->numbers);
        must(rsa_gan_evidence_place(pn_test_ctx(), c, w->numbers, 1, H, W, &w->evidence));
    }
    must(rsa_gan_feed(w->plan, &w->leaves, &w->evidence,
                      &(pn_model_input){ .source = w->source, .parsing_source = w->parsing, .pose_source = w->pose[0],
                                         .pose_target = w->pose[1] }));
    must(pn_forward(w->plan));
}

/* For free(). */
static pn_real *values(const world *w, const pn_tensor *t)
{
    pn_real *v = malloc((size_t)pn_shape_count(pn_tensor_shape(t)) * sizeof *v);
    must(pn_get(w->plan, t, v));
    return v;
}

static pn_tensor *param(world *w, const char *name)
{
    pn_tensor *t = pn_params_find(w->m->part[RSA_GAN_PART_G].params, name);
    ck_assert_msg(t != NULL, "there is no %s", name);
    return t;
}

static void expect_same(const pn_real *a, const pn_real *b, ptrdiff_t n, double tol)
{
    for (ptrdiff_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)(a[i] - b[i])) <= tol, "number %td is %.8g, not %.8g", i, (double)a[i], (double)b[i]);
}

static void expect_finite(const pn_real *v, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) ck_assert_msg(isfinite((double)v[i]), "number %td is not finite", i);
}

/* The share of a cell's pixels. */
static double share(const pn_real *plane, int cell)
{
    double sum = 0;
    for (int i = 0; i < 16; i++)
        sum += (double)plane[(cell / (W / 4) * 4 + i / 4) * W + cell % (W / 4) * 4 + i % 4];
    return sum / 16;
}

static void expect_labelled(const world *w, const pn_real *soft)
{
    for (int k = 0; k < K; k++)
        for (int p = 0; p < CELLS; p++)
            ck_assert_double_eq_tol((double)soft[k * CELLS + p], (share(w->parsing + k * PIXELS, p) + 1e-3) / 1.008, 1e-6);
}

/* ---- Regions and their codes ------------------------------------------------------------------------------------------------ */

START_TEST(regions_start_as_the_label_map)
{
    world *w = world_new(NULL, false);
    run(w);
    pn_real *soft = values(w, w->out.soft);
    expect_labelled(w, soft);
    free(soft);
    world_free(w);
    w = world_new(NULL, true);
    run(w);
    soft = values(w, w->out.soft);
    for (int p = 0; p < CELLS; p++) {
        double sum = 0;
        for (int k = 0; k < K; k++) {
            ck_assert(soft[k * CELLS + p] > 0);
            sum += (double)soft[k * CELLS + p];
        }
        ck_assert_double_eq_tol(sum, 1, 1e-6);
    }
    free(soft);
    world_free(w);
}
END_TEST

START_TEST(semantics_do_not_start_mixed)
{
    world *w = world_new(NULL, false);
    run(w);
    pn_real *before = values(w, w->out.semantics);
    param_fill(param(w, "rpsf.value.weight"), 0.3);
    run(w);
    pn_real *after = values(w, w->out.semantics);
    expect_same(before, after, WIDTH * CELLS, 0);
    free(before);
    free(after);
    world_free(w);
}
END_TEST

/* The left wrist lies in arms (6) alone: they and the background change. With rpsf_joints=all everybody sees it. */
START_TEST(a_joint_is_seen_by_its_classes_alone)
{
    const bool all = _i == 1;
    world *w = world_new(all ? "rpsf_joints=all" : NULL, true);
    param_fill(param(w, "rpsf.mix.weight"), 0);            /* F_sem = U + bias then, class by class */
    run(w);
    pn_real *before = values(w, w->out.semantics);
    for (int p = 0; p < PIXELS; p++) w->pose[0][PN_L_WRIST * PIXELS + p] += 2;
    run(w);
    pn_real *after = values(w, w->out.semantics);
    for (int k = 0; k < K; k++) {
        const int each = WIDTH / K * CELLS;
        const bool changed = memcmp(before + k * each, after + k * each, (size_t)each * sizeof *before) != 0;
        ck_assert_msg(changed == (all || k == 0 || k == 6), "class %d %s", k, changed ? "changed" : "did not change");
    }
    free(before);
    free(after);
    world_free(w);
}
END_TEST

START_TEST(a_shut_fusion_leaves_regions_and_semantics_alone)
{
    world *w = world_new(NULL, true);
    param_fill(param(w, "rpsf.gate.weight"), 0);
    param_fill(param(w, "rpsf.gate.bias"), -200);
    param_fill(param(w, "rpsf.mix.bias"), 0);
    param_fill(param(w, "rpsf.delta.bias"), 0);
    run(w);
    pn_real *soft = values(w, w->out.soft), *shut = values(w, w->out.semantics);
    expect_labelled(w, soft);
    param_fill(param(w, "rpsf.mix.weight"), 0);
    run(w);
    pn_real *unmixed = values(w, w->out.semantics);
    expect_same(shut, unmixed, WIDTH * CELLS, 0);
    free(soft);
    free(shut);
    free(unmixed);
    world_free(w);
}
END_TEST

/* The k-th becomes what the order[k]-th was. values [outer,K,each]; the background stays the first. */
static const int order[K] = { 0, 3, 7, 1, 6, 2, 5, 4 };
static void rename_classes(pn_real *values, ptrdiff_t outer, ptrdiff_t each)
{
    const size_t bytes = (size_t)(K * each) * sizeof *values;
    pn_real *was = malloc(bytes);
    for (ptrdiff_t i = 0; i < outer; i++) {
        memcpy(was, values + i * K * each, bytes);
        for (int k = 0; k < K; k++)
            memcpy(values + (i * K + k) * each, was + order[k] * each, bytes / K);
    }
    free(was);
}

/* Every layer of RPSF works class by class, but for mix: it reads all of them too. */
static void rename_weights(world *w)
{
    const pn_params *all = w->m->part[RSA_GAN_PART_G].params;
    int renamed = 0;
    for (int i = 0; i < pn_params_count(all); i++) {
        pn_tensor *t = pn_params_at(all, i);
        const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
        if (strncmp(pn_tensor_name(t), "rpsf.", 5) != 0) continue;
        pn_real *v = malloc((size_t)n * sizeof *v);
        memcpy(v, pn_param_data(t), (size_t)n * sizeof *v);
        rename_classes(v, 1, n / K);
        if (strcmp(pn_tensor_name(t), "rpsf.mix.weight") == 0) rename_classes(v, WIDTH, WIDTH / K);
        pn_param_set(t, v);
        free(v);
        renamed++;
    }
    ck_assert_int_eq(renamed, 16);
}

START_TEST(renamed_classes_are_the_same_in_another_order)
{
    world *w = world_new(NULL, true);
    run(w);
    const struct { const pn_tensor *of; ptrdiff_t each; } results[] = {
        { w->out.soft, CELLS }, { w->out.semantics, WIDTH / K * CELLS }, { w->out.codes, WIDTH },
        { w->out.prior, CELLS }, { w->out.matched, WIDTH / K * CELLS },
    };
    enum { RESULTS = sizeof results / sizeof *results };
    pn_real *before[RESULTS];
    for (int i = 0; i < RESULTS; i++) {
        before[i] = values(w, results[i].of);
        rename_classes(before[i], 1, results[i].each);
    }
    const pn_class_parts was = w->evidence.parts;
    for (int k = 0; k < K; k++) {
        w->evidence.parts.joints[k] = was.joints[order[k]];
        w->evidence.parts.limbs[k] = was.limbs[order[k]];
    }
    rename_classes(w->parsing, 1, PIXELS);
    rename_weights(w);
    run(w);
    for (int i = 0; i < RESULTS; i++) {
        pn_real *after = values(w, results[i].of);
        expect_same(after, before[i], K * results[i].each, 2e-5);
        free(after);
        free(before[i]);
    }
    world_free(w);
}
END_TEST

/* F = a constant for each channel: the last block adds nothing, what it is added to is a bias. */
static void make_style_plain(world *w)
{
    static const char *const zero[] = { "style.down1.conv2.weight", "style.res0.conv2.weight", "style.res0.conv2.bias",
                                        "style.res1.conv2.weight", "style.res1.conv2.bias" };
    for (int i = 0; i < 5; i++) param_fill(param(w, zero[i]), 0);
}

START_TEST(codes_of_a_plain_picture_are_its_style)
{
    world *w = world_new(NULL, true);
    make_style_plain(w);
    run(w);
    pn_real *codes = values(w, w->out.codes);
    const pn_real *style = pn_param_data(param(w, "style.down1.conv2.bias"));
    for (int i = 0; i < K * WIDTH; i++) ck_assert_double_eq_tol((double)codes[i], (double)style[i % WIDTH], 1e-5);
    free(codes);
    world_free(w);
}
END_TEST

START_TEST(an_absent_class_has_the_mean)
{
    world *w = world_new(NULL, true);
    run(w);
    pn_real *codes = values(w, w->out.codes), *style = values(w, w->out.style);
    for (int c = 0; c < WIDTH; c++) {
        double mean = 0;
        for (int p = 0; p < CELLS; p++) mean += (double)style[c * CELLS + p] / CELLS;
        ck_assert_double_eq_tol((double)codes[5 * WIDTH + c], mean, 2e-6);
        ck_assert(fabs((double)codes[4 * WIDTH + c] - mean) > 1e-6);
    }
    free(codes);
    free(style);
    world_free(w);
}
END_TEST

START_TEST(no_label_at_all_is_no_nan)
{
    world *w = world_new(_i == 0 ? NULL : "rpsf=off", true);
    memset(w->parsing, 0, sizeof w->parsing);
    run(w);
    pn_real *image = values(w, w->out.image), *codes = values(w, w->out.codes);
    expect_finite(image, 3 * PIXELS);
    expect_finite(codes, K * WIDTH);
    free(image);
    free(codes);
    world_free(w);
}
END_TEST

START_TEST(nobody_in_sight_is_no_nan)
{
    world *w = world_new(NULL, true);
    memset(w->pose, 0, sizeof w->pose);
    run(w);
    pn_real *image = values(w, w->out.image);
    expect_finite(image, 3 * PIXELS);
    free(image);
    world_free(w);
}
END_TEST

/* ---- Correspondence ------------------------------------------------------------------------------------------------------------ */

START_TEST(equal_poses_are_described_alike)
{
    enum { KEY = 16 };
    world *w = world_new(NULL, true);
    memcpy(w->pose[1], w->pose[0], sizeof w->pose[0]);
    run(w);
    pn_real *e_s = values(w, w->out.e_source), *e_t = values(w, w->out.e_target), d[KEY * CELLS];
    ck_assert_mem_eq(e_s, e_t, WIDTH * CELLS * sizeof *e_s);
    pn_graph *g = pn_graph_new(pn_test_ctx());
    pn_tensor *e = pn_input(g, "e", pn_shape4(1, WIDTH, H / 4, W / 4), PN_CONST);
    pn_tensor *where = pn_input(g, "where", pn_shape4(1, 3, H / 4, W / 4), PN_CONST);
    pn_tensor *described = rsa_gan_descriptor(g, &w->own->g.corr.proj, e, where, NULL);
    pn_output(g, described, PN_CONST);
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    must(pn_set(p, e, e_s));
    must(pn_set(p, where, w->evidence.where));
    must(pn_forward(p));
    must(pn_get(p, described, d));
    for (int q = 0; q < CELLS; q++)
        for (int r = 0; r < CELLS; r++) {
            double cosine = 0, own = 0;
            for (int c = 0; c < KEY; c++) {
                cosine += (double)(d[c * CELLS + q] * d[c * CELLS + r]);
                own += (double)(d[c * CELLS + q] * d[c * CELLS + q]);
            }
            ck_assert_double_eq_tol(own, 1, 1e-5);
            ck_assert_double_le(cosine, own + 2e-6);
        }
    pn_plan_free(p);
    pn_graph_free(g);
    free(e_s);
    free(e_t);
    world_free(w);
}
END_TEST

START_TEST(what_is_carried_lies_between_what_there_was)
{
    world *w = world_new(NULL, true);
    run(w);
    pn_real *prior = values(w, w->out.prior), *t = values(w, w->out.aligned), *f = values(w, w->out.style);
    for (int p = 0; p < CELLS; p++) {
        double sum = 0;
        for (int k = 0; k < K; k++) sum += (double)prior[k * CELLS + p];
        ck_assert_double_eq_tol(sum, 1, 1e-5);
    }
    for (int c = 0; c < WIDTH; c++) {
        double least = INFINITY, most = -INFINITY;
        for (int p = 0; p < CELLS; p++) {
            least = fmin(least, (double)f[c * CELLS + p]);
            most = fmax(most, (double)f[c * CELLS + p]);
        }
        for (int p = 0; p < CELLS; p++) {
            ck_assert_double_ge((double)t[c * CELLS + p], least - 1e-5);
            ck_assert_double_le((double)t[c * CELLS + p], most + 1e-5);
        }
    }
    free(prior);
    free(t);
    free(f);
    world_free(w);
}
END_TEST

/* At a temperature of almost nothing every cell corresponds to itself alone. */
START_TEST(a_pose_that_corresponds_to_itself_carries_everything_along)
{
    world *w = world_new(NULL, true);
    memcpy(w->pose[1], w->pose[0], sizeof w->pose[0]);
    param_fill(w->own->g.corr.tau, 1e-5);
    run(w);
    pn_tensor *const carried[] = { w->out.aligned, w->out.matched, w->out.prior };
    pn_tensor *const from[] = { w->out.style, w->out.semantics, w->out.soft };
    for (int i = 0; i < 3; i++) {
        pn_real *a = values(w, carried[i]), *b = values(w, from[i]);
        expect_same(a, b, pn_shape_count(pn_tensor_shape(from[i])), 1e-5);
        free(a);
        free(b);
    }
    pn_real *warped = values(w, w->out.warped);
    for (int i = 0; i < 3 * CELLS; i++)
        ck_assert_double_eq_tol((double)warped[i], share(w->source + i / CELLS * PIXELS, i % CELLS), 1e-5);
    free(warped);
    world_free(w);
}
END_TEST

/* ---- Modulation, cross-attention: blocks by themselves ----------------------------------------------------------------------------- */

typedef struct {
    pn_graph *graph;
    pn_tensor *x, *t, *matched, *codes, *prior, *y;
    pn_real given[WIDTH * CELLS], got[WIDTH * CELLS];
} block;

static block *block_new(void)
{
    const pn_shape map = pn_shape4(1, WIDTH, H / 4, W / 4);
    block *b = calloc(1, sizeof *b);
    b->graph = pn_graph_new(pn_test_ctx());
    b->x = pn_input(b->graph, "x", map, PN_CONST);
    b->t = pn_input(b->graph, "t", map, PN_CONST);
    noise("x", b->given, WIDTH * CELLS, -1, 1);
    return b;
}

/* What GDCCA reads beside x. */
static rsa_gan_output surroundings(block *b)
{
    b->matched = pn_input(b->graph, "matched", pn_shape4(1, WIDTH, H / 4, W / 4), PN_CONST);
    b->codes = pn_input(b->graph, "codes", pn_shape3(1, K, WIDTH), PN_CONST);
    b->prior = pn_input(b->graph, "prior", pn_shape4(1, K, H / 4, W / 4), PN_CONST);
    return (rsa_gan_output){ .aligned = b->t, .matched = b->matched, .codes = b->codes, .prior = b->prior };
}

static void set_noise(pn_plan *p, const pn_tensor *t, double low)
{
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
    pn_real *v = malloc((size_t)n * sizeof *v);
    noise(pn_tensor_name(t), v, n, low, 1);
    (void)pn_set(p, t, v);                              /* of a shut gate nobody reads them */
    free(v);
}

/* Runs and frees everything but what it got. */
static void block_run(block *b)
{
    pn_output(b->graph, b->y, PN_CONST);
    pn_plan *p = pn_plan_new(b->graph, &(pn_plan_opt){ .mode = PN_INFER });
    if (!p) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    must(pn_set(p, b->x, b->given));
    set_noise(p, b->t, -1);
    if (b->matched) {
        set_noise(p, b->matched, -1);
        set_noise(p, b->codes, -1);
        set_noise(p, b->prior, 0);
    }
    must(pn_forward(p));
    must(pn_get(p, b->y, b->got));
    pn_plan_free(p);
    pn_graph_free(b->graph);
}

START_TEST(a_block_without_its_last_convolution_is_the_identity)
{
    static const char *const kinds[] = { "inject=mod", "inject=adain", "inject=concat" };
    world *w = world_new(kinds[_i], true);
    block *b = block_new();
    param_fill(param(w, "inject.mrb0.conv2.weight"), 0);
    param_fill(param(w, "inject.mrb0.conv2.bias"), 0);
    b->y = rsa_gan_mrb_call(b->graph, &w->own->g.inject[0], b->x, b->t);
    block_run(b);
    ck_assert_mem_eq(b->given, b->got, sizeof b->given);
    free(b);
    world_free(w);
}
END_TEST

START_TEST(modulation_by_nothing_is_the_norm)
{
    world *w = world_new(NULL, true);
    block *b = block_new(), *norm = block_new();
    param_fill(param(w, "inject.mrb0.mod1.affine.weight"), 0);
    param_fill(param(w, "inject.mrb0.mod1.affine.bias"), 0);
    b->y = rsa_gan_modulated(b->graph, &w->own->g.inject[0].mod1, b->x, b->t);
    pn_tensor *silent = pn_affine(norm->graph, norm->t, 0, 0);
    pn_tensor *x = pn_instance_norm(norm->graph, norm->x, NULL, NULL, 1e-5);
    norm->y = pn_add(norm->graph, x, silent);
    block_run(b);
    block_run(norm);
    expect_same(b->got, norm->got, WIDTH * CELLS, 1e-6);
    free(b);
    free(norm);
    world_free(w);
}
END_TEST

static void gdcca(world *w, block *b)
{
    pn_tensor *logits = NULL;
    const rsa_gan_output from = surroundings(b);
    b->y = rsa_gan_gdcca(b->graph, &w->own->g, 0, &from, b->x, &logits);
    block_run(b);
}

START_TEST(a_shut_gate_is_the_identity)
{
    world *w = world_new(_i == 0 ? "gdcca_gate=closed" : NULL, true);
    block *b = block_new();
    if (_i == 1) param_fill(param(w, "gdcca.block0.gate.dw.bias"), -1e4);
    param_fill(param(w, "gdcca.block0.ff.out.weight"), 0);
    param_fill(param(w, "gdcca.block0.ff.out.bias"), 0);
    gdcca(w, b);
    ck_assert_mem_eq(b->given, b->got, sizeof b->given);
    free(b);
    world_free(w);
}
END_TEST

/* gdcca_gate=open, and a learned gate that is driven open. */
START_TEST(an_open_gate_adds_both)
{
    world *open = world_new("gdcca_gate=open", true), *driven = world_new(NULL, true);
    block *a = block_new(), *b = block_new();
    param_fill(param(driven, "gdcca.block0.gate.dw.bias"), 1e4);
    gdcca(open, a);
    gdcca(driven, b);
    expect_same(a->got, b->got, WIDTH * CELLS, 1e-6);
    ck_assert(memcmp(a->given, a->got, sizeof a->given) != 0);
    free(a);
    free(b);
    world_free(open);
    world_free(driven);
}
END_TEST

/* ---- Token attention ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    pn_real codes[K * WIDTH], prior[K * CELLS], got[WIDTH * CELLS];
} tokens;

static void attend(tokens *s)
{
    pn_graph *g = pn_graph_new(pn_test_ctx());
    pn_tensor *q = pn_input(g, "q", pn_shape4(1, WIDTH, H / 4, W / 4), PN_CONST);
    pn_tensor *codes = pn_input(g, "codes", pn_shape3(1, K, WIDTH), PN_CONST);
    pn_tensor *prior = pn_input(g, "prior", pn_shape4(1, K, H / 4, W / 4), PN_CONST);
    pn_tensor *y = pn_token_attention(g, q, codes, codes, pn_log(g, prior, 1e-3), NULL);
    pn_output(g, y, PN_CONST);
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    if (!p) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    set_noise(p, q, -1);
    must(pn_set(p, codes, s->codes));
    must(pn_set(p, prior, s->prior));
    must(pn_forward(p));
    must(pn_get(p, y, s->got));
    pn_plan_free(p);
    pn_graph_free(g);
}

START_TEST(equal_codes_say_the_same_everywhere)
{
    static tokens s;
    noise("prior", s.prior, K * CELLS, 0, 1);
    noise("code", s.codes, WIDTH, -1, 1);
    for (int i = WIDTH; i < K * WIDTH; i++) s.codes[i] = s.codes[i % WIDTH];
    attend(&s);
    for (int i = 0; i < WIDTH * CELLS; i++) ck_assert_double_eq_tol((double)s.got[i], (double)s.codes[i / CELLS], 1e-5);
}
END_TEST

START_TEST(the_order_of_the_codes_does_not_matter)
{
    static const int from[K] = { 3, 0, 7, 1, 6, 2, 5, 4 };
    static tokens a, b;
    noise("prior", a.prior, K * CELLS, 0, 1);
    noise("codes", a.codes, K * WIDTH, -1, 1);
    for (int k = 0; k < K; k++) {
        memcpy(b.codes + k * WIDTH, a.codes + from[k] * WIDTH, WIDTH * sizeof *b.codes);
        memcpy(b.prior + k * CELLS, a.prior + from[k] * CELLS, CELLS * sizeof *b.prior);
    }
    attend(&a);
    attend(&b);
    expect_same(a.got, b.got, WIDTH * CELLS, 1e-5);
}
END_TEST

/* ---- Sizes ------------------------------------------------------------------------------------------------------------------------------ */

static double macs_of_critics(const rsa_gan_critics_net *d, pn_shape image)
{
    pn_graph *g = pn_graph_new(pn_test_ctx());
    pn_shape pose = image;
    pose.dim[1] = POSE;
    pn_tensor *made = pn_input(g, "image", image, PN_CONST), *source = pn_input(g, "source", image, PN_CONST);
    rsa_gan_critics(g, d, made, pn_input(g, "pose", pose, PN_CONST), source);
    const double macs = pn_graph_macs(g);
    pn_graph_free(g);
    return macs;
}

START_TEST(presets_have_the_designs_sizes)
{
    static const struct {
        const char *preset;
        int height, width;
        int64_t g, d;
        double g_macs, d_macs;
    } want[] = {
        { "full", 256, 176, 25187099, 825154, 72.48e9, 7.138e9 },
        { "full", 256, 256, 25187099, 825154, 108.84e9, 10.383e9 },
        { "small", 256, 176, 8097683, 825154, 24.81e9, 7.138e9 },
        { "tiny", 128, 96, 2925263, 68050, 2.344e9, 0.317e9 },
    };
    const pn_shape image = pn_shape4(1, 3, want[_i].height, want[_i].width);
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "rsa_gan", .preset = want[_i].preset });
    if (!m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    const rsa_gan_model *own = (const rsa_gan_model *)m;
    ck_assert_int_eq(pn_params_numbers(m->part[RSA_GAN_PART_G].params), want[_i].g + (own->config.colours ? 81 : 0));
    ck_assert_int_eq(pn_params_numbers(m->part[RSA_GAN_PART_D].params), want[_i].d);
    pn_graph *g = pn_graph_new(pn_test_ctx());
    const rsa_gan_input in = rsa_gan_inputs(g, &own->config, image);
    rsa_gan_generator(g, &own->g, &in);
    ck_assert_double_eq_tol(pn_graph_macs(g) / want[_i].g_macs, 1, 1e-3);
    ck_assert_double_eq_tol(macs_of_critics(&own->d, image) / want[_i].d_macs, 1, 1e-3);
    ptrdiff_t height, width;
    pn_model_size(m, &height, &width);
    if (_i != 1) ck_assert(height == want[_i].height && width == want[_i].width);
    pn_graph_free(g);
    pn_model_free(m);
}
END_TEST

/* ---- Losses ------------------------------------------------------------------------------------------------------------------------------ */

/* One term alone, of a picture that is all of class 3. value: what logits and weights of class 3 and of the others are */
static double term_of(int term, double of_class, double of_others)
{
    const rsa_gan_config c = { .classes = K, .rpsf = true, .pcgsi = true };
    const pn_shape image = pn_shape4(1, 3, H, W), cells = pn_shape4(1, K, H / 4, W / 4);
    static pn_real maps[K * CELLS], parsing[K * PIXELS], classes[PIXELS];
    rsa_gan_weights w = { .by = { 0 } };
    pn_graph *g = pn_graph_new(pn_test_ctx());
    w.by[term] = 1;
    for (int i = 0; i < K * CELLS; i++) maps[i] = (pn_real)(i / CELLS == 3 ? of_class : of_others);
    for (int i = 0; i < K * PIXELS; i++) parsing[i] = i / PIXELS == 3;
    for (int i = 0; i < PIXELS; i++) classes[i] = 3;
    pn_tensor *made = pn_input(g, "made", cells, PN_CONST);
    const rsa_gan_output out = { .logits = { made }, .prior = made, .soft = made };
    const rsa_gan_judged see = rsa_gan_judged_inputs(g, &c, &out, image, w);
    const rsa_gan_losses l = rsa_gan_losses_of(g, NULL, NULL, &see, w);
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    if (!p) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    must(pn_set(p, term == RSA_GAN_ATT ? see.logits[0] : see.prior, maps));
    if (term == RSA_GAN_ATT) must(pn_set(p, see.classes, classes));
    else must(pn_set(p, see.parsing_target, parsing));
    must(pn_forward(p));
    const double value = pn_plan_scalar(p, l.term[term]);
    pn_plan_free(p);
    pn_graph_free(g);
    return value;
}

START_TEST(sure_attention_costs_nothing) { ck_assert_double_lt(term_of(RSA_GAN_ATT, 20, 0), 1e-6); }
END_TEST

START_TEST(uniform_classes_cost_their_logarithm)
{
    ck_assert_double_eq_tol(term_of(RSA_GAN_ATT, 0.7, 0.7), log(8), 1e-5);
    ck_assert_double_eq_tol(term_of(RSA_GAN_PAR, 1.0 / 8, 1.0 / 8), log(8), 2e-5);
}
END_TEST

START_TEST(undecided_discriminators_give_a_half)
{
    world *w = world_new(NULL, false);
    pn_params *d = w->m->part[RSA_GAN_PART_D].params;
    const pn_shape image = pn_shape4(1, 3, H, W);
    for (int i = 0; i < 2; i++) {
        param_fill(pn_params_find(d, i ? "pair.head.weight" : "pose.head.weight"), 0);
        param_fill(pn_params_find(d, i ? "pair.head.bias" : "pose.head.bias"), 0.5);
    }
    pn_graph *g = pn_graph_new(pn_test_ctx());
    pn_tensor *real = pn_input(g, "real", image, PN_CONST), *fake = pn_input(g, "fake", image, PN_CONST);
    pn_tensor *pose = pn_input(g, "pose", pn_shape4(1, POSE, H, W), PN_CONST), *source = pn_input(g, "source", image, PN_CONST);
    pn_tensor *loss = rsa_gan_d_loss(g, &w->own->d, real, fake, pose, source);
    pn_output(g, loss, PN_CONST);
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    pn_tensor *const leaves[] = { real, fake, pose, source };
    for (int i = 0; i < 4; i++) set_noise(p, leaves[i], -1);
    must(pn_forward(p));
    ck_assert_double_eq_tol(pn_plan_scalar(p, loss), 0.5, 1e-6);
    pn_plan_free(p);
    pn_graph_free(g);
    world_free(w);
}
END_TEST

TCase *rsa_gan_properties_cases(void)
{
    TCase *t = tcase_create("rsa_gan_properties");
    tcase_add_test(t, regions_start_as_the_label_map);
    tcase_add_test(t, semantics_do_not_start_mixed);
    tcase_add_loop_test(t, a_joint_is_seen_by_its_classes_alone, 0, 2);
    tcase_add_test(t, a_shut_fusion_leaves_regions_and_semantics_alone);
    tcase_add_test(t, renamed_classes_are_the_same_in_another_order);
    tcase_add_test(t, codes_of_a_plain_picture_are_its_style);
    tcase_add_test(t, an_absent_class_has_the_mean);
    tcase_add_loop_test(t, no_label_at_all_is_no_nan, 0, 2);
    tcase_add_test(t, nobody_in_sight_is_no_nan);
    tcase_add_test(t, equal_poses_are_described_alike);
    tcase_add_test(t, what_is_carried_lies_between_what_there_was);
    tcase_add_test(t, a_pose_that_corresponds_to_itself_carries_everything_along);
    tcase_add_loop_test(t, a_block_without_its_last_convolution_is_the_identity, 0, 3);
    tcase_add_test(t, modulation_by_nothing_is_the_norm);
    tcase_add_loop_test(t, a_shut_gate_is_the_identity, 0, 2);
    tcase_add_test(t, an_open_gate_adds_both);
    tcase_add_test(t, equal_codes_say_the_same_everywhere);
    tcase_add_test(t, the_order_of_the_codes_does_not_matter);
    tcase_add_loop_test(t, presets_have_the_designs_sizes, 0, 4);
    tcase_add_test(t, sure_attention_costs_nothing);
    tcase_add_test(t, uniform_classes_cost_their_logarithm);
    tcase_add_test(t, undecided_discriminators_give_a_half);
    return t;
}
