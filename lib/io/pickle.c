/* lib/io/pickle.c - the allow-list machine of pickle.h
 *
 * Every record is made by at least one byte of the file, and each kind has a ceiling, so that a small file takes little
 * memory whatever it says. Nothing recurses: a dictionary may hold itself.
 */
#include "io/pickle.h"

#include <stdio.h>
#include <string.h>

/* Ceilings; a state dict takes about 22 cells, 5 objects and 12 places of the memo for each tensor. */
enum {
    STACK_MAX = 1 << 16,
    MARKS_MAX = 1 << 12,
    MEMO_MAX = 1 << 19,
    CELLS_MAX = 1 << 19,
    OBJECTS_MAX = 1 << 18,
    RECORDS_MAX = 1 << 15 /* storages, tensors */
};

static const char remedy[] = "load it in PyTorch and save the state dict alone, torch.save(net.state_dict(), FILE)";

/* ---- Refusing ------------------------------------------------------------------------------------------------ */

static pn_status damaged(const pn_pickle *p, const char *what)
{
    return pn_fail(p->ctx, PN_ERR_FORMAT, "%s: %s, byte %td: %s; the file is damaged, fetch it again", p->name, p->part,
                   p->at - p->begin, what);
}

static pn_status too_many(const pn_pickle *p, const char *what, size_t most)
{
    return pn_fail(p->ctx, PN_ERR_FORMAT, "%s: %s, byte %td: more than %zu %s; %s", p->name, p->part, p->at - p->begin,
                   most, what, remedy);
}

/* What a terminal may show of bytes from a file. */
static const char *shown(const pn_pickle_value *v, char text[64])
{
    const size_t n = v->size < 60 ? v->size : 60;
    for (size_t i = 0; i < n; i++) text[i] = v->is.text[i] >= 0x20 && v->is.text[i] < 0x7f ? (char)v->is.text[i] : '?';
    snprintf(text + n, 4, "%s", v->size > n ? "..." : "");
    return text;
}

/* ---- The stack, the memo, records ---------------------------------------------------------------------------- */

static pn_status room_for(pn_pickle *p, void **memory, size_t *room, size_t want, size_t most, size_t size,
                          const char *what)
{
    return want > most ? too_many(p, what, most) : pn_grow(p->ctx, memory, room, want, size);
}

static pn_status push(pn_pickle *p, pn_pickle_value v)
{
    void *stack = p->stack;
    const pn_status status = room_for(p, &stack, &p->stack_room, p->height + 1, STACK_MAX, sizeof v,
                                      "values on the stack");
    p->stack = stack;
    if (!status) p->stack[p->height++] = v;
    return status;
}

static pn_status push_whole(pn_pickle *p, int64_t whole)
{
    return push(p, (pn_pickle_value){ .kind = PN_PICKLE_INT, .is.whole = whole });
}
static pn_status push_other(pn_pickle *p) { return push(p, (pn_pickle_value){ .kind = PN_PICKLE_OTHER }); }
static pn_status push_at(pn_pickle *p, pn_pickle_kind kind, size_t at)
{
    return push(p, (pn_pickle_value){ .kind = kind, .is.at = (uint32_t)at });
}

/* How many values lie above the last mark. */
static size_t above_mark(const pn_pickle *p) { return p->height - (p->mark_count ? p->marks[p->mark_count - 1] : 0); }

static pn_status pop(pn_pickle *p, pn_pickle_value *out)
{
    if (!above_mark(p)) return damaged(p, "an opcode takes more values than there are");
    *out = p->stack[--p->height];
    return PN_OK;
}

static pn_status pop_mark(pn_pickle *p, size_t *from)
{
    if (!p->mark_count) return damaged(p, "an opcode needs a MARK, and there is none");
    *from = p->marks[--p->mark_count];
    return PN_OK;
}

