/* lib/data/check_views.c - read a folder of views: lists, pictures or groups; contract in posenet/data.h */
#include "data/check.h"
#include "data/views.h"

#include <string.h>

static void look_at_view(const void *job, pn_ctx *ctx, ptrdiff_t item, pn_finding *f)
{
    const pn_views *v = job;
    pn_image image;
    if (!pn_views_has(v, item)) return;                 /* which has been told */
    if (pn_views_read(v, ctx, item, &image)) {
        f->problem = pn_strdup(ctx, pn_ctx_message(ctx));
        return;
    }
    f->height = image.height;
    f->width = image.width;
    pn_image_free(ctx, &image);
}

static pn_status check_split(pn_checker *c, const char *name)
{
    pn_views *v;
    pn_split_check *out = pn_checker_split(c, name);
    if (!out) return PN_ERR_NOMEM;
    pn_status status = pn_views_begin(c->ctx, c->folder, name, &c->problems, &v);
    if (status) return pn_checker_pass(c, status);
    out->groups = pn_views_models(v);
    out->pictures = pn_views_count(v);
    out->missing = v->missing;
    out->pairs = pn_views_test_pairs(v, NULL);
    status = pn_checker_look(c, out->pictures, look_at_view, v);
    pn_views_free(v);
    return status;
}

/* SPLIT of id_KIND_SPLIT.txt, each once. */
pn_status pn_views_check(pn_checker *c)
{
    pn_names files;
    pn_status status = pn_folder_list(c->ctx, c->folder, &files);
    if (status) return status;
    for (size_t i = 0; !status && i < files.count; i++) {
        char *name = files.name[i], *dot = strrchr(name, '.'), *bar = strrchr(name, '_');
        if (strncmp(name, "id_", 3) != 0 || !dot || strcmp(dot, ".txt") != 0 || bar < name + 4) continue;
        *dot = 0;
        bool known = strlen(bar + 1) >= sizeof c->out.split->name;
        for (ptrdiff_t k = 0; k < c->out.splits; k++) known = known || strcmp(c->out.split[k].name, bar + 1) == 0;
        if (!known) status = check_split(c, bar + 1);
    }
    pn_names_free(c->ctx, &files);
    return status;
}
