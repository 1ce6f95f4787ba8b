/* tests/models/test_training.c - what every training promises: no allocation once it runs, the same bits for any number of threads */
#include "support/memory.h"
#include "support/pntest.h"

#include "core/core.h"
#include "posenet/data.h"
#include "posenet/model.h"

enum { BATCH = 1, H = 32, W = 32, STEPS = 20 };

typedef struct { pn_real picture[2][3 * H * W], pose[2][PN_JOINTS * H * W]; } sample;

static sample *sample_make(uint64_t seed)
{
    sample *s = malloc(sizeof *s);
    pn_rng rng = pn_rng_named(seed, "training");
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 3 * H * W; i++) s->picture[k][i] = (pn_real)(2 * pn_rng_uniform(&rng) - 1);
        for (int i = 0; i < PN_JOINTS * H * W; i++) s->pose[k][i] = (pn_real)pn_rng_uniform(&rng);
    }
    return s;
}

static pn_model_input input_of(const sample *s)
{
    return (pn_model_input){ .source = s->picture[0], .target = s->picture[1], .pose_source = s->pose[0], .pose_target = s->pose[1] };
}

/* Small enough that the double build's reference kernels finish. */
static pn_model *model_in(pn_ctx *ctx)
{
    static const char *const narrow[] = { "base=8", "cap=16", "flow_base=4", "flow_cap=8", "hidden=8", "d_base=4", "d_cap=8",
                                          "vgg_narrow=16" };
    pn_model *m = pn_model_new(ctx, &(pn_model_opt){ .name = "gfla", .preset = "tiny", .set = narrow,
                                                     .n_set = sizeof narrow / sizeof *narrow, .seed = 3 });
    if (!m) ck_abort_msg("%s", pn_ctx_message(ctx));
    return m;
}

static pn_training *training_of(pn_model *m, const char *stage)
{
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .stage = stage, .batch = BATCH, .height = H, .width = W });
    if (!t) ck_abort_msg("%s", pn_ctx_message(pn_model_ctx(m)));
    return t;
}

static void steps(pn_training *t, const sample *s, int n)
{
    const pn_model_input in = input_of(s);
    double losses[PN_MAX_LOSSES];
    for (int i = 0; i < n; i++)                         /* Check's own assertions take memory: none while it is counted */
        if (pn_training_step(t, &in, losses)) ck_abort_msg("the step failed");
}

static const char *const stages[] = { "flow", "full" };

START_TEST(steady_training_asks_for_no_memory)
{
    pn_ctx *ctx = pn_test_ctx();
    pn_model *m = model_in(ctx);
    pn_training *t = training_of(m, stages[_i]);
    sample *s = sample_make(1);
    steps(t, s, 2);
    const uint64_t requests = pn_alloc_requests(ctx);
    const unsigned long mallocs = pn_test_mallocs();
    steps(t, s, STEPS - 2);
    const unsigned long mallocs_after = pn_test_mallocs();
    ck_assert_uint_eq(pn_alloc_requests(ctx) - requests, 0);
    ck_assert_uint_eq(mallocs_after - mallocs, 0);
    pn_training_free(t);
    pn_model_free(m);
    free(s);
}
END_TEST

/* All parameters and state of a model after some steps, one after another. */
static pn_real *weights_after(int threads, const char *stage, const char *recompute, size_t *count)
{
    pn_ctx *ctx = pn_test_ctx_new(PN_ISA_BEST, threads);
    pn_model *m = model_in(ctx);
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .stage = stage, .batch = BATCH, .height = H, .width = W,
                                                            .recompute = recompute });
    if (!t) ck_abort_msg("%s", pn_ctx_message(ctx));
    sample *s = sample_make(2);
    steps(t, s, 4);
    pn_part parts[4];
    const int n = pn_model_parts(m, parts);
    pn_real *all = NULL;
    *count = 0;
    for (int p = 0; p < n; p++)
        for (int i = 0; i < pn_params_count(parts[p].params); i++) {
            const pn_tensor *w = pn_params_at(parts[p].params, i);
            const size_t more = (size_t)pn_shape_count(pn_tensor_shape(w));
            all = realloc(all, (*count + more) * sizeof *all);
            memcpy(all + *count, pn_param_data(w), more * sizeof *all);
            *count += more;
        }
    pn_training_free(t);
    pn_model_free(m);
    pn_ctx_free(ctx);
    free(s);
    return all;
}

