/* tests/data/test_synth.c - synthetic people: the same bytes again, labels, key points, exact flow, whole sets */
#include "data/scratch.h"
#include "posenet/synth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { H = 128, W = 96, PIXELS = H * W };

static pn_synth *studio(ptrdiff_t height, ptrdiff_t width)
{
    pn_synth *s = pn_synth_new(scratch_ctx(), height, width);
    if (!s) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return s;
}

START_TEST(the_same_numbers_give_the_same_bytes_and_another_seed_others)
{
    pn_synth *a = studio(H, W), *b = studio(H, W);
    pn_synth_draw(b, 5, 3, 1);                          /* what was drawn before leaves no trace */
    pn_synth_draw(a, 5, 2, 1);
    pn_synth_draw(b, 5, 2, 1);
    const pn_synth_view *x = pn_synth_seen(a), *y = pn_synth_seen(b);
    ck_assert_int_eq(memcmp(x->picture.pixels, y->picture.pixels, 3 * PIXELS), 0);
    ck_assert_int_eq(memcmp(x->albedo.pixels, y->albedo.pixels, 3 * PIXELS), 0);
    ck_assert_int_eq(memcmp(x->labels.pixels, y->labels.pixels, PIXELS), 0);
    ck_assert_int_eq(memcmp(&x->pose, &y->pose, sizeof x->pose), 0);
    pn_synth_draw(b, 6, 2, 1);
    ck_assert_int_ne(memcmp(x->picture.pixels, y->picture.pixels, 3 * PIXELS), 0);
    pn_synth_draw(b, 5, 2, 2);
    ck_assert_int_ne(memcmp(x->picture.pixels, y->picture.pixels, 3 * PIXELS), 0);
    pn_synth_free(a);
    pn_synth_free(b);
}
END_TEST

/* ---- Labels and key points ------------------------------------------------------------------------------------- */

START_TEST(a_person_fills_the_picture_and_has_a_head_clothes_and_limbs)
{
    pn_synth *s = studio(H, W);
    for (int person = 0; person < 12; person++) {
        pn_synth_draw(s, 1, person, 0);
        const pn_synth_view *v = pn_synth_seen(s);
        int count[20] = { 0 };
        for (int i = 0; i < PIXELS; i++) {
            ck_assert_int_lt(v->labels.pixels[i], 20);
            ck_assert_int_eq(v->labels.pixels[i] == 0, v->sheet[i] < 0);
            count[v->labels.pixels[i]]++;
        }
        ck_assert_msg(count[0] < PIXELS * 0.88 && count[0] > PIXELS * 0.3, "person %d: %d of %d are background",
                      person, count[0], PIXELS);
        ck_assert_int_gt(count[13], 0);                                 /* face */
        ck_assert_int_gt(count[5] + count[6] + count[7], PIXELS / 30);  /* upper clothes, dress or coat */
        ck_assert_int_gt(count[6] + count[9] + count[12], 0);           /* dress, pants or skirt */
        ck_assert_int_gt(count[14] + count[15], 0);                     /* hands at least */
    }
    pn_synth_free(s);
}
END_TEST

static bool label_fits(int joint, int label)    /* skin of the part, or cloth that covers it */
{
    const bool cloth = label == 5 || label == 6 || label == 7;
    switch (joint) {
    case PN_NOSE: case PN_L_EYE: case PN_R_EYE: case PN_L_EAR: case PN_R_EAR: return label == 13;
    case PN_L_ELBOW: case PN_L_WRIST: return cloth || label == 14;
    case PN_R_ELBOW: case PN_R_WRIST: return cloth || label == 15;
    case PN_L_KNEE:
        case PN_L_ANKLE: return label == 16 || label == 18 || label == 9 || label == 12 || label == 6 || label == 7;
    case PN_R_KNEE:
        case PN_R_ANKLE: return label == 17 || label == 19 || label == 9 || label == 12 || label == 6 || label == 7;
    default: return label != 0;     /* hips and shoulders may lie under a hand or hair */
    }
}

