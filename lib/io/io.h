/* io.h - every byte we did not write: pictures, arrays, weights, lists, key points
 *
 * Decoders work on bytes in memory, so that they can be fuzzed; `name` is what messages call them, usually a path. Each
 * checks sizes against the bytes that are there and the limits of the context before it allocates.
 */
#ifndef PN_IO_H
#define PN_IO_H

#include "core/core.h"
#include "posenet/data.h"

/* ---- Pictures --------------------------------------------------------------------------------------------------- */

/* RGB: three channels, whatever the file has. LABELS: one channel, palette indices or raw grey values. */
typedef enum { PN_AS_RGB, PN_AS_LABELS } pn_png_as;

bool pn_png_known(const pn_bytes *file);                /* by its first bytes */
bool pn_jpeg_known(const pn_bytes *file);
pn_status pn_png_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_png_as as, pn_image *out);
pn_status pn_jpeg_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_image *out);
/* Bytes of a new file; pn_free out->bytes. An image of one channel is grey, or with a palette when as is LABELS. */
pn_status pn_png_encode(pn_ctx *ctx, const char *name, const pn_image *image, pn_png_as as, pn_bytes *out);
pn_status pn_jpeg_encode(pn_ctx *ctx, const char *name, const pn_image *image, pn_bytes *out);

/* Refuses a size that is not 1 .. limits.image_side on each side. */
pn_status pn_picture_size_check(pn_ctx *ctx, const char *name, ptrdiff_t height, ptrdiff_t width);

/* Height and width from the header of a PNG or JPEG, without decoding it. */
pn_status pn_image_size_read(pn_ctx *ctx, const char *path, ptrdiff_t *height, ptrdiff_t *width);

/* ---- numpy arrays ----------------------------------------------------------------------------------------------- */

/* The file's type is converted to float32. rank 0 is a scalar, of one value. */
pn_status pn_npy_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_shape *shape, float **values);

/* ---- safetensors ------------------------------------------------------------------------------------------------ */

typedef enum {
    PN_DTYPE_F32,
    PN_DTYPE_F64,
    PN_DTYPE_F16,
    PN_DTYPE_BF16,
    PN_DTYPE_I64,
    PN_DTYPE_I32,
    PN_DTYPE_I16,
    PN_DTYPE_I8,
    PN_DTYPE_U8,
    PN_DTYPE_BOOL,
    PN_DTYPES
} pn_dtype;

const char *pn_dtype_name(pn_dtype dtype);              /* as in the file: "F32" */
size_t pn_dtype_bytes(pn_dtype dtype);

/* One tensor of an open file: everything borrowed from it. rank 0 is a scalar; an extent may be 0. */
typedef struct {
    const char *name;
    pn_dtype dtype;
    pn_shape shape;
    ptrdiff_t count;
    const uint8_t *bytes;           /* little endian, not aligned */
    size_t size;                    /* count times the type's bytes */
    bool strided;                   /* a view, of a PyTorch file alone: element (i, j, ...) is number i stride[0] + ... */
    ptrdiff_t stride[PN_MAX_RANK];  /* else not to be read */
} pn_st_tensor;

typedef struct { const char *key, *value; } pn_st_note;         /* one line of the metadata */

typedef struct {
    pn_st_tensor *tensors;          /* sorted by name */
    size_t count;
    pn_st_note *notes;              /* in the file's order */
    size_t note_count;
    char *name;                     /* of the file */
    pn_arena arena;                 /* names, notes */
    pn_bytes file;
} pn_safetensors;

/* Read and check the whole file; the checksum too when our own metadata carries one. */
pn_status pn_safetensors_read(pn_ctx *ctx, const char *path, pn_safetensors *out);
/* The same from memory. Takes file->bytes (from pn_alloc) on success alone. */
pn_status pn_safetensors_parse(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_safetensors *out);
void pn_safetensors_free(pn_ctx *ctx, pn_safetensors *file);
const pn_st_tensor *pn_safetensors_find(const pn_safetensors *file, const char *name);      /* NULL if absent */
const char *pn_safetensors_note(const pn_safetensors *file, const char *key);               /* NULL if absent */
/* Values first .. first+n-1 of t as float, double or pn_real (chosen by the pointer that is not NULL). */
void pn_st_floats(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, float *out);
void pn_st_doubles(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, double *out);
void pn_st_reals(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, pn_real *out);
void pn_st_integers(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, int64_t *out);     /* of a float: truncated */
void pn_st_raw(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, uint8_t *out);          /* as in the file, side by side */

/* A tensor to write: exactly one of reals (written as F32), floats (F32), integers (I64), bytes (U8), copy (as it is). */
typedef struct {
    const char *name;
    pn_shape shape;
    const pn_real *reals;
    const float *floats;
    const int64_t *integers;
    const uint8_t *bytes;
    const pn_st_tensor *copy;
} pn_st_item;

/* Replace path atomically by a file with these tensors, in this order, and this metadata; the key "pn.checksum" is
 * added, a hash of the tensors' bytes that pn_safetensors_read compares. */
pn_status pn_safetensors_write(pn_ctx *ctx, const char *path, const pn_st_item *items, size_t count,
                               const pn_st_note *notes, size_t note_count);

/* ---- PyTorch's weight files ------------------------------------------------------------------------------------- */

bool pn_torch_known(const pn_bytes *file);              /* by its first bytes: either container of torch.save, or what it once was */
/* A state dict, read as pn_safetensors_parse reads its kind: same tensors, no notes. A dictionary under a usual key
 * ('state_dict') is found; what is no tensor is passed over. Nothing in the file is executed. */
pn_status pn_torch_parse(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_safetensors *out);

/* ---- Lines of text ---------------------------------------------------------------------------------------------- */

/* Walks a text in place: BOM skipped, CR cut, the last line may lack its newline. */
typedef struct { char *next, *end; long number; } pn_lines;

/* PERR_FORMAT when the text holds a zero byte. file->bytes must be followed by one (pn_file_read does that). */
pn_status pn_lines_begin(pn_ctx *ctx, const char *name, pn_bytes *file, pn_lines *out);
char *pn_lines_next(pn_lines *lines);                   /* NUL-terminated, NULL at the end; number counts from 1 */
/* The next field of *rest up to the separator, in place; NULL when there is none left. */
char *pn_field_next(char **rest, char separator);
char *pn_trim(char *text);                              /* white space at both ends, in place */

/* ---- Key points ------------------------------------------------------------------------------------------------- */

/* The person with the largest sum of confidences, as OpenPose, mmpose, AlphaPose and COCO write it; joints with
 * confidence <= threshold are missing. No person: every joint missing. */
pn_status pn_pose_json_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, double threshold, pn_pose *out);

/* The points of the surest person as they are in the file, x, y, score; count at most 33. Nobody: zeros. */
pn_status pn_points_json_decode(pn_ctx *ctx, const char *name, const pn_bytes *file, int count, double (*points)[3]);

/* The best person of each picture that the file names; image is NULL when it names none. */
typedef struct { char *image; pn_pose pose; double score; } pn_posed;
typedef struct { pn_posed *person; size_t count; } pn_pose_list;
pn_status pn_pose_json_list(pn_ctx *ctx, const char *name, const pn_bytes *file, double threshold, pn_pose_list *out);
void pn_pose_list_free(pn_ctx *ctx, pn_pose_list *list);

#endif
