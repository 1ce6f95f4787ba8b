/* lib/data/helpers.c - see helpers.h */
#include "data/helpers.h"

pn_status pn_helpers_begin(pn_helpers *h, pn_ctx *ctx)
{
    *h = (pn_helpers){ .ctx = ctx, .count = pn_pool_size(pn_ctx_pool(ctx)) };
    h->helper = pn_alloc(ctx, (size_t)h->count, sizeof *h->helper);
    if (!h->helper) return PN_ERR_NOMEM;
    for (int i = 0; i < h->count; i++)
        if (!(h->helper[i].ctx = pn_ctx_child(ctx))) return PN_ERR_NOMEM;
    return PN_OK;
}

static void help_with(void *self, ptrdiff_t item, int worker)
{
    pn_helpers *h = self;
    if (atomic_load(&h->failed)) return;
    h->helper[worker].status = h->help(h->job, h->helper[worker].ctx, item);
    if (h->helper[worker].status) atomic_store(&h->failed, true);
}

pn_status pn_helpers_run(pn_helpers *h, ptrdiff_t items, pn_help *help, void *job)
{
    h->help = help;
    h->job = job;
    atomic_store(&h->failed, false);
    for (int i = 0; i < h->count; i++) h->helper[i].status = PN_OK;
    pn_parallel(pn_ctx_pool(h->ctx), items, help_with, h);
    for (int i = 0; i < h->count; i++)
        if (h->helper[i].status) return pn_fail(h->ctx, h->helper[i].status, "%s", pn_ctx_message(h->helper[i].ctx));
    return PN_OK;
}

void pn_helpers_end(pn_helpers *h)
{
    for (int i = 0; h->helper && i < h->count; i++) pn_ctx_free(h->helper[i].ctx);
    if (h->ctx) pn_free(h->ctx, h->helper);
}
