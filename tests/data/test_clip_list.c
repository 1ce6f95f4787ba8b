/* tests/data/test_clip_list.c - lib/data/clip_list.c */
#include "data/clips.h"
#include "data/scratch.h"

#include <stdio.h>
#include <string.h>

#define CELL(a, b) "\"{'ref': [" a "], 'gen': [" b "]}\""
#define HEAD "A_paths,B_paths_noise,B_paths_clean\n"
#define ROW(frames, noisy, clean) CELL("'old/set/A/x/0.png'", frames) "," CELL("'old/set/N/x/0.json'", noisy) "," CELL("", clean) "\n"

static pn_clip_list *list_of(const char *text)
{
    scratch_write("list.csv", text);
    return pn_clip_list_open(scratch_ctx(), scratch_path("list.csv"), scratch_path("set"));
}

static void furnish(void)
{
    pn_folder_make(scratch_ctx(), scratch_path("set"));
    pn_folder_make(scratch_ctx(), scratch_path("set/A"));
    pn_folder_make(scratch_ctx(), scratch_path("set/A/x"));
    scratch_write("set/A/x/0.png", "");
}

START_TEST(rows_give_references_and_frames_where_they_are_now)
{
    char expected[512];
    furnish();
    pn_clip_list *l = list_of("\xef\xbb\xbf,A_paths,other,B_paths_noise,B_paths_clean\r\n"
                              "0," CELL("'old/set/A/x/0.png'", "") ",\"a \"\"quoted\"\", cell\non two lines\","
                              CELL("'old/set/N/x/0.json' , 'old/set/N/x/1.json'", "") ","
                              "\"{ 'gen' : ['old/set/C/y/0.json', \"\"else/it's.json\"\",'a\\'b'], 'ref':[] }\"\r\n"
                              "\n"
                              "1,\"{'ref': ['p'], 'gen': ['q']}\",,\"{'ref': ['r'], 'gen': ['s']}\",\"{'ref': [], 'gen': ['t']}\"");
    if (!l) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    ck_assert_int_eq(pn_clip_list_count(l), 2);
    pn_clip_row row = pn_clip_list_row(l, 0);
    ck_assert_int_eq(row.line, 2);
    ck_assert_int_eq(row.reference.frames.count, 1);
    ck_assert_int_eq(row.reference.noisy.count, 2);
    ck_assert_int_eq(row.made.frames.count + row.made.noisy.count + row.reference.clean.count, 0);
    ck_assert_int_eq(row.made.clean.count, 3);
    snprintf(expected, sizeof expected, "%s/A/x/0.png", scratch_path("set"));
    ck_assert_str_eq(row.reference.frames.path[0], expected);
    snprintf(expected, sizeof expected, "%s/C/y/0.json", scratch_path("set"));
    ck_assert_str_eq(row.made.clean.path[0], expected);
    ck_assert_str_eq(row.made.clean.path[1], "else/it's.json"); /* begins otherwise: as it is */
    ck_assert_str_eq(row.made.clean.path[2], "a'b");
    row = pn_clip_list_row(l, 1);
    ck_assert_int_eq(row.line, 5);
    ck_assert_str_eq(row.made.noisy.path[0], "s");
    pn_clip_list_free(l);
}
END_TEST

