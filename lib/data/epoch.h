/* epoch.h - in which order the loaders take what there is */
#ifndef PN_EPOCH_H
#define PN_EPOCH_H

#include "posenet/data.h"

/* order[0 .. n-1] of an epoch: 0 .. n-1, kept so or shuffled by the seed's stream "what/epoch". */
void pn_epoch_order(uint64_t seed, const char *what, uint64_t epoch, pn_order how, ptrdiff_t *order, ptrdiff_t n);

#endif
