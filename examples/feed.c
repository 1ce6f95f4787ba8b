/* examples/feed.c - see feed.h */
#include "feed.h"

#include <stdio.h>
#include <string.h>

/* ---- Data sets ----------------------------------------------------------------------------------------------------------- */

static pn_status open_pairs(feed *f, const feed_opt *opt)
{
    const pn_dataset_opt how = { .kp_height = opt->kp_height, .kp_width = opt->kp_width,
                                 .parsing = *f->needs.labelling ? f->needs.labelling : NULL };
    f->pairs = pn_dataset_open(f->ctx, opt->folder, opt->split, &how);
    return f->pairs ? PN_OK : pn_ctx_status(f->ctx);
}

static pn_status open_clips(feed *f, const feed_opt *opt)
{
    const pn_clips_kind kind = f->needs.reads == PN_READS_FACES ? PN_CLIPS_FACE : PN_CLIPS_DANCE;
    const pn_clips_opt how = { .kind = kind, .kp_height = opt->kp_height, .kp_width = opt->kp_width };
    f->clips = pn_clips_open(f->ctx, opt->folder, opt->split, &how);
    if (f->clips && f->needs.reads == PN_READS_TRACKS) f->tracks = pn_tracks_new(f->clips);
    return f->clips && (f->tracks || f->needs.reads != PN_READS_TRACKS) ? PN_OK : pn_ctx_status(f->ctx);
}

static pn_status open_views(feed *f, const feed_opt *opt)
{
    f->views = pn_views_open(f->ctx, opt->folder, opt->split);
    return f->views ? PN_OK : pn_ctx_status(f->ctx);
}

static pn_status check_augment(const feed *f, const char *wanted)
{
    static const struct {
        pn_model_reads reads;
        const char *way;
    } ways[] = {
        { PN_READS_PAIRS, "none" },  { PN_READS_PAIRS, "market" },   { PN_READS_VIEWS, "none" },
        { PN_READS_DANCES, "none" }, { PN_READS_DANCES, "fashion" }, { PN_READS_DANCES, "iper" },
        { PN_READS_FACES, "none" },  { PN_READS_TRACKS, "none" },
    };
    char fits[64] = "";
    for (size_t i = 0; wanted && i < sizeof ways / sizeof *ways; i++) {
        if (ways[i].reads != f->needs.reads) continue;
        if (strcmp(wanted, ways[i].way) == 0) return PN_OK;
        snprintf(fits + strlen(fits), sizeof fits - strlen(fits), "%s%s", *fits ? " or " : "", ways[i].way);
    }
    return wanted ? pn_ctx_fail(f->ctx, PN_ERR_ARG, "--augment is '%s', expected %s", wanted, fits) : PN_OK;
}

pn_status feed_data(feed *f, const pn_model *m, const feed_opt *opt)
{
    *f = (feed){ .ctx = pn_model_ctx(m), .needs = pn_model_needs_at(m, opt->height), .batch = opt->batch };
    const pn_status status = check_augment(f, opt->augment);
    if (status) return status;
    if (f->needs.reads == PN_READS_PAIRS) return open_pairs(f, opt);
    return f->needs.reads == PN_READS_VIEWS ? open_views(f, opt) : open_clips(f, opt);
}

/* ---- Loaders -------------------------------------------------------------------------------------------------------------- */

static bool is(const char *text, const char *word) { return text && strcmp(text, word) == 0; }

static pn_status load_pairs(feed *f, const feed_opt *opt, const pn_loader_state *from)
{
    const pn_model_needs *needs = &f->needs;
    const pn_loader_opt load = {
        .batch = opt->batch,
        .height = opt->height,
        .width = opt->width,
        .order = PN_SHUFFLED,
        .seed = opt->seed,
        .augment = is(opt->augment, "market") ? PN_AUGMENT_MARKET : PN_AUGMENT_NONE,
        .sigma = needs->sigma,
        .limbs = needs->limbs,
        .filter = needs->filter,
        .merge = needs->classes ? "" : NULL,
        .classes = needs->classes,
        .hole = needs->hole,
        .place = needs->place,
        .mistakes = needs->mistakes,
    };
    f->pair_loader = pn_loader_new(f->pairs, &load, from);
    return f->pair_loader ? PN_OK : pn_ctx_status(f->ctx);
}

static pn_status load_views(feed *f, const feed_opt *opt, const pn_loader_state *from)
{
    const pn_view_loader_opt load = {
        .batch = opt->batch, .height = opt->height, .width = opt->width, .order = PN_SHUFFLED, .seed = opt->seed
    };
    f->view_loader = pn_view_loader_new(f->views, &load, from);
    return f->view_loader ? PN_OK : pn_ctx_status(f->ctx);
}

