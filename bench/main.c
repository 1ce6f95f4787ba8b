/* bench/main.c - posenet-bench: what ops, models, loading and the optimiser cost here, and how that compares
 *
 * What is asked for is checked before anything is measured: the expression, the file to compare with.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"
#include "support/compare.h"
#include "support/json.h"
#include "support/peers.h"
#include "support/report.h"
#include "support/watch.h"
#include "support/where.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cli_common common;
static const char *filter, *json_file, *compare_file;
static bool peers, where;

static const cli_option options[] = {
    { "filter", "RE", "only entries that this extended regular expression matches", CLI_TEXT, { .text = &filter } },
    { "json", "FILE", "write results as Google Benchmark does", CLI_TEXT, { .text = &json_file } },
    { "compare", "FILE", "compare with such a file: faster, slower or the same", CLI_TEXT, { .text = &compare_file } },
    { "where", NULL, "where the time of what is no single op goes, op by op", CLI_FLAG, { .flag = &where } },
    { "peers", NULL, "run PyTorch, ONNX Runtime, OpenVINO by turns, if there", CLI_FLAG, { .flag = &peers } },
    { 0 },
};

static const cli_program program = {
    .name = "posenet-bench",
    .summary = "what an op, a model's step or the loading of data costs on this machine",
    .usage = "  posenet-bench [--filter RE] [--threads N] [--json FILE] [--compare FILE] [--where] [--peers]\n",
    .options = options,
    .common = &common,
};

/* ---- A run ------------------------------------------------------------------------------------------------------- */

typedef struct {
    cli_common log;    /* of the contexts */
    pn_ctx *one, *ctx; /* with one thread, with all that were asked for */
    bench_list list;
    bench_entry *chosen; /* of the list */
    int n, name_width;
    bench_earlier earlier;
    bench_ceilings ceilings;
    bench_result *result;
} bench_run;

static int compile_filter(regex_t *re)
{
    char why[128];
    const int bad = regcomp(re, filter ? filter : "", REG_EXTENDED | REG_NOSUB);
    if (!bad) return CLI_GO_ON;
    regerror(bad, re, why, sizeof why);
    return cli_usage(&program, "--filter is '%s', which is no extended regular expression: %s", filter, why);
}

static int choose(bench_run *r, const regex_t *re)
{
    r->list = bench_list_all();
    r->chosen = calloc((size_t)r->list.count + 1, sizeof *r->chosen);
    r->result = calloc((size_t)r->list.count + 1, sizeof *r->result);
    if (!r->list.count || !r->chosen || !r->result) return fprintf(stderr, "%s: no memory\n", program.name), CLI_FAILED;
    for (int i = 0; i < r->list.count; i++) {
        if (regexec(re, r->list.entry[i].name, 0, NULL, 0)) continue;
        const int width = (int)strlen(r->list.entry[i].name);
        r->name_width = width > r->name_width ? width : r->name_width;
        r->chosen[r->n++] = r->list.entry[i];
    }
    if (r->n) return CLI_GO_ON;
    return cli_usage(
        &program,
        "no entry matches --filter '%s'; they are named op/shape/pass and model/work/HxW/bN, such as %s and %s", filter,
        r->list.entry[0].name, r->list.entry[r->list.count - 1].name);
}

/* What the library says of data sets it opens is news with --verbose only. */
static pn_ctx *context(int64_t threads, cli_common *log)
{
    *log = (cli_common){ .threads = threads, .quiet = !common.verbose };
    cli_program p = program;
    p.common = log;
    return cli_context(&p);
}

static int prepare(bench_run *r)
{
    r->ctx = context(common.threads, &r->log);
    r->one = r->ctx ? context(1, &r->log) : NULL;
    if (!r->one) return CLI_FAILED;
    if (compare_file && bench_earlier_read(r->ctx, compare_file, &r->earlier)) return cli_failed(&program, r->ctx);
    if (r->earlier.threads && r->earlier.threads != pn_ctx_threads(r->ctx))
        pn_ctx_warn(r->ctx, "%s was measured with %d threads, this run has %d; --threads %d compares like with like",
                    compare_file, r->earlier.threads, pn_ctx_threads(r->ctx), r->earlier.threads);
    return CLI_GO_ON;
}

static int measure(bench_run *r)
{
    bench_warn_environment(r->ctx);
    const bench_watch before = bench_watch_now();
    if (bench_ceilings_measure(r->one, r->ctx, &r->ceilings)) return cli_failed(&program, r->ctx);
    bench_warn_ceilings(r->ctx, &r->ceilings);
    bench_print_ceilings(&r->ceilings);
    bench_print_head(r->name_width);
    for (int i = 0; i < r->n; i++) {
        if (common.verbose) fprintf(stderr, "%s: %s\n", r->chosen[i].name, bench_inside(&r->chosen[i]));
        if (bench_measure(r->ctx, &r->chosen[i], &r->ceilings, &r->result[i])) return cli_failed(&program, r->ctx);
        bench_print_result(&r->result[i], r->name_width);
        if (where && !r->chosen[i].of->run && bench_where(r->ctx, &r->chosen[i])) return cli_failed(&program, r->ctx);
    }
    const bench_watch after = bench_watch_now();
    bench_warn_interference(r->ctx, &before, &after);
    bench_warn_drift(r->ctx, &r->ceilings, bench_peak(r->ctx));
    return CLI_GO_ON;
}

static int run(bench_run *r, const regex_t *re)
{
    int code = choose(r, re);
    if (code == CLI_GO_ON) code = prepare(r);
    if (code == CLI_GO_ON) code = measure(r);
    if (code != CLI_GO_ON) return code;
    if (compare_file) bench_print_changes(compare_file, &r->earlier, r->result, r->n, r->name_width);
    if (json_file && bench_json_write(r->ctx, json_file, &r->ceilings, r->result, r->n))
        return cli_failed(&program, r->ctx);
    return CLI_OK;
}

static int run_peers(bench_run *r, const regex_t *re)
{
    if (json_file || compare_file)
        return cli_usage(&program, "--peers prints ratios; run it without --json and --compare");
    r->ctx = context(common.threads, &r->log);
    if (!r->ctx) return CLI_FAILED;
    const peers_opt opt = { .verbose = common.verbose, .filter = re };
    if (bench_peers_run(r->ctx, &opt)) return CLI_OK;
    return cli_usage(&program,
                     "no row of --peers matches --filter '%s'; it is held against entries and titles, such as "
                     "gfla/step or backward-data",
                     filter);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--turns") == 0) return bench_turns(argc, argv);
    const int parsed = cli_parse(&program, argc, argv);
    if (parsed != CLI_GO_ON) return parsed;
    bench_run r = { 0 };
    regex_t re;
    int code = compile_filter(&re);
    if (code != CLI_GO_ON) return code;
    code = peers ? run_peers(&r, &re) : run(&r, &re);
    regfree(&re);
    bench_earlier_free(&r.earlier);
    bench_list_free(&r.list);
    free(r.chosen);
    free(r.result);
    pn_ctx_free(r.one);
    pn_ctx_free(r.ctx);
    return code;
}
