/* tests/data/test_clips.c - sequences: what is read of a clip, chunks for recurrent training, tracks of key points */
#include "data/scratch.h"
#include "posenet/clips.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { H = 16, W = 12, PLANE = H * W };

/* ---- Small clips: frame f of clip c is one grey, and its joints lie at places that follow from c and f ---------- */

static void write_points(const char *name, int count, double x, double y)
{
    char text[2048] = "{\"people\":[{\"pose_keypoints_2d\":[";
    for (int j = 0; j < count; j++) {
        char point[64];
        if (j == 3) snprintf(point, sizeof point, "0,0,0");
        else snprintf(point, sizeof point, "%g,%g,0.9", x + 0.25 * j, y + 0.5 * j);
        strcat(text, j ? "," : "");
        strcat(text, point);
    }
    strcat(text, "]}]}");
    scratch_write(name, text);
}

static int grey_of(int clip, int frame) { return 40 * clip + 3 * frame; }

static void write_clip(const char *set, int clip, int frames)
{
    char name[128];
    for (int f = 0; f < frames; f++) {
        pn_image image;
        assert_works(pn_image_new(scratch_ctx(), H, W, 3, &image));
        memset(image.pixels, grey_of(clip, f), 3 * PLANE);
        snprintf(name, sizeof name, "%s/train_256/train_A/c%d/%03d.png", set, clip, f);
        assert_works(pn_image_write(scratch_ctx(), scratch_path(name), &image));
        pn_image_free(scratch_ctx(), &image);
        snprintf(name, sizeof name, "%s/train_256/train_alphapose/c%d/%03d.json", set, clip, f);
        write_points(name, 18, 1.0 + clip, 2.0 + 0.1 * f);
        snprintf(name, sizeof name, "%s/train_256/train_video2d/c%d/%03d.json", set, clip, f);
        write_points(name, 17, 2.0 + clip, 3.0 + 0.1 * f);
    }
}

static const char *small_set(const char *set)
{
    write_clip(set, 0, 12);
    write_clip(set, 1, 9);
    write_clip(set, 2, 14);
    return scratch_path(set);
}

static const pn_clips_opt dance = { .kind = PN_CLIPS_DANCE };

