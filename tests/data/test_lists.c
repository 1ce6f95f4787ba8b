/* tests/data/test_lists.c - annotation files, pair files, JSON key points */
#include "data/scratch.h"
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

#define LIST "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, -1]"
#define HEADER "name:keypoints_y:keypoints_x\n"

static pn_status annotations(const char *text, pn_problems *problems, pn_annotations *out)
{
    scratch_write("a.csv", text);
    pn_bytes file = scratch_read(scratch_path("a.csv"));
    return pn_annotations_parse(scratch_ctx(), "a.csv", &file, problems, out);
}

static pn_status pairs(const char *text, pn_pairs *out)
{
    scratch_write("p.csv", text);
    pn_bytes file = scratch_read(scratch_path("p.csv"));
    return pn_pairs_parse(scratch_ctx(), "p.csv", &file, NULL, out);
}

/* The same row as OpenPose scripts, pandas, Windows editors and numpy 2 write it. */
START_TEST(rows_are_read_however_they_were_written)
{
    static const char *const texts[] = {
        HEADER "a b&.jpg: " LIST ": " LIST "\n",
        HEADER "a b&.jpg:" LIST ":" LIST,
        "\xef\xbb\xbfname:keypoints_y:keypoints_x\r\na b&.jpg:" LIST ":" LIST "\r\n\r\n",
        HEADER "a b&.jpg: [np.int64(1), np.int64(2), 3.7, 4,5,6,7,8,9,10,11,12,13,14,15,16,17, np.int64(-1)]: " LIST
               "\n",
    };
    pn_annotations a;
    assert_works(annotations(texts[_i], NULL, &a));
    ck_assert_uint_eq(a.count, 1);
    ck_assert_str_eq(a.rows[0].name, "a b&.jpg");
    ck_assert_int_eq((int)a.rows[0].pose.y[2], 3);
    ck_assert_int_eq((int)a.rows[0].pose.x[1], 2);
    ck_assert(!pn_pose_has(&a.rows[0].pose, 17));
    ck_assert(pn_pose_has(&a.rows[0].pose, 0));
    pn_annotations_free(&a);
}
END_TEST

START_TEST(bad_rows_name_file_and_line)
{
    static const char *const bad[][2] = {
        { HEADER "ok.jpg:" LIST ":" LIST "\nx.jpg:[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]:" LIST "\n",
          "a.csv:3: keypoints_y has 17 points, expected 18" },
        { HEADER "x.jpg:" LIST ":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]",
          "a.csv:2: keypoints_x has 19 points" },
        { HEADER "x.jpg:" LIST "\n", "a.csv:2: no ':' after keypoints_y" },
        { HEADER "x.jpg,1,2\n", "a.csv:2: 'x.jpg,1,2' is no row" },
        { HEADER "x.jpg:[1, two]:" LIST, "a.csv:2: value 2 of keypoints_y is 'two]" },
        { HEADER "x.jpg:[1, nan]:" LIST, "value 2 of keypoints_y is 'nan]" },
        { HEADER "x.jpg:" LIST ":" LIST " more\n", "'more' after keypoints_x" },
        { HEADER "x.jpg:38 86:" LIST, "expected a list" },
        { "name,keypoints_y,keypoints_x\n", "the header is 'name,keypoints_y,keypoints_x'" },
        { "", "the header is ''" },
    };
    pn_annotations a;
    assert_fails(annotations(bad[_i][0], NULL, &a), PN_ERR_FORMAT, bad[_i][1]);
}
END_TEST

START_TEST(a_zero_byte_is_no_text)
{
    pn_annotations a;
    scratch_write_bytes("z.csv", HEADER "a\0b", sizeof HEADER + 2);
    pn_bytes file = scratch_read(scratch_path("z.csv"));
    assert_fails(pn_annotations_parse(scratch_ctx(), "z.csv", &file, NULL, &a), PN_ERR_FORMAT, "zero byte");
}
END_TEST

