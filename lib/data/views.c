/* lib/data/views.c - views of objects: a list of names and a folder of pictures; contract in posenet/views.h */
#include "data/views.h"

#include <stdio.h>
#include <string.h>

/* ---- The list --------------------------------------------------------------------------------------------------- */

/* The number of at most two digits after the last '_' of text, which is cut there; -1: there is none. */
static int last_number(char *text)
{
    char *bar = strrchr(text, '_');
    const size_t digits = bar ? strspn(bar + 1, "0123456789") : 0;
    if (digits < 1 || digits > 2 || bar[1 + digits]) return -1;
    int n = 0;
    for (size_t i = 1; i <= digits; i++) n = 10 * n + (bar[i] - '0');
    *bar = 0;
    return n;
}

static pn_status model_of(pn_view_list *l, const char *model, ptrdiff_t *out)
{
    *out = pn_table_get(&l->by_model, model);
    if (*out >= 0) return PN_OK;
    void *grown = l->at;
    pn_status status = pn_grow(l->ctx, &grown, &l->model_room, l->models + 1, sizeof *l->at);
    l->at = grown;
    const char *kept = status ? NULL : pn_arena_strdup(&l->arena, model);
    if (!kept) return PN_ERR_NOMEM;
    memset(l->at[l->models], 0, sizeof *l->at);
    status = pn_table_put(l->ctx, &l->by_model, kept, (ptrdiff_t)l->models);
    if (!status) *out = (ptrdiff_t)l->models++;
    return status;
}

static pn_status keep_view(pn_view_list *l, const char *name, char *model, const pn_object_view *read, const char *file, long line)
{
    pn_object_view v = *read;
    pn_status status = model_of(l, model, &v.model);
    if (status) return status;
    ptrdiff_t *at = &l->at[v.model][v.azimuth * PN_ELEVATIONS + v.elevation];
    if (*at)
        return pn_fail(l->ctx, PN_ERR_FORMAT, "%s:%ld: %s is there twice, also in line %ld; take one out", file, line, name,
                       l->line[*at - 1]);
    void *views = l->view, *lines = l->line;
    status = pn_grow(l->ctx, &views, &l->room, l->count + 1, sizeof *l->view);
    l->view = views;
    if (!status) status = pn_grow(l->ctx, &lines, &l->line_room, l->count + 1, sizeof *l->line);
    l->line = lines;
    if (status) return status;
    v.name = pn_arena_strdup(&l->arena, name);
    if (!v.name) return PN_ERR_NOMEM;
    l->view[l->count] = v;
    l->line[l->count++] = line;
    *at = (ptrdiff_t)l->count;
    return PN_OK;
}

static pn_status read_name(pn_view_list *l, char *name, const char *file, long line)
{
    char *model = pn_strdup(l->ctx, name);
    if (!model) return PN_ERR_NOMEM;
    const int elevation = last_number(model), azimuth = elevation < 0 ? -1 : last_number(model);
    const bool good = elevation >= 0 && elevation % 10 == 0 && elevation < 10 * PN_ELEVATIONS && azimuth >= 0
        && azimuth % 2 == 0 && azimuth < 2 * PN_AZIMUTHS && *model && !strchr(model, '/');
    pn_status status;
    if (good)
        status = keep_view(l, name, model, &(pn_object_view){ .azimuth = azimuth / 2, .elevation = elevation / 10 }, file, line);
    else
        status = pn_fail(l->ctx, PN_ERR_FORMAT,
                         "%s:%ld: '%.60s' is no view, expected MODEL_A_E: azimuth 0, 2 … 34 (tens of degrees) and elevation 0, "
                         "10 or 20 (degrees)", file, line, name);
    pn_free(l->ctx, model);
    return status;
}

pn_status pn_view_list_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_problems *problems, pn_view_list *out)
{
    *out = (pn_view_list){ .ctx = ctx, .arena = { .ctx = ctx } };
    pn_lines lines;
    pn_status status = pn_lines_begin(ctx, name, file, &lines);
    for (char *line; !status && (line = pn_lines_next(&lines));) {
        line = pn_trim(line);
        if (*line) status = pn_bad_row(ctx, problems, read_name(out, line, name, lines.number));
    }
    if (!status && !out->count) status = pn_fail(ctx, PN_ERR_FORMAT, "%s names no view; expected MODEL_A_E, a line each", name);
    return pn_bad_row(ctx, problems, status);
}

