/* lib/io/image.c - pictures and label maps by path; contract in posenet/data.h */
#include "io/io.h"

#include <string.h>

pn_status pn_image_new(pn_ctx *ctx, ptrdiff_t height, ptrdiff_t width, int channels, pn_image *out)
{
    if (channels != 1 && channels != 3)
        return pn_fail(ctx, PN_ERR_ARG, "pn_image_new: %d channels, expected 1 or 3", channels);
    const pn_status status = pn_picture_size_check(ctx, "pn_image_new", height, width);
    if (status) return status;
    uint8_t *pixels = pn_alloc(ctx, (size_t)height * (size_t)width, (size_t)channels);
    if (!pixels) return PN_ERR_NOMEM;
    *out = (pn_image){ height, width, channels, pixels };
    return PN_OK;
}

void pn_image_free(pn_ctx *ctx, pn_image *image)
{
    pn_free(ctx, image->pixels);
    *image = (pn_image){ 0 };
}

pn_status pn_image_decode(pn_ctx *ctx, const char *name, const void *bytes, size_t size, pn_image *out)
{
    union { const void *in; void *borrowed; } view = { .in = bytes };   /* the decoders only read */
    const pn_bytes file = { view.borrowed, size };
    if (pn_png_known(&file)) return pn_png_decode(ctx, name, &file, PN_AS_RGB, out);
    if (pn_jpeg_known(&file)) return pn_jpeg_decode(ctx, name, &file, out);
    return pn_fail(ctx, PN_ERR_FORMAT, "%s: neither a PNG nor a JPEG (%zu bytes); convert it to one of them", name,
                   size);
}

pn_status pn_image_read(pn_ctx *ctx, const char *path, pn_image *out)
{
    pn_bytes file;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = pn_image_decode(ctx, path, file.bytes, file.size, out);
    pn_free(ctx, file.bytes);
    return status;
}

static ptrdiff_t big_endian(const uint8_t *b, int n)
{
    ptrdiff_t v = 0;
    for (int i = 0; i < n; i++) v = v << 8 | b[i];
    return v;
}

/* Walks a JPEG's segments to the frame header (SOF0 to SOF15 less DHT, JPG and DAC). false: there is none. */
static bool jpeg_size(const pn_bytes *file, ptrdiff_t *height, ptrdiff_t *width)
{
    const uint8_t *b = file->bytes;
    for (size_t at = 2; file->size - at >= 9 && at < file->size;) {
        if (b[at] != 0xff) return false;
        const int marker = b[at + 1];
        if (marker == 0xff) {                           /* a filling byte */
            at++;
            continue;
        }
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            *height = big_endian(b + at + 5, 2);
            *width = big_endian(b + at + 7, 2);
            return true;
        }
        const size_t length = (size_t)big_endian(b + at + 2, 2);
        if (length < 2 || length + 2 > file->size - at) return false;
        at += length + 2;
    }
    return false;
}

pn_status pn_image_size_read(pn_ctx *ctx, const char *path, ptrdiff_t *height, ptrdiff_t *width)
{
    pn_bytes file;
    const pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    bool known = false;
    if (pn_png_known(&file) && file.size >= 24) {
        *height = big_endian(file.bytes + 20, 4);
        *width = big_endian(file.bytes + 16, 4);
        known = true;
    } else if (pn_jpeg_known(&file)) {
        known = jpeg_size(&file, height, width);
    }
    pn_free(ctx, file.bytes);
    return known ? PN_OK : pn_fail(ctx, PN_ERR_FORMAT, "%s: no PNG or JPEG header; fetch or make the file again", path);
}

static bool ends_with(const char *text, const char *ending)
{
    const size_t n = strlen(text), e = strlen(ending);
    if (n < e) return false;
    for (size_t i = 0; i < e; i++) {
        const char c = text[n - e + i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c + 32) : c) != ending[i]) return false;
    }
    return true;
}

static pn_status write_bytes(pn_ctx *ctx, const char *path, pn_bytes *file)
{
    const pn_status status = pn_file_write(ctx, path, file->bytes, file->size);
    pn_free(ctx, file->bytes);
    return status;
}

