/* check.h - reading everything a folder has and going on after what is wrong, inside lib/data */
#ifndef PN_CHECK_H
#define PN_CHECK_H

#include "data/dataset.h"

typedef struct { ptrdiff_t height, width, count; } pn_size_count;
typedef struct {
    pn_ctx *ctx;
    const char *folder;
    pn_problems problems;
    pn_check out;                   /* problems and sizes are moved into it last */
    size_t split_room;
    pn_size_count *size;
    size_t sizes, size_room;
} pn_checker;

pn_status pn_checker_note(pn_checker *c, const char *format, ...) PN_PRINTF(2, 3);
/* Note the context's message and go on, unless it is the lack of memory. */
pn_status pn_checker_pass(pn_checker *c, pn_status status);
/* One more split, whose name is copied; NULL: no memory. Valid until the next one. */
pn_split_check *pn_checker_split(pn_checker *c, const char *name);

/* What was seen of one item: the size of its picture (0: there is none), and what is wrong with it (NULL, or the checker's
 * to free). */
typedef struct { ptrdiff_t height, width; char *problem; } pn_finding;
typedef void pn_look(const void *job, pn_ctx *ctx, ptrdiff_t item, pn_finding *out);
/* Look at items on all threads; problems are noted in their order, sizes counted. */
pn_status pn_checker_look(pn_checker *c, ptrdiff_t items, pn_look *look, const void *job);

pn_status pn_views_check(pn_checker *c);
pn_status pn_clips_check(pn_checker *c);                /* c->out.kind says which */

#endif
