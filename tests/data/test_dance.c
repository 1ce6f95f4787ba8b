/* tests/data/test_dance.c - synthetic people who walk and dance: smooth, one camera, key points where the picture says */
#include "data/scratch.h"
#include "data/synth.h"

#include <stdio.h>
#include <string.h>

enum { H = 128, W = 128, PIXELS = H * W, FRAMES = 40 };

static pn_synth *studio(void)
{
    pn_synth *s = pn_synth_new(scratch_ctx(), H, W);
    if (!s) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return s;
}

START_TEST(frames_can_be_drawn_in_any_order)
{
    pn_synth *a = studio(), *b = studio();
    pn_synth_dance_draw(a, 3, 2, 17);
    pn_synth_draw(b, 3, 2, 1);
    pn_synth_dance_draw(b, 3, 2, 4);
    ck_assert_int_ne(memcmp(a->seen.picture.pixels, b->seen.picture.pixels, 3 * PIXELS), 0);
    pn_synth_dance_draw(b, 3, 2, 17);
    ck_assert_int_eq(memcmp(a->seen.picture.pixels, b->seen.picture.pixels, 3 * PIXELS), 0);
    ck_assert_int_eq(memcmp(&a->clean, &b->clean, sizeof a->clean), 0);
    ck_assert_int_eq(memcmp(&a->noisy, &b->noisy, sizeof a->noisy), 0);
    pn_synth_free(a);
    pn_synth_free(b);
}
END_TEST

static double apart(const pn_pose17 *a, const pn_pose17 *b, int j) { return hypot(a->x[j] - b->x[j], a->y[j] - b->y[j]); }

START_TEST(motion_is_smooth_stays_in_the_picture_and_is_not_standing)
{
    pn_synth *s = studio();
    for (int person = 0; person < 10; person++) {
        pn_pose17 before = { { 0 }, { 0 } }, first = before;
        double moved = 0.0;
        for (int f = 0; f < FRAMES; f++) {
            pn_synth_dance_draw(s, 4, person, f);
            for (int j = 0; j < PN_JOINTS17; j++) {
                ck_assert(s->clean.x[j] > 0.0 && s->clean.x[j] < W && s->clean.y[j] > 0.0 && s->clean.y[j] < H);
                if (f == 0) continue;
                /* a hand that is thrown up in five frames covers a third of a body */
                ck_assert_msg(apart(&s->clean, &before, j) < 0.12 * H, "person %d, frame %d, joint %d jumps by %g", person, f,
                              j, apart(&s->clean, &before, j));
                moved = fmax(moved, apart(&s->clean, &first, j));
            }
            if (f == 0) first = s->clean;
            before = s->clean;
        }
        ck_assert_msg(moved > 0.08 * H, "person %d moves by %g pixels in all", person, moved);
    }
    pn_synth_free(s);
}
END_TEST

START_TEST(the_camera_and_the_studio_stay)
{
    pn_synth *s = studio();
    uint8_t corner[3];
    for (int f = 0; f < FRAMES; f += 3) {
        pn_synth_dance_draw(s, 4, 1, f);
        if (f == 0) memcpy(corner, s->seen.picture.pixels, 3);
        ck_assert_int_eq(memcmp(corner, s->seen.picture.pixels, 3), 0);
    }
    pn_synth_free(s);
}
END_TEST

static int label_at(const pn_synth *s, double x, double y)
{
    return s->seen.labels.pixels[(int)(y + 0.5) * W + (int)(x + 0.5)];
}

