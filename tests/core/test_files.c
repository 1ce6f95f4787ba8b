/* tests/core/test_files.c - lib/core/files.c: a reader sees the old file or the new one, whatever fails in between */
#include "data/scratch.h"
#include "support/failing_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pn_ctx *failing(pn_test_files *files)
{
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 1, .files = pn_test_file_ops(files) }, NULL);
    ck_assert_ptr_nonnull(ctx);
    return ctx;
}

static void holds(const char *path, const char *text)
{
    pn_bytes file = scratch_read(path);
    ck_assert_uint_eq(file.size, strlen(text));
    ck_assert_mem_eq(file.bytes, text, file.size);
    ck_assert_int_eq(file.bytes[file.size], 0);         /* one more byte, zero */
    pn_free(scratch_ctx(), file.bytes);
}

static const char *folder_of(const char *path)
{
    static char folder[512];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    return folder;
}

static size_t files_in(const char *folder)
{
    pn_names names;
    assert_works(pn_folder_list(scratch_ctx(), folder, &names));
    const size_t n = names.count;
    pn_names_free(scratch_ctx(), &names);
    return n;
}

/* Every call of an atomic write refused in turn: the old file stays whole, nothing is left open or beside it, the
 * message says why. */
START_TEST(a_write_that_fails_anywhere_keeps_the_old_file)
{
    const char *path = scratch_path("kept/file.txt");
    scratch_write("kept/file.txt", "the old content");
    long k = 1;
    for (;; k++) {
        pn_test_files files = { .fail_at = k, .error = ENOSPC };
        pn_ctx *ctx = failing(&files);
        const pn_status status = pn_file_write(ctx, path, "new", 3);
        ck_assert_int_eq(files.open, 0);
        if (!status) {
            ck_assert_int_lt(files.calls, k);
            pn_ctx_free(ctx);
            break;
        }
        ck_assert_int_eq(status, PN_ERR_IO);
        ck_assert_ptr_nonnull(strstr(pn_ctx_message(ctx), "No space left"));
        ck_assert_ptr_nonnull(strstr(pn_ctx_message(ctx), "kept"));
        if (files.failed == PN_CALL_SYNC_FOLDER) holds(path, "new");    /* in place, but perhaps not for good */
        else holds(path, "the old content");
        ck_assert_uint_eq(files_in(folder_of(path)), 1);
        scratch_write("kept/file.txt", "the old content");
        pn_ctx_free(ctx);
    }
    ck_assert_int_eq(k, 7); /* open, write, sync, close, rename, sync folder: all were refused once */
    holds(path, "new");
}
END_TEST

START_TEST(bytes_that_move_one_by_one_arrive)
{
    pn_test_files files = { .at_most = 1 };
    pn_ctx *ctx = failing(&files);
    const char *path = scratch_path("slow.txt");
    ck_assert_int_eq(pn_file_write(ctx, path, "hello", 5), PN_OK);
    ck_assert_int_eq(files.seen[PN_CALL_WRITE], 5);
    pn_bytes file;
    ck_assert_int_eq(pn_file_read(ctx, path, &file), PN_OK);
    ck_assert_str_eq((char *)file.bytes, "hello");
    pn_free(ctx, file.bytes);
    pn_ctx_free(ctx);
}
END_TEST

START_TEST(a_read_that_fails_leaves_nothing_open)
{
    scratch_write("there.txt", "content");
    const char *path = scratch_path("there.txt");
    for (long k = 1; k <= 3; k++) {                     /* open, size, read */
        pn_test_files files = { .fail_at = k };
        pn_ctx *ctx = failing(&files);
        pn_bytes file = { NULL, 77 };
        ck_assert_int_eq(pn_file_read(ctx, path, &file), PN_ERR_IO);
        ck_assert_ptr_nonnull(strstr(pn_ctx_message(ctx), "there.txt: Input/output error"));
        ck_assert_ptr_null(file.bytes);
        ck_assert_uint_eq(file.size, 77);
        ck_assert_int_eq(files.open, 0);
        pn_ctx_free(ctx);
    }
}
END_TEST

