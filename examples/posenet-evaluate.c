/* examples/posenet-evaluate.c - scores of generated pictures, always beside those of copying the source */
#include "cli.h"
#include "posenet/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *generated, *data, *pairs, *protocol, *json;
    cli_common common;
} request;

enum { CHUNK = 16 };

static const char usage[] =
    "  posenet-evaluate --generated DIR --data DIR --pairs CSV [--protocol native] [--json FILE]\n"
    "\n"
    "Generated pictures are called FROM_2_TO_vis.png or .jpg, without the endings of FROM and TO.\n"
    "Protocol native: at the generated pictures' size; source and truth are stretched to it.\n";

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

static void print_summary(const pn_summary *s)
{
    char size[48] = "different sizes";
    if (s->height) snprintf(size, sizeof size, "%tdx%td", s->height, s->width);
    printf("protocol %s: %td of %td pairs, %s, %td png, %td jpg, source and truth resized by %s\n", s->protocol,
           s->scored, s->pairs, size, s->png, s->jpg, s->filter);
    printf("%-12s", "");
    for (int i = 0; i < PN_SCORES; i++) printf(" %12s", pn_score_name(i));
    putchar('\n');
    print_row("generated", &s->generated);
    print_row("source copy", &s->copy);
    print_left_out(s);
}

static int score(const cli_program *program, const request *r, pn_ctx *ctx, pn_dataset *d)
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
    int code = status ? cli_failed(program, ctx) : CLI_OK;
    if (!code) {
        const pn_summary s = pn_evaluation_summary(e);
        print_summary(&s);
        if (r->json && pn_evaluation_write(e, r->json)) code = cli_failed(program, ctx);
        if (!code && s.missing) {
            fprintf(stderr,
                    "%s: %td of %td generated pictures are missing, the first %s.{png,jpg}; these scores cover the "
                    "rest alone\n",
                    program->name, s.missing, s.pairs, s.first_missing);
            code = CLI_BAD_DATA;
        }
    }
    pn_evaluation_free(e);
    return code;
}

int main(int argc, char **argv)
{
    request r = { .protocol = "native" };
    const cli_option options[] = {
        { "generated", "DIR", "folder of the generated pictures", CLI_TEXT, { .text = &r.generated } },
        { "data", "DIR", "data set that the pairs belong to", CLI_TEXT, { .text = &r.data } },
        { "pairs", "CSV", "columns from,to (the data set's test pairs)", CLI_TEXT, { .text = &r.pairs } },
        { "protocol", "NAME", "how to score (native)", CLI_TEXT, { .text = &r.protocol } },
        { "json", "FILE", "also write means and every pair", CLI_TEXT, { .text = &r.json } },
        { .kind = CLI_END },
    };
    const cli_program program = { .name = "posenet-evaluate",
                                  .summary = "scores of generated pictures beside copying the source",
                                  .usage = usage,
                                  .options = options,
                                  .common = &r.common };
    const int done = cli_parse(&program, argc, argv);
    if (done != CLI_GO_ON) return done;
    if (!r.generated || !r.data) return cli_usage(&program, "--%s is missing", !r.generated ? "generated" : "data");
    pn_ctx *ctx = cli_context(&program);
    if (!ctx) return CLI_FAILED;
    pn_dataset *d = pn_dataset_open(ctx, r.data, "test", &(pn_dataset_opt){ .pairs = r.pairs });
    const int code = d ? score(&program, &r, ctx, d) : cli_bad_data(&program, ctx);
    pn_dataset_free(d);
    pn_ctx_free(ctx);
    return code;
}
