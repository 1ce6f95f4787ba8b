/* lib/io/png.c - PNG through libpng, from and to memory
 *
 * libpng reports a fatal error by a jump; the jump never leaves this file. Memory comes from the context.
 */
#include "io/io.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    pn_ctx *ctx;
    const uint8_t *bytes;           /* read: the file */
    size_t size, at;
    uint8_t *grown;                 /* write: the file so far, `at` bytes of `size` */
    uint8_t *volatile pixels;       /* lives across jumps */
    png_bytep *volatile rows;
    char reason[160];
    bool no_memory;
} session;

static void *give(png_structp png, png_alloc_size_t size)
{
    session *s = png_get_mem_ptr(png);
    void *memory = pn_alloc(s->ctx, size, 1);
    if (!memory) s->no_memory = true;
    return memory;
}

static void take(png_structp png, void *memory) { pn_free(((session *)png_get_mem_ptr(png))->ctx, memory); }

static void fatal(png_structp png, const char *text)
{
    session *s = png_get_error_ptr(png);
    snprintf(s->reason, sizeof s->reason, "%s", text);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, const char *text)
{
    (void)png;
    (void)text;
} /* odd ancillary chunks: harmless */

static void pull(png_structp png, png_bytep out, size_t n)
{
    session *s = png_get_io_ptr(png);
    if (n > s->size - s->at) png_error(png, "the file ends too early");
    memcpy(out, s->bytes + s->at, n);
    s->at += n;
}

static void push(png_structp png, png_bytep bytes, size_t n)
{
    session *s = png_get_io_ptr(png);
    void *memory = s->grown;
    const pn_status status = pn_grow(s->ctx, &memory, &s->size, s->at + n, 1);
    s->grown = memory;
    if (status) {
        s->no_memory = true;
        png_error(png, "no memory");
    }
    memcpy(s->grown + s->at, bytes, n);
    s->at += n;
}

static void flush(png_structp png) { (void)png; }

static pn_status explain(session *s, const char *name)
{
    if (s->no_memory) return pn_fail(s->ctx, PN_ERR_NOMEM, "%s: no memory to read or write this PNG", name);
    return pn_fail(s->ctx, PN_ERR_FORMAT, "%s: not a readable PNG: %s; make the file again", name, s->reason);
}

bool pn_png_known(const pn_bytes *file) { return file->size >= 8 && png_sig_cmp(file->bytes, 0, 8) == 0; }

pn_status pn_picture_size_check(pn_ctx *ctx, const char *name, ptrdiff_t height, ptrdiff_t width)
{
    const ptrdiff_t side = pn_ctx_limits(ctx)->image_side;
    if (height >= 1 && width >= 1 && height <= side && width <= side) return PN_OK;
    return pn_fail(ctx, PN_ERR_LIMIT, "%s: the picture is %tdx%td (height x width), expected 1 to %td on each side; "
                   "shrink it or raise pn_limits.image_side", name, height, width, side);
}

