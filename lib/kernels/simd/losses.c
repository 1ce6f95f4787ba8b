/* simd/losses.c - what this level adds to the losses */
#include "kernels/simd/losses.h"

void PN_SIMD(pn_simd_losses)(pn_kernels *k)
{
    PN_SIMD(pn_simd_distance)(&k->loss);
    PN_SIMD(pn_simd_cross_entropy)(&k->loss);
    PN_SIMD(pn_simd_cosine)(&k->loss);
    PN_SIMD(pn_simd_gram)(&k->loss);
    PN_SIMD(pn_simd_spectral)(&k->loss);
    PN_SIMD(pn_simd_contextual)(&k->loss);
}