START_TEST(clean_points_lie_on_the_person_and_noisy_ones_about_them)
{
    static const int same[][2] = {                      /* of the 17, of the 18 */
        { PN_H36M_R_HIP, PN_R_HIP }, { PN_H36M_R_KNEE, PN_R_KNEE }, { PN_H36M_R_ANKLE, PN_R_ANKLE },
        { PN_H36M_L_HIP, PN_L_HIP }, { PN_H36M_L_KNEE, PN_L_KNEE }, { PN_H36M_L_ANKLE, PN_L_ANKLE },
        { PN_H36M_L_SHOULDER, PN_L_SHOULDER }, { PN_H36M_L_WRIST, PN_L_WRIST }, { PN_H36M_R_SHOULDER, PN_R_SHOULDER },
        { PN_H36M_R_ELBOW, PN_R_ELBOW }, { PN_H36M_NOSE, PN_NOSE },
    };
    pn_synth *s = studio();
    int on = 0, all = 0, near_ = 0, found = 0, lost = 0, exact = 0;
    for (int person = 0; person < 8; person++) {
        for (int f = 0; f < FRAMES; f += 5) {
            pn_synth_dance_draw(s, 6, person, f);
            for (int j = 0; j < PN_JOINTS17; j++, all++)
                on += label_at(s, s->clean.x[j], s->clean.y[j] + (j == PN_H36M_HEAD)) != 0;
            for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
                const int a = same[i][0], b = same[i][1];
                if (!pn_pose_has(&s->noisy, b)) { lost++; continue; }
                const double d = hypot(s->clean.x[a] - s->noisy.x[b], s->clean.y[a] - s->noisy.y[b]);
                found++;
                near_ += d < 0.03 * H;
                exact += d == 0.0;
            }
        }
    }
    ck_assert_msg(on > 0.98 * all, "%d of %d clean points lie on the person", on, all);
    ck_assert_msg(near_ > 0.90 * found && near_ < found, "%d of %d noisy points are near", near_, found);
    ck_assert_int_eq(exact, 0);
    ck_assert_int_gt(lost, 5);
    ck_assert_int_gt(found, 3 * lost);
    pn_synth_free(s);
}
END_TEST

/* ---- A whole set ------------------------------------------------------------------------------------------------ */

static void write_set(pn_ctx *ctx, const char *name)
{
    if (pn_synth_write_dance(ctx, &(pn_synth_opt){ .out = scratch_path(name), .people = 3, .views = 7, .height = 48, .width = 40,
                                                   .seed = 9 }))
        ck_abort_msg("%s", pn_ctx_message(ctx));
}

START_TEST(one_thread_and_three_write_the_same_clips)
{
    char why[256], path[2][512];
    pn_ctx *one = pn_ctx_new(&(pn_ctx_opt){ .threads = 1 }, why), *three = pn_ctx_new(&(pn_ctx_opt){ .threads = 3 }, why);
    write_set(one, "one");
    write_set(three, "three");
    static const char *const parts[][2] = { { "train_A", "png" }, { "train_alphapose", "json" }, { "train_video2d", "json" },
                                            { "train_C", "png" } };
    for (int clip = 1; clip <= 3; clip++)
        for (int f = 0; f < 7; f++)
            for (int p = 0; p < 4; p++) {
                for (int k = 0; k < 2; k++)
                    snprintf(path[k], sizeof path[k], "%s/%s_256/%s/dance%05d/%05d.%s", scratch_path(k ? "three" : "one"),
                             clip < 3 ? "train" : "test", parts[p][0], clip, f, parts[p][1]);
                const pn_bytes a = scratch_read(path[0]), b = scratch_read(path[1]);
                ck_assert_msg(a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0, "%s differs", path[1]);
            }
    pn_ctx_free(one);
    pn_ctx_free(three);
}
END_TEST

START_TEST(the_set_is_read_back_as_it_was_drawn)
{
    write_set(scratch_ctx(), "set");
    pn_clips *c = pn_clips_open(scratch_ctx(), scratch_path("set"), "train", &(pn_clips_opt){ .kind = PN_CLIPS_DANCE });
    if (!c) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    ck_assert_int_eq((int)pn_clips_count(c), 2);
    ck_assert_int_eq((int)pn_clips_clip(c, 1)->frames, 7);
    ck_assert(pn_clips_masks(c));
    pn_synth *s = pn_synth_new(scratch_ctx(), 48, 40);
    pn_synth_dance_draw(s, 9, 1, 5);
    pn_pose17 clean;
    static float mask[48 * 40];
    assert_works(pn_clips_clean(c, 1, 5, &clean));
    for (int j = 0; j < PN_JOINTS17; j++) ck_assert_double_lt(apart(&clean, &s->clean, j), 0.001);
    assert_works(pn_clips_frame(c, 1, 5, PN_DRIVING, 48, 40, NULL, NULL, mask));
    for (int i = 0; i < 48 * 40; i++) ck_assert(mask[i] == (s->seen.labels.pixels[i] ? 1.0f : 0.0f));
    pn_synth_free(s);
    pn_clips_free(c);
}
END_TEST

