/* graph.h - record, plan, run: what the library's own files know of a graph
 *
 * Recording appends nodes (pn_node) over tensors (pn_tensor). Planning turns nodes into steps (pn_step) over values
 * (pn_value): a tensor may become several values, one per layout it is needed in, or a second one where it is
 * recomputed. Values, gradients, saved values, packed weights and scratch live in buffers (pn_buffer) with a first and
 * a last tick; buffers whose lifetimes do not meet share memory.
 */
#ifndef PN_GRAPH_H
#define PN_GRAPH_H

#include "core/context.h"

typedef struct pn_op   pn_op;
typedef struct pn_node pn_node;
typedef struct pn_step pn_step;
typedef struct pn_run  pn_run;

/* ---- Tensors ---------------------------------------------------------------------------------------------------- */

typedef enum { PN_TENSOR_INPUT, PN_TENSOR_RESULT, PN_TENSOR_SAVED, PN_TENSOR_PARAM, PN_TENSOR_STATE } pn_tensor_kind;

struct pn_tensor {
    pn_tensor_kind kind;
    pn_shape shape;
    const char *name;               /* inputs, parameters, state */
    pn_graph *graph;                /* NULL for parameters and state */
    int index;                      /* in its graph's tensors, or in its pn_params */
    pn_node *node;                  /* that computes it; NULL for leaves */
    bool is_output, wants_grad;     /* wants_grad: of an input, computed; of an output, can be handed one */

    /* parameters and state: the plain arrays, owned by pn_params */
    pn_params *owner;
    pn_real *data;
    pn_real *grad, *own_grad;       /* where its gradient is: in own_grad, NULL until a plan asks for it, or in a plan's arena */
    bool has_grad;                  /* a backward has reached it since the last optimiser step */
    uint64_t version;               /* changes with data */
};

enum { PN_MAX_IN = 30, PN_MAX_SAVED = 4 };              /* inputs are bits of a word */

struct pn_node {
    const pn_op *op;
    pn_tensor **in;
    int n_in;
    pn_tensor *out;
    pn_tensor *saved[PN_MAX_SAVED]; /* what forward leaves for backward */
    int n_saved;
    const char *block;
    pn_node *next;
};

/* ---- Ops: what the planner asks of one --------------------------------------------------------------------------- */

/* Which channel block an op takes or gives for a rank 4 tensor. ANY: that of input 0 (which may be either); other
 * inputs marked ANY are brought to it. Everything that is not rank 4 is planar. */
typedef enum { PN_LAYOUT_ANY, PN_LAYOUT_PLANAR, PN_LAYOUT_BLOCKED } pn_layout;

/* Bits of pn_op.backward_needs and of pn_op.needs. */
#define PN_INPUT(i) (1u << (i))
#define PN_OUTPUT   (1u << 30)

/* What a step will ask for besides its values; filled by pn_op.sizes. Packed memory, 0 for forward and 1 for backward, keeps
 * its content from run to run where what is packed stays the same. */
typedef struct { size_t scratch_fwd, scratch_bwd, packed[2]; } pn_sizes;

