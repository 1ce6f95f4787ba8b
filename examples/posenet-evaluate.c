/* examples/posenet-evaluate.c - scores of generated pictures beside copying the source, of completed ones beside filling in */
#include "cli.h"
#include "posenet/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *generated, *data, *pairs, *protocol, *json, *task, *kind, *labels, *vgg19;
    int64_t limit;
    bool features;
    cli_common common;
} request;

enum { CHUNK = 16 };

static const char usage[] =
    "  posenet-evaluate --generated DIR --data DIR --pairs CSV [--protocol native] [--features [--vgg19 FILE]] [--json FILE]\n"
    "  posenet-evaluate --task view --generated DIR --data DIR [--pairs CSV] [--json FILE]\n"
    "  posenet-evaluate --task dance|face --generated DIR --data DIR [--pairs CSV] [--json FILE]\n"
    "  posenet-evaluate --task inpaint --kind rect|stroke|region|mixed --generated DIR --data DIR [--limit N]\n"
    "\n"
    "Generated pictures are called FROM_2_TO_vis.png or .jpg, without the endings of FROM and TO; completed ones, as\n"
    "posenet-inpaint --data writes them, like the original, .png or .jpg. Of dances and faces DIR is what posenet-animate --data\n"
    "wrote: CLIP/frame_000001.png and so on; --pairs is its list, too. Their frames are scored beside showing the reference, those of\n"
    "dances with masks (train_C) also on the person.\n"
    "Protocol native: at the generated pictures' size; source and truth are stretched to it, by a triangle, of native-cubic by the\n"
    "cubic filter: as gfla and glocal, or rsa_gan, read the pictures they learn from.\n"
    "Where there are label maps, pairs are also scored on the target's person, and on its occluded parts: classes that\n"
    "the source shows nothing of. Completed pictures are scored whole and in their holes, beside holes filled with the\n"
    "person's visible mean colour.\n"
    "--features compares what VGG19 sees. Of each pair the feature distance: of channels made unit vectors at every pixel, the squared\n"
    "difference, in relu1_2, relu2_2, relu3_4 and relu4_4. Of all pairs the Frechet distance of Gaussians fitted to generated and true\n"
    "pictures, by relu4_4's means; the sources of a list that has each pair both ways are at 0 there. Without --vgg19 the filters are\n"
    "orthogonal ones of a fixed seed: such numbers compare with each other, and never with the LPIPS and FID of papers.\n";

static void print_value(double v)
{
    if (isnan(v)) printf(" %12s", "-");
    else printf(" %12.6f", v);
}

static void print_row(const char *name, const pn_scores *s)
{
    printf("%-12s", name);
    for (int i = 0; i < PN_SCORES; i++) print_value(pn_score_at(s, i));
    putchar('\n');
}

static void print_part_row(const char *name, const pn_part_scores *s)
{
    printf("%-12s", name);
    for (int i = 0; i < PN_PART_SCORES; i++) print_value(pn_part_score_at(s, i));
    putchar('\n');
}

static void print_header(void)
{
    printf("%-12s", "");
    for (int i = 0; i < PN_SCORES; i++) printf(" %12s", pn_score_name(i));
    putchar('\n');
}

static void print_part_header(void)
{
    printf("%-12s", "");
    for (int i = 0; i < PN_PART_SCORES; i++) printf(" %12s", pn_part_score_name(i));
    putchar('\n');
}

/* "64x48" */
static const char *size_text(ptrdiff_t height, ptrdiff_t width, char text[48])
{
    snprintf(text, 48, "different sizes");
    if (height) snprintf(text, 48, "%tdx%td", height, width);
    return text;
}

/* ---- Pairs ---------------------------------------------------------------------------------------------------------- */

/* What a mean leaves out is said beside it. */
static void print_left_out(const pn_summary *s)
{
    for (int i = 0; i < PN_SCORES; i++) {
        if (s->generated_finite[i] < s->scored)
            printf("note: %s of %td generated pictures is not finite and is left out\n", pn_score_name(i),
                   s->scored - s->generated_finite[i]);
        if (s->copy_finite[i] < s->scored)
            printf("note: %s of %td sources is not finite and is left out\n", pn_score_name(i),
                   s->scored - s->copy_finite[i]);
    }
}

