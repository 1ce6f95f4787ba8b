/* lib/data/synth_crew.c - what the writers of synthetic data share: options checked, a studio for every thread */
#include "data/synth.h"

#include <string.h>

enum { MOST_PEOPLE = 99999999 };

pn_status pn_synth_check_options(pn_ctx *ctx, const char *call, const pn_synth_opt *o, synth_views views)
{
    if (!o || !o->out || !*o->out) return pn_fail(ctx, PN_ERR_ARG, "%s: no folder to write to; give one in out", call);
    if (strlen(o->out) > SYNTH_PATH - 512)
        return pn_fail(ctx, PN_ERR_LIMIT, "%s: out is %zu bytes long, expected at most %d; write to a shorter path", call,
                       strlen(o->out), SYNTH_PATH - 512);
    if (o->people < 1)
        return pn_fail(ctx, PN_ERR_ARG, "%s: people is %d, expected 1 or more; 20 make a small set", call, o->people);
    if (o->people > MOST_PEOPLE)
        return pn_fail(ctx, PN_ERR_LIMIT, "%s: people is %d, expected at most %d; a name has eight digits for them", call,
                       o->people, MOST_PEOPLE);
    if (o->views < views.least)
        return pn_fail(ctx, PN_ERR_ARG, "%s: views is %d, expected %d or more; %s", call, o->views, views.least, views.why);
    if (o->views > views.most)
        return pn_fail(ctx, PN_ERR_LIMIT, "%s: views is %d, expected at most %d; ask for more people instead", call, o->views,
                       views.most);
    if (!(o->test_share >= 0.0 && o->test_share < 1.0))
        return pn_fail(ctx, PN_ERR_ARG, "%s: test_share is %g, expected 0 or more and less than 1; 0 means 0.2", call,
                       o->test_share);
    return pn_synth_size_check(ctx, call, o->height, o->width);
}

int pn_synth_train_share(const pn_synth_opt *o)
{
    if (o->people == 1) return 1;
    const int test = (int)(o->people * (o->test_share > 0.0 ? o->test_share : 0.2) + 0.5);
    return o->people - (test < 1 ? 1 : test > o->people - 1 ? o->people - 1 : test);
}

/* ---- The crew --------------------------------------------------------------------------------------------------- */

pn_status pn_synth_hire(synth_crew *crew, pn_ctx *ctx, const char *call, const pn_synth_opt *opt)
{
    *crew = (synth_crew){ .ctx = ctx, .count = pn_pool_size(pn_ctx_pool(ctx)) };
    crew->worker = pn_alloc(ctx, (size_t)crew->count, sizeof *crew->worker);
    if (!crew->worker) return PN_ERR_NOMEM;
    for (int i = 0; i < crew->count; i++) {
        synth_worker *w = &crew->worker[i];
        w->ctx = pn_ctx_child(ctx);
        if (w->ctx) w->studio = pn_synth_new(w->ctx, opt->height, opt->width);
        if (!w->studio)
            return pn_fail(ctx, PN_ERR_NOMEM, "%s: no memory for thread %d of %d; use fewer", call, i + 1, crew->count);
        w->studio->white = opt->white;
        w->studio->matched = opt->matched;
    }
    return PN_OK;
}

static void do_one(void *self, ptrdiff_t item, int worker)
{
    synth_crew *crew = self;
    if (!atomic_load(&crew->failed) && crew->work(crew->job, &crew->worker[worker], item)) atomic_store(&crew->failed, true);
}

pn_status pn_synth_run(synth_crew *crew, ptrdiff_t items, synth_work *work, void *job)
{
    crew->work = work;
    crew->job = job;
    pn_parallel(pn_ctx_pool(crew->ctx), items, do_one, crew);
    for (int i = 0; i < crew->count; i++) {
        const pn_ctx *of = crew->worker[i].ctx;
        if (pn_ctx_status(of)) return pn_fail(crew->ctx, pn_ctx_status(of), "%s", pn_ctx_message(of));
    }
    return PN_OK;
}

void pn_synth_dismiss(synth_crew *crew)
{
    for (int i = 0; crew->worker && i < crew->count; i++) {
        synth_worker *w = &crew->worker[i];
        if (!w->ctx) continue;
        pn_synth_free(w->studio);
        pn_synth_free(w->other);
        pn_free(w->ctx, w->flow);
        pn_image_free(w->ctx, &w->merged);
        pn_ctx_free(w->ctx);
    }
    if (crew->ctx) pn_free(crew->ctx, crew->worker);
}