static pn_status load_chunks(feed *f, const feed_opt *opt, const pn_loader_state *from)
{
    const pn_chunks_opt load = {
        .batch = opt->batch,
        .height = opt->height,
        .width = opt->width,
        .frames = f->needs.frames,
        .order = PN_SHUFFLED,
        .augment = is(opt->augment, "fashion") ? PN_CLIP_AUGMENT_FASHION
                   : is(opt->augment, "iper")  ? PN_CLIP_AUGMENT_IPER
                                               : PN_CLIP_AUGMENT_NONE,
        .seed = opt->seed,
    };
    f->chunks = pn_chunks_new(f->clips, &load, from);
    return f->chunks ? PN_OK : pn_ctx_status(f->ctx);
}

static pn_status load_tracks(feed *f, const feed_opt *opt, const pn_loader_state *from)
{
    const size_t row = (size_t)(opt->batch * PN_TRACK_CHANNELS) * sizeof(float);
    f->rng = pn_rng_named(from ? from->seed : opt->seed, "tracks");
    if (from) f->rng.counter = from->position;
    f->noisy = pn_ctx_alloc(f->ctx, row * (size_t)(f->needs.frames + 2 * PN_TRACK_MARGIN));
    f->clean = pn_ctx_alloc(f->ctx, row * (size_t)f->needs.frames);
    return f->noisy && f->clean ? PN_OK : PN_ERR_NOMEM;
}

pn_status feed_open(feed *f, const pn_model *m, const feed_opt *opt, const pn_loader_state *from)
{
    const pn_status status = feed_data(f, m, opt);
    if (status) return status;
    switch (f->needs.reads) {
    case PN_READS_PAIRS: return load_pairs(f, opt, from);
    case PN_READS_VIEWS: return load_views(f, opt, from);
    case PN_READS_TRACKS: return load_tracks(f, opt, from);
    default: return load_chunks(f, opt, from);
    }
}

void feed_close(feed *f)
{
    pn_loader_free(f->pair_loader);
    pn_dataset_free(f->pairs);
    pn_view_loader_free(f->view_loader);
    pn_views_free(f->views);
    pn_chunks_free(f->chunks);
    pn_tracks_free(f->tracks);
    pn_clips_free(f->clips);
    if (f->ctx) pn_ctx_release(f->ctx, f->noisy);
    if (f->ctx) pn_ctx_release(f->ctx, f->clean);
    *f = (feed){ 0 };
}

/* ---- What comes next ------------------------------------------------------------------------------------------------------- */

static pn_status next_pair(feed *f, pn_model_input *in)
{
    pn_batch b;
    const pn_status status = pn_loader_next(f->pair_loader, &b);
    if (!status)
        *in = (pn_model_input){ .source = b.source,
                                .target = b.target,
                                .pose_source = b.pose_source,
                                .pose_target = b.pose_target,
                                .parsing_source = b.parsing_source,
                                .parsing_target = b.parsing_target,
                                .parsing_right = b.parsing_right,
                                .hole = b.hole };
    return status;
}

static pn_status next_view(feed *f, pn_model_input *in)
{
    pn_view_batch b;
    const pn_status status = pn_view_loader_next(f->view_loader, &b);
    if (!status)
        *in = (pn_model_input){
            .source = b.source, .target = b.target, .pose_source = b.code_source, .pose_target = b.code_target
        };
    return status;
}

static pn_status next_chunk(feed *f, pn_model_input *in)
{
    pn_chunk c;
    const pn_status status = pn_chunks_next(f->chunks, &c);
    if (!status)
        *in = (pn_model_input){ .source = c.reference, .pose_source = c.reference_structure, .target = c.picture,
                                .pose_target = c.structure, .mask_target = c.mask, .begins = c.begins };
    return status;
}

pn_status feed_next(feed *f, pn_model_input *in)
{
    switch (f->needs.reads) {
    case PN_READS_PAIRS: return next_pair(f, in);
    case PN_READS_VIEWS: return next_view(f, in);
    case PN_READS_TRACKS:
        pn_tracks_draw(f->tracks, &f->rng, f->batch, f->needs.frames, f->noisy, f->clean);
        *in = (pn_model_input){ .source = f->noisy, .target = f->clean };
        return PN_OK;
    default: return next_chunk(f, in);
    }
}

pn_loader_state feed_where(const feed *f)
{
    if (f->pair_loader) return pn_loader_where(f->pair_loader);
    if (f->view_loader) return pn_view_loader_where(f->view_loader);
    if (f->chunks) return pn_chunks_where(f->chunks);
    return (pn_loader_state){ .seed = f->rng.seed, .position = f->rng.counter };
}
