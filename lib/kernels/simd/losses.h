/* simd/losses.h - the files of the fast losses; each overwrites the entries it has */
#ifndef PN_SIMD_LOSSES_H
#define PN_SIMD_LOSSES_H

#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_distance)(pn_loss_kernels *k);
void PN_SIMD(pn_simd_cross_entropy)(pn_loss_kernels *k);
void PN_SIMD(pn_simd_cosine)(pn_loss_kernels *k);
void PN_SIMD(pn_simd_gram)(pn_loss_kernels *k);
void PN_SIMD(pn_simd_spectral)(pn_loss_kernels *k);
void PN_SIMD(pn_simd_contextual)(pn_loss_kernels *k);

#endif
