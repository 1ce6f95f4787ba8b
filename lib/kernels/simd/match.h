/* simd/match.h - inside simd/: the adjoint of reading windows, and who adds which part of kernels/match.h */
#ifndef PN_SIMD_MATCH_H
#define PN_SIMD_MATCH_H

#include "kernels/simd/pointwise.h"

/* g[n][t][p] belongs to the pair p, clamp(p + d_t). In `turned`, [n][k^2][h][w], number e of pixel r is the sum of what
 * belongs to the pairs r + d_e, r; with `both` also to r, r + d_e: so a sum over the window takes everything back;
 * 0 where r + d_e is outside. skip: g lacks the centre's plane. */
typedef struct {
    const float *g;
    float *turned;
    ptrdiff_t k, n, h, w;
    bool skip, both;
} pn_turn;
void PN_SIMD(pn_simd_turn)(pn_pool *pool, pn_turn t);

void PN_SIMD(pn_simd_unit)(pn_match_kernels *k);
void PN_SIMD(pn_simd_window)(pn_match_kernels *k);
void PN_SIMD(pn_simd_patch)(pn_match_kernels *k);
void PN_SIMD(pn_simd_unfold)(pn_match_kernels *k);

#endif
