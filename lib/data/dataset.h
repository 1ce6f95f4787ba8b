/* dataset.h - what lib/data shares inside: annotation files, lists, label tables */
#ifndef PN_DATASET_H
#define PN_DATASET_H

#include "io/io.h"

/* ---- Key points ------------------------------------------------------------------------------------------------- */

enum { PN_BONES = 17 };             /* limbs, then what joins neck and head */
extern const signed char pn_bones[PN_BONES][2];         /* pairs of joints, in the field's order; the first PN_LIMBS are limbs */
/* v, but not exactly -1: a joint that is there must not become "missing" by where it lands. */
double pn_pose_present(double v);

typedef struct { double y, x; } pn_centre;
/* One Gaussian [H,W] about a place; at NULL: zeros. */
void pn_heatmap(const pn_centre *at, ptrdiff_t height, ptrdiff_t width, double sigma, float *map);
extern const uint8_t pn_joint_colours[PN_JOINTS][3];    /* the field's */
/* Colour every pixel no farther than radius from the segment a-b; a, b: y, x. */
void pn_image_stroke(pn_image *image, const double a[2], const double b[2], double radius, const uint8_t colour[3]);

/* ---- Problems: what a reader found wrong and went on ------------------------------------------------------------ */

/* With problems NULL a reader stops at the first bad row; with a list it notes the row and goes on. */
typedef struct { pn_ctx *ctx; char **text; size_t count, kept, capacity; } pn_problems;
enum { PN_PROBLEMS_KEPT = 1000 };                       /* texts kept; all are counted */
pn_status pn_problems_note(pn_problems *p, const char *text);
void pn_problems_free(pn_problems *p);
/* After a bad row: note it and go on if somebody collects, else stop. Lack of memory always stops. */
pn_status pn_bad_row(pn_ctx *ctx, pn_problems *problems, pn_status status);

/* ---- Lists ------------------------------------------------------------------------------------------------------ */

typedef struct { char *name; pn_pose pose; long line; } pn_annotation;
typedef struct {
    pn_annotation *rows;            /* in the file's order; of a name that is there twice the last one */
    size_t count;
    size_t duplicates, nobody;      /* rows replaced; rows without a single joint */
    pn_arena arena;
} pn_annotations;

/* name:keypoints_y:keypoints_x, 18 whole or broken numbers in each list. */
pn_status pn_annotations_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_problems *problems,
                               pn_annotations *out);
void pn_annotations_free(pn_annotations *a);

typedef struct { char *from, *to; long line; } pn_names_pair;
typedef struct { pn_names_pair *rows; size_t count; pn_arena arena; } pn_pairs;

/* A CSV whose header names the columns from and to, in any place. */
pn_status pn_pairs_parse(pn_ctx *ctx, const char *name, pn_bytes *file, pn_problems *problems, pn_pairs *out);
void pn_pairs_free(pn_pairs *p);

/* GENDER/Category/id_XXXXXXXX/CC_V_view.jpg to the flattened name, in the new or the old ("fasion") spelling. false: the
 * path has another form. */
enum { PN_FLAT_NAME = 256 };
bool pn_flat_name(const char *tree, bool old, char out[PN_FLAT_NAME]);

/* ---- Names to numbers ------------------------------------------------------------------------------------------- */

/* Open addressing; keys are borrowed. */
typedef struct { const char *key; ptrdiff_t value; } pn_slot;
typedef struct { pn_slot *slot; size_t room, count; } pn_table;
pn_status pn_table_put(pn_ctx *ctx, pn_table *t, const char *key, ptrdiff_t value);     /* replaces */
ptrdiff_t pn_table_get(const pn_table *t, const char *key);                             /* -1 if absent */
void pn_table_free(pn_ctx *ctx, pn_table *t);

/* ---- The grid of an annotation file ----------------------------------------------------------------------------- */

typedef struct { ptrdiff_t height, width; const char *why; } pn_kp_grid;       /* height 0: undecided, why says so */
/* By the share of present x beyond 175: the only two grids that fashion files come in. */
pn_kp_grid pn_grid_detect(const pn_annotations *a);
/* The grid of the file at path: dataset.ini beside it, else the detection; 0, 0: neither says. */
pn_status pn_annotations_grid(pn_ctx *ctx, const char *path, const pn_annotations *a, ptrdiff_t grid[2]);
/* The surest person of a JSON file; joints that are not sure are missing. */
pn_status pn_pose_from_json(pn_ctx *ctx, const char *path, pn_pose *pose);
/* kp_size and parsing of dataset.ini in folder; zero and "" where it does not say. PN_OK when there is no such file. */
typedef struct { ptrdiff_t kp_height, kp_width; char parsing[32]; } pn_dataset_ini;
pn_status pn_dataset_ini_read(pn_ctx *ctx, const char *folder, pn_dataset_ini *out);

/* ---- The data set ----------------------------------------------------------------------------------------------- */

enum { PN_SPLITS_MAX = 16 };
/* One annotation file and the folder its pictures lie in. */
typedef struct {
    char *name, *annotations, *pictures;        /* "train"; paths; pictures is NULL when there is no folder */
    char *parsing;                              /* folder of label maps, NULL */
    bool parsing_tree;                          /* nested .npy, as ADGAN, rather than <stem>.png */
    pn_kp_grid grid;
    size_t rows, nobody, duplicates;
    size_t first, added;                        /* its people in the data set's list */
} pn_split;

struct pn_dataset {
    pn_ctx *ctx;
    pn_arena arena;
    const char *folder;
    pn_dataset_opt opt;
    pn_dataset_ini ini;
    char labelling[32];
    pn_split split[PN_SPLITS_MAX];
    int splits;
    pn_person *person;
    size_t persons, person_room;
    pn_table by_name;
    pn_pair *pair;
    ptrdiff_t pairs, skipped, unannotated, pictureless;
    const pn_person **target;                   /* the pairs' targets, each once, in the pairs' order */
    ptrdiff_t targets;
    pn_problems *problems;                      /* NULL: stop at the first; else collect, as check does */
};

/* Lists and grids of every split, without pairs; asked: the split whose rows win, may be NULL. */
pn_status pn_dataset_begin(pn_ctx *ctx, const char *folder, const char *asked, const pn_dataset_opt *opt,
                           pn_problems *problems, pn_dataset **out);
/* The pairs file at path, into d. */
pn_status pn_dataset_read_pairs(pn_dataset *d, const char *path);
/* The pairs file of a split by the field's names, "" if there is none. */
pn_status pn_dataset_pairs_path(pn_dataset *d, const char *split, char **path);

#endif
