/* examples/posenet-inpaint.c - complete people whose pictures are missing in places: what was there stays as it was */
#include "cli.h"
#include "pictures.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const char *weights, *model, *image, *mask, *pose, *parsing, *out, *data, *pairs, *kind;
    int64_t limit;
    bool masks;
    cli_size size, kp_size;
    cli_list set;
    cli_common common;
} request;

static const char usage[] =
    "  posenet-inpaint --weights FILE --image IMG --mask PNG --pose KP --parsing PNG --out FILE.png|.jpg|.npy\n"
    "  posenet-inpaint --weights FILE --data DIR --kind rect|stroke|region|mixed --out DIR [--limit N] [--masks]\n"
    "\n"
    "White in the mask is missing; what lies there in the picture is not looked at. The label map shows the whole "
    "person.\n"
    "The result has the model's size: the picture where it was known, what the model makes where it was not.\n"
    "An .npy file gets the raw float32 [3,H,W] in [-1,1].\n"
    "Of a data set every target of its test pairs is completed, once, as NAME.png. What is missing follows from NAME and\n"
    "--kind alone: posenet-evaluate --task inpaint draws the same holes.\n";

enum { OPTIONS = 16 };
static void fill_options(request *r, cli_option o[OPTIONS])
{
    int n = 0;
    o[n++] = (cli_option){
        "weights", "FILE", "a checkpoint, or weights under the model's names", CLI_TEXT, { .text = &r->weights }
    };
    o[n++] = (cli_option){
        "model", "NAME", "whose weights these are, when they do not say", CLI_TEXT, { .text = &r->model }
    };
    o[n++] = (cli_option){ "image", "IMG", "JPEG or PNG of the person", CLI_TEXT, { .text = &r->image } };
    o[n++] = (cli_option){ "mask", "PNG", "white where the picture is missing", CLI_TEXT, { .text = &r->mask } };
    o[n++] = (cli_option){
        "pose", "KP", "key points: file.json, or file.csv:image-name", CLI_TEXT, { .text = &r->pose }
    };
    o[n++] = (cli_option){ "parsing", "PNG", "label map of the whole person", CLI_TEXT, { .text = &r->parsing } };
    o[n++] = (cli_option){ "out", "PATH", "the completed picture; folder of a data set's", CLI_TEXT, { .text = &r->out } };
    o[n++] = (cli_option){ "data", "DIR", "data set with label maps, to complete a whole list", CLI_TEXT, { .text = &r->data } };
    o[n++] = (cli_option){ "pairs", "CSV", "columns from,to (the data set's test pairs)", CLI_TEXT, { .text = &r->pairs } };
    o[n++] = (cli_option){ "kind", "KIND", "of its holes: rect, stroke, region or mixed", CLI_TEXT, { .text = &r->kind } };
    o[n++] = (cli_option){ "limit", "N", "complete the first N pictures (all)", CLI_COUNT, { .count = &r->limit } };
    o[n++] = (cli_option){ "masks", NULL, "also write what was missing, NAME_mask.png", CLI_FLAG, { .flag = &r->masks } };
    o[n++] = (cli_option){
        "size", "HxW", "of the result (what the weights were trained at)", CLI_SIZE, { .size = &r->size }
    };
    o[n++] = (cli_option){ "kp-size", "HxW", "grid the key points refer to", CLI_SIZE, { .size = &r->kp_size } };
    o[n++] = (cli_option){
        "set", "KEY=VALUE", "an option of the model; may be repeated", CLI_LIST, { .list = &r->set }
    };
    o[n] = (cli_option){ .kind = CLI_END };
}

typedef struct {
    const cli_program *program;
    const request *ask;
    pn_ctx *ctx;
    pn_model *model;
    painter painter;
    pn_image picture, known, mask; /* as read; at the model's size */
    pn_hole_kind kind;             /* of a list */
    bool no_data;                  /* the data set could not be opened */
} session;

/* ---- The model ------------------------------------------------------------------------------------------------------- */

static pn_status open_model(session *s)
{
    const request *r = s->ask;
    const pn_model_opt opt = { .name = r->model, .task = "inpaint", .set = r->set.item, .n_set = r->set.count };
    ptrdiff_t height = r->size.height, width = r->size.width;
    s->model = painter_model(s->ctx, r->weights, opt, &height, &width);
    if (!s->model) return pn_ctx_status(s->ctx);
    pn_status status = painter_new(&s->painter, s->model, height, width, r->data ? PAINT_MANY : PAINT_ONCE);
    if (!status && !(s->painter.hole = pn_ctx_alloc(s->ctx, (size_t)(height * width) * sizeof(float))))
        status = PN_ERR_NOMEM;
    if (!status && !r->common.quiet) painter_tell(&s->painter, s->program->name);
    return status;
}

static void free_pictures(session *s)
{
    pn_image_free(s->ctx, &s->picture);
    pn_image_free(s->ctx, &s->known);
    pn_image_free(s->ctx, &s->mask);
}

/* ---- The picture ------------------------------------------------------------------------------------------------------- */

