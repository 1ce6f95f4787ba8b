/* lib/data/loader.c - batches, decoded ahead; contract in posenet/data.h
 *
 * A ring of batches, allocated once. Batch number s lives in slot s % slots; helpers claim its pairs one at a time,
 * in order, and a slot is opened anew when the caller has moved past it. What a pair becomes depends on seed, epoch
 * and its place alone, so the number of helpers cannot show.
 */
#include "core/background.h"
#include "data/augment.h"
#include "data/epoch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS_MIN = 2, SLOTS_MAX = 8, SIDES = 2, GREY = 128 };
static const size_t RING_BYTES = (size_t)256 << 20, CACHE_BYTES = (size_t)256 << 20;

typedef struct {
    float *picture[SIDES], *heatmaps[SIDES], *parsing[SIDES];           /* source, target */
    float *right, *hole;            /* the source's parsing before mistakes */
    const pn_pair **pair;
    uint64_t number;                /* of the batch; slots begin unopened */
    bool opened;
    uint64_t epoch, first;          /* epoch; place of its first pair in the epoch's order */
    ptrdiff_t claimed, done;
    pn_status status;               /* of the first pair (in order) that failed */
    ptrdiff_t failed;
    char message[PN_MESSAGE_MAX];
} slot;

typedef struct { pn_ctx *ctx; pn_image moved[2], classes, hole; } helper;       /* scratch of one thread; channels 3 and 1 */

struct pn_loader {
    pn_dataset *data;
    pn_loader_opt opt;
    pn_merge merge;
    bool parsing;
    uint64_t begin;                 /* number of the first batch since epoch 0 */
    uint64_t batches;               /* per epoch */
    ptrdiff_t *order;               /* of the pairs, in epoch ordered */
    uint64_t ordered;
    slot slots[SLOTS_MAX];
    int slot_count;
    _Atomic(uint8_t *) *pictures, *labels;      /* [persons] resized bytes; NULL array: no room to keep them */
    helper *helpers;
    int helper_count;
    pn_monitor *monitor;            /* guards all below, and claimed, done, opened of slots */
    pn_background *threads;
    uint64_t next;                  /* batch that the caller gets next, counted from begin */
    uint64_t working;               /* batch whose pairs are being claimed */
    bool stop;
};

/* ---- One pair --------------------------------------------------------------------------------------------------- */

typedef enum { PICTURE, LABELS } layer;

static pn_status decode(pn_loader *l, pn_ctx *ctx, const pn_person *person, layer which, pn_image *out)
{
    pn_image read;
    const char *path = which == PICTURE ? person->path : person->parsing;
    if (!path)
        return pn_fail(ctx, PN_ERR_FORMAT, "%s has no parsing map; make it, or train without parsing", person->name);
    pn_status status = which == PICTURE ? pn_image_read(ctx, path, &read) : pn_labels_read(ctx, path, &read);
    if (status) return status;
    if (read.height == l->opt.height && read.width == l->opt.width) {
        *out = read;
        return PN_OK;
    }
    status = pn_image_resize(ctx, &read, l->opt.height, l->opt.width,
                             which == PICTURE ? l->opt.filter : PN_FILTER_NEAREST, out);
    pn_image_free(ctx, &read);
    return status;
}

/* A person's bytes at our size: kept ones, or read now and kept if there is room. *owned: free the image after use. */
static pn_status fetch(pn_loader *l, pn_ctx *ctx, const pn_person *person, layer which, pn_image *out, bool *owned)
{
    _Atomic(uint8_t *) *kept = which == PICTURE ? l->pictures : l->labels;
    _Atomic(uint8_t *) *place = kept ? &kept[person - l->data->person] : NULL;
    uint8_t *bytes = place ? atomic_load(place) : NULL;
    *owned = false;
    if (bytes) {
        *out = (pn_image){ l->opt.height, l->opt.width, which == PICTURE ? 3 : 1, bytes };
        return PN_OK;
    }
    const pn_status status = decode(l, ctx, person, which, out);
    if (status) return status;
    *owned = !place || !atomic_compare_exchange_strong(place, &bytes, out->pixels);    /* another was faster: ours
    * goes */
    return PN_OK;
}

