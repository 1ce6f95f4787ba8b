/* tests/models/test_gfla_keypoint.c - the network that cleans key points against an independent PyTorch program
 * (tests/golden/gfla_ref.py): what comes out, with dropout and without, and every gradient; and its training */
#include "support/memory.h"
#include "support/pntest.h"

#include "../models/gfla/keypoint.h"
#include "core/core.h"
#include "models/expected.h"
#include "models/formula.h"


/* Values: of their largest; gradients: relative L2. The double build must be right to the files' rounding. */
#ifdef PN_REAL_DOUBLE
static const double tol_value = 1e-6, tol_grad = 2e-6;
#else
static const double tol_value = 1e-5, tol_grad = 1e-4;
#endif

enum { N = 2, WIDTH = 12, MARGINS = 2 * GFLA_POINT_MARGIN };
static const struct { const char *name; ptrdiff_t length; bool dropped; } cases[] = {
    { "short", 83, false }, { "long", 96, false }, { "dropped", 91, true },
};

static pn_real *uniform(const char *where, const char *name, ptrdiff_t n)
{
    char full[64];
    pn_real *v = malloc((size_t)n * sizeof *v);
    snprintf(full, sizeof full, "points1.%s.%s", where, name);
    for (ptrdiff_t i = 0; i < n; i++) v[i] = (pn_real)(float)formula_u(full, i);
    return v;
}

static void set_kept(pn_plan *plan, const pn_tensor *kept, const char *where, int i)
{
    char name[16];
    snprintf(name, sizeof name, "kept%d", i);
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(kept));
    char full[64];
    snprintf(full, sizeof full, "points1.%s.%s", where, name);
    pn_real *v = malloc((size_t)n * sizeof *v);
    for (ptrdiff_t k = 0; k < n; k++) v[k] = formula_u(full, k) >= -0.7 ? (pn_real)(1 / 0.85) : 0;
    ck_assert_int_eq(pn_set(plan, kept, v), PN_OK);
    free(v);
}

static void expect_input_gradient(const pn_safetensors *f, const char *where, const pn_plan *plan, const pn_tensor *x)
{
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(x));
    pn_real *got = malloc((size_t)n * sizeof *got);
    double *values = malloc((size_t)n * sizeof *values);
    ck_assert_int_eq(pn_get_grad(plan, x, got), PN_OK);
    for (ptrdiff_t i = 0; i < n; i++) values[i] = (double)got[i];
    expect_values(f, where, "seen/x", values, n, tol_grad);
    free(values);
    free(got);
}

