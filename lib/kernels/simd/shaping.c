/* lib/kernels/simd/shaping.c */
#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_shaping)(pn_kernels *k) { (void)k; }