void pn_view_list_free(pn_view_list *l)
{
    if (!l->ctx) return;
    pn_table_free(l->ctx, &l->by_model);
    pn_free(l->ctx, l->view);
    pn_free(l->ctx, l->line);
    pn_free(l->ctx, l->at);
    pn_arena_free(&l->arena);
}

/* ---- The folder ------------------------------------------------------------------------------------------------- */

/* KIND of "id_KIND_SPLIT.txt" and its length; 0: another file. */
static int kind_of(const char *file, const char *split, const char **kind)
{
    char ending[64];
    snprintf(ending, sizeof ending, "_%.40s.txt", split);
    const size_t n = strlen(file), e = strlen(ending);
    if (n <= 3 + e || strncmp(file, "id_", 3) != 0 || strcmp(file + n - e, ending) != 0) return 0;
    *kind = file + 3;
    return (int)(n - e - 3);
}

/* The only list of the split, and the folder or .hdf5 file of its pictures; both the caller's to free, also after an error. */
static pn_status find_list(pn_ctx *ctx, const char *folder, const char *split, char **list, char **pictures)
{
    pn_names files = { NULL, 0 };
    if (!pn_folder_exists(ctx, folder))
        return pn_fail(ctx, PN_ERR_IO, "%s is no folder; name the one that holds id_KIND_%s.txt and data_KIND", folder, split);
    pn_status status = pn_folder_list(ctx, folder, &files);
    for (size_t i = 0; !status && i < files.count; i++) {
        const char *kind;
        const int length = kind_of(files.name[i], split, &kind);
        if (!length) continue;
        if (*list) {
            status = pn_fail(ctx, PN_ERR_FORMAT, "%s and %s/%s are both lists of views; keep one of them there", *list, folder,
                             files.name[i]);
            break;
        }
        *list = pn_format(ctx, "%s/%s", folder, files.name[i]);
        *pictures = pn_format(ctx, "%s/data_%.*s", folder, length, kind);
        if (!*list || !*pictures) status = PN_ERR_NOMEM;
    }
    pn_names_free(ctx, &files);
    if (status) return status;
    if (!*list)
        return pn_fail(ctx, PN_ERR_IO,
                       "%s has no list of views; expected id_KIND_%s.txt (posenet-data synth --kind view makes one)", folder, split);
    if (pn_folder_exists(ctx, *pictures)) return PN_OK;
    char *packed = pn_format(ctx, "%s.hdf5", *pictures);
    if (!packed) return PN_ERR_NOMEM;
    if (!pn_file_exists(ctx, packed))
        status = pn_fail(ctx, PN_ERR_IO, "%s is no folder and %s no file; the views' pictures belong into one of them", *pictures,
                         packed);
    pn_free(ctx, *pictures);
    *pictures = packed;
    return status;
}

static pn_status find_groups(pn_views *v, const char *list, const char *file)
{
    pn_status status = PN_OK;
    for (size_t i = 0; !status && i < v->list.count; i++) {
        if (pn_hdf5_has(v->file, v->list.view[i].name)) continue;
        v->missing++;
        status = pn_fail(v->ctx, PN_ERR_FORMAT, "%s:%ld: %s has no group %s; add it or take the line out", list, v->list.line[i],
                         file, v->list.view[i].name);
        status = pn_bad_row(v->ctx, v->problems, status);
    }
    return status;
}

/* Its path, NULL where there is none. */
static pn_status find_picture(pn_views *v, const char *pictures, const char *name, const char **out)
{
    static const char *const endings[] = { "png", "jpg" };
    for (int e = 0; e < 2 && !*out; e++) {
        char *tried = pn_format(v->ctx, "%s/%s.%s", pictures, name, endings[e]);
        if (!tried) return PN_ERR_NOMEM;
        const bool there = pn_file_exists(v->ctx, tried);
        if (there) *out = pn_arena_strdup(&v->list.arena, tried);
        pn_free(v->ctx, tried);
        if (there && !*out) return PN_ERR_NOMEM;
    }
    return PN_OK;
}

