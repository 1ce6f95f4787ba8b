/* ref/match.h - the parts of the reference kernels of kernels/match.h */
#ifndef PN_REF_MATCH_H
#define PN_REF_MATCH_H

#include "kernels/ref/lanes.h"

void pn_ref_add_window(pn_match_kernels *k);
void pn_ref_add_patch(pn_match_kernels *k);

static inline ptrdiff_t pn_ref_inside(ptrdiff_t i, ptrdiff_t extent) { return i < 0 ? 0 : i >= extent ? extent - 1 : i; }

/* A pixel, and the one that offset t of a k x k window leads to. */
typedef struct { ptrdiff_t y, x; } pn_ref_pixel;
static inline pn_ref_pixel pn_ref_window(pn_map m, ptrdiff_t k, ptrdiff_t t, pn_ref_pixel p)
{
    return (pn_ref_pixel){ pn_ref_inside(p.y + t / k - k / 2, m.h), pn_ref_inside(p.x + t % k - k / 2, m.w) };
}
/* Planes of a window without its centre. */
static inline pn_map pn_ref_planes(pn_map m, ptrdiff_t planes) { return (pn_map){ m.n, planes, m.h, m.w, 1 }; }

#endif