static pn_status memoize(pn_pickle *p, uint64_t index)
{
    if (!above_mark(p)) return damaged(p, "there is no value to put into the memo");
    if (index >= MEMO_MAX) return too_many(p, "places in the memo", MEMO_MAX);
    void *memo = p->memo;
    const pn_status status = pn_grow(p->ctx, &memo, &p->memo_room, (size_t)index + 1, sizeof *p->memo);
    p->memo = memo;
    if (!status) p->memo[index] = p->stack[p->height - 1];
    return status;
}

static pn_status new_object(pn_pickle *p, pn_pickle_kind kind, pn_pickle_value *out)
{
    void *objects = p->objects;
    const pn_status status = room_for(p, &objects, &p->object_room, p->object_count + 1, OBJECTS_MAX,
                                      sizeof *p->objects, "lists and dictionaries");
    p->objects = objects;
    if (status) return status;
    *out = (pn_pickle_value){ .kind = kind, .is.at = (uint32_t)p->object_count };
    p->objects[p->object_count++] = (pn_pickle_object){ 0 };
    return PN_OK;
}

static pn_status append(pn_pickle *p, pn_pickle_value to, pn_pickle_value v)
{
    void *cells = p->cells;
    if (!p->cell_count) p->cell_count = 1; /* 0 ends a chain */
    const pn_status status = room_for(p, &cells, &p->cell_room, p->cell_count + 1, CELLS_MAX, sizeof *p->cells,
                                      "items in lists and dictionaries");
    p->cells = cells;
    if (status) return status;
    pn_pickle_object *o = &p->objects[to.is.at];
    const uint32_t made = (uint32_t)p->cell_count++;
    p->cells[made] = (pn_pickle_cell){ .value = v };
    if (o->last)
        p->cells[o->last].next = made;
    else
        o->first = made;
    o->last = made;
    o->count++;
    return PN_OK;
}

static pn_status put_pair(pn_pickle *p, pn_pickle_value dict, pn_pickle_value key, pn_pickle_value value)
{
    pn_status status = append(p, dict, key);
    if (!status) status = append(p, dict, value);
    if (!status && key.kind == PN_PICKLE_TEXT && value.kind == PN_PICKLE_TENSOR) p->objects[dict.is.at].tensors++;
    return status;
}

/* A list of what lies from `from` to the stack's top, which it takes off. */
static pn_status collect(pn_pickle *p, size_t from)
{
    pn_pickle_value list;
    pn_status status = new_object(p, PN_PICKLE_LIST, &list);
    for (size_t i = from; !status && i < p->height; i++) status = append(p, list, p->stack[i]);
    p->height = from;
    return status ? status : push(p, list);
}

uint32_t pn_pickle_items(const pn_pickle *p, pn_pickle_value list, pn_pickle_value *out, uint32_t most)
{
    if (list.kind != PN_PICKLE_LIST) return 0;
    const pn_pickle_object *o = &p->objects[list.is.at];
    uint32_t n = 0;
    for (uint32_t c = o->first; c && n < most; c = p->cells[c].next) out[n++] = p->cells[c].value;
    return o->count;
}

bool pn_pickle_is_text(pn_pickle_value v, const char *text)
{
    return v.kind == PN_PICKLE_TEXT && v.size == strlen(text) && memcmp(v.is.text, text, v.size) == 0;
}

pn_pickle_value pn_pickle_get(const pn_pickle *p, pn_pickle_value dict, const char *key)
{
    pn_pickle_value found = { 0 };
    if (dict.kind != PN_PICKLE_DICT) return found;
    for (uint32_t c = p->objects[dict.is.at].first; c; c = p->cells[p->cells[c].next].next)
        if (pn_pickle_is_text(p->cells[c].value, key)) found = p->cells[p->cells[c].next].value;
    return found;
}

/* ---- Globals ------------------------------------------------------------------------------------------------- */

