/* lib/io/safetensors.c - the weight format: 8 bytes of header length, a JSON header, then the tensors' bytes
 *
 * Untrusted input: every number of the header is compared with the bytes that are there before it is used, and two
 * tensors may not share a byte. Source: the safetensors format description, version 0.4.
 */
#include "io/io.h"

#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 100 << 20 };                        /* as the reference reader */
static const char checksum_key[] = "pn.checksum";

static const struct { const char *name; size_t bytes;
} types[PN_DTYPES] = {
    [PN_DTYPE_F32] = { "F32", 4 },   [PN_DTYPE_F64] = { "F64", 8 }, [PN_DTYPE_F16] = { "F16", 2 },
    [PN_DTYPE_BF16] = { "BF16", 2 }, [PN_DTYPE_I64] = { "I64", 8 }, [PN_DTYPE_I32] = { "I32", 4 },
    [PN_DTYPE_I16] = { "I16", 2 },   [PN_DTYPE_I8] = { "I8", 1 },   [PN_DTYPE_U8] = { "U8", 1 },
    [PN_DTYPE_BOOL] = { "BOOL", 1 },
};

const char *pn_dtype_name(pn_dtype dtype) { return types[dtype].name; }
size_t pn_dtype_bytes(pn_dtype dtype) { return types[dtype].bytes; }

/* ---- Numbers ---------------------------------------------------------------------------------------------------- */

static uint64_t little(const uint8_t *b, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)b[i] << (8 * i);
    return v;
}

static float float_of(uint32_t bits) { float f; memcpy(&f, &bits, sizeof f); return f; }

static float half_of(uint32_t h)
{
    const uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 31) return float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    const float small = (float)fraction * 0x1p-24f;
    return sign ? -small : small;
}

/* Where element i of the row-major order lies. */
static const uint8_t *place_of(const pn_st_tensor *t, ptrdiff_t i)
{
    ptrdiff_t at = t->strided ? 0 : i;
    for (int d = t->strided ? t->shape.rank : 0; d-- > 0; i /= t->shape.dim[d]) at += i % t->shape.dim[d] * t->stride[d];
    return t->bytes + (size_t)at * types[t->dtype].bytes;
}

static double double_at(const pn_st_tensor *t, ptrdiff_t i)
{
    const uint64_t bits = little(place_of(t, i), types[t->dtype].bytes);
    double d;
    switch (t->dtype) {
    case PN_DTYPE_F32: return (double)float_of((uint32_t)bits);
    case PN_DTYPE_F64: memcpy(&d, &bits, sizeof d); return d;
    case PN_DTYPE_F16: return (double)half_of((uint32_t)bits);
    case PN_DTYPE_BF16: return (double)float_of((uint32_t)bits << 16);
    case PN_DTYPE_I64: return (double)(int64_t)bits;
    case PN_DTYPE_I32: return (double)(int32_t)(uint32_t)bits;
    case PN_DTYPE_I16: return (double)(int16_t)(uint16_t)bits;
    case PN_DTYPE_I8: return (double)(int8_t)(uint8_t)bits;
    case PN_DTYPE_U8: return (double)bits;
    case PN_DTYPE_BOOL: return bits ? 1.0 : 0.0;
    case PN_DTYPES: break;
    }
    return 0.0;
}

void pn_st_doubles(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, double *out)
{
    for (ptrdiff_t i = 0; i < n; i++) out[i] = double_at(t, first + i);
}

void pn_st_raw(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, uint8_t *out)
{
    const size_t width = types[t->dtype].bytes;
    if (!t->strided && n > 0) memcpy(out, place_of(t, first), (size_t)n * width);
    for (ptrdiff_t i = 0; t->strided && i < n; i++) memcpy(out + (size_t)i * width, place_of(t, first + i), width);
}

void pn_st_floats(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, float *out)
{
    static const uint16_t probe = 1;
    const bool little_machine = *(const uint8_t *)&probe == 1;
    if (t->dtype == PN_DTYPE_F32 && little_machine) {
        pn_st_raw(t, first, n, (uint8_t *)out);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++) out[i] = (float)double_at(t, first + i);
}

