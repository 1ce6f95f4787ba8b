/* failing_files.h - the system's files, with every call counted and one of them refused */
#ifndef PN_TEST_FAILING_FILES_H
#define PN_TEST_FAILING_FILES_H

#include "posenet.h"

typedef enum {
    PN_CALL_OPEN,
    PN_CALL_READ,
    PN_CALL_WRITE,
    PN_CALL_SYNC,
    PN_CALL_CLOSE,
    PN_CALL_SIZE,
    PN_CALL_RENAME,
    PN_CALL_REMOVE,
    PN_CALL_SYNC_FOLDER,
    PN_CALL_KINDS
} pn_test_call;

typedef struct {
    long calls, fail_at;            /* this call, counted from 1, fails; 0: none */
    int error;                      /* with this errno; 0: EIO */
    ptrdiff_t at_most;              /* bytes that one read or write moves; 0: all */
    long seen[PN_CALL_KINDS];
    pn_test_call failed;            /* what the call at fail_at was */
    int open;                       /* files open now */
} pn_test_files;

pn_file_ops pn_test_file_ops(pn_test_files *files);

#endif
