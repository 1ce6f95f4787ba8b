/* posenet/clips.h - sequences: people who move, with noisy and clean key points, faces with landmarks; their loader for
 * recurrent training
 *
 * Layouts and conventions are those of GFLA's animation data (FashionVideo, iPER, FaceForensics). A clip is a folder
 * of frames; the files of a frame are those of the same place in the sorted lists of their folders.
 */
#ifndef POSENET_CLIPS_H
#define POSENET_CLIPS_H

#include "posenet/data.h"

/* ---- Seventeen key points -------------------------------------------------------------------------------------- */

/* COCO17: COCO's order, as detectors give it. H36M17: Human3.6M's, as the key-point cleaning network gives it. */
typedef enum { PN_COCO17, PN_H36M17 } pn_skeleton17;
enum {
    PN_H36M_HIP, PN_H36M_R_HIP, PN_H36M_R_KNEE, PN_H36M_R_ANKLE, PN_H36M_L_HIP, PN_H36M_L_KNEE, PN_H36M_L_ANKLE,
    PN_H36M_SPINE, PN_H36M_THORAX, PN_H36M_NOSE, PN_H36M_HEAD, PN_H36M_L_SHOULDER, PN_H36M_L_ELBOW, PN_H36M_L_WRIST,
    PN_H36M_R_SHOULDER, PN_H36M_R_ELBOW, PN_H36M_R_WRIST, PN_JOINTS17
};
/* Pixels; a joint is missing when either coordinate is exactly -1, as in pn_pose. */
typedef struct { double x[PN_JOINTS17], y[PN_JOINTS17]; } pn_pose17;

PN_API bool pn_pose17_has(const pn_pose17 *pose, int joint);
PN_API pn_pose17 pn_pose17_from_18(const pn_pose *pose);        /* OpenPose's without the neck, in COCO's order */
/* OpenPose's as Human3.6M's, for those who have no cleaned ones. Hip, thorax and spine are middles of hips, shoulders, and of
 * these two; the head's top lies beyond the nose by 0.7 of the way from thorax to nose (ours). What is made of a missing joint
 * is missing. */
PN_API pn_pose17 pn_pose17_h36m_from_18(const pn_pose *pose);
PN_API pn_pose17 pn_pose17_scale(const pn_pose17 *pose, double from_h, double from_w, double to_h, double to_w);

/* What drives frame i of a dance: 17 points of a JSON file are Human3.6M's, as the cleaning network gives them; any others
 * are OpenPose's, pn_pose17_h36m_from_18. grid and errors as pn_poses_get. */
PN_API pn_status pn_poses_driving(const pn_poses *p, ptrdiff_t i, pn_pose17 *out, ptrdiff_t grid[2]);

enum { PN_DANCE_CHANNELS = PN_JOINTS17 + 3 };
/**
 * What GFLA's animation networks see of a pose, [20,H,W]: 17 Gaussians, exp(-d^2 / (2 sigma^2)) about the centre as it
 * is, zeros for a missing joint; then the skeleton in colours, red, green and blue planes of 0 .. 255, not scaled.
 *
 * Errors: PN_ERR_NOMEM.
 */
PN_API pn_status pn_pose17_maps(pn_ctx *ctx, const pn_pose17 *pose, pn_skeleton17 skeleton, ptrdiff_t height,
                                ptrdiff_t width, double sigma, float *out);

/* ---- Landmarks -------------------------------------------------------------------------------------------------- */

/* Of a face, in dlib's order: outline 0-16, brows 17-26, nose 27-35, eyes 36-47, lips 48-59 and their inside 60-67; the
 * person's right side comes first. Pixels. */
enum { PN_LANDMARKS = 68 };
typedef struct { double x[PN_LANDMARKS], y[PN_LANDMARKS]; } pn_landmarks;

