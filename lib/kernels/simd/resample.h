/* simd/resample.h - the files of the fast resample family; each overwrites the entries it has */
#ifndef PN_SIMD_RESAMPLE_H
#define PN_SIMD_RESAMPLE_H

#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_pooling)(pn_resample_kernels *k);
void PN_SIMD(pn_simd_resize)(pn_resample_kernels *k);
void PN_SIMD(pn_simd_sample)(pn_resample_kernels *k);

#endif
