/* lib/io/torch_file.c - weights as torch.save writes them, read as the safetensors file they could have been
 *
 * Zip container: ROOT/data.pkl, an object with storages by key; ROOT/data/KEY, a storage's bytes, stored plainly.
 * Legacy container: five pickles (magic, protocol, system, object, keys), then for each key a count and the bytes.
 * Tensors stay where they lie in the file; views keep their strides. What pickle.c does not know is refused there.
 */
#include "io/pickle.h"
#include "io/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 100, NAME_MAX_BYTES = 500, DEPTH_MAX = 8, PICKLE_MAX = 16 << 20 };
/* Expanded views (stride 0) let a file name more bytes than it has: at most this many times its size. */
enum { EXPANDED_MAX = 64 };

static const uint8_t magic[] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };

typedef struct {
    pn_ctx *ctx;
    const char *name;
    const pn_bytes *file;
    pn_pickle pickle;
    pn_pickle_storage **sorted; /* all records of storages, by key */
    pn_safetensors made;
} reader;

static bool is_zip(const pn_bytes *f) { return f->size >= 4 && memcmp(f->bytes, "PK\3\4", 4) == 0; }
static bool is_tar(const pn_bytes *f) { return f->size > 262 && memcmp(f->bytes + 257, "ustar", 5) == 0; }
/* A safetensors file may begin with this byte, too, but then its header begins with a brace. */
static bool is_pickle(const pn_bytes *f)
{
    return f->size >= 2 && f->bytes[0] == 0x80 && f->bytes[1] <= 5 && (f->size < 9 || f->bytes[8] != '{');
}

bool pn_torch_known(const pn_bytes *file) { return is_zip(file) || is_tar(file) || is_pickle(file); }

static pn_status refuse(const reader *r, const char *what)
{
    return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: %s; the file is damaged or not from torch.save, fetch it again", r->name,
                   what);
}

/* ---- Storages find their bytes ------------------------------------------------------------------------------- */

static int compare_keys(const pn_pickle_value *a, const pn_pickle_value *b)
{
    return a->size != b->size ? (a->size < b->size ? -1 : 1) : memcmp(a->is.text, b->is.text, a->size);
}

static int by_key(const void *a, const void *b)
{
    return compare_keys(&(*(pn_pickle_storage *const *)a)->key, &(*(pn_pickle_storage *const *)b)->key);
}

static pn_status sort_storages(reader *r)
{
    const size_t n = r->pickle.storage_count;
    r->sorted = pn_alloc(r->ctx, n, sizeof *r->sorted);
    if (!r->sorted) return PN_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) r->sorted[i] = &r->pickle.storages[i];
    if (n) qsort(r->sorted, n, sizeof *r->sorted, by_key);
    return PN_OK;
}

/* One past the last record with the key of record i. */
static size_t same_key_end(const reader *r, size_t i)
{
    size_t end = i + 1;
    while (end < r->pickle.storage_count && by_key(&r->sorted[i], &r->sorted[end]) == 0) end++;
    return end;
}

/* Keys are short decimal numbers; "" if this one is not printable or too long. */
static const char *key_text(const pn_pickle_value *key, char text[KEY_MAX + 1])
{
    size_t n = key->kind == PN_PICKLE_TEXT && key->size <= KEY_MAX ? key->size : 0;
    for (size_t i = 0; i < n; i++)
        if (key->is.text[i] <= ' ' || key->is.text[i] > '~') n = 0;
    snprintf(text, KEY_MAX + 1, "%.*s", (int)n, n ? (const char *)key->is.text : "");
    return text;
}

/* All records of one storage, that has this many bytes. */
static pn_status give_bytes(reader *r, size_t first, size_t end, const uint8_t *bytes, size_t size)
{
    char key[KEY_MAX + 1];
    for (size_t i = first; i < end; i++) {
        pn_pickle_storage *s = r->sorted[i];
        if (s->numbers * pn_dtype_bytes(s->dtype) != size)
            return pn_fail(r->ctx, PN_ERR_FORMAT,
                           "%s: storage '%s' is said to have %zu numbers of type %s, and has %zu bytes; the file is "
                           "damaged, fetch it again",
                           r->name, key_text(&s->key, key), s->numbers, pn_dtype_name(s->dtype), size);
        s->bytes = bytes;
    }
    return PN_OK;
}

