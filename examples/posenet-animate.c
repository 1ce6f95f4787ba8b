/* examples/posenet-animate.c - a person in one pose after the other: frames, and a video of them */
#include "cli.h"
#include "dump.h"
#include "video.h"

#include "posenet/clips.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const char *weights, *model, *source, *source_pose, *source_parsing, *poses, *frames, *data, *pairs, *out, *video;
    int64_t rate;
    cli_size size, kp_size;
    cli_list set;
    dump dump;
    cli_common common;
} request;

static const char usage[] =
    "  posenet-animate --weights FILE --source IMG --source-pose KP --poses DIR|CSV --out DIR [--video FILE.mp4]\n"
    "  posenet-animate --weights FILE --data DIR [--pairs CSV] --out DIR      whole lists: GFLA's test_list.csv\n"
    "\n"
    "KP is a file.json as OpenPose writes it, or file.csv:image-name, a row of an annotation file. --poses is a folder of such\n"
    "JSON files, taken in the order of their names, or an annotation file, row by row. Each of them becomes a picture\n"
    "DIR/frame_000001.png and so on. Where nobody was found the pose before stays. Key points are in pixels of the picture they\n"
    "belong to; those of --poses share the source picture's frame unless --kp-size or their file says otherwise.\n"
    "Weights of the tasks dance and face make each frame from the one before it, too. Dances follow the 17 points of the\n"
    "key-point cleaning network, or OpenPose's, turned into such; faces follow landmarks: a folder of .txt files, 68 lines x,y,\n"
    "and the edges around the face in --frames, NAME.png or .jpg for NAME.txt; without it in the source, which fits small turns.\n"
    "--video hands the frames to the program ffmpeg, too. Of a list each clip has a folder of its own below --out; without --pairs\n"
    "it is all clips of the split test, whose first frames are the references of their others.\n"
    "--dump: of every frame what the model looked at, frame_000001_NAME.npy and .png (posenet-generate --help, docs/figures.md).\n";

enum { OPTIONS = 18, RATE = 15 };
static void fill_options(request *r, cli_option o[OPTIONS])
{
    int n = 0;
    o[n++] = (cli_option){ "weights", "FILE", "a checkpoint, or weights under the published names (.pth, too)", CLI_TEXT, { .text = &r->weights } };
    o[n++] = (cli_option){ "model", "NAME", "whose weights these are, when they do not say", CLI_TEXT, { .text = &r->model } };
    o[n++] = (cli_option){ "source", "IMG", "JPEG or PNG of the person", CLI_TEXT, { .text = &r->source } };
    o[n++] = (cli_option){ "source-pose", "KP", "its key points (a face's: .txt)", CLI_TEXT, { .text = &r->source_pose } };
    o[n++] = (cli_option){ "source-parsing", "PNG", "label map of the source, for models that read one", CLI_TEXT, { .text = &r->source_parsing } };
    o[n++] = (cli_option){ "poses", "PATH", "the poses to show: a folder of JSON files (faces: .txt), or a CSV", CLI_TEXT, { .text = &r->poses } };
    o[n++] = (cli_option){ "frames", "DIR", "pictures that --poses were found in, for faces", CLI_TEXT, { .text = &r->frames } };
    o[n++] = (cli_option){ "data", "DIR", "data set that a list belongs to", CLI_TEXT, { .text = &r->data } };
    o[n++] = (cli_option){ "pairs", "CSV", "columns A_paths,B_paths_noise,B_paths_clean (all test clips)", CLI_TEXT, { .text = &r->pairs } };
    o[n++] = (cli_option){ "out", "DIR", "folder of the frames", CLI_TEXT, { .text = &r->out } };
    o[n++] = (cli_option){ "video", "FILE.mp4", "also a video of them, made by ffmpeg", CLI_TEXT, { .text = &r->video } };
    o[n++] = (cli_option){ "fps", "N", "its frames a second (15)", CLI_COUNT, { .count = &r->rate } };
    o[n++] = (cli_option){ "size", "HxW", "of the frames (what the weights were trained at)", CLI_SIZE, { .size = &r->size } };
    o[n++] = (cli_option){ "kp-size", "HxW", "grid the key points refer to", CLI_SIZE, { .size = &r->kp_size } };
    dump_options(&r->dump, o + n);
    n += DUMP_OPTIONS;
    o[n++] = (cli_option){ "set", "KEY=VALUE", "an option of the model; may be repeated", CLI_LIST, { .list = &r->set } };
    o[n] = (cli_option){ .kind = CLI_END };
}

