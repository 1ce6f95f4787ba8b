/* pnbench.h - what can be timed: ops at the models' sizes, and whatever else begins, is done again and again, and ends
 *
 * A file bench/X/bench_X.c holds `const pn_bench_case bench_X[]`, ended by an empty entry; the build finds it. An
 * op's case says how to record the op and on what; each of its passes becomes an entry "op/shape/pass". The time of a
 * pass is that of the op's own steps: its inputs are there, in the op's layout, as in the middle of a network.
 */
#ifndef PNBENCH_H
#define PNBENCH_H

#include "posenet.h"
#include "posenet/model.h"

typedef struct pn_bench pn_bench;
typedef struct pn_bench_case pn_bench_case;
typedef struct bench_work bench_work;
typedef struct bench_entry bench_entry;

/* ---- Cases of ops ------------------------------------------------------------------------------------------------ */

enum { PN_BENCH_IN = 6, PN_BENCH_NAME = 96 };

/* What an input holds and who it belongs to. Values are normal with deviation 1 where nothing else is said. */
typedef enum {
    PN_BENCH_VALUE,                 /* an activation that takes a gradient */
    PN_BENCH_FIXED,                 /* an activation that takes none */
    PN_BENCH_FLOW,                  /* random displacements of some pixels: a smooth flow would flatter the caches */
    PN_BENCH_MASK,                  /* in [0, 1) */
    PN_BENCH_CLASSES,               /* whole numbers 0 .. 7; no gradient */
    PN_BENCH_PARAM,                 /* learned; packed beforehand in inference, packed within the time in training */
    PN_BENCH_STATE
} pn_bench_role;

/* The passes of an op. DATA and WEIGHTS are the two halves of backward, alone; TRAIN is forward and backward. */
typedef enum {
    PN_BENCH_FORWARD, PN_BENCH_BACKWARD, PN_BENCH_DATA, PN_BENCH_WEIGHTS, PN_BENCH_TRAIN, PN_BENCH_PASSES
} pn_bench_pass;
#define PN_BENCH_PASS(p) (1u << (p))
#define PN_BENCH_BOTH    (PN_BENCH_PASS(PN_BENCH_FORWARD) | PN_BENCH_PASS(PN_BENCH_BACKWARD))
#define PN_BENCH_EVERY   ((1u << PN_BENCH_PASSES) - 1)

struct pn_bench {
    pn_graph *graph;
    pn_tensor *in[PN_BENCH_IN];
    pn_tensor *out;
};
/* The op's result, which is to be computed. */
void pn_bench_keep(pn_bench *b, pn_tensor *out);

/* Of a model at a size: a stage's step, or NULL for its generator. */
/* stage NULL: generation; once: as a program for one picture does it. */
typedef struct { const char *name, *stage, *recompute; ptrdiff_t batch, height, width; bool once; } bench_model;
/* In the environment: a weight file for such a program, which the first one writes and the others read. */
#define BENCH_WEIGHTS "PN_BENCH_WEIGHTS"

struct pn_bench_case {
    const char *name;
    void (*run)(pn_bench *b);       /* records the op; NULL for what is no op */
    int n_in;
    pn_shape in[PN_BENCH_IN];
    pn_bench_role role[PN_BENCH_IN];
    double (*flops)(const pn_bench *b);         /* multiplications and additions of forward, counted the direct way */
    unsigned passes;                /* bits; 0 is PN_BENCH_BOTH */
    bench_work *(*begin)(pn_ctx *ctx, const bench_entry *e);    /* of what is no op */
    bench_model model;
    ptrdiff_t count;
    const char *inside;             /* what the time includes */
};

/* ---- Work -------------------------------------------------------------------------------------------------------- */

/* Time spent in what is measured; what lies between stop and start is not in it. */
typedef struct { double wall, cpu, wall_from, cpu_from; } bench_timer;
void bench_start(bench_timer *t);
void bench_stop(bench_timer *t);

/* A thing that can be done again and again. Implementations begin with it. */
struct bench_work {
    pn_status (*once)(bench_work *w, bench_timer *t);   /* does it, timing the part that counts */
    void (*end)(bench_work *w);
    double flops;                   /* 0: not counted */
    double read, written;           /* bytes that must move at least: every array once; 0: not counted */
    double items;                   /* pictures, parameters, … done at once; 0: not counted */
    const char *item;               /* their name, "pictures" */
    size_t bytes;                   /* of the plans; 0: not known */
};

/* Work that trains a graph of its own: what begins empty is made by the case, and all of it ends together. */
typedef struct {
    bench_work base;
    pn_ctx *ctx;
    pn_params *params;
    pn_graph *graph;
    pn_plan *plan;
    pn_adam *adam;
} bench_training;
void bench_training_end(bench_work *w);

struct bench_entry {
    char name[PN_BENCH_NAME];
    const pn_bench_case *of;
    pn_bench_pass pass;
};

typedef struct { bench_entry *entry; int count, room; } bench_list;
/* Every case of the build and every model of the registry; count 0: no memory. Free with bench_list_free. */
bench_list bench_list_all(void);
void bench_list_free(bench_list *l);
const bench_entry *bench_list_find(const bench_list *l, const char *name);
/* NULL and the context's message if it cannot be had. */
bench_work *bench_begin(pn_ctx *ctx, const bench_entry *e);
const char *bench_inside(const bench_entry *e);
bench_work *bench_op_begin(pn_ctx *ctx, const bench_entry *e);
/* Steps and generators of every model in the registry, as cases; how many there are in all. */
int bench_models(pn_bench_case *out, int room);
bench_work *bench_model_begin(pn_ctx *ctx, const bench_entry *e);
/* Operations of a training step on one picture; 0: nobody has counted them. What generates counts itself. */
double bench_model_flops(const bench_model *m);

#endif
