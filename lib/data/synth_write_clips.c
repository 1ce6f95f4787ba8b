/* lib/data/synth_write_clips.c - clips of synthetic people in GFLA's layout; contract in posenet/synth.h */
#include "data/synth.h"

#include <stdio.h>

static const char *const splits[2] = { "train", "test" };
/* Of a clip. Six frames are a chunk; five digits name them. */
static const synth_views frames_allowed = { 6, 99999, "a chunk of frames has 6" };

typedef struct { pn_ctx *ctx; const pn_synth_opt *opt; int train; synth_crew crew; } job;

static const char *split_of(const job *j, ptrdiff_t item) { return splits[item / j->opt->views >= j->train]; }

typedef struct { double x, y, trust; } point;

static pn_status write_json(pn_ctx *ctx, const char *path, const point *p, int count)
{
    pn_text text = { .ctx = ctx };
    pn_text_add(&text, "{\"version\":1.3,\"people\":[{\"person_id\":[-1],\"pose_keypoints_2d\":[");
    for (int i = 0; i < count; i++) {
        if (p[i].x == -1.0) pn_text_add(&text, "%s0,0,0", i ? "," : "");        /* missing */
        else pn_text_add(&text, "%s%.3f,%.3f,%.3f", i ? "," : "", p[i].x, p[i].y, p[i].trust);
    }
    pn_text_add(&text, "]}]}\n");
    const pn_status status = text.status ? text.status : pn_file_write(ctx, path, text.text, text.size);
    pn_text_free(&text);
    return status;
}

typedef enum { FRAMES, NOISY, CLEAN, MASKS, PARTS } part;
static const char *const dance_folder[PARTS] = { "train_A", "train_alphapose", "train_video2d", "train_C" };

static void dance_path(const job *j, ptrdiff_t item, part p, char path[SYNTH_PATH])
{
    const ptrdiff_t frames = j->opt->views;
    snprintf(path, SYNTH_PATH, "%s/%s_256/%s/dance%05td/%05td.%s", j->opt->out, split_of(j, item), dance_folder[p],
             item / frames + 1, item % frames, p == NOISY || p == CLEAN ? "json" : "png");
}

static pn_status write_points(const job *j, synth_worker *w, ptrdiff_t item)
{
    const pn_synth *s = w->studio;
    point noisy[PN_JOINTS], clean[PN_JOINTS17];
    char path[SYNTH_PATH];
    for (int i = 0; i < PN_JOINTS; i++) noisy[i] = (point){ s->noisy.x[i], s->noisy.y[i], s->trust[i] };
    for (int i = 0; i < PN_JOINTS17; i++) clean[i] = (point){ s->clean.x[i], s->clean.y[i], 1.0 };
    dance_path(j, item, NOISY, path);
    const pn_status status = write_json(w->ctx, path, noisy, PN_JOINTS);
    if (status) return status;
    dance_path(j, item, CLEAN, path);
    return write_json(w->ctx, path, clean, PN_JOINTS17);
}

static pn_status write_dance_frame(void *self, synth_worker *w, ptrdiff_t item)
{
    const job *j = self;
    char path[SYNTH_PATH];
    pn_synth_dance_draw(w->studio, j->opt->seed, (int)(item / j->opt->views), (int)(item % j->opt->views));
    const pn_synth_view *seen = pn_synth_seen(w->studio);
    dance_path(j, item, FRAMES, path);
    pn_status status = pn_image_write(w->ctx, path, &seen->picture);
    if (!status) status = write_points(j, w, item);
    for (ptrdiff_t i = 0; i < seen->labels.height * seen->labels.width; i++)
        w->merged.pixels[i] = seen->labels.pixels[i] ? 255 : 0;
    dance_path(j, item, MASKS, path);
    return status ? status : pn_image_write(w->ctx, path, &w->merged);
}

/* ---- Faces ------------------------------------------------------------------------------------------------------ */

static pn_status write_face_frame(void *self, synth_worker *w, ptrdiff_t item)
{
    const job *j = self;
    const ptrdiff_t frames = j->opt->views, clip = item / frames + 1, frame = item % frames;
    char path[SYNTH_PATH];
    pn_synth_face_draw(w->studio, j->opt->seed, (int)clip - 1, (int)frame);
    snprintf(path, sizeof path, "%s/%s_data/face%05td/%05td.png", j->opt->out, split_of(j, item), clip, frame);
    pn_status status = pn_image_write(w->ctx, path, &pn_synth_seen(w->studio)->picture);
    if (status) return status;
    pn_text text = { .ctx = w->ctx };
    for (int i = 0; i < PN_LANDMARKS; i++)
        pn_text_add(&text, "%.0f,%.0f\n", w->studio->landmarks.x[i], w->studio->landmarks.y[i]);
    snprintf(path, sizeof path, "%s/%s_keypoints/face%05td/%05td.txt", j->opt->out, split_of(j, item), clip, frame);
    status = text.status ? text.status : pn_file_write(w->ctx, path, text.text, text.size);
    pn_text_free(&text);
    return status;
}