/* Masks of frames know no occluded parts. */
static void print_parts(const pn_summary *s, bool frames)
{
    static const char *const names[PN_PARTS] = { "person", "occluded parts" };
    const char *unit = frames ? "frames" : "pairs";
    printf("parts by %s%s, in %td %s; their ssim: Gaussian 11x11, range 255, mean over their pixels\n", frames ? "" : "label maps of ",
           s->labelling, s->parsed, unit);
    print_part_header();
    for (int i = 0; i < (frames ? PN_PART_OCCLUDED : PN_PARTS); i++) {
        const pn_part_summary *p = &s->part[i];
        printf("%s: in %td of %td %s, %.2f %% of all pixels", names[i], p->pairs, s->parsed, unit, 100 * p->of_pictures);
        if (i != PN_PART_PERSON) printf(", %.2f %% of the persons'", 100 * p->of_persons);
        putchar('\n');
        if (!p->pairs) continue;
        print_part_row("generated", &p->generated);
        print_part_row(frames ? "reference" : "source copy", &p->copy);
    }
}

enum { BRIEF = 3 };
static const int brief[BRIEF] = { 0, 1, 3 };            /* of a clip: L1, PSNR, SSIM */

/* Every clip, and the first frame of it that is missing. */
static void print_clips(const pn_evaluation *e)
{
    printf("clips; generated, then the reference shown unchanged\n%-24s %8s", "", "frames");
    for (int i = 0; i < 2 * BRIEF; i++) printf(" %12s", pn_score_name(brief[i % BRIEF]));
    putchar('\n');
    for (ptrdiff_t i = 0; i < pn_evaluation_clips(e); i++) {
        const pn_clip_scored c = pn_evaluation_clip(e, i);
        const pn_scores *const both[] = { &c.generated, &c.copy };
        printf("%-24s %8td", c.name, c.scored);
        for (int k = 0; k < 2 * BRIEF; k++) print_value(pn_score_at(both[k / BRIEF], brief[k % BRIEF]));
        if (c.first_missing) printf("  missing: %td of %td, the first frame_%06td", c.frames - c.scored, c.frames, c.first_missing);
        putchar('\n');
    }
}

static void print_feature_row(const char *name, double distance, double frechet)
{
    printf("%-12s", name);
    print_value(distance);
    print_value(frechet);
    putchar('\n');
}

static void print_features(const pn_feature_scores *s)
{
    printf("features of VGG19 by %s; Frechet distance in %td numbers (no LPIPS, no FID)\n", s->filters, s->numbers);
    printf("%-12s %12s %12s\n", "", "distance", "frechet");
    print_feature_row("generated", s->distance, s->frechet);
    print_feature_row("source copy", s->distance_copy, s->frechet_copy);
    if (s->pairs <= s->numbers)
        printf("note: %td pairs are few for a Gaussian in %td numbers; compare frechet only at as many pairs\n", s->pairs, s->numbers);
}

static void print_summary(const pn_evaluation *e, const pn_summary *s)
{
    char size[48];
    const ptrdiff_t clips = pn_evaluation_clips(e);
    printf("protocol %s: %td of %td %s, %s, %td png, %td jpg, source and truth resized by %s\n", s->protocol, s->scored, s->pairs,
           clips ? "frames" : "pairs", size_text(s->height, s->width, size), s->png, s->jpg, s->filter);
    print_header();
    print_row("generated", &s->generated);
    print_row(clips ? "reference" : "source copy", &s->copy);
    print_left_out(s);
    if (clips) print_clips(e);
    if (s->parsed) print_parts(s, clips > 0);
}

/* The rest when all is scored: results, the JSON file, what is missing. */
static int tell(const cli_program *program, const request *r, pn_ctx *ctx, const pn_evaluation *e)
{
    const pn_summary s = pn_evaluation_summary(e);
    pn_feature_scores features;
    if (r->features && pn_evaluation_features(e, &features)) return cli_failed(program, ctx);
    print_summary(e, &s);
    if (r->features) print_features(&features);
    if (r->json && pn_evaluation_write(e, r->json)) return cli_failed(program, ctx);
    if (!s.missing) return CLI_OK;
    fprintf(stderr,
            "%s: %td of %td generated pictures are missing, the first %s.{png,jpg}; these scores cover the rest alone\n",
            program->name, s.missing, s.pairs, s.first_missing);
    return CLI_BAD_DATA;
}

/* Some of what is scored, at a time, and how far that is. */
typedef pn_status score_some(void *scores, ptrdiff_t first, ptrdiff_t count);
static pn_status score_all(const cli_program *program, score_some *some, void *scores, ptrdiff_t n, const char *what)
{
    cli_progress progress = cli_progress_begin(program, 0, n);
    pn_status status = PN_OK;
    for (ptrdiff_t first = 0; first < n && !status; first += CHUNK) {
        const ptrdiff_t part = n - first < CHUNK ? n - first : CHUNK;
        status = some(scores, first, part);
        if (!status) cli_progress_show(&progress, first + part, "%s", what);
    }
    cli_progress_end(&progress);
    return status;
}