#ifdef PN_REAL_DOUBLE
void pn_st_reals(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, pn_real *out) { pn_st_doubles(t, first, n, out); }
#else
void pn_st_reals(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, pn_real *out) { pn_st_floats(t, first, n, out); }
#endif

void pn_st_integers(const pn_st_tensor *t, ptrdiff_t first, ptrdiff_t n, int64_t *out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        if (t->dtype == PN_DTYPE_I64) {
            out[i] = (int64_t)little(place_of(t, first + i), 8);
            continue;
        }
        const double v = double_at(t, first + i);
        out[i] = v > -0x1p63 && v < 0x1p63 ? (int64_t)v : 0;   /* NaN and what does not fit: 0 */
    }
}

/* FNV-1a over 64-bit words in four lanes (a byte at a time would be slower than the disk), the lanes and the rest
 * last. */
typedef struct { uint64_t lane[4]; uint8_t held[32]; size_t kept; } checksum;

static const uint64_t prime = 0x100000001b3u;

static checksum checksum_begin(void)
{
    return (checksum){ .lane = { 0xcbf29ce484222325u, 0x9ce484222325cbf2u, 0x84222325cbf29ce4u, 0x2325cbf29ce48422u } };
}

/* Written out, so that compilers see one load in it. */
static inline uint64_t word_at(const uint8_t *b)
{
    return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 | (uint64_t)b[4] << 32 |
           (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 | (uint64_t)b[7] << 56;
}

static inline uint64_t stirred(uint64_t lane, uint64_t word)
{
    word = (lane ^ word) * prime;
    return word ^ word >> 29;
}

static void checksum_blocks(checksum *s, const uint8_t *b, size_t blocks)
{
    uint64_t l0 = s->lane[0], l1 = s->lane[1], l2 = s->lane[2], l3 = s->lane[3];
    for (const uint8_t *end = b + blocks * sizeof s->held; b < end; b += sizeof s->held) {
        l0 = stirred(l0, word_at(b));
        l1 = stirred(l1, word_at(b + 8));
        l2 = stirred(l2, word_at(b + 16));
        l3 = stirred(l3, word_at(b + 24));
    }
    memcpy(s->lane, (const uint64_t[]){ l0, l1, l2, l3 }, sizeof s->lane);
}

static void checksum_add(checksum *s, const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    while (n) {
        if (!s->kept && n >= sizeof s->held) {
            const size_t blocks = n / sizeof s->held;
            checksum_blocks(s, b, blocks);
            b += blocks * sizeof s->held;
            n -= blocks * sizeof s->held;
            continue;
        }
        const size_t part = n < sizeof s->held - s->kept ? n : sizeof s->held - s->kept;
        memcpy(s->held + s->kept, b, part);
        s->kept += part;
        b += part;
        n -= part;
        if (s->kept < sizeof s->held) continue;
        checksum_blocks(s, s->held, 1);
        s->kept = 0;
    }
}

static void checksum_text(const checksum *s, char text[17])
{
    uint64_t h = pn_hash(s->held, s->kept);
    for (size_t i = 0; i < 4; i++) h = (h ^ s->lane[i]) * prime;
    snprintf(text, 17, "%016llx", (unsigned long long)h);
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

typedef struct { pn_ctx *ctx; const char *name; pn_safetensors *out; size_t data_bytes; } reader;

/* A JSON number as a byte count or extent: whole, not negative, exact in a double. */
static bool whole_number(const cJSON *j, size_t *out)
{
    if (!cJSON_IsNumber(j) || !(j->valuedouble >= 0 && j->valuedouble <= 0x1p53)) return false;
    if (j->valuedouble != floor(j->valuedouble)) return false;
    *out = (size_t)j->valuedouble;
    return true;
}

static pn_status refuse(const reader *r, const char *tensor, const char *what)
{
    return pn_fail(r->ctx, PN_ERR_FORMAT,
                   "%s: tensor '%.160s' %s; the file is damaged or not safetensors, fetch it again", r->name, tensor,
                   what);
}

static pn_status read_type(const reader *r, const cJSON *entry, pn_st_tensor *t)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    if (!cJSON_IsString(type)) return refuse(r, t->name, "has no dtype");
    for (int i = 0; i < PN_DTYPES; i++)
        if (strcmp(types[i].name, type->valuestring) == 0) {
            t->dtype = (pn_dtype)i;
            return PN_OK;
        }
    return pn_fail(r->ctx, PN_ERR_FORMAT,
                   "%s: tensor '%.160s' has the type %.20s, which this library does not read; save it as F32", r->name,
                   t->name, type->valuestring);
}

static pn_status read_entry(const reader *r, const cJSON *entry, pn_st_tensor *t)
{
    pn_status status = read_type(r, entry, t);
    if (status) return status;
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *extent;
    if (!cJSON_IsArray(shape)) return refuse(r, t->name, "has no shape");
    size_t count = 1;
    cJSON_ArrayForEach(extent, shape) {
        size_t n;
        if (t->shape.rank == PN_MAX_RANK)
            return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: tensor '%.160s' has more than %d dimensions; reshape it",
                           r->name, t->name, PN_MAX_RANK);
        if (!whole_number(extent, &n) || !pn_size_mul(count, n, &count))
            return refuse(r, t->name, "has an extent that cannot be");
        t->shape.dim[t->shape.rank++] = (ptrdiff_t)n;
    }
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    size_t begin, end, bytes;
    if (cJSON_GetArraySize(offsets) != 2 || !whole_number(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !whole_number(cJSON_GetArrayItem(offsets, 1), &end))
        return refuse(r, t->name, "has no data_offsets");
    if (begin > end || end > r->data_bytes) return refuse(r, t->name, "lies outside the file");
    if (!pn_size_mul(count, types[t->dtype].bytes, &bytes) || bytes != end - begin)
        return refuse(r, t->name, "has data_offsets that do not fit its shape");
    t->bytes = r->out->file.bytes + (r->out->file.size - r->data_bytes) + begin;
    t->size = bytes;
    t->count = (ptrdiff_t)count;
    return PN_OK;
}

static pn_status read_notes(reader *r, const cJSON *metadata)
{
    pn_safetensors *out = r->out;
    if (!cJSON_IsObject(metadata)) return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: __metadata__ is not an object", r->name);
    const int n = cJSON_GetArraySize(metadata);
    out->notes = pn_arena_alloc(&out->arena, (size_t)n, sizeof *out->notes);
    if (!out->notes) return PN_ERR_NOMEM;
    const cJSON *note;
    cJSON_ArrayForEach(note, metadata) {
        if (!cJSON_IsString(note))
            return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: the metadata '%.160s' is not a text", r->name, note->string);
        const pn_st_note made = { pn_arena_strdup(&out->arena, note->string),
                                  pn_arena_strdup(&out->arena, note->valuestring) };
        if (!made.key || !made.value) return PN_ERR_NOMEM;
        out->notes[out->note_count++] = made;
    }
    return PN_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pn_st_tensor *)a)->name, ((const pn_st_tensor *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const pn_st_tensor *s = a, *t = b;
    if (s->bytes != t->bytes) return s->bytes < t->bytes ? -1 : 1;
    return s->size < t->size ? -1 : s->size > t->size;  /* empty ones first */
}

static pn_status check_all(const reader *r)
{
    pn_safetensors *out = r->out;
    if (!out->count) return PN_OK;
    qsort(out->tensors, out->count, sizeof *out->tensors, by_place);
    for (size_t i = 1; i < out->count; i++) {
        const pn_st_tensor *a = &out->tensors[i - 1], *b = &out->tensors[i];
        if (a->bytes + a->size > b->bytes) return refuse(r, b->name, "shares bytes with another one");
    }
    qsort(out->tensors, out->count, sizeof *out->tensors, by_name);
    for (size_t i = 1; i < out->count; i++)
        if (strcmp(out->tensors[i - 1].name, out->tensors[i].name) == 0)
            return refuse(r, out->tensors[i].name, "is there twice");
    const char *stated = pn_safetensors_note(out, checksum_key);
    if (!stated) return PN_OK;
    char found[17];
    checksum sum = checksum_begin();
    checksum_add(&sum, out->file.bytes + (out->file.size - r->data_bytes), r->data_bytes);
    checksum_text(&sum, found);
    if (strcmp(found, stated) == 0) return PN_OK;
    return pn_fail(r->ctx, PN_ERR_FORMAT,
                   "%s: the checksum of its tensors is %s, its header says %.20s; the file is damaged, "
                   "take another checkpoint or fetch it again",
                   r->name, found, stated);
}

static pn_status read_header(reader *r, const cJSON *json)
{
    pn_safetensors *out = r->out;
    if (!cJSON_IsObject(json))
        return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: the safetensors header is not a JSON object", r->name);
    out->tensors = pn_alloc(r->ctx, (size_t)cJSON_GetArraySize(json), sizeof *out->tensors);
    if (!out->tensors) return PN_ERR_NOMEM;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, json) {
        pn_status status;
        if (strcmp(entry->string, "__metadata__") == 0) {
            if (out->notes) return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: __metadata__ is there twice", r->name);
            status = read_notes(r, entry);
        } else {
            pn_st_tensor *t = &out->tensors[out->count];
            t->name = pn_arena_strdup(&out->arena, entry->string);
            if (!t->name) return PN_ERR_NOMEM;
            status = read_entry(r, entry, t);
            if (!status) out->count++;
        }
        if (status) return status;
    }
    return check_all(r);
}

