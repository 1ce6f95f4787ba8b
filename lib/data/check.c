/* lib/data/check.c - read everything a data set has and say what is wrong; contract in posenet/data.h */
#include "data/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { pn_checker base; pn_dataset *d; } checker;      /* of pairs */

pn_status pn_checker_note(pn_checker *c, const char *format, ...)
{
    char text[PN_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return pn_problems_note(&c->problems, text);
}

pn_status pn_checker_pass(pn_checker *c, pn_status status)
{
    return !status || status == PN_ERR_NOMEM ? status : pn_problems_note(&c->problems, pn_ctx_message(c->ctx));
}

pn_split_check *pn_checker_split(pn_checker *c, const char *name)
{
    void *grown = c->out.split;
    const pn_status status = pn_grow(c->ctx, &grown, &c->split_room, (size_t)c->out.splits + 1, sizeof *c->out.split);
    c->out.split = grown;
    if (status) return NULL;
    pn_split_check *s = &c->out.split[c->out.splits++];
    *s = (pn_split_check){ 0 };
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

/* ---- Pictures, on all threads ----------------------------------------------------------------------------------- */

typedef struct { pn_look *look; const void *job; pn_ctx **ctx; pn_finding *found; } looking;

static void look_at(void *self, ptrdiff_t item, int worker)
{
    const looking *all = self;
    all->look(all->job, all->ctx[worker], item, &all->found[item]);
}

static pn_status count_size(pn_checker *c, const pn_finding *f)
{
    size_t k = 0;
    while (k < c->sizes && (c->size[k].height != f->height || c->size[k].width != f->width)) k++;
    if (k == c->sizes) {
        void *grown = c->size;
        const pn_status status = pn_grow(c->ctx, &grown, &c->size_room, k + 1, sizeof *c->size);
        c->size = grown;
        if (status) return status;
        c->size[c->sizes++] = (pn_size_count){ f->height, f->width, 0 };
    }
    c->size[k].count++;
    return PN_OK;
}

pn_status pn_checker_look(pn_checker *c, ptrdiff_t items, pn_look *look, const void *job)
{
    pn_ctx *ctx = c->ctx;
    const int threads = pn_pool_size(pn_ctx_pool(ctx));
    looking all = { look, job, pn_alloc(ctx, (size_t)threads, sizeof *all.ctx),
                    pn_alloc(ctx, (size_t)items, sizeof *all.found) };
    pn_status status = all.ctx && all.found ? PN_OK : PN_ERR_NOMEM;
    for (int i = 0; !status && i < threads; i++) {
        all.ctx[i] = pn_ctx_child(ctx);
        if (!all.ctx[i]) status = PN_ERR_NOMEM;
    }
    if (!status) pn_parallel(pn_ctx_pool(ctx), items, look_at, &all);
    for (ptrdiff_t i = 0; !status && i < items; i++) {
        if (all.found[i].problem) status = pn_problems_note(&c->problems, all.found[i].problem);
        if (!status && all.found[i].height) status = count_size(c, &all.found[i]);
    }
    for (ptrdiff_t i = 0; all.found && i < items; i++) pn_free(ctx, all.found[i].problem);
    for (int i = 0; all.ctx && i < threads; i++) pn_ctx_free(all.ctx[i]);
    pn_free(ctx, all.ctx);
    pn_free(ctx, all.found);
    return status;
}

static void look_at_person(const void *job, pn_ctx *ctx, ptrdiff_t item, pn_finding *f)
{
    const pn_dataset *d = job;
    const pn_person *p = &d->person[item];
    pn_image image;
    if (p->path) {
        if (pn_image_read(ctx, p->path, &image)) {
            f->problem = pn_strdup(ctx, pn_ctx_message(ctx));
        } else {
            f->height = image.height;
            f->width = image.width;
            pn_image_free(ctx, &image);
        }
    }
    if (!p->parsing || f->problem) return;
    if (pn_labels_read(ctx, p->parsing, &image)) {
        f->problem = pn_strdup(ctx, pn_ctx_message(ctx));
        return;
    }
    if (f->height && (image.height != f->height || image.width != f->width))
        f->problem = pn_format(
            ctx,
            "%s: the label map is %tdx%td, its picture %tdx%td; bring it to the picture's size by nearest neighbour",
            p->parsing, image.height, image.width, f->height, f->width);
    pn_image_free(ctx, &image);
}

/* ---- Lists ------------------------------------------------------------------------------------------------------ */

static bool is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".jpg") == 0 || strcmp(dot, ".jpeg") == 0 || strcmp(dot, ".png") == 0);
}

