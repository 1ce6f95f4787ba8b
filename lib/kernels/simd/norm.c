/* lib/kernels/simd/norm.c */
#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_norm)(pn_kernels *k) { (void)k; }
