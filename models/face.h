/* models/face.h - what a model implements behind model.h; only files under models/ include it */
#ifndef PN_MODEL_FACE_H
#define PN_MODEL_FACE_H

#include "model.h"

enum { PN_MODEL_OPTIONS = 48, PN_OPTION_ROOM = 64 };

struct pn_model {
    const pn_model_kind *kind;
    const struct pn_model_face *face;                   /* of its task */
    pn_ctx *ctx;
    char value[PN_MODEL_OPTIONS][PN_OPTION_ROOM];       /* by option of the kind */
    char settings[4096];                                /* all options as "key=value …", for notes */
    const char *preset, *task;
    uint64_t seed;
    bool said_vgg19;                                    /* what it is, or that there is none: once is enough */
    pn_part part[4]; /* adam: of models that keep moments; NULL until a stage needs it */
    int parts;
};

struct pn_training {
    pn_model *model;
    const char *stage;
    pn_training_opt opt;
    pn_adam *adam[4]; /* by part, the model's if it keeps moments; NULL: does not learn in this stage */
    double lr[4];                                       /* what each began with */
    const char *loss_name[PN_MAX_LOSSES];
    int losses;
    pn_params *state;               /* what goes on in a resumed run and is no part of the model; NULL: nothing */
    pn_memory *memory;              /* in which its plans take turns */
    size_t bytes;                   /* what they do not share */
};

enum { PN_MAX_VIEWS = 12 };
struct pn_generation {
    pn_model *model;
    pn_graph *graph;
    pn_plan *plan;
    pn_tensor *image;
    pn_view view[PN_MAX_VIEWS];
    pn_tensor *view_tensor[PN_MAX_VIEWS];
    int views;
};

typedef struct pn_model_face {
    size_t model_bytes, training_bytes, generation_bytes;       /* of structs that begin with the three above */
    bool keeps_moments; /* Adam's go on from stage to stage; false: each begins anew */
    const pn_model_choice *stages;                              /* these two NULL: the kind's */
    const char *const *losses;
    /* Options from a foreign weight file's names and shapes; false: not this model's weights, or not this task's. */
    bool (*recognise)(pn_model *m, const pn_weights *weights);
    /* Options are resolved: check them and make the parameters (m->part). */
    pn_status (*make)(pn_model *m);
    void (*started)(pn_model *m, const pn_weights *weights);    /* after pn_model_start; NULL: nothing to conclude */
    pn_status (*loaded)(pn_model *m, const pn_weights *weights); /* after pn_model_load: what else generation reads; NULL: nothing */
    pn_status (*train)(pn_training *t);                         /* record, plan, name losses */
    pn_status (*step)(pn_training *t, const pn_model_input *in, double losses[PN_MAX_LOSSES]);
    void (*train_free)(pn_training *t);
    pn_status (*describe)(pn_generation *gen, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width);     /* record into gen->graph */
    pn_status (*feed)(pn_generation *gen, const pn_model_input *in);
    void (*generation_free)(pn_generation *gen);                /* NULL: nothing beside graph and plan */
    pn_model_needs (*needs)(const pn_model *m, ptrdiff_t height);      /* NULL: heat maps of sigma 6, and nothing else */
} pn_model_face;

/* For models: options as numbers and words. A value that does not parse fails with the option's name. */
pn_status pn_model_int(const pn_model *m, const char *key, int least, int most, int *out);
pn_status pn_model_real(const pn_model *m, const char *key, double *out);
/* Lists of them; a word's number is its place in the list. */
typedef struct { const char *key; int least, most, *to; } pn_int_option;
typedef struct { const char *key; double *to; } pn_real_option;
typedef struct { const char *key; int *to; const char *word[5]; } pn_word_option;      /* a NULL ends fewer words */
pn_status pn_model_ints(const pn_model *m, const pn_int_option o[], size_t n);
pn_status pn_model_reals(const pn_model *m, const pn_real_option o[], size_t n);
pn_status pn_model_words(const pn_model *m, const pn_word_option o[], size_t n);
/* Options from the notes of a foreign file, under their own names. */
void pn_model_take_notes(pn_model *m, const pn_weights *w);
bool pn_weights_have(const pn_weights *w, const char *name);
void pn_model_put(pn_model *m, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* One more set of parameters, the model's. NULL: no memory. */
pn_params *pn_model_part(pn_model *m, const char *prefix);
/* pn_plan_opt.remake: the first layer of a picture, 4x4 of up to four channels, makes the largest maps by the least work. */
enum { PN_FIRST_LAYER = 4 * 4 * 4 };
/* Plan g, recomputing what was asked for, in the memory of all plans of t, and count what it needs beside. A plan that runs
 * between the forward and the backward of another is its guest (pn_plan_opt). */
pn_status pn_training_plan(pn_training *t, pn_plan **plan, pn_graph *g, pn_plan_opt opt);
/* VGG19 of the file that training was given. PN_OK and *params NULL: it was given none. */
pn_status pn_training_vgg19(pn_training *t, int narrow, pn_params **params, pn_vgg19 *vgg);
/* The terms that are not NULL, times their weights: each of them and the sum is an output. */
pn_tensor *pn_terms_total(pn_graph *g, pn_tensor *const term[], const double weight[], int n);
/* A temperature that falls geometrically while share goes from 0 to 1: a sharp softmax over untrained features learns nothing. */
double pn_warm_up(double from, double to, double share);
/* Adam for part g at the rate asked for or, without one, of option `rate`; for part d (-1: it does not learn) ratio_g2d times that. */
pn_status pn_training_optimisers(pn_training *t, const char *rate, int g, int d);
/* Adam for one part, at the rate lr; the generator's parameters are averaged as option `ema` says. */
pn_status pn_training_optimiser(pn_training *t, int part, double lr);
pn_status pn_training_finite(const pn_training *t, const char *loss, double v);    /* PN_ERR_NONFINITE and the loss' name */
double pn_plan_scalar(const pn_plan *p, const pn_tensor *t);
/* One more view; t NULL: nothing to see. */
void pn_generation_show(pn_generation *gen, const char *name, pn_view_kind kind, pn_tensor *t);
extern const pn_model_kind gfla_kind, glocal_kind, rsa_gan_kind;

#endif
