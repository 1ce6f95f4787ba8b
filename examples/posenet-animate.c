/* examples/posenet-animate.c - a person in one pose after the other: frames, and a video of them */
#include "cli.h"
#include "pictures.h"
#include "video.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const char *weights, *model, *source, *source_pose, *source_parsing, *poses, *out, *video;
    int64_t rate;
    cli_size size, kp_size;
    cli_list set;
    cli_common common;
} request;

static const char usage[] =
    "  posenet-animate --weights FILE --source IMG --source-pose KP --poses DIR|CSV --out DIR [--video FILE.mp4]\n"
    "\n"
    "KP is a file.json as OpenPose writes it, or file.csv:image-name, a row of an annotation file. --poses is a folder of such\n"
    "JSON files, taken in the order of their names, or an annotation file, row by row. Each of them becomes a picture\n"
    "DIR/frame_000001.png and so on. Where nobody was found the pose before stays. Key points are in pixels of the picture they\n"
    "belong to; those of --poses share the source picture's frame unless --kp-size or their file says otherwise.\n"
    "--video hands the frames to the program ffmpeg, too.\n";

enum { OPTIONS = 13, RATE = 15 };
static void fill_options(request *r, cli_option o[OPTIONS])
{
    int n = 0;
    o[n++] = (cli_option){ "weights", "FILE", "a checkpoint, or weights under the published names (.pth, too)", CLI_TEXT, { .text = &r->weights } };
    o[n++] = (cli_option){ "model", "NAME", "whose weights these are, when they do not say", CLI_TEXT, { .text = &r->model } };
    o[n++] = (cli_option){ "source", "IMG", "JPEG or PNG of the person", CLI_TEXT, { .text = &r->source } };
    o[n++] = (cli_option){ "source-pose", "KP", "its key points", CLI_TEXT, { .text = &r->source_pose } };
    o[n++] = (cli_option){ "source-parsing", "PNG", "label map of the source, for models that read one", CLI_TEXT, { .text = &r->source_parsing } };
    o[n++] = (cli_option){ "poses", "PATH", "the poses to show: a folder of JSON files, or a CSV", CLI_TEXT, { .text = &r->poses } };
    o[n++] = (cli_option){ "out", "DIR", "folder of the frames", CLI_TEXT, { .text = &r->out } };
    o[n++] = (cli_option){ "video", "FILE.mp4", "also a video of them, made by ffmpeg", CLI_TEXT, { .text = &r->video } };
    o[n++] = (cli_option){ "fps", "N", "its frames a second (15)", CLI_COUNT, { .count = &r->rate } };
    o[n++] = (cli_option){ "size", "HxW", "of the frames (what the weights were trained at)", CLI_SIZE, { .size = &r->size } };
    o[n++] = (cli_option){ "kp-size", "HxW", "grid the key points refer to", CLI_SIZE, { .size = &r->kp_size } };
    o[n++] = (cli_option){ "set", "KEY=VALUE", "an option of the model; may be repeated", CLI_LIST, { .list = &r->set } };
    o[n] = (cli_option){ .kind = CLI_END };
}

typedef struct {
    const cli_program *program;
    const request *ask;
    pn_ctx *ctx;
    pn_poses *poses;
    pn_model *model;
    painter painter;
    ptrdiff_t frame[2]; /* the source picture's size, which poses share */
    pn_pose pose;       /* the latest */
    ptrdiff_t grid[2];
    bool begun;         /* there has been one */
    pn_image picture;
    video video;
} session;

/* ---- Before the first frame ------------------------------------------------------------------------------------------ */

static pn_status open_model(session *s)
{
    const request *r = s->ask;
    const pn_model_opt opt = { .name = r->model, .set = r->set.item, .n_set = r->set.count };
    ptrdiff_t height = r->size.height, width = r->size.width;
    s->model = painter_model(s->ctx, r->weights, opt, &height, &width);
    if (!s->model || painter_check_parsing(s->model, r->source_parsing)) return pn_ctx_status(s->ctx);
    pn_status status = painter_new(&s->painter, s->model, height, width, PAINT_MANY);
    if (!status) status = pn_image_new(s->ctx, height, width, 3, &s->picture);
    if (!status && !r->common.quiet)
        fprintf(stderr, "%s: size %tdx%td, %.1f MiB for all values and packed weights\n", s->program->name, height, width,
                (double)pn_generation_bytes(s->painter.generation) / 1048576);
    return status;
}