static const struct { const char *text, *message; } bad[] = {
    { "", "list.csv:1: no column A_paths; expected A_paths, B_paths_noise and B_paths_clean in the first line" },
    { "A_paths,B_paths\n", "list.csv:1: no column B_paths_noise" },
    { HEAD, "list.csv has no row under its first line" },
    { HEAD ROW("'a'", "'b'", "'c'") "x,y\n", "list.csv:3: 2 columns, expected 3 as in the first line" },
    { HEAD "x,y,z\n", "list.csv:2: A_paths: 'x', expected {'ref': ['path', …], 'gen': ['path', …]}" },
    { HEAD "\"{'ref': ['a'\n", "list.csv:2: a quoted cell does not end" },
    { HEAD CELL("'a'", "'b'") ",\"{'ref': ['a'], 'ref': []}\",z\n", "list.csv:2: B_paths_noise: ': []}', expected" },
    { HEAD CELL("'a'", "'b'") ",\"{'ref': ['a']}\",z\n", "list.csv:2: B_paths_noise: '', expected" },
    { HEAD CELL("'a'", "'b' 'c'") ",y,z\n", "list.csv:2: A_paths: ''c']}', expected" },
    { HEAD CELL("'a'", "'b',") ",y,z\n", "list.csv:2: A_paths: ']}', expected" },
    { HEAD CELL("'a'", "'b") ",y,z\n", "list.csv:2: A_paths: ''b]}', expected" },
    { HEAD CELL("", "'b'") "," CELL("'a'", "'b'") "," CELL("", "'b'") "\n", "list.csv:2: no reference; expected a path under 'ref'" },
    { HEAD ROW("'a'", "'b'", ""), "list.csv:2: no frame to make; expected paths under 'gen' in B_paths_clean" },
    { HEAD ROW("'a'", "'b','c'", "'c'"), "list.csv:2: B_paths_noise has 2 paths under 'gen', and B_paths_clean 1; expected one for each frame" },
    { HEAD CELL("'gone/0.png'", "'a'") "," CELL("'n'", "'b'") "," CELL("", "'c'") "\n",
      "list.csv:2: 'gone/0.png' is there neither as it is written nor in " },
    { "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\n", "list.csv:1: more than 32 columns" },
};

START_TEST(what_is_wrong_is_named_by_file_and_line)
{
    furnish();
    assert_fails(list_of(bad[_i].text) ? PN_OK : pn_ctx_status(scratch_ctx()), PN_ERR_FORMAT, bad[_i].message);
}
END_TEST

START_TEST(refused_memory_leaves_nothing)
{
    furnish();
    scratch_write("list.csv", HEAD ROW("'old/set/A/x/0.png'", "'b'", "'old/set/c'") ROW("'a'", "'b'", "'c'"));
    char file[512], folder[512];
    snprintf(file, sizeof file, "%s", scratch_path("list.csv"));
    snprintf(folder, sizeof folder, "%s", scratch_path("set"));
    const size_t before = scratch_live();
    for (long k = 1;; k++) {
        scratch_fail_at(k);
        pn_clip_list *l = pn_clip_list_open(scratch_ctx(), file, folder);
        const bool refused = scratch_fail_at(0) <= 0;
        if (!l) ck_assert_int_eq(pn_ctx_status(scratch_ctx()), PN_ERR_NOMEM);
        pn_clip_list_free(l);
        ck_assert_uint_eq(scratch_live(), before);
        if (!refused) break;
    }
}
END_TEST

/* ---- Names, splits ------------------------------------------------------------------------------------------------------ */

START_TEST(frames_are_kept_under_the_clip_and_its_reference)
{
    static const char *const expected[] = { "x", "x_2_y", "x_4", "x_2_y_5", "_2_y" };
    char name[PN_CLIP_NAME];
    furnish();
    pn_clip_list *l = list_of(HEAD ROW("", "", "'old/set/C/x/1.json'") ROW("", "", "'y/1.json'") ROW("", "", "'else/x/2.json'")
                              ROW("", "", "'y/2.json'") CELL("'p'", "") "," CELL("'q'", "") "," CELL("", "'/y/0.json'") "\n");
    if (!l) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    for (int i = 0; i < 5; i++) {
        pn_clip_list_name(l, i, name);
        ck_assert_str_eq(name, expected[i]);
    }
    pn_clip_list_free(l);
}
END_TEST

/* Clips a and b of faces: three frames and two. */
static const char *faces(void)
{
    static const char *const files[] = { "test_data/a/0.png", "test_data/a/1.png", "test_data/a/2.png", "test_keypoints/a/0.txt",
                                         "test_keypoints/a/1.txt", "test_keypoints/a/2.txt", "test_data/b/0.png", "test_data/b/1.png",
                                         "test_keypoints/b/0.txt", "test_keypoints/b/1.txt" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[64];
        snprintf(path, sizeof path, "faces/%s", files[i]);
        scratch_write(path, "");
    }
    return scratch_path("faces");
}

