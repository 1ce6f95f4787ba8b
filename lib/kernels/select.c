/* lib/kernels/select.c - ref is complete; each level overwrites the entries it has. Once per context. */
#include "kernels/kernels.h"

typedef void add_level(pn_kernels *k);

#ifdef PN_REAL_DOUBLE
static add_level *const levels[PN_ISA_NEON + 1] = { 0 };
#elif defined(__x86_64__)
static add_level *const levels[PN_ISA_NEON + 1] = {
    [PN_ISA_BASE] = pn_simd_add_base, [PN_ISA_AVX2] = pn_simd_add_avx2, [PN_ISA_AVX512] = pn_simd_add_avx512,
};
#elif defined(__aarch64__)
static add_level *const levels[PN_ISA_NEON + 1] = { [PN_ISA_BASE] = pn_simd_add_base, [PN_ISA_NEON] = pn_simd_add_neon };
#else
static add_level *const levels[PN_ISA_NEON + 1] = { [PN_ISA_BASE] = pn_simd_add_base };
#endif

bool pn_kernels_built(pn_isa isa) { return isa == PN_ISA_REF || ((unsigned)isa <= PN_ISA_NEON && levels[isa]); }

pn_kernels pn_kernels_for(pn_isa isa)
{
    static add_level *const ref[] = {
        pn_ref_add_conv, pn_ref_add_matmul, pn_ref_add_norm, pn_ref_add_pointwise, pn_ref_add_shaping,
        pn_ref_add_resample, pn_ref_add_attention, pn_ref_add_match, pn_ref_add_losses, pn_ref_add_regions,
        pn_ref_add_optim,
    };
    pn_kernels k = { 0 };
    for (size_t i = 0; i < sizeof ref / sizeof *ref; i++) ref[i](&k);
    for (int i = PN_ISA_BASE; i <= (int)isa; i++)
        if (levels[i]) levels[i](&k);
    return k;
}