/* Where the mask is empty, and only there: away from outlines every pixel is white. */
START_TEST(white_clips_have_nothing_behind_their_person)
{
    char path[512];
    pn_image frame, mask;
    const pn_synth_opt o = { .out = scratch_path("white"), .people = 2, .views = 6, .height = 64, .width = 48, .seed = 9, .white = true };
    assert_works(pn_synth_write_dance(scratch_ctx(), &o));
    snprintf(path, sizeof path, "%s/test_256/train_A/dance00002/00003.png", o.out);
    assert_works(pn_image_read(scratch_ctx(), path, &frame));
    snprintf(path, sizeof path, "%s/test_256/train_C/dance00002/00003.png", o.out);
    assert_works(pn_labels_read(scratch_ctx(), path, &mask));
    int behind = 0, white = 0, on = 0;
    for (int y = 1; y < 63; y++)
        for (int x = 1; x < 47; x++) {
            bool edge = false;
            for (int k = 0; k < 9; k++) edge |= mask.pixels[(y + k / 3 - 1) * 48 + x + k % 3 - 1] != mask.pixels[y * 48 + x];
            if (edge) continue;
            const uint8_t *c = &frame.pixels[3 * (y * 48 + x)];
            const bool is_white = c[0] == 255 && c[1] == 255 && c[2] == 255;
            behind += !mask.pixels[y * 48 + x];
            white += !mask.pixels[y * 48 + x] && is_white;
            on += mask.pixels[y * 48 + x] && !is_white;
        }
    ck_assert_int_eq(white, behind);
    ck_assert_int_gt(behind, 1500);
    ck_assert_int_gt(on, 100);
    pn_image_free(scratch_ctx(), &frame);
    pn_image_free(scratch_ctx(), &mask);
}
END_TEST

static double hue_apart(v3 a, v3 b) { return v3_length(v3_cross(a, b)) / (v3_length(a) * v3_length(b)); }

/* Of every garment, shoe and hat, the sine of the angle to the first garment's colour. */
START_TEST(who_is_dressed_to_match_wears_shades_of_one_colour)
{
    pn_synth *free_choice = studio(), *matched = studio();
    matched->matched = true;
    int several = 0;
    for (int person = 0; person < 10; person++) {
        pn_synth_draw(free_choice, 6, person, 0);
        pn_synth_draw(matched, 6, person, 0);
        const synth_person *one = matched->person, *other = free_choice->person;
        ck_assert_int_eq(one->materials, other->materials);
        ck_assert_int_eq(memcmp(&one->material[SYNTH_M_SKIN].colour, &other->material[SYNTH_M_SKIN].colour, sizeof(v3)), 0);
        for (int i = SYNTH_M_FREE + 1; i < one->materials; i++) {
            ck_assert(hue_apart(one->material[i].colour, one->material[SYNTH_M_FREE].colour) < 1e-9);
            several += hue_apart(other->material[i].colour, other->material[SYNTH_M_FREE].colour) > 0.05;
        }
        ck_assert_int_ne(memcmp(matched->seen.picture.pixels, free_choice->seen.picture.pixels, 3 * PIXELS), 0);
    }
    ck_assert_int_ge(several, 10);
    pn_synth_free(free_choice);
    pn_synth_free(matched);
}
END_TEST

