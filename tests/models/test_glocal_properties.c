/* tests/models/test_glocal_properties.c - what GLocal must hold whatever its weights are: occlusion, identity starts, holes */
#include "support/pntest.h"

#include "../models/glocal/training.h"
#include "models/formula.h"

enum { H = 32, W = 32, PIXELS = H * W, REGIONS = GLOCAL_REGIONS, WIDTH = 2, CODE = 8 * WIDTH };
static const char *const graphs[] = { "ggr_graph=none", "ggr_graph=static", "ggr_graph=glore", "ggr_graph=attn" };
static const char *const modes[] = { "lst_mode=none", "lst_mode=point", "lst_mode=mod", "lst_mode=assemble" };
static const formula_gain gains[] = { { "region.code", 8 }, { NULL, 0 } };

static glocal_model *model_with(const char *task, const char *a, const char *b)
{
    const char *const set[] = { "width=2", "lst_k=3", "tau=0.1", a, b };
    pn_model *m = pn_model_new(
        pn_test_ctx(),
        &(pn_model_opt){
            .name = "glocal", .preset = "tiny", .task = task, .set = set, .n_set = 3 + (a != NULL) + (b != NULL) });
    if (!m) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    formula_fill(m->part[GLOCAL_PART_G].params, "", gains);
    formula_fill(m->part[GLOCAL_PART_D].params, "disc.", NULL);
    return (glocal_model *)m;
}

typedef struct {
    pn_real source[3 * PIXELS], pose[PN_JOINTS * PIXELS], layout[REGIONS * PIXELS], hole[PIXELS];
} sample;

/* Bands of the regions, four rows each; region 3 is not there: its rows are region 4's. */
static sample *sample_make(void)
{
    sample *s = calloc(1, sizeof *s);
    for (int i = 0; i < 3 * PIXELS; i++) s->source[i] = (pn_real)formula_u("source", i);
    for (int i = 0; i < PN_JOINTS * PIXELS; i++) s->pose[i] = (pn_real)fabs(formula_u("pose", i));
    for (int p = 0; p < PIXELS; p++) {
        const int k = p / W / 4;
        s->layout[(k == 3 ? 4 : k) * PIXELS + p] = 1;
    }
    return s;
}

static pn_model_input input_of(const sample *s)
{
    return (pn_model_input){ .source = s->source,
                             .target = s->source,
                             .pose_source = s->pose,
                             .pose_target = s->pose,
                             .parsing_source = s->layout,
                             .parsing_target = s->layout,
                             .hole = s->hole };
}

/* ---- The generator alone ------------------------------------------------------------------------------------------------ */

typedef struct {
    pn_graph *g;
    pn_plan *p;
    glocal_input in;
    glocal_output out;
    glocal_sight sight;
    pn_real *numbers;
} figure;

static figure figure_of(const glocal_model *m)
{
    figure f = { .g = pn_graph_new(pn_test_ctx()) };
    f.in = glocal_inputs(f.g, &m->config, pn_shape4(1, 3, H, W), GLOCAL_TO_GENERATE);
    f.out = glocal_generator(f.g, &m->g, &f.in, f.in.layout);
    pn_tensor *const kept[] = { f.out.codes, f.out.filled,    f.out.proposed, f.out.x1,
                                f.out.x2,    f.out.structure, f.out.image };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (kept[i]) pn_output(f.g, kept[i], PN_CONST);
    f.p = pn_plan_new(f.g, &(pn_plan_opt){ .mode = PN_INFER });
    if (!f.p) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    f.numbers = malloc(glocal_sight_numbers(1, H, W) * sizeof *f.numbers);
    f.sight = glocal_sight_place(f.numbers, 1, H, W);
    return f;
}

static void show(figure *f, const glocal_model *m, const sample *s)
{
    glocal_look(&f->sight, &m->config, s->source, s->layout, s->hole);
    ck_assert_int_eq(glocal_set_maps(f->p, &f->in, s->layout, s->pose, s->pose), PN_OK);
    if (f->in.temperature) pn_set(f->p, f->in.temperature, (pn_real[]){ (pn_real)0.1 });
}

