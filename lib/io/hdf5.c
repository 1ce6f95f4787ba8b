/* lib/io/hdf5.c - see hdf5.h; the build says PN_HDF5 when it found libhdf5 */
#include "io/hdf5.h"

#ifndef PN_HDF5

bool pn_hdf5_built(void) { return false; }

pn_hdf5 *pn_hdf5_open(pn_ctx *ctx, const char *path)
{
    pn_fail(ctx, PN_ERR_IO, "%s: this build cannot read HDF5; install libhdf5 (Debian: apt-get install libhdf5-dev) and build "
            "again with make, or unpack the file: each group's image as a picture of that name in a folder", path);
    return NULL;
}

void pn_hdf5_close(pn_hdf5 *h) { (void)h; }
bool pn_hdf5_has(const pn_hdf5 *h, const char *group)
{
    (void)h;
    (void)group;
    return false;
}

pn_status pn_hdf5_picture(const pn_hdf5 *h, pn_ctx *ctx, const char *group, const char *value, pn_image *out)
{
    (void)h;
    (void)out;
    return pn_fail(ctx, PN_ERR_IO, "%s/%s: this build cannot read HDF5", group, value);
}

pn_status pn_hdf5_numbers(const pn_hdf5 *h, pn_ctx *ctx, const char *group, const char *value, ptrdiff_t count, double out[])
{
    (void)h;
    (void)count;
    (void)out;
    return pn_fail(ctx, PN_ERR_IO, "%s/%s: this build cannot read HDF5", group, value);
}

#else

#include "core/background.h"

#include <hdf5.h>
#include <stdio.h>
#include <string.h>

struct pn_hdf5 { pn_ctx *ctx; char *name; hid_t file; };

bool pn_hdf5_built(void) { return true; }

/* Its own reports to stderr are off: what failed is ours to say. */
static void enter(void)
{
    pn_foreign_enter();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static void leave(void) { pn_foreign_leave(); }

/* ---- Files --------------------------------------------------------------------------------------------------------- */

pn_hdf5 *pn_hdf5_open(pn_ctx *ctx, const char *path)
{
    if (!pn_file_exists(ctx, path)) {
        pn_fail(ctx, PN_ERR_IO, "%s is not there", path);
        return NULL;
    }
    pn_hdf5 *h = pn_alloc(ctx, 1, sizeof *h);
    char *name = h ? pn_strdup(ctx, path) : NULL;
    if (!name) {
        pn_free(ctx, h);
        return NULL;
    }
    enter();
    *h = (pn_hdf5){ ctx, name, H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT) };
    leave();
    if (h->file >= 0) return h;
    pn_fail(ctx, PN_ERR_FORMAT, "%s is no HDF5 file, is cut off, or may not be read", path);
    pn_free(ctx, name);
    pn_free(ctx, h);
    return NULL;
}

void pn_hdf5_close(pn_hdf5 *h)
{
    if (!h) return;
    enter();
    H5Fclose(h->file);
    leave();
    pn_free(h->ctx, h->name);
    pn_free(h->ctx, h);
}

bool pn_hdf5_has(const pn_hdf5 *h, const char *group)
{
    enter();
    const bool there = H5Lexists(h->file, group, H5P_DEFAULT) > 0;
    leave();
    return there;
}

/* ---- Arrays: all below runs between enter and leave ------------------------------------------------------------------ */

enum { RANK = 4, LABEL = 512 };
typedef struct {
    char label[LABEL];              /* FILE: group GROUP: VALUE */
    hid_t set;
    int rank;
    hsize_t dim[RANK];
    bool bytes;                     /* of 8 bits, without a sign */
} array;

static pn_status look_at(pn_ctx *ctx, array *a)
{
    const hid_t type = H5Dget_type(a->set), space = H5Dget_space(a->set);
    const H5T_class_t kind = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    a->bytes = kind == H5T_INTEGER && H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE;
    a->rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    pn_status status = PN_OK;
    if (kind != H5T_INTEGER && kind != H5T_FLOAT) status = pn_fail(ctx, PN_ERR_FORMAT, "%s holds no numbers", a->label);
    else if (a->rank < 0 || a->rank > RANK)
        status = pn_fail(ctx, PN_ERR_FORMAT, "%s has %d axes, expected at most %d", a->label, a->rank, RANK);
    else if (a->rank) H5Sget_simple_extent_dims(space, a->dim, NULL);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    return status;
}

