/* examples/posenet-data.c - data sets: make synthetic ones, check real ones, draw and convert key points */
#include "cli.h"
#include "posenet/data.h"
#include "posenet/synth.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} verb;

/* ---- synth ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    pn_status (*write)(pn_ctx *ctx, const pn_synth_opt *opt);
    bool dressed;                   /* whole people before walls: --white and --matched are about them */
    int64_t views;                  /* unless --views says otherwise */
    cli_size size;
    const char *made;               /* of: people, views, size */
} synth_kind;

static const synth_kind kinds[] = {
    { "pose", pn_synth_write, true, 6, { 128, 96 }, "%s: %" PRId64 " people, %" PRId64 " views of each, %tdx%td\n" },
    { "dance", pn_synth_write_dance, true, 60, { 128, 128 }, "%s: %" PRId64 " clips of people, %" PRId64 " frames each, %tdx%td\n" },
    { "face", pn_synth_write_face, false, 60, { 128, 128 }, "%s: %" PRId64 " clips of faces, %" PRId64 " frames each, %tdx%td\n" },
    { "view", pn_synth_write_view, false, 54, { 128, 128 }, "%s: %" PRId64 " objects, %" PRId64 " views of each, %tdx%td\n" },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const synth_kind *find_kind(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}

static int write_synth(const cli_program *program, const synth_kind *kind, const pn_synth_opt *opt)
{
    pn_ctx *ctx = cli_context(program);
    if (!ctx) return CLI_FAILED;
    int code = CLI_OK;
    const pn_status status = kind->write(ctx, opt);
    if (status) /* limits too are about what was asked for */
        code = status == PN_ERR_ARG || status == PN_ERR_LIMIT ? cli_usage(program, "%s", pn_ctx_message(ctx))
                                                              : cli_failed(program, ctx);
    else
        printf(kind->made, opt->out, (int64_t)opt->people, (int64_t)opt->views, opt->height, opt->width);
    pn_ctx_free(ctx);
    return code;
}

static int run_synth(int argc, char **argv)
{
    cli_common common = { 0 };
    const char *out = NULL, *name = "pose";
    int64_t people = 20, views = 0;
    cli_size size = { 0, 0 };
    bool flow = false, white = false, matched = false;
    const cli_option options[] = {
        { "out", "DIR", "data set to write", CLI_TEXT, { .text = &out } },
        { "people", "N", "how many (20), a fifth of them for the test", CLI_COUNT, { .count = &people } },
        { "views", "V", "pictures of each (6), or frames (60); view: all 54", CLI_COUNT, { .count = &views } },
        { "size", "HxW", "of the pictures (128x96; 128x128 but for pose)", CLI_SIZE, { .size = &size } },
        { "kind", "NAME", "the task they are for: pose, dance, face or view (pose)", CLI_TEXT, { .text = &name } },
        { "white", NULL, "pose and dance: white behind people, as in FashionVideo; else each has a wall of its own", CLI_FLAG, { .flag = &white } },
        { "matched", NULL, "pose and dance: each person in shades of one colour; else every garment has its own", CLI_FLAG, { .flag = &matched } },
        { "flow", NULL, "pose: also exact flow and visibility of every pair", CLI_FLAG, { .flag = &flow } },
        { .kind = CLI_END },
    };
    const cli_program program = {
        .name = "posenet-data synth",
        .summary = "a data set of synthetic people, faces or objects in the layout of a task's own data",
        .usage = "  posenet-data synth --out DIR [--kind NAME] [--people N] [--views V] [--size HxW] [--seed S] [--white] [--matched] [--flow]\n",
        .options = options,
        .common = &common,
    };
    const int done = cli_parse(&program, argc, argv);
    if (done != CLI_GO_ON) return done;
    if (!out) return cli_usage(&program, "--out is missing");
    const synth_kind *kind = find_kind(name);
    if (!kind) return cli_usage(&program, "--kind is '%s', expected pose, dance, face or view", name);
    if (people > 1000000) return cli_usage(&program, "--people is '%" PRId64 "', expected at most 1000000", people);
    if (views > 100000) return cli_usage(&program, "--views is '%" PRId64 "', expected at most 100000", views);
    if (flow && kind != kinds) return cli_usage(&program, "--flow is of --kind pose, not of %s", kind->name);
    if (white && !kind->dressed) return cli_usage(&program, "--white is of --kind pose and dance, not of %s", kind->name);
    if (matched && !kind->dressed) return cli_usage(&program, "--matched is of --kind pose and dance, not of %s", kind->name);
    if (!views) views = kind->views;
    if (!size.height) size = kind->size;
    const pn_synth_opt opt = { .out = out, .people = (int)people, .views = (int)views, .height = size.height,
                               .width = size.width, .seed = common.seed, .white = white, .matched = matched, .flow = flow };
    return write_synth(&program, kind, &opt);
}

/* ---- prepare ---------------------------------------------------------------------------------------------------- */

static int run_prepare(int argc, char **argv)
{
    cli_common common = { 0 };
    pn_prepare_opt opt = { NULL, NULL, NULL };
    const cli_option options[] = {
        { "images", "DIR", "unpacked img_highres or img: holds MEN and WOMEN", CLI_TEXT, { .text = &opt.images } },
        { "lists", "DIR", "train.lst, test.lst, pairs and annotations", CLI_TEXT, { .text = &opt.lists } },
        { "out", "DIR", "data set to write", CLI_TEXT, { .text = &opt.out } },
        { .kind = CLI_END },
    };
    const cli_program program = {
        .name = "posenet-data prepare",
        .summary = "DeepFashion as it is handed out, into the folders that pose transfer uses",
        .usage = "  posenet-data prepare --images DIR --lists DIR --out DIR\n\n"
                 "Pictures that are there already are left alone: it can be stopped and run again.\n",
        .options = options,
        .common = &common,
    };
    const int done = cli_parse(&program, argc, argv);
    if (done != CLI_GO_ON) return done;
    if (!opt.images || !opt.lists || !opt.out)
        return cli_usage(&program, "--%s is missing", !opt.images ? "images" : !opt.lists ? "lists" : "out");
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    pn_prepare_report r;
    int code = CLI_OK;
    if (pn_prepare(ctx, &opt, &r)) {
        code = cli_failed(&program, ctx);
    } else {
        printf("%s: %td listed, %td copied, %td there before, %td missing; %td pictures of the tree are in no list\n",
               opt.out, r.listed, r.copied, r.there, r.missing, r.unlisted);
        if (r.missing) {
            fprintf(stderr, "%s: %td listed pictures are not in %s, the first %s\n", program.name, r.missing,
                    opt.images, r.first_missing);
            code = CLI_BAD_DATA;
        }
    }
    pn_ctx_free(ctx);
    return code;
}

/* ---- check ------------------------------------------------------------------------------------------------------ */

static void print_people(const pn_check *c)
{
    printf("%-8s %9s %9s %7s %10s %8s %8s %9s %8s %10s\n", "split", "pictures", "annotated", "nobody", "duplicates",
           "missing", "pairs", "no points", "no image", "grid");
    for (ptrdiff_t i = 0; i < c->splits; i++) {
        const pn_split_check *s = &c->split[i];
        char grid[48] = "?";
        if (s->grid_height) snprintf(grid, sizeof grid, "%tdx%td", s->grid_height, s->grid_width);
        if (!s->annotated) snprintf(grid, sizeof grid, "-");
        printf("%-8s %9td %9td %7td %10td %8td %8td %9td %8td %10s\n", s->name, s->pictures, s->annotated, s->nobody,
               s->duplicates, s->missing, s->pairs, s->unannotated_pairs, s->pictureless_pairs, grid);
    }
}

static void print_views(const pn_check *c)
{
    printf("%-8s %9s %9s %8s %8s\n", "split", "objects", "views", "missing", "pairs");
    for (ptrdiff_t i = 0; i < c->splits; i++) {
        const pn_split_check *s = &c->split[i];
        printf("%-8s %9td %9td %8td %8td\n", s->name, s->groups, s->pictures, s->missing, s->pairs);
    }
}

static void print_clips(const pn_check *c)
{
    const bool dance = c->kind == PN_FOLDER_DANCE;
    printf("%-8s %9s %9s%s\n", "split", "clips", "frames", dance ? "      clean     masks" : "");
    for (ptrdiff_t i = 0; i < c->splits; i++) {
        const pn_split_check *s = &c->split[i];
        printf("%-8s %9td %9td", s->name, s->groups, s->pictures);
        if (dance) printf("  %9td %9td", s->clean, s->masks);
        putchar('\n');
    }
}

static void print_check(const pn_check *c)
{
    static const char *const what[] = { "people in pairs", "clips of people", "clips of faces", "views of objects" };
    printf("%s\n", what[c->kind]);
    if (c->kind == PN_FOLDER_PAIRS) print_people(c);
    else if (c->kind == PN_FOLDER_VIEWS) print_views(c);
    else print_clips(c);
    printf("picture sizes (height x width):");
    for (int i = 0; i < c->sizes && i < 16; i++)
        printf("%s %tdx%td (%td)", i ? "," : "", c->size[i].height, c->size[i].width, c->size[i].count);
    printf("%s\n", c->sizes > 16 ? ", and others" : c->sizes ? "" : " none");
    for (ptrdiff_t i = 0; i < c->problems_kept; i++) printf("bad: %s\n", c->problem[i]);
    if (c->problems > c->problems_kept) printf("bad: and %td more\n", c->problems - c->problems_kept);
    if (c->problems) printf("%td problems\n", c->problems);
    else printf("no problems\n");
}

static int run_check(int argc, char **argv)
{
    cli_common common = { 0 };
    cli_size kp_size = { 0, 0 };
    cli_list rest = { .count = 0 };
    const cli_option options[] = {
        { "kp-size", "HxW", "grid that the key points refer to", CLI_SIZE, { .size = &kp_size } },
        { .kind = CLI_END },
    };
    const cli_program program = {
        .name = "posenet-data check",
        .summary = "read all of a data set, pictures included, and say what is wrong",
        .usage = "  posenet-data check DIR\n\nExits with 3 when something is wrong.\n",
        .options = options,
        .common = &common,
        .rest = &rest,
    };
    const int done = cli_parse(&program, argc, argv);
    if (done != CLI_GO_ON) return done;
    if (rest.count != 1) return cli_usage(&program, "expected one folder, not %d", rest.count);
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    pn_check check;
    int code = CLI_OK;
    if (pn_dataset_check(ctx, rest.item[0],
                         &(pn_dataset_opt) { .kp_height = kp_size.height, .kp_width = kp_size.width }, &check)) {
        code = cli_bad_data(&program, ctx);
    } else {
        print_check(&check);
        if (check.problems) code = CLI_BAD_DATA;
        pn_check_free(ctx, &check);
    }
    pn_ctx_free(ctx);
    return code;
}

/* ---- draw ------------------------------------------------------------------------------------------------------- */

typedef struct { const char *image, *pose, *out; cli_size kp_size; } drawing;

static pn_status draw(pn_ctx *ctx, const drawing *d)
{
    pn_pose pose;
    ptrdiff_t grid[2];
    pn_image image;
    pn_status status = pn_pose_read(ctx, d->pose, &pose, grid);
    if (!status) status = pn_image_read(ctx, d->image, &image);
    if (status) return status;
    if (d->kp_size.height) {
        grid[0] = d->kp_size.height;
        grid[1] = d->kp_size.width;
    }
    if (grid[0])
        pose = pn_pose_scale(&pose, (double)grid[0], (double)grid[1], (double)image.height, (double)image.width);
    pn_pose_draw(&pose, &image);
    status = pn_image_write(ctx, d->out, &image);
    pn_image_free(ctx, &image);
    return status;
}

static int run_draw(int argc, char **argv)
{
    cli_common common = { 0 };
    drawing d = { .image = NULL };
    const cli_option options[] = {
        { "image", "IMG", "JPEG or PNG to draw over", CLI_TEXT, { .text = &d.image } },
        { "pose", "KP", "its key points", CLI_TEXT, { .text = &d.pose } },
        { "out", "FILE", "picture to write, .png or .jpg", CLI_TEXT, { .text = &d.out } },
        { "kp-size",
          "HxW",
          "grid that the key points refer to (the picture's pixels)",
          CLI_SIZE,
          { .size = &d.kp_size } },
        { .kind = CLI_END },
    };
    const cli_program program = {
        .name = "posenet-data draw", .summary = "key points and limbs over a picture",
        .usage = "  posenet-data draw --image IMG --pose KP --out FILE\n\n"
                 "KP is file.json (OpenPose, COCO) or file.csv:image-name (a row of an annotation file).\n",
        .options = options, .common = &common,
    };
    const int done = cli_parse(&program, argc, argv);
    if (done != CLI_GO_ON) return done;
    if (!d.image || !d.pose || !d.out)
        return cli_usage(&program, "--%s is missing", !d.image ? "image" : !d.pose ? "pose" : "out");
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    const int code = draw(ctx, &d) ? cli_failed(&program, ctx) : CLI_OK;
    if (!code) printf("%s\n", d.out);
    pn_ctx_free(ctx);
    return code;
}

/* ---- Verbs that make something of the files named --------------------------------------------------------------- */

/* CLI_GO_ON: the options, an --out and from one to `most` names are there. */
static int parse_files(const cli_program *p, int argc, char **argv, const char *const *out, int most, const char *expected)
{
    const int done = cli_parse(p, argc, argv);
    if (done != CLI_GO_ON) return done;
    if (!*out) return cli_usage(p, "--out is missing");
    if (p->rest->count < 1 || p->rest->count > most) return cli_usage(p, "expected %s", expected);
    return CLI_GO_ON;
}

/* Says what was made, or why not, and ends the context. failed: what a failure is, cli_failed or cli_bad_data */
static int made(const cli_program *p, pn_ctx *ctx, pn_status status, int (*failed)(const cli_program *, const pn_ctx *),
                const char *out, size_t count, const char *what)
{
    const int code = status ? failed(p, ctx) : CLI_OK;
    if (!status) printf("%s: %zu %s\n", out, count, what);
    pn_ctx_free(ctx);
    return code;
}

/* ---- keypoints -------------------------------------------------------------------------------------------------- */

static int run_keypoints(int argc, char **argv)
{
    cli_common common = { 0 };
    const char *out = NULL;
    cli_list rest = { .count = 0 };
    const cli_option options[] = {
        { "out", "CSV", "annotation file to write", CLI_TEXT, { .text = &out } },
        { .kind = CLI_END },
    };
    const cli_program program = {
        .name = "posenet-data keypoints",
        .summary = "key points of OpenPose, COCO or AlphaPose JSON as an annotation file",
        .usage = "  posenet-data keypoints --out CSV FILE.json|DIR...\n\n"
                 "Of each picture the surest person is taken. x_keypoints.json becomes the row of x.jpg, unless the "
                 "JSON names\n"
                 "its pictures itself.\n",
        .options = options,
        .common = &common,
        .rest = &rest,
    };
    const int done = parse_files(&program, argc, argv, &out, CLI_LIST_MAX, "JSON files or folders of them");
    if (done != CLI_GO_ON) return done;
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    size_t rows = 0;
    const pn_status status = pn_pose_json_to_csv(ctx, rest.item, (size_t)rest.count, out, &rows);
    return made(&program, ctx, status, cli_failed, out, rows, "rows");
}

/* ---- mistakes --------------------------------------------------------------------------------------------------- */

static int run_mistakes(int argc, char **argv)
{
    cli_common common = { 0 };
    const char *out = NULL;
    double share = 0;
    cli_list rest = { .count = 0 };
    const cli_option options[] = {
        { "share", "X", "of the classes of each map, about this share is spoilt: 0 to 1", CLI_NUMBER, { .number = &share } },
        { "out", "DIR", "folder to write to", CLI_TEXT, { .text = &out } },
        { .kind = CLI_END },
    };
    const cli_program program = {
        .name = "posenet-data mistakes",
        .summary = "label maps with mistakes, to see what becomes of a model's pictures",
        .usage = "  posenet-data mistakes --share X --out DIR FOLDER\n\n"
                 "Of each label map (.png) in FOLDER classes get another's label, move by up to a sixteenth of the sides, or are missing,\n"
                 "one as often as the other. Which ones follows from the file's name; a larger share spoils the same and more.\n",
        .options = options,
        .common = &common,
        .rest = &rest,
    };
    const int done = parse_files(&program, argc, argv, &out, 1, "one folder of label maps");
    if (done != CLI_GO_ON) return done;
    if (!(share > 0 && share <= 1))
        return cli_usage(&program, "--share is %s, expected a number above 0 and at most 1", share > 1 ? "too large" : "missing");
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    size_t files = 0;
    const pn_status status = pn_labels_mistake_folder(ctx, rest.item[0], out, share, &files);
    return made(&program, ctx, status, cli_bad_data, out, files, "label maps");
}

/* ---- All -------------------------------------------------------------------------------------------------------- */

static const verb verbs[] = {
    { "synth", "make a data set of synthetic people", run_synth },
    { "prepare", "DeepFashion's own folders to the field's layout", run_prepare },
    { "check", "read all of a data set and say what is wrong", run_check },
    { "draw", "key points over a picture", run_draw },
    { "keypoints", "OpenPose or COCO JSON to an annotation file", run_keypoints },
    { "mistakes", "label maps with a parser's mistakes", run_mistakes },
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static void print_verbs(FILE *to)
{
    fprintf(to, "posenet-data: data sets for person image generation\n\n");
    for (int i = 0; i < VERBS; i++) fprintf(to, "  posenet-data %-10s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(to, "\nEach takes --help. Exit status: 0 ok, 1 failed, 2 usage, 3 bad data.\n");
}

int main(int argc, char **argv)
{
    for (int i = 0; argc > 1 && i < VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0) return verbs[i].run(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) return print_verbs(stdout), CLI_OK;
    if (argc > 1 && strcmp(argv[1], "--version") == 0) return printf("posenet-data %s\n", pn_version()), CLI_OK;
    if (argc > 1) fprintf(stderr, "posenet-data: '%s' is none of its verbs\n", argv[1]);
    print_verbs(stderr);
    return CLI_USAGE;
}
