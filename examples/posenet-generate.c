/* examples/posenet-generate.c - people in new poses, objects from other sides: a list of pairs, or one picture; and what the model
 * looked at */
#include "cli.h"
#include "dump.h"
#include "views.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *weights, *model, *data, *pairs, *out, *source, *source_pose, *target_pose, *source_parsing;
    cli_size size, kp_size;
    cli_list set;
    dump dump;
    cli_common common;
} request;

static const char usage[] =
    "  posenet-generate --weights FILE --data DIR --pairs CSV --out DIR\n"
    "  posenet-generate --weights FILE --source IMG --source-pose KP --target-pose KP --out FILE.png|.jpg|.npy\n"
    "\n"
    "KP is a file.json as OpenPose writes it, or file.csv:image-name, a row of an annotation file. Key points are in\n"
    "pixels of the picture they belong to; the target's share the source picture's frame unless --kp-size says otherwise.\n"
    "An .npy file gets the raw float32 [3,H,W] in [-1,1].\n"
    "Of a model of task view KP is AZIMUTH,ELEVATION in degrees, like 60,0: azimuths 0, 20 to 340, elevations 0, 10, 20; a list's\n"
    "names are those of views, MODEL_A_E, and without --pairs it is the published test: of each object all 18 azimuths.\n"
    "\n"
    "--dump: NAME.npy and pictures of what the model looked at. A flow's hue is its direction (right red, down yellow-green,\n"
    "left cyan, up violet), its saturation the length, full at the number below the wheel, in cells of its map. White in a mask:\n"
    "taken from the source. Beside the generated picture (_reads) lies the source, with the k x k places that each numbered\n"
    "point reads: a disc's area is the weight; a ring instead of a dot is a point whose mask is below one half.\n";

enum { OPTIONS = 15 };
static void fill_options(request *r, cli_option o[OPTIONS])
{
    int n = 0;
    o[n++] = (cli_option){ "weights", "FILE", "a checkpoint, or weights under the published names (.pth, too)", CLI_TEXT, { .text = &r->weights } };
    o[n++] = (cli_option){ "model", "NAME", "whose weights these are, when they do not say", CLI_TEXT, { .text = &r->model } };
    o[n++] = (cli_option){ "data", "DIR", "data set that the pairs belong to", CLI_TEXT, { .text = &r->data } };
    o[n++] = (cli_option){ "pairs", "CSV", "columns from,to (the data set's test pairs)", CLI_TEXT, { .text = &r->pairs } };
    o[n++] = (cli_option){ "out", "PATH", "folder of a list's pictures; file of one picture", CLI_TEXT, { .text = &r->out } };
    o[n++] = (cli_option){ "source", "IMG", "JPEG or PNG of the person", CLI_TEXT, { .text = &r->source } };
    o[n++] = (cli_option){ "source-pose", "KP", "its key points", CLI_TEXT, { .text = &r->source_pose } };
    o[n++] = (cli_option){ "target-pose", "KP", "the pose to show", CLI_TEXT, { .text = &r->target_pose } };
    o[n++] = (cli_option){ "source-parsing", "PNG", "label map of the source, for models that read one", CLI_TEXT, { .text = &r->source_parsing } };
    o[n++] = (cli_option){ "size", "HxW", "of the result (what the weights were trained at)", CLI_SIZE, { .size = &r->size } };
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
    pn_model *model;
    cli_size size;
    painter painter;
    bool no_data; /* the data set could not be opened */
} session;

/* ---- The model ------------------------------------------------------------------------------------------------------------- */

static pn_status check_task(const session *s)
{
    const pn_model_reads reads = pn_model_needs_at(s->model, pn_model_kind_of(s->model)->height).reads;
    if (reads == PN_READS_PAIRS || reads == PN_READS_VIEWS) return PN_OK;
    return pn_ctx_fail(s->ctx, PN_ERR_ARG, "%s holds weights of the task %s, which does not read pairs of pictures%s", s->ask->weights,
                       pn_model_task_of(s->model),
                       reads == PN_READS_DANCES || reads == PN_READS_FACES ? "; posenet-animate makes its frames" : "");
}

