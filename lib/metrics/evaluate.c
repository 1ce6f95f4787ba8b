/* lib/metrics/evaluate.c - scores of a list of pairs beside the copy-the-source baseline; contract in
 * posenet/metrics.h */
#include "core/core.h"
#include "posenet/metrics.h"

#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum { ABSENT, PNG, JPG } kind;

typedef struct { pn_scored scores; kind file; pn_status status; char *message; } result;

struct pn_evaluation {
    pn_ctx *ctx;
    pn_dataset *data;
    char *folder;
    const char *protocol;
    result *results;                /* [pairs] */
    pn_ctx **helpers;               /* one per thread of the pool */
    int helper_count;
    ptrdiff_t first;                /* of the run in progress */
    char *first_missing;
};

/* ---- One pair --------------------------------------------------------------------------------------------------- */

static int stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return (int)(dot ? (size_t)(dot - name) : strlen(name));
}

/* folder/<from stem>_2_<to stem>_vis, pn_free it */
static char *stem_of(const pn_evaluation *e, pn_ctx *ctx, const pn_pair *p)
{
    return pn_format(ctx, "%s/%.*s_2_%.*s_vis", e->folder, stem_length(p->source->name), p->source->name,
                     stem_length(p->target->name), p->target->name);
}

static pn_status find_generated(const pn_evaluation *e, pn_ctx *ctx, const pn_pair *p, kind *file, char **path)
{
    char *stem = stem_of(e, ctx, p);
    *path = stem ? pn_format(ctx, "%s.png", stem) : NULL;
    *file = PNG;
    if (*path && !pn_file_exists(ctx, *path)) {
        pn_free(ctx, *path);
        *path = pn_format(ctx, "%s.jpg", stem);
        *file = JPG;
        if (*path && !pn_file_exists(ctx, *path)) *file = ABSENT;
    }
    pn_free(ctx, stem);
    return *path ? PN_OK : PN_ERR_NOMEM;
}

/* A real picture at the generated one's size. */
static pn_status read_stretched(pn_ctx *ctx, const char *path, const pn_image *like, pn_image *out)
{
    pn_image read;
    pn_status status = pn_image_read(ctx, path, &read);
    if (status) return status;
    status = pn_image_resize(ctx, &read, like->height, like->width, PN_FILTER_TRIANGLE, out);
    pn_image_free(ctx, &read);
    return status;
}

static pn_status score_found(pn_ctx *ctx, const char *path, pn_scored *s)
{
    pn_image made = { 0 }, truth = { 0 }, source = { 0 };
    pn_status status = pn_image_read(ctx, path, &made);
    if (!status) status = read_stretched(ctx, s->pair->target->path, &made, &truth);
    if (!status) status = read_stretched(ctx, s->pair->source->path, &made, &source);
    if (!status) status = pn_score(ctx, &made, &truth, &s->generated);
    if (!status) status = pn_score(ctx, &source, &truth, &s->copy);
    if (!status) {
        s->height = made.height;
        s->width = made.width;
        s->found = true;
    }
    pn_image_free(ctx, &made);
    pn_image_free(ctx, &truth);
    pn_image_free(ctx, &source);
    return status;
}

static void score_one(void *job, ptrdiff_t item, int worker)
{
    pn_evaluation *e = job;
    pn_ctx *ctx = e->helpers[worker];
    result *r = &e->results[e->first + item];
    char *path;
    r->scores = (pn_scored){ .pair = pn_dataset_pair(e->data, e->first + item) };
    r->status = find_generated(e, ctx, r->scores.pair, &r->file, &path);
    if (!r->status && r->file != ABSENT) r->status = score_found(ctx, path, &r->scores);
    if (r->status) r->message = pn_strdup(ctx, pn_ctx_message(ctx));
    pn_free(ctx, path);
}

