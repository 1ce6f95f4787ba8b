/* tests/data/test_views.c - views of objects: their lists and loader, and synthetic ones from where their names say */
#include "data/scratch.h"
#include "data/synth.h"
#include "posenet/views.h"

#include <stdio.h>
#include <string.h>

enum { H = 64, W = 64, PIXELS = H * W };

static const pn_synth_opt small_set = { .people = 3, .views = 54, .height = H, .width = W, .seed = 7 };

static const char *write_set(pn_ctx *ctx, const char *name)
{
    pn_synth_opt o = small_set;
    o.out = scratch_path(name);
    if (pn_synth_write_view(ctx, &o)) ck_abort_msg("%s", pn_ctx_message(ctx));
    return scratch_path(name);
}

static pn_views *open_views(const char *folder, const char *split)
{
    pn_views *v = pn_views_open(scratch_ctx(), folder, split);
    if (!v) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return v;
}

/* ---- Pictures --------------------------------------------------------------------------------------------------- */

static pn_synth *studio(void)
{
    pn_synth *s = pn_synth_new(scratch_ctx(), H, W);
    if (!s) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return s;
}

static int covered(const pn_synth *s)
{
    int n = 0;
    for (int i = 0; i < PIXELS; i++) n += s->seen.sheet[i] >= 0;
    return n;
}

START_TEST(an_object_is_the_same_again_and_people_after_it_are_too)
{
    pn_synth *a = studio(), *b = studio();
    pn_synth_object_draw(a, 1, 4, 3, 1);
    pn_synth_draw(b, 1, 4, 0);
    pn_synth_object_draw(b, 1, 4, 3, 1);
    ck_assert_int_eq(memcmp(a->seen.picture.pixels, b->seen.picture.pixels, 3 * PIXELS), 0);
    pn_synth_object_draw(b, 1, 4, 4, 1);
    ck_assert_int_ne(memcmp(a->seen.picture.pixels, b->seen.picture.pixels, 3 * PIXELS), 0);
    pn_synth_free(a);
    a = studio();
    pn_synth_draw(a, 1, 4, 2);
    pn_synth_draw(b, 1, 4, 2);
    ck_assert_int_eq(memcmp(a->seen.picture.pixels, b->seen.picture.pixels, 3 * PIXELS), 0);
    pn_synth_free(a);
    pn_synth_free(b);
}
END_TEST

/* Where the middle of a sheet lands by the camera's formula: turned by the azimuth about y, then seen from above. */
static void expect_place(const pn_synth *s, int sheet, int azimuth, int elevation, double out[2])
{
    const synth_sheet *k = &s->person->mesh.sheet[sheet];
    const v3 r = s->person->mesh.vertex[k->first + k->rows * k->cols / 2].rest;
    const double a = synth_rad(20.0 * azimuth), e = synth_rad(10.0 * elevation);
    const double x = r.x * cos(a) + r.z * sin(a), z = -r.x * sin(a) + r.z * cos(a);
    out[0] = 0.5 * W + s->scale * x;
    out[1] = 0.5 * H - s->scale * (r.y * cos(e) - z * sin(e));
}

START_TEST(sides_are_seen_where_azimuth_and_elevation_put_them)
{
    pn_synth *s = studio();
    int found = 0, central = 0;
    for (int object = 0; object < 8; object++)
        for (int a = 0; a < PN_AZIMUTHS; a += 2)
            for (int e = 0; e < PN_ELEVATIONS; e++) {
                pn_synth_object_draw(s, 2, object, a, e);
                ck_assert_int_gt(covered(s), PIXELS / 40);
                for (int sheet = 0; sheet < 6; sheet++) {               /* of the first box */
                    double at[2];
                    expect_place(s, sheet, a, e, at);
                    ck_assert(at[0] > 0.0 && at[0] < W && at[1] > 0.0 && at[1] < H);
                    const int pixel = (int)at[1] * W + (int)at[0];
                    if (s->seen.sheet[pixel] != sheet) continue;        /* turned away, or hidden */
                    found++;
                    central += fabsf(s->seen.across[pixel] - 0.5f) < 0.15f && fabsf(s->seen.along[pixel] - 0.5f) < 0.15f;
                }
            }
    /* two or three sides of a box are seen, less what hides them; one seen edge on may miss by a pixel */
    ck_assert_msg(found > 8 * 9 * 3 && central > 0.97 * found, "%d sides are seen, %d in their middle", found, central);
    pn_synth_free(s);
}
END_TEST

