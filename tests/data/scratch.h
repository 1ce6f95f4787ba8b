/* scratch.h - a context, a folder of its own and small files for tests that read and write bytes */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "io/io.h"

#include <check.h>

/* A context whose log goes to scratch_log(); the end of the test's process frees it. */
pn_ctx *scratch_ctx(void);
size_t scratch_live(void);                              /* blocks of memory that the context's users hold now */
/* Refuse the k-th request from now and all after it; 0: grant all again. returns what was left: 0 or less once
 * refused. */
long scratch_fail_at(long k);
const char *scratch_log(void);                          /* all lines so far, each with a newline */
/* A path in a folder that exists for this test alone; valid until the 16th call after it. */
const char *scratch_path(const char *name);
void scratch_write(const char *name, const char *text);
void scratch_write_bytes(const char *name, const void *bytes, size_t size);
pn_bytes scratch_read(const char *path);
/* The folder of real photographs, or NULL and a printed line that the test was skipped. */
const char *scratch_photographs(const char *test);

#define assert_fails(call, status, part) do { \
    ck_assert_int_eq((call), (status)); \
    if (!strstr(pn_ctx_message(scratch_ctx()), (part))) \
        ck_abort_msg("message is '%s', expected '%s' in it", pn_ctx_message(scratch_ctx()), (part)); \
} while (0)
#define assert_works(call) do { \
    const pn_status status_ = (call); \
    if (status_) ck_abort_msg("%s: %s", #call, pn_ctx_message(scratch_ctx())); \
} while (0)

#endif
