/* pictures.h - sheets of pictures that programs write, and what makes one picture after the other */
#ifndef PICTURES_H
#define PICTURES_H

#include "posenet.h"
#include "posenet/data.h"
#include "posenet/model.h"

/* A white sheet of rows x columns tiles. */
pn_status sheet_new(pn_ctx *ctx, int rows, int columns, ptrdiff_t height, ptrdiff_t width, pn_image *out);
void sheet_paste(pn_image *sheet, int row, int column, const pn_image *tile);
/* values: [3,height,width] in [-1,1]. */
void sheet_put(pn_image *sheet, int row, int column, ptrdiff_t height, ptrdiff_t width, const float *values);
void sheet_put_pose(pn_ctx *ctx, pn_image *sheet, int row, int column, ptrdiff_t height, ptrdiff_t width, const pn_pose *pose);

/* Arrays that one pair needs to be generated from, and a plan that does it, one picture at a time. */
typedef struct {
    pn_ctx *ctx;
    pn_generation *generation;
    ptrdiff_t height, width;
    pn_model_needs needs;
    pn_merge merge;                 /* of label maps; needs.classes 0: none */
    float *source, *target, *pose_source, *pose_target, *image, *parsing, *parsing_target;
    bool begins;                    /* of tasks that make frame after frame: a new reference */
    pn_pose pose;                   /* the target's, in pixels of the picture */
    bool knows_target;              /* parsing_target holds the target's label map: a pair's, where it has one */
    float *hole;                    /* NULL: nothing is missing; else taken by whoever fills it, released with the rest */
} painter;
/* A model with the weights of a file, which is closed again: they lie in the model. opt.weights is filled in. height and
 * width, where they are 0, become what the weights were trained at, else the model's own. NULL: the context says why. */
pn_model *painter_model(pn_ctx *ctx, const char *weights, pn_model_opt opt, ptrdiff_t *height, ptrdiff_t *width);
typedef enum { PAINT_ONCE, PAINT_MANY } paint_use;
pn_status painter_new(painter *p, pn_model *model, ptrdiff_t height, ptrdiff_t width, paint_use use);
void painter_free(painter *p);
/* Its size and memory, to stderr: one line that begins with the program's name. */
void painter_tell(const painter *p, const char *program);
/* Label maps are of this labelling, where the model's options do not say otherwise; "": lip20. */
pn_status painter_labelling(painter *p, const char *labelling);
/* Heat maps of a pose in a grid, and the generated picture of what the painter's arrays hold. */
void painter_target(painter *p, const pn_pose *pose, ptrdiff_t grid_height, ptrdiff_t grid_width);  /* pose and pose_target */
void painter_heatmaps(const painter *p, const pn_pose *pose, ptrdiff_t grid_height, ptrdiff_t grid_width, float *heatmaps);
pn_status painter_run(painter *p);
/* The person that is to be shown in other poses, from files: source, pose_source and, for models that read one, parsing. pose
 * is a KP, of faces a file of landmarks. grid [2]: what they refer to, 0: as their file says, else the picture. frame: the
 * picture's size as it is in its file; resized: at the painter's, starts empty, pn_image_free. */
typedef struct { const char *image, *pose, *parsing; ptrdiff_t grid[2]; } painter_person;
pn_status painter_source(painter *p, const painter_person *who, ptrdiff_t frame[2], pn_image *resized);
/* Whether a model reads label maps and got one, before anything is planned. */
pn_status painter_check_parsing(const pn_model *model, const char *parsing);
/* Fill source and poses from the pair, and the picture from the model; truth too, where the target has a picture. */
pn_status painter_paint(painter *p, const pn_pair *pair);

/* As a picture file by the ending of path, or .npy: the raw float32 [3,H,W]. */
pn_status painter_write(const painter *p, const char *path);
/* Write rows of source, target pose, generated, truth for pairs spread over d; below them what lies inside of the first. */
pn_status paint_sheet(painter *p, const pn_dataset *d, int rows, const char *path);

/* Make a folder and those above it; NULL: none. They may exist; anything else is the next write's error to explain. */
void make_folder(const char *path);
/* Letters of a name before its last dot. */
int stem_length(const char *name);
/* Whether a name ends in .png, .jpg, .jpeg or .npy. */
bool picture_kind(const char *path);

#endif