/* A file of 68 lines x,y. Errors: file, line, what stands there. */
PN_API pn_status pn_landmarks_read(pn_ctx *ctx, const char *path, pn_landmarks *out);
/* Those of frame i of a sequence, a folder of such files. */
PN_API pn_status pn_poses_landmarks(const pn_poses *p, ptrdiff_t i, pn_landmarks *out);
PN_API pn_landmarks pn_landmarks_scale(const pn_landmarks *l, double from_h, double from_w, double to_h, double to_w);

enum { PN_FACE_CHANNELS = 16 };
/**
 * What GFLA's face network sees of a face, [16,H,W], from landmarks in the frame's pixels, cut to whole ones.
 *
 * 0      1 on the curves below, and on Canny's edges of the grey frame outside of all parts; else 0
 * 1-14   for each curve min(floor(d / 3), 255) / 255, d the city-block distance to it: outline (closed over the forehead by
 *        15 points of the jaw, mirrored: y' = base + floor(2 (base - y) / 3)), brows, nose (3), eyes (4), lips (2), their
 *        inside (2); a curve is parabolas through its points 0-2, 2-4, …, one pixel wide
 * 15     part, not scaled: 0 none, 1 face, 2 brows, 3 nose, 4 eyes, 5 lips, 6 inside of the mouth
 *
 * Edges:  what lies outside of the frame is cut off; a curve without a pixel is 1 everywhere.
 * Errors: PN_ERR_ARG: a frame that is not RGB; PN_ERR_NOMEM.
 */
PN_API pn_status pn_face_maps(pn_ctx *ctx, const pn_landmarks *landmarks, const pn_image *frame, float *out);

/* ---- Clips ----------------------------------------------------------------------------------------------------- */

typedef struct pn_clips pn_clips;   /* a split's clips: names and paths; no pixels */
typedef enum { PN_CLIPS_DANCE, PN_CLIPS_FACE } pn_clips_kind;
/* Frames that are to be made follow the clean key points; the reference has what a detector found in it. */
typedef enum { PN_DRIVING, PN_REFERENCE } pn_frame_role;

typedef struct {
    pn_clips_kind kind;
    ptrdiff_t kp_height, kp_width;  /* the grid of the key points; 0: dataset.ini, else their frame's pixels */
} pn_clips_opt;

typedef struct {
    const char *name;               /* of its folder */
    ptrdiff_t frames;
} pn_clip;

/**
 * Open the clips of a split.
 *
 * DANCE    SPLIT_256/train_A/CLIP/ frames (PNG or JPEG), train_alphapose/CLIP/ OpenPose JSON of 18 points,
 *          train_video2d/CLIP/ the same of 17 in Human3.6M's order (need not be there, then no frame can drive),
 *          train_C/CLIP/ masks (need not be there). The inner names begin with train_ in every split
 * FACE     SPLIT_data/CLIP/ frames, SPLIT_keypoints/CLIP/ (or SPLIT_keypoint) landmarks .txt
 * returns  NULL and pn_ctx_message: a folder that is not there, a clip without frames, other numbers of files
 */
PN_API pn_clips *pn_clips_open(pn_ctx *ctx, const char *folder, const char *split, const pn_clips_opt *opt);
PN_API void pn_clips_free(pn_clips *c);
PN_API ptrdiff_t pn_clips_count(const pn_clips *c);
PN_API const pn_clip *pn_clips_clip(const pn_clips *c, ptrdiff_t i);    /* sorted by name */
PN_API int pn_clips_channels(const pn_clips *c);        /* of a structure: 20, of faces 16 */
PN_API bool pn_clips_masks(const pn_clips *c);          /* every clip has them */

/**
 * One frame at the size wanted, stretched (bicubic).
 *
 * picture    [3,H,W] in [-1,1]; NULL: not wanted
 * structure  [C,H,W]; NULL: not wanted. DANCE: pn_pose17_maps with sigma 6, of the clean points when it drives, of the
 *            noisy ones in COCO's order when it is the reference. FACE: pn_face_maps
 * mask       [1,H,W], 1 on the person, nearest; NULL: not wanted
 * Errors:    PN_ERR_IO, PN_ERR_FORMAT with the file's name.
 */