static pn_status count_pictures(checker *c, const pn_split *s, pn_split_check *out)
{
    if (!s->pictures) return pn_checker_note(&c->base, "%s: no folder of pictures for '%s'", c->d->folder, s->name);
    pn_names files;
    const pn_status status = pn_folder_list(c->d->ctx, s->pictures, &files);
    if (status) return status;
    for (size_t i = 0; i < files.count; i++) out->pictures += is_picture(files.name[i]);
    pn_names_free(c->d->ctx, &files);
    return PN_OK;
}

/* SPLIT.lst, one name per line: each should have a picture. Lines that are no .jpg are ignored, as the field's
 * scripts do. */
static pn_status read_list(checker *c, const pn_split *s)
{
    pn_ctx *ctx = c->d->ctx;
    char *path = pn_format(ctx, "%s/%s.lst", c->d->folder, s->name);
    pn_bytes file = { 0 };
    pn_lines lines;
    pn_status status = path ? PN_OK : PN_ERR_NOMEM;
    if (!status && pn_file_exists(ctx, path)) {
        status = pn_file_read(ctx, path, &file);
        if (!status) status = pn_lines_begin(ctx, path, &file, &lines);
        for (char *line; !status && s->pictures && (line = pn_lines_next(&lines));) {
            char *name = pn_trim(line), *picture;
            if (!is_picture(name)) continue;
            picture = pn_format(ctx, "%s/%s", s->pictures, name);
            if (!picture) status = PN_ERR_NOMEM;
            else if (!pn_file_exists(ctx, picture))
                status = pn_checker_note(&c->base, "%s:%ld: no picture %s", path, lines.number, picture);
            pn_free(ctx, picture);
        }
    }
    pn_free(ctx, file.bytes);
    pn_free(ctx, path);
    return status;
}

static pn_status check_pairs(checker *c, const char *split, pn_split_check *out)
{
    char *path;
    pn_status status = pn_dataset_pairs_path(c->d, split, &path);
    if (status) return status;
    if (!path[0]) status = pn_checker_note(&c->base, "%s: no pairs file for '%s'", c->d->folder, split);
    else {
        status = pn_dataset_read_pairs(c->d, path);
        out->pairs = c->d->pairs;
        out->unannotated_pairs = c->d->unannotated;
        out->pictureless_pairs = c->d->pictureless;
        if (status == PN_ERR_FORMAT) status = pn_problems_note(&c->base.problems, pn_ctx_message(c->d->ctx));
        else if (!status && !out->pairs) status = pn_checker_note(&c->base, "%s: not one usable pair of '%s'", path, split);
    }
    pn_free(c->d->ctx, path);
    return status;
}

static pn_status check_split(checker *c, const pn_split *s)
{
    pn_split_check *out = pn_checker_split(&c->base, s->name);
    if (!out) return PN_ERR_NOMEM;
    out->annotated = (ptrdiff_t)s->rows;
    out->nobody = (ptrdiff_t)s->nobody;
    out->duplicates = (ptrdiff_t)s->duplicates;
    out->grid_height = s->grid.height;
    out->grid_width = s->grid.width;
    pn_status status = count_pictures(c, s, out);
    if (!status) status = read_list(c, s);
    if (!status && !s->rows) status = pn_checker_note(&c->base, "%s: not one row for '%s'", s->annotations, s->name);
    if (!status && s->rows && !s->grid.height)
        status = pn_checker_note(&c->base, "%s: cannot tell the grid of the key points: %s; say --kp-size HxW", s->annotations,
                                 s->grid.why);
    for (size_t i = s->first; !status && i < s->first + s->added; i++) {
        if (c->d->person[i].path) continue;
        out->missing++;
        status = pn_checker_note(&c->base, "%s: no picture %s", s->annotations, c->d->person[i].name);
    }
    return status ? status : check_pairs(c, s->name, out);
}

/* Pairs of splits without annotations of their own (a "demo" list over the test pictures). */
static pn_status other_pairs(checker *c)
{
    pn_names files;
    pn_status status = pn_folder_list(c->d->ctx, c->d->folder, &files);
    if (status) return status;
    for (size_t i = 0; !status && i < files.count; i++) {
        const char *at = strstr(files.name[i], "pairs-");
        const size_t n = strlen(files.name[i]);
        if (!at || n < 5 || strcmp(files.name[i] + n - 4, ".csv") != 0 || strlen(at) < 11 || strlen(at) > 40) continue;
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strlen(at) - 10, at + 6);
        bool known = false;
        for (ptrdiff_t k = 0; k < c->base.out.splits; k++) known = known || strcmp(c->base.out.split[k].name, name) == 0;
        if (known || c->base.out.splits >= PN_SPLITS_MAX + PN_SPLITS_MAX) continue;
        pn_split_check *made = pn_checker_split(&c->base, name);
        status = made ? check_pairs(c, name, made) : PN_ERR_NOMEM;
    }
    pn_names_free(c->d->ctx, &files);
    return status;
}

