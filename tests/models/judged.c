/* tests/models/judged.c - see judged.h */
#include "models/judged.h"

#include <check.h>

void judge_and_go_back(pn_plan *gen, const gfla_output *out, pn_plan *crit, const gfla_judged *see, const pn_real *source,
                       const pn_real *target)
{
    if (see->image) pn_copy(crit, see->image, gen, out->image);
    for (int i = 0; i < see->flows; i++) pn_copy(crit, see->flow[i], gen, out->flow[i]);
    pn_set(crit, see->source, source);
    pn_set(crit, see->target, target);
    ck_assert_int_eq(pn_forward(crit), PN_OK);
    ck_assert_int_eq(pn_backward(crit), PN_OK);
    if (see->image) ck_assert_int_eq(pn_copy_grad(gen, out->image, crit, see->image), PN_OK);
    for (int i = 0; i < see->flows; i++) ck_assert_int_eq(pn_copy_grad(gen, out->flow[i], crit, see->flow[i]), PN_OK);
    ck_assert_int_eq(pn_backward(gen), PN_OK);
}
