/* lib/io/zip.c - zip archives, through libzip: it reads the directory, this file keeps bounds and saves the copies
 *
 * libzip reads through a source of ours, over the bytes in memory. Where it starts to read an entry is where its bytes
 * lie; what it hands out is compared with the bytes there, so stored entries need no memory of their own.
 */
#include "io/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum { ENTRIES_MAX = 1 << 16, PIECE = 1 << 16 };

typedef struct {
    const char *name;           /* as UTF-8 */
    size_t begin, packed, size; /* in the file; packed bytes become size */
    size_t name_size;           /* in the file */
    bool stored;
} place;

struct pn_zip {
    pn_ctx *ctx;
    char *name;
    pn_bytes file;
    zip_t *archive;
    zip_error_t error;     /* of the source */
    size_t at, first_read; /* where the source is; where it was read first since first_read was NOWHERE */
    size_t inflated;
    place *entry; /* in the directory's order */
    size_t count;
    uint8_t piece[PIECE];
};
static const size_t nowhere = (size_t)-1;

static pn_status refuse(const pn_zip *z, const char *what)
{
    return pn_fail(z->ctx, PN_ERR_FORMAT, "%s: %s; the file is damaged or no zip archive, fetch it again", z->name,
                   what);
}

/* ---- The source ---------------------------------------------------------------------------------------------- */

static zip_int64_t read_on(pn_zip *z, void *out, zip_uint64_t want)
{
    const size_t left = z->file.size - z->at, n = want < left ? (size_t)want : left;
    if (z->first_read == nowhere) z->first_read = z->at;
    if (n) memcpy(out, z->file.bytes + z->at, n);
    z->at += n;
    return (zip_int64_t)n;
}

static zip_int64_t seek_to(pn_zip *z, void *how, zip_uint64_t size)
{
    const zip_int64_t to = zip_source_seek_compute_offset(z->at, z->file.size, how, size, &z->error);
    if (to < 0) return -1;
    z->at = (size_t)to;
    return 0;
}

static zip_int64_t tell_size(const pn_zip *z, void *out)
{
    zip_stat_t *s = out;
    zip_stat_init(s);
    s->size = z->file.size;
    s->valid = ZIP_STAT_SIZE;
    return sizeof *s;
}

static zip_int64_t from_memory(void *user, void *data, zip_uint64_t size, zip_source_cmd_t command)
{
    pn_zip *z = user;
    switch (command) {
    case ZIP_SOURCE_OPEN: z->at = 0; return 0;
    case ZIP_SOURCE_READ: return read_on(z, data, size);
    case ZIP_SOURCE_SEEK: return seek_to(z, data, size);
    case ZIP_SOURCE_TELL: return (zip_int64_t)z->at;
    case ZIP_SOURCE_STAT: return tell_size(z, data);
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&z->error, data, size);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE: return 0;
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL,
                                              ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_CLOSE, ZIP_SOURCE_FREE, -1);
    default: zip_error_set(&z->error, ZIP_ER_OPNOTSUPP, 0); return -1;
    }
}

/* ---- Opening ------------------------------------------------------------------------------------------------- */

/* Names go into messages, and those to terminals. */
static bool printable(const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == 0x7f) return false;
    return true;
}

static pn_status locate(pn_zip *z, zip_uint64_t i)
{
    zip_stat_t s;
    place *e = &z->entry[i];
    if (zip_stat_index(z->archive, i, 0, &s)) return refuse(z, zip_strerror(z->archive));
    const char *raw = zip_get_name(z->archive, i, ZIP_FL_ENC_RAW);
    if (!raw || !printable(s.name)) return refuse(z, "an entry's name is not printable");
    *e = (place){ .name = s.name,
                  .name_size = strlen(raw),
                  .packed = (size_t)s.comp_size,
                  .size = (size_t)s.size,
                  .stored = s.comp_method == ZIP_CM_STORE };
    if ((!e->stored && s.comp_method != ZIP_CM_DEFLATE) || s.encryption_method != ZIP_EM_NONE)
        return pn_fail(z->ctx, PN_ERR_FORMAT,
                       "%s: the entry '%.160s' is compressed in a way that is not read, or encrypted; torch.save "
                       "stores entries plainly, use that",
                       z->name, s.name);
    if (s.comp_size > z->file.size || (e->stored && s.size != s.comp_size))
        return refuse(z, "an entry is larger than the file");
    if (!s.comp_size) return PN_OK;
    zip_file_t *f = zip_fopen_index(z->archive, i, 0);
    if (!f) return refuse(z, zip_strerror(z->archive));
    z->first_read = nowhere;
    const zip_int64_t n = zip_fread(f, z->piece, 1);
    e->begin = z->first_read;
    zip_fclose(f);
    if (n < 0 || e->begin == nowhere || e->begin > z->file.size || z->file.size - e->begin < e->packed)
        return refuse(z, "an entry leaves the file");
    return PN_OK;
}

static int by_place(const void *a, const void *b)
{
    const place *s = *(place *const *)a, *t = *(place *const *)b;
    return s->begin < t->begin ? -1 : s->begin > t->begin;
}

