/* lib/kernels/simd/attention.c */
#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_attention)(pn_kernels *k) { (void)k; }
