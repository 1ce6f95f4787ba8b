/* examples/posenet-evaluate.c - scores of generated pictures, always beside those of copying the source */
#include "cli.h"
#include "posenet/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *generated, *data, *pairs, *protocol, *json, *labels;
    cli_common common;
} request;

enum { CHUNK = 16 };

static const char usage[] =
    "  posenet-evaluate --generated DIR --data DIR --pairs CSV [--protocol native] [--json FILE]\n"
    "\n"
    "Generated pictures are called FROM_2_TO_vis.png or .jpg, without the endings of FROM and TO.\n"
    "Protocol native: at the generated pictures' size; source and truth are stretched to it.\n"
    "Where there are label maps, pairs are also scored on the target's person, and on its occluded parts: classes that\n"
    "the source shows nothing of.\n";

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

static void print_parts(const pn_summary *s)
{
    static const char *const names[PN_PARTS] = { "person", "occluded parts" };
    printf("parts by label maps of %s, in %td pairs; their ssim: Gaussian 11x11, range 255, mean over their pixels\n",
           s->labelling, s->parsed);
    print_part_header();
    for (int i = 0; i < PN_PARTS; i++) {
        const pn_part_summary *p = &s->part[i];
        printf("%s: in %td of %td pairs, %.2f %% of all pixels, %.2f %% of the persons'\n", names[i], p->pairs,
               s->parsed, 100 * p->of_pictures, 100 * p->of_persons);
        if (!p->pairs) continue;
        print_part_row("generated", &p->generated);
        print_part_row("source copy", &p->copy);
    }
}

static void print_summary(const pn_summary *s)
{
    char size[48];
    printf("protocol %s: %td of %td pairs, %s, %td png, %td jpg, source and truth resized by %s\n", s->protocol,
           s->scored, s->pairs, size_text(s->height, s->width, size), s->png, s->jpg, s->filter);
    print_header();
    print_row("generated", &s->generated);
    print_row("source copy", &s->copy);
    print_left_out(s);
    if (s->parsed) print_parts(s);
}

/* The rest when all is scored: results, the JSON file, what is missing. */
static int tell(const cli_program *program, const request *r, pn_ctx *ctx, const pn_evaluation *e)
{
    const pn_summary s = pn_evaluation_summary(e);
    print_summary(&s);
    if (r->json && pn_evaluation_write(e, r->json)) return cli_failed(program, ctx);
    if (!s.missing) return CLI_OK;
    fprintf(stderr,
            "%s: %td of %td generated pictures are missing, the first %s.{png,jpg}; these scores cover the rest alone\n",
            program->name, s.missing, s.pairs, s.first_missing);
    return CLI_BAD_DATA;
}

static int score_pairs(const cli_program *program, const request *r, pn_ctx *ctx, pn_dataset *d)
{
    pn_evaluation *e = pn_evaluation_new(d, r->generated, r->protocol);
    if (!e) return cli_failed(program, ctx);
    const ptrdiff_t n = pn_dataset_pairs(d);
    cli_progress progress = cli_progress_begin(program, 0, n);
    pn_status status = PN_OK;
    for (ptrdiff_t first = 0; first < n && !status; first += CHUNK) {
        const ptrdiff_t part = n - first < CHUNK ? n - first : CHUNK;
        status = pn_evaluation_run(e, first, part);
        if (!status) cli_progress_show(&progress, first + part, "pairs");
    }
    cli_progress_end(&progress);
    const int code = status ? cli_failed(program, ctx) : tell(program, r, ctx, e);
    pn_evaluation_free(e);
    return code;
}

/* ---- main ---------------------------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    request r = { .protocol = "native" };
    const cli_option options[] = {
        { "generated", "DIR", "folder of the generated pictures", CLI_TEXT, { .text = &r.generated } },
        { "data", "DIR", "data set that the pairs belong to", CLI_TEXT, { .text = &r.data } },
        { "pairs", "CSV", "columns from,to (the data set's test pairs)", CLI_TEXT, { .text = &r.pairs } },
        { "protocol", "NAME", "how to score (native)", CLI_TEXT, { .text = &r.protocol } },
        { "json", "FILE", "also write means and every pair", CLI_TEXT, { .text = &r.json } },
        { "labels", "NAME", "labelling of the label maps (their folder's)", CLI_TEXT, { .text = &r.labels } },
        { .kind = CLI_END },
    };
    const cli_program program = { .name = "posenet-evaluate",
                                  .summary = "scores of generated pictures beside copying the source",
                                  .usage = usage,
                                  .options = options,
                                  .common = &r.common };
    int code = cli_parse(&program, argc, argv);
    if (code != CLI_GO_ON) return code;
    if (!r.generated || !r.data) return cli_usage(&program, "--%s is missing", !r.generated ? "generated" : "data");
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    pn_dataset *d = pn_dataset_open(ctx, r.data, "test", &(pn_dataset_opt){ .pairs = r.pairs, .parsing = r.labels });
    code = !d ? cli_bad_data(&program, ctx) : score_pairs(&program, &r, ctx, d);
    pn_dataset_free(d);
    pn_ctx_free(ctx);
    return code;
}
