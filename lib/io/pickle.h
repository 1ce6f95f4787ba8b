/* pickle.h - the part of Python's pickle format that state dicts are written with: an allow-list machine
 *
 * Opcodes and globals are fixed tables; what is in neither is refused by name. Nothing is ever called: a "call" of a
 * known global makes a record of a tensor. Numbers that no tensor needs are passed over. Source: CPython's pickletools.
 */
#ifndef PN_PICKLE_H
#define PN_PICKLE_H

#include "io/io.h"

typedef enum {
    PN_PICKLE_UNSET,
    PN_PICKLE_OTHER, /* None, a float, a long integer's bytes: carried, not read */
    PN_PICKLE_INT,   /* True is 1, False 0 */
    PN_PICKLE_TEXT,  /* and bytes; borrowed from the file */
    PN_PICKLE_LIST,  /* and tuples */
    PN_PICKLE_DICT,
    PN_PICKLE_GLOBAL,
    PN_PICKLE_STORAGE,
    PN_PICKLE_TENSOR
} pn_pickle_kind;

/* size: of a text. at: which list, dictionary, global, storage or tensor. */
typedef struct {
    uint32_t kind, size;
    union {
        int64_t whole;
        const uint8_t *text;
        uint32_t at;
    } is;
} pn_pickle_value;

/* A list's items, or a dictionary's keys and values in turn, are cells; 0 ends a chain. */
typedef struct {
    pn_pickle_value value;
    uint32_t next;
} pn_pickle_cell;
typedef struct {
    uint32_t first, last, count, tensors;
} pn_pickle_object; /* tensors: behind keys that are texts */

/* `numbers` values of one type that tensors are views of. The container finds bytes by key. */
typedef struct {
    pn_pickle_value key;
    pn_dtype dtype;
    size_t numbers;
    const uint8_t *bytes;
} pn_pickle_storage;
typedef struct {
    uint32_t storage;
    size_t offset;
    pn_shape shape;
    ptrdiff_t stride[PN_MAX_RANK];
} pn_pickle_tensor;

typedef struct {
    pn_ctx *ctx;
    const char *name; /* of the file */
    const char *part; /* of the pickle in it */
    const uint8_t *begin, *at, *end;
    pn_pickle_value *stack, *memo;
    uint32_t *marks; /* heights of the stack */
    pn_pickle_cell *cells;
    pn_pickle_object *objects;
    pn_pickle_storage *storages;
    pn_pickle_tensor *tensors;
    size_t height, mark_count, memo_count, cell_count, object_count, storage_count, tensor_count;
    size_t stack_room, memo_room, mark_room, cell_room, object_room, storage_room, tensor_room;
    bool done;
} pn_pickle;

/* Read one pickle from bytes: *used of them, and what it holds. The machine, zeroed but for ctx and name, may read
 * several in turn; memo and stack begin anew, records of tensors stay. Free it after a failure, too. */
pn_status pn_pickle_read(pn_pickle *p, const char *part, const uint8_t *bytes, size_t size, size_t *used,
                         pn_pickle_value *out);
void pn_pickle_free(pn_pickle *p);

bool pn_pickle_is_text(pn_pickle_value v, const char *text);
/* Of a dictionary, the value behind this text; UNSET if there is none. */
pn_pickle_value pn_pickle_get(const pn_pickle *p, pn_pickle_value dict, const char *key);
/* The first `most` items of a list; returns how many there are. */
uint32_t pn_pickle_items(const pn_pickle *p, pn_pickle_value list, pn_pickle_value *out, uint32_t most);

#endif