START_TEST(tracks_come_out_as_in_torch)
{
    const char *where = cases[_i].name;
    const ptrdiff_t length = cases[_i].length;
    pn_safetensors f = expected_open("gfla_keypoint");
    pn_params *p = pn_params_new(pn_test_ctx());
    const pn_scope top = pn_scope_top(p, (pn_init){ PN_INIT_CONSTANT, 0 });
    const gfla_keypoint_net net = gfla_keypoint_make(&top, WIDTH);
    formula_fill(p, "", NULL);
    pn_graph *g = pn_test_graph();
    pn_tensor *x = pn_input(g, "x", pn_shape3(N, GFLA_POINTS, length), PN_GRAD), *kept[GFLA_DROPS], *feature;
    pn_tensor *clean = pn_input(g, "clean", pn_shape3(N, GFLA_POINTS, length - MARGINS), PN_CONST);
    for (int i = 0; i < GFLA_DROPS && cases[_i].dropped; i++) {
        char name[16];
        snprintf(name, sizeof name, "kept%d", i);
        kept[i] = pn_input(g, name, gfla_keypoint_kept(&net, i, N, length), PN_CONST);
    }
    pn_tensor *out = gfla_keypoint(g, &net, x, cases[_i].dropped ? kept : NULL, &feature);
    pn_tensor *loss = pn_mse_loss(g, out, clean);
    pn_output(g, out, PN_CONST);
    pn_output(g, feature, PN_CONST);
    pn_loss(g, loss);
    pn_plan *plan = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = p });
    ck_assert_msg(plan != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    pn_adam *adam = pn_adam_new(p, (pn_adam_opt){ .lr = 1e-4, .beta1 = 0, .beta2 = 0.999, .eps = 1e-8 });

    pn_real *noisy = uniform(where, "noisy", N * GFLA_POINTS * length);
    pn_real *wanted = uniform(where, "clean", N * GFLA_POINTS * (length - MARGINS));
    pn_set(plan, x, noisy);
    pn_set(plan, clean, wanted);
    for (int i = 0; i < GFLA_DROPS && cases[_i].dropped; i++) set_kept(plan, kept[i], where, i);
    ck_assert_int_eq(pn_forward(plan), PN_OK);
    expect_output(&f, where, "out", plan, out, tol_value);
    expect_output(&f, where, "feature", plan, feature, tol_value);
    expect_output(&f, where, "loss", plan, loss, tol_value);
    ck_assert_int_eq(pn_backward(plan), PN_OK);
    expect_input_gradient(&f, where, plan, x);
    ck_assert_int_eq(pn_adam_step(adam), PN_OK);
    const expected_gradients e = { .where = where, .part = "g", .prefix = "", .tol = tol_grad };
    ck_assert_int_eq(expect_gradients(&f, &e, adam, p), stored_gradients(&f, where, "g"));
    ck_assert_int_gt(stored_gradients(&f, where, "g"), 40);
    free(noisy);
    free(wanted);
    pn_adam_free(adam);
    pn_plan_free(plan);
    pn_graph_free(g);
    pn_params_free(p);
    pn_safetensors_free(pn_test_ctx(), &f);
}
END_TEST

/* ---- The task ------------------------------------------------------------------------------------------------------------------ */

enum { BATCH = 4, FRAMES = 8, LENGTH = FRAMES + MARGINS };

static pn_model *model_with(const char *a, const char *b)
{
    const char *const set[] = { "frames=8", a, b };
    pn_model *m = pn_model_new(
        pn_test_ctx(),
        &(pn_model_opt){ .name = "gfla", .task = "keypoint", .preset = "tiny", .set = set, .n_set = 3, .seed = 5 });
    if (!m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return m;
}

START_TEST(published_width_has_the_published_count)
{
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .task = "keypoint" });
    pn_part parts[4];
    ck_assert_msg(m != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    ck_assert_int_eq(pn_model_parts(m, parts), 1);
    ck_assert_int_eq(pn_params_numbers(parts[0].params), 1834786);
    ck_assert_int_eq(pn_model_needs_at(m, 256).reads, PN_READS_TRACKS);
    pn_model_free(m);
}
END_TEST

/* A sine per channel, and the same with noise. */
static void make_tracks(uint64_t seed, pn_real *noisy, pn_real *clean)
{
    pn_rng rng = pn_rng_named(seed, "tracks");
    for (int row = 0; row < BATCH * GFLA_POINTS; row++) {
        const double phase = 6 * pn_rng_uniform(&rng), speed = 0.1 + 0.1 * pn_rng_uniform(&rng);
        for (int t = 0; t < LENGTH; t++) {
            const double v = 0.5 * sin(phase + speed * t);
            noisy[row * LENGTH + t] = (pn_real)(v + 0.1 * pn_rng_normal(&rng));
            if (t >= GFLA_POINT_MARGIN && t < GFLA_POINT_MARGIN + FRAMES)
                clean[row * FRAMES + t - GFLA_POINT_MARGIN] = (pn_real)v;
        }
    }
}

