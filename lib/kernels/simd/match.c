/* simd/match.c - what this level adds of kernels/match.h */
#include "kernels/simd/match.h"

void PN_SIMD(pn_simd_match)(pn_kernels *k)
{
    PN_SIMD(pn_simd_unit)(&k->match);
    PN_SIMD(pn_simd_window)(&k->match);
    PN_SIMD(pn_simd_patch)(&k->match);
    PN_SIMD(pn_simd_unfold)(&k->match);
}