PN_API pn_status pn_clips_frame(const pn_clips *c, ptrdiff_t clip, ptrdiff_t frame, pn_frame_role role, ptrdiff_t height,
                                ptrdiff_t width, float *picture, float *structure, float *mask);
/* The key points of a dance's frame in its grid: clean or noisy. Missing ones are -1, whatever the file has. */
PN_API pn_status pn_clips_clean(const pn_clips *c, ptrdiff_t clip, ptrdiff_t frame, pn_pose17 *out);
PN_API pn_status pn_clips_noisy(const pn_clips *c, ptrdiff_t clip, ptrdiff_t frame, pn_pose *out);
PN_API pn_status pn_clips_landmarks(const pn_clips *c, ptrdiff_t clip, ptrdiff_t frame, pn_landmarks *out);     /* a face's */

/* ---- Lists of clips to make --------------------------------------------------------------------------------------- */

typedef struct { const char *const *path; ptrdiff_t count; } pn_paths;
typedef struct { pn_paths frames, noisy, clean; } pn_clip_paths;        /* pictures, key points as detected, cleaned ones */
/* What is to be made, and the reference it is made from. frames and noisy of `made` are as many as clean, or none. */
typedef struct { pn_clip_paths reference, made; long line; } pn_clip_row;

/**
 * A test list of GFLA's dances (test_list.csv, val_list.csv): a CSV with the columns A_paths (frames), B_paths_noise and
 * B_paths_clean, in any place, whose cells are {'ref': ['path', …], 'gen': ['path', …]} as Python prints them.
 *
 * folder   of the data. Its lists were written elsewhere: when the first reference frame is not where its path says, the path's
 *          first folders are left away until it is found in this one, and so for all paths that begin alike
 * returns  NULL and pn_ctx_message: no such file, another column or cell (file and line), a row without reference or frames, other
 *          numbers of paths, a first frame that is nowhere
 */
typedef struct pn_clip_list pn_clip_list;
PN_API pn_clip_list *pn_clip_list_open(pn_ctx *ctx, const char *path, const char *folder);
/**
 * All clips of a split, where no list says what to make: of each its first frame is the reference, and all others are made.
 * Faces' landmarks are noisy and clean; a dance without clean points is driven by the noisy ones. Line is 0.
 *
 * returns  NULL and pn_ctx_message: as pn_clips_open; a clip of one frame
 */
PN_API pn_clip_list *pn_clip_list_of_split(pn_ctx *ctx, const char *folder, const char *split, pn_clips_kind kind);
PN_API void pn_clip_list_free(pn_clip_list *l);
PN_API ptrdiff_t pn_clip_list_count(const pn_clip_list *l);
PN_API pn_clip_row pn_clip_list_row(const pn_clip_list *l, ptrdiff_t i);        /* from 0; lives as long as l */
/* What its key points refer to by the folder's dataset.ini; 0, 0: each frame's own pixels. */
PN_API void pn_clip_list_grid(const pn_clip_list *l, ptrdiff_t *height, ptrdiff_t *width);
/* The mask of a list's frame in GFLA's layout: of …/train_A/CLIP/NAME.ending it is …/train_C/CLIP/NAME.png, there or not. false: the
 * frame lies in no such folder, or path [room] is too short. */
PN_API bool pn_clip_mask_path(const char *frame, char *path, size_t room);
enum { PN_CLIP_NAME = 544 };
/* What row i's frames are kept under, by the folders that its files lie in: CLIP, or REFERENCE_2_CLIP when the reference is
 * another's; with _ and the row's line where a row before has that name. Names beyond 255 bytes are cut. */
PN_API void pn_clip_list_name(const pn_clip_list *l, ptrdiff_t i, char name[PN_CLIP_NAME]);

/* ---- Chunks: consecutive frames for recurrent training --------------------------------------------------------- */