START_TEST(the_last_of_two_rows_counts_and_a_warning_says_so)
{
    pn_annotations a;
    assert_works(annotations(
        HEADER "x.jpg:" LIST ":" LIST "\nx.jpg:[9,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]:" LIST, NULL, &a));
    ck_assert_uint_eq(a.count, 1);
    ck_assert_uint_eq(a.duplicates, 1);
    ck_assert_int_eq((int)a.rows[0].pose.y[0], 9);
    ck_assert_ptr_nonnull(strstr(scratch_log(), "a.csv:3: x.jpg is there twice"));
}
END_TEST

START_TEST(rows_with_nobody_are_counted_and_negative_places_are_kept)
{
    pn_annotations a;
    assert_works(annotations(HEADER "x.jpg:[-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1]:" LIST "\n"
                             "y.jpg:" LIST ":[-5,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,300,-1]\n", NULL, &a));
    ck_assert_uint_eq(a.nobody, 1);
    ck_assert(pn_pose_has(&a.rows[1].pose, 0));
    ck_assert_int_eq((int)a.rows[1].pose.x[0], -5);
    ck_assert_int_eq((int)a.rows[1].pose.x[16], 300);
}
END_TEST

START_TEST(with_a_list_of_problems_the_good_rows_survive)
{
    pn_problems problems = { .ctx = scratch_ctx() };
    pn_annotations a;
    assert_works(annotations(HEADER "bad\nx.jpg:" LIST ":" LIST "\nworse:[]:[]\n", &problems, &a));
    ck_assert_uint_eq(a.count, 1);
    ck_assert_uint_eq(problems.count, 2);
    ck_assert_ptr_nonnull(strstr(problems.text[1], "a.csv:4:"));
}
END_TEST

START_TEST(pairs_are_found_by_header_name)
{
    pn_pairs p;
    assert_works(pairs(",to,from\n0,b.jpg,-a c.jpg\n1,d.jpg,e.jpg", &p));
    ck_assert_uint_eq(p.count, 2);
    ck_assert_str_eq(p.rows[0].from, "-a c.jpg");
    ck_assert_str_eq(p.rows[0].to, "b.jpg");
    ck_assert_int_eq((int)p.rows[1].line, 3);
    assert_fails(pairs("source,target\na,b\n", &p), PN_ERR_FORMAT,
                 "p.csv:1: the header 'source,target' names no columns");
    assert_fails(pairs("from,to\na\n", &p), PN_ERR_FORMAT, "p.csv:2: 'a' lacks a name");
    assert_fails(pairs("", &p), PN_ERR_FORMAT, "p.csv:1");
}
END_TEST

/* n points (10 i + 1, 10 i + 2), confidence 0.9, but point `faint` 0.05 */
static void person(char *out, size_t room, int n, int faint)
{
    size_t used = (size_t)snprintf(out, room, "[");
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%d,%d,%g", i ? "," : "", 10 * i + 1, 10 * i + 2,
                                 i == faint ? 0.05 : 0.9);
    snprintf(out + used, room - used, "]");
}

static pn_status pose_of(const char *json, pn_pose *pose)
{
    const size_t n = strlen(json);
    pn_bytes file = { (uint8_t *)pn_strdup(scratch_ctx(), json), n };
    return pn_pose_json_decode(scratch_ctx(), "k.json", &file, 0.1, pose);
}

START_TEST(json_of_every_skeleton_becomes_openpose_18)
{
    static const struct { int points, neck_x, r_hip_x, l_ear_x; } kinds[] = {
        { 18, 11, 81, 171 }, { 25, 11, 91, 181 }, { 17, (51 + 61) / 2, 121, 31 }, { 33, (111 + 121) / 2, 241, 71 },
    };
    char points[2048], json[2200];
    pn_pose pose;
    person(points, sizeof points, kinds[_i].points, 0);
    snprintf(json, sizeof json, "{\"version\":1.3,\"people\":[{\"pose_keypoints_2d\":%s}]}", points);
    assert_works(pose_of(json, &pose));
    ck_assert(!pn_pose_has(&pose, PN_NOSE));
    ck_assert_int_eq((int)pose.x[PN_NECK], kinds[_i].neck_x);
    ck_assert_int_eq((int)pose.x[PN_R_HIP], kinds[_i].r_hip_x);
    ck_assert_int_eq((int)pose.x[PN_L_EAR], kinds[_i].l_ear_x);
}
END_TEST