pn_status pn_evaluation_run(pn_evaluation *e, ptrdiff_t first, ptrdiff_t n)
{
    if (first < 0 || n < 0 || n > pn_dataset_pairs(e->data) - first)
        return pn_fail(e->ctx, PN_ERR_ARG, "pn_evaluation_run: pairs %td to %td of %td", first, first + n - 1,
                       pn_dataset_pairs(e->data));
    e->first = first;
    pn_parallel(pn_ctx_pool(e->ctx), n, score_one, e);
    pn_status status = PN_OK;
    for (ptrdiff_t i = first; i < first + n; i++) {
        result *r = &e->results[i];
        if (r->status && !status) status = pn_fail(e->ctx, r->status, "%s", r->message ? r->message : "no memory");
        pn_free(e->ctx, r->message);
        r->message = NULL;
        if (r->file == ABSENT && !r->status && !e->first_missing) e->first_missing = stem_of(e, e->ctx, r->scores.pair);
    }
    return status;
}

/* ---- Making and freeing ----------------------------------------------------------------------------------------- */

static pn_status begin(pn_evaluation *e, const char *folder, const char *protocol)
{
    pn_ctx *ctx = e->ctx;
    if (strcmp(protocol, "native") != 0)
        return pn_fail(ctx, PN_ERR_ARG,
                       "there is no protocol '%s'; take native (each generated picture at its own size)", protocol);
    e->protocol = "native";
    if (!pn_folder_exists(ctx, folder))
        return pn_fail(ctx, PN_ERR_IO, "%s is no folder; name the one with the generated pictures", folder);
    e->folder = pn_strdup(ctx, folder);
    e->results = pn_alloc(ctx, (size_t)pn_dataset_pairs(e->data), sizeof *e->results);
    e->helper_count = pn_pool_size(pn_ctx_pool(ctx));
    e->helpers = pn_alloc(ctx, (size_t)e->helper_count, sizeof *e->helpers);
    if (!e->folder || !e->results || !e->helpers) return PN_ERR_NOMEM;
    for (int i = 0; i < e->helper_count; i++) {
        e->helpers[i] = pn_ctx_child(ctx);
        if (!e->helpers[i]) return PN_ERR_NOMEM;
    }
    return PN_OK;
}

pn_evaluation *pn_evaluation_new(pn_dataset *d, const char *folder, const char *protocol)
{
    pn_ctx *ctx = pn_dataset_ctx(d);
    pn_evaluation *e = pn_alloc(ctx, 1, sizeof *e);
    if (!e) return NULL;
    e->ctx = ctx;
    e->data = d;
    if (!begin(e, folder, protocol)) return e;
    pn_evaluation_free(e);
    return NULL;
}

void pn_evaluation_free(pn_evaluation *e)
{
    if (!e) return;
    for (int i = 0; e->helpers && i < e->helper_count; i++) pn_ctx_free(e->helpers[i]);
    pn_free(e->ctx, e->helpers);
    pn_free(e->ctx, e->results);
    pn_free(e->ctx, e->folder);
    pn_free(e->ctx, e->first_missing);
    pn_free(e->ctx, e);
}

/* ---- Results ---------------------------------------------------------------------------------------------------- */

const pn_scored *pn_evaluation_pair(const pn_evaluation *e, ptrdiff_t i) { return &e->results[i].scores; }

typedef struct { double sum[PN_SCORES]; ptrdiff_t finite[PN_SCORES]; } tally;

static void count(tally *t, const pn_scores *s)
{
    for (int i = 0; i < PN_SCORES; i++) {
        const double v = pn_score_at(s, i);
        if (!isfinite(v)) continue;
        t->sum[i] += v;
        t->finite[i]++;
    }
}

static pn_scores mean(const tally *t)
{
    double m[PN_SCORES];
    for (int i = 0; i < PN_SCORES; i++) m[i] = t->finite[i] ? t->sum[i] / (double)t->finite[i] : NAN;
    return (pn_scores){ .l1 = m[0], .psnr = m[1], .mae = m[2], .ssim = m[3], .ssim_256 = m[4] };
}