/* A header of 30 bytes and the name lie before each entry's bytes: those too are its own. */
static pn_status check_places(const pn_zip *z, const place **sorted)
{
    enum { HEADER = 30 };
    size_t n = 0;
    for (size_t i = 0; i < z->count; i++)
        if (z->entry[i].packed) sorted[n++] = &z->entry[i];
    qsort(sorted, n, sizeof *sorted, by_place);
    for (size_t i = 1; i < n; i++) {
        const place *a = sorted[i - 1], *b = sorted[i];
        if (a->begin + a->packed + HEADER + b->name_size > b->begin)
            return pn_fail(z->ctx, PN_ERR_FORMAT,
                           "%s: the entries '%.160s' and '%.160s' share bytes; the file was made to deceive, fetch "
                           "it elsewhere",
                           z->name, a->name, b->name);
    }
    return PN_OK;
}

static pn_status locate_all(pn_zip *z)
{
    const zip_int64_t count = zip_get_num_entries(z->archive, 0);
    if (count > ENTRIES_MAX)
        return pn_fail(z->ctx, PN_ERR_FORMAT, "%s: a zip archive of %lld entries, at most %d are read", z->name,
                       (long long)count, ENTRIES_MAX);
    z->entry = pn_alloc(z->ctx, (size_t)count, sizeof *z->entry);
    const place **sorted = z->entry ? pn_alloc(z->ctx, (size_t)count, sizeof *sorted) : NULL;
    pn_status status = sorted ? PN_OK : PN_ERR_NOMEM;
    for (; !status && z->count < (size_t)count; z->count++) status = locate(z, z->count);
    if (!status) status = check_places(z, sorted);
    pn_free(z->ctx, sorted);
    return status;
}

static pn_status open_archive(pn_zip *z)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_function_create(from_memory, z, &error);
    z->archive = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    pn_status status = PN_OK;
    if (!z->archive) {
        status = zip_error_code_zip(&error) == ZIP_ER_MEMORY
                     ? pn_fail(z->ctx, PN_ERR_NOMEM, "no memory for the directory of %s", z->name)
                     : refuse(z, zip_error_strerror(&error));
        zip_source_free(source);
    }
    zip_error_fini(&error);
    return status ? status : locate_all(z);
}

pn_status pn_zip_open(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_zip **out)
{
    pn_zip *z = pn_alloc(ctx, 1, sizeof *z);
    if (!z) return PN_ERR_NOMEM;
    z->ctx = ctx;
    z->file = *file;
    zip_error_init(&z->error);
    z->name = pn_strdup(ctx, name);
    const pn_status status = z->name ? open_archive(z) : PN_ERR_NOMEM;
    if (status)
        pn_zip_close(z);
    else
        *out = z;
    return status;
}

void pn_zip_close(pn_zip *z)
{
    if (!z) return;
    if (z->archive) zip_discard(z->archive);
    zip_error_fini(&z->error);
    pn_free(z->ctx, z->entry);
    pn_free(z->ctx, z->name);
    pn_free(z->ctx, z);
}

size_t pn_zip_count(const pn_zip *z) { return z->count; }
const char *pn_zip_name(const pn_zip *z, size_t i) { return z->entry[i].name; }

/* ---- Reading ------------------------------------------------------------------------------------------------- */

/* Read all of it: into `into`, or, if that is NULL, to compare it with the bytes in place. */
static pn_status read_all(pn_zip *z, zip_uint64_t i, uint8_t *into)
{
    const place *e = &z->entry[i];
    zip_file_t *f = zip_fopen_index(z->archive, i, 0);
    if (!f) return refuse(z, zip_strerror(z->archive));
    size_t done = 0;
    zip_int64_t n = 0;
    bool same = true;
    while (done < e->size && same) {
        const size_t want = !into && e->size - done > PIECE ? PIECE : e->size - done;
        n = zip_fread(f, into ? into + done : z->piece, want);
        if (n <= 0) break;
        if (!into) same = memcmp(z->piece, z->file.bytes + e->begin + done, (size_t)n) == 0;
        done += (size_t)n;
    }
    if (n >= 0 && done == e->size) n = zip_fread(f, z->piece, 1); /* the checksum is compared at the end */
    const bool whole = done == e->size && n == 0 && same;
    zip_fclose(f);
    return whole ? PN_OK
                 : pn_fail(z->ctx, PN_ERR_FORMAT,
                           "%s: the entry '%.160s' is not what its header and checksum say; the file is "
                           "damaged, fetch it again",
                           z->name, e->name);
}

pn_status pn_zip_read(pn_zip *z, const char *entry, pn_arena *into, pn_zip_entry *out)
{
    const zip_int64_t i = zip_name_locate(z->archive, entry, 0);
    if (i < 0 || (size_t)i >= z->count)
        return pn_fail(z->ctx, PN_ERR_FORMAT, "%s: the entry '%.160s' is missing; the file is damaged, fetch it again",
                       z->name, entry);
    const place *e = &z->entry[i];
    if (e->stored) {
        *out = (pn_zip_entry){ z->file.bytes + e->begin, e->size };
        return read_all(z, (zip_uint64_t)i, NULL);
    }
    if (e->size > z->file.size * PN_ZIP_INFLATED - z->inflated)
        return pn_fail(z->ctx, PN_ERR_FORMAT,
                       "%s: its entries would inflate to more than %d times the file, at '%.160s'; torch.save stores "
                       "them plainly, use that",
                       z->name, PN_ZIP_INFLATED, e->name);
    z->inflated += e->size;
    uint8_t *bytes = pn_arena_alloc(into, e->size, 1);
    if (!bytes) return PN_ERR_NOMEM;
    *out = (pn_zip_entry){ bytes, e->size };
    return read_all(z, (zip_uint64_t)i, bytes);
}