START_TEST(the_surest_person_is_taken_and_zero_zero_is_nobody)
{
    char faint[1024], sure[1024], json[2600];
    pn_pose pose;
    person(faint, sizeof faint, 18, 3);
    person(sure, sizeof sure, 18, -1);
    sure[1] = '7';                                      /* x of the nose: 7 instead of 1 */
    snprintf(json, sizeof json, "{\"people\":[{\"pose_keypoints\":%s},{\"pose_keypoints\":%s}]}", faint, sure);
    assert_works(pose_of(json, &pose));
    ck_assert_int_eq((int)pose.x[0], 7);
    assert_works(pose_of("{\"version\":1.1,\"people\":[]}", &pose));
    for (int j = 0; j < PN_JOINTS; j++) ck_assert(!pn_pose_has(&pose, j));
    assert_works(pose_of(
        "[{\"image_id\":\"a.jpg\",\"keypoints\":[0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,"
        "0,0,1,0,0,1,0,0,1,0,0,1,0,0,1,5,6,1]}]",
        &pose));
    ck_assert(!pn_pose_has(&pose, PN_NOSE));
    ck_assert_int_eq((int)pose.y[PN_R_ANKLE], 6);
}
END_TEST

START_TEST(json_that_is_something_else_is_refused_with_advice)
{
    pn_pose pose;
    assert_fails(pose_of("{\"people\":[{\"pose_keypoints_2d\":[1,2,3]}]}", &pose), PN_ERR_FORMAT,
                 "a person with 3 numbers");
    assert_fails(pose_of("{\"people\":[{}]}", &pose), PN_ERR_FORMAT, "without a list");
    assert_fails(pose_of("{}", &pose), PN_ERR_FORMAT, "no list of people");
    assert_fails(pose_of("{\"people\":", &pose), PN_ERR_FORMAT, "k.json: not JSON");
}
END_TEST

START_TEST(json_becomes_rows_and_a_row_is_found_by_name)
{
    char points[1024], json[1200];
    person(points, sizeof points, 18, -1);
    snprintf(json, sizeof json, "{\"people\":[{\"pose_keypoints_2d\":%s}]}", points);
    scratch_write("walk_keypoints.json", json);
    scratch_write("empty.json", "{\"people\":[]}");
    char first[512], second[512], csv[512], kp[600];
    snprintf(first, sizeof first, "%s", scratch_path("walk_keypoints.json"));
    snprintf(second, sizeof second, "%s", scratch_path("empty.json"));
    snprintf(csv, sizeof csv, "%s", scratch_path("out.csv"));
    size_t rows;
    assert_works(pn_pose_json_to_csv(scratch_ctx(), (const char *const[]){ first, second }, 2, csv, &rows));
    ck_assert_uint_eq(rows, 2);
    pn_pose pose;
    ptrdiff_t grid[2];
    snprintf(kp, sizeof kp, "%s:walk.jpg", csv);
    assert_works(pn_pose_read(scratch_ctx(), kp, &pose, grid));
    ck_assert_int_eq((int)pose.x[3], 31);
    ck_assert_int_eq((int)grid[0], 0);
    scratch_write("dataset.ini", "kp_size = 128x64\nparsing = lip20\n");
    assert_works(pn_pose_read(scratch_ctx(), kp, &pose, grid));
    ck_assert_int_eq((int)grid[0], 128);
    snprintf(kp, sizeof kp, "%s:none.jpg", csv);
    assert_fails(pn_pose_read(scratch_ctx(), kp, &pose, grid), PN_ERR_FORMAT, "has no row for 'none.jpg'");
    assert_fails(pn_pose_read(scratch_ctx(), "x.txt", &pose, grid), PN_ERR_ARG, "file.json or file.csv:image-name");
}
END_TEST