typedef enum { ORDERED_DICT, TENSOR, PARAMETER, STORAGE } global_kind;
static const struct {
    const char *module, *name;
    global_kind kind;
    pn_dtype dtype;
} globals[] = {
    { "collections", "OrderedDict", ORDERED_DICT, 0 },
    { "torch._utils", "_rebuild_tensor", TENSOR, 0 },
    { "torch._utils", "_rebuild_tensor_v2", TENSOR, 0 },
    { "torch._utils", "_rebuild_parameter", PARAMETER, 0 },
    { "torch._utils", "_rebuild_parameter_with_state", PARAMETER, 0 },
    { "torch", "FloatStorage", STORAGE, PN_DTYPE_F32 },
    { "torch", "DoubleStorage", STORAGE, PN_DTYPE_F64 },
    { "torch", "HalfStorage", STORAGE, PN_DTYPE_F16 },
    { "torch", "BFloat16Storage", STORAGE, PN_DTYPE_BF16 },
    { "torch", "LongStorage", STORAGE, PN_DTYPE_I64 },
    { "torch", "IntStorage", STORAGE, PN_DTYPE_I32 },
    { "torch", "ShortStorage", STORAGE, PN_DTYPE_I16 },
    { "torch", "CharStorage", STORAGE, PN_DTYPE_I8 },
    { "torch", "ByteStorage", STORAGE, PN_DTYPE_U8 },
    { "torch", "BoolStorage", STORAGE, PN_DTYPE_BOOL },
};
enum { GLOBALS = sizeof globals / sizeof *globals };

static pn_status push_global(pn_pickle *p, pn_pickle_value module, pn_pickle_value name)
{
    for (size_t i = 0; i < GLOBALS; i++)
        if (pn_pickle_is_text(module, globals[i].module) && pn_pickle_is_text(name, globals[i].name))
            return push_at(p, PN_PICKLE_GLOBAL, i);
    char where[64], what[64];
    return pn_fail(p->ctx, PN_ERR_FORMAT,
                   "%s: %s needs '%s.%s', which is refused: only what rebuilds plain tensors is known, and none is run; %s",
                   p->name, p->part, shown(&module, where), shown(&name, what), remedy);
}

static pn_status line(pn_pickle *p, pn_pickle_value *text)
{
    const uint8_t *end = memchr(p->at, '\n', (size_t)(p->end - p->at));
    if (!end || end - p->at > UINT16_MAX) return damaged(p, "a name has no end");
    *text = (pn_pickle_value){ .kind = PN_PICKLE_TEXT, .size = (uint32_t)(end - p->at), .is.text = p->at };
    p->at = end + 1;
    return PN_OK;
}

static pn_status op_global(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    pn_pickle_value module = { 0 }, name = { 0 };
    pn_status status = line(p, &module);
    if (!status) status = line(p, &name);
    return status ? status : push_global(p, module, name);
}

static pn_status op_stack_global(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    pn_pickle_value module = { 0 }, name = { 0 };
    pn_status status = pop(p, &name);
    if (!status) status = pop(p, &module);
    if (!status && (module.kind != PN_PICKLE_TEXT || name.kind != PN_PICKLE_TEXT))
        status = damaged(p, "a global's name is no text");
    return status ? status : push_global(p, module, name);
}

/* ---- Rebuilding: storages, tensors, dictionaries ------------------------------------------------------------- */