static pn_status open_model(session *s)
{
    const request *r = s->ask;
    const pn_model_opt opt = { .name = r->model, .set = r->set.item, .n_set = r->set.count };
    s->size = r->size;
    s->model = painter_model(s->ctx, r->weights, opt, &s->size.height, &s->size.width);
    if (!s->model || check_task(s)) return pn_ctx_status(s->ctx);
    if ((r->source || r->source_parsing) && painter_check_parsing(s->model, r->source_parsing)) return pn_ctx_status(s->ctx);
    if (dump_check(s->ctx, &r->dump, s->size.height, s->size.width)) return pn_ctx_status(s->ctx);
    const paint_use use = r->source ? PAINT_ONCE : PAINT_MANY;
    const pn_status planned = painter_new(&s->painter, s->model, s->size.height, s->size.width, use);
    if (!planned && !r->common.quiet) painter_tell(&s->painter, s->program->name);
    return planned;
}

/* ---- One picture ------------------------------------------------------------------------------------------------------------- */

static pn_status target_pose(session *s, const ptrdiff_t frame[2])
{
    pn_pose pose;
    ptrdiff_t grid[2];
    const pn_status status = pn_pose_read(s->ctx, s->ask->target_pose, &pose, grid);
    const cli_size said = s->ask->kp_size;
    if (status) return status;
    if (said.height) painter_target(&s->painter, &pose, said.height, said.width);
    else if (grid[0]) painter_target(&s->painter, &pose, grid[0], grid[1]);
    else painter_target(&s->painter, &pose, frame[0], frame[1]);
    return PN_OK;
}

static pn_status person_and_pose(session *s)
{
    const request *r = s->ask;
    const painter_person who = { r->source, r->source_pose, r->source_parsing, { r->kp_size.height, r->kp_size.width } };
    ptrdiff_t frame[2];
    pn_image resized = { 0 };
    const pn_status status = painter_source(&s->painter, &who, frame, &resized);
    pn_image_free(s->ctx, &resized);
    return status ? status : target_pose(s, frame);
}

static pn_status object_and_view(session *s)
{
    const request *r = s->ask;
    pn_object_view from, to;
    pn_status status = view_parse(s->ctx, "--source-pose", r->source_pose, &from);
    if (!status) status = view_parse(s->ctx, "--target-pose", r->target_pose, &to);
    return status ? status : painter_object(&s->painter, r->source, &from, &to);
}

static pn_status one_picture(session *s)
{
    const request *r = s->ask;
    pn_status status = s->painter.needs.reads == PN_READS_VIEWS ? object_and_view(s) : person_and_pose(s);
    if (!status) status = painter_run(&s->painter);
    if (!status) status = painter_write(&s->painter, r->out);
    if (!status) status = dump_write(&r->dump, &s->painter, "", "");
    if (!status) printf("%s\n", r->out);
    return status;
}

/* ---- A list of pairs ----------------------------------------------------------------------------------------------------------- */

/* What the painter has made, under the names of its pair. */
static pn_status write_pair(session *s, const char *from, const char *to)
{
    char path[4096], stem[1024];
    snprintf(stem, sizeof stem, "%.*s_2_%.*s", stem_length(from), from, stem_length(to), to);
    snprintf(path, sizeof path, "%s/%s_vis.png", s->ask->out, stem);
    const pn_status status = painter_write(&s->painter, path);
    return status ? status : dump_write(&s->ask->dump, &s->painter, "", stem);
}

static pn_status one_pair(session *s, const pn_pair *pair)
{
    const pn_status status = painter_paint(&s->painter, pair);
    return status ? status : write_pair(s, pair->source->name, pair->target->name);
}

