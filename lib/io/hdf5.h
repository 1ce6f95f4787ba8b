/* hdf5.h - arrays in the groups of an HDF5 file, through libhdf5, where it was there when this was built
 *
 * libhdf5 has state of its own for the whole process: calls from several threads wait for each other. It is also what reads the
 * file's bytes: a file of unknown origin is as safe as the installed libhdf5.
 */
#ifndef PN_HDF5_H
#define PN_HDF5_H

#include "io/io.h"

typedef struct pn_hdf5 pn_hdf5;

bool pn_hdf5_built(void);                               /* false: every open fails and says what to install */
/* NULL and pn_ctx_message: no such file, no HDF5, cut off, no memory, or a build without libhdf5. */
pn_hdf5 *pn_hdf5_open(pn_ctx *ctx, const char *path);
void pn_hdf5_close(pn_hdf5 *h);
bool pn_hdf5_has(const pn_hdf5 *h, const char *group);

/* GROUP/VALUE, [H,W,3], whole or broken numbers of 0 to 255, as RGB. ctx: errors and memory of the calling thread.
 * Errors: PN_ERR_FORMAT names file, group and value: not there, another shape or type, a number out of range; PN_ERR_LIMIT. */
pn_status pn_hdf5_picture(const pn_hdf5 *h, pn_ctx *ctx, const char *group, const char *value, pn_image *out);
/* GROUP/VALUE, count numbers of any shape. */
pn_status pn_hdf5_numbers(const pn_hdf5 *h, pn_ctx *ctx, const char *group, const char *value, ptrdiff_t count, double out[]);

#endif