static pn_status some_pairs(void *e, ptrdiff_t first, ptrdiff_t count) { return pn_evaluation_run(e, first, count); }

/* e NULL: it could not be made. Freed. */
static int score_pairs(const cli_program *program, const request *r, pn_ctx *ctx, pn_evaluation *e)
{
    if (!e) return cli_failed(program, ctx);
    pn_status status = r->features ? pn_evaluation_add_features(e, r->vgg19) : PN_OK;
    if (!status) status = score_all(program, some_pairs, e, pn_evaluation_pairs(e), "pairs");
    const int code = status ? cli_failed(program, ctx) : tell(program, r, ctx, e);
    pn_evaluation_free(e);
    return code;
}

/* ---- Completed pictures ------------------------------------------------------------------------------------------------ */

static void print_group(const char *name, const pn_completed_group *g)
{
    printf("%-12s %8td", name, g->pictures);
    const pn_part_scores *const both[] = { &g->mean.hole, &g->mean.hole_filled };
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < PN_PART_SCORES; i++) print_value(pn_part_score_at(both[k], i));
    putchar('\n');
}

static void print_groups(const pn_completion_summary *s)
{
    printf("holes by the share of the person in them; completed, then mean colour\n%-12s %8s", "", "pictures");
    for (int i = 0; i < 2 * PN_PART_SCORES; i++) printf(" %12s", pn_part_score_name(i % PN_PART_SCORES));
    putchar('\n');
    for (int g = 0; g < PN_HOLE_GROUPS; g++) {
        char name[24];
        snprintf(name, sizeof name, "%d-%d %%", 10 * g, g + 1 < PN_HOLE_GROUPS ? 10 * g + 10 : 100);
        if (s->group[g].pictures) print_group(name, &s->group[g]);
    }
}

static void print_completion(const pn_completion_summary *s)
{
    char size[48];
    printf("inpaint, holes of kind %s: %td of %td pictures, %s, label maps of %s, originals resized by triangle "
           "(antialiased bilinear)\n",
           s->kind, s->scored, s->pictures, size_text(s->height, s->width, size), s->labelling);
    if (s->intact) printf("note: nothing is missing of %td pictures, and they are left out\n", s->intact);
    print_header();
    print_row("completed", &s->all.mean.whole);
    print_row("mean colour", &s->all.mean.whole_filled);
    printf("holes alone; their ssim: Gaussian 11x11, range 255, mean over their pixels\n");
    print_part_header();
    print_part_row("completed", &s->all.mean.hole);
    print_part_row("mean colour", &s->all.mean.hole_filled);
    printf("mean colour: holes filled with that of the person's visible pixels; where there is none, of the picture's\n");
    print_groups(s);
}

static int tell_completion(const cli_program *program, const request *r, pn_ctx *ctx, const pn_completion *c)
{
    const pn_completion_summary s = pn_completion_summarise(c);
    print_completion(&s);
    if (r->json && pn_completion_write(c, r->json)) return cli_failed(program, ctx);
    if (!s.missing) return CLI_OK;
    fprintf(stderr,
            "%s: %td of %td completed pictures are missing, the first %s.{png,jpg}; these scores cover the rest alone\n",
            program->name, s.missing, s.pictures, s.first_missing);
    return CLI_BAD_DATA;
}

static pn_status some_pictures(void *c, ptrdiff_t first, ptrdiff_t count) { return pn_completion_run(c, first, count); }

static int score_completion(const cli_program *program, const request *r, pn_ctx *ctx, pn_dataset *d)
{
    pn_completion *c = pn_completion_new(d, r->generated, r->kind, (ptrdiff_t)r->limit);
    if (!c) return cli_failed(program, ctx);
    const pn_status status = score_all(program, some_pictures, c, pn_completion_pictures(c), "pictures");
    const int code = status ? cli_failed(program, ctx) : tell_completion(program, r, ctx, c);
    pn_completion_free(c);
    return code;
}

/* ---- Data sets ---------------------------------------------------------------------------------------------------------- */

static int evaluate_people(const cli_program *program, const request *r, pn_ctx *ctx)
{
    pn_dataset *d = pn_dataset_open(ctx, r->data, "test", &(pn_dataset_opt){ .pairs = r->pairs, .parsing = r->labels });
    const int code = !d        ? cli_bad_data(program, ctx)
                     : r->kind ? score_completion(program, r, ctx, d)
                               : score_pairs(program, r, ctx, pn_evaluation_new(d, r->generated, r->protocol));
    pn_dataset_free(d);
    return code;
}

