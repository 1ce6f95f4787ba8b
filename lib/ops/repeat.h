/* repeat.h - shapes that are repeated along some axes: what add, mul, sum and mean share */
#ifndef PN_REPEAT_H
#define PN_REPEAT_H

#include "ops/op.h"

/* small has the rank of large, and each extent is large's or 1. */
bool pn_repeats_to(pn_shape small, pn_shape large);
/* Fails g unless b can be repeated to the shape of a. */
bool pn_expect_repeats(pn_graph *g, const pn_tensor *a, const pn_tensor *b);
/* b is a map of one channel for all of a's. */
bool pn_repeats_channels(const pn_tensor *a, const pn_tensor *b);
/* The strides behind it, for the layouts both have. A blocked large map takes a planar small one only where channels repeat. */
pn_repeat pn_repeat_of(pn_shape large, ptrdiff_t large_block, pn_shape small, ptrdiff_t small_block);
/* Those of a node's input 1 along its input 0. */
pn_repeat pn_repeat_in(const pn_run *r, const pn_node *node);

#endif