/* A folder of frames, and the same as a list, in the order of their names; then every request for memory refused in turn. */
START_TEST(a_sequence_is_a_folder_or_a_list)
{
    char points[1024], json[1200], folder[512], csv[512];
    pn_pose pose;
    ptrdiff_t grid[2];
    size_t rows;
    snprintf(folder, sizeof folder, "%s", scratch_path("steps"));
    snprintf(csv, sizeof csv, "%s", scratch_path("steps.csv"));
    assert_works(pn_folder_make(scratch_ctx(), folder));
    person(points, sizeof points, 18, -1);
    snprintf(json, sizeof json, "{\"people\":[{\"pose_keypoints_2d\":%s}]}", points);
    assert_fails(pn_poses_open(scratch_ctx(), folder) ? PN_OK : pn_ctx_status(scratch_ctx()), PN_ERR_FORMAT, "steps holds no .json file of key points, and no .txt file of landmarks");
    scratch_write("steps/b_keypoints.json", json);
    scratch_write("steps/a_keypoints.json", "{\"people\":[]}");
    scratch_write("steps/aa.txt", "");
    scratch_write("steps/c_keypoints.json", "{\"people\":[{}]}");
    pn_poses *p = pn_poses_open(scratch_ctx(), folder);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(pn_poses_count(p), 3);
    ck_assert_str_eq(pn_poses_name(p, 1), "b_keypoints.json");
    assert_works(pn_poses_get(p, 0, &pose, grid));
    for (int j = 0; j < PN_JOINTS; j++) ck_assert(!pn_pose_has(&pose, j));
    assert_works(pn_poses_get(p, 1, &pose, grid));
    ck_assert_int_eq((int)pose.x[3], 31);
    ck_assert_int_eq((int)grid[0], 0);
    assert_fails(pn_poses_get(p, 2, &pose, grid), PN_ERR_FORMAT, "steps/c_keypoints.json");
    assert_fails(pn_poses_get(p, 3, &pose, grid), PN_ERR_ARG, "there is no frame 3 of 3");
    pn_poses_free(p);
    scratch_write("steps/c_keypoints.json", json);
    assert_works(pn_pose_json_to_csv(scratch_ctx(), (const char *const[]){ folder }, 1, csv, &rows));
    for (long k = 1;; k++) {
        const size_t before = scratch_live();
        scratch_fail_at(k);
        p = pn_poses_open(scratch_ctx(), k % 2 ? csv : folder);
        const bool there = p && pn_poses_get(p, 2, &pose, grid) == PN_OK;
        const bool refused = scratch_fail_at(0) <= 0;
        if (there) ck_assert_int_eq((int)pose.x[3], 31);
        else ck_assert_int_eq(pn_ctx_status(scratch_ctx()), PN_ERR_NOMEM);
        pn_poses_free(p);
        ck_assert_uint_eq(scratch_live(), before);
        if (!refused && k > 60) break;
    }
    assert_fails(pn_poses_open(scratch_ctx(), "x.json") ? PN_OK : pn_ctx_status(scratch_ctx()), PN_ERR_ARG,
                 "'x.json': expected a folder of .json files, or an annotation file.csv; posenet-data keypoints makes one");
    scratch_write("steps.csv", "name:keypoints_y:keypoints_x\n");
    assert_fails(pn_poses_open(scratch_ctx(), csv) ? PN_OK : pn_ctx_status(scratch_ctx()), PN_ERR_FORMAT, "steps.csv has no row");
}
END_TEST