START_TEST(the_front_is_seen_from_the_front_and_the_top_from_above)
{
    pn_synth *s = studio();
    for (int object = 0; object < 8; object++) {
        int seen[2][3] = { { 0 } };                     /* of the first box: front, back, top; from azimuths 0 and 180 */
        for (int turn = 0; turn < 2; turn++) {
            pn_synth_object_draw(s, 2, object, turn * 9, 2);
            for (int i = 0; i < PIXELS; i++) {
                const int sheet = s->seen.sheet[i];
                if (sheet == 0 || sheet == 1 || sheet == 4) seen[turn][sheet == 4 ? 2 : sheet]++;
            }
        }
        ck_assert_int_gt(seen[0][0], 0);
        ck_assert_int_eq(seen[0][1], 0);
        ck_assert_int_eq(seen[1][0], 0);
        ck_assert_int_gt(seen[0][2] + seen[1][2], 0);
        pn_synth_object_draw(s, 2, object, 0, 0);
        for (int i = 0; i < PIXELS; i++) ck_assert_int_ne(s->seen.sheet[i], 4); /* from the side no top */
    }
    pn_synth_free(s);
}
END_TEST

/* ---- Sets ------------------------------------------------------------------------------------------------------- */

START_TEST(one_thread_and_three_write_the_same_views)
{
    char why[256], path[2][512];
    pn_ctx *one = pn_ctx_new(&(pn_ctx_opt){ .threads = 1 }, why), *three = pn_ctx_new(&(pn_ctx_opt){ .threads = 3 }, why);
    write_set(one, "one");
    write_set(three, "three");
    pn_names names;
    assert_works(pn_folder_list(scratch_ctx(), scratch_path("one/data_box"), &names));
    ck_assert_uint_eq(names.count, 3 * 54);
    for (size_t i = 0; i < names.count; i++) {
        for (int k = 0; k < 2; k++)
            snprintf(path[k], sizeof path[k], "%s/data_box/%s", scratch_path(k ? "three" : "one"), names.name[i]);
        const pn_bytes a = scratch_read(path[0]), b = scratch_read(path[1]);
        ck_assert_msg(a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0, "%s differs", path[1]);
    }
    pn_names_free(scratch_ctx(), &names);
    pn_ctx_free(one);
    pn_ctx_free(three);
}
END_TEST

START_TEST(a_set_is_read_back_by_model_azimuth_and_elevation)
{
    static float picture[3 * PIXELS], drawn[3 * PIXELS];
    const char *folder = write_set(scratch_ctx(), "set");
    pn_views *train = open_views(folder, "train"), *test = open_views(folder, "test");
    ck_assert_int_eq((int)pn_views_count(train), 2 * 54);
    ck_assert_int_eq((int)pn_views_models(train), 2);
    ck_assert_int_eq((int)pn_views_models(test), 1);
    ck_assert_ptr_nonnull(strstr(pn_views_view(test, 0)->name, "box00000003_"));
    const ptrdiff_t i = pn_views_find(train, 1, 17, 2);
    ck_assert_str_eq(pn_views_view(train, i)->name, "box00000002_34_20");
    ck_assert_int_eq((int)pn_views_find(train, 2, 0, 0), -1);
    ck_assert_int_eq((int)pn_views_find(train, 0, 18, 0), -1);
    float code[PN_VIEW_CODE];
    pn_view_code(pn_views_view(train, i), code);
    for (int k = 0; k < PN_VIEW_CODE; k++) ck_assert(code[k] == (k == 17 || k == 20 ? 1.0f : 0.0f));
    pn_synth *s = studio();
    pn_synth_object_draw(s, 7, 1, 17, 2);
    pn_image_to_floats(&s->seen.picture, drawn);
    assert_works(pn_views_picture(train, i, H, W, picture));
    ck_assert_int_eq(memcmp(picture, drawn, sizeof picture), 0);
    assert_fails(pn_views_picture(train, 108, H, W, picture), PN_ERR_ARG, "view is 108, expected 0 to 107");
    pn_view_pair pairs[36];
    ck_assert_int_eq((int)pn_views_test_pairs(train, NULL), 36);
    ck_assert_int_eq((int)pn_views_test_pairs(train, pairs), 36);
    ck_assert_int_eq(pn_views_view(train, pairs[20].source)->azimuth, 1);       /* of the second model */
    ck_assert_int_eq(pn_views_view(train, pairs[20].target)->azimuth, 2);
    ck_assert_int_eq(pn_views_view(train, pairs[20].target)->elevation, 0);
    pn_synth_free(s);
    pn_views_free(train);
    pn_views_free(test);
}
END_TEST

