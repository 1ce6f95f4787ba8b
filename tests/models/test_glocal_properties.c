/* tests/models/test_glocal_properties.c - what GLocal must hold whatever its weights are: the graph, codes, transfer, holes
 *
 * Its twenty properties, and the test of each; without a file: below.
 *
 *  1 permuted regions      permuted_regions_give_permuted_codes
 *  2 occlusion             what_a_hidden_region_holds_changes_nothing, a_visible_code_reaches_a_hidden_region_through_the_graph
 *  3 identity start        without_a_visible_codes_stay_to_the_bit
 *  4 attention's rows      ops/test_graph_ops.c: rows_of_attention_sum_to_one_and_invisible_nodes_send_exactly_nothing
 *  5 the static graph      ops/test_graph_ops.c: a_normalised_graph_is_symmetric_with_eigenvalues_up_to_one
 *  6 pooling               ops/test_region.c: a_constant_region_has_that_code_and_an_empty_one_has_zero,
 *                          a_picture_that_is_missing_altogether_has_codes_of_zero
 *  7 one code everywhere   equal_codes_give_a_constant_gain_and_shift
 *  8 codes and layout      styles_do_not_depend_on_the_layout, swapping_two_codes_is_swapping_their_masks
 *  9 correspondence        ops/test_correspondence.c: rows_sum_to_one, equal_maps_match_themselves,
 *                          without_a_valid_cell_all_weigh_the_same_and_hidden_ones_weigh_nothing
 * 10 exact transfer        ops/test_correspondence.c: a_permutation_is_carried_to_the_bit
 * 11 local structure       ops/test_window.c: self_correlation_is_symmetric_and_at_most_one,
 *                          self_correlation_does_not_see_how_long_a_feature_is
 * 12 transfer's start      transfer_begins_as_the_closing_block_alone, a_gain_of_zero_turns_transfer_off
 * 13 assembling            assembling_keeps_what_is_constant
 * 14 gradients             gradients_of_the_figure_match_differences (double build), gradients_match_differences of every op
 * 15 blocks and dense      ops/test_correspondence.c: every_isa_agrees_with_ref (ref is dense; shapes around the blocks)
 * 16 holes                 pixels_under_the_mask_never_matter, a_mask_over_a_whole_class_hides_it; the composite:
 *                          programs/test_inpaint.c: what_is_missing_is_never_seen_and_what_is_not_stays
 * 17 over-fitting          takes too long for a test: posenet-train, by hand
 * 18 losses                an_undecided_discriminator_gives_a_quarter, a_picture_like_its_target_costs_nothing
 * 19 masks                 data/test_holes.c: a_generator_gives_the_same_mask_again_and_moves_on,
 *                          a_region_is_whole_classes_one_or_two, sides_of_a_rectangle_are_near_half_the_height
 * 20 merged labels         data/test_image.c: twenty_labels_become_all_eight_classes
 */
#include "models/expected.h"
#include "support/pntest.h"

#include "../models/glocal/training.h"
#include "models/formula.h"

enum { H = 32, W = 32, PIXELS = H * W, REGIONS = GLOCAL_REGIONS, WIDTH = 2, CODE = 8 * WIDTH };
enum { HC = H / 4, WC = W / 4, CELLS = HC * WC };
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
    pn_tensor *const kept[] = { f.out.codes, f.out.filled, f.out.proposed, f.out.styles,    f.out.gamma, f.out.beta,
                                f.out.x1,    f.out.x2,     f.out.regained, f.out.structure, f.out.image };
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
    param_fill(m->g.ggr.mix, 0);
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

/* rows of `of` in another order; of a matrix both ways */
static void permute(pn_tensor *t, const int *order, ptrdiff_t columns, bool both)
{
    const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
    pn_real *v = malloc((size_t)n * sizeof *v);
    for (ptrdiff_t i = 0; i < n; i++) {
        const ptrdiff_t column = i % columns;
        v[i] = pn_param_data(t)[order[i / columns] * columns + (both ? order[column] : column)];
    }
    pn_param_set(t, v);
    free(v);
}

static double furthest(const pn_real *a, const pn_real *b, ptrdiff_t n)
{
    double worst = 0;
    for (ptrdiff_t i = 0; i < n; i++) worst = fmax(worst, fabs((double)(a[i] - b[i])));
    return worst;
}

