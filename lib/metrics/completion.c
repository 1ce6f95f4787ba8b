/* lib/metrics/completion.c - scores of completed pictures beside filling their holes; contract in posenet/metrics.h */
#include "metrics/inside.h"

#include <math.h>
#include <string.h>

typedef struct { pn_completed picture; pn_status status; char *message; } result;

struct pn_completion {
    pn_ctx *ctx;
    pn_dataset *data;
    char *folder, *kind_name;
    pn_hole_kind kind;
    pn_merge merge;
    ptrdiff_t pictures;
    result *results;                /* [pictures] */
    pn_ctx **helpers;               /* one per thread of the pool */
    ptrdiff_t first;                /* of the run in progress */
    char *first_missing;
};

/* ---- One picture ------------------------------------------------------------------------------------------------ */

/* Bits of a pixel, as parts for pn_score_parts. */
enum { HOLE = 1, PERSON = 2 };

/* Fill the hole with the mean of the pixels that have the wanted bits and no hole. false: there is no such pixel. */
static bool fill(pn_image *picture, const uint8_t *bits, uint8_t wanted)
{
    const ptrdiff_t area = picture->height * picture->width;
    double sum[3] = { 0, 0, 0 };
    ptrdiff_t seen = 0;
    for (ptrdiff_t i = 0; i < area; i++) {
        if (bits[i] & HOLE || (bits[i] & wanted) != wanted) continue;
        for (int c = 0; c < 3; c++) sum[c] += picture->pixels[3 * i + c];
        seen++;
    }
    for (ptrdiff_t i = 0; i < area && seen; i++)
        for (int c = 0; c < 3 && bits[i] & HOLE; c++)
            picture->pixels[3 * i + c] = (uint8_t)floor(sum[c] / (double)seen + 0.5);
    return seen > 0;
}

/* The hole and the person as bits, and how much of the person lies in it. */
static pn_status mark(const pn_completion *c, pn_ctx *ctx, pn_completed *p, pn_image *bits)
{
    pn_image classes = { 0 };
    pn_status status = pn_person_classes(ctx, p->person, &c->merge, p->height, p->width, &classes);
    if (!status) status = pn_image_new(ctx, p->height, p->width, 1, bits);
    if (!status) status = pn_hole_named(ctx, bits, &classes, c->kind, p->person->name);
    ptrdiff_t missing = 0, person = 0, both = 0;
    for (ptrdiff_t i = 0; !status && i < p->height * p->width; i++) {
        missing += bits->pixels[i];
        person += classes.pixels[i] != 0;
        both += bits->pixels[i] && classes.pixels[i];
        if (classes.pixels[i]) bits->pixels[i] |= PERSON;
    }
    p->intact = missing == 0;
    p->ratio = person ? (double)both / (double)person : 0;
    pn_image_free(ctx, &classes);
    return status;
}

static pn_status score_found(const pn_completion *c, pn_ctx *ctx, const char *path, pn_completed *p)
{
    pn_completed_scores *s = &p->scores;
    pn_image made = { 0 }, truth = { 0 }, filled = { 0 }, bits = { 0 };
    pn_status status = pn_image_read(ctx, path, &made);
    p->height = made.height;
    p->width = made.width;
    if (!status) status = mark(c, ctx, p, &bits);
    if (!status) status = pn_read_like(ctx, p->person->path, PN_FILTER_TRIANGLE, &made, &truth);
    if (!status) status = pn_image_new(ctx, made.height, made.width, 3, &filled);
    if (!status && !p->intact) {
        memcpy(filled.pixels, truth.pixels, (size_t)(3 * made.height * made.width));
        if (!fill(&filled, bits.pixels, PERSON)) fill(&filled, bits.pixels, 0);
        status = pn_score(ctx, &made, &truth, &s->whole);
        if (!status) status = pn_score(ctx, &filled, &truth, &s->whole_filled);
        if (!status) status = pn_score_parts(ctx, &made, &truth, &bits, 1, &s->hole);
        if (!status) status = pn_score_parts(ctx, &filled, &truth, &bits, 1, &s->hole_filled);
    }
    p->found = !status;
    pn_image *const all[] = { &made, &truth, &filled, &bits };
    for (int i = 0; i < 4; i++) pn_image_free(ctx, all[i]);
    return status;
}

/* folder/<stem> with this ending, pn_free it; "" for none */
static char *path_of(const pn_completion *c, pn_ctx *ctx, const pn_person *person, const char *ending)
{
    return pn_format(ctx, "%s/%.*s%s", c->folder, pn_stem_length(person->name), person->name, ending);
}