START_TEST(what_is_wrong_with_a_list_is_said_with_its_line)
{
    static const struct { const char *list, *message; } bad[] = {
        { "m_0_0\nm_1_0\n", "id_car_train.txt:2: 'm_1_0' is no view, expected MODEL_A_E" },
        { "m_36_0\n", ":1: 'm_36_0' is no view" }, { "m_0_30\n", ":1: 'm_0_30' is no view" },
        { "m_0_5\n", "'m_0_5' is no view" },       { "_0_0\n", "'_0_0' is no view" },
        { "m_0\n", "'m_0' is no view" },           { "m_002_0\n", "'m_002_0' is no view" },
        { "m_2x_0\n", "'m_2x_0' is no view" },     { "../m_2_0\n", "is no view" },
        { "m_0_0\n\nm_2_0\nm_0_0\n", "id_car_train.txt:4: m_0_0 is there twice, also in line 1" },
        { "\n", "names no view" },                 { "m_4_10\n", ":1: m_4_10 has no picture" },
    };
    assert_works(pn_folder_make(scratch_ctx(), scratch_path("bad/data_car")));
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), 8, 8, 3, &image));
    assert_works(pn_image_write(scratch_ctx(), scratch_path("bad/data_car/m_0_0.png"), &image));
    assert_works(pn_image_write(scratch_ctx(), scratch_path("bad/data_car/m_2_0.jpg"), &image));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scratch_write("bad/id_car_train.txt", bad[i].list);
        ck_assert_ptr_null(pn_views_open(scratch_ctx(), scratch_path("bad"), "train"));
        ck_assert_msg(strstr(pn_ctx_message(scratch_ctx()), bad[i].message) != NULL, "'%s' for '%s'",
                      pn_ctx_message(scratch_ctx()), bad[i].list);
    }
    scratch_write("bad/id_car_train.txt", "m_0_0\r\nm_2_0");
    pn_views *v = open_views(scratch_path("bad"), "train");
    ck_assert_int_eq((int)pn_views_count(v), 2);
    pn_views_free(v);
    ck_assert_ptr_null(pn_views_open(scratch_ctx(), scratch_path("bad"), "test"));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "expected id_KIND_test.txt"));
    scratch_write("bad/id_chair_train.txt", "m_0_0\n");
    ck_assert_ptr_null(pn_views_open(scratch_ctx(), scratch_path("bad"), "train"));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "are both lists of views"));
    scratch_write("lone/id_car_train.txt", "m_0_0\n");
    ck_assert_ptr_null(pn_views_open(scratch_ctx(), scratch_path("lone"), "train"));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "data_car is no folder and "));
    ck_assert_ptr_null(pn_views_open(scratch_ctx(), scratch_path("nowhere"), "train"));
    pn_image_free(scratch_ctx(), &image);
}
END_TEST

/* ---- Pairs ------------------------------------------------------------------------------------------------------ */

