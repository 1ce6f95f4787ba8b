/* lib/data/synth_write_views.c - synthetic objects from all sides in ShapeNet's layout; contract in posenet/synth.h */
#include "data/synth.h"
#include "posenet/views.h"

#include <stdio.h>

enum { VIEWS = PN_AZIMUTHS * PN_ELEVATIONS };
static const synth_views views_allowed = { VIEWS, VIEWS, "18 azimuths at 3 elevations are 54" };

typedef struct { pn_ctx *ctx; const pn_synth_opt *opt; int train; synth_crew crew; } job;

/* MODEL_AZIMUTH_ELEVATION, in tens of degrees and in degrees. */
static void name_of(ptrdiff_t item, char name[64])
{
    const int view = (int)(item % VIEWS);
    snprintf(name, 64, "box%08td_%d_%d", item / VIEWS + 1, view / PN_ELEVATIONS * 2, view % PN_ELEVATIONS * 10);
}

static pn_status write_view(void *self, synth_worker *w, ptrdiff_t item)
{
    const job *j = self;
    const int view = (int)(item % VIEWS);
    char name[64], path[SYNTH_PATH];
    pn_synth_object_draw(w->studio, j->opt->seed, (int)(item / VIEWS), view / PN_ELEVATIONS, view % PN_ELEVATIONS);
    name_of(item, name);
    snprintf(path, sizeof path, "%s/data_box/%s.png", j->opt->out, name);
    return pn_image_write(w->ctx, path, &pn_synth_seen(w->studio)->picture);
}

/* models: a line for each model, else for each view */
static pn_status write_list(const job *j, const char *file, int from, int to, bool models)
{
    pn_text text = { .ctx = j->ctx };
    for (ptrdiff_t item = (ptrdiff_t)from * VIEWS; item < (ptrdiff_t)to * VIEWS; item += models ? VIEWS : 1) {
        char name[64];
        name_of(item, name);
        if (models) pn_text_add(&text, "box%08td\n", item / VIEWS + 1);
        else pn_text_add(&text, "%s\n", name);
    }
    char path[SYNTH_PATH];
    snprintf(path, sizeof path, "%s/%s", j->opt->out, file);
    const pn_status status = text.status ? text.status : pn_file_write(j->ctx, path, text.text ? text.text : "", text.size);
    pn_text_free(&text);
    return status;
}

pn_status pn_synth_write_view(pn_ctx *ctx, const pn_synth_opt *opt)
{
    pn_status status = pn_synth_check_options(ctx, "pn_synth_write_view", opt, views_allowed);
    if (status) return status;
    job j = { .ctx = ctx, .opt = opt, .train = pn_synth_train_share(opt) };
    char folder[SYNTH_PATH];
    snprintf(folder, sizeof folder, "%s/data_box", opt->out);
    status = pn_synth_hire(&j.crew, ctx, "pn_synth_write_view", opt);
    if (!status) status = pn_folder_make(ctx, folder);
    if (!status) status = pn_synth_run(&j.crew, (ptrdiff_t)opt->people * VIEWS, write_view, &j);
    if (!status) status = write_list(&j, "id_box_train.txt", 0, j.train, false);
    if (!status) status = write_list(&j, "id_box_test.txt", j.train, opt->people, false);
    if (!status) status = write_list(&j, "name_box_test.txt", j.train, opt->people, true);
    if (!status)
        pn_ctx_log(ctx, PN_LOG_INFO, "%s: %d objects for training, %d for testing, %d views of each, %tdx%td pixels", opt->out,
               j.train, opt->people - j.train, VIEWS, opt->height, opt->width);
    pn_synth_dismiss(&j.crew);
    return status;
}