/* ---- The zip container --------------------------------------------------------------------------------------- */

/* ROOT of ROOT/data.pkl */
static pn_status find_root(const reader *r, const pn_zip *zip, char root[NAME_MAX_BYTES + 1])
{
    static const char tail[] = "/data.pkl";
    for (size_t i = 0; i < pn_zip_count(zip); i++) {
        const char *name = pn_zip_name(zip, i), *slash = strchr(name, '/');
        if (!slash || strcmp(slash, tail) != 0 || slash - name > NAME_MAX_BYTES / 2) continue;
        snprintf(root, NAME_MAX_BYTES + 1, "%.*s", (int)(slash - name), name);
        return PN_OK;
    }
    return refuse(r, "a zip archive without NAME/data.pkl");
}

static pn_status check_byte_order(reader *r, pn_zip *zip, const char *root)
{
    char path[2 * NAME_MAX_BYTES];
    pn_zip_entry order;
    snprintf(path, sizeof path, "%s/byteorder", root);
    bool there = false;
    for (size_t i = 0; i < pn_zip_count(zip); i++) there = there || strcmp(pn_zip_name(zip, i), path) == 0;
    if (!there) return PN_OK; /* torch before 2.0 */
    const pn_status status = pn_zip_read(zip, path, &r->made.arena, &order);
    if (status || (order.size == 6 && memcmp(order.bytes, "little", 6) == 0)) return status;
    return pn_fail(r->ctx, PN_ERR_FORMAT,
                   "%s: written on a big-endian machine (%s); load and save it on a little-endian one", r->name, path);
}

static pn_status resolve_zip(reader *r, pn_zip *zip, const char *root)
{
    char path[2 * NAME_MAX_BYTES], key[KEY_MAX + 1];
    pn_status status = sort_storages(r);
    for (size_t i = 0, end; !status && i < r->pickle.storage_count; i = end) {
        pn_zip_entry data;
        end = same_key_end(r, i);
        snprintf(path, sizeof path, "%s/data/%s", root, key_text(&r->sorted[i]->key, key));
        status = pn_zip_read(zip, path, &r->made.arena, &data);
        if (!status) status = give_bytes(r, i, end, data.bytes, data.size);
    }
    return status;
}

static pn_status read_zip(reader *r, pn_pickle_value *object)
{
    pn_zip *zip;
    pn_zip_entry pickle;
    char root[NAME_MAX_BYTES + 1], path[2 * NAME_MAX_BYTES];
    size_t used;
    pn_status status = pn_zip_open(r->ctx, r->name, r->file, &zip);
    if (status) return status;
    status = find_root(r, zip, root);
    if (!status) status = check_byte_order(r, zip, root);
    snprintf(path, sizeof path, "%s/data.pkl", status ? "" : root);
    if (!status) status = pn_zip_read(zip, path, &r->made.arena, &pickle);
    if (!status && pickle.size > PICKLE_MAX)
        status = pn_fail(r->ctx, PN_ERR_FORMAT, "%s: its data.pkl has %zu bytes, at most %d are read", r->name,
                         pickle.size, PICKLE_MAX);
    if (!status) status = pn_pickle_read(&r->pickle, "data.pkl", pickle.bytes, pickle.size, &used, object);
    if (!status) status = resolve_zip(r, zip, root);
    pn_zip_close(zip);
    return status;
}

/* ---- The legacy container ------------------------------------------------------------------------------------ */

static pn_status check_system(reader *r, pn_pickle_value protocol, pn_pickle_value system)
{
    const pn_pickle_value little = pn_pickle_get(&r->pickle, system, "little_endian");
    if (protocol.kind != PN_PICKLE_INT || protocol.is.whole != 1001)
        return pn_fail(r->ctx, PN_ERR_FORMAT,
                       "%s: the legacy container's version is %lld, expected 1001; save it again with torch.save",
                       r->name, protocol.kind == PN_PICKLE_INT ? (long long)protocol.is.whole : -1);
    if (little.kind == PN_PICKLE_INT && little.is.whole) return PN_OK;
    return pn_fail(r->ctx, PN_ERR_FORMAT,
                   "%s: written on a big-endian machine (little_endian is not True); load and save it on a "
                   "little-endian one",
                   r->name);
}

