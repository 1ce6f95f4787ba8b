/* examples/cli.c - command lines: one table per program, one parser */
#define _XOPEN_SOURCE 700
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- Mistakes -------------------------------------------------------------------------------------------------------- */

int cli_usage(const cli_program *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", p->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n%s: --help shows what it takes\n", p->name);
    va_end(args);
    return CLI_USAGE;
}

/* ---- The options every program has ------------------------------------------------------------------------------------- */

enum { COMMON = 4, EVERY = 7 };
static void common_options(const cli_program *p, cli_option out[COMMON])
{
    out[0] = (cli_option){ "threads", "N", "threads to use (all cores)", CLI_COUNT, { .count = &p->common->threads } };
    out[1] = (cli_option){ "seed", "S", "seed of all random numbers (0)", CLI_SEED, { .seed = &p->common->seed } };
    out[2] = (cli_option){ "quiet", NULL, "warnings and results only", CLI_FLAG, { .flag = &p->common->quiet } };
    out[3] = (cli_option){ "verbose", NULL, "say more on the way", CLI_FLAG, { .flag = &p->common->verbose } };
}
static const char *const always[] = { "help", "version", "config" };

static bool find(const cli_program *p, const char *name, cli_option *out)
{
    cli_option common[COMMON];
    common_options(p, common);
    for (int i = 0; i < COMMON; i++)
        if (strcmp(common[i].name, name) == 0) return *out = common[i], true;
    for (const cli_option *o = p->options; o->kind != CLI_END; o++)
        if (strcmp(o->name, name) == 0) return *out = *o, true;
    return false;
}

static const char *nearest(const cli_program *p, const char *name)
{
    static const char *const common[EVERY] = { "threads", "seed", "quiet", "verbose", "help", "version", "config" };
    const char *best = common[0];
    for (int i = 1; i < EVERY; i++)
        if (pn_name_distance(name, common[i]) < pn_name_distance(name, best)) best = common[i];
    for (const cli_option *o = p->options; o->kind != CLI_END; o++)
        if (pn_name_distance(name, o->name) < pn_name_distance(name, best)) best = o->name;
    return best;
}

static void print_option(const char *name, const char *argument, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", name, argument ? " " : "", argument ? argument : "");
    printf("  %-26s %s\n", left, help);
}

static int print_help(const cli_program *p)
{
    cli_option common[COMMON];
    common_options(p, common);
    printf("%s: %s\n\n%s\n", p->name, p->summary, p->usage);
    for (const cli_option *o = p->options; o->kind != CLI_END; o++) print_option(o->name, o->argument, o->help);
    for (int i = 0; i < COMMON; i++) print_option(common[i].name, common[i].argument, common[i].help);
    print_option("config", "FILE", "read options from lines \"name = value\"");
    print_option("help", NULL, "this page");
    print_option("version", NULL, "the version");
    printf("\nExit status: 0 ok, 1 failed, 2 usage, 3 bad data, 4 diverged.\n");
    return CLI_OK;
}

/* ---- Values ------------------------------------------------------------------------------------------------------------- */

static bool whole(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    const long long v = strtoll(text, &end, 10);
    *out = v;
    return end != text && !*end && !errno;
}

static bool parse_size(const char *text, cli_size *out)
{
    int used = 0;
    ptrdiff_t h, w;
    if (strlen(text) > 20 || sscanf(text, "%tdx%td%n", &h, &w, &used) != 2 || text[used] || h < 1 || w < 1) return false;
    *out = (cli_size){ h, w };
    return true;
}

static int bad(const cli_program *p, const cli_option *o, const char *value, const char *expected)
{
    return cli_usage(p, "--%s is '%s', expected %s", o->name, value, expected);
}