/* ('storage', class, key, location, numbers[, view]): the location is ignored, a view of torch before 0.4 refused. */
static pn_status op_binpersid(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    pn_pickle_value id, part[6] = { 0 };
    pn_status status = pop(p, &id);
    if (status) return status;
    const uint32_t n = pn_pickle_items(p, id, part, 6);
    const bool known = (n == 5 || n == 6) && pn_pickle_is_text(part[0], "storage") &&
                       part[1].kind == PN_PICKLE_GLOBAL && globals[part[1].is.at].kind == STORAGE &&
                       part[2].kind == PN_PICKLE_TEXT && part[4].kind == PN_PICKLE_INT;
    if (!known) return damaged(p, "a persistent id is not ('storage', class, key, location, numbers)");
    if (n == 6 && part[5].kind != PN_PICKLE_OTHER)
        return pn_fail(p->ctx, PN_ERR_FORMAT,
                       "%s: %s has a storage that is a view of another, as torch before 0.4 wrote; load and save it "
                       "with a newer torch",
                       p->name, p->part);
    char key[64];
    size_t bytes;
    const pn_dtype dtype = globals[part[1].is.at].dtype;
    if (part[4].is.whole < 0 || !pn_size_mul((uint64_t)part[4].is.whole, pn_dtype_bytes(dtype), &bytes) ||
        bytes > PTRDIFF_MAX)
        return pn_fail(p->ctx, PN_ERR_FORMAT,
                       "%s: storage '%s' would have %lld numbers; the file is damaged, fetch it again", p->name,
                       shown(&part[2], key), (long long)part[4].is.whole);
    void *storages = p->storages;
    status = room_for(p, &storages, &p->storage_room, p->storage_count + 1, RECORDS_MAX, sizeof *p->storages,
                      "storages");
    p->storages = storages;
    if (status) return status;
    p->storages[p->storage_count] = (pn_pickle_storage){ .key = part[2],
                                                         .dtype = dtype,
                                                         .numbers = (size_t)part[4].is.whole };
    return push_at(p, PN_PICKLE_STORAGE, p->storage_count++);
}

static bool whole_from_0(pn_pickle_value v)
{
    return v.kind == PN_PICKLE_INT && v.is.whole >= 0 && v.is.whole <= PTRDIFF_MAX;
}

/* Shape and strides, and that every element lies within the storage. */
static pn_status shape_tensor(const pn_pickle *p, pn_pickle_tensor *t, pn_pickle_value sizes, pn_pickle_value strides)
{
    pn_pickle_value size[PN_MAX_RANK], stride[PN_MAX_RANK];
    const uint32_t rank = pn_pickle_items(p, sizes, size, PN_MAX_RANK),
                   same = pn_pickle_items(p, strides, stride, PN_MAX_RANK);
    if (sizes.kind != PN_PICKLE_LIST || strides.kind != PN_PICKLE_LIST || rank != same)
        return damaged(p, "a tensor's size and stride are not lists of one length");
    if (rank > PN_MAX_RANK)
        return pn_fail(p->ctx, PN_ERR_FORMAT, "%s: %s has a tensor of %u dimensions, at most %d are read; reshape it",
                       p->name, p->part, rank, PN_MAX_RANK);
    const size_t numbers = p->storages[t->storage].numbers;
    size_t count = 1, last = t->offset;
    bool fits = true;
    t->shape.rank = (int)rank;
    for (uint32_t d = 0; d < rank; d++) {
        if (!whole_from_0(size[d]) || !whole_from_0(stride[d]))
            return damaged(p, "a tensor has an extent or stride that cannot be");
        t->shape.dim[d] = (ptrdiff_t)size[d].is.whole;
        t->stride[d] = (ptrdiff_t)stride[d].is.whole;
        size_t way = 0;
        if (size[d].is.whole) fits = pn_size_mul((size_t)t->shape.dim[d] - 1, (size_t)t->stride[d], &way) && fits;
        fits = fits && pn_size_add(last, way, &last);
        if (!pn_size_mul(count, (size_t)t->shape.dim[d], &count))
            return damaged(p, "a tensor has more elements than can be counted");
    }
    if (count ? fits && last < numbers : t->offset <= numbers) return PN_OK;
    char text[PN_SHAPE_TEXT];
    return pn_fail(p->ctx, PN_ERR_FORMAT,
                   "%s: %s has a tensor %s that begins at number %zu and leaves its storage of %zu numbers; the "
                   "file is damaged, fetch it again",
                   p->name, p->part, pn_shape_text(t->shape, text), t->offset, numbers);
}