struct pn_op {
    const char *name;
    size_t node_bytes;              /* 0: a bare pn_node */
    pn_layout layout[8];            /* of the inputs; from the eighth on the last entry repeats */
    pn_layout result;               /* of the output: ANY is that of input 0 */
    pn_layout saved;                /* of what it saves; ANY is that of input 0 */
    unsigned backward_needs;        /* PN_INPUT(i) | PN_OUTPUT that backward reads; saved values always are kept */
    unsigned no_grad;               /* PN_INPUT(i) that never get a gradient (class numbers, state) */
    unsigned packs;                 /* PN_INPUT(i): reads input i only to pack it, while packed[0] is stale */
    /* PN_INPUT(0): forward may write over it; backward may write dx over dy. PN_INPUT(1): backward may write the gradient of
     * input 0 over input 1. */
    unsigned in_place;
    /* Its result costs little to compute again, from its inputs and what it saved: where the inputs stay anyway, backward does
     * not wait for it in memory. */
    bool remade;
    bool updates_state;             /* in training mode: such a node is planned even if nobody reads its result */
    /* What may fold (fuse.c). An op that folds and is folded into reads and writes through the pn_run questions below. */
    unsigned reads_folded;          /* PN_INPUT(i): reads input i through pn_prologue_in, forward and backward */
    bool writes_folded;             /* writes through pn_epilogue_out, and takes its gradient from pn_grad_unfolded */
    bool takes_sums;                /* the sums of its input 0 per (n, c), which writing it can leave: pn_sums_given */
    bool folds_sum;                 /* y = in 0 + in 1, where these have one shape */
    /* The sum of two results, the other's as well read by it alone, can be one step: run with pn_joined. */
    bool (*joins)(const pn_node *node, const pn_node *other);
    const pn_real *(*folds_slope)(const pn_node *node);     /* y = x > 0 ? x : slope x */
    /* y = x scale + shift per (n, c): instead of forward, leave [N][C rounded up to PN_BLOCK] of each. */
    void (*folds)(const pn_run *r, const pn_node *node, pn_real *scale, pn_real *shift);
    /* Optional: what backward reads when only the inputs in `wanted` need gradients (a frozen convolution needs no x). */
    unsigned (*needs)(const pn_node *node, unsigned wanted);
    double (*macs)(const pn_node *node);                    /* multiply-adds of forward as papers count them; NULL: none */
    void (*sizes)(const pn_run *r, const pn_node *node, pn_sizes *out);     /* optional */
    void (*forward)(const pn_run *r, const pn_node *node);
    void (*backward)(const pn_run *r, const pn_node *node);                 /* NULL: no gradient passes */
};

/* ---- What an op sees while it runs -------------------------------------------------------------------------------- */

struct pn_run {
    pn_plan *plan;
    const pn_kernels *kernels;
    pn_pool *pool;
    const pn_step *step;
    int threads;
    bool training;                  /* batch statistics, state updates */
    bool settling;                  /* settled values are computed: the first run, or parameters have changed */
    bool recompute;                 /* a second forward of the same run: never update state */
    uint64_t number;                /* of this forward, from 1: with the node's index the Philox counter */
};

const pn_real *pn_in(const pn_run *r, const pn_node *node, int i);
pn_real *pn_out(const pn_run *r, const pn_node *node);                  /* forward writes it */
const pn_real *pn_result(const pn_run *r, const pn_node *node);         /* backward reads it (PN_OUTPUT) */
pn_real *pn_saved(const pn_run *r, const pn_node *node, int i);
const pn_real *pn_grad_out(const pn_run *r, const pn_node *node);
pn_sink pn_sink_in(const pn_run *r, const pn_node *node, int i);
bool pn_wants_grad(const pn_run *r, const pn_node *node, int i);        /* also valid in sizes() */
/* Whether weights i are new in every run, learned or computed: the same for forward, backward and what is recomputed; also
 * valid in sizes(). */
bool pn_is_learnt(const pn_run *r, const pn_node *node, int i);
void *pn_scratch(const pn_run *r);
/* State of input i, writable; NULL when this run must not update it (inference, recompute). */
pn_real *pn_state_in(const pn_run *r, const pn_node *node, int i);
/* How input i is read: NULL as it lies there, else through *room, which is filled in. */
const pn_prologue *pn_prologue_in(const pn_run *r, int i, pn_prologue *room);
/* How the result is written; the bias is the op's own. */
pn_epilogue pn_epilogue_out(const pn_run *r, const pn_node *node);
/* The gradient of what an op computed before its epilogue, which passes on that of the residual. */
const pn_real *pn_grad_unfolded(const pn_run *r, const pn_node *node);
/* How the result is read, for the backward of an op that folds: NULL as it lies there. */
const pn_prologue *pn_prologue_out(const pn_run *r, pn_prologue *room);
/* Sum and sum of squares of input 0, [2][N][C rounded up to PN_BLOCK]; NULL: nobody left them. */
const pn_real *pn_sums_given(const pn_run *r);
/* The step of the same op that is computed with this one, its result added; false: none. `other` runs nothing: it
 * answers pn_in, pn_map_in and pn_prologue_in for that step. Backward goes through each on its own. */
