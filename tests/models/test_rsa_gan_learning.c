/* tests/models/test_rsa_gan_learning.c - RSA-GAN learns a few pairs by heart: a drawn one, and four real ones */
#include "data/scratch.h"
#include "models/expected.h"
#include "support/pntest.h"

#include "../models/rsa_gan/training.h"

enum { K = 8, POSE = PN_JOINTS + PN_LIMBS };

static void must(pn_status status)
{
    if (status) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
}

static pn_training *training_of(pn_model *m, pn_training_opt opt)
{
    pn_training *t = m ? pn_training_new(m, &opt) : NULL;
    if (!t) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    ck_assert_str_eq(t->loss_name[1], "l1");
    return t;
}

/* ---- A drawn pair ------------------------------------------------------------------------------------------------------- */

enum { H = 48, W = 32, PIXELS = H * W };

static void noise(const char *name, pn_real *v, ptrdiff_t n)
{
    pn_rng rng = pn_rng_named(3, name);
    for (ptrdiff_t i = 0; i < n; i++) v[i] = (pn_real)pn_rng_uniform(&rng);
}

/* A smooth picture from its label map's bands, without the terms that pull elsewhere. */
START_TEST(it_learns_one_pair_by_heart)
{
    enum { STEPS = 60 };
    static const char *const options[] = { "width=32", "key=16", "mod_width=16", "d_base=4", "lr=2e-3", "lambda_adversarial=0",
                                           "lambda_matching=0", "tau_steps=30" };
    static pn_real source[3 * PIXELS], target[3 * PIXELS], pose[2][POSE * PIXELS], parsing[K * PIXELS];
    noise("pose0", pose[0], POSE * PIXELS);
    noise("pose1", pose[1], POSE * PIXELS);
    for (int p = 0; p < PIXELS; p++) parsing[p % W * K / W * PIXELS + p] = 1;
    for (int i = 0; i < 3 * PIXELS; i++) {
        source[i] = (pn_real)(0.7 * sin(0.3 * (i % W) + i / PIXELS));
        target[i] = (pn_real)(0.7 * sin(0.3 * (i % W) + i / PIXELS + 0.1 * (i % PIXELS / W)));
    }
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "rsa_gan", .preset = "tiny", .set = options, .n_set = 8 });
    pn_training *t = training_of(m, (pn_training_opt){ .batch = 1, .height = H, .width = W });
    const pn_model_input in = { .source = source, .target = target, .pose_source = pose[0], .pose_target = pose[1],
                                .parsing_source = parsing, .parsing_target = parsing };
    double losses[PN_MAX_LOSSES], first = 0;
    for (int i = 0; i < STEPS; i++) {
        must(pn_training_step(t, &in, losses));
        if (i == 0) first = losses[1];
    }
    ck_assert_msg(losses[1] < 0.3 * first, "l1 went from %g to %g only", first, losses[1]);
    ck_assert_double_eq_tol((double)pn_param_data(((rsa_gan_model *)m)->g.corr.tau)[0], 0.01, 1e-6);
    pn_training_free(t);
    pn_model_free(m);
}
END_TEST

/* ---- Four real pairs ------------------------------------------------------------------------------------------------------ */

enum { BATCH = 4, HEIGHT = 128, WIDTH = 96, PLANES = 2 * (3 + POSE + K) };

/* The loader's numbers, which are floats in either build, at the next place of a store. */
static pn_real *keep(pn_real **store, const float *v, ptrdiff_t channels)
{
    const ptrdiff_t n = BATCH * channels * HEIGHT * WIDTH;
    pn_real *out = *store;
    for (ptrdiff_t i = 0; i < n; i++) out[i] = (pn_real)v[i];
    *store += n;
    return out;
}

static pn_model_input four_pairs(const pn_model *m, const char *photographs)
{
    static pn_real numbers[BATCH * PLANES * HEIGHT * WIDTH];
    pn_real *at = numbers;
    char folder[600];
    snprintf(folder, sizeof folder, "%s/fashion_256x176", photographs);
    const pn_model_needs needs = pn_model_needs_at(m, HEIGHT);
    const pn_loader_opt opt = { .batch = BATCH, .height = HEIGHT, .width = WIDTH, .order = PN_SHUFFLED, .seed = 1,
                                .filter = needs.filter, .sigma = needs.sigma, .limbs = needs.limbs, .merge = "",
                                .classes = needs.classes };
    pn_dataset *d = pn_dataset_open(scratch_ctx(), folder, "train", NULL);
    pn_loader *l = d ? pn_loader_new(d, &opt, NULL) : NULL;
    pn_batch b;
    if (!l || pn_loader_next(l, &b)) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    const pn_model_input in = { .source = keep(&at, b.source, 3),
                                .target = keep(&at, b.target, 3),
                                .pose_source = keep(&at, b.pose_source, POSE),
                                .pose_target = keep(&at, b.pose_target, POSE),
                                .parsing_source = keep(&at, b.parsing_source, K),
                                .parsing_target = keep(&at, b.parsing_target, K) };
    pn_loader_free(l);
    pn_dataset_free(d);
    return in;
}

/* 161 steps, nearly two minutes of one core: only where PN_TEST_ROUNDS asks for long tests. */
START_TEST(it_learns_four_real_pairs_by_heart)
{
    enum { STEPS = 600 };
    static const char *const options[] = { "lr=5e-4", "lambda_adversarial=0", "lambda_matching=0", "tau_steps=300" };
    static const char test[] = "it_learns_four_real_pairs_by_heart";
    if (!getenv("PN_TEST_ROUNDS")) {
        printf("skipped: %s takes minutes; set PN_TEST_ROUNDS to run it\n", test);
        return;
    }
    const char *photographs = scratch_photographs(test);
    if (!photographs) return;
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "rsa_gan", .preset = "tiny", .set = options, .n_set = 4 });
    pn_training *t = training_of(m, (pn_training_opt){ .batch = BATCH, .height = HEIGHT, .width = WIDTH });
    const pn_model_input in = four_pairs(m, photographs);
    double losses[PN_MAX_LOSSES] = { 0, 1 };
    int steps = 0;
    for (; steps < STEPS && losses[1] >= 0.05; steps++) must(pn_training_step(t, &in, losses));
    ck_assert_msg(losses[1] < 0.05, "l1 is still %g after %d steps", losses[1], steps);
    pn_training_free(t);
    pn_model_free(m);
}
END_TEST

TCase *rsa_gan_learning_cases(void)
{
    TCase *t = tcase_create("rsa_gan_learning");
    tcase_set_timeout(t, 1800);
    tcase_add_test(t, it_learns_one_pair_by_heart);
    tcase_add_test(t, it_learns_four_real_pairs_by_heart);
    return t;
}
