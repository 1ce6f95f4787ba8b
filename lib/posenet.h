/* posenet.h - libposenet: a neural network library in C and the person-image models built on it
 *
 * Three steps: describe a network once per shape (pn_graph), plan it once (pn_plan), run it as often as you like
 * (pn_forward, pn_backward, pn_adam_step). Planning is the last step that allocates; running cannot fail except by
 * misuse. Tensors are [N,C,H,W], row major, float32, as in the papers; how a plan stores them inside never shows.
 *
 * Everything that can fail returns pn_status, or NULL and leaves a sentence in pn_ctx_message: the call, the values and
 * the remedy. On failure outputs and files are as they were. X_new pairs with X_free, which takes NULL.
 */
#ifndef POSENET_H
#define POSENET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && defined(PN_BUILDING)
#define PN_API __attribute__((visibility("default")))
#else
#define PN_API
#endif

#ifdef PN_REAL_DOUBLE
typedef double pn_real;             /* `make gradcheck` only: finite differences need the digits; files stay float32 */
#else
typedef float pn_real;
#endif

/* ---- Shapes ---------------------------------------------------------------------------------------------------- */

enum { PN_MAX_RANK = 5 };
typedef struct { int rank; ptrdiff_t dim[PN_MAX_RANK]; } pn_shape;

PN_API pn_shape pn_shape1(ptrdiff_t a);
PN_API pn_shape pn_shape2(ptrdiff_t a, ptrdiff_t b);
PN_API pn_shape pn_shape3(ptrdiff_t a, ptrdiff_t b, ptrdiff_t c);
PN_API pn_shape pn_shape4(ptrdiff_t n, ptrdiff_t c, ptrdiff_t h, ptrdiff_t w);
PN_API pn_shape pn_shape5(ptrdiff_t a, ptrdiff_t b, ptrdiff_t c, ptrdiff_t d, ptrdiff_t e);
/* Product of the extents. Of a shape the library has accepted it never overflows. */
PN_API ptrdiff_t pn_shape_count(pn_shape s);
PN_API bool pn_shape_equal(pn_shape a, pn_shape b);

/* ---- Errors ---------------------------------------------------------------------------------------------------- */

typedef enum {
    PN_OK = 0,
    PN_ERR_ARG,                     /* a call that no file or machine can excuse: NULL, a negative count */
    PN_ERR_SHAPE,                   /* tensors that do not fit each other */
    PN_ERR_NOMEM,
    PN_ERR_IO,                      /* the system said no; its reason is in the message */
    PN_ERR_FORMAT,                  /* bytes the file format does not allow */
    PN_ERR_LIMIT,                   /* larger than pn_limits allows */
    PN_ERR_NONFINITE                /* a NaN or Inf where training must stop */
} pn_status;

/* ---- Context --------------------------------------------------------------------------------------------------- */

typedef struct pn_ctx pn_ctx;       /* threads, kernels, allocator, files, last error; one thread at a time uses it */

/* Where memory comes from. get returns NULL when there is none; align is a power of two; put gets what get gave. */
typedef struct {
    void *(*get)(void *user, size_t bytes, size_t align);
    void (*put)(void *user, void *memory, size_t bytes);
    void *user;
} pn_allocator;

typedef enum { PN_FILE_READ, PN_FILE_WRITE, PN_FILE_APPEND } pn_file_mode;  /* WRITE: create or empty it */

/* How files are reached. Each call returns a negative errno on failure; read and write return the bytes moved. */
typedef struct {
    int (*open)(void *user, const char *path, pn_file_mode mode);           /* a descriptor, 0 or more */
    ptrdiff_t (*read)(void *user, int file, void *bytes, size_t n);
    ptrdiff_t (*write)(void *user, int file, const void *bytes, size_t n);
    int (*sync)(void *user, int file);
    int (*close)(void *user, int file);
    int64_t (*size)(void *user, int file);
    int (*rename)(void *user, const char *from, const char *to);
    int (*remove)(void *user, const char *path);
    int (*sync_folder)(void *user, const char *path);
    void *user;
} pn_file_ops;