static pn_clips *open_clips(const char *folder, const pn_clips_opt *opt)
{
    pn_clips *c = pn_clips_open(scratch_ctx(), folder, "train", opt);
    if (!c) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return c;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

START_TEST(clips_are_sorted_and_a_missing_point_is_minus_one)
{
    pn_clips *c = open_clips(small_set("set"), &dance);
    ck_assert_int_eq((int)pn_clips_count(c), 3);
    ck_assert_str_eq(pn_clips_clip(c, 1)->name, "c1");
    ck_assert_int_eq((int)pn_clips_clip(c, 1)->frames, 9);
    ck_assert(!pn_clips_masks(c));
    pn_pose17 clean;
    pn_pose noisy;
    assert_works(pn_clips_clean(c, 2, 5, &clean));
    assert_works(pn_clips_noisy(c, 2, 5, &noisy));
    ck_assert_double_eq_tol(clean.x[4], 2.0 + 2 + 1.0, 1e-12);
    ck_assert_double_eq_tol(clean.y[4], 3.0 + 0.5 + 2.0, 1e-12);
    ck_assert_double_eq_tol(noisy.x[17], 1.0 + 2 + 4.25, 1e-12);
    ck_assert(!pn_pose17_has(&clean, 3) && !pn_pose_has(&noisy, 3) && pn_pose17_has(&clean, 2));
    pn_clips_free(c);
}
END_TEST

START_TEST(a_frame_is_its_picture_and_the_maps_of_its_pose)
{
    static float picture[3 * 4 * PLANE], map[PN_DANCE_CHANNELS * 4 * PLANE];
    pn_clips *c = open_clips(small_set("set"), &dance);
    assert_works(pn_clips_frame(c, 1, 4, PN_DRIVING, 2 * H, 2 * W, picture, map, NULL));
    ck_assert_float_eq_tol(picture[7], (float)grey_of(1, 4) / 127.5f - 1.0f, 1e-6f);
    /* joint 6 of the 17 at twice its place: an exact Gaussian about a centre between pixels */
    const double x = 2.0 * (3.0 + 1.5), y = 2.0 * (3.4 + 3.0);
    for (int i = 0; i < 4 * PLANE; i += 5) {
        const double dx = i % (2 * W) - x, dy = i / (2 * W) - y;
        ck_assert_float_eq_tol(map[6 * 4 * PLANE + i], (float)exp(-(dx * dx + dy * dy) / 72.0), 1e-6f);
        ck_assert(map[3 * 4 * PLANE + i] == 0.0f);                      /* missing */
    }
    float most = 0.0f;
    for (int i = PN_JOINTS17 * 4 * PLANE; i < PN_DANCE_CHANNELS * 4 * PLANE; i++) most = fmaxf(most, map[i]);
    ck_assert_float_eq(most, 255.0f);                                   /* the skeleton is not scaled */
    /* the reference has the noisy points in COCO's order: 5 is the left shoulder, OpenPose's 5 */
    assert_works(pn_clips_frame(c, 1, 4, PN_REFERENCE, H, W, NULL, map, NULL));
    const double rx = 2.0 + 0.25 * 5, ry = 2.4 + 0.5 * 5;
    ck_assert_float_eq_tol(map[5 * PLANE + 3 * W + 4],
                           (float)exp(-((3 - ry) * (3 - ry) + (4 - rx) * (4 - rx)) / 72.0), 1e-6f);
    pn_clips_free(c);
}
END_TEST

START_TEST(the_grid_of_the_points_may_be_another_than_the_frames)
{
    float map[PN_DANCE_CHANNELS * PLANE];
    small_set("set");
    scratch_write("set/dataset.ini", "kp_size = 160x120\n");
    pn_clips *c = open_clips(scratch_path("set"), &dance);
    assert_works(pn_clips_frame(c, 0, 0, PN_DRIVING, H, W, NULL, map, NULL));
    const double x = 0.1 * 2.0, y = 0.1 * 3.0;
    ck_assert_float_eq_tol(map[0], (float)exp(-(x * x + y * y) / 72.0), 1e-6f);
    pn_clips_free(c);
}
END_TEST

START_TEST(what_is_wrong_with_a_clip_is_said_with_its_place)
{
    float map[PN_DANCE_CHANNELS * PLANE];
    const char *folder = small_set("set");
    ck_assert_ptr_null(pn_clips_open(scratch_ctx(), scratch_path("nowhere"), "train", &dance));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "nowhere/train_256/train_A is no folder"));
    scratch_write("set/train_256/train_alphapose/c1/zzz.json", "{}");
    ck_assert_ptr_null(pn_clips_open(scratch_ctx(), folder, "train", &dance));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "train_alphapose/c1 has 10 files for the 9 frames"));
    write_clip("other", 7, 6);
    pn_clips *c = open_clips(scratch_path("other"), &dance);
    scratch_write("other/train_256/train_video2d/c7/002.json", "{\"people\":[{\"pose_keypoints_2d\":[1,2,3]}]}");
    assert_fails(pn_clips_frame(c, 0, 2, PN_DRIVING, H, W, NULL, map, NULL), PN_ERR_FORMAT,
                 "c7/002.json: a person with 3 numbers, expected 51");
    scratch_write("other/train_256/train_video2d/c7/003.json", "{\"people\":3}");
    assert_fails(pn_clips_frame(c, 0, 3, PN_DRIVING, H, W, NULL, map, NULL), PN_ERR_FORMAT, "no list of people");
    scratch_write("other/train_256/train_A/c7/001.png", "no picture");
    assert_fails(pn_clips_frame(c, 0, 1, PN_DRIVING, H, W, map, NULL, NULL), PN_ERR_FORMAT, "c7/001.png");
    assert_fails(pn_clips_frame(c, 0, 6, PN_DRIVING, H, W, map, NULL, NULL), PN_ERR_ARG, "frame is 6, expected 0 to 5");
    assert_fails(pn_clips_frame(c, 1, 0, PN_DRIVING, H, W, map, NULL, NULL), PN_ERR_ARG, "clip is 1, expected 0 to 0");
    assert_fails(pn_clips_frame(c, 0, 0, PN_DRIVING, H, W, NULL, NULL, map), PN_ERR_FORMAT, "has no masks (train_C)");
    pn_clips_free(c);
}
END_TEST

