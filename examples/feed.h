/* feed.h - what a model learns from, whatever its task reads: a folder's training split and its loader */
#ifndef FEED_H
#define FEED_H

#include "pictures.h"
#include "posenet.h"
#include "posenet/clips.h"
#include "posenet/data.h"
#include "posenet/model.h"
#include "posenet/views.h"

typedef struct {
    const char *folder, *split;
    const char *augment;            /* NULL or none; market for pairs; fashion or iper for dances */
    ptrdiff_t kp_height, kp_width;  /* grid of the key points; 0: found out */
    ptrdiff_t batch, height, width;
    uint64_t seed;
} feed_opt;

/* Which of these are there depends on needs.reads. */
typedef struct {
    pn_ctx *ctx;
    pn_model_needs needs;
    pn_dataset *pairs;
    pn_loader *pair_loader;
    pn_views *views;
    pn_view_loader *view_loader;
    pn_clips *clips;
    pn_chunks *chunks;
    pn_tracks *tracks;
    pn_rng rng;                     /* of the tracks that come next */
    float *noisy, *clean;
    ptrdiff_t batch;
} feed;

/* The data set alone: nothing is loaded. */
pn_status feed_data(feed *f, const pn_model *m, const feed_opt *opt);
/* The data set and its loader; from NULL: from the start. What it holds is released by feed_close, after a failure too. */
pn_status feed_open(feed *f, const pn_model *m, const feed_opt *opt, const pn_loader_state *from);
void feed_close(feed *f);
/* The next batch or chunk; valid until the next call. */
pn_status feed_next(feed *f, pn_model_input *in);
pn_loader_state feed_where(const feed *f);

/* Write rows of what is given, made and true for samples spread over the split; of the first clip every fifth frame. */
pn_status feed_sheet(painter *p, const feed *f, int rows, const char *path);

#endif
