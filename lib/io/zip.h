/* zip.h - zip archives in memory, through libzip */
#ifndef PN_ZIP_H
#define PN_ZIP_H

#include "io/io.h"

typedef struct pn_zip pn_zip;

/* Checks that headers agree and that no two entries share bytes. Borrows file until pn_zip_close. */
pn_status pn_zip_open(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_zip **out);
void pn_zip_close(pn_zip *z); /* NULL is fine */
size_t pn_zip_count(const pn_zip *z);
const char *pn_zip_name(const pn_zip *z, size_t i); /* of entry i; borrowed until pn_zip_close */

/* The bytes of an entry, and its checksum compared: of a stored one in place, within file; of a deflated one inflated
 * into the arena. All that one archive inflates is at most PN_ZIP_INFLATED times its size: more is refused. A name that
 * is not there: PN_ERR_FORMAT. */
enum { PN_ZIP_INFLATED = 8 };
typedef struct {
    const uint8_t *bytes;
    size_t size;
} pn_zip_entry;
pn_status pn_zip_read(pn_zip *z, const char *entry, pn_arena *into, pn_zip_entry *out);

#endif
