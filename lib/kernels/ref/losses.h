/* ref/losses.h - the parts of the reference losses */
#ifndef PN_REF_LOSSES_H
#define PN_REF_LOSSES_H

#include "kernels/ref/lanes.h"

void pn_ref_add_contextual(pn_loss_kernels *k);

#endif
