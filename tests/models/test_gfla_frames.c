/* tests/models/test_gfla_frames.c - GFLA's animation of persons and faces against an independent PyTorch program
 * (tests/golden/gfla_ref.py): a chunk's frames, every loss, the gradient of every parameter, both discriminators' power iterations;
 * the same frames made one at a time, and those that follow; memory, which does not grow with them
 */
#include "support/memory.h"
#include "support/pntest.h"

#include "../models/gfla/recurrent.h"
#include "core/core.h"
#include "models/expected.h"
#include "models/formula.h"
#include "posenet/clips.h"

#include <unistd.h>

/* Values: of their largest. Six frames made from each other, and regularisation, which cancels, are looser than one picture.
 * The double build must be right to the files' rounding. */
#ifdef PN_REAL_DOUBLE
static const double tol_value = 1e-6, tol_loss = 1e-6, tol_grad = 3e-6;
enum { FRAMES = 4 };                /* its reference kernels take their time */
#else
static const double tol_value = 2e-5, tol_loss = 5e-5, tol_grad = 3e-2;
/* Mostly 1e-6. But one number that rounds to the other side of a kink of the losses, as here without fused multiply-adds, moves a
 * picture's gradient by 2.9e-2 of its length and, through the chunk, those of the first filters by 1.3e-2. */
enum { FRAMES = 30 };
#endif

enum { N = 2, SIDE = 64, PLANE = SIDE * SIDE, PICTURE = N * 3 * PLANE };

static const formula_gain gains[] = {
    { "flow_net.output1", 1.5 },
    { "flow_net.output2", 1.5 },
    { "flow_net_previous.output1", 1.5 },
    { "flow_net_previous.output2", 1.5 },
    { "flow_net_reference.output1", 1.5 },
    { "flow_net_reference.output2", 1.5 },
    { "source_previous.encoder0.model.5", 12 },
    { "source_previous.encoder1.model.5", 6 },
    { "source_reference.encoder0.model.5", 12 },
    { "source_reference.encoder1.model.5", 6 },
    { "target.attn_p0.fully_connect_layer.0", 0.25 },
    { "target.attn_p1.fully_connect_layer.0", 0.25 },
    { "target.attn_r0.fully_connect_layer.0", 0.25 },
    { "target.attn_r1.fully_connect_layer.0", 0.25 },
    { "target.outconv.conv1", 0.25 },
    { NULL, 0 },
};

typedef struct { const char *task, *file, *pictures; int frames, channels; gfla_look look[2]; } animation;
static const animation dance = { "dance", "gfla_dance", "dance8", 6, PN_DANCE_CHANNELS, { { 1, 0 }, { 4, 0 } } };
static const animation face = { "face", "gfla_face", "face1", 4, PN_FACE_CHANNELS, { { 2, 1 }, { 0, 0 } } };

/* ---- What a chunk is made of -------------------------------------------------------------------------------------------------- */

typedef struct { pn_real *reference, *pose_reference, *pictures, *structures, *masks; } clip;

static const char *name_in(const char *pictures, const char *what, int t)
{
    static char name[64];
    snprintf(name, sizeof name, t < 0 ? "%s.%s" : "%s.%s%d", pictures, what, t);
    return name;
}

/* missing: of a dance, the joint without a map */
static void structure(const animation *a, const char *name, int missing, pn_real *out)
{
    formula_picture(name, N, a->channels, SIDE, SIDE, out);
    for (ptrdiff_t i = 0; i < N * a->channels * PLANE; i++) {
        const ptrdiff_t c = i / PLANE % a->channels;
        const double s = (1 + (double)out[i]) / 2;
        double v = s;
        if (a == &dance) v = c == missing ? 0 : c >= PN_JOINTS17 ? 255 * s : s;
        else if (c == 0) v = s > 0.7;
        else if (c == 15) v = floor(7 * s);
        out[i] = (pn_real)(float)v;
    }
}

