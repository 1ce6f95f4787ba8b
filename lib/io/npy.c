/* lib/io/npy.c - numpy's array files, versions 1 and 2: header checked, values converted to float32
 *
 * A header is a Python dict literal, e.g. {'descr': '<f4', 'fortran_order': False, 'shape': (3, 256, 176), }.
 * Source: numpy.lib.format, NEP 1.
 */
#include "io/io.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

typedef struct { const char *descr; pn_dtype dtype; } known_type;
static const known_type known_types[] = {
    { "<f4", PN_DTYPE_F32 }, { "<f8", PN_DTYPE_F64 }, { "<f2", PN_DTYPE_F16 },
    { "|u1", PN_DTYPE_U8 },  { "|i1", PN_DTYPE_I8 },  { "<i2", PN_DTYPE_I16 },
    { "<i4", PN_DTYPE_I32 }, { "<i8", PN_DTYPE_I64 }, { "|b1", PN_DTYPE_BOOL },
};

typedef struct {
    pn_ctx *ctx;
    const char *name;
    const char *at, *end;           /* of the header's text */
    pn_dtype dtype;
    bool fortran, have_dtype, have_order, have_shape;
    pn_shape shape;
} header;

static void blanks(header *h) { while (h->at < h->end && (*h->at == ' ' || *h->at == '\n' || *h->at == '\t')) h->at++; }

static bool sign(header *h, char c)
{
    blanks(h);
    if (h->at >= h->end || *h->at != c) return false;
    h->at++;
    return true;
}

static pn_status broken(header *h, const char *what)
{
    return pn_fail(h->ctx, PN_ERR_FORMAT, "%s: the npy header is broken (%s); save the array again with numpy.save",
                   h->name, what);
}

/* A quoted word into text; false if there is none or it does not fit. */
static bool word(header *h, char text[24])
{
    blanks(h);
    if (h->at >= h->end || (*h->at != '\'' && *h->at != '"')) return false;
    const char quote = *h->at++;
    size_t n = 0;
    while (h->at < h->end && *h->at != quote && n < 23) text[n++] = *h->at++;
    text[n] = 0;
    return h->at < h->end && *h->at++ == quote;
}

static pn_status read_type(header *h)
{
    char text[24];
    if (!word(h, text)) return broken(h, "descr is not a plain type");
    for (size_t i = 0; i < sizeof known_types / sizeof *known_types; i++)
        if (strcmp(text, known_types[i].descr) == 0) {
            h->dtype = known_types[i].dtype;
            h->have_dtype = true;
            return PN_OK;
        }
    return pn_fail(h->ctx, PN_ERR_FORMAT,
                   "%s: the npy type is '%s', expected one of <f4 <f8 <f2 |u1 |i1 <i2 <i4 <i8 |b1; "
                   "convert it with .astype('float32')",
                   h->name, text);
}

static pn_status read_order(header *h)
{
    blanks(h);
    const size_t left = (size_t)(h->end - h->at);
    if (left >= 4 && memcmp(h->at, "True", 4) == 0) { h->fortran = true; h->at += 4; }
    else if (left >= 5 && memcmp(h->at, "False", 5) == 0) h->at += 5;
    else return broken(h, "fortran_order is neither True nor False");
    h->have_order = true;
    return PN_OK;
}

static pn_status read_shape(header *h)
{
    if (!sign(h, '(')) return broken(h, "shape is not a tuple");
    h->shape = (pn_shape){ 0 };
    while (!sign(h, ')')) {
        blanks(h);
        ptrdiff_t extent = 0;
        const char *first = h->at;
        while (h->at < h->end && *h->at >= '0' && *h->at <= '9') {
            if (extent > (PTRDIFF_MAX - 9) / 10) return broken(h, "an extent is too large");
            extent = extent * 10 + (*h->at++ - '0');
        }
        if (h->at == first) return broken(h, "an extent is not a whole number");
        if (h->shape.rank == PN_MAX_RANK)
            return pn_fail(h->ctx, PN_ERR_FORMAT, "%s: the npy array has more than %d dimensions; reshape it", h->name,
                           PN_MAX_RANK);
        h->shape.dim[h->shape.rank++] = extent;
        if (!sign(h, ',') && (blanks(h), h->at >= h->end || *h->at != ')')) return broken(h, "shape has no end");
    }
    h->have_shape = true;
    return PN_OK;
}

static pn_status read_header(header *h)
{
    if (!sign(h, '{')) return broken(h, "it is not a dict");
    while (!sign(h, '}')) {
        char key[24];
        if (!word(h, key) || !sign(h, ':')) return broken(h, "a key is missing");
        pn_status status;
        if (strcmp(key, "descr") == 0) status = read_type(h);
        else if (strcmp(key, "fortran_order") == 0) status = read_order(h);
        else if (strcmp(key, "shape") == 0) status = read_shape(h);
        else return broken(h, "an unknown key");
        if (status) return status;
        if (!sign(h, ',') && (blanks(h), h->at >= h->end || *h->at != '}')) return broken(h, "it has no end");
    }
    return h->have_dtype && h->have_order && h->have_shape ? PN_OK
                                                           : broken(h, "descr, fortran_order or shape is missing");
}