static uint64_t little64(const uint8_t *b)
{
    uint64_t v = 0;
    for (int i = 8; i-- > 0;) v = v << 8 | b[i];
    return v;
}

/* The next storage in the file, at *at, is that of this key. */
static pn_status place_storage(reader *r, pn_pickle_value key, size_t *at)
{
    char text[KEY_MAX + 1];
    pn_pickle_storage wanted = { .key = key };
    const pn_pickle_storage *const pointer = &wanted;
    pn_pickle_storage **found = key.kind == PN_PICKLE_TEXT && r->pickle.storage_count
                                    ? bsearch(&pointer, r->sorted, r->pickle.storage_count, sizeof pointer, by_key)
                                    : NULL;
    if (!found) return refuse(r, "its list of storages has a key that no tensor uses");
    while (found > r->sorted && by_key(found - 1, found) == 0) found--;
    const size_t first = (size_t)(found - r->sorted), end = same_key_end(r, first);
    const pn_pickle_storage *s = *found;
    if (s->bytes)
        return pn_fail(r->ctx, PN_ERR_FORMAT, "%s: storage '%s' is there twice; the file is damaged, fetch it again",
                       r->name, key_text(&key, text));
    const size_t left = r->file->size - *at, bytes = s->numbers * pn_dtype_bytes(s->dtype);
    if (left < 8 || bytes > left - 8)
        return pn_fail(r->ctx, PN_ERR_FORMAT,
                       "%s: storage '%s' needs %zu bytes at byte %zu, and the file ends at %zu; it was cut off, "
                       "fetch it again",
                       r->name, key_text(&key, text), bytes, *at, r->file->size);
    if (little64(r->file->bytes + *at) != s->numbers)
        return pn_fail(r->ctx, PN_ERR_FORMAT,
                       "%s: storage '%s' has %llu numbers, its tensors say %zu; the file is damaged, fetch it again",
                       r->name, key_text(&key, text), (unsigned long long)little64(r->file->bytes + *at), s->numbers);
    const pn_status status = give_bytes(r, first, end, r->file->bytes + *at + 8, bytes);
    *at += 8 + bytes;
    return status;
}

static pn_status resolve_legacy(reader *r, pn_pickle_value keys, size_t at)
{
    pn_status status = sort_storages(r);
    if (!status && keys.kind != PN_PICKLE_LIST) status = refuse(r, "its list of storages is no list");
    for (uint32_t c = status ? 0 : r->pickle.objects[keys.is.at].first; c && !status; c = r->pickle.cells[c].next)
        status = place_storage(r, r->pickle.cells[c].value, &at);
    for (size_t i = 0; !status && i < r->pickle.storage_count; i++)
        if (!r->sorted[i]->bytes) status = refuse(r, "a tensor's storage is not in its list of storages");
    return status;
}

static pn_status read_legacy(reader *r, pn_pickle_value *object)
{
    enum { MAGIC, PROTOCOL, SYSTEM, OBJECT, KEYS, PICKLES };
    static const char *const part[PICKLES] = { "pickle 1 (magic)", "pickle 2 (version)", "pickle 3 (system)",
                                               "pickle 4 (object)", "pickle 5 (storages)" };
    pn_pickle_value value[PICKLES] = { 0 };
    size_t at = 0;
    for (int i = 0; i < PICKLES; i++) {
        size_t used = 0;
        const size_t left = r->file->size - at;
        pn_status status = pn_pickle_read(&r->pickle, part[i], r->file->bytes + at,
                                          left < PICKLE_MAX ? left : PICKLE_MAX, &used, &value[i]);
        if (!status && i == MAGIC &&
            (value[MAGIC].kind != PN_PICKLE_OTHER || value[MAGIC].size != sizeof magic ||
             memcmp(value[MAGIC].is.text, magic, sizeof magic) != 0))
            status = refuse(r, "a pickle without PyTorch's magic number");
        if (!status && i == SYSTEM) status = check_system(r, value[PROTOCOL], value[SYSTEM]);
        if (status) return status;
        at += used;
    }
    *object = value[OBJECT];
    return resolve_legacy(r, value[KEYS], at);
}

/* ---- Which dictionary is the state dict ---------------------------------------------------------------------- */

