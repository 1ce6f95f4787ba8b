/* tests/support/memory.c - see memory.h. Counting relies on the C library's own names for malloc, which GNU libc
 * exports. */
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

static void *test_get(void *user, size_t bytes, size_t align)
{
    pn_test_memory *m = user;
    m->requests++;
    if (m->fail_at && (m->requests == m->fail_at || (m->fail_after && m->requests > m->fail_at))) return NULL;
    if (align < sizeof(void *)) align = sizeof(void *);
    const size_t whole = (bytes + align - 1) / align * align;
    void *memory = whole >= bytes ? aligned_alloc(align, whole) : NULL;
    if (!memory) return NULL;
    memset(memory, 0xff, bytes);                        /* every float and double made of these bytes is NaN */
    m->live++;
    m->live_bytes += bytes;
    return memory;
}

static void test_put(void *user, void *memory, size_t bytes)
{
    pn_test_memory *m = user;
    m->live--;
    m->live_bytes -= bytes;
    free(memory);
}

pn_allocator pn_test_allocator(pn_test_memory *memory)
{
    return (pn_allocator){ .get = test_get, .put = test_put, .user = memory };
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

bool pn_test_sanitized(void)
{
#ifdef HAS_SANITIZER
    return true;
#else
    return false;
#endif
}

#if defined(__GLIBC__) && !defined(HAS_SANITIZER)
static _Thread_local unsigned long calls;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void *malloc(size_t size) { calls++; return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { calls++; return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { calls++; return __libc_realloc(old, size); }
void *aligned_alloc(size_t align, size_t size) { calls++; return __libc_memalign(align, size); }
unsigned long pn_test_mallocs(void) { return calls; }
bool pn_test_mallocs_counted(void) { return true; }
#else
unsigned long pn_test_mallocs(void) { return 0; }
bool pn_test_mallocs_counted(void) { return false; }
#endif