static void run_figure(figure *f)
{
    ck_assert_int_eq(glocal_set_sight(f->p, &f->in, &f->sight), PN_OK);
    if (pn_forward(f->p)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
}

static void figure_free(figure *f)
{
    pn_plan_free(f->p);
    pn_graph_free(f->g);
    free(f->numbers);
}

static pn_real *values_of(const figure *f, const pn_tensor *t)
{
    pn_real *v = malloc((size_t)pn_shape_count(pn_tensor_shape(t)) * sizeof *v);
    ck_assert_int_eq(pn_get(f->p, t, v), PN_OK);
    return v;
}

static void set_all(pn_tensor *t, double value)
{
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
    pn_real *v = malloc((size_t)n * sizeof *v);
    for (ptrdiff_t i = 0; i < n; i++) v[i] = (pn_real)value;
    pn_param_set(t, v);
    free(v);
}

/* ---- The graph ------------------------------------------------------------------------------------------------------------ */

/* The hidden region's code is pooled from other cells. */
START_TEST(what_a_hidden_region_holds_changes_nothing)
{
    glocal_model *m = model_with("inpaint", graphs[_i], NULL);
    sample *s = sample_make();
    figure f = figure_of(m);
    show(&f, m, s);
    f.sight.visible[5] = 0;
    run_figure(&f);
    pn_real *before = values_of(&f, f.out.filled), *codes = values_of(&f, f.out.codes);
    for (int p = 0; p < PIXELS / 16; p++)
        f.sight.regions[5 * PIXELS / 16 + p] = p == 0 ? 1 : 0; /* pooled from elsewhere */
    run_figure(&f);
    pn_real *after = values_of(&f, f.out.filled), *other = values_of(&f, f.out.codes);
    ck_assert(memcmp(codes + 5 * CODE, other + 5 * CODE, CODE * sizeof *codes) != 0);
    ck_assert_mem_eq(before, after, REGIONS * CODE * sizeof *before);
    free(before);
    free(codes);
    free(after);
    free(other);
    figure_free(&f);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

/* Region 3 is not there; without a graph only its own embedding speaks for it. */
START_TEST(a_visible_code_reaches_a_hidden_region_through_the_graph)
{
    glocal_model *m = model_with("inpaint", graphs[_i], NULL);
    sample *s = sample_make();
    figure f = figure_of(m);
    show(&f, m, s);
    run_figure(&f);
    pn_real *before = values_of(&f, f.out.filled);
    for (int p = 0; p < PIXELS / 16; p++) f.sight.regions[1 * PIXELS / 16 + p] = p == 0 ? 1 : 0;
    run_figure(&f);
    pn_real *after = values_of(&f, f.out.filled);
    ck_assert(f.sight.visible[3] == 0 && f.sight.visible[1] == 1);
    ck_assert_int_eq(memcmp(before + 3 * CODE, after + 3 * CODE, CODE * sizeof *before) == 0, _i == 0);
    free(before);
    free(after);
    figure_free(&f);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

START_TEST(without_a_visible_codes_stay_to_the_bit)
{
    glocal_model *m = model_with("inpaint", NULL, NULL);
    sample *s = sample_make();
    figure f = figure_of(m);
    set_all(m->g.ggr.mix, 0);
    show(&f, m, s);
    run_figure(&f);
    pn_real *codes = values_of(&f, f.out.codes), *filled = values_of(&f, f.out.filled),
            *r = values_of(&f, f.out.proposed);
    for (int i = 0; i < REGIONS * CODE; i++) ck_assert(filled[i] == (i / CODE == 3 ? r[i] : codes[i]));
    free(codes);
    free(filled);
    free(r);
    figure_free(&f);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

/* ---- Local structure transfer ----------------------------------------------------------------------------------------------- */

static pn_real *x2_of(const glocal_model *m, const sample *s, double gain)
{
    figure f = figure_of(m);
    show(&f, m, s);
    f.sight.gain[0] = (pn_real)gain;
    run_figure(&f);
    pn_real *x2 = values_of(&f, f.out.x2);
    figure_free(&f);
    return x2;
}

/* A model's own start: gamma and beta are zero layers. */
START_TEST(transfer_begins_as_the_closing_block_alone)
{
    glocal_model *m = model_with("inpaint", modes[_i], NULL);
    glocal_model *none = model_with("inpaint", "lst_mode=none", NULL);
    sample *s = sample_make();
    pn_tensor *const zero[] = { m->g.lst.gamma.weight, m->g.lst.gamma.bias, m->g.lst.beta.weight, m->g.lst.beta.bias };
    for (int i = 0; i < 4; i++)
        if (zero[i]) set_all(zero[i], 0);
    pn_real *x2 = x2_of(m, s, 1), *alone = x2_of(none, s, 1);
    ck_assert_mem_eq(x2, alone, CODE * PIXELS / 16 * sizeof *x2);
    free(x2);
    free(alone);
    free(s);
    pn_model_free(&m->base);
    pn_model_free(&none->base);
}
END_TEST

START_TEST(a_gain_of_zero_turns_transfer_off)
{
    glocal_model *m = model_with("inpaint", modes[_i], NULL);
    glocal_model *none = model_with("inpaint", "lst_mode=none", NULL);
    sample *s = sample_make();
    pn_real *off = x2_of(m, s, 0), *on = x2_of(m, s, 1), *alone = x2_of(none, s, 1);
    double worst = 0, effect = 0;
    for (int i = 0; i < CODE * PIXELS / 16; i++) {
        worst = fmax(worst, fabs((double)(off[i] - alone[i])));
        effect = fmax(effect, fabs((double)(on[i] - alone[i])));
    }
    ck_assert_msg(worst <= 1e-6, "off by %g", worst);
    ck_assert_double_gt(effect, 1e-3);
    free(off);
    free(on);
    free(alone);
    free(s);
    pn_model_free(&m->base);
    pn_model_free(&none->base);
}
END_TEST

/* ---- Holes ------------------------------------------------------------------------------------------------------------------- */

static void cut(sample *s, bool everything)
{
    for (int p = 0; p < PIXELS; p++)
        s->hole[p] = everything || (p / W >= 18 && p / W < 25 && p % W > 3) || s->layout[5 * PIXELS + p] != 0;
}

/* With everything missing too; and a step of training stays finite. */
START_TEST(pixels_under_the_mask_never_matter)
{
    pn_real *made[2];
    double losses[2][PN_MAX_LOSSES];
    for (int run = 0; run < 2; run++) {
        glocal_model *m = model_with("inpaint", modes[_i / 2], NULL);
        sample *s = sample_make();
        cut(s, _i % 2);
        for (int i = 0; run && i < 3 * PIXELS; i++)
            if (s->hole[i % PIXELS] != 0) s->source[i] = (pn_real)(100 * formula_u("noise", i));
        const pn_model_input in = input_of(s);
        pn_generation *gen = pn_generation_new(&m->base, 1, H, W);
        made[run] = malloc(sizeof **made * 3 * PIXELS);
        if (!gen || pn_generation_run(gen, &in, made[run])) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
        for (int i = 0; i < 3 * PIXELS; i++) ck_assert(isfinite(made[run][i]));
        pn_generation_free(gen);
        pn_training *t = pn_training_new(&m->base, &(pn_training_opt){ .batch = 1, .height = H, .width = W });
        if (!t || pn_training_step(t, &in, losses[run])) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
        pn_training_free(t);
        free(s);
        pn_model_free(&m->base);
    }
    ck_assert_mem_eq(made[0], made[1], sizeof **made * 3 * PIXELS);
    free(made[0]);
    free(made[1]);
}
END_TEST

START_TEST(a_mask_over_a_whole_class_hides_it)
{
    glocal_model *m = model_with("inpaint", NULL, NULL);
    sample *s = sample_make();
    pn_real *numbers = malloc(glocal_sight_numbers(1, H, W) * sizeof *numbers);
    glocal_sight look = glocal_sight_place(numbers, 1, H, W);
    cut(s, false);
    glocal_look(&look, &m->config, s->source, s->layout, s->hole);
    for (int k = 0; k < REGIONS; k++) ck_assert_msg(look.shown[k] == (k == 3 || k == 5 ? 0 : 1), "region %d", k);
    cut(s, true);
    glocal_look(&look, &m->config, s->source, s->layout, s->hole);
    for (int k = 0; k < REGIONS; k++) ck_assert(look.shown[k] == 0);
    ck_assert(look.gain[0] == 0 && look.visible[REGIONS] == 1);
    free(numbers);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

/* ---- Discriminator ------------------------------------------------------------------------------------------------------------- */

START_TEST(an_undecided_discriminator_gives_a_quarter)
{
    pn_graph *g = pn_graph_new(pn_test_ctx());
    pn_tensor *score = pn_input(g, "score", pn_shape4(2, 1, 3, 2), PN_CONST);
    pn_tensor *of_d = pn_gan_d_loss(g, PN_GAN_LSGAN, score, score), *of_g = pn_gan_g_loss(g, PN_GAN_LSGAN, score);
    pn_output(g, of_d, PN_CONST);
    pn_output(g, of_g, PN_CONST);
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    pn_real half[12], d, adversarial;
    for (int i = 0; i < 12; i++) half[i] = (pn_real)0.5;
    pn_set(p, score, half);
    ck_assert_int_eq(pn_forward(p), PN_OK);
    pn_get(p, of_d, &d);
    pn_get(p, of_g, &adversarial);
    ck_assert(d == (pn_real)0.25 && adversarial == (pn_real)0.25);
    pn_plan_free(p);
    pn_graph_free(g);
}
END_TEST

TCase *glocal_properties_cases(void)
{
    TCase *tc = tcase_create("glocal_properties");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, what_a_hidden_region_holds_changes_nothing, 0, 4);
    tcase_add_loop_test(tc, a_visible_code_reaches_a_hidden_region_through_the_graph, 0, 4);
    tcase_add_test(tc, without_a_visible_codes_stay_to_the_bit);
    tcase_add_loop_test(tc, transfer_begins_as_the_closing_block_alone, 1, 3);
    tcase_add_loop_test(tc, a_gain_of_zero_turns_transfer_off, 1, 4);
    tcase_add_loop_test(tc, pixels_under_the_mask_never_matter, 0, 8);
    tcase_add_test(tc, an_undecided_discriminator_gives_a_quarter);
    tcase_add_test(tc, a_mask_over_a_whole_class_hides_it);
    return tc;
}
