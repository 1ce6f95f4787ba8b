/* lib/data/synth_write.c - a data set of synthetic people in DeepFashion's layout; contract in posenet/synth.h
 *
 * Two passes over the pool: pictures with their labels and key points, then, when asked for, the flows of their
 * pairs. All a worker needs is made before; what a picture turned out to be waits in a record of its own for the lists.
 */
#include "data/synth.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 96, PATH_MAX_BYTES = SYNTH_PATH };
static const synth_views views_allowed = { 2, 999, "a pair needs two views of a person" };

typedef struct { pn_pose pose; const char *word; bool woman; } record;

typedef struct {
    pn_ctx *ctx;
    const pn_synth_opt *opt;
    int train_people;               /* the first ones; the rest are for testing */
    pn_merge pise;
    record *records;                /* [people][views] */
    synth_crew crew;
} job;

static const char *const splits[2] = { "train", "test" };

static const char *split_of(const job *j, ptrdiff_t item) { return splits[item / j->opt->views >= j->train_people]; }

static void name_of(const job *j, ptrdiff_t item, char name[NAME_MAX_BYTES])    /* without .jpg */
{
    const record *r = &j->records[item];
    snprintf(name, NAME_MAX_BYTES, "fashion%sSyntheticid%08td01_%td%s", r->woman ? "WOMEN" : "MEN",
             item / j->opt->views + 1,
             item % j->opt->views + 1, r->word);
}

/* ---- One picture ----------------------------------------------------------------------------------------------- */

static pn_status write_labels(const job *j, synth_worker *w, const char *split, const char *name)
{
    const pn_image *labels = &pn_synth_seen(w->studio)->labels;
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s/%s_lip20/%s.png", j->opt->out, split, name);
    const pn_status status = pn_labels_write(w->ctx, path, labels);
    if (status) return status;
    memcpy(w->merged.pixels, labels->pixels, (size_t)(labels->height * labels->width));
    pn_merge_apply(&j->pise, &w->merged);
    snprintf(path, sizeof path, "%s/%sSPL8/%s.png", j->opt->out, split, name);
    return pn_labels_write(w->ctx, path, &w->merged);
}

static pn_status write_picture(void *self, synth_worker *w, ptrdiff_t item)
{
    const job *j = self;
    const ptrdiff_t views = j->opt->views;
    pn_synth_draw(w->studio, j->opt->seed, (int)(item / views), (int)(item % views));
    const pn_synth_view *seen = pn_synth_seen(w->studio);
    j->records[item] = (record){ .pose = seen->pose, .word = seen->word, .woman = seen->woman };
    char name[NAME_MAX_BYTES], path[PATH_MAX_BYTES];
    name_of(j, item, name);
    const char *split = split_of(j, item);
    snprintf(path, sizeof path, "%s/%s/%s.jpg", j->opt->out, split, name);
    const pn_status status = pn_image_write(w->ctx, path, &seen->picture);
    return status ? status : write_labels(j, w, split, name);
}

static pn_status write_flow(const job *j, synth_worker *w, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t views = j->opt->views, height = j->opt->height, width = j->opt->width;
    float *visible = w->flow + 2 * height * width;
    pn_synth_place(w->other, j->opt->seed, (int)(from / views), (int)(from % views));
    pn_status status = pn_synth_flow(w->studio, w->other, w->flow, visible);
    if (status) return status;
    char source[NAME_MAX_BYTES], target[NAME_MAX_BYTES], path[PATH_MAX_BYTES];
    name_of(j, from, source);
    name_of(j, to, target);
    snprintf(path, sizeof path, "%s/%s_flow/%s_2_%s.npy", j->opt->out, split_of(j, to), source, target);
    status = pn_npy_write(w->ctx, path, pn_shape3(2, height, width), w->flow);
    if (status) return status;
    snprintf(path, sizeof path, "%s/%s_visible/%s_2_%s.npy", j->opt->out, split_of(j, to), source, target);
    return pn_npy_write(w->ctx, path, pn_shape2(height, width), visible);
}

static pn_status write_flows(void *self, synth_worker *w, ptrdiff_t target)
{
    const job *j = self;
    const ptrdiff_t views = j->opt->views, first = target / views * views;
    pn_status status = PN_OK;
    pn_synth_place(w->studio, j->opt->seed, (int)(target / views), (int)(target % views));
    for (ptrdiff_t source = first; source < first + views && !status; source++)
        if (source != target) status = write_flow(j, w, source, target);
    return status;
}

/* ---- Lists ----------------------------------------------------------------------------------------------------- */

static void put(pn_writer *w, const char *format, ...) PN_PRINTF(2, 3);
static void put(pn_writer *w, const char *format, ...)          /* the writer keeps the first error */
{
    char text[512];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pn_writer_put(w, text, (size_t)n);
}

typedef enum { NAMES, PAIRS, ANNOTATION } list;

static void put_numbers(pn_writer *w, const double v[PN_JOINTS])
{
    for (int i = 0; i < PN_JOINTS; i++) put(w, "%s%d", i ? ", " : "[", (int)v[i]);
    put(w, "]");
}

