/* lib/data/check.c - read everything a data set has and say what is wrong; contract in posenet/data.h */
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    pn_dataset *d;
    pn_problems problems;
    pn_check *out;
    ptrdiff_t room;
} checker;

static pn_status note(checker *c, const char *format, ...) PN_PRINTF(2, 3);
static pn_status note(checker *c, const char *format, ...)
{
    char text[PN_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return pn_problems_note(&c->problems, text);
}

/* ---- Pictures, on all threads ----------------------------------------------------------------------------------- */

typedef struct { ptrdiff_t height, width; char *problem; } finding;
typedef struct { const pn_dataset *d; pn_ctx **ctx; finding *found; } decoding;

static void decode_one(void *job, ptrdiff_t item, int worker)
{
    const decoding *all = job;
    const pn_person *p = &all->d->person[item];
    pn_ctx *ctx = all->ctx[worker];
    finding *f = &all->found[item];
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

static int by_count(const void *a, const void *b)
{
    const ptrdiff_t *x = a, *y = b;                     /* height, width, count */
    return x[2] != y[2] ? x[2] > y[2] ? -1 : 1 : x[0] != y[0] ? x[0] < y[0] ? -1 : 1 : x[1] < y[1] ? -1 : x[1] > y[1];
}

static pn_status count_sizes(checker *c, const finding *found)
{
    ptrdiff_t (*sizes)[3] = NULL;
    size_t room = 0, n = 0;
    pn_status status = PN_OK;
    for (size_t i = 0; !status && i < c->d->persons; i++) {
        if (!found[i].height) continue;
        size_t k = 0;
        while (k < n && (sizes[k][0] != found[i].height || sizes[k][1] != found[i].width)) k++;
        if (k == n) {
            void *grown = sizes;
            status = pn_grow(c->d->ctx, &grown, &room, n + 1, sizeof *sizes);
            sizes = grown;
            if (status) break;
            sizes[n][0] = found[i].height;
            sizes[n][1] = found[i].width;
            sizes[n++][2] = 0;
        }
        sizes[k][2]++;
    }
    if (n) qsort(sizes, n, sizeof *sizes, by_count);
    c->out->sizes = (int)n;
    for (size_t k = 0; k < n && k < sizeof c->out->size / sizeof *c->out->size; k++) {
        c->out->size[k].height = sizes[k][0];
        c->out->size[k].width = sizes[k][1];
        c->out->size[k].count = sizes[k][2];
    }
    pn_free(c->d->ctx, sizes);
    return status;
}

static pn_status read_pictures(checker *c)
{
    pn_ctx *ctx = c->d->ctx;
    const int threads = pn_pool_size(pn_ctx_pool(ctx));
    decoding all = { c->d, pn_alloc(ctx, (size_t)threads, sizeof *all.ctx),
                     pn_alloc(ctx, c->d->persons, sizeof *all.found) };
    pn_status status = all.ctx && all.found ? PN_OK : PN_ERR_NOMEM;
    for (int i = 0; !status && i < threads; i++) {
        all.ctx[i] = pn_ctx_child(ctx);
        if (!all.ctx[i]) status = PN_ERR_NOMEM;
    }
    if (!status) pn_parallel(pn_ctx_pool(ctx), (ptrdiff_t)c->d->persons, decode_one, &all);
    for (size_t i = 0; !status && i < c->d->persons; i++)
        if (all.found[i].problem) status = pn_problems_note(&c->problems, all.found[i].problem);
    if (!status) status = count_sizes(c, all.found);
    for (size_t i = 0; all.found && i < c->d->persons; i++) pn_free(ctx, all.found[i].problem);
    for (int i = 0; all.ctx && i < threads; i++) pn_ctx_free(all.ctx[i]);
    pn_free(ctx, all.ctx);
    pn_free(ctx, all.found);
    return status;
}

/* ---- Lists ------------------------------------------------------------------------------------------------------ */

static bool is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".jpg") == 0 || strcmp(dot, ".jpeg") == 0 || strcmp(dot, ".png") == 0);
}

