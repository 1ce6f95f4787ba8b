/* run_folder.h - what lib/train's files share of a run folder */
#ifndef PN_RUN_FOLDER_H
#define PN_RUN_FOLDER_H

#include "posenet/train.h"
#include "core/core.h"

enum { PN_RUN_LOSSES = 16 };

struct pn_run_folder {
    pn_ctx *ctx;
    char *path, *asked;                         /* asked: the path last handed out */
    char *loss[PN_RUN_LOSSES];
    int losses;
};

/* "PATH/NAME" into run->asked; NULL: no memory. */
const char *pn_run_path(pn_run_folder *run, const char *format, ...) PN_PRINTF(2, 3);

#endif