START_TEST(a_file_above_the_limit_is_refused_before_it_is_read)
{
    pn_test_files files = { 0 };
    pn_ctx *ctx = pn_ctx_new(
        &(pn_ctx_opt){ .threads = 1, .files = pn_test_file_ops(&files), .limits = { .file_bytes = 10 } }, NULL);
    scratch_write("large.txt", "eleven long");
    pn_bytes file;
    ck_assert_int_eq(pn_file_read(ctx, scratch_path("large.txt"), &file), PN_ERR_LIMIT);
    ck_assert_ptr_nonnull(
        strstr(pn_ctx_message(ctx), "large.txt has 11 bytes, more than the limit of 10; raise pn_limits.file_bytes"));
    ck_assert_int_eq(files.seen[PN_CALL_READ], 0);
    pn_ctx_free(ctx);
}
END_TEST

START_TEST(what_is_no_file_is_named_with_its_reason)
{
    pn_bytes file;
    assert_fails(pn_file_read(scratch_ctx(), scratch_path("absent.txt"), &file), PN_ERR_IO, "absent.txt: No such file");
    assert_fails(pn_file_read(scratch_ctx(), folder_of(scratch_path("x")), &file), PN_ERR_IO, "Is a directory");
    assert_fails(pn_file_write(scratch_ctx(), "/nowhere/at/all.txt", "x", 1), PN_ERR_IO,
                 "cannot write /nowhere/at/all.txt: No such file");
    pn_names names;
    assert_fails(pn_folder_list(scratch_ctx(), scratch_path("absent"), &names), PN_ERR_IO, "cannot list the folder");
}
END_TEST

START_TEST(writing_in_pieces_can_be_called_off)
{
    const char *path = scratch_path("pieces/file.txt");
    pn_writer w;
    assert_works(pn_writer_begin(&w, scratch_ctx(), path));
    assert_works(pn_writer_put(&w, "one ", 4));
    ck_assert(!pn_file_exists(scratch_ctx(), path));
    assert_works(pn_writer_put(&w, "two", 3));
    assert_works(pn_writer_commit(&w));
    holds(path, "one two");
    assert_works(pn_writer_begin(&w, scratch_ctx(), path));
    assert_works(pn_writer_put(&w, "three", 5));
    pn_writer_cancel(&w);
    holds(path, "one two");
    ck_assert_uint_eq(files_in(folder_of(path)), 1);
}
END_TEST

START_TEST(appending_adds_to_the_end)
{
    const char *path = scratch_path("log.csv");
    assert_works(pn_file_append(scratch_ctx(), path, "a\n", 2));
    assert_works(pn_file_append(scratch_ctx(), path, "b\n", 2));
    holds(path, "a\nb\n");
}
END_TEST

START_TEST(folders_are_made_with_their_parents_and_listed_by_bytes)
{
    const char *path = scratch_path("one/two/three");
    assert_works(pn_folder_make(scratch_ctx(), path));
    assert_works(pn_folder_make(scratch_ctx(), path));  /* it is there: fine */
    ck_assert(pn_folder_exists(scratch_ctx(), path));
    ck_assert(!pn_file_exists(scratch_ctx(), path));
    scratch_write("one/two/three/b", "");
    scratch_write("one/two/three/B", "");
    scratch_write("one/two/three/a", "");
    pn_names names;
    assert_works(pn_folder_list(scratch_ctx(), path, &names));
    ck_assert_uint_eq(names.count, 3);
    ck_assert_str_eq(names.name[0], "B");
    ck_assert_str_eq(names.name[1], "a");
    ck_assert_str_eq(names.name[2], "b");
    pn_names_free(scratch_ctx(), &names);
    char below[600];
    snprintf(below, sizeof below, "%s/a/below", path);
    assert_fails(pn_folder_make(scratch_ctx(), below), PN_ERR_IO, "cannot make the folder");
    assert_fails(pn_folder_make(scratch_ctx(), ""), PN_ERR_ARG, "cannot make a folder without a name");
}
END_TEST

TCase *files_cases(void)
{
    TCase *tc = tcase_create("files");
    tcase_add_test(tc, a_write_that_fails_anywhere_keeps_the_old_file);
    tcase_add_test(tc, bytes_that_move_one_by_one_arrive);
    tcase_add_test(tc, a_read_that_fails_leaves_nothing_open);
    tcase_add_test(tc, a_file_above_the_limit_is_refused_before_it_is_read);
    tcase_add_test(tc, what_is_no_file_is_named_with_its_reason);
    tcase_add_test(tc, writing_in_pieces_can_be_called_off);
    tcase_add_test(tc, appending_adds_to_the_end);
    tcase_add_test(tc, folders_are_made_with_their_parents_and_listed_by_bytes);
    return tc;
}