START_TEST(key_points_lie_inside_their_part)
{
    pn_synth *s = studio(H, W);
    int seen = 0, outside = 0;
    for (int person = 0; person < 20; person++) {
        for (int view = 0; view < 4; view++) {
            pn_synth_draw(s, 2, person, view);
            const pn_synth_view *v = pn_synth_seen(s);
            for (int j = 0; j < PN_JOINTS; j++) {
                if (!pn_pose_has(&v->pose, j)) {
                    ck_assert(v->pose.x[j] < 0.0 && v->pose.y[j] < 0.0);
                    continue;
                }
                ck_assert(v->pose.x[j] >= 0.0 && v->pose.x[j] < W && v->pose.y[j] >= 0.0 && v->pose.y[j] < H);
                const int label = v->labels.pixels[(int)v->pose.y[j] * W + (int)v->pose.x[j]];
                ck_assert_int_ne(label, 0);
                seen++;
                outside += !label_fits(j, label);
            }
        }
    }
    /* The rest: a wrist just behind the edge of the other arm, which a detector finds too. */
    ck_assert_msg(outside * 50 < seen, "%d of %d key points lie outside their part", outside, seen);
    ck_assert_int_gt(seen, 20 * 4 * 9);
    pn_synth_free(s);
}
END_TEST

START_TEST(who_turns_away_has_no_nose_and_left_is_the_persons)
{
    pn_synth *s = studio(H, W);
    int fronts = 0, backs = 0;
    for (int person = 0; person < 20; person++) {
        for (int view = 0; view < 3; view += 2) {
            pn_synth_draw(s, 3, person, view);
            const pn_synth_view *v = pn_synth_seen(s);
            const bool back = fabs(v->yaw) > 130.0;
            if (back) ck_assert(!pn_pose_has(&v->pose, PN_NOSE));
            else if (fabs(v->yaw) < 15.0)
                ck_assert(pn_pose_has(&v->pose, PN_R_EYE) || pn_pose_has(&v->pose, PN_L_EYE));
            ck_assert_int_eq(strcmp(v->word, "back") == 0, fabs(v->yaw) >= 120.0);
            if (!pn_pose_has(&v->pose, PN_L_SHOULDER) || !pn_pose_has(&v->pose, PN_R_SHOULDER)) continue;
            const double across = v->pose.x[PN_L_SHOULDER] - v->pose.x[PN_R_SHOULDER];
            ck_assert(back ? across < 0.0 : across > 0.0);
            *(back ? &backs : &fronts) += 1;
        }
    }
    ck_assert_int_gt(fronts, 10);
    ck_assert_int_gt(backs, 10);
    pn_synth_free(s);
}
END_TEST

/* ---- Flow ------------------------------------------------------------------------------------------------------ */

static float flow[2 * PIXELS], visible[PIXELS];

START_TEST(the_flow_of_a_view_to_itself_is_nothing)
{
    pn_synth *s = studio(H, W);
    pn_synth_draw(s, 4, 0, 0);
    assert_works(pn_synth_flow(s, s, flow, visible));
    const pn_synth_view *v = pn_synth_seen(s);
    for (int i = 0; i < PIXELS; i++) {
        ck_assert(fabsf(flow[i]) < 1e-4f && fabsf(flow[PIXELS + i]) < 1e-4f);
        ck_assert(visible[i] == (v->sheet[i] >= 0 ? 1.0f : 0.0f));
    }
    pn_synth_free(s);
}
END_TEST

/* What source shows at a place between pixel centres, by bilinear taps. */
typedef struct { double colour[3], across, along, spread; } look;

/* false where a tap is another sheet, outside, or across a sheet's seam. spread: how far the taps' colours differ. */
static bool sample(const pn_synth_view *v, double x, double y, int sheet, look *out)
{
    const int i = (int)floor(x), j = (int)floor(y);
    if (i < 0 || j < 0 || i + 1 >= W || j + 1 >= H) return false;
    *out = (look){ .spread = 0.0 };
    for (int k = 0; k < 4; k++) {
        const int at = (j + k / 2) * W + i + k % 2;
        const double weight = (k % 2 ? x - i : i + 1 - x) * (k / 2 ? y - j : j + 1 - y);
        if (v->sheet[at] != sheet || fabsf(v->across[at] - v->across[j * W + i]) > 0.25f) return false;
        for (int c = 0; c < 3; c++) {
            const uint8_t value = v->albedo.pixels[3 * at + c];
            out->colour[c] += weight * value;
            out->spread = fmax(out->spread, fabs((double)value - v->albedo.pixels[3 * (j * W + i) + c]));
        }
        out->across += weight * (double)v->across[at];
        out->along += weight * (double)v->along[at];
    }
    return true;
}

typedef struct { int spots, placed, flat, coloured; } tally;