static double step(pn_training *t, const pn_model_input *in)
{
    double losses[PN_MAX_LOSSES];
    if (pn_training_step(t, in, losses)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return losses[0];
}

/* Dropout draws anew in every step, the same for the same seed and step; without it a step repeats itself. */
START_TEST(dropout_draws_by_seed_and_step)
{
    static pn_real noisy[BATCH * GFLA_POINTS * LENGTH], clean[BATCH * GFLA_POINTS * FRAMES];
    double losses[2][3], none[2];
    make_tracks(1, noisy, clean);
    const pn_model_input in = { .source = noisy, .target = clean };
    for (int run = 0; run < 3; run++) {
        pn_model *m = model_with("points_width=8", run == 2 ? "points_drop=0" : "points_drop=0.5");
        pn_training *t = pn_training_new(m, &(pn_training_opt){ .batch = BATCH, .height = 32, .width = 32 });
        ck_assert_msg(t != NULL, "%s", pn_ctx_message(pn_test_ctx()));
        pn_training_scale_lr(t, 0);
        for (int i = 0; i < (run == 2 ? 2 : 3); i++)
            (run == 2 ? none : losses[run])[i] = step(t, &in);
        pn_training_free(t);
        pn_model_free(m);
    }
    ck_assert_mem_eq(losses[0], losses[1], sizeof losses[0]);
    ck_assert(losses[0][0] != losses[0][1] && losses[0][1] != losses[0][2]);
    ck_assert(none[0] == none[1]);
}
END_TEST

START_TEST(training_cleans_tracks_and_asks_for_no_memory)
{
    enum { STEPS = 60 };
    static pn_real noisy[BATCH * GFLA_POINTS * LENGTH], clean[BATCH * GFLA_POINTS * FRAMES],
        made[BATCH * GFLA_POINTS * FRAMES];
    pn_ctx *ctx = pn_test_ctx();
    pn_model *m = model_with("points_width=32", "points_drop=0.15");
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .batch = BATCH, .height = 32, .width = 32 });
    ck_assert_msg(t != NULL, "%s", pn_ctx_message(ctx));
    const pn_model_input in = { .source = noisy, .target = clean };
    double first = 0, loss = 0;
    uint64_t requests = 0;
    make_tracks(2, noisy, clean);
    for (int i = 0; i < STEPS; i++) {
        loss = step(t, &in);
        if (i == 0) first = loss;
        if (i == 1) requests = pn_alloc_requests(ctx);
    }
    ck_assert_uint_eq(pn_alloc_requests(ctx), requests);
    ck_assert_msg(loss < 0.3 * first, "the loss went from %g to %g", first, loss);
    pn_training_free(t);
    pn_generation *gen = pn_generation_new(m, BATCH, 32, 32);
    ck_assert_msg(gen != NULL, "%s", pn_ctx_message(ctx));
    ck_assert_int_eq(pn_generation_run(gen, &in, made), PN_OK);
    double squares = 0;
    for (int i = 0; i < BATCH * GFLA_POINTS * FRAMES; i++)
        squares += ((double)made[i] - (double)clean[i]) * ((double)made[i] - (double)clean[i]);
    ck_assert_double_lt(squares / (BATCH * GFLA_POINTS * FRAMES), loss); /* no dropout: better than in training */
    pn_generation_free(gen);
    pn_model_free(m);
}
END_TEST

START_TEST(a_dropout_of_all_is_refused)
{
    const char *set = "points_drop=1";
    ck_assert_ptr_null(
        pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .task = "keypoint", .set = &set, .n_set = 1 }));
    ck_assert_msg(strstr(pn_ctx_message(pn_test_ctx()), "points_drop=1 is not in [0, 1)"), "%s",
                  pn_ctx_message(pn_test_ctx()));
}
END_TEST

TCase *gfla_keypoint_cases(void)
{
    TCase *tc = tcase_create("gfla_keypoint");
    tcase_add_loop_test(tc, tracks_come_out_as_in_torch, 0, 3);
    tcase_add_test(tc, published_width_has_the_published_count);
    tcase_add_test(tc, dropout_draws_by_seed_and_step);
    tcase_add_test(tc, training_cleans_tracks_and_asks_for_no_memory);
    tcase_add_test(tc, a_dropout_of_all_is_refused);
    return tc;
}
