/* models/model.h - the one face of every model: options, parameters, training, generation
 *
 * Programs know no model by name beyond the string that pn_model_new takes. Installed as posenet/model.h.
 */
#ifndef POSENET_MODEL_H
#define POSENET_MODEL_H

#include "posenet.h"
#include "posenet/data.h"
#include "posenet/train.h"

/* ---- What there is ------------------------------------------------------------------------------------------------- */

typedef struct { const char *key, *value, *help; } pn_model_option;             /* value: the default */
/* settings: "base=16 cap=128"; the size to train at when nothing else says one, 0: the model's */
/* decay: share of the steps over which the rate falls, 0: the model's; to `last` of itself */
typedef struct { const char *name, *settings; ptrdiff_t height, width; double decay, last; } pn_model_preset;
typedef struct { const char *name, *help; double share; } pn_model_choice;      /* a task or a stage; share of the steps in `auto` */
struct pn_model_face;

typedef struct {
    const char *name, *summary;
    ptrdiff_t multiple, height, width;                  /* sides must be multiples of; the size when nothing else says one */
    const pn_model_option *options;                     /* these four end with a NULL name; the first of each is the default */
    const pn_model_preset *presets;
    const pn_model_choice *tasks;
    const pn_model_choice *stages;                      /* in the order they are trained */
    const char *const *losses;                          /* of all stages together, "total" first; ends with NULL */
    double decay;                                       /* share of the steps over which the rate falls to 0 */
    const struct pn_model_face *face;                   /* of all tasks; NULL: each has its own, */
    const struct pn_model_face *const *task_face;       /* in the order of tasks */
} pn_model_kind;

PN_API const pn_model_kind *pn_model_kind_at(int i);            /* NULL past the last */
PN_API const pn_model_kind *pn_model_kind_find(const char *name);       /* NULL: none */
/* PN_ERR_ARG and the nearest sizes that fit, when a side is no positive multiple of kind->multiple. */
PN_API pn_status pn_model_size_check(pn_ctx *ctx, const pn_model_kind *kind, ptrdiff_t height, ptrdiff_t width);

/* ---- A model --------------------------------------------------------------------------------------------------------- */

/* Options and parameters. What has not been loaded when the first pn_training_new or pn_generation_new needs it gets its
 * initial value then: loading costs no initialising. */
typedef struct pn_model pn_model;
typedef struct {
    const char *name;                           /* NULL: what `weights` says it is */
    const char *preset, *task;                  /* NULL: what weights says or looks like, else the first */
    const char *const *set;                     /* "key=value", stronger than preset and weights */
    int n_set;
    uint64_t seed;                              /* of the initial parameters */
    const pn_weights *weights;                  /* NULL, or a file that says model, preset and options in its notes; for foreign
                                                 * files options are read off names and shapes. Not loaded: pn_model_load */
} pn_model_opt;

PN_API pn_model *pn_model_new(pn_ctx *ctx, const pn_model_opt *opt);
PN_API void pn_model_free(pn_model *m);
PN_API const pn_model_kind *pn_model_kind_of(const pn_model *m);
PN_API pn_ctx *pn_model_ctx(const pn_model *m);
PN_API const char *pn_model_get(const pn_model *m, const char *key);           /* an option's resolved value; NULL: no such option */
PN_API const char *pn_model_preset_of(const pn_model *m);
PN_API void pn_model_size(const pn_model *m, ptrdiff_t *height, ptrdiff_t *width);     /* to train at when nothing else says one: its preset's */
/* Share of the steps over which its rate falls, and to what share of itself. */
typedef struct { double share, last; } pn_model_decay;
PN_API pn_model_decay pn_model_decay_of(const pn_model *m);
PN_API const char *pn_model_task_of(const pn_model *m);
/* What is the kind's, unless the model's task has its own: its stages, its losses ("total" first). */
PN_API const pn_model_choice *pn_model_stages(const pn_model *m);
PN_API const char *const *pn_model_losses(const pn_model *m);
/* Its sets of parameters: the generator first, with the prefix "", then the rest. returns how many; at most 4. */
PN_API int pn_model_parts(const pn_model *m, pn_part parts[4]);
/* The generator's parameters, exactly, those averaged over training where the file has averages and option `ema` is not 0; and
 * what else generation reads, as far as the file has it. */
