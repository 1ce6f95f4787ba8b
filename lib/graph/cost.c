/* lib/graph/cost.c - what a graph costs, counted as papers do: multiply-adds of products, nothing of norms and activations */
#include "graph/graph.h"

#include <string.h>

/* How many a recorded op takes. out, a, b: numbers of its result and of its first two inputs. */
typedef enum {
    BY_PIXEL,           /* result's samples and pixels times the second input's numbers: convolution */
    BY_INPUT_PIXEL,     /* the same of the first input: transposed convolution */
    BY_ROW,             /* rows of the first input times the second input's numbers */
    BY_SAMPLE,          /* samples times the second input's numbers */
    BY_LAST_AXIS,       /* result times the first input's last axis */
    BY_CHANNELS,        /* result times the first input's channels */
    BY_SECOND_CHANNELS, /* result times the second input's */
    BY_PAIRS            /* queries times keys times what is compared and what is carried */
} rule;

static const struct {
    const char *op;
    rule by;
} table[] = {
    { "conv2d", BY_PIXEL },
    { "conv_transpose2d", BY_INPUT_PIXEL },
    { "linear", BY_ROW },
    { "grouped_linear", BY_SAMPLE },
    { "matmul", BY_LAST_AXIS },
    { "self_correlation", BY_CHANNELS },
    { "window_sum", BY_SECOND_CHANNELS },
    { "region_spread", BY_SECOND_CHANNELS },
    { "region_pool", BY_PIXEL },
    { "correspondence", BY_PAIRS },
    { "attention", BY_PAIRS },
};

static double extent(const pn_tensor *t, int axis) { return axis < t->shape.rank ? (double)t->shape.dim[axis] : 1; }
static double numbers(const pn_tensor *t) { return (double)pn_shape_count(t->shape); }

/* N TH TW SH SW (D + V) of maps; B Tq Tk (D + Dv) of rows. */
static double of_pairs(pn_tensor *const in[])
{
    if (in[0]->shape.rank == 3)
        return numbers(in[0]) / extent(in[0], 2) * extent(in[1], 1) * (extent(in[0], 2) + extent(in[2], 2));
    const double queries = extent(in[0], 2) * extent(in[0], 3), keys = extent(in[1], 2) * extent(in[1], 3);
    return extent(in[0], 0) * queries * keys * (extent(in[0], 1) + extent(in[2], 1));
}

static double of_node(const pn_node *node, rule by)
{
    const pn_tensor *out = node->out, *a = node->in[0], *b = node->in[1];
    switch (by) {
    case BY_PIXEL: return out->shape.rank == 4 ? numbers(out) / extent(out, 1) * numbers(b) : numbers(a) * extent(b, 1);
    case BY_INPUT_PIXEL: return numbers(a) / extent(a, 1) * numbers(b);
    case BY_ROW: return numbers(a) / extent(a, a->shape.rank - 1) * numbers(b);
    case BY_SAMPLE: return extent(a, 0) * numbers(b);
    case BY_LAST_AXIS: return numbers(out) * extent(a, a->shape.rank - 1);
    case BY_CHANNELS: return numbers(out) * extent(a, 1);
    case BY_SECOND_CHANNELS: return numbers(out) * extent(b, 1);
    case BY_PAIRS: return of_pairs(node->in);
    }
    return 0;
}

double pn_graph_macs(const pn_graph *g)
{
    double sum = 0;
    for (const pn_node *node = g ? g->first : NULL; node; node = node->next)
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
            if (strcmp(node->op->name, table[i].op) == 0) sum += of_node(node, table[i].by);
    return sum;
}