bool pn_joined(const pn_run *r, pn_run *other);
/* Packed memory `slot`; *stale: input i has changed since it was last filled, so fill it now. */
pn_real *pn_packed(const pn_run *r, const pn_node *node, int slot, int i, bool *stale);
/* The map behind input i or the output, in the layout of this step; [T,D] and the like come as n = c = h = 1. */
pn_map pn_map_in(const pn_run *r, const pn_node *node, int i);
pn_map pn_map_out(const pn_run *r, const pn_node *node);
pn_map pn_map_saved(const pn_run *r, const pn_node *node, int i);
pn_map pn_map_make(pn_shape s, int block);

/* ---- Graphs ------------------------------------------------------------------------------------------------------- */

struct pn_graph {
    pn_ctx *ctx;
    pn_arena arena;
    pn_status status;
    char message[PN_MESSAGE_MAX];
    pn_node *first, *last;
    int n_nodes;
    pn_tensor **tensors;            /* inputs, results and saved values in order of recording */
    size_t n_tensors, tensors_room;
    pn_tensor *loss;
    const char *block;
    const char *begun;              /* the op being recorded, for messages */
};

pn_status pn_graph_fail(pn_graph *g, pn_status status, const char *format, ...) PN_PRINTF(3, 4);

/* ---- Plans -------------------------------------------------------------------------------------------------------- */

typedef struct {
    size_t bytes;
    int first, last;                /* ticks, inclusive */
    ptrdiff_t offset;               /* in the arena; -1 until placed */
    bool shared;                    /* in that of plans that take turns */
    bool lent;                      /* there until the optimiser step: the gradient of a parameter */
} pn_buffer;

typedef struct {
    pn_tensor *tensor;              /* whose value it is; a conversion's: the tensor converted */
    pn_shape shape;
    int block;                      /* 1 or 16 */
    int buffer;                     /* -1: memory of a parameter or state */
    int grad;                       /* buffer of its gradient, or -1 */
    int original;                   /* of a recomputed twin: the value it stands for; or -1 */
    int raw;                        /* >= 0: never stored; act(raw scale + shift) while it is read, ... */
    int lines;                      /* ... with scale and shift here, and this slope */
    pn_real slope;
    bool settled;                   /* computed from parameters and state alone, once for all runs until these change */
    bool seeded;                    /* loss, or output that can be handed a gradient: backward writes add to it */
    bool touched;                   /* a backward step writes its gradient */
    pn_real *data, *grad_data;
} pn_value;

/* Packed memory and what it was packed from; brief: it is filled anew by each step. */
typedef struct { int buffer; uint64_t key; bool brief; } pn_packed_slot;

struct pn_step {
    const pn_node *node;
    int *in;                        /* values */
    int n_in;                       /* the node's, and behind them a residual that was folded in */
    int out;
    int saved[PN_MAX_SAVED];
    pn_real slope;                  /* of the activation folded into the writing; 1: none */
    int sums_left, sums_given;      /* values: sums of the result that it leaves, of input 0 that it finds; or -1 */
    uint32_t wanted;                /* PN_INPUT(i): backward computes the gradient of input i */
    uint32_t adds;                  /* PN_INPUT(i): and adds it to what earlier steps left */
    bool backward, recompute;
    int scratch;                    /* buffer or -1 */
    pn_step *joined;                /* forward: a step computed with this one; its result is in[node->n_in], never stored */
    pn_packed_slot *packed;         /* two, shared by all steps that pack the same; brief ones by none */
};

/* Before forward, after it, after it and another plan that took the memory, after backward. */
typedef enum { PN_PLAN_FRESH, PN_PLAN_RAN, PN_PLAN_LOST, PN_PLAN_DONE } pn_plan_state;

