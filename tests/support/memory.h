/* memory.h - an allocator for tests: fills with NaN, counts what is out, and refuses when told to */
#ifndef PN_TEST_MEMORY_H
#define PN_TEST_MEMORY_H

#include "posenet.h"

typedef struct {
    size_t live_bytes;
    long live, requests;            /* blocks out now; requests so far */
    long fail_at;                   /* this request, counted from 1, gets nothing; 0: none */
    bool fail_after;                /* and neither does any later one */
} pn_test_memory;

pn_allocator pn_test_allocator(pn_test_memory *memory);

/* Calls of malloc and its like by the calling thread, the library's and everybody else's; 0 where they cannot be
 * counted (under a sanitizer, which has its own malloc). */
unsigned long pn_test_mallocs(void);
bool pn_test_mallocs_counted(void);

/* Whether a sanitizer watches, and everything takes ten times as long. */
bool pn_test_sanitized(void);

#endif
