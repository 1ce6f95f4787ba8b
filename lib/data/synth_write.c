/* lib/data/synth_write.c - a data set of synthetic people in DeepFashion's layout; contract in posenet/synth.h
 *
 * Two passes over the pool: pictures with their labels and key points, then, when asked for, the flows of their
 * pairs. All a worker needs is made before; what a picture turned out to be waits in a record of its own for the lists.
 */
#include "data/synth.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { MOST_PEOPLE = 99999999, MOST_VIEWS = 999, NAME_MAX_BYTES = 96, PATH_MAX_BYTES = 4096 };

typedef struct { pn_pose pose; const char *word; bool woman; } record;
typedef struct { pn_ctx *ctx; pn_synth *studio, *other; float *flow; pn_image merged; } worker;

typedef struct {
    pn_ctx *ctx;
    const pn_synth_opt *opt;
    int train_people;               /* the first ones; the rest are for testing */
    pn_merge pise;
    record *records;                /* [people][views] */
    worker *workers;
    int count;                      /* of workers */
    atomic_bool failed;
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

/* ---- Options --------------------------------------------------------------------------------------------------- */

static pn_status check_options(pn_ctx *ctx, const pn_synth_opt *o)
{
    if (!o || !o->out || !*o->out)
        return pn_fail(ctx, PN_ERR_ARG, "pn_synth_write: no folder to write to; give one in out");
    if (strlen(o->out) > PATH_MAX_BYTES - 512)
        return pn_fail(ctx, PN_ERR_LIMIT,
                       "pn_synth_write: out is %zu bytes long, expected at most %d; write to a shorter path",
                       strlen(o->out), PATH_MAX_BYTES - 512);
    if (o->people < 1)
        return pn_fail(ctx, PN_ERR_ARG, "pn_synth_write: people is %d, expected 1 or more; 20 make a small set",
                       o->people);
    if (o->people > MOST_PEOPLE)
        return pn_fail(ctx, PN_ERR_LIMIT,
                       "pn_synth_write: people is %d, expected at most %d; a name has eight digits for them",
                       o->people, MOST_PEOPLE);
    if (o->views < 2)
        return pn_fail(ctx, PN_ERR_ARG,
                       "pn_synth_write: views is %d, expected 2 or more; a pair needs two views of a person",
                       o->views);
    if (o->views > MOST_VIEWS)
        return pn_fail(ctx, PN_ERR_LIMIT,
                       "pn_synth_write: views is %d, expected at most %d; ask for more people instead", o->views,
                       MOST_VIEWS);
    if (!(o->test_share >= 0.0 && o->test_share < 1.0))
        return pn_fail(ctx, PN_ERR_ARG,
                       "pn_synth_write: test_share is %g, expected 0 or more and less than 1; 0 means 0.2",
                       o->test_share);
    return pn_synth_size_check(ctx, "pn_synth_write", o->height, o->width);
}

static int train_share(const pn_synth_opt *o)
{
    if (o->people == 1) return 1;
    const int test = (int)(o->people * (o->test_share > 0.0 ? o->test_share : 0.2) + 0.5);
    return o->people - (test < 1 ? 1 : test > o->people - 1 ? o->people - 1 : test);
}

/* ---- One picture ----------------------------------------------------------------------------------------------- */

static pn_status write_labels(const job *j, worker *w, const char *split, const char *name)
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

static pn_status write_picture(const job *j, worker *w, ptrdiff_t item)
{
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

static pn_status write_flow(const job *j, worker *w, ptrdiff_t from, ptrdiff_t to)
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

static pn_status write_flows(const job *j, worker *w, ptrdiff_t target)
{
    const ptrdiff_t views = j->opt->views, first = target / views * views;
    pn_status status = PN_OK;
    pn_synth_place(w->studio, j->opt->seed, (int)(target / views), (int)(target % views));
    for (ptrdiff_t source = first; source < first + views && !status; source++)
        if (source != target) status = write_flow(j, w, source, target);
    return status;
}

static void picture_task(void *self, ptrdiff_t item, int index)
{
    job *j = self;
    if (!atomic_load(&j->failed) && write_picture(j, &j->workers[index], item)) atomic_store(&j->failed, true);
}

static void flow_task(void *self, ptrdiff_t item, int index)
{
    job *j = self;
    if (!atomic_load(&j->failed) && write_flows(j, &j->workers[index], item)) atomic_store(&j->failed, true);
}

static pn_status run_all(job *j, pn_task *task)
{
    pn_parallel(pn_ctx_pool(j->ctx), (ptrdiff_t)j->opt->people * j->opt->views, task, j);
    for (int i = 0; i < j->count; i++) {
        const pn_ctx *of = j->workers[i].ctx;
        if (pn_ctx_status(of)) return pn_fail(j->ctx, pn_ctx_status(of), "%s", pn_ctx_message(of));
    }
    return PN_OK;
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
    j->workers = pn_alloc(j->ctx, (size_t)j->count, sizeof *j->workers);
    if (!j->records || !j->workers) return PN_ERR_NOMEM;
    for (int i = 0; i < j->count; i++) {
        worker *w = &j->workers[i];
        w->ctx = pn_ctx_child(j->ctx);
        if (!w->ctx)
            return pn_fail(j->ctx, PN_ERR_NOMEM, "pn_synth_write: no memory for thread %d of %d; use fewer", i + 1,
                           j->count);
        w->studio = pn_synth_new(w->ctx, o->height, o->width);
        if (o->flow) {
            w->other = pn_synth_new(w->ctx, o->height, o->width);
            w->flow = pn_alloc(w->ctx, (size_t)(3 * o->height * o->width), sizeof *w->flow);
        }
        if (!w->studio || (o->flow && (!w->other || !w->flow))
            || pn_image_new(w->ctx, o->height, o->width, 1, &w->merged))
            return pn_fail(j->ctx, PN_ERR_NOMEM, "pn_synth_write: no memory for thread %d of %d; use fewer", i + 1,
                           j->count);
    }
    return pn_merge_find(j->ctx, "pise", &j->pise);
}

static void dismiss(job *j)
{
    for (int i = 0; j->workers && i < j->count; i++) {
        worker *w = &j->workers[i];
        if (!w->ctx) continue;
        pn_synth_free(w->studio);
        pn_synth_free(w->other);
        pn_free(w->ctx, w->flow);
        pn_image_free(w->ctx, &w->merged);
        pn_ctx_free(w->ctx);
    }
    pn_free(j->ctx, j->workers);
    pn_free(j->ctx, j->records);
}

pn_status pn_synth_write(pn_ctx *ctx, const pn_synth_opt *opt)
{
    pn_status status = check_options(ctx, opt);
    if (status) return status;
    job j = { .ctx = ctx, .opt = opt, .train_people = train_share(opt), .count = pn_pool_size(pn_ctx_pool(ctx)) };
    status = hire(&j);
    if (!status) status = make_folders(&j);
    if (!status) status = run_all(&j, picture_task);
    if (!status && opt->flow) status = run_all(&j, flow_task);
    if (!status) status = write_lists(&j);
    if (!status)
        pn_log(ctx, PN_LOG_INFO, "%s: %d people for training, %d for testing, %d views of each, %tdx%td pixels",
               opt->out,
               j.train_people, opt->people - j.train_people, opt->views, opt->height, opt->width);
    dismiss(&j);
    return status;
}