/* (storage, offset, size, stride, requires_grad, hooks[, metadata]); the first form ends after the stride. */
static pn_status rebuild_tensor(pn_pickle *p, pn_pickle_value arguments)
{
    pn_pickle_value a[7] = { 0 };
    const uint32_t n = pn_pickle_items(p, arguments, a, 7);
    if (n < 4 || n > 7 || a[0].kind != PN_PICKLE_STORAGE || !whole_from_0(a[1]))
        return damaged(p, "a tensor is not rebuilt from (storage, offset, size, stride, ...)");
    if (a[6].kind == PN_PICKLE_DICT && p->objects[a[6].is.at].count)
        return pn_fail(p->ctx, PN_ERR_FORMAT,
                       "%s: %s has a tensor with a pending negation or conjugation; call .resolve_neg() before "
                       "torch.save",
                       p->name, p->part);
    pn_pickle_tensor t = { .storage = a[0].is.at, .offset = (size_t)a[1].is.whole };
    pn_status status = shape_tensor(p, &t, a[2], a[3]);
    if (status) return status;
    void *tensors = p->tensors;
    status = room_for(p, &tensors, &p->tensor_room, p->tensor_count + 1, RECORDS_MAX, sizeof *p->tensors, "tensors");
    p->tensors = tensors;
    if (status) return status;
    p->tensors[p->tensor_count] = t;
    return push_at(p, PN_PICKLE_TENSOR, p->tensor_count++);
}

/* OrderedDict() or OrderedDict([[key, value], ...]), as Python 2 writes it. */
static pn_status rebuild_dict(pn_pickle *p, pn_pickle_value arguments)
{
    pn_pickle_value list = { 0 }, dict, pair[2];
    const uint32_t n = pn_pickle_items(p, arguments, &list, 1);
    pn_status status = new_object(p, PN_PICKLE_DICT, &dict);
    if (!status && (n > 1 || (n && list.kind != PN_PICKLE_LIST)))
        status = damaged(p, "an OrderedDict is made of something else than a list");
    for (uint32_t c = n && !status ? p->objects[list.is.at].first : 0; c && !status; c = p->cells[c].next) {
        if (pn_pickle_items(p, p->cells[c].value, pair, 2) != 2)
            return damaged(p, "an item of an OrderedDict is no pair");
        status = put_pair(p, dict, pair[0], pair[1]);
    }
    return status ? status : push(p, dict);
}

static pn_status op_reduce(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    pn_pickle_value arguments, what, first = { 0 };
    pn_status status = pop(p, &arguments);
    if (!status) status = pop(p, &what);
    if (status) return status;
    if (what.kind != PN_PICKLE_GLOBAL || arguments.kind != PN_PICKLE_LIST)
        return damaged(p, "REDUCE of something else than a known name");
    switch (globals[what.is.at].kind) {
    case ORDERED_DICT: return rebuild_dict(p, arguments);
    case TENSOR: return rebuild_tensor(p, arguments);
    case PARAMETER:
        pn_pickle_items(p, arguments, &first, 1);
        return first.kind == PN_PICKLE_TENSOR ? push(p, first)
                                              : damaged(p, "a parameter is rebuilt from something else than a tensor");
    case STORAGE: break;
    }
    return pn_fail(p->ctx, PN_ERR_FORMAT,
                   "%s: %s calls '%s.%s', which is refused: tensors are rebuilt from it, it is not called; %s", p->name,
                   p->part, globals[what.is.at].module, globals[what.is.at].name, remedy);
}

/* Only a dictionary's attributes, its _metadata, and they are not read. */
static pn_status op_build(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    pn_pickle_value state;
    const pn_status status = pop(p, &state);
    if (status) return status;
    return above_mark(p) && p->stack[p->height - 1].kind == PN_PICKLE_DICT
               ? PN_OK
               : damaged(p, "BUILD of something else than a dictionary");
}

/* ---- The other opcodes --------------------------------------------------------------------------------------- */