/* What will be written: one side (source, target) of item i of slot s. */
typedef struct { slot *s; ptrdiff_t item; int side; const pn_person *person; const pn_motion *motion; } request;

/* The name of random numbers for item i of slot s. */
static pn_rng rng_of(const pn_loader *l, const char *what, const slot *s, ptrdiff_t item)
{
    char stream[64];
    snprintf(stream, sizeof stream, "%s/%llu/%llu", what, (unsigned long long)s->epoch,
             (unsigned long long)s->first + (unsigned long long)item);
    return pn_rng_named(l->opt.seed, stream);
}

/* The right classes and then, in h->classes, those that the network is given. */
static pn_status make_mistakes(pn_loader *l, helper *h, const request *r, const pn_image *labels)
{
    const ptrdiff_t plane = l->opt.height * l->opt.width;
    pn_rng rng = rng_of(l, "mistakes", r->s, r->item);
    pn_uniforms u = { .rng = &rng };
    pn_labels_to_onehot(labels, &l->merge, r->s->right + r->item * l->merge.classes * plane);
    memcpy(h->classes.pixels, labels->pixels, (size_t)plane);
    return pn_labels_mistake(h->ctx, &h->classes, l->opt.mistakes, &u);
}

static pn_status draw_hole(pn_loader *l, helper *h, const request *r, const pn_image *labels)
{
    const ptrdiff_t plane = l->opt.height * l->opt.width;
    pn_rng rng = rng_of(l, "hole", r->s, r->item);
    pn_uniforms u = { .rng = &rng };
    memcpy(h->classes.pixels, labels->pixels, (size_t)plane);
    pn_merge_apply(&l->merge, &h->classes);
    const pn_status status = pn_hole_draw(h->ctx, &h->hole, &h->classes, l->opt.hole, l->opt.place, &u);
    for (ptrdiff_t i = 0; i < plane; i++) r->s->hole[r->item * plane + i] = h->hole.pixels[i];
    return status;
}

static pn_status load_layer(pn_loader *l, helper *h, const request *r, layer which)
{
    pn_image image;
    bool owned;
    pn_status status = fetch(l, h->ctx, r->person, which, &image, &owned);
    if (status) return status;
    const pn_image *final = &image;
    if (r->motion) {
        pn_motion_image(r->motion, &image, which == PICTURE ? GREY : 0, &h->moved[which]);
        final = &h->moved[which];
    }
    const ptrdiff_t plane = l->opt.height * l->opt.width;
    if (which == LABELS && r->side == 0 && r->s->right) {
        status = make_mistakes(l, h, r, final);
        final = &h->classes;
    }
    if (which == PICTURE) pn_image_to_floats(final, r->s->picture[r->side] + r->item * 3 * plane);
    else pn_labels_to_onehot(final, &l->merge, r->s->parsing[r->side] + r->item * l->merge.classes * plane);
    if (!status && which == LABELS && r->side == 0 && r->s->hole) status = draw_hole(l, h, r, final);
    if (owned) pn_image_free(h->ctx, &image);
    return status;
}

static pn_status load_side(pn_loader *l, helper *h, const request *r)
{
    const pn_person *p = r->person;
    const ptrdiff_t height = l->opt.height, width = l->opt.width;
    pn_status status = load_layer(l, h, r, PICTURE);
    if (!status && l->parsing) status = load_layer(l, h, r, LABELS);
    if (status) return status;
    pn_pose pose = pn_pose_scale(&p->pose, (double)p->grid_height, (double)p->grid_width, (double)height,
                                 (double)width);
    if (r->motion) pose = pn_motion_pose(r->motion, &pose, height, width);
    pn_pose_maps(&pose, height, width, l->opt.sigma, l->opt.limbs,
                 r->s->heatmaps[r->side] + r->item * pn_pose_channels(l->opt.limbs) * height * width);
    return PN_OK;
}

static pn_status load_pair(pn_loader *l, helper *h, slot *s, ptrdiff_t item)
{
    pn_rng rng = rng_of(l, "augment", s, item);
    pn_status status = PN_OK;
    for (int side = 0; side < SIDES && !status; side++) {
        const pn_motion motion = pn_motion_draw(&rng, side == 0 ? PN_AUGMENT_SOURCE : PN_AUGMENT_TARGET);
        const request r = { s, item, side, side == 0 ? s->pair[item]->source : s->pair[item]->target,
                            l->opt.augment == PN_AUGMENT_MARKET ? &motion : NULL };
        status = load_side(l, h, &r);
    }
    return status;
}

