/* helpers.h - reading many files side by side: an error context for each thread of the pool */
#ifndef PN_HELPERS_H
#define PN_HELPERS_H

#include "core/core.h"

#include <stdatomic.h>

typedef pn_status pn_help(void *job, pn_ctx *ctx, ptrdiff_t item);      /* ctx: errors and memory of its thread */
typedef struct {
    pn_ctx *ctx;
    struct { pn_ctx *ctx; pn_status status; } *helper;
    int count;
    atomic_bool failed;
    pn_help *help;
    void *job;
} pn_helpers;

pn_status pn_helpers_begin(pn_helpers *h, pn_ctx *ctx);
/* Items 0 … items-1; after an error no further ones begin, and it becomes the context's. Can be run again. */
pn_status pn_helpers_run(pn_helpers *h, ptrdiff_t items, pn_help *help, void *job);
void pn_helpers_end(pn_helpers *h);             /* also of a zeroed one, or one that did not begin */

#endif