static pn_status op_proto(pn_pickle *p, uint64_t version)
{
    if (version >= 2 && version <= 5) return PN_OK;
    return pn_fail(p->ctx, PN_ERR_FORMAT, "%s: %s is pickle protocol %d, expected 2 to 5; %s", p->name, p->part,
                   (int)version, remedy);
}

static pn_status op_frame(pn_pickle *p, uint64_t size)
{
    return size <= (uint64_t)(p->end - p->at) ? PN_OK : damaged(p, "a frame leaves the file");
}

static pn_status op_stop(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    if (p->height != 1 || p->mark_count) return damaged(p, "it stops with more or less than one value");
    p->done = true;
    return PN_OK;
}

static pn_status op_mark(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    void *marks = p->marks;
    const pn_status status = room_for(p, &marks, &p->mark_room, p->mark_count + 1, MARKS_MAX, sizeof *p->marks,
                                      "marks on the stack");
    p->marks = marks;
    if (!status) p->marks[p->mark_count++] = (uint32_t)p->height;
    return status;
}

static pn_status op_none(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    return push_other(p);
}
static pn_status op_int(pn_pickle *p, uint64_t v) { return push_whole(p, (int64_t)v); }
static pn_status op_int32(pn_pickle *p, uint64_t v) { return push_whole(p, (int32_t)(uint32_t)v); }

static pn_status op_text(pn_pickle *p, uint64_t size)
{
    if (size > (uint64_t)(p->end - p->at)) return damaged(p, "a text leaves the file");
    if (size > UINT32_MAX) return too_many(p, "bytes in a text", UINT32_MAX);
    const pn_pickle_value v = { .kind = PN_PICKLE_TEXT, .size = (uint32_t)size, .is.text = p->at };
    p->at += size;
    return push(p, v);
}

/* Up to 8 bytes are a number; longer ones, such as the legacy container's magic, stay bytes. */
static pn_status op_long(pn_pickle *p, uint64_t size)
{
    if (size > 8) {
        const pn_status status = op_text(p, size);
        if (!status) p->stack[p->height - 1].kind = PN_PICKLE_OTHER;
        return status;
    }
    if (size > (uint64_t)(p->end - p->at)) return damaged(p, "a number leaves the file");
    uint64_t v = size && p->at[size - 1] >> 7 ? UINT64_MAX : 0;
    for (uint64_t i = size; i-- > 0;) v = v << 8 | p->at[i];
    p->at += size;
    return push_whole(p, (int64_t)v);
}

static pn_status op_tuple(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    size_t from = 0;
    const pn_status status = pop_mark(p, &from);
    return status ? status : collect(p, from);
}

static pn_status op_tuple_of(pn_pickle *p, uint64_t n)
{
    return above_mark(p) < n ? damaged(p, "a tuple takes more values than there are")
                             : collect(p, p->height - (size_t)n);
}

static pn_status op_empty_dict(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    pn_pickle_value dict;
    const pn_status status = new_object(p, PN_PICKLE_DICT, &dict);
    return status ? status : push(p, dict);
}

/* What lies from `from` up goes into the list (step 1) or dictionary (2) below it. */
static pn_status add_from(pn_pickle *p, size_t from, uint64_t step)
{
    const size_t below = p->mark_count ? p->marks[p->mark_count - 1] : 0;
    const pn_pickle_kind kind = step == 1 ? PN_PICKLE_LIST : PN_PICKLE_DICT;
    if (from <= below || p->stack[from - 1].kind != kind)
        return damaged(p, step == 1 ? "items for something else than a list"
                                    : "items for something else than a dictionary");
    if ((p->height - from) % step) return damaged(p, "a key without a value");
    const pn_pickle_value to = p->stack[from - 1];
    pn_status status = PN_OK;
    for (size_t i = from; !status && i < p->height; i += step)
        status = step == 1 ? append(p, to, p->stack[i]) : put_pair(p, to, p->stack[i], p->stack[i + 1]);
    p->height = from;
    return status;
}

