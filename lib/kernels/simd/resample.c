/* simd/resample.c - what this level adds to the resample family */
#include "kernels/simd/resample.h"

void PN_SIMD(pn_simd_resample)(pn_kernels *k)
{
    PN_SIMD(pn_simd_pooling)(&k->resample);
    PN_SIMD(pn_simd_resize)(&k->resample);
    PN_SIMD(pn_simd_sample)(&k->resample);
}
