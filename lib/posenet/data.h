/* posenet/data.h - pictures, key points, label maps and data sets in the field's own folders and CSV files
 *
 * Formats and conventions are those of the DeepFashion / Market-1501 pose-transfer family. Pictures are H x W rows of
 * RGB bytes here and become [3,H,W] floats in [-1,1] at the border of a network.
 */
#ifndef POSENET_DATA_H
#define POSENET_DATA_H

#include "posenet.h"

/* ---- Pictures -------------------------------------------------------------------------------------------------- */

/* rows of pixels, top first, no padding; channels 3 (RGB) or 1 (grey, labels) */
typedef struct { ptrdiff_t height, width; int channels; uint8_t *pixels; } pn_image;

PN_API pn_status pn_image_new(pn_ctx *ctx, ptrdiff_t height, ptrdiff_t width, int channels, pn_image *out); /* zeroed */
PN_API void pn_image_free(pn_ctx *ctx, pn_image *image);        /* and zero the struct */
/* A JPEG or PNG, told by its first bytes, as RGB: grey is tripled, alpha dropped, 16 bit cut to the high byte; CMYK is
 * refused. EXIF orientation is not applied (the reference loaders do not). */
PN_API pn_status pn_image_read(pn_ctx *ctx, const char *path, pn_image *out);
/* The same from the file's bytes in memory; name is what messages call it. */
PN_API pn_status pn_image_decode(pn_ctx *ctx, const char *name, const void *bytes, size_t size, pn_image *out);
/* By the ending of path: .png, .jpg or .jpeg (quality 95, 4:4:4). Atomic. */
PN_API pn_status pn_image_write(pn_ctx *ctx, const char *path, const pn_image *image);
/* A label map: the indices of a palette PNG (1, 2, 4, 8 bit), the raw values of a grey one, or an .npy array [H,W].
 * channels 1. */
PN_API pn_status pn_labels_read(pn_ctx *ctx, const char *path, pn_image *out);
PN_API pn_status pn_labels_write(pn_ctx *ctx, const char *path, const pn_image *labels);       /* PASCAL VOC palette */

/* How a picture is resampled. TRIANGLE: PIL's BILINEAR, antialiased when shrinking. CUBIC: PIL's BICUBIC. NEAREST:
 * labels. */
typedef enum { PN_FILTER_TRIANGLE, PN_FILTER_CUBIC, PN_FILTER_NEAREST } pn_filter;
PN_API pn_status pn_image_resize(pn_ctx *ctx, const pn_image *image, ptrdiff_t height, ptrdiff_t width,
                                 pn_filter filter, pn_image *out);
/* [3,H,W] in [-1,1]: v / 127.5 - 1; back by truncation of (v + 1) / 2 * 255, NaN as 0. */
PN_API void pn_image_to_floats(const pn_image *image, float *out);
PN_API void pn_image_from_floats(const float *values, pn_image *image);        /* image has its size */

/* ---- numpy arrays ---------------------------------------------------------------------------------------------- */

/* An .npy file (version 1 or 2; float, integer or bool; either order) as float32 in row order. rank 0 is one value,
 * and an extent may be 0. values: free with pn_npy_free. */
PN_API pn_status pn_npy_read(pn_ctx *ctx, const char *path, pn_shape *shape, float **values);
PN_API void pn_npy_free(pn_ctx *ctx, float *values);
PN_API pn_status pn_npy_write(pn_ctx *ctx, const char *path, pn_shape shape, const float *values); /* float32, atomic */

/* ---- Key points ------------------------------------------------------------------------------------------------ */

