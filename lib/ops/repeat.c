/* lib/ops/repeat.c - strides of an array that is repeated along some axes of a larger one */
#include "ops/repeat.h"

bool pn_repeats_to(pn_shape small, pn_shape large)
{
    if (small.rank != large.rank) return false;
    for (int i = 0; i < large.rank; i++)
        if (small.dim[i] != large.dim[i] && small.dim[i] != 1) return false;
    return true;
}

bool pn_expect_repeats(pn_graph *g, const pn_tensor *a, const pn_tensor *b)
{
    char is[PN_SHAPE_TEXT], should[PN_SHAPE_TEXT];
    return pn_expect_fits(g, pn_repeats_to(b->shape, a->shape),
                          "b is %s, expected %s or extents of 1 where it is to be repeated; "
                          "the larger tensor comes first", pn_shape_text(b->shape, is),
                          pn_shape_text(a->shape, should));
}

bool pn_repeats_channels(const pn_tensor *a, const pn_tensor *b)
{
    return a->shape.rank == 4 && b->shape.dim[1] == 1 && a->shape.dim[1] > 1;
}

/* Extents of the array as it is stored: of a map n, blocks, h, w, block; otherwise the shape behind leading ones. */
static void stored_extents(pn_shape s, ptrdiff_t block, ptrdiff_t extent[PN_MAX_RANK])
{
    if (s.rank == 4) {
        const pn_map m = pn_map_make(s, (int)block);
        const ptrdiff_t e[PN_MAX_RANK] = { m.n, pn_map_blocks(m), m.h, m.w, m.b };
        for (int i = 0; i < PN_MAX_RANK; i++) extent[i] = e[i];
    } else {
        for (int i = 0; i < PN_MAX_RANK; i++)
            extent[i] = i < PN_MAX_RANK - s.rank ? 1 : s.dim[i - (PN_MAX_RANK - s.rank)];
    }
}

pn_repeat pn_repeat_of(pn_shape large, ptrdiff_t large_block, pn_shape small, ptrdiff_t small_block)
{
    pn_repeat r = { .map = pn_map_make(large, (int)large_block) };
    ptrdiff_t extent[PN_MAX_RANK], step = 1;
    stored_extents(large, large_block, r.extent);
    stored_extents(small, small_block, extent);
    for (int i = PN_MAX_RANK - 1; i >= 0; i--) {
        r.stride[i] = extent[i] == r.extent[i] ? step : 0;
        step *= extent[i];
    }
    return r;
}

pn_repeat pn_repeat_in(const pn_run *r, const pn_node *node)
{
    return pn_repeat_of(node->in[0]->shape, pn_map_in(r, node, 0).b, node->in[1]->shape, pn_map_in(r, node, 1).b);
}
