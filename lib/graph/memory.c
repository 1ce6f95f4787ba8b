/* lib/graph/memory.c - memory that several plans are computed in by turns
 *
 *   | what hosts hold from forward to backward | the rest of a host's turn   |
 *                                              | guests, one after the other     |
 *
 * A plan places what it holds first (place.c), so guests begin where the largest host's holdings end.
 */
#include "graph/graph.h"

struct pn_memory {
    pn_ctx *ctx;
    pn_plan *first;
    const pn_plan *host, *guest;    /* whose values are there */
    uint8_t *bytes;
    size_t size;
};

pn_memory *pn_memory_new(pn_ctx *ctx)
{
    pn_memory *m = pn_alloc(ctx, 1, sizeof *m);
    if (m) m->ctx = ctx;
    return m;
}

void pn_memory_free(pn_memory *m)
{
    if (!m) return;
    pn_free_pages(m->ctx, m->bytes, m->size);
    pn_free(m->ctx, m);
}

size_t pn_memory_bytes(const pn_memory *m) { return m ? m->size : 0; }

typedef struct { size_t held, whole; } extent;

static extent larger(extent e, const pn_plan *p, size_t guests_from)
{
    const size_t from = p->guest ? guests_from : 0;
    if (!p->guest && p->held_bytes > e.held) e.held = p->held_bytes;
    if (from + p->shared_bytes > e.whole) e.whole = from + p->shared_bytes;
    return e;
}

static extent extent_with(const pn_memory *m, const pn_plan *p)
{
    extent e = { 0 };
    for (int pass = 0; pass < 2; pass++) {              /* what is held first, then where guests end */
        e = larger(e, p, e.held);
        for (const pn_plan *q = m->first; q; q = q->next) e = larger(e, q, e.held);
    }
    return e;
}

static void lose(pn_plan *p)
{
    if (p->state == PN_PLAN_RAN) p->state = PN_PLAN_LOST;
}

/* The parameter whose gradient value i of p is, and it is there. */
static pn_tensor *waiting_in(const pn_plan *p, int i)
{
    const pn_value *v = &p->values[i];
    const bool lent = v->grad >= 0 && p->buffers[v->grad].lent;
    return lent && v->tensor->has_grad && v->tensor->grad == v->grad_data ? v->tensor : NULL;
}

static void lose_gradients(const pn_plan *p)
{
    for (int i = 0; i < p->n_values; i++) {
        pn_tensor *t = waiting_in(p, i);
        if (t) t->has_grad = false;
    }
}

const pn_tensor *pn_memory_waiting(const pn_plan *p)
{
    for (const pn_plan *q = p->turns ? p->turns->first : NULL; q; q = q->next)
        for (int i = 0; i < q->n_values; i++)
            if (waiting_in(q, i)) return q->values[i].tensor;
    return NULL;
}

pn_status pn_memory_join(pn_memory *m, pn_plan *p)
{
    const extent e = extent_with(m, p);
    uint8_t *bytes = e.whole > m->size ? pn_alloc_pages(m->ctx, e.whole) : m->bytes;
    if (!bytes && e.whole)
        return pn_fail(m->ctx, PN_ERR_NOMEM, "pn_plan_new: no memory for the %zu bytes of plans that take turns; use a smaller "
                       "batch or size, or recompute blocks", e.whole);
    p->next = m->first;
    m->first = p;
    if (bytes != m->bytes) {
        pn_free_pages(m->ctx, m->bytes, m->size);
        m->bytes = bytes;
        m->size = e.whole;
    }
    for (pn_plan *q = m->first; q; q = q->next) {
        uint8_t *at = q->guest ? m->bytes + e.held : m->bytes;
        if (q->shared == at) continue;
        q->shared = at;
        lose(q);
        lose_gradients(q);
        pn_plan_resolve(q);
    }
    return PN_OK;
}

void pn_memory_leave(pn_plan *p)
{
    pn_memory *m = p->turns;
    if (!m) return;
    pn_plan **at = &m->first;
    while (*at && *at != p) at = &(*at)->next;
    if (!*at) return;
    *at = p->next;
    lose_gradients(p);
    if (m->host == p) m->host = NULL;
    if (m->guest == p) m->guest = NULL;
}

void pn_memory_take(pn_plan *p)
{
    pn_memory *m = p->turns;
    if (!m) return;
    for (pn_plan *q = m->first; q; q = q->next)
        if (q != p && (q == m->guest || (q == m->host && !p->guest))) lose(q);
    if (p->guest) {
        m->guest = p;
    } else {
        m->host = p;
        m->guest = NULL;
    }
}
