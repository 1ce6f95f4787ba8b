/* threads.h - one pool, work split by shape. Kernels include this and nothing else of core. */
#ifndef PN_THREADS_H
#define PN_THREADS_H

#include <stddef.h>

typedef struct pn_pool pn_pool;
typedef void pn_task(void *job, ptrdiff_t item, int worker);

/* Run task for items 0 .. items-1 on all threads of the pool, the caller's among them; returns when all are done. Items
 * are claimed in order but finish in any: an item must write only what is its own. worker is 0 .. pn_pool_size-1, for
 * per-thread scratch. Never allocates. A NULL pool is one thread. Not to be nested. */
void pn_parallel(pn_pool *pool, ptrdiff_t items, pn_task *task, void *job);
int pn_pool_size(const pn_pool *pool);

/* Denormals count as zero on this thread until pn_denormals_restore; the pool's own threads always run so. */
unsigned pn_denormals_flush(void);
void pn_denormals_restore(unsigned mode);

#endif