static clip clip_make(const animation *a, const char *pictures, int frames)
{
    const size_t maps = (size_t)(N * a->channels * PLANE), real = sizeof(pn_real);
    clip c = { malloc(PICTURE * real), malloc(maps * real), malloc((size_t)frames * PICTURE * real),
               malloc((size_t)frames * maps * real), malloc((size_t)frames * N * PLANE * real) };
    formula_picture(name_in(a->pictures, "reference", -1), N, 3, SIDE, SIDE, c.reference);
    structure(a, name_in(a->pictures, "reference_structure", -1), 11, c.pose_reference);
    for (int t = 0; t < frames; t++) {
        formula_target(name_in(pictures, "frame", t), N, SIDE, SIDE, c.pictures + t * PICTURE);
        structure(a, name_in(pictures, "structure", t), t, c.structures + t * (ptrdiff_t)maps);
        const char *mask = name_in(pictures, "mask", t);
        for (ptrdiff_t i = 0; i < N * PLANE; i++) {
            const ptrdiff_t cell = (i / PLANE * (SIDE / 4) + i / SIDE % SIDE / 4) * (SIDE / 4) + i % SIDE / 4;
            c.masks[t * N * PLANE + i] = formula_u(mask, cell) >= 0;
        }
    }
    return c;
}

static void clip_free(clip *c)
{
    pn_real *const arrays[] = { c->reference, c->pose_reference, c->pictures, c->structures, c->masks };
    for (int i = 0; i < 5; i++) free(arrays[i]);
}

static double sum_of(const pn_real *v, ptrdiff_t n)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i++) sum += (double)v[i];
    return sum;
}

START_TEST(inputs_are_those_of_the_other_program)
{
    clip c = clip_make(&dance, dance.pictures, 1), f = clip_make(&face, face.pictures, 1);
    ck_assert_double_eq_tol(sum_of(c.structures, N * dance.channels * PLANE), 3152524.7, 0.1);
    ck_assert_double_eq_tol(sum_of(c.pose_reference, N * dance.channels * PLANE), 3235096.9, 0.1);
    ck_assert_double_eq(sum_of(c.masks, N * PLANE), 4176);
    ck_assert_double_eq_tol(sum_of(f.structures, N * face.channels * PLANE), 82090.683, 0.01);
    clip_free(&c);
    clip_free(&f);
}
END_TEST

/* ---- A step ------------------------------------------------------------------------------------------------------------------ */

static pn_model *model_of(pn_ctx *ctx, const animation *a, const char *set)
{
    char frames[16];
    snprintf(frames, sizeof frames, "frames=%d", a->frames);
    const char *const all[] = { "base=8",   "cap=32",   "flow_base=8",  "flow_cap=32", "hidden=16",
                                "d_base=8", "d_cap=32", "vgg_narrow=4", frames,        set };
    pn_model *m = pn_model_new(ctx,
                               &(pn_model_opt){ .name = "gfla", .task = a->task, .set = all, .n_set = set ? 10 : 9 });
    if (!m) ck_abort_msg("%s", pn_ctx_message(ctx));
    pn_part parts[4];
    ck_assert_int_eq(pn_model_parts(m, parts), 3);
    formula_fill(parts[GFLA_PART_G].params, "", gains);
    formula_fill(parts[GFLA_PART_D].params, "", NULL);
    formula_fill(parts[GFLA_PART_V].params, "d_v.", NULL);
    return m;
}

/* Of one chunk, whose sample begins; the learning rate is 0, so that no network learns between the turns. */
static pn_training *after_a_step(pn_model *m, const animation *a, const clip *c, const pn_real *masks,
                                 double losses[PN_MAX_LOSSES])
{
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .batch = N, .height = SIDE, .width = SIDE });
    if (!t) ck_abort_msg("%s", pn_ctx_message(pn_model_ctx(m)));
    formula_fill(((gfla_animation_training *)t)->sight.params, "", NULL);
    pn_training_scale_lr(t, 0);
    const pn_model_input in = { .source = c->reference, .pose_source = c->pose_reference, .target = c->pictures,
                                .pose_target = c->structures, .mask_target = masks, .begins = true };
    if (gfla_animation_learn(t, &in, a->look, losses)) ck_abort_msg("%s", pn_ctx_message(pn_model_ctx(m)));
    return t;
}

