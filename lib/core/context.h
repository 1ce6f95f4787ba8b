/* context.h - what a context holds; for lib/core and lib/graph alone */
#ifndef PN_CONTEXT_H
#define PN_CONTEXT_H

#include "core/core.h"
#include "core/cpu.h"
#include "kernels/kernels.h"

#include <stdatomic.h>

enum { PN_MAX_THREADS = 256 };

struct pn_ctx {
    pn_status status;
    char message[PN_MESSAGE_MAX];
    pn_allocator allocator;
    pn_file_ops files;
    pn_logger log;
    pn_limits limits;
    pn_isa isa;
    bool fuse;                      /* plans fold ops into their neighbours; PN_FUSE=0: they do not */
    pn_watch watch;
    pn_kernels kernels;
    int threads;
    pn_pool *pool;
    pn_ctx *parent;                 /* of a helper thread's context */
    _Atomic uint64_t requests;      /* how often memory was asked for; a child counts at its parent */
};

extern const pn_allocator pn_system_allocator;
extern const pn_file_ops pn_system_files;

const pn_kernels *pn_ctx_kernels(const pn_ctx *ctx);
pn_status pn_pool_new(pn_ctx *ctx, int threads, pn_pool **out);
void pn_pool_free(pn_ctx *ctx, pn_pool *pool);

#endif