/* ---- Order of work (inside the monitor) ------------------------------------------------------------------------- */

static void order_epoch(pn_loader *l, uint64_t epoch)
{
    pn_epoch_order(l->opt.seed, "order", epoch, l->opt.order, l->order, pn_dataset_pairs(l->data));
    l->ordered = epoch;
}

static void open_slot(pn_loader *l, slot *s, uint64_t number)
{
    const uint64_t global = l->begin + number;
    s->epoch = global / l->batches;
    s->first = global % l->batches * (uint64_t)l->opt.batch;
    if (s->epoch != l->ordered) order_epoch(l, s->epoch);
    for (ptrdiff_t i = 0; i < l->opt.batch; i++)
        s->pair[i] = pn_dataset_pair(l->data, l->order[(ptrdiff_t)s->first + i]);
    s->number = number;
    s->opened = true;
    s->claimed = s->done = 0;
    s->status = PN_OK;
}

/* A slot with a pair to load and, in *item, which; NULL: nothing to do now. */
static slot *claim(pn_loader *l, ptrdiff_t *item)
{
    for (;;) {
        slot *s = &l->slots[l->working % (uint64_t)l->slot_count];
        if (!s->opened || s->number != l->working) {
            const uint64_t held = l->next ? l->next - 1 : 0;            /* the caller still reads this one */
            if (l->working >= held + (uint64_t)l->slot_count) return NULL;
            open_slot(l, s, l->working);
        }
        if (s->claimed < l->opt.batch) {
            *item = s->claimed++;
            return s;
        }
        l->working++;
    }
}

static void finish(pn_loader *l, slot *s, ptrdiff_t item, pn_ctx *ctx, pn_status status)
{
    if (status && (!s->status || item < s->failed)) {
        s->status = status;
        s->failed = item;
        snprintf(s->message, sizeof s->message, "%s", pn_ctx_message(ctx));
    }
    if (++s->done == l->opt.batch) pn_monitor_ring(l->monitor);
}

static void help(void *job, int worker)
{
    pn_loader *l = job;
    helper *h = &l->helpers[worker];
    pn_monitor_enter(l->monitor);
    while (!l->stop) {
        ptrdiff_t item;
        slot *s = claim(l, &item);
        if (!s) {
            pn_monitor_wait(l->monitor);
            continue;
        }
        pn_monitor_leave(l->monitor);
        const pn_status status = load_pair(l, h, s, item);
        pn_monitor_enter(l->monitor);
        finish(l, s, item, h->ctx, status);
    }
    pn_monitor_leave(l->monitor);
}

/* ---- The caller's side ------------------------------------------------------------------------------------------ */

pn_status pn_loader_next(pn_loader *l, pn_batch *out)
{
    pn_monitor_enter(l->monitor);
    l->next++;                                          /* moves past the batch before: its slot may be opened anew */
    pn_monitor_ring(l->monitor);
    const uint64_t wanted = l->next - 1;
    slot *s = &l->slots[wanted % (uint64_t)l->slot_count];
    while (!s->opened || s->number != wanted || s->done < l->opt.batch) pn_monitor_wait(l->monitor);
    const pn_status status = s->status;
    if (status) l->next--;
    pn_monitor_leave(l->monitor);
    if (status) return pn_fail(l->data->ctx, status, "%s", s->message);
    *out = (pn_batch) {
        .size = l->opt.batch,
        .classes = l->parsing ? l->merge.classes : 0,
        .source = s->picture[0],
        .target = s->picture[1],
        .pose_source = s->heatmaps[0],
        .pose_target = s->heatmaps[1],
        .parsing_source = s->parsing[0],
        .parsing_target = s->parsing[1],
        .parsing_right = s->right ? s->right : s->parsing[0],
        .hole = s->hole,
        .pair = s->pair,
        .epoch = s->epoch,
    };
    return PN_OK;
}

pn_loader_state pn_loader_where(const pn_loader *l)
{
    const uint64_t global = l->begin + l->next;
    return (pn_loader_state){ l->opt.seed, global / l->batches, global % l->batches };
}