static pn_status count_pictures(checker *c, const pn_split *s, pn_split_check *out)
{
    if (!s->pictures) return note(c, "%s: no folder of pictures for '%s'", c->d->folder, s->name);
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
                status = note(c, "%s:%ld: no picture %s", path, lines.number, picture);
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
    if (!path[0]) status = note(c, "%s: no pairs file for '%s'", c->d->folder, split);
    else {
        status = pn_dataset_read_pairs(c->d, path);
        out->pairs = c->d->pairs;
        out->unannotated_pairs = c->d->unannotated;
        out->pictureless_pairs = c->d->pictureless;
        if (status == PN_ERR_FORMAT) status = pn_problems_note(&c->problems, pn_ctx_message(c->d->ctx));
        else if (!status && !out->pairs) status = note(c, "%s: not one usable pair of '%s'", path, split);
    }
    pn_free(c->d->ctx, path);
    return status;
}

static pn_status check_split(checker *c, const pn_split *s, pn_split_check *out)
{
    *out = (pn_split_check){
        .annotated = (ptrdiff_t)s->rows, .nobody = (ptrdiff_t)s->nobody, .duplicates = (ptrdiff_t)s->duplicates,
        .grid_height = s->grid.height, .grid_width = s->grid.width,
    };
    snprintf(out->name, sizeof out->name, "%s", s->name);
    pn_status status = count_pictures(c, s, out);
    if (!status) status = read_list(c, s);
    if (!status && !s->rows) status = note(c, "%s: not one row for '%s'", s->annotations, s->name);
    if (!status && s->rows && !s->grid.height)
        status = note(c, "%s: cannot tell the grid of the key points: %s; say --kp-size HxW", s->annotations,
                      s->grid.why);
    for (size_t i = s->first; !status && i < s->first + s->added; i++) {
        if (c->d->person[i].path) continue;
        out->missing++;
        status = note(c, "%s: no picture %s", s->annotations, c->d->person[i].name);
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
        pn_split_check made = { 0 };
        snprintf(made.name, sizeof made.name, "%.*s", (int)strlen(at) - 10, at + 6);
        bool known = false;
        for (ptrdiff_t k = 0; k < c->out->splits; k++) known = known || strcmp(c->out->split[k].name, made.name) == 0;
        if (known || c->out->splits == c->room) continue;
        status = check_pairs(c, made.name, &made);
        c->out->split[c->out->splits++] = made;
    }
    pn_names_free(c->d->ctx, &files);
    return status;
}

static pn_status check_all(checker *c)
{
    c->room = PN_SPLITS_MAX + PN_SPLITS_MAX;
    c->out->split = pn_alloc(c->d->ctx, (size_t)c->room, sizeof *c->out->split);
    if (!c->out->split) return PN_ERR_NOMEM;
    pn_status status = PN_OK;
    for (int i = 0; !status && i < c->d->splits; i++)
        status = check_split(c, &c->d->split[i], &c->out->split[c->out->splits++]);
    if (!status) status = other_pairs(c);
    return status ? status : read_pictures(c);
}

pn_status pn_dataset_check(pn_ctx *ctx, const char *folder, const pn_dataset_opt *opt, pn_check *out)
{
    pn_check made = { 0 };
    checker c = { .problems = { .ctx = ctx }, .out = &made };
    pn_dataset_opt lenient = opt ? *opt : (pn_dataset_opt){ 0 };
    lenient.strictness = PN_LENIENT;
    pn_status status = pn_dataset_begin(ctx, folder, NULL, &lenient, &c.problems, &c.d);
    if (!status) status = check_all(&c);
    if (c.d) pn_dataset_free(c.d);
    made.problem = c.problems.text;
    made.problems = (ptrdiff_t)c.problems.count;
    made.problems_kept = (ptrdiff_t)c.problems.kept;
    if (status) pn_check_free(ctx, &made);
    else *out = made;
    return status;
}

void pn_check_free(pn_ctx *ctx, pn_check *check)
{
    for (ptrdiff_t i = 0; i < check->problems_kept; i++) pn_free(ctx, check->problem[i]);
    pn_free(ctx, check->problem);
    pn_free(ctx, check->split);
    *check = (pn_check){ 0 };
}