static void expect_losses(const pn_safetensors *f, const char *where, const double losses[])
{
    static const char *const keys[] = {
        "total/g", "loss/app_gen", "loss/content_gen", "loss/style_gen", "loss/correctness_p", "loss/correctness_r",
        "loss/regularization_p", "loss/regularization_r", "loss/ad_gen", "loss/ad_gen_v", "loss/d", "loss/d_v",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s/%s", where, keys[i]);
        if (pn_safetensors_find(f, key)) expect_values(f, where, keys[i], &losses[i], 1, tol_loss);
        else ck_assert_str_eq(where, "masked");
    }
}

static void expect_frames(const pn_safetensors *f, const animation *a, const gfla_animation_training *t)
{
    for (int i = 0; i < a->frames; i++) {
        char name[32];
        snprintf(name, sizeof name, "image%d", i);
        expect_output(f, "chunk", name, t->gen, t->frame[i].image, tol_value);
        for (int k = 0; k < GFLA_ORIGINS; k++)
            for (int l = 0; l < 2; l++) {
                snprintf(name, sizeof name, "flow%d.%c%d", i, "pr"[k], l);
                expect_output(f, "chunk", name, t->gen, t->frame[i].from[k].flow[l], tol_value);
            }
        double *seed = malloc(PICTURE * sizeof *seed);  /* what losses say of the picture alone */
        for (ptrdiff_t p = 0; p < PICTURE; p++) seed[p] = (double)t->seed[i * PICTURE + p];
        snprintf(name, sizeof name, "seen/image%d", i);
        expect_values(f, "chunk", name, seed, PICTURE, tol_grad);
        free(seed);
    }
}

static void expect_states(const pn_safetensors *f, const char *which, const pn_params *p)
{
    for (int k = 0; k < pn_params_count(p); k++) {
        const pn_tensor *t = pn_params_at(p, k);
        if (!pn_param_is_state(t)) continue;
        char name[128];
        snprintf(name, sizeof name, "state.fake_in_g/%s.%s", which, pn_tensor_name(t));
        const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
        double *v = malloc((size_t)n * sizeof *v);
        for (ptrdiff_t i = 0; i < n; i++) v[i] = (double)pn_param_data(t)[i];
        expect_values(f, "chunk", name, v, n, tol_loss);
        free(v);
    }
}

static void check_gradients(const pn_safetensors *f, const char *where, const pn_training *t, int part,
                            const char *name, const char *but)
{
    pn_part parts[4];
    pn_training_parts(t, parts);
    const expected_gradients e = {
        .where = where, .part = name, .prefix = "", .tol = tol_grad, .but = but, .its_tol = 5 * tol_grad
    };
    const int compared = expect_gradients(f, &e, parts[part].adam, parts[part].params);
    ck_assert_int_eq(compared, stored_gradients(f, where, name));
    ck_assert_int_gt(compared, 0);
}

static void check_chunk(const animation *a)
{
    pn_safetensors f = expected_open(a->file);
    pn_model *m = model_of(pn_test_ctx(), a, NULL);
    clip c = clip_make(a, a->pictures, a->frames);
    double losses[PN_MAX_LOSSES];
    pn_training *t = after_a_step(m, a, &c, NULL, losses);
    pn_part parts[4];
    ck_assert_int_eq(pn_training_parts(t, parts), 4);
    expect_frames(&f, a, (gfla_animation_training *)t);
    expect_losses(&f, "chunk", losses);
    expect_states(&f, "d", parts[GFLA_PART_D].params);
    expect_states(&f, "d_v", parts[GFLA_PART_V].params);
    check_gradients(&f, "chunk", t, GFLA_PART_D, "d", NULL);
    check_gradients(&f, "chunk", t, GFLA_PART_V, "d_v", NULL);
    check_gradients(&f, "chunk", t, GFLA_PART_G, "g", NULL);
    pn_training_free(t);
    pn_model_free(m);
    clip_free(&c);
    pn_safetensors_free(pn_test_ctx(), &f);
}

