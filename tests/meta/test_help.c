/* tests/meta/test_help.c - `make help` and the Makefile name the same targets */
#include "support/pntest.h"

enum { MOST = 100, ROOM = 40 };
typedef struct { char name[MOST][ROOM]; int count; } targets;

/* Steps that other targets take; nobody needs to call them. */
static const char *const inner[] = { "packages", "tests", "run-tests", "run-neon", "run-fuzzers" };

static bool has(const targets *t, const char *name)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->name[i], name) == 0) return true;
    return false;
}

/* The words of one line, up to `length` bytes. */
static void add_words(targets *t, const char *text, size_t length)
{
    for (const char *at = text; at < text + length;) {
        const size_t n = strcspn(at, " :\n");
        if (n && n < ROOM && t->count < MOST) snprintf(t->name[t->count++], ROOM, "%.*s", (int)n, at);
        at += n + 1;
    }
}

/* "#   make NAME NAME     what they do", two blanks or more between; the bare word is the target all. */
static void add_from_help(targets *t, const char *line)
{
    static const char start[] = "#   make ";
    if (strncmp(line, start, sizeof start - 1) != 0) return;
    const char *names = line + sizeof start - 1, *gap = strstr(names, "  ");
    if (*names == ' ') add_words(t, "all", 3);
    else add_words(t, names, gap ? (size_t)(gap - names) : strcspn(names, "\n"));
}

/* "name name: needs", all letters small. */
static void add_from_rule(targets *t, const char *line)
{
    const size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz- ");
    if (n && line[0] != ' ' && line[n] == ':' && line[n + 1] != '=') add_words(t, line, n);
}

static void read_makefile(targets *help, targets *rules)
{
    pn_bytes file;
    if (pn_file_read(pn_test_ctx(), PN_TEST_DATA "/../Makefile", &file))
        ck_abort_msg("%s", pn_ctx_message(pn_test_ctx()));
    for (const char *line = (const char *)file.bytes; *line; line += line[0] == '\n') {
        add_from_help(help, line);
        add_from_rule(rules, line);
        line += strcspn(line, "\n");
    }
    pn_free(pn_test_ctx(), file.bytes);
}

START_TEST(make_help_lists_every_target_and_no_other)
{
    static targets help, rules;
    read_makefile(&help, &rules);
    ck_assert_int_gt(help.count, 10);
    ck_assert_int_lt(rules.count, MOST);
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        if (!has(&rules, inner[i])) ck_abort_msg("the Makefile has no target %s any more", inner[i]);
        add_words(&help, inner[i], strlen(inner[i]));
    }
    for (int i = 0; i < help.count; i++)
        if (!has(&rules, help.name[i])) ck_abort_msg("make help speaks of %s, which is no target", help.name[i]);
    for (int i = 0; i < rules.count; i++)
        if (!has(&help, rules.name[i])) ck_abort_msg("make help does not speak of %s", rules.name[i]);
}
END_TEST

TCase *help_cases(void)
{
    TCase *tc = tcase_create("help");
    tcase_add_test(tc, make_help_lists_every_target_and_no_other);
    return tc;
}
