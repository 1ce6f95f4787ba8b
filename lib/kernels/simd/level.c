/* lib/kernels/simd/level.c - compiled once per instruction set: what this level adds to the table */
#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_add)(pn_kernels *k)
{
    PN_SIMD(pn_simd_conv)(k);
    PN_SIMD(pn_simd_matmul)(k);
    PN_SIMD(pn_simd_norm)(k);
    PN_SIMD(pn_simd_pointwise)(k);
    PN_SIMD(pn_simd_shaping)(k);
    PN_SIMD(pn_simd_resample)(k);
    PN_SIMD(pn_simd_attention)(k);
    PN_SIMD(pn_simd_match)(k);
    PN_SIMD(pn_simd_losses)(k);
    PN_SIMD(pn_simd_regions)(k);
    PN_SIMD(pn_simd_optim)(k);
}