typedef struct {
    const cli_program *program;
    const request *ask;
    pn_ctx *ctx;
    pn_poses *poses;
    const char *poses_name, *out;   /* of the poses, in messages; where frames go */
    const char *clip;               /* of a list: the folder of its frames, and of its dump; else "" */
    pn_model *model;
    painter painter;
    cli_size kp_size;           /* of the key points, by --kp-size or the list; 0: neither says */
    ptrdiff_t frame[2];         /* the source picture's size, which poses share */
    pn_paths driving;           /* of a list: the frames that its key points were found in; or none */
    pn_image source, picture;   /* at the model's size; a frame */
    bool begun;                 /* there has been a pose */
    video video;
} session;

/* ---- Before the first frame ------------------------------------------------------------------------------------------ */

static pn_status check_task(const session *s)
{
    const pn_model_reads reads = pn_model_needs_at(s->model, pn_model_kind_of(s->model)->height).reads;
    if (reads == PN_READS_PAIRS || reads == PN_READS_DANCES || reads == PN_READS_FACES) return PN_OK;
    return pn_ctx_fail(s->ctx, PN_ERR_ARG, "--weights %s are of the task %s, which follows no poses; expected those of a person or a face",
                       s->ask->weights, pn_model_task_of(s->model));
}

static pn_status open_model(session *s)
{
    const request *r = s->ask;
    const pn_model_opt opt = { .name = r->model, .set = r->set.item, .n_set = r->set.count };
    ptrdiff_t height = r->size.height, width = r->size.width;
    s->model = painter_model(s->ctx, r->weights, opt, &height, &width);
    if (!s->model || check_task(s) || painter_check_parsing(s->model, r->source_parsing)) return pn_ctx_status(s->ctx);
    if (dump_check(s->ctx, &r->dump, height, width)) return pn_ctx_status(s->ctx);
    pn_status status = painter_new(&s->painter, s->model, height, width, PAINT_MANY);
    if (!status && r->frames && s->painter.needs.reads != PN_READS_FACES)
        pn_ctx_warn(s->ctx, "the task %s looks at no frames; --frames is not used", pn_model_task_of(s->model));
    if (!status) status = pn_image_new(s->ctx, height, width, 3, &s->picture);
    if (!status && !r->common.quiet) painter_tell(&s->painter, s->program->name);
    return status;
}

/* ---- Frames -------------------------------------------------------------------------------------------------------------- */

/* What a frame's numbers refer to. */
static cli_size grid_of(const session *s, const ptrdiff_t found[2])
{
    const cli_size said = s->kp_size;
    return said.height ? said : found[0] ? (cli_size){ found[0], found[1] } : (cli_size){ s->frame[0], s->frame[1] };
}

/* Nobody was found in frame i: what was before stays, which the painter still holds. */
static pn_status nobody(session *s, ptrdiff_t i)
{
    const char *poses = s->poses_name, *name = pn_poses_name(s->poses, i);
    if (!s->begun)
        return pn_ctx_fail(s->ctx, PN_ERR_FORMAT, "%s: %s has no key point, and no pose comes before it; leave it out", poses, name);
    pn_ctx_warn(s->ctx, "%s: %s has no key point; the pose before it stays", poses, name);
    return PN_OK;
}

static pn_status next_pose(session *s, ptrdiff_t i)
{
    pn_pose pose;
    ptrdiff_t grid[2];
    int there = 0;
    const pn_status status = pn_poses_get(s->poses, i, &pose, grid);
    for (int j = 0; !status && j < PN_JOINTS; j++) there += pn_pose_has(&pose, j);
    if (status || !there) return status ? status : nobody(s, i);
    const cli_size of = grid_of(s, grid);
    painter_target(&s->painter, &pose, of.height, of.width);
    s->begun = true;
    return PN_OK;
}

static pn_status next_step(session *s, ptrdiff_t i)
{
    const painter *p = &s->painter;
    pn_pose17 pose;
    ptrdiff_t grid[2];
    int there = 0;
    const pn_status status = pn_poses_driving(s->poses, i, &pose, grid);
    for (int j = 0; !status && j < PN_JOINTS17; j++) there += pn_pose17_has(&pose, j);
    if (status || !there) return status ? status : nobody(s, i);
    const cli_size of = grid_of(s, grid);
    pose = pn_pose17_scale(&pose, (double)of.height, (double)of.width, (double)p->height, (double)p->width);
    s->begun = true;
    return pn_pose17_maps(s->ctx, &pose, PN_H36M17, p->height, p->width, 6, p->pose_target);
}

/* Where the picture is that the landmarks of frame i were found in; "": nowhere. */
static void driving_path(const session *s, ptrdiff_t i, char path[4096])
{
    static const char *const ending[] = { "png", "jpg" };
    const char *folder = s->ask->frames, *name = pn_poses_name(s->poses, i);
    *path = 0;
    if (s->driving.count) snprintf(path, 4096, "%s", s->driving.path[i]);
    for (int e = 0; folder && e < 2; e++) {
        snprintf(path, 4096, "%s/%.*s.%s", folder, stem_length(name), name, ending[e]);
        if (access(path, F_OK) == 0) return;
    }
}