static void put_picture(pn_writer *w, const job *j, list kind, ptrdiff_t item)
{
    const ptrdiff_t views = j->opt->views, first = item / views * views;
    char name[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    name_of(j, item, name);
    if (kind == NAMES) put(w, "%s.jpg\n", name);
    if (kind == ANNOTATION) {
        put(w, "%s.jpg: ", name);
        put_numbers(w, j->records[item].pose.y);
        put(w, ": ");
        put_numbers(w, j->records[item].pose.x);
        put(w, "\n");
    }
    for (ptrdiff_t to = first; kind == PAIRS && to < first + views; to++) {
        if (to == item) continue;
        name_of(j, to, other);
        put(w, "%s.jpg,%s.jpg\n", name, other);
    }
}

static pn_status write_list(const job *j, list kind, int split)
{
    static const char *const files[] = { [NAMES] = "%s/%s.lst", [PAIRS] = "%s/fasion-resize-pairs-%s.csv",
                                         [ANNOTATION] = "%s/fasion-resize-annotation-%s.csv" };
    static const char *const heads[] = { [NAMES] = "", [PAIRS] = "from,to\n",
                            [ANNOTATION] = "name:keypoints_y:keypoints_x\n" };
    const ptrdiff_t people[3] = { 0, j->train_people, j->opt->people }, views = j->opt->views;
    char *path = pn_format(j->ctx, files[kind], j->opt->out, splits[split]);
    if (!path) return PN_ERR_NOMEM;
    pn_writer w;
    pn_status status = pn_writer_begin(&w, j->ctx, path);
    pn_free(j->ctx, path);
    if (status) return status;
    put(&w, "%s", heads[kind]);
    for (ptrdiff_t i = people[split] * views; i < people[split + 1] * views; i++) put_picture(&w, j, kind, i);
    return pn_writer_commit(&w);
}

static pn_status write_lists(const job *j)
{
    pn_status status = PN_OK;
    for (int s = 0; s < 2; s++)
        for (int k = NAMES; k <= ANNOTATION && !status; k++) status = write_list(j, (list)k, s);
    if (status) return status;
    char path[PATH_MAX_BYTES], text[128];
    snprintf(path, sizeof path, "%s/dataset.ini", j->opt->out);
    const int n = snprintf(text, sizeof text, "kp_size = %tdx%td\nparsing = lip20\n", j->opt->height, j->opt->width);
    return pn_file_write(j->ctx, path, text, (size_t)n);
}

static pn_status make_folders(const job *j)
{
    static const char *const kinds[] = { "", "_lip20", "SPL8", "_flow", "_visible" };
    pn_status status = PN_OK;
    for (int s = 0; s < 2; s++) {
        for (int k = 0; k < (j->opt->flow ? 5 : 3) && !status; k++) {
            char path[PATH_MAX_BYTES];
            snprintf(path, sizeof path, "%s/%s%s", j->opt->out, splits[s], kinds[k]);
            status = pn_folder_make(j->ctx, path);
        }
    }
    return status;
}

/* ---- The whole ------------------------------------------------------------------------------------------------- */

static pn_status hire(job *j)       /* every worker with all it needs */
{
    const pn_synth_opt *o = j->opt;
    size_t items = 0;
    if (!pn_size_mul((size_t)o->people, (size_t)o->views, &items))
        return pn_fail(j->ctx, PN_ERR_NOMEM, "pn_synth_write: too many pictures");
    j->records = pn_alloc(j->ctx, items, sizeof *j->records);
    pn_status status = pn_synth_hire(&j->crew, j->ctx, "pn_synth_write", o);
    if (!status && !j->records) status = PN_ERR_NOMEM;
    for (int i = 0; i < j->crew.count && !status; i++) {
        synth_worker *w = &j->crew.worker[i];
        status = pn_image_new(w->ctx, o->height, o->width, 1, &w->merged);
        if (!o->flow || status) continue;
        w->other = pn_synth_new(w->ctx, o->height, o->width);
        w->flow = pn_alloc(w->ctx, (size_t)(3 * o->height * o->width), sizeof *w->flow);
        if (!w->other || !w->flow) status = PN_ERR_NOMEM;
    }
    if (status)
        return pn_fail(j->ctx, PN_ERR_NOMEM, "pn_synth_write: no memory for %d threads; use fewer", j->crew.count);
    return pn_merge_find(j->ctx, "pise", &j->pise);
}

pn_status pn_synth_write(pn_ctx *ctx, const pn_synth_opt *opt)
{
    pn_status status = pn_synth_check_options(ctx, "pn_synth_write", opt, views_allowed);
    if (status) return status;
    job j = { .ctx = ctx, .opt = opt, .train_people = pn_synth_train_share(opt) };
    const ptrdiff_t items = (ptrdiff_t)opt->people * opt->views;
    status = hire(&j);
    if (!status) status = make_folders(&j);
    if (!status) status = pn_synth_run(&j.crew, items, write_picture, &j);
    if (!status && opt->flow) status = pn_synth_run(&j.crew, items, write_flows, &j);
    if (!status) status = write_lists(&j);
    if (!status)
        pn_ctx_log(ctx, PN_LOG_INFO, "%s: %d people for training, %d for testing, %d views of each, %tdx%td pixels",
               opt->out,
               j.train_people, opt->people - j.train_people, opt->views, opt->height, opt->width);
    pn_synth_dismiss(&j.crew);
    pn_free(ctx, j.records);
    return status;
}