START_TEST(without_clean_points_nothing_drives)
{
    float map[PN_DANCE_CHANNELS * PLANE];
    scratch_write("bare/train_256/train_A/v/x.txt", "left by a program");
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), H, W, 3, &image));
    assert_works(pn_image_write(scratch_ctx(), scratch_path("bare/train_256/train_A/v/1.png"), &image));
    write_points("bare/train_256/train_alphapose/v/1.json", 18, 3.0, 3.0);
    pn_clips *c = open_clips(scratch_path("bare"), &dance);
    ck_assert_int_eq((int)pn_clips_clip(c, 0)->frames, 1);
    assert_works(pn_clips_frame(c, 0, 0, PN_REFERENCE, H, W, NULL, map, NULL));
    assert_fails(pn_clips_frame(c, 0, 0, PN_DRIVING, H, W, NULL, map, NULL), PN_ERR_FORMAT, "no clean key points");
    ck_assert_ptr_null(pn_tracks_new(c));
    pn_clips_free(c);
    pn_image_free(scratch_ctx(), &image);
}
END_TEST

/* ---- Chunks ----------------------------------------------------------------------------------------------------- */

static const pn_chunks_opt shuffled = { .batch = 2, .height = H, .width = W, .frames = 3, .sample = 9, .order = PN_SHUFFLED,
                                        .seed = 5 };

static pn_chunks *begin(pn_clips *c, const pn_chunks_opt *o, const pn_loader_state *from)
{
    pn_chunks *l = pn_chunks_new(c, o, from);
    if (!l) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return l;
}

static double grey(const float *picture) { return ((double)picture[0] + 1.0) * 127.5; }

START_TEST(chunks_follow_each_other_through_a_sample)
{
    pn_clips *c = open_clips(small_set("set"), &dance);
    pn_chunks *l = begin(c, &shuffled, NULL);
    ck_assert_int_eq((int)pn_chunks_epoch(l), 3);       /* three clips give one group of two; its sample three chunks */
    ptrdiff_t clip[2] = { 0 }, next[2] = { 0 };
    double reference[2] = { 0.0 };
    for (int n = 0; n < 12; n++) {
        pn_chunk k;
        assert_works(pn_chunks_next(l, &k));
        ck_assert_int_eq(k.begins, n % 3 == 0);
        ck_assert_int_eq((int)k.epoch, n / 3);
        ck_assert_ptr_null(k.mask);
        for (int b = 0; b < 2; b++) {
            if (k.begins) {
                clip[b] = k.clip[b];
                next[b] = k.first[b];
                reference[b] = grey(k.reference + b * 3 * PLANE);
            }
            ck_assert_int_eq((int)k.clip[b], (int)clip[b]);
            ck_assert_int_eq((int)k.first[b], (int)next[b]);
            ck_assert_double_eq_tol(grey(k.reference + b * 3 * PLANE), reference[b], 1e-4);
            for (int t = 0; t < 3; t++)
                ck_assert_double_eq_tol(grey(k.picture + (t * 2 + b) * 3 * PLANE),
                                        grey_of((int)clip[b], (int)next[b] + t), 1e-4);
            next[b] += 3;
            ck_assert_int_le((int)next[b], (int)pn_clips_clip(c, clip[b])->frames);
        }
        ck_assert_int_ne((int)k.clip[0], (int)k.clip[1]);
    }
    pn_chunks_free(l);
    pn_clips_free(c);
}
END_TEST