/* Ask libpng for bytes we understand: RGB of 8 bits, or one index per byte. */
static void set_transforms(png_structp png, png_infop info, pn_png_as as)
{
    const int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
    if (depth == 16) png_set_strip_16(png);             /* the high byte */
    if (as == PN_AS_LABELS) {
        if (depth < 8) png_set_packing(png);            /* 1, 2, 4 bits: one value per byte, not scaled */
    } else {
        if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
        if (!(type & PNG_COLOR_MASK_COLOR)) {
            if (depth < 8) png_set_expand_gray_1_2_4_to_8(png);
            png_set_gray_to_rgb(png);
        }
    }
    if (type & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

static pn_status decode(session *s, png_structp png, png_infop info, const char *name, pn_png_as as, pn_image *out)
{
    if (setjmp(png_jmpbuf(png))) return explain(s, name);
    png_set_read_fn(png, s, pull);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);   /* ours are checked below, with a better message */
    png_set_chunk_malloc_max(png, 16u << 20);
    png_read_info(png, info);
    const ptrdiff_t height = (ptrdiff_t)png_get_image_height(png, info),
                    width = (ptrdiff_t)png_get_image_width(png, info);
    const pn_status status = pn_picture_size_check(s->ctx, name, height, width);
    if (status) return status;
    const int type = png_get_color_type(png, info);
    if (as == PN_AS_LABELS && (type & PNG_COLOR_MASK_COLOR) && type != PNG_COLOR_TYPE_PALETTE)
        return pn_fail(s->ctx, PN_ERR_FORMAT,
                       "%s: this PNG holds RGB colours, expected label indices (palette or grey); "
                       "convert it to the parser's indices first",
                       name);
    set_transforms(png, info, as);
    const int channels = as == PN_AS_RGB ? 3 : 1;
    const size_t row = (size_t)width * (size_t)channels;
    if (png_get_rowbytes(png, info) != row) return pn_fail(s->ctx, PN_ERR_FORMAT, "%s: unknown kind of PNG", name);
    s->pixels = pn_alloc(s->ctx, (size_t)height, row);
    s->rows = pn_alloc(s->ctx, (size_t)height, sizeof *s->rows);
    if (!s->pixels || !s->rows) return PN_ERR_NOMEM;
    for (ptrdiff_t y = 0; y < height; y++) s->rows[y] = s->pixels + (size_t)y * row;
    png_read_image(png, s->rows);
    png_read_end(png, NULL);
    *out = (pn_image){ .height = height, .width = width, .channels = channels, .pixels = s->pixels };
    s->pixels = NULL;
    return PN_OK;
}

pn_status pn_png_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_png_as as, pn_image *out)
{
    session s = { .ctx = ctx, .bytes = file->bytes, .size = file->size };
    png_structp png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &s, fatal, ignore, &s, give, take);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    pn_image image = { 0 };
    const pn_status status = info ? decode(&s, png, info, name, as, &image)
                                  : pn_fail(ctx, PN_ERR_NOMEM, "%s: no memory to read this PNG", name);
    pn_free(ctx, s.rows);
    pn_free(ctx, s.pixels);
    if (png) png_destroy_read_struct(&png, &info, NULL);
    if (!status) *out = image;
    return status;
}

/* The palette of PASCAL VOC and SCHP: bits 0, 1, 2 of the label go to the top bits of R, G, B, then the next three. */
static void voc_palette(png_color palette[256])
{
    for (int label = 0; label < 256; label++) {
        int rgb[3] = { 0, 0, 0 };
        for (int i = 0, rest = label; rest; i++, rest >>= 3)
            for (int c = 0; c < 3; c++) rgb[c] |= (rest >> c & 1) << (7 - i);
        palette[label] = (png_color){ (png_byte)rgb[0], (png_byte)rgb[1], (png_byte)rgb[2] };
    }
}

static pn_status encode(session *s, png_structp png, png_infop info, const char *name, const pn_image *image,
                        pn_png_as as)
{
    if (setjmp(png_jmpbuf(png))) return explain(s, name);
    png_set_write_fn(png, s, push, flush);
    const int type = image->channels == 3 ? PNG_COLOR_TYPE_RGB : as == PN_AS_LABELS ? PNG_COLOR_TYPE_PALETTE
                   : PNG_COLOR_TYPE_GRAY;
    png_set_IHDR(png, info, (png_uint_32)image->width, (png_uint_32)image->height, 8, type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_color palette[256];
        voc_palette(palette);
        png_set_PLTE(png, info, palette, 256);
    }
    png_write_info(png, info);
    const size_t row = (size_t)image->width * (size_t)image->channels;
    for (ptrdiff_t y = 0; y < image->height; y++) png_write_row(png, image->pixels + (size_t)y * row);
    png_write_end(png, info);
    return PN_OK;
}

pn_status pn_png_encode(pn_ctx *ctx, const char *name, const pn_image *image, pn_png_as as, pn_bytes *out)
{
    session s = { .ctx = ctx };
    png_structp png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &s, fatal, ignore, &s, give, take);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    const pn_status status = info ? encode(&s, png, info, name, image, as)
                                  : pn_fail(ctx, PN_ERR_NOMEM, "%s: no memory to write this PNG", name);
    if (png) png_destroy_write_struct(&png, &info);
    if (status) pn_free(ctx, s.grown);
    else *out = (pn_bytes){ s.grown, s.at };
    return status;
}
