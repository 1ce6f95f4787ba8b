/* tests/io/test_torch_file.c - lib/io/torch_file.c, pickle.c and zip.c: what torch.save wrote, beside safetensors twins,
 * and files that lie; make_torch_files.py made both */
#define _GNU_SOURCE
#include "data/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define FILES PN_TEST_DATA "/io/torch/"

static pn_status read_torch(const char *path, pn_safetensors *out)
{
    pn_bytes file = scratch_read(path);
    const pn_status status = pn_torch_parse(scratch_ctx(), path, &file, out);
    if (status) pn_free(scratch_ctx(), file.bytes);
    return status;
}

/* ---- What PyTorch wrote -------------------------------------------------------------------------------------- */

static void same_tensor(const pn_st_tensor *t, const pn_st_tensor *twin)
{
    if (t->dtype != twin->dtype || !pn_shape_equal(t->shape, twin->shape) || t->count != twin->count ||
        t->size != twin->size)
        ck_abort_msg("%s has another type or shape than its twin", t->name);
    uint8_t *bytes = malloc(t->size + 1);
    pn_st_raw(t, 0, t->count, bytes);
    if (memcmp(bytes, twin->bytes, t->size) != 0) ck_abort_msg("%s has other bits than its twin", t->name);
    for (ptrdiff_t i = 0; i < t->count; i++) { /* single values, in every form */
        double a, b;
        int64_t n[2];
        float f[2];
        pn_st_doubles(t, i, 1, &a);
        pn_st_doubles(twin, i, 1, &b);
        pn_st_floats(t, i, 1, &f[0]);
        pn_st_floats(twin, i, 1, &f[1]);
        pn_st_integers(t, i, 1, &n[0]);
        pn_st_integers(twin, i, 1, &n[1]);
        ck_assert(memcmp(&a, &b, sizeof a) == 0 && memcmp(&f[0], &f[1], sizeof *f) == 0 && n[0] == n[1]);
    }
    free(bytes);
}

static const struct {
    const char *name, *prefix;
    size_t tensors, strided;
} good[] = {
    { "net_zip", "", 8, 0 },           { "net_legacy", "", 8, 0 }, /* an OrderedDict with _metadata */
    { "types_zip", "", 14, 0 },        { "types_legacy", "", 14, 0 },
    { "views_zip", "", 12, 7 },        { "views_legacy", "", 12, 7 },
    { "nested_zip", "", 8, 0 },        { "nested_legacy", "", 8, 0 },
    { "module_zip", "module.", 8, 0 }, { "module_legacy", "module.", 8, 0 },
    { "parameters_zip", "", 5, 0 },    { "parameters_legacy", "", 5, 0 },
    { "latin", "", 1, 0 },
    { "protocol4", "", 8, 0 },         { "deflated", "", 8, 0 }, /* zipped again, compressed */
    { "python2", "", 2, 0 },           { "torch2_types", "", 14, 0 },
    { "torch2_views", "", 12, 7 },     { "torch2_legacy", "", 12, 7 },
};

START_TEST(what_torch_saved_has_the_bits_of_its_twin)
{
    char path[512], name[512];
    pn_safetensors f, twin;
    snprintf(path, sizeof path, FILES "%s.safetensors", good[_i].name);
    assert_works(pn_safetensors_read(scratch_ctx(), path, &twin));
    snprintf(path, sizeof path, FILES "%s.pth", good[_i].name);
    assert_works(read_torch(path, &f));
    ck_assert_uint_eq(f.count, good[_i].tensors);
    ck_assert_uint_eq(twin.count, good[_i].tensors);
    size_t strided = 0;
    for (size_t i = 0; i < twin.count; i++) {
        snprintf(name, sizeof name, "%s%s", good[_i].prefix, twin.tensors[i].name);
        const pn_st_tensor *t = pn_safetensors_find(&f, name);
        if (!t) ck_abort_msg("%s has no %s", path, name);
        same_tensor(t, &twin.tensors[i]);
        strided += t->strided;
    }
    ck_assert_uint_eq(strided, good[_i].strided);
    pn_safetensors_free(scratch_ctx(), &f);
    pn_safetensors_free(scratch_ctx(), &twin);
}
END_TEST