/* Where the values begin and how many there are; everything compared with the bytes that are there. */
static pn_status open_array(header *h, const pn_bytes *file, size_t *start, size_t *count)
{
    const uint8_t *b = file->bytes;
    if (file->size < 12 || memcmp(b, "\x93NUMPY", 6) != 0)
        return pn_fail(h->ctx, PN_ERR_FORMAT, "%s: not a numpy array file (.npy)", h->name);
    if (b[6] != 1 && b[6] != 2)
        return pn_fail(h->ctx, PN_ERR_FORMAT, "%s: npy version %d.%d, expected 1.0 or 2.0", h->name, b[6], b[7]);
    const size_t length = b[6] == 1 ? (size_t)b[8] | (size_t)b[9] << 8
                        : (size_t)b[8] | (size_t)b[9] << 8 | (size_t)b[10] << 16 | (size_t)b[11] << 24;
    const size_t head = b[6] == 1 ? 10 : 12;
    if (length > file->size - head) return broken(h, "it is longer than the file");
    h->at = (const char *)b + head;
    h->end = h->at + length;
    const pn_status status = read_header(h);
    if (status) return status;
    size_t n = 1, bytes;
    for (int i = 0; i < h->shape.rank; i++)
        if (!pn_size_mul(n, (size_t)h->shape.dim[i], &n)) return broken(h, "the shape is too large");
    *start = head + length;
    if (!pn_size_mul(n, pn_dtype_bytes(h->dtype), &bytes) || bytes > file->size - *start) {
        char text[PN_SHAPE_TEXT];
        return pn_fail(h->ctx, PN_ERR_FORMAT, "%s: shape %s needs more bytes than the %zu in the file; it was cut off",
                       h->name, pn_shape_text(h->shape, text), file->size - *start);
    }
    *count = n;
    return PN_OK;
}

/* Column order, first extent fastest, into row order. */
static void from_fortran(const pn_shape *shape, const float *in, float *out, size_t count)
{
    ptrdiff_t at[PN_MAX_RANK] = { 0 };
    for (size_t i = 0; i < count; i++) {
        ptrdiff_t row = 0;
        for (int d = 0; d < shape->rank; d++) row = row * shape->dim[d] + at[d];
        out[row] = in[i];
        for (int d = 0; d < shape->rank && ++at[d] == shape->dim[d]; d++) at[d] = 0;
    }
}

pn_status pn_npy_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_shape *shape, float **values)
{
    header h = { .ctx = ctx, .name = name };
    size_t start = 0, count = 0;
    const pn_status status = open_array(&h, file, &start, &count);
    if (status) return status;
    float *out = pn_alloc(ctx, count, sizeof *out);
    if (!out) return PN_ERR_NOMEM;
    const pn_st_tensor view = { .dtype = h.dtype, .count = (ptrdiff_t)count, .bytes = file->bytes + start };
    pn_st_floats(&view, 0, (ptrdiff_t)count, out);
    if (h.fortran && h.shape.rank > 1 && count) {
        float *turned = pn_alloc(ctx, count, sizeof *turned);
        if (turned) from_fortran(&h.shape, out, turned, count);
        pn_free(ctx, out);
        if (!turned) return PN_ERR_NOMEM;
        out = turned;
    }
    *shape = h.shape;
    *values = out;
    return PN_OK;
}

pn_status pn_npy_read(pn_ctx *ctx, const char *path, pn_shape *shape, float **values)
{
    pn_bytes file;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = pn_npy_decode(ctx, path, &file, shape, values);
    pn_free(ctx, file.bytes);
    return status;
}

void pn_npy_free(pn_ctx *ctx, float *values) { pn_free(ctx, values); }

pn_status pn_npy_write(pn_ctx *ctx, const char *path, pn_shape shape, const float *values)
{
    char dims[PN_SHAPE_TEXT];
    size_t used = 0;
    for (int i = 0; i < shape.rank; i++)
        used += (size_t)snprintf(dims + used, sizeof dims - used, i ? " %td," : "%td,", shape.dim[i]);
    dims[used > 1 && shape.rank > 1 ? used - 1 : used] = 0;
    uint8_t head[256];
    memset(head, ' ', sizeof head);
    int n = snprintf((char *)head + 10, sizeof head - 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }",
                     dims);
    head[10 + n] = ' ';
    const size_t whole = ((size_t)n + 11 + 63) / 64 * 64;      /* the values begin at a multiple of 64 */
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = (uint8_t)((whole - 10) & 0xff);
    head[9] = (uint8_t)((whole - 10) >> 8);
    head[whole - 1] = '\n';
    pn_writer w;
    const pn_status status = pn_writer_begin(&w, ctx, path);
    if (status) return status;
    pn_writer_put(&w, head, whole);
    pn_writer_put(&w, values, (size_t)pn_shape_count(shape) * sizeof *values);
    return pn_writer_commit(&w);
}