/* The noisy points of a set as those that drive it, and the clean ones as they are. */
START_TEST(a_dance_follows_clean_points_or_openpose_turned_into_such)
{
    char folder[512];
    ptrdiff_t grid[2];
    pn_pose17 clean, driving;
    write_set(scratch_ctx(), "steps");
    pn_clips *c = pn_clips_open(scratch_ctx(), scratch_path("steps"), "test", &(pn_clips_opt){ .kind = PN_CLIPS_DANCE });
    for (int noisy = 0; noisy < 2; noisy++) {
        snprintf(folder, sizeof folder, "%s/test_256/%s/dance00003", scratch_path("steps"), noisy ? "train_alphapose" : "train_video2d");
        pn_poses *p = pn_poses_open(scratch_ctx(), folder);
        ck_assert_int_eq(pn_poses_count(p), 7);
        int far_off = 0, there = 0;
        for (int f = 0; f < 7; f++) {
            assert_works(pn_clips_clean(c, 0, f, &clean));
            assert_works(pn_poses_driving(p, f, &driving, grid));
            for (int j = 0; j < PN_JOINTS17; j++) {
                if (!pn_pose17_has(&driving, j)) continue;
                there++;
                far_off += apart(&clean, &driving, j) > (noisy ? 0.09 * 48 : 0);
            }
        }
        ck_assert_msg(noisy ? far_off < there / 10 : !far_off, "%d of %d points are far off", far_off, there);
        ck_assert_int_gt(there, noisy ? 80 : 7 * PN_JOINTS17 - 1);
        pn_landmarks marks;
        assert_fails(pn_poses_landmarks(p, 0, &marks), PN_ERR_FORMAT, "holds key points of a body, and landmarks of a face are asked for");
        pn_poses_free(p);
    }
    pn_clips_free(c);
}
END_TEST

START_TEST(what_is_made_of_a_missing_joint_is_missing)
{
    pn_pose pose;
    pn_pose_clear(&pose);
    for (int j = 0; j < PN_JOINTS; j++) pose.x[j] = 10 + j, pose.y[j] = 20;
    pose.y[PN_NOSE] = 10;
    pose.x[PN_NOSE] = 13.5;
    pn_pose17 out = pn_pose17_h36m_from_18(&pose);
    ck_assert(out.x[PN_H36M_HIP] == 10 + (PN_R_HIP + PN_L_HIP) / 2.0);
    ck_assert(out.x[PN_H36M_THORAX] == 13.5 && out.y[PN_H36M_SPINE] == 20);
    ck_assert_double_eq_tol(out.y[PN_H36M_HEAD], 3, 1e-9);
    pose.x[PN_L_SHOULDER] = -1;
    out = pn_pose17_h36m_from_18(&pose);
    for (int j = 0; j < PN_JOINTS17; j++)
        ck_assert(pn_pose17_has(&out, j) == (j != PN_H36M_THORAX && j != PN_H36M_SPINE && j != PN_H36M_HEAD && j != PN_H36M_L_SHOULDER));
}
END_TEST

START_TEST(a_set_without_enough_frames_is_refused)
{
    pn_synth_opt o = { .out = scratch_path("none"), .people = 2, .views = 5, .height = 48, .width = 40 };
    assert_fails(pn_synth_write_dance(scratch_ctx(), &o), PN_ERR_ARG, "views is 5, expected 6 or more; a chunk of frames has 6");
    o.views = 6;
    o.width = 8;
    assert_fails(pn_synth_write_dance(scratch_ctx(), &o), PN_ERR_LIMIT, "pn_synth_write_dance: size is 48x8");
    ck_assert(!pn_folder_exists(scratch_ctx(), scratch_path("none")));
}
END_TEST

TCase *dance_cases(void)
{
    TCase *tc = tcase_create("dance");
    tcase_add_test(tc, frames_can_be_drawn_in_any_order);
    tcase_add_test(tc, motion_is_smooth_stays_in_the_picture_and_is_not_standing);
    tcase_add_test(tc, the_camera_and_the_studio_stay);
    tcase_add_test(tc, clean_points_lie_on_the_person_and_noisy_ones_about_them);
    tcase_add_test(tc, one_thread_and_three_write_the_same_clips);
    tcase_add_test(tc, white_clips_have_nothing_behind_their_person);
    tcase_add_test(tc, who_is_dressed_to_match_wears_shades_of_one_colour);
    tcase_add_test(tc, the_set_is_read_back_as_it_was_drawn);
    tcase_add_test(tc, a_dance_follows_clean_points_or_openpose_turned_into_such);
    tcase_add_test(tc, what_is_made_of_a_missing_joint_is_missing);
    tcase_add_test(tc, a_set_without_enough_frames_is_refused);
    return tc;
}
