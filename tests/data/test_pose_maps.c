/* tests/data/test_pose_maps.c - maps of limbs, and which joints and limbs lie in which class */
#include "data/scratch.h"

#include <math.h>
#include <string.h>

enum { H = 12, W = 20, PLANE = H * W, MAPS = PN_JOINTS + PN_LIMBS };

static pn_pose nobody(void)
{
    pn_pose p;
    pn_pose_clear(&p);
    return p;
}

static float at(const float *maps, int limb, int y, int x) { return maps[(PN_JOINTS + limb) * PLANE + y * W + x]; }

START_TEST(poses_have_30_maps_with_limbs_and_18_without)
{
    ck_assert_int_eq(pn_pose_channels(PN_LIMBS_NONE), 18);
    ck_assert_int_eq(pn_pose_channels(PN_LIMBS_SEGMENT), 30);
    ck_assert_int_eq(pn_pose_channels(PN_LIMBS_LINE), 30);
    static float maps[MAPS * PLANE], joints[PN_JOINTS * PLANE];
    pn_pose pose = nobody();
    pose.x[PN_NECK] = 3.7, pose.y[PN_NECK] = 5.2;
    pn_pose_maps(&pose, H, W, 6, PN_LIMBS_SEGMENT, maps);
    pn_pose_heatmaps(&pose, H, W, 6, joints);
    ck_assert_mem_eq(maps, joints, sizeof joints);
    for (int i = PN_JOINTS * PLANE; i < MAPS * PLANE; i++) ck_assert_float_eq(maps[i], 0);  /* no limb has both ends */
}
END_TEST

/* Neck (3,5) to right shoulder (9,5) is limb 0; ends are cut to whole pixels, pixels have no half. */
START_TEST(a_limb_falls_off_with_the_distance_from_its_segment_or_its_line)
{
    static float maps[MAPS * PLANE];
    pn_pose pose = nobody();
    pose.x[PN_NECK] = 3.9, pose.y[PN_NECK] = 5.9;
    pose.x[PN_R_SHOULDER] = 9.2, pose.y[PN_R_SHOULDER] = 5.1;
    pn_pose_maps(&pose, H, W, 6, PN_LIMBS_SEGMENT, maps);
    ck_assert_float_eq(at(maps, 0, 5, 3), 1);
    ck_assert_float_eq(at(maps, 0, 5, 7), 1);
    ck_assert_float_eq(at(maps, 0, 8, 7), (float)exp(-0.3));
    ck_assert_float_eq(at(maps, 0, 5, 19), (float)exp(-1));
    ck_assert_float_eq(at(maps, 0, 9, 0), (float)exp(-0.5));            /* 3 and 4 from the end */
    pn_pose_maps(&pose, H, W, 6, PN_LIMBS_LINE, maps);
    ck_assert_float_eq(at(maps, 0, 5, 19), 1);
    ck_assert_float_eq(at(maps, 0, 9, 0), (float)exp(-0.4));
}
END_TEST

START_TEST(a_limb_of_no_length_is_a_point_and_one_far_away_shows_nothing)
{
    static float maps[MAPS * PLANE];
    pn_pose pose = nobody();
    pose.x[PN_R_HIP] = pose.x[PN_R_KNEE] = 4, pose.y[PN_R_HIP] = pose.y[PN_R_KNEE] = 6;     /* limb 7 */
    pose.x[PN_L_HIP] = 1e200, pose.y[PN_L_HIP] = 1, pose.x[PN_L_KNEE] = -1e200, pose.y[PN_L_KNEE] = 2;  /* limb 10 */
    for (int kind = PN_LIMBS_SEGMENT; kind <= PN_LIMBS_LINE; kind++) {
        pn_pose_maps(&pose, H, W, 6, (pn_limb_maps)kind, maps);
        ck_assert_float_eq(at(maps, 7, 6, 4), 1);
        ck_assert_float_eq(at(maps, 7, 10, 7), (float)exp(-0.5));
        for (int i = 0; i < PLANE; i++) ck_assert_float_eq(maps[(PN_JOINTS + 10) * PLANE + i], 0);
    }
}
END_TEST

