/* ref/lanes.h - the numbers of a block past the last channel: what a kernel writes there is zero */
#ifndef PN_REF_LANES_H
#define PN_REF_LANES_H

#include "kernels/kernels.h"

/* Clear those that share a block with channel c of sample n, if c is the last; else nothing. */
static inline void pn_ref_clear_lanes(pn_real *map, pn_map m, ptrdiff_t n, ptrdiff_t c)
{
    if (c != m.c - 1) return;
    for (ptrdiff_t lane = m.c; lane < pn_map_blocks(m) * m.b; lane++)
        for (ptrdiff_t y = 0; y < m.h; y++)
            for (ptrdiff_t x = 0; x < m.w; x++) map[pn_at(m, n, lane, y, x)] = 0;
}

#endif
