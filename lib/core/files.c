/* lib/core/files.c - whole files in, whole files out: a reader never sees half of one */
#define _GNU_SOURCE
#include "core/context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The system's file operations ------------------------------------------------------------------------------- */

static int result_of(int r) { return r < 0 ? -errno : r; }

static int sys_open(void *user, const char *path, pn_file_mode mode)
{
    (void)user;
    static const int flags[] = { [PN_FILE_READ] = O_RDONLY, [PN_FILE_WRITE] = O_WRONLY | O_CREAT | O_TRUNC,
                                 [PN_FILE_APPEND] = O_WRONLY | O_CREAT | O_APPEND };
    return result_of(open(path, flags[mode] | O_CLOEXEC, 0666));
}

static ptrdiff_t sys_read(void *user, int file, void *bytes, size_t n)
{
    (void)user;
    ssize_t r;
    do r = read(file, bytes, n); while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static ptrdiff_t sys_write(void *user, int file, const void *bytes, size_t n)
{
    (void)user;
    ssize_t r;
    do r = write(file, bytes, n); while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int sys_sync(void *user, int file) { (void)user; return result_of(fsync(file)); }
static int sys_close(void *user, int file) { (void)user; return result_of(close(file)); }
static int sys_rename(void *user, const char *from, const char *to) { (void)user; return result_of(rename(from, to)); }
static int sys_remove(void *user, const char *path) { (void)user; return result_of(unlink(path)); }

static int64_t sys_size(void *user, int file)
{
    (void)user;
    struct stat s;
    if (fstat(file, &s)) return -errno;
    if (S_ISDIR(s.st_mode)) return -EISDIR;
    return s.st_size;
}

static int sys_sync_folder(void *user, const char *path)
{
    (void)user;
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return -errno;
    const int r = fsync(folder) && errno != EINVAL ? -errno : 0;       /* some file systems cannot: then they need not */
    close(folder);
    return r;
}

const pn_file_ops pn_system_files = {
    .open = sys_open, .read = sys_read, .write = sys_write, .sync = sys_sync, .close = sys_close, .size = sys_size,
    .rename = sys_rename, .remove = sys_remove, .sync_folder = sys_sync_folder,
};

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static pn_status read_all(pn_ctx *ctx, int file, const char *path, pn_bytes *out)
{
    const pn_file_ops *f = &ctx->files;
    const int64_t size = f->size(f->user, file);
    if (size < 0) return pn_fail_errno(ctx, (int)-size, "cannot read %s", path);
    if ((uint64_t)size > ctx->limits.file_bytes)
        return pn_fail(ctx, PN_ERR_LIMIT, "%s has %lld bytes, more than the limit of %zu; raise pn_limits.file_bytes", path,
                       (long long)size, ctx->limits.file_bytes);
    uint8_t *bytes = pn_alloc_unset(ctx, (size_t)size + 1, 1);
    if (!bytes) return PN_ERR_NOMEM;
    bytes[size] = 0;                                    /* text can be read as a string */
    size_t got = 0;
    while (got < (size_t)size) {
        const ptrdiff_t n = f->read(f->user, file, bytes + got, (size_t)size - got);
        if (n <= 0) {
            pn_free(ctx, bytes);
            if (n == 0) return pn_fail(ctx, PN_ERR_IO, "%s ended after %zu of %lld bytes", path, got, (long long)size);
            return pn_fail_errno(ctx, (int)-n, "cannot read %s", path);
        }
        got += (size_t)n;
    }
    *out = (pn_bytes){ bytes, (size_t)size };
    return PN_OK;
}

pn_status pn_file_read(pn_ctx *ctx, const char *path, pn_bytes *out)
{
    const pn_file_ops *f = &ctx->files;
    const int file = f->open(f->user, path, PN_FILE_READ);
    if (file < 0) return pn_fail_errno(ctx, -file, "cannot open %s", path);
    const pn_status status = read_all(ctx, file, path, out);
    f->close(f->user, file);
    return status;
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

pn_status pn_writer_begin(pn_writer *w, pn_ctx *ctx, const char *path)
{
    *w = (pn_writer){ .ctx = ctx, .file = -1 };
    w->path = pn_strdup(ctx, path);
    w->temporary = pn_format(ctx, "%s.tmp%ld", path, (long)getpid());
    if (!w->path || !w->temporary) {
        pn_writer_cancel(w);
        return w->status = PN_ERR_NOMEM;
    }
    w->file = ctx->files.open(ctx->files.user, w->temporary, PN_FILE_WRITE);
    if (w->file < 0) {
        const int error = -w->file;
        w->file = -1;
        pn_fail_errno(ctx, error, "cannot write %s", path);
        pn_writer_cancel(w);
        return w->status = PN_ERR_IO;
    }
    return PN_OK;
}

static pn_status put_all(pn_ctx *ctx, int file, const char *path, const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    while (size) {
        const ptrdiff_t n = ctx->files.write(ctx->files.user, file, b, size);
        if (n <= 0) return pn_fail_errno(ctx, n ? (int)-n : ENOSPC, "cannot write %s", path);
        b += n;
        size -= (size_t)n;
    }
    return PN_OK;
}

pn_status pn_writer_put(pn_writer *w, const void *bytes, size_t size)
{
    if (w->status) return w->status;
    return w->status = put_all(w->ctx, w->file, w->path, bytes, size);
}

static void release(pn_writer *w)
{
    pn_free(w->ctx, w->path);
    pn_free(w->ctx, w->temporary);
    w->path = w->temporary = NULL;
}

void pn_writer_cancel(pn_writer *w)
{
    const pn_file_ops *f = &w->ctx->files;
    if (w->file >= 0) {
        f->close(f->user, w->file);
        f->remove(f->user, w->temporary);
        w->file = -1;
    }
    release(w);
}

static int sync_folder_of(pn_ctx *ctx, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == path ? pn_strdup(ctx, "/") : slash ? pn_format(ctx, "%.*s", (int)(slash - path), path)
                 : pn_strdup(ctx, ".");
    if (!folder) return -ENOMEM;
    const int r = ctx->files.sync_folder(ctx->files.user, folder);
    pn_free(ctx, folder);
    return r;
}

pn_status pn_writer_commit(pn_writer *w)
{
    if (w->status) {
        pn_writer_cancel(w);
        return w->status;
    }
    const pn_file_ops *f = &w->ctx->files;
    int error = f->sync(f->user, w->file);
    const int closed = f->close(f->user, w->file);
    w->file = -1;
    if (!error) error = closed;
    if (!error) error = f->rename(f->user, w->temporary, w->path);
    if (error) {
        f->remove(f->user, w->temporary);
        w->status = pn_fail_errno(w->ctx, -error, "cannot write %s", w->path);
    } else if ((error = sync_folder_of(w->ctx, w->path)) < 0) {
        w->status = pn_fail_errno(w->ctx, -error, "cannot sync the folder of %s", w->path);
    }
    release(w);
    return w->status;
}

pn_status pn_file_write(pn_ctx *ctx, const char *path, const void *bytes, size_t size)
{
    pn_writer w;
    const pn_status status = pn_writer_begin(&w, ctx, path);
    if (status) return status;
    pn_writer_put(&w, bytes, size);
    return pn_writer_commit(&w);
}

pn_status pn_file_append(pn_ctx *ctx, const char *path, const void *bytes, size_t size)
{
    const int file = ctx->files.open(ctx->files.user, path, PN_FILE_APPEND);
    if (file < 0) return pn_fail_errno(ctx, -file, "cannot write %s", path);
    const pn_status status = put_all(ctx, file, path, bytes, size);
    const int closed = ctx->files.close(ctx->files.user, file);
    if (status) return status;
    return closed ? pn_fail_errno(ctx, -closed, "cannot write %s", path) : PN_OK;
}

/* ---- Folders ---------------------------------------------------------------------------------------------------- */

static bool is_kind(const char *path, mode_t kind)
{
    struct stat s;
    return stat(path, &s) == 0 && (s.st_mode & S_IFMT) == kind;
}

bool pn_file_exists(pn_ctx *ctx, const char *path) { (void)ctx; return is_kind(path, S_IFREG); }
bool pn_folder_exists(pn_ctx *ctx, const char *path) { (void)ctx; return is_kind(path, S_IFDIR); }

pn_status pn_folder_make(pn_ctx *ctx, const char *path)
{
    if (!*path) return pn_fail(ctx, PN_ERR_ARG, "cannot make a folder without a name");
    char *part = pn_strdup(ctx, path);
    if (!part) return PN_ERR_NOMEM;
    pn_status status = PN_OK;
    for (char *c = part + 1; !status; c++) {
        if (*c != '/' && *c) continue;
        const char held = *c;
        *c = 0;
        if (mkdir(part, 0777) && !(errno == EEXIST && is_kind(part, S_IFDIR)))
            status = pn_fail_errno(ctx, errno, "cannot make the folder %s", part);
        *c = held;
        if (!held) break;
    }
    pn_free(ctx, part);
    return status;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

pn_status pn_folder_list(pn_ctx *ctx, const char *path, pn_names *out)
{
    DIR *folder = opendir(path);
    if (!folder) return pn_fail_errno(ctx, errno, "cannot list the folder %s", path);
    pn_names names = { 0 };
    size_t capacity = 0;
    pn_status status = PN_OK;
    for (struct dirent *e; !status && (e = readdir(folder));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        void *grown = names.name;
        status = pn_grow(ctx, &grown, &capacity, names.count + 1, sizeof *names.name);
        names.name = grown;
        if (status) break;
        names.name[names.count] = pn_strdup(ctx, e->d_name);
        if (!names.name[names.count]) status = PN_ERR_NOMEM;
        else names.count++;
    }
    closedir(folder);
    if (status) {
        pn_names_free(ctx, &names);
        return status;
    }
    if (names.count) qsort(names.name, names.count, sizeof *names.name, by_bytes);
    *out = names;
    return PN_OK;
}

static bool ends_as(const char *name, const char *endings)
{
    const char *dot = strrchr(name, '.'), *at = dot ? strstr(endings, dot) : NULL;
    const size_t n = dot ? strlen(dot) : 0;
    return at && n > 1 && (at[n] == ' ' || at[n] == 0);
}

pn_status pn_folder_files(pn_ctx *ctx, const char *path, const char *endings, pn_names *out)
{
    const pn_status status = pn_folder_list(ctx, path, out);
    if (status) return status;
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (ends_as(out->name[i], endings)) out->name[kept++] = out->name[i];
        else pn_free(ctx, out->name[i]);
    }
    out->count = kept;
    return PN_OK;
}

void pn_names_free(pn_ctx *ctx, pn_names *names)
{
    for (size_t i = 0; i < names->count; i++) pn_free(ctx, names->name[i]);
    pn_free(ctx, names->name);
    *names = (pn_names){ 0 };
}
