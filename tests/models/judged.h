/* tests/models/judged.h - GFLA's pair tasks: what the critic says of what the generator made goes back through the generator */
#ifndef JUDGED_H
#define JUDGED_H

#include "../models/gfla/gfla.h"

/* gen has run forward; source and target are the critic's. */
void judge_and_go_back(pn_plan *gen, const gfla_output *out, pn_plan *crit, const gfla_judged *see, const pn_real *source,
                       const pn_real *target);

#endif
