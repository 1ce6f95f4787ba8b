/* posenet/views.h - views of objects: pictures from 18 azimuths and 3 elevations, and their loader
 *
 * Layout and conventions are those of GFLA's view synthesis (ShapeNet cars and chairs): the published data_KIND.hdf5 or,
 * in place of its groups, files of a folder.
 */
#ifndef POSENET_VIEWS_H
#define POSENET_VIEWS_H

#include "posenet/data.h"

enum { PN_AZIMUTHS = 18, PN_ELEVATIONS = 3, PN_VIEW_CODE = PN_AZIMUTHS + PN_ELEVATIONS };

typedef struct pn_views pn_views;   /* a split's views: names and places; no pixels */
typedef struct {
    const char *name;               /* MODEL_A_E: azimuth in tens of degrees (0, 2 … 34), elevation in degrees (0, 10, 20) */
    ptrdiff_t model;
    int azimuth, elevation;         /* steps of 20 and of 10 degrees */
} pn_object_view;
typedef struct { ptrdiff_t source, target; } pn_view_pair;      /* views */

/**
 * Open id_KIND_SPLIT.txt, a name a line, whatever the KIND; pictures are data_KIND/NAME.png or .jpg or, where there is no such
 * folder, groups NAME of data_KIND.hdf5 that hold image, [H,W,3] of 0 .. 255, and pose, the name's two numbers. HDF5 is read by
 * libhdf5, when that was there to build with; pose is compared with the name when a view is read.
 *
 * returns NULL and pn_ctx_message: no list or several of them, a name of another form or there twice (file and line), a
 *         picture or group that is not there, a build without HDF5
 */
PN_API pn_views *pn_views_open(pn_ctx *ctx, const char *folder, const char *split);
PN_API void pn_views_free(pn_views *v);
PN_API ptrdiff_t pn_views_count(const pn_views *v);
PN_API const pn_object_view *pn_views_view(const pn_views *v, ptrdiff_t i);    /* in the list's order */
PN_API ptrdiff_t pn_views_models(const pn_views *v);
PN_API ptrdiff_t pn_views_find(const pn_views *v, ptrdiff_t model, int azimuth, int elevation);        /* -1: not there */

/* Which azimuth, then which elevation: 1 at each of the two, else 0. */
PN_API void pn_view_code(const pn_object_view *view, float out[PN_VIEW_CODE]);
/* [3,H,W] in [-1,1], stretched. */
PN_API pn_status pn_views_picture(const pn_views *v, ptrdiff_t i, ptrdiff_t height, ptrdiff_t width, float *out);

/* The published test: of every model all 18 azimuths at elevation 0, from one source whose azimuth goes round with the
 * number of the model. Pairs with a view that is not there are left out. */
PN_API ptrdiff_t pn_views_test_pairs(const pn_views *v, pn_view_pair *out);     /* how many; out may be NULL, else has room */
/* Those of a CSV file whose header names the columns from and to, of names of views; csv NULL: the published test. pn_ctx_release
 * *out. Errors: PN_ERR_FORMAT with file and line; no pair at all. */
PN_API pn_status pn_views_pairs(const pn_views *v, const char *csv, pn_view_pair **out, ptrdiff_t *count);
PN_API pn_ctx *pn_views_ctx(const pn_views *v);                 /* the one it was opened with */

/* ---- Loading --------------------------------------------------------------------------------------------------- */

typedef struct {
    ptrdiff_t batch, height, width;
    pn_order order;
    uint64_t seed;
} pn_view_loader_opt;
typedef struct pn_view_loader pn_view_loader;
/* Pictures [B,3,H,W] in [-1,1], codes [B,21,1,1]. */
typedef struct {
    ptrdiff_t size;
    const float *source, *target, *code_source, *code_target;
    const pn_view_pair *pair;       /* [B] */
    uint64_t epoch;
} pn_view_batch;

/**
 * Begin to load. In an epoch every view is a source once (a last batch that is not full is left out); its target is a random
 * one of the model's azimuths at the same elevation. What comes depends on seed, epoch and place alone: not on threads, and
 * a loader that starts `from` a state goes on with the very batches that would have come.
 *
 * returns NULL: a batch larger than the number of views, a size out of range, no memory. v must outlive it.
 */
PN_API pn_view_loader *pn_view_loader_new(pn_views *v, const pn_view_loader_opt *opt, const pn_loader_state *from);
PN_API void pn_view_loader_free(pn_view_loader *l);
/* The next batch, on all threads; valid until the next call. After an error the same batch is tried again. */
PN_API pn_status pn_view_loader_next(pn_view_loader *l, pn_view_batch *out);
PN_API pn_loader_state pn_view_loader_where(const pn_view_loader *l);
PN_API ptrdiff_t pn_view_loader_epoch(const pn_view_loader *l);         /* batches in an epoch */

#endif
