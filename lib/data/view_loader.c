/* lib/data/view_loader.c - pairs of views for training; contract in posenet/views.h */
#include "data/epoch.h"
#include "data/helpers.h"
#include "data/views.h"

#include <stdio.h>

struct pn_view_loader {
    pn_views *views;
    pn_view_loader_opt opt;
    uint64_t next, batches, ordered;            /* batch since epoch 0; in an epoch; epoch of order */
    ptrdiff_t *order;
    pn_view_pair *pair;
    float *picture[2], *code[2];                /* of sources and targets */
    pn_helpers helpers;
};

static void order_epoch(pn_view_loader *l, uint64_t epoch)
{
    pn_epoch_order(l->opt.seed, "views", epoch, l->opt.order, l->order, pn_views_count(l->views));
    l->ordered = epoch;
}

/* One of the azimuths that the source's model has at its elevation; the source itself is one of them. */
static ptrdiff_t draw_target(const pn_view_loader *l, ptrdiff_t source, uint64_t epoch, uint64_t place)
{
    const pn_object_view *s = pn_views_view(l->views, source);
    ptrdiff_t there[PN_AZIMUTHS], n = 0;
    for (int a = 0; a < PN_AZIMUTHS; a++) {
        const ptrdiff_t i = pn_views_find(l->views, s->model, a, s->elevation);
        if (i >= 0) there[n++] = i;
    }
    char stream[64];
    snprintf(stream, sizeof stream, "target/%llu/%llu", (unsigned long long)epoch, (unsigned long long)place);
    pn_rng rng = pn_rng_named(l->opt.seed, stream);
    return there[pn_rng_below(&rng, n)];
}

static pn_status load_item(void *self, pn_ctx *ctx, ptrdiff_t item)
{
    const pn_view_loader *l = self;
    const ptrdiff_t place = item / 2, side = item % 2;
    const ptrdiff_t view = side ? l->pair[place].target : l->pair[place].source;
    pn_view_code(pn_views_view(l->views, view), l->code[side] + place * PN_VIEW_CODE);
    return pn_views_load(l->views, ctx, view, l->opt.height, l->opt.width,
                         l->picture[side] + place * 3 * l->opt.height * l->opt.width);
}

pn_status pn_view_loader_next(pn_view_loader *l, pn_view_batch *out)
{
    const uint64_t epoch = l->next / l->batches, first = l->next % l->batches * (uint64_t)l->opt.batch;
    if (epoch != l->ordered) order_epoch(l, epoch);
    for (ptrdiff_t i = 0; i < l->opt.batch; i++) {
        const uint64_t place = first + (uint64_t)i;
        l->pair[i].source = l->order[place];
        l->pair[i].target = draw_target(l, l->pair[i].source, epoch, place);
    }
    const pn_status status = pn_helpers_run(&l->helpers, 2 * l->opt.batch, load_item, l);
    if (status) return status;
    *out = (pn_view_batch){ .size = l->opt.batch, .source = l->picture[0], .target = l->picture[1], .code_source = l->code[0],
                            .code_target = l->code[1], .pair = l->pair, .epoch = epoch };
    l->next++;
    return PN_OK;
}

pn_loader_state pn_view_loader_where(const pn_view_loader *l)
{
    return (pn_loader_state){ l->opt.seed, l->next / l->batches, l->next % l->batches };
}

ptrdiff_t pn_view_loader_epoch(const pn_view_loader *l) { return (ptrdiff_t)l->batches; }

/* ---- Making and freeing ----------------------------------------------------------------------------------------- */

static pn_status make_room(pn_view_loader *l)
{
    pn_ctx *ctx = l->views->ctx;
    const size_t batch = (size_t)l->opt.batch, plane = (size_t)(l->opt.height * l->opt.width);
    size_t pixels;
    if (!pn_size_mul(plane, batch, &pixels))
        return pn_fail(ctx, PN_ERR_NOMEM, "pn_view_loader_new: a batch of %td does not fit the memory", l->opt.batch);
    l->order = pn_alloc(ctx, (size_t)pn_views_count(l->views), sizeof *l->order);
    l->pair = pn_alloc(ctx, batch, sizeof *l->pair);
    for (int side = 0; side < 2; side++) {
        l->picture[side] = pn_alloc(ctx, pixels, 3 * sizeof(float));
        l->code[side] = pn_alloc(ctx, batch, PN_VIEW_CODE * sizeof(float));
        if (!l->picture[side] || !l->code[side]) return PN_ERR_NOMEM;
    }
    return l->order && l->pair ? pn_helpers_begin(&l->helpers, ctx) : PN_ERR_NOMEM;
}

pn_view_loader *pn_view_loader_new(pn_views *v, const pn_view_loader_opt *opt, const pn_loader_state *from)
{
    const ptrdiff_t n = pn_views_count(v);
    if (opt->batch < 1 || opt->batch > n) {
        pn_fail(v->ctx, PN_ERR_ARG, "pn_view_loader_new: batch is %td, expected 1 to %td, the views there are", opt->batch, n);
        return NULL;
    }
    if (pn_picture_size_check(v->ctx, "pn_view_loader_new", opt->height, opt->width)) return NULL;
    pn_view_loader *l = pn_alloc(v->ctx, 1, sizeof *l);
    if (!l) return NULL;
    l->views = v;
    l->opt = *opt;
    l->batches = (uint64_t)(n / opt->batch);
    if (make_room(l)) {
        pn_view_loader_free(l);
        return NULL;
    }
    if (from) {
        l->opt.seed = from->seed;
        l->next = from->epoch * l->batches + from->position;
    }
    order_epoch(l, l->next / l->batches);
    return l;
}

void pn_view_loader_free(pn_view_loader *l)
{
    if (!l) return;
    pn_ctx *ctx = l->views->ctx;
    pn_helpers_end(&l->helpers);
    void *const owned[] = { l->order, l->pair, l->picture[0], l->picture[1], l->code[0], l->code[1] };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) pn_free(ctx, owned[i]);
    pn_free(ctx, l);
}
