/* posenet/train.h - weight files and checkpoints
 *
 * Both are safetensors files; weights may also be PyTorch's, as torch.save writes state dicts. A checkpoint holds
 * parameters, state, optimiser moments and whatever notes the program adds (step, data order, configuration), under these
 * names: the generator's tensors bare, as published; the others behind a prefix ("D/"); moments behind "adam.m/" and
 * "adam.v/", steps behind "adam.t/", averages behind "ema/", each before the full name.
 */
#ifndef POSENET_TRAIN_H
#define POSENET_TRAIN_H

#include "posenet.h"

/* ---- Reading weights ---------------------------------------------------------------------------------------------- */

typedef struct pn_weights pn_weights;           /* an open file: names, shapes, values, notes; all borrowed from it */

/**
 * Open a safetensors file or a state dict of torch.save (zip or legacy container), whichever its bytes say it is.
 *
 * All of it is checked, our checksum too; nothing in it is executed. A PyTorch file holds a dictionary of tensors, right
 * inside or under a usual key ('state_dict'); views, doubled entries and parameters are tensors like others, what is no tensor
 * is passed over. "module." is left out where every name begins with it. Needs memory for the file's bytes, and for no copy.
 *
 * Errors: NULL; PN_ERR_IO, PN_ERR_FORMAT, PN_ERR_LIMIT, PN_ERR_NOMEM in ctx. An opcode or global that a state dict does not
 *         need is named.
 */
PN_API pn_weights *pn_weights_open(pn_ctx *ctx, const char *path);
PN_API void pn_weights_free(pn_weights *w);
PN_API const char *pn_weights_path(const pn_weights *w);
PN_API int pn_weights_count(const pn_weights *w);
PN_API const char *pn_weights_name(const pn_weights *w, int i);
PN_API pn_shape pn_weights_shape(const pn_weights *w, const char *name);        /* rank 0: no such tensor */
PN_API const char *pn_weights_type(const pn_weights *w, const char *name);      /* "F32", …; NULL: no such tensor */
PN_API const char *pn_weights_note(const pn_weights *w, const char *key);       /* NULL: no such note */
/* Write all of it as safetensors: the same names, types and bits. Atomic. */
PN_API pn_status pn_weights_save(const pn_weights *w, const char *path);

typedef struct { const char *prefix; pn_params *params; pn_adam *adam; } pn_part;       /* adam NULL: no moments */

/* EXACT: every parameter of p must be there with its shape (any of its names will do); what else the file holds is
 * ignored. PARTIAL: what is missing or of another shape keeps its value. */
typedef enum { PN_LOAD_EXACT, PN_LOAD_PARTIAL } pn_load_mode;
typedef struct { int loaded, missing, mismatched; } pn_load_report;
/**
 * Copy tensors named prefix + parameter name into p. report may be NULL. Of a layer with spectral norm whose weight_v is
 * missing, as very old torch saved it, v is normalize(W^T u), and counts as loaded.
 * PN_ERR_SHAPE (EXACT): the message lists the first three differences and nothing has changed.
 */
PN_API pn_status pn_weights_load(const pn_weights *w, const char *prefix, pn_params *p, pn_load_mode mode, pn_load_report *report);

/* Over them, the averages that the file has of p's parameters; what it has none of keeps its value. The log says how many. */
PN_API void pn_weights_load_averages(const pn_weights *w, const char *prefix, pn_params *p);

/**
 * Log what loading finds: for each of the first n_loaded parts how many tensors fit, which are missing and keep their values,
 * which have another shape; then what the file has left over, but for other parts and optimisers. Missing are, usually, whole
 * networks, when weights of an earlier stage start a later one, and the log says so. what: the part with the prefix "".
 */
PN_API void pn_weights_report(const pn_weights *w, const char *what, const pn_part parts[], int n_parts, int n_loaded);

/* ---- Checkpoints ---------------------------------------------------------------------------------------------------- */

typedef struct { const char *key, *value; } pn_note;

/* Atomic: the old file stays whole until the new one is. Without moments when parts carry none. */
PN_API pn_status pn_checkpoint_save(pn_ctx *ctx, const char *path, const pn_part parts[], int n_parts, const pn_note notes[],
                                    int n_notes);
/* Everything save wrote, exactly. A part whose moments the file lacks fails; nothing has changed then. */
PN_API pn_status pn_checkpoint_load(const pn_weights *w, const pn_part parts[], int n_parts);

/* ---- Run folders: what a training leaves behind ------------------------------------------------------------------------
 *
 *   config.ini    every option, resolved
 *   train.csv     a row per logged step: step, stage, seconds, then the losses; empty where a stage has none
 *   samples/step_NNNNNNN.png   checkpoints/step_NNNNNNN.safetensors
 *   report.html   curves, samples, configuration; one file that opens offline
 */
typedef struct pn_run_folder pn_run_folder;
typedef enum { PN_RUN_NEW, PN_RUN_RESUME } pn_run_mode;

/* NEW makes the folder and refuses one that holds a checkpoint; RESUME goes on in one. losses: the columns of train.csv. */
PN_API pn_run_folder *pn_run_open(pn_ctx *ctx, const char *path, pn_run_mode mode, const char *const losses[], int n_losses);
PN_API void pn_run_close(pn_run_folder *run);
PN_API pn_status pn_run_config(pn_run_folder *run, const pn_note lines[], int n);
/* One row; value[i] belongs to name[i]. */
PN_API pn_status pn_run_log(pn_run_folder *run, int64_t step, const char *stage, double seconds, const char *const name[],
                            const double value[], int n);
/* Drop rows after this step, which a resumed run writes again, and files that a killed one left half written. */
PN_API pn_status pn_run_rewind(pn_run_folder *run, int64_t step);
/* Paths are borrowed until the next call. The latest checkpoint: NULL if there is none. */
PN_API const char *pn_run_sample_path(pn_run_folder *run, int64_t step);
PN_API const char *pn_run_checkpoint_path(pn_run_folder *run, int64_t step);
PN_API const char *pn_run_latest(pn_run_folder *run);
/* Write report.html from what the folder holds; title is its headline. */
PN_API pn_status pn_run_report(pn_run_folder *run, const char *title);

#endif