START_TEST(a_chunk_of_a_dance_matches_torch) { check_chunk(&dance); } END_TEST
START_TEST(a_chunk_of_a_face_matches_torch) { check_chunk(&face); } END_TEST

START_TEST(flow_is_judged_where_the_mask_says)
{
    pn_safetensors f = expected_open(dance.file);
    pn_model *m = model_of(pn_test_ctx(), &dance, "lambda_correctness=2");
    clip c = clip_make(&dance, dance.pictures, dance.frames);
    double losses[PN_MAX_LOSSES];
    pn_training *t = after_a_step(m, &dance, &c, c.masks, losses);
    expect_losses(&f, "masked", losses);
    check_gradients(&f, "masked", t, GFLA_PART_G, "g", NULL);
    pn_training_free(t);
    pn_model_free(m);
    clip_free(&c);
    pn_safetensors_free(pn_test_ctx(), &f);
}
END_TEST

/* ---- Frames one at a time ------------------------------------------------------------------------------------------------------ */

static void expect_views(const pn_safetensors *f, const char *where, int t, const pn_generation *gen)
{
    for (int v = 0; v < pn_generation_views(gen); v++) {
        const pn_view view = pn_generation_view(gen, v);
        if (view.kind == PN_VIEW_ATTENTION) continue;
        char name[32];
        const size_t length = strlen(view.name);
        snprintf(name, sizeof name, "%.4s%d.%c%c", view.name, t, view.name[5], view.name[length - 1]);
        const ptrdiff_t n = pn_shape_count(view.shape);
        pn_real *got = malloc((size_t)n * sizeof *got);
        double *values = malloc((size_t)n * sizeof *values);
        ck_assert_int_eq(pn_generation_get(gen, v, got), PN_OK);
        for (ptrdiff_t i = 0; i < n; i++) values[i] = (double)got[i];
        expect_values(f, where, name, values, n, tol_value);
        free(values);
        free(got);
    }
}

static void run_frames(const pn_safetensors *f, const animation *a, pn_generation *gen, const char *where,
                       const clip *c, int frames, bool begins)
{
    pn_real *image = malloc(PICTURE * sizeof *image);
    double *values = malloc(PICTURE * sizeof *values);
    for (int t = 0; t < frames; t++) {
        const pn_model_input in = { .source = c->reference,
                                    .pose_source = c->pose_reference,
                                    .begins = begins && t == 0,
                                    .pose_target = c->structures + (ptrdiff_t)t * N * a->channels * PLANE };
        char name[32];
        ck_assert_int_eq(pn_generation_run(gen, &in, image), PN_OK);
        for (ptrdiff_t i = 0; i < PICTURE; i++) values[i] = (double)image[i];
        snprintf(name, sizeof name, "image%d", t);
        expect_values(f, where, name, values, PICTURE, tol_value);
        expect_views(f, where, t, gen);
    }
    free(values);
    free(image);
}