START_TEST(a_split_is_a_list_whose_first_frames_are_references)
{
    char path[700], folder[512];
    snprintf(folder, sizeof folder, "%s", faces());
    pn_clip_list *l = pn_clip_list_of_split(scratch_ctx(), folder, "test", PN_CLIPS_FACE);
    if (!l) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    ck_assert_int_eq(pn_clip_list_count(l), 2);
    const pn_clip_row row = pn_clip_list_row(l, 0);
    const pn_paths once[] = { row.reference.frames, row.reference.noisy, row.reference.clean };
    const pn_paths twice[] = { row.made.frames, row.made.noisy, row.made.clean };
    for (int c = 0; c < 3; c++) {
        ck_assert(once[c].count == 1 && twice[c].count == 2);
        snprintf(path, sizeof path, "%s/%s", folder, c ? "test_keypoints/a/0.txt" : "test_data/a/0.png");
        ck_assert_str_eq(once[c].path[0], path);
        snprintf(path, sizeof path, "%s/%s", folder, c ? "test_keypoints/a/2.txt" : "test_data/a/2.png");
        ck_assert_str_eq(twice[c].path[1], path);
    }
    pn_clip_list_name(l, 1, path);
    ck_assert_str_eq(path, "b");
    pn_clip_list_free(l);
    scratch_write("faces/test_data/c/0.png", "");
    scratch_write("faces/test_keypoints/c/0.txt", "");
    ck_assert_ptr_null(pn_clip_list_of_split(scratch_ctx(), folder, "test", PN_CLIPS_FACE));
    assert_fails(pn_ctx_status(scratch_ctx()), PN_ERR_FORMAT, "the clip c has one frame, expected 2 or more: the first is the reference");
}
END_TEST

START_TEST(memory_refused_to_a_split_leaves_nothing)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", faces());
    const size_t before = scratch_live();
    for (long k = 1;; k++) {
        scratch_fail_at(k);
        pn_clip_list *l = pn_clip_list_of_split(scratch_ctx(), folder, "test", PN_CLIPS_FACE);
        const bool refused = scratch_fail_at(0) <= 0;
        if (!l) ck_assert_int_eq(pn_ctx_status(scratch_ctx()), PN_ERR_NOMEM);
        pn_clip_list_free(l);
        ck_assert_uint_eq(scratch_live(), before);
        if (!refused) break;
    }
}
END_TEST

START_TEST(a_mask_lies_beside_its_frame)
{
    static const struct { const char *frame, *mask; } cases[] = {
        { "set/test_256/train_A/a/0.png", "set/test_256/train_C/a/0.png" },
        { "set/train_A/b.c/00.jpg", "set/train_C/b.c/00.png" },
        { "set/train_A/b.c/00", "set/train_C/b.c/00.png" },             /* a dot in a folder's name is no ending */
        { "/x/train_A/test_256/train_A/a/1.jpeg", "/x/train_A/test_256/train_C/a/1.png" },
        { "train_A/a/0.png", NULL }, { "set/test_data/a/0.png", NULL }, { "", NULL },
    };
    char path[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(pn_clip_mask_path(cases[i].frame, path, sizeof path) == (cases[i].mask != NULL), "%s", cases[i].frame);
        if (cases[i].mask) ck_assert_str_eq(path, cases[i].mask);
    }
    ck_assert(!pn_clip_mask_path(cases[0].frame, path, strlen(cases[0].mask)));         /* no room for the end */
    ck_assert(pn_clip_mask_path(cases[0].frame, path, strlen(cases[0].mask) + 1));
}
END_TEST

TCase *clip_list_cases(void)
{
    TCase *tc = tcase_create("clip_list");
    tcase_add_test(tc, rows_give_references_and_frames_where_they_are_now);
    tcase_add_loop_test(tc, what_is_wrong_is_named_by_file_and_line, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tc, refused_memory_leaves_nothing);
    tcase_add_test(tc, frames_are_kept_under_the_clip_and_its_reference);
    tcase_add_test(tc, a_split_is_a_list_whose_first_frames_are_references);
    tcase_add_test(tc, memory_refused_to_a_split_leaves_nothing);
    tcase_add_test(tc, a_mask_lies_beside_its_frame);
    return tc;
}
