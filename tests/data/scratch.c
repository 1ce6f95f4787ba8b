/* tests/data/scratch.c - see scratch.h. Check runs each test in a process of its own, so statics are per test. */
#define _GNU_SOURCE
#include "data/scratch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char log_text[65536];

static void keep(void *user, pn_log_level level, const char *text)
{
    (void)user; (void)level;
    const size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s\n", text);
}

/* ---- Memory that is counted: tests may leave things lying, and ask whether the library did ---------------------- */

typedef struct block { struct block *before, *after; void *base; } block;
static block *blocks;               /* all live ones: reachable, so no leak to a sanitizer */
static size_t live;
static long until_failure;          /* requests still granted, plus one; 0: all */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *get(void *user, size_t bytes, size_t align)
{
    (void)user;
    if (align < sizeof(block)) align = sizeof(block);
    pthread_mutex_lock(&lock);
    const bool refused = until_failure != 0 && --until_failure <= 0;
    if (refused) until_failure = -1;                    /* this one and all after it, until told otherwise */
    pthread_mutex_unlock(&lock);
    if (refused) return NULL;
    uint8_t *base = bytes > PTRDIFF_MAX - 2 * align ? NULL
                                                    : aligned_alloc(align, (bytes + 2 * align - 1) / align * align);
    if (!base) return NULL;
    block *b = (block *)(void *)(base + align) - 1;
    pthread_mutex_lock(&lock);
    *b = (block){ NULL, blocks, base };
    if (blocks) blocks->before = b;
    blocks = b;
    live++;
    pthread_mutex_unlock(&lock);
    return b + 1;
}

static void put(void *user, void *memory, size_t bytes)
{
    (void)user; (void)bytes;
    block *b = (block *)memory - 1;
    pthread_mutex_lock(&lock);
    if (b->before) b->before->after = b->after;
    else blocks = b->after;
    if (b->after) b->after->before = b->before;
    live--;
    pthread_mutex_unlock(&lock);
    free(b->base);
}

size_t scratch_live(void) { return live; }

long scratch_fail_at(long request)
{
    pthread_mutex_lock(&lock);
    const long left = until_failure;
    until_failure = request;
    pthread_mutex_unlock(&lock);
    return left;
}

pn_ctx *scratch_ctx(void)
{
    static pn_ctx *ctx;
    char why[256];
    if (ctx) return ctx;
    ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 2, .log = { .line = keep }, .allocator = { get, put, NULL } }, why);
    if (!ctx) ck_abort_msg("no context: %s", why);
    return ctx;
}

const char *scratch_log(void) { return log_text; }

const char *scratch_path(const char *name)
{
    static char folder[64], path[16][512];
    static unsigned next;
    if (!folder[0]) {
        strcpy(folder, "/tmp/posenet-test-XXXXXX");
        if (!mkdtemp(folder)) ck_abort_msg("cannot make %s", folder);
    }
    char *out = path[next++ % 16];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    char *slash = strrchr(out, '/');
    *slash = 0;
    if (pn_folder_make(scratch_ctx(), out)) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    *slash = '/';
    return out;
}

void scratch_write_bytes(const char *name, const void *bytes, size_t size)
{
    assert_works(pn_file_write(scratch_ctx(), scratch_path(name), bytes, size));
}

void scratch_write(const char *name, const char *text) { scratch_write_bytes(name, text, strlen(text)); }

pn_bytes scratch_read(const char *path)
{
    pn_bytes file = { 0 };
    assert_works(pn_file_read(scratch_ctx(), path, &file));
    return file;
}

const char *scratch_photographs(const char *test)
{
    const char *folder = getenv("PN_REAL_DATA");
    if (folder && *folder) return folder;
    printf("skipped: %s needs real photographs; set PN_REAL_DATA to their folder\n", test);
    return NULL;
}
