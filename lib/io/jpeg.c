/* lib/io/jpeg.c - JPEG through libjpeg-turbo, from and to memory
 *
 * libjpeg's interface demands a jump out of its fatal errors; the jump never leaves this file. A damaged or
 * truncated file, which libjpeg would fill with grey under a warning, is an error here: silent grey is worse than a
 * stop.
 */
#include "io/io.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

enum { QUALITY = 95, MEMORY = 1 << 30, SCANS = 200 };

typedef struct {
    struct jpeg_error_mgr base;     /* first: libjpeg hands us a pointer to it */
    jmp_buf back;
    char reason[JMSG_LENGTH_MAX];
    bool no_memory, damaged;
} errors;

static void fatal(j_common_ptr j)
{
    errors *e = (errors *)j->err;
    e->base.format_message(j, e->reason);
    e->no_memory = e->base.msg_code == JERR_OUT_OF_MEMORY;
    longjmp(e->back, 1);
}

static void message(j_common_ptr j, int level)
{
    errors *e = (errors *)j->err;
    if (level >= 0) return;                             /* a trace */
    if (!e->damaged) e->base.format_message(j, e->reason);
    e->damaged = true;
}

static void silent(j_common_ptr j) { (void)j; }

/* A crafted progressive file can ask for thousands of passes over a large picture. */
static void count_scans(j_common_ptr j)
{
    if (!j->is_decompressor || ((j_decompress_ptr)j)->input_scan_number <= SCANS) return;
    snprintf(((errors *)j->err)->reason, JMSG_LENGTH_MAX, "more than %d scans", SCANS);
    longjmp(((errors *)j->err)->back, 1);
}

static struct jpeg_error_mgr *errors_begin(errors *e)
{
    memset(e, 0, sizeof *e);
    jpeg_std_error(&e->base);
    e->base.error_exit = fatal;
    e->base.emit_message = message;
    e->base.output_message = silent;
    return &e->base;
}

static pn_status explain(pn_ctx *ctx, const errors *e, const char *name)
{
    if (e->no_memory) return pn_fail(ctx, PN_ERR_NOMEM, "%s: no memory for this JPEG", name);
    return pn_fail(ctx, PN_ERR_FORMAT, "%s: not a readable JPEG: %s; fetch or make the file again", name, e->reason);
}

bool pn_jpeg_known(const pn_bytes *file)
{
    return file->size >= 3 && file->bytes[0] == 0xff && file->bytes[1] == 0xd8 && file->bytes[2] == 0xff;
}

static pn_status decode(pn_ctx *ctx, struct jpeg_decompress_struct *j, errors *e, const char *name,
                        const pn_bytes *file, uint8_t *volatile *pixels, pn_image *out)
{
    if (setjmp(e->back)) return explain(ctx, e, name);
    jpeg_create_decompress(j);
    j->mem->max_memory_to_use = MEMORY;
    struct jpeg_progress_mgr progress = { .progress_monitor = count_scans };
    j->progress = &progress;
    jpeg_mem_src(j, file->bytes, (unsigned long)file->size);
    jpeg_read_header(j, TRUE);
    const ptrdiff_t height = (ptrdiff_t)j->image_height, width = (ptrdiff_t)j->image_width;
    const pn_status status = pn_picture_size_check(ctx, name, height, width);
    if (status) return status;
    if (j->jpeg_color_space == JCS_CMYK || j->jpeg_color_space == JCS_YCCK || j->num_components == 2)
        return pn_fail(ctx, PN_ERR_FORMAT, "%s: a JPEG of %d colour components (CMYK); save it as RGB", name,
                       j->num_components);
    j->out_color_space = JCS_RGB;                       /* grey is tripled */
    jpeg_start_decompress(j);
    const size_t row = (size_t)width * 3;
    *pixels = pn_alloc(ctx, (size_t)height, row);
    if (!*pixels) return PN_ERR_NOMEM;
    while (j->output_scanline < j->output_height && !e->damaged) {
        JSAMPROW line = *pixels + (size_t)j->output_scanline * row;
        jpeg_read_scanlines(j, &line, 1);
    }
    if (!e->damaged) jpeg_finish_decompress(j);
    if (e->damaged) return explain(ctx, e, name);
    *out = (pn_image){ .height = height, .width = width, .channels = 3, .pixels = *pixels };
    return PN_OK;
}

pn_status pn_jpeg_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_image *out)
{
    errors e;
    struct jpeg_decompress_struct j;
    memset(&j, 0, sizeof j);
    j.err = errors_begin(&e);
    uint8_t *volatile pixels = NULL;
    const pn_status status = decode(ctx, &j, &e, name, file, &pixels, out);
    j.progress = NULL;
    jpeg_destroy_decompress(&j);
    if (status) pn_free(ctx, pixels);
    return status;
}

/* ---- Writing: libjpeg hands over a full buffer, we grow and go on ----------------------------------------------- */

typedef struct {
    struct jpeg_destination_mgr base;
    pn_ctx *ctx;
    uint8_t *bytes;
    size_t size, used;
} sink;

static void sink_room(j_compress_ptr j)
{
    sink *s = (sink *)j->dest;
    void *memory = s->bytes;
    const pn_status status = pn_grow(s->ctx, &memory, &s->size, s->used + 65536, 1);
    s->bytes = memory;
    if (status) ERREXIT1(j, JERR_OUT_OF_MEMORY, 0);
    s->base.next_output_byte = s->bytes + s->used;
    s->base.free_in_buffer = s->size - s->used;
}

static void sink_begin(j_compress_ptr j) { sink_room(j); }

static boolean sink_full(j_compress_ptr j)
{
    sink *s = (sink *)j->dest;
    s->used = s->size;                                  /* libjpeg's rule: the whole buffer counts as full */
    sink_room(j);
    return TRUE;
}

static void sink_end(j_compress_ptr j)
{
    sink *s = (sink *)j->dest;
    s->used = s->size - s->base.free_in_buffer;
}

static pn_status encode(pn_ctx *ctx, struct jpeg_compress_struct *j, errors *e, const char *name, const pn_image *image,
                        sink *to)
{
    if (setjmp(e->back)) return explain(ctx, e, name);
    jpeg_create_compress(j);
    j->dest = &to->base;
    j->image_height = (JDIMENSION)image->height;
    j->image_width = (JDIMENSION)image->width;
    j->input_components = image->channels;
    j->in_color_space = image->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(j);
    jpeg_set_quality(j, QUALITY, TRUE);
    for (int i = 0; i < j->num_components; i++) j->comp_info[i].h_samp_factor = j->comp_info[i].v_samp_factor = 1;
    jpeg_start_compress(j, TRUE);
    const size_t row = (size_t)image->width * (size_t)image->channels;
    while (j->next_scanline < j->image_height) {
        JSAMPROW line = image->pixels + (size_t)j->next_scanline * row;
        jpeg_write_scanlines(j, &line, 1);
    }
    jpeg_finish_compress(j);
    return PN_OK;
}

pn_status pn_jpeg_encode(pn_ctx *ctx, const char *name, const pn_image *image, pn_bytes *out)
{
    errors e;
    struct jpeg_compress_struct j;
    memset(&j, 0, sizeof j);
    j.err = errors_begin(&e);
    sink to = {
        .base = { .init_destination = sink_begin, .empty_output_buffer = sink_full, .term_destination = sink_end },
        .ctx = ctx
    };
    const pn_status status = encode(ctx, &j, &e, name, image, &to);
    jpeg_destroy_compress(&j);
    if (status) pn_free(ctx, to.bytes);
    else *out = (pn_bytes){ to.bytes, to.used };
    return status;
}
