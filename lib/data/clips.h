/* clips.h - sequences, inside lib/data: where a clip's files are, and one frame with all that belongs to it */
#ifndef PN_CLIPS_H
#define PN_CLIPS_H

#include "data/augment.h"
#include "posenet/clips.h"

/* What a clip has a folder of: frames, what a detector found in them, that cleaned, masks of the person. */
typedef enum { PN_PART_FRAMES, PN_PART_NOISY, PN_PART_CLEAN, PN_PART_MASKS, PN_PARTS } pn_part;

typedef struct {
    const char *folder[PN_PARTS];   /* NULL: it has none */
    pn_names file[PN_PARTS];        /* as many as frames, or none; sorted */
} pn_clip_files;

struct pn_clips {
    pn_ctx *ctx;
    pn_arena arena;
    pn_clips_kind kind;
    ptrdiff_t kp_height, kp_width;  /* 0: each frame's own pixels */
    pn_clip *clip;
    pn_clip_files *files;
    ptrdiff_t count;
    bool masks;
    pn_problems *problems;          /* NULL: stop at the first; else collect, as check does: clips may have no frames then */
};

/* One frame; motion NULL: as it is. Any of the results may be NULL. */
typedef struct {
    ptrdiff_t clip, frame;
    pn_frame_role role;
    ptrdiff_t height, width;
    const pn_motion *motion;
    float *picture, *structure, *mask;
} pn_frame_request;
/* ctx: errors and memory of the calling thread. */
pn_status pn_clips_load(const pn_clips *c, pn_ctx *ctx, const pn_frame_request *r);
/* Takes the file's bytes, which its strings lie in. */
pn_status pn_clip_list_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_clip_list **out);
/* out is NULL after an error. */
pn_status pn_clips_begin(pn_ctx *ctx, const char *folder, const char *split, const pn_clips_opt *opt, pn_problems *problems,
                         pn_clips **out);
char *pn_clips_path(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, pn_part part);     /* pn_free it */
pn_status pn_clips_landmarks_read(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, pn_landmarks *out);
/* 68 lines x,y. */
pn_status pn_landmarks_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_landmarks *out);
/* The points of a frame as the file has them, x, y, score; PN_ERR_ARG when the clip has no such part. */
pn_status pn_clips_points(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, pn_part part, double (*points)[3]);
pn_pose17 pn_clean_of(double (*points)[3]);
pn_pose pn_noisy_of(double (*points)[3]);
/* Height and width that a frame's points refer to. */
pn_status pn_clips_grid(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, double grid[2]);

#endif