typedef enum { PN_LOG_INFO, PN_LOG_WARNING } pn_log_level;
typedef struct {
    void (*line)(void *user, pn_log_level level, const char *text);         /* text without a newline */
    void *user;
} pn_logger;

/* Sizes above which a file or a call is refused with PN_ERR_LIMIT. Zero means the default. */
typedef struct {
    size_t plan_bytes;              /* one plan's arena; default 64 GiB */
    size_t file_bytes;              /* one input file read whole; default 8 GiB */
    ptrdiff_t image_side;           /* pixels along one side of a picture; default 16384 */
} pn_limits;

/* Instruction sets, lowest first. PN_ISA_BEST: the best one this processor has, or the one the variable PN_ISA names
 * (ref, base, avx2, avx512, neon). */
typedef enum { PN_ISA_BEST = 0, PN_ISA_REF, PN_ISA_BASE, PN_ISA_AVX2, PN_ISA_AVX512, PN_ISA_NEON } pn_isa;

typedef struct {
    int threads;                    /* 0: one per core this process may use */
    pn_isa isa;
    pn_allocator allocator;         /* .get NULL: the system's */
    pn_file_ops files;              /* .open NULL: the system's */
    pn_logger log;                  /* .line NULL: silence */
    pn_limits limits;
} pn_ctx_opt;

/**
 * Make a context. opt may be NULL: all defaults.
 * returns NULL when there is no memory, a thread could not start, or PN_ISA names a set this machine lacks; there is no
 *         context to ask then, so `why` (may be NULL) gets the sentence: a buffer of at least 256 bytes.
 */
PN_API pn_ctx *pn_ctx_new(const pn_ctx_opt *opt, char why[256]);
PN_API void pn_ctx_free(pn_ctx *ctx);           /* after everything made from it */
PN_API pn_status pn_ctx_status(const pn_ctx *ctx);      /* of the last call that failed */
PN_API const char *pn_ctx_message(const pn_ctx *ctx);   /* "" if none; until the next failing call */
PN_API int pn_ctx_threads(const pn_ctx *ctx);
PN_API pn_isa pn_ctx_isa(const pn_ctx *ctx);
PN_API const char *pn_isa_name(pn_isa isa);
PN_API const char *pn_version(void);            /* "0.1.0" */

/* For code built on the library: fail with a message as the library does, and take memory from the context's allocator. */
PN_API pn_status pn_ctx_fail(pn_ctx *ctx, pn_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
PN_API void pn_ctx_warn(pn_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));   /* to the log */
PN_API void *pn_ctx_alloc(pn_ctx *ctx, size_t bytes);   /* zeroed; NULL and PN_ERR_NOMEM */
PN_API void pn_ctx_release(pn_ctx *ctx, void *memory);  /* NULL is fine */
/* For "did you mean": how many letters must be changed, added or dropped to make a into b, of their first 64 letters. */
PN_API size_t pn_name_distance(const char *a, const char *b);

/* ---- Random numbers -------------------------------------------------------------------------------------------- */

/* Philox 4x32-10: a counter, so a stream can be saved, restored and split. (seed, stream) names it. */
typedef struct { uint64_t seed, stream, counter; } pn_rng;

PN_API pn_rng pn_rng_make(uint64_t seed, uint64_t stream);
PN_API pn_rng pn_rng_named(uint64_t seed, const char *name);    /* stream = a hash of the name */
PN_API uint32_t pn_rng_u32(pn_rng *r);
PN_API double pn_rng_uniform(pn_rng *r);                        /* [0, 1) */
PN_API double pn_rng_normal(pn_rng *r);                         /* mean 0, variance 1 */
PN_API ptrdiff_t pn_rng_below(pn_rng *r, ptrdiff_t n);          /* 0 .. n-1, unbiased; n >= 1 */
PN_API void pn_rng_shuffle(pn_rng *r, ptrdiff_t *index, ptrdiff_t n);

/* ---- Describe: a graph ----------------------------------------------------------------------------------------- */