static pn_status read_mask(session *s)
{
    painter *p = &s->painter;
    pn_image mask = { 0 };
    pn_status status = pn_image_read(s->ctx, s->ask->mask, &mask);
    if (!status) status = pn_image_resize(s->ctx, &mask, p->height, p->width, PN_FILTER_NEAREST, &s->mask);
    pn_image_free(s->ctx, &mask);
    if (status) return status;
    for (ptrdiff_t i = 0; i < p->height * p->width; i++) {
        const uint8_t *rgb = s->mask.pixels + 3 * i;
        p->hole[i] = rgb[0] + rgb[1] + rgb[2] >= 3 * 128 ? 1 : 0;
    }
    return PN_OK;
}

static pn_status read_pose(session *s)
{
    pn_pose pose;
    ptrdiff_t grid[2];
    const pn_status status = pn_pose_read(s->ctx, s->ask->pose, &pose, grid);
    if (status) return status;
    const cli_size said = s->ask->kp_size;
    const ptrdiff_t h = said.height ? said.height : grid[0] ? grid[0] : s->picture.height;
    const ptrdiff_t w = said.height ? said.width : grid[0] ? grid[1] : s->picture.width;
    painter_heatmaps(&s->painter, &pose, h, w, s->painter.pose_source);
    painter_heatmaps(&s->painter, &pose, h, w, s->painter.pose_target);
    return PN_OK;
}

static pn_status read_picture(session *s, const char *path)
{
    painter *p = &s->painter;
    pn_status status = pn_image_read(s->ctx, path, &s->picture);
    if (!status) status = pn_image_resize(s->ctx, &s->picture, p->height, p->width, p->needs.filter, &s->known);
    if (!status) pn_image_to_floats(&s->known, p->source);
    return status;
}

static pn_status read_all(session *s)
{
    const request *r = s->ask;
    painter *p = &s->painter;
    const pn_person person = { .name = r->image, .parsing = r->parsing };
    pn_status status = read_picture(s, r->image);
    if (!status) status = read_mask(s);
    if (!status) status = read_pose(s);
    return status || !p->parsing ? status
                                 : pn_person_parsing(s->ctx, &person, &p->merge, p->height, p->width, p->parsing);
}

/* What was known stays, to the bit: in floats, and in bytes, which are not computed from floats again. */
static pn_status write_composite(session *s, const char *path)
{
    painter *p = &s->painter;
    const ptrdiff_t plane = p->height * p->width;
    const size_t n = strlen(path);
    for (ptrdiff_t i = 0; i < 3 * plane; i++)
        if (p->hole[i % plane] == 0) p->image[i] = p->source[i];
    if (n > 4 && strcmp(path + n - 4, ".npy") == 0)
        return pn_npy_write(s->ctx, path, pn_shape3(3, p->height, p->width), p->image);
    pn_image made;
    pn_status status = pn_image_new(s->ctx, p->height, p->width, 3, &made);
    if (status) return status;
    pn_image_from_floats(p->image, &made);
    for (ptrdiff_t i = 0; i < plane; i++)
        if (p->hole[i] == 0) memcpy(made.pixels + 3 * i, s->known.pixels + 3 * i, 3);
    status = pn_image_write(s->ctx, path, &made);
    pn_image_free(s->ctx, &made);
    return status;
}

static pn_status one_picture(session *s)
{
    pn_status status = read_all(s);
    if (!status) status = painter_run(&s->painter);
    if (!status) status = write_composite(s, s->ask->out);
    if (!status) printf("%s\n", s->ask->out);
    return status;
}

/* ---- A list ------------------------------------------------------------------------------------------------------------ */

/* What is missing of a person, as scores draw it: 255 in the mask, 1 in the painter's hole. */
static pn_status draw_mask(session *s, const pn_person *person)
{
    painter *p = &s->painter;
    pn_image classes = { 0 };
    pn_status status = pn_person_classes(s->ctx, person, &p->merge, p->height, p->width, &classes);
    if (!status) status = pn_image_new(s->ctx, p->height, p->width, 1, &s->mask);
    if (!status) status = pn_hole_named(s->ctx, &s->mask, &classes, s->kind, person->name);
    for (ptrdiff_t i = 0; !status && i < p->height * p->width; i++) {
        p->hole[i] = s->mask.pixels[i];
        s->mask.pixels[i] = s->mask.pixels[i] ? 255 : 0;
    }
    pn_image_free(s->ctx, &classes);
    return status;
}

static pn_status one_person(session *s, const pn_person *person)
{
    painter *p = &s->painter;
    char path[4096];
    pn_status status = read_picture(s, person->path);
    if (!status) status = draw_mask(s, person);
    if (!status && p->parsing) status = pn_person_parsing(s->ctx, person, &p->merge, p->height, p->width, p->parsing);
    if (!status) {
        painter_heatmaps(p, &person->pose, person->grid_height, person->grid_width, p->pose_source);
        painter_heatmaps(p, &person->pose, person->grid_height, person->grid_width, p->pose_target);
        status = painter_run(p);
    }
    if (!status) make_folder(s->ask->out);
    snprintf(path, sizeof path, "%s/%.*s.png", s->ask->out, stem_length(person->name), person->name);
    if (!status) status = write_composite(s, path);
    snprintf(path, sizeof path, "%s/%.*s_mask.png", s->ask->out, stem_length(person->name), person->name);
    if (!status && s->ask->masks) status = pn_image_write(s->ctx, path, &s->mask);
    free_pictures(s);
    return status;
}

