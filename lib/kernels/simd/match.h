/* simd/match.h - inside simd/: who adds which part of kernels/match.h */
#ifndef PN_SIMD_MATCH_H
#define PN_SIMD_MATCH_H

#include "kernels/simd/pointwise.h"

void PN_SIMD(pn_simd_unit)(pn_match_kernels *k);
void PN_SIMD(pn_simd_window)(pn_match_kernels *k);

#endif