START_TEST(a_class_has_its_joints_and_the_limbs_between_two_of_them)
{
    pn_class_parts p;
    assert_works(pn_class_parts_find(scratch_ctx(), 8, &p));
    ck_assert_int_eq(p.classes, 8);
    ck_assert_uint_eq(p.joints[0], 0);
    ck_assert_uint_eq(p.joints[1], 0x3f00);             /* pants: 8 to 13 */
    ck_assert_uint_eq(p.limbs[1], 1u << 7 | 1u << 8 | 1u << 10 | 1u << 11);
    ck_assert_uint_eq(p.limbs[2], 0);                   /* hair */
    ck_assert_uint_eq(p.limbs[3], 1u << 7 | 1u << 10);  /* skirt: thighs */
    ck_assert_uint_eq(p.joints[4], 1u << 0 | 1u << 1 | 0xfu << 14);
    ck_assert_uint_eq(p.limbs[4], 0);
    ck_assert_uint_eq(p.limbs[5], 1u << 0 | 1u << 1 | 1u << 2 | 1u << 4 | 1u << 6 | 1u << 9);  /* shoulders, upper arms, trunk */
    ck_assert_uint_eq(p.joints[6], 0xfc);
    ck_assert_uint_eq(p.limbs[6], 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5);
    ck_assert_uint_eq(p.joints[7], p.joints[1]);
}
END_TEST

START_TEST(one_class_has_everything_and_twenty_have_their_own_joints)
{
    pn_class_parts p;
    assert_works(pn_class_parts_find(scratch_ctx(), 1, &p));
    ck_assert_uint_eq(p.joints[0], 0x3ffff);
    ck_assert_uint_eq(p.limbs[0], 0xfff);
    assert_works(pn_class_parts_find(scratch_ctx(), 20, &p));
    ck_assert_int_eq(p.classes, 20);
    ck_assert_uint_eq(p.joints[0], 0);
    ck_assert_uint_eq(p.joints[3], 1u << 4 | 1u << 7);
    ck_assert_uint_eq(p.joints[18], 1u << 12 | 1u << 13);
    ck_assert_uint_eq(p.limbs[18], 1u << 11);
    ck_assert_uint_eq(p.limbs[14], 1u << 4 | 1u << 5);
    assert_fails(pn_class_parts_find(scratch_ctx(), 7, &p), PN_ERR_ARG, "no table of joints for 7 classes, expected 1, 8 or 20");
    ck_assert_int_eq(p.classes, 20);
}
END_TEST

START_TEST(label_10_is_clothes_for_lip_and_skin_for_cihp_and_merged_maps_stay)
{
    pn_merge m;
    assert_works(pn_merge_find(scratch_ctx(), "lip20", &m));
    ck_assert_uint_eq(m.to[10], 5);
    assert_works(pn_merge_find(scratch_ctx(), "cihp20", &m));
    ck_assert_uint_eq(m.to[10], 6);
    assert_works(pn_merge_find(scratch_ctx(), "merged8", &m));
    ck_assert_int_eq(m.classes, 8);
    for (int i = 0; i < 256; i++) ck_assert_uint_eq(m.to[i], (unsigned)(i < 8 ? i : 0));
}
END_TEST

TCase *pose_maps_cases(void)
{
    TCase *t = tcase_create("pose_maps");
    tcase_add_test(t, poses_have_30_maps_with_limbs_and_18_without);
    tcase_add_test(t, a_limb_falls_off_with_the_distance_from_its_segment_or_its_line);
    tcase_add_test(t, a_limb_of_no_length_is_a_point_and_one_far_away_shows_nothing);
    tcase_add_test(t, a_class_has_its_joints_and_the_limbs_between_two_of_them);
    tcase_add_test(t, one_class_has_everything_and_twenty_have_their_own_joints);
    tcase_add_test(t, label_10_is_clothes_for_lip_and_skin_for_cihp_and_merged_maps_stay);
    return t;
}