static void check_one_at_a_time(const animation *a)
{
    pn_safetensors f = expected_open(a->file);
    pn_model *m = model_of(pn_test_ctx(), a, NULL);
    char more[64];
    snprintf(more, sizeof more, "%s.next", a->pictures);
    clip c = clip_make(a, a->pictures, a->frames), next = clip_make(a, more, 3);
    pn_generation *gen = pn_generation_new(m, N, SIDE, SIDE);
    ck_assert_msg(gen != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    run_frames(&f, a, gen, "chunk", &c, a->frames, true);
    run_frames(&f, a, gen, "next", &next, 3, false);
    pn_generation_free(gen);
    pn_model_free(m);
    clip_free(&c);
    clip_free(&next);
    pn_safetensors_free(pn_test_ctx(), &f);
}

START_TEST(frames_of_a_dance_one_at_a_time_match_torch) { check_one_at_a_time(&dance); } END_TEST
START_TEST(frames_of_a_face_one_at_a_time_match_torch) { check_one_at_a_time(&face); } END_TEST

/* The frame before may be handed in: then two generations that made different frames go on alike. */
START_TEST(a_frame_before_that_is_handed_in_takes_the_place_of_the_last_one)
{
    pn_ctx *ctx = pn_test_ctx();
    pn_model *m = model_of(ctx, &face, NULL);
    clip c = clip_make(&face, face.pictures, 3);
    const ptrdiff_t maps = N * face.channels * PLANE;
    pn_generation *gen = pn_generation_once(m, N, SIDE, SIDE);
    pn_real *image = malloc(3 * PICTURE * sizeof *image);
    pn_model_input in = { .source = c.reference, .pose_source = c.pose_reference, .pose_target = c.structures };
    ck_assert_int_eq(pn_generation_run(gen, &in, image), PN_ERR_ARG);
    ck_assert_msg(strstr(pn_ctx_message(ctx), "nothing goes before the first frame"), "%s", pn_ctx_message(ctx));
    in.begins = true;
    ck_assert_int_eq(pn_generation_run(gen, &in, image), PN_OK);
    in = (pn_model_input){ .source = c.reference, .pose_source = c.pose_reference, .pose_target = c.structures + maps };
    ck_assert_int_eq(pn_generation_run(gen, &in, image + PICTURE), PN_OK);     /* from the first one */
    in.pose_target = c.structures + 2 * maps;
    ck_assert_int_eq(pn_generation_run(gen, &in, image + 2 * PICTURE), PN_OK);
    in.pose_target = c.structures + maps;
    in.previous = image;
    in.pose_previous = c.structures;
    ck_assert_int_eq(pn_generation_run(gen, &in, image + 2 * PICTURE), PN_OK);
    ck_assert_mem_eq(image + PICTURE, image + 2 * PICTURE, PICTURE * sizeof *image);
    free(image);
    pn_generation_free(gen);
    pn_model_free(m);
    clip_free(&c);
}
END_TEST

/* Nothing is asked for while frames are made, however many. */
START_TEST(thirty_frames_take_the_memory_of_one)
{
    pn_ctx *ctx = pn_test_ctx();
    pn_model *m = model_of(ctx, &dance, NULL);
    clip c = clip_make(&dance, dance.pictures, 2);
    pn_generation *gen = pn_generation_new(m, N, SIDE, SIDE);
    pn_real *image = malloc(PICTURE * sizeof *image);
    const size_t bytes = pn_generation_bytes(gen);
    uint64_t requests = 0;
    unsigned long mallocs = 0;
    for (int t = 0; t < FRAMES; t++) {
        const pn_model_input in = { .source = c.reference, .pose_source = c.pose_reference, .begins = t == 0,
                                    .pose_target = c.structures + t % 2 * N * dance.channels * PLANE };
        if (t == 2) {
            requests = pn_alloc_requests(ctx);
            mallocs = pn_test_mallocs();
        }
        if (pn_generation_run(gen, &in, image)) ck_abort_msg("%s", pn_ctx_message(ctx));
    }
    const unsigned long mallocs_after = pn_test_mallocs();
    ck_assert_uint_eq(pn_alloc_requests(ctx), requests);
    ck_assert_uint_eq(mallocs_after, mallocs);
    ck_assert_uint_eq(pn_generation_bytes(gen), bytes);
    for (ptrdiff_t i = 0; i < PICTURE; i++) ck_assert(isfinite(image[i]));
    free(image);
    pn_generation_free(gen);
    pn_model_free(m);
    clip_free(&c);
}
END_TEST

/* ---- Steps one after the other ----------------------------------------------------------------------------------------------- */

enum { SMALL = 32, SMALL_PLANE = SMALL * SMALL, SMALL_FRAMES = 6 };
typedef struct {
    pn_real picture[(1 + SMALL_FRAMES) * 3 * SMALL_PLANE],
        structure[(1 + SMALL_FRAMES) * PN_DANCE_CHANNELS * SMALL_PLANE];
} small_chunk;

static small_chunk *small_chunk_make(void)
{
    small_chunk *c = malloc(sizeof *c);
    pn_rng rng = pn_rng_named(1, "chunk");
    for (size_t i = 0; i < sizeof c->picture / sizeof *c->picture; i++)
        c->picture[i] = (pn_real)(2 * pn_rng_uniform(&rng) - 1);
    for (size_t i = 0; i < sizeof c->structure / sizeof *c->structure; i++)
        c->structure[i] = (pn_real)pn_rng_uniform(&rng);
    return c;
}

static double small_step(pn_training *t, const small_chunk *c, int channels, bool begins)
{
    const pn_model_input in = { .source = c->picture,
                                .pose_source = c->structure,
                                .target = c->picture + 3 * SMALL_PLANE,
                                .pose_target = c->structure + channels * SMALL_PLANE,
                                .begins = begins };
    double losses[PN_MAX_LOSSES];
    if (pn_training_step(t, &in, losses)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return losses[0];
}

static pn_training *small_training(pn_model *m)
{
    pn_training *t = pn_training_new(m, &(pn_training_opt){ .batch = 1, .height = SMALL, .width = SMALL });
    if (!t) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    return t;
}

START_TEST(steady_training_asks_for_no_memory)
{
    const animation *a = _i ? &face : &dance;
    pn_ctx *ctx = pn_test_ctx();
    pn_model *m = model_of(ctx, a, NULL);
    pn_training *t = small_training(m);
    small_chunk *c = small_chunk_make();
    small_step(t, c, a->channels, true);
    const uint64_t requests = pn_alloc_requests(ctx);
    const unsigned long mallocs = pn_test_mallocs();
    for (int i = 0; i < 3; i++) small_step(t, c, a->channels, i == 2);
    const unsigned long mallocs_after = pn_test_mallocs();
    ck_assert_uint_eq(pn_alloc_requests(ctx), requests);
    ck_assert_uint_eq(mallocs_after, mallocs);
    pn_training_free(t);
    pn_model_free(m);
    free(c);
}
END_TEST

/* Without learning: the chunk that begins is the same whatever went before, the chunk after it is not. */
START_TEST(a_chunk_goes_on_from_the_last_one_until_one_begins)
{
    pn_model *m = model_of(pn_test_ctx(), &face, "lambda_adversarial=0"); /* what is looked at is drawn anew */
    pn_training *t = small_training(m);
    small_chunk *c = small_chunk_make();
    pn_training_scale_lr(t, 0);
    const double first = small_step(t, c, face.channels, false);        /* nothing goes before: as if it began */
    const double second = small_step(t, c, face.channels, false), again = small_step(t, c, face.channels, true);
    ck_assert(first == again);
    ck_assert(first != second);
    pn_training_free(t);
    pn_model_free(m);
    free(c);
}
END_TEST

/* ---- Counts, options, foreign files ---------------------------------------------------------------------------------------------- */

START_TEST(published_widths_have_the_published_counts)
{
    static const struct { const char *task; int64_t g, d, v; } counts[] = {
        { "dance", 23510195, 664577, 1032961 }, { "face", 16906667, 664577, 665537 },
    };
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .task = counts[_i].task });
    pn_part parts[4];
    ck_assert_msg(m != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    ck_assert_int_eq(pn_model_parts(m, parts), 3);
    ck_assert_int_eq(pn_params_numbers(parts[0].params), counts[_i].g);
    ck_assert_int_eq(pn_params_numbers(parts[1].params), counts[_i].d);
    ck_assert_int_eq(pn_params_numbers(parts[2].params), counts[_i].v);
    const pn_model_needs needs = pn_model_needs_at(m, 256);
    ck_assert_int_eq(needs.frames, 6);
    ck_assert_int_eq(needs.channels, _i ? 16 : 20);
    ck_assert_int_eq(needs.reads, _i ? PN_READS_FACES : PN_READS_DANCES);
    ck_assert_str_eq(pn_model_stages(m)[0].name, "full");
    pn_model_free(m);
}
END_TEST

START_TEST(a_chunk_shorter_than_the_window_is_refused)
{
    const char *set = "frames=5";
    ck_assert_ptr_null(
        pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .task = "dance", .set = &set, .n_set = 1 }));
    ck_assert_msg(strstr(pn_ctx_message(pn_test_ctx()), "frames=5 is less than the 6 frames"), "%s",
                  pn_ctx_message(pn_test_ctx()));
}
END_TEST