static pn_status check_all(checker *c)
{
    pn_status status = PN_OK;
    for (int i = 0; !status && i < c->d->splits; i++) status = check_split(c, &c->d->split[i]);
    if (!status) status = other_pairs(c);
    return status ? status : pn_checker_look(&c->base, (ptrdiff_t)c->d->persons, look_at_person, c->d);
}

static pn_status check_people(checker *c, const pn_dataset_opt *opt)
{
    pn_dataset_opt lenient = opt ? *opt : (pn_dataset_opt){ 0 };
    lenient.strictness = PN_LENIENT;
    pn_status status = pn_dataset_begin(c->base.ctx, c->base.folder, NULL, &lenient, &c->base.problems, &c->d);
    if (!status) status = check_all(c);
    if (c->d) pn_dataset_free(c->d);
    return status;
}

/* ---- All layouts ------------------------------------------------------------------------------------------------ */

static bool named(const char *name, const char *begins, const char *ends)
{
    const size_t n = strlen(name), b = strlen(begins), e = strlen(ends);
    return n > b + e && strncmp(name, begins, b) == 0 && strcmp(name + n - e, ends) == 0;
}

/* By what there is in the folder; people in pairs unless something speaks for another. */
static pn_status find_kind(pn_ctx *ctx, const char *folder, pn_folder_kind *out)
{
    pn_names files;
    *out = PN_FOLDER_PAIRS;
    if (!pn_folder_exists(ctx, folder)) return PN_OK;   /* which is told there */
    const pn_status status = pn_folder_list(ctx, folder, &files);
    if (status) return status;
    for (size_t i = 0; i < files.count; i++) {
        const char *name = files.name[i];
        if (named(name, "id_", ".txt") && strchr(name + 3, '_')) *out = PN_FOLDER_VIEWS;
        else if (named(name, "", "_256")) *out = PN_FOLDER_DANCE;
        else if (named(name, "", "_keypoints") || named(name, "", "_keypoint")) *out = PN_FOLDER_FACE;
    }
    pn_names_free(ctx, &files);
    return PN_OK;
}

static int by_count(const void *a, const void *b)
{
    const pn_size_count *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    if (x->height != y->height) return x->height < y->height ? -1 : 1;
    return x->width < y->width ? -1 : x->width > y->width;
}

static void finish(pn_checker *c)
{
    if (c->sizes) qsort(c->size, c->sizes, sizeof *c->size, by_count);
    c->out.sizes = (int)c->sizes;
    for (size_t k = 0; k < c->sizes && k < sizeof c->out.size / sizeof *c->out.size; k++) {
        c->out.size[k].height = c->size[k].height;
        c->out.size[k].width = c->size[k].width;
        c->out.size[k].count = c->size[k].count;
    }
    pn_free(c->ctx, c->size);
    c->out.problem = c->problems.text;
    c->out.problems = (ptrdiff_t)c->problems.count;
    c->out.problems_kept = (ptrdiff_t)c->problems.kept;
}

pn_status pn_dataset_check(pn_ctx *ctx, const char *folder, const pn_dataset_opt *opt, pn_check *out)
{
    checker c = { .base = { .ctx = ctx, .folder = folder, .problems = { .ctx = ctx } } };
    pn_status status = find_kind(ctx, folder, &c.base.out.kind);
    if (!status && c.base.out.kind == PN_FOLDER_PAIRS) status = check_people(&c, opt);
    else if (!status && c.base.out.kind == PN_FOLDER_VIEWS) status = pn_views_check(&c.base);
    else if (!status) status = pn_clips_check(&c.base);
    finish(&c.base);
    if (status) pn_check_free(ctx, &c.base.out);
    else *out = c.base.out;
    return status;
}

void pn_check_free(pn_ctx *ctx, pn_check *check)
{
    for (ptrdiff_t i = 0; i < check->problems_kept; i++) pn_free(ctx, check->problem[i]);
    pn_free(ctx, check->problem);
    pn_free(ctx, check->split);
    *check = (pn_check){ 0 };
}