struct pn_plan {
    pn_ctx *ctx;
    pn_graph *graph;
    pn_mode mode;
    pn_params *learn;
    pn_arena arena;                 /* of the plan's own bookkeeping */
    pn_value *values;  int n_values, values_room;
    pn_step *forward;  int n_forward,  forward_room;
    pn_step *backward; int n_backward, backward_room;   /* recomputing steps among them */
    pn_buffer *buffers; int n_buffers, buffers_room;
    int *value_of;                  /* by graph tensor: its first value, -1 if not planned */
    bool *live, *wants;             /* by graph tensor: computed at all; gradient wanted and reached by a seed */
    bool *is_set;                   /* by graph tensor: inputs that have been given a value */
    const pn_tensor **settled_by; int n_settled_by, settled_by_room;    /* parameters and state that settled values come from */
    uint64_t settled_key;           /* of these when they were last computed; 0: never */
    bool *handed;                   /* by graph tensor: outputs handed a gradient since the last forward */
    uint8_t *memory;                /* the arena that values live in */
    size_t memory_bytes;
    pn_memory *turns;               /* NULL: takes none */
    bool guest;
    uint8_t *shared;                /* where its part of that memory begins */
    size_t shared_bytes, held_bytes;        /* of these, from the beginning: what it holds from forward to backward */
    pn_plan *next;                  /* of the same memory */
    pn_plan_stats stats;
    pn_plan_state state;
    const char *recompute;
    int remake;
    bool seldom;
    pn_run run;
};

/* Planning, in this order; each may fail with its message in the context. */
pn_status pn_plan_lower(pn_plan *p);            /* lower.c: nodes to forward steps, values in their layouts */
pn_status pn_plan_fuse(pn_plan *p);             /* fuse.c: steps folded into their neighbours */
pn_status pn_plan_differentiate(pn_plan *p);    /* differentiate.c: backward steps, recomputing among them */
pn_status pn_plan_settle(pn_plan *p);           /* settle.c: what need not be computed in every run */
pn_status pn_plan_order(pn_plan *p);            /* order.c: forward steps that make room go first */
pn_status pn_plan_place(pn_plan *p);            /* place.c: lifetimes, shared memory, the arena */

/* Memory that plans take turns in (memory.c). */
pn_status pn_memory_join(pn_memory *m, pn_plan *p);     /* a plan that was placed; the memory grows as needed */
void pn_memory_leave(pn_plan *p);
void pn_memory_take(pn_plan *p);                /* its turn */
/* A parameter whose gradient waits there for the optimiser step; NULL: none. */
const pn_tensor *pn_memory_waiting(const pn_plan *p);
void pn_plan_resolve(pn_plan *p);               /* place.c: pointers into the arenas */
uint8_t *pn_buffer_at(const pn_plan *p, int buffer);
void pn_plan_place_gradients(pn_plan *p);       /* run.c: of parameters, before a backward */

/* What the passes above build with; -1 or NULL: no memory. */
int pn_plan_add_value(pn_plan *p, pn_tensor *t, pn_shape shape, int block);
pn_step *pn_plan_add_step(pn_plan *p, bool backward, const pn_node *node);
int pn_plan_add_buffer(pn_plan *p, size_t bytes);
pn_status pn_plan_add_settled_by(pn_plan *p, const pn_tensor *t);
unsigned pn_step_reads(const pn_step *step);            /* PN_INPUT(i) | PN_OUTPUT: what its backward reads */
bool pn_step_settled(const pn_plan *p, const pn_step *step);    /* it runs when parameters have changed */
bool pn_step_packs_alike(const pn_plan *p, const pn_step *a, const pn_step *b);
int pn_value_of(const pn_plan *p, const pn_tensor *t);  /* its first value; -1: not part of this plan */
bool pn_tensor_wants(const pn_plan *p, const pn_tensor *t);     /* a gradient is wanted and a seed reaches it */

extern const pn_op pn_op_relayout;  /* inserted by the planner: the same numbers in another layout */
extern const pn_op pn_op_copy;      /* inserted by the planner where one tensor enters an op twice */

#endif