typedef struct pn_graph  pn_graph;  /* the description of one pass; owns every tensor recorded in it */
typedef struct pn_tensor pn_tensor; /* a value to be: shape now, data once planned; borrowed from its graph or pn_params */
typedef struct pn_params pn_params; /* named parameters and state, their values and gradients */
typedef struct pn_plan   pn_plan;   /* a graph made runnable: kernels chosen, one arena; runs without allocating */

/* CONST: no gradient leaves or enters here. GRAD, of an input: its gradient is computed and can be read or copied; of
 * an output: it can be handed a gradient, which backward then starts from. */
typedef enum { PN_CONST, PN_GRAD } pn_want;

PN_API pn_graph *pn_graph_new(pn_ctx *ctx);
PN_API void pn_graph_free(pn_graph *g);         /* after the plans made from it */

/* The first failure in g, and a sentence on what to do about it ("" if none); lives as long as g. Recording is sticky:
 * after it every op returns NULL and does nothing, and pn_plan_new refuses. */
PN_API pn_status   pn_graph_status(const pn_graph *g);
PN_API const char *pn_graph_message(const pn_graph *g);

/* A leaf whose value pn_set gives before a forward. name is copied and unique in g. */
PN_API pn_tensor *pn_input(pn_graph *g, const char *name, pn_shape shape, pn_want want);
/* Multiply-adds of one forward as papers count them: convolutions, products, attention; nothing of norms, activations, sampling. */
PN_API double pn_graph_macs(const pn_graph *g);
/* Keep t readable from its computation until the plan's next forward, through its backward. */
PN_API void pn_output(pn_graph *g, pn_tensor *t, pn_want want);
/* Backward starts from this scalar with seed 1. At most one per graph. */
PN_API void pn_loss(pn_graph *g, pn_tensor *scalar);
/* What is recorded from here on belongs to the named block, until the next name; it appears in messages and reports, and
 * is the unit of recomputing. NULL or "": no block. */
PN_API void pn_block(pn_graph *g, const char *name);
/* What t's op saved for its backward (attention weights, statistics), i = 0, 1 …; the op's contract lists them. */
PN_API pn_tensor *pn_saved_of(pn_graph *g, pn_tensor *t, int i);
PN_API pn_shape pn_tensor_shape(const pn_tensor *t);    /* rank 0 for NULL */
PN_API const char *pn_tensor_name(const pn_tensor *t);  /* of inputs, parameters and state; "" otherwise */

/* ---- Plan ------------------------------------------------------------------------------------------------------ */

/**
 * Memory in which several plans are computed by turns, as large as the largest needs it. Inputs and their gradients, outputs
 * and packed weights are each plan's own, so what is set stays set and what was computed can be read as ever. But what a plan
 * keeps for its backward is lost when another one of the memory runs forward, or a host backward; pn_backward is refused then.
 * Gradients of parameters lie there, too: until the optimiser step, no plan of the memory can run forward (PN_ERR_ARG).
 * Guests leave alone what hosts keep: a generator hosts the plans that judge its picture between its forward and its backward.
 * Plan before the first run: a plan that makes the memory larger loses what is kept there.
 */
typedef struct pn_memory pn_memory;
PN_API pn_memory *pn_memory_new(pn_ctx *ctx);
PN_API void pn_memory_free(pn_memory *m);       /* after the plans in it */
PN_API size_t pn_memory_bytes(const pn_memory *m);

typedef enum { PN_INFER, PN_TRAIN } pn_mode;
typedef struct {
    pn_mode mode;
    pn_params *learn;               /* the one set that gets gradients; NULL: none. All others are constants */
    const char *recompute;          /* blocks whose inner values are recomputed in backward: "a,b", "*" or NULL */
    int remake;                     /* results that take no more multiply-adds a number are computed again in backward, where that
                                     * needs nothing else to wait: 576 is a 3x3 convolution of 64 channels; 0: none */
    bool seldom;                    /* packed weights share memory and are made in every run: for a plan that runs once or a few
                                     * times, and where memory matters more than a little time */
    pn_memory *memory;              /* where plans that take turns are computed; NULL: in memory of the plan's own */
    bool guest;                     /* of `memory`: runs from forward to backward while another plan, a host, is between these */
} pn_plan_opt;