static pn_status find_pictures(pn_views *v, const char *list, const char *pictures)
{
    if (!pn_folder_exists(v->ctx, pictures)) {
        v->file = pn_hdf5_open(v->ctx, pictures);
        return v->file ? find_groups(v, list, pictures) : pn_ctx_status(v->ctx);
    }
    v->path = pn_alloc(v->ctx, v->list.count + 1, sizeof *v->path);
    pn_status status = v->path ? PN_OK : PN_ERR_NOMEM;
    for (size_t i = 0; !status && i < v->list.count; i++) {
        const char *name = v->list.view[i].name;
        status = find_picture(v, pictures, name, &v->path[i]);
        if (status || v->path[i]) continue;
        v->missing++;
        status = pn_fail(v->ctx, PN_ERR_FORMAT, "%s:%ld: %s has no picture %s/%s.png; add it or take the line out", list,
                         v->list.line[i], name, pictures, name);
        status = pn_bad_row(v->ctx, v->problems, status);
    }
    return status;
}

pn_status pn_views_begin(pn_ctx *ctx, const char *folder, const char *split, pn_problems *problems, pn_views **out)
{
    *out = NULL;
    pn_views *v = pn_alloc(ctx, 1, sizeof *v);
    if (!v) return PN_ERR_NOMEM;
    v->ctx = ctx;
    v->problems = problems;
    char *list = NULL, *pictures = NULL;
    pn_bytes file = { 0 };
    pn_status status = find_list(ctx, folder, split, &list, &pictures);
    if (!status) status = pn_file_read(ctx, list, &file);
    if (!status) status = pn_view_list_parse(ctx, list, &file, problems, &v->list);
    if (!status) status = find_pictures(v, list, pictures);
    pn_free(ctx, file.bytes);
    pn_free(ctx, list);
    pn_free(ctx, pictures);
    if (status) pn_views_free(v);
    else *out = v;
    return status;
}

pn_views *pn_views_open(pn_ctx *ctx, const char *folder, const char *split)
{
    pn_views *v;
    return pn_views_begin(ctx, folder, split, NULL, &v) ? NULL : v;
}

void pn_views_free(pn_views *v)
{
    if (!v) return;
    pn_hdf5_close(v->file);
    pn_free(v->ctx, v->path);
    pn_view_list_free(&v->list);
    pn_free(v->ctx, v);
}

ptrdiff_t pn_views_count(const pn_views *v) { return (ptrdiff_t)v->list.count; }
const pn_object_view *pn_views_view(const pn_views *v, ptrdiff_t i) { return &v->list.view[i]; }
ptrdiff_t pn_views_models(const pn_views *v) { return (ptrdiff_t)v->list.models; }

ptrdiff_t pn_views_find(const pn_views *v, ptrdiff_t model, int azimuth, int elevation)
{
    const bool in = model >= 0 && model < pn_views_models(v) && azimuth >= 0 && azimuth < PN_AZIMUTHS && elevation >= 0
        && elevation < PN_ELEVATIONS;
    return in ? v->list.at[model][azimuth * PN_ELEVATIONS + elevation] - 1 : -1;
}

void pn_view_code(const pn_object_view *view, float out[PN_VIEW_CODE])
{
    for (int i = 0; i < PN_VIEW_CODE; i++) out[i] = 0.0f;
    out[view->azimuth] = 1.0f;
    out[PN_AZIMUTHS + view->elevation] = 1.0f;
}

/* The published files say twice where a view is from. */
static pn_status read_group(const pn_views *v, pn_ctx *ctx, const pn_object_view *view, pn_image *out)
{
    double pose[2];
    const int azimuth = 2 * view->azimuth, elevation = 10 * view->elevation;
    const pn_status status = pn_hdf5_numbers(v->file, ctx, view->name, "pose", 2, pose);
    if (status) return status;
    if (pose[0] != azimuth || pose[1] != elevation)
        return pn_fail(ctx, PN_ERR_FORMAT, "%s: its pose is %g, %g, and its name says %d, %d", view->name, pose[0], pose[1], azimuth,
                       elevation);
    return pn_hdf5_picture(v->file, ctx, view->name, "image", out);
}

bool pn_views_has(const pn_views *v, ptrdiff_t i)
{
    return v->file ? pn_hdf5_has(v->file, v->list.view[i].name) : v->path[i] != NULL;
}

pn_status pn_views_read(const pn_views *v, pn_ctx *ctx, ptrdiff_t i, pn_image *out)
{
    return v->file ? read_group(v, ctx, &v->list.view[i], out) : pn_image_read(ctx, v->path[i], out);
}