/* OpenPose's 18, left and right being the person's. */
enum {
    PN_NOSE, PN_NECK, PN_R_SHOULDER, PN_R_ELBOW, PN_R_WRIST, PN_L_SHOULDER, PN_L_ELBOW, PN_L_WRIST, PN_R_HIP, PN_R_KNEE,
    PN_R_ANKLE, PN_L_HIP, PN_L_KNEE, PN_L_ANKLE, PN_R_EYE, PN_L_EYE, PN_R_EAR, PN_L_EAR, PN_JOINTS
};
/* Pixels of the picture they belong to. A joint is missing when either coordinate is exactly -1; other negative
 * values are places left of or above the picture. */
typedef struct { double x[PN_JOINTS], y[PN_JOINTS]; } pn_pose;

PN_API bool pn_pose_has(const pn_pose *pose, int joint);
/* Move key points from one grid to another by stretching; missing ones stay missing. */
PN_API pn_pose pn_pose_scale(const pn_pose *pose, double from_h, double from_w, double to_h, double to_w);
/**
 * Heat maps [18,H,W]: exp(-((Y-y)^2 + (X-x)^2) / (2 sigma^2)) about the centre truncated to whole pixels; a missing
 * joint gives zeros. GFLA's sigma is 6 at any resolution.
 */
PN_API void pn_pose_heatmaps(const pn_pose *pose, ptrdiff_t height, ptrdiff_t width, double sigma, float *out);
/* Maps of limbs beside those of joints: none, or 12, from neck to ankles and wrists, exp(-0.1 d), d the distance in pixels
 * from the limb between its truncated end points: from the SEGMENT, or from the infinite LINE through them (CASD). A limb
 * whose end points fall together is a point; one without an end point gives zeros. */
enum { PN_LIMBS = 12 };
typedef enum { PN_LIMBS_NONE, PN_LIMBS_SEGMENT, PN_LIMBS_LINE } pn_limb_maps;
PN_API int pn_pose_channels(pn_limb_maps limbs);        /* PN_JOINTS, or PN_JOINTS + PN_LIMBS */
/* [pn_pose_channels,H,W]: the heat maps, then the limbs'. */
PN_API void pn_pose_maps(const pn_pose *pose, ptrdiff_t height, ptrdiff_t width, double sigma, pn_limb_maps limbs, float *out);
/* Limbs and joints in the field's colours over a picture (as big as the pose's grid). */
PN_API void pn_pose_draw(const pn_pose *pose, pn_image *image);

/* Every joint missing. */
PN_API void pn_pose_clear(pn_pose *pose);
/**
 * Key points named on a command line.
 *
 * kp        "file.json": the best person that OpenPose, mmpose, AlphaPose or COCO JSON holds; joints of confidence
 *           <= 0.1 are missing. "file.csv:image-name": that row of an annotation file (name:keypoints_y:keypoints_x)
 * grid      height and width the numbers refer to; 0, 0 when the file does not say: then they are pixels of their
 *           picture. An annotation file says by the dataset.ini beside it, else by the detection of its values
 * Errors:   a message that names the file, and for a missing row the nearest thing to do.
 */
PN_API pn_status pn_pose_read(pn_ctx *ctx, const char *kp, pn_pose *pose, ptrdiff_t grid[2]);
/**
 * Key points of a sequence, a pose for each frame: the .json files of a folder in the order of their names, each read as
 * pn_pose_read does, or the rows of an annotation file (.csv) in its order. A folder without .json may hold landmarks of a
 * face, .txt (posenet/clips.h).
 *
 * returns NULL and pn_ctx_message: neither of them, a folder without such files, a bad row, no row
 */
typedef struct pn_poses pn_poses;
PN_API pn_poses *pn_poses_open(pn_ctx *ctx, const char *path);
/* The same of files by name: count .json, or count .txt of landmarks. */
PN_API pn_poses *pn_poses_of_files(pn_ctx *ctx, const char *const *path, ptrdiff_t count);
PN_API void pn_poses_free(pn_poses *p);
PN_API ptrdiff_t pn_poses_count(const pn_poses *p);
PN_API const char *pn_poses_name(const pn_poses *p, ptrdiff_t i);       /* of its file or row */
/* The pose of frame i, and its grid as pn_pose_read's. A frame in which nobody was found: every joint is missing. */
PN_API pn_status pn_poses_get(const pn_poses *p, ptrdiff_t i, pn_pose *pose, ptrdiff_t grid[2]);
/* name:keypoints_y:keypoints_x from JSON files and folders of them: each file name, without its _keypoints.json,
 * plus ".jpg" is a row, unless the file names its pictures itself. Coordinates are truncated to whole pixels.
 * Atomic. */
