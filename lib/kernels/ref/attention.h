/* ref/attention.h - the parts of the reference attention kernels: one struct, four files */
#ifndef PN_REF_ATTENTION_H
#define PN_REF_ATTENTION_H

#include "kernels/kernels.h"

void pn_ref_add_correctness(pn_attention_kernels *k);
void pn_ref_add_regularisation(pn_attention_kernels *k);
void pn_ref_add_full_attention(pn_attention_kernels *k);

static inline pn_real pn_ref_into(pn_sink s, ptrdiff_t i, double v)
{
    return (pn_real)(s.add ? (double)s.data[i] + v : v);
}
static inline ptrdiff_t pn_ref_clamp(ptrdiff_t i, ptrdiff_t low, ptrdiff_t high)
{
    return i < low ? low : i > high ? high : i;
}

/* A real position along one axis: whole pixels and the rest. Farther out than `beyond` all that is read coincides, so
 * it is brought there before it becomes an index; NaN keeps its NaN in the rest. */
typedef struct { ptrdiff_t at; double rest; } pn_ref_place;

static inline pn_ref_place pn_ref_place_of(pn_real flow, ptrdiff_t at, ptrdiff_t extent, ptrdiff_t beyond)
{
    const pn_real u = flow + (pn_real)at;
    if (u != u) return (pn_ref_place){ 0, (double)u };
    if (u < (pn_real)-beyond) return (pn_ref_place){ -beyond, 0 };
    if (u >= (pn_real)(extent + beyond)) return (pn_ref_place){ extent + beyond, 0 };
    ptrdiff_t whole = (ptrdiff_t)u;
    if ((pn_real)whole > u) whole--;
    return (pn_ref_place){ whole, (double)(u - (pn_real)whole) };
}

#endif