START_TEST(chunks_go_on_from_where_they_were_and_do_not_depend_on_threads)
{
    char why[256];
    pn_ctx *three = pn_ctx_new(&(pn_ctx_opt){ .threads = 3 }, why);
    const char *folder = small_set("set");
    pn_chunks_opt o = shuffled;
    o.augment = PN_CLIP_AUGMENT_FASHION;
    pn_clips *a = open_clips(folder, &dance), *b = pn_clips_open(three, folder, "train", &dance);
    pn_chunks *first = begin(a, &o, NULL);
    pn_chunk x, y;
    for (int n = 0; n < 7; n++) assert_works(pn_chunks_next(first, &x));
    const pn_loader_state at = pn_chunks_where(first);
    ck_assert_int_eq((int)at.epoch, 2);
    ck_assert_int_eq((int)at.position, 1);
    o.seed = 99;                                        /* the state's counts */
    pn_chunks *second = pn_chunks_new(b, &o, &at);
    ck_assert_ptr_nonnull(second);
    for (int n = 0; n < 5; n++) {
        assert_works(pn_chunks_next(first, &x));
        assert_works(pn_chunks_next(second, &y));
        ck_assert_int_eq(memcmp(x.picture, y.picture, 3 * 2 * 3 * PLANE * sizeof(float)), 0);
        ck_assert_int_eq(memcmp(x.structure, y.structure, 3 * 2 * PN_DANCE_CHANNELS * PLANE * sizeof(float)), 0);
        ck_assert_int_eq(memcmp(x.reference, y.reference, 2 * 3 * PLANE * sizeof(float)), 0);
        ck_assert_int_eq(memcmp(x.reference_structure, y.reference_structure, 2 * PN_DANCE_CHANNELS * PLANE * sizeof(float)),
                         0);
    }
    pn_chunks_free(first);
    pn_chunks_free(second);
    pn_clips_free(a);
    pn_clips_free(b);
    pn_ctx_free(three);
}
END_TEST

START_TEST(in_order_a_clip_begins_at_its_first_frame_and_defaults_fit_the_shortest)
{
    pn_clips *c = open_clips(small_set("set"), &dance);
    pn_chunks *l = begin(c, &(pn_chunks_opt){ .batch = 1, .height = H, .width = W, .order = PN_IN_ORDER }, NULL);
    ck_assert_int_eq((int)pn_chunks_epoch(l), 3);       /* nine frames hold one chunk of six */
    for (int n = 0; n < 3; n++) {
        pn_chunk k;
        assert_works(pn_chunks_next(l, &k));
        ck_assert_int_eq((int)k.frames, 6);
        ck_assert_int_eq((int)k.clip[0], n);
        ck_assert_int_eq((int)k.first[0], 0);
        ck_assert_double_eq_tol(grey(k.reference), grey_of(n, 0), 1e-4);
    }
    pn_chunks_free(l);
    pn_clips_free(c);
}
END_TEST

START_TEST(chunks_that_cannot_be_are_refused_and_a_bad_frame_is_named)
{
    pn_clips *c = open_clips(small_set("set"), &dance);
    pn_chunks_opt o = shuffled;
    o.batch = 4;
    ck_assert_ptr_null(pn_chunks_new(c, &o, NULL));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "batch is 4, expected 1 to 3"));
    o = shuffled;
    o.sample = 12;
    ck_assert_ptr_null(pn_chunks_new(c, &o, NULL));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "the clip c1 has 9 frames, fewer than the 12"));
    o.sample = 8;
    ck_assert_ptr_null(pn_chunks_new(c, &o, NULL));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "no whole number of chunks of 3; take 6"));
    o = shuffled;
    o.batch = 3;
    pn_chunks *l = begin(c, &o, NULL);
    pn_chunk k;
    scratch_write("set/train_256/train_video2d/c1/004.json", "[");
    assert_works(pn_chunks_next(l, &k));                /* frames 0 to 2 of clip 1: it has nine, all in the sample */
    assert_fails(pn_chunks_next(l, &k), PN_ERR_FORMAT, "c1/004.json: not JSON");
    assert_fails(pn_chunks_next(l, &k), PN_ERR_FORMAT, "c1/004.json: not JSON");
    write_points("set/train_256/train_video2d/c1/004.json", 17, 1.0, 1.0);
    assert_works(pn_chunks_next(l, &k));
    ck_assert_int_eq((int)pn_chunks_where(l).position, 2);
    pn_chunks_free(l);
    pn_clips_free(c);
}
END_TEST

/* ---- Tracks ----------------------------------------------------------------------------------------------------- */

