/* tests/main.c - every TCase *X_cases(void) under tests/, one suite per folder; the build lists them in cases.def
 *
 * Check's own variables choose and tune: CK_RUN_SUITE=ops, CK_RUN_CASE=conv2d, CK_FORK=no under a debugger,
 * CK_VERBOSITY=verbose, CK_TIMEOUT_MULTIPLIER=10 under valgrind.
 */
#define _GNU_SOURCE
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

int main(void)
{
    setenv("CK_DEFAULT_TIMEOUT", "120", 0);             /* seconds per test: loaded machines and sanitizers are slow */
    SRunner *runner = srunner_create(NULL);
    Suite *suite = NULL;
    for (size_t i = 0; cases[i].suite; i++) {
        if (!suite || strcmp(cases[i].suite, cases[i - 1].suite) != 0) {
            suite = suite_create(cases[i].suite);
            srunner_add_suite(runner, suite);
        }
        suite_add_tcase(suite, cases[i].make());
    }
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