/* Regions with their embeddings, and the prior's rows and columns; the whole picture's node stays last. */
START_TEST(permuted_regions_give_permuted_codes)
{
    enum { NODES = GLOCAL_NODES };
    static const int order[NODES] = { 3, 1, 7, 0, 2, 5, 6, 4, 8 };
    glocal_model *m = model_with("inpaint", graphs[_i], NULL);
    sample *s = sample_make();
    figure f = figure_of(m);
    show(&f, m, s);
    f.sight.visible[6] = 0;
    run_figure(&f);
    pn_real *before = values_of(&f, f.out.filled), *expected = malloc(REGIONS * CODE * sizeof *expected);
    pn_real *regions = malloc(NODES * CELLS * sizeof *regions), visible[NODES];
    memcpy(regions, f.sight.regions, NODES * CELLS * sizeof *regions);
    memcpy(visible, f.sight.visible, sizeof visible);
    for (int k = 0; k < NODES; k++) {
        memcpy(f.sight.regions + k * CELLS, regions + order[k] * CELLS, CELLS * sizeof *regions);
        f.sight.visible[k] = visible[order[k]];
        if (k < REGIONS) memcpy(expected + k * CODE, before + order[k] * CODE, CODE * sizeof *expected);
    }
    run_figure(&f);
    pn_real *half = values_of(&f, f.out.filled); /* embeddings and prior are still the old regions' */
    ck_assert_double_gt(furthest(half, expected, REGIONS * CODE), 1e-3);
    permute(m->g.ggr.embed, order, CODE, false);
    permute(m->g.ggr.prior, order, NODES, true);
    run_figure(&f);
    pn_real *after = values_of(&f, f.out.filled);
    const double worst = furthest(after, expected, REGIONS * CODE);
    ck_assert_msg(worst <= 1e-5, "off by %g", worst);
    pn_real *const all[] = { before, expected, regions, half, after };
    for (int i = 0; i < 5; i++) free(all[i]);
    figure_free(&f);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

START_TEST(a_picture_that_is_missing_altogether_has_codes_of_zero)
{
    glocal_model *m = model_with("inpaint", NULL, NULL);
    sample *s = sample_make();
    for (int p = 0; p < PIXELS; p++) s->hole[p] = 1;
    figure f = figure_of(m);
    show(&f, m, s);
    run_figure(&f);
    pn_real *codes = values_of(&f, f.out.codes), *filled = values_of(&f, f.out.filled);
    for (int i = 0; i < GLOCAL_NODES * CODE; i++) ck_assert(codes[i] == 0);
    for (int i = 0; i < REGIONS * CODE; i++) ck_assert(isfinite(filled[i]));
    for (int k = 0; k < REGIONS; k++) ck_assert(f.sight.shown[k] == 0 && f.sight.visible[k] == 0);
    free(codes);
    free(filled);
    figure_free(&f);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

/* ---- Region-adaptive normalisation ------------------------------------------------------------------------------------------ */

/* U_k and u_k as those of region 0. */
static void equal_layers(const glocal_model *m)
{
    pn_tensor *const of[] = { m->g.region.code.weight, m->g.region.code.bias };
    for (int i = 0; i < 2; i++) {
        const ptrdiff_t n = pn_shape_count(pn_tensor_shape(of[i])), each = n / REGIONS;
        pn_real *v = malloc((size_t)n * sizeof *v);
        for (ptrdiff_t j = 0; j < n; j++) v[j] = pn_param_data(of[i])[j % each];
        pn_param_set(of[i], v);
        free(v);
    }
}

/* From the first cell inside the border, over all channels; border: the whole map. */
static double spread_of(const pn_real *map, bool border)
{
    double worst = 0;
    for (int i = 0; i < CODE * CELLS; i++) {
        const int y = i % CELLS / WC, x = i % WC;
        if (!border && (y == 0 || y == HC - 1 || x == 0 || x == WC - 1)) continue;
        worst = fmax(worst, fabs((double)(map[i] - map[i / CELLS * CELLS + WC + 1])));
    }
    return worst;
}

/* Every region has region 1's code, shown or not; first each its own. */
START_TEST(equal_codes_give_a_constant_gain_and_shift)
{
    glocal_model *m = model_with("inpaint", "occl_rule=zero", NULL);
    sample *s = sample_make();
    figure f = figure_of(m);
    equal_layers(m);
    show(&f, m, s);
    for (int equal = 0; equal < 2; equal++) {
        for (int k = 0; equal && k < REGIONS; k++) {
            if (k != 1) memcpy(f.sight.regions + k * CELLS, f.sight.regions + CELLS, CELLS * sizeof *f.sight.regions);
            f.sight.visible[k] = 1;
        }
        run_figure(&f);
        pn_tensor *const maps[] = { f.out.gamma, f.out.beta };
        for (int i = 0; i < 2; i++) {
            pn_real *map = values_of(&f, maps[i]);
            const double inside = spread_of(map, false);
            if (equal)
                ck_assert_msg(inside <= 1e-4, "differs by %g", inside);
            else
                ck_assert_double_gt(inside, 1e-2);
            ck_assert_double_gt(spread_of(map, true), 1e-2); /* zeros around the map */
            free(map);
        }
    }
    figure_free(&f);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

static void swap_planes(pn_real *planes, ptrdiff_t count, int a, int b)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        const pn_real kept = planes[a * count + i];
        planes[a * count + i] = planes[b * count + i];
        planes[b * count + i] = kept;
    }
}

static void show_layout(figure *f, const sample *s, int a, int b)
{
    pn_real *layout = malloc(sizeof s->layout);
    memcpy(layout, s->layout, sizeof s->layout);
    swap_planes(layout, PIXELS, a, b);
    ck_assert_int_eq(glocal_set_maps(f->p, &f->in, layout, s->pose, s->pose), PN_OK);
    free(layout);
}

START_TEST(styles_do_not_depend_on_the_layout)
{
    glocal_model *m = model_with("inpaint", NULL, NULL);
    sample *s = sample_make();
    figure f = figure_of(m);
    show(&f, m, s);
    run_figure(&f);
    pn_real *styles = values_of(&f, f.out.styles), *gamma = values_of(&f, f.out.gamma);
    show_layout(&f, s, 2, 5);
    run_figure(&f);
    pn_real *again = values_of(&f, f.out.styles), *other = values_of(&f, f.out.gamma);
    ck_assert_mem_eq(styles, again, REGIONS * CODE * sizeof *styles);
    ck_assert_double_gt(furthest(gamma, other, CODE * CELLS), 1e-2);
    pn_real *const all[] = { styles, gamma, again, other };
    for (int i = 0; i < 4; i++) free(all[i]);
    figure_free(&f);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

/* By region: the codes of 2 and 5 exchanged, or where they lie. */
START_TEST(swapping_two_codes_is_swapping_their_masks)
{
    glocal_model *m = model_with("inpaint", "occl_rule=zero", NULL);
    sample *s = sample_make();
    figure f = figure_of(m);
    pn_real *map[3][2];
    equal_layers(m);
    for (int run = 0; run < 3; run++) {
        show(&f, m, s);
        if (run == 1) swap_planes(f.sight.regions, CELLS, 2, 5);
        if (run == 2) show_layout(&f, s, 2, 5);
        run_figure(&f);
        map[run][0] = values_of(&f, f.out.gamma);
        map[run][1] = values_of(&f, f.out.beta);
    }
    for (int i = 0; i < 2; i++) {
        const double worst = furthest(map[1][i], map[2][i], CODE * CELLS);
        ck_assert_msg(worst <= 1e-4, "off by %g", worst);
        ck_assert_double_gt(furthest(map[0][i], map[1][i], CODE * CELLS), 1e-2);
        for (int run = 0; run < 3; run++) free(map[run][i]);
    }
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
        if (zero[i]) param_fill(zero[i], 0);
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

/* X1 that is one number in each channel: no gain, a shift without weights, and a block that adds nothing. */
static void flatten(const glocal_model *m)
{
    const glocal_region_net *n = &m->g.region;
    pn_tensor *const zero[] = { n->gamma.weight, n->beta.weight, n->res.conv2.weight, n->res.conv2.bias };
    for (int i = 0; i < 4; i++) param_fill(zero[i], 0);
    param_fill(n->gamma.bias, -1);
}

/* Its weights sum to 1, before the closing block: the block's norm would divide rounding by the root of its epsilon. */
START_TEST(assembling_keeps_what_is_constant)
{
    glocal_model *m = model_with("inpaint", "lst_mode=assemble", NULL);
    sample *s = sample_make();
    figure f = figure_of(m);
    for (int flat = 0; flat < 2; flat++) {
        if (flat) flatten(m);
        show(&f, m, s);
        run_figure(&f);
        pn_real *x1 = values_of(&f, f.out.x1), *regained = values_of(&f, f.out.regained);
        const double moved = furthest(x1, regained, CODE * CELLS);
        if (!flat) ck_assert_double_gt(moved, 1e-2);
        if (flat) ck_assert_msg(spread_of(x1, true) == 0 && moved <= 1e-5, "moved by %g", moved);
        ck_assert(!flat || x1[0] != 0);
        free(x1);
        free(regained);
    }
    figure_free(&f);
    free(s);
    pn_model_free(&m->base);
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

/* Of everything that compares the picture with its target: the rest stays what it is. */
START_TEST(a_picture_like_its_target_costs_nothing)
{
    static const char *const free_of_charge[] = { "l1", "structure", "content", "style", "matching", "scales" };
    static const int term[] = { GLOCAL_REC, GLOCAL_LS, GLOCAL_CONTENT, GLOCAL_STYLE, GLOCAL_FM, GLOCAL_MS };
    glocal_model *m = model_with("pose", "vgg_narrow=16", NULL);
    sample *s = sample_make();
    pn_params *filters = pn_params_new(pn_test_ctx());
    const pn_scope top = pn_scope_top(filters, (pn_init){ PN_INIT_CONSTANT, 0 });
    const pn_vgg19 vgg = pn_vgg19_make(&top, 16);
    formula_fill(filters, "", NULL);
    const glocal_critic critic = { .vgg = _i ? &vgg : NULL };
    pn_graph *g = pn_graph_new(pn_test_ctx());
    const pn_shape image = pn_shape4(1, 3, H, W);
    glocal_judged see = { .image = pn_input(g, "image", image, PN_CONST),
                          .target = pn_input(g, "target", image, PN_CONST) };
    const glocal_losses l = glocal_losses_of(g, &m->config, &critic, &m->d, &see, m->weights);
    pn_plan *p = pn_plan_new(g, &(pn_plan_opt){ .mode = PN_INFER });
    if (!p) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    for (int other = 0; other < 2; other++) {
        pn_set(p, see.target, s->source);
        s->source[7] += (pn_real)other / 2;
        pn_set(p, see.image, s->source);
        ck_assert_int_eq(pn_forward(p), PN_OK);
        int compared = 0;
        for (int i = 0; i < 6; i++) {
            if (!l.term[term[i]]) continue;
            const double loss = pn_plan_scalar(p, l.term[term[i]]);
            ck_assert_msg((loss == 0) == !other, "%s is %g", free_of_charge[i], loss);
            compared++;
        }
        ck_assert_int_eq(compared, 4);
    }
    pn_plan_free(p);
    pn_graph_free(g);
    pn_params_free(filters);
    free(s);
    pn_model_free(&m->base);
}
END_TEST

/* ---- Gradients ---------------------------------------------------------------------------------------------------------------- */

static const char *const differing[] = {
    "ggr_graph=none",    "ggr_graph=static", "ggr_graph=glore", "ggr_graph=attn",  "lst_mode=none",  "lst_mode=point",
    "lst_mode=assemble", "lst_k=5",          "match_kernel=3",  "ran_spade_mix=1", "occl_rule=zero", "occl_rule=global",
};
enum { DIFFERING = sizeof differing / sizeof *differing };
static const char *const networks[] = { "style.",     "content.", "ggr.", "region.",
                                        "structure.", "match.",   "lst.", "decoder." };

typedef struct {
    figure f;
    pn_plan *still; /* singular vectors stay what the trained forward made them */
    pn_tensor *out[6];
    pn_real *seed[6];
    int n;
} slope;

static slope slope_of(const glocal_model *m, const sample *s)
{
    slope d = { .f = figure_of(m) };
    glocal_output *o = &d.f.out;
    pn_tensor *const all[] = { o->filled, o->gamma, o->beta, o->x2, o->structure, o->image };
    pn_plan_free(d.f.p);
    for (int i = 0; i < 6; i++) {
        if (!all[i]) continue;
        const ptrdiff_t count = pn_shape_count(pn_tensor_shape(all[i]));
        pn_output(d.f.g, all[i], PN_GRAD);
        d.out[d.n] = all[i];
        d.seed[d.n] = malloc((size_t)count * sizeof **d.seed);
        for (ptrdiff_t k = 0; k < count; k++) d.seed[d.n][k] = (pn_real)formula_u("seed", k + 1000 * i);
        d.n++;
    }
    d.f.p = pn_plan_new(d.f.g, &(pn_plan_opt){ .mode = PN_TRAIN, .learn = m->base.part[GLOCAL_PART_G].params });
    d.still = pn_plan_new(d.f.g, &(pn_plan_opt){ .mode = PN_INFER });
    if (!d.f.p || !d.still) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    pn_plan *const plans[] = { d.still, d.f.p };
    for (int i = 0; i < 2; i++) {
        d.f.p = plans[i];
        show(&d.f, m, s);
        run_figure(&d.f);
    }
    for (int i = 0; i < d.n; i++) ck_assert_int_eq(pn_set_grad(d.f.p, d.out[i], d.seed[i]), PN_OK);
    ck_assert_int_eq(pn_backward(d.f.p), PN_OK);
    return d;
}

static double loss_of(slope *d)
{
    double sum = 0;
    ck_assert_int_eq(pn_forward(d->still), PN_OK);
    for (int i = 0; i < d->n; i++) {
        const ptrdiff_t count = pn_shape_count(pn_tensor_shape(d->out[i]));
        pn_real *v = malloc((size_t)count * sizeof *v);
        pn_get(d->still, d->out[i], v);
        for (ptrdiff_t k = 0; k < count; k++) sum += (double)d->seed[i][k] * (double)v[k];
        free(v);
    }
    return sum;
}

/* Every parameter of a network moves by step along its own direction. returns the slope that backward says */
static double move(pn_params *p, const char *network, double step)
{
    double said = 0;
    for (int k = 0; k < pn_params_count(p); k++) {
        pn_tensor *t = pn_params_at(p, k);
        const ptrdiff_t n = pn_shape_count(pn_tensor_shape(t));
        if (pn_param_is_state(t) || strncmp(pn_tensor_name(t), network, strlen(network)) != 0) continue;
        const pn_real *grad = pn_param_grad(t);
        pn_real *v = malloc((size_t)n * sizeof *v);
        for (ptrdiff_t i = 0; i < n; i++) {
            const double along = formula_u(pn_tensor_name(t), i + 77);
            v[i] = (pn_real)((double)pn_param_data(t)[i] + step * along);
            said += grad ? (double)grad[i] * along : 0;
        }
        if (step != 0) pn_param_set(t, v);
        free(v);
    }
    return said;
}

START_TEST(gradients_of_the_figure_match_differences)
{
    static const double step = 1e-7; /* of thousands of numbers together: at 1e-6 some cross the kink of a relu */
    glocal_model *m = model_with("inpaint", differing[_i], NULL);
    pn_params *p = m->base.part[GLOCAL_PART_G].params;
    sample *s = sample_make();
    for (int i = 0; i < PIXELS; i++) s->hole[i] = i / W > 20 && i % W < 9;
    slope d = slope_of(m, s);
    int moved = 0;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        const double said = move(p, networks[i], 0);
        move(p, networks[i], step);
        const double above = loss_of(&d);
        move(p, networks[i], -2 * step);
        const double below = loss_of(&d);
        move(p, networks[i], step);
        const double is = (above - below) / (2 * step);
        ck_assert_msg(fabs(is - said) <= 1e-6 + 1e-4 * fabs(is), "%s %s: backward says %.9g, differences %.9g",
                      differing[_i], networks[i], said, is);
        moved += fabs(is) > 1e-3;
    }
    ck_assert_int_ge(moved, 5);
    for (int i = 0; i < d.n; i++) free(d.seed[i]);
    pn_plan_free(d.still);
    figure_free(&d.f);
    free(s);
    pn_model_free(&m->base);
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
    tcase_add_loop_test(tc, permuted_regions_give_permuted_codes, 0, 4);
    tcase_add_test(tc, a_picture_that_is_missing_altogether_has_codes_of_zero);
    tcase_add_test(tc, equal_codes_give_a_constant_gain_and_shift);
    tcase_add_test(tc, styles_do_not_depend_on_the_layout);
    tcase_add_test(tc, swapping_two_codes_is_swapping_their_masks);
    tcase_add_test(tc, assembling_keeps_what_is_constant);
    tcase_add_loop_test(tc, a_picture_like_its_target_costs_nothing, 0, 2);
    if (sizeof(pn_real) == sizeof(double))
        tcase_add_loop_test(tc, gradients_of_the_figure_match_differences, 0, DIFFERING);
    return tc;
}