PN_API pn_status pn_pose_json_to_csv(pn_ctx *ctx, const char *const *json, size_t count, const char *csv, size_t *rows);

/* ---- Label maps ------------------------------------------------------------------------------------------------ */

/* Which label becomes which; labels outside the table become 0, the background. */
typedef struct { uint8_t to[256]; int classes; } pn_merge;
/* By name: a labelling (lip20, cihp20, atr18, pise8 …) gives the eight classes of this project; pise, adgan, casd
 * the published merges of 20 labels; none20 keeps them. Or the name of a text file of whole numbers, the entry of
 * label 0 first. */
PN_API pn_status pn_merge_find(pn_ctx *ctx, const char *name_or_file, pn_merge *out);
PN_API void pn_merge_apply(const pn_merge *merge, pn_image *labels);
/* [classes,H,W], 1 where a label is the class */
PN_API void pn_labels_to_onehot(const pn_image *labels, const pn_merge *merge, float *out);
/* Which joints lie in each class: bit j is joint j. A limb lies where both its joints do: bit i is limb map i. Class 0 of
 * several is the background: neither. */
enum { PN_CLASSES = 32 };
typedef struct { int classes; uint32_t joints[PN_CLASSES], limbs[PN_CLASSES]; } pn_class_parts;
/* Of label maps of 1 class (every joint), of this project's 8, or of the 20 labels themselves. PN_ERR_ARG: another number. */
PN_API pn_status pn_class_parts_find(pn_ctx *ctx, int classes, pn_class_parts *out);

/* ---- Holes: what is missing of a picture that is to be completed ------------------------------------------------------ */

/* Uniform numbers in [0,1): the next of a generator, or of splitmix64, which any program can repeat. */
typedef struct { pn_rng *rng; uint64_t state; } pn_uniforms;    /* rng NULL: splitmix64 from state */
/* splitmix64 from the FNV-1a 64 of a picture's file name: masks that depend on nothing else, for scores. */
PN_API pn_uniforms pn_uniforms_named(const char *file_name);
PN_API double pn_uniforms_next(pn_uniforms *u);
/* A whole number, least and most included; takes one. */
PN_API ptrdiff_t pn_uniforms_whole(pn_uniforms *u, ptrdiff_t least, ptrdiff_t most);

/**
 * Mistakes as parsers make them, into a label map: each class that it shows, the background (0) apart, is spoilt with the
 * probability `share`, in one of three ways that are as likely: all of it gets the label of another class of the map, or it moves by
 * up to a sixteenth of height and width (what it leaves is background), or it is missing. ours: no benchmark says what noise is.
 * What is spoilt at some share is spoilt in the same way at every larger one.
 *
 * labels  one channel; changed in place
 * u       moves on by five numbers for each class
 * Errors: PN_ERR_ARG for a share outside of 0 to 1, or more channels; PN_ERR_NOMEM. labels stay as they were then.
 */
PN_API pn_status pn_labels_mistake(pn_ctx *ctx, pn_image *labels, double share, pn_uniforms *u);
/* Of every .png of a folder, by numbers that follow from the file's name alone, to the folder `to`, which is made. */
PN_API pn_status pn_labels_mistake_folder(pn_ctx *ctx, const char *from, const char *to, double share, size_t *files);

/* NONE: nothing is missing. RECT: a square of about half the height. STROKE: one to three thick broken lines. REGION: every pixel of one or two classes
 * of the person. MIXED: rect and stroke (1/2), stroke (1/4) or region (1/4). */