/* Weights without a word on what they are: task and widths are read off names and shapes. */
START_TEST(a_foreign_file_is_known_by_its_names)
{
    static const animation *const tasks[] = { &dance, &face };
    char path[512];
    snprintf(path, sizeof path, "%s/pn_frames_%d.safetensors", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
    pn_model *made = model_of(pn_test_ctx(), tasks[_i], NULL);
    pn_part parts[4];
    pn_model_parts(made, parts);
    ck_assert_int_eq(pn_checkpoint_save(pn_test_ctx(), path, parts, 1, NULL, 0), PN_OK);
    pn_weights *w = pn_weights_open(pn_test_ctx(), path);
    pn_model *m = pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .weights = w });
    ck_assert_msg(m != NULL, "%s", pn_ctx_message(pn_test_ctx()));
    ck_assert_str_eq(pn_model_task_of(m), tasks[_i]->task);
    ck_assert_str_eq(pn_model_get(m, "base"), "8");
    ck_assert_str_eq(pn_model_get(m, "hidden"), "16");
    ck_assert_str_eq(pn_model_get(m, "attention"), "3=3,2=5");
    ck_assert_int_eq(pn_model_load(m, w), PN_OK);
    ck_assert_ptr_null(pn_model_new(pn_test_ctx(), &(pn_model_opt){ .name = "gfla", .task = "pose", .weights = w }));
    pn_model_free(m);
    pn_weights_free(w);
    pn_model_free(made);
    unlink(path);
}
END_TEST