static pn_status open_array(const pn_hdf5 *h, pn_ctx *ctx, const char *group, const char *value, array *out)
{
    char path[LABEL];
    *out = (array){ .set = -1 };
    snprintf(out->label, sizeof out->label, "%.250s: group %.150s: %.60s", h->name, group, value);
    if (snprintf(path, sizeof path, "%s/%s", group, value) >= (int)sizeof path || H5Lexists(h->file, group, H5P_DEFAULT) <= 0)
        return pn_fail(ctx, PN_ERR_FORMAT, "%s has no group %.150s", h->name, group);
    if (H5Lexists(h->file, path, H5P_DEFAULT) <= 0)
        return pn_fail(ctx, PN_ERR_FORMAT, "%s is not there", out->label);
    out->set = H5Dopen2(h->file, path, H5P_DEFAULT);
    if (out->set < 0) return pn_fail(ctx, PN_ERR_FORMAT, "%s is damaged, or no array", out->label);
    return look_at(ctx, out);
}

static void close_array(array *a)
{
    if (a->set >= 0) H5Dclose(a->set);
}

static pn_status shape_error(pn_ctx *ctx, const array *a, const char *expected)
{
    char text[128] = "";
    for (int i = 0; i < a->rank; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%llu", i ? "x" : "", (unsigned long long)a->dim[i]);
    return pn_fail(ctx, PN_ERR_FORMAT, "%s is %s, expected %s", a->label, a->rank ? text : "one number", expected);
}

static pn_status read_as(pn_ctx *ctx, const array *a, hid_t type, void *out)
{
    if (H5Dread(a->set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0) return PN_OK;
    return pn_fail(ctx, PN_ERR_FORMAT, "%s cannot be read: it is damaged, or packed in a way that libhdf5 does not know", a->label);
}

/* Numbers of another type, each in a byte's range; rounded. */
static pn_status read_wide(pn_ctx *ctx, const array *a, pn_image *out)
{
    const ptrdiff_t n = out->height * out->width * 3;
    float *values = pn_alloc(ctx, (size_t)n, sizeof *values);
    pn_status status = values ? read_as(ctx, a, H5T_NATIVE_FLOAT, values) : PN_ERR_NOMEM;
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        if (values[i] >= 0.0f && values[i] <= 255.0f) out->pixels[i] = (uint8_t)(values[i] + 0.5f);
        else
            status = pn_fail(ctx, PN_ERR_FORMAT, "%s holds %g in row %td, column %td, expected 0 to 255", a->label,
                             (double)values[i], i / (3 * out->width), i / 3 % out->width);
    }
    pn_free(ctx, values);
    return status;
}

static pn_status read_picture(pn_ctx *ctx, const array *a, pn_image *out)
{
    if (a->rank != 3 || a->dim[2] != 3) return shape_error(ctx, a, "HxWx3");
    const ptrdiff_t most = PTRDIFF_MAX;
    const ptrdiff_t height = a->dim[0] < (hsize_t)most ? (ptrdiff_t)a->dim[0] : most;
    const ptrdiff_t width = a->dim[1] < (hsize_t)most ? (ptrdiff_t)a->dim[1] : most;
    pn_status status = pn_picture_size_check(ctx, a->label, height, width);
    if (!status) status = pn_image_new(ctx, height, width, 3, out);
    if (status) return status;
    status = a->bytes ? read_as(ctx, a, H5T_NATIVE_UCHAR, out->pixels) : read_wide(ctx, a, out);
    if (status) pn_image_free(ctx, out);
    return status;
}

static pn_status read_numbers(pn_ctx *ctx, const array *a, ptrdiff_t count, double out[])
{
    hsize_t n = 1;
    char expected[32];
    for (int i = 0; i < a->rank; i++) n = a->dim[i] && n > (hsize_t)count / a->dim[i] ? (hsize_t)count + 1 : n * a->dim[i];
    snprintf(expected, sizeof expected, "%td numbers", count);
    return n == (hsize_t)count ? read_as(ctx, a, H5T_NATIVE_DOUBLE, out) : shape_error(ctx, a, expected);
}

/* ---- From any thread --------------------------------------------------------------------------------------------------- */

pn_status pn_hdf5_picture(const pn_hdf5 *h, pn_ctx *ctx, const char *group, const char *value, pn_image *out)
{
    array a;
    enter();
    pn_status status = open_array(h, ctx, group, value, &a);
    if (!status) status = read_picture(ctx, &a, out);
    close_array(&a);
    leave();
    return status;
}

pn_status pn_hdf5_numbers(const pn_hdf5 *h, pn_ctx *ctx, const char *group, const char *value, ptrdiff_t count, double out[])
{
    array a;
    enter();
    pn_status status = open_array(h, ctx, group, value, &a);
    if (!status) status = read_numbers(ctx, &a, count, out);
    close_array(&a);
    leave();
    return status;
}

#endif