typedef enum { PN_HOLE_NONE, PN_HOLE_MIXED, PN_HOLE_RECT, PN_HOLE_STROKE, PN_HOLE_REGION } pn_hole_kind;
typedef enum { PN_HOLE_ANYWHERE, PN_HOLE_ON_PERSON } pn_hole_place;
/* By name: "none", "mixed", "rect", "stroke", "region". */
PN_API pn_status pn_hole_kind_find(pn_ctx *ctx, const char *name, pn_hole_kind *out);
/**
 * Draw the hole of a picture: 1 where it is missing, else 0. All lengths scale with the height.
 *
 * mask     an image of one channel; every pixel is written
 * classes  of its size, one channel, 0 the background (pn_merge_apply)
 * place    ON_PERSON: only on the person, grown by a square of radius 8 H / 256, rounded half up
 * u        moves on by what is drawn
 *
 * Edges:   a hole without a pixel is drawn again, eight times in all; then it stays empty, as it does where there is
 *          no person at all and the hole must lie on one.
 * Errors:  PN_ERR_ARG: other sizes or channels.
 * Source:  Yu et al. 2019 (free-form masks), with the figures and the order of random numbers set down for GLocal.
 */
PN_API pn_status pn_hole_draw(pn_ctx *ctx, pn_image *mask, const pn_image *classes, pn_hole_kind kind, pn_hole_place place,
                              pn_uniforms *u);
/* The hole that a picture is scored with: on the person, from pn_uniforms_named of name after its last slash. So it follows
 * from name, kind, size and classes alone, and two programs complete the same. Arguments and errors: pn_hole_draw. */
PN_API pn_status pn_hole_named(pn_ctx *ctx, pn_image *mask, const pn_image *classes, pn_hole_kind kind, const char *name);

/* ---- Data sets ------------------------------------------------------------------------------------------------- */

typedef struct pn_dataset pn_dataset;   /* a folder's lists, key points and where its pictures are; no pixels */

/* STRICT: a pair whose picture or key points are missing is an error, not a counted and skipped one. */
typedef enum { PN_LENIENT, PN_STRICT } pn_strictness;
typedef struct {
    ptrdiff_t kp_height,
        kp_width; /* the grid of the annotations; 0: dataset.ini, else the pictures, else their values */
    const char *pairs;              /* a pairs file; NULL: the split's own */
    const char *parsing; /* labelling of the parsing maps (pn_merge_find); NULL: their folder's or dataset.ini's */
    pn_strictness strictness;
} pn_dataset_opt;

typedef struct {
    const char *name;               /* as in the lists */
    const char *path;               /* of the picture; NULL if there is none */
    const char *parsing;            /* path of its label map; NULL if there is none */
    pn_pose pose;                   /* in its grid */
    ptrdiff_t grid_height, grid_width;
    bool annotated;
} pn_person;
typedef struct { const pn_person *source, *target; long line; } pn_pair;

/**
 * Open a folder in one of the field's layouts.
 *
 * split   "train", "test", … : its pairs file. Names are looked up in all splits of the folder
 * opt     may be NULL
 * Files are tried in this order and the log says which was used: fasion-resize-, fasion-, fashion-resize-, fashion-,
 * market- followed by pairs-SPLIT.csv and annotation-SPLIT.csv. Pictures: SPLIT/, SPLIT_resize/, SPLIT_highres/,
 * fashion_resize/SPLIT/, img/SPLIT/.
 * returns NULL and pn_ctx_message: no such folder or list, a bad row (file and line), no usable pair, an undecidable
 *         grid.
 */