START_TEST(pairs_are_those_of_a_list_or_of_the_published_test)
{
    static const struct { const char *csv, *message; } bad[] = {
        { "from,to\nbox00000003_0_0,box00000001_0_0\n", "pairs.csv:2: 'box00000001_0_0' is no view of the list" },
        { "from,to\nbox00000003_0_0,box00000003_2_0\n\nbox00000003_1_0,box00000003_2_0\n", "pairs.csv:4: 'box00000003_1_0'" },
        { "from,to\n", "pairs.csv" },
        { "a,b\nx,y\n", "pairs.csv:1" },
    };
    pn_views *v = open_views(write_set(scratch_ctx(), "set"), "test");
    pn_view_pair *pairs = NULL;
    ptrdiff_t n = 0;
    assert_works(pn_views_pairs(v, NULL, &pairs, &n));
    ck_assert_int_eq((int)n, 18);
    pn_ctx_release(scratch_ctx(), pairs);
    scratch_write("pairs.csv", "to,from\nbox00000003_34_20,box00000003_2_10\nbox00000003_0_0,box00000003_0_0\n");
    assert_works(pn_views_pairs(v, scratch_path("pairs.csv"), &pairs, &n));
    ck_assert_int_eq((int)n, 2);
    ck_assert_str_eq(pn_views_view(v, pairs[0].target)->name, "box00000003_34_20");
    ck_assert_str_eq(pn_views_view(v, pairs[0].source)->name, "box00000003_2_10");
    pn_ctx_release(scratch_ctx(), pairs);
    const size_t before = scratch_live();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scratch_write("pairs.csv", bad[i].csv);
        assert_fails(pn_views_pairs(v, scratch_path("pairs.csv"), &pairs, &n), PN_ERR_FORMAT, bad[i].message);
        ck_assert_uint_eq(scratch_live(), before);
    }
    scratch_write("pairs.csv", "from,to\nbox00000003_0_0,box00000003_2_0\n");
    for (long k = 1;; k++) {
        char csv[512];
        snprintf(csv, sizeof csv, "%s", scratch_path("pairs.csv"));
        scratch_fail_at(k);
        const pn_status status = pn_views_pairs(v, csv, &pairs, &n);
        const bool refused = scratch_fail_at(0) <= 0;
        if (!status) pn_ctx_release(scratch_ctx(), pairs);
        ck_assert_uint_eq(scratch_live(), before);
        ck_assert_int_eq(status, refused ? PN_ERR_NOMEM : PN_OK);
        if (!refused) break;
    }
    pn_views_free(v);
}
END_TEST

/* ---- Loading ---------------------------------------------------------------------------------------------------- */

static const pn_view_loader_opt loading = { .batch = 5, .height = 32, .width = 32, .order = PN_SHUFFLED, .seed = 3 };

START_TEST(every_view_is_a_source_once_and_targets_are_of_its_model_and_elevation)
{
    pn_views *v = open_views(write_set(scratch_ctx(), "set"), "train");
    pn_view_loader *l = pn_view_loader_new(v, &loading, NULL);
    ck_assert_ptr_nonnull(l);
    ck_assert_int_eq((int)pn_view_loader_epoch(l), 21);
    static float picture[3 * 32 * 32];
    int used[108] = { 0 }, turned = 0;
    for (int n = 0; n < 21; n++) {
        pn_view_batch b;
        assert_works(pn_view_loader_next(l, &b));
        ck_assert_int_eq((int)b.epoch, 0);
        for (int i = 0; i < 5; i++) {
            const pn_object_view *s = pn_views_view(v, b.pair[i].source), *t = pn_views_view(v, b.pair[i].target);
            used[b.pair[i].source]++;
            turned += s->azimuth != t->azimuth;
            ck_assert(s->model == t->model && s->elevation == t->elevation);
            ck_assert(b.code_target[i * PN_VIEW_CODE + t->azimuth] == 1.0f);
            ck_assert(b.code_source[i * PN_VIEW_CODE + PN_AZIMUTHS + s->elevation] == 1.0f);
        }
        assert_works(pn_views_picture(v, b.pair[3].target, 32, 32, picture));
        ck_assert_int_eq(memcmp(picture, b.target + 3 * 3 * 32 * 32, sizeof picture), 0);
    }
    int sources = 0;
    for (int i = 0; i < 108; i++) {
        ck_assert_int_le(used[i], 1);
        sources += used[i];
    }
    ck_assert_int_eq(sources, 105);
    ck_assert_int_gt(turned, 85);
    pn_view_loader_free(l);
    pn_views_free(v);
}
END_TEST

