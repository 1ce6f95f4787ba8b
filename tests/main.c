/* tests/main.c - every TCase *X_cases(void) under tests/, one suite per folder; the build lists them in cases.def
 *
 * Check's own variables choose and tune: CK_RUN_SUITE=ops, CK_RUN_CASE=conv2d, CK_FORK=no under a debugger,
 * CK_VERBOSITY=verbose, CK_TIMEOUT_MULTIPLIER=10 under valgrind. PN_TEST_SHARE=2/3 runs every third case, from the second on:
 * as many processes as a machine has cores share the cases out so.
 */
#define _GNU_SOURCE
#include "core/cpu.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES(suite, name) TCase *name##_cases(void);
#include "cases.def"
#undef CASES

static const struct { const char *suite; TCase *(*make)(void); } cases[] = {
#define CASES(suite, name) { #suite, name##_cases },
#include "cases.def"
#undef CASES
    { NULL, NULL }
};

/* Programs and data sets are the float build's alone: neither computes in pn_real. What takes long runs when asked for by name. */
static int runs(const char *suite)
{
    static const char *const once[] = { "programs", "data" };
    const char *wanted = getenv("CK_RUN_SUITE");
    if (strcmp(suite, "fault") == 0) return wanted && strcmp(wanted, suite) == 0;
    if (sizeof(pn_real) == sizeof(float)) return 1;
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (strcmp(suite, once[i]) == 0) return 0;
    return 1;
}

static int parse_share(unsigned *first, unsigned *step)
{
    const char *share = getenv("PN_TEST_SHARE");
    char rest;
    *first = *step = 1;
    if (!share || (sscanf(share, "%u/%u%c", first, step, &rest) == 2 && *first >= 1 && *first <= *step)) return 1;
    fprintf(stderr, "PN_TEST_SHARE=%s is no share like 1/2: which one, of how many\n", share);
    return 0;
}

static int print_isas(void)
{
    for (pn_isa isa = PN_ISA_REF; isa <= PN_ISA_NEON; isa++)
        if (pn_isa_available(isa)) printf("%s\n", pn_isa_name(isa));
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--isas") == 0) return print_isas();
    setenv("CK_DEFAULT_TIMEOUT", "300", 0);             /* seconds per test: loaded machines and sanitizers are slow */
    unsigned share, shares;
    if (!parse_share(&share, &shares)) return EXIT_FAILURE;
    SRunner *runner = srunner_create(NULL);
    Suite *suite = NULL;
    const char *last = NULL;
    for (size_t i = 0; cases[i].suite; i++) {
        if (i % shares != share - 1 || !runs(cases[i].suite)) continue;
        if (!suite || strcmp(cases[i].suite, last) != 0) {
            suite = suite_create(cases[i].suite);
            srunner_add_suite(runner, suite);
            last = cases[i].suite;
        }
        suite_add_tcase(suite, cases[i].make());
    }
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
