/* lib/data/chunks.c - consecutive frames of several clips, for recurrent training; contract in posenet/clips.h
 *
 * A chunk's number says all: which epoch, which group of clips, which part of their samples. Its frames are read side
 * by side on the context's threads, each to its own place.
 */
#include "data/clips.h"
#include "data/epoch.h"
#include "data/helpers.h"

#include <stdio.h>
#include <string.h>

enum { SAMPLE = 30, CHUNK = 6, REFERENCES = 20 };

/* What is drawn for one clip of a group. */
typedef struct { ptrdiff_t clip, start, reference; pn_motion motion, reference_motion; } sample;

struct pn_chunks {
    pn_clips *clips;
    pn_chunks_opt opt;
    uint64_t next, per_sample, epoch_chunks;
    uint64_t ordered;               /* epoch of order */
    uint64_t group;                 /* since epoch 0: whose samples are drawn and references loaded; none: UINT64_MAX */
    ptrdiff_t *order, *clip, *first;
    sample *samples;                /* [B] */
    float *picture, *structure, *mask, *reference, *reference_structure;
    bool references;                /* are to be loaded with this chunk */
    pn_helpers helpers;
};

/* ---- What is drawn ---------------------------------------------------------------------------------------------- */

static void order_epoch(pn_chunks *l, uint64_t epoch)
{
    pn_epoch_order(l->opt.seed, "clips", epoch, l->opt.order, l->order, l->clips->count);
    l->ordered = epoch;
}

static double spread(pn_rng *rng, double by) { return (2.0 * pn_rng_uniform(rng) - 1.0) * by; }

static pn_motion draw_motion(const pn_chunks *l, pn_rng *rng)
{
    static const double ANGLE = 5.0 * 0.017453292519943295, SHIFT_X = 20.0 / 256.0, SHIFT_Y = 3.0 / 256.0, SCALE = 0.02;
    const double angle = spread(rng, ANGLE);
    const double dx = spread(rng, SHIFT_X) * (double)l->opt.width;
    const double dy = spread(rng, SHIFT_Y) * (double)l->opt.height;
    const double scale = 1.0 + spread(rng, SCALE);
    const bool turn_only = l->opt.augment == PN_CLIP_AUGMENT_IPER;
    return turn_only ? (pn_motion){ .angle = angle, .scale = 1.0 } : (pn_motion){ angle, dx, dy, scale };
}

static void draw_sample(pn_chunks *l, uint64_t epoch, ptrdiff_t place, sample *s)
{
    char stream[64];
    snprintf(stream, sizeof stream, "sample/%llu/%td", (unsigned long long)epoch, place);
    pn_rng rng = pn_rng_named(l->opt.seed, stream);
    s->clip = l->order[place];
    const ptrdiff_t frames = l->clips->clip[s->clip].frames;
    s->start = pn_rng_below(&rng, frames - l->opt.sample + 1);
    s->reference = pn_rng_below(&rng, frames < REFERENCES ? frames : REFERENCES);
    if (l->opt.order == PN_IN_ORDER) s->start = s->reference = 0;
    s->motion = draw_motion(l, &rng);
    s->reference_motion = l->opt.augment == PN_CLIP_AUGMENT_IPER ? s->motion : draw_motion(l, &rng);
}

static void draw_group(pn_chunks *l, uint64_t number)
{
    const uint64_t epoch = number / l->epoch_chunks, group = number / l->per_sample;
    if (group == l->group) return;
    if (epoch != l->ordered) order_epoch(l, epoch);
    const uint64_t in_epoch = number % l->epoch_chunks / l->per_sample;
    for (ptrdiff_t i = 0; i < l->opt.batch; i++)
        draw_sample(l, epoch, (ptrdiff_t)in_epoch * l->opt.batch + i, &l->samples[i]);
    l->references = true;
}

/* ---- Loading ---------------------------------------------------------------------------------------------------- */

/* Items 0 … T*B-1 are frames, the B after them references. */
static pn_status load_item(void *self, pn_ctx *ctx, ptrdiff_t item)
{
    pn_chunks *l = self;
    const ptrdiff_t batch = l->opt.batch, plane = l->opt.height * l->opt.width, channels = pn_clips_channels(l->clips);
    const bool refers = item >= l->opt.frames * batch;
    const ptrdiff_t place = refers ? item - l->opt.frames * batch : item;
    const sample *s = &l->samples[place % batch];
    const pn_motion *motion = refers ? &s->reference_motion : &s->motion;
    const ptrdiff_t chunk = (ptrdiff_t)(l->next % l->per_sample);
    const pn_frame_request r = {
        .clip = s->clip, .frame = refers ? s->reference : s->start + chunk * l->opt.frames + place / batch,
        .role = refers ? PN_REFERENCE : PN_DRIVING, .height = l->opt.height, .width = l->opt.width,
        .motion = l->opt.augment == PN_CLIP_AUGMENT_NONE ? NULL : motion,
        .picture = (refers ? l->reference : l->picture) + place * 3 * plane,
        .structure = (refers ? l->reference_structure : l->structure) + place * channels * plane,
        .mask = refers || !l->mask ? NULL : l->mask + place * plane,
    };
    return pn_clips_load(l->clips, ctx, &r);
}

