/* lib/metrics/evaluate.c - scores of a list of pairs beside the copy-the-source baseline; contract in
 * posenet/metrics.h */
#include "data/views.h"
#include "metrics/inside.h"

#include <string.h>

typedef enum { ABSENT, PNG, JPG } kind;

typedef struct { pn_scored scores; kind file; pn_status status; char *message; } result;

/* How truth and source come to the size of what was made: as the model read them when it learnt is fair. */
typedef struct { const char *name, *filter_name; pn_filter filter; } protocol_entry;
static const protocol_entry protocols[] = {
    { "native", "triangle (antialiased bilinear)", PN_FILTER_TRIANGLE },
    { "native-cubic", "cubic (antialiased)", PN_FILTER_CUBIC },
};
enum { PROTOCOLS = sizeof protocols / sizeof *protocols };

struct pn_evaluation {
    pn_ctx *ctx;
    pn_dataset *data;               /* of pairs of people; NULL: the pairs are of views */
    pn_views *views;
    pn_view_pair *turn;
    const pn_clip_list *clips;      /* a pair is a frame and its clip's reference */
    ptrdiff_t *first_frame;         /* [clips + 1] pair that is the clip's first */
    ptrdiff_t pairs;
    char *folder;
    const protocol_entry *protocol;
    result *results;                /* [pairs] */
    pn_merge merge;                 /* of label maps, where there are any */
    pn_feature_list *features;      /* NULL: nobody asked for them */
    pn_ctx **helpers;               /* one per thread of the pool */
    ptrdiff_t first;                /* of the run in progress */
    char *first_missing;
};

/* ---- One pair --------------------------------------------------------------------------------------------------- */

static ptrdiff_t clip_of(const pn_evaluation *e, ptrdiff_t pair)
{
    ptrdiff_t clip = 0;
    while (e->first_frame[clip + 1] <= pair) clip++;
    return clip;
}

/* folder/<from stem>_2_<to stem>_vis, folder/<clip>/frame_<number>; pn_free it */
static char *stem_of(const pn_evaluation *e, pn_ctx *ctx, ptrdiff_t pair)
{
    const pn_scored *s = &e->results[pair].scores;
    if (e->clips) {
        char name[PN_CLIP_NAME];
        const ptrdiff_t clip = clip_of(e, pair);
        pn_clip_list_name(e->clips, clip, name);
        return pn_format(ctx, "%s/%s/frame_%06td", e->folder, name, pair - e->first_frame[clip] + 1);
    }
    return pn_format(ctx, "%s/%.*s_2_%.*s_vis", e->folder, pn_stem_length(s->from), s->from, pn_stem_length(s->to), s->to);
}