static void score_one(void *job, ptrdiff_t item, int worker)
{
    static const char *const endings[] = { ".png", ".jpg" };
    pn_completion *c = job;
    pn_ctx *ctx = c->helpers[worker];
    result *r = &c->results[c->first + item];
    r->picture = (pn_completed){ .person = pn_dataset_target(c->data, c->first + item) };
    r->status = PN_OK;
    for (int i = 0; i < 2 && !r->status && !r->picture.found; i++) {
        char *path = path_of(c, ctx, r->picture.person, endings[i]);
        if (!path) r->status = PN_ERR_NOMEM;
        else if (pn_file_exists(ctx, path)) r->status = score_found(c, ctx, path, &r->picture);
        pn_free(ctx, path);
    }
    if (r->status) r->message = pn_strdup(ctx, pn_ctx_message(ctx));
}

pn_status pn_completion_run(pn_completion *c, ptrdiff_t first, ptrdiff_t n)
{
    if (first < 0 || n < 0 || n > c->pictures - first)
        return pn_fail(c->ctx, PN_ERR_ARG, "pn_completion_run: pictures %td to %td of %td", first, first + n - 1, c->pictures);
    c->first = first;
    pn_parallel(pn_ctx_pool(c->ctx), n, score_one, c);
    pn_status status = PN_OK;
    for (ptrdiff_t i = first; i < first + n; i++) {
        result *r = &c->results[i];
        if (r->status && !status) status = pn_fail(c->ctx, r->status, "%s", r->message ? r->message : "no memory");
        pn_free(c->ctx, r->message);
        r->message = NULL;
        if (!r->picture.found && !r->status && !c->first_missing)
            c->first_missing = path_of(c, c->ctx, r->picture.person, "");
    }
    return status;
}

/* ---- Making and freeing ----------------------------------------------------------------------------------------- */

static pn_status begin(pn_completion *c, const char *folder, const char *kind)
{
    pn_ctx *ctx = c->ctx;
    pn_status status = pn_hole_kind_find(ctx, kind, &c->kind);
    if (!status && c->kind == PN_HOLE_NONE)
        status = pn_fail(ctx, PN_ERR_ARG, "holes of kind none leave nothing to score; take mixed, rect, stroke or region");
    if (!status && !pn_folder_exists(ctx, folder))
        status = pn_fail(ctx, PN_ERR_IO, "%s is no folder; name the one with the completed pictures", folder);
    if (!status && !*pn_dataset_parsing(c->data))
        status = pn_fail(ctx, PN_ERR_FORMAT, "the data set has no label maps, and holes lie on the person that they show");
    if (!status) status = pn_merge_find(ctx, pn_dataset_parsing(c->data), &c->merge);
    if (status) return status;
    c->folder = pn_strdup(ctx, folder);
    c->kind_name = pn_strdup(ctx, kind);
    c->results = pn_alloc(ctx, (size_t)c->pictures, sizeof *c->results);
    c->helpers = pn_helpers_new(ctx);
    return c->folder && c->kind_name && c->results && c->helpers ? PN_OK : PN_ERR_NOMEM;
}

pn_completion *pn_completion_new(pn_dataset *d, const char *folder, const char *kind, ptrdiff_t limit)
{
    pn_ctx *ctx = pn_dataset_ctx(d);
    pn_completion *c = pn_alloc(ctx, 1, sizeof *c);
    if (!c) return NULL;
    c->ctx = ctx;
    c->data = d;
    c->pictures = pn_dataset_targets(d);
    if (limit > 0 && limit < c->pictures) c->pictures = limit;
    if (!begin(c, folder, kind)) return c;
    pn_completion_free(c);
    return NULL;
}

void pn_completion_free(pn_completion *c)
{
    if (!c) return;
    pn_helpers_free(c->ctx, c->helpers);
    pn_free(c->ctx, c->results);
    pn_free(c->ctx, c->folder);
    pn_free(c->ctx, c->kind_name);
    pn_free(c->ctx, c->first_missing);
    pn_free(c->ctx, c);
}

/* ---- Results ---------------------------------------------------------------------------------------------------- */

ptrdiff_t pn_completion_pictures(const pn_completion *c) { return c->pictures; }
const pn_completed *pn_completion_picture(const pn_completion *c, ptrdiff_t i) { return &c->results[i].picture; }

static int group_of(double ratio)
{
    int g = 0;
    while (g + 1 < PN_HOLE_GROUPS && 10 * ratio >= g + 1) g++;
    return g;
}