pn_status pn_chunks_next(pn_chunks *l, pn_chunk *out)
{
    const ptrdiff_t batch = l->opt.batch;
    draw_group(l, l->next);
    const pn_status status = pn_helpers_run(&l->helpers, (l->opt.frames + (l->references ? 1 : 0)) * batch, load_item, l);
    if (status) return status;
    l->references = false;
    l->group = l->next / l->per_sample;
    const uint64_t chunk = l->next % l->per_sample;
    for (ptrdiff_t i = 0; i < batch; i++) {
        l->clip[i] = l->samples[i].clip;
        l->first[i] = l->samples[i].start + (ptrdiff_t)chunk * l->opt.frames;
    }
    *out = (pn_chunk){ .size = batch, .frames = l->opt.frames, .channels = pn_clips_channels(l->clips), .begins = chunk == 0,
                       .picture = l->picture, .structure = l->structure, .mask = l->mask, .reference = l->reference,
                       .reference_structure = l->reference_structure, .clip = l->clip, .first = l->first,
                       .epoch = l->next / l->epoch_chunks };
    l->next++;
    return PN_OK;
}

pn_loader_state pn_chunks_where(const pn_chunks *l)
{
    return (pn_loader_state){ l->opt.seed, l->next / l->epoch_chunks, l->next % l->epoch_chunks };
}

ptrdiff_t pn_chunks_epoch(const pn_chunks *l) { return (ptrdiff_t)l->epoch_chunks; }

/* ---- Making and freeing ----------------------------------------------------------------------------------------- */

static pn_status check_options(pn_chunks *l)
{
    pn_ctx *ctx = l->clips->ctx;
    pn_chunks_opt *o = &l->opt;
    const ptrdiff_t n = l->clips->count;
    ptrdiff_t shortest = 0;
    for (ptrdiff_t i = 1; i < n; i++)
        if (l->clips->clip[i].frames < l->clips->clip[shortest].frames) shortest = i;
    const ptrdiff_t frames = l->clips->clip[shortest].frames;
    if (o->batch < 1 || o->batch > n)
        return pn_fail(ctx, PN_ERR_ARG, "pn_chunks_new: batch is %td, expected 1 to %td, the clips there are", o->batch, n);
    if (l->clips->kind == PN_CLIPS_FACE && o->augment != PN_CLIP_AUGMENT_NONE)
        return pn_fail(ctx, PN_ERR_ARG, "pn_chunks_new: faces are not augmented; take PN_CLIP_AUGMENT_NONE");
    if (o->frames <= 0) o->frames = CHUNK;
    if (o->sample <= 0) o->sample = (frames < SAMPLE ? frames : SAMPLE) / o->frames * o->frames;
    if (o->frames > frames || o->sample > frames)
        return pn_fail(ctx, PN_ERR_ARG,
                       "pn_chunks_new: the clip %s has %td frames, fewer than the %td asked for; take fewer or leave it out",
                       l->clips->clip[shortest].name, frames, o->frames > frames ? o->frames : o->sample);
    if (o->sample % o->frames)
        return pn_fail(ctx, PN_ERR_ARG, "pn_chunks_new: a sample of %td frames is no whole number of chunks of %td; take %td",
                       o->sample, o->frames, o->sample < o->frames ? o->frames : o->sample / o->frames * o->frames);
    return pn_picture_size_check(ctx, "pn_chunks_new", o->height, o->width);
}

static pn_status make_room(pn_chunks *l)
{
    pn_ctx *ctx = l->clips->ctx;
    const size_t batch = (size_t)l->opt.batch, channels = (size_t)pn_clips_channels(l->clips);
    size_t plane = (size_t)(l->opt.height * l->opt.width) * batch, all;
    if (!pn_size_mul(plane * channels, (size_t)l->opt.frames, &all))
        return pn_fail(ctx, PN_ERR_NOMEM, "pn_chunks_new: a chunk of %td frames does not fit the memory", l->opt.frames);
    const size_t frames = (size_t)l->opt.frames;
    l->order = pn_alloc(ctx, (size_t)l->clips->count, sizeof *l->order);
    l->clip = pn_alloc(ctx, batch, sizeof *l->clip);
    l->first = pn_alloc(ctx, batch, sizeof *l->first);
    l->samples = pn_alloc(ctx, batch, sizeof *l->samples);
    l->picture = pn_alloc(ctx, plane * frames, 3 * sizeof(float));
    l->structure = pn_alloc(ctx, all, sizeof(float));
    l->reference = pn_alloc(ctx, plane, 3 * sizeof(float));
    l->reference_structure = pn_alloc(ctx, plane * channels, sizeof(float));
    if (l->clips->masks) l->mask = pn_alloc(ctx, plane * frames, sizeof(float));
    const bool has = l->order && l->clip && l->first && l->samples && l->picture && l->structure && l->reference
        && l->reference_structure && (l->mask || !l->clips->masks);
    return has ? pn_helpers_begin(&l->helpers, ctx) : PN_ERR_NOMEM;
}

pn_chunks *pn_chunks_new(pn_clips *c, const pn_chunks_opt *opt, const pn_loader_state *from)
{
    pn_chunks *l = pn_alloc(c->ctx, 1, sizeof *l);
    if (!l) return NULL;
    l->clips = c;
    l->opt = *opt;
    l->group = UINT64_MAX;
    pn_status status = check_options(l);
    if (!status) status = make_room(l);
    if (status) {
        pn_chunks_free(l);
        return NULL;
    }
    l->per_sample = (uint64_t)(l->opt.sample / l->opt.frames);
    l->epoch_chunks = (uint64_t)(c->count / l->opt.batch) * l->per_sample;
    if (from) {
        l->opt.seed = from->seed;
        l->next = from->epoch * l->epoch_chunks + from->position;
    }
    order_epoch(l, l->next / l->epoch_chunks);
    return l;
}

void pn_chunks_free(pn_chunks *l)
{
    if (!l) return;
    pn_ctx *ctx = l->clips->ctx;
    pn_helpers_end(&l->helpers);
    void *const owned[] = { l->order, l->clip, l->first, l->samples, l->picture, l->structure, l->mask,
                            l->reference, l->reference_structure };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) pn_free(ctx, owned[i]);
    pn_free(ctx, l);
}
