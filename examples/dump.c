/* examples/dump.c - what a painter's model looked at, written to a folder */
#include "dump.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void dump_options(dump *d, cli_option o[DUMP_OPTIONS])
{
    o[0] = (cli_option){ "dump", "DIR", "also write flow, mask, attention, parsing: pictures and .npy", CLI_TEXT, { .text = &d->folder } };
    o[1] = (cli_option){ "point", "X,Y", "pixel of the result whose reads to show; may be repeated (joints)", CLI_LIST,
                          { .list = &d->asked } };
}

int dump_read(const cli_program *p, dump *d)
{
    if (d->asked.count && !d->folder) return cli_usage(p, "--point is of --dump: name the folder to draw to");
    if (d->asked.count > FIGURE_POINTS)
        return cli_usage(p, "--point was given %d times, expected at most %d", d->asked.count, FIGURE_POINTS);
    for (int i = 0; i < d->asked.count; i++) {
        pn_point *at = &d->point[d->count++];
        const char *text = d->asked.item[i];
        int used = 0;
        if (sscanf(text, "%lf,%lf%n", &at->x, &at->y, &used) != 2 || text[used] || !(fabs(at->x) + fabs(at->y) < 1e6))
            return cli_usage(p, "--point is '%s', expected X,Y in pixels of the result, like 40,25", text);
    }
    return CLI_GO_ON;
}

pn_status dump_check(pn_ctx *ctx, const dump *d, ptrdiff_t height, ptrdiff_t width)
{
    for (int i = 0; i < d->count; i++) {
        const pn_point at = d->point[i];
        if (at.y < 0 || at.x < 0 || at.y >= (double)height || at.x >= (double)width)
            return pn_ctx_fail(ctx, PN_ERR_ARG, "--point %s lies outside the result, which is %td high and %td wide", d->asked.item[i],
                               height, width);
    }
    return PN_OK;
}

/* folder/stem_NAME.ending */
static void path_of(const char *folder, const char *stem, const char *name, const char *ending, char *path, size_t room)
{
    snprintf(path, room, "%s/%s%s%s.%s", folder, stem, *stem ? "_" : "", name, ending);
}

static pn_status write_numbers(const painter *p, int i, const char *folder, const char *stem)
{
    const pn_view view = pn_generation_view(p->generation, i);
    char path[4096];
    float *values = pn_ctx_alloc(p->ctx, (size_t)pn_shape_count(view.shape) * sizeof *values);
    if (!values) return PN_ERR_NOMEM;
    pn_status status = pn_generation_get(p->generation, i, values);
    path_of(folder, stem, view.name, "npy", path, sizeof path);
    if (!status) status = pn_npy_write(p->ctx, path, view.shape, values);
    pn_ctx_release(p->ctx, values);
    return status;
}

static pn_status write_figures(const dump *d, const painter *p, const char *folder, const char *stem)
{
    pn_point places[FIGURE_POINTS];
    figure_opt opt = { .size = FIGURES_LARGE, .points = d->count ? d->point : NULL, .count = d->count };
    if (!d->count && p->needs.reads != PN_READS_PAIRS) {        /* no pose says where joints are */
        opt.points = places;
        opt.count = figures_places(p, places);
    }
    figure_set set = { 0 };
    pn_status status = figures_make(p, &opt, &set);
    for (int i = 0; !status && i < set.count; i++) {
        char path[4096];
        path_of(folder, stem, set.item[i].name, "png", path, sizeof path);
        status = pn_image_write(p->ctx, path, &set.item[i].image);
    }
    figures_free(p->ctx, &set);
    return status;
}

pn_status dump_write(const dump *d, const painter *p, const char *below, const char *stem)
{
    char folder[2048];
    if (!d->folder) return PN_OK;
    snprintf(folder, sizeof folder, "%s%s%s", d->folder, *below ? "/" : "", below);
    make_folder(d->folder);
    make_folder(folder);
    pn_status status = PN_OK;
    for (int i = 0; !status && i < pn_generation_views(p->generation); i++) status = write_numbers(p, i, folder, stem);
    return status ? status : write_figures(d, p, folder, stem);
}