static pn_status next_face(session *s, ptrdiff_t i)
{
    const painter *p = &s->painter;
    pn_landmarks marks;
    pn_image read = { 0 }, driving = { 0 };
    char path[4096];
    pn_status status = pn_poses_landmarks(s->poses, i, &marks);
    driving_path(s, i, path);
    if (!status && *path) status = pn_image_read(s->ctx, path, &read);
    if (!status && *path) status = pn_image_resize(s->ctx, &read, p->height, p->width, p->needs.filter, &driving);
    pn_image_free(s->ctx, &read);
    if (status) return status;
    const cli_size of = grid_of(s, (const ptrdiff_t[2]){ 0, 0 });
    marks = pn_landmarks_scale(&marks, (double)of.height, (double)of.width, (double)p->height, (double)p->width);
    status = pn_face_maps(s->ctx, &marks, *path ? &driving : &s->source, p->pose_target);   /* ours: else the source's edges */
    pn_image_free(s->ctx, &driving);
    return status;
}

static pn_status next_structure(session *s, ptrdiff_t i)
{
    switch (s->painter.needs.reads) {
    case PN_READS_DANCES: return next_step(s, i);
    case PN_READS_FACES: return next_face(s, i);
    default: return next_pose(s, i);
    }
}

static pn_status one_frame(session *s, ptrdiff_t i)
{
    char path[4096], stem[32];
    snprintf(stem, sizeof stem, "frame_%06td", i + 1);
    snprintf(path, sizeof path, "%s/%s.png", s->out, stem);
    pn_status status = next_structure(s, i);
    s->painter.begins = i == 0;
    if (!status) status = painter_run(&s->painter);
    if (status) return status;
    pn_image_from_floats(s->painter.image, &s->picture);
    status = pn_image_write(s->ctx, path, &s->picture);
    if (!status) status = dump_write(&s->ask->dump, &s->painter, s->clip, stem);
    if (!status && s->ask->video) video_frame(&s->video, s->picture.pixels, 3 * (size_t)(s->picture.height * s->picture.width));
    return status;
}

/* Frames are there whatever became of the video. */
static int end_video(session *s)
{
    if (video_end(&s->video)) return CLI_OK;
    fprintf(stderr, "%s: --video %s was not made: %s\n", s->program->name, s->ask->video, s->video.why);
    fprintf(stderr, "%s: from the frames: ffmpeg -framerate %d -i %s/frame_%%06d.png -pix_fmt yuv420p %s\n", s->program->name,
            (int)s->ask->rate, s->ask->out, s->ask->video);
    return CLI_FAILED;
}

/* From the source every frame of s->poses, to s->out. */
static pn_status frames(session *s, const painter_person *who, cli_progress *progress, int64_t *done)
{
    pn_image_free(s->ctx, &s->source);
    pn_status status = painter_source(&s->painter, who, s->frame, &s->source);
    s->begun = false;
    make_folder(status ? NULL : s->out);
    for (ptrdiff_t i = 0; !status && i < pn_poses_count(s->poses); i++) {
        status = one_frame(s, i);
        cli_progress_show(progress, ++*done, "%s", "");
    }
    return status;
}

static int animate(session *s)
{
    const request *r = s->ask;
    const painter_person who = { r->source, r->source_pose, r->source_parsing, { r->kp_size.height, r->kp_size.width } };
    int64_t done = 0;
    s->poses_name = r->poses;
    s->out = r->out;
    s->clip = "";
    s->poses = pn_poses_open(s->ctx, r->poses);
    if (!s->poses || open_model(s)) return cli_failed(s->program, s->ctx);
    if (r->video) video_begin(&s->video, r->video, s->painter.height, s->painter.width, (int)r->rate);
    cli_progress progress = cli_progress_begin(s->program, 0, pn_poses_count(s->poses));
    const pn_status status = frames(s, &who, &progress, &done);
    cli_progress_end(&progress);
    if (status) {
        if (r->video) video_cancel(&s->video);
        return cli_failed(s->program, s->ctx);
    }
    printf("%td frames in %s\n", pn_poses_count(s->poses), r->out);
    return r->video ? end_video(s) : CLI_OK;
}

/* ---- A list of clips ------------------------------------------------------------------------------------------------------ */