/* Labels as the model reads them; for one that reads none, as the data set says. */
static pn_status find_labels(session *s, const pn_dataset *d)
{
    const char *labelling = pn_dataset_parsing(d);
    if (!*labelling)
        return pn_ctx_fail(s->ctx, PN_ERR_FORMAT, "%s has no label maps, and holes lie on the person that they show",
                           s->ask->data);
    return s->painter.needs.classes ? painter_labelling(&s->painter, labelling)
                                    : pn_merge_find(s->ctx, labelling, &s->painter.merge);
}

static pn_status list_of_people(session *s)
{
    const request *r = s->ask;
    const pn_dataset_opt opt = { .kp_height = r->kp_size.height, .kp_width = r->kp_size.width, .pairs = r->pairs };
    pn_dataset *d = pn_dataset_open(s->ctx, r->data, "test", &opt);
    s->no_data = !d;
    if (!d) return pn_ctx_status(s->ctx);
    ptrdiff_t n = pn_dataset_targets(d);
    if (r->limit && r->limit < n) n = (ptrdiff_t)r->limit;
    pn_status status = find_labels(s, d);
    cli_progress progress = cli_progress_begin(s->program, 0, n);
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        status = one_person(s, pn_dataset_target(d, i));
        if (!status) cli_progress_show(&progress, i + 1, "pictures");
    }
    cli_progress_end(&progress);
    if (!status) printf("%td pictures in %s\n", n, r->out);
    pn_dataset_free(d);
    return status;
}

/* ---- main ---------------------------------------------------------------------------------------------------------------- */

static int check_list(const cli_program *p, const request *r)
{
    if (r->image || r->mask || r->pose || r->parsing)
        return cli_usage(p, "--%s and --data exclude each other: one picture, or a list",
                         r->image ? "image" : r->mask ? "mask" : r->pose ? "pose" : "parsing");
    if (!r->weights) return cli_usage(p, "--weights is missing");
    if (!r->out) return cli_usage(p, "--out is missing");
    if (!r->kind) return cli_usage(p, "--kind is missing: that of the holes, rect, stroke, region or mixed");
    return CLI_GO_ON;
}

static int check(const cli_program *p, const request *r)
{
    const struct {
        const char *name, *value;
    } wanted[] = {
        { "weights", r->weights }, { "image", r->image },     { "mask", r->mask },
        { "pose", r->pose },       { "parsing", r->parsing }, { "out", r->out },
    };
    if (r->data) return check_list(p, r);
    if (r->pairs || r->kind || r->limit || r->masks)
        return cli_usage(p, "--%s is for a list; name its data set with --data",
                         r->pairs ? "pairs" : r->kind ? "kind" : r->limit ? "limit" : "masks");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!wanted[i].value) return cli_usage(p, "--%s is missing", wanted[i].name);
    if (!picture_kind(r->out))
        return cli_usage(p, "--out is '%s', expected a name that ends in .png, .jpg or .npy", r->out);
    return CLI_GO_ON;
}

/* Before a model is opened, which takes longer. */
static pn_status find_kind(session *s)
{
    if (!s->ask->data) return PN_OK;
    const pn_status status = pn_hole_kind_find(s->ctx, s->ask->kind, &s->kind);
    if (status || s->kind != PN_HOLE_NONE) return status;
    return pn_ctx_fail(s->ctx, PN_ERR_ARG, "holes of kind none leave nothing to complete; take mixed, rect, stroke or region");
}

int main(int argc, char **argv)
{
    static request r;
    static cli_option options[OPTIONS];
    fill_options(&r, options);
    const cli_program program = { .name = "posenet-inpaint",
                                  .summary = "complete people whose pictures are missing in places",
                                  .usage = usage,
                                  .options = options,
                                  .common = &r.common };
    int code = cli_parse(&program, argc, argv);
    if (code == CLI_GO_ON) code = check(&program, &r);
    if (code != CLI_GO_ON) return code;
    session s = { .program = &program, .ask = &r, .ctx = cli_context(&program) };
    if (!s.ctx) return CLI_FAILED;
    pn_status status = find_kind(&s);
    if (!status) status = open_model(&s);
    if (!status) status = r.data ? list_of_people(&s) : one_picture(&s);
    code = !status ? CLI_OK : s.no_data ? cli_bad_data(&program, s.ctx) : cli_failed(&program, s.ctx);
    free_pictures(&s);
    painter_free(&s.painter);
    pn_model_free(s.model);
    pn_ctx_free(s.ctx);
    return code;
}