static void expect_same_weights(int threads, const char *stage, const char *recompute)
{
    size_t n, m;
    pn_real *one = weights_after(1, stage, NULL, &n), *other = weights_after(threads, stage, recompute, &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(one, other, n * sizeof *one);
    free(one);
    free(other);
}

START_TEST(one_thread_and_two_end_in_the_same_bits) { expect_same_weights(2, stages[_i], NULL); } END_TEST
START_TEST(three_threads_too) { expect_same_weights(3, "full", NULL); } END_TEST
START_TEST(recomputing_blocks_changes_no_bit) { expect_same_weights(1, "full", "flow_net,decoder1,decoder2,vgg"); } END_TEST

START_TEST(a_loss_that_is_not_finite_stops_before_it_is_learnt)
{
    pn_model *m = model_in(pn_test_ctx());
    pn_training *t = training_of(m, "full");
    sample *s = sample_make(3);
    s->picture[1][5] = (pn_real)NAN;
    const pn_model_input in = input_of(s);
    pn_part parts[4];
    pn_model_parts(m, parts);
    const pn_tensor *w = pn_params_find(parts[0].params, "target.outconv.conv1.weight");
    const pn_real before = pn_param_data(w)[0];
    double losses[PN_MAX_LOSSES];
    ck_assert_int_eq(pn_training_step(t, &in, losses), PN_ERR_NONFINITE);
    ck_assert_msg(strstr(pn_ctx_message(pn_test_ctx()), "the loss 'discriminator' is nan"), "%s", pn_ctx_message(pn_test_ctx()));
    ck_assert(pn_param_data(w)[0] == before);
    pn_training_free(t);
    pn_model_free(m);
    free(s);
}
END_TEST

static bool holds(const pn_tensor *t, const pn_real *values)
{
    return memcmp(pn_param_data(t), values, (size_t)pn_shape_count(pn_tensor_shape(t)) * sizeof *values) == 0;
}

START_TEST(what_was_set_before_the_first_plan_stays_and_the_rest_begins_as_the_seed_says)
{
    pn_ctx *ctx = pn_test_ctx();
    pn_model *begun = model_in(ctx), *given = model_in(ctx);
    pn_part a, b, parts[4];
    ck_assert_int_ge(pn_model_parts(begun, parts), 1);
    a = parts[0];
    ck_assert_int_ge(pn_model_parts(given, parts), 1);
    b = parts[0];
    ck_assert_int_eq(pn_params_init(a.params, 3), PN_OK);
    pn_tensor *first = pn_params_at(b.params, 0);
    pn_real *mine = calloc((size_t)pn_shape_count(pn_tensor_shape(first)), sizeof *mine);
    mine[0] = 7;
    pn_param_set(first, mine);
    pn_generation *gen = pn_generation_new(given, 1, H, W);
    ck_assert_ptr_nonnull(gen);
    ck_assert(holds(first, mine));
    for (int i = 1; i < pn_params_count(a.params); i++)
        ck_assert(holds(pn_params_at(b.params, i), pn_param_data(pn_params_at(a.params, i))));
    ck_assert_int_eq(pn_params_init(b.params, 3), PN_OK);       /* all of them, whatever they hold */
    ck_assert(holds(first, pn_param_data(pn_params_at(a.params, 0))));
    free(mine);
    pn_generation_free(gen);
    pn_model_free(begun);
    pn_model_free(given);
}
END_TEST

/* Packed weights lie in one place in turn, so a second run must pack them again. */
START_TEST(a_generation_for_a_few_pictures_makes_the_same_ones_in_less_memory)
{
    pn_model *m = model_in(pn_test_ctx());
    pn_generation *many = pn_generation_new(m, 1, H, W), *few = pn_generation_once(m, 1, H, W);
    ck_assert(many && few);
    if (pn_ctx_isa(pn_test_ctx()) == PN_ISA_REF) ck_assert_uint_le(pn_generation_bytes(few), pn_generation_bytes(many));   /* packs nothing */
    else ck_assert_uint_lt(pn_generation_bytes(few), pn_generation_bytes(many));
    const size_t plane = H * W;
    pn_real *pictures = calloc(2 * (3 + 3 + 2 * PN_JOINTS) * plane, sizeof *pictures), *source = pictures + 6 * plane;
    for (size_t i = 0; i < (3 + 2 * PN_JOINTS) * plane; i++) source[i] = (pn_real)(i % 17) / 17;
    const pn_model_input in = { .source = source, .pose_source = source + 3 * plane,
                                .pose_target = source + (3 + PN_JOINTS) * plane };
    ck_assert_int_eq(pn_generation_run(many, &in, pictures), PN_OK);
    for (int run = 0; run < 2; run++) {
        memset(pictures + 3 * plane, 0, 3 * plane * sizeof *pictures);
        ck_assert_int_eq(pn_generation_run(few, &in, pictures + 3 * plane), PN_OK);
        ck_assert_mem_eq(pictures, pictures + 3 * plane, 3 * plane * sizeof *pictures);
    }
    free(pictures);
    pn_generation_free(many);
    pn_generation_free(few);
    pn_model_free(m);
}
END_TEST

START_TEST(gfla_needs_heat_maps_alone)
{
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .preset = "tiny" });
    ck_assert_msg(m != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    for (ptrdiff_t height = 64; height <= 256; height += 192) {
        const pn_model_needs needs = pn_model_needs_at(m, height);
        ck_assert(needs.sigma == 6 && needs.classes == 0 && needs.hole == PN_HOLE_NONE);
        ck_assert_str_eq(needs.labelling, "");
    }
    pn_model_free(m);
}
END_TEST

TCase *training_cases(void)
{
    TCase *tc = tcase_create("training");
    tcase_set_timeout(tc, 200);
    tcase_add_loop_test(tc, steady_training_asks_for_no_memory, 0, 2);
    tcase_add_loop_test(tc, one_thread_and_two_end_in_the_same_bits, 0, 2);
    tcase_add_test(tc, three_threads_too);
    tcase_add_test(tc, a_generation_for_a_few_pictures_makes_the_same_ones_in_less_memory);
    tcase_add_test(tc, gfla_needs_heat_maps_alone);
    tcase_add_test(tc, recomputing_blocks_changes_no_bit);
    tcase_add_test(tc, a_loss_that_is_not_finite_stops_before_it_is_learnt);
    tcase_add_test(tc, what_was_set_before_the_first_plan_stays_and_the_rest_begins_as_the_seed_says);
    return tc;
}