pn_status pn_image_write(pn_ctx *ctx, const char *path, const pn_image *image)
{
    pn_bytes file;
    pn_status status;
    if (ends_with(path, ".png")) status = pn_png_encode(ctx, path, image, PN_AS_RGB, &file);
    else if (ends_with(path, ".jpg") || ends_with(path, ".jpeg")) status = pn_jpeg_encode(ctx, path, image, &file);
    else
        return pn_fail(ctx, PN_ERR_ARG, "%s: cannot tell the kind of picture; end the name in .png, .jpg or .jpeg",
                       path);
    return status ? status : write_bytes(ctx, path, &file);
}

/* An array [H,W] of whole numbers 0..255, as ADGAN's semantic_merge3 has them. */
static pn_status labels_from_npy(pn_ctx *ctx, const char *path, const pn_bytes *file, pn_image *out)
{
    pn_shape shape;
    float *values;
    pn_status status = pn_npy_decode(ctx, path, file, &shape, &values);
    if (status) return status;
    pn_image image = { 0 };
    char text[PN_SHAPE_TEXT];
    if (shape.rank != 2)
        status = pn_fail(ctx, PN_ERR_FORMAT, "%s: an array of shape %s, expected labels [H,W]", path,
                         pn_shape_text(shape, text));
    else status = pn_picture_size_check(ctx, path, shape.dim[0], shape.dim[1]);
    if (!status) status = pn_image_new(ctx, shape.dim[0], shape.dim[1], 1, &image);
    for (ptrdiff_t i = 0; !status && i < image.height * image.width; i++) {
        if (!(values[i] >= 0 && values[i] <= 255))
            status = pn_fail(ctx, PN_ERR_FORMAT, "%s: value %g at position %td, expected labels 0 to 255", path,
                             (double)values[i], i);
        else image.pixels[i] = (uint8_t)values[i];
    }
    pn_free(ctx, values);
    if (status) pn_image_free(ctx, &image);
    else *out = image;
    return status;
}

pn_status pn_labels_read(pn_ctx *ctx, const char *path, pn_image *out)
{
    pn_bytes file;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    if (pn_png_known(&file)) status = pn_png_decode(ctx, path, &file, PN_AS_LABELS, out);
    else if (ends_with(path, ".npy")) status = labels_from_npy(ctx, path, &file, out);
    else
        status = pn_fail(ctx, PN_ERR_FORMAT, "%s: not a PNG; labels are palette or grey PNGs (a JPEG would blur them)",
                         path);
    pn_free(ctx, file.bytes);
    return status;
}

pn_status pn_labels_write(pn_ctx *ctx, const char *path, const pn_image *labels)
{
    if (labels->channels != 1)
        return pn_fail(ctx, PN_ERR_ARG, "pn_labels_write: %d channels, expected 1", labels->channels);
    pn_bytes file;
    const pn_status status = pn_png_encode(ctx, path, labels, PN_AS_LABELS, &file);
    return status ? status : write_bytes(ctx, path, &file);
}

void pn_image_to_floats(const pn_image *image, float *out)
{
    const ptrdiff_t plane = image->height * image->width;
    for (int c = 0; c < 3; c++)
        for (ptrdiff_t i = 0; i < plane; i++) {
            const uint8_t v = image->pixels[i * image->channels + (image->channels == 3 ? c : 0)];
            out[c * plane + i] = (float)(v / 127.5 - 1.0);
        }
}

static uint8_t byte_of(float v)
{
    const float scaled = (v + 1.0f) / 2.0f * 255.0f;
    return scaled > 0.0f ? scaled >= 255.0f ? 255 : (uint8_t)scaled : 0;       /* NaN is not > 0 */
}

void pn_image_from_floats(const float *values, pn_image *image)
{
    const ptrdiff_t plane = image->height * image->width;
    for (int c = 0; c < image->channels; c++)
        for (ptrdiff_t i = 0; i < plane; i++) image->pixels[i * image->channels + c] = byte_of(values[c * plane + i]);
}
