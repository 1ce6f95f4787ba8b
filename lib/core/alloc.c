/* lib/core/alloc.c - all memory passes here, so that the tests can make the k-th request fail */
#define _GNU_SOURCE
#include "core/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, HUGE_PAGE = 2 << 20 };

static void *system_get(void *user, size_t bytes, size_t align)
{
    (void)user;
    if (bytes >= HUGE_PAGE) align = HUGE_PAGE;          /* madvise knows whole pages only */
    else if (align < sizeof(void *)) align = sizeof(void *);
    if (bytes > PTRDIFF_MAX - align) return NULL;
    void *memory = aligned_alloc(align, (bytes + align - 1) / align * align);           /* C asks for whole multiples */
    if (memory && bytes >= HUGE_PAGE) (void)madvise(memory, bytes, MADV_HUGEPAGE);     /* a wish: refusal is fine */
    return memory;
}

static void system_put(void *user, void *memory, size_t bytes)
{
    (void)user; (void)bytes;
    free(memory);
}

const pn_allocator pn_system_allocator = { .get = system_get, .put = system_put };

static void count_request(pn_ctx *ctx) { (ctx->parent ? ctx->parent : ctx)->requests++; }
uint64_t pn_alloc_requests(const pn_ctx *ctx) { return (ctx->parent ? ctx->parent : ctx)->requests; }

/* A block begins with its size, in a line of its own so that what follows stays aligned. */
typedef union { size_t bytes; uint8_t line[ALIGN]; } header;

bool pn_size_mul(size_t a, size_t b, size_t *product) { size_t r; return !__builtin_mul_overflow(a, b, &r) && (*product = r, true); }
bool pn_size_add(size_t a, size_t b, size_t *sum) { size_t r; return !__builtin_add_overflow(a, b, &r) && (*sum = r, true); }

static void *get_block(pn_ctx *ctx, size_t bytes)
{
    size_t whole;
    if (!pn_size_add(bytes, sizeof(header), &whole) || whole > PTRDIFF_MAX) return NULL;
    count_request(ctx);
    header *h = ctx->allocator.get(ctx->allocator.user, whole, ALIGN);
    if (!h) return NULL;
    h->bytes = bytes;
    return h + 1;
}

void *pn_alloc_unset(pn_ctx *ctx, size_t count, size_t size)
{
    size_t bytes;
    void *memory = pn_size_mul(count, size, &bytes) ? get_block(ctx, bytes) : NULL;
    if (!memory) pn_fail(ctx, PN_ERR_NOMEM, "no memory for %zu x %zu bytes", count, size);
    return memory;
}

void *pn_alloc(pn_ctx *ctx, size_t count, size_t size)
{
    void *memory = pn_alloc_unset(ctx, count, size);
    return memory ? memset(memory, 0, count * size) : NULL;
}

void pn_free(pn_ctx *ctx, void *memory)
{
    if (!memory) return;
    header *h = (header *)memory - 1;
    ctx->allocator.put(ctx->allocator.user, h, h->bytes + sizeof *h);
}

pn_status pn_grow(pn_ctx *ctx, void **memory, size_t *capacity, size_t want, size_t size)
{
    if (want <= *capacity) return PN_OK;
    size_t grown = *capacity < 8 ? 8 : *capacity;
    while (grown < want)
        if (!pn_size_mul(grown, 2, &grown)) return pn_fail(ctx, PN_ERR_NOMEM, "no memory for %zu x %zu bytes", want, size);
    void *larger = pn_alloc(ctx, grown, size);
    if (!larger) return PN_ERR_NOMEM;
    if (*memory) memcpy(larger, *memory, *capacity * size);
    pn_free(ctx, *memory);
    *memory = larger;
    *capacity = grown;
    return PN_OK;
}

char *pn_strdup(pn_ctx *ctx, const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = pn_alloc(ctx, n, 1);
    return copy ? memcpy(copy, text, n) : NULL;
}

char *pn_format(pn_ctx *ctx, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : pn_alloc(ctx, (size_t)n + 1, 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void *pn_alloc_pages(pn_ctx *ctx, size_t bytes)
{
    count_request(ctx);
    void *memory = bytes > PTRDIFF_MAX - HUGE_PAGE ? NULL
                 : ctx->allocator.get(ctx->allocator.user, bytes, bytes >= HUGE_PAGE ? HUGE_PAGE : ALIGN);
    if (!memory) pn_fail(ctx, PN_ERR_NOMEM, "no memory for %zu bytes", bytes);
    return memory;
}

void pn_free_pages(pn_ctx *ctx, void *memory, size_t bytes)
{
    if (memory) ctx->allocator.put(ctx->allocator.user, memory, bytes);
}

/* ---- Arenas ----------------------------------------------------------------------------------------------------- */

enum { CHUNK = 64 << 10 };
struct pn_arena_chunk { struct pn_arena_chunk *older; size_t used, size; _Alignas(ALIGN) uint8_t bytes[]; };

void *pn_arena_alloc(pn_arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (!pn_size_mul(count, size, &bytes) || bytes > PTRDIFF_MAX / 2) {
        pn_fail(a->ctx, PN_ERR_NOMEM, "no memory for %zu x %zu bytes", count, size);
        return NULL;
    }
    bytes = (bytes + 15) / 16 * 16;
    if (!a->chunk || a->chunk->size - a->chunk->used < bytes) {
        const size_t room = bytes > CHUNK ? bytes : CHUNK;
        struct pn_arena_chunk *c = pn_alloc(a->ctx, 1, sizeof *c + room);
        if (!c) return NULL;
        c->older = a->chunk;
        c->size = room;
        a->chunk = c;
    }
    void *memory = a->chunk->bytes + a->chunk->used;
    a->chunk->used += bytes;
    return memory;
}

char *pn_arena_strdup(pn_arena *a, const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = pn_arena_alloc(a, n, 1);
    return copy ? memcpy(copy, text, n) : NULL;
}

void pn_arena_free(pn_arena *a)
{
    while (a->chunk) {
        struct pn_arena_chunk *older = a->chunk->older;
        pn_free(a->ctx, a->chunk);
        a->chunk = older;
    }
}