PN_API pn_dataset *pn_dataset_open(pn_ctx *ctx, const char *folder, const char *split, const pn_dataset_opt *opt);
PN_API void pn_dataset_free(pn_dataset *d);
PN_API ptrdiff_t pn_dataset_pairs(const pn_dataset *d);
PN_API const pn_pair *pn_dataset_pair(const pn_dataset *d, ptrdiff_t i);        /* in the file's order */
/* The pairs' targets, each once, in the order of the pairs: what a split has to complete. */
PN_API ptrdiff_t pn_dataset_targets(const pn_dataset *d);
PN_API const pn_person *pn_dataset_target(const pn_dataset *d, ptrdiff_t i);
PN_API const pn_person *pn_dataset_find(const pn_dataset *d, const char *name); /* NULL: not annotated in any split */
PN_API const char *pn_dataset_parsing(const pn_dataset *d);     /* labelling of its parsing maps; "" if it has none */
/* Pairs skipped because key points or a picture are missing. */
PN_API ptrdiff_t pn_dataset_skipped(const pn_dataset *d);
PN_API pn_ctx *pn_dataset_ctx(const pn_dataset *d);             /* the one it was opened with */

/* What `posenet-data check` finds. PAIRS of people, clips of DANCE or FACE (posenet/clips.h), VIEWS (posenet/views.h). */
typedef enum { PN_FOLDER_PAIRS, PN_FOLDER_DANCE, PN_FOLDER_FACE, PN_FOLDER_VIEWS } pn_folder_kind;
typedef struct {
    char name[32];                  /* of the split */
    ptrdiff_t pictures;             /* files in its folder; listed views; frames */
    ptrdiff_t groups, clean, masks; /* objects or clips; clips of people with clean key points, with masks */
    ptrdiff_t annotated, nobody, duplicates;    /* rows; rows with no joint at all; rows that were replaced */
    ptrdiff_t pairs, unannotated_pairs, pictureless_pairs;
    ptrdiff_t missing;              /* annotated names, listed views without a picture */
    ptrdiff_t grid_height, grid_width;
} pn_split_check;
typedef struct {
    pn_folder_kind kind;
    pn_split_check *split;
    ptrdiff_t splits;
    struct { ptrdiff_t height, width, count; } size[16];        /* of the pictures, most frequent first */
    int sizes;                      /* distinct ones; only the first 16 are listed */
    char **problem;                 /* sentences with file and line; the first 1000 */
    ptrdiff_t problems, problems_kept;
} pn_check;

/* Read everything a data set has, pictures included, on all threads, whatever its layout (opt is of pairs alone). PN_OK however
 * bad it is: problems are in `out`. */
PN_API pn_status pn_dataset_check(pn_ctx *ctx, const char *folder, const pn_dataset_opt *opt, pn_check *out);
PN_API void pn_check_free(pn_ctx *ctx, pn_check *check);

/**
 * DeepFashion as it is handed out, into the folders that pose transfer uses: each picture that train.lst or test.lst
 * names is copied from the tree GENDER/Category/id_XXXXXXXX/CC_V_view.jpg to out/{train,test}/ under its flattened
 * name, and the lists beside them. Pictures that are there already are left alone, so it can be stopped and run again.
 * Errors: PN_ERR_IO, PN_ERR_FORMAT (a list that is none). A listed picture that is not in the tree is counted.
 */
typedef struct {
    const char *images;             /* img_highres or img: the folder that holds MEN and WOMEN */
    const char *lists;              /* folder of train.lst, test.lst, pairs and annotations */
    const char *out;
} pn_prepare_opt;
typedef struct {
    ptrdiff_t listed, copied, there, missing, unlisted, lists;
    char first_missing[256];
} pn_prepare_report;
PN_API pn_status pn_prepare(pn_ctx *ctx, const pn_prepare_opt *opt, pn_prepare_report *out);

/* ---- Loading --------------------------------------------------------------------------------------------------- */

typedef struct pn_loader pn_loader; /* decodes ahead on threads of its own; gives batches in one order */