START_TEST(deepfashion_paths_are_flattened_in_both_spellings)
{
    char name[PN_FLAT_NAME];
    ck_assert(pn_flat_name("MEN/Tees_Tanks/id_00001612/01_1_front.jpg", false, name));
    ck_assert_str_eq(name, "fashionMENTees_Tanksid0000161201_1front.jpg");
    ck_assert(pn_flat_name("WOMEN/Tees_Tanks/id_00005945/02_2_side.jpg", true, name));
    ck_assert_str_eq(name, "fasionWOMENTeesTanksid0000594502_2side.jpg");
    ck_assert(!pn_flat_name("WOMEN/id_00005945/02_2_side.jpg", true, name));
    ck_assert(!pn_flat_name("a/WOMEN/Tees_Tanks/id_00005945/02_2_side.jpg", true, name));
}
END_TEST

START_TEST(prepare_copies_what_the_lists_name_and_can_go_on)
{
    scratch_write("img/MEN/Tees_Tanks/id_00000001/01_1_front.jpg", "one");
    scratch_write("img/WOMEN/Dresses/id_00000002/02_3_back.jpg", "two");
    scratch_write("img/WOMEN/Dresses/id_00000002/02_6_flat.jpg", "nobody");
    scratch_write("lists/train.lst", "fashionMENTees_Tanksid0000000101_1front.jpg\r\nfashionMENnone.jpg\n");
    scratch_write("lists/test.lst", "fashionWOMENDressesid0000000202_3back.jpg");
    scratch_write("lists/fasion-resize-pairs-test.csv", "from,to\n");
    char images[512], lists[512], out[512];
    snprintf(images, sizeof images, "%s", scratch_path("img"));
    snprintf(lists, sizeof lists, "%s", scratch_path("lists"));
    snprintf(out, sizeof out, "%s", scratch_path("set"));
    pn_prepare_report r;
    assert_works(pn_prepare(scratch_ctx(), &(pn_prepare_opt){ images, lists, out }, &r));
    ck_assert_int_eq((int)r.copied, 2);
    ck_assert_int_eq((int)r.missing, 1);
    ck_assert_int_eq((int)r.unlisted, 1);
    ck_assert_str_eq(r.first_missing, "fashionMENnone.jpg");
    ck_assert_uint_eq(scratch_read(scratch_path("set/test/fashionWOMENDressesid0000000202_3back.jpg")).size, 3);
    ck_assert_uint_eq(scratch_read(scratch_path("set/fasion-resize-pairs-test.csv")).size, 8);
    assert_works(pn_prepare(scratch_ctx(), &(pn_prepare_opt){ images, lists, out }, &r));
    ck_assert_int_eq((int)r.copied, 0);
    ck_assert_int_eq((int)r.there, 2);
    assert_fails(pn_prepare(scratch_ctx(), &(pn_prepare_opt) { "/none", lists, out }, &r), PN_ERR_IO,
                 "unpack img_highres.zip");
}
END_TEST

TCase *lists_cases(void)
{
    TCase *tc = tcase_create("lists");
    tcase_add_loop_test(tc, rows_are_read_however_they_were_written, 0, 4);
    tcase_add_loop_test(tc, bad_rows_name_file_and_line, 0, 10);
    tcase_add_test(tc, a_zero_byte_is_no_text);
    tcase_add_test(tc, the_last_of_two_rows_counts_and_a_warning_says_so);
    tcase_add_test(tc, rows_with_nobody_are_counted_and_negative_places_are_kept);
    tcase_add_test(tc, with_a_list_of_problems_the_good_rows_survive);
    tcase_add_test(tc, pairs_are_found_by_header_name);
    tcase_add_loop_test(tc, json_of_every_skeleton_becomes_openpose_18, 0, 4);
    tcase_add_test(tc, the_surest_person_is_taken_and_zero_zero_is_nobody);
    tcase_add_test(tc, json_that_is_something_else_is_refused_with_advice);
    tcase_add_test(tc, json_becomes_rows_and_a_row_is_found_by_name);
    tcase_add_test(tc, a_sequence_is_a_folder_or_a_list);
    tcase_add_test(tc, deepfashion_paths_are_flattened_in_both_spellings);
    tcase_add_test(tc, prepare_copies_what_the_lists_name_and_can_go_on);
    return tc;
}