static pn_status open_all(session *s)
{
    const request *r = s->ask;
    s->poses = pn_poses_open(s->ctx, r->poses);
    if (!s->poses || open_model(s)) return pn_ctx_status(s->ctx);
    const painter_person who = { r->source, r->source_pose, r->source_parsing, { r->kp_size.height, r->kp_size.width } };
    return painter_source(&s->painter, &who, s->frame);
}

/* ---- Frames -------------------------------------------------------------------------------------------------------------- */

static bool anybody(const pn_pose *pose)
{
    int there = 0;
    for (int j = 0; j < PN_JOINTS; j++) there += pn_pose_has(pose, j);
    return there > 0;
}

static pn_status next_pose(session *s, ptrdiff_t i)
{
    const cli_size said = s->ask->kp_size;
    pn_pose pose;
    ptrdiff_t grid[2];
    const pn_status status = pn_poses_get(s->poses, i, &pose, grid);
    if (status) return status;
    if (!anybody(&pose) && !s->begun)
        return pn_ctx_fail(s->ctx, PN_ERR_FORMAT, "%s: %s has no key point, and no pose comes before it; leave it out",
                           s->ask->poses, pn_poses_name(s->poses, i));
    if (!anybody(&pose)) {
        pn_ctx_warn(s->ctx, "%s: %s has no key point; the pose before it stays", s->ask->poses, pn_poses_name(s->poses, i));
        return PN_OK;
    }
    const ptrdiff_t *of = grid[0] ? grid : s->frame;
    s->begun = true;
    painter_target(&s->painter, &pose, said.height ? said.height : of[0], said.height ? said.width : of[1]);
    return PN_OK;
}

static pn_status one_frame(session *s, ptrdiff_t i)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/frame_%06td.png", s->ask->out, i + 1);
    pn_status status = next_pose(s, i);
    if (!status) status = painter_run(&s->painter);
    if (status) return status;
    pn_image_from_floats(s->painter.image, &s->picture);
    status = pn_image_write(s->ctx, path, &s->picture);
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

static int animate(session *s)
{
    const request *r = s->ask;
    if (open_all(s)) return cli_failed(s->program, s->ctx);
    const ptrdiff_t n = pn_poses_count(s->poses);
    make_folder(r->out);
    if (r->video) video_begin(&s->video, r->video, s->painter.height, s->painter.width, (int)r->rate);
    cli_progress progress = cli_progress_begin(s->program, 0, n);
    pn_status status = PN_OK;
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        status = one_frame(s, i);
        cli_progress_show(&progress, i + 1, "%s", "");
    }
    cli_progress_end(&progress);
    if (status) {
        if (r->video) video_cancel(&s->video);
        return cli_failed(s->program, s->ctx);
    }
    printf("%td frames in %s\n", n, r->out);
    return r->video ? end_video(s) : CLI_OK;
}

/* ---- main ---------------------------------------------------------------------------------------------------------------- */

static int check(const cli_program *p, const request *r)
{
    const struct { const char *value, *name, *what; } needed[] = {
        { r->weights, "weights", "the model's file" },    { r->source, "source", "a picture of the person" },
        { r->source_pose, "source-pose", "its key points" }, { r->poses, "poses", "a folder of JSON files, or a CSV" },
        { r->out, "out", "the folder of the frames" },
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].value) return cli_usage(p, "--%s is missing: %s", needed[i].name, needed[i].what);
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
    if (code != CLI_GO_ON) return code;
    static session s;
    s = (session){ .program = &program, .ask = &r, .ctx = cli_context(&program) };
    if (!s.ctx) return CLI_FAILED;
    code = animate(&s);
    pn_image_free(s.ctx, &s.picture);
    painter_free(&s.painter);
    pn_model_free(s.model);
    pn_poses_free(s.poses);
    pn_ctx_free(s.ctx);
    return code;
}
