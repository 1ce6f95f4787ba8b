/* lib/core/threads.c - the one place that knows how threads are made
 *
 * A job is published under a ticket; workers claim items one at a time from an atomic counter. Between jobs a worker
 * spins for some tens of microseconds (a small layer follows soon), then sleeps. A job waits for workers that have begun
 * on it, not for those that sleep or wait for a processor: it closes when no item is left, and who comes later finds it so.
 */
#define _GNU_SOURCE
#include "core/context.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
static void relax(void) { _mm_pause(); }
unsigned pn_denormals_flush(void)
{
    const unsigned old = _mm_getcsr();
    _mm_setcsr(old | 0x8040u);                          /* flush to zero, denormals are zero */
    return old;
}
void pn_denormals_restore(unsigned mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
static void relax(void) { __asm__ volatile("yield"); }
unsigned pn_denormals_flush(void)
{
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"(old | (1u << 24)));
    return (unsigned)old;
}
void pn_denormals_restore(unsigned mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode)); }
#else
static void relax(void) { }
unsigned pn_denormals_flush(void) { return 0; }
void pn_denormals_restore(unsigned mode) { (void)mode; }
#endif

enum { SPINS = 4000 };

typedef struct { pn_pool *pool; pthread_t thread; int index; } worker;

struct pn_pool {
    int size;                       /* threads, the caller's among them */
    worker *workers;                /* size - 1 */
    int started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int sleeping;                   /* under lock */
    _Atomic unsigned ticket;        /* changes with every job */
    _Atomic int stop;
    _Atomic int inside;             /* workers that look at the job, or work */
    _Atomic int open;               /* what follows is a job, and stays so while one is inside */
    _Atomic ptrdiff_t next;         /* item to claim */
    ptrdiff_t items;
    pn_task *task;
    void *job;
};

int pn_pool_size(const pn_pool *pool) { return pool ? pool->size : 1; }

static void work(pn_pool *p, int index)
{
    for (;;) {
        const ptrdiff_t item = atomic_fetch_add(&p->next, 1);
        if (item >= p->items) return;
        p->task(p->job, item, index);
    }
}

/* The ticket that follows `seen`, or a later one. */
static unsigned await_ticket(pn_pool *p, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        const unsigned now = atomic_load(&p->ticket);
        if (now != seen) return now;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    p->sleeping++;
    while (atomic_load(&p->ticket) == seen) pthread_cond_wait(&p->wake, &p->lock);
    p->sleeping--;
    const unsigned now = atomic_load(&p->ticket);
    pthread_mutex_unlock(&p->lock);
    return now;
}

static void *live(void *self)
{
    const worker *w = self;
    pn_pool *p = w->pool;
    pn_denormals_flush();
    for (unsigned seen = 0;;) {
        seen = await_ticket(p, seen);
        if (atomic_load(&p->stop)) return NULL;
        atomic_fetch_add(&p->inside, 1);
        if (atomic_load(&p->open)) work(p, w->index);
        atomic_fetch_sub(&p->inside, 1);
    }
}

static void publish(pn_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->ticket, 1);
    if (p->sleeping) pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

void pn_parallel(pn_pool *p, ptrdiff_t items, pn_task *task, void *job)
{
    const unsigned mode = pn_denormals_flush();
    if (!p || p->size == 1 || items <= 1) {
        for (ptrdiff_t i = 0; i < items; i++) task(job, i, 0);
    } else {
        p->items = items;
        p->task = task;
        p->job = job;
        atomic_store(&p->next, 0);
        atomic_store(&p->open, 1);
        publish(p);
        work(p, 0);
        atomic_store(&p->open, 0);
        for (int spins = 0; atomic_load(&p->inside); spins++) {
            if (spins < SPINS) relax();
            else sched_yield();
        }
    }
    pn_denormals_restore(mode);
}

pn_status pn_pool_new(pn_ctx *ctx, int threads, pn_pool **out)
{
    pn_pool *p = pn_alloc(ctx, 1, sizeof *p);
    if (!p) return PN_ERR_NOMEM;
    *out = p;                       /* from here on pn_pool_free clears up */
    p->size = threads;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->workers = pn_alloc(ctx, (size_t)threads, sizeof *p->workers);
    if (!p->workers) return PN_ERR_NOMEM;
    for (int i = 0; i < threads - 1; i++) {
        p->workers[i] = (worker){ .pool = p, .index = i + 1 };
        const int error = pthread_create(&p->workers[i].thread, NULL, live, &p->workers[i]);
        if (error) return pn_fail_errno(ctx, error, "cannot start thread %d of %d; ask for fewer", i + 2, threads);
        p->started++;
    }
    return PN_OK;
}

void pn_pool_free(pn_ctx *ctx, pn_pool *p)
{
    if (!p) return;
    atomic_store(&p->stop, 1);
    publish(p);
    for (int i = 0; i < p->started; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    pn_free(ctx, p->workers);
    pn_free(ctx, p);
}