static int take(const cli_program *p, const cli_option *o, const char *value)
{
    int64_t v;
    char *end;
    switch (o->kind) {
    case CLI_TEXT:
        *o->to.text = value;
        return CLI_GO_ON;
    case CLI_FLAG:
        *o->to.flag = true;
        return CLI_GO_ON;
    case CLI_COUNT:
        if (!whole(value, &v) || v < 1) return bad(p, o, value, "a whole number from 1");
        *o->to.count = v;
        return CLI_GO_ON;
    case CLI_SEED:
        if (!whole(value, &v) || v < 0) return bad(p, o, value, "a whole number from 0");
        *o->to.seed = (uint64_t)v;
        return CLI_GO_ON;
    case CLI_NUMBER:
        *o->to.number = strtod(value, &end);
        if (end == value || *end || !(*o->to.number > 0) || isinf(*o->to.number)) return bad(p, o, value, "a number above 0");
        return CLI_GO_ON;
    case CLI_SIZE:
        return parse_size(value, o->to.size) ? CLI_GO_ON : bad(p, o, value, "HEIGHTxWIDTH in pixels, like 256x192");
    case CLI_LIST:
        if (o->to.list->count == CLI_LIST_MAX) return bad(p, o, value, "at most 64 of them");
        o->to.list->item[o->to.list->count++] = value;
        return CLI_GO_ON;
    case CLI_END: break;
    }
    return CLI_GO_ON;
}

/* ---- --config ------------------------------------------------------------------------------------------------------------- */

/* The strings must outlive the parse, as argv does; they are few and live as long as the program. */
typedef struct kept_text {
    struct kept_text *before;
    char text[];
} kept_text;

static char *kept(const char *a, const char *between, const char *b)
{
    static kept_text *latest;
    const size_t room = strlen(a) + strlen(between) + strlen(b) + 1;
    kept_text *w = malloc(sizeof *w + room);
    if (!w) return NULL;
    snprintf(w->text, room, "%s%s%s", a, between, b);
    w->before = latest;
    latest = w;
    return w->text;
}

static char *trimmed(char *text)
{
    while (*text && strchr(" \t\r\n", *text)) text++;
    for (char *end = text + strlen(text); end > text && strchr(" \t\r\n", end[-1]);) *--end = 0;
    return text;
}

typedef struct {
    const char *file;
    long line;
} place;

static int config_line(const cli_program *p, place at, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals) return cli_usage(p, "%s:%ld: '%.60s', expected name = value", at.file, at.line, line);
    *equals = 0;
    const char *name = trimmed(line), *value = trimmed(equals + 1);
    const bool set = strncmp(name, "set.", 4) == 0;
    cli_option o;
    if (!find(p, set ? "set" : name, &o))
        return cli_usage(p, "%s:%ld: there is no option '%s'; did you mean '%s'?", at.file, at.line, name,
                         nearest(p, name));
    if (o.kind == CLI_FLAG && strcmp(value, "no") == 0) return CLI_GO_ON;
    char *text = set ? kept(name + 4, "=", value) : kept(value, "", "");
    if (!text) return CLI_FAILED;
    const int result = take(p, &o, text);
    if (result != CLI_GO_ON) fprintf(stderr, "%s: that was said in %s:%ld\n", p->name, at.file, at.line);
    return result;
}