static void compare(const pn_synth_view *target, const pn_synth_view *source, tally *t)
{
    for (int i = 0; i < PIXELS; i++) {
        look there;
        if (visible[i] == 0.0f) continue;
        if (!sample(source, i % W + (double)flow[i], i / W + (double)flow[PIXELS + i], target->sheet[i], &there))
            continue;
        t->spots++;
        t->placed += fabs(there.across - (double)target->across[i]) < 0.015
            && fabs(there.along - (double)target->along[i]) < 0.015;
        /* a border or a stripe between the taps: bilinear colour is a mixture */
        if (there.spread > 8.0) continue;
        double worst = 0.0;
        for (int c = 0; c < 3; c++) worst = fmax(worst, fabs(there.colour[c] - target->albedo.pixels[3 * i + c]));
        t->flat++;
        t->coloured += worst < 12.0;
    }
}

START_TEST(warping_by_the_flow_gives_the_targets_colours_and_places)
{
    pn_synth *target = studio(H, W), *source = studio(H, W);
    tally t = { 0 };
    for (int person = 0; person < 10; person++) {
        for (int view = 0; view < 4; view++) {
            pn_synth_draw(target, 8, person, view);
            pn_synth_draw(source, 8, person, (view + 1) % 4);
            assert_works(pn_synth_flow(target, source, flow, visible));
            compare(pn_synth_seen(target), pn_synth_seen(source), &t);
        }
    }
    ck_assert_int_gt(t.spots, 10 * 4 * 200);
    ck_assert_int_gt(t.flat, t.spots / 3);
    /* The rest lies where the surface turns away or folds within the four taps. A flow off by one pixel finds 25% of
     * the places and 98.2% of the colours, the right one 98.5% and 99.5%. */
    ck_assert_msg(t.placed > 0.97 * t.spots, "%d of %d spots are found in their place", t.placed, t.spots);
    ck_assert_msg(t.coloured > 0.99 * t.flat, "%d of %d spots keep their colour", t.coloured, t.flat);
    pn_synth_free(target);
    pn_synth_free(source);
}
END_TEST

START_TEST(the_flow_between_two_people_is_refused)
{
    pn_synth *a = studio(H, W), *b = studio(H, W), *small = studio(64, 48);
    assert_fails(pn_synth_flow(a, b, flow, visible), PN_ERR_ARG, "draw two views of one");
    pn_synth_draw(a, 1, 0, 0);
    pn_synth_draw(b, 1, 1, 0);
    pn_synth_draw(small, 1, 0, 1);
    assert_fails(pn_synth_flow(a, b, flow, visible), PN_ERR_ARG, "target shows person 0, source person 1");
    assert_fails(pn_synth_flow(a, small, flow, visible), PN_ERR_ARG, "target is 128x96, source 64x48");
    pn_synth_free(a);
    pn_synth_free(b);
    pn_synth_free(small);
}
END_TEST

/* ---- A whole set ----------------------------------------------------------------------------------------------- */

static const pn_synth_opt small_set = { .people = 5, .views = 3, .height = 64, .width = 48, .seed = 9, .flow = true };

static void write_set(pn_ctx *ctx, const char *name)
{
    pn_synth_opt o = small_set;
    o.out = scratch_path(name);
    if (pn_synth_write(ctx, &o)) ck_abort_msg("%s", pn_ctx_message(ctx));
}

static size_t same_files(const char *a, const char *b, const char *folder)     /* how many; all must be equal */
{
    char path[2][512];
    pn_names names;
    snprintf(path[0], sizeof path[0], "%s/%s", a, folder);
    assert_works(pn_folder_list(scratch_ctx(), path[0], &names));
    size_t files = 0;
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path[0], sizeof path[0], "%s/%s/%s", a, folder, names.name[i]);
        snprintf(path[1], sizeof path[1], "%s/%s/%s", b, folder, names.name[i]);
        if (pn_folder_exists(scratch_ctx(), path[0])) continue;
        const pn_bytes x = scratch_read(path[0]), y = scratch_read(path[1]);
        ck_assert_msg(x.size == y.size && memcmp(x.bytes, y.bytes, x.size) == 0, "%s differs", path[1]);
        files++;
    }
    return files;
}