static uint32_t tensors_in(const reader *r, pn_pickle_value v)
{
    return v.kind == PN_PICKLE_DICT ? r->pickle.objects[v.is.at].tensors : 0;
}

/* The only dictionary with tensors right inside this one; UNSET if there is none. */
static pn_status only_inner(const reader *r, pn_pickle_value dict, pn_pickle_value *only)
{
    char a[KEY_MAX + 1], b[KEY_MAX + 1];
    pn_pickle_value key = { 0 };
    const pn_pickle_cell *cells = r->pickle.cells;
    for (uint32_t c = r->pickle.objects[dict.is.at].first; c; c = cells[cells[c].next].next) {
        const pn_pickle_value v = cells[cells[c].next].value;
        if (!tensors_in(r, v)) continue;
        if (only->kind)
            return pn_fail(r->ctx, PN_ERR_FORMAT,
                           "%s holds several dictionaries of tensors, '%s' and '%s' among them; save one of them alone "
                           "with torch.save",
                           r->name, key_text(&key, a), key_text(&cells[c].value, b));
        *only = v;
        key = cells[c].value;
    }
    if (only->kind) pn_ctx_log(r->ctx, PN_LOG_INFO, "%s: the weights are those under '%s'", r->name, key_text(&key, a));
    return PN_OK;
}

/* Training programs wrap it: {'state_dict': …, 'epoch': …}. Siblings are ignored. */
static pn_status choose(const reader *r, pn_pickle_value *dict)
{
    static const char *const usual[] = { "state_dict", "model_state_dict", "net", "model", "params", "generator" };
    enum { USUAL = sizeof usual / sizeof *usual };
    for (int depth = 0; depth < DEPTH_MAX && dict->kind == PN_PICKLE_DICT; depth++) {
        pn_pickle_value deeper = { 0 };
        for (int i = 0; i < USUAL; i++) {
            const pn_pickle_value inner = pn_pickle_get(&r->pickle, *dict, usual[i]);
            if (!tensors_in(r, inner)) {
                if (!deeper.kind && inner.kind == PN_PICKLE_DICT) deeper = inner;
                continue;
            }
            pn_ctx_log(r->ctx, PN_LOG_INFO, "%s: the weights are those under '%s'", r->name, usual[i]);
            return *dict = inner, PN_OK;
        }
        if (tensors_in(r, *dict)) return PN_OK;
        pn_pickle_value only = { 0 };
        const pn_status status = only_inner(r, *dict, &only);
        if (status || only.kind) return *dict = only, status;
        *dict = deeper;
    }
    return pn_fail(r->ctx, PN_ERR_FORMAT,
                   "%s holds no dictionary of named tensors; save one with torch.save(net.state_dict(), FILE)",
                   r->name);
}

/* ---- Tensors ------------------------------------------------------------------------------------------------- */

/* Names go into messages and JSON headers: text without control characters. */
static bool fit_for_a_name(const uint8_t *b, size_t size)
{
    size_t i = 0;
    while (i < size) {
        const uint8_t c = b[i++];
        if (c < 0x20 || c == 0x7f) return false;
        if (c < 0x80) continue;
        const int more = c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 0;
        if (!more || size - i < (size_t)more || (c == 0xc2 && b[i] < 0xa0)) return false;
        for (int k = 0; k < more; k++)
            if ((b[i++] & 0xc0) != 0x80) return false;
    }
    return size > 0 && size <= NAME_MAX_BYTES;
}

static bool plain_strides(const pn_pickle_tensor *t, ptrdiff_t count)
{
    ptrdiff_t stride = 1;
    for (int d = t->shape.rank; count && d-- > 0; stride *= t->shape.dim[d])
        if (t->shape.dim[d] > 1 && t->stride[d] != stride) return false;
    return true;
}

