/* lib/kernels/simd/losses.c */
#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_losses)(pn_kernels *k) { (void)k; }