static pn_status find_generated(const pn_evaluation *e, pn_ctx *ctx, ptrdiff_t pair, kind *file, char **path)
{
    char *stem = stem_of(e, ctx, pair);
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

static pn_status score_in(pn_ctx *ctx, const pn_image picture[3], const pn_image *parts, pn_scored *s)
{
    const pn_status status = pn_score_parts(ctx, &picture[0], &picture[1], parts, PN_PARTS, s->part);
    return status ? status : pn_score_parts(ctx, &picture[2], &picture[1], parts, PN_PARTS, s->part_copy);
}

static pn_status score_parts(const pn_evaluation *e, pn_ctx *ctx, const pn_image picture[3], pn_scored *s)
{
    const pn_image *made = &picture[0];
    pn_image shown = { 0 }, wanted = { 0 }, parts = { 0 };
    pn_status status = pn_person_classes(ctx, s->pair->source, &e->merge, made->height, made->width, &shown);
    if (!status) status = pn_person_classes(ctx, s->pair->target, &e->merge, made->height, made->width, &wanted);
    if (!status) status = pn_image_new(ctx, made->height, made->width, 1, &parts);
    if (!status) status = pn_parts_of(ctx, &shown, &wanted, &parts);
    if (!status) status = score_in(ctx, picture, &parts, s);
    pn_image_free(ctx, &shown);
    pn_image_free(ctx, &wanted);
    pn_image_free(ctx, &parts);
    return status;
}

/* The same where a mask says who is a person, and nothing what is occluded. */
static pn_status score_person(pn_ctx *ctx, const pn_image picture[3], pn_scored *s)
{
    char mask[4096];
    pn_image read = { 0 }, parts = { 0 };
    s->parsed = pn_clip_mask_path(s->to, mask, sizeof mask) && pn_file_exists(ctx, mask);
    if (!s->parsed) return PN_OK;
    pn_status status = pn_labels_read(ctx, mask, &read);
    if (!status) status = pn_image_resize(ctx, &read, picture[0].height, picture[0].width, PN_FILTER_NEAREST, &parts);
    for (ptrdiff_t i = 0; !status && i < parts.height * parts.width; i++)
        parts.pixels[i] = parts.pixels[i] ? 1u << PN_PART_PERSON : 0;
    if (!status) status = score_in(ctx, picture, &parts, s);
    pn_image_free(ctx, &read);
    pn_image_free(ctx, &parts);
    return status;
}

static pn_status read_view(const pn_evaluation *e, pn_ctx *ctx, ptrdiff_t view, const pn_image *like, pn_image *out)
{
    pn_image read;
    pn_status status = pn_views_read(e->views, ctx, view, &read);
    if (status) return status;
    status = pn_image_resize(ctx, &read, like->height, like->width, e->protocol->filter, out);
    pn_image_free(ctx, &read);
    return status;
}

/* Truth and source of pair i at the size of `like`. */
static pn_status read_pair(const pn_evaluation *e, pn_ctx *ctx, ptrdiff_t i, const pn_image *like, pn_image *truth, pn_image *source)
{
    const pn_scored *s = &e->results[i].scores;
    const char *from = s->pair ? s->pair->source->path : s->from, *to = s->pair ? s->pair->target->path : s->to;
    const pn_filter filter = e->protocol->filter;
    pn_status status = e->views ? read_view(e, ctx, e->turn[i].target, like, truth) : pn_read_like(ctx, to, filter, like, truth);
    if (!status) status = e->views ? read_view(e, ctx, e->turn[i].source, like, source) : pn_read_like(ctx, from, filter, like, source);
    return status;
}

static pn_status score_found(const pn_evaluation *e, pn_ctx *ctx, ptrdiff_t i, const char *path, pn_scored *s)
{
    pn_image picture[3] = { { 0 }, { 0 }, { 0 } };      /* generated, truth, source */
    pn_status status = pn_image_read(ctx, path, &picture[0]);
    if (!status) status = read_pair(e, ctx, i, &picture[0], &picture[1], &picture[2]);
    if (!status) status = pn_score(ctx, &picture[0], &picture[1], &s->generated);
    if (!status) status = pn_score(ctx, &picture[2], &picture[1], &s->copy);
    s->parsed = s->pair && s->pair->source->parsing && s->pair->target->parsing;
    if (!status && s->parsed) status = score_parts(e, ctx, picture, s);
    if (!status && e->clips) status = score_person(ctx, picture, s);
    if (!status) {
        s->height = picture[0].height;
        s->width = picture[0].width;
        s->found = true;
    }
    for (int k = 0; k < 3; k++) pn_image_free(ctx, &picture[k]);
    return status;
}

static pn_scored unscored(const pn_evaluation *e, ptrdiff_t i)
{
    const pn_pair *p = e->data ? pn_dataset_pair(e->data, i) : NULL;
    if (p) return (pn_scored){ .pair = p, .from = p->source->name, .to = p->target->name };
    if (e->clips) {
        const ptrdiff_t clip = clip_of(e, i);
        const pn_clip_row row = pn_clip_list_row(e->clips, clip);
        return (pn_scored){ .from = row.reference.frames.path[0], .to = row.made.frames.path[i - e->first_frame[clip]] };
    }
    return (pn_scored){ .from = pn_views_view(e->views, e->turn[i].source)->name,
                        .to = pn_views_view(e->views, e->turn[i].target)->name };
}

static void score_one(void *job, ptrdiff_t item, int worker)
{
    pn_evaluation *e = job;
    pn_ctx *ctx = e->helpers[worker];
    result *r = &e->results[e->first + item];
    char *path;
    r->scores = unscored(e, e->first + item);
    r->status = find_generated(e, ctx, e->first + item, &r->file, &path);
    if (!r->status && r->file != ABSENT) r->status = score_found(e, ctx, e->first + item, path, &r->scores);
    if (r->status) r->message = pn_strdup(ctx, pn_ctx_message(ctx));
    pn_free(ctx, path);
}

/* Pictures are read once more: the network takes all threads, one pair after the other. */
static pn_status see_pair(pn_evaluation *e, ptrdiff_t i)
{
    pn_ctx *ctx = e->ctx;
    pn_scored *s = &e->results[i].scores;
    pn_image picture[3] = { { 0 }, { 0 }, { 0 } };      /* generated, truth, source */
    char *path;
    kind file;
    pn_status status = find_generated(e, ctx, i, &file, &path);
    if (!status) status = pn_image_read(ctx, path, &picture[0]);
    if (!status) status = read_pair(e, ctx, i, &picture[0], &picture[1], &picture[2]);
    if (!status) status = pn_feature_list_add(e->features, picture, &s->distance, &s->distance_copy);
    s->seen = !status;
    for (int k = 0; k < 3; k++) pn_image_free(ctx, &picture[k]);
    pn_free(ctx, path);
    return status;
}

static pn_status see_pairs(pn_evaluation *e, ptrdiff_t first, ptrdiff_t n)
{
    pn_status status = PN_OK;
    for (ptrdiff_t i = first; i < first + n && e->features && !status; i++)
        if (e->results[i].scores.found) status = see_pair(e, i);
    return status;
}

/* What has been added to a Gaussian is not taken away again. */
static pn_status check_unseen(const pn_evaluation *e, ptrdiff_t first, ptrdiff_t n)
{
    for (ptrdiff_t i = first; i < first + n; i++)
        if (e->results[i].scores.seen)
            return pn_fail(e->ctx, PN_ERR_ARG, "pn_evaluation_run: features of pair %td have been counted; make a new evaluation", i);
    return PN_OK;
}

pn_status pn_evaluation_run(pn_evaluation *e, ptrdiff_t first, ptrdiff_t n)
{
    if (first < 0 || n < 0 || n > e->pairs - first)
        return pn_fail(e->ctx, PN_ERR_ARG, "pn_evaluation_run: pairs %td to %td of %td", first, first + n - 1, e->pairs);
    pn_status status = check_unseen(e, first, n);
    if (status) return status;
    e->first = first;
    pn_parallel(pn_ctx_pool(e->ctx), n, score_one, e);
    for (ptrdiff_t i = first; i < first + n; i++) {
        result *r = &e->results[i];
        if (r->status && !status) status = pn_fail(e->ctx, r->status, "%s", r->message ? r->message : "no memory");
        pn_free(e->ctx, r->message);
        r->message = NULL;
        if (r->file == ABSENT && !r->status && !e->first_missing) e->first_missing = stem_of(e, e->ctx, i);
    }
    return status ? status : see_pairs(e, first, n);
}

/* ---- Making and freeing ----------------------------------------------------------------------------------------- */

static pn_status begin(pn_evaluation *e, const char *folder, const char *protocol)
{
    pn_ctx *ctx = e->ctx;
    for (int i = 0; i < PROTOCOLS && !e->protocol; i++)
        if (strcmp(protocol, protocols[i].name) == 0) e->protocol = &protocols[i];
    if (!e->protocol)
        return pn_fail(ctx, PN_ERR_ARG, "there is no protocol '%s'; take native or native-cubic (each generated picture at its own size)",
                       protocol);
    if (!pn_folder_exists(ctx, folder))
        return pn_fail(ctx, PN_ERR_IO, "%s is no folder; name the one with the generated pictures", folder);
    e->folder = pn_strdup(ctx, folder);
    e->results = pn_alloc(ctx, (size_t)e->pairs, sizeof *e->results);
    e->helpers = pn_helpers_new(ctx);
    if (!e->folder || !e->results || !e->helpers) return PN_ERR_NOMEM;
    bool parsed = false;
    for (ptrdiff_t i = 0; e->data && i < e->pairs && !parsed; i++) {
        const pn_pair *p = pn_dataset_pair(e->data, i);
        parsed = p->source->parsing && p->target->parsing;
    }
    return parsed ? pn_merge_find(ctx, pn_dataset_parsing(e->data), &e->merge) : PN_OK;
}

pn_evaluation *pn_evaluation_new(pn_dataset *d, const char *folder, const char *protocol)
{
    pn_ctx *ctx = pn_dataset_ctx(d);
    pn_evaluation *e = pn_alloc(ctx, 1, sizeof *e);
    if (!e) return NULL;
    e->ctx = ctx;
    e->data = d;
    e->pairs = pn_dataset_pairs(d);
    if (!begin(e, folder, protocol)) return e;
    pn_evaluation_free(e);
    return NULL;
}

pn_evaluation *pn_evaluation_of_views(pn_views *v, const char *pairs, const char *folder, const char *protocol)
{
    pn_ctx *ctx = pn_views_ctx(v);
    pn_evaluation *e = pn_alloc(ctx, 1, sizeof *e);
    if (!e) return NULL;
    e->ctx = ctx;
    e->views = v;
    if (!pn_views_pairs(v, pairs, &e->turn, &e->pairs) && !begin(e, folder, protocol)) return e;
    pn_evaluation_free(e);
    return NULL;
}

static pn_status check_frames(pn_ctx *ctx, const pn_clip_row *row)
{
    if (!row->made.frames.count)
        return pn_fail(ctx, PN_ERR_FORMAT, "line %ld of the list has no true frames to score beside; expected paths under 'gen' in A_paths",
                       row->line);
    for (ptrdiff_t t = -1; t < row->made.frames.count; t++) {
        const char *path = t < 0 ? row->reference.frames.path[0] : row->made.frames.path[t];
        if (!pn_file_exists(ctx, path))
            return pn_fail(ctx, PN_ERR_FORMAT, "line %ld of the list: %s is not there; take the row out, or add its clip", row->line, path);
    }
    return PN_OK;
}

static pn_status count_frames(pn_evaluation *e)
{
    const ptrdiff_t clips = pn_clip_list_count(e->clips);
    pn_status status = PN_OK;
    e->first_frame = pn_alloc(e->ctx, (size_t)clips + 1, sizeof *e->first_frame);
    if (!e->first_frame) return PN_ERR_NOMEM;
    for (ptrdiff_t i = 0; i < clips && !status; i++) {
        const pn_clip_row row = pn_clip_list_row(e->clips, i);
        status = check_frames(e->ctx, &row);
        e->first_frame[i + 1] = e->first_frame[i] + row.made.frames.count;
    }
    e->pairs = e->first_frame[clips];
    return status;
}

pn_evaluation *pn_evaluation_of_clips(pn_ctx *ctx, const pn_clip_list *l, const char *folder, const char *protocol)
{
    pn_evaluation *e = pn_alloc(ctx, 1, sizeof *e);
    if (!e) return NULL;
    e->ctx = ctx;
    e->clips = l;
    if (!count_frames(e) && !begin(e, folder, protocol)) return e;
    pn_evaluation_free(e);
    return NULL;
}

ptrdiff_t pn_evaluation_pairs(const pn_evaluation *e) { return e->pairs; }

pn_status pn_evaluation_add_features(pn_evaluation *e, const char *vgg19)
{
    if (e->features) return pn_fail(e->ctx, PN_ERR_ARG, "pn_evaluation_add_features: it has been called before; call it once");
    e->features = pn_feature_list_new(e->ctx, vgg19);
    return e->features ? PN_OK : pn_ctx_status(e->ctx);
}

void pn_evaluation_free(pn_evaluation *e)
{
    if (!e) return;
    pn_helpers_free(e->ctx, e->helpers);
    pn_feature_list_free(e->ctx, e->features);
    pn_free(e->ctx, e->results);
    pn_free(e->ctx, e->folder);
    pn_free(e->ctx, e->first_missing);
    pn_free(e->ctx, e->first_frame);
    pn_ctx_release(e->ctx, e->turn);
    pn_free(e->ctx, e);
}

/* ---- Results ---------------------------------------------------------------------------------------------------- */

const pn_scored *pn_evaluation_pair(const pn_evaluation *e, ptrdiff_t i) { return &e->results[i].scores; }

static pn_part_summary summarise_part(const pn_evaluation *e, int part)
{
    pn_part_tally made = { { 0 }, { 0 }, 0 }, copy = made;
    ptrdiff_t pairs = 0;
    double pixels = 0, persons = 0;
    for (ptrdiff_t i = 0; i < e->pairs; i++) {
        const pn_scored *s = &e->results[i].scores;
        if (!s->found || !s->parsed) continue;
        pixels += (double)(s->height * s->width);
        persons += (double)s->part[PN_PART_PERSON].pixels;
        pairs += s->part[part].pixels > 0;
        pn_part_tally_add(&made, &s->part[part]);
        pn_part_tally_add(&copy, &s->part_copy[part]);
    }
    return (pn_part_summary){ .pairs = pairs,
                              .of_pictures = pixels > 0 ? (double)made.pixels / pixels : 0,
                              .of_persons = persons > 0 ? (double)made.pixels / persons : 0,
                              .generated = pn_part_tally_mean(&made),
                              .copy = pn_part_tally_mean(&copy) };
}

pn_summary pn_evaluation_summary(const pn_evaluation *e)
{
    pn_summary s = { .protocol = e->protocol->name,
                     .filter = e->protocol->filter_name,
                     .pairs = e->pairs,
                     .first_missing = e->first_missing };
    pn_tally made = { { 0 }, { 0 } }, copy = made;
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
        s.parsed += r->scores.parsed;
        pn_tally_add(&made, &r->scores.generated);
        pn_tally_add(&copy, &r->scores.copy);
    }
    if (!same) s.height = s.width = 0;
    s.missing = s.pairs - s.scored;
    s.generated = pn_tally_mean(&made);
    s.copy = pn_tally_mean(&copy);
    s.labelling = e->data ? pn_dataset_parsing(e->data) : e->clips && s.parsed ? "masks" : "";
    for (int i = 0; i < PN_PARTS; i++) s.part[i] = summarise_part(e, i);
    memcpy(s.generated_finite, made.finite, sizeof made.finite);
    memcpy(s.copy_finite, copy.finite, sizeof copy.finite);
    return s;
}

