/* background.h - threads that work beside the caller for a long time (loading ahead), and what they meet at */
#ifndef PN_BACKGROUND_H
#define PN_BACKGROUND_H

#include "core/core.h"

/* A lock with a bell: change shared things between enter and leave; wait leaves, sleeps until the bell, enters again. */
typedef struct pn_monitor pn_monitor;
pn_monitor *pn_monitor_new(pn_ctx *ctx);                /* NULL and PN_ERR_NOMEM */
void pn_monitor_free(pn_ctx *ctx, pn_monitor *m);
void pn_monitor_enter(pn_monitor *m);
void pn_monitor_leave(pn_monitor *m);
void pn_monitor_wait(pn_monitor *m);                    /* may return without a bell: look again */
void pn_monitor_ring(pn_monitor *m);                    /* wakes all */

/* One lock for the whole process, around calls to libraries that keep state of their own and know no threads. */
void pn_foreign_enter(void);
void pn_foreign_leave(void);

/* Threads that each call run once; worker is 0 .. threads-1. They must end by themselves once told to, then join. */
typedef struct pn_background pn_background;
typedef void pn_background_run(void *job, int worker);
pn_background *pn_background_start(pn_ctx *ctx, int threads, pn_background_run *run, void *job);
int pn_background_size(const pn_background *b);         /* how many could be started, at least 1 */
void pn_background_join(pn_ctx *ctx, pn_background *b); /* waits, frees; NULL is fine */

#endif
