/* cli.h - command lines of the programs: long options from a table, checked; progress; exit codes */
#ifndef CLI_H
#define CLI_H

#include "posenet.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_BAD_DATA = 3, CLI_DIVERGED = 4, CLI_GO_ON = -1 };

typedef struct { ptrdiff_t height, width; } cli_size;           /* 0, 0: not given */
enum { CLI_LIST_MAX = 64 };
typedef struct { const char *item[CLI_LIST_MAX]; int count; } cli_list;

typedef enum { CLI_END, CLI_TEXT, CLI_FLAG, CLI_COUNT, CLI_NUMBER, CLI_SIZE, CLI_SEED, CLI_LIST } cli_kind;
/* One option. COUNT is a whole number from 1, NUMBER a real above 0, SIZE is HxW, LIST may be given again and again. */
typedef struct {
    const char *name, *argument, *help;         /* "steps", "N", "how many steps to train" */
    cli_kind kind;
    union {
        const char **text;
        bool *flag;
        int64_t *count;
        double *number;
        cli_size *size;
        uint64_t *seed;
        cli_list *list;
    } to;
} cli_option;

/* What every program takes: --threads --seed --quiet --verbose --help --version. */
typedef struct { int64_t threads; uint64_t seed; bool quiet, verbose; } cli_common;

typedef struct {
    const char *name, *summary, *usage;         /* usage: the lines after the name, each ending in a newline */
    const cli_option *options;                  /* ends with CLI_END */
    cli_common *common;
    cli_list *rest;                             /* arguments that are no options; NULL: there are none */
} cli_program;

/* CLI_GO_ON, or what to exit with: 0 after --help and --version, 2 after a mistake, which has been explained. A later option
 * wins over an earlier one. --config FILE reads "name = value" lines as if they stood in its place; "set.key = value" is
 * --set key=value. */
int cli_parse(const cli_program *p, int argc, char **argv);
/* Read such a file first, as --resume does with a run's own config.ini. */
int cli_read_config(const cli_program *p, const char *file);
/* Explain a mistake the way cli_parse does; returns CLI_USAGE. */
int cli_usage(const cli_program *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A context with the program's threads and log (stderr; only warnings with --quiet); NULL after it has said why. */
pn_ctx *cli_context(const cli_program *p);
/* Print the context's message and return the exit code for its status. */
int cli_failed(const cli_program *p, const pn_ctx *ctx);
int cli_exit_code(pn_status status);
/* The same where a data set is opened: one that is not there is bad data. */
int cli_bad_data(const cli_program *p, const pn_ctx *ctx);

double cli_seconds(void);                       /* monotonic */

/* Progress on stderr with rate and time to go: in place on a terminal, else a plain line now and then. */
typedef struct { const cli_program *program; int64_t from, total; double began, shown; bool terminal; } cli_progress;
cli_progress cli_progress_begin(const cli_program *p, int64_t from, int64_t total);
void cli_progress_show(cli_progress *g, int64_t done, const char *format, ...) __attribute__((format(printf, 3, 4)));
void cli_progress_end(cli_progress *g);

#endif