pn_status pn_evaluation_features(const pn_evaluation *e, pn_feature_scores *out)
{
    if (e->features) return pn_feature_list_scores(e->features, out);
    return pn_fail(e->ctx, PN_ERR_ARG, "pn_evaluation_features: there are none; call pn_evaluation_add_features before the run");
}

ptrdiff_t pn_evaluation_clips(const pn_evaluation *e) { return e->clips ? pn_clip_list_count(e->clips) : 0; }

pn_clip_scored pn_evaluation_clip(const pn_evaluation *e, ptrdiff_t i)
{
    const ptrdiff_t first = e->first_frame[i], end = e->first_frame[i + 1];
    pn_clip_scored c = { .frames = end - first };
    pn_tally made = { { 0 }, { 0 } }, copy = made;
    pn_clip_list_name(e->clips, i, c.name);
    for (ptrdiff_t k = first; k < end; k++) {
        const result *r = &e->results[k];
        if (!r->scores.found && !c.first_missing) c.first_missing = k - first + 1;
        if (!r->scores.found) continue;
        c.scored++;
        pn_tally_add(&made, &r->scores.generated);
        pn_tally_add(&copy, &r->scores.copy);
    }
    c.generated = pn_tally_mean(&made);
    c.copy = pn_tally_mean(&copy);
    return c;
}