static pn_status op_add_marked(pn_pickle *p, uint64_t step)
{
    size_t from = 0;
    const pn_status status = pop_mark(p, &from);
    return status ? status : add_from(p, from, step);
}

static pn_status op_add_one(pn_pickle *p, uint64_t step)
{
    return above_mark(p) < step ? damaged(p, "an opcode takes more values than there are")
                                : add_from(p, p->height - (size_t)step, step);
}

static pn_status op_get(pn_pickle *p, uint64_t index)
{
    const bool there = index < p->memo_room && p->memo[index].kind != PN_PICKLE_UNSET;
    return there ? push(p, p->memo[index]) : damaged(p, "the memo is read where nothing was put");
}

/* Counts the memo's places as Python's own machine does. */
static pn_status op_memoize(pn_pickle *p, uint64_t unused)
{
    (void)unused;
    return memoize(p, p->memo_count++);
}

/* ---- The table ----------------------------------------------------------------------------------------------- */

/* All opcodes have names; those without a function are refused. width: bytes of the argument that follows; a function
 * whose opcode has none gets `fixed`. */
static const struct {
    const char *name;
    pn_status (*run)(pn_pickle *p, uint64_t argument);
    uint8_t width, fixed;
} opcodes[256] = {
    [0x80] = { "PROTO", op_proto, 1, 0 },
    [0x95] = { "FRAME", op_frame, 8, 0 },
    ['.'] = { "STOP", op_stop, 0, 0 },
    ['('] = { "MARK", op_mark, 0, 0 },
    ['N'] = { "NONE", op_none, 0, 0 },
    [0x88] = { "NEWTRUE", op_int, 0, 1 },
    [0x89] = { "NEWFALSE", op_int, 0, 0 },
    ['K'] = { "BININT1", op_int, 1, 0 },
    ['M'] = { "BININT2", op_int, 2, 0 },
    ['J'] = { "BININT", op_int32, 4, 0 },
    [0x8a] = { "LONG1", op_long, 1, 0 },
    ['G'] = { "BINFLOAT", op_none, 8, 0 },
    ['U'] = { "SHORT_BINSTRING", op_text, 1, 0 },
    ['T'] = { "BINSTRING", op_text, 4, 0 },
    [0x8c] = { "SHORT_BINUNICODE", op_text, 1, 0 },
    ['X'] = { "BINUNICODE", op_text, 4, 0 },
    [0x8d] = { "BINUNICODE8", op_text, 8, 0 },
    ['C'] = { "SHORT_BINBYTES", op_text, 1, 0 },
    ['B'] = { "BINBYTES", op_text, 4, 0 },
    [')'] = { "EMPTY_TUPLE", op_tuple_of, 0, 0 },
    ['t'] = { "TUPLE", op_tuple, 0, 0 },
    [0x85] = { "TUPLE1", op_tuple_of, 0, 1 },
    [0x86] = { "TUPLE2", op_tuple_of, 0, 2 },
    [0x87] = { "TUPLE3", op_tuple_of, 0, 3 },
    [']'] = { "EMPTY_LIST", op_tuple_of, 0, 0 },
    ['a'] = { "APPEND", op_add_one, 0, 1 },
    ['e'] = { "APPENDS", op_add_marked, 0, 1 },
    ['}'] = { "EMPTY_DICT", op_empty_dict, 0, 0 },
    ['s'] = { "SETITEM", op_add_one, 0, 2 },
    ['u'] = { "SETITEMS", op_add_marked, 0, 2 },
    ['h'] = { "BINGET", op_get, 1, 0 },
    ['j'] = { "LONG_BINGET", op_get, 4, 0 },
    ['q'] = { "BINPUT", memoize, 1, 0 },
    ['r'] = { "LONG_BINPUT", memoize, 4, 0 },
    [0x94] = { "MEMOIZE", op_memoize, 0, 0 },
    ['c'] = { "GLOBAL", op_global, 0, 0 },
    [0x93] = { "STACK_GLOBAL", op_stack_global, 0, 0 },
    ['Q'] = { "BINPERSID", op_binpersid, 0, 0 },
    ['R'] = { "REDUCE", op_reduce, 0, 0 },
    ['b'] = { "BUILD", op_build, 0, 0 },
    ['I'] = { "INT", NULL, 0, 0 },
    ['L'] = { "LONG", NULL, 0, 0 },
    [0x8b] = { "LONG4", NULL, 0, 0 },
    ['S'] = { "STRING", NULL, 0, 0 },
    ['V'] = { "UNICODE", NULL, 0, 0 },
    ['F'] = { "FLOAT", NULL, 0, 0 },
    [0x8e] = { "BINBYTES8", NULL, 0, 0 },
    [0x96] = { "BYTEARRAY8", NULL, 0, 0 },
    [0x97] = { "NEXT_BUFFER", NULL, 0, 0 },
    [0x98] = { "READONLY_BUFFER", NULL, 0, 0 },
    ['l'] = { "LIST", NULL, 0, 0 },
    ['d'] = { "DICT", NULL, 0, 0 },
    [0x8f] = { "EMPTY_SET", NULL, 0, 0 },
    [0x90] = { "ADDITEMS", NULL, 0, 0 },
    [0x91] = { "FROZENSET", NULL, 0, 0 },
    ['0'] = { "POP", NULL, 0, 0 },
    ['1'] = { "POP_MARK", NULL, 0, 0 },
    ['2'] = { "DUP", NULL, 0, 0 },
    ['g'] = { "GET", NULL, 0, 0 },
    ['p'] = { "PUT", NULL, 0, 0 },
    [0x82] = { "EXT1", NULL, 0, 0 },
    [0x83] = { "EXT2", NULL, 0, 0 },
    [0x84] = { "EXT4", NULL, 0, 0 },
    ['i'] = { "INST", NULL, 0, 0 },
    ['o'] = { "OBJ", NULL, 0, 0 },
    [0x81] = { "NEWOBJ", NULL, 0, 0 },
    [0x92] = { "NEWOBJ_EX", NULL, 0, 0 },
    ['P'] = { "PERSID", NULL, 0, 0 },
};