START_TEST(batches_go_on_from_where_they_were_and_do_not_depend_on_threads)
{
    char why[256];
    const char *folder = write_set(scratch_ctx(), "set");
    pn_ctx *three = pn_ctx_new(&(pn_ctx_opt){ .threads = 3 }, why);
    pn_views *a = open_views(folder, "train"), *b = pn_views_open(three, folder, "train");
    pn_view_loader *first = pn_view_loader_new(a, &loading, NULL);
    pn_view_batch x, y;
    for (int n = 0; n < 24; n++) assert_works(pn_view_loader_next(first, &x));
    const pn_loader_state at = pn_view_loader_where(first);
    ck_assert_int_eq((int)at.epoch, 1);
    ck_assert_int_eq((int)at.position, 3);
    pn_view_loader_opt o = loading;
    o.seed = 0;                                         /* the state's counts */
    pn_view_loader *second = pn_view_loader_new(b, &o, &at);
    ck_assert_ptr_nonnull(second);
    for (int n = 0; n < 3; n++) {
        assert_works(pn_view_loader_next(first, &x));
        assert_works(pn_view_loader_next(second, &y));
        ck_assert_int_eq(memcmp(x.source, y.source, 5 * 3 * 32 * 32 * sizeof(float)), 0);
        ck_assert_int_eq(memcmp(x.target, y.target, 5 * 3 * 32 * 32 * sizeof(float)), 0);
    }
    o.batch = 109;
    ck_assert_ptr_null(pn_view_loader_new(a, &o, NULL));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "batch is 109, expected 1 to 108"));
    scratch_write("set/data_box/box00000001_0_0.png", "no picture");
    pn_view_loader *whole = pn_view_loader_new(a, &(pn_view_loader_opt){ .batch = 1, .height = 8, .width = 8 }, NULL);
    assert_fails(pn_view_loader_next(whole, &x), PN_ERR_FORMAT, "box00000001_0_0.png");
    ck_assert_int_eq((int)pn_view_loader_where(whole).position, 0);
    pn_view_loader_free(whole);
    pn_view_loader_free(first);
    pn_view_loader_free(second);
    pn_views_free(a);
    pn_views_free(b);
    pn_ctx_free(three);
}
END_TEST

START_TEST(refused_memory_is_told_and_nothing_of_views_is_lost)
{
    const char *folder = write_set(scratch_ctx(), "set");
    scratch_write("set/id_box_train.txt", "box00000001_0_0\nbox00000002_4_10\nbox00000001_2_0\n");
    const size_t before = scratch_live();
    for (long k = 1;; k++) {
        scratch_fail_at(k);
        pn_views *v = pn_views_open(scratch_ctx(), folder, "train");
        pn_view_loader *l = v ? pn_view_loader_new(v, &(pn_view_loader_opt){ .batch = 2, .height = 8, .width = 8 }, NULL) : NULL;
        pn_view_batch b;
        const pn_status status = l ? pn_view_loader_next(l, &b) : PN_ERR_NOMEM;
        pn_view_loader_free(l);
        pn_views_free(v);
        const bool refused = scratch_fail_at(0) <= 0;
        ck_assert_uint_eq(scratch_live(), before);
        ck_assert_int_eq(status, refused ? PN_ERR_NOMEM : PN_OK);
        if (!refused) break;
    }
}
END_TEST

START_TEST(another_number_of_views_is_refused)
{
    pn_synth_opt o = small_set;
    o.out = scratch_path("none");
    o.views = 6;
    assert_fails(pn_synth_write_view(scratch_ctx(), &o), PN_ERR_ARG, "views is 6, expected 54 or more; 18 azimuths at 3");
    ck_assert(!pn_folder_exists(scratch_ctx(), scratch_path("none")));
}
END_TEST

TCase *views_cases(void)
{
    TCase *tc = tcase_create("views");
    tcase_add_test(tc, an_object_is_the_same_again_and_people_after_it_are_too);
    tcase_add_test(tc, sides_are_seen_where_azimuth_and_elevation_put_them);
    tcase_add_test(tc, the_front_is_seen_from_the_front_and_the_top_from_above);
    tcase_add_test(tc, one_thread_and_three_write_the_same_views);
    tcase_add_test(tc, a_set_is_read_back_by_model_azimuth_and_elevation);
    tcase_add_test(tc, what_is_wrong_with_a_list_is_said_with_its_line);
    tcase_add_test(tc, pairs_are_those_of_a_list_or_of_the_published_test);
    tcase_add_test(tc, every_view_is_a_source_once_and_targets_are_of_its_model_and_elevation);
    tcase_add_test(tc, batches_go_on_from_where_they_were_and_do_not_depend_on_threads);
    tcase_add_test(tc, refused_memory_is_told_and_nothing_of_views_is_lost);
    tcase_add_test(tc, another_number_of_views_is_refused);
    return tc;
}
