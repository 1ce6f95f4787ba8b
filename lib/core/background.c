/* lib/core/background.c - see background.h */
#include "core/background.h"

#include <pthread.h>

struct pn_monitor { pthread_mutex_t lock; pthread_cond_t bell; };

pn_monitor *pn_monitor_new(pn_ctx *ctx)
{
    pn_monitor *m = pn_alloc(ctx, 1, sizeof *m);
    if (!m) return NULL;
    pthread_mutex_init(&m->lock, NULL);                 /* cannot fail with default attributes on the systems we know */
    pthread_cond_init(&m->bell, NULL);
    return m;
}

void pn_monitor_free(pn_ctx *ctx, pn_monitor *m)
{
    if (!m) return;
    pthread_cond_destroy(&m->bell);
    pthread_mutex_destroy(&m->lock);
    pn_free(ctx, m);
}

void pn_monitor_enter(pn_monitor *m) { pthread_mutex_lock(&m->lock); }
void pn_monitor_leave(pn_monitor *m) { pthread_mutex_unlock(&m->lock); }
void pn_monitor_wait(pn_monitor *m) { pthread_cond_wait(&m->bell, &m->lock); }
void pn_monitor_ring(pn_monitor *m) { pthread_cond_broadcast(&m->bell); }

static pthread_mutex_t foreign = PTHREAD_MUTEX_INITIALIZER;
void pn_foreign_enter(void) { pthread_mutex_lock(&foreign); }
void pn_foreign_leave(void) { pthread_mutex_unlock(&foreign); }

typedef struct { pn_background *owner; pthread_t thread; int index; } helper;
struct pn_background { pn_background_run *run; void *job; int size; helper helpers[]; };

static void *begin(void *argument)
{
    const helper *h = argument;
    h->owner->run(h->owner->job, h->index);
    return NULL;
}

pn_background *pn_background_start(pn_ctx *ctx, int threads, pn_background_run *run, void *job)
{
    pn_background *b = pn_alloc(ctx, 1, sizeof *b + (size_t)threads * sizeof *b->helpers);
    if (!b) return NULL;
    b->run = run;
    b->job = job;
    int error = 0;
    for (int i = 0; i < threads && !error; i++) {
        b->helpers[i] = (helper){ .owner = b, .index = i };
        error = pthread_create(&b->helpers[i].thread, NULL, begin, &b->helpers[i]);
        if (!error) b->size++;
    }
    if (b->size) return b;                              /* fewer than wished for still do the work */
    pn_fail_errno(ctx, error, "cannot start a thread");
    pn_free(ctx, b);
    return NULL;
}

int pn_background_size(const pn_background *b) { return b->size; }

void pn_background_join(pn_ctx *ctx, pn_background *b)
{
    if (!b) return;
    for (int i = 0; i < b->size; i++) pthread_join(b->helpers[i].thread, NULL);
    pn_free(ctx, b);
}