pn_summary pn_evaluation_summary(const pn_evaluation *e)
{
    pn_summary s = { .protocol = e->protocol,
                     .filter = "triangle (antialiased bilinear)",
                     .pairs = pn_dataset_pairs(e->data),
                     .first_missing = e->first_missing };
    tally made = { { 0 }, { 0 } }, copy = { { 0 }, { 0 } };
    bool same = true;
    for (ptrdiff_t i = 0; i < s.pairs; i++) {
        const result *r = &e->results[i];
        if (!r->scores.found) continue;
        if (!s.scored++) {
            s.height = r->scores.height;
            s.width = r->scores.width;
        }
        same = same && s.height == r->scores.height && s.width == r->scores.width;
        s.png += r->file == PNG;
        s.jpg += r->file == JPG;
        count(&made, &r->scores.generated);
        count(&copy, &r->scores.copy);
    }
    if (!same) s.height = s.width = 0;
    s.missing = s.pairs - s.scored;
    s.generated = mean(&made);
    s.copy = mean(&copy);
    memcpy(s.generated_finite, made.finite, sizeof made.finite);
    memcpy(s.copy_finite, copy.finite, sizeof copy.finite);
    return s;
}

/* cJSON writes null for what is not finite. false: no memory. */
static bool add_scores(cJSON *to, const char *name, const pn_scores *s)
{
    cJSON *o = cJSON_AddObjectToObject(to, name);
    bool fine = o != NULL;
    for (int i = 0; i < PN_SCORES && fine; i++)
        fine = cJSON_AddNumberToObject(o, pn_score_name(i), pn_score_at(s, i)) != NULL;
    return fine;
}

static bool add_pair(cJSON *list, const pn_scored *s)
{
    cJSON *o = cJSON_CreateObject();
    if (!o) return false;
    if (!cJSON_AddItemToArray(list, o)) {
        cJSON_Delete(o);
        return false;
    }
    return cJSON_AddStringToObject(o, "from", s->pair->source->name) &&
           cJSON_AddStringToObject(o, "to", s->pair->target->name) &&
           cJSON_AddNumberToObject(o, "height", (double)s->height) &&
           cJSON_AddNumberToObject(o, "width", (double)s->width) && add_scores(o, "generated", &s->generated) &&
           add_scores(o, "source_copy", &s->copy);
}

static bool add_summary(cJSON *o, const pn_summary *s)
{
    return cJSON_AddStringToObject(o, "protocol", s->protocol) &&
           cJSON_AddStringToObject(o, "resize_filter", s->filter) &&
           cJSON_AddNumberToObject(o, "pairs", (double)s->pairs) &&
           cJSON_AddNumberToObject(o, "scored", (double)s->scored) &&
           cJSON_AddNumberToObject(o, "missing", (double)s->missing) &&
           cJSON_AddNumberToObject(o, "png", (double)s->png) && cJSON_AddNumberToObject(o, "jpg", (double)s->jpg) &&
           cJSON_AddNumberToObject(o, "height", (double)s->height) &&
           cJSON_AddNumberToObject(o, "width", (double)s->width) && add_scores(o, "generated", &s->generated) &&
           add_scores(o, "source_copy", &s->copy);
}

pn_status pn_evaluation_write(const pn_evaluation *e, const char *path)
{
    const pn_summary s = pn_evaluation_summary(e);
    cJSON *json = cJSON_CreateObject();
    bool fine = json && add_summary(json, &s);
    cJSON *pairs = fine ? cJSON_AddArrayToObject(json, "per_pair") : NULL;
    fine = pairs != NULL;
    for (ptrdiff_t i = 0; i < s.pairs && fine; i++)
        if (e->results[i].scores.found) fine = add_pair(pairs, &e->results[i].scores);
    char *text = fine ? cJSON_Print(json) : NULL;
    cJSON_Delete(json);
    if (!text) return pn_fail(e->ctx, PN_ERR_NOMEM, "no memory for %s", path);
    const pn_status status = pn_file_write(e->ctx, path, text, strlen(text));
    cJSON_free(text);
    return status;
}
