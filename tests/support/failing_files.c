/* tests/support/failing_files.c - see failing_files.h */
#include "support/failing_files.h"

#include "core/context.h"

#include <errno.h>

/* 0, or the error this call is to give. */
static int refused(pn_test_files *f, pn_test_call call)
{
    f->seen[call]++;
    if (++f->calls != f->fail_at) return 0;
    f->failed = call;
    return f->error ? -f->error : -EIO;
}

static int test_open(void *user, const char *path, pn_file_mode mode)
{
    pn_test_files *f = user;
    const int error = refused(f, PN_CALL_OPEN);
    const int file = error ? error : pn_system_files.open(NULL, path, mode);
    f->open += file >= 0;
    return file;
}

static size_t capped(const pn_test_files *f, size_t n)
{
    return f->at_most && (size_t)f->at_most < n ? (size_t)f->at_most : n;
}

static ptrdiff_t test_read(void *user, int file, void *bytes, size_t n)
{
    const int error = refused(user, PN_CALL_READ);
    return error ? error : pn_system_files.read(NULL, file, bytes, capped(user, n));
}

static ptrdiff_t test_write(void *user, int file, const void *bytes, size_t n)
{
    const int error = refused(user, PN_CALL_WRITE);
    return error ? error : pn_system_files.write(NULL, file, bytes, capped(user, n));
}

static int test_sync(void *user, int file)
{
    const int error = refused(user, PN_CALL_SYNC);
    return error ? error : pn_system_files.sync(NULL, file);
}

/* A close that fails has closed all the same. */
static int test_close(void *user, int file)
{
    pn_test_files *f = user;
    const int error = refused(f, PN_CALL_CLOSE), closed = pn_system_files.close(NULL, file);
    f->open--;
    return error ? error : closed;
}

static int64_t test_size(void *user, int file)
{
    const int error = refused(user, PN_CALL_SIZE);
    return error ? error : pn_system_files.size(NULL, file);
}

static int test_rename(void *user, const char *from, const char *to)
{
    const int error = refused(user, PN_CALL_RENAME);
    return error ? error : pn_system_files.rename(NULL, from, to);
}

static int test_remove(void *user, const char *path)
{
    const int error = refused(user, PN_CALL_REMOVE);
    return error ? error : pn_system_files.remove(NULL, path);
}

static int test_sync_folder(void *user, const char *path)
{
    const int error = refused(user, PN_CALL_SYNC_FOLDER);
    return error ? error : pn_system_files.sync_folder(NULL, path);
}

pn_file_ops pn_test_file_ops(pn_test_files *files)
{
    return (pn_file_ops){ .open = test_open,
                          .read = test_read,
                          .write = test_write,
                          .sync = test_sync,
                          .close = test_close,
                          .size = test_size,
                          .rename = test_rename,
                          .remove = test_remove,
                          .sync_folder = test_sync_folder,
                          .user = files };
}