/**
 * Decide everything that costs, and take the memory: the last call that allocates.
 * g must outlive the plan. Several plans of one pn_params live side by side.
 * returns NULL and pn_ctx_message if the graph failed or has no output, or the memory is not to be had.
 */
PN_API pn_plan *pn_plan_new(pn_graph *g, const pn_plan_opt *opt);
PN_API void pn_plan_free(pn_plan *p);

typedef struct {
    size_t arena_bytes;             /* all values, gradients, scratch and packed weights: the peak, known before a run */
    size_t shared_bytes;            /* of these, what lies in pn_plan_opt.memory */
    size_t live_bytes;              /* the most that is alive at once: no placing can do with less */
    size_t value_bytes;             /* what they would take without sharing memory */
    int forward_steps, backward_steps, conversions, recomputed;
    int fused;                      /* ops folded into a neighbour: none with PN_FUSE=0 in the environment */
} pn_plan_stats;
PN_API pn_plan_stats pn_plan_describe(const pn_plan *p);

/* ---- Run ------------------------------------------------------------------------------------------------------- */

/* Plain [N,C,H,W] arrays in and out. pn_get reads outputs, inputs and scalars marked with pn_output; pn_get_grad the
 * gradient of a PN_GRAD input after backward. PN_ERR_ARG: t is nothing that can be set or read there. */
PN_API pn_status pn_set(pn_plan *p, const pn_tensor *t, const pn_real *values);
PN_API pn_status pn_get(const pn_plan *p, const pn_tensor *t, pn_real *values);
PN_API pn_status pn_get_grad(const pn_plan *p, const pn_tensor *t, pn_real *values);
PN_API pn_status pn_set_grad(pn_plan *p, const pn_tensor *t, const pn_real *values);
/* Value of an output of `from` into an input of `to`; gradient of an input of `from` onto a PN_GRAD output of `to`. */
PN_API pn_status pn_copy(pn_plan *to, const pn_tensor *input, const pn_plan *from, const pn_tensor *output);
PN_API pn_status pn_copy_grad(pn_plan *to, const pn_tensor *output, const pn_plan *from, const pn_tensor *input);

/* PN_ERR_ARG when an input was never set; nothing runs then. */
PN_API pn_status pn_forward(pn_plan *p);
/* Once per forward. Starts from pn_loss and from the gradients handed to PN_GRAD outputs since that forward; one that
 * was handed none counts as zero. Parameter gradients add up until the optimiser step. */
PN_API pn_status pn_backward(pn_plan *p);

/* What a plan has just done: one op of its graph forward, forward once more for a backward that keeps little, or backward. */
typedef struct {
    const char *op;                 /* "conv2d" */
    bool backward;
    const pn_tensor *const *in;     /* n_in of them; of the graph, as out */
    int n_in;
    const pn_tensor *out;
    double macs;                    /* multiply-adds as pn_graph_macs counts; backward: once for each of the first two inputs
                                     * that gets a gradient; 0: not counted */
    double seconds;
} pn_step_report;
typedef struct {
    void (*step)(void *user, const pn_step_report *r);      /* on the thread that runs the plan */
    void *user;
} pn_watch;
/* Tell w of every step that plans of ctx run from here on: where the time goes. .step NULL: nobody. Set while nothing runs. */
PN_API void pn_ctx_watch(pn_ctx *ctx, pn_watch w);

/* ---- Parameters ------------------------------------------------------------------------------------------------ */

typedef enum { PN_INIT_CONSTANT, PN_INIT_NORMAL, PN_INIT_UNIFORM, PN_INIT_ORTHOGONAL, PN_INIT_UNIT, PN_INIT_FAN_IN } pn_init_kind;
/* CONSTANT value; NORMAL deviation value; UNIFORM in (-value, value); ORTHOGONAL gain value, matrix = first dimension x
 * the rest; UNIT: normal, then scaled to length 1 (spectral norm's vectors); FAN_IN: normal, deviation value / sqrt(how many
 * inputs reach an output), which is the product of all extents but the first; of a transposed convolution its layer knows. */
