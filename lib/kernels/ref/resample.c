/* lib/kernels/ref/resample.c */
#include "kernels/kernels.h"

void pn_ref_add_resample(pn_kernels *k) { (void)k; }
