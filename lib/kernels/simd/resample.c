/* lib/kernels/simd/resample.c */
#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_resample)(pn_kernels *k) { (void)k; }