static pn_status step(pn_pickle *p)
{
    if (p->at == p->end) return damaged(p, "it ends without STOP");
    const uint8_t code = *p->at;
    if (!opcodes[code].name) return damaged(p, "a byte that is no opcode");
    if (!opcodes[code].run)
        return pn_fail(p->ctx, PN_ERR_FORMAT,
                       "%s: %s, byte %td: the opcode %s (0x%02x) is refused, no state dict needs it; %s", p->name,
                       p->part, p->at - p->begin, opcodes[code].name, code, remedy);
    const size_t width = opcodes[code].width;
    if ((size_t)(p->end - p->at) <= width) return damaged(p, "it ends within an opcode");
    uint64_t argument = opcodes[code].fixed;
    for (size_t i = width; i > 0; i--) argument = argument << 8 | p->at[i];
    p->at += 1 + width;
    return opcodes[code].run(p, argument);
}

pn_status pn_pickle_read(pn_pickle *p, const char *part, const uint8_t *bytes, size_t size, size_t *used,
                         pn_pickle_value *out)
{
    pn_status status = PN_OK;
    p->part = part;
    p->begin = p->at = bytes;
    p->end = bytes + size;
    p->height = p->mark_count = p->memo_count = 0;
    p->done = false;
    if (p->memo) memset(p->memo, 0, p->memo_room * sizeof *p->memo);
    while (!status && !p->done) status = step(p);
    if (status) return status;
    *out = p->stack[0];
    *used = (size_t)(p->at - p->begin);
    return PN_OK;
}

void pn_pickle_free(pn_pickle *p)
{
    void *const all[] = { p->stack, p->memo, p->marks, p->cells, p->objects, p->storages, p->tensors };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) pn_free(p->ctx, all[i]);
    *p = (pn_pickle){ 0 };
}