typedef enum { PN_IN_ORDER, PN_SHUFFLED } pn_order;
typedef enum { PN_AUGMENT_NONE, PN_AUGMENT_MARKET } pn_augment;         /* MARKET: GFLA's rotation, shift and scale */
typedef struct {
    ptrdiff_t batch, height, width; /* pairs per batch; pixels: pictures and key points are stretched to them */
    pn_order order;
    pn_augment augment;
    pn_filter filter;               /* TRIANGLE, as GFLA and torchvision; or CUBIC */
    uint64_t seed;
    double sigma;                   /* of the heat maps; 0: 6 */
    pn_limb_maps limbs;             /* beside them */
    const char *merge; /* parsing wanted, merged by this table; "": by the data set's labelling; NULL: not wanted */
    int classes;                    /* that the merge must have; 0: any */
    pn_hole_kind hole;              /* drawn for every source, where it is not NONE; needs parsing */
    pn_hole_place place;
    double mistakes;                /* share of the classes of sources' label maps, by pn_labels_mistake, anew each time; 0: none */
    int threads;                    /* 0: as many as the context has */
    size_t cache_bytes;             /* resized pictures kept when all of them fit; 0: 256 MiB */
} pn_loader_opt;

/* B pairs; pictures [B,3,H,W] in [-1,1], poses [B,pn_pose_channels(limbs),H,W], parsing [B,K,H,W] or NULL, hole [B,1,H,W], 1 where the source
 * is missing, or NULL. */
typedef struct {
    ptrdiff_t size;                 /* B */
    int classes;                    /* K; 0 when parsing is not wanted */
    const float *source, *target, *pose_source, *pose_target, *parsing_source, *parsing_target;
    const float *parsing_right;     /* parsing_source before mistakes were made; itself where none are asked for */
    const float *hole;
    const pn_pair *const *pair;     /* [B] */
    uint64_t epoch;
} pn_batch;

/* Where a loader stands, of pairs, views or clips: enough to go on after a kill with the very batches that would have come. */
typedef struct { uint64_t seed, epoch, position; } pn_loader_state;

/**
 * Begin to load. The batches and their order depend on data, seed and options, never on the number of threads. The last
 * pairs that do not fill a batch are left out of an epoch; PN_IN_ORDER with batch 1 gives every pair.
 * d must outlive the loader. from: where to start, NULL for the beginning.
 * returns NULL: a batch larger than the data set, parsing wanted and absent, no memory.
 */
PN_API pn_loader *pn_loader_new(pn_dataset *d, const pn_loader_opt *opt, const pn_loader_state *from);
PN_API void pn_loader_free(pn_loader *l);
/**
 * The next batch, valid until the next call. Epochs follow each other without end. Allocates nothing.
 * Errors: a picture that cannot be read, with its file's name in pn_ctx_message; the same batch fails again then.
 */
PN_API pn_status pn_loader_next(pn_loader *l, pn_batch *out);
PN_API pn_loader_state pn_loader_where(const pn_loader *l);     /* of the batch that next will give */
PN_API ptrdiff_t pn_loader_epoch_batches(const pn_loader *l);

/* One pair by hand: the arrays of a batch of one, as generation uses them. Any pointer may be NULL. */
PN_API pn_status pn_person_load(pn_ctx *ctx, const pn_person *person, ptrdiff_t height, ptrdiff_t width,
                                pn_filter filter, float *picture, float *heatmaps);
/* Its label map as [classes,H,W], by nearest pixels. Errors: also PN_ERR_FORMAT, it has none. */
PN_API pn_status pn_person_parsing(pn_ctx *ctx, const pn_person *person, const pn_merge *merge, ptrdiff_t height,
                                   ptrdiff_t width, float *parsing);
/* The same as an image of one channel, the class of every pixel; out: pn_image_free. */
PN_API pn_status pn_person_classes(pn_ctx *ctx, const pn_person *person, const pn_merge *merge, ptrdiff_t height,
                                   ptrdiff_t width, pn_image *out);

#endif
