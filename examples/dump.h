/* dump.h - what a painter's model looked at, written to a folder: --dump DIR, and --point X,Y for what is read where */
#ifndef DUMP_H
#define DUMP_H

#include "cli.h"
#include "figures.h"

typedef struct {
    const char *folder;             /* NULL: nothing is asked for */
    cli_list asked;                 /* X,Y in pixels of the result */
    pn_point point[FIGURE_POINTS];  /* the same, read; none: the pose's joints, or places all over */
    int count;
} dump;

/* The rows --dump and --point of a program's options. */
enum { DUMP_OPTIONS = 2 };
void dump_options(dump *d, cli_option o[DUMP_OPTIONS]);
/* Reads what was asked for: CLI_GO_ON, or CLI_USAGE after it has said what is wrong. */
int dump_read(const cli_program *p, dump *d);
/* Points outside of the result are an error. */
pn_status dump_check(pn_ctx *ctx, const dump *d, ptrdiff_t height, ptrdiff_t width);
/**
 * The views as they are (NAME.npy) and figures of them (NAME.png), of the painter's latest picture; nothing if none were asked for.
 *
 * @param below  a folder of its own below --dump, which is made; "": none
 * @param stem   begins the names, with _ behind it; "": none
 */
pn_status dump_write(const dump *d, const painter *p, const char *below, const char *stem);

#endif
