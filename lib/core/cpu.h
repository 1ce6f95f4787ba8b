/* cpu.h - which instruction sets this processor and this build have */
#ifndef PN_CPU_H
#define PN_CPU_H

#include "posenet.h"

pn_isa pn_isa_best(void);
pn_isa pn_isa_by_name(const char *name);        /* PN_ISA_BEST: no such name */
bool pn_isa_available(pn_isa isa);
int pn_cores(void);                             /* this process may use; at least 1 */

#endif