PN_API pn_status pn_model_load(pn_model *m, const pn_weights *weights);
/* Begin training from trained weights: of each part what the file has and what fits. found[i]: of part i. A model that was
 * trained without saying for how long (no T/steps) counts as past its warm-up. */
PN_API pn_status pn_model_start(pn_model *m, const pn_weights *weights, pn_load_report found[4]);
/* Notes that let pn_model_new make this model again; returns how many. For other programs they also say `model`, `preset` and
 * `task` and, under its own name, every option that is not at its default. */
enum { PN_MODEL_NOTES = 64 };
PN_API int pn_model_notes(const pn_model *m, pn_note notes[PN_MODEL_NOTES]);

/* ---- Inputs: plain arrays of `count` samples ---------------------------------------------------------------------------- */

/* What a task learns from, and the loader that has it:
 *
 * PAIRS   pn_loader (posenet/data.h). source, target, their poses: heat maps
 * VIEWS   pn_view_loader (posenet/views.h). source, target; pose_source, pose_target are codes [count,21,1,1]
 * DANCES, pn_chunks (posenet/clips.h). source and pose_source are the reference and its structure; to train, target, pose_target
 * FACES   and mask_target are the T frames of a chunk, [T,count,…]; to generate, pose_target is the frame's structure
 * TRACKS  pn_tracks_draw (posenet/clips.h). source [count,34,T+80] noisy, target [count,34,T] clean; [count,34,T] is made */
typedef enum { PN_READS_PAIRS, PN_READS_VIEWS, PN_READS_DANCES, PN_READS_FACES, PN_READS_TRACKS } pn_model_reads;

typedef struct {
    const pn_real *source, *target;             /* [count,3,H,W] in [-1,1]; target only to train */
    const pn_real *pose_source, *pose_target;   /* [count,18,H,W] heat maps; [count,30,H,W] for a model that needs limbs */
    /* For models that need them, else NULL. */
    const pn_real *parsing_source, *parsing_target;     /* [count,classes,H,W], 1 where a pixel is of the class; target only to train */
    const pn_real *parsing_right;                       /* to train: parsing_source without its mistakes; NULL: it has none */
    const pn_real *hole;                        /* [count,1,H,W], 1 where the source is missing; NULL: nothing is */
    /* For tasks that make frame after frame, DANCES and FACES. */
    const pn_real *mask_target;                 /* [T,count,1,H,W], 1 where flow is judged; NULL: everywhere */
    bool begins;                                /* nothing goes before: the reference takes the place of the frame before */
    const pn_real *previous, *pose_previous;    /* to generate: the frame before and its structure; NULL: what was made last */
} pn_model_input;

/* What a program must make these from. */
typedef struct {
    double sigma;                               /* of the heat maps, in pixels of the given height */
    pn_limb_maps limbs;                         /* beside the heat maps */
    pn_filter filter;                           /* that brings pictures to their size */
    int classes;                                /* of the label maps; 0: the model reads none */
    const char *labelling;                      /* of the label maps, as pn_merge_find has it; "": their folder's, else lip20 */
    pn_hole_kind hole;                          /* to train with */
    pn_hole_place place;
    double mistakes;                            /* in the sources' label maps, to train with: share of their classes */
    pn_model_reads reads;
    int channels;                               /* of a structure, a code, a track; of PAIRS those of the pose's maps */
    ptrdiff_t frames;                           /* T, of a chunk or a track; else 0 */
} pn_model_needs;
PN_API pn_model_needs pn_model_needs_at(const pn_model *m, ptrdiff_t height);

/* ---- Training -------------------------------------------------------------------------------------------------------------- */

/* Plans and optimisers of one stage at one size; of one model one at a time. Adam's moments of glocal outlive it: they are
 * the model's, and the stage that follows goes on with them. Those of gfla begin anew. */