typedef struct { pn_init_kind kind; double value; } pn_init;

PN_API pn_params *pn_params_new(pn_ctx *ctx);
PN_API void pn_params_free(pn_params *p);       /* after plans and optimisers that use it */
PN_API pn_status pn_params_status(const pn_params *p);          /* of the first pn_param that failed; sticky */
/* Name a parameter, or state that no gradient reaches and training-mode forwards update (running statistics). The name is
 * unique in p, copied, and at most 127 bytes. returns NULL once p has failed. */
PN_API pn_tensor *pn_param(pn_params *p, const char *name, pn_shape shape, pn_init init);
PN_API pn_tensor *pn_state(pn_params *p, const char *name, pn_shape shape, pn_init init);
/* A second name for t in files: read from either, written to both. */
PN_API void pn_param_alias(pn_params *p, pn_tensor *t, const char *name);
/* Give every parameter and state its initial value; each draws from its own stream, pn_rng_named(seed, name). */
PN_API pn_status pn_params_init(pn_params *p, uint64_t seed);
/* The same for those without a value yet: not initialised, not set by pn_param_set, not read from a file. */
PN_API pn_status pn_params_init_rest(pn_params *p, uint64_t seed);

PN_API int pn_params_count(const pn_params *p);                 /* parameters and state, in order of making */
PN_API pn_tensor *pn_params_at(const pn_params *p, int i);
PN_API pn_tensor *pn_params_find(const pn_params *p, const char *name);     /* aliases too; NULL if absent */
PN_API int64_t pn_params_numbers(const pn_params *p);           /* how many learnable numbers */
PN_API bool pn_param_is_state(const pn_tensor *t);
PN_API int pn_param_names(const pn_tensor *t, const char *names[4]);        /* its name and aliases; how many */
PN_API const pn_real *pn_param_data(const pn_tensor *t);
PN_API const pn_real *pn_param_grad(const pn_tensor *t);        /* NULL: no plan learns it, or none reached it yet */
/* Replace a value; plans notice. */
PN_API void pn_param_set(pn_tensor *t, const pn_real *values);
PN_API void pn_params_zero_grad(pn_params *p);

/* ---- Adam ------------------------------------------------------------------------------------------------------ */

typedef struct pn_adam pn_adam;     /* owns the moments; borrows the parameters */
/* keep: what an average of each parameter over the steps keeps of itself in a step, as 0.999; early averages keep less, step t
 * (t - 1) / (t + 9) at most; 0: no averages */
typedef struct { double lr, beta1, beta2, eps, keep; } pn_adam_opt;

PN_API pn_adam *pn_adam_new(pn_params *p, pn_adam_opt opt);
PN_API void pn_adam_free(pn_adam *a);
PN_API void pn_adam_set_lr(pn_adam *a, double lr);
/**
 * One step for every parameter that a backward has reached since the last one; uses and clears the gradients.
 * PN_ERR_NONFINITE: a gradient holds NaN or Inf; the message names the parameter and nothing has changed.
 * Source: Kingma & Ba 2015, algorithm 1, with bias correction per parameter.
 */
PN_API pn_status pn_adam_step(pn_adam *a);
/* For checkpoints: the moments of parameter t ([shape of t] each) and how many steps it took. */
PN_API pn_real *pn_adam_moment1(pn_adam *a, const pn_tensor *t);
PN_API pn_real *pn_adam_moment2(pn_adam *a, const pn_tensor *t);
PN_API int64_t *pn_adam_steps(pn_adam *a, const pn_tensor *t);
/* The average of parameter t; of no meaning before its first step. NULL: a keeps none. */
PN_API pn_real *pn_adam_average(pn_adam *a, const pn_tensor *t);
/* Averages and parameters change places, as far as steps were taken: to look through the averages, and back. */
PN_API void pn_adam_swap_averages(pn_adam *a);

#include "posenet/ops.h"
#include "posenet/nn.h"

#endif