START_TEST(a_track_is_normalised_and_its_ends_stay)
{
    enum { T = 4, WIDE = T + 2 * PN_TRACK_MARGIN };
    static float noisy[PN_TRACK_CHANNELS * WIDE], clean[PN_TRACK_CHANNELS * T];
    pn_clips *c = open_clips(small_set("set"), &dance);
    pn_tracks *t = pn_tracks_new(c);
    ck_assert_ptr_nonnull(t);
    pn_tracks_window(t, 2, 5, T, noisy, clean);
    for (int i = 0; i < T; i++) {
        ck_assert_float_eq_tol(clean[2 * 4 * T + i], (float)(2.0 * (3.0 + 0.1 * (5 + i) + 2.0) / H - 1.0), 1e-6f);
        ck_assert_float_eq_tol(clean[(2 * 4 + 1) * T + i], (float)(2.0 * (4.0 + 1.0) / W - 1.0), 1e-6f);
        ck_assert_float_eq(clean[2 * 3 * T + i], -1.0f);                /* missing */
    }
    for (int i = 0; i < WIDE; i++) {
        const int f = 5 + i - PN_TRACK_MARGIN, kept = f < 0 ? 0 : f > 13 ? 13 : f;
        ck_assert_float_eq_tol(noisy[2 * 5 * WIDE + i], (float)(2.0 * (2.0 + 0.1 * kept + 2.5) / H - 1.0), 1e-6f);
    }
    pn_rng rng = pn_rng_make(1, 2), again = rng;
    static float many[2][3 * PN_TRACK_CHANNELS * WIDE], some[2][3 * PN_TRACK_CHANNELS * T];
    pn_tracks_draw(t, &rng, 3, T, many[0], some[0]);
    pn_tracks_draw(t, &again, 3, T, many[1], some[1]);
    ck_assert_int_eq(memcmp(many[0], many[1], sizeof many[0]), 0);
    ck_assert_int_eq(memcmp(some[0], some[1], sizeof some[0]), 0);
    pn_tracks_free(t);
    pn_clips_free(c);
}
END_TEST

START_TEST(refused_memory_is_told_and_nothing_is_lost)
{
    const char *folder = small_set("set");
    const size_t before = scratch_live();
    for (long k = 1;; k++) {
        scratch_fail_at(k);
        pn_clips *c = pn_clips_open(scratch_ctx(), folder, "train", &dance);
        pn_chunks *l = c ? pn_chunks_new(c, &shuffled, NULL) : NULL;
        pn_chunk chunk;
        const pn_status status = l ? pn_chunks_next(l, &chunk) : PN_ERR_NOMEM;
        pn_tracks *t = c ? pn_tracks_new(c) : NULL;
        const bool all = t != NULL && status == PN_OK;
        pn_tracks_free(t);
        pn_chunks_free(l);
        pn_clips_free(c);
        const bool refused = scratch_fail_at(0) <= 0;
        ck_assert_uint_eq(scratch_live(), before);
        ck_assert_int_ne(refused, all);
        if (!refused) break;
        ck_assert(status == PN_OK || status == PN_ERR_NOMEM);
        ck_assert_int_eq(pn_ctx_status(scratch_ctx()), PN_ERR_NOMEM);
    }
}
END_TEST

TCase *clips_cases(void)
{
    TCase *tc = tcase_create("clips");
    tcase_add_test(tc, clips_are_sorted_and_a_missing_point_is_minus_one);
    tcase_add_test(tc, a_frame_is_its_picture_and_the_maps_of_its_pose);
    tcase_add_test(tc, the_grid_of_the_points_may_be_another_than_the_frames);
    tcase_add_test(tc, what_is_wrong_with_a_clip_is_said_with_its_place);
    tcase_add_test(tc, without_clean_points_nothing_drives);
    tcase_add_test(tc, chunks_follow_each_other_through_a_sample);
    tcase_add_test(tc, chunks_go_on_from_where_they_were_and_do_not_depend_on_threads);
    tcase_add_test(tc, in_order_a_clip_begins_at_its_first_frame_and_defaults_fit_the_shortest);
    tcase_add_test(tc, chunks_that_cannot_be_are_refused_and_a_bad_frame_is_named);
    tcase_add_test(tc, a_track_is_normalised_and_its_ends_stay);
    tcase_add_test(tc, refused_memory_is_told_and_nothing_is_lost);
    return tc;
}
