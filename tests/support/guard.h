/* guard.h - arrays that end, or begin, at a page nobody may touch: a kernel that reads one number too many stops
 * the test */
#ifndef PN_TEST_GUARD_H
#define PN_TEST_GUARD_H

#include "posenet.h"

typedef struct { unsigned char *map; size_t size; void *memory; } pn_guard;

pn_guard pn_guard_after(size_t bytes); /* memory + bytes is forbidden; aligned to no more than bytes happens to be */
pn_guard pn_guard_before(size_t bytes);         /* memory - 1 is forbidden */
/* The same numbers, ending at a forbidden page. */
pn_guard pn_guard_copy(const pn_real *values, ptrdiff_t count);
void pn_guard_free(pn_guard *g);

#endif
