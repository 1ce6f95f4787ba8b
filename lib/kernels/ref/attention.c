/* lib/kernels/ref/attention.c */
#include "kernels/kernels.h"

void pn_ref_add_attention(pn_kernels *k) { (void)k; }