pn_status pn_views_load(const pn_views *v, pn_ctx *ctx, ptrdiff_t i, ptrdiff_t height, ptrdiff_t width, float *out)
{
    pn_image read, sized;
    if (i < 0 || i >= pn_views_count(v))
        return pn_fail(ctx, PN_ERR_ARG, "pn_views_picture: view is %td, expected 0 to %td", i, pn_views_count(v) - 1);
    pn_status status = pn_picture_size_check(ctx, "pn_views_picture", height, width);
    if (!status) status = pn_views_read(v, ctx, i, &read);
    if (status) return status;
    status = pn_image_resize(ctx, &read, height, width, PN_FILTER_TRIANGLE, &sized);
    pn_image_free(ctx, &read);
    if (status) return status;
    pn_image_to_floats(&sized, out);
    pn_image_free(ctx, &sized);
    return PN_OK;
}

pn_status pn_views_picture(const pn_views *v, ptrdiff_t i, ptrdiff_t height, ptrdiff_t width, float *out)
{
    return pn_views_load(v, v->ctx, i, height, width, out);
}

ptrdiff_t pn_views_test_pairs(const pn_views *v, pn_view_pair *out)
{
    ptrdiff_t n = 0;
    for (ptrdiff_t model = 0; model < pn_views_models(v); model++) {
        const ptrdiff_t source = pn_views_find(v, model, (int)(model % PN_AZIMUTHS), 0);
        for (int azimuth = 0; source >= 0 && azimuth < PN_AZIMUTHS; azimuth++) {
            const ptrdiff_t target = pn_views_find(v, model, azimuth, 0);
            if (target < 0) continue;
            if (out) out[n] = (pn_view_pair){ source, target };
            n++;
        }
    }
    return n;
}

pn_ctx *pn_views_ctx(const pn_views *v) { return v->ctx; }

/* ---- Pairs ------------------------------------------------------------------------------------------------------ */

static pn_status by_name(const pn_views *v, pn_table *names)
{
    pn_status status = PN_OK;
    for (size_t i = 0; !status && i < v->list.count; i++) status = pn_table_put(v->ctx, names, v->list.view[i].name, (ptrdiff_t)i);
    return status;
}

static pn_status find_named(const pn_views *v, const pn_table *names, const char *csv, long line, const char *name, ptrdiff_t *out)
{
    *out = pn_table_get(names, name);
    if (*out >= 0) return PN_OK;
    return pn_fail(v->ctx, PN_ERR_FORMAT, "%s:%ld: '%.100s' is no view of the list", csv, line, name);
}

static pn_status read_pairs(const pn_views *v, const char *csv, pn_view_pair **out, ptrdiff_t *count)
{
    pn_bytes file = { 0 };
    pn_pairs list = { 0 };
    pn_table names = { 0 };
    pn_view_pair *made = NULL;
    pn_status status = pn_file_read(v->ctx, csv, &file);
    if (!status) status = pn_pairs_parse(v->ctx, csv, &file, NULL, &list);
    if (!status) status = by_name(v, &names);
    if (!status && !(made = pn_ctx_alloc(v->ctx, (list.count + 1) * sizeof *made))) status = PN_ERR_NOMEM;
    for (size_t i = 0; !status && i < list.count; i++) {
        const pn_names_pair *row = &list.rows[i];
        status = find_named(v, &names, csv, row->line, row->from, &made[i].source);
        if (!status) status = find_named(v, &names, csv, row->line, row->to, &made[i].target);
    }
    if (status) pn_ctx_release(v->ctx, made);
    else *out = made;
    *count = (ptrdiff_t)list.count;
    pn_table_free(v->ctx, &names);
    pn_pairs_free(&list);
    pn_free(v->ctx, file.bytes);
    return status;
}

pn_status pn_views_pairs(const pn_views *v, const char *csv, pn_view_pair **out, ptrdiff_t *count)
{
    pn_view_pair *made = NULL;
    ptrdiff_t n = 0;
    pn_status status = PN_OK;
    if (csv) status = read_pairs(v, csv, &made, &n);
    else if (!(made = pn_ctx_alloc(v->ctx, ((size_t)(n = pn_views_test_pairs(v, NULL)) + 1) * sizeof *made))) status = PN_ERR_NOMEM;
    else pn_views_test_pairs(v, made);
    if (!status && !n) {
        pn_ctx_release(v->ctx, made);
        status = pn_fail(v->ctx, PN_ERR_FORMAT, "%s has no pair: %s", csv ? csv : "the published test",
                         csv ? "a row each, from and to" : "a model needs its source's azimuth at elevation 0");
    }
    if (status) return status;
    *out = made;
    *count = n;
    return PN_OK;
}
