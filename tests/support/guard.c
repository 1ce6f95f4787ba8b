/* tests/support/guard.c - see guard.h */
#define _GNU_SOURCE
#include "support/guard.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Forbidden page, room, forbidden page; the room is filled with NaN. */
static pn_guard make(size_t bytes, size_t *page, size_t *room)
{
    *page = (size_t)sysconf(_SC_PAGESIZE);
    *room = (bytes + *page - 1) / *page * *page;
    pn_guard g = { .size = *room + 2 * *page };
    g.map = mmap(NULL, g.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED) ck_abort_msg("no memory for %zu guarded bytes", bytes);
    if (*room && mprotect(g.map + *page, *room, PROT_READ | PROT_WRITE)) ck_abort_msg("cannot guard %zu bytes", bytes);
    memset(g.map + *page, 0xff, *room);
    return g;
}

pn_guard pn_guard_after(size_t bytes)
{
    size_t page, room;
    pn_guard g = make(bytes, &page, &room);
    g.memory = g.map + page + room - bytes;
    return g;
}

pn_guard pn_guard_before(size_t bytes)
{
    size_t page, room;
    pn_guard g = make(bytes, &page, &room);
    g.memory = g.map + page;
    return g;
}

pn_guard pn_guard_copy(const pn_real *values, ptrdiff_t count)
{
    pn_guard g = pn_guard_after((size_t)count * sizeof *values);
    memcpy(g.memory, values, (size_t)count * sizeof *values);
    return g;
}

void pn_guard_free(pn_guard *g)
{
    if (g->map) munmap(g->map, g->size);
    *g = (pn_guard){ 0 };
}