ptrdiff_t pn_loader_epoch_batches(const pn_loader *l) { return (ptrdiff_t)l->batches; }

/* ---- Making and freeing ----------------------------------------------------------------------------------------- */

static pn_status check_options(pn_loader *l)
{
    pn_ctx *ctx = l->data->ctx;
    const pn_loader_opt *o = &l->opt;
    const ptrdiff_t n = pn_dataset_pairs(l->data);
    if (o->batch < 1) return pn_fail(ctx, PN_ERR_ARG, "pn_loader_new: batch is %td, expected 1 or more", o->batch);
    if (o->batch > n)
        return pn_fail(ctx, PN_ERR_ARG,
                       "pn_loader_new: a batch of %td is more than the %td pairs there are; take --batch %td or less",
                       o->batch, n, n);
    pn_status status = pn_picture_size_check(ctx, "pn_loader_new", o->height, o->width);
    if (!status && o->hole != PN_HOLE_NONE && !o->merge)
        status = pn_fail(ctx, PN_ERR_ARG, "pn_loader_new: holes are drawn on persons, which takes parsing; give a merge, or \"\"");
    if (!status && !(o->mistakes >= 0 && o->mistakes <= 1))
        status = pn_fail(ctx, PN_ERR_ARG, "pn_loader_new: mistakes is %g, expected a share from 0 to 1", o->mistakes);
    if (!status && o->mistakes > 0 && !o->merge)
        status = pn_fail(ctx, PN_ERR_ARG, "pn_loader_new: mistakes are made in label maps, which takes parsing; give a merge, or \"\"");
    if (status || !o->merge) return status;
    const char *merge = o->merge[0] ? o->merge : pn_dataset_parsing(l->data);
    if (!merge[0])
        return pn_fail(ctx, PN_ERR_FORMAT,
                       "%s has no parsing maps, and this model needs them; expected a folder such as train_lip20",
                       l->data->folder);
    l->parsing = true;
    status = pn_merge_find(ctx, merge, &l->merge);
    if (!status && o->classes && l->merge.classes != o->classes)
        status = pn_fail(ctx, PN_ERR_ARG, "the labels %s have %d classes, and this model needs %d; name a merge of as many", merge,
                         l->merge.classes, o->classes);
    return status;
}

static size_t floats_of(const pn_loader *l)
{
    const size_t maps = (size_t)(3 + pn_pose_channels(l->opt.limbs) + (l->parsing ? l->merge.classes : 0) * (l->opt.mistakes > 0 ? 2 : 1) + (l->opt.hole != PN_HOLE_NONE));
    return (size_t)l->opt.batch * (size_t)(l->opt.height * l->opt.width) * maps * SIDES;
}

static pn_status make_slots(pn_loader *l)
{
    pn_ctx *ctx = l->data->ctx;
    const size_t plane = (size_t)(l->opt.height * l->opt.width), n = (size_t)l->opt.batch;
    const size_t fit = RING_BYTES / (floats_of(l) * sizeof(float) + 1);
    l->slot_count = fit < SLOTS_MIN ? SLOTS_MIN : fit > SLOTS_MAX ? SLOTS_MAX : (int)fit;
    for (int i = 0; i < l->slot_count; i++) {
        slot *s = &l->slots[i];
        s->pair = pn_alloc(ctx, n, sizeof *s->pair);
        if (!s->pair) return PN_ERR_NOMEM;
        if (l->opt.hole != PN_HOLE_NONE && !(s->hole = pn_alloc(ctx, n * plane, sizeof *s->hole))) return PN_ERR_NOMEM;
        for (int side = 0; side < SIDES; side++) {
            s->picture[side] = pn_alloc(ctx, n * plane, 3 * sizeof(float));
            s->heatmaps[side] = pn_alloc(ctx, n * plane, (size_t)pn_pose_channels(l->opt.limbs) * sizeof(float));
            if (!s->picture[side] || !s->heatmaps[side]) return PN_ERR_NOMEM;
            if (l->parsing) s->parsing[side] = pn_alloc(ctx, n * plane, (size_t)l->merge.classes * sizeof(float));
            if (l->parsing && !s->parsing[side]) return PN_ERR_NOMEM;
        }
        if (l->opt.mistakes > 0 && !(s->right = pn_alloc(ctx, n * plane, (size_t)l->merge.classes * sizeof(float)))) return PN_ERR_NOMEM;
    }
    return PN_OK;
}

