/* lib/data/tracks.c - key points over time, for the key-point cleaning network; contract in posenet/clips.h */
#include "data/clips.h"
#include "data/helpers.h"

/* One clip: [frames][34] as the network sees them. */
typedef struct { ptrdiff_t frames; float *noisy, *clean; } track;

struct pn_tracks {
    const pn_clips *clips;
    track *track;
    ptrdiff_t *start;               /* [clips + 1] of each clip's frames among all */
    pn_helpers helpers;
};

static void normalise(const pn_pose17 *pose, const double grid[2], float out[PN_TRACK_CHANNELS])
{
    for (int j = 0; j < PN_JOINTS17; j++) {
        const bool has = pn_pose17_has(pose, j);
        out[2 * j] = has ? (float)(2.0 * pose->y[j] / grid[0] - 1.0) : -1.0f;
        out[2 * j + 1] = has ? (float)(2.0 * pose->x[j] / grid[1] - 1.0) : -1.0f;
    }
}

static pn_status load_track(void *self, pn_ctx *ctx, ptrdiff_t clip)
{
    const pn_tracks *t = self;
    double points[PN_JOINTS][3], grid[2];
    track *k = &t->track[clip];
    pn_status status = pn_clips_grid(t->clips, ctx, clip, 0, grid);
    for (ptrdiff_t f = 0; f < k->frames && !status; f++) {
        status = pn_clips_points(t->clips, ctx, clip, f, PN_PART_NOISY, points);
        if (status) break;
        const pn_pose noisy = pn_noisy_of(points);
        const pn_pose17 found = pn_pose17_from_18(&noisy);
        normalise(&found, grid, k->noisy + f * PN_TRACK_CHANNELS);
        status = pn_clips_points(t->clips, ctx, clip, f, PN_PART_CLEAN, points);
        const pn_pose17 clean = pn_clean_of(points);
        if (!status) normalise(&clean, grid, k->clean + f * PN_TRACK_CHANNELS);
    }
    return status;
}

static pn_status make_room(pn_tracks *t)
{
    const pn_clips *c = t->clips;
    t->track = pn_alloc(c->ctx, (size_t)c->count, sizeof *t->track);
    t->start = pn_alloc(c->ctx, (size_t)c->count + 1, sizeof *t->start);
    if (!t->track || !t->start) return PN_ERR_NOMEM;
    for (ptrdiff_t i = 0; i < c->count; i++) {
        track *k = &t->track[i];
        k->frames = c->clip[i].frames;
        t->start[i + 1] = t->start[i] + k->frames;
        k->noisy = pn_alloc(c->ctx, (size_t)k->frames, PN_TRACK_CHANNELS * sizeof(float));
        k->clean = pn_alloc(c->ctx, (size_t)k->frames, PN_TRACK_CHANNELS * sizeof(float));
        if (!k->noisy || !k->clean) return PN_ERR_NOMEM;
    }
    return pn_helpers_begin(&t->helpers, c->ctx);
}

pn_tracks *pn_tracks_new(const pn_clips *c)
{
    pn_tracks *t = pn_alloc(c->ctx, 1, sizeof *t);
    if (!t) return NULL;
    t->clips = c;
    pn_status status = make_room(t);
    if (!status) status = pn_helpers_run(&t->helpers, c->count, load_track, t);
    if (!status) return t;
    pn_tracks_free(t);
    return NULL;
}

void pn_tracks_free(pn_tracks *t)
{
    if (!t) return;
    pn_ctx *ctx = t->clips->ctx;
    for (ptrdiff_t i = 0; t->track && i < t->clips->count; i++) {
        pn_free(ctx, t->track[i].noisy);
        pn_free(ctx, t->track[i].clean);
    }
    pn_helpers_end(&t->helpers);
    pn_free(ctx, t->track);
    pn_free(ctx, t->start);
    pn_free(ctx, t);
}

static void cut(const track *k, const float *from, ptrdiff_t first, ptrdiff_t length, float *out)
{
    for (ptrdiff_t i = 0; i < length; i++) {
        const ptrdiff_t f = first + i < 0 ? 0 : first + i >= k->frames ? k->frames - 1 : first + i;
        for (int ch = 0; ch < PN_TRACK_CHANNELS; ch++) out[ch * length + i] = from[f * PN_TRACK_CHANNELS + ch];
    }
}

void pn_tracks_window(const pn_tracks *t, ptrdiff_t clip, ptrdiff_t first, ptrdiff_t length, float *noisy, float *clean)
{
    const track *k = &t->track[clip];
    if (noisy) cut(k, k->noisy, first - PN_TRACK_MARGIN, length + 2 * PN_TRACK_MARGIN, noisy);
    if (clean) cut(k, k->clean, first, length, clean);
}

void pn_tracks_draw(const pn_tracks *t, pn_rng *rng, ptrdiff_t batch, ptrdiff_t length, float *noisy, float *clean)
{
    const ptrdiff_t count = t->clips->count, wide = length + 2 * PN_TRACK_MARGIN;
    for (ptrdiff_t i = 0; i < batch; i++) {
        const ptrdiff_t at = pn_rng_below(rng, t->start[count]);        /* longer clips come more often */
        ptrdiff_t clip = 0;
        while (t->start[clip + 1] <= at) clip++;
        const ptrdiff_t last = t->track[clip].frames - length, within = at - t->start[clip];
        pn_tracks_window(t, clip, last <= 0 ? 0 : within < last ? within : last, length,
                         noisy + i * PN_TRACK_CHANNELS * wide, clean + i * PN_TRACK_CHANNELS * length);
    }
}