static bool add_clips(cJSON *o, const pn_evaluation *e)
{
    cJSON *clips = e->clips ? cJSON_AddArrayToObject(o, "per_clip") : NULL;
    bool fine = !e->clips || clips;
    for (ptrdiff_t i = 0; i < pn_evaluation_clips(e) && fine; i++) {
        const pn_clip_scored c = pn_evaluation_clip(e, i);
        cJSON *clip = pn_json_item(clips);
        fine = clip && cJSON_AddStringToObject(clip, "name", c.name) && pn_json_count(clip, "frames", c.frames) &&
               pn_json_count(clip, "scored", c.scored) && pn_json_scores(clip, "generated", &c.generated) &&
               pn_json_scores(clip, "source_copy", &c.copy);
    }
    return fine;
}

static const char *const part_names[PN_PARTS] = { "person", "occluded" };

static bool add_pair_parts(cJSON *o, const pn_scored *s)
{
    bool fine = true;
    for (int i = 0; i < PN_PARTS && fine; i++) {
        cJSON *part = cJSON_AddObjectToObject(o, part_names[i]);
        fine = part && pn_json_count(part, "pixels", s->part[i].pixels) &&
               pn_json_part(part, "generated", &s->part[i]) && pn_json_part(part, "source_copy", &s->part_copy[i]);
    }
    return fine;
}