/* FASHION: turned by up to 5 degrees, moved by up to 20 (x) and 3 (y) pixels of 256, scaled by 0.98 .. 1.02, white
 * where nothing was, drawn once for a sample's frames and once for its reference. IPER: one turn for all. */
typedef enum { PN_CLIP_AUGMENT_NONE, PN_CLIP_AUGMENT_FASHION, PN_CLIP_AUGMENT_IPER } pn_clip_augment;
typedef struct {
    ptrdiff_t batch, height, width; /* clips side by side; pixels */
    ptrdiff_t frames;               /* T, of a chunk; 0: 6 */
    ptrdiff_t sample;               /* consecutive frames of a clip, whole chunks; 0: 30, or fewer if clips are shorter */
    pn_order order;
    pn_clip_augment augment;        /* of dances alone */
    uint64_t seed;
} pn_chunks_opt;

typedef struct pn_chunks pn_chunks;
/* Frame t of all clips lies together: arrays are [T,B,…], and t's part is an ordinary batch [B,…]. */
typedef struct {
    ptrdiff_t size, frames;         /* B, T */
    int channels;                   /* C */
    bool begins;                    /* the first of its samples: nothing goes before, the reference is new */
    const float *picture, *structure;                   /* [T,B,3,H,W], [T,B,C,H,W] */
    const float *mask;              /* [T,B,1,H,W], NULL when the clips have none */
    const float *reference, *reference_structure;       /* [B,3,H,W], [B,C,H,W]; the same for all chunks of a sample */
    const ptrdiff_t *clip, *first;  /* [B] which clip, and which of its frames is this chunk's first */
    uint64_t epoch;
} pn_chunk;

/**
 * Begin to load. An epoch takes one sample of every clip, from a random place (PN_IN_ORDER: from the start); its reference
 * is a random one of the clip's first 20 frames (PN_IN_ORDER: the first). What comes depends on seed, epoch and place
 * alone: not on threads, and a loader that starts `from` a state goes on with the very chunks that would have come.
 *
 * returns NULL: a batch larger than the number of clips, a clip shorter than a sample, no memory. c must outlive it.
 */
PN_API pn_chunks *pn_chunks_new(pn_clips *c, const pn_chunks_opt *opt, const pn_loader_state *from);
PN_API void pn_chunks_free(pn_chunks *l);
/* The next chunk, on all threads; valid until the next call. After an error the same chunk is tried again. */
PN_API pn_status pn_chunks_next(pn_chunks *l, pn_chunk *out);
PN_API pn_loader_state pn_chunks_where(const pn_chunks *l);     /* of the chunk that next will give */
PN_API ptrdiff_t pn_chunks_epoch(const pn_chunks *l);           /* chunks in an epoch */

/* ---- Tracks: key points over time, for the key-point cleaning network ------------------------------------------ */

enum { PN_TRACK_CHANNELS = 2 * PN_JOINTS17, PN_TRACK_MARGIN = 40 };
typedef struct pn_tracks pn_tracks; /* the key points of all clips of a split */
PN_API pn_tracks *pn_tracks_new(const pn_clips *c);
PN_API void pn_tracks_free(pn_tracks *t);
/**
 * Windows of random clips, as the network takes and gives them: channel 2j is y of joint j, 2j+1 its x, each 2 v / side - 1
 * of the grid's side, so that a missing one (0 in the files) is -1.
 *
 * length  T, frames that come out
 * noisy   [B,34,T+80]: COCO's 17, 40 frames before and after too; at a clip's ends its first and last frame stay
 * clean   [B,34,T]: Human3.6M's 17
 */
PN_API void pn_tracks_draw(const pn_tracks *t, pn_rng *rng, ptrdiff_t batch, ptrdiff_t length, float *noisy, float *clean);
/* The window that begins at a frame of a clip: [34,T+80] and [34,T]; either may be NULL. */
PN_API void pn_tracks_window(const pn_tracks *t, ptrdiff_t clip, ptrdiff_t first, ptrdiff_t length, float *noisy,
                             float *clean);

#endif
