/* lib/kernels/simd/optim.c */
#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_optim)(pn_kernels *k) { (void)k; }