static bool add_pair_features(cJSON *o, const pn_scored *s)
{
    cJSON *distance = cJSON_AddObjectToObject(o, "feature_distance");
    return distance && cJSON_AddNumberToObject(distance, "generated", s->distance) &&
           cJSON_AddNumberToObject(distance, "source_copy", s->distance_copy);
}

static bool add_pair(cJSON *list, const pn_scored *s)
{
    cJSON *o = pn_json_item(list);
    return o && cJSON_AddStringToObject(o, "from", s->from) && cJSON_AddStringToObject(o, "to", s->to) && pn_json_count(o, "height", s->height) &&
           pn_json_count(o, "width", s->width) && pn_json_scores(o, "generated", &s->generated) &&
           pn_json_scores(o, "source_copy", &s->copy) && (!s->parsed || add_pair_parts(o, s)) &&
           (!s->seen || add_pair_features(o, s));
}

static bool add_parts(cJSON *o, const pn_summary *s)
{
    cJSON *parts = cJSON_AddObjectToObject(o, "parts");
    bool fine = parts && cJSON_AddStringToObject(parts, "labelling", s->labelling) &&
                pn_json_count(parts, "pairs", s->parsed);
    for (int i = 0; i < PN_PARTS && fine; i++) {
        const pn_part_summary *p = &s->part[i];
        cJSON *part = cJSON_AddObjectToObject(parts, part_names[i]);
        fine = part && pn_json_count(part, "pairs", p->pairs) && pn_json_count(part, "pixels", p->generated.pixels) &&
               cJSON_AddNumberToObject(part, "share_of_pictures", p->of_pictures) &&
               cJSON_AddNumberToObject(part, "share_of_persons", p->of_persons) &&
               pn_json_part(part, "generated", &p->generated) && pn_json_part(part, "source_copy", &p->copy);
    }
    return fine;
}