static pn_status one_turn(session *s, const pn_views *v, pn_view_pair pair)
{
    const pn_status status = painter_turn(&s->painter, v, pair);
    return status ? status : write_pair(s, pn_views_view(v, pair.source)->name, pn_views_view(v, pair.target)->name);
}

static pn_status list_of_views(session *s)
{
    const request *r = s->ask;
    pn_views *v = pn_views_open(s->ctx, r->data, "test");
    pn_view_pair *pairs = NULL;
    ptrdiff_t n = 0;
    s->no_data = !v || pn_views_pairs(v, r->pairs, &pairs, &n);
    pn_status status = s->no_data ? pn_ctx_status(s->ctx) : PN_OK;
    make_folder(s->no_data ? NULL : r->out);
    cli_progress progress = cli_progress_begin(s->program, 0, n);
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        status = one_turn(s, v, pairs[i]);
        cli_progress_show(&progress, i + 1, "%s", "");
    }
    cli_progress_end(&progress);
    if (!status) printf("%td pictures in %s\n", n, r->out);
    pn_ctx_release(s->ctx, pairs);
    pn_views_free(v);
    return status;
}

static pn_status list_of_pairs(session *s)
{
    const request *r = s->ask;
    const pn_dataset_opt opt = { .kp_height = r->kp_size.height, .kp_width = r->kp_size.width, .pairs = r->pairs };
    pn_dataset *d = pn_dataset_open(s->ctx, r->data, "test", &opt);
    s->no_data = !d;
    if (!d) return pn_ctx_status(s->ctx);
    make_folder(r->out);
    const ptrdiff_t n = pn_dataset_pairs(d);
    cli_progress progress = cli_progress_begin(s->program, 0, n);
    pn_status status = painter_labelling(&s->painter, pn_dataset_parsing(d));
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        status = one_pair(s, pn_dataset_pair(d, i));
        cli_progress_show(&progress, i + 1, "%s", "");
    }
    cli_progress_end(&progress);
    if (!status) printf("%td pictures in %s\n", n, r->out);
    pn_dataset_free(d);
    return status;
}

/* ---- main -------------------------------------------------------------------------------------------------------------------------- */

static int check(const cli_program *p, const request *r)
{
    if (!r->weights) return cli_usage(p, "--weights is missing");
    if (!r->out) return cli_usage(p, "--out is missing");
    if (r->source && r->data) return cli_usage(p, "--source and --data exclude each other: one picture, or a list");
    if (!r->source && !r->data) return cli_usage(p, "neither --source nor --data was given: one picture, or a list");
    if (r->source && (!r->source_pose || !r->target_pose)) return cli_usage(p, "--source needs --source-pose and --target-pose");
    if (r->source && !picture_kind(r->out))
        return cli_usage(p, "--out is '%s', expected a name that ends in .png, .jpg or .npy", r->out);
    return CLI_GO_ON;
}

int main(int argc, char **argv)
{
    static request r;
    static cli_option options[OPTIONS];
    fill_options(&r, options);
    const cli_program program = { .name = "posenet-generate", .summary = "people in new poses, objects from other sides",
                                  .usage = usage, .options = options,
                                  .common = &r.common };
    int code = cli_parse(&program, argc, argv);
    if (code == CLI_GO_ON) code = check(&program, &r);
    if (code == CLI_GO_ON) code = dump_read(&program, &r.dump);
    if (code != CLI_GO_ON) return code;
    session s = { .program = &program, .ask = &r, .ctx = cli_context(&program) };
    if (!s.ctx) return CLI_FAILED;
    pn_status status = open_model(&s);
    if (!status && r.source) status = one_picture(&s);
    else if (!status) status = s.painter.needs.reads == PN_READS_VIEWS ? list_of_views(&s) : list_of_pairs(&s);
    code = !status ? CLI_OK : s.no_data ? cli_bad_data(&program, s.ctx) : cli_failed(&program, s.ctx);
    painter_free(&s.painter);
    pn_model_free(s.model);
    pn_ctx_free(s.ctx);
    return code;
}
