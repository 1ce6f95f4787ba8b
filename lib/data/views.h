/* views.h - views of objects, inside lib/data */
#ifndef PN_VIEWS_H
#define PN_VIEWS_H

#include "data/dataset.h"
#include "io/hdf5.h"
#include "posenet/views.h"

enum { PN_MODEL_VIEWS = PN_AZIMUTHS * PN_ELEVATIONS };

/* A list of views and what follows from it. */
typedef struct {
    pn_ctx *ctx;
    pn_arena arena;
    pn_object_view *view;
    size_t count, room;
    long *line;                     /* [count] where a view stands */
    size_t line_room;
    pn_table by_model;
    ptrdiff_t (*at)[PN_MODEL_VIEWS];        /* [models] the view's place in the list plus 1, 0 where there is none */
    size_t models, model_room;
} pn_view_list;

/* A name MODEL_A_E a line; out can be freed after an error too. */
pn_status pn_view_list_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_problems *problems, pn_view_list *out);
void pn_view_list_free(pn_view_list *l);

struct pn_views {
    pn_ctx *ctx;
    pn_view_list list;
    const char **path;              /* [count] of the pictures; NULL: they are groups of the file */
    pn_hdf5 *file;
    pn_problems *problems;          /* NULL: stop at the first; else collect, as check does: a path may be NULL then */
    ptrdiff_t missing;
};

/* out is NULL after an error. */
pn_status pn_views_begin(pn_ctx *ctx, const char *folder, const char *split, pn_problems *problems, pn_views **out);
bool pn_views_has(const pn_views *v, ptrdiff_t i);      /* a picture, or a group that may hold one */
/* As it is in its file. */
pn_status pn_views_read(const pn_views *v, pn_ctx *ctx, ptrdiff_t i, pn_image *out);
pn_status pn_views_load(const pn_views *v, pn_ctx *ctx, ptrdiff_t i, ptrdiff_t height, ptrdiff_t width, float *out);

#endif
