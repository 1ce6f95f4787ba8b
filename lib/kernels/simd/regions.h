/* simd/regions.h - the files of the fast region kernels; each overwrites the entries it has */
#ifndef PN_SIMD_REGIONS_H
#define PN_SIMD_REGIONS_H

#include "kernels/simd/vec.h"

void PN_SIMD(pn_simd_grouped)(pn_region_kernels *k);

#endif
