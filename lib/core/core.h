/* core.h - what every layer stands on: errors, memory, sizes, files, threads */
#ifndef PN_CORE_H
#define PN_CORE_H

#include "posenet.h"
#include "core/threads.h"

#include <stdarg.h>

/* ---- Errors: the context keeps the last one ------------------------------------------------------------------- */

#define PN_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum { PN_MESSAGE_MAX = 512 };

/* Keep status and message in ctx and return status: `return pn_fail(ctx, PN_ERR_FORMAT, "%s:%d: …", …);` */
pn_status pn_fail(pn_ctx *ctx, pn_status status, const char *format, ...) PN_PRINTF(3, 4);
pn_status pn_fail_errno(pn_ctx *ctx, int error, const char *format, ...) PN_PRINTF(3, 4);   /* PN_ERR_IO, ": reason" */
void pn_ctx_log(pn_ctx *ctx, pn_log_level level, const char *format, ...) PN_PRINTF(3, 4);
const pn_limits *pn_ctx_limits(const pn_ctx *ctx);      /* defaults filled in */
const pn_watch *pn_ctx_watched(const pn_ctx *ctx);      /* NULL: nobody watches */
/* A context for a helper thread: the same allocator, files and limits, no pool, own errors, silent. */
pn_ctx *pn_ctx_child(pn_ctx *ctx);

struct pn_kernels;
pn_pool *pn_ctx_pool(const pn_ctx *ctx);

/* ---- Memory: only core/alloc.c calls malloc --------------------------------------------------------------------- */

/* Zeroed memory for count * size bytes, 64-byte aligned; NULL and PN_ERR_NOMEM in ctx if there is none. count 0 gives a
 * pointer that may be freed and not read. */
void *pn_alloc(pn_ctx *ctx, size_t count, size_t size);
/* The same, not zeroed: for what is written over at once. */
void *pn_alloc_unset(pn_ctx *ctx, size_t count, size_t size);
/* Grow to hold `want` elements (amortised doubling); keeps the content. PN_ERR_NOMEM leaves *memory as it was. */
pn_status pn_grow(pn_ctx *ctx, void **memory, size_t *capacity, size_t want, size_t size);
void pn_free(pn_ctx *ctx, void *memory);                /* NULL is fine */
char *pn_strdup(pn_ctx *ctx, const char *text);
char *pn_format(pn_ctx *ctx, const char *format, ...) PN_PRINTF(2, 3);      /* owned by the caller */
/* Raw memory with no header for large blocks, huge pages asked for; not zeroed. Freed with its size. */
void *pn_alloc_pages(pn_ctx *ctx, size_t bytes);
void pn_free_pages(pn_ctx *ctx, void *memory, size_t bytes);
/* How often the allocator was asked, so tests can show that running asks for nothing. */
uint64_t pn_alloc_requests(const pn_ctx *ctx);

/* Memory that is freed together: nodes, names. */
typedef struct pn_arena { pn_ctx *ctx; struct pn_arena_chunk *chunk; } pn_arena;
void *pn_arena_alloc(pn_arena *a, size_t count, size_t size);   /* zeroed; NULL and PN_ERR_NOMEM */
char *pn_arena_strdup(pn_arena *a, const char *text);
void pn_arena_free(pn_arena *a);

/* ---- Sizes: arithmetic on numbers from outside ------------------------------------------------------------------ */

bool pn_size_mul(size_t a, size_t b, size_t *product);  /* false on overflow, *product untouched */
bool pn_size_add(size_t a, size_t b, size_t *sum);
/* Every extent positive, and the bytes of count pn_reals fit PTRDIFF_MAX. */
bool pn_shape_valid(pn_shape s);
enum { PN_SHAPE_TEXT = 128 };
const char *pn_shape_text(pn_shape s, char text[PN_SHAPE_TEXT]);        /* "[1,2,8,8]" */

/* ---- Files ------------------------------------------------------------------------------------------------------ */

typedef struct { uint8_t *bytes; size_t size; } pn_bytes;

/* Whole file into memory (pn_free bytes). Refuses more than limits.file_bytes before it allocates. */
pn_status pn_file_read(pn_ctx *ctx, const char *path, pn_bytes *out);
/* Replace path atomically: a temporary name beside it, write, sync, rename, sync the folder. The old file stays whole
 * until the new one is. */
pn_status pn_file_write(pn_ctx *ctx, const char *path, const void *bytes, size_t size);
/* The same in pieces. begin; put …; then commit or cancel. */
typedef struct { pn_ctx *ctx; char *path, *temporary; int file; pn_status status; } pn_writer;
pn_status pn_writer_begin(pn_writer *w, pn_ctx *ctx, const char *path);
pn_status pn_writer_put(pn_writer *w, const void *bytes, size_t size);
pn_status pn_writer_commit(pn_writer *w);
void pn_writer_cancel(pn_writer *w);
pn_status pn_file_append(pn_ctx *ctx, const char *path, const void *bytes, size_t size);
bool pn_file_exists(pn_ctx *ctx, const char *path);     /* as a file */
bool pn_folder_exists(pn_ctx *ctx, const char *path);
pn_status pn_folder_make(pn_ctx *ctx, const char *path);                /* and its parents; fine if it is there */
/* Names in a folder, sorted by bytes, without "." and ".."; free with pn_names_free. */
typedef struct { char **name; size_t count; } pn_names;
pn_status pn_folder_list(pn_ctx *ctx, const char *path, pn_names *out);
/* The same, only names with one of the endings, as in ".png .jpg": programs leave files of their own there. */
pn_status pn_folder_files(pn_ctx *ctx, const char *path, const char *endings, pn_names *out);
void pn_names_free(pn_ctx *ctx, pn_names *names);

uint64_t pn_hash(const void *bytes, size_t size);       /* FNV-1a 64 */

/* ---- Text that grows; sticky: after PN_ERR_NOMEM additions do nothing --------------------------------------------- */

typedef struct { pn_ctx *ctx; char *text; size_t size, room; pn_status status; } pn_text;     /* text: NUL-terminated or NULL */
void pn_text_add(pn_text *t, const char *format, ...) PN_PRINTF(2, 3);
void pn_text_bytes(pn_text *t, const void *bytes, size_t size);
void pn_text_free(pn_text *t);

#endif