/* Of one group, or of all where it is negative. */
static pn_completed_group summarise(const pn_completion *c, int group)
{
    pn_tally whole = { { 0 }, { 0 } }, whole_filled = whole;
    pn_part_tally hole = { { 0 }, { 0 }, 0 }, hole_filled = hole;
    ptrdiff_t pictures = 0;
    for (ptrdiff_t i = 0; i < c->pictures; i++) {
        const pn_completed *p = &c->results[i].picture;
        if (!p->found || p->intact || (group >= 0 && group_of(p->ratio) != group)) continue;
        pictures++;
        pn_tally_add(&whole, &p->scores.whole);
        pn_tally_add(&whole_filled, &p->scores.whole_filled);
        pn_part_tally_add(&hole, &p->scores.hole);
        pn_part_tally_add(&hole_filled, &p->scores.hole_filled);
    }
    const pn_completed_scores mean = { pn_tally_mean(&whole), pn_tally_mean(&whole_filled), pn_part_tally_mean(&hole),
                                       pn_part_tally_mean(&hole_filled) };
    return (pn_completed_group){ pictures, mean };
}

pn_completion_summary pn_completion_summarise(const pn_completion *c)
{
    pn_completion_summary s = { .kind = c->kind_name,
                                .labelling = pn_dataset_parsing(c->data),
                                .pictures = c->pictures,
                                .first_missing = c->first_missing,
                                .all = summarise(c, -1) };
    bool same = true;
    for (ptrdiff_t i = 0; i < c->pictures; i++) {
        const pn_completed *p = &c->results[i].picture;
        s.missing += !p->found;
        s.intact += p->found && p->intact;
        if (!p->found) continue;
        if (!s.height) {
            s.height = p->height;
            s.width = p->width;
        }
        same = same && s.height == p->height && s.width == p->width;
    }
    if (!same) s.height = s.width = 0;
    s.scored = s.all.pictures;
    for (int g = 0; g < PN_HOLE_GROUPS; g++) s.group[g] = summarise(c, g);
    return s;
}

static bool add_scores(cJSON *o, const pn_completed_scores *s)
{
    return pn_json_scores(o, "completed", &s->whole) && pn_json_scores(o, "mean_colour", &s->whole_filled) &&
           pn_json_count(o, "hole_pixels", s->hole.pixels) && pn_json_part(o, "completed_hole", &s->hole) &&
           pn_json_part(o, "mean_colour_hole", &s->hole_filled);
}

static bool add_groups(cJSON *json, const pn_completion_summary *s)
{
    cJSON *list = cJSON_AddArrayToObject(json, "by_hole_ratio");
    bool fine = list != NULL;
    for (int g = 0; g < PN_HOLE_GROUPS && fine; g++) {
        cJSON *o = pn_json_item(list);
        fine = o && cJSON_AddNumberToObject(o, "from", g / 10.0) &&
               cJSON_AddNumberToObject(o, "to", g + 1 < PN_HOLE_GROUPS ? (g + 1) / 10.0 : 1) &&
               pn_json_count(o, "pictures", s->group[g].pictures) && add_scores(o, &s->group[g].mean);
    }
    return fine;
}

static bool add_picture(cJSON *list, const pn_completed *p)
{
    cJSON *o = pn_json_item(list);
    return o && cJSON_AddStringToObject(o, "name", p->person->name) && pn_json_count(o, "height", p->height) &&
           pn_json_count(o, "width", p->width) && cJSON_AddNumberToObject(o, "hole_ratio", p->ratio) &&
           add_scores(o, &p->scores);
}

static bool add_summary(cJSON *o, const pn_completion_summary *s)
{
    return cJSON_AddStringToObject(o, "task", "inpaint") && cJSON_AddStringToObject(o, "kind", s->kind) &&
           cJSON_AddStringToObject(o, "labelling", s->labelling) && pn_json_count(o, "pictures", s->pictures) &&
           pn_json_count(o, "scored", s->scored) && pn_json_count(o, "intact", s->intact) &&
           pn_json_count(o, "missing", s->missing) && pn_json_count(o, "height", s->height) &&
           pn_json_count(o, "width", s->width) && add_scores(o, &s->all.mean) && add_groups(o, s);
}

pn_status pn_completion_write(const pn_completion *c, const char *path)
{
    const pn_completion_summary s = pn_completion_summarise(c);
    cJSON *json = cJSON_CreateObject();
    bool fine = json && add_summary(json, &s);
    cJSON *list = fine ? cJSON_AddArrayToObject(json, "per_picture") : NULL;
    fine = list != NULL;
    for (ptrdiff_t i = 0; i < s.pictures && fine; i++) {
        const pn_completed *p = pn_completion_picture(c, i);
        if (p->found && !p->intact) fine = add_picture(list, p);
    }
    return pn_json_write(c->ctx, json, fine, path);
}
