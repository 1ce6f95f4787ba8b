/* ref/pointwise.h - inside ref/: the gelu, and who adds which part of kernels/pointwise.h */
#ifndef PN_REF_POINTWISE_H
#define PN_REF_POINTWISE_H

#include "kernels/kernels.h"

#include <math.h>

/* Beyond +-64 the normal distribution is 0 or 1 and its density 0 in double too; infinities stop there. */
static inline double pn_ref_within_64(double x) { return x < -64 ? -64 : x > 64 ? 64 : x; }
static inline double pn_ref_normal_below(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }
static inline double pn_ref_normal_density(double x) { return 0.39894228040143267794 * exp(-0.5 * x * x); }

static inline double pn_ref_gelu(double x) { return (x < -64 ? -64 : x) * pn_ref_normal_below(x); }
static inline double pn_ref_gelu_slope(double x)
{
    const double near = pn_ref_within_64(x);
    return pn_ref_normal_below(x) + near * pn_ref_normal_density(near);
}

void pn_ref_add_gates(pn_pointwise_kernels *k);

#endif