static pn_status one_clip(session *s, const pn_clip_list *list, ptrdiff_t i, cli_progress *progress, int64_t *done)
{
    const request *r = s->ask;
    const pn_clip_row row = pn_clip_list_row(list, i);
    const painter_person who = { row.reference.frames.path[0], row.reference.noisy.path[0], NULL, { s->kp_size.height, s->kp_size.width } };
    const bool clean = s->painter.needs.reads == PN_READS_DANCES || !row.made.noisy.count;
    const pn_paths driving = clean ? row.made.clean : row.made.noisy;
    char name[PN_CLIP_NAME], folder[4096];
    pn_clip_list_name(list, i, name);
    snprintf(folder, sizeof folder, "%s/%s", r->out, name);
    pn_poses_free(s->poses);
    s->poses = pn_poses_of_files(s->ctx, driving.path, driving.count);
    s->poses_name = name;
    s->driving = row.made.frames;
    s->out = folder;
    s->clip = name;
    return s->poses ? frames(s, &who, progress, done) : pn_ctx_status(s->ctx);
}

/* A list is looked at before the model; without one the model says what kind of clips the split test has. */
static int animate_list(session *s)
{
    const request *r = s->ask;
    pn_clip_list *list = r->pairs ? pn_clip_list_open(s->ctx, r->pairs, r->data) : NULL;
    if (r->pairs && !list) return cli_bad_data(s->program, s->ctx);
    pn_status status = open_model(s);
    if (!status && !list) {
        list = pn_clip_list_of_split(s->ctx, r->data, "test", s->painter.needs.reads == PN_READS_FACES ? PN_CLIPS_FACE : PN_CLIPS_DANCE);
        if (!list) return cli_bad_data(s->program, s->ctx);
    }
    if (!list) return cli_failed(s->program, s->ctx);
    if (!r->kp_size.height) pn_clip_list_grid(list, &s->kp_size.height, &s->kp_size.width);
    int64_t total = 0, done = 0;
    for (ptrdiff_t i = 0; i < pn_clip_list_count(list); i++) total += pn_clip_list_row(list, i).made.clean.count;
    cli_progress progress = cli_progress_begin(s->program, 0, total);
    for (ptrdiff_t i = 0; !status && i < pn_clip_list_count(list); i++) status = one_clip(s, list, i, &progress, &done);
    cli_progress_end(&progress);
    if (!status) printf("%lld frames of %td clips in %s\n", (long long)done, pn_clip_list_count(list), r->out);
    pn_clip_list_free(list);
    return status ? cli_failed(s->program, s->ctx) : CLI_OK;
}

/* ---- main ---------------------------------------------------------------------------------------------------------------- */

static int check_list(const cli_program *p, const request *r)
{
    if (r->source || r->poses) return cli_usage(p, "--data and %s exclude each other: a list, or one person", r->source ? "--source" : "--poses");
    if (!r->data) return cli_usage(p, "--data is missing: the folder that the list belongs to");
    if (r->video) return cli_usage(p, "--video is of one person; of a list, frames are written");
    if (r->frames) return cli_usage(p, "--frames is of one person; a list knows its own");
    return CLI_GO_ON;
}

static int check(const cli_program *p, const request *r)
{
    const bool list = r->data || r->pairs;
    const struct { const char *value, *name, *what; bool always; } needed[] = {
        { r->weights, "weights", "the model's file", true },
        { r->out, "out", "the folder of the frames", true },
        { r->source, "source", "a picture of the person", false },
        { r->source_pose, "source-pose", "its key points", false },
        { r->poses, "poses", "a folder of JSON files, or a CSV", false },
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].value && (needed[i].always || !list)) return cli_usage(p, "--%s is missing: %s", needed[i].name, needed[i].what);
    if (list) return check_list(p, r);
    const size_t n = r->video ? strlen(r->video) : 0;
    if (r->video && (n < 5 || strcmp(r->video + n - 4, ".mp4") != 0))
        return cli_usage(p, "--video is '%s', expected a name that ends in .mp4", r->video);
    if (r->rate > 240) return cli_usage(p, "--fps is %d, expected at most 240", (int)r->rate);
    return CLI_GO_ON;
}

int main(int argc, char **argv)
{
    static request r = { .rate = RATE };
    static cli_option options[OPTIONS];
    fill_options(&r, options);
    const cli_program program = { .name = "posenet-animate", .summary = "a person in one pose after the other", .usage = usage,
                                  .options = options, .common = &r.common };
    int code = cli_parse(&program, argc, argv);
    if (code == CLI_GO_ON) code = check(&program, &r);
    if (code == CLI_GO_ON) code = dump_read(&program, &r.dump);
    if (code != CLI_GO_ON) return code;
    static session s;
    s = (session){ .program = &program, .ask = &r, .ctx = cli_context(&program), .kp_size = r.kp_size };
    if (!s.ctx) return CLI_FAILED;
    code = r.data ? animate_list(&s) : animate(&s);
    pn_image_free(s.ctx, &s.source);
    pn_image_free(s.ctx, &s.picture);
    painter_free(&s.painter);
    pn_model_free(s.model);
    pn_poses_free(s.poses);
    pn_ctx_free(s.ctx);
    return code;
}
