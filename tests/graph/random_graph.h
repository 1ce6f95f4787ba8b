/* random_graph.h - graphs drawn at random, and what they compute when every op runs in a plan of its own */
#ifndef RANDOM_GRAPH_H
#define RANDOM_GRAPH_H

#include "support/pntest.h"

enum { RANDOM_IN = 3, RANDOM_OUT = 4 };

typedef struct {
    pn_ctx *ctx;
    pn_params *learnt, *frozen;
    pn_graph *g;
    pn_tensor *in[RANDOM_IN], *out[RANDOM_OUT];         /* the first output can be handed a gradient; so may others */
    int n_out;
} random_graph;

/* The same graph for the same seed, whatever the context. */
random_graph random_graph_make(pn_ctx *ctx, uint64_t seed);
void random_graph_free(random_graph *r);

/* All its numbers after one forward and, when training, one backward: outputs; gradients of inputs and of what is
 * learnt. owned. */
typedef struct { pn_real *values; ptrdiff_t count; } random_numbers;
random_numbers random_graph_run(const random_graph *r, pn_plan *plan);
random_numbers random_graph_finish(const random_graph *r, pn_plan *plan);      /* from after the forward */
/* The same numbers without the planner's memory: one plan per op and direction, gradients added up here. */
random_numbers random_graph_evaluate(const random_graph *r);
void random_graph_set(const random_graph *r, pn_plan *plan);   /* inputs */

#endif