START_TEST(one_thread_and_three_write_the_same_files)
{
    char why[256];
    pn_ctx *one = pn_ctx_new(&(pn_ctx_opt){ .threads = 1 }, why),
        *three = pn_ctx_new(&(pn_ctx_opt){ .threads = 3 }, why);
    ck_assert(one && three);
    write_set(one, "one");
    write_set(three, "three");
    const char *a = scratch_path("one"), *b = scratch_path("three");
    ck_assert_uint_eq(same_files(a, b, "."), 7);                /* six lists and dataset.ini */
    static const struct { const char *folder; size_t files; } expected[] = {
        { "train", 12 }, { "test", 3 }, { "train_lip20", 12 }, { "test_lip20", 3 }, { "trainSPL8", 12 },
            { "testSPL8", 3 },
        { "train_flow", 24 }, { "test_flow", 6 }, { "train_visible", 24 }, { "test_visible", 6 },
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        ck_assert_uint_eq(same_files(a, b, expected[i].folder), expected[i].files);
    pn_ctx_free(one);
    pn_ctx_free(three);
}
END_TEST

static bool in_pairs(const pn_dataset *d, const char *name)
{
    for (ptrdiff_t i = 0; i < pn_dataset_pairs(d); i++)
        if (strcmp(pn_dataset_pair(d, i)->source->name, name) == 0) return true;
    return false;
}

START_TEST(the_set_opens_is_whole_and_keeps_its_people_apart)
{
    write_set(scratch_ctx(), "set");
    const char *folder = scratch_path("set");
    pn_dataset *train = pn_dataset_open(scratch_ctx(), folder, "train", NULL),
        *test = pn_dataset_open(scratch_ctx(), folder, "test", NULL);
    if (!train || !test) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    ck_assert_int_eq((int)pn_dataset_pairs(train), 4 * 3 * 2);
    ck_assert_int_eq((int)pn_dataset_pairs(test), 1 * 3 * 2);
    ck_assert_str_eq(pn_dataset_parsing(train), "lip20");
    for (ptrdiff_t i = 0; i < pn_dataset_pairs(test); i++) {
        const pn_pair *p = pn_dataset_pair(test, i);
        ck_assert(p->source->annotated && p->source->path && p->source->parsing);
        ck_assert_int_eq((int)p->source->grid_height, 64);
        ck_assert_int_eq((int)p->source->grid_width, 48);
        ck_assert_ptr_nonnull(strstr(p->source->name, "id0000000501_"));        /* the fifth person */
        ck_assert_ptr_nonnull(strstr(p->target->name, "id0000000501_"));
        ck_assert_str_ne(p->source->name, p->target->name);
        ck_assert(!in_pairs(train, p->source->name));
    }
    pn_check check;
    assert_works(pn_dataset_check(scratch_ctx(), folder, NULL, &check));
    ck_assert_msg(check.problems == 0, "%s", check.problems ? check.problem[0] : "");
    ck_assert_int_eq(check.sizes, 1);
    pn_check_free(scratch_ctx(), &check);
    pn_dataset_free(train);
    pn_dataset_free(test);
}
END_TEST

START_TEST(merged_maps_are_pises_and_flow_is_readable)
{
    write_set(scratch_ctx(), "set");
    pn_names names;
    assert_works(pn_folder_list(scratch_ctx(), scratch_path("set/test_lip20"), &names));
    char path[512];
    pn_image lip, merged;
    pn_merge pise;
    snprintf(path, sizeof path, "set/test_lip20/%s", names.name[0]);
    assert_works(pn_labels_read(scratch_ctx(), scratch_path(path), &lip));
    snprintf(path, sizeof path, "set/testSPL8/%s", names.name[0]);
    assert_works(pn_labels_read(scratch_ctx(), scratch_path(path), &merged));
    assert_works(pn_merge_find(scratch_ctx(), "pise", &pise));
    for (int i = 0; i < 64 * 48; i++) ck_assert_int_eq(merged.pixels[i], pise.to[lip.pixels[i]]);
    pn_names_free(scratch_ctx(), &names);
    assert_works(pn_folder_list(scratch_ctx(), scratch_path("set/test_flow"), &names));
    pn_shape shape;
    float *values;
    snprintf(path, sizeof path, "set/test_flow/%s", names.name[0]);
    assert_works(pn_npy_read(scratch_ctx(), scratch_path(path), &shape, &values));
    ck_assert(pn_shape_equal(shape, pn_shape3(2, 64, 48)));
    snprintf(path, sizeof path, "set/test_visible/%s", names.name[0]);
    pn_npy_free(scratch_ctx(), values);
    assert_works(pn_npy_read(scratch_ctx(), scratch_path(path), &shape, &values));
    ck_assert(pn_shape_equal(shape, pn_shape2(64, 48)));
    for (int i = 0; i < 64 * 48; i++) ck_assert(values[i] == 0.0f || values[i] == 1.0f);
}
END_TEST

START_TEST(one_person_is_for_training_and_the_test_lists_are_empty)
{
    pn_synth_opt o = { .out = scratch_path("lone"), .people = 1, .views = 2, .height = 32, .width = 24 };
    assert_works(pn_synth_write(scratch_ctx(), &o));
    const pn_bytes pairs = scratch_read(scratch_path("lone/fasion-resize-pairs-test.csv"));
    ck_assert_uint_eq(pairs.size, strlen("from,to\n"));
    ck_assert_uint_eq(scratch_read(scratch_path("lone/test.lst")).size, 0);
}
END_TEST

START_TEST(options_no_set_can_have_are_refused_with_advice)
{
    static const struct { pn_synth_opt opt; pn_status status; const char *part; } bad[] = {
        { { .out = NULL, .people = 5, .views = 3, .height = 64, .width = 48 }, PN_ERR_ARG, "no folder to write to" },
        { { .out = "x", .people = 0, .views = 3, .height = 64, .width = 48 }, PN_ERR_ARG,
          "people is 0, expected 1 or more" },
        { { .out = "x", .people = -3, .views = 3, .height = 64, .width = 48 }, PN_ERR_ARG, "people is -3" },
        { { .out = "x", .people = 100000000, .views = 3, .height = 64, .width = 48 }, PN_ERR_LIMIT, "eight digits" },
        { { .out = "x", .people = 5, .views = 1, .height = 64, .width = 48 }, PN_ERR_ARG, "a pair needs two views" },
        { { .out = "x", .people = 5, .views = 1000, .height = 64, .width = 48 }, PN_ERR_LIMIT, "views is 1000" },
        { { .out = "x", .people = 5, .views = 3, .height = 16, .width = 12 }, PN_ERR_LIMIT,
          "size is 16x12, expected 32x24" },
        { { .out = "x", .people = 5, .views = 3, .height = 64, .width = 100000 }, PN_ERR_LIMIT, "size is 64x100000" },
        { { .out = "x", .people = 5, .views = 3, .height = -1, .width = 48 }, PN_ERR_LIMIT, "size is -1x48" },
        { { .out = "x", .people = 5, .views = 3, .height = 64, .width = 48, .test_share = 1.0 }, PN_ERR_ARG,
          "test_share is 1" },
        { { .out = "x", .people = 5, .views = 3, .height = 64, .width = 48, .test_share = (double)NAN }, PN_ERR_ARG,
          "test_share is" },
    };
    assert_fails(pn_synth_write(scratch_ctx(), &bad[_i].opt), bad[_i].status, bad[_i].part);
    ck_assert_ptr_null(pn_synth_new(scratch_ctx(), 31, 48));
    ck_assert(!pn_folder_exists(scratch_ctx(), "x"));
}
END_TEST

START_TEST(a_file_where_the_folder_should_be_is_named)
{
    scratch_write("taken", "a file");
    pn_synth_opt o = small_set;
    o.out = scratch_path("taken");
    assert_fails(pn_synth_write(scratch_ctx(), &o), PN_ERR_IO, "taken");
}
END_TEST

TCase *synth_cases(void);
TCase *synth_cases(void)
{
    TCase *tc = tcase_create("synth");
    tcase_set_timeout(tc, 60.0);
    tcase_add_test(tc, the_same_numbers_give_the_same_bytes_and_another_seed_others);
    tcase_add_test(tc, a_person_fills_the_picture_and_has_a_head_clothes_and_limbs);
    tcase_add_test(tc, key_points_lie_inside_their_part);
    tcase_add_test(tc, who_turns_away_has_no_nose_and_left_is_the_persons);
    tcase_add_test(tc, the_flow_of_a_view_to_itself_is_nothing);
    tcase_add_test(tc, warping_by_the_flow_gives_the_targets_colours_and_places);
    tcase_add_test(tc, the_flow_between_two_people_is_refused);
    tcase_add_test(tc, one_thread_and_three_write_the_same_files);
    tcase_add_test(tc, the_set_opens_is_whole_and_keeps_its_people_apart);
    tcase_add_test(tc, merged_maps_are_pises_and_flow_is_readable);
    tcase_add_test(tc, one_person_is_for_training_and_the_test_lists_are_empty);
    tcase_add_loop_test(tc, options_no_set_can_have_are_refused_with_advice, 0, 11);
    tcase_add_test(tc, a_file_where_the_folder_should_be_is_named);
    return tc;
}