static pn_status put_tensor(reader *r, pn_pickle_value name, const pn_pickle_tensor *t)
{
    pn_st_tensor *out = &r->made.tensors[r->made.count];
    const pn_pickle_storage *s = &r->pickle.storages[t->storage];
    const size_t width = pn_dtype_bytes(s->dtype);
    if (!fit_for_a_name(name.is.text, name.size))
        return refuse(r, "a tensor's name is empty, too long or not printable text");
    char *copy = pn_arena_alloc(&r->made.arena, (size_t)name.size + 1, 1);
    if (!copy) return PN_ERR_NOMEM;
    memcpy(copy, name.is.text, name.size);
    size_t count = 1, size;
    for (int d = 0; d < t->shape.rank; d++) count *= (size_t)t->shape.dim[d]; /* pickle.c has seen that it fits */
    if (count > PTRDIFF_MAX || !pn_size_mul(count, width, &size) || size > r->file->size * EXPANDED_MAX)
        return pn_fail(r->ctx, PN_ERR_FORMAT,
                       "%s: the tensor '%.160s' has %zu numbers, more than %d times the file; it is an expanded view, "
                       "call .clone() before torch.save",
                       r->name, copy, count, EXPANDED_MAX);
    *out = (pn_st_tensor){ .name = copy,
                           .dtype = s->dtype,
                           .shape = t->shape,
                           .count = (ptrdiff_t)count,
                           .size = size,
                           .bytes = s->bytes + t->offset * width,
                           .strided = !plain_strides(t, (ptrdiff_t)count) };
    memcpy(out->stride, t->stride, sizeof out->stride);
    r->made.count++;
    return PN_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pn_st_tensor *)a)->name, ((const pn_st_tensor *)b)->name);
}

static pn_status take_tensors(reader *r, pn_pickle_value dict)
{
    const pn_pickle_object *o = &r->pickle.objects[dict.is.at];
    const pn_pickle_cell *cells = r->pickle.cells;
    r->made.tensors = pn_alloc(r->ctx, o->tensors, sizeof *r->made.tensors);
    pn_status status = r->made.tensors ? PN_OK : PN_ERR_NOMEM;
    size_t whole = 0;
    for (uint32_t c = o->first; c && !status; c = cells[cells[c].next].next) {
        const pn_pickle_value name = cells[c].value, v = cells[cells[c].next].value;
        if (name.kind != PN_PICKLE_TEXT || v.kind != PN_PICKLE_TENSOR) continue;
        status = put_tensor(r, name, &r->pickle.tensors[v.is.at]);
        if (!status) whole += r->made.tensors[r->made.count - 1].size;
        if (!status && whole > r->file->size * EXPANDED_MAX)
            status = pn_fail(r->ctx, PN_ERR_FORMAT,
                             "%s: its tensors have more than %d times the bytes of the file, up to '%.160s'; they are "
                             "views of the same numbers, call .clone() before torch.save",
                             r->name, EXPANDED_MAX, r->made.tensors[r->made.count - 1].name);
    }
    if (status || !r->made.count) return status;
    qsort(r->made.tensors, r->made.count, sizeof *r->made.tensors, by_name);
    for (size_t i = 1; i < r->made.count; i++)
        if (strcmp(r->made.tensors[i - 1].name, r->made.tensors[i].name) == 0)
            return pn_fail(r->ctx, PN_ERR_FORMAT,
                           "%s: tensor '%.160s' is there twice; the file is damaged, fetch it again", r->name,
                           r->made.tensors[i].name);
    return PN_OK;
}

/* ---- All of it ----------------------------------------------------------------------------------------------- */

pn_status pn_torch_parse(pn_ctx *ctx, const char *name, const pn_bytes *file, pn_safetensors *out)
{
    reader r = {
        .ctx = ctx, .name = name, .file = file, .pickle = { .ctx = ctx, .name = name }, .made.arena.ctx = ctx
    };
    pn_pickle_value object = { 0 };
    pn_status status = PN_OK;
    if (is_tar(file))
        status = pn_fail(
            ctx, PN_ERR_FORMAT,
            "%s is a tar file, as torch before 0.1.10 wrote; load and save it with a newer torch, or fetch "
            "its newer edition",
            name);
    if (!status) status = (is_zip(file) ? read_zip : read_legacy)(&r, &object);
    if (!status) status = choose(&r, &object);
    if (!status) status = take_tensors(&r, object);
    if (!status && !(r.made.name = pn_strdup(ctx, name))) status = PN_ERR_NOMEM;
    pn_free(ctx, r.sorted);
    pn_pickle_free(&r.pickle);
    if (status) {
        pn_safetensors_free(ctx, &r.made); /* the file is still the caller's */
        return status;
    }
    r.made.file = *file;
    *out = r.made;
    return PN_OK;
}