TCase *gfla_frames_cases(void)
{
    TCase *tc = tcase_create("gfla_frames");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, inputs_are_those_of_the_other_program);
    tcase_add_test(tc, a_chunk_of_a_dance_matches_torch);
    tcase_add_test(tc, a_chunk_of_a_face_matches_torch);
    tcase_add_test(tc, flow_is_judged_where_the_mask_says);
    if (sizeof(pn_real) == sizeof(float)) { /* doubles, whose reference kernels take half a minute, have the chunks */
        tcase_add_test(tc, frames_of_a_dance_one_at_a_time_match_torch);
        tcase_add_test(tc, frames_of_a_face_one_at_a_time_match_torch);
    }
    tcase_add_test(tc, a_frame_before_that_is_handed_in_takes_the_place_of_the_last_one);
    tcase_add_test(tc, thirty_frames_take_the_memory_of_one);
    tcase_add_loop_test(tc, steady_training_asks_for_no_memory, 0, 2);
    tcase_add_test(tc, a_chunk_goes_on_from_the_last_one_until_one_begins);
    tcase_add_loop_test(tc, published_widths_have_the_published_counts, 0, 2);
    tcase_add_test(tc, a_chunk_shorter_than_the_window_is_refused);
    tcase_add_loop_test(tc, a_foreign_file_is_known_by_its_names, 0, 2);
    return tc;
}