/* Not inih, which cuts lines at 200 bytes and values at " ;": paths are longer, and may hold that. */
int cli_read_config(const cli_program *p, const char *file)
{
    FILE *in = fopen(file, "r");
    if (!in) return cli_usage(p, "--config %s: cannot be read: %s", file, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    int result = CLI_GO_ON;
    place at = { file, 0 };
    while (result == CLI_GO_ON && getline(&line, &room, in) >= 0) {
        at.line++;
        char *text = trimmed(line);
        if (*text && *text != '#' && *text != ';') result = config_line(p, at, text);
    }
    free(line);
    fclose(in);
    return result;
}

/* ---- Parsing --------------------------------------------------------------------------------------------------------------- */

enum { NAME_MAX_LETTERS = 32 };
static int take_argument(const cli_program *p, int argc, char **argv, int *i)
{
    char name[NAME_MAX_LETTERS + 1];
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    const size_t length = equals ? (size_t)(equals - word) : strlen(word);
    snprintf(name, sizeof name, "%.*s", (int)(length < NAME_MAX_LETTERS ? length : NAME_MAX_LETTERS), word);
    if (strcmp(name, always[0]) == 0) return print_help(p);
    if (strcmp(name, always[1]) == 0) return printf("%s %s\n", p->name, pn_version()), CLI_OK;
    cli_option o = { .name = "config", .kind = CLI_TEXT };
    const bool is_config = strcmp(name, always[2]) == 0;
    if (!is_config && !find(p, name, &o)) return cli_usage(p, "unknown option --%s; did you mean --%s?", name, nearest(p, name));
    if (o.kind == CLI_FLAG) return equals ? cli_usage(p, "--%s takes no value", name) : take(p, &o, NULL);
    const char *value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (!value) return cli_usage(p, "--%s needs a value", name);
    return is_config ? cli_read_config(p, value) : take(p, &o, value);
}

int cli_parse(const cli_program *p, int argc, char **argv)
{
    bool only_rest = false;
    for (int i = 1; i < argc; i++) {
        if (!only_rest && strcmp(argv[i], "--") == 0) {
            only_rest = true;
        } else if (!only_rest && strncmp(argv[i], "--", 2) == 0) {
            const int result = take_argument(p, argc, argv, &i);
            if (result != CLI_GO_ON) return result;
        } else if (p->rest && p->rest->count < CLI_LIST_MAX && (only_rest || argv[i][0] != '-')) {
            p->rest->item[p->rest->count++] = argv[i];
        } else {
            return cli_usage(p, "'%s' is not expected here; options begin with --", argv[i]);
        }
    }
    if (p->common->threads > 256) return cli_usage(p, "--threads is %" PRId64 ", expected at most 256", p->common->threads);
    return CLI_GO_ON;
}

/* ---- Contexts, exit codes ----------------------------------------------------------------------------------------------------- */

static void log_line(void *user, pn_log_level level, const char *text)
{
    const cli_common *common = user;
    if (level == PN_LOG_INFO && common->quiet) return;
    fprintf(stderr, "%s%s\n", level == PN_LOG_WARNING ? "warning: " : "", text);
}

pn_ctx *cli_context(const cli_program *p)
{
    signal(SIGXFSZ, SIG_IGN);           /* a file that may not grow any more is an error like a full disk, not the end */
    char why[256];
    const pn_logger log = { log_line, p->common };      /* what a line needs to know lies in common */
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = (int)p->common->threads, .log = log }, why);
    if (!ctx) fprintf(stderr, "%s: %s\n", p->name, why);
    return ctx;
}

int cli_exit_code(pn_status status)
{
    switch (status) {
    case PN_OK: return CLI_OK;
    case PN_ERR_ARG: return CLI_USAGE; /* what no file or machine can excuse was said by the user */
    case PN_ERR_FORMAT:
    case PN_ERR_SHAPE: return CLI_BAD_DATA;
    case PN_ERR_NONFINITE: return CLI_DIVERGED;
    default: return CLI_FAILED;
    }
}

int cli_failed(const cli_program *p, const pn_ctx *ctx)
{
    fprintf(stderr, "%s: %s\n", p->name, pn_ctx_message(ctx));
    return cli_exit_code(pn_ctx_status(ctx));
}

int cli_bad_data(const cli_program *p, const pn_ctx *ctx)
{
    const int code = cli_failed(p, ctx);
    return pn_ctx_status(ctx) == PN_ERR_IO ? CLI_BAD_DATA : code;
}

/* ---- Progress -------------------------------------------------------------------------------------------------------------------- */

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

cli_progress cli_progress_begin(const cli_program *p, int64_t from, int64_t total)
{
    return (cli_progress){ .program = p, .from = from, .total = total, .began = cli_seconds(), .terminal = isatty(STDERR_FILENO) };
}

void cli_progress_show(cli_progress *g, int64_t done, const char *format, ...)
{
    const double now = cli_seconds(), pause = g->terminal ? 0.2 : 10;
    if (g->program->common->quiet || (now - g->shown < pause && done < g->total)) return;
    const double spent = now - g->began, rate = spent > 0 ? (double)(done - g->from) / spent : 0;
    const double left = fmin(rate > 0 ? (double)(g->total - done) / rate : 0, 3e9);
    const int64_t seconds = (int64_t)left;
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s%s: %" PRId64 "/%" PRId64 "  %.2f/s  %" PRId64 ":%02d to go  %s%s", g->terminal ? "\r" : "",
            g->program->name, done, g->total, rate, seconds / 60, (int)(seconds % 60), text,
            g->terminal ? "\033[K" : "\n");
    fflush(stderr);
    g->shown = now;
}

void cli_progress_end(cli_progress *g)
{
    if (g->terminal && g->shown > 0 && !g->program->common->quiet) fputc('\n', stderr);
}
