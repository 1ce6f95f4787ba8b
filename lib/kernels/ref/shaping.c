/* lib/kernels/ref/shaping.c */
#include "kernels/kernels.h"

void pn_ref_add_shaping(pn_kernels *k) { (void)k; }