/* Room for every picture that a pair names, if all of them fit the budget; none otherwise: half a cache helps
 * nobody. */
static pn_status make_cache(pn_loader *l)
{
    pn_dataset *d = l->data;
    uint8_t *used = pn_alloc(d->ctx, d->persons, 1);
    if (!used) return PN_ERR_NOMEM;
    size_t pictures = 0;
    for (ptrdiff_t i = 0; i < d->pairs; i++)
        for (int side = 0; side < SIDES; side++) {
            uint8_t *mark = &used[(side ? d->pair[i].target : d->pair[i].source) - d->person];
            pictures += !*mark;
            *mark = 1;
        }
    pn_free(d->ctx, used);
    const size_t budget = l->opt.cache_bytes ? l->opt.cache_bytes : CACHE_BYTES;
    const size_t each = (size_t)(l->opt.height * l->opt.width) * (l->parsing ? 4 : 3);
    if (pictures > budget / each) return PN_OK;
    l->pictures = pn_alloc(d->ctx, d->persons, sizeof *l->pictures);
    l->labels = l->parsing ? pn_alloc(d->ctx, d->persons, sizeof *l->labels) : NULL;
    return !l->pictures || (l->parsing && !l->labels) ? PN_ERR_NOMEM : PN_OK;
}

static pn_status make_helpers(pn_loader *l)
{
    pn_ctx *ctx = l->data->ctx;
    l->helper_count = l->opt.threads > 0 ? l->opt.threads : pn_ctx_threads(ctx);
    l->helpers = pn_alloc(ctx, (size_t)l->helper_count, sizeof *l->helpers);
    l->monitor = pn_monitor_new(ctx);
    if (!l->helpers || !l->monitor) return PN_ERR_NOMEM;
    for (int i = 0; i < l->helper_count; i++) {
        l->helpers[i].ctx = pn_ctx_child(ctx);
        if (!l->helpers[i].ctx) return PN_ERR_NOMEM;
        pn_status status = PN_OK;
        if (l->opt.hole != PN_HOLE_NONE || l->opt.mistakes > 0)
            status = pn_image_new(ctx, l->opt.height, l->opt.width, 1, &l->helpers[i].classes);
        if (!status && l->opt.hole != PN_HOLE_NONE)
            status = pn_image_new(ctx, l->opt.height, l->opt.width, 1, &l->helpers[i].hole);
        if (status) return status;
        if (l->opt.augment == PN_AUGMENT_NONE) continue;
        status = pn_image_new(ctx, l->opt.height, l->opt.width, 3, &l->helpers[i].moved[PICTURE]);
        if (!status) status = pn_image_new(ctx, l->opt.height, l->opt.width, 1, &l->helpers[i].moved[LABELS]);
        if (status) return status;
    }
    return PN_OK;
}

static pn_status begin(pn_loader *l, const pn_loader_state *from)
{
    pn_status status = check_options(l);
    if (status) return status;
    if (l->opt.sigma <= 0) l->opt.sigma = 6.0;
    l->batches = (uint64_t)(pn_dataset_pairs(l->data) / l->opt.batch);
    if (from) {
        l->opt.seed = from->seed;
        l->begin = from->epoch * l->batches + from->position;
    }
    l->order = pn_alloc(l->data->ctx, (size_t)pn_dataset_pairs(l->data), sizeof *l->order);
    if (!l->order) return PN_ERR_NOMEM;
    order_epoch(l, l->begin / l->batches);
    status = make_slots(l);
    if (!status) status = make_cache(l);
    if (!status) status = make_helpers(l);
    if (status) return status;
    l->threads = pn_background_start(l->data->ctx, l->helper_count, help, l);
    return l->threads ? PN_OK : pn_ctx_status(l->data->ctx);
}

pn_loader *pn_loader_new(pn_dataset *d, const pn_loader_opt *opt, const pn_loader_state *from)
{
    pn_loader *l = pn_alloc(d->ctx, 1, sizeof *l);
    if (!l) return NULL;
    l->data = d;
    l->opt = *opt;
    if (!begin(l, from)) return l;
    pn_loader_free(l);
    return NULL;
}

