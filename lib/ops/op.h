/* op.h - what an op's file needs: begin, checks, record */
#ifndef PN_OP_H
#define PN_OP_H

#include "graph/graph.h"

/* False when g has failed earlier or an argument is NULL (which fails g with PN_ERR_ARG). Optional inputs are not listed. */
bool pn_op_begin(pn_graph *g, const pn_op *op, pn_tensor *const *in, int n);
/* Each check fails g with a message that begins with pn_<op>: and returns false; the op is the one begun last. */
bool pn_expect(pn_graph *g, bool holds, const char *format, ...) PN_PRINTF(3, 4);       /* PN_ERR_ARG */
bool pn_expect_fits(pn_graph *g, bool holds, const char *format, ...) PN_PRINTF(3, 4);  /* PN_ERR_SHAPE */
bool pn_expect_rank(pn_graph *g, const pn_tensor *t, const char *name, int rank);
bool pn_expect_shape(pn_graph *g, const pn_tensor *t, const char *name, pn_shape expected);
/* Append a node; its bytes beyond pn_node are zero. NULL and g failed (memory, or a shape too large). */
pn_node *pn_op_record(pn_graph *g, const pn_op *op, pn_shape result, pn_tensor *const *in, int n);
/* One more value that forward leaves for backward; NULL and g failed. */
pn_tensor *pn_op_save(pn_graph *g, pn_node *node, pn_shape shape);

#endif