pn_status pn_safetensors_parse(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_safetensors *out)
{
    if (file->size < 8)
        return pn_fail(ctx, PN_ERR_FORMAT, "%s: %zu bytes are too few for a safetensors file", name, file->size);
    const uint64_t length = little(file->bytes, 8);
    if (length > HEADER_MAX || length > file->size - 8)
        return pn_fail(ctx, PN_ERR_FORMAT,
                       "%s: not a safetensors file, or cut off (its header would have %llu bytes, the file has %zu), nor one "
                       "of torch.save; fetch it again",
                       name, (unsigned long long)length, file->size);
    pn_safetensors made = { .arena = { .ctx = ctx }, .file = *file, .name = pn_strdup(ctx, name) };
    if (!made.name) return PN_ERR_NOMEM;
    reader r = { .ctx = ctx, .name = name, .out = &made, .data_bytes = file->size - 8 - (size_t)length };
    cJSON *json = cJSON_ParseWithLength((const char *)file->bytes + 8, (size_t)length);
    const pn_status status = json ? read_header(&r, json)
                                  : pn_fail(ctx, PN_ERR_FORMAT,
                                            "%s: the safetensors header is not JSON; fetch the file again", name);
    cJSON_Delete(json);
    if (status) {
        made.file = (pn_bytes){ 0 };                    /* still the caller's */
        pn_safetensors_free(ctx, &made);
    } else {
        *out = made;
    }
    return status;
}