/* ---- Both kinds ------------------------------------------------------------------------------------------------- */

typedef enum { DANCE, FACE } clip_kind;
static const struct { const char *call, *folder[PARTS]; synth_work *write; } kinds[] = {
    [DANCE] = { "pn_synth_write_dance", { "_256/train_A/dance", "_256/train_alphapose/dance", "_256/train_video2d/dance",
                                          "_256/train_C/dance" }, write_dance_frame },
    [FACE] = { "pn_synth_write_face", { "_data/face", "_keypoints/face", NULL, NULL }, write_face_frame },
};

static pn_status make_folders(const job *j, clip_kind kind)
{
    pn_status status = PN_OK;
    for (ptrdiff_t clip = 0; clip < j->opt->people; clip++)
        for (int p = 0; p < PARTS && kinds[kind].folder[p] && !status; p++) {
            char path[SYNTH_PATH];
            snprintf(path, sizeof path, "%s/%s%s%05td", j->opt->out, split_of(j, clip * j->opt->views),
                     kinds[kind].folder[p], clip + 1);
            status = pn_folder_make(j->ctx, path);
        }
    return status;
}

/* ---- The list of dances to make: of each clip of the split test its first frames, and all but the first --------- */

enum { REFERENCES = 20 };

static void add_frames(pn_text *to, ptrdiff_t clip, part p, ptrdiff_t first, ptrdiff_t end)
{
    for (ptrdiff_t t = first; t < end; t++)
        pn_text_add(to, "%s'./test_256/%s/dance%05td/%05td.%s'", t > first ? ", " : "", dance_folder[p], clip + 1, t,
                    p == FRAMES ? "png" : "json");
}

static pn_status write_test_list(const job *j)
{
    static const part cells[] = { FRAMES, NOISY, CLEAN };
    const ptrdiff_t frames = j->opt->views;
    char path[SYNTH_PATH];
    pn_text text = { .ctx = j->ctx };
    pn_text_add(&text, "A_paths,B_paths_noise,B_paths_clean\n");
    for (ptrdiff_t clip = j->train; clip < j->opt->people; clip++)
        for (int c = 0; c < 3; c++) {
            pn_text_add(&text, "%s\"{'ref': [", c ? "," : "");
            add_frames(&text, clip, cells[c], 0, frames < REFERENCES ? frames : REFERENCES);
            pn_text_add(&text, "], 'gen': [");
            add_frames(&text, clip, cells[c], 1, frames);
            pn_text_add(&text, "]}\"%s", c == 2 ? "\n" : "");
        }
    snprintf(path, sizeof path, "%s/test_list.csv", j->opt->out);
    const pn_status status = text.status ? text.status : pn_file_write(j->ctx, path, text.text, text.size);
    pn_text_free(&text);
    return status;
}

/* ---- The whole -------------------------------------------------------------------------------------------------- */

static pn_status write_ini(const job *j)
{
    char path[SYNTH_PATH], text[64];
    snprintf(path, sizeof path, "%s/dataset.ini", j->opt->out);
    const int n = snprintf(text, sizeof text, "kp_size = %tdx%td\n", j->opt->height, j->opt->width);
    return pn_file_write(j->ctx, path, text, (size_t)n);
}

static pn_status write_clips(pn_ctx *ctx, const pn_synth_opt *opt, clip_kind kind)
{
    const char *call = kinds[kind].call;
    pn_status status = pn_synth_check_options(ctx, call, opt, frames_allowed);
    if (status) return status;
    job j = { .ctx = ctx, .opt = opt, .train = pn_synth_train_share(opt) };
    status = pn_synth_hire(&j.crew, ctx, call, opt);
    for (int i = 0; i < j.crew.count && !status; i++)
        status = pn_image_new(ctx, opt->height, opt->width, 1, &j.crew.worker[i].merged);
    if (!status) status = make_folders(&j, kind);
    if (!status) status = pn_synth_run(&j.crew, (ptrdiff_t)opt->people * opt->views, kinds[kind].write, &j);
    if (!status) status = write_ini(&j);
    if (!status && kind == DANCE) status = write_test_list(&j);
    if (!status)
        pn_ctx_log(ctx, PN_LOG_INFO, "%s: %d clips for training, %d for testing, %d frames each, %tdx%td pixels", opt->out,
               j.train, opt->people - j.train, opt->views, opt->height, opt->width);
    pn_synth_dismiss(&j.crew);
    return status;
}

pn_status pn_synth_write_dance(pn_ctx *ctx, const pn_synth_opt *opt) { return write_clips(ctx, opt, DANCE); }
pn_status pn_synth_write_face(pn_ctx *ctx, const pn_synth_opt *opt) { return write_clips(ctx, opt, FACE); }
