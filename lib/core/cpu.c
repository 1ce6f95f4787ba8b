/* lib/core/cpu.c - instruction sets and cores, asked of the processor and the system */
#define _GNU_SOURCE
#include "core/cpu.h"
#include "kernels/kernels.h"

#include <sched.h>
#include <string.h>

static const char *const names[] = {
    [PN_ISA_BEST] = "best", [PN_ISA_REF] = "ref", [PN_ISA_BASE] = "base", [PN_ISA_AVX2] = "avx2",
    [PN_ISA_AVX512] = "avx512", [PN_ISA_NEON] = "neon",
};
enum { ISAS = sizeof names / sizeof *names };

const char *pn_isa_name(pn_isa isa) { return (unsigned)isa < ISAS ? names[isa] : "unknown"; }

pn_isa pn_isa_by_name(const char *name)
{
    for (int i = PN_ISA_REF; i < ISAS; i++)
        if (strcmp(name, names[i]) == 0) return (pn_isa)i;
    return PN_ISA_BEST;
}

#if defined(__x86_64__)
static bool processor_has(pn_isa isa)
{
    switch (isa) {
    case PN_ISA_REF: case PN_ISA_BASE: return true;
    case PN_ISA_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case PN_ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    default: return false;
    }
}
#elif defined(__aarch64__)
static bool processor_has(pn_isa isa) { return isa == PN_ISA_REF || isa == PN_ISA_BASE || isa == PN_ISA_NEON; }
#else
static bool processor_has(pn_isa isa) { return isa == PN_ISA_REF || isa == PN_ISA_BASE; }
#endif

bool pn_isa_available(pn_isa isa) { return pn_kernels_built(isa) && processor_has(isa); }

pn_isa pn_isa_best(void)
{
    static const pn_isa best_first[] = { PN_ISA_NEON, PN_ISA_AVX512, PN_ISA_AVX2, PN_ISA_BASE };
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++)
        if (pn_isa_available(best_first[i])) return best_first[i];
    return PN_ISA_REF;
}

int pn_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > 256 ? 256 : n;
}
