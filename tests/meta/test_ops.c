/* tests/meta/test_ops.c - every op of lib/ops/ops.def shows the same four things, and is measured */
#define _GNU_SOURCE
#include "support/pntest.h"

#include "core/context.h"

static const char *const ops[] = {
#define OP(name) #name,
#include "ops/ops.def"
#undef OP
};
enum { OPS = sizeof ops / sizeof *ops };

/* A test or bench file that calls the op, whole, and so far only as many of the words as it has. */
typedef struct { int files; bool has[4]; } found;

static void look(const char *path, const char *call, const char *const words[4], found *f)
{
    pn_bytes file;
    if (pn_file_read(pn_test_ctx(), path, &file)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    const char *text = (const char *)file.bytes;
    if (strstr(text, call)) {
        f->files++;
        for (int i = 0; i < 4; i++) f->has[i] = f->has[i] || (words[i] && strstr(text, words[i]));
    }
    pn_free(pn_test_ctx(), file.bytes);
}

static found search(const char *folder, const char *op, const char *const words[4])
{
    found f = { 0 };
    pn_names names;
    char path[512], call[64];
    snprintf(call, sizeof call, "pn_%s(", op);
    if (pn_folder_list(pn_test_ctx(), folder, &names)) ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    for (size_t i = 0; i < names.count; i++) {
        if (!strstr(names.name[i], ".c")) continue;
        snprintf(path, sizeof path, "%s/%s", folder, names.name[i]);
        look(path, call, words, &f);
    }
    pn_names_free(pn_test_ctx(), &names);
    return f;
}

START_TEST(every_op_is_tested_on_each_isa_for_gradients_and_for_refusals)
{
    static const char *const words[4] = { "pn_test_parity(", "pn_test_gradients(", "pn_test_refused(", "PN_ERR_" };
    const found f = search(PN_TEST_DATA "/ops", ops[_i], words);
    if (!f.files) ck_abort_msg("no file of tests/ops calls pn_%s", ops[_i]);
    for (int i = 0; i < 2; i++)
        if (!f.has[i]) ck_abort_msg("no file of tests/ops that calls pn_%s has a %s)", ops[_i], words[i]);
    if (!f.has[2] && !f.has[3]) ck_abort_msg("no file of tests/ops shows how pn_%s refuses what does not fit", ops[_i]);
}
END_TEST

START_TEST(every_op_is_measured)
{
    static const char *const words[4] = { NULL, NULL, NULL, NULL };
    const found f = search(PN_TEST_DATA "/../bench/ops", ops[_i], words);
    if (!f.files) ck_abort_msg("no file of bench/ops calls pn_%s", ops[_i]);
}
END_TEST

TCase *every_op_cases(void)
{
    TCase *tc = tcase_create("every_op");
    tcase_add_loop_test(tc, every_op_is_tested_on_each_isa_for_gradients_and_for_refusals, 0, OPS);
    tcase_add_loop_test(tc, every_op_is_measured, 0, OPS);
    return tc;
}