static bool add_summary(cJSON *o, const pn_summary *s)
{
    return cJSON_AddStringToObject(o, "protocol", s->protocol) &&
           cJSON_AddStringToObject(o, "resize_filter", s->filter) && pn_json_count(o, "pairs", s->pairs) &&
           pn_json_count(o, "scored", s->scored) && pn_json_count(o, "missing", s->missing) &&
           pn_json_count(o, "png", s->png) && pn_json_count(o, "jpg", s->jpg) && pn_json_count(o, "height", s->height) &&
           pn_json_count(o, "width", s->width) && pn_json_scores(o, "generated", &s->generated) &&
           pn_json_scores(o, "source_copy", &s->copy) && (!s->parsed || add_parts(o, s));
}

static bool add_feature_row(cJSON *to, const char *name, double distance, double frechet)
{
    cJSON *o = cJSON_AddObjectToObject(to, name);
    return o && cJSON_AddNumberToObject(o, "feature_distance", distance) && cJSON_AddNumberToObject(o, "frechet_distance", frechet);
}

static bool add_features(cJSON *o, const pn_feature_scores *s)
{
    cJSON *f = cJSON_AddObjectToObject(o, "features");
    return f && cJSON_AddStringToObject(f, "network", "vgg19") && cJSON_AddStringToObject(f, "filters", s->filters) &&
           pn_json_count(f, "numbers", s->numbers) && pn_json_count(f, "pairs", s->pairs) &&
           add_feature_row(f, "generated", s->distance, s->frechet) &&
           add_feature_row(f, "source_copy", s->distance_copy, s->frechet_copy);
}

pn_status pn_evaluation_write(const pn_evaluation *e, const char *path)
{
    const pn_summary s = pn_evaluation_summary(e);
    pn_feature_scores features;
    const pn_status status = e->features ? pn_evaluation_features(e, &features) : PN_OK;
    if (status) return status;
    cJSON *json = cJSON_CreateObject();
    bool fine = json && add_summary(json, &s) && (!e->features || add_features(json, &features)) && add_clips(json, e);
    cJSON *pairs = fine ? cJSON_AddArrayToObject(json, "per_pair") : NULL;
    fine = pairs != NULL;
    for (ptrdiff_t i = 0; i < s.pairs && fine; i++)
        if (e->results[i].scores.found) fine = add_pair(pairs, &e->results[i].scores);
    return pn_json_write(e->ctx, json, fine, path);
}