START_TEST(stored_tensors_lie_in_the_file_and_names_may_share_them)
{
    pn_safetensors f;
    assert_works(read_torch(FILES "views_zip.pth", &f));
    const pn_st_tensor *a = pn_safetensors_find(&f, "doubled.conv1.weight"),
                       *b = pn_safetensors_find(&f, "doubled.model.2.weight");
    ck_assert_ptr_eq(a->bytes, b->bytes);
    ck_assert(a->bytes > f.file.bytes && a->bytes + a->size <= f.file.bytes + f.file.size);
    pn_safetensors_free(scratch_ctx(), &f);
}
END_TEST

START_TEST(a_kind_is_known_by_its_bytes)
{
    static const char *const torch[] = { "net_zip.pth", "net_legacy.pth", "protocol4.pth", "python2.pth" };
    for (size_t i = 0; i < sizeof torch / sizeof *torch; i++) {
        char path[512];
        snprintf(path, sizeof path, FILES "%s", torch[i]);
        pn_bytes file = scratch_read(path);
        ck_assert(pn_torch_known(&file));
        pn_free(scratch_ctx(), file.bytes);
    }
    uint8_t bytes[640 + 8] = { 0x80, 0x02, [8] = '{' }; /* a safetensors header of 640 bytes begins like a pickle */
    ck_assert(!pn_torch_known(&(pn_bytes){ bytes, sizeof bytes }));
    ck_assert(!pn_torch_known(&(pn_bytes){ bytes, 0 }));
}
END_TEST

/* ---- Files that lie: a message, soon, in little memory ------------------------------------------------------- */