static int evaluate_views(const cli_program *program, const request *r, pn_ctx *ctx)
{
    pn_views *v = pn_views_open(ctx, r->data, "test");
    const int code = v ? score_pairs(program, r, ctx, pn_evaluation_of_views(v, r->pairs, r->generated, r->protocol))
                       : cli_bad_data(program, ctx);
    pn_views_free(v);
    return code;
}

/* posenet-animate makes the same clips of the same arguments. */
static int evaluate_clips(const cli_program *program, const request *r, pn_ctx *ctx)
{
    const pn_clips_kind kind = strcmp(r->task, "face") == 0 ? PN_CLIPS_FACE : PN_CLIPS_DANCE;
    pn_clip_list *l = r->pairs ? pn_clip_list_open(ctx, r->pairs, r->data) : pn_clip_list_of_split(ctx, r->data, "test", kind);
    const int code = l ? score_pairs(program, r, ctx, pn_evaluation_of_clips(ctx, l, r->generated, r->protocol))
                       : cli_bad_data(program, ctx);
    pn_clip_list_free(l);
    return code;
}

/* ---- main ---------------------------------------------------------------------------------------------------------------- */

/* NULL: there is no such task. */
typedef int evaluate(const cli_program *program, const request *r, pn_ctx *ctx);
static evaluate *evaluate_for(const char *task)
{
    static const struct { const char *task; evaluate *call; } all[] = {
        { "pose", evaluate_people }, { "inpaint", evaluate_people }, { "view", evaluate_views },
        { "dance", evaluate_clips }, { "face", evaluate_clips },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(task, all[i].task) == 0) return all[i].call;
    return NULL;
}

static int check(const cli_program *p, const request *r)
{
    const bool inpaint = strcmp(r->task, "inpaint") == 0;
    if (!r->generated || !r->data) return cli_usage(p, "--%s is missing", !r->generated ? "generated" : "data");
    if (!evaluate_for(r->task)) return cli_usage(p, "there is no task '%s', expected pose, inpaint, view, dance or face", r->task);
    if (inpaint && !r->kind) return cli_usage(p, "--kind is missing: that of the holes, rect, stroke, region or mixed");
    if (!inpaint && (r->kind || r->limit))
        return cli_usage(p, "--%s is for completed pictures; add --task inpaint", r->kind ? "kind" : "limit");
    if (r->features && strcmp(r->task, "pose") != 0)
        return cli_usage(p, "--features compares pairs of people, task pose; leave it out of task %s", r->task);
    if (r->vgg19 && !r->features) return cli_usage(p, "--vgg19 is what --features looks through; add --features");
    return CLI_GO_ON;
}

int main(int argc, char **argv)
{
    request r = { .protocol = "native", .task = "pose" };
    const cli_option options[] = {
        { "generated", "DIR", "folder of the generated pictures", CLI_TEXT, { .text = &r.generated } },
        { "data", "DIR", "data set that the pairs belong to", CLI_TEXT, { .text = &r.data } },
        { "pairs", "CSV", "columns from,to (the data set's test pairs); of dances: their list", CLI_TEXT, { .text = &r.pairs } },
        { "protocol", "NAME", "native or native-cubic: how pictures are stretched (native)", CLI_TEXT, { .text = &r.protocol } },
        { "json", "FILE", "also write means and every pair or picture", CLI_TEXT, { .text = &r.json } },
        { "task", "NAME", "what was done: pose, inpaint, view, dance or face (pose)", CLI_TEXT, { .text = &r.task } },
        { "kind", "KIND", "of the holes: rect, stroke, region or mixed", CLI_TEXT, { .text = &r.kind } },
        { "limit", "N", "score the first N completed pictures (all)", CLI_COUNT, { .count = &r.limit } },
        { "labels", "NAME", "labelling of the label maps (their folder's)", CLI_TEXT, { .text = &r.labels } },
        { "features", NULL, "compare VGG19's features of pairs, too", CLI_FLAG, { .flag = &r.features } },
        { "vgg19", "FILE", "VGG19 weights, .safetensors or .pth (fixed-seed filters)", CLI_TEXT, { .text = &r.vgg19 } },
        { .kind = CLI_END },
    };
    const cli_program program = { .name = "posenet-evaluate",
                                  .summary = "scores of generated pictures beside copying the source",
                                  .usage = usage,
                                  .options = options,
                                  .common = &r.common };
    int code = cli_parse(&program, argc, argv);
    if (code == CLI_GO_ON) code = check(&program, &r);
    if (code != CLI_GO_ON) return code;
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    code = evaluate_for(r.task)(&program, &r, ctx);
    pn_ctx_free(ctx);
    return code;
}