typedef struct pn_training pn_training;
typedef struct {
    const char *stage;                          /* NULL: the last */
    ptrdiff_t batch, height, width;
    double lr;                                  /* 0: the model's own */
    const char *vgg19;                          /* a weight file; NULL: fixed-seed orthogonal filters */
    const char *recompute;                      /* as pn_plan_opt.recompute */
    int64_t run_steps;                          /* of the whole run, which a warm-up may be a share of; 0: unknown */
} pn_training_opt;

enum { PN_MAX_LOSSES = 16 };
PN_API pn_training *pn_training_new(pn_model *m, const pn_training_opt *opt);
PN_API void pn_training_free(pn_training *t);   /* before its model */
PN_API int pn_training_losses(const pn_training *t, const char *names[PN_MAX_LOSSES]);
/* One step of every network that learns in this stage. PN_ERR_NONFINITE: a loss or gradient is NaN or Inf; the network it
 * belongs to was not changed. losses may be NULL. Allocates nothing. */
PN_API pn_status pn_training_step(pn_training *t, const pn_model_input *in, double losses[PN_MAX_LOSSES]);
/* From the next step on every network learns at its own rate times factor (0: not at all). */
PN_API void pn_training_scale_lr(pn_training *t, double factor);
/* The generator's parameters and their averages change places: before generating through the averages, and after. Does nothing
 * where option `ema` is 0. */
PN_API void pn_training_swap_averages(pn_training *t);
PN_API size_t pn_training_bytes(const pn_training *t);          /* of all its plans, known before the first step */
/* The model's parts with their optimisers, for checkpoints; and what the training itself must remember, as the frame before. */
PN_API int pn_training_parts(const pn_training *t, pn_part parts[4]);
/* Go on from a checkpoint that was saved in `stage` (NULL: in this one). In the same stage all of it, as pn_checkpoint_load
 * has it; from another one moments go on as far as the file has them, if the model keeps them, else they begin anew. */
PN_API pn_status pn_training_load(pn_training *t, const pn_weights *checkpoint, const char *stage);

/* ---- Generation ------------------------------------------------------------------------------------------------------------- */

typedef struct pn_generation pn_generation;     /* an inference plan at one size */
PN_API pn_generation *pn_generation_new(pn_model *m, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width);
/* The same for one picture or a few: weights are packed in every run, in half the memory, and the first picture comes sooner. */
PN_API pn_generation *pn_generation_once(pn_model *m, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width);
PN_API void pn_generation_free(pn_generation *gen);
/**
 * image: [count,3,H,W]; of TRACKS [count,34,T].
 *
 * Frame after frame (DANCES, FACES): set source and pose_source once more in every run, pose_target of the frame, and begins in
 * the first. Each picture goes before the next one, with its structure; memory stays the same however many there are.
 */
PN_API pn_status pn_generation_run(pn_generation *gen, const pn_model_input *in, pn_real *image);
PN_API size_t pn_generation_bytes(const pn_generation *gen);
PN_API double pn_generation_macs(const pn_generation *gen);     /* of a run: pn_graph_macs */

/* What is worth looking at beside the picture, after a run. FLOW [count,2,h,w] pixels of its own map; MASK [count,1,h,w] 0..1;
 * ATTENTION [count,k^2,h,w], sums to 1; PARSING [count,classes,h,w], weights of the classes; PICTURE [count,3,h,w] in [-1,1]. */
typedef enum { PN_VIEW_FLOW, PN_VIEW_MASK, PN_VIEW_ATTENTION, PN_VIEW_PARSING, PN_VIEW_PICTURE } pn_view_kind;
typedef struct { const char *name; pn_view_kind kind; pn_shape shape; } pn_view;
PN_API int pn_generation_views(const pn_generation *gen);
PN_API pn_view pn_generation_view(const pn_generation *gen, int i);
PN_API pn_status pn_generation_get(const pn_generation *gen, int view, pn_real *values);

#endif
