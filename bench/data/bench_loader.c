/* bench/data/bench_loader.c - how fast training pairs come: JPEG decoded, stretched, heat maps drawn
 *
 * Synthetic people are written to a folder of their own below TMPDIR, which goes again. Once is one batch; the loader
 * works ahead on as many threads as the context has, so a batch takes its share of all of them.
 */
#define _GNU_SOURCE
#include "support/pnbench.h"
#include "posenet/synth.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEOPLE = 4, VIEWS = 4 };

typedef struct {
    bench_work base;
    pn_ctx *ctx;
    char folder[256];
    pn_dataset *data;
    pn_loader *loader;
} loader_work;

static pn_status once(bench_work *base, bench_timer *t)
{
    loader_work *w = (loader_work *)base;
    pn_batch batch;
    bench_start(t);
    const pn_status status = pn_loader_next(w->loader, &batch);
    bench_stop(t);
    return status;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s;
    (void)kind;
    (void)where;
    return remove(path);
}

static void end(bench_work *base)
{
    loader_work *w = (loader_work *)base;
    pn_ctx *ctx = w->ctx;
    pn_loader_free(w->loader);
    pn_dataset_free(w->data);
    if (w->folder[0]) nftw(w->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    pn_ctx_release(ctx, w);
}

static pn_status prepare(loader_work *w, const bench_model *m)
{
    const char *temporary = getenv("TMPDIR");
    char folder[sizeof w->folder];
    const int n = snprintf(folder, sizeof folder, "%s/posenet-bench-XXXXXX",
                           temporary && *temporary ? temporary : "/tmp");
    if (n < 0 || n >= (int)sizeof folder || !mkdtemp(folder))
        return pn_ctx_fail(w->ctx, PN_ERR_IO, "cannot make a folder like %s; set TMPDIR to one that can be written to",
                           folder);
    memcpy(w->folder, folder, sizeof folder);
    const pn_synth_opt people = {
        .out = folder, .people = PEOPLE, .views = VIEWS, .height = m->height, .width = m->width, .seed = 1
    };
    const pn_status status = pn_synth_write(w->ctx, &people);
    if (status) return status;
    w->data = pn_dataset_open(w->ctx, folder, "train", NULL);
    if (!w->data) return pn_ctx_status(w->ctx);
    const pn_loader_opt opt = {
        .batch = m->batch, .height = m->height, .width = m->width, .order = PN_SHUFFLED, .cache_bytes = 1
    };
    w->loader = pn_loader_new(w->data, &opt, NULL);
    return w->loader ? PN_OK : pn_ctx_status(w->ctx);
}

static bench_work *begin(pn_ctx *ctx, const bench_entry *e)
{
    loader_work *w = pn_ctx_alloc(ctx, sizeof *w);
    if (!w) return NULL;
    *w = (loader_work){ .base = { .once = once, .end = end, .items = (double)e->of->model.batch, .item = "pairs" },
                        .ctx = ctx };
    if (!prepare(w, &e->of->model)) return &w->base;
    end(&w->base);
    return NULL;
}

static const char inside[] =
    "waiting for a batch: two JPEGs decoded and two sets of heat maps drawn per pair, nothing cached";
const pn_bench_case bench_loader[] = {
    { "loader/256x256/b4", .begin = begin, .model = { .batch = 4, .height = 256, .width = 256 }, .inside = inside },
    { "loader/256x192/b8", .begin = begin, .model = { .batch = 8, .height = 256, .width = 192 }, .inside = inside },
    { 0 },
};