static long peak_kib(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void refused(const char *name, const pn_bytes *file, pn_status status, const char *message)
{
    pn_safetensors f;
    scratch_ctx(); /* what it holds itself is not counted */
    const size_t live = scratch_live();
    const long before = peak_kib();
    const double began = seconds();
    const pn_status got = pn_torch_parse(scratch_ctx(), name, file, &f);
    const char *said = pn_ctx_message(scratch_ctx());
    if (got != status || !strstr(said, message))
        ck_abort_msg("%s: status %d and '%s', expected %d and '%s'", name, got, said, status, message);
    if (strncmp(said, name, strlen(name)) != 0) ck_abort_msg("'%s' does not begin with the file's name", said);
    ck_assert_double_lt(seconds() - began, 1);
    ck_assert_int_lt(peak_kib() - before, 64 << 10);
    ck_assert_uint_eq(scratch_live(), live);
}

static const struct {
    const char *name;
    pn_status status;
    const char *message;
} bad[] = {
    { "runs_zip", PN_ERR_FORMAT, "data.pkl needs 'posix.system', which is refused: only what rebuilds plain tensors" },
    { "runs_legacy", PN_ERR_FORMAT, "pickle 4 (object) needs 'posix.system', which is refused: only what rebuilds plain tensors" },
    { "storage_larger", PN_ERR_FORMAT,
      "storage '0' is said to have 1000000000000 numbers of type F32, and has 24 bytes" },
    { "storage_smaller", PN_ERR_FORMAT, "storage '0' is said to have 5 numbers of type F32, and has 24 bytes" },
    { "storage_missing", PN_ERR_FORMAT, "the entry 'a/data/0' is missing" },
    { "no_pickle", PN_ERR_FORMAT, "a zip archive without NAME/data.pkl" },
    { "big_endian_zip", PN_ERR_FORMAT, "written on a big-endian machine (a/byteorder)" },
    { "big_endian_legacy", PN_ERR_FORMAT, "written on a big-endian machine (little_endian is not True)" },
    { "checksum", PN_ERR_FORMAT, "the entry 'a/data/0' is not what its header and checksum say" },
    { "entry_name", PN_ERR_FORMAT, "an entry's name is not printable" },
    { "entry_larger", PN_ERR_FORMAT, "an entry is larger than the file" },
    { "inflates", PN_ERR_FORMAT, "would inflate to more than 8 times the file, at 'a/data/0'" },
    { "method", PN_ERR_FORMAT, "the entry 'a/data/0' is compressed in a way that is not read" },
    { "overlap", PN_ERR_FORMAT, "the entries 'a/data/0' and 'a/data/1' share bytes" },
    { "same_place", PN_ERR_FORMAT, "fetch it again" },
    { "count", PN_ERR_FORMAT, "fetch it again" },
    { "count64", PN_ERR_FORMAT, "fetch it again" },
    { "legacy_count", PN_ERR_FORMAT, "storage '0' has 1099511627776 numbers, its tensors say 6" },
    { "legacy_twice", PN_ERR_FORMAT, "storage '0' is there twice" },
    { "legacy_unlisted", PN_ERR_FORMAT, "a tensor's storage is not in its list of storages" },
    { "legacy_unused", PN_ERR_FORMAT, "its list of storages has a key that no tensor uses" },
};

START_TEST(a_file_that_lies_is_refused_by_name)
{
    char path[512];
    snprintf(path, sizeof path, FILES "bad_%s.pth", bad[_i].name);
    pn_bytes file = scratch_read(path);
    refused(path, &file, bad[_i].status, bad[_i].message);
    pn_free(scratch_ctx(), file.bytes);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
    static const char *const whole[] = { "net_zip", "net_legacy", "python2", "protocol4", "deflated" };
    char path[512];
    snprintf(path, sizeof path, FILES "%s.pth", whole[_i]);
    pn_bytes file = scratch_read(path);
    for (size_t n = 0; n < file.size; n++) {
        pn_bytes part = { pn_alloc(scratch_ctx(), n, 1), n }; /* of its own, so that a reader past its end is caught */
        memcpy(part.bytes, file.bytes, n);
        refused("cut.pth", &part, PN_ERR_FORMAT, n ? "; " : "");
        pn_free(scratch_ctx(), part.bytes);
    }
    pn_free(scratch_ctx(), file.bytes);
}
END_TEST

/* ---- Pickles by hand, as the object of a legacy file --------------------------------------------------------- */

static const char head[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}"
                           "X\x0d\0\0\0little_endian\x88s.";

static pn_bytes legacy(const void *object, size_t size, const char *tail, size_t tail_size)
{
    const size_t n = sizeof head - 1;
    pn_bytes file = { pn_alloc(scratch_ctx(), n + size + tail_size, 1), n + size + tail_size };
    memcpy(file.bytes, head, n);
    memcpy(file.bytes + n, object, size);
    memcpy(file.bytes + n + size, tail, tail_size);
    return file;
}

#define TAIL "\x80\x02](X\1\0\0\0000e.\2\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40" /* ['0']; two numbers, 1 and 2 */
#define STORAGE(numbers) "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpu" numbers "tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR(offset, size, stride) REBUILD "(" STORAGE("K\2") offset "(" size "t(" stride "t\x89NtR"
#define NAMED(value) "}X\1\0\0\0w" value "s."
#define BYTES(text) text, sizeof text - 1

static const struct {
    const char *object;
    size_t size;
    pn_status status;
    const char *message;
} pickles[] = {
    { BYTES(NAMED("cos\nsystem\n(X\4\0\0\0echotR")), PN_ERR_FORMAT,
      "needs 'os.system', which is refused: only what rebuilds plain tensors" },
    { BYTES(NAMED("X\x8\0\0\0builtinsX\4\0\0\0eval\x93")), PN_ERR_FORMAT, "needs 'builtins.eval'" },
    { BYTES(NAMED("c\x1b[2J\nx\n")), PN_ERR_FORMAT, "needs '?[2J.x'" },
    { BYTES(NAMED("(S'echo'\nios\nsystem\n")), PN_ERR_FORMAT, "the opcode STRING (0x53) is refused" },
    { BYTES(NAMED("(ios\nsystem\n")), PN_ERR_FORMAT, "the opcode INST (0x69) is refused" },
    { BYTES(NAMED("ctorch\nFloatStorage\n)\x81")), PN_ERR_FORMAT, "the opcode NEWOBJ (0x81) is refused" },
    { BYTES(NAMED("\x82\1")), PN_ERR_FORMAT, "the opcode EXT1 (0x82) is refused" },
    { BYTES(NAMED("ctorch\nFloatStorage\n)R")), PN_ERR_FORMAT, "calls 'torch.FloatStorage', which is refused" },
    { BYTES(NAMED("\xff")), PN_ERR_FORMAT, "a byte that is no opcode" },
    { BYTES(NAMED("))R")), PN_ERR_FORMAT, "REDUCE of something else" },
    { BYTES(NAMED("Nr\xff\xff\xff\xff")), PN_ERR_FORMAT, "more than 524288 places in the memo" },
    { BYTES(NAMED("h\7")), PN_ERR_FORMAT, "the memo is read where nothing was put" },
    { BYTES(NAMED("j\xff\xff\xff\x7f")), PN_ERR_FORMAT, "the memo is read where nothing was put" },
    { BYTES("}X\1\0\0\0w."), PN_ERR_FORMAT, "it stops with more or less than one value" },
    { BYTES("R"), PN_ERR_FORMAT, "takes more values than there are" },
    { BYTES("K\1(\x85"), PN_ERR_FORMAT, "a tuple takes more values than there are" },
    { BYTES("t"), PN_ERR_FORMAT, "needs a MARK" },
    { BYTES("(K\1K\2e"), PN_ERR_FORMAT, "items for something else than a list" },
    { BYTES("}(K\1u"), PN_ERR_FORMAT, "a key without a value" },
    { BYTES("]}b"), PN_ERR_FORMAT, "BUILD of something else than a dictionary" },
    { BYTES("X\xff\xff\xff\xff"), PN_ERR_FORMAT, "a text leaves the file" },
    { BYTES("\x80\1"), PN_ERR_FORMAT, "is pickle protocol 1, expected 2 to 5" },
    { BYTES("\x95\xff\xff\xff\xff\xff\xff\xff\xff"), PN_ERR_FORMAT, "a frame leaves the file" },
    { BYTES(NAMED(TENSOR("K\0", "K\3", "K\1"))), PN_ERR_FORMAT,
      "a tensor [3] that begins at number 0 and leaves its storage of 2 numbers" },
    { BYTES(NAMED(TENSOR("K\2", "K\1", "K\1"))), PN_ERR_FORMAT, "begins at number 2 and leaves" },
    { BYTES(NAMED(TENSOR("K\0", "K\2K\2", "K\1K\1"))), PN_ERR_FORMAT, "a tensor [2,2] that" },
    { BYTES(NAMED(TENSOR("J\xff\xff\xff\xff", "K\1", "K\1"))), PN_ERR_FORMAT, "not rebuilt from" },
    { BYTES(NAMED(TENSOR("K\0", "J\xff\xff\xff\xff", "K\1"))), PN_ERR_FORMAT, "an extent or stride that cannot be" },
    { BYTES(NAMED(TENSOR("K\0", "K\1", "J\xff\xff\xff\xff"))), PN_ERR_FORMAT, "an extent or stride that cannot be" },
    { BYTES(NAMED(TENSOR("K\0", "K\1", "K\1K\1"))), PN_ERR_FORMAT, "not lists of one length" },
    { BYTES(NAMED(TENSOR("K\0", "K\1K\1K\1K\1K\1K\1", "K\1K\1K\1K\1K\1K\1"))), PN_ERR_FORMAT,
      "a tensor of 6 dimensions" },
    { BYTES(NAMED(TENSOR("K\0", "\x8a\7\0\0\0\0\0\0\1", "K\0"))), PN_ERR_FORMAT,
      "the tensor 'w' has 281474976710656 numbers, more than 64" },
    { BYTES(NAMED(TENSOR("K\0", "\x8a\7\0\0\0\0\0\0\1\x8a\7\0\0\0\0\0\0\1", "K\0K\0"))), PN_ERR_FORMAT,
      "more elements than can be counted" },
    { BYTES(NAMED(TENSOR("K\0", "K\2", "\x8a\x8\0\0\0\0\0\0\0\x7f"))), PN_ERR_FORMAT, "a tensor [2] that" },
    { BYTES(NAMED(REBUILD "(" STORAGE("\x8a\x8\0\0\0\0\0\0\0\x7f") "K\0))t\x89NtR")), PN_ERR_FORMAT,
      "storage '0' would have 9151314442816847872 numbers" },
    { BYTES(NAMED(STORAGE("K\2(K\1t"))), PN_ERR_FORMAT, "a storage that is a view of another" },
    { BYTES(NAMED(STORAGE("J\xff\xff\xff\xff"))), PN_ERR_FORMAT, "would have -1 numbers" },
    { BYTES(NAMED("K\1\x85Q")), PN_ERR_FORMAT, "a persistent id is not ('storage', " },
    { BYTES("}(X\1\0\0\0w" TENSOR("K\0", "K\2", "K\1") "X\1\0\0\0w" TENSOR("K\1", "K\1", "K\1") "u."), PN_ERR_FORMAT,
      "tensor 'w' is there twice" },
    { BYTES("}X\2\0\0\0w\n" TENSOR("K\0", "K\2", "K\1") "s."), PN_ERR_FORMAT, "not printable text" },
    { BYTES("}X\2\0\0\0w\xc3" TENSOR("K\0", "K\2", "K\1") "s."), PN_ERR_FORMAT, "not printable text" },
    { BYTES("}(X\1\0\0\0a" NAMED(TENSOR("K\0", "K\2", "K\1")) "X\1\0\0\0b" NAMED(TENSOR("K\0", "K\2", "K\1")) "u."),
      PN_ERR_FORMAT, "stops with more" },
    { BYTES("}(X\1\0\0\0a}X\1\0\0\0w" TENSOR("K\0", "K\2", "K\1") "sX\1\0\0\0b}X\1\0\0\0w" TENSOR("K\0", "K\2",
                                                                                                  "K\1") "su."),
      PN_ERR_FORMAT, "holds several dictionaries of tensors, 'a' and 'b' among them" },
};

START_TEST(a_pickle_that_asks_for_more_is_refused)
{
    pn_bytes file = legacy(pickles[_i].object, pickles[_i].size, BYTES(TAIL));
    refused("by hand", &file, pickles[_i].status, pickles[_i].message);
    pn_free(scratch_ctx(), file.bytes);
}
END_TEST

START_TEST(a_file_without_named_tensors_is_told_what_to_save)
{
    static const struct {
        const char *object;
        size_t size;
    } without[] = {
        { BYTES("].") }, { BYTES("}X\1\0\0\0wK\1s.") }, { BYTES("}q\0X\3\0\0\0neth\0s.") }, /* it holds itself */
    };
    pn_bytes file = legacy(without[_i].object, without[_i].size, BYTES("\x80\x02]."));
    refused("none.pth", &file, PN_ERR_FORMAT,
            "none.pth holds no dictionary of named tensors; save one with torch.save");
    pn_free(scratch_ctx(), file.bytes);
}
END_TEST

START_TEST(the_tables_own_pickle_works)
{
    pn_bytes file = legacy(BYTES(NAMED(TENSOR("K\0", "K\2", "K\1"))), BYTES(TAIL));
    pn_safetensors f;
    float v[2];
    assert_works(pn_torch_parse(scratch_ctx(), "by hand", &file, &f));
    pn_st_floats(pn_safetensors_find(&f, "w"), 0, 2, v);
    ck_assert(v[0] == 1 && v[1] == 2);
    pn_safetensors_free(scratch_ctx(), &f);
}
END_TEST

/* A few bytes, a million times over. */
static const struct {
    const char *begin, *again;
    pn_status status;
    const char *message;
} bombs[] = {
    { "", "N", PN_ERR_FORMAT, "more than 65536 values on the stack" },
    { "", "(", PN_ERR_FORMAT, "more than 4096 marks on the stack" },
    { "]", "Na", PN_ERR_FORMAT, "more than 524288 items in lists and dictionaries" },
    { "]", "]a", PN_ERR_FORMAT, "more than 262144 lists and dictionaries" },
    { ")", "\x85", PN_ERR_FORMAT, "more than 262144 lists and dictionaries" }, /* a tuple in a tuple in a tuple */
    { "N", "\x94", PN_ERR_FORMAT, "more than 524288 places in the memo" },
    { "]",
      "("
      "X\1\1\1\1",
      PN_ERR_FORMAT, "a text leaves the file" },
};

START_TEST(a_bomb_takes_little_memory)
{
    enum { TIMES = 1 << 20 };
    const size_t n = strlen(bombs[_i].begin), m = strlen(bombs[_i].again);
    uint8_t *object = malloc(n + m * TIMES);
    memcpy(object, bombs[_i].begin, n);
    for (size_t i = 0; i < TIMES; i++) memcpy(object + n + i * m, bombs[_i].again, m);
    pn_bytes file = legacy(object, n + m * TIMES, BYTES(TAIL));
    free(object);
    refused("bomb", &file, bombs[_i].status, bombs[_i].message);
    pn_free(scratch_ctx(), file.bytes);
}
END_TEST

/* Each list holds the one before it twice: 2^60 items for whoever walks them all. */
START_TEST(lists_that_hold_each_other_cost_what_they_weigh)
{
    enum { DEEP = 60, ONE = 9 };
    static const char begin[] = "}X\1\0\0\0w]q\0";
    char object[sizeof begin + DEEP * ONE + 64];
    size_t n = sizeof begin - 1;
    memcpy(object, begin, n);
    for (int i = 1; i < DEEP; i++, n += ONE)
        memcpy(object + n, (const char[]){ ']', '(', 'h', (char)(i - 1), 'h', (char)(i - 1), 'e', 'q', (char)i }, ONE);
    memcpy(object + n, BYTES("."));
    pn_bytes file = legacy(object, n + 1, BYTES(TAIL));
    refused("laughs", &file, PN_ERR_FORMAT, "it stops with more or less than one value");
    pn_free(scratch_ctx(), file.bytes);
}
END_TEST

START_TEST(a_tar_is_refused_with_advice)
{
    uint8_t bytes[512] = "sys_info";
    memcpy(bytes + 257, "ustar", 5);
    pn_bytes file = { bytes, sizeof bytes };
    ck_assert(pn_torch_known(&file));
    refused("old.pth", &file, PN_ERR_FORMAT, "is a tar file, as torch before 0.1.10 wrote");
}
END_TEST

START_TEST(a_refused_request_for_memory_is_reported_and_leaks_nothing)
{
    static const char *const files[] = { FILES "nested_zip.pth", FILES "views_legacy.pth", FILES "deflated.pth" };
    pn_bytes file = scratch_read(files[_i]);
    const size_t live = scratch_live();
    for (long k = 1;; k++) {
        pn_safetensors f;
        scratch_fail_at(k);
        const pn_status status = pn_torch_parse(scratch_ctx(), files[_i], &file, &f);
        const bool asked = scratch_fail_at(0) < 0;
        if (!asked) {
            ck_assert_int_eq(status, PN_OK);
            ck_assert_int_gt(k, 8);
            pn_safetensors_free(scratch_ctx(), &f);
            return;
        }
        ck_assert_int_eq(status, PN_ERR_NOMEM);
        ck_assert_uint_eq(scratch_live(), live);
    }
}
END_TEST

TCase *torch_file_cases(void)
{
    TCase *tc = tcase_create("torch_file");
    tcase_add_loop_test(tc, what_torch_saved_has_the_bits_of_its_twin, 0, sizeof good / sizeof *good);
    tcase_add_test(tc, stored_tensors_lie_in_the_file_and_names_may_share_them);
    tcase_add_test(tc, a_kind_is_known_by_its_bytes);
    tcase_add_loop_test(tc, a_file_that_lies_is_refused_by_name, 0, sizeof bad / sizeof *bad);
    tcase_add_loop_test(tc, a_file_cut_anywhere_is_refused, 0, 5);
    tcase_add_loop_test(tc, a_pickle_that_asks_for_more_is_refused, 0, sizeof pickles / sizeof *pickles);
    tcase_add_loop_test(tc, a_file_without_named_tensors_is_told_what_to_save, 0, 3);
    tcase_add_test(tc, the_tables_own_pickle_works);
    tcase_add_loop_test(tc, a_bomb_takes_little_memory, 0, sizeof bombs / sizeof *bombs);
    tcase_add_test(tc, lists_that_hold_each_other_cost_what_they_weigh);
    tcase_add_test(tc, a_tar_is_refused_with_advice);
    tcase_add_loop_test(tc, a_refused_request_for_memory_is_reported_and_leaks_nothing, 0, 3);
    return tc;
}