static void free_slot(pn_ctx *ctx, slot *s)
{
    for (int side = 0; side < SIDES; side++) {
        pn_free(ctx, s->picture[side]);
        pn_free(ctx, s->heatmaps[side]);
        pn_free(ctx, s->parsing[side]);
    }
    pn_free(ctx, s->right);
    pn_free(ctx, s->hole);
    pn_free(ctx, s->pair);
}

static void free_cache(pn_loader *l, _Atomic(uint8_t *) *kept)
{
    for (size_t i = 0; kept && i < l->data->persons; i++) pn_free(l->data->ctx, atomic_load(&kept[i]));
    pn_free(l->data->ctx, kept);
}

void pn_loader_free(pn_loader *l)
{
    if (!l) return;
    pn_ctx *ctx = l->data->ctx;
    if (l->threads) {
        pn_monitor_enter(l->monitor);
        l->stop = true;
        pn_monitor_ring(l->monitor);
        pn_monitor_leave(l->monitor);
        pn_background_join(ctx, l->threads);
    }
    for (int i = 0; l->helpers && i < l->helper_count; i++) {
        pn_image_free(ctx, &l->helpers[i].moved[PICTURE]);
        pn_image_free(ctx, &l->helpers[i].moved[LABELS]);
        pn_image_free(ctx, &l->helpers[i].classes);
        pn_image_free(ctx, &l->helpers[i].hole);
        pn_ctx_free(l->helpers[i].ctx);
    }
    for (int i = 0; i < l->slot_count; i++) free_slot(ctx, &l->slots[i]);
    free_cache(l, l->pictures);
    free_cache(l, l->labels);
    pn_monitor_free(ctx, l->monitor);
    pn_free(ctx, l->helpers);
    pn_free(ctx, l->order);
    pn_free(ctx, l);
}

/* ---- One person by hand ----------------------------------------------------------------------------------------- */

pn_status pn_person_load(pn_ctx *ctx, const pn_person *person, ptrdiff_t height, ptrdiff_t width, pn_filter filter,
                         float *picture, float *heatmaps)
{
    if (picture) {
        pn_image read, sized;
        pn_status status = pn_image_read(ctx, person->path, &read);
        if (status) return status;
        status = pn_image_resize(ctx, &read, height, width, filter, &sized);
        pn_image_free(ctx, &read);
        if (status) return status;
        pn_image_to_floats(&sized, picture);
        pn_image_free(ctx, &sized);
    }
    if (heatmaps) {
        const pn_pose pose = pn_pose_scale(&person->pose, (double)person->grid_height, (double)person->grid_width,
                                           (double)height, (double)width);
        pn_pose_heatmaps(&pose, height, width, 6.0, heatmaps);
    }
    return PN_OK;
}

static pn_status read_labels(pn_ctx *ctx, const pn_person *person, ptrdiff_t height, ptrdiff_t width, pn_image *out)
{
    pn_image read;
    if (!person->parsing) return pn_fail(ctx, PN_ERR_FORMAT, "%s has no parsing map, and one is needed", person->name);
    pn_status status = pn_labels_read(ctx, person->parsing, &read);
    if (status) return status;
    status = pn_image_resize(ctx, &read, height, width, PN_FILTER_NEAREST, out);
    pn_image_free(ctx, &read);
    return status;
}

pn_status pn_person_parsing(pn_ctx *ctx, const pn_person *person, const pn_merge *merge, ptrdiff_t height, ptrdiff_t width,
                            float *parsing)
{
    pn_image labels;
    const pn_status status = read_labels(ctx, person, height, width, &labels);
    if (status) return status;
    pn_labels_to_onehot(&labels, merge, parsing);
    pn_image_free(ctx, &labels);
    return PN_OK;
}

pn_status pn_person_classes(pn_ctx *ctx, const pn_person *person, const pn_merge *merge, ptrdiff_t height, ptrdiff_t width,
                            pn_image *out)
{
    const pn_status status = read_labels(ctx, person, height, width, out);
    if (!status) pn_merge_apply(merge, out);
    return status;
}
