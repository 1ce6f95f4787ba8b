/* lib/kernels/simd/conv.c */
#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_conv)(pn_kernels *k) { (void)k; }