pn_status pn_safetensors_read(pn_ctx *ctx, const char *path, pn_safetensors *out)
{
    pn_bytes file;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = pn_safetensors_parse(ctx, path, &file, out);
    if (status) pn_free(ctx, file.bytes);
    return status;
}

void pn_safetensors_free(pn_ctx *ctx, pn_safetensors *file)
{
    pn_free(ctx, file->tensors);
    pn_free(ctx, file->name);
    pn_free(ctx, file->file.bytes);
    pn_arena_free(&file->arena);
    *file = (pn_safetensors){ 0 };
}

const pn_st_tensor *pn_safetensors_find(const pn_safetensors *file, const char *name)
{
    const pn_st_tensor key = { .name = name };
    return file->count ? bsearch(&key, file->tensors, file->count, sizeof key, by_name) : NULL;
}

const char *pn_safetensors_note(const pn_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->note_count; i++)
        if (strcmp(file->notes[i].key, key) == 0) return file->notes[i].value;
    return NULL;
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

enum { PIECE = 4096 };                                  /* values converted at a time */

static pn_dtype type_of(const pn_st_item *item)
{
    return item->copy ? item->copy->dtype : item->integers ? PN_DTYPE_I64 : item->bytes ? PN_DTYPE_U8 : PN_DTYPE_F32;
}

