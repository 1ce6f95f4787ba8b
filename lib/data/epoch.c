/* lib/data/epoch.c - see epoch.h */
#include "data/epoch.h"
#include "core/core.h"

#include <stdio.h>

void pn_epoch_order(uint64_t seed, const char *what, uint64_t epoch, pn_order how, ptrdiff_t *order, ptrdiff_t n)
{
    char stream[48];
    for (ptrdiff_t i = 0; i < n; i++) order[i] = i;
    snprintf(stream, sizeof stream, "%s/%llu", what, (unsigned long long)epoch);
    pn_rng rng = pn_rng_named(seed, stream);
    if (how == PN_SHUFFLED) pn_rng_shuffle(&rng, order, n);
}