static size_t fill_piece(const pn_st_item *item, ptrdiff_t first, ptrdiff_t n, uint8_t *out)
{
    const size_t width = types[type_of(item)].bytes;
    if (item->copy) pn_st_raw(item->copy, first, n, out);
    for (ptrdiff_t i = 0; !item->copy && i < n; i++) {
        uint64_t bits = 0;
        if (item->integers) bits = (uint64_t)item->integers[first + i];
        else if (item->bytes) bits = item->bytes[first + i];
        else {
            const float v = item->floats ? item->floats[first + i] : (float)item->reals[first + i];
            uint32_t word;
            memcpy(&word, &v, sizeof word);
            bits = word;
        }
        for (size_t b = 0; b < width; b++) out[(size_t)i * width + b] = (uint8_t)(bits >> (8 * b));
    }
    return (size_t)n * width;
}

/* All tensors' bytes, into the checksum (w NULL) or the file. */
static void stream(const pn_st_item *items, size_t count, checksum *sum, pn_writer *w)
{
    uint8_t piece[PIECE * 8];
    for (size_t i = 0; i < count; i++) {
        const ptrdiff_t n = pn_shape_count(items[i].shape);
        for (ptrdiff_t first = 0; first < n; first += PIECE) {
            const size_t bytes = fill_piece(&items[i], first, n - first < PIECE ? n - first : PIECE, piece);
            if (w) pn_writer_put(w, piece, bytes);
            else checksum_add(sum, piece, bytes);
        }
    }
}

/* false: no memory for the JSON tree */
static bool describe(cJSON *json, const pn_st_item *item, size_t *offset)
{
    cJSON *entry = cJSON_AddObjectToObject(json, item->name);
    const pn_dtype type = type_of(item);
    if (!entry || !cJSON_AddStringToObject(entry, "dtype", types[type].name)) return false;
    cJSON *shape = cJSON_AddArrayToObject(entry, "shape"), *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
    if (!shape || !offsets) return false;
    for (int d = 0; d < item->shape.rank; d++)
        if (!cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)item->shape.dim[d]))) return false;
    const size_t end = *offset + (size_t)pn_shape_count(item->shape) * types[type].bytes;
    if (!cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)*offset)) ||
        !cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)end))) return false;
    *offset = end;
    return true;
}

static char *header_text(const pn_st_item *items, size_t count, const pn_st_note *notes, size_t note_count,
                         const char *sum)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *metadata = json ? cJSON_AddObjectToObject(json, "__metadata__") : NULL;
    bool fine = metadata != NULL;
    for (size_t i = 0; fine && i < note_count; i++)
        fine = cJSON_AddStringToObject(metadata, notes[i].key, notes[i].value) != NULL;
    fine = fine && cJSON_AddStringToObject(metadata, checksum_key, sum);
    size_t offset = 0;
    for (size_t i = 0; fine && i < count; i++) fine = describe(json, &items[i], &offset);
    char *text = fine ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    return text;
}

pn_status pn_safetensors_write(pn_ctx *ctx, const char *path, const pn_st_item *items, size_t count,
                               const pn_st_note *notes, size_t note_count)
{
    char sum_text[17];
    checksum sum = checksum_begin();
    stream(items, count, &sum, NULL);
    checksum_text(&sum, sum_text);
    char *text = header_text(items, count, notes, note_count, sum_text);
    if (!text) return pn_fail(ctx, PN_ERR_NOMEM, "no memory for the header of %s", path);
    const size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    uint8_t head[8];
    for (size_t i = 0; i < 8; i++) head[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    pn_writer w;
    pn_status status = pn_writer_begin(&w, ctx, path);
    if (!status) {
        pn_writer_put(&w, head, sizeof head);
        pn_writer_put(&w, text, length);
        pn_writer_put(&w, "       ", padded - length);  /* blanks: the tensors begin at a multiple of 8 */
        stream(items, count, NULL, &w);
        status = pn_writer_commit(&w);
    }
    cJSON_free(text);
    return status;
}
